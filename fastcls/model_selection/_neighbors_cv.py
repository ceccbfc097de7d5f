"""The k-NN classifier with k and metric chosen by cross-validation: one search per metric gives every k and fold."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._runtime.fitted_state import fitted_attributes, frozen, publish
from fastcls._scoring.votes import Weights
from fastcls._search.rows import Rows
from fastcls._validation.base import RandomState, check_number, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_present
from fastcls._validation.neighbors import check_algorithm
from fastcls._validation.row_weights import check_labelled_rows
from fastcls._validation.rows import check_rows
from fastcls.metrics import check_magnitude, check_metrics
from fastcls.neighbors import KNeighborsClassifier

from ._cross_validate import DEFAULT_KS, std_of_shares
from ._fold_votes import FoldVotes, VoteWeights
from ._folds import make_folds
from ._grid_ends import warn_at_end
from ._search_cv import SearchCV
from ._validation import check_vote_rules, usable_ks

__all__ = ["KNeighborsClassifierCV"]

_TOPK = (1, 5)


class KNeighborsClassifierCV(SearchCV):
    """`KNeighborsClassifier` with k, metric and vote rule chosen by cross-validation, from one search per metric.

    The search finds the neighbours of each row once, for the largest k. Each fold keeps those among its training rows, and
    every smaller k is a prefix. The neighbours are exactly those of refitting on each fold.

    Parameters
    ----------
    ks : iterable of int, optional
        None: 1 to 20, 25, 30, 50 and 100. Values above the number of rows of the smallest training fold are dropped with a
        warning.
    metrics : sequence of str, default=("l1", "l2")
    cv : int, "loo", splitter or iterable of (train, test), default=5
        A number: stratified folds, shuffled with `random_state`; with `groups`, no group is in two folds. "loo": leave out
        one row at a time, or with `groups` one group. Splits may overlap and leave rows unused. Of equal distances the
        earlier row of X is nearer, in whatever order a splitter lists rows.
    weights : vote rule of `KNeighborsClassifier`, or a list of them, default="uniform"
    temperature, tie_break, class_weight, algorithm, n_jobs
        As for `KNeighborsClassifier`; class_weight="balanced" refers to the rows that a fold trains on and their weights.
    random_state : int, RandomState or None
        Shuffles the rows before a numeric `cv` divides them into folds.

    Attributes
    ----------
    best_params_ : dict
        ``metric``, ``weights`` and ``n_neighbors`` with the highest mean accuracy; of equal ones the first metric, the first
        vote rule and the smallest k.
    best_score_ : float
    best_index_ : int
    one_standard_error_params_ : dict
        The largest k, with the same metric and vote rule, whose mean accuracy is within one standard error of the best. The
        error is the standard deviation over the best setting's folds (divisor n_splits - 1) divided by the root of n_splits.
    cv_results_ : dict
        As in scikit-learn's searches: ``params``, ``param_metric``, ``param_weights``, ``param_n_neighbors``,
        ``mean_test_score``, ``std_test_score``, ``rank_test_score`` and ``split<i>_test_score``; and ``mean_test_top5``, the
        share of rows whose class is among the top five. Leave-one-out of rows reports no splits, and its standard deviation
        is that of single rows, each a hit (1) or not (0).
    best_estimator_ : KNeighborsClassifier
        Fitted on all rows.
    n_splits_ : int
    search_time_ : dict of str to float
        Seconds of the search and the votes of each metric.
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
        ks: Iterable[int] | None = None,
        metrics: str | Sequence[str] = ("l1", "l2"),
        cv: Any = 5,
        *,
        weights: Weights | Sequence[Weights] = "uniform",
        temperature: float = 0.07,
        tie_break: str = "smallest",
        class_weight: Mapping[Any, float] | str | None = None,
        algorithm: str = "auto",
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> None:
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
        """Cross-validate all settings, and fit the best on all rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            Factors of the rows' votes. Rows of weight 0 are never neighbours and in no fold; all other rows count equally
            in the accuracies.
        groups : array-like of shape (n_rows,), optional
            A numeric `cv` and "loo" hold out rows of one group together, so these are never each other's neighbours; a
            splitter receives them.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the data or an option cannot be used, the splits do not fit the rows, or every k is above the number of rows
            of the smallest training fold.
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
            raise InputError("X has one sample (row); cross-validation needs at least two: give more rows")
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
        top1, top5 = of_settings
        mean = top1.mean(axis=1)
        std = std_of_shares(mean) if folds.alone else top1.std(axis=1)
        best_index = int(np.argmax(mean))
        made = frozen(self)
        made._record(params, top1, best_index, std if folds.alone else None, mean_test_top5=top5.mean(axis=1))
        near_best = mean >= mean[best_index] - std[best_index] / np.sqrt(max(1, folds.n_folds - 1))
        first = best_index - best_index % len(ks)  # the ks of one metric and rule are consecutive
        made.one_standard_error_params_ = params[first + int(np.flatnonzero(near_best[first : first + len(ks)])[-1])]
        warn_at_end("k", made.best_params_["n_neighbors"], ks.tolist(), made.best_score_, least=1, most=smallest)
        best = KNeighborsClassifier(
            temperature=self.temperature,
            tie_break=self.tie_break,
            class_weight=self.class_weight,
            algorithm=self.algorithm,
            n_jobs=self.n_jobs,
            **made.best_params_,
        )
        made._refit(best, X, checked.rows, labelled.y, sample_weight)
        made.search_time_, made.classes_, made.n_splits_ = seconds, classes, folds.n_folds
        publish(self, X, **fitted_attributes(made))
        return self

    def predict(self, X: Any = None) -> np.ndarray:
        """Labels predicted by the best estimator; None: leave-one-out over the training rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows themselves, each without itself.

        Returns
        -------
        ndarray of shape (n_queries,)
            Labels.

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        return self._best().predict(X)

    def predict_proba(self, X: Any = None) -> np.ndarray:
        """Each class's share of the vote, from the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows themselves, each without itself.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        return self._best().predict_proba(X)
