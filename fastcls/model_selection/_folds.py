"""The rows that each fold trains on and those it holds out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut, PredefinedSplit, StratifiedGroupKFold, StratifiedKFold

from fastcls._validation import messages
from fastcls._validation.base import check_random_state
from fastcls._validation.errors import InputError

from ._validation import Split, check_folds, check_groups, check_splits, check_splitter

__all__ = ["Folds", "make_folds"]


@dataclass(frozen=True, eq=False)
class Folds:
    """The splits of a cross-validation.

    Attributes
    ----------
    n_rows : int
    of_row : ndarray of shape (n_rows,), int64, or None
        The fold of every row, if each row is held out once and a fold trains on all rows that it does not hold out.
    splits : tuple of (train, test)
        Row numbers, ascending; empty if `of_row` is given.
    alone : bool
        Whether every row is a fold of its own.
    counted : ndarray of shape (n_rows,), bool, or None
        Rows of weight above 0; the others are in no fold, and their `of_row` has no meaning. None: all rows.
    """

    n_rows: int
    of_row: np.ndarray | None = None
    splits: tuple[Split, ...] = ()
    alone: bool = False
    counted: np.ndarray | None = None

    @property
    def n_counted(self) -> int:
        """Number of rows that are in folds."""
        return self.n_rows if self.counted is None else int(np.count_nonzero(self.counted))

    @property
    def n_folds(self) -> int:
        if self.of_row is None:
            return len(self.splits)
        return self.n_counted if self.alone else int(self.of_row.max()) + 1

    def held_out(self) -> np.ndarray:
        """Number of rows that each fold holds out, int64 (n_folds,)."""
        if self.of_row is not None:
            return np.bincount(self.of_row if self.counted is None else self.of_row[self.counted])
        return np.array([len(test) for _, test in self.splits])

    def trained_on(self, rows: np.ndarray) -> np.ndarray:
        """Number of the given rows, bool (n_rows,), that each fold trains on: int64 (n_folds,)."""
        if self.of_row is None:
            return np.array([np.count_nonzero(rows[train]) for train, _ in self.splits])
        return np.count_nonzero(rows) - np.bincount(self.of_row[rows], minlength=self.n_folds)

    def training_rows(self, fold: int) -> np.ndarray:
        """Whether the fold trains on each row: bool (n_rows,)."""
        if self.of_row is not None:
            return (self.of_row != fold) & (True if self.counted is None else self.counted)
        trains = np.zeros(self.n_rows, dtype=bool)
        trains[self.splits[fold][0]] = True
        return trains

    def split(self, fold: int) -> Split:
        """(train, test): row numbers of this fold, ascending."""
        if self.of_row is None:
            return self.splits[fold]
        held = (self.of_row == fold) & (True if self.counted is None else self.counted)
        return np.flatnonzero(self.training_rows(fold)), np.flatnonzero(held)


def make_folds(
    cv: Any,
    y: np.ndarray,
    codes: np.ndarray,
    groups: Any = None,
    random_state: Any = None,
    *,
    counted: np.ndarray | None = None,
) -> Folds:
    """Build the folds.

    Parameters
    ----------
    cv : int, "loo", splitter or iterable of (train, test)
        A number: stratified, shuffled folds that keep groups together. "loo": leave out one row at a time, or with groups
        one group.
    y, codes : ndarray of shape (n_rows,)
        Labels, and their codes.
    groups : array-like of shape (n_rows,), optional
    random_state : int, RandomState or None
    counted : ndarray of shape (n_rows,), bool, optional
        Rows of weight above 0; only these are divided into folds. Pairs of row numbers still count all rows of X.

    Returns
    -------
    Folds

    Raises
    ------
    InputError
        If `cv` cannot split these rows.
    """
    if counted is not None:
        return _of_counted(cv, y, codes, groups, random_state, counted)
    n_rows, of_group = len(codes), check_groups(groups, len(codes))
    if isinstance(cv, str) and cv == "loo" and of_group is None:
        cv = LeaveOneOut()
    if isinstance(cv, LeaveOneOut):
        if n_rows < 2:
            raise InputError(f"cv={cv!r}, but there is only one row; wanted at least two")
        return Folds(n_rows, of_row=np.arange(n_rows, dtype=np.int64), alone=True)
    if (isinstance(cv, str) and cv == "loo") or (isinstance(cv, LeaveOneGroupOut) and of_group is not None):
        return Folds(n_rows, of_row=of_group)
    if isinstance(cv, (int, np.integer, float)):
        n_folds = check_folds(cv, codes)
        if of_group is None:
            cv = StratifiedKFold(n_folds, shuffle=True, random_state=check_random_state(random_state))
        elif n_folds > of_group.max() + 1:
            raise InputError(f"cv={n_folds}, but {messages.only(of_group.max() + 1, 'group')}; choose at most that many")
        else:
            cv = StratifiedGroupKFold(n_folds, shuffle=True, random_state=check_random_state(random_state))
    check_splitter(cv)
    with warnings.catch_warnings():
        # a class with fewer rows than folds is missing from some folds; the accuracy is still that of refitting
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        try:
            splits = check_splits(cv.split(np.zeros((n_rows, 1)), y, groups) if hasattr(cv, "split") else cv, n_rows)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"cv cannot split these rows: {error}; give a number of folds or pairs of row numbers"
            ) from None
    return Folds(n_rows, *_as_partition(splits, n_rows))


def _of_counted(cv: Any, y: np.ndarray, codes: np.ndarray, groups: Any, random_state: Any, counted: np.ndarray) -> Folds:
    """The folds of the rows of weight above 0, numbered among all rows."""
    n_rows, numbers = len(codes), np.flatnonzero(counted)
    if isinstance(cv, PredefinedSplit):  # its row numbers refer to X, not to the rows passed to it
        cv = cv.split()
    if not isinstance(cv, (str, bytes, int, np.integer, float)) and not hasattr(cv, "split"):
        pairs = [tuple(part[counted[part]] for part in pair) for pair in check_splits(check_splitter(cv), n_rows)]
        for number, pair in enumerate(pairs):
            for part, rows in zip(("train", "test"), pair, strict=True):
                if not len(rows):
                    raise InputError(f"split {number} of cv has no {part} rows of weight above 0; wanted at least one")
        return Folds(n_rows, *_as_partition(tuple((train, test) for train, test in pairs), n_rows), counted=counted)
    check_groups(groups, n_rows)
    some = None if groups is None else np.asarray(groups)[counted]
    made = make_folds(cv, y[counted], codes[counted], some, random_state)
    if made.of_row is None:
        splits = tuple((numbers[train], numbers[test]) for train, test in made.splits)
        return Folds(n_rows, splits=splits, counted=counted)
    of_row = np.zeros(n_rows, dtype=np.int64)
    of_row[counted] = made.of_row
    if made.alone:
        of_row = np.arange(n_rows, dtype=np.int64)
    return Folds(n_rows, of_row=of_row, alone=made.alone, counted=counted)


def _as_partition(splits: tuple[Split, ...], n_rows: int) -> tuple[np.ndarray | None, tuple[Split, ...]]:
    """The fold of every row if the splits are a partition, otherwise the splits."""
    of_row = np.full(n_rows, -1, dtype=np.int64)
    for fold, (train, test) in enumerate(splits):
        if len(train) + len(test) != n_rows or (of_row[test] >= 0).any():
            return None, splits
        of_row[test] = fold
    is_partition = (of_row >= 0).all() and all((of_row[train] != fold).all() for fold, (train, _) in enumerate(splits))
    return (of_row, ()) if is_partition else (None, splits)
