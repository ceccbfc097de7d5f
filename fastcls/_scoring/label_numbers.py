"""The numbers of an evaluation of several labels per row, with 95 % intervals as in ``numbers.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.metrics import average_precision_score, f1_score

from .curves import Curves, Ranking
from .intervals import (
    N_FOR_RANKING,
    halves,
    interval_of_macro_f1,
    interval_of_ranking,
    interval_of_share,
    mean_of_known,
    resamples,
)
from .numbers import Numbers

#: number -> its heading
LABEL_NUMBERS = {
    "subset_accuracy": "subset",
    "jaccard": "Jaccard",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "micro_average_precision": "micro AP",
    "macro_average_precision": "macro AP",
    "lrap": "LRAP",
}
_PER_ROW = ("subset_accuracy", "jaccard", "lrap")  # means over rows


@dataclass(frozen=True, eq=False)
class LabelAnswers:
    """What one model says about the labels of the test rows.

    Attributes
    ----------
    predicted : bool array (n_rows, n_labels)
    scores : float array (n_rows, n_labels)
        For average precision.
    ranked : float array (n_rows, n_labels)
        For ranking average precision: the scores, or the predicted labels where a protocol ranks these.
    """

    predicted: np.ndarray
    scores: np.ndarray
    ranked: np.ndarray


def measure_labels(truth: np.ndarray, settings: Sequence[Sequence[LabelAnswers]]) -> list[Numbers]:
    """The numbers of every setting, each a sequence of tries.

    Parameters
    ----------
    truth : bool array (n_rows, n_labels)
        Two labels or more, each of which some row has.
    settings : sequence of sequences of LabelAnswers

    Returns
    -------
    list of Numbers
        `per_class` has for each label the share of its rows for which it was predicted.
    """
    measured: dict[int, _Measured] = {}  # a try may be in several settings
    for one in (one for tries in settings for one in tries):
        if id(one) not in measured:
            measured[id(one)] = _Measured(truth, one)
    return [_numbers(truth, [measured[id(one)] for one in tries]) for tries in settings]


class _Measured:
    """The numbers of one try, and those of every resample of the test rows."""

    def __init__(self, truth: np.ndarray, one: LabelAnswers) -> None:
        n_rows, n_labels = truth.shape
        self.hits = (truth == one.predicted).all(axis=1)
        self.recall = (truth & one.predicted).sum(axis=0) / truth.sum(axis=0)
        of_rows = np.stack([self.hits, jaccard(truth, one.predicted), ranking_precision(truth, one.ranked)], axis=1)
        self.values = {
            **dict(zip(_PER_ROW, of_rows.mean(axis=0), strict=True)),
            "micro_f1": f1_score(truth, one.predicted, average="micro", zero_division=0.0),
            "macro_f1": f1_score(truth, one.predicted, average="macro", zero_division=0.0),
            "micro_average_precision": average_precision_score(truth, one.scores, average="micro"),
            "macro_average_precision": average_precision_score(truth, one.scores, average="macro"),
        }
        tables = (truth & one.predicted, truth, one.predicted, of_rows)
        columns = sparse.csr_array(sparse.hstack([sparse.csr_array(table.astype(np.float64)) for table in tables]).T)
        drawn: dict[str, list[np.ndarray]] = {name: [] for name in (*LABEL_NUMBERS, "recall")}
        for counts in resamples(n_rows):
            sums = columns @ counts
            both, true, named = np.split(sums[: 3 * n_labels], 3)
            for name, total in zip(_PER_ROW, sums[3 * n_labels :], strict=True):
                drawn[name].append(total / n_rows)
            with np.errstate(invalid="ignore", divide="ignore"):
                drawn["macro_f1"].append(mean_of_known(2 * both / (true + named)))  # NaN: neither occurs nor is predicted
                drawn["micro_f1"].append(2 * both.sum(axis=0) / (true + named).sum(axis=0))
                drawn["recall"].append(both / true)
        rows, nobody = np.arange(n_rows), np.zeros(0, dtype=np.int64)
        by_label = [Ranking(rows, one.scores[:, at], truth[:, at], nobody) for at in range(n_labels)]
        pairs = Ranking(np.repeat(rows, n_labels), one.scores.ravel(), truth.ravel(), nobody)
        for name, rankings in (("macro_average_precision", by_label), ("micro_average_precision", [pairs])):
            curves = Curves(rankings, n_rows)
            drawn[name] = [curves.precision(counts) for counts in resamples(n_rows, N_FOR_RANKING)]
            if rankings is by_label:
                drawn["of halves"] = [curves.precision(counts) for counts in halves(n_rows)]
        self.drawn = {name: np.concatenate(found, axis=-1) for name, found in drawn.items()}


def jaccard(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """For each row, the number of labels in both by that of labels in either; 1 if there are none.

    The mean over rows is scikit-learn's ``jaccard_score(average="samples", zero_division=1.0)``.
    """
    either = (truth | predicted).sum(axis=1)
    return np.where(either > 0, (truth & predicted).sum(axis=1) / np.maximum(either, 1), 1.0)


def ranking_precision(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """For each row, the mean over its labels of the share of true labels among those with at least the same score.

    A row without labels, or with all, has 1. The mean over rows is scikit-learn's
    ``label_ranking_average_precision_score``.
    """
    n_labels, n_true = truth.shape[1], truth.sum(axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked, own = np.take_along_axis(scores, order, axis=1), np.take_along_axis(truth, order, axis=1)
    places = np.broadcast_to(np.arange(n_labels), truth.shape).copy()
    places[:, :-1][ranked[:, 1:] == ranked[:, :-1]] = n_labels
    ends = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]  # the last place of equal scores
    share = np.take_along_axis(np.cumsum(own, axis=1), ends, axis=1) / (ends + 1)
    is_given = (n_true > 0) & (n_true < n_labels)
    return np.where(is_given, (share * own).sum(axis=1) / np.maximum(n_true, 1), 1.0)


def _numbers(truth: np.ndarray, tries: Sequence[_Measured]) -> Numbers:
    n_rows, are_many = len(truth), len(tries) > 1
    recall = np.mean([one.recall for one in tries], axis=0)
    values: dict[str, tuple[float, float, float]] = {}
    for name in LABEL_NUMBERS:
        value = float(np.mean([one.values[name] for one in tries]))
        drawn = np.mean([one.drawn[name] for one in tries], axis=0)
        if name == "subset_accuracy":
            interval = interval_of_share(value, n_rows, drawn if are_many else None)
        elif name == "macro_average_precision":
            of_halves = np.mean([one.drawn["of halves"] for one in tries], axis=0)
            interval = interval_of_ranking(value, truth.sum(axis=0), drawn, of_halves)
        elif name == "macro_f1":
            interval = interval_of_macro_f1(value, recall, truth.sum(axis=0), drawn)
        else:
            interval = interval_of_share(value, n_rows, drawn)
        values[name] = (value, *interval)
    per_class = {}
    drawn = np.mean([one.drawn["recall"] for one in tries], axis=0)
    for label, n_of_label in enumerate(truth.sum(axis=0).tolist()):
        of_label = drawn[label] if are_many else None
        per_class[label] = (float(recall[label]), *interval_of_share(float(recall[label]), n_of_label, of_label))
    std = float(np.std([one.hits.mean() for one in tries], ddof=1)) if are_many else None
    return Numbers(values, per_class, np.mean([one.hits for one in tries], axis=0), std)
