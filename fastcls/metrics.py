"""The registry of metrics: name, formula, compiled sum, plain reference, and the step from rank distance to distance.

A new metric is a plain function in ``reference/_neighbors.py`` and a row here; a new sum also needs a pair function in
``_simd/search/scalar.h``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fastcls._validation.base import as_list, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.rows import check_finite

from . import reference

__all__ = [
    "ALIASES",
    "METRICS",
    "Metric",
]


def _opposite(distances: np.ndarray) -> np.ndarray:
    return -distances


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : str
    formula : str
        Distance between rows x and y.
    source : str
    sum : str
        The sum over features, computed in ``_simd/``, that gives the rank distance S. For cosine it is the dot product, from
        which S is computed.
    reference : callable
        ``reference(x, Y) -> S``, the rank distances of one query and all rows, in plain NumPy.
    to_distance : callable
        From the rank distance S, which orders neighbours, to the distance that is returned. It may overwrite S.
    max_abs : callable
        ``max_abs(n_features)``: if every ``|x|`` is at most this, S is finite in float64.
    bytes_bound : str
        Why the integer arithmetic cannot overflow.
    bounds : {"l1", "l2", "cosine"} or None
        The family of proven lower bounds that holds for S (docs/bounds.md, docs/filter.md): S is the L1 sum, the squared
        L2 sum, or the cosine computed from the dot product. It enables the fast paths: packed panels, filter and tree. With
        None the pairwise kernel computes every pair, so a new metric is correct before it is fast.
    similarity : callable
        From the distance to the similarity that softmax votes use.
    label : str
        The name in tables and figures; empty if it is `name`.
    aliases : tuple of str
    """

    name: str
    formula: str
    source: str
    sum: str
    reference: Callable[[np.ndarray, np.ndarray], np.ndarray]
    to_distance: Callable[[np.ndarray], np.ndarray]
    max_abs: Callable[[int], float]
    bytes_bound: str
    bounds: Literal["l1", "l2", "cosine"] | None = None
    similarity: Callable[[np.ndarray], np.ndarray] = _opposite
    label: str = ""
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bounds not in (None, self.family):
            raise ValueError(f"metric {self.name!r}: bounds {self.bounds!r} do not hold for the sum {self.sum!r}")

    @property
    def needs_norms(self) -> bool:
        """Whether the sum is a dot product, which becomes a cosine by the norms of both rows."""
        return self.sum == "dot"

    @property
    def family(self) -> str | None:
        """The family of bounds that belongs to this metric's sum, whether or not it holds for S; None if there is none."""
        return _BOUNDS_OF_SUM.get(self.sum)

    def rank_distance_beyond(self, radius: float) -> float:
        """The smallest rank distance whose distance is above a radius; infinity if there is none.

        A distance is within the radius if and only if its rank distance S is below this number, because the distance never
        falls as S rises, also after rounding. The square of the radius would not do: it is rounded, and may lose rows whose
        distance equals the radius.

        Parameters
        ----------
        radius : float

        Returns
        -------
        float
        """
        within, beyond = 0, int(np.float64(np.inf).view(np.int64))  # floats of 0 and above are ordered as their bits
        while beyond - within > 1:
            middle = (within + beyond) // 2
            if float(self.to_distance(np.array([middle]).view(np.float64))[0]) <= radius:
                within = middle
            else:
                beyond = middle
        return float(np.int64(beyond).view(np.float64))

    @property
    def sum_is_rank_distance(self) -> bool:
        """Whether the rank distance is the sum itself; only the bounds l1 and l2 say so."""
        return self.bounds in ("l1", "l2")


_BOUNDS_OF_SUM = {"l1": "l1", "sql2": "l2", "dot": "cosine"}


def _same(S: np.ndarray) -> np.ndarray:
    return S


def _root(S: np.ndarray) -> np.ndarray:
    return np.sqrt(S, out=S)


_LARGEST = float(np.finfo(np.float64).max)


def _max_abs_sum(n_features: int) -> float:
    """The sum has n_features terms |x-y| <= 2 max|x|; a factor of 4 is left for the roundings of the sum."""
    return _LARGEST / (4.0 * 2.0 * n_features)


def _max_abs_square(n_features: int) -> float:
    """The sum has n_features terms (x-y)^2 <= 4 max|x|^2; the dot product is smaller."""
    return float(np.sqrt(_LARGEST / (4.0 * 4.0 * n_features)))


_BLOCKS = "blocks of 65,536 features: {} <= 2^32 - 1 in uint32; blocks added in uint64, exact in float64 below 2^53"

