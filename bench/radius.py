"""The search by radius, compared with the search for as many neighbours; prints and stores bench/results/radius.json:

    python -m bench.radius [--rounds 3] [--only WORD] [--queries N] [--results FILE]

The radius of a row is the one with k results in the mean over 400 queries. Each row shows seconds (medians of alternating
rounds after a warm-up round), their ratio, and the pairs whose distance was computed, per query. The target is 1.5. With
`--only`, the other rows keep the figures of an earlier run on the same machine.
"""

import argparse
import datetime
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastcls import NearestNeighbors, pairwise_distances, simd
from fastcls._runtime import threads
from fastcls._storage.atomic import write_text

from . import data
from .measure import machine

RESULTS = Path(__file__).with_name("results") / "radius.json"
TARGET = 1.5
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


def compared(X: np.ndarray, Q: np.ndarray, metric: str, k: int, rounds: int) -> dict[str, Any]:
    """The figures of one row."""
    model = NearestNeighbors(k, metric=metric, radius=radius_of(X, Q, metric, k)).fit(X)
    ways: dict[str, Callable[[], object]] = {
        "kneighbors": lambda: model.kneighbors(Q),
        "radius": lambda: model.radius_neighbors_graph(Q, mode="distance"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    computed: dict[str, float] = {}
    for at in range(rounds + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            if at:
                seconds[name].append(time.perf_counter() - begun)
            report = model.search_report_
            assert report is not None
            computed[name] = report.computed / len(Q)
    report = model.search_report_
    assert report is not None
    return {
        "radius": float(model.radius),
        "n_queries": len(Q),
        "seconds": seconds,
        "ratio": statistics.median(seconds["radius"]) / statistics.median(seconds["kneighbors"]),
        "computed per query": computed,
        "results per query": (report.n_results or 0) / len(Q),
        "path": report.path,
        "notes": list(report.notes),
    }


def line(name: str, row: dict[str, Any]) -> str:
    """One row of the table."""
    nearest, within = (statistics.median(row["seconds"][way]) for way in ("kneighbors", "radius"))
    computed = row["computed per query"]
    return (
        f"{name:26} {row['radius']:12.6g} {nearest:10.3f} {within:10.3f} {row['ratio']:7.2f} {computed['kneighbors']:12.1f} "
        f"{computed['radius']:12.1f} {row['results per query']:8.1f}  {row['path']}; {'; '.join(row['notes'])}"
    )


def stored(path: Path, setting: dict[str, Any]) -> dict[str, Any]:
    """The rows of an earlier run with the same setting."""
    if not path.exists():
        return {}
    known = json.loads(path.read_text(encoding="utf-8"))
    return known["rows"] if all(known.get(name) == value for name, value in setting.items()) else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--queries", type=int)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    setting = {"machine": machine(), "isa": simd.active(), "threads": threads.effective(None), "target": TARGET}
    rows = stored(args.results, setting)
    print("data, metric, k, radius, kneighbors s, radius s, ratio, computed per query (both), results per query, path")
    for name, metric, k in ROWS:
        key = f"{name} {metric} {k}"
        if args.only in key:
            try:
                X, Q = data.rows(name)
            except data.NotHereError as reason:
                print(f"{name}: {reason}")
                continue
            assert Q is not None
            rows[key] = {"date": datetime.date.today().isoformat(), **compared(X, Q[: args.queries], metric, k, args.rounds)}
            print(line(key, rows[key]), flush=True)
            write_text(json.dumps({**setting, "rows": rows}, indent=1) + "\n", args.results, "the figures")


if __name__ == "__main__":
    main()
