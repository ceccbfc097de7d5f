"""The picture of the k-NN demo: the class of every pixel of the plane, by the compiled search.

Coordinates are whole hundredths of a unit, so every L1 or squared distance is exact, and ties are exact.

While a point is dragged, most of the picture stays the same. Let S_k be the k-th smallest rank distance of a pixel. If the
point was farther away than S_k and still is, the pixel has the same k neighbours as before, and the same class. All other
pixels are computed again: the result is exact, and with 200 points it is a few hundredths of the picture.
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
#: temperature of softmax votes, exp(-d / TEMPERATURE) with d in units
TEMPERATURE = 0.25
_AT = np.arange(-HALF + 1, HALF, 2 * HALF // PIXELS, dtype=np.float64)
_NOBODY = np.empty(0, dtype=np.int64)
_QUERIES_PER_TASK = 512


def pixel_centres() -> np.ndarray:
    """Return the centres of the pixels in hundredths: float64 (PIXELS * PIXELS, 2), row by row, the lowest row first."""
    return np.stack(np.meshgrid(_AT, _AT), axis=-1).reshape(-1, 2)


def with_moved(points: np.ndarray, place: int, x: float, y: float) -> np.ndarray:
    """Return the points with one of them moved to (x, y), in hundredths, rounded and clipped to the plane.

    If `place` is not a point, return the points unchanged: the page may not know yet that there are fewer points.
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
    buffers: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return S and index of the k nearest rows of X for each row of Q, nearest first: float64 and int64 (n_queries, k).

    With `own`, query i does not see row i. The result is a view of `buffers`, if they are given.
    """
    S, index = buffers or (np.empty((len(Q), k)), np.empty((len(Q), k), dtype=np.int64))
    S, index = S[None, : len(Q)], index[None, : len(Q)]
    n_threads = threads.limit_by_work(threads.effective(None), len(Q) * len(X) * 2)
    groups = np.arange(len(X), dtype=np.int64) if own else _NOBODY
    scratch = np.empty((n_threads, _kernels.low_dimensional_scratch(_QUERIES_PER_TASK, 2, k)))
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
        _QUERIES_PER_TASK,
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
    """Return winners and whether they are tied, (n_queries, n_ks), and with `with_totals` all totals for the last k."""
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
    """The picture of one metric. It keeps the last picture, to compute only what changes."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.n_computed = 0  # pixels computed for the last picture
        self._pixels = pixel_centres()
        self._key: object = None
        self._points = np.empty((0, 2))
        self._threshold = np.empty(PIXELS * PIXELS)  # S_k of every pixel
        self._classes = np.empty(PIXELS * PIXELS, dtype=np.uint8)
        self._buffers: tuple[np.ndarray, np.ndarray] | None = None

    def forget(self) -> None:
        """Compute every pixel of the next picture."""
        self._key = None

    def picture(self, points: np.ndarray, codes: np.ndarray, n_classes: int, k: int, weights: str) -> np.ndarray:
        """Return the class of every pixel, `n_classes` for a tie: uint8 (PIXELS, PIXELS), the lowest row first.

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
        self.forget()  # after an interruption, the next picture must be computed completely
        self._compute(some, points, codes, n_classes, k, weights)
        self._key, self._points = key, points.copy()
        return self._classes.reshape(PIXELS, PIXELS).copy()

    def _touched(self, points: np.ndarray) -> slice | np.ndarray:
        """Return the pixels whose neighbours may change, because a moved point was or is near; all, if many moved."""
        moved = np.flatnonzero((points != self._points).any(axis=1))
        if len(moved) > 2:
            return slice(None)
        touched = np.zeros((PIXELS, PIXELS), dtype=bool)
        threshold = self._threshold.reshape(PIXELS, PIXELS)
        for x, y in (*self._points[moved], *points[moved]):
            across, up = np.abs(_AT - x), np.abs(_AT - y)
            S = across + up[:, None] if self.metric == "l1" else across**2 + (up**2)[:, None]
            touched |= threshold >= S
        return np.flatnonzero(touched)

    def _compute(
        self, some: slice | np.ndarray, points: np.ndarray, codes: np.ndarray, n_classes: int, k: int, weights: str
    ) -> None:
        if self._buffers is None or self._buffers[0].shape[1] != k:  # reused: allocating 20 MB takes longer than the search
            self._buffers = np.empty((PIXELS * PIXELS, k)), np.empty((PIXELS * PIXELS, k), dtype=np.int64)
        Q = self._pixels[some]
        self.n_computed = len(Q)
        if not len(Q):
            return
        S, index = nearest(Q, points, self.metric, k, buffers=self._buffers)
        winners, tied, _ = votes(S, index, codes, n_classes, self.metric, weights, np.array([k]))
        self._threshold[some] = S[:, -1]
        self._classes[some] = np.where(tied[:, 0], n_classes, winners[:, 0])
