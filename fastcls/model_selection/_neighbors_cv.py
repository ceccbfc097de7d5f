"""The k-NN classifier with its k and metric chosen by cross-validation: one search a metric for every k and fold."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastcls._runtime import threads
from fastcls._runtime.fitted_state import fitted_attributes, frozen, publish
from fastcls._scoring.classifier import Classifier
from fastcls._search.rows import Rows
from fastcls._storage.saving import SaveBestMixin
from fastcls._validation.base import check_number, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_present
from fastcls._validation.neighbors import check_algorithm
from fastcls._validation.row_weights import check_labelled_rows
from fastcls._validation.rows import check_rows, remember_features
from fastcls.metrics import check_magnitude, check_metrics
from fastcls.neighbors import KNeighborsClassifier

from ._cross_validate import DEFAULT_KS, spread_of_shares
from ._fold_votes import FoldVotes, VoteWeights
from ._folds import Folds, make_folds
from ._grid_ends import warn_at_end
from ._validation import check_vote_rules, usable_ks

__all__ = ["KNeighborsClassifierCV"]

_TOPK = (1, 5)


class KNeighborsClassifierCV(SaveBestMixin, Classifier, BaseEstimator):
    """`KNeighborsClassifier` with k, metric and vote rule chosen by cross-validation, at the price of one search a metric.

    Every row's neighbours are found once, for the largest k; each fold takes those that it trains on, and every smaller k is
    a prefix of them. That is index for index what fitting each fold anew gives.

    Parameters
    ----------
    ks : iterable of int, optional
        None: 1 to 20, 25, 30, 50 and 100. Those above the smallest training fold are left out, with a warning.
    metrics : sequence of str, default=("l1", "l2")
    cv : int, "loo", splitter or iterable of (train, test), default=5
        A number: stratified folds, shuffled with `random_state`, and kept together by group where `groups` are given.
        "loo": leave one row out, or with `groups` one group. Splits may overlap and leave rows unused. At equal distances
        the row that stands first in X is nearer, in whatever order a splitter lists rows.
    weights : vote rule of `KNeighborsClassifier`, or a list of them, default="uniform"
    temperature, tie_break, class_weight, algorithm, n_jobs
        As of `KNeighborsClassifier`; class_weight="balanced" is by the rows that a fold trains on and their weights.
    random_state : int, RandomState or None
        Shuffles the rows before a numeric `cv` divides them into folds.

    Attributes
    ----------
    best_params_ : dict
        ``metric``, ``weights`` and ``n_neighbors`` of the highest mean accuracy; of equals the first metric, the first rule
        and the smallest k.
    best_score_ : float
    best_index_ : int
    one_standard_error_params_ : dict
        Of the same metric and rule, the largest k whose mean accuracy is within one standard error of the best: the standard
        deviation of its folds (divisor n_splits - 1) over the root of their number.
    cv_results_ : dict
        As of scikit-learn's searches: ``params``, ``param_metric``, ``param_weights``, ``param_n_neighbors``,
        ``mean_test_score``, ``std_test_score``, ``rank_test_score`` and ``split<i>_test_score``; and ``mean_test_top5``, the
        share of rows whose class is among the first five. With one row left out at a time there are no splits, and the
        standard deviation is of rows, each 1 or 0.
    best_estimator_ : KNeighborsClassifier
        Fitted on all rows.
    n_splits_ : int
    search_time_ : dict of str to float
        Seconds of each metric.
    refit_time_ : float
    classes_ : ndarray

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> KNeighborsClassifierCV([1, 3, 5], cv="loo").fit(X[:500], y[:500]).score(X[500:], y[500:]) > 0.9
    True
    """

    def __init__(
        self,
        ks=None,
        metrics=("l1", "l2"),
        cv=5,
        *,
        weights="uniform",
        temperature=0.07,
        tie_break="smallest",
        class_weight=None,
        algorithm="auto",
        random_state=None,
        n_jobs=None,
    ):
        self.ks = ks
        self.metrics = metrics
        self.cv = cv
        self.weights = weights
        self.temperature = temperature
        self.tie_break = tie_break
        self.class_weight = class_weight
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None) -> KNeighborsClassifierCV:
        """Judge every setting, and fit the best on all rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            What the vote of a row is multiplied by. Rows of weight 0 are nobody's neighbours and in no fold; all others
            count the same when settings are judged.
        groups : array-like of shape (n_rows,), optional
            Rows of one group are never neighbours of each other while settings are judged, by a numeric `cv` or "loo"; a
            splitter is given them.

        Returns
        -------
        self

        Raises
        ------
        InputError
        """
        metrics, rules = check_metrics(self.metrics), check_vote_rules(self.weights)
        one_of("tie_break", self.tie_break, ["smallest", "nearest"])
        check_number("temperature", self.temperature, minimum=0, strict=True)
        algorithm, n_threads = check_algorithm(self.algorithm), threads.effective(self.n_jobs)
        check_present(y)
        checked = check_rows(X, "X")
        for name in metrics:
            check_magnitude(checked.rows, "X", name)
        labelled = check_labelled_rows(y, len(checked.rows), sample_weight, self.class_weight)
        classes, codes = labelled.classes, labelled.codes
        if len(codes) == 1:
            raise InputError("X has one sample; cross-validation needs two or more")
        folds = make_folds(self.cv, labelled.y, codes, groups, self.random_state, counted=labelled.counted)
        weights = VoteWeights(folds, codes, len(classes), labelled, self.class_weight)
        smallest = int(folds.trained_on(weights.visible).min())
        ks = usable_ks(DEFAULT_KS if self.ks is None else self.ks, smallest)
        votes = FoldVotes(
            Rows.of(checked),
            folds,
            codes,
            len(classes),
            ks,
            weights,
            rules,
            self.temperature,
            self.tie_break,
            _TOPK,
            n_threads,
            algorithm,
        )
        accuracy, seconds = [], {}
        for name in metrics:
            begun = time.perf_counter()
            accuracy.append(votes.accuracy(name))
            seconds[name] = time.perf_counter() - begun
        params: list[dict[str, Any]] = [
            {"metric": name, "weights": rule, "n_neighbors": int(k)} for name in metrics for rule in rules for k in ks
        ]
        # (metrics, topk, rules, ks, folds) -> (topk, settings, folds)
        of_settings = np.swapaxes(accuracy, 0, 1).reshape(len(_TOPK), len(params), -1)
        made = frozen(self)
        made._choose(params, folds, *of_settings)
        warn_at_end("k", made.best_params_["n_neighbors"], ks.tolist(), made.best_score_, least=1, most=smallest)
        best = KNeighborsClassifier(
            temperature=self.temperature,
            tie_break=self.tie_break,
            class_weight=self.class_weight,
            algorithm=self.algorithm,
            n_jobs=self.n_jobs,
            **made.best_params_,
        )
        begun = time.perf_counter()
        made.best_estimator_ = best.fit(checked.rows, labelled.y, sample_weight)
        made.refit_time_ = time.perf_counter() - begun
        made.search_time_, made.classes_, made.n_splits_ = seconds, classes, folds.n_folds
        remember_features(best, X)
        publish(self, X, **fitted_attributes(made))
        return self

    def _choose(self, params: list[dict[str, Any]], folds: Folds, top1: np.ndarray, top5: np.ndarray) -> None:
        """cv_results_ and the choices, from accuracies (n_settings, n_folds), or (n_settings, 1) of rows left out."""
        mean = top1.mean(axis=1)
        std = spread_of_shares(mean) if folds.alone else top1.std(axis=1)
        self.best_index_ = int(np.argmax(mean))
        self.best_params_ = params[self.best_index_]
        self.best_score_ = float(mean[self.best_index_])
        least = self.best_score_ - std[self.best_index_] / np.sqrt(max(1, folds.n_folds - 1))
        self.one_standard_error_params_ = [
            setting
            for setting, of_setting in zip(params, mean, strict=True)
            if of_setting >= least and all(setting[name] == self.best_params_[name] for name in ("metric", "weights"))
        ][-1]
        self.cv_results_ = {
            "params": params,
            "param_metric": np.array([setting["metric"] for setting in params], dtype=object),
            "param_weights": np.array([setting["weights"] for setting in params], dtype=object),
            "param_n_neighbors": np.array([setting["n_neighbors"] for setting in params]),
            "mean_test_score": mean,
            "std_test_score": std,
            "rank_test_score": 1 + np.count_nonzero(mean > mean[:, None], axis=1).astype(np.int32),
            "mean_test_top5": top5.mean(axis=1),
        }
        if not folds.alone:
            self.cv_results_ |= {f"split{at}_test_score": of_fold for at, of_fold in enumerate(top1.T)}

    def _best(self) -> KNeighborsClassifier:
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    def predict(self, X: Any = None) -> np.ndarray:
        """Labels by the best setting; None: leave-one-out over the training rows."""
        return self._best().predict(X)

    def predict_proba(self, X: Any = None) -> np.ndarray:
        """Each class's share of the vote by the best setting."""
        return self._best().predict_proba(X)
