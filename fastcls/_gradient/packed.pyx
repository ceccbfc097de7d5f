"""Passes over a tile of rows for many classes: both products at the rate of the multiply-adds.

A tile is copied twice as `real`: by rows in panels of features, and by features in panels of rows. Then both products have
one form (`fastcls_product_fn`): a few rows of one operand, whose terms are adjacent, times a panel of the other. Scores are
weights times panels of rows. They come out class after class, so the softmax runs along the rows, in vectors.
The gradient is slopes times panels of features and comes out in the layout of the weights. So neither weights nor gradient
are copied, and every class uses what is copied.

Every sum is one sequence: features in blocks of BLOCK, rows of a tile in order. So a result depends neither on the
number of threads, nor on other rows and classes, nor on how columns are grouped.
"""

from cython.parallel cimport prange, threadid

from libc.math cimport NAN
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from fastcls._gradient.loops cimport STRIP, Job, row_number
from fastcls._gradient.losses cimport SOFTMAX
from fastcls._simd.isas cimport LinearKernels, exponentials_fn, linear_kernels

cdef extern from "linear/contract.h" nogil:
    enum:
        FASTCLS_INNER, FASTCLS_INNER_STRIDE, FASTCLS_MOST_PRODUCT_ROWS, FASTCLS_SOFTMAX_ROWS

cdef enum:
    MANY_CLASSES = 32           # from here on the copies of a tile cost less than the packed product saves
    ROWS_AT_ONCE = 8            # rows whose scores are gathered for a loss that has no loop along the rows
    SERIAL_WORK = 200000        # as in loops.pyx
    GROUPS_AT_ONCE = 16         # of columns: their scores stay in the second-level cache from block to block
    BLOCK = 256                 # features summed before they are added to a score: panels stay in the second-level cache

LEAST_CLASSES = MANY_CLASSES
SCORE_BLOCK = BLOCK


cdef bint is_packed(Py_ssize_t n_classes) noexcept nogil:
    """Whether a model with so many classes is packed: the number of models does not count, so each gets its own bytes."""
    return n_classes >= MANY_CLASSES


cdef Py_ssize_t rounded(Py_ssize_t n) noexcept nogil:
    return (n + 63) // 64 * 64


