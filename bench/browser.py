"""A demo's page in headless Chromium, for its benchmark and its tests: positions in the plane, and what is painted."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

#: an installed Chromium; none is ever downloaded
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

#: waits until nothing is left to compute: a control has been changed, and all that follows is on the page
_SETTLED = """async () => {
  const {view} = window.fastcls
  const waits = () => [view.drawing, view.voting, view.curves].some((task) => task && (task.busy || task.wanted))
  do await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); while (waits())
}"""

#: the class of every pixel of the canvas with this title by its colour, as bytes, the highest row first; 255: of no class
_PAINTED = """(title) => {
  const svg = [...document.querySelectorAll("svg[role=img]")].find((svg) => svg.getAttribute("aria-label") === title)
  const canvas = svg.parentElement.querySelector("canvas")
  const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)
  const codes = new Map(Array.from(window.fastcls.palette(), (color, code) => [color, code]))
  return btoa(Array.from(pixels, (pixel) => String.fromCharCode(codes.get(pixel) ?? 255)).join(""))
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
        page.goto(url + (f"#{state}" if state else ""))
        self.settle()

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning") and "willReadFrequently" not in message.text:  # caused by `painted` below
            self.errors.append(message.text)

    def _hear(self, address: str) -> None:
        if not address.startswith((self.url, "data:", "blob:")):
            self.foreign.append(address)

    def settle(self) -> None:
        """Wait until everything that was asked for is on the page."""
        self.page.evaluate(_SETTLED)

    def at(self, title: str, x: float, y: float) -> tuple[float, float]:
        """The position in the window of (x, y), given in units of the plane."""
        box = self.page.get_by_role("img", name=title, exact=True).bounding_box()
        return box["x"] + (x + 3) / 6 * box["width"], box["y"] + (3 - y) / 6 * box["height"]

    def painted(self, title: str) -> np.ndarray:
        """The class of every pixel by its colour on the canvas, 5 for white: the lowest row first."""
        codes = np.frombuffer(base64.b64decode(self.page.evaluate(_PAINTED, title)), dtype=np.uint8)
        if codes.max() == 255:
            raise RuntimeError(f"{title}: a colour of no class is on the canvas")
        return codes.reshape(300, 300)[::-1]

    def pixel(self, title: str, x: float, y: float) -> int:
        """The class at (x, y), given in units of the plane; 5 for white."""
        picture = self.painted(title)
        return int(picture[round((y + 2.99) / 0.02), round((x + 2.99) / 0.02)])


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
