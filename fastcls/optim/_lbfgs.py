"""L-BFGS on the fused gradient."""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import replace
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._runtime import threads
from fastcls._storage.safetensors import expect
from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_callbacks, check_weights
from fastcls._validation.messages import quoted

from ._checkpoint import Checkpoint, State, checked, identity, through_interrupts
from ._monitor import Callbacks, DivergenceError, Monitor, OptimResult, advice_on_scale
from ._preconditioner import N_DIRECTIONS, N_ROWS, Preconditioner, preconditioner_of
from ._quasi_newton import Found, dot, minimize
from ._trial_step import N_TRIAL_ROWS, TrialStep, trial_step_of

logger = logging.getLogger("fastcls")

_TOL = 1e-4


class _Stop(Exception):
    """Ends the descent."""


class _Log:
    """Values and gradients in order of evaluation. A resumed training reads them instead of computing them again."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        self.digests: list[np.ndarray] = []
        self.values: list[float] = []
        self.gradients: list[np.ndarray] = []
        self.at = 0

    def begin(self, identity: dict[str, Any], shape: tuple[int, int]) -> None:
        assert self.checkpoint is not None
        saved = self.checkpoint.begin(identity)
        if saved is not None and "values" in saved[0]:
            arrays, _ = saved
            with self.checkpoint.reading():
                n = len(arrays["values"])
                self.values = expect(arrays, "values", (n,)).tolist()
                self.gradients = list(expect(arrays, "gradients", (n, *shape)))
                self.digests = list(expect(arrays, "digests", (n, 16), ("uint8",)))
        elif saved is None:
            self.checkpoint.offer(lambda: ({"start": np.zeros(1)}, {}), now=True)

    def value_and_gradient(self, problem: LinearProblem, W: np.ndarray) -> tuple[float, np.ndarray]:
        if self.checkpoint is None:
            return problem.value_and_gradient(W)
        asked_for = np.frombuffer(hashlib.blake2b(W.tobytes(), digest_size=16).digest(), dtype=np.uint8)
        if self.at < len(self.values):
            if not np.array_equal(asked_for, self.digests[self.at]):
                raise InputError(
                    f"the checkpoint {quoted(self.checkpoint.path)} was written on a machine whose arithmetic "
                    "differs: resume on that machine, or delete the file to start from the beginning"
                )
        else:
            value, gradient = problem.value_and_gradient(W)
            self.values.append(value)
            self.gradients.append(gradient.copy())
            self.digests.append(asked_for)
            self.checkpoint.offer(self._state)
        self.at += 1
        return self.values[self.at - 1], self.gradients[self.at - 1].copy()

    def end(self) -> None:
        if self.checkpoint is not None and self.values:
            self.checkpoint.offer(self._state, now=True)

    def _state(self) -> State:
        arrays = {"values": np.array(self.values), "gradients": np.array(self.gradients), "digests": np.array(self.digests)}
        return arrays, {}


class LBFGS:
    """Limited-memory BFGS, for differentiable losses with an L2 penalty or no penalty.

    Parameters
    ----------
    max_iter : int
        Iterations.
    tol : float, optional
        Stop when no entry of the gradient is larger. It bounds the distance to the optimum, and so the distance between two
        fits that differ by rounding only: the norm of the gradient over 2 alpha. None: 1e-4.
    callbacks : callable or list of them, optional
        Called with a `Progress` after each iteration; True ends the training. A resumed training calls them again for the
        iterations before the checkpoint.
    checkpoint : Checkpoint, optional
        File for the state, from which an interrupted training resumes. Every value and gradient is kept and replayed: 8
        bytes per entry of W and iteration, in memory and in the file.
    """

    def __init__(
        self,
        max_iter: int = 200,
        tol: float | None = None,
        *,
        callbacks: Callbacks = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.max_iter = int(check_number("max_iter", max_iter, minimum=1, whole=True))
        self.tol = _TOL if tol is None else float(check_number("tol", tol, minimum=0))
        self.callbacks = check_callbacks(callbacks)
        self.checkpoint = checked(checkpoint)

    def minimize(self, problem: LinearProblem, W: np.ndarray, validation: LinearProblem | None = None) -> OptimResult:
        """Descend from W, which is not changed; `validation` as for `SGD`.

        Where float32 can no longer distinguish a better W from a worse one, the descent continues in float64, and this is
        logged. Where float64 cannot either, it continues on differences of the value computed from the gradients, which have
        more digits: near the optimum, rounding of the value itself hides half of the gradient's digits.

        Parameters
        ----------
        problem : LinearProblem
        W : array of the problem's shape
            The start.
        validation : LinearProblem, optional
            Held-out rows, whose value is computed after each iteration.

        Returns
        -------
        OptimResult

        Raises
        ------
        InputError
            If the loss has kinks, or the penalty is not L2.
        DivergenceError
            If the loss becomes infinite or NaN.
        """
        if not problem.loss.is_differentiable or problem.l1 or math.isfinite(problem.max_norm):
            raise InputError(
                f"L-BFGS cannot minimise loss={problem.loss.name!r} with penalty={problem.penalty!r}: it needs a "
                "loss without kinks, and l2 or no penalty; use SGD or GradientDescent"
            )
        problem, W = problem.counted().keeping_arrays(), check_weights(W, problem.shape, problem.fit_intercept)
        log = _Log(self.checkpoint)
        if self.checkpoint is not None:
            log.begin(
                {
                    "solver": "LBFGS",
                    "max_iter": self.max_iter,
                    "tol": self.tol,
                    "preconditioner": [N_ROWS, N_DIRECTIONS],
                    "trial_rows": N_TRIAL_ROWS,
                    **identity(problem, W, validation, None),
                },
                problem.shape,
            )
        monitor = Monitor(self.max_iter, None, self.callbacks, validation)
        with through_interrupts(self.checkpoint):
            found = self._minimize(problem, W, monitor, log)
        # If no W is better by differences either, and the gradient is small, this is the optimum.
        slope = math.inf if monitor.stopped_by != "max_iter" else float(np.abs(found.gradient).max())
        converged = slope <= self.tol or (self._is_stuck(found) and slope <= max(self.tol, 1e-6))
        stopped_by = "tol" if converged else "line_search" if self._is_stuck(found) else monitor.stopped_by
        result = monitor.result(found.x.reshape(problem.shape), None)
        has_last_gradient = monitor.stopped_by == "max_iter" and monitor.best_W is None
        return replace(
            result,
            converged=converged,
            stopped_by=stopped_by,
            gradient_norm=_norm(found.gradient) if has_last_gradient else result.gradient_norm,
        )

    def _minimize(self, problem: LinearProblem, W: np.ndarray, monitor: Monitor, log: _Log) -> Found:
        """The arithmetic of the problem, a copy, may have changed to float64."""
        # The limit is here, because to set it takes as long as an evaluation of a small problem.
        with np.errstate(over="ignore"), threads.one_blas_thread():
            return self._minimize_in_steps(problem, W, monitor, log, preconditioner_of(problem), trial_step_of(problem))

    def _minimize_in_steps(
        self,
        problem: LinearProblem,
        W: np.ndarray,
        monitor: Monitor,
        log: _Log,
        preconditioner: Preconditioner | None,
        trial: TrialStep | None,
    ) -> Found:
        found = self._descend(problem, W, monitor, log, preconditioner, trial)
        if self._is_stuck(found) and problem.arithmetic == "float32":
            logger.debug("L-BFGS: float32 is too coarse after %d iterations; continuing in float64", len(monitor.losses))
            problem.arithmetic = "float64"
            found = self._descend(problem, found.x.reshape(problem.shape), monitor, log, preconditioner, trial)
        if self._is_stuck(found):
            found = self._descend(
                problem, found.x.reshape(problem.shape), monitor, log, preconditioner, trial, by_differences=True
            )
        log.end()
        return found

    def _is_stuck(self, found: Found) -> bool:
        """Whether no step was found although the gradient is above `tol`."""
        return found.ended_by == "stuck"

    def _descend(
        self,
        problem: LinearProblem,
        W: np.ndarray,
        monitor: Monitor,
        log: _Log,
        preconditioner: Preconditioner | None,
        trial: TrialStep | None,
        by_differences: bool = False,
    ) -> Found:
        last: list[np.ndarray] = [W]
        offset, slope_at_W = 0.0, np.zeros(0)
        if by_differences:
            offset, gradient = log.value_and_gradient(problem, W)
            slope_at_W = gradient.ravel().copy()

        def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = log.value_and_gradient(problem, flat.reshape(problem.shape))
            if not math.isfinite(value):
                raise DivergenceError(
                    f"the loss is {value} at iteration {len(monitor.losses)} of L-BFGS: scale the data "
                    f"down{advice_on_scale(problem)}"
                )
            slope = gradient.ravel()
            if by_differences:  # trapezoid rule: of third order in the distance from W, exact where L is quadratic
                value = 0.5 * dot(slope_at_W + slope, flat - W.ravel())
            return value, slope

        def note(flat: np.ndarray, value: float, gradient: np.ndarray) -> None:
            last[0] = flat.reshape(problem.shape)
            if monitor.is_over(offset + value, lambda: last[0].copy(), _norm(gradient)):
                raise _Stop

        left = max(1, self.max_iter - len(monitor.losses))
        try:
            return minimize(value_and_gradient, W.ravel(), left, self.tol, note, problem.n_threads, preconditioner, trial)
        except _Stop:
            return Found(last[0].ravel().copy(), math.nan, np.zeros(0), "callback")


def _norm(gradient: np.ndarray) -> float:
    """The Euclidean norm, also of entries whose squares overflow or underflow."""
    squares = dot(gradient, gradient)
    if math.isfinite(squares) and squares > 0.0:
        return math.sqrt(squares)
    largest = float(np.abs(gradient).max())
    return largest * math.sqrt(dot(gradient / largest, gradient / largest)) if 0.0 < largest < math.inf else largest
