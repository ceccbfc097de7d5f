"""An image and three altered copies at exactly the same squared distance: pixel distances are not informative."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._sampling.evenly import evenly_spaced
from fastcls._validation.base import refuse_masked
from fastcls._validation.errors import InputError
from fastcls.neighbors import pairwise_distances

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import check_image_shape, check_shift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray

RESERVED = 8  # values that the tint leaves free to absorb the rest of the distance: at most 511, for which six suffice


def spend(values: NDArray[np.int64], left: int, limit: int) -> int:
    """Change values one after the other, each by as much as ``left`` allows; returns what is left (0 if all is spent).

    A change by d spends d*d. Unless limited by the range of a value, d is the integer root of what is left, which leaves at
    most 2d. So a few values are enough.
    """
    for i, value in enumerate(values):
        if left == 0:
            break
        up = 2 * value <= limit
        d = min(int(limit - value if up else value), isqrt(left))
        values[i] += d if up else -d
        left -= d * d
    return left


def boxed(image: NDArray[np.uint8], distance: int, limit: int) -> NDArray[np.uint8] | None:
    """Fill a box from the middle row outwards with black or white until the distance is spent."""
    height, width, _ = image.shape
    for share in (3, 2, 1):  # a wider box if a narrow one is not enough
        found = image.astype(np.int64)
        columns = slice((width - -(-width // share)) // 2, (width + -(-width // share)) // 2)
        rows = sorted(range(height), key=lambda row: abs(row - height // 2))
        inside = found[rows, columns].ravel()
        left = spend(inside, distance, limit)
        found[rows, columns] = inside.reshape(height, -1, image.shape[2])
        if left == 0:
            return found.astype(np.uint8)
    return None


def tinted(image: NDArray[np.uint8], distance: int, limit: int) -> NDArray[np.uint8] | None:
    """Move every value by the same step (colour images: red up, blue down) and spend the rest on a few values."""
    start = image.astype(np.int64)
    sign = np.zeros_like(start)
    if image.shape[2] == 3:
        sign[:, :, 0], sign[:, :, 2] = 1, -1
    else:
        sign[:] = 1 if 2 * start.mean() <= limit else -1
    free = np.zeros(start.size, dtype=bool)
    free[evenly_spaced(start.size, RESERVED)] = True  # spread out, so that they are not visible as a stripe
    sign = np.where(free.reshape(start.shape), 0, sign)

    def moved(step: int) -> NDArray[np.int64]:
        return np.clip(start + step * sign, 0, limit)

    steps = [step for step in range(limit + 1) if ((moved(step) - start) ** 2).sum() <= distance]
    found = moved(steps[-1]).ravel()
    left = distance - int(((found - start.ravel()) ** 2).sum())
    for i in np.flatnonzero(moved(steps[-1] + 1).ravel() != found):  # move some values one step further
        costs = 2 * abs(int(found[i] - start.ravel()[i])) + 1
        if costs <= left:
            found[i] += sign.ravel()[i]
            left -= costs
    rest = found[free]
    left = spend(rest, left, limit)
    found[free] = rest
    return found.reshape(image.shape).astype(np.uint8) if left == 0 else None


def shifted(image: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """The image shifted to the right, repeating its left edge."""
    return np.concatenate([np.repeat(image[:, :1], pixels, axis=1), image[:, :-pixels]], axis=1)


class SameDistanceDisplay(Drawn):
    """An image and three altered copies (a box, a shift, a tint), all at the same distance.

    Parameters
    ----------
    images : uint8 array of shape (4, height, width, channels)
        The original first.
    names : sequence of str of length 4
    squared_distance : int
        Exact squared distance of each altered image from the original.

    Attributes
    ----------
    figure_, axes_ : present after ``plot``
    """

    axes_: NDArray[Any]

    def __init__(self, images: NDArray[np.uint8], names: Sequence[str], squared_distance: int) -> None:
        self.images = images
        self.names = list(names)
        self.squared_distance = squared_distance

    @classmethod
    def from_image(cls, image: ArrayLike, *, image_shape: Sequence[int] | None, shift: int = 1) -> SameDistanceDisplay:
        """Shift the image (n_features,), then build a box and a tint at exactly the same distance.

        Parameters
        ----------
        image : array-like of shape (n_features,), uint8
        image_shape : (height, width, channels)
        shift : int
            Pixels to the right.

        Returns
        -------
        SameDistanceDisplay

        Raises
        ------
        InputError
            For an image that is not uint8, a shift below 1 or not below the width, or an image that cannot be altered that
            far (such as an image of one colour).
        """
        refuse_masked(image, "image")
        row = np.asarray(image)
        shape = check_image_shape(image_shape, row.size)
        if row.dtype != np.uint8:
            raise InputError(f"image is {row.dtype}; wanted uint8, because exactly equal distances need whole numbers")
        original, shift = row.reshape(shape), check_shift(shift, shape[1])
        limit = int(style.grey_range(original)[1])
        moved = shifted(original, shift)
        distance = int(((moved.astype(np.int64) - original) ** 2).sum())
        box, tint = boxed(original, distance, limit), tinted(original, distance, limit)
        if distance == 0 or box is None or tint is None:
            raise InputError(
                f"a shift by {shift} has the squared distance {distance}, which a box and a tint cannot match: try another "
                "image"
            )
        images = np.stack([original, box, moved, tint])
        rows = np.ascontiguousarray(images.reshape(4, -1))
        found = pairwise_distances(rows[:1], rows[1:], "sqeuclidean")[0]
        if not (found == distance).all():
            raise RuntimeError(f"built for the squared distance {distance}, but pairwise_distances gives {found.tolist()}")
        return cls(images, ("original", "box", f"shift by {shift} px", "tint"), distance)

    @in_context
    def plot(self, figure: Figure | SubFigure | None = None, *, context: str = "paper") -> SameDistanceDisplay:
        """Draw into ``figure``, or into a new one.

        Parameters
        ----------
        figure : matplotlib figure or subfigure, optional
            Without it a new figure is created.
        context : {"paper", "talk"}
            "talk": a slide of 13.3 x 7.5 inches (16:9), with type and lines for a projector. In given axes or figures, only
            type and lines are larger.

        Returns
        -------
        self
            With ``figure_`` set.
        """
        self.figure_ = style.figure_for(figure, 2.0)
        self.axes_ = self.figure_.subplots(1, 4, squeeze=False)
        low, high = style.grey_range(self.images)
        for i, ax in enumerate(self.axes_[0]):
            ax.imshow(style.to_rgb(self.images[i], low, high), interpolation="none")
            style.bare(ax)
            ax.set_title(style.shorten(self.names[i], 16), fontsize=sizes.small, pad=sizes.of(3), **style.LITERAL)
            ax.set_xlabel(f"S = {self.squared_distance if i else 0:,}", fontsize=sizes.small)
        self.figure_.suptitle("Three changes, one squared distance S", fontsize=sizes.title)
        return self
