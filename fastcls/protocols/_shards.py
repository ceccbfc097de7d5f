"""Training rows in parts: searched, gathered and centred so that no answer can depend on where one part ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce

import numpy as np

from .. import _search
from .._rows import Rows
from .._validation import CheckedRows
from .._validation_protocols import check_same_features

Progress = Callable[[int, int], None]

_BLOCK_ROWS = 1024  # of a mean: 8 MB in float64 at 1,024 features


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
        more_S, more, _ = _search.search(
            rows, queries, min(k, rows.n_rows), metric, n_threads=n_threads, progress=progress
        )
        S, indices = merged(S, indices, more_S, more + start, k) if start else (more_S, more)
        start += rows.n_rows
    return S, indices


def nearest_at_hand(
    parts: list[CheckedRows], queries: Rows, k: int, metric: str, n_threads: int, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The same for parts that are all there: one search over them, none copied that is 4 MB or more."""
    check_same_features(parts[0].rows, queries.chunks[0])
    rows = reduce(Rows.grown, [Rows.of(part) for part in parts])
    S, indices, _ = _search.search(rows, queries, k, metric, n_threads=n_threads, progress=progress)
    return S, indices


def merged(
    S: np.ndarray, indices: np.ndarray, more_S: np.ndarray, more: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of two sets of neighbours in order, the second of which has the larger indices."""
    S, indices = np.concatenate([S, more_S], axis=1), np.concatenate([indices, more], axis=1)
    order = np.argsort(S, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(S, order, axis=1), np.take_along_axis(indices, order, axis=1)


def gather(parts: Iterable[CheckedRows], wanted: np.ndarray) -> np.ndarray:
    """Some rows of all, by ascending numbers, each part looked at once."""
    found, start = [], 0
    for part in parts:
        low, high = np.searchsorted(wanted, [start, start + len(part.rows)])
        found.append(np.asarray(part.rows[wanted[low:high] - start]))
        start += len(part.rows)
    return np.concatenate(found)


def _blocks(parts: Iterable[CheckedRows]) -> Iterator[np.ndarray]:
    """All rows as float64, in blocks that end at multiples of `_BLOCK_ROWS`, wherever parts end."""
    waiting: list[np.ndarray] = []
    for part in parts:
        first = 0
        while first < len(part.rows):
            piece = part.rows[first : first + _BLOCK_ROWS - sum(map(len, waiting))]
            waiting.append(np.asarray(piece, dtype=np.float64))
            first += len(piece)
            if sum(map(len, waiting)) == _BLOCK_ROWS:
                yield np.concatenate(waiting)
                waiting = []
    if waiting:
        yield np.concatenate(waiting)


def mean_of(parts: Iterable[CheckedRows]) -> np.ndarray:
    """Mean of every feature, float64 (n_features,): blocks of rows summed one after the other."""
    total, n_rows = np.zeros(1), 0
    for block in _blocks(parts):
        total, n_rows = total + block.sum(axis=0), n_rows + len(block)
    return total / n_rows


def centered(parts: list[CheckedRows], center: np.ndarray) -> np.ndarray:
    """All rows less the center and scaled to length 1: float32, as the published codes have it, or float64 if they were."""
    dtype = np.float64 if parts[0].rows.dtype == np.float64 else np.float32
    made = []
    for block in _blocks(parts):
        block -= center
        lengths = np.sqrt(np.square(block).sum(axis=1, keepdims=True))
        block /= np.where(lengths > 0, lengths, 1.0)
        made.append(block.astype(dtype))
    return np.concatenate(made)
