"""Zarr arrays, of format 2 and 3, in a folder: one array, or a group of X and y (needs the extra ``zarr``).

What a stranger's array says of itself is read here, as plain JSON, before the zarr package sees it: format 2 lets an array
name the codec ``pickle``, which runs whatever its chunks say. Only codecs of `_CODECS` are let through.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._runtime import memory
from fastcls._validation.errors import InputError
from fastcls._validation.messages import reason, shown
from fastcls.datasets._arrays import _assemble, _given_labels, _names_among
from fastcls.datasets._common import existing_path, file_size, name_of, note_left_out, noting
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._zarr_chunks import check_chunks, check_files

_HEADS = ("zarr.json", ".zarray", ".zgroup")
_HEAD_BYTES = 1 << 20
_PART_BYTES = 1 << 26
_MOST_TEXT = 1 << 24  # bytes of a chunk of labels

#: Codecs that turn bytes into bytes or numbers, and nothing else; names of format 2, then of format 3.
_CODECS = {
    "blosc",
    "zlib",
    "gzip",
    "bz2",
    "lzma",
    "zstd",
    "lz4",
    "delta",
    "shuffle",
    "crc32",
    "adler32",
    "vlen-utf8",
    "bytes",
    "transpose",
    "crc32c",
    "sharding_indexed",
}


def is_zarr(path: Path) -> bool:
    """Tell whether `path` is a folder that holds a zarr array or group."""
    return any((path / head).is_file() for head in _HEADS)


@noting
def load_zarr(path: str | os.PathLike[str], *, labels: Any = None) -> Dataset:
    """Load a zarr group, or an array with labels, into memory.

    For arrays larger than that there is `zarr_parts`.

    Parameters
    ----------
    path : path
        The folder of a group with the arrays ``X, y[, X_test, y_test]`` (or the other names that ``load_npz`` knows), and
        ``class_names`` and ``image_shape`` among its attributes, if it has them; or of one array, with `labels`.
    labels : path or array-like, optional
        Training labels in place of the group's own.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If arrays are missing, hold objects, lack chunks, do not fit into memory or each other, or zarr is not installed.
    """
    folder = existing_path(path, wanted="the folder of a zarr group or array")
    if _head(folder)["node_type"] == "array":
        if labels is None:
            raise InputError(
                f"{shown(folder)} is one zarr array without labels; give labels=, or a group of X and y", argument="labels"
            )
        return _assemble(_read(folder), _given_labels(labels), name=name_of(folder).removesuffix(".zarr"))
    there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and is_zarr(entry))
    names = _X, _y, _X_test, _y_test = _names_among(there, folder, labels, "zarr arrays")
    note_left_out(name_of(folder), [name for name in there if name not in names], ", ".join(n for n in names if n in there))
    attributes = _head(folder)["attributes"]
    tested = _X_test in there
    return _assemble(
        _read(folder / _X),
        _read(folder / _y) if labels is None else _given_labels(labels),
        _read(folder / _X_test) if tested else None,
        _read(folder / _y_test) if tested else None,
        class_names=attributes.get("class_names"),
        image_shape=attributes.get("image_shape"),
        name=name_of(folder).removesuffix(".zarr"),
    )


def zarr_parts(path: str | os.PathLike[str], *, part_bytes: int = _PART_BYTES) -> Iterator[np.ndarray]:
    """Rows of a zarr array, part after part: an iterator for ``protocols.knn_eval``, or for calls of ``partial_fit``.

    Parameters
    ----------
    path : path
        The folder of the array (of a group: ``group.zarr/X``), whose first dimension is rows.
    part_bytes : int
        About so many bytes a part; always whole chunks, so that none is unpacked twice.

    Yields
    ------
    ndarray of shape (n_rows_of_part, n_features)
        Images (n, h, w[, c]) as rows of so many features.

    Raises
    ------
    InputError
        As ``load_zarr``.

    Examples
    --------
    >>> for rows in zarr_parts("embeddings.zarr/X"):  # doctest: +SKIP
    ...     model.partial_fit(rows, y[done : done + len(rows)])
    """
    folder = existing_path(path, wanted="the folder of a zarr array")
    array = _open(folder)
    row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    rows = (getattr(array, "shards", None) or array.chunks)[0]
    step = max(1, part_bytes // (row_bytes * rows)) * rows

    def parts() -> Iterator[np.ndarray]:
        for first in range(0, array.shape[0], step):
            part = _taken(array, first, first + step, folder)
            yield part.reshape(len(part), -1)

    return parts()


def _head(folder: Path) -> dict[str, Any]:
    """What a node says of itself, of either format: format, node_type, dtype, codecs, attributes."""
    try:
        return _told(folder)
    except (AttributeError, TypeError, RecursionError) as error:  # JSON of another shape than it should have
        raise _damaged(folder, reason(error)) from None


def _told(folder: Path) -> dict[str, Any]:
    name = next((head for head in _HEADS if (folder / head).is_file()), None)
    if name is None:
        raise InputError(f"{shown(folder)} is no zarr array or group: it has none of {', '.join(_HEADS)}")
    told = _json(folder / name)
    if name == "zarr.json":
        attributes, codecs = told.get("attributes"), _codecs_3(told.get("codecs", []), folder)
        kind, dtype = told.get("node_type"), told.get("data_type")
    else:
        kept = folder / ".zattrs"
        attributes, codecs = _json(kept) if kept.is_file() else {}, _codecs_2(told, folder)
        kind, dtype = "array" if name == ".zarray" else "group", told.get("dtype")
    for codec in codecs:
        if codec not in _CODECS:
            raise InputError(
                f"{shown(folder)} is packed with the codec {shown(codec)}, which is not read (it may run code); wanted one "
                f"of {', '.join(sorted(_CODECS))}: write it again"
            )
    if kind not in ("array", "group"):
        raise _damaged(folder, f"node_type {shown(kind)}")
    return {
        "format": 3 if name == "zarr.json" else 2,
        "node_type": kind,
        "dtype": dtype,
        "codecs": codecs,
        "attributes": attributes if isinstance(attributes, dict) else {},
    }


def _json(path: Path) -> dict[str, Any]:
    if file_size(path) > _HEAD_BYTES:
        raise InputError(f"{shown(path)} is larger than {_HEAD_BYTES:,} bytes; wanted what a zarr array says of itself")
    try:
        told = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, reason(error)) from None
    if not isinstance(told, dict):
        raise _damaged(path, "it is no JSON object")
    return told


def _codecs_2(told: dict[str, Any], folder: Path) -> list[str]:
    filters = told.get("filters") or []
    if not isinstance(filters, list):
        raise _damaged(folder, "filters that are no list")
    given = [codec for codec in [*filters, told.get("compressor")] if codec is not None]
    return [str(codec.get("id")) if isinstance(codec, dict) else str(codec) for codec in given]


def _codecs_3(given: Any, folder: Path) -> list[str]:
    """Names of codecs, those inside a shard too."""
    if not isinstance(given, list):
        raise _damaged(folder, "codecs that are no list")
    found = []
    for codec in given:
        name, inner = (codec, {}) if isinstance(codec, str) else (codec.get("name"), codec.get("configuration") or {})
        found.append(str(name))
        for kind in ("codecs", "index_codecs"):
            found += _codecs_3(inner.get(kind, []), folder)
    return found


def _of_shards(folder: Path) -> tuple[list[str], list[str]]:
    """The codecs of the chunks in a shard and of its index, where shards are not packed once more, and end with it."""
    try:
        given = _json(folder / "zarr.json")["codecs"]
        inside = given[0]["configuration"]
        if len(given) > 1 or inside.get("index_location", "end") != "end":
            raise InputError(f"{shown(folder)} has shards that are packed, or begin with their index; write it again")
        return _codecs_3(inside["codecs"], folder), _codecs_3(inside["index_codecs"], folder)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:  # as in `_head`
        raise _damaged(folder, reason(error)) from None


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{shown(path)} is no sound zarr metadata ({what}); write it again")


def _open(folder: Path) -> Any:
    """The array in a folder, of which nothing but its metadata was read."""
    head = _head(folder)
    if head["node_type"] != "array":
        raise InputError(f"{shown(folder)} is a zarr group; wanted an array: give the folder of one, {shown(folder / 'X')}")
    text = "vlen-utf8" in head["codecs"]
    if not text and str(head["dtype"]).lstrip("|<>=").startswith("O"):
        raise InputError(f"{shown(folder)} holds Python objects; wanted a plain array of numbers, or of strings for labels")
    try:
        import zarr
    except ImportError:
        raise InputError("reading zarr needs zarr, which is not installed; pip install 'fastcls[zarr]'") from None
    check_files(folder)
    try:
        # the format by name: beside what was read here there may be another format's
        array = zarr.open_array(str(folder), mode="r", zarr_format=head["format"])
        n_stored, n_chunks = array.nchunks_initialized, array.nchunks
    except Exception as error:  # whatever a stranger's metadata makes of it
        raise _damaged(folder, reason(error)) from None
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"{shown(folder)} is empty: shape {array.shape}; wanted at least one row")
    if not memory.has_room(math.prod(array.chunks) * array.dtype.itemsize):
        raise InputError(f"{shown(folder)} has chunks of {array.chunks}, more than there is memory for; write smaller ones")
    if n_stored != n_chunks:  # zarr would make them up of its fill value
        raise InputError(f"{shown(folder)} has {n_stored:,} of its {n_chunks:,} chunks; copy or write it whole")
    return array


def _read(folder: Path) -> np.ndarray:
    array = _open(folder)
    if not memory.has_room(array.nbytes):
        raise InputError(
            f"{shown(folder)} takes {array.nbytes:,} bytes, more than there is memory for; read it in parts with "
            "fastcls.datasets.zarr_parts, or keep it as .npy, which is memory-mapped"
        )
    values = _taken(array, 0, array.shape[0], folder)
    return np.array([str(label) for label in values.tolist()]) if values.dtype.kind in "OT" else values


def _taken(array: Any, first: int, stop: int, folder: Path) -> np.ndarray:
    codecs, size = _head(folder)["codecs"], math.prod(array.chunks)
    # Text has no size of its own; a filter may have made the numbers wider.
    most = max(_MOST_TEXT, 64 * size) if "vlen-utf8" in codecs else max(array.dtype.itemsize, 8) * size + 4096
    shards = getattr(array, "shards", None)
    rows = (shards or array.chunks)[0]
    files = first // rows, -(-stop // rows)
    if shards is None:
        check_chunks(folder, codecs, *files, most)
    else:
        inner, index = _of_shards(folder)
        check_chunks(folder, inner, *files, most, a_shard=math.prod(shards) // size, index_codecs=index)
    try:
        return np.asarray(array[first:stop])
    except Exception as error:  # a chunk that is cut short, or no longer there
        raise InputError(f"{shown(folder)} has chunks that cannot be read ({reason(error)}); write it again") from None
