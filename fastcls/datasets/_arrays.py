"""Load arrays: from memory, an .npz file, an .npy file with its labels next to it, a folder of .npy files, or zarr."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.containers import read_array
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls.datasets._common import entries, existing_path, name_of, note, note_left_out, noting, text_lines
from fastcls.datasets._dataset import Dataset, checked_image_shape
from fastcls.datasets._image import recipe_for
from fastcls.datasets._labels import encode_labels, to_common_dtype
from fastcls.datasets._npy import npz_keys, read_npy, read_npz
from fastcls.datasets._stored import is_stored, read_whole
from fastcls.datasets._zarr import is_zarr, open_zarr, read_head

# Names of (X, y, X_test, y_test) in common .npz files. The first row whose X is in the file is used.
NPZ_KEYS = (
    ("X", "y", "X_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("data", "labels", "test_data", "test_labels"),
)
_ENDINGS_OF_X = ("_f16", "_f32", "_X")


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
        If there are neither two nor four arrays, they do not fit each other, or they do not fit into memory.
    """
    if not isinstance(arrays, (tuple, list)):
        if labels is None:
            raise InputError(
                f"an array of shape {np.shape(arrays)} is given without labels: give (X, y), or labels=", argument="labels"
            )
        arrays = (arrays, labels if is_stored(labels) else _given_labels(labels))
    elif labels is not None:
        raise InputError(
            f"labels= is given for {counted(len(arrays), 'array')}: give (X, y), or X and labels=", argument="labels"
        )
    if len(arrays) not in (2, 4):
        raise InputError(f"{counted(len(arrays), 'array')} given: give (X, y) or (X, y, X_test, y_test)")
    X, y, *test = (
        read_whole(array, "the array") if hasattr(array, "chunks") and is_stored(array) else array for array in arrays
    )
    if test:
        test = [read_array(test[0], "X_test"), test[1]]
    return _assemble(read_array(X, "X"), y, *test, name=name)


def _names_among(there: Collection[str], file: Path, labels: Any, kind: str = "arrays") -> tuple[str, str, str, str]:
    """The names of X, y, X_test and y_test among the arrays of a file. Both test arrays may be missing, but not one."""
    names = next((row for row in NPZ_KEYS if row[0] in there and (row[1] in there or labels is not None)), None)
    if names is None:
        wanted = " or ".join(f"{X}, {y}" for X, y, *_ in NPZ_KEYS)
        raise InputError(f"{quoted(file)} has the {kind} {quoted_list(there) or 'none'}: name them {wanted}")
    _, _, X_test, y_test = names
    if (X_test in there) != (y_test in there):
        raise InputError(f"{quoted(file)} has only one of {X_test} and {y_test}: add the other, or remove it")
    return names


@noting
def load_npz(path: str | os.PathLike[str], *, labels: Any = None) -> Dataset:
    """Load an .npz file.

    Parameters
    ----------
    path : path
        Keys ``X, y[, X_test, y_test, class_names, image_shape]``, or ``x_train, y_train, x_test, y_test`` (Keras), or
        ``data, labels``. Arrays of (n, h, w), (n, h, w, c) and (n, c, h, w) are images.
    labels : path or array-like, optional
        Training labels to use instead of those in the file.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If keys are missing, a header disagrees with the file, arrays hold Python objects, or they do not fit each other.
    """
    file = existing_path(path, wanted="an .npz file")
    there = npz_keys(file)
    names = _X, _y, _X_test, _y_test = _names_among(there, file, labels)
    extra = [key for key in ("class_names", "image_shape") if key in there]
    note_left_out(
        name_of(file),
        [key for key in there if key not in {*names, *extra}],
        ", ".join(key for key in (*names, *extra) if key in there),
    )
    arrays = read_npz(file, [*_needed(names, there, labels), *extra], [(_X, _y), (_X_test, _y_test)])
    return _assemble_named(names, arrays, labels, arrays, name_of(file))


