"""The confidence interval of a proportion."""

from __future__ import annotations

from functools import cache


@cache
def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % confidence interval of a proportion; it stays within 0 and 1, and is never empty.

    References
    ----------
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    from scipy.stats import binomtest

    low, high = binomtest(correct, total).proportion_ci(0.95, "wilson")
    return float(low), float(high)
