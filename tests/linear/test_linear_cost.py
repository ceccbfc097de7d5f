"""C of the linear classifiers means the same as in scikit-learn, with any centring and scaling."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import fastcls
from fastcls import MulticlassSVM, MulticlassSVMCV, SoftmaxClassifier, SoftmaxClassifierCV
from fastcls._validation.errors import InputError
from fastcls.protocols import PROBE_PRESETS, linear_probe

LBFGS = {"solver": "lbfgs", "tol": 1e-8, "max_iter": 5000, "random_state": 0}


def standardised(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def theirs(X, y, C, weight=None, solver="newton-cholesky", **options):
    return LogisticRegression(C=C, tol=1e-10, max_iter=5_000, solver=solver, **options).fit(X, y, weight)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine], ids=["two classes", "three classes"])
@pytest.mark.parametrize("space", [(True, True), (True, False), (False, True), (False, False)], ids=str)
def test_C_gives_the_probabilities_of_scikit_learn_with_any_centring_and_scaling(load, space):
    C = 0.1
    X, y = standardised(load)
    X = 2.0 * X + 1.0
    weight = np.random.default_rng(0).uniform(0.0, 3.0, len(X)) * (np.arange(len(X)) % 5 > 0)
    center, scale = space
    for weights, class_weight in ((None, None), (weight, {0: 3.0})):
        ours = SoftmaxClassifier(C=C, center=center, scale=scale, class_weight=class_weight, **LBFGS).fit(X, y, weights)
        expected = theirs(X, y, C, weights, class_weight=class_weight).predict_proba(X)
        np.testing.assert_allclose(ours.predict_proba(X), expected, atol=1e-5)


def test_C_without_a_bias_is_scikit_learns():
    for load in (load_breast_cancer, load_wine):
        X, y = standardised(load)
        ours = SoftmaxClassifier(C=0.3, fit_intercept=False, center=False, **LBFGS).fit(X, y)
        np.testing.assert_allclose(ours.predict_proba(X), theirs(X, y, 0.3, fit_intercept=False).predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    ("load", "penalty", "ratio"),
    [(load_breast_cancer, "elasticnet", 0.5), (load_wine, "l1", 1.0)],
    ids=["two classes, elasticnet", "three classes, l1"],
)
def test_C_of_the_other_penalties_is_scikit_learns(load, penalty, ratio):
    """The same minimum of C sum L + ratio |W|_1 + (1 - ratio)/2 |W|^2, in probabilities."""
    X, y = standardised(load)
    X *= 4.0
    expected = theirs(X, y, 0.05, l1_ratio=ratio, solver="saga").predict_proba(X)
    model = SoftmaxClassifier(
        C=0.05, penalty=penalty, solver="gd", max_iter=4000, random_state=0, nesterov=True, schedule="constant"
    )
    np.testing.assert_allclose(model.fit(X, y).predict_proba(X), expected, atol=1e-4)


def test_C_of_the_SVM_multiplies_the_sum_of_losses():
    X, y = standardised(load_wine)
    values = []
    for scale in (True, False):
        model = MulticlassSVM("squared_hinge", C=0.02, scale=scale, **LBFGS).fit(3.0 * X, y)
        scores = 3.0 * X @ model.coef_.T + model.intercept_
        losses = np.square(np.maximum(0.0, scores - scores[np.arange(len(y)), y][:, None] + 1.0)).sum(axis=1) - 1.0
        values.append(0.02 * losses.sum() + np.square(model.coef_).sum() / 2)
        slope = np.random.default_rng(0).normal(size=model.coef_.shape) * 1e-3
        for step in (slope, -slope):  # a minimum: no step nearby is better
            scores = 3.0 * X @ (model.coef_ + step).T + model.intercept_
            losses = np.square(np.maximum(0.0, scores - scores[np.arange(len(y)), y][:, None] + 1.0)).sum(axis=1) - 1.0
            assert 0.02 * losses.sum() + np.square(model.coef_ + step).sum() / 2 > values[-1]
    assert values[0] == pytest.approx(values[1], rel=1e-8)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine], ids=["two classes", "three classes"])
def test_C_of_crammer_and_singers_loss_is_liblinears(load):
    X, y = standardised(load)
    liblinear = LinearSVC(multi_class="crammer_singer", C=0.01, fit_intercept=False, tol=1e-8, max_iter=100_000).fit(X, y)
    ours = MulticlassSVM(
        "crammer_singer",
        C=0.01,
        fit_intercept=False,
        center=False,
        solver="gd",
        schedule="cosine",
        max_iter=4000,
        random_state=0,
    )
    scores = ours.fit(X, y).decision_function(X)
    np.testing.assert_allclose(scores, liblinear.decision_function(X), atol=0.01)


# the others train on a few rows, by AdamW or with another penalty; tests/protocols/test_current_protocols.py compares them
# with their sources
BY_LBFGS = [
    name
    for name, preset in PROBE_PRESETS.items()
    if preset.per_class is None and preset.adamw is None and not preset.norm_penalty
]


@pytest.mark.parametrize("preset", BY_LBFGS)
def test_probe_of_two_classes_trains_scikit_learns_function(preset, monkeypatch):
    X, y = standardised(load_breast_cancer)
    models = []
    fit = SoftmaxClassifier.fit
    monkeypatch.setattr(SoftmaxClassifier, "fit", lambda self, *data: models.append(fit(self, *data)) or self)
    table = linear_probe(X[::2], y[::2], X[1::2], y[1::2], preset=preset, random_state=0)
    C = table.settings["C"] * (2 if preset == "torchgeo-bench" else 1)  # it penalises the weights of both classes
    expected = theirs(X[::2], y[::2], C).predict_proba(X[1::2])
    np.testing.assert_allclose(models[-1].predict_proba(X[1::2]), expected, atol=5e-3)


def test_early_stopping_weighs_the_rows_that_are_trained_on():
    X, y = standardised(load_wine)
    ours = SoftmaxClassifier(C=2.0, early_stopping=True, validation_fraction=0.5, scale=False, random_state=0).fit(X, y)
    assert ours.alpha_ == pytest.approx(1 / (2 * 2.0 * len(X) / 2), rel=0.05)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_sweep_over_Cs_weighs_the_rows_of_each_fold(solver):
    X, y = standardised(load_wine)
    halves = [(np.arange(0, len(X), 2), np.arange(1, len(X), 2))]
    sweep = SoftmaxClassifierCV(Cs=[0.01, 1.0], cv=halves, solver=solver, random_state=0, init_scale=0.0).fit(X, y)
    for C, score in zip([0.01, 1.0], sweep.cv_results_["mean_test_score"], strict=True):
        alone = theirs(X[::2], y[::2], C).score(X[1::2], y[1::2])
        assert abs(score - alone) <= 1.01 / len(halves[0][1])
    assert sweep.cv_results_["param_C"].tolist() == [0.01, 1.0]
    assert sweep.best_params_["C"] == sweep.best_estimator_.C
    assert sweep.best_params_.keys() == {"C", "learning_rate"}


def test_saved_model_keeps_C_and_the_strength_it_was_trained_with(tmp_path):
    X, y = standardised(load_breast_cancer)
    model = SoftmaxClassifier(C=0.1, **LBFGS).fit(X, y)
    model.save(tmp_path / "m.safetensors")
    again = fastcls.load(tmp_path / "m.safetensors")
    assert (again.C, again.alpha_, again.l1_ratio_) == (0.1, model.alpha_, model.l1_ratio_)
    part = X[:50], y[:50]
    assert again.loss_and_gradient(*part)[0] == model.loss_and_gradient(*part)[0]
    # the penalty is that of all its training rows, not of these 50
    scores = model.decision_function(part[0])
    loss = np.log1p(np.exp(-np.where(part[1] == 1, scores, -scores))).mean()
    penalty = np.square(model.coef_[1] - model.coef_[0]).sum() / 2 / (0.1 * len(X))
    assert model.loss_and_gradient(*part)[0] == pytest.approx(loss + penalty, rel=1e-6)


X6, Y6 = np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("cls", [SoftmaxClassifier, MulticlassSVM])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"C": 1.0, "alpha": 1e-3}, "alpha=0.001 and C=1.0 both set the strength"),
        ({"C": 1.0, "penalty": None}, "C=1.0 has no effect with penalty=None"),
        ({"C": 1.0, "penalty": "max_norm", "max_norm": 2.0}, "C=1.0 has no effect with penalty='max_norm'"),
        ({"C": 0.0}, "C=0.0; wanted"),
        ({"C": -1}, "C=-1; wanted"),
        ({"C": "auto"}, "C='auto'; wanted"),
        ({"C": float("nan")}, "C=nan; wanted"),
        ({"C": float("inf")}, "C=inf; wanted"),
        ({"C": True}, "C=True; wanted"),
        ({"C": 1e-300}, "C=1e-300: so strong a penalty"),
        ({"C": 5e-324}, "C=5e-324: so strong a penalty"),
        ({"alpha": "automatic"}, "alpha='automatic' is unknown; choose one of: auto, or a number"),
        ({"alpha": None}, "alpha=None; wanted"),
    ],
)
def test_C_that_cannot_be_used_is_refused(cls, options, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(InputError, match=message.replace("+", r"\+")):
            cls(**options).fit(X6, Y6)


@pytest.mark.parametrize("cls", [SoftmaxClassifierCV, MulticlassSVMCV])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"Cs": [1.0], "alphas": [1e-3]}, "alphas and Cs both set the strength"),
        ({"Cs": []}, "Cs is empty"),
        ({"Cs": [0.0]}, "Cs=0.0; wanted"),
        ({"Cs": [1.0], "penalty": None}, "C=1.0 has no effect with penalty=None"),
    ],
)
def test_Cs_that_cannot_be_used_are_refused(cls, options, message):
    with pytest.raises(InputError, match=message):
        cls(**options).fit(X6, Y6)


@pytest.mark.parametrize("cls", [SoftmaxClassifier, MulticlassSVM])
def test_partial_fit_refuses_C(cls):
    model = cls(C=1.0)
    with pytest.raises(InputError, match=r"partial_fit with C=1.0: .* give alpha instead"):
        model.partial_fit(X6, Y6)
    assert not hasattr(model, "coef_")


def test_sgd_with_C_comes_close_to_scikit_learns():
    X, y = load_digits(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        ours = SoftmaxClassifier(C=0.01, random_state=0).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs(X, y, 0.01).predict_proba(X), atol=0.02)
