"""The rows of W as images: the templates of a linear classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls._validation.rows import check_finite

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_table, check_can, check_image_shape, check_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray

COLUMNS = 5


class TemplatesDisplay(Drawn):
    """The weights of each class as an image, all on one scale that is symmetric about zero.

    Grey images: red raises the class's score, blue lowers it, white is zero. Colour images: each channel goes from black
    (lowers the score) through mid-grey (zero) to full intensity (raises it).

    Parameters
    ----------
    templates : array of shape (n_classes, height, width, channels)
        One or three channels.
    names : sequence of str of length n_classes
    scale : float
        The weight shown in full colour; larger ones are clipped. By default the 99 % quantile of the magnitudes, because
        otherwise a few large weights would leave everything else grey.
    n_classes : int
        Number of all classes, if only some are given.

    Attributes
    ----------
    figure_, axes_ : present after ``plot``
    """

    axes_: NDArray[Any]

    def __init__(
        self, templates: NDArray[Any], names: Sequence[str], *, scale: float | None = None, n_classes: int | None = None
    ) -> None:
        self.templates = templates
        self.names = list(names)
        self.scale = float(np.quantile(np.abs(templates), 0.99)) if scale is None else float(scale)
        self.n_classes = len(self.names) if n_classes is None else n_classes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: Sequence[int] | None,
        class_names: Sequence[str] | None = None,
        max_classes: int = 20,
    ) -> TemplatesDisplay:
        """Show the templates of a fitted linear classifier.

        Parameters
        ----------
        estimator : fitted estimator with ``coef_`` (n_classes, n_features) and ``classes_``
        image_shape : (height, width, channels)
        class_names : names of the labels, if these are codes 0, 1, ...
        max_classes : int
            Show at most this many classes, the first ones; the title says so.

        Returns
        -------
        TemplatesDisplay

        Raises
        ------
        InputError
            If there are no weights, or if they do not match the image shape.
        """
        weights = getattr(estimator, "coef_", None)
        if weights is None:
            raise InputError(f"{type(estimator).__name__} has no coef_; wanted a fitted linear classifier")
        check_can(estimator, "classes_")
        weights = np.atleast_2d(weights)
        if len(weights) == 1 and len(estimator.classes_) == 2:  # scikit-learn keeps one row for two classes
            weights = np.vstack([-weights, weights])
        names = style.label_names(estimator.classes_, class_names).tolist()
        return cls.from_weights(weights, image_shape=image_shape, class_names=names, max_classes=max_classes)

    @classmethod
    def from_weights(
        cls,
        W: ArrayLike,
        *,
        image_shape: Sequence[int] | None,
        class_names: Sequence[str] | None = None,
        max_classes: int = 20,
    ) -> TemplatesDisplay:
        """Show the rows of W (n_classes, n_features); an additional last column is a bias and is omitted.

        Parameters
        ----------
        W : array-like of shape (n_classes, n_features)
        image_shape : (height, width, channels)
        class_names : sequence of str, optional
        max_classes : int
            Templates to show at most.

        Returns
        -------
        TemplatesDisplay

        Raises
        ------
        InputError
            If W does not match the image shape, or if there is not one name for each row.
        """
        weights = as_table(W, "W").astype(np.float64)
        check_finite(weights, "W")
        check_number("max_classes", max_classes, minimum=1, whole=True)
        shape = check_image_shape(image_shape)
        n_features = shape[0] * shape[1] * shape[2]
        if weights.shape[1] == n_features + 1:
            weights = weights[:, :-1]
        check_image_shape(shape, weights.shape[1])
        names = check_names([str(c) for c in range(len(weights))] if class_names is None else class_names, len(weights))
        scale = float(np.quantile(np.abs(weights), 0.99))  # over all classes, shown or not
        templates = weights[:max_classes].reshape(-1, *shape)
        return cls(templates, names[:max_classes], scale=scale, n_classes=len(weights))

    @in_context
    def plot(self, figure: Figure | SubFigure | None = None, *, context: str = "paper") -> TemplatesDisplay:
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
        n_shown, height, width, channels = self.templates.shape
        columns = min(COLUMNS, n_shown)
        rows = -(-n_shown // columns)
        size = 0.93 * sizes.width / max(columns, 3)
        below = 0.65 if channels == 1 else 0.25
        self.figure_ = style.figure_for(figure, rows * (size * height / width + 0.25) + 0.2 + below)
        self.axes_ = self.figure_.subplots(rows, columns, squeeze=False)
        names = style.distinct(self.names)
        for i, ax in enumerate(self.axes_.ravel()):
            if i < n_shown:
                self._draw_template(ax, i, style.fit(names[i], 72 * size * 0.98, sizes.small))
            else:
                ax.set_axis_off()
        some = "" if n_shown == self.n_classes else f" (first {n_shown} of {counted(self.n_classes, 'class')})"
        self.figure_.suptitle(f"One template per class{some}", fontsize=sizes.title)
        if channels == 1:
            self._draw_bar()
        else:
            self.figure_.supxlabel("brighter raises the score, darker lowers it, mid-grey is 0", fontsize=sizes.small)
        style.settle(self.figure_, figure)
        return self

    def _draw_template(self, ax: Axes, i: int, name: str) -> None:
        limit = self.scale or 1.0
        image = style.shrink(self.templates[i])
        if image.shape[2] == 1:
            ax.imshow(image[:, :, 0], cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
        else:
            ax.imshow(style.to_rgb(image, -limit, limit), interpolation="none")
        style.bare(ax)
        ax.set_title(name, fontsize=sizes.small, pad=sizes.of(2), **style.LITERAL)

    def _draw_bar(self) -> None:
        image = self.axes_[0, 0].images[0]
        bar = self.figure_.colorbar(image, ax=self.axes_, location="bottom", shrink=0.7, aspect=30, pad=0.03, extend="both")
        bar.set_ticks([-self.scale, 0, self.scale] if self.scale else [0])
        bar.ax.set_xticklabels([f"{tick:.2g}".replace("-", "\N{MINUS SIGN}") for tick in bar.get_ticks()])
        bar.ax.tick_params(labelsize=sizes.small)
        bar.set_label("weight of a pixel: red raises the score, blue lowers it", fontsize=sizes.small)
