"""The mixin of all classifiers: `score`, whose refusals are those of `fit`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from fastcls._validation.label_matrix import check_label_matrix, check_same_labels
from fastcls._validation.labels import check_labels, check_present, check_same_kind
from fastcls._validation.row_weights import check_sample_weight

__all__ = ["Classifier"]


class Classifier(ClassifierMixin):
    """scikit-learn's mixin; `score` refuses labels and weights that cannot be compared."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy: the share of rows whose label is predicted correctly, or all of whose labels are.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,), or (n_rows, n_labels) for a model of several labels per row
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
        if predicted.ndim == 2:
            table, _ = check_label_matrix(y, len(predicted))
            check_same_labels(table, predicted.shape[1])
            hits = (table == predicted).all(axis=1)
        else:
            labels, codes = check_labels(y, len(predicted))
            check_same_kind(labels, predicted)
            hits = labels[codes] == predicted
        weights = check_sample_weight(sample_weight, len(predicted))
        return float(np.average(hits, weights=weights if len(weights) else None))
