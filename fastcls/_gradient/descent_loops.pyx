"""Minibatch descent, compiled: many steps a call, for one model or many that share the rows.

Unchecked, like `loops.pyx`, whose passes over a tile it uses. A step computes scores, losses and slopes of the minibatch.
Then, for one strip of features after another, it computes the gradient and updates the weights at once, so a gradient leaves
the cache only if a minibatch has more rows than a tile. Every weight belongs to one thread and every sum has a fixed order,
so the bytes do not depend on the number of threads.
"""

from cython.parallel cimport prange

from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset

from fastcls._gradient.loops cimport (
    DOT_CENTER, MAGNITUDES, N_PARTS, SQUARES, STRIP, Job, add_bias_slopes, add_gradient, aligned, descend_function,
    job_of, lay_out, strip_sums, tile_to_losses,
)
from fastcls._gradient.losses cimport loss_function
from fastcls._simd.isas cimport Step, descend_fn

cdef enum:
    GROUPS_PER_TASK = 4
    SERIAL_WORK = 200000        # multiply-adds below which one thread is used, as in loops.pyx


cdef struct Descent:
    Job job
    descend_fn descend
    Step *steps                 # of each model
    uint8_t *W
    uint8_t *velocity
    double *b                   # in the centred, scaled space; job.b is the bias for unscaled rows
    double *b_velocity
    double *b_raw
    double *b_slopes
    double *b_parts             # (n_columns, 2): squares and magnitudes of a penalized bias
    double *parts               # (n_columns, n_strips, N_PARTS) of the current W
    double *gradient            # only for minibatches of several tiles
    double *column_parts        # (n_columns, N_PARTS)
    const double *max_norms     # of each model; infinity: none
    bint fit_intercept
    bint penalize_intercept


