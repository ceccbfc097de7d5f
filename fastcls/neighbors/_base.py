"""Base class of the k-NN estimators: the training rows, their growth, and the search over them."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastcls._runtime import threads
from fastcls._runtime.fitted_state import live, of_one_fit, publish
from fastcls._search import plan
from fastcls._search.plan import Chunk, Chunks
from fastcls._search.report import SearchReport
from fastcls._search.rows import Rows
from fastcls._storage.safetensors import Arrays, Saved
from fastcls._storage.saving import SaveMixin, save
from fastcls._validation.base import check_number, check_switch, one_of
from fastcls._validation.neighbors import check_algorithm, check_n_neighbors
from fastcls._validation.rows import check_more_rows, check_rows
from fastcls.datasets import takes_images
from fastcls.metrics import METRICS, check_magnitude, check_metric

from ._loaded import CHECKED_BYTES, LoadedRows, described, opened
from ._radius import RadiusSearch


class _LastReports(threading.local):
    """Each thread's last search report by estimator; kept outside the estimators, so that predict writes no attribute."""

    def __init__(self) -> None:
        self.by_estimator: weakref.WeakKeyDictionary[Any, SearchReport] = weakref.WeakKeyDictionary()


last_reports = _LastReports()


def without_self(first: int, S: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Remove each row itself from its k + 1 neighbours, for rows from `first` on; or the last one, if it is not there.

    Parameters
    ----------
    first : int
    S, indices : ndarray of shape (n_queries, k + 1)

    Returns
    -------
    S, indices : ndarray of shape (n_queries, k)
    """
    out = indices == np.arange(first, first + len(indices))[:, None]
    out[:, -1] |= ~out.any(axis=1)
    shape = (len(S), S.shape[1] - 1)
    return S[~out].reshape(shape), indices[~out].reshape(shape)


def _others(chunks: Chunks) -> Chunks:
    """The same chunks, every query without itself."""
    while True:
        try:
            some, S, indices = next(chunks)
        except StopIteration as end:
            report: SearchReport = end.value
            return report
        yield some, *without_self(some.start, S, indices)


def training_rows(model: Neighbors) -> list[np.ndarray]:
    """The training rows of a fitted model, as its chunks: referenced, not copied.

    Parameters
    ----------
    model : KNeighborsClassifier or NearestNeighbors

    Returns
    -------
    list of ndarray of shape (n, n_features)
    """
    return model._rows.chunks


class Neighbors(RadiusSearch, SaveMixin, BaseEstimator):
    """Base of the classifier and of the search without labels."""

    _read_when_used: tuple[str, ...] = (
        "n_neighbors",
        "radius",
        "weights",
        "temperature",
        "tie_break",
        "algorithm",
        "n_jobs",
    )
    _rows: Rows
    _row_weights: np.ndarray | None = None  # factors of the votes; rows of weight 0 are never neighbours
    _loaded: LoadedRows | None = None  # of a model from a file
    _row_notes: tuple[str, ...] = ()  # for every search report
    n_samples_fit_: int
    effective_metric_: str

    @property
    def search_report_(self) -> SearchReport | None:
        """Report of the calling thread's last search with this estimator; None before the first."""
        return last_reports.by_estimator.get(live(self))

    def _check_options(self) -> str:
        check_algorithm(self.algorithm)
        check_number("n_neighbors", self.n_neighbors, minimum=1, whole=True)
        check_number("radius", getattr(self, "radius", 1.0), minimum=0)
        threads.effective(self.n_jobs)
        return check_metric(self.metric, self.p, self.metric_params)

    def _checked_fit(self, X: Any, copy: bool) -> tuple[Rows, str]:
        """Checked rows and metric of a fit; changes nothing."""
        metric = self._check_options()
        check_switch("copy", copy)
        checked = check_rows(X, "X", copy=copy)
        check_magnitude(checked.rows, "X", metric)
        return Rows.of(checked), metric

    def _checked_growth(self, X: Any, copy: bool) -> tuple[Rows, str]:
        """Checked rows and metric of a partial_fit: the new rows after the existing ones."""
        if not self.__sklearn_is_fitted__():
            return self._checked_fit(X, copy)
        if self._loaded is not None:
            self._loaded.check(force=True)
        plan.restore(self._rows)
        more, metric = self._checked_fit(X, copy)
        check_more_rows(self, X, more.chunks[0], self._rows.dtype)
        if metric != self.effective_metric_:
            for chunk in self._rows.chunks:
                check_magnitude(chunk, "X of an earlier call", metric)
        return self._rows.extended(more), metric

    def _remember(self, X: Any, rows: Rows, metric: str, *, more: bool = False, **fitted: Any) -> None:
        """Set all fitted attributes at once, as the last step: a refused or interrupted fit changes nothing."""
        n_threads = threads.effective(self.n_jobs)
        plan.prepare(rows, metric, self.n_neighbors, n_threads, check_algorithm(self.algorithm, warn=False))
        publish(
            self,
            None if more and self.__sklearn_is_fitted__() else X,
            _rows=rows,
            _loaded=None,
            _row_notes=(),
            n_samples_fit_=rows.n_rows,
            effective_metric_=metric,
            _fitted_params=self._params_of_fit(),
            **fitted,
        )

    def _find(self, X: Any, k: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Rank distances and indices of the k nearest rows; X=None is leave-one-out, by index."""
        out: list[np.ndarray] = []
        n_queries, chunks = self._found(X, k, out)
        for chunk, S, indices in chunks:
            if not out:
                shape = (n_queries, S.shape[1])
                out += np.empty(shape), np.empty(shape, dtype=np.int64)
            out[0][chunk], out[1][chunk] = S, indices
        return out[0], out[1]

    def _found(self, X: Any, k: int | None, out: list[np.ndarray] | None = None) -> tuple[int, Iterator[Chunk]]:
        """Number of queries, and an iterator over the neighbours of one block of queries after the other.

        If `out`, an empty list, gets arrays for all queries, the blocks are views of these.
        """
        self._check_is_fitted()
        k = self.n_neighbors if k is None else k
        queries = self._checked_queries(X)
        hidden = self._hidden_rows()
        n_visible = self.n_samples_fit_ - (0 if hidden is None else int(hidden.sum()))
        k = check_n_neighbors(k, n_visible - (X is None), excluded=X is None)
        notes = self._notes_of_rows()
        n_queries = self.n_samples_fit_ if queries is None else queries.n_rows
        if out is not None and (hidden is None or queries is not None):
            out += np.empty((n_queries, k)), np.empty((n_queries, k), dtype=np.int64)
        return n_queries, self._search(queries, k, hidden, notes, out)

    def _checked_queries(self, X: Any) -> Rows | None:
        """The rows of X, checked; None for the training rows."""
        if X is None:
            return None
        checked = check_rows(X, "X", estimator=self)
        check_magnitude(checked.rows, "X", self.effective_metric_)
        return Rows.of(checked)

    def _hidden_rows(self) -> np.ndarray | None:
        """Which training rows are never neighbours, if any."""
        return None if self._row_weights is None or self._row_weights.all() else self._row_weights == 0

    def _notes_of_rows(self) -> tuple[str, ...]:
        """Notes for a search report, after the rows of a model from a file were checked."""
        return self._row_notes if self._loaded is None else (*self._loaded.check(), *self._row_notes)

    def _search(
        self,
        queries: Rows | None,
        k: int,
        hidden: np.ndarray | None,
        notes: tuple[str, ...] = (),
        out: list[np.ndarray] | None = None,
    ) -> Iterator[Chunk]:
        """Search without the hidden rows; queries=None searches the rows themselves, each without itself."""
        n_queries = self._rows.n_rows if queries is None else queries.n_rows
        query_groups = row_groups = np.arange(n_queries, dtype=np.int64) if queries is None else None
        # A row has only one group. If that hides rows, find k + 1 neighbours and drop the row itself.
        drops_self = hidden is not None and queries is None
        if hidden is not None:
            query_groups, row_groups = np.ones(n_queries, dtype=np.int64), hidden.astype(np.int64)
        chunks = plan.search_chunks(
            self._rows,
            queries,
            k + drops_self,
            self.effective_metric_,
            n_threads=threads.effective(self.n_jobs),
            algorithm=check_algorithm(self.algorithm, warn=False),
            query_groups=query_groups,
            row_groups=row_groups,
            out=(out[0], out[1]) if out else None,
        )
        report = yield from _others(chunks) if drops_self else chunks
        self._set_report(report, notes)

    def _set_report(self, report: SearchReport, notes: tuple[str, ...]) -> None:
        last_reports.by_estimator[live(self)] = replace(report, notes=(*notes, *report.notes)) if notes else report

    @of_one_fit
    @takes_images
    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
        """Find the nearest training rows of every query, nearest first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows, each without itself (by index, not by value).
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
            For invalid queries, queries of another width, or more neighbours than training rows.
        """
        S, indices = self._find(X, n_neighbors)
        if not return_distance:
            return indices
        return METRICS[self.effective_metric_].to_distance(S), indices

    @of_one_fit
    def kneighbors_graph(self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity") -> csr_matrix:
        """Sparse matrix of the nearest training rows of every query; each matrix row lists them nearest first.

        scikit-learn's estimators with ``metric="precomputed"`` (as after its `KNeighborsTransformer`), UMAP and cleanlab
        take precomputed neighbours in this form. A distance of 0 is stored explicitly.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            None: the training rows, each without itself.
        n_neighbors : int, optional
            By default the estimator's.
        mode : {"connectivity", "distance"}
            Entries of 1, or the distances.

        Returns
        -------
        csr_matrix of shape (n_queries, n_samples_fit_), float64

        Raises
        ------
        InputError
            For invalid queries, queries of another width, an unknown `mode`, or more neighbours than training rows.
        """
        one_of("mode", mode, ["connectivity", "distance"])
        S, indices = self._find(X, n_neighbors)
        n_queries, k = S.shape
        data = METRICS[self.effective_metric_].to_distance(S) if mode == "distance" else np.ones_like(S)
        starts = np.arange(0, n_queries * k + 1, k)
        return csr_matrix((data.ravel(), indices.ravel(), starts), shape=(n_queries, self.n_samples_fit_))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_samples_fit_")

    def _check_is_fitted(self) -> None:
        """scikit-learn's check, which takes 5 us, only where it will fail."""
        if "n_samples_fit_" not in self.__dict__:
            check_is_fitted(self, "n_samples_fit_")

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        metadata: Mapping[str, Any] | None = None,
        rows: str = "embedded",
        codes: bool = True,
    ) -> None:
        """Write the fitted model to one safetensors file: whole, or not at all.

        Parameters
        ----------
        path, metadata : as of the other estimators' `save` (`fastcls.persistence.save`)
        rows : {"embedded", "external"}
            Write the training rows into the file, or leave them in the files in the same folder whose memory maps the model
            was fitted on (``numpy.load(file, mmap_mode="r")``). The model then stores the names and sizes of these files
            and a checksum of the rows, and needs the files.
        codes : bool
            Write the codes of the filter with embedded rows: up to 35 % more bytes (60 % for int8, 16-bit floats). Without
            them, the first search of the loaded model makes them.

        Raises
        ------
        InputError
            If a parameter is not a plain value (a callable, a RandomState), the path cannot be written, or external rows
            are not memory maps of files in the same folder.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        save(self, path, metadata, rows=rows, codes=codes)

    def __getstate__(self) -> dict[str, Any]:
        """Rows of a file are checked before they are copied or pickled, so that no copy has to check them.

        Also after ``load(verify=False)``: a copy that is saved would write a valid checksum of rows that were never checked.
        """
        if self._loaded is not None:
            self._loaded.check(force=True)
        return {**super().__getstate__(), "_loaded": None}

    def _training_rows(self) -> list[np.ndarray] | None:
        rows = self.__dict__.get("_rows")  # a model over a cluster has none
        return None if rows is None else rows.chunks

    def _saved_state(self, folder: Path | None = None, codes: bool = True) -> tuple[Saved, dict[str, Any]]:
        if self._loaded is not None:
            self._loaded.check(force=True)
        return described(self._rows, self.effective_metric_, folder, codes)

    def _restore_state(self, arrays: Arrays, values: dict[str, Any]) -> None:
        self.effective_metric_ = check_metric(self.metric, self.p, self.metric_params)
        self._loaded = opened(arrays, values, self.effective_metric_)
        self._rows = self._loaded.rows
        self.n_samples_fit_, self.n_features_in_ = self._rows.n_rows, self._rows.n_features

    def _verify(self, verify: str | bool) -> None:
        if self._loaded is None:
            return
        n_bytes = self._loaded.nbytes
        if not n_bytes:  # all arrays are small and were read
            self._loaded.check(force=True)
            self._loaded = None
        elif verify is True:
            self._loaded.check_now()
        elif verify is False or n_bytes > CHECKED_BYTES:
            self._loaded.skips = True
            why = "verify=False" if verify is False else f"verify='auto' reads at most {CHECKED_BYTES:,} bytes"
            self._row_notes = (f"{n_bytes:,} bytes of the model's file were not compared with their checksum ({why})",)
