"""What every loader needs: paths checked, small text files read."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from fastcls._shown import as_text, reason, shown
from fastcls._validation import InputError

log = logging.getLogger("fastcls")

# A text file of class names is a few kilobytes; what is larger is some other file.
_TEXT_BYTES = 1 << 20


def existing_path(path: str | os.PathLike[str], *, wanted: str) -> Path:
    """Return `path` as a ``Path`` that exists, or raise ``InputError``."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InputError(f"got {shown(path)} of type {type(path).__name__} as a path; wanted {wanted}")
    found = Path(path)
    try:
        is_folder = stat.S_ISDIR(found.stat().st_mode)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot open {shown(path)}: {reason(error)}; wanted {wanted}") from None
    if is_folder and not os.access(found, os.R_OK | os.X_OK):
        raise InputError(f"cannot list the folder {shown(path)}: permission denied; give a readable folder")
    return found


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder sorted by name, or raise ``InputError`` if it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot list the folder {shown(folder)}: {reason(error)}; give a readable folder") from None


def file_size(path: Path) -> int:
    """Return the size of a file in bytes, or raise ``InputError`` if it is not a file that can be read."""
    try:
        if not path.is_file():
            raise InputError(f"{shown(path)} is not a file; wanted a readable file")
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read {shown(path)}: {reason(error)}; give a readable file") from None


def text_lines(path: Path) -> list[str]:
    """Return the lines of a small text file, stripped, without empty lines at its end."""
    if file_size(path) > _TEXT_BYTES:
        raise InputError(f"{shown(path)} is larger than {_TEXT_BYTES:,} bytes; wanted one class name a line")
    lines = path.read_bytes().decode("utf-8", "backslashreplace").rstrip().splitlines()
    return [line.strip() for line in lines]


def name_of(path: Path) -> str:
    """Return the name a data set gets from its path: the last part, without the file's ending."""
    last = path.resolve()
    return as_text(last.stem if last.is_file() else last.name)
