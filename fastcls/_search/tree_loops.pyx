"""Typed parallel loops of the tree over rows of few features: building it, and searching it.

Inputs are not checked, as in _kernels.pyx. A tree is complete: node 1 is the root, nodes 2 i and 2 i + 1 are the halves of
node i, and the n_leaves = 2^depth leaves come last. The positions of a node's rows follow from its number: node i of the
level of n_nodes nodes has the rows order[n (i - n_nodes) / n_nodes ... n (i + 1 - n_nodes) / n_nodes], so all leaves have
the same size up to one row. Each node has a box (the least and greatest features of its rows) and its lowest row.

tree.py proves that no neighbour is lost.
"""

from cython.parallel cimport prange, threadid

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

from fastcls._loops.panels cimport Heaps
from fastcls._loops.shapes cimport check_search
from fastcls._simd.isas cimport pair_fn, search_kernels
from fastcls._loops.topk cimport is_before, offer

cdef extern from "contract.h" nogil:
    enum:
        FASTCLS_F64
    ctypedef void (*widen_fn "fastcls_widen_fn")(const void *source, Py_ssize_t n, double *widened_out)

cdef extern from "search/scalar.h" nogil:
    widen_fn fastcls_widen[6]
    Py_ssize_t fastcls_type_bytes[6]
    void prefetch "FASTCLS_PREFETCH"(const void *address)

cdef enum:
    SAMPLE = 32             # rows by which a node's axis is chosen, and keys by which a pivot is chosen
    FEW = 64                # keys that are sorted instead of partitioned
    MAX_FEATURES = 16
    MAX_LEAF = 32
    MAX_DEPTH = 40          # more than any tree has, because rows are numbered in 32 bits

MOST_FEATURES = MAX_FEATURES
MOST_ROWS_OF_LEAF = MAX_LEAF


# ------------------------------------------------------------------------------------------------------------- building

cdef struct Key:
    double value
    int64_t row             # breaks ties, so that no two keys are equal and the first half has the lower rows


cdef struct Making:
    const uint8_t *rows
    Py_ssize_t row_bytes
    Py_ssize_t item_bytes
    Py_ssize_t n_features
    Py_ssize_t n_rows
    Py_ssize_t n_leaves
    widen_fn widen
    int32_t *order
    Key *keys
    int32_t *lowest
    double *boxes


cdef inline Py_ssize_t start_of(Py_ssize_t n_rows, Py_ssize_t node, Py_ssize_t n_nodes) noexcept nogil:
    """The position in `order` of a node's first row; for node n_nodes x 2 it is the end."""
    return n_rows * (node - n_nodes) // n_nodes


cdef inline bint is_less(Key a, Key b) noexcept nogil:
    return (a.value < b.value) | ((a.value == b.value) & (a.row < b.row))


