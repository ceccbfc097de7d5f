"""The linear demo in Python: its state as text, and what the library computes from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from fastcls._gradient.prediction import linear_scores
from fastcls._gradient.problem import LinearProblem
from fastcls._runtime import threads
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted

from . import _text
from ._plane import CLASSES, HALF, PIXELS, PRESETS, SEEDS, check_drawn, pixel_centres

#: the four losses of the course's demo: name in `LinearProblem` -> display name
LOSSES = {
    "hinge": "Weston-Watkins hinge",
    "one_vs_all": "one-vs-all hinge",
    "crammer_singer": "Crammer-Singer hinge",
    "softmax": "softmax",
}
ALPHA = (0.0, 1.0)
STEP = (0.001, 10.0)
#: a state has at least one point; the slider begins at the second number
POINTS = (1, 6, 60)
#: of a weight; beyond it, the picture shows nothing useful
LARGEST = 1e4


@dataclass(frozen=True, eq=False)
class LinearState:
    """Everything that determines what the demo shows.

    Attributes
    ----------
    points : float64 (n, 2), whole hundredths in [-300, 300], or None
        The features are these, divided by 100. None: the page draws them, by preset and seed.
    codes : int64 (n,), or None
    W : float64 (n_classes, 3), or None
        The last column is b. None: the page draws it, by the seed.
    """

    loss: str = "hinge"
    alpha: float = 0.1
    step: float = 0.1
    classes: int = 3
    preset: str = "random"
    seed: int = 0
    points: np.ndarray | None = None
    codes: np.ndarray | None = None
    W: np.ndarray | None = None

    def text(self) -> str:
        """Return the state as text for `--state`."""
        values: dict[str, Any] = {
            name: getattr(self, name) for name in ("loss", "alpha", "step", "classes", "preset", "seed")
        }
        if self.W is not None:
            values["W"] = ",".join(repr(float(value)) for value in self.W.ravel())
        if self.points is not None and self.codes is not None:
            values["points"] = _text.write_points(self.points, self.codes)
        return _text.join(**values)

    @classmethod
    def of_text(cls, text: str) -> LinearState:
        """Return the state of a text; missing fields have their defaults.

        Raises
        ------
        InputError
            Names the wrong field.
        """
        given = _text.fields(text, ("loss", "alpha", "step", "classes", "preset", "seed", "W", "points"))
        preset = _text.one("preset", given.get("preset", "random"), PRESETS)
        classes = _text.whole("classes", given.get("classes", "3" if preset == "random" else "2"), *CLASSES)
        points = codes = W = None
        if "points" in given:
            points, codes = _text.read_points(given["points"], classes, HALF, POINTS[-1])
        else:
            check_drawn(preset, classes)
        if "W" in given:
            numbers = given["W"].split(",")
            if len(numbers) != 3 * classes:
                raise InputError(
                    f"W has {counted(len(numbers), 'number')} in the state; wanted {3 * classes}: w1, w2 and b of every "
                    "class, separated by commas"
                )
            W = np.array([_text.real("W", number, -LARGEST, LARGEST) for number in numbers]).reshape(classes, 3)
        return cls(
            loss=_text.one("loss", given.get("loss", "hinge"), LOSSES),
            alpha=_text.real("alpha", given.get("alpha", "0.1"), *ALPHA),
            step=_text.real("step", given.get("step", "0.1"), *STEP),
            classes=classes,
            preset=preset,
            seed=_text.whole("seed", given.get("seed", "0"), *SEEDS),
            points=points,
            codes=codes,
            W=W,
        )


@dataclass(frozen=True, eq=False)
class Losses:
    """Scores, losses and gradient of one W."""

    scores: np.ndarray  # (n, n_classes)
    each: np.ndarray  # (n,)
    data: float
    penalty: float
    total: float
    gradient: np.ndarray  # like W


@lru_cache(maxsize=1)
def _positions() -> np.ndarray:
    return np.ascontiguousarray(pixel_centres() / 100)


def losses(state: LinearState) -> Losses:
    """Return scores, losses and gradient at W; the penalty is on W, not on b."""
    W = cast(np.ndarray, state.W)
    problem = LinearProblem(
        np.ascontiguousarray(cast(np.ndarray, state.points) / 100),
        cast(np.ndarray, state.codes),
        loss=state.loss,
        penalty="l2",
        alpha=state.alpha,
        fit_intercept=True,
        n_classes=state.classes,
        penalize_intercept=False,
    )
    total, gradient = problem.value_and_gradient(W)
    each = problem.per_sample(W)
    return Losses(problem.scores(W), each, float(each.mean()), problem.penalty_value(W), total, gradient)


def picture(state: LinearState) -> np.ndarray:
    """Return the class of the highest score at every pixel, `state.classes` for a tie: uint8 (PIXELS, PIXELS)."""
    W = cast(np.ndarray, state.W)
    scores = linear_scores(_positions(), np.ascontiguousarray(W[:, :2]), W[:, 2], threads.effective(None))
    best = scores.max(axis=1)
    tied = (scores == best[:, None]).sum(axis=1) > 1
    return np.where(tied, len(W), scores.argmax(axis=1)).astype(np.uint8).reshape(PIXELS, PIXELS)
