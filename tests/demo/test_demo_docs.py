"""Pages of the documentation show the demos with states that exist."""

import html
import re
from pathlib import Path

import pytest

import fastcls.demo

DOCS = Path(__file__).resolve().parents[2] / "docs"
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the folder docs is missing")


def frames():
    """(page, demo, state) of each frame: directives of the lecture's pages, and HTML of the guide."""
    for page in sorted((DOCS / "lecture").glob("row*.py")):
        text = re.sub(r"^# ?", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for name, state in re.findall(r"^\.\. demo:: (\w+)\n(?: +:state: (.*)\n)?", text, re.MULTILINE):
            yield page.stem, name, state
    text = (DOCS / "demos.md").read_text(encoding="utf-8")
    for name, state in re.findall(r'<iframe class="demo" src="demos/(\w+)\.html#?([^"]*)"', text):
        yield "demos", name, html.unescape(state)


def test_every_frame_has_a_state_of_its_demo():
    found = list(frames())
    for _, name, state in found:
        fastcls.demo.check(name, state)
    shown = {(page.split("_")[0], name) for page, name, _ in found}
    assert {("row07", "knn"), ("row13", "linear"), ("row15", "knn"), ("demos", "knn"), ("demos", "linear")} <= shown
