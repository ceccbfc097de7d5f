"""The times of a learner's function and of ours, on rows of the assignment's size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls.gradcheck import numerical_gradient
from fastcls.neighbors import pairwise_distances

from ._call import call, parameters
from ._votes import most_frequent

#: A call longer than this is not repeated.
_LONG = 0.1
#: One minibatch of the assignment: rows, pixels and the bias, classes.
_BATCH, _PIXELS, _CLASSES = 200, 3073, 10
_TEST, _TRAIN, _K = 20, 200, 5

Times = tuple[float | None, float | None, str]


def timed(function: Any, group: str) -> Times:
    """Shortest seconds of the learner's function and of ours, and the size of the rows.

    Parameters
    ----------
    function : callable
        As the group's examination takes it.
    group : str
        See `Signature`.

    Returns
    -------
    seconds, fastcls_seconds : float or None
        None if the function raises an error on these rows, or the group is not timed.
    timed_on : str
    """
    rng = np.random.default_rng(0)
    if group in ("svm", "softmax"):
        X = rng.integers(-128, 128, (_BATCH, _PIXELS)).astype(np.float64)
        y, W = rng.integers(0, _CLASSES, _BATCH), 1e-4 * rng.normal(size=(_PIXELS, _CLASSES))
        loss, T = {"svm": "hinge", "softmax": "softmax"}[group], np.ascontiguousarray(W.T)

        def ours() -> Any:
            return LinearProblem(X, y, loss=loss, alpha=0.5, n_classes=_CLASSES).value_and_gradient(T)

        def theirs() -> Any:
            return call(function, "", W, X, y, 0.5)

        size = f"{_BATCH} rows of {_PIXELS:,} values, {_CLASSES} classes"
    elif group == "distances":
        Q, X = (rng.integers(0, 256, (n, _PIXELS - 1)).astype(np.float64) for n in (_TEST, _TRAIN))
        y = np.arange(_TRAIN) % _CLASSES

        def ours() -> Any:
            return pairwise_distances(Q, X)

        def theirs() -> Any:
            return call(function, "", X, y, Q)

        size = f"{_TEST} x {_TRAIN} rows of {_PIXELS - 1:,} values"
    elif group == "votes":
        D, y = rng.random((_BATCH, 10 * _BATCH)), rng.integers(0, _CLASSES, 10 * _BATCH)

        def ours() -> Any:
            return [most_frequent(y[row], row) for row in np.argpartition(D, _K, axis=1)[:, :_K]]

        def theirs() -> Any:
            return call(function, "", None, y, D, k=_K)

        size = f"{_BATCH} x {10 * _BATCH:,} distances, k = {_K}"
    elif group == "numerical":
        x = rng.normal(size=(30, 10))
        options = {"verbose": False} if "verbose" in parameters(function) else {}

        def square(x: np.ndarray) -> float:
            return float((x * x).sum())

        def ours() -> Any:
            return numerical_gradient(square, x)

        def theirs() -> Any:
            return call(function, "", square, x, **options)

        size = f"{x.size} entries"
    else:
        return None, None, ""
    if theirs().error:
        return None, None, size
    return _shortest(theirs), _shortest(ours), size


def _shortest(work: Callable[[], Any]) -> float:
    found: list[float] = []
    while len(found) < 3 and (not found or found[-1] < _LONG):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)
