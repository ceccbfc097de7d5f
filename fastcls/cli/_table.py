"""What ``fastcls run`` leaves on the screen: the table and the three closing lines."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, TextIO

from ._checks import MODELS, as_word
from ._text import markup, printable


def best_model(results: dict[str, Any]) -> str:
    """The model with the fewest test errors (nothing is trained after this look); of equals the first of
    `MODELS`, random search last."""
    models = results["models"]
    return min((name for name in MODELS if name in models),
               key=lambda name: (models[name]["test_errors"], name == "random_search"))


def setting(entry: dict[str, Any]) -> str:
    """What was chosen for a model: ``l1, k = 3`` or ``alpha = 0.001``."""
    if "k" in entry:
        return f"{entry['metric']}, k = {entry['k']}"
    if "alpha" in entry:
        return f"alpha = {entry['alpha']:g}"
    return f"best of {entry['tries']:,}"


def print_table(results: dict[str, Any], stream: TextIO) -> None:
    """The models, one a row, in 80 columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=stream, highlight=False)
    title = f"{markup(results['dataset'])}: {results['n_train']:,} training, {results['n_test']:,} test rows"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
                  padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    table.add_column("chosen")
    for heading in ("valid. %", "test %", "95 % interval", "errors", "predict"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = best_model(results)
    for name, entry in results["models"].items():
        low, high = entry["test_accuracy_interval"]
        table.add_row(
            MODELS[name], setting(entry).replace(" = ", " "), _validation(entry), f"{100 * entry['test_accuracy']:.2f}",
            f"{100 * low:.1f} to {100 * high:.1f}", f"{entry['test_errors']:,}", _seconds(entry["predict_seconds"]),
            style="bold" if name == best else None,
        )
    console.print(table)


def _validation(entry: dict[str, Any]) -> str:
    """The accuracy by which the setting was chosen, from training rows alone."""
    accuracy = entry.get("cv_accuracy_mean", entry.get("validation_accuracy"))
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


def _seconds(seconds: float) -> str:
    if seconds < 0.001:
        return "< 1 ms"
    return f"{1000 * seconds:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def closing_lines(results: dict[str, Any], folder: Path, data: str) -> list[str]:
    """Exactly three: the report, the best model, the next command to type (it works when pasted)."""
    best = best_model(results)
    entry = results["models"][best]
    model = folder / "models" / f"{best}.safetensors"
    command = shlex.join(["fastcls", "predict", as_word(str(model)), as_word(data)])
    return [
        f"Report: {printable(folder / 'report.html')}",
        f"Best model: {MODELS[best]} ({setting(entry)}), test accuracy {100 * entry['test_accuracy']:.2f} %",
        f"Next: {printable(command)}",
    ]
