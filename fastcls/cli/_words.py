"""Numbers and lists as the report writes them."""

from __future__ import annotations


def percent(share: float, digits: int = 2) -> str:
    """0.9861 as ``98.61 %``, with a space that does not break."""
    return f"{100 * share:.{digits}f}\u00a0%"


def seconds(value: float | None) -> str:
    """A duration with about three digits."""
    if value is None:
        return "–"
    if value < 0.001:
        return "<\u00a01\u00a0ms"
    if value < 0.9995:
        return f"{1000 * value:.3g}\u00a0ms"
    return f"{value:.1f}\u00a0s" if value < 600 else f"{value / 60:.0f}\u00a0min"


def listed(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
