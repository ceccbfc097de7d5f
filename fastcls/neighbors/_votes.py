"""The vote from a matrix of distances, whoever computed it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._scoring.votes import WEIGHTS, Weights, vote, weights_of
from fastcls._validation.base import as_floats, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels
from fastcls._validation.neighbors import check_n_neighbors

_BLOCK_VALUES = 1 << 22  # distances sorted at once: 32 MB of row numbers


def predict_from_distances(
    distances: Any,
    y: Any,
    k: int = 1,
    *,
    weights: Weights = "uniform",
    tie_break: str = "smallest",
    n_jobs: int | None = None,
) -> np.ndarray:
    """The label of every query, from its distances to all training rows: the course's ``predict_labels``.

    Equal distances are ordered by the number of the training row. The answer is that of `KNeighborsClassifier` on the same
    distances.

    Parameters
    ----------
    distances : array-like of shape (n_queries, n_rows)
        Finite numbers of at least 0, such as `pairwise_distances` returns.
    y : array-like of shape (n_rows,)
        Labels of the training rows.
    k : int
    weights : {"uniform", "distance"} or callable
        As in `KNeighborsClassifier`.
    tie_break : {"smallest", "nearest"}
        Of several labels with the most votes, the smallest, or that of the nearest row.
    n_jobs : int, optional

    Returns
    -------
    ndarray of shape (n_queries,)
        Of the type of the labels.

    Raises
    ------
    InputError
        If the distances are no such matrix, `k` is not 1 to n_rows, or a name is unknown.
    """
    D = as_floats("distances", distances)
    if D.ndim != 2 or not D.shape[1]:
        raise InputError(f"distances has shape {D.shape}; wanted (n_queries, n_rows)")
    if not np.isfinite(D).all() or (D < 0).any():
        raise InputError("distances has NaN, infinity or numbers below 0; wanted distances of at least 0")
    classes, codes = check_labels(y, D.shape[1])
    k = check_n_neighbors(k, D.shape[1], "k")
    if not callable(weights):
        one_of("weights", weights, [name for name in WEIGHTS if name != "softmax"], also=", or a function of distances")
    one_of("tie_break", tie_break, ("smallest", "nearest"))
    winners = np.empty(len(D), dtype=np.int64)
    step = max(1, _BLOCK_VALUES // D.shape[1])
    for at in range(0, len(D), step):
        some = D[at : at + step]
        nearest = np.argsort(some, axis=1, kind="stable")[:, :k]
        of_rows = np.take_along_axis(some, nearest, axis=1)
        found, _, _ = vote(
            np.ascontiguousarray(codes[nearest]),
            None if weights == "uniform" else weights_of(of_rows, weights, 1.0, "l2"),
            np.array([k]),
            len(classes),
            tie_break=tie_break,
            n_threads=threads.effective(n_jobs),
        )
        winners[at : at + step] = found[:, 0]
    labels: np.ndarray = classes[winners]
    return labels
