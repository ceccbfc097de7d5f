"""The order of neighbours, (S, training index), and the bounded heap of the k best.

Only ``_simd/search/low_dimensional.h`` does not use this heap: it keeps sorted lists, for rows that arrive in index order.

A heap is two arrays of length k, `S` and `index`, whose first element is the worst of the k best so far. It starts full of
(infinity, largest integer), which comes after every real row.
"""

from libc.stdint cimport int64_t


cdef inline bint is_before(double S_a, int64_t index_a, double S_b, int64_t index_b) noexcept nogil:
    """Whether neighbour a comes before neighbour b."""
    return S_a < S_b or (S_a == S_b and index_a < index_b)


cdef inline void sift_down(double *S, int64_t *index, Py_ssize_t k, double S_new, int64_t index_new) noexcept nogil:
    """Replace the first element by a new neighbour, and move it down to its place."""
    cdef Py_ssize_t here = 0, child
    while True:
        child = 2 * here + 1
        if child >= k:
            break
        if child + 1 < k and is_before(S[child], index[child], S[child + 1], index[child + 1]):
            child += 1
        if not is_before(S_new, index_new, S[child], index[child]):
            break
        S[here] = S[child]
        index[here] = index[child]
        here = child
    S[here] = S_new
    index[here] = index_new


cdef inline void offer(double *S, int64_t *index, Py_ssize_t k, double S_new, int64_t index_new) noexcept nogil:
    """Keep a neighbour if it comes before the worst of the k best so far."""
    if is_before(S_new, index_new, S[0], index[0]):
        sift_down(S, index, k, S_new, index_new)


cdef inline void sort_heap(double *S, int64_t *index, Py_ssize_t k) noexcept nogil:
    """Nearest first, in place."""
    cdef Py_ssize_t last
    cdef double S_last
    cdef int64_t index_last
    for last in range(k - 1, 0, -1):
        S_last = S[last]
        index_last = index[last]
        S[last] = S[0]
        index[last] = index[0]
        sift_down(S, index, last, S_last, index_last)
