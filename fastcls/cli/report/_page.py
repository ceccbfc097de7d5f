"""``report.html``: the whole run on one page, figures included.

This module turns an `Outcome` into sentences and table rows, and ``report.html.j2`` lays them out. The page runs no
script and makes no network request; its content security policy forbids both. The template escapes names from data and
removes characters that cannot be printed.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._storage.atomic import write_text
from fastcls.cli._checks import MODELS
from fastcls.cli._linear import GRADIENT_TOLERANCE
from fastcls.cli._outcome import Outcome
from fastcls.cli._significance import SIGNIFICANCE_LEVEL, best_is_known, is_significant, not_significantly_worse
from fastcls.cli._table import NO_BETTER, best_model, is_no_better, leading, no_difference, setting, tied_with_best
from fastcls.cli._words import counted, interval, listed, pairs, percent, seconds
from fastcls.display import style

from ._data import class_table, data_facts, duplicates, files_of
from ._errors import calibrations, classes, errors
from ._lecture import lecture
from ._protocol import protocol_table, protocol_test_use, protocol_title, protocol_verdict
from ._render import render
from ._sections import choices, figures

SUMMARY_COLUMNS = ("validation accuracy", "test accuracy", "95 % interval", "errors", "fit", "predict")
SUMMARY_NOTE = (
    "The setting was chosen by validation accuracy: the mean over the folds for k-NN, the accuracy on held-out training "
    "rows for SVM and softmax. The interval is Wilson's 95 % confidence interval for rows drawn like the test rows. The "
    "last line is the accuracy of always predicting the majority class of the training rows."
)


def write_report(outcome: Outcome, path: str | Path) -> None:
    """Write the page to ``path``, completely or not at all."""
    write_text(render_report(outcome), Path(path), "the report")


def render_report(outcome: Outcome) -> str:
    """Return the page as HTML."""
    return render("report.html.j2", context(outcome))


#: id of a section -> its title, in the order of the page; a section without contents is left out
SECTIONS = {
    "summary": "Summary",
    "protocol": "Results of the protocol",
    "data": "Data",
    "classes": "Classes, worst first",
    "errors": "Errors",
    "calibration": "Calibration",
    "choices": "How the settings were chosen",
    "figures": "What the models learned",
    "gradients": "Gradient check",
    "test_use": "Use of the test set",
    "environment": "Environment",
    "files": "Files",
    "command": "Repeat this run",
    "lecture": "The lecture's figures, from this data",
}


def context(outcome: Outcome) -> dict[str, Any]:
    """Return everything that the template shows."""
    results = outcome.results
    name = results["dataset"] or "data"
    versions = dict(results.get("versions") or {})
    drawn = {
        "choices": choices(outcome),
        "figures": figures(outcome),
        "lecture": lecture(outcome) if outcome.lecture else [],
        "classes": classes(outcome),
        "errors": errors(outcome),
        "calibration": calibrations(outcome),
    }  # before `failures` below: a figure may fail
    shown = {
        "title": f"{name}: {protocol_title(results)}",
        "facts": facts(outcome),
        **(protocol_verdict(results) if "protocol" in results else verdict(results)),
        "notes": notes(outcome),
        "summary_columns": SUMMARY_COLUMNS,
        "summary": summary(results),
        "summary_note": SUMMARY_NOTE,
        "numbers": numbers(results),
        "numbers_columns": tuple(NUMBERS[key] for key in shown_numbers(results)),
        "numbers_note": NUMBERS_NOTE,
        "comparisons": comparisons(results),
        "comparisons_note": comparisons_note(results),
        "protocol": protocol_table(results),
        "data": data_facts(outcome),
        "duplicates": duplicates(outcome),
        "class_table": class_table(outcome),
        **drawn,
        "failures": [f"{one['step']}: {one['error']}" for one in (outcome.failures.found if outcome.failures else ())],
        "gradients": gradients(results),
        "test_use": test_use(results),
        "environment": pairs(results.get("environment") or {}),
        "versions": pairs(versions),
        "version": versions.get("fastcls", ""),
        "files": files_of(outcome),
        "command": command(results),
    }
    return {**shown, "sections": SECTIONS, "contents": [part for part in SECTIONS if shown[part]]}


def accuracy_interval(entry: dict[str, Any]) -> str:
    """Return the 95 % interval of a test accuracy."""
    return f"{interval(*entry['test_accuracy_interval'])}\u00a0%"


def facts(outcome: Outcome) -> str:
    """Return one line about the data."""
    results, shape = outcome.results, outcome.dataset.image_shape
    if results["test_set"] == "own":
        own = "the test set of the data"
    else:
        # not "stratified": a note may say that the validation rows are not
        own = "held out, in proportion to the classes" if results.get("stratified", True) else "held out at random"
        y_test = outcome.dataset.y_test
        if results.get("stratified") and y_test is not None and len(np.unique(y_test)) < results["n_classes"]:
            own += " that have two rows or more"
    parts = [counted(results["n_train"], "training row"), f"{counted(results['n_test'], 'test row')} ({own})"]
    if results["limit"] is not None:
        parts.append(f"at most {counted(results['limit'], 'row')} of each were used (--limit)")
    if shape is None:
        parts.append(counted(results["n_features"], "feature"))
    else:
        colours = {1: "grey", 3: "colour"}.get(shape[2], f"{shape[2]} channels")
        parts.append(f"{shape[0]} × {shape[1]} pixels, {colours}")
    parts.append(counted(results["n_classes"], "class"))
    parts.append(f"seed\u00a0{results['seed']}")
    return " · ".join(parts)


def verdict(results: dict[str, Any]) -> dict[str, str]:
    """Return a sentence about the model with the fewest errors, and a note if the majority class is as good."""
    if not results["models"]:
        return {"verdict": "No model was evaluated.", "verdict_note": ""}
    best = best_model(results)
    entry = results["models"][best]
    names = [f"{MODELS[name]} ({setting(results['models'][name])})" for name in (best, *tied_with_best(results))]
    score = (
        f"test accuracy {percent(entry['test_accuracy'])} (95\u00a0% interval {accuracy_interval(entry)}; "
        f"{counted(entry['test_errors'], 'error')} on {counted(results['n_test'], 'test row')})"
    )
    if len(results["models"]) == 1:
        sentence = f"{names[0]}, {score}."
    elif not best_is_known(results):
        sentence = f"{no_difference(results)} Fewest errors: {listed(names)}, {score}."
    elif near := not_significantly_worse(results):
        others = [MODELS[name] for name in near if name not in tied_with_best(results)]
        near_by = f" {listed(others)} {'are' if len(others) > 1 else 'is'} not significantly worse." if others else ""
        sentence = f"{listed(names)} {'make' if len(names) > 1 else 'makes'} the fewest errors: {score}.{near_by}"
    else:
        sentence = f"Best model: {names[0]}, {score}."
    return {"verdict": sentence, "verdict_note": NO_BETTER if is_no_better(results) else ""}


#: number of `test_numbers` -> its heading in the report
NUMBERS = {
    "top5": "top 5",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
NUMBERS_NOTE = (
    "On the test rows, with 95 % intervals (Wilson's for top 5, else from resampled test rows; the calibration error has "
    "none, because resampling makes it larger). Balanced accuracy, "
    "macro F1 and average precision are means over the classes. Log loss and calibration error need probabilities; for k-NN "
    "these are shares of the votes."
)


def shown_numbers(results: dict[str, Any]) -> list[str]:
    """Return the names of the numbers in the report: with five classes or fewer, all but top 5, which is always 100 %."""
    return [name for name in NUMBERS if name != "top5" or results["n_classes"] > 5]


def numbers(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row for each model: its name, and value and interval of every number."""
    rows = []
    for name, entry in results["models"].items():
        known = entry.get("test_numbers") or {}
        if known:
            rows.append(
                {"name": MODELS[name], "cells": [_number_cell(key, known.get(key)) for key in shown_numbers(results)]}
            )
    return rows


