"""The demos without a browser: pictures equal those of the estimators, texts round-trip, unusual states are no errors."""

import shlex

import numpy as np
import pytest

from fastcls import KNeighborsClassifier, LinearProblem
from fastcls._validation.errors import InputError
from fastcls.demo import _knn_regions as regions
from fastcls.demo import _text
from fastcls.demo._knn_state import PRESETS, WEIGHTS, KnnController, KnnState
from fastcls.demo._latest import Latest
from fastcls.demo._linear_state import LOSSES, LinearController, LinearState


def estimator_picture(state, metric):
    """The picture computed by the public estimator, in units."""
    model = KNeighborsClassifier(state.voters, metric=metric, weights=state.weights, temperature=regions.TEMPERATURE)
    model.fit(state.points / 100, state.codes)
    pixels = regions.pixel_centres() / 100
    return np.where(model.predict_ties(pixels), state.classes, model.predict(pixels)).reshape(300, 300)


def crowd(n, classes, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(-300, 301, (n, 2)).astype(float), rng.integers(0, classes, n)


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_picture_equals_that_of_the_estimator_in_hundredths(metric, weights):
    """In hundredths, where all distances are exact; the weights use distances in units, like the picture."""
    points, codes = crowd(50, 4, 0)
    state = KnnState(metric=metric, k=4, classes=4, weights=weights, points=points, codes=codes)
    rule = weights if weights == "uniform" else (lambda d: regions.weights_of(d / 100, weights, regions.TEMPERATURE, metric))
    model = KNeighborsClassifier(4, metric=metric, weights=rule).fit(points, codes)
    pixels = regions.pixel_centres()
    expected = np.where(model.predict_ties(pixels), 4, model.predict(pixels)).reshape(300, 300)
    np.testing.assert_array_equal(KnnController(state).picture(metric), expected)
    if weights == "uniform":
        assert {4} < set(expected.ravel())  # with ties, and not only ties
    # in units the same, but where rounding decides between neighbours at one distance
    assert np.mean(estimator_picture(state, metric) == expected) > 0.98


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("k", [1, 6])
def test_the_picture_after_a_move_equals_a_new_one_and_computes_few_pixels(metric, k):
    points, codes = crowd(200, 3, 1)
    controller = KnnController(KnnState(metric=metric, k=k, points=points, codes=codes))
    controller.picture(metric)
    rng = np.random.default_rng(2)
    for _ in range(12):
        place = int(rng.integers(200))
        controller.move(place, *(controller.state.points[place] + rng.integers(-60, 61, 2)))
        moved = controller.picture(metric)
        assert controller._regions[metric].n_computed < 30_000
        np.testing.assert_array_equal(moved, KnnController(controller.state).picture(metric))


def test_picture_follows_every_change_of_the_state():
    controller = KnnController(KnnState(k=3))
    controller.picture("l2")
    for change in (
        lambda c: c.set(k=7),
        lambda c: c.set(weights="distance"),
        lambda c: c.renew(n=40),
        lambda c: c.another(),
        lambda c: c.renew(classes=5),
        lambda c: c.renew(preset="ring"),
        lambda c: c.reset(),
    ):
        change(controller)
        np.testing.assert_array_equal(controller.picture("l2"), KnnController(controller.state).picture("l2"))


def test_two_points_of_two_classes_tie_everywhere_with_two_votes():
    controller = KnnController()
    controller.renew(preset="tie")
    assert controller.state.k == 2
    for metric in ("l1", "l2"):
        assert (controller.picture(metric) == 2).all()
        assert controller.vote(metric, 10, 20).tied
        assert "a tie (white)" in controller.vote(metric, 10, 20).words()


def test_vote_agrees_with_the_picture():
    controller = KnnController(KnnState(k=4))
    picture = controller.picture("l1")
    at = regions.pixel_centres().reshape(300, 300, 2)
    for row, column in np.random.default_rng(0).integers(0, 300, (40, 2)):
        vote = controller.vote("l1", *at[row, column])
        assert (controller.state.classes if vote.tied else vote.winner) == picture[row, column]
        assert len(vote.neighbors) == 4 == vote.totals.sum()


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_accuracies_are_the_estimators_leave_one_out(metric):
    controller = KnnController(KnnState())
    ks, shares = controller.accuracies(metric)
    assert list(ks) == list(range(1, 16))
    state = controller.state
    for k, share in zip(ks, shares, strict=True):
        model = KNeighborsClassifier(int(k), metric=metric).fit(state.points, state.codes)
        assert share == (model.predict() == state.codes).mean()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("k=15&points=0,0,0;10,10,1;20,0,2", "K is 15, but there are only 3 points"),
        ("points=0,0,0;10,10,0&k=1", "All points have the same class"),
        ("points=5,5,0;5,5,1;5,5,2", "Some points have the same position"),
        ("points=7,7,1", "K is 5, but there is only 1 point"),
        ("weights=distance&points=1,1,0;1,1,1&k=2", "Some points have the same position"),
    ],
)
def test_unusual_states_have_pictures_and_notes(text, note):
    controller = KnnController(KnnState.of_text(text))
    assert any(note in said for said in controller.notes())
    for metric in ("l1", "l2"):
        assert controller.picture(metric).max() <= controller.state.classes
        assert np.isfinite(controller.accuracies(metric)[1]).all()
        assert np.isfinite(controller.vote(metric, 3, 3).totals).all()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("n", [20, 200])
