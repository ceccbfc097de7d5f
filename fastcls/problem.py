"""The function that training minimises: L(W) = mean_i L_i(W x_i) + alpha R(W), its value and its gradient.

Data is held by reference and never copied to float. Centring and scaling, z = (x - center) / scale, are folded into the
weights before the compiled loop runs, and folded out of the gradient after it:

    W z + b = (W / scale) x + (b - (W / scale) center)        dL/dW = (dL/dW_raw - dL/db_raw center^T) / scale
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import _kernels, _linear, _threads, _validation
from ._validation import InputError
from .losses import find_loss, option_values
from .penalties import find_penalty

# Multiply-adds of one compiled call, about 50 ms: between two calls Python runs, so that Ctrl-C works.
_WORK_PER_CALL = 200_000_000


def linear_scores(X: np.ndarray, W: np.ndarray, b: np.ndarray, n_threads: int) -> np.ndarray:
    """Scores W x + b of every row, float64 (n_rows, n_classes); a row's scores depend on that row only, bit for bit.

    X must be C-contiguous and of a type that the compiled core stores; W and b C-contiguous float64.
    """
    data = np.asarray(X).view(np.uint8)
    scores = np.empty((len(X), len(W)))
    rows_per_tile, scratch = _linear.linear_tile(len(X), W.shape[1], len(W))
    room = np.empty(scratch)
    step = max(1, _WORK_PER_CALL // W.size)
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        _linear.linear_scores(
            data[part], _kernels.TYPES[X.dtype.name], W, b, scores[part], room, rows_per_tile, n_threads
        )
    return scores


def _check_codes(y: np.ndarray, n_samples: int, n_classes: int | None) -> tuple[np.ndarray, int]:
    y = np.asarray(y)
    if y.shape != (n_samples,) or not np.issubdtype(y.dtype, np.integer):
        raise InputError(
            f"y has shape {y.shape} and type {y.dtype}: give one integer class code for each of the {n_samples} rows"
        )
    n_classes = int(y.max()) + 1 if n_classes is None else int(n_classes)
    if y.min() < 0 or y.max() >= n_classes:
        raise InputError(f"y holds codes {y.min()} to {y.max()}: with {n_classes} classes use 0 to {n_classes - 1}")
    return np.ascontiguousarray(y, dtype=np.int64), n_classes


class LinearProblem:
    """Loss, penalty and data as one function of W.

    Parameters
    ----------
    X : array (n_samples, n_features)
        uint8, int8, float16, float32 or float64; referenced, not copied, if C-contiguous.
    y : array (n_samples,) of integer class codes
    loss : str
        A name of ``fastcls.losses.LOSSES``.
    penalty : str or None
        A name of ``fastcls.penalties.PENALTIES``.
    alpha : float
        Strength of the penalty; L2 is alpha * sum W^2, with no 1/2.
    fit_intercept : bool
        W has one more column, the bias (the bias trick: a feature that is always 1).
    n_classes : int, optional
        Default: the largest code + 1.
    center : array (n_features,), optional
        Subtracted from every row.
    scale : float or array (n_features,), optional
        Divides every centred row.
    margin : float
        For the losses that have one.
    penalize_intercept : bool
        True, as on the lecture's slides: the penalty acts on all of W, the bias column with it. The estimators use False.
    n_jobs : int, optional
        Threads; the result is the same bytes for any number.

    Attributes
    ----------
    n_samples, n_features, n_classes : int
    shape : tuple
        Of W: (n_classes, n_features), one more column with ``fit_intercept``.

    Examples
    --------
    >>> problem = LinearProblem(np.eye(3), np.arange(3), loss="hinge")
    >>> problem.value(np.zeros((3, 3)))
    2.0
    """

    def __init__(
        self, X, y, loss: str = "softmax", penalty: str | None = "l2", alpha: float = 0.0, fit_intercept: bool = False,
        *, n_classes: int | None = None, center=None, scale=None, margin: float = 1.0,
        penalize_intercept: bool = True, n_jobs: int | None = None,
    ):
        self.loss = find_loss(loss)
        self.penalty = find_penalty(penalty)
        self.alpha = float(_validation.check_number("alpha", alpha, minimum=0))
        options = {"margin": margin} if "margin" in self.loss.options or margin != 1.0 else {}
        self.options = option_values(self.loss, options)
        self.X = _validation.check_rows(X).rows
        self.n_samples, self.n_features = self.X.shape
        self.y, self.n_classes = _check_codes(y, self.n_samples, n_classes)
        self.fit_intercept = bool(fit_intercept)
        self.penalize_intercept = bool(penalize_intercept)
        self.shape = (self.n_classes, self.n_features + self.fit_intercept)
        self.center = self._per_feature("center", center, 0.0)
        self.scale = self._per_feature("scale", scale, 1.0)
        if np.any(self.scale == 0):
            raise InputError("scale holds a 0: every scale divides, so give numbers other than 0")
        self.n_threads = _threads.effective(n_jobs)

    def _per_feature(self, name: str, given, default: float) -> np.ndarray:
        values = np.asarray(default if given is None else given, dtype=np.float64)
        if values.shape not in ((), (self.n_features,)) or not np.all(np.isfinite(values)):
            raise InputError(f"{name} has shape {values.shape}: give one finite number, or {self.n_features} of them")
        return values

    def _check_weights(self, W) -> np.ndarray:
        W = np.asarray(W, dtype=np.float64)
        if W.shape != self.shape:
            bias = " (the last column is the bias)" if self.fit_intercept else ""
            raise InputError(f"W has shape {W.shape}: this problem needs {self.shape}{bias}")
        return W

    def to_raw(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights and bias that give the same scores on rows as they came: (n_classes, n_features), (n_classes,)."""
        W = self._check_weights(W)
        raw = np.divide(W[:, : self.n_features], self.scale, order="C")
        b = W[:, -1] if self.fit_intercept else np.zeros(self.n_classes)
        # Not a BLAS product, whose rounding may follow the number of threads.
        return raw, b - (raw * self.center).sum(axis=1)

    def _row_numbers(self, rows) -> tuple[np.ndarray, int, int]:
        """Numbers (of length 0 for a run of rows), first row of the run, number of rows."""
        none = np.zeros(0, dtype=np.int64)
        if rows is None:
            return none, 0, self.n_samples
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self.n_samples)
            if step == 1 and stop > start:
                return none, start, stop - start
            rows = np.arange(start, stop, step)
        index = np.ascontiguousarray(rows)
        if index.ndim != 1 or len(index) == 0 or not np.issubdtype(index.dtype, np.integer):
            raise InputError(f"rows has shape {index.shape} and type {index.dtype}: give row numbers, at least one")
        if index.min() < 0 or index.max() >= self.n_samples:
            raise InputError(f"rows holds {index.min()} to {index.max()}: there are rows 0 to {self.n_samples - 1}")
        return index.astype(np.int64, copy=False), 0, len(index)

    def _pieces(self, n: int) -> Iterator[slice]:
        step = max(1, _WORK_PER_CALL // (2 * self.n_classes * self.n_features))
        return (slice(start, min(start + step, n)) for start in range(0, n, step))

    def _evaluate(self, W: np.ndarray, rows, *, want_gradient: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Losses of the rows, and the sums of their gradients by the raw weights and bias (of no rows if not wanted)."""
        raw, b = self.to_raw(W)
        index, first, n = self._row_numbers(rows)
        losses = np.empty(n)
        gradient = np.zeros(raw.shape if want_gradient else (0, self.n_features))
        b_gradient = np.zeros(self.n_classes)
        rows_per_tile, scratch = _linear.linear_tile(n, self.n_features, self.n_classes)
        room = np.empty(scratch)
        data, storage = np.asarray(self.X).view(np.uint8), _kernels.TYPES[self.X.dtype.name]
        for piece in self._pieces(n):
            _linear.loss_gradient(
                data, storage, index[piece], first + piece.start, self.y, raw, b, self.loss.code, self.options,
                losses[piece], gradient, b_gradient, room, rows_per_tile, self.n_threads,
            )
        return losses, gradient, b_gradient

    def _penalized(self, W: np.ndarray) -> np.ndarray:
        return W if self.penalize_intercept else W[:, : self.n_features]

    def penalty_value(self, W: np.ndarray) -> float:
        """alpha * R(W)."""
        if self.penalty is None or self.alpha == 0.0:
            return 0.0
        return self.alpha * self.penalty.value(self._penalized(self._check_weights(W)))

    def per_sample(self, W) -> np.ndarray:
        """The loss of every row, float64 (n_samples,), without the penalty."""
        return self._evaluate(W, None, want_gradient=False)[0]

    def value(self, W) -> float:
        """L(W): the mean loss over all rows, plus the penalty."""
        return float(self.per_sample(W).mean()) + self.penalty_value(W)

    def value_and_gradient(self, W, rows=None) -> tuple[float, np.ndarray]:
        """L(W) and its gradient, over all rows or some.

        Parameters
        ----------
        W : array of ``shape``
        rows : slice or array of row numbers, optional
            A minibatch: the mean is over these rows. Rows are read where they lie.

        Returns
        -------
        value : float
        gradient : float64 array like W

        Raises
        ------
        InputError
            For a W of another shape, or row numbers outside the data.
        """
        W = self._check_weights(W)
        losses, raw_gradient, b_gradient = self._evaluate(W, rows, want_gradient=True)
        gradient = np.empty(self.shape)
        inner = gradient[:, : self.n_features]
        np.subtract(raw_gradient, b_gradient[:, None] * self.center, out=inner)
        inner /= self.scale * len(losses)
        if self.fit_intercept:
            gradient[:, -1] = b_gradient / len(losses)
        if self.penalty is not None and self.alpha:
            self._penalized(gradient)[...] += self.alpha * self.penalty.gradient(self._penalized(W))
        return float(losses.mean()) + self.penalty_value(W), gradient

    def scores(self, W) -> np.ndarray:
        """Scores of every row, float64 (n_samples, n_classes)."""
        return linear_scores(self.X, *self.to_raw(W), self.n_threads)
