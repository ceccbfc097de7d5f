"""``fastcls run DATA --preset NAME`` or ``--probe NAME``: a published protocol, its table, results and report.

A protocol evaluates every setting that it reports (each k, each draw) on the test rows, as published;
``test_evaluations`` counts these evaluations.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted

from .. import protocols
from ..course import evaluation as course
from ..datasets import Dataset
from ..protocols import ResultTable
from . import _results
from ._checks import RunOptions
from ._failures import Failures
from ._progress import Progress
from ._protocol_answers import model_of, with_answers
from ._run import announce_data, announce_repeats, compute_checksums, load_data, outcome_of, test_part
from ._writing import write_all


def work(options: RunOptions, folder: Path, progress: Progress) -> dict[str, Any]:
    """Load, evaluate, write everything into ``folder``, and return the contents of results.json."""
    with progress.step("loading the data") as report:
        dataset, division = load_data(options, report)
    announce_data(dataset, progress)
    division = replace(division, repeats=announce_repeats(dataset, progress), checksums=compute_checksums(dataset, progress))
    started = time.perf_counter()
    failures = Failures(progress)
    table, found, models = evaluate(dataset, options, progress, failures)
    seconds = time.perf_counter() - started
    if options.preset in protocols.KNN_PRESETS and len(table) > 1 and "k" in table.columns and "std" not in table.columns:
        progress.note("the protocol reports every k on the test rows: the accuracy of the best k is not that on unseen data")
    if found is not None:
        with failures.kept("fitting the model to save"), progress.step("fitting the model to save"):
            models, why_none = model_of(dataset, options, found)
            if why_none:
                progress.note(why_none)
    n_test = len(test_part(dataset)[1])
    results = _results.results_head(dataset, division, options, n_test, progress.notes, evaluations=evaluations(table))
    results["protocol"] = {
        "evaluation": "linear probe" if options.probe else "k-NN and linear" if options.preset == "course" else "k-NN",
        "preset": options.protocol,
        "columns": list(table.columns),
        "rows": list(table),
        "per_class": [_per_class(dataset, one) for one in table.per_class],
        "p_values": table.p_values() if table.hits else [],
        "settings": table.settings,
        "seconds": seconds,
        "models": list(models),
    }
    plain: dict[str, Any] = _results.as_plain(results)
    outcome = outcome_of(plain, dataset, division, options, progress.notes, failures)
    if found is not None:
        outcome = with_answers(outcome, division, found, folder)
    write_all(outcome, models, folder, progress)
    return plain


def _per_class(dataset: Dataset, found: dict[Any, tuple[float, float, float]]) -> list[dict[str, Any]]:
    """Return the accuracy of each class, with its interval."""
    return [
        {"class": dataset.class_names[code], "accuracy": value, "interval": [low, high]}
        for code, (value, low, high) in found.items()
    ]


def evaluations(table: ResultTable) -> int:
    """Return the number of evaluations on the test rows: one per row of the table, or one per draw and metric for means."""
    if "n_draws" in table.settings:
        return len(table.settings.get("metrics", [""])) * int(table.settings["n_draws"])
    return sum(row.get("top1") is not None for row in table)


def evaluate(
    dataset: Dataset, options: RunOptions, progress: Progress, failures: Failures
) -> tuple[ResultTable, protocols.Evaluated | None, dict[str, Any]]:
    """Return the table of the protocol, what it was measured from (if that is known), and the models of the course."""
    if options.preset == "course":
        table, models = evaluate_course(dataset, options.seed, progress, failures)
        return table, None, models
    call: Any
    call, presets = (
        (protocols.evaluate_neighbors, protocols.KNN_PRESETS)
        if options.probe is None
        else (protocols.evaluate_probe, protocols.PROBE_PRESETS)
    )
    name = str(options.protocol)
    seed = None if options.given_seed is None and presets[name].seed is not None else options.seed  # the published one
    X_test, y_test = test_part(dataset)
    with progress.step(f"evaluating by the protocol {name}") as report:
        found = call(dataset.X, dataset.y, X_test, y_test, preset=name, random_state=seed, progress=report)
    with progress.step("measuring the answers"):
        return found.table(), found, {}


def require_rows(dataset: Dataset) -> None:
    """Refuse data with fewer rows than the course's assignment uses."""
    n_test = 0 if dataset.X_test is None else len(dataset.X_test)
    if len(dataset.X) < course.TRAIN + course.VALIDATION or n_test < course.TEST:
        raise InputError(
            f"--preset course needs {course.TRAIN + course.VALIDATION:,} training rows and "
            f"{counted(course.TEST, 'test row')}, but {dataset.name} has {len(dataset.X):,} and {n_test:,}: use CIFAR-10, "
            "or omit --preset"
        )


def evaluate_course(
    dataset: Dataset, seed: int, progress: Progress, failures: Failures
) -> tuple[ResultTable, dict[str, Any]]:
    """Return the results of the course's assignment, and its models. A part that fails is left out, unless all fail."""
    require_rows(dataset)
    X_test, y_test = test_part(dataset)
    rows: list[tuple[Any, ...]] = []
    models: dict[str, Any] = {}
    train, test = slice(course.KNN_TRAIN), slice(course.KNN_TEST)
    title = f"k-NN: {course.KNN_TRAIN:,} training rows, {course.FOLDS} folds"
    with failures.kept("evaluating k-NN"), progress.step(title):
        rows, models["knn"] = course.score_neighbors(dataset.X[train], dataset.y[train], X_test[test], y_test[test])
    for name, shown in course.SHOWN.items():
        title = f"{shown}: {len(course.RATES[name]) * len(course.REGS)} settings, {course.ITERATIONS:,} iterations"
        with failures.kept(f"training {shown}"), progress.step(title) as report:
            row, models[name] = course.score_linear(name, dataset, seed, report)
            rows.append(row)
    if not rows:
        raise failures.errors[0]
    return course.table(rows, seed), models
