"""The linear demo without a browser: points, W and b, and what the library computes of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from fastcls._gradient.problem import LinearProblem, linear_scores
from fastcls._runtime import threads
from fastcls._validation.messages import counted

from . import _text
from ._knn_regions import HALF, PIXELS, pixel_centres, with_moved
from ._knn_state import CLASS_NAMES, CLASSES
from ._moved import Moved

#: the four of the course's demo, as `LinearProblem` calls them -> as people do
LOSSES = {
    "hinge": "Weston-Watkins hinge",
    "one_vs_all": "one-vs-all hinge",
    "crammer_singer": "Crammer-Singer hinge",
    "softmax": "softmax cross-entropy",
}
ALPHA = (0.0, 1.0)
STEP = (0.001, 10.0)
POINTS = (1, 60)
_LARGEST = 1e4  # of a weight; beyond, nothing is left to be seen
_SEEDS = 2**31


@dataclass(frozen=True)
class LinearState:
    """All that decides what the demo shows.

    Attributes
    ----------
    points : float64 (n, 2), whole hundredths in [-300, 300]; the features are these, divided by 100
    codes : int64 (n,)
    W : float64 (n_classes, 3)
        The third column is b.
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
        """The state as `--state` takes it."""
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
        """The state of a text; fields left out have their defaults.

        Raises
        ------
        InputError
            That names the field that is wrong.
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
                    f"got {counted(len(numbers), 'number')} of W in the state; wanted {3 * classes}: "
                    "w1, w2 and b "
                    "of every class, with , between them"
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
    """What the library says of one W."""

    scores: np.ndarray  # (n, n_classes)
    each: np.ndarray  # (n,)
    data: float
    penalty: float
    total: float
    gradient: np.ndarray  # like W


@lru_cache(maxsize=1)
def _places() -> np.ndarray:
    return np.ascontiguousarray(pixel_centres() / 100)


class LinearController:
    """The state, what changes it, and what is shown of it."""

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
        """The function being minimised; the penalty is on W and not on b."""
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
        """Scores, losses and gradient at W."""
        problem, W = self.problem(), self.state.W
        total, gradient = problem.value_and_gradient(W)
        each = problem.per_sample(W)
        return Losses(problem.scores(W), each, float(each.mean()), problem.penalty_value(W), total, gradient)

    def picture(self) -> np.ndarray:
        """The class of the highest score at every pixel, `classes` where it is shared: uint8 (PIXELS, PIXELS)."""
        W = self.state.W
        scores = linear_scores(_places(), np.ascontiguousarray(W[:, :2]), W[:, 2], threads.effective(None))
        best = scores.max(axis=1)
        shared = (scores == best[:, None]).sum(axis=1) > 1
        return np.where(shared, len(W), scores.argmax(axis=1)).astype(np.uint8).reshape(PIXELS, PIXELS)

    def take_step(self) -> bool:
        """W - step * gradient; whether it was taken. A step into the endless is not, and `message` says so."""
        state = self.state
        now = self.losses()
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            W = state.W - state.step * now.gradient
        if not np.isfinite(W).all() or np.abs(W).max() > _LARGEST:
            self.message = (
                f"The step size {state.step:g} is far too high: the next weights would be beyond "
                f"{_LARGEST:g}, so the step was not taken. Lower it, then randomise or reset."
            )
            return False
        self.state = replace(state, W=W)
        self.steps += 1
        after = self.losses().total
        self.message = ""
        if after > now.total:
            self.message = f"The loss rose from {now.total:.4g} to {after:.4g}: step size {state.step:g} is too high here."
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
        """One number of W (columns 0 and 1) or b (column 2)."""
        W = self.state.W.copy()
        if not (0 <= c < len(W) and 0 <= column < 3):
            return  # of a page that has not heard yet that there are fewer classes
        W[c, column] = _text.real("weight", repr(float(value)), -_LARGEST, _LARGEST)
        self.state, self.message = replace(self.state, W=W), ""

    def set_classes(self, classes: int) -> None:
        """So many classes: points that were moved stay where they are, and so do the weights of classes that stay."""
        classes = _text.whole("classes", str(classes), *CLASSES)
        state = self.state
        points, codes = self._moved.put(*_points(4 * classes, classes, state.seed), classes)
        W = _weights(classes, state.seed)
        kept = min(classes, state.classes)
        W[:kept] = state.W[:kept]
        self.state = replace(state, classes=classes, points=points, codes=codes, W=W)
        self.message, self.steps = "", 0

    def randomise(self) -> None:
        """Other weights."""
        seed = (self.state.seed + 1) % _SEEDS
        self.state = replace(self.state, seed=seed, W=_weights(self.state.classes, seed))
        self.message, self.steps = "", 0

    def zero(self) -> None:
        """W = 0, b = 0: every score is 0."""
        self.state = replace(self.state, W=np.zeros_like(self.state.W))
        self.message, self.steps = "", 0

    def reset(self) -> None:
        """Back to the state at the start."""
        self.state, self.message, self.steps = self._first, "", 0
        self._start()

    def move(self, place: int, x: float, y: float) -> None:
        """Put a point at (x, y) in hundredths."""
        points = with_moved(self.state.points, place, x, y)
        if points is not self.state.points:
            self._moved.note(place, float(points[place, 0]), float(points[place, 1]), int(self.state.codes[place]))
            self.state, self.message = replace(self.state, points=points), ""

    def lines(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """(class, two ends, arrow from and to) in units, of every line where a class's score is 0, and its rising side.

        What is seen of it: a class whose line does not cross the plane, or whose w is 0, has none.
        """
        found = []
        half = HALF / 100
        for c, (w1, w2, b) in enumerate(self.state.W):
            norm = float(np.hypot(w1, w2))
            if norm < 1e-9:
                continue
            up = np.array([w1, w2]) / norm
            along, foot = np.array([-up[1], up[0]]), -b / norm * up  # foot: the line's point nearest to the middle
            first, last = -np.inf, np.inf  # of the steps along the line that stay inside, side by side
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
        """What to know of an unusual state."""
        state = self.state
        notes = [self.message] if self.message else []
        if not state.W.any():
            notes.append("W and b are 0: every score is 0, and the plane is one tie (white).")
        if len(np.unique(state.codes)) == 1:
            notes.append(f"All points are of one class ({CLASS_NAMES[state.codes[0]]}).")
        if len(np.unique(state.points, axis=0)) < len(state.points):
            notes.append("Some points lie on top of each other.")
        return notes
