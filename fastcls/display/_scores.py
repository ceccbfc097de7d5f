"""The lecture's table of scores, classes by images, with the loss of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.linear import check_codes
from fastcls._validation.rows import check_finite

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_labels, as_table, check_can, check_names, codes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

N_ACROSS = 4  # samples side by side at 400 pixels
ON_SLIDE = 8  # the same in a talk
NAMES, FEWER = 1.1, 0.95  # inches for the class names; the second if samples need the space
LINE = 0.3  # inches, height of a line


class ScoresDisplay(Drawn):
    """Scores of a few samples with the true class framed, the loss of each sample, and the mean loss.

    Parameters
    ----------
    scores : array of shape (n_samples, n_classes)
    y : int array of shape (n_samples,)
        Codes of the true classes.
    losses : mapping of loss name to an array of shape (n_samples,)
    class_names : sequence of str of length n_classes
    sample_names : sequence of str of length n_samples

    Up to four samples are drawn side by side; more are drawn in several blocks, one below the other.

    Attributes
    ----------
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self,
        scores: NDArray[Any],
        y: NDArray[Any],
        losses: Mapping[str, NDArray[Any]],
        *,
        class_names: Sequence[str],
        sample_names: Sequence[str],
    ) -> None:
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
        """Compute the losses of scores (n_samples, n_classes) with the compiled loops; ``y`` holds class codes.

        Parameters
        ----------
        y : array-like of int, shape (n_samples,)
            Class codes.
        scores : array-like of shape (n_samples, n_classes)
        losses : sequence of str
            Names in ``fastcls.losses.LOSSES``.
        class_names, sample_names : sequence of str, optional

        Returns
        -------
        ScoresDisplay

        Raises
        ------
        InputError
            For scores that are not a table of finite numbers, codes without a column, or a wrong number of names.
        """
        table = as_table(scores, "scores", "n_classes").astype(np.float64)
        check_finite(table, "scores")
        n_samples, n_classes = table.shape
        codes = check_codes(y, n_samples, n_classes)[0]
        names = check_names([str(c) for c in range(n_classes)] if class_names is None else class_names, n_classes)
        samples = [f"sample {i + 1}" for i in range(n_samples)] if sample_names is None else sample_names
        samples = check_names(samples, n_samples, "sample_names")
        # the scores of the rows of the identity are the columns of W
        rows, W = np.eye(n_samples), np.ascontiguousarray(table.T)
        kinds = [losses] if isinstance(losses, str) else list(losses)
        each = {name: LinearProblem(rows, codes, loss=name, n_classes=n_classes).per_sample(W) for name in kinds}
        return cls(table, codes, each, class_names=names, sample_names=samples)

    @classmethod
    def from_estimator(cls, estimator: Any, X: ArrayLike, y: ArrayLike, **options: Any) -> ScoresDisplay:
        """Show the scores that a fitted linear classifier gives a few rows; ``y`` holds labels.

        For two classes, ``decision_function`` returns one number, the second score minus the first. If the weights have a
        row for each class, their scores are shown; otherwise minus and plus half of the difference.

        Parameters
        ----------
        estimator : fitted linear classifier
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels.
        **options
            Further options of `from_predictions`.

        Returns
        -------
        ScoresDisplay

        Raises
        ------
        InputError
            For an estimator without ``decision_function``, and for labels that it does not know.
        """
        check_can(estimator, "classes_", "decision_function")
        scores = np.asarray(estimator.decision_function(X))
        if scores.ndim == 1:
            W = np.atleast_2d(getattr(estimator, "coef_", np.empty((1, 0))))
            own = np.asarray(X, dtype=np.float64) @ W.T + estimator.intercept_ if len(W) == 2 else None
            scores = np.column_stack([-scores / 2, scores / 2]) if own is None else own
        codes = codes_of(as_labels(y, len(scores)), estimator.classes_, len(scores))
        options.setdefault("class_names", [str(label) for label in estimator.classes_])
        return cls.from_predictions(codes, scores, **options)

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> ScoresDisplay:
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
        n_samples, n_classes = self.scores.shape
        most = ON_SLIDE if sizes.is_talk else N_ACROSS
        n_blocks = -(-n_samples // most)
        self._n_across = -(-n_samples // n_blocks)
        self._lines = 1 + n_classes + len(self.losses)
        height = n_blocks * self._lines + 0.6 * (n_blocks - 1)
        self.figure_, self.ax_ = style.axes_for(ax, height=0.55 + LINE * height)
        self._names, self._type = (NAMES, sizes.text) if self._n_across < N_ACROSS else (FEWER, sizes.small)
        self._names = sizes.of(self._names)
        if self._n_across > N_ACROSS + 2:
            self._type = sizes.tiny
        self._unit = (0.95 * sizes.width - self._names) / self._n_across  # inches a sample
        self.ax_.set(xlim=(-self._names / self._unit, self._n_across), ylim=(height - 0.4, -0.6))
        style.bare(self.ax_)
        for block in range(n_blocks):
            self._draw_block(block)
        means = ", ".join(f"{style.shorten(name, 20)} {np.mean(values):.3f}" for name, values in self.losses.items())
        losses = f"mean loss: {means}" if means else ""
        self.ax_.set_title(
            "\n".join(filter(None, ["Scores: true class framed, highest ▲", losses])), fontsize=sizes.text, **style.LITERAL
        )
        return self

    def _draw_block(self, block: int) -> None:
        n_classes = self.scores.shape[1]
        first, top = block * self._n_across, block * (self._lines + 0.6)
        here = range(first, min(first + self._n_across, len(self.scores)))
        for i in here:
            self._write(i - first, top, self.sample_names[i], weight="bold")
        letters = style.letters_in(72 * (self._names - 0.04), self._type, "bold")
        for c, name in enumerate(style.distinct(self.class_names, letters)):
            self._write(-1, top + 1 + c, name, weight="bold")
            for i in here:
                self._draw_score(i, c, i - first, top + 1 + c)
        for at, (name, values) in enumerate(self.losses.items()):
            line = top + 1 + n_classes + at
            named = f"{name} loss" if len(name) < 10 else str(name)
            self._write(-1, line, named, weight="bold", colour=style.VERMILION)
            for i in here:
                self._write(i - first, line, f"{values[i]:.3f}", colour=style.VERMILION)
        if self.losses:
            self.ax_.axhline(top + n_classes + 0.5, lw=sizes.of(0.8), color=style.VERMILION)

    def _write(self, column: int, line: float, text: str, weight: str = "normal", colour: str | None = None) -> None:
        given: dict[str, Any] = {} if colour is None else {"color": colour}
        points = 72 * (0.95 * self._unit if column >= 0 else self._names - 0.04)
        x = column + 0.45 if column >= 0 else (0.04 - self._names) / self._unit
        self.ax_.text(
            x,
            line,
            style.fit(text, points, self._type, weight),
            ha="center" if column >= 0 else "left",
            va="center",
            fontsize=self._type,
            fontweight=weight,
            **style.LITERAL,
            **given,
        )

    def _draw_score(self, i: int, c: int, column: int, line: float) -> None:
        from matplotlib.patches import Rectangle

        right = bool(self.y[i] == c)
        score = f"{self.scores[i, c]:.2f}" if abs(self.scores[i, c]) < 1e4 else f"{self.scores[i, c]:.1e}"
        top = " ▲" if self.scores[i].argmax() == c else ""
        self._write(column, line, score + top, weight="bold" if right else "normal")
        if right:
            self.ax_.add_patch(Rectangle((column, line - 0.44), 0.92, 0.88, fc="none", ec=style.BLUE, lw=sizes.of(1.3)))
