"""Names that come from data (classes, files), made safe to show."""

from __future__ import annotations

import unicodedata
from typing import TextIO

from fastcls._validation.messages import quoted

#: Unicode's categories of what is shown as an escape: controls, formats, surrogates, line and paragraph separators
_ESCAPED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def printable(text: object) -> str:
    """``text`` on one line, all that a terminal could obey written as an escape (``\\x1b``, ``\\n``, ``\\u202e``).

    Covers control characters, line and paragraph separators, bidirectional overrides and the lone surrogates that stand
    for bytes of a file name that are not UTF-8.
    """
    return "".join(
        char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in _ESCAPED else char
        for char in str(text)
    )


def markup(text: object, stream: TextIO | None = None) -> str:
    """``printable(text)`` with rich's square-bracket markup switched off.

    What the encoding of ``stream`` lacks becomes an escape here already, so that rich knows how wide a cell of a table is.
    """
    from rich.markup import escape

    encoding = getattr(stream, "encoding", None) or "utf-8"
    return escape(printable(text).encode(encoding, "backslashreplace").decode(encoding))


def one_line(error: BaseException) -> str:
    """The message of ``error`` on one line; the name of its class where it has none."""
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.strerror}: {quoted(error.filename)}" if error.filename is not None else error.strerror
        return printable(named)
    return printable(" ".join(str(error).split())) or type(error).__name__


def about(seconds: float) -> str:
    """A duration as one would say it: ``about 40 s``, ``about 3 min``, ``about 2.5 h``."""
    if seconds < 5:
        return f"about {max(1, round(seconds))} s"
    if seconds < 92:
        return f"about {5 * round(seconds / 5)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
