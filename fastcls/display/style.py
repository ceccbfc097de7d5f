"""What every figure shares: sizes, colours, names made safe to draw, and the way to get axes without pyplot.

Figures are laid out at 4.2 inches, which is about 400 pixels: text that is readable there stays readable when the
figure is shown larger. Colours are those of Okabe and Ito (2008), told apart by all common kinds of colour vision;
each series has its own marker and line style too, and right and wrong are told by a sign and a frame as well. Text,
ticks and grid take their colours from matplotlib's rcParams, so that a user's own style (or a dark one) is respected.
"""

from __future__ import annotations

import logging
import operator
import os
import sys
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any
from unicodedata import category, east_asian_width

import numpy as np

from fastcls._validation.base import refuse_masked
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted

from ._validation import check_named_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray

BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SERIES = ((BLUE, "o", "-"), (VERMILION, "^", "--"), (GREEN, "s", "-."), (PURPLE, "D", ":"))
RIGHT, WRONG = "✓", "✗"
WIDTH = 4.2  # inches
TITLE, TEXT, SMALL, TINY = 10.0, 9.0, 8.5, 7.5  # points; on a phone a figure is drawn at 0.9 of its size
#: widths of characters that are far from LETTER, in heights of their type (capitals: 0.69)
_EM = {
    **dict.fromkeys("ijl|'.,:;! ", 0.33),
    **dict.fromkeys("ftrI()[]-/", 0.4),
    **dict.fromkeys("_cksvxyz", 0.57),
    **dict.fromkeys("DGHNOQU&✓✗▲", 0.8),
    **dict.fromkeys("mMwW@%…", 1.0),
}
LETTER = 0.63
NAMELESS = "(empty)"  # instead of a name without a visible character
#: properties of every text with a name in it: no mathematics between dollar signs, no TeX, whatever rcParams say
LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}
_JOINERS = "\u200c\u200d"  # invisible, and part of words in Persian and Indic scripts and of emoji
LARGEST_SIDE = 128  # pixels drawn of an image: more cannot be seen at these sizes and makes files heavy


def series(i: int) -> tuple[str, str, str]:
    """Colour, marker and line of a figure's i-th series: no two of the first 16 look alike."""
    turn, place = divmod(i, len(SERIES))
    return SERIES[place][0], SERIES[(place + turn) % 4][1], SERIES[(place + 2 * turn) % 4][2]


class Drawn:
    """A display that has a figure once it is plotted; a notebook shows it as the value of a cell."""

    figure_: Figure | SubFigure

    def _repr_png_(self) -> bytes | None:
        figure = getattr(self, "figure_", None)
        if figure is None:
            return None
        buffer = BytesIO()
        with warnings.catch_warnings():
            # a name in a script that no font here has is drawn as boxes; a warning a letter says no more than they do
            warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
            figure.figure.savefig(buffer, format="png", dpi=150)
        return buffer.getvalue()


def axes_for(ax: Axes | None, height: float, width: float = WIDTH) -> tuple[Figure | SubFigure, Axes]:
    """The given axes and their figure, or those of a new figure that pyplot does not know."""
    if ax is not None:
        return ax.figure, ax
    figure = figure_for(None, height, width)
    return figure, figure.add_subplot()


