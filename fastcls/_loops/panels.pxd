"""The search over packed panels: many queries against many rows, tiles from ``_simd/search/tile.h``.

A packed sum is turned into a *key*, ``(sum x scale + query_term + row_term) x row_factor``. A pair is offered to the query's
heap only if its key is not above ``alpha x S_k + beta``, where S_k is the query's k-th smallest S so far. For L1 and L2 of
bytes the key is S itself. For floats and cosines it is a certain lower bound (docs/bounds.md has the proof), and S is
computed in the reference arithmetic for the few pairs that pass.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from fastcls._simd.isas cimport Panel, pair_fn, select_fn
from fastcls._loops.topk cimport offer

cdef extern from "search/scalar.h" nogil:
    double cosine_from_dot(double D, double A, double B, const void *x, const void *y, Py_ssize_t n_bytes,
                           bint x_is_zero)


cdef struct Heaps:
    double *S
    int64_t *index
    Py_ssize_t k
    const int64_t *query_groups     # NULL, or a query skips the rows of its own group
    const int64_t *row_groups
    int64_t row_start               # the training index of the first row


cdef struct PanelSearch:
    # What is the same for all blocks of one call.
    const uint8_t *queries
    const uint8_t *rows
    Py_ssize_t row_bytes
    Py_ssize_t n_features
    Py_ssize_t block_features       # packed at a time, so that a panel stays in the L2 cache
    int type
    Panel panel
    int query_flip
    int row_flip
    select_fn select
    pair_fn pair                    # NULL: the key is S
    const double *center
    double data_scale
    double scale
    const double *query_terms
    const double *alphas
    const double *betas
    const double *row_terms
    const double *row_factors
    const double *query_norms       # NULL, or squared norms: the pair's sum is a dot product and becomes a cosine
    const double *row_norms
    const uint8_t *zero_queries


cdef struct PanelScratch:
    uint8_t *queries
    uint8_t *panel
    double *sums
    double *keys
    int32_t *chosen


cdef inline Py_ssize_t unit_bytes(const Panel *panel) noexcept nogil:
    return panel.step_features * (1 << panel.element)


cdef inline Py_ssize_t steps_of(const Panel *panel, Py_ssize_t n_features) noexcept nogil:
    return (n_features + panel.step_features - 1) // panel.step_features


cdef inline Py_ssize_t aligned(Py_ssize_t n_bytes) noexcept nogil:
    return (n_bytes + 63) // 64 * 64


cdef inline Py_ssize_t lay_out(const Panel *panel, Py_ssize_t n_features, Py_ssize_t block_features,
                               Py_ssize_t n_queries, uint8_t *base, PanelScratch *scratch_out) noexcept nogil:
    """Divide a thread's scratch into arrays; return how many bytes they take."""
    cdef Py_ssize_t n_groups = (n_queries + panel.queries - 1) // panel.queries, at = 0
    cdef Py_ssize_t n_blocks = (n_features + block_features - 1) // block_features
    cdef Py_ssize_t block_bytes = steps_of(panel, min(block_features, n_features)) * unit_bytes(panel)
    scratch_out.queries = base
    at += aligned(n_groups * panel.queries * n_blocks * block_bytes)
    scratch_out.panel = base + at
    at += aligned(panel.rows * block_bytes)
    scratch_out.sums = <double *> (base + at)
    at += aligned((n_groups if n_blocks > 1 else 1) * panel.queries * panel.rows * sizeof(double))
    scratch_out.keys = <double *> (base + at)
    at += aligned(panel.rows * sizeof(double))
    scratch_out.chosen = <int32_t *> (base + at)
    return at + aligned(panel.rows * sizeof(int32_t))


