"""Linear classifiers: the multiclass SVM and softmax (multinomial logistic regression)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._gradient.scaling import center_and_scale
from fastcls._runtime.fitted_state import of_one_fit
from fastcls._validation.base import one_of
from fastcls.datasets import takes_images
from fastcls.losses import LOSSES

from ._base import LinearClassifier
from ._docs import PARAMETERS_AND_ATTRIBUTES

__all__ = ["MulticlassSVM", "SoftmaxClassifier", "center_and_scale"]


class MulticlassSVM(LinearClassifier):
    __doc__ = f"""Multiclass SVM: the right class must beat every other by a margin.

    Parameters
    ----------
    loss : {{"hinge", "squared_hinge", "crammer_singer", "one_vs_all"}}
        "hinge" is the lecture's: sum over j != y of max(0, s_j - s_y + margin) (Weston and Watkins, 1998);
        "squared_hinge" squares each term, "crammer_singer" takes only the largest, and "one_vs_all" is a binary hinge a
        class. Formulas and sources: ``fastcls.losses.LOSSES``.
    margin : float
    include_correct : bool
        Sum over j = y too, which adds the margin and changes no gradient; "hinge" and "squared_hinge" only.
    class_reduction : {{"sum", "mean"}}
        "mean" divides by the number of terms summed; not for "crammer_singer".
{PARAMETERS_AND_ATTRIBUTES}
    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> MulticlassSVM(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    def __init__(
        self,
        loss="hinge",
        margin=1.0,
        *,
        include_correct=False,
        class_reduction="sum",
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

    def _loss_and_options(self) -> tuple[str, dict[str, Any]]:
        one_of("loss", self.loss, [name for name, loss in LOSSES.items() if not loss.has_probabilities])
        given = {name: getattr(self, name) for name in ("margin", "include_correct", "class_reduction")}
        # An option that the loss does not have must stand at its default; then it is left out.
        own, known = LOSSES[self.loss].options, LOSSES["hinge"].options
        return self.loss, {name: value for name, value in given.items() if name in own or value != known[name].default}


class SoftmaxClassifier(LinearClassifier):
    __doc__ = f"""Softmax classifier, that is multinomial logistic regression: scores are log probabilities up to a constant.

    Parameters
    ----------{PARAMETERS_AND_ATTRIBUTES}
    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> SoftmaxClassifier(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9
    True
    """

    _has_one_vector = True

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
        """
        scores = self._scores(X)
        with np.errstate(under="ignore"):
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            return weights / weights.sum(axis=1, keepdims=True)
