"""Lists of rows that passed the screen: their bounds, the levels that refine them, and S of the rows that are left.

All quantities of a query are in *code units*; ``filter_loops.pyx`` says what they are.
"""

from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t

from fastcls._loops.panels cimport Heaps, cosine_from_dot
from fastcls._loops.rounding cimport up
from fastcls._loops.topk cimport is_before, offer, sift_down
from fastcls._simd.isas cimport FilterKernels, List, pair_fn

cdef extern from "filter/contract.h" nogil:
    enum:
        FASTCLS_GAP_SUM
        FASTCLS_GAP_SQUARE
        FASTCLS_GAP_DOT

cdef extern from "search/scalar.h" nogil:
    void prefetch "FASTCLS_PREFETCH"(const void *address)


cdef struct Level:
    const uint8_t *codes            # of every row; in the first level, panels
    Py_ssize_t width
    const int32_t *starts           # L2
    const float *errors             # of every row, in code units
    const float *panel_errors       # first level: the largest error in each panel
    const uint8_t *query_codes
    const int32_t *query_norms      # L2
    const float *query_errors
    double per_unit                 # code units per unit of distance
    bint fine                       # 16-bit codes


cdef struct Filter:
    Level levels[4]
    int n_levels
    bint l1
    bint cosine
    double slack                    # added to 2 S: covers the rounding of a cosine
    double margin                   # 1 + the relative error of S
    FilterKernels kernels
    const uint8_t *queries
    const uint8_t *rows
    Py_ssize_t row_bytes
    Py_ssize_t n_features
    Py_ssize_t n_rows
    pair_fn pair
    const double *query_norms       # cosine: squared norms
    const double *row_norms
    const uint8_t *zero_queries
    Py_ssize_t n_refine             # entries of lowest bound that are refined at once, to lower the threshold
    Py_ssize_t refine_every         # new rows in a list before it is refined
    Py_ssize_t list_capacity        # entries of a list


cdef struct Scratch:
    # The scratch of one job; it stays from one range of panels to the next.
    uint8_t *queries                # packed
    List *lists
    float *bounds                   # of the entries of every list
    Py_ssize_t *n_bounded           # of each list: bounds[0..n_bounded) are known; at the end, entries that are done
    Py_ssize_t *refine_at           # of each list: the length at which it is refined
    double *thresholds              # of each query at the first level, its own error included
    double *lowest_bounds           # a heap of the lowest bounds of a list, and their positions in it
    int64_t *lowest
    List chosen                     # these entries
    float *chosen_bounds
    int64_t *counts                 # of this thread: pairs that passed the screen, entered each finer level; S computed


cdef enum:
    COMPUTED = 4                    # position of the number of computed S in a thread's counts


cdef inline Py_ssize_t aligned(Py_ssize_t n_bytes) noexcept nogil:
    return (n_bytes + 63) // 64 * 64


cdef inline Py_ssize_t lay_out(Py_ssize_t n_queries, Py_ssize_t width, Py_ssize_t n_refine, Py_ssize_t list_capacity,
                               uint8_t *base, Scratch *scratch_out) noexcept nogil:
    """Divide the scratch of a job into arrays, aligned from `base` on; return how many bytes they take."""
    cdef Py_ssize_t n = (n_queries + 5) // 6 * 6, at = -<Py_ssize_t> (<size_t> base) & 63, i
    cdef Py_ssize_t stride = list_capacity + 128
    scratch_out.queries = base + at
    at += aligned(n * width)
    scratch_out.lists = <List *> (base + at)
    at += aligned(n * sizeof(List))
    scratch_out.n_bounded = <Py_ssize_t *> (base + at)
    at += aligned(n * sizeof(Py_ssize_t))
    scratch_out.refine_at = <Py_ssize_t *> (base + at)
    at += aligned(n * sizeof(Py_ssize_t))
    scratch_out.thresholds = <double *> (base + at)
    at += aligned(n * sizeof(double))
    scratch_out.lowest_bounds = <double *> (base + at)
    at += aligned(n_refine * sizeof(double))
    scratch_out.lowest = <int64_t *> (base + at)
    at += aligned(n_refine * sizeof(int64_t))
    scratch_out.chosen.keys = <int32_t *> (base + at)
    at += aligned(n_refine * sizeof(int32_t))
    scratch_out.chosen.rows = <int32_t *> (base + at)
    at += aligned(n_refine * sizeof(int32_t))
    scratch_out.chosen_bounds = <float *> (base + at)
    at += aligned(n_refine * sizeof(float))
    scratch_out.bounds = <float *> (base + at)
    at += n * stride * sizeof(float)
    if base != NULL:
        for i in range(n):
            scratch_out.lists[i].keys = <int32_t *> (base + at) + i * stride
            scratch_out.lists[i].rows = <int32_t *> (base + at) + (n + i) * stride
    at += 2 * n * stride * sizeof(int32_t)
    return at + 64


