"""The lecture's worked numbers on linear classifiers, through the NumPy functions and through the compiled loop.

Three images, three classes (cat, car, frog), scores by column on the slide, by row here.
"""

import numpy as np
import pytest

from fastcls import LinearProblem, losses, penalties, reference
from fastcls.gradcheck import numerical_gradient
from fastcls.optim import random_search

SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
LABELS = np.array([0, 1, 2])
TEN_CLASS_SCORES = np.array([
    [-3.45, -8.87, 0.09, 2.9, 4.48, 8.02, 3.78, 1.06, -0.36, -0.72],
    [-0.51, 6.04, 5.31, -4.22, -4.19, 3.58, 4.49, -4.37, -2.09, -2.93],
    [3.42, 4.64, 2.65, 5.1, 2.64, 5.55, -4.34, -1.5, -4.79, 6.14],
])  # fmt: skip
TEN_CLASS_LABELS = np.array([3, 1, 6])
PATHS = ("numpy", "plain", "compiled")


def per_sample(path, name, scores, y):
    """Losses of rows of scores, by one of the three ways. Compiled: rows are unit vectors and W^T the scores."""
    scores = np.asarray(scores, dtype=np.float64)
    if path == "numpy":
        return losses.loss_and_gradient(name, scores, y)[0]
    if path == "plain":
        return np.array([reference.SAMPLE_LOSSES[name][0](s, label) for s, label in zip(scores, y, strict=True)])
    problem = LinearProblem(np.eye(len(scores)), y, loss=name, n_classes=scores.shape[1])
    return problem.per_sample(scores.T)


def test_row_13_four_pixels_three_classes():
    x = np.array([[56, 231, 24, 2]], dtype=np.uint8)
    W = np.array([[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]])
    b = np.array([1.1, 3.2, -1.2])
    problem = LinearProblem(x, [0], loss="hinge", fit_intercept=True, n_classes=3)
    with_bias = problem.scores(np.hstack([W, b[:, None]]))[0]
    np.testing.assert_allclose(with_bias, [-96.8, 437.9, 60.75], atol=1e-12)
    without = LinearProblem(x, [0], n_classes=3).scores(W)[0]
    assert without[2] == pytest.approx(61.95)  # the slide's third score forgets b
    np.testing.assert_allclose(with_bias, W @ x[0] + b)


@pytest.mark.parametrize("path", PATHS)
def test_row_16_how_good_is_this_w(path):
    hinge = per_sample(path, "hinge", TEN_CLASS_SCORES, TEN_CLASS_LABELS)
    np.testing.assert_allclose(hinge, [10.58, 0.27, 71.91], atol=1e-9)
    assert hinge.mean() == pytest.approx(27.587, abs=5e-4)
    softmax = per_sample(path, "softmax", TEN_CLASS_SCORES, TEN_CLASS_LABELS)
    np.testing.assert_allclose(softmax, [5.170, 0.577, 11.294], atol=5e-4)
    assert softmax.mean() == pytest.approx(5.681, abs=1e-3)


@pytest.mark.parametrize("path", PATHS)
def test_row_17_multiclass_svm_loss(path):
    found = per_sample(path, "hinge", SCORES, LABELS)
    np.testing.assert_allclose(found, [2.9, 0, 12.9], atol=1e-12)
    assert found.mean() == pytest.approx(5.27, abs=5e-3)


def test_row_17_the_lectures_own_code():
    for row, label, loss in zip(np.eye(3), LABELS, [2.9, 0, 12.9], strict=True):
        assert reference.L_i_vectorized(row, label, SCORES.T) == pytest.approx(loss)


