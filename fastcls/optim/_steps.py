"""Minibatch gradient descent that counts steps, on batches that the caller chooses or that are drawn with replacement."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.base import RandomState, as_floats, check_fraction, check_number, check_random_state, check_switch
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_weights
from fastcls._validation.messages import kind

from ._descent import Descent
from ._monitor import OptimResult


def take_steps(
    problem: LinearProblem,
    W: Any,
    learning_rate: Any,
    *,
    n_steps: int | None = None,
    batch_size: int = 200,
    batches: Any = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    random_state: RandomState = None,
) -> OptimResult:
    """Take a number of steps of minibatch gradient descent: the loop of the course's assignment.

    `SGD` visits every row once in each epoch. Here a step is a batch: of rows drawn with replacement, or of rows that the
    caller names. W after each step depends only on the batches, so a loop over the same batches in NumPy gives the same W
    but for the rounding.

    Parameters
    ----------
    problem : LinearProblem
    W : array of the problem's shape
        The start; it stays as it is.
    learning_rate : float or array of shape (n_steps,)
        The rate of every step.
    n_steps : int, optional
        Number of batches to draw; omit it if `batches` is given.
    batch_size : int
        Rows of a drawn batch. Batch after batch is drawn as by ``np.random.choice(n_samples, batch_size)``.
    batches : int array of shape (n_steps, batch_size), optional
        Row numbers from 0 to ``problem.n_samples - 1``, for each step; a row may be named several times.
    momentum : float
        Coefficient in [0, 1).
    nesterov : bool
    random_state : int, RandomState or None
        For the batches that are drawn.

    Returns
    -------
    OptimResult
        ``loss_history`` has the full loss of every batch before its step, ``n_iter`` the number of steps.

    Raises
    ------
    InputError
        If the problem is none or has rows of weight 0, a parameter is out of range, or both or neither of `n_steps` and
        `batches` are given.
    DivergenceError
        If the loss becomes infinite or NaN; the message names the step and the learning rate.

    Examples
    --------
    >>> X, y = np.eye(3), np.arange(3)
    >>> found = take_steps(LinearProblem(X, y), np.zeros((3, 3)), 1.0, n_steps=50, batch_size=2, random_state=0)
    >>> found.n_iter, found.loss_history[-1] < found.loss_history[0]
    (50, True)
    """
    if not isinstance(problem, LinearProblem):
        raise InputError(f"problem is {kind(problem)}; wanted a LinearProblem")
    if len(problem.weights) and not problem.weights.all():
        raise InputError("the problem has rows of weight 0, which no batch may hold: use problem.counted()")
    W = np.array(check_weights(W, problem.shape, problem.fit_intercept))
    check_fraction("momentum", momentum)
    check_switch("nesterov", nesterov)
    if (n_steps is None) == (batches is None):
        raise InputError(f"{'neither' if n_steps is None else 'both'} of n_steps and batches given; give one of them")
    if batches is None:
        check_number("n_steps", n_steps, minimum=1, whole=True)
        check_number("batch_size", batch_size, minimum=1, whole=True)
        assert n_steps is not None
        rng = check_random_state(random_state)
        chosen = np.stack([rng.choice(problem.n_samples, batch_size) for _ in range(n_steps)])
    else:
        chosen = _checked_batches(batches, problem.n_samples)
    steps, size = chosen.shape
    rates = _checked_rates(learning_rate, steps)
    descent = Descent(problem, [W], [(problem.l1, problem.l2, problem.max_norm)], momentum, nesterov, size)
    descent.last_rate = float(rates[0])
    order = np.ascontiguousarray(chosen.reshape(-1), dtype=np.int64)
    losses = descent.run(order, size * np.arange(steps + 1, dtype=np.int64), rates[:, None])
    return OptimResult(descent.W(), losses[:, 0].tolist(), steps, float(rates[0]))


def _checked_batches(batches: Any, n_rows: int) -> np.ndarray:
    found = np.asarray(batches)
    if found.ndim != 2 or found.dtype.kind not in "iu" or not found.size:
        raise InputError(
            f"batches has shape {found.shape} and type {found.dtype}; wanted whole numbers of shape (n_steps, batch_size)"
        )
    if found.min() < 0 or found.max() >= n_rows:
        raise InputError(f"batches has row numbers from {found.min()} to {found.max()}; wanted 0 to {n_rows - 1}")
    return found


def _checked_rates(given: Any, n_steps: int) -> np.ndarray:
    if isinstance(given, (numbers.Real, np.number)):
        return np.full(n_steps, float(check_number("learning_rate", given, minimum=0, strict=True)))
    rates = as_floats("learning_rate", given)
    if rates.shape != (n_steps,) or not (np.isfinite(rates) & (rates > 0)).all():
        raise InputError(
            f"learning_rate has shape {rates.shape}; wanted a number above 0, or one finite number above 0 for each of "
            f"{n_steps} steps"
        )
    return rates
