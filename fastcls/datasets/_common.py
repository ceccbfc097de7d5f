"""What every loader needs: paths checked, small text files read, what is left out or changed said and noted."""

from __future__ import annotations

import functools
import logging
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from fastcls._validation.errors import InputError
from fastcls._validation.messages import as_text, quoted, quoted_list, reason

if TYPE_CHECKING:
    from fastcls.datasets._dataset import Dataset

P = ParamSpec("P")

log = logging.getLogger("fastcls")

#: what the loader at work has said so far
_said: ContextVar[list[str] | None] = ContextVar("said", default=None)

# A text file of class names is a few kilobytes; what is larger is some other file.
_TEXT_BYTES = 1 << 20


def note(text: str, *, level: int = logging.WARNING) -> None:
    """Log one line about the data, and keep it for ``Dataset.notes``; each line once."""
    said = _said.get()
    if said is not None:
        if text in said:
            return
        said.append(text)
    log.log(level, "%s", text)


def noting(loader: Callable[P, Dataset]) -> Callable[P, Dataset]:
    """Give the data set of a loader the lines that were said while it was loaded."""

    @functools.wraps(loader)
    def load(*args: P.args, **options: P.kwargs) -> Dataset:
        if _said.get() is not None:  # a loader within a loader
            return loader(*args, **options)
        said: list[str] = []
        token = _said.set(said)
        try:
            dataset = loader(*args, **options)
        finally:
            _said.reset(token)
        return replace(dataset, notes=(*dataset.notes, *said)) if said else dataset

    return load


def note_left_out(where: str, names: Iterable[str], read: str) -> None:
    """Say which files or members were not read, and which are."""
    names = list(names)
    if names:
        note(f"{where}: left out {quoted_list(names)}; only {read} are read")


def note_look_alikes(names: Iterable[str], where: str) -> None:
    """Say which class names a reader cannot tell apart, or differ in case alone."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(looks_of(name).casefold(), []).append(name)
    for group in groups.values():
        if len(group) > 1:
            why = "look alike (their characters differ)" if len(set(map(looks_of, group))) == 1 else "differ in case only"
            note(f"{where}: the classes {', '.join(map(ascii, group))} {why}; rename one if they are one class")


def looks_of(name: str) -> str:
    """The form in which two names that look alike are equal: composed, without characters that have no width."""
    composed = unicodedata.normalize("NFKC", name)
    return " ".join("".join(char for char in composed if unicodedata.category(char) != "Cf").split())


def existing_path(path: str | os.PathLike[str], *, wanted: str) -> Path:
    """Return `path` as a ``Path`` that exists, or raise ``InputError``."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InputError(f"got {quoted(path)} of type {type(path).__name__} as a path; wanted {wanted}")
    found = Path(path)
    try:
        is_folder = stat.S_ISDIR(found.stat().st_mode)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot open {quoted(path)}: {reason(error)}; wanted {wanted}") from None
    if is_folder and not os.access(found, os.R_OK | os.X_OK):
        raise InputError(f"cannot list the folder {quoted(path)}: Permission denied; give a readable folder")
    return found


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder sorted by name, or raise ``InputError`` if it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot list the folder {quoted(folder)}: {reason(error)}; give a readable folder") from None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def file_size(path: Path) -> int:
    """Return the size of a file in bytes, or raise ``InputError`` if it is not a file that can be read."""
    try:
        if not path.is_file():
            raise InputError(f"{quoted(path)} is not a file; wanted a readable file")
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read {quoted(path)}: {reason(error)}; give a readable file") from None


def text_lines(path: Path) -> list[str]:
    """Return the lines of a small text file, stripped, without empty lines at its end."""
    if file_size(path) > _TEXT_BYTES:
        raise InputError(f"{quoted(path)} is larger than {_TEXT_BYTES:,} bytes; wanted one class name a line")
    lines = path.read_bytes().decode("utf-8", "backslashreplace").rstrip().splitlines()
    return [line.strip() for line in lines]


def name_of(path: Path) -> str:
    """Return the name a data set gets from its path: the last part, without the file's ending."""
    last = path.resolve()
    return as_text(last.stem if last.is_file() else last.name)
