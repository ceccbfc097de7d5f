"""What a filter costs: estimates from a probe of the rows, for every choice of levels, and the cost of brute force.

The choices here affect only speed. The bounds in ``codes.py`` guarantee correctness; docs/filter.md proves them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from fastcls._sampling.evenly import spaced
from fastcls._search.rows import Rows
from fastcls._simd import isas
from fastcls._validation.types import is_floating
from fastcls.metrics import Metric

from . import levels as _levels
from .codes import Level, promised_share

LEAST_ROWS = 4096  # below, brute force is faster than learning levels
LEAST_FEATURES = 32
_NEIGHBORS_SHARE = 64  # least rows per neighbour: with fewer, too many rows pass
_FEWEST_PROBED, _MOST_PROBED, _PROBED_BYTES = 28, 42, 1 << 31  # sampled queries; the bytes that brute force reads for them
_PROBE_ROWS = 2048  # sampled rows that they are compared with at every level

# Costs in units of one screened byte, which takes 4.3 ps per core (measured on Zen 4 with AVX-512: CIFAR-10 under L2, k = 7,
# by share of the samples of a profile). Single codes and rows are read from anywhere in memory. `isas.costs()` has those of
# a byte that is screened, or read by brute force: they depend on the instruction set.
SECONDS = 4.3e-12  # of one byte
_COST_PASSED = 3000.0  # of a pair that passed the screen: its bound, and refining its list
_COST_AT, _COST_AT_BYTE = 1500.0, 22.0  # of a pair that enters a finer level
_COST_PAIR, _COST_PAIR_BYTE = 1500.0, 28.0  # of an S
_HOPELESS = 0.92  # of the median distance
_EARLY = 2.0  # pairs that pass the screen, per pair that would pass with the final threshold
PROBED_RANKS, MOST_PROBED_RANK = 5, 2048  # of neighbours: k to 16 k, but 2,048 at most
_UNKNOWN = 0.7  # standard error of a share, relative, from which on it is added
LIST_CAPACITY = 2048  # rows of one query that passed the screen, at least
_BYTES_OF_ERROR_AND_START = 8
LEAST_FREE_BYTES = 16  # per row: a code of one kernel step with its error and start


@dataclass(frozen=True, eq=False)
class Probe:
    """Sampled rows as queries; as columns of S the S of the k-th, 2 k-th, 4 k-th ... neighbour of each among all rows."""

    queries: np.ndarray
    S: np.ndarray
    n_rows: int


def n_probed(rows: Rows) -> int:
    """How many queries to probe: 14 give the shares of heavy-tailed sets within a factor of 4 only, 42 within 2.

    The 28 of CIFAR-10 read its rows four times, in 20 ms; up to 42 may read half as much.
    """
    return min(_MOST_PROBED, max(_FEWEST_PROBED, _PROBED_BYTES // (rows.n_rows * _row_bytes(rows))))


def hopeless(probe: Probe, metric: Metric) -> bool:
    """Whether the k-th neighbours of byte rows are hardly nearer than a random row: then no filter is faster.

    White noise of 3,072 bytes, k = 7: 0.96 of the median distance; CIFAR-10 and MNIST: at most 0.63 for k = 100. For floats,
    the rounded features prune noise too.
    """
    Q = probe.queries
    if is_floating(Q.dtype) or metric.bounds == "cosine":
        return False
    power = 1 if metric.bounds == "l1" else 2
    wide = Q.astype(np.float64)
    sums = [(np.abs(wide[:i] - wide[i]) ** power).sum(axis=1) for i in range(1, len(wide))]
    return bool(np.median(probe.S[:, 0]) > _HOPELESS**power * np.median(np.concatenate(sums)))


def left_by(
    levels: list[Level], rows: np.ndarray, probe: Probe, thresholds: np.ndarray, n_threads: int
) -> list[tuple[float, float]]:
    """For every level, the share of pairs of the probe's queries and some rows whose bound is not above the threshold.

    The first number is the share under the final threshold. The second is the mean over a search, whose threshold among the
    first half of the rows is that of the 2 k-th neighbour, and so on; `thresholds` has them as columns.

    If one or two queries make up nearly all of a share, one standard error is added: the shares of queries can differ a
    thousandfold, and a level that rules out too little costs more than a level left out.
    """
    some = np.ascontiguousarray(spaced(rows, _PROBE_ROWS)[:_PROBE_ROWS])
    of_queries, of_rows = _levels.encode(levels, probe.queries, n_threads), _levels.encode(levels, some, n_threads)
    shares = []
    for level, q, r in zip(levels, of_queries, of_rows, strict=True):
        stored = np.uint8 if level.kind == "l1" else np.int16 if level.fine else np.int8
        Q, R = (codes.codes.view(stored).astype(np.float32) for codes in (q, r))
        if level.kind == "l1":
            gaps = np.stack([np.abs(R - row).sum(axis=1) for row in Q])
        else:
            squares = np.einsum("ij,ij->i", Q, Q)[:, None] + np.einsum("ij,ij->i", R, R)
            gaps = np.sqrt(np.maximum(squares - 2.0 * (Q @ R.T), 0.0))
        bounds = gaps - q.errors[:, None] - r.errors
        left = [_share((bounds <= of_rank[:, None] * level.per_unit).mean(axis=1)) for of_rank in thresholds.T]
        during, part = 0.0, 1.0
        for after, before in itertools.pairwise(left):
            part /= 2.0
            during += part * (after + before) / 2.0
        shares.append((left[0], during + part * left[-1]))
    return shares


def _share(of_query: np.ndarray) -> float:
    share, error = float(of_query.mean()), float(of_query.std()) / math.sqrt(len(of_query))
    return share + error if error > _UNKNOWN * share else share


def size_class(k: int) -> int:
    """The size class of k (1, 2, 3 to 4, 5 to 8, ...): the same levels serve all k of one class."""
    return (k - 1).bit_length()


def estimated(
    rows: np.ndarray, metric: Metric, levels: list[Level], probe: Probe, n_threads: int
) -> dict[tuple[int, ...], float]:
    """Estimated cost per pair for every choice of up to three levels; a choice is indices of `levels`, coarse to fine."""
    with np.errstate(all="ignore"):
        threshold = probe.S if metric.bounds == "l1" else np.sqrt(2.0 * probe.S if metric.bounds == "cosine" else probe.S)
        left = left_by(levels, rows, probe, threshold, n_threads) if levels else []
    costs = {}
    for chosen in itertools.chain.from_iterable(itertools.combinations(range(len(levels)), n) for n in range(1, 4)):
        if levels[chosen[0]].fine:
            continue  # fine codes cannot be screened
        some = [levels[i] for i in chosen]
        shares = [left[i] for i in chosen]
        final, during = shares[0]
        # a list that is full before the last row is refined early, with the threshold of then
        full = max(0.0, 1.0 - LIST_CAPACITY / max(1.0, final * probe.n_rows))
        into = [share + full * max(0.0, early - share) for share, early in shares[:-1]]
        passed = min(1.0, max(_EARLY * final, full * during))
        costs[chosen] = cost_of(some, rows, passed, into, shares[-1][0])
    return costs


def keeps_its_share(levels: list[Level], rows: np.ndarray) -> bool:
    """Whether the codes take at most the promised share of the rows' bytes (padding is large for short rows)."""
    return sum(level.width + _BYTES_OF_ERROR_AND_START for level in levels) <= promised_share(rows.dtype) * _row_bytes(rows)


