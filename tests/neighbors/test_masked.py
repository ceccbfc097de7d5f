"""Every argument that takes an array refuses masked and missing entries by name."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import fastcls
from fastcls import display, gradcheck, losses, optim, protocols
from fastcls._validation.errors import InputError
from fastcls.datasets import Dataset, group_split, train_validation_split

X, Y = np.random.default_rng(0).random((12, 3)), np.arange(12) % 3
MASK = np.arange(12) == 5
CLASSIFIERS = (
    fastcls.KNeighborsClassifier(1),
    fastcls.KNeighborsClassifierCV([1], cv=2),
    fastcls.NearestClassMean(),
    fastcls.MulticlassSVM(max_iter=1),
    fastcls.SoftmaxClassifier(max_iter=1),
    fastcls.MulticlassSVMCV([1e-3], cv=2, max_iter=1),
    fastcls.SoftmaxClassifierCV([1e-3], cv=2, max_iter=1),
)


def masked(values):
    """The same with one entry, or one row, masked."""
    values = np.asarray(values)
    mask = np.zeros(values.shape, dtype=bool)
    mask[-1] = True
    return np.ma.array(values, mask=mask)


def problem():
    return fastcls.LinearProblem(X, Y)


W, SCORES = np.ones((3, 3)), np.ones((12, 3))
CALLS = {
    "knn queries": (lambda: fastcls.knn(masked(X), X, 1), "Q"),
    "knn rows": (lambda: fastcls.knn(X, masked(X), 1), "X"),
    "a list of rows": (lambda: fastcls.knn(X, [masked(X[0]), *X], 1), "X"),
    "distances": (lambda: fastcls.pairwise_distances(X, masked(X)), "X"),
    "evaluate_k labels": (lambda: fastcls.evaluate_k(X, masked(Y), X, Y, [1]), "y"),
    "evaluate_k test labels": (lambda: fastcls.evaluate_k(X, Y, X, masked(Y), [1]), "y_test"),
    "knn_eval labels": (lambda: protocols.knn_eval(X, masked(Y), X, Y, preset="moco"), "y"),
    "linear_probe labels": (lambda: protocols.linear_probe(X, masked(Y), X, Y, preset="clip"), "y"),
    "few_shot labels": (lambda: protocols.few_shot(X, Y, X, masked(Y), preset="uni", n_per_class=1, n_tries=1), "y_test"),
    "queries of predict": (lambda: fastcls.KNeighborsClassifier(1).fit(X, Y).predict(masked(X)), "X"),
    "groups": (lambda: fastcls.KNeighborsClassifierCV([1], cv="loo").fit(X, Y, groups=masked(Y)), "groups"),
    "rows of a split": (
        lambda: fastcls.KNeighborsClassifierCV([1], cv=[(masked(np.arange(6)), np.arange(6, 12))]).fit(X, Y),
        "train",
    ),
    "classes": (lambda: fastcls.KNeighborsClassifier(1).partial_fit(X, Y, classes=masked([0, 1, 2])), "classes"),
    "classes of a sum": (lambda: fastcls.SoftmaxClassifier().partial_fit(X, Y, classes=masked([0, 1, 2])), "classes"),
    "vote weights": (lambda: fastcls.KNeighborsClassifier(2, weights=masked).fit(X, Y).predict(X), "weights"),
    "rows of a problem": (lambda: fastcls.LinearProblem(masked(X), Y), "X"),
    "codes of a problem": (lambda: fastcls.LinearProblem(X, masked(Y)), "y"),
    "weights of a problem": (lambda: fastcls.LinearProblem(X, Y, sample_weight=masked(np.ones(12))), "sample_weight"),
    "center": (lambda: fastcls.LinearProblem(X, Y, center=masked(np.ones(3))), "center"),
    "scale": (lambda: fastcls.LinearProblem(X, Y, scale=masked(np.ones(3))), "scale"),
    "row numbers": (lambda: fastcls.LinearProblem(X, Y, rows=masked(np.arange(3))), "rows"),
    "W": (lambda: problem().value(masked(W)), "W"),
    "W of a gradient": (lambda: problem().value_and_gradient(masked(W)), "W"),
    "a minibatch": (lambda: problem().value_and_gradient(W, masked(np.arange(3))), "rows"),
    "W of a check": (lambda: gradcheck.check_gradient(problem(), masked(W)), "W"),
    "a direction": (lambda: gradcheck.check_gradient(problem(), W, masked(W)), "direction"),
    "W of a numerical gradient": (lambda: gradcheck.numerical_gradient(lambda V: 0.0, masked(W)), "W"),
    "where a descent starts": (lambda: optim.SGD(1).minimize(problem(), masked(W)), "W"),
    "where L-BFGS starts": (lambda: optim.LBFGS(1).minimize(problem(), masked(W)), "W"),
    "scores": (lambda: losses.multiclass_hinge(masked(SCORES), Y), "scores"),
    "codes of scores": (lambda: losses.loss_and_gradient("softmax", SCORES, masked(Y)), "y"),
    "labels of a split": (lambda: train_validation_split(masked(Y)), "y"),
    "groups of a split": (lambda: group_split(Y, masked(Y)), "groups"),
    "rows of a data set": (lambda: Dataset(masked(X), Y, class_names=("a", "b", "c")), "X"),
    "codes of a data set": (lambda: Dataset(X, masked(Y), class_names=("a", "b", "c")), "y"),
    "points": (lambda: display.DecisionRegionDisplay.from_points(masked(X[:, :2]), Y), "points"),
    "labels of points": (lambda: display.DecisionRegionDisplay.from_points(X[:, :2], masked(Y)), "y"),
    "scores of a figure": (lambda: display.ScoresDisplay.from_predictions(Y, masked(SCORES)), "scores"),
    "codes of a figure": (lambda: display.ScoresDisplay.from_predictions(masked(Y), SCORES), "y"),
    "losses of a figure": (lambda: display.LossHistoryDisplay(masked(np.ones(3))), "loss"),
    "a direction of a figure": (lambda: display.LossSliceDisplay.from_problem(problem(), W, masked(W)), "a direction"),
    "an image": (
        lambda: display.SameDistanceDisplay.from_image(masked(np.zeros(16, np.uint8)), image_shape=(4, 4, 1)),
        "image",
    ),
}


def refused(call, *words):
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize("name", CALLS)
def test_masked_entries_are_refused_by_name(name):
    call, of = CALLS[name]
    refused(call, of, "masked entries")


@pytest.mark.parametrize("model", CLASSIFIERS, ids=repr)
def test_every_classifier_refuses_masked_and_missing_labels_and_weights(model):
    takes_weights = not isinstance(model, fastcls.NearestClassMean)
    refused(lambda: model.fit(masked(X), Y), "X is a masked array")
    refused(lambda: model.fit(X, masked(Y)), "y is a masked array")
    if takes_weights:
        refused(lambda: model.fit(X, Y, masked(np.ones(12))), "sample_weight is a masked array")
        refused(lambda: model.fit(X, Y, pd.array([1.0] * 11 + [None], dtype="Float64")), "sample_weight")
    for y in (
        pd.Series([*Y[:-1], None], dtype="Int64"),
        pd.Series([*"abcabcabcab", None]),
        [*"abcabcabcab", None],
        pd.Series([*"abcabcabcab", pd.NA], dtype="string"),
        np.array([*"abcabcabcab", np.nan], dtype=object),
        [*Y[:-1].tolist(), float("nan")],
        np.array([*map(Decimal, range(11)), Decimal("NaN")], dtype=object),
        np.array([*map(Decimal, range(11)), Decimal("sNaN")], dtype=object),
    ):
        refused(lambda y=y: model.fit(X, y), "y ", "11")
    model.fit(np.ma.array(X), np.ma.array(Y))  # a mask without masked entries hides nothing
    refused(lambda: model.score(X, masked(Y)), "y is a masked array")
    refused(lambda: model.score(X, pd.Series([*Y[:-1], None], dtype="Int64")), "y ", "11")
    refused(lambda: model.score(X, Y, masked(np.ones(12))), "sample_weight is a masked array")
    if hasattr(model, "partial_fit"):
        refused(lambda: model.partial_fit(X, masked(Y)), "y is a masked array")
        refused(lambda: model.partial_fit(X, Y, sample_weight=masked(np.ones(12))), "sample_weight is a masked array")


def test_groups_are_never_missing():
    model = fastcls.KNeighborsClassifierCV([1], cv="loo")
    refused(lambda: model.fit(X, Y, groups=[*"abcabcabcab", None]), "groups has a missing value (None) at row 11")
    refused(lambda: model.fit(X, Y, groups=[*Y[:-1].tolist(), float("nan")]), "groups contains NaN (first at row 11)")
