"""scikit-learn's logistic regression, iterate by iterate: for protocols that stop before the minimum.

Where a published number comes from a fit that is stopped early, the minimum alone does not reproduce it. So this fit has the
variables, the start, the scaling and the stopping rule of scikit-learn's ``LogisticRegression(solver="lbfgs")``, and float64
throughout. Its predictions equal scikit-learn's on float64 rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from fastcls._gradient.problem import LinearProblem

#: scikit-learn's: sklearn/linear_model/_logistic.py
_LINE_SEARCH, _FTOL = 50, 64 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class FittedLogistic:
    """Weights of one row per class."""

    coef_: np.ndarray
    intercept_: np.ndarray
    n_iter_: int
    converged: bool


def fit_logistic(
    X: np.ndarray, codes: np.ndarray, n_classes: int, *, C: float, max_iter: int, tol: float, n_jobs: int | None = None
) -> FittedLogistic:
    """Minimise the mean loss + |W|^2 / (2 C n_rows) from 0, in float64. Every class has a row.

    Two classes share one weight vector w, as in scikit-learn: their weights are -w/2 and w/2.
    """
    rows = np.ascontiguousarray(X, dtype=np.float64)
    one_vector = n_classes == 2
    alpha = (1.0 if one_vector else 0.5) / (C * len(rows))
    problem = LinearProblem(
        rows, codes, "softmax", "l2", alpha, True, n_classes=n_classes, penalize_intercept=False, n_jobs=n_jobs
    )

    def weights(flat: np.ndarray) -> np.ndarray:
        return np.stack([-flat / 2, flat / 2]) if one_vector else flat.reshape(problem.shape, order="F")

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = problem.value_and_gradient(weights(flat))
        return value, (slope[1] - slope[0]) / 2 if one_vector else slope.ravel(order="F")

    start = np.zeros(problem.shape[1] if one_vector else problem.shape[0] * problem.shape[1])
    with threadpool_limits(1, user_api="blas"):
        found = minimize(
            value_and_gradient,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "maxls": _LINE_SEARCH, "gtol": tol, "ftol": _FTOL},
        )
    W = weights(found.x)
    return FittedLogistic(W[:, :-1].copy(), W[:, -1].copy(), int(found.nit), found.status == 0)
