"""What ``fastcls compare`` prints at its end: a table for each protocol, the pairs, and who is best."""

from __future__ import annotations

from typing import Any, TextIO

from fastcls._validation.messages import counted
from fastcls.display import style

from ._significance import SIGNIFICANCE_LEVEL
from ._text import markup
from ._words import interval, listed, seconds

_WIDTH = 80
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
    """Print the tables in 80 columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=stream, highlight=False)
    console.width = max(console.width, _WIDTH)
    look: dict[str, Any] = {"box": box.SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0)}
    console.print(
        f"{counted(len(results['representations']), 'representation')}: {counted(results['n_train'], 'training row')}, "
        f"{counted(results['n_test'], 'test row')}, {counted(results['n_classes'], 'class')}",
        style="bold",
    )
    table = Table(**look)
    for heading in ("protocol", "representation", "setting"):
        table.add_column(heading, overflow="fold", min_width=len(heading))
    for heading in ("test %", "95 % interval", "F1 %", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for protocol in results["protocols"]:
        near = as_good(results, protocol)
        rows = compared_rows(results, protocol)
        for number, row in enumerate(rows):
            table.add_row(
                protocol if number == 0 else "",
                markup(row["representation"], stream),
                row["setting"].partition(" n_tries")[0].replace("n_per_class", "n"),
                f"{100 * row['top1']:.2f}",
                interval(row["top1_low"], row["top1_high"]),
                f"{100 * row['macro_f1']:.2f}",
                seconds(row["seconds"]).replace("\u00a0", " "),
                style="bold" if row["representation"] in near and len(near) < len(rows) else None,
                end_section=number == len(rows) - 1,
            )
    majority = results["baseline"]
    always = f"always {markup(style.shorten(majority['class_name'], 14), stream)}"
    accuracy = f"{100 * majority['test_accuracy']:.2f}"
    table.add_row("majority", always, "", accuracy, interval(*majority["test_accuracy_interval"]), "", "", style="dim")
    console.print(table)
    for protocol in results["protocols"]:
        pairs = Table(title=f"pairs, {protocol}", title_justify="left", title_style="bold", **look)
        for heading in ("first", "second"):
            pairs.add_column(heading, overflow="fold")
        for heading in ("points", "95 % interval", "p (Holm)", "only 1st:2nd", "agree %"):
            pairs.add_column(heading, justify="right", no_wrap=True)
        shown = shown_pairs(results, protocol)
        n_pairs = sum(pair["protocol"] == protocol for pair in results["pairs"])
        if len(shown) < n_pairs:
            pairs.caption = f"{len(shown)} of {n_pairs} pairs, those with {markup(best_of(results, protocol), stream)}; "
            pairs.caption += "all are in report.html and results.json (--out DIR, --json)"
            pairs.caption_justify = "left"
        for pair in shown:
            pairs.add_row(
                markup(pair["first"], stream),
                markup(pair["second"], stream),
                f"{100 * pair['difference']:+.2f}",
                interval(pair["difference_low"], pair["difference_high"]),
                p_text(pair["p_holm"]),
                f"{pair['only_first']:,.0f}:{pair['only_second']:,.0f}",
                f"{100 * pair['agreement']:.1f}",
            )
        console.print(pairs)
    for protocol in results["protocols"]:
        console.print(markup(verdict(results, protocol), stream))
