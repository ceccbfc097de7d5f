"""Stratified splits. Where a split cannot be stratified, a line is logged."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from fastcls._sampling.hold_out import hold_out
from fastcls._validation.base import RandomState, check_number, seed_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, shown
from fastcls.datasets._common import warn
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._labels import plain_labels


def train_test_split(dataset: Dataset, *, test_size: float | int = 0.2, random_state: RandomState = None) -> Dataset:
    """Return the data set with a stratified part of its rows as the test set.

    Parameters
    ----------
    dataset : Dataset
        A data set without a test set. The chosen rows are copied into memory, also from a memory map.
    test_size : float or int
        A share in (0, 1), rounded up to rows, or a number of rows.
    random_state : int, RandomState or None
        An integer makes the result reproducible.

    Returns
    -------
    Dataset
        Both parts are in the order of the original rows.

    Raises
    ------
    InputError
        If there is a test set already, there are fewer than two rows, or `test_size` leaves a side empty.

    Notes
    -----
    The rule is scikit-learn's ``StratifiedShuffleSplit``. If it would leave a class without a training row, the class keeps
    one, and a line is logged. If it is impossible, a line is logged, and the first possible of these rules is used:

    1. Classes with a single row stay in training, and the others are stratified. Each side needs as many rows as there are
       classes.
    2. One random row of each class stays in training, and the test rows are drawn at random from the rest. Training needs as
       many rows as there are classes.
    3. The test rows are drawn at random from all rows.

    Both sides always have the requested number of rows. As in scikit-learn, whose rows these are for the same labels and
    seed, classes are drawn in the order of their names: the same classes under names of another order give other rows.
    """
    if dataset.X_test is not None:
        raise InputError(
            f"the data has its own test set of {counted(len(dataset.X_test), 'row')}: use it, or make a Dataset without one"
        )
    train, test = _split(dataset.y, _n_rows(test_size, len(dataset.y), "test_size"), seed_of(random_state), "test")
    return replace(
        dataset,
        X=dataset.X[train],
        y=dataset.y[train],
        X_test=dataset.X[test],
        y_test=dataset.y[test],
        files=_of(dataset.files, train),
        files_test=_of(dataset.files, test),
    )


def _of(files: tuple[str, ...] | None, rows: np.ndarray) -> tuple[str, ...] | None:
    """The files of some rows."""
    return None if files is None else tuple(files[row] for row in rows)


def train_validation_split(
    y: np.ndarray, *, validation_size: float | int = 0.2, random_state: RandomState = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted row indices (training, validation), stratified by the labels `y`.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Whole numbers or strings.
    validation_size : float or int
        A share in (0, 1), rounded up to rows, or a number of rows.
    random_state : int, RandomState or None
        An integer makes the result reproducible.

    Returns
    -------
    train_index, validation_index : int64 arrays

    Notes
    -----
    The rules are those of ``train_test_split``.
    """
    return split_rows(y, validation_size, random_state=random_state, name="validation_size")


def split_rows(
    y: Any, size: float | int, *, random_state: RandomState = None, name: str = "validation_size"
) -> tuple[np.ndarray, np.ndarray]:
    """As `train_validation_split`; `name` is what the caller calls the size."""
    labels = plain_labels(y, "y")
    return _split(labels, _n_rows(size, len(labels), name), seed_of(random_state), name.removesuffix("_size"))


