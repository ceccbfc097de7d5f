"""Training of the linear classifiers: everything but the loss.

They minimise mean_i L_i + alpha R(W) over rows that stay in memory as they are, bytes included. Training happens in a
centred and scaled space; ``coef_`` and ``intercept_`` belong to the rows as they came.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fastcls import optim
from fastcls._gradient.problem import LinearProblem
from fastcls._gradient.scaling import center_and_scale, squared_distances
from fastcls._runtime import threads
from fastcls._runtime.fitted_state import of_one_fit, publish
from fastcls._sampling.hold_out import hold_out
from fastcls._validation.base import check_random_state
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_known_labels, check_labels
from fastcls._validation.linear import check_l1_ratio, check_two_classes
from fastcls._validation.row_weights import (
    check_labelled_rows,
    check_more_labelled_rows,
    check_sample_weight,
    counted_rows,
    with_class_weight,
)
from fastcls._validation.rows import CheckedRows, check_rows

from ._advice import advice_after
from ._choice import TIES, best_factor, is_small
from ._model import LinearModel
from ._parameters import LinearParameters, default_epochs
from ._strength import automatic_alpha, effective_rows, strength_of_cost, total_weight
from ._validation import check_strength_of_cost, check_warm_start

# alpha="auto" for penalties other than l2, and for `partial_fit`, which does not know how many rows will come.
_ALPHA = 1e-4


def _has_partial_fit(classifier: Any) -> bool:
    good = [name for name, row in optim.SOLVERS.items() if row.has_minibatches]
    if classifier.solver not in good:
        raise AttributeError(
            f"partial_fit needs solver={' or '.join(map(repr, good))} (got {classifier.solver!r}): other solvers need all "
            "rows at once"
        )
    return True


class LinearClassifier(LinearModel, LinearParameters):
    """A classifier by W x + b; its two subclasses choose the loss."""

    def _space(self, X: np.ndarray, weights: np.ndarray, train: np.ndarray | None) -> dict[str, Any]:
        """Center and scale of the training rows. Other rows get the weight 0, so nothing is copied."""
        counted = weights
        if train is not None:
            counted = np.zeros(len(X))
            counted[train] = weights[train] if len(weights) else 1.0
        center, scale = center_and_scale(X, self.center, self.scale, counted, threads.effective(self.n_jobs))
        return {"center": center, "scale": scale}

    def _problem(
        self, X: CheckedRows, codes: np.ndarray, n_classes: int, weights: np.ndarray, **options: Any
    ) -> LinearProblem:
        """Loss, penalty and data; `weights` of length 0 means no weights."""
        loss, loss_options = self._loss_and_options()
        return LinearProblem(
            X,
            codes,
            loss,
            self.penalty,
            fit_intercept=self.fit_intercept,
            n_classes=n_classes,
            max_norm=self.max_norm,
            penalize_intercept=False,
            n_jobs=self.n_jobs,
            sample_weight=weights if len(weights) else None,
            **loss_options,
            **options,
        )

    def _strength(
        self, X: Any, n_classes: int, weights: np.ndarray, rows: np.ndarray | None, space: dict[str, Any]
    ) -> dict[str, float]:
        """Strength of the penalty in the scaled space, as options of a problem over these rows."""
        alpha, ratio = self.alpha, self.l1_ratio
        if self.C is not None:
            assert self.penalty is not None  # `check_strength` refuses C without a penalty
            alpha, ratio = strength_of_cost(
                self.C,
                self.penalty,
                check_l1_ratio(ratio),
                total_weight(weights, rows, len(X)),
                space["scale"],
                one_vector=n_classes == 2 and self._has_one_vector,
            )
            check_strength_of_cost(self.C, alpha)
        elif isinstance(alpha, str):
            alpha = _ALPHA
            if self.penalty == "l2":
                mean_square = float(X.shape[1]) if self.scale else self._mean_square(X, weights, rows, space["center"])
                alpha = automatic_alpha(effective_rows(weights, rows, len(X)), mean_square)
        return {"alpha": alpha, "l1_ratio": ratio}

    def _mean_square(self, X: Any, weights: np.ndarray, rows: np.ndarray | None, center: np.ndarray) -> float:
        """Mean squared distance of the training rows to their center."""
        with np.errstate(over="ignore", invalid="ignore"):
            squares = squared_distances(X, center, threads.effective(self.n_jobs))
            counted = slice(None) if rows is None else rows
            return float(np.average(squares[counted], weights=weights[counted] if len(weights) else None))

    def _chooses(self, X: Any, n_classes: int, train: np.ndarray | None) -> bool:
        """Whether alpha is chosen on held-out rows."""
        if not isinstance(self.alpha, str) or self.C is not None or self.penalty != "l2":
            return False
        if not optim.SOLVERS[self.solver].uses_gradient:
            return False
        return isinstance(X, np.ndarray) and is_small(len(X) if train is None else len(train), X.shape[1], n_classes)

    def _factor(
        self,
        X: CheckedRows,
        codes: np.ndarray,
        n_classes: int,
        weights: np.ndarray,
        train: np.ndarray | None,
        random_state: np.random.RandomState,
    ) -> float:
        """Factor on the formula's alpha, chosen on held-out rows."""
        rows = np.arange(len(codes)) if train is None else train

        def problem_of(some: np.ndarray) -> tuple[LinearProblem, float]:
            space = self._space(X.rows, weights, some)
            alpha = self._strength(X.rows, n_classes, weights, some, space)["alpha"]
            return self._problem(X, codes, n_classes, weights, rows=some, alpha=0.0, **space), alpha

        epochs = default_epochs(len(rows), self.batch_size)
        if optim.SOLVERS[self.solver].has_minibatches and self.max_iter is not None:
            epochs = min(epochs, int(self.max_iter))
        return best_factor(
            codes,
            weights,
            rows,
            problem_of,
            ties_of_few=self._ties_of_few,
            max_iter=epochs,
            batch_size=int(self.batch_size),
            random_state=random_state,
        )

    # Whether scikit-learn's C belongs to a model with one weight vector for two classes.
    _has_one_vector = False
    # Near-ties of alpha="auto" on few rows.
    _ties_of_few = TIES
    # Whether `calibrate` may divide the weights by a temperature.
    _has_temperature = False

    def _start(self, problem: LinearProblem, random_state: np.random.RandomState) -> np.ndarray:
        """First weights: those of the last fit, or small random ones."""
        if self.warm_start and hasattr(self, "coef_"):
            return problem.from_raw(self.coef_, self.intercept_)
        start = random_state.standard_normal(problem.shape) * self.init_scale
        if self.fit_intercept:
            start[:, -1] = 0.0
        return start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X and labels y.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            uint8, int8, float16, bfloat16, float32 and float64 are read in place; other types are converted to float64.
        y : array-like (n_samples,)
            Labels of at least two classes: numbers or strings.
        sample_weight : array-like (n_samples,), optional
            Rows of weight 0 are left out, and a class that has only such rows is not in ``classes_``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the data or an option cannot be used.
        fastcls.optim.DivergenceError
            If the loss becomes infinite; the message names the step and the learning rate.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `tol` was given and not met, if training ended far above the loss of W = 0, or if the loss hardly fell
            because the steps were too short or no random W was better.
        """
        self._check_options()
        with np.errstate(under="ignore"):
            return self._fit(X, check_rows(X, "X"), y, sample_weight)

    def _fit(self, X: Any, rows: CheckedRows, y: Any, sample_weight: Any) -> Self:
        """`fit` on checked rows; of X only the feature names are used."""
        labelled = check_labelled_rows(y, len(rows.rows), sample_weight, self.class_weight)
        classes, codes, weights = labelled.classes, labelled.codes, labelled.weights
        check_two_classes(classes)
        if self.warm_start and hasattr(self, "coef_"):
            check_warm_start(self.classes_, self.coef_.shape[1], classes, rows.rows.shape[1])
        random_state = check_random_state(self.random_state)
        train, held_out = self._split(codes, weights, random_state)
        rows = self._shared(rows, classes, codes, weights, train, held_out)
        space = self._space(rows.rows, weights, train)
        space |= self._strength(rows.rows, len(classes), weights, train, space)
        if self._chooses(rows.rows, len(classes), train):
            space["alpha"] *= self._factor(rows, codes, len(classes), weights, train, copy.deepcopy(random_state))
        problem = self._problem(rows, codes, len(classes), weights, rows=train, **space)
        validation = None if held_out is None else self._problem(rows, codes, len(classes), weights, rows=held_out, **space)
        if validation is not None:
            validation.l1 = validation.l2 = 0.0  # held-out rows measure the loss alone
        start = self._start(problem, random_state)
        optimizer = self._solver(problem.n_samples, random_state)
        result = optimizer.minimize(problem, start, validation)
        self._keep(X, classes, problem, result)
        advice = advice_after(problem, start, result, optim.SOLVERS[self.solver], optimizer)
        if advice is not None:
            warnings.warn(advice, ConvergenceWarning, stacklevel=3)
        return self

    def _shared(
        self,
        rows: CheckedRows,
        classes: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        train: np.ndarray | None,
        held_out: np.ndarray | None,
    ) -> CheckedRows:
        """The rows that problems are built from; `fastcls.dask` sends them to its workers here."""
        return rows

    def _split(
        self, codes: np.ndarray, weights: np.ndarray, random_state: np.random.RandomState
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Row numbers to train on (None: all of X) and to hold out for early stopping (None: no rows)."""
        counted = counted_rows(weights)
        some = None if counted is None else np.flatnonzero(counted)
        if not self.early_stopping:
            return some, None
        some = np.arange(len(codes)) if some is None else some
        n = max(1, round(self.validation_fraction * len(some)))
        what = f"early_stopping with validation_fraction={self.validation_fraction}"
        train, held_out = hold_out(codes[some], n, random_state, what)
        return some[train], some[held_out]

    def _keep(
        self,
        X: Any,
        classes: np.ndarray,
        problem: LinearProblem,
        result: optim.OptimResult,
        before: np.ndarray | None = None,
    ) -> None:
        """Set the fitted attributes all at once: a fit that fails leaves the estimator unchanged.

        `before` is the loss history of earlier calls of `partial_fit`.
        """
        coef, intercept = problem.to_raw(result.W)
        history = np.array(result.loss_history) if before is None else np.append(before, result.loss_history)
        publish(
            self,
            X,
            classes_=classes,
            coef_=coef,
            intercept_=intercept,
            loss_history_=history,
            val_history_=np.array(result.val_history),
            n_iter_=result.n_iter if before is None else len(history),
            learning_rate_=result.learning_rate,
            alpha_=problem.alpha,
            l1_ratio_=problem.l1_ratio,
            center_=np.broadcast_to(problem.center, problem.n_features).copy(),
            scale_=float(problem.scale),
            gradient_norm_=result.gradient_norm,
            **({"temperature_": 1.0} if self._has_temperature else {}),
            _fitted_params=self._params_of_fit(),
        )

    @available_if(_has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch of minibatch descent on these rows, starting from the current weights.

        Center and scale are those of the first call's rows, and the learning rate is constant.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`. A later call whose rows all have weight 0 changes nothing.
        classes : array-like, optional
            All labels that any call will have. Needed in the first call, unless its rows of weight above 0 include them all.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For rows, labels or options that cannot be used: rows of another width, unknown labels, `C` or a checkpoint.
        """
        self._check_options()
        if self.checkpoint is not None:
            raise InputError("partial_fit writes no checkpoint: set checkpoint=None, and save the model between two calls")
        if self.C is not None:
            raise InputError(
                f"partial_fit with C={self.C!r}: C needs the number of all rows, which partial_fit does not know: give "
                "alpha instead"
            )
        is_first = not hasattr(self, "coef_")
        rows = check_rows(X, "X", estimator=None if is_first else self)
        known, codes, given = check_more_labelled_rows(
            y, len(rows.rows), sample_weight, self.class_weight, classes, None if is_first else self.classes_
        )
        check_two_classes(known)
        if len(given) and not given.any():
            if is_first:
                check_sample_weight(given, len(given))  # raises: there is nothing to learn from
            return self
        weights = with_class_weight(given, self.class_weight, known, codes, named=self.class_weight)
        counted = counted_rows(weights)
        train = None if counted is None else np.flatnonzero(counted)
        if is_first or not hasattr(self, "center_"):
            space = self._space(rows.rows, weights, None)
        else:
            space = {"center": self.center_, "scale": self.scale_}
        # The number of rows to come is unknown, so "auto" is the alpha of the last fit, or a small one.
        alpha = getattr(self, "alpha_", _ALPHA) if isinstance(self.alpha, str) else self.alpha
        space |= {"alpha": alpha, "l1_ratio": self.l1_ratio}
        problem = self._problem(rows, codes, len(known), weights, rows=train, **space)
        random_state = check_random_state(self.random_state)
        rate = getattr(self, "learning_rate_", None)
        changes = {"max_iter": 1, "schedule": "constant", "tol": None}
        if rate is not None and self.learning_rate == "auto":
            changes["learning_rate"] = rate
        start = problem.from_raw(self.coef_, self.intercept_) if not is_first else self._start(problem, random_state)
        result = self._solver(problem.n_samples, random_state, **changes).minimize(problem, start)
        named = None if hasattr(self, "n_features_in_") else X  # a later call keeps the names of the first
        self._keep(named, known, problem, result, before=np.zeros(0) if is_first else self.loss_history_)
        return self

    @of_one_fit
    def loss_and_gradient(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, np.ndarray, np.ndarray]:
        """The full loss of the fitted model on some rows, and its gradient.

        Loss and penalty are those of the fit, whatever parameters were set since.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; only labels that the model knows.

        Returns
        -------
        loss : float
            Mean loss plus penalty. The penalty applies to the weights of the centred, scaled space.
        coef_gradient : float64 array (n_classes, n_features)
            Derivative with respect to the weights of that space, which are ``coef_ * scale_``.
        intercept_gradient : float64 array (n_classes,)
            Zeros without `fit_intercept`.

        Raises
        ------
        InputError
            For rows, labels or weights that cannot be read, rows of another width, or a label that the model does not know.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        check_is_fitted(self, "coef_")
        if self._fitted_params:
            return self._as_fitted()._loss_and_gradient(X, y, sample_weight)
        return self._loss_and_gradient(X, y, sample_weight)

    def _loss_and_gradient(self, X: Any, y: Any, sample_weight: Any) -> tuple[float, np.ndarray, np.ndarray]:
        rows = check_rows(X, "X", estimator=self)
        labels, codes = check_labels(y, len(rows.rows))
        check_known_labels(labels, self.classes_, "give rows of those only")
        codes = np.searchsorted(self.classes_, labels)[codes]
        given = check_sample_weight(sample_weight, len(codes))
        weights = with_class_weight(given, self.class_weight, self.classes_, codes, named=self.class_weight)
        space = {"center": getattr(self, "center_", None), "scale": getattr(self, "scale_", 1.0)}
        alpha = _ALPHA if isinstance(self.alpha, str) else self.alpha  # for a model made by hand from weights
        space |= {"alpha": getattr(self, "alpha_", alpha), "l1_ratio": getattr(self, "l1_ratio_", self.l1_ratio)}
        problem = self._problem(rows, codes, len(self.classes_), weights, **space)
        value, gradient = problem.value_and_gradient(problem.from_raw(self.coef_, self.intercept_))
        d = problem.n_features
        return value, gradient[:, :d], gradient[:, d] if self.fit_intercept else np.zeros(len(self.classes_))
