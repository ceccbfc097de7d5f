"""Strength of the penalty: scikit-learn's C, converted to the space in which training happens.

`automatic_alpha` is a C of 8 for rows scaled to a mean squared length of 1; `_choice.py` compares multiples of it.

C weighs the sum of the losses against a penalty on the weights of the unscaled rows:

    l2          C sum_i w_i L_i + 1/2 sum W^2
    l1          C sum_i w_i L_i + sum |W|
    elasticnet  C sum_i w_i L_i + l1_ratio sum |W| + (1 - l1_ratio)/2 sum W^2

Divided by C sum_i w_i this is the mean loss plus a penalty, and W is W_scaled / scale. For two classes, scikit-learn's
logistic regression has one vector w = W_1 - W_0. The best W with that difference is +-w/2: sum W^2 = w^2 / 2, sum |W| = |w|.
"""

from __future__ import annotations

import numpy as np

from fastcls._validation.linear import LARGEST_ALPHA
from fastcls.penalties import PENALTIES

# C of alpha="auto", for rows of mean squared length 1.
_AUTOMATIC_COST = 8.0


def automatic_alpha(n_rows: float, mean_square: float) -> float:
    """alpha="auto" of an l2 penalty, for rows with this mean squared length in the scaled space."""
    return min(mean_square / (2.0 * _AUTOMATIC_COST * n_rows), LARGEST_ALPHA)


def effective_rows(weights: np.ndarray, rows: np.ndarray | None, n_rows: int) -> float:
    """Number of rows that "auto" counts: the sum of their weights (a weight of 2 is a row twice), but at least their number.

    Elsewhere only ratios of weights matter. Weights that add up to 1 (boosting) are not a single row.
    """
    if not len(weights):
        return total_weight(weights, rows, n_rows)
    some = weights if rows is None else weights[rows]
    return max(float(some.sum()), float(np.count_nonzero(some)))


def total_weight(weights: np.ndarray, rows: np.ndarray | None, n_rows: int) -> float:
    """Sum of the weights of the training rows; weights (n_rows,), or of length 0 for a weight of 1 each."""
    if not len(weights):
        return float(n_rows if rows is None else len(rows))
    return float((weights if rows is None else weights[rows]).sum())


def strength_of_cost(
    C: float, penalty: str, l1_ratio: float, total: float, scale: float, *, one_vector: bool
) -> tuple[float, float]:
    """(alpha, l1_ratio) of the penalty on the scaled weights that equals scikit-learn's C.

    Parameters
    ----------
    C : float
    penalty : {"l2", "l1", "elasticnet"}
    l1_ratio : float
    total : float
        Sum of the weights of the rows.
    scale : float
        Divisor of the centred rows.
    one_vector : bool
        There are two classes, and scikit-learn has one weight vector for them.
    """
    l1, l2 = PENALTIES[penalty].parts(l1_ratio)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # the caller refuses infinity
        on_l1 = np.float64(l1) / C / total / scale
        on_l2 = np.float64(l2) / C / total / (1.0 if one_vector else 2.0) / scale / scale
        alpha = on_l1 + on_l2
        return float(alpha), float(on_l1 / alpha) if alpha > 0 else l1_ratio
