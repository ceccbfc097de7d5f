"""Load numbers and a column of labels from a CSV or TSV file. Cells are numbers or text; nothing else is interpreted."""

from __future__ import annotations

import csv
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._runtime import memory
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list, reason
from fastcls.datasets._columns import (
    LABEL_COLUMNS,
    Chosen,
    Column,
    Table,
    call_the_column,
    choose,
    label_column,
    of_features,
    refuse_repeated,
    too_large,
    without,
    without_features,
    without_labels,
)
from fastcls.datasets._common import existing_path, file_size, name_of, no_such_name, not_utf8, note, noting
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._labels import MISSING, is_number, labels_of_texts
from fastcls.datasets._row_ids import NamedRows, keep
from fastcls.datasets._row_ids import are_kept as row_ids_are_kept
from fastcls.datasets._row_names import may_number_rows, note_numbers, number_rows, only_if_different, tells_rows_apart
from fastcls.datasets._tables import load_tables

SUFFIXES = (".csv", ".tsv")
_MOST_ROWS, _MOST_CELLS = 1024, 1 << 18  # of a block: as text, a cell takes 60 bytes
_DIGITS = re.compile(r"[+-]?\d+")
_COMMA = re.compile(r"[+-]?\d+(?:,\d+)+(?:\.\d*)?|[+-]?\d+(?:\.\d{3})+,\d+")  # 1,5 and 1,000.5 and 1.000,5
_SURE_NAMES = frozenset(LABEL_COLUMNS) - {"y", "target", "targets"}  # no labels of the first row


