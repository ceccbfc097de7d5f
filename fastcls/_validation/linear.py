"""Checks of user input for losses, penalties, linear problems and linear classifiers."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .base import check_number, one_of, refuse_masked
from .errors import InputError
from .messages import counted, kind, quoted


def check_switch(name: str, value: Any) -> bool:
    """`value`, if it is a bool. Nothing else is accepted, so that a typing error does not count as True."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name}={value!r}; wanted True or False", argument=name)
    return bool(value)


def _floats(name: str, given: Any) -> np.ndarray:
    """Real numbers as float64."""
    refuse_masked(given, name)
    found = np.asarray(given)
    try:
        if found.dtype.kind == "c":
            raise TypeError("they are complex")
        return found.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{name} has values of type {found.dtype} ({why}); wanted real numbers", argument=name) from None


def check_scores(scores: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64 (n_samples, n_classes), and codes of their columns."""
    scores = _floats("scores", scores)
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise InputError(
            f"scores has shape {scores.shape}; wanted one row of scores per sample, (n_samples, n_classes)",
            argument="scores",
        )
    return scores, check_codes(y, len(scores), scores.shape[1])[0]


def check_codes(y: Any, n_samples: int, n_classes: int | None) -> tuple[np.ndarray, int]:
    """Class codes as int64 (n_samples,), and the number of classes: by default the largest code + 1."""
    refuse_masked(y, "y")
    y = np.asarray(y)
    if y.shape != (n_samples,) or not (np.issubdtype(y.dtype, np.integer) or y.dtype == bool):
        raise InputError(
            f"y has shape {y.shape} and type {y.dtype}; wanted one integer class code for each of the "
            f"{counted(n_samples, 'row')}",
            argument="y",
        )
    if len(y) and y.min() < 0:
        raise InputError(f"y has the code {y.min()}; wanted class codes 0, 1, 2, ...", argument="y")
    if n_classes is None:
        n_classes = int(y.max()) + 1 if len(y) else 1
    n_classes = int(check_number("n_classes", n_classes, minimum=1, whole=True))
    if len(y) and y.max() >= n_classes:
        raise InputError(
            f"y has codes {y.min()} to {y.max()}; wanted 0 to {n_classes - 1} for {counted(n_classes, 'class')}",
            argument="y",
        )
    return np.ascontiguousarray(y, dtype=np.int64), n_classes


LARGEST_ALPHA = 1e20  # the rounding error of weights, about 1e-12 of each, still costs less than the loss


def check_alpha(alpha: Any) -> float:
    """`alpha`, if it is small enough for the loss to matter."""
    if check_number("alpha", alpha, minimum=0) > LARGEST_ALPHA:
        raise InputError(
            f"alpha={alpha!r}: so strong a penalty leaves only rounding errors of the weights; wanted at most "
            f"{LARGEST_ALPHA:g}, usually below 1",
            argument="alpha",
        )
    return float(alpha)


def check_strength(alpha: Any, C: Any, penalty: str | None) -> None:
    """Refuse an invalid `alpha` or `C`, and both together."""
    if isinstance(alpha, str):
        if alpha != "auto":
            one_of("alpha", alpha, ["auto"], also=", or a number of at least 0")
    else:
        check_alpha(alpha)
    if C is None:
        return
    if not isinstance(alpha, str):
        raise InputError(f"alpha={alpha!r} and C={C!r} both set the strength of the penalty: leave one of them out")
    check_number("C", C, minimum=0, strict=True)
    if penalty in (None, "max_norm"):
        raise InputError(
            f"C={C!r} has no effect with penalty={penalty!r}: leave C out, or choose the penalty l2, l1 or elasticnet",
            argument="C",
        )


def check_strength_of_cost(C: float, alpha: float) -> None:
    """Refuse a C so small that the loss does not matter."""
    if not alpha <= LARGEST_ALPHA:
        raise InputError(
            f"C={C!r}: so strong a penalty leaves only rounding errors of the weights; give a larger C", argument="C"
        )


def check_l1_ratio(ratio: Any) -> float:
    """A number from 0 to 1."""
    if check_number("l1_ratio", ratio, minimum=0) > 1:
        raise InputError(f"l1_ratio={ratio!r}; wanted a number from 0 (all L2) to 1 (all L1)", argument="l1_ratio")
    return float(ratio)


def check_fraction(name: str, value: Any, *, strict: bool = False) -> float:
    """A number from 0 (or above it) to below 1."""
    if check_number(name, value, minimum=0, strict=strict) >= 1:
        raise InputError(f"{name}={value!r}; wanted a number {'above' if strict else 'from'} 0 and below 1", argument=name)
    return float(value)


def check_per_feature(name: str, given: Any, default: float, n_features: int) -> np.ndarray:
    """One finite number, or one per feature."""
    values = _floats(name, default if given is None else given)
    if values.shape not in ((), (n_features,)) or not np.all(np.isfinite(values)):
        raise InputError(
            f"{name} has shape {values.shape}; wanted one finite number, or {n_features} of them", argument=name
        )
    if name == "scale" and np.any(values == 0):
        raise InputError("scale contains 0, and rows are divided by it: give numbers other than 0", argument="scale")
    return values


def check_weights(W: Any, shape: tuple[int, int], has_bias: bool) -> np.ndarray:
    """W as float64, if it has the shape of the problem."""
    W = _floats("W", W)
    if W.shape != shape:
        bias = " (the last column is the bias)" if has_bias else ""
        raise InputError(f"W has shape {W.shape}; this problem needs {shape}{bias}", argument="W")
    return W


def check_row_numbers(rows: Any, n_rows: int) -> np.ndarray:
    """Row numbers as int64: at least one, all within the data. A slice becomes its row numbers."""
    refuse_masked(rows, "rows")
    index = np.ascontiguousarray(np.arange(n_rows)[rows] if isinstance(rows, slice) else rows)
    if index.ndim != 1 or len(index) == 0 or not np.issubdtype(index.dtype, np.integer):
        raise InputError(
            f"rows has shape {index.shape} and type {index.dtype}; wanted at least one row number", argument="rows"
        )
    if index.min() < 0 or index.max() >= n_rows:
        raise InputError(f"rows has numbers {index.min()} to {index.max()}; wanted 0 to {n_rows - 1}", argument="rows")
    return index.astype(np.int64, copy=False)


_NONE = np.zeros(0)
_LEAST_WEIGHT = 1e-290  # below it, the number of rows (up to 1e18) over the sum of their weights may be infinite


def check_sample_weight(weights: Any, n_rows: int, *, may_be_zero: bool = False) -> np.ndarray:
    """One finite weight of at least 0 per row, as float64; of length 0 for None. All may be 0 only if `may_be_zero`."""
    if weights is None:
        return np.zeros(0)
    values = _floats("sample_weight", weights)
    if values.ndim == 0:
        values = np.full(n_rows, float(values))
    if values.shape != (n_rows,):
        raise InputError(
            f"sample_weight.shape == {values.shape}, expected {(n_rows,)}! Give one weight per row", argument="sample_weight"
        )
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise InputError(
            f"sample_weight has {values[bad][0]:g} at row {int(bad.argmax())}; wanted finite weights of at least 0",
            argument="sample_weight",
        )
    if n_rows and not values.any():
        if may_be_zero:
            return values
        raise InputError(
            "sample_weight is zero for every row: give some rows a weight above 0",
            argument="sample_weight",
        )
    with np.errstate(over="ignore", under="ignore"):
        total = float(values.sum())
    if n_rows and not _LEAST_WEIGHT <= total < np.inf:  # weights are divided by their mean
        raise InputError(
            f"sample_weight adds up to {total:g}, which float64 cannot divide by: give weights around 1 (only their ratios "
            "matter)",
            argument="sample_weight",
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
        raise InputError(
            f"class_weight={class_weight!r}; wanted None, 'balanced' or a dict from label to weight", argument="class_weight"
        )
    labels = classes.tolist()
    values = _floats("class_weight", [class_weight.get(label, 1.0) for label in [*labels, *class_weight]])
    if values.ndim != 1 or not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f"class_weight={class_weight!r}; wanted finite weights of at least 0", argument="class_weight")
    known = {*labels, *named}
    unknown = [
        label for label, weight in zip(class_weight, values[len(labels) :], strict=True) if weight and label not in known
    ]
    if unknown:
        raise InputError(
            f"class_weight names the label {unknown[0]!r}, which is not in y: its labels are among {labels[:10]}",
            argument="class_weight",
        )
    return values[: len(labels)]


def balanced(counts: np.ndarray) -> np.ndarray:
    """n / (n_classes * count) for every class, from its rows or their weights, as in scikit-learn.

    Only classes with rows count; the others get the weight 1, which no row uses.
    """
    present = counts > 0
    return np.divide(counts.sum(), present.sum() * counts, out=np.ones(counts.shape), where=present)


def check_two_classes(classes: np.ndarray) -> None:
    """Refuse fewer than two classes."""
    if len(classes) < 2:
        raise InputError(
            f"y has only one class, {classes[:1].tolist()[0]!r}; a linear classifier needs rows of at least two classes",
            argument="y",
        )


def check_warm_start(had: np.ndarray, had_features: int, classes: np.ndarray, n_features: int) -> None:
    """Refuse to continue from weights of other classes or features."""
    if not np.array_equal(had, classes):
        raise InputError(
            f"warm_start=True, but the model has the classes {had[:10].tolist()} and y has "
            f"{classes[:10].tolist()}: give rows of "
            "the same classes, or fit a new model",
            argument="warm_start",
        )
    if had_features != n_features:
        raise InputError(
            f"warm_start=True, but the model has {counted(had_features, 'feature')} and X has "
            f"{n_features}: give rows with the same features, or fit a new model",
            argument="warm_start",
        )


def check_callbacks(callbacks: Any) -> tuple[Callable[..., Any], ...]:
    """None, one callable or several, as a tuple."""
    if callbacks is None:
        return ()
    if not callable(callbacks) and not isinstance(callbacks, (list, tuple)):
        raise InputError(
            f"callbacks={callbacks!r}; wanted a function of one argument, the progress, or a list of them",
            argument="callbacks",
        )
    found = (callbacks,) if callable(callbacks) else tuple(callbacks)
    for one in found:
        if not callable(one):
            raise InputError(f"callbacks has {one!r}; wanted functions of one argument, the progress", argument="callbacks")
    return found


def check_checkpoint(path: Any, resume: Any, random_state: Any) -> None:
    """Refuse an invalid path, and a `random_state` with which a resumed training would draw other numbers."""
    check_switch("resume", resume)
    if path is None:
        if resume:
            raise InputError("resume=True needs a checkpoint to resume from: give checkpoint=PATH too", argument="resume")
        return
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"checkpoint is {kind(path)}; wanted the path of a file", argument="checkpoint")
    if not os.path.basename(path) or "\0" in os.fspath(path):
        raise InputError(f"checkpoint={quoted(os.fspath(path))}; wanted the path of a file", argument="checkpoint")
    if not isinstance(random_state, numbers.Integral):
        raise InputError(
            f"checkpoint needs an integer random_state (got {random_state!r}), so that a resumed training repeats the same "
            "random draws",
            argument="checkpoint",
        )
    check_checkpoint_file(path, resume)


def check_checkpoint_file(path: str | os.PathLike[str], resume: bool) -> None:
    """Refuse anything but a regular file (opening a pipe would wait), and an existing file without `resume`."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"the checkpoint {quoted(os.fspath(path))} is a folder or a device; name a file")
    if not resume and os.path.lexists(path):
        raise InputError(
            f"the checkpoint {quoted(os.fspath(path))} exists: resume from it with resume=True, or name another file"
        )


def check_finite_scores(scores: np.ndarray) -> None:
    """Refuse scores that overflow because rows are far larger than the training rows."""
    step = max(1, (1 << 20) // max(1, scores.shape[1]))  # no second array of their shape
    for start in range(0, len(scores), step):
        is_finite = np.isfinite(scores[start : start + step]).all(axis=1)
        if not is_finite.all():
            row = start + int(np.argmin(is_finite))
            raise InputError(
                f"the scores of row {row} of X overflow float64: its values are far larger than those of the training rows; "
                "scale it like them"
            )
