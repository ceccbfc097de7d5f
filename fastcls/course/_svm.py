"""What known mistakes return for the multiclass SVM: losses of rows, and slopes (derivatives with respect to the scores).

S is (N, C) scores, y (N,) codes. Slopes come in two parts, that of the other classes and that of the true class, because
mistakes in a gradient often concern one of them. The first entry of each table, without a name, is right.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rows = Callable[[np.ndarray, np.ndarray], np.ndarray]
Slopes = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def onehot(S: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 at the true class, (N, C)."""
    found = np.zeros(S.shape)
    found[np.arange(len(y)), y] = 1.0
    return found


def _margins(S: np.ndarray, y: np.ndarray, margin: float = 1.0, sign: float = 1.0) -> np.ndarray:
    """sign (s_j - s_y) + margin for j != y, minus infinity for y."""
    found = sign * (S - S[np.arange(len(y)), y][:, None]) + margin
    found[np.arange(len(y)), y] = -np.inf
    return found


def _hinge(margin: float = 1.0, sign: float = 1.0, extra: float = 0.0, power: int = 1) -> Rows:
    return lambda S, y: (np.maximum(0.0, _margins(S, y, margin, sign)) ** power).sum(axis=1) + extra


def _linear(S: np.ndarray, y: np.ndarray) -> np.ndarray:
    m = _margins(S, y)
    total: np.ndarray = np.where(np.isfinite(m), m, 0.0).sum(axis=1)
    return total


#: margins that are neither right nor a mistake of their own
_MARGINS = (2.0, 0.5, 0.1)

ROWS: tuple[tuple[str, Rows], ...] = (
    ("", _hinge()),
    ("j = y counted", _hinge(extra=1.0)),
    ("margin 0", _hinge(margin=0.0)),
    *(("other margin", _hinge(margin=margin)) for margin in _MARGINS),
    ("no maximum with 0", _linear),
    ("scores swapped", _hinge(sign=-1.0)),
    ("margin subtracted", _hinge(margin=-1.0)),
    ("squared hinge", _hinge(power=2)),
    ("largest margin only", lambda S, y: np.maximum(0.0, _margins(S, y)).max(axis=1)),
)


def _counted(
    of_others: Callable[[np.ndarray, np.ndarray], np.ndarray],
    of_true: Callable[[np.ndarray], np.ndarray] = lambda total: -total,
) -> Slopes:
    """Slopes of the others, and from their sums over a row that of the true class."""

    def slopes(S: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        others = of_others(S, y).astype(np.float64)
        return others, onehot(S, y) * of_true(others.sum(axis=1))[:, None]

    return slopes


def _violated(S: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _margins(S, y) > 0


def _largest(S: np.ndarray, y: np.ndarray) -> np.ndarray:
    m = _margins(S, y)
    found: np.ndarray = (m == m.max(axis=1, keepdims=True)) & (m > 0)
    return found


def _without_others(S: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    others, true = _counted(_violated)(S, y)
    return 0.0 * others, true


def _above(margin: float) -> Slopes:
    return _counted(lambda S, y: _margins(S, y, margin) > 0)


SLOPES: tuple[tuple[str, Slopes], ...] = (
    ("", _counted(_violated)),
    ("margin 0", _above(0.0)),
    *(("other margin", _above(margin)) for margin in _MARGINS),
    ("true class not subtracted", _counted(_violated, lambda total: 0.0 * total)),
    ("true class subtracted once", _counted(_violated, lambda total: 0.0 * total - 1.0)),
    ("true class subtracted once", _counted(_violated, lambda total: -1.0 * (total > 0))),
    ("only the true class", _without_others),
    ("j = y counted", _counted(_violated, lambda total: -total - 1.0)),
    ("j = y counted", _counted(_violated, lambda total: -total + 1.0)),
    ("true class added", _counted(_violated, lambda total: total)),
    ("no maximum with 0", _counted(lambda S, y: 1.0 - onehot(S, y))),
    ("margins in place of counts", _counted(lambda S, y: np.maximum(0.0, _margins(S, y)))),
    ("squared hinge", _counted(lambda S, y: 2.0 * np.maximum(0.0, _margins(S, y)))),
    ("scores swapped", _counted(lambda S, y: -1.0 * (_margins(S, y, sign=-1.0) > 0))),
    ("scores swapped", _counted(lambda S, y: _margins(S, y, sign=-1.0) > 0)),
    ("margin subtracted", _counted(lambda S, y: _margins(S, y, -1.0) > 0)),
    ("largest margin only", _counted(_largest)),
)
