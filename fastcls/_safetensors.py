"""Reading safetensors files of strangers: a header of text, arrays as memory maps; nothing is run."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping

import numpy as np
import safetensors

from ._shown import reason, shown
from ._validation import InputError

#: Larger arrays stay on disk when a model is loaded. Below, a copy costs less than keeping the file open.
MAPPED_FROM_BYTES = 1 << 20

#: Types of arrays a file may hold, by safetensors' name.
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


def read_header(path: str | os.PathLike[str], wanted: str) -> dict[str, str]:
    """The text part of the header; safetensors checks it against the bytes there are. `wanted` is what should be given."""
    try:
        with open(path, "rb"):  # for its reason: safetensors has one message for all of these
            pass
    except OSError as error:
        raise InputError(f"cannot open {shown(path)}: {reason(error)}; give {wanted}") from None
    try:
        with safetensors.safe_open(os.fspath(path), framework="np") as opened:
            return dict(opened.metadata() or {})
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{shown(path)} is not a whole safetensors file ({reason(error)}); it was truncated, damaged, or is "
            f"something else: give {wanted}"
        ) from None


def read_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Every array of a file whose header safetensors has checked: large ones as views of one read-only memory map."""
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    (length,) = struct.unpack("<Q", whole[:8].tobytes())
    described = json.loads(whole[8 : 8 + length].tobytes())
    described.pop("__metadata__", None)
    arrays = {}
    for name, entry in described.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"array {name} has type {entry['dtype']}")
        mapped = whole[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        keep = end - begin >= MAPPED_FROM_BYTES and mapped.flags.aligned and mapped.dtype.isnative
        arrays[name] = mapped if keep else np.array(mapped, dtype=mapped.dtype.newbyteorder("="))
    return arrays


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
