"""Encode labels of any kind as codes 0 to n_classes - 1 and class names; convert rows to one dtype."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from fastcls._validation.base import check_characters, refuse_masked
from fastcls._validation.containers import read_labels
from fastcls._validation.errors import InputError
from fastcls._validation.labels import first_no_class
from fastcls._validation.messages import kind, quoted, quoted_list
from fastcls._validation.types import as_numbers, is_floating, name_of
from fastcls.datasets._common import looks_of, note, note_look_alikes, without_file

#: how files write that there is no value, in lower case
MISSING = frozenset(("", "na", "n/a", "#n/a", "null", "?"))
_NO_LABEL = MISSING | {"<na>", "none", "-"}

_IDENTIFIER = re.compile(r"[+-]?\d+[eE][+-]?\d+")
_WHOLE = re.compile(r"\s*[+-]?\d{1,40}\s*")

#: whether names for labels that are numbers are given elsewhere, so that those found with the data are not used
_names_later: ContextVar[bool] = ContextVar("names_later", default=False)


@contextmanager
def names_come_later() -> Iterator[None]:
    """Let `encode_labels` name classes by their numbers, whatever names the data has for them."""
    token = _names_later.set(True)
    try:
        yield
    finally:
        _names_later.reset(token)


def plain_labels(y: Any, what: str) -> np.ndarray:
    """Return labels as a one-dimensional array of int64 or str.

    Labels are integers, whole floats, booleans ('False', 'True') or strings (bytes are read as UTF-8). The shape (n, 1),
    which Keras writes, is read as (n,).

    Raises
    ------
    InputError
        For anything else: other shapes (one-hot rows), floats that are not whole, dates, objects.
    """
    refuse_masked(y, what)
    y = read_labels(y, what, decode=True)
    if len(y) == 0:
        raise InputError(f"{what} is empty: give one label per row")
    if y.dtype.kind in "iu":
        return _within_int64(y, what)
    if y.dtype.kind == "b":
        return np.where(y, "True", "False")
    if y.dtype.kind == "f":
        if (row := first_no_class(y)) is not None:
            raise InputError(f"{what} has {y[row]} at row {row}: give whole numbers or strings as class labels")
        return y.astype(np.int64)
    if y.dtype.kind == "U":
        check_characters(y, what)
        return y
    if y.dtype == object:
        odd = ((row, label) for row, label in enumerate(y) if not isinstance(label, (str, int, float)))
        row, label = next(odd, (0, y[0]))
        raise InputError(f"{what} has {kind(label)} at row {row}: give whole numbers or strings as class labels")
    raise InputError(f"{what} has dtype {quoted(y.dtype)}: give whole numbers or strings as class labels")


def labels_of_texts(cells: Sequence[str], lines: Sequence[int], where: str) -> np.ndarray:
    """Return labels that a file has as text: whole numbers if all of them are numbers, else the texts.

    Numbers follow the rule of arrays (`plain_labels`), also those written as floats: ``1.0``, numpy.savetxt's
    ``1.000e+00``; ``1e3`` is text, such as an identifier. `lines` are the numbers of their lines.

    Raises
    ------
    InputError
        If a label is missing, or all are numbers, and one is not whole or too large.
    """

    def refused(row: int, why: str) -> InputError:
        return InputError(f"{where} has the label {quoted(cells[row], 40)} in line {lines[row]}{why}")

    texts = [row for row, cell in enumerate(cells) if not is_number(cell) or _IDENTIFIER.fullmatch(cell)]
    if (empty := next((row for row in texts if not cells[row].strip()), None)) is not None:
        raise InputError(f"{where} has no label in line {lines[empty]}: fill it, or remove the row")
    no_number = ", but numbers in the others: fill it, or remove the row"
    if 0 < len(texts) < len(cells) and all(cells[row].strip().lower() in _NO_LABEL for row in texts):
        raise refused(texts[0], no_number)  # among texts, it is a name like any other
    if texts:
        return np.array(cells)
    if all(map(_WHOLE.fullmatch, cells)):
        whole = [int(cell) for cell in cells]
        if (row := next((row for row, label in enumerate(whole) if not -(2**63) <= label < 2**63), None)) is not None:
            raise refused(row, ": give labels below 2^63")
        return np.array(whole, np.int64)
    values = np.array(cells, dtype=np.float64)
    if (row := first_no_class(values)) is not None:
        is_value = bool(np.isfinite(values[row]))
        raise refused(row, ": give whole numbers as class labels, or text such as 'v0.5'" if is_value else no_number)
    return values.astype(np.int64)


def is_number(text: str) -> bool:
    """Tell whether a text is a number, as NumPy reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def encode_labels(
    y: Any, y_test: Any = None, class_names: Any = None, called: tuple[str, str] = ("y", "y_test")
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Return codes of training and test labels and the class names they index.

    With `class_names`, integer labels are indices into them, and string labels must be among them. Without, the classes
    are the distinct training labels in sorted order. A test label that does not occur in training is refused. `called` is
    how messages call y and y_test.
    """
    first, second = called
    train = plain_labels(y, first)
    test = None if y_test is None else plain_labels(y_test, second)
    if test is not None and (test.dtype.kind == "U") != (train.dtype.kind == "U"):
        raise InputError(
            f"{first} and {without_file(second, first)} are of different kinds ({train.dtype}, {test.dtype}): convert one "
            "to the other"
        )
    if class_names is not None and train.dtype.kind != "U" and _names_later.get():
        class_names = None
    if class_names is not None:
        names = tuple(plain_labels(class_names, "class_names").astype(str).tolist())
        if train.dtype.kind != "U":
            codes = _index(train, len(names), first)
            return codes, None if test is None else _index(test, len(names), second), names
        known = np.array(names)
    else:
        known = np.unique(train)
        names = tuple(str(label) for label in known.tolist())
    note_look_alikes(names, first)
    codes = _look_up(train, known, first)
    return codes, None if test is None else _look_up(test, known, second), names


def _within_int64(y: np.ndarray, what: str) -> np.ndarray:
    if y.dtype == np.uint64 and y.max() > np.iinfo(np.int64).max:
        raise InputError(f"{what} has the label {y.max()}: give labels below 2^63")
    return y.astype(np.int64)


def _index(labels: np.ndarray, n_classes: int, what: str) -> np.ndarray:
    wrong = (labels < 0) | (labels >= n_classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{what} has the label {labels[row]} at row {row}, but there are {n_classes} class names: give labels 0 to "
            f"{n_classes - 1}"
        )
    return labels


def _look_up(labels: np.ndarray, known: np.ndarray, what: str) -> np.ndarray:
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, labels, sorter=order), len(known) - 1)
    codes = order[place].astype(np.int64)
    wrong = known[codes] != labels
    if wrong.any():
        row = int(np.argmax(wrong))
        alike = [name for name in known.tolist() if isinstance(name, str) and looks_of(name) == looks_of(labels[row])]
        if alike:
            raise InputError(
                f"{what} has the label {labels[row]!a} at row {row}, which looks like the class {alike[0]!a} but has other "
                "characters: write both in one form (unicodedata.normalize('NFC', label))"
            )
        raise InputError(
            f"{what} has the label {quoted(labels[row])} at row {row}, which is not one of the classes: "
            f"{quoted_list(known.tolist())}"
        )
    return codes


def to_common_dtype(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return row arrays in one dtype that the estimators take, with one logged line for each conversion.

    uint8, int8 and floats stay. Booleans become uint8 0 and 1. Other integers become uint8 if all values of all arrays
    are in 0 to 255, else float64 if it holds all of them exactly (up to 2^53). Arrays of different dtypes are converted to
    a common one. NaN and infinity are not checked here.

    Raises
    ------
    InputError
        For dtypes that are not numbers, for complex and extended floats, and for integers beyond 2^53.
    """
    for what, X in arrays.items():
        kept_float = is_floating(X.dtype) and X.dtype.itemsize <= 8
        if X.dtype.kind not in "biu" and not kept_float:
            raise InputError(f"{what} has dtype {quoted(X.dtype)}: give integers, float16, bfloat16, float32 or float64")
    if bools := [what for what, X in arrays.items() if X.dtype == np.bool_]:
        names = f"{', '.join(bools[:2])} and {len(bools) - 2:,} more" if len(bools) > 2 else ", ".join(bools)
        note(f"{names}: bool converted to uint8, False to 0 and True to 1", level=logging.INFO)
    arrays = {what: X.view(np.uint8) if X.dtype == np.bool_ else X for what, X in arrays.items()}
    dtypes = {X.dtype.newbyteorder("=") for X in arrays.values()}
    if len(dtypes) == 1 and (dtypes & {np.dtype("u1"), np.dtype("i1")} or is_floating(next(iter(dtypes)))):
        return arrays
    came = {what: name_of(X.dtype) for what, X in arrays.items()}
    arrays = {what: as_numbers(X) for what, X in arrays.items()}
    wanted = _common_dtype(arrays, {X.dtype.newbyteorder("=") for X in arrays.values()})
    for dtype in dict.fromkeys(came.values()):
        named = [what for what in arrays if came[what] == dtype]
        groups = [[what] for what in named] if len(named) < 3 else [named]  # one line for the many columns of a table
        for group in groups if dtype != wanted.name else ():
            names = f"{', '.join(group[:2])} and {len(group) - 2:,} more" if len(group) > 2 else group[0]
            note(f"{names}: {dtype} converted to {wanted}; no value changes", level=logging.INFO)
    return {what: np.asarray(X).astype(wanted, copy=False) for what, X in arrays.items()}


def _common_dtype(arrays: dict[str, np.ndarray], dtypes: set[np.dtype]) -> np.dtype:
    whole = [X for X in arrays.values() if X.dtype.kind in "iu"]
    lowest, highest = min((int(X.min()) for X in whole), default=0), max((int(X.max()) for X in whole), default=0)
    if len(whole) == len(arrays) and lowest >= 0 and highest <= 255:
        return np.dtype(np.uint8)
    if len(whole) == 0:
        return np.result_type(*dtypes)
    if max(-lowest, highest) > 2**53:
        raise InputError(
            f"{' and '.join(arrays)}: integers from {lowest} to {highest} are beyond 2^53, so float64 cannot hold them "
            "exactly: scale them, or save them as floats"
        )
    return np.dtype(np.float64)
