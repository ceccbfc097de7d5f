"""What all figures share: colours, names made safe to draw, and axes without pyplot. ``_context.py`` has their sizes.

The colours are those of Okabe and Ito (2008), which people with all common kinds of colour vision can distinguish.
Each series also has its own marker and line style, and correct and wrong also differ by a sign and a frame. Text, ticks and
grid take their colours from matplotlib's rcParams, so the user's own style (or a dark one) is respected.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from bisect import bisect_right
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import category, east_asian_width

import numpy as np

from fastcls._validation.base import refuse_masked

from ._context import sizes
from ._validation import check_named_codes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray

BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SERIES = ((BLUE, "o", "-"), (VERMILION, "^", "--"), (GREEN, "s", "-."), (PURPLE, "D", ":"))
RIGHT, WRONG = "✓", "✗"
MOST_NUMBERED = 20  # largest number of classes with the count in every cell of a confusion matrix
NAMELESS = "(empty)"  # replaces a name without a visible character
#: properties of each text that contains a name: no mathematics between dollar signs, no TeX, whatever rcParams say
LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}
_MARKS = ("Mn", "Me", "Cf")  # categories of characters without a width of their own
_MISSING_GLYPH = r"Glyph .* missing from font"
_JOINERS = "\u200c\u200d"  # invisible parts of words in Persian and Indic scripts, and of emoji
LAYOUTS = 3  # after these, figures stay as they are
LARGEST_SIDE = 128  # pixels of a drawn image: more would not be visible at these sizes and makes files large


def series(i: int) -> tuple[str, str, str]:
    """Colour, marker and line style of a figure's i-th series; the first 16 all differ.

    Parameters
    ----------
    i : int
        From 0.

    Returns
    -------
    tuple of str
        As matplotlib takes them: "#rrggbb", marker, line style.
    """
    turn, at = divmod(i, len(SERIES))
    return SERIES[at][0], SERIES[(at + turn) % 4][1], SERIES[(at + 2 * turn) % 4][2]


class Drawn:
    """A display that has a figure after `plot`; a notebook shows it as the value of a cell."""

    figure_: Figure | SubFigure

    def _repr_png_(self) -> bytes | None:
        figure = getattr(self, "figure_", None)
        if figure is None:
            return None
        buffer = BytesIO()
        with warnings.catch_warnings():
            # characters that no font has are drawn as boxes; a warning for each would add nothing
            warnings.filterwarnings("ignore", message=_MISSING_GLYPH)
            # about 630 pixels for 4.2 inches; a slide gets 1280
            figure.figure.savefig(buffer, format="png", dpi=150 if figure.figure.get_figwidth() < 11 else 96)
        return buffer.getvalue()


def axes_for(ax: Axes | None, height: float, width: float | None = None) -> tuple[Figure | SubFigure, Axes]:
    """The given axes and their figure, or new axes in a new figure that pyplot does not manage.

    Parameters
    ----------
    ax : Axes or None
    height, width : float
        Size of a new figure on paper, in inches; by default 4.2 wide. A figure for a talk is a slide.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax.figure, ax
    figure = figure_for(None, height, width)
    return figure, figure.add_subplot()


