"""Rows of weight 0 are ignored by every fit; class weights balance as in scikit-learn, even if a class is missing."""

import warnings
from inspect import signature

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.class_weight import compute_class_weight

import fastcls
from fastcls import LinearProblem, optim, reference
from fastcls._sampling.hold_out import hold_out
from fastcls._validation.errors import InputError
from fastcls._validation.row_weights import with_class_weight
from fastcls.datasets import train_validation_split
from fastcls.protocols._presets import PROBE_PRESETS
from fastcls.protocols._probe import _set_aside

QUICK = {"max_iter": 4, "batch_size": 16, "random_state": 0}
MODELS = {
    "k-NN": fastcls.KNeighborsClassifier(3),
    "k-NN by distance": fastcls.KNeighborsClassifier(3, weights="distance"),
    "softmax": fastcls.SoftmaxClassifier(**QUICK),
    "svm": fastcls.MulticlassSVM(**QUICK),
    "lbfgs": fastcls.SoftmaxClassifier(solver="lbfgs", random_state=0, max_iter=9),
    "early stopping": fastcls.SoftmaxClassifier(early_stopping=True, **QUICK),
    "k-NN folds": fastcls.KNeighborsClassifierCV([1, 3, 5], cv=3, random_state=0),
    "k-NN left out": fastcls.KNeighborsClassifierCV([1, 3, 5], cv="loo"),
    "softmax sweep": fastcls.SoftmaxClassifierCV([1e-3, 1e-1], cv=3, **QUICK),
    "svm sweep": fastcls.MulticlassSVMCV([1e-3, 1e-1], cv=3, **QUICK),
}
CLASS_WEIGHTS = (None, "balanced", {0: 1.0, 1: 5.0}, {1: 0.0})


def data(seed=0, n=110):
    """Four uneven classes; the last has no row that counts, and rows that do not count lie elsewhere."""
    rng = np.random.default_rng(seed)
    y = rng.choice([0, 1, 2, 7], n, p=[0.45, 0.3, 0.15, 0.1])
    X, w = rng.normal(size=(n, 5)) + y[:, None], rng.choice([0.0, 0.5, 1.0, 2.0], n)
    w[y == 7] = 0.0
    X[w == 0] *= 1e3
    return X, y, w, rng.normal(size=(30, 5)) * 2 + 1


def assert_alike(found, wanted, Q):
    """One model for all that is asked of it; means and sums over other tiles differ by rounding."""
    np.testing.assert_array_equal(found.classes_, wanted.classes_)
    np.testing.assert_array_equal(found.predict(Q), wanted.predict(Q))
    for name in ("coef_", "intercept_", "loss_history_", "center_", "scale_", "learning_rate_"):
        if getattr(wanted, name, None) is not None:
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-6, atol=1e-9, err_msg=name)
    if hasattr(wanted, "predict_proba"):
        np.testing.assert_allclose(found.predict_proba(Q), wanted.predict_proba(Q), rtol=1e-7, atol=1e-10)
    for name, values in getattr(wanted, "cv_results_", {}).items():
        if name.startswith(("mean", "std", "split")):
            np.testing.assert_allclose(found.cv_results_[name], values, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_rows_of_weight_0_are_ignored_everywhere(name, class_weight, tmp_path):
    X, y, w, Q = data()
    model = clone(MODELS[name]).set_params(class_weight=class_weight)
    counts = w > 0
    if class_weight == {1: 0.0}:
        counts &= y != 1
    found, wanted = clone(model).fit(X, y, w), clone(model).fit(X[counts], y[counts], w[counts])
    assert 7 not in found.classes_
    assert_alike(found, wanted, Q)
    found.save(tmp_path / "m.safetensors")
    loaded = fastcls.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict(Q), found.predict(Q))
    if hasattr(loaded, "kneighbors"):  # the others keep their indices
        best = getattr(wanted, "best_estimator_", wanted)
        np.testing.assert_array_equal(loaded.kneighbors(Q)[1], np.flatnonzero(counts)[best.kneighbors(Q)[1]])


@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS[:3], ids=str)
@pytest.mark.parametrize("kind", [fastcls.KNeighborsClassifier, fastcls.SoftmaxClassifier, fastcls.MulticlassSVM])
def test_partial_fit_ignores_rows_of_weight_0(kind, class_weight):
    X, y, w, Q = data(1)
    options = {} if kind is fastcls.KNeighborsClassifier else {"random_state": 0, "batch_size": 8}
    found, wanted = kind(class_weight=class_weight, **options), kind(class_weight=class_weight, **options)
    w[40:60] = 0.0  # a part of which no row counts
    for part in (slice(0, 40), slice(40, 60), slice(60, 110)):
        some = w[part] > 0
        found.partial_fit(X[part], y[part], [0, 1, 2], w[part])
        if some.any():
            wanted.partial_fit(X[part][some], y[part][some], [0, 1, 2], w[part][some])
    assert_alike(found, wanted, Q)
    if kind is fastcls.KNeighborsClassifier:
        whole = kind(class_weight=class_weight).fit(X, y, w)
        np.testing.assert_array_equal(found.predict_proba(Q), whole.predict_proba(Q))
        np.testing.assert_array_equal(found.kneighbors(Q)[1], whole.kneighbors(Q)[1])


