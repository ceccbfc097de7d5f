"""Precision, recall and F1 of every class."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_fscore_support


def numbers_of_classes(
    truth: np.ndarray, predicted: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return precision, recall, F1 and test rows of each class code, all (n_classes,), by scikit-learn.

    NaN is a number without a meaning: the precision of a class that is never predicted, the recall of one without test
    rows, and the F1 of one that has neither.
    """
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=np.arange(n_classes), zero_division=np.nan
    )
    return precision, recall, f1, support
