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
from ._search import Progress, Rows
from ._validation import check_folds, check_ks, check_labels, check_magnitude, check_metrics, check_rows, one_of
from ._voting import WEIGHTS, Weights, vote, weights_of
from .metrics import METRICS

__all__ = ["DEFAULT_KS", "DEFAULT_METRICS", "KSelection", "cross_validate_k"]

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


def _usable_ks(wanted: list[int], smallest_training_fold: int) -> np.ndarray:
    usable = [k for k in wanted if k <= smallest_training_fold]
    if len(usable) < len(wanted):
        dropped = ", ".join(str(k) for k in wanted[len(usable) :])
        warnings.warn(
            f"k = {dropped} left out: the smallest training fold has only {smallest_training_fold} rows",
            UserWarning, stacklevel=3,
        )  # fmt: skip
    return np.array(usable, dtype=np.int64)


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
    usable = _usable_ks(check_ks(ks, smallest), smallest)
    n_threads = _threads.effective(n_jobs)
    accuracy, seconds = {}, {}
    for number, name in enumerate(names):
        started = time.perf_counter()
        step = _step_of(progress, number, len(names))
        S, indices, _ = _search.search(
            Rows.of(checked), None, int(usable[-1]), name, n_threads=n_threads, query_groups=fold, row_groups=fold,
            progress=step,
        )  # fmt: skip
        vote_weights = weights_of(METRICS[name].finish(S), weights, 0.07, name)
        winners, _, _ = vote(
            codes[indices], vote_weights, usable, len(classes), tie_break="smallest", n_threads=n_threads
        )
        right = winners == codes[:, None]
        accuracy[name] = np.stack([right[fold == number].mean(axis=0) for number in range(n_folds)], axis=1)
        seconds[name] = time.perf_counter() - started
    return KSelection(tuple(int(k) for k in usable), names, accuracy, seconds)


def _step_of(progress: Progress | None, step: int, n_steps: int) -> Progress | None:
    """Progress of one of several equal steps, told as progress of the whole."""
    if progress is None:
        return None
    return lambda done, total: progress(step * total + done, n_steps * total)
