"""Exact and near duplicates: within a set of rows, or between two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fastcls._runtime import threads
from fastcls._search.radius import Kept, within
from fastcls._search.report import SearchReport
from fastcls._search.rows import Rows
from fastcls._validation.base import check_number
from fastcls._validation.messages import counted
from fastcls._validation.rows import check_rows, check_same_names, check_same_width
from fastcls.metrics import METRICS, check_magnitude, check_metric

__all__ = ["Duplicates", "duplicates"]

#: bytes of a pair at the peak, when the pairs are sorted: S, both rows, the order, and one sorted copy
_PEAK_BYTES = 40


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Duplicates:
    """Pairs of rows within a radius, nearest first, then by their indices.

    Attributes
    ----------
    pairs : ndarray of shape (n_pairs, 2), int64
        Two rows of `X`, the smaller index first; or, between two sets, a row of `X` and a row of `Y`.
    distances : ndarray of shape (n_pairs,), float64
    groups : list of ndarray, or None between two sets
        Rows of `X` that pairs connect, directly or through other rows: ascending indices, in the order of the first. To
        keep one row of each group, remove ``rows[1:]`` of every ``rows`` in it.
    report : SearchReport
    """

    pairs: np.ndarray
    distances: np.ndarray
    report: SearchReport
    _n_rows: int | None = None

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def __repr__(self) -> str:
        if self.groups is None:
            n_x, n_y = (len(np.unique(rows)) for rows in self.pairs.T)
            return f"<Duplicates: {counted(len(self), 'pair')} of {counted(n_x, 'row')} of X and {counted(n_y, 'row')} of Y>"
        n_rows = sum(map(len, self.groups))
        of_groups = f"{counted(n_rows, 'row')} in {counted(len(self.groups), 'group')}"
        return f"<Duplicates: {counted(len(self), 'pair')}, {of_groups}>"

    @cached_property
    def groups(self) -> list[np.ndarray] | None:
        """Rows of `X` that pairs connect: ascending indices, in the order of the first.

        Returns
        -------
        list of ndarray, or None between two sets
        """
        if self._n_rows is None:
            return None
        rows, at = np.unique(self.pairs, return_inverse=True)
        first, second = at.reshape(self.pairs.shape).T
        graph = coo_matrix((np.ones(len(first), dtype=np.int8), (first, second)), shape=(len(rows), len(rows)))
        _, group = connected_components(graph, directed=False)
        order = np.argsort(group, kind="stable")
        cuts = np.flatnonzero(np.diff(group[order])) + 1
        return sorted(np.split(rows[order], cuts), key=lambda rows: int(rows[0])) if len(rows) else []


def duplicates(X: Any, Y: Any = None, radius: float = 0, metric: str = "l2", *, n_jobs: int | None = None) -> Duplicates:
    """Find the pairs of rows whose distance is at most `radius`: exactly, among all pairs.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
    Y : array-like of shape (n_other_rows, n_features), optional
        Search for rows of `X` and rows of `Y` that are duplicates of each other, such as training and test rows. None:
        within `X`, every pair once.
    radius : float, default=0
        0 finds rows that are equal, a larger one near duplicates. Under "cosine", 0 also finds rows of the same direction,
        as far as rounding allows, but no rows of zeros, which have none.
    metric : {"l1", "l2", "sqeuclidean", "cosine"}, default="l2"
    n_jobs : int, optional
        Threads. The answer does not depend on it.

    Returns
    -------
    Duplicates
        With `pairs`, `distances` and `groups`.

    Raises
    ------
    InputError
        If rows are not finite numbers of one width, the radius is negative, infinite or NaN, the metric is unknown, or the
        pairs do not fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcls import duplicates
    >>> found = duplicates(np.array([[1, 2], [9, 9], [1, 2], [1, 3]]), radius=1)
    >>> found.pairs.tolist(), found.distances.tolist()
    ([[0, 2], [0, 3], [2, 3]], [0.0, 1.0, 1.0])
    >>> [rows.tolist() for rows in found.groups]
    [[0, 2, 3]]
    """
    name = check_metric(metric)
    radius = float(check_number("radius", radius, minimum=0))
    n_threads = threads.effective(n_jobs)
    rows = check_rows(X, "X")
    check_magnitude(rows.rows, "X", name)
    queries = None
    if Y is not None:
        others = check_rows(Y, "Y")
        check_same_names(others, rows, "Y", "X")
        check_same_width(others.rows, rows.rows, "Y")
        check_magnitude(others.rows, "Y", name)
        queries = Rows.of(others)
    keep: Kept = "all" if queries is not None else "earlier"  # every pair is found from both of its rows: keep one
    found = within(Rows.of(rows), queries, radius, name, n_threads=n_threads, keep=keep, peak_bytes=_PEAK_BYTES)
    S, first, second, report = found.S, found.indices, found.queries(), found.report
    del found  # at most 40 bytes a pair from here on: one array is sorted, and its unsorted one freed, after the other
    order = np.lexsort((second, first, S))
    S = S[order]
    first = first[order]
    second = second[order]
    del order
    pairs = np.stack([first, second], axis=1)
    del first, second
    return Duplicates(pairs, METRICS[name].to_distance(S), report, None if queries is not None else len(rows.rows))
