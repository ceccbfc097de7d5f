"""The class that a vote of k neighbours gives every point of the plane: computed, not drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcls._runtime import threads
from fastcls._scoring.votes import Weights, vote, weights_of
from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels
from fastcls._validation.neighbors import check_n_neighbors
from fastcls._validation.rows import check_finite
from fastcls.neighbors import knn

from ._validation import as_table, check_extent

TIED = -1  # code of a tie, which the lecture draws white
_MARGIN = 0.12


@dataclass(frozen=True, eq=False)
class Regions:
    """The plane, cell by cell.

    Attributes
    ----------
    codes : int64 array of shape (size, size)
        Index in ``classes`` of the winner at the centre of each cell, or `TIED`; rows from the lowest y upwards.
    classes : array of shape (n_classes,)
    extent : (left, right, bottom, top)
        Outer edges of the grid, as for ``imshow`` with ``origin="lower"``.
    """

    codes: NDArray[np.int64]
    classes: NDArray[Any]
    extent: tuple[float, float, float, float]


def around(points: ArrayLike) -> tuple[float, float, float, float]:
    """A square around all points, with a margin of `_MARGIN` times their extent on each side."""
    rows = np.asarray(points, dtype=np.float64)
    low, high = rows.min(axis=0), rows.max(axis=0)
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * (1 + 2 * _MARGIN)
    if half <= 1e-9 * np.abs(middle).max():  # all points coincide, within the resolution of the cells
        half = max(0.5, 1e-6 * float(np.abs(middle).max()))
    return middle[0] - half, middle[0] + half, middle[1] - half, middle[1] + half


def cells(extent: tuple[float, float, float, float], size: int) -> NDArray[np.float64]:
    """The centres of size x size cells, (size * size, 2), row by row from the lowest y."""
    left, right, bottom, top = extent
    steps = (np.arange(size) + 0.5) / size
    across, up = np.meshgrid(left + steps * (right - left), bottom + steps * (top - bottom))
    return np.column_stack([across.ravel(), up.ravel()])


def decision_regions(
    points: ArrayLike,
    y: ArrayLike,
    *,
    k: int = 1,
    metric: str = "l2",
    weights: Weights = "uniform",
    temperature: float = 0.07,
    extent: tuple[float, float, float, float] | None = None,
    size: int = 300,
    n_jobs: int | None = None,
) -> Regions:
    """Let the k nearest points vote in every cell of a square grid: one compiled search, one compiled vote.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
    y : array-like of shape (n_points,)
        Labels: numbers or strings.
    k : int
        From 1 to n_points.
    metric, weights, temperature, n_jobs
        As for ``KNeighborsClassifier``.
    extent : (left, right, bottom, top), default: a square around the points
    size : int
        Number of cells along a side.

    Returns
    -------
    Regions

    Raises
    ------
    InputError
        For points that are not in the plane, k above their number, or an extent without area.
    """
    rows = np.ascontiguousarray(as_table(points, "points"), dtype=np.float64)
    check_finite(rows, "points")
    if rows.shape[1] != 2:
        raise InputError(f"points has shape {rows.shape}; wanted points in the plane, (n_points, 2)")
    check_number("size", size, minimum=1, whole=True)
    k = check_n_neighbors(k, len(rows))
    classes, codes = check_labels(y, len(rows))
    extent = check_extent(around(rows) if extent is None else extent)
    distances, indices = knn(cells(extent, size), rows, k, metric, n_jobs=n_jobs)
    given = None if weights == "uniform" else weights_of(distances, weights, temperature, metric)
    winners, tied, _ = vote(
        indices, given, np.array([k]), len(classes), tie_break="smallest", n_threads=threads.effective(n_jobs), codes=codes
    )
    return Regions(np.where(tied, TIED, winners)[:, 0].reshape(size, size), classes, extent)
