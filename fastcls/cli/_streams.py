"""Writing to stdout and stderr, even if one is closed, has a limited encoding, or is a pipe without a reader."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def open_streams() -> None:
    """Make stdout and stderr writable: discard output to a closed one, and escape characters that the encoding lacks.

    Closed descriptors are opened first. Otherwise the next file that is opened would get the descriptor of stderr, and a
    library's messages would be written into it.
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
    """Print one line on stderr. If it cannot be written, the work and the exit status stay the same."""
    stream = stream or sys.stderr
    try:
        print(text, file=stream, flush=True)
    except OSError:
        swallow(stream)


def swallow(stream: TextIO) -> None:
    """Redirect a broken stream to the null device, so that Python's flush at exit does not fail again."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
