"""Test rows that equal a training row: on these, accuracy measures memorisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcls._validation.messages import counted
from fastcls._validation.types import as_numbers
from fastcls.neighbors import KNeighborsClassifier, training_rows

from ..datasets import Dataset

#: values per chunk; a memory map is read chunk by chunk
_VALUES_AT_ONCE = 1 << 22


@dataclass
class _Group:
    """Test rows that equal each other, and the classes of the training rows that equal them."""

    members: list[int]
    classes: set[int] = field(default_factory=set)


def count_repeats(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> dict[str, int]:
    """Count the test rows that equal a training row, value by value, and those that equal one of another class.

    One pass over each set. Rows are found by a hash of their bytes and then compared, so a collision is not counted.

    Returns
    -------
    dict
        ``test_rows`` and ``other_class``.
    """
    groups: dict[int, list[_Group]] = {}

    def group_of(row: bytes, X_row: np.ndarray) -> _Group | None:
        same_hash = groups.get(hash(row), ())
        return next((group for group in same_hash if np.array_equal(as_numbers(X_test[group.members[0]]), X_row)), None)

    for number, row in enumerate(_rows(X_test)):
        if (group := group_of(row, as_numbers(X_test[number]))) is not None:
            group.members.append(number)
        else:
            groups.setdefault(hash(row), []).append(_Group([number]))
    for number, row in enumerate(_rows(X)):
        if hash(row) in groups and (group := group_of(row, as_numbers(X[number]))) is not None:
            group.classes.add(int(y[number]))
    found = [group for chain in groups.values() for group in chain if group.classes]
    return {
        "test_rows": sum(len(group.members) for group in found),
        "other_class": sum(bool(group.classes - {int(y_test[at])}) for group in found for at in group.members),
    }


def count_equal(model: Any, X: np.ndarray) -> int:
    """Count the rows that equal a training row of a k-NN model; 0 for a model that keeps no rows.

    One pass over the training rows and no search: under the cosine metric, multiples of a row are at distance 0 as well.
    """
    model = getattr(model, "best_estimator_", model)
    if not isinstance(model, KNeighborsClassifier):
        return 0
    equal = np.zeros(len(X), dtype=bool)
    for rows in training_rows(model):
        X = as_numbers(X)
        same_type = X.astype(as_numbers(rows[:1]).dtype, copy=False)
        places: dict[bytes, list[int]] = {}
        for place, row in enumerate(_rows(same_type)):
            places.setdefault(row, []).append(place)
        for row in _rows(rows):
            equal[places.get(row, [])] = True
        equal &= (same_type == X).all(axis=1)  # a value that the type cannot hold equals none
    return int(equal.sum())


def _rows(X: np.ndarray) -> Iterator[bytes]:
    """Yield the bytes of each row; equal values have equal bytes."""
    chunk_rows = max(1, _VALUES_AT_ONCE // X.shape[1])
    for start in range(0, len(X), chunk_rows):
        chunk = as_numbers(X[start : start + chunk_rows])
        if chunk.dtype.kind == "f":
            chunk = chunk + chunk.dtype.type(0)  # -0.0 becomes 0.0
        values, width = chunk.tobytes(), chunk.shape[1] * chunk.itemsize
        for at in range(0, len(values), width):
            yield values[at : at + width]


def repeats_note(dataset: Dataset, repeats: dict[str, int]) -> str | None:
    """Return a sentence about the effect on the accuracies; None if no test row equals a training row."""
    n, other = repeats["test_rows"], repeats["other_class"]
    if not n:
        return None
    assert dataset.y_test is not None
    note = f"{n:,} of {counted(len(dataset.y_test), 'test row')} {'equals' if n == 1 else 'equal'} a training row"
    if other:
        note += f", and {other:,} of these {'equals' if other == 1 else 'equal'} one of another class"
    return f"{note}: on these rows, accuracy measures memorisation, not generalisation"
