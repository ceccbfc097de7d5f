"""The lecture's worked numbers on linear classifiers, through the NumPy functions and through the compiled loop.

Three images, three classes (cat, car, frog), scores by column on the slide, by row here.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from fastcls import LinearProblem, datasets, losses, optim, penalties, reference
from fastcls.gradcheck import numerical_gradient
from fastcls.optim import random_search

SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
LABELS = np.array([0, 1, 2])
TEN_CLASS_SCORES = np.array(
    [
        [-3.45, -8.87, 0.09, 2.9, 4.48, 8.02, 3.78, 1.06, -0.36, -0.72],
        [-0.51, 6.04, 5.31, -4.22, -4.19, 3.58, 4.49, -4.37, -2.09, -2.93],
        [3.42, 4.64, 2.65, 5.1, 2.64, 5.55, -4.34, -1.5, -4.79, 6.14],
    ]
)
TEN_CLASS_LABELS = np.array([3, 1, 6])
PATHS = ("numpy", "plain", "compiled")


def per_sample(path, name, scores, y, **options):
    """Losses of rows of scores, by one of the three ways. Compiled: rows are unit vectors and W^T the scores."""
    scores = np.asarray(scores, dtype=np.float64)
    if path == "numpy":
        return losses.loss_and_gradient(name, scores, y, **options)[0]
    if path == "plain":
        return np.array([reference.SAMPLE_LOSSES[name][0](s, label) for s, label in zip(scores, y, strict=True)])
    problem = LinearProblem(np.eye(len(scores)), y, loss=name, n_classes=scores.shape[1], **options)
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
    assert found.mean() == pytest.approx(5.267, abs=5e-4)


def test_row_17_q4_and_q5():
    plain, slopes = losses.loss_and_gradient("hinge", SCORES, LABELS)
    for path in ("numpy", "compiled"):
        # Q4: summed over the right class as well, every loss is 1 larger, and the gradient is the same.
        counted = per_sample(path, "hinge", SCORES, LABELS, include_correct=True)
        np.testing.assert_allclose(counted, plain + 1, atol=1e-12)
        assert counted.mean() == pytest.approx(6.267, abs=5e-4)
        # Q5: the mean over the two wrong classes is half of the sum.
        mean = per_sample(path, "hinge", SCORES, LABELS, class_reduction="mean")
        assert mean.mean() == pytest.approx(2.633, abs=5e-4)
    np.testing.assert_array_equal(losses.loss_and_gradient("hinge", SCORES, LABELS, include_correct=True)[1], slopes)


@pytest.mark.parametrize("path", PATHS)
def test_row_17_q6_squares(path):
    squared = per_sample(path, "squared_hinge", SCORES, LABELS)
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
    assert penalties.PENALTIES["l1"].value(w1) == penalties.PENALTIES["l1"].value(w2) == 1  # L1 cannot tell them apart
    ties = LinearProblem(x, [0], penalty="l1", alpha=1.0)
    assert ties.value(w1) == ties.value(w2)
    # Elastic net, beta |W|^2 + |W| of the slide: beta = (1 - l1_ratio) / l1_ratio, here 3.
    net = penalties.PENALTIES["elasticnet"]
    assert net.value(w1, 0.25) / 0.25 == 3 * 1 + 1
    assert net.value(w2, 0.25) / 0.25 == 3 * 0.25 + 1


def test_row_19_l2_is_a_gaussian_prior():
    """MAP with W ~ N(0, v): -log posterior = sum L_i + sum W^2 / (2 v), so alpha = 1 / (2 n v) and v = 1 / (2 n alpha)."""
    rng = np.random.default_rng(6)
    n, alpha = 40, 0.05
    problem = LinearProblem(rng.normal(size=(n, 3)), rng.integers(0, 3, n), loss="softmax", penalty="l2", alpha=alpha)
    variance = 1 / (2 * n * alpha)

    def minus_log_posterior(W):
        return problem.per_sample(W).sum() + (W * W).sum() / (2 * variance)

    for W in rng.normal(size=(5, 3, 3)):
        assert n * problem.value(W) == pytest.approx(minus_log_posterior(W), rel=1e-12)
    W = optim.LBFGS(500, 1e-9).minimize(problem, np.zeros((3, 3))).W
    assert np.abs(numerical_gradient(minus_log_posterior, W)).max() < 1e-5


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
    """Bytes, the bias trick, W of deviation 1e-4: losses start near C - 1 = 9 and the best falls slowly."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (300, 3072), dtype=np.uint8), rng.integers(0, 10, 300)
    problem = LinearProblem(X, y, loss="hinge", penalty=None, fit_intercept=True)
    assert problem.shape == (10, 3073)
    seen = []
    found = random_search(
        problem, max_iter=130, random_state=0, progress=lambda done, max_iter: seen.append((done, max_iter))
    )
    assert 8.5 < found.values[0] < 11
    assert found.values.std() > 0.05
    np.testing.assert_array_equal(found.best_values, np.minimum.accumulate(found.values))
    assert found.value == pytest.approx(found.best_values[-1], rel=1e-5)  # float32 scores against float64
    assert found.value == problem.value(found.W)
    assert seen[-1] == (130, 130)
    bestW, best, history = reference.random_search(problem.value, 10, 3073, max_iter=20, random_state=0)
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
        lambda W, rows: problem.value_and_gradient(W, rows)[1], np.zeros((3, 3)), 400, 0.5, steps=60, random_state=0
    )
    *_, W = path
    assert problem.value(W) < 0.5 * np.log(3)


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def cifar10():
    """Raw pixels of the JPEG copy: (X, y, X_test, y_test)."""
    archive = SHARED / "cifar10_jpeg.tar.xz"
    folder = next((path for path in CIFAR_FOLDERS if path.is_dir()), None)
    if folder is None:
        pytest.skip(f"CIFAR-10 as binary files not found (make_cifar10.py makes it of {archive.name}): set FASTCLS_CIFAR10")
    data = datasets.load(folder)
    return data.X, data.y, data.X_test, data.y_test


