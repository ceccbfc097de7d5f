"""Typed parallel loops of the linear classifiers: scores, and fused loss and gradient.

Unchecked: callers pass C-contiguous arrays of matching widths, codes in range and room for the results. No formula stands
here: losses come from ``_losses.pxd``, dot products from ``_simd/`` through its table.

Rows travel as bytes, `uint8 [n_rows, n_features * item size]`, beside the number of their storage type. Results do not
depend on `n_threads`: each entry of a gradient belongs to one thread.
"""

from cython.parallel cimport prange

from libc.stdint cimport int64_t, uint8_t

from fastcls._losses cimport loss_function, sample_loss

cdef extern from "dispatch.h" nogil:
    ctypedef double (*pair_fn "fastcls_pair_fn")(const void *x, const void *y, Py_ssize_t n_features)
    ctypedef void (*widen_fn "fastcls_widen_fn")(const void *source, Py_ssize_t n, double *widened_out)
    enum:
        FASTCLS_F64
        FASTCLS_DOT
        FASTCLS_N_ISAS
    ctypedef struct Isa "fastcls_isa":
        pair_fn pairs[3][5]
    Isa fastcls_active
    void fastcls_use(int last)
    widen_fn fastcls_widen[5]


def use_isa(int number):
    """Take every kernel from the best of the first `number` + 1 instruction sets that has it, as `_kernels.use_isa`."""
    fastcls_use(number)


fastcls_use(FASTCLS_N_ISAS - 1)

# Rows are widened a tile at a time; nothing else of the data is copied. Two loops pass over a tile: rows to losses, and the
# gradient. Each is parallel over results, never over what is added up: a score is one dot product by one thread, in eight
# lanes; an entry of the gradient belongs to one thread, which adds the rows in their order. So the bytes do not depend on
# threads or tiles, and there are no partial gradients to keep (for 10,000 classes each would be as large as W).

cdef enum:
    TILE_VALUES = 1 << 20       # doubles in the rows and scores of a tile: 8 MB
    LEAST_ROWS = 32             # rows of a tile at least, however wide
    ROWS_PER_TASK = 8           # rows that use a group of classes' weights while these are in the cache
    CLASSES_PER_GROUP = 32
    GRADIENT_FEATURES = 128     # x GRADIENT_ROWS: 32 kB of rows stay in the first cache while the classes pass
    GRADIENT_ROWS = 32
    GRADIENT_CLASSES = 32
    SERIAL_WORK = 1000000       # multiply-adds, 0.3 ms: below, waking threads costs more than it saves


cdef struct Linear:
    # Rows, weights and results of one call, and the tile of scratch: `x` rows as float64, `scores` of them.
    const uint8_t *start
    Py_ssize_t row_bytes
    widen_fn widen
    const int64_t *index        # NULL: rows first, first + 1, ...
    Py_ssize_t first
    const int64_t *y
    sample_loss loss            # NULL: scores only
    const double *options
    double *losses
    const double *W
    const double *b
    Py_ssize_t n_features
    Py_ssize_t n_classes
    double *x
    double *scores
    int n_threads


