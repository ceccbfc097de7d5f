"""safetensors files: a text header, arrays as memory maps, and a checksum of each. Nothing in a file is executed.

This module, not the safetensors library, writes the files: one array after the other, in chunks of 16 MB. So rows in
several chunks, or larger than memory, are not copied. A truncated file is shorter than its header says, and every reader
refuses it. In addition to the caller's text, the header has ``digests`` (of every array, see `atomic.digest`) and
``checksum`` (of all other text), so any damaged byte is found.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import DTypeLike

from fastcls._validation.errors import InputError
from fastcls._validation.messages import absent, quoted, reason
from fastcls._validation.paths import check_path
from fastcls._validation.types import BFLOAT16, is_aligned, name_of

from .digest import chunks, digest, hashing

#: Arrays of this size or more stay on disk when a model is loaded; copying smaller ones is cheaper than keeping them mapped.
MAPPED_FROM_BYTES = 1 << 20

#: Array types that a file may contain, by their name in safetensors.
_DTYPES: dict[str, DTypeLike] = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": BFLOAT16,
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}

_DIGEST_LENGTH = 32

#: Arrays to write, by name; an array may come as a list of parts, to be concatenated along the first axis.
Saved = Mapping[str, np.ndarray | Sequence[np.ndarray]]


# writing --------------------------------------------------------------------------------------------------------------


def write(path: Path, arrays: Saved, header: Mapping[str, str]) -> None:
    """Write arrays and header to a file; parts of an array are concatenated."""
    parts_of = {}
    for name in sorted(arrays, key=lambda name: (-_parts(arrays[name])[0].itemsize, name)):  # so that each is aligned
        parts_of[name] = [np.asarray(part, part.dtype.newbyteorder("<")) for part in _parts(arrays[name])]
    digests = dict.fromkeys(parts_of, "0" * _DIGEST_LENGTH)
    with path.open("wb") as file:
        file.write(_head(parts_of, header, digests))
        for name, parts in parts_of.items():
            found = hashing(parts)
            for chunk in chunks(parts):
                found.update(chunk)
                file.write(chunk)
            digests[name] = found.hexdigest()
        file.seek(0)
        file.write(_head(parts_of, header, digests))  # as long as before


def _parts(value: np.ndarray | Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    return [value] if isinstance(value, np.ndarray) else value


def _head(parts_of: Mapping[str, list[np.ndarray]], header: Mapping[str, str], digests: Mapping[str, str]) -> bytes:
    """Length of the description, and the description: the text and the place of each array."""
    text = {**header, "digests": json.dumps(digests)}
    described: dict[str, object] = {"__metadata__": {**text, "checksum": _checksum(text)}}
    begin = 0
    for name, parts in parts_of.items():
        end = begin + sum(part.nbytes for part in parts)
        shape = list(parts[0].shape) if len(parts) == 1 else [sum(map(len, parts)), *parts[0].shape[1:]]
        described[name] = {"dtype": _NAMES[parts[0].dtype], "shape": shape, "data_offsets": [begin, end]}
        begin = end
    body = json.dumps(described).encode()
    body += b" " * (-len(body) % 8)
    return struct.pack("<Q", len(body)) + body


def _checksum(text: Mapping[str, str]) -> str:
    return hashlib.blake2b(json.dumps(sorted(text.items())).encode(), digest_size=_DIGEST_LENGTH // 2).hexdigest()


# reading --------------------------------------------------------------------------------------------------------------


def read_header(path: str | os.PathLike[str], wanted: str) -> dict[str, str]:
    """Read the text of the header, which safetensors compares with the size of the file; `wanted` is for error messages."""
    check_path(path, wanted)
    try:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            raise InputError(f"{quoted(path)} is a pipe or a device; give {wanted}")  # opening it might block
        with open(path, "rb"):  # for the reason of a failure: safetensors has one message for all
            pass
    except FileNotFoundError:
        raise InputError(absent(path, wanted)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise InputError(f"cannot open {quoted(path)}: {reason(error)}; give {wanted}") from None
    try:
        with safetensors.safe_open(os.fspath(path), framework="np") as opened:
            return dict(opened.metadata() or {})
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{quoted(path)} is not a whole safetensors file ({reason(error)}): it is of another kind, or damaged; "
            f"give {wanted}"
        ) from None


def _mapped(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Callable[[Mapping[str, Any]], np.ndarray]]:
    """The description of the arrays in a file, and the function that gives the bytes of one, on a read-only memory map."""
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    (length,) = struct.unpack("<Q", whole[:8].tobytes())
    start = 8 + length

    def bytes_of(entry: Mapping[str, Any]) -> np.ndarray:
        begin, end = entry["data_offsets"]
        return whole[start + begin : start + end]

    return json.loads(whole[8:start].tobytes()), bytes_of


class Tensors(Mapping[str, np.ndarray]):
    """The arrays of any safetensors file, as views of one read-only memory map; BF16 as `types.BFLOAT16`.

    Attributes
    ----------
    metadata : dict of str
        The text in the header.
    shapes, types : dict
        Name -> shape of each array, and its type.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.metadata = read_header(path, "a file written by safetensors")  # compared with the size of the file there
        self._described, self._bytes_of = _mapped(path)
        self._described.pop("__metadata__", None)
        self.types = {name: str(entry["dtype"]) for name, entry in self._described.items()}
        self.shapes = {name: tuple(entry["shape"]) for name, entry in sorted(self._described.items())}

    def __iter__(self) -> Iterator[str]:
        return iter(self._described)

    def __len__(self) -> int:
        return len(self._described)

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._described[name]
        if entry["dtype"] not in _DTYPES:
            raise InputError(
                f"the tensor {quoted(name)} of {quoted(self.path)} has the type {quoted(entry['dtype'])}: save it as one of "
                f"{', '.join(_DTYPES)}"
            )
        return self._bytes_of(entry).view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])


