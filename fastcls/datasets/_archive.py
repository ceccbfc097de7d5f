"""Read a .tar.gz in one pass into memory. Nothing is unpacked to the disk, so no member can overwrite a file."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls.datasets._common import damaged, file_size

ENDINGS = (".tar.gz", ".tgz", ".tar")
MAX_BYTES = 256 << 20  # of everything in an archive; the official ones of CIFAR expand to 186 million bytes


def is_archive(path: Path) -> bool:
    """Tell whether `path` is a file with the ending of a tar archive."""
    return path.is_file() and path.name.lower().endswith(ENDINGS)


def first_names(path: Path, count: int) -> list[str]:
    """Return the base names of the first files of an archive. Errors as for ``read_archive``."""
    names: list[str] = []
    for member, _ in _members(path):
        names.append(PurePosixPath(member.name).name)
        if len(names) == count:
            break
    return names


def read_archive(path: Path, wanted: Callable[[str], bool], others: list[str] | None = None) -> dict[str, bytes]:
    """Return the contents of the wanted files of an archive by base name; append the names of the others to `others`.

    Raises
    ------
    InputError
        If a member has an absolute path or '..' in it, is a link or a device, or occurs twice; if all together expand to
        more than ``MAX_BYTES``; or if the archive is damaged or truncated.
    """
    found: dict[str, bytes] = {}
    for member, content in _members(path):
        name = PurePosixPath(member.name).name
        if not wanted(name):
            if others is not None:
                others.append(name)
            continue
        if name in found:
            raise InputError(f"{quoted(path)} has {quoted(name)} more than once: download the archive again from its source")
        try:
            found[name] = content.read()
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise damaged(path, error) from None
        if len(found[name]) != member.size:
            raise damaged(path, EOFError("it ends too early"))
    return found


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Yield every file of an archive in turn; refuse the archive at the first member that is not a file or folder."""
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
            while stream.read(1 << 16):  # to the end, where gzip has its checksum
                pass
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, error) from None


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    parts = member.name.replace("\\", "/").split("/")
    if member.name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        what = "a path that leads out of the archive"
    elif not (member.isfile() or member.isdir()):
        what = "a link" if member.issym() or member.islnk() else "not a regular file"
    elif member.size > MAX_BYTES:
        what = f"of {member.size:,} bytes, more than {MAX_BYTES:,}"
    else:
        return
    raise InputError(
        f"the member {quoted(member.name, 80)} of {quoted(path)} is {what}: download the archive again from its source"
    )


class _Capped:
    """A stream that ends with an error after ``MAX_BYTES``, because a few compressed bytes can expand to many."""

    def __init__(self, stream: Any, path: Path) -> None:
        self.stream, self.path, self.given = stream, path, 0

    def read(self, size: int) -> bytes:
        block = self.stream.read(size)
        self.given += len(block)
        if self.given > MAX_BYTES:
            raise InputError(
                f"{quoted(self.path)} expands to more than {MAX_BYTES:,} bytes: give the official archive of CIFAR"
            )
        return block
