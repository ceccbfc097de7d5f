"""Advice for a search whose best value is an end of its grid."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any


class GridEndWarning(UserWarning):
    """The best value is an end of its grid."""


def advice_at_end(
    name: str,
    best: Any,
    tried: Sequence[Any],
    accuracy: float,
    *,
    least: float = 0.0,
    most: float = float("inf"),
    grid: str = "those tried",
) -> str | None:
    """One sentence if a value beyond the grid may do better than the best; None if it cannot or need not.

    Parameters
    ----------
    name : str
        Name of the parameter.
    best : the value chosen
    tried : sequence
        All values; strings ("auto") are ignored.
    accuracy : float
        Accuracy of the best value; 1 cannot be improved.
    least, most : float
        Limits of the parameter itself, beyond which there is no value to try.
    grid : str
        What the sentence calls the values.

    Returns
    -------
    str or None
    """
    values = sorted({float(value) for value in tried if not isinstance(value, str)})
    if isinstance(best, str) or len(values) < 2 or accuracy >= 1 or values[0] < float(best) < values[-1]:
        return None
    is_least = float(best) == values[0]
    if float(best) <= least if is_least else float(best) >= most:
        return None
    end, other = ("smallest", "smaller") if is_least else ("largest", "larger")
    return f"the best {name}, {best:g}, is the {end} of {grid}; a {other} one may do better"


def warn_at_end(
    name: str, best: Any, tried: Sequence[Any], accuracy: float, *, least: float = 0.0, most: float = float("inf")
) -> None:
    """`advice_at_end` as a warning to the caller of `fit`."""
    advice = advice_at_end(name, best, tried, accuracy, least=least, most=most)
    if advice is not None:
        warnings.warn(f"{advice}: try some", GridEndWarning, stacklevel=3)
