"""Solutions of the tasks of docs/lecture/row19_regularization.py."""

import numpy as np


def l2_slope(W, alpha):
    """d (alpha * sum W^2) / d W."""
    return 2 * alpha * W


def shrink(v, t):
    """argmin over w of (w - v)^2 / 2 + t |w|, for an array v."""
    return np.sign(v) * np.maximum(np.abs(v) - t, 0)