def _number_cell(key: str, found: dict[str, Any] | None) -> tuple[str, str]:
    """Return value and interval; log losses as they are, all others in percent."""
    if found is None or found["value"] is None:
        return "–", ""
    if found["interval"] is None:
        return percent(found["value"]), ""
    low, high = found["interval"]
    if key == "log_loss":
        return f"{found['value']:.3f}", f"{low:.3f} to {high:.3f}"
    return percent(found["value"]), interval(low, high)


def comparisons(results: dict[str, Any]) -> list[list[str]]:
    """Return one row for each comparison of the best model with another: names, rows that only one gets right, p, result."""
    rows = []
    for pair in results.get("comparisons", ()):
        p = pair["p_value"]
        rows.append(
            [
                f"{MODELS[pair['model']]} and {MODELS[pair['other']]}",
                f"{pair['only_model_right']:,}",
                f"{pair['only_other_right']:,}",
                "< 0.0001" if p < 1e-4 else f"{p:.2g}",
                "significant" if is_significant(pair, results) else "not significant",
            ]
        )
    return rows


def comparisons_note(results: dict[str, Any]) -> str:
    """Return how the comparisons were made."""
    n = len(results.get("comparisons", ()))
    threshold = f"{SIGNIFICANCE_LEVEL} / {n} (Bonferroni's correction for {n} comparisons)" if n > 1 else SIGNIFICANCE_LEVEL
    return (
        "Only first, only second: test rows that only one of the two models predicts correctly. p (McNemar's exact test): "
        "the probability of a difference at least this large if both models are equally good. A difference is significant "
        f"if p is below {threshold}. The first model was selected on these same rows, so p is slightly too small."
    )