def figure_for(figure: Figure | SubFigure | None, height: float, width: float = WIDTH) -> Figure | SubFigure:
    """The given figure, or a new one that pyplot does not know."""
    if figure is not None:
        return figure
    import_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def import_matplotlib() -> None:
    """Import matplotlib, also where MPLBACKEND names a backend that it does not know and so refuses to be imported.

    Notebooks set the variable for the programs they start, which may lack the notebook's backend. Figures here need none.
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
        matplotlib.rcParams["backend"] = backend  # what matplotlib itself does last
    except ValueError:
        logging.getLogger("fastcls").info("matplotlib does not know MPLBACKEND=%s; figures are drawn without it", backend)


def legend(on: Axes | Figure | SubFigure, handles: Sequence[Any], names: Sequence[str], **options: Any) -> Any:
    """A legend whose entries are drawn as they are: matplotlib would hide a label that begins with an underscore."""
    options = {"fontsize": SMALL, "framealpha": 0.0, **options}
    made = on.legend(handles, [str(i) for i in range(len(names))], **options)
    for handle, text, name in zip(handles, made.get_texts(), names, strict=True):
        handle.set_label(name)
        text.set(text=name, **LITERAL)
    return made


def clean(text: object) -> str:
    """The text with every character that cannot be printed (control, direction, lone surrogate) replaced."""
    return "".join(
        c if c.isprintable() or c in "\n\t" or c in _JOINERS or category(c) == "Zs" else "\ufffd" for c in str(text)
    )


def keep_percent(ax: Axes) -> None:
    """Let the vertical axis of accuracies end at 0 and at 100 %; values beyond, which are none, stay to be seen."""
    drawn = [y for line in ax.lines for y in np.asarray(line.get_ydata(), dtype=np.float64).tolist() if np.isfinite(y)]
    low, high = ax.get_ylim()
    if drawn and min(drawn) >= 0 and max(drawn) <= 100:
        ax.set_ylim(max(low, 0), min(high, 100))


def shorten(name: object, length: int = 12) -> str:
    """The name on one line, at most ``length`` characters long; an ellipsis says that it was longer."""
    text = " ".join(clean(name).split())
    return text if len(text) <= length else _cut(text, length - 1) + "…"


def _cut(text: str, length: int) -> str:
    """The first characters of the text; none loses its accents, which follow it."""
    while 0 < length < len(text) and not _width_of(text[length]):
        length -= 1
    return text[:length]


def _width_of(char: str) -> float:
    """About how wide a character is, in heights of its type; accents and joiners lie on or in another."""
    if category(char) in ("Mn", "Me", "Cf"):
        return 0.0
    return _EM.get(char, 1.0 if east_asian_width(char) in "WF" else 0.69 if char.isupper() else LETTER)


def em(text: str) -> float:
    """About how wide the text is, in heights of its type: DejaVu Sans, which is wider than what browsers use."""
    return sum(map(_width_of, text))


def fit(name: object, points: float, size: float, weight: str = "normal") -> str:
    """The name on one line, shortened until it is at most so many points wide in type of this size."""
    text, room = shorten(name, 200), points / (size * (1.12 if weight == "bold" else 1.0))
    if em(text) <= room:
        return text
    while text and em(text) + 1.0 > room:
        text = _cut(text, len(text) - 1)
    return text + "…"


def wrap(text: str, points: float, size: float, lines: int) -> str:
    """The text on at most so many lines, each at most so many points wide: broken at spaces, dashes and the like."""
    room = points / size
    done: list[str] = []
    while text and len(done) < lines - 1 and em(text) > room:
        end = next((n for n in range(len(text), 0, -1) if em(text[:n]) <= room), 1)
        breaks = [at + (c != "…") for at, c in enumerate(text[:end]) if c in " -_/…" and at > 1]  # not behind a sign alone
        end = breaks[-1] if breaks else end
        done.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return "\n".join([*done, fit(text, points, size)])


def distinct(names: Sequence[object], length: int = 12) -> list[str]:
    """The names, shortened so that different ones stay different: where their beginnings agree, the middle is left out.

    A name without a visible character becomes a word that says so.
    """
    own = [str(name) for name in names]
    whole = [shorten(name, 10_000) or NAMELESS for name in own]
    short = [shorten(name, length) for name in whole]
    for tail in (length // 2 - 1, length - 3):
        twice = _shared(own, short)
        short = [
            f"{name[: length - 1 - tail]}…{name[-tail:]}" if shown in twice and len(name) > length else shown
            for name, shown in zip(whole, short, strict=True)
        ]
    twice = _shared(own, short)
    return [
        shorten(f"{at} {name}", length) if shown in twice else shown
        for at, (name, shown) in enumerate(zip(whole, short, strict=True))
    ]


def _shared(own: Sequence[str], short: Sequence[str]) -> set[str]:
    """What stands for more than one name."""
    of: dict[str, set[str]] = {}
    for name, shown in zip(own, short, strict=True):
        of.setdefault(shown, set()).add(name)
    return {shown for shown, stands_for in of.items() if len(stands_for) > 1}


def columns_of(names: Sequence[str], points: float, size: float = SMALL, most: int = 5) -> int:
    """How many entries of a legend stand side by side in so many points."""
    widest = max((em(name) for name in names), default=1.0)
    entry = widest + 4.0  # the sign before the name, the gap behind it
    return max(1, min(most, len(names), int(points / (size * entry))))


def number(value: float) -> str:
    """Four digits of a distance or a loss, thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def apart(first: float, last: float) -> tuple[str, str]:
    """Two losses with equally many decimals, at least as many as show two digits of their difference."""
    gap, largest = abs(first - last), max(abs(first), abs(last))
    if not 0 < gap < np.inf or largest < 1e-4:
        return number(first), number(last)
    decimals = max(3 - int(np.floor(np.log10(largest))), 1 - int(np.floor(np.log10(gap))))
    decimals = min(max(decimals, 0), 12)
    return f"{first:,.{decimals}f}", f"{last:,.{decimals}f}"


