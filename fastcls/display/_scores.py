"""The lecture's table of scores: classes by images, and what each image costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls.display import _style
from fastcls.display._style import Drawn
from fastcls.problem import LinearProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray


class ScoresDisplay(Drawn):
    """Scores of a few samples, the true class framed, and the loss of each sample with its mean.

    Parameters
    ----------
    scores : array of shape (n_samples, n_classes)
    y : int array of shape (n_samples,)
        Codes of the true classes.
    losses : mapping of a loss's name to an array of shape (n_samples,)
    class_names : sequence of str of length n_classes
    sample_names : sequence of str of length n_samples

    Attributes
    ----------
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self, scores: NDArray[Any], y: NDArray[Any], losses: Mapping[str, NDArray[Any]], *,
        class_names: Sequence[str], sample_names: Sequence[str],
    ) -> None:  # fmt: skip
        self.scores = scores
        self.y = y
        self.losses = dict(losses)
        self.class_names = list(class_names)
        self.sample_names = list(sample_names)

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        scores: ArrayLike,
        *,
        losses: Sequence[str] = ("hinge", "softmax"),
        class_names: Sequence[str] | None = None,
        sample_names: Sequence[str] | None = None,
    ) -> ScoresDisplay:
        """Compute the losses of these scores (n_samples, n_classes) with the compiled loops; ``y`` holds class codes."""
        table, codes = np.asarray(scores, dtype=np.float64), np.asarray(y)
        n_samples, n_classes = table.shape
        # rows of the identity have as scores the columns of W
        rows, W = np.eye(n_samples), np.ascontiguousarray(table.T)
        each = {name: LinearProblem(rows, codes, loss=name, n_classes=n_classes).per_sample(W) for name in losses}
        names = [str(c) for c in range(n_classes)] if class_names is None else class_names
        samples = [f"sample {i + 1}" for i in range(n_samples)] if sample_names is None else sample_names
        return cls(table, codes, each, class_names=names, sample_names=samples)

    @classmethod
    def from_estimator(cls, estimator: Any, X: ArrayLike, y: ArrayLike, **options: Any) -> ScoresDisplay:
        """Ask a fitted linear classifier for the scores of a few rows; ``y`` holds labels."""
        codes = np.searchsorted(estimator.classes_, np.asarray(y))
        options.setdefault("class_names", [str(label) for label in estimator.classes_])
        return cls.from_predictions(codes, estimator.decision_function(X), **options)

    def plot(self, ax: Axes | None = None) -> ScoresDisplay:
        """Draw into ``ax``, or into a new figure."""
        n_samples, n_classes = self.scores.shape
        n_lines = 1 + n_classes + len(self.losses)
        self.figure_, self.ax_ = _style.axes_for(ax, height=0.5 + 0.3 * n_lines)
        self.ax_.set(xlim=(-1.3, n_samples), ylim=(n_lines - 0.4, -0.6))
        _style.bare(self.ax_)
        for i, name in enumerate(self.sample_names):
            self._write(i, 0, _style.shorten(name), weight="bold")
        for c, name in enumerate(self.class_names):
            self._write(-1, 1 + c, _style.shorten(name), weight="bold")
            for i in range(n_samples):
                self._draw_score(i, c)
        for at, (name, values) in enumerate(self.losses.items()):
            self._write(-1, 1 + n_classes + at, f"{name} loss", weight="bold", colour=_style.VERMILLION)
            for i, value in enumerate(values):
                self._write(i, 1 + n_classes + at, f"{value:.3f}", colour=_style.VERMILLION)
        self.ax_.axhline(n_classes + 0.5, lw=0.8, color=_style.VERMILLION)
        means = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in self.losses.items())
        self.ax_.set_title(f"Scores (true class framed); mean loss: {means}", fontsize=_style.TEXT)
        return self

    def _write(self, column: int, line: int, text: str, weight: str = "normal", colour: str | None = None) -> None:
        given: dict[str, Any] = {} if colour is None else {"color": colour}
        self.ax_.text(
            column + 0.45 if column >= 0 else -1.25, line, text, ha="center" if column >= 0 else "left", va="center",
            fontsize=_style.TEXT, fontweight=weight, parse_math=False, **given,
        )  # fmt: skip

    def _draw_score(self, i: int, c: int) -> None:
        from matplotlib.patches import Rectangle

        right = bool(self.y[i] == c)
        top = bool(self.scores[i].argmax() == c)
        self._write(i, 1 + c, f"{self.scores[i, c]:.2f}{' ▲' if top else ''}", weight="bold" if right else "normal")
        if right:
            self.ax_.add_patch(Rectangle((i + 0.02, c + 0.56), 0.86, 0.88, fc="none", ec=_style.BLUE, lw=1.3))
