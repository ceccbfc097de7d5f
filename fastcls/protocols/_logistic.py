"""scikit-learn's logistic regression, iterate by iterate: for protocols that stop before the minimum.

Where a published number comes from a fit that is stopped early, the minimum alone does not reproduce it. So `fit_logistic`
has the variables, the start, the scaling and the stopping rule of scikit-learn's ``LogisticRegression(solver="lbfgs")``, and
float64 throughout. Even the formula of the loss is the same: with scores in the thousands (raw bytes), its rounding decides
the line search, and with it the next iterates. Its predictions equal scikit-learn's on float64 rows. All other probes train
to the minimum, by the classifier `at_minimum`.

Sources: scikit-learn, sklearn/linear_model/_logistic.py, _linear_loss.py and _loss/_loss.pyx.tp. Only facts were taken.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from fastcls._gradient.prediction import linear_scores
from fastcls._runtime import threads
from fastcls._validation.messages import counted
from fastcls._validation.types import as_numbers
from fastcls.linear import SoftmaxClassifier

#: scikit-learn's options of SciPy's L-BFGS
_LINE_SEARCH, _FTOL = 50, 64 * np.finfo(np.float64).eps
#: products of an iteration above which BLAS may use several threads
_LARGE = 200_000_000


def at_minimum(C: float, *, max_iter: int, tol: float, n_jobs: int | None) -> SoftmaxClassifier:
    """The classifier of the probes that train until the gradient is small: not fitted, and without random numbers."""
    return SoftmaxClassifier(
        C=C,
        solver="lbfgs",
        center=True,  # with a free bias only the speed changes
        scale=False,
        max_iter=max_iter,
        tol=tol,
        random_state=0,
        init_scale=0.0,  # the start is 0, as in scikit-learn
        n_jobs=n_jobs,
    )


@dataclass(frozen=True, eq=False)
class FittedLogistic:
    """Weights of one row per class."""

    coef_: np.ndarray
    intercept_: np.ndarray
    n_iter_: int
    converged: bool


class Trained(NamedTuple):
    """A fitted probe with ``coef_`` and ``intercept_``, whether it met its tolerance, and its iterations."""

    model: Any
    converged: bool
    n_iter: int


class Fits(NamedTuple):
    """How the fits of a protocol ended: `converged` and `n_iter_` of each, and the most iterations that it allows."""

    max_iter: int
    ends: list[tuple[bool, int]]

    def note(self) -> str | None:
        """A note on fits that ended above their tolerance; None if there are none."""
        n_fits = counted(len(self.ends), "fit")
        n_stopped = sum(not converged and n_iter >= self.max_iter for converged, n_iter in self.ends)
        n_stuck = sum(not converged and n_iter < self.max_iter for converged, n_iter in self.ends)
        notes = []
        if n_stopped:
            notes.append(f"{n_stopped:,} of {n_fits} stopped after {self.max_iter:,} iterations, as published")
        if n_stuck:
            notes.append(
                f"{n_stuck:,} of {n_fits} stopped early, because the line search found no step that lowers the loss: scale "
                "the rows to values near 1"
            )
        return "; ".join(notes) or None


def trained_to_minimum(
    X: np.ndarray, codes: np.ndarray, C: float, *, max_iter: int, tol: float, n_jobs: int | None
) -> Trained:
    """Fit the classifier `at_minimum`, without a warning: tables have a note on the fits whose answers they have."""
    model = at_minimum(C, max_iter=max_iter, tol=tol, n_jobs=n_jobs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, codes)
    return Trained(model, *ended(model, max_iter))


def scores_of(model: Any, rows: np.ndarray, n_jobs: int | None) -> np.ndarray:
    """The score of every class for every row, float64 (n_rows, n_classes)."""
    return linear_scores(rows, model.coef_, model.intercept_, threads.effective(n_jobs))


def ended(model: Any, max_iter: int) -> tuple[bool, int]:
    """Whether a fitted probe converged, and its iterations."""
    n_iter = int(model.n_iter_)
    return (model.converged if isinstance(model, FittedLogistic) else n_iter < max_iter), n_iter


def fit_logistic(
    X: np.ndarray, codes: np.ndarray, n_classes: int, *, C: float, max_iter: int, tol: float, n_jobs: int | None = None
) -> FittedLogistic:
    """Minimise the mean loss + |W|^2 / (2 C n_rows) from 0, in float64. Every class has a row.

    Two classes share one weight vector w, as in scikit-learn: their weights are -w/2 and w/2.
    """
    rows = np.ascontiguousarray(as_numbers(X), dtype=np.float64)
    n, d = rows.shape
    n_vectors = 1 if n_classes == 2 else n_classes
    strength = 1.0 / (C * n)
    samples = np.arange(n)

    def loss_and_slopes(scores: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean loss, and its derivative by the scores, times n."""
        if n_vectors == 1:
            return float((np.logaddexp(0.0, scores) - codes[:, None] * scores).sum()) / n, expit(scores) - codes[:, None]
        top = scores.max(axis=1)
        slopes = np.exp(scores - top[:, None])
        sums = slopes.sum(axis=1)
        losses = np.log(sums) + top
        losses -= scores[samples, codes]
        slopes /= sums[:, None]
        slopes[samples, codes] -= 1.0
        return float(losses.sum()) / n, slopes

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        W = flat.reshape(n_vectors, d + 1, order="F")  # the bias last
        loss, slopes = loss_and_slopes(rows @ W[:, :-1].T + W[:, -1])
        gradient = np.empty_like(W, order="F")
        gradient[:, :-1] = slopes.T @ rows / n + strength * W[:, :-1]
        gradient[:, -1] = slopes.sum(axis=0) / n
        return loss + 0.5 * strength * float((W[:, :-1] ** 2).sum()), gradient.ravel(order="F")

    # BLAS threads that wait for each other take ten times as long as one, on a few rows and a busy machine
    n_threads = threads.effective(n_jobs) if rows.size * n_vectors > _LARGE else 1
    with threadpool_limits(n_threads, user_api="blas"), np.errstate(under="ignore"):
        found = minimize(
            value_and_gradient,
            np.zeros(n_vectors * (d + 1)),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "maxls": _LINE_SEARCH, "gtol": tol, "ftol": _FTOL},
        )
    W = found.x.reshape(n_vectors, d + 1, order="F")
    if n_vectors == 1:
        W = np.concatenate([-W / 2, W / 2])
    return FittedLogistic(W[:, :-1].copy(), W[:, -1].copy(), int(found.nit), found.status == 0)
