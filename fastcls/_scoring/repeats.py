"""Test rows that equal a training row: on these, accuracy measures memorisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from fastcls._validation.messages import counted
from fastcls._validation.types import as_numbers

#: values per chunk; a memory map is read chunk by chunk
_VALUES_AT_ONCE = 1 << 22

#: the end of every note on such rows
MEMORISED = "on these rows, accuracy measures memorisation, not generalisation"


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

    for number, row in enumerate(row_bytes(X_test)):
        if (group := group_of(row, as_numbers(X_test[number]))) is not None:
            group.members.append(number)
        else:
            groups.setdefault(hash(row), []).append(_Group([number]))
    for number, row in enumerate(row_bytes(X)):
        if hash(row) in groups and (group := group_of(row, as_numbers(X[number]))) is not None:
            group.classes.add(int(y[number]))
    found = [group for chain in groups.values() for group in chain if group.classes]
    return {
        "test_rows": sum(len(group.members) for group in found),
        "other_class": sum(bool(group.classes - {int(y_test[at])}) for group in found for at in group.members),
    }


def note_on_repeats(repeats: Mapping[str, int], n_test: int) -> str | None:
    """A note on what `count_repeats` found, and what it means for accuracies; None if no test row equals one."""
    n, other = repeats["test_rows"], repeats["other_class"]
    if not n:
        return None
    note = f"{n:,} of {counted(n_test, 'test row')} {'equals' if n == 1 else 'equal'} a training row"
    if other:
        note += f", and {other:,} of these {'equals' if other == 1 else 'equal'} one of another class"
    return f"{note}: {MEMORISED}"


def row_bytes(X: np.ndarray) -> Iterator[bytes]:
    """Yield the bytes of each row; equal values have equal bytes."""
    chunk_rows = max(1, _VALUES_AT_ONCE // X.shape[1])
    for start in range(0, len(X), chunk_rows):
        chunk = as_numbers(X[start : start + chunk_rows])
        if chunk.dtype.kind == "f":
            chunk = chunk + chunk.dtype.type(0)  # -0.0 becomes 0.0
        values, width = chunk.tobytes(), chunk.shape[1] * chunk.itemsize
        for at in range(0, len(values), width):
            yield values[at : at + width]
