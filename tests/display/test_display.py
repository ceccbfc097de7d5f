"""Displays: data in, one drawing out, no global state changed."""

from __future__ import annotations

from io import BytesIO, StringIO
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="displays draw with matplotlib (the extra 'run')")
import matplotlib as mpl
import matplotlib.image
from _outcomes import digits, make_selection, random_data
from matplotlib.figure import Figure

from fastcls import display
from fastcls._validation.errors import InputError
from fastcls.display import style
from fastcls.model_selection._cross_validate import cross_validate_k


def neighbors(data: Any = None, n_queries: int = 3, **options: Any) -> display.NeighborsDisplay:
    from sklearn.neighbors import KNeighborsClassifier

    data = digits() if data is None else data
    model = KNeighborsClassifier(3).fit(data.X, data.y)
    rows = slice(0, n_queries)
    given = {"image_shape": data.image_shape, "n_neighbors": 4, "class_names": data.class_names} | options
    return display.NeighborsDisplay.from_estimator(
        model, data.X_test[rows], data.y_test[rows], X_train=data.X, y_train=data.y, **given
    )


def templates(channels: int = 3, n_classes: int = 4, **options: Any) -> display.TemplatesDisplay:
    W = np.random.default_rng(0).normal(size=(n_classes, 5 * 4 * channels))
    return display.TemplatesDisplay.from_weights(W, image_shape=(5, 4, channels), **options)


class Confusion:
    """``plot_confusion`` with the interface of the displays."""

    def plot(self, ax: Any = None) -> Any:
        truth = np.arange(40) % 4
        return display.plot_confusion(truth, truth[::-1], class_names=list("abcd"), ax=ax)


#: name -> a display, not yet drawn; those in FIGURES take a figure, the others axes
DISPLAYS = {
    "neighbors": neighbors,
    "templates grey": lambda: templates(1),
    "templates colour": lambda: templates(3),
    "cross-validation": lambda: display.CrossValidationDisplay.from_selection(make_selection()),
    "label efficiency": lambda: display.LabelEfficiencyDisplay(
        {"k-NN": [10, 20, 40, 80, 160, 320, 640], "a probe": [10, 640]},
        {"k-NN": np.linspace(0.5, 0.8, 7), "a probe": [0.4, 0.9]},
        std={"k-NN": np.full(7, 0.02), "a probe": [0.03, np.nan]},
    ),
    "accuracies": lambda: display.AccuracyDisplay(
        ["pixels", "a much longer name of a representation", "$x_1$"],
        {"dino": [0.5, 0.7, 0.9], "mteb-few-shot": [0.4, 0.6, 0.8]},
        {"dino": [0.4, 0.6, 0.85], "mteb-few-shot": [0.3, 0.5, 0.7]},
        {"dino": [0.6, 0.8, 0.95], "mteb-few-shot": [0.5, 0.7, 0.9]},
    ),
    "loss": lambda: display.LossHistoryDisplay([3.0, 2.0, 1.5], name="SVM"),
    "random search": lambda: display.LossHistoryDisplay.from_best_values([9.0, 8.0, 8.0]),
    "confusion": Confusion,
}
FIGURES = ("neighbors", "templates grey", "templates colour")


def texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("name", DISPLAYS)
def test_every_display_draws_something_at_400_pixels(name: str) -> None:
    figure = DISPLAYS[name]().plot().figure_
    assert 350 <= figure.get_figwidth() * 96 <= 420
    drawn = BytesIO()
    figure.savefig(drawn, dpi=96)
    drawn.seek(0)
    pixels = mpl.image.imread(drawn)
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 10
    sizes = [text.get_fontsize() for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    assert min(sizes) >= 6.5  # points: 8.7 pixels


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_draws_into_the_given_axes_and_leaves_pyplot_and_settings_alone(name: str) -> None:
    import matplotlib.pyplot as plt

    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    shown = DISPLAYS[name]()
    figure = Figure()
    ax = None if name in FIGURES else figure.add_subplot()
    shown.plot(figure) if ax is None else shown.plot(ax)
    assert figure.axes
    if ax is not None:
        assert ax.has_data()
    shown.plot()  # and into a new one, which pyplot does not know
    assert plt.get_fignums() == before
    assert dict(mpl.rcParams) == settings


def test_a_notebook_shows_a_plotted_display() -> None:
    shown = DISPLAYS["loss"]()
    assert shown._repr_png_() is None
    assert shown.plot()._repr_png_().startswith(b"\x89PNG")


HOSTILE = ["$\\frac$", "a$b$c$", "<b>&", "\u202egnp", "\udcff", "\x1b[31m", "名前", "x" * 300]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_any_class_name_can_be_drawn(hostile: str) -> None:
    """Of two pairs of displays, each name in one: ``test_display_names.py`` draws most names in all of them."""
    from warnings import catch_warnings, simplefilter

    data = random_data(3, (4, 4, 3))
    data.class_names = (hostile, "b", "c")
    truth = data.y_test
    with catch_warnings():
        simplefilter("ignore")  # a font without the glyph
        for draw in (
            lambda: neighbors(data).plot(),
            lambda: display.LossHistoryDisplay([1.0], name=hostile).plot(),
            lambda: templates(3, 3, class_names=data.class_names).plot(),
            lambda: display.plot_confusion(truth, truth, class_names=data.class_names, title=hostile),
        )[HOSTILE.index(hostile) % 2 :: 2]:
            shown = draw()
            shown.figure_.savefig(StringIO(), format="svg")


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        (2.9998, 2.9979, ("2.9998", "2.9979")),
        (9.4, 8.9, ("9.400", "8.900")),
        (12345.6, 345.2, ("12,346", "345")),
        (2.0, 2.0, ("2", "2")),
        (np.inf, 1.0, ("inf", "1")),
        (1.0, 0.0, ("1.000", "0.000")),
    ],
)
def test_two_losses_have_enough_decimals_to_differ(first: float, last: float, shown: tuple[str, str]) -> None:
    from fastcls.display import style

    assert style.apart(first, last) == shown


def test_a_loss_that_hardly_moves_has_an_axis_without_an_offset() -> None:
    drawn = display.LossHistoryDisplay.from_best_values(np.linspace(2.9998, 2.9979, 50)).plot()
    drawn.figure_.canvas.draw()
    assert drawn.ax_.yaxis.get_major_formatter().get_offset() == ""
    assert {text.get_text() for text in drawn.ax_.texts} == {"2.9998", "2.9979"}


# neighbours ---------------------------------------------------------------------------------------------------------


def test_neighbors_are_those_of_the_estimator_with_class_and_distance() -> None:
    data, shown = digits(), neighbors()
    gaps = np.linalg.norm(data.X_test[:3, None].astype(float) - data.X[None].astype(float), axis=2)
    nearest = np.argsort(gaps, axis=1, kind="stable")[:, 0]
    np.testing.assert_array_equal(shown.neighbor_images[:, 0], data.X[nearest].reshape(3, 8, 8, 1))
    np.testing.assert_allclose(shown.distances[:, 0], gaps.min(axis=1))
    assert list(shown.neighbor_names[:, 0]) == [str(c) for c in data.y[nearest]]
    np.testing.assert_array_equal(shown.same_class[:, 0], data.y[nearest] == data.y_test[:3])


def test_neighbors_of_the_same_and_of_another_class_differ_in_sign_and_line_too() -> None:
    images = np.zeros((1, 2, 4, 4, 1), np.uint8)
    shown = display.NeighborsDisplay(
        images[:, 0],
        images,
        np.array([[1.0, 2.0]]),
        np.array([["a", "b"]], dtype=object),
        query_names=np.array(["a"], dtype=object),
        same_class=np.array([[True, False]]),
    ).plot()
    right, wrong = shown.axes_[0, 1:]
    assert right.get_xlabel().startswith("a\n✓ 1")
    assert wrong.get_xlabel().startswith("b\n✗ 2")
    assert right.spines["top"].get_linestyle() != wrong.spines["top"].get_linestyle()


def test_without_labels_no_neighbor_is_marked() -> None:
    data = digits()
    shown = display.NeighborsDisplay.from_neighbors(
        data.X_test[:1], [[1.0, 2.0]], [[0, 1]], X_train=data.X, y_train=data.y, image_shape=(8, 8, 1)
    ).plot()
    assert not any(sign in text for text in texts(shown.figure_) for sign in "✓✗")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (None, "no image shape"),
        ((8, 8, 2), r"wanted \(height, width, 1\)"),
        ((8, 8), r"wanted \(height, width, 1\)"),
        ((9, 8, 1), "72 features"),
    ],
)
def test_rows_that_do_not_match_the_image_shape_are_refused_in_one_line(shape: Any, said: str) -> None:
    for make in (
        lambda: neighbors(image_shape=shape),
        lambda: display.TemplatesDisplay.from_weights(np.ones((3, 64)), image_shape=shape),
    ):
        with pytest.raises(InputError, match=said) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_distances_and_indices_must_match_the_queries() -> None:
    data = digits()
    with pytest.raises(InputError, match="and indices .* for both and whole numbers as indices"):
        display.NeighborsDisplay.from_neighbors(
            data.X_test[:2], [[1.0]], [[0]], X_train=data.X, y_train=data.y, image_shape=(8, 8, 1)
        )


