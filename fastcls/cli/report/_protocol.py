"""The parts of the report that only a published protocol has: its table, its best setting, the settings of the course."""

from __future__ import annotations

from typing import Any

from fastcls._scoring.table import NUMBERS, is_bound
from fastcls.cli._compare_table import p_text
from fastcls.cli._words import counted, interval, pairs, percent, seconds
from fastcls.display import style

#: column -> heading; numbers without one are shown under their own name. A page has more room than a terminal
HEADINGS = {
    **NUMBERS,
    "top1": "accuracy",
    "top5": "top 5",
    "std": "deviation",
    "average_precision": "average precision",
    "calibration_error": "calibration error",
    "n_test": "test rows",
    "weight_decay": "weight decay",
    "seconds": "time",
}
_SHARES = (
    *("top1", "top5", "std", "validation", "balanced_accuracy", "macro_f1", "weighted_f1"),
    *("average_precision", "calibration_error"),
)
_TEXTS = ("model", "setting", "metric")
_SWEPT = ("training_accuracy", "validation_accuracy")
NOTE = (
    "Numbers in percent have their 95 % interval below them (Wilson's for shares of test rows, else from resampled test "
    "rows). p: of the difference from the most accurate row on the same test rows, without a correction for the number of "
    "rows."
)


def protocol_title(results: dict[str, Any]) -> str:
    """Return what the page is about."""
    if "protocol" not in results:
        return "classifier comparison"
    return f"{results['protocol']['evaluation']} protocol {results['protocol']['preset']}"


def protocol_verdict(results: dict[str, Any]) -> dict[str, str]:
    """Return a sentence about the most accurate row, and the source of the protocol."""
    protocol = results["protocol"]
    source = f"Protocol: {protocol['settings']['source']}."
    if (best := _best(protocol)) is None:
        return {"verdict": "No row of the protocol has a test accuracy.", "verdict_note": source}
    named = ", ".join(_setting(key, best[key]) for key in best if _is_setting(key, best))
    bounds = ""
    if best.get("top1_low") is not None:
        bounds = f" (95\u00a0% interval {interval(best['top1_low'], best['top1_high'])}\u00a0%)"
    rows = counted(results["n_test"] if best.get("n_test") is None else best["n_test"], "test row")
    return {"verdict": f"{named}: test accuracy {percent(best['top1'])}{bounds} on {rows}.", "verdict_note": source}


def _best(protocol: dict[str, Any]) -> dict[str, Any] | None:
    """Return the mean over the experiments, or the most accurate row; None if no row was tested."""
    known = [row for row in protocol["rows"] if row.get("top1") is not None]
    means = [row for row in known if row.get("experiment") == "mean"]
    return max(means or known, key=lambda row: row["top1"], default=None)


def _is_setting(key: str, row: dict[str, Any]) -> bool:
    named = key in ("k", "C", "weight_decay", "experiment", *_TEXTS)
    return named and row[key] is not None


def _setting(key: str, value: Any) -> str:
    if key in ("model", "setting"):
        return str(value)
    if key == "experiment":
        return f"{value} of the experiments" if value == "mean" else f"experiment {value}"
    return f"{key.replace('_', ' ')} {value}" if key == "metric" else f"{key.replace('_', ' ')} = {_value(key, value)}"


def _value(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key in _SHARES:
        return percent(value)
    if key == "seconds":
        return seconds(value)
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def protocol_table(results: dict[str, Any]) -> dict[str, Any] | None:
    """Return headings and cells (value, interval) of every row of the protocol's table; None without a protocol."""
    if (protocol := results.get("protocol")) is None:
        return None
    columns = [name for name in protocol["columns"] if not is_bound(name, protocol["columns"])]
    best = _best(protocol) if len(protocol["rows"]) > 1 else None
    if results["n_classes"] <= 5:
        columns = [name for name in columns if name != "top5"]  # always 100 %
    rows: list[dict[str, Any]] = [
        {"cells": [(_value(name, row[name]), _bounds(name, row)) for name in columns], "best": row is best}
        for row in protocol["rows"]
    ]
    p_values = protocol["p_values"] if len(protocol["rows"]) > 1 else []
    for row, p in zip(rows, p_values, strict=False):
        row["cells"].append(("–" if p is None or row["best"] else p_text(p), ""))
    if majority := results.get("baseline"):
        always = {
            columns[0]: (f"always {style.shorten(majority['class_name'], 24)}", ""),
            "top1": (percent(majority["test_accuracy"]), interval(*majority["test_accuracy_interval"])),
        }
        cells = [always.get(name, ("–", "")) for name in columns] + ([("–", "")] if p_values else [])
        rows.append({"cells": cells, "best": False})
    headings = [HEADINGS.get(name, name) for name in columns] + (["p"] if p_values else [])
    said_elsewhere = ("source", "note", "majority")
    settings = {
        key: value for key, value in protocol["settings"].items() if key not in said_elsewhere and value is not False
    }
    return {
        "columns": [(heading, name in _TEXTS) for heading, name in zip(headings, [*columns, "p"], strict=False)],
        "rows": rows,
        "settings": pairs(settings),
        "note": NOTE,
    }


def _bounds(name: str, row: dict[str, Any]) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if low is None or high is None:
        return ""
    return f"{low:.3f} to {high:.3f}" if name == "log_loss" else interval(low, high)


def protocol_test_use(results: dict[str, Any]) -> str:
    """Return how often the protocol used the test set."""
    total = int(results["test_evaluations"])
    if total == 1:
        return "The protocol evaluates one model on the test rows."
    return (
        f"The protocol evaluates {total:,} models on the test rows, as published. The accuracy of the best of them is not "
        "that on unseen data."
    )


def choice_of_rate(name: str, tried: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the settings of a linear classifier of the course, and the one that the validation rows chose."""
    chosen = next(row for row in tried if row["chosen"])
    sentence = (
        f"{len(tried)} pairs of learning rate and reg were compared on the validation rows. Rate {chosen['rate']:g} with "
        f"reg {chosen['reg']:g} has the highest accuracy, {percent(chosen['validation_accuracy'])}."
    )
    rows = [
        {
            "cells": [f"{row['rate']:g}", f"{row['reg']:g}", *(percent(row[key]) for key in _SWEPT)],
            "chosen": bool(row["chosen"]),
        }
        for row in tried
    ]
    return {
        "name": name,
        "sentence": sentence,
        "figures": [],
        "rows": rows,
        "columns": ["rate", "reg", "training", "validation"],
    }
