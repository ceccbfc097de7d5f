"""Load arrays: from memory, an .npz file, an .npy file with its labels next to it, a folder of .npy files, or zarr."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.containers import read_array
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls._validation.rows import names_of_features
from fastcls.datasets._assemble import (
    UNLABELLED,
    NoLabelsError,
    array_names,
    assemble,
    assemble_named,
    called_in,
    called_labels,
    given_labels,
    has_own_labels,
    has_own_shape,
    named_by_arrays,
    names_among,
    refuse_flat,
)
from fastcls.datasets._common import (
    entries,
    existing_path,
    name_of,
    note,
    note_left_out,
    note_other_index,
    noting,
    text_lines,
)
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._next_to import find_classes, find_labels, find_test_rows, label_names
from fastcls.datasets._npy import npz_dimensions, npz_keys, read_npy, read_npz
from fastcls.datasets._row_ids import keep
from fastcls.datasets._stored import is_stored, read_whole
from fastcls.datasets._tables import in_order
from fastcls.datasets._zarr import is_zarr, open_zarr, read_head


@noting
def load_arrays(arrays: Any, *, labels: Any = None, name: str = "arrays") -> Dataset:
    """Make a data set from arrays in memory. They are referenced, not copied, if their type and order allow.

    Parameters
    ----------
    arrays : ndarray or tuple of arrays
        ``(X, y)``, ``(X, y, X_test, y_test)``, or X alone with `labels`. X has one of the shapes listed at ``load_npy``.
        Arrays of zarr, h5py and the like are read into memory.
    labels : path or array-like, optional
        Training labels, if X is given alone.
    name : str
        Name of the data set.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If there are neither two nor four arrays, one is None, they do not fit each other or into memory, or rows are not
        finite.
    """
    y_called = "y"
    if not isinstance(arrays, (tuple, list)):
        if getattr(getattr(arrays, "dtype", None), "names", None):
            read_array(arrays, "X")  # refuses a structured array
        if labels is None:
            raise NoLabelsError(f"an array of shape {np.shape(arrays)} is given without labels: give (X, y), or labels=")
        given = (arrays, labels)
        arrays, y_called = (arrays, labels if is_stored(labels) else given_labels(labels)), called_labels(labels)
    elif labels is not None:
        raise InputError(f"labels= is given for {counted(len(arrays), 'array')}: give (X, y), or X and labels=")
    else:
        given = tuple(arrays)
    if len(arrays) not in (2, 4):
        raise InputError(f"{counted(len(arrays), 'array')} given: give (X, y) or (X, y, X_test, y_test)")
    if labels is not UNLABELLED and (missing := [place for place, array in enumerate(arrays) if array is None]):
        what, wanted = ("X", "y", "X_test", "y_test")[missing[0]], "labels" if missing[0] % 2 else "rows"
        raise InputError(f"{what} is None: give {wanted}{', or (X, y) alone' if missing[0] > 1 else ''}")
    note_other_index(given[0], given[1], "X", "y")
    if len(given) == 4:
        note_other_index(given[2], given[3], "X_test", "y_test")
    X, y, *test = (read_whole(array, "the array") if is_stored(array) else array for array in arrays)
    names = names_of_features(X)
    if test:
        own = names_of_features(test[0])
        test = [in_order(read_array(test[0], "X_test"), own or (), names or (), "X_test", "X"), test[1]]
    called = ("X", y_called, "X_test", "y_test")
    return assemble(read_array(X, "X"), y, *test, feature_names=names, name=name, called=called)


@noting
def load_npz(path: str | os.PathLike[str], *, labels: Any = None, features: str | None = None) -> Dataset:
    """Load an .npz file.

    Parameters
    ----------
    path : path
        Keys ``X, y[, X_test, y_test, class_names, image_shape]``. Rows may also be called ``features``, ``embeddings``,
        ``images`` or ``data``, labels ``labels`` or ``targets``, with ``train`` or ``test`` before or after
        (``x_train``, ``test_labels``). Arrays of (n, h, w), (n, h, w, c) and (n, c, h, w) are images.
    labels : path, name or array-like, optional
        Training labels to use instead of those in the file, or the name of the array with the labels.
    features : str, optional
        The name of the array that is X, of several. Its test rows are the array of the same name with ``test`` in place of
        ``train``, or before or after it (``clip_test``); without one there are none.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If keys are missing, a header disagrees with the file, arrays hold Python objects or numbers that are not finite, or
        they do not fit each other.
    """
    file = existing_path(path, wanted="an .npz file")
    there = npz_keys(file)
    names = names_among(there, file, labels, features=features)
    own_labels = has_own_labels(labels, there)
    known = ("class_names", "image_shape") if has_own_shape(features, there) else ("class_names",)
    extra = [key for key in known if key in there]
    used = [key for key in (*names, *extra) if key is not None]
    if features is None:  # else the others are left out on purpose
        note_left_out(name_of(file), [key for key in there if key not in used], ", ".join(used))
    named = named_by_arrays(file, npz_dimensions(file, there), used, lambda key: read_npz(file, [key])[key], labels)
    keep(named)
    wanted = [key for key in used if key != names.y or own_labels]
    arrays = read_npz(file, wanted, [(str(names.X), str(names.y)), (str(names.X_test), str(names.y_test))])
    assert names.X is not None
    return assemble(
        arrays[names.X],
        arrays[str(names.y)] if own_labels else given_labels(labels, there, rows=named),
        arrays.get(str(names.X_test)),
        arrays.get(str(names.y_test)),
        class_names=arrays.get("class_names"),
        image_shape=arrays.get("image_shape"),
        name=name_of(file),
        called=called_in(names, labels, there, lambda key: f"{quoted(file)}: {key}"),
    )


@noting
def load_npy(path: str | os.PathLike[str], *, labels: Any = None, test_rows: bool = True) -> Dataset:
    """Load rows from an .npy file as a memory map, with labels and test rows from files next to it.

    Parameters
    ----------
    path : path
        Rows (n, d), or images (n, h, w), (n, h, w, c), (n, c, h, w).
    labels : path or array-like, optional
        None: the first of these files in the same folder: ``<stem>_labels.npy``, ``<stem>.labels.npy``, the stem with
        its ending ``_f16``, ``_f32`` or ``_X`` replaced by ``_labels``; the stem with a word for labels in place of one for
        rows (``y_train.npy`` for ``X_train.npy``, ``clip_labels.npy`` for ``clip_features.npy``; the words are those of
        ``load_npz``); labels of the part that the stem names (``y_train.npy`` for ``clip_train.npy``); ``labels.npy``,
        ``y.npy``, ``label.npy``, ``targets.npy``, ``target.npy``. Class names come from ``<stem>_classes.txt``, ...,
        ``classes.txt`` in the same way.
    test_rows : bool
        Whether the file of the same name with ``test`` for ``train`` (``X_test.npy`` for ``X_train.npy``), or with an added
        ``_test``, has the test set, if its labels are found in the same way. Files next to the rows are not looked for if
        `labels` are given.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If there are no labels, a header disagrees with the file, rows are not finite, or rows and labels do not fit each
        other.
    """
    file = existing_path(path, wanted="an .npy file")
    rows = _rows_of_npy(file)
    test, y_test = find_test_rows(file) if test_rows and labels is not UNLABELLED else None, None
    if labels is None:
        labels = find_labels(file)
        if labels is None:
            looked_for = quoted_list([f"{name}.npy" for name in label_names(file.stem)])
            raise NoLabelsError(
                f"{quoted(file)} has no labels next to it (looked for {looked_for}): give labels=, such as the path of an "
                ".npy file"
            )
        note(f"labels of {quoted(file.name)} are read from {quoted(labels.name)}", level=logging.INFO)
        y_test = None if test is None else find_labels(test)
        if test is not None and y_test is None:
            note(f"{quoted(test.name)} next to {quoted(file.name)} has no labels, so these test rows are not used")
    elif test is not None and find_labels(test) is not None:
        ways = ["leave them out"] if find_labels(file) is not None else []
        ways += ["give the folder"] if is_npy_folder(file.parent) else []
        how = f": to test on it, {', or '.join(ways)}" if ways else ""
        note(
            f"{quoted(test.name)} next to {quoted(file.name)} is not used, because labels are given{how}", level=logging.INFO
        )
    if test is not None and y_test is not None:
        note(f"test rows are read from {quoted(test.name)}, and their labels from {quoted(y_test.name)}", level=logging.INFO)
    else:
        test = None
    class_file = find_classes(file)
    return assemble(
        rows,
        given_labels(labels),
        None if test is None else _rows_of_npy(test),
        None if y_test is None else given_labels(y_test),
        class_names=None if class_file is None else text_lines(class_file),
        name=name_of(file),
        called=(quoted(file), called_labels(labels), quoted(test), called_labels(y_test)),
    )


def _rows_of_npy(file: Path) -> np.ndarray:
    rows = read_npy(file)
    refuse_flat(rows, quoted(file))
    return rows


def is_npy_folder(path: Path) -> bool:
    """Tell whether `path` is a folder that holds the rows of a data set as .npy: X.npy, x_train.npy, features.npy."""
    return path.is_dir() and array_names(_npy_files(path)).X is not None


def _npy_files(folder: Path) -> dict[str, Path]:
    return {entry.name.removesuffix(".npy"): Path(entry.path) for entry in entries(folder) if entry.name.endswith(".npy")}


@noting
def load_npy_folder(path: str | os.PathLike[str], *, labels: Any = None, features: str | None = None) -> Dataset:
    """Load a folder of ``X.npy`` and ``y.npy`` [and ``X_test.npy``, ``y_test.npy``, ``classes.txt``], memory-mapped.

    The arrays may have the other names that ``load_npz`` knows, such as ``X_train.npy``, or ``features.npy`` and
    ``labels.npy``.

    Parameters
    ----------
    path : str or path
    labels : path or array-like, optional
        Labels to use instead of y.npy.
    features : str, optional
        The name of the file with the rows, without its ending, see ``load_npz``.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If an array is missing or damaged, or the arrays do not match.
    """
    folder = existing_path(path, wanted="a folder with X.npy and y.npy")
    files = _npy_files(folder)
    names = names_among(files, folder, labels, "files", features)
    used = [key for key in names if key is not None]
    others = [entry.name for entry in entries(folder) if entry.name.endswith(".npz")]
    others += [file.name for key, file in files.items() if key not in used]
    if features is None:
        note_left_out(name_of(folder), sorted(others), ", ".join(files[key].name for key in used if key in files))
    own_labels = has_own_labels(labels, files)
    return assemble(
        read_npy(files[str(names.X)]),
        read_npy(files[str(names.y)]) if own_labels else given_labels(labels, files),
        None if names.X_test is None else read_npy(files[names.X_test]),
        None if names.y_test is None else read_npy(files[names.y_test]),
        class_names=text_lines(folder / "classes.txt") if (folder / "classes.txt").is_file() else None,
        name=name_of(folder),
        called=called_in(names, labels, files, lambda key: quoted(files[key])),
    )


@noting
def load_zarr(path: str | os.PathLike[str], *, labels: Any = None, features: str | None = None) -> Dataset:
    """Load a zarr group, or a zarr array with labels, into memory; ``array_parts`` reads larger arrays.

    Parameters
    ----------
    path : path
        The folder of a group with the arrays ``X, y[, X_test, y_test]`` (or the other names that ``load_npz`` knows), and
        ``class_names`` and ``image_shape`` among its attributes, if it has them; or of one array, with `labels`.
    labels : path or array-like, optional
        Training labels to use instead of those in the group.
    features : str, optional
        The name of the array of the group that is X, see ``load_npz``.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If arrays are missing, hold objects, lack chunks, do not fit into memory or each other, or zarr is not installed.
    """
    folder = existing_path(path, wanted="the folder of a zarr group or array")
    name, head = name_of(folder).removesuffix(".zarr"), read_head(folder)
    if head.node == "array":
        if features is not None:
            raise InputError(f"{quoted(folder)} is one zarr array, so {quoted(features)} cannot be chosen: give no name")
        if labels is None:
            raise NoLabelsError(f"{quoted(folder)} is one zarr array without labels: give labels=, or a group of X and y")
        called = (quoted(folder), called_labels(labels), None, None)
        return assemble(_zarr_values(folder), given_labels(labels), name=name, called=called)
    there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and is_zarr(entry))
    return assemble_named(
        there,
        folder,
        lambda key: _zarr_values(folder / key),
        labels=labels,
        features=features,
        class_names=head.attributes.get("class_names"),
        image_shape=head.attributes.get("image_shape"),
        kind="zarr arrays",
        name=name,
    )


def _zarr_values(folder: Path) -> np.ndarray:
    return read_whole(open_zarr(folder), quoted(folder))
