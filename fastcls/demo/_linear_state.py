"""The linear demo without a browser: points, W and b, and what the library computes from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from fastcls._gradient.prediction import linear_scores
from fastcls._gradient.problem import LinearProblem
from fastcls._runtime import threads
from fastcls._validation.messages import counted

from . import _text
from ._knn_regions import HALF, PIXELS, pixel_centres, with_moved
from ._knn_state import CLASS_NAMES, CLASSES
from ._moved import Moved

#: the four losses of the course's demo: name in `LinearProblem` -> display name
LOSSES = {
    "hinge": "Weston-Watkins hinge",
    "one_vs_all": "one-vs-all hinge",
    "crammer_singer": "Crammer-Singer hinge",
    "softmax": "softmax cross-entropy",
}
ALPHA = (0.0, 1.0)
STEP = (0.001, 10.0)
POINTS = (1, 60)
_LARGEST = 1e4  # of a weight; beyond it, the picture shows nothing useful
_SEEDS = 2**31


@dataclass(frozen=True)
class LinearState:
    """Everything that determines what the demo shows.

    Attributes
    ----------
    points : float64 (n, 2), whole hundredths in [-300, 300]; the features are these, divided by 100
    codes : int64 (n,)
    W : float64 (n_classes, 3)
        The last column is b.
    """

    loss: str = "hinge"
    alpha: float = 0.1
    step: float = 0.1
    classes: int = 3
    seed: int = 0
    points: np.ndarray = field(default_factory=lambda: _points(12, 3, 0)[0])
    codes: np.ndarray = field(default_factory=lambda: _points(12, 3, 0)[1])
    W: np.ndarray = field(default_factory=lambda: _weights(3, 0))

    def text(self) -> str:
        """Return the state as text for `--state`."""
        weights = ",".join(repr(float(value)) for value in self.W.ravel())
        return _text.join(
            loss=self.loss,
            alpha=repr(self.alpha),
            step=repr(self.step),
            classes=self.classes,
            seed=self.seed,
            W=weights,
            points=_text.write_points(self.points, self.codes),
        )

    @classmethod
    def of_text(cls, text: str) -> LinearState:
        """Return the state of a text; missing fields have their defaults.

        Raises
        ------
        InputError
            Names the wrong field.
        """
        given = _text.fields(text, ("loss", "alpha", "step", "classes", "seed", "W", "points"))
        classes = _text.whole("classes", given.get("classes", "3"), *CLASSES)
        seed = _text.whole("seed", given.get("seed", "0"), 0, _SEEDS - 1)
        points, codes = _points(4 * classes, classes, seed)
        if "points" in given:
            points, codes = _text.read_points(given["points"], classes, HALF, POINTS[1])
        W = _weights(classes, seed)
        if "W" in given:
            numbers = given["W"].split(",")
            if len(numbers) != 3 * classes:
                raise _text.InputError(
                    f"W has {counted(len(numbers), 'number')} in the state; wanted {3 * classes}: w1, w2 and b of every "
                    "class, separated by commas"
                )
            W = np.array([_text.real("W", number, -_LARGEST, _LARGEST) for number in numbers]).reshape(classes, 3)
        return cls(
            loss=_text.one("loss", given.get("loss", "hinge"), LOSSES),
            alpha=_text.real("alpha", given.get("alpha", "0.1"), *ALPHA),
            step=_text.real("step", given.get("step", "0.1"), *STEP),
            classes=classes,
            seed=seed,
            points=points,
            codes=codes,
            W=W,
        )


def _points(n: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = np.arange(n, dtype=np.int64) % classes
    around = 2 * np.pi * (np.arange(classes) / classes + rng.uniform())
    points = 150 * np.stack([np.cos(around), np.sin(around)], axis=1)[codes] + rng.normal(0, 45, (n, 2))
    return np.clip(np.rint(points), -HALF, HALF), codes


def _weights(classes: int, seed: int) -> np.ndarray:
    return np.round(np.random.default_rng(seed + 1).normal(0, 1, (classes, 3)), 3)


@dataclass(frozen=True)
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


class LinearController:
    """The state, its changes, and what is shown."""

    def __init__(self, state: LinearState | None = None) -> None:
        self.state = self._first = state or LinearState()
        self.message = ""
        self.steps = 0
        self._start()

    def _start(self) -> None:
        state = self.state
        self._moved = Moved()
        self._moved.compare(state.points, state.codes, _points(len(state.points), state.classes, state.seed))

    def problem(self) -> LinearProblem:
        """Return the function to minimise; the penalty is on W, not on b."""
        state = self.state
        return LinearProblem(
            np.ascontiguousarray(state.points / 100),
            state.codes,
            loss=state.loss,
            penalty="l2",
            alpha=state.alpha,
            fit_intercept=True,
            n_classes=state.classes,
            penalize_intercept=False,
        )

    def losses(self) -> Losses:
        """Return scores, losses and gradient at W."""
        problem, W = self.problem(), self.state.W
        total, gradient = problem.value_and_gradient(W)
        each = problem.per_sample(W)
        return Losses(problem.scores(W), each, float(each.mean()), problem.penalty_value(W), total, gradient)

    def picture(self) -> np.ndarray:
        """Return the class of the highest score at every pixel, `classes` for a tie: uint8 (PIXELS, PIXELS)."""
        W = self.state.W
        scores = linear_scores(_positions(), np.ascontiguousarray(W[:, :2]), W[:, 2], threads.effective(None))
        best = scores.max(axis=1)
        tied = (scores == best[:, None]).sum(axis=1) > 1
        return np.where(tied, len(W), scores.argmax(axis=1)).astype(np.uint8).reshape(PIXELS, PIXELS)

    def take_step(self) -> bool:
        """Take the step W - step * gradient and return True. If it diverges, set `message` and return False."""
        state = self.state
        now = self.losses()
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            W = state.W - state.step * now.gradient
        if not np.isfinite(W).all() or np.abs(W).max() > _LARGEST:
            self.message = (
                f"The step size {state.step:g} is far too large: the next weights would exceed {_LARGEST:g}, so the step "
                "was not taken. Lower it, then randomise or reset."
            )
            return False
        self.state = replace(state, W=W)
        self.steps += 1
        after = self.losses().total
        self.message = ""
        if after > now.total:
            self.message = (
                f"The loss rose from {now.total:.4g} to {after:.4g}: the step size {state.step:g} is too large here."
            )
        return True

    def set(self, *, loss: str | None = None, alpha: float | None = None, step: float | None = None) -> None:
        """Change the loss, the penalty's strength or the step size."""
        state = self.state
        if loss is not None:
            state = replace(state, loss=_text.one("loss", loss, LOSSES))
        if alpha is not None:
            state = replace(state, alpha=_text.real("alpha", repr(float(alpha)), *ALPHA))
        if step is not None:
            state = replace(state, step=_text.real("step", repr(float(step)), *STEP))
        self.state, self.message = state, ""

    def set_weight(self, c: int, column: int, value: float) -> None:
        """Set one number of W (columns 0 and 1) or b (column 2)."""
        W = self.state.W.copy()
        if not (0 <= c < len(W) and 0 <= column < 3):
            return  # the page does not know yet that there are fewer classes
        W[c, column] = _text.real("weight", repr(float(value)), -_LARGEST, _LARGEST)
        self.state, self.message = replace(self.state, W=W), ""

    def set_classes(self, classes: int) -> None:
        """Set the number of classes; moved points and the weights of remaining classes stay."""
        classes = _text.whole("classes", str(classes), *CLASSES)
        state = self.state
        points, codes = self._moved.put(*_points(4 * classes, classes, state.seed), classes)
        W = _weights(classes, state.seed)
        kept = min(classes, state.classes)
        W[:kept] = state.W[:kept]
        self.state = replace(state, classes=classes, points=points, codes=codes, W=W)
        self.message, self.steps = "", 0

    def randomise(self) -> None:
        """Draw new weights."""
        seed = (self.state.seed + 1) % _SEEDS
        self.state = replace(self.state, seed=seed, W=_weights(self.state.classes, seed))
        self.message, self.steps = "", 0

    def zero(self) -> None:
        """Set W = 0 and b = 0, so that every score is 0."""
        self.state = replace(self.state, W=np.zeros_like(self.state.W))
        self.message, self.steps = "", 0

    def reset(self) -> None:
        """Return to the initial state."""
        self.state, self.message, self.steps = self._first, "", 0
        self._start()

    def move(self, place: int, x: float, y: float) -> None:
        """Move a point to (x, y) in hundredths."""
        points = with_moved(self.state.points, place, x, y)
        if points is not self.state.points:
            self._moved.note(place, float(points[place, 0]), float(points[place, 1]), int(self.state.codes[place]))
            self.state, self.message = replace(self.state, points=points), ""

    def lines(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Return (class, two ends, arrow from and to) in units, for the line on which the score of each class is 0.

        The line ends at the border of the plane, and the arrow points to higher scores. A class whose line does not cross
        the plane, or whose w is 0, is left out.
        """
        found = []
        half = HALF / 100
        for c, (w1, w2, b) in enumerate(self.state.W):
            norm = float(np.hypot(w1, w2))
            if norm < 1e-9:
                continue
            up = np.array([w1, w2]) / norm
            along, foot = np.array([-up[1], up[0]]), -b / norm * up  # foot: the point of the line nearest to the centre
            first, last = -np.inf, np.inf  # the part of the line inside the plane, as distances from the foot
            for at, by in zip(foot, along, strict=True):
                if abs(by) > 1e-12:
                    enters, leaves = sorted(((-half - at) / by, (half - at) / by))
                    first, last = max(first, enters), min(last, leaves)
                elif abs(at) > half:
                    last = -np.inf
            if first < last:
                middle = foot + (first + last) / 2 * along
                ends = np.array([foot + first * along, foot + last * along])
                found.append((c, ends, np.array([middle, middle + 0.6 * up])))
        return found

    def notes(self) -> list[str]:
        """Return sentences about an unusual state."""
        state = self.state
        notes = [self.message] if self.message else []
        if not state.W.any():
            notes.append("W and b are 0, so every score is 0 and the whole plane is a tie (white).")
        if len(np.unique(state.codes)) == 1:
            notes.append(f"All points have the same class ({CLASS_NAMES[state.codes[0]]}).")
        if len(np.unique(state.points, axis=0)) < len(state.points):
            notes.append("Some points have the same position.")
        return notes
