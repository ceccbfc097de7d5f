"""The search over rows of few features: eight queries at a time, with sorted neighbours.

The kernel is in ``_simd/search/low_dimensional.h``. For so few features, packing, bounds and heaps would cost more than the
pairs. Queries and rows of every type are converted to float64, which is exact; for bytes the sums are then exact integers
too.
"""

from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, int64_t, uint8_t

from fastcls._loops.panels cimport Heaps
from fastcls._simd.isas cimport low_dimensional_fn

cdef extern from "contract.h" nogil:
    ctypedef void (*widen_fn "fastcls_widen_fn")(const void *source, Py_ssize_t n, double *widened_out)

cdef enum:
    SIDE_BY_SIDE = 8        # queries in a group
    WIDENED_ROWS = 256      # converted at a time: at most 32 kB


cdef struct LowDimensionalSearch:
    # What is the same for all blocks of one call.
    const uint8_t *queries
    const uint8_t *rows
    Py_ssize_t query_bytes
    Py_ssize_t row_bytes
    widen_fn widen_queries
    widen_fn widen_rows         # NULL if the rows are float64
    Py_ssize_t n_features
    int sum
    low_dimensional_fn low_dimensional
    bint is_first               # the heaps are not filled yet
    bint is_last                # leave the neighbours nearest first, not as a heap


cdef struct LowDimensionalScratch:
    double *queries             # [group][feature][8]
    double *S                   # [group][k][8]
    int64_t *index
    int64_t *groups             # [group][8]
    double *rows                # [row][feature]; also used for the queries of a group


cdef inline Py_ssize_t lay_out_low_dimensional(Py_ssize_t n_queries, Py_ssize_t n_features, Py_ssize_t k, double *base,
                                               LowDimensionalScratch *scratch_out) noexcept nogil:
    """Divide a thread's scratch into arrays; return how many doubles they take."""
    cdef Py_ssize_t width = (n_queries + SIDE_BY_SIDE - 1) // SIDE_BY_SIDE * SIDE_BY_SIDE
    scratch_out.queries = base
    scratch_out.S = base + width * n_features
    scratch_out.index = <int64_t *> (scratch_out.S + width * k)
    scratch_out.groups = scratch_out.index + width * k
    scratch_out.rows = <double *> (scratch_out.groups + width)
    return width * (n_features + 2 * k + 1) + WIDENED_ROWS * n_features


cdef inline void take_in(const LowDimensionalSearch *search, const Heaps *heaps, Py_ssize_t first, Py_ssize_t n_queries,
                         LowDimensionalScratch *scratch) noexcept nogil:
    """Interleave queries, their groups and their neighbours so far; the last query is repeated to fill a group."""
    cdef Py_ssize_t d = search.n_features, k = heaps.k, i, lane, at, f, place, query
    i = 0
    while i < n_queries:
        search.widen_queries(search.queries + (first + i) * search.query_bytes,
                             min(<Py_ssize_t> SIDE_BY_SIDE, n_queries - i) * d, scratch.rows)
        for lane in range(SIDE_BY_SIDE):
            at = min(lane, n_queries - i - 1)
            query = first + i + at
            for f in range(d):
                scratch.queries[i * d + f * SIDE_BY_SIDE + lane] = scratch.rows[at * d + f]
            if heaps.row_groups != NULL:
                scratch.groups[i + lane] = heaps.query_groups[query]
            if not search.is_first:
                for place in range(k):
                    scratch.S[i * k + place * SIDE_BY_SIDE + lane] = heaps.S[query * k + k - 1 - place]
                    scratch.index[i * k + place * SIDE_BY_SIDE + lane] = heaps.index[query * k + k - 1 - place]
        if search.is_first:
            for at in range(i * k, (i + SIDE_BY_SIDE) * k):
                scratch.S[at] = INFINITY
                scratch.index[at] = INT64_MAX
        i += SIDE_BY_SIDE


cdef inline void hand_out(const LowDimensionalSearch *search, Heaps *heaps, Py_ssize_t first, Py_ssize_t n_queries,
                          const LowDimensionalScratch *scratch) noexcept nogil:
    """Write the neighbours to the heaps: nearest first after the last rows, else farthest first, which is a heap."""
    cdef Py_ssize_t k = heaps.k, i, lane, place, to
    for i in range(n_queries):
        lane = i // SIDE_BY_SIDE * SIDE_BY_SIDE * k + i % SIDE_BY_SIDE
        for place in range(k):
            to = (first + i) * k + (place if search.is_last else k - 1 - place)
            heaps.S[to] = scratch.S[lane + place * SIDE_BY_SIDE]
            heaps.index[to] = scratch.index[lane + place * SIDE_BY_SIDE]


cdef inline void search_low_dimensional_block(const LowDimensionalSearch *search, Heaps *heaps, Py_ssize_t first_query,
                                              Py_ssize_t n_queries, Py_ssize_t first_row, Py_ssize_t n_rows,
                                              double *base) noexcept nogil:
    """Offer a block of rows to a block of queries."""
    cdef LowDimensionalScratch scratch
    cdef Py_ssize_t d = search.n_features, k = heaps.k, row = first_row, n, i
    cdef const double *rows
    cdef const int64_t *query_groups = NULL
    cdef const int64_t *row_groups = NULL
    lay_out_low_dimensional(n_queries, d, k, base, &scratch)
    take_in(search, heaps, first_query, n_queries, &scratch)
    while row < first_row + n_rows:
        n = min(<Py_ssize_t> WIDENED_ROWS, first_row + n_rows - row)
        if search.widen_rows == NULL:
            rows = <const double *> (search.rows + row * search.row_bytes)
        else:
            search.widen_rows(search.rows + row * search.row_bytes, n * d, scratch.rows)
            rows = scratch.rows
        i = 0
        while i < n_queries:
            if heaps.row_groups != NULL:
                query_groups = scratch.groups + i
                row_groups = heaps.row_groups + row
            search.low_dimensional(scratch.queries + i * d, rows, n, d, search.sum, query_groups, row_groups,
                                   heaps.row_start + row, k, scratch.S + i * k, scratch.index + i * k)
            i += SIDE_BY_SIDE
        row += n
    hand_out(search, heaps, first_query, n_queries, &scratch)
