"""MNIST, Fashion-MNIST, KMNIST and EMNIST in Yann LeCun's IDX files.

An IDX file of bytes is a big-endian magic number (0, 0, 8, number of dimensions), one big-endian uint32 per dimension,
and the bytes, last dimension fastest. Source: http://yann.lecun.com/exdb/mnist/ .
"""

from __future__ import annotations

import gzip
import logging
import math
import os
import re
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from fastcls._runtime import memory
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted
from fastcls.datasets._common import (
    damaged,
    entries,
    existing_path,
    file_size,
    is_plain_file,
    name_of,
    note,
    note_left_out,
    noting,
)
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import recipe_for

# Names in use: with '.' or '_' for '-', 'test' for 't10k', in capitals, without the ending.
_NAME = re.compile(
    r"(emnist-(?P<set>[a-z]+)-)?(?P<part>train|t10k|test)"
    r"[-_. ](?P<kind>images?|labels?)(?P<mark>[-_. ]idx[13]([-_. ]u?byte)?|[-_. ]u?byte)?"
    r"(?P<packed>\.gz)?",
    re.IGNORECASE,
)
_PUBLISHED = re.compile(r"(train|t10k)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")
_MARK = re.compile(r"idx[123]|[-_. ]ubyte|(images|labels)([-_. ]\d*)?(\.gz)?$", re.IGNORECASE)
_IGNORED = (".part", ".md5", ".sha256", ".txt")
_WANTED = "a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte (and t10k-...), gzipped or not"
# Deflate expands a byte to at most 1,032 (RFC 1951: 258 bytes from 2 bits); a header that states more is wrong.
_DEFLATE_RATIO = 1032


#: EMNIST's sets -> names of their classes, from the first label on (Cohen et al. 2017, table 2); 'letters' begins at label 1
_DIGITS, _CAPITALS = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MERGED = _DIGITS + _CAPITALS + "abdefghnqrt"
_EMNIST = {
    **dict.fromkeys(("mnist", "digits"), _DIGITS),
    "letters": _CAPITALS,
    **dict.fromkeys(("balanced", "bymerge"), _MERGED),
    "byclass": _DIGITS + _CAPITALS + _CAPITALS.lower(),
}


def set_of(path: Path) -> str | None:
    """The set of EMNIST that a file, or the only one that the files of a folder, belong to; None for other data.

    Raises
    ------
    InputError
        If a folder has files of several sets.
    """
    names = [path.name] if path.is_file() else [entry.name for entry in entries(path)]
    matches = [match for name in names if (match := _NAME.fullmatch(name))]
    found = sorted({(match["set"] or "").lower() for match in matches})
    if len(found) > 1 and any(found):
        listed = ", ".join(quoted(name) if name else "MNIST" for name in found)
        raise InputError(f"{quoted(path)} has files of several data sets ({listed}): give the path of one of the files")
    return found[0] or None if found else None


def find_idx(folder: Path, which: str | None = None) -> tuple[dict[tuple[str, str], Path], list[str]]:
    """The files of a folder by part ('train', 'test') and kind ('images', 'labels'), and the names of those left out.

    `which` is the set of EMNIST; files of its other sets are not looked at.

    If there are several files of one part and kind, the published name is preferred, then the uncompressed file.
    """
    found: dict[tuple[str, str], list[tuple[tuple[bool, bool, bool, str], Path]]] = {}
    others = []
    for entry in entries(folder):
        if not entry.name.lower().endswith(_IGNORED) and is_plain_file(entry):
            name = _NAME.fullmatch(entry.name)
            if name is not None and (name["set"] or "").lower() != (which or ""):
                continue
            if name is not None and (name["mark"] or _is_idx(Path(entry.path))):
                part, kind = name["part"].lower(), name["kind"].lower().rstrip("s") + "s"
                rank = (part == "test", _PUBLISHED.fullmatch(entry.name) is None, bool(name["packed"]), entry.name)
                found.setdefault(("train" if part == "train" else "test", kind), []).append((rank, Path(entry.path)))
            elif _MARK.search(entry.name):
                others.append(entry.name)
    for candidates in found.values():
        candidates.sort()
        best = candidates[0][1]
        others += [path.name for _, path in candidates[1:] if path.name != f"{best.name}.gz" or _head(path) != _head(best)]
    return {place: candidates[0][1] for place, candidates in found.items()}, sorted(others)


