"""CSV that is safe to open: names from data cannot be terminal escape sequences or spreadsheet formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from ._text import printable

#: a spreadsheet may read a cell that begins with one of these as a formula; full-width forms count too
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


#: a class may have the name -1 or +1, which a spreadsheet reads as a number, not a formula
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def cell(text: object) -> str:
    """Return a name as a cell: control characters escaped, and an apostrophe before what looks like a formula."""
    visible = printable(text)
    is_formula = str(text).startswith(_FORMULA) and not _NUMBER.fullmatch(str(text))
    return f"'{visible}" if is_formula else visible


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[str | float | int]]) -> str:
    """Return CSV with a header. Texts are made safe by `cell`; floats have six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([cell(column) for column in columns])
    writer.writerows([_written(value) for value in row] for row in rows)
    return text.getvalue()


def _written(value: str | float | int) -> str:
    if isinstance(value, str):
        return cell(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
