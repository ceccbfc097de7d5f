"""Plan a search (filter, tree or brute force), run it, and report what it did.

Everything here affects only speed and memory, never the result (see ARCHITECTURE.md, 'One search').
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator

import numpy as np

from fastcls import simd
from fastcls._runtime import memory, threads
from fastcls._validation.errors import InputError
from fastcls._validation.messages import reason
from fastcls._validation.neighbors import check_found
from fastcls.metrics import METRICS

from . import brute, tree
from .filter import filter as filtering
from .filter import search as filter_search
from .filter import stored
from .report import SearchReport
from .rows import Rows
from .run import Run

Progress = Callable[[int, int], None]
Chunk = tuple[slice, np.ndarray, np.ndarray]  # which queries; S and indices of their neighbours
Chunks = Generator[Chunk, None, SearchReport]

_CHUNK_BYTES, _CHUNK_QUERIES = 1 << 24, 1 << 14  # neighbours that one yielded chunk may hold
_LEAST_QUERIES_TO_LEARN = 1000  # CIFAR-10, L2: levels and codes take 0.35 s, as long as 930 queries by brute force
_LEAST_SAMPLE = 2048  # rows of several chunks that levels are learned from, and eight for each of up to 1,024 features
_PROBED_AT_ONCE = 7  # so few that brute force does not pack the rows or compute their sums: 20 ms, not 110 (CIFAR-10)
_NO_GROUPS = np.empty(0, dtype=np.int64)


def prepare(
    rows: Rows, metric_name: str, k: int, n_threads: int, algorithm: str, n_queries: int | None = None
) -> filtering.Filter | tree.Tree | None:
    """The filter or tree of these rows for this metric, learned once and extended by new chunks; None for brute force.

    Levels are never learned again, however different the new rows are. With levels learned again from twice the rows or
    more, searches took 0.7 to 4 times as long (MNIST and CIFAR-10 class by class, noise after MNIST, embeddings), and the
    new codes took 0.2 s. Only if there are no levels, because brute force was estimated to be faster, is the estimate
    repeated.

    `fit` calls this with `n_queries=None` (many queries will come). A search whose rows were not fitted (`knn`) calls it
    with its number of queries, and levels are learned only if these are enough.
    """
    forced = algorithm == "filter"
    if algorithm == "brute":
        return None
    restore(rows)
    if tree.is_applicable(rows, METRICS[metric_name]):
        was_made = rows.stored.pop("tree", None) is not None
        return tree.prepare(rows, METRICS[metric_name], k, n_threads, None if was_made else n_queries, forced=forced)
    if METRICS[metric_name].bounds is None or not (forced or filtering.is_profitable(rows, METRICS[metric_name], k)):
        return None
    kept = rows.filters.get(metric_name)
    lacks_codes = kept is not None and not kept.chunks and n_queries is not None  # saved without codes, or in another layout
    relearn = n_queries is None and rows.should_relearn(metric_name)
    enough_queries = n_queries is None or n_queries >= _LEAST_QUERIES_TO_LEARN
    if kept is None and (forced or relearn or (metric_name not in rows.filters and enough_queries)):
        sample = _sample(rows)
        probe = _probe(rows, sample, metric_name, k, n_threads)
        rows.filters[metric_name], rows.learned_rows[metric_name] = None, rows.n_rows
        try:
            with np.errstate(under="ignore"):  # the user may have set NumPy to raise
                kept = filtering.Filter.learn(
                    sample,
                    METRICS[metric_name],
                    probe,
                    k,
                    n_threads,
                    forced=forced,
                    free_bytes=_free_bytes_per_row(rows, forced),
                )
            rows.left_out.pop(metric_name, None)
        except filtering.NotEnoughMemoryError as error:
            rows.left_out[metric_name] = f"brute force, because a filter's {error}"
    if kept is not None and n_queries is not None and enough_queries and not kept.fits_k(k):
        sample = _sample(rows)
        kept = kept.chosen_for(
            k,
            n_queries * rows.n_rows,
            sample,
            lambda: _probe(rows, sample, metric_name, k, n_threads),
            n_threads,
            _free_bytes_per_row(rows, forced),
        )
    if kept is not None and len(kept.chunks) < len(rows.chunks):
        new = rows.chunks[len(kept.chunks) :]
        needed = filtering.encoding_bytes(kept.levels)
        if forced or memory.fits(needed * sum(map(len, new))):
            before = kept.seconds
            kept = kept.extended(new, n_threads)
            if lacks_codes:
                what = f"made the codes of {rows.n_rows:,} rows, which the saved model does not have in this layout"
                rows.made.append((what, kept.seconds - before))
        else:
            rows.left_out[metric_name] = f"brute force, because the codes of {sum(map(len, new)):,} more rows do not fit"
            kept = None
        rows.filters[metric_name] = kept
    return kept


def restore(rows: Rows) -> None:
    """Restore the filters that came from a file or a pickle in plain form.

    Raises
    ------
    InputError
        If one is damaged.
    """
    for metric_name, of in list(rows.stored.items()):
        if metric_name == "tree":
            continue
        try:
            rows.filters[metric_name] = of and stored.restored(of, rows, METRICS[metric_name])
        except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
            raise InputError(
                f"the stored filter of the training rows is damaged ({reason(error)}): fit the model again"
            ) from None
        rows.stored.pop(metric_name, None)


def _free_bytes_per_row(rows: Rows, forced: bool) -> float:
    """Bytes per row that codes may take; no limit for algorithm="filter"."""
    return math.inf if forced else memory.free_bytes() / rows.n_rows


def _sample(rows: Rows) -> np.ndarray:
    """Rows to learn from: the only chunk, or evenly spaced rows of several, enough for every sample drawn from them."""
    if len(rows.chunks) == 1:
        return rows.chunks[0]
    step = max(1, rows.n_rows // max(_LEAST_SAMPLE, 8 * min(rows.n_features, _LEAST_SAMPLE // 2)))
    return np.concatenate([chunk[-start % step :: step] for _, start, chunk in rows.with_starts()])


def _probe(rows: Rows, sample: np.ndarray, metric_name: str, k: int, n_threads: int) -> filtering.Probe:
    """Some rows of the sample, each with the S of its k-th and farther neighbours other than itself."""
    n_probed = filtering.n_probed(rows)
    Q = np.ascontiguousarray(sample[:: max(1, len(sample) // n_probed)][:n_probed])
    ranks = k * 2 ** np.arange(filtering.PROBED_RANKS)
    ranks = np.minimum(ranks[ranks <= max(k, filtering.MOST_PROBED_RANK)], rows.n_rows - 1)
    S = np.empty((len(Q), len(ranks)))
    for first in range(0, len(Q), _PROBED_AT_ONCE):
        some = slice(first, first + _PROBED_AT_ONCE)
        found, _, _ = search(rows, Rows([Q[some]]), int(ranks[-1]) + 1, metric_name, n_threads=n_threads, algorithm="brute")
        S[some] = found[:, ranks]
    return filtering.Probe(Q, S, rows.n_rows)


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
    of_queries = rows if queries is None else queries
    n_queries = of_queries.n_rows
    n_threads = threads.limit_by_work(n_threads, n_queries * rows.n_rows * rows.n_features)
    filtered = _filtered(rows, of_queries, k, metric_name, n_threads, algorithm)
    made = []
    while rows.made:
        what, seconds = rows.made.pop()
        made.append(f"{what}, before this search: {seconds:.3g} s")
        started += seconds

    def brute_force() -> Run:
        return brute.Search(rows, of_queries.dtype, n_queries, k, METRICS[metric_name], n_threads)

    runs = [filtered or brute_force()]
    step = n_queries if out is not None else _step(runs[0], k, n_threads)
    size = min(step, n_queries)
    S, indices = out or (np.empty((size, k)), np.empty((size, k), dtype=np.int64))
    total, done = n_queries * rows.n_rows, 0

    def advance(pairs: int) -> None:
        nonlocal done
        done += pairs
        if progress is not None:
            progress(done, total)

    for _, start, chunk in of_queries.with_starts():
        for first in range(0, len(chunk), step):
            Q = chunk[first : first + step]
            some = slice(start + first, start + first + len(Q))
            place = slice(0, len(Q)) if out is None else some
            of_some = _NO_GROUPS if query_groups is None else query_groups[some]
            of_rows = _NO_GROUPS if row_groups is None else row_groups
            n_done = runs[-1].run(Q, (of_some, of_rows), advance, S[place], indices[place])
            if n_done < len(Q):
                runs.append(brute_force())
                runs[-1].run(Q[n_done:], (of_some[n_done:], of_rows), advance, S[place][n_done:], indices[place][n_done:])
            check_found(S[place], k)
            yield some, S[place], indices[place]
    why = _why_brute(rows, metric_name, k) if algorithm != "brute" and filtered is None else ()
    notes = dict.fromkeys((*rows.notes, *(() if queries is None else queries.notes), *why, *made, *threads.notes()))
    whole_numbers = of_queries.dtype == rows.dtype and rows.dtype.kind != "f"
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


def _why_brute(rows: Rows, metric_name: str, k: int) -> tuple[str, ...]:
    """Why nothing was filtered, where the size of the data is not the reason."""
    if METRICS[metric_name].bounds is None:
        return (f"brute force, because no bounds are proven for metric {metric_name!r}",)
    if filtering.is_large(rows, k) and not filtering.has_fast_loops():
        return (f"brute force, because a filter has no loops of its own for instruction set {simd.active()!r}",)
    return (rows.left_out[metric_name],) if metric_name in rows.left_out else ()


def _step(run: Run, k: int, n_threads: int) -> int:
    """Queries per chunk: few enough for little memory, enough to keep every thread busy."""
    wanted = max(1, min(_CHUNK_QUERIES, _CHUNK_BYTES // (16 * k)))
    whole = run.per_job * (1 if run.by_rows else n_threads)
    return wanted // whole * whole if wanted > whole else wanted


def _filtered(rows: Rows, queries: Rows, k: int, metric_name: str, n_threads: int, algorithm: str) -> Run | None:
    """A filtered search, or None for brute force."""
    if queries.dtype != rows.dtype and not tree.is_applicable(rows, METRICS[metric_name]):
        return None
    forced = algorithm == "filter"
    found = prepare(rows, metric_name, k, n_threads, algorithm, queries.n_rows)
    if isinstance(found, tree.Tree):
        return tree.Search(rows, found, METRICS[metric_name], queries.n_rows, k, n_threads, forced=forced)
    if found is None or not (forced or filtering.is_profitable(rows, METRICS[metric_name], k)):
        return None
    return filter_search.Search(rows, found, queries.n_rows, k, n_threads, forced=forced)
