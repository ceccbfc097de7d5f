"""What all optimisers share: results, progress, stopping rules, and the automatic learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._storage.safetensors import expect
from fastcls._validation.types import widened

from ._checkpoint import State

_SAMPLE_ROWS = 512  # rows from which smoothness is estimated
_POWER_STEPS = 20
_BLOCK_VALUES = 1 << 20


class DivergenceError(FloatingPointError):
    """The loss became infinite or NaN during training."""


def advice_on_scale(problem: LinearProblem) -> str:
    """The end of the advice after a divergence; empty if the problem centres and scales its rows already."""
    does_both = bool(np.any(problem.center)) and bool(np.any(np.asarray(problem.scale) != 1.0))
    return "" if does_both else ", and centre and scale the data"


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class OptimResult:
    """Result of an optimiser.

    Attributes
    ----------
    W : array of the problem's shape
    loss_history : list of float
        One value per epoch (sgd: mean over its minibatches of the full loss, each before its step), per iteration (gd,
        lbfgs) or per random W (random searches: the smallest so far).
    val_history : list of float
        Mean loss on the validation rows after each epoch or iteration; empty without validation rows.
    n_iter : int
        Epochs, iterations or random W done.
    learning_rate : float or None
        Of the first step; None for solvers without one.
    converged : bool or None
        Whether `tol` was met; None without `tol`.
    stopped_by : str
        "max_iter", "tol", "early_stopping", "callback" or "line_search" (L-BFGS found no step that lowers the loss, although
        the gradient is above `tol`; usually the data needs another scale).
    gradient_norm : float or None
        Euclidean norm of the gradient of the full loss at `W`, if the solver computed that gradient (L-BFGS).
    """

    W: np.ndarray
    loss_history: list[float]
    n_iter: int
    learning_rate: float | None = None
    converged: bool | None = None
    val_history: list[float] = field(default_factory=list)
    stopped_by: str = "max_iter"
    gradient_norm: float | None = None


@dataclass(frozen=True, eq=False)
class Progress:
    """Argument of a callback, after every epoch or iteration. A callback that returns True ends the training.

    Attributes
    ----------
    iteration, max_iter : int
        `iteration` is 1 after the first.
    loss : float
    val_loss : float or None
    weights : callable
        ``weights()`` returns a copy of the current W.
    gradient_norm : float or None
        Euclidean norm of the full gradient, if the solver computed it (L-BFGS).
    """

    iteration: int
    max_iter: int
    loss: float
    val_loss: float | None
    weights: Callable[[], np.ndarray]
    gradient_norm: float | None = None


#: what the solvers call after each iteration; a true result ends the training
Callbacks: TypeAlias = Callable[[Progress], Any] | Sequence[Callable[[Progress], Any]] | None


class Monitor:
    """Records each iteration, calls the callbacks, and decides when to stop."""

    def __init__(
        self,
        max_iter: int,
        tol: float | None,
        callbacks: Sequence[Callable[[Progress], Any]],
        validation: LinearProblem | None,
        patience: int = 5,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.callbacks = callbacks
        self.validation = validation
        self.patience = patience
        self.losses: list[float] = []
        self.val_losses: list[float] = []
        self.best = self.best_val = math.inf
        self.waited = self.waited_val = 0
        self.best_W: np.ndarray | None = None
        self.gradient_norm: float | None = None  # at best_W if there is one, else of the last iteration
        self.stopped_by = "max_iter"

    def is_over(self, loss: float, weights: Callable[[], np.ndarray], gradient_norm: float | None = None) -> bool:
        """Record one iteration; whether it was the last."""
        self.losses.append(loss)
        val_loss, better = None, True
        if self.validation is not None:
            W = weights()
            val_loss = float(self.validation.values([W])[0])
            self.val_losses.append(val_loss)
            better = val_loss < self.best_val - 1e-4 * abs(self.best_val) or self.best_val == math.inf
            if better:
                self.best_val, self.best_W = val_loss, W
            self.waited_val = 0 if better else self.waited_val + 1
        if better:
            self.gradient_norm = gradient_norm
        progress = Progress(len(self.losses), self.max_iter, loss, val_loss, weights, gradient_norm)
        results = [callback(progress) for callback in self.callbacks]
        if any(result is True for result in results):
            self.stopped_by = "callback"
        elif self.validation is not None and self.waited_val >= self.patience:
            self.stopped_by = "early_stopping"
        elif self.tol is not None and self._has_stalled(loss):
            self.stopped_by = "tol"
        return self.stopped_by != "max_iter"

    def _has_stalled(self, loss: float) -> bool:
        """Whether the loss has not fallen below the best by the relative `tol` for `patience` iterations."""
        assert self.tol is not None
        stalled = self.best != math.inf and not loss < self.best - self.tol * abs(self.best)
        self.waited = self.waited + 1 if stalled else 0
        self.best = min(self.best, loss)
        return self.waited >= self.patience

    def state(self) -> State:
        """Everything recorded so far, for a checkpoint."""
        numbers = ("losses", "val_losses", "best", "best_val", "waited", "waited_val", "stopped_by")
        return {} if self.best_W is None else {"best_W": self.best_W}, {name: getattr(self, name) for name in numbers}

    def restore(self, arrays: dict[str, np.ndarray], values: dict[str, Any], shape: tuple[int, int]) -> None:
        """Restore what `state` returned; `shape` is that of W."""
        self.best_W = expect(arrays, "best_W", shape) if "best_W" in arrays else None
        self.losses, self.val_losses = ([float(loss) for loss in values[name]] for name in ("losses", "val_losses"))
        self.best, self.best_val = float(values["best"]), float(values["best_val"])
        self.waited, self.waited_val = int(values["waited"]), int(values["waited_val"])
        if values["stopped_by"] not in ("max_iter", "tol", "early_stopping", "callback"):
            raise ValueError(f"unknown stopped_by {values['stopped_by']!r}")
        self.stopped_by = values["stopped_by"]

    def result(self, W: np.ndarray, learning_rate: float | None) -> OptimResult:
        """The result; with validation rows, the W that was best on them."""
        return OptimResult(
            W if self.best_W is None else self.best_W,
            self.losses,
            len(self.losses),
            learning_rate,
            None if self.tol is None else self.stopped_by == "tol",
            self.val_losses,
            self.stopped_by,
            self.gradient_norm,
        )


def curvature(problem: LinearProblem, batch_size: int, random_state: np.random.RandomState) -> float:
    """Expected smoothness of a minibatch: learning rates much above its inverse are unsafe.

    Let L be the largest eigenvalue of the mean of z z^T (z: a centred, scaled row with a 1 for the bias) times the curvature
    of the loss, and l the largest |z|^2 times that curvature. For a minibatch of B of the n rows, the expected smoothness is

        n (B - 1) / (B (n - 1)) L + (n - B) / (B (n - 1)) l        (Gower et al., SGD: General analysis ..., 2019)

    plus that of the penalty. L and l are estimated from at most 512 rows, with 20 power iterations of the compiled loops,
    which copy one block of 8 MB at a time.

    Parameters
    ----------
    problem : LinearProblem
    batch_size : int
        Rows per minibatch.
    random_state : RandomState
        Draws the rows.

    Returns
    -------
    float
        In units of the loss per squared unit of W, so that its inverse is a learning rate.
    """
    n = problem.n_samples
    rows = np.sort(random_state.permutation(n)[:_SAMPLE_ROWS])
    if len(problem.weights):
        numbers = rows if problem.rows is None else problem.rows[rows]
        rows = rows[problem.weights[numbers] > 0]
        if not len(rows):
            rows = np.flatnonzero(problem.weights if problem.rows is None else problem.weights[problem.rows])[:_SAMPLE_ROWS]
    longest, v = _longest_row(problem, rows)
    largest = 0.0
    # Start from a row: a random direction could be nearly orthogonal to the leading eigenvector.
    v = v / (math.sqrt(longest) or 1.0)
    for _ in range(_POWER_STEPS):
        v = problem.second_moment_times(v, rows)
        largest = math.sqrt(float((v * v).sum()))
        if largest == 0.0:
            break
        v = v / largest
    heaviest = float(problem.weights.max()) if len(problem.weights) else 1.0
    B = min(batch_size, n)
    shared = n * (B - 1) / (B * (n - 1)) if n > 1 else 0.0
    alone = (n - B) / (B * (n - 1)) if n > 1 else 1.0
    smoothness = problem.loss.curvature(problem.n_classes, **problem.loss_options)
    return smoothness * (shared * largest + alone * longest * heaviest) + 2.0 * problem.l2


def _longest_row(problem: LinearProblem, rows: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest |z|^2 among some rows, and its z."""
    numbers = rows if problem.rows is None else problem.rows[rows]
    step = max(1, _BLOCK_VALUES // problem.n_features)
    longest, found = -1.0, np.zeros(problem.shape[1])
    for start in range(0, len(numbers), step):
        z = (widened(problem.X[numbers[start : start + step]], np.float64) - problem.center) / problem.scale
        if problem.fit_intercept:
            z = np.hstack([z, np.ones((len(z), 1))])
        squares = np.einsum("ij,ij->i", z, z)
        at = int(squares.argmax())
        if squares[at] > longest:
            longest, found = float(squares[at]), z[at]
    return longest, found


def auto_rate(problem: LinearProblem, batch_size: int, random_state: np.random.RandomState) -> float:
    """1 / curvature; 1 if all rows are 0, where any step gives the same W."""
    smoothness = curvature(problem, batch_size, random_state)
    return 1.0 / smoothness if smoothness > 0 else 1.0
