"""Columns that may be no features, or outweigh the others: they are read as such, and a note says why that may be wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls.datasets._common import note
from fastcls.datasets._row_names import only_if_different

_TIME = re.compile(
    r"((date|unix)?[ _-]?time|time[ _-]?stamp|date|ts|(created|updated|modified)([ _-]?(at|on))?)([ _-](s|ms|us|ns))?"
)
_LEAST_ROWS = 10
_LEAST_RISING = 50  # rows in a row that rise by chance once in 50! orders
_LOOKED_AT = 64  # first rows by which most columns are told to be features
_MOST_ROWS, _MOST_VALUES = 2048, 1 << 22  # of the sample, evenly spaced, by which the others are told
_MOST_IDS = 4  # columns of whole numbers, all different, that may be ids; more are measurements
_NEARLY = 0.999  # share of rows that have the value of their class in a copy of the label with a few changes
_SHARE, _TIMES = 0.9, 10.0  # of the squared distances, and of the spread of any other column, of columns that outweigh them
_LEAST_SPREAD = 1e-9  # of the widest: below, a column has rounding errors only


class _Columns(NamedTuple):
    """How notes call the columns: by their names, or else by their numbers; a table can leave out those with names."""

    where: str
    names: Sequence[str]
    can_drop: bool

    def called(self, columns: Sequence[int]) -> str:
        """``'a', 'b'`` or ``columns 3, 5``, the first four."""
        if self.names:
            return quoted_list([self.names[column] for column in columns], 4)
        more = f" and {len(columns) - 4} more" if len(columns) > 4 else ""
        return f"{'column' if len(columns) == 1 else 'columns'} {', '.join(map(str, columns[:4]))}{more}"

    def way(self, columns: Sequence[int]) -> str:
        """How to leave columns out."""
        more = ", ..." if len(columns) > 4 else ""
        if self.names and self.can_drop:
            return f"give drop=[{', '.join(quoted(self.names[column]) for column in columns[:4])}{more}]"
        them, listed = "it" if len(columns) == 1 else "them", ", ".join(map(str, columns[:4]))
        return f"leave {them} out (numpy.delete(X, [{listed}{more}], 1))"

    def doubt(self, columns: Sequence[int], said: str) -> None:
        """Note what is said of columns, and how to leave them out if they are no features."""
        read = (
            "it is read as a feature: if it is none" if len(columns) == 1 else "they are read as features: if they are none"
        )
        note(f"{self.where}: {said}; {read}, {self.way(columns)}")


def note_doubtful(
    where: str, X: np.ndarray, y: np.ndarray | None, names: Sequence[str] = (), *, can_drop: bool = False
) -> None:
    """Note features that count the rows, rise with them, are called times or ids, copy the label, or outweigh the others.

    Parameters
    ----------
    where : str
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,), or None
        Labels.
    names : sequence of str
        Of the columns of `X`; none if they have no names.
    can_drop : bool
        Whether ``drop=`` takes their names.
    """
    if len(X) < _LEAST_ROWS or X.dtype.kind not in "iuf":
        return
    columns = _Columns(where, names if len(names) == X.shape[1] else (), can_drop)
    counting = _counting(X)
    for column in counting:
        what = columns.called([column])
        what = f"the column {what}" if columns.names else what
        columns.doubt([column], f"{what} counts its {counted(len(X), 'row')}")
    rising = [column for column in _rising(X) if column not in counting]
    called = [c for c, name in enumerate(columns.names) if _TIME.fullmatch(name.strip().lower())]
    if times := sorted({*rising, *called}.difference(counting)):
        why = "rise or fall from row to row" if set(times) <= set(rising) else "are times, or rise or fall from row to row"
        columns.doubt(times, f"the values of {columns.called(times)} {why}")
    copies = note_copies(where, X, y, names, can_drop=can_drop)
    known = {*counting, *times, *copies}
    if columns.names and (ids := [column for column in _like_ids(X, columns.names) if column not in known]):
        are = "is called as an id, or has" if len(ids) == 1 else "are called as ids, or have"
        columns.doubt(ids, f"{columns.called(ids)} {are} another whole number in each row")
    if (found := _outweighing(X, known)) is not None:
        heavy, share, times_as_wide = found
        make, their = ("makes", "its values vary") if len(heavy) == 1 else ("make", "their values vary")
        note(
            f"{where}: {columns.called(heavy)} {make} up {_percent(share)} of the squared distances between rows, because "
            f"{their} {times_as_wide:,.0f} times as much as those of any other column: standardise the columns, or "
            f"{columns.way(heavy)}"
        )


def note_copies(
    where: str, X: np.ndarray, y: np.ndarray | None, names: Sequence[str] = (), *, can_drop: bool = False
) -> list[int]:
    """Note features that are the label, renumbered or with a few changes; return their columns. See `note_doubtful`."""
    if y is None or len(y) != len(X) or X.dtype.kind not in "iuf":
        return []
    try:
        classes, first, codes = np.unique(y, return_index=True, return_inverse=True)
    except TypeError:  # text and numbers, which are refused later
        return []
    if len(classes) < 2 or len(X) < _LEAST_ROWS + 2 * len(classes):
        return []
    columns, codes = _Columns(where, names if len(names) == X.shape[1] else (), can_drop), codes.reshape(-1)
    copies = _same_in_class(X, first, codes)
    if copies:
        has = "has one value" if len(copies) == 1 else "have one value each"
        columns.doubt(copies, f"{columns.called(copies)} {has} in all rows of a class, as a copy of the label has")
    nearly = [column for column in _nearly_labels(X, codes, len(classes)) if column not in copies]
    if nearly:
        has = "has" if len(nearly) == 1 else "have"
        columns.doubt(
            nearly,
            f"{columns.called(nearly)} {has} a value for each class, right for {100 * _NEARLY:g} % of the rows or more",
        )
    return [*copies, *nearly]


def _percent(share: float) -> str:
    return f"{min(99.9, 100 * share):.1f} %"


def _sample(X: np.ndarray) -> slice:
    """Evenly spaced rows: few enough to be read at once."""
    wanted = max(256, min(_MOST_ROWS, _MOST_VALUES // X.shape[1]))
    return slice(0, len(X), max(1, len(X) // wanted))


def _counting(X: np.ndarray) -> list[int]:
    """Columns that are 0, 1, 2, ... or 1, 2, 3, ..."""
    first, last = X[0].astype(np.float64), X[-1].astype(np.float64)
    ends = np.flatnonzero(((first == 0) | (first == 1)) & (last - first == len(X) - 1)).tolist()
    return [column for column in ends if np.array_equal(X[:, column], first[column] + np.arange(len(X)))]


def _rising(X: np.ndarray) -> list[int]:
    """Columns whose values rise from each row to the next, or fall."""
    if len(X) < _LEAST_RISING:
        return []
    some = X[:_LOOKED_AT]
    likely = np.flatnonzero((some[1:] > some[:-1]).all(axis=0) | (some[1:] < some[:-1]).all(axis=0)).tolist()
    return [c for c in likely if bool((X[1:, c] > X[:-1, c]).all()) or bool((X[1:, c] < X[:-1, c]).all())]


def _like_ids(X: np.ndarray, names: Sequence[str]) -> list[int]:
    """Columns that are called as ids, and a few with another whole number in each row."""
    called = [column for column, name in enumerate(names) if only_if_different(name)]
    if len(X) < _LEAST_RISING:
        return called
    some = X[:_LOOKED_AT].astype(np.float64)
    likely = _all_different(some, np.flatnonzero((np.floor(some) == some).all(axis=0)).tolist())
    likely = [column for column in likely if bool((np.floor(values := X[:, column]) == values).all())]
    others = [column for column in _all_different(X, likely) if column not in called]
    return sorted([*called, *(others if len(others) <= _MOST_IDS else [])])


def _all_different(X: np.ndarray, columns: Iterable[int]) -> list[int]:
    return [column for column in columns if len(np.unique(X[:, column])) == len(X)]


def _same_in_class(X: np.ndarray, first: np.ndarray, codes: np.ndarray) -> list[int]:
    """Columns that have one value in each class, and not the same in all; `first` are the first rows of the classes."""
    likely = np.flatnonzero((X[first] != X[first[0]]).any(axis=0))
    for rows in (_sample(X), slice(None)):
        if len(likely):
            likely = likely[(X[rows][:, likely] == X[first[codes[rows]]][:, likely]).all(axis=0)]
    return likely.tolist()


def _nearly_labels(X: np.ndarray, codes: np.ndarray, n_classes: int) -> list[int]:
    """Columns with as many values as there are classes, nearly each of which stands for one class."""
    rows = _sample(X)
    some, of = X[rows], codes[rows]
    if len(some) < 2 * n_classes:
        return []
    ordered = np.sort(some, axis=0)
    n_values = 1 + (ordered[1:] != ordered[:-1]).sum(axis=0)
    n_there = len(np.unique(of))
    likely = np.flatnonzero((n_values <= n_classes) & (n_values >= max(2, n_there - 2))).tolist()
    likely = [column for column in likely if _share_of_one_class(some[:, column], of)[1] >= 1 - 10 * (1 - _NEARLY)]
    found = []
    for column in likely:
        n_named, share = _share_of_one_class(X[:, column], codes)
        if n_named == n_classes and share >= _NEARLY:
            found.append(column)
    return found


def _share_of_one_class(values: np.ndarray, codes: np.ndarray) -> tuple[int, float]:
    """The number of classes that are the most frequent one of some value, and the share of rows of these classes.

    No class counts if there are more values than classes.
    """
    known, places = np.unique(values, return_inverse=True)
    counts = np.zeros((len(known), int(codes.max()) + 1), np.int64)
    np.add.at(counts, (places.reshape(-1), codes), 1)
    n_named = len(np.unique(counts.argmax(axis=1))) if len(known) <= counts.shape[1] else 0
    return n_named, float(counts.max(axis=1).sum()) / len(values)


def _outweighing(X: np.ndarray, known: Collection[int] = ()) -> tuple[list[int], float, float] | None:
    """A few columns that make up nearly all of the distances between rows: their share, and how much wider they spread.

    The spread of a column is the standard deviation of its values, with those below the 1st percentile and above the 99th
    moved there, so that a few rows do not decide. The mean squared distance of two rows is twice the sum of its squares.
    Columns that are `known`, and noted, do not count.
    """
    if X.shape[1] < 2:
        return None
    some = X[_sample(X)].astype(np.float64)
    low, high = np.percentile(some, (1, 99), axis=0)
    spread = np.clip(some, low, high, out=some).std(axis=0)
    spread[list(known)] = 0.0
    order = np.argsort(-spread, kind="stable")
    widest, total = spread[order], float((spread**2).sum())
    for n in range(1, max(min(X.shape[1] // 2, 8), X.shape[1] // 4) + 1):
        if not widest[n] > _LEAST_SPREAD * widest[0]:
            return None  # the others have one value
        share = float((widest[:n] ** 2).sum()) / total
        if widest[n - 1] >= _TIMES * widest[n] and share >= _SHARE:
            return sorted(order[:n].tolist()), share, float(widest[n - 1] / widest[n])
    return None
