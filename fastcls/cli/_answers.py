"""Predictions of ``fastcls predict``: classes with their probabilities or scores, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._storage.csv import as_csv as write_csv
from fastcls._validation.messages import counted, quoted_list

from ._inputs import Rows
from ._progress import Progress
from ._results import as_json as to_json
from ._test_set import class_scores

#: rows predicted between two reports of progress
CHUNK_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions for rows.

    Attributes
    ----------
    columns : ndarray of int64, shape (n, n_top)
        The best classes of each row, the predicted one first.
    top : ndarray of shape (n, n_top)
        Their probabilities or scores.
    every : ndarray of shape (n, n_classes), or None
        Probabilities or scores of all classes.
    """

    columns: np.ndarray
    top: np.ndarray
    every: np.ndarray | None


@dataclass(frozen=True)
class Answer:
    """The output for one row or image: its best classes and their values, the values of all classes, or an error."""

    path: str
    labels: list[str]
    values: list[float]
    every: list[float] | None = None
    error: str | None = None
    true: str | None = None


def predict_rows(model: Any, X: np.ndarray, progress: Progress, n_top: int = 1, every: bool = False) -> Predicted:
    """Predict the best classes of every row, each with its probability, or its score if the model has none."""
    chunks: list[tuple[np.ndarray, np.ndarray]] = []
    kept = []
    with progress.step(f"predicting {counted(len(X), 'row')}") as report:
        for start in range(0, len(X), CHUNK_ROWS):
            chunk = X[start : start + CHUNK_ROWS]
            values = class_scores(model, chunk)
            columns = best_columns(model, chunk, values)[:, None]
            if n_top > 1:
                order = np.argsort(-values, axis=1, kind="stable")
                others = order[order != columns].reshape(len(chunk), -1)
                columns = np.hstack([columns, others[:, : n_top - 1]])
            chunks.append((columns, np.take_along_axis(values, columns, axis=1)))
            if every:
                kept.append(values)
            report(start + len(chunk), len(X))
    columns, top = (np.concatenate(arrays) for arrays in zip(*chunks, strict=True))
    return Predicted(columns, top, np.concatenate(kept) if every else None)


def best_columns(model: Any, X: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the column of the class that the model predicts for each row: int64 (n,).

    It is the column of the largest value. Where two are equal up to rounding, the model's own rule for ties decides, so
    these rows are searched a second time.
    """
    columns = values.argmax(axis=1)
    best = values.max(axis=1, keepdims=True)
    tied = np.flatnonzero((values >= best - 1e-12 * np.abs(best)).sum(axis=1) > 1)
    if len(tied):
        columns[tied] = np.searchsorted(model.classes_, model.predict(X[tied]))
    return columns


def answers(part: Rows, predicted: Predicted | None, classes: list[str], measure: str) -> list[Answer]:
    """Return one answer for each name of `part`, in its order. Classes of probability 0 have no order, and are left out."""
    found, row = [], 0
    for place, (name, true) in enumerate(zip(part.names, part.labels, strict=True)):
        if place in part.broken:
            found.append(Answer(name, [], [], error=part.broken[place], true=true))
            continue
        assert predicted is not None
        values = predicted.top[row].tolist()
        if measure == "probability":
            values = values[: max(1, np.count_nonzero(values))]
        labels = [classes[column] for column in predicted.columns[row, : len(values)]]
        every = None if predicted.every is None else predicted.every[row].tolist()
        found.append(Answer(name, labels, values, every, true=true))
        row += 1
    return found


def accuracy_line(found: list[Answer], classes: list[str]) -> str | None:
    """Return the accuracy on the rows with a label, or why there is none; None if no row has one."""
    known = [answer for answer in found if answer.true is not None and answer.error is None]
    n_foreign = sum(answer.true not in classes for answer in known)
    if not known:
        return None
    if n_foreign == len(known):
        own = quoted_list(list(dict.fromkeys(str(answer.true) for answer in known))[:3])
        return f"note: no accuracy: the labels ({own}) share no class with the model ({quoted_list(classes[:3])})"
    n_hits = sum(answer.labels[0] == answer.true for answer in known)
    line = f"accuracy: {100 * n_hits / len(known):.2f} % ({n_hits:,} of {counted(len(known), 'labelled row')})"
    if n_foreign:
        belong = "belongs" if n_foreign == 1 else "belong"
        line += f"; {n_foreign:,} {belong} to classes that the model does not know, and count as errors"
    return line


def as_csv(found: list[Answer], measure: str, n_top: int, classes: list[str] | None) -> str:
    """Return CSV with a header; there is a column of errors if there are any."""
    columns = ["path", "label", measure]
    for place in range(2, n_top + 1):
        columns += [f"label_{place}", f"{measure}_{place}"]
    columns += [] if classes is None else [f"{measure} of {name}" for name in classes]
    n_filled = len(columns)
    failed = any(answer.error is not None for answer in found)
    rows: list[list[Any]] = []
    for answer in found:
        cells: list[Any] = [answer.path]
        for label, value in zip(answer.labels, answer.values, strict=True):
            cells += [label, value]
        cells += [""] * (1 + 2 * n_top - len(cells))
        cells += answer.every or []
        cells += [""] * (n_filled - len(cells))
        rows.append([*cells, answer.error or ""] if failed else cells)
    return write_csv([*columns, "error"] if failed else columns, rows)


def as_records(found: list[Answer], measure: str, n_top: int, classes: list[str] | None) -> str:
    """Return a JSON list of objects; an image that cannot be read has label null and an ``error``."""
    records = []
    for answer in found:
        record: dict[str, Any] = {"path": answer.path, "label": None, measure: None}
        if answer.error is not None:
            record["error"] = answer.error
        else:
            record |= {"label": answer.labels[0], measure: answer.values[0]}
            if n_top > 1:
                record["top"] = [
                    {"label": label, measure: value} for label, value in zip(answer.labels, answer.values, strict=True)
                ]
            if classes is not None:
                plural = "probabilities" if measure == "probability" else "scores"
                record[plural] = dict(zip(classes, answer.every or [], strict=True))
        records.append(record)
    return to_json(records)
