"""Labels with weights: which rows count, their classes, and class weights.

A row of weight 0 is left out everywhere: its label is not a class, and no mean or count includes it. Its code is 0, a valid
index for any code that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import as_floats, one_of
from .errors import InputError
from .labels import check_classes, check_labels

_NONE = np.zeros(0)
_LEAST_WEIGHT = 1e-290  # below it, the number of rows (up to 1e18) over the sum of their weights may be infinite


@dataclass(frozen=True, eq=False)
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


def check_sample_weight(weights: Any, n_rows: int, *, may_be_zero: bool = False) -> np.ndarray:
    """One finite weight of at least 0 per row, as float64; of length 0 for None. All may be 0 only if `may_be_zero`."""
    if weights is None:
        return np.zeros(0)
    values = as_floats("sample_weight", weights)
    if values.ndim == 0:
        values = np.full(n_rows, float(values))
    if values.shape != (n_rows,):
        raise InputError(f"sample_weight.shape == {values.shape}, expected {(n_rows,)}! Give one weight per row")
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise InputError(
            f"sample_weight has {values[bad][0]:g} at row {int(bad.argmax())}; wanted finite weights of at least 0"
        )
    if n_rows and not values.any():
        if may_be_zero:
            return values
        raise InputError("sample_weight is zero for every row: give some rows a weight above 0")
    with np.errstate(over="ignore", under="ignore"):
        total = float(values.sum())
    if n_rows and not _LEAST_WEIGHT <= total < np.inf:  # weights are divided by their mean
        raise InputError(
            f"sample_weight adds up to {total:g}, which float64 cannot divide by: give weights around 1 (only their ratios "
            "matter)"
        )
    return values


def check_class_weight(
    class_weight: Any,
    classes: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray = _NONE,
    *,
    named: Iterable[Any] = (),
) -> np.ndarray | None:
    """A weight for every class, from a dict or for "balanced"; None for None.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_rows,), or of length 0 for 1 each
    named : iterable of labels
        Labels that a dict may name in addition to `classes`. Labels of weight 0 are always allowed: their rows do not count.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str):
        one_of("class_weight", class_weight, ("balanced",))
        return balanced(np.bincount(codes, sample_weight if len(sample_weight) else None, minlength=len(classes)))
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class_weight={class_weight!r}; wanted None, 'balanced' or a dict from label to weight")
    labels = classes.tolist()
    values = as_floats("class_weight", [class_weight.get(label, 1.0) for label in [*labels, *class_weight]])
    for label, weight in zip(class_weight, values[len(labels) :], strict=True):
        if values.ndim != 1 or not 0 <= weight < np.inf:
            raise InputError(
                f"class_weight of the label {label!r} is {class_weight[label]!r}; wanted a finite weight of at least 0"
            )
    known = {*labels, *named}
    unknown = [
        label for label, weight in zip(class_weight, values[len(labels) :], strict=True) if weight and label not in known
    ]
    if unknown:
        raise InputError(
            f"class_weight names the label {unknown[0]!r}, which is not in y: its labels are among {labels[:10]}"
        )
    return values[: len(labels)]


def balanced(counts: np.ndarray) -> np.ndarray:
    """n / (n_classes * count) for every class, from its rows or their weights, as in scikit-learn.

    Only classes with rows count; the others get the weight 1, which no row uses.
    """
    present = counts > 0
    return np.divide(counts.sum(), present.sum() * counts, out=np.ones(counts.shape), where=present)


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
