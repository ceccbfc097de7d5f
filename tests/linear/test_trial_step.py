"""The step that L-BFGS tries first: where the loss of a sample of rows is least."""

import numpy as np
import pytest

from fastcls import LinearProblem
from fastcls._gradient.packed import softmax_along
from fastcls._runtime import threads
from fastcls.optim import LBFGS, _lbfgs, _trial_step
from fastcls.optim._trial_step import TrialStep, trial_step_of

N, D, C = 5000, 12, 5


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, N)
    X = rng.normal(size=(N, D)) * np.geomspace(0.3, 8, D)
    X[np.arange(N), y] += 2
    return LinearProblem(X.astype("f4"), y, alpha=1e-3, fit_intercept=True, penalize_intercept=False)


@pytest.fixture
def always(monkeypatch):
    """A sample however small the work is."""
    monkeypatch.setattr(_trial_step, "_LEAST_WORK", 0)


@pytest.mark.parametrize("n_classes", [1, 2, 5, 64])
@pytest.mark.parametrize("t", [0.0, 1.5])
def test_derivatives_along_a_line_are_those_of_the_loss(n_classes, t):
    rng = np.random.default_rng(n_classes)
    scores, along = (rng.normal(size=(7, n_classes)).astype("f4") * 3 for _ in range(2))
    y = rng.integers(0, n_classes, 7)

    def losses(t):
        s = scores.astype("f8") + t * along.astype("f8")
        return np.log(np.exp(s - s.max(axis=1, keepdims=True)).sum(axis=1)) + s.max(axis=1) - s[np.arange(7), y]

    h, found = 1e-4, {}
    for n_threads in (1, 3):
        found[n_threads] = np.empty((7, 2))
        softmax_along(scores, along, y, t, np.empty((n_threads, n_classes)), found[n_threads], n_threads)
    assert found[1].tobytes() == found[3].tobytes()
    np.testing.assert_allclose(found[1][:, 0], (losses(t + h) - losses(t - h)) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(found[1][:, 1], (losses(t + h) - 2 * losses(t) + losses(t - h)) / h**2, atol=1e-5)


def test_a_label_that_is_no_class_has_no_derivatives_and_other_shapes_are_refused():
    scores, out = np.zeros((2, 3), "f4"), np.zeros((2, 2))
    softmax_along(scores, scores, np.array([0, 3]), 1.0, np.empty((1, 3)), out, 1)
    assert np.isfinite(out[0]).all()
    assert np.isnan(out[1]).all()
    for scratch, to in ((np.empty((0, 3)), out), (np.empty((1, 2)), out), (np.empty((1, 3)), out[:1])):
        with pytest.raises(ValueError, match="other shapes"):
            softmax_along(scores, scores, np.array([0, 0]), 1.0, scratch, to, 1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("usual", "alpha"), [(0.4, 1e-3), (1.0, 1e-3), (1.7, 1e-3), (1.7, 0.5)])
def test_the_step_is_near_the_minimum_of_all_rows(problem, always, seed, usual, alpha):
    rng, problem.l2 = np.random.default_rng(seed), alpha
    W = 0.1 * rng.normal(size=problem.shape)
    value, gradient = problem.value_and_gradient(W)
    direction = -gradient * (1 + 0.3 * rng.normal(size=gradient.shape))
    ts = np.linspace(0, 200, 4001)
    best = ts[np.argmin([problem.value(W + t * direction) for t in ts[::40]]) * 40]
    ts = np.linspace(max(0, best - 2), best + 2, 400)
    best = ts[np.argmin([problem.value(W + t * direction) for t in ts])]
    direction *= best  # the minimum is at 1
    with threads.one_blas_thread():
        trial = TrialStep(problem)
        trial.begin(W.ravel())
        t = trial.step(direction.ravel(), float(np.sum(gradient * direction)), usual)
    assert t == pytest.approx(1.0, abs=0.2) or t == 2 * usual
    assert problem.value(W + t * direction) < value


def test_scores_of_the_sample_follow_the_descent(problem, always):
    rng = np.random.default_rng(1)
    W, direction = rng.normal(size=(2, np.prod(problem.shape)))
    with threads.one_blas_thread():
        followed, fresh = TrialStep(problem), TrialStep(problem)
        followed.begin(W)
        followed.step(direction, -1.0, 1.0)
        followed.moved(0.25)
        fresh.begin(W + 0.25 * direction)
        np.testing.assert_allclose(followed._scores, fresh._scores, atol=1e-4 * np.abs(fresh._scores).max())


def test_a_step_stays_near_the_usual_one_where_the_sample_has_no_minimum(problem, always):
    W, direction = np.zeros((2, np.prod(problem.shape)))
    with threads.one_blas_thread():
        trial = TrialStep(problem)
        trial.begin(W)
        assert trial.step(direction, -1.0, 3.0) == 6.0
        assert trial.step(direction + np.inf, -1.0, 3.0) == 3.0  # no number: as without a sample


def test_the_sample_saves_evaluations_and_leads_to_the_same_minimum(always, monkeypatch):
    rng = np.random.default_rng(0)
    y, spread = rng.integers(0, 400, 5000), 4 / np.sqrt(1 + np.arange(64))  # features of a network: few large directions
    X = (rng.normal(size=(5000, 64)) + 0.6 * rng.normal(size=(400, 64))[y]) * spread
    problem = LinearProblem(X.astype("f4"), y, alpha=1e-3, fit_intercept=True, penalize_intercept=False)
    calls, plain, losses, found = [], LinearProblem.value_and_gradient, [], []
    monkeypatch.setattr(LinearProblem, "value_and_gradient", lambda self, W: calls.append(1) or plain(self, W))
    for make in (trial_step_of, lambda problem: None):
        monkeypatch.setattr(_lbfgs, "trial_step_of", make)
        calls.clear()
        losses.append([])
        note = lambda progress: losses[-1].append((progress.loss, len(calls))) and False  # noqa: E731
        found.append(LBFGS(200, 1e-5, callbacks=note).minimize(problem, np.zeros(problem.shape)).W)
    with_sample, without = (next(n for loss, n in of if loss < 1.01 * losses[1][-1][0]) for of in losses)
    assert with_sample <= 0.85 * without, (with_sample, without)
    np.testing.assert_allclose(found[0], found[1], atol=0.02 * np.abs(found[1]).max())


def test_bytes_do_not_depend_on_threads(problem, always):
    found = set()
    for n_threads in (1, 2, 3):
        problem.n_threads = n_threads
        found.add(LBFGS(12, 0.0).minimize(problem, np.zeros(problem.shape)).W.tobytes())
    assert len(found) == 1


def test_little_work_few_rows_and_other_losses_have_no_sample(problem, monkeypatch):
    assert trial_step_of(problem) is None
    monkeypatch.setattr(_trial_step, "_LEAST_WORK", 0)
    assert isinstance(trial_step_of(problem), TrialStep)
    X, y = problem.X, problem.y
    assert trial_step_of(LinearProblem(X[:2000], y[:2000], n_classes=C)) is None
    assert trial_step_of(LinearProblem(X, y, "squared_hinge")) is None


@pytest.mark.parametrize("size", [1e-30, 1e18, 1e30])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rows_of_any_size_are_trained_without_a_warning(size, dtype, always):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 4200)
    X = rng.normal(size=(4200, 6))
    X[np.arange(4200), y] += 2
    problem = LinearProblem((X * size).astype(dtype), y, alpha=0.0)
    with np.errstate(all="raise", under="ignore"):
        result = LBFGS(20).minimize(problem, np.zeros(problem.shape))
    assert np.isfinite(result.loss_history).all()
