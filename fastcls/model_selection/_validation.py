"""Checks of user input for cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcls._scoring.votes import WEIGHTS
from fastcls._validation.base import as_list, check_number, one_of, refuse_masked
from fastcls._validation.containers import read_labels, shape_of
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels
from fastcls._validation.messages import counted, only, shortened
from fastcls._validation.rows import CheckedRows, check_rows
from fastcls.metrics import check_magnitude

Split = tuple[np.ndarray, np.ndarray]

SMALLEST_FOLD, TRAINING_ROWS = "the smallest training fold has {}", "the training set has {}"


def check_folds(folds: Any, codes: np.ndarray, name: str = "cv") -> int:
    """The number of folds, if some class has enough rows for all folds.

    Parameters
    ----------
    folds : int
    codes : int64 array (n_rows,)
        Class codes.
    name : str
        Name of the argument in messages.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If it is not a whole number of at least 2, or no class has so many rows.
    """
    n_folds = int(check_number(name, folds, minimum=2, whole=True))
    largest = int(np.bincount(codes).max(initial=0))
    if n_folds <= largest:
        return n_folds
    rows, of_class = counted(len(codes), "row"), counted(largest, "row")
    why = f"no class has more than {of_class}"
    if n_folds > len(codes):
        why = f"{only(len(codes), 'row')}, and {why.removesuffix(' rows').removesuffix(' row')}"
    if largest < 2:
        raise InputError(
            f"{name}={n_folds}, but each of the {rows} is the only one of its class: give at least two rows of some class"
        )
    raise InputError(f"{name}={n_folds}, but {why}: use at most {counted(largest, 'fold')}")


def check_ks(ks: Any, n_rows: int, of: str = SMALLEST_FOLD) -> list[int]:
    """Numbers of neighbours, ascending, without repetition; at least one must be possible.

    Parameters
    ----------
    ks : int or iterable of int
    n_rows : int
    of : str
        What has so many rows, for the message.

    Returns
    -------
    list of int

    Raises
    ------
    InputError
        If there is none, one is not a whole number of at least 1, or all are above `n_rows`.
    """
    wanted = sorted({int(check_number("ks", k, minimum=1, whole=True)) for k in as_list(ks)})
    if not wanted:
        raise InputError("ks is empty: give at least one number of neighbours, such as ks=[1, 5, 10]")
    if wanted[0] > n_rows:
        raise InputError(f"ks=[{shortened(wanted)}]: {of.format(counted(n_rows, 'row'))}; give a k of at most {n_rows:,}")
    return wanted


def usable_ks(ks: Any, n_rows: int, of: str = SMALLEST_FOLD) -> np.ndarray:
    """The values of k, ascending, int64; those above n_rows are dropped with a warning."""
    return without_large_ks(check_ks(ks, n_rows, of), n_rows, of, stacklevel=4)


def without_large_ks(wanted: Sequence[int], n_rows: int, of: str, stacklevel: int = 3) -> np.ndarray:
    """The ascending values of k up to n_rows, int64; larger ones are dropped with a warning.

    Parameters
    ----------
    wanted : sequence of int
        Ascending.
    n_rows : int
    of : str
        What has so many rows, for the warning: "the training set has {}".
    stacklevel : int
        Of the warning.

    Returns
    -------
    int64 array
    """
    usable = [k for k in wanted if k <= n_rows]
    if len(usable) < len(wanted):
        dropped = shortened(wanted[len(usable) :])
        warnings.warn(f"k = {dropped} left out: {of.format(counted(n_rows, 'row'))}", UserWarning, stacklevel=stacklevel)
    return np.array(usable, dtype=np.int64)


def check_vote_rules(weights: Any) -> list[Any]:
    """One or several vote rules, without duplicates."""
    rules = as_list(weights)
    if not rules:
        raise InputError(f"weights is empty; choose from: {', '.join(WEIGHTS)}, or give a function")
    for rule in rules:
        if not callable(rule):
            one_of("weights", rule, WEIGHTS)
    return [rule for at, rule in enumerate(rules) if rule not in rules[:at]]


def check_topk(topk: Any) -> tuple[int, ...]:
    """The n of top-n accuracies: whole numbers of at least 1, ascending, without duplicates."""
    given = as_list(topk)
    if not given:
        raise InputError("topk is empty; wanted at least one whole number, such as topk=(1, 5)")
    return tuple(sorted({int(check_number("topk", value, minimum=1, whole=True)) for value in given}))


def check_groups(groups: Any, n_rows: int) -> np.ndarray | None:
    """The group of every row as a number, int64 (n_rows,); None if no groups are given."""
    if groups is None:
        return None
    refuse_masked(groups, "groups")
    if (shape := shape_of(groups)) != (n_rows,):
        raise InputError(f"groups has shape {shape}; wanted {(n_rows,)}, one group for each row")
    given = read_labels(groups, "groups")
    if given.dtype.kind == "f" and np.isnan(given).any():
        raise InputError(
            f"groups contains NaN (first at row {int(np.isnan(given).argmax())}): give each row a group, or remove such rows"
        )
    try:
        names, numbers = np.unique(given, return_inverse=True)
    except TypeError:
        raise InputError("groups mixes types that cannot be sorted: make them all of one type") from None
    if len(names) < 2:
        raise InputError("groups holds only one group; wanted at least two, or no groups")
    return numbers.astype(np.int64).reshape(-1)


def check_splitter(cv: Any) -> Any:
    """`cv`, if it is a splitter or an iterable of pairs."""
    if isinstance(cv, (str, bytes)) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        raise InputError(f"cv={cv!r}; wanted a number of folds, 'loo', a splitter, or pairs (train, test) of rows")
    return cv


def check_trainable_cv(cv: Any, groups: Any, n_rows: int) -> Any:
    """`cv` of a model that is trained once a fold, which rules out leaving out one row at a time."""
    if isinstance(cv, str) and cv == "loo" and groups is None:
        raise InputError(
            f"cv='loo' would train every setting {n_rows:,} times: give a number of folds, such as cv=5, or groups"
        )
    return cv


def check_splits(given: Iterable[Any], n_rows: int) -> tuple[Split, ...]:
    """The pairs (train, test) of a splitter as ascending row numbers, int64; no part is empty or has duplicates."""
    found = []
    for number, pair in enumerate(given):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InputError(f"split {number} of cv is not a pair (train, test); wanted two arrays of row numbers")
        parts = [
            _row_numbers(part, n_rows, f"{name} of split {number}")
            for name, part in zip(("train", "test"), pair, strict=True)
        ]
        found.append((parts[0], parts[1]))
    if not found:
        raise InputError("cv yields no splits; wanted at least one pair (train, test)")
    return tuple(found)


def _row_numbers(part: Any, n_rows: int, name: str) -> np.ndarray:
    refuse_masked(part, name)
    rows = np.asarray(part)
    if rows.dtype == bool and rows.shape == (n_rows,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or not len(rows) or rows.dtype.kind not in "iu":
        raise InputError(f"{name} has shape {rows.shape} and type {rows.dtype}; wanted row numbers, at least one")
    rows = np.sort(rows.astype(np.int64))
    if rows[0] < 0 or rows[-1] >= n_rows:
        raise InputError(f"{name} holds {rows[0]} to {rows[-1]}; wanted row numbers from 0 to {n_rows - 1}")
    twice = rows[1:][rows[1:] == rows[:-1]]
    if len(twice):
        raise InputError(f"{name} holds row {twice[0]} twice: remove the duplicate")
    return rows


class CheckedTest(NamedTuple):
    """Test rows, and the code of each label among the training classes; -1, -2, ... for other labels, which nothing hits.

    Attributes
    ----------
    rows : CheckedRows
    codes : int64 array (n_queries,)
    unknown : dict of int to label
        The label of each negative code.
    """

    rows: CheckedRows
    codes: np.ndarray
    unknown: dict[int, Any]


def check_test(
    test: Any, y_test: Any, classes: np.ndarray, metric: str, name: str = "test", labels_name: str = "y_test"
) -> CheckedTest:
    """Test rows and their labels.

    Parameters
    ----------
    test, y_test : array-like of shape (n_queries, n_features), (n_queries,)
    classes : ndarray
        Sorted labels of the training rows.
    metric : str
        A key of `METRICS`.
    name, labels_name : str
        The arguments with the rows and with the labels, for messages.

    Returns
    -------
    CheckedTest

    Raises
    ------
    InputError
        If the rows cannot be used, or no label is among the classes.
    """
    checked = check_rows(test, name)
    check_magnitude(checked.rows, name, metric)
    labels, codes = check_labels(y_test, len(checked.rows), labels_name, name)
    place = {label: number for number, label in enumerate(classes.tolist())}
    places = np.array([place.get(label, -1 - at) for at, label in enumerate(labels.tolist())], dtype=np.int64)
    if (places < 0).all():
        raise InputError(
            f"{labels_name} holds {labels[:1].tolist()[0]!r} and no label of y, such as "
            f"{classes[:1].tolist()[0]!r}: use the same labels in both"
        )
    unknown = {-1 - at: label for at, label in enumerate(labels.tolist()) if label not in place}
    return CheckedTest(checked, places[codes], unknown)
