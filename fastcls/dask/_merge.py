"""Merge the results of shards: the bits do not depend on which worker merges what, nor in which order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastcls._search.merge import merged
from fastcls._search.report import SearchReport

Nearest = tuple[np.ndarray, np.ndarray, tuple[SearchReport, ...]]
#: (level, number) -> sums; node i of level l is the sum over the shards i 2^l to (i + 1) 2^l - 1
Nodes = dict[tuple[int, int], tuple[np.ndarray, ...]]


def merge_nearest(left: Nearest, right: Nearest, k: int) -> Nearest:
    """The k nearest of two runs of shards; the left run has the smaller indices."""
    S, indices = merged(left[0], left[1], right[0], right[1], k)
    return S, indices, left[2] + right[2]


def one_report(reports: tuple[SearchReport, ...], seconds: float, pairs: int, n_queries: int) -> SearchReport:
    """The reports of all shards and all blocks of queries as the report of one search."""
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


def add_up(nodes: Nodes, n_shards: int) -> Nodes:
    """Add sibling nodes of the tree as long as both are present.

    The tree depends only on the numbers of the shards. So a sum has the same bits whichever worker owns which shard, and in
    whatever order nodes are merged.
    """
    nodes = dict(nodes)
    waiting = sorted(nodes)
    while waiting:
        level, i = waiting.pop()
        if (level, i) not in nodes or 1 << level >= n_shards:
            continue
        left, right = (level, i & ~1), (level, i | 1)
        if right[1] << level >= n_shards:  # there is no right sibling: the left moves up alone
            nodes[level + 1, i >> 1] = nodes.pop(left)
        elif left in nodes and right in nodes:
            nodes[level + 1, i >> 1] = tuple(a + b for a, b in zip(nodes.pop(left), nodes.pop(right), strict=True))
        else:
            continue
        waiting.append((level + 1, i >> 1))
    return nodes


def merge_nodes(left: Nodes, right: Nodes, n_shards: int) -> Nodes:
    """Merge the nodes of two workers (or of earlier merges), adding siblings."""
    return add_up({**left, **right}, n_shards)


def total_of(nodes: Nodes) -> tuple[np.ndarray, ...]:
    """The sums over all shards."""
    (sums,) = nodes.values()
    return sums
