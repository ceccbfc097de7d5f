"""Rows that are described, so that workers open them themselves: pieces of files, of dask arrays, of arrays here."""

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

#: Rows of this process's memory that may travel inside tasks, in all; more goes from here to the workers.
SMALL_BYTES = 1 << 19
#: Rows sent to a worker at once: what a time limit of a transfer is meant for.
SENT_BYTES = 1 << 26
#: Rows sent from here of which a line is logged: files that workers open themselves would cost less.
NOTED_BYTES = 1 << 30
#: Arrays that a dask array's graph may hold, in all.
GRAPH_BYTES = 1 << 20


@dataclass(frozen=True)
class FilePiece:
    """A run of rows in a file, as every machine that has the file can open it.

    Attributes
    ----------
    path : str
        Absolute.
    offset : int
        Byte of the file where the first row begins.
    check : int
        CRC-32 of the first and the last row: another file under the same path is noticed.
    """

    path: str
    offset: int
    dtype: str
    n_rows: int
    n_features: int
    check: int = 0

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.n_features * np.dtype(self.dtype).itemsize

    def cut(self, start: int, stop: int) -> FilePiece:
        """Some of the rows, with a check of their own."""
        row_bytes = self.n_features * np.dtype(self.dtype).itemsize
        check = self._check_of(self.open()[start:stop])
        return replace(self, offset=self.offset + start * row_bytes, n_rows=stop - start, check=check)

    def open(self, place: str = "this process") -> np.ndarray:
        """The rows, mapped; an error that names the place where the file is missing or another one."""
        try:
            if os.stat(self.path).st_size < self.offset + self.nbytes:
                raise InputError(f"{place} finds {quoted(self.path)} shorter than the rows passed; put the same file there")
            shape = self.n_rows, self.n_features
            rows = np.memmap(self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=shape)
        except OSError as error:
            raise InputError(
                f"{place} cannot open {quoted(self.path)}: {reason(error)}; put the rows where every worker "
                "sees them under the same path, or pass a dask array"
            ) from None
        if self._check_of(rows) != self.check:
            raise InputError(f"{place} has other rows in {quoted(self.path)} than were passed; put the same file there")
        return aligned(rows)

    @staticmethod
    def _check_of(rows: np.ndarray) -> int:
        return zlib.crc32(rows[-1].tobytes(), zlib.crc32(rows[0].tobytes()))


@dataclass(frozen=True)
class ArrayPiece:
    """Rows of this process's memory: a few travel inside tasks, more are sent to the worker that has their shard.

    Attributes
    ----------
    check : int or None
        Of rows that are sent: CRC-32 of the first and the last. They may be sent again, to another worker, and must be the
        same then.
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
        return self.rows.dtype.name

    def cut(self, start: int, stop: int) -> ArrayPiece:
        rows = self.rows[start:stop]
        return ArrayPiece(rows, None if self.check is None else FilePiece._check_of(rows))

    def open(self, place: str = "this process") -> np.ndarray:
        return self.rows

    def sent(self, send: Callable[[np.ndarray], Any]) -> BlockPiece:
        """The same rows as a block that `send` has sent to a worker."""
        check_unchanged(self.check == FilePiece._check_of(self.rows))
        return BlockPiece(send(self.rows), self.n_rows, 0, self.n_rows, self.n_features, self.dtype)


@dataclass(frozen=True)
class BlockPiece:
    """A run of rows of one block of a dask array; `block` is the block's future, and the block itself on a worker."""

    block: Any
    block_rows: int
    first: int
    n_rows: int
    n_features: int
    dtype: str

    def cut(self, start: int, stop: int) -> BlockPiece:
        return replace(self, first=self.first + start, n_rows=stop - start)

    def open(self, place: str = "this process") -> np.ndarray:
        block = np.asarray(self.block)
        if block.shape != (self.block_rows, self.n_features) or block.dtype.name != self.dtype:
            raise InputError(
                f"a block of the dask array is {block.dtype} of shape {block.shape}, where the array said "
                f"{self.dtype} of {self.block_rows, self.n_features}; make blocks what it says"
            )
        return aligned(block[self.first : self.first + self.n_rows])


Piece = FilePiece | ArrayPiece | BlockPiece


