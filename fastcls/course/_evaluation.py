"""The course's assignment: subsets and settings of the course's first assignment (Stanford CS231n, assignment1).

k-NN (knn.ipynb): the first 5,000 training and 500 test images, L2, k of 1, 3, 5, 8, 10, 12, 15, 20, 50, 100, five folds of
consecutive rows. SVM and softmax (svm.ipynb, softmax.ipynb): 49,000 training images, the next 1,000 for validation, the
first 1,000 test images. The mean image is subtracted; the bias is one more feature and is penalised like the others; W
starts at 0.001 times standard normal numbers; 1,500 iterations on batches of 200 rows, drawn with replacement; the
objective is loss + reg * sum W^2. `train` does it, for one setting after another from one generator, as a notebook does.

Since 2025 there is no svm.ipynb, and softmax.ipynb has other rates and strengths (`form_of`).
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._gradient.prediction import linear_scores
from fastcls._gradient.scaling import center_and_scale
from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._scoring.table import ResultTable
from fastcls._scoring.votes import vote
from fastcls._validation.errors import InputError
from fastcls.datasets import Dataset
from fastcls.linear import MulticlassSVM, SoftmaxClassifier
from fastcls.model_selection import GridEndWarning, KSelection, cross_validate_k
from fastcls.neighbors import KNeighborsClassifier, knn
from fastcls.optim import DivergenceError

from ._assignment import LAST_YEAR_OF_HALF, LAST_YEAR_OF_SVM
from ._training import train

KNN_TRAIN, KNN_TEST, FOLDS = 5_000, 500, 5
KS, SHOWN_KS = (1, 3, 5, 8, 10, 12, 15, 20, 50, 100), (1, 5, 10)
TRAIN, VALIDATION, TEST = 49_000, 1_000, 1_000
ITERATIONS, BATCH = 1_500, 200
SHOWN = {"svm": "SVM", "softmax": "softmax"}

COLUMNS = ("model", "setting", "validation", "top1", "errors", "n_test", "seconds")


@dataclass(frozen=True)
class Form:
    """What differs between years: name -> learning rates and strengths that the notebook of a loss tries."""

    years: str
    rates: dict[str, tuple[float, ...]]
    regs: dict[str, tuple[float, ...]]

    @property
    def source(self) -> str:
        """The notebooks."""
        return f"Stanford CS231n, assignment1 {self.years}: knn.ipynb, {', '.join(f'{name}.ipynb' for name in self.rates)}"


FORM_WITH_SVM = Form(
    "(2017 to 2024)",
    {"svm": (1e-7, 5e-5), "softmax": (1e-7, 5e-7)},
    {"svm": (2.5e4, 5e4), "softmax": (2.5e4, 5e4)},
)
FORM_WITHOUT = Form("(since 2025)", {"softmax": (1e-7, 1e-6)}, {"softmax": (2.5e4, 1e4)})


def form_of(year: int | None) -> Form:
    """Return the form of a year; None is the one with an SVM.

    Raises
    ------
    InputError
        For a year before 2017: the penalty had another factor, and the notebooks other settings.
    """
    if year is not None and year <= LAST_YEAR_OF_HALF:
        raise InputError(
            f"--preset course --year {year}: the preset has the forms of {LAST_YEAR_OF_HALF + 1} to {LAST_YEAR_OF_SVM} and "
            f"since {LAST_YEAR_OF_SVM + 1}: give such a year, or omit it"
        )
    return FORM_WITH_SVM if year is None or year <= LAST_YEAR_OF_SVM else FORM_WITHOUT


def table(rows: list[tuple[Any, ...]], seed: int, form: Form) -> ResultTable:
    """Return the table of these rows, with the settings of the assignment."""
    settings = {
        "name": "course",
        "source": form.source,
        "seed": seed,
        "iterations": ITERATIONS,
        "batch_size": BATCH,
        "ks": list(KS),
        "folds": FOLDS,
        "rates": {name: list(rates) for name, rates in form.rates.items()},
        "regs": {name: list(regs) for name, regs in form.regs.items()},
    }
    return ResultTable("the course's assignment", COLUMNS, tuple(rows), settings)


def votes_for(X: np.ndarray, y: np.ndarray, Q: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Return the code predicted for each query with every k, (n_queries, n_ks), from one search; ties to the smallest."""
    _, indices = knn(Q, X, max(ks))
    winners, _, _ = vote(
        y[indices], None, np.array(ks), int(y.max()) + 1, tie_break="smallest", n_threads=threads.effective(None)
    )
    return winners


