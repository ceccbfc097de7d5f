"""Calibration: how often a prediction is right, against the probability that the model gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastcls._sampling.proportion import wilson_interval
from fastcls._scoring.numbers import N_BINS
from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray


class CalibrationDisplay(Drawn):
    """Accuracy of predictions against their probability, in equal bins, with the expected calibration error.

    Parameters
    ----------
    confidence : float array of shape (n_bins,)
        Mean probability of the predicted class in each bin; NaN in a bin without rows.
    accuracy : float array of shape (n_bins,)
        Share of correct predictions in each bin; NaN in a bin without rows.
    counts : int array of shape (n_bins,)
        Rows in each bin.
    name : str
        What is shown; part of the title.

    Attributes
    ----------
    error : float
        Expected calibration error: the mean over the rows of the difference between accuracy and confidence of their bin.
    figure_, ax_ : present after ``plot``
    """

    ax_: Axes

    def __init__(
        self, confidence: NDArray[np.float64], accuracy: NDArray[np.float64], counts: NDArray[np.int64], *, name: str = ""
    ) -> None:
        self.confidence = confidence
        self.accuracy = accuracy
        self.counts = counts
        self.name = name
        self.error = float(np.nansum(np.abs(confidence - accuracy) * counts) / counts.sum())

    @classmethod
    def from_confidence(
        cls, confidence: ArrayLike, hits: ArrayLike, *, n_bins: int = N_BINS, name: str = ""
    ) -> CalibrationDisplay:
        """Sort predictions into equal bins of their probability.

        Parameters
        ----------
        confidence : array-like of shape (n_rows,)
            Probability of the predicted class, between 0 and 1.
        hits : array-like of shape (n_rows,)
            Whether the prediction is correct: bool, or 0 and 1.
        n_bins : int
            With the default, `error` is ``calibration_error`` of the evaluations.
        name : str
            For the title.

        Returns
        -------
        CalibrationDisplay

        Raises
        ------
        InputError
            For probabilities outside 0 to 1, if there is not one hit for each, and for less than one bin.
        """
        n_bins = int(check_number("n_bins", n_bins, minimum=1, whole=True))
        given = as_line(confidence, "confidence").astype(np.float64)
        right = as_line(hits, "hits", len(given))
        if given.min() < 0 or given.max() > 1:
            raise InputError(
                f"confidence is between {given.min():.4g} and {given.max():.4g}; wanted probabilities, from 0 to 1"
            )
        if not np.isin(right, (0, 1)).all():
            raise InputError("hits has other values than 0 and 1; wanted whether each prediction is correct")
        place = np.clip(np.ceil(given * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
        counts = np.bincount(place, minlength=n_bins)
        sums = [np.bincount(place, weights=values, minlength=n_bins) for values in (given, right)]
        with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
            return cls(sums[0] / counts, sums[1] / counts, counts, name=name)

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> CalibrationDisplay:
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
        self.figure_, ax = style.axes_for(ax, height=3.6)
        self.ax_ = ax
        filled, n_bins = self.counts > 0, len(self.counts)
        confidence, accuracy, counts = self.confidence[filled], self.accuracy[filled], self.counts[filled]
        hits = np.rint(accuracy * counts).astype(np.int64)
        bounds = np.array([wilson_interval(*pair) for pair in zip(hits.tolist(), counts.tolist(), strict=True)])
        lengths = np.maximum(0.0, np.stack([accuracy - bounds[:, 0], bounds[:, 1] - accuracy]))
        ax.bar(
            100 * np.flatnonzero(filled) / n_bins,
            100 * counts / counts.sum(),
            width=100 / n_bins,
            align="edge",
            color=style.BLUE,
            alpha=0.22,
            lw=0,
            label="share of the rows",
        )
        ax.plot([0, 100], [0, 100], ":", color=style.PURPLE, lw=sizes.of(1.3), label="accuracy = probability")
        ax.errorbar(
            100 * confidence,
            100 * accuracy,
            yerr=100 * lengths,
            fmt="o",
            color=style.VERMILION,
            elinewidth=sizes.of(1.0),
            ms=sizes.of(5),
            clip_on=False,
            label="predictions, 95 % interval",
        )
        ax.set_xlim(0, 100)
        ax.set_ylim(0, 100)
        ax.tick_params(labelsize=sizes.small)
        ax.grid(True, lw=sizes.of(0.5), alpha=0.6)
        ax.set_xlabel("probability of the predicted class (%)", fontsize=sizes.text)
        ax.set_ylabel("accuracy (%)", fontsize=sizes.text)
        title = f"calibration error {100 * self.error:.1f} %"
        name = f"{style.shorten(self.name, 24)}: {title}" if self.name else title
        ax.set_title(name, fontsize=sizes.title, **style.LITERAL)
        # below: points may be anywhere in the square
        ax.legend(fontsize=sizes.small, framealpha=0.0, loc="upper center", bbox_to_anchor=(0.45, -0.17), ncols=2)
        return self