def test_presets_are_inside_the_plane_and_survive_the_round_trip_through_text(preset, n):
    controller = KnnController()
    controller.renew(preset=preset, n=n)
    state = controller.state
    assert len(state.points) == (2 if preset == "tie" else n)
    assert np.abs(state.points).max() <= 300
    np.testing.assert_array_equal(state.points, np.rint(state.points))
    again = KnnState.of_text(state.text())
    assert again.text() == state.text()
    np.testing.assert_array_equal(KnnController(again).picture("l2"), controller.picture("l2"))


def test_a_command_is_one_word_of_a_shell():
    text = KnnState().text()
    assert shlex.split(_text.command("knn", text)) == ["fastcls", "demo", "knn", "--state", text]


BAD = [
    "k=0",
    "k=16",
    "k=5.5",
    "classes=6",
    "metric=l3",
    "weights=",
    "preset=x",
    "seed=-1",
    "points=1,2",
    "points=1,2,3",
    "points=301,0,0",
    "points=nan,0,0",
    "points=",
    "zzz=1",
    "k=1&k=2",
    "k",
    "points=" + "0,0,0;" * 201,
    "x" * 30_000,
]
BAD_LINEAR = ["loss=x", "alpha=-1", "alpha=nan", "step=0", "W=1,2", "W=" + ",".join(["inf"] * 9), "points=0,0,7", "k=1"]


@pytest.mark.parametrize(("kind", "text"), [*((KnnState, bad) for bad in BAD), *((LinearState, bad) for bad in BAD_LINEAR)])
def test_an_invalid_state_is_refused_in_one_short_line(kind, text):
    with pytest.raises(InputError) as refusal:
        kind.of_text(text)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_only_the_newest_waiting_value_is_computed():
    called, done = [], []
    latest = Latest(called.append, lambda kind, value: done.append((kind, value)))
    for place in range(50):
        latest.put("drag", place)
    latest.put("look", "here")
    assert len(called) == 1
    assert done == []
    called[0]()
    assert done == [("drag", 49), ("look", "here")]
    latest.put("drag", 50)
    assert len(called) == 2
    called[1]()
    assert done[-1] == ("drag", 50)


def test_values_that_arrive_during_a_computation_are_computed_once_and_last():
    done, called = [], []

    def work(kind, value):
        if value == 0:
            latest.put("drag", 1)
            latest.put("drag", 2)
        done.append(value)

    latest = Latest(called.append, work)
    latest.put("drag", 0)
    called[0]()
    assert done == [0, 2]
    assert len(called) == 1


def test_an_error_leaves_coalescing_usable():
    called, done = [], []

    def work(kind, value):
        if value == "bad":
            raise ValueError(value)
        done.append(value)

    latest = Latest(called.append, work)
    latest.put("drag", "bad")
    with pytest.raises(ValueError, match="bad"):
        called[0]()
    latest.put("drag", "good")
    called[1]()
    assert done == ["good"]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_equals_that_of_the_library(loss):
    controller = LinearController(LinearState(loss=loss, alpha=0.2, step=0.05))
    state = controller.state
    problem = LinearProblem(state.points / 100, state.codes, loss, alpha=0.2, fit_intercept=True, penalize_intercept=False)
    value, gradient = problem.value_and_gradient(state.W)
    before = controller.losses()
    assert before.total == value
    assert before.total == pytest.approx(before.data + before.penalty, rel=1e-12)
    np.testing.assert_array_equal(before.gradient, gradient)
    assert controller.take_step()
    np.testing.assert_array_equal(controller.state.W, state.W - 0.05 * gradient)
    assert controller.losses().total == problem.value_and_gradient(state.W - 0.05 * gradient)[0] < value


def test_the_linear_picture_is_the_highest_score_and_white_at_ties():
    controller = LinearController(LinearState.of_text("classes=2&W=1,0,0,-1,0,0&points=0,0,0;1,1,1"))
    picture = controller.picture()
    assert (picture[:, 150:] == 0).all()
    assert (picture[:, :150] == 1).all()
    controller.zero()
    assert (controller.picture() == 2).all()
    assert any("the whole plane is a tie (white)" in note for note in controller.notes())
    assert controller.lines() == []


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_that_diverges_is_reported_and_not_taken(loss):
    controller = LinearController(LinearState(loss=loss, alpha=1.0, step=10.0))
    taken = [controller.take_step() for _ in range(30)]
    assert taken[0]
    assert not taken[-1]
    assert "far too large" in controller.notes()[0]
    assert np.isfinite(controller.state.W).all()
    losses = controller.losses()
    assert np.isfinite([losses.data, losses.penalty, losses.total]).all()
    assert np.isfinite(losses.gradient).all()


def test_a_class_line_is_where_its_score_is_zero_and_the_arrow_climbs():
    controller = LinearController(LinearState.of_text("classes=5"))
    found = controller.lines()
    assert found
    for c, ends, (start, tip) in found:
        w, b = controller.state.W[c, :2], controller.state.W[c, 2]
        np.testing.assert_allclose(ends @ w + b, 0, atol=1e-12)
        assert np.abs(ends).max() <= 3 + 1e-9
        assert (tip @ w + b) > (start @ w + b) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("text", ["classes=5", "points=0,0,1;0,0,1&loss=softmax", "points=5,5,0", "W=0,0,0,0,0,0,0,0,0"])
def test_linear_states_survive_the_round_trip_through_text_and_have_losses(text):
    state = LinearState.of_text(text)
    assert LinearState.of_text(state.text()).text() == state.text()
    assert np.isfinite(LinearController(state).losses().gradient).all()
