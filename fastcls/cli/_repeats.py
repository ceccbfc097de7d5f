"""Test rows that equal a training row, and rows to predict that equal one."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._scoring.repeats import count_repeats, note_on_repeats, row_bytes
from fastcls._validation.types import as_numbers
from fastcls.neighbors import KNeighborsClassifier, training_rows

from ..datasets import Dataset

__all__ = ["count_equal", "count_repeats", "repeats_note"]


def count_equal(model: Any, X: np.ndarray) -> int:
    """Count the rows that equal a training row of a k-NN model; 0 for a model that keeps no rows.

    One pass over the training rows and no search: under the cosine metric, multiples of a row are at distance 0 as well.
    """
    model = getattr(model, "best_estimator_", model)
    if not isinstance(model, KNeighborsClassifier):
        return 0
    equal = np.zeros(len(X), dtype=bool)
    for rows in training_rows(model):
        X = as_numbers(X)
        same_type = X.astype(as_numbers(rows[:1]).dtype, copy=False)
        places: dict[bytes, list[int]] = {}
        for place, row in enumerate(row_bytes(same_type)):
            places.setdefault(row, []).append(place)
        for row in row_bytes(rows):
            equal[places.get(row, [])] = True
        equal &= (same_type == X).all(axis=1)  # a value that the type cannot hold equals none
    return int(equal.sum())


def repeats_note(dataset: Dataset, repeats: dict[str, int]) -> str | None:
    """Return a sentence about the effect on the accuracies; None if no test row equals a training row."""
    return note_on_repeats(repeats, 0 if dataset.y_test is None else len(dataset.y_test))
