"""Accuracy against the number of training rows per class: label efficiency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.errors import InputError

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_line, check_can, check_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


class LabelEfficiencyDisplay(Drawn):
    """Accuracy against the number of training rows, one curve for each model: means over tries, and their deviation.

    Parameters
    ----------
    n_rows : mapping of name to an array of shape (n_settings,)
        Training rows of each setting.
    accuracy : mapping of name to an array of shape (n_settings,)
        Between 0 and 1.
    std : mapping of name to an array of shape (n_settings,), optional
        Standard deviations over tries; NaN for a single try.

    Raises
    ------
    InputError
        For curves of different lengths or names.

    Attributes
    ----------
    figure_, ax_ : present after ``plot``

    Examples
    --------
    >>> shown = LabelEfficiencyDisplay({"k-NN": [10, 20]}, {"k-NN": [0.5, 0.7]})
    >>> shown.accuracy["k-NN"].tolist()
    [0.5, 0.7]
    """

    ax_: Axes

    def __init__(
        self,
        n_rows: Mapping[str, ArrayLike],
        accuracy: Mapping[str, ArrayLike],
        *,
        std: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        what = "names and arrays (n_settings,)"
        self.n_rows = {name: as_line(of, "n_rows") for name, of in check_mapping(n_rows, "n_rows", what).items()}
        given = check_mapping(accuracy, "accuracy", what)
        if set(given) != set(self.n_rows):
            raise InputError(f"accuracy has the names {', '.join(map(str, given))}; wanted those of n_rows")
        self.accuracy = {name: as_line(given[name], "accuracy", len(of)) for name, of in self.n_rows.items()}
        self.std = {}
        for name, of in self.n_rows.items():
            values = np.full(len(of), np.nan) if std is None else np.asarray(std[name], dtype=np.float64)
            if values.shape != of.shape:
                raise InputError(f"std[{name!r}] has shape {values.shape}; wanted {of.shape}, one for each number of rows")
            self.std[name] = values
        if min(of.min() for of in self.n_rows.values()) < 1:
            raise InputError("n_rows holds a number below 1; wanted numbers of training rows")

    @classmethod
    def from_tables(cls, tables: Any) -> LabelEfficiencyDisplay:
        """Show tables of ``fastcls.protocols.few_shot``; of several k the most accurate one of each number of rows.

        Parameters
        ----------
        tables : ResultTable, or mapping of name to ResultTable

        Returns
        -------
        LabelEfficiencyDisplay

        Raises
        ------
        InputError
            If a table is not one of `few_shot`.
        """
        if hasattr(tables, "columns"):
            tables = {str(tables.settings.get("classifier", "accuracy")): tables}
        n_rows: dict[str, list[int]] = {}
        accuracy: dict[str, list[float]] = {}
        std: dict[str, list[float]] = {}
        for name, table in check_mapping(tables, "tables", "names and tables of few_shot").items():
            check_can(table, "columns", "rows")
            if not {"n_rows", "top1"} <= set(table.columns):
                raise InputError(f"the table {name!r} has no column n_rows; wanted a result of fastcls.protocols.few_shot")
            best: dict[int, Any] = {}
            for row in table:
                if row["n_rows"] not in best or row["top1"] > best[row["n_rows"]]["top1"]:
                    best[row["n_rows"]] = row
            lines = [best[n] for n in sorted(best)]
            n_rows[name], accuracy[name] = [row["n_rows"] for row in lines], [row["top1"] for row in lines]
            std[name] = [np.nan if row.get("std") is None else row["std"] for row in lines]
        return cls(n_rows, accuracy, std=std)

    @in_context
    def plot(self, ax: Axes | None = None, *, context: str = "paper") -> LabelEfficiencyDisplay:
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
        from matplotlib.ticker import NullLocator

        self.figure_, self.ax_ = style.axes_for(ax, height=3.0 + 0.18 * -(-len(self.n_rows) // 2))
        theirs = tuple(self.ax_.lines)
        entries = {}
        for name, at in zip(style.distinct(list(self.n_rows), 24), range(len(self.n_rows)), strict=True):
            key, (colour, marker, line) = list(self.n_rows)[at], style.series(at)
            entries[name] = self.ax_.errorbar(
                self.n_rows[key],
                100 * self.accuracy[key],
                100 * np.nan_to_num(self.std[key]),
                fmt=marker + line,
                color=colour,
                ms=sizes.of(3.6),
                lw=sizes.of(1.4),
                elinewidth=sizes.of(1.0),
                capsize=sizes.of(1.8),
            )
        self.ax_.set_xscale("log")
        self.ax_.xaxis.set_minor_locator(NullLocator())
        ticks = np.unique(np.concatenate(list(self.n_rows.values())))
        while len(ticks) > 6:  # every second one, always with the last
            ticks = ticks[::-2][::-1]
        self.ax_.set_xticks(ticks, labels=[f"{int(n):,}" for n in ticks])
        style.end_at_100(self.ax_, theirs)
        self.ax_.tick_params(labelsize=sizes.small)
        self.ax_.grid(True, lw=sizes.of(0.5), alpha=0.6)
        self.ax_.set_xlabel("training rows", fontsize=sizes.text)
        self.ax_.set_ylabel("accuracy on the test rows (%)", fontsize=sizes.text)
        # above the axes of a figure of its own: lines that rise and spread leave no corner free
        where = {"loc": "outside upper center", "ncols": min(2, len(entries))} if ax is None else {"loc": "best"}
        style.legend(
            self.figure_ if ax is None else self.ax_,
            list(entries.values()),
            list(entries),
            title="mean over tries; bar: ± 1 std",
            title_fontsize=sizes.tiny,
            **where,
        )
        return self