def cross_validated(X: np.ndarray, y: np.ndarray) -> KSelection:
    """Return the accuracy of every k on every fold; the folds are consecutive rows."""
    rows = np.arange(len(X))
    folds = [(np.setdiff1d(rows, held), held) for held in np.array_split(rows, FOLDS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GridEndWarning)  # the assignment sets the ks
        return cross_validate_k(X, y, ks=KS, metrics=("l2",), cv=folds)


@dataclass(frozen=True, eq=False)
class NeighborsResult:
    """k-NN of the assignment: rows of the table for k = 1, 5, 10 and the chosen k, every fold, and the model of that k."""

    rows: list[tuple[Any, ...]]
    selection: KSelection
    model: KNeighborsClassifier
    predicted: np.ndarray


def score_neighbors(X: np.ndarray, y: np.ndarray, Q: np.ndarray, truth: np.ndarray) -> NeighborsResult:
    """Choose k by cross-validation, and evaluate it and the ks that the notebook shows on the test rows."""
    started = time.perf_counter()
    selection = cross_validated(X, y)
    accuracy, chosen = selection.mean("l2"), int(selection.best_k)
    shown = sorted({*SHOWN_KS, chosen})
    predicted = votes_for(X, y, Q, tuple(shown))
    hits = (predicted == truth[:, None]).sum(axis=0)
    seconds = time.perf_counter() - started
    n = len(Q)
    rows = [
        ("k-NN", f"L2, k = {k}", float(accuracy[KS.index(k)]), int(n_hits) / n, n - int(n_hits), n, seconds)
        for k, n_hits in zip(shown, hits, strict=True)
    ]
    model = KNeighborsClassifier(n_neighbors=chosen).fit(X, y)
    return NeighborsResult(rows, selection, model, predicted[:, shown.index(chosen)])


@dataclass(frozen=True)
class LinearResult:
    """A linear classifier of the assignment: row of the table, every setting that was tried, and the best model."""

    row: tuple[Any, ...]
    tried: list[dict[str, Any]]
    model: MulticlassSVM | SoftmaxClassifier


def score_linear(name: str, dataset: Dataset, seed: int, report: Progress, form: Form = FORM_WITH_SVM) -> LinearResult:
    """Train every setting, and evaluate the one with the best validation accuracy on the test rows.

    A setting whose loss becomes infinite predicts the first class, as weights of NaN do in a notebook.
    """
    started = time.perf_counter()
    X, y = dataset.X[:TRAIN], dataset.y[:TRAIN]
    held, y_held = dataset.X[TRAIN : TRAIN + VALIDATION], dataset.y[TRAIN : TRAIN + VALIDATION]
    assert dataset.X_test is not None
    assert dataset.y_test is not None
    test, truth = dataset.X_test[:TEST], dataset.y_test[:TEST]
    mean, _ = center_and_scale(X, center=True, scale=False)
    settings = [(rate, reg) for rate in form.rates[name] for reg in form.regs[name]]
    rng, tried, models = np.random.RandomState(seed), [], []
    for done, (rate, reg) in enumerate(settings):
        weights, bias, history = _trained(X, y, name, rate, reg, mean, len(dataset.class_names), rng)
        models.append((weights, bias, history))
        trained, validation = (linear_accuracy(*part, (weights, bias)) for part in ((X, y), (held, y_held)))
        tried.append({"rate": rate, "reg": reg, "training_accuracy": trained, "validation_accuracy": validation})
        report(done + 1, len(settings))
    best = int(np.argmax([one["validation_accuracy"] for one in tried]))
    tried = [{**one, "chosen": at == best} for at, one in enumerate(tried)]
    n_hits = round(linear_accuracy(test, truth, models[best][:2]) * len(test))
    row = (
        SHOWN[name],
        f"rate {settings[best][0]:g}, reg {settings[best][1]:g}",
        tried[best]["validation_accuracy"],
        n_hits / len(test),
        len(test) - n_hits,
        len(test),
        time.perf_counter() - started,
    )
    kept = {"svm": MulticlassSVM, "softmax": SoftmaxClassifier}[name]()
    kept.classes_, kept.n_features_in_, kept.n_iter_ = np.arange(len(dataset.class_names)), X.shape[1], ITERATIONS
    kept.coef_, kept.intercept_, history = models[best]
    kept.loss_history_ = np.array(history)
    return LinearResult(row, tried, kept)


def _trained(
    X: np.ndarray,
    y: np.ndarray,
    name: str,
    rate: float,
    reg: float,
    mean: np.ndarray,
    n_classes: int,
    rng: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Return weights and bias for the raw rows, (n_classes, n_features) and (n_classes,), and the loss of every batch."""
    options: dict[str, Any] = {"num_iters": ITERATIONS, "batch_size": BATCH, "n_classes": n_classes, "random_state": rng}
    try:
        found = train(X, y, name, learning_rate=rate, reg=reg, mean_image=mean, **options)
    except DivergenceError:
        return np.zeros((n_classes, X.shape[1])), np.zeros(n_classes), []
    return *found.folded(), found.loss_history


def linear_accuracy(X: np.ndarray, y: np.ndarray, model: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the share of rows whose class has the highest score."""
    scores = linear_scores(X, *model, threads.effective(None))
    return float(np.mean(scores.argmax(axis=1) == y))
