"""From tables (CSV, Parquet, Arrow, a data frame) to a data set: features, labels, perhaps a split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from fastcls._runtime import memory
from fastcls._runtime.pacing import Progress
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls._validation.rows import check_finite, places_of_features
from fastcls.datasets._assemble import (
    UNLABELLED,
    assemble,
    called_labels,
    given_labels,
)
from fastcls.datasets._columns import Chosen, Column, Table, called_column, choose, too_large, without_labels
from fastcls.datasets._common import note
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._doubtful_features import note_doubtful
from fastcls.datasets._folder import OnError, decode_all
from fastcls.datasets._image import quiet_pillow, recipe_for
from fastcls.datasets._labels import encode_labels, plain_labels, to_common_dtype
from fastcls.datasets._row_ids import NamedRows, keep, note_shared, row_ids
from fastcls.datasets._row_names import (
    features_wanted,
)


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
        named = _named_rows(table, chosen)
        keep(named)
        y = chosen.label.values() if chosen.label is not None else given_labels(given, rows=named)
        parts.append((table, chosen, y))
        called.append(called_labels(given) if chosen.label is None else called_column(table, chosen.label.name))
    _check_class_names([(table, chosen.label) for table, chosen, _ in parts if chosen.label is not None])
    names = parts[0][1].label.class_names if parts[0][1].label is not None else None
    if all(chosen.features[0].kind == "images" for _, chosen, _ in parts):
        return _images(parts, names, name, image_size, on_error, progress, called)
    X, y = rows_of(train, parts[0][1].features), parts[0][2]
    if X.ndim == 2:
        note_doubtful(train.where, X, y, _names_of(parts[0][1].features), can_drop=True)
    features = _names_of(parts[0][1].features) if train.is_named else ()
    known: dict[str, Any] = {
        "class_names": names,
        "name": name,
        "feature_names": tuple(features) or None,
        "is_checked": True,
    }
    known["called"] = (f"the rows of {train.where}", called[0], f"the test rows of {parts[-1][0].where}", called[-1])
    if len(parts) == 2:
        note_shared(*(row_ids(_named_rows(table, chosen)._replace(others={})) for table, chosen, _ in parts))
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
    ids = row_ids(_named_rows(train, parts[0][1])._replace(others={}))
    note_shared(*(ids.of_rows(rows) for rows in (first, second)))
    y = plain_labels(y, called[0])  # before they are divided, so that messages have the row of the table
    if len(y) != len(X):
        raise InputError(
            f"{called[0]} has {counted(len(y), 'label')} for {counted(len(X), 'row')} of {train.where}: give one label per "
            "row"
        )
    return assemble(X[first], y[first], X[second], y[second], **known)


def _named_rows(table: Table, chosen: Chosen) -> NamedRows:
    """The columns that name the rows of a table, and its features, which may."""
    names = {column.name: column.values for column in chosen.row_names}
    others: dict[str, Any] = {}
    for column in chosen.features if table.is_named else ():
        if column.kind == "numbers":
            others[column.name] = column.values
        for place, name in enumerate(column.parts):
            others[name] = lambda column=column, place=place: column.values()[:, place]
    return NamedRows(table.where, names, others, takes_drop=True)


def labels_of_test(labels: Any, train: Table) -> Any:
    """What names the labels of the test rows, if `labels` is given for the training rows: a column of both, else nothing."""
    is_column = isinstance(labels, str) and any(column.name == labels for column in train.columns)
    return labels if is_column or labels is UNLABELLED else None


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
