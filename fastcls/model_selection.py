"""Choosing k and the metric: every k and every fold from one search a metric.

Cross-validation needs, for every row, its nearest neighbours among the rows of the *other* folds. So the fold is the
group that a query may not see, one search finds the k_max neighbours of every row, and each smaller k is a prefix of
them: index for index what refitting per fold gives, since the order (S, training index) does not depend on which other
rows are there.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

from . import _search, _threads
from ._judging import judge
from ._search import Progress, Rows
from ._validation import (
    check_algorithm,
    check_folds,
    check_ks,
    check_labels,
    check_magnitude,
    check_metric,
    check_metrics,
    check_number,
    check_rows,
    one_of,
)  # fmt: skip
from ._validation_protocols import check_same_features, check_test
from ._voting import WEIGHTS, Weights, vote, weights_of
from .metrics import METRICS
from .protocols._table import ProtocolTable

__all__ = ["DEFAULT_KS", "DEFAULT_METRICS", "KSelection", "cross_validate_k", "evaluate_k"]

DEFAULT_KS = (*range(1, 21), 25, 30, 50, 100)
DEFAULT_METRICS = ("l1", "l2")


@dataclass(frozen=True)
class KSelection:
    """Accuracy of every k, metric and fold, and the choice that follows.

    Attributes
    ----------
    ks : tuple of int
        Ascending.
    metrics : tuple of str
    fold_accuracy : dict of str to ndarray of shape (n_ks, n_folds)
    seconds : dict of str to float
        What the search and the votes of each metric took.
    """

    ks: tuple[int, ...]
    metrics: tuple[str, ...]
    fold_accuracy: dict[str, np.ndarray] = field(repr=False)
    seconds: dict[str, float] = field(default_factory=dict)

    def mean(self, metric: str) -> np.ndarray:
        """Mean accuracy over folds for every k: (n_ks,)."""
        return self.fold_accuracy[metric].mean(axis=1)

    def std(self, metric: str) -> np.ndarray:
        """Standard deviation over folds for every k: (n_ks,)."""
        return self.fold_accuracy[metric].std(axis=1)

    @property
    def best_metric(self) -> str:
        """The metric with the highest mean accuracy; of equals the first."""
        return max(self.metrics, key=lambda metric: float(self.mean(metric).max()))

    @property
    def best_index(self) -> int:
        """Where the best k stands in `ks`; of equals the smallest k."""
        return int(np.argmax(self.mean(self.best_metric)))

    @property
    def best_k(self) -> int:
        return self.ks[self.best_index]


def _folds(codes: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of every row, int64: stratified by scikit-learn's splitter, shuffled with `seed`."""
    fold = np.empty(len(codes), dtype=np.int64)
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # a class with fewer rows than folds is missing from some folds: the accuracy is still that of refitting
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, held_out) in enumerate(splitter.split(np.zeros((len(codes), 1)), codes)):
            fold[held_out] = number
    return fold


def usable_ks(
    wanted: list[int], n_rows: int, why: str = "the smallest training fold has only {} rows"
) -> np.ndarray:
    usable = [k for k in wanted if k <= n_rows]
    if len(usable) < len(wanted):
        dropped = ", ".join(str(k) for k in wanted[len(usable) :])
        warnings.warn(
            f"k = {dropped} left out: {why.format(n_rows)}",
            UserWarning, stacklevel=3,
        )  # fmt: skip
    return np.array(usable, dtype=np.int64)


def right_by_k(
    rows: Rows, codes: np.ndarray, n_classes: int, fold: np.ndarray, ks: np.ndarray, metric: str, *,
    weights: Weights = "uniform", temperature: float = 0.07, tie_break: str = "smallest", algorithm: str = "auto",
    n_threads: int = 1, progress: Progress | None = None,
) -> np.ndarray:
    """Whether each row is named rightly by the k nearest of the other folds, from one search: bool (n_rows, n_ks)."""
    S, indices, _ = _search.search(
        rows, None, int(ks[-1]), metric, n_threads=n_threads, algorithm=algorithm, query_groups=fold, row_groups=fold,
        progress=progress,
    )  # fmt: skip
    shares = weights_of(METRICS[metric].finish(S), weights, temperature, metric)
    winners, _, _ = vote(codes[indices], shares, ks, n_classes, tie_break=tie_break, n_threads=n_threads)
    return winners == codes[:, None]


