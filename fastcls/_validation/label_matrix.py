"""Checks of several labels per row: a table of 0 and 1, one column a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from .base import refuse_masked
from .containers import read_array
from .errors import InputError
from .messages import counted, shown

_BLOCK_VALUES = 1 << 20
_WANTED = "wanted 0 or 1, one column a label"
_OF_LISTS = "for lists of labels, use scikit-learn's MultiLabelBinarizer().fit_transform"


def has_columns(y: Any) -> bool:
    """Whether `y` has two dimensions and is not a single column: several labels for each row.

    A single column is one label per row, as in scikit-learn.
    """
    shape = getattr(y, "shape", None)
    if shape is None and isinstance(y, (list, tuple)) and len(y):
        first = y[0]
        if isinstance(first, (list, tuple)):
            return len(first) != 1
        shape = (len(y), *(getattr(first, "shape", None) or ()))
    return shape is not None and len(shape) == 2 and shape[1] != 1


def check_label_matrix(y: Any, n_rows: int | None = None, name: str = "y", of: str = "X") -> tuple[np.ndarray, np.dtype]:
    """The labels of every row as a table of 0 and 1, and the type in which they came.

    Parameters
    ----------
    y : array-like of shape (n_rows, n_labels)
        Integers, booleans or floats, all 0 or 1; an array, a list of lists, a data frame or a tensor.
    n_rows : int, optional
        The number of rows of X; None: not compared.
    name, of : str
        The arguments with the labels and with the rows, for messages.

    Returns
    -------
    labels : ndarray of shape (n_rows, n_labels), uint8
        A copy.
    dtype : dtype

    Raises
    ------
    InputError
        For any other value, no column, a sparse matrix, rows of different lengths, or another number of rows.
    """
    if scipy.sparse.issparse(y):
        raise InputError(f"{name} is a sparse matrix; wanted a dense table of 0 and 1: pass {name}.toarray()")
    refuse_masked(y, name)
    if isinstance(y, (list, tuple)) and len({len(row) for row in y if hasattr(row, "__len__")}) > 1:
        raise InputError(f"{name} has rows of different lengths; {_WANTED}: {_OF_LISTS}({name})")
    try:
        table = _as_table(y, name)
    except InputError as error:
        if "\n" in str(error) or "text" not in str(error):
            raise
        raise InputError(f"{name} has text; {_WANTED}: {_OF_LISTS}({name})") from None
    if table.ndim != 2:
        raise InputError(f"{name} has shape {table.shape}; {_WANTED}: (n_rows, n_labels)")
    if not table.shape[1]:
        raise InputError(f"{name} has no columns, shape {table.shape}; {_WANTED}: give at least one label")
    if n_rows is not None and len(table) != n_rows:
        single = f"; if these are single labels, pass {name}.ravel()" if len(table) == 1 else ""
        raise InputError(
            f"{name} has {counted(len(table), 'row')} of labels for {counted(n_rows, 'row')} of {of}; inconsistent numbers "
            f"of samples: pass one row of labels per row{single}"
        )
    if table.dtype.kind not in "biuf":
        raise InputError(f"{name} has dtype {table.dtype}; {_WANTED}: convert the labels to integers")
    labels = np.empty(table.shape, dtype=np.uint8)
    step = max(1, _BLOCK_VALUES // table.shape[1])
    for start in range(0, len(table), step):
        block = table[start : start + step]
        is_one = block == 1
        if not (is_one | (block == 0)).all():
            row, column = np.argwhere(~(is_one | (block == 0)))[0]
            raise InputError(
                f"{name} has {shown(block[row, column])} at row {start + row}, column {column}; {_WANTED}: for one class "
                "per column, use scikit-learn's MultiOutputClassifier around this estimator"
            )
        labels[start : start + step] = is_one
    return labels, table.dtype.newbyteorder("=")


def _as_table(y: Any, name: str) -> np.ndarray:
    """The values of an array or of a list; of a data frame whose columns share one type, in that type."""
    if hasattr(y, "columns") and hasattr(y, "to_numpy"):
        whole = np.asarray(y.to_numpy())
        if whole.dtype.kind in "biuf":
            return whole
    return read_array(y, name)


def check_same_labels(labels: np.ndarray, n_labels: int, name: str = "y", other: str | None = None) -> None:
    """Refuse a table of labels with another number of columns than those of a model, or of another argument."""
    if labels.shape[1] != n_labels:
        n = counted(n_labels, "label" if other is None else "column")
        raise InputError(
            f"{name} has {counted(labels.shape[1], 'column')}, but {'the model' if other is None else other} has {n}: give "
            f"one column for each label of {other or 'fit'}, in the same order"
        )
