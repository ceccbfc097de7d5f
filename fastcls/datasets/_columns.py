"""Which columns of a table (CSV, Parquet, Arrow, a data frame) are features and labels, which divide or name the rows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fastcls._validation.base import as_list
from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind, quoted, quoted_list, shown
from fastcls.datasets._assemble import LABELS, ROWS, NoLabelsError, file_of_labels
from fastcls.datasets._common import no_such_name, note, note_left_out
from fastcls.datasets._row_names import (
    may_number_rows,
    names_rows,
    names_rows_by,
    note_names,
    note_numbers,
    number_rows,
    tells_rows_apart,
)

Kind = Literal["numbers", "vectors", "text", "images", "other"]

#: names of columns of labels
LABEL_COLUMNS = (*LABELS, "class", "category")
_WANTED = "call the column of labels 'label', or name it with labels="


class Column(NamedTuple):
    """One column: its name, what it holds, its type for messages, and the function that reads its values.

    The values are numbers (n,), vectors (n, ...), text (n,), or a list of the bytes of images.
    """

    name: str
    kind: Kind
    type: str
    values: Callable[[], Any]
    class_names: Sequence[str] | None = None
    is_label: bool = False  # chosen already
    hint: str | None = None  # how to make it a feature, if it is none
    parts: Sequence[str] = ()  # the columns of the file that its vectors were made of
    is_category: bool = False  # of a type that says so (pandas' category, Arrow's dictionary)


class Table(NamedTuple):
    """The columns of a file or a data frame, and for messages its name, how its columns got theirs, and its first row.

    `is_named`: the names of the columns are the file's, not their numbers. `row_names`: columns that name its rows and are
    left out already. `dropped`: columns that the user leaves out.
    """

    where: str
    n_rows: int
    columns: Sequence[Column]
    naming: str = ""
    first: str = "at row 0"
    is_named: bool = True
    row_names: Sequence[Column] = ()
    dropped: tuple[str, ...] = ()


class UnknownColumnsError(InputError):
    """Columns to leave out that a table does not have: `missing`."""

    missing: tuple[str, ...] = ()


class Chosen(NamedTuple):
    """The columns that are features (one of vectors, one of images, or many of numbers), labels, the split, and the columns
    that name the rows."""

    features: Sequence[Column]
    label: Column | None
    split: Column | None
    row_names: Sequence[Column] = ()


def names_to_drop(drop: Any) -> tuple[str, ...]:
    """The names of columns to leave out: one, or several (a list, a set, an array, an index); none for None."""
    names = () if drop is None else as_list(drop)
    if odd := [name for name in names if not isinstance(name, str)]:
        given = f"drop has {shown(odd[0], 40)}" if names != [drop] else f"drop is {kind(drop)}"
        raise InputError(f"{given}; wanted the name of a column, or a list of names")
    return tuple(sorted(names) if isinstance(drop, (set, frozenset)) else map(str, names))


def without(table: Table, drop: Any, *, must_exist: bool = True) -> Table:
    """The table without the columns of these names.

    Raises
    ------
    UnknownColumnsError
        If it has no such column, unless it need not.
    """
    names, there = names_to_drop(drop), [column.name for column in table.columns]
    if must_exist and (missing := tuple(name for name in names if name not in there)):
        error = UnknownColumnsError(
            f"drop={list(missing)} is given, but {table.where} has the columns {quoted_list(there)}{table.naming}: give "
            "names of columns"
        )
        error.missing = missing
        raise error
    kept = [column for column in table.columns if column.name not in names]
    return table._replace(columns=kept, dropped=tuple(name for name in there if name in names))


def of_features(table: Table, features: str | None, labels: Any) -> Table:
    """The table with one column of features, the labels and the split; for None as it is.

    Raises
    ------
    InputError
        If it has no such column, or it has the labels.
    """
    if features is None:
        return table
    chosen = next((column for column in table.columns if column.name == features), None)
    if chosen is None:
        raise no_such_name(table.where, features, (column.name for column in table.columns), "column", table.naming)
    if features == labels:
        raise InputError(f"{called_column(table, features)} has the labels: choose another as features")
    label = label_column(table._replace(columns=[column for column in table.columns if column is not chosen]), labels)
    kept = [column for column in table.columns if column is chosen or column is _split_column(table)]
    return table._replace(columns=[*kept, *([] if label is None else [label._replace(is_label=True)])])


def _split_column(table: Table) -> Column | None:
    """The column of text that divides the rows."""
    return next((column for column in table.columns if column.name.lower() == "split" and column.kind == "text"), None)


def choose(table: Table, labels: Any, *, values_are_known: bool = True) -> Chosen:
    """Choose the columns by their names and types; those that may number the rows also by their values, if they are known.

    Raises
    ------
    InputError
        If there are no features, several columns of vectors, or text that is neither a label nor a name of the rows.
    """
    if isinstance(labels, str) and labels in table.dropped:
        raise InputError(
            f"{called_column(table, labels)} has the labels, and drop=[{quoted(labels)}] leaves it out: take it out of one"
        )
    label = label_column(table, labels)
    if label is None and isinstance(labels, (str, os.PathLike)):
        file_of_labels(labels, [column.name for column in table.columns])
    split = _split_column(table)
    # labels that are named or given replace the table's others, which must not become features
    own = [column for column in table.columns if column.name.lower() in LABEL_COLUMNS and column is not label]
    others = [column for column in table.columns if column not in (label, split, *own)]
    if own:
        note(f"{table.where}: {quoted_list(column.name for column in own)} left out, because labels are no features")
    for what in ("vectors", "images"):
        found = [column for column in others if column.kind == what]
        named = [column for column in found if column.name.lower() in ROWS]
        if len(found) > 1 and len(named) != 1:
            raise InputError(
                f"{table.where} has several columns of {what} ({quoted_list(column.name for column in found)}): name one "
                f"with features=, leave out the others, such as with {_dropped(found[1:])}, or call it 'features'"
            )
        if found:
            features = named or found
            note_left_out(table.where, [column.name for column in others if column is not features[0]], features[0].name)
            return Chosen(
                features, label, split, naming_rows(table, [column for column in others if column not in features])
            )
    named_so = [column.name for column in others if _names_rows(column)]
    note_names(table.where, named_so)
    features = [column for column in others if column.name not in named_so]
    if values_are_known:
        values = {one.name: one.values() for one in features if one.kind == "numbers" and may_number_rows(one.name)}
        numbers = {name: found for name, found in values.items() if number_rows(name, found)}
        note_numbers(table.where, numbers)
        features = [column for column in features if column.name not in numbers]
    if not features:
        raise without_features(table.where)
    if odd := [column for column in features if column.kind != "numbers"]:
        raise _no_numbers(table, odd, are_labelled=label is not None or labels is not None)
    return Chosen(features, label, split, naming_rows(table, [column for column in others if column not in features]))


def _names_rows(column: Column) -> bool:
    """Whether a column names the rows: by its name, and text that is called as ids are also by its values."""
    if names_rows(column.name, is_text=column.kind == "text"):
        return True
    return column.kind == "text" and names_rows_by(column.name, column.values)


def naming_rows(table: Table, columns: Sequence[Column]) -> Sequence[Column]:
    """The columns that say which row a row is, of those that are no features."""
    left = [column for column in columns if column.kind in ("numbers", "text")]
    return [*table.row_names, *(column for column in left if tells_rows_apart(column.name, is_text=column.kind == "text"))]


def _no_numbers(table: Table, odd: Sequence[Column], *, are_labelled: bool) -> InputError:
    """The refusal of columns that are neither numbers nor labels, with all of their names for one command."""
    first, them = odd[0], "it" if len(odd) == 1 else "them"
    at = f", {quoted(first.values()[0], 40)} {table.first}" if first.kind == "text" else ""
    others = f" (and {quoted_list(column.name for column in odd[1:])} no numbers either)" if odd[1:] else ""
    said = f"{table.where}: the column {quoted(first.name)} has {first.type}{at}{others}: "
    if not are_labelled and sum(column.kind == "text" or column.is_category for column in odd) > 1:
        return InputError(f"{said}name the one that has the labels with labels=, and leave out the others with drop=")
    ways = [f"leave {them} out with {_dropped(odd)}", f"encode {them} as numbers"]
    if all(column.kind == "text" for column in odd):  # the numbers of text would be an order that it does not have
        ways[1] = "write each category as a column of 0 and 1"
    if first.hint is not None:
        ways = [first.hint, ways[0]]
    return InputError(f"{said}{', or '.join(ways)}" + ("" if are_labelled else f"; or, if it has the labels, {_WANTED}"))


def _dropped(columns: Sequence[Column]) -> str:
    return f"drop=[{', '.join(quoted(column.name) for column in columns)}]"


def label_column(table: Table, labels: Any = None) -> Column | None:
    """The column with the labels: the one named, else by the names and types of the columns; None if there is none.

    Raises
    ------
    InputError
        If several columns have names of labels, and not one of them is described as labels.
    """
    columns = table.columns
    if labels is not None:
        named = [column for column in columns if isinstance(labels, str) and column.name == labels]
        return named[0] if named else None
    if chosen := next((column for column in columns if column.is_label), None):
        return chosen
    found = [column for column in columns if column.name.lower() in LABEL_COLUMNS]
    described = [column for column in found if column.class_names is not None]
    if len(found) > 1 and len(described) != 1:
        raise InputError(
            f"{table.where} has several columns that may be the labels, {quoted_list(column.name for column in found)}: "
            "name one with labels="
        )
    if found:
        return (described or found)[0]
    classes = [column for column in columns if column.class_names is not None]
    categories = [column for column in columns if column.is_category and not _names_rows(column)]
    text = [column for column in columns if column.kind == "text" and not _names_rows(column)]
    only_numbers = all(column.kind in ("numbers", "text") for column in columns)
    for candidates in (classes, text if only_numbers else [], categories):
        if len(candidates) == 1:
            note(f"{table.where}: the labels are the column {quoted(candidates[0].name)}")
            return candidates[0]
    return None


def without_features(where: str) -> InputError:
    """The refusal of a table without a column of features."""
    return InputError(f"{where} has no column of numbers next to the labels: add the features")


def without_labels(table: Table) -> InputError:
    """The refusal of a table without a column of labels."""
    names = quoted_list((column.name for column in likely_first(table)), 8)
    if own := [name for name in table.dropped if name.lower() in LABEL_COLUMNS]:
        said = f"drop=[{quoted(own[0])}] leaves out the labels of {table.where}: keep them"
        return NoLabelsError(f"{said}, or name others among {names} with labels=")
    return NoLabelsError(f"{table.where} has the columns {names}{table.naming}, but no labels: {_WANTED}")


def call_the_column(file: Path, names: Sequence[str]) -> str:
    """What to do if it is not clear which of these columns of a file has the labels."""
    name = next((name for name in names if not tells_rows_apart(name, is_text=True)), names[0])
    return f"call the column of labels 'label', or name one as in {quoted(f'{file}:{name}')}"


def likely_first(table: Table) -> Sequence[Column]:
    """The columns, those first that may well be the labels: classes, text, and whole numbers with few values."""

    def rank(column: Column) -> int:
        if column.kind in ("vectors", "images") or tells_rows_apart(column.name, is_text=column.kind == "text"):
            return 3
        if column.class_names is not None or column.is_category or column.kind == "text":
            return 0
        return 1 if column.kind == "numbers" and _has_few_values(column) else 2

    return sorted(table.columns, key=rank)


def _has_few_values(column: Column) -> bool:
    """Whether a column has whole numbers, of which several rows have each (of a CSV file, its first row is known)."""
    try:
        values = np.asarray(column.values(), dtype=np.float64)
    except (InputError, ValueError):
        return False
    with np.errstate(invalid="ignore"):
        is_whole = bool((np.floor(values) == values).all())
    return is_whole and (len(values) == 1 or 2 * len(np.unique(values)) <= len(values))


def refuse_repeated(names: Sequence[str], where: str) -> None:
    """Refuse columns of one name."""
    if repeated := [name for name, n in Counter(names).items() if n > 1]:
        raise InputError(f"{where} has the columns {quoted_list(repeated)} more than once: give each its own name")


def no_value(what: str, row: int, column: int | None = None) -> InputError:
    """The refusal of a missing value."""
    place = "" if column is None else f", column {column}"
    return InputError(f"{what} has no value at row {row}{place}: fill it, or remove the row")


def too_large(where: str) -> InputError:
    """The refusal of rows that do not fit into memory."""
    return InputError(f"the rows of {where} do not fit into memory: save them as .npy, which is memory-mapped")


def called_column(table: Table, name: str) -> str:
    """How messages call a column."""
    return f"{table.where}: the column {quoted(name)}"