@pytest.mark.parametrize("path", PATHS)
def test_row_17_the_questions(path):
    def car(score):
        return per_sample(path, "hinge", [[1.3, score, 2.0]], [1])[0]

    # Q1: the car's loss stays 0 until its score falls below 3.0.
    assert car(3.0) == 0
    assert car(2.99) == pytest.approx(0.01)
    # Q2: 0 and infinity.
    assert per_sample(path, "hinge", [[1e4, 0, 0]], [0])[0] == 0
    assert per_sample(path, "hinge", [[-1e8, 0, 0]], [0])[0] == pytest.approx(2e8 + 2)
    # Q3: all scores about 0 cost C - 1.
    for n_classes in (3, 10):
        assert per_sample(path, "hinge", np.zeros((1, n_classes)), [0])[0] == n_classes - 1
    found = per_sample(path, "hinge", SCORES, LABELS)
    # Q4: summed over the right class as well, every loss is 1 larger: 6.267, and the gradient is the same.
    assert (found + 1).mean() == pytest.approx(6.267, abs=5e-4)
    # Q5: the mean over the two wrong classes is half of the sum.
    assert (found / 2).mean() == pytest.approx(2.633, abs=5e-4)


def test_row_17_q6_squares():
    margins = np.maximum(0, SCORES - SCORES[np.arange(3), LABELS][:, None] + 1)
    margins[np.arange(3), LABELS] = 0
    squared = (margins**2).sum(axis=1)
    np.testing.assert_allclose(squared, [8.41, 0, 83.25], atol=1e-9)
    assert squared.mean() == pytest.approx(30.553, abs=5e-4)


def test_row_18_a_w_without_loss_is_not_unique():
    problem = LinearProblem(np.eye(3)[[1]], [1], loss="hinge", n_classes=3)
    assert problem.value(SCORES.T) == 0
    assert problem.value(2 * SCORES.T) == 0
    penalized = LinearProblem(np.eye(3)[[1]], [1], loss="hinge", n_classes=3, alpha=0.1)
    assert penalized.value(SCORES.T) < penalized.value(2 * SCORES.T)


def test_row_19_w1_against_w2():
    x = np.ones((1, 4))
    w1, w2 = np.array([[1.0, 0, 0, 0]]), np.full((1, 4), 0.25)
    problem = LinearProblem(x, [0], penalty="l2", alpha=1.0)
    assert problem.scores(w1) == problem.scores(w2) == 1
    assert penalties.PENALTIES["l2"].value(w1) == problem.penalty_value(w1) == 1
    assert penalties.PENALTIES["l2"].value(w2) == problem.penalty_value(w2) == 0.25
    assert problem.value(w2) < problem.value(w1)
    assert np.abs(w1).sum() == np.abs(w2).sum() == 1  # L1 cannot tell them apart


@pytest.mark.parametrize("path", PATHS)
def test_row_20_softmax(path):
    found = per_sample(path, "softmax", SCORES, LABELS)
    np.testing.assert_allclose(found, [2.040, 0.079, 6.156], atol=5e-4)
    assert found.mean() == pytest.approx(2.759, abs=1e-3)
    assert found[0] / np.log(10) == pytest.approx(0.89, abs=5e-3)  # the slide's 0.89 is log10
    assert per_sample(path, "softmax", [[1e4, 0, 0]], [0])[0] == 0
    assert per_sample(path, "softmax", [[-1e4, 0]], [0])[0] == pytest.approx(1e4)
    for n_classes in (3, 10):
        assert per_sample(path, "softmax", np.zeros((1, n_classes)), [0])[0] == pytest.approx(np.log(n_classes))


def test_row_20_exp_and_normalise():
    np.testing.assert_allclose(np.exp(SCORES[0]), [24.5, 164.0, 0.18], rtol=2e-2)
    np.testing.assert_allclose(reference.softmax_probabilities(SCORES[0]), [0.13, 0.87, 0.00], atol=5e-3)


@pytest.mark.parametrize("path", PATHS)
def test_row_21_svm_against_softmax(path):
    scores = np.array([[10.0, -2, 3], [10, 9, 9], [10, -100, -100]])
    y = np.zeros(3, dtype=np.int64)
    np.testing.assert_allclose(per_sample(path, "softmax", scores, y), [0.00092, 0.55144, 0], atol=5e-6)
    np.testing.assert_array_equal(per_sample(path, "hinge", scores, y), [0, 0, 0])
    for step in (0.1, -0.1):
        moved = scores + [[0, step, 0]]
        jiggled = per_sample(path, "hinge", moved, y)
        # [10, 9, 9] sits on the kink: upwards the rival costs 0.1, downwards nothing; the others do not notice.
        np.testing.assert_allclose(jiggled, [0, max(step, 0), 0], atol=1e-12)
        change = per_sample(path, "softmax", moved, y)[:2] - per_sample(path, "softmax", scores, y)[:2]
        assert (np.sign(change) == np.sign(step)).all()


