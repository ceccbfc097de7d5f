"""Plans a search and runs it: which arithmetic, which tiles, which threads, in which pieces.

Everything here is about speed and memory; none of it can change an answer (see ARCHITECTURE.md, 'One search').
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from . import _kernels, _threads
from ._validation import CheckedRows
from .metrics import METRICS, Metric

Progress = Callable[[int, int], None]

QUERIES_PER_TILE = _kernels.QUERIES_IN_A_TILE
_PIECE_SECONDS = 0.05  # between two pieces Python runs, so this is how long Ctrl-C waits
_FIRST_PIECE = 200_000_000  # features of pairs a thread: about 50 ms of the slowest tile, before anything is measured
_TILE_BYTES = 1 << 16  # rows of a tile are read once per query of a block: they must stay in the nearest caches
_NO_GROUPS = np.empty(0, dtype=np.int64)
_NO_NORMS = np.empty(0, dtype=np.float64)
_NO_FLAGS = np.empty(0, dtype=np.uint8)


@dataclass(frozen=True)
class SearchReport:
    """What a search did. Read it as attributes, or as a dictionary with `as_dict()`.

    Attributes
    ----------
    path : str
        "brute": every pair was computed.
    metric, arithmetic, isa : str
        The arithmetic is "integer" or "float64"; the isa names the kernels.
    threads, n_queries, n_rows, n_features, k : int
    pairs : int
        Pairs of query and training row whose S was computed.
    tile : tuple of int
        Queries and rows of a tile.
    pieces : int
        Parallel regions, between which Ctrl-C is honoured.
    seconds : float
    scratch_bytes : int
        Working memory of all threads, beyond inputs and outputs.
    copied_bytes : int
        Bytes of input that had to be copied because they were not C-contiguous or not of a supported type.
    notes : tuple of str
        What a user should know: a conversion, a single thread after a fork.
    """

    path: str
    metric: str
    arithmetic: str
    isa: str
    threads: int
    n_queries: int
    n_rows: int
    n_features: int
    k: int
    pairs: int
    tile: tuple[int, int]
    pieces: int
    seconds: float
    scratch_bytes: int
    copied_bytes: int = 0
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Rows:
    """Rows as a list of chunks, referenced and never copied here.

    Attributes
    ----------
    chunks : list of ndarray of shape (n_rows_of_chunk, n_features)
        C-contiguous, all of one dtype; memory maps stay on disk.
    copied_bytes : int
        Bytes that validation had to copy to make them so.
    notes : tuple of str
    """

    chunks: list[np.ndarray]
    copied_bytes: int = 0
    notes: tuple[str, ...] = ()
    _norms: dict[str, list[np.ndarray]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, checked: CheckedRows) -> Rows:
        """One chunk, as validation left it."""
        return cls([checked.rows], checked.copied_bytes, checked.notes)

    def with_starts(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """(number, index of its first row, rows) of every chunk."""
        start = 0
        for number, chunk in enumerate(self.chunks):
            yield number, start, chunk
            start += len(chunk)

    @property
    def n_rows(self) -> int:
        return sum(len(chunk) for chunk in self.chunks)

    @property
    def n_features(self) -> int:
        return self.chunks[0].shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.chunks[0].dtype

    def norms(self, arithmetic: str, n_threads: int) -> list[np.ndarray]:
        """Squared norms of every chunk's rows; computed once per arithmetic, 8 bytes a row."""
        if arithmetic not in self._norms:
            self._norms[arithmetic] = [_squared_norms(chunk, arithmetic, n_threads) for chunk in self.chunks]
        return self._norms[arithmetic]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_norms": {}}


def _arithmetic(Q_dtype: np.dtype, X_dtype: np.dtype) -> str:
    """The type a tile reads: the bytes themselves where both are the same byte type, else float64."""
    return Q_dtype.name if Q_dtype == X_dtype and Q_dtype.name in ("uint8", "int8") else "float64"


def _as_bytes(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows).view(np.uint8)


