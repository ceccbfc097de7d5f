"""Where the rows lie and how far they spread: the centring and scaling of the linear classifiers, without a copy of X."""

from __future__ import annotations

import math

import numpy as np

from . import _kernels, _linear
from ._validation import InputError
from .problem import as_bytes, padded

_ROWS_PER_CALL_VALUES = 1 << 27


def _pieces(X: np.ndarray):
    step = max(256, _ROWS_PER_CALL_VALUES // X.shape[1] // 256 * 256)
    return (slice(start, start + step) for start in range(0, len(X), step))


def feature_sums(X: np.ndarray, weights: np.ndarray, n_threads: int) -> np.ndarray:
    """Weighted sum of every feature, (n_features,); weights (n_rows,) or of length 0."""
    storage = _kernels.TYPES[X.dtype.name]
    sums = np.zeros((1, padded(X.shape[1])))
    scratch = np.empty(
        _linear.scratch_size(X.shape[1], storage, _linear.REALS["float64"], 1, 1), dtype=np.uint8
    )
    for piece in _pieces(X):
        _linear.column_sums(as_bytes(X[piece]), storage, weights[piece], sums, scratch, n_threads)
    return sums[0, : X.shape[1]]


def feature_means(X: np.ndarray, weights: np.ndarray, n_threads: int) -> np.ndarray:
    """Weighted mean of every feature, (n_features,); weights (n_rows,) or of length 0."""
    return feature_sums(X, weights, n_threads) / (weights.sum() if len(weights) else len(X))


def squared_distances(X: np.ndarray, center: np.ndarray, n_threads: int) -> np.ndarray:
    """Squared Euclidean distance of every row to the center, (n_rows,)."""
    whole = np.zeros(padded(X.shape[1]))
    whole[: X.shape[1]] = center
    squares = np.empty(len(X))
    for piece in _pieces(X):
        _linear.squared_distances(as_bytes(X[piece]), _kernels.TYPES[X.dtype.name], whole, squares[piece], n_threads)
    return squares


_LEAST_SPREAD = 1e-30  # weights are divided by it: from 1e8 on they would pass 3.4e38, the end of float32


def center_and_scale(
    X: np.ndarray, center: bool, scale: bool, weights: np.ndarray | None = None, n_threads: int = 1
) -> tuple[np.ndarray, float]:
    """Mean of every feature, and one root mean square of all centred values; zeros and 1 where not wanted.

    Two passes over the rows as they lie, in float64. A constant X has scale 1.
    """
    weights = np.zeros(0) if weights is None else weights
    n, d = X.shape
    with np.errstate(over="ignore", invalid="ignore"):
        mean = feature_means(X, weights, n_threads) if center else np.zeros(d)
        total = None
        if scale:
            squares = squared_distances(X, mean, n_threads)
            total = float((squares * weights).sum() / weights.sum()) if len(weights) else float(squares.sum()) / n
    return mean, spread_of(mean, total, X.dtype)


def spread_of(mean: np.ndarray, total: float | None, dtype: np.dtype) -> float:
    """The root mean square of all centred values, from the mean squared distance to the center (None: no scale is wanted).

    Raises
    ------
    InputError
        Where squares overflow, or weights for so small a spread would.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        spread = 1.0 if total is None else math.sqrt(total / len(mean)) if total >= 0 else math.nan
    if not (math.isfinite(spread) and np.all(np.isfinite(mean))):
        raise InputError("X has values so large that their squares overflow float64: scale the data down first")
    if dtype != np.float64 and 0.0 < spread < _LEAST_SPREAD:
        raise InputError(f"X differs by {spread:.3g} (root mean square), and weights for it would overflow float32: scale "
                         "the data up first, or give float64")
    # Rounding of the mean alone is no spread: a constant feature of 0.1 would be divided by 1e-17.
    return spread if spread > 1e-14 * float(np.abs(mean).max(initial=0.0)) else 1.0
