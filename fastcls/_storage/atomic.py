"""The one way to write a file: whole, or not at all, and never over an input. And digests, by which data is known again."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason

_PIECE_BYTES = 1 << 24


@contextmanager
def replacing(
    path: str | os.PathLike[str], what: str, *, inputs: Iterable[str | os.PathLike[str]] = (), is_model: bool = False
) -> Iterator[Path]:
    """Give a new file beside `path` to be filled; at the end of the block it takes the place of `path`.

    At any moment `path` is the old file or the complete new one. An error or Ctrl-C inside the block leaves nothing
    behind. What cannot be written is refused on entry, so work may be done inside.

    A device, a pipe or one of this process's open files (``/dev/stdout``) is never replaced: what was filled is written into
    it at the end.

    Parameters
    ----------
    path : str or path
        Through a symbolic link: the link stays one.
    what : str
        What is written, for the refusal: "the model".
    inputs : paths
        Files that are read, which may not be written over, whatever names and links lead to them.
    is_model : bool
        Only a model may take the place of a model.

    Raises
    ------
    InputError
        If `path` is or names a folder, a disk, a socket, an input, a pipe without a reader, or a model that is not to be
        replaced; if its folder is missing, or that folder cannot be written.
    """
    cannot = f"cannot write {what} to {quoted(path)}"
    if os.path.basename(os.fspath(path)) in ("", ".", ".."):  # "x/" too: the file x must not be taken for it
        raise InputError(f"{cannot}: that names a folder; give the name of a file")
    mode = _mode(path, cannot)
    for given in inputs:
        with suppress(OSError):
            if os.path.samefile(path, given):
                raise InputError(f"{cannot}: it is the same file as the input {quoted(given)}; name another file")
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"{cannot}: it is a folder; give the name of a file")
    if mode is not None and (not stat.S_ISREG(mode) or _is_open_file(path)):
        with _written_into(path, mode, cannot) as beside:
            yield beside
        return
    target = Path(os.path.realpath(os.fspath(path)))
    if mode is not None and not is_model and holds_model(target):
        raise InputError(f"{cannot}: it is a model of fastcls; name another file, or delete the model first")
    if not os.path.isdir(target.parent):
        raise InputError(f"{cannot}: there is no such folder; create it first")
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        # Made here, with the permissions any new file gets, so that nobody's file is written over.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise InputError(f"{cannot}: {reason(error)}; choose another place") from None
    try:
        os.close(descriptor)
        yield beside
        _flush_to_disk(beside, os.O_RDWR)
        mode = _mode(target, cannot)
        if mode is not None and not stat.S_ISREG(mode):  # it came while the block ran
            raise InputError(f"{cannot}: a folder, a pipe or a device has come there; name another file")
        _put_in_place(beside, target, cannot)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(f"{cannot}: {reason(error)}; make room on the disk") from None
    finally:
        beside.unlink(missing_ok=True)
    if os.name == "posix":  # the rename itself; elsewhere folders cannot be opened
        _flush_to_disk(target.parent, os.O_RDONLY)


def write_text(text: str, path: str | os.PathLike[str], what: str) -> None:
    """Write `text` to `path` in UTF-8: whole or not at all, and the old file stays until then."""
    with replacing(path, what) as beside:
        beside.write_text(text, encoding="utf-8")


def read_small(path: str | os.PathLike[str], most: int) -> bytes:
    """The content of a small file that a user's folder may hold: a regular one of at most `most` bytes.

    Raises
    ------
    OSError
        If it cannot be read, is a pipe or a device (which is not waited for), or is larger.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", os.fspath(path))
    return content


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether something is there that is written into, never replaced: a device, a pipe, an open file."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or _is_open_file(path))


def _mode(path: str | os.PathLike[str], cannot: str) -> int | None:
    """The kind of what is there, links followed; None where nothing is."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # links in a circle, a name too long or with a NUL
        raise InputError(f"{cannot}: {reason(error)}; choose another place") from None


def _is_open_file(path: str | os.PathLike[str]) -> bool:
    """Whether the name is that of an open file, as /dev/stdout is: it may have no other, or one it was opened by."""
    name = os.path.abspath(os.fsdecode(path))
    for _ in range(40):
        if os.path.realpath(os.path.dirname(name)).startswith("/proc/"):
            return True
        if not os.path.islink(name):
            return False
        name = os.path.join(os.path.dirname(name), os.readlink(name))
    return False


_MODEL = re.compile(rb'"format": ?"fastcls"')


def holds_model(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a model of fastcls does."""
    try:
        with open(path, "rb") as file:
            return _MODEL.search(file.read(1 << 16)) is not None
    except OSError:
        return False


def _put_in_place(beside: Path, target: Path, cannot: str) -> None:
    try:
        os.replace(beside, target)
    except PermissionError as error:  # Windows, while a process has the file mapped
        raise InputError(f"{cannot}: {reason(error)}; a program may be using it: name another file") from None


@contextmanager
def _written_into(path: str | os.PathLike[str], mode: int, cannot: str) -> Iterator[Path]:
    """A file in the temporary folder whose content goes, at the end, into what stands at `path`, which is opened at once."""
    if stat.S_ISSOCK(mode):
        raise InputError(f"{cannot}: it is a socket; give the name of a file")
    if stat.S_ISBLK(mode):
        raise InputError(f"{cannot}: it is a disk; give the name of a file")
    # A pipe without a reader would be waited for; with this flag the system says that there is none.
    waits_not = getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, os.O_WRONLY | waits_not | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(mode):
            raise InputError(f"{cannot}: no process reads from this pipe; start the reader first") from None
        raise InputError(f"{cannot}: {reason(error)}; choose another place") from None
    try:
        if waits_not:
            os.set_blocking(descriptor, True)
        with tempfile.TemporaryDirectory() as folder:
            beside = Path(folder, "content")
            beside.touch()
            yield beside
            try:
                with open(beside, "rb") as content, open(descriptor, "wb", buffering=0, closefd=False) as into:
                    while piece := content.read(_PIECE_BYTES):
                        _write_all(into, piece)
            except OSError as error:
                raise InputError(f"{cannot}: {reason(error)}, when part of it was written; choose another place") from None
    finally:
        os.close(descriptor)


def _write_all(into: RawIOBase, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[into.write(rest) or 0 :]


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
