"""The loss during the training of a linear classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import refuse_masked
from fastcls._validation.errors import InputError

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


class LossHistoryDisplay(Drawn):
    """Loss against epoch (or against the number of tries), with its first and last value next to the line.

    Parameters
    ----------
    loss : array of shape (n_steps,)
        Loss after each step.
    name : str
        What is trained; part of the title.
    step : str
        Name of a step: "epoch", "try".
    quantity : str
        Name of the vertical axis.
    log_steps : bool
        Whether the axis of the steps is logarithmic.

    Attributes
    ----------
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self, loss: ArrayLike, *, name: str = "", step: str = "epoch", quantity: str = "loss", log_steps: bool = False
    ) -> None:
        refuse_masked(loss, "loss")
        try:
            self.loss = np.asarray(loss, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"loss is {type(loss).__name__}; wanted a list of numbers, one for each step") from None
        if self.loss.ndim != 1 or self.loss.size == 0:
            raise InputError(f"loss has shape {self.loss.shape}; wanted one number for each step, at least one")
        self.name = name
        self.step = step
        self.quantity = quantity
        self.log_steps = log_steps

    @classmethod
    def from_estimator(cls, estimator: Any, *, name: str | None = None) -> LossHistoryDisplay:
        """Show the ``loss_history_`` of a fitted estimator, one number an epoch.

        Parameters
        ----------
        estimator : fitted linear classifier
        name : str, optional
            For the title; by default the name of its class.

        Returns
        -------
        LossHistoryDisplay

        Raises
        ------
        InputError
            If the estimator has no ``loss_history_``.
        """
        history = getattr(estimator, "loss_history_", None)
        if history is None:
            raise InputError(f"{type(estimator).__name__} has no loss_history_; wanted a fitted linear classifier")
        return cls(history, name=type(estimator).__name__ if name is None else name, quantity="loss plus penalty")

    @classmethod
    def from_best_values(cls, best_values: ArrayLike, *, name: str = "random search") -> LossHistoryDisplay:
        """Show the best loss so far after each try of a random search.

        Parameters
        ----------
        best_values : array-like of shape (n_tries,)
        name : str

        Returns
        -------
        LossHistoryDisplay

        Raises
        ------
        InputError
            If `best_values` is not one number for each try.
        """
        return cls(best_values, name=name, step="try", quantity="best loss so far", log_steps=True)

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> LossHistoryDisplay:
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
        self.figure_, ax = style.axes_for(ax, height=2.6)
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        self.ax_ = ax
        steps = np.arange(1, self.loss.size + 1)
        ax.plot(
            steps,
            self.loss,
            color=style.BLUE,
            lw=sizes.of(1.6),
            drawstyle="steps-post" if self.log_steps else "default",
            marker="o" if self.loss.size <= 40 else None,
            ms=sizes.of(3),
        )
        if self.log_steps:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        else:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.margins(y=0.14)
        ax.ticklabel_format(axis="y", useOffset=False)
        first, last = style.apart(self.loss[0], self.loss[-1])
        self._write_value(0, first, "left")
        if self.loss.size > 1:
            self._write_value(self.loss.size - 1, last, "right")
        ax.tick_params(labelsize=sizes.small)
        ax.grid(True, lw=sizes.of(0.5), alpha=0.6)
        step, quantity = style.shorten(self.step, 30), style.shorten(self.quantity, 40)
        ax.set_xlabel(step, fontsize=sizes.text, **style.LITERAL)
        ax.set_ylabel(quantity, fontsize=sizes.text, **style.LITERAL)
        title = f"{quantity} by {step}"
        ax.set_title(
            f"{style.shorten(self.name, 40)}: {title}" if self.name else title, fontsize=sizes.title, **style.LITERAL
        )
        return self

    def _write_value(self, i: int, text: str, side: str) -> None:
        above = i == 0 or not self.log_steps  # the last step of a staircase descends from above
        self.ax_.annotate(
            text,
            (i + 1, self.loss[i]),
            xytext=(0, sizes.of(5 if above else -5)),
            ha=side,
            va="bottom" if above else "top",
            textcoords="offset points",
            fontsize=sizes.small,
        )
