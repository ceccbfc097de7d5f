"""The gradient check: compares the analytic gradient, which is fast and error-prone, with the slow and simple numerical one.

The error of a coordinate is ``|n - a| / max(|a|, |n|, 1e-3 max|a|)``: it is relative, but ignores entries below a thousandth
of the largest. For correct float64 code it is below 1e-6, away from kinks. On a kink (where a hinge turns) the left and
right slopes differ and neither is wrong; such coordinates are detected and reported separately.

The numerical side uses rows that are centred and scaled one by one, in float64. The analytic side folds center and scale
into the weights, so if rows are far from 0 (a map coordinate of 3,000,000 +- 1), the digits of x - center cancel in its
sums. `_rounding` bounds this effect, and only differences beyond the bound count as errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.base import RandomState, check_number, check_random_state, one_of, refuse_masked
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_weights
from fastcls._validation.messages import counted, kind
from fastcls._validation.rows import CheckedRows
from fastcls._validation.types import as_numbers, widened

__all__ = [
    "ArithmeticReport",
    "GradientReport",
    "check_arithmetic",
    "check_gradient",
    "numerical_gradient",
    "relative_errors",
]

# Largest change of a score. With a smaller step the rounding of the difference grows as 1/step; with a larger one the
# curvature of a smooth loss counts (as step^2), and a hinge crosses more kinks.
_SCORE_STEP = 1e-4
_PENALTY_STEP = 1e-4  # relative to a weight: a penalty is a sum over entries, each with its own step
_LARGEST_STEP = 1e100  # of a weight whose feature is almost 0
_BLOCK_VALUES = 1 << 23  # centred rows at once: 64 MB
_UNIT = 2.0**-53  # half a unit in the last place: the relative error of one operation


def numerical_gradient(
    f: Callable[[np.ndarray], float], W: np.ndarray, h: float | None = None, method: str = "central"
) -> np.ndarray:
    """The gradient of any function of an array, one entry at a time; it is as slow as the lecture says.

    Parameters
    ----------
    f : callable
        ``f(W) -> float``
    W : array
    h : float, optional
        The step. By default 1e-5 for "central" and 1e-8 for "forward", times max|W| if that is above 1. If f
        multiplies W by data, divide by the largest value of the data: on raw pixels 1e-5 / 255.
    method : {"central", "forward"}
        (f(W + h) - f(W - h)) / 2h, or the lecture's (f(W + h) - f(W)) / h.

    Returns
    -------
    float64 array like W
    """
    one_of("method", method, ("central", "forward"))
    refuse_masked(W, "W")
    W = np.array(W, dtype=np.float64)
    if h is None:
        h = (1e-5 if method == "central" else 1e-8) * max(1.0, float(np.abs(W).max(initial=0.0)))
    check_number("h", h, minimum=0, strict=True)
    gradient = np.empty_like(W)
    value = f(W)
    for place in np.ndindex(W.shape):
        kept = W[place]
        W[place] = kept + h
        ahead = f(W)
        if method == "central":
            W[place] = kept - h
            gradient[place] = (ahead - f(W)) / (2 * h)
        else:
            gradient[place] = (ahead - value) / h
        W[place] = kept
    return gradient


def relative_errors(numerical: np.ndarray, analytic: np.ndarray) -> np.ndarray:
    """|n - a| / max(|a|, |n|, 1e-3 max|a|), entry by entry; 0 where both are 0.

    Parameters
    ----------
    numerical, analytic : float64 arrays of one shape

    Returns
    -------
    float64 array of that shape
    """
    floor = 1e-3 * np.abs(analytic).max(initial=0.0)
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numerical)), floor)
    return np.abs(numerical - analytic) / np.where(scale > 0, scale, 1.0)


@dataclass(frozen=True)
class GradientReport:
    """Result of a gradient check; ``str()`` is a table of the worst entries.

    Attributes
    ----------
    coordinates : int array (n_checked, 2)
        Class and feature of each entry of W (the last feature may be the bias). Empty for a direction.
    analytic, numerical : float64 arrays (n_checked,)
    relative_errors : float64 array (n_checked,)
        Relative errors beyond the effect of rounding; infinite if the analytic gradient is NaN or infinite.
    is_kink : bool array (n_checked,)
        Whether the loss has a kink within the step, where the two gradients need not agree.
    loss : str
    """

    coordinates: np.ndarray
    analytic: np.ndarray
    numerical: np.ndarray
    relative_errors: np.ndarray
    is_kink: np.ndarray
    loss: str

    @property
    def max_relative_error(self) -> float:
        """The largest relative error away from kinks; NaN if all entries are on kinks, infinite if one is not finite."""
        away = self.relative_errors[~self.is_kink | ~self._is_finite]
        return float(away.max()) if len(away) else float("nan")

    @property
    def _is_finite(self) -> np.ndarray:
        return np.isfinite(self.analytic) & np.isfinite(self.numerical)

    @property
    def n_not_finite(self) -> int:
        """Entries whose analytic or numerical gradient is NaN or infinite; these are wrong even on a kink."""
        return int((~self._is_finite).sum())

    @property
    def verdict(self) -> str:
        """One line: what is wrong, or the largest error."""
        if self.n_not_finite:
            at = int(np.argmin(self._is_finite))
            where = ", first at class {}, feature {}".format(*self.coordinates[at]) if len(self.coordinates) else ""
            return (
                f"{self.n_not_finite} of {self.n_checked} entries are NaN or infinite (analytic {self.analytic[at]:g}, "
                f"numerical {self.numerical[at]:g}{where})"
            )
        if self.n_kinks == self.n_checked:
            return f"all {self.n_checked} entries are on a kink of the loss, so nothing was compared: try another W"
        return f"largest relative error away from kinks {self.max_relative_error:.1e}"

    @property
    def n_checked(self) -> int:
        """Number of entries that were compared, including those on kinks."""
        return len(self.analytic)

    @property
    def n_kinks(self) -> int:
        """Number of entries with a kink within the step."""
        return int(self.is_kink.sum())

    def __str__(self) -> str:
        lines = [
            f"Gradient check of {self.loss}: {counted(self.n_checked, 'entry', 'entries')}, {self.n_kinks} of them on a "
            "kink and not counted",
            self.verdict,
            f"{'class':>8} {'feature':>8} {'analytic':>14} {'numerical':>14} {'error':>9}",
        ]
        order = np.lexsort((-self.relative_errors, self.is_kink))[:8]
        for at in order:
            where = self.coordinates[at] if len(self.coordinates) else ("", "")
            note = "  kink" if self.is_kink[at] else ""
            lines.append(
                f"{where[0]:>8} {where[1]:>8} {self.analytic[at]:>14.6e} {self.numerical[at]:>14.6e} "
                f"{self.relative_errors[at]:>9.1e}{note}"
            )
        if self.n_checked > len(order):
            lines.append(f"and {counted(self.n_checked - len(order), 'entry', 'entries')} with smaller errors or on kinks")
        return "\n".join(lines)


def check_gradient(
    problem: LinearProblem,
    W: np.ndarray,
    direction: np.ndarray | None = None,
    *,
    n_coordinates: int | None = None,
    random_state: RandomState = None,
) -> GradientReport:
    """Compare the problem's analytic gradient at W with central differences of its value.

    Parameters
    ----------
    problem : LinearProblem
    W : array of the problem's shape
        Choose W so that scores are of the order of one: if the loss is flat there is nothing to compare.
    direction : array of the problem's shape, optional
        Check only the slope in this direction, its dot product with the gradient, which takes two evaluations.
    n_coordinates : int, optional
        Number of entries to check, drawn at random; by default all. Each takes two evaluations.
    random_state : int, RandomState or None

    Returns
    -------
    GradientReport

    Raises
    ------
    InputError
        If the problem is none, or W or the direction has another shape or is not finite.
    """
    if not isinstance(problem, LinearProblem):
        raise InputError(
            f"problem is {kind(problem)}; wanted a LinearProblem: compare the gradient of a function of your own with "
            "numerical_gradient"
        )
    W = np.array(check_weights(W, problem.shape, problem.fit_intercept))
    analytic = problem.value_and_gradient(W)[1]
    ways: Any
    if direction is not None:
        refuse_masked(direction, "direction")
        direction = np.asarray(direction, dtype=np.float64)
        if direction.shape != W.shape or not np.any(direction):
            raise InputError(f"direction has shape {direction.shape}; wanted shape {W.shape}, not all 0")
        places, ways = np.zeros((0, 2), dtype=np.int64), [direction]
        chosen = np.array([float((analytic * direction).sum())])
    else:
        places = np.argwhere(np.ones(W.shape, dtype=bool))
        if n_coordinates is not None:
            check_number("n_coordinates", n_coordinates, minimum=1, whole=True)
        if n_coordinates is not None and n_coordinates < len(places):
            drawn = check_random_state(random_state).permutation(len(places))[:n_coordinates]
            places = places[np.sort(drawn)]
        ways, chosen = places, analytic[places[:, 0], places[:, 1]]
    slopes, kinks = _slopes(problem.counted(), W, ways)
    rounding = _rounding(problem.counted(), W)
    if direction is not None:
        allowed = np.array([float((np.abs(direction) * rounding).sum())])
        errors = _errors_beyond(slopes, chosen, allowed, 0.0)
    else:  # the floor of the error measure follows from the whole gradient, not from the entries that were drawn
        largest = float(np.abs(analytic[np.isfinite(analytic)]).max(initial=0.0))
        errors = _errors_beyond(slopes, chosen, rounding[places[:, 0], places[:, 1]], largest)
    return GradientReport(places, chosen, slopes, errors, kinks, problem.loss.name)


def _errors_beyond(numerical: np.ndarray, analytic: np.ndarray, allowed: np.ndarray, largest: float) -> np.ndarray:
    """`relative_errors` beyond the allowed rounding; infinite if a gradient is not finite."""
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(np.abs(numerical - analytic) - allowed, 0.0)
        scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numerical)), 1e-3 * largest)
        errors = beyond / np.where(scale > 0, scale, 1.0)
    return np.where(np.isfinite(numerical) & np.isfinite(analytic), errors, np.inf)


def _largest_of_features(X: np.ndarray) -> np.ndarray:
    """The largest absolute value of every feature, float64 (n_features,)."""
    step = max(1, _BLOCK_VALUES // X.shape[1])
    largest = np.zeros(X.shape[1])
    for start in range(0, len(X), step):
        some = as_numbers(X[start : start + step])
        low, high = (np.abs(extreme.astype(np.float64)) for extreme in (some.min(axis=0), some.max(axis=0)))
        largest = np.maximum(largest, np.maximum(low, high))
    return largest


def _centred(problem: LinearProblem) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of the problem's rows: row numbers in X, and (x - center) / scale in float64."""
    numbers = problem.row_numbers(None)[0] if problem.rows is not None else np.arange(problem.n_samples)
    step = max(1, _BLOCK_VALUES // problem.n_features)
    for start in range(0, len(numbers), step):
        some = numbers[start : start + step]
        Z = (widened(problem.X[some], np.float64) - problem.center) / problem.scale
        yield some, np.ascontiguousarray(Z)


def _slopes(problem: LinearProblem, W: np.ndarray, ways: Any) -> tuple[np.ndarray, np.ndarray]:
    """Central differences of the full loss along each way (an entry of W, or a direction), and whether it crosses a kink.

    Differences are computed sample by sample and then averaged, so the rounding is that of one loss, not of their sum.
    Losses are float64, whatever the arithmetic of the gradient.
    """
    largest = np.zeros(problem.n_features)  # largest |z| of every feature: the change of a score per change of the weight
    for _, Z in _centred(problem):
        np.maximum(largest, np.abs(Z).max(axis=0), out=largest)
    moved = np.append(np.where(largest > 0, largest, 1.0), [1.0] * problem.fit_intercept)
    is_direction = len(ways) and ways[0].shape == W.shape
    if is_direction:
        steps = [_SCORE_STEP / max(float((np.abs(way) * moved).sum(axis=1).max()), 1.0 / _LARGEST_STEP) for way in ways]
    else:
        steps = [_SCORE_STEP / max(moved[j], 1.0 / _LARGEST_STEP) for _, j in ways]
    slopes, kinks = np.zeros(len(ways)), np.zeros(len(ways), dtype=bool)
    for numbers, Z in _centred(problem):
        twin = LinearProblem(
            CheckedRows(Z, 0, ()),
            problem.y[numbers],
            problem.loss.name,
            None,
            0.0,
            problem.fit_intercept,
            n_classes=problem.n_classes,
            arithmetic="float64",
            **problem.loss_options,
        )
        twin.n_threads = problem.n_threads
        weights, here = problem.weights[numbers] if len(problem.weights) else 1.0, twin.per_sample(W)
        for at, (way, step) in enumerate(zip(ways, steps, strict=True)):
            change, kink = _change(twin, W, here, _as_direction(way, W.shape), step)
            slopes[at] += float((change * weights).sum()) / (2 * step * problem.n_samples)
            kinks[at] |= kink
    for at, way in enumerate(ways):
        slope, kink = _penalty_slope(problem, W, _as_direction(way, W.shape))
        slopes[at] += slope
        kinks[at] |= kink
    return slopes, kinks


def _as_direction(way: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if way.shape == shape:
        return way
    one = np.zeros(shape)
    one[way[0], way[1]] = 1.0
    return one


def _change(
    twin: LinearProblem, W: np.ndarray, here: np.ndarray, direction: np.ndarray, h: float
) -> tuple[np.ndarray, bool]:
    """Change of every row's loss from W - h * direction to W + h * direction, and whether there is a kink in between."""
    ahead, behind = twin.per_sample(W + h * direction), twin.per_sample(W - h * direction)
    # On a linear segment the second difference is only the rounding of four losses and their scores.
    rounding = 1e-12 * (1.0 + np.abs(here) + np.abs(ahead) + np.abs(behind))
    kink = False
    if twin.loss.segment_degree == 1:
        kink = bool(np.any(np.abs((ahead - here) - (here - behind)) > rounding))
    elif twin.loss.segment_degree == 2:
        # Along one parabola the central difference of half the step is exactly half.
        half_ahead, half_behind = twin.per_sample(W + h / 2 * direction), twin.per_sample(W - h / 2 * direction)
        kink = bool(np.any(np.abs((ahead - behind) - 2.0 * (half_ahead - half_behind)) > 2.0 * rounding))
    return ahead - behind, kink


def _penalty_slope(problem: LinearProblem, W: np.ndarray, direction: np.ndarray) -> tuple[float, bool]:
    """Slope of the penalty, and whether it crosses a kink; entries that do not change are left out of the sum."""
    inner = np.where(direction != 0, W, 0.0)
    ratio = np.abs(inner[direction != 0] / direction[direction != 0])
    h = _PENALTY_STEP * (float(ratio.min()) or 1.0)
    ahead, behind = inner + h * direction, inner - h * direction
    kink = bool(problem.l1) and bool(np.any((np.sign(ahead) != np.sign(behind)) & (direction != 0)))
    return (problem.penalty_value(ahead) - problem.penalty_value(behind)) / (2 * h), kink


@np.errstate(under="ignore")  # the caller may have set it to raise
def _rounding(problem: LinearProblem, W: np.ndarray) -> np.ndarray:
    """A bound on the rounding error of each entry of the folded gradient in float64, an array like W.

    With u = 2^-53, the error of a sum of n products in any order is at most (n + 2) u times the sum of their sizes (to first
    order; the factor 1.5 far exceeds the higher orders). Scores are sums of d + 2 products W x / scale, and of as many
    W center / scale; E bounds the error of a row's scores. A slope then changes by at most the loss's curvature times the
    error of all scores, sqrt(n_classes) E; if the loss has kinks, by its jump when scores change by 2 E. The gradient is the
    sum over n rows of slope times x, minus the sum of slopes times the center.
    """
    d, n = problem.n_features, problem.n_samples
    scale, center = np.abs(np.broadcast_to(problem.scale, d)), np.abs(np.broadcast_to(problem.center, d))
    raw = np.abs(W[:, :d]) / scale
    bias = np.abs(W[:, -1]) if problem.fit_intercept else np.zeros(len(W))
    of_center = (raw * center).sum(axis=1) + bias
    curvature = problem.loss.curvature(problem.n_classes, **problem.loss_options) * np.sqrt(problem.n_classes)
    moved, summed = np.zeros(W.shape), np.zeros(W.shape)
    for numbers, Z in _centred(problem):
        X = np.abs(widened(problem.X[numbers], np.float64))
        error = 1.5 * (d + 4) * _UNIT * ((X @ raw.T) + of_center).max(axis=1)
        scores = Z @ W[:, :d].T + (W[:, -1] if problem.fit_intercept else 0.0)
        codes = problem.y[numbers]
        slopes = np.abs(problem.loss.function(scores, codes, **problem.loss_options)[1])
        if problem.loss.segment_degree == 1:
            off = _jumps(problem, scores, codes, 2.0 * error)
        else:
            off = np.repeat((curvature * error)[:, None], problem.n_classes, axis=1)
        weights = problem.weights[numbers][:, None] if len(problem.weights) else 1.0
        slopes, off = (slopes + off) * weights, off * weights
        moved[:, :d] += off.T @ np.abs(Z)
        summed[:, :d] += slopes.T @ (X + center) / scale
        if problem.fit_intercept:
            moved[:, -1] += off.sum(axis=0)
            summed[:, -1] += slopes.sum(axis=0)
    bound: np.ndarray = (moved + 1.5 * (n + 4) * _UNIT * summed) / n
    return bound


def _jumps(problem: LinearProblem, scores: np.ndarray, codes: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Largest jump of each slope if one score of its row changes by `by`, an array like scores."""

    def slopes_of(moved: np.ndarray) -> np.ndarray:
        found: np.ndarray = problem.loss.function(moved, codes, **problem.loss_options)[1]
        return found

    here, jumps = slopes_of(scores), np.zeros(scores.shape)
    for c in range(scores.shape[1]):
        for sign in (1.0, -1.0):
            moved = scores.copy()
            moved[:, c] += sign * by
            jumps = np.maximum(jumps, np.abs(slopes_of(moved) - here))
    own = np.arange(len(codes))
    if scores.shape[1] > 1:  # several classes may cross at once, and each changes the slope of the true class
        jumps[own, codes] = np.maximum(jumps[own, codes], jumps.sum(axis=1) - jumps[own, codes])
    return jumps


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
