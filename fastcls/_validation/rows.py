"""Checks of rows: readable by the kernels, of one width, finite."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from fastcls import _kernels

from .containers import is_memory_of, read_rows
from .errors import InputError
from .messages import counted, quoted_list
from .types import BFLOAT16, STORED_TYPES, as_numbers, is_aligned, is_floating, largest_magnitude, name_of, type_of

logger = logging.getLogger("fastcls")


_STORED = frozenset(map(type_of, STORED_TYPES))
_STORAGE = {type_of(name): number for name, number in _kernels.TYPES.items()}  # faster than by name: dtype.name takes 1 us
_FINITE_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """Rows that the kernels can read, and how they were made.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_features)
        C-contiguous, aligned uint8, int8, float16, bfloat16 (`types.BFLOAT16`), float32 or float64; the user's own memory
        if it already was.
    copied_bytes : int
        Bytes that were copied.
    notes : tuple of str
        Conversions, in one sentence each.
    names : tuple of str or None
        Names of the features, if the rows came from a data frame.
    """

    rows: np.ndarray
    copied_bytes: int
    notes: tuple[str, ...]
    names: tuple[str, ...] | None = None


def as_bytes(rows: np.ndarray) -> np.ndarray:
    """C-contiguous rows as the compiled loops take them: a view of their bytes."""
    return np.asarray(rows).view(np.uint8)


def storage_of(rows: np.ndarray) -> int:
    """The number of the rows' type in the compiled loops."""
    return _STORAGE[rows.dtype]


