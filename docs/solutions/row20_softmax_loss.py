"""Solutions of the tasks of docs/lecture/row20_softmax_loss.py.

Things to try:

* Nothing: :math:`e^{100}` appears above and below the line of the fraction, and cancels.
* Times 10 a single choice: one probability is nearly 1. Times 0.1 a lottery: all are near :math:`1/3`.
"""

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
