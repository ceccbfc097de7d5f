"""Checks of user input for `fastcls.protocols`, in the manner of ``_validation.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastcls._validation.base import check_number, listed
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels
from fastcls._validation.messages import counted
from fastcls._validation.rows import CheckedRows, check_rows
from fastcls.metrics import check_magnitude
from fastcls.model_selection import without_large_ks


def are_parts(train: Any) -> bool:
    """Whether training rows come in parts: from an iterator, or as a list or tuple of 2-D arrays."""
    if isinstance(train, (list, tuple)):
        return bool(train) and all(getattr(part, "ndim", None) == 2 for part in train)
    return isinstance(train, Iterator)


def check_shards(train: Any, n_rows: int, metric: str) -> Iterator[CheckedRows]:
    """The training rows, part after part, each checked when it comes: one type, one width, as many rows as labels.

    Parameters
    ----------
    train : array-like, or list, tuple or iterator of array-likes
    n_rows : int
        How many labels there are.
    metric : str
    """
    in_parts, came, first = are_parts(train), 0, None
    for number, part in enumerate(train if in_parts else [train]):
        name = f"train[{number}]" if in_parts else "train"
        checked = check_rows(part, name)
        rows = checked.rows
        check_magnitude(rows, name, metric)
        if first is not None and rows.shape[1] != first.shape[1]:
            raise InputError(
                f"{name} has {counted(rows.shape[1], 'feature')}, train[0] has {first.shape[1]}; give parts of one width"
            )
        if first is not None and rows.dtype != first.dtype:
            raise InputError(f"{name} is {rows.dtype} and train[0] is {first.dtype}; convert the parts to one type first")
        first, came = rows if first is None else first, came + len(rows)
        if came > n_rows:
            raise InputError(
                f"y has {counted(n_rows, 'label')}, but train has {counted(came, 'row')} or more; pass one label a row"
            )
        yield checked
    if first is None:
        raise InputError("train has no part; give at least one array of rows")
    if came < n_rows:
        raise InputError(f"y has {counted(n_rows, 'label')}, but train has {counted(came, 'row')}; pass one label a row")


def check_pair(train: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Classes and codes of the training labels; rows that come in parts are counted when they come."""
    has_length = isinstance(train, (list, tuple)) or getattr(train, "ndim", None)
    if not are_parts(train) and has_length and len(train) != np.size(y):
        raise InputError(
            f"y has {counted(np.size(y), 'label')}, but train has {counted(len(train), 'row')}; pass one label a row"
        )
    return check_labels(y, np.size(y))


def check_preset_ks(wanted: tuple[int, ...], n_rows: int, preset: str) -> np.ndarray:
    """Of a preset's numbers of neighbours those that there are rows for, int64; the others are left out, with a warning."""
    if wanted[0] > n_rows:
        raise InputError(
            f"preset={preset!r} asks for {counted(wanted[0], 'neighbour')}, but there are only "
            f"{counted(n_rows, 'training row')}; give more, or "
            "choose another preset"
        )
    return without_large_ks(wanted, n_rows, "the training set has only {}", stacklevel=4)


def check_counts(name: str, given: Any) -> tuple[int, ...]:
    """One whole number of at least 1, or several, each once, in their order."""
    values = listed(given)
    if not values:
        raise InputError(f"{name} is empty; give at least one whole number")
    return tuple(dict.fromkeys(int(check_number(name, value, minimum=1, whole=True)) for value in values))


def check_validation(validation: Any) -> tuple[Any, Any]:
    """(rows, labels), if it is such a pair."""
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise InputError("validation must be a pair (rows, labels); leave it out to set training rows aside")
    return validation[0], validation[1]
