"""Gradient descent on minibatches or on all rows: the loop around the compiled steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fastcls._gradient import descent_loops, loops
from fastcls._gradient.problem import LinearProblem
from fastcls._storage.safetensors import expect
from fastcls._validation.base import RandomState, check_fraction, check_number, check_random_state, check_switch, one_of
from fastcls._validation.linear import check_callbacks, check_weights
from fastcls._validation.rows import as_bytes, storage_of

from ._checkpoint import (
    Checkpoint,
    State,
    checked,
    identity,
    of_random_state,
    set_random_state,
    through_interrupts,
)
from ._monitor import Callbacks, DivergenceError, Monitor, OptimResult, advice_on_scale, auto_rate
from ._schedules import SCHEDULES

# Multiply-adds of one compiled call, about 50 ms: between two calls Python runs, so that Ctrl-C works.
_WORK_PER_CALL = 4_000_000_000


class Descent:
    """State of the descent of one or several models, in the layout of the compiled loop.

    Parameters
    ----------
    problem : LinearProblem
    Ws : list of arrays of the problem's shape
    strengths : sequence of (l1, l2, max_norm)
        Penalty of each model.
    largest_batch : int
    """

    def __init__(
        self,
        problem: LinearProblem,
        Ws: Sequence[np.ndarray],
        strengths: Sequence[tuple[float, float, float]],
        momentum: float,
        nesterov: bool,
        largest_batch: int,
    ) -> None:
        self.problem = problem
        self.momentum = float(momentum)
        self.nesterov = bool(nesterov)
        self.n_models = len(Ws)
        self.weights, b_raw = problem.packed(list(Ws))
        columns, stride = self.weights.shape
        self.velocity = self.weights.copy() if nesterov else np.zeros_like(self.weights)
        self.biases = np.zeros((4, columns))
        if problem.fit_intercept:
            self.biases[0] = np.concatenate([np.asarray(W)[:, -1] for W in Ws])
            self.biases[1] = self.biases[0] if nesterov else 0.0
        self.biases[2] = b_raw
        self.features = np.zeros((3, stride))
        self.features[1] = 1.0
        self.features[0, : problem.n_features] = problem.center
        self.features[1, : problem.n_features] = problem.scale
        self.features[2, : problem.n_features] = 1.0 / np.square(problem.scale)
        l1, l2, norms = np.array(strengths, dtype=np.float64).T
        self.penalties = np.ascontiguousarray([l2, l1, norms])
        one_tile = largest_batch <= problem.tile_rows(self.n_models)
        self.gradient = np.zeros((0 if one_tile else columns, stride))
        self.parts = np.zeros(columns * (stride // loops.STRIP_FEATURES + 1) * 3)
        self.scratch = problem.scratch(self.n_models)
        self.alive = np.ones(self.n_models, dtype=bool)
        self.steps = 0
        self._call(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.ones((1, self.n_models)))

    def _call(self, order: np.ndarray, bounds: np.ndarray, rates: np.ndarray) -> tuple[int, np.ndarray]:
        problem = self.problem
        values = np.zeros((len(bounds) - 1, self.n_models))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            done = descent_loops.descend(
                as_bytes(problem.X),
                storage_of(problem.X),
                order,
                bounds,
                problem.y,
                problem.weights,
                as_bytes(self.weights),
                as_bytes(self.velocity),
                loops.REALS[problem.arithmetic],
                self.biases,
                self.features,
                self.n_models,
                problem.loss.code,
                problem.options,
                rates,
                self.penalties,
                self.momentum,
                self.nesterov,
                problem.fit_intercept,
                problem.penalize_intercept,
                self.gradient,
                self.parts,
                values,
                self.scratch,
                problem.n_threads,
            )
        return done, values

    def run(
        self,
        order: np.ndarray,
        bounds: np.ndarray,
        rates: np.ndarray,
        *,
        before: np.ndarray | None = None,
        after: Callable[[np.ndarray], None] | None = None,
    ) -> np.ndarray:
        """One step per minibatch `order[bounds[i]:bounds[i + 1]]`; losses before each step, (n_steps, n_models).

        Parameters
        ----------
        before : array (n_steps_done, n_models), optional
            Losses of the first minibatches, whose steps are already done.
        after : callable, optional
            Called between two chunks of work with the losses so far.

        Raises
        ------
        DivergenceError
            If the loss of a single model becomes infinite or NaN. Among several models, those that diverge get infinite
            losses from then on, and weights of 0.
        """
        problem = self.problem
        if problem.rows is not None:
            order = problem.rows[order]
        n_steps = len(bounds) - 1
        values = np.full((n_steps, self.n_models), math.inf)
        work = 4 * self.weights.size * max(1, len(order) // max(1, n_steps))
        per_call = max(1, _WORK_PER_CALL // work)
        rates = np.where(self.alive, rates, 0.0)
        at = 0 if before is None else len(before)
        values[:at] = 0.0 if before is None else before
        while at < n_steps:
            end = min(at + per_call, n_steps)
            done, found = self._call(order, bounds[at : end + 1], np.ascontiguousarray(rates[at:end]))
            values[at : at + done] = np.where(self.alive, found[:done], math.inf)
            self.steps += done
            at += done
            if not self._stop_diverged(values[at - 1]):
                rates = np.where(self.alive, rates, 0.0)
                if self.n_models == 1:
                    rate = float(rates.max(initial=0.0)) or self.last_rate
                    raise divergence(problem, values[at - 1, 0], self.steps - 1, rate)
            if after is not None and at < n_steps:
                after(values[:at])
        return values

    def state(self) -> State:
        """Weights, velocity, and what the next step needs from the last one."""
        arrays = {name: getattr(self, name) for name in ("weights", "velocity", "biases", "parts")}
        return arrays, {"steps": self.steps}

    def restore(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        for name in ("weights", "velocity", "biases", "parts"):
            getattr(self, name)[:] = expect(arrays, name, getattr(self, name).shape, (getattr(self, name).dtype.name,))
        self.steps = int(values["steps"])

    last_rate = math.nan

    def _stop_diverged(self, values: np.ndarray) -> bool:
        """Whether all models are finite. Among several, the others get weights of 0 and stay there."""
        C = self.problem.n_classes
        squares = self.parts[-self.weights.shape[0] * 3 :].reshape(-1, C, 3)[:, :, 1].sum(axis=1)
        biases = self.biases[0].reshape(-1, C).sum(axis=1)
        is_finite = np.isfinite(squares) & np.isfinite(biases) & (np.isfinite(values) | ~self.alive)
        if is_finite.all():
            return True
        if self.n_models > 1:
            for m in np.flatnonzero(~is_finite):
                part = slice(m * C, (m + 1) * C)
                self.weights[part] = 0
                self.velocity[part] = 0
                self.biases[:, part] = 0
                self.alive[m] = False
            self._call(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.ones((1, self.n_models)))
        return False

    def W(self, model: int = 0) -> np.ndarray:
        """Current weights of a model, in the problem's shape."""
        problem, C = self.problem, self.problem.n_classes
        part = slice(model * C, (model + 1) * C)
        raw = (self.velocity if self.nesterov else self.weights)[part, : problem.n_features]
        W = np.empty(problem.shape)
        W[:, : problem.n_features] = raw.astype(np.float64) * problem.scale
        if problem.fit_intercept:
            W[:, -1] = self.biases[1 if self.nesterov else 0, part]
        # With Nesterov, the compiled loop projects the look-ahead point only.
        return problem.projected(W) if self.nesterov else W


