"""The levels of a metric, and codes of rows at all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import _coordinates, _group_sums
from ._codes import Codes, Level
from .metrics import Metric


def learned(rows: np.ndarray, metric: Metric) -> list[Level]:
    """Levels that suit these rows, coarse to fine; which of them a search uses is the filter's choice (`_cascade.py`)."""
    if metric.bounds == "l1":
        return _group_sums.l1_levels(rows)
    return _coordinates.l2_levels(rows, metric.bounds == "cosine")


def encode(levels: Sequence[Level], rows: np.ndarray, n_threads: int, *, queries: bool = False) -> list[Codes]:
    """The rows' codes at every level; `queries` for what is searched for, whose codes may differ from a row's."""
    if isinstance(levels[0], _group_sums.GroupSums):
        return _group_sums.encode(levels, rows, n_threads)
    return _coordinates.encode(levels, rows, n_threads, queries=queries)
