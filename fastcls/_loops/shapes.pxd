"""Check that the shapes of a search's arrays match, because the loops index them without checks.

This costs a few comparisons per call. If an estimator is fitted again during a search, or a caller makes a mistake, the
result is a ValueError and not an invalid read.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t


cdef inline int check_search(const uint8_t[:, ::1] Q, Py_ssize_t query_item, const uint8_t[:, ::1] X, Py_ssize_t row_item,
                             const int64_t[::1] query_groups, const int64_t[::1] row_groups, Py_ssize_t n_heaps,
                             Py_ssize_t n_indices, Py_ssize_t k, Py_ssize_t k_indices, Py_ssize_t n_heap_sets,
                             Py_ssize_t n_scratch, int n_threads) except -1:
    """Widths of queries and rows, lengths of groups, heaps and scratch."""
    cdef Py_ssize_t n_groups = query_groups.shape[0]
    if Q.shape[1] % query_item or X.shape[1] % row_item or Q.shape[1] // query_item != X.shape[1] // row_item:
        raise ValueError(f"queries of {Q.shape[1] // query_item} features for rows of {X.shape[1] // row_item}")
    if row_groups.shape[0] and (row_groups.shape[0] < X.shape[0] or n_groups != Q.shape[0]):
        raise ValueError(f"groups of {n_groups} queries and {row_groups.shape[0]} rows for {Q.shape[0]} and {X.shape[0]}")
    if n_heaps != Q.shape[0] or n_indices != Q.shape[0] or k < 1 or k != k_indices or n_heap_sets not in (1, n_threads):
        raise ValueError(
            f"{n_heap_sets} x {n_heaps} heaps of {k} neighbours for {Q.shape[0]} queries and {n_threads} threads")
    if n_threads < 1 or n_scratch < n_threads:
        raise ValueError(f"scratch of {n_scratch} threads for {n_threads}")
    return 0


cdef inline int check_level(int number, const uint8_t[:, ::1] codes, Py_ssize_t width, const float[::1] errors,
                            const int32_t[::1] starts, const float[::1] panel_errors, const uint8_t[:, ::1] query_codes,
                            const int32_t[::1] norms, const float[::1] query_errors, Py_ssize_t n_rows, Py_ssize_t n_queries,
                            Py_ssize_t panel_rows, bint l1, bint fine) except -1:
    """Check that a level's codes have `n_rows` rows and `n_queries` queries."""
    cdef bint fits = errors.shape[0] >= n_rows and query_errors.shape[0] >= n_queries
    fits = fits and query_codes.shape[0] == n_queries and query_codes.shape[1] == width
    fits = fits and (l1 or norms.shape[0] >= n_queries)
    fits = fits and (l1 or fine or starts.shape[0] >= (codes.shape[0] * panel_rows if number == 0 else n_rows))
    if number == 0:
        fits = fits and codes.shape[1] == width * panel_rows and codes.shape[0] * panel_rows >= n_rows
        fits = fits and panel_errors.shape[0] == codes.shape[0] and errors.shape[0] >= codes.shape[0] * panel_rows
    else:
        fits = fits and codes.shape[0] >= n_rows and codes.shape[1] == width
    if not fits:
        raise ValueError(f"level {number} has codes that are not of {n_rows} rows and {n_queries} queries")
    return 0
