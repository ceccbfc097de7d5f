"""The interface of the three kinds of search (brute force, filter, tree) that the planner runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .report import LevelReport

Groups = tuple[np.ndarray, np.ndarray]  # of the queries and of the rows; both empty if every query sees every row
Advance = Callable[[int], None]  # called with the number of pairs just done
Heaps = tuple[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray]  # groups of queries and rows, row_start, S, indices


@dataclass(frozen=True)
class RunReport:
    """What one run did; the planner merges these into a `SearchReport`.

    Attributes
    ----------
    path : {"brute", "filter", "tree"}
    kernel : str
    computed : int
        Pairs whose S was computed.
    tile : tuple of int
        Queries and rows of a tile.
    chunks : int
        Chunks of work, each one parallel region.
    scratch_bytes, filter_bytes : int
    refined : int
        Pairs whose S was computed in the reference arithmetic after a packed sum had passed.
    levels : tuple of LevelReport
    """

    path: str
    kernel: str
    computed: int
    tile: tuple[int, int]
    chunks: int
    scratch_bytes: int
    filter_bytes: int = 0
    refined: int = 0
    levels: tuple[LevelReport, ...] = ()


class Run(Protocol):
    """A search over some rows, for queries that arrive in blocks.

    Attributes
    ----------
    by_rows : bool
        Whether the threads divide the rows among themselves, rather than the queries.
    per_job : int
        Queries that one thread takes at a time.
    """

    by_rows: bool
    per_job: int

    def run(self, Q: np.ndarray, groups: Groups, advance: Advance, S_out: np.ndarray, indices_out: np.ndarray) -> int:
        """Write the neighbours of the first queries of `Q`, in order; return how many queries are done.

        Brute force does all queries. A filter or tree may stop early if brute force would be faster; it is not called again
        then.
        """
        ...

    def report(self) -> RunReport:
        """What this run has done so far."""
        ...
