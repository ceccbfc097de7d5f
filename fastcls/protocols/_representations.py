"""Checks of what `compare` is given: names, labels, rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels, n_values
from fastcls._validation.messages import counted, kind, quoted_list
from fastcls._validation.rows import CheckedRows, check_rows, check_same_names
from fastcls._validation.types import name_of

from ..datasets import Dataset


def check_names(representations: Any) -> list[str]:
    """The names of the representations: texts, at least two."""
    if not isinstance(representations, Mapping):
        raise InputError(
            f"representations is {kind(representations)}; wanted a mapping of names to arrays, such as "
            "{'pixels': X, 'model': Z}"
        )
    names = list(representations)
    if bad := [name for name in names if not isinstance(name, str) or not name.strip()]:
        raise InputError(f"representations has the name {bad[0]!r}; wanted texts as names")
    if len(names) < 2:
        there = quoted_list(names) or "none"
        raise InputError(
            f"compare needs at least two representations, but was given {there}: for a single one call knn_eval, "
            "linear_probe or few_shot"
        )
    return names


def check_labels_of(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Classes and codes of the labels."""
    if y is None:
        raise InputError("y is None: give one label for each row")
    return check_labels(y, n_values(y))


def check_representation(X: Any, name: str, n_rows: int, labels: str = "y") -> CheckedRows:
    """Rows of one representation: as many as labels."""
    checked = check_rows(X, name)
    if (n_given := len(checked.rows)) != n_rows:
        raise InputError(
            f"{name} has {counted(n_given, 'row')}, but {labels} has {counted(n_rows, 'label')}: all representations "
            "must be of the same rows, in the same order"
        )
    return checked


def check_test_rows(test: Any, y_test: Any, train: Mapping[str, CheckedRows]) -> dict[str, np.ndarray]:
    """The test rows of every representation, of the width and the type of its training rows."""
    if not isinstance(test, Mapping) or set(test) != set(train):
        given = f"has {quoted_list(test) or 'no names'}" if isinstance(test, Mapping) else f"is {kind(test)}"
        raise InputError(f"test {given}; wanted a mapping with the names of representations: {quoted_list(train)}")
    if y_test is None:
        raise InputError("test is given without y_test: give one label for each test row")
    found = {}
    for name, one in train.items():
        checked = check_representation(test[name], f"test[{name!r}]", n_values(y_test), "y_test")
        check_same_names(checked, one, f"test[{name!r}]", f"representations[{name!r}]")
        X, rows = one.rows, checked.rows
        found[name] = rows
        if rows.shape[1] != X.shape[1] or rows.dtype != X.dtype:
            raise InputError(
                f"test[{name!r}] has {counted(rows.shape[1], 'feature')} of type {name_of(rows.dtype)}, "
                f"but representations[{name!r}] has {X.shape[1]:,} of type {name_of(X.dtype)}: give both the same"
            )
    return found


def of_datasets(representations: Any, y: Any, test: Any, y_test: Any) -> tuple[Any, Any, Mapping[str, Any] | None, Any]:
    """The same with the rows of data sets in place of these, and their labels and test rows where none are given.

    Raises
    ------
    InputError
        If their labels differ, or only some of the representations have test rows.
    """
    if not isinstance(representations, Mapping):
        return representations, y, test, y_test
    sets = {name: one for name, one in representations.items() if isinstance(one, Dataset)}
    if y is None and sets:
        y = _labels_of_all({name: _labels(one.class_names, one.y) for name, one in sets.items()})
    with_test = {name: one for name, one in sets.items() if one.X_test is not None}
    if test is None and with_test:
        if lacking := [name for name in representations if name not in with_test]:
            raise InputError(
                f"{next(iter(with_test))} has test rows, but {lacking[0]} has not: give the test rows of all, or X and y "
                "without them"
            )
        test = {name: one.X_test for name, one in with_test.items()}
        if y_test is None:
            y_test = _labels_of_all({name: _labels(one.class_names, one.y_test) for name, one in with_test.items()})
    return {name: sets[name].X if name in sets else rows for name, rows in representations.items()}, y, test, y_test


def _labels(class_names: Sequence[str], codes: Any) -> np.ndarray:
    """Labels of codes: whole numbers, if the names of all classes are."""
    names = np.array(class_names)
    are_whole = all(name.isdecimal() and name == str(int(name)) and len(name) < 19 for name in class_names)
    return (names.astype(np.int64) if are_whole else names)[codes]


def _labels_of_all(labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """The labels that all data sets share."""
    (first, own), *others = labels.items()
    for name, found in others:
        if len(found) != len(own):
            raise InputError(
                f"{first} has {counted(len(own), 'row')} and {name} has {len(found):,}: all representations must be of the "
                "same rows, in the same order"
            )
        if (found != own).any():
            row = int(np.argmax(found != own))
            raise InputError(
                f"the labels of {first} and {name} differ, first at row {row} ({own[row]!s} and {found[row]!s}): give the "
                "same rows in the same order"
            )
    return own