CIFAR_FOLDERS = [Path(os.environ["FASTCLS_CIFAR10"])] if "FASTCLS_CIFAR10" in os.environ else []


SLIDE_LOSSES = (9.401632, 8.959668, 9.044834, 9.278948, 8.857370, 8.943151, 8.605604)


def test_row_22_the_slide_had_its_pixels_centred(cifar10):
    """Its seven losses lie around C - 1 = 9. W of deviation 1e-4 gives that where the mean image was taken off, not on raw
    pixels: those have scores twice as far apart, and half of that counts."""
    X, y, _, _ = cifar10
    problems = (LinearProblem(X, y, "hinge", None, fit_intercept=True, center=mean) for mean in (None, X.mean(axis=0)))
    raw, centred = (optim.RandomSearch(100, random_state=0).minimize(problem).values for problem in problems)
    assert np.mean(centred) == pytest.approx(np.mean(SLIDE_LOSSES), abs=3 * np.std(centred) / np.sqrt(7))
    assert np.mean(raw) > np.mean(SLIDE_LOSSES) + 4 * np.std(raw) / np.sqrt(7)


def test_row_22_random_search_on_cifar10(cifar10):
    """Mean and deviation over 20 seeds, each the best of 1,000 W of deviation 1e-4, the mean image taken off: the slide's
    one run has 15.5 %."""
    X, y, X_test, y_test = cifar10
    center = X.mean(axis=0)
    problem = LinearProblem(X, y, "hinge", None, fit_intercept=True, center=center)
    test = LinearProblem(X_test, y_test, "hinge", None, fit_intercept=True, center=center)
    accuracies, firsts = [], []
    for seed in range(20):
        found = optim.RandomSearch(1000, random_state=seed).minimize(problem)
        accuracies.append(float((test.scores(found.W).argmax(axis=1) == y_test).mean()))
        firsts.append(found.values[0])
        assert (np.diff(found.best_values) <= 0).all()
    assert 8.8 < np.mean(firsts) < 9.3  # near C - 1
    assert 0.14 < np.mean(accuracies) < 0.16
    assert 0.005 < np.std(accuracies) < 0.02


def test_row_23_numerical_is_slow():
    """W of CIFAR-10 with the bias trick has 30,730 entries: so many evaluations more, against one analytic gradient."""
    rng = np.random.default_rng(7)
    problem = LinearProblem(
        rng.integers(0, 256, (64, 3072), dtype=np.uint8), rng.integers(0, 10, 64), "softmax", None, fit_intercept=True
    )
    W = rng.normal(size=problem.shape) * 1e-4
    assert W.size == 30_730
    analytic = problem.value_and_gradient(W)[1]  # one pass over the rows
    for c, j in zip(rng.integers(0, 10, 50), rng.integers(0, 3073, 50), strict=True):
        moved = W.copy()
        moved[c, j] += 1e-5 / 255
        ahead, moved[c, j] = problem.value(moved), W[c, j] - 1e-5 / 255
        slope = (ahead - problem.value(moved)) / (2e-5 / 255)
        assert slope == pytest.approx(analytic[c, j], abs=1e-3 * np.abs(analytic).max())
    passes = []
    few = LinearProblem(rng.integers(0, 256, (64, 9), dtype=np.uint8), problem.y, "softmax", None)
    numerical_gradient(lambda V: passes.append(1) or few.value(V), np.zeros(few.shape))
    assert len(passes) == 1 + 2 * 10 * 9  # two passes an entry, and one for the forward difference


def test_row_25_gradient_error_and_time_against_batch_size():
    """The error of a minibatch's gradient falls as one over the root of its size; the work grows with it."""
    rng = np.random.default_rng(8)
    y = rng.integers(0, 5, 20_000)
    X = rng.normal(size=(20_000, 40)) + np.eye(5, 40)[y]
    problem = LinearProblem(X, y, "softmax", None)
    W = rng.normal(size=problem.shape) / 10
    full = problem.value_and_gradient(W)[1]
    errors = []
    for size in (32, 64, 128, 256):
        batches = [rng.choice(20_000, size, replace=False) for _ in range(200)]
        errors.append(np.sqrt(np.mean([((problem.value_and_gradient(W, rows)[1] - full) ** 2).sum() for rows in batches])))
    np.testing.assert_allclose(errors[:-1] / np.array(errors[1:]), np.sqrt(2), rtol=0.1)
