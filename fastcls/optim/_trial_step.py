"""The first step that a line search tries, from a sample of the rows.

L-BFGS tries a step of 1. While it knows little of the curvature, this step is too long or too short: then a second
evaluation of all rows is needed, or an iteration gains less than it could. Along a direction, the scores of a row are a
line. So the loss of a few hundred rows is known for every step after one product of these rows with the direction, and
where it is least is a good step for all rows. It is only tried: the line search still decides on all rows.
"""

from __future__ import annotations

import math

import numpy as np

from fastcls._gradient.packed import softmax_along
from fastcls._gradient.problem import LinearProblem
from fastcls._runtime import threads

from ._preconditioner import CLASSES_AT_ONCE, sampled

#: rows of the sample: 128 and 512 lead to as many evaluations, within one
N_TRIAL_ROWS = 256
#: the sample is at most this share of the rows ...
_LARGEST_SHARE = 1 / 8
#: ... and an evaluation takes at least so many multiply-adds, 1 ms: below, the sample would cost more than it saves
_LEAST_WORK = 50_000_000
#: the step stays within these multiples of the step without a sample: a sample may have no minimum along a direction
_SHORTEST, _LONGEST = 0.05, 2.0
#: Newton's iteration on the sample ends if it changes the step by less than this share; three suffice
_PRECISION, _MOST_STEPS = 0.2, 3


class TrialStep:
    """The loss of some rows along the directions of a descent.

    Parameters
    ----------
    problem : LinearProblem
    """

    def __init__(self, problem: LinearProblem) -> None:
        self.problem = problem
        numbers, self.weights = sampled(problem, N_TRIAL_ROWS)
        self.weights = self.weights / self.weights.sum()
        self.rows = problem.standardized(numbers)
        self.y = np.ascontiguousarray(problem.y[numbers])
        self.n_threads = threads.limit_by_work(problem.n_threads, len(numbers) * problem.n_classes * 10)
        self._scratch = np.empty((self.n_threads, problem.n_classes))
        self._derivatives = np.empty((len(numbers), 2))
        self._scores, self._along = np.empty((2, len(numbers), problem.n_classes), dtype=np.float32)

    def begin(self, x: np.ndarray) -> None:
        """Start from the weights x, float64 (n,)."""
        self._product(x, self._scores)

    def step(self, direction: np.ndarray, slope: float, usual: float) -> float:
        """A step along a direction from where the descent is.

        Parameters
        ----------
        direction : float64 array (n,)
        slope : float
            Of the loss of all rows, with its penalty, at a step of 0.
        usual : float
            What would be tried without a sample.
        """
        self._product(direction, self._along)
        V = self.problem.penalized(direction.reshape(self.problem.shape))
        bend = 2.0 * self.problem.l2 * float(np.einsum("ij,ij->", V, V))
        # The sample's slope at 0 differs from that of all rows, which is known: all its slopes are moved by the difference.
        moved = slope - self._at(0.0)[0]
        low, high, t = (0.0, slope), (_LONGEST * usual, math.inf), usual
        for _ in range(_MOST_STEPS):
            at, curvature = self._at(t)
            at, curvature = at + moved + t * bend, curvature + bend
            low, high = ((t, at), high) if at < 0.0 else (low, (t, at))
            new = t - at / curvature if curvature > 0.0 else math.inf
            if not low[0] < new < high[0]:  # the secant between the two; their end if its slope is unknown, or no number
                new = high[0] - (high[0] - low[0]) * (high[1] / (high[1] - low[1]) if math.isfinite(high[1]) else 0.0)
            is_near, t = abs(new - t) < _PRECISION * new, new
            if is_near:
                break
        return min(max(t, _SHORTEST * usual), _LONGEST * usual)

    def moved(self, t: float) -> None:
        """The descent went t times the direction of the last `step`."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._scores += np.float32(t) * self._along

    def _product(self, flat: np.ndarray, out: np.ndarray) -> None:
        """Scores of the sample, into float32 (n_rows, n_classes). The caller limits the BLAS to one thread."""
        W = flat.reshape(self.problem.shape)
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            for start in range(0, len(W), CLASSES_AT_ONCE):
                some = slice(start, start + CLASSES_AT_ONCE)
                out[:, some] = self.rows @ W[some].astype(self.rows.dtype).T

    def _at(self, t: float) -> tuple[float, float]:
        """Mean slope and curvature of the sample's loss, without penalty, at a step t."""
        softmax_along(self._scores, self._along, self.y, t, self._scratch, self._derivatives, self.n_threads)
        slope, curvature = np.einsum("i,ij->j", self.weights, self._derivatives)
        return float(slope), float(curvature)


def trial_step_of(problem: LinearProblem) -> TrialStep | None:
    """The sample of a problem; None if it would cost more than it saves, or if the loss is not softmax.

    Parameters
    ----------
    problem : LinearProblem

    Returns
    -------
    TrialStep or None
    """
    work = problem.n_samples * problem.shape[0] * problem.shape[1]
    if problem.loss.name != "softmax" or work < _LEAST_WORK or problem.n_samples * _LARGEST_SHARE < N_TRIAL_ROWS:
        return None
    return TrialStep(problem)
