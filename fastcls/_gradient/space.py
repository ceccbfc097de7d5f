"""The space of W: its shape, penalty, centre and scale, and the way from W to weights of raw rows and back."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np

from fastcls._validation import linear as checks
from fastcls.losses import find_loss
from fastcls.penalties import PENALTIES, check_penalty, project

from . import loops
from .arrays import Arrays


def padded(n_features: int) -> int:
    """n_features rounded up to whole strips: the width of the weights in the compiled loops."""
    return -(-n_features // loops.STRIP_FEATURES) * loops.STRIP_FEATURES


class WeightSpace:
    """What a problem knows of W without its rows: loss, penalty, shape, centre and scale.

    The methods are those of `LinearProblem`, which adds the rows.
    """

    n_classes: int
    n_features: int
    arithmetic: str
    _arrays = Arrays(keep=False)

    def _set_terms(
        self, loss: str, options: dict[str, Any], penalty: str | None, alpha: float, l1_ratio: float, max_norm: float | None
    ) -> None:
        """Loss and penalty."""
        self.loss = find_loss(loss)
        self.penalty = check_penalty(penalty, max_norm)
        self.alpha = checks.check_alpha(alpha)
        self.max_norm = math.inf if max_norm is None else float(max_norm)
        self.l1_ratio = checks.check_l1_ratio(l1_ratio)
        l1, l2 = PENALTIES[self.penalty].parts(self.l1_ratio) if self.penalty else (0.0, 0.0)
        self.l1, self.l2 = self.alpha * l1, self.alpha * l2
        self.loss_options = self.loss.check_options(options)
        self.options = self.loss.option_numbers(options)

    def _set_space(self, fit_intercept: bool, penalize_intercept: bool, center: Any, scale: Any) -> None:
        """Space and shape of W; `n_features` and `n_classes` are set before."""
        self.fit_intercept = bool(fit_intercept)
        self.penalize_intercept = bool(penalize_intercept)
        self.shape = (self.n_classes, self.n_features + self.fit_intercept)
        self.center = checks.check_per_feature("center", center, 0.0, self.n_features)
        self.scale = checks.check_per_feature("scale", scale, 1.0, self.n_features)

    def keeping_arrays(self) -> Self:
        """The same function, for one thread that evaluates it often: the next evaluation overwrites a returned array.

        Returns
        -------
        WeightSpace
            Of the same class.
        """
        made = copy.copy(self)
        made._arrays = Arrays(keep=True)
        return made

    def to_raw(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (n_classes, n_features) and bias (n_classes,) that give the same scores on unscaled rows.

        Parameters
        ----------
        W : array of ``shape``

        Returns
        -------
        coef : float64 array (n_classes, n_features)
        intercept : float64 array (n_classes,)
        """
        return self._raw_part(checks.check_weights(W, self.shape, self.fit_intercept))

    def _raw_part(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raw = np.divide(W[:, : self.n_features], self.scale, order="C")
        b = W[:, -1] if self.fit_intercept else np.zeros(len(W))
        # No BLAS product: its rounding may depend on the number of threads.
        return raw, b - (raw * self.center).sum(axis=1)

    def from_raw(self, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """The W with the same scores as these weights on unscaled rows: the inverse of `to_raw`.

        Parameters
        ----------
        coef : array (n_classes, n_features)
        intercept : array (n_classes,)
            Not used without `fit_intercept`.

        Returns
        -------
        float64 array of ``shape``
        """
        W = np.empty(self.shape)
        W[:, : self.n_features] = coef * self.scale
        if self.fit_intercept:
            W[:, -1] = intercept + (coef * self.center).sum(axis=1)
        return W

    def packed(self, Ws: list[np.ndarray], arithmetic: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Stacked weights of several models in the layout of the compiled loops, and their biases.

        Parameters
        ----------
        Ws : list of arrays of ``shape``
        arithmetic : {"float32", "float64"}, optional
            None: the problem's own.

        Returns
        -------
        weights : array (n_models * n_classes, n_features padded to whole vectors)
        biases : float64 array (n_models * n_classes,)
        """
        C = self.n_classes
        weights = np.zeros((len(Ws) * C, padded(self.n_features)), dtype=arithmetic or self.arithmetic)
        biases = np.empty(len(Ws) * C)
        for at, W in enumerate(Ws):
            W = checks.check_weights(W, self.shape, self.fit_intercept)
            for part in self._class_blocks():
                raw, b = self._raw_part(W[part])
                weights[at * C : (at + 1) * C][part, : self.n_features] = raw
                biases[at * C : (at + 1) * C][part] = b
        return weights, biases

    def _class_blocks(self) -> list[slice]:
        """Slices of the classes, whose arrays of float64 stay in the cache (256 kB) from one operation to the next."""
        step = max(1, (1 << 15) // self.n_features)
        return [slice(start, min(start + step, self.n_classes)) for start in range(0, self.n_classes, step)]

    def penalized(self, W: np.ndarray) -> np.ndarray:
        """The weights that the penalty applies to: a view of W without its biases, unless they are penalised too.

        Parameters
        ----------
        W : array of ``shape``

        Returns
        -------
        array (n_classes, n_features), or of ``shape``
        """
        return W if self.penalize_intercept else W[:, : self.n_features]

    def projected(self, W: np.ndarray) -> np.ndarray:
        """W with the penalised weights of every class scaled down to `max_norm` if their norm is larger.

        Parameters
        ----------
        W : array of ``shape``

        Returns
        -------
        array of ``shape``
            W itself without `max_norm`.
        """
        if not math.isfinite(self.max_norm):
            return W
        W = W.copy()
        self.penalized(W)[...] = project(self.penalized(W), self.max_norm)
        return W

    def penalty_value(self, W: np.ndarray) -> float:
        """alpha * R(W).

        Parameters
        ----------
        W : array of ``shape``

        Returns
        -------
        float
        """
        inner = self.penalized(checks.check_weights(W, self.shape, self.fit_intercept))
        with np.errstate(under="ignore"):  # the caller may have set it to raise
            value = 0.0
            for part in self._class_blocks():
                if self.l2:
                    value += self.l2 * float(np.sum(np.square(inner[part])))
                if self.l1:
                    value += self.l1 * float(np.abs(inner[part]).sum())
            return value
