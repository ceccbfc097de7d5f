"""Preconditioning of L-BFGS by the largest principal directions of the rows.

Features of networks, and pixels, have a few directions of large variance and many of small variance. The loss is curved
most along the large ones, so steps that suit these are too short for all others. The curvature of the loss along a direction
of W is at most that of the loss in the scores times the variance of the rows there (Böhning 1992). So distances are measured
as if the rows had no more variance along the largest directions than along the smallest of these: half the evaluations or
fewer lead to the same loss (``bench/LINEAR.md``). The minimum stays where it is: only the way there changes, so a sample of
rows and a rough basis suffice.

Sources: Böhning, Multinomial logistic regression algorithm (1992); Halko, Martinsson and Tropp, Finding structure with
randomness (2011), algorithm 4.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._runtime import threads
from fastcls._sampling.evenly import evenly_spaced
from fastcls._storage.digest import digest

#: rows of the sample, and directions
N_ROWS, N_DIRECTIONS = 1000, 64
_EXTRA = 8  # more columns than directions make the last directions precise
#: the largest ratio of two lengths. Products of vectors remembered in float32, over its square, have three digits.
_LARGEST_RATIO = 100.0
#: no curvature is divided by a smaller one: the first step would overflow
_SMALLEST_CURVATURE = 1e-300
#: rows of a W in one product, so that what it needs besides is small
CLASSES_AT_ONCE = 256
#: of the sample, at once; 8 MB of float32
_VALUES_AT_ONCE = 1 << 21


#: what `shared_directions` remembers: of which rows, and their directions
_shared: ContextVar[dict[str, Any] | None] = ContextVar("shared", default=None)


@contextmanager
def shared_directions() -> Iterator[None]:
    """Compute the directions of the same rows once, for problems with other labels or penalties, one after the other.

    They depend on the rows, their weights, center and scale, so nothing changes but the time. The caller promises that the
    rows do not change within.
    """
    if _shared.get() is not None:  # within another
        yield
        return
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


class Preconditioner:
    """The matrix P = I + U diag(squares - 1) U^T. L-BFGS without a preconditioner has the identity in its place.

    Parameters
    ----------
    basis : float64 array (n_columns, n_directions)
        U, orthonormal columns; n_columns is that of W.
    squares : float64 array (n_directions,)
        The squared lengths, under P, of unit steps along U: above 0 and at most 1.
    n_classes : int
        Rows of W.
    first_step : float
        How many times -P gradient the line search tries first.
    """

    def __init__(self, basis: np.ndarray, squares: np.ndarray, n_classes: int, first_step: float) -> None:
        self.basis, self.less = basis.astype(np.float32), squares - 1.0
        self.n_classes, self.first_step = n_classes, first_step

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of coordinates, (n_classes, n_directions)."""
        return self.n_classes, self.basis.shape[1]

    def coordinates(self, flat: np.ndarray) -> np.ndarray:
        """W U, (n_classes, n_directions), for W given as a flat array, float32. The caller limits the BLAS to one thread."""
        with np.errstate(under="ignore"):
            return flat.reshape(self.n_classes, -1) @ self.basis

    def corrections(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """v^T P w - v^T w for all v and w with these coordinates, (len(a), n_classes, n_directions) and the same of b."""
        # no BLAS: its rounding may depend on the number of threads
        return np.einsum("ai,bi->ab", (a * self.less).reshape(len(a), -1), b.reshape(len(b), -1))

    def add_to(self, flat: np.ndarray, coordinates: np.ndarray) -> None:
        """Add (P - I) v to a flat array, where v has these coordinates. The caller limits the BLAS to one thread."""
        W, changes = flat.reshape(self.n_classes, -1), coordinates * self.less
        size = float(np.abs(changes).max()) or 1.0  # float32 could overflow
        with np.errstate(under="ignore"):
            for start in range(0, self.n_classes, CLASSES_AT_ONCE):
                some = slice(start, start + CLASSES_AT_ONCE)
                W[some] += np.multiply((changes[some] / size).astype(np.float32) @ self.basis.T, size, dtype=np.float64)


def preconditioner_of(problem: LinearProblem) -> Preconditioner | None:
    """From an evenly spaced sample of the problem's rows.

    None if the variances are equal, if squares of the rows overflow, or if the loss has flat parts. The squared hinge is
    flat for rows beyond the margin, near its minimum for nearly all of them. So the directions of all rows say little: on
    digits it took up to half more evaluations with them than without.

    Parameters
    ----------
    problem : LinearProblem

    Returns
    -------
    Preconditioner or None
    """
    if problem.loss.segment_degree is not None:
        return None
    with threads.one_blas_thread(), np.errstate(under="ignore", over="ignore", invalid="ignore"):
        found = _directions_of(problem)
    if found is None:
        return None
    basis, variances = found
    # the curvature of softmax at W = 0 is 1 / n_classes of the variance; less later, which changes little
    curvatures = variances / problem.n_classes + 2.0 * problem.l2
    least = max(curvatures[-1], curvatures[0] / _LARGEST_RATIO**2)
    if not _SMALLEST_CURVATURE < least < curvatures[0]:
        return None
    # Half of the way to the minimum: a longer first step overshoots along smaller directions more often than it gains.
    return Preconditioner(basis, least / np.maximum(curvatures, least), problem.n_classes, float(0.5 / least))


def sampled(problem: LinearProblem, at_most: int = N_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers in X of evenly spaced rows, (n,), and their weights, float64 (n,), divided by the largest."""
    numbers, n = problem.row_numbers(None)
    chosen = evenly_spaced(n, at_most)
    taken = numbers[chosen] if len(numbers) else chosen
    if not len(problem.weights):
        return taken, np.ones(len(taken))
    weights = problem.weights[taken]
    return taken, weights / (weights.max() or 1.0)


def _directions_of(problem: LinearProblem) -> tuple[np.ndarray, np.ndarray] | None:
    """The largest directions, from `shared_directions` if they were computed of these rows."""
    shared = _shared.get()
    if shared is None or type(problem) is not LinearProblem:  # rows in shards have no memory of their own
        return _largest_directions(problem)
    numbers, weights = sampled(problem)
    arrays = (numbers, weights, np.asarray(problem.center), np.asarray(problem.scale))
    X = problem.X
    place = (X.__array_interface__["data"][0], X.shape, X.strides, X.dtype.str, problem.arithmetic, problem.shape[1])
    key = (place, *(digest(array) for array in arrays))
    if shared.get("key") != key:
        # the rows are kept, so that no others can be in their place
        shared.update(key=key, rows=X, directions=_largest_directions(problem))
    found: tuple[np.ndarray, np.ndarray] | None = shared["directions"]
    return found


def _largest_directions(problem: LinearProblem) -> tuple[np.ndarray, np.ndarray] | None:
    """Orthonormal directions, float64 (n_columns, k), and the mean squares of the rows along them, the largest first.

    None if a square overflows. The rows are read twice, a block at a time: a thousand wide rows need more memory than the
    rest of L-BFGS.
    """
    n_columns = problem.shape[1]
    numbers, weights = sampled(problem)
    roots, step = np.sqrt(weights).astype(problem.arithmetic), max(1, _VALUES_AT_ONCE // n_columns)

    def products(Q: np.ndarray, over: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """The sum over blocks Z of the sample of ``over(Z, Z Q)``."""
        total: Any = 0.0
        for start in range(0, len(numbers), step):
            some = slice(start, start + step)
            Z = problem.standardized(numbers[some])
            Z *= roots[some, None]
            total = total + over(Z, Z @ Q)
        return total

    if n_columns <= N_DIRECTIONS + _EXTRA:
        Q = np.eye(n_columns, dtype=problem.arithmetic)
    else:
        Q = np.random.default_rng(0).normal(size=(n_columns, N_DIRECTIONS + _EXTRA)).astype(problem.arithmetic)
        Q = products(Q, lambda Z, scores: Z.T @ scores)
        if not np.isfinite(Q).all():
            return None
        Q = np.linalg.qr(Q)[0]
    moments = products(Q, lambda Z, scores: scores.T @ scores).astype(np.float64)
    if not np.isfinite(moments).all():
        return None
    squares, turn = np.linalg.eigh(moments)
    largest = slice(None, -N_DIRECTIONS - 1, -1)
    return np.ascontiguousarray((Q.astype(np.float64) @ turn)[:, largest]), squares[largest].clip(0.0) / weights.sum()
