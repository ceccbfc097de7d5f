"""Brute force: compute every pair with one of three kernels, in tiles and chunks whose sizes affect only speed.

Nothing here can change a result (see ARCHITECTURE.md, 'One search').
"""

from __future__ import annotations

import time

import numpy as np

from fastcls import _kernels
from fastcls._runtime.pacing import ChunkSize
from fastcls._validation.types import is_floating
from fastcls.metrics import Metric

from . import bounds as _bounds
from . import tiles
from .rows import Norms, Rows, as_bytes, norms_for, storage_of
from .run import Advance, Groups, Heaps, RunReport

_LEAST_QUERIES_PANELS = 8  # below, packing a row costs more than one pass over it
_LEAST_FEATURES_BOUND = 16  # below, the reference arithmetic is as fast for a pair of floats
_BOUND_GAIN = 8  # training rows per neighbour that a bound needs to discard enough pairs
_MOST_FEATURES_LOW = 15  # above, packed singles and a bound are faster
_MOST_FEATURES_LOW_BYTES = 4
_MOST_NEIGHBORS_LOW = 64  # they are kept sorted, and each new one moves half of them
_LEAST_QUERIES_LOW = 4  # half of the eight that the kernel takes at a time
_QUERIES_PER_JOB_LOW = 512
_MOST_QUERIES_PER_CHUNK = 1 << 18  # norms and terms take 64 bytes per query
_FEW_QUERIES_PANELS = 48  # per thread: below, the threads divide the rows among themselves
_FEW_QUERIES_PAIRWISE = 8
_LEAST_ROWS_BY_ROWS = 1024
_PACKED_QUERY_BYTES = 3 << 20  # of the queries of one job
_QUERIES_PER_JOB = 2040  # that one packed panel serves


