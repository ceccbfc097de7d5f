"""What runs on workers: shards opened, searched, and summed over. Nothing here is called by the client itself.

A task uses the threads that Dask gave its worker (or `n_jobs`), and one of our tasks runs at a time in a worker. OpenMP is
told how many each time: the nanny starts workers with OMP_NUM_THREADS=1, which would leave all but one idle.
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
from fastcls._storage.atomic import digest
from fastcls._validation.errors import InputError
from fastcls._validation.rows import CheckedRows, check_finite
from fastcls.metrics import check_magnitude

from ._merge import Nearest, Nodes, add_up
from ._sources import Piece, aligned, together

_locks: dict[str, threading.Lock] = {}
_any_lock = threading.Lock()


def _worker() -> Any:
    """The worker that this task runs on; None in a process that is none."""
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


def _place(worker: Any) -> str:
    return "this process" if worker is None else f"the worker {worker.address}"


def _with_threads(n_jobs: int | None, work: Callable[[int], Any]) -> Any:
    """``work(n_threads)``, while no other of our tasks runs on this worker."""
    worker = _worker()
    if worker is None:
        return work(threads.effective(n_jobs))
    with _any_lock:
        lock = _locks.setdefault(worker.address, threading.Lock())
    with lock:
        return work(threads.of_worker(n_jobs, worker.state.nthreads))


def _check_version(version: str, place: str) -> None:
    from fastcls._version import __version__

    if version != __version__:
        raise InputError(f"{place} has fastcls {__version__}, the client {version}; install the same on both")


def _checked(pieces: list[Piece], start: int, metric: str | None) -> list[np.ndarray]:
    """The rows of a shard, piece by piece, finite; `start` is the number of the first."""
    place, opened = _place(_worker()), []
    for piece in pieces:
        rows = piece.open(place)
        check_finite(rows, "X", first=start)
        if metric is not None:
            check_magnitude(rows, "X", metric, first=start)
        opened.append(rows)
        start += len(rows)
    return opened


def _bytes_beside(n_bytes: int, blocks: list[Any]) -> int:
    """Bytes of rows without those of the blocks they lie in, which Dask counts by themselves."""
    return max(0, n_bytes - sum(block.nbytes for block in blocks))


# neighbours -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What all searches of a model have in common."""

    version: str
    metric: str
    k: int
    algorithm: str
    n_jobs: int | None


@dataclass
class SearchShard:
    """Training rows with their filter. Pickled it is what it was opened from."""

    pieces: list[Piece]
    blocks: list[Any]
    start: int
    hidden: np.ndarray | None
    asked: Asked
    rows: Rows

    def __reduce__(self) -> tuple[Any, ...]:
        return open_to_search, (self.pieces, self.blocks, self.start, self.hidden, self.asked)

    def __sizeof__(self) -> int:
        return _bytes_beside(sum(chunk.nbytes for chunk in self.rows.chunks), self.blocks) + self.filter_bytes

    @property
    def filter_bytes(self) -> int:
        return sum(made.nbytes for made in self.rows.filters.values() if made)


def open_to_search(
    pieces: list[Piece], blocks: list[Any], start: int, hidden: np.ndarray | None, asked: Asked
) -> SearchShard:
    """Rows opened where they lie, and what a search needs of them learned."""
    _check_version(asked.version, _place(_worker()))
    opened = _checked(together(pieces, blocks), start, asked.metric)
    rows = reduce(Rows.extended, [Rows([part]) for part in opened])

    def prepare(n_threads: int) -> None:
        plan.prepare(rows, asked.metric, min(asked.k, rows.n_rows), n_threads, asked.algorithm)

    _with_threads(asked.n_jobs, prepare)
    return SearchShard(pieces, blocks, start, hidden, asked, rows)


def describe(shard: SearchShard) -> dict[str, Any]:
    """What there is to tell of a shard: plain values."""
    worker = _worker()
    return {
        "worker": "" if worker is None else worker.address,
        "start": shard.start,
        "n_rows": shard.rows.n_rows,
        "bytes": sum(chunk.nbytes for chunk in shard.rows.chunks),
        "filter_bytes": shard.filter_bytes,
    }


def rows_of(shard: SearchShard, first: int, stop: int) -> np.ndarray:
    """Some of a shard's rows, by numbers of all rows: queries of a search that leaves each out itself."""
    parts = [
        np.asarray(chunk[max(0, first - shard.start - at) : max(0, stop - shard.start - at)])
        for _, at, chunk in shard.rows.with_starts()
    ]
    return np.concatenate(parts)


