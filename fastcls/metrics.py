"""The registry of metrics: name, formula, which compiled sum computes it, what follows the search.

A new metric is a plain function in ``reference.py``, a pair function in ``_simd/scalar.h`` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import reference


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : str
    formula : str
        The distance of rows x and y.
    source : str
    sum : str
        The sum over features in ``_simd/`` that S is (for cosine: the dot product that S is made of).
    reference : callable
        ``reference(x, Y) -> S`` in plain NumPy.
    finish : callable
        From S, which orders, to the distance, which is returned; S may be overwritten.
    needs_norms : bool
        The sum is a dot product and becomes S by the norms of both rows.
    max_abs : callable
        ``max_abs(n_features)``: with every ``|x|`` at most this, S is finite in float64.
    bytes_bound : str
        Why the integer arithmetic cannot overflow.
    aliases : tuple of str
    """

    name: str
    formula: str
    source: str
    sum: str
    reference: Callable[[np.ndarray, np.ndarray], np.ndarray]
    finish: Callable[[np.ndarray], np.ndarray]
    max_abs: Callable[[int], float]
    bytes_bound: str
    needs_norms: bool = False
    aliases: tuple[str, ...] = ()


def _same(S: np.ndarray) -> np.ndarray:
    return S


def _root(S: np.ndarray) -> np.ndarray:
    return np.sqrt(S, out=S)


_LARGEST = float(np.finfo(np.float64).max)


def _max_abs_sum(n_features: int) -> float:
    """|x-y| <= 2 max|x|, n_features of them; a quarter is kept for the roundings of the sum."""
    return _LARGEST / (4.0 * 2.0 * n_features)


def _max_abs_square(n_features: int) -> float:
    """(x-y)^2 <= 4 max|x|^2, n_features of them; the dot product is smaller."""
    return float(np.sqrt(_LARGEST / (4.0 * 4.0 * n_features)))


_BLOCKS = "blocks of 65,536 features: {} <= 2^32 - 1 in uint32; blocks added in uint64, exact in float64 below 2^53"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="l1",
            formula="sum_i |x_i - y_i|",
            source="Minkowski distance, p = 1; the lecture's L1",
            sum="l1",
            reference=reference.l1,
            finish=_same,
            max_abs=_max_abs_sum,
            bytes_bound=_BLOCKS.format("65,536 x 255"),
            aliases=("manhattan", "cityblock"),
        ),
        Metric(
            name="l2",
            formula="sqrt(sum_i (x_i - y_i)^2)",
            source="Minkowski distance, p = 2; the lecture's L2",
            sum="sql2",
            reference=reference.squared_l2,
            finish=_root,
            max_abs=_max_abs_square,
            bytes_bound=_BLOCKS.format("65,536 x 65,025"),
            aliases=("euclidean",),
        ),
        Metric(
            name="sqeuclidean",
            formula="sum_i (x_i - y_i)^2",
            source="squared Euclidean distance",
            sum="sql2",
            reference=reference.squared_l2,
            finish=_same,
            max_abs=_max_abs_square,
            bytes_bound=_BLOCKS.format("65,536 x 65,025"),
        ),
        Metric(
            name="cosine",
            formula="min(2, max(0, 1 - x.y / (sqrt(x.x) sqrt(y.y))))",
            source="cosine distance; a zero row is at 1 from everything, equal rows are at 0",
            sum="dot",
            reference=reference.cosine,
            finish=_same,
            needs_norms=True,
            max_abs=_max_abs_square,
            bytes_bound=_BLOCKS.format("65,536 x 65,025"),
        ),
    )
}

ALIASES: dict[str, str] = {alias: metric.name for metric in METRICS.values() for alias in metric.aliases}
