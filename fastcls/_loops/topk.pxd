"""The order of neighbours, (S, training index), and the bounded heap of the k best.

Only ``_simd/search/low_dimensional.h`` does not use this heap: it keeps sorted lists, for rows that arrive in index order.

A heap is two arrays of length k, `S` and `index`, whose first element is the worst of the k best so far. It starts full of
placeholders (infinity, largest integer), which come after every real row. In a search by radius their S is the first beyond
the radius, and many places may keep them.
"""

from libc.stdint cimport INT64_MAX, int64_t


cdef inline bint is_before(double S_a, int64_t index_a, double S_b, int64_t index_b) noexcept nogil:
    """Whether neighbour a comes before neighbour b."""
    return S_a < S_b or (S_a == S_b and index_a < index_b)


cdef inline void sift_from(double *S, int64_t *index, Py_ssize_t k, Py_ssize_t here, double S_new,
                           int64_t index_new) noexcept nogil:
    """Replace the element at `here` by another neighbour, and move that down to its place."""
    cdef Py_ssize_t child
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


cdef inline void sift_down(double *S, int64_t *index, Py_ssize_t k, double S_new, int64_t index_new) noexcept nogil:
    """Replace the first element by a new neighbour, and move it down to its place."""
    sift_from(S, index, k, 0, S_new, index_new)


cdef inline void offer(double *S, int64_t *index, Py_ssize_t k, double S_new, int64_t index_new) noexcept nogil:
    """Keep a neighbour if it comes before the worst of the k best so far."""
    if is_before(S_new, index_new, S[0], index[0]):
        sift_down(S, index, k, S_new, index_new)


cdef inline Py_ssize_t placeholders_last(double *S, int64_t *index, Py_ssize_t k) noexcept nogil:
    """Move the placeholders behind the neighbours, which become a heap of their own; return the number of neighbours.

    Then only these have to be sorted: after a search by radius, a heap of a thousand places may hold ten neighbours.
    """
    cdef Py_ssize_t i, n = 0
    cdef double S_placeholder = S[0]
    for i in range(k):
        if index[i] != INT64_MAX:
            S[n] = S[i]
            index[n] = index[i]
            n += 1
    for i in range(n, k):
        S[i] = S_placeholder
        index[i] = INT64_MAX
    for i in range(n // 2 - 1, -1, -1):
        sift_from(S, index, n, i, S[i], index[i])
    return n


cdef inline void sort_heap(double *S, int64_t *index, Py_ssize_t k) noexcept nogil:
    """Nearest first, in place; placeholders last."""
    cdef Py_ssize_t last, n = placeholders_last(S, index, k) if index[0] == INT64_MAX else k
    cdef double S_last
    cdef int64_t index_last
    for last in range(n - 1, 0, -1):
        S_last = S[last]
        index_last = index[last]
        S[last] = S[0]
        index[last] = index[0]
        sift_down(S, index, last, S_last, index_last)
