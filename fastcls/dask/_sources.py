"""Rows as a list of chunks that workers open themselves: runs of rows of files, of dask arrays, of arrays in memory."""

from __future__ import annotations

import logging
import os
import pickle
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._storage.external_rows import map_under, offset_in_file
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls._validation.rows import check_finite, check_rows
from fastcls._validation.types import is_aligned, name_of, type_of
from fastcls.datasets import read_npy

from ._validation import (
    check_alike,
    check_contiguous,
    check_described,
    check_labels_alike,
    check_not_private,
    check_reachable,
    check_unchanged,
)
from ._workers import is_direct

logger = logging.getLogger("fastcls")

#: Total bytes of rows in this process's memory that travel inside tasks; more rows are sent straight to the workers.
SMALL_BYTES = 1 << 19
#: Bytes of rows sent to a worker at once; the time limit of a transfer is meant for this size.
SENT_BYTES = 1 << 26
#: Bytes of rows above which sending them is logged: files that workers open themselves cost less.
LOGGED_BYTES = 1 << 30
#: Total bytes of arrays that the graph of a dask array may hold.
GRAPH_BYTES = 1 << 20


@dataclass(frozen=True)
class FileChunk:
    """A run of rows in a file, described so that every machine that has the file can open it.

    Attributes
    ----------
    path : str
        Absolute.
    offset : int
        Byte of the file at which the first row begins.
    check : int
        CRC-32 of the first and the last row, which detects another file under the same path.
    """

    path: str
    offset: int
    dtype: str
    n_rows: int
    n_features: int
    check: int = 0

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.n_features * type_of(self.dtype).itemsize

    def cut(self, start: int, stop: int) -> FileChunk:
        """Rows start to stop - 1, with their own check."""
        row_bytes = self.n_features * type_of(self.dtype).itemsize
        check = self._check_of(self.open()[start:stop])
        return replace(self, offset=self.offset + start * row_bytes, n_rows=stop - start, check=check)

    def open(self, location: str = "this process") -> np.ndarray:
        """Map the rows; the error for a missing or different file names `location`."""
        try:
            if os.stat(self.path).st_size < self.offset + self.nbytes:
                raise InputError(
                    f"{quoted(self.path)} as seen by {location} is shorter than the file passed: copy the same file there"
                )
            shape = self.n_rows, self.n_features
            rows = np.memmap(self.path, dtype=type_of(self.dtype), mode="r", offset=self.offset, shape=shape)
        except OSError as error:
            raise InputError(
                f"{location} cannot open {quoted(self.path)} ({reason(error)}): put the file where every worker "
                "can read it under the same path, or pass a dask array"
            ) from None
        if self._check_of(rows) != self.check:
            raise InputError(
                f"{quoted(self.path)} as seen by {location} holds other rows than the file passed: copy the same file there"
            )
        return aligned(rows)

    @staticmethod
    def _check_of(rows: np.ndarray) -> int:
        return zlib.crc32(rows[-1].tobytes(), zlib.crc32(rows[0].tobytes()))


@dataclass(frozen=True, eq=False)
class ArrayChunk:
    """Rows in this process's memory: a few travel inside tasks, more are sent to the worker that owns their shard.

    Attributes
    ----------
    check : int or None
        CRC-32 of the first and the last row, for rows that are sent: if they are sent again, to another worker, they must
        be unchanged.
    """

    rows: np.ndarray
    check: int | None = None

    @property
    def n_rows(self) -> int:
        return len(self.rows)

    @property
    def n_features(self) -> int:
        return self.rows.shape[1]

    @property
    def dtype(self) -> str:
        return name_of(self.rows.dtype)

    def cut(self, start: int, stop: int) -> ArrayChunk:
        rows = self.rows[start:stop]
        return ArrayChunk(rows, None if self.check is None else FileChunk._check_of(rows))

    def open(self, location: str = "this process") -> np.ndarray:
        return self.rows

    def sent(self, send: Callable[[np.ndarray], Any]) -> BlockChunk:
        """Send the rows to a worker; returns them as a block there."""
        check_unchanged(self.check == FileChunk._check_of(self.rows))
        return BlockChunk(send(self.rows), self.n_rows, 0, self.n_rows, self.n_features, self.dtype)


