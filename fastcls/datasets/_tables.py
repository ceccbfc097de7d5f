"""From the columns of a table (CSV, Parquet, Arrow, a data frame) to a data set: features, labels, perhaps a split."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import numpy as np

from fastcls._runtime import memory
from fastcls._runtime.pacing import Progress
from fastcls._validation.base import as_list
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind, quoted, quoted_list, shown
from fastcls._validation.rows import check_finite, places_of_features
from fastcls.datasets._assemble import (
    LABELS,
    ROWS,
    UNLABELLED,
    NoLabelsError,
    assemble,
    called_labels,
    file_of_labels,
    given_labels,
)
from fastcls.datasets._common import no_such_name, note, note_left_out
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._doubtful_features import note_doubtful
from fastcls.datasets._folder import OnError, decode_all
from fastcls.datasets._image import quiet_pillow, recipe_for
from fastcls.datasets._labels import encode_labels, plain_labels, to_common_dtype
from fastcls.datasets._row_ids import keep
from fastcls.datasets._row_names import (
    features_wanted,
    may_number_rows,
    names_rows,
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
    named_so = [column.name for column in others if names_rows(column.name, is_text=column.kind == "text")]
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


def naming_rows(table: Table, columns: Sequence[Column]) -> Sequence[Column]:
    """The columns that say which row a row is, of those that are no features."""
    left = [column for column in columns if column.kind in ("numbers", "text")]
    return [*table.row_names, *(column for column in left if tells_rows_apart(column.name, is_text=column.kind == "text"))]


def _no_numbers(table: Table, odd: Sequence[Column], *, are_labelled: bool) -> InputError:
    """The refusal of columns that are neither numbers nor labels, with all of their names for one command."""
    first, them = odd[0], "it" if len(odd) == 1 else "them"
    at = f", {quoted(first.values()[0], 40)} {table.first}" if first.kind == "text" else ""
    others = f" (and {quoted_list(column.name for column in odd[1:])} no numbers either)" if odd[1:] else ""
    ways = [f"leave {them} out with {_dropped(odd)}", f"encode {them} as numbers"]
    if all(column.kind == "text" for column in odd):  # the numbers of text would be an order that it does not have
        ways[1] = "write each category as a column of 0 and 1"
    if first.hint is not None:
        ways = [first.hint, ways[0]]
    return InputError(
        f"{table.where}: the column {quoted(first.name)} has {first.type}{at}{others}: {', or '.join(ways)}"
        + ("" if are_labelled else f"; or, if it has the labels, {_WANTED}")
    )


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
    text = [column for column in columns if column.kind == "text" and not names_rows(column.name, is_text=True)]
    only_numbers = all(column.kind in ("numbers", "text") for column in columns)
    for candidates in (classes, text if only_numbers else []):
        if len(candidates) == 1:
            note(f"{table.where}: the labels are the column {quoted(candidates[0].name)}")
            return candidates[0]
    return None


def load_tables(
    train: Table,
    test: Table | None = None,
    *,
    labels: Any = None,
    test_labels: Any = None,
    name: str,
    image_size: int | None = None,
    on_error: OnError = "raise",
    progress: Progress | None = None,
) -> Dataset:
    """Make a data set of a table, and of a second one with its test rows; `test_labels` are theirs, if not their own."""
    parts: list[tuple[Table, Chosen, Any]] = []
    called: list[str] = []
    for table in (train,) if test is None else (train, test):
        given = labels if table is train else labels_of_test(labels, train) or test_labels
        with features_wanted(_names_of(parts[0][1].features)) if table is test else nullcontext():
            chosen = choose(table, given)
        if chosen.label is None and given is None:
            if table is test:
                note(f"{table.where} has no labels and is left out")
                continue
            raise without_labels(table)
        own_names = {column.name: column.values for column in chosen.row_names}
        keep(table.where, own_names)
        y = chosen.label.values() if chosen.label is not None else given_labels(given, rows=(table.where, own_names))
        parts.append((table, chosen, y))
        called.append(called_labels(given) if chosen.label is None else called_column(table, chosen.label.name))
    _check_class_names([(table, chosen.label) for table, chosen, _ in parts if chosen.label is not None])
    names = parts[0][1].label.class_names if parts[0][1].label is not None else None
    if all(chosen.features[0].kind == "images" for _, chosen, _ in parts):
        return _images(parts, names, name, image_size, on_error, progress, called)
    X, y = rows_of(train, parts[0][1].features), parts[0][2]
    note_doubtful(train.where, _names_of(parts[0][1].features), X, y)
    features = _names_of(parts[0][1].features) if train.is_named else ()
    known: dict[str, Any] = {"class_names": names, "name": name, "feature_names": tuple(features) or None, "is_finite": True}
    known["called"] = (f"the rows of {train.where}", called[0], f"the test rows of {parts[-1][0].where}", called[-1])
    if len(parts) == 2:
        own, wanted = (_names_of(chosen.features) for _, chosen, _ in (parts[1], parts[0]))
        X_test = in_order(rows_of(parts[1][0], parts[1][1].features), own, wanted, parts[1][0].where, train.where)
        return assemble(X, y, X_test, parts[1][2], **known)
    split = parts[0][1].split
    if split is None or y is None:
        return assemble(X, y, **known)
    first, second = _divided(train, split)
    note(
        f"{train.where}: the column {quoted(split.name)} divides the rows: {len(first):,} train, {len(second):,} test",
        level=logging.INFO,
    )
    y = plain_labels(y, called[0])  # before they are divided, so that messages have the row of the table
    if len(y) != len(X):
        raise InputError(
            f"{called[0]} has {counted(len(y), 'label')} for {counted(len(X), 'row')} of {train.where}: give one label per "
            "row"
        )
    return assemble(X[first], y[first], X[second], y[second], **known)


def labels_of_test(labels: Any, train: Table) -> Any:
    """What names the labels of the test rows, if `labels` is given for the training rows: a column of both, else nothing."""
    is_column = isinstance(labels, str) and any(column.name == labels for column in train.columns)
    return labels if is_column or labels is UNLABELLED else None


def called_column(table: Table, name: str) -> str:
    """How messages call a column."""
    return f"{table.where}: the column {quoted(name)}"


def _check_class_names(labels: Sequence[tuple[Table, Column]]) -> None:
    """Refuse columns of labels whose numbers name different classes."""
    named = [(table.where, list(label.class_names)) for table, label in labels if label.class_names is not None]
    for where, names in named[1:]:
        if names != named[0][1]:
            raise InputError(
                f"{named[0][0]} has the classes {quoted_list(named[0][1], 4)} and {where} {quoted_list(names, 4)}: give "
                "both the same, in the same order"
            )


def _names_of(features: Sequence[Column]) -> Sequence[str]:
    """The names of the features; none if they are the values of one column of vectors."""
    return features[0].parts if features[0].kind == "vectors" else [column.name for column in features]


def in_order(rows: np.ndarray, own: Sequence[str], wanted: Sequence[str], where: str, other: str) -> np.ndarray:
    """The rows of one table with their features in the order of another's, by name; as they are if one has no names.

    Raises
    ------
    InputError
        If the names are not the same.
    """
    places = places_of_features(own, wanted, where, other) if own and wanted else None
    if places is None:
        return rows
    note(f"{where}: its columns are read in the order of {other}")
    return rows[:, places]


def joined(tables: Sequence[Table]) -> Table:
    """Tables of the same columns, one after the other."""
    first = tables[0]
    for table in tables[1:]:
        kinds, wanted = ({column.name: column.kind for column in each.columns} for each in (table, first))
        if kinds != wanted:
            raise InputError(f"{table.where} and {first.where} have different columns: give all files the same")
        own = {column.name: column for column in table.columns}
        for column in first.columns:
            _check_class_names([(first, column), (table, own[column.name])])
    if len(tables) == 1:
        return first

    def values(name: str) -> Any:
        found = [next(column for column in table.columns if column.name == name) for table in tables]
        parts = [column.values() for column in found]
        for place, (table, column) in enumerate(zip(tables, found, strict=True)):
            if column.parts:
                parts[place] = in_order(parts[place], column.parts, found[0].parts, table.where, first.where)
        texts = [not isinstance(part, list) and part.dtype.kind in "UO" for part in parts]
        if len(set(texts)) > 1:  # NumPy would make text of the numbers: 7 of 007
            text, numbers = tables[texts.index(True)].where, tables[texts.index(False)].where
            raise InputError(
                f"the column {quoted(name)} has text in {text} and numbers in {numbers}: write the same kind in all files"
            )
        if isinstance(parts[0], list):
            return [image for part in parts for image in part]
        if len({part.shape[1:] for part in parts}) > 1:
            raise InputError(f"the column {quoted(name)} has rows of shape {parts[0].shape[1:]} and others: give one length")
        return np.concatenate(parts)

    columns = [column._replace(values=lambda name=column.name: values(name)) for column in first.columns]  # type: ignore[misc]
    n_rows, is_named = sum(table.n_rows for table in tables), all(table.is_named for table in tables)
    names = [column for column in first.row_names if all(column.name in _named(table.row_names) for table in tables)]
    row_names = [
        column._replace(
            kind="text",
            values=lambda name=column.name: np.concatenate([_named(table.row_names)[name].values() for table in tables]),  # type: ignore[misc]
        )
        for column in names
    ]
    return Table(f"{first.where}, ...", n_rows, columns, is_named=is_named, row_names=row_names)


def _named(columns: Sequence[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}


def without_features(where: str) -> InputError:
    """The refusal of a table without a column of features."""
    return InputError(f"{where} has no column of numbers next to the labels: add the features")


def without_labels(table: Table) -> InputError:
    """The refusal of a table without a column of labels."""
    names = quoted_list(column.name for column in table.columns)
    if own := [name for name in table.dropped if name.lower() in LABEL_COLUMNS]:
        said = f"drop=[{quoted(own[0])}] leaves out the labels of {table.where}: keep them"
        return NoLabelsError(f"{said}, or name others among {names} with labels=")
    return NoLabelsError(f"{table.where} has the columns {names}{table.naming}, but no labels: {_WANTED}")


def _divided(table: Table, split: Column) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose split is train and those whose split is test."""
    values = np.char.lower(np.asarray(split.values()).astype(str))
    train, test = np.isin(values, ("train", "training")), np.isin(values, ("test", "testing"))
    if not train.any() or not test.any():
        counts = ", ".join(f"{quoted(value, 40)}: {n}" for value, n in Counter(values.tolist()).most_common(4))
        raise InputError(
            f"{table.where}: the column 'split' has {counts}; wanted rows of 'train' and of 'test': rename them"
        )
    if n_others := int((~train & ~test).sum()):
        note(f"{table.where}: left out {counted(n_others, 'row')} whose split is neither train nor test")
    return np.flatnonzero(train), np.flatnonzero(test)


