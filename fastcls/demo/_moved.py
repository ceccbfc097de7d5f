"""Points that were put somewhere by hand: they stay when the others are made anew, of another number or other classes."""

from __future__ import annotations

import numpy as np


class Moved:
    """Where points were put, and as which class, by their number.

    A point whose number is gone, because fewer are wanted, is remembered: it comes back with its number.
    """

    def __init__(self) -> None:
        self._places: dict[int, tuple[float, float, int]] = {}

    def forget(self) -> None:
        """New points were asked for."""
        self._places.clear()

    def note(self, place: int, x: float, y: float, code: int) -> None:
        """One was moved."""
        self._places[place] = (x, y, code)

    def compare(self, points: np.ndarray, codes: np.ndarray, made: tuple[np.ndarray, np.ndarray]) -> None:
        """Points of a text count as moved where they are not those that its preset and seed make."""
        for place, (at, code) in enumerate(zip(points, codes, strict=True)):
            if place >= len(made[0]) or (at != made[0][place]).any() or code != made[1][place]:
                self.note(place, float(at[0]), float(at[1]), int(code))

    def put(self, points: np.ndarray, codes: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Newly made points, with those that were moved where they were; of a class that is gone, they get a new one."""
        points, codes = points.copy(), codes.copy()
        for place, (x, y, code) in self._places.items():
            if place < len(points):
                points[place] = x, y
                if code < n_classes:
                    codes[place] = code
        return points, codes
