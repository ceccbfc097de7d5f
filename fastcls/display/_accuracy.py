"""Accuracies of several models or representations, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.errors import InputError

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_line, check_can, check_mapping, check_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


class AccuracyDisplay(Drawn):
    """One line for each name, and on it a point with its interval for each evaluation.

    Parameters
    ----------
    names : sequence of str
        Models or representations.
    accuracy, low, high : mapping of str to arrays of shape (n_names,)
        For each evaluation the accuracies and the ends of their intervals, between 0 and 1.

    Raises
    ------
    InputError
        If the arrays do not have one number for each name.

    Attributes
    ----------
    figure_, ax_ : present after ``plot``

    Examples
    --------
    >>> shown = AccuracyDisplay(["a", "b"], {"k-NN": [0.5, 0.7]}, {"k-NN": [0.4, 0.6]}, {"k-NN": [0.6, 0.8]})
    >>> shown.accuracy["k-NN"].tolist()
    [0.5, 0.7]
    """

    ax_: Axes

    def __init__(
        self,
        names: Sequence[str],
        accuracy: Mapping[str, ArrayLike],
        low: Mapping[str, ArrayLike],
        high: Mapping[str, ArrayLike],
    ) -> None:
        what = "names of evaluations and arrays (n_names,)"
        given = check_mapping(accuracy, "accuracy", what)
        self.names = check_names(names, len(next(iter(given.values()))), "names")
        n = len(self.names)
        self.accuracy = {key: as_line(values, "accuracy", n) for key, values in given.items()}
        ends = [check_mapping(low, "low", what), check_mapping(high, "high", what)]
        if any(set(one) != set(given) for one in ends):
            raise InputError("low and high have other names than accuracy: give all three the same evaluations")
        self.low, self.high = ({key: as_line(one[key], "low and high", n) for key in given} for one in ends)

    @classmethod
    def from_comparison(cls, comparison: Any) -> AccuracyDisplay:
        """Show a result of ``fastcls.protocols.compare`` at the settings that it compares.

        Parameters
        ----------
        comparison : Comparison

        Returns
        -------
        AccuracyDisplay

        Raises
        ------
        InputError
            If it is not such a result.
        """
        check_can(comparison, "table", "pairs")
        rows = [row for row in comparison.table if row["compared"]]
        parts: list[dict[str, list[float]]] = [{}, {}, {}]
        for row in rows:
            for part, key in zip(parts, ("top1", "top1_low", "top1_high"), strict=True):
                part.setdefault(row["protocol"], []).append(row[key])
        return cls(list(dict.fromkeys(row["representation"] for row in rows)), *parts)

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> AccuracyDisplay:
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
        n, n_kinds = len(self.names), len(self.accuracy)
        self.figure_, self.ax_ = style.axes_for(ax, height=0.9 + 0.16 * n_kinds + n * (0.18 + 0.12 * n_kinds))
        theirs = tuple(self.ax_.lines)
        entries = []
        for at, key in enumerate(self.accuracy):
            colour, marker, _ = style.series(at)
            places = np.arange(n) + (at - (n_kinds - 1) / 2) * 0.7 / n_kinds
            middle = 100 * self.accuracy[key]
            ends = np.abs(np.stack([middle - 100 * self.low[key], 100 * self.high[key] - middle]))
            entries.append(
                self.ax_.errorbar(
                    middle,
                    places,
                    xerr=ends,
                    fmt=marker,
                    color=colour,
                    ms=sizes.of(4.2),
                    elinewidth=sizes.of(1.2),
                    capsize=sizes.of(2.0),
                )
            )
        names = style.distinct(self.names, 22)
        self.ax_.set_yticks(np.arange(n), labels=names, **style.LITERAL)
        self.ax_.set_ylim(n - 0.45, -0.55)  # the first name on top
        style.end_at_100(self.ax_, theirs, "x")
        self.ax_.tick_params(labelsize=sizes.small)
        self.ax_.grid(True, axis="x", lw=sizes.of(0.5), alpha=0.6)
        self.ax_.set_xlabel("accuracy on the test rows (%), 95 % interval", fontsize=sizes.text)
        if n_kinds > 1 or ax is None:
            style.legend(
                self.figure_,
                entries,
                style.distinct(list(self.accuracy), 30),
                loc="outside upper center",
                ncols=min(2, n_kinds),
                fontsize=sizes.tiny,
            )
        return self
