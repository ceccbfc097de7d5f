"""Numbers and lists as text for the report."""

from __future__ import annotations


def percent(share: float, digits: int = 2) -> str:
    """Return 0.9861 as ``98.61 %``, with a non-breaking space."""
    return f"{100 * share:.{digits}f}\u00a0%"


def seconds(value: float | None) -> str:
    """Return a duration with about three digits."""
    if value is None:
        return "–"
    if value < 0.001:
        return "<\u00a01\u00a0ms"
    if value < 0.9995:
        return f"{1000 * value:.3g}\u00a0ms"
    return f"{value:.1f}\u00a0s" if value < 600 else f"{value / 60:.0f}\u00a0min"


def listed(names: list[str]) -> str:
    """Return ``a``, ``a and b``, or ``a, b and c``."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
