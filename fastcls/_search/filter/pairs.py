"""A search of rows among themselves through a filter: every unordered pair is screened once, for both of its rows.

The rows are put into an order in which near rows are near (`order.py`), and divided into blocks. First each block is
searched among itself, then with all others, near blocks first: in round r, block i meets block i XOR r. The blocks of a
round have no row in common, so the threads share them out and never write to one heap. A pair that its codes cannot rule out
for the one row or for the other gets its S, which is offered to both. So the neighbours so far of all rows are in memory at
once.

The choices here affect only speed. The bounds in ``codes.py`` guarantee correctness; docs/filter.md proves them.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np

from fastcls import _kernels
from fastcls._runtime import memory, threads
from fastcls._runtime.pacing import ChunkSize
from fastcls._sampling.evenly import spaced
from fastcls._search.report import LevelReport
from fastcls._search.rows import Rows, as_bytes, norms_for, storage_of
from fastcls._search.run import NO_GROUPS, Advance, RunReport
from fastcls._storage.external_rows import map_under
from fastcls._validation.types import is_zero, name_of
from fastcls.metrics import Metric

from . import encode_loops, order, pair_loops
from .codes import Codes, Level, padded_terms
from .search import Search, margin_of, slack_of

LEAST_ROWS = 4096  # with fewer, ordering them takes longer than it saves
_BLOCK_BYTES, _MOST_BLOCK_ROWS = 3 << 18, 2048  # a block's codes of the first level stay in a core's own cache
_LEAST_BLOCK_ROWS, _BLOCKS_PER_THREAD = 256, 8
_LEAF_ROWS = 256  # rows of a part of a block that is searched by itself first
_AT_ONCE = 2048  # rows whose codes are put into order at a time: whole panels
_TRIAL = 96  # queries that decide whether to filter
_BYTES_PER_ROW = 128  # projections, order, places, thresholds, norms, starts, errors
_NO_NORMS = np.empty(0, dtype=np.int32)


class PairSearch:
    """A search of all rows of one chunk among themselves.

    Parameters
    ----------
    rows : Rows
    metric : Metric
    levels : list of Level
    codes : list of Codes
        Of the chunk.
    k, n_threads : int
    groups : ndarray of shape (n_rows,), int64, or None
        A row never sees a row of its own group.
    with_self : bool
        Without groups, whether a row sees itself.
    """

    def __init__(
        self,
        rows: Rows,
        metric: Metric,
        levels: list[Level],
        codes: list[Codes],
        k: int,
        n_threads: int,
        groups: np.ndarray | None,
        with_self: bool,
    ) -> None:
        self.rows, self.metric, self.levels, self.codes, self.k = rows, metric, levels, codes, k
        self.groups, self.with_self = groups, with_self
        self._panel_rows = encode_loops.PANEL_ROWS[levels[0].kind]
        self._n_panels = -(-rows.n_rows // self._panel_rows)
        self._n_blocks = _blocks_of(rows.n_rows, levels[0].width, n_threads)
        self.n_threads = min(n_threads, max(1, self._n_blocks // 2))
        self._counts = np.zeros((self.n_threads, 5), dtype=np.int64)
        self.screened, self._scratch_bytes, self.chunk_size = 0, 0, ChunkSize()

    def is_profitable(self) -> bool:
        """Whether a search of a few rows among all is faster through the filter than by brute force."""
        X = self.rows.chunks[0]
        step = max(1, len(X) // _TRIAL)
        Q = np.ascontiguousarray(spaced(X, _TRIAL)[:_TRIAL])
        of_rows = self.groups
        if of_rows is None and not self.with_self:
            of_rows = np.arange(len(X), dtype=np.int64)
        groups = NO_GROUPS if of_rows is None else (np.ascontiguousarray(of_rows[::step][: len(Q)]), of_rows)
        trial = Search(
            self.rows,
            self.metric,
            self.levels,
            [self.codes],
            len(Q),
            self.k,
            self.n_threads,
            forced=False,
            below=np.inf,
        )
        S, indices = np.empty((len(Q), self.k)), np.empty((len(Q), self.k), dtype=np.int64)
        trial.run(Q, groups, lambda pairs: None, S, indices)
        return not trial.gave_up

    def run(self, advance: Advance, S_out: np.ndarray, indices_out: np.ndarray) -> None:
        """Write the neighbours of all rows."""
        X, n = self.rows.chunks[0], self.rows.n_rows
        _kernels.start_heaps(S_out[None], indices_out[None], np.inf)
        order, places, levels, panel_errors = self._in_order()
        reach = np.full(n, np.inf)
        cuts = [-(-self._n_panels * i // self._n_blocks) for i in range(self._n_blocks + 1)]
        widest = max(end - first for first, end in itertools.pairwise(cuts)) * self._panel_rows
        leaf_rows = max(_LEAF_ROWS, self._panel_rows)
        n_bytes = pair_loops.scratch_bytes(widest, leaf_rows, self.levels[0].width, self.k)
        scratch = np.empty((self.n_threads, n_bytes), dtype=np.uint8)
        self._scratch_bytes += scratch.nbytes + reach.nbytes
        taken = np.empty(self._n_panels, dtype=np.int64)
        norms, zeros = np.empty(0), np.empty(0, dtype=np.uint8)
        if self.metric.needs_norms:
            norms = norms_for(self.metric, X[:0], self.rows, name_of(X.dtype), self.n_threads).of_chunk(0, slice(0, n))
            zeros = is_zero(X).astype(np.uint8)
        at_once = self.n_threads
        for apart in range(self._n_blocks):
            pairs = [(i, i ^ apart) for i in range(self._n_blocks) if i <= i ^ apart]
            first = 0
            while first < len(pairs):
                left = len(pairs) - first  # threads wait for each other at the end of a call: one longer call, not two
                some = pairs[first:] if left <= 2 * at_once else pairs[first : first + at_once]
                blocks = np.array([(cuts[a], cuts[a + 1], cuts[b], cuts[b + 1]) for a, b in some], dtype=np.int64)
                begun = time.perf_counter()
                pair_loops.search(
                    as_bytes(X),
                    storage_of(X),
                    _kernels.SUMS[self.metric.sum],
                    levels,
                    panel_errors,
                    order,
                    places,
                    blocks,
                    leaf_rows,
                    self.metric.bounds == "l1",
                    self.metric.bounds == "cosine",
                    slack_of(self.rows),
                    margin_of(self.rows, self.metric),
                    norms,
                    zeros,
                    NO_GROUPS[0] if self.groups is None else self.groups,
                    self.with_self,
                    reach,
                    S_out,
                    indices_out,
                    taken,
                    scratch,
                    self._counts,
                    self.n_threads,
                )
                sizes = np.minimum(blocks[:, 1::2] * self._panel_rows, n) - blocks[:, ::2] * self._panel_rows
                done = int(sizes.prod(axis=1).sum())
                wanted = self.chunk_size.record(done, time.perf_counter() - begun)
                self.screened += done
                advance(done if apart == 0 else 2 * done)
                first += len(some)
                at_once = max(1, round(wanted / (widest * widest * self.n_threads))) * self.n_threads
        _kernels.sort_heaps(S_out, indices_out, self.n_threads)

    def _in_order(self) -> tuple[np.ndarray, np.ndarray, list[tuple[object, ...]], np.ndarray]:
        """The row of every place, the place of every row, the levels for the compiled loop, and the errors of panels."""
        n, level, codes = self.rows.n_rows, self.levels[0], self.codes[0]
        n_threads = self.n_threads
        rows_of_places = order.order_of(codes, level, n, _LEAF_ROWS, n_threads)
        panels, first_norms = self._panels_in_order(rows_of_places)
        starts = codes.starts if level.kind == "l1" else codes.starts[:n][rows_of_places]
        found = replace(codes, codes=panels, starts=starts, errors=codes.errors[:n][rows_of_places])
        found = padded_terms(found, n, level.kind)
        places = np.empty_like(rows_of_places)
        places[rows_of_places] = np.arange(n, dtype=np.int32)
        all_norms = [first_norms]
        for finer, of_finer in zip(self.levels[1:], self.codes[1:], strict=True):
            has_norms = finer.kind == "l2" and not finer.fine
            all_norms.append(_norms_of(of_finer.codes, n_threads) if has_norms else _NO_NORMS)
        levels: list[tuple[object, ...]] = [
            (c.codes, one.width, c.starts, norms, c.errors, one.per_unit, one.fine)
            for c, one, norms in zip([found, *self.codes[1:]], self.levels, all_norms, strict=True)
        ]
        self._scratch_bytes = found.nbytes + rows_of_places.nbytes + places.nbytes + sum(norms.nbytes for norms in all_norms)
        return rows_of_places, places, levels, found.panel_errors

    def _panels_in_order(self, rows_of_places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The codes of the first level in the order of places, and under L2 their squared norms: a part after the other."""
        level, codes, panel_rows = self.levels[0], self.codes[0].codes, self._panel_rows
        step_bytes = encode_loops.STEP_BYTES[level.kind]
        steps = codes.reshape(len(codes), -1).view(f"u{step_bytes}").reshape(len(codes), -1, panel_rows)
        panels, norms = np.empty_like(codes), [_NO_NORMS]

        def fill(first: int) -> np.ndarray:
            rows = rows_of_places[first : first + _AT_ONCE]
            ordered = steps[rows // panel_rows, :, rows % panel_rows].view(np.uint8)
            begin = first // panel_rows
            part = panels[begin : begin - (-len(rows) // panel_rows)]
            encode_loops.to_panels(ordered, step_bytes, panel_rows, part, 1)
            return _norms_of(ordered, 1) if level.kind == "l2" else _NO_NORMS

        norms += threads.in_pool(fill, range(0, self.rows.n_rows, _AT_ONCE), self.n_threads)
        return panels, np.concatenate(norms)

    def report(self) -> RunReport:
        totals = self._counts.sum(axis=0).tolist()
        into = [self.screened, *totals[1 : len(self.levels)]]
        levels = tuple(
            LevelReport(level.bound, level.width, n_in, n_out)
            for level, n_in, n_out in zip(self.levels, into, [*into[1:], totals[4]], strict=True)
        )
        tile = (self._n_panels * self._panel_rows // self._n_blocks, self._panel_rows)
        filter_bytes = sum(codes.nbytes for codes in self.codes)
        return RunReport(
            "filter", "pairs", totals[4], tile, self.chunk_size.chunks, self._scratch_bytes, filter_bytes, levels=levels
        )


def _norms_of(codes: np.ndarray, n_threads: int) -> np.ndarray:
    """Squared norms of signed codes (n_rows, width)."""
    norms = np.empty(len(codes), dtype=np.int32)
    encode_loops.code_norms(codes, norms, n_threads)
    return norms


def _blocks_of(n_rows: int, width: int, n_threads: int) -> int:
    """The number of blocks, a power of two: small enough for a core's cache, and enough for all threads."""
    at_most = min(_MOST_BLOCK_ROWS, max(_LEAST_BLOCK_ROWS, _BLOCK_BYTES // width))
    n_blocks = 1
    while n_rows > at_most * n_blocks:
        n_blocks *= 2
    while n_blocks < _BLOCKS_PER_THREAD * n_threads and n_rows >= 2 * _LEAST_BLOCK_ROWS * n_blocks:
        n_blocks *= 2
    return n_blocks


def are_possible(rows: Rows, level: Level) -> bool:
    """Whether rows can be searched among themselves in pairs: they are one chunk, and enough, and there is memory for it.

    The codes of the first level are kept once more, in the order of places. Rows are read from anywhere: a memory map that
    is larger than the free memory is better read in order, as a search in queries does.
    """
    if len(rows.chunks) != 1 or rows.n_rows < LEAST_ROWS:
        return False
    is_map = map_under(rows.chunks[0]) is not None
    return memory.fits(rows.n_rows * (level.width + _BYTES_PER_ROW) + (rows.chunks[0].nbytes if is_map else 0))
