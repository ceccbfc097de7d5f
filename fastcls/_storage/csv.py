"""CSV that is safe to open: names from data cannot be terminal escape sequences or spreadsheet formulas.

`as_csv` makes the text of a whole file, `append` adds the rows to a file that are not in it yet.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastcls._validation.errors import InputError
from fastcls._validation.messages import printable, quoted, reason

from .atomic import read_small, write_text

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


# files that grow ------------------------------------------------------------------------------------------------------

_MOST_BYTES = 1 << 28


def append(path: Path, rows: Sequence[Mapping[str, Any]], mark: str, passing: Iterable[str] = ()) -> str:
    """Add rows to a CSV file, or create it; rows that are there already are skipped. Columns may differ between calls.

    Parameters
    ----------
    path : path
    rows : sequence of mappings
        Column -> value. Floats are written with all digits, None and NaN as empty cells, lists with spaces in between.
    mark : str
        The first column, by which a file is known to be of this program.
    passing : names of columns
        They do not decide whether two rows are equal.

    Returns
    -------
    str
        CSV of the added rows.

    Raises
    ------
    InputError
        If the file has no column `mark`, is no CSV, or cannot be written.
    """
    there, columns = _read(path, mark)
    columns = list(dict.fromkeys([*columns, *(cell(name) for row in rows for name in row)]))
    ignored = {mark, *passing}

    def identity(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, value) for name, value in row.items() if value and name not in ignored))

    known, added = {identity(row) for row in there}, []
    for row in rows:
        written = {cell(name): _exact(value) for name, value in row.items()}
        if identity(written) not in known:
            known.add(identity(written))
            added.append(written)
    if added:
        write_text(_text([*there, *added], columns), path, "the table")
    return _text(added, list(dict.fromkeys(name for row in added for name in row)))


def as_exact_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return CSV of rows as `append` writes them."""
    written = [{cell(name): _exact(value) for name, value in row.items()} for row in rows]
    return _text(written, list(dict.fromkeys(name for row in written for name in row)))


def _text(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _exact(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return cell(value)
    if isinstance(value, (list, tuple)):
        return cell(" ".join(map(str, value)))
    if isinstance(value, dict):
        return cell(json.dumps(value, default=str))
    return repr(float(value)) if isinstance(value, float) else cell(str(value))


def _read(path: Path, mark: str) -> tuple[list[dict[str, str]], list[str]]:
    """Rows and columns of a file; none if there is no file, or an empty one."""
    what = f"cannot add rows to {quoted(path)}"
    try:
        if not path.exists():
            return [], []
        text = read_small(path, _MOST_BYTES).decode("utf-8")
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{what}: {reason(error)}; name another file") from None
    if not lines:
        return [], []
    columns = lines[0]
    if columns[:1] != [mark]:
        raise InputError(f"{what}: its first column is not {mark!r}, so fastcls did not write it; name another file")
    if any(len(line) != len(columns) for line in lines):
        row = next(at for at, line in enumerate(lines, 1) if len(line) != len(columns))
        raise InputError(f"{what}: line {row} has not one cell for each column; repair it, or name another file")
    return [dict(zip(columns, line, strict=True)) for line in lines[1:]], columns
