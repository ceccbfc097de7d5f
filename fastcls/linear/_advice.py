"""Warnings of the linear classifiers: what to change if training diverged, did not move or did not converge."""

from __future__ import annotations

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.messages import counted
from fastcls.optim import Optimizer, OptimResult, Solver, advice_on_scale, curvature, sampled

# A training did not move if its loss changed by less than this fraction of itself,
_MOVED = 0.01
# and one step of these multiples of the safe length lowers it by more.
_LONGER_STEPS = (1.0, 10.0, 100.0, 1000.0)


def advice_after(
    problem: LinearProblem, start: np.ndarray, result: OptimResult, solver: Solver, optimizer: Optimizer
) -> str | None:
    """What to change if training ended far above the loss of W = 0, did not move or did not meet its tol; else None."""
    at_zero = problem.loss.at_zero(problem.n_classes, **problem.loss_options)
    # L-BFGS has no learning rate, and no history if it starts at the minimum.
    if result.learning_rate is not None and result.loss_history[-1] > 2.0 * at_zero:
        return (
            f"the loss ended at {result.loss_history[-1]:.4g}, above the {at_zero:.4g} of all-zero weights: "
            f'learning_rate={result.learning_rate:.3g} is too large; use "auto" or a smaller one'
        )
    if not solver.uses_gradient:
        return _of_random_search(result, at_zero)
    if result.learning_rate is not None and _never_moved(problem, start, result):
        return (
            f"the loss hardly fell in {counted(result.n_iter, 'epoch')}, and longer steps lower it: "
            f'learning_rate={result.learning_rate:.3g} is too small; use "auto" or a larger one, or another solver'
        )
    if result.stopped_by == "line_search":
        return (
            f"L-BFGS stopped after {counted(result.n_iter, 'iteration')}, because its line search found no step that lowers "
            f"the loss, with entries of the gradient above tol={optimizer.tol:g}: scale the data to values near 1"
            f"{advice_on_scale(problem)}, or raise tol"
        )
    if result.learning_rate is None and result.converged and _stayed_at_zero(problem, result, at_zero):
        return (
            f"L-BFGS stopped after {counted(result.n_iter, 'iteration')}, because no entry of the gradient is above "
            f"tol={optimizer.tol:g}, but the loss hardly fell, and longer steps lower it: scale the data to values near 1"
            f"{advice_on_scale(problem)}, or lower tol"
        )
    if result.converged is not False or result.stopped_by != "max_iter":
        return None
    if result.learning_rate is None:
        return (
            f"L-BFGS stopped after {counted(result.n_iter, 'iteration')} with entries of the gradient above "
            f"tol={optimizer.tol:g}: raise max_iter or tol"
        )
    return (
        f"the loss still falls by more than the relative tol={optimizer.tol:g} after {counted(result.n_iter, 'epoch')}: "
        "raise max_iter or tol, or leave tol=None to train for max_iter epochs"
    )


def _of_random_search(result: OptimResult, at_zero: float) -> str | None:
    if result.loss_history and result.loss_history[-1] < at_zero * (1.0 - 1e-6):
        return None
    return (
        f"none of {counted(result.n_iter, 'random W', 'random W')} has a loss below the {at_zero:.4g} of all-zero weights: "
        "choose another init_scale, or raise max_iter"
    )


def _never_moved(problem: LinearProblem, start: np.ndarray, result: OptimResult) -> bool:
    """Whether the loss hardly changed although a longer step along the gradient lowers it."""
    history = np.array(result.loss_history)
    # Epoch means are free but noisy. Steps that are too long also move the loss, up and down.
    if not len(history) or np.abs(history - history[0]).max() > 10 * _MOVED * history[0]:
        return False
    assert result.learning_rate is not None
    begun, ended = problem.value(start), problem.value(result.W)
    return abs(ended - begun) <= _MOVED * begun and _could_fall(problem, result)


def _stayed_at_zero(problem: LinearProblem, result: OptimResult, at_zero: float) -> bool:
    """Whether the loss is still that of all-zero weights although a longer step of the weights alone lowers it.

    A step along the whole gradient is limited by the bias, whose feature is 1 however small the others are.
    """
    ended = result.loss_history[-1] if result.loss_history else problem.value(result.W)
    if ended <= (1.0 - _MOVED) * at_zero:
        return False
    Z = problem.standardized(sampled(problem)[0])[:, : problem.n_features].astype(np.float64)
    squares = float(np.einsum("ij,ij->", Z, Z)) / len(Z)
    _, slope = problem.value_and_gradient(result.W)
    slope[:, problem.n_features :] = 0.0
    return squares > 0.0 and _lowest(problem, result.W, slope / squares) < (1.0 - _MOVED) * ended


def _could_fall(problem: LinearProblem, result: OptimResult) -> bool:
    """Whether a step along the gradient lowers the loss."""
    steepest = 1.0 / max(curvature(problem, problem.n_samples, np.random.RandomState(0)), 1e-300)
    safe = max(result.learning_rate or 0.0, steepest)
    ended, slope = problem.value_and_gradient(result.W)
    return _lowest(problem, result.W, safe * slope) < (1.0 - _MOVED) * ended


def _lowest(problem: LinearProblem, W: np.ndarray, step: np.ndarray) -> float:
    """The lowest loss after multiples of a step."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = problem.values([problem.projected(W - times * step) for times in _LONGER_STEPS])
    return float(np.nanmin(np.append(values, np.inf)))
