"""The sections about errors: numbers of each class, confusions, wrong test rows, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls import display
from fastcls._scoring.classes import numbers_of_classes
from fastcls.cli._checks import MODELS
from fastcls.cli._outcome import Outcome
from fastcls.cli._predictions import most_confident_first
from fastcls.cli._table import best_model
from fastcls.cli._words import counted, percent
from fastcls.display import style

from ._data import MOST_CLASSES, class_name, link_to
from ._figures import draw, png

SHOWN_PAIRS, SHOWN_EXAMPLES = 10, 4
SHOWN_WRONG = 24
SHOWN_CLASSES = 20  # the worst, if there are more
LONGEST_FILE = 60


def by_errors(outcome: Outcome) -> list[str]:
    """Return the models with predictions, the best first."""
    results = outcome.results
    if not results["models"]:  # a protocol
        return list(outcome.predictions)
    present = [name for name in results["models"] if name in outcome.predictions]
    return sorted(present, key=lambda name: (name != best_model(results), results["models"][name]["test_errors"]))


def title_of(outcome: Outcome, name: str) -> str:
    """Return how the report calls a model."""
    return outcome.titles.get(name, MODELS.get(name, name))


# classes -----------------------------------------------------------------------------------------------------------------


def classes(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the numbers of the classes by each model, the best model first."""
    return [
        item
        for name in by_errors(outcome)
        for item in outcome.drawn(f"classes of {title_of(outcome, name)}", _classes_of, outcome, name)
    ]


def _classes_of(outcome: Outcome, name: str) -> dict[str, Any]:
    data = outcome.dataset
    n = len(data.class_names)
    numbers = numbers_of_classes(np.asarray(data.y_test), np.asarray(outcome.predictions[name]), n)
    order = worst_first(numbers)
    n_train = np.bincount(data.y, minlength=n)
    rows = []
    for code in order[:MOST_CLASSES]:
        precision, recall, f1 = ("–" if np.isnan(one[code]) else f"{100 * one[code]:.1f}" for one in numbers[:3])
        cells = [f1, precision, recall, f"{int(numbers[3][code]):,}", f"{n_train[code]:,}"]
        rows.append({"name": class_name(data, code), "cells": cells})
    return {
        "name": title_of(outcome, name),
        "rows": rows[:SHOWN_CLASSES],
        "others": rows[SHOWN_CLASSES:],
        "others_title": f"The other {counted(n - SHOWN_CLASSES, 'class')}",
        "more": f"{counted(n - MOST_CLASSES, 'more class')} in results.json." if n > MOST_CLASSES else "",
    }


