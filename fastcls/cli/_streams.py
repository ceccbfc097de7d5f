"""stdout and stderr as they may be found: closed, of an encoding that lacks letters, a pipe whose reader has gone."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def open_streams() -> None:
    """Make stdout and stderr writable: a closed one swallows what it gets, and what its encoding lacks becomes an escape.

    A closed descriptor is opened first: the next file would get its number, and with it what a library says on stderr.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, stream: TextIO | None = None) -> None:
    """One line on stderr; nothing where nobody reads it, which changes neither the work nor the exit status."""
    stream = stream or sys.stderr
    try:
        print(text, file=stream, flush=True)
    except OSError:
        swallow(stream)


def swallow(stream: TextIO) -> None:
    """Let the stream swallow what is left in it and all that comes, so that Python's flush at exit does not fail again."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
