"""MNIST and its drop-in successors (Fashion-MNIST, KMNIST) in Yann LeCun's IDX files.

An IDX file of bytes is a big-endian magic number (0, 0, 8, number of dimensions), one big-endian uint32 a dimension,
then the bytes, last dimension fastest. Source: http://yann.lecun.com/exdb/mnist/ .
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from fastcls._shown import counted, reason, shown
from fastcls._validation import InputError
from fastcls.datasets._common import existing_path, file_size, name_of
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import recipe_for

_IMAGES, _LABELS = ("images", 3), ("labels", 1)
_WANTED = "a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte (and t10k-...), gzipped or not"
# Deflate cannot expand a byte to more than 1,032 (RFC 1951: 258 bytes from 2 bits): a header that claims more lies.
_DEFLATE_RATIO = 1032


def find_idx(folder: Path, part: str, kind: tuple[str, int]) -> Path | None:
    """Return the file of one part ('train', 't10k') and kind, uncompressed before gzipped, or None."""
    what, n_dims = kind
    for ending in ("", ".gz"):
        for mark in ("-", "."):
            path = folder / f"{part}-{what}{mark}idx{n_dims}-ubyte{ending}"
            if path.is_file():
                return path
    return None


def is_mnist(path: Path) -> bool:
    """Tell whether `path` is a folder of MNIST's IDX files, or one of them."""
    if path.is_file():
        return "-ubyte" in path.name and path.name.startswith(("train-", "t10k-")) and is_mnist(path.parent)
    return any(find_idx(path, part, kind) for part in ("train", "t10k") for kind in (_IMAGES, _LABELS))


def load_mnist(path: str | os.PathLike[str]) -> Dataset:
    """Load MNIST, Fashion-MNIST or KMNIST from their four IDX files.

    Parameters
    ----------
    path : path
        The folder, or one of its files. Names as published (``train-images-idx3-ubyte``), with '.' for the '-' before
        'idx' too, gzipped or not; where both are there the uncompressed file is used, as a memory map. Without the two
        ``t10k`` files there is no test set.

    Returns
    -------
    Dataset
        X uint8 of shape (n, h * w), image_shape (h, w, 1), class names '0' to '9'.

    Raises
    ------
    InputError
        If a file is missing, its magic number, dimensions or byte count are wrong, counts differ, or a label is
        above 9.
    """
    folder = existing_path(path, wanted=_WANTED)
    if folder.is_file():
        folder = folder.parent
    X, y, shape = _load_part(folder, "train")
    X_test = y_test = None
    if find_idx(folder, "t10k", _IMAGES) or find_idx(folder, "t10k", _LABELS):
        X_test, y_test, test_shape = _load_part(folder, "t10k")
        if test_shape != shape:
            raise InputError(f"{shown(folder)}: training images are {shape}, test images {test_shape}; wanted one shape")
    return Dataset(
        X,
        y,
        X_test,
        y_test,
        class_names=tuple("0123456789"),
        image_shape=(*shape, 1),
        preprocessing=recipe_for((*shape, 1)),
        name=name_of(folder),
    )


def _load_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    images, labels = find_idx(folder, part, _IMAGES), find_idx(folder, part, _LABELS)
    if images is None or labels is None:
        missing = f"{part}-images-idx3-ubyte" if images is None else f"{part}-labels-idx1-ubyte"
        raise InputError(f"{shown(folder)} has no {missing} (or {missing}.gz); wanted {_WANTED}")
    pixels, codes = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(codes):
        raise InputError(
            f"{shown(images)} has {counted(len(pixels), 'image')} and {shown(labels)} has {counted(len(codes), 'label')}; "
            "wanted as many labels as images"
        )
    if codes.max() > 9:
        row = int(np.argmax(codes > 9))
        raise InputError(f"{shown(labels)}: label {codes[row]} at row {row}; wanted labels 0 to 9")
    n, h, w = pixels.shape
    return pixels.reshape(n, h * w), codes.astype(np.int64), (h, w)


def read_idx(path: Path, n_dims: int) -> np.ndarray:
    """Read one IDX file of bytes with `n_dims` dimensions: a read-only memory map, or an array if it is gzipped.

    Raises
    ------
    InputError
        If the file is not IDX, of another type or number of dimensions, empty, or a byte too short or too long.
    """
    size = file_size(path)
    try:
        with cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
            shape = _read_header(file, path, n_dims)
            expected = math.prod(shape)
            if path.suffix == ".gz":
                return _read_bytes(file, path, expected, size).reshape(shape)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{shown(path)} is damaged or truncated: {reason(error)}; download it again") from None
    offset = 4 + 4 * n_dims
    if size != offset + expected:
        _refuse_size(path, shape, size - offset, expected)
    return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape)


def _read_header(file: IO[bytes], path: Path, n_dims: int) -> tuple[int, ...]:
    head = file.read(4 + 4 * n_dims)
    if len(head) < 4 + 4 * n_dims:
        raise InputError(f"{shown(path)} is truncated: {len(head)} bytes; wanted an IDX header of {4 + 4 * n_dims}")
    magic, *shape = struct.unpack(f">{1 + n_dims}I", head)
    if magic != 0x0800 + n_dims:
        raise InputError(
            f"{shown(path)} starts with 0x{magic:08x}; wanted 0x{0x0800 + n_dims:08x}, "
            f"an IDX file of bytes with {n_dims} dimension{'s' * (n_dims > 1)}"
        )
    if min(shape) == 0:
        raise InputError(f"{shown(path)} is empty: dimensions {tuple(shape)}; wanted at least one in each")
    return tuple(shape)


def _read_bytes(file: IO[bytes], path: Path, expected: int, compressed: int) -> np.ndarray:
    if expected > _DEFLATE_RATIO * compressed:
        raise InputError(
            f"{shown(path)}: the header asks for {expected:,} bytes, more than {compressed:,} compressed bytes can "
            "hold; the file is truncated or its header wrong: download it again"
        )
    content = np.empty(expected, dtype=np.uint8)
    view, done = content.data, 0
    while done < expected:
        # In pieces, since a reader asked for everything at once allocates it before it finds the end.
        got = file.readinto(view[done : done + (1 << 20)])  # type: ignore[attr-defined]
        if not got:
            _refuse_size(path, None, done, expected)
        done += got
    if file.read(1):
        _refuse_size(path, None, expected + 1, expected)
    return content


def _refuse_size(path: Path, shape: tuple[int, ...] | None, got: int, expected: int) -> None:
    of = f" of {'x'.join(map(str, shape))}" if shape else ""
    what = f"truncated: {got:,} bytes" if got < expected else f"too long: at least {got:,} bytes"
    raise InputError(f"{shown(path)} is {what} of data; its header{of} wants exactly {expected:,}: download it again")