#: metrics by their names
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="l1",
            formula="sum_i |x_i - y_i|",
            source="Minkowski distance, p = 1; the lecture's L1",
            sum="l1",
            reference=reference.l1,
            to_distance=_same,
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
            to_distance=_root,
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
            to_distance=_same,
            max_abs=_max_abs_square,
            bytes_bound=_BLOCKS.format("65,536 x 65,025"),
            bounds="l2",
        ),
        Metric(
            name="cosine",
            formula="min(2, max(0, 1 - x.y / (sqrt(x.x) sqrt(y.y))))",
            source="cosine distance; a zero row has distance 1 to every row, equal rows have distance 0",
            sum="dot",
            reference=reference.cosine,
            to_distance=_same,
            max_abs=_max_abs_square,
            bytes_bound=_BLOCKS.format("65,536 x 65,025"),
            bounds="cosine",
            similarity=lambda distances: 1.0 - distances,
        ),
    )
}


def label(name: str) -> str:
    """The name of a metric in tables and figures: ``L1``, ``L2``, ``cosine``.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return (METRICS[name].label if name in METRICS else "") or name


#: other names of metrics: alias -> name
ALIASES: dict[str, str] = {alias: metric.name for metric in METRICS.values() for alias in metric.aliases}


_BLOCK_BYTES = 1 << 22  # of rows that are checked at once
_METRIC_PARAMS = "metric_params={!r} is not used by any metric of fastcls: leave it out"


def check_metric(metric: Any, p: Any = 2, metric_params: Any = None, name: str = "metric") -> str:
    """The registered name of a metric. `minkowski` is l1 for p=1 and l2 for p=2.

    Parameters
    ----------
    metric : str
        A name in `METRICS` or `ALIASES`, or "minkowski".
    p : {1, 2} or None
        Power of "minkowski"; for other metrics None or 2 (for l1 also 1).
    metric_params : dict or None
        Must be None or empty.
    name : str, default="metric"
        Name of the argument in messages.

    Returns
    -------
    str
        A key of `METRICS`.

    Raises
    ------
    InputError
        For an unknown metric, a `p` that does not belong to it, or a non-empty `metric_params`.
    """
    if metric_params:
        raise InputError(_METRIC_PARAMS.format(metric_params))
    if isinstance(metric, str) and metric == "minkowski":
        if not isinstance(p, (int, float, np.integer, np.floating)) or p not in (1, 2):
            raise InputError(f"p={p!r} is not supported: give p=1 (l1) or p=2 (l2)")
        return "l1" if p == 1 else "l2"
    known = ALIASES.get(metric, metric) if isinstance(metric, str) else metric
    found = one_of(name, known, [*METRICS, *ALIASES, "minkowski"])
    if p not in (None, 2) and (found, p) != ("l1", 1):
        raise InputError(f"p={p!r} with {name}={metric!r}: p is only for metric='minkowski', the default; omit one of them")
    return found


def check_metrics(metrics: Any) -> tuple[str, ...]:
    """The registered names of one or several metrics, without repeats.

    Parameters
    ----------
    metrics : str or sequence of str

    Returns
    -------
    tuple of str
        Keys of `METRICS`, in the given order.

    Raises
    ------
    InputError
        For no metric at all, or an unknown one.
    """
    names = tuple(dict.fromkeys(check_metric(metric, name="metrics") for metric in as_list(metrics)))
    if not names:
        raise InputError(f"metrics is empty; choose from: {', '.join(METRICS)}")
    return names


def check_magnitude(rows: np.ndarray, name: str, metric_name: str, first: int = 0) -> None:
    """Refuse float64 rows so large that a sum of this metric could overflow, or so small that their norm underflows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows of other types than float64 are not read: their sums cannot overflow.
    name : str
        Name of the argument in messages.
    metric_name : str
        A key of `METRICS`.
    first : int
        Number of the first row in messages, if `rows` is a block of more rows.

    Raises
    ------
    InputError
        Names the first such row; also for NaN and infinity.
    """
    if rows.dtype == np.float64:
        check_finite(rows, name, METRICS[metric_name].max_abs(rows.shape[1]), first)
        if METRICS[metric_name].needs_norms:
            _check_norms(rows, name, metric_name, first)


_LEAST_FOR_NORM = 1e-154  # the squares of smaller values are subnormal in float64


def _check_norms(rows: np.ndarray, name: str, metric_name: str, first: int) -> None:
    """Refuse nonzero rows whose squares underflow: they would be treated as rows of zeros, which have no direction."""
    step = max(1, _BLOCK_BYTES // max(1, rows.shape[1] * rows.itemsize))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        largest = np.maximum(block.max(axis=1), -block.min(axis=1))
        small = (largest > 0) & (largest < _LEAST_FOR_NORM)
        if small.any():
            row = int(small.argmax())
            raise InputError(
                f"{name} has no value above {largest[row]:.3g} in row {first + start + row}: its square underflows, so "
                f"metric={metric_name!r} would treat the row as a row of zeros: scale the data up first"
            )
