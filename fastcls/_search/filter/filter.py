"""The filter of a set of rows for one metric: its levels, and the codes of every chunk.

It is learned from a sample of the rows, extended by new chunks, stored, restored, and searched through. The choices here
affect only speed. The bounds in ``codes.py`` guarantee correctness; docs/filter.md proves them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np

from fastcls._runtime import memory, threads
from fastcls._sampling.evenly import spaced
from fastcls._search import brute
from fastcls._search.rows import Rows
from fastcls._search.run import NO_GROUPS, Stored
from fastcls.metrics import METRICS, Metric

from . import costs, pairs, stored
from . import levels as _levels
from .codes import Codes, Level
from .pairs import PairSearch
from .search import Search

_LEAST_QUERIES_TO_LEARN = 1000  # CIFAR-10, L2: levels and codes take 0.35 s, as long as 930 queries by brute force
_LEAST_SAMPLE = 2048  # rows of several chunks that levels are learned from, and eight for each of up to 1,024 features
_PROBED_AT_ONCE = 7  # so few that brute force does not pack the rows or compute their sums: 20 ms, not 110 (CIFAR-10)


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
        For other sizes of k (`costs.size_class`) requested since: the cheapest levels, and their saving per pair.
    """

    metric: Metric
    levels: list[Level]
    chunks: list[list[Codes]] = field(default_factory=list)
    k: int = 1
    learned: list[Level] = field(default_factory=list)
    seconds: float = 0.0
    of_other_k: dict[int, tuple[list[Level], float]] = field(default_factory=dict)

    @staticmethod
    def key(metric: Metric) -> str:
        return metric.name

    @classmethod
    def is_applicable(cls, rows: Rows, dtype: np.dtype, metric: Metric, k: int, *, forced: bool) -> bool:
        possible = metric.bounds is not None and dtype == rows.dtype
        return possible and (forced or (costs.is_large(rows, k) and costs.has_fast_loops()))

    @classmethod
    def prepare(
        cls, rows: Rows, metric: Metric, k: int, n_threads: int, n_queries: int | None, *, forced: bool
    ) -> Filter | None:
        """Learn levels, if there are none, and encode the chunks that have no codes.

        Levels are never learned again, however different the new rows are. With levels learned again from twice the rows or
        more, searches took 0.7 to 4 times as long (MNIST and CIFAR-10 class by class, noise after MNIST, embeddings), and
        the new codes took 0.2 s. Only if there are no levels, because brute force was estimated to be faster, is the
        estimate repeated.
        """
        name = metric.name
        kept = before = rows.filters.get(name)
        lacks_codes = kept is not None and not kept.chunks and n_queries is not None  # saved without, or in another layout
        relearn = n_queries is None and rows.should_relearn(name)
        enough_queries = n_queries is None or n_queries >= _LEAST_QUERIES_TO_LEARN
        if kept is None and (forced or relearn or (name not in rows.filters and enough_queries)):
            rows.filters[name], rows.learned_rows[name] = None, rows.n_rows
            kept = cls.learn(rows, metric, k, n_threads, forced=forced)
        if kept is not None and n_queries is not None and enough_queries and not kept.fits_k(k):
            kept = kept.chosen_for(rows, k, n_queries, n_threads, forced=forced)
        if kept is not None and len(kept.chunks) < len(rows.chunks):
            new = rows.chunks[len(kept.chunks) :]
            if forced or memory.fits(costs.encoding_bytes(kept.levels) * sum(map(len, new))):
                seconds = kept.seconds
                kept = kept.extended(new, n_threads)
                if lacks_codes:
                    what = f"made the codes of {rows.n_rows:,} rows, which the saved model does not have in this layout"
                    rows.made.append((what, kept.seconds - seconds))
            elif before is not None and len(before.chunks) == len(
                rows.chunks
            ):  # levels for another k, whose codes do not fit
                return before
            else:
                rows.left_out[name] = f"brute force, because the codes of {sum(map(len, new)):,} more rows do not fit"
                kept = None
            rows.filters[name] = kept
        return kept

    @classmethod
    def learn(cls, rows: Rows, metric: Metric, k: int, n_threads: int, *, forced: bool) -> Filter | None:
        """Levels learned from a sample of the rows; None if brute force is faster, or the levels take too much memory."""
        sample = _sample(rows)
        probe = _probe(rows, sample, metric, k, n_threads)
        rows.left_out.pop(metric.name, None)
        if not forced and costs.hopeless(probe, metric):
            return None
        free_bytes, needed = _free_bytes_per_row(rows, forced), costs.LEAST_FREE_BYTES  # learning takes some memory too
        if free_bytes >= needed:
            with threads.one_blas_thread(), np.errstate(under="ignore"):  # the user may have set NumPy to raise
                levels = _levels.learned(sample, metric)
                estimated = costs.estimated(sample, metric, levels, probe, n_threads)
            brute = costs.brute_cost(sample, metric)
            profitable = {
                chosen: cost
                for chosen, cost in estimated.items()
                if forced or (cost < brute and costs.keeps_its_share([levels[i] for i in chosen], sample))
            }
            cheapest = costs.cheapest(profitable, levels, free_bytes)
            if cheapest is not None:
                return cls(metric, [levels[i] for i in cheapest], k=k, learned=levels)
            if not profitable:
                return None
            needed = min(costs.encoding_bytes([levels[i] for i in chosen]) for chosen in profitable)
        rows.left_out[metric.name] = (
            f"brute force, because a filter's codes take at least {needed} bytes per row while they are made, and "
            f"{free_bytes:.0f} are free"
        )
        return None

    def fits_k(self, k: int) -> bool:
        """Whether the levels were chosen for about this number of neighbours, or the choice cannot be repeated."""
        return not self.learned or costs.size_class(k) == costs.size_class(self.k)

    def chosen_for(self, rows: Rows, k: int, n_queries: int, n_threads: int, *, forced: bool) -> Filter:
        """This filter, or one with other levels (not encoded yet) if these save more than twice the time of encoding.

        The new codes must fit into memory while the old ones still exist.
        """
        size = costs.size_class(k)
        if size not in self.of_other_k:
            sample = _sample(rows)
            probe = _probe(rows, sample, self.metric, k, n_threads)
            estimated = costs.estimated(sample, self.metric, self.learned, probe, n_threads)
            mine = tuple(next(i for i, one in enumerate(self.learned) if one is level) for level in self.levels)
            kept = {
                chosen: cost
                for chosen, cost in estimated.items()
                if chosen == mine or costs.keeps_its_share([self.learned[i] for i in chosen], sample)
            }
            cheapest = costs.cheapest(kept, self.learned, _free_bytes_per_row(rows, forced)) or mine
            self.of_other_k[size] = [self.learned[i] for i in cheapest], estimated[mine] - estimated[cheapest]
        levels, saved = self.of_other_k[size]
        if saved * n_queries * rows.n_rows * costs.SECONDS / n_threads <= 2.0 * self.seconds:
            return self
        return Filter(self.metric, levels, k=k, learned=self.learned)

    def extended(self, chunks: list[np.ndarray], n_threads: int) -> Filter:
        """A copy of this filter with codes of more chunks; this one does not change, for searches in other threads."""
        more, begun = [], time.perf_counter()
        for chunk in chunks:
            more.append(_levels.encode_rows(self.levels, chunk, n_threads))
        seconds = self.seconds + time.perf_counter() - begun
        return replace(self, chunks=[*self.chunks, *more], seconds=seconds)

    @property
    def nbytes(self) -> int:
        return sum(codes.nbytes for chunk in self.chunks for codes in chunk)

    def search(
        self, rows: Rows, metric: Metric, n_queries: int, k: int, n_threads: int, *, forced: bool, below: float
    ) -> Search:
        return Search(rows, metric, self.levels, self.chunks, n_queries, k, n_threads, forced=forced, below=below)

    def pairs(
        self,
        rows: Rows,
        metric: Metric,
        k: int,
        n_threads: int,
        groups: np.ndarray | None,
        *,
        with_self: bool,
        forced: bool,
    ) -> PairSearch | None:
        if not pairs.are_possible(rows, self.levels[0]):
            return None
        found = PairSearch(rows, metric, self.levels, self.chunks[0], k, n_threads, groups, with_self)
        return found if forced or found.is_profitable() else None

    def stored(self) -> Stored:
        arrays, of_levels = stored.stored_levels(self.learned or self.levels, self.levels)
        codes, of_codes = stored.stored_codes(self.levels, self.chunks)
        values = {"kind": "codes", "metric": self.metric.name, "k": int(self.k), "seconds": self.seconds}
        return {**arrays, **codes}, {**values, **of_levels, **of_codes}

    @classmethod
    def restored(cls, of: Stored, rows: Rows) -> Filter:
        metric, k = METRICS[of[1]["metric"]], stored.whole_number(of[1]["k"], 1, 2**62)
        learned, levels = stored.restored_levels(of, rows, metric)
        chunks = stored.restored_codes(of, levels, rows)
        return cls(metric, levels, chunks, k, learned, stored.finite_number(of[1]["seconds"], 0.0, 1e300))

    def check(self, rows: Rows, n_threads: int, *, every: bool) -> None:
        stored.check_codes(self.levels, self.chunks, rows, n_threads, every=every)


