"""The page of the linear demo: a thin layer over `LinearController`."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.models import (
    Arrow,
    Button,
    ColumnDataSource,
    CustomJSTickFormatter,
    InlineStyleSheet,
    NormalHead,
    NumericInput,
    Select,
    Toggle,
)

from . import _text
from ._knn_state import CLASS_NAMES, CLASSES
from ._linear_state import ALPHA, LOSSES, LinearController, LinearState, Losses
from ._page import COLORS, INPUT_CSS, Frame, Keys, Mail, Plane, flowing, point_columns, sized, slider, stacked, words

_PERIOD = 80  # ms between two steps of a run
_COLUMNS = ("w1", "w2", "b")
_STEPS = (-3.0, 1.0)  # the slider shows log10
_SUMS = "<table style='border-collapse: collapse; font-size: 1.1em'>{}</table>"
_SCORES = (
    "<div tabindex='0' role='region' aria-label='Scores and losses' "
    "style='max-height: 15em; overflow: auto'><table style='border-collapse: collapse; font-size: 0.95em'>"
    "<caption style='text-align: left'>Score of each class (true class in bold), and loss:</caption>"
    "<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
)
# without this, Bokeh's text would be wider than its column; now it scrolls inside
_WITHIN = ":host { min-width: 0; } .bk-clearfix { display: block; width: 100%; }"
_SUM = "<tr><th scope='row' style='text-align: left; font-weight: normal'>{}</th><td style='{}'>{:.6g}</td></tr>"
_CELL = "padding: 1px 4px; text-align: right; border-bottom: 1px solid #ddd"


def table(losses: Losses, codes: np.ndarray) -> str:
    """Return the table of scores and losses as HTML; it contains only numbers and fixed words."""
    n_classes = losses.scores.shape[1]
    names = ("point", "class", *CLASS_NAMES[:n_classes], "loss")
    head = "".join(f"<th scope='col' style='{_CELL}'>{name}</th>" for name in names)
    lines = []
    for i, (scores, loss, code) in enumerate(zip(losses.scores, losses.each, codes, strict=True)):
        cells = [
            f"<th scope='row' style='{_CELL}'>{i + 1}</th>",
            f"<td style='{_CELL}; color: {COLORS[code]}; font-weight: bold'>{CLASS_NAMES[code]}</td>",
        ]
        cells += [
            f"<td style='{_CELL}{'; font-weight: bold' if c == code else ''}'>{score:.2f}</td>"
            for c, score in enumerate(scores)
        ]
        lines.append(f"<tr>{''.join(cells)}<td style='{_CELL}'>{loss:.3f}</td></tr>")
    return _SCORES.format(head=head, body="".join(lines))


def sums(controller: LinearController, losses: Losses) -> str:
    """Return the sums over all points as an HTML table."""
    values = {
        "data loss (mean over the points)": losses.data,
        f"penalty, {controller.state.alpha:.4g} × sum of W²": losses.penalty,
        "full loss": losses.total,
        "steps taken": controller.steps,
    }
    return _SUMS.format("".join(_SUM.format(name, _CELL, value) for name, value in values.items()))


class Lines:
    """In a plane, the line on which the score of each class is 0, and an arrow to higher scores."""

    def __init__(self, plane: Plane) -> None:
        self.lines, self.arrows = [], []
        for c in range(CLASSES[1]):
            line = ColumnDataSource({"x": [], "y": []})
            arrow: ColumnDataSource = ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": []})
            plane.figure.line("x", "y", source=line, line_width=3, color=COLORS[c])
            plane.figure.add_layout(
                Arrow(
                    end=NormalHead(size=12, fill_color=COLORS[c], line_color=COLORS[c]),
                    source=arrow,
                    x_start="x0",
                    y_start="y0",
                    x_end="x1",
                    y_end="y1",
                    line_color=COLORS[c],
                    line_width=3,
                )
            )
            self.lines.append(line)
            self.arrows.append(arrow)

    def show(self, controller: LinearController) -> None:
        """Show the lines of the controller's W and b."""
        shown = {c: (line, arrow) for c, line, arrow in controller.lines()}
        for c, (line, arrow) in enumerate(zip(self.lines, self.arrows, strict=True)):
            if c in shown:
                ends, tip = shown[c]
                line.data = {"x": ends[:, 0], "y": ends[:, 1]}
                arrow.data = {"x0": tip[:1, 0], "y0": tip[:1, 1], "x1": tip[1:, 0], "y1": tip[1:, 1]}
            elif len(line.data["x"]):
                line.data = {"x": [], "y": []}
                arrow.data = {"x0": [], "y0": [], "x1": [], "y1": []}


