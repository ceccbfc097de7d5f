"""Figures embedded in the page: line drawings as SVG, pixels as PNG in ``data:`` URLs.

The SVGs take the colours of text, axes and series from CSS variables of the page, so one drawing suits a light page, a
dark page and paper. Their text stays text: it can be selected, and uses the reader's fonts.
"""

from __future__ import annotations

import base64
import gc
import re
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls.display import style as _style

if TYPE_CHECKING:
    from markupsafe import Markup
    from numpy.typing import NDArray

INK, GRID = "#1b1f24", "#b8bfc7"
#: colours of the drawing -> variables of report.css
THEME = {
    INK: "var(--ink)",
    GRID: "var(--grid)",
    _style.BLUE: "var(--blue)",
    _style.VERMILION: "var(--vermillion)",
    _style.GREEN: "var(--green)",
    _style.PURPLE: "var(--purple)",
}
_CLEAR = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none")
_INKED = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
_STYLE = {**_CLEAR, **_INKED, "grid.color": GRID, "svg.fonttype": "none"}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_PIXELS_PER_POINT = 96 / 72
_TAG = re.compile(r"<[^>]*>")


def draw(plot: Callable[[], Any], description: str) -> Markup:
    """Call ``plot``, which returns a plotted display, in the style of the page, and return its figure as ``<svg>``.

    ``description`` is the text for screen readers.
    """
    _style.import_matplotlib()
    import matplotlib as mpl
    import matplotlib.style

    text = StringIO()
    style = mpl.style.context(["default", {**_STYLE, "svg.hashsalt": description}])
    with warnings.catch_warnings(), style, _without_collection():
        # class names in scripts that matplotlib's font lacks: the browser has fonts for them
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure = plot().figure_
        _lay_out(figure)
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    return _inline(text.getvalue(), description)


def _lay_out(figure: Any) -> None:
    """Compute the layout for SVG once; savefig would draw the whole figure a second time for it."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    figure.dpi = 72  # an SVG's unit is the point
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


@contextmanager
def _without_collection() -> Iterator[None]:
    """Turn off cyclic garbage collection, which takes a fifth of the time of drawing a figure's many objects."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _inline(svg: str, description: str) -> Markup:
    """Return matplotlib's SVG document as an element of an HTML page."""
    from markupsafe import Markup, escape

    found = re.search(r"<svg[^>]*viewBox=\"0 0 ([\d.]+) ([\d.]+)\"[^>]*>(.*)</svg>", svg, re.S)
    if found is None:
        raise RuntimeError("matplotlib wrote an SVG without a viewBox")
    width, height, body = found[1], found[2], found[3]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r"<style type=\"text/css\">.*?</style>", "", body, flags=re.S)  # its only rule is in report.css
    prefix = f"f{zlib.crc32(description.encode('utf-8', 'replace')):x}"
    # ids must be unique within the page, but matplotlib names the parts of every figure alike
    used = set(re.findall(r"(?:href=\"|url\()#([^\")]+)", " ".join(_TAG.findall(body))))

    def adapt(tag: re.Match[str]) -> str:
        text = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]*", r"\1 system-ui, sans-serif", tag[0])
        text = re.sub(r" id=\"([^\"]+)\"", lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", text)
        text = re.sub(r"href=\"#", f'href="#{prefix}-', text)
        text = re.sub(r"url\(#", f"url(#{prefix}-", text)
        for colour, variable in THEME.items():
            text = text.replace(colour, variable)
        return text

    body = _TAG.sub(adapt, body)  # only tags: a class may have the name #0072b2
    pixels = float(width) * _PIXELS_PER_POINT
    size = f"max-width:{1.55 * pixels:.0f}px"  # on a small screen it shrinks, so that none of it is cut off
    return Markup(
        f'<svg class="figure" viewBox="0 0 {width} {height}" style="{size}" role="img" '
        f'aria-label="{escape(_style.clean(description))}">{body}</svg>'
    )


def png(image: NDArray[Any], low: float, high: float) -> str:
    """Return the image (h, w, 1 or 3), scaled to at most 64 pixels, as a PNG in a ``data:`` URL."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(_style.to_rgb(image, low, high, 64))).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