class Search:
    """A brute-force search: what is the same for all of its chunks.

    There are three kernels. *Panels* pack queries and rows, and compute many pairs at a time. *Low-dimensional* takes eight
    queries at a time, for rows of few features. *Pairwise* computes one pair after another, for few queries, mixed types, or
    a k so large that bounds discard nothing.
    """

    def __init__(
        self,
        rows: Rows,
        dtype: np.dtype,
        n_queries: int,
        k: int,
        metric: Metric,
        n_threads: int,
        below: float = np.inf,
        typical: int | None = None,
    ) -> None:
        self.rows, self.k, self.metric, self.n_threads = rows, k, metric, n_threads
        self.below, self.typical = below, k if typical is None else typical
        self.arithmetic = tiles.arithmetic_of(dtype, rows.dtype)
        self.chunk_size = ChunkSize()
        self._next = max(1, tiles.FIRST_CHUNK * n_threads // rows.n_features)  # pairs of the next chunk
        self._refined = self._n_queries = 0
        self.low_dimensional = self._is_low_dimensional(dtype, n_queries)
        self.panel = None if self.low_dimensional else self._choose_panel(dtype, n_queries)
        few = _FEW_QUERIES_PAIRWISE if self.panel is None else _FEW_QUERIES_PANELS
        self.by_rows = n_threads > 1 and n_queries < few * n_threads and rows.n_rows >= _LEAST_ROWS_BY_ROWS
        if self.low_dimensional:
            self._lay_out_low_dimensional(n_queries)
        elif self.panel is None:
            self._lay_out_pairwise(dtype)
        else:
            self._lay_out_panels(n_queries)

    @property
    def kernel(self) -> str:
        return "low_dimensional" if self.low_dimensional else "pairwise" if self.panel is None else "panels"

    def _is_low_dimensional(self, dtype: np.dtype, n_queries: int) -> bool:
        bytes_only = self.arithmetic in ("uint8", "int8")
        most = _MOST_FEATURES_LOW_BYTES if bytes_only else _MOST_FEATURES_LOW
        few_enough = self.rows.n_features <= most and self.k <= _MOST_NEIGHBORS_LOW
        return few_enough and n_queries >= _LEAST_QUERIES_LOW and self.metric.sum_is_rank_distance

    def _choose_panel(self, dtype: np.dtype, n_queries: int) -> int | None:
        rows = self.rows
        if self.metric.bounds is None or dtype != rows.dtype or n_queries < _LEAST_QUERIES_PANELS:
            return None
        if is_floating(dtype) and (rows.n_features < _LEAST_FEATURES_BOUND or self.typical * _BOUND_GAIN > rows.n_rows):
            return None
        self.panel_name = _bounds.panel_of(self.metric.bounds, dtype)
        panel = _kernels.PANELS[self.panel_name]
        return panel if _kernels.panel_shape(panel) is not None else None

    def _lay_out_pairwise(self, dtype: np.dtype) -> None:
        tile = tiles.PairwiseTile.of(self.rows.n_features, self.arithmetic, (dtype, self.rows.dtype), self.n_threads)
        self.per_job, self.per_tile, self.scratch = tile.queries, tile.rows, tile.scratch

    def _lay_out_low_dimensional(self, n_queries: int) -> None:
        wanted = n_queries if self.by_rows else -(-n_queries // self.n_threads)
        self.per_job, self.per_tile = -(-min(wanted, _QUERIES_PER_JOB_LOW) // 8) * 8, 1
        size = _kernels.low_dimensional_scratch(self.per_job, self.rows.n_features, self.k)
        self.scratch = np.empty((self.n_threads, -(-size // 8) * 8))

    def _lay_out_panels(self, n_queries: int) -> None:
        assert self.panel is not None
        shape = _kernels.panel_shape(self.panel)
        assert shape is not None
        queries, self.per_tile, step = shape
        n_features, bytes_each = self.rows.n_features, 4 if is_floating(self.rows.dtype) else 1
        self.block_features = max(step, min(-(-n_features // step) * step, _bounds.BLOCK_BYTES // bytes_each))
        packed = max(1, _PACKED_QUERY_BYTES // (n_features * bytes_each))
        wanted = n_queries if self.by_rows else -(-n_queries // self.n_threads)
        n_jobs = -(-wanted // min(packed, _QUERIES_PER_JOB))  # of one thread, all of about the same size
        self.per_job = -(-max(1, -(-wanted // n_jobs)) // queries) * queries
        size = _kernels.panel_scratch(self.panel, n_features, self.block_features, self.per_job)
        self.scratch = tiles.aligned_rows(self.n_threads, size)

    def run(
        self,
        Q: np.ndarray,
        groups: Groups,
        advance: Advance,
        S_out: np.ndarray,
        indices_out: np.ndarray,
    ) -> int:
        """Write the neighbours of a block of queries, in chunks that keep every thread busy; return how many are done."""
        first, block = 0, self.per_job * (1 if self.by_rows else self.n_threads)
        while first < len(Q):
            wanted = min(self._next // self.rows.n_rows, _MOST_QUERIES_PER_CHUNK) // block * block
            some = slice(first, min(len(Q), first + max(block, wanted)))
            n_heap_sets = self.n_threads if self.by_rows else 1
            shape = (n_heap_sets, some.stop - some.start, self.k)
            S = np.empty(shape) if self.by_rows else S_out[some][None]
            indices = np.empty(shape, dtype=np.int64) if self.by_rows else indices_out[some][None]
            if not self._kernel_starts_heaps():
                _kernels.start_heaps(S, indices, self.below)
            self._run_chunk(Q[some], (groups[0][some], groups[1]), advance, S, indices)
            if self.by_rows:
                _kernels.merge_heaps(S, indices)
                S_out[some], indices_out[some] = S[0], indices[0]
            first = some.stop
        if not self.low_dimensional or self.by_rows:
            _kernels.sort_heaps(S_out, indices_out, self.n_threads)
        self._n_queries += len(Q)
        return len(Q)

    def _kernel_starts_heaps(self) -> bool:
        return self.low_dimensional and not self.by_rows and self.below == np.inf

    def report(self) -> RunReport:
        computed, tile = self._n_queries * self.rows.n_rows, (self.per_job, self.per_tile)
        return RunReport(
            "brute", self.kernel, computed, tile, self.chunk_size.chunks, self.scratch.nbytes, refined=self._refined
        )

    def _run_chunk(
        self,
        Q: np.ndarray,
        groups: Groups,
        advance: Advance,
        S: np.ndarray,
        indices: np.ndarray,
    ) -> None:
        """Search every chunk of rows for these queries. Each is cut further, so that Ctrl-C takes effect in between."""
        norms = norms_for(self.metric, Q, self.rows, self.arithmetic, self.n_threads)
        all_terms = self._terms(Q)
        for number, start, chunk in self.rows.with_starts():
            row = 0
            while row < len(chunk):
                begun = time.perf_counter()
                some = slice(row, row + max(self.per_tile * self.n_threads, self._next // len(Q)))
                of_rows = groups[1][start + some.start : start + some.stop]
                heaps: Heaps = (groups[0], of_rows, start + row, S, indices)
                if self.low_dimensional:
                    ends = (start + row == 0, start + min(some.stop, len(chunk)) == self.rows.n_rows)
                    self._low_dimensional(Q, chunk[some], ends, heaps)
                elif all_terms is None:
                    self._pairwise(Q, chunk[some], norms, norms.of_chunk(number, some), heaps)
                else:
                    self._panels(Q, chunk[some], all_terms[number], some, norms, norms.of_chunk(number, some), heaps)
                pairs = len(Q) * len(chunk[some])
                wanted = self.chunk_size.record(pairs, time.perf_counter() - begun)
                self._next = int(min(max(wanted, self._next / 4), self._next * 4)) + 1
                advance(pairs)
                row = some.stop

    def _terms(self, Q: np.ndarray) -> list[_bounds.Terms] | None:
        """The numbers of the bounds for these queries and every chunk, or None if only the pairwise kernel can be used."""
        bounds = self.metric.bounds
        if self.panel is None or bounds is None:
            return None
        statistics = self.rows.statistics(bounds, self.n_threads)
        of_queries = _bounds.statistics(Q, statistics[0].center, self.n_threads)
        largest = max(chunk.largest_norm(bounds) for chunk in statistics)
        found = [_bounds.terms(bounds, self.panel_name, Q.dtype, of_queries, chunk, largest) for chunk in statistics]
        if any(terms is None for terms in found):
            self.panel = None  # singles cannot hold these values: use the pairwise kernel from here on
            self._lay_out_pairwise(Q.dtype)
            return None
        return [terms for terms in found if terms is not None]

    def _pairwise(self, Q: np.ndarray, X: np.ndarray, norms: Norms, row_norms: np.ndarray, heaps: Heaps) -> None:
        _kernels.search_pairwise(
            as_bytes(Q),
            storage_of(Q),
            as_bytes(X),
            storage_of(X),
            _kernels.SUMS[self.metric.sum],
            _kernels.TYPES[self.arithmetic],
            norms.queries,
            norms.zero_queries,
            row_norms,
            *heaps,
            self.per_job,
            self.per_tile,
            self.scratch,
            self.n_threads,
        )

    def _low_dimensional(self, Q: np.ndarray, X: np.ndarray, ends: tuple[bool, bool], heaps: Heaps) -> None:
        """`ends`: whether these rows include the first and the last of all rows."""
        is_first, is_last = ends[0] and self._kernel_starts_heaps(), ends[1] and not self.by_rows
        _kernels.search_low_dimensional(
            as_bytes(Q),
            storage_of(Q),
            as_bytes(X),
            storage_of(X),
            _kernels.SUMS[self.metric.sum],
            *heaps,
            is_first,
            is_last,
            self.per_job,
            self.scratch,
            self.n_threads,
        )

    def _panels(
        self,
        Q: np.ndarray,
        X: np.ndarray,
        terms: _bounds.Terms,
        some: slice,
        norms: Norms,
        row_norms: np.ndarray,
        heaps: Heaps,
    ) -> None:
        assert self.panel is not None
        passed = _kernels.search_panels(
            as_bytes(Q),
            as_bytes(X),
            storage_of(X),
            self.panel,
            _kernels.SUMS[self.metric.sum],
            terms.refine,
            self.block_features,
            terms.center,
            terms.data_scale,
            terms.scale,
            terms.query_terms,
            terms.alphas,
            terms.betas,
            terms.row_terms[some],
            terms.row_factors[some],
            norms.queries,
            norms.zero_queries,
            row_norms,
            *heaps,
            self.per_job,
            self.scratch,
            self.n_threads,
        )
        self._refined += passed if terms.refine else 0
