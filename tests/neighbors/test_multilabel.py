"""Several labels per row: votes as scikit-learn counts them, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from _models import refusal, rewritten
from scipy import sparse
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier as FromScikitLearn

import fastcls
from fastcls import KNeighborsClassifier, reference
from fastcls._scoring.label_votes import vote_labels
from fastcls._validation.errors import InputError
from fastcls.cli._predict import predict
from fastcls.display import DecisionRegionDisplay


def Theirs(k, **options):
    return FromScikitLearn(k, algorithm="kd_tree", **options)  # one thread; the arithmetic is exact in every algorithm


@pytest.fixture(scope="module")
def digits():
    """(X, Y, queries, their labels): whole numbers without equal distances, so that all arithmetic is exact."""
    rows, y = fastcls.datasets.load_digits().X, fastcls.datasets.load_digits().y
    X = rows * 64.0 + np.random.default_rng(0).integers(0, 64, size=rows.shape)
    Y = np.stack([y % 2 == 0, y > 4, y == 3, y % 3 == 0], axis=1).astype(np.int64)
    return X[:400], Y[:400], X[400:600], Y[400:600]


def shares_of(model, queries):
    """scikit-learn's list of arrays as one array; a label that no training row has is in none of its classes."""
    found = model.predict_proba(queries)
    return np.stack([one[:, 1] if one.shape[1] == 2 else np.zeros(len(one)) for one in found], axis=1)


@pytest.mark.parametrize("weights", ["uniform", "distance", lambda d: np.exp((d[:, :1] - d) / 0.07)])
@pytest.mark.parametrize("k", [1, 4, 5, 20])
def test_votes_are_those_of_scikit_learn_bit_for_bit(digits, k, weights):  # with k = 4, one vote in ten is tied
    X, Y, queries, truth = digits
    ours, theirs = (one(k, weights=weights).fit(X, Y) for one in (KNeighborsClassifier, Theirs))
    predicted = ours.predict(queries)
    assert predicted.dtype == Y.dtype
    assert np.array_equal(predicted, theirs.predict(queries))
    assert ours.predict_proba(queries).tobytes() == shares_of(theirs, queries).tobytes()
    assert ours.score(queries, truth) == theirs.score(queries, truth)
    some = np.arange(len(truth)) % 3.0
    assert ours.score(queries, truth, some) == pytest.approx(theirs.score(queries, truth, some), abs=1e-15)
    assert k != 4 or np.array_equal(ours.predict(None), theirs.predict(None))


def test_softmax_weights_are_those_of_a_function(digits):
    X, Y, queries, _ = digits
    ours = KNeighborsClassifier(9, weights="softmax", temperature=20.0).fit(X, Y)
    theirs = Theirs(9, weights=lambda d: np.exp((-d + d[:, :1]) / 20.0)).fit(X, Y)
    assert ours.predict_proba(queries).tobytes() == shares_of(theirs, queries).tobytes()
    assert np.array_equal(ours.predict(queries), theirs.predict(queries))


@pytest.mark.parametrize("tie_break", ["smallest", "nearest"])
@pytest.mark.parametrize("weights", ["none", "whole", "real", "zero"])
def test_votes_equal_the_reference(tie_break, weights):
    rng = np.random.default_rng(0)
    labels, indices = rng.integers(2, size=(50, 3)).astype(np.uint8), rng.integers(50, size=(90_000, 4))
    shape = indices.shape
    given = {
        "none": None,
        "whole": rng.integers(0, 3, size=shape).astype(float),
        "real": rng.random(shape),
        "zero": np.zeros(shape),
    }
    found = vote_labels(indices, given[weights], labels, tie_break=tie_break)  # in two parts: the last row is of the second
    some = np.r_[:200, len(indices) - 200 : len(indices)]
    of_some = np.ones((400, 4)) if weights == "none" else given[weights][some]
    has, shares, tied = reference.vote_labels(labels[indices[some]], of_some, tie_break)
    assert np.array_equal(found[0][some], has)
    assert np.array_equal(found[1][some], tied)
    assert found[2][some].tobytes() == shares.tobytes()
    assert tied.any() == (weights != "real")


