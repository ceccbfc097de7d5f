"""Choosing k and the metric: one search per metric gives every k and every fold.

Cross-validation needs, for each row, its nearest neighbours among the rows of the *other* folds; leave-one-out, among all
other rows. One search finds the k_max neighbours of every row, and each smaller k is a prefix of them. ``_fold_votes.py``
explains how one search serves all folds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._scoring.accuracy import answers_of_votes
from fastcls._scoring.numbers import measure
from fastcls._scoring.table import ResultTable, add_note, note_on_unknown
from fastcls._scoring.votes import WEIGHTS, Weights
from fastcls._search import plan
from fastcls._search.rows import Rows
from fastcls._validation.base import RandomState, check_number, check_run, one_of
from fastcls._validation.labels import check_labels
from fastcls._validation.messages import counted
from fastcls._validation.neighbors import check_algorithm
from fastcls._validation.notebook import Table, as_html
from fastcls._validation.row_index import warn_of_indices
from fastcls._validation.rows import (
    check_rows,
    check_same_features,
    check_same_names,
)
from fastcls.datasets import scores_test_rows
from fastcls.metrics import check_magnitude, check_metric, check_metrics, label

from ._fold_votes import FoldVotes, VoteWeights
from ._folds import make_folds
from ._grid_ends import warn_at_end
from ._validation import TRAINING_ROWS, check_test, check_topk, usable_ks

__all__ = ["DEFAULT_KS", "DEFAULT_METRICS", "KSelection", "cross_validate_k", "evaluate_k"]

#: the k that are tried if none are given
DEFAULT_KS = (*range(1, 21), 25, 30, 50, 100)
#: the metrics that are tried if none are given
DEFAULT_METRICS = ("l1", "l2")


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class KSelection:
    """Accuracy of every k, metric and fold, and the best choice.

    Attributes
    ----------
    ks : tuple of int
        Ascending.
    metrics : tuple of str
    fold_accuracy : dict of str to ndarray of shape (n_ks, n_folds)
        For leave-one-out one column, the accuracy over all rows.
    seconds : dict of str to float
        Seconds of the search and the votes of each metric.
    n_left_out : int or None
        Number of rows, for leave-one-out; None for folds.
    """

    ks: tuple[int, ...]
    metrics: tuple[str, ...]
    fold_accuracy: dict[str, np.ndarray] = field(repr=False)
    seconds: dict[str, float] = field(default_factory=dict)
    n_left_out: int | None = None

    def mean(self, metric: str) -> np.ndarray:
        """Mean accuracy over folds for every k: (n_ks,).

        Parameters
        ----------
        metric : str

        Returns
        -------
        float64 array (n_ks,)
        """
        return self.fold_accuracy[metric].mean(axis=1)

    def std(self, metric: str) -> np.ndarray:
        """Standard deviation for every k, (n_ks,): over folds, or for leave-one-out over rows, each a hit (1) or not (0).

        Parameters
        ----------
        metric : str

        Returns
        -------
        float64 array (n_ks,)
        """
        if self.n_left_out is not None:
            return std_of_shares(self.mean(metric))
        return self.fold_accuracy[metric].std(axis=1)

    @property
    def best_metric(self) -> str:
        """The metric with the highest mean accuracy; of equal ones the first."""
        return max(self.metrics, key=lambda metric: float(self.mean(metric).max()))

    @property
    def best_index(self) -> int:
        """Index of the best k in `ks`; of equally good ones the smallest k."""
        return int(np.argmax(self.mean(self.best_metric)))

    @property
    def best_k(self) -> int:
        """The k with the highest mean accuracy over the folds."""
        return self.ks[self.best_index]

    def _repr_html_(self) -> str:
        best, at = self.best_metric, self.best_index
        n_folds = self.fold_accuracy[best].shape[1]
        over = (
            f"{counted(n_folds, 'fold')}" if self.n_left_out is None else f"{counted(self.n_left_out, 'row')}, each left out"
        )
        title = f"k = {self.best_k} under {label(best)}: mean accuracy {100 * self.mean(best)[at]:.2f} % over {over}"
        error = 1.0 if self.n_left_out is None else self.n_left_out**0.5
        columns = [
            [f"{100 * mean:.2f} ± {100 * std / error:.2f}" for mean, std in zip(self.mean(m), self.std(m), strict=True)]
            for m in self.metrics
        ]
        rows = [[str(k), *(column[at] for column in columns)] for at, k in enumerate(self.ks)]
        table = Table(["k", *(f"{label(m)}: %" for m in self.metrics)], rows, marked=[at])
        spread = "standard deviation over the folds" if self.n_left_out is None else "standard error"
        return as_html(title, (), [table], [f"±: {spread}", "display.CrossValidationDisplay.from_selection draws it"])


def std_of_shares(shares: np.ndarray) -> np.ndarray:
    """Standard deviation of hits (1) and misses (0) with these shares of hits."""
    std: np.ndarray = np.sqrt(shares * (1.0 - shares))
    return std


@scores_test_rows
def evaluate_k(
    train: Any,
    y: Any = None,
    test: Any = None,
    y_test: Any = None,
    ks: Iterable[int] | None = None,
    *,
    metric: str = "l2",
    weights: Weights = "uniform",
    temperature: float = 0.07,
    tie_break: str = "smallest",
    topk: Sequence[int] = (1, 5),
    algorithm: str = "auto",
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> ResultTable:
    """Accuracy on test rows for every k, from one search.

    Parameters
    ----------
    train, y : array-like of shape (n_rows, n_features), (n_rows,)
        Or, instead of all four, a `Dataset` with a test set: it counts the evaluation, and warns at the second.
    test, y_test : array-like of shape (n_queries, n_features), (n_queries,)
        A label that does not occur in y counts as an error, and a note says so.
    ks : iterable of int, optional
        None: 1 to 20, 25, 30, 50 and 100. Values above the number of training rows are dropped with a warning.
    metric, weights, temperature, tie_break
        As for `KNeighborsClassifier`.
    topk : sequence of int, default=(1, 5)
        1 is the accuracy of the vote. For a larger n, a row counts as a hit if its class got a vote and is among the n
        classes with the highest totals. Equal totals are ranked in sorted order or, with tie_break="nearest", by the nearer
        member.
    algorithm : {"auto", "brute", "filter"}, default="auto"
        As for `KNeighborsClassifier`.
    n_jobs : int, optional
        Threads, as for `KNeighborsClassifier`.
    progress : callable, optional
        ``progress(done, total)`` in pairs of rows.

    Returns
    -------
    ResultTable
        One row for each k: ``k``, ``top1``, ``top5`` ... as shares, balanced accuracy, macro F1, average precision, log loss
        and calibration error, with 95 % intervals. A class's probability is its share of the votes.

    Raises
    ------
    InputError
        For rows or labels that cannot be read, test rows of another width, an unknown option, or if every k is above the
        number of training rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> evaluate_k(X[:1400], y[:1400], X[1400:], y[1400:], [1, 3], topk=[1])["k"]
    [1, 3]
    """
    check_run(n_jobs, progress)
    name = check_metric(metric)
    if not callable(weights):
        one_of("weights", weights, WEIGHTS)
    one_of("tie_break", tie_break, ["smallest", "nearest"])
    check_number("temperature", temperature, minimum=0, strict=True)
    firsts = check_topk(topk)
    checked = check_rows(train, "train")
    check_magnitude(checked.rows, "train", name)
    classes, codes = check_labels(y, len(checked.rows), of="train")
    queries, truth, unknown = check_test(test, y_test, classes, name)
    check_same_names(queries, checked, "test", "train")
    check_same_features(checked.rows, queries.rows)
    usable = usable_ks(DEFAULT_KS if ks is None else ks, len(codes), TRAINING_ROWS)
    n_threads = threads.effective(n_jobs)
    S, indices, _ = plan.search(
        Rows.of(checked),
        Rows.of(queries),
        int(usable[-1]),
        name,
        n_threads=n_threads,
        algorithm=check_algorithm(algorithm),
        progress=progress,
    )
    answers = answers_of_votes(
        S,
        indices,
        codes,
        truth,
        usable,
        len(classes),
        name,
        n_threads,
        weights=weights,
        temperature=temperature,
        tie_break=tie_break,
        topk=firsts,
    )
    numbers = measure(truth, [[one] for one in answers], len(classes))
    settings: dict[str, Any] = {"metric": name, "weights": weights, "tie_break": tie_break}
    if weights == "softmax":
        settings["temperature"] = temperature
    add_note(settings, note_on_unknown(truth, unknown))
    title = f"k-NN: {len(codes):,} training, {counted(len(truth), 'test row')}"
    return ResultTable.of_numbers(
        title, settings, [({"k": int(k)}, one) for k, one in zip(usable, numbers, strict=True)], classes, unknown
    )


def cross_validate_k(
    X: Any,
    y: Any,
    *,
    ks: Iterable[int] | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    cv: Any = 5,
    random_state: RandomState = None,
    weights: Weights = "uniform",
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> KSelection:
    """Cross-validated accuracy of every k under every metric, from one search per metric.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    ks : iterable of int, optional
        None: 1 to 20, 25, 30, 50 and 100. Values above the number of rows of the smallest training fold are dropped with a
        warning.
    metrics : sequence of str
    cv : int, "loo", splitter or iterable of (train, test), default=5
        A number: stratified folds, shuffled with `random_state`. "loo": leave out one row at a time. Splits may overlap and
        leave rows unused. Of equal distances the earlier row of X is nearer, in whatever order a splitter lists rows.
    random_state : int, RandomState or None
        Shuffles the rows before a numeric `cv` divides them into folds.
    weights : {"uniform", "distance", "softmax"}
    n_jobs : int, optional
        Threads, as for `KNeighborsClassifier`.
    progress : callable, optional
        ``progress(done, total)`` in pairs of rows, over all metrics.

    Returns
    -------
    KSelection

    Raises
    ------
    InputError
        For rows or labels that cannot be read, an unknown option, splits that do not fit the rows, or if every k is above
        the number of rows of the smallest training fold.
    """
    check_run(n_jobs, progress)
    names = check_metrics(metrics)
    one_of("weights", weights, WEIGHTS)
    warn_of_indices({"X": X, "y": y})
    checked = check_rows(X, "X")
    for name in names:
        check_magnitude(checked.rows, "X", name)
    classes, codes = check_labels(y, len(checked.rows))
    made = make_folds(cv, classes[codes], codes, random_state=random_state)
    everyone = VoteWeights(made, codes, len(classes))
    smallest = int(made.trained_on(everyone.visible).min())
    usable = usable_ks(DEFAULT_KS if ks is None else ks, smallest)
    votes = FoldVotes(
        Rows.of(checked),
        made,
        codes,
        len(classes),
        usable,
        everyone,
        [weights],
        0.07,
        "smallest",
        (1,),
        threads.effective(n_jobs),
    )
    accuracy, seconds = {}, {}
    for number, name in enumerate(names):
        started = time.perf_counter()
        accuracy[name] = votes.accuracy(name, _step_of(progress, number, len(names)))[0, 0]
        seconds[name] = time.perf_counter() - started
    n_left_out = len(codes) if made.alone else None
    found = KSelection(tuple(int(k) for k in usable), names, accuracy, seconds, n_left_out)
    best = float(found.mean(found.best_metric)[found.best_index])
    warn_at_end("k", found.best_k, found.ks, best, least=1, most=smallest)
    return found


def _step_of(progress: Progress | None, step: int, n_steps: int) -> Progress | None:
    """Progress of one of several equal steps, reported as progress of the whole."""
    if progress is None:
        return None
    return lambda done, total: progress(step * total + done, n_steps * total)