@dataclass(frozen=True)
class BlockChunk:
    """A run of rows of one block of a dask array; `block` is a future on the client and the array on a worker."""

    block: Any
    block_rows: int
    first: int
    n_rows: int
    n_features: int
    dtype: str

    def cut(self, start: int, stop: int) -> BlockChunk:
        return replace(self, first=self.first + start, n_rows=stop - start)

    def open(self, location: str = "this process") -> np.ndarray:
        block = np.asarray(self.block)
        if block.shape != (self.block_rows, self.n_features) or name_of(block.dtype) != self.dtype:
            raise InputError(
                f"a block of the dask array is {name_of(block.dtype)} of shape {block.shape}, but the array declares "
                f"{self.dtype} of shape {self.block_rows, self.n_features}: correct its dtype and chunks"
            )
        return aligned(block[self.first : self.first + self.n_rows])


Chunk = FileChunk | ArrayChunk | BlockChunk


@dataclass(frozen=True)
class Source:
    """Rows as a list of consecutive chunks."""

    chunks: list[Chunk]

    @property
    def n_rows(self) -> int:
        return sum(chunk.n_rows for chunk in self.chunks)

    def __len__(self) -> int:
        return self.n_rows

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_rows, self.chunks[0].n_features

    @property
    def dtype(self) -> np.dtype:
        return type_of(self.chunks[0].dtype)

    def run(self, start: int, stop: int) -> list[Chunk]:
        """The chunks of rows start to stop - 1."""
        found: list[Chunk] = []
        first = 0
        for chunk in self.chunks:
            low, high = max(start - first, 0), min(stop - first, chunk.n_rows)
            if low < high:
                found.append(chunk if (low, high) == (0, chunk.n_rows) else chunk.cut(low, high))
            first += chunk.n_rows
        return found

    def bounds(self, n_shards: int) -> list[int]:
        """Bounds of the shards: their sizes differ by at most one row and depend only on the two numbers."""
        return [self.n_rows * at // n_shards for at in range(n_shards + 1)]

    def arrays(self, client: Any) -> Iterator[np.ndarray]:
        """The rows in this process, chunk by chunk; refuses NaN and infinity."""
        start = 0
        for chunk in self.chunks:
            if isinstance(chunk, BlockChunk):
                chunk = replace(chunk, block=client.gather([chunk.block], direct=is_direct(client))[0])
            rows = chunk.open()
            check_finite(rows, first=start)
            yield rows
            start += len(rows)

    def holders(self, runs: list[list[Chunk]], client: Any) -> list[set[str]]:
        """For each run of chunks, the workers that hold its first block; an empty list if there are no blocks."""
        firsts = [run[0] for run in runs]
        blocks = [chunk.block for chunk in firsts if isinstance(chunk, BlockChunk)]
        if not blocks:
            return []
        from distributed import wait

        with client.as_current():
            wait(blocks)
        found = client.who_has(blocks)
        return [set(found.get(chunk.block.key, ())) if isinstance(chunk, BlockChunk) else set() for chunk in firsts]


def aligned(array: np.ndarray) -> np.ndarray:
    """The array, aligned and contiguous for the compiled loops: one from a message may begin at any byte and is copied."""
    array = np.require(array, requirements=("C", "A"))
    return array if is_aligned(array) else array.copy()


def detach_blocks(chunks: list[Chunk], send: Callable[[np.ndarray], Any]) -> tuple[list[Chunk], list[Any]]:
    """Chunks without their blocks, and the futures of the blocks: Dask finds futures in a list, not inside a chunk.

    Rows in this process's memory become blocks as well: `send` sends them to the worker that will open the chunks.
    """
    chunks = [chunk.sent(send) if isinstance(chunk, ArrayChunk) and chunk.check is not None else chunk for chunk in chunks]
    bare: list[Chunk] = [replace(chunk, block=None) if isinstance(chunk, BlockChunk) else chunk for chunk in chunks]
    return bare, [chunk.block for chunk in chunks if isinstance(chunk, BlockChunk)]


def attach_blocks(bare: list[Chunk], blocks: list[Any]) -> list[Chunk]:
    """Undo `detach_blocks`."""
    left = iter(blocks)
    return [replace(chunk, block=next(left)) if isinstance(chunk, BlockChunk) else chunk for chunk in bare]


def is_described(X: Any) -> bool:
    """Whether X describes rows to open: a path, a dask array, or a list of paths or arrays."""
    return _is_path(X) or _is_dask(X) or _is_list_of_parts(X)


def source_of(X: Any, client: Any) -> Source:
    """X as chunks that workers can open.

    Parameters
    ----------
    X : path of an .npy file, memory map, dask array, small array, or a list of paths, maps and small arrays

    Raises
    ------
    InputError
        For rows of a type or shape that workers cannot use unconverted.
    """
    X = _arrays_in(X)
    if _is_dask(X):
        return Source(_blocks(X, client, "X"))
    parts = list(X) if _is_list_of_parts(X) else [X]
    names = [f"X[{i}]" for i in range(len(parts))] if _is_list_of_parts(X) else ["X"]
    named = zip(parts, names, strict=True)
    chunks: list[Chunk] = [_of_path(part, of) if _is_path(part) else _of_array(part, of) for part, of in named]
    for chunk, of in zip(chunks[1:], names[1:], strict=True):
        check_alike(chunks[0], chunk, of, names[0])
    return Source(chunks)


def sent_source_of(X: Any, client: Any, at_once: int | None = None) -> Source:
    """As `source_of`, for rows that workers keep: rows in this process's memory are marked to be sent, unless few.

    Parameters
    ----------
    at_once : int, optional
        Bytes of the largest chunk that is sent. None: a shard's part of an array is sent at once, and not copied there.

    Raises
    ------
    InputError
        As `source_of`; and if rows would have to pass through the scheduler.
    """
    source = source_of(X, client)
    here = [chunk.rows.nbytes for chunk in source.chunks if isinstance(chunk, ArrayChunk)]
    if sum(here) <= SMALL_BYTES:
        return source
    check_reachable(is_direct(client), sum(here), SMALL_BYTES)
    if sum(here) > LOGGED_BYTES:
        logger.info(
            "X: sending %.1f GB from this process's memory to the workers; a .npy file that the workers can read (np.save), "
            "passed by its path, would not be sent",
            sum(here) / 1e9,
        )
    chunks: list[Chunk] = []
    for chunk in source.chunks:
        if isinstance(chunk, ArrayChunk):
            step = len(chunk.rows) if at_once is None else max(1, at_once * len(chunk.rows) // chunk.rows.nbytes)
            whole = replace(chunk, check=0)
            chunks += [whole.cut(first, min(first + step, len(chunk.rows))) for first in range(0, len(chunk.rows), step)]
        else:
            chunks.append(chunk)
    return Source(chunks)


def labels_of(y: Any, client: Any, name: str = "y") -> Any:
    """Labels in this process: those of a dask array or of .npy files are read, all others returned unchanged."""
    if _is_dask(y):
        _check_graph(y, name)
        return client.gather([client.compute(y)], direct=is_direct(client))[0]
    paths = [y] if _is_path(y) else y if isinstance(y, (list, tuple)) and y and all(map(_is_file, y)) else None
    if paths is None:
        return y
    parts = [read_npy(Path(path)) for path in paths]
    check_labels_alike(parts, name)
    return np.concatenate(parts)


def _is_path(X: Any) -> bool:
    return isinstance(X, (str, os.PathLike))


def _is_file(label: Any) -> bool:
    """Labels may be strings too, so only a string that ends in .npy names a file."""
    return isinstance(label, os.PathLike) or (isinstance(label, str) and label.endswith(".npy"))


def _is_dask(X: Any) -> bool:
    return hasattr(X, "__dask_graph__") and hasattr(X, "to_delayed")


def _arrays_in(X: Any) -> Any:
    """The blocks of a dask array that holds arrays of this process (`da.from_array`) as a list; any other X unchanged."""
    if not _is_dask(X) or getattr(X, "ndim", 0) != 2 or len(X.chunks[1]) != 1:
        return X
    blocks = [X.dask[X.name, i, 0] for i in range(len(X.chunks[0]))]
    return blocks if blocks and all(isinstance(block, np.ndarray) and len(block) for block in blocks) else X


def _is_list_of_parts(X: Any) -> bool:
    return isinstance(X, (list, tuple)) and bool(X) and all(_is_path(x) or getattr(x, "ndim", 0) == 2 for x in X)


def _of_path(path: Any, name: str) -> FileChunk:
    return _of_map(read_npy(Path(path)), f"{name} ({quoted(path)})")


def _of_array(X: Any, name: str) -> FileChunk | ArrayChunk:
    mapped = map_under(X)
    if mapped is not None:
        return _of_map(X, name)
    return ArrayChunk(np.asarray(check_rows(X, name).rows))


def _of_map(X: np.ndarray, name: str) -> FileChunk:
    mapped = map_under(X)
    assert mapped is not None
    assert mapped.filename is not None
    check_described(X.dtype, X.ndim, X.shape, name)
    check_contiguous(X, name)
    check_not_private(mapped.mode, name)
    if mapped.mode in ("r+", "w+"):
        mapped.flush()
    path, (n_rows, n_features) = os.path.abspath(mapped.filename), X.shape
    chunk = FileChunk(path, offset_in_file(X, mapped), name_of(X.dtype), n_rows, n_features, FileChunk._check_of(X))
    chunk.open()  # the path may name another file by now: check
    return chunk


def _blocks(X: Any, client: Any, name: str) -> list[Chunk]:
    if getattr(X, "ndim", None) is None or not hasattr(X, "chunks"):
        raise InputError(
            f"{name} is a dask {type(X).__name__}; wanted a dask array: pass {name}.to_dask_array(lengths=True)"
        )
    if X.ndim == 2 and any(np.isnan(sizes).any() for sizes in X.chunks):
        X = X.compute_chunk_sizes()
    check_described(X.dtype, X.ndim, X.shape, name)
    if len(X.chunks[1]) > 1:
        X = X.rechunk({1: -1})
    blocks = X.to_delayed().ravel()
    _check_graph(X, name)
    futures = client.compute(list(blocks))
    sizes = X.chunks[0]
    return [
        BlockChunk(future, n, 0, n, X.shape[1], name_of(X.dtype)) for future, n in zip(futures, sizes, strict=True) if n > 0
    ]


class _NullFile:
    """A file that discards what is written."""

    def write(self, data: Any) -> int:
        return len(data)


def _check_graph(X: Any, name: str) -> None:
    """Refuse a dask array whose graph holds large arrays: they would pass through the scheduler."""
    import cloudpickle

    class SizeCheck(cloudpickle.Pickler):
        n_bytes = 0

        def persistent_id(self, what: Any) -> Any:
            if not isinstance(what, np.ndarray):
                return "future" if type(what).__name__ == "Future" else None
            self.n_bytes += what.nbytes
            if self.n_bytes > GRAPH_BYTES:
                raise InputError(
                    f"the graph of the dask array {name} holds arrays of {self.n_bytes:,} bytes or more (as after "
                    "da.from_array of an array in memory or of a memory map), which would pass through the scheduler: "
                    "pass the array, the memory map or the .npy path itself, or a dask array whose blocks are loaded on "
                    "the workers (da.from_npy_stack, da.from_zarr, da.map_blocks)"
                )
            return "array"

    try:
        SizeCheck(_NullFile()).dump(dict(X.__dask_graph__()))
    except (pickle.PicklingError, TypeError):  # Dask's own error says more about what cannot be pickled
        return
