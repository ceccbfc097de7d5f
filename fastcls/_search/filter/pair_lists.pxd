"""Two rows of a search of rows among themselves: their bounds, the levels that refine them, and S, offered to both.

``pair_loops.pyx`` says what places, reach and leaves are.
"""

from libc.math cimport INFINITY, sqrt
from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from fastcls._loops.panels cimport cosine_from_dot
from fastcls._loops.topk cimport is_before, sift_down
from fastcls._search.filter.lists cimport COMPUTED, aligned, prefetch, sink
from fastcls._simd.isas cimport FilterKernels, List, pair_fn

cdef extern from "filter/contract.h" nogil:
    enum:
        FASTCLS_PANEL_L1
        FASTCLS_PANEL_L2
        FASTCLS_GAP_SUM
        FASTCLS_GAP_SQUARE
        FASTCLS_GAP_DOT

cdef enum:
    BATCH = 48                      # rows of the first block that share a panel of the second while it is in the cache
    WIDEST = 32768                  # bytes of a code, see _simd/filter/contract.h
    NO_ROW = -1000000000            # threshold (L1), or norm times -2 (L2), of a query that is none


cdef struct Codes:
    const uint8_t *codes            # in the first level, panels
    Py_ssize_t width
    const int32_t *starts           # L2
    const int32_t *norms            # L2, not fine: squared norms of the codes
    const float *errors
    double per_unit                 # code units per unit of distance, times 1 + 2^-20
    bint fine


cdef struct Pairs:
    Codes levels[4]
    int n_levels
    const float *panel_errors
    const int32_t *order            # of every place, its row
    const int32_t *places           # of every row, its place
    bint l1
    bint cosine
    double slack
    double margin
    FilterKernels kernels
    pair_fn pair
    const uint8_t *rows
    Py_ssize_t row_bytes
    Py_ssize_t n_features
    Py_ssize_t n_rows
    const double *norms             # cosine: squared norms
    const uint8_t *zeros            # cosine: which rows are zero
    const int64_t *groups           # NULL, or rows of one group never see each other
    bint with_self                  # whether every row sees itself
    double *reach                   # of every row
    double *S                       # heaps
    int64_t *index
    Py_ssize_t k
    Py_ssize_t leaf_rows            # of a part of a block whose rows are searched among themselves


cdef struct Scratch:
    uint8_t *queries                # packed codes of a batch
    uint8_t *query_code             # of one row at a finer level
    List *lists
    float *bounds
    int32_t *row_limits             # of the second block's places
    float *lowest                   # bounds and rows of the lowest bounds, as a heap
    int32_t *lowest_rows
    uint8_t *computed               # a bit for each ordered pair of a leaf: S is computed
    int64_t *counts