class Arrays(Mapping[str, np.ndarray]):
    """Arrays of a file whose header safetensors has checked; each is compared with its checksum on access.

    Large arrays are views of one read-only memory map.

    Raises
    ------
    KeyError, ValueError
        For a header or an array that has changed since it was written, here or on access.
    """

    def __init__(self, path: str | os.PathLike[str], header: Mapping[str, str]) -> None:
        text = {name: value for name, value in header.items() if name != "checksum"}
        if header["checksum"] != _checksum(text):
            raise ValueError("header checksum mismatch")
        self.path = path
        self._digests = json.loads(header["digests"])
        described, bytes_of = _mapped(path)
        if described.pop("__metadata__", None) != dict(header):
            raise ValueError("another program replaced the file while it was read")
        self._mapped = {}
        for name, entry in described.items():
            if entry["dtype"] not in _DTYPES:
                raise ValueError(f"array {name} has type {entry['dtype']}")
            self._mapped[name] = bytes_of(entry).view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapped)

    def __len__(self) -> int:
        return len(self._mapped)

    def __getitem__(self, name: str) -> np.ndarray:
        mapped = self._mapped[name]
        if digest(mapped) != self._digests[name]:
            raise ValueError(f"checksum mismatch in array {name}")
        if self._stays(mapped):
            return mapped
        return np.array(mapped, dtype=mapped.dtype.newbyteorder("="))

    def unread(self, name: str) -> tuple[np.ndarray, str | None]:
        """An array that may stay on disk unread, and its saved digest; None if it was already compared."""
        mapped = self._mapped[name]
        return (mapped, str(self._digests[name])) if self._stays(mapped) else (self[name], None)

    @staticmethod
    def _stays(mapped: np.ndarray) -> bool:
        return bool(mapped.nbytes >= MAPPED_FROM_BYTES and is_aligned(mapped) and mapped.dtype.isnative)


def expect(
    arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int | None, ...], dtypes: tuple[str, ...] = ("float64",)
) -> np.ndarray:
    """The array of this name, if its type and shape (None: any length but 0) are as expected.

    `_restore_state` reads arrays through this function, because the code that uses them trusts its input.
    """
    array = arrays[name]
    fits = array.ndim == len(shape) and all(
        size == wanted if wanted is not None else size > 0 for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or name_of(array.dtype) not in dtypes:
        sizes = "x".join("n" if size is None else str(size) for size in shape)
        raise ValueError(f"array {name} is {name_of(array.dtype)} {array.shape}, expected {' or '.join(dtypes)} {sizes}")
    return array
