"""The lanes of a race: several ways to find the nearest row, or to compute a loss and its gradient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls import reference
from fastcls._gradient.problem import LinearProblem
from fastcls.neighbors import NearestNeighbors

#: what an iterator yields: rows of work done, and what was found, or None within a step
Part = tuple[int, Any]
#: queries that a compiled search takes at a time, and NumPy's matrix product
_QUERIES_AT_A_TIME = 50
#: rows that the loop over rows takes at a time
_ROWS_AT_A_TIME = 50
#: of gradient descent, on centred pixels divided by 255
STEP_SIZE = 0.005


@dataclass
class Lane:
    """One way to do the work.

    Attributes
    ----------
    name, about : str
    total : int
        Rows of work.
    prepare : callable
        Returns the iterator that does the work.
    is_numpy : bool
        The threads of NumPy's BLAS wait awake for a while after their work, and would slow down the next lane.
    done, seconds, prepare_seconds
        So far.
    """

    name: str
    about: str
    total: int
    prepare: Callable[[], Iterator[Part]]
    is_numpy: bool = True
    done: int = 0
    seconds: float = 0.0
    prepare_seconds: float = 0.0
    _parts: Iterator[Part] | None = None

    @property
    def is_done(self) -> bool:
        """Whether all of the work is done."""
        return self.done >= self.total

    def advance(self, seconds: float, found: Callable[[str, Any], None]) -> None:
        """Work for some seconds, at least one part; tell what was found."""
        if self._parts is None:
            started = time.perf_counter()
            self._parts = self.prepare()
            self.prepare_seconds = time.perf_counter() - started
        end = self.seconds + seconds
        while not self.is_done and self.seconds < end:
            started = time.perf_counter()
            rows, answer = next(self._parts)
            self.seconds += time.perf_counter() - started
            self.done += rows
            if answer is not None:
                found(self.name, answer)


class SameNeighbors:
    """Compares the nearest rows that lanes find: they must be equal."""

    def __init__(self, n_queries: int) -> None:
        self._first = np.full(n_queries, -1, dtype=np.int64)
        self.differing: dict[str, str] = {}

    def found(self, lane: str, answer: tuple[int, np.ndarray]) -> None:
        """Note or compare the nearest rows of the queries from `start` on."""
        start, nearest = answer
        known = self._first[start : start + len(nearest)]
        wrong = np.flatnonzero((known >= 0) & (known != nearest))
        if len(wrong):
            i = int(wrong[0])
            self.differing.setdefault(lane, f"query {start + i}: row {nearest[i]}, and row {known[i]} in another lane")
        known[known < 0] = nearest[known < 0]


class SameLosses:
    """Compares losses and gradients at each step: NumPy computes in float64, the core's gradient in float32."""

    tolerance = 1e-4

    def __init__(self) -> None:
        self._first: dict[int, tuple[float, np.ndarray]] = {}
        self.differing: dict[str, str] = {}

    def found(self, lane: str, answer: tuple[int, float, np.ndarray]) -> None:
        """Note or compare the loss and the gradient at a step."""
        step, loss, gradient = answer
        if step not in self._first:
            self._first[step] = loss, gradient
            return
        other, slopes = self._first[step]
        of_loss = abs(loss - other) / max(abs(other), 1e-3)
        of_gradient = float(np.linalg.norm(gradient - slopes)) / max(float(np.linalg.norm(slopes)), 1e-3)
        if not (of_loss <= self.tolerance and of_gradient <= self.tolerance):
            self.differing.setdefault(lane, f"step {step}: loss {loss:.6g}, and {other:.6g} in another lane")


def knn_lanes(X: np.ndarray, Q: np.ndarray, metric: str) -> list[Lane]:
    """Lanes that find the nearest row of X (bytes) for every row of Q under L1 or L2.

    NumPy's lanes work on float64, as the course does: all their sums are exact, too, and of equal distances the first wins.
    """
    lanes = {
        "two loops": ("a pair at a time", lambda: _two_loops(X, Q, metric)),
        "one loop": (
            "the slide's: a query at a time" if metric == "l1" else "a query at a time",
            lambda: _one_loop(X, Q, metric),
        ),
        "no loops": ("a matrix product", lambda: _no_loops(X, Q)),
        "brute force": ("fastcls, every pair", lambda: _search(X, Q, metric, "brute")),
        "filter": ("fastcls, few pairs", lambda: _search(X, Q, metric, "filter")),
    }
    if metric == "l1":
        del lanes["no loops"]  # differences of all pairs at once would take n_queries x n_rows x n_features numbers
    return [Lane(name, about, len(Q), prepare, "fastcls" not in about) for name, (about, prepare) in lanes.items()]


def _two_loops(X: np.ndarray, Q: np.ndarray, metric: str) -> Iterator[Part]:
    rows, queries = X.astype(np.float64), Q.astype(np.float64)
    distances = np.empty(len(rows))

    def work() -> Iterator[Part]:
        for i in range(len(queries)):
            for j in range(len(rows)):
                if metric == "l1":
                    distances[j] = np.sum(np.abs(queries[i] - rows[j]))
                else:
                    distances[j] = np.sqrt(np.sum((queries[i] - rows[j]) ** 2))
            yield 1, (i, np.array([np.argmin(distances)]))

    return work()


