"""The registry of penalties R(W), each with its formula, source and gradient. The full loss is mean L_i + alpha R(W)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._validation import InputError


@dataclass(frozen=True)
class Penalty:
    """One penalty.

    Attributes
    ----------
    name : str
    formula, source : str
    value : callable
        ``value(W) -> float``
    gradient : callable
        ``gradient(W) -> array like W``
    curvature : float
        The largest eigenvalue of the second derivative.
    """

    name: str
    formula: str
    source: str
    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]
    curvature: float


def l2(W: np.ndarray) -> float:
    """Sum of squares, with no 1/2, as on the lecture's slide."""
    return float(np.sum(W * W))


PENALTIES: dict[str, Penalty] = {
    penalty.name: penalty
    for penalty in (
        Penalty(
            name="l2",
            formula="R(W) = sum_k sum_l W_kl^2",
            source="Hoerl and Kennard, Ridge regression, 1970; the lecture's L2 regularization (weight decay)",
            value=l2,
            gradient=lambda W: 2.0 * W,
            curvature=2.0,
        ),
    )
}


def find_penalty(name: str | None) -> Penalty | None:
    """The registry row of a name, None for None; an unknown one is refused with the list of those that exist."""
    if name is None:
        return None
    if not isinstance(name, str) or name not in PENALTIES:
        raise InputError(f"penalty={name!r} is unknown; choose one of: {', '.join(PENALTIES)}, or None")
    return PENALTIES[name]
