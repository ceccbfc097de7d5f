"""Accuracy of k-NN against k, fold by fold: how k and the metric were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import one_of, refuse_masked
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls.metrics import label as metric_label

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_line, as_table, check_can, check_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

LOG_FROM = 20  # largest k on a linear axis; with a larger k the values are evenly spaced, or if many, the axis logarithmic
MOST_EVEN = 30  # most values of k that are evenly spaced
LABEL_GAP, LABEL_DIGIT = 0.03, 0.02  # of the width of the axis: the space between two labels, and a digit
ROUND_KS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500, 1000)


class CrossValidationDisplay(Drawn):
    """Accuracy against k: a point for each fold, a line for the mean, a bar for the standard deviation, and the choice.

    Parameters
    ----------
    ks : array of int of shape (n_ks,)
    fold_accuracy : mapping of metric name to an array of shape (n_ks, n_folds)
        Between 0 and 1.
    best_metric, best_k : the choice, or None
    mean, std : mapping of metric name to an array of shape (n_ks,)
        By default computed from the folds (standard deviation with divisor n_folds).
    n_left_out : int or None
        Number of rows, for leave-one-out: then `fold_accuracy` has one column and `std` holds standard errors.

    Raises
    ------
    InputError
        For accuracies without one row for each k, and for a choice that was not tried.

    Attributes
    ----------
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self,
        ks: ArrayLike,
        fold_accuracy: Mapping[str, ArrayLike],
        *,
        best_metric: str | None = None,
        best_k: int | None = None,
        mean: Mapping[str, ArrayLike] | None = None,
        std: Mapping[str, ArrayLike] | None = None,
        n_left_out: int | None = None,
    ) -> None:
        self.ks = as_line(ks, "ks")
        given = check_mapping(fold_accuracy, "fold_accuracy", "metric names and accuracies (n_ks, n_folds)")
        self.fold_accuracy = {
            metric: as_table(values, f"fold_accuracy[{metric!r}]", "n_folds") for metric, values in given.items()
        }
        for metric, values in self.fold_accuracy.items():
            if len(values) != len(self.ks):
                raise InputError(
                    f"fold_accuracy[{metric!r}] has {counted(len(values), 'row')} for {len(self.ks)} ks; "
                    "wanted one row per k"
                )
        if best_metric is not None:
            one_of("best_metric", best_metric, self.fold_accuracy)
        if best_k is not None and best_k not in self.ks:
            raise InputError(f"best_k={best_k!r} was not tried; choose one of: {', '.join(map(str, self.ks[:10].tolist()))}")
        self.best_metric = best_metric
        self.best_k = best_k
        self.n_left_out = n_left_out
        self.mean = self._given_or_computed(mean, np.mean)
        self.std = self._given_or_computed(std, np.std)

    def _given_or_computed(self, given: Mapping[str, ArrayLike] | None, compute: Any) -> dict[str, NDArray[Any]]:
        if given is not None:
            for metric, values in given.items():
                refuse_masked(values, metric)
            return {metric: np.asarray(values) for metric, values in given.items()}
        return {metric: compute(values, axis=1) for metric, values in self.fold_accuracy.items()}

    @classmethod
    def from_selection(cls, selection: Any) -> CrossValidationDisplay:
        """Show the result of ``fastcls.model_selection.cross_validate_k``.

        Parameters
        ----------
        selection : KSelection
            The result of ``cross_validate_k``.

        Returns
        -------
        CrossValidationDisplay

        Raises
        ------
        InputError
            If `selection` is not such a result.
        """
        check_can(selection, "ks", "metrics", "fold_accuracy", "mean", "std")
        return cls(
            selection.ks,
            {metric: selection.fold_accuracy[metric] for metric in selection.metrics},
            best_metric=selection.best_metric,
            best_k=int(selection.best_k),
            mean={metric: selection.mean(metric) for metric in selection.metrics},
            # for leave-one-out `std` is that of single rows; shown is the standard error of the mean
            std={metric: selection.std(metric) / (selection.n_left_out or 1) ** 0.5 for metric in selection.metrics},
            n_left_out=selection.n_left_out,
        )

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> CrossValidationDisplay:
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
        self.figure_, self.ax_ = style.axes_for(ax, height=3.4)
        theirs = tuple(self.ax_.lines)
        spread = self.ks.max() > LOG_FROM
        even = spread and len(self.ks) <= MOST_EVEN
        logarithmic = spread and not even
        self._places = np.arange(len(self.ks)) if even else self.ks
        entries = {}
        for i, metric in enumerate(self.fold_accuracy):
            entries[_short_name(metric)] = self._draw_metric(metric, i, logarithmic)
        if self.best_metric is not None and self.best_k is not None:
            entries["chosen"] = self._draw_choice(self.best_metric, self.best_k)
        self._draw_axes(logarithmic, even, entries, theirs)
        return self

    def _draw_metric(self, metric: str, i: int, logarithmic: bool) -> Any:
        colour, marker, line = style.SERIES[i % len(style.SERIES)]
        # a small shift, so that the points of two metrics do not overlap
        step = i - (len(self.fold_accuracy) - 1) / 2
        x = self._places * 1.015**step if logarithmic else self._places + (0.2 if len(self.ks) > 8 else 0.12) * step
        dense = len(self.ks) > 12  # thin marks, so that those of several metrics stay distinct
        folds = 100 * self.fold_accuracy[metric]
        if self.n_left_out is None:
            self.ax_.plot(
                np.repeat(x, folds.shape[1]),
                folds.ravel(),
                marker,
                ms=sizes.of(1.8 if dense else 2.8),
                mec="none",
                color=colour,
                alpha=0.6,
            )
        return self.ax_.errorbar(
            x,
            100 * self.mean[metric],
            100 * self.std[metric],
            fmt=marker + line,
            color=colour,
            ms=sizes.of(2.6 if dense else 3.6),
            lw=sizes.of(1.2 if dense else 1.4),
            elinewidth=sizes.of(0.6 if dense else 1.0),
            capsize=sizes.of(0 if dense else 1.8),
        )

    def _draw_choice(self, metric: str, k: int) -> Any:
        at = int(np.flatnonzero(self.ks == k)[0])
        names = list(self.fold_accuracy)
        colour, marker, _ = style.SERIES[names.index(metric) % len(style.SERIES)]
        height = 100 * self.mean[metric][at]
        self.ax_.axvline(self._places[at], color=colour, lw=sizes.of(0.9), ls=(0, (1, 2)), zorder=0)
        # behind the points, which it would hide
        return self.ax_.plot(
            [self._places[at]], [height], marker, ms=sizes.of(12), mfc="none", mec=colour, mew=sizes.of(1.2), zorder=1
        )[0]

    def _apart(self, ticks: list[int], logarithmic: bool) -> list[int]:
        """Leave out ticks whose labels would touch the label before."""
        places = np.log(self._places) if logarithmic else self._places
        kept = ticks[:1]
        for k in ticks[1:]:
            apart = float(np.diff(np.interp([kept[-1], k], self.ks, places))[0])
            gap = apart / max(float(places[-1] - places[0]), 1e-9)
            if gap >= LABEL_GAP + LABEL_DIGIT * len(f"{k:,}"):
                kept.append(k)
        return kept

    def _draw_axes(self, logarithmic: bool, even: bool, entries: dict[str, Any], theirs: tuple[Any, ...]) -> None:
        from matplotlib.ticker import NullLocator

        ax = self.ax_
        if logarithmic:
            ax.set_xscale("log")
            ax.xaxis.set_minor_locator(NullLocator())
        ticks = (
            [int(k) for k in self.ks] if len(self.ks) <= 8 else [k for k in ROUND_KS if self.ks.min() <= k <= self.ks.max()]
        )
        if even:
            ticks = [k for k in ticks if k in self.ks] or [int(k) for k in self.ks]
        largest = ticks[-1]
        ticks = self._apart(ticks, logarithmic)
        if even and len(ticks) > 1 and ticks[-1] != largest:  # where the axis ends is worth more than the label before
            ticks[-1] = largest
        places = np.searchsorted(self.ks, ticks).tolist() if even else ticks
        ax.set_xticks(places, labels=[f"{k:,}" for k in ticks])
        style.end_at_100(ax, theirs)
        ax.tick_params(labelsize=sizes.small)
        ax.grid(True, lw=sizes.of(0.5), alpha=0.6)
        ax.set_xlabel("k (neighbours that vote)", fontsize=sizes.text)
        ax.set_ylabel(f"accuracy on the held-out {'fold' if self.n_left_out is None else 'row'} (%)", fontsize=sizes.text)
        if self.n_left_out is None:
            title = f"Cross-validation over {counted(next(iter(self.fold_accuracy.values())).shape[1], 'fold')}"
            marks = "line: mean; bar: ± 1 std; small: one fold"
        else:
            title = f"{counted(self.n_left_out, 'row')}, each left out once"
            marks = "line: accuracy; bar: ± 1 standard error"
        if self.best_k is not None and self.best_metric is not None:
            title += f": k = {self.best_k} under {_short_name(self.best_metric)}"
        ax.set_title(title, fontsize=sizes.title, **style.LITERAL)
        legend = style.legend(
            ax,
            list(entries.values()),
            list(entries),
            title=marks,
            title_fontsize=sizes.tiny,
            ncols=3,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.17),
            columnspacing=1.2,
        )
        legend.set_in_layout(True)


def _short_name(metric: str) -> str:
    return style.shorten(metric_label(metric), 20)