def train_validation_test_split(
    y: np.ndarray, *, validation_size: float | int = 0.2, test_size: float | int = 0.2, random_state: RandomState = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sorted row indices (training, validation, test), each stratified by the labels `y`.

    Sizes are shares of all rows, rounded up, or numbers of rows. The rules of ``train_test_split`` choose the test rows
    first, and then, with the same seed, the validation rows among the others.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Whole numbers or strings.
    validation_size, test_size : float or int
        A share in (0, 1), rounded up to rows, or a number of rows.
    random_state : int, RandomState or None
        An integer makes the result reproducible.

    Returns
    -------
    train_index, validation_index, test_index : int64 arrays

    Raises
    ------
    InputError
        If a size leaves a part empty.
    """
    labels = plain_labels(y, "y")
    n_test = _n_rows(test_size, len(labels), "test_size")
    n_validation = _n_rows(validation_size, len(labels), "validation_size")
    if n_test + n_validation >= len(labels):
        raise InputError(
            f"{n_validation:,} validation rows and {counted(n_test, 'test row')} of {len(labels):,} leave none to train on: "
            "give a smaller validation_size or test_size"
        )
    seed = seed_of(random_state)
    rest, test = _split(labels, n_test, seed, "test")
    train, validation = _split(labels[rest], n_validation, seed, "validation")
    return rest[train], rest[validation], test


def group_split(
    y: np.ndarray, groups: np.ndarray, *, n_parts: int = 5, random_state: RandomState = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted row indices (training, test) such that no group has rows on both sides.

    Images of one patient, camera or scene belong to one group. A test set with images of training groups is too easy.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels; whole numbers or strings.
    groups : array-like of shape (n_samples,)
        The group of each row; whole numbers or strings.
    n_parts : int
        The test set is about one of `n_parts` parts. Classes keep their shares as far as groups allow: the test set is the
        first fold of scikit-learn's ``StratifiedGroupKFold``, shuffled by `random_state`.
    random_state : int, RandomState or None
        An integer makes the result reproducible.

    Returns
    -------
    train_index, test_index : ndarray of int64
        Row numbers, ascending.

    Raises
    ------
    InputError
        If there are fewer groups than parts, or every class has fewer rows than parts.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels, members = plain_labels(y, "y"), plain_labels(groups, "groups")
    if len(labels) != len(members):
        raise InputError(f"{counted(len(members), 'group')} for {counted(len(labels), 'label')}: give one group per row")
    check_number("n_parts", n_parts, minimum=2, whole=True)
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    n_groups = len(np.unique(members))
    if n_groups < n_parts or counts.max() < n_parts:
        raise InputError(
            f"n_parts={n_parts} is too many for {counted(n_groups, 'group')} with at most {counted(counts.max(), 'row')} "
            "per class: give a smaller n_parts"
        )
    splitter = StratifiedGroupKFold(int(n_parts), shuffle=True, random_state=seed_of(random_state))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        folds = list(splitter.split(np.zeros(len(codes)), codes, members))
    if counts.min() < n_parts:
        few = int((counts < n_parts).sum())
        have, are = ("has", "it is") if few == 1 else ("have", "they are")
        warn(f"{counted(few, 'class')} {have} fewer rows than there are parts, so {are} not stratified")
    train, test = next((fold for fold in folds if len(fold[0]) and len(fold[1])), folds[0])
    if not len(train) or not len(test):
        raise InputError("one group has all the rows that could be tested: give smaller groups")
    return np.sort(train), np.sort(test)


def limit(dataset: Dataset, n: int, *, random_state: RandomState = None) -> Dataset:
    """Return the data set with at most `n` training rows and at most `n` test rows, stratified.

    The rows kept are the training side of a split by the rules of ``train_test_split``. If `n` is less than the number of
    classes, rows are drawn at random, and a line is logged. A part of at most `n` rows is unchanged.

    Parameters
    ----------
    dataset : Dataset
    n : int
        Training rows, and test rows, at most.
    random_state : int, RandomState or None

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If `n` is not a positive integer.
    """
    check_number("n", n, minimum=1, whole=True)
    seed = seed_of(random_state)
    kept: dict[str, Any] = {}
    for X, y, files in (("X", "y", "files"), ("X_test", "y_test", "files_test")):
        codes = getattr(dataset, y)
        if codes is not None and len(codes) > n:
            index, _ = _split(codes, len(codes) - int(n), seed, "left-out")
            kept |= {X: getattr(dataset, X)[index], y: codes[index], files: _of(getattr(dataset, files), index)}
    if not kept:
        return dataset
    smaller = replace(dataset, **kept)
    smaller._test_use.evaluations = dataset._test_use.evaluations  # a part of the same test rows: one count
    return smaller


def _n_rows(size: object, n: int, what: str) -> int:
    whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    if not whole and not (isinstance(size, (float, np.floating)) and 0 < size < 1):
        raise InputError(f"{what}={shown(size)}; wanted a share between 0 and 1, or a whole number of rows")
    rows = int(size) if whole else math.ceil(size * n)  # type: ignore[call-overload,operator]
    if not 1 <= rows <= n - 1:
        raise InputError(f"{what}={size} for {counted(n, 'row')}; wanted at least one row on each side")
    return rows


def _split(y: np.ndarray, n_second: int, seed: int, second: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted row indices of the two sides; `second` is the name of the second one in the log."""
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    everyone = np.arange(len(y))
    if can_stratify(counts, n_second):
        first, chosen = _stratified(everyone, codes, n_second, seed)
        if len(np.unique(codes[first])) == len(counts):
            return first, chosen
        warn(f"some classes would have only {second} rows: each keeps one row")
        return hold_out(codes, n_second, np.random.RandomState(seed), f"{second}_size={n_second}")
    single = counts[codes] == 1
    if can_stratify(counts[counts > 1], n_second):
        stay = "stays" if single.sum() == 1 else "stay"
        where = "among the rows that are kept" if second == "left-out" else f"out of the {second} rows"
        warn(f"{counted(int(single.sum()), 'class')} with a single row {stay} {where}")
        rest = everyone[~single]
        first, chosen = _stratified(rest, codes[rest], n_second, seed)
        if len(np.unique(codes[first])) < (counts > 1).sum():
            return hold_out(codes, n_second, np.random.RandomState(seed), f"{second}_size={n_second}")
        return np.sort(np.concatenate([first, everyone[single]])), chosen
    return _reserved(codes, n_second, np.random.default_rng(seed), second)


def can_stratify(counts: np.ndarray, n_second: int) -> bool:
    """Tell whether StratifiedShuffleSplit is possible: two rows per class, and one row per class on each side."""
    return len(counts) > 0 and counts.min() >= 2 and min(n_second, counts.sum() - n_second) >= len(counts)


def _stratified(rows: np.ndarray, codes: np.ndarray, n_second: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(n_splits=1, test_size=n_second, train_size=len(rows) - n_second, random_state=seed)
    first, chosen = next(splitter.split(np.zeros(len(rows)), codes))
    return np.sort(rows[first]), np.sort(rows[chosen])


def _reserved(codes: np.ndarray, n_second: int, rng: np.random.Generator, second: str) -> tuple[np.ndarray, np.ndarray]:
    shuffled = rng.permutation(len(codes))
    _, first_of_class = np.unique(codes[shuffled], return_index=True)
    if len(codes) - n_second >= len(first_of_class):
        warn(f"too few rows to stratify: one random row of each class was kept, the {second} rows drawn from the others")
        shuffled = np.delete(shuffled, first_of_class)
    else:
        warn(f"too few rows to keep one of each class: the {second} rows were drawn at random from all")
    chosen = np.sort(shuffled[:n_second])
    return np.setdiff1d(np.arange(len(codes)), chosen), chosen
