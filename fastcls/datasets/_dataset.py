"""`Dataset`, the result of every loader."""

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
from fastcls._validation.types import BFLOAT16, STORED_TYPES, name_of
from fastcls.datasets._common import note
from fastcls.datasets._test_set import TestUse, score


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows, their classes, and what is known about their origin.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows: uint8, int8, float16, bfloat16, float32 or float64. A memory map stays a memory map. An array that is
        not C-contiguous or not in native byte order is copied once, with a logged line. NumPy has no bfloat16: such rows
        have its type of two bytes, V2, which ``X.view(ml_dtypes.bfloat16)`` turns into numbers.
    y : ndarray of shape (n_samples,)
        Codes into `class_names`; stored as int64.
    X_test, y_test : ndarray, optional
        The data's own test set, with the same number of features and dtype as `X`. Both or neither.
    class_names : tuple of str
        One distinct name per class. Names come from the data: escape them before you show them.
    image_shape : tuple (height, width, channels), optional
        Rows are pixels in (h, w, c) order; grey images have c = 1. None: rows are not images.
    preprocessing : dict
        The recipe that turns a new image into such a row, as JSON values; see ``prepare_image``. Empty: unknown.
    feature_names : tuple of str, optional
        The name of each column of `X`, from a table with one column a feature. None: features have no names.
    name : str
        A short name, from the path.
    notes : tuple of str
        What the loader left out, converted or changed; one sentence each.
    unreadable : tuple of (path, reason)
        Images that are left out because they cannot be read; see ``load_image_folder``.
    files, files_test : tuple of str, optional
        The file of each row of `X` and `X_test`, relative to the data's folder (``cat/3.jpg``). None: rows have no files.

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
    feature_names: tuple[str, ...] | None = None
    name: str = ""
    notes: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] | None = None
    files_test: tuple[str, ...] | None = None
    _test_use: TestUse = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        names = _checked_names(self.class_names, "class_names")
        checked: dict[str, Any] = {"class_names": names, "X": _checked_rows(self.X, "X")}
        checked["y"] = _checked_codes(self.y, len(checked["X"]), len(names), "y")
        if (self.X_test is None) != (self.y_test is None):
            raise InputError("only one of X_test and y_test is given: give both or neither")
        if self.X_test is not None and self.y_test is not None:
            checked["X_test"] = _checked_rows(self.X_test, "X_test")
            _check_alike(checked["X"], checked["X_test"])
            checked["y_test"] = _checked_codes(self.y_test, len(checked["X_test"]), len(names), "y_test")
        if self.image_shape is not None:
            checked["image_shape"] = checked_image_shape(self.image_shape, checked["X"].shape[1])
        checked["preprocessing"] = _checked_recipe(self.preprocessing)
        if self.feature_names is not None:
            checked["feature_names"] = _checked_names(self.feature_names, "feature_names")
            if len(checked["feature_names"]) != checked["X"].shape[1]:
                raise InputError(
                    f"feature_names has {counted(len(checked['feature_names']), 'name')} for "
                    f"{counted(checked['X'].shape[1], 'feature')}: give one per feature, or None"
                )
        if not isinstance(self.name, str):
            raise InputError(f"name is of type {type(self.name).__name__}: give a string")
        for files, rows in (("files", "X"), ("files_test", "X_test")):
            listed, there = getattr(self, files), checked.get(rows)
            if listed is not None and len(listed) != (0 if there is None else len(there)):
                raise InputError(
                    f"{files} has {counted(len(listed), 'name')} for the rows of {rows}: give one per row, or None"
                )
        use = self._test_use  # of the data set that this one is a copy of
        checked["_test_use"] = use if use and use.rows is checked.get("X_test") else TestUse(checked.get("X_test"))
        for key, value in checked.items():
            object.__setattr__(self, key, value)  # a frozen dataclass has no other way

    @property
    def test_evaluations(self) -> int:
        """How often the test rows were scored through this data set, or through a copy with the same test rows."""
        return len(self._test_use.evaluations)

    def score_test(self, model: Any) -> Any:
        """Score a final model on the test rows, and count that.

        The rule of the lecture: use the test rows once, at the very end. Settings are compared on validation rows or folds,
        which are not counted.

        Parameters
        ----------
        model : fitted model, function, or mapping of str to these
            A model has ``predict``; a function takes rows and returns labels. Labels are class codes, as in `y`, or class
            names. Several models in a mapping are one evaluation.

        Returns
        -------
        TestScore or dict of str to TestScore
            Accuracy with its 95 % interval, errors, and the predictions.

        Raises
        ------
        InputError
            If the data has no test set, or the model is none or returns something else.

        Warns
        -----
        ReusedTestRowsWarning
            If the test rows were scored before, by this method or by a function that was given this data set (`evaluate_k`
            and those of `fastcls.protocols`). As an error (``warnings.simplefilter``) it comes before anything is scored.

        Examples
        --------
        >>> from fastcls import KNeighborsClassifier, datasets
        >>> data = datasets.train_test_split(datasets.load_digits(), random_state=0)
        >>> data.score_test(KNeighborsClassifier(3).fit(data.X, data.y))
        TestScore(accuracy 0.9917, 95 % interval 0.9758 to 0.9972; 3 errors of 360)
        >>> data.test_evaluations
        1
        """
        return score(self, model, self._test_use, 2)

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
        parts.append(f"{name_of(self.X.dtype)}{place}")
        parts.append(f"{counted(len(self.class_names), 'class')}: {quoted_list(self.class_names)}")
        return f"Dataset({quoted(self.name)}: {'; '.join(parts)})"


