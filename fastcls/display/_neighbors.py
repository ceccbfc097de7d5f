"""Query images, each beside its nearest training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation import InputError
from fastcls.display import _style
from fastcls.display._style import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray


LONGEST = 9  # characters shown of a name: with its sign they fill a column of the usual figure in the tiny size
SHORT = 6  # characters that fit in the size of other small text
TINY = 6.0  # points


def _name(name: object) -> str:
    return _style.shorten(name, LONGEST)


class NeighborsDisplay(Drawn):
    """Query images, each in a row with its nearest training images, nearest first.

    Under each neighbour stand its class and its distance. Where the query's own class is known, a tick and a solid
    frame mark the neighbours of that class, a cross and a dashed frame the others.

    Parameters
    ----------
    query_images : array of shape (n_queries, height, width, channels)
        One or three channels.
    neighbor_images : array of shape (n_queries, n_neighbors, height, width, channels)
    distances : array of shape (n_queries, n_neighbors)
    neighbor_names : array of str of shape (n_queries, n_neighbors)
        Class of each neighbour.
    query_names : array of str of shape (n_queries,) or None
        Class of each query, where known.
    same_class : bool array of shape (n_queries, n_neighbors) or None
        Whether the neighbour has the query's class, where known.
    predicted_names : array of str of shape (n_queries,) or None
        What the neighbours' vote said.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : array of Axes of shape (n_queries, 1 + n_neighbors)
        Present after ``plot``.
    """

    axes_: NDArray[Any]

    def __init__(
        self,
        query_images: NDArray[Any],
        neighbor_images: NDArray[Any],
        distances: NDArray[Any],
        neighbor_names: NDArray[Any],
        *,
        query_names: NDArray[Any] | None = None,
        same_class: NDArray[Any] | None = None,
        predicted_names: NDArray[Any] | None = None,
    ) -> None:
        self.query_images = query_images
        self.neighbor_images = neighbor_images
        self.distances = distances
        self.neighbor_names = neighbor_names
        self.query_names = query_names
        self.same_class = same_class
        self.predicted_names = predicted_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        X_train: ArrayLike,
        y_train: ArrayLike,
        image_shape: Sequence[int] | None,
        n_neighbors: int = 5,
        class_names: Sequence[str] | None = None,
    ) -> NeighborsDisplay:
        """Search the neighbours of a few query rows with a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator with ``kneighbors``
            If it has ``predict`` too, the vote is shown.
        X, y : the query rows (n_queries, n_features), and their labels where known
        X_train, y_train : the rows and labels the estimator was fitted on, in the same order
        image_shape : (height, width, channels)
            Rows are in that order.
        n_neighbors : neighbours to show of each query
        class_names : names of the labels, where these are codes 0, 1, ...

        Raises
        ------
        InputError
            If the rows are not images.
        """
        rows = np.asarray(X)
        _style.check_image_shape(image_shape, rows.shape[1])
        distances, indices = estimator.kneighbors(rows, n_neighbors=n_neighbors)
        return cls.from_neighbors(
            rows,
            distances,
            indices,
            y=y,
            X_train=X_train,
            y_train=y_train,
            image_shape=image_shape,
            class_names=class_names,
            y_pred=estimator.predict(rows) if hasattr(estimator, "predict") else None,
        )

    @classmethod
    def from_neighbors(
        cls,
        X: ArrayLike,
        distances: ArrayLike,
        indices: ArrayLike,
        *,
        y: ArrayLike | None = None,
        X_train: ArrayLike,
        y_train: ArrayLike,
        image_shape: Sequence[int] | None,
        class_names: Sequence[str] | None = None,
        y_pred: ArrayLike | None = None,
    ) -> NeighborsDisplay:
        """Show neighbours found earlier, as ``fastcls.knn`` returns them; parameters as in ``from_estimator``."""
        rows, found, labels = np.asarray(X), np.asarray(indices), np.asarray(y_train)
        shape = _style.check_image_shape(image_shape, rows.shape[1])
        if found.ndim != 2 or found.shape != np.shape(distances) or len(found) != len(rows):
            raise InputError(
                f"distances {np.shape(distances)} and indices {found.shape} must both have the shape "
                f"({len(rows)}, n_neighbors) for {len(rows)} query rows"
            )
        near = np.asarray(X_train)[found.ravel()]  # of a memory map, only these rows are read
        return cls(
            rows.reshape(-1, *shape),
            near.reshape(*found.shape, *shape),
            np.asarray(distances),
            _style.label_names(labels[found], class_names),
            query_names=None if y is None else _style.label_names(y, class_names),
            same_class=None if y is None else labels[found] == np.asarray(y)[:, None],
            predicted_names=None if y_pred is None else _style.label_names(y_pred, class_names),
        )

    def plot(self, figure: Figure | SubFigure | None = None) -> NeighborsDisplay:
        """Draw into ``figure``, or into a new one."""
        n_queries, n_neighbors = self.distances.shape
        # the query's column is wider: the gap says that what follows is something else; long names need more of it
        wider = 1.7 if self._has_long_names() else 1.25
        size = 0.92 * _style.WIDTH / (max(n_neighbors, 3) + wider)
        height = n_queries * (size * self.query_images.shape[1] / self.query_images.shape[2] + 0.37) + 0.2
        self.figure_ = _style.figure_for(figure, height)
        ratios = [wider] + [1] * n_neighbors
        self.axes_ = self.figure_.subplots(n_queries, n_neighbors + 1, squeeze=False, width_ratios=ratios)
        low, high = _style.grey_range(np.concatenate([self.query_images.ravel(), self.neighbor_images.ravel()]))
        for q in range(n_queries):
            self._draw_query(self.axes_[q, 0], q, low, high)
            for j in range(n_neighbors):
                self._draw_neighbor(self.axes_[q, j + 1], q, j, low, high)
        self.axes_[0, 0].set_title("test image", fontsize=_style.SMALL, fontweight="bold", loc="left")
        title = self.axes_[0, 1].annotate(
            "nearest training images, nearest first →", (0, 1), xytext=(0, 6), textcoords="offset points",
            xycoords="axes fraction", fontsize=_style.SMALL, fontweight="bold",
        )  # fmt: skip
        title.set_in_layout(False)  # wider than its column, which need not grow for it
        return self

    def _has_long_names(self) -> bool:
        given = (self.neighbor_names, self.query_names, self.predicted_names)
        return max(len(_name(name)) for names in given if names is not None for name in np.ravel(names)) > SHORT

    def _size_of_names(self) -> float:
        return TINY if self._has_long_names() else _style.SMALL

    def _draw_query(self, ax: Axes, q: int, low: float, high: float) -> None:
        ax.imshow(_style.to_rgb(self.query_images[q], low, high), interpolation="none")
        ax.set_anchor("W")
        _style.bare(ax)
        lines = []
        if self.query_names is not None:
            lines.append(f"is {_name(self.query_names[q])}")
        if self.predicted_names is not None:
            mark = ""
            if self.query_names is not None:
                mark = _style.RIGHT if self.predicted_names[q] == self.query_names[q] else _style.WRONG
            lines.append(f"{mark} vote {_name(self.predicted_names[q])}".strip())
        ax.set_xlabel("\n".join(lines), fontsize=self._size_of_names(), labelpad=2, parse_math=False, loc="left")

    def _draw_neighbor(self, ax: Axes, q: int, j: int, low: float, high: float) -> None:
        ax.imshow(_style.to_rgb(self.neighbor_images[q, j], low, high), interpolation="none")
        mark = ""
        if self.same_class is None:
            _style.bare(ax)
        elif self.same_class[q, j]:
            mark = _style.RIGHT + " "
            _style.bare(ax, _style.BLUE, width=1.6)
        else:
            mark = _style.WRONG + " "
            _style.bare(ax, _style.VERMILLION, line=(0, (2, 1.5)), width=2.2)
        text = f"{mark}{_name(self.neighbor_names[q, j])}\n{_style.number(self.distances[q, j])}"
        ax.set_xlabel(text, fontsize=self._size_of_names(), labelpad=2, parse_math=False)
