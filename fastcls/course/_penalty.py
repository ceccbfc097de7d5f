"""What known mistakes return for the penalty reg * sum W^2 and for its gradient 2 reg W, both without reg."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: W (D, C) and the number of rows -> the penalty, or its gradient
Penalty = Callable[[np.ndarray, int], float]
PenaltyGradient = Callable[[np.ndarray, int], np.ndarray]


def _inner(W: np.ndarray) -> np.ndarray:
    """W with 0 in the row of the bias."""
    found = W.copy()
    found[-1] = 0.0
    return found


def _squares(W: np.ndarray) -> float:
    return float(np.square(W).sum())


def values(factor: float, penalize_bias: bool) -> tuple[tuple[str, Penalty], ...]:
    """The right penalty first, without a name, then those of known mistakes."""
    used = (lambda W: W) if penalize_bias else _inner
    other = _inner if penalize_bias else (lambda W: W)
    of_bias = "bias left out of the penalty" if penalize_bias else "penalty on the bias"
    return (
        ("", lambda W, n: factor * _squares(used(W))),
        ("penalty missing", lambda W, n: 0.0),
        ("penalty halved", lambda W, n: factor / 2 * _squares(used(W))),
        ("penalty doubled", lambda W, n: 2 * factor * _squares(used(W))),
        (of_bias, lambda W, n: factor * _squares(other(W))),
        ("penalty subtracted", lambda W, n: -factor * _squares(used(W))),
        ("penalty divided by N", lambda W, n: factor / n * _squares(used(W))),
        ("penalty added for each row", lambda W, n: factor * n * _squares(used(W))),
        ("L1 penalty", lambda W, n: factor * float(np.abs(used(W)).sum())),
        ("root of the penalty", lambda W, n: factor * float(np.sqrt(_squares(used(W))))),
        ("W not squared", lambda W, n: factor * float(used(W).sum())),
    )


def gradients(factor: float, penalize_bias: bool) -> tuple[tuple[str, PenaltyGradient], ...]:
    """The right gradient first, without a name, then those of known mistakes."""
    used = (lambda W: W) if penalize_bias else _inner
    other = _inner if penalize_bias else (lambda W: W)
    of_bias = "bias left out of the penalty" if penalize_bias else "penalty on the bias"
    k = 2 * factor
    return (
        ("", lambda W, n: k * used(W)),
        ("penalty missing", lambda W, n: 0.0 * W),
        ("penalty halved", lambda W, n: k / 2 * used(W)),
        ("penalty doubled", lambda W, n: 2 * k * used(W)),
        (of_bias, lambda W, n: k * other(W)),
        ("penalty subtracted", lambda W, n: -k * used(W)),
        ("penalty divided by N", lambda W, n: k / n * used(W)),
        ("penalty added for each row", lambda W, n: k * n * used(W)),
        ("L1 penalty", lambda W, n: factor * np.sign(used(W))),
        ("root of the penalty", lambda W, n: factor * used(W) / np.sqrt(_squares(used(W)))),
        ("W not squared", lambda W, n: factor * np.ones(W.shape)),
    )