def rows_of(table: Table, features: Sequence[Column]) -> np.ndarray:
    """The rows of one column of vectors, or of many columns of numbers; all finite.

    Raises
    ------
    InputError
        For NaN or infinity, with the row and the column, and if the rows do not fit into memory.
    """
    if len(features) == 1 and features[0].kind == "vectors":
        values = features[0].values()
        check_finite(values.reshape(len(values), -1), called_column(table, features[0].name))
        return values
    columns = {column.name: column.values()[:, None] for column in features}
    for name, values in columns.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values[:, 0])))
            kind = "NaN" if np.isnan(values[row, 0]) else "infinity"
            raise InputError(f"{called_column(table, name)} has {kind} at row {row}: remove the row, or fill it")
    columns = to_common_dtype(columns)
    dtype = next(iter(columns.values())).dtype
    if not memory.fits(table.n_rows * len(columns) * dtype.itemsize):
        raise too_large(table.where)
    rows = np.empty((table.n_rows, len(columns)), dtype)
    for place, values in enumerate(columns.values()):
        rows[:, place] = values[:, 0]
    return rows


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


def _images(
    parts: list[tuple[Table, Chosen, Any]],
    names: Sequence[str] | None,
    name: str,
    image_size: int | None,
    on_error: OnError,
    progress: Progress | None,
    called: Sequence[str],
) -> Dataset:
    """Decode the images of one or two tables together, so that all get one size."""
    sources = [image for _, chosen, _ in parts for image in chosen.features[0].values()]
    with quiet_pillow():
        pixels, notes, refused = decode_all(sources, image_size, on_error, progress)
    for text in notes:
        note(f"{name}: {text}")
    n_train = parts[0][0].n_rows
    codes, test_codes, class_names = encode_labels(
        parts[0][2], parts[1][2] if len(parts) == 2 else None, names, (called[0], called[-1])
    )
    every = codes if test_codes is None else np.concatenate([codes, test_codes])
    if len(every) != len(sources):
        raise InputError(f"y has {counted(len(every), 'label')} for {counted(len(sources), 'image')}: give one per image")
    read = np.array([at not in refused for at in range(len(sources))])
    if refused:
        note(f"{name}: left out {counted(len(refused), 'image')} that cannot be read")
    shape = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
    X, n_first = pixels.reshape(len(pixels), -1), int(read[:n_train].sum())
    return Dataset(
        X[:n_first],
        every[:n_train][read[:n_train]],
        X[n_first:] if len(parts) == 2 else None,
        every[n_train:][read[n_train:]] if len(parts) == 2 else None,
        class_names=class_names,
        image_shape=shape,
        preprocessing=recipe_for(shape),
        name=name,
        unreadable=tuple((f"image {at}", why) for at, why in sorted(refused.items())),
    )
