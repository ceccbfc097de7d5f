"""The result of an evaluation as a small table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastcls._validation.base import one_of

#: setting -> its name in the heading; a setting with a column of that name is not repeated there
_HEADING = {
    "metric": "metric",
    "metrics": "metric",
    "weights": "weights",
    "temperature": "temperature",
    "tie_break": "tie_break",
    "centered": "centred",
    "per_class": "rows per class",
    "n_draws": "draws",
    "max_iter": "max_iter",
    "tol": "tol",
    "seed": "seed",
}


@dataclass(frozen=True)
class ResultTable:
    """Accuracies, one row for each setting; ``print`` shows them, ``to_pandas()`` returns a data frame.

    Attributes
    ----------
    title : str
    columns : tuple of str
        Accuracies (``top1``, ``top5``, ``validation``) are shares between 0 and 1.
    rows : tuple of tuple
    settings : dict
        The preset's constants and everything else that decided the result.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    settings: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows as dicts."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """The values of one column."""
        at = self.columns.index(one_of("column", column, self.columns))
        return [row[at] for row in self.rows]

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

    def __str__(self) -> str:
        cells = [self.columns, *(tuple(_formatted(value) for value in row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([self.title, *self._heading(), lines[0], "-" * len(lines[0]), *lines[1:]])

    __repr__ = __str__

    def _heading(self) -> list[str]:
        """One line with the settings that decided the result, if any are known, and one with a note, if there is one."""
        known = {words: self.settings[name] for name, words in _HEADING.items() if name in self.settings}
        words = [_in_words(name, value) for name, value in known.items() if name not in self.columns and value is not False]
        notes = [f"note: {self.settings['note']}"] if "note" in self.settings else []
        return [*([", ".join(words)] if words else []), *notes]


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