def checked_image_shape(shape: object, n_features: int) -> tuple[int, int, int]:
    """Return `shape` as (h, w, c) of Python ints whose product is `n_features`, or raise ``InputError``."""
    wanted = f"(height, width, channels) with 1 or 3 channels and a product of {n_features:,}"
    try:
        h, w, c = (int(size) for size in shape if int(size) == size)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InputError(f"image_shape is {quoted(shape)}; wanted {wanted}") from None
    if min(h, w) < 1 or c not in (1, 3) or math.prod((h, w, c)) != n_features:
        raise InputError(f"image_shape is {(h, w, c)}; wanted {wanted}")
    return h, w, c


def _checked_rows(X: object, what: str) -> np.ndarray:
    refuse_masked(X, what)
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.shape[0] == 0 or X.shape[1] == 0:
        raise InputError(f"{what} is of {_kind(X)}; wanted a two-dimensional array with at least one row and column")
    if name_of(X.dtype) not in STORED_TYPES:
        raise InputError(f"{what} has dtype {X.dtype}: convert it to one of {', '.join(reversed(STORED_TYPES))}")
    if X.dtype.name == "bfloat16":  # of ml_dtypes
        X = X.view(BFLOAT16)
    if X.flags.c_contiguous and X.dtype.isnative:
        return X
    note(f"{what} was copied once, into C order and native byte order", level=logging.INFO)
    return np.ascontiguousarray(X, dtype=X.dtype.newbyteorder("="))


def _checked_codes(y: object, n_rows: int, n_classes: int, what: str) -> np.ndarray:
    refuse_masked(y, what)
    if not isinstance(y, np.ndarray) or y.ndim != 1 or y.dtype.kind not in "iu":
        raise InputError(f"{what} is of {_kind(y)}; wanted a one-dimensional array of integer class codes")
    if len(y) != n_rows:
        raise InputError(f"{what} has {counted(len(y), 'label')} for {counted(n_rows, 'row')}: give one label per row")
    lowest, highest = int(y.min()), int(y.max())
    if lowest < 0 or highest >= n_classes:
        wrong = lowest if lowest < 0 else highest
        raise InputError(f"{what} has the class code {wrong}; wanted codes 0 to {n_classes - 1}, one per class name")
    return np.ascontiguousarray(y, dtype=np.int64)


def _check_alike(X: np.ndarray, X_test: np.ndarray) -> None:
    if X.shape[1] != X_test.shape[1]:
        raise InputError(
            f"X has {counted(X.shape[1], 'feature')} and X_test has {X_test.shape[1]:,}: give the same number in both"
        )
    if X.dtype != X_test.dtype:
        raise InputError(
            f"X has dtype {name_of(X.dtype)} and X_test has {name_of(X_test.dtype)}: give the same dtype in both"
        )


def _checked_names(names: object, what: str) -> tuple[str, ...]:
    if isinstance(names, (str, bytes)) or not hasattr(names, "__iter__"):
        raise InputError(f"{what} is {quoted(names)}; wanted a sequence of strings")
    found = tuple(names)
    if not found or not all(isinstance(name, str) for name in found):
        raise InputError(f"{what} is ({quoted_list(found)}); wanted at least one name, all strings")
    if len(set(found)) != len(found):
        twice = sorted({name for name in found if found.count(name) > 1})
        raise InputError(f"{what} has names that occur more than once ({quoted_list(twice)}): make them distinct")
    return tuple(str(name) for name in found)


def _checked_recipe(recipe: object) -> dict[str, Any]:
    try:
        if isinstance(recipe, Mapping):
            return json.loads(json.dumps(dict(recipe), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"preprocessing cannot be written as JSON ({quoted(error)}): give a dict of JSON values") from None
    raise InputError(f"preprocessing is of type {type(recipe).__name__}: give a dict of JSON values")


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"shape {value.shape} and dtype {value.dtype}"
    return f"type {type(value).__name__}"