@noting
def load_npy(path: str | os.PathLike[str], *, labels: Any = None) -> Dataset:
    """Load rows from an .npy file as a memory map, with labels from `labels` or from a file next to it.

    Parameters
    ----------
    path : path
        Rows (n, d), or images (n, h, w), (n, h, w, c), (n, c, h, w).
    labels : path or array-like, optional
        None: the first of these files in the same folder: ``<stem>_labels.npy``, ``<stem>.labels.npy``, the stem with
        its ending ``_f16``, ``_f32`` or ``_X`` replaced by ``_labels``, ``labels.npy``, ``y.npy``. Class names come
        from ``<stem>_classes.txt``, ..., ``classes.txt`` in the same way.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If there are no labels, a header disagrees with the file, or rows and labels do not fit each other.
    """
    file = existing_path(path, wanted="an .npy file")
    rows = read_npy(file)
    if labels is None:
        candidates = _next_to(file, "labels", ".npy") + [file.parent / "y.npy"]
        found = next((c for c in candidates if c.is_file() and c != file), None)
        if found is None:
            raise InputError(
                f"{quoted(file)} has no labels next to it (looked for {quoted_list([c.name for c in candidates])}): "
                "give labels= as a path or an array",
                argument="labels",
            )
        note(f"labels of {quoted(file.name)} are read from {quoted(found.name)}", level=logging.INFO)
        labels = found
    class_file = next((c for c in _next_to(file, "classes", ".txt") if c.is_file()), None)
    return _assemble(
        rows,
        _given_labels(labels),
        class_names=None if class_file is None else text_lines(class_file),
        name=name_of(file),
    )


def is_npy_folder(path: Path) -> bool:
    """Tell whether `path` is a folder that holds X.npy."""
    return (path / "X.npy").is_file()


@noting
def load_npy_folder(path: str | os.PathLike[str], *, labels: Any = None) -> Dataset:
    """Load a folder of ``X.npy`` and ``y.npy`` [and ``X_test.npy``, ``y_test.npy``, ``classes.txt``], memory-mapped.

    Parameters
    ----------
    path : str or path
    labels : path or array-like, optional
        Labels to use instead of y.npy.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If an array is missing or damaged, or the arrays do not match.
    """
    folder = existing_path(path, wanted="a folder with X.npy and y.npy")
    files = {key: folder / f"{key}.npy" for key in NPZ_KEYS[0]}
    there = {key for key, file in files.items() if file.is_file()}
    if "X" not in there or ("y" not in there and labels is None):
        raise InputError(f"{quoted(folder)} has no {'y' if 'X' in there else 'X'}.npy: add it")
    if ("X_test" in there) != ("y_test" in there):
        raise InputError(f"{quoted(folder)} has only one of X_test.npy and y_test.npy: add the other, or remove it")
    others = [
        entry.name
        for entry in entries(folder)
        if entry.name.endswith((".npy", ".npz")) and entry.name.removesuffix(".npy") not in there
    ]
    note_left_out(name_of(folder), others, ", ".join(file.name for key, file in files.items() if key in there))
    arrays = {key: read_npy(files[key]) for key in _needed(NPZ_KEYS[0], there, labels)}
    classes = {"class_names": text_lines(folder / "classes.txt")} if (folder / "classes.txt").is_file() else {}
    return _assemble_named(NPZ_KEYS[0], arrays, labels, classes, name_of(folder))


