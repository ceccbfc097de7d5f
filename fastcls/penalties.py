"""The registry of penalties R(W), each with its formula, source and gradient. The full loss is mean L_i + alpha R(W).

Every penalty except max norm is a mixture: R(W) = l1 sum |W| + l2 sum W^2. Max norm is not a term of the loss but a bound on
the weights, enforced by projection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._validation.base import check_number, one_of
from fastcls._validation.errors import InputError

__all__ = [
    "PENALTIES",
    "Penalty",
    "project",
]


@dataclass(frozen=True)
class Penalty:
    """One penalty.

    Attributes
    ----------
    name, formula, source : str
    parts : callable
        ``parts(l1_ratio) -> (l1, l2)``: R(W) = l1 sum |W| + l2 sum W^2.
    """

    name: str
    formula: str
    source: str
    parts: Callable[[float], tuple[float, float]]

    def value(self, W: np.ndarray, l1_ratio: float = 0.5) -> float:
        """R(W).

        Parameters
        ----------
        W : array (n_classes, n_features)
        l1_ratio : float

        Returns
        -------
        float
        """
        l1, l2 = self.parts(l1_ratio)
        return (l1 * float(np.abs(W).sum()) if l1 else 0.0) + (l2 * float(np.sum(W * W)) if l2 else 0.0)

    def gradient(self, W: np.ndarray, l1_ratio: float = 0.5) -> np.ndarray:
        """dR/dW. At the kink of |W| at 0 the subgradient is 0.

        Parameters
        ----------
        W : array (n_classes, n_features)
        l1_ratio : float

        Returns
        -------
        array like W
        """
        l1, l2 = self.parts(l1_ratio)
        return l1 * np.sign(W) + 2.0 * l2 * W


def project(W: np.ndarray, max_norm: float) -> np.ndarray:
    """Scale down every row of W whose Euclidean norm is above `max_norm`.

    Parameters
    ----------
    W : array (n_classes, n_features)
    max_norm : float

    Returns
    -------
    array like W
    """
    norms = np.linalg.norm(W, axis=1, keepdims=True)
    return W * np.where(norms > max_norm, max_norm / np.where(norms > 0, norms, 1.0), 1.0)


#: penalties by their names
PENALTIES: dict[str, Penalty] = {
    penalty.name: penalty
    for penalty in (
        Penalty(
            name="l2",
            formula="R(W) = sum W^2, with no 1/2, as on the lecture's slide",
            source="Hoerl and Kennard, Ridge regression, 1970; the lecture's L2 regularization (weight decay)",
            parts=lambda l1_ratio: (0.0, 1.0),
        ),
        Penalty(
            name="l1",
            formula="R(W) = sum |W|",
            source="Tibshirani, Regression shrinkage and selection via the lasso, 1996; the lecture's L1 regularization",
            parts=lambda l1_ratio: (1.0, 0.0),
        ),
        Penalty(
            name="elasticnet",
            formula="R(W) = l1_ratio sum |W| + (1 - l1_ratio) sum W^2; the lecture's beta is (1 - l1_ratio) / l1_ratio",
            source="Zou and Hastie, Regularization and variable selection via the elastic net, 2005",
            parts=lambda l1_ratio: (l1_ratio, 1.0 - l1_ratio),
        ),
        Penalty(
            name="max_norm",
            formula="not a term of the loss: |W_c| <= max_norm for every class c, by projection after each step",
            source="Srebro and Shraibman, Rank, trace-norm and max-norm, 2005; the lecture's max norm regularization",
            parts=lambda l1_ratio: (0.0, 0.0),
        ),
    )
}


def check_penalty(name: Any, max_norm: Any) -> str | None:
    """Check the name of a penalty and its `max_norm`.

    Parameters
    ----------
    name : str or None
    max_norm : float or None

    Returns
    -------
    str or None
        The name.

    Raises
    ------
    InputError
        For an unknown name, an invalid `max_norm`, or max norm without its value.
    """
    if name is not None:
        one_of("penalty", name, PENALTIES, also=", or None")
    if max_norm is not None:
        check_number("max_norm", max_norm, minimum=0, strict=True)
    elif name == "max_norm":
        raise InputError(
            "penalty='max_norm' needs the parameter max_norm, the largest norm of a class's weights, such as max_norm=3.0"
        )
    return name
