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

import numpy as np

from fastcls._storage.atomic import write_text
from fastcls._validation.messages import counted
from fastcls.cli._checks import MODELS
from fastcls.cli._judge import SIGNIFICANT_BELOW, best_is_known, not_told_apart, significant
from fastcls.cli._linear import GRADIENT_TOLERANCE
from fastcls.cli._outcome import Outcome
from fastcls.cli._table import NO_BETTER, best_model, is_no_better, leading, setting, tied_with_best, told_apart
from fastcls.cli._words import listed, percent, seconds
from fastcls.display import style

from ._lecture import lecture
from ._sections import choices, errors, figures

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

SUMMARY_COLUMNS = ("validation accuracy", "test accuracy", "95 % interval", "errors", "fit", "predict")
SUMMARY_NOTE = (
    "Validation accuracy is that by which the setting was chosen: the mean over the folds for k-NN, that of held-out "
    "training rows for SVM and softmax. The interval is that of the test accuracy, for rows drawn like these. The last "
    "line is what always naming the most frequent class of the training rows is worth."
)


def write_report(outcome: Outcome, path: str | Path) -> None:
    """Write the page to ``path``: whole or not at all."""
    write_text(render_report(outcome), Path(path), "the report")


def render_report(outcome: Outcome) -> str:
    """The page as one HTML text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def printed(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else style.clean(value)

    here = files("fastcls.cli.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=printed, trim_blocks=True)
    template = environment.from_string((here / "report.html.j2").read_text(encoding="utf-8"))
    css = Markup((here / "report.css").read_text(encoding="utf-8"))
    return template.render(css=css, policy=POLICY, **context(outcome))


def context(outcome: Outcome) -> dict[str, Any]:
    """Everything the template shows."""
    results = outcome.results
    name = results["dataset"] or "data"
    versions = dict(results.get("versions") or {})
    drawn = {
        "choices": choices(outcome),
        "figures": figures(outcome),
        "lecture": lecture(outcome),
        "errors": errors(outcome),
    }  # before the failures are read
    return {
        "title": f"{name}: judged classifiers",
        "facts": facts(outcome),
        **verdict(results),
        "notes": notes(outcome),
        "summary_columns": SUMMARY_COLUMNS,
        "summary": summary(results),
        "summary_note": SUMMARY_NOTE,
        "comparisons": comparisons(results),
        "comparisons_note": comparisons_note(results),
        **drawn,
        "failures": [f"{one['step']}: {one['error']}" for one in (outcome.failures.found if outcome.failures else ())],
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
    if results["test_set"] == "own":
        own = "the data's own"
    else:
        own = "set aside, stratified by class" if results.get("stratified", True) else "set aside at random, not stratified"
        if results.get("stratified") and any("too few rows to" in note for note in outcome.notes):
            own = "set aside, of each class its share"  # the note is about validation rows: no claim for these
        y_test = outcome.dataset.y_test
        if results.get("stratified") and y_test is not None and len(np.unique(y_test)) < results["n_classes"]:
            own = "set aside, of each class of two rows or more its share"
    parts = [counted(results["n_train"], "training row"), f"{counted(results['n_test'], 'test row')} ({own})"]
    if results["limit"] is not None:
        parts.append(f"part of the data: at most {counted(results['limit'], 'row')} of each (--limit)")
    if shape is None:
        parts.append(counted(results["n_features"], "feature"))
    else:
        colours = {1: "grey", 3: "colour"}.get(shape[2], f"{shape[2]} channels")
        parts.append(f"images of {shape[0]} × {shape[1]} pixels, {colours}")
    parts.append(counted(results["n_classes"], "class"))
    parts.append(f"seed {results['seed']}")
    return " · ".join(parts)


def verdict(results: dict[str, Any]) -> dict[str, str]:
    """The best model in a sentence (or those that tie), and what that is worth."""
    if not results["models"]:
        return {"verdict": "No model was evaluated.", "verdict_note": ""}
    best = best_model(results)
    entry = results["models"][best]
    names = [f"{MODELS[name]} ({setting(results['models'][name])})" for name in (best, *tied_with_best(results))]
    if len(results["models"]) == 1:
        of = ""
    elif best_is_known(results):
        of = "Best: " if len(names) == 1 else "Best, with equally many errors: "
    else:
        of = f"{told_apart(results)} Fewest errors: "
    sentence = (
        f"{of}{listed(names)}, {percent(entry['test_accuracy'])} of {counted(results['n_test'], 'test row')} right "
        f"(95 % interval {interval(entry)}; {counted(entry['test_errors'], 'error')})."
    )
    said = []
    if is_no_better(results):
        said.append(NO_BETTER)
    if best_is_known(results) and (near := not_told_apart(results)):
        said.append(
            f"On these test rows {listed([MODELS[name] for name in (best, *near)])} cannot be told apart: chance "
            "too makes differences so small (McNemar's exact test, below)."
        )
    return {"verdict": sentence, "verdict_note": " ".join(said)}


def comparisons(results: dict[str, Any]) -> list[list[str]]:
    """One row a comparison of the best model with another: names, rows that only one gets right, p, what that says."""
    rows = []
    for pair in results.get("comparisons", ()):
        p = pair["p_value"]
        rows.append(
            [
                f"{MODELS[pair['model']]} and {MODELS[pair['other']]}",
                f"{pair['only_model_right']:,}",
                f"{pair['only_other_right']:,}",
                "< 0.0001" if p < 1e-4 else f"{p:.2g}",
                "significant" if significant(pair, results) else "not significant",
            ]
        )
    return rows


def comparisons_note(results: dict[str, Any]) -> str:
    """How the comparisons were made."""
    n = len(results.get("comparisons", ()))
    each = f" in {n} comparisons ({SIGNIFICANT_BELOW} / {n} each)" if n > 1 else ""
    return (
        "Rows that both get right, or both wrong, say nothing about which is better. p (McNemar's exact test) is how often "
        f"chance alone would divide the other rows at least so unevenly; significant: below {SIGNIFICANT_BELOW}{each}. The "
        "first was picked by these very rows, which makes p look a little smaller than it is."
    )


def notes(outcome: Outcome) -> list[str]:
    """The run's own notes, and one where the data cannot be shown as images."""
    own = list(outcome.notes)
    if outcome.dataset.image_shape is None and not any("no image shape" in note for note in own):
        own.append("The data has no image shape: templates and pictures of neighbours are left out.")
    return own


