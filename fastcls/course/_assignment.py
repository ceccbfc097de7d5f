"""The functions of the course's first assignment, and what differs between its years.

Only facts are here: names, arguments and formulas. W is (n_features, n_classes), the transpose of ours; its last row
belongs to the feature that is always 1, so the bias is penalised like the rest. Until 2016 the penalty was 0.5 reg sum W^2,
since 2017 it is reg sum W^2. Since 2025 the assignment has softmax but no SVM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError

FIRST_YEAR, LAST_YEAR_OF_HALF, LAST_YEAR_OF_SVM = 2015, 2016, 2024


@dataclass(frozen=True)
class Signature:
    """A function of the assignment.

    Attributes
    ----------
    name, arguments, returns : str
        As a learner writes them.
    group : {"svm", "softmax", "distances", "votes", "numerical", "centring"}
        Functions of one group return the same.
    n_loops : int or None
        The number of loops that the function is to have, if its name says it.
    """

    name: str
    arguments: str
    returns: str
    group: str
    n_loops: int | None = None


_LOSS = ("W, X, y, reg", "loss, dW")
_DISTANCES = ("self, X", "dists (n_test, n_train)")

#: functions of the assignment; ``subtract_mean`` is a step of its notebooks, as a function
SIGNATURES: dict[str, Signature] = {
    one.name: one
    for one in (
        Signature("svm_loss_naive", *_LOSS, "svm"),
        Signature("svm_loss_vectorized", *_LOSS, "svm", 0),
        Signature("softmax_loss_naive", *_LOSS, "softmax"),
        Signature("softmax_loss_vectorized", *_LOSS, "softmax", 0),
        Signature("compute_distances_two_loops", *_DISTANCES, "distances", 2),
        Signature("compute_distances_one_loop", *_DISTANCES, "distances", 1),
        Signature("compute_distances_no_loops", *_DISTANCES, "distances", 0),
        Signature("predict_labels", "self, dists, k", "y_pred (n_test,)", "votes"),
        Signature("eval_numerical_gradient", "f, x", "gradient like x", "numerical"),
        Signature("subtract_mean", "X_train, X_test", "X_train, X_test", "centring"),
    )
}


def check_year(year: Any) -> int | None:
    """Return the year, if it may be one of the course; None is the newest form of every function."""
    if year is None:
        return None
    return int(check_number("year", year, minimum=FIRST_YEAR, whole=True))


def names_of_year(year: int | None) -> list[str]:
    """Return the functions that the assignment of a year has."""
    no_svm = year is not None and year > LAST_YEAR_OF_SVM
    return [name for name, one in SIGNATURES.items() if not (no_svm and one.group == "svm")]


def check_of_year(name: str, year: int | None) -> None:
    """Refuse a function that the assignment of this year does not have."""
    if name not in names_of_year(year):
        raise InputError(
            f"{name} is not in the assignment of {year}, which has softmax only: give a year up to {LAST_YEAR_OF_SVM}, "
            "or omit year"
        )


def penalty_factor(year: int | None) -> float:
    """Return f of the penalty f * reg * sum W^2."""
    return 0.5 if year is not None and year <= LAST_YEAR_OF_HALF else 1.0