def test_the_first_partial_fit_may_have_only_rows_of_weight_0():
    X, y, w, Q = data(2)
    w[:30] = 0.0
    found = fastcls.KNeighborsClassifier(3).partial_fit(X[:30], y[:30], [0, 1, 2, 7], w[:30])
    with pytest.raises(InputError, match="only 0 training rows"):
        found.predict(Q)
    found.partial_fit(X[30:], y[30:], sample_weight=w[30:])
    np.testing.assert_array_equal(found.kneighbors(Q)[1], fastcls.KNeighborsClassifier(3).fit(X, y, w).kneighbors(Q)[1])
    for model in (fastcls.SoftmaxClassifier(), fastcls.KNeighborsClassifier()):
        with pytest.raises(InputError, match="zero for every row"):
            model.fit(X, y, np.zeros(len(y)))
    with pytest.raises(InputError, match="zero for every row"):  # centring and scaling are those of the first part
        fastcls.SoftmaxClassifier().partial_fit(X, y, sample_weight=np.zeros(len(y)))


@pytest.mark.parametrize("weighted", [False, True])
def test_balanced_classes_weigh_as_in_scikit_learn(weighted):
    _, y, w, _ = data(3)
    given = w if weighted else np.ones(len(y))
    counts = given > 0
    classes, codes = np.unique(y[counts], return_inverse=True)
    if "sample_weight" in signature(compute_class_weight).parameters:
        of_class = compute_class_weight("balanced", classes=classes, y=y[counts], sample_weight=given[counts])
    else:
        sums = np.bincount(codes, given[counts])
        of_class = sums.sum() / (len(classes) * sums)
    found = with_class_weight(given[counts], "balanced", classes, codes)
    np.testing.assert_allclose(found, given[counts] * of_class[codes], rtol=1e-14)


