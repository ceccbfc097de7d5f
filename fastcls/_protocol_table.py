"""What a protocol found, as a small table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ProtocolTable:
    """One row a setting; ``print`` shows it, ``to_pandas()`` makes a data frame of it.

    Attributes
    ----------
    title : str
    columns : tuple of str
        Accuracies (``top1``, ``top5``, ``validation``) are shares between 0 and 1.
    rows : tuple of tuple
    settings : dict
        The preset's constants and what else decided the answer.
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
        """One column."""
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def to_pandas(self) -> Any:
        """The table as a ``pandas.DataFrame``; pandas must be installed."""
        import pandas

        return pandas.DataFrame([list(row) for row in self.rows], columns=list(self.columns))

    def __str__(self) -> str:
        cells = [self.columns, *(tuple(_shown(value) for value in row) for row in self.rows)]
        widths = [max(len(row[place]) for row in cells) for place in range(len(self.columns))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([self.title, lines[0], "-" * len(lines[0]), *lines[1:]])

    __repr__ = __str__


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e3 or value == 0 else f"{value:.4g}"
    return str(value)
