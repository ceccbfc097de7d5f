"""A model file has the parameters as they were at fit; those that are read at prediction have their current value."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

import fastcls
from fastcls._validation.errors import InputError

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 9, (60, 4)).astype(np.uint8), np.arange(60) % 3
Q = RNG.integers(0, 9, (20, 4)).astype(np.uint8)

#: read whenever a k-NN model is used, as in scikit-learn: the file has them as they stand
READ_WHEN_USED = {
    "n_neighbors": 2,
    "radius": 2.5,
    "weights": "distance",
    "temperature": 0.5,
    "tie_break": "nearest",
    "algorithm": "brute",
}
#: parameters that no fit reads afterwards, or that belong to the machine
NO_MATTER = ("n_jobs", "callbacks", "checkpoint", "resume", "client", "n_shards")
OTHERS = {
    "metric": "l1",
    "p": 1,
    "metric_params": {"a": 1},
    "leaf_size": 7,
    "class_weight": {0: 9.0},
    "center": False,
    "scale": False,
    "normalize": False,
    "loss": "one_vs_all",
    "margin": 3.0,
    "include_correct": True,
    "class_reduction": "mean",
    "penalty": "l1",
    "alpha": 0.5,
    "C": 3.0,
    "l1_ratio": 0.9,
    "max_norm": 0.1,
    "solver": "gd",
    "batch_size": 7,
    "learning_rate": 0.01,
    "schedule": "constant",
    "momentum": 0.1,
    "nesterov": True,
    "max_iter": 3,
    "tol": 1e-3,
    "init_scale": 0.5,
    "fit_intercept": False,
    "early_stopping": True,
    "validation_fraction": 0.4,
    "warm_start": True,
    "random_state": 5,
    "checkpoint_seconds": 1.0,
    "verbose": 0,
}
MODELS = (
    fastcls.NearestNeighbors(3),
    fastcls.KNeighborsClassifier(3),
    fastcls.NearestClassMean(),
    fastcls.SoftmaxClassifier(max_iter=2, random_state=0),
    fastcls.MulticlassSVM(max_iter=2, random_state=0),
)


def answers(model):
    if isinstance(model, fastcls.NearestNeighbors):
        return [*model.kneighbors(Q), model.radius_neighbors_graph(Q).toarray()]
    found = [model.predict(Q)]
    if hasattr(model, "decision_function"):
        found.append(model.decision_function(Q))
    if hasattr(model, "predict_proba"):
        found.append(model.predict_proba(Q))
    if hasattr(model, "loss_and_gradient"):
        found += [np.asarray(part) for part in model.loss_and_gradient(X, Y)]
    return found


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def content(model, path):
    model.save(path)
    return path.read_bytes()


CASES = [(model, name) for model in MODELS for name in model.get_params() if name not in (*READ_WHEN_USED, *NO_MATTER)]


@pytest.mark.parametrize(("model", "name"), CASES, ids=[f"{type(model).__name__}-{name}" for model, name in CASES])
def test_a_fit_parameter_that_is_set_after_fit_changes_neither_file_nor_answer(model, name, tmp_path):
    model = clone(model).fit(X, Y)
    before, wanted = content(model, tmp_path / "a.safetensors"), answers(model)
    other = OTHERS[name]
    assert name == "verbose" or model.get_params()[name] != other
    model.set_params(**{name: other})
    assert_same(answers(model), wanted)
    assert content(model, tmp_path / "b.safetensors") == before
    for again in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again.get_params() == model.get_params()  # these stay as they are
        assert content(again, tmp_path / "b.safetensors") == before
    loaded = fastcls.load(tmp_path / "b.safetensors")
    assert_same(answers(loaded), wanted)
    loaded.set_params(**{name: other})
    assert_same(answers(loaded), wanted)
    assert content(loaded, tmp_path / "b.safetensors") == before
    if name not in ("metric_params", "loss", "p"):  # the next fit reads it
        loaded.set_params(**{name: model.get_params()[name]}).fit(X, Y)
        assert fastcls_params(loaded, tmp_path)[name] == other


def fastcls_params(model, tmp_path):
    model.save(tmp_path / "c.safetensors")
    return fastcls.load(tmp_path / "c.safetensors").get_params()


@pytest.mark.parametrize("model", MODELS[:2], ids=repr)
@pytest.mark.parametrize("name", READ_WHEN_USED)
def test_a_parameter_that_is_read_at_use_is_saved_with_its_current_value(model, name, tmp_path):
    if name not in model.get_params():
        return
    model = clone(model).fit(X, Y).set_params(**{name: READ_WHEN_USED[name]})
    assert fastcls_params(model, tmp_path)[name] == READ_WHEN_USED[name]
    model.save(tmp_path / "c.safetensors")
    assert_same(answers(fastcls.load(tmp_path / "c.safetensors")), answers(model))


def test_a_dict_parameter_that_is_changed_after_fit_changes_nothing(tmp_path):
    weights = {0: 1.0, 1: 5.0}
    for kind in (fastcls.KNeighborsClassifier, fastcls.SoftmaxClassifier):
        weights[1] = 5.0
        model = kind(class_weight=weights).fit(X, Y)
        before = content(model, tmp_path / "a.safetensors")
        weights[1] = 70.0
        assert content(model, tmp_path / "b.safetensors") == before


def test_partial_fit_is_saved_with_the_parameters_of_training(tmp_path):
    model = fastcls.SoftmaxClassifier(random_state=0).partial_fit(X, Y).set_params(alpha=0.25)
    assert fastcls_params(model, tmp_path)["alpha"] == fastcls.SoftmaxClassifier().alpha
    assert fastcls_params(model.partial_fit(X, Y), tmp_path)["alpha"] == 0.25
    voter = fastcls.KNeighborsClassifier(3).partial_fit(X, Y).set_params(class_weight="balanced")
    assert fastcls_params(voter, tmp_path)["class_weight"] is None
    assert fastcls_params(voter.partial_fit(X, Y), tmp_path)["class_weight"] == "balanced"


def test_a_generator_must_be_replaced_by_a_number_before_saving(tmp_path):
    model = fastcls.SoftmaxClassifier(max_iter=2, random_state=np.random.RandomState(0)).fit(X, Y)
    with pytest.raises(InputError, match="random_state is a RandomState"):
        model.save(tmp_path / "a.safetensors")
    assert fastcls_params(model.set_params(random_state=3), tmp_path)["random_state"] == 3


def test_searches_save_their_choice_whatever_is_set_after_fit(tmp_path):
    for search in (
        fastcls.KNeighborsClassifierCV([1, 3], cv=3, random_state=0),
        fastcls.SoftmaxClassifierCV([1e-3], cv=3, max_iter=2, random_state=0),
        fastcls.MulticlassSVMCV([1e-3], cv=3, max_iter=2, random_state=0),
    ):
        before = content(search.fit(X, Y), tmp_path / "a.safetensors")
        for name in search.get_params(deep=False):
            if name in OTHERS:
                search.set_params(**{name: OTHERS[name]})
        assert content(search, tmp_path / "b.safetensors") == before


def test_onnx_exports_the_fitted_model(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    assert onnx
    for model in MODELS[3:]:
        model = clone(model).fit(X, Y)
        fastcls.onnx.export(model, tmp_path / "a.onnx")
        model.set_params(**{name: OTHERS[name] for name in model.get_params() if name in OTHERS})
        fastcls.onnx.export(model, tmp_path / "b.onnx")
        assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize(
    ("y", "weights"),
    [
        ([0, 1, 2], {0: 1.0, 1: 5.0}),
        ([0, 1, 2], {np.int64(0): 1.0, np.int8(2): np.float32(0.5)}),
        ([-(2**62), 7, 2**62], {7: 3, 2**62: 2.5}),
        (["a", "b", "1"], {"a": 2.0, "1": 0.5}),
        ([False, True, True], {True: 4.0}),
        ([1.0, 2.0, 7.0], {1.0: 2.0, 7.0: 3.0}),
        ([0, 1, 2], {}),
        (["dict of pairs", "b", "c"], {"dict of pairs": 2.0}),
        ([0, 1, 2], "balanced"),
        ([0, 1, 2], None),
    ],
)
@pytest.mark.parametrize("kind", [fastcls.KNeighborsClassifier, fastcls.SoftmaxClassifier, fastcls.MulticlassSVM])
def test_class_weights_are_loaded_with_their_labels(kind, y, weights, tmp_path):
    labels = np.array(y)[Y]
    options = {} if kind is fastcls.KNeighborsClassifier else {"random_state": 0, "max_iter": 2}
    model = kind(class_weight=weights, **options)
    model.fit(X, labels).save(tmp_path / "m.safetensors")
    loaded = fastcls.load(tmp_path / "m.safetensors")
    assert loaded.class_weight == weights
    if isinstance(weights, dict):
        plain = [key.item() if isinstance(key, np.generic) else key for key in weights]
        assert [type(key) for key in loaded.class_weight] == [type(key) for key in plain]
    np.testing.assert_array_equal(loaded.predict(Q), model.predict(Q))
    assert_same([loaded.fit(X, labels).predict(Q)], [model.predict(Q)])
    if kind is not fastcls.MulticlassSVM:
        np.testing.assert_array_equal(loaded.predict_proba(Q), model.predict_proba(Q))
