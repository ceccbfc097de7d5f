"""Exact nearest neighbours: a classifier, and a search without labels.

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
from fastcls._scoring.label_votes import vote_labels
from fastcls._scoring.votes import WEIGHTS, Weights, vote, weights_of
from fastcls._storage.safetensors import Arrays, Saved, expect
from fastcls._validation.base import check_number, one_of
from fastcls._validation.label_matrix import has_columns
from fastcls._validation.labels import check_present
from fastcls._validation.messages import counted
from fastcls._validation.row_weights import (
    check_labelled_rows,
    check_more_labelled_rows,
    check_sample_weight,
    or_ones,
    with_class_weight,
)
from fastcls.datasets import names_images, takes_images
from fastcls.metrics import METRICS

from ._base import Neighbors
from ._multilabel import label_columns, more_label_columns, saved_label_columns

__all__ = ["KNeighborsClassifier", "NearestNeighbors"]

_FEW_VOTES = 16  # queries whose votes one thread counts


class NearestNeighbors(Neighbors):
    """Exact nearest-neighbour search without labels.

    Parameters
    ----------
    n_neighbors : int, default=5
    radius : float, default=1.0
        For `radius_neighbors`, in the units of the distance.
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
        radius: float = 1.0,
        metric: str = "minkowski",
        algorithm: str = "auto",
        p: int = 2,
        leaf_size: int = 30,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.radius = radius
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
            uint8, int8, float16, bfloat16, float32 and float64 are kept as they are. Changing them afterwards makes results
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
        s = 1 - d for cosine and -d otherwise; or a function from distances (n_queries, k) to weights of that shape, not all
        of them 0 for any query.
    temperature : float, default=0.07
        For weights="softmax".
    tie_break : {"smallest", "nearest"}, default="smallest"
        Among tied classes, the smallest (as scikit-learn) or the one with the nearest member. For a label of several, a
        share of exactly one half: not given, or as the nearest neighbour has it.
    class_weight : dict, "balanced" or None
        Factor of each class's votes; "balanced": n_rows / (n_classes * rows of the class), with rows counted by their
        sample weight. Rows of a class of weight 0 are never neighbours. Only with one label per row.
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
    classes_ : ndarray of shape (n_classes,) or (n_labels, 2)
        With several labels per row, 0 and 1 for each label, in the type of `y`.
    outputs_2d_ : bool
        Whether there are several labels per row.
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

    _takes_several_labels = True  # per row; a subclass may not

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
            uint8, int8, float16, bfloat16, float32 and float64 are kept as they are. Changing them afterwards makes results
            undefined (rows that have become NaN are never neighbours); `copy=True` protects against this.
        y : array-like of shape (n_rows,) or (n_rows, n_labels)
            Labels: numbers or strings. With two columns or more, several labels per row: 1 where the row has the label of
            the column, else 0. A single column is one label per row.
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
        if has_columns(y):
            labelled = label_columns(y, rows.n_rows, sample_weight, self.class_weight)
        else:
            found = check_labelled_rows(y, rows.n_rows, sample_weight, self.class_weight)
            labelled = self._labelled(found.classes, found.codes, found.given, found.weights)
        self._remember(X, rows, metric, **labelled)
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
        y : array-like of shape (n_rows,) or (n_rows, n_labels)
        classes : array-like, optional
            All class labels of all calls. Required in the first call unless its rows with positive weight cover every
            class. Must be None with several labels per row.
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
        if has_columns(y) or getattr(now, "outputs_2d_", False):
            labelled = more_label_columns(now, y, rows.n_rows - n_before, sample_weight, classes, self.class_weight)
            now._remember(X, rows, metric, more=True, **labelled)
            return self
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self._takes_several_labels and self.class_weight is None
        return tags

    def _votes(self, given: np.ndarray, classes: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Factor of each row's vote; all may be 0 until rows with weight are added."""
        if len(given) and not given.any():
            return given
        return with_class_weight(given, self.class_weight, classes, codes, named=self.class_weight)

    @staticmethod
    def _labelled(classes: np.ndarray, codes: np.ndarray, given: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        """Fitted attributes made from labels and weights."""
        votes = weights if len(weights) else None
        return {
            "classes_": classes,
            "outputs_2d_": False,
            "_codes": codes,
            "_sample_weight": given,
            "_row_weights": votes,
        }

    def _check_vote_options(self) -> None:
        if not callable(self.weights):
            one_of("weights", self.weights, WEIGHTS)
        one_of("tie_break", self.tie_break, ["smallest", "nearest"])
        check_number("temperature", self.temperature, minimum=0, strict=True)

    def _vote(self, X: Any, with_totals: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(winning codes, tied, totals) of every query; with several labels per row, shares in place of totals."""
        self._check_vote_options()
        self._check_is_fitted()
        n_classes, metric = len(self.classes_), self.effective_metric_
        n_queries, chunks = self._found(X, None)
        n_threads = threads.effective(self.n_jobs) if n_queries > _FEW_VOTES else 1
        n_columns = self._codes.shape[1:]  # () with one label per row
        winners, tied = np.empty((n_queries, *n_columns), np.int64), np.empty((n_queries, *n_columns), bool)
        totals = np.empty((n_queries if with_totals else 0, n_classes))
        for chunk, S, indices in chunks:
            weights = None
            if self.weights != "uniform":
                weights = weights_of(METRICS[metric].to_distance(S), self.weights, self.temperature, metric)
            if self._row_weights is not None:
                of_rows = self._row_weights[indices]
                weights = of_rows if weights is None else weights * of_rows
            if n_columns:
                winners[chunk], tied[chunk], shares = vote_labels(indices, weights, self._codes, tie_break=self.tie_break)
                if with_totals:
                    totals[chunk] = shares
                continue
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
        """The label, or labels, of every query by the weighted majority of its nearest training rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: leave-one-out over the training rows.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_labels)

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        winners, _, _ = self._vote(X)
        return (self.classes_[0] if self.outputs_2d_ else self.classes_)[winners]

    @of_one_fit
    @takes_images
    def predict_proba(self, X: Any = None) -> np.ndarray:
        """Each class's share of the vote, columns in the order of `classes_`: float64 (n_queries, n_classes).

        With several labels per row, each label's share of the vote: one array (n_queries, n_labels). (scikit-learn returns a
        list with an array (n_queries, 2) for each label; the second column of each is the share.) If every
        weight is so small that its product with the rows' weights is rounded to 0, each class has the same share, and each
        label one half.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows themselves, each without itself.

        Returns
        -------
        ndarray of shape (n_queries, n_classes) or (n_queries, n_labels), float64

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        totals = self._vote(X, with_totals=True)[2]
        if self.outputs_2d_:
            return totals
        sums = totals.sum(axis=1, keepdims=True)
        nobody = sums == 0
        return np.where(nobody, 1.0 / len(self.classes_), totals / np.where(nobody, 1.0, sums))

    @of_one_fit
    @takes_images
    def predict_ties(self, X: Any = None) -> np.ndarray:
        """Whether the vote of each query was tied: bool (n_queries,), or for each label (n_queries, n_labels).

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows themselves, each without itself.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_labels), bool

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
        if arrays["codes"].ndim == 2:
            given = arrays.get("sample_weight")
            self.__dict__.update(saved_label_columns(arrays, self.n_samples_fit_, self.classes_, given))
            return
        # copied: codes are used as indices, and a file could be changed later
        self._codes = np.array(expect(arrays, "codes", (self.n_samples_fit_,), ("int64",)))
        if self._codes.min() < 0 or self._codes.max() >= len(self.classes_):
            raise ValueError(f"class codes out of range (the model has {counted(len(self.classes_), 'class')})")
        given = expect(arrays, "sample_weight", (self.n_samples_fit_,)) if "sample_weight" in arrays else None
        given = check_sample_weight(given, self.n_samples_fit_, may_be_zero=True)
        votes = self._votes(given, self.classes_, self._codes)
        self.__dict__.update(self._labelled(self.classes_, self._codes, given, votes))
