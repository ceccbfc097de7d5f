"""The k-NN classifier with its k and metric chosen by cross-validation: one search a metric for every k and fold."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils.validation import check_is_fitted

from . import _threads
from ._rows import Rows
from ._validation import (
    InputError,
    check_algorithm,
    check_folds,
    check_ks,
    check_labels,
    check_magnitude,
    check_metrics,
    check_number,
    check_partition,
    check_present,
    check_rows,
    one_of,
    remember_features,
)  # fmt: skip
from ._voting import WEIGHTS
from .model_selection import DEFAULT_KS, fold_means, right_by_k, usable_ks
from .neighbors import KNeighborsClassifier

__all__ = ["KNeighborsClassifierCV"]


class KNeighborsClassifierCV(ClassifierMixin, BaseEstimator):
    """`KNeighborsClassifier` with k and metric chosen by cross-validation, at the price of one search a metric.

    A row's neighbours among the rows of the other folds are found once, for the largest k; every smaller k is a prefix of
    them. That is index for index what fitting each fold anew gives.

    Parameters
    ----------
    ks : iterable of int, optional
        None: 1 to 20, 25, 30, 50 and 100. Those above the smallest training fold are left out, with a warning.
    metrics : sequence of str, default=("l1", "l2")
    cv : int, "loo", splitter or iterable of (train, test), default=5
        A number: stratified folds, shuffled with `random_state`, and kept together by group where `groups` are given.
        "loo": leave one row out, or with `groups` one group. Anything else must test every row once and train on the others.
    weights, temperature, tie_break, algorithm, n_jobs
        As of `KNeighborsClassifier`.
    random_state : int, default=0
        Of the shuffle of a numeric `cv`.

    Attributes
    ----------
    best_params_ : dict
        ``metric`` and ``n_neighbors`` of the highest mean accuracy; of equals the first metric and the smallest k.
    best_score_ : float
    best_index_ : int
    one_standard_error_params_ : dict
        Of the same metric, the largest k whose mean accuracy is within one standard error of the best.
    cv_results_ : dict
        As of scikit-learn's searches: ``params``, ``param_metric``, ``param_n_neighbors``, ``mean_test_score``,
        ``std_test_score``, ``rank_test_score`` and, but for one row left out at a time, ``split<i>_test_score``.
    best_estimator_ : KNeighborsClassifier
        Fitted on all rows.
    search_time_ : dict of str to float
        Seconds of each metric.
    classes_ : ndarray

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> KNeighborsClassifierCV([1, 3, 5], cv="loo").fit(X[:500], y[:500]).score(X[500:], y[500:]) > 0.9
    True
    """

    def __init__(
        self, ks=None, metrics=("l1", "l2"), cv=5, *, weights="uniform", temperature=0.07, tie_break="smallest",
        algorithm="auto", random_state=0, n_jobs=None,
    ):
        self.ks = ks
        self.metrics = metrics
        self.cv = cv
        self.weights = weights
        self.temperature = temperature
        self.tie_break = tie_break
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, groups: Any = None) -> KNeighborsClassifierCV:
        """Judge every k under every metric, and fit the best on all rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        groups : array-like of shape (n_rows,), optional
            Rows of one group are never neighbours of each other while k is chosen.

        Returns
        -------
        self

        Raises
        ------
        InputError
        """
        metrics = check_metrics(self.metrics)
        if not callable(self.weights):
            one_of("weights", self.weights, WEIGHTS)
        one_of("tie_break", self.tie_break, ["smallest", "nearest"])
        check_number("temperature", self.temperature, minimum=0, strict=True)
        algorithm, n_threads = check_algorithm(self.algorithm), _threads.effective(self.n_jobs)
        check_present(y)
        checked = check_rows(X, "X", estimator=self, reset=True)
        for name in metrics:
            check_magnitude(checked.rows, "X", name)
        classes, codes = check_labels(y, len(checked.rows))
        if len(codes) == 1:
            raise InputError("X has one sample; cross-validation needs two or more")
        fold = self._fold_of_every_row(codes, groups)
        smallest = len(codes) - int(np.bincount(fold).max())
        ks = usable_ks(check_ks(DEFAULT_KS if self.ks is None else self.ks, smallest), smallest)
        rows, scores, seconds = Rows.of(checked), [], {}
        for name in metrics:
            begun = time.perf_counter()
            right = right_by_k(rows, codes, len(classes), fold, ks, name, weights=self.weights, temperature=self.temperature,
                               tie_break=self.tie_break, algorithm=algorithm, n_threads=n_threads)  # fmt: skip
            scores.append(fold_means(right, fold))
            seconds[name] = time.perf_counter() - begun
        self._choose(metrics, ks, np.concatenate(scores), with_splits=int(fold.max()) + 1 < len(codes))
        best = KNeighborsClassifier(
            weights=self.weights, temperature=self.temperature, tie_break=self.tie_break, algorithm=self.algorithm,
            n_jobs=self.n_jobs, **self.best_params_,
        )  # fmt: skip
        self.best_estimator_ = best.fit(checked.rows, np.asarray(classes)[codes])
        self.search_time_, self.classes_ = seconds, classes
        remember_features(self, X)
        return self

    def _fold_of_every_row(self, codes: np.ndarray, groups: Any) -> np.ndarray:
        """int64, from 0; rows of one fold do not see each other."""
        n, of_groups = len(codes), None
        if groups is not None:
            of_groups = np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)
            if of_groups.shape != (n,):
                raise InputError(f"groups has shape {of_groups.shape}, but there are {n} rows; give one group a row")
        if isinstance(self.cv, str):
            one_of("cv", self.cv, ["loo"])
            fold = np.arange(n, dtype=np.int64) if of_groups is None else of_groups
            if fold.max() == 0:
                raise InputError('cv="loo" needs two rows (or groups) or more, and there is one')
            return fold
        splitter = self.cv
        if isinstance(splitter, (int, np.integer)) and not isinstance(splitter, bool):
            n_folds = check_folds(splitter, codes, "cv")
            kind = StratifiedKFold if of_groups is None else StratifiedGroupKFold
            splitter = kind(n_folds, shuffle=True, random_state=self.random_state)
        else:
            splitter = check_cv(splitter, codes, classifier=True)
        return check_partition(splitter.split(np.zeros((n, 1)), codes, of_groups), n)

    def _choose(self, metrics: tuple[str, ...], ks: np.ndarray, scores: np.ndarray, *, with_splits: bool) -> None:
        """cv_results_ and the choices, from the accuracies (n_metrics * n_ks, n_folds)."""
        mean, std = scores.mean(axis=1), scores.std(axis=1)
        order = np.argsort(-mean, kind="stable")
        ranks = np.empty(len(mean), dtype=np.int32)
        ranks[order] = [1 + int(np.count_nonzero(mean > mean[at])) for at in order]
        params: list[dict[str, Any]] = [{"metric": metric, "n_neighbors": int(k)} for metric in metrics for k in ks]
        self.best_index_ = int(order[0])
        self.best_params_: dict[str, Any] = params[self.best_index_]
        self.best_score_ = float(mean[self.best_index_])
        n_folds = scores.shape[1]
        least = self.best_score_ - std[self.best_index_] * math.sqrt(n_folds / (n_folds - 1)) / math.sqrt(n_folds)
        near = [p for p, m in zip(params, mean, strict=True) if p["metric"] == self.best_params_["metric"] and m >= least]
        self.one_standard_error_params_ = near[-1]
        self.cv_results_ = {
            "params": params,
            "param_metric": np.array([p["metric"] for p in params], dtype=object),
            "param_n_neighbors": np.array([p["n_neighbors"] for p in params]),
            "mean_test_score": mean,
            "std_test_score": std,
            "rank_test_score": ranks,
        }
        if with_splits:
            self.cv_results_ |= {f"split{at}_test_score": of_fold for at, of_fold in enumerate(scores.T)}

    def _best(self, X: Any) -> tuple[KNeighborsClassifier, Any]:
        check_is_fitted(self, "best_estimator_")
        if X is not None:
            check_rows(X, "X", estimator=self)
        return self.best_estimator_, np.asarray(X) if hasattr(X, "iloc") else X

    def predict(self, X: Any = None) -> np.ndarray:
        """Labels by the best setting; None: leave-one-out over the training rows."""
        best, X = self._best(X)
        return best.predict(X)

    def predict_proba(self, X: Any = None) -> np.ndarray:
        """Each class's share of the vote by the best setting."""
        best, X = self._best(X)
        return best.predict_proba(X)
