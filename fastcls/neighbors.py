"""Exact nearest neighbours: a classifier, a search without labels, and two functions.

Distances are float64 and indices int64; neighbours are ordered by (distance before any root, training index). What the
answer is, to the last bit, is stated in ``reference.py``; nothing here or below may change it.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from . import _brute, _search, _threads
from ._rows import Rows
from ._search import Take
from ._search_report import SearchReport
from ._validation import (
    STORED_TYPES,
    CheckedRows,
    check_algorithm,
    check_labels,
    check_magnitude,
    check_metric,
    check_n_neighbors,
    check_number,
    check_present,
    check_rows,
    check_same_width,
    one_of,
    remember_features,
)
from ._voting import WEIGHTS, Weights, vote, weights_of
from .metrics import METRICS
from .persistence import SaveMixin, expect

__all__ = ["KNeighborsClassifier", "NearestNeighbors", "knn", "pairwise_distances"]


class _LastReports(threading.local):
    """Each thread's last search report of each estimator: outside the estimators, so that predict writes no attribute."""

    def __init__(self) -> None:
        self.by_estimator: weakref.WeakKeyDictionary[Any, SearchReport] = weakref.WeakKeyDictionary()


_last_reports = _LastReports()


class _Neighbors(SaveMixin, BaseEstimator):
    """What the classifier and the plain search share: the training rows and the search over them."""

    @property
    def search_report_(self) -> SearchReport | None:
        """The calling thread's last search with this estimator: path, threads, pairs, seconds; None before."""
        return _last_reports.by_estimator.get(self)

    def _check_options(self) -> str:
        check_algorithm(self.algorithm)
        check_number("n_neighbors", self.n_neighbors, minimum=1, whole=True)
        _threads.effective(self.n_jobs)
        return check_metric(self.metric, self.p, self.metric_params)

    def _checked_fit(self, X: Any, copy: bool) -> tuple[CheckedRows, str]:
        """The rows and the metric of a fit, checked; nothing is remembered yet."""
        metric = self._check_options()
        checked = check_rows(X, "X", copy=copy)
        check_magnitude(checked.rows, "X", metric)
        return checked, metric

    def _remember(self, X: Any, checked: CheckedRows, metric: str) -> None:
        """What a fit leaves, all at once: a fit that was refused, or that Ctrl-C ended, has left the estimator as it was."""
        rows, n_threads = Rows.of(checked), _threads.effective(self.n_jobs)
        _search.prepare(rows, metric, self.n_neighbors, n_threads, check_algorithm(self.algorithm, warn=False))
        remember_features(self, X)
        self._rows = rows
        self.n_samples_fit_ = len(checked.rows)
        self.effective_metric_ = metric

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


