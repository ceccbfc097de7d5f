"""The numbers of an evaluation: accuracies, F1, average precision, log loss and calibration, with 95 % intervals.

Estimates are scikit-learn's. Shares of test rows of a single model have Wilson's interval. All other intervals hold the
percentiles over bootstrap resamples of the test rows, and are longer where these are too short on few rows
(``intervals.py``). None is empty, even if all resamples agree (a model without an error). The calibration error has none:
noise in the bins makes it larger than that of all rows, and a resample has the noise twice, so the percentiles mostly lie
above the truth; and close to 0 no bootstrap of it is valid.

A resample needs no second evaluation: all numbers but average precision are functions of a few sums over rows (hits, log
losses, bins of confidence, cells of the confusion matrix), and the sums of many resamples are one sparse matrix product.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from .curves import Curves, Ranking
from .intervals import (
    N_FOR_RANKING,
    halves,
    interval_of_losses,
    interval_of_macro_f1,
    interval_of_ranking,
    interval_of_share,
    interval_of_shares,
    interval_of_weighted_f1,
    mean_of_known,
    resamples,
)

#: equal bins of the confidence: C. Guo et al., On calibration of modern neural networks, 2017
N_BINS = 15
_SMALLEST = float(np.finfo(np.float64).eps)  # scikit-learn's log_loss clips here too

#: number -> its heading
NUMBERS = {
    "top1": "top1",
    "top5": "top5",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "average_precision": "AP",
    "log_loss": "log loss",
    "calibration_error": "ECE",
}
#: numbers without an interval
WITHOUT_INTERVAL = ("calibration_error",)


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model says about the test rows.

    Attributes
    ----------
    predicted : int64 array (n_rows,)
        Class codes.
    top : dict of int to bool array (n_rows,)
        For n > 1: whether the true class is among the n best.
    scores : array or sparse array (n_rows, n_classes), or None
        For average precision; a sparse array must not hold negative values.
    confidence, own : float64 arrays (n_rows,), or None
        Probability of the predicted and of the true class, where there are probabilities.
    """

    predicted: np.ndarray
    top: Mapping[int, np.ndarray] = field(default_factory=dict)
    scores: Any = None
    confidence: np.ndarray | None = None
    own: np.ndarray | None = None


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Numbers:
    """The numbers of one setting, means over its tries.

    Attributes
    ----------
    values : dict of str to (value, low, high)
        Without an interval, the bounds are NaN: of the calibration error, and of average precision of few rows.
    per_class : dict of int to (accuracy, low, high)
        For each class code that occurs among the test rows.
    hits : float array (n_rows,)
        For each row the share of tries in which it is predicted correctly.
    std : float or None
        Standard deviation over the tries of the accuracy, of a sample (ddof=1); None for a single try.
    """

    values: dict[str, tuple[float, float, float]]
    per_class: dict[int, tuple[float, float, float]]
    hits: np.ndarray
    std: float | None = None


def classes_before(
    scores: np.ndarray, truth: np.ndarray, places: np.ndarray | None = None, *, are_votes: bool = False
) -> np.ndarray:
    """How many classes rank before the true one: int64 (n_rows,); a huge number if the true class is no guess at all.

    A class that the model does not know (a negative code of `truth`) is no guess, and where scores are votes or shares of
    them, neither is a class without a vote: it would be ranked by its name alone. This is the only rule of top-n accuracy.

    Parameters
    ----------
    scores : array (n_rows, n_classes)
    truth : int64 array (n_rows,)
    places : array (n_rows, n_classes) or (1, n_classes), optional
        Order among equal scores. Default: that of the codes.
    are_votes : bool
    """
    rows, known = np.arange(len(truth)), np.maximum(truth, 0)
    places = np.broadcast_to(np.arange(scores.shape[1]) if places is None else places, scores.shape)
    own = scores[rows, known][:, None]
    before = scores > own
    before |= (scores == own) & (places < places[rows, known][:, None])
    is_guess = truth >= 0
    if are_votes:
        is_guess &= own[:, 0] > 0
    return np.where(is_guess, before.sum(axis=1), np.iinfo(np.int64).max)


