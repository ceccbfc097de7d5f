"""The plane of both demos: a square of pixels, with points at whole hundredths of a unit."""

from __future__ import annotations

import numpy as np

from fastcls._validation.errors import InputError

#: the plane is the square [-HALF, HALF]^2, in hundredths
HALF = 300
#: pixels along a side; their centres are the odd hundredths
PIXELS = 300
#: names of the classes; `page/page.css` has their colours
CLASS_NAMES = ("blue", "orange", "green", "pink", "yellow")
CLASSES = (2, len(CLASS_NAMES))
#: seeds of the points and weights that the page draws
SEEDS = (0, 2**31 - 1)
#: where the points come from; all but random have two classes
PRESETS = {
    "random": "Clusters",
    "parity": "Hard: parity",
    "ring": "Hard: ring",
    "three_modes": "Hard: 3 modes",
}


def check_drawn(preset: str, classes: int) -> None:
    """Refuse another number of classes than the points have that the page draws."""
    if preset != "random" and classes != 2:
        raise InputError(
            f"got classes={classes} with preset={preset} in the state; wanted classes=2, as this preset draws points of 2 "
            "classes, or preset=random"
        )


def pixel_centres() -> np.ndarray:
    """Return the centres of the pixels in hundredths: float64 (PIXELS * PIXELS, 2), row by row, the lowest row first."""
    at = np.arange(-HALF + 1, HALF, 2 * HALF // PIXELS, dtype=np.float64)
    return np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