def summary(results: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a model, and a last one for the most frequent class."""
    if not results["models"]:
        return []
    best = [best_model(results), *tied_with_best(results)]
    tag = "best on the test set" if len(leading(results)) == 1 else "fewest errors"
    if len(results["models"]) == 1 or not best_is_known(results):
        tag = ""  # best of one is no distinction, and nor is one by chance
    rows = []
    for name, entry in results["models"].items():
        validation = entry.get("cv_accuracy_mean", entry.get("validation_accuracy"))
        cells = [
            "–" if validation is None else percent(validation),
            *_judged(entry, results["n_test"]),
            seconds(entry.get("fit_seconds")),
            seconds(entry.get("predict_seconds")),
        ]
        chosen = tag if name in best else ""
        rows.append({"name": MODELS[name], "setting": setting(entry), "cells": cells, "tag": chosen, "soft": False})
    if not (majority := results.get("baseline")):
        return rows
    cells = ["–", *_judged(majority, results["n_test"]), "–", "–"]
    always = f"always {style.shorten(majority['class_name'], 24)}"
    rows.append({"name": "most frequent class", "setting": always, "cells": cells, "tag": "", "soft": True})
    return rows


def _judged(entry: dict[str, Any], n_test: int) -> list[str]:
    return [percent(entry["test_accuracy"]), interval(entry), f"{entry['test_errors']:,} of {n_test:,}"]


def gradients(results: dict[str, Any]) -> list[str]:
    """One line a model whose gradient was checked."""
    lines = []
    for name, entry in results["models"].items():
        error = entry.get("gradient_check_max_relative_error", -1)
        if error is None:
            lines.append(f"{MODELS[name]}: not known; the check itself failed, and the model was trained without it.")
        elif error >= 0:
            said = "agrees" if error <= GRADIENT_TOLERANCE else "is further off than wanted"
            lines.append(
                f"{MODELS[name]}: {said}; largest relative difference {error:.1e} in float64 away from kinks "
                f"(wanted: at most {GRADIENT_TOLERANCE:.0e})."
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
    return f"The test set was asked {times}: once for each of the {models} models, after every choice was made." + (
        " Calling the best of them best is itself a small look at the test set: evaluate it on new data before relying "
        "on its last digit."
        if best_is_known(results)
        else ""
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
