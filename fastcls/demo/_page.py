"""What both demos' pages share: colours, the plane with its draggable points, messages, and the frame of the page.

The page moves a dragged point at once. It sends the next position only after the server has answered, and keeps only the
newest one meanwhile. The server answers a message with the new picture, followed by the number of the message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bokeh.core.templates import get_env
from bokeh.document import Document
from bokeh.events import DocumentReady, MouseLeave, MouseMove, Pan, PanEnd, PanStart, Press, PressUp, Tap
from bokeh.layouts import column, row
from bokeh.models import (
    Button,
    ColumnDataSource,
    CustomJS,
    Div,
    InlineStyleSheet,
    Range1d,
    Slider,
    Spinner,
    TextInput,
    Toggle,
    UIElement,
)
from bokeh.plotting import figure

from ._knn_regions import HALF
from ._knn_state import CLASS_NAMES
from ._latest import Latest

#: colours and shapes of the points, and paler colours for their regions (Okabe and Ito's, safe for colour blindness)
COLORS = ("#0072b2", "#d55e00", "#00795a", "#b0478a", "#8a7400")
PALE = ("#a9d3ec", "#f7c29b", "#a3dfc9", "#ecc3dc", "#f2e896")
MARKERS = ("circle", "square", "triangle", "inverted_triangle", "hex")
TIE = "#ffffff"
#: by default, Bokeh's inputs have their own font size
INPUT_CSS = ".bk-input { font-size: var(--bokeh-font-size); } "

_TEMPLATE = """{% extends base %}{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
html { --bokeh-font-size: 15px; }
html.large { --bokeh-font-size: max(16px, min(26px, 2.1vw)); }
body { margin: 0 auto; padding: 8px 10px 24px; max-width: 1260px; background: #fff; color: #1b1b1b;
       font-family: Helvetica, Arial, sans-serif; }
</style>{% endblock %}"""

_BOX = """
const box = mail.box ??= {waiting: new Map(), busy: false, sent: 0, held: null}
box.next ??= () => {
  if (box.busy) return
  for (const [kind, [place, x, y]] of box.waiting) {
    box.waiting.delete(kind)
    box.busy = true
    box.sent += 1
    mail.data = {kind: [kind], place: [place], x: [x], y: [y], number: [box.sent]}
    return
  }
}
const post = (kind, place, x, y) => { box.waiting.set(kind, [place, x, y]); box.next() }
"""

_POINTER = (
    _BOX
    + """
const whole = (v) => Math.max(-half, Math.min(half, Math.round(100 * v)))
const x = whole(cb_obj.x), y = whole(cb_obj.y)
const drop = () => { post("drop", box.held, 100 * points.data.x[box.held], 100 * points.data.y[box.held]); box.held = null }
const follow = () => {
  if (x / 100 == points.data.x[box.held] && y / 100 == points.data.y[box.held]) return
  points.data.x[box.held] = x / 100
  points.data.y[box.held] = y / 100
  points.change.emit()
  post("drag", box.held, x, y)
}
switch (cb_obj.event_name) {
  case "panstart": case "press": {
    let least = 22 * 2 * half / Math.max(1, cb_obj.origin.inner_width)  // a finger's width, in hundredths
    box.held = null
    for (let i = 0; i < points.data.x.length; i++) {
      const far = Math.hypot(100 * (points.data.x[i] - cb_obj.x), 100 * (points.data.y[i] - cb_obj.y))
      if (far <= least) { least = far; box.held = i }
    }
    break
  }
  // If the button was held still for 0.3 s first, Bokeh sends moves instead of a pan.
  case "pan": case "mousemove": box.held != null ? follow() : post("look", 0, x, y); break
  case "panend": case "pressup": if (box.held != null) { follow(); drop() }; break
  case "mouseleave": box.held != null ? drop() : post("away", 0, 0, 0); break
  case "tap": post("look", 0, x, y); break
}
"""
)

_ANSWERED = (
    _BOX
    + """
box.busy = false
box.next()
"""
)

# The handles of Bokeh's sliders and the buttons of its spinners have no name for screen readers.
_NAME_HANDLES = """
const name = (root) => {
  for (const element of root.querySelectorAll("*")) {
    if (element.shadowRoot) name(element.shadowRoot)
    if (element.classList.contains("noUi-handle")) {
      const title = root.querySelector(".bk-slider-title")
      if (title) element.setAttribute("aria-label", title.textContent.split(":")[0])
    }
    if (element.classList.contains("bk-spin-btn")) {
      element.setAttribute("aria-label", element.classList.contains("bk-spin-btn-up") ? "more" : "less")
    }
  }
}
setTimeout(() => name(document), 0)
"""

_COPY = """
const say = (words) => { button.label = words; setTimeout(() => { button.label = label }, 1500) }
navigator.clipboard.writeText(command.value).then(() => say("Copied"), () => say("Copy it from the field"))
"""


def page_template() -> Any:
    """Return the HTML template around a page's widgets."""
    return get_env().from_string(_TEMPLATE)


def colored(picture: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the colours of regions for class codes, where n_classes is a tie: uint32 for Bokeh's image_rgba.

    This is done here because the page, the slower end of a drag, would have to map every pixel.
    """
    palette = [*PALE[:n_classes], TIE]
    table = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] + [255] for color in palette], dtype=np.uint8)
    return table.view(np.uint32)[:, 0][picture]


def point_columns(points: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    """Return the columns of the points' data source, in units."""
    return {
        "x": points[:, 0] / 100,
        "y": points[:, 1] / 100,
        "color": [COLORS[c] for c in codes],
        "marker": [MARKERS[c] for c in codes],
        "name": [CLASS_NAMES[c] for c in codes],
    }


class Plane:
    """One picture with the points on it."""

    def __init__(self, title: str, points: ColumnDataSource, n_classes: int, axes: bool = False) -> None:
        half = HALF / 100
        self.figure = figure(
            title=title,
            name=title,
            tools="",
            toolbar_location=None,
            x_range=Range1d(-half, half),
            y_range=Range1d(-half, half),
            sizing_mode="stretch_width",
            aspect_ratio=1,
            min_width=280,
            max_width=600,
            min_border_left=36 if axes else 4,
            min_border_right=12 if axes else 28,
            min_border_top=24,
            min_border_bottom=24 if axes else 8,
            styles={"flex": "1 1 320px"},
        )
        self.figure.grid.visible = False
        # Bokeh measures the labels of axes in every frame, which takes longer than the picture
        self.figure.axis.visible = axes
        self.image = ColumnDataSource({"image": [colored(np.full((2, 2), n_classes), n_classes)]})
        self.figure.image_rgba("image", x=-half, y=-half, dw=2 * half, dh=2 * half, source=self.image)
        self.above = self.figure.scatter(
            "x",
            "y",
            marker="marker",
            size=11,
            color="color",
            line_color="#ffffff",
            line_width=1.5,
            source=points,
            level="overlay",
        )

    def show(self, picture: np.ndarray, n_classes: int) -> None:
        """Show a new picture."""
        self.image.data = {"image": [colored(picture, n_classes)]}

    def listen(self, points: ColumnDataSource, mail: ColumnDataSource) -> None:
        """Send drag, hover and tap as messages."""
        self.figure.stylesheets = [InlineStyleSheet(css=":host { touch-action: none; }")]  # let a finger drag points
        pointer = CustomJS(args={"points": points, "mail": mail, "half": HALF}, code=_POINTER)
        for event in (PanStart, Pan, PanEnd, Press, PressUp, MouseMove, MouseLeave, Tap):
            self.figure.js_on_event(event, pointer)

    def enlarge(self, large: bool) -> None:
        """Use larger type and points, for a projector, or the normal size."""
        scale = 1.7 if large else 1.0
        self.figure.min_border_top = 46 if large else 24  # space for the title
        self.figure.title.text_font_size = f"{16 * scale:.0f}px"
        self.figure.axis.major_label_text_font_size = f"{12 * scale:.0f}px"
        self.above.glyph.size = 11 * scale


class Mail:
    """Messages from the page, only the newest of each kind, and their answers."""

    def __init__(self, doc: Document, work: Callable[[str, int, float, float], None]) -> None:
        self.source = ColumnDataSource({"kind": [], "place": [], "x": [], "y": [], "number": []})
        answer = ColumnDataSource({"number": []})
        answer.js_on_change("data", CustomJS(args={"mail": self.source}, code=_ANSWERED))

        def handle(kind: str, message: tuple[int, float, float, int]) -> None:
            place, x, y, number = message
            try:
                work(kind, place, x, y)
            finally:  # without an answer the page would wait for ever
                answer.data = {"number": [number]}

        latest = Latest(doc.add_next_tick_callback, handle)

        def got(attribute: str, old: Any, new: Any) -> None:
            if len(new["kind"]):
                kind, place, x, y, number = (new[name][0] for name in ("kind", "place", "x", "y", "number"))
                latest.put(kind, (int(place), float(x), float(y), int(number)))

        self.source.on_change("data", got)
        self.hidden = Div(text="", visible=False, tags=[self.source, answer])


def words(text: str = "", **options: Any) -> Div:
    """Return a paragraph over the whole width."""
    return Div(text=text, sizing_mode="stretch_width", **options)


def flowing(*children: UIElement, gap: int = 14) -> Any:
    """Arrange widgets side by side, and below each other where the page is narrow."""
    styles = {"flex-wrap": "wrap", "gap": f"{gap}px", "align-items": "flex-start"}
    return row(*children, sizing_mode="stretch_width", styles=styles)


def stacked(*children: UIElement, basis: int) -> Any:
    """Arrange widgets below each other; the column is `basis` pixels wide, or less on a narrow page."""
    return column(*children, sizing_mode="stretch_width", styles={"flex": f"1 1 {basis}px", "min-width": "280px"})


def sized(*controls: Any, basis: int = 150) -> None:
    """Let controls share the width."""
    for control in controls:
        control.sizing_mode = "stretch_width"
        control.stylesheets = [InlineStyleSheet(css=INPUT_CSS)]
        control.styles = {"flex": f"1 1 {basis}px", "min-width": f"{min(basis, 120)}px"}


def slider(title: str, span: tuple[float, float], value: float, step: float, **options: Any) -> Slider:
    """Return a slider."""
    # the margin is for the handle, which extends beyond the end of the bar
    return Slider(title=title, start=span[0], end=span[1], value=value, step=step, margin=(5, 13, 5, 9), **options)


class Keys:
    """Controls to move points without a pointer: number and coordinates of a point."""

    def __init__(self, moved: Callable[[int, float, float], None], chosen: Callable[[int], None]) -> None:
        half = HALF / 100
        self.which = Spinner(title="Point", low=1, step=1, value=1)
        self.x = Spinner(title="Its x", low=-half, high=half, step=0.05, value=0, format="0.00")
        self.y = Spinner(title="Its y", low=-half, high=half, step=0.05, value=0, format="0.00")
        self._quiet = False
        sized(self.which, self.x, self.y, basis=90)

        def choose(attribute: str, old: Any, new: Any) -> None:
            if not self._quiet:
                chosen(self.place)

        def move(attribute: str, old: Any, new: Any) -> None:
            if not self._quiet and self.x.value is not None and self.y.value is not None:
                moved(self.place, 100 * self.x.value, 100 * self.y.value)

        self.which.on_change("value", choose)
        self.x.on_change("value", move)
        self.y.on_change("value", move)

    @property
    def place(self) -> int:
        """Number of the chosen point, from 0."""
        return int(self.which.value or 1) - 1

    def show(self, points: np.ndarray) -> None:
        """Show the position of the chosen point."""
        self._quiet = True
        try:
            self.which.high = len(points)
            self.which.value = min(self.place + 1, len(points))
            x, y = points[self.place] / 100
            self.x.value, self.y.value = float(x), float(y)
        finally:
            self._quiet = False

    @property
    def controls(self) -> Any:
        """The controls in one row."""
        return flowing(self.which, self.x, self.y)


class Frame:
    """The page around a demo: heading, messages, command, and the switch for large type."""

    def __init__(self, doc: Document, title: str, hint: str) -> None:
        self.doc = doc
        doc.title = title
        doc.template = page_template()
        self.heading = words(f"<h1 style='font-size: 1.5em; margin: 0.2em 0'>{title}</h1><p style='margin: 0'>{hint}</p>")
        self.notes = words(styles={"color": "#8a2f00", "font-weight": "bold", "min-height": "1.4em"})
        self.command = TextInput(
            title="Command to show this state again",
            sizing_mode="stretch_width",
            stylesheets=[InlineStyleSheet(css=INPUT_CSS)],
        )
        self.copy = Button(label="Copy as command", button_type="primary")
        self.copy.js_on_click(
            CustomJS(args={"command": self.command, "button": self.copy, "label": self.copy.label}, code=_COPY)
        )
        self.large = Toggle(label="Large type")
        self.large.js_on_change("active", CustomJS(code="document.documentElement.classList.toggle('large', cb_obj.active)"))
        sized(self.copy, self.large)
        doc.js_on_event(DocumentReady, CustomJS(code=_NAME_HANDLES))

    def say(self, notes: Sequence[str]) -> None:
        """Show messages, which contain only the demo's own words."""
        self.notes.text = " ".join(notes)
