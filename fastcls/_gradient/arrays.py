"""Arrays that an evaluation needs, for itself or from one evaluation to the next."""

from __future__ import annotations

from typing import Any

import numpy as np


class Arrays:
    """New arrays, or kept ones: the system hands out fresh memory page by page, and 130 ms for 61 MB were seen.

    Parameters
    ----------
    keep : bool
        Whether an array of a name is the same each time: its user must be done with it when it is asked for again.
    """

    def __init__(self, keep: bool) -> None:
        self._kept: dict[str, np.ndarray] | None = {} if keep else None

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
        """An array that is not filled."""
        if self._kept is None:
            return np.empty(shape, dtype)
        found = self._kept.get(name)
        if found is None or found.shape != shape or found.dtype != dtype:
            found = self._kept[name] = np.empty(shape, dtype)
        return found
