"""Solutions of the tasks of docs/lecture/row17_svm_loss.py.

Things to try:

* Scale :math:`W` and the margin by the same factor, and every loss is scaled by it, too.
* Only the frog's: 6.6 in place of 12.9, because both its rivals are within the margin. The cat has one such rival, the car
  none.
"""

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
