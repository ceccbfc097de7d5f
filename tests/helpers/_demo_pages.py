"""Pages of both demos in a browser, served and exported, for the tests that need one."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright", reason="playwright is not installed to drive a browser")

import fastcls.demo
from fastcls.demo import _knn, _linear
from fastcls.demo._knn import KnnState
from fastcls.demo._linear import LinearState

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: the fastcls under test may be an installed one
pytest.importorskip("bench", reason="the folder bench is missing")
from bench.browser import CHROMIUM, DemoPage, browser

L1, L2, SCORES = "L1 (Manhattan)", "L2 (Euclidean)", "Highest score"
TITLES = {"l1": L1, "l2": L2}
WHITE = 5  # what `DemoPage.painted` calls it
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium found to open the demos in"),
]


class Pages:
    """Opens demos: of a server ("server") or of an exported file ("local"). All pages of a width share a context."""

    def __init__(self, chromium, folder):
        self.chromium, self.folder = chromium, folder
        self.servers = {"knn": fastcls.demo.knn(), "linear": fastcls.demo.linear()}
        self.contexts, self.opened = {}, []
        for demo in self.servers:
            fastcls.demo.export(demo, None, self.file(demo))

    def file(self, demo):
        return self.folder / f"{demo}.html"

    def open(self, engine, demo, state=None, width=1280, height=900, **options):
        key = (width, height, *options.items())
        if key not in self.contexts:
            size = {"width": width, "height": height}
            self.contexts[key] = self.chromium.new_context(viewport=size, has_touch=width < 500, **options)
        url = self.servers[demo].url if engine == "server" else self.file(demo).as_uri()
        self.opened.append(DemoPage(self.contexts[key].new_page(), url, state))
        return self.opened[-1]

    def check(self):
        """Close the pages; none may have had an error, or a request to another address."""
        pages, self.opened = self.opened, []
        for page in pages:
            page.page.close()
            assert page.errors == []
            assert page.foreign == []

    def stop(self):
        for server in self.servers.values():
            server.stop()


def pages_of_module(tmp_path_factory):
    """The body of a fixture of the scope "module"."""
    with browser() as chromium:
        pages = Pages(chromium, tmp_path_factory.mktemp("demos"))
        yield pages
        pages.stop()


def until(read, is_right, seconds=10.0):
    """Read again until it is right, and return what was read."""
    end = time.monotonic() + seconds
    while not is_right(found := read()):
        assert time.monotonic() < end, f"still {found!r}"
        time.sleep(0.01)
    return found


def text_of(demo):
    """The state in the command that the page shows."""
    demo.settle()
    command = demo.page.get_by_label("Command to show this state again").input_value()
    return command.split("'")[1]


def knn_of(demo):
    return KnnState.of_text(text_of(demo))


def linear_of(demo):
    return LinearState.of_text(text_of(demo))


def as_painted(picture, n_classes):
    """A picture of the core with ties as `DemoPage.painted` has them."""
    return np.where(picture == n_classes, WHITE, picture)


def check_picture(demo):
    """What is painted is what the compiled core computes from the page's state."""
    if demo.page.get_by_role("img", name=SCORES).count():
        state = linear_of(demo)
        np.testing.assert_array_equal(demo.painted(SCORES), as_painted(_linear.picture(state), state.classes))
        return
    state = knn_of(demo)
    for metric in state.metrics:
        np.testing.assert_array_equal(demo.painted(TITLES[metric]), as_painted(_knn.picture(state, metric), state.classes))


def slide(demo, name, key="ArrowRight", times=1):
    control = demo.page.get_by_role("slider", name=name)
    control.focus()
    for _ in range(times):
        control.press(key)