def _free_bytes_per_row(rows: Rows, forced: bool) -> float:
    """Bytes per row that codes may take; no limit for algorithm="filter"."""
    return math.inf if forced else memory.free_bytes() / rows.n_rows


def _sample(rows: Rows) -> np.ndarray:
    """Rows to learn from: the only chunk, or evenly spaced rows of several, enough for every sample drawn from them."""
    if len(rows.chunks) == 1:
        return rows.chunks[0]
    step = max(1, rows.n_rows // max(_LEAST_SAMPLE, 8 * min(rows.n_features, _LEAST_SAMPLE // 2)))
    return np.concatenate([chunk[-start % step :: step] for _, start, chunk in rows.with_starts()])


def _probe(rows: Rows, sample: np.ndarray, metric: Metric, k: int, n_threads: int) -> costs.Probe:
    """Some rows of the sample, each with the S of its k-th and farther neighbours other than itself."""
    n_probed = costs.n_probed(rows)
    Q = np.ascontiguousarray(spaced(sample, n_probed)[:n_probed])
    ranks = k * 2 ** np.arange(costs.PROBED_RANKS)
    ranks = np.minimum(ranks[ranks <= max(k, costs.MOST_PROBED_RANK)], rows.n_rows - 1)
    S = np.empty((len(Q), ranks[-1] + 1))
    indices = np.empty(S.shape, dtype=np.int64)
    for first in range(0, len(Q), _PROBED_AT_ONCE):
        some = slice(first, min(len(Q), first + _PROBED_AT_ONCE))
        n = some.stop - first
        at_most = threads.limit_by_work(n_threads, n * rows.n_rows * rows.n_features)
        search = brute.Search(rows, Q.dtype, n, S.shape[1], metric, at_most)
        search.run(Q[some], NO_GROUPS, lambda pairs: None, S[some], indices[some])
    return costs.Probe(Q, S[:, ranks], rows.n_rows)
