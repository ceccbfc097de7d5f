"""Models through pickle, joblib and skops are the same models; docs/models.md names the types that skops asks to trust."""

import functools
import io
import pickle
import re
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import fastcls

DOCS = Path(__file__).resolve().parents[2] / "docs" / "models.md"
SWEEP = {"alphas": [1e-3, 1e-2], "cv": 3, "max_iter": 2, "random_state": 0}
ESTIMATORS = {
    "KNeighborsClassifier": {"weights": "distance"},
    "KNeighborsClassifierCV": {"ks": [1, 3], "cv": 3},
    "KNeighborsTransformer": {"mode": "connectivity"},
    "MulticlassSVM": {"max_iter": 2, "random_state": 0},
    "MulticlassSVMCV": SWEEP,
    "NearestClassMean": {},
    "NearestNeighbors": {},
    "SoftmaxClassifier": {"max_iter": 2, "random_state": 0},
    "SoftmaxClassifierCV": SWEEP,
}


def rows(n=90, d=6, seed=0):
    return np.random.default_rng(seed).integers(0, 100, (n, d)).astype(np.uint8)


def fitted(name, X=None):
    X = rows() if X is None else X
    return getattr(fastcls, name)(**ESTIMATORS[name]).fit(X, np.array(["a", "b", "ü"])[np.arange(len(X)) % 3])


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(model):
    """As a careful reader does it: nothing is made that the documentation does not name."""
    skops_io = pytest.importorskip("skops.io", reason="skops is not installed")
    data = skops_io.dumps(model)
    asked = skops_io.get_untrusted_types(data=data)
    assert set(asked) <= documented_types(), asked
    return skops_io.loads(data, trusted=asked)


def documented_types():
    if not DOCS.is_file():
        pytest.skip("the folder docs is missing")
    section = DOCS.read_text(encoding="utf-8").split("## skops")[1].split("\n## ")[0]
    return set(re.findall(r'"((?:fastcls|numpy)\.[\w.]+)"', section))


def assert_same(again, model, Q):
    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    asked = [name for name in ("predict", "predict_proba", "decision_function", "kneighbors") if hasattr(model, name)]
    assert asked
    for name in asked:
        found, wanted = (np.asarray(getattr(one, name)(Q)).tolist() for one in (again, model))
        assert found == wanted, name


WAYS = pytest.mark.parametrize("way", [by_pickle, by_joblib, by_skops], ids=["pickle", "joblib", "skops"])


def test_every_estimator_is_tested():
    assert set(ESTIMATORS) == {name for name in fastcls.__all__ if hasattr(getattr(fastcls, name), "fit")}


@WAYS
@pytest.mark.parametrize("name", ESTIMATORS)
def test_model_is_the_same_after_a_round_trip(name, way):
    model = fitted(name)
    again = way(model)
    assert_same(again, model, rows(seed=1))
    public = {key for key in vars(model) if key.endswith("_") and not key.startswith("_")}
    assert public <= set(vars(again))
    again.fit(rows(seed=2), np.arange(90) % 2)  # and can be fitted again


@WAYS
@pytest.mark.parametrize("name", ["KNeighborsClassifier", "SoftmaxClassifier"])
def test_pipeline_is_the_same_after_a_round_trip(name, way):
    model = make_pipeline(MinMaxScaler(), getattr(fastcls, name)(**ESTIMATORS[name])).fit(rows(), np.arange(90) % 3)
    assert way(model).predict(rows(seed=1)).tolist() == model.predict(rows(seed=1)).tolist()


def held_by(model):
    return [*vars(model).values(), *getattr(getattr(model, "_rows", None), "chunks", [])]


@functools.cache
def of_many_features():
    return fitted("SoftmaxClassifier", rows(90, 50_000))


@WAYS
def test_memory_maps_become_plain_arrays(tmp_path, way):
    """Of a user's map and of models that were loaded, whatever of them is a map: the file is needed no more."""
    X = rows(150_000, 8)
    np.save(tmp_path / "X.npy", X)
    mapped = fitted("KNeighborsClassifier", np.load(tmp_path / "X.npy", mmap_mode="r"))
    wide = of_many_features()
    for name, model, Q in (("knn", mapped, X[:20]), ("softmax", wide, rows(20, 50_000))):
        wanted = model.predict(Q).tolist()
        model.save(tmp_path / name)
        loaded = fastcls.load(tmp_path / name)
        assert any(isinstance(value, np.memmap) for value in held_by(loaded))
        for again in (way(model), way(loaded)):
            assert not any(isinstance(value, np.memmap) for value in held_by(again))
            assert again.predict(Q).tolist() == wanted
        assert any(isinstance(value, np.memmap) for value in held_by(loaded))  # the model itself still has them
