"""How long a run will take: small pieces of the same work, timed and scaled up.

Measured as processor time on one thread, estimate over truth. Digits: k-NN 0.95, random search 0.98, SVM 0.90 (with a
constant of 1.5 s for the gradient check: 2.6). 5,000 rows of MNIST: 0.89, 1.00, SVM 0.96, softmax 0.92; all of it: SVM 1.25.
6,000 text embeddings in 58 classes: 0.82, 1.02, SVM 0.86, softmax 0.88. Other programs beside it change either number.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from fastcls._sampling.evenly import evenly_spaced
from fastcls.linear import SoftmaxClassifier
from fastcls.neighbors import NearestNeighbors

from ..datasets import Dataset
from ..optim import random_search
from . import _linear
from ._checks import RunOptions

#: a piece is long enough to time once it takes this many seconds
LONG_ENOUGH = 0.1

#: training rows that are asked for their neighbours
MOST_QUERIES = 4096

#: what drawing the report costs, in drawings of the figure of folds: without an image shape, and with one; "" is for every
#: report
DRAWINGS = {"": (8, 13), "knn": (4, 13), "random_search": (4, 7), "svm": (10, 13), "softmax": (10, 13)}


def estimate_seconds(dataset: Dataset, options: RunOptions) -> float:
    """Seconds the models asked for will take on this data, on this machine, now."""
    X, y = dataset.X, dataset.y
    n_test = 0 if dataset.X_test is None else len(dataset.X_test)
    seconds = report_seconds(options.models, with_images=dataset.image_shape is not None)
    if "knn" in options.models:
        seconds += knn_seconds(X, n_test, options)
    if "random_search" in options.models:
        seconds += random_search_seconds(X, y)
    for name in ("svm", "softmax"):
        if name in options.models:
            seconds += linear_seconds(name, X, y, options.seed)
    return seconds


def seconds_of(work: Callable[[int], Any], n_units: int, largest: int | None = None) -> float:
    """Seconds that ``work(n_units)`` takes, from two shorter pieces of it.

    What every call costs, however short (plans, samples, a start), is not scaled up: the pieces differ fourfold, and the
    difference of their times is what units cost. They grow until that is long enough to time, or are all.

    Parameters
    ----------
    work : callable
    n_units : int
    largest : int, optional
        Units there are to try; `n_units` unless given.
    """
    largest = n_units if largest is None else largest
    work(1)  # the first call pays for what later ones find ready (threads, caches)
    n, before = min(4, largest), 0.0
    fewer = 0
    while True:
        begun = time.perf_counter()
        work(n)
        seconds = time.perf_counter() - begun
        if n >= n_units:
            return seconds
        if fewer and (seconds - before >= LONG_ENOUGH or n >= largest):
            a_unit = max(0.0, seconds - before) / (n - fewer)
            return seconds + a_unit * (n_units - n)
        n, fewer, before = min(4 * n, largest), n, seconds


def report_seconds(models: Iterable[str], *, with_images: bool) -> float:
    """One small figure of the report, drawn and timed, and how many of it all others cost; the data hardly matters."""
    from .. import display
    from .report._figures import draw

    folds = display.FoldsDisplay.from_labels(np.arange(100) % 2, cv=5, random_state=0, n_test=20)
    draw(folds.plot, "")  # the first pays for what later ones find ready
    begun = time.perf_counter()
    draw(folds.plot, "")
    draw(folds.plot, "")
    return (time.perf_counter() - begun) / 2 * sum(DRAWINGS[name][with_images] for name in ("", *models))


def knn_seconds(X: np.ndarray, n_test: int, options: RunOptions) -> float:
    """One search of all training rows among themselves a metric (it answers every k and fold), and the test rows; either
    with the search's preparation."""
    k = min(max(options.ks), len(X) - 1)
    queries = X[np.random.default_rng(0).permutation(evenly_spaced(len(X), MOST_QUERIES))]

    def ask(search: NearestNeighbors, n: int) -> None:
        search.kneighbors(queries[:n])

    of_metric, prepared = [], []
    for metric in options.metrics:
        begun = time.perf_counter()
        search = NearestNeighbors(n_neighbors=k, metric=metric).fit(X)
        prepared.append(time.perf_counter() - begun)
        of_metric.append(seconds_of(partial(ask, search), len(X), len(queries)))
    return sum(of_metric) + sum(prepared) + max(of_metric) * n_test / len(X) + max(prepared)


def random_search_seconds(X: np.ndarray, y: np.ndarray) -> float:
    """Every try is one loss over all rows."""
    rows = evenly_spaced(len(X), 4096)
    classes, codes = np.unique(y, return_inverse=True)
    problem = _linear.lecture_problem(X[rows], codes[rows], n_classes=len(classes))
    tries = _linear.random_tries(X.shape, len(classes))
    seconds = seconds_of(lambda n: random_search(problem, max_iter=n, scale=_linear.SCALE, random_state=0), tries)
    return seconds * len(X) / len(rows)


def linear_seconds(name: str, X: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The gradient check, every alpha together on four fifths of the rows, and the last fit on all of them."""
    rows = evenly_spaced(len(X), 2048)
    X_piece, y_piece = X[rows], y[rows]
    number = np.arange(len(rows))
    split = (number[number % 5 > 0], number[number % 5 == 0])

    def sweep(n_epochs: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few epochs need not end well
            _linear.make_sweep(name, [split], seed=seed, max_iter=n_epochs).fit(X_piece, y_piece)

    def check(n_numbers: int) -> None:
        _linear.check_on_sample(X, y, _linear.LOSSES[name], seed=seed, n_checked=n_numbers)

    checked = seconds_of(check, _linear.numbers_checked(len(X), X.shape[1], len(np.unique(y))))
    return checked + seconds_of(sweep, SoftmaxClassifier()._epochs(len(X))) * len(X) / len(rows)
