"""What a search tells of itself."""

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
        What its codes stand for.
    bytes : int
        Of a row's code.
    pairs_in, pairs_out : int
        Pairs that came to it, and that it could not rule out when it looked at them.
    """

    bound: str
    bytes: int
    pairs_in: int
    pairs_out: int


@dataclass(frozen=True)
class SearchReport:
    """What a search did. Read it as attributes, or as a dictionary with `as_dict()`; ``print`` tells it in a few lines.

    Attributes
    ----------
    path : str
        "brute": every pair was computed. "filter": bounds ruled most of them out. "tree": boxes of rows did. "filter then
        brute", "tree then brute": the first queries showed that too little could be ruled out.
    kernel : str
        "codes": the filter's; "boxes": the tree's; "panels": packed rows, many queries at a time; "narrow": eight queries
        side by side, for few features; "direct": one pair at a time, for few queries.
    metric, arithmetic, isa : str
        The arithmetic is "integer" or "float64"; the isa names the kernels.
    threads, n_queries, n_rows, n_features, k : int
    pairs : int
        Pairs of query and training row that were decided.
    levels : tuple of LevelReport
        The filter's levels, coarse to fine: how many pairs came to each, and how many it left.
    computed : int
        Pairs whose S was computed; all others were ruled out by a bound.
    refined : int
        Pairs of a brute-force search whose packed sum was only a bound, and whose S was computed anew.
    tile : tuple of int
        Queries and rows of a tile.
    pieces : int
        Parallel regions, between which Ctrl-C is honoured.
    seconds : float
    scratch_bytes : int
        Working memory of all threads, beyond inputs and outputs.
    filter_bytes : int
        Of the codes, or the tree, that are kept beside the training rows.
    copied_bytes : int
        Bytes of input that had to be copied because they were not C-contiguous or not of a supported type, and of small
        parts of the training rows that partial_fit joined.
    notes : tuple of str
        What a user should know: a conversion, a single thread after a fork.
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
    pieces: int
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
        return asdict(self)


def _percent(part: int, whole: int) -> str:
    return f" ({100 * part / whole:.3g} %)" if whole else ""
