"""Load a folder of tables that are parts of one data set: train.csv and test.csv, train-00000-of-00002.parquet and so on."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

from fastcls._runtime.pacing import Progress
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls.datasets._arrow import SUFFIXES as ARROW_SUFFIXES
from fastcls.datasets._arrow import read_arrow
from fastcls.datasets._assemble import NAME, UNLABELLED
from fastcls.datasets._columns import Table, of_features, without
from fastcls.datasets._common import entries, existing_path, is_plain_file, name_of, note, note_left_out, noting
from fastcls.datasets._csv import SUFFIXES as CSV_SUFFIXES
from fastcls.datasets._csv import read_csv
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._folder import OnError
from fastcls.datasets._listing import is_system, natural_key
from fastcls.datasets._row_names import features_wanted
from fastcls.datasets._tables import joined, labels_of_test, load_tables

_PART = re.compile(r"(?:.*[-_. ])?(train|test)(?:ing)?(?:[-_. ].*)?", re.IGNORECASE)


def is_table_folder(path: Path) -> bool:
    """Tell whether `path` is a folder with a table of training rows."""
    return path.is_dir() and bool(_files_in(path)["train"])


def _files_in(folder: Path) -> dict[str, list[Path]]:
    """The tables of a folder by part; '' for those of no part."""
    found: dict[str, list[Path]] = {"train": [], "test": [], "": []}
    for entry in entries(folder):
        stem, ending = os.path.splitext(entry.name)
        if ending.lower() in (*CSV_SUFFIXES, *ARROW_SUFFIXES) and is_plain_file(entry) and not is_system(entry.name):
            match = _PART.fullmatch(stem)
            found["" if match is None else match[1].lower()].append(Path(entry.path))
    return {part: sorted(files, key=lambda file: natural_key(file.name)) for part, files in found.items()}


@noting
def load_table_folder(
    path: str | os.PathLike[str],
    *,
    labels: Any = None,
    features: str | None = None,
    drop: Any = None,
    image_size: int | None = None,
    on_error: OnError = "raise",
    progress: Progress | None = None,
) -> Dataset:
    """Load a folder of tables: files with ``train`` in their name are the training rows, those with ``test`` the test rows.

    Labels are a column of these files, or of ``y_train.csv`` next to ``X_train.csv`` (``y_test.csv``; the words are those of
    ``load_npz``).

    Parameters
    ----------
    path : path
        CSV, Parquet or Arrow files, as ``load_csv`` and ``load_arrow`` read them. Several files of one part are read in
        natural order. Test files without labels are left out.
    labels : name, optional
        The name of the column with the labels.
    features : str, optional
        The name of the column with the features, of several of lists; no other column is one then.
    drop : str or sequence of str, optional
        Names of columns to leave out; test files need not have them.
    image_size, on_error, progress
        As for ``load_image_folder``, for columns of images.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If files of one part have different columns or endings, or for the reasons given at ``load_csv`` and ``load_arrow``.
    """
    folder = existing_path(path, wanted="a folder of tables")
    files = _files_in(folder)
    (train_files, own), (test_files, test_labels) = (_with_labels(files[part]) for part in ("train", "test"))
    used = [*train_files, *test_files]
    if len({file.suffix.lower() for file in used}) > 1:
        raise InputError(f"{quoted(folder)} has tables with different endings: keep one kind, or give one file")
    if labels is not None and own is not None:
        files[""].append(own)
    elif own is not None:
        labels = own
        note(f"labels of {quoted(train_files[0].name)} are read from {quoted(own.name)}", level=logging.INFO)
    if test_labels is not None and labels is not UNLABELLED:
        note(f"labels of {quoted(test_files[0].name)} are read from {quoted(test_labels.name)}", level=logging.INFO)
    note_left_out(name_of(folder), [file.name for file in files[""]], " and ".join(file.name for file in used))
    are_two = bool(test_files)
    train = joined([_read(file, labels, "train", features, drop, are_two) for file in train_files])
    test_labels = labels_of_test(labels, train) or test_labels
    with features_wanted([name for column in train.columns for name in column.parts]):
        test = (
            joined([_read(file, test_labels, "test", features, drop, are_two) for file in test_files]) if are_two else None
        )
    return load_tables(
        train,
        test,
        labels=labels,
        test_labels=test_labels,
        name=name_of(folder),
        image_size=image_size,
        on_error=on_error,
        progress=progress,
    )


def _with_labels(files: list[Path]) -> tuple[list[Path], Path | None]:
    """The tables of rows, and the file of their labels (X_train.csv, y_train.csv), if there are one of each."""
    named = [file for file in files if (match := NAME.fullmatch(file.stem.lower())) and match[3]]
    return (
        ([file for file in files if file not in named], named[0]) if len(files) == 2 and len(named) == 1 else (files, None)
    )


def _read(file: Path, labels: Any, part: str, features: str | None, drop: Any, are_compared: bool) -> Table:
    if file.suffix.lower() in CSV_SUFFIXES:
        return read_csv(file, labels, labelled=part == "train", features=features, drop=drop, are_compared=are_compared)
    return of_features(without(read_arrow(file), drop, must_exist=part == "train"), features, labels)
