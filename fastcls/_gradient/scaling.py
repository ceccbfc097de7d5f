"""Feature means and the global scale of the linear classifiers, computed without a copy of X."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.rows import as_bytes, storage_of
from fastcls._validation.types import as_numbers

from . import loops
from .space import padded

_ROWS_PER_CALL_VALUES = 1 << 27


def _chunks(X: np.ndarray) -> Iterator[slice]:
    step = max(256, _ROWS_PER_CALL_VALUES // X.shape[1] // 256 * 256)
    return (slice(start, start + step) for start in range(0, len(X), step))


def feature_sums(X: np.ndarray, weights: np.ndarray, n_threads: int) -> np.ndarray:
    """Weighted sum of every feature, (n_features,); weights (n_rows,), or of length 0 for 1 each."""
    storage = storage_of(X)
    sums = np.zeros((1, padded(X.shape[1])))
    scratch = np.empty(loops.scratch_size(X.shape[1], storage, loops.REALS["float64"], 1, 1, n_threads), dtype=np.uint8)
    for chunk in _chunks(X):
        loops.column_sums(as_bytes(X[chunk]), storage, weights[chunk], sums, scratch, n_threads)
    return sums[0, : X.shape[1]]


def feature_means(X: np.ndarray, weights: np.ndarray, n_threads: int) -> np.ndarray:
    """Weighted mean of every feature, (n_features,); weights (n_rows,), or of length 0 for 1 each."""
    return feature_sums(X, weights, n_threads) / (weights.sum() if len(weights) else len(X))


def squared_distances(X: np.ndarray, center: np.ndarray, n_threads: int) -> np.ndarray:
    """Squared Euclidean distance of every row to the center, (n_rows,)."""
    padded_center = np.zeros(padded(X.shape[1]))
    padded_center[: X.shape[1]] = center
    squares = np.empty(len(X))
    for chunk in _chunks(X):
        loops.squared_distances(as_bytes(X[chunk]), storage_of(X), padded_center, squares[chunk], n_threads)
    return squares


# Weights are divided by the scale and steps by its square. Below these values weights of 1e8 would overflow float32
# (3.4e38), and squares or their inverses would leave the range of float64 (1e-308 to 1e308).
_LEAST_SCALE, _LEAST_SCALE_FLOAT64 = 1e-30, 1e-150


def center_and_scale(
    X: np.ndarray, center: bool, scale: bool, weights: np.ndarray | None = None, n_threads: int = 1
) -> tuple[np.ndarray, float]:
    """Mean of every feature, and one root mean square of all centred values; zeros and 1 where switched off.

    Two passes over the rows in place, in float64. A constant X has scale 1.
    """
    weights = np.zeros(0) if weights is None else weights
    n, d = X.shape
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean = feature_means(X, weights, n_threads) if center else np.zeros(d)
        total = None
        if scale:
            squares = squared_distances(X, mean, n_threads)
            if len(weights):  # the square of a row of weight 0 may overflow
                total = float(np.where(weights > 0, squares * weights, 0.0).sum() / weights.sum())
            else:
                total = float(squares.sum()) / n
            if total == 0.0 and _rows_differ(X, weights):
                raise _too_alike("below 1e-160", "its square underflows", X.dtype)
    return mean, scale_of(mean, total, X.dtype)


def _rows_differ(X: np.ndarray, weights: np.ndarray) -> bool:
    """Whether two rows of weight above 0 differ: squares that underflow do not show it."""
    counts = weights > 0 if len(weights) else np.ones(len(X), dtype=bool)
    first = as_numbers(X[counts.argmax()])
    return any(bool(np.any((as_numbers(X[chunk]) != first).any(axis=1) & counts[chunk])) for chunk in _chunks(X))


def _too_alike(rms: str, why: str, dtype: np.dtype) -> InputError:
    other = ", or give float64" if dtype != np.float64 else ""
    return InputError(f"the root mean square of X is {rms}, and {why}: scale the data up first{other}")


def scale_of(mean: np.ndarray, total: float | None, dtype: np.dtype) -> float:
    """The root mean square of all centred values, from the mean squared distance to the center (None: no scaling).

    Raises
    ------
    InputError
        If squares overflow, or if weights for so small a scale would.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rms = 1.0 if total is None else math.sqrt(total / len(mean)) if total >= 0 else math.nan
    if not (math.isfinite(rms) and np.all(np.isfinite(mean))):
        raise InputError("X has values so large that their squares overflow float64: scale the data down first")
    # Below this, it is only rounding of the mean: a constant feature of 0.1 would be divided by 1e-17.
    if rms <= 1e-14 * float(np.abs(mean).max(initial=0.0)):
        return 1.0
    if 0.0 < rms < (_LEAST_SCALE_FLOAT64 if dtype == np.float64 else _LEAST_SCALE):
        why = "its square underflows" if dtype == np.float64 else "weights for it would overflow float32"
        raise _too_alike(f"{rms:.3g}", why, dtype)
    return rms
