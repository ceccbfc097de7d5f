"""Checks that all k-NN estimators share: k, the algorithm, vote weights, and that enough neighbours were found."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np

from .base import as_list, check_number, one_of, refuse_masked
from .errors import InputError
from .messages import counted, shortened

logger = logging.getLogger("fastcls")


_TREE_WARNING = "algorithm={!r} means 'auto' here: fastcls chooses the algorithm, and every choice is exact"


def check_algorithm(algorithm: Any, *, warn: bool = True) -> str:
    """`auto`, `brute` or `filter`; the names of scikit-learn's trees mean `auto`, with a warning."""
    if isinstance(algorithm, str) and algorithm in ("ball_tree", "kd_tree"):
        if warn:
            warnings.warn(_TREE_WARNING.format(algorithm), UserWarning, stacklevel=4)
        return "auto"
    return one_of("algorithm", algorithm, ["auto", "brute", "filter"])


def check_n_neighbors(k: Any, n_visible: int, name: str = "n_neighbors", excluded: bool = False) -> int:
    """k, if it is an integer from 1 to the number of rows that a query may see."""
    k = int(check_number(name, k, minimum=1, whole=True))
    if k > n_visible:
        others = ", not counting the query's own" if excluded else ""
        what = f"use at most {n_visible:,}" if n_visible else "fit more rows"
        raise InputError(
            f"{name}={k}, but there are only {counted(n_visible, 'training row')}{others}; {what}", argument=name
        )
    return k


def check_folds(folds: Any, codes: np.ndarray, name: str = "cv") -> int:
    """The number of folds, if some class has enough rows for all folds."""
    n_folds = int(check_number(name, folds, minimum=2, whole=True))
    largest = int(np.bincount(codes).max(initial=0))
    if n_folds <= largest:
        return n_folds
    rows, of_class = counted(len(codes), "row"), counted(largest, "row")
    why = f"no class has more than {of_class}"
    if n_folds > len(codes):
        why = f"there are only {rows}, and {why.removesuffix(' rows').removesuffix(' row')}"
    if largest < 2:
        raise InputError(
            f"{name}={n_folds}, but each of the {rows} is the only one of its class: give at least two rows of some class",
            argument=name,
        )
    raise InputError(f"{name}={n_folds}, but {why}: use at most {counted(largest, 'fold')}", argument=name)


def check_ks(ks: Any, n_rows: int, of: str = "the smallest training fold has {}") -> list[int]:
    """Numbers of neighbours, ascending, without repetition; at least one must be possible. `of` describes the rows."""
    wanted = sorted({int(check_number("ks", k, minimum=1, whole=True)) for k in as_list(ks)})
    if not wanted:
        raise InputError("ks is empty: give at least one number of neighbours, such as ks=[1, 5, 10]", argument="ks")
    if wanted[0] > n_rows:
        raise InputError(
            f"ks=[{shortened(wanted)}]: {of.format(counted(n_rows, 'row'))}; give a k of at most {n_rows:,}", argument="ks"
        )
    return wanted


def check_vote_weights(weights: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Vote weights from a user's function: one finite weight of at least 0 per distance."""
    refuse_masked(weights, "the result of weights")
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != shape:
        raise InputError(
            f"weights returned shape {weights.shape} for distances of shape {shape}; wanted one weight each",
            argument="weights",
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        bad = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise InputError(
            f"weights returned {bad:g}; wanted a finite weight of at least 0 for every distance, 0 included",
            argument="weights",
        )
    return weights


def check_votes(n_bad: int, n_classes: int) -> None:
    """Refuse neighbours whose labels are not classes: the labels or their file changed after fit or load."""
    if n_bad:
        raise InputError(
            f"the neighbours of {counted(n_bad, 'query', 'queries')} have labels beyond the "
            f"{counted(n_classes, 'class')}: the labels of the model, or their "
            "file, changed after fit or load: fit or load the model again"
        )


def check_found(S: np.ndarray, k: int) -> None:
    """Refuse neighbours (n_queries, k), nearest first, if a query has fewer than k rows at a finite distance.

    Rows are checked when they are given, but they are referenced: later changes to them show here.
    """
    short = ~(S[:, -1] < np.inf)
    if short.any():
        raise InputError(
            f"a query has fewer than {counted(k, 'training row')} at a finite distance: training rows now have NaN, "
            "infinity or too large values. They are referenced, not copied: do not change them, or use fit(..., copy=True)"
        )