cdef inline double threshold_of(const Filter *filter, const Level *level, double S) noexcept nogil:
    """The largest bound, in code units, of a row whose rank distance is at most S."""
    cdef double distance
    S = S * filter.margin + 1e-300  # covers underflow
    distance = S if filter.l1 else sqrt(2.0 * S + filter.slack if filter.cosine else S)
    return distance * level.per_unit * (1.0 + 2.0 ** -20)


cdef inline double exact(const Filter *filter, Py_ssize_t query, Py_ssize_t row) noexcept nogil:
    """S of one pair in the reference arithmetic."""
    cdef const uint8_t *x = filter.queries + query * filter.row_bytes
    cdef const uint8_t *y = filter.rows + row * filter.row_bytes
    cdef double total = filter.pair(x, y, filter.n_features)
    if not filter.cosine:
        return total
    return cosine_from_dot(total, filter.query_norms[query], filter.row_norms[row], x, y, filter.row_bytes,
                           filter.zero_queries[query])


cdef inline void drop_beyond(const Filter *filter, List *found, float *bounds, Py_ssize_t first,
                             double threshold) noexcept nogil:
    """Of the entries from `first` on, keep those not above the threshold; NaN is kept."""
    found.n = filter.kernels.drop(found.rows, bounds, first, found.n, up(threshold))


cdef inline void bound_list(const Filter *filter, int number, const Heaps *heaps, Py_ssize_t query, List *found,
                            float *bounds, Py_ssize_t first, double threshold) noexcept nogil:
    """Compute bounds of the entries from `first` on, from their keys; keep what the threshold and the groups allow."""
    cdef const Level *level = &filter.levels[number]
    cdef int gap = FASTCLS_GAP_SUM if filter.l1 else FASTCLS_GAP_SQUARE if level.fine else FASTCLS_GAP_DOT
    cdef int32_t norm = level.query_norms[query] if gap == FASTCLS_GAP_DOT else 0
    cdef Py_ssize_t i, n = first
    found.n = filter.kernels.bound(gap, found.keys, found.rows, bounds, first, found.n, norm, level.query_errors[query],
                                   level.errors, up(threshold))
    if heaps.row_groups == NULL:
        return
    for i in range(first, found.n):
        found.rows[n] = found.rows[i]
        bounds[n] = bounds[i]
        n += heaps.query_groups[query] != heaps.row_groups[found.rows[i]]
    found.n = n


cdef inline void prefetch_row(const Filter *filter, Py_ssize_t row) noexcept nogil:
    cdef const uint8_t *y = filter.rows + row * filter.row_bytes
    cdef Py_ssize_t i
    for i in range(0, min(filter.row_bytes, <Py_ssize_t> 4096), 64):
        prefetch(y + i)


cdef inline void keys_at(const Filter *filter, int number, Py_ssize_t query, List *found, Py_ssize_t first,
                         Py_ssize_t end) noexcept nogil:
    """Keys of some entries of a list at a finer level."""
    cdef const Level *level = &filter.levels[number]
    cdef const uint8_t *code = level.query_codes + query * level.width
    cdef const int32_t *rows = found.rows + first
    cdef int32_t *keys = found.keys + first
    cdef Py_ssize_t n = end - first
    if filter.l1:
        filter.kernels.at_l1(code, level.codes, level.width, level.starts, rows, n, keys)
    elif level.fine:
        filter.kernels.at_fine(code, level.codes, level.width, rows, n, keys)
    else:
        filter.kernels.at_l2(code, level.codes, level.width, level.starts, rows, n, keys)


cdef inline void refine_list(const Filter *filter, const Heaps *heaps, Py_ssize_t query, List *found, float *bounds,
                             Scratch *scratch) noexcept nogil:
    """Take a list that passed the first level through the finer levels, and compute S; the list is empty afterwards."""
    cdef double *S = heaps.S + query * heaps.k
    cdef int number
    for number in range(1, filter.n_levels):
        scratch.counts[number] += found.n
        if found.n == 0:
            return
        keys_at(filter, number, query, found, 0, found.n)
        bound_list(filter, number, heaps, query, found, bounds, 0, threshold_of(filter, &filter.levels[number], S[0]))
    best_first(filter, heaps, query, found, bounds, scratch)


cdef inline bint offer_new(double *S, int64_t *index, Py_ssize_t k, double S_new, int64_t index_new) noexcept nogil:
    """Like `offer`; returns whether the neighbour was kept."""
    if not is_before(S_new, index_new, S[0], index[0]):
        return False
    sift_down(S, index, k, S_new, index_new)
    return True