def check_finite(rows: np.ndarray, name: str = "X", max_abs: float = np.inf, first: int = 0) -> None:
    """Refuse NaN, infinity, and values whose sums could overflow; the message names the first row and column.

    `first` is the number of the first row if `rows` is a block of more rows.
    """
    if not is_floating(rows.dtype):
        return
    step = max(1, _FINITE_BLOCK_BYTES // max(1, rows.shape[1] * rows.itemsize))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        if np.isfinite(largest := largest_magnitude(block)) and largest <= max_abs:
            continue
        block = as_numbers(block)
        bad = ~np.isfinite(block)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            is_nan = bool(np.isnan(block[row, column]))
            raise InputError(
                f"{name} contains {'NaN' if is_nan else 'infinity'} (first at row {first + start + row}, column {column}): "
                f"{'remove or impute missing' if is_nan else 'remove or replace infinite'} values"
            )
        row, column = np.argwhere(np.abs(block) > max_abs)[0]
        raise InputError(
            f"{name} has {block[row, column]:g} at row {first + start + row}, column {column}; above {max_abs:.3g} the sum "
            f"of {rows.shape[1]:,} terms could overflow float64: scale the data down"
        )


def _is_plain(X: Any, estimator: Any) -> bool:
    """Whether X is an array that the kernels can read, of the estimator's width, so that only its values need a check.

    The general checks take 0.2 ms, as long as the search for one query.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or not X.size or X.dtype not in _STORED:
        return False
    if not (X.flags.c_contiguous and is_aligned(X)):
        return False
    if estimator is None:
        return True
    same = X.shape[1] == getattr(estimator, "n_features_in_", -1)
    return same and not hasattr(estimator, "feature_names_in_")


def check_rows(X: Any, name: str = "X", *, estimator: Any = None, copy: bool = False) -> CheckedRows:
    """Rows that the kernels can read: 2-D, dense, of a stored type, finite, C-contiguous, aligned.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        uint8, int8, float16, bfloat16, float32 and float64 are kept, and referenced if C-contiguous and aligned. Other
        integer types and objects are converted to float64.
    name : str
        Name of the argument in messages.
    estimator : estimator, optional
        A fitted one, with whose number and names of features those of X are compared.
    copy : bool
        Whether to always copy.

    Raises
    ------
    InputError
        If X cannot be used; the message says what to do.
    """
    if not copy and _is_plain(X, estimator):
        check_finite(X, name)
        return CheckedRows(X, 0, ())
    array, notes = read_rows(X, name)
    with _refusing(name):
        if estimator is not None:
            validate_data(estimator, X if hasattr(X, "columns") else array, reset=False, skip_check_array=True)
        rows = check_array(
            array,
            dtype=None,  # `read_rows` returns a stored type
            order="C",
            copy=False,
            ensure_all_finite=False,
            input_name=name,
            estimator=estimator,
        )
    for note in notes:
        logger.info(note)
    rows = np.asarray(rows) if type(rows) is not np.memmap else rows
    if not is_aligned(rows):  # reading an unaligned float is undefined behaviour in C
        rows = np.array(rows)
    shared = is_memory_of(X, rows)
    if shared and copy:
        rows, shared = rows.copy(), False
    check_finite(rows, name)
    return CheckedRows(rows, 0 if shared else rows.nbytes, notes, names_of_features(X))


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn scikit-learn's refusals of rows into `InputError`, in its words, which users and its own checks know."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if isinstance(error, InputError) or "\n" in message:  # lists of feature names are several lines
            raise
        if "is expecting" in message:
            message = f"{message.rstrip('.')}: give rows with the features of fit"
        for thing in ("row", "feature"):
            if f"0 {'sample' if thing == 'row' else thing}(s)" in message:
                what = f"{message[:1].lower()}{message[1:].rstrip('.')}"
                message = f"{name} has no {thing}s ({what}): give at least one {thing}"
        raise InputError(message) from None


def _named(X: Any) -> Any:
    """The object from which scikit-learn reads the number and the names of the features."""
    return X if hasattr(X, "shape") or isinstance(X, (list, tuple)) else read_rows(X, "X")[0]


def remember_features(estimator: Any, X: Any) -> None:
    """Set the number and names of the features on an estimator, in place of those of an earlier fit."""
    if hasattr(estimator, "metadata_"):  # of the earlier model: preparation of images, class names
        del estimator.metadata_
    validate_data(estimator, _named(X), reset=True, skip_check_array=True)


def check_more_rows(estimator: Any, X: Any, rows: np.ndarray, dtype: np.dtype) -> None:
    """Refuse rows that cannot be added to those of an estimator: another width, type, or other feature names."""
    name, wanted = type(estimator).__name__, estimator.n_features_in_
    if rows.shape[1] != wanted:
        raise InputError(
            f"X has {rows.shape[1]} features, but {name} is expecting {wanted} features as input: give "
            "the same features, or call fit"
        )
    if rows.dtype != dtype:
        how = "X.astype(ml_dtypes.bfloat16)" if dtype == BFLOAT16 else f"X.astype({dtype.name!r})"
        raise InputError(
            f"X is {name_of(rows.dtype)}, but the rows of {name} are {name_of(dtype)}: convert X "
            f"({how}, if that loses nothing), or fit all rows in one type"
        )
    validate_data(estimator, _named(X), reset=False, skip_check_array=True)


def names_of_features(X: Any) -> tuple[str, ...] | None:
    """The names of a data frame's columns, by scikit-learn's rule: only if all of them are text; and distinct."""
    if not hasattr(X, "columns"):
        return None
    reader = BaseEstimator()
    try:
        validate_data(reader, X, reset=True, skip_check_array=True)
    except TypeError:  # names of several types
        return None
    names = getattr(reader, "feature_names_in_", None)
    return None if names is None or len(set(names)) < len(names) else tuple(names.tolist())


def places_of_features(own: Sequence[str], wanted: Sequence[str], what: str, other: str) -> list[int] | None:
    """Place among its own names of each wanted name of a feature; None if all are in their places.

    Parameters
    ----------
    own, wanted : sequence of str
        Distinct names.
    what, other : str
        What has its own names and what has the wanted ones, for the message.

    Raises
    ------
    InputError
        If names are missing or additional; both are listed.
    """
    if tuple(own) == tuple(wanted):
        return None
    place_of = {name: place for place, name in enumerate(own)}
    missing = [name for name in wanted if name not in place_of]
    known = set(wanted)
    additional = [name for name in own if name not in known]
    if missing or additional:
        found = [f"lacks {quoted_list(missing, 20)}"] if missing else []
        found += [f"also has {quoted_list(additional, 20)}"] if additional else []
        raise InputError(f"{what} and {other} have different columns, the first {' and '.join(found)}: give both the same")
    return [place_of[name] for name in wanted]


def check_same_names(rows: CheckedRows, wanted: CheckedRows, name: str, other: str) -> None:
    """Refuse rows of a data frame whose columns have other names, or another order, than those of another data frame."""
    if rows.names is None or wanted.names is None:
        return
    if places_of_features(rows.names, wanted.names, name, other) is not None:
        raise InputError(f"{name} has the columns of {other} in another order: give both in one order")


def check_same_width(queries: np.ndarray, rows: np.ndarray, name: str = "Q") -> None:
    """Refuse queries (`name`) with another number of features than the rows X."""
    if queries.shape[1] != rows.shape[1]:
        raise InputError(
            f"{name} has {counted(queries.shape[1], 'feature')} and X has {rows.shape[1]:,}; give both the same features"
        )


def check_same_features(rows: np.ndarray, test: np.ndarray, name: str = "test") -> None:
    """Refuse test rows of another width than the training rows."""
    if rows.shape[1] != test.shape[1]:
        raise InputError(
            f"{name} has {counted(test.shape[1], 'feature')} and train has {rows.shape[1]:,}; give both the same features"
        )
