"""Intervals and tests for models evaluated on the same test rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fastcls._sampling.proportion import wilson_interval

#: resamples of the test rows for a 95 % interval, and those of them that the costlier average precision takes
N_RESAMPLES, N_FOR_RANKING = 1000, 200
#: random halves of the test rows that show how average precision depends on their number
N_HALVES = 50
#: rows of a class, in the harmonic mean (the bias of n rows is about c / n), from which on average precision has an
#: interval. Of 40 samples of 4 classes of 15 rows, 39 intervals held the number of all rows; of 10 classes of 20 rows, 33
#: or 37 (weak or strong scores); of 100 rows, 20 of 20. Of 10 unequal classes of 62 to 2.5 rows in the mean, 158 of 200, so
#: these have none.
LEAST_RANKED = 10
_ROUNDING = 1e-12  # of shares of tries and their differences: more than rounding, less than one try
_NO_SPREAD = 1e-100  # stands for a spread of 0, by which nothing can be divided
_COUNTS_AT_ONCE = 1 << 21  # float64 counts of one chunk: 16 MB


def mcnemar(hits: np.ndarray, other: np.ndarray) -> tuple[int, int, float]:
    """Compare two models on the same test rows with McNemar's exact test.

    Rows that both models get right, or both get wrong, do not show which is better. If the models are equally good, each
    of the other rows is equally likely to be a hit of either.

    Parameters
    ----------
    hits, other : ndarray of bool, shape (n_test,)
        Where each model is correct.

    Returns
    -------
    only_first, only_other : int
        Rows that only the first, or only the second, model gets right.
    p_value : float
        Two-sided probability of a difference at least this large if both models are equally good.

    References
    ----------
    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947), in its
    exact binomial form.
    """
    from scipy.stats import binomtest

    only_first = int(np.count_nonzero(hits & ~other))
    only_other = int(np.count_nonzero(other & ~hits))
    n = only_first + only_other
    return only_first, only_other, float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0


def p_value_of(shares: np.ndarray, other: np.ndarray) -> float:
    """Two-sided p-value of equal accuracies on the same rows: McNemar's exact test, or for means over tries a paired t-test.

    A bootstrap of 1,000 resamples could not fall below 0.002, so with 26 pairs no corrected p-value would be below 0.05.

    Parameters
    ----------
    shares, other : ndarray of shape (n_test,)
        For each row the share of tries in which the model is correct; 0 or 1 for a single try.

    Notes
    -----
    If all rows have the same difference, there is no spread to compare it with: then it is a sign test. Rounding must not
    look like spread: 1 - 2/3 and 1/3 - 0 differ in the last bits. Differences of shares of at most 100,000 tries that are
    not equal are at least 1e-10 apart, while rounding moves them by less than 1e-15.
    """
    from scipy.stats import ttest_1samp

    if np.isin(shares, (0.0, 1.0)).all() and np.isin(other, (0.0, 1.0)).all():
        return mcnemar(shares > 0, other > 0)[2]
    differences = np.asarray(shares, dtype=np.float64) - other
    if np.ptp(differences) < _ROUNDING:
        return 1.0 if abs(differences[0]) < _ROUNDING else float(2.0 ** (1 - len(differences)))
    return float(ttest_1samp(differences, 0.0).pvalue)


def resamples(n_rows: int, n: int = N_RESAMPLES) -> Iterator[np.ndarray]:
    """How often each row occurs in each of n bootstrap resamples: float64 (n_rows, some), chunk by chunk.

    The draws are always the same, so intervals repeat, and all settings of a table see the same resamples.
    """
    rng, step = np.random.default_rng(0), max(1, _COUNTS_AT_ONCE // n_rows)
    for first in range(0, n, step):
        counts = np.empty((min(step, n - first), n_rows))
        for row in counts:
            row[:] = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows)
        yield np.ascontiguousarray(counts.T)


def halves(n_rows: int) -> Iterator[np.ndarray]:
    """Random halves of the rows as counts, chunk by chunk like `resamples`: no row occurs twice."""
    rng, step = np.random.default_rng(1), max(1, _COUNTS_AT_ONCE // n_rows)
    for first in range(0, N_HALVES, step):
        counts = np.zeros((min(step, N_HALVES - first), n_rows))
        for row in counts:
            row[rng.permutation(n_rows)[: (n_rows + 1) // 2]] = 1.0
        yield np.ascontiguousarray(counts.T)


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the resamples' values, without NaN."""
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def spread_of(drawn: np.ndarray | None) -> tuple[float, float] | None:
    """The percentiles of the resamples; None if there are none, or all agree but for rounding."""
    if drawn is None:
        return None
    low, high = percentiles(drawn)
    return (low, high) if high - low > _ROUNDING * max(1.0, abs(high)) else None


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis without NaN; 0 where all are NaN."""
    known = ~np.isnan(values)
    mean: np.ndarray = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean


def interval_of_shares(shares: np.ndarray, counts: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """The interval of the mean of shares of classes with so many rows: balanced accuracy.

    It holds the percentiles of the resamples, and the combination of Wilson's intervals of the classes: the distance from
    the mean to its end is the root of the sum of the squared distances of the shares to theirs, over the number of classes.
    Percentiles alone are too short at the lower end, where a class has few rows and all of them are right, because so they
    are in every resample. Wilson's alone lie too low where most shares are high. In samples of 50 rows of ten classes, the
    rarest of which is 4 % as frequent as the first, percentiles held the number of all rows in 76 to 85 % of 300, both
    together in 97 to 100 % of 200. A class without a row is not in the mean, and nothing is said of it.

    References
    ----------
    G. Y. Zou, A. Donner, Construction of confidence limits about effect measures: a general approach, Statistics in Medicine
    27 (2008).
    """
    mean = float(shares.mean())
    low, high = spread_of(drawn) or (mean, mean)
    below, above = _distances_of_wilson(shares, counts)
    return max(0.0, min(low, mean - below)), min(1.0, max(high, mean + above))


def _distances_of_wilson(shares: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """From the mean of shares of so many rows to the ends of its interval, by Wilson's intervals of the shares."""
    ends = np.array(
        [wilson_interval(round(share * n), n) for share, n in zip(shares.tolist(), counts.tolist(), strict=True)]
    )
    below, above = np.sqrt(np.square(ends - shares[:, None]).sum(axis=0)) / len(shares)
    return float(below), float(above)


