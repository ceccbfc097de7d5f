"""The plane, coloured by the class that k neighbours vote for; ties are white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls.display._regions import TIED, Regions, around, cells, decision_regions
from fastcls.metrics import label as metric_label

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_labels, as_table, check_can

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

MARKERS = "o^sDvP*X"
COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, "#e69f00", "#56b4e9", "#f0e442", "#555555")
PALE = (
    0.55,
    0.75,
    0.35,
)  # share of white in a region's colour, so that points are visible; one for each turn through COLOURS
BALLS = {"l1": [(1, 0), (0, 1), (-1, 0), (0, -1)], "l2": [(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 65)]}


def look_of(c: int) -> tuple[str, str]:
    """Colour and marker of a class; no two of the first 64 classes share both."""
    turn, at = divmod(c, len(COLOURS))
    return COLOURS[at], MARKERS[(at + turn) % len(MARKERS)]


class DecisionRegionDisplay(Drawn):
    """The winning class at every point of the plane (white: a tie), and the training points.

    Parameters
    ----------
    regions : Regions
        As ``decision_regions`` computes them.
    points : array of shape (n_points, 2)
    labels : array of shape (n_points,)
    title : str
    metric : str or None
        For "l1" and "l2", all points at one distance are drawn in a corner: a diamond or a circle.

    Attributes
    ----------
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self, regions: Regions, points: NDArray[Any], labels: NDArray[Any], *, title: str = "", metric: str | None = None
    ) -> None:
        self.regions = regions
        self.points = points
        self.labels = labels
        self.title = title
        self.metric = metric

    @classmethod
    def from_points(cls, points: ArrayLike, y: ArrayLike, *, k: int = 1, metric: str = "l2", **options: Any) -> Any:
        """Compute the regions of k-NN on these points; ``options`` as for ``decision_regions``.

        Parameters
        ----------
        points : array-like of shape (n_points, 2)
        y : array-like of shape (n_points,)
            Labels.
        k : int
        metric : str
        **options
            Further options of ``decision_regions``.

        Returns
        -------
        DecisionRegionDisplay

        Raises
        ------
        InputError
            As for ``decision_regions``.
        """
        regions = decision_regions(points, y, k=k, metric=metric, **options)
        title = f"k = {k} under {metric_label(metric)}"
        return cls(regions, np.asarray(points), np.asarray(y), title=title, metric=metric)

    @classmethod
    def from_estimator(cls, estimator: Any, X: ArrayLike, y: ArrayLike, *, size: int = 300) -> DecisionRegionDisplay:
        """Compute the regions of a fitted estimator of two features; ties are white if it has ``predict_ties``.

        Parameters
        ----------
        estimator : fitted classifier of two features
        X : array-like of shape (n_points, 2)
        y : array-like of shape (n_points,)
            Labels.
        size : int
            Cells along each side.

        Returns
        -------
        DecisionRegionDisplay

        Raises
        ------
        InputError
            For points that are not in the plane, and for an estimator without ``predict``.
        """
        check_can(estimator, "classes_", "predict")
        points = as_table(X, "X")
        if points.shape[1] != 2:
            raise InputError(f"X has shape {points.shape}; wanted points in the plane, (n_points, 2)")
        labels = as_labels(y, len(points))
        check_number("size", size, minimum=1, whole=True)
        extent = around(points)
        centres = cells(extent, size)
        codes = np.searchsorted(estimator.classes_, estimator.predict(centres))
        if hasattr(estimator, "predict_ties"):
            codes = np.where(estimator.predict_ties(centres), TIED, codes)
        regions = Regions(codes.reshape(size, size), estimator.classes_, extent)
        metric = getattr(estimator, "effective_metric_", None)
        return cls(regions, points, labels, title=type(estimator).__name__, metric=metric)

    def image(self) -> NDArray[np.float64]:
        """Colours of the cells, (size, size, 3) between 0 and 1, lowest row first; ties are white.

        Returns
        -------
        float64 array (size, size, 3)
        """
        style.import_matplotlib()
        from matplotlib.colors import to_rgb

        n = len(self.regions.classes)
        colours = np.array([to_rgb(look_of(c)[0]) for c in range(n)])
        pale = np.array([PALE[c // len(COLOURS) % len(PALE)] for c in range(n)])[:, None]
        colours = np.vstack([pale + (1 - pale) * colours, [1.0, 1.0, 1.0]])  # TIED = -1 takes the last
        return colours[self.regions.codes]

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> DecisionRegionDisplay:
        """Draw into ``ax``, or into a new figure.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Without them a new figure is created.
        context : {"paper", "talk"}
            "talk": a slide of 13.3 x 7.5 inches (16:9), with type and lines for a projector. In given axes or figures, only
            type and lines are larger.

        Returns
        -------
        self
            With ``figure_`` set.
        """
        self.figure_, ax = style.axes_for(ax, height=4.4)
        self.ax_ = ax
        ax.imshow(self.image(), origin="lower", extent=self.regions.extent, interpolation="none")
        names = style.distinct(self.regions.classes.tolist())
        drawn = []
        for c, name in enumerate(self.regions.classes):
            own = self.points[self.labels == name]
            colour, marker = look_of(c)
            drawn += ax.plot(
                own[:, 0], own[:, 1], marker, color=colour, mec="black", mew=sizes.of(0.6), ms=sizes.of(4.5), ls="none"
            )
        if self.metric in BALLS:
            self._draw_ball(BALLS[self.metric])
        tied = float((self.regions.codes == TIED).mean())
        white = f" (white: tied, {100 * tied:.0f} %)" if tied else ""
        ax.set_title(style.shorten(self.title, 40) + white, fontsize=sizes.title, **style.LITERAL)
        ax.set_xlabel("first feature", fontsize=sizes.text)
        ax.set_ylabel("second feature", fontsize=sizes.text)
        ax.tick_params(labelsize=sizes.small)
        n_columns = style.columns_of(names, 72 * 0.9 * sizes.width)
        style.legend(ax, drawn, names, ncols=n_columns, loc="upper center", bbox_to_anchor=(0.5, -0.13))
        return self

    def _draw_ball(self, corners: list[tuple[float, float]]) -> None:
        from matplotlib.patches import Polygon

        around_corner = 0.09 + 0.055 * np.array(corners)
        ball = Polygon(around_corner, fc="white", ec="black", lw=sizes.of(1.0), transform=self.ax_.transAxes, zorder=4)
        self.ax_.add_patch(ball)
