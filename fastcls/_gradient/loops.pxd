"""Shared by the compiled modules: a job (rows, weights, a tile of scratch) and the passes over a tile."""

from libc.stdint cimport int64_t, uint8_t

from fastcls._gradient.losses cimport sample_loss
from fastcls._simd.isas cimport (
    add_fn, descend_fn, gradient_fn, panels_fn, product_fn, scores_fn, softmax_fn, turn_fn,
)

cdef extern from "linear/contract.h" nogil:
    enum:
        STRIP "FASTCLS_STRIP"
        DOT_CENTER "FASTCLS_DOT_CENTER"
        SQUARES "FASTCLS_SQUARES"
        MAGNITUDES "FASTCLS_MAGNITUDES"
        N_PARTS "FASTCLS_N_PARTS"

cdef struct Job:
    # Rows
    const uint8_t *start
    Py_ssize_t row_bytes, item_bytes, n_features
    const int64_t *index        # NULL: rows first, first + 1, ...
    Py_ssize_t first
    const int64_t *y
    const double *weights       # of each row of the data; NULL: all 1
    # What is computed
    sample_loss loss            # NULL: scores only
    int loss_code
    const double *options
    Py_ssize_t n_models, n_classes, n_columns, stride
    const uint8_t *W
    const double *b
    Py_ssize_t real_bytes, n_groups
    int score_rows
    int n_threads
    scores_fn scores
    gradient_fn gradient
    add_fn add
    # The packed product, for many classes; see packed.pyx
    bint is_packed
    int panel
    product_fn product
    panels_fn panels
    turn_fn turn
    softmax_fn softmax
    # A tile of scratch
    Py_ssize_t tile_rows
    const void **rows
    const void **rest           # rows of the features left after whole strips, padded with zeros
    uint8_t *rest_values
    double *S                   # scores, then slopes; packed: scores of a few rows of each thread
    uint8_t *G                  # slopes as `real`; packed: class after class, FASTCLS_INNER_STRIDE apart, before that scores
    double *losses              # (tile_rows, n_models)
    double *bias_slopes         # (n_columns,) sums over the rows of the tile
    uint8_t *sums               # of slope times row, (n_strips, n_columns, STRIP) of `real`; NULL: too many columns
    uint8_t *by_row             # packed: the rows as `real`, in panels of features
    uint8_t *by_feature         # and in panels of rows


cdef enum:
    MOST_TILES = 64             # of a round: each is the work of one thread. More threads work on each tile together


cdef inline Py_ssize_t row_number(Job *job, Py_ssize_t i) noexcept nogil:
    return job.index[i] if job.index != NULL else job.first + i


cdef descend_fn descend_function(int real) noexcept nogil
cdef void lay_out(Job *job, uint8_t *scratch, Py_ssize_t *size_out) noexcept nogil
cdef Job job_of(const uint8_t[:, ::1] X, int storage, int real, Py_ssize_t n_models, Py_ssize_t n_columns,
                Py_ssize_t stride, int n_threads) noexcept nogil
cdef uint8_t *aligned(uint8_t[::1] scratch) noexcept nogil
cdef void tile_to_losses(Job *job, Py_ssize_t start, Py_ssize_t n_rows) noexcept nogil
cdef void strip_sums(Job *job, Py_ssize_t n_rows, Py_ssize_t strip, Py_ssize_t from_column, Py_ssize_t to_column,
                     void *sums_out) noexcept nogil
cdef void add_bias_slopes(Job *job, Py_ssize_t n_rows, double *out) noexcept nogil
cdef void add_gradient(Job *job, Py_ssize_t n_rows, double *gradient) noexcept nogil
cdef void lay_out_tiles(Job *job, uint8_t[::1] scratch, Job *tiles, Py_ssize_t *n_tiles_out) noexcept nogil