def test_ties_at_one_half():
    X, Y = np.array([[0.0], [1.0], [3.0], [8.0]]), [[1, 0, 0], [0, 0, 1], [0, 0, 1], [1, 0, 1]]
    model = KNeighborsClassifier(4).fit(X, Y)
    assert model.predict_proba([[0.0]]).tolist() == [[0.5, 0.0, 0.75]]
    assert model.predict_ties([[0.0]]).tolist() == [[True, False, False]]
    assert model.predict([[0.0]]).tolist() == [[0, 0, 1]]  # one half is not enough, as in scikit-learn
    assert Theirs(4).fit(X, Y).predict([[0.0]]).tolist() == [[0, 0, 1]]
    nearest = KNeighborsClassifier(4, tie_break="nearest").fit(X, Y)
    assert nearest.predict([[0.0], [3.0]]).tolist() == [[1, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize("kind", ["bool", "uint8", "float32", "list", "frame", "nullable", "columns", "read-only"])
def test_labels_come_in_every_container(digits, kind):
    X, Y, queries, _ = digits
    wanted = KNeighborsClassifier(3).fit(X, Y).predict(queries)
    given = {
        "bool": Y.astype(bool),
        "uint8": Y.astype(np.uint8),
        "float32": Y.astype(np.float32),
        "list": Y.tolist(),
        "frame": pd.DataFrame(Y, columns=list("abcd")),
        "nullable": pd.DataFrame(Y).astype("Int8"),
        "columns": np.asfortranarray(Y),
        "read-only": np.broadcast_to(Y, Y.shape),
    }[kind]
    model = KNeighborsClassifier(3).fit(X, given)
    assert np.array_equal(model.predict(queries), wanted)
    assert model.predict(queries).dtype == model.classes_.dtype
    if kind != "nullable":
        assert model.classes_.dtype == getattr(given, "dtype", np.dtype(np.int64))
    if kind == "uint8":
        given[:] = 9  # labels are copied
        assert np.array_equal(model.predict(queries), wanted)


def test_attributes_and_a_later_fit_with_one_label_per_row(digits):
    X, Y, queries, _ = digits
    model = KNeighborsClassifier(3).fit(X, Y)
    assert model.outputs_2d_
    assert model.classes_.tolist() == [[0, 1]] * 4
    assert KNeighborsClassifier().__sklearn_tags__().classifier_tags.multi_label
    model.fit(X, Y[:, 0])
    assert not model.outputs_2d_
    assert model.classes_.tolist() == [0, 1]
    assert model.predict_proba(queries).shape == (200, 2)
    with pytest.warns(Warning, match="column-vector"):  # one column is one label per row, as in scikit-learn
        model.fit(X, Y[:, :1])
    assert model.predict(queries).shape == (200,)


@pytest.mark.parametrize("n_labels", [2, 4])
@pytest.mark.parametrize("scoring", ["accuracy", "f1_macro", "average_precision", "roc_auc"])
def test_scores_of_scikit_learn_are_those_of_its_own_classifier(digits, n_labels, scoring):
    X, Y = digits[0], digits[1][:, :n_labels]
    ours, theirs = (cross_val_score(one(5), X, Y, scoring=scoring, cv=2) for one in (KNeighborsClassifier, Theirs))
    assert ours.tolist() == theirs.tolist()


def test_searches_and_folds_of_scikit_learn(digits):
    X, Y, *_ = digits
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3, 25]}, cv=2, scoring="average_precision").fit(X, Y)
    assert search.best_params_["n_neighbors"] == 3
    shares = cross_val_predict(KNeighborsClassifier(3), X, Y, method="predict_proba", cv=2)
    assert shares[200:].tobytes() == KNeighborsClassifier(3).fit(X[:200], Y[:200]).predict_proba(X[200:]).tobytes()


def test_sample_weight_multiplies_votes_and_hides_rows(digits):
    X, Y, queries, _ = digits
    weight = np.arange(400) % 4
    model = KNeighborsClassifier(5).fit(X, Y, sample_weight=weight)
    kept = np.flatnonzero(weight)
    indices = kept[KNeighborsClassifier(5).fit(X[kept], Y[kept]).kneighbors(queries, return_distance=False)]
    _, shares, _ = reference.vote_labels(Y[indices], weight[indices].astype(float))
    assert model.predict_proba(queries).tobytes() == shares.tobytes()


