"""How results of shards become one, with the same bits whoever merges them in which order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastcls._search.merge import merged
from fastcls._search.report import SearchReport

Nearest = tuple[np.ndarray, np.ndarray, tuple[SearchReport, ...]]
#: (level, number) -> sums; node i of level l adds up the shards from i 2^l to (i + 1) 2^l - 1
Nodes = dict[tuple[int, int], tuple[np.ndarray, ...]]


def nearest_of(left: Nearest, right: Nearest, k: int) -> Nearest:
    """The k nearest of two runs of shards, the left of which has the smaller indices."""
    S, indices = merged(left[0], left[1], right[0], right[1], k)
    return S, indices, left[2] + right[2]


def one_report(reports: tuple[SearchReport, ...], seconds: float, pairs: int, n_queries: int) -> SearchReport:
    """What all shards' searches of all blocks of queries did, as one search."""
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
    """Add nodes that are neighbours in the tree, as far as both are there.

    The tree is that of the shards' numbers alone, so a sum has the same bits whichever workers had which shards, and in
    whatever order their nodes come together.
    """
    nodes = dict(nodes)
    waiting = sorted(nodes)
    while waiting:
        level, i = waiting.pop()
        if (level, i) not in nodes or 1 << level >= n_shards:
            continue
        left, right = (level, i & ~1), (level, i | 1)
        if right[1] << level >= n_shards:  # the tree has no such node: this one goes up alone
            nodes[level + 1, i >> 1] = nodes.pop(left)
        elif left in nodes and right in nodes:
            nodes[level + 1, i >> 1] = tuple(a + b for a, b in zip(nodes.pop(left), nodes.pop(right), strict=True))
        else:
            continue
        waiting.append((level + 1, i >> 1))
    return nodes


def nodes_of(left: Nodes, right: Nodes, n_shards: int) -> Nodes:
    """Nodes of two workers, or of two that were merged, added as far as they go."""
    return add_up({**left, **right}, n_shards)


def whole(nodes: Nodes) -> tuple[np.ndarray, ...]:
    """The sums over all shards."""
    (sums,) = nodes.values()
    return sums
