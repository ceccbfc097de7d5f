"""The examination of a softmax loss with scores that are far from 0, far from each other, or differ much between rows.

Mistakes with np.exp and np.log show only there. The true class always has p > 0, in float32 too: the plain -log(p) is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._call import as_array, call
from ._examined import Examined, is_close
from ._mistakes import mistake, of_error
from ._problems import Problem

#: Scores of 1,000 in float32 are off by 6e-5.
_ROUGH = 1e-2
_MAXIMUM, _ONE_MAXIMUM, _CONSTANT = (
    "no subtraction of the maximum",
    "one maximum for all rows",
    "a constant inside the logarithm",
)
#: So far behind, the true class has p = 1e-26: in float32 still above 0, and far below constants that are added to p.
_BEHIND = 60.0
#: So far ahead of 39 classes, a row's mean is 717 below its maximum: exp overflows. exp(-735) is just above 0.
_AHEAD, _MANY = 735.0, 40


#: The first calls, in which all rows of scores are alike
_ALIKE = 2


def _rows_shifted(one: Problem, shifts: np.ndarray) -> Problem:
    """Each row's scores plus its shift, by one more feature: probabilities are as they were."""
    W = np.vstack([np.ones(one.W.shape[1]), one.W])
    return Problem(W, np.hstack([shifts[:, None], one.X]), one.y, 0.0)


def _true_moved(one: Problem, steps: np.ndarray) -> Problem:
    """Each row's score of the true class plus its step, by one more feature a row."""
    own = np.zeros((len(one.y), one.W.shape[1]))
    own[np.arange(len(one.y)), one.y] = steps
    return Problem(np.vstack([own, one.W]), np.hstack([np.eye(len(one.y)), one.X]), one.y, 0.0)


def _many_classes() -> Problem:
    rng = np.random.default_rng(3)
    X = np.hstack([rng.normal(size=(6, 4)), np.ones((6, 1))])
    return Problem(0.1 * rng.normal(size=(5, _MANY)), X, rng.integers(0, _MANY, 6), 0.0)


def _calls(one: Problem) -> list[tuple[str, str, str, Problem]]:
    """(name if the result is not finite, name if it is wrong, what is special, problem), those that tell more first.

    All rows at 1,000 or -1,000 tell whether anything is subtracted. Rows at 600 and -600 differ too much for one maximum,
    but their mean is 0, and exp(600) is finite; rows at 1,000 and -1,000 differ too much for one mean.
    """
    n = len(one.y)
    sign = np.where(np.arange(n) % 2, -1.0, 1.0)
    other = "wrong for large scores"
    return [
        *((_MAXIMUM, other, f"scores around {at:,.0f}", _rows_shifted(one, np.full(n, at))) for at in (1000.0, -1000.0)),
        (_ONE_MAXIMUM, _ONE_MAXIMUM, "rows of scores around 600 and -600", _rows_shifted(one, 600.0 * sign)),
        (_MAXIMUM, other, "rows of scores around 1,000 and -1,000", _rows_shifted(one, 1000.0 * sign)),
        (
            _MAXIMUM,
            other,
            f"true classes that lead by {_AHEAD:g} in every other row",
            _true_moved(many := _many_classes(), _AHEAD * (np.arange(len(many.y)) % 2)),
        ),
    ]


def examine(function: Callable[..., Any], problem: Problem, found: Examined) -> None:
    """Call a softmax loss with large scores, and with true classes of small probability; add what is wrong.

    Parameters
    ----------
    function : callable
        ``function(W, X, y, reg) -> (loss, dW)``
    problem : Problem
    found : Examined
    """
    is_right_so_far = not found.mistakes
    has_wrong_axis = any(one.name == "wrong axis" for one in found.mistakes)
    is_loss_right = not any("loss" in one.part for one in found.mistakes)
    # along a wrong axis, rows that differ much overflow whatever is subtracted
    for not_finite, wrong, what, one in _calls(problem)[: _ALIKE if has_wrong_axis else None]:
        if _is_mistaken(function, one, what, not_finite, wrong if is_right_so_far else "", found):
            break
    if is_loss_right:
        _examine_small_probabilities(function, problem, found)


def _is_mistaken(
    function: Callable[..., Any], one: Problem, what: str, not_finite: str, wrong: str, found: Examined
) -> bool:
    """Add the mistake of one call, and say whether there was one; without a name `wrong`, finite numbers pass."""
    outcome = call(function, "W X y reg", one.W, one.X, one.y, 0.0)
    if outcome.error:
        found.add(of_error(outcome.error, "large scores"))
        return True
    scalar, gradient = as_array(outcome.value[0]), as_array(outcome.value[1])
    bad = [
        name for name, array in (("loss", scalar), ("gradient", gradient)) if array is None or not np.isfinite(array).all()
    ]
    if bad:
        seen = f"with {what}, {' and '.join(bad)} {'are' if len(bad) > 1 else 'is'} NaN or infinite"
        found.add(mistake(not_finite, " and ".join(bad), seen))
        return True
    if not wrong:
        return False
    loss, right = one.wanted("softmax", 0.0, 1.0, True)
    off = [
        name
        for name, got, wanted in (("loss", scalar, loss), ("gradient", gradient, right))
        if not is_close(got, wanted, _ROUGH)
    ]
    if off:
        assert scalar is not None
        seen = f"with {what} the loss is {float(scalar.reshape(())):.5g}, wanted {loss:.5g}"
        if off == ["gradient"]:
            seen = f"with {what} the gradient differs"
        found.add(mistake(wrong, " and ".join(off), seen))
    return bool(off)


def _examine_small_probabilities(function: Callable[..., Any], problem: Problem, found: Examined) -> None:
    """Find log(p + constant): it bounds the loss of rows whose true class is far behind."""
    one = _true_moved(problem, np.full(len(problem.y), -_BEHIND))
    outcome = call(function, "W X y reg", one.W, one.X, one.y, 0.0)
    scalar = None if outcome.error else as_array(outcome.value[0])
    if scalar is None or not np.isfinite(scalar).all():
        return  # of a function that fails at scores of 60, the other calls tell why
    loss, _ = one.wanted("softmax", 0.0, 1.0, True)
    got = float(scalar.reshape(()))
    if got < loss * (1 - _ROUGH):
        seen = f"with true classes that are {_BEHIND:g} behind the loss is {got:.5g}, wanted {loss:.5g}"
        found.add(mistake(_CONSTANT, "loss", seen))
