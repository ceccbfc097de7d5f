"""Steps of minibatch gradient descent: the assignment's loop, to the rounding of float64."""

import numpy as np
import pytest

from fastcls import InputError, LinearProblem
from fastcls.optim import SGD, DivergenceError, take_steps

RNG = np.random.default_rng(2)
X = np.hstack([RNG.normal(size=(300, 12)), np.ones((300, 1))])
Y = RNG.integers(0, 4, 300)


def loop(loss, n_steps, batch_size, rate, reg, seed):
    """The assignment's training in NumPy: W (features, classes), its start and its batches from one generator."""
    rng = np.random.RandomState(seed)
    W = 0.001 * rng.randn(X.shape[1], 4)
    start, losses = W.copy(), []
    for _ in range(n_steps):
        rows = rng.choice(len(X), batch_size)
        scores, at, y = X[rows] @ W, np.arange(batch_size), Y[rows]
        if loss == "softmax":
            P = np.exp(scores - scores.max(axis=1, keepdims=True))
            P /= P.sum(axis=1, keepdims=True)
            losses.append(-np.log(P[at, y]).mean() + reg * (W * W).sum())
            P[at, y] -= 1
        else:
            margins = np.maximum(0.0, scores - scores[at, y][:, None] + 1)
            margins[at, y] = 0
            losses.append(margins.sum() / batch_size + reg * (W * W).sum())
            P = (margins > 0).astype(float)
            P[at, y] = -P.sum(axis=1)
        W = W - rate * (X[rows].T @ P / batch_size + 2 * reg * W)
    return start, W, losses


@pytest.mark.parametrize("loss", ["hinge", "softmax"])
def test_the_assignments_training_gives_its_own_weights(loss):
    n_steps, batch_size, rate, reg, seed = 1500, 200, 1e-2, 0.05, 231
    start, wanted, losses = loop(loss, n_steps, batch_size, rate, reg, seed)
    rng = np.random.RandomState(seed)
    W = (0.001 * rng.randn(X.shape[1], 4)).T
    assert (W == start.T).all()
    problem = LinearProblem(X, Y, loss=loss, alpha=reg)
    found = take_steps(problem, W, rate, n_steps=n_steps, batch_size=batch_size, random_state=rng)
    assert np.abs(found.W - wanted.T).max() < 1e-14
    np.testing.assert_allclose(found.loss_history, losses, rtol=1e-12)
    assert (found.n_iter, found.learning_rate, found.stopped_by) == (n_steps, rate, "max_iter")
    assert (W == start.T).all()


def test_given_batches_and_rates_are_those_of_every_step():
    problem, W = LinearProblem(X, Y, alpha=0.1), np.zeros((4, 13))
    batches, rates = RNG.integers(0, 300, (7, 5)), np.linspace(0.1, 0.4, 7)
    found = take_steps(problem, W, rates, batches=batches)
    for rows, rate, loss in zip(batches, rates, found.loss_history, strict=True):
        value, gradient = problem.value_and_gradient(W, rows)
        assert loss == pytest.approx(value, rel=1e-12)
        W = W - rate * gradient
    np.testing.assert_allclose(found.W, W, rtol=1e-12, atol=1e-14)


def test_rows_of_a_problem_are_numbered_by_the_problem():
    rows = np.arange(299, 99, -1)
    part = take_steps(LinearProblem(X, Y, rows=rows), np.zeros((4, 13)), 0.1, batches=np.arange(200).reshape(20, 10))
    whole = take_steps(LinearProblem(X[rows], Y[rows]), np.zeros((4, 13)), 0.1, batches=np.arange(200).reshape(20, 10))
    assert (part.W == whole.W).all()


def test_one_epoch_in_order_with_momentum_is_that_of_gradient_descent():
    problem = LinearProblem(X, Y, alpha=0.1)
    every = np.tile(np.arange(300), (9, 1))
    found = take_steps(problem, np.zeros((4, 13)), 0.1, batches=every, momentum=0.9)
    W, velocity = np.zeros((4, 13)), np.zeros((4, 13))
    for _ in range(9):
        velocity = 0.9 * velocity - 0.1 * problem.value_and_gradient(W)[1]
        W = W + velocity
    np.testing.assert_allclose(found.W, W, rtol=1e-11, atol=1e-14)


def test_bytes_are_taken_as_they_are():
    pixels = RNG.integers(0, 256, (300, 12)).astype(np.uint8)
    mean = pixels.mean(axis=0)
    options = {"learning_rate": 1e-5, "n_steps": 50, "batch_size": 20, "random_state": 0}
    folded = LinearProblem(pixels, Y, center=mean, arithmetic="float64")
    found = take_steps(folded, np.zeros((4, 12)), **options)
    wanted = take_steps(LinearProblem(pixels - mean, Y), np.zeros((4, 12)), **options)
    np.testing.assert_allclose(found.W, wanted.W, rtol=1e-8, atol=1e-14)


def test_a_rate_that_is_too_large_names_the_step():
    with pytest.raises(DivergenceError, match=r"step \d+: learning_rate=1e\+06 is too large"):
        take_steps(LinearProblem(1e3 * X, Y, alpha=1.0), np.zeros((4, 13)), 1e6, n_steps=200)


PROBLEM, W0 = LinearProblem(X, Y), np.zeros((4, 13))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: take_steps(SGD(), W0, 0.1, n_steps=1), r"problem is a SGD; wanted a LinearProblem"),
        (lambda: take_steps(PROBLEM, W0.T, 0.1, n_steps=1), r"shape"),
        (lambda: take_steps(PROBLEM, W0, 0.1), r"neither of n_steps and batches given; give one of them"),
        (lambda: take_steps(PROBLEM, W0, 0.1, n_steps=1, batches=[[1]]), r"both of n_steps and batches given"),
        (lambda: take_steps(PROBLEM, W0, 0.1, n_steps=0), r"n_steps=0; wanted a whole number of at least 1"),
        (lambda: take_steps(PROBLEM, W0, 0.1, n_steps=1, batch_size=0), r"batch_size=0; wanted a whole number"),
        (lambda: take_steps(PROBLEM, W0, 0.1, batches=[[300]]), r"row numbers from 300 to 300; wanted 0 to 299"),
        (
            lambda: take_steps(PROBLEM, W0, 0.1, batches=[1, 2]),
            r"batches has shape \(2,\) and type int64; wanted whole numbers",
        ),
        (lambda: take_steps(PROBLEM, W0, 0.1, batches=[[0.5]]), r"type float64; wanted whole numbers"),
        (lambda: take_steps(PROBLEM, W0, 0, n_steps=1), r"learning_rate=0; wanted a finite number above 0"),
        (lambda: take_steps(PROBLEM, W0, [0.1], n_steps=2), r"learning_rate has shape \(1,\); wanted a number above 0"),
        (lambda: take_steps(PROBLEM, W0, 0.1, n_steps=1, momentum=1), r"momentum=1; wanted a number from 0"),
        (
            lambda: take_steps(LinearProblem(X, Y, sample_weight=np.arange(300.0)), W0, 0.1, n_steps=1),
            r"rows of weight 0, which no batch may hold: use problem.counted\(\)",
        ),
    ],
)
def test_wrong_calls_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
