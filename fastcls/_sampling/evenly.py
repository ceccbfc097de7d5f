"""Evenly spaced rows."""

from __future__ import annotations

import numpy as np


def evenly_spaced(n: int, at_most: int) -> np.ndarray:
    """Up to `at_most` row numbers spread evenly over n rows, ascending.

    Files are often sorted by class, so the first rows are not like the rest.
    """
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).astype(np.int64))


def spaced(rows: np.ndarray, n: int) -> np.ndarray:
    """At least n and fewer than 2 n of the rows (all, if there are fewer), one in every so many: a view."""
    return rows[:: max(1, len(rows) // n)]
