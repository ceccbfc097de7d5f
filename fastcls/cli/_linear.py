"""The linear models of a run: random search, and SVM and softmax with their gradient check and choice of alpha."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._gradient.scaling import center_and_scale
from fastcls._runtime.pacing import Progress as Report
from fastcls._validation.types import name_of
from fastcls.linear import MulticlassSVM, SoftmaxClassifier, default_epochs
from fastcls.model_selection import GridEndWarning, MulticlassSVMCV, SoftmaxClassifierCV

from ..datasets import train_validation_split
from ..gradcheck import check_arithmetic, check_gradient
from ..optim import random_search

#: alphas tried on the validation rows
ALPHAS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)

#: the largest relative error of the analytic gradient in float64 that is accepted
GRADIENT_TOLERANCE = 1e-6

#: rows of the gradient check, and its budget of multiply-adds (a second or two)
CHECKED_ROWS = 32
CHECK_WORK = 4_000_000_000

# The lecture's random search: its number of tries, the minimum, and multiply-adds (about 0.1 s) that are always allowed.
MOST_TRIES, FEWEST_TRIES, FREE_WORK = 1000, 10, 2_000_000_000
SCALE = 1e-4

#: losses of the models that are trained with gradients
LOSSES = {"svm": "hinge", "softmax": "softmax"}


class GradientMismatch(ArithmeticError):
    """The analytic gradient differs from the numerical one, so a model trained with it cannot be trusted."""


def numbers_checked(n_rows: int, n_features: int, n_classes: int) -> int:
    """Return how many entries of the gradient `check_on_sample` checks."""
    affordable = CHECK_WORK // (2 * min(CHECKED_ROWS, n_rows) * n_features * n_classes)  # each needs the loss twice
    return int(min(np.clip(affordable, 64, 4096), (n_features + 1) * n_classes))


def check_on_sample(X: np.ndarray, y: np.ndarray, loss: str, *, seed: int, n_checked: int | None = None) -> Any:
    """Compare the compiled gradient of ``loss`` with the numerical one on a few rows of the data.

    The rows are drawn at random, read in their stored type, and centred and scaled as in the estimators. The analytic
    gradient is computed by the float64 kernels, and the kernels used in training are compared with these
    (`fastcls.gradcheck.check_arithmetic`). W is drawn so that scores are of order one, where no loss is flat. If W is
    large, only a random sample of its entries is checked.

    Returns
    -------
    The report of `fastcls.gradcheck.check_gradient`, which lists entries at a kink of the hinge separately.

    Raises
    ------
    GradientMismatch
        If the gradient of training differs from the float64 one by more than rounding.
    """
    rng = np.random.default_rng(seed)
    classes, y = np.unique(y, return_inverse=True)
    rows = np.sort(rng.choice(len(X), size=min(CHECKED_ROWS, len(X)), replace=False))
    sample = np.ascontiguousarray(X[rows])
    center, scale = center_and_scale(sample, center=True, scale=True)
    options: dict[str, Any] = {
        "loss": loss,
        "penalty": "l2",
        "alpha": 1e-2,
        "fit_intercept": True,
        "n_classes": len(classes),
        "center": center,
        "scale": scale,
        "penalize_intercept": False,
    }
    problem = LinearProblem(sample, y[rows], arithmetic="float64", **options)
    W = rng.standard_normal(problem.shape) / np.sqrt(X.shape[1])
    own = check_arithmetic(LinearProblem(sample, y[rows], **options), W)
    if not own.agrees:
        raise GradientMismatch(
            f"the gradient of {loss} on {name_of(X.dtype)} differs from the float64 one by {own.difference:.1e}, but "
            f"rounding explains only {own.allowed:.1e}; the model was not trained"
        )
    n_checked = numbers_checked(len(X), X.shape[1], problem.n_classes) if n_checked is None else n_checked
    return check_gradient(problem, W, n_coordinates=n_checked, random_state=seed)


def require_correct(report: Any, name: str) -> float:
    """Return the maximum relative error; raise `GradientMismatch` if it is above the tolerance or nothing was compared."""
    error = float(report.max_relative_error)
    if not error <= GRADIENT_TOLERANCE:
        too_large = f"relative error {error:.1e}, at most {GRADIENT_TOLERANCE:.0e} is accepted"
        why = too_large if np.isfinite(error) else report.verdict
        raise GradientMismatch(f"the gradient check of {name} failed ({why}); the model was not trained")
    return error


@dataclass(frozen=True)
class Sweep:
    """The alphas compared on the validation rows, the chosen one, and its model fitted on all training rows."""

    candidates: list[dict[str, Any]]
    alpha: float
    validation_accuracy: float
    validation_rows: int
    model: Any
    fit_seconds: float


def make_sweep(name: str, splits: list[tuple[np.ndarray, np.ndarray]], *, seed: int, **options: Any) -> Any:
    """Return an unfitted search over alpha for the SVM or softmax classifier, with defaults for everything else."""
    kind = {"svm": MulticlassSVMCV, "softmax": SoftmaxClassifierCV}[name]
    return kind(alphas=ALPHAS, cv=splits, random_state=seed, **options)


def sweep(name: str, X: np.ndarray, y: np.ndarray, *, seed: int) -> Sweep:
    """Train with all alphas on four fifths of the rows, choose the best on the other fifth, and fit it on all rows.

    The split is stratified. With few rows accuracies are often equal: ties go to the smallest validation loss, then to
    the larger alpha, which comes first.
    """
    split = train_validation_split(y, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridEndWarning)  # a run has no option for alphas
        found = make_sweep(name, [split], seed=seed, return_train_score=True).fit(X, y)
    results, best = found.cv_results_, found.best_index_
    candidates = [
        {
            "alpha": float(alpha),
            "training_accuracy": float(trained),
            "validation_accuracy": float(accuracy),
            "validation_loss": float(loss),
            "chosen": at == best,
        }
        for at, (alpha, trained, accuracy, loss) in enumerate(
            zip(
                *(results[key] for key in ("param_alpha", "mean_train_score", "mean_test_score", "mean_test_loss")),
                strict=True,
            )
        )
    ]
    return Sweep(
        candidates,
        candidates[best]["alpha"],
        candidates[best]["validation_accuracy"],
        len(split[1]),
        found.best_estimator_,
        found.refit_time_,
    )


def n_epochs(n_rows: int) -> int:
    """Return how many epochs a classifier trains on this many rows."""
    return default_epochs(n_rows, SoftmaxClassifier().batch_size)


def random_tries(shape: tuple[int, ...], n_classes: int) -> int:
    """Return the number of random W, from the shapes alone, so that a seed gives the same run on every machine.

    The lecture's 1,000, or fewer, so that they take at most a ninth of the multiply-adds of SVM and softmax together, and
    a tenth of the whole run. Each row takes one multiply-add a weight for its scores and one for the gradient.
    """
    n_rows, n_features = shape
    work_per_try = n_rows * (n_features + 1) * n_classes
    sweep_work = int(len(LOSSES) * 2 * n_epochs(n_rows) * (0.8 * len(ALPHAS) + 1.0) * work_per_try)
    return int(np.clip(max(FREE_WORK, sweep_work // 9) // work_per_try, FEWEST_TRIES, MOST_TRIES))


def lecture_problem(X: np.ndarray, y: np.ndarray, n_classes: int | None = None) -> LinearProblem:
    """Return the slides' function of W: hinge loss on pixels minus the mean image, bias trick, no penalty.

    The slides print losses around 9.0 for random W on CIFAR-10; raw pixels give 9.8 (bench/LINEAR.md).
    """
    center, _ = center_and_scale(X, center=True, scale=False)
    return LinearProblem(X, y, loss="hinge", penalty=None, alpha=0.0, fit_intercept=True, n_classes=n_classes, center=center)


def search_randomly(X: np.ndarray, y: np.ndarray, *, seed: int, report: Report) -> tuple[Any, Any]:
    """Search for the best of many random W (centred pixels, bias trick, hinge loss): the lecture's first strategy.

    Returns
    -------
    model : MulticlassSVM
        Holds the best W, so that it predicts and is saved like the other models.
    found : the result of `fastcls.optim.random_search`
    """
    classes, codes = np.unique(y, return_inverse=True)  # classes without training rows get no weights
    problem = lecture_problem(X, codes, n_classes=len(classes))
    tries = random_tries(X.shape, len(classes))
    found = random_search(problem, max_iter=tries, scale=SCALE, random_state=seed, progress=report)
    model = MulticlassSVM()
    model.classes_ = classes
    model.n_features_in_ = X.shape[1]
    model.coef_, model.intercept_ = problem.to_raw(found.W)
    model.loss_history_ = np.asarray(found.best_values, dtype=np.float64)
    model.n_iter_ = tries
    return model, found
