"""Solutions of the tasks of docs/lecture/row17_svm_loss.py."""

import numpy as np


def svm_loss(s, y):
    """Multiclass SVM loss of scores s (C,) with true class y."""
    return (
        np.maximum(0, s - s[y] + 1).sum() - 1
    )  # the true class adds max(0, 1) = 1


def svm_slope(s, y):
    """d loss / d s, an array (C,)."""
    slope = (s - s[y] + 1 > 0).astype(float)
    slope[y] = 0
    slope[y] = -slope.sum()
    return slope
