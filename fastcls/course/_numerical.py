"""The examination of a learner's numerical gradient, on functions whose gradient is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcls.gradcheck import relative_errors

from ._call import as_array, call, parameters
from ._examined import Examined
from ._mistakes import mistake, of_error

_PART = "gradient"
#: A one-sided difference with h = 1e-5 is off by about 1e-5.
_RIGHT, _CENTRAL = 1e-3, 1e-7


def _waves(x: np.ndarray) -> float:
    return float((np.arange(1, x.size + 1) * np.sin(x).ravel()).sum() + 0.5 * x.sum() ** 2)


def _of_waves(x: np.ndarray) -> np.ndarray:
    return np.arange(1, x.size + 1).reshape(x.shape) * np.cos(x) + x.sum()


def examine(function: Callable[..., Any]) -> Examined:
    """Compare a learner's numerical gradient with the known one.

    Parameters
    ----------
    function : callable
        ``function(f, x) -> gradient``

    Returns
    -------
    Examined
    """
    found = Examined()
    options = {"verbose": False} if "verbose" in parameters(function) else {}
    results, wanted, changed = [], [], False
    for seed, shape in ((1, (3, 4)), (2, (5,))):
        x = np.random.default_rng(seed).normal(size=shape)
        outcome = call(function, "f x", _waves, x, **options)
        if outcome.error:
            found.add(of_error(outcome.error, _PART))
            return found
        changed = changed or bool(outcome.changed)
        got = as_array(outcome.value)
        if outcome.value is None:
            found.add(mistake("nothing returned", _PART, "returned None, wanted the gradient"))
            return found
        if got is None or got.shape != shape:
            what = "no numbers" if got is None else f"shape {got.shape}"
            found.add(mistake("wrong kind of result", _PART, f"returned {what}, wanted the shape of x, {shape}"))
            return found
        results.append(got)
        wanted.append(_of_waves(x))
    if changed:
        found.add(mistake("x not restored", _PART, "x differs after the call"))
        return found
    found.gradient_error = max(
        float(relative_errors(got, right).max()) if np.isfinite(got).all() else float("inf")
        for got, right in zip(results, wanted, strict=True)
    )
    if found.gradient_error > _RIGHT:
        found.add(mistake(_name(results, wanted), _PART, _seen(results[0], wanted[0]), "numerical"))
    elif found.gradient_error > _CENTRAL:
        found.notes.append(
            f"the largest error is {found.gradient_error:.0e}: a central difference, (f(x + h) - f(x - h)) / (2 * h), would "
            "be about 1e-9 off"
        )
    return found


def _name(results: list[np.ndarray], wanted: list[np.ndarray]) -> str:
    got, right = (np.concatenate([one.ravel() for one in arrays]) for arrays in (results, wanted))
    if not got.any():
        return "not written yet"
    if not np.isfinite(got).all():
        return "NaN"
    if all(np.count_nonzero(one) == 1 for one in results):
        return "one entry only"
    ratio = float(got @ right / (right @ right))
    if np.abs(got - ratio * right).max() <= 1e-3 * abs(ratio) * np.abs(right).max():
        if abs(ratio) < 0.1 or abs(ratio) > 10.0:
            return "not divided by h"
        if abs(ratio + 1.0) < 1e-3:
            return "wrong sign"
        if min(abs(ratio - 2.0), abs(ratio - 0.5)) < 1e-2:
            return "step counted wrongly"
    close = np.abs(got - right).max() < 0.5 * np.abs(right).max()
    return "step too small or too large" if close else "differs"


def _seen(got: np.ndarray, right: np.ndarray) -> str:
    at = np.unravel_index(int(np.abs(got - right).argmax()), right.shape)
    return f"entry {tuple(int(index) for index in at)} is {got[at]:.5g}, wanted {right[at]:.5g}"
