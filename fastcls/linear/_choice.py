"""alpha="auto" on small data: a few multiples of the formula's alpha, compared on held-out rows.

All multiples are trained together, as more columns of one pass over the rows. The most accurate on held-out rows wins.
Near-ties go to the smallest log loss, after the scores of each model are multiplied by the constant that minimises its loss.
A strong penalty makes scores small, so an unscaled loss would penalise it even if it ranks the classes better.
bench/LINEAR.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from fastcls import optim
from fastcls._gradient.prediction import linear_scores
from fastcls._gradient.problem import LinearProblem
from fastcls._sampling.hold_out import fold_of_rows

from ._temperature import log_losses

# Factors on the formula's alpha; 1 is among them.
FACTORS = (1 / 4, 1.0, 4.0, 16.0, 256.0)
_FOLDS = 3
# With fewer rows, the folds are drawn several times and all epochs are trained: one row is 0.3 points and more, and a short
# training of few rows ranks the multiples of an SVM wrongly (5 points of accuracy on 300 Gaussian rows).
_FEW_ROWS, _DRAWS = 400, 3
_FRACTION_OF_EPOCHS = 0.25
# With fewer rows, two strengths cannot be distinguished.
_LEAST_ROWS = 60
# Largest n_samples * n_classes * n_features for which the choice takes a fraction of a second. n_features counts as 64 or
# more, because the scores of the held-out rows are kept.
_LARGEST_WORK, _LEAST_FEATURES = 80_000_000, 64
# Range of the logarithm of the constant by which scores are multiplied.
_LOG_TIMES = (-8.0, 12.0)
_BLOCK_BYTES = 1 << 24


class Ties(NamedTuple):
    """Near-ties: accuracies within `errors` standard errors of the best, and losses within `loss` of the smallest.

    Among these, the factor nearest to `factor` wins.
    """

    errors: float
    loss: float
    factor: float


#: Of most choices: near-ties go to the formula's alpha.
TIES = Ties(errors=0.5, loss=0.01, factor=1.0)


def is_small(n_rows: int, n_features: int, n_classes: int) -> bool:
    """Whether alpha is chosen on held-out rows: there are enough rows, and not too many."""
    work = n_rows * n_classes * max(n_features, _LEAST_FEATURES)
    return n_rows >= max(_LEAST_ROWS, _FOLDS * n_classes) and work <= _LARGEST_WORK


def best_factor(
    codes: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    problem_of: Callable[[np.ndarray], tuple[LinearProblem, float]],
    *,
    ties_of_few: Ties,
    max_iter: int,
    batch_size: int,
    random_state: np.random.RandomState,
) -> float:
    """The factor on the formula's alpha that is best on held-out rows.

    Parameters
    ----------
    codes : array (n_samples,)
        Class codes of all rows.
    weights : array (n_samples,) or of length 0
        Weights of the rows, used in training and in the comparison.
    rows : array
        Numbers of the rows to use.
    problem_of : callable
        From row numbers to their problem without a penalty, in the space of these rows, and the formula's alpha.
    ties_of_few : Ties
        Near-ties on few rows.
    max_iter : int
        Epochs of a whole training.
    """
    y, counted = codes[rows], weights[rows] if len(weights) else np.ones(len(rows))
    counted = counted / counted.sum()
    few = len(rows) < _FEW_ROWS
    n_draws, epochs = (_DRAWS, max_iter) if few else (1, math.ceil(max_iter * _FRACTION_OF_EPOCHS))
    ties = ties_of_few if few else TIES
    scores: list[np.ndarray | None] = []
    for number in range(n_draws * _FOLDS):
        draw, fold = divmod(number, _FOLDS)
        if fold == 0:
            of_row = fold_of_rows(y, _FOLDS, random_state)
        held_out = of_row == fold
        problem, alpha = problem_of(rows[~held_out])
        l2 = alpha * np.array(FACTORS)
        smoothness = optim.curvature(problem, batch_size, random_state)
        rates = [1.0 / max(smoothness + 2.0 * one, 1e-300) for one in l2]
        Ws, _ = optim.descend_many(
            problem,
            [np.zeros(problem.shape)] * len(FACTORS),
            [(0.0, one, problem.max_norm) for one in l2],
            rates,
            max_iter=epochs,
            batch_size=batch_size,
            random_state=random_state,
        )
        if not scores:
            scores = [np.empty((n_draws, len(rows), problem.n_classes)) for _ in FACTORS]
        for at, W in enumerate(Ws):
            if not W.any():  # diverged
                scores[at] = None
            elif (mine := scores[at]) is not None:
                mine[draw, held_out] = _scores(problem, W, rows[held_out])
    return _best_of(scores, y, counted, ties)


def _scores(problem: LinearProblem, W: np.ndarray, rows: np.ndarray) -> np.ndarray:
    coef, intercept = problem.to_raw(W)
    step = max(1, _BLOCK_BYTES // (problem.X.shape[1] * problem.X.itemsize))
    chunks = [rows[at : at + step] for at in range(0, len(rows), step)]
    return np.concatenate([linear_scores(problem.X[chunk], coef, intercept, problem.n_threads) for chunk in chunks])


def _best_of(scores: list[np.ndarray | None], y: np.ndarray, counted: np.ndarray, ties: Ties) -> float:
    """The factor with the best scores (n_draws, n_rows, n_classes), None if a model diverged. `counted` adds up to 1."""
    accuracy = [-1.0 if one is None else float(((one.argmax(axis=2) == y) @ counted).mean()) for one in scores]
    best = max(accuracy)
    error = math.sqrt(max(best * (1.0 - best), 0.0) * float(np.square(counted).sum()))
    losses = {
        factor: _log_loss(one, y, counted)
        for factor, one, right in zip(FACTORS, scores, accuracy, strict=True)
        if one is not None and right >= best - ties.errors * error
    }
    if not losses:
        return 1.0
    enough = min(losses.values()) * (1.0 + ties.loss)
    good = [factor for factor, loss in losses.items() if loss <= enough]
    return min(good, key=lambda factor: abs(math.log(factor / ties.factor)))


def _log_loss(scores: np.ndarray, y: np.ndarray, counted: np.ndarray) -> float:
    """Mean log loss of these scores, multiplied by the constant that minimises it."""
    behind = scores - scores[:, np.arange(len(y)), y][..., None]

    def at(log_times: float) -> float:
        return float((log_losses(behind, math.exp(log_times)) @ counted).mean())

    return float(minimize_scalar(at, bounds=_LOG_TIMES, method="bounded", options={"xatol": 0.02}).fun)
