"""The linear estimators: scikit-learn's own checks, accuracy of the defaults on real data, and what must not change."""

import gzip
import logging
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    estimator_checks_generator,
    parametrize_with_checks,
)

import fastcls
from fastcls import LinearProblem, MulticlassSVM, MulticlassSVMCV, SoftmaxClassifier, SoftmaxClassifierCV, optim
from fastcls._gradient.scaling import center_and_scale
from fastcls._validation.errors import InputError
from fastcls.losses import LOSSES

CLASSIFIERS = (SoftmaxClassifier, MulticlassSVM)


CHECKED = [
    *(cls() for cls in CLASSIFIERS),
    *(cls(alphas=[1e-3, 1e-1], cv=2) for cls in (SoftmaxClassifierCV, MulticlassSVMCV)),
]
#: Other trainings of these estimators: the checks of what a training does. Names, tags, copies, refusals and shapes of input
#: are checked above; no solver, loss or penalty has a part in them.
TRAININGS = [  # alpha is given: choosing it takes longer than the training, and the estimators above choose it
    *(SoftmaxClassifier(solver=solver, alpha=1e-2) for solver in ("lbfgs", "gd")),
    MulticlassSVM(solver="gd", alpha=1e-3),
    *(MulticlassSVM(loss, alpha=1e-3) for loss in LOSSES if loss not in ("hinge", "softmax")),
    # Repeated rows and weights differ by rounding, and a fit by how far from the optimum it stopped: gradient / (2 alpha).
    MulticlassSVM("squared_hinge", solver="lbfgs", alpha=1e-2, tol=1e-12, max_iter=2000),
    SoftmaxClassifier(penalty="l1", alpha=1e-3),
    MulticlassSVM(penalty="max_norm", max_norm=5.0, nesterov=True, alpha=1e-3, max_iter=50),
]


OF_TRAINING = (
    "check_class_weight_classifiers",
    "check_classifiers_classes",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_decision_proba_consistency",
    "check_dict_unchanged",
    "check_estimators_dtypes",
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_non_transformer_estimators_n_iter",
    "check_sample_weight_equivalence_on_dense_data",
)


@parametrize_with_checks(CHECKED)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", OF_TRAINING)
@pytest.mark.parametrize("estimator", TRAININGS, ids=lambda made: " ".join(repr(made).split()))
def test_scikit_learn_checks_of_other_trainings(estimator, name):
    checks = [check for _, check in estimator_checks_generator(estimator) if check.func.__name__ == name]
    assert checks
    if estimator.solver == "lbfgs" and name == "check_sample_weight_equivalence_on_dense_data":
        # A constant added to all biases changes no probability, so with an intercept rounding chooses it.
        estimator = clone(estimator).set_params(tol=1e-12, max_iter=2000, fit_intercept=isinstance(estimator, MulticlassSVM))
    for check in checks:
        check(clone(estimator))


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_minibatches_smaller_than_the_data_are_the_one_exception(cls):
    """Repeated rows make other minibatches, and these another way down; batches of all rows pass, in the list above."""
    with pytest.raises(AssertionError, match="`sample_weight` is not equivalent"):
        check_sample_weight_equivalence_on_dense_data(cls.__name__, cls(batch_size=4))


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X.astype(np.uint8), y, test_size=0.2, random_state=0, stratify=y)


