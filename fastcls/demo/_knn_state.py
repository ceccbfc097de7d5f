"""The k-NN demo without a browser: its state, the changes to it, and what is computed from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls.datasets import make_parity, make_ring, make_three_modes

from . import _text
from ._knn_regions import HALF, Regions, nearest, votes, with_moved
from ._moved import Moved

METRICS = ("l1", "l2", "both")
WEIGHTS = ("uniform", "distance", "softmax")
K = (1, 15)
CLASSES = (2, 5)
POINTS = (20, 200)
#: sources of points; all but random have two classes
PRESETS = ("random", "parity", "ring", "three_modes", "tie")
CLASS_NAMES = ("blue", "orange", "green", "pink", "yellow")
_SEEDS = 2**31


@dataclass(frozen=True)
class KnnState:
    """Everything that determines what the demo shows.

    Attributes
    ----------
    points : float64 (n, 2), whole hundredths in [-300, 300]
    codes : int64 (n,)
    metric : {"l1", "l2", "both"}
    k : int
        If it is more than n, all n points vote.
    """

    metric: str = "l2"
    k: int = 5
    classes: int = 3
    weights: str = "uniform"
    preset: str = "random"
    seed: int = 0
    points: np.ndarray = field(default_factory=lambda: _make("random", 60, 3, 0)[0])
    codes: np.ndarray = field(default_factory=lambda: _make("random", 60, 3, 0)[1])

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics whose pictures are shown."""
        return ("l1", "l2") if self.metric == "both" else (self.metric,)

    @property
    def voters(self) -> int:
        """Number of neighbours that vote."""
        return min(self.k, len(self.points))

    def text(self) -> str:
        """Return the state as text for `--state`."""
        return _text.join(
            metric=self.metric,
            k=self.k,
            classes=self.classes,
            weights=self.weights,
            preset=self.preset,
            seed=self.seed,
            points=_text.write_points(self.points, self.codes),
        )

    @classmethod
    def of_text(cls, text: str) -> KnnState:
        """Return the state of a text; missing fields have their defaults.

        Raises
        ------
        InputError
            Names the wrong field.
        """
        given = _text.fields(text, ("metric", "k", "classes", "weights", "preset", "seed", "points"))
        preset = _text.one("preset", given.get("preset", "random"), PRESETS)
        classes = _text.whole("classes", given.get("classes", "3" if preset == "random" else "2"), *CLASSES)
        seed = _text.whole("seed", given.get("seed", "0"), 0, _SEEDS - 1)
        if "points" in given:
            points, codes = _text.read_points(given["points"], classes, HALF, POINTS[1])
        else:
            points, codes = _make(preset, 60, classes, seed)
        return cls(
            metric=_text.one("metric", given.get("metric", "l2"), METRICS),
            k=_text.whole("k", given.get("k", "5"), *K),
            classes=classes,
            weights=_text.one("weights", given.get("weights", "uniform"), WEIGHTS),
            preset=preset,
            seed=seed,
            points=points,
            codes=codes,
        )


