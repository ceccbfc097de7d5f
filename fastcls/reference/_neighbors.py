"""The definitions that every fast path of fastcls must match, in plain NumPy.

Nothing here is fast or clever: it is the oracle of the tests, and course material.

Arithmetic
    Pairs of uint8 rows and pairs of int8 rows: exact integers. All other pairs: float64, each operation rounded, feature
    ``i`` added in lane ``i mod 8``, lanes added as ``((0+4)+(2+6)) + ((1+5)+(3+7))``.
    Squares below float64's range are 0, so float64 rows closer than about 1e-162 have squared distance 0 and are ordered
    by index. Under cosine, rows whose own squares underflow are refused.
Order
    Neighbours are ordered by ``(S, training index)``. S is the rank distance, before any square root.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "LectureNearestNeighbor",
    "distances",
    "kneighbors",
    "lane_sum",
    "radius_neighbors",
    "rank_distances",
    "vote",
    "vote_labels",
    "vote_weights",
]

#: types whose distances are computed in integers, exactly
EXACT_INTEGERS = (np.dtype(np.uint8), np.dtype(np.int8))


def lane_sum(terms: ArrayLike) -> np.ndarray:
    """Sum of `terms` along the last axis, in the order that defines fastcls's float arithmetic.

    Parameters
    ----------
    terms : ndarray of shape (..., n_features), float64

    Returns
    -------
    ndarray of shape (...)
    """
    terms = np.asarray(terms, dtype=np.float64)
    n_features = terms.shape[-1]
    steps = np.zeros((*terms.shape[:-1], 1 + -(-n_features // 8), 8))  # the first step is zero
    steps.reshape(*terms.shape[:-1], -1)[..., 8 : 8 + n_features] = terms
    lanes = np.cumsum(steps, axis=-2)[..., -1, :]  # sequential, never pairwise
    a, b, c, d, e, f, g, h = np.moveaxis(lanes, -1, 0)
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


def _common(x: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Both operands in the arithmetic of their pair (int64 for equal byte types, else float64), and its sum."""
    exact = x.dtype == Y.dtype and x.dtype in EXACT_INTEGERS
    if exact:
        return x.astype(np.int64), Y.astype(np.int64), lambda t: t.sum(axis=-1)
    return _as_float64(x), _as_float64(Y), lane_sum


