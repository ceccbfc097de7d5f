"""Solutions of the tasks of docs/lecture/row20_softmax_loss.py."""

import numpy as np


def softmax(s):
    """Probabilities (C,) of scores (C,), of any size."""
    e = np.exp(s - s.max())
    return e / e.sum()


def softmax_slope(s, y):
    """d loss / d s, an array (C,)."""
    slope = softmax(s)
    slope[y] -= 1
    return slope
