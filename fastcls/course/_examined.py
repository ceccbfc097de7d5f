"""What the examination of a function found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._call import Outcome, as_array
from ._mistakes import mistake, of_error
from ._report import Mistake

#: Largest relative error of a right result. A learner may take float32 for a gradient.
TOLERANCE = 1e-5


@dataclass
class Examined:
    """Mistakes and errors, as `CourseReport` has them."""

    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    value_error: float | None = None
    gradient_error: float | None = None

    def add(self, one: Mistake) -> None:
        """Add a mistake, unless one of the same name and part is there."""
        if not any((one.name, one.part) == (other.name, other.part) for other in self.mistakes):
            self.mistakes.append(one)


def array_of(outcome: Outcome, part: str, name: str, found: Examined) -> np.ndarray | None:
    """The numbers that a call returned, or None and the mistake that prevents the comparison.

    Parameters
    ----------
    outcome : Outcome
    part, name : str
        What the call returns, and its name in the assignment.
    found : Examined
        Gets the mistake.
    """
    if outcome.error:
        found.add(of_error(outcome.error, part))
    elif outcome.changed:
        found.add(mistake("arguments changed", part, f"{' and '.join(outcome.changed)} changed during the call"))
    elif outcome.value is None:
        found.add(mistake("nothing returned", part, f"returned None, wanted {name}"))
    else:
        got = as_array(outcome.value)
        if got is None:
            found.add(mistake("wrong kind of result", part, f"returned no numbers, wanted {name}"))
        return got
    return None


def has_shape(got: np.ndarray, shape: tuple[int, ...], part: str, axes: str, found: Examined) -> bool:
    """Whether an array has this shape; if not, the mistake is added. ``axes`` names them: "(n_test,)"."""
    if got.shape != shape:
        found.add(mistake("wrong kind of result", part, f"returned shape {got.shape}, wanted shape {axes}, {shape}"))
    return got.shape == shape


def is_close(got: Any, wanted: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether numbers or arrays of one shape agree, relative to the largest."""
    a, b = np.asarray(got, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if a.size != b.size:
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.abs(a.reshape(b.shape) - b).max() <= tolerance * max(float(np.abs(b).max()), 1e-12))
