"""Filter and refine: the levels of a set of rows, and a search through them.

The choices here (levels, order of work, when to stop filtering) affect only speed. The bounds in ``codes.py`` guarantee
correctness; docs/filter.md proves them.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from fastcls import _kernels
from fastcls._runtime import threads
from fastcls._runtime.pacing import ChunkSize
from fastcls._search.report import LevelReport
from fastcls._search.rows import Norms, Rows, as_bytes, norms_for, storage_of
from fastcls._search.run import RunReport
from fastcls.metrics import Metric

from . import encode_loops, filter_loops
from . import levels as _levels
from .codes import Codes, Level, in_panels, promised_share

LEAST_ROWS = 4096  # below, brute force is faster than learning levels
LEAST_FEATURES = 32
_NEIGHBORS_SHARE = 64  # least rows per neighbour: with fewer, too many rows pass
_QUERIES_PER_JOB = 48  # that share a panel while it is in the L1 cache
_SORTED_PER_THREAD = 64  # queries whose neighbours one thread sorts before waking another one is faster
_LIST_CAPACITY = 2048  # rows of one query that passed the screen
_REFINE_PER_NEIGHBOR, _LEAST_REFINE, _MOST_REFINE = 32, 256, 1024  # new rows in a list before it is refined
PROBE_QUERIES, _PROBE_ROWS = 14, 2048  # sampled rows for comparing the levels
_SLACK = 2.0**-50  # error bound on 2 cos per feature (dot product and norms), with a safety factor of 8

# Costs in units of one screened byte, which takes 4.3 ps per core (measured on Zen 4 with AVX-512: CIFAR-10 under L2, k = 7,
# by share of the samples of a profile). Single codes and rows are read from anywhere in memory.
_SECONDS = 4.3e-12  # of one byte
_COST_PASSED = 3000.0  # of a pair that passed the screen: its bound, and refining its list
_COST_AT, _COST_AT_BYTE = 1500.0, 12.0  # of a pair that enters a finer level
_COST_PAIR, _COST_PAIR_BYTE = 1500.0, 20.0  # of an S
_COST_BRUTE = {"l1": 1.2, "l2": 1.1, "float": 1.1}  # of a byte by brute force
_HOPELESS = 0.92  # of the median distance
_EARLY = 2.0  # pairs that pass the screen, per pair that would pass with the final threshold
_DOUBT = 24.0  # queries after which twice the cost of brute force is trusted: the first chunk may have only four
_FIRST_CHUNK = 16_000_000  # screened bytes per thread, before any chunk is timed: 50 ms of the slowest kernel
_KEPT_BYTES = 1 << 19
_BYTES_OF_ERROR_AND_START = 8
_LEAST_FREE_BYTES = 24  # per row: a code of one kernel step, twice, with its error and start
_LARGEST_CHUNK = 4096  # queries whose codes are held at a time


_NO_NORMS = Norms()


class NotEnoughMemoryError(Exception):
    """There is not enough memory for the codes. Arguments: bytes per row that they need, and that are free."""

    def __str__(self) -> str:
        needed, free = self.args
        return f"codes take at least {needed} bytes per row while they are made, and {free:.0f} are free"


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


@dataclass
class Filter:
    """The levels of some rows for one metric, and the codes of every chunk.

    Attributes
    ----------
    metric : Metric
    levels : list of Level
        Coarse to fine; the codes of the first level are in panels.
    chunks : list of list of Codes
        For every chunk, its codes at every level.
    k : int
        Number of neighbours that the levels were chosen for.
    learned : list of Level
        All levels that were available; empty if the choice cannot be repeated.
    seconds : float
        Seconds spent on encoding the chunks.
    of_other_k : dict
        For other sizes of k (`_size`) requested since: the cheapest levels, and their saving per pair.
    """

    metric: Metric
    levels: list[Level]
    chunks: list[list[Codes]] = field(default_factory=list)
    k: int = 1
    learned: list[Level] = field(default_factory=list)
    seconds: float = 0.0
    of_other_k: dict[int, tuple[list[Level], float]] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        rows: np.ndarray,
        metric: Metric,
        probe: Probe,
        k: int,
        n_threads: int,
        *,
        forced: bool,
        free_bytes: float = math.inf,
    ) -> Filter | None:
        """Levels learned from a sample of the rows, or None if no choice of levels would be faster than brute force.

        Raises
        ------
        NotEnoughMemoryError
            If levels would be faster than brute force, but every choice of them needs more than `free_bytes` bytes per row.
        """
        if not forced and _hopeless(probe, metric):
            return None
        if free_bytes < _LEAST_FREE_BYTES:  # learning takes some memory too
            raise NotEnoughMemoryError(_LEAST_FREE_BYTES, free_bytes)
        with threads.one_blas_thread():
            levels = _levels.learned(rows, metric)
            costs = _costs(rows, metric, levels, probe, n_threads)
        brute = brute_cost(rows, metric)
        profitable = {
            chosen: cost
            for chosen, cost in costs.items()
            if forced or (cost < brute and _keeps_its_share([levels[i] for i in chosen], rows))
        }
        cheapest = _cheapest(profitable, levels, free_bytes)
        if profitable and cheapest is None:
            raise NotEnoughMemoryError(min(encoding_bytes([levels[i] for i in chosen]) for chosen in profitable), free_bytes)
        return None if cheapest is None else cls(metric, [levels[i] for i in cheapest], k=k, learned=levels)

    def fits_k(self, k: int) -> bool:
        """Whether the levels were chosen for about this number of neighbours, or the choice cannot be repeated."""
        return not self.learned or _size(k) == _size(self.k)

    def chosen_for(
        self,
        k: int,
        n_pairs: int,
        of_rows: np.ndarray,
        probe: Callable[[], Probe],
        n_threads: int,
        free_bytes: float = math.inf,
    ) -> Filter:
        """This filter, or one with other levels (not encoded yet) if these save more than twice the time of encoding.

        Parameters
        ----------
        of_rows : ndarray
            A sample.
        probe : callable
            Called once per size of k.
        free_bytes : float
            Bytes per row that new codes may take while the old ones still exist.
        """
        size = _size(k)
        if size not in self.of_other_k:
            costs = _costs(of_rows, self.metric, self.learned, probe(), n_threads)
            mine = tuple(next(i for i, one in enumerate(self.learned) if one is level) for level in self.levels)
            kept = {
                chosen: cost
                for chosen, cost in costs.items()
                if chosen == mine or _keeps_its_share([self.learned[i] for i in chosen], of_rows)
            }
            cheapest = _cheapest(kept, self.learned, free_bytes) or mine
            self.of_other_k[size] = [self.learned[i] for i in cheapest], costs[mine] - costs[cheapest]
        levels, saved = self.of_other_k[size]
        if saved * n_pairs * _SECONDS / n_threads <= 2.0 * self.seconds:
            return self
        return Filter(self.metric, levels, k=k, learned=self.learned)

    def extended(self, chunks: list[np.ndarray], n_threads: int) -> Filter:
        """A copy of this filter with codes of more chunks; this one does not change, for searches in other threads."""
        more, begun = [], time.perf_counter()
        for chunk in chunks:
            coded = _levels.encode(self.levels, chunk, n_threads)
            coded[0] = in_panels(coded[0], self.levels[0].kind, n_threads)
            more.append(coded)
        seconds = self.seconds + time.perf_counter() - begun
        return replace(self, chunks=[*self.chunks, *more], seconds=seconds)

    @property
    def nbytes(self) -> int:
        return sum(codes.nbytes for chunk in self.chunks for codes in chunk)


@dataclass(frozen=True)
class Probe:
    """Sampled rows as queries, and for each the S of its k-th neighbour among all rows."""

    queries: np.ndarray
    S: np.ndarray


def _hopeless(probe: Probe, metric: Metric) -> bool:
    """Whether the k-th neighbours of byte rows are hardly nearer than a random row: then no filter is faster.

    White noise of 3,072 bytes, k = 7: 0.96 of the median distance; CIFAR-10 and MNIST: at most 0.63 for k = 100. For floats,
    the rounded features prune noise too.
    """
    Q = probe.queries
    if Q.dtype.kind == "f" or metric.bounds == "cosine":
        return False
    power = 1 if metric.bounds == "l1" else 2
    wide = Q.astype(np.float64)
    sums = [(np.abs(wide[:i] - wide[i]) ** power).sum(axis=1) for i in range(1, len(wide))]
    return bool(np.median(probe.S) > _HOPELESS**power * np.median(np.concatenate(sums)))


def _left_by(levels: list[Level], rows: np.ndarray, probe: Probe, threshold: np.ndarray, n_threads: int) -> list[float]:
    """For every level, the share of pairs of the probe's queries and some rows whose bound is not above the threshold."""
    some = np.ascontiguousarray(rows[:: max(1, len(rows) // _PROBE_ROWS)][:_PROBE_ROWS])
    of_queries, of_rows = _levels.encode(levels, probe.queries, n_threads), _levels.encode(levels, some, n_threads)
    shares = []
    for level, q, r in zip(levels, of_queries, of_rows, strict=True):
        stored = np.uint8 if level.kind == "l1" else np.int16 if level.fine else np.int8
        Q, R = (codes.codes.view(stored).astype(np.float32) for codes in (q, r))
        if level.kind == "l1":
            gaps = np.stack([np.abs(R - row).sum(axis=1) for row in Q])
        else:
            squares = np.einsum("ij,ij->i", Q, Q)[:, None] + np.einsum("ij,ij->i", R, R)
            gaps = np.sqrt(np.maximum(squares - 2.0 * (Q @ R.T), 0.0))
        bounds = gaps - q.errors[:, None] - r.errors
        shares.append(float((bounds <= threshold[:, None] * level.per_unit).mean()))
    return shares


def _size(k: int) -> int:
    """The size class of k (1, 2, 3 to 4, 5 to 8, ...): the same levels serve all k of one class."""
    return (k - 1).bit_length()


def _costs(
    rows: np.ndarray, metric: Metric, levels: list[Level], probe: Probe, n_threads: int
) -> dict[tuple[int, ...], float]:
    """Estimated cost per pair for every choice of up to three levels; a choice is indices of `levels`, coarse to fine."""
    with np.errstate(all="ignore"):
        threshold = probe.S if metric.bounds == "l1" else np.sqrt(2.0 * probe.S if metric.bounds == "cosine" else probe.S)
        left = _left_by(levels, rows, probe, threshold, n_threads) if levels else []
    costs = {}
    for chosen in itertools.chain.from_iterable(itertools.combinations(range(len(levels)), n) for n in range(1, 4)):
        if levels[chosen[0]].fine:
            continue  # fine codes cannot be screened
        some = [levels[i] for i in chosen]
        shares = [1.0, *(left[i] for i in chosen)]
        costs[chosen] = cost_of(some, rows, min(1.0, _EARLY * shares[1]), shares[1:-1], shares[-1])
    return costs


def _keeps_its_share(levels: list[Level], rows: np.ndarray) -> bool:
    """Whether the codes take at most the promised share of the rows' bytes (padding is large for short rows)."""
    return sum(level.width + _BYTES_OF_ERROR_AND_START for level in levels) <= promised_share(rows.dtype) * _row_bytes(rows)


def encoding_bytes(levels: list[Level]) -> int:
    """Bytes per row while codes are made; those of the first level exist twice, as rows and as panels."""
    return levels[0].width + sum(level.width + _BYTES_OF_ERROR_AND_START for level in levels)


def _cheapest(costs: dict[tuple[int, ...], float], levels: list[Level], free_bytes: float) -> tuple[int, ...] | None:
    """The cheapest choice whose codes fit into memory."""
    fitting = {chosen: cost for chosen, cost in costs.items() if encoding_bytes([levels[i] for i in chosen]) <= free_bytes}
    return min(fitting, key=lambda chosen: fitting[chosen], default=None)


def _row_bytes(rows: Rows | np.ndarray) -> int:
    return (rows.n_features if isinstance(rows, Rows) else rows.shape[1]) * rows.dtype.itemsize


def cost_of(levels: list[Level], rows: Rows | np.ndarray, passed: float, into: list[float], computed: float) -> float:
    """Estimated cost of one pair from the shares of pairs that enter each step.

    Parameters
    ----------
    levels : list of Level
    rows : Rows or ndarray
    passed : float
        The share that passes the screen.
    into : list of float
        The share that enters each finer level.
    computed : float
        The share whose S is computed.
    """
    cost = levels[0].width + passed * _COST_PASSED + computed * (_row_bytes(rows) * _COST_PAIR_BYTE + _COST_PAIR)
    for level, share in zip(levels[1:], into, strict=True):
        cost += share * (level.width * _COST_AT_BYTE + _COST_AT)
    return cost


def brute_cost(rows: Rows | np.ndarray, metric: Metric) -> float:
    """The cost of one pair by brute force, which packs float16 as float32."""
    kind = "float" if rows.dtype.kind == "f" else "l1" if metric.bounds == "l1" else "l2"
    return _row_bytes(rows) * (2 if rows.dtype == np.float16 else 1) * _COST_BRUTE[kind]


def is_profitable(rows: Rows, metric: Metric, k: int) -> bool:
    """Whether filtering is possible and may be faster: proven bounds, enough rows and features, few neighbours."""
    if metric.bounds is None:
        return False
    return rows.n_rows >= max(LEAST_ROWS, _NEIGHBORS_SHARE * k) and rows.n_features >= LEAST_FEATURES


_kept = threading.local()


def _scratch(n_threads: int, size: int) -> np.ndarray:
    """Working memory of a search. Small scratch is kept for the next search of this thread, to avoid page faults."""
    if n_threads * size > _KEPT_BYTES:
        return np.empty((n_threads, size), dtype=np.uint8)
    if not hasattr(_kept, "scratch"):
        _kept.scratch = np.empty(_KEPT_BYTES, dtype=np.uint8)
    scratch: np.ndarray = _kept.scratch[: n_threads * size]
    return scratch.reshape(n_threads, size)


class Search:
    """A filtered search; see `run.Run`."""

    def __init__(self, rows: Rows, of: Filter, n_queries: int, k: int, n_threads: int, *, forced: bool) -> None:
        self.rows, self.filter, self.k, self.n_threads, self.forced = rows, of, k, n_threads, forced
        self.by_rows = n_threads > 1 and n_queries < 2 * n_threads
        wanted = n_queries if self.by_rows else -(-n_queries // n_threads)
        self.per_job = max(1, min(_QUERIES_PER_JOB, wanted))
        self.n_refine = k + 2
        self.refine_every = min(max(_REFINE_PER_NEIGHBOR * k, _LEAST_REFINE), _MOST_REFINE)
        self.list_capacity = max(_LIST_CAPACITY, 8 * k)
        size = filter_loops.scratch_bytes(self.per_job, of.levels[0].width, self.n_refine, self.list_capacity)
        self.scratch = _scratch(n_threads, size)
        self._counts = np.zeros((n_threads, 5), dtype=np.int64)
        self.pairs, self.chunk_size = 0, ChunkSize()
        self.gave_up = False
        first = _FIRST_CHUNK * n_threads // (rows.n_rows * of.levels[0].width)
        self._next = max(n_threads, min(self.per_job * n_threads, first))

    def run(
        self,
        Q: np.ndarray,
        groups: tuple[np.ndarray, np.ndarray],
        advance: Callable[[int], None],
        S_out: np.ndarray,
        indices_out: np.ndarray,
    ) -> int:
        """Write the neighbours of the first queries; stop early if brute force would be faster. Return how many are done."""
        first = 0
        while first < len(Q) and not self.gave_up:
            some = slice(first, min(len(Q), first + self._next))
            n = some.stop - first
            begun = time.perf_counter()
            n_heap_sets = self.n_threads if self.by_rows else 1
            S = np.empty((n_heap_sets, n, self.k)) if self.by_rows else S_out[some][None]
            indices = np.empty(S.shape, dtype=np.int64) if self.by_rows else indices_out[some][None]
            _kernels.start_heaps(S, indices)
            self._offer_all(Q[some], (groups[0][some], groups[1]), S, indices)
            if self.by_rows:
                _kernels.merge_heaps(S, indices)
                S_out[some], indices_out[some] = S[0], indices[0]
            _kernels.sort_heaps(S_out[some], indices_out[some], min(self.n_threads, -(-n // _SORTED_PER_THREAD)))
            self.pairs += n * self.rows.n_rows
            advance(n * self.rows.n_rows)
            whole = self.per_job * self.n_threads  # whole rounds of jobs, so that no thread waits for another's last job
            wanted = int(min(_LARGEST_CHUNK, self.chunk_size.record(n, time.perf_counter() - begun)))
            self._next = wanted // whole * whole or max(self.n_threads, wanted)
            first = some.stop
            doubt = 1.0 + _DOUBT * self.rows.n_rows / self.pairs
            self.gave_up = not self.forced and self._cost() > doubt * brute_cost(self.rows, self.filter.metric)
        return first

    def _offer_all(self, Q: np.ndarray, groups: tuple[np.ndarray, np.ndarray], S: np.ndarray, indices: np.ndarray) -> None:
        """Offer every chunk's rows to the heaps (n_heap_sets, n_queries, k) of these queries."""
        metric, levels = self.filter.metric, self.filter.levels
        coded = _levels.encode(levels, Q, self.n_threads, queries=True)
        norms = norms_for(metric, Q, self.rows, self.rows.dtype.name, self.n_threads) if metric.needs_norms else _NO_NORMS
        slack = (self.rows.n_features + 64) * _SLACK
        per_job = self.per_job if self.by_rows else min(self.per_job, -(-len(Q) // self.n_threads))
        margin = 1.0 if Q.dtype.kind != "f" and metric.sum_is_rank_distance else 1.0 + 2.0**-30
        for (number, start, X), of_chunk in zip(self.rows.with_starts(), self.filter.chunks, strict=True):
            filter_loops.search(
                as_bytes(Q),
                as_bytes(X),
                storage_of(X),
                _kernels.SUMS[metric.sum],
                [
                    (c.codes, level.width, c.starts, c.errors, c.panel_errors, level.per_unit, level.fine)
                    for c, level in zip(of_chunk, levels, strict=True)
                ],
                [(c.codes, c.starts, c.errors) for c in coded],
                metric.bounds == "l1",
                metric.bounds == "cosine",
                slack,
                margin,
                norms.queries,
                norms.zero_queries,
                norms.of_chunk(number, slice(0, len(X))),
                groups[0],
                groups[1][start : start + len(X)],
                start,
                S,
                indices,
                per_job,
                self.n_refine,
                self.refine_every,
                self.list_capacity,
                self.scratch,
                self._counts,
                self.n_threads,
            )

    def _cost(self) -> float:
        """Average cost of a pair so far."""
        counts, pairs = self.counts, max(1, self.pairs)
        into = [n / pairs for n in counts.into[1:]]
        return cost_of(self.filter.levels, self.rows, counts.passed / pairs, into, counts.computed / pairs)

    @property
    def counts(self) -> Counts:
        """Pairs at every step so far."""
        totals = self._counts.sum(axis=0).tolist()
        return Counts([self.pairs, *totals[1 : len(self.filter.levels)]], totals[0], totals[4])

    def report(self) -> RunReport:
        counts, tile = self.counts, (self.per_job, encode_loops.PANEL_ROWS[self.filter.levels[0].kind])
        return RunReport(
            "filter",
            "codes",
            self.pairs,
            counts.computed,
            tile,
            self.chunk_size.chunks,
            self.scratch.nbytes,
            self.filter.nbytes,
            levels=self._level_reports(counts),
        )

    def _level_reports(self, counts: Counts) -> tuple[LevelReport, ...]:
        out = [*counts.into[1:], counts.computed]
        return tuple(
            LevelReport(level.bound, level.width, n_in, n_out)
            for level, n_in, n_out in zip(self.filter.levels, counts.into, out, strict=True)
        )
