"""Figures for slides: every display on 16:9 with type for a projector, without texts that overlap or change places."""

from __future__ import annotations

import importlib.util
import inspect
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="displays draw with matplotlib (the extra 'run')")
import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from fastcls import InputError, KNeighborsClassifier, datasets, display

FOLDER = Path(__file__).resolve().parents[2] / "docs"


def plots_of_the_guide() -> Any:
    """The displays of docs/displays.md, computed: name -> plot."""
    spec = importlib.util.spec_from_file_location("make_figures", FOLDER / "make_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.displays()


@pytest.fixture(scope="module")
def plots() -> Any:
    if not FOLDER.exists():
        pytest.skip("docs/ is not here")
    return plots_of_the_guide()


def boxes(figure: Any) -> list[Any]:
    """Every visible text with its place after a drawing, in pixels."""
    figure.draw_without_rendering()
    unseen = set()  # matplotlib keeps ticks beyond the ends of an axis, and does not draw them
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        unseen |= {id(tick.label1) for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    shown = [text for text in shown if id(text) not in unseen]
    return [(text.get_text(), text.get_window_extent()) for text in shown]


def overlapping(drawn: list[Any]) -> list[tuple[str, str]]:
    """Pairs of texts that overlap by more than a pixel in both directions."""
    return [
        (a, b)
        for (a, one), (b, two) in combinations(drawn, 2)
        if min(one.x1, two.x1) - max(one.x0, two.x0) > 1 and min(one.y1, two.y1) - max(one.y0, two.y0) > 1
    ]


def cut_off(figure: Any, drawn: list[Any]) -> list[str]:
    width, height = figure.bbox.width, figure.bbox.height
    return [a for a, box in drawn if box.x0 < -1 or box.x1 > width + 1 or box.y0 < -1 or box.y1 > height + 1]


def check_slide(figure: Any) -> None:
    assert tuple(figure.get_size_inches()) == pytest.approx((40 / 3, 7.5))
    first = boxes(figure)
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()) >= 16
    assert overlapping(first) == []
    assert cut_off(figure, first) == []
    for (words, one), (_, two) in zip(first, boxes(figure), strict=True):  # the first drawing is the second
        assert abs(one.x0 - two.x0) < 4, words
        assert abs(one.y0 - two.y0) < 4, words


def test_every_display_fits_a_slide(plots: Any) -> None:
    settings = dict(mpl.rcParams)
    for name, plot in plots.items():
        try:
            check_slide(plot(context="talk").figure_)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
    assert dict(mpl.rcParams) == settings


def test_on_paper_nothing_overlaps_either_and_a_talk_before_changes_nothing(plots: Any) -> None:
    for name, plot in plots.items():
        figure = plot().figure_
        drawn = boxes(figure)
        assert overlapping(drawn) == [], name
        assert cut_off(figure, drawn) == [], name
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
        assert 6.5 <= min(sizes) <= max(sizes) <= 12, name


def test_every_display_takes_a_context() -> None:
    taken = [getattr(display, name) for name in display.__all__]
    drawing = [one.plot if isinstance(one, type) else one for one in taken if one is not display.decision_regions]
    assert len(drawing) == 16
    for plot in drawing:
        assert inspect.signature(plot).parameters["context"].default == "paper"


@pytest.fixture(scope="module")
def neighbors() -> Any:
    data = datasets.load_digits()
    names = ["a long name of a class", "West Highland terrier", "Labrador_retriever", *(f"automobile {n}" for n in range(7))]
    model = KNeighborsClassifier(3).fit(data.X[:500], data.y[:500])

    def make(n_queries: int, n_neighbors: int) -> Any:
        return display.NeighborsDisplay.from_estimator(
            model,
            data.X[500 : 500 + n_queries],
            data.y[500 : 500 + n_queries],
            X_train=data.X[:500],
            y_train=data.y[:500],
            image_shape=data.image_shape,
            class_names=names,
            n_neighbors=n_neighbors,
        )

    return make


@pytest.mark.parametrize(("n_queries", "n_neighbors"), [(1, 3), (3, 7), (4, 5)])
def test_long_names_of_neighbors_fit_a_slide(neighbors: Any, n_queries: int, n_neighbors: int) -> None:
    check_slide(neighbors(n_queries, n_neighbors).plot(context="talk").figure_)


def test_names_of_neighbors_do_not_move_after_the_first_drawing(neighbors: Any) -> None:
    figure = neighbors(3, 7).plot().figure_
    first = boxes(figure)
    assert overlapping(first) == []
    assert cut_off(figure, first) == []
    for _ in range(2):
        again = boxes(figure)
    assert max(abs(one.x0 - two.x0) + abs(one.y0 - two.y0) for (_, one), (_, two) in zip(first, again, strict=True)) < 2


def test_a_slide_shows_four_of_more_test_images_and_says_so(neighbors: Any) -> None:
    shown = neighbors(9, 5).plot(context="talk")
    assert shown.axes_.shape == (4, 6)
    assert shown.axes_[0, 0].get_title(loc="left") == "4 of 9 test images"
    assert neighbors(9, 5).plot().axes_.shape == (9, 6)


def test_given_axes_keep_their_figure_and_get_larger_type() -> None:
    shown = display.LossHistoryDisplay([3.0, 2.0, 1.0])
    sizes = {}
    for context in ("paper", "talk"):
        figure = Figure(figsize=(9, 5))
        shown.plot(figure.add_subplot(), context=context)
        assert tuple(figure.get_size_inches()) == (9, 5)
        sizes[context] = shown.ax_.title.get_fontsize(), shown.ax_.lines[0].get_linewidth()
    np.testing.assert_allclose(np.divide(sizes["talk"], sizes["paper"]), 2.2)


def test_a_notebook_shows_a_slide_at_1280_pixels() -> None:
    png = display.LossHistoryDisplay([3.0, 2.0]).plot(context="talk")._repr_png_()
    assert int.from_bytes(png[16:20], "big") == 1280


def test_another_context_is_refused() -> None:
    with pytest.raises(InputError, match="context='poster' is unknown; choose one of: paper, talk"):
        display.LossHistoryDisplay([3.0, 2.0]).plot(context="poster")
