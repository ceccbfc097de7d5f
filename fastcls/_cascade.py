"""Filter and refine: the levels of a set of rows, and a search through them.

What is *chosen* here (levels, order of work, when to give up on filtering) is about speed only; that nothing within reach is
ever dropped is the levels' doing (``_codes.py``, docs/filter.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from . import _codes, _filter, _kernels, _threads
from ._rows import Rows, as_bytes, norms_for
from .metrics import Metric

LEAST_ROWS = 4096  # below, brute force is done before levels are learned
LEAST_FEATURES = 32
_NEIGHBORS_SHARE = 64  # rows for each neighbour asked: with fewer, too many rows are within reach
_QUERIES_PER_JOB = 48  # that share a panel while it is in the first cache
_LIST_ROOM = 2048  # rows of one query that passed the screen
_LOOK_PER_NEIGHBOR, _LEAST_LOOK, _MOST_LOOK = 32, 256, 1024  # new rows, before a list is looked at
_PROBE = 256  # sampled rows that the levels are judged by
_HOPELESS = 0.5  # share of pairs that the finest level leaves, above which nothing is built
_SLACK = 2.0**-44  # of twice a cosine: 8 roundings of its S, see docs/filter.md

# What a byte costs, measured against a byte of the screen (Zen 4, AVX-512 VNNI; other processors differ by less than 2):
# a code looked at by itself is read from anywhere, S is summed by one pair at a time.
_COST_AT, _COST_PAIR, _COST_BRUTE = 4.0, 6.0, 1.2
_COST_ROW = 60.0  # of looking at one row, whatever its bytes
_COST_PASSED = 20.0  # of a row that passed the screen
_PIECE_SECONDS = 0.05  # between two pieces Python runs, so this is how long Ctrl-C waits
_LARGEST_PART = 4096  # queries whose codes are held at a time
_COST_FLOAT = {"exact": 4.0, "brute": 1.0}  # a byte of floats instead


@dataclass
class Counts:
    """Pairs at every step of a filtered search.

    Attributes
    ----------
    into : list of int
        Pairs that came to each level; the first is all of them.
    computed : int
        Pairs whose S was computed in the reference arithmetic.
    """

    into: list[int]
    passed: int
    computed: int


@dataclass(frozen=True)
class LevelReport:
    """One level of a filtered search.

    Attributes
    ----------
    bound : str
        What its codes stand for.
    bytes : int
        Of a row's code.
    pairs_in, pairs_out : int
        Pairs that came to it, and that it could not rule out when it looked at them.
    """

    bound: str
    bytes: int
    pairs_in: int
    pairs_out: int


@dataclass
class Filter:
    """The levels of some rows for one metric, and every chunk's codes.

    Attributes
    ----------
    metric : Metric
    levels : list of Level
        Coarse to fine; the first one's codes are in panels.
    chunks : list of list of Codes
        Of every chunk, at every level.
    """

    metric: Metric
    levels: list[_codes.Level]
    chunks: list[list[_codes.Codes]] = field(default_factory=list)

    @classmethod
    def learn(cls, rows: np.ndarray, metric: Metric, k: int, n_threads: int, *, forced: bool) -> Filter | None:
        """Levels learned from a sample of the rows, or None where they would leave too much to be worth their while."""
        l1 = metric.sum == "l1"
        with _threads.one_blas_thread():
            levels = _codes.l1_levels(rows) if l1 else _codes.l2_levels(rows, metric.needs_norms)
            chosen = _chosen(rows, metric, levels, k, n_threads) or (levels if forced else [])
        return cls(metric, chosen) if chosen else None

    def append(self, chunk: np.ndarray, n_threads: int) -> None:
        """Encode one more chunk; what is there stays as it is."""
        coded = _codes.encode(self.levels, chunk, n_threads)
        coded[0] = _codes.in_panels(coded[0], self.levels[0].kind, n_threads)
        self.chunks.append(coded)

    @property
    def nbytes(self) -> int:
        return sum(codes.nbytes for chunk in self.chunks for codes in chunk)


def _exact_probe(sample: np.ndarray, metric: Metric) -> np.ndarray:
    """Distances of sampled rows to each other, roughly; infinite to themselves."""
    if metric.sum == "l1":
        S = np.stack([np.abs(sample - row).sum(axis=1) for row in sample])
    else:
        if metric.needs_norms:
            lengths = np.linalg.norm(sample, axis=1, keepdims=True)
            sample = sample / np.where(lengths > 0, lengths, 1.0)
        squares = np.einsum("ij,ij->i", sample, sample)
        S = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * (sample @ sample.T), 0.0))
    np.fill_diagonal(S, np.inf)
    return S


def _left_by(levels: list[_codes.Level], rows: np.ndarray, reach: np.ndarray, n_threads: int) -> list[float]:
    """At every level, the share of pairs of sampled rows whose bound is within reach."""
    shares = []
    for level, of_rows in zip(levels, _codes.encode(levels, rows, n_threads), strict=True):
        signed = np.int16 if level.fine else np.int8
        codes = of_rows.codes.view(np.uint8 if level.kind == "l1" else signed).astype(np.float32)
        if level.kind == "l1":
            gaps = np.stack([np.abs(codes - row).sum(axis=1) for row in codes])
        else:
            squares = np.einsum("ij,ij->i", codes, codes)
            gaps = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * (codes @ codes.T), 0.0))
        bounds = gaps - of_rows.errors - of_rows.errors[:, None]
        np.fill_diagonal(bounds, np.inf)
        shares.append(float((bounds <= reach * level.per_unit).mean()))
    return shares


def _chosen(rows: np.ndarray, metric: Metric, levels: list[_codes.Level], k: int, n_threads: int) -> list[_codes.Level]:
    """The levels whose estimated cost is least, coarse to fine; none if even the finest leaves most pairs.

    The reach is taken from sampled rows alone. It is larger than it will be among all rows, so every level does better in
    the search than here.
    """
    if not levels:
        return []
    some = np.ascontiguousarray(rows[:: max(1, len(rows) // _PROBE)][:_PROBE])
    with np.errstate(all="ignore"):
        distances = _exact_probe(some.astype(np.float64), metric)
        rank = min(len(some) - 2, k * len(some) // len(rows))
        reach = np.partition(distances, rank, axis=1)[:, rank, None]
        left = _left_by(levels, some, reach, n_threads)
    if not left[-1] <= _HOPELESS:
        return []
    best, best_cost = levels, np.inf
    for first in range(len(levels)):
        chosen = levels[first:]
        cost = cost_of(chosen, rows, [1.0, *left[first:-1]], left[-1])
        if cost < best_cost:
            best, best_cost = chosen, cost
    return best


def _row_bytes(rows: Rows | np.ndarray) -> int:
    return (rows.n_features if isinstance(rows, Rows) else rows.shape[1]) * rows.dtype.itemsize


def cost_of(levels: list[_codes.Level], rows: Rows | np.ndarray, into: list[float], computed: float) -> float:
    """Estimated cost of one pair, in bytes of the screen, from the shares of pairs that come to each step."""
    row_bytes = _row_bytes(rows)
    exact = _COST_PAIR if rows.dtype.kind != "f" else _COST_FLOAT["exact"]
    cost = levels[0].width + computed * (row_bytes * exact + _COST_ROW)
    for level, share in zip(levels[1:], into[1:], strict=True):
        cost += share * (level.width * _COST_AT + _COST_ROW)
    return cost


def brute_cost(rows: Rows | np.ndarray) -> float:
    """The same of brute force."""
    row_bytes = _row_bytes(rows)
    return row_bytes * (_COST_BRUTE if rows.dtype.kind != "f" else _COST_FLOAT["brute"])


def may_pay(rows: Rows, k: int) -> bool:
    """Whether filtering may pay at all: enough rows and features, few neighbours."""
    return rows.n_rows >= max(LEAST_ROWS, _NEIGHBORS_SHARE * k) and rows.n_features >= LEAST_FEATURES


class Search:
    """One filtered search under way: the same calls as the brute-force search answers."""

    def __init__(self, rows: Rows, of: Filter, n_queries: int, k: int, n_threads: int, *, forced: bool) -> None:
        self.rows, self.filter, self.k, self.n_threads, self.forced = rows, of, k, n_threads, forced
        self.by_rows = n_threads > 1 and n_queries < 2 * n_threads
        wanted = n_queries if self.by_rows else -(-n_queries // n_threads)
        self.per_job = max(1, min(_QUERIES_PER_JOB, wanted))
        self.n_picks = k + 2
        self.look_every = int(np.clip(_LOOK_PER_NEIGHBOR * k, _LEAST_LOOK, _MOST_LOOK))
        self.list_room = max(_LIST_ROOM, 8 * k)
        size = _filter.scratch_bytes(self.per_job, of.levels[0].width, self.n_picks, self.list_room)
        self.scratch = np.empty((n_threads, size), dtype=np.uint8)
        self._counts = np.zeros((n_threads, 5), dtype=np.int64)
        self.pairs = self.pieces = 0
        self.gave_up = False
        self._next = self.per_job * n_threads

    def run(self, Q: np.ndarray, groups: tuple[np.ndarray, np.ndarray], advance: Callable[[int], None],
            S_out: np.ndarray, indices_out: np.ndarray) -> int:  # fmt: skip
        """Neighbours of the first queries, up to all; fewer where brute force would be faster. Returns how many."""
        first = 0
        while first < len(Q) and not self.gave_up:
            part = slice(first, min(len(Q), first + self._next))
            n = part.stop - first
            begun = time.perf_counter()
            n_parts = self.n_threads if self.by_rows else 1
            S = np.empty((n_parts, n, self.k)) if self.by_rows else S_out[part][None]
            indices = np.empty(S.shape, dtype=np.int64) if self.by_rows else indices_out[part][None]
            _kernels.start_heaps(S, indices)
            self._offer_all(Q[part], (groups[0][part], groups[1]), S, indices)
            if self.by_rows:
                _kernels.merge_heaps(S, indices)
                S_out[part], indices_out[part] = S[0], indices[0]
            _kernels.sort_heaps(S_out[part], indices_out[part], self.n_threads)
            self.pairs += n * self.rows.n_rows
            self.pieces += 1
            advance(n * self.rows.n_rows)
            rate = n / max(time.perf_counter() - begun, 1e-6)
            self._next = int(min(_LARGEST_PART, max(self.per_job * self.n_threads, rate * _PIECE_SECONDS)))
            first = part.stop
            self.gave_up = not self.forced and self._cost() > brute_cost(self.rows)
        return first

    def _offer_all(self, Q: np.ndarray, groups: tuple[np.ndarray, np.ndarray], S: np.ndarray, indices: np.ndarray) -> None:
        """Offer every chunk's rows to the heaps (n_parts, n_queries, k) of these queries."""
        metric, levels = self.filter.metric, self.filter.levels
        coded = _codes.encode(levels, Q, self.n_threads, queries=True)
        norms = norms_for(metric, Q, self.rows, self.rows.dtype.name, self.n_threads)
        margin = 1.0 if Q.dtype.kind != "f" and not metric.needs_norms else 1.0 + 2.0**-30
        for (number, start, X), of_chunk in zip(self.rows.with_starts(), self.filter.chunks, strict=True):
            _filter.search(
                as_bytes(Q), as_bytes(X), _kernels.TYPES[X.dtype.name], _kernels.SUMS[metric.sum],
                [(c.codes, level.width, c.starts, c.errors, c.panel_errors, level.per_unit, level.fine)
                 for c, level in zip(of_chunk, levels, strict=True)],
                [(c.codes, c.starts, c.errors) for c in coded],
                metric.sum == "l1", metric.needs_norms, _SLACK, margin, norms.queries, norms.zero_queries,
                norms.of_chunk(number, slice(0, len(X))), groups[0],
                groups[1][start : start + len(X)], start, S, indices, self.per_job, self.n_picks,
                self.look_every, self.list_room, self.scratch,
                self._counts, self.n_threads,
            )  # fmt: skip

    def _cost(self) -> float:
        """What a pair cost so far, in bytes of the screen."""
        counts = self.counts
        shares = [n / max(1, self.pairs) for n in counts.into]
        cost = cost_of(self.filter.levels, self.rows, shares, counts.computed / max(1, self.pairs))
        return cost + _COST_PASSED * counts.passed / max(1, self.pairs)

    @property
    def counts(self) -> Counts:
        """Pairs at every step so far."""
        totals = self._counts.sum(axis=0)
        n_levels = len(self.filter.levels)
        return Counts([self.pairs, *map(int, totals[1:n_levels])], int(totals[0]), int(totals[4]))

    @property
    def panel_rows(self) -> int:
        return _filter.PANEL_ROWS[self.filter.levels[0].kind]

    def level_reports(self) -> tuple[LevelReport, ...]:
        counts = self.counts
        out = [*counts.into[1:], counts.computed]
        return tuple(
            LevelReport(level.bound, level.width, n_in, n_out)
            for level, n_in, n_out in zip(self.filter.levels, counts.into, out, strict=True)
        )