# images -------------------------------------------------------------------------------------------------------------


def test_shrinking_averages_whole_blocks_and_leaves_small_images_alone() -> None:
    image = np.arange(4 * 6).reshape(4, 6, 1)
    np.testing.assert_array_equal(style.shrink(image, 6), image)
    np.testing.assert_array_equal(style.shrink(image, 3)[0, :, 0], [3.5, 5.5, 7.5])
    for shape in ((1000, 3, 1), (3, 1000, 3), (129, 129, 1)):
        small = style.shrink(np.ones(shape))
        assert max(small.shape[:2]) <= 128
        assert np.all(small == 1)


def test_dark_bytes_are_stretched_and_ordinary_bytes_are_not() -> None:
    assert style.grey_range(np.array([0, 16], np.uint8)) == (0, 16)
    assert style.grey_range(np.array([40, 200], np.uint8)) == (0, 255)
    assert style.grey_range(np.array([-0.5, 2.0])) == (-0.5, 2.0)
    assert style.grey_range(np.array([3.0, 3.0])) == (3.0, 4.0)  # one value: no division by zero


# templates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_templates_share_one_symmetric_scale(channels: int) -> None:
    W = np.zeros((2, 4 * channels))
    W[0, 0], W[1, 0] = 1.0, -2.0
    shown = display.TemplatesDisplay.from_weights(W, image_shape=(2, 2, channels))
    shown.scale = 2.0
    images = [ax.images[0] for ax in shown.plot().axes_.ravel() if ax.images]
    if channels == 1:
        (bar,) = set(shown.figure_.axes) - set(shown.axes_.ravel())
        # as matplotlib writes it
        assert [label.get_text() for label in bar.get_xticklabels()] == ["\N{MINUS SIGN}2", "0", "2"]
        assert [image.get_clim() for image in images] == [(-2, 2), (-2, 2)]
    else:  # half of the scale up, all of it down, zero in the middle
        assert [int(image.get_array()[0, 0, 0]) for image in images] == [191, 0]
        assert int(images[0].get_array()[1, 1, 1]) == 128


def test_templates_drop_a_bias_column_and_say_how_many_classes_there_are() -> None:
    W = np.arange(30 * 13, dtype=float).reshape(30, 13)
    shown = display.TemplatesDisplay.from_weights(W, image_shape=(2, 2, 3)).plot()
    np.testing.assert_array_equal(shown.templates[1].ravel(), W[1, :12])
    assert any("first 20 of 30" in text for text in texts(shown.figure_))


def test_templates_of_two_classes_in_one_row_are_opposite() -> None:
    model = SimpleNamespace(coef_=np.array([[1.0, 2.0, 3.0, 4.0]]), classes_=np.array([3, 7]))
    shown = display.TemplatesDisplay.from_estimator(model, image_shape=(2, 2, 1))
    assert shown.names == ["3", "7"]
    np.testing.assert_array_equal(shown.templates[0], -shown.templates[1])


def test_estimators_without_the_needed_attribute_are_refused() -> None:
    with pytest.raises(InputError, match="coef_"):
        display.TemplatesDisplay.from_estimator(object(), image_shape=(2, 2, 1))
    with pytest.raises(InputError, match="loss_history_"):
        display.LossHistoryDisplay.from_estimator(object())
    with pytest.raises(InputError, match="at least one"):
        display.LossHistoryDisplay([])


# cross-validation, confusion ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ks", [(*range(1, 21), 25, 30, 50, 100), tuple(range(1, 21)), tuple(range(43, 51)), (*range(1, 1001, 3),)]
)
def test_labels_of_k_keep_a_digit_apart(ks: tuple[int, ...]) -> None:
    shown = display.CrossValidationDisplay(ks, {"l1": np.full((len(ks), 5), 0.5)}).plot()
    shown.figure_.canvas.draw()
    boxes = [label.get_window_extent() for label in shown.ax_.get_xticklabels()]
    assert len(boxes) > 3
    digit = boxes[0].width / len(shown.ax_.get_xticklabels()[0].get_text())
    assert all(right.x0 - left.x1 > 0.6 * digit for left, right in pairwise(boxes))


