"""Linear models on hostile input: bounds that hold, weights that count, errors in one line."""

import math
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit, StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from fastcls import (
    KNeighborsClassifier,
    LinearProblem,
    MulticlassSVM,
    MulticlassSVMCV,
    SoftmaxClassifier,
    SoftmaxClassifierCV,
    gradcheck,
    optim,
)
from fastcls._gradient.prediction import SCORE_BLOCK, score_errors
from fastcls._gradient.scaling import center_and_scale
from fastcls._validation.errors import InputError


def data(n=200, d=12, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, d)) + y[:, None], y


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_norms_never_exceed_max_norm(nesterov, schedule, early_stopping):
    X, y = data()
    made = SoftmaxClassifier(
        max_norm=0.3,
        nesterov=nesterov,
        schedule=schedule,
        early_stopping=early_stopping,
        scale=False,
        random_state=0,
        max_iter=20,
    )
    norms = np.linalg.norm(made.fit(X, y).coef_, axis=1)
    assert norms.max() <= 0.3 * (1 + 1e-6)
    assert norms.max() > 0.29  # the bound binds
    if not early_stopping:
        assert np.linalg.norm(made.partial_fit(X, y).coef_, axis=1).max() <= 0.3 * (1 + 1e-6)


@pytest.mark.parametrize("search", [optim.RandomSearch, optim.RandomLocalSearch])
def test_random_searches_start_within_max_norm(search):
    X, y = data()
    problem = LinearProblem(X, y, "hinge", max_norm=0.1, fit_intercept=True, penalize_intercept=False)
    start = optim.GradientDescent(50).minimize(LinearProblem(X, y, "hinge", fit_intercept=True), np.zeros(problem.shape)).W
    assert np.linalg.norm(start[:, :-1], axis=1).max() > 0.2  # good, and outside: no small step finds better
    W = search(5, 1e-4, 0).minimize(problem, start).W
    assert np.linalg.norm(W[:, :-1], axis=1).max() <= 0.1 * (1 + 1e-12)
    options = {"max_norm": 1e-3, "init_scale": 1e-2, "max_iter": 8, "scale": False, "random_state": 1}
    free = MulticlassSVM(solver="random_local_search", **options)
    assert np.linalg.norm(free.fit(X, y).coef_, axis=1).max() <= 1e-3 * (1 + 1e-12)


def test_repeated_row_numbers_count_twice():
    X, y = data(n=4)
    W = np.random.default_rng(1).normal(size=(3, 12))
    for rows in ([0, 0, 1, 2], [3, 3, 3]):
        plain = LinearProblem(X, y, n_classes=3, rows=rows)
        ones = LinearProblem(X, y, n_classes=3, rows=rows, sample_weight=np.ones(4))
        repeated = LinearProblem(X[rows], y[rows], n_classes=3)
        assert ones.value(W) == plain.value(W) == pytest.approx(repeated.value(W), rel=1e-14)
        weights = np.array([1.0, 2.0, 0.5, 3.0])
        some = LinearProblem(X, y, n_classes=3, rows=rows, sample_weight=weights).value_and_gradient(W)
        same = LinearProblem(X[rows], y[rows], n_classes=3, sample_weight=weights[rows]).value_and_gradient(W)
        assert some[0] == pytest.approx(same[0], rel=1e-14)
        np.testing.assert_allclose(some[1], same[1], rtol=1e-12, atol=1e-14)


def test_the_smallest_accepted_scale_trains_like_any_other():
    X, y = data()
    wanted = SoftmaxClassifier(random_state=0).fit(X, y)
    tiny = SoftmaxClassifier(random_state=0).fit(X * 1e-149, y)
    np.testing.assert_allclose(tiny.loss_history_, wanted.loss_history_, rtol=1e-9)
    assert tiny.score(X * 1e-149, y) == wanted.score(X, y) > 0.9


def test_identical_rows_do_not_count_as_a_tiny_scale():
    X, y = data(n=6)
    X[:4], y[:4], y[1] = 1e-160, 0, 1  # the mean of these is rounded, by what squares to 0
    made = SoftmaxClassifier(random_state=0).fit(X, y, sample_weight=[1, 1, 1, 1, 0, 0])
    assert made.scale_ == 1.0


