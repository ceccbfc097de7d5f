"""What each model says of every test row: predictions.csv, and the rows that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastcls._storage.atomic import write_text

from ..datasets import Dataset
from ._csv import as_csv
from ._judge import Verdict
from ._split import Division

#: wrong rows of a model in results.json; predictions.csv has all
MOST_WRONG = 10_000


def first_column(dataset: Dataset) -> str:
    """What a test row is called by: the path of its file below the data's folder, or its number from 0."""
    return "row" if dataset.files_test is None else "path"


def names_of(dataset: Dataset, division: Division) -> list[str] | list[int]:
    """The file of each test row, or its number: in the data, or in the data's own test set."""
    if dataset.files_test is not None:
        return list(dataset.files_test)
    numbers: list[int] = division.test_rows.tolist()
    return numbers


def wrong_rows(dataset: Dataset, division: Division, verdict: Verdict, most: int = MOST_WRONG) -> list[dict[str, Any]]:
    """The first test rows that a model gets wrong: ``path`` or ``row``, ``true`` and ``predicted`` class."""
    assert dataset.y_test is not None
    names, key, classes = names_of(dataset, division), first_column(dataset), dataset.class_names
    return [
        {key: names[at], "true": classes[dataset.y_test[at]], "predicted": classes[verdict.predicted[at]]}
        for at in (~verdict.right).nonzero()[0][:most]
    ]


def write_predictions(dataset: Dataset, division: Division, verdicts: dict[str, Verdict], path: Path) -> None:
    """Write one line a test row: its file or number, its class, and every model's class and how sure it is of that."""
    assert dataset.y_test is not None
    columns = [first_column(dataset), "label"]
    cells: list[list[Any]] = [names_of(dataset, division), [dataset.class_names[code] for code in dataset.y_test]]
    for name, verdict in verdicts.items():
        columns += [name, f"{name}_{verdict.measure}"]
        cells += [[dataset.class_names[code] for code in verdict.predicted], verdict.scores.tolist()]
    write_text(as_csv(columns, zip(*cells, strict=True)), path, "the predictions")
