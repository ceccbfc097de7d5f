"""From packed sums to keys and thresholds: the numbers that make it safe to discard a pair.

A panel tile computes a sum of packed values for each pair. The search offers a pair to a query's heap only if

    (sum x scale + query_term + row_term) x row_factor  <=  alpha x S_k + beta

where S_k is the query's k-th smallest S so far. This module chooses the numbers so that no pair with S <= S_k fails the
test.

Bytes
    The sums and all terms are exact integers (below 2^53), so for L1 and L2 the left side *is* S.
Floats
    The packed values are ``x~ = single(s (x - c))``, the sums are taken in single precision in an unknown order, with or
    without fused multiply-adds. The left side is a lower bound; S is then computed for the pairs that pass. docs/bounds.md
    has the proofs, and the error terms below have the names used there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import fsum

import numpy as np

from fastcls import _kernels
from fastcls._sampling.evenly import spaced
from fastcls._validation.rows import as_bytes, storage_of
from fastcls._validation.types import is_floating, narrowed, widened

_U = 2.0**-24  # half a unit in the last place of a single, relative
_TINY = 2.0**-126  # a single smaller than this may be flushed to zero
_UNIT = 2.0**-53  # of a float64
_RESERVE = 2.0**-21  # exceeds all relative errors of the float64 steps, for up to 2^26 features
_COSINE_RESERVE = 2.0**-30  # exceeds the roundings of a cosine of bytes
_LARGEST_QUERY = 2.0**60  # relative to the training rows; beyond it singles could overflow
_SMALLEST_ROW = 2.0**-40  # relative to the largest; below it a cosine is not estimated from singles
BLOCK_BYTES = 4096  # of one row's packed features: a panel of 64 rows is 256 kB, a quarter of an L2 cache


@dataclass(eq=False)
class Statistics:
    """Sums and squares of rows, computed once: of bytes as they are, of floats about `center`.

    Attributes
    ----------
    center : ndarray of shape (n_features,), of the rows' dtype
    sums : ndarray of shape (n_rows,)
        Sum of x (bytes) or of |x - center| (floats).
    squares : ndarray of shape (n_rows,)
        Sum of x^2 (bytes) or of (x - center)^2 (floats).
    signed : ndarray of shape (n_rows,)
        Sum of x - center (floats), up to the `drift` of docs/bounds.md.
    """

    center: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    signed: np.ndarray = field(default_factory=lambda: np.empty(0))

    def largest_norm(self, bounds: str) -> float:
        """The largest norm of these rows about the center, in the norm that these bounds use."""
        return float(self.sums.max() if bounds == "l1" else np.sqrt(self.squares.max()))


@dataclass(eq=False)
class Terms:
    """The numbers of the test above, and how rows are packed."""

    scale: float
    query_terms: np.ndarray
    alphas: np.ndarray
    betas: np.ndarray
    row_terms: np.ndarray
    row_factors: np.ndarray
    refine: bool
    center: np.ndarray = field(default_factory=lambda: np.zeros(1))
    data_scale: float = 1.0


def _to_point(rows: np.ndarray, sum_name: str, point: np.ndarray, n_threads: int) -> np.ndarray:
    out = np.empty(len(rows))
    _kernels.sums_to_point(as_bytes(rows), storage_of(rows), _kernels.SUMS[sum_name], as_bytes(point), out, n_threads)
    return out


def choose_center(rows: np.ndarray, bounds: str) -> np.ndarray:
    """The center for floats: the mean of some rows if it is far from zero compared with their deviations, else zero.

    Any center is correct; a good one makes the bound tight. Zero keeps singles exact, so it is the default.
    """
    zero = np.zeros(rows.shape[1], dtype=rows.dtype)
    if not is_floating(rows.dtype) or bounds == "cosine":
        return zero
    some = widened(spaced(rows, 256), np.float64)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean = some.mean(axis=0)
        far = np.sum(mean * mean) > np.mean(np.sum((some - mean) ** 2, axis=1))
        center = narrowed(mean, rows.dtype)
    return center if far and np.isfinite(widened(center)).all() else zero


def statistics(rows: np.ndarray, center: np.ndarray, n_threads: int) -> Statistics:
    """Sums and squares of the rows, for `terms`."""
    if is_floating(rows.dtype):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            ones = narrowed(np.ones(len(center)), center.dtype)
            signed = _to_point(rows, "dot", ones, n_threads) - fsum(widened(center, np.float64).tolist())
            return Statistics(
                center, _to_point(rows, "l1", center, n_threads), _to_point(rows, "sql2", center, n_threads), signed
            )
    least = np.full(rows.shape[1], np.iinfo(rows.dtype).min, dtype=rows.dtype)
    sums = _to_point(rows, "l1", least, n_threads) + float(least[0]) * rows.shape[1]
    return Statistics(center, sums, _to_point(rows, "sql2", np.zeros_like(least), n_threads))


def panel_of(bounds: str, dtype: np.dtype) -> str:
    """The panel kernel that these bounds need for rows of this dtype."""
    if is_floating(dtype):
        return "max_singles" if bounds == "l1" else "dot_singles"
    return "l1_bytes" if bounds == "l1" else "dot_bytes"


def terms(bounds: str, panel: str, dtype: np.dtype, queries: Statistics, rows: Statistics, largest: float) -> Terms | None:
    """The numbers of the test for these queries and rows, or None if singles cannot hold them.

    Parameters
    ----------
    bounds : {"l1", "l2", "cosine"}
        The metric's family of bounds.
    panel : str
        From `panel_of`.
    queries, rows : Statistics
        About the same center.
    largest : float
        The largest norm of all training rows (`Statistics.largest_norm`): the same for every chunk.
    """
    if not is_floating(dtype):
        return _byte_terms(bounds, panel, dtype, queries, rows)
    return _float_terms(bounds, queries, rows, largest)


def _ones(n: int, value: float = 1.0) -> np.ndarray:
    return np.full(n, value)


def _byte_terms(bounds: str, panel: str, dtype: np.dtype, queries: Statistics, rows: Statistics) -> Terms:
    n_queries, n_rows, n_features = len(queries.sums), len(rows.sums), len(rows.center)
    if bounds == "l1":
        return Terms(
            1.0,
            _ones(n_queries, 0.0),
            _ones(n_queries),
            _ones(n_queries, 0.0),
            _ones(n_rows, 0.0),
            _ones(n_rows),
            refine=False,
        )
    # the packed q' = q + bq and r' = r + br have the dot product q.r + br sum(q) + bq sum(r) + bq br n_features
    bq, br = _kernels.panel_biases(_kernels.PANELS[panel], _kernels.TYPES[dtype.name])
    of_queries, of_rows = br * queries.sums + bq * br * n_features, bq * rows.sums
    if bounds == "l2":  # S = q.q + r.r - 2 q.r, integers below 2^53
        return Terms(
            -2.0,
            queries.squares + 2 * of_queries,
            _ones(n_queries),
            _ones(n_queries, 0.0),
            rows.squares + 2 * of_rows,
            _ones(n_rows),
            refine=False,
        )
    # cosine: keep if -q.r / |r| <= (S_k - 1 + slack) |q|; a zero row gives 0 x inf = NaN, which is kept
    norms = np.sqrt(queries.squares)
    with np.errstate(divide="ignore"):
        factors = 1.0 / np.sqrt(rows.squares)
    return Terms(-1.0, of_queries, norms, (_COSINE_RESERVE - 1.0) * norms, of_rows, factors, refine=True)


@np.errstate(over="ignore", under="ignore")  # overflow is beyond _LARGEST_QUERY
def _float_terms(bounds: str, queries: Statistics, rows: Statistics, largest: float) -> Terms | None:
    n_queries, n_rows, n_features = len(queries.sums), len(rows.sums), len(rows.center)
    if n_features > 2**26 or not np.isfinite(largest):
        return None
    exponent = 0.0 if largest == 0 else -float(np.ceil(np.log2(largest)))
    if not abs(exponent) <= 450:  # squares of the scaled rows would leave float64's normal range
        return None
    s = 2.0**exponent
    roundings = (min(n_features, BLOCK_BYTES // 4) + 2) * _U  # of a term: those of the sum, and those of two packed values
    gamma = roundings / (1.0 - roundings) + _RESERVE
    flushed = 4.0 * n_features * _TINY
    center = widened(rows.center, np.float64)
    if bounds == "l1":
        of_queries, of_rows = s * queries.sums, s * rows.sums
        drift = (n_features / 8 + 8) * _UNIT * s * float(np.abs(center).sum())
        if not (of_queries <= _LARGEST_QUERY).all() or not np.isfinite(drift):
            return None
        absolute = (1.0 + gamma) * flushed + drift
        return Terms(
            2.0,
            -s * queries.signed - gamma * of_queries - absolute,
            _ones(n_queries, (1.0 + gamma) * s),
            _ones(n_queries, 0.0),
            -s * rows.signed - gamma * of_rows - absolute,
            _ones(n_rows),
            True,
            center,
            s,
        )
    q2, r2 = s * s * queries.squares, s * s * rows.squares
    if not (q2 <= _LARGEST_QUERY**2).all():
        return None
    if bounds == "cosine":
        q, r = np.sqrt(q2), np.sqrt(r2)
        slack = gamma + n_features * _TINY / _SMALLEST_ROW**2 * 4.0
        with np.errstate(divide="ignore"):
            factors = np.where(r >= _SMALLEST_ROW, 1.0 / r, np.nan)
        q = np.where(q >= _SMALLEST_ROW, q, np.nan)
        return Terms(-1.0, _ones(n_queries, 0.0), q, (slack - 1.0) * q, _ones(n_rows, 0.0), factors, True, center, s)
    return Terms(
        -2.0,
        (1.0 - gamma) * q2,
        _ones(n_queries, s * s),
        2.0 * flushed * (1.0 + np.sqrt(q2)),
        (1.0 - gamma) * r2,
        _ones(n_rows),
        True,
        center,
        s,
    )
