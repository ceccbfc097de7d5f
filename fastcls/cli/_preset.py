"""``fastcls run DATA --preset NAME`` or ``--probe NAME``: a published protocol, its table, results and report.

A protocol evaluates every setting that it reports (each k, each draw) on the test rows, as published;
``test_evaluations`` counts these evaluations.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
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
from ._outcome import Outcome
from ._progress import Progress
from ._protocol_answers import model_of, with_answers
from ._run import (
    announce_data,
    announce_repeats,
    baseline,
    compute_checksums,
    load_data,
    outcome_of,
    shown_neighbors,
    test_part,
)
from ._text import as_options
from ._writing import write_all


def work(options: RunOptions, folder: Path, progress: Progress) -> dict[str, Any]:
    """Load, evaluate, write everything into ``folder``, and return the contents of results.json."""
    with progress.step("loading the data") as report:
        dataset, division = load_data(options, report)
    announce_data(dataset, progress)
    division = replace(division, repeats=announce_repeats(dataset, progress), checksums=compute_checksums(dataset, progress))
    started = time.perf_counter()
    failures = Failures(progress)
    found: Any = None
    assignment: CourseOutcome | None = None
    if options.preset == "course":
        table, assignment = evaluate_course(dataset, options, progress, failures)
        models = assignment.models
    else:
        table, found = evaluate(dataset, options, progress)
        models = {}
    seconds = time.perf_counter() - started
    if options.preset in protocols.KNN_PRESETS and len(table) > 1 and "k" in table.columns and "std" not in table.columns:
        progress.note("the protocol reports every k on the test rows: the accuracy of the best k is not that on unseen data")
    if found is not None:
        with failures.kept("fitting the model to save"), progress.step("fitting the model to save"):
            models, why_none = model_of(dataset, options, found)
            if why_none:
                progress.note(why_none)
    if "note" in table.settings:
        progress.note(table.settings["note"])
    y_test = test_part(dataset)[1]
    results = _results.results_head(dataset, division, options, len(y_test), progress.notes, evaluations=evaluations(table))
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
        **({} if assignment is None else describe_course(assignment)),
    }
    if "majority" in table.settings:
        results["baseline"] = baseline(dataset, y_test)
    plain: dict[str, Any] = _results.as_plain(results)
    outcome = outcome_of(plain, dataset, division, options, progress.notes, failures)
    if assignment is not None:
        outcome = with_course(outcome, assignment)
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


def evaluate(dataset: Dataset, options: RunOptions, progress: Progress) -> tuple[ResultTable, protocols.Evaluated]:
    """Return the table of the protocol, and what it was measured from."""
    call: Any
    call, presets = (
        (protocols.evaluate_neighbors, protocols.KNN_PRESETS)
        if options.probe is None
        else (protocols.evaluate_probe, protocols.PROBE_PRESETS)
    )
    name = str(options.protocol)
    seed = None if options.given_seed is None and presets[name].seed is not None else options.seed  # the published one
    X_test, y_test = test_part(dataset)
    option = "--preset" if options.probe is None else "--probe"
    with progress.step(f"evaluating by the protocol {name}") as report:
        try:
            found = call(dataset.X, dataset.y, X_test, y_test, preset=name, random_state=seed, progress=report)
        except InputError as error:
            raise InputError(as_options(str(error), preset=option)) from None
    with progress.step("measuring the answers"):
        return found.table(), found


def require_rows(dataset: Dataset) -> None:
    """Refuse data with fewer rows than the course's assignment uses."""
    n_test = 0 if dataset.X_test is None else len(dataset.X_test)
    if len(dataset.X) < course.TRAIN + course.VALIDATION or n_test < course.TEST:
        raise InputError(
            f"--preset course needs {course.TRAIN + course.VALIDATION:,} training rows and "
            f"{counted(course.TEST, 'test row')}, but {dataset.name} has {len(dataset.X):,} and {n_test:,}: use CIFAR-10, "
            "or omit --preset"
        )


@dataclass
class CourseOutcome:
    """The parts of the assignment that did not fail."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    models: dict[str, Any] = field(default_factory=dict)
    neighbors: course.NeighborsResult | None = None
    tried: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def evaluate_course(
    dataset: Dataset, options: RunOptions, progress: Progress, failures: Failures
) -> tuple[ResultTable, CourseOutcome]:
    """Return the results of the course's assignment. A part that fails is left out, unless all fail."""
    require_rows(dataset)
    form = course.form_of(options.year)
    X_test, y_test = test_part(dataset)
    found = CourseOutcome()
    train, test = slice(course.KNN_TRAIN), slice(course.KNN_TEST)
    title = f"k-NN: {course.KNN_TRAIN:,} training rows, {course.FOLDS} folds"
    with failures.kept("evaluating k-NN"), progress.step(title):
        found.neighbors = course.score_neighbors(dataset.X[train], dataset.y[train], X_test[test], y_test[test])
        found.rows, found.models["knn"] = list(found.neighbors.rows), found.neighbors.model
    for name in form.rates:
        shown = course.SHOWN[name]
        title = f"{shown}: {len(form.rates[name]) * len(form.regs[name])} settings, {course.ITERATIONS:,} iterations"
        with failures.kept(f"training {shown}"), progress.step(title) as report:
            linear = course.score_linear(name, dataset, options.seed, report, form)
            found.rows.append(linear.row)
            found.models[name], found.tried[name] = linear.model, linear.tried
    if not found.rows:
        raise failures.errors[0]
    return course.table(found.rows, options.seed, form), found


def describe_course(found: CourseOutcome) -> dict[str, Any]:
    """Return every fold of k-NN and every setting of the linear classifiers, for results.json."""
    selection = None if found.neighbors is None else found.neighbors.selection
    folds = None if selection is None else {"ks": list(selection.ks), "accuracy": selection.fold_accuracy["l2"].tolist()}
    return {"cross_validation": folds, "tried": found.tried}


def with_course(outcome: Outcome, found: CourseOutcome) -> Outcome:
    """Return the outcome with what the report draws: every fold, every setting, neighbours, templates and losses."""
    outcome = replace(outcome, models=dict(found.models), sweeps=found.tried)
    if found.neighbors is None:
        return outcome
    outcome = replace(outcome, selection=found.neighbors.selection)
    assert outcome.failures is not None
    with outcome.failures.kept("finding neighbours for the report"):
        neighbors = shown_neighbors(found.neighbors.model, outcome.dataset, found.neighbors.predicted)
        outcome = replace(outcome, neighbors=neighbors)
    return outcome
