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
from fastcls._validation.base import check_number
from fastcls._validation.messages import counted
from fastcls._validation.neighbors import check_algorithm, check_n_neighbors
from fastcls._validation.row_weights import check_labelled_rows, counted_rows
from fastcls._validation.rows import check_rows
from fastcls.metrics import check_magnitude
from fastcls.neighbors import last_reports, without_self

from . import _tasks
from ._estimator import OverCluster, refuse_saving, takes_also
from ._merge import nearest_of, one_report
from ._sources import SENT_BYTES, Source, apart, is_described, labels_of, sent_source_of, source_of
from ._validation import check_client, check_n_shards
from ._workers import Crew, Round

_BLOCK_BYTES = 1 << 23  # of a block of queries, and of its neighbours: sent to each worker once, and merged
_BLOCKS_AT_ONCE = 2  # the next is on its way while one is searched
_SMALL_MASK = 1 << 16  # bytes that may stand in a task


class KNeighborsClassifier(OverCluster, neighbors.KNeighborsClassifier):
    """`fastcls.KNeighborsClassifier` with the training rows in shards on the workers of a Dask cluster.

    Predictions, distances and indices are those of one process, byte for byte, whatever the number of shards and workers.
    Each worker opens its shards itself and keeps them, with the filter, until the model is gone.

    Parameters
    ----------
    n_neighbors, metric, weights, temperature, tie_break, class_weight, algorithm, p, leaf_size, metric_params
        As for `fastcls.KNeighborsClassifier`.
    n_jobs : int, optional
        Threads of a search in each worker. None: those that Dask gave the worker.
    client : distributed.Client, optional
        None: the current one. Copies of the estimator share it; pickles leave it out.
    n_shards : int, optional
        None: one a worker. Never changes an answer.
    verbose : int
        Above 0: a printed bar, which grows with every block of queries.

    Attributes
    ----------
    classes_, n_features_in_, n_samples_fit_, effective_metric_
        As for `fastcls.KNeighborsClassifier`.
    shards_ : list of dict
        Of every shard: `worker`, `start`, `n_rows`, `bytes` and `filter_bytes`, as they were after `fit`.
    search_report_ : SearchReport or None
        The calling thread's last search, all shards and blocks of queries taken together; `seconds` is the client's clock,
        `n_rows` those of all shards.

    Examples
    --------
    >>> from fastcls.dask import KNeighborsClassifier
    >>> KNeighborsClassifier(7, metric="l1").get_params()["metric"]
    'l1'
    """

    def __init__(self, n_neighbors=5, *, client=None, n_shards=None, verbose=0, **others):
        super().__init__(n_neighbors, **others)
        self.client = client
        self.n_shards = n_shards
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KNeighborsClassifier:  # type: ignore[override]
        """Let workers open the rows and learn their filters; labels stay here.

        Parameters
        ----------
        X : array-like, path of an .npy file, memory map, dask array, or a list of these: (n_rows, n_features)
            uint8, int8, float16, float32 or float64. Files must lie where every worker sees them under the same path.
            Arrays in this process's memory are sent to the workers.
        y : array-like, dask array, path of an .npy file or list of paths: (n_rows,)
        sample_weight : as y, optional
            As for `fastcls.KNeighborsClassifier`.

        Raises
        ------
        InputError
            Without a cluster; for rows that workers cannot open.
        ClusterError
        """
        self._check_vote_options()
        metric = self._check_options()
        client = check_client(self.client)
        source = sent_source_of(X, client, SENT_BYTES)
        weight = labels_of(sample_weight, client, "sample_weight")
        found = check_labelled_rows(labels_of(y, client), source.n_rows, weight, self.class_weight)
        n_shards = len(client.nthreads()) if self.n_shards is None else self.n_shards
        n_shards = check_n_shards(min(n_shards, source.n_rows) if self.n_shards is None else n_shards, source.n_rows)
        asked = self._asked(metric)
        hidden = None if counted_rows(found.weights) is None else found.weights == 0
        crew = _crew_of(client, source, n_shards, hidden, asked)
        shards = crew.ask(lambda: [crew.submit(i, _tasks.describe) for i in range(n_shards)]).results()
        publish(
            self,
            source,
            _fitted_params=self._params_of_fit(),
            _source=source,
            _hidden=hidden,
            _asked_at_fit=asked,
            _crew=crew,
            shards_=shards,
            n_samples_fit_=source.n_rows,
            effective_metric_=metric,
            **self._labelled(found.classes, found.codes, found.given, found.weights),
        )
        return self

    def _asked(self, metric: str) -> _tasks.Asked:
        from fastcls._version import __version__

        return _tasks.Asked(__version__, metric, self.n_neighbors, check_algorithm(self.algorithm, warn=False), self.n_jobs)

    def _crew_now(self) -> Crew:
        """The workers with the shards; another cluster's, opened anew, where that of the fit is gone."""
        crew: Crew | None = self.__dict__.get("_crew")
        if crew is None or crew.client.status != "running":
            crew = _crew_of(check_client(self.client), self._source, len(self.shards_), self._hidden, self._asked_at_fit)
            live(self)._crew = crew
        return crew

    def _found(self, X: Any, k: int | None) -> tuple[int, Iterator[Chunk]]:
        check_is_fitted(self, "n_samples_fit_")
        check_number("n_neighbors", self.n_neighbors, minimum=1, whole=True)
        n_hidden = 0 if self._hidden is None else int(self._hidden.sum())
        k = check_n_neighbors(
            self.n_neighbors if k is None else k, self.n_samples_fit_ - n_hidden - (X is None), excluded=X is None
        )
        crew = self._crew_now()
        drops_self = X is None and self._hidden is not None  # as in _neighbors.py
        blocks = self._own_blocks(crew, k + drops_self) if X is None else self._blocks(crew, X, k)
        n_queries = next(blocks)
        return n_queries, self._parts(blocks, n_queries, drops_self)

    def _parts(self, blocks: Iterator[Any], n_queries: int, drops_self: bool) -> Iterator[Chunk]:
        """Neighbours of one block of queries after the other, while the next ones are searched for."""
        begun, done = time.perf_counter(), 0
        reports: list[Any] = []
        waiting: deque[tuple[slice, Round]] = deque(itertools.islice(blocks, _BLOCKS_AT_ONCE))
        while waiting:
            part, under_way = waiting.popleft()
            ((S, indices, told),) = under_way.results()
            waiting.extend(itertools.islice(blocks, 1))
            if drops_self:
                S, indices = without_self(part.start, S, indices)
            reports.extend(told)
            yield part, np.require(S, requirements=("C", "W")), np.ascontiguousarray(indices)
            done += part.stop - part.start
            if self.verbose:
                _print_bar(done, n_queries, time.perf_counter() - begun)
        pairs = n_queries * self.n_samples_fit_
        last_reports.by_estimator[live(self)] = one_report(tuple(reports), time.perf_counter() - begun, pairs, n_queries)

    def _blocks(self, crew: Crew, X: Any, k: int) -> Iterator[Any]:
        """How many queries there are; then the searches of one block after the other, each begun when it is asked for."""
        source = source_of(X, crew.client) if is_described(X) else None
        whole: Any = check_rows(X, "X", estimator=self).rows if source is None else None
        described: Any = source if whole is None else whole
        yield len(described)
        step, start = _queries_of(described.shape[1], described.dtype, k), 0
        for rows in [whole] if source is None else source.arrays(crew.client):
            rows = rows if rows is whole else check_rows(rows, "X", estimator=self).rows
            check_magnitude(rows, "X", self.effective_metric_, first=start)
            for first in range(0, len(rows), step):
                Q = np.ascontiguousarray(rows[first : first + step])
                part = slice(start + first, start + first + len(Q))
                yield part, self._search_of(crew, partial(crew.broadcast, Q), k, None)
            start += len(rows)

    def _own_blocks(self, crew: Crew, k: int) -> Iterator[Any]:
        """The same for the training rows, each without itself: they go from worker to worker."""
        yield self.n_samples_fit_
        step = _queries_of(self.n_features_in_, self._source.dtype, k)
        bounds = self._source.bounds(crew.n_shards)
        for i, (start, stop) in enumerate(itertools.pairwise(bounds)):
            for first in range(start, stop, step):
                end = min(first + step, stop)
                queries = partial(crew.submit, i, _tasks.rows_of, first, end)
                yield slice(first, end), self._search_of(crew, queries, k, first if self._hidden is None else None)

    def _search_of(self, crew: Crew, queries: Callable[[], Any], k: int, own: int | None) -> Round:
        def submit() -> list[Any]:
            sent = queries()
            found = [crew.submit(i, _tasks.search, sent, k, self.n_jobs, own) for i in range(crew.n_shards)]
            return [crew.merged(found, partial(nearest_of, k=k))]

        return crew.ask(submit)

    def save(self, path: Any, *, metadata: Any = None, rows: str = "embedded", codes: bool = True) -> None:
        """Not over a cluster: raises InputError."""
        raise refuse_saving("KNeighborsClassifier")


