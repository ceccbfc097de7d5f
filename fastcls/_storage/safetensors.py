"""safetensors files: a header of text, arrays as memory maps, a checksum of each; nothing in a stranger's file is run.

They are written here and not by the library: one array after the other in pieces of 16 MB. So rows in several chunks, or
larger than memory, need no copy, and a file that was broken off is shorter than its header says, which every reader
refuses. Besides what its caller says, the header's text has ``digests`` (of every array, see `_files.digest`) and
``checksum`` (of all the other text): no damaged byte goes unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason

from .atomic import digest, hashing, pieces

#: Larger arrays stay on disk when a model is loaded. Below, a copy costs less than keeping the file open.
MAPPED_FROM_BYTES = 1 << 20

#: Types of arrays a file may hold, by safetensors' name.
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
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

#: What is written: arrays by name, or in parts, one below the other.
Saved = Mapping[str, np.ndarray | Sequence[np.ndarray]]


# writing --------------------------------------------------------------------------------------------------------------


def write(path: Path, arrays: Saved, header: Mapping[str, str]) -> None:
    """Fill a file; a sequence of arrays is written as one, its parts below each other."""
    chunks = {}
    for name in sorted(arrays, key=lambda name: (-_parts(arrays[name])[0].itemsize, name)):  # so each lies aligned
        chunks[name] = [np.asarray(part, part.dtype.newbyteorder("<")) for part in _parts(arrays[name])]
    digests = dict.fromkeys(chunks, "0" * _DIGEST_LENGTH)
    with path.open("wb") as file:
        file.write(_head(chunks, header, digests))
        for name, parts in chunks.items():
            found = hashing(parts)
            for piece in pieces(parts):
                found.update(piece)
                file.write(piece)
            digests[name] = found.hexdigest()
        file.seek(0)
        file.write(_head(chunks, header, digests))  # as long as before


def _parts(value: np.ndarray | Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    return [value] if isinstance(value, np.ndarray) else value


def _head(chunks: Mapping[str, list[np.ndarray]], header: Mapping[str, str], digests: Mapping[str, str]) -> bytes:
    """The length of the description, and the description: where each array lies behind it, and the text."""
    text = {**header, "digests": json.dumps(digests)}
    described: dict[str, object] = {"__metadata__": {**text, "checksum": _checksum(text)}}
    begin = 0
    for name, parts in chunks.items():
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
    """The text part of the header; safetensors checks it against the bytes there are. `wanted` is what should be given."""
    try:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            raise InputError(f"{quoted(path)} is a pipe or a device; give {wanted}")  # opening it might wait for ever
        with open(path, "rb"):  # for its reason: safetensors has one message for all of these
            pass
    except OSError as error:
        raise InputError(f"cannot open {quoted(path)}: {reason(error)}; give {wanted}") from None
    try:
        with safetensors.safe_open(os.fspath(path), framework="np") as opened:
            return dict(opened.metadata() or {})
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{quoted(path)} is not a whole safetensors file ({reason(error)}); it was truncated, damaged, or is "
            f"something else: give {wanted}"
        ) from None


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of a file whose header safetensors has checked, each compared with its checksum when it is asked for.

    Large ones are views of one read-only memory map.

    Raises
    ------
    KeyError, ValueError
        For a header or an array that is not as it was written, here or when it is asked for.
    """

    def __init__(self, path: str | os.PathLike[str], header: Mapping[str, str]) -> None:
        text = {name: value for name, value in header.items() if name != "checksum"}
        if header["checksum"] != _checksum(text):
            raise ValueError("its header is not as it was written")
        self.path = path
        self._digests = json.loads(header["digests"])
        whole = np.memmap(path, dtype=np.uint8, mode="r")
        (length,) = struct.unpack("<Q", whole[:8].tobytes())
        described = json.loads(whole[8 : 8 + length].tobytes())
        if described.pop("__metadata__", None) != dict(header):
            raise ValueError("another program replaced it while it was read")
        self._mapped = {}
        for name, entry in described.items():
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            if entry["dtype"] not in _DTYPES:
                raise ValueError(f"array {name} has type {entry['dtype']}")
            self._mapped[name] = whole[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapped)

    def __len__(self) -> int:
        return len(self._mapped)

    def __getitem__(self, name: str) -> np.ndarray:
        mapped = self._mapped[name]
        if digest(mapped) != self._digests[name]:
            raise ValueError(f"array {name} is not as it was written")
        if self._stays(mapped):
            return mapped
        return np.array(mapped, dtype=mapped.dtype.newbyteorder("="))

    def unread(self, name: str) -> tuple[np.ndarray, str | None]:
        """An array that may stay on disk, unread, and its digest, which is still to be compared; None if it was."""
        mapped = self._mapped[name]
        return (mapped, str(self._digests[name])) if self._stays(mapped) else (self[name], None)

    @staticmethod
    def _stays(mapped: np.ndarray) -> bool:
        return bool(mapped.nbytes >= MAPPED_FROM_BYTES and mapped.flags.aligned and mapped.dtype.isnative)


def expect(
    arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int | None, ...], dtypes: tuple[str, ...] = ("float64",)
) -> np.ndarray:
    """The array of a file that has this name, if its type and shape (None: any length but 0) are as expected.

    For `_restore_state`: what is read from a file goes to code that trusts its caller.
    """
    array = arrays[name]
    fits = array.ndim == len(shape) and all(
        size == wanted if wanted is not None else size > 0 for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.name not in dtypes:
        sizes = "x".join("n" if size is None else str(size) for size in shape)
        raise ValueError(f"array {name} of {array.dtype} {array.shape}, wanted {' or '.join(dtypes)} {sizes}")
    return array
