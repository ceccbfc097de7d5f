"""How long a run will take: small pieces of the same work, timed and scaled up."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..datasets import Dataset
from ..linear import SoftmaxClassifier
from ..neighbors import NearestNeighbors
from ..optim import random_search
from . import _linear
from ._checks import RunOptions

#: a piece is long enough to time once it takes this many seconds
LONG_ENOUGH = 0.1

#: drawing the report and writing the files; hardly depends on the data
REPORT_SECONDS = 6.0

#: the check of a gradient: as many numbers are checked as take about so long (`_linear.CHECK_WORK`)
CHECK_SECONDS = 1.5


def estimate_seconds(dataset: Dataset, options: RunOptions) -> float:
    """Seconds the models asked for will take on this data, on this machine, now."""
    X, y = dataset.X, dataset.y
    n_test = 0 if dataset.X_test is None else len(dataset.X_test)
    seconds = REPORT_SECONDS
    if "knn" in options.models:
        seconds += knn_seconds(X, n_test, options)
    if "random_search" in options.models:
        seconds += random_search_seconds(X, y)
    for name in ("svm", "softmax"):
        if name in options.models:
            seconds += linear_seconds(name, X, y, options.seed)
    return seconds


def time_growing(work: Callable[[int], Any], largest: int) -> float:
    """Seconds one unit of ``work(n_units)`` takes: n grows fourfold until a call is long enough to time, or is all."""
    n = min(16, largest)
    work(1)  # the first call pays for what later ones find ready (threads, caches)
    while True:
        begun = time.perf_counter()
        work(n)
        seconds = time.perf_counter() - begun
        if seconds >= LONG_ENOUGH or n >= largest:
            return seconds / n
        n = min(4 * n, largest)


def knn_seconds(X: np.ndarray, n_test: int, options: RunOptions) -> float:
    """One search of all training rows among themselves a metric (it answers every k and fold), and the test rows."""
    k = min(max(options.ks), len(X) - 1)
    a_query = []
    for metric in options.metrics:
        search = NearestNeighbors(n_neighbors=k, metric=metric).fit(X)
        a_query.append(time_growing(lambda n, search=search: search.kneighbors(X[:n]), len(X)))  # type: ignore[misc]
    return sum(a_query) * len(X) + max(a_query) * n_test


def random_search_seconds(X: np.ndarray, y: np.ndarray) -> float:
    """Every try is one loss over all rows."""
    rows = evenly(len(X), 4096)
    problem = _linear.lecture_problem(X[rows], y[rows], n_classes=int(y.max()) + 1)
    a_try = time_growing(lambda n: random_search(problem, tries=n, scale=_linear.SCALE, random_state=0), _linear.TRIES)
    return a_try * _linear.TRIES * len(X) / len(rows)


def linear_seconds(name: str, X: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The gradient check, every alpha together on four fifths of the rows, and the last fit on all of them."""
    rows = evenly(len(X), 2048)
    X_piece, y_piece = X[rows], y[rows]
    number = np.arange(len(rows))
    split = (number[number % 5 > 0], number[number % 5 == 0])

    def sweep(n_epochs: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few epochs need not end well
            _linear.make_sweep(name, [split], seed=seed, max_iter=n_epochs).fit(X_piece, y_piece)

    epochs = SoftmaxClassifier()._epochs(len(X))
    return CHECK_SECONDS + time_growing(sweep, epochs) / len(rows) * len(X) * epochs


def evenly(n: int, at_most: int) -> np.ndarray:
    """Row numbers spread evenly over n: files are often sorted by class, so the first rows are not like the rest."""
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).astype(np.int64))
