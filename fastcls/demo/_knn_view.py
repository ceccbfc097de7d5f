"""The page of the k-NN demo: a thin layer over `KnnController`."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.models import Button, ColumnDataSource, Range1d, Select, Span
from bokeh.plotting import figure

from . import _text
from ._knn_state import CLASSES, POINTS, K, KnnController, KnnState
from ._page import Frame, Keys, Mail, Plane, flowing, point_columns, sized, slider, stacked, words

TITLES = {"l1": "L1 (Manhattan)", "l2": "L2 (Euclidean)"}
PRESET_LABELS = [
    ("random", "Random clusters"),
    ("parity", "Hard: parity of two pixels"),
    ("ring", "Hard: ring, 1 ≤ norm ≤ 2"),
    ("three_modes", "Hard: three modes"),
    ("tie", "Two points, a tie everywhere"),
]
WEIGHT_LABELS = [("uniform", "equal (uniform)"), ("distance", "1 / distance"), ("softmax", "softmax of -distance")]
_LINES = {"l1": "#6a2c91", "l2": "#1b1b1b"}
_NOWHERE: dict[str, Any] = {"x0": [], "y0": [], "x1": [], "y1": []}


class KnnView:
    """The widgets and pictures of one session."""

    def __init__(self, doc: Document, state: KnnState, notes: list[str]) -> None:
        self.controller = KnnController(state)
        self._opening_notes = notes
        self._quiet = False
        self._at: tuple[float, float] | None = None
        self.frame = Frame(
            doc,
            "k nearest neighbours",
            "Drag a point and watch the regions change. White is a tie. "
            "Move the pointer over the plane to see the vote there.",
        )
        self.points = ColumnDataSource(point_columns(state.points, state.codes))
        self.mail = Mail(doc, self._got)
        self.planes = {metric: Plane(title, self.points, state.classes) for metric, title in TITLES.items()}
        self.lines = {metric: ColumnDataSource(_NOWHERE) for metric in TITLES}
        for metric, plane in self.planes.items():
            plane.figure.segment("x0", "y0", "x1", "y1", source=self.lines[metric], line_width=1.5, line_color="#1b1b1b")
            plane.listen(self.points, self.mail.source)
        self.vote = words("", styles={"min-height": "2.8em"})
        self.keys = Keys(self._moved, lambda place: self._refresh(look_at=place))
        self._make_accuracies()
        self._make_controls()
        doc.add_root(self._layout())
        self._refresh()

    def _make_accuracies(self) -> None:
        self.curves = {metric: ColumnDataSource({"k": [], "percent": []}) for metric in TITLES}
        self.accuracy = figure(
            title="Leave-one-out accuracy against K",
            tools="",
            toolbar_location=None,
            height=240,
            sizing_mode="stretch_width",
            y_range=Range1d(0, 104),
            x_range=Range1d(0.5, K[1] + 0.5),
            x_axis_label="K",
            y_axis_label="accuracy (%)",
        )
        self.accuracy.xaxis.ticker = list(range(K[0], K[1] + 1, 2))
        for metric, source in self.curves.items():
            style = {"color": _LINES[metric], "source": source}
            self.accuracy.line(
                "k",
                "percent",
                line_width=2,
                line_dash="dashed" if metric == "l1" else "solid",
                legend_label=metric.upper(),
                **style,
            )
            self.accuracy.scatter("k", "percent", size=6, legend_label=metric.upper(), **style)
        self.accuracy.add_layout(self.accuracy.legend[0], "right")  # inside the plot it would cover a curve
        self.chosen_k = Span(dimension="height", line_dash="dotted", line_color="#555555", line_width=2)
        self.accuracy.add_layout(self.chosen_k)

    def _make_controls(self) -> None:
        self.metric = Select(title="Distance", options=[("l1", "L1"), ("l2", "L2"), ("both", "L1 and L2 side by side")])
        self.weights = Select(title="Weight of a vote", options=WEIGHT_LABELS)
        self.k = slider("K (neighbours)", K, 5, 1)
        self.classes = slider("Classes", CLASSES, 3, 1)
        self.n = slider("Points", POINTS, 60, 1)
        self.preset = Select(title="Source of the points", options=PRESET_LABELS)
        self.random = Button(label="Random points")
        self.reset = Button(label="Reset")
        sized(self.metric, self.weights, self.k, self.classes, self.n, self.preset)
        sized(self.random, self.reset)

        def on(widget: Any, change: Any) -> None:
            def changed(attribute: str, old: Any, new: Any) -> None:
                if not self._quiet:
                    change(new)
                    self._refresh()

            widget.on_change("value", changed)

        on(self.metric, lambda value: self.controller.set(metric=value))
        on(self.weights, lambda value: self.controller.set(weights=value))
        on(self.k, lambda value: self.controller.set(k=int(value)))
        on(self.classes, lambda value: self.controller.renew(classes=int(value)))
        on(self.n, lambda value: self.controller.renew(n=max(int(value), POINTS[0])))
        on(self.preset, lambda value: self.controller.renew(preset=value))
        self.random.on_click(lambda: self._after(self.controller.another))
        self.reset.on_click(lambda: self._after(self.controller.reset))
        self.frame.large.on_change("active", lambda attribute, old, new: self._enlarge(new))

    def _after(self, change: Any) -> None:
        change()
        self._refresh()

    def _layout(self) -> Any:
        frame = self.frame
        return stacked(
            frame.heading,
            frame.notes,
            flowing(self.metric, self.k, self.weights, self.preset),
            flowing(self.classes, self.n, self.random, self.reset),
            flowing(
                *(plane.figure for plane in self.planes.values()),
                stacked(self.vote, self.accuracy, self.keys.controls, basis=340),
            ),
            flowing(frame.copy, frame.large),
            frame.command,
            self.mail.hidden,
            basis=280,
        )

    def _enlarge(self, large: bool) -> None:
        for plane in self.planes.values():
            plane.enlarge(large)
        for axis in self.accuracy.axis:
            axis.major_label_text_font_size = axis.axis_label_text_font_size = "20px" if large else "12px"
        self.accuracy.title.text_font_size = self.accuracy.legend.label_text_font_size = "20px" if large else "13px"

    def _got(self, kind: str, place: int, x: float, y: float) -> None:
        """Handle a message from the page."""
        if kind in ("drag", "drop"):
            self.controller.move(place, x, y)
            self._at = None
            self._draw()
            if kind == "drop":
                self.keys.which.value = place + 1
                self._refresh(draw=False)
        elif kind == "look":
            self._at = (x, y)
        else:
            self._at = None
        self._look()

    def _moved(self, place: int, x: float, y: float) -> None:
        self.controller.move(place, x, y)
        self._refresh(look_at=place)

    def _draw(self) -> None:
        for metric in self.controller.state.metrics:
            self.planes[metric].show(self.controller.picture(metric), self.controller.state.classes)

    def _look(self) -> None:
        """Show lines from the pointer to the neighbours that vote there, and the vote as text."""
        lines = []
        points = self.controller.state.points
        for metric, source in self.lines.items():
            if self._at is None or metric not in self.controller.state.metrics:
                if len(source.data["x0"]):
                    source.data = _NOWHERE
                continue
            vote = self.controller.vote(metric, *self._at)
            ends = points[vote.neighbors] / 100
            at = np.broadcast_to(np.array(self._at) / 100, ends.shape)
            source.data = {"x0": at[:, 0], "y0": at[:, 1], "x1": ends[:, 0], "y1": ends[:, 1]}
            lines.append(f"<b>{metric.upper()}</b> at {vote.words()}.")
        text = (
            "<br>".join(lines) or "Move the pointer over the plane, or choose a point by its number, to see the vote there."
        )
        if self.vote.text != text:
            self.vote.text = text

    def _refresh(self, look_at: int | None = None, draw: bool = True) -> None:
        """Update the whole page, after a change other than a drag."""
        state = self.controller.state
        self._quiet = True
        try:
            self.n.start = min(POINTS[0], len(state.points))  # a state given as text may have fewer
            for widget, value in (
                (self.metric, state.metric),
                (self.weights, state.weights),
                (self.k, state.k),
                (self.classes, state.classes),
                (self.preset, state.preset),
                (self.n, len(state.points)),
            ):
                widget.value = value
        finally:
            self._quiet = False
        self.points.data = point_columns(state.points, state.codes)
        for metric, plane in self.planes.items():
            plane.figure.visible = metric in state.metrics
            ks, shares = self.controller.accuracies(metric)
            self.curves[metric].data = {"k": ks, "percent": 100 * shares}
        self.chosen_k.location = state.voters
        if draw:
            self._draw()
        self.keys.show(state.points)
        if look_at is not None:
            self._at = tuple(state.points[self.keys.place])
        self._look()
        self.frame.say([*self._opening_notes, *self.controller.notes()])
        self._opening_notes = []
        self.frame.command.value = _text.command("knn", state.text())
