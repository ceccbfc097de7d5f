"""The small problems that a learner's loss is called with, and their closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcls._gradient.problem import LinearProblem

from . import _penalty


@dataclass(frozen=True, eq=False)
class Problem:
    """A small problem: W (D, C), X (N, D) whose last column is 1, y (N,)."""

    W: np.ndarray
    X: np.ndarray
    y: np.ndarray
    reg: float

    def wanted(self, loss: str, reg: float, factor: float, penalize_bias: bool) -> tuple[float, np.ndarray]:
        """The closed form of loss and gradient."""
        problem = LinearProblem(self.X, self.y, loss=loss, n_classes=self.W.shape[1])
        value, gradient = problem.value_and_gradient(np.ascontiguousarray(self.W.T))
        _, of_value = _penalty.values(factor, penalize_bias)[0]
        _, of_gradient = _penalty.gradients(factor, penalize_bias)[0]
        n = len(self.y)
        return float(value) + reg * of_value(self.W, n), gradient.T + reg * of_gradient(self.W, n)


def problems() -> list[Problem]:
    """Problems of unequal numbers of rows, features and classes, so that no two mistakes look alike."""
    found = []
    for seed, n, d, c, reg in ((1, 12, 9, 4, 0.7), (2, 7, 6, 5, 1.3)):
        rng = np.random.default_rng(seed)
        X = np.hstack([rng.normal(size=(n, d - 1)), np.ones((n, 1))])
        found.append(Problem(0.6 * rng.normal(size=(d, c)), X, rng.permutation(np.arange(n) % c), reg))
    return found
