"""Plan a search (filter, tree or brute force), run it, and report what it did.

Everything here affects only speed and memory, never the result (see ARCHITECTURE.md, 'One search').
"""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from fastcls import simd
from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, reason
from fastcls._validation.types import BFLOAT16, is_floating, widened
from fastcls.metrics import METRICS

from . import brute
from .filter import costs
from .filter.filter import Filter
from .report import SearchReport
from .rows import Rows
from .run import NO_GROUPS, Advance, Prepared, Run, RunOfPairs
from .tree import Tree

Chunk = tuple[slice, np.ndarray, np.ndarray]  # which queries; S and indices of their neighbours
Chunks = Generator[Chunk, None, SearchReport]

_CHUNK_BYTES, _CHUNK_QUERIES = 1 << 24, 1 << 14  # neighbours that one yielded chunk may hold
_MOST_TOGETHER_BYTES = 1 << 26  # neighbours of all rows, where the caller has no place for them


#: Kinds of structures by the names that model files give them; the first that is applicable is used.
KINDS: dict[str, type[Prepared]] = {"tree": Tree, "codes": Filter}


def prepare(
    rows: Rows, metric_name: str, k: int, n_threads: int, algorithm: str, queries: Rows | None = None
) -> Prepared | None:
    """The filter or tree of these rows for this metric, made once and extended by new chunks; None for brute force.

    `fit` calls this with ``queries=None`` (many queries will come), a search with its queries. Among rows that were not
    fitted (`knn`), a filter or tree is made only if these are enough.
    """
    if algorithm == "brute":
        return None
    restore(rows)
    metric, forced = METRICS[metric_name], algorithm == "filter"
    dtype, n_queries = (rows.dtype, None) if queries is None else (queries.dtype, queries.n_rows)
    for kind in KINDS.values():
        if kind.is_applicable(rows, dtype, metric, k, forced=forced):
            return kind.prepare(rows, metric, k, n_threads, n_queries, forced=forced)
    return None


def restore(rows: Rows) -> None:
    """Restore the filters that came from a file or a pickle in plain form.

    Raises
    ------
    InputError
        If one is damaged.
    """
    for key, of in list(rows.stored.items()):
        try:
            rows.filters[key] = of and KINDS[of[1]["kind"]].restored(of, rows)
        except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
            raise InputError(
                f"the stored filter of the training rows is damaged ({reason(error)}): fit the model again"
            ) from None
        rows.stored.pop(key, None)


def search(
    rows: Rows,
    queries: Rows | None,
    k: int,
    metric_name: str,
    *,
    n_threads: int,
    algorithm: str = "auto",
    query_groups: np.ndarray | None = None,
    row_groups: np.ndarray | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray, SearchReport]:
    """The k nearest training rows of every query, ordered by (S, training index). Input is trusted.

    Parameters
    ----------
    rows, queries, k, metric_name, n_threads, algorithm, query_groups, row_groups, progress
        As of `search_chunks`.

    Returns
    -------
    S : ndarray of shape (n_queries, k), float64
    indices : ndarray of shape (n_queries, k), int64
    report : SearchReport
    """
    n_queries = (rows if queries is None else queries).n_rows
    S, indices = np.empty((n_queries, k)), np.empty((n_queries, k), dtype=np.int64)
    chunks = search_chunks(
        rows,
        queries,
        k,
        metric_name,
        n_threads=n_threads,
        algorithm=algorithm,
        query_groups=query_groups,
        row_groups=row_groups,
        progress=progress,
        out=(S, indices),
    )
    return S, indices, final_report(chunks)


def final_report(chunks: Chunks) -> SearchReport:
    """Exhaust the chunks of a search; return its report."""
    while True:
        try:
            next(chunks)
        except StopIteration as end:
            report: SearchReport = end.value
            return report


