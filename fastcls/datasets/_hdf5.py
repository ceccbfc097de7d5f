"""Load an HDF5 file with h5py (extra ``formats``). Only what the file itself holds is read."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls.datasets._assemble import array_names, assemble_named
from fastcls.datasets._common import existing_path, file_size, noting
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._labels import plain_labels
from fastcls.datasets._stored import read_whole

SUFFIXES = (".h5", ".hdf5", ".hdf")
_MOST_DATASETS = 1000
_MOST_DEPTH = 8
_MAX_TEXT_BYTES = 1 << 28


def is_hdf5(path: Path) -> bool:
    """Tell whether `path` is an HDF5 file."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


@noting
def load_hdf5(path: str | os.PathLike[str], *, labels: Any = None, features: str | None = None) -> Dataset:
    """Load an HDF5 file. Rows that are stored in one piece, uncompressed, stay on disk.

    Parameters
    ----------
    path : path
        Datasets ``X, y[, X_test, y_test]``, or with the other names that ``load_npz`` knows, at the root or in groups
        (``train/features``), or all in one group (``resnet50/features``). Attributes ``class_names`` and ``image_shape`` of
        the root are used.
    labels : path, name or array-like, optional
        The name of the dataset with the labels, or labels from elsewhere.
    features : str, optional
        The name of the dataset that is X, see ``load_npz``, or of a group that has one (``clip`` for ``clip/features``).

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If datasets are missing, refer to other files, hold objects, lack chunks, or do not fit into memory or each other;
        rows are not finite; the file is damaged; or h5py is not installed.
    """
    file = existing_path(path, wanted="an HDF5 file")
    with _opened(file) as (dimensions, read, attributes):
        short = _in_one_group(dimensions, labels)
        if features is not None:
            short, features = _with_labels_of(features, dimensions, short, labels)
        return assemble_named(
            {key: dimensions[name] for key, name in short.items()},
            file,
            lambda key: read(short[key]),
            labels=labels,
            features=features,
            kind="datasets",
            **attributes,
        )


@contextmanager
def named_datasets(file: Path) -> Iterator[tuple[Mapping[str, int], Callable[[str], np.ndarray]]]:
    """The numbers of dimensions of the datasets in a file, by their names, and the function that reads one of them."""
    with _opened(file) as (dimensions, read, _):
        yield dimensions, read


@contextmanager
def _opened(file: Path) -> Iterator[tuple[dict[str, int], Callable[[str], np.ndarray], dict[str, Any]]]:
    try:
        import h5py
    except ImportError:
        raise InputError("reading HDF5 needs h5py, which is not installed: pip install 'fastcls[formats]'") from None
    file_size(file)
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(h5py.File(file, "r"))
            found = dict(itertools.islice(_datasets(h5py, opened, set()), _MOST_DATASETS))
            tables = [name for name in itertools.islice(opened, _MOST_DATASETS) if _is_of_pandas(opened, name)]
            attributes = {name: opened.attrs[name] for name in ("class_names", "image_shape") if name in opened.attrs}
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise _damaged(file, error) from None
        if tables:
            how = f"pandas.read_hdf({str(file)!r}, {tables[0]!r})"
            raise InputError(
                f"{quoted(file)} was written by pandas (to_hdf), whose layout is not read here: give the data frame, {how}, "
                "to fastcls.datasets.load, or write it with to_parquet"
            )
        dimensions = {name: found[name].ndim for name in sorted(found)}
        yield dimensions, lambda name: _values(h5py, file, found[name]), attributes


def _is_of_pandas(group: Any, name: str) -> bool:
    """Whether pandas wrote a group of a file: it says so in an attribute."""
    return name in group and "pandas_type" in group[name].attrs


def _in_one_group(there: Mapping[str, int], labels: Any) -> dict[str, str]:
    """Names by which datasets are known -> their own: without the group, if all are in one, or if `labels` names one of it.

    ``train`` and ``test`` stay, because they name the part.
    """
    group = posixpath.dirname(labels) if isinstance(labels, str) and labels in there else posixpath.commonpath(there or [""])
    group = posixpath.dirname(group) if group in there else group
    inside = _of_group(there, group)
    if not group or array_names(there).X is not None or array_names(inside).X is None:
        return {name: name for name in there}
    return {name if name == labels else key: name for key, name in inside.items()}


