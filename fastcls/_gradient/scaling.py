"""Where the rows lie and how far they rms: the centring and scaling of the linear classifiers, without a copy of X."""

from __future__ import annotations

import math

import numpy as np

from fastcls import _kernels
from fastcls._validation.errors import InputError

from . import loops
from .problem import as_bytes, padded

_ROWS_PER_CALL_VALUES = 1 << 27


def _chunks(X: np.ndarray):
    step = max(256, _ROWS_PER_CALL_VALUES // X.shape[1] // 256 * 256)
    return (slice(start, start + step) for start in range(0, len(X), step))


def feature_sums(X: np.ndarray, weights: np.ndarray, n_threads: int) -> np.ndarray:
    """Weighted sum of every feature, (n_features,); weights (n_rows,) or of length 0."""
    storage = _kernels.TYPES[X.dtype.name]
    sums = np.zeros((1, padded(X.shape[1])))
    scratch = np.empty(loops.scratch_size(X.shape[1], storage, loops.REALS["float64"], 1, 1), dtype=np.uint8)
    for chunk in _chunks(X):
        loops.column_sums(as_bytes(X[chunk]), storage, weights[chunk], sums, scratch, n_threads)
    return sums[0, : X.shape[1]]


def feature_means(X: np.ndarray, weights: np.ndarray, n_threads: int) -> np.ndarray:
    """Weighted mean of every feature, (n_features,); weights (n_rows,) or of length 0."""
    return feature_sums(X, weights, n_threads) / (weights.sum() if len(weights) else len(X))


def squared_distances(X: np.ndarray, center: np.ndarray, n_threads: int) -> np.ndarray:
    """Squared Euclidean distance of every row to the center, (n_rows,)."""
    whole = np.zeros(padded(X.shape[1]))
    whole[: X.shape[1]] = center
    squares = np.empty(len(X))
    for chunk in _chunks(X):
        loops.squared_distances(as_bytes(X[chunk]), _kernels.TYPES[X.dtype.name], whole, squares[chunk], n_threads)
    return squares


# Weights are divided by the rms and steps by its square: weights of 1e8 would pass 3.4e38, the end of float32, and the
# squares of float64 end at 1e-308, their inverses at 1e308.
_LEAST_SCALE, _LEAST_SCALE_FLOAT64 = 1e-30, 1e-150


def center_and_scale(
    X: np.ndarray, center: bool, scale: bool, weights: np.ndarray | None = None, n_threads: int = 1
) -> tuple[np.ndarray, float]:
    """Mean of every feature, and one root mean square of all centred values; zeros and 1 where not wanted.

    Two passes over the rows as they lie, in float64. A constant X has scale 1.
    """
    weights = np.zeros(0) if weights is None else weights
    n, d = X.shape
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean = feature_means(X, weights, n_threads) if center else np.zeros(d)
        total = None
        if scale:
            squares = squared_distances(X, mean, n_threads)
            if len(weights):  # a row of weight 0 may be so far out that its square overflows
                total = float(np.where(weights > 0, squares * weights, 0.0).sum() / weights.sum())
            else:
                total = float(squares.sum()) / n
            if total == 0.0 and _rows_differ(X, weights):
                raise _too_alike("less than 1e-160", "squares of that underflow", X.dtype)
    return mean, scale_of(mean, total, X.dtype)


def _rows_differ(X: np.ndarray, weights: np.ndarray) -> bool:
    """Whether two rows that count are not the same: squares that underflow cannot tell."""
    counts = weights > 0 if len(weights) else np.ones(len(X), dtype=bool)
    first = X[counts.argmax()]
    return any(bool(np.any((X[chunk] != first).any(axis=1) & counts[chunk])) for chunk in _chunks(X))


def _too_alike(rms: str, why: str, dtype: np.dtype) -> InputError:
    other = ", or give float64" if dtype != np.float64 else ""
    return InputError(f"X differs by {rms} (root mean square), and {why}: scale the data up first{other}", argument="X")


def scale_of(mean: np.ndarray, total: float | None, dtype: np.dtype) -> float:
    """The root mean square of all centred values, from the mean squared distance to the center (None: no scale is wanted).

    Raises
    ------
    InputError
        Where squares overflow, or weights for so small a rms would.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rms = 1.0 if total is None else math.sqrt(total / len(mean)) if total >= 0 else math.nan
    if not (math.isfinite(rms) and np.all(np.isfinite(mean))):
        raise InputError(
            "X has values so large that their squares overflow float64: scale the data down first", argument="X"
        )
    # Rounding of the mean alone is no rms: a constant feature of 0.1 would be divided by 1e-17.
    if rms <= 1e-14 * float(np.abs(mean).max(initial=0.0)):
        return 1.0
    if 0.0 < rms < (_LEAST_SCALE_FLOAT64 if dtype == np.float64 else _LEAST_SCALE):
        why = "squares of that underflow" if dtype == np.float64 else "weights for it would overflow float32"
        raise _too_alike(f"{rms:.3g}", why, dtype)
    return rms
