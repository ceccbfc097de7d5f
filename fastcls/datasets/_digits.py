"""The data set that needs no file: scikit-learn's copy of the UCI handwritten digits."""

from __future__ import annotations

import numpy as np

from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import recipe_for


def load_digits() -> Dataset:
    """Load scikit-learn's 1,797 grey images of 8 x 8 pixels.

    Returns
    -------
    Dataset
        X (1797, 64) uint8 with values 0 to 16, no test set of its own. The recipe for a new image scales white to 16.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    bunch = sklearn_digits()
    return Dataset(
        bunch.data.astype(np.uint8),  # scikit-learn stores the whole numbers 0 to 16 as float64: exact
        bunch.target.astype(np.int64),
        class_names=tuple(str(digit) for digit in bunch.target_names),
        image_shape=(8, 8, 1),
        preprocessing=recipe_for((8, 8, 1), white=16),
        name="digits",
    )
