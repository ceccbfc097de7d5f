"""What ``fastcls run`` prints at its end: the table and the three closing lines."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, TextIO

from fastcls._scoring.table import is_bound
from fastcls._validation.messages import counted, printable
from fastcls.datasets import find_test_rows
from fastcls.display import style
from fastcls.metrics import label as metric_name

from ._checks import MODELS, as_word
from ._significance import best_is_known, not_significantly_worse
from ._text import markup
from ._words import interval, listed, seconds

_WIDTH = 80  # columns of the table and of the lines after it


def best_model(results: dict[str, Any]) -> str:
    """Return the model with the fewest test errors. Ties go to the first in `MODELS`, with random search last.

    This uses the test set once more, but nothing is trained afterwards.
    """
    models = results["models"]
    return min(
        (name for name in MODELS if name in models), key=lambda name: (models[name]["test_errors"], name == "random_search")
    )


def tied_with_best(results: dict[str, Any]) -> list[str]:
    """Return the other models with as few test errors as the best one."""
    models, best = results["models"], best_model(results)
    return [name for name in models if name != best and models[name]["test_errors"] == models[best]["test_errors"]]


def leading(results: dict[str, Any]) -> list[str]:
    """Return the best model and those that do not differ significantly from it; none if no model can be called best."""
    if not results["models"]:
        return []
    if len(results["models"]) == 1:
        return list(results["models"])
    return [best_model(results), *not_significantly_worse(results)] if best_is_known(results) else []


def no_difference(results: dict[str, Any]) -> str:
    """Return a sentence about models without a significant difference; empty if the best is better than all others."""
    models, rows = results["models"], counted(results["n_test"], "test row")
    if len(models) < 2:
        return ""
    if not results.get("comparisons"):
        return "The models were not compared, so none of them can be called best."
    if not (near := not_significantly_worse(results)):
        return ""
    names = listed([MODELS[name] for name in (best_model(results), *near)])
    subject = names if best_is_known(results) or len(models) == 2 else f"The {len(models)} models"
    end = "" if best_is_known(results) else ", so none of them can be called best"
    return f"{subject} do not differ significantly on {rows} (McNemar's exact test){end}."


#: shown if predicting the majority class makes as few errors as the best model
NO_BETTER = "No model is better than always predicting the majority class: are rows and labels in the same order?"


def is_no_better(results: dict[str, Any]) -> bool:
    """Return whether always predicting the majority class makes as few errors as the best model."""
    majority = results.get("baseline")
    return majority is not None and bool(results["models"][best_model(results)]["test_errors"] >= majority["test_errors"])


def setting(entry: dict[str, Any]) -> str:
    """Return the chosen setting of a model: ``L1, k = 3`` or ``alpha = 0.001``."""
    if "k" in entry:
        return f"{metric_name(entry['metric'])}, k = {entry['k']}"
    if "alpha" in entry:
        return f"alpha = {entry['alpha']:g}"
    return f"best of {entry['tries']:,}"


def print_table(results: dict[str, Any], stream: TextIO) -> None:
    """Print one line per model, in 80 columns."""
    from rich import box
    from rich.table import Table

    console = _console(stream)
    title = (
        f"{markup(results['dataset'], stream)}: {counted(results['n_train'], 'training row')}, "
        f"{counted(results['n_test'], 'test row')}"
    )
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("model", no_wrap=True)
    table.add_column("setting")
    for heading in ("valid. %", "test %", "95 % interval", "errors", "predict"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = [] if not results["models"] or is_no_better(results) else leading(results)
    for name, entry in results["models"].items():
        table.add_row(
            MODELS[name],
            setting(entry).replace(" = ", " "),
            _validation(entry),
            *_test_cells(entry),
            _plain(seconds(entry["predict_seconds"])),
            style="bold" if name in best else None,
        )
    if majority := results.get("baseline"):
        name = markup(style.shorten(majority["class_name"], 10), stream)
        table.add_row("majority", f"always {name}", "-", *_test_cells(majority), "-", style="dim")
    console.print(table)
    if sentence := no_difference(results):
        console.print(sentence, style="dim")


def _console(stream: TextIO) -> Any:
    """Return a console of at least 80 columns: on a narrower screen lines wrap, instead of cells losing digits."""
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    console.width = max(console.width, _WIDTH)
    return console


def _test_cells(entry: dict[str, Any]) -> tuple[str, str, str]:
    """Return the cells of test accuracy, interval and errors."""
    of_accuracy = interval(*entry["test_accuracy_interval"])
    return f"{100 * entry['test_accuracy']:.2f}", of_accuracy, f"{entry['test_errors']:,}"


def _plain(text: str) -> str:
    """Return the text with plain spaces: a terminal may not have others."""
    return text.replace("\u00a0", " ")


def _validation(entry: dict[str, Any]) -> str:
    """Return the validation accuracy of the chosen setting, which comes from training rows alone."""
    accuracy = entry.get("cv_accuracy_mean", entry.get("validation_accuracy"))
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


def closing_lines(
    results: dict[str, Any], folder: Path, data: str, labels: str | None = None, drop: tuple[str, ...] = ()
) -> list[str]:
    """Return three lines: the report, the best model, and the next command, which works when pasted.

    `labels` is the file of the labels, or their name in the data.
    """
    first = _report_line(folder)
    saved = [name for name in MODELS if (folder / "models" / f"{name}.safetensors").exists()]
    if results["models"]:
        saved.sort(key=lambda name: name != best_model(results))
    if not saved:
        again = ["fastcls", "run", as_word(data), *(() if labels is None else ("--labels", labels)), *_drop_words(drop)]
        return [first, _best_line(results), f"Next: {printable(shlex.join(again))}"]
    return [first, _best_line(results), _predict_line(results, folder, saved[0], data, labels, drop)]


def _best_line(results: dict[str, Any]) -> str:
    models = results["models"]
    if not models:
        return "Best model: none (no model was evaluated)"
    best = best_model(results)
    near, accuracy = not_significantly_worse(results), f"test accuracy {100 * models[best]['test_accuracy']:.2f} %"
    no_better = is_no_better(results)
    if len(models) == 1:
        return f"Model: {MODELS[best]} ({setting(models[best])}), {accuracy}" + (f". {NO_BETTER}" if no_better else "")
    if no_better:
        return f"Best model: none. {NO_BETTER}"
    if not best_is_known(results):
        names = listed([MODELS[name] for name in models]) if len(models) == 2 else f"the {len(models)} models"
        rows = counted(results["n_test"], "test row")
        return f"Best model: none ({names} do not differ significantly on {rows})"
    if near:
        tied = tied_with_best(results)
        others = [MODELS[name] for name in near if name not in tied]
        line = f"Fewest errors: {listed([MODELS[name] for name in (best, *tied)])}, {accuracy}"
        fewer = (
            [f"{line} ({who} not significantly worse)" for who in (listed(others), f"{len(others)} others")]
            if others
            else [line]
        )
        return next((one for one in fewer if len(one) <= _WIDTH), fewer[-1])
    return f"Best model: {MODELS[best]} ({setting(models[best])}), {accuracy}"


def print_protocol(results: dict[str, Any], stream: TextIO) -> None:
    """Print the table of a protocol, one line a setting; accuracies are in percent."""
    from rich import box
    from rich.table import Table

    protocol = results["protocol"]
    left_out = _ONLY_IN_FILE if results["n_classes"] > 5 else (*_ONLY_IN_FILE, "top5")  # of five classes, always 100 %
    columns = [name for name in protocol["columns"] if not is_bound(name, protocol["columns"]) and name not in left_out]
    if "top1_low" in protocol["columns"]:
        columns.insert(columns.index("top1") + 1, "top1_low")
    title = (
        f"{markup(results['dataset'], stream)}, {protocol['evaluation']} protocol {protocol['preset']}: "
        f"{counted(results['n_train'], 'training row')}, {counted(results['n_test'], 'test row')}"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        is_text = column in ("model", "setting", "metric")
        table.add_column(_HEADINGS.get(column, column), justify="left" if is_text else "right", no_wrap=True)
    for row in protocol["rows"]:
        cells = {**row, "top1_low": _interval(row)}
        table.add_row(*(_cell(column, cells[column], stream) for column in columns))
    if (majority := results.get("baseline")) and "top1_low" in columns:
        low, high = majority["test_accuracy_interval"]
        cells = {"top1": f"{100 * majority['test_accuracy']:.2f}", "top1_low": interval(low, high), columns[0]: "majority"}
        table.add_row(*(cells.get(column, "-") for column in columns), style="dim")
    console = _console(stream)
    console.print(title, style="bold")
    console.print(table)


_HEADINGS = {
    "top1": "test %",
    "top5": "top 5 %",
    "top1_low": "95 % interval",
    "std": "std %",
    "balanced_accuracy": "balanced %",
    "macro_f1": "F1 %",
    "validation": "valid. %",
    "n_test": "of",
    "seconds": "time",
}


#: numbers of a protocol that have no room in 80 columns
_ONLY_IN_FILE = ("weighted_f1", "average_precision", "log_loss", "calibration_error")


def _interval(row: dict[str, Any]) -> str | None:
    low, high = row.get("top1_low"), row.get("top1_high")
    return None if low is None or high is None else interval(low, high)


def _cell(column: str, value: Any, stream: TextIO) -> str:
    if value is None:
        return "-"
    if column in ("top1", "top5", "std", "validation", "balanced_accuracy", "macro_f1"):
        return f"{100 * value:.2f}"
    if column == "seconds":
        return _plain(seconds(value))
    return f"{value:.4g}" if column == "C" else f"{value:,}" if isinstance(value, int) else markup(value, stream)


def protocol_lines(
    results: dict[str, Any], folder: Path, data: str, labels: str | None = None, drop: tuple[str, ...] = ()
) -> list[str]:
    """Return the last lines: the report, the source of the protocol and, if a model was saved, the next command."""
    lines = [_report_line(folder), f"Protocol: {results['protocol']['settings']['source']}"]
    saved = [name for name in MODELS if (folder / "models" / f"{name}.safetensors").exists()]
    return [*lines, _predict_line(results, folder, saved[0], data, labels, drop)] if saved else lines


def _report_line(folder: Path) -> str:
    report = folder / "report.html"
    return f"Report: {printable(report)}" if report.exists() else f"Results (the report failed): {printable(folder)}"


def _drop_words(drop: tuple[str, ...]) -> list[str]:
    return ["--drop", ",".join(drop)] if drop else []


def _predict_line(
    results: dict[str, Any], folder: Path, model: str, data: str, labels: str | None, drop: tuple[str, ...]
) -> str:
    is_alone = labels is not None or results["test_set"] != "own" or not data.lower().endswith(".npy")
    rows = None if is_alone or not Path(data).is_file() else find_test_rows(Path(data))
    words = ["fastcls", "predict", as_word(str(folder / "models" / f"{model}.safetensors")), as_word(str(rows or data))]
    # a name in the data, which would be a feature otherwise; or a file with the labels of all rows
    if labels is not None and (not Path(labels).exists() or results["test_set"] != "own"):
        words += ["--labels", labels]
    return f"Next: {printable(shlex.join(words + _drop_words(drop)))}"
