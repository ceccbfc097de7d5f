"""The mixin of all classifiers: `score` with checked labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from fastcls._validation.base import refuse_masked
from fastcls._validation.labels import check_labels, check_present

__all__ = ["Classifier"]


class Classifier(ClassifierMixin):
    """scikit-learn's mixin; masked and missing labels are refused."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy: the share of rows whose label is predicted correctly.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional

        Returns
        -------
        float

        Raises
        ------
        InputError
            For rows or labels that cannot be read, masked or missing values among them, or if `X` and `y` differ in length.
        """
        check_present(y)
        refuse_masked(sample_weight, "sample_weight")
        if np.ndim(y) == 1:
            check_labels(y, len(y))
        accuracy: float = super().score(X, y, sample_weight)
        return accuracy
