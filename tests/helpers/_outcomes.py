"""Outcomes of runs that never happened, for tests of displays and the report; scikit-learn's estimators stand in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from fastcls._sampling.proportion import wilson_interval
from fastcls._scoring.intervals import mcnemar
from fastcls.cli._outcome import Outcome
from fastcls.cli._table import best_model

MODELS = ("knn", "random_search", "svm", "softmax")


@dataclass
class Selection:
    """What ``cross_validate_k`` returns, as far as displays look at it."""

    ks: np.ndarray
    fold_accuracy: dict[str, np.ndarray]
    best_metric: str
    best_k: int
    n_left_out: None = None
    metrics: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = tuple(self.fold_accuracy)

    def mean(self, metric: str) -> np.ndarray:
        return self.fold_accuracy[metric].mean(axis=1)

    def std(self, metric: str) -> np.ndarray:
        return self.fold_accuracy[metric].std(axis=1)


def make_selection(ks: tuple[int, ...] = (*range(1, 21), 25, 30, 50, 100), folds: int = 5, seed: int = 0) -> Selection:
    rng = np.random.default_rng(seed)
    trend = 0.985 - 0.0009 * np.array(ks)[:, None]
    shape = (len(ks), folds)
    return Selection(
        np.array(ks),
        {m: trend - 0.006 * i + rng.normal(0, 0.004, shape) for i, m in enumerate(("l1", "l2"))},
        best_metric="l1",
        best_k=ks[min(2, len(ks) - 1)],
    )


def _entry(truth: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    errors = int(np.count_nonzero(truth != said))
    right = len(truth) - errors
    return {
        "test_accuracy": right / len(truth),
        "test_errors": errors,
        "test_evaluations": 1,
        "test_accuracy_interval": list(wilson_interval(right, len(truth))),
        "fit_seconds": 0.0123,
        "predict_seconds": 1.5,
    }


def _linear_entry() -> dict[str, Any]:
    return {
        "alpha": 1e-3,
        "validation_accuracy": 0.955,
        "gradient_check_max_relative_error": 3.1e-9,
        "epochs": 20,
        "validation_rows": 200,
    }


@cache
def digits() -> Any:
    """scikit-learn's digits as bytes, a fifth of them for testing."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X.astype(np.uint8), y, test_size=0.2, random_state=0, stratify=y)
    names = tuple(str(c) for c in range(10))
    return SimpleNamespace(X=X, y=y, X_test=X_test, y_test=y_test, class_names=names, image_shape=(8, 8, 1), name="digits")


def random_data(
    n_classes: int, shape: tuple[int, int, int] | None = None, n_features: int = 12, seed: int = 0, n: int = 240
) -> Any:
    """Random rows: bytes if they have an image shape, else floats."""
    rng = np.random.default_rng(seed)
    width = n_features if shape is None else int(np.prod(shape))
    y = np.arange(n) % n_classes
    X = rng.normal(size=(n, width)) + y[:, None] % 7
    X = X.astype(np.float32) if shape is None else np.clip(60 + 25 * X, 0, 255).astype(np.uint8)
    half = n // 2
    return SimpleNamespace(
        X=X[:half],
        y=y[:half],
        X_test=X[half:],
        y_test=y[half:],
        image_shape=shape,
        name="random",
        class_names=tuple(f"class {c}" for c in range(n_classes)),
    )


def make_outcome(data: Any, models: tuple[str, ...] = MODELS, *, error_rate: float = 0.1, seed: int = 0) -> Outcome:
    """An outcome over ``data`` with believable numbers and wrong answers for a tenth of the test rows."""
    rng = np.random.default_rng(seed)
    n_classes = len(data.class_names)
    truth = data.y_test
    outcome = Outcome({}, data)
    entries: dict[str, Any] = {}
    for name in models:
        rate = 0.85 if name == "random_search" else error_rate
        wrong = rng.random(len(truth)) < rate
        said = np.where(wrong, rng.integers(0, n_classes, len(truth)), truth)
        outcome.predictions[name] = said
        entries[name] = _entry(truth, said)
    losses = 2.3 * np.exp(-np.arange(20) / 5) + 0.1
    scaled = data.X / max(1.0, float(np.abs(data.X).max()))
    for name in ("svm", "softmax"):
        if name in models:
            model = LogisticRegression(max_iter=50, tol=1e-2).fit(scaled, data.y)
            model.loss_history_ = losses
            outcome.models[name] = model
            entries[name] |= _linear_entry()
            outcome.sweeps[name] = [
                {
                    "alpha": a,
                    "validation_accuracy": 0.95 - abs(np.log10(a) + 3) / 50,
                    "validation_loss": 0.2345678 + a,
                    "chosen": a == 1e-3,
                }
                for a in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
            ]
    if "random_search" in models:
        best = np.minimum.accumulate(9.4 - rng.exponential(0.1, 1000))
        outcome.random_search_best = best
        outcome.models["random_search"] = SimpleNamespace(W=rng.normal(size=(n_classes, data.X.shape[1] + 1)) * 1e-4)
        entries["random_search"] |= {"tries": 1000, "best_loss": float(best[-1])}
    if "knn" in models:
        knn = KNeighborsClassifier(3).fit(data.X, data.y)
        outcome.models["knn"] = knn
        outcome.selection = make_selection()
        entries["knn"] |= {
            "metric": "l1",
            "k": 3,
            "cv_accuracy_mean": 0.983,
            "cv_accuracy_std": 0.004,
            "candidates": [],
        }
        rows = np.arange(8)
        outcome.neighbors = (rows, *knn.kneighbors(data.X_test[rows], n_neighbors=8))
    outcome.results = {
        "schema": 2,
        "dataset": data.name,
        "n_train": len(data.X),
        "n_test": len(truth),
        "n_features": data.X.shape[1],
        "n_classes": n_classes,
        "seed": 0,
        "command": f"fastcls run {data.name}",
        "versions": {"fastcls": "0.1.0"},
        "environment": {"system": "Linux", "cpus_usable": 2, "omp_num_threads": None},
        "test_evaluations": len(models),
        "models": entries,
        "baseline": {**_entry(truth, np.zeros_like(truth)), "class_name": data.class_names[0]},
        "test_set": "split",
        "limit": None,
        "notes": [],
    }
    compare(outcome)
    return outcome


def compare(outcome: Outcome) -> None:
    """The best model against each other one."""
    truth = outcome.dataset.y_test
    right = {name: said == truth for name, said in outcome.predictions.items()}
    pairs = outcome.results["comparisons"] = []
    for name in right:
        if name != (best := best_model(outcome.results)):
            only, other, p = mcnemar(right[best], right[name])
            pairs.append({"model": best, "other": name, "only_model_right": only, "only_other_right": other, "p_value": p})