def worst_first(numbers: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the class codes by rising F1, the larger of equal ones first; those without test rows last."""
    _, _, f1, support = numbers
    return np.lexsort((np.arange(len(f1)), -support, np.where(np.isnan(f1), 2.0, f1), support == 0))


# calibration -------------------------------------------------------------------------------------------------------------


def calibrations(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the calibration curve of each model that gives probabilities."""
    return [
        item
        for name in by_errors(outcome)
        if outcome.measures.get(name) == "probability" and name in outcome.scores
        for item in outcome.drawn(f"calibration of {title_of(outcome, name)}", _calibration_of, outcome, name)
    ]


def _calibration_of(outcome: Outcome, name: str) -> dict[str, Any]:
    hits = np.asarray(outcome.predictions[name]) == np.asarray(outcome.dataset.y_test)
    title = title_of(outcome, name)
    # the softmax of large scores may round to a little above 1
    shown = display.CalibrationDisplay.from_confidence(np.minimum(outcome.scores[name], 1.0), hits, name=title)
    return {
        "name": title,
        "svg": draw(shown.plot, f"accuracy of {title} against its probabilities"),
        "caption": f"Expected calibration error {percent(shown.error)}. Below the dotted line, the probabilities are too "
        "high; above it, too low.",
    }


# confusions and wrong rows -----------------------------------------------------------------------------------------------


def errors(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the errors of each model, the best model first."""
    found = [
        item
        for name in by_errors(outcome)
        for item in outcome.drawn(f"errors of {title_of(outcome, name)}", _errors_of, outcome, name)
    ]
    for item in [one for one in found if one["pairs"]][:1]:
        item["open"] = True
    return found


def _errors_of(outcome: Outcome, name: str) -> dict[str, Any]:
    data = outcome.dataset
    truth, predicted = np.asarray(data.y_test), np.asarray(outcome.predictions[name])
    n_wrong = int(np.count_nonzero(truth != predicted))
    rows = counted(len(truth), "test row")
    title = title_of(outcome, name)
    with_images = data.image_shape is not None
    table = [_pair(outcome, truth, predicted, *pair, with_images=with_images) for pair in worst_pairs(truth, predicted)]
    drawn = outcome.drawn(f"confusions of {title}", _confusion_figure, data, title, truth, predicted) if n_wrong else []
    return {
        "name": title,
        "open": False,
        "count": f"{counted(n_wrong, 'error')} on {rows}" if n_wrong else f"no errors on {rows}",
        "figure": drawn[0] if drawn else None,
        "pairs": table,
        "with_images": with_images,
        **_wrong_rows(outcome, name, truth, predicted),
    }


def _wrong_rows(outcome: Outcome, name: str, truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Return the wrong test rows with the highest probability or score, with pictures and links if there are any."""
    data, scores, measure = outcome.dataset, outcome.scores.get(name), outcome.measures.get(name, "")
    wrong = most_confident_first(np.flatnonzero(truth != predicted), scores)
    shown = wrong[:SHOWN_WRONG]
    sources = [""] * len(shown) if data.image_shape is None else _pictures(data, shown)
    rows = []
    for row, source in zip(shown.tolist(), sources, strict=True):
        label = row if outcome.row_names is None else outcome.row_names[row]
        value = "" if scores is None else percent(scores[row], 1) if measure == "probability" else f"{scores[row]:.4g}"
        rows.append(
            {
                "name": _middle(str(label), LONGEST_FILE) if isinstance(label, str) else f"row {label}",
                "link": link_to(outcome, label) if isinstance(label, str) else "",
                "image": source,
                "true": class_name(data, truth[row]),
                "predicted": class_name(data, predicted[row]),
                "value": value,
            }
        )
    more = len(wrong) - len(shown)
    return {
        "wrong": rows,
        "wrong_title": f"Wrong test rows, highest {measure} first" if scores is not None else "Wrong test rows",
        "measure": measure,
        "is_file": outcome.row_names is not None and any(isinstance(one, str) for one in outcome.row_names[:1]),
        "more": f"{counted(more, 'more error')} in" if more else "The same list is in",
    }


def _middle(name: str, length: int) -> str:
    """Return a path shortened in the middle, because its end tells files apart."""
    return name if len(name) <= length else f"{name[: length // 3]}…{name[-(length - length // 3 - 1) :]}"


def _pictures(data: Any, rows: np.ndarray) -> list[str]:
    images = np.asarray(data.X_test[rows]).reshape(-1, *data.image_shape)
    if not len(images):
        return []
    low, high = style.grey_range(images)
    return [png(image, low, high) for image in images]


def _confusion_figure(data: Any, name: str, truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    title = f"{name}: confusion matrix"
    return {
        "svg": draw(
            lambda: display.plot_confusion(truth, predicted, class_names=data.class_names, title=title),
            f"confusion matrix of {name}",
        ),
        "wide": len(data.class_names) > style.MOST_NUMBERED,
        "caption": "Rows are true classes, columns predicted ones. Everything off the diagonal is an error."
        + (" On a small screen, zoom in to read the names." if len(data.class_names) > 10 else ""),
    }


def worst_pairs(truth: np.ndarray, predicted: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the most frequent (true class, predicted class, count), most frequent first, then by class."""
    wrong = truth != predicted
    found, counts = np.unique(np.column_stack([truth[wrong], predicted[wrong]]), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:SHOWN_PAIRS]
    return [(int(found[i, 0]), int(found[i, 1]), int(counts[i])) for i in order]


def _pair(
    outcome: Outcome, truth: np.ndarray, predicted: np.ndarray, true: int, wrong: int, count: int, *, with_images: bool
) -> dict[str, Any]:
    data = outcome.dataset
    sources: list[str] = []
    if with_images:
        sources = _pictures(data, np.flatnonzero((truth == true) & (predicted == wrong))[:SHOWN_EXAMPLES])
    return {
        "true": class_name(data, true),
        "predicted": class_name(data, wrong),
        "count": f"{count:,}",
        "share": percent(count / np.count_nonzero(truth == true), 1),
        "images": sources,
    }
