"""Comparison of models on the same test rows."""

from __future__ import annotations

from typing import Any

#: significance level, divided by the number of comparisons
SIGNIFICANCE_LEVEL = 0.05


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
