"""The iteration of L-BFGS: directions from the last steps, and a line search.

The vectors that it remembers are float32, each divided by its largest value: they only shape the direction, and half of the
memory is half of the time. Weights, gradients and values stay float64. The two loops of L-BFGS run on coefficients of the
remembered vectors instead of the vectors themselves, so an iteration reads these twice: once for dot products, once for the
direction. A preconditioner P changes only dot products a^T P b between changes of the gradient and the gradient, and the
direction; both are corrected through the coordinates of these vectors in its basis.

Sources: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4, 7.5, 3.5 and 3.6; for the coefficients Chen, Wang
and Zhou, Large-scale L-BFGS using MapReduce (2014).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastcls._gradient.pair_loops import PADDED_TO, combine, dots, n_chunks, store

from ._preconditioner import Preconditioner
from ._trial_step import TrialStep

#: steps that shape a direction; scikit-learn's and SciPy's L-BFGS remember ten, too
N_PAIRS = 10
#: a step is accepted if the value falls by this share of what the slope promises ...
_FALL = 1e-3
#: ... and if the slope is at most this share of the slope at its start (strong Wolfe conditions)
_FLATTER = 0.9
_MOST_TRIALS = 30

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(eq=False)
class Found:
    """Where the descent ended, and why: "tol", "max_iter" or "stuck", if no step meets the conditions of the line search."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    ended_by: str


