"""``python -m bench.demo_figures`` writes the pictures of docs/demos.md: both demos in headless Chromium."""

from __future__ import annotations

import argparse
from pathlib import Path

import fastcls.demo

from .browser import DemoPage, browser
from .pictures import keep

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
#: file -> demo, state, width, large type or not, position of the pointer (title of the plane, x, y)
PICTURES = {
    "demo-knn": ("knn", "metric=both&k=4&classes=4", 1280, False, ("L2 (Euclidean)", 0.2, 1.6)),
    "demo-knn-large": ("knn", "metric=both&k=5", 1280, True, ("L1 (Manhattan)", 0.3, -0.2)),
    "demo-knn-phone": ("knn", "preset=ring&k=3", 390, False, ("L2 (Euclidean)", -0.9, 0.6)),
    "demo-linear": ("linear", None, 1280, False, None),
    "demo-linear-large": ("linear", "classes=5&loss=softmax", 1280, True, None),
    "demo-linear-phone": ("linear", "classes=5&loss=softmax", 390, False, None),
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    FOLDER.mkdir(exist_ok=True)
    with browser() as chromium:
        for name, (demo, state, width, large, pointer) in PICTURES.items():
            shown = getattr(fastcls.demo, demo)(state)
            page = DemoPage(chromium.new_page(viewport={"width": width, "height": 700}), shown.url)
            if large:
                page.page.get_by_role("button", name="Large type").click()
                page.page.wait_for_timeout(500)
            if pointer:
                page.page.mouse.move(*page.at(*pointer))
                page.page.get_by_text("nearest vote").first.wait_for()
            page.page.wait_for_timeout(700)
            keep(page.page.screenshot(full_page=True), FOLDER / f"{name}.png")
            page.page.close()
            shown.stop()


if __name__ == "__main__":
    main()
