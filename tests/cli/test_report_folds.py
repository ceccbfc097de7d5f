"""The report's picture of the folds, and what else of its figures and tables must fit."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the report needs matplotlib (the extra 'run')")
pytest.importorskip("jinja2", reason="the report needs jinja2 (the extra 'run')")

from _outcomes import digits, make_outcome
from _page import section, words
from matplotlib.figure import Figure

from fastcls import display
from fastcls.cli.report import _errors, _lecture
from fastcls.cli.report._page import render_report


def test_the_folds_are_drawn_with_the_accuracy_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_sections", "_errors"):  # their figures take most of the time
        monkeypatch.setattr(f"fastcls.cli.report.{module}.draw", lambda plot, description: "")
    outcome = make_outcome(digits(), ("knn",))
    outcome.lecture = True
    text = section(render_report(outcome), "lecture")
    assert "The folds of the cross-validation" in words(text)
    drawn = words(text[text.index("which rows train") :])
    selection = outcome.selection
    for share in selection.fold_accuracy["l1"][list(selection.ks).index(3)]:
        assert f"{100 * share:.1f} %" in drawn
    assert "360 rows," in drawn
    assert f"{len(digits().X):,} training rows" in drawn
    alone = make_outcome(digits(), ("knn",))
    alone.selection.n_left_out = len(digits().X)
    assert "The folds of the cross-validation" not in [item["name"] for item in _lecture.lecture(alone)]


@pytest.mark.parametrize("cv", [2, 5, 6])
@pytest.mark.parametrize("n_test", [None, 10])
@pytest.mark.parametrize("given", [False, True])
def test_words_in_the_boxes_of_folds_are_within_them(cv, n_test, given):
    ax = Figure(figsize=(4.2, 2.2)).add_subplot() if given else None
    shown = display.FoldsDisplay.from_labels(
        np.arange(36) % 2, cv=cv, random_state=0, n_test=n_test, accuracy=np.ones(cv)
    ).plot(ax)
    shown.figure_.draw_without_rendering()
    ax = shown.ax_
    boxes = [patch.get_window_extent() for patch in ax.patches]
    words = [text for text in ax.texts if text.get_text() in ("validate", "val.", "train")]
    assert words
    for text in words:
        found = text.get_window_extent()
        assert any(box.x0 <= found.x0 and found.x1 <= box.x1 and box.y0 < found.y1 and found.y0 < box.y1 for box in boxes), (
            text
        )


@pytest.mark.parametrize("accuracy", [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.5, 1.0], [0.99, 1.0, 0.98]])
def test_accuracies_against_the_penalty_stay_between_0_and_100_percent(accuracy):
    shown = display.RegularizationDisplay.from_sweep([1e-3, 1e-2, 1e-1], accuracy, 1e-2).plot()
    low, high = shown.ax_.get_ylim()
    assert 0 <= low < high <= 100


def test_the_caption_names_a_mark_of_the_data_where_one_is_drawn(monkeypatch):
    monkeypatch.setattr(_lecture, "draw", lambda plot, description: "")
    for n, said in (
        (20, "too few rows to be marked in the figure"),
        (1000, "The further the mark of this data is below the curve"),
    ):
        data = SimpleNamespace(X=np.random.default_rng(0).random((n, 3)))
        assert said in _lecture._curse(SimpleNamespace(dataset=data))["caption"]


def test_long_class_names_are_shortened_in_tables():
    data = SimpleNamespace(class_names=["x" * 150, "y" * 150])
    codes = np.array([0, 1])
    pair = _errors._pair(SimpleNamespace(dataset=data), codes, 1 - codes, 0, 1, 1, with_images=False)
    assert all(len(pair[key]) <= 32 and pair[key].endswith("…") for key in ("true", "predicted"))
