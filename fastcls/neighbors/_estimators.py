"""Exact nearest neighbours: a classifier, a search without labels, and two functions.

Distances are float64 and indices int64; neighbours are ordered by (rank distance, training index). ``reference/`` defines
the answer to the last bit; nothing here or below may change it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._runtime.fitted_state import frozen, of_one_fit
from fastcls._scoring.classifier import Classifier
from fastcls._scoring.votes import WEIGHTS, Weights, vote, weights_of
from fastcls._search import matrix, plan
from fastcls._search.rows import Rows
from fastcls._storage.safetensors import Arrays, Saved, expect
from fastcls._validation.base import check_number, one_of
from fastcls._validation.labels import check_present
from fastcls._validation.messages import counted
from fastcls._validation.neighbors import check_n_neighbors
from fastcls._validation.row_weights import (
    check_labelled_rows,
    check_more_labelled_rows,
    check_sample_weight,
    or_ones,
    with_class_weight,
)
from fastcls._validation.rows import CheckedRows, check_rows, check_same_width
from fastcls.datasets import names_images, takes_images
from fastcls.metrics import METRICS, check_magnitude, check_metric

from ._base import Neighbors

__all__ = ["KNeighborsClassifier", "NearestNeighbors", "knn", "pairwise_distances"]

_FEW_VOTES = 16  # queries whose votes one thread counts


class NearestNeighbors(Neighbors):
    """Exact nearest-neighbour search without labels.

    Parameters
    ----------
    n_neighbors : int, default=5
    metric : {"minkowski", "l1", "l2", "sqeuclidean", "cosine"}, default="minkowski"
        "minkowski" is l2, or l1 with ``p=1``. "manhattan" and "cityblock" mean l1, "euclidean" means l2.
    algorithm : {"auto", "brute", "filter"}, default="auto"
        "filter" rules out most rows by proven lower bounds before it reads them; "brute" computes every distance; "auto"
        chooses the faster. The answer is the same, to the last bit.
        "ball_tree" and "kd_tree" mean "auto", with a warning.
    p : {1, 2}, default=2
        For metric="minkowski": 2 is l2, 1 is l1.
    leaf_size
        Accepted for compatibility with scikit-learn; not used.
    metric_params : dict or None
        Accepted for compatibility with scikit-learn; must be None or empty.
    n_jobs : int, optional
        Threads. None: OMP_NUM_THREADS, else all usable cores. At most four times the usable processors. The answer does
        not depend on it, and it is not saved.

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
        metric: str = "minkowski",
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
        """Store the rows: by reference, unless they are strided or `copy` is True.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            uint8, int8, float16, float32 and float64 are kept as they are. Changing them afterwards makes results
            undefined (rows that have become NaN are never neighbours); `copy=True` protects against this.
        y : ignored
        copy : bool

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the rows cannot be read, or an option is unknown.
        """
        self._remember(X, *self._checked_fit(X, copy))
        return self

    def partial_fit(self, X: Any, y: Any = None, *, copy: bool = False) -> NearestNeighbors:
        """Append rows: the answers are then those of a `fit` on all rows.

        Arrays of 4 MB and more are referenced, as in `fit`; smaller ones are merged with small ones before them, so that
        many calls with a few rows each do not slow down a search.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Of the same type and width as the earlier rows. An array that is reused for the next call needs `copy`.
        y : ignored
        copy : bool

        Returns
        -------
        self

        Raises
        ------
        InputError
            For rows of another type or width; the estimator stays unchanged.
        """
        now = frozen(self)
        now._remember(X, *now._checked_growth(X, copy), more=True)
        return self


