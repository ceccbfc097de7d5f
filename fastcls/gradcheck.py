"""The gradient check: is the analytic gradient, which is fast and error-prone, the numerical one, which is slow and simple?

The measure of a coordinate is ``|n - a| / max(|a|, |n|, 1e-3 max|a|)``: relative, but blind to what is a thousandth of the
largest. Correct float64 code stays below 1e-6 in it, away from kinks. On a kink (where a hinge turns) the slopes to the
left and to the right differ and neither is wrong: such coordinates are found and reported apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._validation import InputError, check_number, check_random_state, one_of
from .problem import LinearProblem

# A score moves by at most this. Smaller, and the rounding of the difference grows as 1/step; larger, and a smooth loss
# bends (as step^2) and a hinge meets more kinks.
_SCORE_STEP = 1e-4


def numerical_gradient(
    f: Callable[[np.ndarray], float], W: np.ndarray, h: float | None = None, method: str = "central"
) -> np.ndarray:
    """The gradient of any function of an array, one entry at a time: as slow as the lecture says.

    Parameters
    ----------
    f : callable
        ``f(W) -> float``
    W : array
    h : float, optional
        The step. By default 1e-5 for "central" and 1e-8 for "forward", times max|W| where that is above 1. Where f
        multiplies W by data, divide by the data's largest value: on raw pixels 1e-5 / 255.
    method : {"central", "forward"}
        (f(W + h) - f(W - h)) / 2h, or the lecture's (f(W + h) - f(W)) / h.

    Returns
    -------
    float64 array like W
    """
    one_of("method", method, ("central", "forward"))
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
    """|n - a| / max(|a|, |n|, 1e-3 max|a|), entry by entry; 0 where both are 0."""
    floor = 1e-3 * np.abs(analytic).max(initial=0.0)
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numerical)), floor)
    return np.abs(numerical - analytic) / np.where(scale > 0, scale, 1.0)


@dataclass(frozen=True)
class GradientReport:
    """What a gradient check found; ``str()`` is a table of the worst entries.

    Attributes
    ----------
    coordinates : int array (n_checked, 2)
        Class and feature of each entry of W (the last feature may be the bias). With a direction: no rows.
    analytic, numerical : float64 arrays (n_checked,)
    relative_errors : float64 array (n_checked,)
    is_kink : bool array (n_checked,)
        The loss has a kink within the step: the two gradients need not agree.
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
        """The largest relative error away from kinks; NaN if every entry is on one."""
        away = self.relative_errors[~self.is_kink]
        return float(away.max()) if len(away) else float("nan")

    @property
    def n_checked(self) -> int:
        """Entries that were compared, those on kinks included."""
        return len(self.analytic)

    @property
    def n_kinks(self) -> int:
        """Entries with a kink within the step."""
        return int(self.is_kink.sum())

    def __str__(self) -> str:
        lines = [
            f"Gradient check of {self.loss}: {self.n_checked} entries, {self.n_kinks} of them on a kink and set apart",
            f"largest relative error away from kinks {self.max_relative_error:.1e}",
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
            lines.append(f"and {self.n_checked - len(order)} entries with smaller errors or on kinks")
        return "\n".join(lines)


def check_gradient(
    problem: LinearProblem, W: np.ndarray, direction: np.ndarray | None = None, *, n_coordinates: int | None = None,
    random_state=0,
) -> GradientReport:
    """Compare the problem's analytic gradient at W with central differences of its value.

    Parameters
    ----------
    problem : LinearProblem
    W : array of the problem's shape
        Take entries for which scores are of the order of one: where a loss is flat there is nothing to compare.
    direction : array of the problem's shape, optional
        Check only the slope in this direction, which is its dot product with the gradient: two evaluations.
    n_coordinates : int, optional
        Check so many entries, drawn at random; by default all. Each costs two evaluations.
    random_state : int, RandomState or None

    Returns
    -------
    GradientReport
    """
    W = np.array(W, dtype=np.float64)
    analytic = problem.value_and_gradient(W)[1]
    reach = _feature_reach(problem)
    here = problem.per_sample(W)
    if direction is not None:
        direction = np.asarray(direction, dtype=np.float64)
        if direction.shape != W.shape or not np.any(direction):
            raise InputError(f"direction has shape {direction.shape}: give one of shape {W.shape}, not all 0")
        step = _SCORE_STEP / max(float((np.abs(direction) * reach).sum(axis=1).max()), 1e-300)
        slope, kink = _slope(problem, W, here, direction, step)
        slopes, kinks = np.array([slope]), np.array([kink])
        places = np.zeros((0, 2), dtype=np.int64)
        chosen = np.array([float((analytic * direction).sum())])
        return GradientReport(places, chosen, slopes, relative_errors(slopes, chosen), kinks, problem.loss.name)
    places = np.argwhere(np.ones(W.shape, dtype=bool))
    if n_coordinates is not None:
        check_number("n_coordinates", n_coordinates, minimum=1, whole=True)
    if n_coordinates is not None and n_coordinates < len(places):
        drawn = check_random_state(random_state).permutation(len(places))[:n_coordinates]
        places = places[np.sort(drawn)]
    slopes, kinks = np.empty(len(places)), np.empty(len(places), dtype=bool)
    one = np.zeros_like(W)
    for at, (c, j) in enumerate(places):
        one[c, j] = 1.0
        slopes[at], kinks[at] = _slope(problem, W, here, one, _SCORE_STEP / reach[j])
        one[c, j] = 0.0
    # The floor of the measure is taken from the whole gradient, not from the entries that were drawn.
    chosen = analytic[places[:, 0], places[:, 1]]
    errors = relative_errors(np.append(slopes, 0.0), np.append(chosen, np.abs(analytic).max()))[:-1]
    return GradientReport(places, chosen, slopes, errors, kinks, problem.loss.name)


def _feature_reach(problem: LinearProblem) -> np.ndarray:
    """The largest |z| of every column of W: how far a score moves with it. 1 for the bias and for features all 0."""
    low, high = (np.asarray(extreme, dtype=np.float64) for extreme in (problem.X.min(axis=0), problem.X.max(axis=0)))
    reach = np.maximum(np.abs(low - problem.center), np.abs(high - problem.center)) / np.abs(problem.scale)
    reach = np.where(reach > 0, reach, 1.0)
    return np.append(reach, 1.0) if problem.fit_intercept else reach


def _slope(
    problem: LinearProblem, W: np.ndarray, here: np.ndarray, direction: np.ndarray, h: float
) -> tuple[float, bool]:
    """Central difference of the full loss along a direction, and whether a kink lies within the step.

    Differences are taken sample by sample and averaged after: the rounding is that of one loss, not of their sum. Losses are
    float64, whatever arithmetic the gradient is in.
    """
    forward, backward = W + h * direction, W - h * direction
    ahead, behind = problem.per_sample(forward), problem.per_sample(backward)
    weights = problem.weights if problem.rows is None or not len(problem.weights) else problem.weights[problem.rows]
    change = float(np.mean((ahead - behind) * weights if len(weights) else ahead - behind))
    change += problem.penalty_value(forward) - problem.penalty_value(backward)
    # A straight piece bends by nothing but the rounding of four losses and the scores in them.
    rounding = 1e-12 * (1.0 + np.abs(here) + np.abs(ahead) + np.abs(behind))
    kink = False
    if problem.loss.piece_degree == 1:
        kink = bool(np.any(np.abs((ahead - here) - (here - behind)) > rounding))
    elif problem.loss.piece_degree == 2:
        # Along one parabola the central difference of half the step is exactly half.
        half_ahead, half_behind = problem.per_sample(W + h / 2 * direction), problem.per_sample(W - h / 2 * direction)
        kink = bool(np.any(np.abs((ahead - behind) - 2.0 * (half_ahead - half_behind)) > 2.0 * rounding))
    if problem.l1:
        kink = kink or bool(np.any((np.sign(forward) != np.sign(backward)) & (direction != 0)))
    return change / (2 * h), kink


@dataclass(frozen=True)
class ArithmeticReport:
    """How far the gradient in a problem's own arithmetic lies from the float64 one.

    Attributes
    ----------
    difference : float
        The largest, over all entries.
    allowed : float
        What rounding explains; 0 where the arithmetic is float64.
    """

    difference: float
    allowed: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is no larger than allowed."""
        return self.difference <= self.allowed


def check_arithmetic(problem: LinearProblem, W: np.ndarray) -> ArithmeticReport:
    """Compare the gradient in the problem's own arithmetic with the float64 kernels' on the same stored rows.

    With eps = 2^-24, a score is off by a random walk of d / lanes roundings, each relative to partial sums of at most
    sum |w x|: allowed is 4 eps (sqrt(d) + 4) max sum |w x|. A slope is off by the loss's curvature times that, or not at all
    on a straight piece. An entry of the gradient averages slopes times x, with roundings of its own relative to the largest
    term, sqrt(rows of a tile) of them: 4 eps (sqrt(256) + 4) max |slope|. Both times the largest |x| before centring, in
    scales. Weights of rows change neither: they are 1 in the mean, so errors of slopes average to no more than the largest,
    and the largest weights of all tiles add up to no more than all weights.
    """
    W = np.array(W, dtype=np.float64)
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
    low, high = (np.asarray(extreme, dtype=np.float64) for extreme in (problem.X.min(axis=0), problem.X.max(axis=0)))
    largest = np.maximum(np.abs(low), np.abs(high)) + np.abs(problem.center)
    of_score = 4 * eps * (np.sqrt(problem.n_features) + 4) * float((np.abs(raw) * largest).sum(axis=1).max())
    options = problem.loss_options
    bend = 0.0 if problem.loss.piece_degree == 1 else problem.loss.curvature(problem.n_classes, **options)
    codes = problem.y if problem.rows is None else problem.y[problem.rows]
    slopes = np.abs(problem.loss.function(problem.scores(W), codes, **options)[1]).max(initial=0.0)
    reach = max(1.0, float((largest / np.abs(problem.scale)).max()))
    allowed = (bend * of_score + 4 * eps * (16 + 4) * float(slopes)) * reach
    return ArithmeticReport(float(np.abs(gradient - exact).max()), allowed)
