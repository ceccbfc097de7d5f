"""Estimates of memory, traffic and time of k-NN over 1 to 64 workers; prints the tables of docs/dask.md:

    python -m bench.dask_plan

Nothing is measured here. Memory and traffic follow from shapes. Time is extrapolated from one measured row of
bench/results/filter_zen5.json: pairs per second and core, scaled by the number of features. It holds for data on which the
filter rules out the same share of pairs.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from fastcls.dask._neighbors import _queries_of

# debian-l2-float16, 2026-11-26: 10,000 queries among 53,666 rows of 384 float16, k = 20, without the fit
BASIS_SECONDS, BASIS_PAIRS, BASIS_FEATURES, BASIS_THREADS = 0.4185, 10_000 * 53_666, 384, 2
WORKERS = (1, 4, 16, 64)
CODES_SHARE = 0.6  # of the size of the rows: the upper limit of codes for float16 and int8
NETWORK = 1.25e9  # bytes per second: 10 gigabit Ethernet
CORES = 2


@dataclass(frozen=True)
class Plan:
    """One size of training set."""

    n_rows: int
    n_features: int
    dtype: str
    k: int = 20

    @property
    def row_bytes(self) -> int:
        return self.n_features * np.dtype(self.dtype).itemsize

    @property
    def block(self) -> int:
        """Queries sent at a time."""
        return _queries_of(self.n_features, np.dtype(self.dtype), self.k)

    def pairs_per_second(self) -> float:
        """Of one core."""
        return BASIS_PAIRS / BASIS_SECONDS / BASIS_THREADS * BASIS_FEATURES / self.n_features

    def line(self, n_workers: int) -> str:
        """One row of the table."""
        rows = self.n_rows * self.row_bytes / n_workers / 1e9
        sent = self.block * self.row_bytes
        neighbours = self.block * self.k * 16
        levels = (n_workers - 1).bit_length()
        seconds = self.block * self.n_rows / self.pairs_per_second() / (CORES * n_workers)
        traffic = (levels + 1) * (sent + neighbours) / NETWORK
        return (
            f"| {n_workers} | {rows:.2f} + {rows * CODES_SHARE:.2f} GB | {sent / 1e6:.1f} MB"
            f" | {sent * n_workers / 1e6:,.0f} MB"
            f" | {neighbours / 1e6:.1f} MB x {levels} | {seconds:.2f} s | {traffic:.3f} s |"
        )

    def table(self) -> list[str]:
        """Title and table as in docs/dask.md."""
        size = f"{self.n_rows * self.row_bytes / 1e9:.2f} GB"
        title = f"{self.n_rows:,} x {self.n_features} {self.dtype}, {size}, k = {self.k}, {self.block:,} queries a block:"
        columns = (
            "workers",
            "rows + codes, each",
            "block, to each",
            "block, in all",
            "merged, on the way up",
            "search of a block",
            "its traffic",
        )
        return [title, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(self.line(n) for n in WORKERS)]


PLANS = (Plan(1_280_000, 1024, "float16"), Plan(100_000_000, 768, "int8"))


def tables() -> list[str]:
    """All lines of both tables."""
    return [*PLANS[0].table(), "", *PLANS[1].table()]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("\n".join(tables()))
