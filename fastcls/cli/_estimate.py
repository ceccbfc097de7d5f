"""How long a run will take: small samples of the same work, timed and scaled up.

Estimate divided by the real time, both as processor time on one thread. Digits: k-NN 0.95, random search 0.98, SVM 0.90
(2.6 with a constant of 1.5 s for the gradient check). 5,000 rows of MNIST: 0.89, 1.00, SVM 0.96, softmax 0.92; all of
MNIST: SVM 1.25. 6,000 text embeddings in 58 classes: 0.82, 1.02, SVM 0.86, softmax 0.88. Other programs on the same
machine change both times.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from fastcls._sampling.evenly import evenly_spaced
from fastcls.neighbors import NearestNeighbors

from ..datasets import Dataset
from ..optim import random_search
from . import _linear
from ._checks import RunOptions

#: a sample is long enough to time once it takes this many seconds
LONG_ENOUGH = 0.1

#: training rows used as queries
MOST_QUERIES = 4096

#: cost of drawing the report, in units of the figure of folds (counted in calls of functions): without an image shape, and
#: with one; "" is the page itself
DRAWINGS = {
    "": (2, 3),
    "knn": (6, 24),
    "random_search": (6, 16),
    "svm": (9, 18),
    "softmax": (11, 19),
    "lecture": (6, 12),
}


def estimate_seconds(dataset: Dataset, options: RunOptions) -> float:
    """Return the seconds that the selected models will take on this data, on this machine, now."""
    X, y = dataset.X, dataset.y
    n_test = 0 if dataset.X_test is None else len(dataset.X_test)
    parts = (*options.models, *(["lecture"] if options.lecture else []))
    seconds = report_seconds(parts, with_images=dataset.image_shape is not None)
    if "knn" in options.models:
        seconds += knn_seconds(X, n_test, options)
    if "random_search" in options.models:
        seconds += random_search_seconds(X, y)
    for name in ("svm", "softmax"):
        if name in options.models:
            seconds += linear_seconds(name, X, y, options.seed)
    return seconds


def seconds_of(work: Callable[[int], Any], n_units: int, largest: int | None = None) -> float:
    """Estimate the seconds of ``work(n_units)`` from two smaller calls.

    The fixed cost of a call (planning, samples, start-up) is not scaled up: the calls differ fourfold in size, and the
    difference of their times gives the cost of a unit. The sizes grow until that difference is long enough to time, or
    the largest size is used.

    Parameters
    ----------
    work : callable
    n_units : int
    largest : int, optional
        The largest size to call `work` with; default `n_units`.
    """
    largest = n_units if largest is None else largest
    work(1)  # the first call also starts threads and fills caches
    n, n_before, seconds_before = min(4, largest), 0, 0.0
    while True:
        started = time.perf_counter()
        work(n)
        seconds = time.perf_counter() - started
        if n >= n_units:
            return seconds
        if n_before and (seconds - seconds_before >= LONG_ENOUGH or n >= largest):
            seconds_per_unit = max(0.0, seconds - seconds_before) / (n - n_before)
            return seconds + seconds_per_unit * (n_units - n)
        n, n_before, seconds_before = min(4 * n, largest), n, seconds


def report_seconds(parts: Iterable[str], *, with_images: bool) -> float:
    """Time one small figure of the report and scale it up to all of them; the data hardly matters."""
    from .. import display
    from .report._figures import draw

    folds = display.FoldsDisplay.from_labels(np.arange(100) % 2, cv=5, random_state=0, n_test=20)
    draw(folds.plot, "")  # the first also fills caches
    started = time.perf_counter()
    draw(folds.plot, "")
    draw(folds.plot, "")
    return (time.perf_counter() - started) / 2 * sum(DRAWINGS[name][with_images] for name in ("", *parts))


def knn_seconds(X: np.ndarray, n_test: int, options: RunOptions) -> float:
    """Estimate one search of the training rows among themselves for each metric (which answers every k and fold), and one
    of the test rows; both include preparing the search."""
    k = min(max(options.ks), len(X) - 1)
    queries = X[np.random.default_rng(0).permutation(evenly_spaced(len(X), MOST_QUERIES))]

    def query(search: NearestNeighbors, n: int) -> None:
        search.kneighbors(queries[:n])

    search_seconds, fit_seconds = [], []
    for metric in options.metrics:
        started = time.perf_counter()
        search = NearestNeighbors(n_neighbors=k, metric=metric).fit(X)
        fit_seconds.append(time.perf_counter() - started)
        search_seconds.append(seconds_of(partial(query, search), len(X), len(queries)))
    return sum(search_seconds) + sum(fit_seconds) + max(search_seconds) * n_test / len(X) + max(fit_seconds)


def random_search_seconds(X: np.ndarray, y: np.ndarray) -> float:
    """Estimate the random search; every try is one loss over all rows."""
    rows = evenly_spaced(len(X), 4096)
    classes, codes = np.unique(y, return_inverse=True)
    problem = _linear.lecture_problem(X[rows], codes[rows], n_classes=len(classes))
    tries = _linear.random_tries(X.shape, len(classes))
    seconds = seconds_of(lambda n: random_search(problem, max_iter=n, scale=_linear.SCALE, random_state=0), tries)
    return seconds * len(X) / len(rows)


def linear_seconds(name: str, X: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Estimate the gradient check, the fit of all alphas on four fifths of the rows, and the last fit on all rows."""
    rows = evenly_spaced(len(X), 2048)
    X_sample, y_sample = X[rows], y[rows]
    number = np.arange(len(rows))
    split = (number[number % 5 > 0], number[number % 5 == 0])

    def sweep(n_epochs: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few epochs need not converge
            _linear.make_sweep(name, [split], seed=seed, max_iter=n_epochs).fit(X_sample, y_sample)

    def check(n_numbers: int) -> None:
        _linear.check_on_sample(X, y, _linear.LOSSES[name], seed=seed, n_checked=n_numbers)

    checked = seconds_of(check, _linear.numbers_checked(len(X), X.shape[1], len(np.unique(y))))
    return checked + seconds_of(sweep, _linear.n_epochs(len(X))) * len(X) / len(rows)
