"""The optimisers: each finds its optimum, reports how, and gives the same bytes for any number of threads."""

import dataclasses
import functools
import inspect
import itertools
import math
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from fastcls import LinearProblem, SoftmaxClassifier, SoftmaxClassifierCV, optim
from fastcls._validation.errors import InputError
from fastcls.losses import LOSSES
from fastcls.optim import LBFGS, SCHEDULES, SGD, DivergenceError, GradientDescent, RandomLocalSearch, RandomSearch, _descent
from fastcls.penalties import PENALTIES

SOLVERS = {
    "sgd": lambda **more: SGD(30, 64, random_state=0, **more),
    "gd": lambda **more: GradientDescent(80, random_state=0, **more),
    "lbfgs": lambda **more: LBFGS(60, **more),
    "random_search": lambda **more: RandomSearch(250, 0.01, random_state=0, **more),
    "random_local_search": lambda **more: RandomLocalSearch(80, 0.01, random_state=0, **more),
}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.uint8)[:600], y[:600]


def problem_of(data, loss="softmax", penalty="l2", alpha=1e-3, **options):
    X, y = data
    return LinearProblem(
        X,
        y,
        loss,
        penalty,
        alpha,
        True,
        center=X.mean(axis=0),
        scale=5.0,
        penalize_intercept=False,
        **{"max_norm": 1.0 if penalty == "max_norm" else None, **options},
    )


def test_the_table_of_solvers_matches_the_registries():
    assert set(optim.SOLVERS) == set(SOLVERS)


@pytest.mark.parametrize("name", optim.SOLVERS)
def test_a_row_names_parameters_of_the_classifier_and_of_its_optimiser(name):
    row, params = optim.SOLVERS[name], SoftmaxClassifier().get_params()
    taken = inspect.signature(row.make).parameters
    assert set(row.options) <= set(params)
    assert {*row.options.values(), "max_iter", "callbacks", "checkpoint"} <= set(taken)
    made = SOLVERS[name]()
    assert made.max_iter > 0
    assert made.tol is None or made.tol > 0


def test_a_new_solver_is_a_row(monkeypatch, digits):
    """The classifiers, the sweep and the cluster ask the row; nothing else knows the name."""
    plain = dataclasses.replace(optim.SOLVERS["gd"], max_iter=7)
    monkeypatch.setitem(optim.SOLVERS, "plain", plain)
    model = SoftmaxClassifier(solver="plain", alpha=1e-3, random_state=0).fit(*digits)
    assert model.n_iter_ == 7
    same = SoftmaxClassifier(solver="gd", alpha=1e-3, max_iter=7, random_state=0).fit(*digits)
    assert model.coef_.tobytes() == same.coef_.tobytes()
    assert not hasattr(model, "partial_fit")
    with pytest.raises(InputError, match="solver='plain' is not available in a sweep; choose one of: sgd, lbfgs"):
        SoftmaxClassifierCV([1e-3], solver="plain").fit(*digits)
    monkeypatch.setitem(optim.SOLVERS, "plain", dataclasses.replace(optim.SOLVERS["sgd"]))
    few = {"max_iter": 3, "cv": 2, "random_state": 0}
    swept = [SoftmaxClassifierCV([1e-3, 1e-2], solver=name, **few).fit(*digits) for name in ("plain", "sgd")]
    assert swept[0].coef_.tobytes() == swept[1].coef_.tobytes()
    assert hasattr(SoftmaxClassifier(solver="plain"), "partial_fit")


