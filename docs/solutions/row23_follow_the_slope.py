"""Solutions of the tasks of docs/lecture/row23_follow_the_slope.py."""

import numpy as np


def central_difference(f, W, h=1e-5):
    """Numerical gradient of f at W, one entry at a time, looking in both directions."""
    gradient = np.zeros(W.shape)
    for place in np.ndindex(W.shape):
        step = np.zeros(W.shape)
        step[place] = h
        gradient[place] = (f(W + step) - f(W - step)) / (2 * h)
    return gradient


def slope_error(f, gradient, W, direction, h=1e-5):
    """|measured - promised| slope of f along direction."""
    measured = (f(W + h * direction) - f(W - h * direction)) / (2 * h)
    return abs(measured - (gradient * direction).sum())
