"""The demos' numbers, computed by the compiled core, are those of the estimators; states survive the round trip as text."""

import shlex

import numpy as np
import pytest
from _demo_states import BAD, BAD_LINEAR

from fastcls import KNeighborsClassifier, LinearProblem
from fastcls._scoring.votes import weights_of
from fastcls._validation.errors import InputError
from fastcls.demo import _knn, _linear
from fastcls.demo._knn import WEIGHTS, KnnState
from fastcls.demo._linear import LOSSES, LinearState
from fastcls.demo._plane import pixel_centres


def crowd(n, classes, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(-300, 301, (n, 2)).astype(float), rng.integers(0, classes, n)


def model_of(state, metric):
    """The public estimator on whole hundredths, where all distances are exact; weights use distances in units."""
    rule = state.weights
    if rule != "uniform":
        rule = lambda d: weights_of(d / 100, state.weights, _knn.TEMPERATURE, metric)  # noqa: E731
    return KNeighborsClassifier(min(state.k, len(state.points)), metric=metric, weights=rule).fit(state.points, state.codes)


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_picture_equals_that_of_the_estimator(metric, weights):
    points, codes = crowd(50, 4, 0)
    state = KnnState(metric=metric, k=4, classes=4, weights=weights, points=points, codes=codes)
    model, pixels = model_of(state, metric), pixel_centres()
    expected = np.where(model.predict_ties(pixels), 4, model.predict(pixels)).reshape(300, 300)
    np.testing.assert_array_equal(_knn.picture(state, metric), expected)
    if weights == "uniform":
        assert {4} < set(expected.ravel())  # with ties, and not only ties


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("k", [1, 6])
def test_the_picture_after_a_move_equals_a_new_one_and_computes_few_pixels(metric, k, weights):
    points, codes = crowd(200, 3, 1)
    state = KnnState(metric=metric, k=k, weights=weights, points=points, codes=codes)
    regions = _knn.Regions(metric)
    regions.picture(state)
    assert regions.n_computed == 90_000
    rng = np.random.default_rng(2)
    for _ in range(12):
        points = points.copy()
        place = int(rng.integers(200))
        points[place] = np.clip(points[place] + rng.integers(-60, 61, 2), -300, 300)
        state = KnnState(**{**vars(state), "points": points})
        moved = regions.picture(state)
        assert regions.n_computed < 30_000
        np.testing.assert_array_equal(moved, _knn.picture(state, metric))


def test_the_next_picture_follows_every_change_of_the_state():
    points, codes = crowd(60, 3, 1)
    regions, state = _knn.Regions("l2"), KnnState(k=3, points=points, codes=codes)
    other = crowd(60, 3, 2)
    for change in (
        {},
        {"k": 7},
        {"weights": "distance"},
        {"points": points[:40], "codes": codes[:40]},
        {"points": points, "codes": codes},
        {"codes": other[1]},
        {"classes": 5},
        {"points": other[0]},
    ):
        state = KnnState(**{**vars(state), **change})
        np.testing.assert_array_equal(regions.picture(state), _knn.picture(state, "l2"))


def test_two_points_of_two_classes_tie_everywhere_with_two_votes():
    state = KnnState.of_text("preset=tie&k=2&points=-100,0,0;100,0,1")
    for metric in ("l1", "l2"):
        assert (_knn.picture(state, metric) == 2).all()
        assert _knn.vote_at(state, metric, 10, 20).tied


def test_vote_agrees_with_the_picture():
    points, codes = crowd(60, 3, 1)
    state = KnnState(k=4, points=points, codes=codes)
    picture = _knn.picture(state, "l1")
    at = pixel_centres().reshape(300, 300, 2)
    for row, column in np.random.default_rng(0).integers(0, 300, (40, 2)):
        vote = _knn.vote_at(state, "l1", *at[row, column])
        assert (state.classes if vote.tied else vote.winner) == picture[row, column]
        assert len(vote.neighbors) == 4 == vote.totals.sum()


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("n", [60, 4])
def test_accuracies_are_the_estimators_leave_one_out(metric, n):
    points, codes = crowd(n, 3, 2)
    shares = _knn.accuracies(KnnState(points=points, codes=codes), metric)
    assert len(shares) == min(15, n - 1)
    for k, share in enumerate(shares, 1):
        model = KNeighborsClassifier(k, metric=metric).fit(points, codes)
        assert share == (model.predict() == codes).mean()


@pytest.mark.parametrize(
    "text", ["k=15&points=0,0,0;10,10,1;20,0,2", "points=7,7,1", "weights=distance&points=1,1,0;1,1,1&k=2"]
)
def test_unusual_states_have_pictures(text):
    state = KnnState.of_text(text)
    for metric in ("l1", "l2"):
        assert _knn.picture(state, metric).max() <= state.classes
        assert np.isfinite(_knn.accuracies(state, metric)).all()
        assert np.isfinite(_knn.vote_at(state, metric, 3, 3).totals).all()


@pytest.mark.parametrize("kind", [KnnState, LinearState])
def test_a_state_without_points_leaves_them_to_the_page(kind):
    state = kind.of_text("preset=ring&seed=3")
    assert state.points is None
    assert (state.classes, state.seed) == (2, 3)
    assert kind.of_text(state.text()).text() == state.text()
    assert "points=" not in state.text()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (KnnState, "metric=both&k=3&points=0,-300,0;7,8,2&weights=softmax"),
        (LinearState, "points=0,0,1;0,0,1&loss=softmax"),
        (LinearState, "W=0,0,0,0.1,-1e-7,4,0,3e3,-0.0&classes=3"),
    ],
)
def test_states_survive_the_round_trip_through_text_which_is_one_word_of_a_shell(kind, text):
    state = kind.of_text(text)
    again = kind.of_text(state.text())
    assert again.text() == state.text()
    for name in ("points", "codes", "W"):
        np.testing.assert_array_equal(getattr(again, name, None), getattr(state, name, None))
    assert shlex.split(f"'{state.text()}'") == [state.text()]


@pytest.mark.parametrize(("kind", "text"), [*((KnnState, bad) for bad in BAD), *((LinearState, bad) for bad in BAD_LINEAR)])
def test_an_invalid_state_is_refused_in_one_short_line(kind, text):
    with pytest.raises(InputError) as refusal:
        kind.of_text(text)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def linear_state(loss, seed=0, **values):
    rng = np.random.default_rng(seed)
    points, codes = crowd(12, 3, seed)
    return LinearState(loss=loss, points=points, codes=codes, W=rng.normal(0, 1, (3, 3)), **values)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_those_of_the_library(loss):
    state = linear_state(loss, alpha=0.2)
    problem = LinearProblem(state.points / 100, state.codes, loss, alpha=0.2, fit_intercept=True, penalize_intercept=False)
    value, gradient = problem.value_and_gradient(state.W)
    found = _linear.losses(state)
    assert found.total == value
    assert found.total == pytest.approx(found.data + found.penalty, rel=1e-12)
    np.testing.assert_array_equal(found.gradient, gradient)
    assert _linear.losses(LinearState(**{**vars(state), "W": state.W - 0.01 * gradient})).total < value


def test_the_linear_picture_is_the_highest_score_and_white_at_ties():
    state = LinearState.of_text("classes=2&W=1,0,0,-1,0,0&points=0,0,0;1,1,1")
    picture = _linear.picture(state)
    assert (picture[:, 150:] == 0).all()
    assert (picture[:, :150] == 1).all()
    assert (_linear.picture(LinearState(**{**vars(state), "W": np.zeros((2, 3))})) == 2).all()
