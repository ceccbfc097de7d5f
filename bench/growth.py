"""How the rate of a search depends on rows, queries and the width of codes: ``python -m bench.growth [--quick]``.

The rate is queries x rows x features over the seconds of the whole search (`NearestNeighbors.kneighbors`, L2, k = 20,
float16 rows), in G products/s: the products that the filter's finest codes, a byte for each feature, would take. (The filter
may look at narrower codes first.) The table has the rate by processor time, which other processes disturb less: the threads'
seconds, divided by their number. The time of `fit` is a column of its own. A cell is left empty if it would take more than
`--seconds`. Figures are added to bench/results/growth.json under the name `--label`, and the table of all labels is written
to bench/results/growth.md. ``--widths`` and ``--rows`` measure a part of the table, so that each run can be short.

Rows have the spectrum and the clusters of real embeddings, those of 63,666 Debian packages (all-MiniLM-L6-v2, 384 numbers):

- The eigenvalues of their covariance, in shares: the first 2 % of the axes hold 18 % of the squares, 4 % 29 %, 8 % 43 %,
  17 % 60 %, 33 % 80 %, 50 % 91 %, 67 % 97 % (`SPECTRUM`). Rows of any width get the same shares at the same shares of their
  axes, turned by a random rotation, as features are not principal axes.
- k-means with 100 centres leaves 75 % of the squares, with 1,000 centres 57 %, and the 20th neighbour among 60,000 rows is
  at 0.69 of the median distance. A made row is the sum of one of 100 centres (25 % of the squares), one of 10 centres below
  it (18 %), one of 10 below that (17 %), and its own part (40 % on average), all drawn with the same spectrum.
- Distances from a centre differ: their 5th, 50th and 95th percentiles are 0.48, 0.76 and 0.92 of the root mean square. The
  own part of a row is multiplied by a number between 0.5 and 1.35, drawn uniformly.

The 20th neighbours of made rows are printed, for comparison. Rows are made once, into memory maps of at most 2.7 GB each in
the cache folder (see `data.py`); a smaller number of rows is a part of the same map.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import cache_folder
from fastcls import NearestNeighbors
from fastcls._runtime import threads
from fastcls._storage.atomic import write_text

from .measure import machine

RESULTS = Path(__file__).with_name("results")
SPECTRUM = ([0, 8, 16, 32, 64, 128, 192, 256, 384], [0, 0.184, 0.288, 0.429, 0.603, 0.802, 0.911, 0.971, 1.0])
LEVELS = ((100, 0.25), (1000, 0.18), (10_000, 0.17))  # centres in all, and their share of the squares
OWN = 0.40
BLOCK = 20_000  # rows made at a time, each block from its own seed
K = 20
#: width of the rows -> numbers of rows; the map has the largest one
ROWS = {
    64: (10_000, 40_000, 160_000, 640_000, 2_000_000),
    256: (10_000, 40_000, 160_000, 640_000, 2_000_000),
    1024: (10_000, 40_000, 160_000, 640_000, 1_280_000),
    4096: (10_000, 40_000, 80_000),
}
QUERIES = (1, 10, 96, 500, 2_000, 10_000, 50_000)
FEWER_QUERIES = {4096: 2_000}  # rows of this width are slow to make
QUICK = {64: (40_000, 640_000), 1024: (40_000, 160_000)}, (1, 96, 2_000)


class Features:
    """Made rows of one width; see the module's docstring."""

    def __init__(self, width: int) -> None:
        rng = np.random.default_rng(width)
        self.width = width
        shares = np.diff(np.interp(np.linspace(0, 1, width + 1), np.divide(SPECTRUM[0], 384), SPECTRUM[1]))
        rotation, _ = np.linalg.qr(rng.standard_normal((width, width)))
        self.axes = (np.sqrt(shares)[:, None] * rotation.T).astype(np.float32)
        self.centers = [self._drawn(rng, n) * np.float32(share**0.5) for n, share in LEVELS]

    def _drawn(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.standard_normal((n, self.width), dtype=np.float32) @ self.axes

    def block(self, number: int, n: int = BLOCK) -> np.ndarray:
        rng = np.random.default_rng((self.width, number))
        rows = self._drawn(rng, n) * (OWN**0.5 * rng.uniform(0.5, 1.35, size=(n, 1))).astype(np.float32)
        finest = rng.integers(LEVELS[-1][0], size=n)
        for (count, _), centers in zip(LEVELS, self.centers, strict=True):
            rows += centers[finest * count // LEVELS[-1][0]]
        return rows.astype(np.float16)


def made(width: int) -> tuple[np.ndarray, np.ndarray]:
    """(training rows as a memory map, queries); made once."""
    folder = cache_folder()
    found = []
    for what, n, first in (("rows", max(ROWS[width]), 0), ("queries", FEWER_QUERIES.get(width, max(QUERIES)), 1_000_000)):
        path = folder / f"growth_{what}_{width}.npy"
        if not path.is_file():
            features = Features(width)
            half = path.with_suffix(".half")
            rows = np.lib.format.open_memmap(half, "w+", np.float16, (n, width))
            for start in range(0, n, BLOCK):
                rows[start : start + BLOCK] = features.block(first + start // BLOCK, min(BLOCK, n - start))
            rows.flush()
            half.rename(path)
        found.append(np.load(path, mmap_mode="r"))
    return found[0], found[1]


def measured(width: int, n_rows: int, queries: tuple[int, ...], most_seconds: float, rounds: int) -> dict[str, Any]:
    """Fit and searches among some rows: the best of some rounds each, fewer for long ones."""
    X, Q = made(width)
    X = X[:n_rows]
    begun = time.perf_counter()
    model = NearestNeighbors(n_neighbors=K).fit(X)
    fit = time.perf_counter() - begun
    model.kneighbors(Q[:1])
    cells: dict[str, Any] = {}
    rate = 0.0
    for n in queries:
        if n > len(Q) or (rate and n * n_rows / rate > most_seconds):
            break
        some, best, least, spent = np.array(Q[:n]), float("inf"), float("inf"), 0.0
        for _ in range(rounds if n > 1 else 20 * rounds):
            begun, used = time.perf_counter(), time.process_time()
            distances, _ = model.kneighbors(some)
            taken, used = time.perf_counter() - begun, time.process_time() - used
            best, least, spent = min(best, taken), min(least, used), spent + taken
            if spent + taken > most_seconds:
                break
        report = model.search_report_
        rate = n * n_rows / best
        cells[str(n)] = {
            "seconds": best,
            "rate": rate * width * 1e-9,
            "processor_rate": n * n_rows * width * threads.effective(None) / least * 1e-9,
            "path": report.path,
            "chunks": report.chunks,
            "levels": [(level.bytes, level.pairs_out / max(1, level.pairs_in)) for level in report.levels],
            "computed": report.computed / report.pairs,
        }
        if n == 96:
            some_rows = np.array(X[:: max(1, n_rows // 500)], dtype=np.float32)
            median = np.median(np.linalg.norm(some_rows[:, None, :64] - some_rows[None, :200, :64], axis=-1))
            median *= (width / 64) ** 0.5
            cells[str(n)]["kth of median distance"] = float(np.median(distances[:, -1]) / median)
    return {"fit": fit, "cells": cells, "filter_bytes": report.filter_bytes}


def table(known: dict[str, Any]) -> str:
    """All figures as Markdown."""
    lines = ["# Rate of a search against rows, queries and width", ""]
    lines += ["Written by `python -m bench.growth`; its docstring says how rows are made and what is measured.", ""]
    lines += [
        "G products/s of the whole search, L2, k = 20, float16 rows, by processor time: queries x rows x features, over"
    ]
    lines += ["the seconds that the threads computed, divided by their number. Empty: not measured."]
    for label, of_label in known.items():
        where = of_label["machine"]["processor"]
        lines += ["", f"## {label}", "", f"{where}, {of_label['threads']} threads.", ""]
        lines += [
            "| features | code bytes | rows | fit, s | " + " | ".join(f"{n:,}" for n in QUERIES) + " | chunks of the last |"
        ]
        lines += ["|---" * (5 + len(QUERIES)) + "|"]
        for name, found in sorted(of_label["rows"].items(), key=lambda item: tuple(map(int, item[0].split()))):
            width, n_rows = map(int, name.split())
            cells = found["cells"]
            last = list(cells.values())[-1]
            levels = next((cell["levels"] for cell in cells.values() if cell["levels"]), [])
            code = ", ".join(str(width) for width, _ in levels) or "none"
            rates = []
            for n in QUERIES:
                cell = cells.get(str(n))
                text = "" if cell is None else f"{cell['processor_rate']:.0f}"
                if cell and cell["path"] != "filter":
                    text += f" ({cell['path']})"
                if cell and n == 1:
                    text = f"{cell['seconds'] * 1e3:.2g} ms"
                rates.append(text)
            lines += [
                f"| {width} | {code} | {n_rows:,} | {found['fit']:.2f} | " + " | ".join(rates) + f" | {last['chunks']} |"
            ]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows and queries")
    parser.add_argument("--label", default="now", help="name of the table")
    parser.add_argument("--widths", default="", help="some of the widths, separated by commas")
    parser.add_argument("--rows", default="", help="some of the numbers of rows")
    parser.add_argument("--queries", default="", help="numbers of queries")
    parser.add_argument("--seconds", type=float, default=4.0, help="at most for one cell")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--make", action="store_true", help="only make the rows")
    args = parser.parse_args()
    rows, queries = QUICK if args.quick else (ROWS, QUERIES)
    widths = [int(width) for width in args.widths.split(",") if width] or list(rows)
    wanted = [int(n) for n in args.rows.split(",") if n]
    queries = tuple(int(n) for n in args.queries.split(",") if n) or queries
    for width in widths:
        if args.make:
            made(width)
            continue
        for n_rows in wanted or rows[width]:
            found = measured(width, n_rows, queries, args.seconds, args.rounds)
            path = RESULTS / "growth.json"
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            here = {"machine": machine(), "threads": threads.effective(None), "rows": {}}
            known.setdefault(args.label, here)["rows"][f"{width} {n_rows}"] = found
            write_text(json.dumps(known, indent=1) + "\n", path, "the figures")
            write_text(table(known), RESULTS / "growth.md", "the table")
            for n, cell in found["cells"].items():
                kth = cell.get("kth of median distance")
                print(
                    f"{width} x {n_rows:,}, {n} queries: {cell['seconds']:.4g} s, {cell['rate']:.0f} G/s, "
                    f"by processor time {cell['processor_rate']:.0f}, {cell['path']}, "
                    f"{cell['chunks']} chunks, levels {[(b, round(share, 5)) for b, share in cell['levels']]}, "
                    f"computed {cell['computed']:.2g}{'' if kth is None else f', 20th at {kth:.2f} of the median'}"
                )
            print(f"  fit {found['fit']:.2f} s, codes {found['filter_bytes'] / 1e9:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
