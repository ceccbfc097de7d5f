"""Cross-validation of k on all training images of CIFAR-10; prints a table and stores it in bench/results/folds.json:

    python -m bench.folds FOLDER [--rounds 3] [--metrics l1,l2]

FOLDER is any layout of CIFAR-10. fastcls runs `KNeighborsClassifierCV`, including the fit of the chosen estimator, with
five folds and with leave-one-out. Both are compared with one leave-one-out search at the largest k (`NearestNeighbors`, its
fit included). Five folds are also compared with scikit-learn's `GridSearchCV` on a tenth of the rows; its seconds are
multiplied by a hundred, because both training rows and queries are a tenth. Seconds are medians of alternating rounds after
a warm-up round.
"""

import argparse
import datetime
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sklearn
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier as TheirClassifier

from fastcls import KNeighborsClassifierCV, NearestNeighbors, datasets, simd
from fastcls._runtime import threads
from fastcls._storage.atomic import write_text

from .measure import machine

RESULTS = Path(__file__).with_name("results") / "folds.json"
KS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
THEIR_METRICS = {"l1": "manhattan", "l2": "euclidean"}
THEIR_SHARE = 10


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def ours(X, y, metric: str, cv) -> KNeighborsClassifierCV:
    return KNeighborsClassifierCV(KS, metrics=(metric,), cv=cv, random_state=0).fit(X, y)


def their_grid(X, y, metric: str) -> GridSearchCV:
    model = TheirClassifier(algorithm="brute", metric=THEIR_METRICS[metric], n_jobs=threads.effective(None))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return GridSearchCV(model, {"n_neighbors": list(KS)}, cv=folds).fit(X, y)


def measured(X, y, metric: str, rounds: int) -> dict:
    """Seconds of every method, and their ratios."""
    ways = {
        "search": lambda: NearestNeighbors(KS[-1], metric=metric).fit(X).kneighbors(),
        "five folds": lambda: ours(X, y, metric, 5),
        "leave one out": lambda: ours(X, y, metric, "loo"),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for at in range(rounds + 1):
        for name, way in ways.items():
            found = seconds(way)
            if at:
                taken[name].append(found)
    some = np.random.default_rng(0).permutation(len(X))[: len(X) // THEIR_SHARE]
    small, labels = X[some].astype(np.float64 if metric == "l1" else np.float32), y[some]
    theirs = seconds(lambda: their_grid(small, labels, metric))
    mean_scores = [  # the same folds and votes: the same accuracies, so the work is the same
        their_grid(small[:1000], labels[:1000], metric).cv_results_["mean_test_score"],
        ours(X[some[:1000]], labels[:1000], metric, 5).cv_results_["mean_test_score"],
    ]
    median = {name: statistics.median(found) for name, found in taken.items()}
    return {
        "seconds": taken,
        "GridSearchCV on a tenth": theirs,
        "largest difference of accuracies": float(np.abs(np.subtract(*mean_scores)).max()),
        "ratios": {
            "five folds / one search": [median["five folds"] / median["search"], 1.3],
            "leave one out / one search": [median["leave one out"] / median["search"], 1.1],
            "GridSearchCV, scaled / five folds": [theirs * THEIR_SHARE**2 / median["five folds"], 100.0],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--metrics", default="l1,l2")
    args = parser.parse_args()
    data = datasets.load(args.folder)
    here = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "isa": simd.active(),
        "threads": threads.effective(None),
        "scikit-learn": sklearn.__version__,
        "rows": list(data.X.shape),
        "ks": KS,
    }
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for metric in args.metrics.split(","):
        found = measured(data.X, data.y, metric, args.rounds)
        known[metric] = {**here, **found}
        write_text(json.dumps(known, indent=1) + "\n", RESULTS, "the figures")
        median = {name: statistics.median(taken) for name, taken in found["seconds"].items()}
        print(metric, ", ".join(f"{name} {taken:.2f} s" for name, taken in median.items()))
        for name, (ratio, target) in found["ratios"].items():
            print(f"  {name}: {ratio:.2f} (target {target:g})")


if __name__ == "__main__":
    main()