@pytest.mark.parametrize("ks", [(1,), (1, 3, 5), (*range(1, 21), 25, 30, 50, 100)])
def test_cross_validation_shows_every_fold_the_mean_the_deviation_and_the_choice(ks: tuple[int, ...]) -> None:
    selection = make_selection(ks)
    shown = display.CrossValidationDisplay.from_selection(selection).plot()
    drawn = {round(float(value), 9) for line in shown.ax_.lines for value in np.atleast_1d(line.get_ydata())}
    for metric in selection.metrics:
        assert {round(float(v), 9) for v in 100 * selection.fold_accuracy[metric].ravel()} <= drawn
        assert {round(float(v), 9) for v in 100 * selection.mean(metric)} <= drawn
        lower = 100 * (selection.mean(metric) - selection.std(metric))
        ends = [segment[0][1] for c in shown.ax_.collections for segment in c.get_segments()]
        assert all(np.isclose(ends, value).any() for value in lower)
    assert f"k = {selection.best_k} under L1" in shown.ax_.get_title()
    assert shown.ax_.get_xscale() == "linear"  # with many values of k up to a large one it is logarithmic
    if max(ks) > 20:  # evenly spaced
        means = next(line for line in shown.ax_.lines if len(line.get_xdata()) == len(ks))
        np.testing.assert_allclose(np.diff(means.get_xdata()), 1)
    choice = next(line for line in shown.ax_.lines if line.get_markersize() > 10)
    assert choice.get_zorder() < min(line.get_zorder() for line in shown.ax_.lines if line.get_markersize() < 5)
    markers = {line.get_marker() for line in shown.ax_.lines if line.get_marker() not in ("None", "_", "|")}
    assert len(markers) >= 2  # the metrics differ in more than colour


def test_leave_one_out_shows_standard_errors_and_no_fold_points() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 2)), np.arange(90) % 3
    selection = cross_validate_k(X, y, ks=(1, 5), metrics=("l2",), cv="loo")
    shown = display.CrossValidationDisplay.from_selection(selection).plot()
    assert "90 rows, each left out once" in shown.ax_.get_title()
    mean = selection.mean("l2")
    np.testing.assert_allclose(shown.std["l2"], np.sqrt(mean * (1 - mean) / 90))
    ends = [segment[0][1] for c in shown.ax_.collections for segment in c.get_segments()]
    np.testing.assert_allclose(ends, 100 * (mean - shown.std["l2"]))
    assert sum(line.get_linestyle() == "None" and line.get_marker() == "o" for line in shown.ax_.lines) <= 1  # the choice


@pytest.mark.parametrize(("n_classes", "numbered"), [(2, True), (20, True), (21, False), (58, False), (150, False)])
def test_confusion_writes_counts_only_where_they_fit(n_classes: int, numbered: bool) -> None:
    truth = np.arange(4 * n_classes) % n_classes
    said = np.where(np.arange(len(truth)) < n_classes, (truth + 1) % n_classes, truth)
    shown = display.plot_confusion(truth, said, class_names=[f"c{i}" for i in range(n_classes)])
    assert (shown.text_ is not None) is numbered
    if numbered:
        assert (shown.text_[0, 0].get_text(), shown.text_[0, 1].get_text()) == ("3", "1")
        assert n_classes == 2 or shown.text_[1, 0].get_text() == ""
    named = len(shown.ax_.get_yticks())
    assert named == n_classes if n_classes <= 60 else named <= 60
    shown.figure_.draw_without_rendering()
    boxes = [label.get_window_extent() for label in shown.ax_.get_yticklabels()]
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert all(b[0] >= a[1] - 2 for a, b in pairwise(heights)), "names overlap"


def test_confusion_of_a_class_absent_from_the_test_rows_has_no_nan() -> None:
    shown = display.plot_confusion([0, 0], [0, 1], class_names=["a", "b", "c"])
    assert np.isfinite(shown.confusion_matrix).all()
    np.testing.assert_array_equal(shown.confusion_matrix[0], [0.5, 0.5, 0])


def test_confusion_counts_codes_without_a_name_too() -> None:
    shown = display.plot_confusion([0, 1, 3], [0, 2, 2], class_names=["a", "b"])
    assert [text.get_text() for text in shown.ax_.get_yticklabels()] == ["a", "b", "2", "3"]
    assert shown.confusion_matrix.sum() == 3
    with pytest.raises(InputError, match="wanted class codes, whole numbers from 0"):
        display.plot_confusion(["a"], ["b"], class_names=["a", "b"])


