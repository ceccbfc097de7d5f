"""CSV that is safe to open: a name from data is neither a command to a terminal nor a formula to a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from ._text import printable

#: what makes a spreadsheet take a cell for a formula, when the cell begins with it; full-width forms count too
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


#: a class may be called -1 or +1; a spreadsheet makes a number of that, and no formula
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def cell(text: object) -> str:
    """A name as a cell: control characters as escapes, and an apostrophe before what would begin a formula."""
    shown = printable(text)
    is_formula = str(text).startswith(_FORMULA) and not _NUMBER.fullmatch(str(text))
    return f"'{shown}" if is_formula else shown


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[str | float | int]]) -> str:
    """CSV with a heading. Texts are made safe by `cell`; numbers are written as they are, floats with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(column) for column in columns])
    writer.writerows([_written(value) for value in row] for row in rows)
    return text.getvalue()


def _written(value: str | float | int) -> str:
    if isinstance(value, str):
        return cell(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
