"""``Dataset``: the one shape in which every layout arrives."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from fastcls._validation.base import refuse_masked
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls.datasets._common import note

KEPT_DTYPES = ("uint8", "int8", "float16", "float32", "float64")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows, their classes, and what is known about where they came from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows: uint8, int8, float16, float32 or float64. A memory map stays a memory map; what is not
        C-contiguous or not in native byte order is copied once, with a logged line.
    y : ndarray of shape (n_samples,)
        Codes into `class_names`; stored as int64.
    X_test, y_test : ndarray, optional
        The data's own test set, of the same width and dtype. Both or neither.
    class_names : tuple of str
        One distinct name a class. They are data: whoever shows them escapes them.
    image_shape : tuple (height, width, channels), optional
        Rows are pixels in (h, w, c) order; grey images have c = 1. None: rows are no images.
    preprocessing : dict
        How a new image becomes such a row, as JSON-able values; see ``prepare_image``. Empty: no recipe is known.
    name : str
        A short name, from the path.
    notes : tuple of str
        What the loader left out, converted or changed, one sentence each.
    unreadable : tuple of (path, reason)
        Images that were left out because they cannot be read; see ``load_image_folder``.
    files, files_test : tuple of str, optional
        The file of each row of `X` and `X_test`, below the data's folder (``cat/3.jpg``). None: rows have none.

    Raises
    ------
    InputError
        If the parts do not fit each other.
    """

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    _: KW_ONLY
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    notes: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] | None = None
    files_test: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        names = _checked_names(self.class_names)
        settled: dict[str, Any] = {"class_names": names, "X": _checked_rows(self.X, "X")}
        settled["y"] = _checked_codes(self.y, len(settled["X"]), len(names), "y")
        if (self.X_test is None) != (self.y_test is None):
            raise InputError("got only one of X_test and y_test; wanted both or neither")
        if self.X_test is not None and self.y_test is not None:
            settled["X_test"] = _checked_rows(self.X_test, "X_test")
            _check_alike(settled["X"], settled["X_test"])
            settled["y_test"] = _checked_codes(self.y_test, len(settled["X_test"]), len(names), "y_test")
        if self.image_shape is not None:
            settled["image_shape"] = checked_image_shape(self.image_shape, settled["X"].shape[1])
        settled["preprocessing"] = _checked_recipe(self.preprocessing)
        if not isinstance(self.name, str):
            raise InputError(f"got a data set name of type {type(self.name).__name__}; wanted a string")
        for files, rows in (("files", "X"), ("files_test", "X_test")):
            listed, there = getattr(self, files), settled.get(rows)
            if listed is not None and len(listed) != (0 if there is None else len(there)):
                raise InputError(f"got {len(listed):,} {files} for the rows of {rows}; wanted one a row, or None")
        for key, value in settled.items():
            object.__setattr__(self, key, value)  # the way a frozen dataclass settles its own fields

    def __repr__(self) -> str:
        parts = [f"{counted(len(self.X), 'training row')}"]
        if self.X_test is not None:
            parts.append(f"{counted(len(self.X_test), 'test row')}")
        if self.image_shape is None:
            parts.append(f"{counted(self.X.shape[1], 'feature')}")
        else:
            h, w, c = self.image_shape
            parts.append(f"images of {h}x{w}x{c}")
        place = ", memory-mapped" if isinstance(self.X, np.memmap) else ""
        parts.append(f"{self.X.dtype}{place}")
        parts.append(f"{counted(len(self.class_names), 'class')}: {quoted_list(self.class_names)}")
        return f"Dataset({quoted(self.name)}: {'; '.join(parts)})"


def checked_image_shape(shape: object, n_features: int) -> tuple[int, int, int]:
    """Return `shape` as (h, w, c) of Python ints whose product is `n_features`, or raise ``InputError``."""
    wanted = f"(height, width, channels) with 1 or 3 channels and a product of {n_features}"
    try:
        h, w, c = (int(size) for size in shape if int(size) == size)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InputError(f"got image_shape {quoted(shape)}; wanted {wanted}") from None
    if min(h, w) < 1 or c not in (1, 3) or math.prod((h, w, c)) != n_features:
        raise InputError(f"got image_shape {(h, w, c)}; wanted {wanted}")
    return h, w, c


def _checked_rows(X: object, what: str) -> np.ndarray:
    refuse_masked(X, what)
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.shape[0] == 0 or X.shape[1] == 0:
        raise InputError(f"got {what} of {_kind(X)}; wanted a two-dimensional array with at least one row and column")
    if X.dtype.newbyteorder("=") not in [np.dtype(kept) for kept in KEPT_DTYPES]:
        raise InputError(f"got {what} of dtype {X.dtype}; wanted one of {', '.join(KEPT_DTYPES)}")
    if X.flags.c_contiguous and X.dtype.isnative:
        return X
    note(f"{what} was copied once: rows in C order and native byte order are needed", level=logging.INFO)
    return np.ascontiguousarray(X, dtype=X.dtype.newbyteorder("="))


def _checked_codes(y: object, n_rows: int, n_classes: int, what: str) -> np.ndarray:
    refuse_masked(y, what)
    if not isinstance(y, np.ndarray) or y.ndim != 1 or y.dtype.kind not in "iu":
        raise InputError(f"got {what} of {_kind(y)}; wanted a one-dimensional array of integer class codes")
    if len(y) != n_rows:
        raise InputError(f"got {counted(len(y), 'label')} in {what} for {counted(n_rows, 'row')}; wanted one label a row")
    lowest, highest = int(y.min()), int(y.max())
    if lowest < 0 or highest >= n_classes:
        wrong = lowest if lowest < 0 else highest
        raise InputError(f"got class code {wrong} in {what}; wanted codes 0 to {n_classes - 1}, one a class name")
    return np.ascontiguousarray(y, dtype=np.int64)


def _check_alike(X: np.ndarray, X_test: np.ndarray) -> None:
    if X.shape[1] != X_test.shape[1]:
        raise InputError(
            f"got {counted(X.shape[1], 'feature')} in X and {X_test.shape[1]:,} in X_test; wanted the same number in both"
        )
    if X.dtype != X_test.dtype:
        raise InputError(f"got dtype {X.dtype} in X and {X_test.dtype} in X_test; wanted the same dtype in both")


def _checked_names(names: object) -> tuple[str, ...]:
    if isinstance(names, (str, bytes)) or not hasattr(names, "__iter__"):
        raise InputError(f"got class_names {quoted(names)}; wanted a sequence of strings")
    settled = tuple(names)
    if not settled or not all(isinstance(name, str) for name in settled):
        raise InputError(f"got class_names ({quoted_list(settled)}); wanted at least one, all strings")
    if len(set(settled)) != len(settled):
        twice = sorted({name for name in settled if settled.count(name) > 1})
        raise InputError(f"got class names that occur more than once ({quoted_list(twice)}); wanted distinct names")
    return tuple(str(name) for name in settled)


def _checked_recipe(recipe: object) -> dict[str, Any]:
    try:
        if isinstance(recipe, Mapping):
            return json.loads(json.dumps(dict(recipe), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"preprocessing cannot be written as JSON: {quoted(error)}") from None
    raise InputError(f"got preprocessing of type {type(recipe).__name__}; wanted a dict of JSON-able values")


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"shape {value.shape} and dtype {value.dtype}"
    return f"type {type(value).__name__}"
