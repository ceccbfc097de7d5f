"""A static snapshot of a demo: one self-contained page that makes no network requests."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from bokeh.embed import file_html
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.resources import INLINE

from fastcls._storage.atomic import replacing
from fastcls._validation.messages import counted

from . import _text
from ._knn_state import CLASS_NAMES, KnnController, KnnState
from ._knn_view import TITLES
from ._linear_state import LOSSES, LinearController, LinearState
from ._linear_view import Lines, sums, table
from ._page import Plane, flowing, page_template, point_columns, stacked, words


def export(state: KnnState | LinearState, path: str | Path) -> None:
    """Write the pictures of a state as one page; pointing at a point shows its class."""
    if isinstance(state, KnnState):
        name, title, (shown, lines) = "knn", "k nearest neighbours", _knn(state)
    else:
        name, title, (shown, lines) = "linear", "Linear classifier", _linear(state)
    with replacing(path, "the page") as temporary:
        page = stacked(
            words(f"<h1 style='font-size: 1.5em; margin: 0.2em 0'>{title}</h1>"),
            shown,
            words(
                "".join(f"<p>{escape(line)}</p>" for line in lines)
                + "<p>To move the points, run:</p><pre style='white-space: "
                f"pre-wrap; word-break: break-all'>{escape(_text.command(name, state.text()))}</pre>"
            ),
            basis=280,
        )
        temporary.write_text(file_html(page, INLINE, title, template=page_template()), encoding="utf-8")


def _plane(title: str, state: KnnState | LinearState, picture: Any, **options: Any) -> Plane:
    plane = Plane(title, ColumnDataSource(point_columns(state.points, state.codes)), state.classes, **options)
    plane.show(picture, state.classes)
    shown = [("class", "@name"), ("x", "@x{0.00}"), ("y", "@y{0.00}")]
    plane.figure.add_tools(HoverTool(renderers=[plane.above], tooltips=shown))
    return plane


def _knn(state: KnnState) -> tuple[Any, Iterable[str]]:
    """The picture of each metric, and the lines below."""
    controller = KnnController(state)
    planes = [_plane(TITLES[metric], state, controller.picture(metric)).figure for metric in state.metrics]
    lines = [
        f"K = {state.k}, {state.weights} votes, {counted(state.classes, 'class')}, "
        f"{counted(len(state.points), 'point')}. White: a tie."
    ]
    for metric in state.metrics:
        ks, shares = controller.accuracies(metric)
        named = ", ".join(f"K = {k}: {100 * share:.0f} %" for k, share in zip(ks, shares, strict=True))
        lines.append(f"Leave-one-out accuracy, {metric.upper()}: {named or 'none, with a single point'}.")
    return flowing(*planes), [*lines, *controller.notes()]


def _linear(state: LinearState) -> tuple[Any, Iterable[str]]:
    """The picture with the lines of the classes, and the losses; the weights below."""
    controller = LinearController(state)
    plane = _plane("Highest score", state, controller.picture(), axes=True)
    Lines(plane).show(controller)
    losses = controller.losses()
    left = stacked(flowing(plane.figure), basis=340)
    right = stacked(words(sums(controller, losses)), words(table(losses, state.codes)), basis=340)
    lines = [f"{LOSSES[state.loss]}, step size {state.step:g}. White: a tie."]
    for name, (w1, w2, b) in zip(CLASS_NAMES, state.W, strict=False):
        lines.append(f"Score of {name}: {w1:.4g} x {w2:+.4g} y {b:+.4g}.")
    return flowing(left, right), [*lines, *controller.notes()]