cdef inline void sink(float *bounds, int32_t *rows, Py_ssize_t n, Py_ssize_t here) noexcept nogil:
    """Move the entry at `here` down to its place in a heap with the lowest bound first."""
    cdef float bound = bounds[here]
    cdef int32_t row = rows[here]
    cdef Py_ssize_t child
    while True:
        child = 2 * here + 1
        if child >= n:
            break
        if child + 1 < n and bounds[child + 1] < bounds[child]:
            child += 1
        if not bounds[child] < bound:
            break
        bounds[here] = bounds[child]
        rows[here] = rows[child]
        here = child
    bounds[here] = bound
    rows[here] = row


cdef inline void best_first(const Filter *filter, const Heaps *heaps, Py_ssize_t query, List *found, float *bounds,
                            Scratch *scratch) noexcept nogil:
    """Compute S of the rows that passed the last level, lowest bound first, until that bound is above the threshold."""
    cdef const Level *level = &filter.levels[filter.n_levels - 1]
    cdef double *S = heaps.S + query * heaps.k
    cdef int64_t *index = heaps.index + query * heaps.k
    cdef Py_ssize_t i, n = found.n
    cdef double threshold = threshold_of(filter, level, S[0])
    for i in range(n):
        if not bounds[i] == bounds[i]:  # a heap needs numbers: NaN counts as the nearest
            bounds[i] = -INFINITY
    for i in range(n // 2 - 1, -1, -1):
        sink(bounds, found.rows, n, i)
    while n > 0 and bounds[0] <= threshold:
        i = found.rows[0]
        n -= 1
        bounds[0] = bounds[n]
        found.rows[0] = found.rows[n]
        sink(bounds, found.rows, n, 0)
        if n > 0:
            prefetch_row(filter, found.rows[0])
        scratch.counts[COMPUTED] += 1
        if offer_new(S, index, heaps.k, exact(filter, query, i), heaps.row_start + i):
            threshold = threshold_of(filter, level, S[0])
    found.n = 0


cdef inline void choose_lowest(const Filter *filter, List *found, float *bounds, Py_ssize_t first, double threshold,
                               Scratch *scratch) noexcept nogil:
    """Copy the entries of lowest bound from `first` on to `scratch.chosen`; in the list, their bound becomes infinite."""
    cdef Py_ssize_t i, at, n_refine = min(filter.n_refine, found.n - first)
    cdef double last = threshold
    for i in range(n_refine):
        scratch.lowest_bounds[i] = INFINITY
        scratch.lowest[i] = found.n
    for i in range(first, found.n):
        if bounds[i] < last:
            offer(scratch.lowest_bounds, scratch.lowest, n_refine, bounds[i], i)
            last = min(threshold, scratch.lowest_bounds[0])
    scratch.chosen.n = 0
    for i in range(n_refine):
        at = scratch.lowest[i]
        if at < found.n:
            scratch.chosen.rows[scratch.chosen.n] = found.rows[at]
            scratch.chosen_bounds[scratch.chosen.n] = bounds[at]
            scratch.chosen.n += 1
            bounds[at] = INFINITY


cdef inline void tighten(const Filter *filter, const Heaps *heaps, Py_ssize_t query, List *found, float *bounds,
                         Py_ssize_t first, Scratch *scratch) noexcept nogil:
    """Refine the entries of lowest bound from `first` on, to lower the threshold; then drop those above it."""
    cdef const Level *level = &filter.levels[0]
    cdef const double *S = heaps.S + query * heaps.k
    choose_lowest(filter, found, bounds, first, threshold_of(filter, level, S[0]), scratch)
    refine_list(filter, heaps, query, &scratch.chosen, scratch.chosen_bounds, scratch)
    drop_beyond(filter, found, bounds, first, threshold_of(filter, level, S[0]))


cdef inline void refine_new(const Filter *filter, const Heaps *heaps, Py_ssize_t query, Py_ssize_t own,
                            Scratch *scratch) noexcept nogil:
    """Bound the new entries of a list, lower the threshold, and drop entries above it. A full list is refined as a whole."""
    cdef const Level *level = &filter.levels[0]
    cdef const double *S = heaps.S + query * heaps.k
    cdef List *found = &scratch.lists[own]
    cdef float *bounds = scratch.bounds + own * (filter.list_capacity + 128)
    cdef Py_ssize_t first = scratch.n_bounded[own]
    while found.n > first and found.rows[found.n - 1] >= filter.n_rows:
        found.n -= 1  # padding of the last panel: the newest entries are in ascending order
    scratch.counts[0] += found.n - first
    bound_list(filter, 0, heaps, query, found, bounds, first, threshold_of(filter, level, S[0]))
    tighten(filter, heaps, query, found, bounds, first, scratch)
    if found.n + filter.refine_every > filter.list_capacity:
        drop_beyond(filter, found, bounds, 0, threshold_of(filter, level, S[0]))
        if found.n > filter.list_capacity // 2:
            refine_list(filter, heaps, query, found, bounds, scratch)
    scratch.n_bounded[own] = found.n
    scratch.refine_at[own] = found.n + filter.refine_every
    scratch.thresholds[own] = threshold_of(filter, level, S[0]) + level.query_errors[query]
