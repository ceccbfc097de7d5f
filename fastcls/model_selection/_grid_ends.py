"""What to say of a search whose best value is the end of its grid."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any


def advice_at_end(
    name: str, best: Any, tried: Sequence[Any], accuracy: float, *, least: float = 0.0, most: float = float("inf")
) -> str | None:
    """One sentence, where a value beyond those tried may do better than the best; None, where it cannot or need not.

    Parameters
    ----------
    name : str
        Of the parameter.
    best : the value chosen
    tried : sequence
        All values; those that are no numbers ("auto") have no end.
    accuracy : float
        Of the best; of 1 there is nothing to gain.
    least, most : float
        Ends that are the parameter's own: there is nothing beyond.
    """
    values = sorted({float(value) for value in tried if not isinstance(value, str)})
    if isinstance(best, str) or len(values) < 2 or accuracy >= 1 or values[0] < float(best) < values[-1]:
        return None
    is_least = float(best) == values[0]
    if float(best) <= least if is_least else float(best) >= most:
        return None
    end, other = ("smallest", "smaller") if is_least else ("largest", "larger")
    return f"the best {name}, {best:g}, is the {end} of those tried; a {other} one may do better: try some"


def warn_at_end(name: str, best: Any, tried: Sequence[Any], accuracy: float, *, stacklevel: int = 2, **ends: float) -> None:
    """`advice_at_end` as a UserWarning."""
    advice = advice_at_end(name, best, tried, accuracy, **ends)
    if advice is not None:
        warnings.warn(advice, UserWarning, stacklevel=stacklevel + 1)