class LinearView:
    """The widgets and the picture of one session."""

    def __init__(self, doc: Document, state: LinearState, notes: list[str]) -> None:
        self.controller = LinearController(state)
        self.doc = doc
        self._opening_notes = notes
        self._quiet = False
        self._running: Any = None
        self.frame = Frame(
            doc,
            "Linear classifier",
            "Drag a point, or change W and b. On the line of a class its score is 0; the arrow points to higher scores. "
            "The plane has the colour of the class with the highest score.",
        )
        self.points = ColumnDataSource(point_columns(state.points, state.codes))
        self.mail = Mail(doc, self._got)
        self.plane = Plane("Highest score", self.points, state.classes, axes=True)
        self.plane.listen(self.points, self.mail.source)
        self.lines = Lines(self.plane)
        self.keys = Keys(self._moved, lambda place: self._refresh())
        self.table, self.sums = words(stylesheets=[InlineStyleSheet(css=_WITHIN)]), words()
        self._make_controls()
        doc.add_root(self._layout())
        self._refresh()

    def _make_controls(self) -> None:
        change = self.controller
        self.loss = Select(title="Loss", options=list(LOSSES.items()))
        self.alpha = slider("Penalty: alpha", ALPHA, 0.1, 0.01)
        self.step = slider("Step size", _STEPS, -1.0, 0.1)
        self.step.format = CustomJSTickFormatter(code="return String(Number((10 ** tick).toPrecision(3)))")
        self.classes = slider("Classes", CLASSES, 3, 1)
        self.single, self.run = Button(label="Single step", button_type="primary"), Toggle(label="Run")
        self.randomise, self.zero = Button(label="Randomise W, b"), Button(label="W = 0, b = 0")
        self.reset = Button(label="Reset")
        sized(self.loss, self.alpha, self.step, self.classes)
        sized(self.single, self.run, self.randomise, self.zero, self.reset, basis=120)
        self.loss.on_change("value", lambda a, o, new: self._changed(lambda: change.set(loss=new)))
        self.alpha.on_change("value", lambda a, o, new: self._changed(lambda: change.set(alpha=new)))
        self.step.on_change("value", lambda a, o, new: self._changed(lambda: change.set(step=round(10**new, 6))))
        self.classes.on_change("value", lambda a, o, new: self._changed(lambda: change.set_classes(int(new))))
        self.single.on_click(lambda: self._changed(change.take_step))
        self.randomise.on_click(lambda: self._changed(change.randomise))
        self.zero.on_click(lambda: self._changed(change.zero))
        self.reset.on_click(self._reset)
        self.run.on_change("active", lambda a, o, new: self._run(new))
        self.frame.large.on_change("active", lambda a, o, new: self.plane.enlarge(new))
        self.weights = [[self._weight(c, at) for at in range(3)] for c in range(CLASSES[1])]
        self.weight_rows = [flowing(*row, gap=8) for row in self.weights]
        for row in self.weight_rows:
            row.styles = {**row.styles, "align-items": "flex-end"}  # some labels take two lines

    def _weight(self, c: int, at: int) -> NumericInput:
        box = NumericInput(mode="float", format="0.000", value=0.0)
        sized(box, basis=90)
        box.stylesheets = [InlineStyleSheet(css=INPUT_CSS + "label { white-space: normal; font-size: 0.9em; }")]

        def changed(attribute: str, old: Any, new: Any) -> None:
            if new is not None and not self._quiet:
                self._changed(lambda: self.controller.set_weight(c, at, new))

        box.on_change("value", changed)
        return box

    def _layout(self) -> Any:
        frame = self.frame
        left = stacked(flowing(self.plane.figure), self.keys.controls, basis=340)
        caption = words("W and b, each with its gradient in brackets:")
        right = stacked(self.sums, caption, *self.weight_rows, self.table, basis=340)
        return stacked(
            frame.heading,
            frame.notes,
            flowing(self.loss, self.alpha, self.step, self.classes),
            flowing(self.single, self.run, self.randomise, self.zero, self.reset),
            flowing(left, right),
            flowing(frame.copy, frame.large),
            frame.command,
            self.mail.hidden,
            basis=280,
        )

    def _changed(self, change: Any) -> None:
        if self._quiet:
            return
        try:
            change()
        except ValueError as error:  # a number out of range: the state stays
            self._opening_notes.append(str(error).replace("<", "&lt;"))
        self._refresh()

    def _run(self, on: bool) -> None:
        if self._running is not None:
            self.doc.remove_periodic_callback(self._running)
            self._running = None
        if on:
            self._running = self.doc.add_periodic_callback(self._tick, _PERIOD)
        self.run.label = "Stop" if on else "Run"
        for row in self.weights:  # a run overwrites what is typed
            for box in row:
                box.disabled = on

    def _reset(self) -> None:
        self.run.active = False
        self._changed(self.controller.reset)

    def _tick(self) -> None:
        if not self.controller.take_step():
            self.run.active = False
        self._refresh(points=False)  # a step moves no point, but the user may be dragging one
        self.frame.command.value = _text.command("linear", self.controller.state.text())

    def _got(self, kind: str, place: int, x: float, y: float) -> None:
        """Handle a message from the page."""
        if kind in ("drag", "drop"):
            self.controller.move(place, x, y)
            if kind == "drop":
                self.keys.which.value = place + 1
            self._refresh(points=kind == "drop")

    def _moved(self, place: int, x: float, y: float) -> None:
        self.controller.move(place, x, y)
        self._refresh()

    def _refresh(self, points: bool = True) -> None:
        """Update the whole page; during a drag without the points, because the page has moved that one itself."""
        state, losses = self.controller.state, self.controller.losses()
        self._show_controls(state, losses)
        if points:
            self.points.data = point_columns(state.points, state.codes)
            self.keys.show(state.points)
            self.frame.command.value = _text.command("linear", state.text())
        self.plane.show(self.controller.picture(), state.classes)
        self.lines.show(self.controller)
        self.table.text = table(losses, state.codes)
        self.sums.text = sums(self.controller, losses)
        self.frame.say([*self._opening_notes, *self.controller.notes()])
        self._opening_notes = []

    def _show_controls(self, state: LinearState, losses: Losses) -> None:
        self._quiet = True
        try:
            self.loss.value, self.alpha.value, self.classes.value = state.loss, state.alpha, state.classes
            if abs(10**self.step.value - state.step) > 1e-6 * state.step:
                self.step.value = float(np.log10(state.step))
            for c, row in enumerate(self.weights):
                self.weight_rows[c].visible = c < state.classes
                for at, box in enumerate(row if c < state.classes else ()):
                    box.value = float(state.W[c, at])
                    box.title = f"{_COLUMNS[at]} {CLASS_NAMES[c]} ({losses.gradient[c, at]:+.4f})"
        finally:
            self._quiet = False
