"""The tree: in few features, a bound per box of rows rules out nearly all of them, whatever their type.

Every chunk of rows has a tree of its own: halves of halves along the widest axis, down to leaves of 16 to 32 rows. Of every
node it keeps the *box* of its rows (their least and greatest features) and their lowest index; the rows stay where they are.

Why no neighbour is lost, to the last bit
-----------------------------------------
Let q be a query, x a row of a node, and p the point of the node's box that is nearest to q: each p_i is q_i, moved into
[low_i, high_i]. The node's *bound* is S(q, p), computed by the same compiled function as S(q, x): of float64 values (to
which every type is widened without rounding), each operation rounded, in an order that depends on the number of features
alone. As low_i <= x_i <= high_i, no |q_i - p_i| exceeds |q_i - x_i|. Rounding is monotone: of two real numbers the lesser
is never rounded to the greater value. So no rounded difference of q and p is greater in magnitude than that of q and x, no
rounded square is, and by induction over the additions, whose operands are not negative, no partial sum is. Hence

    bound <= S(q, x)     as computed,

without a margin, for L1 and for squared L2, also where something is subnormal, flushed to zero, or infinite. (Bytes: both
sums are integers below 2^53, exact in float64, so this *is* their exact arithmetic.)

Every row of a node therefore has (S, index) not before (bound, lowest index). A node is left out only if that is not before
the worst of the k neighbours kept so far, and then none of its rows would be kept. This holds for ties and duplicates
too: of a thousand equal rows those of the lowest indices are found, and the nodes of the others left out. A row of the
query's own group is passed over, which only keeps the k-th neighbour farther away. So the k that remain are those of
brute force, in whatever order nodes, chunks and threads come.

SciPy's cKDTree was measured, too: it takes 77 ms to build over 500,000 x 3 normal rows, this one 60 on two threads. But its
sums are its own, so that a margin, a second search by radius for ties, and another for groups would have to follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fastcls import _kernels
from fastcls._runtime import memory
from fastcls._runtime.pacing import ChunkSize
from fastcls.metrics import Metric

from . import tree_loops
from .rows import Rows, as_bytes
from .run import RunReport

LEAST_ROWS = 10_000  # of 3 features: brute force takes 5 us for a query of k = 10, the tree 3
MOST_FEATURES = tree_loops.MOST_FEATURES - 1  # above, boxes are of little use, and rows of packed codes are for it
_SUBTREE_ROWS = 1 << 15  # that one thread makes by itself, in its second cache
_SUBTREES_PER_CHUNK = 16  # of each thread: about 0.1 s
_QUERIES_PER_JOB = 16
_QUERIES_PER_THREAD = 16  # take about 50 us, more than waking it does
_FIRST_CHUNK = 4  # queries of a thread, before anything is known
_FEW_QUERIES_SEEN = 64  # queries: judged by fewer, a tree must be twice as slow to be given up
_KEPT_IN_ORDER = 64  # neighbours: with more, brute force takes floats one pair at a time

# Nanoseconds of one thread (Zen 4, 10,000 to 500,000 rows); only what they are to each other matters.
_COST_VISIT = 14.0  # at a row or a box
_COST_KEEP = 50.0  # of a neighbour, with all that it drove out
_COST_MAKE = 250.0  # of a row's place in the tree

# Bytes of a row in a tree: its place, two keys while it is made; boxes, two float64 a feature of two nodes for 16 rows.
_BYTES_OF_ROW, _BYTES_OF_FEATURE = 20, 2


@dataclass(frozen=True)
class _OfChunk:
    """The tree of one chunk; see tree_loops.pyx."""

    order: np.ndarray
    lowest: np.ndarray
    boxes: np.ndarray

    @classmethod
    def make(cls, rows: np.ndarray, n_threads: int) -> _OfChunk:
        n_rows, n_features = rows.shape
        n_leaves = 1
        while n_leaves * tree_loops.MOST_ROWS_OF_LEAF < n_rows:
            n_leaves *= 2
        order, keys = np.arange(n_rows, dtype=np.int32), np.empty((n_rows, 2))
        made = cls(order, np.zeros(2 * n_leaves, dtype=np.int32), np.zeros((2 * n_leaves, 2, n_features)))
        what = (as_bytes(rows), _kernels.TYPES[rows.dtype.name], order, keys, made.lowest, made.boxes)
        n_nodes = 1
        while n_nodes < n_leaves and n_rows > n_nodes * _SUBTREE_ROWS:
            tree_loops.halve_level(*what, n_nodes, n_threads)
            n_nodes *= 2
        step = _SUBTREES_PER_CHUNK * n_threads
        for first in range(n_nodes, 2 * n_nodes, step):
            tree_loops.make_subtrees(*what, n_nodes, first, min(first + step, 2 * n_nodes), n_threads)
        tree_loops.close_top(*what, n_nodes)
        return made

    @property
    def nbytes(self) -> int:
        return self.order.nbytes + self.lowest.nbytes + self.boxes.nbytes


@dataclass
class Tree:
    """The trees of some rows, for L1 and L2 alike.

    Attributes
    ----------
    chunks : list
        One tree of every chunk.
    given_up : dict
        Of a family of bounds, the fewest neighbours for which a search found brute force to be faster.
    """

    chunks: list[_OfChunk] = field(default_factory=list)
    given_up: dict[str, int] = field(default_factory=dict)

    def is_profitable(self, metric: Metric, k: int) -> bool:
        """Whether no search has found otherwise."""
        return k < self.given_up.get(str(metric.bounds), k + 1)

    @property
    def nbytes(self) -> int:
        return sum(tree.nbytes for tree in self.chunks)


def brute_cost(rows: Rows, k: int) -> float:
    """Nanoseconds of a pair in brute force, about."""
    d = rows.n_features
    if rows.dtype.kind != "f":
        return 0.25 if d <= 3 else 0.55
    if k > _KEPT_IN_ORDER:
        return 5.0 if d == 8 else 20.0
    return 0.25 if d <= 3 else 0.6 + 0.1 * d


def is_applicable(rows: Rows, metric: Metric) -> bool:
    """Whether there may be a tree of these rows for this metric at all."""
    few, numbered = rows.n_features <= MOST_FEATURES, max(map(len, rows.chunks)) < 1 << 31
    return few and numbered and metric.sum_is_rank_distance and rows.n_rows >= LEAST_ROWS


def prepare(rows: Rows, metric: Metric, k: int, n_threads: int, n_queries: int | None, *, forced: bool) -> Tree | None:
    """The tree of these rows, made once and extended by chunks that are new; None where brute force is to be taken.

    Parameters
    ----------
    n_queries : int or None
        Of the search that asks: for few, no tree is made. None is a fit: many will come.
    forced : bool
        There is to be a tree, whether it pays or not.
    """
    tree = rows.filters.get("tree")
    if tree and n_queries is None and rows.should_relearn("tree"):  # it may pay now where it did not
        tree = Tree(tree.chunks)
        rows.learned_rows["tree"] = rows.n_rows
    if not forced:
        by_brute = (n_queries or 0) * brute_cost(rows, k)
        if (tree is None and n_queries is not None and by_brute < _COST_MAKE) or (
            tree and not tree.is_profitable(metric, k)
        ):
            return None
    if tree is None:
        tree = Tree()
        rows.learned_rows["tree"] = rows.n_rows
    unmade = rows.chunks[len(tree.chunks) :]
    needed = _BYTES_OF_ROW + _BYTES_OF_FEATURE * rows.n_features
    if not forced and not memory.fits(needed * sum(map(len, unmade))):
        rows.left_out[metric.name] = f"brute force, as a tree takes {needed} bytes a row: there is no memory for it"
        return None
    rows.left_out.pop(metric.name, None)
    new = [_OfChunk.make(chunk, n_threads) for chunk in unmade]
    if new:  # a tree in use is not changed: another thread may search it
        tree = Tree([*tree.chunks, *new], tree.given_up)
    rows.filters["tree"] = tree
    return tree


class Search:
    """One search through a tree under way: the same calls as the other searches answer."""

    by_rows = False
    per_job = _QUERIES_PER_JOB

    def __init__(
        self, rows: Rows, tree: Tree, metric: Metric, n_queries: int, k: int, n_threads: int, *, forced: bool
    ) -> None:
        self.rows, self.filter, self.metric, self.k, self.forced = rows, tree, metric, k, forced
        self.n_threads = n_threads = max(1, min(n_threads, n_queries // _QUERIES_PER_THREAD))
        self.scratch = np.zeros((n_threads, 8), dtype=np.int64)  # counts; the rest of it is a few KB of each thread's stack
        self.n_queries, self.chunk_size = 0, ChunkSize()
        self.gave_up = False
        self._next = _FIRST_CHUNK * n_threads

    def run(
        self,
        Q: np.ndarray,
        groups: tuple[np.ndarray, np.ndarray],
        advance: Callable[[int], None],
        S_out: np.ndarray,
        indices_out: np.ndarray,
    ) -> int:
        """Neighbours of the first queries, up to all; fewer where brute force would be faster. Returns how many."""
        first = 0
        _kernels.start_heaps(S_out[None], indices_out[None])
        while first < len(Q) and not self.gave_up:
            some = slice(first, min(len(Q), first + self._next))
            n, begun = some.stop - first, time.perf_counter()
            self._offer_all(Q[some], (groups[0][some], groups[1]), S_out[some], indices_out[some])
            _kernels.sort_heaps(S_out[some], indices_out[some], self.n_threads)
            self.n_queries += n
            advance(n * self.rows.n_rows)
            self._next = int(np.clip(self.chunk_size.record(n, time.perf_counter() - begun), 1, 8 * self._next))
            first = some.stop
            self._compare_with_brute()
        return first

    def _offer_all(self, Q: np.ndarray, groups: tuple[np.ndarray, np.ndarray], S: np.ndarray, indices: np.ndarray) -> None:
        per_job = max(1, min(_QUERIES_PER_JOB, len(Q) // self.n_threads))
        for (_, start, X), of_chunk in zip(self.rows.with_starts(), self.filter.chunks, strict=True):
            tree_loops.search(
                as_bytes(Q),
                _kernels.TYPES[Q.dtype.name],
                as_bytes(X),
                _kernels.TYPES[X.dtype.name],
                _kernels.SUMS[self.metric.sum],
                of_chunk.order,
                of_chunk.lowest,
                of_chunk.boxes,
                groups[0],
                groups[1][start : start + len(X)],
                start,
                S,
                indices,
                per_job,
                self.scratch,
                self.n_threads,
            )

    def _compare_with_brute(self) -> None:
        """Give up where brute force would have been faster so far, and let the tree know."""
        boxes, computed, *_ = self.scratch.sum(axis=0).tolist()
        cost = (boxes + computed) * _COST_VISIT + self.n_queries * self.k * _COST_KEEP
        brute = self.pairs * brute_cost(self.rows, self.k) * (2.0 if self.n_queries < _FEW_QUERIES_SEEN else 1.0)
        if cost > brute and not self.forced:
            self.gave_up = True
            bounds = str(self.metric.bounds)
            self.filter.given_up[bounds] = min(self.k, self.filter.given_up.get(bounds, self.k))

    @property
    def pairs(self) -> int:
        return self.n_queries * self.rows.n_rows

    def report(self) -> RunReport:
        computed, tile = int(self.scratch[:, 1].sum()), (self.per_job, tree_loops.MOST_ROWS_OF_LEAF)
        return RunReport(
            "tree", "boxes", self.pairs, computed, tile, self.chunk_size.chunks, self.scratch.nbytes, self.filter.nbytes
        )
