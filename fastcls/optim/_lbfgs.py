"""L-BFGS: SciPy's, on the fused gradient."""

from __future__ import annotations

import hashlib
import logging
import math
from typing import Any

import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

from fastcls._gradient.problem import LinearProblem
from fastcls._storage.safetensors import expect
from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_callbacks, check_weights
from fastcls._validation.messages import shown

from ._checkpoint import Checkpoint, State, checked, identity, through_interrupts
from ._monitor import DivergenceError, OptimResult, Watch

logger = logging.getLogger("fastcls")


class _Stop(Exception):
    pass


class _Log:
    """What a problem has answered, in order: asked the same again, it is read, not computed."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        self.asked: list[np.ndarray] = []
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
                self.asked = list(expect(arrays, "asked", (n, 16), ("uint8",)))
        elif saved is None:
            self.checkpoint.offer(lambda: ({"start": np.zeros(1)}, {}), now=True)

    def value_and_gradient(self, problem: LinearProblem, W: np.ndarray) -> tuple[float, np.ndarray]:
        if self.checkpoint is None:
            return problem.value_and_gradient(W)
        question = np.frombuffer(hashlib.blake2b(W.tobytes(), digest_size=16).digest(), dtype=np.uint8)
        if self.at < len(self.values):
            if not np.array_equal(question, self.asked[self.at]):
                raise InputError(
                    f"the checkpoint {shown(self.checkpoint.path)} was written on a machine whose arithmetic "
                    "differs; go on there, or delete it to start anew"
                )
        else:
            value, gradient = problem.value_and_gradient(W)
            self.values.append(value)
            self.gradients.append(gradient.copy())
            self.asked.append(question)
            self.checkpoint.offer(self._state)
        self.at += 1
        return self.values[self.at - 1], self.gradients[self.at - 1].copy()

    def end(self) -> None:
        if self.checkpoint is not None and self.values:
            self.checkpoint.offer(self._state, now=True)

    def _state(self) -> State:
        arrays = {"values": np.array(self.values), "gradients": np.array(self.gradients), "asked": np.array(self.asked)}
        return arrays, {}


class LBFGS:
    """Limited-memory BFGS, for differentiable losses with an L2 penalty or none.

    Parameters
    ----------
    max_iter : int
        Iterations.
    tol : float
        Stop where no entry of the gradient is larger. It bounds how far from the optimum the descent may end, and so how far
        two fits may be apart that differ by rounding alone: the gradient's norm over 2 alpha.
    callbacks : callable or list of them, optional
        Called with a `Progress` after each iteration; True ends the training. A training that goes on from a checkpoint
        tells of the iterations before it again.
    checkpoint : Checkpoint, optional
        Where the training is kept, to go on after it was broken off. SciPy does not tell its state, so every value and
        gradient is kept, of which it is built anew: 8 bytes an entry of W an iteration, in memory and in the file.
    """

    def __init__(self, max_iter: int = 200, tol: float = 1e-4, *, callbacks=None, checkpoint: Checkpoint | None = None):
        self.max_iter = int(check_number("max_iter", max_iter, minimum=1, whole=True))
        self.tol = float(check_number("tol", tol, minimum=0))
        self.callbacks = check_callbacks(callbacks)
        self.checkpoint = checked(checkpoint)
        self._norms: dict[float, float] = {}  # of the gradients since the last iteration, by the value beside them

    def minimize(self, problem: LinearProblem, W: np.ndarray, validation: LinearProblem | None = None) -> OptimResult:
        """Descend from W (which is left as it is); `validation` as for `SGD`.

        Where float32 arithmetic no longer tells a better W from a worse one, the descent goes on in float64; that is logged.
        Where float64 does not either, it goes on by differences of the value, which the gradients tell to more digits: a
        value is known to its last bit, which near the optimum leaves half of the gradient's digits unused.

        Raises
        ------
        InputError
            For a loss with kinks, or a penalty that is not L2.
        DivergenceError
            When the loss is no longer finite.
        """
        if not problem.loss.is_differentiable or problem.l1 or math.isfinite(problem.max_norm):
            raise InputError(
                f"L-BFGS cannot do loss={problem.loss.name!r} with penalty={problem.penalty!r}: it needs a "
                "loss without kinks, and l2 or no penalty; use SGD or GradientDescent"
            )
        problem, W = problem.counted(), check_weights(W, problem.shape, problem.fit_intercept)
        log = _Log(self.checkpoint)
        if self.checkpoint is not None:
            log.begin(
                {
                    "solver": "LBFGS",
                    "scipy": scipy.__version__,
                    "max_iter": self.max_iter,
                    "tol": self.tol,
                    **identity(problem, W, validation, None),
                },
                problem.shape,
            )
        watch = Watch(self.max_iter, None, self.callbacks, validation)
        kept = problem.arithmetic
        # SciPy's own few products on one thread: BLAS threads that spin between them would take ours' cores, which made
        # an iteration on 63,666 x 384, 58 classes last 135 ms instead of 55.
        limits = threadpool_limits(1, user_api="blas")
        try:
            with through_interrupts(self.checkpoint):
                found = self._minimize(problem, W, watch, log)
        finally:
            problem.arithmetic = kept
            limits.restore_original_limits()
        # Where no W is better by differences either, and the slope is small, this is the optimum.
        slope = math.inf if watch.stopped_by != "max_iter" else float(np.abs(found.jac).max())
        converged = slope <= self.tol or (self._is_stuck(found) and slope <= max(self.tol, 1e-6))
        stopped_by = "tol" if converged else watch.stopped_by
        result = watch.result(found.x.reshape(problem.shape), None)
        return OptimResult(result.W, result.loss_history, result.n_iter, None, converged, result.val_history, stopped_by)

    def _minimize(self, problem: LinearProblem, W: np.ndarray, watch: Watch, log: _Log):
        """SciPy's result; the problem's arithmetic is left as it came to be."""
        found = self._descend(problem, W, watch, log)
        if self._is_stuck(found) and problem.arithmetic == "float32":
            logger.info("L-BFGS: float32 is too coarse after %d iterations; going on in float64", len(watch.losses))
            problem.arithmetic = "float64"
            found = self._descend(problem, found.x.reshape(problem.shape), watch, log)
        if self._is_stuck(found):
            found = self._descend(problem, found.x.reshape(problem.shape), watch, log, by_differences=True)
        log.end()
        return found

    def _is_stuck(self, found) -> bool:
        """Whether SciPy saw no further fall of the value, though the gradient is above `tol`."""
        return found.status in (0, 2) and float(np.abs(found.jac).max()) > self.tol

    def _descend(self, problem: LinearProblem, W: np.ndarray, watch: Watch, log: _Log, by_differences: bool = False):
        last: list[np.ndarray] = [W]
        offset, slope_at_W = 0.0, np.zeros(0)
        if by_differences:
            offset, gradient = log.value_and_gradient(problem, W)
            slope_at_W = gradient.ravel()

        def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = log.value_and_gradient(problem, flat.reshape(problem.shape))
            if not math.isfinite(value):
                raise DivergenceError(
                    f"the loss is {value} at iteration {len(watch.losses)} of L-BFGS: centre and scale "
                    "the data, or scale it down"
                )
            slope = gradient.ravel()
            if by_differences:  # trapezoid rule: of third order in the step, exact where L is quadratic
                value = 0.5 * float((slope_at_W + slope) @ (flat - W.ravel()))
            self._norms[value] = float(np.linalg.norm(gradient))
            return value, slope

        def note(intermediate_result) -> None:
            last[0] = intermediate_result.x.reshape(problem.shape).copy()
            norm = self._norms.get(float(intermediate_result.fun))
            self._norms.clear()
            if watch.is_over(offset + float(intermediate_result.fun), lambda: last[0].copy(), norm):
                raise _Stop

        left = self.max_iter - len(watch.losses)
        try:
            return scipy.optimize.minimize(
                value_and_gradient,
                W.ravel(),
                jac=True,
                method="L-BFGS-B",
                callback=note,
                options={"maxiter": max(1, left), "gtol": self.tol, "ftol": 0.0, "maxls": 50},
            )
        except _Stop:
            return scipy.optimize.OptimizeResult(x=last[0].ravel(), status=3)
