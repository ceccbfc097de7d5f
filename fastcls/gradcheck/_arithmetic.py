"""The gradient in a problem's own arithmetic, compared with float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.linear import check_weights
from fastcls._validation.types import as_numbers

from ._rounding import BLOCK_VALUES


@dataclass(frozen=True)
class ArithmeticReport:
    """Difference between the gradient in a problem's own arithmetic and the float64 one.

    Attributes
    ----------
    difference : float
        The largest difference over all entries.
    allowed : float
        The difference that rounding can cause; 0 if the arithmetic is float64.
    """

    difference: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is at most `allowed`."""
        return self.difference <= self.allowed


def check_arithmetic(problem: LinearProblem, W: np.ndarray) -> ArithmeticReport:
    """Compare the gradient in the problem's own arithmetic with that of the float64 kernels on the same rows.

    With eps = 2^-24, the error of a score is a random walk of d / lanes roundings, each relative to partial sums of at most
    sum |w x|; allowed is 4 eps (sqrt(d) + 4) max sum |w x|. The error of a slope is the loss's curvature times that, or 0 on
    a linear segment. An entry of the gradient averages slopes times x, and adds sqrt(rows of a tile) roundings relative to
    the largest term: 4 eps (sqrt(256) + 4) max |slope|. Both are multiplied by the largest |x| before centring, in scales.
    Weights of rows change neither: their mean is 1, so the errors of slopes average to at most the largest, and the largest
    weights of all tiles add up to at most the sum of all weights.

    Parameters
    ----------
    problem : LinearProblem
    W : array of the problem's shape

    Returns
    -------
    ArithmeticReport

    Raises
    ------
    InputError
        If W has another shape or is not finite.
    """
    W = np.array(check_weights(W, problem.shape, problem.fit_intercept))
    gradient = problem.value_and_gradient(W)[1]
    if problem.arithmetic == "float64":
        return ArithmeticReport(0.0, 0.0)
    kept, problem.arithmetic = problem.arithmetic, "float64"
    try:
        exact = problem.value_and_gradient(W)[1]
    finally:
        problem.arithmetic = kept
    eps = 2.0**-24
    raw, _ = problem.to_raw(W)
    largest = _largest_of_features(problem.X) + np.abs(problem.center)
    of_score = 4 * eps * (np.sqrt(problem.n_features) + 4) * float((np.abs(raw) * largest).sum(axis=1).max())
    options = problem.loss_options
    curvature = 0.0 if problem.loss.segment_degree == 1 else problem.loss.curvature(problem.n_classes, **options)
    codes = problem.y if problem.rows is None else problem.y[problem.rows]
    slopes = np.abs(problem.loss.function(problem.scores(W), codes, **options)[1]).max(initial=0.0)
    largest_input = max(1.0, float((largest / np.abs(problem.scale)).max()))
    allowed = (curvature * of_score + 4 * eps * (16 + 4) * float(slopes)) * largest_input
    return ArithmeticReport(float(np.abs(gradient - exact).max()), allowed)


def _largest_of_features(X: np.ndarray) -> np.ndarray:
    """The largest absolute value of every feature, float64 (n_features,)."""
    step = max(1, BLOCK_VALUES // X.shape[1])
    largest = np.zeros(X.shape[1])
    for start in range(0, len(X), step):
        some = as_numbers(X[start : start + step])
        low, high = (np.abs(extreme.astype(np.float64)) for extreme in (some.min(axis=0), some.max(axis=0)))
        largest = np.maximum(largest, np.maximum(low, high))
    return largest
