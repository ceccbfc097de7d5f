"""Comparison of models on the same test rows."""

from __future__ import annotations

from typing import Any

import numpy as np

#: significance level, divided by the number of comparisons
SIGNIFICANCE_LEVEL = 0.05


def mcnemar(hits: np.ndarray, other: np.ndarray) -> tuple[int, int, float]:
    """Compare two models on the same test rows with McNemar's exact test.

    Rows that both models get right, or both get wrong, do not show which is better. If the models are equally good, each
    of the other rows is equally likely to be a hit of either.

    Parameters
    ----------
    hits, other : ndarray of bool, shape (n_test,)
        Where each model is correct.

    Returns
    -------
    only_first, only_other : int
        Rows that only the first, or only the second, model gets right.
    p_value : float
        Two-sided probability of a difference at least this large if both models are equally good.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12
    (1947), in its exact binomial form.
    """
    from scipy.stats import binomtest

    only_first = int(np.count_nonzero(hits & ~other))
    only_other = int(np.count_nonzero(other & ~hits))
    n = only_first + only_other
    return only_first, only_other, float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0


def is_significant(pair: dict[str, Any], results: dict[str, Any]) -> bool:
    """Return whether a difference is significant, with Bonferroni's correction for the number of comparisons."""
    return bool(pair["p_value"] < SIGNIFICANCE_LEVEL / len(results["comparisons"]))


def not_significantly_worse(results: dict[str, Any]) -> list[str]:
    """Return the models that do not differ significantly from the one with the fewest errors."""
    return [pair["other"] for pair in results.get("comparisons", ()) if not is_significant(pair, results)]


def best_is_known(results: dict[str, Any]) -> bool:
    """Return whether the model with the fewest errors may be called best: it is significantly better than at least one."""
    compared = results.get("comparisons", ())
    return bool(compared) and len(not_significantly_worse(results)) < len(compared)
