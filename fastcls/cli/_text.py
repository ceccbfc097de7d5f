"""Names from data (classes, files), made safe to print."""

from __future__ import annotations

import re
from typing import TextIO

from fastcls._validation.messages import printable, quoted

#: parameters of the library that are options of the command line under another name
_RENAMED = {
    "random_state": "--seed",
    "cv": "--folds",
    "n_tries": "--tries",
    "presets": "--preset",
    "features": "PATH:NAME",
    "preset": "--preset",
}
_SAME = ("labels", "class_names", "image_size", "follow_links", "ks", "drop", "n_per_class")
#: a quoted text, which stays as it is, or a parameter of the library that is an option of the command line
_PARAMETER = re.compile(
    rf"(?<!\w)'(?:[^'\\]|\\.)*'|(?<![\w.-])({'|'.join([*_RENAMED, *_SAME])})=(True\b|\[[^\]]*\]|'(?:[^'\\]|\\.)*')?(?=(.?))"
)
#: rows of a representation, which has only its name on the command line
_ROWS = re.compile(r"(?<!\w)(representations|test)\[('(?:[^'\\]|\\.)*')\]")
#: the size of a hold-out, which is no option
_SIZE = re.compile(r"(?<![\w.-])(?:test|validation)_size=(\d+\b(?!\.)|0\.\d+)")


def as_options(text: str, *, preset: str = "--preset") -> str:
    """Return a message of the library in the words of the command line: ``--image-size 0`` for ``image_size=0``.

    `preset` is the option that the parameter of this name comes from.
    """

    def option(found: re.Match[str]) -> str:
        name, value, following = found.groups()
        if name is None:
            return found[0]
        word = preset if name == "preset" else _RENAMED.get(name) or f"--{name.replace('_', '-')}"
        if value == "True":
            return word
        if value and value.startswith("'"):
            return f"{word} {value[1:-1] if name == 'preset' else value}"
        if value:
            return f"{word} {value[1:-1].replace(', ', ',')}"
        return word if following in " ,;:.)" else f"{word} "

    text = _ROWS.sub(lambda found: f"{'the test rows of ' if found[1] == 'test' else ''}{found[2]}", text)
    return _SIZE.sub(lambda found: f"a hold-out of {_share(found[1])}", _PARAMETER.sub(option, text))


def _share(size: str) -> str:
    return f"{100 * float(size):g} %" if "." in size else f"{int(size):,} rows"


def markup(text: object, stream: TextIO | None = None) -> str:
    """Return ``printable(text)`` with rich's square-bracket markup escaped.

    Characters that the encoding of ``stream`` lacks are escaped here, so that rich knows the width of a table cell.
    """
    from rich.markup import escape

    encoding = getattr(stream, "encoding", None) or "utf-8"
    return escape(printable(text).encode(encoding, "backslashreplace").decode(encoding))


def one_line(error: BaseException) -> str:
    """Return the message of ``error`` on one line, with options for parameters, or the name of its class if it has none."""
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.strerror}: {quoted(error.filename)}" if error.filename is not None else error.strerror
        return printable(named)
    return printable(as_options(" ".join(str(error).split()))) or type(error).__name__


def about(seconds: float) -> str:
    """Return a rounded duration: ``about 40 s``, ``about 3 min``, ``about 2.5 h``."""
    if seconds < 5:
        return f"about {max(1, round(seconds))} s"
    if seconds < 92:
        return f"about {5 * round(seconds / 5)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
