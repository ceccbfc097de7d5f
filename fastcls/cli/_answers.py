"""What a model says of rows, for ``fastcls predict``: classes, how sure it is, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._validation.messages import counted

from ._csv import as_csv as write_csv
from ._inputs import Rows
from ._progress import Progress
from ._results import as_json as to_json

#: rows predicted between two reports of progress
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Named:
    """Predictions.

    Attributes
    ----------
    columns : ndarray of int64, shape (n, n_top)
        The best classes of each row, the predicted one first.
    top : ndarray of shape (n, n_top)
        How sure the model is of each of them.
    every : ndarray of shape (n, n_classes), or None
        The same for all classes.
    """

    columns: np.ndarray
    top: np.ndarray
    every: np.ndarray | None


@dataclass(frozen=True)
class Answer:
    """What is written of one row or image: the best classes and their values, those of every class, or an error."""

    path: str
    labels: list[str]
    values: list[float]
    every: list[float] | None = None
    error: str | None = None
    true: str | None = None


def measure_of(model: Any) -> str:
    """What the model says it is sure by."""
    return "probability" if hasattr(model, "predict_proba") else "score"


def name_rows(
    model: Any, metadata: dict[str, Any], X: np.ndarray, progress: Progress, n_top: int = 1, every: bool = False
) -> Named:
    """The best classes of every row, with the probability (models that have one) or score (the rest) of each."""
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    kept = []
    with progress.step(f"predicting {counted(len(X), 'row')}") as report:
        for start in range(0, len(X), ROWS_AT_ONCE):
            piece = X[start : start + ROWS_AT_ONCE]
            values = model.predict_proba(piece) if measure_of(model) == "probability" else class_scores(model, piece)
            columns = best_columns(model, piece, values)[:, None]
            if n_top > 1:
                order = np.argsort(-values, axis=1, kind="stable")
                others = order[order != columns].reshape(len(piece), -1)
                columns = np.hstack([columns, others[:, : n_top - 1]])
            parts.append((columns, np.take_along_axis(values, columns, axis=1)))
            if every:
                kept.append(values)
            report(start + len(piece), len(X))
    columns, top = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Named(columns, top, np.concatenate(kept) if every else None)


def best_columns(model: Any, X: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The column of the class that the model predicts for each row: int64 (n,).

    It is the column of the largest value; where two are equal up to rounding, the model's own rule for ties decides.
    So a search is made twice for these rows alone.
    """
    columns = values.argmax(axis=1)
    best = values.max(axis=1, keepdims=True)
    tied = np.flatnonzero((values >= best - 1e-12 * np.abs(best)).sum(axis=1) > 1)
    if len(tied):
        columns[tied] = np.searchsorted(model.classes_, model.predict(X[tied]))
    return columns


def class_scores(model: Any, X: np.ndarray) -> np.ndarray:
    """One score a class, (n, n_classes); for two classes scikit-learn's convention has only the second one's."""
    scores = np.asarray(model.decision_function(X))
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def answers(part: Rows, named: Named | None, classes: list[str]) -> list[Answer]:
    """One answer a name of `part`, in its order."""
    found, row = [], 0
    for place, (name, true) in enumerate(zip(part.names, part.labels, strict=True)):
        if place in part.broken:
            found.append(Answer(name, [], [], error=part.broken[place], true=true))
            continue
        assert named is not None
        labels = [classes[column] for column in named.columns[row]]
        every = None if named.every is None else named.every[row].tolist()
        found.append(Answer(name, labels, named.top[row].tolist(), every, true=true))
        row += 1
    return found


def accuracy_line(found: list[Answer], classes: list[str]) -> str | None:
    """How many of the rows whose class is known are named rightly; None if the class of none is."""
    known = [answer for answer in found if answer.true is not None and answer.error is None]
    strange = sum(answer.true not in classes for answer in known)
    if not known or strange == len(known):
        return None
    right = sum(answer.labels[0] == answer.true for answer in known)
    line = f"accuracy: {100 * right / len(known):.2f} % ({right:,} of {counted(len(known), 'row')} with a label)"
    return line if not strange else f"{line}; {strange:,} are of classes that the model does not know, and count as wrong"


def as_csv(found: list[Answer], measure: str, n_top: int, classes: list[str] | None) -> str:
    """CSV with a heading; an error has a column of its own if there is any."""
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
        cells += answer.every or []
        cells += [""] * (n_filled - len(cells))
        rows.append([*cells, answer.error or ""] if failed else cells)
    return write_csv([*columns, "error"] if failed else columns, rows)


def as_records(found: list[Answer], measure: str, n_top: int, classes: list[str] | None) -> str:
    """A JSON list of objects; of an image that cannot be read the label is null, and ``error`` says why."""
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
