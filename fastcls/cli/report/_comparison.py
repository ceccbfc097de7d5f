"""``report.html`` of ``fastcls compare``, made from its results.json alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fastcls._storage.atomic import write_text
from fastcls.cli._compare_table import as_good, best_of, compared_rows, p_text, shown_setting, verdict
from fastcls.cli._significance import SIGNIFICANCE_LEVEL
from fastcls.cli._words import counted, interval, pairs, percent, points, seconds
from fastcls.display import AccuracyDisplay, LabelEfficiencyDisplay

from ._figures import draw
from ._page import NUMBERS as HEADINGS
from ._page import NUMBERS_NOTE
from ._render import render

_SHOWN_ROWS = 12  # row numbers in a cell
PAIRS_NOTE = (
    "Difference: accuracy of the first minus that of the second, in percentage points, with its 95 % interval (bootstrap of "
    "the test rows). Only first, only second: test rows that only one of the two predicts correctly. Agreement: share of "
    "test rows with the same prediction; kappa is Cohen's. p: McNemar's exact test, for means over tries a paired "
    "t-test; in the next column corrected by Holm's method for all {n} pairs on this page. A difference is significant "
    f"if the corrected p is below {SIGNIFICANCE_LEVEL}. The tests treat test rows as independent; they do not cover what "
    "other training rows would change."
)


def write_comparison(results: dict[str, Any], path: Path) -> None:
    """Write the page to ``path``, completely or not at all."""
    write_text(render_comparison(results), path, "the report")


def render_comparison(results: dict[str, Any]) -> str:
    """Return the page as HTML."""
    return render("comparison.html.j2", context(results))


def context(results: dict[str, Any]) -> dict[str, Any]:
    """Return everything that the template shows."""
    versions = dict(results["versions"])
    names = list(results["representations"])
    return {
        "title": f"{counted(len(names), 'representation')} compared",
        "facts": " · ".join(facts(results)),
        "verdicts": [verdict(results, protocol).replace(" %", "\u00a0%") for protocol in results["protocols"]],
        "notes": results["notes"],
        "figures": figures(results),
        "representations": representations(results),
        "protocols": [protocol_part(results, protocol) for protocol in results["protocols"]],
        "numbers_note": NUMBERS_NOTE,
        "pairs_note": PAIRS_NOTE.format(n=len(results["pairs"])),
        "several": len(names) > 2,
        "settings": settings(results),
        "numbers_columns": [HEADINGS[name] for name in shown_numbers(results)],
        "environment": pairs(results["environment"]),
        "versions": pairs(versions),
        "version": versions.get("fastcls", ""),
        "command": results["command"],
    }


def facts(results: dict[str, Any]) -> list[str]:
    """Return what is known about the rows."""
    counts = [n for n in results["class_counts"].values() if n]
    least, most = min(counts), max(counts)
    sizes = f"{counted(most, 'row')} each" if least == most else f"{least:,} to {counted(most, 'row')}"
    found = [
        counted(results["n_train"], "training row"),
        f"{counted(results['n_test'], 'test row')} ({results['rows']})",
        f"{counted(results['n_classes'], 'class')} of {sizes}",
    ]
    sources = dict.fromkeys(results["labels"].values())
    found.append(f"labels of {' and '.join(sources)}")
    majority = results["baseline"]
    found.append(f"always predicting the majority class ({majority['class_name']}): {percent(majority['test_accuracy'])}")
    if results["limit"] is not None:
        found.append(f"at most {counted(results['limit'], 'row')} were used (--limit)")
    return [*found, f"seed {results['seed']}", results["date"]]


def shown_numbers(results: dict[str, Any]) -> list[str]:
    """Return the numbers that any row has; with five classes or fewer, not top 5, which is always 100 %."""
    known = [name for name in HEADINGS if any(row.get(name) is not None for row in results["table"])]
    return [name for name in known if name != "top5" or results["n_classes"] > 5]


def representations(results: dict[str, Any]) -> list[list[str]]:
    """Return one row for each representation: name, path, features, type, bytes, checksum of the training rows."""
    return [
        [
            name,
            one["path"],
            f"{one['n_features']:,}",
            one["dtype"],
            f"{one['bytes_per_row']:,}",
            one["checksums"]["training"][:12],
        ]
        for name, one in results["representations"].items()
    ]


def figures(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the figure of accuracies, and one of label efficiency for each few-shot protocol with several sizes."""
    names = list(results["representations"])
    parts: list[dict[str, list[float]]] = [{}, {}, {}]
    for protocol in results["protocols"]:
        for row in compared_rows(results, protocol):
            for part, key in zip(parts, ("top1", "top1_low", "top1_high"), strict=True):
                part.setdefault(protocol, []).append(row[key])
    shown = AccuracyDisplay(names, *parts)
    about = "Accuracy of each representation under each protocol"
    found = [{"svg": draw(shown.plot, about), "caption": "Accuracy on the test rows, with its 95 % interval."}]
    for protocol in results["protocols"]:
        sizes: dict[str, list[tuple[int, float, float]]] = {}
        for row in results["table"]:
            if row["protocol"] == protocol and row.get("n_rows"):
                at = sizes.setdefault(row["representation"], [])
                if not at or at[-1][0] != row["n_rows"]:  # of several k the first
                    at.append((row["n_rows"], row["top1"], np.nan if row.get("std") is None else row["std"]))
        if not sizes or max(map(len, sizes.values())) < 2:
            continue
        columns = [{name: [one[place] for one in of] for name, of in sizes.items()} for place in range(3)]
        curves = LabelEfficiencyDisplay(columns[0], columns[1], std=columns[2])
        caption = f"{protocol}: accuracy against the number of training rows."
        found.append({"svg": draw(curves.plot, caption), "caption": caption})
    return found


