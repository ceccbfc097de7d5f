"""From neighbours to a label: the weight of each vote, and the majority. ``reference/_neighbors.py`` defines both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from fastcls import _kernels
from fastcls._runtime import threads
from fastcls._validation.base import refuse_masked
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls.metrics import METRICS

__all__ = ["WEIGHTS", "Weights", "vote", "weights_of"]

WEIGHTS = ("uniform", "distance", "softmax")
_APART = 16  # doubles between the totals of two threads: two cache lines, so that they never share one
_NO_CODES, _NO_WEIGHTS = np.empty(0, dtype=np.int64), np.empty((0, 0))
Weights = Literal["uniform", "distance", "softmax"] | Callable[[np.ndarray], np.ndarray]


def weights_of(
    distances: np.ndarray, rule: Weights, temperature: float, metric: str, smallest_k: int | None = None
) -> np.ndarray:
    """The weight of every neighbour's vote, float64 of the distances' shape.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k), float64, nearest first
    rule : {"uniform", "distance", "softmax"} or callable
    temperature : float
    metric : str
    smallest_k : int, optional
        The smallest number of neighbours that vote; by default all of them do.

    Raises
    ------
    InputError
        If a callable returns anything but finite weights of at least 0, or only 0 for the neighbours that vote on a query.
    """
    if callable(rule):
        return _check_weights(rule(distances), distances.shape, smallest_k)
    if rule == "uniform":
        return np.ones_like(distances)
    if rule == "distance":
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            inverse = 1.0 / distances
        infinite = np.isinf(inverse)
        alone = infinite[:, :1]  # the nearest comes first: if any weight is infinite, the first one is
        return np.where(alone, infinite.astype(np.float64), inverse)
    similarity = METRICS[metric].similarity(distances)
    with np.errstate(under="ignore"):  # the user may have set NumPy to raise
        return np.exp((similarity - similarity[:, :1]) / temperature)


def vote(
    labels: np.ndarray,
    weights: np.ndarray | None,
    ks: np.ndarray,
    n_classes: int,
    *,
    tie_break: str,
    n_threads: int,
    with_totals: bool = False,
    codes: np.ndarray = _NO_CODES,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted majority among the first k neighbours for every k of `ks` (ascending). Input is trusted.

    Parameters
    ----------
    labels : ndarray of shape (n_queries, k_max), int64, nearest first
        Class codes, or indices into `codes` if these are given.
    weights : ndarray of the shape of labels, float64, or None: every weight is 1
    ks : ndarray of shape (n_ks,)

    Returns
    -------
    winners : ndarray of shape (n_queries, n_ks), int64
    tied : ndarray of shape (n_queries, n_ks), bool
    totals : ndarray of shape (n_queries, n_classes), float64, for the last k; no rows unless `with_totals`
    """
    n_queries = len(labels)
    steps = n_queries * (labels.shape[1] + len(ks) * n_classes)
    n_threads = threads.limit_by_work(
        n_threads, 16 * steps
    )  # each vote waits for the one before, so it is much slower than a feature
    winners = np.empty((n_queries, len(ks)), dtype=np.int64)
    tied = np.empty((n_queries, len(ks)), dtype=np.uint8)
    totals = np.empty((n_queries if with_totals else 0, n_classes))
    n_bad = _kernels.vote(
        labels,
        codes,
        _NO_WEIGHTS if weights is None else np.ascontiguousarray(weights),
        np.asarray(ks, dtype=np.int64),
        tie_break == "nearest",
        winners,
        tied,
        totals,
        n_classes,
        np.empty((n_threads, n_classes + _APART)),
        n_threads,
    )
    _check_labels(n_bad, n_classes)
    return winners, tied.view(bool), totals


def _check_weights(weights: Any, shape: tuple[int, ...], smallest_k: int | None) -> np.ndarray:
    """Vote weights from a user's function: one finite weight of at least 0 per distance, and not only 0 for a query."""
    refuse_masked(weights, "the result of weights")
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != shape:
        raise InputError(f"weights returned shape {weights.shape} for distances of shape {shape}; wanted one weight each")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        bad = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise InputError(f"weights returned {bad:g}; wanted a finite weight of at least 0 for every distance, 0 included")
    without = ~weights[:, :smallest_k].any(axis=1)
    if without.any():
        nearest = "all neighbours" if smallest_k is None else f"the nearest {counted(smallest_k, 'neighbour')}"
        raise InputError(
            f"weights returned 0 for {nearest} of {counted(int(without.sum()), 'query', 'queries')}; wanted a weight above "
            "0 for at least one neighbour of each query, so that there is a vote"
        )
    return weights


def _check_labels(n_bad: int, n_classes: int) -> None:
    """Refuse neighbours whose labels are not classes: the labels or their file changed after fit or load."""
    if n_bad:
        raise InputError(
            f"the neighbours of {counted(n_bad, 'query', 'queries')} have labels beyond the "
            f"{counted(n_classes, 'class')}: the labels of the model, or their "
            "file, changed after fit or load: fit or load the model again"
        )
