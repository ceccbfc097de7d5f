"""`course.train` is the assignment's training loop: the weights of a plain NumPy loop, to the rounding of float64."""

import numpy as np
import pytest

from fastcls import InputError, course
from fastcls.optim import DivergenceError

PIXELS = np.random.RandomState(4).randint(0, 256, (900, 24)).astype(np.uint8)
Y = np.random.RandomState(5).randint(0, 5, 900)
MEAN = PIXELS.mean(axis=0)
PREPARED = np.hstack([PIXELS - MEAN, np.ones((900, 1))])


def plain_training(rng, loss, rate, reg, num_iters, batch_size, half=1.0):
    """The assignment's loop; rng is what NumPy's global generator is in a notebook."""
    W = 0.001 * rng.randn(PREPARED.shape[1], 5)
    history = []
    for _ in range(num_iters):
        rows = rng.choice(len(PREPARED), batch_size)
        X, y, at = PREPARED[rows], Y[rows], np.arange(batch_size)
        scores = X.dot(W)
        if loss == "softmax":
            slopes = np.exp(scores - scores.max(axis=1, keepdims=True))
            slopes /= slopes.sum(axis=1, keepdims=True)
            value = -np.log(slopes[at, y]).mean()
            slopes[at, y] -= 1
        else:
            margins = np.maximum(0.0, scores - scores[at, y][:, None] + 1)
            margins[at, y] = 0
            value = margins.sum() / batch_size
            slopes = (margins > 0).astype(float)
            slopes[at, y] = -slopes.sum(axis=1)
        history.append(value + half * reg * np.sum(W * W))
        W -= rate * (X.T.dot(slopes) / batch_size + 2 * half * reg * W)
    return W, history


@pytest.mark.parametrize("loss", ["svm", "softmax"])
def test_weights_of_1500_batches_of_200(loss):
    settings = {"learning_rate": 2e-6, "reg": 1e3, "num_iters": 1500, "batch_size": 200}
    rng = np.random.RandomState(231)
    wanted, history = plain_training(rng, loss, 2e-6, 1e3, 1500, 200)
    found = course.train(PREPARED, Y, loss, **settings, random_state=231)
    assert found.W.shape == (25, 5)
    assert np.abs(found.W - wanted).max() < 1e-14
    np.testing.assert_allclose(found.loss_history, history, rtol=1e-12)
    bytes_stay = course.train(PIXELS, Y, loss, **settings, mean_image=MEAN, random_state=231)
    assert np.abs(bytes_stay.W - wanted).max() < 1e-14
    assert np.abs(wanted).max() > 1e-4  # the bounds are for weights that are not all 0
    named = (PREPARED @ wanted).argmax(axis=1)
    assert (found.predict(PREPARED) == named).all()
    assert (bytes_stay.predict(PIXELS) == named).all()


def test_one_generator_serves_several_trainings_as_in_a_notebook():
    rng = np.random.RandomState(7)
    wanted = [plain_training(rng, "softmax", rate, 10.0, 30, 20)[0] for rate in (1e-6, 1e-5)]
    rng = np.random.RandomState(7)
    for rate, W in zip((1e-6, 1e-5), wanted, strict=True):
        found = course.train(
            PREPARED, Y, "softmax", learning_rate=rate, reg=10.0, num_iters=30, batch_size=20, random_state=rng
        )
        assert np.abs(found.W - W).max() < 1e-14


def test_the_penalty_was_half_until_2016():
    options = {"learning_rate": 1e-5, "reg": 100.0, "num_iters": 20, "batch_size": 20, "random_state": 3}
    rng = np.random.RandomState(3)
    half, _ = plain_training(rng, "svm", 1e-5, 100.0, 20, 20, half=0.5)
    old, new = (course.train(PREPARED, Y, **options, year=year).W for year in (2016, 2017))
    assert np.abs(old - half).max() < 1e-14 < np.abs(new - half).max()


def test_defaults_are_those_of_the_assignment():
    rng = np.random.RandomState(0)
    wanted, _ = plain_training(rng, "svm", 1e-3, 1e-5, 100, 200)
    found = course.train(PREPARED, Y, random_state=0)
    assert np.abs(found.W - wanted).max() < 1e-13 * np.abs(wanted).max()


def test_columns_are_the_largest_label_and_one_more_or_as_many_as_wanted():
    assert course.train(PREPARED, np.minimum(Y, 3), num_iters=1).W.shape == (25, 4)
    assert course.train(PREPARED, Y, num_iters=1, n_classes=8).W.shape == (25, 8)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: course.train(PREPARED, Y, "hinge"), "loss='hinge'"),
        (lambda: course.train(PREPARED, Y, reg=-1), "reg=-1"),
        (lambda: course.train(PREPARED, Y, num_iters=0), "num_iters=0; wanted"),
        (
            lambda: course.train(PIXELS, Y, mean_image=MEAN[:3]),
            r"mean_image has shape \(3,\); wanted one number for each of 24",
        ),
        (lambda: course.train(PREPARED, Y[:5]), "900"),
        (lambda: course.train(PREPARED, Y, year="x"), "year"),
        (
            lambda: course.train(PREPARED, Y, num_iters=1).predict(PIXELS),
            "X has 24 features; wanted those of the training rows, 25",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(InputError, match=text):
        call()


def test_a_rate_that_is_too_large():
    with pytest.raises(DivergenceError, match="too large"):
        course.train(PREPARED, Y, learning_rate=1.0, reg=1e3, num_iters=300)