@pytest.mark.parametrize(("solver", "loss", "penalty"), list(itertools.product(SOLVERS, LOSSES, [*PENALTIES, None])))
def test_every_solver_lowers_every_loss_that_it_supports(solver, loss, penalty, digits):
    problem = problem_of([part[:250] for part in digits], loss, penalty)
    row = optim.SOLVERS[solver]
    if loss not in row.losses or penalty not in row.penalties:
        with pytest.raises(InputError, match="L-BFGS cannot minimise loss="):
            SOLVERS[solver]().minimize(problem, np.zeros(problem.shape))
        with pytest.raises(InputError, match="choose one of: sgd, gd, random_search"):
            optim.check_solver(solver, loss, penalty, penalty == "max_norm")
        return
    start = np.zeros(problem.shape)
    result = SOLVERS[solver]().minimize(problem, start)
    assert not start.any()
    at_zero = problem.loss.at_zero(10, **problem.loss_options)
    if not row.uses_gradient:  # the largest of nine rivals rises in nearly every direction from 0
        assert problem.value(result.W) <= at_zero * (1.0 if loss == "crammer_singer" else 0.999)
    else:
        assert problem.value(result.W) < 0.5 * at_zero
    assert len(result.loss_history) == result.n_iter
    if penalty == "max_norm":
        assert np.linalg.norm(result.W[:, :-1], axis=1).max() <= 1 + 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_n_threads_agnosticism(solver, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (700, 500)).astype(dtype), rng.integers(0, 11, 700)
    found = []
    for n_jobs in (1, 3):
        problem = LinearProblem(X, y, alpha=0.01, fit_intercept=True, center=X.mean(axis=0), scale=70.0, n_jobs=n_jobs)
        found.append(SOLVERS[solver]().minimize(problem, np.zeros(problem.shape)))
    assert found[0].W.tobytes() == found[1].W.tobytes()
    assert found[0].loss_history == found[1].loss_history


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_descent_equals_the_textbook_formula(nesterov, momentum, digits):
    """Each step against NumPy: W += v with v = momentum v - rate g, and Nesterov's look ahead; with the l1 proximal step."""
    X, y = digits[0].astype(np.float64), digits[1]
    for penalty in (None, "l2", "l1"):
        problem = problem_of((X, y), penalty=penalty, alpha=0.01)
        smooth = problem_of((X, y), penalty="l2" if penalty == "l2" else None, alpha=0.01)
        width = 0.05 * 0.01 if penalty == "l1" else 0.0
        W = np.random.default_rng(0).normal(size=problem.shape) / 10
        result = GradientDescent(7, 0.05, momentum=momentum, nesterov=nesterov).minimize(problem, W)

        def moved(point, ahead, smooth=smooth, width=width):
            new = ahead - 0.05 * smooth.value_and_gradient(point)[1]
            new[:, :-1] = np.sign(new[:, :-1]) * np.maximum(np.abs(new[:, :-1]) - width, 0)
            return new

        before, here = W, W
        for _ in range(7):
            ahead = here + momentum * (here - before)
            before, here = here, moved(ahead if nesterov else here, ahead)
        np.testing.assert_allclose(result.W, here, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batch_size", [50, 600])
def test_minibatches_are_the_rows_in_their_order(batch_size, digits):
    problem = problem_of((digits[0].astype(np.float64), digits[1]))
    result = SGD(2, batch_size, 0.05, schedule="constant", momentum=0.5, random_state=3).minimize(
        problem, np.zeros(problem.shape)
    )
    W, v, draws, history = np.zeros(problem.shape), np.zeros(problem.shape), np.random.RandomState(3), []
    for _ in range(2):
        order = draws.permutation(600)
        values = []
        for start in range(0, 600, batch_size):
            value, gradient = problem.value_and_gradient(W, order[start : start + batch_size])
            v = 0.5 * v - 0.05 * gradient
            W = W + v
            values.append(value)
        history.append(np.mean(values))
    np.testing.assert_allclose(result.W, W, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.loss_history, history, rtol=1e-12)


def test_minibatches_of_many_tiles_are_whole():
    """A minibatch of more rows than a tile holds adds its tiles."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1500, 20)), rng.integers(0, 3, 1500)
    problem = LinearProblem(X, y, alpha=0.1)
    assert problem.tile_rows(1) < 1500
    result = GradientDescent(1, 0.5).minimize(problem, np.zeros(problem.shape))
    np.testing.assert_allclose(result.W, -0.5 * problem.value_and_gradient(np.zeros(problem.shape))[1], rtol=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "gd"])
def test_l1_ends_at_a_point_where_no_direction_falls(solver, digits):
    """Where W is 0 the loss's slope is at most alpha in magnitude; elsewhere it is -alpha sign W. And many are exactly 0."""
    alpha = 0.01
    rows = digits[0][:200].astype(np.float64), digits[1][:200]
    problem = problem_of(rows, penalty="l1", alpha=alpha)
    kind = {"gd": GradientDescent(6000), "sgd": GradientDescent(4000, nesterov=True)}[solver]
    found = kind.minimize(problem, np.zeros(problem.shape)).W
    full = problem_of(rows, penalty=None)
    W, slope = found[:, :-1], full.value_and_gradient(found)[1][:, :-1]
    assert (W == 0).mean() > 0.3
    assert np.abs(slope[W == 0]).max() <= alpha * (1 + 1e-3)
    np.testing.assert_allclose(slope[W != 0], -alpha * np.sign(W[W != 0]), atol=1e-3 * alpha)


def test_max_norm_projection_is_the_scaled_row(digits):
    problem = problem_of((digits[0].astype(np.float64), digits[1]), penalty="max_norm", max_norm=0.3)
    free = problem_of((digits[0].astype(np.float64), digits[1]), penalty=None)
    W = GradientDescent(1, 3.0).minimize(free, np.zeros(free.shape)).W
    bound = GradientDescent(1, 3.0).minimize(problem, np.zeros(problem.shape)).W
    norms = np.linalg.norm(W[:, :-1], axis=1, keepdims=True)
    assert (norms > 0.3).any()
    np.testing.assert_allclose(bound[:, :-1], W[:, :-1] * np.minimum(1, 0.3 / norms), rtol=1e-10)
    np.testing.assert_allclose(bound[:, -1], W[:, -1], rtol=1e-12)


@functools.cache
def logistic_regression(C, Z, y):
    """scikit-learn's, of the bytes of 600 rows: the same for each type that the rows were stored in."""
    return LogisticRegression(C=C, tol=1e-10, max_iter=20_000).fit(np.frombuffer(Z).reshape(600, -1), np.frombuffer(y, int))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("alpha", [1e-2, 1e-4])
def test_lbfgs_reaches_the_optimum_of_logistic_regression(alpha, dtype, digits):
    """alpha = 1 / (2 C n): objectives within 1e-6 of each other."""
    X, y = digits
    X = X.astype(dtype)
    problem = problem_of((X, y), alpha=alpha)
    Z = (X.astype(np.float64) - digits[0].mean(axis=0)) / 5.0
    rival = logistic_regression(1 / (2 * alpha * len(X)), Z.astype(np.float64).tobytes(), y.tobytes())
    best = problem.value(np.hstack([rival.coef_, rival.intercept_[:, None]]))
    result = LBFGS(5000, 1e-8).minimize(problem, np.zeros(problem.shape))
    assert result.converged
    assert problem.value(result.W) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.is_differentiable])
