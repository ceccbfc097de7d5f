"""Linear classifiers: the multiclass SVM and softmax (multinomial logistic regression)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import log_softmax

from fastcls import optim
from fastcls._runtime.fitted_state import frozen, of_one_fit, publish
from fastcls._validation.base import init_named, one_of
from fastcls._validation.labels import check_known_labels, check_labels
from fastcls.datasets import takes_images
from fastcls.losses import LOSSES

from ._base import LinearClassifier
from ._choice import Ties
from ._temperature import fit_temperature

__all__ = ["MulticlassSVM", "SoftmaxClassifier"]


class _NoProbabilities:
    """In place of `predict_proba`: it is missing, and the message says which classifiers have it."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError(
            f"{owner.__name__!r} object has no attribute 'predict_proba': an SVM has scores (decision_function) and no "
            "probabilities; use SoftmaxClassifier, or scikit-learn's CalibratedClassifierCV around this one"
        )


class MulticlassSVM(LinearClassifier):
    """Multiclass SVM: the score of the right class must exceed every other by a margin.

    Parameters
    ----------
    loss : {"hinge", "squared_hinge", "crammer_singer", "one_vs_all"}
        "hinge" is the lecture's: sum over j != y of max(0, s_j - s_y + margin) (Weston and Watkins, 1998). "squared_hinge"
        squares each term, "crammer_singer" takes the largest term only, and "one_vs_all" is a binary hinge per class.
        Formulas and sources: ``fastcls.losses.LOSSES``.
    margin : float
        Smallest score difference with zero loss.
    include_correct : bool
        Include j = y in the sum, which adds the margin and does not change the gradient; "hinge" and "squared_hinge" only.
    class_reduction : {"sum", "mean"}
        "mean" divides by the number of terms in the sum; not for "crammer_singer".
    penalty : {"l2", "l1", "elasticnet", "max_norm"} or None
        Applies to the weights in the centred, scaled space, not to the bias. "l2" adds alpha * sum W^2 (no 1/2); half of
        ``SGDClassifier``'s alpha is the same penalty if `scale` is False. "l1" adds alpha * sum |W| by a proximal step, so
        weights become exactly 0. "elasticnet" is a mixture of both.
    alpha : float or "auto"
        Strength of the penalty. For l2, "auto" starts from a `C` of 8 for rows scaled to a mean squared length of 1, which
        is n_features / (16 n_samples) if `scale` is True; weights of rows count towards n_samples.
        On small data (60 rows or more, and n_samples * n_classes * max(n_features, 64) up to 80 million) `fit` then chooses
        among 1/4, 1, 4, 16 and 256 times that. It takes the most accurate over three stratified folds of the training rows.
        Near-ties go to the smallest log loss, then to the multiple nearest 1 (`MulticlassSVM` below 400 rows: nearest
        16). Larger data, the random searches and ``fastcls.dask`` use 1. The choice takes two to three times as long as the
        training, and up to 20 times as long on fewer than 400 rows (a fraction of a second). It depends on the data and
        `random_state`; ``alpha=model.alpha_`` trains the same model without it.
        For other penalties, and in `partial_fit` without an earlier `fit`, "auto" is 1e-4.
    C : float, optional
        scikit-learn's C, in place of `alpha`, for any `center` and `scale`. Training minimises
        C sum_i w_i L_i + 1/2 sum W^2 over the weights W of the unscaled rows, with row weights w_i. For l1 the second term
        is sum |W|, for "elasticnet" l1_ratio sum |W| + (1 - l1_ratio)/2 sum W^2.
        For softmax it is the C of ``LogisticRegression``; with two classes W is then the difference of their weights. For
        the SVM, W has one row per class, as in ``LinearSVC(multi_class="crammer_singer")``. To train without a bias, also
        set ``center=False``. `partial_fit` does not take C.
    l1_ratio : float
        Fraction of l1 in "elasticnet".
    max_norm : float, optional
        Largest Euclidean norm of the weights of a class, kept by projection. Works with any penalty; required by "max_norm".
    solver : {"sgd", "gd", "lbfgs", "random_search", "random_local_search"}
        "sgd": minibatches; each epoch visits every row once in a new random order. "gd": all rows in every step. "lbfgs":
        quasi-Newton, for the softmax and squared hinge losses with l2 or no penalty. The random searches are the lecture's
        first two ideas.
    batch_size : int
        Rows per minibatch.
    learning_rate : float or "auto"
        Of the first step. "auto" is 1 / the expected smoothness of a minibatch: the largest eigenvalue of the rows' second
        moment, found by power iteration on at most 512 of them, times the curvature of the loss (1/2 for softmax;
        n_classes / margin for the hinge with smoothed kinks). See ``fastcls.optim.curvature``.
    schedule : {"cosine", "constant", "step", "inverse_scaling"}
        How the learning rate decreases during training: see ``fastcls.optim.SCHEDULES``.
    momentum : float
        Momentum coefficient in [0, 1).
    nesterov : bool
        Use Nesterov momentum: evaluate the gradient at the look-ahead point.
    max_iter : int or None
        Epochs (sgd), iterations (gd, lbfgs) or random W (random searches). None: for sgd the epochs that make 1,000 steps,
        at least 20 and at most 200; 300 for gd, 200 for lbfgs, 1,000 for the random searches.
    tol : float or None
        sgd, gd: stop when the loss has not fallen by the relative `tol` for five epochs, and warn if that never happens;
        None: train for all epochs. lbfgs: stop when no entry of the gradient is larger; None is 1e-4.
    init_scale : float
        Standard deviation of the initial weights; for the random searches, of the draws or steps.
    center : bool
        Subtract the mean of every feature. Like `scale`, this is folded into the weights: the data is not copied.
    scale : bool
        Divide by one number for all features, the root mean square of all centred values. Per-feature scaling would give
        values up to sqrt(n_samples) to a pixel that is almost always 0. It did not help on MNIST. If one feature is
        thousands of times larger than the others, these learn very little: scale the features first (``StandardScaler``).
        The automatic learning rate of sgd is safe for the row with the largest weight: if sample weights are very uneven,
        ``solver="lbfgs"`` learns more.
    fit_intercept : bool
        Whether to train a bias.
    early_stopping : bool
        Hold out `validation_fraction` of the rows, stop when their loss has not fallen for five epochs, and keep the weights
        that were best on them. The rows are stratified by class; a class always keeps at least one training row.
    validation_fraction : float
        Fraction of the rows that early stopping holds out.
    warm_start : bool
        Start from the weights of the last fit.
    random_state : int, RandomState or None
        Determines the initial weights, the order of the rows, the held-out rows and the folds of ``alpha="auto"``.
    class_weight : dict, "balanced" or None
        Factors on the weights of the rows. "balanced": n_rows / (n_classes * rows of the class), where sample weights count;
        `partial_fit` takes the rows of the call. A class of weight 0 is left out with its rows.
    callbacks : callable or list of callables, optional
        Called with a ``fastcls.optim.Progress`` after each epoch or iteration; one that returns True ends the training.
    checkpoint : str or path, optional
        File for the state of the training. An interrupted training (a crash, Ctrl-C, SIGKILL) resumes from it and ends with
        the same bits. Needs an integer `random_state`. An existing file is refused, unless `resume` is True.
    checkpoint_seconds : float
        Time between two states that are written.
    resume : bool
        Resume from `checkpoint` if the file exists. Refused with other data, parameters or kernels (``fastcls.simd``).
    verbose : int
        Above 0: print one line per epoch.
    n_jobs : int, optional
        Threads, at most four times the usable processors. The fitted model is the same, bit for bit, for any number.

    Attributes
    ----------
    coef_ : float64 array (n_classes, n_features)
        Weights for the rows as they came; one row per class, also for two classes.
    intercept_ : float64 array (n_classes,)
        Biases for the rows as they came.
    classes_ : array (n_classes,)
        Labels, sorted.
    loss_history_ : float64 array (n_iter_,)
        The full loss: for sgd the mean over each epoch's minibatches, each before its step; for the random searches the
        smallest so far.
    val_history_ : float64 array
        Mean loss on the held-out rows after each epoch; empty without early stopping.
    n_iter_ : int
        Epochs, iterations or random W done.
    gradient_norm_ : float or None
        Euclidean norm of the gradient of the full loss at the fitted weights, in the centred, scaled space, if the solver
        computed that gradient ("lbfgs"); else None. For any model, `loss_and_gradient` computes the gradient.
    learning_rate_ : float or None
        Learning rate of the first step; None for solvers without one.
    alpha_, l1_ratio_ : float
        Penalty in the centred, scaled space; for "auto" the value that was chosen.
    center_ : float64 array (n_features,)
        Means of the features (zeros if `center` is False).
    scale_ : float
        Root mean square of the centred values (1 if `scale` is False).
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> MulticlassSVM(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    predict_proba = _NoProbabilities()

    def __init__(
        self,
        loss: str = "hinge",
        margin: float = 1.0,
        *,
        include_correct: bool = False,
        class_reduction: str = "sum",
        penalty: str | None = "l2",
        alpha: float | str = "auto",
        C: float | None = None,
        l1_ratio: float = 0.5,
        max_norm: float | None = None,
        solver: str = "sgd",
        batch_size: int = 256,
        learning_rate: float | str = "auto",
        schedule: str = "cosine",
        momentum: float = 0.9,
        nesterov: bool = False,
        max_iter: int | None = None,
        tol: float | None = None,
        init_scale: float = 1e-4,
        center: bool = True,
        scale: bool = True,
        fit_intercept: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        callbacks: Callable[[optim.Progress], Any] | Sequence[Callable[[optim.Progress], Any]] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_seconds: float = 30.0,
        resume: bool = False,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.loss = loss
        self.margin = margin
        self.include_correct = include_correct
        self.class_reduction = class_reduction
        super().__init__(
            penalty=penalty,
            alpha=alpha,
            C=C,
            l1_ratio=l1_ratio,
            max_norm=max_norm,
            solver=solver,
            batch_size=batch_size,
            learning_rate=learning_rate,
            schedule=schedule,
            momentum=momentum,
            nesterov=nesterov,
            max_iter=max_iter,
            tol=tol,
            init_scale=init_scale,
            center=center,
            scale=scale,
            fit_intercept=fit_intercept,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            random_state=random_state,
            class_weight=class_weight,
            callbacks=callbacks,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            resume=resume,
            verbose=verbose,
            n_jobs=n_jobs,
        )

    # 16 times the formula's alpha is within half a point of the best on all six data sets of few rows (bench/LINEAR.md).
    _ties_of_few = Ties(errors=1.0, loss=0.03, factor=16.0)

    def _loss_and_options(self) -> tuple[str, dict[str, Any]]:
        one_of("loss", self.loss, [name for name, loss in LOSSES.items() if not loss.has_probabilities])
        given = {name: getattr(self, name) for name in ("margin", "include_correct", "class_reduction")}
        # An option that the loss does not have must be at its default; then it is left out.
        own, known = LOSSES[self.loss].options, LOSSES["hinge"].options
        return self.loss, {name: value for name, value in given.items() if name in own or value != known[name].default}


class SoftmaxClassifier(LinearClassifier):
    """Softmax classifier (multinomial logistic regression): scores are log probabilities up to a constant.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet", "max_norm"} or None
        Applies to the weights in the centred, scaled space, not to the bias. "l2" adds alpha * sum W^2 (no 1/2); half of
        ``SGDClassifier``'s alpha is the same penalty if `scale` is False. "l1" adds alpha * sum |W| by a proximal step, so
        weights become exactly 0. "elasticnet" is a mixture of both.
    alpha : float or "auto"
        Strength of the penalty. For l2, "auto" starts from a `C` of 8 for rows scaled to a mean squared length of 1, which
        is n_features / (16 n_samples) if `scale` is True; weights of rows count towards n_samples.
        On small data (60 rows or more, and n_samples * n_classes * max(n_features, 64) up to 80 million) `fit` then chooses
        among 1/4, 1, 4, 16 and 256 times that. It takes the most accurate over three stratified folds of the training rows.
        Near-ties go to the smallest log loss, then to the multiple nearest 1 (`MulticlassSVM` below 400 rows: nearest
        16). Larger data, the random searches and ``fastcls.dask`` use 1. The choice takes two to three times as long as the
        training, and up to 20 times as long on fewer than 400 rows (a fraction of a second). It depends on the data and
        `random_state`; ``alpha=model.alpha_`` trains the same model without it.
        For other penalties, and in `partial_fit` without an earlier `fit`, "auto" is 1e-4.
    C : float, optional
        scikit-learn's C, in place of `alpha`, for any `center` and `scale`. Training minimises
        C sum_i w_i L_i + 1/2 sum W^2 over the weights W of the unscaled rows, with row weights w_i. For l1 the second term
        is sum |W|, for "elasticnet" l1_ratio sum |W| + (1 - l1_ratio)/2 sum W^2.
        For softmax it is the C of ``LogisticRegression``; with two classes W is then the difference of their weights. For
        the SVM, W has one row per class, as in ``LinearSVC(multi_class="crammer_singer")``. To train without a bias, also
        set ``center=False``. `partial_fit` does not take C.
    l1_ratio : float
        Fraction of l1 in "elasticnet".
    max_norm : float, optional
        Largest Euclidean norm of the weights of a class, kept by projection. Works with any penalty; required by "max_norm".
    solver : {"sgd", "gd", "lbfgs", "random_search", "random_local_search"}
        "sgd": minibatches; each epoch visits every row once in a new random order. "gd": all rows in every step. "lbfgs":
        quasi-Newton, for the softmax and squared hinge losses with l2 or no penalty. The random searches are the lecture's
        first two ideas.
    batch_size : int
        Rows per minibatch.
    learning_rate : float or "auto"
        Of the first step. "auto" is 1 / the expected smoothness of a minibatch: the largest eigenvalue of the rows' second
        moment, found by power iteration on at most 512 of them, times the curvature of the loss (1/2 for softmax;
        n_classes / margin for the hinge with smoothed kinks). See ``fastcls.optim.curvature``.
    schedule : {"cosine", "constant", "step", "inverse_scaling"}
        How the learning rate decreases during training: see ``fastcls.optim.SCHEDULES``.
    momentum : float
        Momentum coefficient in [0, 1).
    nesterov : bool
        Use Nesterov momentum: evaluate the gradient at the look-ahead point.
    max_iter : int or None
        Epochs (sgd), iterations (gd, lbfgs) or random W (random searches). None: for sgd the epochs that make 1,000 steps,
        at least 20 and at most 200; 300 for gd, 200 for lbfgs, 1,000 for the random searches.
    tol : float or None
        sgd, gd: stop when the loss has not fallen by the relative `tol` for five epochs, and warn if that never happens;
        None: train for all epochs. lbfgs: stop when no entry of the gradient is larger; None is 1e-4.
    init_scale : float
        Standard deviation of the initial weights; for the random searches, of the draws or steps.
    center : bool
        Subtract the mean of every feature. Like `scale`, this is folded into the weights: the data is not copied.
    scale : bool
        Divide by one number for all features, the root mean square of all centred values. Per-feature scaling would give
        values up to sqrt(n_samples) to a pixel that is almost always 0. It did not help on MNIST. If one feature is
        thousands of times larger than the others, these learn very little: scale the features first (``StandardScaler``).
        The automatic learning rate of sgd is safe for the row with the largest weight: if sample weights are very uneven,
        ``solver="lbfgs"`` learns more.
    fit_intercept : bool
        Whether to train a bias.
    early_stopping : bool
        Hold out `validation_fraction` of the rows, stop when their loss has not fallen for five epochs, and keep the weights
        that were best on them. The rows are stratified by class; a class always keeps at least one training row.
    validation_fraction : float
        Fraction of the rows that early stopping holds out.
    warm_start : bool
        Start from the weights of the last fit.
    random_state : int, RandomState or None
        Determines the initial weights, the order of the rows, the held-out rows and the folds of ``alpha="auto"``.
    class_weight : dict, "balanced" or None
        Factors on the weights of the rows. "balanced": n_rows / (n_classes * rows of the class), where sample weights count;
        `partial_fit` takes the rows of the call. A class of weight 0 is left out with its rows.
    callbacks : callable or list of callables, optional
        Called with a ``fastcls.optim.Progress`` after each epoch or iteration; one that returns True ends the training.
    checkpoint : str or path, optional
        File for the state of the training. An interrupted training (a crash, Ctrl-C, SIGKILL) resumes from it and ends with
        the same bits. Needs an integer `random_state`. An existing file is refused, unless `resume` is True.
    checkpoint_seconds : float
        Time between two states that are written.
    resume : bool
        Resume from `checkpoint` if the file exists. Refused with other data, parameters or kernels (``fastcls.simd``).
    verbose : int
        Above 0: print one line per epoch.
    n_jobs : int, optional
        Threads, at most four times the usable processors. The fitted model is the same, bit for bit, for any number.

    Attributes
    ----------
    coef_ : float64 array (n_classes, n_features)
        Weights for the rows as they came; one row per class, also for two classes.
    intercept_ : float64 array (n_classes,)
        Biases for the rows as they came.
    classes_ : array (n_classes,)
        Labels, sorted.
    loss_history_ : float64 array (n_iter_,)
        The full loss: for sgd the mean over each epoch's minibatches, each before its step; for the random searches the
        smallest so far.
    val_history_ : float64 array
        Mean loss on the held-out rows after each epoch; empty without early stopping.
    n_iter_ : int
        Epochs, iterations or random W done.
    gradient_norm_ : float or None
        Euclidean norm of the gradient of the full loss at the fitted weights, in the centred, scaled space, if the solver
        computed that gradient ("lbfgs"); else None. For any model, `loss_and_gradient` computes the gradient.
    learning_rate_ : float or None
        Learning rate of the first step; None for solvers without one.
    alpha_, l1_ratio_ : float
        Penalty in the centred, scaled space; for "auto" the value that was chosen.
    center_ : float64 array (n_features,)
        Means of the features (zeros if `center` is False).
    scale_ : float
        Root mean square of the centred values (1 if `scale` is False).
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> SoftmaxClassifier(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    _has_one_vector = True
    _has_temperature = True

    def _loss_and_options(self) -> tuple[str, dict[str, Any]]:
        return "softmax", {}

    @of_one_fit
    @takes_images
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of every class: exp(s_k) / sum_j exp(s_j).

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples, n_classes)

        Raises
        ------
        InputError
            For rows that cannot be read or have another width than those of the fit, or if a score is not finite.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        return self._answers(X, True)[1]

    @of_one_fit
    @takes_images
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of the probability of every class: s_k - log sum_j exp(s_j), also where the probability rounds to 0.

        Parameters
        ----------
        X : array-like (n_samples, n_features)

        Returns
        -------
        float64 array (n_samples, n_classes)

        Raises
        ------
        InputError
            For rows that cannot be read or have another width than those of the fit, or if a score is not finite.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        return np.asarray(log_softmax(self._scores(X), axis=1))

    def calibrate(self, X: Any, y: Any) -> Self:
        """Scale the scores so that `predict_proba` fits rows on which the model was not trained: temperature scaling.

        ``coef_`` and ``intercept_`` are divided by ``temperature_``, which minimises the log loss of these rows. Labels stay
        the same. A later `fit` resets it to 1.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            Held-out rows.
        y : array-like (n_samples,)
            Their labels, only those that the model knows.

        Returns
        -------
        self
            With ``temperature_``: above 1 if the model was too sure.

        Raises
        ------
        InputError
            For rows or labels that cannot be read, or a label that the model does not know.
        sklearn.exceptions.NotFittedError
            Before fit.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> model = SoftmaxClassifier(random_state=0).fit(X[:1000], y[:1000])
        >>> model.calibrate(X[1000:1400], y[1000:1400]).temperature_ < 1  # it was not sure enough
        True
        """
        state = frozen(self)
        scores = state._scores(X)
        labels, codes = check_labels(y, len(scores))
        check_known_labels(labels, state.classes_, "give rows of those only")
        temperature = fit_temperature(scores, np.searchsorted(state.classes_, labels)[codes])
        publish(
            self,
            coef_=state.coef_ / temperature,
            intercept_=state.intercept_ / temperature,
            temperature_=getattr(state, "temperature_", 1.0) * temperature,
        )
        return self


SoftmaxClassifier.__init__ = init_named(SoftmaxClassifier)  # type: ignore[method-assign]
