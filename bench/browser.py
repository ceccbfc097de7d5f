"""A demo's page in headless Chromium, for its benchmark and its tests: positions in the plane, and pixels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

#: an installed Chromium; none is ever downloaded
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

# The picture's frame in the window, and the canvas that holds it.
_SETUP = """(title) => {
  const figure = Bokeh.documents[0].get_model_by_name(title)
  const view = Bokeh.index.query_one((v) => v.model === figure)
  const canvas = view.canvas_view.primary.canvas
  const rect = canvas.getBoundingClientRect()
  const scale = canvas.width / rect.width
  window.planes ??= {}
  window.planes[title] = {view, canvas, scale}
  const {left, top, width, height} = view.frame.bbox
  return {left: rect.left + left, top: rect.top + top, width, height}
}"""

_PIXEL = """([title, x, y]) => {
  const {view, canvas, scale} = window.planes[title]
  const {left, top, width, height} = view.frame.bbox
  const px = Math.round((left + (x + 3) / 6 * width) * scale), py = Math.round((top + (3 - y) / 6 * height) * scale)
  return Array.from(canvas.getContext("2d").getImageData(px, py, 1, 1).data.slice(0, 3))
}"""


class DemoPage:
    """One open page. `errors` collects its errors and warnings, `foreign` its requests to other addresses."""

    def __init__(self, page: Any, url: str, state: str | None = None) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._hear(request.url))
        page.on("websocket", lambda socket: self._hear(socket.url.replace("ws://", "http://")))
        page.goto(url + (f"?state={quote(state, safe='')}" if state else ""))
        page.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle", timeout=15_000)

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning") and "getImageData" not in message.text:  # caused by `pixel` below
            self.errors.append(message.text)

    def _hear(self, address: str) -> None:
        if not address.startswith((self.url, "data:")):
            self.foreign.append(address)

    def at(self, title: str, x: float, y: float) -> tuple[float, float]:
        """The position in the window of (x, y), given in units of the plane."""
        box = self.page.evaluate(_SETUP, title)
        return box["left"] + (x + 3) / 6 * box["width"], box["top"] + (3 - y) / 6 * box["height"]

    def pixel(self, title: str, x: float, y: float) -> str:
        """The colour at (x, y), given in units of the plane, as #rrggbb."""
        self.page.evaluate(_SETUP, title)
        return "#{:02x}{:02x}{:02x}".format(*self.page.evaluate(_PIXEL, [title, x, y]))


@contextmanager
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()
