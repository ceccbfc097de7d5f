"""Sweeps of the linear classifiers: one pass over the rows of a fold trains all settings, as more columns."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastcls._gradient.prediction import linear_scores
from fastcls._gradient.problem import LinearProblem
from fastcls._runtime.fitted_state import fitted_attributes, frozen, publish
from fastcls._validation.base import (
    RandomState,
    as_list,
    check_number,
    check_random_state,
    check_switch,
    init_named,
)
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_two_classes
from fastcls._validation.row_weights import LabelledRows, check_labelled_rows, with_class_weight
from fastcls._validation.rows import check_rows
from fastcls.linear import MulticlassSVM, SoftmaxClassifier, check_settings, train_settings

from ._folds import make_folds
from ._grid_ends import warn_at_end
from ._search_cv import SearchCV
from ._validation import check_trainable_cv

__all__ = ["MulticlassSVMCV", "SoftmaxClassifierCV"]

ALPHAS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_BLOCK_BYTES = 1 << 24


def _grid(name: str, given: Any) -> list[Any]:
    values = as_list(given)
    if not values:
        raise InputError(f"{name} is empty; wanted at least one value")
    for value in values:
        if not (name == "learning_rates" and isinstance(value, str) and value == "auto"):
            check_number(name, value, minimum=0, strict=name != "alphas")
    return list(dict.fromkeys(values))


def _strengths(alphas: Any, Cs: Any) -> tuple[str, list[Any]]:
    """The parameter that sets the strength of the penalty, and its values to try."""
    if Cs is None:
        return "alpha", _grid("alphas", ALPHAS if alphas is None else alphas)
    if alphas is not None:
        raise InputError("alphas and Cs both set the strength of the penalty: give only one of them")
    return "C", _grid("Cs", Cs)


class LinearCV(SearchCV):
    """Base class of both sweeps."""

    def __init__(
        self,
        alphas: float | Sequence[float] | None = None,
        learning_rates: float | str | Sequence[float | str] = ("auto",),
        cv: Any = 5,
        *,
        Cs: float | Sequence[float] | None = None,
        penalty: str | None = "l2",
        l1_ratio: float = 0.5,
        max_norm: float | None = None,
        solver: str = "sgd",
        batch_size: int = 256,
        schedule: str = "cosine",
        momentum: float = 0.9,
        nesterov: bool = False,
        max_iter: int | None = None,
        tol: float | None = None,
        init_scale: float = 1e-4,
        center: bool = True,
        scale: bool = True,
        fit_intercept: bool = True,
        random_state: RandomState = None,
        class_weight: Mapping[Any, float] | str | None = None,
        return_train_score: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.alphas = alphas
        self.learning_rates = learning_rates
        self.cv = cv
        self.Cs = Cs
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.max_norm = max_norm
        self.solver = solver
        self.batch_size = batch_size
        self.schedule = schedule
        self.momentum = momentum
        self.nesterov = nesterov
        self.max_iter = max_iter
        self.tol = tol
        self.init_scale = init_scale
        self.center = center
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.random_state = random_state
        self.class_weight = class_weight
        self.return_train_score = return_train_score
        self.n_jobs = n_jobs

    def _estimator(self, **params: Any) -> Any:
        """The classifier with this object's parameters, some of them replaced."""
        raise NotImplementedError

    def _shared(self, kind: type) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.get_params(deep=False) if name in kind().get_params()}

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None) -> Self:
        """Cross-validate all settings, and train the best on all rows.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
        y : array-like (n_samples,)
        sample_weight : array-like (n_samples,), optional
            Weights for training. Rows of weight 0 are in no fold; all other rows count equally in the accuracies.
        groups : array-like (n_samples,), optional
            A numeric `cv` and "loo" hold out rows of one group together; a splitter receives them.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the data, an option or a setting cannot be used, or the splits do not fit the rows.
        fastcls.optim.DivergenceError
            If the loss of the last fit, or of the only setting, becomes infinite.
        """
        (strength, values), rates = _strengths(self.alphas, self.Cs), _grid("learning_rates", self.learning_rates)
        settings = [{strength: value, "learning_rate": rate} for value, rate in itertools.product(values, rates)]
        models = [self._estimator(**setting) for setting in settings]
        check_settings(models)
        check_switch("return_train_score", self.return_train_score)
        rows = check_rows(X, "X")
        labelled = check_labelled_rows(y, len(rows.rows), sample_weight, self.class_weight)
        check_two_classes(labelled.classes)
        folds = self._folds(labelled, groups)
        scores, losses, of_training = [], [], []
        n_unfinished = 0
        for train, test in folds:
            codes, n_classes, weights = self._of_fold(labelled, train)
            trained = train_settings(models, rows, np.maximum(codes, 0), n_classes, weights, train)
            n_unfinished += trained.n_unfinished
            of_fold = [_accuracy_and_loss(trained.problem, W, test, codes) for W in trained.Ws]
            scores.append([score for score, _ in of_fold])
            losses.append([value for _, value in of_fold])
            if self.return_train_score:
                of_training.append([_accuracy_and_loss(trained.problem, W, train, codes)[0] for W in trained.Ws])
        if n_unfinished:
            warnings.warn(
                f"{n_unfinished} of {len(settings) * len(scores)} trainings of the sweep ended with a gradient above tol, "
                "after max_iter iterations or because no step lowered the loss: raise max_iter or tol, or scale the data",
                ConvergenceWarning,
                stacklevel=2,
            )
        made = frozen(self)
        mean_loss = np.mean(losses, axis=0)
        order = np.lexsort((mean_loss, -np.mean(scores, axis=0)))  # of equal accuracies the smaller loss
        more = {"mean_train_score": np.mean(of_training, axis=0)} if of_training else {}
        made._record(settings, np.array(scores).T, int(order[0]), mean_test_loss=mean_loss, **more)
        for name in (strength, "learning_rate"):
            of_others = [one[name] for one in settings]
            warn_at_end(f"{name} of {type(models[0]).__name__}", made.best_params_[name], of_others, made.best_score_)
        best = self._estimator(**made.best_params_)
        made._refit(best, X, rows.rows, labelled.y, sample_weight)
        made.classes_, made.n_splits_ = labelled.classes, len(folds)
        made.coef_, made.intercept_ = best.coef_, best.intercept_
        made.loss_history_, made.n_iter_ = best.loss_history_, best.n_iter_
        publish(self, X, **fitted_attributes(made))
        return self

    def _folds(self, labelled: LabelledRows, groups: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Row numbers (train, test) of every fold, without rows of weight 0."""
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        cv = check_trainable_cv(self.cv, groups, len(labelled.codes))
        made = make_folds(cv, labelled.y, labelled.codes, groups, seed, counted=labelled.counted)
        return [made.split(fold) for fold in range(made.n_folds)]

    def _of_fold(self, labelled: LabelledRows, train: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
        """Codes among the classes in the fold's training rows (-1 for other classes), their number, and all rows' weights.

        A fold with a single class trains with all classes, because a classifier needs two.
        """
        codes, n_classes, given = labelled.codes, len(labelled.classes), labelled.given
        present = np.bincount(codes[train], minlength=n_classes) > 0
        if 1 < present.sum() < n_classes:
            codes, n_classes = np.where(present, np.cumsum(present) - 1, -1)[codes], int(present.sum())
        if isinstance(self.class_weight, str):  # balanced over the rows that this fold trains on
            weights = np.zeros(len(codes))
            of_fold = given[train] if len(given) else given
            weights[train] = with_class_weight(of_fold, self.class_weight, np.arange(n_classes), codes[train])
            return codes, n_classes, weights
        return codes, n_classes, labelled.weights

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores of every class by the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
            For two classes (n_samples,), as in scikit-learn: the second class's score minus the first's.

        Raises
        ------
        InputError
            If X cannot be used.
        ValueError
            For another number of features than in `fit`.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        return self._best().decision_function(X)

    def predict(self, X: Any) -> np.ndarray:
        """Labels predicted by the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InputError
            If X cannot be used.
        ValueError
            For another number of features than in `fit`.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        return self._best().predict(X)


def _accuracy_and_loss(problem: LinearProblem, W: np.ndarray, test: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Accuracy and mean loss on some rows of X; an infinite loss for a model that diverged (all its weights are 0).

    A row with code -1 belongs to a class that the model has not seen. It counts as an error and not in the mean loss.
    """
    coef, intercept = problem.to_raw(W)
    step = max(1, _BLOCK_BYTES // (problem.X.shape[1] * problem.X.itemsize))
    hits, total, n_known = 0, 0.0, int(np.count_nonzero(codes[test] >= 0))
    for start in range(0, len(test), step):
        rows = test[start : start + step]
        rows = rows[codes[rows] >= 0]
        scores = linear_scores(problem.X[rows], coef, intercept, problem.n_threads)
        hits += int((scores.argmax(axis=1) == codes[rows]).sum())
        total += float(problem.loss.function(scores, codes[rows], **problem.loss_options)[0].sum())
    return hits / len(test), total / n_known if n_known and coef.any() else np.inf


class SoftmaxClassifierCV(LinearCV):
    """`SoftmaxClassifier` with penalty strength and learning rate chosen by cross-validation, in one pass.

    Parameters
    ----------
    alphas : sequence of float, optional
        Penalty strengths to try. None: 1e-6, 1e-5, ... 1.
    learning_rates : sequence of float or "auto"
        Initial learning rates to try with each alpha; for solver="sgd" only.
    cv : int, "loo", splitter or iterable of (train, test), default=5
        As for `KNeighborsClassifierCV`: a number means stratified folds, shuffled with `random_state`; with `groups`, no
        group is in two folds. "loo" leaves out one group at a time and needs `groups`: leaving out one row at a time would
        take one training for each row. A fold whose training rows lack a class trains without it and counts its rows as
        errors.
    Cs : sequence of float, optional
        Values of the classifier's `C` to try, instead of `alphas`; each fold applies `C` to the rows it trains on.
    penalty, l1_ratio, max_norm, batch_size, schedule, momentum, nesterov
        As for `SoftmaxClassifier`.
    max_iter, tol, init_scale, center, scale, fit_intercept, random_state, n_jobs
        As for `SoftmaxClassifier`.
    solver : {"sgd", "lbfgs"}, default="sgd"
        "sgd" trains all settings in one pass over the rows per epoch. "lbfgs" goes from the strongest penalty to the weakest
        and starts each training from the previous solution.
    class_weight : dict, "balanced" or None
        "balanced" refers to the rows that a fold trains on.
    return_train_score : bool, default=False
        Whether `cv_results_` also has the accuracy on the training rows of the folds; that takes one more pass over them.

    Attributes
    ----------
    best_params_ : dict
        The setting with the highest mean accuracy; of equally accurate ones, the one with the smallest mean loss.
    best_score_ : float
        Its mean accuracy over the folds.
    best_index_ : int
    cv_results_ : dict
        As in scikit-learn's searches, plus ``mean_test_loss`` and, if `return_train_score`, ``mean_train_score``.
    best_estimator_ : the classifier with the best setting, trained on all rows
    refit_time_ : float
        Seconds of this training.
    n_splits_ : int
    classes_, coef_, intercept_, loss_history_, n_iter_ : those of `best_estimator_`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> SoftmaxClassifierCV(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    def _estimator(self, **params: Any) -> SoftmaxClassifier:
        return SoftmaxClassifier(**{**self._shared(SoftmaxClassifier), **params})

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities from the best estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
            Columns in the order of `classes_`; each row adds up to 1.

        Raises
        ------
        InputError
            If X cannot be used.
        ValueError
            For another number of features than in `fit`.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        return self._best().predict_proba(X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the class probabilities from the best estimator; parameters and errors as for `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
        """
        return self._best().predict_log_proba(X)


class MulticlassSVMCV(LinearCV):
    """`MulticlassSVM` with penalty strength and learning rate chosen by cross-validation, in one pass.

    Parameters
    ----------
    alphas : sequence of float, optional
        Penalty strengths to try. None: 1e-6, 1e-5, ... 1.
    learning_rates : sequence of float or "auto"
        Initial learning rates to try with each alpha; for solver="sgd" only.
    cv : int, "loo", splitter or iterable of (train, test), default=5
        As for `KNeighborsClassifierCV`: a number means stratified folds, shuffled with `random_state`; with `groups`, no
        group is in two folds. "loo" leaves out one group at a time and needs `groups`: leaving out one row at a time would
        take one training for each row. A fold whose training rows lack a class trains without it and counts its rows as
        errors.
    Cs : sequence of float, optional
        Values of the classifier's `C` to try, instead of `alphas`; each fold applies `C` to the rows it trains on.
    loss, margin, include_correct, class_reduction
        As for `MulticlassSVM`.
    penalty, l1_ratio, max_norm, batch_size, schedule, momentum, nesterov
        As for `MulticlassSVM`.
    max_iter, tol, init_scale, center, scale, fit_intercept, random_state, n_jobs
        As for `MulticlassSVM`.
    solver : {"sgd", "lbfgs"}, default="sgd"
        "sgd" trains all settings in one pass over the rows per epoch. "lbfgs" goes from the strongest penalty to the weakest
        and starts each training from the previous solution.
    class_weight : dict, "balanced" or None
        "balanced" refers to the rows that a fold trains on.
    return_train_score : bool, default=False
        Whether `cv_results_` also has the accuracy on the training rows of the folds; that takes one more pass over them.

    Attributes
    ----------
    best_params_ : dict
        The setting with the highest mean accuracy; of equally accurate ones, the one with the smallest mean loss.
    best_score_ : float
        Its mean accuracy over the folds.
    best_index_ : int
    cv_results_ : dict
        As in scikit-learn's searches, plus ``mean_test_loss`` and, if `return_train_score`, ``mean_train_score``.
    best_estimator_ : the classifier with the best setting, trained on all rows
    refit_time_ : float
        Seconds of this training.
    n_splits_ : int
    classes_, coef_, intercept_, loss_history_, n_iter_ : those of `best_estimator_`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> MulticlassSVMCV(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    def __init__(
        self,
        alphas: float | Sequence[float] | None = None,
        learning_rates: float | str | Sequence[float | str] = ("auto",),
        cv: Any = 5,
        *,
        Cs: float | Sequence[float] | None = None,
        loss: str = "hinge",
        margin: float = 1.0,
        include_correct: bool = False,
        class_reduction: str = "sum",
        penalty: str | None = "l2",
        l1_ratio: float = 0.5,
        max_norm: float | None = None,
        solver: str = "sgd",
        batch_size: int = 256,
        schedule: str = "cosine",
        momentum: float = 0.9,
        nesterov: bool = False,
        max_iter: int | None = None,
        tol: float | None = None,
        init_scale: float = 1e-4,
        center: bool = True,
        scale: bool = True,
        fit_intercept: bool = True,
        random_state: RandomState = None,
        class_weight: Mapping[Any, float] | str | None = None,
        return_train_score: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            alphas,
            learning_rates,
            cv,
            Cs=Cs,
            penalty=penalty,
            l1_ratio=l1_ratio,
            max_norm=max_norm,
            solver=solver,
            batch_size=batch_size,
            schedule=schedule,
            momentum=momentum,
            nesterov=nesterov,
            max_iter=max_iter,
            tol=tol,
            init_scale=init_scale,
            center=center,
            scale=scale,
            fit_intercept=fit_intercept,
            random_state=random_state,
            class_weight=class_weight,
            return_train_score=return_train_score,
            n_jobs=n_jobs,
        )
        self.loss = loss
        self.margin = margin
        self.include_correct = include_correct
        self.class_reduction = class_reduction

    def _estimator(self, **params: Any) -> MulticlassSVM:
        return MulticlassSVM(**{**self._shared(MulticlassSVM), **params})


SoftmaxClassifierCV.__init__ = init_named(SoftmaxClassifierCV)  # type: ignore[method-assign]
