"""The pairwise search: one pair after another in the reference arithmetic, for few queries, mixed types and large k."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

from fastcls._loops.low_dimensional cimport widen_fn
from fastcls._loops.panels cimport Heaps, cosine_from_dot
from fastcls._simd.isas cimport pair_fn
from fastcls._loops.topk cimport offer


cdef struct Rows:
    # Rows for a pair function: read in place, or converted into scratch.
    const uint8_t *start
    Py_ssize_t n
    Py_ssize_t row_bytes
    widen_fn widen              # NULL if the pair function reads the storage type
    const double *norms         # squared norms; NULL unless dot products become cosines
    const uint8_t *is_zero      # queries only


cdef struct Pairs:
    # Everything that determines S of a pair.
    Rows queries
    Rows rows
    Py_ssize_t n_features
    Py_ssize_t item_bytes       # of the type that the pair function reads
    pair_fn compute


cdef inline const uint8_t *fetch(Rows *rows, Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_features,
                                 double *scratch) noexcept nogil:
    """Rows first..first+n, contiguous, in the type that the pair function reads."""
    if rows.widen == NULL:
        return rows.start + first * rows.row_bytes
    rows.widen(rows.start + first * rows.row_bytes, n * n_features, scratch)
    return <const uint8_t *> scratch


cdef inline void fill_tile(Pairs *pairs, const uint8_t *queries, Py_ssize_t first_query, Py_ssize_t n_queries,
                           const uint8_t *rows, Py_ssize_t first_row, Py_ssize_t n_rows, double *tile_out) noexcept nogil:
    """S of every pair of a tile, one pair at a time."""
    cdef Py_ssize_t n_bytes = pairs.n_features * pairs.item_bytes, i, j
    cdef double s
    for i in range(n_queries):
        for j in range(n_rows):
            s = pairs.compute(queries + i * n_bytes, rows + j * n_bytes, pairs.n_features)
            if pairs.rows.norms != NULL:
                s = cosine_from_dot(s, pairs.queries.norms[first_query + i], pairs.rows.norms[first_row + j],
                                    queries + i * n_bytes, rows + j * n_bytes, n_bytes,
                                    pairs.queries.is_zero[first_query + i])
            tile_out[i * n_rows + j] = s


cdef struct Tile:
    # Sizes of a tile (queries that share some rows while these are in the cache), and a thread's scratch for it.
    Py_ssize_t queries
    Py_ssize_t rows
    double *S
    double *wide_queries
    double *wide_rows


cdef inline Tile tile_of(Py_ssize_t queries, Py_ssize_t rows, Py_ssize_t n_features, double *scratch) noexcept nogil:
    cdef Tile tile
    tile.queries = queries
    tile.rows = rows
    tile.S = scratch
    tile.wide_queries = scratch + queries * rows
    tile.wide_rows = tile.wide_queries + queries * n_features
    return tile


cdef inline void search_block(Pairs *pairs, Heaps *heaps, Py_ssize_t first, Py_ssize_t n_queries, Py_ssize_t first_row,
                              Py_ssize_t end_row, Tile tile) noexcept nogil:
    """Offer rows first_row..end_row to the heaps of a block of queries."""
    cdef const uint8_t *queries = fetch(&pairs.queries, first, n_queries, pairs.n_features, tile.wide_queries)
    cdef const uint8_t *rows
    cdef Py_ssize_t row = first_row, n_rows, i, j, k = heaps.k
    cdef double *S
    cdef int64_t *index
    cdef double s
    while row < end_row:
        n_rows = min(tile.rows, end_row - row)
        rows = fetch(&pairs.rows, row, n_rows, pairs.n_features, tile.wide_rows)
        fill_tile(pairs, queries, first, n_queries, rows, row, n_rows, tile.S)
        for i in range(n_queries):
            S = heaps.S + (first + i) * k
            index = heaps.index + (first + i) * k
            for j in range(n_rows):
                s = tile.S[i * n_rows + j]
                if s > S[0]:
                    continue
                if heaps.row_groups != NULL and heaps.query_groups[first + i] == heaps.row_groups[row + j]:
                    continue
                offer(S, index, k, s, heaps.row_start + row + j)
        row += tile.rows


cdef inline void distance_block(Pairs *pairs, Py_ssize_t first, Py_ssize_t n_queries, Tile tile, double *S_out,
                                Py_ssize_t row_stride) noexcept nogil:
    """Write S of a block of queries and every row to the matrix."""
    cdef const uint8_t *queries = fetch(&pairs.queries, first, n_queries, pairs.n_features, tile.wide_queries)
    cdef const uint8_t *rows
    cdef Py_ssize_t row = 0, n_rows, i
    while row < pairs.rows.n:
        n_rows = min(tile.rows, pairs.rows.n - row)
        rows = fetch(&pairs.rows, row, n_rows, pairs.n_features, tile.wide_rows)
        fill_tile(pairs, queries, first, n_queries, rows, row, n_rows, tile.S)
        for i in range(n_queries):
            memcpy(S_out + (first + i) * row_stride + row, tile.S + i * n_rows, n_rows * sizeof(double))
        row += tile.rows
