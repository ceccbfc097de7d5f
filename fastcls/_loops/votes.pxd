"""The vote of one query's neighbours."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    COUNTED_CLASSES = 8         # one byte of a word for each
    COUNTED_NEIGHBORS = 255     # the largest count in a byte


cdef inline int64_t label_of(const int64_t *labels, const int64_t *codes, Py_ssize_t neighbor) noexcept nogil:
    return labels[neighbor] if codes == NULL else codes[labels[neighbor]]


cdef inline bint are_classes(const int64_t *labels, const int64_t *codes, Py_ssize_t n_codes, Py_ssize_t k,
                             Py_ssize_t n_classes) noexcept nogil:
    """Whether the labels of all k neighbours are valid classes: another process may change a mapped file of codes."""
    cdef Py_ssize_t neighbor
    for neighbor in range(k):
        if codes != NULL and <uint64_t> labels[neighbor] >= <uint64_t> n_codes:
            return False
        if <uint64_t> label_of(labels, codes, neighbor) >= <uint64_t> n_classes:
            return False
    return True


cdef inline void vote_weighted(const int64_t *labels, const int64_t *codes, const double *weights, const int64_t *ks,
                               Py_ssize_t n_ks, bint nearest, double *total, Py_ssize_t n_classes,
                               int64_t *winners_out, uint8_t *tied_out) noexcept nogil:
    """The winners of one query, for every k; `total` ends as each class's weight among the first ks[-1]."""
    cdef Py_ssize_t c, at, neighbor = 0
    cdef double best
    cdef int64_t winner
    cdef int n_best
    for c in range(n_classes):
        total[c] = 0.0
    for at in range(n_ks):
        while neighbor < ks[at]:
            total[label_of(labels, codes, neighbor)] += 1.0 if weights == NULL else weights[neighbor]
            neighbor += 1
        best = total[0]
        winner = 0
        n_best = 1
        for c in range(1, n_classes):
            if total[c] > best:
                best = total[c]
                winner = c
                n_best = 1
            elif total[c] == best:
                n_best += 1
        if nearest and n_best > 1:
            c = 0
            while c < ks[at] and total[label_of(labels, codes, c)] != best:
                c += 1
            if c < ks[at]:  # otherwise no neighbour has a best class: all weights are 0, and the smallest class wins
                winner = label_of(labels, codes, c)
        winners_out[at] = winner
        tied_out[at] = n_best > 1


cdef inline uint64_t count_of(uint64_t counts, int64_t c) noexcept nogil:
    return counts >> (8 * c) & 255


cdef inline void vote_counted(const int64_t *labels, const int64_t *codes, const int64_t *ks, Py_ssize_t n_ks,
                              bint nearest, Py_ssize_t n_classes, int64_t *winners_out, uint8_t *tied_out) noexcept nogil:
    """The same if every weight is 1, for few neighbours and classes: the counts are the bytes of one register.

    In memory, each increment would wait until the previous one is written: 24 ns for a query with 7 neighbours.
    """
    cdef uint64_t counts = 0, best, count
    cdef Py_ssize_t at, neighbor = 0
    cdef int64_t winner, c
    cdef bint tied
    for at in range(n_ks):
        while neighbor < ks[at]:
            counts += <uint64_t> 1 << (8 * label_of(labels, codes, neighbor))
            neighbor += 1
        best = count_of(counts, 0)
        winner = 0
        tied = False
        for c in range(1, n_classes):
            count = count_of(counts, c)
            tied = (tied and count <= best) or count == best
            winner = c if count > best else winner
            best = count if count > best else best
        if nearest and tied:
            c = 0
            while count_of(counts, label_of(labels, codes, c)) != best:  # some neighbour has a best class: best > 0
                c += 1
            winner = label_of(labels, codes, c)
        winners_out[at] = winner
        tied_out[at] = tied