def test_a_sweep_reports_what_did_not_converge():
    X, y = data()
    with pytest.warns(ConvergenceWarning, match=r"[1-9] of 9 trainings of the sweep ended with a gradient above tol"):
        SoftmaxClassifierCV(alphas=[1e-6, 1e-5, 1e-4], solver="lbfgs", max_iter=2, cv=3).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        SoftmaxClassifierCV(alphas=[1e-2, 1e-1], solver="lbfgs", cv=3).fit(X, y)


def test_a_search_without_a_finite_loss_is_refused():
    X, y = data()
    with np.errstate(all="ignore"), pytest.raises(optim.DivergenceError, match="no loss of 3 random W .* is finite"):
        SoftmaxClassifier(solver="random_search", init_scale=1e38, max_iter=3, random_state=0).fit(X.astype("f4"), y)


def test_the_gradient_norm_is_the_same_for_any_threads_of_the_blas():
    X, y = data(n=60, d=20_000)
    for seed in range(6):  # a norm of the BLAS differs for most of them, in its last bits
        norms = set()
        for n in (1, 2):
            with threadpool_limits(n, user_api="blas"):
                options = {"alpha": 1e-3, "max_iter": 1, "init_scale": 1e-3, "random_state": seed, "n_jobs": 1}
                made = SoftmaxClassifier(solver="lbfgs", **options)
                with pytest.warns(ConvergenceWarning):
                    norms.add(made.fit(X, y).gradient_norm_)
        assert len(norms) == 1


@pytest.mark.parametrize(
    "options", [{}, {"max_iter": 3}, {"early_stopping": True}, {"callbacks": lambda at: at.iteration == 2}]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_gradient_norm_of_lbfgs_is_that_of_the_fitted_weights(options):
    X, y = data(n=200)
    model = SoftmaxClassifier(solver="lbfgs", alpha=1e-2, random_state=0, **options).fit(X, y)
    if "early_stopping" in options:  # of the training rows, which the model does not name
        assert 0 < model.gradient_norm_ < 10
        return
    _, *gradients = model.loss_and_gradient(X, y)
    wanted = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients))
    assert model.gradient_norm_ == pytest.approx(wanted, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("solver", ["sgd", "gd", "random_search", "random_local_search"])
def test_other_solvers_have_no_gradient_norm(solver):
    X, y = data()
    assert SoftmaxClassifier(solver=solver, max_iter=60, init_scale=1e-2, random_state=0).fit(X, y).gradient_norm_ is None


def test_folds_that_cannot_be_used_are_refused_in_one_line():
    X, y = data(n=60)
    for cv, why in [
        ([(np.arange(50), np.arange(0))], "test of split 0 has shape"),
        ([(np.arange(50), np.array([70]))], "test of split 0 holds 70 to 70"),
        ([], "cv yields no splits; wanted at least one pair"),
        ("leave", "cv='leave'; wanted a number of folds"),
        (None, "cv=None; wanted"),
        (2.5, "cv=2.5; wanted a whole number"),
        (61, "cv=61, but there are only 60 rows"),
        ("loo", "cv='loo' would train every setting 60 times: give a number of folds, such as cv=5, or groups"),
    ]:
        with pytest.raises(InputError, match=why):
            SoftmaxClassifierCV(alphas=[1e-3], cv=cv, max_iter=2).fit(X, y)
    weights = np.r_[np.zeros(40), np.ones(20)]
    halves = PredefinedSplit(weights)
    with pytest.raises(InputError, match="no t(rain|est) rows of weight above 0"):
        SoftmaxClassifierCV(alphas=[1e-3], cv=halves, max_iter=2).fit(X, y, weights)


@pytest.mark.parametrize("kind", [SoftmaxClassifierCV, MulticlassSVMCV])
def test_a_sweep_leaves_out_groups_as_scikit_learns_splitters_do(kind):
    X, y = data(n=60)
    groups, seed = np.arange(60) // 7 % 4, np.random.RandomState(0).randint(2**31 - 1)
    for cv, splitter in ("loo", LeaveOneGroupOut()), (3, StratifiedGroupKFold(3, shuffle=True, random_state=seed)):
        model = kind([1e-3, 1e-1], cv=cv, random_state=0, max_iter=3, batch_size=8).fit(X, y, groups=groups)
        splits = list(splitter.split(X, y, groups))
        assert all(len(set(groups[test]) & set(groups[train])) == 0 for train, test in splits)
        wanted = kind([1e-3, 1e-1], cv=splits, random_state=0, max_iter=3, batch_size=8).fit(X, y)
        assert model.n_splits_ == wanted.n_splits_ == (4 if cv == "loo" else 3)
        for name, found in wanted.cv_results_.items():
            np.testing.assert_array_equal(model.cv_results_[name], found)


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda X, y: SoftmaxClassifier().fit(X, y, ["a"] * len(X)), "sample_weight has values of type"),
        (lambda X, y: SoftmaxClassifier().fit(X, y, np.full(len(X), 1 + 1j)), "sample_weight has values of type complex"),
        (lambda X, y: SoftmaxClassifier(class_weight={0: "a"}).fit(X, y), "class_weight has values of type"),
        (lambda X, y: SoftmaxClassifier(callbacks=5).fit(X, y), "callbacks=5; wanted a function"),
        (lambda X, y: LinearProblem(X, y, center="abc"), "center has values of type"),
        (lambda X, y: LinearProblem(X, y).value([["a"] * 12] * 3), "W has values of type"),
        (lambda X, y: gradcheck.check_gradient(LinearProblem(X, y), np.zeros((3, 12)), n_coordinates="5"), "n_coordinates"),
        (lambda X, y: optim.SGD(checkpoint="path"), "an optimiser takes fastcls.optim.Checkpoint"),
        (lambda X, y: SoftmaxClassifier(checkpoint="a\0b", random_state=0).fit(X, y), "wanted the path of a file"),
        (lambda X, y: SoftmaxClassifier(checkpoint="folder/", random_state=0).fit(X, y), "wanted the path of a file"),
        (lambda X, y: KNeighborsClassifier(3, metric="l2", p=1).fit(X, y), "p=1 with metric='l2': p is only for"),
    ],
)
def test_unusable_input_is_refused_in_one_line(ask, why):
    X, y = data()
    with pytest.raises(InputError, match=why) as found:
        ask(X, y)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("d", [1, SCORE_BLOCK, SCORE_BLOCK + 1, 5 * SCORE_BLOCK - 1])
