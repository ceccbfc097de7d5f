"""From neighbours to several labels per row: each label is a vote of its own. ``reference/_neighbors.py`` defines it."""

from __future__ import annotations

import numpy as np

__all__ = ["vote_labels"]

_VOTED_AT_ONCE = 1 << 18  # entries (n_queries, n_labels): 2 MB each for the weights with and without a label


def vote_labels(
    indices: np.ndarray, weights: np.ndarray | None, labels: np.ndarray, *, tie_break: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which labels the neighbours vote for: those that more than half of the weight has. Input is trusted.

    Parameters
    ----------
    indices : ndarray of shape (n_queries, k), int64, nearest first
        Rows of `labels`.
    weights : ndarray of shape (n_queries, k), float64, or None: every weight is 1
    labels : ndarray of shape (n_rows, n_labels), uint8
        0 or 1.
    tie_break : {"smallest", "nearest"}
        Half of the weight: the label is not given (0 is the smaller value, as in scikit-learn), or as the nearest neighbour
        has it.

    Returns
    -------
    given, tied : ndarray of shape (n_queries, n_labels), bool
    shares : ndarray of shape (n_queries, n_labels), float64
        The label's share of the weight; one half if all weights are 0.
    """
    shape = (len(indices), labels.shape[1])
    given, tied, shares = np.empty(shape, bool), np.empty(shape, bool), np.empty(shape)
    step = max(1, _VOTED_AT_ONCE // labels.shape[1])
    for start in range(0, len(indices), step):
        some = slice(start, start + step)
        have, lack = _totals(indices[some], None if weights is None else weights[some], labels)
        given[some], tied[some] = have > lack, have == lack
        if tie_break == "nearest":
            np.copyto(given[some], labels[indices[some, 0]].view(bool), where=tied[some])
        lack += have
        nobody = lack == 0
        np.divide(have, lack, out=shares[some], where=~nobody)
        shares[some][nobody] = 0.5
    return given, tied, shares


def _totals(indices: np.ndarray, weights: np.ndarray | None, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weight of the neighbours that have each label, and of those that lack it, summed in neighbour order."""
    shape, k = (len(indices), labels.shape[1]), indices.shape[1]
    if weights is None:
        counts = np.zeros(shape, dtype=np.int64)
        for place in range(k):
            counts += labels[indices[:, place]]
        return counts.astype(np.float64), (k - counts).astype(np.float64)
    have, lack = np.zeros(shape), np.zeros(shape)
    for place in range(k):
        own, weight = labels[indices[:, place]], weights[:, place, None]
        have += weight * own
        lack += weight * (own ^ 1)
    return have, lack
