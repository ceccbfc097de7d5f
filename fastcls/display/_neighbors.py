"""Query images, each next to its nearest training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_labels, as_table, check_can, check_image_shape, check_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray


N_ACROSS = 5  # neighbours side by side at 400 pixels; with more, the figure grows
MOST_ON_SLIDE = 4  # test images
GAP = 0.97  # share of a column that a name may take: names side by side stay apart
LINES = 2  # at most, for a long name


class NeighborsDisplay(Drawn):
    """Query images, each in a row with its nearest training images, nearest first.

    Below each neighbour are its class and its distance. If the query's own class is known, a tick and a solid frame mark the
    neighbours of that class; a cross and a dashed frame mark the others.

    Parameters
    ----------
    query_images : array of shape (n_queries, height, width, channels)
        One or three channels.
    neighbor_images : array of shape (n_queries, n_neighbors, height, width, channels)
    distances : array of shape (n_queries, n_neighbors)
    neighbor_names : array of str of shape (n_queries, n_neighbors)
        Class of each neighbour.
    query_names : array of str of shape (n_queries,) or None
        Class of each query, if known.
    same_class : bool array of shape (n_queries, n_neighbors) or None
        Whether the neighbour has the query's class, if known.
    predicted_names : array of str of shape (n_queries,) or None
        Class predicted by the neighbours' vote.

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
        """Find the neighbours of a few query rows with a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator with ``kneighbors``
            If it also has ``predict``, the vote is shown.
        X, y : query rows (n_queries, n_features), and their labels if known
        X_train, y_train : the rows and labels that the estimator was fitted on, in the same order
        image_shape : (height, width, channels)
            The order of the values in a row.
        n_neighbors : neighbours to show for each query
        class_names : names of the labels, if these are codes 0, 1, ...

        Returns
        -------
        NeighborsDisplay

        Raises
        ------
        InputError
            If the rows are not images, or if rows and labels do not match.
        """
        rows = as_table(X, "X")
        check_can(estimator, "kneighbors")
        check_image_shape(image_shape, rows.shape[1])
        distances, indices = estimator.kneighbors(X, n_neighbors=n_neighbors)
        return cls.from_neighbors(
            rows,
            distances,
            indices,
            y=y,
            X_train=X_train,
            y_train=y_train,
            image_shape=image_shape,
            class_names=class_names,
            y_pred=estimator.predict(X) if hasattr(estimator, "predict") else None,
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
        """Show neighbours that ``fastcls.knn`` returned; parameters as for ``from_estimator``.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
        distances : array-like of shape (n_queries, n_neighbors)
        indices : array-like of int, shape (n_queries, n_neighbors)
            Rows of `X_train`.
        y, y_pred : array-like of shape (n_queries,), optional
            True and predicted labels of the queries.
        X_train : array-like of shape (n_rows, n_features)
        y_train : array-like of shape (n_rows,)
        image_shape : (height, width, channels), or None
        class_names : sequence of str, optional

        Returns
        -------
        NeighborsDisplay

        Raises
        ------
        InputError
            If the rows are not images, or if distances, indices or labels do not match them.
        """
        rows, trained = as_table(X, "X"), as_table(X_train, "X_train")
        shape = check_image_shape(image_shape, rows.shape[1])
        check_image_shape(image_shape, trained.shape[1])
        labels = as_labels(y_train, len(trained), "y_train", "rows of X_train")
        found = check_places(indices, distances, len(rows), len(trained))
        truth = None if y is None else as_labels(y, len(rows))
        predicted = None if y_pred is None else as_labels(y_pred, len(rows), "y_pred")
        near = trained[found.ravel()]  # reads only these rows of a memory map
        return cls(
            rows.reshape(-1, *shape),
            near.reshape(*found.shape, *shape),
            np.asarray(distances),
            style.label_names(labels[found], class_names),
            query_names=None if truth is None else style.label_names(truth, class_names),
            same_class=None if truth is None else labels[found] == truth[:, None],
            predicted_names=None if predicted is None else style.label_names(predicted, class_names),
        )

    @in_context
    def plot(self, figure: Figure | SubFigure | None = None, *, context: str = "paper") -> NeighborsDisplay:
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
        n_queries, n_neighbors = self.distances.shape
        heading = "test image"
        if sizes.is_talk and n_queries > MOST_ON_SLIDE:
            heading, n_queries = f"{MOST_ON_SLIDE} of {n_queries} test images", MOST_ON_SLIDE
        # the query's column is wider, so that a gap separates it from the neighbours
        columns, wider = max(n_neighbors, 3), 1.3
        width = sizes.width
        if not sizes.is_talk:
            width *= max(1.0, (columns + wider) / (N_ACROSS + wider))
        size = 0.92 * width / (columns + wider)
        self._type = self._type_for(GAP * 72 * size)
        letters = style.letters_in(LINES * GAP * 72 * size, self._type) - 2
        self._short = dict(zip(self._names(), style.distinct(self._names(), letters), strict=True))
        under = [self._under_neighbors(q, GAP * 72 * size) for q in range(n_queries)]
        below_query = [self._under_query(q, 72 * wider * size) for q in range(n_queries)]
        lines = sum(
            max(text.count("\n") + 1 for text in (*row, below)) for row, below in zip(under, below_query, strict=True)
        )
        image = size * self.query_images.shape[1] / self.query_images.shape[2]
        height = n_queries * (image + 0.14) + lines * 1.2 * self._type / 72 + 0.2
        self.figure_ = style.figure_for(figure, height, width)
        ratios = [wider] + [1] * n_neighbors
        self.axes_ = self.figure_.subplots(n_queries, n_neighbors + 1, squeeze=False, width_ratios=ratios)
        low, high = style.grey_range(np.concatenate([self.query_images.ravel(), self.neighbor_images.ravel()]))
        for q in range(n_queries):
            self._draw_query(self.axes_[q, 0], q, low, high, below_query[q])
            for j in range(n_neighbors):
                self._draw_neighbor(self.axes_[q, j + 1], q, j, low, high, under[q][j])
        self.axes_[0, 0].set_title(heading, fontsize=sizes.small, fontweight="bold", loc="left")
        title = self.axes_[0, 1].annotate(
            "nearest training images, with distances →",
            (0, 1),
            xytext=(0, sizes.of(6)),
            textcoords="offset points",
            xycoords="axes fraction",
            fontsize=sizes.small,
            fontweight="bold",
        )
        title.set_in_layout(False)  # it is wider than its column, which need not grow
        style.settle(self.figure_, figure)
        return self

    def _names(self) -> list[str]:
        given = (self.neighbor_names, self.query_names, self.predicted_names)
        return sorted({str(name) for names in given if names is not None for name in np.ravel(names)})

    def _type_for(self, points: float) -> float:
        """The larger type size, if every name fits."""
        widest = max(style.width_of(style.shorten(name, 200), sizes.small) for name in self._names())
        return sizes.small if widest <= points else sizes.tiny

    def _under_neighbors(self, q: int, points: float) -> list[str]:
        """Class, then sign and distance, of each neighbour; all distances are on the same line."""
        names = [style.wrap(self._short[str(name)], points, self._type, LINES) for name in self.neighbor_names[q]]
        lines = max(name.count("\n") for name in names)
        texts = []
        for j, name in enumerate(names):
            mark = ""
            if self.same_class is not None:
                mark = f"{style.RIGHT if self.same_class[q, j] else style.WRONG} "
            gap = "\n" * (1 + lines - name.count("\n"))
            texts.append(f"{name}{gap}{mark}{style.number(self.distances[q, j])}")
        return texts

    def _under_query(self, q: int, points: float) -> str:
        """The query's class and the vote."""
        texts = []
        if self.query_names is not None:
            texts.append(f"is {self._short[str(self.query_names[q])]}")
        if self.predicted_names is not None:
            mark = ""
            if self.query_names is not None:
                mark = style.RIGHT if self.predicted_names[q] == self.query_names[q] else style.WRONG
            texts.append(f"{mark} vote {self._short[str(self.predicted_names[q])]}".strip())
        return "\n".join(style.wrap(text, points, self._type, LINES) for text in texts)

    def _draw_query(self, ax: Axes, q: int, low: float, high: float, text: str) -> None:
        ax.imshow(style.to_rgb(self.query_images[q], low, high), interpolation="none")
        ax.set_anchor("W")
        style.bare(ax)
        ax.set_xlabel(text, fontsize=self._type, labelpad=sizes.of(2), **style.LITERAL, loc="left")

    def _draw_neighbor(self, ax: Axes, q: int, j: int, low: float, high: float, text: str) -> None:
        ax.imshow(style.to_rgb(self.neighbor_images[q, j], low, high), interpolation="none")
        if self.same_class is None:
            style.bare(ax)
        elif self.same_class[q, j]:
            style.bare(ax, style.BLUE, width=sizes.of(1.6))
        else:
            style.bare(ax, style.VERMILION, line=(0, (2, 1.5)), width=sizes.of(2.2))
        ax.set_xlabel(text, fontsize=self._type, labelpad=sizes.of(2), **style.LITERAL)