def search(shard: SearchShard, queries: np.ndarray, k: int, n_jobs: int | None, own: int | None) -> Nearest:
    """The k nearest of a shard's rows, as many as it has; indices are numbers of all rows.

    Parameters
    ----------
    own : int, optional
        The queries are training rows, from this number on, and none is its own neighbour. Where some rows are hidden the
        caller asks for one more and leaves it out: a row belongs to one group only.
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
            shard.asked.metric,
            n_threads=n_threads,
            algorithm=shard.asked.algorithm,
            query_groups=query_groups,
            row_groups=row_groups,
        ),
    )
    return S, indices + shard.start, (report,)


# gradients ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """What all sums of a training have in common."""

    version: str
    loss: str
    options: dict[str, Any]
    n_classes: int
    n_jobs: int | None
    isa: str


@dataclass(frozen=True)
class Labels:
    """What is known of some rows beside their features.

    Attributes
    ----------
    codes : ndarray (n_rows,) of class codes, in the smallest type that holds them
    weights : float64 ndarray (n_rows,), or of length 0
        Scaled to a mean of 1 over all rows of each part.
    parts : uint8 ndarray (n_rows,), or of length 0
        0: a row to train on; 1: to stop by; 2: neither.
    """

    codes: np.ndarray
    weights: np.ndarray
    parts: np.ndarray

    def run(self, start: int, stop: int) -> Labels:
        """Those of some consecutive rows."""
        return Labels(self.codes[start:stop], self.weights[start:stop], self.parts[start:stop])

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.weights.nbytes + self.parts.nbytes

    def __sizeof__(self) -> int:
        return self.nbytes


@dataclass
class TrainShard:
    """Training rows with their labels. Pickled it is what it was opened from."""

    pieces: list[Piece]
    blocks: list[Any]
    start: int
    labels: Labels
    trained: Trained
    X: np.ndarray
    _problems: dict[int | None, LinearProblem | None] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_to_train, (self.pieces, self.blocks, self.start, self.labels, self.trained)

    def __sizeof__(self) -> int:
        return self.labels.nbytes + _bytes_beside(self.X.nbytes, self.blocks)

    def problem(self, part: int | None, n_threads: int) -> LinearProblem | None:
        """Loss and data of the rows of one part (None: of all that are named each time); None where there are none."""
        if part not in self._problems:
            parts = self.labels.parts
            chosen = None if part is None or not len(parts) else np.flatnonzero(parts == part)
            self._problems[part] = None if chosen is not None and not len(chosen) else self._made(chosen)
        problem = self._problems[part]
        if problem is not None:
            problem.n_threads = n_threads
        return problem

    def _made(self, rows: np.ndarray | None) -> LinearProblem:
        trained = self.trained
        problem = LinearProblem(
            CheckedRows(self.X, 0, ()),
            self.labels.codes.astype(np.int64),
            trained.loss,
            None,
            n_classes=trained.n_classes,
            rows=rows,
            arithmetic="float64",
            n_jobs=1,
            **trained.options,
        )
        problem.weights = aligned(self.labels.weights)  # scaled over all shards, not over this one
        return problem


def open_to_train(pieces: list[Piece], blocks: list[Any], start: int, labels: Labels, trained: Trained) -> TrainShard:
    """Rows opened where they lie; joined (and so copied) where a shard has several pieces: a gradient walks one array."""
    place = _place(_worker())
    _check_version(trained.version, place)
    if simd.active() != trained.isa:
        raise InputError(
            f"{place} computes with {simd.active()}, another with {trained.isa}, and float32 sums would "
            f"depend on who adds them; set FASTCLS_ISA to one that all have, for all"
        )
    opened = _checked(together(pieces, blocks), start, None)
    X = opened[0] if len(opened) == 1 else np.concatenate(opened)
    return TrainShard(pieces, blocks, start, labels, trained, X)


def active_isa() -> str:
    """The instruction set of this worker."""
    return simd.active()


def count_large(shards: list[TrainShard], numbers: list[int], n_shards: int) -> Nodes:
    """In how many of the shards values are too large for sums in float32."""
    pairs = zip(shards, numbers, strict=True)
    return add_up({(0, i): (np.array(float(has_large(shard.X))),) for shard, i in pairs}, n_shards)


def moments(shards: list[TrainShard], numbers: list[int], n_shards: int, center: np.ndarray | None) -> Nodes:
    """Weighted sums over the rows to train on: of features and weights; or, with a center, of squared distances to it."""

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

    nodes: Nodes = _with_threads(shards[0].trained.n_jobs, work)
    return nodes


@dataclass(frozen=True)
class Call:
    """What one evaluation is asked at: weights as the compiled loops read them, and what is wanted."""

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
    """Sums over the rows of some shards, added as far as the tree allows: totals, gradients by raw weights and biases.

    Parameters
    ----------
    rows : dict, optional
        Of every shard the numbers of a minibatch's rows, counted in the shard.
    """

    def sums_of(shard: TrainShard, number: int, n_threads: int) -> tuple[np.ndarray, ...]:
        some = None if rows is None else aligned(rows[number])
        problem = shard.problem(call.part if rows is None else None, n_threads)
        n_features = shard.X.shape[1]
        if problem is None or (some is not None and not len(some)):
            gradient = np.zeros((len(call.weights) if call.want_gradient else 0, n_features))
            return np.zeros(call.n_models), gradient, np.zeros(len(call.b))
        totals, _, gradient, b_gradient = problem._evaluate(
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

    nodes: Nodes = _with_threads(shards[0].trained.n_jobs, work)
    return nodes


def digest_of(shard: TrainShard) -> str:
    """By which the rows of a shard are known again."""
    return digest(shard.X)


def take_rows(shard: TrainShard, local: np.ndarray) -> np.ndarray:
    """Some rows of a shard."""
    return np.ascontiguousarray(shard.X[local])
