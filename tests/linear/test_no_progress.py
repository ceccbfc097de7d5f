"""A training whose loss never moves, and a search whose best value is the end of its grid, say so."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from fastcls import (
    KNeighborsClassifierCV,
    LinearProblem,
    MulticlassSVM,
    MulticlassSVMCV,
    SoftmaxClassifier,
    SoftmaxClassifierCV,
)
from fastcls.losses import LOSSES
from fastcls.model_selection._cross_validate import cross_validate_k
from fastcls.optim import LBFGS
from fastcls.protocols import linear_probe

X, Y = load_digits(return_X_y=True)
X, Y = X[:600], Y[:600]
CLASSIFIERS = {"softmax": SoftmaxClassifier, **{name: MulticlassSVM for name in LOSSES if name != "softmax"}}


def made(loss, **options):
    return SoftmaxClassifier(**options) if loss == "softmax" else MulticlassSVM(loss, **options)


@pytest.mark.parametrize("solver", ["sgd", "gd"])
@pytest.mark.parametrize("rate", [1e-12, 1e-7])
@pytest.mark.parametrize("loss", CLASSIFIERS)
def test_a_warning_tells_of_steps_too_short_to_change_the_loss(loss, rate, solver):
    with pytest.warns(ConvergenceWarning, match=r"the loss hardly fell in 5 epochs.*learning_rate=1e-\d+ is too small"):
        made(loss, solver=solver, learning_rate=rate, max_iter=5, alpha=1e-3, random_state=0).fit(X, Y)


@pytest.mark.parametrize("solver", ["sgd", "gd"])
@pytest.mark.parametrize("loss", CLASSIFIERS)
@pytest.mark.parametrize("max_iter", [1, 20])
def test_a_loss_that_falls_is_not_warned_of(loss, solver, max_iter):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(loss, solver=solver, max_iter=max_iter, alpha=1e-3, random_state=0).fit(X, Y)


def test_a_loss_that_cannot_fall_is_not_warned_of():
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(4000, 3)), rng.integers(0, 3, 4000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rate in ("auto", 1e-2):
            SoftmaxClassifier(learning_rate=rate, random_state=0).fit(noise, labels)
            MulticlassSVM(learning_rate=rate, random_state=0).fit(np.zeros((90, 2)), np.arange(90) % 3)
        model = SoftmaxClassifier(solver="lbfgs", alpha=0.1, warm_start=True, random_state=0).fit(X, Y)
        model.set_params(solver="gd", learning_rate=1e-9, max_iter=3).fit(X, Y)


@pytest.mark.parametrize("scale", [1e155, 1e200])
def test_l_bfgs_without_a_step_says_so(scale):
    rows, labels = X.astype(np.float64) * scale, Y
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        problem = LinearProblem(rows, labels, alpha=1e-3)
        found = LBFGS().minimize(problem, np.zeros(problem.shape))
        assert (found.stopped_by, found.converged, found.n_iter) == ("line_search", False, 0)
        assert found.gradient_norm == pytest.approx(np.linalg.norm(problem.value_and_gradient(found.W)[1] / scale) * scale)
        with pytest.warns(ConvergenceWarning, match="its line search found no step that lowers the loss.*centre and scale"):
            SoftmaxClassifier(solver="lbfgs", center=False, scale=False, alpha=1e-3, random_state=0).fit(rows, labels)


def test_l_bfgs_that_hardly_moves_on_tiny_rows_says_so():
    tiny = X * 1e-9
    with pytest.warns(ConvergenceWarning, match="but the loss hardly fell, and longer steps lower it: scale the data"):
        SoftmaxClassifier(solver="lbfgs", center=False, scale=False, alpha=0.0, random_state=0).fit(tiny, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftmaxClassifier(solver="lbfgs", random_state=0).fit(tiny, Y)  # centred and scaled
        SoftmaxClassifier(solver="lbfgs", random_state=0).fit(np.zeros((90, 2)), np.arange(90) % 3)  # nothing to learn
        model = SoftmaxClassifier(solver="lbfgs", alpha=0.1, warm_start=True, random_state=0).fit(X, Y)
        assert model.fit(X, Y).n_iter_ == 0  # it starts at the minimum


@pytest.mark.parametrize("solver", ["random_search", "random_local_search"])
@pytest.mark.parametrize("loss", CLASSIFIERS)
@pytest.mark.parametrize("scale", [1e4, 1e-12])
def test_random_tries_that_never_improve_are_warned_of(loss, solver, scale):
    with pytest.warns(ConvergenceWarning, match="none of 20 random W has a loss below the .* of all-zero weights"):
        made(loss, solver=solver, init_scale=scale, max_iter=20, random_state=0).fit(X, Y)
    if loss == "crammer_singer":  # some class is almost always violated by more than the margin
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(loss, solver=solver, init_scale=1e-3, max_iter=100, random_state=0).fit(X, Y)


@pytest.mark.parametrize("cls", [SoftmaxClassifierCV, MulticlassSVMCV])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"alphas": [1e15, 1e-3]},
            r"the best alpha of \w+, 0.001, is the smallest of those tried; a smaller one may do better",
        ),
        ({"Cs": [1e-9, 1e-7]}, r"the best C of \w+, 1e-07, is the largest of those tried; a larger one may do better"),
        ({"alphas": [1e-3], "learning_rates": [1e-8, 1e-5]}, "the best learning_rate of .* is the largest of those tried"),
    ],
)
def test_a_sweep_that_ends_at_the_end_of_its_grid_is_warned_of(cls, options, message):
    with pytest.warns(UserWarning, match=message):
        cls(**options, cv=3, max_iter=5, random_state=0).fit(X, Y)


def test_an_end_of_the_grid_that_is_natural_or_alone_is_not_warned_of():
    rows = np.arange(len(X))[:, None] + np.zeros(2)
    codes = np.arange(len(X)) // 2  # pairs of neighbours: k = 1 is best, and not perfect
    codes[:100] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftmaxClassifierCV([1e-3], cv=3, max_iter=5, random_state=0).fit(X, Y)
        for best in (
            cross_validate_k(rows, codes, ks=[1, 2, 3], cv="loo").best_k,
            KNeighborsClassifierCV([1, 2, 3], cv="loo").fit(rows, codes).best_params_["n_neighbors"],
        ):
            assert best == 1


def test_the_end_of_a_grid_of_k_is_warned_of():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    noisy = rng.normal(size=(400, 2)) + 0.4 * y[:, None]  # many neighbours are better than few
    for largest in (
        lambda ks: cross_validate_k(noisy, y, ks=ks, random_state=0),
        lambda ks: KNeighborsClassifierCV(ks, random_state=0).fit(noisy, y),
    ):
        with pytest.warns(UserWarning, match="the best k, 9, is the largest of those tried; a larger one may do better"):
            largest([1, 9])
    with pytest.warns(UserWarning, match="the best k, 3, is the smallest of those tried; a smaller one may do better"):
        KNeighborsClassifierCV([3, 300], metrics=["l2"], random_state=0).fit(X, Y)


def test_a_probe_notes_the_end_of_its_protocols_grid():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    rows = np.where(labels == 1, 1e-4, 0.0)[:, None] * rng.random((200, 3)) + 1e-6 * rng.normal(size=(200, 3))
    flipped = np.where(rng.random(200) < 0.1, 1 - labels, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        table = linear_probe(1e-3 * rows, flipped, 1e-3 * rows, labels, preset="dinov2", random_state=0)
    C = table.settings["C"]
    assert ("note" in table.settings) == (C in (min(table["C"]), max(table["C"])))
    if "note" in table.settings:
        assert "that the protocol tries" in str(table)