def encoding_bytes(levels: list[Level]) -> int:
    """Bytes per row of the codes."""
    return sum(level.width + _BYTES_OF_ERROR_AND_START for level in levels)


def cheapest(costs: dict[tuple[int, ...], float], levels: list[Level], free_bytes: float) -> tuple[int, ...] | None:
    """The cheapest choice whose codes fit into memory."""
    fitting = {chosen: cost for chosen, cost in costs.items() if encoding_bytes([levels[i] for i in chosen]) <= free_bytes}
    return min(fitting, key=lambda chosen: fitting[chosen], default=None)


def _row_bytes(rows: Rows | np.ndarray) -> int:
    return (rows.n_features if isinstance(rows, Rows) else rows.shape[1]) * rows.dtype.itemsize


def cost_of(levels: list[Level], rows: Rows | np.ndarray, passed: float, into: list[float], computed: float) -> float:
    """Estimated cost of one pair from the shares of pairs that enter each step.

    Parameters
    ----------
    levels : list of Level
    rows : Rows or ndarray
    passed : float
        The share that passes the screen.
    into : list of float
        The share that enters each finer level.
    computed : float
        The share whose S is computed.
    """
    screened = isas.costs()[0][levels[0].kind]
    cost = levels[0].width * screened + passed * _COST_PASSED + computed * (_row_bytes(rows) * _COST_PAIR_BYTE + _COST_PAIR)
    for level, share in zip(levels[1:], into, strict=True):
        cost += share * (level.width * _COST_AT_BYTE + _COST_AT)
    return cost


def brute_cost(rows: Rows | np.ndarray, metric: Metric) -> float:
    """The cost of one pair by brute force, which packs float16 and bfloat16 as float32."""
    kind = "float" if is_floating(rows.dtype) else "l1" if metric.bounds == "l1" else "l2"
    of_byte = isas.costs()[1][kind]
    return _row_bytes(rows) * (2 if rows.dtype.itemsize == 2 else 1) * of_byte


def has_fast_loops() -> bool:
    """Whether the filter's loops in use are written for the processor, and not the compiler's.

    The compiler's screen takes 120 units per byte, and its projections 0.75 ms per row of CIFAR-10 (Zen 4, SSE2): with them,
    searches took 0.7 to 1.2 times as long as by brute force, and a fit under L2 as long as 8,000 queries.
    """
    return isas.filter_isa() != "scalar"


def is_large(rows: Rows, k: int) -> bool:
    """Whether there are enough rows and features, and few enough neighbours, for a filter."""
    return rows.n_rows >= max(LEAST_ROWS, _NEIGHBORS_SHARE * k) and rows.n_features >= LEAST_FEATURES
