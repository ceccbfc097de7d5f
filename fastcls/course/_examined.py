"""What the examination of a function found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

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


def is_close(got: Any, wanted: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether numbers or arrays of one shape agree, relative to the largest."""
    a, b = np.asarray(got, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if a.size != b.size:
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.abs(a.reshape(b.shape) - b).max() <= tolerance * max(float(np.abs(b).max()), 1e-12))
