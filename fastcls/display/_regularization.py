"""What a penalty does: rows it was trained on against new ones, for each strength."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls.display import _style
from fastcls.display._style import Drawn
from fastcls.linear import SoftmaxClassifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray


class RegularizationDisplay(Drawn):
    """Accuracy on training rows and on held-out rows against alpha, with the chosen alpha marked.

    Parameters
    ----------
    alphas : array of shape (n,)
    new : array of shape (n,)
        Accuracy on rows not trained on, between 0 and 1.
    train : array of shape (n,) or None
        The same on training rows.
    norms : array of shape (n,) or None
        Sum of the squared weights.
    best : int or None
        Place of the chosen alpha; by default of the highest accuracy on new rows, of equals the strongest penalty.

    Attributes
    ----------
    best : int
        Place of the alpha that is marked.
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self, alphas: NDArray[Any], new: NDArray[Any], train: NDArray[Any] | None = None,
        norms: NDArray[Any] | None = None, best: int | None = None,
    ) -> None:  # fmt: skip
        self.alphas = alphas
        self.train = train
        self.new = new
        self.norms = norms
        self.best = max(range(len(alphas)), key=lambda i: (new[i], alphas[i])) if best is None else best

    @classmethod
    def from_data(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        X_new: ArrayLike,
        y_new: ArrayLike,
        *,
        alphas: Sequence[float] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        **options: Any,
    ) -> RegularizationDisplay:
        """Fit a softmax classifier (L-BFGS unless ``options`` say otherwise) for every alpha, and judge it on both."""
        chosen = {"solver": "lbfgs", "max_iter": 1000, "tol": 1e-6, "random_state": 0} | options
        train, new, norms = [], [], []
        for alpha in alphas:
            model = SoftmaxClassifier(alpha=alpha, **chosen).fit(X, y)
            train.append(model.score(X, y))
            new.append(model.score(X_new, y_new))
            norms.append(float((model.coef_**2).sum()))
        return cls(np.asarray(alphas), np.array(new), np.array(train), np.array(norms))

    @classmethod
    def from_sweep(cls, alphas: ArrayLike, accuracy: ArrayLike, chosen: float | None = None) -> RegularizationDisplay:
        """Show accuracies on held-out rows that a sweep has found, one an alpha, and the alpha it chose.

        A sweep may choose by more than the accuracy (of equal ones the smaller loss); without ``chosen`` the highest
        accuracy is marked.
        """
        order = np.argsort(np.asarray(alphas))
        values = np.asarray(alphas)[order]
        best = None if chosen is None else int(np.flatnonzero(values == chosen)[0])
        return cls(values, np.asarray(accuracy)[order], best=best)

    def plot(self, ax: Axes | None = None) -> RegularizationDisplay:
        """Draw into ``ax``, or into a new figure."""
        self.figure_, ax = _style.axes_for(ax, height=3.2)
        self.ax_ = ax
        for values, name, (colour, marker, line) in (
            (self.train, "training rows", _style.SERIES[0]), (self.new, "held-out rows", _style.SERIES[1]),
        ):  # fmt: skip
            if values is None:
                continue
            ax.plot(self.alphas, 100 * values, marker + line, color=colour, lw=1.5, ms=4, label=name)
        chosen = self.alphas[self.best]
        ax.plot([chosen], [100 * self.new[self.best]], "o", ms=11, mfc="none", mec=_style.VERMILLION, mew=1.6,
                label=f"chosen: alpha = {chosen:g}")  # fmt: skip
        ax.set_xscale("log")
        ax.tick_params(labelsize=_style.SMALL)
        ax.grid(True, lw=0.5, alpha=0.6)
        ax.set_xlabel("alpha, strength of the penalty (left: fits all, right: simple)", fontsize=_style.TEXT)
        ax.set_ylabel("accuracy (%)", fontsize=_style.TEXT)
        ax.set_title("What a stronger penalty does", fontsize=_style.TITLE)
        ax.legend(fontsize=_style.SMALL, framealpha=0.0)
        return self
