"""A refused fit leaves the estimator as it was: its state and its predictions."""

import numpy as np
import pytest

from fastcls import (
    KNeighborsClassifier,
    MulticlassSVM,
    MulticlassSVMCV,
    NearestNeighbors,
    SoftmaxClassifier,
    SoftmaxClassifierCV,
)
from fastcls._validation.errors import InputError

ESTIMATORS = {
    "k-NN": lambda: KNeighborsClassifier(3),
    "neighbors": lambda: NearestNeighbors(n_neighbors=3),
    "SVM": lambda: MulticlassSVM(random_state=0),
    "softmax": lambda: SoftmaxClassifier(random_state=0, warm_start=True),
    "SVM sweep": lambda: MulticlassSVMCV(alphas=(1e-3, 1e-2), cv=2, random_state=0),
    "softmax sweep": lambda: SoftmaxClassifierCV(alphas=(1e-3, 1e-2), cv=2, random_state=0),
}
RNG = np.random.default_rng(0)
X8, X5 = RNG.normal(size=(40, 8)), RNG.normal(size=(40, 5))
Y = np.repeat(["a", "b", "c", "d"], 10)
NAN = np.where(np.arange(5) == 3, np.nan, X5)


def refusals(name):
    """What is refused: rows, labels, weights."""
    bad = {"rows": lambda model: model.fit(NAN, Y), "huge rows": lambda model: model.fit(X5 * 1e200, Y)}
    if name != "neighbors":
        bad["labels"] = lambda model: model.fit(X5, Y[:30])
    if "neighbors" not in name and name != "k-NN":
        bad["one class"] = lambda model: model.fit(X5, np.full(40, "a"))
        bad["weights"] = lambda model: model.fit(X5, Y, sample_weight=np.full(40, -1.0))
        bad.pop("huge rows")
    return bad


def state(model):
    return {name: repr(value) for name, value in sorted(vars(model).items()) if name != "_rows"}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_refused_fit_changes_nothing(name):
    model = ESTIMATORS[name]()
    for refused in refusals(name).values():  # never fitted: still not fitted
        with pytest.raises(InputError):
            refused(model)
        assert state(model) == state(ESTIMATORS[name]())
    model.fit(X8, Y)
    before, answer = state(model), (model.kneighbors if name == "neighbors" else model.predict)(X8)
    for what, refused in refusals(name).items():
        with pytest.raises(InputError):
            refused(model)
        assert state(model) == before, what
        np.testing.assert_array_equal((model.kneighbors if name == "neighbors" else model.predict)(X8), answer)
        with pytest.raises(ValueError, match="features"):
            (model.kneighbors if name == "neighbors" else model.predict)(X5)


@pytest.mark.parametrize("kind", [MulticlassSVM, SoftmaxClassifier])
def test_a_refused_partial_fit_changes_nothing(kind):
    model = kind(random_state=0)
    for X, y, options in ((X5, Y, {"classes": ["a", "b"]}), (X5, np.full(40, "a"), {}), (NAN, Y, {})):
        with pytest.raises(InputError):
            model.partial_fit(X, y, **options)
        assert state(model) == state(kind(random_state=0))
    with pytest.raises(InputError, match="NaN or infinity"):
        model.partial_fit(X5, np.arange(40) % 2, classes=[0, 1, 2, np.nan])
    model.partial_fit(X8, Y)
    before = state(model)
    for X, y in ((X8, np.full(40, "z")), (np.where(np.arange(8) == 3, np.nan, X8), Y)):
        with pytest.raises(InputError):
            model.partial_fit(X, y)
        assert state(model) == before


def test_warm_start_needs_the_same_classes_and_features():
    model = SoftmaxClassifier(random_state=0, warm_start=True).fit(X8, Y)
    with pytest.raises(InputError, match="8 features and X has 5"):
        model.fit(X5, Y)
    with pytest.raises(InputError, match=r"the model has the classes .* and y has"):
        model.fit(X8, np.where(Y == "a", "z", Y))


def test_weights_of_other_widths_never_get_to_the_compiled_loop():
    from fastcls._gradient.prediction import linear_scores

    with pytest.raises(ValueError, match=r"rows of 5 features, weights of \(3, 8\)"):
        linear_scores(X5, np.zeros((3, 8)), np.zeros(3), 1)
