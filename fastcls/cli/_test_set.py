"""The test set. `TestSet.evaluate` is the only function that uses its labels.

The rule of the lecture: use the test set once, at the very end. Training code receives only the training rows, and
`TestSet` counts the evaluations of each model.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastcls._sampling.proportion import wilson_interval
from fastcls._scoring.numbers import Numbers, answers_of_scores, joined, measure
from fastcls.neighbors import KNeighborsClassifier

#: probabilities or scores held in memory at once
VALUES_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of one model on the test set.

    Attributes
    ----------
    predicted : ndarray of int64, shape (n_test,)
        Class codes.
    hits : ndarray of bool, shape (n_test,)
        Where the prediction is correct.
    errors : int
    accuracy : float
    interval : tuple of float
        Wilson's 95 % interval of the accuracy.
    seconds : float
        Wall-clock time of the prediction.
    measure : str
        Meaning of `scores`: "probability" or "score".
    scores : ndarray of float64, shape (n_test,)
        Probability or score of the predicted class.
    numbers : Numbers
        Everything else, with 95 % intervals.
    """

    predicted: np.ndarray
    hits: np.ndarray
    errors: int
    accuracy: float
    interval: tuple[float, float]
    seconds: float
    measure: str
    scores: np.ndarray
    numbers: Numbers


class TestSet:
    """Test rows and their labels (class codes)."""

    __test__ = False  # not a test class of pytest

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self._X = X
        self._y = np.asarray(y)
        #: number of evaluations of each model
        self.evaluations: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._y)

    def evaluate(self, name: str, model: Any) -> Evaluation:
        """Predict the test rows with ``model`` and score the predictions; warn if ``name`` was evaluated before."""
        self.evaluations[name] += 1
        if self.evaluations[name] > 1:
            warnings.warn(
                f"{name} has been evaluated {self.evaluations[name]} times on the test set: after the first time, the "
                "accuracy is no longer that on unseen data",
                UserWarning,
                stacklevel=2,
            )
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        started = time.perf_counter()
        predicted, scores = predict_with_scores(model, self._X, parts)
        seconds = time.perf_counter() - started
        hits = predicted == self._y
        n_hits = int(np.count_nonzero(hits))
        interval = wilson_interval(n_hits, len(self))
        return Evaluation(
            predicted,
            hits,
            len(self) - n_hits,
            n_hits / len(self),
            interval,
            seconds,
            measure_of(model),
            scores,
            numbers_of(model, parts, self._y),
        )

    def count(self, code: int) -> int:
        """Return the number of test rows of one class: the hits of always predicting it. Not counted as an evaluation."""
        return int(np.count_nonzero(self._y == code))


def measure_of(model: Any) -> str:
    """Return what the model computes for each class: a "probability", or a "score" without a scale."""
    return "probability" if hasattr(model, "predict_proba") else "score"


def class_scores(model: Any, X: np.ndarray) -> np.ndarray:
    """Return the probability or score of every class, (n, n_classes).

    With two classes, ``decision_function`` returns only the score of the second, as in scikit-learn.
    """
    if measure_of(model) == "probability":
        return np.asarray(model.predict_proba(X))
    scores = np.asarray(model.decision_function(X))
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def numbers_of(model: Any, parts: list[tuple[np.ndarray, np.ndarray]], y: np.ndarray) -> Numbers:
    """Return the numbers of a model from its labels and values, chunk by chunk; per class they have the codes of ``y``."""
    classes = np.asarray(model.classes_)
    place = np.searchsorted(classes, y)
    known = classes[np.minimum(place, len(classes) - 1)] == y
    truth = np.where(known, place, -1 - y)  # a class without training rows is never hit
    answers, first = [], 0
    for labels, values in parts:
        some = answers_of_scores(
            values,
            truth[first : first + len(labels)],
            are_probabilities=measure_of(model) == "probability",
            are_votes=isinstance(model, KNeighborsClassifier),
            predicted=np.searchsorted(classes, labels),  # not always the largest value: ties
        )
        answers.append(some)
        first += len(labels)
    (found,) = measure(truth, [[joined(answers)]], len(classes))
    per_class = {int(classes[code]) if code >= 0 else -1 - code: value for code, value in found.per_class.items()}
    return replace(found, per_class=per_class)


def predict_with_scores(
    model: Any, X: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the class that ``model.predict`` gives each row, and the probability or score of that class.

    The labels and values of each chunk of rows are appended to ``parts``.

    The votes of unweighted k-NN are integers and ties go to the smallest class, so one search gives both: the first of
    the largest probabilities belongs to the class that ``predict`` returns.
    """
    one_search = isinstance(model, KNeighborsClassifier) and model.weights == "uniform" and model.tie_break == "smallest"
    predicted, scores = [], []
    chunk_rows = max(1024, VALUES_AT_ONCE // len(model.classes_))
    for start in range(0, len(X), chunk_rows):
        chunk = X[start : start + chunk_rows]
        values = class_scores(model, chunk)
        labels = model.classes_[values.argmax(axis=1)] if one_search else model.predict(chunk)
        predicted.append(labels)
        if parts is not None:
            parts.append((labels, values))
        scores.append(values[np.arange(len(chunk)), np.searchsorted(model.classes_, labels)])
    return np.concatenate(predicted), np.concatenate(scores).astype(np.float64, copy=False)
