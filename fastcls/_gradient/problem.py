"""The function that training minimises: L(W) = mean_i L_i(W x_i) + alpha R(W), its value and its gradient.

Data is held by reference and never copied to float. Centring and scaling, z = (x - center) / scale, are folded into the
weights before the compiled loop runs, and folded out of the gradient after it:

    W z + b = (W / scale) x + (b - (W / scale) center)        dL/dW = (dL/dW_raw - dL/db_raw center^T) / scale
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcls._runtime import threads
from fastcls._storage.digest import digest
from fastcls._validation import linear as checks
from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError
from fastcls._validation.row_weights import check_sample_weight, counted_rows
from fastcls._validation.rows import CheckedRows, as_bytes, check_rows, storage_of
from fastcls._validation.types import BFLOAT16, as_numbers, largest_magnitude

from . import loops
from .prediction import WORK_PER_CALL, linear_scores
from .space import WeightSpace, padded

_FAR_CENTER = 100.0  # scales from 0; a center beyond would cost float32 too many digits of x - center
_LARGEST_SINGLE = 1e18  # above this, products of float32 could overflow


def has_large(X: np.ndarray) -> bool:
    """Whether products of these rows could overflow float32."""
    return X.dtype in (np.float32, BFLOAT16) and largest_magnitude(X) > _LARGEST_SINGLE


def _private(numbers: np.ndarray) -> np.ndarray:
    made = numbers.copy()
    made.flags.writeable = False
    return made


class LinearProblem(WeightSpace):
    """Loss, penalty and data as one function of W.

    Parameters
    ----------
    X : array (n_samples, n_features)
        uint8, int8, float16, bfloat16, float32 or float64; referenced, not copied, if C-contiguous.
    y : array (n_samples,) of integer class codes
    loss : str
        A name of ``fastcls.losses.LOSSES``.
    penalty : str or None
        A name of ``fastcls.penalties.PENALTIES``.
    alpha : float
        Strength of the penalty; L2 is alpha * sum W^2, with no 1/2.
    fit_intercept : bool
        Whether W has one more column, the bias (the bias trick: a feature that is always 1).
    n_classes : int, optional
        Default: largest code + 1.
    center : array (n_features,), optional
        Subtracted from every row.
    scale : float or array (n_features,), optional
        Divides every centred row.
    l1_ratio : float
        Fraction of l1 in the elastic net.
    max_norm : float, optional
        Upper bound on the Euclidean norm of the weights of a class, kept by solvers that project. Works with any penalty.
    sample_weight : array (n_samples,), optional
        L = sum_i w_i L_i / sum_i w_i. Rows of weight 0 keep their row numbers; optimisers leave them out (`counted`).
    rows : array of row numbers, optional
        Use only these rows of X, read in place; y and sample_weight are still given for all of X.
    penalize_intercept : bool
        True, as on the lecture's slides: the penalty includes the bias column of W. The estimators use False.
    arithmetic : {"float32", "float64"}, optional
        Arithmetic of the gradient's sums over features and over the rows of a tile. Tiles are added in float64, and values
        without a gradient are computed in float64. By default float64 for float64 data, for float32 and bfloat16 data with
        values above 1e18, and if the center is more than 100 scales from 0; otherwise float32.
    n_jobs : int, optional
        Threads; the result is the same, bit for bit, for any number.
    **options
        Options of the loss, such as ``margin``, ``include_correct``, ``class_reduction``.

    Attributes
    ----------
    n_samples, n_features, n_classes : int
    shape : tuple
        Shape of W: (n_classes, n_features), with one more column if `fit_intercept`.
    arithmetic : str

    Examples
    --------
    >>> problem = LinearProblem(np.eye(3), np.arange(3), loss="hinge")
    >>> problem.value(np.zeros((3, 3)))
    2.0
    """

    def __init__(
        self,
        X: Any,
        y: ArrayLike,
        loss: str = "softmax",
        penalty: str | None = "l2",
        alpha: float = 0.0,
        fit_intercept: bool = False,
        *,
        n_classes: int | None = None,
        center: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        l1_ratio: float = 0.5,
        max_norm: float | None = None,
        sample_weight: ArrayLike | None = None,
        rows: ArrayLike | slice | None = None,
        penalize_intercept: bool = True,
        arithmetic: str | None = None,
        n_jobs: int | None = None,
        **options: Any,
    ) -> None:
        self._set_terms(loss, options, penalty, alpha, l1_ratio, max_norm)
        # `CheckedRows` are not checked again: that would take longer than an epoch.
        self.X = X.rows if isinstance(X, CheckedRows) else check_rows(X).rows
        self.n_features = self.X.shape[1]
        self.y, self.n_classes = checks.check_codes(y, len(self.X), n_classes)
        self.rows = None if rows is None else checks.check_row_numbers(rows, len(self.X))
        # The compiled loops index memory with them, so keep private read-only copies.
        self.y = _private(self.y)
        self.rows = None if self.rows is None else _private(self.rows)
        weights = check_sample_weight(sample_weight, len(self.X))
        self.n_samples = len(self.X) if self.rows is None else len(self.rows)
        self.weights = weights if rows is None or not len(weights) else np.where(_mask(rows, len(self.X)), weights, 0.0)
        if len(self.weights):
            check_sample_weight(self.weights, len(self.X))
            # `rows` may repeat a row, which then counts several times
            self.weights = self.weights * (self.n_samples / self.weights[slice(None) if rows is None else self.rows].sum())
        self._set_space(fit_intercept, penalize_intercept, center, scale)
        if arithmetic is not None:
            one_of("arithmetic", arithmetic, loops.REALS)
            if self.X.dtype == np.float64 and arithmetic == "float32":
                arithmetic = "float64"  # no kernel rounds the data
        self.arithmetic = arithmetic or self._choose_arithmetic()
        self.n_threads = threads.effective(n_jobs)

    def counted(self) -> LinearProblem:
        """The same function over the rows of positive weight, so that minibatches have only these.

        Returns the problem itself if no weight is 0.

        Returns
        -------
        LinearProblem
        """
        weights = self.weights if self.rows is None or not len(self.weights) else self.weights[self.rows]
        mask = counted_rows(weights)
        if mask is None:
            return self
        made = copy.copy(self)
        made.rows = np.flatnonzero(mask) if self.rows is None else self.rows[mask]
        made.n_samples = len(made.rows)
        made.weights = self.weights * (made.n_samples / self.weights[made.rows].sum())
        return made

    def identity(self) -> dict[str, Any]:
        """Everything that determines the problem, in plain values; arrays by digest. Reads all of X.

        Returns
        -------
        dict of str to plain value
        """
        arrays = {"y": self.y, "sample_weight": self.weights, "center": self.center, "scale": self.scale}
        return {
            "X": self._digest_of_rows(),
            **{name: digest(array) for name, array in arrays.items()},
            "rows": None if self.rows is None else digest(self.rows),
            "n_classes": self.n_classes,
            "loss": self.loss.name,
            **self.loss_options,
            "penalty": self.penalty,
            "l1": self.l1,
            "l2": self.l2,
            "max_norm": repr(self.max_norm),
            "fit_intercept": self.fit_intercept,
            "penalize_intercept": self.penalize_intercept,
            "arithmetic": self.arithmetic,
        }

    def _digest_of_rows(self) -> str | list[str]:
        return digest(self.X)

    def _choose_arithmetic(self) -> str:
        if self.X.dtype == np.float64 or self._is_far_out() or has_large(self.X):
            return "float64"
        return "float32"

    def _is_far_out(self) -> bool:
        """Whether float32 would lose too many digits of x - center."""
        return bool(np.any(np.abs(self.center) > _FAR_CENTER * np.abs(self.scale)))

    def scratch(self, n_models: int, arithmetic: str | None = None, n_columns: int | None = None) -> np.ndarray:
        """Scratch memory for a tile of rows: a few MB.

        Parameters
        ----------
        n_models : int
        arithmetic : {"float32", "float64"}, optional
            None: the problem's own.
        n_columns : int, optional
            None: all classes of the models.

        Returns
        -------
        uint8 array (n_bytes,)
        """
        n_columns = n_models * self.n_classes if n_columns is None else n_columns
        storage, real = storage_of(self.X), loops.REALS[arithmetic or self.arithmetic]
        size = loops.scratch_size(self.n_features, storage, real, n_models, n_columns, self.n_threads)
        return self._arrays.empty("scratch", (size,), np.uint8)

    def tile_rows(self, n_models: int) -> int:
        """Rows of a tile.

        Parameters
        ----------
        n_models : int

        Returns
        -------
        int
        """
        storage, real = storage_of(self.X), loops.REALS[self.arithmetic]
        return loops.tile_rows_of(self.n_features, storage, real, n_models, n_models * self.n_classes)

    def row_numbers(self, rows: Any) -> tuple[np.ndarray, int]:
        """Row numbers in X (of length 0 for all of X), and their count.

        Parameters
        ----------
        rows : slice or array of row numbers, optional
            None: all rows of the problem.

        Returns
        -------
        numbers : int64 array (n,)
        count : int
        """
        if rows is None:
            return (np.zeros(0, dtype=np.int64) if self.rows is None else self.rows), self.n_samples
        index = checks.check_row_numbers(rows, self.n_samples)
        return (index if self.rows is None else self.rows[index]), len(index)

    def _chunks(self, n: int, n_columns: int, tile: int) -> Iterator[slice]:
        """Runs of whole tiles, each about 50 ms of work; if that is several tiles for each thread, as many for each."""
        n_tiles = WORK_PER_CALL // (2 * n_columns * self.n_features) // tile or 1
        step = tile * (n_tiles // self.n_threads * self.n_threads or n_tiles)
        return (slice(start, min(start + step, n)) for start in range(0, n, step))

    def evaluate(
        self,
        weights: np.ndarray,
        b: np.ndarray,
        rows: Any,
        *,
        n_models: int = 1,
        want_losses: bool = False,
        want_gradient: bool = False,
        loss_code: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sums over rows, for models whose weights are in the layout of the compiled loops (`packed`).

        Parameters
        ----------
        weights : array (n_models * n_classes, n_features padded to whole vectors)
        b : float64 array (n_models * n_classes,)
        rows : slice or array of row numbers, or None
            None: all rows of the problem.
        n_models : int
        want_losses, want_gradient : bool
        loss_code : int, optional
            Another loss than the problem's, by its number in the compiled loops.

        Returns
        -------
        totals : float64 array (n_models,)
            Weighted sums of the losses.
        losses : float64 array (n, n_models)
            Of each row; no rows unless `want_losses`.
        gradient, b_gradient : arrays of the shapes of weights and b
            Sums with respect to raw weights and biases; the first has no rows unless `want_gradient`.
        """
        index, n = self.row_numbers(rows)
        losses = np.empty((n if want_losses else 0, n_models))
        totals = np.zeros(n_models)
        gradient = self._arrays.empty("sums", weights.shape) if want_gradient else np.empty((0, weights.shape[1]))
        gradient.fill(0.0)
        b_gradient = np.zeros(len(weights))
        scratch = self.scratch(n_models, weights.dtype.name, len(weights))
        code = self.loss.code if loss_code is None else loss_code
        n_threads = threads.limit_by_work(self.n_threads, n * weights.size)
        storage, real = storage_of(self.X), loops.REALS[weights.dtype.name]
        tile = loops.tile_rows_of(self.n_features, storage, real, n_models, len(weights))
        for chunk in self._chunks(n, len(weights), tile):
            loops.loss_gradient(
                as_bytes(self.X),
                storage,
                index[chunk],
                chunk.start,
                chunk.stop - chunk.start,
                self.y,
                self.weights,
                as_bytes(weights),
                real,
                b,
                n_models,
                code,
                self.options,
                losses[chunk],
                totals,
                gradient,
                b_gradient,
                scratch,
                n_threads,
            )
        return totals, losses, gradient, b_gradient

    def _weight_of(self, rows: Any) -> float:
        """Sum of the weights of some rows."""
        if not len(self.weights) or rows is None:
            return float(self.n_samples if rows is None else self.row_numbers(rows)[1])
        total = float(self.weights[self.row_numbers(rows)[0]].sum())
        if total == 0.0:
            raise InputError("rows has only rows of weight 0, which have no mean: give at least one row of weight above 0")
        return total

    def per_sample(self, W: np.ndarray) -> np.ndarray:
        """Loss of every row, without penalty and weights, in float64 arithmetic.

        Parameters
        ----------
        W : array of ``shape``

        Returns
        -------
        float64 array (n_samples,)
        """
        return self.evaluate(*self.packed([W], "float64"), None, want_losses=True)[1][:, 0]

    def value(self, W: np.ndarray) -> float:
        """L(W): the mean loss over all rows, plus the penalty, in float64 arithmetic.

        Parameters
        ----------
        W : array of ``shape``

        Returns
        -------
        float
        """
        totals = self.evaluate(*self.packed([W], "float64"), None)[0]
        return float(totals[0]) / self._weight_of(None) + self.penalty_value(W)

    def values(self, Ws: list[np.ndarray]) -> np.ndarray:
        """L of several W in one pass over the data, (n_models,), in the problem's own arithmetic.

        Parameters
        ----------
        Ws : list of arrays of ``shape``

        Returns
        -------
        float64 array (n_models,)
        """
        totals = self.evaluate(*self.packed(Ws), None, n_models=len(Ws))[0]
        return totals / self._weight_of(None) + np.array([self.penalty_value(W) for W in Ws])

    def value_and_gradient(self, W: np.ndarray, rows: ArrayLike | slice | None = None) -> tuple[float, np.ndarray]:
        """L(W) and its gradient, over all rows or some, in the problem's own arithmetic.

        Parameters
        ----------
        W : array of ``shape``
        rows : slice or array of row numbers, optional
            A minibatch: the mean is over these rows, which are read in place.

        Returns
        -------
        value : float
        gradient : float64 array like W

        Raises
        ------
        InputError
            If W has another shape, or row numbers are outside the data.
        """
        W = checks.check_weights(W, self.shape, self.fit_intercept)
        value, gradient = self.mean_and_gradient(W, rows, self._weight_of(rows))
        if self.l1:
            self.penalized(gradient)[...] += self.l1 * np.sign(self.penalized(W))
        return value + self.penalty_value(W), gradient

    def mean_and_gradient(self, W: np.ndarray, rows: Any, count: float) -> tuple[float, np.ndarray]:
        """Sum of the losses of all or some rows divided by `count`, and its gradient, including that of an L2 penalty.

        Parameters
        ----------
        W : array of ``shape``
        rows : slice or array of row numbers, optional
        count : float
            The divisor: the weight of the rows.

        Returns
        -------
        value : float
        gradient : float64 array of ``shape``
        """
        totals, _, raw_gradient, b_gradient = self.evaluate(*self.packed([W]), rows, want_gradient=True)
        gradient, divisor = self._arrays.empty("gradient", self.shape), self.scale * count
        with np.errstate(under="ignore"):
            if self.fit_intercept:
                gradient[:, -1] = b_gradient / count
            for part in self._class_blocks():
                inner = gradient[part, : self.n_features]
                np.subtract(raw_gradient[part, : self.n_features], b_gradient[part, None] * self.center, out=inner)
                inner /= divisor
                if self.l2:
                    self.penalized(gradient[part])[...] += 2.0 * self.l2 * self.penalized(W[part])
        return float(totals[0]) / count, gradient

    def second_moment_times(self, v: np.ndarray, rows: Any) -> np.ndarray:
        """Mean over some rows of z (z . v), for z centred, scaled and with a 1 for the bias; v like a row of W.

        Parameters
        ----------
        v : array (n_features,), or (n_features + 1,) with `fit_intercept`
        rows : slice or array of row numbers, optional

        Returns
        -------
        float64 array like v
        """
        weights = np.zeros((1, padded(self.n_features)))
        inner = weights[:, : self.n_features]
        np.divide(v[None, : self.n_features], self.scale, out=inner)
        bias = (v[-1:] if self.fit_intercept else 0.0) - (inner * self.center).sum(axis=1)
        _, _, raw, b = self.evaluate(weights, bias, rows, want_gradient=True, loss_code=-1)
        moved = np.empty(self.shape[1])
        count = self._weight_of(rows)
        moved[: self.n_features] = (raw[0, : self.n_features] - b[0] * self.center) / (self.scale * count)
        if self.fit_intercept:
            moved[-1] = b[0] / count
        return moved

    def standardized(self, numbers: np.ndarray) -> np.ndarray:
        """Some rows, centred, scaled and with a 1 for the bias.

        Parameters
        ----------
        numbers : int64 array (n,)
            Row numbers in X.

        Returns
        -------
        array (n, columns of W)
            Of the problem's arithmetic.
        """
        Z = np.ones((len(numbers), self.shape[1]), dtype=self.arithmetic)
        with np.errstate(under="ignore", over="ignore"):
            np.divide(
                as_numbers(self.X[numbers]) - self.center, self.scale, out=Z[:, : self.n_features], casting="same_kind"
            )
        return Z

    def scores(self, W: np.ndarray) -> np.ndarray:
        """Scores of every row.

        Parameters
        ----------
        W : array of ``shape``

        Returns
        -------
        float64 array (n_samples, n_classes)
        """
        scores = linear_scores(self.X, *self.to_raw(W), self.n_threads)
        return scores if self.rows is None else scores[self.rows]


def _mask(rows: Any, n: int) -> np.ndarray:
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask
