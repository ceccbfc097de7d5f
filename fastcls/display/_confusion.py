"""scikit-learn's confusion matrix, drawn to stay readable with many classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import refuse_masked
from fastcls._validation.errors import InputError

from . import _style as style
from ._context import in_context, sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

FULL = 0.6  # share above which white text is readable on the blue, on light and dark backgrounds
MOST_NAMED = 60  # largest number of classes that are all named on the axes


@in_context
def plot_confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    class_names: Sequence[str],
    title: str = "",
    ax: Axes | None = None,
    context: str = "paper",
) -> Any:
    """Draw the confusion matrix of predictions.

    The colour of a cell is the share of its true class (its row), so rare classes are as visible as frequent ones. The
    colour scale is a square root, so a confusion of 1 % is visible next to 100 %. The number is the count; zeros, and all
    numbers in matrices of more than 20 classes, are omitted.

    Parameters
    ----------
    y_true, y_pred : class codes of shape (n,)
        Indices of ``class_names``. A code without a name is shown as a number.
    class_names : names of the classes
    title : title above the matrix
    ax : axes to draw into; by default those of a new figure, sized by the number of classes
    context : {"paper", "talk"}
        "talk": a slide, with type and lines for a projector, as in ``plot`` of the displays.

    Returns
    -------
    sklearn.metrics.ConfusionMatrixDisplay
        Its ``confusion_matrix`` holds the shares.

    Raises
    ------
    InputError
        For labels that are not codes, or if the numbers of labels and predictions differ.
    """
    style.import_matplotlib()
    from matplotlib import rcParams
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgba
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    refuse_masked(y_true, "y_true")
    refuse_masked(y_pred, "y_pred")
    truth, predicted = np.asarray(y_true), np.asarray(y_pred)
    if truth.ndim != 1 or truth.shape != predicted.shape or not len(truth):
        raise InputError(
            f"y_true has shape {truth.shape} and y_pred {predicted.shape}; wanted one code each, for at least one row"
        )
    codes = np.concatenate([truth, predicted])
    if codes.dtype.kind not in "iu" or codes.min(initial=0) < 0:
        raise InputError(f"y_true and y_pred are {codes.dtype}; wanted class codes, whole numbers from 0")
    class_names = [*class_names, *map(str, range(len(class_names), int(codes.max(initial=-1)) + 1))]
    n = len(class_names)
    counts = confusion_matrix(truth, predicted, labels=np.arange(n))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    width = _width(n)
    given, ax = ax, style.axes_for(ax, height=width * 0.98, width=width)[1]
    display = ConfusionMatrixDisplay(shares, display_labels=np.arange(n))
    numbered = n <= style.MOST_NUMBERED
    # from transparent to blue, visible on the light and the dark background of a page unless it is 0
    steps = [(share, to_rgba(style.BLUE, alpha)) for share, alpha in ((0.0, 0.0), (0.005, 0.12), (1.0, 1.0))]
    shades = LinearSegmentedColormap.from_list("shares", steps)
    image: dict[str, Any] = {"cmap": shades, "norm": PowerNorm(0.5, 0.0, 1.0), "interpolation": "none"}
    # set here what its own `plot` would set: that uses pyplot, which needs a backend with windows
    display.figure_, display.ax_, display.im_ = ax.figure, ax, ax.imshow(shares, **image)
    display.text_ = np.empty(shares.shape, dtype=object) if numbered else None
    ax.set_ylim(n - 0.5, -0.5)
    if numbered:
        for (i, j), share in np.ndenumerate(shares):
            colour = "white" if share > FULL else rcParams["text.color"]
            number = f"{counts[i, j]}" if counts[i, j] else ""
            display.text_[i, j] = ax.text(j, i, number, ha="center", va="center", fontsize=sizes.small, color=colour)
    else:
        bar = ax.figure.colorbar(display.im_, ax=ax, fraction=0.03, pad=0.015, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
        if bar.solids is not None:
            bar.solids.set_rasterized(True)  # or seams show between its transparent steps
        bar.ax.set_yticklabels(["0 %", "1 %", "5 %", "20 %", "50 %", "100 %"])
        bar.ax.tick_params(labelsize=sizes.small, length=sizes.of(2))
    _name_axes(ax, class_names)
    ax.set_title(style.shorten(title, 60) or "Confusion matrix", fontsize=sizes.title, **style.LITERAL)
    ax.set_xlabel("predicted class\n(colour: share of the true class)", fontsize=sizes.text)
    ax.set_ylabel("true class", fontsize=sizes.text)
    style.settle(ax.figure, given)
    return display


def _width(n: int) -> float:
    """Width in inches that leaves space for the number in every cell, or for the name of every row."""
    return max(sizes.width, 0.38 * n) if n <= style.MOST_NUMBERED else min(1.9 + 0.145 * n, 10.5)


def _name_axes(ax: Axes, class_names: Sequence[str]) -> None:
    step = -(-len(class_names) // MOST_NAMED)
    ticks = list(range(0, len(class_names), step))
    size = sizes.small if len(class_names) <= style.MOST_NUMBERED else sizes.tiny
    short = style.distinct(class_names, 16)
    names = [short[i] for i in ticks]
    upright = len(class_names) > 10 or max(len(name) for name in names) > 3
    ax.set_xticks(ticks, labels=names, rotation=90 if upright else 0, fontsize=size, **style.LITERAL)
    ax.set_yticks(ticks, labels=names, fontsize=size, **style.LITERAL)
    ax.tick_params(length=sizes.of(2), pad=sizes.of(1.5))
