"""What columns that name the rows say: whether two files have the same rows in the same order.

Such columns are no features (`_row_names.py`). Where labels or other representations of the rows come from another file that
names its rows too, the two are compared, because rows in another order give a wrong answer without a sign.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted
from fastcls.datasets._common import note

_FILES = frozenset(("path", "file", "filename", "file_name", "name", "url"))

#: columns that name rows, and how each is read
NamesOfRows = Mapping[str, Callable[[], Any]]


class RowIds(NamedTuple):
    """What a file says of its rows: the values of each column that names them, as text."""

    where: str
    columns: Mapping[str, Sequence[str]]

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))


_kept: ContextVar[list[RowIds] | None] = ContextVar("kept", default=None)


@contextmanager
def kept_row_ids() -> Iterator[list[RowIds]]:
    """Collect what the files that are read meanwhile say of their rows: training rows first, then test rows."""
    found: list[RowIds] = []
    token = _kept.set(found)
    try:
        yield found
    finally:
        _kept.reset(token)


def are_kept() -> bool:
    """Whether someone collects the names of rows."""
    return _kept.get() is not None


def keep(where: str, columns: NamesOfRows) -> None:
    """Collect the columns that name the rows of a file, if someone wants them; those that cannot be read are left out."""
    found = _kept.get()
    if found is not None and (ids := row_ids(where, columns)):
        found.append(ids)


def row_ids(where: str, columns: NamesOfRows) -> RowIds | None:
    """Read the columns that name the rows; None without one that can be read."""
    texts: dict[str, list[str]] = {}
    for name, values in columns.items():
        try:
            read = np.asarray(values())
        except (InputError, ValueError):  # they are no features, so whatever they are, the rows can be used
            continue
        if read.ndim == 1:
            texts[name] = _texts(read)
    return RowIds(where, texts) if texts else None


def _texts(values: np.ndarray) -> list[str]:
    """Values as text, so that 7, 7.0 and '7' are one name."""
    if values.dtype.kind == "f" and bool((np.floor(values) == values).all()):
        values = values.astype(np.int64)
    return [
        (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip() for value in values.tolist()
    ]


def check_same_rows(first: RowIds, other: RowIds) -> None:
    """Refuse two files whose rows are named alike but stand in another order.

    Columns of the same name are compared, or those of another name where no name is in both. Names that the files do not
    share say nothing, and this is noted.

    Raises
    ------
    InputError
        If both have the same names in another order, or share some of them only.
    """
    if first.n_rows != other.n_rows:
        return  # which is refused elsewhere
    pairs = [(a, b) for a in first.columns for b in other.columns if _called(a) == _called(b)]
    strangers = not pairs
    pairs = pairs or [(a, b) for a in first.columns for b in other.columns]
    equal = [first.columns[a] for a, b in pairs if first.columns[a] == other.columns[b]]
    if any(not _only_counts(ids) for ids in equal):
        return  # an index that pandas wrote into both files says nothing: it counts the rows, whatever their order
    apart: list[tuple[str, str]] = []
    for a, b in pairs:
        own, its = first.columns[a], other.columns[b]
        if own == its:
            continue
        n_shared = (Counter(own) & Counter(its)).total()
        if n_shared == len(own) or (n_shared and not strangers):
            row = next(i for i, (one, another) in enumerate(zip(own, its, strict=True)) if one != another)
            here, there = (f"{quoted(ids[row], 40)} in {file.where}" for ids, file in ((own, first), (its, other)))
            what = f"{quoted(a)} of row {row} is {here} and {there}"
            of = "the same names" if n_shared == len(own) else f"{counted(n_shared, 'name')} of {len(own):,} in both"
            raise InputError(
                f"{first.where} and {other.where} do not have the same rows in the same order: {what} ({of}): sort both by "
                f"it; or, where it does not name the rows, rename it, or leave it out (drop={[*dict.fromkeys((a, b))]!r})"
            )
        apart.append((a, b))
    if apart and not strangers:
        a, b = apart[0]
        note(
            f"{quoted(a)} in {first.where} and {quoted(b)} in {other.where} share no value, so whether both have the same "
            "rows in the same order is not checked",
            level=logging.INFO,
        )


def _only_counts(ids: Sequence[str]) -> bool:
    """Whether names are 0, 1, 2, ... or 1, 2, 3, ..."""
    return any(all(name == str(start + row) for row, name in enumerate(ids)) for start in (0, 1))


def _called(name: str) -> str:
    """One name for each kind of column: the index that pandas writes has several, and so have files."""
    low = name.strip().lower().removesuffix("s")
    if low == "" or low.startswith(("unnamed:", "__index_level_")):
        return "index"
    return "file" if low in _FILES else low