def notes(outcome: Outcome) -> list[str]:
    """Return the notes of the run, and one if the data cannot be shown as images."""
    own = list(outcome.notes)
    if outcome.dataset.image_shape is None and outcome.models:
        own.append("The data has no image shape, so there are no templates and no pictures of neighbours.")
    return own


def summary(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row per model, and a last one for the majority class."""
    if not results["models"]:
        return []
    best = [best_model(results), *tied_with_best(results)]
    tag = "best on the test set" if len(leading(results)) == 1 else "fewest errors"
    if len(results["models"]) == 1 or not best_is_known(results):
        tag = ""  # with one model, or without a significant difference, none is best
    rows = []
    for name, entry in results["models"].items():
        validation = entry.get("cv_accuracy_mean", entry.get("validation_accuracy"))
        cells = [
            "–" if validation is None else percent(validation),
            *_test_cells(entry, results["n_test"]),
            seconds(entry.get("fit_seconds")),
            seconds(entry.get("predict_seconds")),
        ]
        chosen = tag if name in best else ""
        rows.append({"name": MODELS[name], "setting": setting(entry), "cells": cells, "tag": chosen, "soft": False})
    if not (majority := results.get("baseline")):
        return rows
    cells = ["–", *_test_cells(majority, results["n_test"]), "–", "–"]
    always = f"always {style.shorten(majority['class_name'], 24)}"
    rows.append({"name": "majority class", "setting": always, "cells": cells, "tag": "", "soft": True})
    return rows


def _test_cells(entry: dict[str, Any], n_test: int) -> list[str]:
    return [percent(entry["test_accuracy"]), accuracy_interval(entry), f"{entry['test_errors']:,} of {n_test:,}"]


def gradients(results: dict[str, Any]) -> list[str]:
    """Return one line for each model whose gradient was checked."""
    lines = []
    for name, entry in results["models"].items():
        error = entry.get("gradient_check_max_relative_error", -1)
        if error is None:
            lines.append(f"{MODELS[name]}: unknown. The check failed, and the model was trained without it.")
        elif error >= 0:
            verdict = "agrees" if error <= GRADIENT_TOLERANCE else "differs too much"
            lines.append(
                f"{MODELS[name]}: {verdict}. The largest relative difference in float64, away from kinks, is {error:.1e} "
                f"(at most {GRADIENT_TOLERANCE:.0e} is accepted)."
            )
    return lines


def test_use(results: dict[str, Any]) -> str:
    """Return how often the test set was used."""
    total, models = int(results["test_evaluations"]), len(results["models"])
    if "protocol" in results:
        return protocol_test_use(results)
    times = "once" if total == 1 else f"{total:,} times"
    if total > models:
        return (
            f"The test set was used {times} for {models} models. After the first evaluation of a model, its accuracy is no "
            "longer that on unseen data."
        )
    if models == 1:
        return f"The test set was used {times}, after every choice was made."
    return f"The test set was used {times}: once for each of the {models} models, after every choice was made." + (
        " Selecting the best of them also uses the test set, so its accuracy is slightly optimistic: evaluate it on new "
        "data before you rely on the last digit."
        if best_is_known(results)
        else ""
    )


def command(results: dict[str, Any]) -> str:
    """Return the command that repeats the run, ready to be pasted."""
    typed = results.get("command") or ""
    return typed if isinstance(typed, str) else shlex.join(str(word) for word in typed)