def interval_of_macro_f1(value: float, shares: np.ndarray, counts: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """The interval of a mean of F1 of classes with so many rows and recalls `shares`, from resamples of the rows.

    It is at least as long to each side as Wilson's of the recalls, since resamples do not see errors of rare classes that
    are all right.
    """
    return _interval_of_f1(value, drawn, *_distances_of_wilson(shares, counts))


def interval_of_weighted_f1(value: float, accuracy: float, n: int, drawn: np.ndarray) -> tuple[float, float]:
    """The interval of a mean of F1 that weighs classes by their n rows in all, from resamples of the rows.

    It is at least as long to each side as Wilson's of the accuracy, which varies about as much.
    """
    low, high = wilson_interval(round(accuracy * n), n)
    return _interval_of_f1(value, drawn, accuracy - low, high - accuracy)


def _interval_of_f1(value: float, drawn: np.ndarray, below: float, above: float) -> tuple[float, float]:
    """Percentiles, these shifted for their bias, and at least `below` and `above` around the value.

    The mean F1 of a sample is too low where classes are rare, and a resample of it is too low once more, by about the same.
    So percentiles alone lie too low: those of macro F1 of 100 classes of five rows held the number of all rows in 70 to 76 %
    of 300 samples. The interval also holds the percentiles shifted by twice that bias (99 %; 93 to 99 % with 10 classes of 5
    rows).
    """
    low, high = spread_of(drawn) or (value, value)
    shift = 2.0 * (value - float(np.nanmean(drawn)))
    return max(0.0, min(low, low + shift, value - below)), min(1.0, max(high, high + shift, value + above))


def interval_of_losses(
    value: float, losses: np.ndarray, drawn: np.ndarray, squares: np.ndarray, largest: float
) -> tuple[float, float]:
    """The interval of a mean of losses of rows, between 0 and `largest`, from the means and mean squares of resamples.

    Losses have a long tail, and a sample without its rare large losses has a mean that is too small and a spread that is
    too small as well. Percentiles do not see that: of 300 samples of 50 losses of an overconfident model, they held the
    mean of all rows in 264. So the interval also holds the studentised one, which divides each resample's error by that
    resample's own spread (288). Where almost all losses are 0, these spreads say nothing, and its upper end has no limit of
    its own.

    It is limited by Wilson's of rows that have the largest loss or none, which varies most of all losses with this mean.

    If all rows have the same loss, as certain and right predictions have, other rows may have another one: up to Wilson's
    upper end of a share that was never seen.

    References
    ----------
    B. Efron, R. J. Tibshirani, An introduction to the bootstrap, 1993, section 12.5.
    """
    n = len(losses)
    if (found := spread_of(drawn)) is None:
        unseen = wilson_interval(0, n)[1]
        return value * (1.0 - unseen), value + (largest - value) * unseen
    farthest = largest * wilson_interval(min(n, math.ceil(value / largest * n)), n)[1]
    spreads = np.sqrt(np.maximum(squares - drawn * drawn, 0.0))
    low, high = percentiles((drawn - value) / np.maximum(spreads, _NO_SPREAD))
    spread = float(losses.std())
    return max(0.0, min(found[0], value - high * spread)), max(found[1], min(value - low * spread, farthest))


def interval_of_share(value: float, n: int, drawn: np.ndarray | None) -> tuple[float, float]:
    """The interval of a share of n rows: Wilson's for one try (`drawn` is None), else percentiles of the resamples.

    If all rows have the same share of right tries, such as 1, every resample has the same mean, and percentiles would claim
    that a few rows tell the accuracy exactly. Then it is Wilson's too, which is wide enough: the variance of shares between
    0 and 1 is at most that of hits with the same mean.
    """
    if (found := spread_of(drawn)) is not None:
        return found
    return wilson_interval(round(value * n), n)


def interval_of_ranking(value: float, counts: np.ndarray, drawn: np.ndarray, of_halves: np.ndarray) -> tuple[float, float]:
    """The interval of a mean of average precisions of classes with so many rows, from resamples and halves of the rows.

    Average precision of a sample is too high by about c / n, most where classes are rare. A half of the rows is too high by
    2 c / n, so their difference is c / n (Quenouille's correction). A resample repeats rows, which raises it once more. So
    percentiles alone lie too high. The interval holds them, and also these percentiles reflected at the corrected number. It
    is NaN where classes have fewer than `LEAST_RANKED` rows in the harmonic mean, unless all resamples agree.
    """
    found = spread_of(drawn)
    if found is None:
        return interval_of_shares(np.full(len(counts), value), counts, drawn)
    if len(counts) / np.sum(1.0 / counts) < LEAST_RANKED:
        return math.nan, math.nan
    low, high = found
    twice = 2.0 * value - float(np.nanmean(of_halves)) + float(np.nanmean(drawn))
    return max(0.0, min(low, value, twice - high)), min(1.0, max(high, value, twice - low))
