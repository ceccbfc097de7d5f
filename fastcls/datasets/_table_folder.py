"""Load a folder of tables that are parts of one data set: train.csv and test.csv, train-00000-of-00002.parquet and so on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from fastcls._runtime.pacing import Progress
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls.datasets._arrow import SUFFIXES as ARROW_SUFFIXES
from fastcls.datasets._arrow import read_arrow
from fastcls.datasets._common import entries, existing_path, is_plain_file, name_of, note_left_out, noting
from fastcls.datasets._csv import SUFFIXES as CSV_SUFFIXES
from fastcls.datasets._csv import read_csv
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._folder import OnError
from fastcls.datasets._listing import is_system, natural_key
from fastcls.datasets._tables import Table, joined, labels_of_test, load_tables

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
    image_size: int | None = None,
    on_error: OnError = "raise",
    progress: Progress | None = None,
) -> Dataset:
    """Load a folder of tables: files with ``train`` in their name are the training rows, those with ``test`` the test rows.

    Parameters
    ----------
    path : path
        CSV, Parquet or Arrow files, as ``load_csv`` and ``load_arrow`` read them. Several files of one part are read in
        natural order. Test files without labels are left out.
    labels : name, optional
        The name of the column with the labels.
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
    used = [*files["train"], *files["test"]]
    if len({file.suffix.lower() for file in used}) > 1:
        raise InputError(f"{quoted(folder)} has tables with different endings: keep one kind, or give one file")
    note_left_out(name_of(folder), [file.name for file in files[""]], " and ".join(file.name for file in used))
    train = joined([_read(file, labels, "train") for file in files["train"]])
    own = labels_of_test(labels, train)
    test = joined([_read(file, own, "test") for file in files["test"]]) if files["test"] else None
    return load_tables(
        train, test, labels=labels, name=name_of(folder), image_size=image_size, on_error=on_error, progress=progress
    )


def _read(file: Path, labels: Any, part: str) -> Table:
    if file.suffix.lower() in CSV_SUFFIXES:
        return read_csv(file, labels, labelled=part == "train")
    return read_arrow(file)
