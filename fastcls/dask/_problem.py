"""The function that training minimises, summed over shards on workers, and its descent by minibatches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem, padded
from fastcls._gradient.scaling import scale_of
from fastcls._storage.safetensors import expect
from fastcls._validation.errors import InputError
from fastcls._validation.rows import CheckedRows
from fastcls._validation.types import BFLOAT16
from fastcls._version import __version__
from fastcls.optim import State, divergence

from .. import simd
from . import _tasks
from ._merge import Nodes, merge_nodes, total_of
from ._sources import Source, detach_blocks
from ._workers import Workers

_IN_TASKS = 1 << 16  # bytes of an argument that travels inside every task; larger ones are scattered
_MERGED_HERE = 1 << 22  # bytes of all workers' sums that the client merges itself: a merge on workers takes some 10 ms more


class SharedRows:
    """Training rows on workers, with their labels; takes the place of the checked rows of one process.

    Parameters
    ----------
    client : distributed.Client
    source : Source
    n_shards : int
        The rounding of sums depends only on this number and the rows.
    labels : _tasks.Labels
        Of all rows.
    held_out : ndarray or None
        The array of validation row numbers: this object itself means the validation rows; any other, or None, means the
        training rows.
    """

    def __init__(
        self,
        client: Any,
        source: Source,
        n_shards: int,
        labels: _tasks.Labels,
        held_out: np.ndarray | None,
        loss: str,
        options: dict[str, Any],
        n_classes: int,
        n_jobs: int | None,
    ) -> None:
        self.source = source
        self.labels = labels
        self.held_out = held_out
        self.bounds = np.array(source.bounds(n_shards))
        runs = [source.run(start, stop) for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True)]
        isas = sorted(set(client.run(_tasks.active_isa, on_error="ignore").values()))  # a worker may die here
        if len(isas) > 1:
            raise InputError(
                f"the workers use the instruction sets {' and '.join(isas)}, so float32 sums would depend on the worker: "
                "set FASTCLS_ISA to the same set on all workers"
            )
        self.isa = isas[0] if isas else simd.active()
        options_of_all = _tasks.TrainingOptions(__version__, loss, options, n_classes, n_jobs, self.isa)

        def open_shard(workers: Workers, i: int, owner: str) -> tuple[Any, Any]:
            bare, blocks = detach_blocks(runs[i], partial(workers.send, owner))
            own = workers.send(owner, labels.run(self.bounds[i], self.bounds[i + 1]))
            start = int(self.bounds[i])
            return workers.submit_at(owner, _tasks.open_to_train, bare, blocks, start, own, options_of_all), (own, blocks)

        self.workers = Workers(client, n_shards, open_shard, source.holders(runs, client))

    @property
    def rows(self) -> SharedRows:
        """Itself: `CheckedRows` has this attribute too."""
        return self

    def __len__(self) -> int:
        return len(self.source)

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        return self.source.dtype

    def sums(self, function: Callable[..., Nodes], *args: Any, rows: dict[int, np.ndarray] | None = None) -> Any:
        """Sums over all shards, by one task per worker, merged; the `rows` of a shard are sent to its owner only."""
        workers = self.workers
        n_shards = workers.n_shards

        n_bytes = sum(getattr(arg, "nbytes", 0) for arg in args)  # of the weights; a gradient has up to twice as many

        def submit() -> list[Any]:
            large = n_bytes > _IN_TASKS
            sent = [workers.broadcast(arg) if large and getattr(arg, "nbytes", 0) else arg for arg in args]
            parts = []
            for owner, numbers in workers.by_owner().items():
                own: tuple[Any, ...] = ()
                if rows is not None:
                    some = {i: rows[i] for i in numbers}
                    own = (workers.send(owner, some) if sum(a.nbytes for a in some.values()) > _IN_TASKS else some,)
                shards = [workers.shards[i] for i in numbers]
                parts.append(workers.submit_at(owner, function, shards, numbers, n_shards, *sent, *own))
            if 2 * n_bytes * len(parts) <= _MERGED_HERE:
                return parts
            return [workers.merged(parts, partial(merge_nodes, n_shards=n_shards))]

        return total_of(reduce(partial(merge_nodes, n_shards=n_shards), workers.round_trip(submit).results()))

    def split(self, numbers: np.ndarray) -> dict[int, np.ndarray]:
        """Row numbers by shard, counted within the shard, in the given order."""
        of = np.searchsorted(self.bounds[1:], numbers, side="right")
        return {i: (numbers[of == i] - self.bounds[i]).astype(np.uint32) for i in range(self.workers.n_shards)}

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        """Rows by their numbers, fetched into this process."""
        workers, of_shards = self.workers, self.split(numbers)

        def submit() -> list[Any]:
            return [workers.submit(i, _tasks.take_rows, local) for i, local in of_shards.items() if len(local)]

        found = np.concatenate(workers.round_trip(submit).results())
        out, of = np.empty_like(found), np.searchsorted(self.bounds[1:], numbers, side="right")
        out[np.argsort(of, kind="stable")] = found
        return out

    def center_and_scale(self, center: bool, scale: bool) -> tuple[np.ndarray, float]:
        """As `_gradient.scaling.center_and_scale`, over the training rows."""
        mean, total = np.zeros(self.shape[1]), None
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            if center:
                sums, weight = self.sums(_tasks.moments, None)
                mean = sums / weight
            if scale:
                squares, weight = self.sums(_tasks.moments, mean)
                total = float(squares / weight)
        return mean, scale_of(mean, total, self.dtype)


class ShardedProblem(LinearProblem):
    """A `LinearProblem` over rows in shards on workers; only sums travel to the client.

    Only the sums over rows differ from the base class, so optimisers see no difference. Parameters are those of
    `LinearProblem`, with `SharedRows` as X; `rows` are the training rows or the validation rows.
    """

    X: Any

    def __init__(
        self,
        shared: SharedRows,
        rows: np.ndarray | None,
        *,
        loss: str,
        options: dict[str, Any],
        n_classes: int,
        penalty: str | None,
        alpha: float,
        l1_ratio: float,
        max_norm: float | None,
        fit_intercept: bool,
        center: Any,
        scale: Any,
    ) -> None:
        self._set_terms(loss, options, penalty, alpha, l1_ratio, max_norm)
        self.X = self.shared = shared
        self.y = shared.labels.codes
        self.n_features, self.n_classes = shared.shape[1], n_classes
        self.rows = rows
        self.n_samples = len(shared) if rows is None else len(rows)
        self.weights = shared.labels.weights
        self.part = 1 if rows is not None and rows is shared.held_out else 0
        self._set_space(fit_intercept, False, center, scale)
        wide = shared.dtype == np.float64 or self._is_far_out()
        wide = wide or (shared.dtype in (np.float32, BFLOAT16) and float(shared.sums(_tasks.count_large)[0]) > 0)
        self.arithmetic = "float64" if wide else "float32"
        self._sample: tuple[np.ndarray, LinearProblem] | None = None
        self.n_threads = 1  # of what the client computes itself

    @property
    def descent(self) -> type[ShardedDescent]:
        """The class by which SGD and gradient descent take their steps."""
        return ShardedDescent

    def identity(self) -> dict[str, Any]:
        """As the base class, plus what the last bits of sums depend on."""
        shared = self.shared
        return {"n_shards": shared.workers.n_shards, "instruction set of the workers": shared.isa, **super().identity()}

    def _digest_of_rows(self) -> list[str]:
        workers = self.shared.workers
        return workers.round_trip(lambda: [workers.submit(i, _tasks.digest_of) for i in range(workers.n_shards)]).results()

    def evaluate(
        self,
        weights: np.ndarray,
        b: np.ndarray,
        rows: Any,
        *,
        n_models: int = 1,
        want_losses: bool = False,
        want_gradient: bool = False,
        loss_code: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if want_losses:
            raise ValueError("a ShardedProblem has no losses of single rows: build a LinearProblem over those rows")
        call = _tasks.Call(weights, b, n_models, want_gradient, loss_code, self.part)
        some = None if rows is None else self.shared.split(self.row_numbers(rows)[0])
        totals, gradient, b_gradient = self.shared.sums(_tasks.evaluate, call, rows=some)
        padded_gradient = np.zeros((len(gradient), padded(self.n_features)))
        padded_gradient[:, : self.n_features] = gradient
        return totals, np.empty((0, n_models)), padded_gradient, b_gradient

    def second_moment_times(self, v: np.ndarray, rows: Any) -> np.ndarray:
        """As the base class, on a local copy of these rows: finding a learning rate takes many products of a few hundred."""
        numbers = self.row_numbers(rows)[0]
        if self._sample is None or not np.array_equal(self._sample[0], numbers):
            local = LinearProblem(
                CheckedRows(self.shared[numbers], 0, ()),
                np.zeros(len(numbers), dtype=np.int64),
                self.loss.name,
                None,
                n_classes=self.n_classes,
                fit_intercept=self.fit_intercept,
                center=self.center,
                scale=self.scale,
                sample_weight=self.weights[numbers] if len(self.weights) else None,
                arithmetic=self.arithmetic,
                **self.loss_options,
            )
            self._sample = numbers, local
        return self._sample[1].second_moment_times(v, None)


class ShardedDescent:
    """Descent in float64 steps on the client: the counterpart of `optim._descent.Descent` in one process.

    A step follows the rule of `_simd/linear/descent.h`, in the centred, scaled space. `velocity` is the last step or, with
    Nesterov, the last point before the look-ahead.
    """

    last_rate = float("nan")

    def __init__(
        self,
        problem: ShardedProblem,
        Ws: Sequence[np.ndarray],
        strengths: Sequence[tuple[float, float, float]],
        momentum: float,
        nesterov: bool,
        largest_batch: int,
    ) -> None:
        self.problem, self.momentum, self.nesterov = problem, float(momentum), bool(nesterov)
        self.weights = np.array(Ws[0], dtype=np.float64)
        self.velocity = self.weights.copy() if nesterov else np.zeros_like(self.weights)
        self.steps = 0

    def run(
        self,
        order: np.ndarray,
        bounds: np.ndarray,
        rates: np.ndarray,
        *,
        before: np.ndarray,
        after: Callable[[np.ndarray], None],
    ) -> np.ndarray:
        """Take one step for each minibatch `order[bounds[i]:bounds[i + 1]]`; returns the losses before them, (n_steps, 1).

        `before` holds the losses of the steps taken already. `after` is called between two steps with the losses so far.

        Raises
        ------
        DivergenceError
            If the loss becomes infinite or NaN.
        """
        n_steps = len(bounds) - 1
        values = np.concatenate([before, np.zeros((n_steps - len(before), 1))])
        for at in range(len(before), n_steps):
            start, stop = bounds[at : at + 2]
            batch = None if stop - start == self.problem.n_samples else order[start:stop]
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                values[at] = self._step(batch, int(stop - start), float(rates[at, 0]))
            self.steps += 1
            if not (np.isfinite(values[at, 0]) and np.isfinite(self.weights).all()):
                rate = float(rates[at, 0]) or self.last_rate
                raise divergence(self.problem, float(values[at, 0]), self.steps - 1, rate)
            if at + 1 < n_steps:
                after(values[: at + 1])
        return values

    def state(self) -> State:
        """The state for a checkpoint: weights and velocity."""
        return {"weights": self.weights, "velocity": self.velocity}, {"steps": self.steps}

    def restore(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.weights, self.velocity = (expect(arrays, name, self.problem.shape) for name in ("weights", "velocity"))
        self.steps = int(values["steps"])

    def _step(self, batch: np.ndarray | None, n_rows: int, rate: float) -> float:
        problem, W = self.problem, self.weights
        value = problem.penalty_value(W)
        mean, gradient = problem.mean_and_gradient(W, batch, n_rows)
        moved = W - rate * gradient
        if not self.nesterov:
            moved += self.momentum * self.velocity
        penalized = problem.penalized(moved)
        if problem.l1:
            penalized[...] = np.sign(penalized) * np.maximum(np.abs(penalized) - rate * problem.l1, 0.0)
        if self.nesterov:
            self.weights = moved + self.momentum * (moved - self.velocity)
            self.velocity = moved
        else:
            self.velocity = moved - W
            self.weights = moved
        if np.isfinite(problem.max_norm):
            inner = problem.penalized(self.weights)
            norms = np.sqrt((inner * inner).sum(axis=1, keepdims=True))
            inner *= np.minimum(1.0, problem.max_norm / np.maximum(norms, np.finfo(float).tiny))
        return mean + value

    def W(self, model: int = 0) -> np.ndarray:
        """The current weights."""
        return self.problem.projected((self.velocity if self.nesterov else self.weights).copy())
