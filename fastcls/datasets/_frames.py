"""Load data frames of pandas, polars and pyarrow: the columns of pandas are read here, those of the others as Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._validation.base import is_missing
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind, quoted, reason
from fastcls.datasets._arrow import of_arrow, pyarrow_for
from fastcls.datasets._columns import Column, Table, no_value, of_features, refuse_repeated, without
from fastcls.datasets._common import note_other_index, noting
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._tables import load_tables

_WHERE = "the data frame"
_NUMBERS = (bool, int, float, np.number, np.bool_)


def is_frame(data: object) -> bool:
    """Tell whether an object is a data frame of pandas, polars or pyarrow."""
    cls = type(data)
    if hasattr(cls, "iloc"):
        return hasattr(cls, "columns")
    return hasattr(cls, "__arrow_c_stream__") and (hasattr(cls, "columns") or hasattr(cls, "read_next_batch"))


@noting
def load_frame(
    frame: Any, *, labels: Any = None, features: str | None = None, drop: Any = None, name: str = "frame"
) -> Dataset:
    """Make a data set of a data frame of pandas, polars or pyarrow.

    Parameters
    ----------
    frame : data frame
        Columns as those of a file, see ``load_arrow``.
    labels : name, path or array-like, optional
        The name of the column with the labels, or labels from elsewhere.
    features : str, optional
        The name of the column with the features, of several of lists; no other column is one then.
    drop : str or sequence of str, optional
        Names of columns to leave out.
    name : str
        Name of the data set.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        As ``load_arrow``.
    """
    if not hasattr(frame, "iloc"):
        pyarrow = pyarrow_for("a data frame")
        try:
            table = pyarrow.table(frame)
        except Exception as error:  # of another package, for types that Arrow does not have
            raise InputError(f"{_WHERE} cannot be read ({reason(error)}): convert its columns to numbers and text") from None
        return load_tables(of_features(without(of_arrow(table, _WHERE), drop), features, labels), labels=labels, name=name)
    note_other_index(frame, labels, "the data frame", "labels")
    names = [str(column) for column in frame.columns]
    if not len(frame):
        raise InputError(f"{_WHERE} has no rows: give at least one")
    refuse_repeated(names, _WHERE)
    columns = [_of_series(column, frame.iloc[:, place]) for place, column in enumerate(names)]
    is_named = all(isinstance(column, str) for column in frame.columns)
    table = without(Table(_WHERE, len(frame), columns, is_named=is_named), drop)
    return load_tables(of_features(table, features, labels), labels=labels, name=name)


def _of_series(name: str, series: Any) -> Column:
    what = str(series.dtype)
    if hasattr(series.dtype, "pyarrow_dtype"):
        array = series.array.__arrow_array__()
        return of_arrow(pyarrow_for("a column of Arrow").table({name: array}), _WHERE).columns[0]
    if what == "category":  # a series of the values themselves, with missing ones as they are
        return _of_values(name, series, series.cat.categories.dtype, what)._replace(is_category=True)
    return _of_values(name, series, getattr(series.dtype, "numpy_dtype", series.dtype), what)  # of nullable types


def _of_values(name: str, series: Any, plain: Any, what: str) -> Column:
    """The column of a series whose values have the type `plain`."""
    if isinstance(plain, np.dtype) and plain.kind in "biuf":
        return Column(name, "numbers", what, lambda: _numbers(series, plain, name))
    if hasattr(series, "sparse"):
        return Column(name, "other", what, lambda: np.asarray(series), hint="convert it with .sparse.to_dense()")
    cells = [] if plain.kind == "M" else (cell for cell in series if not _is_missing(cell))
    first = next(iter(cells), None)
    if isinstance(first, (list, tuple, np.ndarray)):
        return Column(name, "vectors", what, lambda: _stacked(series, name))
    if isinstance(first, str) or "string" in what:
        return Column(name, "text", "text", lambda: np.asarray(series, dtype=object))
    return _other(name, series, what)


def _other(name: str, series: Any, what: str) -> Column:
    """A column that is no feature. Of objects, the first that is no number is named."""
    hint = None
    if what == "object":
        odd = ((row, cell) for row, cell in enumerate(series) if not isinstance(cell, _NUMBERS) or _is_missing(cell))
        row, cell = next(odd, (None, None))
        hint = "convert it with .astype(float)" if row is None else None
        which = "numbers" if row is None else f"{'no value' if _is_missing(cell) else kind(cell)} at row {row}"
        what = f"object ({which})"
    return Column(name, "other", what, lambda: np.asarray(series, dtype=object), hint=hint)


def _is_missing(cell: Any) -> bool:
    """Whether a cell is None, NaN or NA; a list is not."""
    return not isinstance(cell, (list, tuple, np.ndarray, str)) and is_missing(cell)


def _numbers(series: Any, dtype: np.dtype, name: str) -> np.ndarray:
    """The numbers of a column in their own type. NaN of a float is left to the check of all rows, which calls it so."""
    if dtype.kind != "f" or series.dtype != dtype:
        missing = np.asarray(series.isna(), dtype=bool)
        if missing.any():
            raise no_value(f"the column {quoted(name)}", int(np.argmax(missing)))
    return np.asarray(series.to_numpy(dtype=dtype))


def _stacked(series: Any, name: str) -> np.ndarray:
    """The cells of a column, each a list or an array of numbers, as rows."""
    what = f"the column {quoted(name)}"
    rows: list[np.ndarray] = []
    for row, cell in enumerate(series):
        if _is_missing(cell):
            raise no_value(what, row)
        values = _cell(cell)
        if values is None:
            raise InputError(f"{what} has lists of different lengths at row {row}: give all lists one length")
        if values.dtype.kind == "O":
            places = [place for place, value in np.ndenumerate(values) if _is_missing(value)]
            if places:
                raise no_value(what, row, places[0][-1])
        if not values.ndim or values.dtype.kind not in "biuf":
            raise InputError(
                f"{what} has {kind(cell)} without numbers at row {row}; wanted lists of numbers of one length: "
                "remove the row, or encode it as numbers"
            )
        if rows and values.shape != rows[0].shape:
            one = values.ndim == rows[0].ndim == 1
            has = f"a list of {counted(len(values), 'value')}" if one else f"an array of shape {values.shape}"
            wanted = len(rows[0]) if one else rows[0].shape
            raise InputError(f"{what} has {has} at row {row}, but {wanted} in the first row: give all rows one length")
        rows.append(values)
    if not rows[0].size:
        raise InputError(f"{what} has empty lists: give at least one value per row")
    return np.stack(rows)


def _cell(cell: Any) -> np.ndarray | None:
    """A cell as an array; None if its lists are of different lengths."""
    try:
        values = np.asarray(cell)
        if values.dtype.kind == "O" and values.ndim == 1 and all(isinstance(one, np.ndarray) for one in values):
            inner = [_cell(one) for one in values]  # arrays in an array, as Arrow gives lists of lists
            return None if any(one is None for one in inner) else np.stack(inner)  # type: ignore[arg-type]
        return values
    except ValueError:
        return None
