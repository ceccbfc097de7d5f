"""Checks of labels: one per row, none missing, known classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .base import check_characters
from .containers import read_labels, shape_of, warn_look_alikes
from .errors import InputError
from .messages import counted, quoted


def n_values(values: Any) -> int:
    """Entries of an array, a sequence, a tensor, or anything with a shape."""
    return math.prod(shape_of(values))


def check_present(y: Any) -> None:
    """Refuse missing labels, in scikit-learn's words."""
    if y is None:
        raise InputError("y is None: this estimator requires y to be passed, but the target y is None; pass labels")


def check_labels(y: Any, n_rows: int, name: str = "y", of: str = "X") -> tuple[np.ndarray, np.ndarray]:
    """Classes and codes of the labels: (classes sorted, codes int64 of shape (n_rows,)).

    `name` and `of` are the arguments with the labels and with the rows.
    """
    check_present(y)
    y = read_labels(y, name)
    check_characters(y, name)
    if len(y) != n_rows:
        raise InputError(
            f"{name} has {counted(len(y), 'label')} for {counted(n_rows, 'row')} of {of}; inconsistent numbers of samples: "
            "pass one label per row"
        )
    if y.dtype.kind == "f":
        bad = ~np.isfinite(y)
        if bad.any():
            raise InputError(
                f"{name} contains NaN or infinity, first at row {int(np.argmax(bad))}; wanted class labels: remove these "
                "rows or give them a label"
            )
    _check_discrete(y, name)
    classes, codes = np.unique(y, return_inverse=True)
    warn_look_alikes(classes.tolist(), name, stacklevel=4)
    return classes, codes.astype(np.int64).reshape(-1)


def first_no_class(y: np.ndarray) -> int | None:
    """Row of the first floating-point number that is no class; None if all are.

    A class is a whole number below 2^53: from there on, float64 rounds whole numbers, and two classes could become one.
    """
    with np.errstate(invalid="ignore"):
        wrong = ~(np.floor(y) == y) | ~(np.abs(y) < 2**53)
    return int(np.argmax(wrong)) if wrong.any() else None


def _check_discrete(y: np.ndarray, name: str) -> None:
    """Refuse numbers that are not whole, and objects; scikit-learn's own checks expect the words in parentheses."""
    if y.dtype.kind == "f":
        if (row := first_no_class(y)) is not None:
            raise InputError(
                f"{name} has {y[row]:g} at row {row}, which is no class label (Unknown label type: continuous): give whole "
                "numbers or text; for a target of continuous values, use a regressor"
            )
    elif y.dtype.kind not in "biuU" and y.size:
        kinds = sorted({type(value).__name__ for value in y.tolist()})
        how = "convert them to whole numbers or text"
        if set(kinds) <= {"list", "tuple", "set", "frozenset", "ndarray"}:
            how = f"for several labels per row, give scikit-learn's MultiLabelBinarizer().fit_transform({name})"
        raise InputError(f"{name} has labels of type {', '.join(kinds)} (Unknown label type: unknown): {how}")


def check_same_kind(labels: np.ndarray, predicted: np.ndarray) -> None:
    """Refuse numbers as labels where predictions are text, or the other way round: none would ever be right."""
    one, other = labels[:1].tolist()[0], predicted[:1].tolist()[0]
    if isinstance(one, str) != isinstance(other, str):
        kinds = ("text", "numbers") if isinstance(one, str) else ("numbers", "text")
        raise InputError(
            f"y holds {kinds[0]}, such as {quoted(one, 40) if kinds[0] == 'text' else one}, and the predictions for X are "
            f"{kinds[1]}, such as {quoted(other, 40) if kinds[1] == 'text' else other}: give labels as predict returns them "
            "for this X (class names for images)"
        )


def check_known_labels(labels: np.ndarray, known: np.ndarray, advice: str) -> None:
    """Refuse labels that are not among the known classes."""
    classes = set(known.tolist())
    for label in labels.tolist():
        if label not in classes:
            raise InputError(f"y has the label {label!r}, which is not among the classes {known[:10].tolist()}: {advice}")


def check_classes(classes: Any, labels: np.ndarray, known: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """All classes of a partial_fit, sorted, and the position among them of every label of its y.

    Parameters
    ----------
    classes : array-like or None
        As the caller gave them; in a first call None means the labels.
    labels : ndarray
        The distinct labels of this call.
    known : ndarray or None
        The classes of earlier calls; None in the first.
    """
    if classes is not None:
        named, _ = check_labels(classes, n_values(classes), "classes")
        if known is not None and named.tolist() != known.tolist():
            raise InputError(
                f"classes={named[:10].tolist()} differ from those of the first call, "
                f"{known[:10].tolist()}: leave `classes` out, or "
                "call fit"
            )
        known = named if known is None else known
    known = labels if known is None else known
    check_known_labels(labels, known, "name all classes in the first call of partial_fit, or call fit with all rows")
    place = {label: number for number, label in enumerate(known.tolist())}
    return known, np.array([place[label] for label in labels.tolist()], dtype=np.int64)
