"""Words of the linear classifiers: parameters and attributes that they share, and advice where training falls short."""

from __future__ import annotations

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.messages import counted
from fastcls.optim import OptimResult, curvature

# A training whose loss changed by less than this part of itself did not move,
_MOVED = 0.01
# if one longer step, of so many times the safe one, makes it fall by more.
_LONGER_STEPS = (1.0, 10.0, 100.0, 1000.0)


def advice_after(
    problem: LinearProblem, start: np.ndarray, result: OptimResult, solver: str, tol: float | None
) -> str | None:
    """What to change, where training ended far above the loss of W = 0, did not move at all or did not meet its `tol`."""
    at_zero = problem.loss.at_zero(problem.n_classes, **problem.loss_options)
    # L-BFGS has no learning rate, and no history either where it begins at the minimum
    if result.learning_rate is not None and result.loss_history[-1] > 2.0 * at_zero:
        return (
            f"the loss ended at {result.loss_history[-1]:.4g}, while all-zero weights have {at_zero:.4g}: the steps of "
            f'learning_rate={result.learning_rate:.3g} are too long; use "auto" or a smaller one'
        )
    if solver.startswith("random"):
        return _of_random_search(result, at_zero)
    if solver in ("sgd", "gd") and _never_moved(problem, start, result):
        return (
            f"the loss hardly fell in {counted(result.n_iter, 'epoch')}, and longer steps lower it: the steps of "
            f'learning_rate={result.learning_rate:.3g} are too short; use a larger one ("auto" finds one), or another solver'
        )
    if result.converged is not False or result.stopped_by != "max_iter":
        return None
    if solver == "lbfgs":
        return (
            f"no entry of the gradient should be above tol={1e-4 if tol is None else tol:g}, but L-BFGS stopped after "
            f"{counted(result.n_iter, 'iteration')}: raise max_iter or tol"
        )
    return (
        f"the loss still falls by more than tol={tol:g} of itself after {counted(result.n_iter, 'epoch')}: raise max_iter "
        "or tol, or "
        "leave tol=None to train for max_iter epochs"
    )


def _of_random_search(result: OptimResult, at_zero: float) -> str | None:
    if result.loss_history and result.loss_history[-1] < at_zero * (1.0 - 1e-6):
        return None
    return (
        f"none of {counted(result.n_iter, 'try', 'tries')} has a loss below that of all-zero weights, {at_zero:.4g}: "
        "choose another "
        "init_scale, or raise max_iter"
    )


def _never_moved(problem: LinearProblem, start: np.ndarray, result: OptimResult) -> bool:
    """Whether the loss stayed where it was though a longer step along the gradient lowers it."""
    history = np.array(result.loss_history)
    # Means of epochs cost nothing to look at, but are noisy. Steps that are too long move the loss, too, and back up.
    if not len(history) or np.abs(history - history[0]).max() > 10 * _MOVED * history[0]:
        return False
    assert result.learning_rate is not None
    begun, ended = problem.value(start), problem.value(result.W)
    if abs(ended - begun) > _MOVED * begun:
        return False
    safe = max(result.learning_rate, 1.0 / max(curvature(problem, problem.n_samples, np.random.RandomState(0)), 1e-300))
    _, slope = problem.value_and_gradient(result.W)
    with np.errstate(over="ignore", invalid="ignore"):
        values = problem.values([problem.projected(result.W - times * safe * slope) for times in _LONGER_STEPS])
    return bool(np.nanmin(np.append(values, np.inf)) < (1.0 - _MOVED) * ended)


