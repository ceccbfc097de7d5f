"""Checks that all k-NN estimators share: k, the algorithm, vote weights, and that enough neighbours were found."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np

from .base import check_number, listed, one_of, refuse_masked
from .errors import InputError
from .messages import counted, shortened

logger = logging.getLogger("fastcls")


_TREE_WARNING = "algorithm={!r} means 'auto' here: fastcls chooses its way by itself, and its search is exact on any of them"


def check_algorithm(algorithm: Any, *, warn: bool = True) -> str:
    """`auto`, `brute` or `filter`; the names of scikit-learn's trees mean `auto`, with one warning."""
    if isinstance(algorithm, str) and algorithm in ("ball_tree", "kd_tree"):
        if warn:
            warnings.warn(_TREE_WARNING.format(algorithm), UserWarning, stacklevel=4)
        return "auto"
    return one_of("algorithm", algorithm, ["auto", "brute", "filter"])


def check_n_neighbors(k: Any, n_visible: int, name: str = "n_neighbors", excluded: bool = False) -> int:
    """k, if it is a whole number from 1 to the number of rows that a query may see."""
    k = int(check_number(name, k, minimum=1, whole=True))
    if k > n_visible:
        others = ", not counting the query's own" if excluded else ""
        what = f"ask for at most {n_visible}" if n_visible else "fit more rows"
        raise InputError(
            f"{name}={k}, but there are only {counted(n_visible, 'training row')}{others}; {what}", argument=name
        )
    return k


def check_folds(folds: Any, codes: np.ndarray, name: str = "cv") -> int:
    """The number of folds, if every fold can have a row of some class."""
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
            f"{name}={n_folds}, but none of the {rows} has another of its class: no cross-validation is "
            "possible; give two rows or more of some class",
            argument=name,
        )
    raise InputError(f"{name}={n_folds}, but {why}; ask for at most {counted(largest, 'fold')}", argument=name)


def check_ks(ks: Any, n_rows: int, of: str = "the smallest training fold has {}") -> list[int]:
    """Numbers of neighbours, ascending, each once; at least one must fit the rows, which `of` names."""
    wanted = sorted({int(check_number("ks", k, minimum=1, whole=True)) for k in listed(ks)})
    if not wanted:
        raise InputError("ks is empty; give at least one number of neighbours, such as ks=[1, 5, 10]", argument="ks")
    if wanted[0] > n_rows:
        raise InputError(
            f"ks=[{shortened(wanted)}]: {of.format(counted(n_rows, 'row'))}; give a k of at most that", argument="ks"
        )
    return wanted


def check_vote_weights(weights: Any, shape: tuple[int, ...]) -> np.ndarray:
    """What a user's function made of the distances: a finite weight of at least 0 for each."""
    refuse_masked(weights, "what the function weights gave")
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != shape:
        raise InputError(
            f"weights gave shape {weights.shape} for distances of shape {shape}; give one each", argument="weights"
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        bad = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise InputError(
            f"weights gave {bad:g}; wanted finite weights of at least 0 for every distance, 0 included", argument="weights"
        )
    return weights


def check_votes(n_bad: int, n_classes: int) -> None:
    """Refuse votes of neighbours whose labels are no classes: they come from arrays or files that changed since."""
    if n_bad:
        raise InputError(
            f"the neighbours of {counted(n_bad, 'query', 'queries')} have labels beyond the "
            f"{counted(n_classes, 'class')}: the model's labels, or the file "
            "they lie in, were changed after fit or load; fit or load the model again"
        )


def check_found(S: np.ndarray, k: int) -> None:
    """Refuse neighbours (n_queries, k), nearest first, where a query has fewer than k rows at a distance that is a number.

    Rows are checked when they come, but they are referenced: what is written into them later shows here.
    """
    short = ~(S[:, -1] < np.inf)
    if short.any():
        raise InputError(
            f"a query has fewer than {counted(k, 'training row')} at a finite distance: rows given earlier hold NaN, "
            "infinity or too "
            "large values now; they are not copied, so leave them as they are, or use fit(..., copy=True)"
        )