cdef Py_ssize_t lay_out_packed(Job *job, uint8_t *scratch) noexcept nogil:
    """Tile and scratch of a job; returns the size of the scratch."""
    cdef Py_ssize_t tile = FASTCLS_INNER * ((job.n_features + STRIP - 1) // STRIP * STRIP) * job.real_bytes, at = 0
    job.tile_rows = FASTCLS_INNER
    job.by_row = scratch + at
    at += tile
    job.by_feature = scratch + at
    at += tile
    job.G = scratch + at
    at += rounded(job.n_columns * FASTCLS_INNER_STRIDE * job.real_bytes)
    job.losses = <double *> (scratch + at)
    at += rounded(FASTCLS_INNER * job.n_models * sizeof(double))
    job.bias_slopes = <double *> (scratch + at)
    at += rounded(job.n_columns * sizeof(double))
    job.S = <double *> (scratch + at)
    at += rounded(job.n_threads * ROWS_AT_ONCE * (job.n_columns // job.n_models) * sizeof(double))
    return at + 64


cdef void use_packed(Job *job, int storage, int real) noexcept nogil:
    cdef const LinearKernels *kernels = linear_kernels()
    job.panel = kernels.panel[real]
    job.product = kernels.product[real]
    job.panels = kernels.panels[storage][real]
    job.turn = kernels.turn[real]
    job.softmax = kernels.softmax[real]
    # An even share of groups for every thread: 100 columns are ten groups of ten for two threads, not nine.
    job.n_groups = (job.n_columns + kernels.product_rows - 1) // kernels.product_rows
    if job.n_groups >= job.n_threads:
        job.n_groups = (job.n_groups + job.n_threads - 1) // job.n_threads * job.n_threads


cdef void pack_panel(Job *job, Py_ssize_t start, Py_ssize_t n_rows, Py_ssize_t p) noexcept nogil:
    """Copy rows p * panel, ... of the tile; rows of zeros after the last."""
    cdef Py_ssize_t stride = FASTCLS_INNER * job.panel, r, f
    cdef uint8_t *to
    for r in range(p * job.panel, (p + 1) * job.panel):
        to = job.by_row + r * job.panel * job.real_bytes
        if r < n_rows:
            job.panels(job.start + row_number(job, start + r) * job.row_bytes, job.n_features, to, stride)
        else:
            for f in range(job.stride // job.panel):
                memset(to + f * stride * job.real_bytes, 0, <size_t> (job.panel * job.real_bytes))
    job.turn(job.by_row + p * job.panel * job.panel * job.real_bytes, stride, job.stride,
             job.by_feature + p * job.panel * job.stride * job.real_bytes)


cdef void fill_bias(Job *job, Py_ssize_t column, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t r
    if job.real_bytes == 4:
        for r in range(column * FASTCLS_INNER_STRIDE + first, column * FASTCLS_INNER_STRIDE + end):
            (<float *> job.G)[r] = <float> job.b[column]
    else:
        for r in range(column * FASTCLS_INNER_STRIDE + first, column * FASTCLS_INNER_STRIDE + end):
            (<double *> job.G)[r] = job.b[column]


cdef void score_groups(Job *job, Py_ssize_t from_group, Py_ssize_t to_group, Py_ssize_t from_panel,
                       Py_ssize_t to_panel) noexcept nogil:
    """Scores of some groups of columns for some panels of rows, one block of features after another."""
    cdef double weights[FASTCLS_MOST_PRODUCT_ROWS * FASTCLS_INNER_STRIDE]   # large enough for either arithmetic
    cdef Py_ssize_t K = job.n_columns, size = job.real_bytes, block, f, n, group, end_group, column
    cdef Py_ssize_t from_column, to_column, p
    for column in range(K * from_group // job.n_groups, K * to_group // job.n_groups):
        fill_bias(job, column, from_panel * job.panel, to_panel * job.panel)
    while from_group < to_group:
        end_group = min(from_group + GROUPS_AT_ONCE, to_group)
        for block in range((job.stride + BLOCK - 1) // BLOCK):
            f = block * BLOCK
            n = min(<Py_ssize_t> BLOCK, job.stride - f)
            for group in range(from_group, end_group):
                from_column = K * group // job.n_groups
                to_column = K * (group + 1) // job.n_groups
                for column in range(from_column, to_column):
                    memcpy((<uint8_t *> weights) + (column - from_column) * FASTCLS_INNER_STRIDE * size,
                           job.W + (column * job.stride + f) * size, <size_t> (n * size))
                for p in range(from_panel, to_panel):
                    job.product(weights, <int> (to_column - from_column),
                                job.by_feature + (p * job.stride + f) * job.panel * size, n,
                                job.G + (from_column * FASTCLS_INNER_STRIDE + p * job.panel) * size, FASTCLS_INNER_STRIDE, 1)
        from_group = end_group


cdef void rows_to_softmax(Job *job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    cdef int64_t labels[FASTCLS_SOFTMAX_ROWS]
    cdef double weights[FASTCLS_SOFTMAX_ROWS]
    cdef double losses[FASTCLS_SOFTMAX_ROWS]
    cdef Py_ssize_t i, m
    for i in range(n):
        labels[i] = job.y[row_number(job, start + first + i)]
        weights[i] = job.weights[row_number(job, start + first + i)] if job.weights != NULL else 1.0
    for m in range(job.n_models):
        job.softmax(job.G + (m * job.n_classes * FASTCLS_INNER_STRIDE + first) * job.real_bytes, job.n_classes, n, labels,
                    weights, losses)
        for i in range(n):
            job.losses[(first + i) * job.n_models + m] = losses[i]


cdef void rows_to_slopes(Job *job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """Losses and slopes of n rows under model m, row after row, by a function of losses.pxd."""
    cdef Py_ssize_t C = job.n_classes, i, k, at, row
    cdef double *scores = job.S + threadid() * ROWS_AT_ONCE * C
    cdef double weight
    for k in range(C):
        at = (m * C + k) * FASTCLS_INNER_STRIDE + first
        for i in range(n):
            scores[i * C + k] = <double> (<float *> job.G)[at + i] if job.real_bytes == 4 else (<double *> job.G)[at + i]
    for i in range(n):
        row = row_number(job, start + first + i)
        if <uint64_t> job.y[row] >= <uint64_t> C:   # not a class: a NaN loss, at which every solver stops
            job.losses[(first + i) * job.n_models + m] = NAN
            continue
        job.losses[(first + i) * job.n_models + m] = job.loss(scores + i * C, C, job.y[row], job.options)
        if job.weights != NULL:
            weight = job.weights[row]
            for k in range(C):
                scores[i * C + k] *= weight
    for k in range(C):
        at = (m * C + k) * FASTCLS_INNER_STRIDE + first
        for i in range(n):
            if job.real_bytes == 4:
                (<float *> job.G)[at + i] = <float> scores[i * C + k]
            else:
                (<double *> job.G)[at + i] = scores[i * C + k]


cdef void block_to_losses(Job *job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, m
    if job.loss_code == SOFTMAX:
        rows_to_softmax(job, start, first, n)
        return
    for m in range(job.n_models):
        for i in range((n + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE):
            rows_to_slopes(job, start, first + i * ROWS_AT_ONCE, min(<Py_ssize_t> ROWS_AT_ONCE, n - i * ROWS_AT_ONCE), m)


cdef Py_ssize_t groups_per_task(Job *job) noexcept nogil:
    """Groups of columns of one task of the scores: tasks of one size, as many for every thread.

    Few long tasks: each reads its weights once, and the panels of a block of features stay in the second-level cache. If no
    size near a quarter of a thread's share divides the groups evenly, tasks differ by one group.
    """
    cdef Py_ssize_t most = max(<Py_ssize_t> 1, job.n_groups // (4 * job.n_threads)), n = most
    while 2 * n > most and job.n_groups % (n * job.n_threads):
        n -= 1
    return n if 2 * n > most else most


cdef void blocks_to_losses(Job *job, Py_ssize_t start, Py_ssize_t n_rows, Py_ssize_t from_block,
                           Py_ssize_t to_block) noexcept nogil:
    """All passes over the rows of some blocks of FASTCLS_SOFTMAX_ROWS: what they write stays in one thread's cache."""
    cdef Py_ssize_t panels = FASTCLS_SOFTMAX_ROWS // job.panel, p, block
    for p in range(from_block * panels, to_block * panels):
        pack_panel(job, start, n_rows, p)
    score_groups(job, 0, job.n_groups, from_block * panels, to_block * panels)
    if job.loss == NULL:
        return
    for block in range(from_block, to_block):
        block_to_losses(job, start, block * FASTCLS_SOFTMAX_ROWS,
                        min(<Py_ssize_t> FASTCLS_SOFTMAX_ROWS, n_rows - block * FASTCLS_SOFTMAX_ROWS))


cdef void packed_tile_to_losses(Job *job, Py_ssize_t start, Py_ssize_t n_rows) noexcept nogil:
    cdef Py_ssize_t blocks = (n_rows + FASTCLS_SOFTMAX_ROWS - 1) // FASTCLS_SOFTMAX_ROWS, task, chunk, part
    cdef Py_ssize_t n_panels = blocks * FASTCLS_SOFTMAX_ROWS // job.panel, n_chunks, n_parts
    cdef bint many = n_rows * job.n_features * job.n_columns > SERIAL_WORK
    if many and job.n_threads > 1 and blocks % job.n_threads == 0:
        for task in prange(job.n_threads, schedule="static", chunksize=1, num_threads=job.n_threads):
            blocks_to_losses(job, start, n_rows, blocks // job.n_threads * task, blocks // job.n_threads * (task + 1))
        return
    for task in prange(n_panels, schedule="dynamic", num_threads=job.n_threads, use_threads_if=many):
        pack_panel(job, start, n_rows, task)
    n_chunks = job.n_groups // groups_per_task(job)
    n_parts = 2 if n_panels > 1 and n_chunks < 4 * job.n_threads else 1
    for task in prange(n_chunks * n_parts, schedule="dynamic", num_threads=job.n_threads, use_threads_if=many):
        chunk = task // n_parts
        part = task % n_parts
        score_groups(job, job.n_groups * chunk // n_chunks, job.n_groups * (chunk + 1) // n_chunks,
                     n_panels * part // n_parts, n_panels * (part + 1) // n_parts)
    if job.loss == NULL:
        return
    for task in prange(blocks, schedule="dynamic", num_threads=job.n_threads, use_threads_if=many):
        block_to_losses(job, start, task * FASTCLS_SOFTMAX_ROWS,
                        min(<Py_ssize_t> FASTCLS_SOFTMAX_ROWS, n_rows - task * FASTCLS_SOFTMAX_ROWS))


cdef void packed_strip_sums(Job *job, Py_ssize_t n_rows, Py_ssize_t strip, Py_ssize_t from_column,
                            Py_ssize_t to_column, void *sums_out) noexcept nogil:
    """As strip_sums of loops.pyx."""
    cdef Py_ssize_t p, at, size = job.real_bytes
    for p in range(STRIP // job.panel):
        at = p * job.panel
        job.product(job.G + from_column * FASTCLS_INNER_STRIDE * size, <int> (to_column - from_column),
                    job.by_row + (strip * STRIP + at) * FASTCLS_INNER * size, n_rows, (<uint8_t *> sums_out) + at * size,
                    STRIP, 0)


cdef void add_column(Job *job, Py_ssize_t n_rows, Py_ssize_t k, double *out) noexcept nogil:
    """Add the slopes of one column: four running sums, so that an addition need not wait for the one before."""
    cdef Py_ssize_t at = k * FASTCLS_INNER_STRIDE, r, i
    cdef double sums[4]
    for i in range(4):
        sums[i] = 0.0
    if job.real_bytes == 4:
        for r in range(n_rows // 4):
            for i in range(4):
                sums[i] += (<float *> job.G)[at + 4 * r + i]
        for r in range(n_rows // 4 * 4, n_rows):
            sums[0] += (<float *> job.G)[at + r]
    else:
        for r in range(n_rows // 4):
            for i in range(4):
                sums[i] += (<double *> job.G)[at + 4 * r + i]
        for r in range(n_rows // 4 * 4, n_rows):
            sums[0] += (<double *> job.G)[at + r]
    out[k] += (sums[0] + sums[1]) + (sums[2] + sums[3])


cdef void packed_bias_slopes(Job *job, Py_ssize_t n_rows, double *out) noexcept nogil:
    """As add_bias_slopes of loops.pyx."""
    cdef Py_ssize_t k
    for k in prange(job.n_columns, schedule="static", num_threads=job.n_threads,
                    use_threads_if=n_rows * job.n_columns > SERIAL_WORK):
        add_column(job, n_rows, k, out)


cdef void scores_of_rows(Job *job, Py_ssize_t first, Py_ssize_t n, double *scores_out) noexcept nogil:
    cdef Py_ssize_t k, i
    for k in range(job.n_columns):
        for i in range(first, first + n):
            scores_out[i * job.n_columns + k] = (<double *> job.G)[k * FASTCLS_INNER_STRIDE + i]


cdef void packed_scores(Job *job, Py_ssize_t n_rows, double *scores_out) noexcept nogil:
    """Scores of a tile in float64, row after row."""
    cdef Py_ssize_t task
    for task in prange((n_rows + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE, schedule="static", num_threads=job.n_threads,
                       use_threads_if=n_rows * job.n_columns > SERIAL_WORK):
        scores_of_rows(job, task * ROWS_AT_ONCE, min(<Py_ssize_t> ROWS_AT_ONCE, n_rows - task * ROWS_AT_ONCE), scores_out)


cdef void softmax_of(double *scores, Py_ssize_t n, exponentials_fn exponentials) noexcept nogil:
    cdef double top = scores[0], total
    cdef Py_ssize_t k
    for k in range(1, n):
        if scores[k] > top:
            top = scores[k]
    total = exponentials(scores, n, top)
    for k in range(n):
        scores[k] /= total


def softmax_rows(double[:, ::1] scores, int n_threads):
    """Replace finite scores by probabilities, row by row: no second array of their size."""
    cdef exponentials_fn exponentials = linear_kernels().exponentials
    cdef Py_ssize_t i, n = scores.shape[1]
    for i in prange(scores.shape[0], nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=scores.shape[0] * n > SERIAL_WORK):
        softmax_of(&scores[i, 0], n, exponentials)


cdef void slope_and_curvature(const float *scores, const float *along, Py_ssize_t n, int64_t label, double t, double *values,
                              exponentials_fn exponentials, double *out) noexcept nogil:
    """Derivatives, at t, of the softmax loss of the scores + t along; `values` is scratch of n numbers.

    They are the mean of `along` under the probabilities, less its entry of the label, and its variance.
    """
    cdef double top, total, mean, from_mean
    cdef double sums[4]
    cdef Py_ssize_t k, i
    if <uint64_t> label >= <uint64_t> n:
        out[0] = out[1] = NAN
        return
    for k in range(n):
        values[k] = <double> scores[k] + t * <double> along[k]
    top = values[0]
    for k in range(1, n):
        if values[k] > top:
            top = values[k]
    total = exponentials(values, n, top)
    for i in range(4):
        sums[i] = 0.0
    for k in range(n // 4):
        for i in range(4):
            sums[i] += values[4 * k + i] * <double> along[4 * k + i]
    for k in range(n // 4 * 4, n):
        sums[0] += values[k] * <double> along[k]
    mean = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / total
    for i in range(4):
        sums[i] = 0.0
    for k in range(n // 4):
        for i in range(4):
            from_mean = <double> along[4 * k + i] - mean
            sums[i] += values[4 * k + i] * from_mean * from_mean
    for k in range(n // 4 * 4, n):
        from_mean = <double> along[k] - mean
        sums[0] += values[k] * from_mean * from_mean
    out[0] = mean - <double> along[label]
    out[1] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / total


def softmax_along(const float[:, ::1] scores, const float[:, ::1] along, const int64_t[::1] y, double t,
                  double[:, ::1] scratch, double[:, ::1] out, int n_threads):
    """First and second derivative, at t, of the softmax loss of each row's scores + t along, into out (n, 2).

    scores and along are (n, n_classes), y (n,) class codes, scratch (n_threads, n_classes).
    """
    cdef exponentials_fn exponentials = linear_kernels().exponentials
    cdef Py_ssize_t i, n = scores.shape[1]
    if (n == 0 or along.shape[0] != scores.shape[0] or along.shape[1] != n or y.shape[0] != scores.shape[0]
            or out.shape[0] != scores.shape[0] or out.shape[1] != 2
            or scratch.shape[0] < n_threads or scratch.shape[1] != n):
        raise ValueError("arrays of other shapes")
    for i in prange(scores.shape[0], nogil=True, schedule="static", num_threads=n_threads,
                    use_threads_if=scores.shape[0] * n > SERIAL_WORK):
        slope_and_curvature(&scores[i, 0], &along[i, 0], n, y[i], t, &scratch[threadid(), 0], exponentials, &out[i, 0])
