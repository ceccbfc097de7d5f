"""``report.html``: one page that holds a whole run, with its figures inside it.

``_report`` turns an `Outcome` into sentences and rows, ``_sections`` into figures, ``report.html.j2`` lays out. The
page runs no script and asks no address, and its content security policy forbids both. Names from data are escaped by
the template and stripped of characters that cannot be printed.
"""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastcls.display import _style

from ._checks import MODELS
from ._outcome import Outcome
from ._results import write_text
from ._sections import choices, errors, figures
from ._table import best_model, setting
from ._words import listed, percent, seconds

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
GRADIENT_WANTED = 1e-6

SUMMARY_COLUMNS = ("validation accuracy", "test accuracy", "95 % interval", "errors", "fit", "predict")
SUMMARY_NOTE = (
    "Validation accuracy is that by which the setting was chosen: the mean over the folds for k-NN, that of held-out "
    "training rows for SVM and softmax. The interval is that of the test accuracy, for rows drawn like these."
)


def write_report(outcome: Outcome, path: str | Path) -> None:
    """Write the page to ``path``: whole or not at all."""
    write_text(render_report(outcome), Path(path), "the report")


def render_report(outcome: Outcome) -> str:
    """The page as one HTML text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def printed(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else _style.clean(value)

    here = files("fastcls.cli")
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=printed, trim_blocks=True)
    template = environment.from_string((here / "report.html.j2").read_text(encoding="utf-8"))
    css = Markup((here / "report.css").read_text(encoding="utf-8"))
    return template.render(css=css, policy=POLICY, **context(outcome))


def context(outcome: Outcome) -> dict[str, Any]:
    """Everything the template shows."""
    results = outcome.results
    name = results["dataset"] or "data"
    versions = dict(results.get("versions") or {})
    n = results["n_classes"]
    return {
        "title": f"{name}: judged classifiers",
        "facts": facts(outcome),
        **verdict(results),
        "notes": notes(outcome),
        "summary_columns": SUMMARY_COLUMNS,
        "summary": summary(results),
        "summary_note": SUMMARY_NOTE + f" Guessing among {n} equally frequent classes: {percent(1 / n, 1)} right.",
        "choices": choices(outcome),
        "figures": figures(outcome),
        "errors": errors(outcome),
        "gradients": gradients(results),
        "test_use": test_use(results),
        "environment": pairs(results.get("environment") or {}),
        "versions": pairs(versions),
        "version": versions.get("fastcls", ""),
        "command": command(results),
    }


def interval(entry: dict[str, Any]) -> str:
    """The 95 % interval of a test accuracy."""
    low, high = entry["test_accuracy_interval"]
    return f"{100 * low:.1f} to {100 * high:.1f}\u00a0%"


def facts(outcome: Outcome) -> str:
    """One line on the data."""
    results, shape = outcome.results, outcome.dataset.image_shape
    parts = [f"{results['n_train']:,} training rows", f"{results['n_test']:,} test rows"]
    if shape is None:
        parts.append(f"{results['n_features']:,} features")
    else:
        colours = {1: "grey", 3: "colour"}.get(shape[2], f"{shape[2]} channels")
        parts.append(f"images of {shape[0]} × {shape[1]} pixels, {colours}")
    parts.append(f"{results['n_classes']} classes")
    parts.append(f"seed {results['seed']}")
    return " · ".join(parts)


def verdict(results: dict[str, Any]) -> dict[str, str]:
    """The best model in a sentence, and what that is worth."""
    if not results["models"]:
        return {"verdict": "No model was run.", "verdict_note": ""}
    best = best_model(results)
    entry = results["models"][best]
    low, _ = entry["test_accuracy_interval"]
    sentence = (
        f"Best: {MODELS[best]} ({setting(entry)}), {percent(entry['test_accuracy'])} of {results['n_test']:,} "
        f"test rows right (95 % interval {interval(entry)}; {entry['test_errors']:,} errors)."
    )
    near = [
        MODELS[name]
        for name, other in results["models"].items()
        if name != best and other["test_accuracy_interval"][1] >= low
    ]
    note = ""
    if near:
        those = "interval of {} overlaps" if len(near) == 1 else "intervals of {} overlap"
        note = f"The {those.format(listed(near))} with it: this test set alone does not settle their order."
    return {"verdict": sentence, "verdict_note": note}


def notes(outcome: Outcome) -> list[str]:
    """The run's own notes, and one where the data cannot be shown as images."""
    own = list(outcome.notes)
    if outcome.dataset.image_shape is None and not any("no image shape" in note for note in own):
        own.append("The data has no image shape: templates and pictures of neighbours are left out.")
    return own


def summary(results: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a model."""
    best = best_model(results) if results["models"] else None
    rows = []
    for name, entry in results["models"].items():
        validation = entry.get("cv_accuracy_mean", entry.get("validation_accuracy"))
        cells = [
            "–" if validation is None else percent(validation),
            percent(entry["test_accuracy"]),
            interval(entry),
            f"{entry['test_errors']:,} of {results['n_test']:,}",
            seconds(entry.get("fit_seconds")),
            seconds(entry.get("predict_seconds")),
        ]
        rows.append({"name": MODELS[name], "setting": setting(entry), "cells": cells, "best": name == best})
    return rows


def gradients(results: dict[str, Any]) -> list[str]:
    """One line a model whose gradient was checked."""
    lines = []
    for name, entry in results["models"].items():
        error = entry.get("gradient_check_max_relative_error")
        if error is not None:
            said = "agrees" if error <= GRADIENT_WANTED else "is further off than wanted"
            lines.append(
                f"{MODELS[name]}: {said}; largest relative difference {error:.1e} in float64 away from kinks "
                f"(wanted: at most {GRADIENT_WANTED:.0e})."
            )
    return lines


def test_use(results: dict[str, Any]) -> str:
    """How often the test set was asked."""
    total, models = int(results["test_evaluations"]), len(results["models"])
    times = "once" if total == 1 else f"{total:,} times"
    if total > models:
        return (
            f"The test set was asked {times} for {models} models: accuracies looked at before are no longer those of "
            "unseen data."
        )
    if models == 1:
        return f"The test set was asked {times}, after every choice was made."
    return (
        f"The test set was asked {times}: once for each of the {models} models, after every choice was made. Calling "
        "the best of them best is itself a small look at the test set: judge it on new data before relying on its last "
        "digit."
    )


def pairs(mapping: dict[str, Any]) -> list[tuple[str, str]]:
    """A mapping as rows of text; nested ones on one line, what is not set left out."""
    return [(key.replace("_", " "), _flat(value)) for key, value in mapping.items() if value is not None]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_flat(item) for item in value)
    return str(value)


def command(results: dict[str, Any]) -> str:
    """The command that repeats the run, as it can be pasted."""
    said = results.get("command") or ""
    return said if isinstance(said, str) else shlex.join(str(word) for word in said)
