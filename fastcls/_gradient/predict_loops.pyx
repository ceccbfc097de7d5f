"""Scores of rows in float64; labels and probabilities of many classes in float32, without an array of all scores."""

from cython.parallel cimport prange

from libc.stdint cimport int32_t, int64_t, uint8_t

from libc.string cimport memcpy

from fastcls._gradient.loops cimport MOST_TILES, Job, aligned, job_of, lay_out, lay_out_tiles, tile_to_losses
from fastcls._gradient.packed cimport packed_scores
from fastcls._simd.isas cimport LinearKernels, linear_kernels

from fastcls._gradient.loops import scratch_size

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


cdef void answer_tile(Job *job, Py_ssize_t start, Py_ssize_t n_rows, int64_t *best_out, float *gap_out,
                      double *probabilities_out) noexcept nogil:
    cdef Py_ssize_t block, first
    tile_to_losses(job, start, n_rows)
    for block in prange((n_rows + FASTCLS_SOFTMAX_ROWS - 1) // FASTCLS_SOFTMAX_ROWS, schedule="dynamic",
                        num_threads=job.n_threads, use_threads_if=job.n_threads > 1):
        first = block * FASTCLS_SOFTMAX_ROWS
        answer_block(job, first, min(<Py_ssize_t> FASTCLS_SOFTMAX_ROWS, n_rows - first), best_out + first, gap_out + first,
                     probabilities_out + first * job.n_classes if probabilities_out != NULL else NULL)


def answers(const uint8_t[:, ::1] X, int storage, const uint8_t[:, ::1] W, const double[::1] b, int64_t[::1] best_out,
            float[::1] gap_out, double[:, ::1] probabilities_out, uint8_t[::1] scratch, int n_threads):
    """The class of the largest score W x + b of every row, by how much it leads, and the softmax of the scores.

    W is (n_classes, stride) float32, as bytes, for the packed product (`is_packed`). Scores must be finite.
    `probabilities_out` is (n_rows, n_classes), or has no rows. The answer to a row depends on that row only, bit for bit.
    """
    cdef Job job = job_of(X, storage, FASTCLS_SINGLES, 1, W.shape[0], W.shape[1] // 4, n_threads)
    cdef Job tiles[MOST_TILES]
    cdef Py_ssize_t start = 0, n = X.shape[0], n_tiles, n_at_once, t, at
    cdef double *probabilities = &probabilities_out[0, 0] if probabilities_out.shape[0] > 0 else NULL
    if not job.is_packed:
        raise ValueError(f"{W.shape[0]} classes are too few for the packed product")
    if (W.shape[1] < 4 * job.n_features or b.shape[0] != W.shape[0] or best_out.shape[0] != n or gap_out.shape[0] != n
            or probabilities != NULL and (probabilities_out.shape[0] != n or probabilities_out.shape[1] != W.shape[0])
            or scratch.shape[0] < scratch_size(job.n_features, storage, FASTCLS_SINGLES, 1, W.shape[0], n_threads)):
        raise ValueError("arrays of other shapes")
    job.W = &W[0, 0]
    job.b = &b[0]
    lay_out_tiles(&job, scratch, tiles, &n_tiles)
    with nogil:
        while start < n:
            # A whole round: each tile is the work of one thread, scores and answers. Else all threads work on the next tile.
            n_at_once = n_tiles if n - start > (n_tiles - 1) * job.tile_rows else 1
            if n_at_once == 1:
                answer_tile(&job, start, min(job.tile_rows, n - start), &best_out[start], &gap_out[start],
                            probabilities + start * job.n_classes if probabilities != NULL else NULL)
            else:
                for t in prange(n_at_once, schedule="static", chunksize=1, num_threads=n_threads):
                    at = start + t * job.tile_rows
                    answer_tile(&tiles[t], at, min(job.tile_rows, n - at), &best_out[at], &gap_out[at],
                                probabilities + at * job.n_classes if probabilities != NULL else NULL)
            start += n_at_once * job.tile_rows


def linear_scores(const uint8_t[:, ::1] X, int storage, const uint8_t[:, ::1] W, int real, const double[::1] b,
                  double[:, ::1] scores_out, uint8_t[::1] scratch, int n_threads):
    """Scores W x + b of every row, into scores_out (n_rows, n_columns).

    W is (n_columns, stride) of `real`, as bytes; other parameters as in loss_gradient. The scores of a row depend on that
    row only, bit for bit.
    """
    cdef Py_ssize_t real_bytes = 4 if real == FASTCLS_SINGLES else 8, start = 0, n_rows, size
    cdef Job job = job_of(X, storage, real, 1, W.shape[0], W.shape[1] // real_bytes, n_threads)
    lay_out(&job, aligned(scratch), &size)
    job.W = &W[0, 0]
    job.b = &b[0]
    with nogil:
        while start < X.shape[0]:
            n_rows = min(job.tile_rows, X.shape[0] - start)
            tile_to_losses(&job, start, n_rows)
            if job.is_packed:
                packed_scores(&job, n_rows, &scores_out[start, 0])
            else:
                memcpy(&scores_out[start, 0], job.S, <size_t> (n_rows * job.n_columns) * sizeof(double))
            start += n_rows
