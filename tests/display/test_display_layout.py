"""Displays with many samples, many classes or long names: texts neither overlap nor leave the figure."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="displays draw with matplotlib (the extra 'run')")
from _outcomes import digits, random_data
from _pairwise import pairwise
from matplotlib.text import Text

from fastcls import KNeighborsClassifier, SoftmaxClassifier, display
from fastcls.display import style

LONG = (
    "n02099712-Labrador_retriever",
    "n02099712-Labrador_mix",
    "West Highland white terrier",
    "automobile",
    "MMMMMMMMMM",
    "truck",
    "great white shark, Carcharodon carcharias",
    "a",
    "frog",
    "名前の長いクラス",
)


def texts(figure: Any) -> list[Any]:
    """Every visible text with its box, in pixels; a list of them stays as it is, so that a figure need be drawn once."""
    if isinstance(figure, list):
        return figure
    figure.draw_without_rendering()
    return [
        (text.get_text(), text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible()
    ]


def collisions(figure: Any, slack: float = 1.0) -> list[tuple[str, str]]:
    """Pairs of texts that overlap by more than a pixel in both directions."""
    met = []
    for (a, first), (b, second) in combinations(texts(figure), 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        up = min(first.y1, second.y1) - max(first.y0, second.y0)
        if across > slack and up > slack:
            met.append((a, b))
    return met


def outside(figure: Any, drawn: list[Any] | None = None) -> list[str]:
    """Texts that are cut off at an edge."""
    width, height = figure.bbox.width, figure.bbox.height
    boxes = texts(figure) if drawn is None else drawn
    return [text for text, box in boxes if box.x0 < -1 or box.x1 > width + 1 or box.y0 < -1 or box.y1 > height + 1]


def test_the_probe_finds_texts_that_overlap_and_that_are_cut_off() -> None:
    figure, ax = style.axes_for(None, 2.0)
    ax.set_axis_off()
    ax.text(0.5, 0.5, "one")
    assert collisions(figure) == []
    ax.text(0.51, 0.5, "two")
    assert collisions(figure) == [("one", "two")]
    assert outside(figure) == []
    figure.text(0.9, 0.5, "a long text that is cut")
    assert outside(figure) == ["a long text that is cut"]


def scores(n_samples: int, n_classes: int, names: Any = None) -> Any:
    rng = np.random.default_rng(0)
    table, y = 30 * rng.normal(size=(n_samples, n_classes)), np.arange(n_samples) % n_classes
    return display.ScoresDisplay.from_predictions(
        y,
        table,
        class_names=None if names is None else names[:n_classes],
        sample_names=None if names is None else [*names, *names][:n_samples],
    )


@pytest.mark.parametrize(("n_samples", "n_classes", "names"), pairwise([1, 2, 3, 4, 5, 10], [2, 10], [None, LONG]))
def test_tables_of_scores_of_any_size_can_be_read_at_400_pixels(n_samples: int, n_classes: int, names: Any) -> None:
    shown = scores(n_samples, n_classes, names).plot()
    assert shown.figure_.get_figwidth() * 96 <= 420
    drawn = texts(shown.figure_)
    assert collisions(drawn) == []
    assert outside(shown.figure_, drawn) == []
    written = [text for text, _ in drawn]
    for value in shown.scores.ravel():
        assert any(text.startswith(f"{value:.2f}") for text in written), value
    assert len(shown.ax_.patches) == n_samples  # the true class of each is framed


def test_each_sample_of_a_table_in_blocks_is_above_its_scores() -> None:
    shown = scores(10, 3).plot()
    place = {text.get_text(): text.get_position() for text in shown.ax_.texts}
    for i in range(10):
        x, y = place[f"sample {i + 1}"]
        for c in range(3):
            mine = [at for text, at in place.items() if text.split(" ")[0] == f"{shown.scores[i, c]:.2f}"]
            assert (x, y + 1 + c) in [(at[0], pytest.approx(at[1])) for at in mine]
        (loss,) = [at for text, at in place.items() if text == f"{shown.losses['softmax'][i]:.3f}"]
        assert loss == (x, pytest.approx(y + 5))


def test_two_classes_have_two_lines_with_the_losses_of_their_classifier() -> None:
    data = digits()
    two = data.y < 2
    X, y = data.X[two], data.y[two]
    model = SoftmaxClassifier(max_iter=3, random_state=0).fit(X, y)
    shown = display.ScoresDisplay.from_estimator(model, X[:4], y[:4], losses=["softmax"])
    assert shown.scores.shape == (4, 2)
    own = X[:4].astype(float) @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(shown.scores, own, rtol=1e-12)
    np.testing.assert_allclose(shown.scores[:, 1] - shown.scores[:, 0], model.decision_function(X[:4]), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(shown.losses["softmax"], -np.log(model.predict_proba(X[:4])[np.arange(4), y[:4]]), rtol=1e-5)

    from sklearn.linear_model import LogisticRegression

    theirs = LogisticRegression(max_iter=20).fit(X, y)  # one row of weights for two classes
    shown = display.ScoresDisplay.from_estimator(theirs, X[:4], y[:4], losses=["softmax"])
    np.testing.assert_allclose(shown.scores[:, 1] - shown.scores[:, 0], theirs.decision_function(X[:4]))
    np.testing.assert_allclose(shown.losses["softmax"], -np.log(theirs.predict_proba(X[:4])[np.arange(4), y[:4]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("names", "n_neighbors", "shape"),
    pairwise([LONG, tuple("0123456789")], [1, 5, 10], [(8, 8, 1), (6, 9, 1), (9, 6, 1)]),
)
def test_names_of_neighbors_do_not_overlap(names: Any, n_neighbors: int, shape: Any) -> None:
    data = random_data(10, shape)
    model = KNeighborsClassifier(3).fit(data.X, data.y)
    shown = display.NeighborsDisplay.from_estimator(
        model,
        data.X_test[:3],
        data.y_test[:3],
        X_train=data.X,
        y_train=data.y,
        image_shape=shape,
        class_names=names,
        n_neighbors=n_neighbors,
    ).plot()
    heading = "nearest training images, with distances →"
    assert [pair for pair in collisions(shown.figure_) if heading not in pair] == []
    if n_neighbors > 1:
        drawn = texts(shown.figure_)
        assert collisions(drawn) == []
        assert outside(shown.figure_, drawn) == []
    if n_neighbors <= 5:
        assert shown.figure_.get_figwidth() * 96 <= 420


@pytest.mark.parametrize("n_classes", [2, 10, 30])
def test_long_names_of_a_confusion_matrix_do_not_overlap_and_stay_different(n_classes: int) -> None:
    names = [LONG[c] if c < len(LONG) else f"n0209{c:04}-a_breed_of_dog_{c}" for c in range(n_classes)]
    truth = np.arange(3 * n_classes) % n_classes
    shown = display.plot_confusion(truth, truth, class_names=names, title="a title")
    assert collisions(shown.figure_) == []
    assert outside(shown.figure_) == []
    for labels in (shown.ax_.get_xticklabels(), shown.ax_.get_yticklabels()):
        assert len({label.get_text() for label in labels}) == n_classes


def test_a_rare_confusion_is_visible_and_an_empty_cell_is_transparent() -> None:
    shown = display.plot_confusion([0] * 200 + [1], [0] * 199 + [1, 1], class_names=["a", "b"])
    alpha = shown.im_.to_rgba(shown.confusion_matrix)[:, :, 3]
    assert alpha[1, 0] == 0
    assert 0.1 < alpha[0, 1] < 0.5
    assert alpha[0, 0] > 0.9
    assert alpha[1, 1] == 1


def test_shortened_names_stay_different() -> None:
    assert style.distinct(["truck", "automobile"], 12) == ["truck", "automobile"]
    assert style.distinct(["n02099712-Labrador", "n02099712-Lakeland"], 12) == ["n02099…rador", "n02099…eland"]
    alike = [f"n0209{c}-a_very_long_name-{c}-and_its_end_of_breed" for c in range(12)]
    short = style.distinct(alike, 12)
    assert len(set(short)) == 12
    assert max(map(len, short)) <= 12
    assert style.distinct(["same", "same"], 3) == ["sa…", "sa…"]  # equal names have equal short forms


@pytest.mark.parametrize("text", [*LONG, "iiiiiiii", "WWWW", "Mixed-case_Name 12.5 ✓ ▲"])
@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_fitted_names_are_drawn_within_their_width(text: str, weight: str) -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.isascii() and "✓" not in text:
        pytest.skip("matplotlib's own font has no glyphs for this script")
    for points in (20, 40, 80):
        short = style.fit(text, points, 10, weight)
        assert TextPath((0, 0), short, prop=FontProperties(size=10, weight=weight)).get_extents().width <= points
        if short != text:  # one letter more would not fit
            assert style.width_of(text[: len(short)] + "…", 10, weight) > points
        lines = style.wrap(text, points, 10, 3).split("\n")
        assert len(lines) <= 3
        assert max(style.width_of(line, 10) for line in lines) <= points


def test_wide_characters_count_as_one_em_in_any_font() -> None:
    assert style.width_of("名前", 10) == pytest.approx(20.0)


@pytest.mark.parametrize("make", ["regions", "challenges", "templates"])
def test_legends_and_titles_with_long_names_stay_inside(make: str) -> None:
    data = digits()
    if make == "regions":
        points = np.random.default_rng(0).normal(size=(30, 2))
        shown = display.DecisionRegionDisplay.from_points(points, np.array(LONG)[np.arange(30) % 10], size=20).plot()
    elif make == "challenges":
        models = {name: KNeighborsClassifier(k).fit(data.X, data.y) for k, name in enumerate(LONG[:5], start=1)}
        shown = display.ChallengesDisplay.from_estimators(
            models, data.X_test[:8], image_shape=(8, 8, 1), strengths=(0, 4), random_state=0
        )
        shown.plot()
    else:
        shown = display.TemplatesDisplay.from_weights(np.ones((10, 64)), image_shape=(8, 8, 1), class_names=LONG).plot()
    assert outside(shown.figure_) == []
    assert collisions(shown.figure_) == []


# no penalty at all --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alphas", [(0.0, 1e-3, 1e-2, 0.1), (0.0,), (0.0, 0.5), (0.0, 1e-12, 10.0)])
def test_no_penalty_is_at_the_left_end(alphas: tuple[float, ...]) -> None:
    accuracy = np.linspace(0.5, 0.9, len(alphas))
    shown = display.RegularizationDisplay.from_sweep(alphas, accuracy, chosen=0.0).plot()
    x = shown.ax_.lines[0].get_xdata()
    assert len(x) == len(alphas)
    assert (np.diff(x) > 0).all()
    assert x[0] > 0
    np.testing.assert_array_equal(x[1:], alphas[1:])
    shown.figure_.draw_without_rendering()
    low, high = shown.ax_.get_xlim()
    assert low < x[0] <= x[-1] < high
    ticks = {label.get_position()[0]: label.get_text() for label in shown.ax_.get_xticklabels()}
    assert ticks[x[0]] == "0"
    assert sum(label == "0" for label in ticks.values()) == 1
    assert list(shown.ax_.lines[-1].get_xdata()) == [x[0]] or shown.alphas[shown.best] == 0
    assert collisions(shown.figure_) == []


def test_without_alpha_0_the_axis_is_logarithmic_throughout() -> None:
    shown = display.RegularizationDisplay.from_sweep([0.001, 1.0], [0.5, 0.9]).plot()
    np.testing.assert_array_equal(shown.ax_.lines[0].get_xdata(), [0.001, 1.0])
    shown.figure_.draw_without_rendering()
    assert "0" not in [label.get_text() for label in shown.ax_.get_xticklabels()]


# folds --------------------------------------------------------------------------------------------------------------


def test_folds_hold_out_every_row_once_and_never_the_test_set() -> None:
    data = digits()
    shown = display.FoldsDisplay.from_labels(data.y, cv=5, n_test=len(data.X_test), random_state=0)
    from sklearn.model_selection import StratifiedKFold

    wanted = [len(test) for _, test in StratifiedKFold(5, shuffle=True, random_state=0).split(data.X, data.y)]
    assert list(shown.sizes) == wanted
    assert shown.sizes.sum() == len(data.X)
    held_out = shown.roles == "validation"
    np.testing.assert_array_equal(held_out, np.eye(5, dtype=bool))
    assert ((shown.roles == "train") == ~held_out).all()


@pytest.mark.parametrize(
    ("n_folds", "more"),
    [  # the fewest and the most folds, and where a second line begins, with everything; the others with one of each
        *((n, {"n_test": 360, "accuracy": True}) for n in (2, 6, 7, 30)),
        *zip((5, 12, 2, 30), ({}, {}, {"n_test": 10_000}, {"accuracy": True}), strict=True),
        *zip((12, 5), ({"n_test": 10_000}, {"accuracy": True}), strict=True),
    ],
)
def test_the_diagram_of_folds_has_their_widths_colours_and_accuracies(n_folds: int, more: dict[str, Any]) -> None:
    sizes = 100 + np.arange(n_folds)
    accuracy = np.linspace(0.8, 0.95, n_folds)
    given = more | ({"accuracy": accuracy} if "accuracy" in more else {})
    shown = display.FoldsDisplay(sizes, **given).plot()
    from matplotlib.colors import to_rgb

    rounds = min(n_folds, 10)
    boxes = [patch for patch in shown.ax_.patches if to_rgb(patch.get_facecolor()) != to_rgb(style.GREEN)]
    assert len(boxes) == rounds * n_folds
    for turn in range(rounds):
        line = boxes[turn * n_folds : (turn + 1) * n_folds]
        red = [to_rgb(box.get_facecolor()) == to_rgb(style.VERMILION) for box in line]
        assert red == [fold == turn for fold in range(n_folds)]
        middles = np.array([box.get_x() + box.get_width() / 2 for box in line])
        assert (np.diff(middles) > 0).all()
        widths = np.array([box.get_width() for box in line])
        assert widths[-1] > widths[0]
    assert len(shown.ax_.patches) - len(boxes) == ("n_test" in more)
    if "n_test" in more:
        right = max(box.get_x() + box.get_width() for box in boxes)
        (apart,) = [patch for patch in shown.ax_.patches if to_rgb(patch.get_facecolor()) == to_rgb(style.GREEN)]
        assert apart.get_x() > right + 0.01
    drawn = texts(shown.figure_)
    written = " ".join(text for text, _ in drawn)
    assert ("80.0" in written) is ("accuracy" in more)
    assert (f"{more.get('n_test', 0):,} rows" in written.replace("\n", " ")) is ("n_test" in more)
    assert collisions(drawn) == []
    assert outside(shown.figure_, drawn) == []
    assert shown.figure_.get_figwidth() * 96 <= 420
