"""What ``fastcls compare`` prints at its end: a table for each protocol, the pairs, and who is best."""

from __future__ import annotations

from typing import Any, TextIO

from fastcls._validation.messages import counted
from fastcls.display import style

from ._significance import SIGNIFICANCE_LEVEL
from ._text import markup
from ._words import broken, interval, listed, seconds

_WIDTH = 80
_OF_NUMBERS, _OF_PAIRS = 47, 61  # columns that the numbers of a table take
_MOST_PAIRS = 15  # of a protocol; with more, only those with the most accurate representation are printed


def compared_rows(results: dict[str, Any], protocol: str) -> list[dict[str, Any]]:
    """Return the rows of a protocol that are compared in pairs, one for each representation."""
    return [row for row in results["table"] if row["protocol"] == protocol and row["compared"]]


def best_of(results: dict[str, Any], protocol: str) -> str:
    """Return the most accurate representation; ties go to the first."""
    found: str = max(compared_rows(results, protocol), key=lambda row: row["top1"])["representation"]
    return found


def as_good(results: dict[str, Any], protocol: str) -> list[str]:
    """Return the representations that do not differ significantly from the most accurate one, which comes first."""
    best = best_of(results, protocol)
    found = [best]
    for pair in results["pairs"]:
        names = {pair["first"], pair["second"]}
        if pair["protocol"] == protocol and best in names and pair["p_holm"] >= SIGNIFICANCE_LEVEL:
            found += names - {best}
    return found


def verdict(results: dict[str, Any], protocol: str) -> str:
    """Return a sentence about the most accurate representation under a protocol."""
    rows = compared_rows(results, protocol)
    near = as_good(results, protocol)
    top = max(row["top1"] for row in rows)
    score = f"{100 * top:.2f} %"
    if len(rows) > 1 and min(row["top1"] for row in rows) == top:
        return f"{protocol}: {'both' if len(rows) == 2 else 'all'} have {score}."
    if len(near) == len(rows):
        differ = "the two do not differ" if len(rows) == 2 else "none is significantly better than all others"
        return f"{protocol}: {near[0]} is highest with {score}, but {differ}{' significantly' if len(rows) == 2 else ''}."
    if len(near) == 1:
        others = "the other" if len(rows) == 2 else "all others"
        return f"{protocol}: {near[0]} is best with {score}, significantly better than {others}."
    also = f"{listed(near[1:])} {'is' if len(near) == 2 else 'are'} not significantly worse"
    return f"{protocol}: {near[0]} is highest with {score}; {also}."


def p_text(p: float) -> str:
    """Return a p-value in few digits."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}" if p < 0.995 else "1"


def shown_pairs(results: dict[str, Any], protocol: str) -> list[dict[str, Any]]:
    """Return the pairs to print."""
    found = [pair for pair in results["pairs"] if pair["protocol"] == protocol]
    if len(found) <= _MOST_PAIRS:
        return found
    best = best_of(results, protocol)
    return [pair for pair in found if best in (pair["first"], pair["second"])]


def print_comparison(results: dict[str, Any], stream: TextIO) -> None:
    """Print two tables for each protocol, in 80 columns, and then a sentence about the best."""
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    console.width = max(console.width, _WIDTH)
    console.print(
        f"{counted(len(results['representations']), 'representation')}: {counted(results['n_train'], 'training row')}, "
        f"{counted(results['n_test'], 'test row')}, {counted(results['n_classes'], 'class')}",
        style="bold",
    )
    for protocol in results["protocols"]:
        console.print(_accuracies(results, protocol, console.width, stream))
        console.print(_pairs(results, protocol, console.width, stream))
    for protocol in results["protocols"]:
        console.print(markup(verdict(results, protocol), stream))


def _table(title: str) -> Any:
    from rich import box
    from rich.table import Table

    look: dict[str, Any] = {"box": box.SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0)}
    return Table(title=title, title_justify="left", title_style="bold", **look)


def _accuracies(results: dict[str, Any], protocol: str, width: int, stream: TextIO) -> Any:
    """Return the table of a protocol: a line for each representation, and one for the majority class."""
    table = _table(protocol)
    table.add_column("representation", overflow="fold")
    table.add_column("setting", overflow="fold")
    for heading in ("test %", "95 % interval", "F1 %", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    near, rows = as_good(results, protocol), compared_rows(results, protocol)
    settings = [shown_setting(row["setting"]) for row in rows]
    majority = results["baseline"]
    always = f"always {style.shorten(majority['class_name'], 14)}"
    room = width - _OF_NUMBERS - max(map(len, [always, *settings]))
    for row, setting in zip(rows, settings, strict=True):
        table.add_row(
            _name(row["representation"], room, stream),
            setting,
            f"{100 * row['top1']:.2f}",
            interval(row["top1_low"], row["top1_high"]),
            f"{100 * row['macro_f1']:.2f}",
            seconds(row["seconds"]).replace("\u00a0", " "),
            style="bold" if row["representation"] in near and len(near) < len(rows) else None,
        )
    accuracy = f"{100 * majority['test_accuracy']:.2f}"
    ends = interval(*majority["test_accuracy_interval"])
    table.add_row("majority", markup(always, stream), accuracy, ends, "", "", style="dim")
    return table


def _name(name: str, room: int, stream: TextIO) -> str:
    """Return the lines of a name."""
    return "\n".join(markup(line, stream) for line in broken(name, room))


def shown_setting(text: str) -> str:
    """Return a setting in few words: without the number of tries, and of several C the least and the greatest."""
    name, is_given, value = text.partition(" n_tries")[0].replace("n_per_class", "n").partition("=")
    if "," not in value:
        return f"{name}{is_given}{value}"
    ends = sorted(value.split(","), key=float)
    return f"{name}={ends[0]}" if ends[0] == ends[-1] else f"{name}={ends[0]} to {ends[-1]}"


def _pairs(results: dict[str, Any], protocol: str, width: int, stream: TextIO) -> Any:
    """Return the table of the pairs of a protocol."""
    table = _table(f"pairs, {protocol}")
    for heading in ("first", "second"):
        table.add_column(heading, overflow="fold")
    for heading in ("points", "95 % interval", "p (Holm)", "only 1st:2nd", "agree %"):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = shown_pairs(results, protocol)
    n_pairs = sum(pair["protocol"] == protocol for pair in results["pairs"])
    if len(shown) < n_pairs:
        table.caption = f"{len(shown)} of {n_pairs} pairs, those with {markup(best_of(results, protocol), stream)}; "
        table.caption += "all are in report.html and results.json (--out DIR, --json)"
        table.caption_justify = "left"
    room = (width - _OF_PAIRS) // 2
    for pair in shown:
        table.add_row(
            _name(pair["first"], room, stream),
            _name(pair["second"], room, stream),
            f"{100 * pair['difference']:+.2f}",
            interval(pair["difference_low"], pair["difference_high"]),
            p_text(pair["p_holm"]),
            f"{pair['only_first']:,.0f}:{pair['only_second']:,.0f}",
            f"{100 * pair['agreement']:.1f}",
        )
    return table
