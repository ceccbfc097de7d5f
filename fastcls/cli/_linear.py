"""The linear models of a run: random search, and SVM and softmax with their gradient check and sweep."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets import train_validation_split
from ..gradcheck import check_arithmetic, check_gradient
from ..linear import MulticlassSVM, SoftmaxClassifier, center_and_scale
from ..optim import random_search
from ..problem import LinearProblem
from ._progress import Report

#: alphas tried on the validation rows
ALPHAS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)

#: a larger relative error than this of the analytic gradient in float64 stops the run
GRADIENT_TOLERANCE = 1e-6

#: rows of the gradient check, and multiply-adds it may take (a second or two)
CHECKED_ROWS = 32
CHECK_WORK = 4_000_000_000

#: the lecture's random search
TRIES = 1000
SCALE = 1e-4

LOSSES = {"svm": "hinge", "softmax": "softmax"}


class GradientMismatch(ArithmeticError):
    """The analytic gradient is not the numerical one: nothing trained with it can be trusted."""


def make_estimator(name: str, *, alpha: float, seed: int, **options: Any) -> Any:
    """An unfitted SVM or softmax classifier, everything but ``alpha`` at its default."""
    kind = {"svm": MulticlassSVM, "softmax": SoftmaxClassifier}[name]
    return kind(alpha=alpha, random_state=seed, **options)


def check_on_sample(X: np.ndarray, y: np.ndarray, loss: str, *, seed: int, alpha: float = 1e-2) -> Any:
    """Compare the compiled gradient of ``loss`` with the numerical one on a few rows of the data.

    The rows are drawn at random and read as they are stored, centred and scaled as the estimators do; the analytic
    gradient is the float64 kernels'. The kernels that training uses are then held against these
    (`fastcls.gradcheck.check_arithmetic`). W is drawn such that scores are of the order of one, where no loss is flat. Of a
    large W only some numbers are checked, drawn at random.

    Returns
    -------
    The report of `fastcls.gradcheck.check_gradient`; numbers at a kink of the hinge are kept apart there.

    Raises
    ------
    GradientMismatch
        If the gradient of training differs from the float64 one by more than rounding.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(X), size=min(CHECKED_ROWS, len(X)), replace=False))
    sample = np.ascontiguousarray(X[rows])
    center, scale = center_and_scale(sample, center=True, scale=True)
    options: dict[str, Any] = {
        "loss": loss, "penalty": "l2", "alpha": alpha, "fit_intercept": True, "n_classes": int(y.max()) + 1,
        "center": center, "scale": scale, "penalize_intercept": False,
    }
    problem = LinearProblem(sample, y[rows], arithmetic="float64", **options)
    W = rng.standard_normal(problem.shape) / np.sqrt(X.shape[1])
    own = check_arithmetic(LinearProblem(sample, y[rows], **options), W)
    if not own.agrees:
        raise GradientMismatch(f"the gradient of {loss} on {X.dtype} differs from the float64 one by {own.difference:.1e}, "
                               f"while rounding explains {own.allowed:.1e}; nothing was written")
    affordable = CHECK_WORK // (2 * sample.size * problem.n_classes)  # each number needs two values of the loss
    n_checked = int(np.clip(affordable, 64, 4096))
    return check_gradient(problem, W, n_coordinates=n_checked, random_state=seed)


def require_correct(report: Any, name: str) -> float:
    """The report's maximal relative error; `GradientMismatch` if it is beyond the tolerance (or not a number)."""
    error = float(report.max_relative_error)
    if not error <= GRADIENT_TOLERANCE:
        raise GradientMismatch(f"the gradient check of {name} failed: relative error {error:.1e}, wanted at most "
                               f"{GRADIENT_TOLERANCE:.0e}; nothing was written")
    return error


@dataclass(frozen=True)
class Sweep:
    """Every alpha tried on the validation rows, and the one chosen."""

    candidates: list[dict[str, Any]]
    alpha: float
    validation_accuracy: float


def sweep(name: str, X: np.ndarray, y: np.ndarray, *, seed: int, report: Report) -> Sweep:
    """Fit one model an alpha on four fifths of the rows, keep the one best on the last fifth (stratified).

    Few validation rows give equal accuracies; of these the smallest validation loss wins.
    """
    train, validation = train_validation_split(y, seed=seed)
    X_train, X_validation = X[train], X[validation]
    candidates: list[dict[str, Any]] = []
    for done, alpha in enumerate(ALPHAS):
        report(done, len(ALPHAS))
        begun = time.perf_counter()
        model = make_estimator(name, alpha=alpha, seed=seed).fit(X_train, y[train])
        candidates.append({
            "alpha": alpha,
            "validation_accuracy": float(np.mean(model.predict(X_validation) == y[validation])),
            "validation_loss": loss_of(model, name, X_validation, y[validation]),
            "epochs": int(model.n_iter_),
            "fit_seconds": time.perf_counter() - begun,
        })
    report(len(ALPHAS), len(ALPHAS))
    best = max(candidates, key=lambda candidate: (candidate["validation_accuracy"], -candidate["validation_loss"]))
    for candidate in candidates:
        candidate["chosen"] = candidate is best
    return Sweep(candidates, best["alpha"], best["validation_accuracy"])


def loss_of(model: Any, name: str, X: np.ndarray, y: np.ndarray) -> float:
    """Mean loss of a fitted model on rows of classes it knows, without the penalty."""
    known = np.isin(y, model.classes_)
    if not known.any():
        return np.inf
    codes = np.searchsorted(model.classes_, y[known])
    problem = LinearProblem(X[known], codes, loss=LOSSES[name], fit_intercept=True, n_classes=len(model.classes_))
    return float(problem.value(np.column_stack([model.coef_, model.intercept_])))


def lecture_problem(X: np.ndarray, y: np.ndarray, n_classes: int | None = None) -> LinearProblem:
    """The slides' function of W: hinge loss on raw pixels, bias trick, no penalty."""
    return LinearProblem(X, y, loss="hinge", penalty=None, alpha=0.0, fit_intercept=True, n_classes=n_classes)


def search_randomly(X: np.ndarray, y: np.ndarray, *, seed: int, report: Report) -> tuple[Any, Any]:
    """The lecture's first strategy: the best of 1,000 random W on raw pixels, bias trick, hinge loss.

    Returns
    -------
    model : MulticlassSVM
        Fitted by hand with the W found, so that it predicts and is saved like the others.
    found : the result of `fastcls.optim.random_search`
    """
    found = random_search(lecture_problem(X, y), tries=TRIES, scale=SCALE, random_state=seed, progress=report)
    model = MulticlassSVM()
    model.classes_ = np.unique(y)
    model.n_features_in_ = X.shape[1]
    model.coef_ = np.ascontiguousarray(found.W[:, :-1], dtype=np.float64)
    model.intercept_ = np.ascontiguousarray(found.W[:, -1], dtype=np.float64)
    model.loss_history_ = np.asarray(found.best_values, dtype=np.float64)
    model.n_iter_ = TRIES
    return model, found