cdef inline double exact(const PanelSearch *search, Py_ssize_t query, Py_ssize_t row) noexcept nogil:
    """S of one pair in the reference arithmetic."""
    cdef const uint8_t *x = search.queries + query * search.row_bytes
    cdef const uint8_t *y = search.rows + row * search.row_bytes
    cdef double total = search.pair(x, y, search.n_features)
    if search.query_norms == NULL:
        return total
    return cosine_from_dot(total, search.query_norms[query], search.row_norms[row], x, y, search.row_bytes,
                           search.zero_queries[query])


cdef inline Py_ssize_t offer_query(const PanelSearch *search, Heaps *heaps, Py_ssize_t query, Py_ssize_t row,
                                   Py_ssize_t n_rows, const double *sums, PanelScratch *scratch) noexcept nogil:
    """Offer the rows of a panel to one query; return how many passed its threshold."""
    cdef double *S = heaps.S + query * heaps.k
    cdef int64_t *index = heaps.index + query * heaps.k
    cdef double threshold = search.alphas[query] * S[0] + search.betas[query], s
    cdef Py_ssize_t n, c, j
    n = search.select(sums, n_rows, search.scale, search.query_terms[query], search.row_terms + row,
                      search.row_factors + row, threshold, scratch.keys, scratch.chosen)
    for c in range(n):
        j = row + scratch.chosen[c]
        if heaps.row_groups != NULL and heaps.query_groups[query] == heaps.row_groups[j]:
            continue
        s = scratch.keys[c] if search.pair == NULL else exact(search, query, j)
        offer(S, index, heaps.k, s, heaps.row_start + j)
    return n


cdef inline Py_ssize_t search_panels_block(const PanelSearch *search, Heaps *heaps, Py_ssize_t first_query,
                                           Py_ssize_t n_queries, Py_ssize_t first_row, Py_ssize_t n_rows,
                                           uint8_t *base) noexcept nogil:
    """Offer a block of rows to a block of queries; return how many pairs passed a threshold."""
    cdef const Panel *panel = &search.panel
    cdef PanelScratch scratch
    cdef Py_ssize_t d = search.n_features, per_block = search.block_features, group_queries = panel.queries
    cdef Py_ssize_t n_groups = (n_queries + group_queries - 1) // group_queries
    cdef Py_ssize_t n_blocks = (d + per_block - 1) // per_block, unit = unit_bytes(panel)
    cdef Py_ssize_t block, group, row, n_panel, n, n_steps, i, n_passed = 0
    cdef Py_ssize_t block_bytes = steps_of(panel, min(per_block, d)) * unit * group_queries
    cdef double *sums
    lay_out(panel, d, per_block, n_queries, base, &scratch)
    for block in range(n_blocks):
        n = min(per_block, d - block * per_block)
        for group in range(n_groups):
            i = group * group_queries
            panel.pack(search.queries + (first_query + i) * search.row_bytes, search.row_bytes, n_queries - i,
                       group_queries, search.type, panel, search.query_flip, search.center, search.data_scale,
                       block * per_block, n, scratch.queries + (block * n_groups + group) * block_bytes)
    row = first_row
    while row < first_row + n_rows:
        n_panel = min(<Py_ssize_t> panel.rows, first_row + n_rows - row)
        for block in range(n_blocks):
            n = min(per_block, d - block * per_block)
            n_steps = steps_of(panel, n)
            panel.pack(search.rows + row * search.row_bytes, search.row_bytes, n_panel, panel.rows, search.type,
                       panel, search.row_flip, search.center, search.data_scale, block * per_block, n, scratch.panel)
            for group in range(n_groups):
                sums = scratch.sums + (group * group_queries * panel.rows if n_blocks > 1 else 0)
                panel.tile(scratch.queries + (block * n_groups + group) * block_bytes, scratch.panel, n_steps, sums,
                           panel.rows, block > 0)
                if block < n_blocks - 1:
                    continue
                for i in range(min(group_queries, n_queries - group * group_queries)):
                    n_passed += offer_query(search, heaps, first_query + group * group_queries + i, row, n_panel,
                                            sums + i * panel.rows, &scratch)
        row += panel.rows
    return n_passed
