"""The levels of a metric, and codes of rows at all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastcls.metrics import Metric

from . import levels_l1, levels_l2
from .codes import Codes, Level


def learned(rows: np.ndarray, metric: Metric) -> list[Level]:
    """Levels that suit these rows, coarse to fine; which of them a search uses is the filter's choice (`filter.py`)."""
    if metric.bounds == "l1":
        return levels_l1.l1_levels(rows)
    return levels_l2.l2_levels(rows, metric.bounds == "cosine")


def encode(levels: Sequence[Level], rows: np.ndarray, n_threads: int, *, queries: bool = False) -> list[Codes]:
    """The rows' codes at every level; `queries` for what is searched for, whose codes may differ from a row's."""
    if isinstance(levels[0], levels_l1.SegmentSums):
        return levels_l1.encode(levels, rows, n_threads)
    return levels_l2.encode(levels, rows, n_threads, queries=queries)
