"""Reads rows and labels from containers: arrays, lists, data frames, tensors.

The same values give the same array, the same refusal and the same note of a conversion in every container.
"""

from __future__ import annotations

import os
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils.validation import column_or_1d

from .base import is_missing, refuse_masked
from .errors import InputError, InputTypeError
from .messages import counted, kind, quoted, quoted_list, reason
from .types import BFLOAT16, STORED_TYPES, as_numbers, name_of

_SEVERAL = (
    "several labels per row need fastcls.KNeighborsClassifier, or scikit-learn's OneVsRestClassifier around a classifier"
)
_MOST_EXACT = 2**53  # float64 holds every whole number up to here


def read_rows(X: Any, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows as a two-dimensional array of a stored type in native byte order, and notes of conversions.

    uint8, int8, float16, bfloat16, float32 and float64 are kept. Other integers, booleans and Python numbers become float64.

    Raises
    ------
    InputError
        If X is not a table of numbers, or has integers beyond 2^53, which float64 may not hold exactly.
    """
    _refuse_unreadable(X, name)
    columns = _columns_of(X)
    if columns is not None:
        return _of_columns(X, columns, name)
    given = _array_of(X, name)
    _refuse_other_than_table(given, name)
    if isinstance(X, (list, tuple)) and given.dtype == np.float64 and given.size:
        _refuse_lost_digits(X, given, name)
    rows = _as_stored(given, name)
    return rows, _note(name, {name_of(given.dtype)}, rows.dtype)


def read_array(X: Any, name: str) -> np.ndarray:
    """An array of numbers of any shape, such as images in memory; only Python objects and rare types are converted.

    Raises
    ------
    InputError
        If `X` is no array or list (a path, a mapping, an iterator, None), or has an element that is not a number.
    """
    _refuse_unreadable(X, name)
    columns = _columns_of(X)
    if columns is not None:
        return _of_columns(X, columns, name)[0]
    array = _array_of(X, name)
    if array.dtype.names is not None:
        _refuse_fields(array.dtype, name)
    if array.dtype.kind == "O" and array.ndim > 1:
        return _of_objects(array.reshape(len(array), -1), name).reshape(array.shape)
    if array.dtype.kind in "OUST":
        _refuse_other_than_table(array, name)
    if array.dtype.name == "bfloat16":
        return array.view(BFLOAT16)
    return array.astype(np.float32) if _is_extension_float(array.dtype) else array


def _note(name: str, came: set[str], dtype: np.dtype) -> tuple[str, ...]:
    """One sentence on the conversion of types, if any; for a list of Python numbers NumPy chooses the type."""
    if came <= {name_of(dtype)}:
        return ()
    kept = " (uint8 and int8 are kept as they are)" if dtype == np.float64 else ""
    return (f"{name}: {' and '.join(sorted(came))} converted to {name_of(dtype)}{kept}",)


def _refuse_unreadable(X: Any, name: str) -> None:
    wanted = "wanted rows of numbers, (n_rows, n_features)"
    if scipy.sparse.issparse(X):
        raise InputError(
            f"{name} is a sparse matrix; fastcls reads dense rows: pass {name}.toarray(), or use scikit-learn's "
            "estimators, which take sparse data"
        )
    if isinstance(X, (str, bytes, os.PathLike)):
        path = X if isinstance(X, bytes) else os.fspath(X)
        raise InputError(
            f"{name} is the text {quoted(path)}; {wanted}: if it is a path, load it first, with "
            "fastcls.datasets.load(path), whose X and y are rows and labels, or with np.load(path)"
        )
    if isinstance(X, Mapping):
        example = f", such as {name}[{quoted(next(iter(X)))}]" if len(X) else ""
        raise InputError(
            f"{name} is {kind(X)} with the keys {quoted_list(X) or 'none'}; {wanted}: pass one of its arrays{example}"
        )
    if X is None:
        raise InputError(f"{name} is None; {wanted}: pass the rows (a function that loads them may have returned nothing)")
    if hasattr(X, "class_names") and hasattr(X, "X"):
        raise InputError(f"{name} is {kind(X)}; {wanted}: pass its X, and its y as the labels")
    if isinstance(X, (Iterator, set, frozenset)):
        raise InputError(f"{name} is {kind(X)}, which has no order or length; {wanted}: make it a list or an array")
    if hasattr(X, "__cuda_array_interface__") or getattr(getattr(X, "device", None), "type", "cpu") not in ("cpu", None):
        raise InputError(f"{name} is on a device, and fastcls reads CPU memory: copy it there first ({name}.cpu())")
    refuse_masked(X, name)


def _array_of(X: Any, name: str) -> np.ndarray:
    """X as a NumPy array, without conversion of its type; that of a tensor of bfloat16 is `BFLOAT16`.

    A tensor that requires a gradient is read without it. Memory is shared wherever X allows.
    """
    if type(X) in (np.ndarray, np.memmap):  # not in the block below, where a signal handler's exception is a container's
        return X  # a memory map is kept, because its file may be needed
    try:
        if getattr(X, "requires_grad", False) is True and hasattr(X, "detach"):
            X = X.detach()
        if str(getattr(X, "dtype", "")) == "torch.bfloat16":
            return np.asarray(X.view(sys.modules["torch"].int16)).view(BFLOAT16)
        if isinstance(X, (list, tuple)) and X and _is_tensor(X[0]):
            return np.stack([_array_of(row, name) for row in X])
        if not hasattr(X, "__array__") and hasattr(X, "__dlpack__"):
            if X.__dlpack_device__()[0] != 1:
                raise InputError(f"{name} is on a device, and fastcls reads CPU memory: copy it there first")
            return np.from_dlpack(X)
        if _is_sliced(X) and shape_of(X):
            return np.asarray(X[: shape_of(X)[0]])
        if isinstance(X, (list, tuple)) and X and _columns_of(X[0]) is not None:
            _refuse_tables(X, name)
        return np.asarray(X)
    except InputError:
        raise
    except ValueError as error:
        if isinstance(X, (list, tuple)):
            _refuse_tables(X, name)
            raise InputError(
                f"{name} has rows of different lengths; wanted (n_rows, n_features), all rows of the same length"
            ) from None
        raise InputError(f"{name} is {kind(X)} that NumPy cannot read ({reason(error)})") from None
    except Exception as error:  # a foreign __array__ may raise anything: bfloat16, gradients, closed files
        how = f"{name}.detach().float().numpy()" if hasattr(X, "detach") else f"np.asarray({name}, dtype=np.float32)"
        raise InputError(
            f"{name} is {kind(X)} that NumPy cannot read ({reason(error)}): convert it first, for example with {how}"
        ) from None


def shape_of(values: Any) -> tuple[int, ...]:
    """The shape of an array, a list, or anything that has one; (n,) for a list of parts of different lengths.

    ``numpy.shape`` takes what has a shape but no ``__array__`` for a single value.
    """
    shape = getattr(values, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(n, (int, np.integer)) for n in shape):
        return tuple(map(int, shape))
    try:
        return np.shape(values)
    except ValueError:
        return (len(values),)


def is_table(X: Any) -> bool:
    """Whether X says itself that it has two dimensions: an array, a tensor, a data frame, rows on disk."""
    return hasattr(X, "shape") and len(shape_of(X)) == 2


def _is_sliced(X: Any) -> bool:
    """Whether NumPy cannot read X as a whole, but X has a shape, a type and slices (rows on disk)."""
    return not hasattr(X, "__array__") and all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))


def _refuse_tables(X: Any, name: str) -> None:
    if isinstance(X, (list, tuple)) and X and all(map(is_table, X)):
        how = "with the concat of its package" if _columns_of(X[0]) is not None else f"with np.concatenate({name})"
        raise InputError(f"{name} is {kind(X)} of {counted(len(X), 'table')}; wanted a single one: join them {how}")


def _is_tensor(X: Any) -> bool:
    """Whether X is a tensor of another package, which NumPy would read value by value from a list."""
    return hasattr(X, "__dlpack__") and not isinstance(X, (np.ndarray, np.generic))


def is_memory_of(X: Any, rows: np.ndarray) -> bool:
    """Whether rows that were read from X are its own memory and no copy; also if that is unknown."""
    if isinstance(X, np.ndarray):
        return bool(np.may_share_memory(rows, X))
    if isinstance(X, (list, tuple)):
        return False
    try:
        some = X.iloc[:1] if hasattr(X, "iloc") else X[:1] if hasattr(X, "__getitem__") else X
        return bool(np.may_share_memory(rows, read_rows(some, "X")[0]))
    except Exception:  # of a container of another package
        return True


def _refuse_other_than_table(array: np.ndarray, name: str) -> None:
    shape, dtype = array.shape, array.dtype
    if dtype.kind in "UST":
        raise InputError(
            f"{name} is text of type {dtype}; wanted numbers: {name}.astype(float) converts written numbers, "
            "fastcls.datasets.load reads paths to images or arrays"
        )
    if array.ndim == 0 and dtype.kind == "O":
        raise InputError(f"{name} is {kind(array.item())}; wanted rows of numbers, (n_rows, n_features)")
    if array.ndim == 1 and dtype.kind == "O" and array.size and np.ndim(array[0]) > 0:
        raise InputError(
            f"{name} is an array of {counted(len(array), 'separate array')}; wanted one two-dimensional array: "
            f"use np.stack({name}) if all have the same length"
        )
    if dtype.names is not None:
        _refuse_fields(dtype, name)
    if len(shape) != 2:
        how = f"{name}.reshape(1, -1) if it is one row" if len(shape) < 2 else f"{name}.reshape(len({name}), -1)"
        raise InputError(
            f"{name} has {counted(len(shape), 'dimension')}, shape {shape}; wanted a 2D array (n_rows, "
            f"n_features): Reshape your data with {how}"
        )


def _refuse_fields(dtype: np.dtype, name: str) -> None:
    raise InputError(
        f"{name} is a structured array with the fields {quoted_list(dtype.names or ())}; wanted plain numbers: "
        "convert it with numpy.lib.recfunctions.structured_to_unstructured"
    )


def _refuse_type(dtype: Any, name: str) -> None:
    if dtype.kind == "c":
        raise InputError(f"{name} is {dtype}: Complex data not supported; pass its real and imaginary parts as features")
    if dtype.kind in "mM":
        raise InputError(f"{name} is {dtype}; wanted numbers: convert dates to numeric features")
    raise InputError(f"{name} is {dtype}; wanted numbers of at most 64 bits: convert them ({name}.astype(float))")


def _is_extension_float(dtype: np.dtype) -> bool:
    """Whether it is one of the small types that ml_dtypes adds to NumPy; float32 holds each exactly."""
    return dtype.kind in "Vfiu" and dtype.names is None and dtype.type.__module__.split(".")[0] == "ml_dtypes"


def _as_stored(array: np.ndarray, name: str) -> np.ndarray:
    """The same values in a stored type."""
    if array.dtype.name == "bfloat16":  # of ml_dtypes
        array = array.view(BFLOAT16)
    dtype = array.dtype
    if name_of(dtype) in STORED_TYPES:
        return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
    if _is_extension_float(dtype) and "complex" not in dtype.name:
        return array.astype(np.float32)
    if dtype.kind in "iu":
        if array.size and max(int(array.max()), -int(array.min())) > _MOST_EXACT:
            _refuse_large(dtype.newbyteorder("=").name, name)
    elif dtype.kind == "O":
        return _of_objects(array, name)
    elif dtype.kind != "b":
        _refuse_type(dtype, name)
    return array.astype(np.float64)


def _refuse_large(what: str, name: str) -> None:
    raise InputError(f"{name} has {what} values above 2^53, which float64 cannot hold exactly: scale them down")


def _of_objects(array: np.ndarray, name: str) -> np.ndarray:
    """Python objects as float64, if all of them are numbers."""
    kinds = set(map(type, array.ravel().tolist()))
    if any(issubclass(kind, (str, bytes)) for kind in kinds):
        raise InputError(
            f"{name} has text among its objects (first {quoted(_first_text(array))}); wanted numbers: convert it, "
            "or encode categories as numbers (sklearn.preprocessing.OneHotEncoder)"
        )
    if any(issubclass(kind, (complex, np.complexfloating)) for kind in kinds):
        _refuse_type(np.dtype(complex), name)
    if any(issubclass(kind, (int, np.integer)) and kind is not bool for kind in kinds):
        whole = [value for value in array.ravel().tolist() if isinstance(value, (int, np.integer))]
        if max(max(whole), -min(whole)) > _MOST_EXACT:
            _refuse_large("int", name)
    if any(kind.__name__ in ("NAType", "NaTType") for kind in kinds):
        array = np.where(np.vectorize(is_missing, otypes=[bool])(array), np.nan, array)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        row, column = next(place for place in np.ndindex(array.shape) if not _is_number(array[place]))
        value = array[row, column]
        if isinstance(value, (list, tuple, np.ndarray)):
            raise InputError(
                f"{name} has {kind(value)} of {counted(np.size(value), 'value')} at row {row}, column {column}; wanted one "
                "number: make a table of a column of lists first, with np.stack(list(column))"
            ) from None
        raise InputTypeError(
            f"{name} has {kind(value)} at row {row}, column {column}: each value of this argument "
            "must be numeric, not a string or another object: convert it to a number"
        ) from None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _first_text(array: np.ndarray) -> Any:
    return next((value for value in array.ravel().tolist() if isinstance(value, (str, bytes))), None)


def _refuse_lost_digits(X: Any, array: np.ndarray, name: str) -> None:
    """Refuse integers that NumPy rounded silently when it converted a list of integers and fractions to float64."""
    if np.abs(array[np.isfinite(array)]).max(initial=0.0) >= _MOST_EXACT:
        for value in np.array([list(row) for row in X], dtype=object).ravel().tolist():
            if isinstance(value, (int, np.integer)) and abs(int(value)) > _MOST_EXACT:
                _refuse_large("int", name)


def _columns_of(X: Any) -> list[Any] | None:
    """The columns of a data frame (pandas, polars, pyarrow), or None for anything else."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return [X.iloc[:, place] for place in range(X.shape[1])]
    for method in ("iter_columns", "itercolumns"):
        if hasattr(X, method) and hasattr(X, "shape"):
            return list(getattr(X, method)())
    return None


def _of_columns(X: Any, columns: list[Any], name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows from the columns of a data frame, whose types may differ."""
    dtypes = {column.dtype for column in columns if isinstance(getattr(column, "dtype", None), np.dtype)}
    if len(dtypes) == 1 and hasattr(X, "iloc") and all(column.dtype in dtypes for column in columns):
        arrays = [np.asarray(X)]  # one block: no copy
    else:
        arrays = [_column(column, name) for column in columns]
    came = {array.dtype.newbyteorder("=").name for array in arrays}
    stored = [_as_stored(array if array.ndim == 2 else array[:, None], name) for array in arrays]
    if len(stored) == 1:
        return stored[0].reshape(len(X), -1), _note(name, came, stored[0].dtype)
    if not stored:
        return np.empty((len(X), 0)), ()
    common = np.result_type(*stored)
    dtype = common if common.name in STORED_TYPES else np.dtype(np.float64)
    rows = np.empty((len(stored[0]), len(stored)), dtype)
    for place, column in enumerate(stored):
        rows[:, place] = column[:, 0]
    return rows, _note(name, came, dtype)


def _column(column: Any, name: str) -> np.ndarray:
    """One column as an array; missing values of nullable types become NaN, which is refused later."""
    dtype = getattr(column, "dtype", None)
    if hasattr(dtype, "subtype") and hasattr(column, "sparse"):
        raise InputError(f"{name} has sparse columns, and fastcls reads dense rows: pass {name}.sparse.to_dense()")
    if type(dtype).__name__ == "CategoricalDtype":
        column = np.asarray(column)
    plain = getattr(dtype, "numpy_dtype", None)  # of pandas' nullable types
    if isinstance(plain, np.dtype) and plain.kind in "biuf":
        missing = np.asarray(column.isna(), dtype=bool)
        if not missing.any():
            return np.asarray(column.to_numpy(dtype=plain))
        _as_stored(np.asarray(column[~missing].to_numpy(dtype=plain))[:, None], name)  # the other values may be refused too
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    try:
        return np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)
    except Exception as error:
        raise InputError(f"{name} has a column that NumPy cannot read ({reason(error)}): convert it to numbers") from None


def read_labels(y: Any, name: str, *, decode: bool = False) -> np.ndarray:
    """One label per row, in one dimension: numbers or text, to which Python objects are converted.

    `decode` decodes bytes as UTF-8, as data formats define.

    Raises
    ------
    InputError
        If `y` is not one label per row, or has a missing label, one that is neither a number nor text, or both kinds.
    """
    if isinstance(y, (str, bytes, os.PathLike)):
        raise InputError(
            f"{name} is the text {quoted(y)}; wanted one label per row: load the labels first, with "
            "np.load(path) or fastcls.datasets.load(path).y"
        )
    if isinstance(y, (Mapping, Iterator, set, frozenset)):
        raise InputError(f"{name} is {kind(y)}; wanted one label per row: pass an array or a list")
    refuse_masked(y, name)
    y_array = y if isinstance(y, np.ndarray) else _array_of(y, name)  # scikit-learn converts nullable integers to floats
    shape = y_array.shape
    if len(shape) == 2 and shape[1] != 1:
        array = name if name.isidentifier() else "labels"  # else it is called by its file
        how = f"use {array}.ravel()" if shape[0] == 1 else f"use {array}.argmax(axis=1) if rows are one-hot; {_SEVERAL}"
        raise InputError(f"{name} should be a 1d array, one label per row, but has shape {tuple(shape)}: {how}")
    if len(shape) not in (1, 2):
        raise InputError(f"{name} should be a 1d array, one label per row, but has shape {tuple(shape)}")
    y_array = column_or_1d(y_array, warn=not decode)
    if decode and (y_array.dtype.kind == "S" or (y_array.dtype.kind == "O" and set(map(type, y_array)) == {bytes})):
        return np.array([_decoded(label, row, name) for row, label in enumerate(y_array.tolist())])
    return _plain_labels(y_array, y, name)


def _decoded(label: bytes, row: int, name: str) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise InputError(
            f"{name} has the bytes {label!r} at row {row}, which are not text in UTF-8: write the labels as text, or decode "
            "them first, such as with np.char.decode(labels, 'latin-1')"
        ) from None


def _plain_labels(y: np.ndarray, given: Any, name: str) -> np.ndarray:
    """Labels without Python objects, if they have one type."""
    y = np.asarray(y)
    if y.dtype.kind == "S":
        raise InputError(
            f"{name} has bytes, such as {y.tolist()[:1]}; wanted text or "
            f"numbers: decode them first (np.char.decode({name}, 'utf-8'))"
        )
    y = as_numbers(y)
    if _is_extension_float(y.dtype):
        return y.astype(np.float32)
    if y.dtype.kind in "mMc":
        raise InputError(f"{name} has dtype {y.dtype}; wanted integers or strings as class labels")
    if not y.dtype.isnative:
        y = y.astype(y.dtype.newbyteorder("="))
    if y.dtype.kind == "U" and isinstance(given, (list, tuple)):
        _refuse_mixed(list(given), name)  # NumPy converts numbers to text if there is text
    if y.dtype.kind not in "OT":
        return y
    values = y.tolist()
    if large := [place for place, value in enumerate(values) if type(value) is int and not -(2**63) <= value < 2**64]:
        raise InputError(
            f"{name} has the label {quoted(values[large[0]], 40)[1:-1]} at row {large[0]}; wanted integers of "
            "at most 64 bits: convert them to text, or number the classes from 0"
        )
    missing = [place for place, value in enumerate(values) if is_missing(value)]
    if missing:
        more = f", {counted(len(missing), 'row')} in all" if len(missing) > 1 else ""
        raise InputError(
            f"{name} has a missing value ({values[missing[0]]}) at row {missing[0]}{more}: fill missing "
            "values or remove their rows"
        )
    if any(isinstance(value, bytes) for value in values):
        raise InputError(f"{name} has bytes among its labels; wanted text or numbers: decode them first")
    _refuse_mixed(values, name)
    kinds = set(map(type, values))
    if all(issubclass(kind, str) for kind in kinds):
        return np.array([str(value) for value in values]) if values else y
    if all(issubclass(kind, (bool, int, float, np.number, np.bool_)) for kind in kinds):
        numbers = np.array(values)
        return numbers if numbers.dtype != object else y
    return y


def _refuse_mixed(values: Sequence[Any], name: str) -> None:
    kinds = {type(value) for value in values}
    if len({issubclass(kind, str) for kind in kinds}) > 1:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        row = next(row for row, value in enumerate(values) if isinstance(value, str) != isinstance(values[0], str))
        raise InputError(
            f"{name} mixes labels of types that cannot be ordered ({found}): convert them to one type (row {row} is the "
            "first that differs from row 0)"
        )


def warn_look_alikes(names: Iterable[Any], what: str, stacklevel: int = 3) -> None:
    """Warn of names that look the same but differ: one has an accent within the letter, the other after it."""
    looks: dict[str, str] = {}
    for text in names:
        if not isinstance(text, str) or text.isascii():
            continue
        other = looks.setdefault(unicodedata.normalize("NFC", text), text)
        if other != text:
            warnings.warn(
                f"{what} has two classes that look alike, {other!a} and {text!a}: the same text in the Unicode forms "
                "NFC and NFD; if they are one class, bring all names to one form with unicodedata.normalize('NFC', name)",
                UserWarning,
                stacklevel=stacklevel,
            )