cdef inline Py_ssize_t lay_out(Py_ssize_t n_places, Py_ssize_t leaf_rows, Py_ssize_t width, Py_ssize_t k, uint8_t *base,
                               Scratch *scratch_out) noexcept nogil:
    """Divide a thread's scratch into arrays, aligned from `base` on; return how many bytes it takes."""
    cdef Py_ssize_t at = -<Py_ssize_t> (<size_t> base) & 63, i, stride = n_places + 128
    scratch_out.queries = base + at
    at += aligned(BATCH * width)
    scratch_out.query_code = base + at
    at += WIDEST
    scratch_out.lists = <List *> (base + at)
    at += aligned(BATCH * sizeof(List))
    scratch_out.row_limits = <int32_t *> (base + at)
    at += aligned(stride * sizeof(int32_t))
    scratch_out.bounds = <float *> (base + at)
    at += aligned(stride * sizeof(float))
    scratch_out.lowest = <float *> (base + at)
    at += aligned((k + 2) * sizeof(float))
    scratch_out.lowest_rows = <int32_t *> (base + at)
    at += aligned((k + 2) * sizeof(int32_t))
    scratch_out.computed = base + at
    at += aligned(leaf_rows * ((leaf_rows + 7) // 8))
    if base != NULL:
        for i in range(BATCH):
            scratch_out.lists[i].keys = <int32_t *> (base + at) + i * stride
            scratch_out.lists[i].rows = <int32_t *> (base + at) + (BATCH + i) * stride
    at += 2 * BATCH * stride * sizeof(int32_t)
    return at + 64


cdef inline double reach_of(const Pairs *pairs, double S) noexcept nogil:
    """The largest distance of a row whose rank distance is at most S."""
    S = S * pairs.margin + 1e-300  # covers underflow
    return S if pairs.l1 else sqrt(2.0 * S + pairs.slack if pairs.cosine else S)


cdef inline void query_limits(const Pairs *pairs, const double *thresholds, const double *norms, double error, Py_ssize_t n,
                              int32_t *limits_out) noexcept nogil:
    """The limits of a key for some queries; `error` is added to their thresholds. No branches: the compiler's vectors."""
    cdef Py_ssize_t i
    cdef double t
    if pairs.l1:
        for i in range(n):
            t = (thresholds[i] + error) * (1.0 + 2.0 ** -20)
            limits_out[i] = <int32_t> (t if t < 1e9 else 1e9) + 1  # a key is at most 255 x 32,768
        return
    for i in range(n):
        t = (thresholds[i] + error) * (1.0 + 2.0 ** -20)
        limits_out[i] = <int32_t> ((norms[i] - t * t) * 0.5 if t < 40000.0 else INT32_MIN + 2.0) - 2


cdef inline int32_t row_limit(const Pairs *pairs, Py_ssize_t row, double error) noexcept nogil:
    """The limit of a key for a row, without half of the query's norm; `error`: its own, and the largest of the queries."""
    cdef double t = (pairs.reach[row] * pairs.levels[0].per_unit + error) * (1.0 + 2.0 ** -20)
    if pairs.l1:
        return <int32_t> t + 1 if t < 1e9 else INT32_MAX
    if not t < 40000.0:
        return INT32_MIN
    return -<int32_t> (t * t * 0.5) - 2


cdef inline double exact(const Pairs *pairs, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """S of two rows in the reference arithmetic."""
    cdef const uint8_t *x = pairs.rows + a * pairs.row_bytes
    cdef const uint8_t *y = pairs.rows + b * pairs.row_bytes
    cdef double total = pairs.pair(x, y, pairs.n_features)
    if not pairs.cosine:
        return total
    return cosine_from_dot(total, pairs.norms[a], pairs.norms[b], x, y, pairs.row_bytes, pairs.zeros[a])


cdef inline bint offer_to(const Pairs *pairs, Py_ssize_t row, double S, double reach, Py_ssize_t other) noexcept nogil:
    """Offer a neighbour to a row; returns whether it was kept. `reach` is that of S: most heaps need not be read."""
    cdef double *heap = pairs.S + row * pairs.k
    cdef int64_t *index = pairs.index + row * pairs.k
    if reach > pairs.reach[row] or not is_before(S, other, heap[0], index[0]):
        return False
    sift_down(heap, index, pairs.k, S, other)
    pairs.reach[row] = reach_of(pairs, heap[0])
    return True


cdef inline bint may_see(const Pairs *pairs, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Whether two rows may be neighbours; a row itself is offered on its own."""
    return a != b and (pairs.groups == NULL or pairs.groups[a] != pairs.groups[b])


cdef inline void prefetch_row(const Pairs *pairs, Py_ssize_t row) noexcept nogil:
    cdef const uint8_t *y = pairs.rows + row * pairs.row_bytes
    cdef Py_ssize_t i
    for i in range(0, min(pairs.row_bytes, <Py_ssize_t> 4096), 64):
        prefetch(y + i)


cdef inline void pack_six(const Pairs *pairs, Py_ssize_t place, Py_ssize_t n, uint8_t *out) noexcept nogil:
    """Codes of n places from `place` on, from panels into the screen's layout of six queries; the last one fills it up."""
    cdef const Codes *level = &pairs.levels[0]
    cdef Py_ssize_t step_bytes = 8 if pairs.l1 else 4, panel_rows = FASTCLS_PANEL_L1 if pairs.l1 else FASTCLS_PANEL_L2
    cdef Py_ssize_t n_steps = level.width // step_bytes, step, _step, i, at = place % panel_rows
    cdef const uint8_t *panel
    cdef uint64_t words[6]
    cdef uint64_t flip = 0 if pairs.l1 else <uint64_t> 0x8080808080808080
    if n == 6 and at + 6 <= panel_rows:
        panel = level.codes + place // panel_rows * panel_rows * level.width + at * step_bytes
        for _step in range(n_steps):
            memcpy(words, panel, 48 if pairs.l1 else 24)
            if not pairs.l1:
                words[0] ^= flip
                words[1] ^= flip
                words[2] ^= flip
            memcpy(out, words, 48 if pairs.l1 else 24)
            panel += panel_rows * step_bytes
            out += 6 * step_bytes
        return
    for i in range(6):
        at = place + min(i, n - 1)
        panel = level.codes + at // panel_rows * panel_rows * level.width + at % panel_rows * step_bytes
        for step in range(n_steps):
            words[0] = 0
            memcpy(words, panel + step * panel_rows * step_bytes, step_bytes)
            words[0] ^= flip
            memcpy(out + (step * 6 + i) * step_bytes, words, step_bytes)


cdef inline void keys_at(const Pairs *pairs, int number, Py_ssize_t a, List *found, uint8_t *room) noexcept nogil:
    """Keys of row a and the rows of a list at a finer level."""
    cdef const Codes *level = &pairs.levels[number]
    cdef const uint8_t *code = level.codes + a * level.width
    cdef Py_ssize_t i
    if pairs.l1:
        pairs.kernels.at_l1(code, level.codes, level.width, level.starts, found.rows, found.n, found.keys)
    elif level.fine:
        pairs.kernels.at_fine(code, level.codes, level.width, found.rows, found.n, found.keys)
    else:
        for i in range(level.width):  # as a query
            room[i] = code[i] ^ 0x80
        pairs.kernels.at_l2(room, level.codes, level.width, level.starts, found.rows, found.n, found.keys)


cdef inline void bound_all(const Pairs *pairs, int number, Py_ssize_t a_at, List *found, float *bounds) noexcept nogil:
    """Bounds of a list from its keys; rows that are no rows are dropped. a_at: the place, at finer levels the row."""
    cdef const Codes *level = &pairs.levels[number]
    cdef int gap = FASTCLS_GAP_SUM if pairs.l1 else FASTCLS_GAP_SQUARE if level.fine else FASTCLS_GAP_DOT
    found.n = pairs.kernels.bound(gap, found.keys, found.rows, bounds, 0, found.n,
                                  level.norms[a_at] if gap == FASTCLS_GAP_DOT else 0, level.errors[a_at], level.errors,
                                  INFINITY)


cdef inline bint reaches(double bound, double of_a, double of_b) noexcept nogil:
    """Whether a bound is not above one of two thresholds, or is NaN."""
    return not bound > of_a or not bound > of_b


cdef inline void to_rows(const Pairs *pairs, List *found, float *bounds) noexcept nogil:
    """From places to rows; padding is dropped, whose bound may be NaN."""
    cdef Py_ssize_t i, n = 0
    for i in range(found.n):
        if found.rows[i] < pairs.n_rows:
            found.rows[n] = pairs.order[found.rows[i]]
            bounds[n] = bounds[i]
            n += 1
    found.n = n


cdef inline void keep_near(const Pairs *pairs, int number, Py_ssize_t a, List *found, float *bounds) noexcept nogil:
    """Keep the rows of a list that the bounds cannot rule out for row a, or row a for them."""
    cdef double per_unit = pairs.levels[number].per_unit, threshold = pairs.reach[a] * per_unit
    cdef Py_ssize_t i, n = 0
    cdef int32_t b
    for i in range(found.n):
        b = found.rows[i]
        found.rows[n] = b
        bounds[n] = bounds[i]
        n += reaches(bounds[i], threshold, pairs.reach[b] * per_unit) and may_see(pairs, a, b)
    found.n = n


cdef inline void heapify(float *bounds, List *found) noexcept nogil:
    """Make a list a heap with the lowest bound first; it needs numbers: NaN counts as the nearest."""
    cdef Py_ssize_t i
    for i in range(found.n):
        if not bounds[i] == bounds[i]:
            bounds[i] = -INFINITY
    for i in range(found.n // 2 - 1, -1, -1):
        sink(bounds, found.rows, found.n, i)


cdef inline int32_t take_lowest(float *bounds, List *found) noexcept nogil:
    """Remove the first of a heap that is not empty, and return its row."""
    cdef int32_t row = found.rows[0]
    found.n -= 1
    bounds[0] = bounds[found.n]
    found.rows[0] = found.rows[found.n]
    sink(bounds, found.rows, found.n, 0)
    return row


cdef inline void refine(const Pairs *pairs, Py_ssize_t a, List *found, double error, Py_ssize_t first_b,
                        Scratch *scratch) noexcept nogil:
    """Take the rows of a list, near to row a by the first level, through the finer levels, and offer S to both."""
    cdef double per_unit = pairs.levels[pairs.n_levels - 1].per_unit
    cdef float *bounds = scratch.bounds
    cdef Py_ssize_t place
    cdef int32_t b
    cdef int number
    cdef float bound
    cdef double S, reach
    for number in range(1, pairs.n_levels):
        scratch.counts[number] += found.n
        if found.n == 0:
            return
        keys_at(pairs, number, a, found, scratch.query_code)
        bound_all(pairs, number, a, found, bounds)
        keep_near(pairs, number, a, found, bounds)
    heapify(bounds, found)
    while found.n > 0:  # lowest bound first: then the thresholds fall soonest
        bound = bounds[0]
        b = take_lowest(bounds, found)
        if found.n > 0:
            prefetch_row(pairs, found.rows[0])
        if not reaches(bound, pairs.reach[a] * per_unit, pairs.reach[b] * per_unit):
            continue
        scratch.counts[COMPUTED] += 1
        S = exact(pairs, a, b)
        reach = reach_of(pairs, S)
        offer_to(pairs, a, S, reach, b)
        if offer_to(pairs, b, S, reach, a):
            place = pairs.places[b]
            scratch.row_limits[place - first_b] = row_limit(pairs, b, pairs.levels[0].errors[place] + error)


cdef inline Py_ssize_t lowest_of(const Pairs *pairs, Py_ssize_t a, const List *found, const float *bounds,
                                 Scratch *scratch) noexcept nogil:
    """The k + 2 rows of lowest bound that row a may see, in scratch.lowest_rows; returns how many."""
    cdef Py_ssize_t i, n = 0, most = pairs.k + 2, here, child
    cdef float bound
    for i in range(found.n):
        bound = bounds[i] if bounds[i] == bounds[i] else -INFINITY
        if n == most and not bound < scratch.lowest[0]:
            continue
        if not may_see(pairs, a, found.rows[i]):
            continue
        if n < most:  # rises to its place in a heap whose first bound is the highest
            here = n
            n += 1
            while here > 0 and scratch.lowest[(here - 1) // 2] < bound:
                scratch.lowest[here] = scratch.lowest[(here - 1) // 2]
                scratch.lowest_rows[here] = scratch.lowest_rows[(here - 1) // 2]
                here = (here - 1) // 2
        else:  # replaces the highest
            here = 0
            while True:
                child = 2 * here + 1
                if child >= n:
                    break
                if child + 1 < n and scratch.lowest[child + 1] > scratch.lowest[child]:
                    child += 1
                if not scratch.lowest[child] > bound:
                    break
                scratch.lowest[here] = scratch.lowest[child]
                scratch.lowest_rows[here] = scratch.lowest_rows[child]
                here = child
        scratch.lowest[here] = bound
        scratch.lowest_rows[here] = found.rows[i]
    return n
