"""The mixin of all classifiers: `score`, whose refusals are those of `fit`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from fastcls._validation.labels import check_labels, check_present, check_same_kind
from fastcls._validation.row_weights import check_sample_weight

__all__ = ["Classifier"]


class Classifier(ClassifierMixin):
    """scikit-learn's mixin; `score` refuses labels and weights that cannot be compared."""

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
            For rows, labels or weights that cannot be read, masked or missing values among them; if `X` and `y` differ in
            length; or if `y` holds numbers and `predict` returns text, or the other way round.
        """
        check_present(y)
        predicted = np.asarray(self.predict(X))
        labels, codes = check_labels(y, len(predicted))
        check_same_kind(labels, predicted)
        weights = check_sample_weight(sample_weight, len(predicted))
        return float(np.average(labels[codes] == predicted, weights=weights if len(weights) else None))
