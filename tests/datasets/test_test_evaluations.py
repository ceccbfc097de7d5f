"""A `Dataset` counts evaluations of its test rows, and warns at the second; validation rows and folds are not counted."""

import copy
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from fastcls import KNeighborsClassifier, KNeighborsClassifierCV, datasets, evaluate_k
from fastcls._validation.errors import InputError
from fastcls.datasets import ReusedTestRowsWarning
from fastcls.protocols import few_shot, knn_eval, linear_probe


@pytest.fixture
def data():
    return datasets.train_test_split(datasets.load_digits(), random_state=0)


@pytest.fixture
def model(data):
    return KNeighborsClassifier(3).fit(data.X, data.y)


SCORERS = {
    "score_test": lambda data, model: data.score_test(model),
    "evaluate_k": lambda data, model: evaluate_k(data, ks=[1, 3]),
    "knn_eval": lambda data, model: knn_eval(data, preset="dino"),
    "linear_probe": lambda data, model: linear_probe(data, preset="mteb", random_state=0),
    "few_shot": lambda data, model: few_shot(train=data, n_per_class=2, n_tries=1, classifier="mean", random_state=0),
}


def warnings_of(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [one for one in caught if one.category is ReusedTestRowsWarning]


def test_score_is_the_models_own(data, model):
    found = data.score_test(model)
    assert found.accuracy == model.score(data.X_test, data.y_test)
    assert found.errors == (found.predicted != data.y_test).sum() == (~found.hits).sum()
    assert found.n_test == 360
    np.testing.assert_allclose(found.interval, (0.9679, 0.9941), atol=1e-4)  # 355 of 360, Wilson


def test_accuracy_is_one_division_as_in_scikit_learn():
    for right in range(398):  # 1 - errors / n differs in the last bit for some
        hits = np.arange(397) < right
        assert datasets.TestScore(hits, hits).accuracy == accuracy_score(np.ones(397), hits)


@pytest.mark.parametrize("second", SCORERS)
@pytest.mark.parametrize("first", ["score_test", "evaluate_k"])
def test_the_second_evaluation_warns_at_the_line_that_made_it(data, model, first, second):
    assert not warnings_of(lambda: SCORERS[first](data, model))
    assert data.test_evaluations == 1
    (warned,) = warnings_of(lambda: SCORERS[second](data, model))
    assert f"were already scored once (first by {first})" in str(warned.message)
    assert warned.filename == __file__
    assert data.test_evaluations == 2
    assert "2 times" in str(warnings_of(lambda: data.score_test(model))[0].message)


@pytest.mark.parametrize("name", list(SCORERS)[1:])
def test_a_data_set_gives_the_table_of_its_arrays(data, name, monkeypatch):
    whole = SCORERS[name](data, None)
    arrays = {"train": data.X, "y": data.y, "test": data.X_test, "y_test": data.y_test}
    options = {
        "evaluate_k": {"ks": [1, 3]},
        "knn_eval": {"preset": "dino"},
        "linear_probe": {"preset": "mteb", "random_state": 0},
        "few_shot": {"n_per_class": 2, "n_tries": 1, "classifier": "mean", "random_state": 0},
    }[name]
    function = {"evaluate_k": evaluate_k, "knn_eval": knn_eval, "linear_probe": linear_probe, "few_shot": few_shot}[name]
    assert not warnings_of(lambda: function(**arrays, **options))
    assert function(*arrays.values(), **options)["top1"] == whole["top1"]
    assert data.test_evaluations == 1


def test_validation_rows_and_folds_are_not_counted(data, model):
    train, held = datasets.train_validation_split(data.y, random_state=0)

    def choose():
        for k in (1, 3, 5):
            KNeighborsClassifier(k).fit(data.X[train], data.y[train]).score(data.X[held], data.y[held])
        KNeighborsClassifierCV([1, 3], ["l2"], cv=3, random_state=0).fit(data.X, data.y)
        evaluate_k(data.X[train], data.y[train], data.X[held], data.y[held], [1, 3])
        inner = replace(data, X=data.X[train], y=data.y[train], X_test=data.X[held], y_test=data.y[held])
        inner.score_test(model)

    assert not warnings_of(choose)
    assert data.test_evaluations == 0
    assert not warnings_of(lambda: data.score_test(model))


def test_several_final_models_are_one_evaluation(data, model):
    names = np.array(data.class_names)
    found = data.score_test({"codes": model, "names": lambda rows: names[model.predict(rows)]})
    assert data.test_evaluations == 1
    assert [one.errors for one in found.values()] == [5, 5]


def test_copies_with_the_same_test_rows_share_the_count_and_others_do_not(data, model):
    fewer = replace(data, X=data.X[:500], y=data.y[:500])
    small = datasets.limit(data, 200, random_state=0)
    again = datasets.train_test_split(datasets.load_digits(), random_state=0)
    data.score_test(model)
    assert fewer.test_evaluations == small.test_evaluations == copy.copy(data).test_evaluations == 1
    assert again.test_evaluations == 0  # nothing global
    assert len(warnings_of(lambda: small.score_test(model))) == 1
    assert data.test_evaluations == fewer.test_evaluations == 2
    thawed = pickle.loads(pickle.dumps(data))
    assert thawed.test_evaluations == 2
    assert replace(thawed, name="other").test_evaluations == 2
    assert len(warnings_of(lambda: thawed.score_test(model))) == 1
    assert (thawed.test_evaluations, data.test_evaluations) == (3, 2)


def test_an_error_or_a_refused_warning_is_no_evaluation(data, model):
    with pytest.raises(InputError, match="wanted one class code or class name per row"):
        data.score_test(lambda rows: [1.5])
    with pytest.raises(InputError, match=r"ks"):
        evaluate_k(data, ks=[0])
    assert data.test_evaluations == 0
    data.score_test(model)
    asked = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ReusedTestRowsWarning):
            data.score_test(lambda rows: asked.append(1))
    assert not asked
    assert data.test_evaluations == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda d: d.score_test(3), "model is an int; wanted a fitted model with predict, a function"),
        (lambda d: d.score_test(KNeighborsClassifier), "wanted a fitted model"),
        (lambda d: d.score_test({}), "empty mapping"),
        (lambda d: d.score_test({"a": 1}), "model 'a' is an int"),
        (lambda d: replace(d, X_test=None, y_test=None).score_test(len), "no test set: make one with"),
        (lambda d: evaluate_k(d, [1]), "evaluate_k got a Dataset and also labels or test rows"),
        (lambda d: knn_eval(replace(d, X_test=None, y_test=None)), "knn_eval got a Dataset without a test set"),
        (lambda d: evaluate_k(d.X, d.y, d.X_test), "evaluate_k got no y_test: give train, y, test and y_test, or a Dataset"),
        (lambda d: linear_probe(d.X), "linear_probe got no y:"),
    ],
)
def test_refusals(data, call, text):
    with pytest.raises(InputError, match=text):
        call(data)