PARAMETERS_AND_ATTRIBUTES = """
    penalty : {"l2", "l1", "elasticnet", "max_norm"} or None
        Of the weights in the centred, scaled space; the bias is free. "l2" adds alpha * sum W^2 (no 1/2), "l1"
        alpha * sum |W| by a proximal step, so weights become exactly 0, "elasticnet" a mixture of both. Half of
        ``SGDClassifier``'s alpha is the same l2 penalty where `scale` is False.
    alpha : float or "auto"
        Strength of the penalty. "auto" starts, for l2, from the `C` of 8 of rows scaled to a mean squared length of 1, which
        is n_features / (16 n_samples) where `scale` is True; a row counts as often as its weight says, and at least once.
        On small data (60 rows or more, and n_samples * n_classes * max(n_features, 64) up to 80 million) `fit` then
        chooses among 1/4, 1, 4, 16 and 256 times that, by the weighted accuracy in three stratified folds of the rows it
        trains on; of about equal ones by a log loss, and then the nearest to 1. Larger data, the random searches and
        ``fastcls.dask`` take 1. The choice takes two to three times as long as the training; it depends on the data and
        `random_state`, and ``alpha=model.alpha_`` trains the same model without it.
        For the other penalties, and in a `partial_fit` without a `fit` before it, "auto" is 1e-4.
    C : float, optional
        In place of `alpha`: the C of scikit-learn, whatever `center` and `scale` are. Training minimises
        C sum_i w_i L_i + 1/2 sum W^2, with the weights W of the rows as they came and the weights w_i of the rows; for l1
        the second term is sum |W|, for "elasticnet" l1_ratio sum |W| + (1 - l1_ratio)/2 sum W^2.
        For the softmax it is the C of ``LogisticRegression``; of two classes W is then the difference of their weights. For
        the SVM, W has a row for each class, as in ``LinearSVC(multi_class="crammer_singer")``. Without a bias, set
        ``center=False`` too. `partial_fit` takes no C.
    l1_ratio : float
        Part of l1 in "elasticnet".
    max_norm : float, optional
        Largest Euclidean norm of a class's weights, kept by projection; with any penalty, and needed by "max_norm".
    solver : {"sgd", "gd", "lbfgs", "random_search", "random_local_search"}
        "sgd": minibatches; each epoch visits every row once in a new random order. "gd": all rows in every step. "lbfgs":
        SciPy's, for the softmax and squared hinge losses with l2 or no penalty. The last two are the lecture's first ideas.
    batch_size : int
        Rows of a minibatch.
    learning_rate : float or "auto"
        Of the first step. "auto" is 1 over the expected smoothness of a minibatch: the largest eigenvalue of the rows'
        second moment, found by power iteration on at most 512 of them, times the curvature of the loss (1/2 for softmax;
        n_classes / margin for the hinge with its kinks rounded off). See ``fastcls.optim.curvature``.
    schedule : {"cosine", "constant", "step", "inverse_scaling"}
        How the step shrinks as training goes on: see ``fastcls.optim.SCHEDULES``.
    momentum : float
        What part of a step is taken again with the next.
    nesterov : bool
        Take the gradient where the momentum leads to.
    max_iter : int or None
        Epochs (sgd), iterations (gd, lbfgs) or tries (random searches). None: for sgd as many epochs as make 1,000 steps,
        at least 20 and at most 200; 300 for gd, 200 for lbfgs, 1,000 tries.
    tol : float or None
        sgd, gd: stop when the loss has not fallen by `tol` of itself for five epochs, and warn if that never happened;
        None: train for all epochs, and there is nothing to converge to. lbfgs: stop when no entry of the gradient is larger;
        None is 1e-4.
    init_scale : float
        Standard deviation of the first weights; of the draws or steps of the random searches.
    center : bool
        Take the mean of every feature off. Like `scale` it is folded into the weights: the data is not copied.
    scale : bool
        Divide by one number, the root mean square of all centred values. One for all features: a scale of its own would
        give a pixel that is nearly always 0 values up to sqrt(n_samples), and gained nothing on MNIST. Beside a feature
        thousands of times larger the others learn next to nothing: scale such features first (``StandardScaler``). Steps
        of sgd also suit the heaviest row: of weights as uneven, ``solver="lbfgs"`` learns more.
    fit_intercept : bool
        Whether there is a bias.
    early_stopping : bool
        Keep `validation_fraction` of the rows apart, stop when their loss has not fallen for five epochs, and keep the
        weights that were best on them. The rows are stratified by class, and a class never gives its last row.
    validation_fraction : float
    warm_start : bool
        Start from the weights of the last fit.
    random_state : int, RandomState or None
        First weights, order of rows, rows kept apart, folds of ``alpha="auto"``.
    class_weight : dict, "balanced" or None
        Multiplies the weights of rows. "balanced": n_rows / (n_classes * rows of the class), where a row counts as much as
        its sample weight; in `partial_fit` by the rows of the call. A class of weight 0 leaves with its rows.
    callbacks : callable or list of them, optional
        Called with a ``fastcls.optim.Progress`` after each epoch or iteration; one that returns True ends the training.
    checkpoint : str or path, optional
        A file that holds the state of the training, so that it can go on after it was broken off (a crash, Ctrl-C, SIGKILL)
        and end with the same bits. Needs a ``random_state`` that is a number. A file that is there is refused, unless
        ``resume``.
    checkpoint_seconds : float
        Between two states that are written.
    resume : bool
        Go on from ``checkpoint``, if it is there; with other data, parameters or kernels (``fastcls.simd``) it is refused.
    verbose : int
        Above 0: one printed line an epoch.
    n_jobs : int, optional
        Threads, at most four times the usable processors; the fitted model is the same bytes for any number.

    Attributes
    ----------
    coef_ : float64 array (n_classes, n_features)
        Weights in the space of the rows as they came; one row a class, also for two classes.
    intercept_ : float64 array (n_classes,)
    classes_ : array (n_classes,)
    loss_history_ : float64 array (n_iter_,)
        The full loss: for sgd averaged over each epoch's minibatches, each before its step; for the random searches the
        smallest so far.
    val_history_ : float64 array
        The mean loss on the rows kept apart after each epoch; empty without early_stopping.
    n_iter_ : int
        Epochs, iterations or tries done.
    gradient_norm_ : float
        Euclidean norm of the full loss's gradient, in the centred, scaled space, where training ended.
    learning_rate_ : float or None
        The first step's.
    alpha_, l1_ratio_ : float
        The penalty's, in the centred, scaled space; of "auto" what was chosen.
    center_ : float64 array (n_features,)
    scale_ : float
    n_features_in_ : int
"""
