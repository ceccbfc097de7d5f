"""What a run writes into its folder: the models with their metadata, the report, results.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._gradient.scaling import feature_means
from fastcls._storage.atomic import write_text
from fastcls._validation.types import largest_magnitude
from fastcls.datasets import existing_path, folder_of_data, path_and_name

from ..datasets import Dataset
from . import _results
from ._checks import MODELS, RunOptions
from ._outcome import Outcome
from ._progress import Progress


def metadata_of(outcome: Outcome, name: str) -> dict[str, Any]:
    """Return the metadata of a saved model, for `fastcls predict`: preprocessing, class names, and the test rows."""
    dataset, results = outcome.dataset, outcome.results
    return {
        "preprocessing": dict(dataset.preprocessing),
        "class_names": list(dataset.class_names),
        "image_shape": None if dataset.image_shape is None else list(dataset.image_shape),
        "dataset": dataset.name,
        "model": name,
        "test_accuracy": results["models"].get(name, {}).get("test_accuracy"),
        "command": results["command"],
        "split": outcome.split,
        "largest_value": largest_magnitude(dataset.X),
        **means_of(dataset),
        **({} if outcome.test_rows_of is None else {"test_rows_of": outcome.test_rows_of}),
        **({} if outcome.trained_on is None else {"trained_on": outcome.trained_on}),
    }


def means_of(dataset: Dataset) -> dict[str, float]:
    """Return the mean of the training values and, of images, the means of the darkest and of the brightest."""
    if not dataset.preprocessing:
        return {"mean_value": float(feature_means(dataset.X, np.zeros(0), 1).mean())}
    means = dataset.X.mean(axis=1, dtype=np.float64)
    return {"mean_value": float(means.mean()), "lowest_mean": float(means.min()), "highest_mean": float(means.max())}


def source_of(dataset: Dataset, options: RunOptions) -> Path | None:
    """Return the folder that the names of test files are relative to; None if the rows are not files."""
    if dataset.files_test is None:
        return None
    return folder_of_data(existing_path(path_and_name(options.data)[0], wanted="a path to data"))


def write_all(outcome: Outcome, models: dict[str, Any], folder: Path, progress: Progress) -> None:
    """Write the models, the report and results.json into ``folder``; if one fails, the others are still written."""
    from .report._page import write_report

    failures = outcome.failures
    assert failures is not None
    if models:
        (folder / "models").mkdir()
    for name, model in models.items():
        with failures.kept(f"saving {MODELS[name]}", name):
            if outcome.dataset.feature_names is not None:  # the models were fitted on arrays
                model.feature_names_in_ = np.array(outcome.dataset.feature_names, dtype=object)
            model.save(folder / "models" / f"{name}.safetensors", metadata=metadata_of(outcome, name))
    with failures.kept("writing the report"), progress.step("drawing the report"):
        write_report(replace(outcome, folder=folder), folder / "report.html")
    outcome.results["failures"] = list(failures.found)
    with failures.kept("writing results.json"):
        write_text(_results.as_json(outcome.results), folder / "results.json", "the results")
    if not any(path.is_file() for path in folder.rglob("*")):
        raise failures.errors[-1]
    outcome.results["failures"] = list(failures.found)