def test_growth_is_a_fit_on_all_rows(digits):
    X, Y, queries, _ = digits
    weight = np.arange(400) % 3.0
    for given in (None, weight):
        grown = KNeighborsClassifier(5).fit(X[:100], Y[:100].astype(bool), None if given is None else given[:100])
        for part in (slice(100, 101), slice(101, 400)):
            grown.partial_fit(X[part], Y[part], sample_weight=None if given is None else given[part])
        whole = KNeighborsClassifier(5).fit(X, Y, given)
        assert grown.predict_proba(queries).tobytes() == whole.predict_proba(queries).tobytes()
        assert grown.predict(queries).dtype == bool
    first = KNeighborsClassifier(5).partial_fit(X, Y)
    assert np.array_equal(first.predict(queries), KNeighborsClassifier(5).fit(X, Y).predict(queries))


def test_a_saved_model_answers_as_before(digits, tmp_path):
    X, Y, queries, _ = digits
    for dtype in (np.int64, bool, np.float32):
        model = KNeighborsClassifier(5, weights="distance").fit(X, Y.astype(dtype), np.arange(400) % 3)
        model.save(tmp_path / "knn.safetensors")
        loaded = fastcls.load(tmp_path / "knn.safetensors")
        assert loaded.classes_.tolist() == model.classes_.tolist()
        assert loaded.predict(queries).dtype == dtype
        assert loaded.predict_proba(queries).tobytes() == model.predict_proba(queries).tobytes()
        assert loaded.outputs_2d_
        again = loaded.partial_fit(X[:9], Y[:9])
        assert again.n_samples_fit_ == 409


