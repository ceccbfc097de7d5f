"""What L-BFGS does with long vectors: it remembers them in float32, and takes dot products and sums of these.

Vectors are float32 rows of one matrix, whose length is a multiple of BLOCK; the rest is filled with zeros. A dot product is
summed in float32 over a block, in LANES running sums, then in float64 block after block: so the bytes do not depend on the
number of threads.
"""

from cython.parallel cimport prange

from libc.math cimport fabs
from libc.stdint cimport int64_t

import numpy as np

cdef enum:
    LANES = 16
    BLOCK = 256
    CHUNK = 4096                # values of one task: 21 vectors of them stay in the second-level cache
    SERIAL_WORK = 200000        # as in loops.pyx

PADDED_TO = BLOCK


cdef double largest_of_chunk(const double *values, Py_ssize_t n) noexcept nogil:
    """The largest magnitude; NaN counts as none."""
    cdef double largest[LANES]
    cdef Py_ssize_t i, j
    for j in range(LANES):
        largest[j] = 0.0
    for i in range(n // LANES):
        for j in range(LANES):
            largest[j] = fabs(values[i * LANES + j]) if fabs(values[i * LANES + j]) > largest[j] else largest[j]
    for i in range(n // LANES * LANES, n):
        largest[0] = fabs(values[i]) if fabs(values[i]) > largest[0] else largest[0]
    for j in range(1, LANES):
        largest[0] = largest[j] if largest[j] > largest[0] else largest[0]
    return largest[0]


cdef void store_chunk(const double *values, Py_ssize_t n, double divisor, float *out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <float> (values[i] / divisor)


def store(const double[::1] values, float[::1] out, int n_threads):
    """out = values / their largest magnitude, for as many values as there are. Returns that magnitude."""
    cdef Py_ssize_t i, n = values.shape[0], chunks = (n + CHUNK - 1) // CHUNK
    cdef double divisor, total = 0.0
    cdef double[::1] largest = np.empty(chunks)
    if n > out.shape[0]:
        raise ValueError("arrays of other shapes")
    for i in prange(chunks, nogil=True, schedule="static", num_threads=n_threads, use_threads_if=n > SERIAL_WORK):
        largest[i] = largest_of_chunk(&values[i * CHUNK], min(<Py_ssize_t> CHUNK, n - i * CHUNK))
    for i in range(chunks):
        total = largest[i] if largest[i] > total else total
    divisor = total if total != 0.0 else 1.0
    for i in prange(chunks, nogil=True, schedule="static", num_threads=n_threads, use_threads_if=n > SERIAL_WORK):
        store_chunk(&values[i * CHUNK], min(<Py_ssize_t> CHUNK, n - i * CHUNK), divisor, &out[i * CHUNK])
    return total


cdef double dot(const float *a, const float *b, Py_ssize_t n) noexcept nogil:
    cdef float sums[LANES]
    cdef double total = 0.0
    cdef Py_ssize_t _block, _i, j
    for _block in range(n // BLOCK):
        for j in range(LANES):
            sums[j] = 0.0
        for _i in range(BLOCK // LANES):
            for j in range(LANES):
                sums[j] += a[j] * b[j]
            a += LANES
            b += LANES
        for j in range(LANES // 2):
            sums[j] += sums[j + LANES // 2]
        for j in range(LANES // 2):
            total += sums[j]
    return total


cdef void dots_of_chunk(const float[:, ::1] rows, const int64_t[::1] of, const int64_t[::1] others, Py_ssize_t chunk,
                        double[:, :, ::1] partial_out) noexcept nogil:
    cdef Py_ssize_t start = chunk * CHUNK, n, i, j
    n = min(<Py_ssize_t> CHUNK, rows.shape[1] - start)
    for i in range(of.shape[0]):
        for j in range(others.shape[0]):
            partial_out[chunk, i, j] = dot(&rows[of[i], start], &rows[others[j], start], n)


def n_chunks(Py_ssize_t n):
    """Tasks of vectors of n values."""
    return (n + CHUNK - 1) // CHUNK


def dots(const float[:, ::1] rows, const int64_t[::1] of, const int64_t[::1] others, double[:, :, ::1] partial_out,
         int n_threads):
    """Dot products of some rows with others, for each chunk of values: partial_out (n_chunks, of, others)."""
    cdef Py_ssize_t i, n_rows = rows.shape[0], chunks = (rows.shape[1] + CHUNK - 1) // CHUNK
    if rows.shape[1] % BLOCK or partial_out.shape[0] != chunks or partial_out.shape[1] != of.shape[0] or \
            partial_out.shape[2] != others.shape[0]:
        raise ValueError("arrays of other shapes")
    for i in range(of.shape[0]):
        if not 0 <= of[i] < n_rows:
            raise ValueError(f"row {of[i]} of {n_rows}")
    for i in range(others.shape[0]):
        if not 0 <= others[i] < n_rows:
            raise ValueError(f"row {others[i]} of {n_rows}")
    for i in prange(chunks, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=rows.shape[1] * of.shape[0] * others.shape[0] > SERIAL_WORK):
        dots_of_chunk(rows, of, others, i, partial_out)


cdef void combine_chunk(const float[:, ::1] rows, const double[::1] factors, Py_ssize_t chunk,
                        double[::1] out) noexcept nogil:
    cdef Py_ssize_t start = chunk * CHUNK, end, i, j
    cdef double factor
    cdef const float *row
    end = min(start + CHUNK, out.shape[0])
    for i in range(start, end):
        out[i] = 0.0
    for j in range(rows.shape[0]):
        factor = factors[j]
        if factor != 0.0:
            row = &rows[j, 0]
            for i in range(start, end):
                out[i] += factor * <double> row[i]


def combine(const float[:, ::1] rows, const double[::1] factors, double[::1] out, int n_threads):
    """out = sum over j of factors[j] * rows[j], for as many values as out has."""
    cdef Py_ssize_t i
    if factors.shape[0] != rows.shape[0] or out.shape[0] > rows.shape[1]:
        raise ValueError("arrays of other shapes")
    for i in prange((out.shape[0] + CHUNK - 1) // CHUNK, nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=out.shape[0] * rows.shape[0] > SERIAL_WORK):
        combine_chunk(rows, factors, i, out)