def _joined(descent: Descent, monitor: Monitor, done: np.ndarray, **others: Any) -> State:
    """State of a whole training. `done`: losses of the minibatches of an unfinished epoch."""
    (of_descent, descent_values), (of_monitor, monitor_values) = descent.state(), monitor.state()
    arrays = {**of_descent, **of_monitor, **({"done": done} if len(done) else {})}
    return arrays, {"descent": descent_values, "monitor": monitor_values, **others}


def divergence(problem: LinearProblem, loss: float, step: int, rate: float) -> DivergenceError:
    """Error for a loss or weights that are not finite."""
    what = "the weights are no longer finite after" if math.isfinite(loss) else f"the loss is {loss} at"
    return DivergenceError(
        f"{what} step {step}: learning_rate={rate:.3g} is too large for this data; use "
        f'"auto" or a smaller one{advice_on_scale(problem)}'
    )


def _bounds(n: int, batch_size: int) -> np.ndarray:
    """Bounds of the minibatches; their sizes differ by at most one row."""
    n_batches = math.ceil(n / batch_size)
    return np.array([n * at // n_batches for at in range(n_batches + 1)], dtype=np.int64)


def _strengths(problem: LinearProblem) -> tuple[float, float, float]:
    return problem.l1, problem.l2, problem.max_norm


def descend_many(
    problem: LinearProblem,
    Ws: Sequence[np.ndarray],
    strengths: Sequence[tuple[float, float, float]],
    rates: Sequence[float],
    *,
    max_iter: int,
    batch_size: int,
    schedule: str = "cosine",
    momentum: float = 0.9,
    nesterov: bool = False,
    random_state: Any = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Train several models together, as more columns of one pass over the rows.

    Parameters
    ----------
    problem : LinearProblem
        Loss and data of all models; its own penalty is not used.
    Ws, strengths, rates : sequences, one entry per model
        Starts, (l1, l2, max_norm) and first learning rates.
    max_iter : int
        Epochs.
    batch_size : int
    schedule, momentum, nesterov
        As for `SGD`.
    random_state : int, RandomState or None
        Order of the rows.

    Returns
    -------
    Ws : list of arrays
        Zeros for a model that diverged.
    losses : float64 array (n_models,)
        Mean loss of the last epoch; infinite for a model that diverged.
    """
    random_state, problem = check_random_state(random_state), problem.counted()
    bounds = _bounds(problem.n_samples, batch_size)
    descent = Descent(problem, Ws, strengths, momentum, nesterov, int(np.diff(bounds).max()))
    losses = np.full(len(Ws), math.inf)
    for epoch in range(max_iter):
        factors = _factors(schedule, epoch, max_iter, len(bounds) - 1)
        values = descent.run(random_state.permutation(problem.n_samples), bounds, factors[:, None] * np.asarray(rates))
        losses = np.ascontiguousarray(values.T).mean(axis=1)  # one order of summation for any number of models
    return [descent.W(m) for m in range(len(Ws))], losses


def _factors(schedule: str, epoch: int, max_iter: int, n_batches: int) -> np.ndarray:
    factor = SCHEDULES[schedule]
    return np.array([factor((epoch + at / n_batches) / max_iter, epoch + at / n_batches) for at in range(n_batches)])


class SGD:
    """Minibatch gradient descent.

    Each epoch visits every row once, in a new random order; minibatches differ by at most one row in size.

    Parameters
    ----------
    max_iter : int
        Epochs.
    batch_size : int
    learning_rate : float or "auto"
        Of the first step. "auto" is 1 / :func:`curvature`.
    schedule : {"cosine", "constant", "step", "inverse_scaling"}
        How the learning rate decreases during training; see ``fastcls.optim.SCHEDULES``.
    momentum : float
        Momentum coefficient in [0, 1); 0 is plain gradient descent.
    nesterov : bool
        Nesterov momentum: evaluate the gradient at the look-ahead point.
    tol : float or None
        Stop when the loss has not fallen below the best by the relative `tol` for five epochs. None: run all `max_iter`
        epochs.
    random_state : int, RandomState or None
    callbacks : callable or list of them, optional
        Called with a `Progress` after each epoch; True ends the training.
    checkpoint : Checkpoint, optional
        File for the state, from which an interrupted training resumes.
    """

    _shuffles = True

    def __init__(
        self,
        max_iter: int = 20,
        batch_size: int = 256,
        learning_rate: float | str = "auto",
        tol: float | None = None,
        random_state: RandomState = None,
        *,
        schedule: str = "cosine",
        momentum: float = 0.9,
        nesterov: bool = False,
        callbacks: Callbacks = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.max_iter = int(check_number("max_iter", max_iter, minimum=1, whole=True))
        self.batch_size = int(check_number("batch_size", batch_size, minimum=1, whole=True))
        if isinstance(learning_rate, str):
            one_of("learning_rate", learning_rate, ["auto"], also=", or a number above 0")
        else:
            check_number("learning_rate", learning_rate, minimum=0, strict=True)
        self.learning_rate = learning_rate
        self.tol = tol if tol is None else check_number("tol", tol, minimum=0)
        self.random_state = random_state
        self.schedule = one_of("schedule", schedule, SCHEDULES)
        self.momentum = check_fraction("momentum", momentum)
        self.nesterov = check_switch("nesterov", nesterov)
        self.callbacks = check_callbacks(callbacks)
        self.checkpoint = checked(checkpoint)

    def minimize(self, problem: LinearProblem, W: np.ndarray, validation: LinearProblem | None = None) -> OptimResult:
        """Descend from W, which is not changed.

        Parameters
        ----------
        problem : LinearProblem
        W : array of the problem's shape
        validation : LinearProblem, optional
            The same loss on held-out rows: training stops when it has not fallen for five epochs, and the result is the W
            that was best on it.

        Returns
        -------
        OptimResult

        Raises
        ------
        DivergenceError
            If the loss becomes infinite or NaN; the message names the step and the learning rate.
        """
        problem, W = problem.counted(), check_weights(W, problem.shape, problem.fit_intercept)
        with through_interrupts(self.checkpoint):
            return self._minimize(problem, W, validation)

    def _minimize(self, problem: LinearProblem, W: np.ndarray, validation: LinearProblem | None) -> OptimResult:
        random_state = check_random_state(self.random_state)
        saved = None
        if self.checkpoint is not None:
            saved = self.checkpoint.begin(self._identity(problem, W, validation, random_state))
        n = problem.n_samples
        batch_size = min(self.batch_size, n) if self._shuffles else n
        rate = self.learning_rate
        if isinstance(rate, str):
            rate = auto_rate(problem, batch_size, random_state)
        bounds = _bounds(n, batch_size)
        # A problem whose rows are on other machines has its own descent.
        descent = getattr(problem, "descent", Descent)(
            problem, [W], [_strengths(problem)], self.momentum, self.nesterov, int(np.diff(bounds).max())
        )
        descent.last_rate = float(rate)
        monitor = Monitor(self.max_iter, self.tol, self.callbacks, validation)
        first, drawn_by, done = 0, of_random_state(random_state), np.zeros((0, 1))

        def keep(epoch: int, done: np.ndarray, now: bool = False) -> None:
            if self.checkpoint is not None:
                self.checkpoint.offer(lambda: _joined(descent, monitor, done, epoch=epoch, random_state=drawn_by), now=now)

        if saved is not None:
            assert self.checkpoint is not None
            arrays, values = saved
            with self.checkpoint.reading():
                descent.restore(arrays, values["descent"])
                monitor.restore(arrays, values["monitor"], problem.shape)
                first = int(values["epoch"])
                done = expect(arrays, "done", (None, 1)) if "done" in arrays else done
                if not (0 <= first <= self.max_iter and len(done) < len(bounds)):
                    raise ValueError(f"epoch {first}, {len(done)} minibatches")
                set_random_state(random_state, values["random_state"])
        else:
            keep(0, done, now=True)
        for epoch in range(first, self.max_iter if monitor.stopped_by == "max_iter" else first):
            drawn_by = of_random_state(random_state) if self.checkpoint is not None else []
            order = random_state.permutation(n) if self._shuffles else np.arange(n)
            factors = _factors(self.schedule, epoch, self.max_iter, len(bounds) - 1)
            rates = float(rate) * factors[:, None]
            losses = descent.run(order, bounds, rates, before=done, after=partial(keep, epoch))
            is_over, done = monitor.is_over(float(losses.mean()), descent.W), done[:0]
            drawn_by = of_random_state(random_state) if self.checkpoint is not None else []
            keep(epoch + 1, done, now=is_over or epoch + 1 == self.max_iter)
            if is_over:
                break
        return monitor.result(descent.W(), float(rate))

    def _identity(
        self, problem: LinearProblem, W: np.ndarray, validation: LinearProblem | None, random_state: np.random.RandomState
    ) -> dict[str, Any]:
        names = ("max_iter", "batch_size", "learning_rate", "tol", "schedule", "momentum", "nesterov")
        return {
            "solver": type(self).__name__,
            **{name: getattr(self, name) for name in names},
            **identity(problem, W, validation, random_state),
        }


class GradientDescent(SGD):
    """Gradient descent with all rows in every step.

    Parameters
    ----------
    max_iter : int
        Iterations.
    learning_rate, tol, random_state, schedule, momentum, nesterov, callbacks, checkpoint
        As for `SGD`.
    """

    _shuffles = False

    def __init__(
        self,
        max_iter: int = 300,
        learning_rate: float | str = "auto",
        tol: float | None = None,
        random_state: RandomState = None,
        *,
        schedule: str = "constant",
        momentum: float = 0.9,
        nesterov: bool = False,
        callbacks: Callbacks = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        super().__init__(
            max_iter,
            1,
            learning_rate,
            tol,
            random_state,
            schedule=schedule,
            momentum=momentum,
            nesterov=nesterov,
            callbacks=callbacks,
            checkpoint=checkpoint,
        )