class NearestNeighbors(_Neighbors):
    """Exact nearest-neighbour search without labels.

    Parameters
    ----------
    n_neighbors : int, default=5
    metric : {"l1", "l2", "sqeuclidean", "cosine"}, default="l2"
        "manhattan" and "cityblock" mean l1, "euclidean" means l2; "minkowski" takes `p`.
    algorithm : {"auto", "brute", "filter"}, default="auto"
        "filter" lets certain bounds rule out most rows before they are looked at; "brute" looks at all; "auto" takes what is
        faster. The answer is the same, to the last bit.
        "ball_tree" and "kd_tree" mean "auto", with a warning.
    p : {1, 2}, default=2
        For metric="minkowski".
    leaf_size, metric_params
        Accepted for scikit-learn's sake, not used.
    n_jobs : int, optional
        Threads. None: OMP_NUM_THREADS, else all usable cores. The answer does not depend on it.

    Attributes
    ----------
    n_features_in_, n_samples_fit_ : int
    effective_metric_ : str
    search_report_ : SearchReport or None
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        metric: str = "l2",
        algorithm: str = "auto",
        p: int = 2,
        leaf_size: int = 30,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.algorithm = algorithm
        self.p = p
        self.leaf_size = leaf_size
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None, *, copy: bool = False) -> NearestNeighbors:
        """Remember the rows: by reference, unless they are strided or `copy` asks for it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            uint8, int8, float16, float32 and float64 are kept as they are. Changing them afterwards makes results
            undefined; `copy=True` protects.
        y : ignored
        copy : bool
        """
        self._remember(X, *self._checked_fit(X, copy))
        return self


class KNeighborsClassifier(ClassifierMixin, _Neighbors):
    """Exact k-nearest-neighbour classifier on the bytes you have.

    Parameters
    ----------
    n_neighbors : int, default=5
    metric : {"l1", "l2", "sqeuclidean", "cosine"}, default="l2"
        "manhattan" and "cityblock" mean l1, "euclidean" means l2; "minkowski" takes `p`.
    weights : {"uniform", "distance", "softmax"} or callable, default="uniform"
        The weight of a neighbour's vote: 1; 1/d (if any d is 0, only those vote); exp((s - s_max) / temperature) with
        s = 1 - d for cosine and -d otherwise; or a function from distances (n_queries, k) to weights of that shape.
    temperature : float, default=0.07
        For weights="softmax".
    tie_break : {"smallest", "nearest"}, default="smallest"
        Among tied classes, the smallest (as scikit-learn) or the one with the nearest member.
    algorithm : {"auto", "brute", "filter"}, default="auto"
        "filter" lets certain bounds rule out most rows before they are looked at; "brute" looks at all; "auto" takes what is
        faster. The answer is the same, to the last bit.
        "ball_tree" and "kd_tree" mean "auto", with a warning.
    p : {1, 2}, default=2
        For metric="minkowski".
    leaf_size, metric_params
        Accepted for scikit-learn's sake, not used.
    n_jobs : int, optional
        Threads. None: OMP_NUM_THREADS, else all usable cores. The answer does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_samples_fit_ : int
    effective_metric_ : str
    search_report_ : SearchReport or None
        What the calling thread's last search did.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcls import KNeighborsClassifier
    >>> X = np.array([[0, 0], [0, 9], [9, 9]], dtype=np.uint8)
    >>> KNeighborsClassifier(1, metric="l1").fit(X, ["a", "b", "b"]).predict(X[:1] + 1)
    array(['a'], dtype='<U1')
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        metric: str = "l2",
        weights: Weights = "uniform",
        temperature: float = 0.07,
        tie_break: str = "smallest",
        algorithm: str = "auto",
        p: int = 2,
        leaf_size: int = 30,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.weights = weights
        self.temperature = temperature
        self.tie_break = tie_break
        self.algorithm = algorithm
        self.p = p
        self.leaf_size = leaf_size
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, *, copy: bool = False) -> KNeighborsClassifier:
        """Remember the rows and their labels: rows by reference, unless they are strided or `copy` asks for it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            uint8, int8, float16, float32 and float64 are kept as they are. Changing them afterwards makes results
            undefined; `copy=True` protects.
        y : array-like of shape (n_rows,)
            Labels: numbers or strings.
        copy : bool
        """
        self._check_vote_options()
        check_present(y)
        checked, metric = self._checked_fit(X, copy)
        classes, codes = check_labels(y, len(checked.rows))
        self._remember(X, checked, metric)
        self.classes_, self._codes = classes, codes
        return self

    def _check_vote_options(self) -> None:
        if not callable(self.weights):
            one_of("weights", self.weights, WEIGHTS)
        one_of("tie_break", self.tie_break, ["smallest", "nearest"])
        check_number("temperature", self.temperature, minimum=0, strict=True)

    def _vote(self, X: Any, with_totals: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(winning codes, tied, totals) of every query."""
        self._check_vote_options()
        check_is_fitted(self, "n_samples_fit_")
        n_classes, metric, n_threads = len(self.classes_), self.effective_metric_, _threads.effective(self.n_jobs)
        winners, tied, totals = np.empty(0, np.int64), np.empty(0, bool), np.empty((0, n_classes))

        def take(part: slice, n_queries: int, S: np.ndarray, indices: np.ndarray) -> None:
            nonlocal winners, tied, totals
            if part.start == 0:
                winners, tied = np.empty(n_queries, np.int64), np.empty(n_queries, bool)
                totals = np.empty((n_queries if with_totals else 0, n_classes))
            weights = None
            if self.weights != "uniform":
                weights = weights_of(METRICS[metric].finish(S), self.weights, self.temperature, metric)
            won, were_tied, of_classes = vote(
                indices, weights, np.array([indices.shape[1]]), n_classes, tie_break=self.tie_break,
                n_threads=n_threads, with_totals=with_totals, codes=self._codes,
            )  # fmt: skip
            winners[part], tied[part] = won[:, 0], were_tied[:, 0]
            if with_totals:
                totals[part] = of_classes

        self._find(X, None, take)
        return winners, tied, totals

    def predict(self, X: Any = None) -> np.ndarray:
        """The label of every query by the weighted majority of its nearest training rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: leave-one-out over the training rows.

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        winners, _, _ = self._vote(X)
        return self.classes_[winners]

    def predict_proba(self, X: Any = None) -> np.ndarray:
        """Each class's share of the vote, columns in the order of `classes_`: float64 (n_queries, n_classes).

        Where every weight is 0 (a callable may say so), each class has the same share.
        """
        totals = self._vote(X, with_totals=True)[2]
        sums = totals.sum(axis=1, keepdims=True)
        nobody = sums == 0
        return np.where(nobody, 1.0 / len(self.classes_), totals / np.where(nobody, 1.0, sums))

    def predict_ties(self, X: Any = None) -> np.ndarray:
        """Whether the vote of each query was tied: bool (n_queries,)."""
        return self._vote(X)[1]

    def _saved_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, values = super()._saved_state()
        return {**arrays, "codes": self._codes}, values

    def _restore_state(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        super()._restore_state(arrays, values)
        self._codes = expect(arrays, "codes", (self.n_samples_fit_,), ("int64",))
        if self._codes.min() < 0 or self._codes.max() >= len(self.classes_):
            raise ValueError(f"codes of classes beyond the {len(self.classes_)} there are")


def _checked_pair(Q: Any, X: Any, metric: Any) -> tuple[CheckedRows, CheckedRows, str]:
    name = check_metric(metric)
    queries, rows = check_rows(Q, "Q"), check_rows(X, "X")
    check_same_width(queries.rows, rows.rows)
    check_magnitude(queries.rows, "Q", name)
    check_magnitude(rows.rows, "X", name)
    return queries, rows, name


def knn(Q: Any, X: Any, k: int, metric: str = "l2", *, n_jobs: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of `X` for every row of `Q`: exactly, in the order (distance, index).

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_features)
    X : array-like of shape (n_rows, n_features)
    k : int
    metric : {"l1", "l2", "sqeuclidean", "cosine"}, default="l2"
    n_jobs : int, optional

    Returns
    -------
    distances : ndarray of shape (n_queries, k), float64
    indices : ndarray of shape (n_queries, k), int64

    Raises
    ------
    InputError
    """
    queries, rows, name = _checked_pair(Q, X, metric)
    k = check_n_neighbors(k, len(rows.rows), "k")
    S, indices, _ = _search.search(Rows.of(rows), Rows.of(queries), k, name, n_threads=_threads.effective(n_jobs))
    return METRICS[name].finish(S), indices


def pairwise_distances(Q: Any, X: Any, metric: str = "l2", *, n_jobs: int | None = None) -> np.ndarray:
    """Distance of every row of `Q` to every row of `X`: float64 (n_queries, n_rows).

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_features)
    X : array-like of shape (n_rows, n_features)
    metric : {"l1", "l2", "sqeuclidean", "cosine"}, default="l2"
    n_jobs : int, optional

    Raises
    ------
    InputError
    """
    queries, rows, name = _checked_pair(Q, X, metric)
    return METRICS[name].finish(_brute.all_pairs(rows.rows, queries.rows, name, n_threads=_threads.effective(n_jobs)))
