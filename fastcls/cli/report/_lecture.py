"""The lecture's figures, drawn from the data of a run: folds, loss, altered images, equal distances, dimensions.

None of them uses a test label: the prediction for an altered image is compared with that for the original.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls import display
from fastcls._gradient.problem import LinearProblem
from fastcls._validation.errors import InputError
from fastcls.cli._checks import MODELS
from fastcls.cli._linear import LOSSES
from fastcls.cli._outcome import Outcome
from fastcls.cli._words import counted
from fastcls.display import style

from ._figures import draw

LOSS_ROWS = 2000  # of the training rows: a slice is 41 passes over them
ALTERED_IMAGES = 200
ALTERED_VALUES = 4_000_000  # pixels of one altered set, so fewer images if they are large
SHIFTED = 20  # training images to try until one can be altered to an equal distance


def lecture(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the figures that suit this data and the models that were run."""
    found = []
    selection = outcome.selection
    if selection is not None and "knn" in outcome.models and not selection.n_left_out and len(selection.ks) > 1:
        found += outcome.drawn("the folds", _folds, outcome)
    for name in LOSSES:
        if name in outcome.models:
            found += outcome.drawn(f"the loss of {MODELS[name]} along a line", _loss, outcome, name)
    found += outcome.drawn("the curse of dimensionality", _curse, outcome)
    data = outcome.dataset
    if data.image_shape is not None and data.image_shape[2] in (1, 3) and data.X.dtype == np.uint8:
        models = {MODELS[name]: outcome.models[name] for name in ("knn", *LOSSES) if name in outcome.models}
        if models:
            found += outcome.drawn("the challenges", _challenges, outcome, models)
        for figures in outcome.drawn("equal distances", _same_distance, outcome):
            found += figures
    return found


def _folds(outcome: Outcome) -> dict[str, Any]:
    results, selection = outcome.results, outcome.selection
    assert selection is not None
    accuracy = selection.fold_accuracy[selection.best_metric][list(selection.ks).index(selection.best_k)]
    folds = display.FoldsDisplay.from_labels(
        outcome.dataset.y, cv=len(accuracy), random_state=results["seed"], n_test=results["n_test"], accuracy=accuracy
    )
    return {
        "name": "The folds of the cross-validation",
        "svg": draw(folds.plot, "which rows train and which are held out in each fold"),
        "caption": "In each line, one fold is held out and predicted from the rows of all other folds. On the right, "
        "the accuracy with the chosen k. The test rows are not used.",
    }


def _loss(outcome: Outcome, name: str) -> dict[str, Any]:
    data, model = outcome.dataset, outcome.models[name]
    rows = np.sort(np.random.default_rng(0).permutation(len(data.X))[:LOSS_ROWS])
    codes = np.searchsorted(model.classes_, np.asarray(data.y)[rows])
    few = np.ascontiguousarray(data.X[rows])
    problem = LinearProblem(few, codes, loss=LOSSES[name], fit_intercept=True, n_classes=len(model.classes_))
    W = np.atleast_2d(np.column_stack([model.coef_, model.intercept_]))
    if W.shape != problem.shape:  # one row for two classes
        W = np.vstack([-W / 2, W / 2])
    figure = display.LossSliceDisplay.from_problem(problem, W, W, span=1.5)
    return {
        "name": f"{MODELS[name]}: the loss along a line",
        "svg": draw(figure.plot, f"loss of {MODELS[name]} along the line from no weights to the trained ones"),
        "caption": f"Mean over {counted(len(rows), 'training row')}, without the penalty. Position 0 is the trained W; at "
        "−1, W = 0 and all scores are 0.",
    }


def _curse(outcome: Outcome) -> dict[str, Any]:
    figure = display.CurseDisplay.from_uniform(random_state=0, data=outcome.dataset.X)
    return {
        "name": "The curse of dimensionality",
        "svg": draw(figure.plot, "points to cover a cube; nearest distance against dimensions"),
        "caption": "In many dimensions, random points are all about equally far apart. "
        + (
            "This data has too few rows to be marked in the figure."
            if figure.own is None
            else "The further the mark of this data is below the curve, the closer its nearest neighbours are."
        ),
    }


def _challenges(outcome: Outcome, models: dict[str, Any]) -> dict[str, Any]:
    data = outcome.dataset
    assert data.X_test is not None
    n = int(np.clip(ALTERED_VALUES // data.X.shape[1], 10, ALTERED_IMAGES))
    figure = display.ChallengesDisplay.from_estimators(models, data.X_test[:n], image_shape=data.image_shape, random_state=0)
    return {
        "name": "Challenges: altered images",
        "svg": draw(figure.plot, "share of unchanged predictions against the strength of the alteration"),
        "caption": "How often the prediction for an altered test image equals that for the original ("
        f"{counted(len(data.X_test[:n]), 'image')}; labels are not used). Mean distance: of two such images.",
    }


def _same_distance(outcome: Outcome) -> list[dict[str, Any]]:
    data = outcome.dataset
    for image in data.X[:SHIFTED]:
        try:
            figure = display.SameDistanceDisplay.from_image(image, image_shape=data.image_shape)
        except InputError:  # one colour, or a shift larger than a box or tint can match: try the next image
            continue
        return [
            {
                "name": "Equal distances, different changes",
                "svg": draw(figure.plot, "an image and three altered ones at the same distance"),
                "caption": "All three have the L2 distance "
                f"{style.number(figure.squared_distance**0.5)} from the original: "
                "a pixel distance does not show what has changed.",
            }
        ]
    return []
