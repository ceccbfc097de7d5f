"""The test set, behind the one function that may ask it.

The rule of the lecture: use the test set once, at the very end. Training code gets the training rows alone;
`TestSet.judge` is the only way to the test rows' labels, and it counts.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls.neighbors import KNeighborsClassifier

from ._results import wilson_interval

#: probabilities or scores held at once
VALUES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Verdict:
    """What the test set says of one model.

    Attributes
    ----------
    predicted : ndarray of int64, shape (n_test,)
        Class codes.
    right : ndarray of bool, shape (n_test,)
    errors : int
    accuracy : float
    interval : tuple of float
        Wilson's 95 % interval of the accuracy.
    seconds : float
        Wall-clock seconds of the prediction.
    measure : str
        What `scores` are: "probability" or "score".
    scores : ndarray of float64, shape (n_test,)
        How sure the model is of what it predicted.
    """

    predicted: np.ndarray
    right: np.ndarray
    errors: int
    accuracy: float
    interval: tuple[float, float]
    seconds: float
    measure: str
    scores: np.ndarray


class TestSet:
    """Test rows and their labels (class codes)."""

    __test__ = False  # not a test of pytest's

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self._X = X
        self._y = np.asarray(y)
        #: how often each model was judged
        self.evaluations: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._y)

    def judge(self, name: str, model: Any) -> Verdict:
        """Let ``model`` predict the test rows, once; a second time for the same name is counted and warned about."""
        self.evaluations[name] += 1
        if self.evaluations[name] > 1:
            warnings.warn(
                f"the test set has now judged {name} {self.evaluations[name]} times: an accuracy that was "
                "looked at before is no longer that of unseen data",
                UserWarning,
                stacklevel=2,
            )
        begun = time.perf_counter()
        predicted, scores = predict_with_scores(model, self._X)
        seconds = time.perf_counter() - begun
        right = predicted == self._y
        correct = int(np.count_nonzero(right))
        interval = wilson_interval(correct, len(self))
        return Verdict(
            predicted, right, len(self) - correct, correct / len(self), interval, seconds, measure_of(model), scores
        )

    def count(self, code: int) -> int:
        """How many test rows are of one class: what always naming it would get right. Judges no model; not counted."""
        return int(np.count_nonzero(self._y == code))


def measure_of(model: Any) -> str:
    """What a model gives for a class: a probability, or a score that has no scale."""
    return "probability" if hasattr(model, "predict_proba") else "score"


def predict_with_scores(model: Any, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class that ``model.predict`` gives each row, and the probability or score of that class.

    The votes of k-NN are whole numbers and ties go to the smallest class, so one search gives both: the first of the
    largest probabilities is what ``predict`` says.
    """
    one_search = isinstance(model, KNeighborsClassifier) and model.weights == "uniform" and model.tie_break == "smallest"
    predicted, scores = [], []
    at_once = max(1024, VALUES_AT_ONCE // len(model.classes_))
    for start in range(0, len(X), at_once):
        piece = X[start : start + at_once]
        values = model.predict_proba(piece) if measure_of(model) == "probability" else model.decision_function(piece)
        if values.ndim == 1:  # two classes: the second one's score alone
            values = np.stack([-values, values], axis=1)
        said = model.classes_[values.argmax(axis=1)] if one_search else model.predict(piece)
        predicted.append(said)
        scores.append(values[np.arange(len(piece)), np.searchsorted(model.classes_, said)])
    return np.concatenate(predicted), np.concatenate(scores).astype(np.float64, copy=False)


def mcnemar(right: np.ndarray, other: np.ndarray) -> tuple[int, int, float]:
    """Compare two models on the same test rows, exactly.

    Rows that both get right, or both wrong, say nothing about which is better. Were neither better, each of the rows
    that exactly one of them gets right would go to either with probability 1/2.

    Parameters
    ----------
    right, other : ndarray of bool, shape (n_test,)
        Where each model is right.

    Returns
    -------
    only_first, only_other : int
        Rows that only the one, only the other gets right.
    p_value : float
        Probability of a division at least as uneven by chance alone, two-sided.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12
    (1947), in its exact binomial form.
    """
    from scipy.stats import binomtest

    only_first = int(np.count_nonzero(right & ~other))
    only_other = int(np.count_nonzero(other & ~right))
    apart = only_first + only_other
    return only_first, only_other, float(binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0


#: a difference is significant if chance alone makes one so uneven less often than this, shared among the comparisons
SIGNIFICANT_BELOW = 0.05


def significant(pair: dict[str, Any], results: dict[str, Any]) -> bool:
    """Whether a difference is more than chance would make, in any of this many comparisons (Bonferroni)."""
    return bool(pair["p_value"] < SIGNIFICANT_BELOW / len(results["comparisons"]))


def not_told_apart(results: dict[str, Any]) -> list[str]:
    """The models that the one of fewest errors cannot be told apart from on these test rows."""
    return [pair["other"] for pair in results.get("comparisons", ()) if not significant(pair, results)]


def best_is_known(results: dict[str, Any]) -> bool:
    """Whether the model of fewest errors may be called best: of several, it is told apart from at least one."""
    compared = results.get("comparisons", ())
    return bool(compared) and len(not_told_apart(results)) < len(compared)
