"""The lecture's figures, drawn from the data of a run: penalty, loss, altered images, equal distances, dimensions.

None asks a test label: what was altered is compared with what a model says of the unaltered image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls import display
from fastcls._gradient.problem import LinearProblem
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls.cli._checks import MODELS
from fastcls.cli._linear import LOSSES
from fastcls.cli._outcome import Outcome
from fastcls.display import style

from ._figures import draw

LOSS_ROWS = 2000  # of the training rows: a slice is 41 passes over them
ALTERED_IMAGES = 200
ALTERED_VALUES = 4_000_000  # pixels of one altered set: large images are fewer
SHIFTED = 20  # training images tried until one can be altered to an equal distance


def lecture(outcome: Outcome) -> list[dict[str, Any]]:
    """The figures that fit this data and the models that were run."""
    found = []
    for name, sweep in outcome.sweeps.items():
        if name in outcome.models and len(sweep) > 1:
            found += outcome.drawn(f"the penalty of {MODELS[name]}", _penalty, name, sweep)
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


def _penalty(name: str, sweep: list[dict[str, Any]]) -> dict[str, Any]:
    shown = display.RegularizationDisplay.from_sweep(
        [row["alpha"] for row in sweep],
        [row["validation_accuracy"] for row in sweep],
        next(row["alpha"] for row in sweep if row["chosen"]),
    )
    return {
        "name": f"{MODELS[name]}: strength of the penalty",
        "svg": draw(shown.plot, f"accuracy of {MODELS[name]} on held-out rows against alpha"),
        "caption": "To the left W may follow every training row; to the right it must be small. Judged on validation rows; "
        "of equally accurate ones the smaller loss there decided.",
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
    shown = display.LossSliceDisplay.from_problem(problem, W, W, span=1.5)
    return {
        "name": f"{MODELS[name]}: the loss along a line",
        "svg": draw(shown.plot, f"loss of {MODELS[name]} along the line from no weights to the trained ones"),
        "caption": f"Over {counted(len(rows), 'training row')}, without the penalty. At 0 stand the trained weights, at "
        "−1 none: all scores are 0.",
    }


def _curse(outcome: Outcome) -> dict[str, Any]:
    shown = display.CurseDisplay.from_uniform(random_state=0, data=outcome.dataset.X)
    return {
        "name": "The curse of dimensionality",
        "svg": draw(shown.plot, "points to cover a cube; nearest distance against dimensions"),
        "caption": "Random points in many dimensions are all equally far. "
        + (
            "This data has too few rows for a mark of its own."
            if shown.own is None
            else "The lower the mark of this data lies below that curve, the more its nearest neighbours are truly near."
        ),
    }


def _challenges(outcome: Outcome, models: dict[str, Any]) -> dict[str, Any]:
    data = outcome.dataset
    assert data.X_test is not None
    n = int(np.clip(ALTERED_VALUES // data.X.shape[1], 10, ALTERED_IMAGES))
    shown = display.ChallengesDisplay.from_estimators(models, data.X_test[:n], image_shape=data.image_shape, random_state=0)
    return {
        "name": "Challenges: the same thing, seen otherwise",
        "svg": draw(shown.plot, "how often models keep their answer when images are altered"),
        "caption": "How often a model says of an altered test image what it says of the unaltered one ("
        f"{counted(len(data.X_test[:n]), 'image')}; their labels are not asked). Image spread: the mean distance of two "
        "of them.",
    }


def _same_distance(outcome: Outcome) -> list[dict[str, Any]]:
    data = outcome.dataset
    for image in data.X[:SHIFTED]:
        try:
            shown = display.SameDistanceDisplay.from_image(image, image_shape=data.image_shape)
        except InputError:  # one colour, or a shift too far for this image's box or tint: the next one
            continue
        return [
            {
                "name": "Equal distances, different changes",
                "svg": draw(shown.plot, "an image and three altered ones at the same distance"),
                "caption": "All three have the L2 distance "
                f"{style.number(shown.squared_distance**0.5)} from the original: "
                "a distance of pixels does not say what has changed.",
            }
        ]
    return []
