"""The lecture's diagram of cross-validation: each fold is the validation set once; the test set stays separate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import RandomState, check_number
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels, n_values
from fastcls._validation.messages import counted
from fastcls.model_selection import make_folds

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

MOST_SPLITS = 10  # lines drawn
MOST_NAMED = 6  # largest number of folds with text in every box
TEST = 0.18  # share of the width, for a test set of any size
GAP = 0.03
INSET = 0.004  # from each end of a fold to its box
OWN_SHARE = 0.95  # of the width of a figure of our own, for its axes, at least


class FoldsDisplay(Drawn):
    """One line for each split: the fold that is held out, those that train, and the separate test set.

    Parameters
    ----------
    sizes : int array of shape (n_folds,)
        Training rows in each fold.
    n_test : int or None
        Rows of the test set, which is in no split.
    accuracy : array of shape (n_folds,) or None
        Accuracy on the fold that each split holds out, between 0 and 1.

    Attributes
    ----------
    roles : array of str of shape (n_folds, n_folds)
        Role of fold j in split i: "train" or "validation".
    figure_, ax_ : present after ``plot``

    Raises
    ------
    InputError
        For fewer than two folds, empty folds, and if there is not one accuracy for each fold.
    """

    ax_: Axes

    def __init__(self, sizes: ArrayLike, *, n_test: int | None = None, accuracy: ArrayLike | None = None) -> None:
        self.sizes: NDArray[Any] = as_line(sizes, "sizes")
        if len(self.sizes) < 2:
            raise InputError(f"sizes holds {counted(len(self.sizes), 'fold')}; wanted at least two")
        for size in self.sizes.tolist():
            check_number("sizes", size, minimum=1, whole=True)
        self.n_test = None if n_test is None else int(check_number("n_test", n_test, minimum=1, whole=True))
        self.accuracy = None if accuracy is None else as_line(accuracy, "accuracy", len(self.sizes))
        self.roles = np.where(np.eye(len(self.sizes), dtype=bool), "validation", "train")

    @classmethod
    def from_labels(
        cls,
        y: ArrayLike,
        *,
        cv: Any = 5,
        groups: ArrayLike | None = None,
        random_state: RandomState = None,
        n_test: int | None = None,
        accuracy: ArrayLike | None = None,
    ) -> FoldsDisplay:
        """Divide rows with these labels as ``cross_validate_k`` and ``KNeighborsClassifierCV`` do.

        Parameters
        ----------
        y : labels of the training rows, of shape (n_rows,)
        cv, groups, random_state : as for ``KNeighborsClassifierCV``
        n_test, accuracy : as for the class

        Returns
        -------
        FoldsDisplay

        Raises
        ------
        InputError
            If the rows cannot be divided this way, and for splits that do not hold out every row once.
        """
        classes, codes = check_labels(y, n_values(y))
        made = make_folds(cv, classes[codes], codes, groups, random_state)
        if made.of_row is None:
            raise InputError(f"cv={cv!r} does not hold out every row once: give a number of folds, or a splitter that does")
        return cls(made.held_out(), n_test=n_test, accuracy=accuracy)

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> FoldsDisplay:
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
        n_folds = len(self.sizes)
        self._n_lines = min(n_folds, MOST_SPLITS)
        self.figure_, self.ax_ = style.axes_for(ax, height=0.85 + 0.27 * self._n_lines)
        self._some_unnamed = False
        # A layout engine widens the axes of our own figure later; given axes may stay as they are.
        width = self.ax_.get_window_extent().width if ax is not None else OWN_SHARE * self.figure_.bbox.width
        self._points = 72 * width / self.figure_.dpi
        right = 1.0 if self.accuracy is None else 1.2
        self.ax_.set(xlim=(-0.005, right), ylim=(self._n_lines - 0.4, -1.1))
        style.bare(self.ax_)
        self._edges = np.concatenate([[0], np.cumsum(self.sizes)]) / self.sizes.sum()
        self._edges *= 1.0 if self.n_test is None else 1.0 - TEST - GAP
        for split in range(self._n_lines):
            for fold in range(n_folds):
                self._draw_fold(split, fold)
        self._draw_heads()
        if self.n_test is not None:
            self._draw_test(self.n_test)
        if self.accuracy is not None:
            for split in range(self._n_lines):
                self._write(1.19, split, f"{100 * self.accuracy[split]:.1f}\u00a0%", ha="right")
        some = "" if self._n_lines == n_folds else f", {self._n_lines} of them shown"
        title = f"{counted(n_folds, 'fold')}{some}: each is the validation set once"
        self.ax_.set_title(title, fontsize=sizes.title)
        return self

    def _draw_fold(self, split: int, fold: int) -> None:
        held_out = self.roles[split, fold] == "validation"
        self._box(
            split,
            self._edges[fold],
            self._edges[fold + 1],
            style.VERMILION if held_out else style.BLUE,
            0.55 if held_out else 0.2,
        )
        if len(self.sizes) <= MOST_NAMED:
            middle = (self._edges[fold] + self._edges[fold + 1]) / 2
            left, right = self.ax_.get_xlim()
            points = self._points * (self._edges[fold + 1] - self._edges[fold] - 2 * INSET) / (right - left)
            words = ("validate", "val.") if held_out else ("train",)
            weight = "bold" if held_out else "normal"
            fit = [word for word in words if style.width_of(word, sizes.tiny, weight) < points]
            if fit:
                self._write(middle, split, fit[0], weight=weight)
            self._some_unnamed |= fit[:1] != ["validate"] and held_out

    def _draw_heads(self) -> None:
        n_folds = len(self.sizes)
        middles = (self._edges[1:] + self._edges[:-1]) / 2
        for fold, middle in enumerate(middles if n_folds <= 2 * MOST_NAMED else ()):
            self._write(middle, -0.75, f"fold {fold + 1}" if n_folds <= MOST_NAMED else str(fold + 1))
        if n_folds > 2 * MOST_NAMED:
            self._write(self._edges[-1] / 2, -0.75, f"folds 1 to {n_folds}")
        if self.accuracy is not None:
            self._write(1.19, -0.75, "accuracy", ha="right")
        a_fold = f"{self.sizes.min():,}" if np.ptp(self.sizes) == 0 else f"{self.sizes.min():,} to {self.sizes.max():,}"
        note = f"{counted(self.sizes.sum(), 'training row')}, {a_fold} a fold"
        if n_folds > MOST_NAMED or self._some_unnamed:
            note += "; dark: held out"
        self.ax_.set_xlabel(note, fontsize=sizes.small)

    def _draw_test(self, n_test: int) -> None:
        from matplotlib.patches import Rectangle

        self.ax_.add_patch(
            Rectangle((1 - TEST, -0.42), TEST - 0.005, self._n_lines - 0.16, fc=style.GREEN, alpha=0.25, ec="none", lw=0)
        )
        self._write(1 - TEST / 2, -0.75, "test")
        self._write(1 - TEST / 2, (self._n_lines - 1) / 2, f"{n_test:,}\nrows, kept\nfor the end")

    def _box(self, split: int, left: float, right: float, colour: str, alpha: float) -> None:
        from matplotlib.patches import Rectangle

        inset = min(INSET, 0.1 * (right - left))
        self.ax_.add_patch(
            Rectangle((left + inset, split - 0.42), right - left - 2 * inset, 0.84, fc=colour, alpha=alpha, ec="none", lw=0)
        )

    def _write(self, x: float, y: float, text: str, weight: str = "normal", ha: str = "center") -> None:
        self.ax_.text(x, y, text, ha=ha, va="center", fontsize=sizes.tiny, fontweight=weight)