def answers_of_scores(
    scores: np.ndarray,
    truth: np.ndarray,
    *,
    are_probabilities: bool,
    are_votes: bool = False,
    predicted: np.ndarray | None = None,
) -> Answers:
    """Answers of a model with a score or a probability for every class: (n_rows, n_classes).

    Among equal scores the class that comes first is ranked first. Negative codes of `truth` are classes without a score.

    Parameters
    ----------
    scores, truth, are_votes : see `classes_before`
    are_probabilities : bool
    predicted : int64 array (n_rows,), optional
        Class codes. Default: the classes that are ranked first.
    """
    rows = np.arange(len(truth))
    predicted = scores.argmax(axis=1) if predicted is None else predicted
    top = {5: (predicted == truth) | (classes_before(scores, truth, are_votes=are_votes) < 5)}
    if not are_probabilities:
        return Answers(predicted, top, scores)
    own = np.where(truth >= 0, scores[rows, np.maximum(truth, 0)], 0.0)
    return Answers(predicted, top, scores, scores[rows, predicted], own)


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers for consecutive rows as one."""

    def whole(name: str) -> np.ndarray | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)

    scores = [part.scores for part in parts]
    if scores[0] is not None and not isinstance(scores[0], np.ndarray):
        joined_scores: Any = sparse.csc_array(sparse.vstack(scores))
    else:
        joined_scores = whole("scores")
    predicted = np.concatenate([part.predicted for part in parts])
    top = {n: np.concatenate([part.top[n] for part in parts]) for n in parts[0].top}
    return Answers(predicted, top, joined_scores, whole("confidence"), whole("own"))


def softmax(scores: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities from scores, row by row."""
    shares = (scores - scores.max(axis=1, keepdims=True)) / temperature
    with np.errstate(under="ignore"):
        np.exp(shares, out=shares)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def measure(
    truth: np.ndarray, settings: Sequence[Sequence[Answers]], n_classes: int, *, names: Sequence[str] | None = None
) -> list[Numbers]:
    """The numbers of every setting, each a sequence of tries.

    Parameters
    ----------
    truth : int64 array (n_rows,)
        Class codes of the test rows; a negative code is a class that no model knows.
    settings : sequence of sequences of Answers
    names : sequence of str, optional
        Default: all but weighted F1, as far as the answers have them.
    """
    distinct = {id(one): one for tries in settings for one in tries}  # a try may be in several settings
    by_answer = {key: _Sums(truth, one) for key, one in distinct.items()}
    sums = [[by_answer[id(one)] for one in tries] for tries in settings]
    drawn: list[list[dict[str, np.ndarray]]] = [[] for _ in settings]
    squares = [np.square(_losses(of_tries)) for of_tries in sums]
    for counts in resamples(len(truth)):
        once = {key: one.numbers(one.columns.T @ counts) for key, one in by_answer.items()}
        for tries, found, squared in zip(settings, drawn, squares, strict=True):
            found.append(_mean([once[id(one)] for one in tries]))
            if "log_loss" in found[-1]:
                found[-1]["squared_losses"] = squared @ counts / len(truth)
            if len(tries) == 1:
                del found[-1]["recall"]  # its intervals are Wilson's
    ranked = _ranking_resamples(truth, settings, n_classes)
    return [
        _numbers(truth, tries, of_tries, found, interval, n_classes, names)
        for tries, of_tries, found, interval in zip(settings, sums, drawn, ranked, strict=True)
    ]


def _mean(numbers: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.mean([one[name] for one in numbers], axis=0) for name in numbers[0]}


def _losses(sums: list[_Sums]) -> np.ndarray:
    """For each row the mean over the tries of its log loss; 0 without probabilities."""
    losses: np.ndarray = np.mean([0.0 * one.hits if one.losses is None else one.losses for one in sums], axis=0)
    return losses


