"""What columns that name the rows say: whether two files have the same rows in the same order.

Such columns are no features (`_row_names.py`). Where labels or other representations of the rows come from another file that
names its rows too, the two are compared, because rows in another order give a wrong answer without a sign.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted
from fastcls.datasets._common import note
from fastcls.datasets._row_names import only_if_different

_WHOLE = re.compile(r"\d+(\.0*)?")
_LEAST_NUMBERS = 5  # rows whose whole numbers are the same in another order by chance seldom enough
_MOST_NUMBERS = 4  # columns of whole numbers that may be ids
_LOOKED_AT = 64  # rows by which most columns are told to be none
_FILES = frozenset(("path", "file", "filename", "file_name", "name", "url"))

#: columns that name rows, and how each is read
NamesOfRows = Mapping[str, Callable[[], Any]]
_NONE: NamesOfRows = MappingProxyType({})


class NamedRows(NamedTuple):
    """The rows of a file: how messages call it, its columns that name the rows, and its other columns of numbers.

    `takes_drop` says that ``drop=`` can leave a column out, as of a table of rows.
    """

    where: str
    names: NamesOfRows = _NONE
    others: NamesOfRows = _NONE
    takes_drop: bool = False


class RowIds(NamedTuple):
    """What a file says of its rows: the values of each column that names them, as text; and its other columns."""

    where: str
    columns: Mapping[str, Sequence[str]]
    others: NamesOfRows = _NONE
    takes_drop: bool = False

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def of_rows(self, rows: np.ndarray) -> RowIds:
        """The names of some of the rows."""
        columns = {name: [texts[row] for row in rows.tolist()] for name, texts in self.columns.items()}
        return RowIds(self.where, columns, takes_drop=self.takes_drop)


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


def keep(rows: NamedRows) -> None:
    """Collect what a file says of its rows, if someone wants it."""
    found = _kept.get()
    if found is not None:
        found.append(row_ids(rows))


def row_ids(rows: NamedRows) -> RowIds:
    """Read the columns that name the rows; those that cannot be read are left out, and ids that are not all different."""
    texts: dict[str, list[str]] = {}
    for name, values in rows.names.items():
        read = _read(values)
        if read is not None and not (only_if_different(name) and len(np.unique(read.astype(str))) < len(read)):
            texts[name] = _texts(read)
    return RowIds(rows.where, texts, rows.others, rows.takes_drop)


def _read(values: Callable[[], Any]) -> np.ndarray | None:
    """The values of a column; None if they cannot be read: whatever they are, the rows can be used."""
    try:
        read = np.asarray(values())
    except (InputError, ValueError):
        return None
    return read if read.ndim == 1 else None


def _texts(values: np.ndarray) -> list[str]:
    """Values as text, so that 7, 7.0, '7' and '7.0' are one name."""
    if values.dtype.kind == "f" and bool((np.floor(values) == values).all()):
        values = values.astype(np.int64)
    texts = [
        (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip() for value in values.tolist()
    ]
    return [text.partition(".")[0] for text in texts] if all(map(_WHOLE.fullmatch, texts)) else texts


def check_same_rows(first: RowIds, other: RowIds) -> None:
    """Refuse two files whose rows are named alike but stand in another order.

    Columns of the same name are compared, or those of another name where no name is in both. Names that the files do not
    share say nothing, and this is noted. Where no names vouch for the order, columns of whole numbers that are different in
    each row are compared too, if they have the same name.

    Raises
    ------
    InputError
        If both have the same names in another order, or share some of them only.
    """
    if first.columns and other.columns and (first.n_rows != other.n_rows or _are_named_alike(first, other)):
        return  # another number of rows is refused elsewhere
    _check_numbers(first, other)


def _are_named_alike(first: RowIds, other: RowIds) -> bool:
    """Whether names vouch for the order of the rows; refuse another order."""
    pairs = [(a, b) for a in first.columns for b in other.columns if _called(a) == _called(b)]
    strangers = not pairs
    pairs = pairs or [(a, b) for a in first.columns for b in other.columns]
    equal = [first.columns[a] for a, b in pairs if first.columns[a] == other.columns[b]]
    if any(not _only_counts(ids) for ids in equal):
        return True  # an index that pandas wrote into both files says nothing: it counts the rows, whatever their order
    apart: list[tuple[str, str]] = []
    for a, b in pairs:
        own, its = first.columns[a], other.columns[b]
        if own == its:
            continue
        n_shared = (Counter(own) & Counter(its)).total()
        if n_shared == len(own) or (n_shared and not strangers):
            row = next(i for i, (one, another) in enumerate(zip(own, its, strict=True)) if one != another)
            of = "the same names" if n_shared == len(own) else f"{counted(n_shared, 'name')} of {len(own):,} in both"
            raise _another_order(first, other, (a, b), row, (own[row], its[row]), of)
        apart.append((a, b))
    if apart and not strangers:
        a, b = apart[0]
        note(
            f"{quoted(a)} in {first.where} and {quoted(b)} in {other.where} share no value, so whether both have the same "
            "rows in the same order is not checked",
            level=logging.INFO,
        )
    return False


def _check_numbers(first: RowIds, other: RowIds) -> None:
    """Refuse columns of one name with the same whole numbers in another order, a different one in each row."""
    found: list[tuple[str, np.ndarray]] = []
    for name in first.others:
        if name in other.others and (own := _different(first.others[name])) is not None:
            found.append((name, own))
            if len(found) > _MOST_NUMBERS:
                return  # ranks, or measurements of few rows: a file has not that many ids
    for name, own in found:
        its = _different(other.others[name])
        if its is None or len(its) != len(own) or np.array_equal(own, its) or not np.array_equal(np.sort(own), np.sort(its)):
            continue
        row = int(np.argmax(own != its))
        values = (f"{own[row]:.0f}", f"{its[row]:.0f}")
        raise _another_order(first, other, (name, name), row, values, "the same whole numbers, each once")


def _different(values: Callable[[], Any]) -> np.ndarray | None:
    """The values of a column if they are whole numbers, another one in each row; else None."""
    read = _read(values)
    if read is None or read.dtype.kind not in "iuf" or len(read) < _LEAST_NUMBERS:
        return None
    for rows in (slice(_LOOKED_AT), slice(None)):
        some = read[rows].astype(np.float64)
        if not (np.floor(some) == some).all() or len(np.unique(some)) < len(some):
            return None
    return read.astype(np.float64)


def _another_order(
    first: RowIds, other: RowIds, names: tuple[str, str], row: int, values: tuple[str, str], of: str
) -> InputError:
    """The refusal of rows in another order, with ways that these files have."""
    here, there = (f"{quoted(value, 40)} in {file.where}" for value, file in zip(values, (first, other), strict=True))
    dropped = [name for name, file in zip(names, (first, other), strict=True) if file.takes_drop]
    ways = "rename it" if not dropped else f"rename it, or leave it out (drop={[*dict.fromkeys(dropped)]!r})"
    return InputError(
        f"{first.where} and {other.where} do not have the same rows in the same order: {quoted(names[0])} of row {row} is "
        f"{here} and {there} ({of}): sort both by it; or, where it does not name the rows, {ways}"
    )


def note_shared(train: RowIds, test: RowIds) -> bool:
    """Note test rows with the names of training rows, where the names of both do more than count; tell whether there are."""
    for name, own in train.columns.items():
        its = next((ids for key, ids in test.columns.items() if _called(key) == _called(name)), None)
        if its is None or (_run(own) and _run(its)):
            continue
        known = set(own)
        shared = [value for value in its if value in known]
        if shared:
            where = train.where if test.where == train.where else f"{train.where} and {test.where}"
            have = "has" if len(shared) == 1 else "have"
            note(
                f"{where}: {counted(len(shared), 'test row')} {have} the {quoted(name)} of a training row, such as "
                f"{quoted(shared[0], 40)}: accuracy on rows that were trained on is too high; leave them out of one part"
            )
            return True
    return False


def _run(ids: Sequence[str]) -> bool:
    """Whether names are running numbers of a file, in any order, most of them there."""
    if not all(name.isdecimal() for name in ids):
        return False
    numbers = [int(name) for name in ids]
    return min(numbers) <= 1 and max(numbers) <= 2 * len(numbers)


def _only_counts(ids: Sequence[str]) -> bool:
    """Whether names are 0, 1, 2, ... or 1, 2, 3, ..."""
    return any(all(name == str(start + row) for row, name in enumerate(ids)) for start in (0, 1))


def _called(name: str) -> str:
    """One name for each kind of column: the index that pandas writes has several, and so have files."""
    low = name.strip().lower().removesuffix("s")
    if low == "" or low.startswith(("unnamed:", "__index_level_")):
        return "index"
    return "file" if low in _FILES else low
