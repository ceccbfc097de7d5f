"""Search training rows shard by shard, and merge the neighbours into those of one search."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np

from fastcls._runtime.pacing import Progress
from fastcls._validation.rows import CheckedRows, check_same_features

from . import plan
from .rows import Rows


def nearest(
    shards: Iterable[CheckedRows], queries: Rows, k: int, metric: str, n_threads: int, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(S, indices) of the k nearest rows of all shards; each shard is searched when it arrives, and then released.

    S depends only on the pair, and later shards have larger indices. So a stable sort by S, old neighbours before new ones,
    gives the order (S, index) of one search over all rows.
    """
    S, indices = np.empty((queries.n_rows, 0)), np.empty((queries.n_rows, 0), dtype=np.int64)
    start = 0
    for shard in shards:
        check_same_features(shard.rows, queries.chunks[0])
        rows = Rows.of(shard)
        more_S, more, _ = plan.search(rows, queries, min(k, rows.n_rows), metric, n_threads=n_threads, progress=progress)
        S, indices = merged(S, indices, more_S, more + start, k) if start else (more_S, more)
        start += rows.n_rows
    return S, indices


def nearest_at_once(
    shards: list[CheckedRows], queries: Rows, k: int, metric: str, n_threads: int, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The same for shards that are all available: one search over them. Shards of 4 MB and more are not copied."""
    check_same_features(shards[0].rows, queries.chunks[0])
    rows = reduce(Rows.extended, [Rows.of(shard) for shard in shards])
    S, indices, _ = plan.search(rows, queries, k, metric, n_threads=n_threads, progress=progress)
    return S, indices


def merged(
    S: np.ndarray, indices: np.ndarray, more_S: np.ndarray, more: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of two sorted sets of neighbours; all indices of the second set are larger."""
    S, indices = np.concatenate([S, more_S], axis=1), np.concatenate([indices, more], axis=1)
    order = np.argsort(S, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(S, order, axis=1), np.take_along_axis(indices, order, axis=1)