def label_names(labels: ArrayLike, class_names: Sequence[str] | None) -> NDArray[Any]:
    """The name of each label: ``class_names[label]``, or the label itself as text where there are no names.

    Raises
    ------
    InputError
        For labels that are no places in ``class_names``.
    """
    refuse_masked(labels, "labels")
    codes = np.asarray(labels)
    if class_names is None:
        return np.array([str(label) for label in codes.ravel()], dtype=object).reshape(codes.shape)
    return np.array([str(name) for name in class_names], dtype=object)[check_named_codes(codes, class_names)]


def check_image_shape(image_shape: Sequence[int] | None, n_features: int | None = None) -> tuple[int, int, int]:
    """The shape as (height, width, channels), if rows of this many features can be drawn with it.

    Raises
    ------
    InputError
        If there is no image shape, if it has neither one nor three channels, or if it does not fit the rows.
    """
    if image_shape is None:
        raise InputError(
            "this figure shows images, and the data has no image shape; "
            "give image_shape=(height, width, channels) if its rows are images"
        )
    try:
        shape = tuple(operator.index(n) for n in image_shape)
    except TypeError:
        raise InputError(f"image_shape is {image_shape!r}; wanted three whole numbers (height, width, channels)") from None
    if len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1:
        raise InputError(f"image_shape is {shape}; only (height, width, 1) and (height, width, 3) can be drawn")
    if n_features is not None and shape[0] * shape[1] * shape[2] != n_features:
        wanted = shape[0] * shape[1] * shape[2]
        raise InputError(f"image_shape {shape} needs rows of {counted(wanted, 'feature')}, and these have {n_features}")
    return shape  # type: ignore[return-value]


def shrink(image: NDArray[Any], side: int = LARGEST_SIDE) -> NDArray[Any]:
    """The image (h, w, c) as float64, averaged over whole blocks of pixels until no side is longer than ``side``."""
    pixels = np.asarray(image, dtype=np.float64)
    step = -(-max(pixels.shape[:2]) // side)
    if step == 1:
        return pixels
    step_h, step_w = min(step, pixels.shape[0]), min(step, pixels.shape[1])
    height, width = pixels.shape[0] // step_h, pixels.shape[1] // step_w
    cut = pixels[: height * step_h, : width * step_w]
    return cut.reshape(height, step_h, width, step_w, -1).mean(axis=(1, 3))


def grey_range(images: NDArray[Any]) -> tuple[float, float]:
    """The values shown as black and as white: 0 and 255 for ordinary bytes, the data's own range for anything else.

    Bytes that use only the lower half (digits of 0 to 16) are stretched, or they would all look black.
    """
    if images.size == 0:
        return 0.0, 1.0
    low, high = float(images.min()), float(images.max())
    if images.dtype == np.uint8:
        low, high = 0.0, 255.0 if high >= 128 else high
    return low, high if high > low else low + 1.0


def to_rgb(image: NDArray[Any], low: float, high: float, side: int = LARGEST_SIDE) -> NDArray[np.uint8]:
    """The image (h, w, 1 or 3) as bytes (h, w, 3), ``low`` black and ``high`` white."""
    scaled = np.clip((shrink(image, side) - low) / (high - low), 0.0, 1.0)
    return np.broadcast_to(np.rint(scaled * 255).astype(np.uint8), (*scaled.shape[:2], 3))


def bare(ax: Axes, colour: str | None = None, line: Any = "-", width: float = 1.0) -> None:
    """Take ticks off the axes and draw their frame in this colour and line, or not at all."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(colour is not None)
        if colour is not None:
            spine.set(edgecolor=colour, linestyle=line, linewidth=width)
