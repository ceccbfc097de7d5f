"""Rows as the search sees them: a list of chunks, referenced and never copied, and what is computed from them once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastcls import _kernels
from fastcls._validation.rows import CheckedRows, as_bytes, storage_of
from fastcls._validation.types import is_zero, name_of
from fastcls.metrics import Metric

from . import bounds as _bounds

_NO_NORMS = np.empty(0, dtype=np.float64)
_NO_FLAGS = np.empty(0, dtype=np.uint8)
# Larger chunks are never copied. Each chunk adds 16 us to a query that takes 60 us (5,300 MNIST rows).
_WHOLE_BYTES = 1 << 22


@dataclass(eq=False)
class Rows:
    """Rows as a list of chunks, referenced and never copied here.

    Attributes
    ----------
    chunks : list of ndarray of shape (n_rows_of_chunk, n_features)
        C-contiguous, all of one dtype, a stored type of `_validation/types.py`; memory maps stay on disk.
    copied_bytes : int
        Bytes that validation had to copy for that.
    notes : tuple of str
    filters : dict
        By key: the filters and trees (`run.Prepared`) that were made for these rows; None if brute force was found to be
        faster. Pickled in plain form.
    learned_rows : dict
        For each of them: how many rows there were when that was decided.
    left_out : dict
        For each metric whose codes or tree do not fit into memory: a note that says so. Not pickled.
    stored : dict
        Of filters that come from a file or a pickle: their plain form, until `plan.restore` restores them before the first
        search.
    made : list
        Work done for the next search, with its seconds; reported by that search.
    """

    chunks: list[np.ndarray]
    copied_bytes: int = 0
    notes: tuple[str, ...] = ()
    filters: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    learned_rows: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    left_out: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    _norms: dict[str, list[np.ndarray]] = field(default_factory=dict, repr=False, compare=False)
    _statistics: dict[bool, list[_bounds.Statistics]] = field(default_factory=dict, repr=False, compare=False)
    stored: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    made: list[tuple[str, float]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def of(cls, checked: CheckedRows) -> Rows:
        """The checked rows as one chunk."""
        return cls([checked.rows], checked.copied_bytes, checked.notes)

    def extended(self, more: Rows) -> Rows:
        """A new object: these rows followed by more, keeping everything computed for unchanged chunks.

        The old object does not change, so searches in progress can finish.

        Chunks of 4 MB and more are only referenced. Smaller ones are merged like a binary counter: the last chunk with the
        chunks before it, while the preceding one is less than twice as large. So n bytes that arrived in equal blocks of b
        bytes are held in at most n / 4 MB + log2(4 MB / b) + 1 chunks, and each row was copied (and encoded) at most
        log2(4 MB / b) + 1 times.
        """
        chunks = [*self.chunks, *more.chunks]
        first, size = len(chunks) - 1, chunks[-1].nbytes
        while first > 0 and size < _WHOLE_BYTES and chunks[first - 1].nbytes < min(_WHOLE_BYTES, 2 * size):
            first -= 1
            size += chunks[first].nbytes
        copied_bytes = self.copied_bytes + more.copied_bytes
        if first < len(chunks) - 1:
            chunks[first:] = [np.asarray(np.concatenate(chunks[first:]))]
            copied_bytes += size
        notes = tuple(dict.fromkeys((*self.notes, *more.notes)))
        # copies, because searches in other threads add entries
        filters = {name: made and replace(made, chunks=made.chunks[:first]) for name, made in dict(self.filters).items()}
        norms = {name: of_chunks[:first] for name, of_chunks in dict(self._norms).items()}
        statistics = {name: of_chunks[:first] for name, of_chunks in dict(self._statistics).items()}
        known = (filters, dict(self.learned_rows), dict(self.left_out), norms, statistics)
        return Rows(chunks, copied_bytes, notes, *known)

    def should_relearn(self, name: str) -> bool:
        """Whether the rows have doubled since it was decided about this filter."""
        return self.n_rows >= 2 * self.learned_rows.get(name, self.n_rows)

    def with_starts(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """(number, index of its first row, rows) of every chunk."""
        start = 0
        for number, chunk in enumerate(self.chunks):
            yield number, start, chunk
            start += len(chunk)

    @property
    def n_rows(self) -> int:
        return len(self.chunks[0]) if len(self.chunks) == 1 else sum(map(len, self.chunks))

    @property
    def n_features(self) -> int:
        return self.chunks[0].shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.chunks[0].dtype

    def norms(self, arithmetic: str, n_threads: int) -> list[np.ndarray]:
        """Squared norms of the rows of every chunk; computed once per arithmetic, 8 bytes per row."""
        known = self._norms.get(arithmetic, [])
        if len(known) < len(self.chunks):
            new = [squared_norms(chunk, arithmetic, n_threads) for chunk in self.chunks[len(known) :]]
            self._norms[arithmetic] = known = [*known, *new]
        return known

    def statistics(self, bounds: str, n_threads: int) -> list[_bounds.Statistics]:
        """The statistics that the bounds need, for every chunk; computed once, 16 to 24 bytes per row."""
        about_zero = bounds == "cosine"
        known = self._statistics.get(about_zero, [])
        if len(known) < len(self.chunks):
            center = known[0].center if known else _bounds.choose_center(self.chunks[0], bounds)
            new = [_bounds.statistics(chunk, center, n_threads) for chunk in self.chunks[len(known) :]]
            self._statistics[about_zero] = known = [*known, *new]
        return known

    def stored_filters(self) -> dict[str, Any]:
        """The plain form of all filters, see `stored`; without codes if they lack those of the last chunks."""
        whole = {
            name: made if made is None or len(made.chunks) == len(self.chunks) else replace(made, chunks=[])
            for name, made in dict(self.filters).items()
        }
        return {**self.stored, **{name: made and made.stored() for name, made in whole.items()}}

    def __getstate__(self) -> dict[str, Any]:
        empty: dict[str, Any] = {name: {} for name in ("filters", "left_out", "_norms", "_statistics")}
        chunks = [np.asarray(chunk) for chunk in self.chunks]  # no memmap: see SaveMixin
        return {**self.__dict__, **empty, "chunks": chunks, "stored": self.stored_filters()}


def squared_norms(rows: np.ndarray, arithmetic: str, n_threads: int) -> np.ndarray:
    """Squared L2 norm of every row in the arithmetic of its dot products (a key of `_kernels.TYPES`): float64 (n_rows,)."""
    out = np.empty(len(rows))
    storage, wanted = storage_of(rows), _kernels.TYPES[arithmetic]
    scratch = np.empty((n_threads, 0 if name_of(rows.dtype) == arithmetic else rows.shape[1]))
    _kernels.squared_norms(as_bytes(rows), storage, wanted, out, scratch, n_threads)
    return out


@dataclass(eq=False)
class Norms:
    """The norms that turn dot products into cosines; empty for every other metric."""

    queries: np.ndarray = field(default_factory=lambda: _NO_NORMS)
    zero_queries: np.ndarray = field(default_factory=lambda: _NO_FLAGS)
    chunks: list[np.ndarray] | None = None

    def of_chunk(self, number: int, rows: slice) -> np.ndarray:
        """Squared norms of these rows of a chunk: float64 (n_rows,), or of length 0 without norms."""
        return _NO_NORMS if self.chunks is None else self.chunks[number][rows]


def norms_for(metric: Metric, Q: np.ndarray, rows: Rows, arithmetic: str, n_threads: int) -> Norms:
    """Norms of the queries (n_queries, n_features) and of all rows, if the metric needs them."""
    if not metric.needs_norms:
        return Norms()
    chunks = rows.norms(arithmetic, n_threads)
    return Norms(squared_norms(Q, arithmetic, n_threads), is_zero(Q).astype(np.uint8), chunks)
