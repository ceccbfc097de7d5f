"""The course's assignment: subsets and settings of the course's first assignment (Stanford CS231n, assignment1).

k-NN (knn.ipynb): the first 5,000 training and 500 test images, L2, k of 1, 3, 5, 8, 10, 12, 15, 20, 50, 100, five folds of
consecutive rows. SVM and softmax (svm.ipynb, softmax.ipynb): 49,000 training images, the next 1,000 for validation, the
first 1,000 test images. The mean image is subtracted; the bias is one more feature and is penalised like the others; W
starts at 0.001 times standard normal numbers; 1,500 iterations on batches of 200 rows, drawn with replacement; the
objective is loss + reg * sum W^2.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastcls._gradient.prediction import linear_scores
from fastcls._gradient.problem import LinearProblem
from fastcls._gradient.scaling import center_and_scale
from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._scoring.table import ResultTable
from fastcls._scoring.votes import vote
from fastcls.datasets import Dataset
from fastcls.linear import MulticlassSVM, SoftmaxClassifier
from fastcls.neighbors import KNeighborsClassifier, knn
from fastcls.optim import Descent

LOSSES = {"svm": "hinge", "softmax": "softmax"}
KNN_TRAIN, KNN_TEST, FOLDS = 5_000, 500, 5
KS, SHOWN_KS = (1, 3, 5, 8, 10, 12, 15, 20, 50, 100), (1, 5, 10)
TRAIN, VALIDATION, TEST = 49_000, 1_000, 1_000
ITERATIONS, BATCH, INIT_SCALE = 1_500, 200, 1e-3
RATES = {"svm": (1e-7, 5e-5), "softmax": (1e-7, 5e-7)}
REGS = (2.5e4, 5e4)
SHOWN = {"svm": "SVM", "softmax": "softmax"}

COLUMNS = ("model", "setting", "validation", "top1", "errors", "n_test", "seconds")


def table(rows: list[tuple[Any, ...]], seed: int) -> ResultTable:
    """Return the table of these rows, with the settings of the assignment."""
    settings = {
        "name": "course",
        "source": "Stanford CS231n, assignment1: knn.ipynb, svm.ipynb, softmax.ipynb",
        "seed": seed,
        "iterations": ITERATIONS,
        "batch_size": BATCH,
        "ks": list(KS),
        "folds": FOLDS,
        "rates": {name: list(rates) for name, rates in RATES.items()},
        "regs": list(REGS),
    }
    return ResultTable("the course's assignment", COLUMNS, tuple(rows), settings)


def votes_for(X: np.ndarray, y: np.ndarray, Q: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Return the code predicted for each query with every k, (n_queries, n_ks), from one search; ties to the smallest."""
    _, indices = knn(Q, X, max(ks))
    winners, _, _ = vote(
        y[indices], None, np.array(ks), int(y.max()) + 1, tie_break="smallest", n_threads=threads.effective(None)
    )
    return winners


def cross_validated(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mean accuracy of every k over folds of consecutive rows, (n_ks,)."""
    found = []
    for held in np.array_split(np.arange(len(X)), FOLDS):
        others = np.setdiff1d(np.arange(len(X)), held)
        found.append((votes_for(X[others], y[others], X[held], KS) == y[held][:, None]).mean(axis=0))
    return np.mean(found, axis=0)


def score_neighbors(
    X: np.ndarray, y: np.ndarray, Q: np.ndarray, truth: np.ndarray
) -> tuple[list[tuple[Any, ...]], KNeighborsClassifier]:
    """Return the rows of the table for k = 1, 5, 10, and the k that cross-validation chooses, and the model of that k."""
    started = time.perf_counter()
    accuracy = cross_validated(X, y)
    chosen = KS[int(np.argmax(accuracy))]
    shown = sorted({*SHOWN_KS, chosen})
    hits = (votes_for(X, y, Q, tuple(shown)) == truth[:, None]).sum(axis=0)
    seconds = time.perf_counter() - started
    n = len(Q)
    rows = [
        ("k-NN", f"L2, k = {k}", float(accuracy[KS.index(k)]), int(n_hits) / n, n - int(n_hits), n, seconds)
        for k, n_hits in zip(shown, hits, strict=True)
    ]
    return rows, KNeighborsClassifier(n_neighbors=chosen).fit(X, y)


def score_linear(
    name: str, dataset: Dataset, seed: int, report: Progress
) -> tuple[tuple[Any, ...], MulticlassSVM | SoftmaxClassifier]:
    """Return row and model of the setting with the best validation accuracy.

    All settings train together, on the same batches.
    """
    started = time.perf_counter()
    n_classes = len(dataset.class_names)
    X, y = dataset.X[:TRAIN], dataset.y[:TRAIN]
    held, y_held = dataset.X[TRAIN : TRAIN + VALIDATION], dataset.y[TRAIN : TRAIN + VALIDATION]
    assert dataset.X_test is not None
    assert dataset.y_test is not None
    test, truth = dataset.X_test[:TEST], dataset.y_test[:TEST]
    settings = [(rate, reg) for rate in RATES[name] for reg in REGS]
    mean, _ = center_and_scale(X, center=True, scale=False)
    problem = LinearProblem(X, y, LOSSES[name], None, 0.0, True, n_classes=n_classes, center=mean)
    trained = descend(problem, settings, seed, report)
    models = [problem.to_raw(W) for W in trained]
    accuracy = [linear_accuracy(held, y_held, model) for model in models]
    best = int(np.argmax(accuracy))
    n_hits = round(linear_accuracy(test, truth, models[best]) * len(test))
    rate, reg = settings[best]
    row = (
        SHOWN[name],
        f"rate {rate:g}, reg {reg:g}",
        accuracy[best],
        n_hits / len(test),
        len(test) - n_hits,
        len(test),
        time.perf_counter() - started,
    )
    kept = {"svm": MulticlassSVM, "softmax": SoftmaxClassifier}[name]()
    kept.classes_, kept.n_features_in_, kept.n_iter_ = np.arange(n_classes), X.shape[1], ITERATIONS
    kept.coef_, kept.intercept_ = models[best]
    kept.loss_history_ = np.array([problem.value(trained[best]) + reg * np.square(trained[best]).sum()])
    return row, kept


def descend(problem: LinearProblem, settings: list[tuple[float, float]], seed: int, report: Progress) -> list[np.ndarray]:
    """Return W of every (rate, reg) after the assignment's iterations; zeros where the loss became infinite."""
    rng = np.random.default_rng(seed)
    start = rng.standard_normal(problem.shape) * INIT_SCALE
    order = rng.integers(problem.n_samples, size=ITERATIONS * BATCH)
    strengths = [(0.0, reg, np.inf) for _, reg in settings]
    rates = np.array([rate for rate, _ in settings])
    descent = Descent(problem, [start] * len(settings), strengths, 0.0, False, BATCH)
    chunk = ITERATIONS // 15
    for first in range(0, ITERATIONS, chunk):
        bounds = BATCH * np.arange(first, first + chunk + 1, dtype=np.int64)
        descent.run(order, bounds, np.tile(rates, (chunk, 1)))
        report(first + chunk, ITERATIONS)
    return [descent.W(model) for model in range(len(settings))]


def linear_accuracy(X: np.ndarray, y: np.ndarray, model: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the share of rows whose class has the highest score."""
    scores = linear_scores(X, *model, threads.effective(None))
    return float(np.mean(scores.argmax(axis=1) == y))
