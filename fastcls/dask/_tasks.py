"""The tasks that run on workers: open shards, search them, sum over them. The client itself calls none of these.

A task uses the threads that Dask gave its worker (or `n_jobs`), and a worker runs one of our tasks at a time. Each task sets
OpenMP's number of threads, because the nanny starts workers with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from fastcls import simd
from fastcls._gradient import scaling
from fastcls._gradient.problem import LinearProblem, has_large
from fastcls._runtime import threads
from fastcls._search import plan
from fastcls._search.rows import Rows
from fastcls._storage.digest import digest
from fastcls._validation.errors import InputError
from fastcls._validation.rows import CheckedRows, check_finite
from fastcls._version import __version__
from fastcls.metrics import check_magnitude

from ._merge import Nearest, Nodes, add_up
from ._sources import Chunk, aligned, attach_blocks

_locks: dict[str, threading.Lock] = {}
_any_lock = threading.Lock()


def _worker() -> Any:
    """The worker that runs this task; None outside a worker."""
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


def _location(worker: Any) -> str:
    return "this process" if worker is None else f"the worker {worker.address}"


def _with_threads(n_jobs: int | None, work: Callable[[int], Any]) -> Any:
    """Call ``work(n_threads)`` while no other of our tasks runs on this worker."""
    worker = _worker()
    if worker is None:
        return work(threads.effective(n_jobs))
    with _any_lock:
        lock = _locks.setdefault(worker.address, threading.Lock())
    with lock:
        return work(threads.of_worker(n_jobs, worker.state.nthreads))


def _check_version(version: str, location: str) -> None:
    if version != __version__:
        raise InputError(
            f"{location} has fastcls {__version__} and the client has {version}: install the same version on both"
        )


def _checked(chunks: list[Chunk], start: int, metric: str | None) -> list[np.ndarray]:
    """Open and check the rows of a shard, chunk by chunk; `start` is the number of its first row."""
    location, opened = _location(_worker()), []
    for chunk in chunks:
        rows = chunk.open(location)
        check_finite(rows, "X", first=start)
        if metric is not None:
            check_magnitude(rows, "X", metric, first=start)
        opened.append(rows)
        start += len(rows)
    return opened


def _bytes_without(n_bytes: int, blocks: list[Any]) -> int:
    """Bytes of rows without the blocks that hold them: Dask counts blocks separately."""
    return max(0, n_bytes - sum(block.nbytes for block in blocks))


# neighbours -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SearchOptions:
    """The options that all searches of a model share."""

    version: str
    metric: str
    k: int
    algorithm: str
    n_jobs: int | None


@dataclass(eq=False)
class SearchShard:
    """Training rows with their filter. A pickle holds only the arguments of `open_to_search`."""

    chunks: list[Chunk]
    blocks: list[Any]
    start: int
    hidden: np.ndarray | None
    options: SearchOptions
    rows: Rows

    def __reduce__(self) -> tuple[Any, ...]:
        return open_to_search, (self.chunks, self.blocks, self.start, self.hidden, self.options)

    def __sizeof__(self) -> int:
        return _bytes_without(sum(chunk.nbytes for chunk in self.rows.chunks), self.blocks) + self.filter_bytes

    @property
    def filter_bytes(self) -> int:
        return sum(made.nbytes for made in self.rows.filters.values() if made)


def open_to_search(
    chunks: list[Chunk], blocks: list[Any], start: int, hidden: np.ndarray | None, options: SearchOptions
) -> SearchShard:
    """Open the rows of a shard on its worker and learn their filter."""
    _check_version(options.version, _location(_worker()))
    opened = _checked(attach_blocks(chunks, blocks), start, options.metric)
    rows = reduce(Rows.extended, [Rows([part]) for part in opened])

    def prepare(n_threads: int) -> None:
        plan.prepare(rows, options.metric, min(options.k, rows.n_rows), n_threads, options.algorithm)

    _with_threads(options.n_jobs, prepare)
    return SearchShard(chunks, blocks, start, hidden, options, rows)


def describe(shard: SearchShard) -> dict[str, Any]:
    """The entry of `shards_` for a shard: plain values."""
    worker = _worker()
    return {
        "worker": "" if worker is None else worker.address,
        "start": shard.start,
        "n_rows": shard.rows.n_rows,
        "bytes": sum(chunk.nbytes for chunk in shard.rows.chunks),
        "filter_bytes": shard.filter_bytes,
    }


def rows_of(shard: SearchShard, first: int, stop: int) -> np.ndarray:
    """Rows first to stop - 1, numbered among all rows: the queries of a leave-one-out search."""
    parts = [
        np.asarray(chunk[max(0, first - shard.start - at) : max(0, stop - shard.start - at)])
        for _, at, chunk in shard.rows.with_starts()
    ]
    return np.concatenate(parts)


def search(shard: SearchShard, queries: np.ndarray, k: int, n_jobs: int | None, own: int | None) -> Nearest:
    """The k nearest rows of a shard, or all if it has fewer; indices count all rows.

    Parameters
    ----------
    own : int, optional
        The queries are training rows, the first with this number, and none is its own neighbour. If some rows are hidden,
        the caller instead searches one neighbour more and drops the query itself: a row can be in one group only.
    """
    n_queries, n_rows, hidden = len(queries), shard.rows.n_rows, shard.hidden
    query_groups = row_groups = None
    if hidden is not None:
        query_groups, row_groups = np.ones(n_queries, dtype=np.int64), hidden.astype(np.int64)
        k = min(k, n_rows - int(hidden.sum()))
    elif own is not None:
        query_groups = np.arange(own, own + n_queries, dtype=np.int64)
        row_groups = np.arange(shard.start, shard.start + n_rows, dtype=np.int64)
        is_among = own < shard.start + n_rows and own + n_queries > shard.start
        k = min(k, n_rows - is_among)
    else:
        k = min(k, n_rows)
    if k == 0:
        return np.empty((n_queries, 0)), np.empty((n_queries, 0), dtype=np.int64), ()
    S, indices, report = _with_threads(
        n_jobs,
        lambda n_threads: plan.search(
            shard.rows,
            Rows([aligned(queries)]),
            k,
            shard.options.metric,
            n_threads=n_threads,
            algorithm=shard.options.algorithm,
            query_groups=query_groups,
            row_groups=row_groups,
        ),
    )
    return S, indices + shard.start, (report,)


# gradients ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainingOptions:
    """The options that all sums of a training share."""

    version: str
    loss: str
    loss_options: dict[str, Any]
    n_classes: int
    n_jobs: int | None
    isa: str


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels, weights and roles of rows.

    Attributes
    ----------
    codes : ndarray (n_rows,) of class codes, in the smallest type that holds them
    weights : float64 ndarray (n_rows,), or of length 0
        Scaled to a mean of 1 over all rows of the same role.
    parts : uint8 ndarray (n_rows,), or of length 0
        0: training row; 1: validation row for early stopping; 2: neither.
    """

    codes: np.ndarray
    weights: np.ndarray
    parts: np.ndarray

    def run(self, start: int, stop: int) -> Labels:
        """The labels of rows start to stop - 1."""
        return Labels(self.codes[start:stop], self.weights[start:stop], self.parts[start:stop])

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.weights.nbytes + self.parts.nbytes

    def __sizeof__(self) -> int:
        return self.nbytes


