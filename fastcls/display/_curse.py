"""The curse of dimensionality: points needed to cover a cube, and the distance to the nearest of many points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import RandomState, check_number, seed_of
from fastcls._validation.messages import counted
from fastcls.neighbors import pairwise_distances

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_line, as_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray

SIDE = 4  # points along each dimension, as in the lecture
DIMENSIONS = (1, 2, 3, 5, 8, 16, 32, 64, 128, 256, 512, 1024, 3072)


class CurseDisplay(Drawn):
    """4, 16 and 64 points cover one, two and three dimensions equally densely; the nearest of random points, measured.

    Parameters
    ----------
    dimensions : int array of shape (n,)
    nearest : array of shape (n,)
        Distance to the nearest point as a share of the mean distance, averaged over queries.
    n_points : int
    own : (dimensions, share) or None
        The same share for the user's data, drawn as a mark.

    Attributes
    ----------
    needed : list of int
        Points that cover each number of dimensions d: 4 to the power of d.
    figure_, axes_ : present after ``plot``
    """

    axes_: NDArray[Any]

    def __init__(
        self, dimensions: NDArray[Any], nearest: NDArray[Any], n_points: int, own: tuple[int, float] | None = None
    ) -> None:
        self.dimensions = dimensions
        self.nearest = nearest
        self.n_points = n_points
        self.own = own
        self.needed = [SIDE ** int(d) for d in dimensions]

    @classmethod
    def from_uniform(
        cls,
        dimensions: Sequence[int] = DIMENSIONS,
        *,
        n_points: int = 1000,
        n_queries: int = 50,
        random_state: RandomState = None,
        data: ArrayLike | None = None,
    ) -> CurseDisplay:
        """Draw random points and queries in a cube of each dimension and measure their L2 distances; also for ``data``.

        With fewer points the nearest is farther away. So if ``data`` has too few rows, fewer random points are drawn too.

        Parameters
        ----------
        dimensions : sequence of int
        n_points : int
            Random points in each dimension.
        n_queries : int
        random_state : int, RandomState or None
        data : array-like of shape (n_rows, n_features), optional
            Rows to compare with the random points.

        Returns
        -------
        CurseDisplay

        Raises
        ------
        InputError
            For numbers of dimensions, points or queries that are not whole numbers of at least 1, and for data that is not
            a table.
        """
        for name, number in (("n_points", n_points), ("n_queries", n_queries)):
            check_number(name, number, minimum=1, whole=True)
        for d in as_line(dimensions, "dimensions").tolist():
            check_number("dimensions", d, minimum=1, whole=True)
        rng = np.random.default_rng(seed_of(random_state))
        rows = None if data is None else as_table(data, "data")
        if rows is not None and len(rows) > n_queries:
            n_points = min(n_points, len(rows) - n_queries)
        shares = []
        for d in dimensions:
            shares.append(_nearest_share(rng.random((n_queries, d)), rng.random((n_points, d))))
        own = None
        if rows is not None and len(rows) > n_queries:
            drawn = np.ascontiguousarray(rows[rng.permutation(len(rows))[: n_points + n_queries]])
            own = rows.shape[1], _nearest_share(drawn[:n_queries], drawn[n_queries:])
        return cls(np.asarray(dimensions), np.array(shares), n_points, own)

    @in_context
    def plot(self, figure: Figure | SubFigure | None = None, *, context: str = "paper") -> CurseDisplay:
        """Draw into ``figure``, or into a new one.

        Parameters
        ----------
        figure : matplotlib figure or subfigure, optional
            Without it a new figure is created.
        context : {"paper", "talk"}
            "talk": a slide of 13.3 x 7.5 inches (16:9), with type and lines for a projector. In given axes or figures, only
            type and lines are larger.

        Returns
        -------
        self
            With ``figure_`` set.
        """
        self.figure_ = style.figure_for(figure, 4.4)
        grid = self.figure_.add_gridspec(2, 3, height_ratios=(1, 1.7))
        panels = [self.figure_.add_subplot(grid[0, d]) for d in range(3)]
        below = self.figure_.add_subplot(grid[1, :])
        self.axes_ = np.array([*panels, below], dtype=object)
        for d, ax in enumerate(panels, start=1):
            self._draw_points(ax, d)
        below.plot(
            self.dimensions,
            100 * self.nearest,
            "o-",
            color=style.BLUE,
            lw=sizes.of(1.5),
            ms=sizes.of(4),
            label="random points",
        )
        if self.own is not None:
            label = f"this data: {100 * self.own[1]:.0f} %"
            below.plot([self.own[0]], [100 * self.own[1]], "^", color=style.VERMILION, ms=sizes.of(9), label=label)
            below.legend(fontsize=sizes.small, framealpha=0.0)
        below.set_xscale("log", base=2)
        ticks = [d for d in (1, 2, 4, 16, 64, 256, 1024, 3072) if self.dimensions.min() <= d <= self.dimensions.max()]
        below.set_xticks(ticks, labels=[f"{d:,}" for d in ticks])
        below.minorticks_off()
        below.set_ylim(0, 100)
        below.tick_params(labelsize=sizes.small)
        below.grid(True, lw=sizes.of(0.5), alpha=0.6)
        below.set_xlabel("dimensions", fontsize=sizes.text)
        below.set_ylabel("nearest distance\n(% of mean distance)", fontsize=sizes.text)
        below.set_title(f"The nearest of {self.n_points:,} random points", fontsize=sizes.small)
        self.figure_.suptitle("Points needed to cover a cube", fontsize=sizes.title)
        return self

    def _draw_points(self, ax: Any, d: int) -> None:
        corners = np.stack(np.meshgrid(*[np.arange(SIDE)] * d, indexing="ij"), axis=-1).reshape(-1, d).astype(float)
        depth = corners[:, 2] if d == 3 else np.zeros(len(corners))
        across, up = corners[:, 0] + 0.33 * depth, (corners[:, 1] if d > 1 else 0) + 0.25 * depth
        # points farther back are fainter; all stay visible on light and dark backgrounds
        ax.scatter(across, up, s=sizes.of(3) ** 2, color=style.BLUE, alpha=1 - 0.13 * depth, lw=0)
        ax.set(xlim=(-0.5, 4.5), ylim=(-0.5, 4.2), aspect="equal")
        style.bare(ax)
        ax.set_title(f"{d}-D: {counted(len(corners), 'point')}", fontsize=sizes.small)


def _nearest_share(Q: NDArray[Any], X: NDArray[Any]) -> float:
    """Distance to the nearest row as a share of the mean distance, averaged over queries (1 if all coincide)."""
    found = pairwise_distances(Q, X, "l2")
    mean = found.mean(axis=1)
    return float(np.divide(found.min(axis=1), mean, out=np.ones_like(mean), where=mean > 0).mean())
