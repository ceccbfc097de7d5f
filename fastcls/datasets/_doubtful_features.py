"""Columns of a table that may be no features: they are read as such, and a note says why that may be wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls.datasets._common import note

_TIME = re.compile(
    r"((date|unix)?[ _-]?time|time[ _-]?stamp|date|ts|(created|updated|modified)([ _-]?(at|on))?)([ _-](s|ms|us|ns))?"
)
_LEAST_ROWS = 10
_LEAST_RISING = 50  # rows in a row that rise by chance once in 50! orders
_LOOKED_AT = 64  # rows of each class, and first rows, by which most columns are told to be features


def note_doubtful(where: str, names: Sequence[str], X: np.ndarray, y: np.ndarray | None) -> None:
    """Note features that count the rows, rise with them, are called times, or are the same in all rows of a class.

    Parameters
    ----------
    where : str
    names : sequence of str
        Of the columns of `X`. Nothing is noted where they are not known.
    X : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,), or None
        Labels.
    """
    if len(X) < _LEAST_ROWS or X.dtype.kind not in "iuf" or len(names) != X.shape[1]:
        return
    counting = _counting(X)
    for column in counting:
        what = f"the column {quoted(names[column])} counts its {counted(len(X), 'row')}"
        note(f"{where}: {what}; {_read([names[column]])}")
    rising = [column for column in _rising(X) if column not in counting]
    times = [
        c for c, name in enumerate(names) if c not in counting and (c in rising or _TIME.fullmatch(name.strip().lower()))
    ]
    if times:
        them = [names[column] for column in times]
        why = "rise or fall from row to row" if set(times) <= set(rising) else "are times, or rise or fall from row to row"
        note(f"{where}: the values of {quoted_list(them, 4)} {why}; {_read(them)}")
    if y is not None and len(y) == len(X) and (copies := [names[column] for column in _same_in_class(X, y)]):
        has = "has one value" if len(copies) == 1 else "have one value each"
        note(f"{where}: {quoted_list(copies, 4)} {has} in all rows of a class, as a copy of the label has; {_read(copies)}")


def _read(names: Sequence[str]) -> str:
    listed = ", ".join(map(quoted, names[:4])) + (", ..." if len(names) > 4 else "")
    if len(names) == 1:
        return f"it is read as a feature: if it is none, give drop=[{listed}]"
    return f"they are read as features: if they are none, give drop=[{listed}]"


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


def _same_in_class(X: np.ndarray, y: np.ndarray) -> list[int]:
    """Columns that have one value in each class, and not the same in all."""
    classes, first, codes = np.unique(y, return_index=True, return_inverse=True)
    codes = codes.reshape(-1)
    if len(classes) < 2 or len(X) < _LEAST_ROWS + 2 * len(classes):
        return []
    likely = np.flatnonzero((X[first] != X[first[0]]).any(axis=0))
    for rows in (slice(0, len(X), max(1, len(X) // (_LOOKED_AT * len(classes)))), slice(None)):
        if len(likely):
            likely = likely[(X[rows][:, likely] == X[first[codes[rows]]][:, likely]).all(axis=0)]
    return likely.tolist()