def is_csv(path: Path) -> bool:
    """Tell whether `path` is a CSV or TSV file."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


@noting
def load_csv(path: str | os.PathLike[str], *, labels: Any = None, features: str | None = None, drop: Any = None) -> Dataset:
    """Load a CSV or TSV file: one column a feature, and one with the labels.

    Parameters
    ----------
    path : path
        In UTF-8, separated by commas, semicolons or tabs. The first line has the names of the columns (also 0, 1, 2, ...,
        which pandas writes), unless it has numbers where the second has: then the columns are called '0', '1', ..., and
        the labels are the column of text. The labels are the column ``label``, ``y``, ``target`` or ``class``, or else the
        only column of text. Columns that name or number the rows are left out with a note: those called ``id``, ``path``,
        ``filename``, ``name`` or ``fold``, and those called ``row``, ``index``, ``key``, ``sample_id`` and the like whose
        values are whole and all different, or count up. Rename a column to keep it. Whole numbers from 0 to 255 become
        uint8, all others float64.
    labels : name, path or array-like, optional
        The name of the column with the labels, or labels from elsewhere.
    features : str, optional
        The name of a column that is the only feature.
    drop : str or sequence of str, optional
        Names of columns to leave out.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If a row has another number of cells than the first, a cell of a feature is not a finite number (its line and column
        are named), a label is missing, or the file does not fit into memory.
    """
    file = existing_path(path, wanted="a CSV file")
    return load_tables(read_csv(file, labels, features=features, drop=drop), labels=labels, name=name_of(file))


def read_csv(
    file: Path,
    labels: Any,
    *,
    labelled: bool = True,
    features: str | None = None,
    drop: Any = None,
    are_compared: bool = False,
) -> Table:
    """The columns of a CSV file that are features and labels; those of test rows (not `labelled`) need not be there.

    Cells that name rows are kept only where they will be compared with those of other rows.
    """
    where = quoted(file)
    if not memory.fits(4 * file_size(file)):  # a number takes two bytes of the file at least, and eight in memory
        raise too_large(where)
    lines = _cells(file)
    one, two = next(lines, None), next(lines, None)
    if one is None or two is None:
        raise InputError(f"{where} has no rows: write a line with the names of the columns, and one line per row")
    (_, first), (_, second) = one, two
    if len(first) == 1 and re.search(r"\w[|: ]+\w", first[0]):
        raise InputError(f"{where} has one column, {quoted(first[0], 40)}: separate cells by commas, semicolons or tabs")
    headed = _is_head(first, second, labels, where)
    names = [name.strip() for name in first] if headed else [str(place) for place in range(len(first))]
    refuse_repeated(names, where)
    example = second if len(second) == len(names) else [""] * len(names)
    seen = [_seen(file, name, place, cell, headed) for place, (name, cell) in enumerate(zip(names, example, strict=True))]
    naming = " (from its first line)" if headed else " (numbered, because its first line is a row)"
    table = without(Table(where, 1, seen, naming, f"in line {two[0]}", is_named=headed), drop, must_exist=labelled)
    table = of_features(table, features, labels)
    chosen = choose(table, labels, values_are_known=False)
    if chosen.label is None and labels is None and labelled:
        raise without_labels(table)
    rows = itertools.chain([two] if headed else [one, two], lines)
    are_compared = are_compared or row_ids_are_kept() or chosen.split is not None
    are_compared = are_compared or (chosen.label is None and isinstance(labels, (str, os.PathLike)))
    X, y, split, parts, row_names = _read(rows, names, chosen, where, are_compared=are_compared)
    if not parts:
        raise without_features(where)
    columns = [Column("features", "vectors", "numbers", lambda: X, parts=parts)]
    if chosen.label is not None:
        columns.append(Column(chosen.label.name, "text", "text", lambda: y, is_label=True))
    if chosen.split is not None:
        columns.append(Column("split", "text", "text", lambda: split))
    return Table(where, len(X), columns, is_named=headed, row_names=row_names)


def _seen(file: Path, name: str, place: int, cell: str, headed: bool) -> Column:
    """A column as its first cell tells what it holds; with all cells if these may be ids, which are all different."""
    if is_number(cell) or _stands_for_one(cell):
        return Column(name, "numbers", "text", lambda: [cell])
    if not only_if_different(name):
        return Column(name, "text", "text", lambda: [cell])
    return Column(
        name,
        "text",
        "text",
        lambda: ["".join(cells[place : place + 1]) for _, cells in itertools.islice(_cells(file), headed, None)],
    )


def _read(
    rows: Iterator[tuple[int, list[str]]], names: list[str], chosen: Chosen, where: str, *, are_compared: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str], list[Column]]:
    """The features as one array, the labels, the split, the names of the features, and the columns that name the rows."""
    numbered_names = {name: place for place, name in enumerate(names)}
    places = [numbered_names[column.name] for column in chosen.features]
    label_at, split_at = (None if column is None else names.index(column.name) for column in (chosen.label, chosen.split))
    # columns that may number the rows are apart, so that they do not decide the type of the others
    apart = [place for place, column in enumerate(chosen.features) if may_number_rows(column.name)]
    together = [place for place in range(len(places)) if place not in apart]
    blocks: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    labels: list[str] = []
    lines: list[int] = []
    split: list[str] = []
    of_rows: dict[str, list[str]] = {column.name: [] for column in chosen.row_names if are_compared}
    n_rows = max(1, min(_MOST_ROWS, _MOST_CELLS // len(names)))
    while numbered := list(itertools.islice(rows, n_rows)):
        for line, cells in numbered:
            if len(cells) != len(names):
                raise InputError(
                    f"{where} has {counted(len(cells), 'cell')} in line {line}, but {counted(len(names), 'column')}: write "
                    "one cell per column"
                )
            if label_at is not None and not cells[label_at].strip():
                raise InputError(f"{where} has no label in line {line}: fill it, or remove the row")
        block = [cells for _, cells in numbered]
        if label_at is not None:
            labels += [cells[label_at].strip() for cells in block]
            lines += [line for line, _ in numbered]
        if split_at is not None:
            split += [cells[split_at].strip() for cells in block]
        for name, found in of_rows.items():
            found += [cells[numbered_names[name]] for cells in block]
        wanted = block if len(places) == len(names) else [[cells[place] for place in places] for cells in block]
        try:
            if any("_" in "".join(cells) for cells in wanted):  # 1_000, which NumPy reads as Python does
                raise ValueError
            blocks.append(np.array(wanted, dtype=np.float64))
        except ValueError:
            raise _not_a_number(numbered, places, names, where) from None
        if not np.isfinite(blocks[-1]).all():
            raise _not_a_number(numbered, places, names, where)
        if np.abs(blocks[-1]).max() >= 2**53:
            _refuse_rounded(numbered, places, names, where)
        if apart:
            numbers.append(blocks[-1][:, apart])
            blocks[-1] = blocks[-1][:, together]
        if _are_bytes(blocks[-1]):
            blocks[-1] = blocks[-1].astype(np.uint8)
    dtype = np.uint8 if all(block.dtype == np.uint8 for block in blocks) else np.float64
    X = np.concatenate(blocks, dtype=dtype)
    names_used = [chosen.features[place].name for place in together]
    row_names: dict[str, Any] = {name: np.array(found, dtype=object) for name, found in of_rows.items()}
    if apart:
        X, names_used, left_out = _with_numbers(X, together, np.concatenate(numbers), apart, chosen, where)
        row_names |= left_out
    columns = [Column(name, "text", "text", lambda values=values: values) for name, values in row_names.items()]  # type: ignore[misc]
    return X, labels_of_texts(labels, lines, where), np.array(split), names_used, columns


def _with_numbers(
    X: np.ndarray, together: list[int], numbers: np.ndarray, apart: list[int], chosen: Chosen, where: str
) -> tuple[np.ndarray, list[str], dict[str, np.ndarray]]:
    """The features, and those of the columns apart that do not number the rows, with the names of all, in the file's order;
    and the columns that number the rows."""
    columns = {chosen.features[place].name: numbers[:, at] for at, place in enumerate(apart)}
    left_out = {name: values for name, values in columns.items() if number_rows(name, values)}
    note_numbers(where, left_out)
    kept = [at for at, name in enumerate(columns) if name not in left_out]
    more = numbers[:, kept].astype(np.uint8 if _are_bytes(numbers[:, kept]) else np.float64)
    places = [*together, *(apart[at] for at in kept)]
    order = np.argsort(places)
    joint = np.concatenate([X, more], axis=1)[:, order] if kept else X
    return joint, [chosen.features[places[at]].name for at in order], left_out


def _are_bytes(values: np.ndarray) -> bool:
    return not values.size or bool(values.min() >= 0 and values.max() <= 255 and (np.floor(values) == values).all())


def read_label_column(file: Path, name: str | None = None) -> np.ndarray:
    """The labels of a CSV file: the column of this name; without one its only column, or the one called label, y, target or
    class. No other cell is read.
    """
    lines = list(_cells(file))
    where = quoted(file)
    if not lines:
        raise InputError(f"{where} is empty; wanted one label per line")
    names = [cell.strip() for cell in lines[0][1]]
    table = Table(where, 1, [Column(name, "other", "cells", list) for name in names])
    column = label_column(table, name)
    if column is None and name is not None:
        raise no_such_name(where, name, names, "column", " (from its first line)")
    if column is None and len(names) > 1:
        several = {name: [cells[at] for _, cells in lines[1:] if at < len(cells)] for at, name in enumerate(names)}
        likely = sorted(names, key=lambda name: 2 * len(set(several[name])) > len(several[name]))
        raise InputError(f"{where} has the columns {quoted_list(names)}: {call_the_column(file, likely)}")
    place = 0 if column is None else names.index(column.name)
    first = lines[0][1][0]
    rest = [cells for _, cells in lines[1:]]
    # without a known name, a first line of text over numbers is a name too
    is_headed = column is not None or (
        bool(rest) and not is_number(first) and all(len(cells) == 1 and is_number(cells[0]) for cells in rest)
    )
    found, places = [], []
    rows = lines[1:] if is_headed else lines
    for line, cells in rows:
        if len(cells) != len(names) or not cells[place].strip():
            raise InputError(f"{where} has no label in line {line}: fill it, or remove the row")
        found.append(cells[place].strip())
        places.append(line)
    if not found:
        raise InputError(f"{where} has no labels below its first line; wanted one label per line")
    if is_headed:
        texts: dict[str, Any] = {
            name: lambda at=at: [cells[at] for _, cells in rows] for at, name in enumerate(names) if at != place
        }
        of_rows = {name: cells for name, cells in texts.items() if tells_rows_apart(name, is_text=True)}
        others = {name: lambda cells=cells: np.array(cells(), np.float64) for name, cells in texts.items()}
        keep(NamedRows(where, of_rows, {name: values for name, values in others.items() if name not in of_rows}))
    return labels_of_texts(found, places, where)


def _not_a_number(rows: list[tuple[int, list[str]]], places: list[int], names: list[str], where: str) -> InputError:
    line, place, cell = next(
        (line, place, cells[place])
        for line, cells in rows
        for place in places
        if not is_number(cells[place]) or not np.isfinite(float(cells[place]))
    )
    what = f"has {quoted(cell, 40)}" if cell.strip() else "has no value"
    how = "write a decimal point, and no separators of thousands" if _COMMA.fullmatch(cell.strip()) else None
    return InputError(
        f"{where} {what} in line {line}, column {quoted(names[place])}; wanted a finite number: "
        f"{how or 'fill it, or remove the row'}"
    )


def _refuse_rounded(rows: list[tuple[int, list[str]]], places: list[int], names: list[str], where: str) -> None:
    """Refuse whole numbers that float64 does not hold."""
    for line, cells in rows:
        for place in places:
            cell = cells[place].strip()
            if _DIGITS.fullmatch(cell) and int(cell) != int(float(cell)):
                raise InputError(
                    f"{where} has {quoted(cell, 40)} in line {line}, column {quoted(names[place])}, which float64 cannot "
                    "hold exactly (2^53): scale the column, or leave it out"
                )


def _cells(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is not empty, from 1, and its cells."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        try:
            start = lines.readline(1 << 20)
            if "\0" in start:
                raise InputError(f"{quoted(file)} has zero bytes, so it is no text in UTF-8: save it as CSV in UTF-8")
            lines.seek(0)
            separator = max("\t;,", key=start.count)
            rows = csv.reader(lines, delimiter=separator, strict=True)
            yield from ((rows.line_num, cells) for cells in rows if len(cells) > 1 or any(map(str.strip, cells)))
        except csv.Error as error:
            raise InputError(
                f"{quoted(file)} is not CSV ({reason(error)}, line {rows.line_num}): write it with one line per row, and "
                "quotes in pairs"
            ) from None
        except UnicodeDecodeError:
            raise _not_utf8(file) from None


def _not_utf8(file: Path) -> InputError:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return not_utf8(line, file, number)
    raise AssertionError(file)  # a decoder failed at one of its lines


def _stands_for_one(cell: str) -> bool:
    """Whether a cell stands for a number: a missing value, or a number with a comma. Both are refused when they are read."""
    return cell.strip().lower() in MISSING or _COMMA.fullmatch(cell.strip()) is not None


def _is_head(first: list[str], second: list[str], labels: Any, where: str) -> bool:
    """Whether the first line has the names of the columns."""
    numbers = [cell.strip() for cell in first if is_number(cell)]
    others = [cell.strip() for cell in first if not is_number(cell)]
    if others and not (len(first) == len(second) and _alike(first, second)):
        return True
    counts_up = len(numbers) > 2 and numbers == [str(place) for place in range(len(numbers))]
    if counts_up or any(cell.lower() in _SURE_NAMES or cell == labels for cell in others):
        note(f"{where}: the first line, {quoted_list(first, 4)}, is read as the names of the columns")
        return True
    return False


def _alike(first: list[str], second: list[str]) -> bool:
    """Whether the first line is a row too: it has numbers where the second has."""
    numbers = [is_number(cell) for cell in second]
    return any(numbers) and all(is_number(cell) for cell, number in zip(first, numbers, strict=True) if number)
