"""Training rows in parts: gathered and centred with results that do not depend on where parts end, or put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from fastcls._validation.rows import CheckedRows
from fastcls._validation.types import widened

_BLOCK_ROWS = 1024  # of a block of a mean: 8 MB of float64 at 1,024 features


def whole(parts: Iterable[CheckedRows]) -> np.ndarray:
    """All rows in one array; those of a single part are not copied."""
    rows = [part.rows for part in parts]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def gather(parts: Iterable[CheckedRows], wanted: np.ndarray) -> np.ndarray:
    """The rows with these ascending numbers; reads each part once."""
    found, start = [], 0
    for part in parts:
        low, high = np.searchsorted(wanted, [start, start + len(part.rows)])
        found.append(np.asarray(part.rows[wanted[low:high] - start]))
        start += len(part.rows)
    return np.concatenate(found)


def _blocks(parts: Iterable[CheckedRows]) -> Iterator[np.ndarray]:
    """All rows as float64, in blocks of `_BLOCK_ROWS` rows (the last may be shorter), wherever parts end."""
    waiting: list[np.ndarray] = []
    for part in parts:
        first = 0
        while first < len(part.rows):
            chunk = part.rows[first : first + _BLOCK_ROWS - sum(map(len, waiting))]
            waiting.append(widened(chunk, np.float64))
            first += len(chunk)
            if sum(map(len, waiting)) == _BLOCK_ROWS:
                yield np.concatenate(waiting)
                waiting = []
    if waiting:
        yield np.concatenate(waiting)


def mean_of(parts: Iterable[CheckedRows]) -> np.ndarray:
    """Mean of each feature, float64 (n_features,), summed block by block."""
    total, n_rows = np.zeros(1), 0
    for block in _blocks(parts):
        total, n_rows = total + block.sum(axis=0), n_rows + len(block)
    return total / n_rows


def centered(parts: list[CheckedRows], center: np.ndarray) -> np.ndarray:
    """All rows minus the center, scaled to length 1: float32 as in the published code, float64 for float64 rows."""
    dtype = np.float64 if parts[0].rows.dtype == np.float64 else np.float32
    made = []
    for block in _blocks(parts):
        block -= center
        lengths = np.sqrt(np.square(block).sum(axis=1, keepdims=True))
        block /= np.where(lengths > 0, lengths, 1.0)
        made.append(block.astype(dtype))
    return np.concatenate(made)
