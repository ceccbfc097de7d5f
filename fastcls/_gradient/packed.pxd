"""Passes over a tile of rows by the packed product of `_simd/linear/`."""

from libc.stdint cimport uint8_t

from fastcls._gradient.loops cimport Job


cdef bint is_packed(Py_ssize_t n_classes) noexcept nogil
cdef Py_ssize_t lay_out_packed(Job *job, uint8_t *scratch) noexcept nogil
cdef void use_packed(Job *job, int storage, int real) noexcept nogil
cdef void packed_tile_to_losses(Job *job, Py_ssize_t start, Py_ssize_t n_rows) noexcept nogil
cdef void packed_strip_sums(Job *job, Py_ssize_t n_rows, Py_ssize_t strip, Py_ssize_t from_column,
                            Py_ssize_t to_column, void *sums_out) noexcept nogil
cdef void packed_bias_slopes(Job *job, Py_ssize_t n_rows, double *out) noexcept nogil
cdef void packed_scores(Job *job, Py_ssize_t n_rows, double *scores_out) noexcept nogil
