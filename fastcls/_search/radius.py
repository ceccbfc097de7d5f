"""The search by radius: all rows whose distance from a query is at most the radius, by the searches of `plan`.

A search of k neighbours keeps the k best rows of a query so far in a heap, and its threshold is the worst of them. Here the
heaps begin full of placeholders at the radius, so the threshold is that of the radius from the first row on: a filter drops
what its bounds put beyond the radius, and each row within it takes the place of a placeholder. While a placeholder is left,
the threshold has not moved and nothing within the radius was lost. The few queries whose heap has no placeholder left may
have more results: they are searched again with larger heaps. So the results are those of brute force for the reasons for
which the neighbours are, and sorted in the same order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from fastcls._runtime import memory
from fastcls._sampling.evenly import evenly_spaced
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls.metrics import METRICS

from . import matrix, plan
from .report import LevelReport, SearchReport, one_report
from .rows import Rows

_LEAST_PLACES = 64  # of a heap
_PLACES_OF_FEW = 1024  # for so few queries that a sample would take too large a part of the time
_MORE_PLACES = 8  # times as many for queries that need more: each search again costs them a whole screen
_SAMPLED_QUERIES, _SAMPLED_ROWS = 64, 2048  # pairs from which the number of results is estimated
_QUERIES_PER_SAMPLED, _FEW_SAMPLED = 16, 16  # at least 16 times as many queries; no sample of fewer than 16
_OFTEN = 0.95  # share of the queries that the first heaps should suffice for
_COPIED_BYTES = 1 << 26  # of queries that are searched again
_BYTES_OF_RESULT = 16  # S and index
_CERTAIN = 4  # times the free memory from which on an estimate is a reason to refuse

#: Which of the rows within the radius are results. "others" and "earlier" are for queries that are the training rows
#: themselves: all but the query, or those before it, so that each pair is found once.
Kept = Literal["all", "others", "earlier"]


@dataclass(eq=False)
class WithinRadius:
    """The results of all queries, one after the other, nearest first.

    Attributes
    ----------
    starts : ndarray of shape (n_queries + 1,), int64
        Results of query i are those from ``starts[i]`` to ``starts[i + 1]``.
    S : ndarray of shape (n_results,), float64
    indices : ndarray of shape (n_results,), int64
    report : SearchReport
    """

    starts: np.ndarray
    S: np.ndarray
    indices: np.ndarray
    report: SearchReport

    def queries(self) -> np.ndarray:
        """The query of every result: int64 (n_results,)."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def within(
    rows: Rows,
    queries: Rows | None,
    radius: float,
    metric_name: str,
    *,
    n_threads: int,
    algorithm: str = "auto",
    query_groups: np.ndarray | None = None,
    row_groups: np.ndarray | None = None,
    keep: Kept = "all",
    peak_bytes: int = 2 * _BYTES_OF_RESULT,
) -> WithinRadius:
    """All training rows within the radius of every query, ordered by (S, training index). Input is trusted.

    Parameters
    ----------
    rows : Rows
    queries : Rows, or None for the training rows themselves
    radius : float
        The distance of a result, as it is returned, is at most this.
    metric_name, n_threads, algorithm, query_groups, row_groups
        As of `plan.search_chunks`.
    keep : {"all", "others", "earlier"}
        What is not kept is dropped as it is found. "all" for queries that are not the training rows.
    peak_bytes : int
        Bytes of a result at the peak, here or in the caller, for the refusal. Here there are 32: the results as they were
        found, and in order.

    Returns
    -------
    WithinRadius

    Raises
    ------
    InputError
        If the results do not fit into memory.
    """
    started = time.perf_counter()
    # no S is as large as the largest number, or the rows would have been refused
    below = min(METRICS[metric_name].rank_distance_beyond(radius), float(np.finfo(np.float64).max))
    of_queries = rows if queries is None else queries
    found = _Found(radius, of_queries.n_rows, below, keep, peak_bytes)
    typical, places = _expected(rows, of_queries, found, metric_name, n_threads)
    reports: list[SearchReport] = []
    n_again = 0
    left = np.arange(of_queries.n_rows)
    while len(left):
        more: list[np.ndarray] = []
        for numbers, some in _blocks(of_queries, left):
            chunks = plan.search_chunks(
                rows,
                some,
                min(places, rows.n_rows),
                metric_name,
                n_threads=n_threads,
                algorithm=algorithm,
                query_groups=None if query_groups is None else query_groups[numbers],
                row_groups=row_groups,
                below=below,
                typical=typical,
            )
            while True:
                try:
                    chunk, S, indices = next(chunks)
                except StopIteration as end:
                    reports.append(end.value)
                    break
                more.append(found.add(numbers[chunk], S, indices, complete=places >= rows.n_rows))
        left = np.concatenate(more)
        n_again, places = max(n_again, len(left)), places * _MORE_PLACES
    starts, S, indices = found.joined()
    n_queries = of_queries.n_rows
    report = one_report(reports, time.perf_counter() - started, n_queries * rows.n_rows, n_queries)
    notes = report.notes
    if n_again:
        notes = (*notes, f"{counted(n_again, 'query', 'queries')} with more results than expected were searched again")
    report = replace(
        report,
        k=int(np.diff(starts).max()),
        radius=radius,
        n_results=len(S),
        pairs=sum(report.pairs for report in reports),
        levels=_summed([report.levels for report in reports]),
        copied_bytes=reports[0].copied_bytes,
        notes=notes,
    )
    return WithinRadius(starts, S, indices, report)


