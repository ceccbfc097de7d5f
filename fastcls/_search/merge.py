"""Training rows in parts: each searched when it comes, and the neighbours merged into those of one search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

import numpy as np

from fastcls._validation.rows import CheckedRows, check_same_features

from . import plan
from .rows import Rows

Progress = Callable[[int, int], None]


def nearest(
    parts: Iterable[CheckedRows], queries: Rows, k: int, metric: str, n_threads: int, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(S, indices) of the k nearest of all parts, each part searched when it comes and then let go.

    S of a pair is a function of the pair alone, and rows of later parts have larger indices: of what is kept and what comes,
    a stable sort by S is the order (S, index) of one search over all rows.
    """
    S, indices = np.empty((queries.n_rows, 0)), np.empty((queries.n_rows, 0), dtype=np.int64)
    start = 0
    for part in parts:
        check_same_features(part.rows, queries.chunks[0])
        rows = Rows.of(part)
        more_S, more, _ = plan.search(rows, queries, min(k, rows.n_rows), metric, n_threads=n_threads, progress=progress)
        S, indices = merged(S, indices, more_S, more + start, k) if start else (more_S, more)
        start += rows.n_rows
    return S, indices


def nearest_at_hand(
    parts: list[CheckedRows], queries: Rows, k: int, metric: str, n_threads: int, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The same for parts that are all there: one search over them, none copied that is 4 MB or more."""
    check_same_features(parts[0].rows, queries.chunks[0])
    rows = reduce(Rows.grown, [Rows.of(part) for part in parts])
    S, indices, _ = plan.search(rows, queries, k, metric, n_threads=n_threads, progress=progress)
    return S, indices


def merged(
    S: np.ndarray, indices: np.ndarray, more_S: np.ndarray, more: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of two sets of neighbours in order, the second of which has the larger indices."""
    S, indices = np.concatenate([S, more_S], axis=1), np.concatenate([indices, more], axis=1)
    order = np.argsort(S, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(S, order, axis=1), np.take_along_axis(indices, order, axis=1)
