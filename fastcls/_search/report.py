"""The report of a search: which path it took, and how much work it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastcls._validation.messages import counted


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
        Pairs that entered the level, and pairs that it could not rule out.
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
        "codes" (filter), "boxes" (tree), or one of the brute-force kernels: "panels" (packed rows, many queries at a time),
        "low_dimensional" (few features, eight queries at a time), "pairwise" (one pair at a time).
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
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.path} ({self.kernel}, {self.isa}), {self.metric}, {self.arithmetic} arithmetic",
            f"{counted(self.n_queries, 'query', 'queries')}, {counted(self.n_rows, 'row')} of "
            f"{counted(self.n_features, 'feature')}, k = {self.k}: "
            f"{self.seconds:.4g} s on {counted(self.threads, 'thread')}",
            f"of {self.pairs:,} pairs {self.computed:,} were computed{_percent(self.computed, self.pairs)}",
        ]
        for level in self.levels:
            left = f"{level.pairs_out:,} of {level.pairs_in:,} pairs left{_percent(level.pairs_out, level.pairs_in)}"
            lines.append(f"  {level.bound}, {counted(level.bytes, 'byte')}: {left}")
        lines.append(f"bytes: scratch {self.scratch_bytes:,}, filter {self.filter_bytes:,}, copied {self.copied_bytes:,}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def as_dict(self) -> dict[str, Any]:
        """The attributes, and those of the levels, as plain values: for JSON."""
        return asdict(self)


def _percent(part: int, whole: int) -> str:
    return f" ({100 * part / whole:.3g} %)" if whole else ""
