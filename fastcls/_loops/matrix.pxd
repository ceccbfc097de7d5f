"""The matrix of all pairs: by integer tiles for bytes, or eight queries at a time in the reference arithmetic."""

from libc.stdint cimport uint8_t

from fastcls._loops.pairwise cimport Pairs, fetch
from fastcls._loops.panels cimport PanelScratch, PanelSearch, cosine_from_dot, lay_out, steps_of, unit_bytes
from fastcls._simd.isas cimport eight_fn

cdef enum:
    EIGHT_ROWS = 64         # converted at a time


cdef struct Matrix:
    double *S
    Py_ssize_t stride       # of a query's row


cdef inline void write_sums(const PanelSearch *search, const Matrix *out, Py_ssize_t query, Py_ssize_t row,
                            Py_ssize_t n_rows, const double *sums) noexcept nogil:
    """S of one query and a panel of byte rows: the key is S, or the dot product from which a cosine is computed."""
    cdef double *S = out.S + query * out.stride + row
    cdef double term = search.query_terms[query], factor = search.scale
    cdef Py_ssize_t j
    for j in range(n_rows):
        S[j] = sums[j] * factor + term + search.row_terms[row + j]
    if search.query_norms == NULL:
        return
    for j in range(n_rows):
        S[j] = cosine_from_dot(S[j], search.query_norms[query], search.row_norms[row + j],
                               search.queries + query * search.row_bytes, search.rows + (row + j) * search.row_bytes,
                               search.row_bytes, search.zero_queries[query])


cdef inline void matrix_panels_block(const PanelSearch *search, const Matrix *out, Py_ssize_t first_query,
                                     Py_ssize_t n_queries, Py_ssize_t first_row, Py_ssize_t n_rows,
                                     uint8_t *base) noexcept nogil:
    """S of a block of queries and a block of rows, panel after panel, in the order of search_panels_block."""
    cdef PanelScratch scratch
    cdef Py_ssize_t d = search.n_features, per_block = search.block_features, group_queries = search.panel.queries
    cdef Py_ssize_t n_groups = (n_queries + group_queries - 1) // group_queries
    cdef Py_ssize_t n_blocks = (d + per_block - 1) // per_block, n_panel, n, group, block, i, row = first_row
    cdef Py_ssize_t block_bytes = steps_of(&search.panel, min(per_block, d)) * unit_bytes(&search.panel) * group_queries
    cdef double *sums
    lay_out(&search.panel, d, per_block, n_queries, base, &scratch)
    for block in range(n_blocks):
        n = min(per_block, d - block * per_block)
        for group in range(n_groups):
            i = group * group_queries
            search.panel.pack(search.queries + (first_query + i) * search.row_bytes, search.row_bytes, n_queries - i,
                              group_queries, search.type, &search.panel, search.query_flip, NULL, 1.0, block * per_block, n,
                              scratch.queries + (block * n_groups + group) * block_bytes)
    while row < first_row + n_rows:
        n_panel = min(<Py_ssize_t> search.panel.rows, first_row + n_rows - row)
        for block in range(n_blocks):
            n = min(per_block, d - block * per_block)
            search.panel.pack(search.rows + row * search.row_bytes, search.row_bytes, n_panel, search.panel.rows,
                              search.type, &search.panel, search.row_flip, NULL, 1.0, block * per_block, n, scratch.panel)
            for group in range(n_groups):
                sums = scratch.sums + (group * group_queries * search.panel.rows if n_blocks > 1 else 0)
                search.panel.tile(scratch.queries + (block * n_groups + group) * block_bytes, scratch.panel,
                                  steps_of(&search.panel, n), sums, search.panel.rows, block > 0)
                if block < n_blocks - 1:
                    continue
                for i in range(min(group_queries, n_queries - group * group_queries)):
                    write_sums(search, out, first_query + group * group_queries + i, row, n_panel,
                               sums + i * search.panel.rows)
        row += search.panel.rows


cdef inline void matrix_eight_block(Pairs *pairs, eight_fn eight, int sum, const Matrix *out, Py_ssize_t first_query,
                                    Py_ssize_t n_queries, Py_ssize_t first_row, Py_ssize_t end_row,
                                    double *base) noexcept nogil:
    """S of a block of queries and rows first_row..end_row, in float64."""
    cdef Py_ssize_t d = pairs.n_features, n_groups = (n_queries + 7) // 8, group, i, j, f, n, query, row = first_row
    cdef double *queries = base                             # [group][feature][8]
    cdef double *wide = base + n_groups * 8 * d             # converted rows, or the queries of a group
    cdef double *sums = wide + EIGHT_ROWS * d               # [row][8]
    cdef const double *rows
    cdef double *S
    for group in range(n_groups):
        n = min(<Py_ssize_t> 8, n_queries - group * 8)
        rows = <const double *> fetch(&pairs.queries, first_query + group * 8, n, d, wide)
        for f in range(d):
            for i in range(8):
                queries[(group * d + f) * 8 + i] = rows[i * d + f] if i < n else 0.0
    while row < end_row:
        n = min(<Py_ssize_t> EIGHT_ROWS, end_row - row)
        rows = <const double *> fetch(&pairs.rows, row, n, d, wide)
        for group in range(n_groups):
            eight(queries + group * d * 8, rows, n, d, sum, sums)
            for i in range(min(<Py_ssize_t> 8, n_queries - group * 8)):
                query = first_query + group * 8 + i
                S = out.S + query * out.stride + row
                for j in range(n):
                    S[j] = sums[8 * j + i]
                if pairs.rows.norms == NULL:
                    continue
                for j in range(n):
                    S[j] = cosine_from_dot(S[j], pairs.queries.norms[query], pairs.rows.norms[row + j],
                                           pairs.queries.start + query * pairs.queries.row_bytes,
                                           pairs.rows.start + (row + j) * pairs.rows.row_bytes, pairs.rows.row_bytes,
                                           pairs.queries.is_zero[query])
        row += n
