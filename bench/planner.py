"""The planner's choice against every other: ``python -m bench.planner`` writes bench/results/planner.md.

For each data set and metric, brute force and a filter with each choice of levels that keeps its promised share of memory
encode the rows and search the same queries in this process, in turns. The planner's own search runs too, and may give the
filter up. All are counted as for `FULL` queries; learning and probing the levels is the same for all, and left out.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fastcls._runtime import threads
from fastcls._search import plan
from fastcls._search.filter import costs
from fastcls._search.filter import filter as filtering
from fastcls._search.filter import levels as of_metric
from fastcls._search.rows import Rows
from fastcls.metrics import METRICS

from . import data, unseen
from .measure import machine

RESULTS = Path(__file__).with_name("results") / "planner.md"
SETS = ["cifar10", "mnist", "debian_float32", "debian_float16", *unseen.NAMES]
FULL = 10_000  # queries that a search is scaled to
WITHIN = 1.15
ROUNDS = 2


def choices(rows: Rows, metric: str, k: int, n_threads: int) -> dict[str, filtering.Filter | None]:
    """By name, brute force (None) and a filter for every choice of levels, without codes."""
    sample = filtering._sample(rows)
    with threads.one_blas_thread():
        learned = of_metric.learned(sample, METRICS[metric])
    found: dict[str, filtering.Filter | None] = {"brute": None}
    for size in range(1, 4):
        for some in itertools.combinations(learned, size):
            if not some[0].fine and costs.keeps_its_share(list(some), sample):
                name = " + ".join(f"{level.width}{' fine' if level.fine else ''}" for level in some)
                found[name] = filtering.Filter(METRICS[metric], list(some), k=k, learned=learned)
    return found


def name_of(chosen: filtering.Filter | None) -> str:
    """The name that `choices` gives it."""
    if chosen is None:
        return "brute"
    return " + ".join(f"{level.width}{' fine' if level.fine else ''}" for level in chosen.levels)


def compare(name: str, metric: str, k: int, n_queries: int, n_threads: int) -> tuple[str, dict[str, float]]:
    """The planner's choice, and the seconds of all; the planner's own search is ``planner``."""
    X, Q = data.rows(name)
    Q = np.ascontiguousarray(Q[:n_queries])
    rows = Rows([X])
    planned = plan.prepare(rows, metric, k, n_threads, "auto")
    assert planned is None or isinstance(planned, filtering.Filter)
    ready: dict[str, Callable[[], float]] = {}
    found: dict[str, float] = {}
    answers = {}

    def searching(label: str, of: Rows, algorithm: str, encoding: float) -> Callable[[], float]:
        def search() -> float:
            begun = time.perf_counter()
            answers[label] = plan.search(of, Rows([Q]), k, metric, n_threads=n_threads, algorithm=algorithm)[1]
            return encoding + (time.perf_counter() - begun) * FULL / len(Q)

        return search

    for label, chosen in choices(rows, metric, k, n_threads).items():
        own = Rows([X])
        if chosen is not None:
            own.filters[metric] = chosen = chosen.extended(own.chunks, n_threads)
        ready[label] = searching(label, own, "brute" if chosen is None else "filter", chosen.seconds if chosen else 0.0)
    ready["planner"] = searching("planner", rows, "auto", planned.seconds if planned else 0.0)
    for _ in range(ROUNDS):
        for label, search in ready.items():
            found[label] = min(found.get(label, np.inf), search())
    if any((answer != answers["brute"]).any() for answer in answers.values()):
        raise AssertionError(f"{name} {metric}: the choices give different neighbours")
    return name_of(planned), found


def line(name: str, metric: str, k: int, planned: str, found: dict[str, float]) -> str:
    """A row of the table."""
    own = found.pop("planner")
    best = min(found, key=lambda label: found[label])
    ratio = own / found[best]
    listed = "; ".join(f"{label} {seconds:.3g}" for label, seconds in sorted(found.items(), key=lambda pair: pair[1]))
    cells = [
        name,
        metric,
        k,
        planned,
        f"{own:.3g}",
        f"{best} {found[best]:.3g}",
        f"{ratio:.2f}",
        f"{found['brute'] / own:.2f}",
    ]
    verdict = "yes" if ratio <= WITHIN else "**no**"
    return "| " + " | ".join(map(str, [*cells, verdict, listed])) + " |"


def main() -> None:
    """Measure, print and write the table; rows that are not measured stay."""
    parser = argparse.ArgumentParser(prog="python -m bench.planner", description=__doc__)
    parser.add_argument("--only", action="append", default=[], choices=SETS, metavar="SET")
    parser.add_argument("--metrics", nargs="+", default=["l1", "l2", "cosine"])
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-k", type=int, default=10)
    arguments = parser.parse_args()
    old = RESULTS.read_text().splitlines() if RESULTS.is_file() else []
    kept = {tuple(text.split(" | ")[:3]): text for text in old if text.startswith("| ") and not text.startswith("| set")}
    for name, metric in itertools.product(arguments.only or SETS, arguments.metrics):
        try:
            X, _ = data.rows(name)
        except data.NotHereError as lack:
            print(f"{name}: not measured: {lack}")
            continue
        if metric == "cosine" and X.dtype.kind != "f":
            continue
        text = line(name, metric, arguments.k, *compare(name, metric, arguments.k, arguments.queries, arguments.threads))
        print(text, flush=True)
        kept[tuple(text.split(" | ")[:3])] = text
    facts = ", ".join(f"{key} {value}" for key, value in machine().items())
    head = "| set | metric | k | planner's choice | s | best choice, s | ratio | x brute | within 15 % | all |"
    about = f"Seconds of encoding and of {FULL:,} queries, {arguments.threads} threads; a choice is the bytes of its levels."
    RESULTS.write_text(
        "\n".join(["# `python -m bench.planner`", "", facts, "", about, "", head, "|" + "---|" * 10, *kept.values(), ""])
    )


if __name__ == "__main__":
    main()
