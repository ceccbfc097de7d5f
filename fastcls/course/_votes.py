"""What known mistakes return for the vote: the label of every test row from its distances to the training rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._call import Method, call
from ._examined import Examined, array_of, has_shape
from ._mistakes import mistake

_PART = "labels"
_KS = (1, 3, 4, 5, 6)
#: labels of the neighbours, nearest first, and their distances -> the label of the row
Vote = Callable[[np.ndarray, np.ndarray], Any]
#: distances to all rows, their labels, k -> the label of the row
Row = Callable[[np.ndarray, np.ndarray, int], Any]


def most_frequent(labels: np.ndarray, distances: np.ndarray) -> int:
    """The label with the most votes; of several, the smallest."""
    return int(np.argmax(np.bincount(labels)))


def _tied(labels: np.ndarray) -> list[int]:
    counts = np.bincount(labels)
    found: list[int] = np.flatnonzero(counts == counts.max()).tolist()
    return found


def _weighted(labels: np.ndarray, distances: np.ndarray) -> int:
    return int(np.argmax(np.bincount(labels, weights=1.0 / distances)))


def _nearest(vote: Vote = most_frequent, first: int = 0, more: int = 0, descending: bool = False) -> Row:
    """The vote of rows ``first`` to k + ``more`` in the order of their distances."""

    def label(distances: np.ndarray, y: np.ndarray, k: int) -> Any:
        order = np.argsort(-distances if descending else distances, kind="stable")[first : k + more]
        return vote(y[order], distances[order]) if len(order) else 0

    return label


#: (name, label of a row); the right one first
ROWS: tuple[tuple[str, Row], ...] = (
    ("", _nearest()),
    ("ties the wrong way", _nearest(lambda labels, _: _tied(labels)[-1])),
    ("ties the wrong way", _nearest(lambda labels, _: next(label for label in labels if label in _tied(labels)))),
    ("ties the wrong way", _nearest(lambda labels, _: next(label for label in labels[::-1] if label in _tied(labels)))),
    ("farthest neighbours", _nearest(descending=True)),
    ("farthest neighbours", lambda distances, y, k: most_frequent(y[np.argsort(distances, kind="stable")[-k:]], distances)),
    ("k ignored", lambda distances, y, k: y[np.argmin(distances)]),
    ("k - 1 neighbours", _nearest(more=-1)),
    ("k + 1 neighbours", _nearest(more=1)),
    ("nearest left out", _nearest(first=1, more=1)),
    ("nearest left out", _nearest(first=1)),
    ("not sorted", lambda distances, y, k: most_frequent(y[:k], distances)),
    ("mean of the labels", _nearest(lambda labels, _: labels.mean())),
    ("mean of the labels", _nearest(lambda labels, _: int(labels.mean()))),
    ("mean of the labels", _nearest(lambda labels, _: round(labels.mean()))),
    ("mean of the labels", _nearest(lambda labels, _: np.median(labels))),
    ("index in place of label", lambda distances, y, k: np.argsort(distances, kind="stable")[:k].min()),
    ("index in place of label", lambda distances, y, k: np.argmin(distances)),
    ("position in place of label", _nearest(lambda labels, _: np.argmax(np.unique(labels, return_counts=True)[1]))),
    ("position in place of label", _nearest(lambda labels, _: np.argmax(labels))),
    ("number of votes returned", _nearest(lambda labels, _: np.bincount(labels).max())),
    ("smallest label", _nearest(lambda labels, _: labels.min())),
    ("smallest label", _nearest(lambda labels, _: labels.max())),
    ("weighted votes", _nearest(_weighted)),
)


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Distances (n_test, n_train), all different, and labels with many ties."""
    rng = np.random.default_rng(5)
    return rng.permutation(np.arange(1.0, 1.0 + 20 * 30)).reshape(20, 30), rng.permutation(np.arange(30) % 6)


def wrong_axis(distances: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """The labels from the columns in place of the rows, as many as there are rows."""
    return np.array(
        [most_frequent(y[np.argsort(column, kind="stable")[:k]], column) for column in distances.T[: len(distances)]]
    )


def examine(method: Method) -> Examined:
    """Compare a learner's vote with ours.

    Parameters
    ----------
    method : Method

    Returns
    -------
    Examined
    """
    found = Examined()
    distances, y = rows()
    results: list[np.ndarray] = []
    for k in _KS:
        outcome = call(method, "X_train y_train dists", None, y, distances, k=k)
        got = array_of(outcome, _PART, "y_pred", found)
        if got is None or not has_shape(got, (len(distances),), _PART, "(n_test,)", found):
            return found
        results.append(got)
    wanted = [_labels(ROWS[0][1], distances, y, k) for k in _KS]
    found.value_error = float(np.mean([got != right for got, right in zip(results, wanted, strict=True)]))
    if found.value_error == 0:
        return found
    if not any(result.any() for result in results):
        found.add(mistake("not written yet", _PART, "all labels are 0"))
        return found
    found.add(mistake(_name(results, distances, y), _PART, _seen(results, wanted)))
    return found


def _labels(row: Row, distances: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    return np.array([row(one, y, k) for one in distances], dtype=np.float64)


def _name(results: list[np.ndarray], distances: np.ndarray, y: np.ndarray) -> str:
    for name, row in ROWS[1:]:
        if all(np.array_equal(got, _labels(row, distances, y, k)) for got, k in zip(results, _KS, strict=True)):
            return name
    if all(np.array_equal(got, wrong_axis(distances, y, k)) for got, k in zip(results, _KS, strict=True)):
        return "wrong axis"
    for name, kept in (("only the first row", slice(0, 1)), ("only the last row", slice(-1, None))):
        right = [np.zeros(len(distances)) for _ in _KS]
        for labels, k in zip(right, _KS, strict=True):
            labels[kept] = _labels(ROWS[0][1], distances[kept], y, k)
        if all(np.array_equal(got, one) for got, one in zip(results, right, strict=True)):
            return name
    return "differs"


def _seen(results: list[np.ndarray], wanted: list[np.ndarray]) -> str:
    at = next(number for number, (got, right) in enumerate(zip(results, wanted, strict=True)) if (got != right).any())
    row = int((results[at] != wanted[at]).argmax())
    n_wrong = sum(int((got != right).sum()) for got, right in zip(results, wanted, strict=True))
    return (
        f"{n_wrong} of {len(_KS) * len(wanted[0])} labels differ; with k = {_KS[at]} the label of row {row} is "
        f"{results[at][row]:g}, wanted {wanted[at][row]:g}"
    )
