"""The report of a search: which path it took, and how much work it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastcls._validation.messages import counted
from fastcls._validation.notebook import Table, as_html


@dataclass(frozen=True)
class LevelReport:
    """One level of a filtered search.

    Attributes
    ----------
    bound : str
        What the codes contain.
    bytes : int
        Size of a row's code.
    pairs_in, pairs_out : int
        Pairs that entered the level, and pairs that it could not rule out. Where the rows are searched among themselves, an
        unordered pair counts once.
    """

    bound: str
    bytes: int
    pairs_in: int
    pairs_out: int


@dataclass(frozen=True)
class SearchReport:
    """What a search did. Read its attributes, or `as_dict()`; ``print`` shows a summary of a few lines.

    Attributes
    ----------
    path : str
        "brute": every pair was computed. "filter": lower bounds ruled out most pairs. "tree": boxes of rows ruled out most
        pairs. "filter then brute", "tree then brute": the first queries showed that brute force is faster.
    kernel : str
        "codes" (filter), "pairs" (filter, rows among themselves: each unordered pair once), "boxes" (tree), or one of the
        brute-force kernels: "panels" (packed rows, many queries at a time), "low_dimensional" (few features, eight queries
        at a time), "pairwise" (one pair at a time).
    metric, arithmetic, isa : str
        The arithmetic is "integer" or "float64"; isa is the instruction set in use.
    threads, n_queries, n_rows, n_features, k : int
    pairs : int
        Number of (query, training row) pairs.
    levels : tuple of LevelReport
        The filter's levels, coarse to fine, with the pairs that entered and left each.
    computed : int
        Pairs whose rank distance was computed; bounds ruled out all others.
    refined : int
        Pairs of a brute-force search whose packed sum is only a bound, so that the rank distance was computed as well.
    tile : tuple of int
        Queries and rows of a tile.
    chunks : int
        Chunks of work, each one parallel region. Ctrl-C takes effect between two chunks.
    seconds : float
    scratch_bytes : int
        Working memory of all threads, without inputs and outputs.
    filter_bytes : int
        Size of the filter's codes or of the tree, which are kept in addition to the training rows.
    copied_bytes : int
        Bytes of input that were copied because they were not C-contiguous or not of a supported type, and bytes of small
        blocks of training rows that partial_fit merged.
    radius, n_results : float, int
        Of a search by radius: its radius, and the number of results of all queries; `k` is the largest number of one query.
    notes : tuple of str
        What the user should know, such as a conversion, or a single thread after a fork.
    """

    path: str
    kernel: str
    metric: str
    arithmetic: str
    isa: str
    threads: int
    n_queries: int
    n_rows: int
    n_features: int
    k: int
    pairs: int
    levels: tuple[LevelReport, ...]
    computed: int
    refined: int
    tile: tuple[int, int]
    chunks: int
    seconds: float
    scratch_bytes: int
    filter_bytes: int = 0
    copied_bytes: int = 0
    radius: float | None = None
    n_results: int | None = None
    notes: tuple[str, ...] = ()

    def _lines(self) -> list[str]:
        """The search in a few lines, without its levels, bytes and notes."""
        wanted = f"k = {self.k}"
        if self.radius is not None:
            wanted = f"radius = {self.radius:.6g}, {counted(self.n_results or 0, 'result')}, at most {self.k:,} of one query"
        return [
            f"{self.path} ({self.kernel}, {self.isa}), {self.metric}, {self.arithmetic} arithmetic",
            f"{counted(self.n_queries, 'query', 'queries')}, {counted(self.n_rows, 'row')} of "
            f"{counted(self.n_features, 'feature')}, {wanted}: "
            f"{self.seconds:.4g} s on {counted(self.threads, 'thread')}",
            f"of {self.pairs:,} pairs {self.computed:,} were computed{_percent(self.computed, self.pairs)}",
        ]

    def _bytes(self) -> str:
        return f"bytes: scratch {self.scratch_bytes:,}, filter {self.filter_bytes:,}, copied {self.copied_bytes:,}"

    def _repr_html_(self) -> str:
        title, *lines = self._lines()
        rows = [
            (one.bound, f"{one.bytes:,}", f"{one.pairs_in:,}", f"{one.pairs_out:,}", _percent(one.pairs_out, one.pairs_in))
            for one in self.levels
        ]
        heads = ("level", "bytes of a row", "pairs", "pairs left", "left")
        tables = [Table(heads, [[*row[:4], row[4].strip(" ()")] for row in rows], texts=("level",))] if rows else []
        return as_html(title, [*lines, self._bytes()], tables, [f"note: {note}" for note in self.notes])

    def __str__(self) -> str:
        lines = self._lines()
        for level in self.levels:
            left = f"{level.pairs_out:,} of {level.pairs_in:,} pairs left{_percent(level.pairs_out, level.pairs_in)}"
            lines.append(f"  {level.bound}, {counted(level.bytes, 'byte')}: {left}")
        lines.append(self._bytes())
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def as_dict(self) -> dict[str, Any]:
        """The attributes, and those of the levels, as plain values: for JSON."""
        return asdict(self)


def _percent(part: int, whole: int) -> str:
    return f" ({100 * part / whole:.3g} %)" if whole else ""


def one_report(reports: Sequence[SearchReport], seconds: float, pairs: int, n_queries: int) -> SearchReport:
    """The reports of several searches (of shards, of blocks of queries) as the report of one search."""
    first = reports[0]
    paths = dict.fromkeys(report.path for report in reports)
    notes = dict.fromkeys(note for report in reports for note in report.notes)
    return replace(
        first,
        path=paths.popitem()[0] if len(paths) == 1 else " and ".join(paths),
        n_queries=n_queries,
        n_rows=pairs // max(1, n_queries),
        k=max(report.k for report in reports),
        pairs=pairs,
        levels=(),
        computed=sum(report.computed for report in reports),
        refined=sum(report.refined for report in reports),
        chunks=sum(report.chunks for report in reports),
        seconds=seconds,
        scratch_bytes=max(report.scratch_bytes for report in reports),
        notes=tuple(notes),
    )
