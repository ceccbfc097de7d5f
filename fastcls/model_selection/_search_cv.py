"""What both searches over settings share: `cv_results_`, the last fit, and the best estimator."""

from __future__ import annotations

import time
from numbers import Number
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastcls._scoring.classifier import Classifier
from fastcls._storage.saving import SaveBestMixin
from fastcls._validation.rows import remember_features


class SearchCV(SaveBestMixin, Classifier, BaseEstimator):
    """A classifier that tries settings by cross-validation and is then the best of them, fitted on all rows."""

    best_estimator_: Any

    def _record(
        self, params: list[dict[str, Any]], scores: np.ndarray, best: int, std: np.ndarray | None = None, **more: Any
    ) -> None:
        """Set `cv_results_` and the best setting.

        Parameters
        ----------
        params : list of dict
            The settings.
        scores : ndarray of shape (n_settings, n_splits)
        best : int
            Index of the chosen setting.
        std : ndarray of shape (n_settings,), optional
            Given for leave-one-out, where `scores` has one column and no splits are reported.
        **more : further entries of `cv_results_`
        """
        mean = scores.mean(axis=1)
        self.best_index_, self.best_params_, self.best_score_ = best, params[best], float(mean[best])
        splits = {} if std is not None else {f"split{at}_test_score": of_split for at, of_split in enumerate(scores.T)}
        self.cv_results_ = {
            "params": params,
            **{f"param_{name}": _column([setting[name] for setting in params]) for name in params[0]},
            "mean_test_score": mean,
            "std_test_score": scores.std(axis=1) if std is None else std,
            "rank_test_score": rankdata(-mean, method="min").astype(np.int32),
            **more,
            **splits,
        }

    def _refit(self, best: Any, X: Any, rows: np.ndarray, y: Any, sample_weight: Any) -> None:
        """Fit the best estimator on all rows."""
        begun = time.perf_counter()
        self.best_estimator_ = best.fit(rows, y, sample_weight)
        self.refit_time_ = time.perf_counter() - begun
        remember_features(best, X)

    def _best(self) -> Any:
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_


def _column(values: list[Any]) -> np.ndarray:
    return np.array(values, dtype=None if all(isinstance(value, Number) for value in values) else object)
