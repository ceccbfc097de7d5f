"""The examination of a learner's subtraction of the mean image, which is that of the training rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcls.gradcheck import relative_errors

from ._call import as_array, call
from ._examined import Examined, is_close
from ._mistakes import mistake, of_error

_PART = "rows"
Rows = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _minus(of_training: Callable[..., Any], of_test: Callable[..., Any]) -> Rows:
    """Both sets of rows minus a mean, each a function of both."""
    return lambda X, Q: (X - of_training(X, Q), Q - of_test(X, Q))


def _training(X: np.ndarray, Q: np.ndarray) -> np.ndarray:
    found: np.ndarray = X.mean(axis=0)
    return found


def _test(X: np.ndarray, Q: np.ndarray) -> np.ndarray:
    found: np.ndarray = Q.mean(axis=0)
    return found


def _all(X: np.ndarray, Q: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.vstack([X, Q]).mean(axis=0)
    return found


def _cut(X: np.ndarray, Q: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.trunc(X.mean(axis=0))
    return found


def _in_bytes(of: Rows) -> Rows:
    """Both sets of rows as bytes, whose differences are bytes, too."""
    return lambda X, Q: of(X.astype(np.uint8), Q.astype(np.uint8))


def _standardised(own: bool, axis: int | None, ddof: int) -> Rows:
    """Both sets of rows minus the mean of the training rows, divided by a standard deviation."""

    def rows(X: np.ndarray, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spread = X.std(axis=axis, ddof=ddof)
        return (X - _training(X, Q)) / spread, (Q - _training(X, Q)) / (Q.std(axis=axis, ddof=ddof) if own else spread)

    return rows


def _nothing(X: np.ndarray, Q: np.ndarray) -> float:
    return 0.0


def _number(X: np.ndarray, Q: np.ndarray) -> float:
    return float(X.mean())


#: (name, rows); the right ones first
PAIRS: tuple[tuple[str, Rows], ...] = (
    ("", _minus(_training, _training)),
    ("mean of the test rows", _minus(_training, _test)),
    ("mean of the test rows", _minus(_test, _test)),
    ("mean of all rows", _minus(_all, _all)),
    ("test rows not centred", _minus(_training, _nothing)),
    ("training rows not centred", _minus(_nothing, _training)),
    ("one mean for all pixels", _minus(_number, _number)),
    ("one mean for all pixels", _minus(_number, lambda X, Q: Q.mean())),
    ("wrong axis", lambda X, Q: (X - X.mean(axis=1, keepdims=True), Q - Q.mean(axis=1, keepdims=True))),
    ("mean cut to whole numbers", _minus(_cut, _cut)),
    ("mean cut to whole numbers", _minus(lambda X, Q: np.rint(X.mean(axis=0)), lambda X, Q: np.rint(X.mean(axis=0)))),
    (
        "uint8 wrap-around",
        _in_bytes(lambda X, Q: (X - X.mean(axis=0).astype(np.uint8), Q - X.mean(axis=0).astype(np.uint8))),
    ),
    *(
        ("divided by the standard deviation", _standardised(own, axis, ddof))
        for own in (False, True)
        for axis in (0, None)
        for ddof in (0, 1)
    ),
    ("nothing subtracted", _minus(_nothing, _nothing)),
)


def examine(function: Callable[..., Any]) -> Examined:
    """Compare centred rows with ours.

    Parameters
    ----------
    function : callable
        ``function(X_train, X_test) -> (X_train, X_test)``

    Returns
    -------
    Examined
    """
    found = Examined()
    rng = np.random.default_rng(6)
    X, Q = rng.integers(0, 256, (9, 5)).astype(np.float64), rng.integers(0, 256, (4, 5)).astype(np.float64)
    outcome = call(function, "X_train X_test", X, Q)
    if outcome.error:
        found.add(of_error(outcome.error, _PART))
        return found
    pair = outcome.value
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        found.add(mistake("wrong kind of result", _PART, "wanted two arrays: the training rows and the test rows"))
        return found
    got = [as_array(one) for one in pair]
    if any(one is None or one.shape != rows.shape for one, rows in zip(got, (X, Q), strict=True)):
        found.add(mistake("wrong kind of result", _PART, f"wanted arrays of shapes {X.shape} and {Q.shape}"))
        return found
    wanted = PAIRS[0][1](X, Q)
    found.value_error = max(
        float(relative_errors(np.asarray(one), right).max()) for one, right in zip(got, wanted, strict=True)
    )
    name = next(
        (name for name, rows in PAIRS if all(is_close(one, right) for one, right in zip(got, rows(X, Q), strict=True))),
        "differs",
    )
    if name:
        one, right = np.asarray(got[1]), wanted[1]
        found.add(mistake(name, _PART, f"the first value of the test rows is {one[0, 0]:.5g}, wanted {right[0, 0]:.5g}"))
    return found
