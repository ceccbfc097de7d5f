"""Labels from a file of any format: an array or a column, alone or next to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from fastcls._storage.safetensors import Tensors
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, quoted_list
from fastcls.datasets._arrow import SUFFIXES as ARROW_SUFFIXES
from fastcls.datasets._arrow import read_arrow
from fastcls.datasets._assemble import array_names, named_by_arrays
from fastcls.datasets._columns import call_the_column, label_column, likely_first, naming_rows
from fastcls.datasets._common import file_size, no_such_name, text_lines
from fastcls.datasets._csv import SUFFIXES as CSV_SUFFIXES
from fastcls.datasets._csv import read_label_column
from fastcls.datasets._hdf5 import SUFFIXES as HDF5_SUFFIXES
from fastcls.datasets._hdf5 import named_datasets
from fastcls.datasets._labels import labels_of_texts
from fastcls.datasets._npy import npz_dimensions, npz_keys, read_npy, read_npz
from fastcls.datasets._row_ids import NamedRows, keep
from fastcls.datasets._stored import read_whole
from fastcls.datasets._zarr import is_zarr, open_zarr, read_head

_KINDS = ".npy, .npz, .csv, .parquet, .h5, .safetensors or .txt"
_MAX_TEXT_BYTES = 1 << 30
_WANTED = "an array of one dimension called y or labels"


def read_labels(file: Path, name: str | None = None) -> np.ndarray:
    """The labels in a file: .npy, .npz, .safetensors, HDF5, CSV, Parquet, Arrow, text with one label per line, or a
    zarr array.

    Parameters
    ----------
    file : path
    name : str, optional
        Name of the array or column; of a zarr group, too.

    Raises
    ------
    InputError
        If the file is damaged, has no array or column of this name, or it is not clear which has the labels.
    """
    if file.is_dir():
        if name is not None and is_zarr(file) and read_head(file).node == "group":
            there = sorted(entry.name for entry in file.iterdir() if entry.is_dir() and is_zarr(entry))
            if name not in there:
                raise no_such_name(quoted(file), name, there, "zarr array")
            return read_labels(file / name)
        if is_zarr(file) and read_head(file).node == "array":
            return read_whole(open_zarr(file), quoted(file))
        raise InputError(f"{quoted(file)} is a folder; wanted a file of labels: {_KINDS}, or the folder of a zarr array")
    ending = file.suffix.lower()
    if ending == ".npz":
        keys = npz_keys(file)
        return _chosen(file, name, dict.fromkeys(keys, 1), lambda key: read_npz(file, [key])[key], "array")
    if ending == ".safetensors":
        tensors = Tensors(file)
        return _chosen(file, name, {key: len(shape) for key, shape in tensors.shapes.items()}, tensors.__getitem__, "tensor")
    if ending in HDF5_SUFFIXES:
        with named_datasets(file) as (dimensions, read):
            return _chosen(file, name, dimensions, read, "dataset")
    if ending in CSV_SUFFIXES:
        return read_label_column(file, name)
    if ending in ARROW_SUFFIXES:
        table = read_arrow(file)
        alone = len(table.columns) == 1 and name is None
        column = table.columns[0] if alone else label_column(table, name)
        if column is None and name is not None:
            raise no_such_name(table.where, name, (each.name for each in table.columns), "column")
        if column is None:
            likely = [each.name for each in likely_first(table)]
            how = call_the_column(file, likely)
            raise InputError(f"{table.where} has the columns {quoted_list(likely)}, but no labels: {how}")
        others = [each for each in table.columns if each is not column]
        names = {each.name: each.values for each in naming_rows(table, others)}
        numbers = {each.name: each.values for each in others if each.kind == "numbers" and each.name not in names}
        keep(NamedRows(table.where, names, numbers))
        values = np.asarray(column.values())
        return values if column.class_names is None else np.array(column.class_names)[values]
    if name is not None:
        raise InputError(
            f"{quoted(file)} has no names of columns or arrays, so {quoted(name)} cannot be chosen: give "
            f"{quoted(file)} alone"
        )
    if ending == ".txt":
        lines = text_lines(file, "one label per line", _MAX_TEXT_BYTES)
        return labels_of_texts(lines, range(1, len(lines) + 1), quoted(file))
    if ending != ".npy" and file_size(file) and file.open("rb").read(6) != b"\x93NUMPY":
        raise InputError(f"{quoted(file)} is no file of labels that is known here; wanted {_KINDS}")
    return read_npy(file)


def _chosen(
    file: Path, name: str | None, dimensions: Mapping[str, int], read: Callable[[str], np.ndarray], what: str
) -> np.ndarray:
    """The array of this name; or that with a name of labels, or the only one of one dimension."""
    if name is not None and name not in dimensions:
        raise no_such_name(quoted(file), name, dimensions, what)
    name = name or array_names(dimensions).y
    if name is None:
        flat = [key for key, n in dimensions.items() if n == 1]
        if len(flat) != 1:
            how = f", or {quoted(f'{file}:{next(iter(flat or dimensions))}')} for one of them" if dimensions else ""
            raise InputError(f"{quoted(file)} has the arrays {quoted_list(dimensions) or 'none'}; wanted {_WANTED}{how}")
        name = flat[0]
    sizes = npz_dimensions(file, dimensions) if file.suffix.lower() == ".npz" else dimensions
    keep(named_by_arrays(file, sizes, (name,), read))
    return read(name)
