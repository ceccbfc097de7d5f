"""The matrix of all rank distances: integer tiles for bytes, else eight queries at a time or one pair at a time.

All three methods give the bits of the reference arithmetic; they differ only in speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fastcls import _kernels
from fastcls._runtime import threads
from fastcls._runtime.pacing import ChunkSize
from fastcls._validation.types import as_numbers, is_floating
from fastcls.metrics import METRICS, Metric

from . import bounds, tiles
from .rows import Norms, Rows, as_bytes, norms_for, storage_of

_LEAST_QUERIES = 8  # below, packing or converting a row costs more than one pass over it
_LEAST_FEATURES_EIGHT = 16  # below, writing S costs more than computing it
_QUERIES_PER_JOB = 240  # that share one packed or converted block of rows
_QUERY_BYTES = 3 << 20  # of the packed or converted queries of one thread
_PIXELS_AT_ONCE = 1 << 18  # values per check: for floats that are not pixels the first check fails

Fill = Callable[[slice, slice], None]


def all_pairs(rows: np.ndarray, Q: np.ndarray, metric_name: str, *, n_threads: int) -> np.ndarray:
    """S of every query and row: float64 (n_queries, n_rows). Input is trusted."""
    metric = METRICS[metric_name]
    n_threads = threads.limit_by_work(n_threads, Q.size * len(rows))
    many = len(Q) >= _LEAST_QUERIES and metric.family is not None  # other sums have pair functions and nothing faster
    if many and (is_floating(Q.dtype) or is_floating(rows.dtype)):
        pixels = _pixels(Q)
        of_rows = None if pixels is None else _pixels(rows)
        if pixels is not None and of_rows is not None:
            Q, rows = pixels, of_rows
    arithmetic = tiles.arithmetic_of(Q.dtype, rows.dtype)
    norms = norms_for(metric, Q, Rows([rows]), arithmetic, n_threads)
    S = np.empty((len(Q), len(rows)))
    way = _by_panels if arithmetic in ("uint8", "int8") else _by_eight
    found = way(rows, Q, metric, norms, S, n_threads) if many else None
    block, fill = found or _by_pairs(rows, Q, metric, norms, S, n_threads)
    chunk_size, pairs = ChunkSize(), max(1, tiles.FIRST_CHUNK * n_threads // rows.shape[1])
    for first in range(0, len(Q), block):  # in chunks, so that Ctrl-C takes effect
        queries, row = slice(first, min(len(Q), first + block)), 0
        while row < len(rows):
            some = slice(row, min(len(rows), row + max(64 * n_threads, pairs // (queries.stop - first))))
            begun = time.perf_counter()
            fill(queries, some)
            done = (queries.stop - first) * (some.stop - row)
            pairs = int(np.clip(chunk_size.record(done, time.perf_counter() - begun), pairs / 4, pairs * 4)) + 1
            row = some.stop
    return S


def _pixels(rows: np.ndarray) -> np.ndarray | None:
    """The same values as uint8, if all are whole numbers from 0 to 255 (pixels stored as floats); else None.

    For such values the reference arithmetic is exact in any order of summation, and so is integer arithmetic: the bits of S
    are the same. Negative zeros are not converted, because their bits differ from those of zero.
    """
    if rows.dtype == np.uint8:
        return rows
    found = np.empty(rows.shape, dtype=np.uint8)
    step = max(1, _PIXELS_AT_ONCE // rows.shape[1])
    for start in range(0, len(rows), step):
        block = as_numbers(rows[start : start + step])
        if block.min() < 0 or block.max() > 255 or np.signbit(block).any():
            return None
        found[start : start + step] = block
        if not np.array_equal(found[start : start + step], block):
            return None
    return found


def _jobs(n_queries: int, step: int, query_bytes: int, n_threads: int) -> tuple[int, int]:
    """(queries per job, number of jobs that the rows are divided into), so that every thread has work."""
    wanted = -(-n_queries // n_threads) if n_queries >= 4 * step * n_threads else n_queries
    per_job = -(-max(1, min(wanted, _QUERIES_PER_JOB, _QUERY_BYTES // query_bytes)) // step) * step
    return per_job, n_threads if wanted == n_queries and n_threads > 1 else 1


def _by_panels(
    rows: np.ndarray, Q: np.ndarray, metric: Metric, norms: Norms, S: np.ndarray, n_threads: int
) -> tuple[int, Fill] | None:
    """Bytes, by packed panels: the sums are exact, and so is S."""
    assert metric.family is not None
    name = bounds.panel_of(metric.family, rows.dtype)
    panel, d = _kernels.PANELS[name], rows.shape[1]
    shape = _kernels.panel_shape(panel)
    if shape is None:
        return None
    tile_queries, _, step = shape
    zero = np.zeros(d, dtype=rows.dtype)
    of_queries, of_rows = (bounds.statistics(data, zero, n_threads) for data in (Q, rows))
    terms = bounds.terms(metric.family, name, rows.dtype, of_queries, of_rows, 0.0)
    assert terms is not None
    sign = -1.0 if metric.needs_norms else 1.0  # a cosine's key is minus the dot product
    scale, query_terms, row_terms = sign * terms.scale, sign * terms.query_terms, sign * terms.row_terms
    block_features = max(step, min(-(-d // step) * step, bounds.BLOCK_BYTES))
    per_job, row_jobs = _jobs(len(Q), tile_queries, d, n_threads)
    scratch = tiles.aligned_rows(n_threads, _kernels.panel_scratch(panel, d, block_features, per_job))

    def fill(queries: slice, some: slice) -> None:
        _kernels.matrix_panels(
            as_bytes(Q[queries]),
            as_bytes(rows[some]),
            storage_of(rows),
            panel,
            block_features,
            scale,
            query_terms[queries],
            row_terms[some],
            norms.queries[queries],
            norms.zero_queries[queries],
            norms.of_chunk(0, some),
            S[queries, some],
            per_job,
            row_jobs,
            scratch,
            n_threads,
        )

    return per_job * (1 if row_jobs > 1 else n_threads), fill


def _by_eight(
    rows: np.ndarray, Q: np.ndarray, metric: Metric, norms: Norms, S: np.ndarray, n_threads: int
) -> tuple[int, Fill] | None:
    """Floats, and types that are converted to float64: eight queries at a time."""
    d = rows.shape[1]
    if not _kernels.has_eight() or d < _LEAST_FEATURES_EIGHT or (metric.needs_norms and Q.dtype != rows.dtype):
        return None  # whether two rows are equal is decided by their bytes, which needs one type
    per_job, row_jobs = _jobs(len(Q), 8, 8 * d, n_threads)
    scratch = np.empty((n_threads, _kernels.eight_scratch(per_job, d)))

    def fill(queries: slice, some: slice) -> None:
        _kernels.matrix_eight(
            as_bytes(Q[queries]),
            storage_of(Q),
            as_bytes(rows[some]),
            storage_of(rows),
            _kernels.SUMS[metric.sum],
            norms.queries[queries],
            norms.zero_queries[queries],
            norms.of_chunk(0, some),
            S[queries, some],
            per_job,
            row_jobs,
            scratch,
            n_threads,
        )

    return per_job * (1 if row_jobs > 1 else n_threads), fill


def _by_pairs(
    rows: np.ndarray, Q: np.ndarray, metric: Metric, norms: Norms, S: np.ndarray, n_threads: int
) -> tuple[int, Fill]:
    """One pair at a time."""
    arithmetic = tiles.arithmetic_of(Q.dtype, rows.dtype)
    tile = tiles.PairwiseTile.of(rows.shape[1], arithmetic, (Q.dtype, rows.dtype), n_threads)

    def fill(queries: slice, some: slice) -> None:
        _kernels.distance_matrix(
            as_bytes(Q[queries]),
            storage_of(Q),
            as_bytes(rows[some]),
            storage_of(rows),
            _kernels.SUMS[metric.sum],
            _kernels.TYPES[arithmetic],
            norms.queries[queries],
            norms.zero_queries[queries],
            norms.of_chunk(0, some),
            S[queries, some],
            tile.queries,
            tile.rows,
            tile.scratch,
            n_threads,
        )

    return tile.queries * n_threads, fill
