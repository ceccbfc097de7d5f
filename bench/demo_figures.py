"""``python -m bench.demo_figures`` writes the pictures of docs/demos.md: both demos in headless Chromium."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import fastcls.demo

from .browser import DemoPage, browser
from .pictures import keep

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
#: file -> demo, state, width and height, dark or not, what to do before the picture is taken
PICTURES: dict[str, tuple[str, str, tuple[int, int], bool, str]] = {
    "demo-knn": ("knn", "metric=both&k=4&classes=4", (1280, 800), False, "point"),
    "demo-knn-large": ("knn", "classes=4&k=4", (1920, 1080), True, "enlarge"),
    "demo-knn-phone": ("knn", "preset=ring&k=3", (390, 844), False, ""),
    "demo-linear": ("linear", "loss=softmax&classes=4&step=0.3", (1280, 800), False, "run"),
    "demo-linear-large": ("linear", "classes=3", (1920, 1080), False, "enlarge"),
    "demo-linear-phone": ("linear", "preset=parity", (390, 844), True, ""),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"pictures to make (default: all): {', '.join(PICTURES)}")
    wanted = parser.parse_args().only or list(PICTURES)
    if unknown := [name for name in wanted if name not in PICTURES]:
        parser.error(f"no picture is named {', '.join(unknown)}: there are {', '.join(PICTURES)}")
    FOLDER.mkdir(exist_ok=True)
    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            demo, state, (width, height), dark, what = PICTURES[name]
            file = Path(folder) / f"{demo}.html"
            fastcls.demo.export(demo, None, file)
            size = {"width": width, "height": height}
            scheme = "dark" if dark else "light"
            by_finger = width < 600  # the words of the page are then those for a finger
            opened = chromium.new_page(viewport=size, color_scheme=scheme, has_touch=by_finger, is_mobile=by_finger)
            page = DemoPage(opened, file.as_uri(), state)
            if what == "enlarge":
                page.page.get_by_role("button", name="Large type").click()
            elif what == "point":
                page.page.mouse.move(*page.at("L2 (Euclidean)", 0.3, 0.5))
            elif what == "run":
                for _ in range(40):
                    page.page.get_by_role("button", name="Single step").click()
                    page.settle()
            page.page.evaluate("new Promise((done) => setTimeout(done, 200))")
            page.settle()
            keep(page.page.screenshot(full_page=width == 1280), FOLDER / f"{name}.png")
            page.page.close()


if __name__ == "__main__":
    main()