def fold_means(right: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The share of right answers in every fold: (n_ks, n_folds)."""
    counts = np.bincount(fold)
    return np.stack([np.bincount(fold, weights=of_k) / counts for of_k in right.T.astype(np.float64)])


def evaluate_k(
    train: Any, y: Any, test: Any, y_test: Any, ks: Iterable[int] | None = None, *, metric: str = "l2",
    weights: Weights = "uniform", temperature: float = 0.07, tie_break: str = "smallest", topk: Sequence[int] = (1, 5),
    algorithm: str = "auto", n_jobs: int | None = None, progress: Progress | None = None,
) -> ProtocolTable:
    """Accuracy on test rows for every k, from one search.

    Parameters
    ----------
    train, y : array-like of shape (n_rows, n_features), (n_rows,)
    test, y_test : array-like of shape (n_queries, n_features), (n_queries,)
        A label that y does not have counts as an error.
    ks : iterable of int, optional
        None: 1 to 20, 25, 30, 50 and 100. Those above the number of training rows are left out, with a warning.
    metric, weights, temperature, tie_break, algorithm
        As of `KNeighborsClassifier`.
    topk : sequence of int, default=(1, 5)
        1 is the accuracy of the vote. For more, a row is right if its class got a vote and is among the n classes with the
        highest totals; of equal totals the class that sorts first comes first.
    progress : callable, optional
        ``progress(done, total)`` in pairs of rows.

    Returns
    -------
    ProtocolTable
        A row for each k: ``k``, ``top1``, ``top5`` ... as shares; ``print`` shows it, ``to_pandas()`` makes a data frame.

    Raises
    ------
    InputError

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> evaluate_k(X[:1400], y[:1400], X[1400:], y[1400:], [1, 3], topk=[1])["k"]
    [1, 3]
    """
    name = check_metric(metric)
    if not callable(weights):
        one_of("weights", weights, WEIGHTS)
    one_of("tie_break", tie_break, ["smallest", "nearest"])
    check_number("temperature", temperature, minimum=0, strict=True)
    firsts = [int(check_number("topk", n, minimum=1, whole=True)) for n in topk]
    checked = check_rows(train, "train")
    check_magnitude(checked.rows, "train", name)
    classes, codes = check_labels(y, len(checked.rows))
    queries, truth = check_test(test, y_test, classes, name)
    check_same_features(checked.rows, queries.rows)
    of = "there are {} training rows"
    usable = usable_ks(check_ks(DEFAULT_KS if ks is None else ks, len(codes), of), len(codes), of)
    n_threads = _threads.effective(n_jobs)
    S, indices, _ = _search.search(Rows.of(checked), Rows.of(queries), int(usable[-1]), name, n_threads=n_threads,
                                   algorithm=check_algorithm(algorithm), progress=progress)  # fmt: skip
    right = judge(S, indices, codes, truth, usable, len(classes), name, n_threads, weights=weights, temperature=temperature,
                  tie_break=tie_break, topk=firsts)  # fmt: skip
    rows = tuple((int(k), *(float(of_n[at]) / len(truth) for of_n in right)) for at, k in enumerate(usable))
    return ProtocolTable(f"k-NN under {name}: {len(codes):,} training rows, {len(truth):,} test rows",
                         ("k", *(f"top{n}" for n in firsts)), rows,
                         {"metric": name, "weights": weights, "tie_break": tie_break})  # fmt: skip


def cross_validate_k(
    X: Any,
    y: Any,
    *,
    ks: Iterable[int] = DEFAULT_KS,
    metrics: Sequence[str] = DEFAULT_METRICS,
    folds: int = 5,
    seed: int = 0,
    weights: Weights = "uniform",
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> KSelection:
    """Cross-validated accuracy of every k under every metric, from one search a metric.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    ks : iterable of int
        Those above the smallest training fold are left out, with a warning.
    metrics : sequence of str
    folds : int, default=5
        Stratified, shuffled with `seed`.
    weights : {"uniform", "distance", "softmax"}
    progress : callable, optional
        ``progress(done, total)`` in pairs of rows, over all metrics.

    Returns
    -------
    KSelection

    Raises
    ------
    InputError
    """
    names = check_metrics(metrics)
    one_of("weights", weights, WEIGHTS)
    checked = check_rows(X, "X")
    for name in names:
        check_magnitude(checked.rows, "X", name)
    classes, codes = check_labels(y, len(checked.rows))
    n_folds = check_folds(folds, codes)
    fold = _folds(codes, n_folds, seed)
    smallest = len(codes) - int(np.bincount(fold).max())
    usable = usable_ks(check_ks(ks, smallest), smallest)
    n_threads = _threads.effective(n_jobs)
    accuracy, seconds = {}, {}
    for number, name in enumerate(names):
        started = time.perf_counter()
        step = _step_of(progress, number, len(names))
        right = right_by_k(Rows.of(checked), codes, len(classes), fold, usable, name, weights=weights, n_threads=n_threads,
                           progress=step)  # fmt: skip
        accuracy[name] = fold_means(right, fold)
        seconds[name] = time.perf_counter() - started
    return KSelection(tuple(int(k) for k in usable), names, accuracy, seconds)


def _step_of(progress: Progress | None, step: int, n_steps: int) -> Progress | None:
    """Progress of one of several equal steps, told as progress of the whole."""
    if progress is None:
        return None
    return lambda done, total: progress(step * total + done, n_steps * total)
