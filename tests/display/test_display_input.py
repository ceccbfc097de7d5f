"""What displays refuse: one line that says what came and what was wanted, never an error of NumPy's or matplotlib's."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="displays draw with matplotlib (the extra 'run')")

from _outcomes import digits

from fastcls import KNeighborsClassifier, SoftmaxClassifier, display
from fastcls._gradient.problem import LinearProblem
from fastcls._validation.errors import InputError

DATA = digits()
X, Y, Q, T = DATA.X[:100], DATA.y[:100], DATA.X_test[:3], DATA.y_test[:3]
KNN = KNeighborsClassifier(3).fit(X, Y)
SHAPE = (8, 8, 1)
PLANE = KNeighborsClassifier(1).fit(np.eye(2), [0, 1])
PROBLEM = LinearProblem(np.eye(3), np.arange(3))
TABLE = np.ones((2, 3))


def near(**given: Any) -> Any:
    wanted = {
        "X": Q,
        "distances": np.ones((3, 2)),
        "indices": np.zeros((3, 2), int),
        "X_train": X,
        "y_train": Y,
        "image_shape": SHAPE,
    } | given
    return display.NeighborsDisplay.from_neighbors(**wanted)


def searched(estimator: Any = KNN, X_query: Any = Q, **given: Any) -> Any:
    wanted = {"X_train": X, "y_train": Y, "image_shape": SHAPE} | given
    return display.NeighborsDisplay.from_estimator(estimator, X_query, **wanted)


def scores(y: Any = (0, 1), table: Any = TABLE, **given: Any) -> Any:
    return display.ScoresDisplay.from_predictions(y, table, **given)


def curves(ks: Any = (1, 3), folds: Any = None, **given: Any) -> Any:
    return display.CrossValidationDisplay(ks, {"l1": np.ones((2, 5))} if folds is None else folds, **given)


def templates(W: Any, shape: Any = SHAPE, **given: Any) -> Any:
    return display.TemplatesDisplay.from_weights(W, image_shape=shape, **given)


def challenges(models: Any = None, rows: Any = Q, y: Any = None, **given: Any) -> Any:
    return display.ChallengesDisplay.from_estimators(
        {"knn": KNN} if models is None else models, rows, y, **{"image_shape": SHAPE} | given
    )


def calibrated(confidence: Any = (0.5, 0.9), hits: Any = (0, 1), **given: Any) -> Any:
    return display.CalibrationDisplay.from_confidence(confidence, hits, **given)


def sweep(alphas: Any, accuracy: Any, chosen: Any = None) -> Any:
    return display.RegularizationDisplay.from_sweep(alphas, accuracy, chosen)


#: name -> (call, part of the message)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "neighbors: one row, flat": (lambda: near(X=Q[0]), "X has shape (64,)"),
    "neighbors: no row": (lambda: near(X=Q[:0]), "at least one row"),
    "neighbors: words": (lambda: near(X=[["a"] * 64] * 3), "wanted numbers"),
    "neighbors: ragged": (lambda: near(X=[[1, 2], [3]]), "different lengths"),
    "neighbors: index too large": (lambda: near(indices=np.full((3, 2), 100)), "X_train has rows 0 to 99"),
    "neighbors: negative index": (lambda: near(indices=np.full((3, 2), -1)), "indices holds -1"),
    "neighbors: float indices": (lambda: near(indices=np.zeros((3, 2))), "whole numbers"),
    "neighbors: fewer distances": (lambda: near(distances=np.ones((2, 2))), "distances has shape (2, 2) and indices (3, 2)"),
    "neighbors: labels too few": (lambda: near(y_train=Y[:9]), "y_train has shape (9,) for 100 rows of X_train"),
    "neighbors: queries' labels too few": (lambda: near(y=[1]), "y has shape (1,)"),
    "neighbors: votes too few": (lambda: near(y_pred=[1]), "y_pred has shape (1,)"),
    "neighbors: other width": (lambda: near(X_train=X[:, :9]), "64 features, but these have 9"),
    "neighbors: names too few": (lambda: near(class_names=["zero"]), "class_names has 1 name;"),
    "neighbors: names of words": (lambda: near(y_train=Y.astype(str), class_names=["a"]), "class_names needs codes"),
    "neighbors: shape is a number": (lambda: near(image_shape=8), "three whole numbers"),
    "neighbors: shape of words": (lambda: near(image_shape="abc"), "three whole numbers"),
    "neighbors: no search": (lambda: searched(object()), "object has no kneighbors"),
    "neighbors: flat query": (lambda: searched(X_query=Q[0]), "X has shape (64,)"),
    "scores: flat": (lambda: scores(table=[1, 2, 3]), "scores has shape (3,)"),
    "scores: NaN": (lambda: scores(table=np.full((2, 3), np.nan)), "NaN"),
    "scores: code without a column": (lambda: scores(y=[0, 3]), "wanted 0 to 2 for 3 classes"),
    "scores: labels too few": (lambda: scores(y=[0]), "2 rows"),
    "scores: unknown loss": (lambda: scores(losses=["ridge"]), "ridge"),
    "scores: names too few": (lambda: scores(class_names=["a"]), "class_names holds 1 name; wanted a list of 3"),
    "scores: a word for names": (lambda: scores(class_names="abc"), "wanted a list of 3"),
    "scores: samples' names too many": (
        lambda: scores(sample_names=list("abc")),
        "sample_names holds 3 names; wanted a list of 2",
    ),
    "scores: no estimator": (lambda: display.ScoresDisplay.from_estimator(object(), Q, T), "has no classes_"),
    "scores: unknown label": (
        lambda: display.ScoresDisplay.from_estimator(SoftmaxClassifier(max_iter=1).fit(X, Y), Q, [0, 1, 77]),
        "label 77",
    ),
    "curves: fewer accuracies": (lambda: curves((1, 3, 5)), "2 rows for 3 ks"),
    "curves: no metric": (lambda: curves(folds={}), "without entries"),
    "curves: flat": (lambda: curves(folds={"l1": [1, 2]}), "fold_accuracy['l1'] has shape (2,)"),
    "curves: k not tried": (lambda: curves(best_metric="l1", best_k=7), "best_k=7 was not tried; choose one of: 1, 3"),
    "curves: metric not tried": (lambda: curves(best_metric="l2", best_k=1), "best_metric='l2'"),
    "curves: no selection": (lambda: display.CrossValidationDisplay.from_selection(object()), "object has no ks"),
    "folds: one": (lambda: display.FoldsDisplay([5]), "at least two"),
    "folds: empty": (lambda: display.FoldsDisplay([5, 0]), "sizes=0"),
    "folds: accuracies too few": (lambda: display.FoldsDisplay([5, 5], accuracy=[1.0]), "2 numbers"),
    "folds: overlap": (lambda: display.FoldsDisplay.from_labels(Y, cv=[([0, 1], [2])]), "hold out every row once"),
    "folds: too many": (lambda: display.FoldsDisplay.from_labels([0, 1], cv=5), "cv=5"),
    "templates: flat": (lambda: templates(np.ones(64)), "W has shape (64,)"),
    "templates: infinity": (lambda: templates(np.full((2, 64), np.inf)), "infinity"),
    "templates: names too few": (lambda: templates(np.ones((2, 64)), class_names=["a"]), "holds 1 name; wanted a list of 2"),
    "templates: none of them": (lambda: templates(np.ones((2, 64)), max_classes=0), "max_classes=0"),
    "templates: estimator without classes": (
        lambda: display.TemplatesDisplay.from_estimator(SimpleNamespace(coef_=np.ones((2, 64))), image_shape=SHAPE),
        "has no classes_",
    ),
    "confusion: fewer predictions": (lambda: display.plot_confusion([0, 1], [0], class_names="ab"), "one code each"),
    "confusion: nothing": (lambda: display.plot_confusion([], [], class_names=[]), "at least one row"),
    "confusion: words": (lambda: display.plot_confusion(["a"], ["a"], class_names=["a"]), "whole numbers from 0"),
    "regions: three features": (lambda: display.DecisionRegionDisplay.from_estimator(KNN, X, Y), "points in the plane"),
    "regions: words": (lambda: display.decision_regions([["a", "b"]], [0]), "wanted numbers"),
    "regions: nothing": (lambda: display.decision_regions(np.empty((0, 2)), []), "at least one row"),
    "regions: NaN": (lambda: display.decision_regions([[np.nan, 0]], [0]), "NaN"),
    "regions: extent of three": (lambda: display.decision_regions(np.eye(2), [0, 1], extent=(0, 1, 2)), "4 numbers"),
    "regions: labels too few": (lambda: display.DecisionRegionDisplay.from_estimator(PLANE, np.eye(2), [0]), "y has shape"),
    "regions: no classifier": (
        lambda: display.DecisionRegionDisplay.from_estimator(object(), np.eye(2), [0, 1]),
        "no classes_",
    ),
    "slice: W of another shape": (lambda: display.LossSliceDisplay.from_problem(PROBLEM, np.ones(3)), "W has shape (3,)"),
    "slice: no span": (lambda: display.LossSliceDisplay.from_problem(PROBLEM, np.ones((3, 3)), span=0), "span=0"),
    "slice: no problem": (lambda: display.LossSliceDisplay.from_problem(object(), np.ones((3, 3))), "has no shape"),
    "history: words": (lambda: display.LossHistoryDisplay(["a"]), "one for each step"),
    "calibration: above 1": (lambda: calibrated([0.5, 1.5]), "wanted probabilities, from 0 to 1"),
    "calibration: fewer hits": (lambda: calibrated(hits=[1]), "hits has shape (1,)"),
    "calibration: hits of 2": (lambda: calibrated(hits=[1, 2]), "other values than 0 and 1"),
    "calibration: NaN": (lambda: calibrated([0.5, np.nan]), "NaN"),
    "calibration: no row": (lambda: calibrated([], []), "at least one number"),
    "calibration: no bin": (lambda: calibrated(n_bins=0), "n_bins=0"),
    "calibration: words": (lambda: calibrated(["a", "b"]), "wanted at least one number"),
    "sweep: accuracies of training rows too few": (
        lambda: display.RegularizationDisplay.from_sweep([0.1, 1.0], [0.5, 0.6], train_accuracy=[0.9]),
        "train_accuracy has shape (1,)",
    ),
    "curse: no dimension": (lambda: display.CurseDisplay.from_uniform(()), "dimensions has shape (0,)"),
    "curse: half a dimension": (lambda: display.CurseDisplay.from_uniform((0.5,)), "dimensions=0.5"),
    "curse: no points": (lambda: display.CurseDisplay.from_uniform((1,), n_points=0), "n_points=0"),
    "curse: flat data": (lambda: display.CurseDisplay.from_uniform((1,), data=[1, 2]), "data has shape (2,)"),
    "distances: no shift": (lambda: display.SameDistanceDisplay.from_image(X[0], image_shape=SHAPE, shift=0), "shift=0"),
    "distances: shift out of it": (
        lambda: display.SameDistanceDisplay.from_image(X[0], image_shape=SHAPE, shift=8),
        "8 pixels wide",
    ),
    "challenges: no model": (lambda: challenges({}), "without entries"),
    "challenges: a model, not a dict": (lambda: challenges(KNN), "KNeighborsClassifier; wanted a dict"),
    "challenges: cannot predict": (lambda: challenges({"a": object()}), "no predict"),
    "challenges: flat": (lambda: challenges(rows=Q[0]), "X has shape (64,)"),
    "challenges: labels too few": (lambda: challenges(y=[1]), "y has shape (1,)"),
    "challenges: strength below 0": (lambda: challenges(strengths=[-1]), "strengths=-1"),
    "penalty: below 0": (lambda: sweep([-1.0, 1.0], [1, 1]), "alphas holds -1"),
    "penalty: none": (lambda: sweep([], []), "alphas has shape (0,)"),
    "penalty: accuracies too few": (lambda: sweep([0.1, 1.0], [1]), "2 numbers"),
    "penalty: chosen but not tried": (lambda: sweep([0.1, 1.0], [1, 1], 0.5), "chosen=0.5 was not tried; choose one of"),
    "penalty: NaN": (lambda: sweep([np.nan], [1]), "NaN"),
    "penalty: fitted below 0": (
        lambda: display.RegularizationDisplay.from_data(X, Y, X, Y, alphas=[-1.0]),
        "alphas holds -1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_one_line(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(InputError) as refusal:
        call()
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_the_input_that_these_refusals_vary_is_accepted() -> None:
    """Otherwise a refusal could have another reason than the tested one."""
    for made in (
        near(),
        near(y=T, y_pred=T, class_names=DATA.class_names),
        searched(),
        scores(),
        curves(),
        curves(best_metric="l1", best_k=3),
        templates(np.ones((2, 64))),
        challenges(strengths=[0, 1]),
        challenges(y=T, strengths=[0.0]),
        sweep([0.1, 1.0], [1, 1], 0.1),
        display.FoldsDisplay([5, 5], accuracy=[1.0, 0.5]),
        display.FoldsDisplay.from_labels(Y, cv=5),
        display.LossSliceDisplay.from_problem(PROBLEM, np.ones((3, 3))),
        display.SameDistanceDisplay.from_image(X[0], image_shape=SHAPE, shift=1),
    ):
        assert made.plot().figure_ is not None
