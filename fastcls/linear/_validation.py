"""Checks of the parameters and scores of the linear classifiers."""

from __future__ import annotations

import numbers
import os
from typing import Any

import numpy as np

from fastcls._validation.base import check_number, check_switch, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.linear import LARGEST_ALPHA, check_alpha, check_checkpoint_file
from fastcls._validation.messages import counted, quoted
from fastcls._validation.paths import check_path


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
            f"C={C!r} has no effect with penalty={penalty!r}: leave C out, or choose the penalty l2, l1 or elasticnet"
        )


def check_strength_of_cost(C: float, alpha: float) -> None:
    """Refuse a C so small that the loss does not matter."""
    if not alpha <= LARGEST_ALPHA:
        raise InputError(f"C={C!r}: so strong a penalty leaves only rounding errors of the weights; give a larger C")


def check_warm_start(had: np.ndarray, had_features: int, classes: np.ndarray, n_features: int) -> None:
    """Refuse to continue from weights of other classes or features."""
    if not np.array_equal(had, classes):
        raise InputError(
            f"warm_start=True, but the model has the classes {had[:10].tolist()} and y has "
            f"{classes[:10].tolist()}: give rows of "
            "the same classes, or fit a new model"
        )
    if had_features != n_features:
        raise InputError(
            f"warm_start=True, but the model has {counted(had_features, 'feature')} and X has "
            f"{n_features}: give rows with the same features, or fit a new model"
        )


def check_checkpoint(path: Any, resume: Any, random_state: Any) -> None:
    """Refuse an invalid path, and a `random_state` with which a resumed training would draw other numbers."""
    check_switch("resume", resume)
    if path is None:
        if resume:
            raise InputError("resume=True needs a checkpoint to resume from: give checkpoint=PATH too")
        return
    text = check_path(path, "a file", "checkpoint")
    if not os.path.basename(text) or "\0" in text:
        raise InputError(f"checkpoint={quoted(text)}; wanted the path of a file")
    if not isinstance(random_state, numbers.Integral):
        raise InputError(
            f"checkpoint needs an integer random_state (got {random_state!r}), so that a resumed training repeats the same "
            "random draws"
        )
    check_checkpoint_file(path, resume)


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