def _make(preset: str, n: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in hundredths and their class codes."""
    rng = np.random.default_rng(seed)
    if preset == "tie":
        # Two points of two classes: with K = 2 every vote is one to one. With K = 1 the tie is the line between them,
        # and no pixel centre is on it.
        return np.array([[-100.0, 0.0], [100.0, 0.0]]), np.array([0, 1])
    if preset == "random":
        codes = np.arange(n, dtype=np.int64) % classes
        around = 2 * np.pi * (np.arange(classes) / classes + rng.uniform())
        points = 130 * np.stack([np.cos(around), np.sin(around)], axis=1)[codes] + rng.normal(0, 70, (n, 2))
    elif preset == "parity":  # two pixels, black or white: four positions, with many images at each
        made = make_parity(n, 2, random_state=seed)
        points, codes = np.where(made.X > 0, 150.0, -150.0) + rng.normal(0, 55, (n, 2)), made.y
    else:
        made = {"ring": make_ring, "three_modes": make_three_modes}[preset](n, random_state=seed)
        points, codes = 100 * made.X, made.y
    return np.clip(np.rint(points), -HALF, HALF), codes.astype(np.int64)


@dataclass(frozen=True)
class Vote:
    """The vote at one position in the plane."""

    at: tuple[float, float]
    neighbors: np.ndarray  # numbers of the neighbours, nearest first
    totals: np.ndarray  # float64 (n_classes,)
    winner: int
    tied: bool

    def words(self) -> str:
        """Return the vote as one line."""
        counts = ", ".join(f"{CLASS_NAMES[c]} {total:.3g}" for c, total in enumerate(self.totals) if total > 0)
        winner = "a tie (white)" if self.tied else CLASS_NAMES[self.winner]
        at = f"({self.at[0] / 100:.2f}, {self.at[1] / 100:.2f})"
        return f"{at}: the {len(self.neighbors)} nearest vote {counts}. Result: {winner}"


class KnnController:
    """The state, its changes, and its pictures."""

    def __init__(self, state: KnnState | None = None) -> None:
        self.state = self._first = state or KnnState()
        self._k_before_tie: int | None = None
        self._regions = {metric: Regions(metric) for metric in ("l1", "l2")}
        self._start()

    def set(self, **changes: object) -> None:
        """Change metric, k or weights; the points stay."""
        self._check(**changes)
        if "k" in changes:
            self._k_before_tie = None
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def renew(
        self, *, preset: str | None = None, n: int | None = None, classes: int | None = None, seed: int | None = None
    ) -> None:
        """Draw new points. All presets but random have two classes; with another number of classes, points are random.

        A new number of points or classes keeps the points that were moved by hand; a new preset or seed does not. The
        preset "tie" sets K = 2, and another preset restores the earlier K.
        """
        state = self.state
        if preset is not None or seed is not None:
            self._moved.forget()
        if preset is None:
            preset = state.preset
            if classes is not None and classes != 2:
                preset = "random"
            if preset == "tie":
                preset = "random"
        classes = 2 if preset != "random" else classes or state.classes
        n = n or min(max(len(state.points), POINTS[0]), POINTS[1])
        seed = state.seed if seed is None else seed
        self._check(preset=preset, classes=classes, seed=seed, n=n)
        points, codes = self._moved.put(*_make(preset, n, classes, seed), classes)
        self.state = replace(state, preset=preset, classes=classes, seed=seed, points=points, codes=codes)
        if preset == "tie" and state.preset != "tie":
            self._k_before_tie = state.k
            self.state = replace(self.state, k=2)
        elif preset != "tie" and self._k_before_tie is not None:
            self.state, self._k_before_tie = replace(self.state, k=self._k_before_tie), None

    def another(self) -> None:
        """Draw new points from the same preset."""
        self.renew(seed=(self.state.seed + 1) % _SEEDS)

    def reset(self) -> None:
        """Return to the initial state."""
        self.state = self._first
        self._start()

    def _start(self) -> None:
        """Initialise what is remembered besides the state."""
        state = self.state
        self._moved, self._k_before_tie = Moved(), None
        made = _make(state.preset, len(state.points), state.classes, state.seed)
        self._moved.compare(state.points, state.codes, made)

    def move(self, place: int, x: float, y: float) -> None:
        """Move a point to (x, y) in hundredths."""
        points = with_moved(self.state.points, place, x, y)
        if points is not self.state.points:
            self._moved.note(place, float(points[place, 0]), float(points[place, 1]), int(self.state.codes[place]))
            self.state = replace(self.state, points=points)

    def picture(self, metric: str) -> np.ndarray:
        """Return the picture of a metric, see `Regions.picture`."""
        state = self.state
        return self._regions[metric].picture(state.points, state.codes, state.classes, state.voters, state.weights)

    def vote(self, metric: str, x: float, y: float) -> Vote:
        """Return the vote at (x, y), in hundredths."""
        state = self.state
        S, index = nearest(np.array([[x, y]], dtype=np.float64), state.points, metric, state.voters)
        winners, tied, totals = votes(
            S, index, state.codes, state.classes, metric, state.weights, np.array([state.voters]), with_totals=True
        )
        return Vote((x, y), index[0], totals[0], int(winners[0, 0]), bool(tied[0, 0]))

    def accuracies(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Return all possible k and the leave-one-out accuracy of each; a tie goes to the smaller class."""
        state = self.state
        ks = np.arange(1, min(K[1], len(state.points) - 1) + 1)
        if not len(ks):
            return ks, np.empty(0)
        S, index = nearest(state.points, state.points, metric, int(ks[-1]), own=True)
        winners, _, _ = votes(S, index, state.codes, state.classes, metric, state.weights, ks)
        return ks, (winners == state.codes[:, None]).mean(axis=0)

    def notes(self) -> list[str]:
        """Return sentences about an unusual state."""
        state, n = self.state, len(self.state.points)
        notes = []
        if state.k > n:
            notes.append(f"K is {state.k}, but there {'is' if n == 1 else 'are'} only {counted(n, 'point')}: all vote.")
        if len(np.unique(state.codes)) == 1:
            notes.append("All points have the same class, which wins everywhere.")
        if len(np.unique(state.points, axis=0)) < n:
            notes.append("Some points have the same position.")
        if state.weights == "softmax":
            notes.append("The weight of a softmax vote is exp(-distance / 0.25).")
        return notes

    @staticmethod
    def _check(**values: object) -> None:
        for name, value in values.items():
            good = {"metric": METRICS, "weights": WEIGHTS, "preset": PRESETS}.get(name)
            span = {"k": K, "classes": CLASSES, "n": POINTS, "seed": (0, _SEEDS - 1)}.get(name)
            if good and value not in good:
                raise InputError(f"got {name}={value!r}; wanted one of {', '.join(good)}")
            if span and not span[0] <= value <= span[1]:  # type: ignore[operator]
                raise InputError(f"got {name}={value!r}; wanted {span[0]} to {span[1]}")
