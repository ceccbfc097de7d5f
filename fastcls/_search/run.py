"""The interfaces that the planner uses: `Run`, a search by one of three paths, and `Prepared`, a filter or tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastcls.metrics import Metric

from .report import LevelReport
from .rows import Rows

Groups = tuple[np.ndarray, np.ndarray]  # of the queries and of the rows; both empty if every query sees every row
NO_GROUPS: Groups = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
Advance = Callable[[int], None]  # called with the number of pairs just done
Heaps = tuple[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray]  # groups of queries and rows, row_start, S, indices

#: Plain arrays (or a list of parts, one below the other) by name, and numbers as JSON knows them.
Stored = tuple[dict[str, Any], dict[str, Any]]


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


class RunOfPairs(Protocol):
    """A search of rows among themselves, in which each unordered pair is looked at once: all rows at the same time."""

    def run(self, advance: Advance, S_out: np.ndarray, indices_out: np.ndarray) -> None:
        """Write the neighbours of all rows, in order."""
        ...

    def report(self) -> RunReport:
        """What this run has done so far."""
        ...


class Prepared(Protocol):
    """What is made of rows once so that searches can rule out pairs: a `Filter` or a `Tree`, kept in `Rows.filters`.

    It never changes, for searches in other threads; what replaces it may share its chunks.

    Attributes
    ----------
    chunks : list
        What was made of each chunk of the rows. It may lack the last ones, which `prepare` adds.
    """

    chunks: list[Any]

    @property
    def nbytes(self) -> int: ...

    @staticmethod
    def key(metric: Metric) -> str:
        """Its key in `Rows.filters`."""
        ...

    @classmethod
    def is_applicable(cls, rows: Rows, dtype: np.dtype, metric: Metric, k: int, *, forced: bool) -> bool:
        """Whether it may serve queries of this type; `forced`: even if brute force is faster."""
        ...

    @classmethod
    def prepare(
        cls, rows: Rows, metric: Metric, k: int, n_threads: int, n_queries: int | None, *, forced: bool
    ) -> Prepared | None:
        """That of all these rows, or None for brute force. Without `n_queries` (in `fit`), many will come."""
        ...

    def search(
        self, rows: Rows, metric: Metric, n_queries: int, k: int, n_threads: int, *, forced: bool, below: float
    ) -> Run:
        """A search of these rows through it, for neighbours whose S is below a number: infinity, or that of a radius."""
        ...

    def pairs(
        self,
        rows: Rows,
        metric: Metric,
        k: int,
        n_threads: int,
        groups: np.ndarray | None,
        *,
        with_self: bool,
        forced: bool,
    ) -> RunOfPairs | None:
        """A search of these rows among themselves that looks at each unordered pair once; None where there is none.

        Rows of one group never see each other; without `groups`, a row sees itself only `with_self`.
        """
        ...

    def stored(self) -> Stored:
        """Its plain form, for files and pickles; ``kind`` is one of its numbers."""
        ...

    @classmethod
    def restored(cls, of: Stored, rows: Rows) -> Prepared:
        """That of these rows from its plain form; raises KeyError, TypeError, ValueError or OverflowError for any other."""
        ...

    def check(self, rows: Rows, n_threads: int, *, every: bool) -> None:
        """Compare what came from a file with a sample of the rows, or with `every` row; raises ValueError."""
        ...
