"""Sizes of type, lines and figures, on paper and in a talk.

On paper, figures are laid out for 4.2 inches, about 400 pixels: text that is readable there stays readable when the figure
is shown larger. In a talk a figure is a slide of 13.3 x 7.5 inches (16:9), with type and lines 2.2 times as large: the
smallest type has 16 points. A display's ``plot`` is decorated with `in_context`; while it runs, `sizes` has the sizes of its
context.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from fastcls._validation.base import one_of

P = ParamSpec("P")
R = TypeVar("R")

CONTEXTS = ("paper", "talk")
SLIDE = (40 / 3, 7.5)  # inches
SCALE = 2.2  # of type and lines in a talk
_WIDTH = 4.2  # inches
_current: ContextVar[str] = ContextVar("context", default="paper")

#: matplotlib's defaults in points or inches that no display sets itself
_SCALED = (
    *("axes.linewidth", "axes.labelpad", "axes.titlepad", "grid.linewidth", "lines.linewidth", "lines.markersize"),
    *(f"{axis}tick.{kind}.{what}" for axis in "xy" for kind in ("major", "minor") for what in ("size", "width", "pad")),
    *("figure.constrained_layout.h_pad", "figure.constrained_layout.w_pad", "patch.linewidth", "font.size"),
)


class Sizes:
    """Sizes in the context of the figure that is being drawn; points, and inches for widths."""

    @property
    def is_talk(self) -> bool:
        """Whether the figure is for a slide."""
        return _current.get() == "talk"

    @property
    def title(self) -> float:
        """Type of a figure's title."""
        return self.of(10.0)

    @property
    def text(self) -> float:
        """Type of the names of axes."""
        return self.of(9.0)

    @property
    def small(self) -> float:
        """Type of ticks and legends; a phone draws figures at 0.9 of their size."""
        return self.of(8.5)

    @property
    def tiny(self) -> float:
        """The smallest type."""
        return self.of(7.5)

    @property
    def width(self) -> float:
        """Width of a new figure."""
        return SLIDE[0] if self.is_talk else _WIDTH

    def of(self, size: float) -> float:
        """A length on paper (points, inches) in this context."""
        return size * SCALE if self.is_talk else size

    def figure(self, height: float, width: float | None = None) -> tuple[float, float]:
        """Width and height of a new figure, which has this size on paper; always a slide in a talk."""
        return SLIDE if self.is_talk else (_WIDTH if width is None else width, height)


sizes = Sizes()


@contextmanager
def drawn_in(context: str) -> Iterator[None]:
    """Draw in a context: "paper" or "talk".

    Raises
    ------
    InputError
        For another name.
    """
    token = _current.set(one_of("context", context, CONTEXTS))
    try:
        if context == "paper":
            yield
            return
        from ._style import import_matplotlib

        import_matplotlib()
        from matplotlib import rc_context, rcParams

        defaults: Any = rcParams
        larger: Any = {name: SCALE * defaults[name] for name in _SCALED}
        with rc_context(larger):
            yield
    finally:
        _current.reset(token)


def in_context(plot: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that draws and has a keyword ``context``: it runs with the sizes of that context."""

    @functools.wraps(plot)
    def wrapped(*args: P.args, **options: P.kwargs) -> R:
        context: Any = options.get("context", "paper")
        with drawn_in(context):
            return plot(*args, **options)

    return wrapped
