"""The result of an evaluation as a small table."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._storage.atomic import replacing
from fastcls._storage.csv import append, as_exact_csv
from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, shortened, shown
from fastcls._validation.notebook import Table, as_html
from fastcls._validation.paths import check_path
from fastcls._version import __version__

from .intervals import p_value_of
from .label_numbers import LABEL_NUMBERS
from .numbers import NUMBERS, WITHOUT_INTERVAL, Numbers

#: setting -> its name in the heading; a setting with a column of that name is not repeated there
_HEADING = {
    "metric": "metric",
    "metrics": "metric",
    "weights": "weights",
    "temperature": "temperature",
    "tie_break": "tie_break",
    "centered": "centred",
    "per_class": "rows per class",
    "per_label": "rows per label",
    "n_draws": "draws",
    "max_iter": "max_iter",
    "tol": "tol",
    "penalty": "penalty",
    "seed": "seed",
}

#: first column of a CSV file, which has the version
_MARK = "fastcls"
#: intervals that printing shows, and the accuracies that have a `std` over tries
_SHOWN, _MAIN = ("top1_low", "subset_accuracy_low", "difference_low"), ("top1", "subset_accuracy")


@dataclass(frozen=True)
class ResultTable:
    """Accuracies and other numbers, one row for each setting: ``print(table)``, ``to_pandas()``, ``to_csv()``.

    Attributes
    ----------
    title : str
    columns : tuple of str
        ``top1``, ``top5``, ``validation``: accuracies, shares between 0 and 1. ``balanced_accuracy``: mean over the classes
        of their accuracies. ``macro_f1``: mean over the classes of F1. ``average_precision``: of the second of two classes,
        else the mean over the classes, each against all others. ``log_loss`` and ``calibration_error``, where there are
        probabilities: the latter is the expected calibration error with 15 equal bins, which has no interval, because
        resampling adds noise to every bin. ``top1_low``, ``top1_high`` and so on: 95 % intervals, Wilson's for shares of
        test rows, else at least the percentiles of 1,000 bootstrap resamples of the test rows (200 for
        ``average_precision``, which has no interval for fewer than ten rows a class), longer where few rows make these too
        short. ``std``: standard deviation over tries of ``top1`` (ddof=1). Printing leaves out all intervals but that of
        ``top1``.
        With several labels per row: ``subset_accuracy``, the share of rows with all labels right; ``jaccard``, the mean over
        the rows of the number of correct labels by that of true or predicted ones (1 if there are none); ``micro_f1`` and
        ``macro_f1``, of all pairs of row and label, and as the mean over the labels; the same of average precision;
        ``lrap``, label ranking average precision; ``std`` is that of ``subset_accuracy``. Labels that no test row has are
        left out. ``per_class`` has the share of a label's rows that were predicted to have it.
    rows : tuple of tuple
    settings : dict
        The preset's constants and everything else that decided the result.
    per_class : tuple of dict
        For each row, from each class among the test rows to (accuracy, low, high); empty for rows without test accuracy.
        Classes without training rows come last; their accuracy is 0.
    hits : tuple of arrays or None
        For each row of the table, the share of tries in which each test row is predicted correctly; 0 or 1 for a single try.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    per_class: tuple[dict[Any, tuple[float, float, float]], ...] = field(default=(), repr=False, compare=False)
    hits: tuple[np.ndarray | None, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of_numbers(
        cls,
        title: str,
        settings: dict[str, Any],
        lines: Sequence[tuple[Mapping[str, Any], Numbers | None]],
        classes: np.ndarray,
        unknown: Mapping[int, Any] | None = None,
    ) -> ResultTable:
        """A table of settings and their numbers.

        Parameters
        ----------
        title, settings
            See the class.
        lines : sequence of (mapping, Numbers or None)
            For each row the setting, and its numbers; None leaves them empty.
        classes : ndarray
            The label of each class code.
        unknown : mapping, optional
            The label of each negative code: classes of the test rows that no training row has.

        Returns
        -------
        ResultTable
        """
        cells = [{**setting, **({} if numbers is None else _flat(numbers))} for setting, numbers in lines]
        columns = tuple(dict.fromkeys(name for row in sorted(cells, key=len, reverse=True) for name in row))
        known = [({} if numbers is None else numbers.per_class) for _, numbers in lines]
        labels = {**dict(enumerate(classes.tolist())), **(unknown or {})}
        per_class = tuple(
            {labels[code]: one[code] for code in sorted(one, key=lambda code: (code < 0, abs(code)))} for one in known
        )
        rows = tuple(tuple(row.get(name) for name in columns) for row in cells)
        return cls(title, columns, rows, settings, per_class, tuple(None if n is None else n.hits for _, n in lines))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows as dicts."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """The values of one column."""
        at = self.columns.index(one_of("column", column, self.columns))
        return [row[at] for row in self.rows]

    def p_values(self, other: ResultTable | None = None) -> list[float | None]:
        """p-values of the accuracies of this table against those of another one on the same test rows, row by row.

        Parameters
        ----------
        other : ResultTable, optional
            A table with as many rows. None: every row is compared with the most accurate one of this table.

        Returns
        -------
        list of float or None
            McNemar's exact test; for means over several tries a paired t-test over the test rows, as in `compare`. Not
            corrected for the number of comparisons. None for rows without test accuracy.

        Raises
        ------
        InputError
            If the tables do not belong to the same test rows.
        """
        known = [one for one in self.hits if one is not None]
        if not known:
            raise InputError("this table does not know which test rows were right, so it has no p-values")
        if other is None:
            best = known[int(np.argmax([one.mean() for one in known]))]
            return [None if one is None else p_value_of(best, one) for one in self.hits]
        if len(other.hits) != len(self.hits):
            raise InputError(
                f"other has {len(other.rows)} rows and this table has {len(self.rows)}; wanted the same settings"
            )
        if {len(one) for one in (*self.hits, *other.hits) if one is not None} != {len(known[0])}:
            raise InputError("the tables were made with different numbers of test rows: use the same test rows")
        pairs = zip(self.hits, other.hits, strict=True)
        return [None if one is None or two is None else p_value_of(one, two) for one, two in pairs]

    def to_pandas(self) -> Any:
        """The table as a ``pandas.DataFrame`` with title and settings in its ``attrs``; needs pandas.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas

        frame = pandas.DataFrame([list(row) for row in self.rows], columns=list(self.columns))
        frame.attrs = {"title": self.title, **self.settings}
        return frame

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """The table as CSV, one line for each row: its columns, then title and settings.

        Parameters
        ----------
        path : path, optional
            A file to add the rows to, which is created if it does not exist. A row that is there already, in all columns
            but ``fastcls`` (the version), notes and times, is skipped. Tables of different columns fit into one file.

        Returns
        -------
        str
            All rows; with `path`, the rows that were added.

        Raises
        ------
        InputError
            If the file cannot be written, or is not one that this method wrote.
        """
        common = {"title": self.title, **self.settings}
        extra = {name: value for name, value in common.items() if name not in self.columns}
        rows = [{_MARK: __version__, **row, **extra} for row in self]
        if path is None:
            return as_exact_csv(rows)
        times = [name for name in self.columns if name == "seconds" or name.endswith("_seconds")]
        return append(Path(check_path(path, "a CSV file")), rows, _MARK, [*times, "note"])  # notes name other rows, too

    def _shown(self) -> list[int]:
        """The columns that are shown."""
        return [at for at, name in enumerate(self.columns) if not is_bound(name, self.columns) or name in _SHOWN]

    def _cells(self) -> list[list[str]]:
        """Headings, then the cells of every row, as text."""
        shown = self._shown()
        heads = ["95 % interval" if self.columns[at] in _SHOWN else heading(self.columns[at]) for at in shown]
        return [heads, *([self._cell(row, at) for at in shown] for row in self.rows)]

    def _repr_html_(self) -> str:
        heads, *rows = self._cells()
        words = [
            head for head, at in zip(heads, self._shown(), strict=True) if any(isinstance(row[at], str) for row in self.rows)
        ]
        return as_html(self.title, [*self._heading(), *self._legend()], [Table(heads, rows, texts=words)])

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([self.title, *self._heading(), lines[0], "-" * len(lines[0]), *lines[1:], *self._legend()])

    def _cell(self, row: tuple[Any, ...], at: int) -> str:
        name = self.columns[at]
        if name not in _SHOWN or row[at] is None:
            return _formatted(row[at])
        return f"{row[at]:.4f} to {row[self.columns.index(name.replace('_low', '_high'))]:.4f}"

    __repr__ = __str__

    def _heading(self) -> list[str]:
        """Lines: the settings that decided the result, if any are known, and a note, if there is one."""
        known = {words: self.settings[name] for name, words in _HEADING.items() if name in self.settings}
        words = [_in_words(name, value) for name, value in known.items() if name not in self.columns and value is not False]
        notes = [f"note: {self.settings['note']}"] if "note" in self.settings else []
        return [*([", ".join(words)] if words else []), *notes]

    def _legend(self) -> list[str]:
        """A line that says what short headings mean, if there are any."""
        meanings = [meaning for name, meaning in _MEANINGS.items() if name in self.columns]
        return ["; ".join(meanings)] if meanings else []


#: number -> what its short heading means
_MEANINGS = {
    "average_precision": "AP: average precision, the mean over the classes",
    "calibration_error": "ECE: expected calibration error",
}


def add_note(settings: dict[str, Any], text: str | None) -> None:
    """Add a note to those that the settings already have."""
    if text:
        settings["note"] = "; ".join([*([settings["note"]] if "note" in settings else []), text])


def note_on_majority(top1: float, low: float, majority: float) -> str | None:
    """A note on an accuracy whose interval does not lie above that of always naming the majority class; else None."""
    if low > majority:
        return None
    how = "not better" if top1 <= majority else "not significantly better"
    return (
        f"accuracy {top1:.4f} is {how} than always naming the majority class of the training rows, {majority:.4f}: are rows "
        "and labels in the same order?"
    )


def note_on_unknown(truth: np.ndarray, unknown: Mapping[int, Any]) -> str | None:
    """A note on test rows whose labels no training row has; None if there are none."""
    if not unknown:
        return None
    n_rows = int((truth < 0).sum())
    labels = shortened(shown(label, 40) for label in unknown.values())
    have, it, count = ("has a label", "it", "counts") if n_rows == 1 else ("have labels", "them", "count")
    return (
        f"{counted(n_rows, 'test row')} {have} that no training row has ({labels}): no model can predict {it}, so "
        f"{'it' if n_rows == 1 else 'they'} {count} as wrong"
    )


class _CheckedError(Exception):
    """Ends a write before it begins."""


def check_csv(path: str | os.PathLike[str]) -> None:
    """Refuse a file that `to_csv` could not add rows to, before any work: also one in a folder that is missing."""
    place = Path(check_path(path, "a CSV file"))
    append(place, [], _MARK)
    with suppress(_CheckedError), replacing(place, "the table"):
        raise _CheckedError  # it can be written; leave it as it is


def is_bound(name: str, columns: Sequence[str]) -> bool:
    """Whether a column is the end of another one's interval."""
    return name.endswith(("_low", "_high")) and name.rpartition("_")[0] in columns


def heading(name: str) -> str:
    """The heading of a column."""
    return {**NUMBERS, **LABEL_NUMBERS}.get(name, name)


def _flat(numbers: Numbers) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, (value, low, high) in numbers.values.items():
        found[name] = value
        if name not in WITHOUT_INTERVAL:
            found |= {f"{name}_low": low, f"{name}_high": high}
        if name in _MAIN and numbers.std is not None:
            found["std"] = numbers.std
    return {name: None if value is None or math.isnan(value) else value for name, value in found.items()}


def _in_words(name: str, value: Any) -> str:
    if value is True:
        return name
    values = value if isinstance(value, list) else [value]
    return f"{name} {' '.join(getattr(one, '__name__', str(one)) for one in values)}"


def _formatted(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e3 or value == 0 else f"{value:.4g}"
    return str(value)
