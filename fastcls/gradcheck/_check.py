"""The check of a problem's gradient, and of that of any function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.base import RandomState
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_weights
from fastcls._validation.messages import kind

from ._functions import check_function, checked_direction, chosen_places
from ._numerical import errors_beyond
from ._report import GradientReport
from ._rounding import rounding_bound
from ._slopes import slopes_along


def check_gradient(
    problem: LinearProblem | Callable[[np.ndarray], tuple[float, np.ndarray]],
    W: np.ndarray,
    direction: np.ndarray | None = None,
    *,
    n_coordinates: int | None = None,
    random_state: RandomState = None,
    against: LinearProblem | None = None,
    h: float | None = None,
) -> GradientReport:
    """Compare an analytic gradient at W with central differences of the value.

    A loss and a gradient that are wrong in the same way (both not divided by the number of rows, both with margin 0) pass
    any numerical check. ``against=`` also compares a function's value and gradient with those of a problem.

    Parameters
    ----------
    problem : LinearProblem or callable
        A problem, or a function ``f(W) -> (value, gradient)`` of arrays of any shape. It gets copies of W.
    W : array, of the problem's shape if there is one
        Choose W so that scores are of the order of one: if the loss is flat there is nothing to compare.
    direction : array of the shape of W, optional
        Check only the slope in this direction, its dot product with the gradient, which takes two evaluations.
    n_coordinates : int, optional
        Number of entries to check, drawn at random; by default all. Each takes two evaluations.
    random_state : int, RandomState or None
    against : LinearProblem, optional
        For a function: the problem whose value and gradient it should have. W may have the problem's shape or its transpose.
    h : float, optional
        For a function: the step, by default as in `numerical_gradient`. A problem chooses its steps from its rows.

    Returns
    -------
    GradientReport

    Raises
    ------
    InputError
        If the problem is neither, a function does not return a number and an array of the shape of W, or W or the direction
        has another shape or is not finite.

    Examples
    --------
    >>> report = check_gradient(lambda W: ((W**2).sum(), 2 * W), np.ones((2, 3)))
    >>> report.max_relative_error < 1e-6
    True
    """
    if not isinstance(problem, LinearProblem):
        if not callable(problem):
            raise InputError(
                f"problem is {kind(problem)}; wanted a LinearProblem, or a function of W that returns a value and a gradient"
            )
        return check_function(problem, W, direction, n_coordinates, random_state, against, h)
    if against is not None or h is not None:
        raise InputError(f"{'against' if h is None else 'h'}= is for functions; omit it to check a LinearProblem")
    W = np.array(check_weights(W, problem.shape, problem.fit_intercept))
    analytic = problem.value_and_gradient(W)[1]
    ways: Any
    if direction is not None:
        direction = checked_direction(direction, W.shape)
        places, ways = np.zeros((0, 2), dtype=np.int64), [direction]
        chosen = np.array([float((analytic * direction).sum())])
    else:
        places = chosen_places(W.shape, n_coordinates, random_state)
        ways, chosen = places, analytic[places[:, 0], places[:, 1]]
    slopes, kinks = slopes_along(problem.counted(), W, ways)
    rounding = rounding_bound(problem.counted(), W)
    if direction is not None:
        allowed = np.array([float((np.abs(direction) * rounding).sum())])
        errors = errors_beyond(slopes, chosen, allowed, 0.0)
    else:  # the floor of the error measure follows from the whole gradient, not from the entries that were drawn
        largest = float(np.abs(analytic[np.isfinite(analytic)]).max(initial=0.0))
        errors = errors_beyond(slopes, chosen, rounding[places[:, 0], places[:, 1]], largest)
    return GradientReport(places, chosen, slopes, errors, kinks, problem.loss.name)
