"""The numbers of the lecture's figures, compared with plain NumPy and the slides."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="displays draw with matplotlib (the extra 'run')")
from _outcomes import digits
from matplotlib.figure import Figure

from fastcls import KNeighborsClassifier, SoftmaxClassifier, display
from fastcls._gradient.problem import LinearProblem
from fastcls._validation.errors import InputError
from fastcls.cli.report import _sections
from fastcls.display import _challenges, _decision_region, _regions

SCORES = np.array(
    [
        [-3.45, -8.87, 0.09, 2.9, 4.48, 8.02, 3.78, 1.06, -0.36, -0.72],
        [-0.51, 6.04, 5.31, -4.22, -4.19, 3.58, 4.49, -4.37, -2.09, -2.93],
        [3.42, 4.64, 2.65, 5.1, 2.64, 5.55, -4.34, -1.5, -4.79, 6.14],
    ]
)
TRUE = [3, 1, 6]


def regions(**options: Any) -> Any:
    rng = np.random.default_rng(0)
    return display.DecisionRegionDisplay.from_points(rng.normal(size=(30, 2)), np.arange(30) % 3, size=60, **options)


def problem() -> LinearProblem:
    data = digits()
    return LinearProblem(data.X[:200], data.y[:200], loss="softmax", alpha=0.01, scale=16.0)


def slices(second: bool = False) -> display.LossSliceDisplay:
    made = problem()
    U, V = np.random.default_rng(1).normal(size=(2, *made.shape))
    return display.LossSliceDisplay.from_problem(made, np.zeros(made.shape), U, V if second else None, span=0.1, n=7)


def challenges() -> display.ChallengesDisplay:
    data = digits()
    model = KNeighborsClassifier(3).fit(data.X, data.y)
    X, y = data.X_test[:60], data.y_test[:60]
    return display.ChallengesDisplay.from_estimators({"knn": model}, X, y, image_shape=(8, 8, 1), random_state=0)


def regularization() -> display.RegularizationDisplay:
    data = digits()
    new = data.X_test, data.y_test
    return display.RegularizationDisplay.from_data(data.X[:60], data.y[:60], *new, alphas=(1e-5, 1e-1, 10.0), random_state=0)


#: name -> (a display, whether ``plot`` takes a figure)
DISPLAYS: dict[str, tuple[Any, bool]] = {
    "regions": (regions, False),
    "line": (slices, False),
    "plane": (lambda: slices(True), False),
    "scores": (lambda: display.ScoresDisplay.from_predictions(TRUE, SCORES), False),
    "folds": (lambda: display.FoldsDisplay([20, 20, 21], n_test=9, accuracy=[0.5, 0.6, 0.7]), False),
    "curse": (lambda: display.CurseDisplay.from_uniform((1, 2, 64), n_points=50, random_state=0), True),
    "same distance": (lambda: display.SameDistanceDisplay.from_image(digits().X[0], image_shape=(8, 8, 1)), True),
    "challenges": (challenges, True),
    "regularization": (regularization, False),
    "calibration": (
        lambda: display.CalibrationDisplay.from_confidence(
            [0.3, 0.7, 0.9], [0, 1, 1], name="a model with a name of forty letters"
        ),
        False,
    ),
}


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_draws_at_400_pixels_into_the_given_figure_and_leaves_pyplot_and_settings_alone(name: str) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    make, takes_figure = DISPLAYS[name]
    shown, figure = make(), Figure()
    shown.plot(figure if takes_figure else figure.add_subplot())
    assert shown.figure_ is figure
    own = shown.plot().figure_
    assert own is not figure
    assert 350 <= own.get_figwidth() * 96 <= 420
    own.savefig(BytesIO(), dpi=96)
    title = own.get_suptitle() or shown.ax_.get_title()
    sizes = [text.get_fontsize() for text in own.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    assert title
    assert min(sizes) >= 6.5
    boxes = [text.get_window_extent() for text in own.findobj(mpl.text.Text) if text.get_text() == title]
    width = own.bbox.width
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes), "the title is cut"
    assert plt.get_fignums() == before
    assert dict(mpl.rcParams) == settings


# regions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_regions_are_the_majority_of_the_k_nearest_by_plain_loops(metric: str, k: int) -> None:
    rng = np.random.default_rng(2)
    points, y = rng.normal(size=(25, 2)), np.array(list("abc"))[rng.integers(0, 3, 25)]
    found = display.decision_regions(points, y, k=k, metric=metric, size=20)
    for place, code in zip(_regions.cells(found.extent, 20), found.codes.ravel(), strict=True):
        gaps = np.abs(points - place).sum(axis=1) if metric == "l1" else ((points - place) ** 2).sum(axis=1)
        near = y[np.argsort(gaps, kind="stable")[:k]]
        votes = np.array([(near == name).sum() for name in found.classes])
        wanted = votes.argmax() if (votes == votes.max()).sum() == 1 else _regions.TIED
        assert code == wanted


def test_a_tie_made_by_hand_is_white_and_nothing_else_is() -> None:
    points, extent = [[0, 0], [0, 4], [9, 0]], (-1, 10, -3, 8)
    shown = display.DecisionRegionDisplay.from_points(points, [0, 1, 1], k=2, extent=extent, size=11)
    assert shown.regions.codes[3, 1] == _regions.TIED  # at the first point: a 0 and a 1
    assert shown.regions.codes[3, 10] == _regions.TIED
    assert shown.regions.codes[7, 8] == 1  # (7.5, 4.5): the two of class 1 are nearest
    white = (shown.image() == 1).all(axis=2)
    np.testing.assert_array_equal(white, shown.regions.codes == _regions.TIED)


def test_regions_of_an_estimator_are_its_predictions_and_ties() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(20, 2)), np.arange(20) % 2
    by_points = display.decision_regions(X, y, k=4, size=30)
    by_model = display.DecisionRegionDisplay.from_estimator(KNeighborsClassifier(4).fit(X, y), X, y, size=30)
    np.testing.assert_array_equal(by_model.regions.codes, by_points.codes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"points": [[1, 2, 3]], "y": [0]}, "plane"),
        ({"points": [[1, 2]], "y": [0], "k": 2}, "only 1"),
        ({"points": [[1, 2]], "y": [0], "extent": (1, 1, 0, 1)}, "extent"),
    ],
)
def test_bad_input_of_regions_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        display.decision_regions(**given)


def test_one_class_and_coincident_points_have_regions() -> None:
    assert (display.decision_regions([[1, 1], [1, 1]], [5, 5], k=2, size=4).codes == 0).all()
    assert (display.decision_regions([[1, 1], [1, 1]], [5, 6], k=2, size=4).codes == _regions.TIED).all()


# scores -------------------------------------------------------------------------------------------------------------


def test_the_table_of_scores_has_the_lectures_losses() -> None:
    shown = display.ScoresDisplay.from_predictions(TRUE, SCORES)
    np.testing.assert_allclose(shown.losses["hinge"], [10.58, 0.27, 71.91], atol=1e-9)
    np.testing.assert_allclose(shown.losses["softmax"], [5.170, 0.577, 11.294], atol=5e-4)
    assert "hinge 27.587" in shown.plot().ax_.get_title()
    assert "softmax 5.681" in shown.ax_.get_title()
    drawn = {text.get_text() for text in shown.ax_.texts}
    assert {"71.910", "11.294", "8.02 ▲", "-4.34"} <= drawn


def test_scores_are_those_of_the_estimator() -> None:
    data = digits()
    model = SoftmaxClassifier(max_iter=2, random_state=0).fit(data.X, data.y)
    shown = display.ScoresDisplay.from_estimator(model, data.X_test[:3], data.y_test[:3])
    np.testing.assert_array_equal(shown.scores, model.decision_function(data.X_test[:3]))
    np.testing.assert_array_equal(shown.y, data.y_test[:3])


# equal distances ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3), (28, 28, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_box_shift_and_tint_are_at_the_same_integer_distance(shape: tuple[int, int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    if shape == (8, 8, 1):
        image = digits().X[seed]
    else:  # smooth, as photographs are
        across, down = np.sin(np.linspace(0, 5, shape[1])), np.cos(np.linspace(0, 3, shape[0]))
        wave = 128 + 100 * across[None, :, None] * down[:, None, None]
        image = np.clip(wave + rng.normal(0, 8, shape), 0, 255).astype(np.uint8).ravel()
    shown = display.SameDistanceDisplay.from_image(image, image_shape=shape)
    original, *altered = shown.images.astype(np.int64)
    assert shown.squared_distance > 0
    assert [int(((other - original) ** 2).sum()) for other in altered] == [shown.squared_distance] * 3
    assert len({other.tobytes() for other in altered}) == 3
    np.testing.assert_array_equal(altered[1][:, 1:], original[:, :-1])  # the shift is a shift


def test_an_image_of_one_colour_is_refused() -> None:
    with pytest.raises(InputError, match="another image"):
        display.SameDistanceDisplay.from_image(np.full(64, 7, np.uint8), image_shape=(8, 8, 1))


def test_forty_classes_have_forty_looks() -> None:
    assert len({_decision_region.look_of(c) for c in range(64)}) == 64
    points = np.stack(np.divmod(np.arange(12.0), 4), axis=1)
    shown = display.DecisionRegionDisplay.from_points(points, np.arange(12), size=40).plot()
    drawn = [line for line in shown.ax_.lines if line.get_marker() not in ("None", "")]
    assert len({(line.get_color(), line.get_marker()) for line in drawn}) == 12
    assert len(np.unique(shown.image().reshape(-1, 3), axis=0)) >= 12


@pytest.mark.parametrize(("scale", "at"), [(1e-6, 0.0), (1e-3, 5.0), (1e4, 0.0)])
def test_points_fill_their_plane_at_any_scale(scale: float, at: float) -> None:
    points = at + scale * np.random.default_rng(0).normal(size=(30, 2))
    left, right, bottom, top = _regions.around(points)
    side = (points.max(axis=0) - points.min(axis=0)).max()
    assert side < right - left < 1.3 * side
    assert right - left == pytest.approx(top - bottom)


@pytest.mark.parametrize("at", [0.0, 7.0, 1e12])
def test_coincident_points_have_a_plane_around_them(at: float) -> None:
    left, right, bottom, top = _regions.around(np.full((3, 2), at))
    assert left < at < right
    assert bottom < at < top


@pytest.mark.parametrize("shape", [(6, 6, 1), (8, 8, 1), (5, 5, 3)])
def test_the_tint_changes_every_row_of_a_small_image(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(2).integers(40, 200, size=shape).astype(np.uint8)
    shown = display.SameDistanceDisplay.from_image(image.ravel(), image_shape=shape)
    moved = (shown.images[3] != shown.images[0]).reshape(shape[0], -1)
    assert moved.any(axis=1).all()


# loss, curse, regularisation, challenges ----------------------------------------------------------------------------


def test_slices_are_values_of_the_problem_and_their_slope_is_the_dot_product_with_the_gradient() -> None:
    made, line, plane = problem(), slices(), slices(True)
    U, V = np.random.default_rng(1).normal(size=(2, *made.shape))
    assert line.loss[3] == made.value(np.zeros(made.shape)) == pytest.approx(np.log(10))
    assert plane.loss[5, 1] == made.value(plane.steps[1] * U + plane.steps[5] * V)
    np.testing.assert_array_equal(plane.loss[3], line.loss)
    h = 1e-5
    slope = (made.value(h * U) - made.value(-h * U)) / (2 * h)
    assert line.slopes[0] == pytest.approx(slope, rel=1e-4)
    with pytest.raises(InputError, match="shape"):
        display.LossSliceDisplay.from_problem(made, np.zeros(made.shape), np.ones(3))


def test_without_a_direction_a_slice_goes_downhill() -> None:
    made = problem()
    shown = display.LossSliceDisplay.from_problem(made, np.zeros(made.shape), span=0.1, n=5)
    assert shown.slopes[0] == pytest.approx(-np.linalg.norm(made.value_and_gradient(np.zeros(made.shape))[1]))
    assert shown.loss[3] < shown.value < shown.loss[1]


def test_the_curse_needs_4_16_64_points_and_the_nearest_moves_away() -> None:
    shown = display.CurseDisplay.from_uniform((1, 2, 3, 100, 3072), n_points=300, n_queries=20, random_state=0)
    assert shown.needed[:3] == [4, 16, 64]
    assert (np.diff(shown.nearest) > 0).all()
    assert shown.nearest[0] < 0.02
    assert shown.nearest[-1] > 0.93
    rng = np.random.default_rng(0)
    Q, X = rng.random((20, 1)), rng.random((300, 1))
    gaps = np.abs(Q - X.T)
    assert shown.nearest[0] == pytest.approx((gaps.min(axis=1) / gaps.mean(axis=1)).mean())
    panels = shown.plot().axes_[:3]
    assert [len(ax.collections[0].get_offsets()) for ax in panels] == [4, 16, 64]


def test_a_penalty_lowers_the_weights_and_the_training_accuracy() -> None:
    shown = regularization()
    assert shown.train[0] == 1.0  # passes every point
    assert (np.diff(shown.norms) < 0).all()
    assert shown.train[-1] < 1.0
    data = digits()
    model = SoftmaxClassifier(alpha=0.1, solver="lbfgs", max_iter=1000, tol=1e-6, random_state=0)
    model.fit(data.X[:60], data.y[:60])
    assert shown.new[1] == (model.predict(data.X_test) == data.y_test).mean()
    assert shown.new[shown.best] == shown.new.max()


def test_challenges_start_unaltered_and_end_with_more_errors() -> None:
    data, shown = digits(), challenges()
    rows, y = data.X_test[:60].astype(float), data.y_test[:60]
    model = KNeighborsClassifier(3).fit(data.X, data.y)
    plain = model.score(data.X_test[:60], y)
    for name in _challenges.CHALLENGES:
        np.testing.assert_array_equal(shown.examples[name][0].ravel(), rows[0])
        assert shown.distance[name][0] == 0
        assert (np.diff(shown.distance[name]) > 0).all()
        assert shown.accuracy[name]["knn"][0] == plain
        assert shown.accuracy[name]["knn"][-1] < plain
    images = rows.reshape(-1, 8, 8)
    moved = np.concatenate([images[:, :, :1], images[:, :, :1], images[:, :, :-2]], axis=2).reshape(60, -1)
    assert shown.distance["viewpoint"][2] == pytest.approx(np.linalg.norm(moved - rows, axis=1).mean())
    assert shown.accuracy["viewpoint"]["knn"][2] == model.score(moved.astype(np.uint8), y)
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j and y[i] == y[j]]
    assert shown.reference_distance == pytest.approx(np.mean(gaps))


def test_without_labels_challenges_count_unchanged_predictions() -> None:
    data = digits()
    model = KNeighborsClassifier(3).fit(data.X, data.y)
    X = data.X_test[:40]
    shown = display.ChallengesDisplay.from_estimators(
        {"knn": model}, X, image_shape=(8, 8, 1), strengths=(0, 4), random_state=0
    )
    assert shown.accuracy["viewpoint"]["knn"][0] == 1.0
    lit = np.rint(np.minimum(X + 0.4 * 16.0, 16)).astype(np.uint8)
    assert shown.accuracy["illumination"]["knn"][1] == (model.predict(lit) == model.predict(X)).mean()
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(X.astype(float)) for j, b in enumerate(X.astype(float)) if i != j]
    assert shown.reference_distance == pytest.approx(np.mean(gaps))


def test_a_sweep_is_shown_in_order_of_alpha_and_of_equal_ones_the_largest_is_best() -> None:
    shown = display.RegularizationDisplay.from_sweep([1.0, 0.01, 0.1], [0.5, 0.9, 0.9]).plot()
    np.testing.assert_array_equal(shown.alphas, [0.01, 0.1, 1.0])
    assert shown.alphas[shown.best] == 0.1
    np.testing.assert_allclose(shown.ax_.lines[0].get_ydata(), [90, 90, 50])
    shown = display.RegularizationDisplay.from_sweep(
        [1.0, 0.01, 0.1], [0.5, 0.9, 0.9], train_accuracy=[0.6, 1.0, 0.95]
    ).plot()
    np.testing.assert_allclose(shown.ax_.lines[0].get_ydata(), [100, 95, 60])
    np.testing.assert_allclose(shown.ax_.lines[1].get_ydata(), [90, 90, 50])


def test_the_alpha_chosen_by_a_sweep_is_marked() -> None:
    shown = display.RegularizationDisplay.from_sweep([1.0, 0.01, 0.1], [0.5, 0.9, 0.9], chosen=0.01).plot()
    assert shown.alphas[shown.best] == 0.01
    assert list(shown.ax_.lines[-1].get_xdata()) == [0.01]


def test_the_report_marks_the_alpha_of_the_model() -> None:
    rows = [{"alpha": a, "validation_accuracy": 0.9, "chosen": a == 0.01} for a in (1.0, 0.1, 0.01)]
    drawn = _sections._penalty_figure("softmax", rows)["svg"]
    assert "chosen: alpha = 0.01" in drawn
    assert "training rows" not in drawn  # their accuracies are unknown
    for row in rows:
        row["training_accuracy"] = 0.95
    assert "training rows" in _sections._penalty_figure("softmax", rows)["svg"]


def test_calibration_has_the_mean_probability_and_the_accuracy_of_each_bin() -> None:
    confidence, hits = [0.05, 0.25, 0.31, 0.45, 1.0, 1.0], [0, 1, 0, 1, 1, 0]
    shown = display.CalibrationDisplay.from_confidence(confidence, hits, n_bins=4, name="a").plot()
    np.testing.assert_array_equal(shown.counts, [2, 2, 0, 2])  # a bin contains its upper end
    np.testing.assert_allclose(shown.confidence, [0.15, 0.38, np.nan, 1.0])
    np.testing.assert_allclose(shown.accuracy, [0.5, 0.5, np.nan, 0.5])
    assert shown.error == pytest.approx((2 * 0.35 + 2 * 0.12 + 2 * 0.5) / 6)
    assert shown.ax_.get_title() == "a: calibration error 32.3 %"
    assert [bar.get_x() for bar in shown.ax_.patches] == [0, 25, 75]
    assert [bar.get_height() for bar in shown.ax_.patches] == pytest.approx([100 / 3] * 3)


def test_few_rows_are_compared_with_as_few_random_points() -> None:
    rows = np.random.default_rng(5).random((150, 32))
    shown = display.CurseDisplay.from_uniform((32,), data=rows, random_state=0)
    assert shown.n_points == 100
    assert "100 random points" in shown.plot().axes_[3].get_title()
    assert shown.own is not None
    assert shown.own[1] == pytest.approx(shown.nearest[0], abs=0.03)  # the same kind of data: the mark is on the curve


def test_points_of_the_cube_are_visible_on_white_and_on_black() -> None:
    faces = (
        display.CurseDisplay.from_uniform((1,), n_points=60, random_state=0).plot().axes_[2].collections[0].get_facecolors()
    )
    for ground in (0.0, 1.0):
        seen = faces[:, 3:] * faces[:, :3] + (1 - faces[:, 3:]) * ground
        assert np.abs(seen - ground).max(axis=1).min() > 0.35


def test_the_users_data_is_marked_in_the_curse() -> None:
    X = digits().X
    shown = display.CurseDisplay.from_uniform((1, 2), n_points=200, data=X, random_state=0)
    assert shown.own is not None
    assert shown.own[0] == 64
    gaps = np.linalg.norm(X[:300, None].astype(float) - X[None, :300], axis=2)
    np.fill_diagonal(gaps, np.inf)
    share = (gaps.min(axis=1) / np.where(np.isinf(gaps), 0, gaps).mean(axis=1)).mean()
    assert shown.own[1] == pytest.approx(share, abs=0.08)  # of other rows of the same digits


def test_every_model_has_its_own_curve_in_challenges() -> None:
    data = digits()
    models = {f"{k} neighbours": KNeighborsClassifier(k).fit(data.X, data.y) for k in (1, 2, 3, 5, 7, 9)}
    shown = display.ChallengesDisplay.from_estimators(
        models, data.X_test[:8], image_shape=(8, 8, 1), strengths=(0, 1), random_state=0
    )
    lines = shown.plot().axes_[0, 1].lines
    assert [line.get_label() for line in lines] == list(models)
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 6
