"""scikit-learn's copy of the UCI handwritten digits, a data set that needs no file."""

from __future__ import annotations

import numpy as np

from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import recipe_for


def load_digits() -> Dataset:
    """Load scikit-learn's 1,797 grey images of 8 x 8 pixels.

    Returns
    -------
    Dataset
        X is uint8 of shape (1797, 64) with values 0 to 16. There is no test set. The recipe scales white to 16.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    bunch = sklearn_digits()
    return Dataset(
        bunch.data.astype(np.uint8),  # exact: scikit-learn stores the integers 0 to 16 as float64
        bunch.target.astype(np.int64),
        class_names=tuple(str(digit) for digit in bunch.target_names),
        image_shape=(8, 8, 1),
        preprocessing=recipe_for((8, 8, 1), white=16),
        name="digits",
    )
