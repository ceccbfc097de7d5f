"""The loss along a line or over a plane through W: the surface that training descends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import check_number, refuse_masked
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_weights

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import check_can

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from fastcls._gradient.problem import LinearProblem


class LossSliceDisplay(Drawn):
    """Full loss at W + a U, or at W + a U + b V, with the slope given by the analytic gradient.

    Parameters
    ----------
    steps : array of shape (n,)
        Values of a, and of b.
    loss : array of shape (n,) or (n, n)
        The row is the step b along V, the column the step a along U.
    slopes : the derivatives at W along U, and along V
    value : loss at W
    quantity : name of the loss

    Attributes
    ----------
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self, steps: NDArray[Any], loss: NDArray[Any], slopes: tuple[float, ...], value: float, quantity: str = "loss"
    ) -> None:
        self.steps = steps
        self.loss = loss
        self.slopes = slopes
        self.value = value
        self.quantity = quantity

    @classmethod
    def from_problem(
        cls,
        problem: LinearProblem,
        W: ArrayLike,
        direction: ArrayLike | None = None,
        second: ArrayLike | None = None,
        *,
        span: float = 1.0,
        n: int = 41,
    ) -> LossSliceDisplay:
        """Compute the loss from -span to span along ``direction`` (by default the steepest descent) and ``second``.

        Directions have the shape of W and are not normalised; the default has length 1.

        Parameters
        ----------
        problem : LinearProblem
        W : array-like of shape (n_classes, n_weights)
            The centre.
        direction : array-like like W, optional
        second : array-like like W, optional
            With a second direction, the loss is computed over a plane.
        span : float
        n : int
            Points along each direction.

        Returns
        -------
        LossSliceDisplay

        Raises
        ------
        InputError
            If W or a direction has another shape than the problem's W, or if span is not positive.
        """
        span = float(check_number("span", span, minimum=0, strict=True))
        check_can(problem, "shape", "fit_intercept", "value_and_gradient")
        at = check_weights(W, problem.shape, problem.fit_intercept)
        value, gradient = problem.value_and_gradient(at)
        if direction is None:
            direction = -gradient / (np.linalg.norm(gradient) or 1.0)
        refuse_masked([direction, second], "a direction")
        directions = [np.asarray(one, dtype=np.float64) for one in (direction, second) if one is not None]
        for one in directions:
            if one.shape != at.shape:
                raise InputError(f"a direction has shape {one.shape} and W {at.shape}; wanted the same shape")
        steps = np.linspace(-span, span, int(check_number("n", n, minimum=3, whole=True)))
        slopes = tuple(float((gradient * one).sum()) for one in directions)
        U, V = directions[0], directions[-1]
        if len(directions) == 1:
            loss = np.array([problem.value(at + a * U) for a in steps])
        else:
            loss = np.array([[problem.value(at + a * U + b * V) for a in steps] for b in steps])
        return cls(steps, loss, slopes, float(value), "loss plus penalty" if problem.alpha else "loss")

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> LossSliceDisplay:
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
        self.figure_, self.ax_ = style.axes_for(ax, height=3.0 if self.loss.ndim == 1 else 3.6)
        self._draw_line() if self.loss.ndim == 1 else self._draw_plane()
        self.ax_.tick_params(labelsize=sizes.small)
        self.ax_.set_xlabel("step along the first direction, from W", fontsize=sizes.text)
        return self

    def _draw_line(self) -> None:
        ax = self.ax_
        ax.plot(self.steps, self.loss, color=style.BLUE, lw=sizes.of(1.7), label="loss")
        margin = 0.1 * (np.ptp(self.loss) or 1.0)
        ax.set_ylim(self.loss.min() - margin, self.loss.max() + margin)
        tangent = self.value + self.slopes[0] * self.steps
        ax.plot(
            self.steps,
            tangent,
            "--",
            color=style.VERMILION,
            lw=sizes.of(1.2),
            label=f"slope by gradient: {self.slopes[0]:.4g}",
        )
        ax.plot([0], [self.value], "o", color=style.BLUE, ms=sizes.of(6), label=f"W: {style.number(self.value)}")
        ax.grid(True, lw=sizes.of(0.5), alpha=0.6)
        ax.set_ylabel(style.shorten(self.quantity, 40), fontsize=sizes.text, **style.LITERAL)
        ax.set_title("The loss along a line through W", fontsize=sizes.title)
        ax.legend(fontsize=sizes.small, framealpha=0.0)

    def _draw_plane(self) -> None:
        ax = self.ax_
        drawn = ax.contourf(self.steps, self.steps, self.loss, levels=14, cmap="cividis")
        bar = self.figure_.colorbar(drawn, ax=ax)
        bar.set_label(style.shorten(self.quantity, 40), fontsize=sizes.small, **style.LITERAL)
        bar.ax.tick_params(labelsize=sizes.small)
        ax.plot([0], [0], "o", color="white", mec="black", ms=sizes.of(6), label=f"W: {style.number(self.value)}")
        row, column = np.unravel_index(self.loss.argmin(), self.loss.shape)
        lowest = f"lowest: {style.number(self.loss.min())}"
        ax.plot(self.steps[column], self.steps[row], "*", color="white", mec="black", ms=sizes.of(10), label=lowest)
        along, up = self.slopes
        length = 0.35 * self.steps[-1] / (np.hypot(along, up) or 1.0)
        ax.annotate(
            "",
            (-length * along, -length * up),
            (0, 0),
            arrowprops={"arrowstyle": "->", "color": "white", "lw": sizes.of(1.6)},
        )
        ax.set_ylabel("step along the second direction", fontsize=sizes.text)
        ax.set_title("The loss over a plane through W; arrow: downhill", fontsize=sizes.title)
        ax.legend(fontsize=sizes.small, framealpha=0.0, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.15))
