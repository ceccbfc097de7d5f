"""Rows in blocks, and how much rounding can change the folded gradient in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.types import widened

BLOCK_VALUES = 1 << 23  # centred rows at once: 64 MB
_UNIT = 2.0**-53  # half a unit in the last place: the relative error of one operation


def centred(problem: LinearProblem) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of the problem's rows: row numbers in X, and (x - center) / scale in float64."""
    numbers = problem.row_numbers(None)[0] if problem.rows is not None else np.arange(problem.n_samples)
    step = max(1, BLOCK_VALUES // problem.n_features)
    for start in range(0, len(numbers), step):
        some = numbers[start : start + step]
        Z = (widened(problem.X[some], np.float64) - problem.center) / problem.scale
        yield some, np.ascontiguousarray(Z)


@np.errstate(under="ignore")  # the caller may have set it to raise
def rounding_bound(problem: LinearProblem, W: np.ndarray) -> np.ndarray:
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
    for numbers, Z in centred(problem):
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
