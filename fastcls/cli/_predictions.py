"""The predictions of each model for every test row: predictions.csv, and the wrong ones in errors.csv and results.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fastcls._storage.atomic import write_text
from fastcls._storage.csv import as_csv

from ..datasets import Dataset
from ._split import Division

#: wrong predictions of a model in results.json; predictions.csv has all
MOST_WRONG = 10_000


class Predictions(Protocol):
    """The predictions of one model: of these, `Evaluation` has more."""

    @property
    def predicted(self) -> np.ndarray: ...
    @property
    def hits(self) -> np.ndarray: ...
    @property
    def scores(self) -> np.ndarray: ...
    @property
    def measure(self) -> str: ...


def first_column(dataset: Dataset) -> str:
    """Return the column that identifies a test row: the path of its file in the data folder, or its number from 0."""
    return "row" if dataset.files_test is None else "path"


def names_of(dataset: Dataset, division: Division) -> list[str] | list[int]:
    """Return the file of each test row, or its number in the data (or in its own test set)."""
    if dataset.files_test is not None:
        return list(dataset.files_test)
    numbers: list[int] = division.test_rows.tolist()
    return numbers


def wrong_rows(dataset: Dataset, division: Division, evaluation: Predictions) -> list[dict[str, Any]]:
    """Return the first wrong predictions of a model: ``path`` or ``row``, ``true`` and ``predicted`` class."""
    assert dataset.y_test is not None
    names, key, classes = names_of(dataset, division), first_column(dataset), dataset.class_names
    return [
        {key: names[row], "true": classes[dataset.y_test[row]], "predicted": classes[evaluation.predicted[row]]}
        for row in (~evaluation.hits).nonzero()[0][:MOST_WRONG]
    ]


def write_predictions(dataset: Dataset, division: Division, evaluations: Mapping[str, Predictions], path: Path) -> None:
    """Write one line a test row: its file or number, its class, and each model's class with its probability or score."""
    assert dataset.y_test is not None
    columns = [first_column(dataset), "label"]
    cells: list[list[Any]] = [names_of(dataset, division), [dataset.class_names[code] for code in dataset.y_test]]
    for name, evaluation in evaluations.items():
        columns += [name, f"{name}_{evaluation.measure}"]
        cells += [[dataset.class_names[code] for code in evaluation.predicted], evaluation.scores.tolist()]
    write_text(as_csv(columns, zip(*cells, strict=True)), path, "the predictions")


def most_confident_first(rows: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
    """Return these test rows by falling probability or score of their prediction; equal ones stay in order."""
    return rows if scores is None else rows[np.argsort(-scores[rows], kind="stable")]


def write_errors(dataset: Dataset, division: Division, evaluations: Mapping[str, Predictions], path: Path) -> None:
    """Write one line a wrong prediction, model by model, those with the highest probability or score first."""
    assert dataset.y_test is not None
    names, classes, lines = names_of(dataset, division), dataset.class_names, []
    for name, evaluation in evaluations.items():
        for row in most_confident_first((~evaluation.hits).nonzero()[0], evaluation.scores):
            value = float(evaluation.scores[row])
            values = [value, ""] if evaluation.measure == "probability" else ["", value]
            lines.append([name, names[row], classes[dataset.y_test[row]], classes[evaluation.predicted[row]], *values])
    columns = ["model", first_column(dataset), "label", "predicted", "probability", "score"]
    write_text(as_csv(columns, lines), path, "the errors")
