"""The report of a comparison in a browser: no table sticks out of the page, with long names and ten columns."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from _command import cli, here

from fastcls._scoring import intervals, numbers, pairs
from fastcls.cli import _compare
from fastcls.cli._estimate_compare import Seconds

__all__ = ["here"]  # the fixture that every test here is under

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
NAMES = ("clip-vit-large-patch14", "dinov2-base", "a_representation_with_a_long_name_of_underscores_v2")
STICKING = """
() => {
  const all = s => [...document.querySelectorAll(s)];
  const sticks = e => !e.closest("thead, details") && e.getBoundingClientRect().right > innerWidth - 12;
  const past = e => e.getBoundingClientRect().right > e.parentElement.getBoundingClientRect().right + 1;
  return {
    wide: document.documentElement.scrollWidth > innerWidth,
    tables: all("table").filter(sticks).map(e => e.outerHTML.slice(0, 80)),
    cells: all("table.cards td > span").filter(past).map(e => e.outerHTML.slice(0, 80)),
  };
}
"""


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium found to open the page in")
@pytest.mark.parametrize("n_classes", [2, 10])  # average precision has a column of its own with two, top 5 with ten
def test_no_table_of_a_comparison_sticks_out_of_the_page(n_classes, here, monkeypatch):
    pytest.importorskip("playwright", reason="playwright is not installed to drive a browser")
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).resolve().parents[2])])
    browser = pytest.importorskip("bench.browser", reason="the folder bench is missing").browser
    for module in (numbers, pairs):
        monkeypatch.setattr(module, "resamples", lambda n_rows, n=0: intervals.resamples(n_rows, 40))
    monkeypatch.setattr(_compare, "estimate_parts", lambda plan, parts: dict.fromkeys(parts, Seconds(1.0, 1.0)))
    rng, y = np.random.default_rng(0), np.arange(200) % n_classes
    for name in NAMES:
        np.save(f"{name}.npy", rng.standard_normal((len(y), 8)).astype(np.float32))
    np.save("y.npy", y)
    words = ("--labels", "y.npy", "--preset", "mteb-few-shot", "--n-per-class", "1,8", "--tries", "2", "--out", "out")
    done = cli("compare", *(f"{name}.npy" for name in NAMES), *words)
    assert done.exit_code == 0, done.stderr
    with browser() as chromium:
        tab = chromium.new_page()
        tab.goto((here / "out/report.html").as_uri())
        for width in (1280, 1180, 1100, 1024, 1000, 768, 390):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate(STICKING) == {"wide": False, "tables": [], "cells": []}, width
