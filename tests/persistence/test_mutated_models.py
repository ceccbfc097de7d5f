"""Complete model files with wrong contents are refused in one line or used correctly. run_sanitized.sh runs many more."""

import json

import numpy as np
import pytest
from _models import fitted, refusal, rewritten, rows, saved
from _mutated_models import run

import fastcls
from fastcls import persistence
from fastcls._validation.errors import InputError


def test_mutated_files_are_refused_or_give_right_answers(tmp_path):
    tally, faults = run(150, 0, tmp_path)
    assert not faults, faults[:3]
    assert tally["loaded"] > 15
    assert tally["refused"] > 15


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_rows_are_refused_before_the_first_search(tmp_path, dtype, value):
    def written(X):
        path, bad = saved(tmp_path, X=X), X.copy()
        bad[7, 3] = value
        return rewritten(path, arrays={"X": bad})

    assert "row 7, column 3" in refusal(written(rows(dtype)))
    X = rows(dtype, n=20_000, d=70)  # left on disk when the model is loaded
    path = written(X)
    for ask in (
        lambda m: m.predict(X[:2]),
        lambda m: m.kneighbors(),
        lambda m: m.save(tmp_path / "n"),
        lambda m: m.partial_fit(X[:1], [0]),
    ):
        with pytest.raises(InputError, match=r"training data in .* row 7, column 3"):
            ask(fastcls.load(path))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("SoftmaxClassifier", "coef"),
        ("MulticlassSVM", "intercept"),
        ("SoftmaxClassifier", "center"),
        ("NearestClassMean", "means"),
        ("NearestClassMean", "center"),
    ],
)
def test_nan_weights_and_means_are_refused(tmp_path, name, array):
    for value in (np.nan, np.inf):
        path = saved(tmp_path, name)
        header = fastcls._storage.safetensors.read_header(path, "a model")
        bad = np.array(fastcls._storage.safetensors.Arrays(path, header)[array])
        bad.reshape(-1)[1] = value
        assert array in refusal(rewritten(path, arrays={array: bad}))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_of_zero_is_refused(tmp_path, scale):
    path = saved(tmp_path, "SoftmaxClassifier")
    values = json.loads(fastcls._storage.safetensors.read_header(path, "a model")["values"])
    assert "scale" in refusal(rewritten(path, {"values": json.dumps({**values, "scale": scale})}))


def test_classes_that_need_far_more_memory_than_their_text_are_refused(tmp_path):
    values = json.dumps([f"{number:06}" for number in range(200_000)])
    path = rewritten(saved(tmp_path), {"classes": f'{{"dtype": "<U16384", "values": {values}}}'})
    assert "more memory" in refusal(path)


def test_save_refuses_labels_far_wider_than_needed_and_keeps_ordinary_ones(tmp_path):
    wide = fitted("NearestClassMean", labels=np.array(["a", "b", "c"], dtype="<U100000"))
    with pytest.raises(InputError, match="wider than its 3 labels need"):
        wide.save(tmp_path / "wide")
    assert not any(tmp_path.iterdir())
    fitted("NearestClassMean", labels=np.array(["a", "b", "c"], dtype="<U1000")).save(tmp_path / "m")
    assert fastcls.load(tmp_path / "m").classes_.dtype == "<U1000"


@pytest.mark.parametrize("order", ["<", ">"])
def test_labels_of_zero_width_strings_are_refused(order):
    bad = np.array([97, 98, 0x110000] * 10, dtype=f"{order}u4").view(f"{order}U1")
    for name in persistence.classes():
        if hasattr(persistence._class_of(name), "predict"):
            with pytest.raises(InputError, match="invalid code point 0x110000"):
                persistence._class_of(name)().fit(rows(n=30), bad)
    for act in (
        lambda X: fastcls.KNeighborsClassifierCV([1], cv=2).fit(X, bad),
        lambda X: fastcls.evaluate_k(X, bad, X, bad, [1]),
        lambda X: fastcls.KNeighborsClassifier(1).fit(X, ["a", "b", "c"] * 10).partial_fit(X, bad),
    ):
        with pytest.raises(InputError, match="invalid code point"):
            act(rows(n=30))


def test_class_codes_are_kept_in_memory_not_in_a_shared_file(tmp_path):
    X = rows(n=140_000, d=2)
    model = fastcls.load(saved(tmp_path, X=X))
    assert isinstance(model._rows.chunks[0], np.memmap) or X.nbytes < 1 << 20
    assert type(model._codes) is np.ndarray
    assert model._codes.flags.owndata


@pytest.mark.parametrize("random_state", [[0], "0", -1, 2**32, 0.5])
@pytest.mark.parametrize("name", ["MulticlassSVM", "SoftmaxClassifier", "SoftmaxClassifierCV"])
def test_an_invalid_seed_is_refused_in_one_line(name, random_state):
    model = getattr(fastcls, name)(random_state=random_state)
    with pytest.raises(InputError, match="random_state=.*; wanted None"):
        model.fit(rows(), np.arange(40) % 3)
