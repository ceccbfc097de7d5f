"""``fastcls race``: the lecture's loop, NumPy and the compiled core on the same rows, with bars that fill."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from fastcls._validation.base import check_number, one_of
from fastcls._validation.messages import counted

from ._checks import parse_drop
from ._progress import Progress
from ._race_data import rows_of
from ._race_lanes import Lane, SameLosses, SameNeighbors, knn_lanes, linear_lanes
from ._results import as_json as to_json
from ._results import environment, versions
from ._streams import say
from ._text import markup
from ._words import seconds as duration

#: seconds of its own time that a lane works before it is the next lane's turn
TURN = 0.05
#: seconds until the threads of NumPy's BLAS sleep
_REST = 0.3
#: seconds between two pictures of the bars
_PICTURE = 0.08
#: columns that the whole table needs; on a narrower terminal, some are left out
_WIDE, _NARROW = 80, 44
_LOSS = {"svm": "hinge", "softmax": "softmax"}
_WORK = {"knn": "nearest row of every query", "svm": "loss and gradient", "softmax": "loss and gradient"}


def race(
    kind: str,
    data: str | None,
    *,
    labels: str | None = None,
    drop: str | None = None,
    rows: int = 5000,
    queries: int = 50,
    steps: int = 10,
    metric: str = "l2",
    seed: int = 0,
    as_json: bool = False,
) -> bool:
    """Run a race, print its result, and return whether all answers were equal."""
    for name, value in {"--rows": rows, "--queries": queries, "--steps": steps}.items():
        check_number(name, value, minimum=1, whole=True)
    check_number("--seed", seed, minimum=0, whole=True)
    one_of("--metric", metric, ("l1", "l2"))
    found = rows_of(data, labels, rows, queries if kind == "knn" else 0, seed, parse_drop(drop))
    answers: SameNeighbors | SameLosses
    if kind == "knn":
        lanes, answers = knn_lanes(found.X, found.queries, metric), SameNeighbors(len(found.queries))
        size = f"{counted(len(found.queries), 'query', 'queries')} x {counted(len(found.X), 'row')}, {metric.upper()}"
    else:
        lanes, answers = linear_lanes(found.X, found.y, _LOSS[kind], steps), SameLosses()
        size = f"{counted(steps, 'step')} x {counted(len(found.X), 'row')}, {counted(int(found.y.max()) + 1, 'class')}"
    title = f"{found.name}: {_WORK[kind]}, {size} of {found.X.shape[1]:,} bytes"
    _run(title, lanes, answers)
    results = _results(kind, found.name, found.X.shape, lanes, answers)
    results |= {"queries": len(found.queries), "metric": metric} if kind == "knn" else {"steps": steps}
    if as_json:
        sys.stdout.write(to_json(results))
    else:
        print_result(title, results, sys.stdout)
    for lane, words in answers.differing.items():
        say(f"fastcls: {lane} found another answer: {words}")
    return not answers.differing


def _run(title: str, lanes: list[Lane], answers: SameNeighbors | SameLosses) -> None:
    """Let the lanes take turns until all are done."""
    with _screen(title, lanes) as show:
        racing, was_numpy = sorted(lanes, key=lambda lane: lane.is_numpy), False
        while racing:
            for lane in racing:
                if was_numpy and not lane.is_numpy:
                    time.sleep(_REST)
                lane.advance(TURN, answers.found)
                was_numpy = lane.is_numpy
                show()
            racing = [lane for lane in racing if not lane.is_done]


@contextmanager
def _screen(title: str, lanes: list[Lane]) -> Iterator[Any]:
    """Yield a function that shows the lanes as they are: bars on a terminal, elsewhere a line of progress now and then."""
    progress = Progress()
    console = progress.console
    if console is None:
        with progress.step("race") as report:
            yield lambda: report(sum(lane.done for lane in lanes), sum(lane.total for lane in lanes))
        return
    from rich.console import Group
    from rich.live import Live

    last = 0.0
    with suppress(OSError), Live(console=console, auto_refresh=False, transient=True) as live:

        def show() -> None:
            nonlocal last
            if time.perf_counter() - last >= _PICTURE:
                last = time.perf_counter()
                live.update(Group(markup(title), bars(lanes, console.width)), refresh=True)

        show()
        yield show


def bars(lanes: list[Lane], width: int) -> Any:
    """Return the lanes as a table with bars, for a terminal of so many columns."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    if width >= _WIDE:
        table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=5)
    table.add_column(justify="right", no_wrap=True, min_width=7)
    length = max(8, min(40, width - (70 if width >= _WIDE else 32)))
    for lane in lanes:
        share = lane.done / lane.total
        cells = [lane.name, *([lane.about] if width >= _WIDE else [])]
        bar = ProgressBar(total=lane.total, completed=lane.done, width=length)
        table.add_row(*cells, bar, f"{100 * share:.0f} %", _plain(lane.seconds))
    return table


def _plain(value: float) -> str:
    """Return a duration with plain spaces: a terminal may not have others."""
    return duration(value).replace("\u00a0", " ")


def _results(
    kind: str, data: str, shape: tuple[int, int], lanes: list[Lane], answers: SameNeighbors | SameLosses
) -> dict[str, Any]:
    """Return all results as plain values."""
    slowest = max(lane.seconds for lane in lanes)
    return {
        "schema": 1,
        "race": kind,
        "data": data,
        "rows": shape[0],
        "features": shape[1],
        "answers_equal": not answers.differing,
        "lanes": [
            {
                "name": lane.name,
                "about": lane.about,
                "seconds": lane.seconds,
                "prepare_seconds": lane.prepare_seconds,
                "work": lane.done,
                "times_as_fast_as_the_first": lanes[0].seconds / lane.seconds,
                "share_of_slowest": lane.seconds / slowest,
                "answers_equal": lane.name not in answers.differing,
            }
            for lane in lanes
        ],
        "versions": versions(),
        "environment": environment(),
    }


def print_result(title: str, results: dict[str, Any], stream: TextIO) -> None:
    """Print the times and ratios; a narrow terminal gets fewer columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=stream, highlight=False)
    wide, lanes = console.width >= _WIDE, results["lanes"]
    console.print(markup(title, stream), style="bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("lane", no_wrap=True)
    if wide:
        table.add_column("")
    if console.width >= _NARROW:
        table.add_column("before", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    if wide:
        table.add_column("answers")
    for lane in lanes:
        table.add_row(
            lane["name"],
            *([lane["about"]] if wide else []),
            *([_plain(lane["prepare_seconds"])] if console.width >= _NARROW else []),
            _plain(lane["seconds"]),
            ratio(lane["times_as_fast_as_the_first"]),
            *(["equal" if lane["answers_equal"] else "OTHERS"] if wide else []),
            style="bold" if lane is min(lanes, key=lambda one: one["seconds"]) else None,
        )
    console.print(table)
    words = "All answers are equal." if results["answers_equal"] else "THE ANSWERS DIFFER."
    console.print(
        f"{words} Ratio: how many times as fast as {lanes[0]['name']}. Before: conversion to float64, or fitting.",
        style="dim",
    )


def ratio(value: float) -> str:
    """Return a ratio with about three digits: ``0.65 x``, ``41.2 x``, ``1,230 x``."""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f} x"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} x"