def figure_for(figure: Figure | SubFigure | None, height: float, width: float | None = None) -> Figure | SubFigure:
    """The given figure, or a new one that pyplot does not manage.

    Parameters
    ----------
    figure : Figure, SubFigure or None
    height, width : float
        Size of a new figure on paper, in inches; by default 4.2 wide. A figure for a talk is a slide.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if figure is not None:
        return figure
    import_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=sizes.figure(height, width), layout="constrained")


def settle(figure: Figure | SubFigure, given: Any) -> None:
    """Lay a new figure out until it stays as it is: images of fixed shape move their names, which move the images.

    The layout is computed once at each drawing, so the first drawing of such a figure would differ from the second.

    Parameters
    ----------
    figure : Figure or SubFigure
    given : Figure, SubFigure, Axes or None
        What the user gave to draw into: then the layout is the user's.
    """
    from matplotlib.figure import Figure

    if given is None and isinstance(figure, Figure) and (engine := figure.get_layout_engine()) is not None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_MISSING_GLYPH)  # whoever draws the figure is warned
            for _ in range(LAYOUTS):
                engine.execute(figure)


def import_matplotlib() -> None:
    """Import matplotlib even if MPLBACKEND names an unknown backend, which would make the import fail.

    Notebooks set this variable for the programs they start, which may lack the notebook's backend. Our figures need none.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    if not backend:
        import matplotlib

        return
    try:
        import matplotlib
    finally:
        os.environ["MPLBACKEND"] = backend
    try:
        matplotlib.rcParams["backend"] = backend  # the last step of matplotlib's own import
    except ValueError:
        logging.getLogger("fastcls").info(
            "MPLBACKEND=%s is unknown to matplotlib; figures are drawn without a backend", backend
        )


def legend(on: Axes | Figure | SubFigure, handles: Sequence[Any], names: Sequence[str], **options: Any) -> Any:
    """A legend with literal entries: matplotlib would hide labels that begin with an underscore.

    Parameters
    ----------
    on : Axes, Figure or SubFigure
    handles : sequence of artists
    names : sequence of str
        One per handle.
    **options
        As for ``legend`` of matplotlib.

    Returns
    -------
    matplotlib.legend.Legend
    """
    options = {"fontsize": sizes.small, "framealpha": 0.0, **options}
    made = on.legend(handles, [str(i) for i in range(len(names))], **options)
    for handle, text, name in zip(handles, made.get_texts(), names, strict=True):
        handle.set_label(name)
        text.set(text=name, **LITERAL)
    return made


def clean(text: object) -> str:
    """The text with unprintable characters (control, direction, lone surrogate) replaced."""
    return "".join(
        c if c.isprintable() or c in "\n\t" or c in _JOINERS or category(c) == "Zs" else "\ufffd" for c in str(text)
    )


def end_at_100(ax: Axes, theirs: Collection[Artist] = (), axis: Literal["x", "y"] = "y") -> None:
    """Limit an axis of accuracies in percent to 0 and 100; a bar (a mean and its standard deviation) may be cut off there.

    Points at the ends, and the caps of intervals that end there, stay whole. `theirs` are the lines that were on the axes
    before the display drew its own: they are left as they are, and no limit is set that would cut off one of them.
    """
    get, put = (ax.get_xlim, ax.set_xlim) if axis == "x" else (ax.get_ylim, ax.set_ylim)
    low, high = get()
    least, most = 0.0, 100.0
    for line in ax.lines:
        values = np.asarray(line.get_xdata() if axis == "x" else line.get_ydata(), dtype=np.float64)
        values = values[np.isfinite(values)] if line in theirs else values
        if not values.size or not np.isfinite(values).all():
            continue
        if line in theirs:
            least, most = min(least, float(values.min())), max(most, float(values.max()))
        elif values.min() >= 0 and values.max() <= 100:
            line.set_clip_on(False)
    put(max(low, 0) if least >= 0 else low, min(high, 100) if most <= 100 else high)


def shorten(name: object, length: int = 12) -> str:
    """The name on one line; an ellipsis marks a shortened name.

    Parameters
    ----------
    name : object
        Its ``str`` is shown.
    length : int
        Most characters, the ellipsis included.
    """
    text = " ".join(clean(name).split())
    return text if len(text) <= length else _cut(text, length - 1) + "…"


def _cut(text: str, length: int) -> str:
    """The first characters of the text; a letter keeps the accents that follow it."""
    while 0 < length < len(text) and category(text[length]) in _MARKS:
        length -= 1
    return text[:length]