@noting
def load_zarr(path: str | os.PathLike[str], *, labels: Any = None) -> Dataset:
    """Load a zarr group, or a zarr array with labels, into memory; ``array_parts`` reads larger arrays.

    Parameters
    ----------
    path : path
        The folder of a group with the arrays ``X, y[, X_test, y_test]`` (or the other names that ``load_npz`` knows), and
        ``class_names`` and ``image_shape`` among its attributes, if it has them; or of one array, with `labels`.
    labels : path or array-like, optional
        Training labels to use instead of those in the group.

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
        if labels is None:
            raise InputError(
                f"{quoted(folder)} is one zarr array without labels: give labels=, or a group of X and y", argument="labels"
            )
        return _assemble(_zarr_values(folder), _given_labels(labels), name=name)
    there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and is_zarr(entry))
    names = _names_among(there, folder, labels, "zarr arrays")
    note_left_out(name_of(folder), [name for name in there if name not in names], ", ".join(n for n in names if n in there))
    arrays = {key: _zarr_values(folder / key) for key in _needed(names, there, labels)}
    return _assemble_named(names, arrays, labels, head.attributes, name)


def _zarr_values(folder: Path) -> np.ndarray:
    return read_whole(open_zarr(folder), quoted(folder))


def _next_to(file: Path, what: str, ending: str) -> list[Path]:
    stem = file.stem
    names = [f"{stem}_{what}", f"{stem}.{what}"]
    names += [f"{stem.removesuffix(end)}_{what}" for end in _ENDINGS_OF_X if stem.endswith(end)]
    return [file.parent / f"{name}{ending}" for name in [*names, what]]


def _given_labels(labels: Any) -> np.ndarray:
    if isinstance(labels, (str, os.PathLike)):
        return read_npy(existing_path(labels, wanted="an .npy file of labels"))
    return np.asarray(labels)


def _needed(names: tuple[str, ...], there: Collection[str], labels: Any) -> list[str]:
    """The arrays to read: those that are there, without the labels of training if others are given."""
    return [key for key in names if key in there and not (key == names[1] and labels is not None)]


def _assemble_named(
    names: tuple[str, str, str, str], arrays: Mapping[str, np.ndarray], labels: Any, more: Mapping[str, Any], name: str
) -> Dataset:
    """The data set of arrays by name; `more` may have class_names and image_shape."""
    X, y, X_test, y_test = names
    given = arrays[y] if labels is None else _given_labels(labels)
    described = {key: more.get(key) for key in ("class_names", "image_shape")}
    return _assemble(arrays[X], given, arrays.get(X_test), arrays.get(y_test), **described, name=name)


def _assemble(
    X: np.ndarray,
    y: np.ndarray,
    X_test: np.ndarray | None = None,
    y_test: np.ndarray | None = None,
    *,
    class_names: Any = None,
    image_shape: Any = None,
    name: str,
) -> Dataset:
    arrays = {"X": X} if X_test is None else {"X": X, "X_test": X_test}
    if X_test is not None and X.shape[1:] != X_test.shape[1:]:
        raise InputError(f"X has rows of shape {X.shape[1:]} and X_test of {X_test.shape[1:]}: give the same shape in both")
    shape = None
    for what, rows in arrays.items():
        arrays[what], shape = as_rows(rows, what)
    if image_shape is not None:
        shape = _stated_shape(image_shape, arrays["X"].shape[1])
    codes, test_codes, names = encode_labels(y, y_test, class_names)
    arrays = to_common_dtype(arrays)
    recipe = recipe_for(shape) if shape is not None and _is_photographic(arrays["X"]) else {}
    return Dataset(
        arrays["X"],
        codes,
        arrays.get("X_test"),
        test_codes,
        class_names=names,
        image_shape=shape,
        preprocessing=recipe,
        name=name,
    )


def as_rows(X: np.ndarray, what: str) -> tuple[np.ndarray, tuple[int, int, int] | None]:
    """Return (n, d) rows in (h, w, c) order, and the image shape if the array has one."""
    if X.ndim < 2 or X.size == 0:
        raise InputError(f"{what} has shape {X.shape}: give at least one row, as rows (n, d) or images (n, h, w[, c])")
    if X.ndim == 2:
        return X, None
    if X.ndim == 4 and X.shape[3] not in (1, 3) and X.shape[1] in (1, 3):
        note(f"{what}: shape {X.shape} is read as (n, channels, height, width)", level=logging.INFO)
        X = X.transpose(0, 2, 3, 1)
    if X.ndim > 4 or (X.ndim == 4 and X.shape[3] not in (1, 3)):
        raise InputError(
            f"{what} has shape {X.shape}; wanted images (n, h, w) or (n, h, w, c) with 1 or 3 channels, or rows (n, d): "
            "remove the alpha channel, or reshape to (n, d)"
        )
    shape = (X.shape[1], X.shape[2], X.shape[3] if X.ndim == 4 else 1)
    if not X.flags.c_contiguous:
        note(f"{what} was copied once, into (h, w, c) order", level=logging.INFO)
        X = np.ascontiguousarray(X)
    return X.reshape(len(X), math.prod(shape)), shape


def _stated_shape(image_shape: np.ndarray, n_features: int) -> tuple[int, int, int]:
    sizes = np.asarray(image_shape).ravel().tolist()
    return checked_image_shape([*sizes, 1] if len(sizes) == 2 else sizes, n_features)


def _is_photographic(X: np.ndarray) -> bool:
    """Tell whether white is surely 255, so that a new picture can become such a row: bytes, some of them above 127."""
    return X.dtype == np.uint8 and bool(X.max() > 127)
