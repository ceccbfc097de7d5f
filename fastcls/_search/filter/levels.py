"""The levels for a metric, and the codes of rows at all levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastcls.metrics import Metric

from . import levels_l1, levels_l2
from .codes import Codes, Level


def learned(rows: np.ndarray, metric: Metric) -> list[Level]:
    """Levels for these rows, coarse to fine; `filter.py` chooses which of them a search uses."""
    if metric.bounds == "l1":
        return levels_l1.l1_levels(rows)
    return levels_l2.l2_levels(rows, metric.bounds == "cosine")


def encode(levels: Sequence[Level], rows: np.ndarray, n_threads: int, *, queries: bool = False) -> list[Codes]:
    """Codes of rows at every level; codes of `queries` may have another layout."""
    if isinstance(levels[0], levels_l1.SegmentSums):
        return levels_l1.encode(levels, rows, n_threads)
    return levels_l2.encode(levels, rows, n_threads, queries=queries)