def test_row_22_random_search():
    """Raw pixels, the bias trick, W of deviation 1e-4: losses start near C - 1 = 9 and the best falls slowly."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (300, 3072), dtype=np.uint8), rng.integers(0, 10, 300)
    problem = LinearProblem(X, y, loss="hinge", penalty=None, fit_intercept=True)
    assert problem.shape == (10, 3073)
    seen = []
    found = random_search(problem, tries=130, random_state=0, progress=lambda done, tries: seen.append((done, tries)))
    assert 8.5 < found.values[0] < 11
    assert found.values.std() > 0.05
    np.testing.assert_array_equal(found.best_values, np.minimum.accumulate(found.values))
    assert found.value == pytest.approx(found.best_values[-1], rel=1e-5)  # float32 scores against float64
    assert found.value == problem.value(found.W)
    assert seen[-1] == (130, 130)
    bestW, best, history = reference.random_search(problem.value, 10, 3073, tries=20)
    assert best == min(history) == problem.value(bestW)
    assert 8.5 < history[0] < 11


SLIDE_W = np.array([0.34, -1.11, 0.78, 0.12, 0.55, 2.81, -3.1, -1.5, 0.33])
SLIDE_GRADIENT = np.array([-2.5, 0.6, 0, 0.2, 0.7, -0.5, 1.1, 1.3, -2.1])


def slide_loss(W):
    """A function with the slide's value and slopes at the slide's W."""
    return 1.25347 + float((SLIDE_GRADIENT * (np.asarray(W) - SLIDE_W)).sum())


def test_row_23_forward_difference_of_the_slide():
    for place, printed in ((0, 1.25322), (1, 1.25353), (2, 1.25347)):
        moved = SLIDE_W.copy()
        moved[place] += 1e-4
        assert round(slide_loss(moved), 5) == printed
    assert round((1.25322 - 1.25347) / 0.0001, 6) == -2.5
    for gradient in (
        numerical_gradient(slide_loss, SLIDE_W, h=1e-4, method="forward"),
        reference.forward_difference(slide_loss, SLIDE_W),
    ):
        np.testing.assert_allclose(gradient, SLIDE_GRADIENT, atol=1e-9)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_row_23_the_numerical_gradient_is_the_compiled_one(loss):
    rng = np.random.default_rng(3)
    problem = LinearProblem(rng.normal(size=(30, 6)), rng.integers(0, 4, 30), loss=loss, alpha=0.1)
    W = rng.normal(size=problem.shape)
    analytic = problem.value_and_gradient(W)[1]
    np.testing.assert_allclose(numerical_gradient(problem.value, W, h=1e-6), analytic, atol=1e-7)
    np.testing.assert_allclose(reference.forward_difference(problem.value, W, h=1e-7), analytic, atol=1e-5)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_row_23_slope_is_a_dot_product_and_none_is_steeper_than_the_gradient(loss):
    rng = np.random.default_rng(4)
    problem = LinearProblem(rng.normal(size=(50, 5)), rng.integers(0, 3, 50), loss=loss)
    W = rng.normal(size=problem.shape)
    gradient = problem.value_and_gradient(W)[1]
    steepest = np.linalg.norm(gradient)
    for _ in range(50):
        direction = rng.normal(size=W.shape)
        direction /= np.linalg.norm(direction)
        h = 1e-6
        slope = (problem.value(W + h * direction) - problem.value(W - h * direction)) / (2 * h)
        assert slope == pytest.approx((gradient * direction).sum(), abs=1e-7)
        assert slope >= -steepest


def test_row_25_vanilla_minibatch_descent_falls():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 400)
    problem = LinearProblem(np.eye(3)[y] + 0.1 * rng.normal(size=(400, 3)), y, loss="softmax")
    path = reference.minibatch_gradient_descent(
        lambda W, rows: problem.value_and_gradient(W, rows)[1], np.zeros((3, 3)), 400, step_size=0.5, steps=60
    )
    *_, W = path
    assert problem.value(W) < 0.5 * np.log(3)
