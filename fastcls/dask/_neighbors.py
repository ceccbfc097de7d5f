"""k-NN over the workers of a Dask cluster: the neighbours of one process, byte for byte."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastcls import neighbors
from fastcls._runtime.fitted_state import live, publish
from fastcls._search.plan import Chunk
from fastcls._search.report import one_report
from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls._validation.neighbors import check_algorithm, check_n_neighbors
from fastcls._validation.row_weights import check_labelled_rows, counted_rows
from fastcls._validation.rows import check_rows
from fastcls._version import __version__
from fastcls.metrics import check_magnitude
from fastcls.neighbors import last_reports, without_self

from . import _tasks
from ._estimator import OverCluster, extend_signature, refuse_saving
from ._merge import merge_nearest
from ._sources import SENT_BYTES, Source, detach_blocks, is_described, labels_of, sent_source_of, source_of
from ._validation import check_client, check_n_shards
from ._workers import RoundTrip, Workers

_BLOCK_BYTES = 1 << 23  # largest size of a block of queries, and of its neighbours
_BLOCKS_AT_ONCE = 2  # while one is searched, the next is on its way
_SMALL_MASK = 1 << 16  # bytes of a mask that travels inside a task


class KNeighborsClassifier(OverCluster, neighbors.KNeighborsClassifier):
    """`fastcls.KNeighborsClassifier` with the training rows in shards on the workers of a Dask cluster.

    Predictions, distances and indices are those of one process, byte for byte, for any number of shards and workers. Each
    worker opens its own shards and keeps them, with their filters, as long as the model exists.

    Parameters
    ----------
    n_neighbors, metric, weights, temperature, tie_break, class_weight, algorithm, p, leaf_size, metric_params
        As for `fastcls.KNeighborsClassifier`.
    n_jobs : int, optional
        Threads of a search in each worker. None: the threads that Dask gave the worker.
    client : distributed.Client, optional
        None: the current one. Copies of the estimator share it; pickles leave it out.
    n_shards : int, optional
        None: one per worker. It never changes a result.
    verbose : int
        Above 0: print a progress bar, updated after each block of queries.

    Attributes
    ----------
    classes_, n_features_in_, n_samples_fit_, effective_metric_
        As for `fastcls.KNeighborsClassifier`.
    shards_ : list of dict
        For each shard `worker`, `start`, `n_rows`, `bytes` and `filter_bytes`, as of `fit`.
    search_report_ : SearchReport or None
        The calling thread's last search, over all shards and blocks of queries; `seconds` is the time on the client and
        `n_rows` counts the rows of all shards.

    Examples
    --------
    >>> from fastcls.dask import KNeighborsClassifier
    >>> KNeighborsClassifier(7, metric="l1").get_params()["metric"]
    'l1'
    """

    _read_when_used = (*neighbors.KNeighborsClassifier._read_when_used, "client", "n_shards", "verbose")
    _takes_several_labels = False

    def __init__(
        self, n_neighbors: int = 5, *, client: Any = None, n_shards: int | None = None, verbose: int = 0, **others: Any
    ) -> None:
        super().__init__(n_neighbors, **others)
        self.client = client
        self.n_shards = n_shards
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KNeighborsClassifier:  # type: ignore[override]
        """Let the workers open the rows and learn their filters; labels stay on the client.

        Parameters
        ----------
        X : array-like, path of an .npy file, memory map, dask array, or a list of these: (n_rows, n_features)
            uint8, int8, float16, bfloat16, float32 or float64. Every worker must find a file under the same path. Arrays in
            this process's memory are sent to the workers.
        y : array-like, dask array, path of an .npy file or list of paths: (n_rows,)
        sample_weight : as y, optional
            As for `fastcls.KNeighborsClassifier`.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there is no cluster, or for rows that workers cannot open.
        ClusterError
            If the cluster is gone, or loses a worker in each of several attempts.
        """
        self._check_vote_options()
        metric = self._check_options()
        client = check_client(self.client)
        source = sent_source_of(X, client, SENT_BYTES)
        weight = labels_of(sample_weight, client, "sample_weight")
        found = check_labelled_rows(labels_of(y, client), source.n_rows, weight, self.class_weight)
        n_shards = len(client.nthreads()) if self.n_shards is None else self.n_shards
        n_shards = check_n_shards(min(n_shards, source.n_rows) if self.n_shards is None else n_shards, source.n_rows)
        options = self._search_options(metric)
        hidden = None if counted_rows(found.weights) is None else found.weights == 0
        workers = _workers_for(client, source, n_shards, hidden, options)
        shards = workers.round_trip(lambda: [workers.submit(i, _tasks.describe) for i in range(n_shards)]).results()
        publish(
            self,
            X if hasattr(X, "columns") else source,  # a data frame has the names of its features
            _fitted_params=self._params_of_fit(),
            _source=source,
            _hidden=hidden,
            _options_at_fit=options,
            _workers=workers,
            shards_=shards,
            n_samples_fit_=source.n_rows,
            effective_metric_=metric,
            **self._labelled(found.classes, found.codes, found.given, found.weights),
        )
        return self

    def _search_options(self, metric: str) -> _tasks.SearchOptions:
        return _tasks.SearchOptions(
            __version__, metric, self.n_neighbors, check_algorithm(self.algorithm, warn=False), self.n_jobs
        )

    def _current_workers(self) -> Workers:
        """The workers with the shards; if the cluster of the fit is gone, the current client's, which open them again."""
        workers: Workers | None = self.__dict__.get("_workers")
        if workers is None or workers.client.status != "running":
            workers = _workers_for(
                check_client(self.client), self._source, len(self.shards_), self._hidden, self._options_at_fit
            )
            live(self)._workers = workers
        return workers

    def _found(self, X: Any, k: int | None, out: list[np.ndarray] | None = None) -> tuple[int, Iterator[Chunk]]:
        check_is_fitted(self, "n_samples_fit_")
        check_number("n_neighbors", self.n_neighbors, minimum=1, whole=True)
        n_hidden = 0 if self._hidden is None else int(self._hidden.sum())
        k = check_n_neighbors(
            self.n_neighbors if k is None else k, self.n_samples_fit_ - n_hidden - (X is None), excluded=X is None
        )
        workers = self._current_workers()
        drops_self = X is None and self._hidden is not None  # as in neighbors/_base.py
        blocks = self._own_blocks(workers, k + drops_self) if X is None else self._blocks(workers, X, k)
        n_queries = next(blocks)
        return n_queries, self._parts(blocks, n_queries, drops_self)

    def _parts(self, blocks: Iterator[Any], n_queries: int, drops_self: bool) -> Iterator[Chunk]:
        """The neighbours of one block of queries after the other, while the next block is searched."""
        begun, done = time.perf_counter(), 0
        reports: list[Any] = []
        waiting: deque[tuple[slice, RoundTrip]] = deque(itertools.islice(blocks, _BLOCKS_AT_ONCE))
        while waiting:
            part, round_trip = waiting.popleft()
            ((S, indices, shard_reports),) = round_trip.results()
            waiting.extend(itertools.islice(blocks, 1))
            if drops_self:
                S, indices = without_self(part.start, S, indices)
            reports.extend(shard_reports)
            yield part, np.require(S, requirements=("C", "W")), np.ascontiguousarray(indices)
            done += part.stop - part.start
            if self.verbose:
                _print_bar(done, n_queries, time.perf_counter() - begun)
        pairs = n_queries * self.n_samples_fit_
        last_reports.by_estimator[live(self)] = one_report(tuple(reports), time.perf_counter() - begun, pairs, n_queries)

    def _blocks(self, workers: Workers, X: Any, k: int) -> Iterator[Any]:
        """Yield the number of queries, then the search of each block, started only when it is needed."""
        source = source_of(X, workers.client) if is_described(X) else None
        whole: Any = check_rows(X, "X", estimator=self).rows if source is None else None
        described: Any = source if whole is None else whole
        yield len(described)
        step, start = _queries_of(described.shape[1], described.dtype, k), 0
        for rows in [whole] if source is None else source.arrays(workers.client):
            rows = rows if rows is whole else check_rows(rows, "X", estimator=self).rows
            check_magnitude(rows, "X", self.effective_metric_, first=start)
            for first in range(0, len(rows), step):
                Q = np.ascontiguousarray(rows[first : first + step])
                part = slice(start + first, start + first + len(Q))
                yield part, self._search_of(workers, partial(workers.broadcast, Q), k, None)
            start += len(rows)

    def _own_blocks(self, workers: Workers, k: int) -> Iterator[Any]:
        """As `_blocks`, for the training rows, each without itself: they go from worker to worker."""
        yield self.n_samples_fit_
        step = _queries_of(self.n_features_in_, self._source.dtype, k)
        bounds = self._source.bounds(workers.n_shards)
        for i, (start, stop) in enumerate(itertools.pairwise(bounds)):
            for first in range(start, stop, step):
                end = min(first + step, stop)
                queries = partial(workers.submit, i, _tasks.rows_of, first, end)
                yield slice(first, end), self._search_of(workers, queries, k, first if self._hidden is None else None)

    def _search_of(self, workers: Workers, queries: Callable[[], Any], k: int, own: int | None) -> RoundTrip:
        def submit() -> list[Any]:
            sent = queries()
            found = [workers.submit(i, _tasks.search, sent, k, self.n_jobs, own) for i in range(workers.n_shards)]
            return [workers.merged(found, partial(merge_nearest, k=k))]

        return workers.round_trip(submit)

    def _within(self, X: Any, radius: Any, sort_results: Any) -> Any:
        raise InputError(
            "fastcls.dask.KNeighborsClassifier has no search by radius: fit fastcls.NearestNeighbors on one part of the "
            "rows after another"
        )

    def save(self, path: Any, *, metadata: Any = None, rows: str = "embedded", codes: bool = True) -> None:
        """Not available over a cluster.

        Parameters
        ----------
        path, metadata, rows, codes
            As for `fastcls.KNeighborsClassifier`.

        Raises
        ------
        InputError
            Always; the message says what to do.
        """
        raise refuse_saving("KNeighborsClassifier")


