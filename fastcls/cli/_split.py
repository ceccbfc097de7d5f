"""Training and test rows of a run, remembered in its models, so that ``fastcls predict`` can tell them apart again."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np

from .. import datasets
from ..datasets import Dataset

#: the part of the rows that is set aside for judging, where the data has no test set of its own
TEST_SIZE = 0.2

#: rows that the fingerprint looks at
FINGERPRINT_ROWS = 256


def divide(dataset: Dataset, *, seed: int, limit: int | None) -> tuple[Dataset, dict[str, Any] | None]:
    """The data with a test set (its own, or a stratified fifth of its rows), each part cut to ``limit`` rows.

    Returns
    -------
    dataset : Dataset
    split : dict or None
        Which rows of the data became the test set, as JSON-able values for `held_out`; None if it has its own.
    """
    if dataset.X_test is not None:
        return _limited(dataset, limit, seed), None
    numbers = np.arange(len(dataset.X), dtype=np.float64)[:, None]  # each row's number in place of its features
    parts = datasets.train_test_split(replace(dataset, X=numbers, image_shape=None), test_size=TEST_SIZE, seed=seed)
    parts = _limited(parts, limit, seed)
    assert parts.X_test is not None
    train, test = (rows[:, 0].astype(np.int64) for rows in (parts.X, parts.X_test))
    split = {
        "seed": seed,
        "test_size": TEST_SIZE,
        "n_rows": len(dataset.X),
        "fingerprint": fingerprint(dataset.X),
        "test_rows": test.tolist(),
    }
    divided = replace(dataset, X=dataset.X[train], y=parts.y, X_test=dataset.X[test], y_test=parts.y_test)
    return divided, split


def _limited(dataset: Dataset, limit: int | None, seed: int) -> Dataset:
    return dataset if limit is None else datasets.limit(dataset, limit, seed=seed)


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
