"""The ONNX graph agrees with the model to 1e-6 under onnxruntime; every refusal is one line."""

import json
import sys

import numpy as np
import pytest
from _labels import LABELS
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastcls
from fastcls._validation.errors import InputError

needs_onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

LINEAR = ["MulticlassSVM", "SoftmaxClassifier"]


def rows(dtype="uint8", n=300, d=20, seed=0):
    rng = np.random.default_rng(seed)
    low, high = (-128, 128) if dtype == "int8" else (0, 256)
    X = rng.integers(low, high, (n, d)).astype(dtype)
    return X if dtype in ("uint8", "int8") else (X + rng.normal(size=X.shape).astype(dtype)).astype(dtype)


def fitted(name, dtype="uint8", labels=None, X=None, **params):
    X = rows(dtype) if X is None else X
    labels = np.arange(4) if labels is None else labels
    y = labels[(X.astype(float) @ np.linspace(-1, 1, X.shape[1])).argsort().argsort() * len(labels) // len(X)]
    return getattr(fastcls, name)(max_iter=3, random_state=0, **params).fit(X, y)


def answers(made, X):
    """Outputs of a graph by name, under onnxruntime."""
    session = onnxruntime.InferenceSession(
        made if isinstance(made, str) else made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"X": X}), strict=True))


def assert_same(found, model, X):
    wanted = {"label": model.predict(X), "scores": model.decision_function(X)}
    if hasattr(model, "predict_proba"):
        wanted["probabilities"] = model.predict_proba(X)
    assert list(found) == list(wanted)
    assert found["label"].tolist() == wanted.pop("label").tolist()
    for name, values in wanted.items():
        assert found[name].dtype == np.float64
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", fastcls.onnx.DTYPES)
@pytest.mark.parametrize("name", LINEAR)
def test_graph_answers_as_the_model_does(name, dtype):
    model, X = fitted(name, dtype), rows(dtype, seed=1)
    found = answers(fastcls.onnx.to_onnx(model, dtype=dtype), X)
    assert_same(found, model, X)
    assert len(set(found["label"])) > 1  # the answers vary: equality says something
    assert_same(answers(fastcls.onnx.to_onnx(model, dtype=dtype), X[:1]), model, X[:1])


@pytest.mark.parametrize("name", LINEAR)
def test_images_of_thousands_of_pixels_are_within_1e_6(name):
    """In float32 they are not: this is why the graph computes in float64."""
    X = rows(n=200, d=3072)
    model = fitted(name, X=X)
    assert_same(answers(fastcls.onnx.to_onnx(model, dtype="uint8"), X), model, X)
    single = X.astype(np.float32) @ model.coef_.astype(np.float32).T + model.intercept_.astype(np.float32)
    assert np.abs(single - model.decision_function(X)).max() > 1e-6


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("name", LINEAR)
def test_labels_of_every_kind_come_out(name, kind):
    model, X = fitted(name, labels=LABELS[kind]), rows(seed=1)
    found = answers(fastcls.onnx.to_onnx(model, dtype="uint8"), X)
    assert_same(found, model, X)
    assert set(found["label"].tolist()) == set(LABELS[kind].tolist())


@pytest.mark.parametrize("name", LINEAR)
def test_equal_scores_give_the_first_class(name):
    model = fitted(name)
    model.coef_ = np.zeros_like(model.coef_)
    model.intercept_ = np.array([0.0, 1.0, 1.0, 0.5])
    assert set(answers(fastcls.onnx.to_onnx(model, dtype="uint8"), rows())["label"]) == {1}


def test_large_scores_are_probabilities_too():
    model, X = fitted("SoftmaxClassifier"), rows()
    model.coef_ = model.coef_ * 1e6
    found = answers(fastcls.onnx.to_onnx(model, dtype="uint8"), X)["probabilities"]
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", LINEAR)
def test_export_of_a_loaded_model_equals_that_of_the_original(tmp_path, name):
    metadata = {"class_names": ["ä", "b"], "image_shape": [4, 5, 1], "preprocessing": {"resize": None}}
    fitted(name, labels=LABELS["str"]).save(tmp_path / "m.safetensors", metadata=metadata)
    model = fastcls.load(tmp_path / "m.safetensors")
    path = tmp_path / "m.onnx"
    fastcls.onnx.export(model, path, dtype="uint8")
    assert_same(answers(str(path), rows(seed=2)), model, rows(seed=2))
    read = needs_onnx.load(path)
    properties = {entry.key: json.loads(entry.value) for entry in read.metadata_props}
    assert properties == {
        "format": "fastcls",
        "class": name,
        "classes": model.classes_.tolist(),
        "features": None,
        **metadata,
    }
    assert (read.producer_name, read.producer_version) == ("fastcls", fastcls.__version__)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m.onnx", "m.safetensors"]
    other = fastcls.onnx.to_onnx(model, metadata={"a": np.int64(1)})
    half = fastcls.onnx.to_onnx(model, metadata={"from": "a\udcff.png"})  # as Python names files that are not in UTF-8
    assert [json.loads(entry.value) for entry in half.metadata_props if entry.key == "from"] == ["a\udcff.png"]
    assert {entry.key for entry in other.metadata_props} == {"format", "class", "classes", "features", "a"}


