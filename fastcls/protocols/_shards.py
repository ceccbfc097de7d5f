"""Training rows in parts: gathered and centred so that no answer can depend on where one part ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from fastcls._validation.rows import CheckedRows

Progress = Callable[[int, int], None]

_BLOCK_ROWS = 1024  # of a mean: 8 MB in float64 at 1,024 features


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
