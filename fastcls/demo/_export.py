"""A static snapshot of the k-NN demo: one self-contained page that makes no network requests."""

from __future__ import annotations

from html import escape
from pathlib import Path

from bokeh.embed import file_html
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.resources import INLINE

from fastcls._storage.atomic import replacing
from fastcls._validation.messages import counted

from . import _text
from ._knn_state import KnnController, KnnState
from ._knn_view import TITLES
from ._page import Plane, flowing, page_template, point_columns, stacked, words


def export(state: KnnState, path: str | Path) -> None:
    """Write the pictures of a state as one page; pointing at a point shows its class."""
    with replacing(path, "the page") as temporary:
        controller = KnnController(state)
        points = ColumnDataSource(point_columns(state.points, state.codes))
        planes = []
        for metric in state.metrics:
            plane = Plane(TITLES[metric], points, state.classes)
            plane.show(controller.picture(metric), state.classes)
            shown = [("class", "@name"), ("x", "@x{0.00}"), ("y", "@y{0.00}")]
            plane.figure.add_tools(HoverTool(renderers=[plane.above], tooltips=shown))
            planes.append(plane.figure)
        lines = [
            f"K = {state.k}, {state.weights} votes, {counted(state.classes, 'class')}, "
            f"{counted(len(state.points), 'point')}. White: a tie."
        ]
        for metric in state.metrics:
            ks, shares = controller.accuracies(metric)
            named = ", ".join(f"K = {k}: {100 * share:.0f} %" for k, share in zip(ks, shares, strict=True))
            lines.append(f"Leave-one-out accuracy, {metric.upper()}: {named or 'none, with a single point'}.")
        lines += controller.notes()
        page = stacked(
            words("<h1 style='font-size: 1.5em; margin: 0.2em 0'>k nearest neighbours</h1>"),
            flowing(*planes),
            words(
                "".join(f"<p>{escape(line)}</p>" for line in lines)
                + "<p>To move the points, run:</p><pre style='white-space: "
                f"pre-wrap; word-break: break-all'>{escape(_text.command('knn', state.text()))}</pre>"
            ),
            basis=280,
        )
        temporary.write_text(file_html(page, INLINE, "k nearest neighbours", template=page_template()), encoding="utf-8")
