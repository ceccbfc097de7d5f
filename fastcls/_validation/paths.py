"""Checks of paths that a caller gives, before anything is opened."""

from __future__ import annotations

import os
import shlex
from typing import Any

from .errors import InputError
from .messages import kind, quoted

#: endings of archives -> the command that unpacks one into a folder; in tar files only CIFAR is read
_UNPACK = {
    ".zip": "python -m zipfile -e {file} {folder}",
    **dict.fromkeys((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"), "python -m tarfile -e {file} {folder}"),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"), ""),
}
_NEVER_READ = (".zip", ".7z", ".rar")


def is_archive(path: str) -> bool:
    """Tell whether a path has the ending of an archive or of a compressed file."""
    return path.lower().endswith(tuple(_UNPACK))


def refuse_archive(path: str) -> None:
    """Refuse a file that is an archive of a kind that is never read. Nothing is opened or imported for this."""
    if path.lower().endswith(_NEVER_READ) and os.path.isfile(path):
        raise InputError(of_archive(path))


def of_archive(path: str) -> str:
    """The message for an archive: how to unpack it."""
    ending = max((end for end in _UNPACK if path.lower().endswith(end)), key=len)
    way = _UNPACK[ending].format(file=shlex.quote(path), folder=shlex.quote(path[: -len(ending)]))
    packed = " (only CIFAR's own .tar.gz is read packed)" if "tar" in ending else ""
    return f"{quoted(path)} is an archive: unpack it{f', with {way}' if way else ''}, and give its folder{packed}"


def check_path(path: Any, wanted: str, name: str = "path") -> str:
    """`path` as text, if it is a string or a path object with text in it.

    An integer is never a path: Python would open the file that has this number in the process, such as 1 for the output,
    and close it at the end.

    Parameters
    ----------
    path : as the caller gave it
    wanted : str
        What the path should name: "a model file".
    name : str
        Name of the argument.

    Raises
    ------
    InputError
        For anything else, and for an empty string.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if isinstance(text, str) and text:
        return text
    if path is None or text == "" or isinstance(path, (bool, float)) or (isinstance(path, int) and abs(path) < 2**63):
        given = f"{name}={path!r}"
    else:
        given = f"{name} is {kind(path)}"
    raise InputError(f"{given}; wanted the path of {wanted}, a string or a pathlib.Path")
