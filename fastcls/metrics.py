"""The registry of metrics: name, formula, which compiled sum computes it, what follows the search.

A new metric is a plain function in ``reference.py``, a pair function in ``_simd/search/scalar.h`` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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
    max_abs : callable
        ``max_abs(n_features)``: with every ``|x|`` at most this, S is finite in float64.
    bytes_bound : str
        Why the integer arithmetic cannot overflow.
    bounds : {"l1", "l2", "cosine"} or None
        The family of proven lower bounds that holds for this S (docs/bounds.md, docs/filter.md): S is the L1 sum, the
        squared L2 sum, or the cosine of the dot product. It opens the fast paths: packed panels, the filter, the tree. None
        keeps to the direct kernel, which computes every pair, so a new metric is right before it is fast.
    similarity : callable
        From the distance to the similarity that softmax votes weigh.
    label : str
        How `label` writes the name; empty for the name itself.
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
    bounds: Literal["l1", "l2", "cosine"] | None = None
    similarity: Callable[[np.ndarray], np.ndarray] = np.negative
    label: str = ""
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bounds not in (None, _BOUNDS_OF_SUM[self.sum]):
            raise ValueError(f"metric {self.name!r}: bounds {self.bounds!r} do not hold for the sum {self.sum!r}")

    @property
    def needs_norms(self) -> bool:
        """Whether the sum is a dot product, which the norms of both rows turn into a cosine."""
        return self.sum == "dot"

    @property
    def sum_is_s(self) -> bool:
        """Whether S is the sum itself, and the bounds say so."""
        return self.bounds in ("l1", "l2")


_BOUNDS_OF_SUM = {"l1": "l1", "sql2": "l2", "dot": "cosine"}


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
            bounds="l1",
            label="L1",
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
            bounds="l2",
            label="L2",
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
            bounds="l2",
        ),
        Metric(
            name="cosine",
            formula="min(2, max(0, 1 - x.y / (sqrt(x.x) sqrt(y.y))))",
            source="cosine distance; a zero row is at 1 from everything, equal rows are at 0",
            sum="dot",
            reference=reference.cosine,
            finish=_same,
            max_abs=_max_abs_square,
            bytes_bound=_BLOCKS.format("65,536 x 65,025"),
            bounds="cosine",
            similarity=lambda distances: 1.0 - distances,
        ),
    )
}


def label(name: str) -> str:
    """The name of a metric as tables and figures write it: ``L1``, ``L2``, ``cosine``."""
    return (METRICS[name].label if name in METRICS else "") or name


ALIASES: dict[str, str] = {alias: metric.name for metric in METRICS.values() for alias in metric.aliases}
