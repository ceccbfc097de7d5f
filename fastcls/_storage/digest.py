"""Checksums of arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

_CHUNK_BYTES = 1 << 24


def digest(*arrays: np.ndarray) -> str:
    """Checksum of the type, shape and bytes of an array, which may come in chunks of rows: 32 hexadecimal digits."""
    found = hashing(arrays)
    for chunk in chunks(arrays):
        found.update(chunk)
    return found.hexdigest()


def hashing(arrays: Sequence[np.ndarray]) -> hashlib.blake2b:
    """Hash object for `digest` that has seen type and shape; update it with all `chunks`."""
    first = arrays[0]
    shape = first.shape if len(arrays) == 1 else (sum(map(len, arrays)), *first.shape[1:])
    return hashlib.blake2b(f"{first.dtype.str} {shape}".encode(), digest_size=16)


def chunks(arrays: Sequence[np.ndarray]) -> Iterator[memoryview]:
    """Bytes of arrays in C order, about 16 MB at a time, so that memory maps are read in chunks."""
    for array in arrays:
        rows = array[None] if array.ndim == 0 else array
        step = max(1, _CHUNK_BYTES // max(1, rows.nbytes // max(1, len(rows))))
        for first in range(0, len(rows), step):
            yield np.ascontiguousarray(rows[first : first + step]).view(np.uint8).data
