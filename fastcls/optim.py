"""Ways to find a W with a small loss: minibatch gradient descent, and the lecture's random search.

Both minimise a :class:`~fastcls.problem.LinearProblem`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from ._validation import check_number
from .problem import LinearProblem

MOMENTUM = 0.9
_SAMPLE_ROWS = 512
_POWER_STEPS = 20


class DivergenceError(FloatingPointError):
    """The loss became infinite or NaN while training."""


@dataclass(frozen=True)
class SGDResult:
    """What minibatch gradient descent came to.

    Attributes
    ----------
    W : array of the problem's shape
    loss_history : list of float
        One an epoch: the mean over its minibatches of the full loss, each before its step.
    n_iter : int
        Epochs done.
    learning_rate : float
        The first step's.
    converged : bool or None
        Whether `tol` was met; None without a `tol`.
    """

    W: np.ndarray
    loss_history: list[float]
    n_iter: int
    learning_rate: float
    converged: bool | None


def curvature(problem: LinearProblem, batch_size: int, random_state: np.random.RandomState) -> float:
    """Expected smoothness of a minibatch of the problem: no learning rate much above 1 over it is safe.

    With L the largest eigenvalue of the mean of z z^T (z: centred, scaled rows with their 1 for the bias) times the loss's
    own curvature, l the largest |z|^2 times the same, and a minibatch of B of the n rows, it is

        n (B - 1) / (B (n - 1)) L + (n - B) / (B (n - 1)) l        (Gower et al., SGD: General analysis ..., 2019)

    plus the penalty's. L and l are taken from at most 512 rows, by twenty power iterations in an arithmetic that no BLAS
    and no number of threads can change.
    """
    n = problem.n_samples
    rows = np.sort(random_state.permutation(n)[:_SAMPLE_ROWS])
    z = (problem.X[rows].astype(np.float64) - problem.center) / problem.scale
    if problem.fit_intercept:
        z = np.hstack([z, np.ones((len(z), 1))])
    squares = np.einsum("ij,ij->i", z, z)
    # Start from a row: a random direction could be nearly at right angles to the largest one.
    v = z[squares.argmax()] / (math.sqrt(squares.max()) or 1.0)
    largest = 0.0
    for _ in range(_POWER_STEPS):
        v = np.einsum("ij,i->j", z, np.einsum("ij,j->i", z, v)) / len(z)
        largest = math.sqrt(float((v * v).sum()))
        if largest == 0.0:
            break
        v /= largest
    B = min(batch_size, n)
    shared = n * (B - 1) / (B * (n - 1)) if n > 1 else 0.0
    alone = (n - B) / (B * (n - 1)) if n > 1 else 1.0
    bend = problem.loss.curvature(problem.n_classes, *problem.options)
    smoothness = bend * (shared * largest + alone * float(squares.max()))
    if problem.penalty is not None:
        smoothness += problem.alpha * problem.penalty.curvature
    return smoothness


class SGD:
    """Minibatch gradient descent with momentum 0.9 and a step that falls to 0 as a half cosine.

    Each epoch visits every row once, in a new random order; minibatches differ by at most one row in size.

    Parameters
    ----------
    max_iter : int
        Epochs.
    batch_size : int
    learning_rate : float or "auto"
        Of the first step. "auto" is 1 over :func:`curvature`.
    tol : float or None
        Stop when the epoch's loss has not fallen by `tol` of itself below the best for five epochs. None: do all
        `max_iter` epochs.
    random_state : int, RandomState or None
    callback : callable, optional
        ``callback(epoch, max_iter, loss)`` after each epoch.
    """

    def __init__(
        self, max_iter: int, batch_size: int = 256, learning_rate: float | str = "auto", tol: float | None = None,
        random_state=None, callback: Callable[[int, int, float], None] | None = None,
    ):
        self.max_iter = check_number("max_iter", max_iter, minimum=1, whole=True)
        self.batch_size = check_number("batch_size", batch_size, minimum=1, whole=True)
        if learning_rate != "auto":
            check_number("learning_rate", learning_rate, minimum=0, strict=True)
        self.learning_rate = learning_rate
        self.tol = tol if tol is None else check_number("tol", tol, minimum=0)
        self.random_state = random_state
        self.callback = callback

    def minimize(self, problem: LinearProblem, W: np.ndarray) -> SGDResult:
        """Descend from W (which is left as it is).

        Raises
        ------
        DivergenceError
            When the loss is no longer finite; names the step and the learning rate.
        """
        random_state = check_random_state(self.random_state)
        rate = self.learning_rate
        if rate == "auto":
            rate = 1.0 / curvature(problem, self.batch_size, random_state)
        descent = _Descent(problem, np.array(W, dtype=np.float64), float(rate))
        n_batches = math.ceil(problem.n_samples / self.batch_size)
        patience = _Patience(self.tol)
        history: list[float] = []
        for epoch in range(self.max_iter):
            batches = np.array_split(random_state.permutation(problem.n_samples), n_batches)
            with np.errstate(over="ignore", invalid="ignore"):  # step() looks for itself
                losses = [
                    descent.step(rows, (epoch + at / n_batches) / self.max_iter) for at, rows in enumerate(batches)
                ]
            history.append(sum(losses) / n_batches)
            if self.callback is not None:
                self.callback(epoch + 1, self.max_iter, history[-1])
            if patience.is_over(history[-1]):
                break
        return SGDResult(descent.W, history, len(history), float(rate), None if self.tol is None else patience.over)


class _Descent:
    def __init__(self, problem: LinearProblem, W: np.ndarray, rate: float):
        self.problem = problem
        self.W = W
        self.rate = rate
        self.velocity = np.zeros_like(W)
        self.steps = 0

    def step(self, rows: np.ndarray, done: float) -> float:
        """One step on a minibatch; `done` is the part of the training that is over. Returns the loss before it."""
        value, gradient = self.problem.value_and_gradient(self.W, rows)
        self.velocity *= MOMENTUM
        self.velocity -= self.rate * 0.5 * (1.0 + math.cos(math.pi * done)) * gradient
        self.W += self.velocity
        if not (math.isfinite(value) and np.all(np.isfinite(self.W))):
            raise DivergenceError(
                f"the loss is {value} at step {self.steps} with learning_rate={self.rate:.3g}: the steps are too long for "
                'this data; use learning_rate="auto" or a smaller one, and centre and scale the data'
            )
        self.steps += 1
        return value


class _Patience:
    """Whether the loss has stopped falling."""

    def __init__(self, tol: float | None, epochs: int = 5):
        self.tol = tol
        self.epochs = epochs
        self.best = math.inf
        self.waited = 0
        self.over = False

    def is_over(self, loss: float) -> bool:
        if self.tol is None:
            return False
        self.waited = 0 if self.best == math.inf or loss < self.best - self.tol * abs(self.best) else self.waited + 1
        self.best = min(self.best, loss)
        self.over = self.waited >= self.epochs
        return self.over


@dataclass(frozen=True)
class SearchResult:
    """What a random search came to.

    Attributes
    ----------
    W : array of the problem's shape
        The best of all tries.
    value : float
        Its loss, computed in float64.
    values : float64 array (tries,)
        The loss of every try, computed in float32.
    best_values : float64 array (tries,)
        The smallest so far.
    """

    W: np.ndarray
    value: float
    values: np.ndarray
    best_values: np.ndarray


_TRIES_PER_PASS = 100
_ROWS_PER_BLOCK = 512


def random_search(
    problem: LinearProblem, tries: int = 1000, scale: float = 1e-4, random_state=None,
    progress: Callable[[int, int], None] | None = None,
) -> SearchResult:
    """The lecture's 'first very bad idea': draw W at random, keep the one with the smallest loss over all rows.

    Parameters
    ----------
    problem : LinearProblem
        The slide's is raw pixels with the bias trick: ``LinearProblem(X, y, loss="hinge", fit_intercept=True)``.
    tries : int
    scale : float
        Standard deviation of the entries of W.
    random_state : int, RandomState or None
    progress : callable, optional
        ``progress(done, tries)`` after every pass over the data.

    Notes
    -----
    A hundred W are tried in one pass over the data: rows are widened to float32 in blocks, and one matrix product gives
    their scores under every W.
    """
    check_number("tries", tries, minimum=1, whole=True)
    check_number("scale", scale, minimum=0, strict=True)
    random_state = check_random_state(random_state)
    values = np.empty(tries)
    best, best_W = math.inf, np.zeros(problem.shape)
    with threadpool_limits(problem.n_threads, user_api="blas"):
        for start in range(0, tries, _TRIES_PER_PASS):
            n = min(_TRIES_PER_PASS, tries - start)
            candidates = random_state.standard_normal((n, *problem.shape)) * scale
            part = values[start : start + n]
            part[:] = _values_of_many(problem, candidates)
            if part.min() < best:
                best, best_W = float(part.min()), candidates[int(part.argmin())].copy()
            if progress is not None:
                progress(start + n, tries)
    return SearchResult(best_W, problem.value(best_W), values, np.minimum.accumulate(values))


def _values_of_many(problem: LinearProblem, candidates: np.ndarray) -> np.ndarray:
    """The full loss of many W, (n_candidates,), in one pass over the data."""
    n, C = len(candidates), problem.n_classes
    folded = [problem.to_raw(W) for W in candidates]
    weights = np.concatenate([raw for raw, _ in folded]).astype(np.float32).T
    b = np.concatenate([b for _, b in folded]).astype(np.float32)
    options = dict(zip(problem.loss.options, problem.options, strict=True))
    totals = np.zeros(n)
    for start in range(0, problem.n_samples, _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        scores = problem.X[rows].astype(np.float32) @ weights + b
        y = np.repeat(problem.y[rows], n)
        losses, _ = problem.loss.function(scores.reshape(-1, C), y, **options)
        totals += losses.reshape(-1, n).sum(axis=0, dtype=np.float64)
    return totals / problem.n_samples + np.array([problem.penalty_value(W) for W in candidates])
