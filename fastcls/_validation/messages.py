"""Text for messages: quoted names, counts, and reasons, each safe to show on one line."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterable

import numpy as np


def quoted(name: object, length: int = 160) -> str:
    """Return a name from the data as a quoted literal without control characters, line breaks or lone surrogates.

    ``repr`` escapes everything that is not printable: C0 and C1 controls, bidirectional overrides, surrogates.
    """
    text = repr(str(name))
    return text if len(text) <= length else f"{text[:length]}...'"


def quoted_list(names: Iterable[object], most: int = 5) -> str:
    """Return up to `most` names, quoted and escaped, and the number of the others."""
    names = list(names)
    left_out = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(quoted(name, 80) for name in names[:most]) + left_out


#: Unicode categories that are escaped: controls, formats, surrogates, line and paragraph separators
_ESCAPED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def printable(text: object) -> str:
    """Return ``text`` on one line, with an escape for whatever a terminal might interpret (``\\x1b``, ``\\n``, ``\\u202e``).

    These are control characters, line and paragraph separators, bidirectional overrides, and lone surrogates (bytes of a
    file name that are not UTF-8).
    """
    return "".join(
        char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in _ESCAPED else char
        for char in str(text)
    )


def as_text(name: str) -> str:
    """Return a file name as text in which bytes that are not UTF-8 are backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def reason(error: BaseException) -> str:
    """Return the reason of an error (a system call, a decoder) on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return quoted(text or type(error).__name__)[1:-1]


def counted(n: int, thing: str, plural: str | None = None) -> str:
    """Return a number with its noun in the right form: '1 class', '2 classes', '1,000 rows'."""
    if plural is None:
        takes_es = thing.endswith(("s", "x", "ch", "sh")) and not thing.endswith("epoch")
        plural = thing + ("es" if takes_es else "s")
    return f"{n:,} {thing if n == 1 else plural}"


def kind(value: object) -> str:
    """Return the type of a value with its article: 'an int', 'a list'."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def only(n: int, thing: str) -> str:
    """Return 'there is only 1 row' or 'there are only 3 rows'."""
    return f"there {'is' if n == 1 else 'are'} only {counted(n, thing)}"


def shown(value: object, length: int = 160) -> str:
    """Return a value as Python code on one line; a NumPy scalar as the number or text that it is."""
    try:
        text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    except ValueError:  # an integer of thousands of digits
        return kind(value)
    return text if len(text) <= length else f"{text[:length]}..."


def meant(given: object, names: Iterable[str]) -> str | None:
    """Return the name that a misspelt one most likely means: other capitals or dashes, or one or two letters off."""
    if not isinstance(given, str) or not 2 <= len(given) <= 40:
        return None
    plain = {_plain(name): name for name in names}
    close = difflib.get_close_matches(_plain(given), plain, n=1, cutoff=0.7)
    swapped = [name for key, name in plain.items() if sorted(key) == sorted(_plain(given))]  # 'sdg' for 'sgd'
    return plain[close[0]] if close else swapped[0] if len(swapped) == 1 else None


def absent(path: object, wanted: str) -> str:
    """Return the message for a path that does not exist: a similar name in the same folder, or else what to give."""
    if os.path.islink(str(path)):
        return f"the symbolic link {quoted(path)} points to nothing: give {wanted}"
    parent, last = os.path.split(str(path).rstrip("/"))
    try:
        there = [name for name in os.listdir(parent or ".") if not name.startswith(".")]
    except (OSError, ValueError):
        there = []
    message = f"there is no file or folder {quoted(path)}"
    if any(char in last for char in "*?["):
        return f"{message}, and no pattern is expanded: give {wanted}"
    if (close := meant(last, there)) is None:
        return f"{message}: give {wanted}"
    found = os.path.join("." if close.startswith("-") and not parent else parent, close)  # an option begins with a dash
    return f"{message}: did you mean {quoted(found + '/' * os.path.isdir(found))}?"


def shortened(numbers: Iterable[object]) -> str:
    """Return numbers (or other short things) separated by commas; of more than eight, the first six and the last."""
    texts = [str(number) for number in numbers]
    return ", ".join(texts if len(texts) <= 8 else [*texts[:6], "...", texts[-1]])


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
