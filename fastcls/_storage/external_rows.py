"""Training rows in files of their own, next to the model file that refers to them.

A model file may be untrusted. It can name only regular files in its own folder, no paths and no links. Their sizes are
compared when they are opened, their checksums (`atomic.digest`) before the first search.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls._validation.types import is_aligned, name_of


class RowsFileError(InputError):
    """The file of external rows is missing or has changed."""


def map_under(X: Any) -> np.memmap | None:
    """Memory map of a named file that holds an array's values; None if there is none."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap) and X._mmap is not None and X.filename is not None:  # type: ignore[attr-defined]
            return X
        X = X.base
    return None


def offset_in_file(X: np.ndarray, mapped: np.memmap) -> int:
    """Byte offset in the file of the first row of an array, whose map `map_under` has found.

    A view has the `offset` of the map it was taken from, so the offset of its own first row follows from its address.
    """
    whole = mapped._mmap  # type: ignore[attr-defined]
    begin = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
    return int(begin + X.ctypes.data - np.frombuffer(whole, dtype=np.uint8).ctypes.data)


def described(chunks: Sequence[np.ndarray], folder: Path) -> list[dict[str, Any]]:
    """Name, size, offset and shape for the file of every chunk.

    Raises
    ------
    InputError
        For rows that are not the memory map of a file in this folder.
    """
    found = []
    for chunk in chunks:
        mapped = map_under(chunk)
        if mapped is None:
            raise InputError(
                f"rows='external' needs memory maps of files in the model's folder, but {len(chunk):,} rows of "
                "this model are in memory: fit on numpy.load(file, mmap_mode='r'), or save with rows='embedded'"
            )
        if mapped.mode == "c":
            raise InputError(
                "rows='external' needs maps that show the file, but the rows are a copy-on-write map, which may differ from "
                "it: open the file with mmap_mode='r', or save with rows='embedded'"
            )
        path = Path(os.path.realpath(str(mapped.filename)))
        if path.parent != folder:
            raise InputError(
                f"rows='external' needs files in the folder of the model, but {quoted(path)} is not "
                f"in {quoted(folder)}: save "
                "the model there, or with rows='embedded'"
            )
        offset = offset_in_file(chunk, mapped)
        found.append({"name": path.name, "bytes": path.stat().st_size, "offset": offset, "shape": list(chunk.shape)})
    return found


def opened(files: Any, dtype: np.dtype[Any], folder: Path) -> list[np.ndarray]:
    """Open the chunks as read-only memory maps.

    Raises
    ------
    RowsFileError
        For a file that is missing, is not a regular file, or had another size when the model was saved.
    ValueError
        For an invalid description, or one that names a file in another folder.
    """
    if not isinstance(files, list) or not files:
        raise ValueError("it does not name a file of rows")
    return [_opened(entry, dtype, folder) for entry in files]


def _opened(entry: Any, dtype: np.dtype[Any], folder: Path) -> np.ndarray:
    name, size, offset, shape = entry["name"], entry["bytes"], entry["offset"], tuple(entry["shape"])
    if not all(type(number) is int and number >= 0 for number in (size, offset, *shape)) or len(shape) != 2 or 0 in shape:
        raise ValueError("its file of rows has invalid sizes")
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name or "\0" in name:
        raise ValueError(f"its file of rows is {quoted(name)}; wanted a plain file name in its folder")
    if offset + shape[0] * shape[1] * dtype.itemsize > size:
        raise ValueError(f"its rows do not fit into {quoted(name)}")
    path = folder / name
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
        if not regular:
            raise RowsFileError(
                f"the file of a model's rows, {quoted(path)}, is a link, a folder or a device; wanted a regular file"
            )
        # do not follow a link or block on a pipe that was created since
        flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
            there = os.fstat(file.fileno()).st_size
            if there != size:
                raise RowsFileError(
                    f"the file of a model's rows, {quoted(path)}, has {there:,} bytes; it had {size:,} when the model was "
                    "saved: put that file there, or save the model again"
                )
            rows = np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=shape)
    except OSError as error:
        raise RowsFileError(
            f"the file of a model's rows, {quoted(path)}, cannot be opened: {reason(error)}; put it into the folder of "
            "the model, which was saved with rows='external'"
        ) from None
    if not is_aligned(rows):
        raise ValueError(f"its rows begin at byte {offset} of {quoted(name)}, which is not aligned for {name_of(dtype)}")
    return rows
