"""Labels with weights: which rows count, their classes, and class weights.

A row of weight 0 is left out everywhere: its label is not a class, and no mean or count includes it. Its code is 0, a valid
index for any code that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .labels import check_classes, check_labels
from .linear import check_class_weight, check_sample_weight


@dataclass(frozen=True)
class LabelledRows:
    """Labels and weights of some rows.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Labels of the rows that count, sorted.
    y : ndarray of shape (n_rows,)
        The label of every row, including those that do not count.
    codes : ndarray of shape (n_rows,), int64
        Class codes; 0 for a row that does not count.
    given : ndarray of shape (n_rows,), float64, or of length 0
        Sample weights; of length 0 for 1 each. 0 for rows of a class of weight 0.
    weights : ndarray of shape (n_rows,), float64, or of length 0
        Sample weights times class weights.
    """

    classes: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    given: np.ndarray
    weights: np.ndarray

    @property
    def counted(self) -> np.ndarray | None:
        """Whether each row has a sample weight above 0; None where all have."""
        return counted_rows(self.given)


def counted_rows(weights: np.ndarray) -> np.ndarray | None:
    """Whether each row has a weight above 0; None where all have."""
    return None if not len(weights) or weights.all() else weights > 0


def or_ones(weights: np.ndarray, n_rows: int) -> np.ndarray:
    """Weights of all rows; an array of length 0 means 1 each."""
    return weights if len(weights) else np.ones(n_rows)


def with_class_weight(
    given: np.ndarray, class_weight: Any, classes: np.ndarray, codes: np.ndarray, *, named: Any = ()
) -> np.ndarray:
    """Sample weights (of length 0: 1 each) times class weights; `given` itself if class weights are all 1.

    `named`: labels that a dict may name in addition to `classes`.
    """
    of_classes = check_class_weight(class_weight, classes, codes, given, named=named)
    if of_classes is None:
        return given
    return check_sample_weight(or_ones(given, len(codes)) * of_classes[codes], len(codes))


def check_labelled_rows(y: Any, n_rows: int, sample_weight: Any, class_weight: Any) -> LabelledRows:
    """Labels and weights of a fit; a class of weight 0 is left out with its rows."""
    classes, codes = check_labels(y, n_rows)
    given = check_sample_weight(sample_weight, n_rows)
    weights, labels = with_class_weight(given, class_weight, classes, codes), classes[codes]
    counted = counted_rows(weights)
    if counted is None:
        return LabelledRows(classes, labels, codes, given, weights)
    present = np.zeros(len(classes), dtype=bool)
    present[codes[counted]] = True
    codes = np.where(counted, (np.cumsum(present) - 1)[codes], 0)
    return LabelledRows(classes[present], labels, codes, np.where(counted, or_ones(given, n_rows), 0.0), weights)


def check_more_labelled_rows(
    y: Any, n_rows: int, sample_weight: Any, class_weight: Any, classes: Any, known: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(classes, codes, sample weights) of a partial_fit: all weights may be 0.

    Parameters
    ----------
    classes : array-like or None
        As the caller gave them. In a first call None means the labels of the rows that count, or of all rows if none counts.
    known : ndarray or None
        The classes of earlier calls; None in the first.
    """
    labels, codes = check_labels(y, n_rows)
    given = check_sample_weight(sample_weight, n_rows, may_be_zero=True)
    if isinstance(class_weight, Mapping):
        of_classes = check_class_weight(class_weight, labels, codes, named=class_weight)
        assert of_classes is not None
        if not of_classes[codes].all():
            given = np.where(of_classes[codes] == 0, 0.0, or_ones(given, n_rows))
    counted = counted_rows(given)
    present = np.ones(len(labels), dtype=bool) if counted is None else np.bincount(codes[counted], minlength=len(labels)) > 0
    if known is None and classes is None and not present.any():
        present[:] = True
    is_first = known is None
    known, codes_of_labels = check_classes(classes, labels[present], known)
    if is_first:  # later calls may lack some classes of the first
        check_class_weight(class_weight, known, np.zeros(0, dtype=np.int64), named=labels.tolist())
    of_label = np.zeros(len(labels), dtype=np.int64)
    of_label[present] = codes_of_labels
    return known, of_label[codes], given