class Memory:
    """The last steps and changes of the gradient, the gradient, and the dot products of all of these.

    Parameters
    ----------
    n : int
        Weights.
    n_threads : int
        The result is the same, bit for bit, for any number.
    preconditioner : Preconditioner, optional
    """

    def __init__(self, n: int, n_threads: int, preconditioner: Preconditioner | None = None) -> None:
        self.n, self.n_threads = n, n_threads
        self.preconditioner = preconditioner
        #: of the changes, by slot, and of the gradient
        self.coordinates = np.zeros((N_PAIRS + 1, *(preconditioner.shape if preconditioner else (0, 0))))
        self.rows = np.zeros((2 * N_PAIRS + 1, -(-n // PADDED_TO) * PADDED_TO), dtype=np.float32)
        self.scales = np.zeros(len(self.rows))
        self.products = np.zeros((len(self.rows), len(self.rows)))
        self.pairs: list[int] = []  # slots of the pairs, the oldest first

    def _put(self, row: int, vector: np.ndarray) -> None:
        self.scales[row] = store(vector, self.rows[row], self.n_threads)
        if self.preconditioner is not None and row >= N_PAIRS:
            np.multiply(
                self.preconditioner.coordinates(self.rows[row, : self.n]),
                self.scales[row],
                out=self.coordinates[row - N_PAIRS],
            )

    def add(self, step: np.ndarray | None, change: np.ndarray | None, gradient: np.ndarray) -> None:
        """Remember a step, how it changed the gradient, and the new gradient; without a step, only the gradient."""
        new = [2 * N_PAIRS]
        if step is not None and change is not None:
            if len(self.pairs) == N_PAIRS:
                self.pairs.pop(0)
            slot = next(slot for slot in range(N_PAIRS) if slot not in self.pairs)
            self.pairs.append(slot)
            self._put(slot, step)
            self._put(N_PAIRS + slot, change)
            new += [slot, N_PAIRS + slot]
        self._put(2 * N_PAIRS, gradient)
        known = np.array([*self.pairs, *(N_PAIRS + slot for slot in self.pairs), 2 * N_PAIRS])
        partial = np.empty((n_chunks(self.rows.shape[1]), len(new), len(known)))
        dots(self.rows, np.array(new), known, partial, self.n_threads)
        found = partial.sum(axis=0) * self.scales[new][:, None] * self.scales[known]
        found += self._corrections(new, known)
        for row, values in zip(new, found, strict=True):
            self.products[row, known] = self.products[known, row] = values
        if len(new) > 1 and not self.products[new[1], new[2]] > 0.0:  # no curvature that float32 can see
            self.pairs.pop()

    def _corrections(self, new: list[int], known: np.ndarray) -> np.ndarray:
        """What P adds to the products of `new` and `known`: nothing where one of the two is a step."""
        added = np.zeros((len(new), len(known)))
        if self.preconditioner is not None:
            rows, columns = np.array(new) >= N_PAIRS, known >= N_PAIRS
            found = self.preconditioner.corrections(
                self.coordinates[np.array(new)[rows] - N_PAIRS], self.coordinates[known[columns] - N_PAIRS]
            )
            added[np.ix_(rows, columns)] = found
        return added

    def forget(self) -> None:
        """Forget all steps: the next direction is that of steepest descent."""
        self.pairs.clear()

    def direction(self, out: np.ndarray) -> None:
        """The direction of the next step."""
        factors, share = np.zeros(len(self.rows)), {}
        factors[2 * N_PAIRS] = -1.0
        for slot in reversed(self.pairs):
            share[slot] = (factors @ self.products[slot]) / self.products[slot, N_PAIRS + slot]
            factors[N_PAIRS + slot] -= share[slot]
        if self.pairs:
            step, change = self.pairs[-1], N_PAIRS + self.pairs[-1]
            factors *= self.products[step, change] / self.products[change, change]
        for slot in self.pairs:
            back = (factors @ self.products[N_PAIRS + slot]) / self.products[slot, N_PAIRS + slot]
            factors[slot] += share[slot] - back
        combine(self.rows, factors * self.scales, out, self.n_threads)
        if self.preconditioner is not None:
            self.preconditioner.add_to(out, np.einsum("i,ick->ck", factors[N_PAIRS:], self.coordinates))


def minimize(
    function: Function,
    start: np.ndarray,
    max_iter: int,
    tol: float,
    callback: Callable[[np.ndarray, float, np.ndarray], None],
    n_threads: int,
    preconditioner: Preconditioner | None = None,
    trial: TrialStep | None = None,
) -> Found:
    """Descend until no entry of the gradient is above `tol`, or for `max_iter` steps.

    Parameters
    ----------
    function : callable
        Value and gradient at x, an array that is overwritten later. It may return one array again and again.
    start : float64 array (n,)
    max_iter : int
    tol : float
    callback : callable
        Called with x, its value and its gradient after each step; it may keep them only until it returns.
    n_threads : int
    preconditioner : Preconditioner, optional
    trial : TrialStep, optional
        Says which step the line search tries first.

    Returns
    -------
    Found
    """
    x, at, direction = start.copy(), np.empty(len(start)), np.empty(len(start))
    value, slopes = function(x)
    gradient, memory = slopes.copy(), Memory(len(x), n_threads, preconditioner)
    memory.add(None, None, gradient)
    if trial is not None:
        trial.begin(x)
    for _ in range(max_iter):
        if largest(gradient) <= tol:
            return Found(x, value, gradient, "tol")
        reached = None
        while reached is None:
            memory.direction(direction)
            slope, length = dot(gradient, direction), math.sqrt(dot(direction, direction))
            if slope < 0.0 and math.isfinite(length):
                first = preconditioner.first_step if preconditioner else min(1.0, 1.0 / length)
                usual = 1.0 if memory.pairs else first
                t = usual if trial is None else trial.step(direction, slope, usual)
                # Never beyond the first step of a preconditioner: it is half of the way for a reason.
                reached = _search(function, x, direction, value, slope, t if memory.pairs else min(t, first), at)
            if reached is None and not memory.pairs:
                return Found(x, value, gradient, "stuck")
            if reached is None:
                memory.forget()
        t, value, slopes = reached
        if trial is not None:
            trial.moved(t)
        np.subtract(slopes, gradient, out=direction)
        memory.add(np.subtract(at, x, out=x), direction, slopes)
        x[...], gradient[...] = at, slopes
        callback(x, value, gradient)
    ended_by = "tol" if largest(gradient) <= tol else "max_iter"
    return Found(x, value, gradient, ended_by)


def largest(a: np.ndarray) -> float:
    """The largest magnitude; NaN if there is one. Half the time of ``abs(a).max()``."""
    return max(float(a.max()), -float(a.min()))


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Without the BLAS, whose rounding may depend on the number of threads."""
    return float(np.einsum("i,i->", a, b))


def _search(
    function: Function, x: np.ndarray, direction: np.ndarray, value: float, slope: float, t: float, at: np.ndarray
) -> tuple[float, float, np.ndarray] | None:
    """A t that meets the strong Wolfe conditions, with value and gradient there; None if there is none.

    The point x + t direction is left in `at`.

    `low` is the best point so far: between it and `high`, or beyond it without `high`, there is such a point. Where rounding
    hides it, None is right, too: to accept `low` there leads to endless small steps that gain nothing.
    """
    low, high = (0.0, value, slope), None
    for _ in range(_MOST_TRIALS):
        np.multiply(direction, t, out=at)
        at += x
        v, gradient = function(at)
        s = dot(gradient, direction)
        if v > value + _FALL * t * slope or (v >= low[1] and low[0] > 0.0):
            high = (t, v, s)
        elif abs(s) <= -_FLATTER * slope:
            return t, v, gradient
        else:
            if s * ((high[0] if high else math.inf) - low[0]) >= 0.0:
                high = low
            low = (t, v, s)
        if high is None:
            t = min(max(_least_of_cubic(low, (0.0, value, slope)), 2.0 * t), 5.0 * t)
            continue
        width = high[0] - low[0]
        if abs(width) <= 1e-9 * max(abs(low[0]), abs(high[0])):
            return None
        guess = (_least_of_cubic(low, high) - low[0]) / width
        t = low[0] + width * min(max(guess, 0.1), 0.9)
    return None


def _least_of_cubic(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """Where the cubic through two points (t, value, slope) has its minimum; halfway if it has none."""
    (t_a, v_a, s_a), (t_b, v_b, s_b) = a, b
    d = s_a + s_b - 3.0 * (v_a - v_b) / (t_a - t_b)
    root = d * d - s_a * s_b
    if root >= 0.0:
        e = math.copysign(math.sqrt(root), t_b - t_a)
        below = s_b - s_a + 2.0 * e
        if below != 0.0:
            return t_b - (t_b - t_a) * (s_b + e - d) / below
    return 0.5 * (t_a + t_b)
