"""From neighbours and the true classes to numbers of right answers, for every k of one search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._voting import Weights, vote, weights_of
from .metrics import METRICS

_VOTED_AT_ONCE = 1 << 21  # totals, (n_queries, n_classes) of them: 16 MB


def judge(
    S: np.ndarray, indices: np.ndarray, codes: np.ndarray, truth: np.ndarray, ks: np.ndarray, n_classes: int, metric: str,
    n_threads: int, *, weights: Weights = "uniform", temperature: float | None = None, tie_break: str = "smallest",
    topk: Sequence[int] = (1, 5),
) -> list[np.ndarray]:
    """How many queries have their class among the first n, for every n of `topk`: int64 arrays (n_ks,).

    Parameters
    ----------
    S, indices : ndarray of shape (n_queries, k_max)
    codes : ndarray
        Classes of the training rows.
    truth : ndarray of shape (n_queries,)
        Classes of the queries; -1 is never right.
    ks : ndarray of int64, ascending
    topk : sequence of int
        1 is the vote's answer; for more, a class counts only if a neighbour voted for it, and of equal totals the smaller
        code comes first.
    """
    found = [np.zeros(len(ks), dtype=np.int64) for _ in topk]
    step = max(1, _VOTED_AT_ONCE // n_classes)
    for first in range(0, len(truth), step):
        some = slice(first, first + step)
        labels, right = codes[indices[some]], truth[some]
        shares = weights_of(METRICS[metric].finish(S[some].copy()), weights, temperature or 1.0, metric)
        winners, _, _ = vote(labels, shares, ks, n_classes, tie_break=tie_break, n_threads=n_threads)
        at_once = (winners == right[:, None]).sum(axis=0)
        for place in range(len(ks)):
            totals = None
            for of_n, n in zip(found, topk, strict=True):
                if n == 1:
                    of_n[place] += int(at_once[place])
                    continue
                if totals is None:
                    one = ks[place : place + 1]
                    totals = vote(
                        labels, shares, one, n_classes, tie_break=tie_break, n_threads=n_threads, with_totals=True
                    )[2]
                of_n[place] += int(np.count_nonzero(_among_first(totals, right, min(n, int(ks[place])))))
    return found


def _among_first(totals: np.ndarray, right: np.ndarray, n: int) -> np.ndarray:
    """Whether the right class got a vote and is among the n with the highest totals, of equals the smaller code."""
    own = np.where(right >= 0, totals[np.arange(len(right)), right], 0.0)[:, None]
    before = totals > own
    before |= (totals == own) & (np.arange(totals.shape[1]) < right[:, None])
    return (before.sum(axis=1) < n) & (own[:, 0] > 0)
