"""`linear_probe(preset="mteb")` compared with mteb's evaluator, in one process. Prints and writes bench/results/mteb.json:

    PYTHONPATH=. VENV/bin/python -m bench.mteb EMBEDDINGS.npy LABELS.npy [--queries 10000] [--rounds 3]

VENV has mteb and what fastcls needs. mteb's classification task gets the arrays in place of the output of a model: its
draws, fits, predictions and scores are timed, its encoding is not. "scikit-learn" is what mteb calls (`fit`, `predict` and
the three scores) without mteb's own overhead, on the same draws. Seconds are medians.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).with_name("results") / "mteb.json"
TARGET = 3.0


def scores_of_mteb(train: np.ndarray, y: np.ndarray, test: np.ndarray, y_test: np.ndarray) -> tuple[list[Any], list[Any]]:
    """Scores of each experiment by mteb's AbsTaskClassification, and the rows that it drew. Labels are integers."""
    from datasets import Dataset
    from mteb.abstasks.classification import AbsTaskClassification
    from mteb.timing import TimingStack

    class Arrays(AbsTaskClassification):
        """A task without data of its own; its seed is that of every task."""

        def __init__(self) -> None:
            self.seed = 42

    task, order, scores, draws = Arrays(), None, [], []
    task.evaluator_model = task.evaluator_model.set_params(random_state=task.seed)
    rows, queries = (Dataset.from_dict({"text": [""] * len(labels), "label": labels.tolist()}) for labels in (y, y_test))
    for number in range(task.n_experiments):
        some, order, drawn = task._undersample_data(rows, number, order)
        scores.append(task._run_experiment(some, queries, train[drawn], test, TimingStack())[0])
        draws.append(list(drawn))
    return scores, draws


def scores_of_scikit_learn(train: np.ndarray, y: np.ndarray, test: np.ndarray, y_test: np.ndarray, draws: list[Any]) -> list:
    """Top-1, macro F1 and weighted F1 of each experiment, by the functions that mteb calls."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    found = []
    for drawn in draws:
        named = LogisticRegression(max_iter=100).fit(train[drawn], y[drawn]).predict(test)
        f1 = [f1_score(y_test, named, average=way) for way in ("macro", "weighted")]
        found.append([float(np.mean(named == y_test)), *map(float, f1)])
    return found


def main() -> None:
    from fastcls import simd
    from fastcls._storage.atomic import write_text
    from fastcls.protocols import linear_probe

    from .measure import machine

    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    X, y = np.load(args.embeddings).astype(np.float32), np.unique(np.load(args.labels), return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(X))
    test, train = order[: args.queries], order[args.queries :]
    rows = X[train], y[train], X[test], y[test]
    begun = time.perf_counter()
    scores, draws = scores_of_mteb(*rows)
    seconds: dict[str, list[float]] = {"mteb": [time.perf_counter() - begun], "scikit-learn": [], "fastcls": []}
    linear_probe(X[train], y[train], X[test[:500]], y[test[:500]], preset="mteb")
    for _ in range(args.rounds):
        for name, call in (
            ("scikit-learn", lambda: scores_of_scikit_learn(*rows, draws)),
            ("fastcls", lambda: linear_probe(*rows, preset="mteb")),
        ):
            begun = time.perf_counter()
            found = call()
            seconds[name].append(time.perf_counter() - begun)
    names = {"top1": "accuracy", "macro_f1": "f1", "weighted_f1": "f1_weighted"}
    away = {
        ours: max(abs(a - b[theirs]) for a, b in zip(found[ours], scores, strict=False)) for ours, theirs in names.items()
    }
    fastest = float(np.median(seconds["fastcls"]))
    figures = {
        "machine": machine(),
        "isa": simd.active(),
        "n_train": len(train),
        "n_queries": len(test),
        "seconds": seconds,
        "times as fast": {name: float(np.median(of)) / fastest for name, of in seconds.items()} | {"target": TARGET},
        "percent": {ours: 100 * found[ours][-1] for ours in names},
        "largest difference of an experiment, points": {name: 100 * one for name, one in away.items()},
    }
    write_text(json.dumps(figures, indent=1) + "\n", RESULTS, "the figures")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
