"""The class of every pixel of the plane, by the compiled search: the k-NN demo's picture.

Coordinates are whole hundredths of a unit, so that every squared or L1 distance is an exact number, and a tie is a tie.

While a point is dragged, most of the picture stays. Let S_k be a pixel's k-th smallest S. If the point was farther than S_k
and is farther than S_k where it is now, the pixel's k nearest are the same points as before, and so is its class. All other
pixels are asked anew, which is exact and, among 200 points, a few hundredths of the picture.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from fastcls import _kernels
from fastcls._runtime import threads
from fastcls._scoring.votes import vote, weights_of
from fastcls.metrics import METRICS

#: the plane is the square [-HALF, HALF]^2, in hundredths
HALF = 300
#: pixels along a side; their centres are the odd hundredths
PIXELS = 300
#: of softmax votes, exp(-d / TEMPERATURE) with d in units
TEMPERATURE = 0.25
_AT = np.arange(-HALF + 1, HALF, 2 * HALF // PIXELS, dtype=np.float64)
_NOBODY = np.empty(0, dtype=np.int64)
_QUERIES_PER_JOB = 512


def pixel_centres() -> np.ndarray:
    """Where the pixels are, in hundredths: float64 (PIXELS * PIXELS, 2), row by row, the lowest row first."""
    return np.stack(np.meshgrid(_AT, _AT), axis=-1).reshape(-1, 2)


def with_moved(points: np.ndarray, place: int, x: float, y: float) -> np.ndarray:
    """The points with one of them at (x, y) in hundredths, rounded, kept inside the plane.

    As they were, if there is no such place: a page may not have heard yet that there are fewer points.
    """
    if not 0 <= place < len(points) or not (np.isfinite(x) and np.isfinite(y)):
        return points
    points = points.copy()
    points[place] = np.clip(np.rint([x, y]), -HALF, HALF)
    return points


def nearest(
    Q: np.ndarray,
    X: np.ndarray,
    metric: str,
    k: int,
    *,
    own: bool = False,
    room: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """S and places of the k nearest of X for each of Q, nearest first: float64 and int64 (n_queries, k).

    `own`: query i does not see row i. `room`: arrays for at least so many answers, which are views of them then.
    """
    S, index = room or (np.empty((len(Q), k)), np.empty((len(Q), k), dtype=np.int64))
    S, index = S[None, : len(Q)], index[None, : len(Q)]
    n_threads = threads.limit_by_work(threads.effective(None), len(Q) * len(X) * 2)
    groups = np.arange(len(X), dtype=np.int64) if own else _NOBODY
    scratch = np.empty((n_threads, _kernels.low_dimensional_scratch(_QUERIES_PER_JOB, 2, k)))
    _kernels.search_low_dimensional(
        Q.view(np.uint8),
        _kernels.TYPES["float64"],
        X.view(np.uint8),
        _kernels.TYPES["float64"],
        _kernels.SUMS[METRICS[metric].sum],
        groups,
        groups,
        0,
        S,
        index,
        True,
        True,
        _QUERIES_PER_JOB,
        scratch,
        n_threads,
    )
    return S[0], index[0]


def votes(
    S: np.ndarray,
    index: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    metric: str,
    weights: str,
    ks: np.ndarray,
    with_totals: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Winners and whether they were tied, (n_queries, n_ks); the totals of every class for the last k, if wanted."""
    distances = None if weights == "uniform" else METRICS[metric].to_distance(S) / 100
    return vote(
        index,
        None if distances is None else weights_of(distances, cast(Any, weights), TEMPERATURE, metric),
        ks,
        n_classes,
        tie_break="smallest",
        n_threads=threads.effective(None),
        codes=codes,
        with_totals=with_totals,
    )


class Regions:
    """The picture of one metric; what is known of the last one is kept for the next."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.n_asked = 0  # pixels that the last picture asked anew
        self._pixels = pixel_centres()
        self._key: object = None
        self._points = np.empty((0, 2))
        self._reach = np.empty(PIXELS * PIXELS)  # S_k of every pixel
        self._classes = np.empty(PIXELS * PIXELS, dtype=np.uint8)
        self._room: tuple[np.ndarray, np.ndarray] | None = None

    def forget(self) -> None:
        """Compute all of the next picture."""
        self._key = None

    def picture(self, points: np.ndarray, codes: np.ndarray, n_classes: int, k: int, weights: str) -> np.ndarray:
        """The winning class of every pixel, `n_classes` where the vote is tied: uint8 (PIXELS, PIXELS), lowest row first.

        Parameters
        ----------
        points : float64 (n, 2), whole hundredths
        codes : int64 (n,)
        k : int
            At most n.
        """
        key = (codes.tobytes(), n_classes, k, weights)
        some: slice | np.ndarray = slice(None)
        if key == self._key and len(points) == len(self._points):
            some = self._touched(points)
        self.forget()  # an interrupted picture is no start for the next
        self._ask(some, points, codes, n_classes, k, weights)
        self._key, self._points = key, points.copy()
        return self._classes.reshape(PIXELS, PIXELS).copy()

    def _touched(self, points: np.ndarray) -> slice | np.ndarray:
        """Pixels that a moved point was or is near enough to matter to; all, if many points moved."""
        moved = np.flatnonzero((points != self._points).any(axis=1))
        if len(moved) > 2:
            return slice(None)
        touched = np.zeros((PIXELS, PIXELS), dtype=bool)
        reach = self._reach.reshape(PIXELS, PIXELS)
        for x, y in (*self._points[moved], *points[moved]):
            across, up = np.abs(_AT - x), np.abs(_AT - y)
            S = across + up[:, None] if self.metric == "l1" else across**2 + (up**2)[:, None]
            touched |= reach >= S
        return np.flatnonzero(touched)

    def _ask(
        self, some: slice | np.ndarray, points: np.ndarray, codes: np.ndarray, n_classes: int, k: int, weights: str
    ) -> None:
        if self._room is None or self._room[0].shape[1] != k:  # kept: new pages for 20 MB take longer than the search
            self._room = np.empty((PIXELS * PIXELS, k)), np.empty((PIXELS * PIXELS, k), dtype=np.int64)
        Q = self._pixels[some]
        self.n_asked = len(Q)
        if not len(Q):
            return
        S, index = nearest(Q, points, self.metric, k, room=self._room)
        winners, tied, _ = votes(S, index, codes, n_classes, self.metric, weights, np.array([k]))
        self._reach[some] = S[:, -1]
        self._classes[some] = np.where(tied[:, 0], n_classes, winners[:, 0])
