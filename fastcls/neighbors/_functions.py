"""Search without an estimator: the nearest rows, and all distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._search import matrix, plan
from fastcls._search.rows import Rows
from fastcls._validation.neighbors import check_n_neighbors
from fastcls._validation.rows import CheckedRows, check_rows, check_same_names, check_same_width
from fastcls.metrics import METRICS, check_magnitude, check_metric

__all__ = ["knn", "pairwise_distances"]


def _checked_pair(Q: Any, X: Any, metric: Any) -> tuple[CheckedRows, CheckedRows, str]:
    name = check_metric(metric)
    queries, rows = check_rows(Q, "Q"), check_rows(X, "X")
    check_same_names(queries, rows, "Q", "X")
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
