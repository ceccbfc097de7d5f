"""The neighbours by which a preset votes, from rows in memory or in parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._runtime.pacing import Progress
from fastcls._search.merge import nearest, nearest_at_once
from fastcls._search.rows import Rows
from fastcls._validation.rows import CheckedRows, check_same_features

from ._presets import KNNPreset
from ._shards import centered, mean_of
from ._validation import are_parts, check_shards


def nearest_by_preset(
    chosen: KNNPreset, train: Any, n_rows: int, test: CheckedRows, k: int, n_threads: int, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rank distances and indices of the k nearest of all training rows, under the preset's first metric."""
    metric = chosen.metrics[0]
    shards, queries = check_shards(train, n_rows, metric, test), Rows.of(test)
    if chosen.centered:
        parts = list(shards)
        check_same_features(parts[0].rows, test.rows)
        center = mean_of(parts)
        queries = Rows([centered([test], center)])
        parts = [CheckedRows(centered(parts, center), 0, ())]
        return nearest_at_once(parts, queries, k, metric, n_threads, progress)
    if isinstance(train, (list, tuple)) or not are_parts(train):
        return nearest_at_once(list(shards), queries, k, metric, n_threads, progress)
    return nearest(shards, queries, k, metric, n_threads, progress)