def _as_float64(x: np.ndarray) -> np.ndarray:
    """Values in float64, exactly. NumPy has no bfloat16: it is the upper half of a float32, in two bytes of type V2."""
    if x.dtype == np.dtype("V2"):
        x = (x.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return x.astype(np.float64)


def l1(x: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Sum of absolute differences of a row to every row of Y.

    Parameters
    ----------
    x : ndarray of shape (n_features,)
    Y : ndarray of shape (n_rows, n_features)

    Returns
    -------
    S : ndarray of shape (n_rows,), float64
    """
    x, Y, add = _common(x, Y)
    return add(np.abs(x - Y)).astype(np.float64)


def squared_l2(x: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Sum of squared differences of a row to every row of Y.

    Parameters
    ----------
    x : ndarray of shape (n_features,)
    Y : ndarray of shape (n_rows, n_features)

    Returns
    -------
    S : ndarray of shape (n_rows,), float64
    """
    x, Y, add = _common(x, Y)
    difference = x - Y
    return add(difference * difference).astype(np.float64)


def cosine(x: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Cosine distance of a row to every row of Y, in [0, 2].

    ``min(2, max(0, 1 - D / (sqrt(A) sqrt(B))))`` with D = x.y, A = x.x, B = y.y in the arithmetic of the module. Bitwise
    equal non-zero rows have distance 0; a zero row has distance 1 to every row.

    Parameters
    ----------
    x : ndarray of shape (n_features,)
    Y : ndarray of shape (n_rows, n_features)

    Returns
    -------
    S : ndarray of shape (n_rows,), float64
    """
    x, Y, add = _common(x, Y)
    D = add(x * Y).astype(np.float64)
    A = add(x * x).astype(np.float64)
    B = add(Y * Y).astype(np.float64)
    zero = (A == 0) | (B == 0)
    S = 1 - D / np.where(zero, 1.0, np.sqrt(A) * np.sqrt(B))
    S = np.where(zero, 1.0, np.minimum(2.0, np.maximum(0.0, S)))
    same = np.array([x.tobytes() == row.tobytes() for row in Y], dtype=bool)  # conversion keeps different bits different
    S[same & bool(np.any(x != 0))] = 0.0
    return S


_RANK_DISTANCES = {"l1": l1, "l2": squared_l2, "sqeuclidean": squared_l2, "cosine": cosine}
_DISTANCES = {"l2": np.sqrt}  # for every other metric S is the distance


def rank_distances(Q: np.ndarray, X: np.ndarray, metric: str) -> np.ndarray:
    """The rank distance S of every pair: the number that orders neighbours, before any square root.

    Parameters
    ----------
    Q : ndarray of shape (n_queries, n_features)
    X : ndarray of shape (n_rows, n_features)
    metric : {"l1", "l2", "sqeuclidean", "cosine"}

    Returns
    -------
    S : ndarray of shape (n_queries, n_rows), float64
    """
    rule = _RANK_DISTANCES[metric]
    return np.array([rule(x, X) for x in Q]).reshape(len(Q), len(X))


def distances(S: np.ndarray, metric: str) -> np.ndarray:
    """Distances from rank distances: for ``"l2"`` the root, otherwise S itself.

    Parameters
    ----------
    S : ndarray, float64
    metric : {"l1", "l2", "sqeuclidean", "cosine"}

    Returns
    -------
    ndarray of the same shape, float64
    """
    return _DISTANCES[metric](S) if metric in _DISTANCES else S


def kneighbors(
    Q: np.ndarray,
    X: np.ndarray,
    k: int,
    metric: str = "l2",
    query_groups: np.ndarray | None = None,
    row_groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of `X` for every row of `Q`, by sorting all distances.

    Parameters
    ----------
    Q : ndarray of shape (n_queries, n_features)
    X : ndarray of shape (n_rows, n_features)
    k : int
    metric : {"l1", "l2", "sqeuclidean", "cosine"}
    query_groups, row_groups : ndarray of shape (n_queries,) and (n_rows,), optional
        A query never sees a row of its own group.

    Returns
    -------
    distances : ndarray of shape (n_queries, k), float64
    indices : ndarray of shape (n_queries, k), int64
    """
    S = rank_distances(Q, X, metric)
    if query_groups is not None:
        S = np.where(np.asarray(query_groups)[:, None] == np.asarray(row_groups)[None, :], np.inf, S)
    indices = np.argsort(S, axis=1, kind="stable")[:, :k].astype(np.int64)
    return distances(np.take_along_axis(S, indices, axis=1), metric), indices


def radius_neighbors(
    Q: np.ndarray, X: np.ndarray, radius: float, metric: str = "l2"
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The rows of `X` whose distance from a row of `Q` is at most `radius`, nearest first, by computing all distances.

    The distance that is compared is the one that is returned: for L2 the rounded root, and not its square.

    Parameters
    ----------
    Q : ndarray of shape (n_queries, n_features)
    X : ndarray of shape (n_rows, n_features)
    radius : float
    metric : {"l1", "l2", "sqeuclidean", "cosine"}

    Returns
    -------
    distances : list of ndarray, float64
        One array per query.
    indices : list of ndarray, int64
    """
    found, indices = [], []
    for S in rank_distances(Q, X, metric):
        order = np.argsort(S, kind="stable").astype(np.int64)
        of_rows = distances(S[order], metric)
        found.append(of_rows[of_rows <= radius])
        indices.append(order[of_rows <= radius])
    return found, indices


def vote_weights(
    neighbor_distances: np.ndarray,
    weights: str | Callable[[np.ndarray], ArrayLike] = "uniform",
    temperature: float = 0.07,
    metric: str = "l2",
) -> np.ndarray:
    """The weight of every neighbour's vote, one query and one neighbour at a time.

    Parameters
    ----------
    neighbor_distances : ndarray of shape (n_queries, k), float64
    weights : {"uniform", "distance", "softmax"} or callable
        ``uniform``: 1. ``distance``: 1/d; if d is 0 (or so small that 1/d is infinite) for any neighbour, only such
        neighbours vote, with weight 1. ``softmax``: ``exp((s - s_max) / temperature)`` with s = 1 - d for cosine and -d
        otherwise. A callable gets all distances at once.
    temperature : float
        For ``softmax``.
    metric : str
        For ``softmax``.

    Returns
    -------
    ndarray of shape (n_queries, k), float64

    Raises
    ------
    ValueError
        If `weights` is unknown.
    """
    if callable(weights):
        return np.asarray(weights(neighbor_distances), dtype=np.float64)
    result = np.ones(np.shape(neighbor_distances))
    for i, d in enumerate(neighbor_distances):
        if weights == "distance":
            with np.errstate(divide="ignore", over="ignore", under="ignore"):
                inverse = [1.0 / value for value in d]
            alone = np.inf in inverse
            result[i] = [float(value == np.inf) if alone else value for value in inverse]
        elif weights == "softmax":
            s = [1.0 - value if metric == "cosine" else -value for value in d]
            result[i] = [np.exp((value - max(s)) / temperature) for value in s]
        elif weights != "uniform":
            raise ValueError(f"weights={weights!r}; wanted uniform, distance, softmax or a function of distances")
    return result


def vote(
    labels: np.ndarray, weights: np.ndarray, n_classes: int, tie_break: str = "smallest"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted majority vote of the neighbours' class codes, in plain loops.

    Parameters
    ----------
    labels : ndarray of shape (n_queries, k), int64
        Class codes of the neighbours, nearest first.
    weights : ndarray of shape (n_queries, k), float64
    n_classes : int
    tie_break : {"smallest", "nearest"}
        The smallest tied class, or the tied class with the nearest member.

    Returns
    -------
    winners : ndarray of shape (n_queries,), int64
    totals : ndarray of shape (n_queries, n_classes), float64
        The weights of each class summed in neighbour order.
    tied : ndarray of shape (n_queries,), bool
    """
    n_queries = len(labels)
    totals = np.zeros((n_queries, n_classes))
    winners = np.zeros(n_queries, dtype=np.int64)
    tied = np.zeros(n_queries, dtype=bool)
    for i in range(n_queries):
        for label, weight in zip(labels[i], weights[i], strict=True):
            totals[i, label] += weight
        best = [c for c in range(n_classes) if totals[i, c] == totals[i].max()]
        tied[i] = len(best) > 1
        winners[i] = best[0] if tie_break == "smallest" else next(label for label in labels[i] if label in best)
    return winners, totals, tied


def vote_labels(
    labels: np.ndarray, weights: np.ndarray, tie_break: str = "smallest"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A vote for each of several labels per row: whether a query has it.

    Parameters
    ----------
    labels : ndarray of shape (n_queries, k, n_labels), integers
        1 where a neighbour has the label, else 0; nearest first.
    weights : ndarray of shape (n_queries, k), float64
    tie_break : {"smallest", "nearest"}
        If the label has exactly half of the weight: 0, or the value of the nearest neighbour.

    Returns
    -------
    given : ndarray of shape (n_queries, n_labels), bool
    shares : ndarray of shape (n_queries, n_labels), float64
        The weight of the neighbours with the label as a share of all weight; one half if all weights are 0.
    tied : ndarray of shape (n_queries, n_labels), bool
    """
    n_queries, _, n_labels = labels.shape
    given, tied = np.zeros((n_queries, n_labels), dtype=bool), np.zeros((n_queries, n_labels), dtype=bool)
    shares = np.zeros((n_queries, n_labels))
    for label in range(n_labels):
        winners, totals, tied[:, label] = vote(labels[:, :, label], weights, 2, tie_break)
        given[:, label] = winners == 1
        for i, (without, having) in enumerate(totals):
            shares[i, label] = having / (without + having) if without + having else 0.5
    return given, shares, tied


class LectureNearestNeighbor:
    """The classifier on the lecture's slide: stores the training rows, predicts the label of the nearest one under L1.

    It is as on the slide, with one fix: there, ``np.abs(Xtr - x)`` on uint8 wraps around (3 - 5 is 254). On CIFAR-10 the
    right differences have about 38.6 % accuracy, the wrapped ones about 24.9 %.

    Parameters
    ----------
    wrap : bool
        Keep that mistake, for demonstration.
    """

    def __init__(self, wrap: bool = False) -> None:
        self.wrap = wrap

    def train(self, X: np.ndarray, y: np.ndarray) -> None:
        """Store the training data.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
        y : ndarray of shape (n_rows,)
        """
        self.Xtr = X
        self.ytr = y

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict the label of the nearest training row for every query.

        Parameters
        ----------
        X : ndarray of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)
            Of the type of the labels.
        """
        Xtr = self.Xtr if self.wrap else self.Xtr.astype(np.int64)
        Ypred = np.zeros(X.shape[0], dtype=self.ytr.dtype)
        for i in range(X.shape[0]):
            row = X[i, :] if self.wrap else X[i, :].astype(np.int64)
            total = np.sum(np.abs(Xtr - row), axis=1)
            Ypred[i] = self.ytr[np.argmin(total)]
        return Ypred
