"""Points moved by hand: they stay when the other points are drawn again, in another number or with other classes."""

from __future__ import annotations

import numpy as np


class Moved:
    """Positions and classes of moved points, by their number.

    If the number of points shrinks, points beyond it are remembered and come back when it grows.
    """

    def __init__(self) -> None:
        self._places: dict[int, tuple[float, float, int]] = {}

    def forget(self) -> None:
        """Forget all moves, for entirely new points."""
        self._places.clear()

    def note(self, place: int, x: float, y: float, code: int) -> None:
        """Remember a move."""
        self._places[place] = (x, y, code)

    def compare(self, points: np.ndarray, codes: np.ndarray, made: tuple[np.ndarray, np.ndarray]) -> None:
        """Remember those points of a state's text as moved that differ from the points its preset and seed make."""
        for place, (at, code) in enumerate(zip(points, codes, strict=True)):
            if place >= len(made[0]) or (at != made[0][place]).any() or code != made[1][place]:
                self.note(place, float(at[0]), float(at[1]), int(code))

    def put(self, points: np.ndarray, codes: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return new points, with the moved ones in their places; a moved point keeps its class if that still exists."""
        points, codes = points.copy(), codes.copy()
        for place, (x, y, code) in self._places.items():
            if place < len(points):
                points[place] = x, y
                if code < n_classes:
                    codes[place] = code
        return points, codes