def protocol_part(results: dict[str, Any], protocol: str) -> dict[str, Any]:
    """Return the section of a protocol: its table, its pairs, and the rows on which a representation is alone."""
    near = as_good(results, protocol)
    rows = compared_rows(results, protocol)
    tag = "best" if len(near) == 1 else "not significantly worse"
    table = []
    for row in rows:
        name = row["representation"]
        marked = (tag if name == best_of(results, protocol) and len(near) == 1 else "highest") if name == near[0] else tag
        table.append(
            {
                "name": name,
                "tag": marked if name in near and len(near) < len(rows) else "",
                "setting": shown_setting(row["setting"]) if "," in row["setting"] else row["setting"],
                "cells": [
                    (percent(row["top1"]), interval(row["top1_low"], row["top1_high"])),
                    *(_number(row, key) for key in shown_numbers(results)),
                    (seconds(row["seconds"]), ""),
                ],
            }
        )
    return {
        "name": protocol,
        "source": results["protocols"][protocol],
        "table": table,
        "pairs": [_pair(pair) for pair in results["pairs"] if pair["protocol"] == protocol],
        "alone": [
            [
                row["representation"],
                *_alone(results, "wrong_alone", protocol, row),
                *_alone(results, "right_alone", protocol, row),
            ]
            for row in rows
        ],
    }


def _number(row: dict[str, Any], key: str) -> tuple[str, str]:
    """Return value and interval; log losses as they are, all others in percent."""
    if row.get(key) is None:
        return "–", ""
    if row.get(f"{key}_low") is None:  # the calibration error has no interval, nor has average precision of few rows
        return percent(row[key]), ""
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    if key == "log_loss":
        return f"{row[key]:.3f}", f"{low:.3f} to {high:.3f}"
    return percent(row[key]), interval(low, high)


def _pair(pair: dict[str, Any]) -> list[str]:
    return [
        f"{pair['first']} – {pair['second']}",
        f"{100 * pair['difference']:+.2f}",
        f"{100 * pair['difference_low']:.1f} to {100 * pair['difference_high']:.1f}",
        f"{pair['only_first']:,.0f}",
        f"{pair['only_second']:,.0f}",
        percent(pair["agreement"], 1),
        f"{pair['kappa']:.3f}",
        p_text(pair["p_value"]),
        p_text(pair["p_holm"]),
        "significant" if pair["p_holm"] < SIGNIFICANCE_LEVEL else "not significant",
    ]


def _alone(results: dict[str, Any], which: str, protocol: str, row: dict[str, Any]) -> tuple[str, str]:
    found = results[which][protocol][row["representation"]]
    numbers = ", ".join(map(str, found["rows"][:_SHOWN_ROWS]))
    return f"{found['count']:,}", numbers + (", …" if found["count"] > _SHOWN_ROWS else "")


def settings(results: dict[str, Any]) -> list[list[str]]:
    """Return one row for each representation, protocol and setting."""
    return [
        [
            row["protocol"],
            row["representation"],
            row["setting"],
            percent(row["top1"]),
            interval(row["top1_low"], row["top1_high"]),
            "–" if row.get("std") is None else points(row["std"]).split("\u00a0")[0],
            percent(row["macro_f1"]),
        ]
        for row in results["table"]
    ]