@dataclass(eq=False)
class TrainShard:
    """Training rows with their labels. A pickle holds only the arguments of `open_to_train`."""

    chunks: list[Chunk]
    blocks: list[Any]
    start: int
    labels: Labels
    options: TrainingOptions
    X: np.ndarray
    _problems: dict[int | None, LinearProblem | None] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_to_train, (self.chunks, self.blocks, self.start, self.labels, self.options)

    def __sizeof__(self) -> int:
        return self.labels.nbytes + _bytes_without(self.X.nbytes, self.blocks)

    def problem(self, part: int | None, n_threads: int) -> LinearProblem | None:
        """The problem over the rows of one role (None: over rows named in each call); None if there are no such rows."""
        if part not in self._problems:
            parts = self.labels.parts
            chosen = None if part is None or not len(parts) else np.flatnonzero(parts == part)
            self._problems[part] = None if chosen is not None and not len(chosen) else self._made(chosen)
        problem = self._problems[part]
        if problem is not None:
            problem.n_threads = n_threads
        return problem

    def _made(self, rows: np.ndarray | None) -> LinearProblem:
        options = self.options
        problem = LinearProblem(
            CheckedRows(self.X, 0, ()),
            self.labels.codes.astype(np.int64),
            options.loss,
            None,
            n_classes=options.n_classes,
            rows=rows,
            arithmetic="float64",
            n_jobs=1,
            **options.loss_options,
        )
        problem.weights = aligned(self.labels.weights)  # scaled over all shards, not over this one
        return problem