def width_of(text: str, size: float, weight: str = "normal") -> float:
    """Width of the text in points, in matplotlib's font, which may lack the script that a browser or a viewer has.

    So East Asian characters count as one em, and accents and joiners as part of the letter before them.

    Parameters
    ----------
    text : str
    size : float
        Size of the type in points.
    weight : str
        "normal" or "bold".
    """
    import_matplotlib()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    letters = (c for c in text if category(c) not in _MARKS)
    drawn = "".join("\N{EM DASH}" if east_asian_width(c) in "WF" else c for c in letters)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_MISSING_GLYPH)
        return float(text_to_path.get_text_width_height_descent(drawn, FontProperties(size=size, weight=weight), False)[0])


def letters_in(points: float, size: float, weight: str = "normal") -> int:
    """Number of letters of average width that fit into `points`, in type of `size` points."""
    return int(20 * points / width_of("n" * 20, size, weight))


def _n_fitting(text: str, points: float, size: float, weight: str = "normal") -> int:
    """Number of first characters of the text that fit into `points`, in type of `size` points."""
    return bisect_right(range(1, len(text) + 1), points, key=lambda n: width_of(text[:n], size, weight))


def fit(name: object, points: float, size: float, weight: str = "normal") -> str:
    """The name on one line, shortened to at most `points` points of width.

    Parameters
    ----------
    name : object
        Its ``str`` is shown.
    points, size : float
        Largest width, and size of the type, in points.
    weight : str
        "normal" or "bold".
    """
    text = shorten(name, 200)
    if width_of(text, size, weight) <= points:
        return text
    return _cut(text, _n_fitting(text, points - width_of("…", size, weight), size, weight)) + "…"


def wrap(text: str, points: float, size: float, lines: int) -> str:
    """The text on one or more lines, which break at spaces, dashes, underscores, slashes and ellipses.

    Parameters
    ----------
    text : str
    points, size : float
        Largest width of a line, and size of the type, in points.
    lines : int
        Most lines; the last one is shortened if the text is longer.
    """
    done: list[str] = []
    while text and len(done) < lines - 1 and width_of(text, size) > points:
        end = max(1, _n_fitting(text, points, size))
        breaks = [at + (c != "…") for at, c in enumerate(text[:end]) if c in " -_/…" and at > 1]  # not after a sign alone
        end = breaks[-1] if breaks else end
        done.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return "\n".join([*done, fit(text, points, size)])


