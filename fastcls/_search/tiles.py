"""What brute force and the matrix of all pairs share: the tile of the pairwise kernel, and the arithmetic of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcls import _kernels
from fastcls._validation.types import name_of, type_of

FIRST_CHUNK = 8_000_000  # features of pairs per thread: about 50 ms of the slowest tile, before any chunk is timed
_QUERIES_PER_TILE = 32  # they share rows while these are in the cache
_TILE_BYTES = 1 << 16  # the rows of a tile are read once per query, so they must stay in the L1 or L2 cache


def arithmetic_of(Q_dtype: np.dtype, X_dtype: np.dtype) -> str:
    """The type that a pair function reads: the type of the rows if both agree, else float64, converted tile by tile."""
    return name_of(Q_dtype) if Q_dtype == X_dtype else "float64"


def aligned_rows(n_rows: int, n_bytes: int) -> np.ndarray:
    """Rows of bytes that begin at multiples of 64: a load across two cache lines costs twice as much."""
    width = -(-n_bytes // 64) * 64
    data = np.empty(n_rows * width + 63, dtype=np.uint8)
    start = -data.ctypes.data % 64
    return data[start : start + n_rows * width].reshape(n_rows, width)


@dataclass(frozen=True, eq=False)
class PairwiseTile:
    """The tile of the pairwise kernel and its scratch: a few MB per thread, for rows of any width."""

    queries: int
    rows: int
    scratch: np.ndarray

    @classmethod
    def of(cls, n_features: int, arithmetic: str, dtypes: tuple[np.dtype, ...], n_threads: int) -> PairwiseTile:
        read = type_of(arithmetic)
        widened = any(dtype != read for dtype in dtypes)
        fit = max(1, _TILE_BYTES // (n_features * read.itemsize))
        queries = min(_QUERIES_PER_TILE, max(1, 16 * fit)) if widened else _QUERIES_PER_TILE
        rows = min(max(fit, 1 if widened else 4), 256)
        size = _kernels.scratch_size(n_features if widened else 0, queries, rows)
        return cls(queries, rows, np.empty((n_threads, size)))
