"""What every loader needs: checks of paths, small text files, and notes on what is left out or changed."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import re
import stat
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from fastcls._validation.errors import InputError
from fastcls._validation.messages import absent, as_text, meant, quoted, quoted_list, reason
from fastcls._validation.paths import check_path
from fastcls._validation.row_index import compare_indices

if TYPE_CHECKING:
    from fastcls.datasets._dataset import Dataset

P = ParamSpec("P")

log = logging.getLogger("fastcls")

#: notes of the loader that is running
_said: ContextVar[list[str] | None] = ContextVar("said", default=None)

#: in place of an empty name
UNNAMED = "(a column without a name)"
# a text file of class names has a few kilobytes
_MAX_TEXT_BYTES = 1 << 20
_LINE_END = re.compile(r"\r\n|\r|\n")


class DataWarning(UserWarning):
    """What a loader left out, changed or doubts (see ``Dataset.notes``), or how a division differs from that asked for."""


def note(text: str, *, level: int = logging.WARNING) -> None:
    """Log one line about the data and keep it for ``Dataset.notes``. A line that was noted before is not repeated."""
    said = _said.get()
    if said is not None:
        if text in said:
            return
        said.append(text)
    if level < logging.WARNING:
        log.log(level, "%s", text)
    else:
        warn(text)


def warn(text: str) -> None:
    """Log a line of the level WARNING; where ``logging`` has no handler for it, and would print it, warn as Python does."""
    if log.hasHandlers():
        log.warning("%s", text)
    else:
        warnings.warn(text, DataWarning, stacklevel=_outside())


def _outside() -> int:
    """The number of calls from `warn` to the first function that is not of fastcls."""
    frame, calls = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fastcls":
        frame, calls = frame.f_back, calls + 1
    return calls


def noting(loader: Callable[P, Dataset]) -> Callable[P, Dataset]:
    """Decorate a loader: its data set gets the lines that were noted during the call."""

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
    """Note which files or members are not read, and which are."""
    names = [name or UNNAMED for name in names]
    if names:
        note(
            f"{where}: left out {quoted_list(names)}; only {read} {'are' if ' and ' in read or ', ' in read else 'is'} read"
        )


def note_other_index(first: Any, other: Any, first_name: str, other_name: str) -> None:
    """Note indices of pandas that do not show whether rows and labels are in the same order; refuse another order."""
    if text := compare_indices(first, other, first_name, other_name):
        note(text)


def note_look_alikes(names: Iterable[str], where: str) -> None:
    """Note class names that a reader cannot tell apart, or that differ only in case."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(looks_of(name).casefold(), []).append(name)
    for group in groups.values():
        if len(group) > 1:
            why = (
                "look alike but have different characters" if len(set(map(looks_of, group))) == 1 else "differ only in case"
            )
            note(f"{where}: the classes {', '.join(map(ascii, group))} {why}; rename one if they are one class")


def looks_of(name: str) -> str:
    """A normal form in which names that look alike are equal: composed, without characters of zero width."""
    composed = unicodedata.normalize("NFKC", name)
    return " ".join("".join(char for char in composed if unicodedata.category(char) != "Cf").split())


def existing_path(path: str | os.PathLike[str], *, wanted: str) -> Path:
    """Return `path` as a ``Path`` that exists, or raise ``InputError``, whose message says what is `wanted`."""
    found = Path(check_path(path, wanted))
    try:
        is_folder = stat.S_ISDIR(found.stat().st_mode)
    except FileNotFoundError:
        raise InputError(absent(path, wanted)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot open {quoted(path)} ({reason(error)}): give {wanted}") from None
    if is_folder and not os.access(found, os.R_OK | os.X_OK):
        raise InputError(f"cannot list the folder {quoted(path)} (Permission denied): make it readable, or give another")
    return found


def path_and_name(word: str) -> tuple[str, str | None]:
    """Split ``PATH:NAME``, which stands for an array or a column of a file (or of a folder of data).

    Returns
    -------
    path : str
    name : str or None
        None if the word is a path alone. A path that exists is one, whatever colons it has, and so is a word of which no
        beginning exists; of several beginnings that do, the longest is the path.
    """
    if not os.path.lexists(word):
        for place in reversed([place for place, character in enumerate(word) if character == ":"]):
            if os.path.exists(word[:place]):
                return word[:place], word[place + 1 :]
    return word, None


def no_such_name(where: str, name: str, there: Iterable[str], what: str, note: str = "") -> InputError:
    """Return the refusal of the name of an array or a column that a file does not have, with all (or many) that it has."""
    names = list(there)
    close = meant(name, names)
    hint = f"did you mean {quoted(close)}? It has" if close is not None else "it has"
    return InputError(f"{where} has no {what} {quoted(name)}: {hint} {quoted_list(names, 12) or 'none'}{note}")


def without_file(name: str, other: str) -> str:
    """How a message calls an array (``'data.npz': X_test``) after another of the same file: without the file."""
    file, sign, array = name.rpartition("': ")
    return array if sign and other.startswith(file + sign) else name


def first_reasons(refused: Mapping[int, str], names: Callable[[int], object]) -> str:
    """Name the first three images that cannot be read, each with the reason, and count the others."""
    named = "; ".join(f"{quoted(names(i))}: {why}" for i, why in list(refused.items())[:3])
    return named + (f" and {len(refused) - 3:,} more" if len(refused) > 3 else "")


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder sorted by name, or raise ``InputError`` if it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"cannot list the folder {quoted(folder)} ({reason(error)}): make it readable, or give another"
        ) from None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def is_plain_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file, or a link to one."""
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def file_size(path: Path) -> int:
    """Return the size of a file in bytes, or raise ``InputError`` if it is not a file that can be read."""
    try:
        if not path.is_file():
            raise InputError(f"{quoted(path)} is not a regular file: give a file that can be read")
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read {quoted(path)} ({reason(error)}): make it readable, or give another") from None


def damaged(path: Path, error: BaseException) -> InputError:
    """Return the error for a file that cannot be read to its end."""
    return InputError(f"{quoted(path)} is damaged or truncated ({reason(error)}): download it again")


def text_lines(path: Path, wanted: str = "one class name per line", most_bytes: int = _MAX_TEXT_BYTES) -> list[str]:
    """Return the lines of a text file in UTF-8, stripped, without the empty lines at its end.

    Raises
    ------
    InputError
        If the file has more than `most_bytes`, or another encoding.
    """
    if file_size(path) > most_bytes:
        raise InputError(f"{quoted(path)} is larger than {most_bytes:,} bytes; give a text file with {wanted}")
    return lines_in(path.read_bytes(), path)


def lines_in(content: bytes, path: Path) -> list[str]:
    """Return the lines of the content of a text file in UTF-8, as `text_lines`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(content, path, content.count(b"\n", 0, error.start) + 1) from None
    return [line.strip() for line in _LINE_END.split(text.rstrip())]


def not_utf8(start: bytes, path: Path, line: int) -> InputError:
    """Return the refusal of a text file, from its first bytes and the number of the first line that is not UTF-8."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return InputError(f"{quoted(path)} is text in UTF-16: save it in UTF-8")
    return InputError(
        f"{quoted(path)} is not text in UTF-8 (first in line {line}): save it in UTF-8; from Latin-1, that is iconv -f "
        "LATIN1 -t UTF-8"
    )


def name_of(path: Path) -> str:
    """Return the name of a data set: the last part of its path, without the file's ending."""
    last = path.resolve()
    return as_text(last.stem if last.is_file() else last.name)