def test_lbfgs_continues_when_values_no_longer_change(loss, dtype, digits):
    """Values tell a slope down to about 1e-8, the root of their last bit; differences of the gradient tell far less."""
    X, y = digits
    problem = problem_of((X.astype(dtype), y), loss, alpha=1e-2)
    result = LBFGS(5000, 1e-11).minimize(problem, np.zeros(problem.shape))
    exact = problem_of((X.astype(np.float64), y), loss, alpha=1e-2)
    assert result.converged
    assert np.abs(exact.value_and_gradient(result.W)[1]).max() <= 2e-11
    assert result.loss_history[-1] == pytest.approx(exact.value(result.W), rel=1e-13)


def test_lbfgs_reports_convergence_only_when_reached(digits):
    problem = problem_of(digits, alpha=1e-2)
    result = LBFGS(5, 1e-6).minimize(problem, np.zeros(problem.shape))
    assert (result.converged, result.stopped_by, result.n_iter) == (False, "max_iter", 5)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_begin_at_1_and_never_rise(schedule):
    factors = [SCHEDULES[schedule](at / 100, at / 10) for at in range(101)]
    assert factors[0] == 1.0
    assert all(later <= sooner for sooner, later in itertools.pairwise(factors))
    assert min(factors) >= 0
    assert (schedule == "constant") == (factors[-1] == 1.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_callbacks_are_called_and_can_stop(solver, digits):
    problem = problem_of(digits)
    seen = []

    def stop_at_two(progress):
        seen.append((progress.iteration, progress.loss, progress.weights().shape))
        return progress.iteration == 2

    result = SOLVERS[solver](callbacks=stop_at_two).minimize(problem, np.zeros(problem.shape))
    assert [iteration for iteration, _, _ in seen] == [1, 2]
    assert result.stopped_by == "callback"
    assert seen[0][2] == problem.shape


@pytest.mark.parametrize("solver", ["sgd", "gd", "lbfgs"])
def test_validation_rows_stop_the_training_and_choose_the_weights(solver, digits):
    X, y = digits
    problem = problem_of((X, y), alpha=0.0, rows=np.arange(60))
    validation = problem_of((X, y), alpha=0.0, rows=np.arange(60, 600), n_classes=10)
    more = {"schedule": "constant", "learning_rate": 0.5} if solver == "sgd" else {}
    kind = {"sgd": SGD, "gd": GradientDescent, "lbfgs": LBFGS}[solver]
    result = kind(500, **more).minimize(problem, np.zeros(problem.shape), validation)
    assert result.stopped_by == "early_stopping"
    assert len(result.val_history) == result.n_iter < 500
    assert validation.value(result.W) == pytest.approx(min(result.val_history), rel=2e-4)


def test_models_trained_together_equal_those_trained_alone(digits):
    problem = problem_of((digits[0].astype(np.float64), digits[1]), alpha=0.0)
    strengths = [(0.0, 1e-3, math.inf), (1e-3, 0.0, math.inf), (0.0, 0.1, 0.5)]
    rates = [0.02, 0.05, 0.01]
    starts = list(np.random.default_rng(0).normal(size=(3, *problem.shape)) / 10)
    common = {"max_iter": 3, "batch_size": 64, "random_state": 5}
    together, losses = optim.descend_many(problem, starts, strengths, rates, **common)
    for at in range(3):
        alone, loss = optim.descend_many(problem, starts[at : at + 1], strengths[at : at + 1], rates[at : at + 1], **common)
        np.testing.assert_array_equal(together[at], alone[0])
        assert losses[at] == loss[0]


def test_a_diverged_setting_does_not_affect_the_others(digits):
    problem = problem_of((digits[0].astype(np.float64), digits[1]), alpha=0.0)
    starts, strengths = [np.zeros(problem.shape)] * 2, [(0.0, 1e-3, math.inf)] * 2
    common = {"max_iter": 3, "batch_size": 64, "random_state": 5}
    with_bad, losses = optim.descend_many(problem, starts, strengths, [0.05, 1e300], **common)
    alone, _ = optim.descend_many(problem, starts[:1], strengths[:1], [0.05], **common)
    np.testing.assert_array_equal(with_bad[0], alone[0])
    assert not with_bad[1].any()
    assert losses[1] == math.inf


def test_a_random_search_without_a_finite_loss_says_so_in_one_line_only():
    """Without RuntimeWarnings, and in words that suit `scale` and `init_scale`."""
    problem = LinearProblem(np.eye(6), np.arange(6) % 3, loss="softmax")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DivergenceError, match=r"standard deviation 1e\+300 is finite: use a smaller standard deviation"):
            optim.random_search(problem, max_iter=5, scale=1e300, random_state=0)


