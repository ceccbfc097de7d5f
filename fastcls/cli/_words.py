"""Numbers and lists as text for the report and the table."""

from __future__ import annotations

import re
from typing import Any

from fastcls._validation import messages


def percent(share: float, digits: int = 2) -> str:
    """Return 0.9861 as ``98.61 %``, with a non-breaking space."""
    return f"{100 * share:.{digits}f}\u00a0%"


def interval(low: float, high: float) -> str:
    """Return the ends of an interval of shares in percent: ``96.1 to 98.2``."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def counted(n: int, thing: str) -> str:
    """Return ``6 errors``; the number stays on the line of its noun."""
    return messages.counted(n, thing).replace(" ", "\u00a0", 1)


def points(share: float) -> str:
    """Return the difference of two percentages: 0.0133 as ``1.33 percentage points``, with non-breaking spaces."""
    return f"{100 * share:.2f}\u00a0percentage\u00a0points"


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


def after_separators(name: str) -> list[str]:
    """Return the parts of a name that a line may end with."""
    return re.split(r"(?<=[_\-./ ])", name)


def broken(name: str, width: int) -> list[str]:
    """Return a name in lines of at most `width` characters, divided after separators if it has some."""
    lines = [""]
    for part in after_separators(name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return lines


def pairs(mapping: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a mapping as rows of text: nested mappings on one line, None left out."""
    return [(key.replace("_", " "), _flat(value)) for key, value in mapping.items() if value is not None]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_flat(item) for item in value)
    return str(value)
