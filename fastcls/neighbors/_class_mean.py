"""The few-shot baseline: each class is represented by the mean of its rows, and a query gets the nearest one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastcls._runtime import threads
from fastcls._runtime.fitted_state import of_one_fit, publish
from fastcls._scoring.classifier import Classifier
from fastcls._search import matrix
from fastcls._storage.safetensors import Arrays, Saved, expect
from fastcls._storage.saving import SaveMixin
from fastcls._validation.base import check_switch
from fastcls._validation.labels import check_labels, check_present
from fastcls._validation.rows import check_rows
from fastcls._validation.types import as_numbers
from fastcls.datasets import names_images, takes_images
from fastcls.metrics import METRICS, check_magnitude

__all__ = ["NearestClassMean"]

_BLOCK_ROWS = 1024  # prepared at once: 8 MB in float64 at 1,024 features


class NearestClassMean(SaveMixin, Classifier, BaseEstimator):
    """Nearest class mean: a query gets the class with the nearest mean in Euclidean distance.

    Parameters
    ----------
    center : bool, default=True
        Subtract the mean of the training rows from all rows.
    normalize : bool, default=True
        Then scale every row to length 1. With both, this is SimpleShot's CL2N (Wang et al., SimpleShot: Revisiting
        nearest-neighbor classification for few-shot learning, 2019), and the ProtoNet of mahmoodlab/UNI.
    n_jobs : int, optional
        Threads. The answer does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    means_ : ndarray of shape (n_classes, n_features), float64
        Means of the centred and normalised rows; not normalised again.
    center_ : ndarray of shape (n_features,), float64
        Zeros unless `center`.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> NearestClassMean().fit(X, ["a", "a", "b"]).predict([[2.0, 0.1]])
    array(['a'], dtype='<U1')
    """

    def __init__(self, *, center: bool = True, normalize: bool = True, n_jobs: int | None = None) -> None:
        self.center = center
        self.normalize = normalize
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> NearestClassMean:
        """Average the rows of every class.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Read in place, in blocks; not kept.
        y : array-like of shape (n_rows,)

        Returns
        -------
        self

        Raises
        ------
        InputError
            If rows or labels cannot be read, or their numbers differ.
        """
        self._check_options()
        check_present(y)
        rows = check_rows(X, "X").rows
        check_magnitude(rows, "X", "l2")
        classes, codes = check_labels(y, len(rows))
        return self._average(rows, classes, codes, X)

    def _average(self, rows: np.ndarray, classes: np.ndarray, codes: np.ndarray, X: Any = None) -> NearestClassMean:
        """The fit of checked rows; every class has a row."""
        center = np.zeros(rows.shape[1])
        if self.center:
            for start in range(0, len(rows), _BLOCK_ROWS):
                center += as_numbers(rows[start : start + _BLOCK_ROWS]).sum(axis=0, dtype=np.float64)
            center /= len(rows)
        sums = np.zeros((len(classes), rows.shape[1]))
        for start in range(0, len(rows), _BLOCK_ROWS):
            some = slice(start, start + _BLOCK_ROWS)
            order = np.argsort(codes[some], kind="stable")
            present, starts = np.unique(codes[some][order], return_index=True)
            sums[present] += np.add.reduceat(self._prepared(rows[some], center, self.normalize)[order], starts, axis=0)
        publish(
            self,
            rows if X is None else X,
            classes_=classes,
            center_=center,
            means_=sums / np.bincount(codes)[:, None],
            _fitted_params=self._params_of_fit(),
        )
        return self

    def _check_options(self) -> None:
        check_switch("center", self.center)
        check_switch("normalize", self.normalize)
        threads.effective(self.n_jobs)

    @staticmethod
    def _prepared(rows: np.ndarray, center: np.ndarray, normalize: bool) -> np.ndarray:
        made: np.ndarray = as_numbers(rows) - center
        if normalize:
            lengths = np.sqrt(np.square(made).sum(axis=1, keepdims=True))
            made /= np.where(lengths > 0, lengths, 1.0)
        return made

    def _distances(self, X: Any) -> np.ndarray:
        """Squared distance of every query to every mean, float64 (n_queries, n_classes)."""
        self._check_options()
        check_is_fitted(self, "means_")
        rows = check_rows(X, "X", estimator=self).rows
        check_magnitude(rows, "X", "l2")
        n_threads = threads.effective(self.n_jobs)
        S, normalize = np.empty((len(rows), len(self.classes_))), self._fitted_params.get("normalize", self.normalize)
        for start in range(0, len(rows), _BLOCK_ROWS):
            some = slice(start, start + _BLOCK_ROWS)
            Q = self._prepared(rows[some], self.center_, normalize)
            S[some] = matrix.all_pairs(self.means_, Q, "l2", n_threads=n_threads)
        return S

    @of_one_fit
    @names_images
    def predict(self, X: Any) -> np.ndarray:
        """Class of the nearest mean for every query, (n_queries,); of equally near ones, the first in `classes_`.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)
            Labels.

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        nearest = self._distances(X).argmin(axis=1)
        return self.classes_[nearest]

    @of_one_fit
    @takes_images
    def decision_function(self, X: Any) -> np.ndarray:
        """Negative distance to each mean: float64 (n_queries, n_classes).

        With two classes (n_queries,), as in scikit-learn: the distance to the first mean minus that to the second.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or (n_queries,) for two classes, float64

        Raises
        ------
        InputError
            For queries that cannot be read, or whose number of features differs from that of the fit.
        """
        distances = METRICS["l2"].to_distance(self._distances(X))
        return distances[:, 0] - distances[:, 1] if len(self.classes_) == 2 else -distances

    def _saved_state(self) -> tuple[Saved, dict[str, Any]]:
        return {"means": self.means_, "center": self.center_}, {}

    def _restore_state(self, arrays: Arrays, values: dict[str, Any]) -> None:
        self.means_ = expect(arrays, "means", (len(self.classes_), None))
        self.n_features_in_ = self.means_.shape[1]
        self.center_ = expect(arrays, "center", (self.n_features_in_,))
        for name, array in (("means", self.means_), ("center", self.center_[None])):
            check_magnitude(array, name, "l2")


def mean_distances(
    rows: np.ndarray, codes: np.ndarray, n_classes: int, queries: np.ndarray, *, n_jobs: int | None = None
) -> np.ndarray:
    """Squared distances of queries to the mean of each class, as `NearestClassMean` computes them. Input is trusted.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
    codes : int64 array (n_rows,)
        Class codes; every class has a row.
    n_classes : int
    queries : ndarray of shape (n_queries, n_features)
    n_jobs : int, optional

    Returns
    -------
    ndarray of shape (n_queries, n_classes), float64
    """
    return NearestClassMean(n_jobs=n_jobs)._average(rows, np.arange(n_classes), codes)._distances(queries)
