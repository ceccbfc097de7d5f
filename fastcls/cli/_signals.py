"""SIGTERM and SIGHUP end a command as Ctrl-C does, with an exit status of their own."""

from __future__ import annotations

import signal
from types import FrameType

#: the exit status after Ctrl-C
INTERRUPTED = 130

_received: list[int] = []


def act_as_interrupts() -> None:
    """Let SIGTERM and SIGHUP (a time limit, a shutdown, a closed terminal) interrupt the command.

    So unfinished files go, finished parts stay, and the same message says which.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP on purpose
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt


def exit_status() -> int:
    """Return the exit status of an interrupted command: 130, or 128 and the number of the signal."""
    return 128 + _received[0] if _received else INTERRUPTED
