"""Coalescing: of the requests that arrive during a computation, only the newest of each kind is computed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any


class Latest:
    """Passes the newest value of every kind to a function, once, when the event loop is next idle.

    Parameters
    ----------
    later : callable
        Schedules a function, such as Bokeh's ``add_next_tick_callback``.
    work : callable
        Receives kind and value.

    Values of different kinds (a drag, the pointer's position) do not replace each other; the oldest kind is first. Values
    that are put while `work` runs are passed on in the same round. An error in `work` reaches the caller, and discards
    all waiting values.
    """

    def __init__(self, later: Callable[[Callable[[], None]], Any], work: Callable[[Any, Any], None]) -> None:
        self._later = later
        self._work = work
        self._waiting: dict[Hashable, Any] = {}
        self._scheduled = False

    def put(self, kind: Hashable, value: Any) -> None:
        """Replace the waiting value of this kind."""
        self._waiting[kind] = value
        if not self._scheduled:
            self._scheduled = True
            self._later(self._run)

    def _run(self) -> None:
        try:
            while self._waiting:
                kind = next(iter(self._waiting))
                self._work(kind, self._waiting.pop(kind))
        finally:
            self._scheduled = False
            self._waiting.clear()
