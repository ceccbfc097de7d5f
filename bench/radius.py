"""The search by radius, compared with the search for as many neighbours; prints a table:

    python -m bench.radius [--rounds 3] [--only WORD] [--queries N]

The radius of a row is the one with k results in the mean over 400 queries. Each row shows seconds (medians of alternating
rounds after a warm-up round), their ratio, and the pairs whose distance was computed, per query. The target is 1.5.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from fastcls import NearestNeighbors, pairwise_distances

from . import data

ROWS = [
    (name, metric, k)
    for name, metric in (
        ("cifar10", "l1"),
        ("cifar10", "l2"),
        ("mnist", "l2"),
        ("debian_float16", "cosine"),
        ("debian_float32", "l2"),
        ("points_3d", "l2"),
    )
    for k in (10, 100)
]
SAMPLED = 400


def radius_of(X: np.ndarray, Q: np.ndarray, metric: str, k: int) -> float:
    """The radius with k results in the mean of some queries."""
    some = np.ascontiguousarray(Q[:: -(-len(Q) // SAMPLED)])
    least, n = np.empty(0), len(some) * k
    for first in range(0, len(some), 8):
        found = pairwise_distances(some[first : first + 8], X, metric).ravel()
        least = np.partition(np.concatenate([least, found]), n - 1)[:n]
    return float(least.max())


def compared(X: np.ndarray, Q: np.ndarray, metric: str, k: int, rounds: int) -> str:
    """One row of the table."""
    model = NearestNeighbors(k, metric=metric, radius=radius_of(X, Q, metric, k)).fit(X)
    ways: list[Callable[[], object]] = [
        lambda: model.kneighbors(Q),
        lambda: model.radius_neighbors_graph(Q, mode="distance"),
    ]
    taken: list[list[float]] = [[], []]
    computed = [0.0, 0.0]
    for at in range(rounds + 1):
        for i, way in enumerate(ways):
            begun = time.perf_counter()
            way()
            if at:
                taken[i].append(time.perf_counter() - begun)
            report = model.search_report_
            assert report is not None
            computed[i] = report.computed / len(Q)
    nearest, within = map(statistics.median, taken)
    report = model.search_report_
    assert report is not None
    return (
        f"{metric:7} {k:4} {model.radius:12.6g} {nearest:10.3f} {within:10.3f} {within / nearest:7.2f} {computed[0]:12.1f} "
        f"{computed[1]:12.1f} {(report.n_results or 0) / len(Q):8.1f}  {report.path}; {'; '.join(report.notes)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--queries", type=int)
    args = parser.parse_args()
    print("data, metric, k, radius, kneighbors s, radius s, ratio, computed per query (both), results per query, path")
    for name, metric, k in ROWS:
        if args.only in f"{name} {metric} {k}":
            try:
                X, Q = data.rows(name)
            except data.NotHereError as reason:
                print(f"{name}: {reason}")
                continue
            assert Q is not None
            print(f"{name:16}", compared(X, Q[: args.queries], metric, k, args.rounds), flush=True)


if __name__ == "__main__":
    main()