@pytest.mark.parametrize("solver", ["sgd", "gd", "lbfgs"])
def test_a_problem_ignores_rows_of_weight_0(solver):
    X, y, w, _ = data(4)
    codes, counts = np.searchsorted([0, 1, 2, 7], y), w > 0
    options = {"fit_intercept": True, "scale": 100.0, "n_classes": 4}
    found = LinearProblem(X, codes, sample_weight=w, **options)
    wanted = LinearProblem(X[counts], codes[counts], sample_weight=w[counts], **options)
    counted = found.counted()
    assert (found.n_samples, counted.n_samples) == (len(y), counts.sum())
    assert wanted.counted() is wanted
    W = np.random.default_rng(0).normal(size=found.shape)
    for own in (found.per_sample(W)[counts], counted.per_sample(W)):
        np.testing.assert_array_equal(own, wanted.per_sample(W))
    numbers = np.flatnonzero(counts)  # rows keep their numbers
    for of, some in (counted, [0, 5]), (found, numbers[[0, 5]]):
        gradient = of.value_and_gradient(W, some)[1]
        np.testing.assert_allclose(gradient, wanted.value_and_gradient(W, [0, 5])[1], rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(found.value_and_gradient(W)[1], wanted.value_and_gradient(W)[1], rtol=1e-12, atol=1e-15)
    make = {"sgd": optim.SGD(3, 16, random_state=0), "gd": optim.GradientDescent(3), "lbfgs": optim.LBFGS(3)}
    ends = [make[solver].minimize(problem, np.zeros(problem.shape)).W for problem in (found, wanted)]
    # without a penalty, L-BFGS enlarges rounding along directions in which the loss is nearly flat
    np.testing.assert_allclose(*ends, rtol=1e-3 if solver == "lbfgs" else 1e-8, atol=1e-12)


def test_a_class_missing_from_a_fold_causes_no_division_by_zero():
    rng = np.random.default_rng(0)
    y = np.array([0] * 20 + [1] * 20 + [2])
    X = rng.normal(size=(41, 3)) + y[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for name in ("k-NN folds", "k-NN left out", "softmax sweep", "svm sweep"):
            model = clone(MODELS[name]).set_params(class_weight="balanced")
            results = model.fit(X, y, np.where(y == 1, 0.5, 1.0)).cv_results_
            assert np.isfinite(results["mean_test_score"]).all()
            assert np.isfinite(results.get("mean_test_loss", 0.0)).all()
        for kind in (fastcls.SoftmaxClassifier, fastcls.MulticlassSVM, fastcls.KNeighborsClassifier):
            model = kind(class_weight="balanced").partial_fit(X[:10], y[:10], classes=[0, 1, 2])
            model.partial_fit(X[10:], y[10:])
            assert np.isfinite(getattr(model, "coef_", 0.0)).all()
            assert set(model.predict(X)) <= {0, 1, 2}


@pytest.mark.parametrize("kind", [fastcls.SoftmaxClassifierCV, fastcls.MulticlassSVMCV])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_sweep_equals_a_refit_per_fold_even_if_a_class_is_missing(kind, class_weight):
    X, y, w, _ = data(5)
    splits = [(np.flatnonzero(y != 2), np.flatnonzero(y == 2)), (np.arange(60), np.arange(60, 110))]
    model = kind([1e-2], cv=splits, class_weight=class_weight, **QUICK).fit(X, y, w)
    for fold, (train, test) in enumerate(splits):
        train, test = train[w[train] > 0], test[w[test] > 0]
        alone = model._estimator(alpha=1e-2, learning_rate="auto").fit(X[train], y[train], w[train])
        assert model.cv_results_[f"split{fold}_test_score"][0] == alone.score(X[test], y[test])
    assert model.cv_results_["split0_test_score"] == [0.0]


def test_early_stopping_holds_out_by_class_and_keeps_every_class():
    X, y = np.array([[0.0], [1], [2], [3], [4], [10]]), np.array([0, 0, 0, 0, 0, 1])
    for seed in range(60):
        model = fastcls.SoftmaxClassifier(early_stopping=True, random_state=seed, max_iter=2).fit(X, y)
        train, held = model._split(y, np.zeros(0), np.random.RandomState(seed))
        assert 5 in train
        assert len(held) == 1
    for fraction in (0.9, 0.99):
        model = fastcls.MulticlassSVM(early_stopping=True, validation_fraction=fraction)
        with pytest.raises(
            InputError, match="leaves a class without a training row: give more rows, or hold out at most 4"
        ) as caught:
            model.fit(X, y)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="at most 0"):
        fastcls.SoftmaxClassifier(early_stopping=True).fit(X[4:], y[4:])


def test_held_out_rows_keep_the_class_shares():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        counts = rng.integers(1, 30, rng.integers(2, 7))
        codes = rng.permutation(np.repeat(np.arange(len(counts)), counts))
        n_held = int(rng.integers(1, counts.sum() - len(counts) + 1)) if counts.sum() > len(counts) else 0
        train, held = hold_out(codes, n_held, np.random.RandomState(seed), "a test")
        assert len(held) == n_held
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(len(codes)))
        of_class = np.bincount(codes[held], minlength=len(counts))
        assert (of_class < counts).all()
        if (counts * n_held / counts.sum() <= counts - 1).all():
            assert (abs(of_class - counts * n_held / counts.sum()) < 1 + 1e-9).all()
    drawn = {tuple(hold_out(np.repeat([0, 1], 8), 3, np.random.RandomState(seed), "")[1]) for seed in range(50)}
    assert len(drawn) > 30


def test_other_splits_leave_every_class_a_row_to_train_on(caplog):
    y = np.r_[np.zeros(1000), np.ones(2)].astype(int)
    for seed in range(10):
        train, held = train_validation_split(y, validation_size=900, random_state=seed)
        assert (len(train), len(held)) == (102, 900)
        assert 1 in y[train]
        rows, chosen_by = _set_aside(np.r_[np.zeros(50), 1].astype(int), PROBE_PRESETS["dinov2"], seed)
        assert 50 in rows
        assert len(chosen_by)
    assert "each keeps one" in caplog.text


def test_a_dict_may_name_an_absent_class_only_with_weight_0():
    X, y, w, _ = data(6)
    for name in ("k-NN", "softmax", "softmax sweep", "k-NN folds"):
        clone(MODELS[name]).set_params(class_weight={"absent": 0.0, 7: 3.0}).fit(X, y, w)
        with pytest.raises(InputError, match="names the label 'absent'"):
            clone(MODELS[name]).set_params(class_weight={"absent": 1.0}).fit(X, y)


@pytest.mark.parametrize("rule", ["distance", "softmax"])
def test_a_row_s_weight_multiplies_its_vote_by_distance(rule):
    rng = np.random.default_rng(5)
    X, Q = rng.normal(size=(60, 3)), rng.normal(size=(20, 3))
    y, weights = rng.integers(0, 3, 60), rng.uniform(0.1, 9.0, 60)
    model = fastcls.KNeighborsClassifier(7, weights=rule, temperature=0.5).fit(X, y, sample_weight=weights)
    distances, indices = reference.kneighbors(Q, X, 7, "l2")
    votes = reference.vote_weights(distances, rule, 0.5) * weights[indices]
    winners, totals, _ = reference.vote(y[indices], votes, 3)
    np.testing.assert_array_equal(model.predict(Q), winners)
    np.testing.assert_allclose(model.predict_proba(Q), totals / totals.sum(axis=1, keepdims=True), rtol=1e-12)
