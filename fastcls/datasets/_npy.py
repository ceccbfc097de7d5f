"""Arrays from .npy files and .npz members. A header is compared with the size of the file before NumPy allocates memory.

Format: numpy.lib.format, versions 1.0 and 2.0 (3.0 is for structured arrays only, which are refused).
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from fastcls._runtime import memory
from fastcls._validation.errors import InputError, is_of_caller
from fastcls._validation.messages import counted, quoted, reason
from fastcls._validation.types import BFLOAT16
from fastcls.datasets._common import file_size, note

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DEFLATE_RATIO = 1032  # the most that deflate can expand (RFC 1951)
_MAX_HEADER_BYTES = 1 << 16
#: arrays that describe the rows are small; rows and labels may be as large as the memory
_MAX_BYTES = {"class_names": 1 << 24, "image_shape": 1 << 10}


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    offset: int

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path) -> np.ndarray:
    """Return the array of an .npy file as a read-only memory map.

    Raises
    ------
    InputError
        If the file is not .npy, has Python objects or no values, or has more or fewer bytes than its header states.
    """
    size = file_size(path)
    with path.open("rb") as file:
        header = _read_header(file, quoted(path))
    if size != header.offset + header.n_bytes:
        raise InputError(_size_mismatch(quoted(path), header, size - header.offset))
    return np.memmap(
        path,
        dtype=header.dtype,
        mode="r",
        offset=header.offset,
        shape=header.shape,
        order="F" if header.fortran_order else "C",
    )


def read_npz(path: Path, keys: list[str], pairs: Iterable[tuple[str, str]] = ()) -> dict[str, np.ndarray]:
    """Return the named arrays of an .npz file. All headers are compared before anything is unpacked.

    Parameters
    ----------
    path : path
    keys : list of str
    pairs : pairs of keys
        Arrays that must have the same number of rows.

    Raises
    ------
    InputError
        As ``read_npy``, if the arrays do not fit into memory or one another, or if the archive is damaged.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {key: _header_of_member(archive, key, path) for key in keys}
            for rows, labels in pairs:
                if rows in headers and labels in headers and headers[rows].shape[:1] != headers[labels].shape:
                    counts = [*headers[rows].shape[:1], *headers[labels].shape]
                    if len(counts) == 2:  # labels of another shape have their own message
                        raise InputError(
                            f"{quoted(path)}: {labels} has {counted(counts[1], 'label')} for "
                            f"{counted(counts[0], 'row')}: give one label per row"
                        )
            if not memory.fits(sum(header.n_bytes for header in headers.values())):
                raise MemoryError
            for key in keys:
                with archive.open(f"{key}.npy") as file:
                    arrays[key] = np.lib.format.read_array(file, allow_pickle=False)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{quoted(path)} does not fit into memory: save X as .npy, which is memory-mapped") from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{quoted(path)} is damaged ({reason(error)}): write it again with numpy.savez") from None
    return arrays


def npz_keys(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file."""
    file_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{quoted(path)} is not an .npz archive ({reason(error)}): write it with numpy.savez") from None


def npz_dimensions(path: Path, keys: Iterable[str]) -> dict[str, int]:
    """Return the numbers of dimensions of arrays in an .npz file, from their headers; of those that cannot be read, 0."""
    found: dict[str, int] = dict.fromkeys(keys, 0)
    with (
        contextlib.suppress(
            zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError
        ),
        zipfile.ZipFile(path) as archive,
    ):
        for key in found:
            with contextlib.suppress(InputError):
                found[key] = len(_header_of_member(archive, key, path).shape)
    return found


def _header_of_member(archive: zipfile.ZipFile, key: str, path: Path) -> _Header:
    """The header of an array; it must agree with the archive's directory and with the number of compressed bytes."""
    name, what = f"{key}.npy", f"{quoted(path)}, array {quoted(key)}"
    if archive.namelist().count(name) != 1:
        raise InputError(f"{what} occurs more than once: write the file again with numpy.savez")
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{what} is packed in a way that NumPy does not write: write the file again with numpy.savez")
    with archive.open(info) as file:
        header = _read_header(file, what)
    if info.file_size != header.offset + header.n_bytes or info.file_size > _DEFLATE_RATIO * (info.compress_size + 64):
        raise InputError(_size_mismatch(what, header, info.file_size - header.offset))
    most = _MAX_BYTES.get(key)
    if most is not None and header.n_bytes > most:
        raise InputError(f"{what} takes {header.n_bytes:,} bytes, more than {most:,}: write it again")
    return header


def _read_header(file: IO[bytes], what: str) -> _Header:
    try:
        # the length is checked first: NumPy would read and unpack as many bytes as it states
        head = file.read(8)
        version = np.lib.format.read_magic(io.BytesIO(head))
        length = file.read(2 if version == (1, 0) else 4)
        n_bytes = int.from_bytes(length, "little")
        if n_bytes > _MAX_HEADER_BYTES:
            raise ValueError(f"its header has {n_bytes:,} bytes")
        text = file.read(n_bytes)
        shape, fortran_order, dtype = _HEADER_READERS[version](io.BytesIO(length + text))
    except Exception as error:  # the header is text of unknown origin, which can make its parser fail in any way
        if is_of_caller(error):
            raise
        raise InputError(f"{what} is not a valid .npy array ({reason(error)}): write it again with numpy.save") from None
    if dtype == BFLOAT16:
        note(
            f"{what}: values of type V2, which numpy.save writes for bfloat16, are read as bfloat16",
            level=logging.INFO,
        )
    elif dtype.hasobject or dtype.fields is not None or dtype.kind == "V":
        held = "Python objects (a pickle)" if dtype.hasobject else f"records of dtype {quoted(dtype)}"
        raise InputError(f"{what} holds {held}: save numbers with a numeric dtype, and labels as text (y.astype(str))")
    if any(size <= 0 for size in shape) or dtype.itemsize == 0:
        raise InputError(f"{what} is empty (shape {shape}): give at least one value")
    return _Header(shape, fortran_order, dtype, len(head) + len(length) + len(text))


def _size_mismatch(what: str, header: _Header, got: int) -> str:
    return (
        f"{what} has {got:,} bytes of data, but its header states {header.n_bytes:,} bytes (shape {header.shape} of "
        f"{header.dtype}): the file is truncated or its header is wrong; write it again with numpy.save or numpy.savez"
    )
