"""Checks that losses, linear problems, optimisers and the packages above them share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .base import as_floats, check_number, refuse_masked
from .errors import InputError
from .messages import counted, quoted


def check_scores(scores: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64 (n_samples, n_classes), and codes of their columns."""
    scores = as_floats("scores", scores)
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise InputError(f"scores has shape {scores.shape}; wanted one row of scores per sample, (n_samples, n_classes)")
    return scores, check_codes(y, len(scores), scores.shape[1])[0]


def check_codes(y: Any, n_samples: int, n_classes: int | None) -> tuple[np.ndarray, int]:
    """Class codes as int64 (n_samples,), and the number of classes: by default the largest code + 1."""
    refuse_masked(y, "y")
    y = np.asarray(y)
    if y.shape != (n_samples,) or not (np.issubdtype(y.dtype, np.integer) or y.dtype == bool):
        raise InputError(
            f"y has shape {y.shape} and type {y.dtype}; wanted one integer class code for each of the "
            f"{counted(n_samples, 'row')}"
        )
    if len(y) and y.min() < 0:
        raise InputError(f"y has the code {y.min()}; wanted class codes 0, 1, 2, ...")
    if n_classes is None:
        n_classes = int(y.max()) + 1 if len(y) else 1
    n_classes = int(check_number("n_classes", n_classes, minimum=1, whole=True))
    if len(y) and y.max() >= n_classes:
        raise InputError(
            f"y has codes {y.min()} to {y.max()}; wanted 0 to {n_classes - 1} for {counted(n_classes, 'class')}"
        )
    return np.ascontiguousarray(y, dtype=np.int64), n_classes


LARGEST_ALPHA = 1e20  # the rounding error of weights, about 1e-12 of each, still costs less than the loss


def check_alpha(alpha: Any) -> float:
    """`alpha`, if it is small enough for the loss to matter."""
    if check_number("alpha", alpha, minimum=0) > LARGEST_ALPHA:
        raise InputError(
            f"alpha={alpha!r}: so strong a penalty leaves only rounding errors of the weights; wanted at most "
            f"{LARGEST_ALPHA:g}, usually below 1"
        )
    return float(alpha)


def check_l1_ratio(ratio: Any) -> float:
    """A number from 0 to 1."""
    if check_number("l1_ratio", ratio, minimum=0) > 1:
        raise InputError(f"l1_ratio={ratio!r}; wanted a number from 0 (all L2) to 1 (all L1)")
    return float(ratio)


def check_per_feature(name: str, given: Any, default: float, n_features: int) -> np.ndarray:
    """One finite number, or one per feature."""
    values = as_floats(name, default if given is None else given)
    if values.shape not in ((), (n_features,)) or not np.all(np.isfinite(values)):
        raise InputError(f"{name} has shape {values.shape}; wanted one finite number, or {n_features} of them")
    if name == "scale" and np.any(values == 0):
        raise InputError("scale contains 0, and rows are divided by it: give numbers other than 0")
    return values


def check_weights(W: Any, shape: tuple[int, int], has_bias: bool) -> np.ndarray:
    """W as float64, if it has the shape of the problem."""
    W = as_floats("W", W)
    if W.shape != shape:
        bias = " (the last column is the bias)" if has_bias else ""
        raise InputError(f"W has shape {W.shape}; this problem needs {shape}{bias}")
    return W


def check_row_numbers(rows: Any, n_rows: int) -> np.ndarray:
    """Row numbers as int64: at least one, all within the data. A slice becomes its row numbers."""
    refuse_masked(rows, "rows")
    index = np.ascontiguousarray(np.arange(n_rows)[rows] if isinstance(rows, slice) else rows)
    if index.ndim != 1 or len(index) == 0 or not np.issubdtype(index.dtype, np.integer):
        raise InputError(f"rows has shape {index.shape} and type {index.dtype}; wanted at least one row number")
    if index.min() < 0 or index.max() >= n_rows:
        raise InputError(f"rows has numbers {index.min()} to {index.max()}; wanted 0 to {n_rows - 1}")
    return index.astype(np.int64, copy=False)


def check_two_classes(classes: np.ndarray) -> None:
    """Refuse fewer than two classes."""
    if len(classes) < 2:
        raise InputError(
            f"y has only one class, {classes[:1].tolist()[0]!r}; a linear classifier needs rows of at least two classes"
        )


def check_callbacks(callbacks: Any) -> tuple[Callable[..., Any], ...]:
    """None, one callable or several, as a tuple."""
    if callbacks is None:
        return ()
    if not callable(callbacks) and not isinstance(callbacks, (list, tuple)):
        raise InputError(f"callbacks={callbacks!r}; wanted a function of one argument, the progress, or a list of them")
    found = (callbacks,) if callable(callbacks) else tuple(callbacks)
    for one in found:
        if not callable(one):
            raise InputError(f"callbacks has {one!r}; wanted functions of one argument, the progress")
    return found


def check_checkpoint_file(path: str | os.PathLike[str], resume: bool) -> None:
    """Refuse anything but a regular file (opening a pipe would wait), and an existing file without `resume`."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"the checkpoint {quoted(os.fspath(path))} is a folder or a device; name a file")
    if not resume and os.path.lexists(path):
        raise InputError(
            f"the checkpoint {quoted(os.fspath(path))} exists: resume from it with resume=True, or name another file"
        )
