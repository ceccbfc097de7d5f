"""The effect of a penalty: accuracy on training rows and on new rows, for each strength."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls.linear import SoftmaxClassifier

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_line, check_alphas

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
        Index of the chosen alpha; by default the one with the highest accuracy on new rows, of equal ones the largest.

    The axis of alpha is logarithmic; 0 (no penalty) is drawn at its left end.

    Attributes
    ----------
    best : int
        Index of the marked alpha.
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self,
        alphas: NDArray[Any],
        new: NDArray[Any],
        train: NDArray[Any] | None = None,
        norms: NDArray[Any] | None = None,
        best: int | None = None,
    ) -> None:
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
        """Fit a softmax classifier (by default with L-BFGS) for every alpha; ``options`` are passed to it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        X_new : array-like of shape (n_new, n_features)
            Rows to evaluate on.
        y_new : array-like of shape (n_new,)
        alphas : sequence of float
        **options
            Parameters of `SoftmaxClassifier`.

        Returns
        -------
        RegularizationDisplay

        Raises
        ------
        InputError
            For negative alphas, and for rows and labels that the classifier refuses.
        """
        strengths = check_alphas(alphas)
        chosen: dict[str, Any] = {"solver": "lbfgs", "max_iter": 1000, "tol": 1e-6} | options
        train, new, norms = [], [], []
        for alpha in strengths.tolist():
            model = SoftmaxClassifier(alpha=alpha, **chosen).fit(X, y)
            train.append(model.score(X, y))
            new.append(model.score(X_new, y_new))
            norms.append(float((model.coef_**2).sum()))
        return cls(strengths, np.array(new), np.array(train), np.array(norms))

    @classmethod
    def from_sweep(
        cls,
        alphas: ArrayLike,
        accuracy: ArrayLike,
        chosen: float | None = None,
        train_accuracy: ArrayLike | None = None,
    ) -> RegularizationDisplay:
        """Show a sweep's accuracies on held-out and on training rows, one for each alpha, and the alpha it chose.

        A sweep may use more than the accuracy to choose (of equal ones the smaller loss). Without ``chosen``, the highest
        accuracy is marked.

        Parameters
        ----------
        alphas : array-like of shape (n_alphas,)
        accuracy : array-like of shape (n_alphas,)
            On held-out rows, between 0 and 1.
        chosen : float, optional
        train_accuracy : array-like of shape (n_alphas,), optional
            On the rows trained on.

        Returns
        -------
        RegularizationDisplay

        Raises
        ------
        InputError
            For negative alphas, if there is not one accuracy for each alpha, and for a chosen alpha that is not among them.
        """
        strengths = check_alphas(alphas)
        found = as_line(accuracy, "accuracy", len(strengths))
        trained = None if train_accuracy is None else as_line(train_accuracy, "train_accuracy", len(strengths))
        order = np.argsort(strengths, kind="stable")
        values = strengths[order]
        if chosen is not None and chosen not in values:
            raise InputError(f"chosen={chosen!r} was not tried; choose one of: {', '.join(map(str, values[:10].tolist()))}")
        best = None if chosen is None else int(np.flatnonzero(values == chosen)[0])
        return cls(values, found[order], None if trained is None else trained[order], best=best)

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> RegularizationDisplay:
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
        self.figure_, ax = style.axes_for(ax, height=3.2)
        self.ax_, theirs = ax, tuple(ax.lines)
        x = self._positions()
        for values, name, (colour, marker, line) in (
            (self.train, "training rows", style.SERIES[0]),
            (self.new, "held-out rows", style.SERIES[1]),
        ):
            if values is None:
                continue
            ax.plot(
                x, 100 * values, marker + line, color=colour, lw=sizes.of(1.5), ms=sizes.of(4), label=name, clip_on=False
            )
        chosen = self.alphas[self.best]
        ax.plot(
            [x[self.best]],
            [100 * self.new[self.best]],
            "o",
            ms=sizes.of(11),
            mfc="none",
            mec=style.VERMILION,
            mew=sizes.of(1.6),
            label=f"chosen: alpha = {chosen:g}",
            clip_on=False,
        )
        style.end_at_100(ax, theirs)
        self._draw_strengths(x)
        ax.tick_params(labelsize=sizes.small)
        ax.grid(True, lw=sizes.of(0.5), alpha=0.6)
        ax.set_xlabel("alpha, strength of the penalty (left: fits all, right: simple)", fontsize=sizes.text)
        ax.set_ylabel("accuracy (%)", fontsize=sizes.text)
        ax.set_title("What a stronger penalty does", fontsize=sizes.title)
        ax.legend(fontsize=sizes.small, framealpha=0.0)
        return self

    def _positions(self) -> NDArray[np.float64]:
        """Positions of the alphas on a logarithmic axis; 0 is one step to the left of the smallest."""
        alphas = np.asarray(self.alphas, dtype=np.float64)
        positive = np.sort(alphas[alphas > 0])
        if not len(positive):
            return np.ones(len(alphas))
        step = (positive[-1] / positive[0]) ** (1 / max(1, len(positive) - 1))  # the mean step
        return np.where(alphas > 0, alphas, positive[0] / np.clip(step, 10.0, 1000.0))

    def _draw_strengths(self, x: NDArray[np.float64]) -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, LogFormatterMathtext, NullLocator

        axis, positive = self.ax_.xaxis, x[np.asarray(self.alphas) > 0]
        self.ax_.set_xscale("log")
        if len(positive) == len(x):
            return
        low, high = np.log10([positive.min(), positive.max()]) if len(positive) else (0.0, -1.0)
        decades = 10.0 ** np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
        usual, zero = LogFormatterMathtext(), float(x.min())
        usual.set_axis(axis)
        self.ax_.axvline(zero, lw=sizes.of(0.8), ls=(0, (1, 2)), color=style.PURPLE, zorder=0)
        axis.set_major_locator(FixedLocator([zero, *decades[:: max(1, len(decades) // 7)]]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, at: "0" if value == zero else usual(value, at)))
