"""Checks that all k-NN estimators share: k and the algorithm."""

from __future__ import annotations

import warnings
from typing import Any

from .base import check_number, one_of
from .errors import InputError
from .messages import only

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
        raise InputError(f"{name}={k}, but {only(n_visible, 'training row')}{others}; {what}")
    return k
