"""The k-NN demo in Python: its state as text, and what the compiled search computes from it.

Coordinates are whole hundredths of a unit, so every L1 or squared distance is exact, and ties are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from fastcls import _kernels
from fastcls._runtime import threads
from fastcls._scoring.votes import vote, weights_of
from fastcls.metrics import METRICS as ALL_METRICS

from . import _text
from ._plane import CLASSES, HALF, PIXELS, SEEDS, check_drawn, pixel_centres
from ._plane import PRESETS as COMMON_PRESETS

METRICS = {"l1": "L1 (Manhattan)", "l2": "L2 (Euclidean)", "both": "L1 and L2"}
WEIGHTS = {"uniform": "equal", "distance": "1 / distance", "softmax": "softmax"}
#: temperature of softmax votes, exp(-d / TEMPERATURE) with d in units
TEMPERATURE = 0.25
K = (1, 15)
POINTS = (20, 200)
PRESETS = COMMON_PRESETS | {"tie": "Tie everywhere"}

_NOBODY = np.empty(0, dtype=np.int64)
_QUERIES_PER_TASK = 512


@dataclass(frozen=True, eq=False)
class KnnState:
    """Everything that determines what the demo shows.

    Attributes
    ----------
    metric : {"l1", "l2", "both"}
    k : int
        If it is more than the number of points, all points vote.
    points : float64 (n, 2), whole hundredths in [-300, 300], or None
        None: the page draws them, by preset and seed.
    codes : int64 (n,), or None
    """

    metric: str = "l2"
    k: int = 5
    classes: int = 3
    weights: str = "uniform"
    preset: str = "random"
    seed: int = 0
    points: np.ndarray | None = None
    codes: np.ndarray | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics whose pictures are shown."""
        return ("l1", "l2") if self.metric == "both" else (self.metric,)

    def text(self) -> str:
        """Return the state as text for `--state`."""
        values: dict[str, Any] = {
            name: getattr(self, name) for name in ("metric", "k", "classes", "weights", "preset", "seed")
        }
        if self.points is not None and self.codes is not None:
            values["points"] = _text.write_points(self.points, self.codes)
        return _text.join(**values)

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
        points = codes = None
        if "points" in given:
            points, codes = _text.read_points(given["points"], classes, HALF, POINTS[1])
        else:
            check_drawn(preset, classes)
        return cls(
            metric=_text.one("metric", given.get("metric", "l2"), METRICS),
            k=_text.whole("k", given.get("k", "5"), *K),
            classes=classes,
            weights=_text.one("weights", given.get("weights", "uniform"), WEIGHTS),
            preset=preset,
            seed=_text.whole("seed", given.get("seed", "0"), *SEEDS),
            points=points,
            codes=codes,
        )


@lru_cache(maxsize=1)
def _pixels() -> np.ndarray:
    return pixel_centres()


