"""What the planner expects of a search that it runs: by brute force, through a filter, or through a tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .report import LevelReport

Groups = tuple[np.ndarray, np.ndarray]  # of the queries, of the rows; empty where every query sees every row
Advance = Callable[[int], None]  # is given the number of pairs that were decided


@dataclass(frozen=True)
class RunReport:
    """What one run did: its part of a `SearchReport`.

    Attributes
    ----------
    path : {"brute", "filter", "tree"}
    kernel : str
    pairs : int
        Pairs that this run decided.
    computed : int
        Pairs whose S it computed.
    tile : tuple of int
        Queries and rows of a tile.
    pieces : int
        Parallel regions.
    scratch_bytes, filter_bytes : int
    refined : int
        Pairs whose S was computed a second time, in the reference arithmetic.
    levels : tuple of LevelReport
    """

    path: str
    kernel: str
    pairs: int
    computed: int
    tile: tuple[int, int]
    pieces: int
    scratch_bytes: int
    filter_bytes: int = 0
    refined: int = 0
    levels: tuple[LevelReport, ...] = ()


class Run(Protocol):
    """One search under way over some rows, for queries that come in blocks.

    Attributes
    ----------
    by_rows : bool
        Threads share out the rows, not the queries.
    per_job : int
        Queries that one thread takes at a time.
    """

    by_rows: bool
    per_job: int

    def run(self, Q: np.ndarray, groups: Groups, advance: Advance, S_out: np.ndarray, indices_out: np.ndarray) -> int:
        """Neighbours of the first queries of `Q`, in order, into `S_out` and `indices_out`; returns of how many.

        Brute force does all. Another run may stop early, where brute force would be faster, and then does no more.
        """
        ...

    def report(self) -> RunReport:
        """What this run has done so far."""
        ...
