"""Central differences of a problem's value, sample by sample, and the kinks within a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.rows import CheckedRows

from ._rounding import centred

# Largest change of a score. With a smaller step the rounding of the difference grows as 1/step; with a larger one the
# curvature of a smooth loss counts (as step^2), and a hinge crosses more kinks.
_SCORE_STEP = 1e-4
_PENALTY_STEP = 1e-4  # relative to a weight: a penalty is a sum over entries, each with its own step
_LARGEST_STEP = 1e100  # of a weight whose feature is almost 0


def slopes_along(problem: LinearProblem, W: np.ndarray, ways: Any) -> tuple[np.ndarray, np.ndarray]:
    """Central differences of the full loss along each way (an entry of W, or a direction), and whether it crosses a kink.

    Differences are computed sample by sample and then averaged, so the rounding is that of one loss, not of their sum.
    Losses are float64, whatever the arithmetic of the gradient.
    """
    largest = np.zeros(problem.n_features)  # largest |z| of every feature: the change of a score per change of the weight
    for _, Z in centred(problem):
        np.maximum(largest, np.abs(Z).max(axis=0), out=largest)
    moved = np.append(np.where(largest > 0, largest, 1.0), [1.0] * problem.fit_intercept)
    is_direction = len(ways) and ways[0].shape == W.shape
    if is_direction:
        steps = [_SCORE_STEP / max(float((np.abs(way) * moved).sum(axis=1).max()), 1.0 / _LARGEST_STEP) for way in ways]
    else:
        steps = [_SCORE_STEP / max(moved[j], 1.0 / _LARGEST_STEP) for _, j in ways]
    slopes, kinks = np.zeros(len(ways)), np.zeros(len(ways), dtype=bool)
    for numbers, Z in centred(problem):
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