def search_chunks(
    rows: Rows,
    queries: Rows | None,
    k: int,
    metric_name: str,
    *,
    n_threads: int,
    algorithm: str = "auto",
    query_groups: np.ndarray | None = None,
    row_groups: np.ndarray | None = None,
    progress: Progress | None = None,
    out: tuple[np.ndarray, np.ndarray] | None = None,
    below: float = np.inf,
    typical: int | None = None,
) -> Chunks:
    """The same search, one chunk of queries at a time: ``for some, S, indices in search_chunks(...)``.

    Parameters
    ----------
    rows : Rows
    queries : Rows, or None for the training rows themselves
    k : int
        At most the number of rows that every query may see.
    algorithm : {"auto", "brute", "filter"}
        Never changes the result.
    query_groups, row_groups : ndarray of shape (n_queries,), (n_rows,), int64, optional
        A query never sees a row of its own group.
    progress : callable, optional
        ``progress(pairs_done, pairs_total)`` after every chunk of work.
    out : tuple of ndarray, optional
        Arrays for S and indices of all queries; each chunk is a view of them.
    below : float
        Search only rows whose S is below this number. A query with fewer than k of them has this number in the last places
        of S.
    typical : int, optional
        Number of neighbours for which the path is chosen, if most queries have fewer than k of them.

    Yields
    ------
    some : slice
        Which queries.
    S : ndarray of shape (n_queries_of_chunk, k), float64
    indices : ndarray of that shape, int64
        Without `out`, the next chunk overwrites both arrays.

    Returns
    -------
    SearchReport
        The generator's return value: ``report = yield from search_chunks(...)``.
    """
    started = time.perf_counter()
    queries = _like(rows, queries)
    of_queries = rows if queries is None else queries
    n_queries = of_queries.n_rows
    n_threads = threads.limit_by_work(n_threads, n_queries * rows.n_rows * rows.n_features)
    metric, forced = METRICS[metric_name], algorithm == "filter"
    typical = k if typical is None else typical
    prepared = prepare(rows, metric_name, typical, n_threads, algorithm, of_queries)
    made = []
    while rows.made:
        what, seconds = rows.made.pop()
        made.append(f"{what}, before this search: {seconds:.3g} s")
        started += seconds

    def brute_force() -> Run:
        return brute.Search(rows, of_queries.dtype, n_queries, k, metric, n_threads, below, typical)

    def filtered(through: Prepared) -> Run:
        return through.search(rows, metric, n_queries, k, n_threads, forced=forced, below=below)

    total, done = n_queries * rows.n_rows, 0

    def advance(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    together = None
    have_room = below == np.inf and (out is not None or 16 * k * n_queries <= _MOST_TOGETHER_BYTES)
    if prepared is not None and have_room and _see_each_other(rows, queries, query_groups, row_groups):
        each_own = row_groups is not None and np.array_equal(row_groups, np.arange(n_queries))
        groups = None if each_own else row_groups
        together = prepared.pairs(rows, metric, k, n_threads, groups, with_self=row_groups is None, forced=forced)
    runs: list[Run | RunOfPairs] = []
    if together is not None:
        runs.append(together)
        yield from _of_pairs(together, n_queries, k, out, advance)
    else:
        run = filtered(prepared) if prepared else brute_force()
        runs.append(run)
        step = n_queries if out is not None else _step(run, k, n_threads)
        size = min(step, n_queries)
        S, indices = out or (np.empty((size, k)), np.empty((size, k), dtype=np.int64))
        for _, start, chunk in of_queries.with_starts():
            for first in range(0, len(chunk), step):
                Q = chunk[first : first + step]
                some = slice(start + first, start + first + len(Q))
                place = slice(0, len(Q)) if out is None else some
                of_some = NO_GROUPS[0] if query_groups is None else query_groups[some]
                of_rows = NO_GROUPS[1] if row_groups is None else row_groups
                n_done = run.run(Q, (of_some, of_rows), advance, S[place], indices[place])
                if n_done < len(Q):
                    run = brute_force()
                    runs.append(run)
                    run.run(Q[n_done:], (of_some[n_done:], of_rows), advance, S[place][n_done:], indices[place][n_done:])
                if below == np.inf:
                    _check_found(S[place], k)
                yield some, S[place], indices[place]
    why = _why_brute(rows, metric_name, typical) if algorithm != "brute" and prepared is None else ()
    notes = dict.fromkeys((*rows.notes, *(() if queries is None else queries.notes), *why, *made, *threads.notes()))
    whole_numbers = of_queries.dtype == rows.dtype and not is_floating(rows.dtype)
    reports = [run.report() for run in runs]
    return SearchReport(
        path=" then ".join(one.path for one in reports),
        kernel=reports[-1].kernel,
        metric=metric_name,
        arithmetic="integer" if whole_numbers else "float64",
        isa=simd.active(),
        threads=n_threads,
        n_queries=n_queries,
        n_rows=rows.n_rows,
        n_features=rows.n_features,
        k=k,
        pairs=total,
        levels=reports[0].levels,
        computed=sum(one.computed for one in reports),
        refined=sum(one.refined for one in reports),
        tile=reports[-1].tile,
        chunks=sum(one.chunks for one in reports),
        seconds=time.perf_counter() - started,
        scratch_bytes=max(one.scratch_bytes for one in reports),
        filter_bytes=reports[0].filter_bytes,
        copied_bytes=rows.copied_bytes + (0 if queries is None else queries.copied_bytes),
        notes=tuple(notes),
    )


def _see_each_other(
    rows: Rows, queries: Rows | None, query_groups: np.ndarray | None, row_groups: np.ndarray | None
) -> bool:
    """Whether the queries are the rows, and a row may see another one if that may see it."""
    if queries is not None:
        if len(queries.chunks) != 1 or len(rows.chunks) != 1:
            return False
        Q, X = queries.chunks[0], rows.chunks[0]
        if Q.shape != X.shape or Q.dtype != X.dtype or Q.ctypes.data != X.ctypes.data:
            return False
    if query_groups is None or row_groups is None:
        return query_groups is row_groups
    return query_groups is row_groups or np.array_equal(query_groups, row_groups)


def _of_pairs(
    run: RunOfPairs, n: int, k: int, out: tuple[np.ndarray, np.ndarray] | None, advance: Advance
) -> Generator[Chunk, None, None]:
    """The chunks of a search of n rows among themselves, all after its end."""
    S, indices = out or (np.empty((n, k)), np.empty((n, k), dtype=np.int64))
    run.run(advance, S, indices)
    _check_found(S, k)
    for first in range(0, n, _CHUNK_QUERIES):
        some = slice(first, min(n, first + _CHUNK_QUERIES))
        yield some, S[some], indices[some]


def _like(rows: Rows, queries: Rows | None) -> Rows | None:
    """The queries; bfloat16 in the wider type of the rows, because the fast kernels read pairs of one type."""
    if queries is None or queries.dtype != BFLOAT16 or rows.dtype not in (np.float32, np.float64):
        return queries
    note = f"bfloat16 queries converted to {rows.dtype}, the type of the training rows; no value changes"
    return Rows([widened(chunk, rows.dtype) for chunk in queries.chunks], queries.copied_bytes, (*queries.notes, note))


def _check_found(S: np.ndarray, k: int) -> None:
    """Refuse neighbours (n_queries, k), nearest first, if a query has fewer than k rows at a finite distance.

    Rows are checked when they are given, but they are referenced: later changes to them show here.
    """
    short = ~(S[:, -1] < np.inf)
    if short.any():
        raise InputError(
            f"a query has fewer than {counted(k, 'training row')} at a finite distance: training rows now have NaN, "
            "infinity or too large values. They are referenced, not copied: do not change them, or use fit(..., copy=True)"
        )


def _why_brute(rows: Rows, metric_name: str, k: int) -> tuple[str, ...]:
    """Why nothing was filtered, where the size of the data is not the reason."""
    if METRICS[metric_name].bounds is None:
        return (f"brute force, because no bounds are proven for metric {metric_name!r}",)
    if costs.is_large(rows, k) and not costs.has_fast_loops():
        return (f"brute force, because a filter has no loops of its own for instruction set {simd.active()!r}",)
    return (rows.left_out[metric_name],) if metric_name in rows.left_out else ()


def _step(run: Run, k: int, n_threads: int) -> int:
    """Queries per chunk: few enough for little memory, enough to keep every thread busy."""
    wanted = max(1, min(_CHUNK_QUERIES, _CHUNK_BYTES // (16 * k)))
    whole = run.per_job * (1 if run.by_rows else n_threads)
    return wanted // whole * whole if wanted > whole else wanted