DAMAGED = {
    "another value": {"arrays": {"codes": np.full((400, 4), 2, np.uint8)}},
    "another type": {"arrays": {"codes": np.ones((400, 4), np.int64)}},
    "too few rows": {"arrays": {"codes": np.ones((399, 4), np.uint8)}},
    "no column": {"arrays": {"codes": np.ones((400, 0), np.uint8)}},
    "no labels": {"arrays": {"codes": None}},
    "weights of other rows": {"arrays": {"sample_weight": np.ones(399)}},
    "negative weights": {"arrays": {"sample_weight": -np.ones(400)}},
    "three values": {"header": {"classes": '{"dtype": "<i8", "values": [0, 1, 2]}'}},
    "other values": {"header": {"classes": '{"dtype": "<i8", "values": [1, 2]}'}},
    "text": {"header": {"classes": '{"dtype": "<U1", "values": ["0", "1"]}'}},
    "no values": {"header": {"classes": "null"}},
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_table_of_labels_is_refused(case, digits, tmp_path):
    path = tmp_path / "knn.safetensors"
    KNeighborsClassifier(5).fit(*digits[:2]).save(path)
    assert "damaged" in refusal(rewritten(path, **DAMAGED[case]))


ROWS, LABELS = np.arange(12.0).reshape(6, 2), np.array([[0, 1], [1, 1], [0, 0], [1, 0], [0, 1], [1, 1]])
TWO, MISSING, TEXT = LABELS.copy(), LABELS.astype(float), LABELS.astype(str)
TWO[3, 1], MISSING[4, 0] = 2, np.nan
REFUSED = {
    "another value": (TWO, "y has 2 at row 3, column 1; wanted 0 or 1.*MultiOutputClassifier"),
    "minus one": (LABELS * 2 - 1, "y has -1 at row 0, column 0; wanted 0 or 1"),
    "NaN": (MISSING, "y has nan at row 4, column 0; wanted 0 or 1"),
    "shares": (LABELS * 0.5, r"y has 0.5 at row 0, column 1"),
    "text": (TEXT, "wanted 0 or 1, one column a label.*MultiLabelBinarizer"),
    "lists of labels": ([[1, 2], [3], [], [1], [2], [3, 1]], "different lengths.*MultiLabelBinarizer"),
    "tuples of text": ([("a", "b")] * 6, "MultiLabelBinarizer"),
    "sparse": (sparse.csr_array(LABELS), r"y is a sparse matrix.*y.toarray\(\)"),
    "no column": (LABELS[:, :0], r"y has no columns, shape \(6, 0\)"),
    "too few rows": (LABELS[:5], "y has 5 rows of labels for 6 rows of X"),
    "a row": (LABELS[:, 0][None], r"y has 1 row of labels for 6 rows of X.*y.ravel\(\)"),
    "dates": (LABELS.astype("M8[s]"), "y has dtype|y has"),
    "complex": (LABELS * 1j, "y has"),
    "masked": (np.ma.array(LABELS, mask=LABELS > 0), "masked"),
    "three dimensions": (LABELS[..., None], "shape"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_labels_are_refused_in_one_line(case):
    y, message = REFUSED[case]
    model = KNeighborsClassifier(1).fit(ROWS, LABELS)
    before = model.predict(ROWS)
    for call in (KNeighborsClassifier(1).fit, model.partial_fit, model.score):
        with pytest.raises(InputError, match="shape|earlier" if case == "three dimensions" else message) as caught:
            call(ROWS, y)
        assert "\n" not in str(caught.value)
    assert np.array_equal(model.predict(ROWS), before)


def test_options_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="class_weight='balanced' with several labels per row"):
        KNeighborsClassifier(1, class_weight="balanced").fit(ROWS, LABELS)
    model = KNeighborsClassifier(1).fit(ROWS, LABELS)
    with pytest.raises(InputError, match="leave classes out"):
        model.partial_fit(ROWS, LABELS, classes=[0, 1])
    with pytest.raises(InputError, match="y has one label per row, but earlier calls had several"):
        model.partial_fit(ROWS, LABELS[:, 0])
    with pytest.raises(InputError, match="y has several labels per row, but earlier calls had one"):
        KNeighborsClassifier(1).fit(ROWS, LABELS[:, 0]).partial_fit(ROWS, LABELS)
    for call in (model.partial_fit, model.score):
        with pytest.raises(InputError, match="y has 3 columns, but the model has 2 labels"):
            call(ROWS, LABELS[:, [0, 1, 1]])
    with pytest.raises(InputError, match=r"y has shape \(6,\); wanted 0 or 1.*\(n_rows, n_labels\)"):
        model.score(ROWS, LABELS[:, 0])
    with pytest.raises(InputError, match="several labels per row"):
        KNeighborsClassifier(1).fit(ROWS, LABELS[:, 0]).score(ROWS, LABELS)
    with pytest.raises(InputError, match="n_neighbors=7, but there are only 6 training rows"):
        KNeighborsClassifier(7).fit(ROWS, LABELS).predict(ROWS)


def refuse_prediction(tmp_path):
    KNeighborsClassifier(1).fit(ROWS, LABELS).save(tmp_path / "knn.safetensors", metadata={"class_names": ["a", "b"]})
    np.save(tmp_path / "rows.npy", ROWS)
    predict(tmp_path / "knn.safetensors", [str(tmp_path / "rows.npy")], out=None, as_json=False)


TOOK_ONE_LABEL_PER_ROW = {
    "NearestClassMean": lambda _: fastcls.NearestClassMean().fit(ROWS, LABELS),
    "SoftmaxClassifier": lambda _: fastcls.SoftmaxClassifier().fit(ROWS, LABELS),
    "MulticlassSVM": lambda _: fastcls.MulticlassSVM().partial_fit(ROWS, LABELS),
    "KNeighborsClassifierCV": lambda _: fastcls.KNeighborsClassifierCV([1], cv=2).fit(ROWS, LABELS),
    "SoftmaxClassifierCV": lambda _: fastcls.SoftmaxClassifierCV(cv=2).fit(ROWS, LABELS),
    "evaluate_k": lambda _: fastcls.evaluate_k(ROWS, LABELS, ROWS, LABELS, [1]),
    "datasets.load": lambda _: fastcls.datasets.load((ROWS, LABELS)),
    "lists of labels": lambda _: fastcls.SoftmaxClassifier().fit(ROWS, pd.Series([[1], [1, 2]] * 3)),
    "regions": lambda _: DecisionRegionDisplay.from_estimator(KNeighborsClassifier(1).fit(ROWS, LABELS), ROWS, LABELS[:, 0]),
    "fastcls predict": refuse_prediction,
}


@pytest.mark.parametrize("name", TOOK_ONE_LABEL_PER_ROW)
def test_several_labels_per_row_are_refused_elsewhere(name, tmp_path):
    with pytest.raises(InputError, match="several labels per row") as caught:
        TOOK_ONE_LABEL_PER_ROW[name](tmp_path)
    assert "\n" not in str(caught.value)
