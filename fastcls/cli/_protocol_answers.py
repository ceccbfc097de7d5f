"""What the models of a published protocol answered: predictions.csv, errors.csv, the report's errors, the saved model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._scoring.numbers import Answers
from fastcls.neighbors import KNeighborsClassifier

from ..datasets import Dataset
from ..protocols import KNN_PRESETS, Evaluated
from ._checks import RunOptions
from ._outcome import Outcome
from ._predictions import write_errors, write_predictions
from ._split import Division


@dataclass(frozen=True, eq=False)
class Answered:
    """The predictions of one setting: as `fastcls.cli._test_set.Evaluation`, without its numbers."""

    predicted: np.ndarray
    hits: np.ndarray
    scores: np.ndarray
    measure: str = "probability"


def answered(found: Evaluated) -> dict[str, Answered]:
    """Return the answers of each setting of a single try, by its name, such as ``k = 10``; means over tries have none."""
    tested = {}
    for setting, tries in found.lines:
        if tries is not None and len(tries) == 1:
            tested[name_of(setting)] = _answered(tries[0], found)
    return tested


def _answered(one: Answers, found: Evaluated) -> Answered:
    assert one.confidence is not None
    return Answered(found.classes[one.predicted], one.predicted == found.truth, one.confidence)


def name_of(setting: dict[str, Any]) -> str:
    """Return a setting in words: its first entry."""
    key, value = next(iter(setting.items()))
    return f"{key.replace('_', ' ')} = {value:.4g}" if isinstance(value, (int, float)) else f"{key} {value}"


def best_of(found: Evaluated) -> dict[str, Any] | None:
    """Return the most accurate setting on the test rows, the first of equal ones; None if the protocol draws rows."""
    if "n_draws" in found.settings:
        return None
    hits = [-1 if tries is None else int((tries[0].predicted == found.truth).sum()) for _, tries in found.lines]
    return found.lines[int(np.argmax(hits))][0]


def model_of(dataset: Dataset, options: RunOptions, found: Evaluated) -> tuple[dict[str, Any], str]:
    """Return the model to save, by its key in `MODELS`, and a note if there is none.

    Of k-NN it is that of the most accurate k, of a probe that of the chosen setting.
    """
    if found.model is not None:
        return {"softmax": found.model}, ""
    if (best := best_of(found)) is None:
        return {}, "no model is saved: the protocol trains one on each of its draws of a few rows"
    if options.probe is not None or KNN_PRESETS[str(options.preset)].centered:
        return {}, "no model is saved: the protocol scales each row to length 1, which no saved model does"
    chosen = KNN_PRESETS[str(options.preset)]
    model = KNeighborsClassifier(n_neighbors=best["k"], metric=chosen.metrics[0], weights=chosen.weights)
    if chosen.temperature is not None:
        model.set_params(temperature=chosen.temperature)
    return {"knn": model.fit(dataset.X, dataset.y)}, ""


def with_answers(outcome: Outcome, division: Division, found: Evaluated, folder: Path) -> Outcome:
    """Write predictions.csv and errors.csv, and return the outcome with the predictions of the most accurate setting."""
    assert outcome.failures is not None
    tested, best = answered(found), best_of(found)
    if tested:
        with outcome.failures.kept("writing predictions.csv"):
            write_predictions(outcome.dataset, division, tested, folder / "predictions.csv")
    if best is None:
        return outcome
    name = name_of(best)
    with outcome.failures.kept("writing errors.csv"):
        write_errors(outcome.dataset, division, {name: tested[name]}, folder / "errors.csv")
    key = "knn" if "k" in best else "softmax"
    return replace(
        outcome,
        predictions={key: tested[name].predicted},
        scores={key: tested[name].scores},
        measures={key: tested[name].measure},
        titles={key: f"{'k-NN' if key == 'knn' else 'linear probe'}, {name}"},
    )