def _one_loop(X: np.ndarray, Q: np.ndarray, metric: str) -> Iterator[Part]:
    rows, queries = X.astype(np.float64), Q.astype(np.float64)
    slide = reference.LectureNearestNeighbor(wrap=True)  # floats do not wrap around
    slide.train(rows, np.arange(len(rows)))  # so the label is the number of the nearest row

    def work() -> Iterator[Part]:
        for i in range(len(queries)):
            if metric == "l1":
                yield 1, (i, slide.predict(queries[i : i + 1]))
            else:
                yield 1, (i, np.array([np.argmin(np.sqrt(np.sum((rows - queries[i]) ** 2, axis=1)))]))

    return work()


def _no_loops(X: np.ndarray, Q: np.ndarray) -> Iterator[Part]:
    rows, queries = X.astype(np.float64), Q.astype(np.float64)
    squares = np.sum(rows**2, axis=1)
    np.argmin(queries[:1] @ rows.T)  # its threads are there

    def work() -> Iterator[Part]:
        for start in range(0, len(queries), _QUERIES_AT_A_TIME):
            some = queries[start : start + _QUERIES_AT_A_TIME]
            distances = np.sqrt(np.sum(some**2, axis=1)[:, None] + squares - 2 * (some @ rows.T))
            yield len(some), (start, np.argmin(distances, axis=1))

    return work()


def _search(X: np.ndarray, Q: np.ndarray, metric: str, algorithm: str) -> Iterator[Part]:
    model = NearestNeighbors(1, metric=metric, algorithm=algorithm).fit(X)
    model.kneighbors(Q[:1])  # its threads are there

    def work() -> Iterator[Part]:
        for start in range(0, len(Q), _QUERIES_AT_A_TIME):
            nearest = model.kneighbors(Q[start : start + _QUERIES_AT_A_TIME])[1][:, 0]
            yield len(nearest), (start, nearest)

    return work()


def linear_lanes(X: np.ndarray, y: np.ndarray, loss: str, steps: int) -> list[Lane]:
    """Lanes that take steps of gradient descent on the mean loss of all rows, without a penalty, from W = 0."""
    lanes = {
        "loops": ("row by row, class by class", lambda: _loops(X, y, loss, steps)),
        "NumPy": ("matrix products, no loops", lambda: _vectorised(X, y, loss, steps)),
        "fastcls": ("bytes, one pass", lambda: _core(X, y, loss, steps)),
    }
    return [Lane(name, about, steps * len(X), prepare, name != "fastcls") for name, (about, prepare) in lanes.items()]


def _scaled(X: np.ndarray) -> np.ndarray:
    """Centred rows divided by 255, in float64."""
    scaled: np.ndarray = (X - X.mean(axis=0, dtype=np.float64)) / 255.0
    return scaled


def _loops(X: np.ndarray, y: np.ndarray, loss: str, steps: int) -> Iterator[Part]:
    rows, n = _scaled(X), len(X)
    n_classes = int(y.max()) + 1

    def work() -> Iterator[Part]:
        W, b = np.zeros((n_classes, rows.shape[1])), np.zeros(n_classes)
        for step in range(steps):
            value, of_W, of_b = 0.0, np.zeros(W.shape), np.zeros(b.shape)
            for start in range(0, n, _ROWS_AT_A_TIME):
                some = slice(start, start + _ROWS_AT_A_TIME)
                part = reference.evaluate_linear(rows[some], y[some], W, b, loss)
                share = len(y[some]) / n
                value, of_W, of_b = value + share * part[0], of_W + share * part[1], of_b + share * part[2]
                last = start + _ROWS_AT_A_TIME >= n
                yield len(y[some]), (step, value, np.column_stack([of_W, of_b])) if last else None
            W, b = W - STEP_SIZE * of_W, b - STEP_SIZE * of_b

    return work()


def _vectorised(X: np.ndarray, y: np.ndarray, loss: str, steps: int) -> Iterator[Part]:
    rows, n = _scaled(X), len(X)
    own, n_classes = y[:, None], int(y.max()) + 1
    classes = np.arange(n_classes)

    def work() -> Iterator[Part]:
        W, b = np.zeros((n_classes, rows.shape[1])), np.zeros(n_classes)
        for step in range(steps):
            scores = rows @ W.T + b
            if loss == "softmax":
                shifted = scores - scores.max(axis=1, keepdims=True)
                powers = np.exp(shifted)
                totals = powers.sum(axis=1, keepdims=True)
                value = float(np.mean(np.log(totals) - np.take_along_axis(shifted, own, axis=1)))
                slopes = powers / totals - (own == classes)
            else:
                margins = np.maximum(0, scores - np.take_along_axis(scores, own, axis=1) + 1) * (own != classes)
                value = float(margins.sum() / n)
                violated = (margins > 0).astype(np.float64)
                slopes = violated - violated.sum(axis=1, keepdims=True) * (own == classes)
            of_W, of_b = slopes.T @ rows / n, slopes.sum(axis=0) / n
            yield n, (step, value, np.column_stack([of_W, of_b]))
            W, b = W - STEP_SIZE * of_W, b - STEP_SIZE * of_b

    return work()


def _core(X: np.ndarray, y: np.ndarray, loss: str, steps: int) -> Iterator[Part]:
    center = X.mean(axis=0, dtype=np.float64)
    problem = LinearProblem(X, y, loss, penalty=None, fit_intercept=True, center=center, scale=255.0)
    problem.value_and_gradient(np.zeros(problem.shape))  # its threads are there

    def work() -> Iterator[Part]:
        W = np.zeros(problem.shape)
        for step in range(steps):
            value, gradient = problem.value_and_gradient(W)
            yield len(X), (step, value, gradient)
            W = W - STEP_SIZE * gradient

    return work()
