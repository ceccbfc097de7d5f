"""Checks of user input for `fastcls.protocols`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import numpy as np

from fastcls._validation.base import RandomState, as_list, check_number, one_of, seed_of
from fastcls._validation.containers import is_table, shape_of
from fastcls._validation.errors import InputError
from fastcls._validation.label_matrix import has_columns
from fastcls._validation.labels import check_labels, n_values
from fastcls._validation.messages import counted, kind, only
from fastcls._validation.rows import CheckedRows, check_rows, check_same_names
from fastcls._validation.types import name_of
from fastcls.metrics import check_magnitude
from fastcls.model_selection import without_large_ks

from ._presets import KNN_PRESETS, MULTILABEL_PRESETS, PROBE_PRESETS


def are_parts(train: Any) -> bool:
    """Whether the training rows are given in parts: as an iterator, or as a list or tuple of tables (2-D arrays, frames)."""
    if isinstance(train, (list, tuple)):
        return bool(train) and all(map(is_table, train))
    return isinstance(train, Iterator)


def check_label_count(train: Any, n_labels: int) -> None:
    """Refuse labels that are fewer or more than the rows; rows given in parts are counted later, by `check_shards`."""
    if are_parts(train) or not (isinstance(train, (list, tuple)) or hasattr(train, "shape")):
        return
    n_rows = len(train) if isinstance(train, (list, tuple)) else next(iter(shape_of(train)), n_labels)
    if n_rows != n_labels:
        refuse_label_count(n_labels, counted(n_rows, "row"))


def refuse_label_count(n_labels: int, rows: str) -> NoReturn:
    """Refuse labels that are fewer or more than the training rows, whose number `rows` says."""
    raise InputError(f"y has {counted(n_labels, 'label')}, but train has {rows}; wanted one label for each row")


def check_shards(train: Any, n_rows: int, metric: str, test: CheckedRows) -> Iterator[CheckedRows]:
    """The training rows part by part, each checked when it is read: one type, one width, as many rows as labels.

    The names of their features, if they have any, are those of the test rows and of the first part.

    Parameters
    ----------
    train : array-like, or list, tuple or iterator of array-likes
    n_rows : int
        Number of labels.
    metric : str
    test : CheckedRows
    """
    in_parts, n_seen, first, one = are_parts(train), 0, None, None
    for number, part in enumerate(train if in_parts else [train]):
        name = f"train[{number}]" if in_parts else "train"
        checked = check_rows(part, name)
        rows = checked.rows
        check_magnitude(rows, name, metric)
        one = checked if one is None else one
        check_same_names(checked, one, name, "train[0]")
        check_same_names(test, checked, "test", name)
        if first is not None and rows.shape[1] != first.shape[1]:
            raise InputError(
                f"{name} has {counted(rows.shape[1], 'feature')}, train[0] has {first.shape[1]:,}; wanted the same "
                "number in all parts"
            )
        if first is not None and rows.dtype != first.dtype:
            raise InputError(
                f"{name} is {name_of(rows.dtype)} and train[0] is {name_of(first.dtype)}: convert all parts to one type"
            )
        first, n_seen = rows if first is None else first, n_seen + len(rows)
        if n_seen > n_rows:
            refuse_label_count(n_rows, f"{counted(n_seen, 'row')} or more")
        yield checked
    if first is None:
        raise InputError("train is empty; wanted at least one array of rows")
    if n_seen < n_rows:
        refuse_label_count(n_rows, counted(n_seen, "row"))


def check_pair(train: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Classes and codes of the training labels; rows given in parts are counted later, by `check_shards`."""
    if len(shape := shape_of(y)) == 2 and shape[1] != 1:
        raise InputError(f"y is 2-D, shape {shape}; wanted one label for each row: the order is train, y, test, y_test")
    if n_values(y) == 0:
        raise InputError("y has no labels, so there is no training row: give one or more")
    check_label_count(train, n_values(y))
    return check_labels(y, n_values(y))