def _nearest(Q: np.ndarray, X: np.ndarray, metric: str, k: int, own: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return S and index of the k nearest rows of X for each row of Q, nearest first: float64 and int64 (n_queries, k).

    With `own`, query i does not see row i.
    """
    S, index = np.empty((1, len(Q), k)), np.empty((1, len(Q), k), dtype=np.int64)
    n_threads = threads.limit_by_work(threads.effective(None), len(Q) * len(X) * 2)
    groups = np.arange(len(X), dtype=np.int64) if own else _NOBODY
    scratch = np.empty((n_threads, _kernels.low_dimensional_scratch(_QUERIES_PER_TASK, 2, k)))
    _kernels.search_low_dimensional(
        Q.view(np.uint8),
        _kernels.TYPES["float64"],
        X.view(np.uint8),
        _kernels.TYPES["float64"],
        _kernels.SUMS[ALL_METRICS[metric].sum],
        groups,
        groups,
        0,
        S,
        index,
        True,
        True,
        _QUERIES_PER_TASK,
        scratch,
        n_threads,
    )
    return S[0], index[0]


def _votes(
    state: KnnState, metric: str, S: np.ndarray, index: np.ndarray, ks: np.ndarray, with_totals: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return winners and whether they are tied, (n_queries, n_ks), and with `with_totals` all totals for the last k."""
    weights = None
    if state.weights != "uniform":
        distances = ALL_METRICS[metric].to_distance(S.copy()) / 100  # it may overwrite S
        weights = weights_of(distances, cast(Any, state.weights), TEMPERATURE, metric)
    return vote(
        index,
        weights,
        ks,
        state.classes,
        tie_break="smallest",
        n_threads=threads.effective(None),
        codes=cast(np.ndarray, state.codes),
        with_totals=with_totals,
    )


def picture(state: KnnState, metric: str) -> np.ndarray:
    """Return the class of every pixel, `state.classes` for a tie: uint8 (PIXELS, PIXELS), the lowest row first."""
    return Regions(metric).picture(state)


class Regions:
    """The pictures of one metric, one after another: while a point is dragged, most of the picture stays the same.

    Let S_k be the k-th smallest rank distance of a pixel. If the moved point was farther away than S_k and still is, the
    pixel has the same k neighbours as before, and the same class. All others are computed again, so the result is exact.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.n_computed = 0  # pixels computed for the last picture
        self._last: KnnState | None = None
        self._threshold = np.empty(PIXELS * PIXELS)  # S_k of every pixel
        self._classes = np.empty(PIXELS * PIXELS, dtype=np.uint8)

    def picture(self, state: KnnState) -> np.ndarray:
        """Return the picture of a state, see `picture`."""
        some = self._touched(state)
        self._last = None  # after an interruption, the next picture must be computed completely
        Q, points = _pixels()[some], cast(np.ndarray, state.points)
        self.n_computed = len(Q)
        if len(Q):
            k = min(state.k, len(points))
            S, index = _nearest(Q, points, self.metric, k)
            winners, tied, _ = _votes(state, self.metric, S, index, np.array([k]))
            self._threshold[some] = S[:, -1]
            self._classes[some] = np.where(tied[:, 0], state.classes, winners[:, 0])
        self._last = state
        return self._classes.reshape(PIXELS, PIXELS).copy()

    def _touched(self, state: KnnState) -> slice | np.ndarray:
        """Return the pixels whose neighbours may have changed; all, unless only one or two points moved."""
        last, points = self._last, cast(np.ndarray, state.points)
        if last is None or any(getattr(last, name) != getattr(state, name) for name in ("classes", "k", "weights")):
            return slice(None)
        before = cast(np.ndarray, last.points)
        if not np.array_equal(cast(np.ndarray, last.codes), cast(np.ndarray, state.codes)):
            return slice(None)
        moved = np.flatnonzero((points != before).any(axis=1))
        if len(moved) > 2:
            return slice(None)
        touched = np.zeros((PIXELS, PIXELS), dtype=bool)
        threshold = self._threshold.reshape(PIXELS, PIXELS)
        at = _pixels()[:PIXELS, 0]
        for x, y in (*before[moved], *points[moved]):
            across, up = np.abs(at - x), np.abs(at - y)
            S = across + up[:, None] if self.metric == "l1" else across**2 + (up**2)[:, None]
            touched |= threshold >= S
        return np.flatnonzero(touched)


@dataclass(frozen=True, eq=False)
class Vote:
    """The vote at one position in the plane."""

    neighbors: np.ndarray  # numbers of the neighbours, nearest first
    totals: np.ndarray  # float64 (n_classes,)
    winner: int
    tied: bool


def vote_at(state: KnnState, metric: str, x: float, y: float) -> Vote:
    """Return the vote at (x, y), in hundredths."""
    points = cast(np.ndarray, state.points)
    k = min(state.k, len(points))
    S, index = _nearest(np.array([[x, y]], dtype=np.float64), points, metric, k)
    winners, tied, totals = _votes(state, metric, S, index, np.array([k]), with_totals=True)
    return Vote(index[0], totals[0], int(winners[0, 0]), bool(tied[0, 0]))


def accuracies(state: KnnState, metric: str) -> np.ndarray:
    """Return the leave-one-out accuracy for K = 1, 2, ..., as far as there are neighbours; of a tie, the smaller class."""
    points = cast(np.ndarray, state.points)
    ks = np.arange(1, min(K[1], len(points) - 1) + 1)
    if not len(ks):
        return np.empty(0)
    winners, _, _ = _votes(state, metric, *_nearest(points, points, metric, int(ks[-1]), own=True), ks)
    return (winners == cast(np.ndarray, state.codes)[:, None]).mean(axis=0)