def test_graph_uses_only_standard_onnx_operators():
    for name in LINEAR:
        for labels in (np.arange(4), np.array(["a", "b"])):
            made = fastcls.onnx.to_onnx(fitted(name, labels=labels))
            assert [opset.domain for opset in made.opset_import] == [""]
            assert {node.domain for node in made.graph.node} == {""}


def test_another_type_of_rows_is_refused_by_the_runtime():
    made = fastcls.onnx.to_onnx(fitted("SoftmaxClassifier"), dtype="uint8")
    with pytest.raises(Exception, match="tensor\\(uint8\\)"):
        answers(made, rows("float32"))


REFUSED = {
    "KNeighborsClassifier": lambda X, y: fastcls.KNeighborsClassifier(1).fit(X, y),
    "NearestNeighbors": lambda X, y: fastcls.NearestNeighbors().fit(X),
    "NearestClassMean": lambda X, y: fastcls.NearestClassMean().fit(X, y),
    "Pipeline": lambda X, y: make_pipeline(StandardScaler(), fastcls.SoftmaxClassifier(max_iter=1)).fit(X, y),
    "SoftmaxClassifierCV": lambda X, y: fastcls.SoftmaxClassifierCV([1e-3], max_iter=1).fit(X, y),
    "str": lambda X, y: "model.onnx",
}
TOLD = {
    "KNeighborsClassifier": r"keep it with save\(path\)",
    "NearestNeighbors": r"keep it with save\(path\)",
    "NearestClassMean": "give one of these",
    "Pipeline": "export its last step",
    "SoftmaxClassifierCV": "best_estimator_",
    "str": "give one of these",
}


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_are_not_linear_are_refused_with_what_to_do(tmp_path, name):
    X = rows(n=60)
    model = REFUSED[name](X, np.arange(60) % 2)
    with pytest.raises(InputError, match=f"^{name} has no ONNX export.*{TOLD[name]}") as caught:
        fastcls.onnx.export(model, tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", LINEAR)
def test_unfitted_model_is_refused(tmp_path, name):
    with pytest.raises(NotFittedError):
        fastcls.onnx.export(getattr(fastcls, name)(), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_exports_that_cannot_be_written_are_refused_in_one_line(tmp_path):
    model = fitted("SoftmaxClassifier")
    cases = [
        ({"dtype": "int32"}, "choose one of: uint8"),
        ({"metadata": [1]}, "metadata is a list"),
        ({"metadata": {"a": float("nan")}}, r"metadata\['a'\] is nan"),
        ({"metadata": {"classes": []}}, "key 'classes', which the file format reserves"),
    ]
    for options, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            fastcls.onnx.export(model, tmp_path / "m.onnx", **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such folder"):
        fastcls.onnx.export(model, tmp_path / "missing" / "m.onnx")
    with pytest.raises(InputError, match="is a folder"):
        fastcls.onnx.export(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1, 2**63], dtype=np.uint64),
        np.array([1, "a"], dtype=object),
        np.array(["a", "\ud800"]),
        pytest.param(
            np.array([1, 2], dtype=np.longdouble),
            marks=pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long doubles are doubles here"),
        ),
    ],
)
def test_labels_of_a_type_that_onnx_lacks_are_refused(labels):
    model = fitted("SoftmaxClassifier")
    model.coef_, model.intercept_, model.classes_ = model.coef_[:2], model.intercept_[:2], labels
    with pytest.raises(InputError, match="no type for"):
        fastcls.onnx.to_onnx(model)


def test_without_onnx_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"^ONNX export needs onnx.*pip install 'fastcls\[onnx\]'$"):
        fastcls.onnx.to_onnx(fitted("SoftmaxClassifier"))
