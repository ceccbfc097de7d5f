"""`load`: find the layout of what is given, and call its loader."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from fastcls._runtime.pacing import Progress
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind, meant, quoted, quoted_list
from fastcls.datasets._arrays import is_npy_folder, load_arrays, load_npy, load_npy_folder, load_npz, load_zarr
from fastcls.datasets._arrow import is_arrow, is_saved_dataset, load_arrow
from fastcls.datasets._assemble import NoLabelsError
from fastcls.datasets._cifar import is_cifar10, is_cifar100, load_cifar10, load_cifar100
from fastcls.datasets._columns import names_to_drop
from fastcls.datasets._common import (
    entries,
    existing_path,
    is_folder,
    is_plain_file,
    name_of,
    note,
    noting,
    path_and_name,
    text_lines,
)
from fastcls.datasets._csv import is_csv, load_csv
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._digits import load_digits
from fastcls.datasets._fetch import ORIGINS
from fastcls.datasets._folder import OnError, load_image_folder
from fastcls.datasets._frames import is_frame, load_frame
from fastcls.datasets._hdf5 import is_hdf5, load_hdf5
from fastcls.datasets._idx import is_mnist, load_mnist
from fastcls.datasets._image import SUFFIXES as IMAGE_SUFFIXES
from fastcls.datasets._labels import names_come_later
from fastcls.datasets._listing import is_image_folder, is_system
from fastcls.datasets._next_to import find_labels, find_test_rows
from fastcls.datasets._safetensors import is_safetensors, load_safetensors
from fastcls.datasets._stored import is_stored
from fastcls.datasets._table_folder import is_table_folder, load_table_folder
from fastcls.datasets._unknown import LISTED, why_unknown
from fastcls.datasets._zarr import is_zarr


class Layout(NamedTuple):
    """One layout: its description for users, its recogniser, its loader, and the options that the loader takes."""

    description: str
    recognise: Callable[[Path], bool]
    loader: Callable[..., Dataset]
    options: tuple[str, ...] = ()


def _ends_in(ending: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() == ending


# The first layout that recognises a path loads it, so specific ones come before general ones.
LAYOUTS = {
    "mnist": Layout("a folder of MNIST's IDX files (train-images-idx3-ubyte[.gz], ...)", is_mnist, load_mnist),
    "cifar10": Layout(
        "CIFAR-10's binary or python batches (data_batch_1[.bin], ...) or its official .tar.gz", is_cifar10, load_cifar10
    ),
    "cifar100": Layout(
        "CIFAR-100's train and test files, binary or python, or its official .tar.gz",
        is_cifar100,
        load_cifar100,
        ("labels",),
    ),
    "npy-folder": Layout(
        "a folder of X.npy and y.npy",
        is_npy_folder,
        load_npy_folder,
        (
            "labels",
            "features",
        ),
    ),
    "npz": Layout(
        "an .npz file with X and y",
        _ends_in(".npz"),
        load_npz,
        (
            "labels",
            "features",
        ),
    ),
    "safetensors": Layout(
        "a .safetensors file with X and y, or features and labels",
        is_safetensors,
        load_safetensors,
        (
            "labels",
            "features",
        ),
    ),
    "hdf5": Layout(
        "an .h5 or .hdf5 file with X and y, or features and labels",
        is_hdf5,
        load_hdf5,
        (
            "labels",
            "features",
        ),
    ),
    "csv": Layout(
        "a .csv or .tsv file of numbers with a column of labels", is_csv, load_csv, ("labels", "features", "drop")
    ),
    "arrow": Layout(
        "a .parquet, .arrow or .feather file: a column of lists or of images, or one column per feature, and labels",
        is_arrow,
        load_arrow,
        ("labels", "features", "drop", "image_size", "on_error", "progress"),
    ),
    "saved-dataset": Layout(
        "a folder that Hugging Face's datasets saved (save_to_disk)",
        is_saved_dataset,
        load_arrow,
        ("labels", "features", "drop", "image_size", "on_error", "progress"),
    ),
    "table-folder": Layout(
        "a folder of train.csv and test.csv, or of Parquet or Arrow files named so",
        is_table_folder,
        load_table_folder,
        ("labels", "features", "drop", "image_size", "on_error", "progress"),
    ),
    "npy": Layout("an .npy file with its labels next to it", _ends_in(".npy"), load_npy, ("labels",)),
    "zarr": Layout(
        "a zarr group of X and y, or a zarr array",
        is_zarr,
        load_zarr,
        (
            "labels",
            "features",
        ),
    ),
    "images": Layout(
        "a folder of images by class (<class>/<file>, or train/<class>/<file> and test/<class>/<file>)",
        is_image_folder,
        load_image_folder,
        ("image_size", "cache", "on_error", "progress", "follow_links"),
    ),
}
NAMES = {"digits": load_digits}

#: option -> what takes it, for messages
_TAKERS = {
    "labels": "arrays, tables and CIFAR-100",
    "features": "tables and files or folders of several arrays",
    "drop": "tables",
    "image_size": "folders of images and tables with a column of images",
    "cache": "folders of images",
    "follow_links": "folders of images",
}
_FIRST_WORDS = re.compile(r" \(|: ")
_MOST_FOLDERS = _MOST_ENTRIES = 100  # looked into for data


@noting
def load(
    path_or_name: Any,
    *,
    labels: Any = None,
    features: str | None = None,
    drop: Any = None,
    image_size: int | None = None,
    cache: bool | str | os.PathLike[str] | None = None,
    on_error: OnError | None = None,
    progress: Progress | None = None,
    class_names: Any = None,
    follow_links: bool | None = None,
) -> Dataset:
    """Load a data set by name, from a path whose layout is recognised, or from arrays.

    Parameters
    ----------
    path_or_name : str, path, array or tuple of arrays
        ``'digits'`` (write ``./digits`` for a folder of that name), a path to one of the layouts listed below, or arrays:
        ``(X, y)``, ``(X, y, X_test, y_test)``, or X with `labels`. Arrays may be those of zarr, h5py and the like. Also a
        data frame of pandas, polars or pyarrow. A `Dataset` is returned as it is.
    labels : path, name or array-like, optional
        Training labels for arrays and tables, or the name of the array or column of a file that has them; a path may end
        in the name of a column or array of that file (``labels.csv:species``). 'fine' or 'coarse' for CIFAR-100. Other
        layouts have their own labels and refuse this.
    features : str, optional
        The name of the column or array that has the features, of a table or a file of several: ``clip`` of a Parquet file
        with the columns clip, dino and label. Other layouts refuse it.
    drop : str or sequence of str, optional
        Names of columns of a table to leave out: text that is no label, or all but one of several columns of lists. Other
        layouts refuse it.
    image_size : int, optional
        Height and width of the images of a folder; other layouts refuse it.
    cache : bool or path, optional
        Where the decoded images of a folder are kept, see ``load_image_folder``; other layouts refuse it.
    on_error : {"raise", "skip"}, optional
        What to do with an image that cannot be read, see ``load_image_folder``; ignored for other layouts.
    progress : callable, optional
        Called as ``progress(done, total)`` while a folder of images is read.
    class_names : path or sequence of str, optional
        Names for the labels 0, 1, 2, ..., or a text file with one per line. They replace names that the data has for them.
    follow_links : bool, optional
        Whether to read links to files outside a folder of images, see ``load_image_folder``; other layouts refuse it.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If the path does not exist, its layout is unknown, or its data is damaged.

    Notes
    -----
    The layouts:

    - a folder of MNIST's IDX files (train-images-idx3-ubyte[.gz], ...)
    - CIFAR-10's binary or python batches (data_batch_1[.bin], ...) or its official .tar.gz
    - CIFAR-100's train and test files, binary or python, or its official .tar.gz
    - a folder of X.npy and y.npy
    - an .npz file with X and y
    - a .safetensors file with X and y, or features and labels
    - an .h5 or .hdf5 file with X and y, or features and labels
    - a .csv or .tsv file of numbers with a column of labels
    - a .parquet, .arrow or .feather file: a column of lists or of images, or one column per feature, and labels
    - a folder that Hugging Face's datasets saved (save_to_disk)
    - a folder of train.csv and test.csv, or of Parquet or Arrow files named so
    - an .npy file with its labels next to it
    - a zarr group of X and y, or a zarr array
    - a folder of images by class (<class>/<file>, or train/<class>/<file> and test/<class>/<file>)
    """
    if class_names is not None:
        every: dict[str, Any] = {
            "labels": labels,
            "features": features,
            "drop": drop,
            "image_size": image_size,
            "cache": cache,
            "on_error": on_error,
            "progress": progress,
        }
        every["follow_links"] = follow_links
        with names_come_later():
            dataset = load(path_or_name, **every)
        return _renamed(dataset, class_names)
    if features is not None and not isinstance(features, str):
        raise InputError(f"features is {kind(features)}; wanted the name of a column or an array")
    options = {"labels": labels, "features": features, "drop": names_to_drop(drop) or None, "image_size": image_size}
    options |= {"cache": cache, "follow_links": follow_links or None}
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(path_or_name, Dataset):
        _refuse_options("a Dataset", given, ())
        return path_or_name
    if is_frame(path_or_name):
        _refuse_options("a data frame", given, ("labels", "features", "drop"))
        return load_frame(path_or_name, labels=labels, features=features, drop=drop)
    if isinstance(path_or_name, tuple | list) or hasattr(path_or_name, "__array__") or is_stored(path_or_name):
        _refuse_options("arrays", given, ("labels",))
        return load_arrays(path_or_name, labels=labels)
    if isinstance(path_or_name, str) and path_or_name in NAMES:
        _refuse_options(f"the data {quoted(path_or_name)}", given, ())
        return NAMES[path_or_name]()
    refuse_unfetched(path_or_name)
    is_empty = isinstance(path_or_name, str) and not path_or_name
    if not isinstance(path_or_name, (str, os.PathLike)) or is_empty:
        keys = f" with the keys {quoted_list(path_or_name)}" if isinstance(path_or_name, Mapping) else ""
        came = "an empty string" if is_empty else f"{kind(path_or_name)}{keys}"
        lazy = "the result of its collect(), " if hasattr(type(path_or_name), "collect") else ""
        raise InputError(f"the data is {came}: give {lazy}a path, the name 'digits' or arrays (X, y)")
    path = existing_path(path_or_name, wanted=f"the name 'digits' or a path; {LISTED}")
    given_name, path = name_of(path), folder_of_data(path)
    name = layout_of(path)
    if name is None:
        raise InputError(why_unknown(path))
    layout = LAYOUTS[name]
    _refuse_options(f"{quoted(path)}, {_FIRST_WORDS.split(layout.description)[0]}", given, layout.options)
    always = {"progress": progress, "on_error": on_error}
    given |= {key: value for key, value in always.items() if value is not None and key in layout.options}
    try:
        dataset = _with_labels(layout, path, given)
    except InputError as error:
        files: list[str | os.PathLike[str]] = [path]
        files += [labels] if isinstance(labels, (str, os.PathLike)) else []
        files += [path_and_name(labels)[0]] if isinstance(labels, str) else []
        if isinstance(error, NoLabelsError) or any(quoted(file)[:-1] in str(error) for file in files):
            raise
        raise InputError(f"{quoted(path)}: {error}") from None  # such as image_shape, or class_names
    return replace(dataset, name=given_name) if dataset.name == name_of(path) != given_name else dataset


def _with_labels(layout: Layout, path: Path, given: dict[str, Any]) -> Dataset:
    """Call a loader; if the data has no labels, once more with those of a file next to it, if there is one."""
    try:
        return layout.loader(path, **given)
    except NoLabelsError:
        labels = None if path.is_dir() else find_labels(path)
        if labels is None:
            raise
    note(f"labels of {quoted(path.name)} are read from {quoted(labels.name)}", level=logging.INFO)
    test = find_test_rows(path)
    if test is not None:
        how = "give the folder" if layout_of(path.parent) else "put both into one file, as X, y, X_test and y_test"
        note(f"{quoted(test.name)} next to {quoted(path.name)} is not read: to test on it, {how}", level=logging.INFO)
    return layout.loader(path, **given, labels=labels)


def layout_of(path: Path) -> str | None:
    """The name in `LAYOUTS` of the layout at `path`, or None."""
    return next((name for name, layout in LAYOUTS.items() if layout.recognise(path)), None)


def folder_of_data(path: Path) -> Path:
    """The path itself, or what is inside and has a known layout: the one folder, at most two levels deeper (``MNIST/raw``),
    or the only file of data of a folder without folders.

    Raises
    ------
    InputError
        If several folders have one.
    """
    if not path.is_dir() or layout_of(path) is not None:
        return path
    if (file := _only_file(path)) is not None:
        note(f"the data is the file {quoted(file)}", level=logging.INFO)
        return file
    level = [path]
    for _ in range(2):
        level = [
            Path(entry.path)
            for folder in level
            for entry in entries(folder)
            if is_folder(entry) and not is_system(entry.name) and not entry.is_symlink()
        ]
        if len(level) > _MOST_FOLDERS:
            break
        found = [folder for folder in level if layout_of(folder) is not None]
        if len(found) > 1:
            raise InputError(f"{quoted(path)} has several data sets, {quoted_list(found)}: give the path of one")
        if found:
            note(f"the data is in the folder {quoted(found[0])}", level=logging.INFO)
            return found[0]
    return path


def _only_file(folder: Path) -> Path | None:
    """The only file of data in a folder without folders and images."""
    there = [entry for entry in entries(folder) if not is_system(entry.name)]
    others = any(is_folder(entry) or os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES for entry in there)
    if others or len(there) > _MOST_ENTRIES:
        return None
    found = [Path(entry.path) for entry in there if is_plain_file(entry) and layout_of(Path(entry.path)) is not None]
    return found[0] if len(found) == 1 else None


def _renamed(dataset: Dataset, class_names: Any) -> Dataset:
    """The data set with these names for the labels 0, 1, 2, ..."""
    if isinstance(class_names, (str, os.PathLike)):
        class_names = text_lines(existing_path(class_names, wanted="a text file with one class name per line"))
    if not isinstance(class_names, Iterable):
        raise InputError(f"class_names is {kind(class_names)}; wanted a list of names, or the path of a text file of names")
    names, old = [str(name) for name in class_names], dataset.class_names
    if not all(name.isdecimal() for name in old):
        raise InputError(
            f"class_names= is given, but the data has its own class names ({quoted_list(old, 3)}), not numbers: leave it out"
        )
    if (highest := max(map(int, old))) >= len(names):
        raise InputError(
            f"class_names= has {counted(len(names), 'name')}, but the data has the label {highest}: give one name per "
            "label, the first for label 0"
        )
    return replace(dataset, class_names=tuple(names[int(name)] for name in old))


def refuse_unfetched(name: Any) -> None:
    """Refuse the name of a published data set, or a misspelt name, if there is no such path; say what to do."""
    if not isinstance(name, str) or name in NAMES or os.path.lexists(name):
        return
    close = name if name in ORIGINS else meant(name, [*NAMES, *ORIGINS])
    if close is None:
        return
    there = f"there is no file or folder {quoted(name)}"
    if close in NAMES:
        raise InputError(f"{there}: did you mean {close!r}?")
    way = f"fastcls.datasets.fetch({close!r}) downloads its official files and loads them"
    raise InputError(f"{there}: in Python, {way}" if close == name else f"{there}: did you mean {close!r}? In Python, {way}")


def _refuse_options(what: str, given: dict[str, Any], taken: tuple[str, ...]) -> None:
    for option, value in given.items():
        if option not in taken:
            is_text = isinstance(value, (str, os.PathLike))
            shown = quoted(value, 40) if is_text else value if isinstance(value, (bool, int, float)) else ""
            raise InputError(f"{option}={shown} is given for {what}; only {_TAKERS[option]} take it: leave it out")
