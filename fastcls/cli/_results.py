"""``results.json``: the results of a run, for programs. Schema 2.

The keys of every run are ``schema date dataset checksums n_train n_test n_features n_classes class_names class_counts
image_shape test_set stratified limit seed command versions environment test_evaluations repeats unreadable models failures
notes``. ``models`` has one entry per model; its ``per_class`` has, for each class among the test rows, accuracy (which is
recall), interval, precision, F1 and the number of test rows. ``test_evaluations`` is the number of evaluations on the test
set by all models; each model's entry has its own count. ``repeats`` counts test rows that equal a training row.
``checksums`` are those of `fastcls.cli._checksum`; ``class_counts`` has the training and the test rows of each class, in
the order of ``class_names``.

A run without a protocol adds ``not_evaluated`` (trained models without a test accuracy), ``baseline comparisons`` and
``wrong`` (per model, its first wrong predictions). If any model was evaluated, it also adds ``fewest_errors`` (a model),
``not_significantly_worse`` (models) and ``best`` (a model, or null if the comparisons do not show which is best). With
a protocol, ``models`` is empty and ``protocol`` has ``evaluation preset columns rows per_class p_values settings seconds``.

Seconds are wall-clock seconds; accuracies are between 0 and 1.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._scoring.classes import numbers_of_classes
from fastcls._scoring.table import ResultTable
from fastcls._validation.messages import counted

from .._config import config
from ..datasets import Dataset
from ._checks import RunOptions
from ._split import Division
from ._test_set import Evaluation

#: increased when a field is removed or changes its meaning, but not for new fields
SCHEMA = 2

_DRAWING = ("matplotlib", "pillow")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect a result; packages not installed are left out."""
    found: dict[str, str] = {"python": platform.python_version(), **config()["versions"]}
    for name in _DRAWING:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def environment() -> dict[str, Any]:
    """Return what affects the times on this machine (nothing here affects the answers), without the host name."""
    built = config()
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "threads": built["threads"],
        "openmp": built["openmp"],
        "kernels": built["isa"],
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
    }


def _processor() -> str:
    """Return the processor's name; ``platform.processor()`` is empty on many Linux systems."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(("model name", "Model name", "Hardware")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def as_plain(value: Any) -> Any:
    """Return ``value`` in JSON's types; NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return as_plain(value.tolist())
    if isinstance(value, np.generic):
        return as_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def as_json(results: Any) -> str:
    """Return ``results`` as JSON text. ASCII only, so names from data cannot send escape sequences to a terminal."""
    return json.dumps(as_plain(results), indent=2, allow_nan=False) + "\n"


def test_numbers(evaluation: Evaluation) -> dict[str, Any]:
    """Return every number of a model but its accuracy, with its 95 % interval."""
    values = evaluation.numbers.values.items()
    return {
        name: {"value": value, "interval": None if math.isnan(low) else [low, high]}
        for name, (value, low, high) in values
        if name != "top1"
    }


def per_class(dataset: Dataset, evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the numbers of each class among the test rows; the accuracy has Wilson's 95 % interval."""
    assert dataset.y_test is not None
    precision, _, f1, support = numbers_of_classes(dataset.y_test, evaluation.predicted, len(dataset.class_names))
    return [
        {
            "class": dataset.class_names[code],
            "accuracy": value,
            "interval": [low, high],
            "precision": precision[code],
            "f1": f1[code],
            "test_rows": support[code],
        }
        for code, (value, low, high) in sorted(evaluation.numbers.per_class.items())
    ]


def class_counts(dataset: Dataset) -> dict[str, list[int]]:
    """Return the training and the test rows of each class, in the order of the class names."""
    n = len(dataset.class_names)
    parts = {"training": dataset.y, "test": dataset.y_test}
    return {name: np.bincount(y, minlength=n).tolist() for name, y in parts.items() if y is not None}


def results_head(
    dataset: Dataset, division: Division, options: RunOptions, n_test: int, notes: list[str], *, evaluations: int
) -> dict[str, Any]:
    """Return the part of results.json that does not depend on the models."""
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": dataset.name,
        "checksums": division.checksums,
        "n_train": len(dataset.X),
        "n_test": n_test,
        "n_features": dataset.X.shape[1],
        "n_classes": len(dataset.class_names),
        "class_names": list(dataset.class_names),
        "class_counts": class_counts(dataset),
        "image_shape": dataset.image_shape,
        "test_set": "own" if division.split is None else "split",
        "stratified": division.stratified,
        "limit": options.limit,
        "seed": options.seed,
        "command": options.command,
        "versions": versions(),
        "environment": environment(),
        "test_evaluations": evaluations,
        "repeats": division.repeats,
        "unreadable": [{"path": path, "error": why} for path, why in dataset.unreadable],
        "models": {},
        "failures": [],
        "notes": list(notes),
    }


def table_of(results: dict[str, Any]) -> ResultTable:
    """Return the results of a run as a table for CSV: one row for each model, or for each setting of a protocol."""
    common: dict[str, Any] = {name: results[name] for name in ("dataset", "n_train", "n_test", "test_set", "limit", "seed")}
    if protocol := results.get("protocol"):
        rows = protocol["rows"]
        common |= {"evaluation": protocol["evaluation"], "preset": protocol["preset"], **protocol["settings"]}
    else:
        rows = [_csv_row(name, entry) for name, entry in results["models"].items()]
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    title = f"{results['dataset']}: fastcls run"
    return ResultTable(title, columns, tuple(tuple(row.get(name) for name in columns) for row in rows), common)


def _csv_row(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the single values of a model, with the names that the tables of protocols have."""
    row: dict[str, Any] = {"model": name, **{key: entry[key] for key in ("metric", "k", "alpha", "tries") if key in entry}}
    row["validation"] = entry.get("cv_accuracy_mean", entry.get("validation_accuracy"))
    numbers = {"top1": {"value": entry["test_accuracy"], "interval": entry["test_accuracy_interval"]}}
    for key, found in {**numbers, **entry["test_numbers"]}.items():
        row[key] = found["value"]
        if found["interval"] is not None:
            row |= {f"{key}_low": found["interval"][0], f"{key}_high": found["interval"][1]}
    return row | {key: entry[key] for key in ("fit_seconds", "predict_seconds") if key in entry}


def add_to_csv(table: ResultTable, path: Path) -> str:
    """Add the rows to a CSV file; return a line about it."""
    n_added = max(0, len(table.to_csv(path).splitlines()) - 1)
    there = len(table) - n_added
    return f"{path}: {counted(n_added, 'row')} added" + (
        f", {there:,} {'was' if there == 1 else 'were'} there" if there else ""
    )