def _print_bar(done: int, n_queries: int, seconds: float) -> None:
    """Print the bar over the line before; the last one stays."""
    filled = "#" * (30 * done // n_queries)
    ended = "\n" if done == n_queries else ""
    print(f"\r[{filled:<30}] {done:,} of {counted(n_queries, 'query', 'queries')}, {seconds:.1f} s", end=ended, flush=True)


def _queries_of(n_features: int, dtype: np.dtype, k: int) -> int:
    """How many queries make a block."""
    return max(1, min(_BLOCK_BYTES // (n_features * dtype.itemsize), _BLOCK_BYTES // (16 * k)))


extend_signature(KNeighborsClassifier.__init__, neighbors.KNeighborsClassifier)


def _workers_for(
    client: Any, source: Source, n_shards: int, hidden: np.ndarray | None, options: _tasks.SearchOptions
) -> Workers:
    bounds = source.bounds(n_shards)
    runs = [source.run(start, stop) for start, stop in itertools.pairwise(bounds)]

    def open_shard(workers: Workers, i: int, owner: str) -> tuple[Any, Any]:
        bare, blocks = detach_blocks(runs[i], partial(workers.send, owner))
        mask = None if hidden is None else hidden[bounds[i] : bounds[i + 1]]
        sent = mask if mask is None or mask.nbytes <= _SMALL_MASK else workers.send(owner, mask)
        return workers.submit_at(owner, _tasks.open_to_search, bare, blocks, bounds[i], sent, options), (sent, blocks)

    return Workers(client, n_shards, open_shard, source.holders(runs, client))
