"""Arrays that are read by slices: anything with a shape, a dtype and slices, such as an array of zarr or h5py."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from fastcls._runtime import memory
from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind
from fastcls.datasets._common import existing_path
from fastcls.datasets._npy import read_npy
from fastcls.datasets._zarr import open_zarr

_PART_BYTES = 1 << 26


class StoredArray(Protocol):
    """An array whose slices are NumPy arrays; its rows are stored in chunks if it has ``chunks`` (or ``shards``)."""

    shape: tuple[int, ...]
    dtype: Any

    def __getitem__(self, rows: slice) -> Any:
        """The rows of a slice."""


def array_parts(source: StoredArray | str | os.PathLike[str], *, part_bytes: int = _PART_BYTES) -> Iterator[np.ndarray]:
    """Yield the rows of a stored array in parts, for ``protocols.knn_eval`` or for calls of ``partial_fit``.

    Parameters
    ----------
    source : path or array
        The folder of a zarr array (of a group: ``group.zarr/X``), an .npy file, or any object with ``shape``,
        ``dtype`` and slices, such as a dataset of h5py. The first dimension is rows.
    part_bytes : int
        Approximate size of a part, at least 1. A part is always whole chunks, so that no chunk is unpacked twice.

    Yields
    ------
    ndarray of shape (n_rows_of_part, n_features)
        Images (n, h, w[, c]) become rows of h * w * c features.

    Raises
    ------
    InputError
        If `source` is neither a path nor such an array, `part_bytes` is below 1, or for the reasons given at ``load_zarr``.

    Examples
    --------
    >>> for rows in array_parts("embeddings.zarr/X"):  # doctest: +SKIP
    ...     model.partial_fit(rows, y[done : done + len(rows)])
    """
    array: Any = source
    if isinstance(source, (str, os.PathLike)):
        path = existing_path(source, wanted="the folder of a zarr array, or an .npy file")
        array = read_npy(path) if path.suffix.lower() == ".npy" else open_zarr(path)
    elif not _is_array(array) or not array.shape:
        raise InputError(
            f"source is {kind(source)}: give the folder of a zarr array, or an array with shape, dtype and slices"
        )
    check_number("part_bytes", part_bytes, minimum=1, whole=True)
    row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    rows = (getattr(array, "shards", None) or getattr(array, "chunks", None) or (1,))[0]
    step = max(1, part_bytes // max(1, row_bytes * rows)) * rows

    def parts() -> Iterator[np.ndarray]:
        for first in range(0, array.shape[0], step):
            part = np.asarray(array[first : first + step])
            yield part.reshape(len(part), -1)

    return parts()


def is_stored(source: object) -> bool:
    """Tell whether an object is read by slices: in chunks (zarr, h5py), or because NumPy cannot convert it as a whole."""
    return _is_array(source) and (hasattr(source, "chunks") or not hasattr(source, "__array__"))


def _is_array(source: object) -> bool:
    has_dtype = isinstance(getattr(source, "dtype", None), np.dtype)
    return has_dtype and hasattr(source, "shape") and hasattr(source, "__getitem__")


def read_whole(array: StoredArray, what: str) -> np.ndarray:
    """Return all values of a stored array; refuse it if there is not enough memory."""
    n_bytes = math.prod(array.shape) * array.dtype.itemsize
    if not memory.fits(n_bytes):
        raise InputError(
            f"{what} takes {n_bytes:,} bytes, more than the free memory: read it in parts with "
            "fastcls.datasets.array_parts, or save it as .npy, which is memory-mapped"
        )
    return np.asarray(array[0 : array.shape[0]])
