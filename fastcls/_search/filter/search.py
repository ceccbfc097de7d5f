"""A search through a filter: blocks of queries, ranges of rows, and when to stop filtering.

The work is cut twice. A *block* of queries sees all rows before the next block begins. It is searched in *ranges* of panels,
so that one call of the compiled loop takes about 50 ms however many rows there are. A block has whole rounds of jobs: every
panel that is read serves 48 queries of a job, and all jobs of a block read the panels of a range while these are in the
cache that the cores share. From one range to the next, a query keeps its neighbours so far and the rows that passed the
screen, so the cuts change neither its threshold nor the number of rows that are refined. The last call of a block takes all
these rows through the finer levels; the more queries a block has, the more of them share each code and row that is read.

The choices here affect only speed. The bounds in ``codes.py`` guarantee correctness; docs/filter.md proves them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls import _kernels
from fastcls._runtime.pacing import ChunkSize
from fastcls._search.report import LevelReport
from fastcls._search.rows import Norms, Rows, as_bytes, norms_for, storage_of
from fastcls._search.run import Advance, Groups, Heaps, RunReport
from fastcls._validation.types import is_floating, name_of
from fastcls.metrics import Metric

from . import encode_loops, filter_loops
from . import levels as _levels
from .codes import Codes, Level
from .costs import LIST_CAPACITY, brute_cost, cost_of

_QUERIES_PER_JOB = 48  # that share a panel while it is in a core's own cache
_QUERIES_PER_TILE = 6
_SORTED_PER_THREAD = 64  # queries whose neighbours one thread sorts before waking another one is faster
_REFINE_PER_NEIGHBOR, _LEAST_REFINE = 64, 512  # new rows in a list before it is refined
_SLACK = 2.0**-50  # error bound on 2 cos per feature (dot product and norms), with a safety factor of 8
_DOUBT = 24.0  # queries after which twice the cost of brute force is trusted
_FIRST_CHUNK = 16_000_000  # screened bytes per thread, before any chunk is timed: 50 ms of the slowest kernel
_FEW_AT_ONCE = 4  # times as much of few queries: a second chunk would cost them 0.1 ms
_FIRST_SHARE = 8  # the first block has at most this part of the queries, so that a bad filter is given up early
_KEPT_BYTES = 1 << 20  # of the scratch of one photo on two threads, and of six on one
_LARGEST_BLOCK = 4096  # queries whose codes are held at a time
_RANGE_BYTES = 1 << 20  # codes of a range, read by all jobs of a block: from the shared cache, the screen has its full rate
_SHORTEST = 5  # a chunk is cut no shorter than 1 / 5 of its time for the sake of the cache
_LISTS_BYTES = 12 << 20  # lists of a block, per thread; 48 MB were 2 to 5 % faster (CIFAR-10 L1, k = 7)

_NO_NORMS = Norms()
_kept = threading.local()


@dataclass
class Counts:
    """Pairs at every step of a filtered search.

    Attributes
    ----------
    into : list of int
        Pairs that entered each level; the first entry is all pairs.
    passed : int
        Pairs that passed the screen, most of them while the threshold was still loose.
    computed : int
        Pairs whose S was computed in the reference arithmetic.
    """

    into: list[int]
    passed: int
    computed: int


@contextlib.contextmanager
def _small_scratch() -> Iterator[np.ndarray]:
    """Working memory of a small search, kept for the next search of this thread to avoid page faults.

    Nobody else has it while it is used: `advance` may call the user's code, which may search too.
    """
    kept: np.ndarray | None = _kept.__dict__.pop("scratch", None)
    scratch = np.empty(_KEPT_BYTES, dtype=np.uint8) if kept is None else kept
    try:
        yield scratch
    finally:
        _kept.scratch = scratch


def slack_of(rows: Rows) -> float:
    """What is added to 2 S of a cosine: more than its rounding error."""
    return (rows.n_features + 64) * _SLACK


def margin_of(rows: Rows, metric: Metric) -> float:
    """A factor of S that covers its relative rounding error."""
    return 1.0 if not is_floating(rows.dtype) and metric.sum_is_rank_distance else 1.0 + 2.0**-30


class Search:
    """A search through some levels and the codes of every chunk of rows; see `run.Run`."""

    def __init__(
        self,
        rows: Rows,
        metric: Metric,
        levels: list[Level],
        codes: list[list[Codes]],
        n_queries: int,
        k: int,
        n_threads: int,
        *,
        forced: bool,
        below: float,
    ) -> None:
        self.rows, self.metric, self.levels, self.codes = rows, metric, levels, codes
        self.k, self.n_threads, self.forced, self.below = k, n_threads, forced, below
        self.by_rows = n_threads > 1 and n_queries <= max(_QUERIES_PER_TILE, 2 * n_threads - 1)
        self.per_job = min(_QUERIES_PER_JOB, n_queries if self.by_rows else -(-n_queries // n_threads))  # at most
        # below a fixed number, refining early would not lower the threshold, unless a heap is full
        self.n_refine = k + 2 if below == np.inf else 1
        self.list_capacity = max(LIST_CAPACITY, 8 * k if below == np.inf else 0)
        self.refine_every = min(max(_REFINE_PER_NEIGHBOR * k, _LEAST_REFINE), self.list_capacity // 2)
        self._job_bytes = filter_loops.scratch_bytes(self.per_job, levels[0].width, self.n_refine, self.list_capacity)
        self._scratch = np.empty((0, self._job_bytes), dtype=np.uint8)  # of every job of a block, unless it is small
        self._scratch_bytes = 0
        self._counts = np.zeros((n_threads, 5), dtype=np.int64)
        self.pairs, self.chunk_size = 0, ChunkSize()
        self.gave_up = False
        self._panel_rows = encode_loops.PANEL_ROWS[levels[0].kind]
        width = levels[0].width
        self._range_rows = max(self._panel_rows, _RANGE_BYTES // width)
        self._next = _FIRST_CHUNK * n_threads // width  # pairs of the next chunk
        if self.by_rows:
            self._next *= _FEW_AT_ONCE
        tiles = _QUERIES_PER_TILE * n_threads
        self._first_block = max(1, n_queries // (_FIRST_SHARE * tiles)) * tiles

    def _queries_per_job(self, n_queries: int) -> int:
        """Queries of a job: whole tiles, and the same number of jobs for every thread."""
        if self.by_rows:
            return min(_QUERIES_PER_JOB, n_queries)
        of_thread = -(-n_queries // self.n_threads)
        in_tiles = -(-of_thread // (-(-of_thread // _QUERIES_PER_JOB) * _QUERIES_PER_TILE)) * _QUERIES_PER_TILE
        return min(in_tiles, max(1, of_thread))

    def _queries_per_block(self, left: int) -> int:
        """Queries of the next block: as many as a chunk of work has, among all rows or those of a range."""
        if self.by_rows:
            return min(left, _LARGEST_BLOCK)
        whole = _QUERIES_PER_JOB * self.n_threads  # whole rounds of jobs, so that no thread waits for another's last job
        if self.pairs == 0:
            return min(left, whole, self._first_block)
        lists = self.n_threads * (_LISTS_BYTES // self._job_bytes) * self.per_job
        wanted = min(lists, max(self._next // self.rows.n_rows, self._next // self._range_rows))
        n_blocks = -(-left // (max(1, min(wanted, _LARGEST_BLOCK) // whole) * whole))
        tiles = _QUERIES_PER_TILE * self.n_threads
        return min(left, -(-left // (n_blocks * tiles)) * tiles)  # blocks of about the same size

    def run(
        self,
        Q: np.ndarray,
        groups: Groups,
        advance: Advance,
        S_out: np.ndarray,
        indices_out: np.ndarray,
    ) -> int:
        """Write the neighbours of the first queries; stop early if brute force would be faster. Return how many are done.

        The filter is given up only between blocks: then the pairs counted so far are those of all rows.
        """
        first = 0
        while first < len(Q) and not self.gave_up:
            n = self._queries_per_block(len(Q) - first)
            some = slice(first, first + n)
            n_heap_sets = self.n_threads if self.by_rows else 1
            S = np.empty((n_heap_sets, n, self.k)) if self.by_rows else S_out[some][None]
            indices = np.empty(S.shape, dtype=np.int64) if self.by_rows else indices_out[some][None]
            _kernels.start_heaps(S, indices, self.below)
            self._search_block(Q[some], (groups[0][some], groups[1]), advance, S, indices)
            if self.by_rows:
                _kernels.merge_heaps(S, indices)
                S_out[some], indices_out[some] = S[0], indices[0]
            _kernels.sort_heaps(S_out[some], indices_out[some], min(self.n_threads, -(-n // _SORTED_PER_THREAD)))
            self.pairs += n * self.rows.n_rows
            first = some.stop
            doubt = 1.0 + _DOUBT * self.rows.n_rows / self.pairs
            self.gave_up = not self.forced and self._cost() > doubt * brute_cost(self.rows, self.metric)
        return first

    def _search_block(
        self,
        Q: np.ndarray,
        groups: Groups,
        advance: Advance,
        S: np.ndarray,
        indices: np.ndarray,
    ) -> None:
        """Offer all rows to the heaps (n_heap_sets, n_queries, k) of these queries, one range after another."""
        per_job = self._queries_per_job(len(Q))
        n_jobs = -(-len(Q) // per_job) * len(S)
        n_bytes = n_jobs * self._job_bytes
        self._scratch_bytes = max(self._scratch_bytes, n_bytes)
        if n_bytes <= _KEPT_BYTES:
            with _small_scratch() as small:
                self._search_ranges(Q, groups, advance, S, indices, per_job, small[:n_bytes].reshape(n_jobs, -1))
            return
        if len(self._scratch) < n_jobs:
            self._scratch = np.empty((n_jobs, self._job_bytes), dtype=np.uint8)
        self._search_ranges(Q, groups, advance, S, indices, per_job, self._scratch)

    def _search_ranges(
        self,
        Q: np.ndarray,
        groups: Groups,
        advance: Advance,
        S: np.ndarray,
        indices: np.ndarray,
        per_job: int,
        scratch: np.ndarray,
    ) -> None:
        """The same, with the scratch of every job."""
        begun = time.perf_counter()
        metric, levels = self.metric, self.levels
        coded = _levels.encode(levels, Q, self.n_threads, queries=True)
        arithmetic = name_of(self.rows.dtype)
        norms = norms_for(metric, Q, self.rows, arithmetic, self.n_threads) if metric.needs_norms else _NO_NORMS
        of_queries: list[tuple[Any, ...]] = [(c.codes, c.starts, c.errors) for c in coded]
        for (number, start, X), of_chunk in zip(self.rows.with_starts(), self.codes, strict=True):
            heaps = groups[0], groups[1][start : start + len(X)], start, S, indices
            of_norms = norms.queries, norms.zero_queries, norms.of_chunk(number, slice(0, len(X)))
            panel, n_panels = 0, len(of_chunk[0].codes)
            while panel < n_panels:
                wanted = self._next // len(Q)  # rows
                if len(Q) > per_job * self.n_threads:  # a panel is read by several jobs of a thread
                    wanted = min(wanted, max(self._range_rows, wanted // _SHORTEST))
                size = max(1, wanted // self._panel_rows)
                size = -(-(n_panels - panel) // -(-(n_panels - panel) // size))  # ranges of about the same size
                end = min(n_panels, panel + size)
                self._search_range(Q, X, of_chunk, of_queries, of_norms, (panel, end), heaps, per_job, scratch)
                pairs = len(Q) * (min(end * self._panel_rows, len(X)) - panel * self._panel_rows)
                now = time.perf_counter()
                self._next = int(self.chunk_size.record(pairs, now - begun))
                begun = now
                advance(pairs)
                panel = end

    def _search_range(
        self,
        Q: np.ndarray,
        X: np.ndarray,
        of_chunk: list[Codes],
        of_queries: list[tuple[Any, ...]],
        norms: tuple[np.ndarray, np.ndarray, np.ndarray],
        panels: tuple[int, int],
        heaps: Heaps,
        per_job: int,
        scratch: np.ndarray,
    ) -> None:
        """Offer the rows of some panels of a chunk."""
        metric, levels = self.metric, self.levels
        filter_loops.search(
            as_bytes(Q),
            as_bytes(X),
            storage_of(X),
            _kernels.SUMS[metric.sum],
            [
                (c.codes, level.width, c.starts, c.errors, c.panel_errors, level.per_unit, level.fine)
                for c, level in zip(of_chunk, levels, strict=True)
            ],
            of_queries,
            panels[0],
            panels[1],
            metric.bounds == "l1",
            metric.bounds == "cosine",
            slack_of(self.rows),
            margin_of(self.rows, metric),
            norms[0],
            norms[1],
            norms[2],
            *heaps,
            per_job,
            self.n_refine,
            self.refine_every,
            self.list_capacity,
            scratch,
            self._counts,
            self.n_threads,
        )

    def _cost(self) -> float:
        """Average cost of a pair so far."""
        counts, pairs = self.counts, max(1, self.pairs)
        into = [n / pairs for n in counts.into[1:]]
        return cost_of(self.levels, self.rows, counts.passed / pairs, into, counts.computed / pairs)

    @property
    def counts(self) -> Counts:
        """Pairs at every step so far."""
        totals = self._counts.sum(axis=0).tolist()
        return Counts([self.pairs, *totals[1 : len(self.levels)]], totals[0], totals[4])

    def report(self) -> RunReport:
        counts, tile = self.counts, (self.per_job, self._panel_rows)
        return RunReport(
            "filter",
            "codes",
            counts.computed,
            tile,
            self.chunk_size.chunks,
            self._scratch_bytes,
            sum(codes.nbytes for chunk in self.codes for codes in chunk),
            levels=self._level_reports(counts),
        )

    def _level_reports(self, counts: Counts) -> tuple[LevelReport, ...]:
        out = [*counts.into[1:], counts.computed]
        return tuple(
            LevelReport(level.bound, level.width, n_in, n_out)
            for level, n_in, n_out in zip(self.levels, counts.into, out, strict=True)
        )
