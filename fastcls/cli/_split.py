"""Training and test rows of a run, remembered in its models, so that ``fastcls predict`` can tell them apart again."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import datasets
from ..datasets import Dataset
from ..datasets._split import _can_stratify

#: the part of the rows that is set aside for judging, where the data has no test set of its own
TEST_SIZE = 0.2

#: rows that the fingerprint looks at
FINGERPRINT_ROWS = 256


@dataclass(frozen=True)
class Division:
    """How training and test rows of a run were divided.

    Attributes
    ----------
    split : dict or None
        Which rows of the data became the test set, as JSON-able values for `held_out`; None if it has its own.
    stratified : bool
        Whether every class has its share of each part (classes of a single row stay in training).
    test_rows : ndarray of int64, shape (n_test,)
        Number of each test row, from 0: in the data, or in the data's own test set.
    repeats : dict
        What `fastcls.cli._repeats.count_repeats` has found.
    """

    split: dict[str, Any] | None
    stratified: bool
    test_rows: np.ndarray
    repeats: dict[str, int] = field(default_factory=dict)


def divide(dataset: Dataset, *, seed: int, limit: int | None) -> tuple[Dataset, Division]:
    """The data with a test set (its own, or a fifth of its rows, stratified if possible), each part cut to ``limit``."""
    own = dataset.X_test is not None
    X_test = dataset.X_test if dataset.X_test is not None else dataset.X
    # each row's number in place of its features
    numbers = replace(dataset, X=_numbers(dataset.X), X_test=_numbers(X_test) if own else None, image_shape=None)
    whole = numbers if own else datasets.train_test_split(numbers, test_size=TEST_SIZE, seed=seed)
    parts = whole if limit is None else datasets.limit(whole, limit, seed=seed)
    assert whole.X_test is not None
    assert parts.X_test is not None
    test = parts.X_test[:, 0].astype(np.int64)
    assert whole.y_test is not None
    stratified = ((own or can_stratify(dataset.y, len(whole.y_test))) and can_stratify(whole.y, len(whole.y) - len(parts.y))
                  and can_stratify(whole.y_test, len(whole.y_test) - len(test)))
    if own and parts is whole:
        return dataset, Division(None, stratified, test)
    train = parts.X[:, 0].astype(np.int64)
    divided = replace(dataset, X=dataset.X[train], y=parts.y, X_test=X_test[test], y_test=parts.y_test,
                      files=parts.files, files_test=parts.files_test)
    if own:
        return divided, Division(None, stratified, test)
    split = {
        "seed": seed,
        "test_size": TEST_SIZE,
        "n_rows": len(dataset.X),
        "fingerprint": fingerprint(dataset.X),
        "test_rows": test.tolist(),
    }
    return divided, Division(split, stratified, test)


def _numbers(X: np.ndarray) -> np.ndarray:
    return np.arange(len(X), dtype=np.float64)[:, None]


def can_stratify(before: np.ndarray, n_left: int) -> bool:
    """Whether the classes kept their shares when `n_left` rows were taken out; those of a single row stayed in."""
    counts = np.unique(before, return_counts=True)[1]
    return n_left == 0 or _can_stratify(counts[counts > 1], n_left)


def fingerprint(X: np.ndarray) -> str:
    """Eight hexadecimal digits that rows have in common with themselves: of their type, shape, and 256 even-spread rows.

    It tells one person's data sets apart; it is no protection against somebody who wants two to look alike.
    """
    rows = X[np.unique(np.linspace(0, len(X) - 1, min(len(X), FINGERPRINT_ROWS)).astype(np.int64))]
    rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    return f"{zlib.crc32(rows.tobytes(), zlib.crc32(f'{rows.dtype.str} {X.shape}'.encode())):08x}"


def held_out(split: Any, X: np.ndarray) -> np.ndarray | None:
    """Row numbers of the test set if ``X`` is the data that ``split`` (from a model file) divided; else None."""
    if not isinstance(split, dict) or split.get("n_rows") != len(X) or split.get("fingerprint") != fingerprint(X):
        return None
    rows = split.get("test_rows")
    if not isinstance(rows, list) or not rows or not all(type(row) is int and 0 <= row < len(X) for row in rows):
        return None
    return np.array(rows, dtype=np.int64)