cdef inline void sort_keys(Key *keys, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef Key key
    for i in range(1, n):
        key = keys[i]
        j = i
        while j > 0 and is_less(key, keys[j - 1]):
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key


cdef void select(Key *keys, Py_ssize_t n, Py_ssize_t nth) noexcept nogil:
    """Put the `nth` smallest key in its place, smaller keys before it and larger ones after it.

    Quickselect. The pivot has the same relative rank in a sample as `nth` among all keys, which saves passes. The sample is
    pseudorandom, so no usual order of rows is slow. The partition has no unpredictable branch.
    """
    cdef Key sample[SAMPLE]
    cdef Key pivot, key
    cdef Py_ssize_t i, j, n_less
    cdef uint32_t chance = 1
    while n > FEW:
        for i in range(SAMPLE):
            chance = chance * 1664525u + 1013904223u
            j = <Py_ssize_t> (<double> chance / 4294967296.0 * n)
            sample[i] = keys[j]
        sort_keys(sample, SAMPLE)
        pivot = sample[nth * SAMPLE // n]
        n_less = 0
        for i in range(n):
            key = keys[i]
            keys[i] = keys[n_less]
            keys[n_less] = key
            n_less += is_less(key, pivot)
        if nth < n_less:
            n = n_less
        elif n_less > 0:
            keys += n_less
            nth -= n_less
            n -= n_less
        else:
            # the pivot is the smallest key: put it first, and continue with the others
            for i in range(n):
                if keys[i].row == pivot.row:
                    keys[i] = keys[0]
                    keys[0] = pivot
                    break
            if nth == 0:
                return
            keys += 1
            nth -= 1
            n -= 1
    sort_keys(keys, n)


cdef inline void widened(const Making *making, Py_ssize_t at, double *values_out) noexcept nogil:
    """The row at position `at` of the order, as float64."""
    making.widen(making.rows + making.order[at] * making.row_bytes, making.n_features, values_out)


cdef Py_ssize_t widest(const Making *making, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """The axis with the largest range in a sample of these rows. Any axis is correct; this one makes boxes small."""
    cdef double values[MAX_FEATURES]
    cdef double low[MAX_FEATURES]
    cdef double high[MAX_FEATURES]
    cdef Py_ssize_t i, axis, best = 0, n = min(end - first, <Py_ssize_t> SAMPLE)
    for i in range(n):
        widened(making, first + i * (end - first) // n, values)
        for axis in range(making.n_features):
            low[axis] = values[axis] if i == 0 else min(low[axis], values[axis])
            high[axis] = values[axis] if i == 0 else max(high[axis], values[axis])
    for axis in range(1, making.n_features):
        if high[axis] - low[axis] > high[best] - low[best]:
            best = axis
    return best


cdef void halve(const Making *making, Py_ssize_t node, Py_ssize_t n_nodes) noexcept nogil:
    """Order the rows of a node so that its halves are separated along one axis."""
    cdef Py_ssize_t first = start_of(making.n_rows, node, n_nodes), end = start_of(making.n_rows, node + 1, n_nodes)
    cdef Py_ssize_t middle = start_of(making.n_rows, 2 * node + 1, 2 * n_nodes), i
    cdef Py_ssize_t offset = widest(making, first, end) * making.item_bytes
    cdef Key *keys = making.keys
    for i in range(first, end):
        keys[i].row = making.order[i]
        making.widen(making.rows + keys[i].row * making.row_bytes + offset, 1, &keys[i].value)
        if keys[i].value != keys[i].value:  # NaN has no order, and `select` would take quadratic time over many of them
            keys[i].value = INFINITY
    select(keys + first, end - first, middle - first)
    for i in range(first, end):
        making.order[i] = <int32_t> keys[i].row


cdef void close_leaf(const Making *making, Py_ssize_t node) noexcept nogil:
    """Compute the box of a leaf and its lowest row."""
    cdef double values[MAX_FEATURES]
    cdef double *low = making.boxes + 2 * node * making.n_features
    cdef double *high = low + making.n_features
    cdef Py_ssize_t first = start_of(making.n_rows, node, making.n_leaves)
    cdef Py_ssize_t end = start_of(making.n_rows, node + 1, making.n_leaves), i, axis
    cdef int32_t lowest = making.order[first]
    widened(making, first, low)
    memcpy(high, low, making.n_features * sizeof(double))
    for i in range(first + 1, end):
        widened(making, i, values)
        lowest = min(lowest, making.order[i])
        for axis in range(making.n_features):
            low[axis] = min(low[axis], values[axis])
            high[axis] = max(high[axis], values[axis])
    making.lowest[node] = lowest


cdef void close_inner(const Making *making, Py_ssize_t node) noexcept nogil:
    """The same for an inner node, from its two halves."""
    cdef Py_ssize_t d = making.n_features, axis
    cdef double *low = making.boxes + 2 * node * d
    cdef const double *halves = making.boxes + 4 * node * d
    for axis in range(d):
        low[axis] = min(halves[axis], halves[2 * d + axis])
        low[d + axis] = max(halves[d + axis], halves[3 * d + axis])
    making.lowest[node] = min(making.lowest[2 * node], making.lowest[2 * node + 1])


cdef void make_below(const Making *making, Py_ssize_t node, Py_ssize_t n_nodes) noexcept nogil:
    """Build the whole subtree of one node, while its rows are in the cache."""
    cdef Py_ssize_t n_below = 1, i
    while n_nodes * n_below < making.n_leaves:
        for i in range(n_below):
            halve(making, node * n_below + i, n_nodes * n_below)
        n_below *= 2
    for i in range(n_below):
        close_leaf(making, node * n_below + i)
    while n_below > 1:
        n_below //= 2
        for i in range(n_below):
            close_inner(making, node * n_below + i)


cdef Making making_of(const uint8_t[:, ::1] X, int storage, int32_t[::1] order, double[:, ::1] keys,
                      int32_t[::1] lowest_out, double[:, :, ::1] boxes_out) noexcept nogil:
    cdef Making making
    making.rows = &X[0, 0]
    making.row_bytes = X.shape[1]
    making.item_bytes = fastcls_type_bytes[storage]
    making.n_features = boxes_out.shape[2]
    making.n_rows = X.shape[0]
    making.n_leaves = boxes_out.shape[0] // 2
    making.widen = fastcls_widen[storage]
    making.order = &order[0]
    making.keys = <Key *> &keys[0, 0]
    making.lowest = &lowest_out[0]
    making.boxes = &boxes_out[0, 0, 0]
    return making


def halve_level(const uint8_t[:, ::1] X, int storage, int32_t[::1] order, double[:, ::1] keys, int32_t[::1] lowest_out,
                double[:, :, ::1] boxes_out, Py_ssize_t n_nodes, int n_threads):
    """Halve all nodes of one level; the levels above must be done.

    Parameters
    ----------
    X, storage : rows as bytes, and the number of their storage type
    order : (n_rows,), initially 0, 1, 2, ...
    keys : (n_rows, 2), scratch
    lowest_out, boxes_out : (2 n_leaves,), (2 n_leaves, 2, n_features): written by make_subtrees and close_top
    """
    cdef Making making = making_of(X, storage, order, keys, lowest_out, boxes_out)
    cdef Py_ssize_t node
    for node in prange(n_nodes, 2 * n_nodes, nogil=True, schedule="dynamic", num_threads=n_threads):
        halve(&making, node, n_nodes)


def make_subtrees(const uint8_t[:, ::1] X, int storage, int32_t[::1] order, double[:, ::1] keys, int32_t[::1] lowest_out,
                  double[:, :, ::1] boxes_out, Py_ssize_t n_nodes, Py_ssize_t first, Py_ssize_t end, int n_threads):
    """Build the subtrees of nodes first .. end of the level of n_nodes nodes; the levels above must be done."""
    cdef Making making = making_of(X, storage, order, keys, lowest_out, boxes_out)
    cdef Py_ssize_t node
    for node in prange(first, end, nogil=True, schedule="dynamic", num_threads=n_threads):
        make_below(&making, node, n_nodes)


def close_top(const uint8_t[:, ::1] X, int storage, int32_t[::1] order, double[:, ::1] keys, int32_t[::1] lowest_out,
              double[:, :, ::1] boxes_out, Py_ssize_t n_nodes):
    """Compute boxes and lowest rows of all levels above the level of n_nodes nodes."""
    cdef Making making = making_of(X, storage, order, keys, lowest_out, boxes_out)
    cdef Py_ssize_t node
    for node in range(n_nodes - 1, 0, -1):
        close_inner(&making, node)


# ------------------------------------------------------------------------------------------------------------- searching

cdef struct Tree:
    const uint8_t *queries
    Py_ssize_t query_bytes
    widen_fn widen_query
    const uint8_t *rows
    Py_ssize_t row_bytes
    widen_fn widen_row
    Py_ssize_t n_features
    Py_ssize_t n_lanes          # features padded with zeros to whole lanes, which changes no bit of a sum
    Py_ssize_t n_rows
    Py_ssize_t n_leaves
    pair_fn pair                # of float64; for bytes this is the exact sum too
    const int32_t *order
    const int32_t *lowest
    const double *boxes


cdef struct Scratch:
    # One query, and points and rows to compare it with, as float64; padded with zeros.
    double query[MAX_FEATURES]
    double nearest[MAX_FEATURES]
    double rows[MAX_LEAF * MAX_FEATURES]


cdef inline double bound_of(const Tree *tree, Scratch *scratch, Py_ssize_t node) noexcept nogil:
    """S of the query and the nearest point of a node's box: a lower bound for all rows of the node."""
    cdef Py_ssize_t d = tree.n_features, axis
    cdef const double *low = tree.boxes + 2 * node * d
    for axis in range(d):
        scratch.nearest[axis] = min(max(scratch.query[axis], low[axis]), low[d + axis])
    return tree.pair(scratch.query, scratch.nearest, tree.n_lanes)


cdef inline Py_ssize_t offer_leaf(const Tree *tree, const Heaps *heaps, Py_ssize_t query, Py_ssize_t node,
                                  Scratch *scratch) noexcept nogil:
    """Offer every row of a leaf; return how many S were computed."""
    cdef double *S = heaps.S + query * heaps.k
    cdef int64_t *index = heaps.index + query * heaps.k
    cdef Py_ssize_t first = start_of(tree.n_rows, node, tree.n_leaves)
    cdef Py_ssize_t n = start_of(tree.n_rows, node + 1, tree.n_leaves) - first, i, n_computed = n
    cdef const int32_t *rows = tree.order + first
    cdef double s
    # Prefetch all rows before reading the first, and convert all before summing the first: so no step waits for another.
    for i in range(n):
        prefetch(tree.rows + rows[i] * tree.row_bytes)
    for i in range(n):
        tree.widen_row(tree.rows + rows[i] * tree.row_bytes, tree.n_features, scratch.rows + i * tree.n_lanes)
    for i in range(n):
        if heaps.row_groups != NULL and heaps.query_groups[query] == heaps.row_groups[rows[i]]:
            n_computed -= 1
            continue
        s = tree.pair(scratch.query, scratch.rows + i * tree.n_lanes, tree.n_lanes)
        if s <= S[0]:
            offer(S, index, heaps.k, s, heaps.row_start + rows[i])
    return n_computed


cdef void search_one(const Tree *tree, const Heaps *heaps, Py_ssize_t query, int64_t *counts) noexcept nogil:
    """Depth first, the nearer half first; a node is skipped if its lowest row would not be kept even at the node's bound."""
    cdef const double *S = heaps.S + query * heaps.k
    cdef const int64_t *index = heaps.index + query * heaps.k
    cdef Scratch scratch
    cdef Py_ssize_t later[MAX_DEPTH]
    cdef double later_bounds[MAX_DEPTH]
    cdef Py_ssize_t node, near, far, n_later = 1
    cdef double bound, near_bound, far_bound
    memset(&scratch, 0, sizeof(Scratch))
    tree.widen_query(tree.queries + query * tree.query_bytes, tree.n_features, scratch.query)
    later[0] = 1
    later_bounds[0] = bound_of(tree, &scratch, 1)
    while n_later > 0:
        n_later -= 1
        node = later[n_later]
        bound = later_bounds[n_later]
        while is_before(bound, heaps.row_start + tree.lowest[node], S[0], index[0]):
            if node >= tree.n_leaves:
                counts[1] += offer_leaf(tree, heaps, query, node, &scratch)
                break
            counts[0] += 2
            near = 2 * node
            far = near + 1
            near_bound = bound_of(tree, &scratch, near)
            far_bound = bound_of(tree, &scratch, far)
            if is_before(far_bound, tree.lowest[far], near_bound, tree.lowest[near]):
                near, far = far, near
                near_bound, far_bound = far_bound, near_bound
            later[n_later] = far
            later_bounds[n_later] = far_bound
            n_later += 1
            node = near
            bound = near_bound


def search(const uint8_t[:, ::1] Q, int Q_storage, const uint8_t[:, ::1] X, int X_storage, int sum,
           const int32_t[::1] order, const int32_t[::1] lowest, const double[:, :, ::1] boxes,
           const int64_t[::1] query_groups, const int64_t[::1] row_groups, int64_t row_start, double[:, ::1] heap_S_out,
           int64_t[:, ::1] heap_index_out, Py_ssize_t queries_per_job, int64_t[:, ::1] counts_out, int n_threads):
    """Offer to the heap of every query the rows of one chunk that its tree cannot rule out.

    Parameters
    ----------
    Q, X : rows as bytes, with the numbers of their storage types
    sum : the number of the sum over features; dot products are not allowed
    order, lowest, boxes : the chunk's tree
    query_groups, row_groups : of length 0, or a query skips the rows of its own group
    row_start : the training index of the chunk's first row
    heap_S_out, heap_index_out : (n_queries, k), heaps as in topk.pxd
    counts_out : (n_threads, 8), added to: nodes bounded, S computed; the rest separates the threads' cache lines
    """
    check_search(Q, fastcls_type_bytes[Q_storage], X, fastcls_type_bytes[X_storage], query_groups, row_groups,
                 heap_S_out.shape[0], heap_index_out.shape[0], heap_S_out.shape[1], heap_index_out.shape[1], 1,
                 counts_out.shape[0], n_threads)
    if order.shape[0] != X.shape[0] or boxes.shape[2] * fastcls_type_bytes[X_storage] != X.shape[1]:
        raise ValueError(f"a tree of {order.shape[0]} rows of {boxes.shape[2]} features for {X.shape[0]} others")
    cdef Tree tree
    cdef Heaps heaps
    cdef Py_ssize_t query
    tree.queries = &Q[0, 0]
    tree.query_bytes = Q.shape[1]
    tree.widen_query = fastcls_widen[Q_storage]
    tree.rows = &X[0, 0]
    tree.row_bytes = X.shape[1]
    tree.widen_row = fastcls_widen[X_storage]
    tree.n_features = boxes.shape[2]
    tree.n_lanes = (tree.n_features + 7) // 8 * 8
    tree.n_rows = X.shape[0]
    tree.n_leaves = boxes.shape[0] // 2
    tree.pair = search_kernels().pairs[sum][FASTCLS_F64]
    tree.order = &order[0]
    tree.lowest = &lowest[0]
    tree.boxes = &boxes[0, 0, 0]
    heaps.S = &heap_S_out[0, 0]
    heaps.index = &heap_index_out[0, 0]
    heaps.k = heap_S_out.shape[1]
    heaps.query_groups = &query_groups[0] if query_groups.shape[0] > 0 else NULL
    heaps.row_groups = &row_groups[0] if row_groups.shape[0] > 0 else NULL
    heaps.row_start = row_start
    for query in prange(Q.shape[0], nogil=True, schedule="dynamic", num_threads=n_threads, chunksize=queries_per_job):
        search_one(&tree, &heaps, query, &counts_out[threadid(), 0])
