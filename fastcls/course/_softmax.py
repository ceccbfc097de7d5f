"""What known mistakes return for the softmax loss: losses of rows, and slopes, as in `_svm`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._svm import Rows, Slopes, onehot

#: for each wrong way to normalise: what is subtracted from the scores, and the axis of the sum (None: over everything)
_WRONG_AXES: tuple[tuple[str, int | None], ...] = (
    ("", 0),
    ("row", 0),
    ("", None),
    ("row", None),
    ("column", 1),
    ("column", None),
)


def _normalised(S: np.ndarray, shift: str = "row", axis: int | None = 1) -> np.ndarray:
    Z = S - S.max(axis=1, keepdims=True) if shift == "row" else S - S.max(axis=0) if shift == "column" else S
    E = np.exp(Z)
    found: np.ndarray = E / E.sum(axis=axis, keepdims=axis is not None)
    return found


def _of_true(A: np.ndarray, y: np.ndarray) -> np.ndarray:
    found: np.ndarray = A[np.arange(len(y)), y]
    return found


def _minus_log(shift: str = "row", axis: int | None = 1, base: float = np.e) -> Rows:
    return lambda S, y: -np.log(_of_true(_normalised(S, shift, axis), y)) / np.log(base)


ROWS: tuple[tuple[str, Rows], ...] = (
    ("", _minus_log()),
    ("log10", _minus_log(base=10.0)),
    ("log2", _minus_log(base=2.0)),
    ("no logarithm", lambda S, y: -_of_true(_normalised(S), y)),
    ("no logarithm", lambda S, y: _of_true(_normalised(S), y)),
    ("no logarithm", lambda S, y: 1.0 - _of_true(_normalised(S), y)),
    ("not normalised", lambda S, y: -_of_true(S, y)),
    ("not normalised", lambda S, y: S.max(axis=1) - _of_true(S, y)),
    ("all classes in the loss", lambda S, y: -np.log(_normalised(S)).sum(axis=1)),
    ("labels of all rows", lambda S, y: -np.log(_normalised(S))[:, y].mean(axis=1)),
    ("labels of all rows", lambda S, y: -np.log(_normalised(S))[:, y].sum(axis=1)),
    *(("wrong axis", _minus_log(shift, axis)) for shift, axis in _WRONG_AXES),
)


def _divided(of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Slopes:
    """The two parts of slopes that are given together."""

    def slopes(S: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, true = of(S, y), onehot(S, y)
        return found * (1.0 - true), found * true

    return slopes


def _minus_one(shift: str = "row", axis: int | None = 1) -> Slopes:
    return _divided(lambda S, y: _normalised(S, shift, axis) - onehot(S, y))


def _of_probability(S: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slopes of -p of the true class."""
    P = _normalised(S)
    return _of_true(P, y)[:, None] * (P - onehot(S, y))


SLOPES: tuple[tuple[str, Slopes], ...] = (
    ("", _minus_one()),
    ("no 1 at the true class", _divided(lambda S, y: _normalised(S))),
    ("1 subtracted everywhere", _divided(lambda S, y: _normalised(S) - 1.0)),
    ("only the true class", _divided(lambda S, y: (_normalised(S) - 1.0) * onehot(S, y))),
    ("only the true class", _divided(lambda S, y: -onehot(S, y))),
    ("true class not subtracted", _divided(lambda S, y: _normalised(S) * (1.0 - onehot(S, y)))),
    ("true class added", _divided(lambda S, y: _normalised(S) + onehot(S, y))),
    ("not normalised", _divided(lambda S, y: np.exp(S) - onehot(S, y))),
    ("not normalised", _divided(lambda S, y: np.exp(S - S.max(axis=1, keepdims=True)) - onehot(S, y))),
    ("log10", _divided(lambda S, y: (_normalised(S) - onehot(S, y)) / np.log(10.0))),
    ("log2", _divided(lambda S, y: (_normalised(S) - onehot(S, y)) / np.log(2.0))),
    ("no logarithm", _divided(_of_probability)),
    *(("wrong axis", _minus_one(shift, axis)) for shift, axis in _WRONG_AXES),
)
