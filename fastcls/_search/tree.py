"""The tree: for rows of few features, one bound per box of rows rules out nearly all rows.

Each chunk of rows has its own tree. It halves the rows along the widest axis, again and again, down to leaves of 16 to 32
rows. For each node it keeps the *box* of its rows (their least and greatest features) and their lowest index. The rows do
not move.

Why no neighbour is lost, to the last bit
-----------------------------------------
Let q be a query, x a row of a node, and p the point of the node's box that is nearest to q: each p_i is q_i, clipped to
[low_i, high_i]. The node's *bound* is S(q, p), computed by the same compiled function as S(q, x): on float64 values (every
type converts to float64 without rounding), each operation rounded, in an order that depends only on the number of features.
As low_i <= x_i <= high_i, no |q_i - p_i| exceeds |q_i - x_i|. Rounding is monotone: the smaller of two real numbers is never
rounded to a larger value. So no rounded difference of q and p is larger in magnitude than that of q and x. The same holds
for rounded squares, and, by induction over the additions, whose operands are not negative, for partial sums. Hence

    bound <= S(q, x)     as computed,

without a margin, for L1 and for squared L2, even if values are subnormal, flushed to zero, or infinite. (For bytes both sums
are integers below 2^53, exact in float64, so this *is* their exact arithmetic.)

So no row of a node has an (S, index) before (bound, lowest index). A node is skipped only if that pair is not before the
worst of the k neighbours so far; then none of its rows would be kept. This covers ties and duplicates: of a thousand equal
rows, those with the lowest indices are found, and the nodes of the others are skipped. A row of the query's own group is
skipped too, which only keeps the k-th neighbour farther away. So the k neighbours are those of brute force, for any order of
nodes, chunks and threads.

SciPy's cKDTree was measured as well: it takes 77 ms to build for 500,000 x 3 normal rows, this tree 60 ms on two threads.
But cKDTree computes its own sums, so it would need a margin, a second search by radius for ties, and another search for
groups.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from fastcls import _kernels
from fastcls._runtime import memory
from fastcls._runtime.pacing import ChunkSize
from fastcls._validation.types import is_floating
from fastcls.metrics import Metric

from . import tree_loops
from .rows import Rows, as_bytes, storage_of
from .run import Advance, Groups, RunReport, Stored

LEAST_ROWS = 10_000  # with 3 features, brute force takes 5 us for a query of k = 10, the tree 3 us
MOST_FEATURES = tree_loops.MOST_FEATURES - 1  # above, boxes rule out little, and the filter takes over
_SUBTREE_ROWS = 1 << 15  # rows of a subtree that one thread builds in its L2 cache
_SUBTREES_PER_CHUNK = 16  # per thread: about 0.1 s
_QUERIES_PER_JOB = 16
_QUERIES_PER_THREAD = 16  # they take about 50 us, longer than waking the thread
_FIRST_CHUNK = 4  # queries per thread, before any chunk is timed
_FEW_QUERIES_SEEN = 64  # after fewer queries, a tree is given up only if it is twice as slow
_KEPT_IN_ORDER = 64  # with more neighbours, brute force computes floats one pair at a time

# Nanoseconds of one thread (Zen 4, 10,000 to 500,000 rows); only their ratios matter.
_COST_VISIT = 14.0  # of a row or a box
_COST_KEEP = 50.0  # of a neighbour, including those that it displaced
_COST_MAKE = 250.0  # of a row, to build the tree

# Bytes per row of a tree: its place, and two keys while it is built; boxes: two float64 per feature, two nodes per 16 rows.
_BYTES_OF_ROW, _BYTES_OF_FEATURE = 20, 2


@dataclass(frozen=True, eq=False)
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
        what = (as_bytes(rows), storage_of(rows), order, keys, made.lowest, made.boxes)
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
    """The trees of some rows, for both L1 and L2.

    Attributes
    ----------
    chunks : list
        One tree per chunk.
    given_up : dict
        For a family of bounds: the smallest k for which a search found brute force to be faster.
    """

    chunks: list[_OfChunk] = field(default_factory=list)
    given_up: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def key(metric: Metric) -> str:
        """One tree serves L1 and L2."""
        return "tree"

    @classmethod
    def is_applicable(cls, rows: Rows, dtype: np.dtype, metric: Metric, k: int, *, forced: bool) -> bool:
        few, numbered = rows.n_features <= MOST_FEATURES, max(map(len, rows.chunks)) < 1 << 31
        return few and numbered and metric.sum_is_rank_distance and rows.n_rows >= LEAST_ROWS

    @classmethod
    def prepare(
        cls, rows: Rows, metric: Metric, k: int, n_threads: int, n_queries: int | None, *, forced: bool
    ) -> Tree | None:
        tree: Tree | None = rows.filters.get("tree")
        if tree and n_queries is None and rows.should_relearn("tree"):  # it may be faster now
            tree = cls(tree.chunks)
            rows.learned_rows["tree"] = rows.n_rows
        if not forced:
            by_brute = (n_queries or 0) * brute_cost(rows, k)
            if (tree is None and n_queries is not None and by_brute < _COST_MAKE) or (
                tree and not tree.is_profitable(metric, k)
            ):
                return None
        if tree is None:
            tree = cls()
            rows.learned_rows["tree"] = rows.n_rows
        unmade = rows.chunks[len(tree.chunks) :]
        needed = _BYTES_OF_ROW + _BYTES_OF_FEATURE * rows.n_features
        if not forced and not memory.fits(needed * sum(map(len, unmade))):
            rows.left_out[metric.name] = f"brute force, because a tree takes {needed} bytes per row, more than is free"
            return None
        rows.left_out.pop(metric.name, None)
        begun, is_restored = time.perf_counter(), n_queries is not None and not tree.chunks and "tree" in rows.filters
        new = [_OfChunk.make(chunk, n_threads) for chunk in unmade]
        if is_restored:
            what = f"made the tree of {rows.n_rows:,} rows, which a saved model does not have"
            rows.made.append((what, time.perf_counter() - begun))
        if new:  # do not change a tree that another thread may be searching
            tree = cls([*tree.chunks, *new], tree.given_up)
        rows.filters["tree"] = tree
        return tree

    def is_profitable(self, metric: Metric, k: int) -> bool:
        """Whether no search so far has found brute force to be faster."""
        return k < self.given_up.get(str(metric.bounds), k + 1)

    def search(
        self, rows: Rows, metric: Metric, n_queries: int, k: int, n_threads: int, *, forced: bool, below: float
    ) -> Search:
        return Search(rows, self, metric, n_queries, k, n_threads, forced=forced, below=below)

    def pairs(
        self,
        rows: Rows,
        metric: Metric,
        k: int,
        n_threads: int,
        groups: np.ndarray | None,
        *,
        with_self: bool,
        forced: bool,
    ) -> None:
        """A tree takes microseconds per query: no pairs."""

    def stored(self) -> Stored:
        """Only its kind: `prepare` builds a tree about as fast as a file could be checked."""
        return {}, {"kind": "tree"}

    @classmethod
    def restored(cls, of: Stored, rows: Rows) -> Tree:
        return cls()

    def check(self, rows: Rows, n_threads: int, *, every: bool) -> None:
        """Trees do not come from files."""

    @property
    def nbytes(self) -> int:
        return sum(tree.nbytes for tree in self.chunks)


def brute_cost(rows: Rows, k: int) -> float:
    """Approximate nanoseconds per pair of brute force."""
    d = rows.n_features
    if not is_floating(rows.dtype):
        return 0.25 if d <= 3 else 0.55
    if k > _KEPT_IN_ORDER:
        return 5.0 if d == 8 else 20.0
    return 0.25 if d <= 3 else 0.6 + 0.1 * d


class Search:
    """A search through a tree; see `run.Run`."""

    by_rows = False
    per_job = _QUERIES_PER_JOB

    def __init__(
        self,
        rows: Rows,
        tree: Tree,
        metric: Metric,
        n_queries: int,
        k: int,
        n_threads: int,
        *,
        forced: bool,
        below: float,
    ) -> None:
        self.rows, self.filter, self.metric, self.k = rows, tree, metric, k
        self.forced, self.below = forced, below
        self.n_threads = n_threads = max(1, min(n_threads, n_queries // _QUERIES_PER_THREAD))
        self.scratch = np.zeros((n_threads, 8), dtype=np.int64)  # counts; more scratch, a few KB, is on the stack
        self.n_queries, self.chunk_size = 0, ChunkSize()
        self.gave_up = False
        self._next = _FIRST_CHUNK * n_threads

    def run(
        self,
        Q: np.ndarray,
        groups: Groups,
        advance: Advance,
        S_out: np.ndarray,
        indices_out: np.ndarray,
    ) -> int:
        """Write the neighbours of the first queries; stop early if brute force would be faster. Return how many are done."""
        first = 0
        _kernels.start_heaps(S_out[None], indices_out[None], self.below)
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

    def _offer_all(self, Q: np.ndarray, groups: Groups, S: np.ndarray, indices: np.ndarray) -> None:
        per_job = max(1, min(_QUERIES_PER_JOB, len(Q) // self.n_threads))
        for (_, start, X), of_chunk in zip(self.rows.with_starts(), self.filter.chunks, strict=True):
            tree_loops.search(
                as_bytes(Q),
                storage_of(Q),
                as_bytes(X),
                storage_of(X),
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
        """Give up if brute force would have been faster so far, and record that in the tree."""
        boxes, computed, *_ = self.scratch.sum(axis=0).tolist()
        cost = (boxes + computed) * _COST_VISIT + self.n_queries * self.k * _COST_KEEP
        brute = (
            self.n_queries
            * self.rows.n_rows
            * brute_cost(self.rows, self.k)
            * (2.0 if self.n_queries < _FEW_QUERIES_SEEN else 1.0)
        )
        if cost > brute and not self.forced:
            self.gave_up = True
            bounds = str(self.metric.bounds)
            self.filter.given_up[bounds] = min(self.k, self.filter.given_up.get(bounds, self.k))

    def report(self) -> RunReport:
        computed, tile = int(self.scratch[:, 1].sum()), (self.per_job, tree_loops.MOST_ROWS_OF_LEAF)
        return RunReport("tree", "boxes", computed, tile, self.chunk_size.chunks, self.scratch.nbytes, self.filter.nbytes)
