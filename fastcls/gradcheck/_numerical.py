"""The numerical gradient of any function, and the measure of the error between two gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcls._validation.base import check_number, one_of, refuse_masked


def numerical_gradient(
    f: Callable[[np.ndarray], float], W: np.ndarray, h: float | None = None, method: str = "central"
) -> np.ndarray:
    """The gradient of any function of an array, one entry at a time; it is as slow as the lecture says.

    Parameters
    ----------
    f : callable
        ``f(W) -> float``
    W : array
    h : float, optional
        The step. By default 1e-5 for "central" and 1e-8 for "forward", times max|W| if that is above 1. If f
        multiplies W by data, divide by the largest value of the data: on raw pixels 1e-5 / 255.
    method : {"central", "forward"}
        (f(W + h) - f(W - h)) / 2h, or the lecture's (f(W + h) - f(W)) / h.

    Returns
    -------
    float64 array like W
    """
    one_of("method", method, ("central", "forward"))
    refuse_masked(W, "W")
    W = np.array(W, dtype=np.float64)
    if h is None:
        h = (1e-5 if method == "central" else 1e-8) * max(1.0, float(np.abs(W).max(initial=0.0)))
    check_number("h", h, minimum=0, strict=True)
    gradient = np.empty_like(W)
    value = f(W)
    for place in np.ndindex(W.shape):
        kept = W[place]
        W[place] = kept + h
        ahead = f(W)
        if method == "central":
            W[place] = kept - h
            gradient[place] = (ahead - f(W)) / (2 * h)
        else:
            gradient[place] = (ahead - value) / h
        W[place] = kept
    return gradient


def relative_errors(numerical: np.ndarray, analytic: np.ndarray) -> np.ndarray:
    """|n - a| / max(|a|, |n|, 1e-3 max|a|), entry by entry; 0 where both are 0.

    Parameters
    ----------
    numerical, analytic : float64 arrays of one shape

    Returns
    -------
    float64 array of that shape
    """
    floor = 1e-3 * np.abs(analytic).max(initial=0.0)
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numerical)), floor)
    return np.abs(numerical - analytic) / np.where(scale > 0, scale, 1.0)


def errors_beyond(numerical: np.ndarray, analytic: np.ndarray, allowed: np.ndarray, largest: float) -> np.ndarray:
    """`relative_errors` beyond the allowed rounding; infinite if a gradient is not finite."""
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(np.abs(numerical - analytic) - allowed, 0.0)
        scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numerical)), 1e-3 * largest)
        errors = beyond / np.where(scale > 0, scale, 1.0)
    return np.where(np.isfinite(numerical) & np.isfinite(analytic), errors, np.inf)