def _with_labels_of(
    features: str, there: Mapping[str, int], short: dict[str, str], labels: Any
) -> tuple[dict[str, str], str]:
    """Names by which datasets are known -> their own, and which of them are the `features` (or the rows of this group).

    The names are those of all datasets, or without the group if only its labels are known by their names.
    """
    inside = _of_group(there, features)
    X = None if features in there else array_names(inside).X
    own = features if X is None else inside[X]
    every = {name: name for name in there}
    for names in (every, _of_group(there, posixpath.dirname(own)), short) if labels is None else ():
        if own in names.values() and array_names(names).y is not None:
            return names, next(key for key, name in names.items() if name == own)
    return every, own


def _of_group(there: Mapping[str, int], group: str) -> dict[str, str]:
    """The names of datasets in a group, without it -> their own."""
    return {name.removeprefix(f"{group}/"): name for name in there if name.startswith(f"{group}/")}


def _damaged(file: Path, error: BaseException) -> InputError:
    return InputError(f"{quoted(file)} cannot be read ({reason(error)}): it is no HDF5 file, or damaged; write it again")


def _datasets(h5py: Any, group: Any, seen: set[int], path: str = "") -> Iterator[tuple[str, Any]]:
    """The datasets at the root and in groups; links to other places, and to a group that was read, are not followed."""
    seen.add(h5py.h5o.get_info(group.id).addr)
    for name in itertools.islice(group, _MOST_DATASETS):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield f"{path}{name}", item
        elif (
            isinstance(item, h5py.Group)
            and path.count("/") < _MOST_DEPTH
            and len(seen) < _MOST_DATASETS
            and h5py.h5o.get_info(item.id).addr not in seen
        ):
            yield from _datasets(h5py, item, seen, f"{path}{name}/")


def _values(h5py: Any, file: Path, dataset: Any) -> np.ndarray:
    """The values of a dataset: a memory map if it is stored in one piece, else read into memory."""
    try:
        return _checked_values(h5py, file, dataset)
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:  # the description may be damaged, too
        raise _damaged(file, error) from None


def _checked_values(h5py: Any, file: Path, dataset: Any) -> np.ndarray:
    where = f"the dataset {quoted(dataset.name)} of {quoted(file)}"
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{where} refers to other files: write its values into the file")
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.dtype.kind not in "biufS" and not is_text:
        raise InputError(f"{where} holds {quoted(dataset.dtype)}: write numbers, and labels as numbers or text")
    if dataset.shape is None or not dataset.size:
        raise InputError(f"{where} is empty: write at least one row")
    if dataset.chunks is not None:
        n_chunks = math.prod(-(-size // step) for size, step in zip(dataset.shape, dataset.chunks, strict=True))
        written = dataset.id.get_num_chunks()
    else:
        n_chunks, written = 1, int(dataset.id.get_storage_size() > 0)
    if written != n_chunks:  # the others would be read as zeros
        raise InputError(f"{where} has {written:,} of its {n_chunks:,} chunks: write all rows")
    offset = dataset.id.get_offset() if dataset.chunks is None and dataset.dtype.kind in "biuf" else None
    if offset is not None and offset + dataset.nbytes <= file_size(file) and not dataset.file.userblock_size:
        return np.memmap(file, dataset.dtype, "r", offset, dataset.shape)
    if is_text and dataset.dtype.kind == "O" and dataset.size * 16 + dataset.file.id.get_filesize() > _MAX_TEXT_BYTES:
        raise InputError(f"{where} has too much text for labels: write them as numbers")
    return _texts(dataset, where) if is_text else read_whole(dataset, where)


def _texts(dataset: Any, where: str) -> np.ndarray:
    """The texts of a dataset, which are in UTF-8."""
    try:
        return np.asarray(dataset.asstr("utf-8", "strict")[:])
    except UnicodeDecodeError:
        return plain_labels(np.asarray(dataset[:]), where)  # refuses the first that is not
