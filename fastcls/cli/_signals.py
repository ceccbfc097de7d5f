"""SIGTERM and SIGHUP end a command as Ctrl-C does, with an exit status of their own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: the exit status after Ctrl-C
INTERRUPTED = 130

_received: list[int] = []


@contextmanager
def acting_as_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a time limit, a shutdown, a closed terminal) interrupt the command.

    So unfinished files go, finished parts stay, and the same message says which. At the end, the signals do what they did
    before. In another thread than the main one, Python can set no handler, and nothing is changed.
    """
    _received.clear()
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number, handler in before.items() if handler is signal.SIG_DFL]  # nohup ignores SIGHUP on purpose
    try:
        for number in ours:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt


def exit_status() -> int:
    """Return the exit status of an interrupted command: 130, or 128 and the number of the signal."""
    return 128 + _received[0] if _received else INTERRUPTED
