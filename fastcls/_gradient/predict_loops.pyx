"""Labels and probabilities of many classes, tile by tile in float32: no array of the scores of all rows."""

from cython.parallel cimport prange

from libc.stdint cimport int32_t, int64_t, uint8_t

from fastcls._gradient.loops cimport Job, aligned, job_of, lay_out, tile_to_losses
from fastcls._simd.isas cimport LinearKernels, linear_kernels

cdef extern from "linear/contract.h" nogil:
    enum:
        FASTCLS_SINGLES, FASTCLS_INNER_STRIDE, FASTCLS_SOFTMAX_ROWS

cdef enum:
    ROWS_AT_ONCE = 16           # one cache line of float32 scores of a class


cdef void write_rows(const float *S, Py_ssize_t n_classes, Py_ssize_t n_rows, double *out) noexcept nogil:
    """Rows of `out` from classes of S: few rows at a time, so that the lines being written stay in the first-level cache."""
    cdef Py_ssize_t part, first, end, k, i
    for part in range((n_rows + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE):
        first = part * ROWS_AT_ONCE
        end = min(first + ROWS_AT_ONCE, n_rows)
        for k in range(n_classes):
            for i in range(first, end):
                out[i * n_classes + k] = <double> S[k * FASTCLS_INNER_STRIDE + i]


cdef void answer_block(Job *job, Py_ssize_t first, Py_ssize_t n_rows, int64_t *best_out, float *gap_out,
                       double *probabilities_out) noexcept nogil:
    """Up to FASTCLS_SOFTMAX_ROWS rows of the tile; the scratch has scores of all of them."""
    cdef const LinearKernels *kernels = linear_kernels()
    cdef float *S = <float *> job.G + first
    cdef int32_t best[FASTCLS_SOFTMAX_ROWS]
    cdef float gap[FASTCLS_SOFTMAX_ROWS]
    cdef int64_t labels[FASTCLS_SOFTMAX_ROWS]
    cdef double losses[FASTCLS_SOFTMAX_ROWS]
    cdef Py_ssize_t i
    kernels.best(S, job.n_classes, best, gap)
    for i in range(n_rows):
        best_out[i] = best[i]
        gap_out[i] = gap[i]
        labels[i] = -1          # no class: what the softmax leaves are probabilities
    if probabilities_out == NULL:
        return
    kernels.softmax[FASTCLS_SINGLES](S, job.n_classes, n_rows, labels, NULL, losses)
    write_rows(S, job.n_classes, n_rows, probabilities_out)


def answers(const uint8_t[:, ::1] X, int storage, const uint8_t[:, ::1] W, const double[::1] b, int64_t[::1] best_out,
            float[::1] gap_out, double[:, ::1] probabilities_out, uint8_t[::1] scratch, int n_threads):
    """The class of the largest score W x + b of every row, by how much it leads, and the softmax of the scores.

    W is (n_classes, stride) float32, as bytes, for the packed product (`is_packed`). Scores must be finite.
    `probabilities_out` is (n_rows, n_classes), or has no rows. The answer to a row depends on that row only, bit for bit.
    """
    cdef Job job = job_of(X, storage, FASTCLS_SINGLES, 1, W.shape[0], W.shape[1] // 4, n_threads)
    cdef Py_ssize_t start = 0, n_rows, size, first, block
    cdef bint wanted = probabilities_out.shape[0] > 0
    if not job.is_packed:
        raise ValueError(f"{W.shape[0]} classes are too few for the packed product")
    lay_out(&job, aligned(scratch), &size)
    if (W.shape[1] < 4 * job.n_features or b.shape[0] != W.shape[0] or best_out.shape[0] != X.shape[0]
            or gap_out.shape[0] != X.shape[0] or scratch.shape[0] < size
            or wanted and (probabilities_out.shape[0] != X.shape[0] or probabilities_out.shape[1] != W.shape[0])):
        raise ValueError("arrays of other shapes")
    job.W = &W[0, 0]
    job.b = &b[0]
    with nogil:
        while start < X.shape[0]:
            n_rows = min(job.tile_rows, X.shape[0] - start)
            tile_to_losses(&job, start, n_rows)
            for block in prange((n_rows + FASTCLS_SOFTMAX_ROWS - 1) // FASTCLS_SOFTMAX_ROWS, schedule="dynamic",
                                num_threads=n_threads):
                first = block * FASTCLS_SOFTMAX_ROWS
                answer_block(&job, first, min(<Py_ssize_t> FASTCLS_SOFTMAX_ROWS, n_rows - first), &best_out[start + first],
                             &gap_out[start + first], &probabilities_out[start + first, 0] if wanted else NULL)
            start += n_rows