def _rows_per_tile(n_features: int, arithmetic: str) -> int:
    return int(np.clip(_TILE_BYTES // (n_features * np.dtype(arithmetic).itemsize), 4, 256))


def _scratch(widened: bool, n_features: int, rows_per_tile: int, n_threads: int) -> np.ndarray:
    """A tile of S per thread, and room to widen its rows where their storage is not what the tile reads."""
    return np.empty((n_threads, _kernels.scratch_size(n_features if widened else 0, rows_per_tile)))


def _is_widened(arithmetic: str, *dtypes: np.dtype) -> bool:
    return any(dtype.name != arithmetic for dtype in dtypes)


def _squared_norms(rows: np.ndarray, arithmetic: str, n_threads: int) -> np.ndarray:
    out = np.empty(len(rows))
    storage, wanted = _kernels.TYPES[rows.dtype.name], _kernels.TYPES[arithmetic]
    scratch = _scratch(_is_widened(arithmetic, rows.dtype), rows.shape[1], 1, n_threads)
    _kernels.squared_norms(_as_bytes(rows), storage, wanted, out, scratch, n_threads)
    return out


def _is_zero(rows: np.ndarray) -> np.ndarray:
    return np.logical_not(rows.any(axis=1)).astype(np.uint8)


@dataclass
class _Norms:
    """What turns dot products into cosines; empty for every other metric."""

    queries: np.ndarray = field(default_factory=lambda: _NO_NORMS)
    zero_queries: np.ndarray = field(default_factory=lambda: _NO_FLAGS)
    chunks: list[np.ndarray] | None = None

    def of_chunk(self, number: int, rows: slice) -> np.ndarray:
        return _NO_NORMS if self.chunks is None else self.chunks[number][rows]


def _norms_for(metric: Metric, Q: np.ndarray, rows: Rows, arithmetic: str, n_threads: int) -> _Norms:
    if not metric.needs_norms:
        return _Norms()
    chunks = rows.norms(arithmetic, n_threads)
    return _Norms(_squared_norms(Q, arithmetic, n_threads), _is_zero(Q), chunks)


class _Pieces:
    """How many pairs the next parallel region should take, learned from how long the last one took."""

    def __init__(self, n_features: int, n_threads: int) -> None:
        self.pairs = max(1, _FIRST_PIECE * n_threads // n_features)
        self.count = 0

    def took(self, pairs: int, seconds: float) -> None:
        self.count += 1
        wanted = pairs * _PIECE_SECONDS / max(seconds, 1e-6)
        self.pairs = int(np.clip(wanted, self.pairs / 4, self.pairs * 4)) + 1


class _Search:
    """One search under way: what is the same for every piece of it."""

    def __init__(self, rows: Rows, dtype: np.dtype, k: int, metric: Metric, n_threads: int) -> None:
        self.rows, self.k, self.metric, self.n_threads = rows, k, metric, n_threads
        self.arithmetic = _arithmetic(dtype, rows.dtype)
        self.per_tile = _rows_per_tile(rows.n_features, self.arithmetic)
        widened = _is_widened(self.arithmetic, dtype, rows.dtype)
        self.scratch = _scratch(widened, rows.n_features, self.per_tile, n_threads)
        self.pieces = _Pieces(rows.n_features, n_threads)

    def run(self, Q: np.ndarray, groups: tuple[np.ndarray, np.ndarray], advance: Callable[[int], None],
            S_out: np.ndarray, indices_out: np.ndarray) -> None:  # fmt: skip
        """Neighbours of a block of queries: query pieces, and for each, pieces of every chunk of rows."""
        norms = _norms_for(self.metric, Q, self.rows, self.arithmetic, self.n_threads)
        query_groups, row_groups = groups
        _kernels.start_heaps(S_out, indices_out)
        first, block = 0, QUERIES_PER_TILE * self.n_threads
        while first < len(Q):
            wanted = self.pieces.pairs // self.rows.n_rows // block * block
            part = slice(first, min(len(Q), first + max(block, wanted)))
            for number, start, chunk in self.rows.with_starts():
                row = 0
                while row < len(chunk):
                    begun = time.perf_counter()
                    some = slice(row, row + max(self.per_tile, self.pieces.pairs // (part.stop - part.start)))
                    _kernels.search_chunk(
                        _as_bytes(Q[part]), _kernels.TYPES[Q.dtype.name],
                        _as_bytes(chunk[some]), _kernels.TYPES[chunk.dtype.name],
                        _kernels.TILES[self.metric.tile], _kernels.TYPES[self.arithmetic],
                        norms.queries[part], norms.zero_queries[part], norms.of_chunk(number, some),
                        query_groups[part], row_groups[start + some.start : start + some.stop],
                        start + row, S_out[part], indices_out[part], self.per_tile, self.scratch, self.n_threads,
                    )  # fmt: skip
                    pairs = (part.stop - part.start) * len(chunk[some])
                    self.pieces.took(pairs, time.perf_counter() - begun)
                    advance(pairs)
                    row = some.stop
            first = part.stop
        _kernels.sort_heaps(S_out, indices_out, self.n_threads)


def search(
    rows: Rows,
    queries: Rows | None,
    k: int,
    metric_name: str,
    *,
    n_threads: int,
    query_groups: np.ndarray | None = None,
    row_groups: np.ndarray | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray, SearchReport]:
    """The k nearest training rows of every query, by the order (S, training index). Input is trusted.

    Parameters
    ----------
    rows : Rows
    queries : Rows, or None for the training rows themselves
    k : int
        At most the number of rows that every query may see.
    query_groups, row_groups : ndarray of shape (n_queries,), (n_rows,), int64, optional
        A query never sees a row of its own group.
    progress : callable, optional
        ``progress(pairs_done, pairs_total)`` after every piece.

    Returns
    -------
    S : ndarray of shape (n_queries, k), float64
    indices : ndarray of shape (n_queries, k), int64
    report : SearchReport
    """
    started = time.perf_counter()
    of_queries = rows if queries is None else queries
    n_queries = of_queries.n_rows
    n_threads = _threads.worth(n_threads, n_queries * rows.n_rows * rows.n_features)
    S = np.empty((n_queries, k))
    indices = np.empty((n_queries, k), dtype=np.int64)
    run = _Search(rows, of_queries.dtype, k, METRICS[metric_name], n_threads)
    total, done = n_queries * rows.n_rows, 0

    def advance(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    for _, start, Q in of_queries.with_starts():
        part = slice(start, start + len(Q))
        of_part = _NO_GROUPS if query_groups is None else query_groups[part]
        groups = (of_part, _NO_GROUPS if row_groups is None else row_groups)
        run.run(Q, groups, advance, S[part], indices[part])
    notes = (*rows.notes, *(() if queries is None else queries.notes))
    report = SearchReport(
        path="brute",
        metric=metric_name,
        arithmetic="float64" if run.arithmetic == "float64" else "integer",
        isa="scalar",
        threads=n_threads,
        n_queries=n_queries,
        n_rows=rows.n_rows,
        n_features=rows.n_features,
        k=k,
        pairs=total,
        tile=(QUERIES_PER_TILE, run.per_tile),
        pieces=run.pieces.count,
        seconds=time.perf_counter() - started,
        scratch_bytes=run.scratch.nbytes,
        copied_bytes=rows.copied_bytes + (0 if queries is None else queries.copied_bytes),
        notes=(*notes, *_threads.notes()),
    )
    return S, indices, report


def all_pairs(rows: np.ndarray, Q: np.ndarray, metric_name: str, *, n_threads: int) -> np.ndarray:
    """S of every query and row: float64 (n_queries, n_rows). Input is trusted."""
    metric = METRICS[metric_name]
    n_threads = _threads.worth(n_threads, Q.size * len(rows))
    arithmetic = _arithmetic(Q.dtype, rows.dtype)
    per_tile = _rows_per_tile(rows.shape[1], arithmetic)
    scratch = _scratch(_is_widened(arithmetic, Q.dtype, rows.dtype), rows.shape[1], per_tile, n_threads)
    norms = _norms_for(metric, Q, Rows([rows]), arithmetic, n_threads)
    S = np.empty((len(Q), len(rows)))
    block = QUERIES_PER_TILE * n_threads
    for first in range(0, len(Q), block):
        part = slice(first, first + block)
        _kernels.distance_matrix(
            _as_bytes(Q[part]), _kernels.TYPES[Q.dtype.name], _as_bytes(rows), _kernels.TYPES[rows.dtype.name],
            _kernels.TILES[metric.tile], _kernels.TYPES[arithmetic], norms.queries[part], norms.zero_queries[part],
            norms.of_chunk(0, slice(None)), S[part], per_tile, scratch, n_threads,
        )  # fmt: skip
    return S


def vote(
    labels: np.ndarray,
    weights: np.ndarray,
    ks: np.ndarray,
    n_classes: int,
    *,
    tie_break: str,
    n_threads: int,
    with_totals: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted majority among the first k neighbours for every k of `ks` (ascending). Input is trusted.

    Returns
    -------
    winners : ndarray of shape (n_queries, n_ks), int64
    tied : ndarray of shape (n_queries, n_ks), bool
    totals : ndarray of shape (n_queries, n_classes), float64, for the last k; no rows unless `with_totals`
    """
    n_queries = len(labels)
    n_threads = _threads.worth(n_threads, n_queries * (labels.shape[1] + len(ks) * n_classes))
    winners = np.empty((n_queries, len(ks)), dtype=np.int64)
    tied = np.empty((n_queries, len(ks)), dtype=np.uint8)
    totals = np.empty((n_queries if with_totals else 0, n_classes))
    _kernels.vote(
        labels, weights, np.asarray(ks, dtype=np.int64), tie_break == "nearest", winners, tied, totals,
        np.empty((n_threads, n_classes)), n_threads,
    )  # fmt: skip
    return winners, tied.astype(bool), totals
