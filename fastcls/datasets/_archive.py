"""A .tar.gz read in one pass, into memory: nothing is unpacked to the disk, so no member can land anywhere."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls.datasets._common import file_size

ENDINGS = (".tar.gz", ".tgz", ".tar")
MOST_BYTES = 256 << 20  # of all that an archive expands to; the official ones of CIFAR are 186 million bytes


def is_archive(path: Path) -> bool:
    """Tell whether `path` is a file with the ending of a tar archive."""
    return path.is_file() and path.name.lower().endswith(ENDINGS)


def first_names(path: Path, count: int) -> list[str]:
    """Return the base names of an archive's first files; refuse it as ``read_archive`` does."""
    names: list[str] = []
    for member, _ in _members(path):
        names.append(PurePosixPath(member.name).name)
        if len(names) == count:
            break
    return names


def read_archive(path: Path, wanted: Callable[[str], bool], others: list[str] | None = None) -> dict[str, bytes]:
    """Return the contents of the wanted files of an archive by their base names; put those of the rest into `others`.

    Raises
    ------
    InputError
        If a member has an absolute path or '..' in it, is a link or a device, occurs twice, or all together expand to
        more than ``MOST_BYTES``; if the archive is damaged or truncated.
    """
    found: dict[str, bytes] = {}
    for member, content in _members(path):
        name = PurePosixPath(member.name).name
        if not wanted(name):
            if others is not None:
                others.append(name)
            continue
        if name in found:
            raise InputError(f"{quoted(path)} has {quoted(name)} more than once; get the archive from its source again")
        try:
            found[name] = content.read()
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise _damaged(path, error) from None
        if len(found[name]) != member.size:
            raise _damaged(path, EOFError("it ends too early"))
    return found


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Yield every file of an archive in turn; refuse the archive at the first member that is none."""
    file_size(path)
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = _Capped(gzip.GzipFile(fileobj=raw) if packed else raw, path)
            with tarfile.open(fileobj=cast(Any, stream), mode="r|") as archive:
                for member in archive:
                    _check_member(member, path)
                    if member.isfile():
                        yield member, cast(IO[bytes], archive.extractfile(member))
            while stream.read(1 << 16):  # to the end, where gzip's checksum is
                pass
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(path, error) from None


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    parts = member.name.replace("\\", "/").split("/")
    if member.name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        what = "a path that leads out of the archive"
    elif not (member.isfile() or member.isdir()):
        what = "a link" if member.issym() or member.islnk() else "no plain file"
    elif member.size > MOST_BYTES:
        what = f"of {member.size:,} bytes, more than {MOST_BYTES:,}"
    else:
        return
    raise InputError(
        f"{quoted(path)}: the member {quoted(member.name, 80)} is {what}; get the archive from its source again"
    )


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(f"{quoted(path)} is damaged or truncated: {reason(error)}; download it again")


class _Capped:
    """A stream that refuses to give more than ``MOST_BYTES``, whatever a few compressed bytes expand to."""

    def __init__(self, stream: Any, path: Path) -> None:
        self.stream, self.path, self.given = stream, path, 0

    def read(self, size: int) -> bytes:
        piece = self.stream.read(size)
        self.given += len(piece)
        if self.given > MOST_BYTES:
            raise InputError(f"{quoted(self.path)} expands to more than {MOST_BYTES:,} bytes; wanted CIFAR's own archive")
        return piece