def test_label_efficiency_shows_means_and_deviations_of_few_shot() -> None:
    from _embeddings import halves

    from fastcls.protocols import few_shot

    rows = halves(n=400)
    tables = {name: few_shot(*rows, n_per_class=[1, 12, 1.0], n_tries=3, classifier=name) for name in ("knn", "linear")}
    shown = display.LabelEfficiencyDisplay.from_tables(tables).plot()
    for name, table in tables.items():
        best = [max((row["top1"], row["std"] or 0.0) for row in table if row["n_rows"] == n) for n in shown.n_rows[name]]
        assert shown.n_rows[name].tolist() == sorted({row["n_rows"] for row in table})
        assert shown.accuracy[name].tolist() == [top1 for top1, _ in best]
        assert shown.std[name][:2].tolist() == [std for _, std in best[:2]]
        assert np.isnan(shown.std[name][2])
    lines = [line for line in shown.ax_.lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(lines[0].get_ydata(), 100 * shown.accuracy["knn"])
    assert display.LabelEfficiencyDisplay.from_tables(tables["knn"]).accuracy.keys() == {"knn"}
    shown.figure_.canvas.draw()
    (legend,) = shown.figure_.legends  # above the axes, where no line is, but for the padding of its frame
    assert legend.get_window_extent().y0 > shown.ax_.get_window_extent().y1 - 8
    with pytest.raises(InputError, match="wanted a result of fastcls.protocols.few_shot"):
        display.LabelEfficiencyDisplay.from_tables(SimpleNamespace(columns=("k", "top1"), rows=(), settings={}))
    with pytest.raises(InputError, match="wanted those of n_rows"):
        display.LabelEfficiencyDisplay({"a": [1]}, {"b": [0.5]})


def test_axes_of_accuracies_end_at_0_and_100():
    full, ends = {"a": [0.0, 1.0]}, {"a": [0.0, 0.98]}
    accuracies = display.AccuracyDisplay(["p", "q"], full, ends, {"a": [0.02, 1.0]}).plot()
    assert accuracies.ax_.get_xlim() == (0, 100)
    assert not any(line.get_clip_on() for line in accuracies.ax_.lines)  # points and caps at the ends stay whole
    spread = display.LabelEfficiencyDisplay({"a": [1, 2]}, {"a": [0.5, 0.98]}, std={"a": [0.1, 0.06]}).plot()
    assert spread.ax_.get_ylim()[1] == 100
    narrow = display.AccuracyDisplay(["p", "q"], {"a": [0.5, 0.6]}, {"a": [0.45, 0.55]}, {"a": [0.55, 0.65]}).plot()
    assert 40 < narrow.ax_.get_xlim()[0] < narrow.ax_.get_xlim()[1] < 70
    folds = display.CrossValidationDisplay([1, 3], {"l2": [[1.0, 0.99, 0.8], [1.0, 1.0, 0.9]]}).plot()
    assert folds.ax_.get_ylim()[1] <= 100


def test_an_empty_line_of_the_user_stays_on_the_axes():
    import matplotlib.pyplot as plt

    from fastcls.display._style import end_at_100

    ax = plt.figure().add_subplot()
    ax.plot([], [], label="mine")
    end_at_100(ax)
    assert len(ax.lines) == 1


PERCENT = {
    "folds": lambda: display.CrossValidationDisplay([1, 3], {"l2": [[1.0, 0.99], [1.0, 1.0]]}),
    "accuracies": lambda: display.AccuracyDisplay(["p", "q"], {"a": [0.9, 1.0]}, {"a": [0.8, 0.9]}, {"a": [0.95, 1.0]}),
    "efficiency": lambda: display.LabelEfficiencyDisplay({"a": [1, 2]}, {"a": [0.5, 1.0]}),
    "alphas": lambda: display.RegularizationDisplay(np.array([0.1, 1]), np.array([0.8, 1]), np.array([0.9, 1])),
}


@pytest.mark.parametrize("name", PERCENT)
def test_lines_of_the_user_on_the_same_axes_stay_as_they_are(name):
    import matplotlib.pyplot as plt

    alone = PERCENT[name]().plot()
    least, most = alone.ax_.get_xlim() if name == "accuracies" else alone.ax_.get_ylim()
    assert 0 <= least < most <= 100
    ax = plt.figure().add_subplot()
    (inside,), (outside,) = ax.plot([20, 60], [20, 60]), ax.plot([-30, 130], [-30, 130])
    ours = [line for line in PERCENT[name]().plot(ax).ax_.lines if line not in (inside, outside)]
    assert inside.get_clip_on()
    assert outside.get_clip_on()
    assert not any(line.get_clip_on() for line in ours)
    least, most = ax.get_xlim() if name == "accuracies" else ax.get_ylim()
    assert least <= -30 < 130 <= most  # what the user drew stays visible