cdef void descend_strip(Descent *at, Py_ssize_t n_rows, double per_row, Py_ssize_t strip, Py_ssize_t group) noexcept nogil:
    """Update one strip of a group of columns; without rows, only compute its sums."""
    cdef double sums[12 * 64]   # large enough for either arithmetic
    cdef Job *job = &at.job
    cdef Py_ssize_t K = job.n_columns, from_column = K * group // job.n_groups, to_column = K * (group + 1) // job.n_groups
    cdef Py_ssize_t n_strips = job.stride // STRIP, column, at_weight
    cdef bint has_sums = n_rows > 0 and at.gradient == NULL
    cdef Step step
    if has_sums:
        strip_sums(job, n_rows, strip, from_column, to_column, sums)
    for column in range(from_column, to_column):
        at_weight = column * job.stride + strip * STRIP
        step = at.steps[column // job.n_classes]
        step.center = step.center + strip * STRIP
        step.scale = step.scale + strip * STRIP
        step.inverse_squared_scale = step.inverse_squared_scale + strip * STRIP
        at.descend(at.W + at_weight * job.real_bytes, at.velocity + at_weight * job.real_bytes,
                   (<uint8_t *> sums) + (column - from_column) * STRIP * job.real_bytes if has_sums else NULL,
                   at.gradient + at_weight if at.gradient != NULL and n_rows > 0 else NULL, per_row,
                   per_row * at.b_slopes[column], &step, at.parts + (column * n_strips + strip) * N_PARTS)


cdef void descend_all(Descent *at, Py_ssize_t n_rows, double per_row) noexcept nogil:
    cdef Job *job = &at.job
    cdef Py_ssize_t n_strips = job.stride // STRIP, task, chunk, group
    cdef Py_ssize_t n_chunks = (job.n_groups + GROUPS_PER_TASK - 1) // GROUPS_PER_TASK
    # Strips of one column chunk are next to each other, and a thread keeps its own from step to step in its cache.
    for task in prange(n_strips * n_chunks, schedule="static", num_threads=job.n_threads,
                       use_threads_if=max(n_rows, 8) * job.n_features * job.n_columns > SERIAL_WORK):
        chunk = task % n_chunks
        for group in range(job.n_groups * chunk // n_chunks, job.n_groups * (chunk + 1) // n_chunks):
            descend_strip(at, n_rows, per_row, task // n_chunks, group)


cdef double soft(double value, double width) noexcept nogil:
    return value - width if value > width else value + width if value < -width else 0.0


cdef void descend_bias(Descent *at, double per_row) noexcept nogil:
    """One step of the biases, the rule of _simd/linear/descent.h with a center of 0 and a scale of 1."""
    cdef Py_ssize_t column
    cdef Step step
    cdef double down, moved
    for column in range(at.job.n_columns):
        step = at.steps[column // at.job.n_classes]
        down = per_row * at.b_slopes[column]
        if at.penalize_intercept:
            down += 2.0 * step.l2 * at.b[column]
        moved = at.b[column] - step.rate * down + (0.0 if step.nesterov else step.momentum * at.b_velocity[column])
        if at.penalize_intercept:
            moved = soft(moved, step.rate * step.l1)
        if step.nesterov:
            at.b[column] = moved + step.momentum * (moved - at.b_velocity[column])
            at.b_velocity[column] = moved
        else:
            at.b_velocity[column] = moved - at.b[column]
            at.b[column] = moved


cdef void add_parts_of(Descent *at, Py_ssize_t column) noexcept nogil:
    cdef Py_ssize_t n_strips = at.job.stride // STRIP, strip, part
    cdef double *total = at.column_parts + column * N_PARTS
    for part in range(N_PARTS):
        total[part] = 0.0
    for strip in range(n_strips):
        for part in range(N_PARTS):
            total[part] += at.parts[(column * n_strips + strip) * N_PARTS + part]
    at.b_raw[column] = at.b[column] - total[<int> DOT_CENTER]
    if at.penalize_intercept:
        total[<int> SQUARES] += at.b[column] * at.b[column]
        total[<int> MAGNITUDES] += fabs(at.b[column])


cdef void add_parts(Descent *at) noexcept nogil:
    """Sums over the strips, in order: center . W, squares, magnitudes; and the bias for unscaled rows."""
    cdef Py_ssize_t column
    for column in prange(at.job.n_columns, schedule="static", num_threads=at.job.n_threads,
                         use_threads_if=20 * at.job.n_columns * (at.job.stride // STRIP) > SERIAL_WORK):
        add_parts_of(at, column)


cdef void scale_column(Descent *at, Py_ssize_t column, double factor) noexcept nogil:
    cdef Py_ssize_t n = at.job.stride, f
    cdef float *singles = (<float *> at.W) + column * n
    cdef double *doubles = (<double *> at.W) + column * n
    cdef double *total = at.column_parts + column * N_PARTS
    if at.job.real_bytes == 4:
        for f in range(n):
            singles[f] = <float> (singles[f] * factor)
    else:
        for f in range(n):
            doubles[f] *= factor
    if at.penalize_intercept:
        at.b[column] *= factor
    total[<int> DOT_CENTER] *= factor
    total[<int> SQUARES] *= factor * factor
    total[<int> MAGNITUDES] *= factor
    at.b_raw[column] = at.b[column] - total[<int> DOT_CENTER]


cdef void project(Descent *at) noexcept nogil:
    """Scale down every column whose norm exceeds its model's max_norm."""
    cdef Py_ssize_t column
    cdef double norm, most
    for column in prange(at.job.n_columns, schedule="static", num_threads=at.job.n_threads):
        norm = sqrt(at.column_parts[column * N_PARTS + SQUARES])
        most = at.max_norms[column // at.job.n_classes]
        if norm > most:
            scale_column(at, column, most / norm)


cdef bint penalties_are_finite(Descent *at, double *penalty_out) noexcept nogil:
    """Current penalty of each model; returns whether all penalties, and so all weights, are finite."""
    cdef Py_ssize_t m, column
    cdef double squares, magnitudes
    cdef bint good = True
    for m in range(at.job.n_models):
        squares = 0.0
        magnitudes = 0.0
        for column in range(m * at.job.n_classes, (m + 1) * at.job.n_classes):
            squares += at.column_parts[column * N_PARTS + SQUARES]
            magnitudes += at.column_parts[column * N_PARTS + MAGNITUDES]
            good = good and isfinite(at.b[column])
        penalty_out[m] = at.steps[m].l2 * squares + at.steps[m].l1 * magnitudes
        good = good and isfinite(squares)
    return good


cdef void batch_losses(Descent *at, Py_ssize_t n, double *totals_out) noexcept nogil:
    """Losses and slopes of one minibatch, and the gradient if it has several tiles."""
    cdef Job *job = &at.job
    cdef Py_ssize_t start = 0, n_rows, i, m
    cdef double weight
    memset(at.b_slopes, 0, <size_t> job.n_columns * sizeof(double))
    if at.gradient != NULL:
        memset(at.gradient, 0, <size_t> (job.n_columns * job.stride) * sizeof(double))
    while start < n:
        n_rows = min(job.tile_rows, n - start)
        tile_to_losses(job, start, n_rows)
        add_bias_slopes(job, n_rows, at.b_slopes)
        if at.gradient != NULL:
            add_gradient(job, n_rows, at.gradient)
        for i in range(n_rows):
            weight = job.weights[job.index[start + i]] if job.weights != NULL else 1.0
            for m in range(job.n_models):
                totals_out[m] += weight * job.losses[i * job.n_models + m]
        start += n_rows


def descend(const uint8_t[:, ::1] X, int storage, const int64_t[::1] order, const int64_t[::1] bounds,
            const int64_t[::1] y, const double[::1] weights, uint8_t[:, ::1] W, uint8_t[:, ::1] velocity, int real,
            double[:, ::1] biases, const double[:, ::1] features, Py_ssize_t n_models, int loss,
            const double[::1] options, const double[:, ::1] rates, const double[:, ::1] penalties, double momentum,
            bint nesterov, bint fit_intercept, bint penalize_intercept, double[:, ::1] gradient, double[::1] parts,
            double[:, ::1] values_out, uint8_t[::1] scratch, int n_threads):
    """One step for every minibatch order[bounds[i]:bounds[i + 1]]; returns how many were done.

    Stops after a step that leaves a weight or a loss infinite or NaN. Without a minibatch it only computes sums of the
    weights.

    Parameters
    ----------
    X, storage, y, weights, loss, options, scratch : as in `loops.loss_gradient`; the weights have a mean of 1
    W, velocity : (n_columns, stride) of `real` as bytes, for unscaled rows; updated in place. With
        Nesterov, W is the look-ahead point and velocity the current weights
    biases : (4, n_columns): in the centred, scaled space; its velocity; for unscaled rows; and scratch
    features : (3, stride): center, scale, 1 / scale^2; the padding has 0, 1 and 0
    rates : (n_steps, n_models)
    penalties : (3, n_models): l2, l1 and the largest norm of a column
    gradient : (n_columns, stride) where a minibatch has more rows than a tile, else of no rows
    parts : n_columns * (n_strips + 1) * 3 of scratch; keeps the sums of the weights between calls
    values_out : (n_steps, n_models): loss of the minibatch with the penalty, before the step
    """
    cdef Py_ssize_t n_steps = bounds.shape[0] - 1, K = W.shape[0], stride = features.shape[1], size, step, m, n
    cdef Descent at
    cdef double per_row
    cdef bint good = True, has_norms = False
    cdef double[::1] model_penalties = values_out[0].copy() if n_steps > 0 else rates[0].copy()
    cdef uint8_t[::1] step_bytes = bytearray(n_models * sizeof(Step))
    at.job = job_of(X, storage, real, n_models, K, stride, n_threads)
    lay_out(&at.job, aligned(scratch), &size)
    at.job.y = &y[0]
    at.job.weights = &weights[0] if weights.shape[0] > 0 else NULL
    at.job.loss = loss_function(loss)
    at.job.loss_code = loss
    at.job.options = &options[0] if options.shape[0] > 0 else NULL
    at.job.W = &W[0, 0]
    at.W = &W[0, 0]
    at.velocity = &velocity[0, 0]
    at.descend = descend_function(real)
    at.b = &biases[0, 0]
    at.b_velocity = &biases[1, 0]
    at.b_raw = &biases[2, 0]
    at.b_slopes = &biases[3, 0]
    at.job.b = at.b_raw
    at.parts = &parts[0]
    at.column_parts = &parts[0] + K * (stride // STRIP) * N_PARTS
    at.gradient = &gradient[0, 0] if gradient.shape[0] > 0 else NULL
    at.max_norms = &penalties[2, 0]
    at.fit_intercept = fit_intercept
    at.penalize_intercept = penalize_intercept
    at.steps = <Step *> &step_bytes[0]
    for m in range(n_models):
        at.steps[m].momentum = momentum
        at.steps[m].nesterov = nesterov
        at.steps[m].l2 = penalties[0, m]
        at.steps[m].l1 = penalties[1, m]
        at.steps[m].center = &features[0, 0]
        at.steps[m].scale = &features[1, 0]
        at.steps[m].inverse_squared_scale = &features[2, 0]
        has_norms = has_norms or isfinite(penalties[2, m])
    with nogil:
        if n_steps == 0:
            descend_all(&at, 0, 0.0)
            add_parts(&at)
        for step in range(n_steps):
            n = bounds[step + 1] - bounds[step]
            at.job.index = &order[bounds[step]]
            per_row = 1.0 / n
            for m in range(n_models):
                at.steps[m].rate = rates[step, m]
                values_out[step, m] = 0.0
            penalties_are_finite(&at, &model_penalties[0])
            batch_losses(&at, n, &values_out[step, 0])
            descend_all(&at, n, per_row)
            if fit_intercept:
                descend_bias(&at, per_row)
            add_parts(&at)
            if has_norms:
                project(&at)
            for m in range(n_models):
                values_out[step, m] = values_out[step, m] * per_row + model_penalties[m]
                good = good and isfinite(values_out[step, m])
            good = penalties_are_finite(&at, &model_penalties[0]) and good
            if not good:
                break
    return n_steps if good else step + 1
