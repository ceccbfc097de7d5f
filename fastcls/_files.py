"""The one way to write a file: whole, or not at all. And digests, by which data is known again."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ._shown import reason, shown
from ._validation import InputError

_PIECE_BYTES = 1 << 24


@contextmanager
def replacing(path: str | os.PathLike[str], what: str) -> Iterator[Path]:
    """Give a new file beside `path` to be filled; at the end of the block it takes the place of `path`.

    At any moment `path` is the old file or the complete new one. An error or Ctrl-C inside the block leaves nothing
    behind. What cannot be written is refused on entry, so work may be done inside.

    Parameters
    ----------
    path : str or path
        Through a symbolic link: the link stays one.
    what : str
        What is written, for the refusal: "the model".

    Raises
    ------
    InputError
        If `path` is a folder, its folder is missing, or that folder cannot be written.
    """
    target = Path(os.path.realpath(os.fspath(path)))
    if os.path.isdir(target):
        raise InputError(f"cannot write {what} to {shown(path)}: it is a folder; give the name of a file")
    if not os.path.isdir(target.parent):
        raise InputError(f"cannot write {what} to {shown(path)}: there is no such folder; create it first")
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        # Made here, with the permissions any new file gets, so that nobody's file is written over.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise InputError(f"cannot write {what} to {shown(path)}: {reason(error)}; choose another place") from None
    try:
        os.close(descriptor)
        yield beside
        _flush_to_disk(beside, os.O_RDWR)
        os.replace(beside, target)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(f"cannot write {what} to {shown(path)}: {reason(error)}; make room on the disk") from None
    finally:
        beside.unlink(missing_ok=True)
    if os.name == "posix":  # the rename itself; elsewhere folders cannot be opened
        _flush_to_disk(target.parent, os.O_RDONLY)


def _flush_to_disk(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(*chunks: np.ndarray) -> str:
    """Type, shape and bytes of an array, or of one in chunks of its rows, in 32 hexadecimal digits."""
    found = hashing(chunks)
    for piece in pieces(chunks):
        found.update(piece)
    return found.hexdigest()


def hashing(chunks: Sequence[np.ndarray]) -> hashlib.blake2b:
    """The start of `digest`, which knows type and shape; all `pieces` are to follow."""
    first = chunks[0]
    shape = first.shape if len(chunks) == 1 else (sum(map(len, chunks)), *first.shape[1:])
    return hashlib.blake2b(f"{first.dtype.str} {shape}".encode(), digest_size=16)


def pieces(chunks: Sequence[np.ndarray]) -> Iterator[memoryview]:
    """The bytes of arrays in C order, some 16 MB at a time: of a memory map one piece after the other is read."""
    for array in chunks:
        rows = array[None] if array.ndim == 0 else array
        step = max(1, _PIECE_BYTES // max(1, rows.nbytes // max(1, len(rows))))
        for first in range(0, len(rows), step):
            yield np.ascontiguousarray(rows[first : first + step]).view(np.uint8).data
