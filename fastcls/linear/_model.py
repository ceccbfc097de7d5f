"""A fitted linear model: its scores and labels, and its state in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastcls._gradient.packed import softmax_rows
from fastcls._gradient.prediction import best_classes, linear_scores
from fastcls._runtime import threads
from fastcls._runtime.fitted_state import of_one_fit
from fastcls._scoring.classifier import Classifier
from fastcls._storage.safetensors import Arrays, Saved, expect
from fastcls._storage.saving import SaveMixin
from fastcls._validation.base import check_number
from fastcls._validation.linear import check_alpha, check_l1_ratio
from fastcls._validation.rows import check_finite, check_rows
from fastcls.datasets import names_images, takes_images

from ._validation import check_finite_scores


class LinearModel(SaveMixin, Classifier):
    """Scores W x + b, and the label of the largest."""

    n_jobs: int | None

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "coef_")
        return check_rows(X, "X", estimator=self).rows

    def _scores(self, X: Any) -> np.ndarray:
        scores = linear_scores(self._rows(X), self.coef_, self.intercept_, threads.effective(self.n_jobs))
        check_finite_scores(scores)
        return scores

    def _answers(self, X: Any, want_probabilities: bool) -> tuple[np.ndarray, np.ndarray]:
        """Code of the class with the largest score, (n_samples,), and the softmax of the scores if it is wanted."""
        rows, n_threads = self._rows(X), threads.effective(self.n_jobs)
        found = best_classes(rows, self.coef_, self.intercept_, n_threads, want_probabilities)
        if found is not None:
            return found
        scores = linear_scores(rows, self.coef_, self.intercept_, n_threads)
        check_finite_scores(scores)
        best = scores.argmax(axis=1)
        if want_probabilities:
            softmax_rows(scores, n_threads)
        return best, scores

    @of_one_fit
    @takes_images
    def decision_function(self, X: Any) -> np.ndarray:
        """Scores W x + b of every class.

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples, n_classes)
            For two classes (n_samples,), as in scikit-learn: the second class's score minus the first's. ``coef_`` still
            has one row per class.

        Raises
        ------
        InputError
            For rows that cannot be read or have another width than those of the fit, or if a score is not finite.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    @of_one_fit
    @names_images
    def predict(self, X: Any) -> np.ndarray:
        """The label with the largest score; among equal scores the first in ``classes_``.

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        array (n_samples,)

        Raises
        ------
        InputError
            For rows that cannot be read or have another width than those of the fit, or if a score is not finite.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        best, _ = self._answers(X, False)
        return self.classes_[best]

    def _saved_state(self) -> tuple[Saved, dict[str, Any]]:
        arrays = {"coef": self.coef_, "intercept": self.intercept_, "loss_history": np.asarray(self.loss_history_)}
        values = {"n_iter": int(self.n_iter_), "learning_rate": getattr(self, "learning_rate_", None)}
        if hasattr(self, "center_"):  # a model made by hand from weights has no center
            arrays["center"] = self.center_
            if len(self.val_history_):
                arrays["val_history"] = np.asarray(self.val_history_)
            values |= {"scale": self.scale_, "gradient_norm": self.gradient_norm_}
        if hasattr(self, "temperature_"):
            values["temperature"] = float(self.temperature_)
        if hasattr(self, "alpha_"):
            values |= {"alpha": self.alpha_, "l1_ratio": self.l1_ratio_}
        return arrays, values

    def _restore_state(self, arrays: Arrays, values: dict[str, Any]) -> None:
        self.coef_ = expect(arrays, "coef", (len(self.classes_), None))
        self.intercept_ = expect(arrays, "intercept", (len(self.classes_),))
        self.loss_history_ = expect(arrays, "loss_history", (None,))
        self.n_features_in_ = self.coef_.shape[1]
        check_finite(self.coef_, "coef")
        check_finite(self.intercept_[None], "intercept")
        self.n_iter_ = int(values["n_iter"])
        self.learning_rate_ = None if values["learning_rate"] is None else float(values["learning_rate"])
        if "center" in arrays:
            self.center_ = expect(arrays, "center", (self.n_features_in_,))
            self.val_history_ = expect(arrays, "val_history", (None,)) if "val_history" in arrays else np.zeros(0)
            self.scale_ = float(values["scale"])
            self.gradient_norm_ = None if values["gradient_norm"] is None else float(values["gradient_norm"])
            check_finite(self.center_[None], "center")
            check_number("scale", self.scale_, minimum=0, strict=True)
        if "temperature" in values:
            self.temperature_ = float(values["temperature"])
            check_number("temperature", self.temperature_, minimum=0, strict=True)
        if "alpha" in values:
            self.alpha_, self.l1_ratio_ = check_alpha(values["alpha"]), check_l1_ratio(values["l1_ratio"])