def _print_bar(done: int, n_queries: int, seconds: float) -> None:
    """One line, written anew each time; it stays when all is done."""
    filled = "#" * (30 * done // n_queries)
    ended = "\n" if done == n_queries else ""
    print(f"\r[{filled:<30}] {done:,} of {counted(n_queries, 'query', 'queries')}, {seconds:.1f} s", end=ended, flush=True)


def _queries_of(n_features: int, dtype: np.dtype, k: int) -> int:
    """Queries of a block."""
    return max(1, min(_BLOCK_BYTES // (n_features * dtype.itemsize), _BLOCK_BYTES // (16 * k)))


takes_also(KNeighborsClassifier.__init__, neighbors.KNeighborsClassifier)


def _crew_of(client: Any, source: Source, n_shards: int, hidden: np.ndarray | None, asked: _tasks.Asked) -> Crew:
    bounds = source.bounds(n_shards)
    runs = [source.run(start, stop) for start, stop in itertools.pairwise(bounds)]

    def opening(crew: Crew, i: int, home: str) -> tuple[Any, Any]:
        bare, blocks = apart(runs[i], partial(crew.send, home))
        mask = None if hidden is None else hidden[bounds[i] : bounds[i + 1]]
        sent = mask if mask is None or mask.nbytes <= _SMALL_MASK else crew.send(home, mask)
        return crew.submit_at(home, _tasks.open_to_search, bare, blocks, bounds[i], sent, asked), (sent, blocks)

    return Crew(client, n_shards, opening, source.near(runs, client))
