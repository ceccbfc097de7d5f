"""What the linear classifiers share: everything but the loss.

They minimise mean_i L_i + alpha R(W) over rows that stay as they are in memory, bytes if they are bytes. Training happens
in a centred and scaled space; ``coef_`` and ``intercept_`` are given back in the space of the rows themselves.
"""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fastcls import optim
from fastcls._gradient.problem import LinearProblem, linear_scores
from fastcls._gradient.scaling import center_and_scale, squared_distances
from fastcls._runtime import threads
from fastcls._runtime.fitted_state import of_one_fit, publish
from fastcls._sampling.hold_out import hold_out
from fastcls._scoring.classifier import Classifier
from fastcls._storage.safetensors import Arrays, Saved, expect
from fastcls._storage.saving import SaveMixin
from fastcls._validation import linear as checks
from fastcls._validation.base import check_number, check_random_state
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels
from fastcls._validation.row_weights import check_labelled_rows, check_more_labelled_rows, counted_rows, with_class_weight
from fastcls._validation.rows import CheckedRows, check_finite, check_rows
from fastcls.datasets import names_images, takes_images
from fastcls.penalties import check_penalty

from ._choice import best_factor, is_small
from ._docs import advice_after
from ._strength import automatic_alpha, effective_rows, strength_of_cost, total_weight

# Epochs where max_iter is None: enough for so many steps, but within these bounds.
_STEPS, _LEAST_EPOCHS, _MOST_EPOCHS = 1000, 20, 200
# The models that alpha="auto" compares train for so many of these epochs: enough to see which is better.
_PART_OF_EPOCHS = 0.25
# alpha="auto" of penalties other than l2, and of `partial_fit`, which does not know how many rows will come.
_ALPHA = 1e-4
_ITERATIONS = {"gd": 300, "lbfgs": 200, "random_search": 1000, "random_local_search": 1000}


def _epochs_of_sgd(n_samples: int, batch_size: int) -> int:
    return min(_MOST_EPOCHS, max(_LEAST_EPOCHS, math.ceil(_STEPS / math.ceil(n_samples / batch_size))))


def _learns_by_parts(classifier: Any) -> bool:
    if classifier.solver != "sgd":
        raise AttributeError(f"partial_fit with solver={classifier.solver!r}: only 'sgd' learns from a part of the data")
    return True