cdef void rows_to_losses(Linear *at, Py_ssize_t start, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Widen, score and judge a few rows of the tile that begins at row `start` of the call."""
    cdef pair_fn dot = fastcls_active.pairs[<int> FASTCLS_DOT][<int> FASTCLS_F64]
    cdef Py_ssize_t C = at.n_classes, group = 0, n_group, i, c, row
    cdef double *scores
    for i in range(first, first + n):
        row = at.index[start + i] if at.index != NULL else at.first + start + i
        at.widen(at.start + row * at.row_bytes, at.n_features, at.x + i * at.n_features)
    while group < C:
        n_group = min(<Py_ssize_t> CLASSES_PER_GROUP, C - group)
        for i in range(first, first + n):
            scores = at.scores + i * C + group
            for c in range(n_group):
                scores[c] = dot(at.x + i * at.n_features, at.W + (group + c) * at.n_features,
                                at.n_features) + at.b[group + c]
        group += n_group
    if at.loss == NULL:
        return
    for i in range(first, first + n):
        row = at.index[start + i] if at.index != NULL else at.first + start + i
        at.losses[start + i] = at.loss(at.scores + i * C, C, at.y[row], at.options)


cdef void tile_to_losses(Linear *at, Py_ssize_t start, Py_ssize_t n_rows) noexcept nogil:
    cdef Py_ssize_t task, first
    for task in prange((n_rows + ROWS_PER_TASK - 1) // ROWS_PER_TASK, schedule="dynamic", num_threads=at.n_threads,
                       use_threads_if=n_rows * at.n_features * at.n_classes > SERIAL_WORK):
        first = task * ROWS_PER_TASK
        rows_to_losses(at, start, first, min(<Py_ssize_t> ROWS_PER_TASK, n_rows - first))


cdef inline void add_four(double *total, Py_ssize_t n, const double *g, Py_ssize_t g_step, const double *x,
                          Py_ssize_t x_step) noexcept nogil:
    """Four rows in one pass over the total, added in their order."""
    cdef double g0 = g[0], g1 = g[g_step], g2 = g[2 * g_step], g3 = g[3 * g_step]
    cdef const double *x1 = x + x_step
    cdef const double *x2 = x1 + x_step
    cdef const double *x3 = x2 + x_step
    cdef Py_ssize_t f
    for f in range(n):
        total[f] = (((total[f] + g0 * x[f]) + g1 * x1[f]) + g2 * x2[f]) + g3 * x3[f]


cdef inline void add_one(double *total, Py_ssize_t n, double g, const double *x) noexcept nogil:
    cdef Py_ssize_t f
    for f in range(n):
        total[f] += g * x[f]


cdef void gradient_block(Linear *at, Py_ssize_t n_rows, Py_ssize_t first_class, Py_ssize_t n_classes,
                         Py_ssize_t feature, double *gradient_out) noexcept nogil:
    """Add the tile's rows to a block of the gradient: some classes x some features."""
    cdef Py_ssize_t n = min(<Py_ssize_t> GRADIENT_FEATURES, at.n_features - feature), C = at.n_classes
    cdef Py_ssize_t row = 0, end, i, c
    cdef const double *g
    cdef double *total
    while row < n_rows:
        end = min(row + GRADIENT_ROWS, n_rows)
        for c in range(first_class, first_class + n_classes):
            total = gradient_out + c * at.n_features + feature
            g = at.scores + c
            i = row
            while i + 4 <= end:
                add_four(total, n, g + i * C, C, at.x + i * at.n_features + feature, at.n_features)
                i += 4
            while i < end:
                add_one(total, n, g[i * C], at.x + i * at.n_features + feature)
                i += 1
        row = end


cdef void add_gradient(Linear *at, Py_ssize_t n_rows, double *gradient_out) noexcept nogil:
    cdef Py_ssize_t n_feature_tasks = (at.n_features + GRADIENT_FEATURES - 1) // GRADIENT_FEATURES, task, c
    cdef Py_ssize_t n_class_tasks = (at.n_classes + GRADIENT_CLASSES - 1) // GRADIENT_CLASSES
    for task in prange(n_feature_tasks * n_class_tasks, schedule="dynamic", num_threads=at.n_threads,
                       use_threads_if=n_rows * at.n_features * at.n_classes > SERIAL_WORK):
        c = task // n_feature_tasks * GRADIENT_CLASSES
        gradient_block(at, n_rows, c, min(<Py_ssize_t> GRADIENT_CLASSES, at.n_classes - c),
                       task % n_feature_tasks * GRADIENT_FEATURES, gradient_out)


cdef Linear linear_of(const uint8_t[:, ::1] X, int storage, const double[:, ::1] W, const double[::1] b,
                      double[::1] scratch, Py_ssize_t rows_per_tile, int n_threads) noexcept nogil:
    cdef Linear at
    at.start = &X[0, 0]
    at.row_bytes = X.shape[1]
    at.widen = fastcls_widen[storage]
    at.index = NULL
    at.first = 0
    at.y = NULL
    at.loss = NULL
    at.options = NULL
    at.losses = NULL
    at.W = &W[0, 0]
    at.b = &b[0]
    at.n_classes = W.shape[0]
    at.n_features = W.shape[1]
    at.x = &scratch[0]
    at.scores = at.x + rows_per_tile * at.n_features
    at.n_threads = n_threads
    return at


def linear_tile(Py_ssize_t n_rows, Py_ssize_t n_features, Py_ssize_t n_classes):
    """Rows of a tile, and the doubles of scratch that it needs."""
    cdef Py_ssize_t rows = max(<Py_ssize_t> LEAST_ROWS, TILE_VALUES // (n_features + n_classes))
    rows = max(<Py_ssize_t> 1, min(rows, n_rows))
    return rows, rows * (n_features + n_classes)


def linear_scores(const uint8_t[:, ::1] X, int storage, const double[:, ::1] W, const double[::1] b,
                  double[:, ::1] scores_out, double[::1] scratch, Py_ssize_t rows_per_tile, int n_threads):
    """Scores W x + b of every row, into scores_out (n_rows, n_classes); parameters as in loss_gradient."""
    cdef Linear at = linear_of(X, storage, W, b, scratch, rows_per_tile, n_threads)
    cdef Py_ssize_t start = 0, n_rows
    with nogil:
        while start < X.shape[0]:
            n_rows = min(rows_per_tile, X.shape[0] - start)
            at.scores = &scores_out[start, 0]
            tile_to_losses(&at, start, n_rows)
            start += n_rows


def loss_gradient(const uint8_t[:, ::1] X, int storage, const int64_t[::1] index, Py_ssize_t first,
                  const int64_t[::1] y, const double[:, ::1] W, const double[::1] b, int loss,
                  const double[::1] options, double[::1] losses_out, double[:, ::1] gradient_out,
                  double[::1] b_gradient_out, double[::1] scratch, Py_ssize_t rows_per_tile, int n_threads):
    """Per-sample losses of some rows, and the sum of their gradients *added* to what the outputs hold.

    Because every entry adds rows in their order, calls on consecutive runs of rows give the bytes of one call on all.

    Parameters
    ----------
    X : rows as bytes, with the number of their storage type
    index : row numbers, or of length 0 for the rows first, first + 1, ...; the losses' length is the number of rows
    y : (n_rows of X,) class codes
    W, b : (n_classes, n_features), (n_classes,)
    loss, options : number and options as in the registry of losses
    losses_out : (n,)
    gradient_out, b_gradient_out : as W and b; gradient_out of no rows means losses only
    scratch, rows_per_tile : from linear_tile
    """
    cdef Linear at = linear_of(X, storage, W, b, scratch, rows_per_tile, n_threads)
    cdef Py_ssize_t n = losses_out.shape[0], C = W.shape[0], start = 0, n_rows, i, c
    at.index = &index[0] if index.shape[0] > 0 else NULL
    at.first = first
    at.y = &y[0]
    at.loss = loss_function(loss)
    at.options = &options[0] if options.shape[0] > 0 else NULL
    at.losses = &losses_out[0]
    with nogil:
        while start < n:
            n_rows = min(rows_per_tile, n - start)
            tile_to_losses(&at, start, n_rows)
            if gradient_out.shape[0] > 0:
                add_gradient(&at, n_rows, &gradient_out[0, 0])
                for i in range(n_rows):
                    for c in range(C):
                        b_gradient_out[c] += at.scores[i * C + c]
            start += n_rows