class KNeighborsClassifier(Classifier, Neighbors):
    """Exact k-nearest-neighbour classifier that keeps the rows in their own type.

    Parameters
    ----------
    n_neighbors : int, default=5
    metric : {"minkowski", "l1", "l2", "sqeuclidean", "cosine"}, default="minkowski"
        "minkowski" is l2, or l1 with ``p=1``. "manhattan" and "cityblock" mean l1, "euclidean" means l2.
    weights : {"uniform", "distance", "softmax"} or callable, default="uniform"
        The weight of a neighbour's vote: 1; 1/d (if any d is 0, only those vote); exp((s - s_max) / temperature) with
        s = 1 - d for cosine and -d otherwise; or a function from distances (n_queries, k) to weights of that shape.
    temperature : float, default=0.07
        For weights="softmax".
    tie_break : {"smallest", "nearest"}, default="smallest"
        Among tied classes, the smallest (as scikit-learn) or the one with the nearest member.
    class_weight : dict, "balanced" or None
        Factor of each class's votes; "balanced": n_rows / (n_classes * rows of the class), with rows counted by their
        sample weight. Rows of a class of weight 0 are never neighbours.
    algorithm : {"auto", "brute", "filter"}, default="auto"
        "filter" rules out most rows by proven lower bounds before it reads them; "brute" computes every distance; "auto"
        chooses the faster. The answer is the same, to the last bit.
        "ball_tree" and "kd_tree" mean "auto", with a warning.
    p : {1, 2}, default=2
        For metric="minkowski": 2 is l2, 1 is l1.
    leaf_size
        Accepted for compatibility with scikit-learn; not used.
    metric_params : dict or None
        Accepted for compatibility with scikit-learn; must be None or empty.
    n_jobs : int, optional
        Threads. None: OMP_NUM_THREADS, else all usable cores. At most four times the usable processors. The answer does
        not depend on it, and it is not saved.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_samples_fit_ : int
    effective_metric_ : str
    search_report_ : SearchReport or None
        Report of the calling thread's last search.

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
        metric: str = "minkowski",
        weights: Weights = "uniform",
        temperature: float = 0.07,
        tie_break: str = "smallest",
        class_weight: Any = None,
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
        self.class_weight = class_weight
        self.algorithm = algorithm
        self.p = p
        self.leaf_size = leaf_size
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, copy: bool = False) -> KNeighborsClassifier:
        """Store the rows and their labels: rows by reference, unless they are strided or `copy` is True.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            uint8, int8, float16, float32 and float64 are kept as they are. Changing them afterwards makes results
            undefined (rows that have become NaN are never neighbours); `copy=True` protects against this.
        y : array-like of shape (n_rows,)
            Labels: numbers or strings.
        sample_weight : array-like of shape (n_rows,), optional
            Factor of each row's vote. Rows of weight 0 are never neighbours. A class with only such rows is not in
            `classes_`. The other rows keep their indices.
        copy : bool

        Returns
        -------
        self

        Raises
        ------
        InputError
            If rows, labels or weights cannot be read, their numbers differ, or an option is unknown.
        """
        self._check_vote_options()
        check_present(y)
        rows, metric = self._checked_fit(X, copy)
        found = check_labelled_rows(y, rows.n_rows, sample_weight, self.class_weight)
        self._remember(X, rows, metric, **self._labelled(found.classes, found.codes, found.given, found.weights))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, *, copy: bool = False
    ) -> KNeighborsClassifier:
        """Append rows and labels: predictions are then those of a `fit` on all rows.

        Arrays of 4 MB and more are referenced, as in `fit`; smaller ones are merged with small ones before them, so that
        many calls with a few rows each do not slow down a search.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Of the same type and width as the earlier rows. An array that is reused for the next call needs `copy`.
        y : array-like of shape (n_rows,)
        classes : array-like, optional
            All class labels of all calls. Required in the first call unless its rows with positive weight cover every
            class.
        sample_weight : array-like of shape (n_rows,), optional
            As for `fit`. Calls without it use weight 1. All weights may be 0. `class_weight` refers to all rows so far.
        copy : bool

        Returns
        -------
        self

        Raises
        ------
        InputError
            For rows of another type or width, or a label that is not in the classes; the estimator stays unchanged.
        """
        self._check_vote_options()
        check_present(y)
        now = frozen(self)
        rows, metric = now._checked_growth(X, copy)
        known = getattr(now, "classes_", None)
        n_before = 0 if known is None else now.n_samples_fit_
        known, codes, given = check_more_labelled_rows(
            y, rows.n_rows - n_before, sample_weight, self.class_weight, classes, known
        )
        if n_before:
            before = now._sample_weight
            if len(given) or len(before):
                given = np.concatenate([or_ones(before, n_before), or_ones(given, len(codes))])
            codes = np.concatenate([now._codes, codes])
        now._remember(X, rows, metric, more=True, **self._labelled(known, codes, given, self._votes(given, known, codes)))
        return self

    def _votes(self, given: np.ndarray, classes: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Factor of each row's vote; all may be 0 until rows with weight are added."""
        if len(given) and not given.any():
            return given
        return with_class_weight(given, self.class_weight, classes, codes, named=self.class_weight)

    @staticmethod
    def _labelled(classes: np.ndarray, codes: np.ndarray, given: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        """Fitted attributes made from labels and weights."""
        votes = weights if len(weights) else None
        return {"classes_": classes, "_codes": codes, "_sample_weight": given, "_row_weights": votes}

    def _check_vote_options(self) -> None:
        if not callable(self.weights):
            one_of("weights", self.weights, WEIGHTS)
        one_of("tie_break", self.tie_break, ["smallest", "nearest"])
        check_number("temperature", self.temperature, minimum=0, strict=True)

    def _vote(self, X: Any, with_totals: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(winning codes, tied, totals) of every query."""
        self._check_vote_options()
        self._check_is_fitted()
        n_classes, metric = len(self.classes_), self.effective_metric_
        n_queries, chunks = self._found(X, None)
        n_threads = threads.effective(self.n_jobs) if n_queries > _FEW_VOTES else 1
        winners, tied = np.empty(n_queries, np.int64), np.empty(n_queries, bool)
        totals = np.empty((n_queries if with_totals else 0, n_classes))
        for chunk, S, indices in chunks:
            weights = None
            if self.weights != "uniform":
                weights = weights_of(METRICS[metric].to_distance(S), self.weights, self.temperature, metric)
            if self._row_weights is not None:
                of_rows = self._row_weights[indices]
                weights = of_rows if weights is None else weights * of_rows
            won, were_tied, of_classes = vote(
                indices,
                weights,
                np.array([indices.shape[1]]),
                n_classes,
                tie_break=self.tie_break,
                n_threads=n_threads,
                with_totals=with_totals,
                codes=self._codes,
            )
            winners[chunk], tied[chunk] = won[:, 0], were_tied[:, 0]
            if with_totals:
                totals[chunk] = of_classes
        return winners, tied, totals

    @of_one_fit
    @names_images
    def predict(self, X: Any = None) -> np.ndarray:
        """The label of every query by the weighted majority of its nearest training rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: leave-one-out over the training rows.

        Returns
        -------
        ndarray of shape (n_queries,)

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        winners, _, _ = self._vote(X)
        return self.classes_[winners]

    @of_one_fit
    @takes_images
    def predict_proba(self, X: Any = None) -> np.ndarray:
        """Each class's share of the vote, columns in the order of `classes_`: float64 (n_queries, n_classes).

        If every weight is 0 (a callable may return that), each class has the same share.

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
        totals = self._vote(X, with_totals=True)[2]
        sums = totals.sum(axis=1, keepdims=True)
        nobody = sums == 0
        return np.where(nobody, 1.0 / len(self.classes_), totals / np.where(nobody, 1.0, sums))

    @of_one_fit
    @takes_images
    def predict_ties(self, X: Any = None) -> np.ndarray:
        """Whether the vote of each query was tied: bool (n_queries,).

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows themselves, each without itself.

        Returns
        -------
        ndarray of shape (n_queries,), bool

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        return self._vote(X)[1]

    def _saved_state(self, folder: Path | None = None, codes: bool = True) -> tuple[Saved, dict[str, Any]]:
        arrays, values = super()._saved_state(folder, codes)
        if len(self._sample_weight):
            arrays = {**arrays, "sample_weight": self._sample_weight}
        return {**arrays, "codes": self._codes}, values

    def _restore_state(self, arrays: Arrays, values: dict[str, Any]) -> None:
        super()._restore_state(arrays, values)
        # copied: codes are used as indices, and a file could be changed later
        self._codes = np.array(expect(arrays, "codes", (self.n_samples_fit_,), ("int64",)))
        if self._codes.min() < 0 or self._codes.max() >= len(self.classes_):
            raise ValueError(f"class codes out of range (the model has {counted(len(self.classes_), 'class')})")
        given = expect(arrays, "sample_weight", (self.n_samples_fit_,)) if "sample_weight" in arrays else None
        given = check_sample_weight(given, self.n_samples_fit_, may_be_zero=True)
        votes = self._votes(given, self.classes_, self._codes)
        self.__dict__.update(self._labelled(self.classes_, self._codes, given, votes))


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
        If rows are not finite numbers of one width, `k` is not 1 to the number of rows of `X`, or the metric is unknown.
    """
    queries, rows, name = _checked_pair(Q, X, metric)
    k = check_n_neighbors(k, len(rows.rows), "k")
    S, indices, _ = plan.search(Rows.of(rows), Rows.of(queries), k, name, n_threads=threads.effective(n_jobs))
    return METRICS[name].to_distance(S), indices


def pairwise_distances(Q: Any, X: Any, metric: str = "l2", *, n_jobs: int | None = None) -> np.ndarray:
    """Distance of every row of `Q` to every row of `X`: float64 (n_queries, n_rows).

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_features)
    X : array-like of shape (n_rows, n_features)
    metric : {"l1", "l2", "sqeuclidean", "cosine"}, default="l2"
    n_jobs : int, optional

    Returns
    -------
    ndarray of shape (n_queries, n_rows), float64

    Raises
    ------
    InputError
        If rows are not finite numbers of one width, or the metric is unknown.
    """
    queries, rows, name = _checked_pair(Q, X, metric)
    return METRICS[name].to_distance(matrix.all_pairs(rows.rows, queries.rows, name, n_threads=threads.effective(n_jobs)))