def distinct(names: Sequence[object], length: int = 12) -> list[str]:
    """The names, shortened so that different names stay different; if they begin alike, the middle is omitted.

    A name without a visible character becomes "(empty)".

    Parameters
    ----------
    names : sequence
    length : int
        Most characters of a shortened name.

    Returns
    -------
    list of str
        One per name.
    """
    own = [str(name) for name in names]
    whole = [shorten(name, 10_000) or NAMELESS for name in own]
    short = [shorten(name, length) for name in whole]
    for tail in (length // 2 - 1, length - 3):
        twice = _shared(own, short)
        short = [
            f"{name[: length - 1 - tail]}…{name[-tail:]}" if label in twice and len(name) > length else label
            for name, label in zip(whole, short, strict=True)
        ]
    twice = _shared(own, short)
    return [
        shorten(f"{at} {name}", length) if label in twice else label
        for at, (name, label) in enumerate(zip(whole, short, strict=True))
    ]


def _shared(own: Sequence[str], short: Sequence[str]) -> set[str]:
    """The shortened names that belong to more than one name."""
    of: dict[str, set[str]] = {}
    for name, label in zip(own, short, strict=True):
        of.setdefault(label, set()).add(name)
    return {label for label, full in of.items() if len(full) > 1}


def columns_of(names: Sequence[str], points: float, most: int = 5) -> int:
    """Number of legend entries, from 1 to `most`, that fit side by side into `points`, in small type."""
    entry = max((width_of(name, sizes.small) for name in names), default=sizes.small)
    entry += 4.0 * sizes.small  # the marker before, the gap after
    return max(1, min(most, len(names), int(points / entry)))


def number(value: float) -> str:
    """A distance or a loss with four digits and thousands separators."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def apart(first: float, last: float) -> tuple[str, str]:
    """Two losses with the same number of decimals, enough to show two digits of their difference."""
    gap, largest = abs(first - last), max(abs(first), abs(last))
    if not 0 < gap < np.inf or largest < 1e-4:
        return number(first), number(last)
    decimals = max(3 - int(np.floor(np.log10(largest))), 1 - int(np.floor(np.log10(gap))))
    decimals = min(max(decimals, 0), 12)
    return f"{first:,.{decimals}f}", f"{last:,.{decimals}f}"


def label_names(labels: ArrayLike, class_names: Sequence[str] | None) -> NDArray[Any]:
    """The name of each label: ``class_names[label]``, or the label as text if there are no names.

    Parameters
    ----------
    labels : array-like, any shape
        With `class_names`, class codes from 0.
    class_names : sequence of str or None

    Returns
    -------
    ndarray of the shape of `labels`, object
        Strings.

    Raises
    ------
    InputError
        For labels that are not indices of ``class_names``.
    """
    refuse_masked(labels, "labels")
    codes = np.asarray(labels)
    if class_names is None:
        return np.array([str(label) for label in codes.ravel()], dtype=object).reshape(codes.shape)
    return np.array([str(name) for name in class_names], dtype=object)[check_named_codes(codes, class_names)]


def shrink(image: NDArray[Any], side: int = LARGEST_SIDE) -> NDArray[Any]:
    """The image reduced by block averages until no side is longer than ``side``.

    Parameters
    ----------
    image : array-like of shape (h, w, c)
    side : int
        In pixels.

    Returns
    -------
    ndarray of shape (h', w', c), float64
        In the units of `image`.
    """
    pixels = np.asarray(image, dtype=np.float64)
    step = -(-max(pixels.shape[:2]) // side)
    if step == 1:
        return pixels
    step_h, step_w = min(step, pixels.shape[0]), min(step, pixels.shape[1])
    height, width = pixels.shape[0] // step_h, pixels.shape[1] // step_w
    cut = pixels[: height * step_h, : width * step_w]
    return cut.reshape(height, step_h, width, step_w, -1).mean(axis=(1, 3))


def grey_range(images: NDArray[Any]) -> tuple[float, float]:
    """The values drawn as black and white: 0 and 255 for ordinary bytes, otherwise the range of the data.

    Bytes that use only the lower half (such as digits of 0 to 16) are stretched, because they would look black.

    Parameters
    ----------
    images : ndarray, any shape

    Returns
    -------
    low, high : float
        In the units of `images`; ``low < high``.
    """
    if images.size == 0:
        return 0.0, 1.0
    low, high = float(images.min()), float(images.max())
    if images.dtype == np.uint8:
        low, high = 0.0, 255.0 if high >= 128 else high
    return low, high if high > low else low + 1.0


def to_rgb(image: NDArray[Any], low: float, high: float, side: int = LARGEST_SIDE) -> NDArray[np.uint8]:
    """The image as bytes, ``low`` black and ``high`` white.

    Parameters
    ----------
    image : array-like of shape (h, w, 1 or 3)
    low, high : float
        In the units of `image`; values outside are clipped.
    side : int
        Longest side of the result in pixels; see `shrink`.

    Returns
    -------
    ndarray of shape (h', w', 3), uint8
    """
    scaled = np.clip((shrink(image, side) - low) / (high - low), 0.0, 1.0)
    return np.broadcast_to(np.rint(scaled * 255).astype(np.uint8), (*scaled.shape[:2], 3))


def bare(ax: Axes, colour: str | None = None, line: Any = "-", width: float = 1.0) -> None:
    """Remove the ticks, and draw the frame in this colour and line style, or remove it too.

    Parameters
    ----------
    ax : Axes
    colour : str or None
        None: no frame.
    line : line style of matplotlib
    width : float
        Width of the frame in points.
    """
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(colour is not None)
        if colour is not None:
            spine.set(edgecolor=colour, linestyle=line, linewidth=width)
