"""``python -m bench.report_figures`` writes the pictures of docs/report.md: screenshots of `fastcls run digits` in Chromium.

``python -m bench.report_figures REPORT FOLDER`` writes every section of any report instead, in two widths, light and dark.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .browser import browser
from .pictures import keep

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
WIDTHS = (390, 1280)
#: file -> width, colour scheme, part of the page (None: its top), height in pixels at most
PICTURES: dict[str, tuple[int, str, str | None, int]] = {
    "report": (1280, "light", None, 1000),
    "report-choices": (1280, "light", "#choices", 1250),
    "report-errors-dark": (1280, "dark", "#errors", 900),
    "report-phone": (390, "light", None, 1300),
    "report-phone-dark": (390, "dark", "#choices", 1300),
}


def shoot(chromium, report: Path, width: int, scheme: str, part: str | None, height: int | None) -> bytes:
    """A screenshot of one part of the page, starting at its top."""
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(report.resolve().as_uri())
    whole = page.evaluate("document.documentElement.scrollHeight")
    box = {"y": 0, "height": whole} if part is None else page.locator(part).bounding_box()
    tall = box["height"] if height is None else min(height, box["height"])
    clip = {"x": 0, "y": box["y"], "width": width, "height": min(tall, whole - box["y"])}
    taken = page.screenshot(full_page=True, clip=clip)
    page.close()
    return taken


def main() -> None:
    """Write the pictures for the docs, or those of a whole report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", nargs="?", type=Path, help="a report of `fastcls run`; default: that of digits")
    parser.add_argument("folder", nargs="?", type=Path, help="where to write the pictures of REPORT")
    args = parser.parse_args()
    if args.report is not None:
        if args.folder is None:
            parser.error("REPORT needs a FOLDER for its pictures")
        report, folder = args.report, args.folder
        folder.mkdir(parents=True, exist_ok=True)
        with browser() as chromium:
            page = chromium.new_page()
            page.goto(report.resolve().as_uri())
            parts = [None, *page.evaluate("[...document.querySelectorAll('section')].map(s => '#' + s.id)")]
            for width in WIDTHS:
                for scheme in ("light", "dark"):
                    for part in parts:
                        shot = shoot(chromium, report, width, scheme, part, 900 if part is None else None)
                        keep(shot, folder / f"{width}-{scheme}-{(part or '#top')[1:]}.png")
        return
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        made = Path(folder) / "fastcls-digits"
        subprocess.run(
            [sys.executable, "-m", "fastcls.cli", "run", "digits", "--out", str(made)],
            check=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])},
        )
        for name, wanted in PICTURES.items():
            keep(shoot(chromium, made / "report.html", *wanted), FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
