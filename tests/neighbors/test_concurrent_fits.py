"""Many threads use one estimator while it is fitted again: every call answers from one fit, or is refused in one line."""

import threading

import numpy as np
import pytest

import fastcls
from fastcls._validation.errors import InputError

ESTIMATORS = {
    "KNeighborsClassifier brute": lambda: fastcls.KNeighborsClassifier(3, algorithm="brute", n_jobs=1),
    "KNeighborsClassifier filter": lambda: fastcls.KNeighborsClassifier(3, algorithm="filter", n_jobs=1),
    "NearestNeighbors": lambda: fastcls.NearestNeighbors(3, n_jobs=1),
    "NearestClassMean": lambda: fastcls.NearestClassMean(n_jobs=1),
    "KNeighborsClassifierCV": lambda: fastcls.KNeighborsClassifierCV([1], ["l1"], cv=2, n_jobs=1, random_state=0),
    "SoftmaxClassifier": lambda: fastcls.SoftmaxClassifier(alpha=1e-3, max_iter=1, n_jobs=1),
    "MulticlassSVM": lambda: fastcls.MulticlassSVM(alpha=1e-3, max_iter=1, n_jobs=1),
    "SoftmaxClassifierCV": lambda: fastcls.SoftmaxClassifierCV([1e-3, 1e-2], cv=2, max_iter=1, n_jobs=1),
}
ASKED = ("predict", "predict_proba", "decision_function", "kneighbors")
WIDTHS = (8, 900)


def _data(width):
    """Every width has its own labels, so that an answer says which fit it is of."""
    rng = np.random.default_rng(width)
    return rng.normal(size=(60, width)).astype(np.float32), np.array([f"{width}{c}" for c in "abc"])[np.arange(60) % 3]


def _same(got, wanted):
    got, wanted = (value if isinstance(value, tuple) else (value,) for value in (got, wanted))
    return all(g.dtype == w.dtype and np.array_equal(g, w) for g, w in zip(got, wanted, strict=True))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_each_call_answers_from_one_fit(name):
    data = {width: _data(width) for width in WIDTHS}
    alone = {width: ESTIMATORS[name]().set_params(**_seeded(name)).fit(*data[width]) for width in WIDTHS}
    asked = [method for method in ASKED if hasattr(alone[8], method)]
    wanted = {(width, method): getattr(alone[width], method)(data[width][0][:9]) for width in WIDTHS for method in asked}
    shared = ESTIMATORS[name]().set_params(**_seeded(name)).fit(*data[8])
    faults, answered, over = [], set(), threading.Event()

    def ask(first):
        for turn in range(first, 1_000_000):
            width, method = WIDTHS[turn % 2], asked[turn // 2 % len(asked)]
            try:
                got = getattr(shared, method)(data[width][0][:9])
                if not _same(got, wanted[width, method]):
                    faults.append(f"{method} of {width} features is of neither fit")
                answered.add(width)
            except InputError as error:
                faults.extend([str(error)] * ("features" not in str(error)))
            except ValueError as error:  # scikit-learn's own word on the number of features
                faults.extend([repr(error)] * ("features" not in str(error)))
            except Exception as error:
                faults.append(repr(error))
            if over.is_set():
                return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        shared.fit(*data[WIDTHS[turn % 2]])
    over.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    assert answered


def _seeded(name):
    return {"random_state": 0} if "Softmax" in name or "SVM" in name else {}


def test_searches_during_partial_fit_answer_from_before_or_after_it():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(50, 12)).astype(np.float32) for _ in range(12)]
    Q, faults, over = parts[0][:5].copy(), [], threading.Event()
    shared = fastcls.KNeighborsClassifier(3, metric="l2", n_jobs=1).fit(parts[0], [0, 1] * 25)
    allowed = []
    whole = fastcls.KNeighborsClassifier(3, n_jobs=1)
    for stop in range(1, len(parts) + 1):
        rows = np.concatenate(parts[:stop])
        allowed.append(tuple(part.tobytes() for part in whole.fit(rows, [0, 1] * (len(rows) // 2)).kneighbors(Q)))

    def ask():
        while not over.is_set():
            try:
                if tuple(part.tobytes() for part in shared.kneighbors(Q)) not in allowed:
                    faults.append("neighbours of no state")
                shared.predict_proba(Q)
            except Exception as error:
                faults.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for part in parts[1:]:
        shared.partial_fit(part, [0, 1] * 25)
    over.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    assert tuple(part.tobytes() for part in shared.kneighbors(Q)) == allowed[-1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "NearestNeighbors"])
def test_a_fit_that_is_refused_leaves_what_was_fitted(name):
    X, y = _data(8)
    model = ESTIMATORS[name]().set_params(**_seeded(name)).fit(X, y)
    before, known = model.predict(X[:5]), set(vars(model))
    with pytest.raises(InputError):
        model.fit(np.full((60, 900), np.nan, np.float32), y)
    assert model.n_features_in_ == 8
    assert set(vars(model)) == known
    assert (model.predict(X[:5]) == before).all()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_call_leaves_no_reference_to_its_copy_of_the_state(name):
    X, y = _data(8)
    model = ESTIMATORS[name]().fit(X, y)
    before = set(vars(model))
    getattr(model, "predict" if hasattr(model, "predict") else "kneighbors")(X[:2])
    assert set(vars(model)) == before
    if hasattr(model, "search_report_"):
        assert model.search_report_.n_queries == 2
