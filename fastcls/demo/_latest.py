"""Coalescing: of all that was asked while something was being computed, only the newest is computed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any


class Latest:
    """Hands over the newest value of every kind, once, when the event loop is next idle.

    Parameters
    ----------
    later : callable
        Asks for a function to be called soon, such as Bokeh's ``add_next_tick_callback``.
    work : callable
        Gets kind and value.

    Values of different kinds (a drag, the pointer's place) do not replace each other; the kind asked first goes first. What
    is put while `work` runs is handed over in the same round. An error in `work` is the caller's, and leaves nothing asked.
    """

    def __init__(self, later: Callable[[Callable[[], None]], Any], work: Callable[[Any, Any], None]) -> None:
        self._later = later
        self._work = work
        self._waiting: dict[Hashable, Any] = {}
        self._asked = False

    def put(self, kind: Hashable, value: Any) -> None:
        """Replace what waits of this kind."""
        self._waiting[kind] = value
        if not self._asked:
            self._asked = True
            self._later(self._run)

    def _run(self) -> None:
        try:
            while self._waiting:
                kind = next(iter(self._waiting))
                self._work(kind, self._waiting.pop(kind))
        finally:
            self._asked = False
            self._waiting.clear()