def is_mnist(path: Path) -> bool:
    """Tell whether `path` is a folder of MNIST's IDX files, or one of these files."""
    if path.is_file():
        name = _NAME.fullmatch(path.name)
        return name is not None and bool(name["mark"] or _is_idx(path))
    return path.is_dir() and any(
        name is not None and (name["mark"] or _is_idx(Path(entry.path)))
        for entry in entries(path)
        if is_plain_file(entry) and not entry.name.lower().endswith(_IGNORED)
        for name in [_NAME.fullmatch(entry.name)]
    )


def _is_idx(path: Path) -> bool:
    """Tell by its first bytes whether a file is IDX of images or labels, gzipped or not."""
    return _head(path)[:4] in (b"\0\0\x08\x03", b"\0\0\x08\x01")


def _head(path: Path) -> bytes:
    """The magic number and dimensions at the start of a file, gzipped or not; empty if it cannot be read."""
    try:
        with path.open("rb") as raw:
            file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if _is_packed(path) else raw
            return file.read(16)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_packed(path: Path) -> bool:
    """Tell by its content whether a file is gzipped: a browser may have unpacked a .gz and kept its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@noting
def load_mnist(path: str | os.PathLike[str]) -> Dataset:
    """Load MNIST, Fashion-MNIST, KMNIST or a set of EMNIST from their four IDX files.

    Parameters
    ----------
    path : path
        The folder, or one of its files. File names are the published ones (``train-images-idx3-ubyte``), or have '.' or '_'
        for '-', no ending, or ``test`` for ``t10k``. Files may be gzipped; an uncompressed file is preferred and
        memory-mapped. Without the two files of ``t10k`` or ``test`` there is no test set. Other IDX files
        (``val-images-...``) are left out and noted in ``Dataset.notes``. Of a folder with several sets of EMNIST, give one
        of the files of a set.

    Returns
    -------
    Dataset
        X uint8 of shape (n, h * w), image_shape (h, w, 1), class names '0' to '9', or the characters of EMNIST, whose images
        are stored transposed and are turned upright in memory.

    Raises
    ------
    InputError
        If a file is missing; its magic number, dimensions or size are wrong; the numbers of images and labels differ; or a
        label is not one of the classes.
    """
    folder = existing_path(path, wanted=_WANTED)
    which = set_of(folder)
    if which is not None and which not in _EMNIST:
        raise InputError(f"{quoted(folder)} is the set {quoted(which)} of EMNIST, which is not known: {_WANTED}")
    if folder.is_file():
        folder = folder.parent
    files, others = find_idx(folder, which)
    if which is not None:
        note("EMNIST's images are stored transposed; they were turned upright", level=logging.INFO)
    X, y, shape = _load_part(folder, files, "train", which)
    X_test = y_test = None
    if ("test", "images") in files or ("test", "labels") in files:
        X_test, y_test, test_shape = _load_part(folder, files, "test", which)
        if test_shape != shape:
            raise InputError(f"{quoted(folder)}: training images are {shape} and test images {test_shape}: give one shape")
    note_left_out(name_of(folder), others, " and ".join(sorted(path.name for path in files.values())))
    return Dataset(
        X,
        y,
        X_test,
        y_test,
        class_names=tuple(_DIGITS if which is None else _EMNIST[which]),
        image_shape=(*shape, 1),
        preprocessing=recipe_for((*shape, 1)),
        name=name_of(folder),
    )


def _load_part(
    folder: Path, files: dict[tuple[str, str], Path], part: str, which: str | None
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    images, labels = files.get((part, "images")), files.get((part, "labels"))
    if images is None or labels is None:
        there = images or labels
        start = "train" if part == "train" else "test" if there and there.name.lower().startswith("test") else "t10k"
        missing = f"{start}-images-idx3-ubyte" if images is None else f"{start}-labels-idx1-ubyte"
        raise InputError(f"{quoted(folder)} has no {missing} (or {missing}.gz): give {_WANTED}")
    n_images, n_labels = idx_shape(images, 3)[0], idx_shape(labels, 1)[0]
    if n_images != n_labels:  # known from the headers, before anything is unpacked
        raise InputError(
            f"{quoted(images)} has {counted(n_images, 'image')} and {quoted(labels)} has {counted(n_labels, 'label')}; "
            "give one label per image"
        )
    pixels, codes = read_idx(images, 3), read_idx(labels, 1)
    first = 1 if which == "letters" else 0
    last = first + len(_DIGITS if which is None else _EMNIST[which]) - 1
    if codes.max() > last or codes.min() < first:
        row = int(np.argmax((codes > last) | (codes < first)))
        raise InputError(f"{quoted(labels)} has the label {codes[row]} at row {row}; wanted labels {first} to {last}")
    codes = codes - np.uint8(first)
    if which is not None:
        if not memory.fits(pixels.size):
            raise InputError(f"{quoted(images)} has {pixels.size:,} bytes of pixels, more than the free memory")
        pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1))
    n, h, w = pixels.shape
    return pixels.reshape(n, h * w), codes.astype(np.int64), (h, w)


def read_idx(path: Path, n_dims: int) -> np.ndarray:
    """Read one IDX file of bytes with `n_dims` dimensions: a read-only memory map, or an array if it is gzipped.

    Raises
    ------
    InputError
        If the file is not IDX, has another type or number of dimensions, is empty, or has too few or too many bytes.
    """
    shape = idx_shape(path, n_dims)
    offset = 4 + 4 * n_dims
    if not _is_packed(path):
        return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape)
    try:
        with _opened(path) as file:
            file.read(offset)
            return _read_bytes(file, path, math.prod(shape)).reshape(shape)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, error) from None


def idx_shape(path: Path, n_dims: int) -> tuple[int, ...]:
    """The shape in the header of an IDX file; nothing else is read. Errors as for `read_idx`."""
    size = file_size(path)
    try:
        with _opened(path) as file:
            shape = _read_header(file, path, n_dims)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, error) from None
    expected, offset = math.prod(shape), 4 + 4 * n_dims
    if not _is_packed(path):
        if size != offset + expected:
            _refuse_size(path, shape, size - offset, expected)
    elif expected > _DEFLATE_RATIO * size:
        raise InputError(
            f"{quoted(path)}: the header states {expected:,} bytes, more than {size:,} compressed bytes can hold: download "
            "it again"
        )
    return shape


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path) if _is_packed(path) else path.open("rb"))


def _read_header(file: IO[bytes], path: Path, n_dims: int) -> tuple[int, ...]:
    head = file.read(4 + 4 * n_dims)
    if len(head) < 4 + 4 * n_dims:
        raise InputError(
            f"{quoted(path)} is truncated to {counted(len(head), 'byte')}, less than an IDX header of {4 + 4 * n_dims}: "
            "download it again"
        )
    magic, *shape = struct.unpack(f">{1 + n_dims}I", head)
    if magic != 0x0800 + n_dims:
        raise InputError(
            f"{quoted(path)} starts with 0x{magic:08x}; wanted 0x{0x0800 + n_dims:08x}, an IDX file of bytes with "
            f"{counted(n_dims, 'dimension')}: download it again"
        )
    if min(shape) == 0:
        raise InputError(f"{quoted(path)} is empty (dimensions {tuple(shape)}): download it again")
    return tuple(shape)


def _read_bytes(file: IO[bytes], path: Path, expected: int) -> np.ndarray:
    if not memory.fits(expected):
        raise InputError(
            f"{quoted(path)} expands to {expected:,} bytes, more than the free memory: unpack it with gunzip, so that it is "
            "memory-mapped"
        )
    content = np.empty(expected, dtype=np.uint8)
    view, done = content.data, 0
    while done < expected:
        # in blocks: one read of everything would allocate it before it finds the end
        got = file.readinto(view[done : done + (1 << 20)])  # type: ignore[attr-defined]
        if not got:
            _refuse_size(path, None, done, expected)
        done += got
    if file.read(1):
        _refuse_size(path, None, expected + 1, expected)
    return content


def _refuse_size(path: Path, shape: tuple[int, ...] | None, got: int, expected: int) -> None:
    of = f" of {'x'.join(map(str, shape))}" if shape else ""
    what = (
        f"truncated: it has {counted(got, 'byte')}" if got < expected else f"too long: it has {counted(got, 'byte')} or more"
    )
    raise InputError(f"{quoted(path)} is {what} of data, but its header{of} states {expected:,}: download it again")