def test_random_search_records_the_loss_of_each_try():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (600, 30), dtype=np.uint8), rng.integers(0, 4, 600)
    for loss in LOSSES:
        problem = LinearProblem(X, y, loss=loss, alpha=0.5, fit_intercept=True, center=X.mean(axis=0), scale=50.0)
        found = optim.random_search(problem, max_iter=110, scale=0.3, random_state=5)
        assert found.values.shape == found.best_values.shape == (110,)
        assert len(np.unique(found.values)) == 110
        assert found.value == problem.value(found.W) == pytest.approx(found.values.min(), rel=1e-5)
        assert 0.25 < found.W.std() < 0.35
        np.testing.assert_array_equal(found.best_values, np.minimum.accumulate(found.values))


def test_random_local_search_goes_further_than_random_search(digits):
    problem = problem_of(digits)
    far = RandomLocalSearch(400, 0.1, random_state=0).minimize(problem)
    near = RandomSearch(400, 0.1, random_state=0).minimize(problem)
    assert far.value < 0.7 * near.value
    assert far.best_values[-1] == pytest.approx(far.value, rel=1e-5)


def test_memory_of_a_search_does_not_grow_with_the_width():
    import tracemalloc

    X, y = np.zeros((40, 30_000), dtype=np.uint8), np.arange(40) % 20
    problem = LinearProblem(X, y, fit_intercept=True)
    tracemalloc.start()
    RandomSearch(100, random_state=0).minimize(problem)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SGD(0), "max_iter=0"),
        (lambda: SGD(batch_size=0), "batch_size=0"),
        (lambda: SGD(learning_rate="fast"), "learning_rate='fast'"),
        (lambda: SGD(schedule="linear"), "constant, cosine, step, inverse_scaling"),
        (lambda: SGD(momentum=1.0), "momentum=1.0"),
        (lambda: SGD(nesterov=1), "nesterov=1; wanted True or False"),
        (lambda: SGD(callbacks=[0]), "callbacks has 0"),
        (lambda: LBFGS(tol=-1.0), "tol=-1"),
        (lambda: RandomSearch(0), "max_iter=0"),
        (lambda: RandomSearch(scale=0.0), "scale=0"),
    ],
)
def test_wrong_options_are_refused_in_one_line(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("n", "batch_size"), [(10, 4), (7, 7), (7, 8), (9, 2), (1, 256), (1000, 33)])
def test_minibatches_hold_every_row_once_and_at_most_their_size(n, batch_size):
    bounds = _descent._bounds(n, batch_size)
    sizes = np.diff(bounds)
    assert (bounds[0], bounds[-1]) == (0, n)
    assert sizes.max() <= batch_size
    assert sizes.max() - sizes.min() <= 1


def test_the_step_schedule_falls_to_a_tenth_and_a_hundredth():
    step = optim.SCHEDULES["step"]
    assert [step(done, 0.0) for done in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)] == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
