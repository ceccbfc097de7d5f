"""Models compared on the same test rows: differences, agreement, and the rows on which one of them is alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcls._sampling.proportion import wilson_interval

from .intervals import mcnemar, p_value_of, resamples, spread_of


@dataclass(frozen=True)
class Pair:
    """Two models on the same test rows; with several tries, means over the tries.

    Attributes
    ----------
    difference, low, high : float
        Accuracy of the first minus that of the second, and its 95 % interval: percentiles over resamples of the test rows.
    p_value : float
        Of `intervals.p_value_of`. Not corrected.
    only_first, only_second : float
        Test rows that only one of the two predicts correctly.
    agreement : float
        Share of test rows with the same prediction.
    kappa : float
        Cohen's kappa of the predictions: the agreement beyond that of independent predictions; 1.0 if both models always
        predict the same single class.
    """

    difference: float
    low: float
    high: float
    p_value: float
    only_first: float
    only_second: float
    agreement: float
    kappa: float


def compare_all(truth: np.ndarray, predictions: Sequence[np.ndarray]) -> list[tuple[int, int, Pair]]:
    """Compare every two models: their numbers, and their comparison.

    Parameters
    ----------
    truth : ndarray of shape (n_test,)
    predictions : sequence of arrays (n_tries, n_test)
        Class codes; try t of all models has the same draws.

    References
    ----------
    J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20 (1960).
    """
    hits = [one == truth for one in predictions]
    shares = [one.mean(axis=0) for one in hits]
    numbers = list(itertools.combinations(range(len(predictions)), 2))
    if not numbers:
        return []
    intervals = difference_intervals(np.stack([shares[first] - shares[second] for first, second in numbers]))
    found = []
    for (first, second), interval in zip(numbers, intervals, strict=True):
        only = np.array([mcnemar(*tries)[:2] for tries in zip(hits[first], hits[second], strict=True)]).mean(axis=0)
        tries = list(zip(predictions[first], predictions[second], strict=True))
        pair = Pair(
            float(shares[first].mean() - shares[second].mean()),
            *interval,
            p_value_of(shares[first], shares[second]),
            float(only[0]),
            float(only[1]),
            float(np.mean([np.mean(one == two) for one, two in tries])),
            float(np.mean([_kappa(one, two) for one, two in tries])),
        )
        found.append((first, second, pair))
    return found


def _kappa(first: np.ndarray, second: np.ndarray) -> float:
    labels = np.union1d(first, second)
    shares = [np.bincount(np.searchsorted(labels, one), minlength=len(labels)) / len(one) for one in (first, second)]
    by_chance = float(shares[0] @ shares[1])
    return 1.0 if by_chance == 1.0 else (float(np.mean(first == second)) - by_chance) / (1.0 - by_chance)


def difference_intervals(differences: np.ndarray) -> list[tuple[float, float]]:
    """95 % intervals of mean differences: percentiles over the resamples of the test rows.

    If all rows have the same difference, every resample has it too, and percentiles would claim that a few rows tell it
    exactly. Then the interval is as wide as Wilson's for no event among as many rows.

    Parameters
    ----------
    differences : ndarray of shape (n_pairs, n_test)
        For each row the difference of the shares of tries in which the two models are correct.
    """
    n_test = differences.shape[1]
    drawn = np.concatenate([differences @ counts for counts in resamples(n_test)], axis=1) / n_test
    width, found = wilson_interval(0, n_test)[1], []
    for mean, one in zip(differences.mean(axis=1).tolist(), drawn, strict=True):
        found.append(spread_of(one) or (max(-1.0, mean - width), min(1.0, mean + width)))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, by Holm's step-down method.

    If those below 0.05 are called significant, the probability of one or more false claims is at most 0.05, however the
    tests depend on each other.

    References
    ----------
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)))
    found: list[float] = corrected.tolist()
    return found


def alone(right: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For each model the rows that it alone gets wrong, and those that it alone gets right.

    Parameters
    ----------
    right : bool array (n_models, n_test)
    """
    n_right, n_models = right.sum(axis=0), len(right)
    wrong = [np.flatnonzero(~one & (n_right == n_models - 1)) for one in right]
    return wrong, [np.flatnonzero(one & (n_right == 1)) for one in right]
