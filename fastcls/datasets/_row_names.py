"""Columns of a table that number or name its rows: they say nothing about other rows, so they are no features."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from fastcls._validation.messages import quoted, quoted_list
from fastcls.datasets._common import UNNAMED, note

#: names of columns that are never features
_NAMES = frozenset(("", "id", "ids", "uid", "uuid", "guid", "path", "file", "filename", "file_name", "name", "url", "split"))
_FOLDS = frozenset(("fold", "folds", "fold_id", "kfold", "k_fold", "cv_fold"))  # the same
_TEXTS = frozenset(("idx", "index", "key"))  # the same, if they hold text
_TEXT = re.compile(
    r"(row|sample|obs|observation|record|item|image|instance|example|line)[ _.-]?(id|idx|index|key|uuid)"
)  # too
#: names of columns that are no features if their values number the rows
_NUMBERS = re.compile(
    r"(row|sample|obs|observation|record|item|image|instance|example|line)?[ _.-]*(id|idx|index|key|no|nr|num|number|#|n|i)?"
)
#: names of columns that name the rows if all values are different: photo_id, PatientID
_IDS = re.compile(r".*[_ .-](?i:id|uid|uuid|guid)s?|.*[a-z0-9](?:I[dD]|UI[dD]|Uid|Uuid|UUI[dD]|Guid|GUI[dD])s?")
_COUNTS = 0.9  # share of steps of one

#: names of the features that a model or the training rows have, so that other tables have the same
_wanted: ContextVar[frozenset[str] | None] = ContextVar("wanted", default=None)


@contextmanager
def features_wanted(names: Collection[str] | None) -> Iterator[None]:
    """Take columns of these names for features, and no other column that may number the rows. None, or no names: decide."""
    token = _wanted.set(frozenset(names) if names else None)
    try:
        yield
    finally:
        _wanted.reset(token)


def names_rows(name: str, *, is_text: bool) -> bool:
    """Whether a column with this name is no feature and no label, whatever it holds."""
    wanted, low = _wanted.get(), name.strip().lower()
    is_name = (
        low in _NAMES
        or low in _FOLDS
        or low.startswith(("unnamed:", "__"))
        or (is_text and (low in _TEXTS or _TEXT.fullmatch(low) is not None))
    )
    return is_name and (wanted is None or name not in wanted)


def may_number_rows(name: str) -> bool:
    """Whether a column with this name is no feature if its values number the rows."""
    return _NUMBERS.fullmatch(name.strip().lower()) is not None or _IDS.fullmatch(name.strip()) is not None


def only_if_different(name: str) -> bool:
    """Whether a column with this name names the rows only if all of its values are different: ``photo_id``."""
    low = name.strip().lower()
    return (
        _IDS.fullmatch(name.strip()) is not None
        and _NUMBERS.fullmatch(low) is None
        and not names_rows(name, is_text=True)
        and not names_rows(low.removesuffix("s"), is_text=True)
    )


def names_rows_by(name: str, values: Callable[[], Any]) -> bool:
    """Whether a column of text is no feature and no label, because it is called as ids are and all values are different."""
    if not only_if_different(name):
        return False
    known = _wanted.get()
    if known is not None:
        return name not in known
    texts = [str(value) for value in values()]
    return len(set(texts)) == len(texts)


def number_rows(name: str, values: np.ndarray) -> bool:
    """Whether the values of a column with such a name number the rows: whole, and all different or counting up.

    Where the features are known, their names decide.
    """
    if (wanted := _wanted.get()) is not None:
        return name not in wanted
    values = np.asarray(values)
    if values.dtype.kind not in "iuf" or not (np.floor(values) == values).all():
        return False
    numbers = values.astype(np.float64)
    if len(np.unique(numbers)) == len(numbers):
        return True
    return not only_if_different(name) and float(np.mean(np.diff(numbers) == 1)) >= _COUNTS


def tells_rows_apart(name: str, *, is_text: bool) -> bool:
    """Whether a column with this name, which is no feature, may say which row a row is."""
    low = name.strip().lower()
    if low == "split" or low in _FOLDS:
        return False
    return any(names_rows(one, is_text=is_text) or may_number_rows(one) for one in (name, low.removesuffix("s")))


def note_names(where: str, names: Sequence[str]) -> None:
    """Note the columns that are left out because of their names."""
    splits = [name for name in names if name.strip().lower() == "split"]
    if splits:
        note(
            f"{where}: left out {quoted_list(splits)}, because only text, train and test, in such a column divides the rows"
        )
    folds = [name for name in names if name.strip().lower() in _FOLDS]
    if folds:
        note(f"{where}: left out {quoted_list(folds)}, because it has the fold of each row; rename the column to keep it")
    if names := [name or UNNAMED for name in names if name not in (*splits, *folds)]:
        what = "a column names or numbers" if len(names) == 1 else "columns name or number"
        note(f"{where}: left out {quoted_list(names)}, because such {what} the rows; rename a column to keep it")


def note_numbers(where: str, columns: Mapping[str, np.ndarray]) -> None:
    """Note the columns that are left out because their values number the rows."""
    for name, values in columns.items():
        first = ", ".join([*(f"{value:g}" for value in values[:3]), *(["..."] if len(values) > 3 else [])])
        note(
            f"{where}: left out {quoted(name or UNNAMED)}, because its values ({first}) number the "
            "rows; rename the column to keep it"
        )
