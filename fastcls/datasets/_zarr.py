"""Zarr arrays of format 2 and 3 in a folder, opened so that nothing in them is executed (needs the extra ``zarr``).

The metadata of an array is read here, as plain JSON, before the zarr package sees it: an array of format 2 may name the
codec ``pickle``, which executes what its chunks say. Only the codecs of `_CODECS` are let through. ``_zarr_chunks.py``
compares what a chunk expands to with its shape before zarr unpacks it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fastcls._runtime import memory
from fastcls._validation.errors import InputError, is_of_caller
from fastcls._validation.messages import quoted, reason
from fastcls.datasets._common import file_size
from fastcls.datasets._zarr_chunks import Chunks, check_chunks, check_files

_HEADS = ("zarr.json", ".zarray", ".zgroup")
_MAX_HEAD_BYTES = 1 << 20
_MAX_TEXT_BYTES = 1 << 24  # of a chunk of labels

#: Codecs that turn bytes into bytes or numbers, and do nothing else; names of format 2 and of format 3.
_CODECS = frozenset(
    (
        *("blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "delta", "shuffle", "crc32", "adler32", "vlen-utf8"),
        *("bytes", "transpose", "crc32c", "sharding_indexed"),
    )
)


def is_zarr(path: Path) -> bool:
    """Tell whether `path` is a folder that holds a zarr array or group."""
    return any((path / head).is_file() for head in _HEADS)


class Head(NamedTuple):
    """The metadata of a zarr array or group, of either format."""

    format: Literal[2, 3]
    node: Any  # 'array' or 'group'
    dtype: str
    codecs: Any
    attributes: Any


def read_head(folder: Path) -> Head:
    """Read the metadata in a folder.

    Raises
    ------
    InputError
        If the metadata is missing or damaged, or names a codec that may execute code.
    """
    name = next((head for head in _HEADS if (folder / head).is_file()), None)
    if name is None:
        raise InputError(
            f"{quoted(folder)} is not a zarr array or group: it has none of {', '.join(_HEADS)}; give the folder of one"
        )
    found = _json(folder / name)
    if name == "zarr.json":
        head = Head(3, found.get("node_type"), str(found.get("data_type")), found.get("codecs"), found.get("attributes"))
    else:
        filters, compressor, kept = found.get("filters") or [], found.get("compressor"), folder / ".zattrs"
        codecs = [*filters, *([] if compressor is None else [compressor])] if isinstance(filters, list) else filters
        attributes = _json(kept) if kept.is_file() else {}
        head = Head(2, "array" if name == ".zarray" else "group", str(found.get("dtype")), codecs, attributes)
    if head.node not in ("array", "group"):
        raise _damaged(folder, f"node_type {quoted(head.node)}")
    try:
        _check_codecs(head.codecs or [], folder)
    except (AttributeError, TypeError, RecursionError) as error:  # JSON of another structure than it should have
        raise _damaged(folder, reason(error)) from None
    return head._replace(codecs=head.codecs or [], attributes=head.attributes if isinstance(head.attributes, dict) else {})


def _json(path: Path) -> dict[str, Any]:
    if file_size(path) > _MAX_HEAD_BYTES:
        raise InputError(f"{quoted(path)} is larger than {_MAX_HEAD_BYTES:,} bytes: write the metadata of the array again")
    try:
        head = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, reason(error)) from None
    if not isinstance(head, dict):
        raise _damaged(path, "not a JSON object")
    return head


def _name(codec: Any) -> str:
    """The name of a codec: 'id' in format 2, 'name' in format 3. A codec with both has no name that is let through."""
    return codec if isinstance(codec, str) else " and ".join(str(codec[key]) for key in ("id", "name") if key in codec)


def _check_codecs(codecs: list[Any], folder: Path) -> None:
    """Refuse codecs that are not on the list, also inside shards."""
    for codec in codecs:
        if _name(codec) not in _CODECS:
            raise InputError(
                f"{quoted(folder)} is packed with the codec {quoted(_name(codec))}, which may execute code and is not read: "
                f"write the array again with one of {', '.join(sorted(_CODECS))}"
            )
        if isinstance(codec, dict):
            inside = codec.get("configuration") or {}
            for kind in ("codecs", "index_codecs"):
                _check_codecs(inside.get(kind, []), folder)


def _chunks_of(folder: Path, head: Head, array: Any) -> Chunks:
    """How the chunks of an array are packed and stored in files."""
    names = [_name(codec) for codec in head.codecs]
    size = math.prod(array.chunks)
    # text has no size of its own; a filter may have made the numbers wider
    most = max(_MAX_TEXT_BYTES, 64 * size) if "vlen-utf8" in names else max(array.dtype.itemsize, 8) * size + 4096
    if array.shards is None:
        return Chunks(folder, names, most)
    try:
        (shard,) = head.codecs  # a shard that is compressed again has more codecs
        inside = shard["configuration"]
        if inside.get("index_location", "end") != "end":
            raise ValueError("the index is not at the end")
        names, index = ([_name(codec) for codec in inside[key]] for key in ("codecs", "index_codecs"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{quoted(folder)} has shards of an unknown structure ({reason(error)}): write it again") from None
    return Chunks(folder, names, most, math.prod(array.shards) // size, index)


class _ZarrArray:
    """A zarr array whose chunks are checked before zarr unpacks them."""

    def __init__(self, array: Any, chunks: Chunks) -> None:
        self.shape, self.dtype, self.chunks, self.shards = array.shape, array.dtype, array.chunks, array.shards
        self._array, self._chunks = array, chunks

    def __getitem__(self, rows: slice) -> np.ndarray:
        n = (self.shards or self.chunks)[0]
        check_chunks(self._chunks, rows.start // n, -(-rows.stop // n))
        try:
            values = np.asarray(self._array[rows])
        except Exception as error:  # a chunk that is cut short, or no longer there
            if is_of_caller(error):
                raise
            raise InputError(
                f"{quoted(self._chunks.folder)} has chunks that cannot be read ({reason(error)}): write it again"
            ) from None
        return np.array([str(label) for label in values.tolist()]) if values.dtype.kind in "OT" else values


def open_zarr(folder: Path) -> _ZarrArray:
    """Open the array in a folder; only its metadata is read.

    Raises
    ------
    InputError
        If it is no array, is empty, holds objects, lacks chunks, has chunks larger than the free memory, or zarr is not
        installed.
    """
    head = read_head(folder)
    if head.node != "array":
        raise InputError(f"{quoted(folder)} is a zarr group; give the folder of an array, such as {quoted(folder / 'X')}")
    if head.dtype.lstrip("|<>=").startswith("O") and "vlen-utf8" not in map(_name, head.codecs):
        raise InputError(f"{quoted(folder)} holds Python objects: write it as an array of numbers, or of strings for labels")
    try:
        import zarr
    except ImportError:
        raise InputError("reading zarr needs zarr, which is not installed: pip install 'fastcls[zarr]'") from None
    check_files(folder)
    try:
        # the format is given because the metadata of another format may be in the folder, which was not checked
        array = zarr.open_array(str(folder), mode="r", zarr_format=head.format)
        n_stored, n_chunks = array.nchunks_initialized, array.nchunks
    except Exception as error:  # metadata of unknown origin can make zarr fail in any way
        if is_of_caller(error):
            raise
        raise _damaged(folder, reason(error)) from None
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{quoted(folder)} is empty: its shape is {array.shape}; give an array with at least one row")
    if not memory.fits(math.prod(array.chunks) * array.dtype.itemsize):
        raise InputError(f"{quoted(folder)} has chunks of {array.chunks}, more than the free memory: write smaller chunks")
    if n_stored != n_chunks:  # zarr would fill the others with its fill value
        raise InputError(f"{quoted(folder)} has {n_stored:,} of its {n_chunks:,} chunks: copy or write all of it")
    return _ZarrArray(array, _chunks_of(folder, head, array))


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"the zarr metadata of {quoted(path)} is damaged ({what}): write it again")