def has_several_labels(y: Any, test: Any) -> bool:
    """Whether y has several labels per row; not if the arguments are in the order of scikit-learn's train_test_split."""
    is_list = isinstance(test, (list, tuple)) and len(test) > 0
    is_line = np.isscalar(test[0]) if is_list else hasattr(test, "shape") and len(shape_of(test)) == 1
    return has_columns(y) and not is_line


def check_preset(preset: Any, own: Iterable[str]) -> str:
    """The preset, if it is one of the function's own; the name of another function's preset is no misspelling."""
    for function, presets in (("knn_eval", KNN_PRESETS), ("linear_probe", PROBE_PRESETS)):
        if isinstance(preset, str) and preset in presets and preset not in own:
            raise InputError(
                f"preset={preset!r} is a preset of {function}: call {function}, or choose one of: {', '.join(own)}"
            )
    if isinstance(preset, str) and preset in MULTILABEL_PRESETS:
        raise InputError(
            f"preset={preset!r} is for several labels per row: give y of shape (n_rows, n_labels) with 0 and 1, or choose "
            f"one of: {', '.join(own)}"
        )
    found: str = one_of("preset", preset, own)
    return found


def check_preset_ks(wanted: tuple[int, ...], n_rows: int, preset: str, clamped: bool = False) -> np.ndarray:
    """The preset's values of k that are at most n_rows, int64.

    Larger ones are dropped with a warning or, if `clamped`, are n_rows, as in some of the published scripts.
    """
    if clamped:
        return np.array(sorted({min(k, n_rows) for k in wanted}), dtype=np.int64)
    if wanted[0] > n_rows:
        raise InputError(
            f"preset={preset!r} needs at least {counted(wanted[0], 'training row')}, but {only(n_rows, 'row')}: give "
            "more rows, or choose another preset"
        )
    return without_large_ks(wanted, n_rows, "the training set has only {}", stacklevel=5)


def published_seed(published: int | None, random_state: RandomState) -> int:
    """The seed of a protocol's draws: its own if none is given, else that of `random_state`."""
    return published if published is not None and random_state is None else seed_of(random_state)


#: the row numbers of all tries are drawn first, 8 bytes each
_MOST_TRIES = 100_000


def check_tries(n_tries: Any, name: str = "n_tries") -> int:
    """The number of tries."""
    if check_number(name, n_tries, minimum=1, whole=True) > _MOST_TRIES:
        raise InputError(f"{name}={n_tries}; wanted at most {_MOST_TRIES:,}: the means converge after some hundreds")
    return int(n_tries)


def check_per_class(given: Any) -> tuple[int | float, ...]:
    """Rows per class, without duplicates, in the given order: whole numbers, or shares above 0 and at most 1 of the rows."""
    values = as_list(given)
    if not values:
        raise InputError("n_per_class is empty; wanted at least one whole number, or one share of the rows such as 0.1")
    checked: list[int | float] = []
    for value in values:
        if isinstance(value, (float, np.floating)) and 0 < value <= 1:
            checked.append(float(value))
        else:
            checked.append(int(check_number("n_per_class", value, minimum=1, whole=True)))
    # 1 (a row of each class) and 1.0 (all rows) are equal numbers
    return tuple(value for at, value in enumerate(checked) if (type(value), value) not in _typed(checked[:at]))


def _typed(values: list[int | float]) -> set[tuple[type, int | float]]:
    return {(type(value), value) for value in values}


#: the rows and the labels of `validation` in messages
VALIDATION = ("validation[0]", "validation[1]")


def check_same_type(rows: np.ndarray, X: np.ndarray) -> None:
    """Refuse validation rows of another type than the training rows."""
    if rows.dtype != X.dtype:
        raise InputError(f"{VALIDATION[0]} is {name_of(rows.dtype)} and train is {name_of(X.dtype)}; convert one of them")


def check_validation(validation: Any) -> tuple[Any, Any]:
    """The pair (rows, labels)."""
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise InputError(
            f"validation is {kind(validation)}; wanted a pair (rows, labels), or None to set training rows aside"
        )
    return validation[0], validation[1]