@pytest.mark.parametrize(("cls", "seed"), zip(CLASSIFIERS, (0, 1), strict=True))
def test_defaults_are_good_on_digits_and_end_without_a_warning(cls, seed, digits):
    X, X_test, y, y_test = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = cls(random_state=seed).fit(X, y)
    assert model.score(X_test, y_test) >= 0.95
    assert model.loss_history_.shape == (model.n_iter_,)
    assert model.loss_history_[-1] < 0.2 * model.loss_history_[0]
    assert model.coef_.shape == (10, 64)
    assert model.intercept_.shape == (10,)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_mnist_is_learned(cls, shared_data):
    mnist = shared_data("mnist")

    def read(name, header, shape):
        return np.frombuffer(gzip.open(mnist / name).read(), np.uint8, offset=header).reshape(shape)

    def labelled(part):
        return read(f"{part}-images-idx3-ubyte.gz", 16, (-1, 784)), read(f"{part}-labels-idx1-ubyte.gz", 8, -1)

    model = cls(random_state=0, max_iter=4, n_jobs=1).fit(*labelled("train"))
    assert model.score(*labelled("t10k")) >= 0.91  # in four epochs; the default's twenty give 0.925 and 0.921


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_n_threads_agnosticism(cls):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (600, 800), dtype=np.uint8), rng.integers(0, 12, 600)
    found = []
    for n_jobs in (1, 2, 3):
        model = cls(max_iter=3, random_state=0, n_jobs=n_jobs).fit(X, y)
        scores = model.decision_function(X)
        found.append((model.coef_.tobytes(), model.intercept_.tobytes(), model.loss_history_.tobytes(), scores.tobytes()))
    assert found[0] == found[1] == found[2]
    one_by_one = np.vstack([model.decision_function(X[i : i + 1]) for i in range(20)])
    assert one_by_one.tobytes() == scores[:20].tobytes()


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_the_same_random_state_gives_the_same_bytes_and_another_one_others(cls, digits):
    X, _, y, _ = digits
    coefs = [cls(max_iter=2, random_state=seed).fit(X, y).coef_ for seed in (0, 0, 1)]
    assert coefs[0].tobytes() == coefs[1].tobytes()
    assert coefs[0].tobytes() != coefs[2].tobytes()


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize("change", [lambda X: X / 255, lambda X: X.astype(np.float32), lambda X: X * 3.0 + 40])
def test_predictions_do_not_change_with_the_unit_of_the_pixels(cls, change, digits):
    X, X_test, y, _ = digits
    plain = cls(max_iter=8, alpha=1e-3, random_state=0).fit(X, y).predict(X_test)
    changed = cls(max_iter=8, alpha=1e-3, random_state=0).fit(change(X), y).predict(change(X_test))
    np.testing.assert_array_equal(plain, changed)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_coef_and_intercept_score_raw_rows(cls, digits):
    X, X_test, y, _ = digits
    model = cls(max_iter=5, random_state=0).fit(X, y)
    expected = X_test @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(model.decision_function(X_test), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(model.predict(X_test), expected.argmax(axis=1))


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_two_classes_have_two_rows_of_coef_and_one_decision_value(cls):
    rng = np.random.default_rng(0)
    y = np.array(["cat", "dog"])[rng.integers(0, 2, 80)]
    X = rng.normal(size=(80, 3)) + 3.0 * (y == "dog")[:, None]
    model = cls(random_state=0).fit(X, y)
    assert model.coef_.shape == (2, 3)
    decision = model.decision_function(X)
    assert decision.shape == (80,)
    scores = X @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(decision, scores[:, 1] - scores[:, 0], atol=1e-12)
    np.testing.assert_array_equal(model.predict(X), np.where(decision > 0, "dog", "cat"))
    assert model.score(X, y) > 0.95


def test_probabilities_are_the_softmax_of_the_scores(digits):
    X, X_test, y, _ = digits
    model = SoftmaxClassifier(max_iter=5, random_state=0).fit(X, y)
    expected = [fastcls.reference.softmax_probabilities(s) for s in model.decision_function(X_test)[:20]]
    np.testing.assert_allclose(model.predict_proba(X_test)[:20], expected, rtol=1e-12)
    assert not hasattr(MulticlassSVM(), "predict_proba")


def test_softmax_reaches_the_optimum_that_scikit_learn_finds(digits):
    """alpha = 1/(2 C n) maps LogisticRegression's C; compared in the same centred, scaled space."""
    X, _, y, _ = digits
    mean, spread = center_and_scale(X, True, True)
    Z = (X - mean) / spread
    alpha = 1e-2
    rival = LogisticRegression(C=1 / (2 * alpha * len(X)), tol=1e-8, max_iter=2000).fit(Z, y)
    problem = LinearProblem(Z, y, alpha=alpha, fit_intercept=True, penalize_intercept=False)
    best = problem.value(np.hstack([rival.coef_, rival.intercept_[:, None]]))
    ours = SoftmaxClassifier(alpha=alpha, random_state=0).fit(Z, y)
    reached = problem.value(np.hstack([ours.coef_, ours.intercept_[:, None]]))
    assert best <= reached * (1 + 1e-9)
    assert reached <= best * 1.001


def test_the_bias_is_not_penalized():
    """Under a penalty that leaves no weights, the bias alone still tells how frequent the classes are."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 3)), np.repeat([0, 1, 2], [300, 70, 30])
    model = SoftmaxClassifier(alpha=10.0, random_state=0).fit(X, y)
    assert np.abs(model.coef_).max() < 0.01
    np.testing.assert_allclose(model.predict_proba(X).mean(axis=0), [0.75, 0.175, 0.075], atol=0.01)


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_auto_learning_rate_never_diverges(cls, center, scale, fit_intercept, digits):
    X, _, y, _ = digits
    for batch_size in (1, 32, 5000):
        model = cls(
            center=center, scale=scale, fit_intercept=fit_intercept, batch_size=batch_size, max_iter=4, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(X[:120], y[:120])
        loss = LOSSES["softmax" if cls is SoftmaxClassifier else "hinge"]
        assert model.loss_history_[-1] < loss.at_zero(10)
        assert fit_intercept or (center or not model.intercept_.any())


def test_center_and_scale_equal_numpy():
    X = np.random.default_rng(0).integers(0, 256, (3000, 700), dtype=np.uint8)
    mean, spread = center_and_scale(X, True, True)
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-13)
    assert spread == pytest.approx(np.sqrt(X.astype(float).var(axis=0).mean()), rel=1e-12)
    assert center_and_scale(np.full((4, 3), 7, dtype=np.uint8), True, True)[1] == 1.0
    mean, spread = center_and_scale(X, False, False)
    assert not mean.any()
    assert spread == 1.0


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_tol_stops_early_or_warns(cls, digits):
    X, _, y, _ = digits
    model = cls(tol=0.05, max_iter=200, alpha=1e-3, random_state=0).fit(X, y)
    assert model.n_iter_ < 200
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        cls(tol=1e-6, max_iter=3, alpha=1e-3, random_state=0).fit(X, y)


def test_an_infinite_loss_names_step_and_learning_rate(digits):
    X, _, y, _ = digits
    model = SoftmaxClassifier(learning_rate=1e308, random_state=0, penalty=None)
    with pytest.raises(
        optim.DivergenceError, match=r"no longer finite after step 0: learning_rate=1e\+308 is too large .*auto"
    ):
        model.fit(X, y)


def test_a_far_too_large_learning_rate_is_reported(digits):
    X, _, y, _ = digits
    with pytest.warns(ConvergenceWarning, match="learning_rate=100 is too large"):
        MulticlassSVM(learning_rate=100.0, max_iter=3, random_state=0).fit(X, y)


def test_only_verbose_prints_one_line_per_epoch(digits, capsys):
    X, _, y, _ = digits
    SoftmaxClassifier(max_iter=3, random_state=0).fit(X, y)
    assert capsys.readouterr().out == ""
    SoftmaxClassifier(max_iter=3, random_state=0, verbose=1).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_a_saved_model_predicts_the_same(cls, digits, tmp_path):
    X, X_test, y, _ = digits
    model = cls(max_iter=5, random_state=0).fit(X, np.array([f"digit {label}" for label in y]))
    model.save(tmp_path / "model.safetensors")
    loaded = fastcls.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(X_test), model.predict(X_test))
    assert loaded.decision_function(X_test).tobytes() == model.decision_function(X_test).tobytes()
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.loss_history_, model.loss_history_)
    assert loaded.n_iter_ == 5


X6, Y6 = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"penalty": "l3"}, "elasticnet, max_norm, or None"),
        ({"alpha": -1.0}, "alpha=-1"),
        ({"alpha": 1e300}, r"alpha=1e\+300: so strong a penalty leaves only rounding errors"),
        ({"alpha": 1e30, "solver": "gd"}, r"alpha=1e\+30: so strong a penalty leaves only rounding errors"),
        ({"batch_size": 10**30}, r"batch_size is 2\^99 or beyond; wanted a whole number of at least 1, below 2\^63"),
        ({"solver": "newton"}, "choose one of: sgd, gd, lbfgs"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 2.5}, "whole number"),
        ({"learning_rate": 0.0}, "learning_rate=0"),
        ({"learning_rate": "adaptive"}, "learning_rate='adaptive'"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"tol": -1.0}, "tol=-1"),
        ({"init_scale": float("inf")}, "init_scale=inf"),
        ({"center": "mean"}, "center='mean'; wanted True or False"),
        ({"scale": 2}, "scale=2; wanted True or False"),
        ({"n_jobs": 0}, "n_jobs=0"),
    ],
)
def test_wrong_options_are_refused_in_one_line(cls, options, words):
    with pytest.raises(InputError, match=words) as caught:
        cls(**options).fit(X6, Y6)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MulticlassSVM("softmax").fit(X6, Y6), "choose one of: hinge"),
        (lambda: MulticlassSVM("crammer_singer", include_correct=True).fit(X6, Y6), "no option 'include_correct'"),
        (lambda: MulticlassSVM(solver="lbfgs").fit(X6, Y6), "choose one of: sgd, gd, random_search"),
        (lambda: SoftmaxClassifier(solver="lbfgs", penalty="l1").fit(X6, Y6), "choose one of: sgd, gd, random_search"),
        (lambda: SoftmaxClassifier(solver="lbfgs", max_norm=1.0).fit(X6, Y6), "choose one of: sgd, gd, random_search"),
        (lambda: SoftmaxClassifier(penalty="max_norm").fit(X6, Y6), "needs the parameter max_norm"),
        (lambda: SoftmaxClassifier(momentum=1.0).fit(X6, Y6), "momentum=1.0; wanted a number from 0 and below 1"),
        (lambda: SoftmaxClassifier(schedule="linear").fit(X6, Y6), "constant, cosine, step, inverse_scaling"),
        (lambda: SoftmaxClassifier(early_stopping=1).fit(X6, Y6), "early_stopping=1; wanted True or False"),
        (lambda: SoftmaxClassifier(validation_fraction=1.5).fit(X6, Y6), "validation_fraction=1.5"),
        (lambda: SoftmaxClassifier(callbacks=[3]).fit(X6, Y6), "callbacks has 3"),
        (lambda: SoftmaxClassifier(class_weight="even").fit(X6, Y6), "choose one of: balanced"),
        (lambda: SoftmaxClassifier(class_weight={7: 2.0}).fit(X6, Y6), "names the label 7"),
        (lambda: SoftmaxClassifier(class_weight={0: 1.0, 1: -2.0}).fit(X6, Y6), "weight of the label 1 is -2.0; wanted"),
        (lambda: SoftmaxClassifier(class_weight=[1, 2, 3]).fit(X6, Y6), "a dict from label to weight"),
        (lambda: SoftmaxClassifier().fit(X6, Y6, sample_weight=[1, 1, 1, 1, 1, np.nan]), "nan at row 5"),
        (lambda: SoftmaxClassifier().fit(X6, Y6, sample_weight=np.full(6, 1e308)), "sample_weight adds up to inf"),
        (lambda: SoftmaxClassifier().fit(X6, Y6, sample_weight=np.full(6, 1e-320)), "sample_weight adds up to 5.9"),
        (
            lambda: MulticlassSVM().fit(np.arange(6, dtype=np.float32)[:, None] * np.float32(1e-40), Y6),
            "overflow float32: scale",
        ),
        (
            lambda: SoftmaxClassifier().fit(X6 * 1e-160, Y6),
            r"mean square of X is 3\.\d+e-160, .* underflows: scale the data up",
        ),
        (lambda: MulticlassSVM().fit(X6 * 1e-200, Y6), "mean square of X is below 1e-160, .* underflows: scale the data up"),
        (lambda: SoftmaxClassifier().partial_fit(X6, Y6).partial_fit(X6, Y6 + 1), "the label 3"),
        (lambda: SoftmaxClassifier(solver="gd").partial_fit(X6, Y6), "partial_fit"),
        (lambda: SoftmaxClassifier(max_iter=1, learning_rate=50.0).fit(X6, Y6).predict(X6 * 1.6e307), "scores of row"),
        (lambda: SoftmaxClassifierCV(alphas=[]).fit(X6, Y6), "alphas is empty"),
        (lambda: SoftmaxClassifierCV(alphas=[-1.0]).fit(X6, Y6), "alphas=-1"),
        (lambda: SoftmaxClassifierCV(learning_rates=[0.0]).fit(X6, Y6), "learning_rates=0"),
        (lambda: SoftmaxClassifierCV(cv=7).fit(X6, Y6), "only 6 rows"),
        (lambda: MulticlassSVMCV(solver="gd").fit(X6, Y6), "sgd, lbfgs"),
        (lambda: MulticlassSVM(margin=0.0).fit(X6, Y6), "margin=0"),
        (lambda: SoftmaxClassifier().fit(X6, np.zeros(6)), "y has only one class"),
        (lambda: SoftmaxClassifier().fit(X6, Y6[:3]), "one label per row"),
        (lambda: SoftmaxClassifier().fit(X6 * 1e200, Y6), "overflow"),
        (lambda: SoftmaxClassifier(max_iter=1).fit(X6, Y6).predict(X6[:, :1]), "features"),
        (lambda: optim.random_search(LinearProblem(X6, Y6), max_iter=0), "max_iter=0"),
        (lambda: optim.random_search(LinearProblem(X6, Y6), scale=0.0), "scale=0"),
    ],
)
def test_wrong_input_is_refused_in_one_line(call, words):
    with pytest.raises((ValueError, AttributeError), match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_balanced_class_weights_equal_the_matching_sample_weights():
    y = np.repeat([0, 1, 2], [70, 20, 10])
    X = np.random.default_rng(3).normal(size=(100, 6)) + y[:, None]
    balanced = SoftmaxClassifier(solver="lbfgs", class_weight="balanced", max_iter=500, random_state=0).fit(X, y)
    weights = 100 / (3 * np.bincount(y))[y]
    given = SoftmaxClassifier(solver="lbfgs", max_iter=500, random_state=0).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(balanced.coef_, given.coef_)


def test_partial_fit_keeps_the_centre_of_its_first_rows():
    rng = np.random.default_rng(4)
    y = rng.integers(2, size=200)
    X = rng.normal(size=(200, 5)) + y[:, None]
    model = SoftmaxClassifier(random_state=0).partial_fit(X, y)
    center, scale = model.center_.copy(), model.scale_
    np.testing.assert_allclose(center, X.mean(axis=0), atol=1e-6)
    model.partial_fit(X + 100.0, y)
    np.testing.assert_array_equal(model.center_, center)
    assert model.scale_ == scale


def test_the_first_class_wins_ties():
    model = MulticlassSVM(random_state=0).fit(np.eye(3), ["a", "b", "c"])
    model.coef_, model.intercept_ = np.zeros((3, 3)), np.zeros(3)
    assert model.predict(np.eye(3)).tolist() == ["a"] * 3


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_other_integers_become_float64_with_one_logged_line(cls, caplog):
    with caplog.at_level(logging.INFO, logger="fastcls"):
        cls(max_iter=1).fit(X6.astype(np.int64), Y6)
    assert [record.getMessage() for record in caplog.records] == [
        "X: int64 converted to float64 (uint8 and int8 are kept as they are)"
    ]
