"""Load an HDF5 file with h5py (extra ``formats``). Only what the file itself holds is read."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls.datasets._assemble import assemble_named
from fastcls.datasets._common import existing_path, file_size, noting
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._stored import read_whole

_SUFFIXES = (".h5", ".hdf5", ".hdf")
_MOST_DATASETS = 1000
_MAX_TEXT_BYTES = 1 << 28


def is_hdf5(path: Path) -> bool:
    """Tell whether `path` is an HDF5 file."""
    return path.is_file() and path.suffix.lower() in _SUFFIXES


@noting
def load_hdf5(path: str | os.PathLike[str], *, labels: Any = None) -> Dataset:
    """Load an HDF5 file. Rows that are stored in one piece, uncompressed, stay on disk.

    Parameters
    ----------
    path : path
        Datasets ``X, y[, X_test, y_test]``, or with the other names that ``load_npz`` knows, at the root or in groups
        (``train/features``). Attributes ``class_names`` and ``image_shape`` of the root are used.
    labels : path, name or array-like, optional
        The name of the dataset with the labels, or labels from elsewhere.

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
    try:
        import h5py
    except ImportError:
        raise InputError("reading HDF5 needs h5py, which is not installed: pip install 'fastcls[formats]'") from None
    file_size(file)
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(h5py.File(file, "r"))
            found = dict(_datasets(h5py, opened))
            attributes = {name: opened.attrs[name] for name in ("class_names", "image_shape") if name in opened.attrs}
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise _damaged(file, error) from None
        return assemble_named(
            {name: found[name].ndim for name in sorted(found)},
            file,
            lambda name: _values(h5py, file, found[name]),
            labels=labels,
            kind="datasets",
            **attributes,
        )


def _damaged(file: Path, error: BaseException) -> InputError:
    return InputError(f"{quoted(file)} cannot be read ({reason(error)}): it is no HDF5 file, or damaged; write it again")


def _datasets(h5py: Any, group: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The datasets at the root and in groups of one level; links to other places are not followed."""
    for name in itertools.islice(group, _MOST_DATASETS):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield f"{path}{name}", item
        elif isinstance(item, h5py.Group) and depth == 0:
            yield from _datasets(h5py, item, f"{name}/", 1)


def _values(h5py: Any, file: Path, dataset: Any) -> np.ndarray:
    """The values of a dataset: a memory map if it is stored in one piece, else read into memory."""
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
    try:
        offset = dataset.id.get_offset() if dataset.chunks is None and dataset.dtype.kind in "biuf" else None
        if offset is not None and offset + dataset.nbytes <= file_size(file) and not dataset.file.userblock_size:
            return np.memmap(file, dataset.dtype, "r", offset, dataset.shape)
        if is_text and dataset.dtype.kind == "O" and dataset.size * 16 + dataset.file.id.get_filesize() > _MAX_TEXT_BYTES:
            raise InputError(f"{where} has too much text for labels: write them as numbers")
        return np.asarray(dataset.asstr("utf-8", "backslashreplace")[:]) if is_text else read_whole(dataset, where)
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(file, error) from None