def test_the_bound_on_a_score_counts_the_roundings_of_a_block_the_blocks_and_four_more(d):
    """A fraction of a block is a block: its sum is rounded too."""
    n, u, size = min(d, SCORE_BLOCK) + math.ceil(d / SCORE_BLOCK) + 4, 2.0**-24, float(d) + 2.0
    wanted = n * u / (1 - n * u) * size
    found = score_errors(np.ones((1, d)), np.ones((3, d)), np.full(3, 2.0), 1)
    assert found[0] == pytest.approx(wanted, rel=1e-12)


def test_a_row_of_weight_0_may_have_any_values():
    X, _ = data()
    weights = np.ones(len(X))
    weights[7] = 0.0
    mean, scale = center_and_scale(np.delete(X, 7, axis=0), True, True)
    X[7] = 1e200
    found = center_and_scale(X, True, True, weights)
    np.testing.assert_allclose(found[0], mean, rtol=1e-12, atol=1e-15)
    assert found[1] == pytest.approx(scale, rel=1e-12)


def test_a_mean_that_overflows_in_one_feature_is_refused_without_scaling_too():
    X, _ = data()
    X[:, 3] = 1e307
    for scale in (False, True):
        with pytest.raises(InputError, match="so large that their squares overflow float64"):
            center_and_scale(X, True, scale)


def test_p_that_agrees_with_the_metric_is_accepted():
    X, y = data()
    for options in ({"p": 1}, {"metric": "l1", "p": 1}, {"metric": "minkowski", "p": 1}, {"metric": "manhattan"}):
        assert KNeighborsClassifier(3, **options).fit(X, y).effective_metric_ == "l1"