class _Sums:
    """The columns whose sums over (resampled) rows decide all numbers of one try, but average precision."""

    def __init__(self, truth: np.ndarray, one: Answers) -> None:
        self.hits = one.predicted == truth
        self.classes, true = np.unique(truth, return_inverse=True)
        self.labels = np.union1d(self.classes, one.predicted)
        cells, cell = np.unique(
            np.stack([true, np.searchsorted(self.labels, one.predicted)], axis=1), axis=0, return_inverse=True
        )
        n, rows = len(truth), np.arange(len(truth))
        parts = [sparse.csr_array((np.ones(n), (rows, cell.ravel())), shape=(n, len(cells)))]
        self.names, self.n_cells = [], len(cells)
        # from cells to their class, their prediction, and those that are hits
        ones, places = np.ones(len(cells)), np.arange(len(cells))
        self.by_class = sparse.csr_array((ones, (cells[:, 0], places)), shape=(len(self.classes), len(cells)))
        self.by_label = sparse.csr_array((ones, (cells[:, 1], places)), shape=(len(self.labels), len(cells)))
        self.of_class = np.searchsorted(self.labels, self.classes)
        self.is_hit = self.of_class[cells[:, 0]] == cells[:, 1]
        for number, top in one.top.items():
            self.names.append(f"top{number}")
            parts.append(sparse.csr_array(top[:, None].astype(np.float64)))
        self.losses = None
        if one.own is not None and one.confidence is not None:
            self.losses = -np.log(np.clip(one.own, _SMALLEST, 1.0 - _SMALLEST))
            self.names.append("log_loss")
            parts.append(sparse.csr_array(self.losses[:, None]))
            place = np.clip(np.ceil(one.confidence * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
            parts.append(sparse.csr_array((one.confidence - self.hits, (rows, place)), shape=(n, N_BINS)))
        self.columns = sparse.csc_array(sparse.hstack(parts))

    def numbers(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Numbers from the sums of the columns, (n_columns, n_resamples)."""
        cells = sums[: self.n_cells]
        n = cells.sum(axis=0)
        of_class, of_label = self.by_class @ cells, self.by_label @ cells
        hits = self.by_class @ (cells * self.is_hit[:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = hits / of_class
            support = np.zeros_like(of_label)
            support[self.of_class] = of_class
            right = np.zeros_like(of_label)
            right[self.of_class] = hits
            f1 = 2 * right / (of_label + support)  # NaN: neither occurs nor is predicted
        found = {
            "top1": hits.sum(axis=0) / n,
            "balanced_accuracy": mean_of_known(recall),
            "macro_f1": mean_of_known(f1),
            "weighted_f1": np.nansum(f1 * support, axis=0) / n,
            "recall": recall,
        }
        for at, name in enumerate(self.names):
            found[name] = sums[self.n_cells + at] / n
        if self.losses is not None:
            found["calibration_error"] = np.abs(sums[-N_BINS:]).sum(axis=0) / n
        return found


def _numbers(
    truth: np.ndarray,
    tries: Sequence[Answers],
    sums: list[_Sums],
    drawn: list[dict[str, np.ndarray]],
    ranked: tuple[np.ndarray, np.ndarray] | None,
    n_classes: int,
    names: Sequence[str] | None,
) -> Numbers:
    n = len(truth)
    once = _mean([one.numbers(np.asarray(one.columns.sum(axis=0)).reshape(-1, 1)) for one in sums])
    counts = np.bincount(np.unique(truth, return_inverse=True)[1])
    values: dict[str, tuple[float, float, float]] = {}
    for name in drawn[0]:
        if name in ("recall", "squared_losses"):
            continue
        value = _by_scikit_learn(name, truth, tries, float(once[name][0]))
        if name.startswith("top"):
            interval = interval_of_share(value, n, None if len(tries) == 1 else np.concatenate([one[name] for one in drawn]))
        elif name == "calibration_error":
            interval = (math.nan, math.nan)  # see the module
        elif name == "log_loss":
            means, squares = (np.concatenate([one[of] for one in drawn]) for of in (name, "squared_losses"))
            interval = interval_of_losses(value, _losses(sums), means, squares, -math.log(_SMALLEST))
        elif name == "macro_f1":
            drawn_f1 = np.concatenate([one[name] for one in drawn])
            interval = interval_of_macro_f1(value, once["recall"][:, 0], counts, drawn_f1)
        elif name == "weighted_f1":
            drawn_f1 = np.concatenate([one[name] for one in drawn])
            interval = interval_of_weighted_f1(value, float(once["top1"][0]), n, drawn_f1)
        else:
            interval = interval_of_shares(once["recall"][:, 0], counts, np.concatenate([one[name] for one in drawn]))
        values[name] = (value, *interval)
    if ranked is not None:
        precision = float(np.mean([_average_precision(truth, one, n_classes) for one in tries]))
        n_of_ranked = np.array([np.count_nonzero(truth == code) for code in _ranked_classes(truth, n_classes)])
        interval = interval_of_ranking(precision, n_of_ranked, *ranked)
        values["average_precision"] = (precision, *interval)
    per_class = {}
    for at, code in enumerate(sums[0].classes.tolist()):
        value = float(once["recall"][at, 0])
        of_tries = None if len(tries) == 1 else np.concatenate([one["recall"][at] for one in drawn])
        per_class[int(code)] = (value, *interval_of_share(value, int(counts[at]), of_tries))
    wanted = [name for name in NUMBERS if name != "weighted_f1"] if names is None else names
    others = [name for name in values if name not in NUMBERS] if names is None else []
    kept = {name: values[name] for name in [*others, *wanted] if name in values}
    std = float(np.std([one.hits.mean() for one in sums], ddof=1)) if len(tries) > 1 else None
    return Numbers(_sorted(kept), per_class, np.mean([one.hits for one in sums], axis=0), std)


def _sorted(values: dict[str, Any]) -> dict[str, Any]:
    """Top-n accuracies first, by n; then the order of `NUMBERS`."""
    tops = sorted((name for name in values if name.startswith("top")), key=lambda name: int(name[3:]))
    return {name: values[name] for name in [*tops, *(name for name in NUMBERS if name in values and name not in tops)]}


def _by_scikit_learn(name: str, truth: np.ndarray, tries: Sequence[Answers], otherwise: float) -> float:
    """The mean over the tries by scikit-learn's function of this name, if it has one for codes."""
    if name not in ("balanced_accuracy", "macro_f1", "weighted_f1"):
        return otherwise
    found = []
    for one in tries:
        if name == "balanced_accuracy":
            with warnings.catch_warnings():
                for about in ("y_pred contains classes not in y_true", "A single label was found"):  # both are counted
                    warnings.filterwarnings("ignore", about, UserWarning)
                found.append(balanced_accuracy_score(truth, one.predicted))
        else:
            found.append(f1_score(truth, one.predicted, average=name.removesuffix("_f1"), zero_division=0))
    return float(np.mean(found))


# average precision -----------------------------------------------------------------------------------------------------


def _ranked_classes(truth: np.ndarray, n_classes: int) -> list[int]:
    """Classes whose average precision is averaged: those of the model that occur; of two the second, as in scikit-learn."""
    present = [code for code in np.unique(truth).tolist() if code >= 0]
    return [1] if n_classes == 2 and 1 in present else present


def _column(scores: Any, code: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with a score above 0 of a sparse array, or all rows; and their scores."""
    if isinstance(scores, np.ndarray):
        return np.arange(len(scores)), scores[:, code]
    part = slice(scores.indptr[code], scores.indptr[code + 1])
    return scores.indices[part], scores.data[part]


def _average_precision(truth: np.ndarray, one: Answers, n_classes: int) -> float:
    found = []
    for code in _ranked_classes(truth, n_classes):
        rows, values = _column(one.scores, code)
        dense = np.zeros(len(truth))
        dense[rows] = values
        found.append(average_precision_score(truth == code, dense))
    return float(np.mean(found))


def _ranking_resamples(
    truth: np.ndarray, settings: Sequence[Sequence[Answers]], n_classes: int
) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """Every setting's macro average precision of the resamples, and of halves of the rows.

    None where there are no scores, or no class to rank.
    """
    ranked = _ranked_classes(truth, n_classes)  # none: no test row has a class that the models know
    curves = [
        []
        if tries[0].scores is None or not ranked
        else [Curves([_ranking(truth, one, code) for code in ranked], len(truth)) for one in tries]
        for tries in settings
    ]
    found: list[list[list[np.ndarray]]] = [[[], []] for _ in settings]
    for at, parts in enumerate((resamples(len(truth), N_FOR_RANKING), halves(len(truth)))):
        for counts in parts:
            for tries, of_setting in zip(curves, found, strict=True):
                if tries:
                    of_setting[at].append(np.mean([one.precision(counts) for one in tries], axis=0))
    return [(np.concatenate(both[0]), np.concatenate(both[1])) if both[0] else None for both in found]


def _ranking(truth: np.ndarray, one: Answers, code: int) -> Ranking:
    rows, scores = _column(one.scores, code)
    wins = truth[rows] == code
    return Ranking(rows, scores, wins, np.setdiff1d(np.flatnonzero(truth == code), rows[wins], assume_unique=True))
