"""The gradient check of any function that returns a value and a gradient, and its comparison with a closed form."""

import numpy as np
import pytest

from fastcls import InputError, LinearProblem
from fastcls.gradcheck import check_gradient

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(15, 6)), np.arange(15) % 4
W = RNG.normal(size=(6, 4))
PROBLEM = LinearProblem(X, Y, loss="hinge", penalty="l2", alpha=0.3)


def hinge(margin=1.0, counted=False, n=15, strength=2.0):
    """A learner's loss and gradient, of W (features, classes)."""

    def loss(W):
        scores = X @ W
        margins = np.maximum(0.0, scores - scores[np.arange(15), Y][:, None] + margin)
        if not counted:
            margins[np.arange(15), Y] = 0.0
        mask = (margins > 0).astype(float)
        mask[np.arange(15), Y] = 0.0
        mask[np.arange(15), Y] = -mask.sum(axis=1)
        return margins.sum() / n + 0.3 * (W * W).sum(), X.T @ mask / n + strength * 0.3 * W

    return loss


def test_a_right_function_passes_both_comparisons():
    report = check_gradient(hinge(), W, against=PROBLEM)
    assert report.n_checked == W.size
    assert report.max_relative_error < 1e-6
    assert report.closed_form.value_error < 1e-12
    assert report.closed_form.gradient_error < 1e-12
    assert "closed form: value" in str(report)
    assert report.loss == "loss"


@pytest.mark.parametrize("wrong", [{"margin": 0.0}, {"counted": True}, {"n": 1}])
def test_what_is_wrong_alike_passes_numerically_and_fails_the_closed_form(wrong):
    report = check_gradient(hinge(**wrong), W, against=PROBLEM)
    assert report.max_relative_error < 1e-6
    assert report.closed_form.value_error > 1e-2


def test_a_wrong_gradient_is_caught_without_a_closed_form():
    report = check_gradient(hinge(strength=1.0), W)
    assert report.closed_form is None
    assert report.max_relative_error > 1e-2
    assert report.n_kinks < W.size / 2


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 2)])
def test_arrays_of_any_shape_are_taken(shape):
    at = np.random.default_rng(0).normal(size=shape)
    report = check_gradient(lambda x: (np.sin(x).sum(), np.cos(x)), at)
    assert report.n_checked == at.size
    assert report.coordinates.shape == (at.size, at.ndim)
    assert report.max_relative_error < 1e-6
    str(report)


def test_directions_and_some_coordinates():
    way = np.random.default_rng(0).normal(size=W.shape)
    for loss, right in ((hinge(), True), (hinge(strength=1.0), False)):
        report = check_gradient(loss, W, way)
        assert report.n_checked == 1
        assert (report.max_relative_error < 1e-6) == right
        assert check_gradient(loss, W, n_coordinates=7, random_state=0).n_checked == 7


@pytest.mark.parametrize("at", [0.0, 0.1, 0.25, 0.3, 1 / 3, 0.4, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("side", [1, -1])
def test_kinks_within_the_step_are_recognised_wherever_they_are(at, side):
    kink = side * at * 1e-5
    report = check_gradient(
        lambda x: (abs(x[0] - kink) + x[1] ** 2, np.array([1.0 if x[0] > kink else -1.0, 2 * x[1]])), np.array([0.0, 0.5])
    )
    assert report.is_kink.tolist() == [True, False]


def test_curvature_is_no_kink():
    report = check_gradient(lambda x: (np.exp(3 * x).sum(), np.exp(3 * x)), np.array([0.1, 0.5, 1.0]))
    assert not report.is_kink.any()
    assert report.max_relative_error > 0.5


def test_the_function_cannot_change_w():
    def greedy(V):
        V += 1.0
        return 0.0, 0.0 * V

    before = W.copy()
    check_gradient(greedy, W)
    assert (before == W).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: check_gradient(3, W), r"problem is an int; wanted a LinearProblem, or a function of W"),
        (lambda: check_gradient(lambda W: 1.0, W), r"f\(W\) returned a float; wanted a value and a gradient"),
        (lambda: check_gradient(lambda W: (1, 2, 3), W), r"returned 3 values; wanted a value and a gradient"),
        (lambda: check_gradient(lambda W: (W, W), W), r"returned an array of shape \(6, 4\) as its value"),
        (lambda: check_gradient(lambda W: ("a", W), W), r"returned 'a' as its value; wanted one number"),
        (lambda: check_gradient(lambda W: (1.0, W.T), W), r"a gradient of shape \(4, 6\); wanted that of W, \(6, 4\)"),
        (
            lambda: check_gradient(lambda W: (0.0, W), W[:5], against=PROBLEM),
            r"W has shape \(5, 4\); wanted that of the problem",
        ),
        (lambda: check_gradient(hinge(), W, against="hinge"), r"against is a str; wanted a LinearProblem"),
        (lambda: check_gradient(hinge(), W * np.nan), r"W is empty or contains NaN"),
        (lambda: check_gradient(hinge(), W, h=0), r"h=0; wanted a finite number above 0"),
        (lambda: check_gradient(PROBLEM, W.T, h=1e-5), r"h= is for functions"),
        (lambda: check_gradient(hinge(), W, W.T), r"direction has shape \(4, 6\); wanted shape \(6, 4\)"),
    ],
)
def test_wrong_calls_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