def open_to_train(
    chunks: list[Chunk], blocks: list[Any], start: int, labels: Labels, options: TrainingOptions
) -> TrainShard:
    """Open the rows of a shard on its worker; several chunks are copied into one array, which the gradient loops need."""
    location = _location(_worker())
    _check_version(options.version, location)
    if simd.active() != options.isa:
        raise InputError(
            f"{location} uses the instruction set {simd.active()} and others use {options.isa}, so float32 sums would "
            "depend on the worker: set FASTCLS_ISA to the same set on all workers"
        )
    opened = _checked(attach_blocks(chunks, blocks), start, None)
    X = opened[0] if len(opened) == 1 else np.concatenate(opened)
    return TrainShard(chunks, blocks, start, labels, options, X)


def active_isa() -> str:
    """The instruction set of this worker."""
    return simd.active()


def count_large(shards: list[TrainShard], numbers: list[int], n_shards: int) -> Nodes:
    """The number of shards with values too large for float32 sums."""
    pairs = zip(shards, numbers, strict=True)
    return add_up({(0, i): (np.array(float(has_large(shard.X))),) for shard, i in pairs}, n_shards)


def moments(shards: list[TrainShard], numbers: list[int], n_shards: int, center: np.ndarray | None) -> Nodes:
    """Weighted sums over the training rows: features and weights or, with a center, squared distances to it."""

    def work(n_threads: int) -> Nodes:
        found: Nodes = {}
        for shard, number in zip(shards, numbers, strict=True):
            labels = shard.labels
            counted = aligned(labels.weights) if len(labels.weights) else np.ones(len(shard.X))
            if len(labels.parts):
                counted = np.where(labels.parts == 0, counted, 0.0)
            if center is None:
                sums = scaling.feature_sums(shard.X, counted, n_threads)
            else:
                sums = np.array((scaling.squared_distances(shard.X, aligned(center), n_threads) * counted).sum())
            found[0, number] = sums, np.array(counted.sum())
        return add_up(found, n_shards)

    nodes: Nodes = _with_threads(shards[0].options.n_jobs, work)
    return nodes


@dataclass(frozen=True, eq=False)
class Call:
    """One evaluation: weights in the layout of the compiled loops, and what to compute."""

    weights: np.ndarray
    b: np.ndarray
    n_models: int
    want_gradient: bool
    loss_code: int | None
    part: int

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes + self.b.nbytes

    def __sizeof__(self) -> int:
        return self.nbytes


def evaluate(
    shards: list[TrainShard], numbers: list[int], n_shards: int, call: Call, rows: dict[int, np.ndarray] | None = None
) -> Nodes:
    """Sums over the rows of some shards, siblings of the tree added: loss totals, gradients of weights and biases.

    Parameters
    ----------
    rows : dict, optional
        For each shard, the minibatch's rows, numbered within the shard.
    """

    def sums_of(shard: TrainShard, number: int, n_threads: int) -> tuple[np.ndarray, ...]:
        some = None if rows is None else aligned(rows[number])
        problem = shard.problem(call.part if rows is None else None, n_threads)
        n_features = shard.X.shape[1]
        if problem is None or (some is not None and not len(some)):
            gradient = np.zeros((len(call.weights) if call.want_gradient else 0, n_features))
            return np.zeros(call.n_models), gradient, np.zeros(len(call.b))
        totals, _, gradient, b_gradient = problem.evaluate(
            aligned(call.weights),
            aligned(call.b),
            some,
            n_models=call.n_models,
            want_gradient=call.want_gradient,
            loss_code=call.loss_code,
        )
        return totals, np.ascontiguousarray(gradient[:, :n_features]), b_gradient

    def work(n_threads: int) -> Nodes:
        return add_up({(0, i): sums_of(shard, i, n_threads) for shard, i in zip(shards, numbers, strict=True)}, n_shards)

    nodes: Nodes = _with_threads(shards[0].options.n_jobs, work)
    return nodes


def digest_of(shard: TrainShard) -> str:
    """Digest of the rows of a shard: a resumed training must have the same rows."""
    return digest(shard.X)


def take_rows(shard: TrainShard, local: np.ndarray) -> np.ndarray:
    """Some rows of a shard."""
    return np.ascontiguousarray(shard.X[local])