@dataclass(frozen=True)
class Source:
    """Rows as a list of pieces, one behind the other."""

    pieces: list[Piece]

    @property
    def n_rows(self) -> int:
        return sum(piece.n_rows for piece in self.pieces)

    def __len__(self) -> int:
        return self.n_rows

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_rows, self.pieces[0].n_features

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.pieces[0].dtype)

    def run(self, start: int, stop: int) -> list[Piece]:
        """The pieces of some consecutive rows."""
        found: list[Piece] = []
        first = 0
        for piece in self.pieces:
            low, high = max(start - first, 0), min(stop - first, piece.n_rows)
            if low < high:
                found.append(piece if (low, high) == (0, piece.n_rows) else piece.cut(low, high))
            first += piece.n_rows
        return found

    def bounds(self, n_shards: int) -> list[int]:
        """Where shards begin and end: their sizes differ by at most one row, and depend on nothing but both numbers."""
        return [self.n_rows * at // n_shards for at in range(n_shards + 1)]

    def arrays(self, client: Any) -> Iterator[np.ndarray]:
        """The rows in this process, piece after piece, finite."""
        start = 0
        for piece in self.pieces:
            if isinstance(piece, BlockPiece):
                piece = replace(piece, block=client.gather([piece.block], direct=is_direct(client))[0])
            rows = piece.open()
            check_finite(rows, first=start)
            yield rows
            start += len(rows)

    def near(self, runs: list[list[Piece]], client: Any) -> list[set[str]]:
        """For every run of pieces the workers that hold its first block; nothing where there are no blocks."""
        firsts = [run[0] for run in runs]
        blocks = [piece.block for piece in firsts if isinstance(piece, BlockPiece)]
        if not blocks:
            return []
        from distributed import wait

        with client.as_current():
            wait(blocks)
        holders = client.who_has(blocks)
        return [set(holders.get(piece.block.key, ())) if isinstance(piece, BlockPiece) else set() for piece in firsts]


def aligned(array: np.ndarray) -> np.ndarray:
    """The array as compiled loops read it; what came in a message may begin at any byte, and is copied then."""
    return np.require(array, requirements=("C", "A"))


def apart(pieces: list[Piece], send: Callable[[np.ndarray], Any]) -> tuple[list[Piece], list[Any]]:
    """Pieces without their blocks, and the futures of these, which Dask sees only where they stand in a list.

    Rows of this process become such blocks: `send` sends them to the worker that will open the pieces.
    """
    pieces = [piece.sent(send) if isinstance(piece, ArrayPiece) and piece.check is not None else piece for piece in pieces]
    bare: list[Piece] = [replace(piece, block=None) if isinstance(piece, BlockPiece) else piece for piece in pieces]
    return bare, [piece.block for piece in pieces if isinstance(piece, BlockPiece)]


def together(bare: list[Piece], blocks: list[Any]) -> list[Piece]:
    """What `apart` took apart."""
    left = iter(blocks)
    return [replace(piece, block=next(left)) if isinstance(piece, BlockPiece) else piece for piece in bare]


def is_described(X: Any) -> bool:
    """Whether X names rows that lie elsewhere: paths, a dask array, or a list of paths or arrays."""
    return _is_path(X) or _is_dask(X) or _is_list_of_parts(X)


def source_of(X: Any, client: Any, name: str = "X") -> Source:
    """X as pieces that workers open.

    Parameters
    ----------
    X : path of an .npy file, memory map, dask array, small array, or a list of paths, maps and small arrays

    Raises
    ------
    InputError
        For rows of a type or shape that no worker could use as they lie.
    """
    X = _arrays_in(X)
    if _is_dask(X):
        return Source(_blocks(X, client, name))
    parts = list(X) if _is_list_of_parts(X) else [X]
    names = [f"{name}[{i}]" for i in range(len(parts))] if _is_list_of_parts(X) else [name]
    named = zip(parts, names, strict=True)
    pieces: list[Piece] = [_of_path(part, of) if _is_path(part) else _of_array(part, of) for part, of in named]
    for piece, of in zip(pieces[1:], names[1:], strict=True):
        check_alike(pieces[0], piece, of, names[0])
    return Source(pieces)


def sent_source_of(X: Any, client: Any, at_once: int | None = None) -> Source:
    """As `source_of`, for rows that workers will keep: those of this process's memory that are too many for tasks are
    marked to be sent.

    Parameters
    ----------
    at_once : int, optional
        Bytes of the largest piece that is sent. None: what a shard has of an array goes in one, and is not copied there.

    Raises
    ------
    InputError
        As `source_of`; and where rows would have to be sent through the scheduler.
    """
    source = source_of(X, client)
    here = [piece.rows.nbytes for piece in source.pieces if isinstance(piece, ArrayPiece)]
    if sum(here) <= SMALL_BYTES:
        return source
    check_reachable(is_direct(client), sum(here), SMALL_BYTES)
    if sum(here) > NOTED_BYTES:
        logger.info(
            "X: %.1f GB in this process's memory are sent to the workers; rows saved where the workers see them "
            "(np.save), passed as the .npy path, would not be",
            sum(here) / 1e9,
        )
    pieces: list[Piece] = []
    for piece in source.pieces:
        if isinstance(piece, ArrayPiece):
            step = len(piece.rows) if at_once is None else max(1, at_once * len(piece.rows) // piece.rows.nbytes)
            whole = replace(piece, check=0)
            pieces += [whole.cut(first, min(first + step, len(piece.rows))) for first in range(0, len(piece.rows), step)]
        else:
            pieces.append(piece)
    return Source(pieces)


def labels_of(y: Any, client: Any, name: str = "y") -> Any:
    """Labels in this process: of a dask array, or of .npy files, one behind the other; others as they came."""
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
    """Labels may be strings; names of files end so."""
    return isinstance(label, os.PathLike) or (isinstance(label, str) and label.endswith(".npy"))


def _is_dask(X: Any) -> bool:
    return hasattr(X, "__dask_graph__") and hasattr(X, "to_delayed")


def _arrays_in(X: Any) -> Any:
    """The blocks of rows of a dask array that holds them as arrays of this process (`da.from_array`); else X as it came."""
    if not _is_dask(X) or getattr(X, "ndim", 0) != 2 or len(X.chunks[1]) != 1:
        return X
    blocks = [X.dask[X.name, i, 0] for i in range(len(X.chunks[0]))]
    return blocks if blocks and all(isinstance(block, np.ndarray) and len(block) for block in blocks) else X


def _is_list_of_parts(X: Any) -> bool:
    return isinstance(X, (list, tuple)) and bool(X) and all(_is_path(x) or getattr(x, "ndim", 0) == 2 for x in X)


def _of_path(path: Any, name: str) -> FilePiece:
    return _of_map(read_npy(Path(path)), f"{name} ({quoted(path)})")


def _of_array(X: Any, name: str) -> FilePiece | ArrayPiece:
    mapped = map_under(X)
    if mapped is not None:
        return _of_map(X, name)
    return ArrayPiece(np.asarray(check_rows(X, name).rows))


def _of_map(X: np.ndarray, name: str) -> FilePiece:
    mapped = map_under(X)
    assert mapped is not None
    assert mapped.filename is not None
    check_described(X.dtype, X.ndim, X.shape, name)
    check_contiguous(X, name)
    check_not_private(mapped.mode, name)
    if mapped.mode in ("r+", "w+"):
        mapped.flush()
    path, (n_rows, n_features) = os.path.abspath(mapped.filename), X.shape
    piece = FilePiece(path, offset_in_file(X, mapped), X.dtype.name, n_rows, n_features, FilePiece._check_of(X))
    piece.open()  # the path may name another file by now
    return piece


def _blocks(X: Any, client: Any, name: str) -> list[Piece]:
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
    return [BlockPiece(future, n, 0, n, X.shape[1], X.dtype.name) for future, n in zip(futures, sizes, strict=True) if n > 0]


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def _check_graph(X: Any, name: str) -> None:
    """Refuse a dask array whose graph holds large arrays: all of them would pass through the scheduler."""
    import cloudpickle

    class Looker(cloudpickle.Pickler):  # type: ignore[name-defined,misc]
        n_bytes = 0

        def persistent_id(self, what: Any) -> Any:
            if not isinstance(what, np.ndarray):
                return "future" if type(what).__name__ == "Future" else None
            self.n_bytes += what.nbytes
            if self.n_bytes > GRAPH_BYTES:
                raise InputError(
                    f"the graph of the dask array {name} holds arrays of {self.n_bytes:,} bytes or more (da.from_array of "
                    "an array in memory or of a memory map does that), and all of it would pass through the scheduler: pass "
                    "the array, the memory map or the .npy path itself, or an array whose blocks are loaded on the workers "
                    "(da.from_npy_stack, da.from_zarr, da.map_blocks)"
                )
            return "array"

    try:
        Looker(_Nowhere()).dump(dict(X.__dask_graph__()))
    except (pickle.PicklingError, TypeError):  # what cannot be pickled here, Dask will say better
        return
