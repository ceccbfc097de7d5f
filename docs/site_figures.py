"""Figures of the site: of a page, the displays that a block of its code has plotted and what it drew with pyplot; of the
guide, pictures that say their density, which are shown at `DPI`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from docutils import nodes
from matplotlib.figure import Figure

SCALE = 2  # for screens of twice the density
DPI = 110


def drawn(variables: dict[str, Any]) -> list[Figure]:
    """Figures of this block, in the order of their making; each is taken once."""
    figures = [plt.figure(number) for number in plt.get_fignums()]
    for value in list(variables.values()):
        shown = getattr(value, "figure_", value)
        if isinstance(getattr(shown, "figure", None), Figure) and not isinstance(value, type):
            shown = shown.figure
            if isinstance(value, Figure) or hasattr(value, "figure_"):
                figures.append(shown)
    unique = list(dict.fromkeys(figures))
    return [figure for figure in unique if not getattr(figure, "is_on_page", False)]


def description(figure: Figure) -> str:
    """What a screen reader says: the titles in the figure; without a title, its other words."""
    titles = [figure.get_suptitle()] + [ax.get_title() for ax in figure.axes]
    if not any(titles):
        titles = [text.get_text() for text in [*figure.texts, *(text for ax in figure.axes for text in ax.texts)]]
    words = " ".join(" ".join(filter(None, titles)).split()).replace("*", "").replace("|", "")
    return words or "figure"


def scraper(block: tuple, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures of a block and return the directives that show them."""
    lines = []
    for figure in drawn(block_vars["example_globals"]):
        path = Path(next(block_vars["image_path_iterator"]))
        large = path.with_name(f"{path.stem}_2_00x{path.suffix}")
        figure.savefig(path, dpi=DPI, facecolor="white")
        figure.savefig(large, dpi=DPI * SCALE, facecolor="white")
        figure.is_on_page = True
        near, far = (f"/{one.relative_to(gallery_conf['src_dir']).as_posix()}" for one in (path, large))
        lines += [
            "",
            f".. image-sg:: {near}",
            f"   :alt: {description(figure)}",
            f"   :srcset: {near}, {far} 2.00x",
            "   :class: sphx-glr-single-img",
            "",
        ]
    plt.close("all")
    return "\n".join(lines)


def width_of(path: Path) -> str | None:
    """Width of a PNG on a page that has `DPI` dots an inch; None if the file says no density."""
    from PIL import Image

    with Image.open(path) as picture:
        density = picture.info.get("dpi")
        return None if density is None else f"{round(picture.width * DPI / density[0])}px"


def size_pictures(app: Any, document: nodes.document) -> None:
    """Give every picture of twice the density half of its width in pixels."""
    for node in document.findall(nodes.image):
        path = Path(app.srcdir) / Path(app.env.docname).parent / node.get("uri", "")
        if path.suffix == ".png" and path.is_file() and "width" not in node and (width := width_of(path)) is not None:
            node["width"] = width


def setup(app: Any) -> dict[str, bool]:
    """Size the pictures of each page that was read."""
    app.connect("doctree-read", size_pictures, priority=100)  # before Sphinx collects the files and changes their paths
    return {"parallel_read_safe": True, "parallel_write_safe": True}
