"""Checks of rows: what the kernels can read, of one width, finite."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .containers import STORED_TYPES, read_rows
from .errors import InputError
from .messages import counted

logger = logging.getLogger("fastcls")


_STORED = frozenset(map(np.dtype, STORED_TYPES))
_FINITE_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class CheckedRows:
    """Rows that the kernels can read, and what it took to make them so.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_features)
        C-contiguous, aligned uint8, int8, float16, float32 or float64; the user's own memory where that already was so.
    copied_bytes : int
        Bytes copied to make it so; 0 where nothing was.
    notes : tuple of str
    """

    rows: np.ndarray
    copied_bytes: int
    notes: tuple[str, ...]


def as_bytes(rows: np.ndarray) -> np.ndarray:
    """C-contiguous rows as the compiled loops take them: a view of their bytes."""
    return np.asarray(rows).view(np.uint8)


def _largest_magnitude(block: np.ndarray) -> float:
    """The largest absolute value; infinity or NaN where there is one."""
    if block.dtype == np.float16:  # without their sign, halves are ordered as their bits are; NumPy compares them one by one
        return float((block.view(np.uint16) & 0x7FFF).max().view(np.float16))
    return max(-float(block.min()), float(block.max()))  # NaN goes through both


def check_finite(rows: np.ndarray, name: str = "X", max_abs: float = np.inf, first: int = 0) -> None:
    """Refuse NaN, infinity, and values whose sums could overflow; the first offender's row and column are named.

    `first` is the number of the first row, where these are part of more.
    """
    if rows.dtype.kind != "f":
        return
    step = max(1, _FINITE_BLOCK_BYTES // max(1, rows.shape[1] * rows.itemsize))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        if np.isfinite(largest := _largest_magnitude(block)) and largest <= max_abs:
            continue
        bad = ~np.isfinite(block)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            what = "NaN" if np.isnan(block[row, column]) else "infinity"
            raise InputError(
                f"{name} contains {what}, first at row {first + start + row}, column {column}; wanted finite numbers: "
                "remove or fill such values first",
                argument=name,
            )
        row, column = np.argwhere(np.abs(block) > max_abs)[0]
        raise InputError(
            f"{name} has {block[row, column]:g} at row {first + start + row}, column {column}; above {max_abs:.3g} the sum "
            f"of {rows.shape[1]} terms could overflow float64: scale the data down first",
            argument=name,
        )


def _is_plain(X: Any, estimator: Any, reset: bool) -> bool:
    """Whether X is an array as the kernels read it, of the estimator's width: all that is left to check are its values.

    What the general way asks of it takes 0.2 ms, as long as one query's search.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or not X.size or X.dtype not in _STORED:
        return False
    if not (X.flags.c_contiguous and X.flags.aligned):
        return False
    if estimator is None:
        return True
    same = X.shape[1] == getattr(estimator, "n_features_in_", -1)
    return not reset and same and not hasattr(estimator, "feature_names_in_")


def check_rows(X: Any, name: str = "X", *, estimator: Any = None, reset: bool = False, copy: bool = False) -> CheckedRows:
    """Rows that the kernels can read: 2-D, dense, of a stored type, finite, C-contiguous, aligned.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        uint8, int8, float16, float32 and float64 are kept, and referenced where C-contiguous and aligned; other
        integer types and what is no number yet become float64.
    name : str
        What to call it in a message.
    estimator : estimator, optional
        Its number and names of features are remembered (`reset`) or compared.
    copy : bool
        Whether to copy in any case.

    Raises
    ------
    InputError
        Where it cannot be used; the message says what to do.
    """
    if not copy and _is_plain(X, estimator, reset):
        check_finite(X, name)
        return CheckedRows(X, 0, ())
    array, notes = read_rows(X, name)
    if estimator is not None:
        validate_data(estimator, X if hasattr(X, "columns") else array, reset=reset, skip_check_array=True)
    rows = check_array(
        array,
        dtype=list(STORED_TYPES),
        order="C",
        copy=False,
        ensure_all_finite=False,
        input_name=name,
        estimator=estimator,
    )
    for note in notes:
        logger.info(note)
    rows = np.asarray(rows) if type(rows) is not np.memmap else rows
    if not rows.flags.aligned:  # a float may not begin at an odd byte: C leaves undefined what reads it there
        rows = np.array(rows)
    shared = isinstance(X, np.ndarray) and np.may_share_memory(rows, X)
    if shared and copy:
        rows, shared = rows.copy(), False
    check_finite(rows, name)
    return CheckedRows(rows, 0 if shared else rows.nbytes, notes)


def _named(X: Any) -> Any:
    """What scikit-learn reads number and names of features from."""
    return X if hasattr(X, "shape") or isinstance(X, (list, tuple)) else read_rows(X, "X")[0]


def remember_features(estimator: Any, X: Any) -> None:
    """Let an estimator remember the number and the names of the features it was fitted on, and forget an earlier model's."""
    if hasattr(estimator, "metadata_"):  # how images were prepared, and names of classes, for what was loaded
        del estimator.metadata_
    validate_data(estimator, _named(X), reset=True, skip_check_array=True)


def check_more_rows(estimator: Any, X: Any, rows: np.ndarray, dtype: np.dtype) -> None:
    """Refuse rows that cannot stand behind those an estimator has: of another width, type, or other names of features."""
    name, wanted = type(estimator).__name__, estimator.n_features_in_
    if rows.shape[1] != wanted:
        raise InputError(
            f"X has {rows.shape[1]} features, but {name} is expecting {wanted} features as input, as the rows it has; give "
            "the same features, or fit anew",
            argument="X",
        )
    if rows.dtype != dtype:
        raise InputError(
            f"X is {rows.dtype}, but the rows that {name} has are {dtype}; convert it first (X.astype({dtype.name!r}), if "
            "that loses nothing), or fit all rows anew in one type",
            argument="X",
        )
    validate_data(estimator, _named(X), reset=False, skip_check_array=True)


def check_same_width(queries: np.ndarray, rows: np.ndarray) -> None:
    """Refuse queries of another number of features than the rows."""
    if queries.shape[1] != rows.shape[1]:
        raise InputError(
            f"Q has {counted(queries.shape[1], 'feature')} and X has {rows.shape[1]}; give both the same features"
        )


def check_same_features(rows: np.ndarray, test: np.ndarray, name: str = "test") -> None:
    """Refuse test rows of another width than the training rows."""
    if rows.shape[1] != test.shape[1]:
        raise InputError(
            f"{name} has {counted(test.shape[1], 'feature')} and train has {rows.shape[1]}; give both the same features",
            argument=name,
        )
