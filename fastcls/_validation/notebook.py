"""Results as HTML for notebooks: a title, lines, tables and notes.

Everything is escaped. Colours are those of the notebook, light or dark, with translucent lines and marks; there is no script
and no style sheet. A table that is wider than the page scrolls by itself.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .messages import printable

_LINE = "1px solid rgba(128, 128, 128, 0.35)"
_MARK = "rgba(0, 114, 178, 0.18)"
_CELL = "padding: 0.25em 0.7em; background: none; color: inherit; vertical-align: top"


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    heads : sequence of str
    rows : sequence of sequences of str
    marked : sequence of int
        Rows to mark: the chosen, the best.
    texts : sequence of str
        Heads of the columns that hold words, which are aligned to the left.
    caption : str
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = ()
    texts: Sequence[str] = ()
    caption: str = ""


def as_html(title: str, lines: Iterable[str] = (), tables: Iterable[Table] = (), notes: Iterable[str] = ()) -> str:
    """Return a result as HTML.

    Parameters
    ----------
    title : str
    lines : iterable of str
        Between the title and the tables.
    tables : iterable of Table
    notes : iterable of str
        Below the tables, as a list.
    """
    parts = [f'<p style="margin: 0.3em 0"><b>{escaped(title)}</b></p>']
    parts += [f'<p style="margin: 0.3em 0">{escaped(line)}</p>' for line in lines]
    parts += [_table(table) for table in tables]
    items = "".join(f"<li>{escaped(note)}</li>" for note in notes)
    if items:
        parts.append(f'<ul style="margin: 0.3em 0; padding-left: 1.4em">{items}</ul>')
    return f'<div style="max-width: 100%">{"".join(parts)}</div>'


def escaped(text: object) -> str:
    """Return text that a page shows literally."""
    return html.escape(printable(text))


def _table(table: Table) -> str:
    sides = ["left" if head in table.texts else "right; white-space: nowrap" for head in table.heads]
    heads = "".join(
        f'<th scope="col" style="{_CELL}; text-align: {side}; border-bottom: {_LINE}">{escaped(head)}</th>'
        for head, side in zip(table.heads, sides, strict=True)
    )
    rows = "".join(_row(row, sides, at in table.marked) for at, row in enumerate(table.rows))
    caption = ""
    if table.caption:
        caption = f'<caption style="caption-side: top; text-align: left; color: inherit">{escaped(table.caption)}</caption>'
    style = "border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.3em 0"
    table_html = f'<table style="{style}">{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div style="overflow-x: auto">{table_html}</div>'


def _row(cells: Sequence[str], sides: Sequence[str], is_marked: bool) -> str:
    mark = f' style="background: {_MARK}; font-weight: bold"' if is_marked else ' style="background: none"'
    inner = "".join(
        f'<td style="{_CELL}; text-align: {side}; border-bottom: {_LINE}">{escaped(cell)}</td>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr{mark}>{inner}</tr>"
