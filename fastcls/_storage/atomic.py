"""Write a file completely or not at all, and never over an input."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls._validation.paths import check_path

_CHUNK_BYTES = 1 << 24


@contextmanager
def replacing(
    path: str | os.PathLike[str], what: str, *, inputs: Iterable[str | os.PathLike[str]] = (), is_model: bool = False
) -> Iterator[Path]:
    """Yield the path of a new, empty file next to `path`, which replaces `path` at the end of the block.

    At any moment `path` is the old file or the complete new one. An error or Ctrl-C inside the block leaves nothing
    behind. A path that cannot be written is refused on entry, before any work inside the block.

    A device, a pipe or one of this process's open files (``/dev/stdout``) is never replaced: the content is written into it
    at the end.

    Parameters
    ----------
    path : str or path
        A symbolic link stays a link; its target is replaced.
    what : str
        What is written, for error messages: "the model".
    inputs : paths
        Files that must not be replaced, under any name or link.
    is_model : bool
        Whether a model is written: only a model may replace a model.

    Raises
    ------
    InputError
        If `path` is a folder, a disk, a socket, an input, a pipe without a reader, or a model that must not be replaced; or
        if its folder is missing or cannot be written.
    """
    check_path(path, f"a file to write {what} to")
    cannot = f"cannot write {what} to {quoted(path)}"
    if os.path.basename(os.fspath(path)) in ("", ".", ".."):  # also "x/", which must not mean the file x
        raise InputError(f"{cannot}: that names a folder; give the name of a file")
    mode = _mode(path, cannot)
    for given in inputs:
        with suppress(OSError):
            if os.path.samefile(path, given):
                raise InputError(f"{cannot}: it is the same file as the input {quoted(given)}; name another file")
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"{cannot}: it is a folder; give the name of a file")
    if mode is not None and (not stat.S_ISREG(mode) or _is_open_file(path)):
        with _written_into(path, mode, cannot) as new_file:
            yield new_file
        return
    target = Path(os.path.realpath(os.fspath(path)))
    if mode is not None and not is_model and holds_model(target):
        raise InputError(f"{cannot}: it is a model of fastcls; name another file, or delete the model first")
    if not os.path.isdir(target.parent):
        raise InputError(f"{cannot}: there is no such folder; create it first")
    new_file = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    is_ours = True  # even before its descriptor is known: a signal handler may raise as soon as the file is there
    try:
        try:
            # O_EXCL: never an existing file. The mode gives it the permissions of any new file.
            descriptor = os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            is_ours = False
            raise InputError(f"{cannot}: {reason(error)}; write to another path") from None
        os.close(descriptor)
        yield new_file
        _flush_to_disk(new_file, os.O_RDWR)
        mode = _mode(target, cannot)
        if mode is not None and not stat.S_ISREG(mode):  # it was created while the block ran
            raise InputError(f"{cannot}: a folder, a pipe or a device was created there meanwhile; name another file")
        _put_in_place(new_file, target, cannot)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(f"{cannot}: {reason(error)}; free some space on the disk") from None
    finally:
        if is_ours:
            _remove(new_file)
    if os.name == "posix":  # flush the rename itself; other systems cannot open folders
        _flush_to_disk(target.parent, os.O_RDONLY)


def _remove(path: Path) -> None:
    """Delete a file if it is there, also if a signal handler raises meanwhile."""
    try:
        path.unlink(missing_ok=True)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_text(text: str, path: str | os.PathLike[str], what: str) -> None:
    """Write `text` to `path` in UTF-8: whole or not at all, and the old file stays until then."""
    with replacing(path, what) as new_file:
        new_file.write_text(text, encoding="utf-8")


def read_small(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a small file in a user's folder: a regular file of at most `most` bytes.

    Raises
    ------
    OSError
        If it cannot be read, is larger, or is a pipe or a device (which never blocks here).
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", os.fspath(path))
    return content


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is written into and never replaced: a device, a pipe or an open file."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or _is_open_file(path))


def _mode(path: str | os.PathLike[str], cannot: str) -> int | None:
    """File mode at `path`, with links followed; None if nothing exists there."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # circular links, a name that is too long or contains a NUL
        raise InputError(f"{cannot}: {reason(error)}; write to another path") from None


def _is_open_file(path: str | os.PathLike[str]) -> bool:
    """Whether `path` names an open file of this process, as /dev/stdout does."""
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
    """Whether a file starts like a fastcls model."""
    try:
        with open(path, "rb") as file:
            return _MODEL.search(file.read(1 << 16)) is not None
    except OSError:
        return False


def _put_in_place(new_file: Path, target: Path, cannot: str) -> None:
    try:
        os.replace(new_file, target)
    except PermissionError as error:  # Windows, while a process has the file mapped
        raise InputError(f"{cannot}: {reason(error)}; a program may be using it: name another file") from None


@contextmanager
def _written_into(path: str | os.PathLike[str], mode: int, cannot: str) -> Iterator[Path]:
    """Yield a temporary file whose content is written into `path` at the end; `path` is opened at once."""
    if stat.S_ISSOCK(mode):
        raise InputError(f"{cannot}: it is a socket; give the name of a file")
    if stat.S_ISBLK(mode):
        raise InputError(f"{cannot}: it is a disk; give the name of a file")
    # Opening a pipe without a reader blocks; with this flag it fails instead.
    nonblocking = getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, os.O_WRONLY | nonblocking | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(mode):
            raise InputError(f"{cannot}: no process reads from this pipe; start the reader first") from None
        raise InputError(f"{cannot}: {reason(error)}; write to another path") from None
    try:
        if nonblocking:
            os.set_blocking(descriptor, True)
        with tempfile.TemporaryDirectory() as folder:
            new_file = Path(folder, "content")
            new_file.touch()
            yield new_file
            try:
                with open(new_file, "rb") as content, open(descriptor, "wb", buffering=0, closefd=False) as into:
                    while chunk := content.read(_CHUNK_BYTES):
                        _write_all(into, chunk)
            except OSError as error:
                raise InputError(
                    f"{cannot}: {reason(error)} after part of the output was written; write to another path"
                ) from None
    finally:
        os.close(descriptor)


def _write_all(into: RawIOBase, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[into.write(rest) or 0 :]


def _flush_to_disk(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
