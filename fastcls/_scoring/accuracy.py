"""Predictions, and the number of correct ones (hits), from neighbours and true classes, for every k of one search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from fastcls.metrics import METRICS

from .numbers import Answers, classes_before, joined
from .votes import Weights, vote, weights_of

_VOTED_AT_ONCE = 1 << 21  # entries of totals (n_queries, n_classes): 16 MB


def answers_of_votes(
    S: np.ndarray,
    indices: np.ndarray,
    codes: np.ndarray,
    truth: np.ndarray,
    ks: np.ndarray,
    n_classes: int,
    metric: str,
    n_threads: int,
    *,
    weights: Weights = "uniform",
    temperature: float | None = None,
    tie_break: str = "smallest",
    topk: Sequence[int] = (1, 5),
) -> list[Answers]:
    """The answers of k-NN for every k of `ks`; a class's probability is its share of the votes.

    Parameters
    ----------
    S, indices : ndarray of shape (n_queries, k_max)
    codes : ndarray
        Classes of the training rows.
    truth, ks, topk : see `hits`
    """
    found: list[list[Answers]] = [[] for _ in ks]
    step = max(1, _VOTED_AT_ONCE // max(n_classes, S.shape[1]))
    for first in range(0, len(truth), step):
        some = slice(first, first + step)
        shares = weights_of(METRICS[metric].to_distance(S[some].copy()), weights, temperature or 1.0, metric, int(ks[0]))
        labels = codes[indices[some]]
        places = _first_places(labels, n_classes) if tie_break == "nearest" else np.arange(n_classes)[None]
        for at in range(len(ks)):
            winners, _, totals = vote(
                labels, shares, ks[at : at + 1], n_classes, tie_break=tie_break, n_threads=n_threads, with_totals=True
            )
            found[at].append(_answers(winners[:, 0], totals, truth[some], places, topk))
    return [joined(parts) for parts in found]


def _answers(winners: np.ndarray, totals: np.ndarray, truth: np.ndarray, places: np.ndarray, topk: Sequence[int]) -> Answers:
    before = classes_before(totals, truth, places, are_votes=True)
    top = {n: (winners == truth) | (before < n) for n in topk if n > 1}
    sums = totals.sum(axis=1, keepdims=True)
    shares, rows = totals / np.where(sums > 0, sums, 1.0), np.arange(len(truth))
    own = np.where(truth >= 0, shares[rows, np.maximum(truth, 0)], 0.0)
    return Answers(winners, top, sparse.csr_array(shares), shares[rows, winners], own)


def hits(
    labels: np.ndarray,
    weights: np.ndarray | None,
    truth: np.ndarray,
    ks: np.ndarray,
    n_classes: int,
    *,
    topk: Sequence[int],
    tie_break: str,
    n_threads: int,
) -> np.ndarray:
    """Whether the true class is among the n best classes of the first k neighbours: bool (len(topk), n_ks, n_queries).

    Parameters
    ----------
    labels : ndarray of shape (n_queries, k_max), int64, nearest first
        Class codes.
    weights : ndarray of that shape, float64, or None: every weight is 1
    truth : ndarray of shape (n_queries,), int64
        Classes of the queries; -1 is never a hit.
    ks : ndarray of int64, ascending
    topk : sequence of int
        1 means the winner of the vote. For larger n, a class counts only if a neighbour voted for it. Among equal totals the
        smaller code comes first, or with tie_break="nearest" the class with the nearest member.
    """
    found = np.empty((len(topk), len(ks), len(truth)), dtype=bool)
    winners, _, _ = vote(labels, weights, ks, n_classes, tie_break=tie_break, n_threads=n_threads)
    found[:] = (winners == truth[:, None]).T
    if max(topk) == 1:
        return found
    step = max(1, _VOTED_AT_ONCE // n_classes)
    for first in range(0, len(truth), step):
        some = slice(first, first + step)
        of_some, weights_of_some = np.ascontiguousarray(labels[some]), None if weights is None else weights[some]
        places = _first_places(of_some, n_classes) if tie_break == "nearest" else np.arange(n_classes)[None]
        for at in range(len(ks)):
            totals = vote(
                of_some,
                weights_of_some,
                ks[at : at + 1],
                n_classes,
                tie_break=tie_break,
                n_threads=n_threads,
                with_totals=True,
            )[2]
            before = classes_before(totals, truth[some], places, are_votes=True)
            for of_n, n in zip(found, topk, strict=True):
                if n > 1:
                    of_n[at, some] |= before < n
    return found


def _first_places(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """The first position of each class among the neighbours, (n_queries, n_classes); k if it does not occur."""
    n_queries, k = labels.shape
    places = np.full((n_queries, n_classes), k, dtype=np.int64)
    for place in range(k - 1, -1, -1):
        places[np.arange(n_queries), labels[:, place]] = place
    return places
