"""What the neighbours estimators share: the training rows, their growth, and the search over them."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from . import _search, _threads
from ._rows import Rows
from ._search import Take
from ._search_report import SearchReport
from ._validation import (
    STORED_TYPES,
    check_algorithm,
    check_magnitude,
    check_metric,
    check_more_rows,
    check_n_neighbors,
    check_number,
    check_rows,
    remember_features,
)
from .metrics import METRICS
from .persistence import SaveMixin, expect


class _LastReports(threading.local):
    """Each thread's last search report of each estimator: outside the estimators, so that predict writes no attribute."""

    def __init__(self) -> None:
        self.by_estimator: weakref.WeakKeyDictionary[Any, SearchReport] = weakref.WeakKeyDictionary()


_last_reports = _LastReports()


class Neighbors(SaveMixin, BaseEstimator):
    """What the classifier and the plain search share: the training rows and the search over them."""

    _rows: Rows
    n_samples_fit_: int
    effective_metric_: str

    @property
    def search_report_(self) -> SearchReport | None:
        """The calling thread's last search with this estimator: path, threads, pairs, seconds; None before."""
        return _last_reports.by_estimator.get(self)

    def _check_options(self) -> str:
        check_algorithm(self.algorithm)
        check_number("n_neighbors", self.n_neighbors, minimum=1, whole=True)
        _threads.effective(self.n_jobs)
        return check_metric(self.metric, self.p, self.metric_params)

    def _checked_fit(self, X: Any, copy: bool) -> tuple[Rows, str]:
        """The rows and the metric of a fit, checked; nothing is remembered yet."""
        metric = self._check_options()
        checked = check_rows(X, "X", copy=copy)
        check_magnitude(checked.rows, "X", metric)
        return Rows.of(checked), metric

    def _checked_growth(self, X: Any, copy: bool) -> tuple[Rows, str]:
        """The same of a partial_fit: all rows, these behind those that are there."""
        if not self.__sklearn_is_fitted__():
            return self._checked_fit(X, copy)
        more, metric = self._checked_fit(X, copy)
        check_more_rows(self, X, more.chunks[0], self._rows.dtype)
        if metric != self.effective_metric_:
            for chunk in self._rows.chunks:
                check_magnitude(chunk, "X of an earlier call", metric)
        return self._rows.grown(more), metric

    def _remember(self, X: Any, rows: Rows, metric: str, *, more: bool = False, **fitted: Any) -> None:
        """What a fit leaves, all at once and last: one that was refused or stopped has left the estimator as it was."""
        n_threads = _threads.effective(self.n_jobs)
        _search.prepare(rows, metric, self.n_neighbors, n_threads, check_algorithm(self.algorithm, warn=False))
        if not (more and self.__sklearn_is_fitted__()):
            remember_features(self, X)
        self.__dict__.update(_rows=rows, n_samples_fit_=rows.n_rows, effective_metric_=metric, **fitted)

    def _find(self, X: Any, k: int | None, take: Take | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(S, indices) of the k nearest, or handed to `take`; X=None is leave-one-out, excluding by index."""
        check_is_fitted(self, "n_samples_fit_")
        k = self.n_neighbors if k is None else k
        metric, n_rows = self.effective_metric_, self._rows.n_rows
        n_threads, algorithm = _threads.effective(self.n_jobs), check_algorithm(self.algorithm, warn=False)
        if X is None:
            k = check_n_neighbors(k, n_rows - 1, excluded=True)
            groups = np.arange(n_rows, dtype=np.int64)
            S, indices, report = _search.search(
                self._rows, None, k, metric, n_threads=n_threads, algorithm=algorithm, query_groups=groups,
                row_groups=groups, take=take,
            )  # fmt: skip
        else:
            checked = check_rows(X, "X", estimator=self)
            check_magnitude(checked.rows, "X", metric)
            k = check_n_neighbors(k, n_rows)
            S, indices, report = _search.search(
                self._rows, Rows.of(checked), k, metric, n_threads=n_threads, algorithm=algorithm, take=take
            )
        _last_reports.by_estimator[self] = report
        return S, indices

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
        """The nearest training rows of every query, nearest first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows themselves, each without itself (excluded by index, not by value).
        n_neighbors : int, optional
            By default the estimator's.
        return_distance : bool

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), float64
            Only if `return_distance`.
        indices : ndarray of shape (n_queries, n_neighbors), int64

        Raises
        ------
        InputError
            For queries that cannot be read, of another width, or more neighbours than there are rows.
        """
        S, indices = self._find(X, n_neighbors)
        if not return_distance:
            return indices
        return METRICS[self.effective_metric_].finish(S), indices

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_samples_fit_")

    def _saved_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        chunks = self._rows.chunks
        rows = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        return {"X": rows}, {}

    def _restore_state(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        rows = expect(arrays, "X", (None, None), STORED_TYPES)
        self._rows = Rows([rows])
        self.n_samples_fit_, self.n_features_in_ = rows.shape
        self.effective_metric_ = check_metric(self.metric, self.p, self.metric_params)