def _expected(rows: Rows, queries: Rows, found: _Found, metric_name: str, n_threads: int) -> tuple[int, int]:
    """The mean number of results of a query, and places for nearly all queries, estimated from a sample of pairs.

    Counts are heavy-tailed (CIFAR-10 under L1, 100 results in the mean: median 1, 5 % of the queries above 533), so the
    places are those of a quantile. Both affect only speed, unless the estimate is far beyond the free memory.
    """
    n_sampled = min(_SAMPLED_QUERIES, queries.n_rows // _QUERIES_PER_SAMPLED)
    if n_sampled < _FEW_SAMPLED:
        return 1, _PLACES_OF_FEW
    some = _rows_at(rows, evenly_spaced(rows.n_rows, _SAMPLED_ROWS))
    Q = _rows_at(queries, evenly_spaced(queries.n_rows, n_sampled))
    shares = (matrix.all_pairs(some, Q, metric_name, n_threads=n_threads) < found.below).mean(axis=1)
    mean, often = float(shares.mean()) * rows.n_rows, float(np.quantile(shares, _OFTEN)) * rows.n_rows
    n_results = mean * queries.n_rows / (2 if found.keep == "earlier" else 1)
    if not memory.fits(n_results * found.peak_bytes / _CERTAIN):
        raise found.too_many(f"about {round(n_results):,} results (estimated from a sample)")
    places = _LEAST_PLACES
    while places < often:
        places *= 2
    return max(1, round(mean)), places


def _summed(of_reports: list[tuple[LevelReport, ...]]) -> tuple[LevelReport, ...]:
    """The counts of all searches at each level; those of the first search, if others had other levels."""
    kinds = {tuple((level.bound, level.bytes) for level in levels) for levels in of_reports}
    if len(kinds) > 1:
        return of_reports[0]
    return tuple(
        replace(same[0], pairs_in=sum(level.pairs_in for level in same), pairs_out=sum(level.pairs_out for level in same))
        for same in zip(*of_reports, strict=True)
    )


def _rows_at(rows: Rows, numbers: np.ndarray) -> np.ndarray:
    """Some rows, by ascending numbers, as one array."""
    parts = []
    for _, start, chunk in rows.with_starts():
        first, end = np.searchsorted(numbers, [start, start + len(chunk)])
        parts.append(chunk[numbers[first:end] - start])
    return np.ascontiguousarray(np.concatenate(parts))


def _blocks(queries: Rows, numbers: np.ndarray) -> Iterator[tuple[np.ndarray, Rows]]:
    """The queries of these ascending numbers: all of them as they are, or copied, one block after the other."""
    if len(numbers) == queries.n_rows:
        yield numbers, queries
        return
    step = max(1, _COPIED_BYTES // (queries.n_features * queries.dtype.itemsize))
    for first in range(0, len(numbers), step):
        some = numbers[first : first + step]
        yield some, Rows([_rows_at(queries, some)])


@dataclass(eq=False)
class _Found:
    """Results as they are found, a chunk of queries at a time."""

    radius: float
    n_queries: int
    below: float
    keep: Kept
    peak_bytes: int
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    n_results: int = 0
    _n_checked: int = 0

    def add(self, numbers: np.ndarray, S: np.ndarray, indices: np.ndarray, *, complete: bool) -> np.ndarray:
        """Take in the sorted heaps of some queries; return the numbers of those queries that may have more results."""
        within = np.less(S, self.below)
        full = within[:, -1] & (not complete)
        within[full] = False
        if self.keep == "others":
            within &= indices != numbers[:, None]
        elif self.keep == "earlier":
            within &= indices < numbers[:, None]
        counts = within.sum(axis=1)
        self.parts.append((numbers, counts, S[within], indices[within]))
        self.n_results += int(counts.sum())
        if self.n_results > self._n_checked + self._n_checked // 4:
            self._n_checked = self.n_results
            if not memory.fits(self.n_results * (self.peak_bytes - _BYTES_OF_RESULT)):  # in addition to these
                done = sum(len(part[0]) for part in self.parts)
                what = f"at least {self.n_results:,} results for {done:,} of {counted(self.n_queries, 'query', 'queries')}"
                raise self.too_many(what)
        return numbers[full]

    def too_many(self, how_many: str) -> InputError:
        return InputError(
            f"radius={self.radius:g} has {how_many}, of {self.peak_bytes} bytes each, and {memory.free_bytes():,.0f} are "
            "free: use a smaller radius, or fewer queries at a time"
        )

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(starts, S, indices) of all queries in order."""
        counts = np.zeros(self.n_queries, dtype=np.int64)
        for numbers, of_part, _, _ in self.parts:
            counts[numbers] += of_part
        starts = np.concatenate([[0], np.cumsum(counts)])
        S, indices = np.empty(self.n_results), np.empty(self.n_results, dtype=np.int64)
        while self.parts:
            numbers, of_part, part_S, part_indices = self.parts.pop()
            shifts = starts[numbers] - (np.cumsum(of_part) - of_part)
            at = np.arange(len(part_S)) + np.repeat(shifts, of_part)
            S[at], indices[at] = part_S, part_indices
        return starts, S, indices
