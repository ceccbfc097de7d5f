"""The lecture's hard cases for a linear classifier: two classes that no hyperplane separates.

They are on the slide 'Hard cases for a linear classifier': an odd or even number of white pixels; 1 <= norm <= 2 or not; in
one of three modes or not.
"""

from __future__ import annotations

import numpy as np

from fastcls._validation.base import RandomState, check_number, seed_of
from fastcls.datasets._dataset import Dataset


def make_parity(n: int = 1000, n_pixels: int = 4, *, random_state: RandomState = None) -> Dataset:
    """Make black and white images whose class is the parity of the number of white pixels.

    Parameters
    ----------
    n : int
        Number of images, drawn with replacement. With few pixels all of the 2^n_pixels images occur, and the nearest
        neighbour is identical; with many pixels it has no information about the class.
    n_pixels : int
        Number of pixels of an image, which has one line.
    random_state : int, RandomState or None
        An integer makes the result reproducible.

    Returns
    -------
    Dataset
        X is uint8 of shape (n, n_pixels), with the values 0 and 255; the classes are 'even' and 'odd'.
    """
    rng = _checked(n, random_state, n_pixels=n_pixels)
    white = rng.integers(0, 2, (n, n_pixels), dtype=np.uint8)
    codes = white.sum(axis=1, dtype=np.int64) % 2
    return Dataset(white * np.uint8(255), codes, class_names=("even", "odd"), image_shape=(1, n_pixels, 1), name="parity")


def make_ring(n: int = 1000, *, random_state: RandomState = None) -> Dataset:
    """Make points in the square [-3, 3]^2 whose class is whether 1 <= L2 norm <= 2.

    Parameters
    ----------
    n : int
        Number of points, drawn uniformly.
    random_state : int, RandomState or None
        An integer makes the result reproducible.

    Returns
    -------
    Dataset
        X is float64 of shape (n, 2); the classes are 'outside' and 'ring'.
    """
    X = _checked(n, random_state).uniform(-3, 3, (n, 2))
    norm = np.sqrt((X**2).sum(axis=1))
    return Dataset(X, ((norm >= 1) & (norm <= 2)).astype(np.int64), class_names=("outside", "ring"), name="ring")


_CENTRES = np.array([[-1.5, 1.5], [1.5, 1.0], [-0.5, -1.5]])
_RADIUS = 0.8


def make_three_modes(n: int = 1000, *, random_state: RandomState = None) -> Dataset:
    """Make points in the square [-3, 3]^2 whose class is whether they are in one of three discs.

    The discs have radius 0.8 and the centres (-1.5, 1.5), (1.5, 1) and (-0.5, -1.5).

    Parameters
    ----------
    n : int
        Number of points, drawn uniformly.
    random_state : int, RandomState or None
        An integer makes the result reproducible.

    Returns
    -------
    Dataset
        X is float64 of shape (n, 2); the classes are 'outside' and 'mode'.
    """
    X = _checked(n, random_state).uniform(-3, 3, (n, 2))
    inside = (((X[:, None] - _CENTRES) ** 2).sum(axis=2) <= _RADIUS**2).any(axis=1)
    return Dataset(X, inside.astype(np.int64), class_names=("outside", "mode"), name="three_modes")


def _checked(n: object, random_state: RandomState, **sizes: object) -> np.random.Generator:
    for what, size in {"n": n, **sizes}.items():
        check_number(what, size, minimum=1, whole=True)
    return np.random.default_rng(seed_of(random_state))
