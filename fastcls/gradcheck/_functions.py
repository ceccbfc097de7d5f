"""The check of any function of an array that returns a value and a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.base import RandomState, as_floats, check_number, check_random_state, refuse_masked
from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind, shown

from ._numerical import errors_beyond, relative_errors
from ._report import ClosedForm, GradientReport

_UNIT = 2.0**-53
#: Operations whose rounding may add up in a value: a sum of this many terms, in any order.
_OPERATIONS = 16
#: Where a difference of slopes between two steps comes from curvature, it is the same share of the step for both.
_CURVED = 0.1


def chosen_places(shape: tuple[int, ...], n_coordinates: int | None, random_state: RandomState) -> np.ndarray:
    """Indices of the entries to check, (n_checked, n_dimensions): all, or some drawn at random."""
    places = np.argwhere(np.ones(shape, dtype=bool))
    if n_coordinates is not None:
        check_number("n_coordinates", n_coordinates, minimum=1, whole=True)
        if n_coordinates < len(places):
            drawn = check_random_state(random_state).permutation(len(places))[:n_coordinates]
            places = places[np.sort(drawn)]
    return places


def checked_direction(direction: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The direction as float64, if it has this shape and is not 0."""
    refuse_masked(direction, "direction")
    found = np.asarray(direction, dtype=np.float64)
    if found.shape != shape or not np.any(found):
        raise InputError(f"direction has shape {found.shape}; wanted shape {shape}, not all 0")
    return found


def check_function(
    f: Callable[[np.ndarray], tuple[float, np.ndarray]],
    W: Any,
    direction: Any,
    n_coordinates: int | None,
    random_state: RandomState,
    against: LinearProblem | None,
    h: float | None,
) -> GradientReport:
    """`check_gradient` of a function; its docstring has the parameters."""
    W = np.array(as_floats("W", W))
    if not W.size or not np.isfinite(W).all():
        raise InputError("W is empty or contains NaN or infinity; wanted finite numbers")
    if h is None:
        h = 1e-5 * max(1.0, float(np.abs(W).max()))
    check_number("h", h, minimum=0, strict=True)
    value, gradient = _called(f, W)
    closed_form = None if against is None else _compared(value, gradient, W, against)

    def along(way: np.ndarray) -> Callable[[float], float]:
        return lambda step: _called(f, W + step * way)[0]

    if direction is not None:
        way = checked_direction(direction, W.shape)
        places = np.zeros((0, W.ndim), dtype=np.int64)
        chosen, largest = np.array([float((gradient * way).sum())]), 0.0
        step = h / float(np.abs(way).max())
        found = [_slope(along(way), value, step, chosen[0], largest)]
    else:
        places = chosen_places(W.shape, n_coordinates, random_state)
        chosen = np.array([gradient[tuple(place)] for place in places])
        largest = float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))
        found = []
        for place, analytic in zip(places, chosen, strict=True):
            way = np.zeros(W.shape)
            way[tuple(place)] = 1.0
            found.append(_slope(along(way), value, h, analytic, largest))
    slopes, errors, kinks = (np.array(column) for column in zip(*found, strict=True))
    axes = ("index",) if W.ndim == 1 else ("row", "column") if W.ndim == 2 else tuple(f"axis {i}" for i in range(W.ndim))
    name = getattr(f, "__name__", type(f).__name__)
    return GradientReport(places, chosen, slopes, errors, kinks.astype(bool), name, axes, closed_form)


def _called(f: Callable[[np.ndarray], Any], W: np.ndarray) -> tuple[float, np.ndarray]:
    """Value and gradient, of the right kinds."""
    returned = f(W.copy())
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        what = f"{len(returned)} values" if isinstance(returned, (tuple, list)) else kind(returned)
        raise InputError(
            f"f(W) returned {what}; wanted a value and a gradient: numerical_gradient takes functions without a gradient"
        )
    value, gradient = returned
    if np.ndim(value) or isinstance(value, (str, bytes)) or not isinstance(value, (int, float, np.number, np.ndarray)):
        what = f"an array of shape {np.shape(value)}" if np.ndim(value) else shown(value)
        raise InputError(f"f(W) returned {what} as its value; wanted one number")
    gradient = as_floats("the gradient of f(W)", gradient)
    if gradient.shape != W.shape:
        raise InputError(f"f(W) returned a gradient of shape {gradient.shape}; wanted that of W, {W.shape}")
    return float(value), gradient


def _compared(value: float, gradient: np.ndarray, W: np.ndarray, against: Any) -> ClosedForm:
    """The comparison with a problem whose W is this one or its transpose."""
    if not isinstance(against, LinearProblem):
        raise InputError(f"against is {kind(against)}; wanted a LinearProblem")
    if W.shape not in (against.shape, against.shape[::-1]):
        raise InputError(f"W has shape {W.shape}; wanted that of the problem in against, {against.shape}, or its transpose")
    if W.shape != against.shape:
        W, gradient = np.ascontiguousarray(W.T), gradient.T
    wanted, right = against.value_and_gradient(W)
    error = float(relative_errors(gradient, right).max()) if np.isfinite(gradient).all() else float("inf")
    return ClosedForm(value, float(wanted), error)


def _slope(
    at: Callable[[float], float], value: float, h: float, analytic: float, largest: float
) -> tuple[float, float, bool]:
    """Central difference of `at`, relative error of the analytic slope beyond rounding, and whether a kink explains it."""
    ahead, behind = at(h), at(-h)
    slope = (ahead - behind) / (2 * h)
    rounding = _OPERATIONS * _UNIT * max(abs(value), abs(ahead), abs(behind)) / h
    error = float(errors_beyond(np.array([slope]), np.array([analytic]), np.array([rounding]), largest)[0])
    if error <= 1e-6 or not np.isfinite([slope, analytic]).all():
        return slope, error, False
    # The difference of the slopes to both sides shrinks with the step where the function is smooth. If it does not, there is
    # a kink within the step; of the two smaller steps, at least one shows it wherever the kink is.
    jump = (ahead - 2 * value + behind) / h
    smaller = [(at(h * share) - 2 * value + at(-h * share)) / (h * share) / share for share in (0.5, 0.25)]
    kink = any(abs(other - jump) > _CURVED * abs(jump) + 32 * rounding for other in smaller)
    return slope, error, kink