class LinearClassifier(SaveMixin, Classifier, BaseEstimator):
    """A classifier by W x + b; the two kinds say which loss."""

    def __init__(
        self,
        *,
        penalty="l2",
        alpha="auto",
        C=None,
        l1_ratio=0.5,
        max_norm=None,
        solver="sgd",
        batch_size=256,
        learning_rate="auto",
        schedule="cosine",
        momentum=0.9,
        nesterov=False,
        max_iter=None,
        tol=None,
        init_scale=1e-4,
        center=True,
        scale=True,
        fit_intercept=True,
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        class_weight=None,
        callbacks=None,
        checkpoint=None,
        checkpoint_seconds=30.0,
        resume=False,
        verbose=0,
        n_jobs=None,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.C = C
        self.l1_ratio = l1_ratio
        self.max_norm = max_norm
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.momentum = momentum
        self.nesterov = nesterov
        self.max_iter = max_iter
        self.tol = tol
        self.init_scale = init_scale
        self.center = center
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.checkpoint_seconds = checkpoint_seconds
        self.resume = resume
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _loss_and_options(self) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def _epochs(self, n_samples: int) -> int:
        if self.max_iter is not None:
            return int(check_number("max_iter", self.max_iter, minimum=1, whole=True))
        if self.solver != "sgd":
            return _ITERATIONS[self.solver]
        check_number("batch_size", self.batch_size, minimum=1, whole=True)
        return _epochs_of_sgd(n_samples, self.batch_size)

    def _check_options(self) -> tuple[str, dict[str, Any]]:
        loss, options = self._loss_and_options()
        check_penalty(self.penalty, self.max_norm)
        checks.check_strength(self.alpha, self.C, self.penalty)
        optim.check_solver(self.solver, loss, self.penalty, self.max_norm is not None)
        for name in ("center", "scale", "fit_intercept", "early_stopping", "warm_start", "nesterov"):
            checks.check_switch(name, getattr(self, name))
        check_number("init_scale", self.init_scale, minimum=0)
        check_number("batch_size", self.batch_size, minimum=1, whole=True)
        checks.check_fraction("validation_fraction", self.validation_fraction, strict=True)
        checks.check_checkpoint(self.checkpoint, self.resume, self.random_state)
        return loss, options

    def _solver(self, n_samples: int, random_state: np.random.RandomState, **changes: Any):
        """The optimiser that the parameters ask for."""
        max_iter = changes.pop("max_iter", None) or self._epochs(n_samples)
        callbacks = [*checks.check_callbacks(self.callbacks), *([self._say] if self.verbose else [])]
        checkpoint = None
        if self.checkpoint is not None:
            checkpoint = optim.Checkpoint(self.checkpoint, self.checkpoint_seconds, resume=self.resume)
        if self.solver == "lbfgs":
            return optim.LBFGS(max_iter, 1e-4 if self.tol is None else self.tol, callbacks=callbacks, checkpoint=checkpoint)
        if self.solver.startswith("random"):
            kind = optim.RandomSearch if self.solver == "random_search" else optim.RandomLocalSearch
            return kind(max_iter, self.init_scale, random_state, callbacks=callbacks, checkpoint=checkpoint)
        options = {
            "learning_rate": self.learning_rate,
            "tol": self.tol,
            "schedule": self.schedule,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "callbacks": callbacks,
            "checkpoint": checkpoint,
            **changes,
        }
        if self.solver == "gd":
            return optim.GradientDescent(max_iter, random_state=random_state, **options)
        return optim.SGD(max_iter, self.batch_size, random_state=random_state, **options)

    def _space(self, X: np.ndarray, weights: np.ndarray, train: np.ndarray | None) -> dict[str, Any]:
        """Center and scale of the rows that are trained on; others get the weight 0, so nothing is copied."""
        counted = weights
        if train is not None:
            counted = np.zeros(len(X))
            counted[train] = weights[train] if len(weights) else 1.0
        mean, spread = center_and_scale(X, self.center, self.scale, counted, threads.effective(self.n_jobs))
        return {"center": mean, "scale": spread}

    def _problem(
        self, X: CheckedRows, codes: np.ndarray, n_classes: int, weights: np.ndarray, **options: Any
    ) -> LinearProblem:
        """Loss, penalty and data; `weights` may be of length 0."""
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
        """The strength of the penalty in the space of training, as options of a problem over these rows."""
        alpha, ratio = self.alpha, self.l1_ratio
        if self.C is not None:
            alpha, ratio = strength_of_cost(
                self.C,
                self.penalty,
                checks.check_l1_ratio(ratio),
                total_weight(weights, rows, len(X)),
                space["scale"],
                one_vector=n_classes == 2 and self._has_one_vector,
            )
            checks.check_strength_of_cost(self.C, alpha)
        elif isinstance(alpha, str):
            alpha = _ALPHA
            if self.penalty == "l2":
                mean_square = float(X.shape[1]) if self.scale else self._mean_square(X, weights, rows, space["center"])
                alpha = automatic_alpha(effective_rows(weights, rows, len(X)), mean_square)
        return {"alpha": alpha, "l1_ratio": ratio}

    def _mean_square(self, X: Any, weights: np.ndarray, rows: np.ndarray | None, center: np.ndarray) -> float:
        """Mean squared length of the rows that are trained on, less their center."""
        with np.errstate(over="ignore", invalid="ignore"):
            squares = squared_distances(X, center, threads.effective(self.n_jobs))
            counted = slice(None) if rows is None else rows
            return float(np.average(squares[counted], weights=weights[counted] if len(weights) else None))

    def _chooses(self, X: Any, n_classes: int, train: np.ndarray | None) -> bool:
        """Whether alpha is chosen on held-out rows."""
        if not isinstance(self.alpha, str) or self.C is not None or self.penalty != "l2" or self.solver.startswith("random"):
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
        """What to multiply the alpha of the formula by, chosen on held-out rows."""
        rows = np.arange(len(codes)) if train is None else train

        def problem_of(some: np.ndarray) -> tuple[LinearProblem, float]:
            space = self._space(X.rows, weights, some)
            alpha = self._strength(X.rows, n_classes, weights, some, space)["alpha"]
            return self._problem(X, codes, n_classes, weights, rows=some, alpha=0.0, **space), alpha

        epochs = math.ceil(_epochs_of_sgd(len(rows), self.batch_size) * _PART_OF_EPOCHS)
        if self.solver == "sgd" and self.max_iter is not None:
            epochs = min(epochs, int(self.max_iter))
        return best_factor(
            codes, weights, rows, problem_of, max_iter=epochs, batch_size=int(self.batch_size), random_state=random_state
        )

    # Whether C is that of a model with one vector of weights where there are two classes.
    _has_one_vector = False

    def _start(self, problem: LinearProblem, random_state: np.random.RandomState) -> np.ndarray:
        if self.warm_start and hasattr(self, "coef_"):
            return problem.from_raw(self.coef_, self.intercept_)
        start = random_state.standard_normal(problem.shape) * self.init_scale
        if self.fit_intercept:
            start[:, -1] = 0.0
        return start

    def fit(self, X: Any, y: Any, sample_weight: Any = None):
        """Train on rows X and labels y.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            uint8, int8, float16, float32 or float64 are read where they lie; other types become float64.
        y : array-like (n_samples,)
            Labels of at least two classes: numbers or strings.
        sample_weight : array-like (n_samples,), optional
            Rows of weight 0 leave the training set, and a class of such rows only is not in ``classes_``.

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
            When a `tol` was given and not met, when training ended far above the loss of W = 0, and when the loss hardly
            fell because steps were too short or random tries too poor.
        """
        self._check_options()
        with np.errstate(under="ignore"):
            return self._fit(X, check_rows(X, "X"), y, sample_weight)

    def _fit(self, X: Any, rows: CheckedRows, y: Any, sample_weight: Any):
        """`fit` on checked rows; X is asked for the names of its features only."""
        labelled = check_labelled_rows(y, len(rows.rows), sample_weight, self.class_weight)
        classes, codes, weights = labelled.classes, labelled.codes, labelled.weights
        checks.check_two_classes(classes)
        if self.warm_start and hasattr(self, "coef_"):
            checks.check_warm_start(self.classes_, self.coef_.shape[1], classes, rows.rows.shape[1])
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
            validation.l1 = validation.l2 = 0.0  # judged by the loss alone
        start = self._start(problem, random_state)
        result = self._solver(problem.n_samples, random_state).minimize(problem, start, validation)
        self._keep(X, classes, problem, result)
        advice = advice_after(problem, start, result, self.solver, self.tol)
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
        """The rows as problems are made of them; `fastcls.dask` hands them out to workers here."""
        return rows

    def _split(
        self, codes: np.ndarray, weights: np.ndarray, random_state: np.random.RandomState
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Numbers of the rows to train on (None: all of X) and of those to stop by (None: none)."""
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
        """What was found, as attributes, all at once: a fit that was refused leaves the estimator as it was.

        `before` is the loss history of earlier calls of `partial_fit`.
        """
        # Not by the BLAS, whose rounding may follow the number of threads.
        gradient_norm = math.sqrt(float(np.square(problem.value_and_gradient(result.W)[1]).sum()))
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
            gradient_norm_=gradient_norm,
            _fitted_params=self._params_of_fit(),
        )

    @available_if(_learns_by_parts)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None):
        """One epoch of minibatch descent on these rows, from where the last call ended.

        Centring and scaling are those of the first call's rows, and the step is constant.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
            A later call may hold rows of weight 0 only, and then changes nothing.
        classes : array-like, optional
            All labels that will ever come; needed in the first call unless its rows of weight above 0 have them all.

        Returns
        -------
        self
        """
        self._check_options()
        if self.checkpoint is not None:
            raise InputError(
                "partial_fit keeps no checkpoint: set checkpoint=None, and save the model between two calls",
                argument="checkpoint",
            )
        if self.C is not None:
            raise InputError(
                f"partial_fit with C={self.C!r}: C weighs the sum of the losses of all rows, whose number "
                "a part does not know; give alpha instead",
                argument="C",
            )
        is_first = not hasattr(self, "coef_")
        rows = check_rows(X, "X", estimator=None if is_first else self)
        known, codes, given = check_more_labelled_rows(
            y, len(rows.rows), sample_weight, self.class_weight, classes, None if is_first else self.classes_
        )
        checks.check_two_classes(known)
        if len(given) and not given.any():
            if is_first:
                checks.check_sample_weight(given, len(given))  # refuses: there is nothing to begin with
            return self
        weights = with_class_weight(given, self.class_weight, known, codes, named=self.class_weight)
        counted = counted_rows(weights)
        train = None if counted is None else np.flatnonzero(counted)
        if is_first or not hasattr(self, "center_"):
            space = self._space(rows.rows, weights, None)
        else:
            space = {"center": self.center_, "scale": self.scale_}
        # How many rows will come is not known: "auto" is the alpha of the last fit, or a small one.
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
        self._keep(X, known, problem, result, before=np.zeros(0) if is_first else self.loss_history_)
        return self

    @of_one_fit
    def loss_and_gradient(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, np.ndarray, np.ndarray]:
        """The full loss of the fitted model on some rows, and its gradient, with the loss and penalty of the fit.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`; labels that the model knows

        Returns
        -------
        loss : float
            Mean loss plus penalty; the penalty acts in the centred, scaled space.
        coef_gradient : float64 array (n_classes, n_features)
            By the weights of that space, coef_ times scale_.
        intercept_gradient : float64 array (n_classes,)
        """
        check_is_fitted(self, "coef_")
        if self._fitted_params:  # whatever was set since, loss and penalty are those of the fit
            return self._as_fitted()._loss_and_gradient(X, y, sample_weight)
        return self._loss_and_gradient(X, y, sample_weight)

    def _loss_and_gradient(self, X: Any, y: Any, sample_weight: Any) -> tuple[float, np.ndarray, np.ndarray]:
        rows = check_rows(X, "X", estimator=self)
        labels, codes = check_labels(y, len(rows.rows))
        checks.check_known_labels(labels, self.classes_, "give rows of those only")
        codes = np.searchsorted(self.classes_, labels)[codes]
        given = checks.check_sample_weight(sample_weight, len(codes))
        weights = with_class_weight(given, self.class_weight, self.classes_, codes, named=self.class_weight)
        # A model without a bias has none to differentiate by, but its intercept may be that of the centring.
        space = {"center": getattr(self, "center_", None), "scale": getattr(self, "scale_", 1.0)}
        alpha = _ALPHA if isinstance(self.alpha, str) else self.alpha  # of a model made by hand from weights
        space |= {"alpha": getattr(self, "alpha_", alpha), "l1_ratio": getattr(self, "l1_ratio_", self.l1_ratio)}
        problem = self._problem(rows, codes, len(self.classes_), weights, **space)
        value, gradient = problem.value_and_gradient(problem.from_raw(self.coef_, self.intercept_))
        d = problem.n_features
        return value, gradient[:, :d], gradient[:, d] if self.fit_intercept else np.zeros(len(self.classes_))

    def _say(self, progress: optim.Progress) -> None:
        held_out = "" if progress.val_loss is None else f", held out {progress.val_loss:.6f}"
        print(f"{type(self).__name__}: {progress.iteration} of {progress.max_iter}, loss {progress.loss:.6f}{held_out}")

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "coef_")
        rows = check_rows(X, "X", estimator=self).rows
        scores = linear_scores(rows, self.coef_, self.intercept_, threads.effective(self.n_jobs))
        checks.check_finite_scores(scores)
        return scores

    @of_one_fit
    @takes_images
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

    @of_one_fit
    @names_images
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

    def _saved_state(self) -> tuple[Saved, dict[str, Any]]:
        arrays = {"coef": self.coef_, "intercept": self.intercept_, "loss_history": np.asarray(self.loss_history_)}
        values = {"n_iter": int(self.n_iter_), "learning_rate": getattr(self, "learning_rate_", None)}
        if hasattr(self, "center_"):  # a model made by hand from weights has none
            arrays["center"] = self.center_
            if len(self.val_history_):
                arrays["val_history"] = np.asarray(self.val_history_)
            values |= {"scale": self.scale_, "gradient_norm": self.gradient_norm_}
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
            self.scale_, self.gradient_norm_ = float(values["scale"]), float(values["gradient_norm"])
            check_finite(self.center_[None], "center")
            check_number("scale", self.scale_, minimum=0, strict=True)
        if "alpha" in values:
            self.alpha_, self.l1_ratio_ = checks.check_alpha(values["alpha"]), checks.check_l1_ratio(values["l1_ratio"])
