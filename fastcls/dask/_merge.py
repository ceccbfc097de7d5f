"""Merge the results of shards: the bits do not depend on which worker merges what, nor in which order."""

from __future__ import annotations

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
