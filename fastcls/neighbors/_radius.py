"""The methods of the k-NN estimators that search by radius."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from fastcls._runtime import threads
from fastcls._runtime.fitted_state import of_one_fit
from fastcls._search.radius import within
from fastcls._search.report import SearchReport
from fastcls._search.rows import Rows
from fastcls._validation.base import check_number, check_switch, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.neighbors import check_algorithm
from fastcls.datasets import takes_images
from fastcls.metrics import METRICS


class RadiusSearch:
    """`radius_neighbors` and `radius_neighbors_graph`, for the base class of the estimators."""

    _rows: Rows
    n_samples_fit_: int
    effective_metric_: str
    algorithm: str
    n_jobs: int | None

    def _check_is_fitted(self) -> None:
        raise NotImplementedError

    def _checked_queries(self, X: Any) -> Rows | None:
        raise NotImplementedError

    def _hidden_rows(self) -> np.ndarray | None:
        raise NotImplementedError

    def _notes_of_rows(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _set_report(self, report: SearchReport, notes: tuple[str, ...]) -> None:
        raise NotImplementedError

    def _within(self, X: Any, radius: Any, sort_results: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(starts, distances, indices) of the rows within the radius; X=None leaves each row itself out."""
        self._check_is_fitted()
        check_switch("sort_results", sort_results)
        radius = getattr(self, "radius", None) if radius is None else radius
        if radius is None:
            raise InputError(f"radius=None, and {type(self).__name__} has no radius of its own: give a radius")
        radius = float(check_number("radius", radius, minimum=0))
        queries = self._checked_queries(X)
        hidden, notes = self._hidden_rows(), self._notes_of_rows()
        n_queries = self.n_samples_fit_ if queries is None else queries.n_rows
        found = within(
            self._rows,
            queries,
            radius,
            self.effective_metric_,
            n_threads=threads.effective(self.n_jobs),
            algorithm=check_algorithm(self.algorithm, warn=False),
            query_groups=None if hidden is None else np.ones(n_queries, dtype=np.int64),
            row_groups=None if hidden is None else hidden.astype(np.int64),
            keep="others" if queries is None else "all",
        )
        self._set_report(found.report, notes)
        return found.starts, METRICS[self.effective_metric_].to_distance(found.S), found.indices

    @of_one_fit
    @takes_images
    def radius_neighbors(
        self, X: Any = None, radius: float | None = None, return_distance: bool = True, sort_results: bool = False
    ) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
        """Find all training rows within a radius of every query, nearest first.

        A row belongs to the result if its distance, as it is returned here and by `kneighbors`, is at most the radius.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows, each without itself (by index, not by value).
        radius : float, optional
            By default the estimator's. 0 finds rows that are equal.
        return_distance : bool
        sort_results : bool
            Accepted for compatibility with scikit-learn: results are always sorted, by (distance, training index).

        Returns
        -------
        distances : ndarray of shape (n_queries,), object
            An array of float64 for each query, of the length of its result. Only if `return_distance`.
        indices : ndarray of shape (n_queries,), object
            An array of int64 for each query.

        Raises
        ------
        InputError
            For invalid queries, queries of another width, a radius that is negative, infinite or NaN, or results that do
            not fit into memory.
        """
        check_switch("return_distance", return_distance)
        starts, distances, indices = self._within(X, radius, sort_results)
        if not return_distance:
            return _of_each(indices, starts)
        return _of_each(distances, starts), _of_each(indices, starts)

    @of_one_fit
    def radius_neighbors_graph(
        self, X: Any = None, radius: float | None = None, mode: str = "connectivity", sort_results: bool = False
    ) -> csr_matrix:
        """Sparse matrix of the training rows within a radius of every query; each matrix row lists them nearest first.

        scikit-learn's estimators with ``metric="precomputed"``, such as DBSCAN, take precomputed neighbours in this form.
        A distance of 0 is stored explicitly.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows, each without itself.
        radius : float, optional
            By default the estimator's.
        mode : {"connectivity", "distance"}
            Entries of 1, or the distances.
        sort_results : bool
            Accepted for compatibility with scikit-learn: results are always sorted, by (distance, training index).

        Returns
        -------
        csr_matrix of shape (n_queries, n_samples_fit_), float64

        Raises
        ------
        InputError
            As `radius_neighbors`, and for an unknown `mode`.
        """
        one_of("mode", mode, ["connectivity", "distance"])
        starts, distances, indices = self._within(X, radius, sort_results)
        data = distances if mode == "distance" else np.ones_like(distances)
        return csr_matrix((data, indices, starts), shape=(len(starts) - 1, self.n_samples_fit_))


def _of_each(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The values of each query as an array of its own: an object array (n_queries,)."""
    out = np.empty(len(starts) - 1, dtype=object)
    for i, (first, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        out[i] = values[first:end]
    return out
