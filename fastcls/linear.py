"""Linear classifiers: the multiclass SVM and softmax (multinomial logistic regression), trained by minibatch descent.

Both minimise mean_i L_i + alpha R(W) over rows that stay as they are in memory, bytes if they are bytes. Training happens
in a centred and scaled space; ``coef_`` and ``intercept_`` are given back in the space of the rows themselves.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from . import _threads
from ._validation import InputError, check_labels, check_number, check_rows, one_of
from .losses import LOSSES
from .optim import SGD
from .persistence import SaveMixin, expect
from .problem import LinearProblem, linear_scores

__all__ = ["MulticlassSVM", "SoftmaxClassifier"]

logger = logging.getLogger("fastcls")

_BLOCK_VALUES = 1 << 20
# Epochs where max_iter is None: enough for so many steps, but within these bounds.
_STEPS, _LEAST_EPOCHS, _MOST_EPOCHS = 1000, 20, 200


def center_and_scale(X: np.ndarray, center: bool, scale: bool) -> tuple[np.ndarray, float]:
    """Mean of every feature, and one root mean square of all centred values; zeros and 1 where not wanted.

    Two passes in blocks of rows; no float copy of X. A constant X has scale 1.
    """
    n, d = X.shape
    step = max(1, _BLOCK_VALUES // d)
    mean = np.zeros(d)
    squares = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        if center:
            for start in range(0, n, step):
                mean += X[start : start + step].sum(axis=0, dtype=np.float64)
            mean /= n
        if scale:
            for start in range(0, n, step):
                centred = X[start : start + step] - mean
                squares += float(np.square(centred, out=centred).sum())
    spread = math.sqrt(squares / (n * d)) or 1.0
    if not (math.isfinite(spread) and np.all(np.isfinite(mean))):
        raise InputError("X has values so large that their squares overflow float64: scale the data down first")
    return mean, spread


class _LinearClassifier(SaveMixin, ClassifierMixin, BaseEstimator):
    """What the two classifiers share: everything but the loss."""

    def _loss_and_options(self) -> tuple[str, dict[str, float]]:
        raise NotImplementedError

    def _epochs(self, n_samples: int) -> int:
        if self.max_iter is not None:
            return check_number("max_iter", self.max_iter, minimum=1, whole=True)
        check_number("batch_size", self.batch_size, minimum=1, whole=True)
        per_epoch = math.ceil(n_samples / self.batch_size)
        return min(_MOST_EPOCHS, max(_LEAST_EPOCHS, math.ceil(_STEPS / per_epoch)))

    def _check_switches(self) -> None:
        one_of("solver", self.solver, ("sgd",))
        for name in ("center", "scale", "fit_intercept"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise InputError(f"{name}={getattr(self, name)!r}; wanted True or False")
        check_number("init_scale", self.init_scale, minimum=0)

    def fit(self, X: Any, y: Any):
        """Train on rows X and labels y.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            uint8, int8, float16, float32 or float64 are read where they lie; other types become float64.
        y : array-like (n_samples,)
            Labels of at least two classes: numbers or strings.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For data or options that cannot be used.
        fastcls.optim.DivergenceError
            When the loss becomes infinite; the message names step and learning rate.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            When a `tol` was given and not met, or training ended far above the loss of W = 0.
        """
        loss, options = self._loss_and_options()
        self._check_switches()
        rows = check_rows(X, "X", estimator=self, reset=True).rows
        classes, codes = check_labels(y, len(rows))
        if len(classes) < 2:
            raise InputError(
                f"y holds one class only, {classes[0]!r}: a linear classifier tells classes apart, so give rows of at "
                "least two"
            )
        mean, spread = center_and_scale(rows, self.center, self.scale)
        problem = LinearProblem(
            rows, codes, loss, self.penalty, self.alpha, self.fit_intercept, n_classes=len(classes), center=mean,
            scale=spread, penalize_intercept=False, n_jobs=self.n_jobs, **options,
        )
        random_state = check_random_state(self.random_state)
        solver = SGD(
            self._epochs(len(rows)), self.batch_size, self.learning_rate, tol=self.tol, random_state=random_state,
            callback=self._say if self.verbose else None,
        )
        start = random_state.standard_normal(problem.shape) * self.init_scale
        if self.fit_intercept:
            start[:, -1] = 0.0
        result = solver.minimize(problem, start)
        self.classes_ = classes
        self.coef_, self.intercept_ = problem.to_raw(result.W)
        self.loss_history_ = np.array(result.loss_history)
        self.n_iter_ = result.n_iter
        self.learning_rate_ = result.learning_rate
        self._warn_if_unfinished(problem, result.converged, solver.max_iter)
        return self

    def _say(self, epoch: int, epochs: int, loss: float) -> None:
        print(f"{type(self).__name__}: epoch {epoch} of {epochs}, loss {loss:.6f}")

    def _warn_if_unfinished(self, problem: LinearProblem, converged: bool | None, epochs: int) -> None:
        last = self.loss_history_[-1]
        at_zero = problem.loss.at_zero(problem.n_classes, *problem.options)
        advice = None
        if last > 2.0 * at_zero:
            advice = (
                f"the loss ended at {last:.4g}, while all-zero weights have {at_zero:.4g}: the steps of "
                f'learning_rate={self.learning_rate_:.3g} are too long; use "auto" or a smaller one'
            )
        elif converged is False:
            advice = (
                f"the loss still falls by more than tol={self.tol:g} of itself after {epochs} epochs: raise max_iter or "
                "tol, or leave tol=None to train for max_iter epochs"
            )
        if advice is not None:
            warnings.warn(advice, ConvergenceWarning, stacklevel=3)

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "coef_")
        rows = check_rows(X, "X", estimator=self).rows
        return linear_scores(rows, self.coef_, self.intercept_, _threads.effective(self.n_jobs))

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores W x + b.

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples, n_classes)
            With two classes (n_samples,), as scikit-learn has it: the second class's score less the first's. ``coef_``
            has one row a class all the same.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The label with the largest score, of equal ones the first in ``classes_``.

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        array (n_samples,)
        """
        winners = self._scores(X).argmax(axis=1)
        return self.classes_[winners]

    def _saved_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"coef": self.coef_, "intercept": self.intercept_, "loss_history": np.asarray(self.loss_history_)}
        return arrays, {"n_iter": int(self.n_iter_), "learning_rate": getattr(self, "learning_rate_", None)}

    def _restore_state(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        self.coef_ = expect(arrays, "coef", (len(self.classes_), None))
        self.intercept_ = expect(arrays, "intercept", (len(self.classes_),))
        self.loss_history_ = expect(arrays, "loss_history", (None,))
        self.n_features_in_ = self.coef_.shape[1]
        self.n_iter_ = int(values["n_iter"])
        if values["learning_rate"] is not None:
            self.learning_rate_ = float(values["learning_rate"])


_SHARED = """
    penalty : {"l2"} or None
        "l2" adds alpha * sum W^2 (no 1/2) of the weights in the centred, scaled space; the bias is free.
    alpha : float
        Strength of the penalty.
    solver : {"sgd"}
        Minibatch gradient descent with momentum 0.9; each epoch visits every row once in a new random order, and the
        step falls to 0 as a half cosine over the epochs.
    batch_size : int
        Rows of a minibatch.
    learning_rate : float or "auto"
        Of the first step. "auto" is 1 over the expected smoothness of a minibatch: the largest eigenvalue of the rows'
        second moment, found by power iteration on at most 512 of them, times the curvature of the loss (1/2 for
        softmax; n_classes / margin for the hinge with its kinks rounded off). See ``fastcls.optim.curvature``.
    max_iter : int or None
        Epochs. None: as many as make 1,000 steps, at least 20 and at most 200.
    tol : float or None
        Stop when the loss has not fallen by `tol` of itself for five epochs, and warn if that never happened. None:
        train for all epochs, and there is nothing to converge to.
    init_scale : float
        Standard deviation of the first weights.
    center : bool
        Take the mean of every feature off. Like `scale` it is folded into the weights: the data is not copied.
    scale : bool
        Divide by one number, the root mean square of all centred values. One for all features: a scale of its own would
        give a pixel that is nearly always 0 values up to sqrt(n_samples), and gained nothing on MNIST.
    fit_intercept : bool
        Whether there is a bias.
    random_state : int, RandomState or None
        First weights, and the order of rows.
    verbose : int
        Above 0: one printed line an epoch.
    n_jobs : int, optional
        Threads; the fitted model is the same bytes for any number.

    Attributes
    ----------
    coef_ : float64 array (n_classes, n_features)
        Weights in the space of the rows as they came; one row a class, also for two classes.
    intercept_ : float64 array (n_classes,)
    classes_ : array (n_classes,)
    loss_history_ : float64 array (n_iter_,)
        The full loss, averaged over each epoch's minibatches, each before its step.
    n_iter_ : int
        Epochs done.
    learning_rate_ : float
        The first step's.
    n_features_in_ : int
"""


class MulticlassSVM(_LinearClassifier):
    __doc__ = f"""Multiclass SVM: the right class must beat every other by a margin.

    Parameters
    ----------
    loss : {{"hinge"}}
        "hinge" is the lecture's: sum over j != y of max(0, s_j - s_y + margin) (Weston and Watkins, 1998).
    margin : float{_SHARED}
    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> MulticlassSVM(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    def __init__(
        self, loss="hinge", *, margin=1.0, penalty="l2", alpha=1e-4, solver="sgd", batch_size=256, learning_rate="auto",
        max_iter=None, tol=None, init_scale=1e-4, center=True, scale=True, fit_intercept=True, random_state=None,
        verbose=0, n_jobs=None,
    ):
        self.loss = loss
        self.margin = margin
        self.penalty = penalty
        self.alpha = alpha
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.init_scale = init_scale
        self.center = center
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _loss_and_options(self) -> tuple[str, dict[str, float]]:
        one_of("loss", self.loss, [name for name, loss in LOSSES.items() if not loss.has_probabilities])
        return self.loss, {"margin": self.margin}


class SoftmaxClassifier(_LinearClassifier):
    __doc__ = f"""Softmax classifier, that is multinomial logistic regression: scores are log probabilities up to a constant.

    Parameters
    ----------{_SHARED}
    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> SoftmaxClassifier(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    def __init__(
        self, *, penalty="l2", alpha=1e-4, solver="sgd", batch_size=256, learning_rate="auto", max_iter=None, tol=None,
        init_scale=1e-4, center=True, scale=True, fit_intercept=True, random_state=None, verbose=0, n_jobs=None,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.init_scale = init_scale
        self.center = center
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _loss_and_options(self) -> tuple[str, dict[str, float]]:
        return "softmax", {}

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of every class: exp(s_k) / sum_j exp(s_j).

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples, n_classes)
        """
        scores = self._scores(X)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)
