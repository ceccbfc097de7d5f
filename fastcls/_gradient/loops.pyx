"""Typed parallel loops of the linear classifiers: scores, fused loss and gradient, and descent.

Unchecked: callers pass C-contiguous arrays of matching widths, codes in range and arrays for the results. Formulas are
elsewhere: losses come from ``losses.pxd``, sums over features and rows from ``_simd/`` through its table.

Rows are passed as bytes, `uint8 [n_rows, n_features * item size]`, with the number of their storage type. They are widened
in registers and never copied. A *column* is one class of one model, so many models over the same rows are more columns.
Weights are float32 or float64 (`real`), one row per column, padded with zeros to `stride` features.

A tile of rows is read twice while it is in the cache: first from rows to losses and slopes, then from slopes and rows to the
gradient. Each pass is parallel over results, never over the terms of a sum: a score is one dot product by one thread, and an
entry of the gradient belongs to one thread. That thread adds the rows of a tile in order, and the tiles, of a fixed size, in
order and in float64. So the bytes do not depend on the number of threads, and there are no partial gradients to keep (for
10,000 classes each would be as large as W).
"""

from cython.parallel cimport prange

from libc.math cimport NAN
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from fastcls._gradient.losses cimport loss_function
from fastcls._gradient.packed cimport (
    is_packed, lay_out_packed, packed_bias_slopes, packed_strip_sums, packed_tile_to_losses, use_packed,
)
from fastcls._simd.isas cimport LinearKernels, linear_kernels, squares_fn

cdef extern from "linear/contract.h" nogil:
    enum:
        FASTCLS_SINGLES, FASTCLS_DOUBLES, FASTCLS_MOST_ROWS, FASTCLS_ROWS_AHEAD, FASTCLS_MOST_PRODUCT_ROWS

cdef extern from "search/scalar.h" nogil:
    const Py_ssize_t fastcls_type_bytes[6]

cdef enum:
    TILE_ROWS = 256             # upper bound; with 10 classes the slopes take 20 kB
    LEAST_TILE_ROWS = 16
    TILE_BYTES = 4 << 20        # for the rows of a tile, and again for their scores and slopes
    ROWS_PER_TASK = 32          # rows that use the weights of a group of columns while these are in the cache
    GROUP_WEIGHTS = 24 << 10    # bytes of a group's weights that stay in the first-level cache
    FEW_WEIGHTS = 1 << 18       # bytes of all weights that stay in the second level while rows come from memory
    MANY_WEIGHTS = 1 << 20      # bytes of weights that do not stay in the second level from task to task
    FEATURE_BLOCK = 4096        # features of a score that are summed in `real` before they are added in float64
    GROUPS_PER_TASK = 32        # of columns, in the gradient
    MOST_SUMS_BYTES = 256 << 10     # of a tile's part of the gradient, that its thread keeps in the second-level cache
    MOST_TILE_BYTES = 8 << 20   # of scratch for a tile of one thread: 2,000 classes and 768 features
    SERIAL_WORK = 200000        # multiply-adds (5 us), below which waking threads costs more than it saves

REALS = {"float32": FASTCLS_SINGLES, "float64": FASTCLS_DOUBLES}
STRIP_FEATURES = STRIP


cdef Py_ssize_t rounded(Py_ssize_t n) noexcept nogil:
    """Bytes, rounded up to whole cache lines."""
    return (n + 63) // 64 * 64


cdef void lay_out(Job *job, uint8_t *scratch, Py_ssize_t *size_out) noexcept nogil:
    """Tile size and scratch of a job; without scratch, only the size of the scratch."""
    cdef Py_ssize_t rows, at = 0, n_sums = (job.n_features + STRIP - 1) // STRIP * STRIP * job.n_columns * job.real_bytes
    job.sums = NULL
    if job.is_packed:
        size_out[0] = lay_out_packed(job, scratch)
        return
    rows = TILE_BYTES // max(job.row_bytes, 12 * job.n_columns)
    rows = max(<Py_ssize_t> LEAST_TILE_ROWS, min(<Py_ssize_t> TILE_ROWS, rows)) // 4 * 4
    job.tile_rows = rows
    job.rows = <const void **> (scratch + at)
    at += rounded((rows + FASTCLS_MOST_ROWS) * sizeof(void *))
    job.rest = <const void **> (scratch + at)
    at += rounded(rows * sizeof(void *))
    job.rest_values = scratch + at
    at += rounded(rows * STRIP * job.item_bytes)
    job.S = <double *> (scratch + at)
    at += rounded((rows + FASTCLS_MOST_ROWS) * job.n_columns * sizeof(double))
    job.G = scratch + at
    at += rounded(rows * job.n_columns * job.real_bytes + 64)
    job.losses = <double *> (scratch + at)
    at += rounded(rows * job.n_models * sizeof(double))
    job.bias_slopes = <double *> (scratch + at)
    at += rounded(job.n_columns * sizeof(double))
    if n_sums <= MOST_SUMS_BYTES:
        job.sums = scratch + at
        at += rounded(n_sums)
    size_out[0] = at + 64


cdef descend_fn descend_function(int real) noexcept nogil:
    return linear_kernels().descend[real]


cdef Job shapes(Py_ssize_t n_features, int storage, int real, Py_ssize_t n_models, Py_ssize_t n_columns,
                int n_threads) noexcept nogil:
    """What the layout of a tile depends on."""
    cdef Job job
    job.n_threads = n_threads
    job.item_bytes = fastcls_type_bytes[storage]
    job.row_bytes = n_features * job.item_bytes
    job.n_features = n_features
    job.n_columns = n_columns
    job.n_models = n_models
    job.is_packed = is_packed(n_columns // n_models)
    job.real_bytes = 4 if real == FASTCLS_SINGLES else 8
    return job


cdef Job job_of(const uint8_t[:, ::1] X, int storage, int real, Py_ssize_t n_models, Py_ssize_t n_columns,
                Py_ssize_t stride, int n_threads) noexcept nogil:
    cdef Job job = shapes(X.shape[1] // fastcls_type_bytes[storage], storage, real, n_models, n_columns, n_threads)
    cdef const LinearKernels *kernels = linear_kernels()
    job.start = &X[0, 0]
    job.index = NULL
    job.first = 0
    job.y = NULL
    job.weights = NULL
    job.loss = NULL
    job.loss_code = 0
    job.options = NULL
    job.n_classes = n_columns // n_models
    job.stride = stride
    job.W = NULL
    job.b = NULL
    job.n_groups = (n_columns + kernels.columns - 1) // kernels.columns
    job.score_rows = kernels.score_rows
    job.scores = kernels.scores[storage][real]
    job.gradient = kernels.gradient[storage][real]
    job.add = kernels.add[real]
    if job.is_packed:
        use_packed(&job, storage, real)
    return job


cdef uint8_t *aligned(uint8_t[::1] scratch) noexcept nogil:
    return &scratch[0] + (64 - <size_t> &scratch[0] % 64) % 64


cdef void find_rows(Job *job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Pointers to rows first..end of the tile that begins at row `start` of the call."""
    cdef Py_ssize_t whole = job.n_features // STRIP * STRIP, i
    cdef size_t left = <size_t> ((job.n_features - whole) * job.item_bytes)
    cdef size_t strip_bytes = <size_t> (STRIP * job.item_bytes)
    cdef uint8_t *rest
    for i in range(first, end):
        job.rows[i] = job.start + row_number(job, start + i) * job.row_bytes
        if left:
            rest = job.rest_values + i * strip_bytes
            memcpy(rest, <const uint8_t *> job.rows[i] + whole * job.item_bytes, left)
            memset(rest + left, 0, strip_bytes - left)
            job.rest[i] = rest


cdef void ask_ahead(Job *job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t end, Py_ssize_t n_rows, Py_ssize_t i,
                    const void **ahead) noexcept nogil:
    """Pointers to rows i, i + 1, ... of the tile; beyond the task, first..end, to rows this thread will likely do next."""
    cdef Py_ssize_t a, row
    for a in range(FASTCLS_ROWS_AHEAD):
        row = i + a if i + a < end else i + a + (job.n_threads - 1) * (end - first)
        ahead[a] = job.start + row_number(job, start + (row if row < n_rows else first)) * job.row_bytes


cdef void score_rows(Job *job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t end, Py_ssize_t n_rows) noexcept nogil:
    """Scores of rows first..end of the tile. The last group of rows is padded with copies of its last row.

    A group of columns is read once for all rows of the task if it stays in the first-level cache, or if all groups together
    do not stay in the second level. Otherwise every few rows go through all groups; the next rows are prefetched meanwhile.
    """
    cdef const void *rows[FASTCLS_MOST_ROWS]
    cdef const void *ahead[FASTCLS_ROWS_AHEAD]
    cdef Py_ssize_t K = job.n_columns, f = 0, n_features, i, group, from_column, to_column, r, at, block, stop, next_row
    cdef bint row_after_row
    row_after_row = (K // job.n_groups * min(<Py_ssize_t> FEATURE_BLOCK, job.stride) * job.real_bytes > GROUP_WEIGHTS
                     and K * job.stride * job.real_bytes <= FEW_WEIGHTS)
    block = job.score_rows if row_after_row else end - first
    for i in range(first, end):
        memcpy(job.S + i * K, job.b, <size_t> K * sizeof(double))
    while f < job.n_features:
        n_features = min(<Py_ssize_t> FEATURE_BLOCK, job.n_features - f)
        at = first
        while at < end:
            stop = min(at + block, end)
            for group in range(job.n_groups):
                from_column = K * group // job.n_groups
                to_column = K * (group + 1) // job.n_groups
                i = at
                while i < stop:
                    for r in range(job.score_rows):
                        rows[r] = <const uint8_t *> job.rows[min(i + r, stop - 1)] + f * job.item_bytes
                    next_row = FASTCLS_ROWS_AHEAD * group
                    if next_row < job.score_rows:
                        next_row += job.score_rows
                    else:
                        next_row = 0
                    ask_ahead(job, start, first, end, n_rows, i + next_row, ahead)
                    for r in range(FASTCLS_ROWS_AHEAD):
                        ahead[r] = <const uint8_t *> ahead[r] + f * job.item_bytes
                    job.scores(rows, ahead, n_features, job.W + (from_column * job.stride + f) * job.real_bytes, job.stride,
                               <int> (to_column - from_column), job.S + i * K + from_column, K)
                    i += job.score_rows
            at = stop
        f += n_features


cdef void rows_to_losses(Job *job, Py_ssize_t start, Py_ssize_t first, Py_ssize_t end, Py_ssize_t n_rows) noexcept nogil:
    cdef Py_ssize_t K = job.n_columns, i, m, k, row
    cdef double *slopes
    cdef double weight
    find_rows(job, start, first, end)
    score_rows(job, start, first, end, n_rows)
    if job.loss == NULL:
        return
    for i in range(first, end):
        row = row_number(job, start + i)
        slopes = job.S + i * K
        # Not a class: a NaN loss, at which every solver stops. A loss of code -1 has no labels.
        if job.loss_code >= 0 and <uint64_t> job.y[row] >= <uint64_t> job.n_classes:
            for m in range(job.n_models):
                job.losses[i * job.n_models + m] = NAN
            continue
        for m in range(job.n_models):
            job.losses[i * job.n_models + m] = job.loss(slopes + m * job.n_classes, job.n_classes, job.y[row], job.options)
        if job.weights != NULL:
            weight = job.weights[row]
            for k in range(K):
                slopes[k] *= weight
        if job.real_bytes == 4:
            for k in range(K):
                (<float *> job.G)[i * K + k] = <float> slopes[k]
        else:
            memcpy(<double *> job.G + i * K, slopes, <size_t> K * sizeof(double))


cdef void tile_to_losses(Job *job, Py_ssize_t start, Py_ssize_t n_rows) noexcept nogil:
    cdef Py_ssize_t rows = max(<Py_ssize_t> 4, min(<Py_ssize_t> ROWS_PER_TASK, job.tile_rows // 32 * 4)), task
    if job.is_packed:
        packed_tile_to_losses(job, start, n_rows)
        return
    if job.n_columns * job.stride * job.real_bytes > MANY_WEIGHTS:
        # Each task reads all weights, so use only as many tasks as threads. The scores of a row do not depend on its task.
        rows = max(rows, min(4 * <Py_ssize_t> ROWS_PER_TASK, (n_rows // job.n_threads + 3) // 4 * 4))
    for task in prange((n_rows + rows - 1) // rows, schedule="dynamic", num_threads=job.n_threads,
                       use_threads_if=n_rows * job.n_features * job.n_columns > SERIAL_WORK):
        rows_to_losses(job, start, task * rows, min(task * rows + rows, n_rows), n_rows)


cdef void strip_sums(Job *job, Py_ssize_t n_rows, Py_ssize_t strip, Py_ssize_t from_column, Py_ssize_t to_column,
                     void *sums_out) noexcept nogil:
    """Sums over the rows of a tile of slope times row, for some columns and one strip: (columns, STRIP) of `real`."""
    cdef bint is_whole = (strip + 1) * STRIP <= job.n_features
    if job.is_packed:
        packed_strip_sums(job, n_rows, strip, from_column, to_column, sums_out)
        return
    job.gradient(job.rows if is_whole else job.rest, n_rows, strip * STRIP if is_whole else 0,
                 job.G + from_column * job.real_bytes, job.n_columns, <int> (to_column - from_column), sums_out)


cdef void add_bias_slopes(Job *job, Py_ssize_t n_rows, double *out) noexcept nogil:
    cdef Py_ssize_t i, k
    if job.is_packed:
        packed_bias_slopes(job, n_rows, out)
        return
    for i in range(n_rows):
        for k in range(job.n_columns):
            out[k] += job.S[i * job.n_columns + k]


cdef void add_strip(Job *job, Py_ssize_t n_rows, Py_ssize_t strip, Py_ssize_t group, double *gradient) noexcept nogil:
    """Add the tile's rows to one strip of a group of columns of the gradient, (n_columns, stride)."""
    cdef double sums[FASTCLS_MOST_PRODUCT_ROWS * STRIP]
    cdef Py_ssize_t from_column = job.n_columns * group // job.n_groups, k
    cdef Py_ssize_t to_column = job.n_columns * (group + 1) // job.n_groups
    cdef double *total
    strip_sums(job, n_rows, strip, from_column, to_column, sums)
    for k in range(to_column - from_column):
        total = gradient + (from_column + k) * job.stride + strip * STRIP
        job.add(total, (<uint8_t *> sums) + k * STRIP * job.real_bytes)


cdef void add_strips(Job *tiles, Py_ssize_t n_tiles, Py_ssize_t n_rows, Py_ssize_t strip, Py_ssize_t from_group,
                     Py_ssize_t to_group, double *gradient) noexcept nogil:
    """Add the rows of some tiles, in order, to one strip of some groups; n_rows are those of the last tile."""
    cdef Py_ssize_t t, group
    for t in range(n_tiles):
        for group in range(from_group, to_group):
            add_strip(&tiles[t], n_rows if t == n_tiles - 1 else tiles[t].tile_rows, strip, group, gradient)


cdef void add_gradients(Job *tiles, Py_ssize_t n_tiles, Py_ssize_t n_rows, int n_threads, double *gradient) noexcept nogil:
    cdef Py_ssize_t n_strips = tiles[0].stride // STRIP, n_groups = tiles[0].n_groups, n_chunks, task, chunk
    n_chunks = (n_groups + GROUPS_PER_TASK - 1) // GROUPS_PER_TASK
    for task in prange(n_strips * n_chunks, schedule="dynamic", num_threads=n_threads,
                       use_threads_if=n_tiles * n_rows * tiles[0].n_features * tiles[0].n_columns > SERIAL_WORK):
        chunk = task // n_strips
        add_strips(tiles, n_tiles, n_rows, task % n_strips, n_groups * chunk // n_chunks, n_groups * (chunk + 1) // n_chunks,
                   gradient)


cdef void add_gradient(Job *job, Py_ssize_t n_rows, double *gradient) noexcept nogil:
    add_gradients(job, 1, n_rows, job.n_threads, gradient)


cdef void sum_tile(Job *job, Py_ssize_t n_rows) noexcept nogil:
    """The tile's part of the gradient into its own sums, if it has these, and its slopes of the biases."""
    cdef Py_ssize_t strip, group, from_column, K = job.n_columns
    memset(job.bias_slopes, 0, <size_t> K * sizeof(double))
    add_bias_slopes(job, n_rows, job.bias_slopes)
    if job.sums == NULL:
        return
    for strip in range(job.stride // STRIP):
        for group in range(job.n_groups):
            from_column = K * group // job.n_groups
            strip_sums(job, n_rows, strip, from_column, K * (group + 1) // job.n_groups,
                       job.sums + (strip * K + from_column) * STRIP * job.real_bytes)


cdef void add_strip_of_sums(Job *tiles, Py_ssize_t n_tiles, Py_ssize_t strip, double *gradient) noexcept nogil:
    cdef Py_ssize_t t, k, K = tiles[0].n_columns
    for t in range(n_tiles):
        for k in range(K):
            tiles[t].add(gradient + k * tiles[t].stride + strip * STRIP,
                         tiles[t].sums + (strip * K + k) * STRIP * tiles[t].real_bytes)


cdef void add_sums(Job *tiles, Py_ssize_t n_tiles, int n_threads, double *gradient) noexcept nogil:
    """Add the sums of some tiles, in order: the same additions as those of `add_gradients`."""
    cdef Py_ssize_t strip
    for strip in prange(tiles[0].stride // STRIP, schedule="static", num_threads=n_threads,
                        use_threads_if=n_tiles * tiles[0].n_columns * tiles[0].stride > SERIAL_WORK):
        add_strip_of_sums(tiles, n_tiles, strip, gradient)


cdef Py_ssize_t tiles_at_once(Job *job, Py_ssize_t tile_bytes) noexcept nogil:
    """Tiles of a round: one for each thread, or 1 if all threads work on each tile.

    A tile's copies are written and read by many threads if these share it. Where two cores have no cache in common, a line
    takes 160 ns from one to the other instead of 28, and two threads then took as long as one (bench/LINEAR.md). In a round,
    scores and slopes of a tile stay with its thread. With few columns the tile's part of the gradient does, too: no thread
    reads another's rows. With many classes each strip of the gradient is read once for all tiles of the round.
    """
    if job.n_threads > MOST_TILES or tile_bytes > MOST_TILE_BYTES or not (job.is_packed or job.sums != NULL):
        return 1
    return job.n_threads


cdef void lay_out_tiles(Job *job, uint8_t[::1] scratch, Job *tiles, Py_ssize_t *n_tiles_out) noexcept nogil:
    """One job for each tile of a round, for one thread, with its own part of the scratch.

    The scratch may have been made for more threads, which share one tile: if it is too small for a round, so do these.
    """
    cdef Py_ssize_t t, size, of_tile
    cdef uint8_t *at = aligned(scratch)
    lay_out(job, at, &size)
    n_tiles_out[0] = tiles_at_once(job, size)
    if n_tiles_out[0] * rounded(size) > scratch.shape[0]:
        n_tiles_out[0] = 1
    for t in range(n_tiles_out[0]):
        tiles[t] = job[0]
        tiles[t].n_threads = 1
        lay_out(&tiles[t], at + t * rounded(size), &of_tile)


cdef void do_tile(Job *tile, Py_ssize_t start, Py_ssize_t n_rows, bint want_gradient) noexcept nogil:
    tile_to_losses(tile, start, n_rows)
    if want_gradient:
        sum_tile(tile, n_rows)


cdef Py_ssize_t tiles_to_losses(Job *job, Job *tiles, Py_ssize_t n_tiles, Py_ssize_t start, Py_ssize_t n,
                                double *gradient) noexcept nogil:
    """Scores, losses and slopes of the next tiles of n rows, of a whole round or of one tile, and their gradient (or NULL).

    Returns how many. If all tiles of the round have rows, each is the work of one thread.
    """
    cdef Py_ssize_t t, n_rows
    if n_tiles == 1 or n - start <= (n_tiles - 1) * job.tile_rows:
        n_rows = min(job.tile_rows, n - start)
        tile_to_losses(job, start, n_rows)
        if gradient != NULL:
            memset(job.bias_slopes, 0, <size_t> job.n_columns * sizeof(double))
            add_bias_slopes(job, n_rows, job.bias_slopes)
            add_gradient(job, n_rows, gradient)
        return 1
    for t in prange(n_tiles, schedule="static", chunksize=1, num_threads=job.n_threads):
        do_tile(&tiles[t], start + t * job.tile_rows, min(job.tile_rows, n - start - t * job.tile_rows), gradient != NULL)
    if gradient != NULL and job.sums != NULL:
        add_sums(tiles, n_tiles, job.n_threads, gradient)
    elif gradient != NULL:
        add_gradients(tiles, n_tiles, min(job.tile_rows, n - start - (n_tiles - 1) * job.tile_rows), job.n_threads, gradient)
    return n_tiles


cdef void add_losses(Job *tile, Py_ssize_t start, Py_ssize_t n_rows, double *losses_out, double *totals_out,
                     double *b_gradient_out) noexcept nogil:
    """What else a tile adds: its losses are copied (or NULL), their weighted sums and bias slopes (or NULL) added."""
    cdef Job job = tile[0]
    cdef Py_ssize_t i, m, k
    cdef double weight
    if losses_out != NULL:
        memcpy(losses_out, job.losses, <size_t> (n_rows * job.n_models) * sizeof(double))
    for i in range(n_rows):
        weight = job.weights[row_number(&job, start + i)] if job.weights != NULL else 1.0
        for m in range(job.n_models):
            totals_out[m] += weight * job.losses[i * job.n_models + m]
    if b_gradient_out != NULL:
        for k in range(job.n_columns):
            b_gradient_out[k] += job.bias_slopes[k]


def scratch_size(Py_ssize_t n_features, int storage, int real, Py_ssize_t n_models, Py_ssize_t n_columns, int n_threads):
    """Bytes of scratch that a call needs for any number of rows.

    A few MB; at most 8 MB for each thread. Threads share one tile if it is larger: with 10,000 classes 25 MB, and 0.6 MB a
    thread.
    """
    cdef Job job = shapes(n_features, storage, real, n_models, n_columns, n_threads)
    cdef Py_ssize_t size
    lay_out(&job, NULL, &size)
    return size if tiles_at_once(&job, size) == 1 else rounded(size) * tiles_at_once(&job, size)


def loss_gradient(const uint8_t[:, ::1] X, int storage, const int64_t[::1] index, Py_ssize_t first, Py_ssize_t n,
                  const int64_t[::1] y, const double[::1] weights, const uint8_t[:, ::1] W, int real,
                  const double[::1] b, Py_ssize_t n_models, int loss, const double[::1] options,
                  double[:, ::1] losses_out, double[::1] totals_out, double[:, ::1] gradient_out,
                  double[::1] b_gradient_out, uint8_t[::1] scratch, int n_threads):
    """Losses of some rows under one or many models, and the sum of their gradients, *added* to the outputs.

    Tiles of a fixed size are added in order, so several calls on runs of whole tiles give the same bytes as one call.

    Parameters
    ----------
    X : rows as bytes, with the number of their storage type
    index : row numbers, or of length 0 for the n rows first, first + 1, ...
    y : (n_rows of X,) class codes
    weights : (n_rows of X,), or of length 0 for 1 each
    W, b : (n_models * n_classes, stride) of `real` as bytes, (n_models * n_classes,)
    loss, options : number and options as in the registry of losses
    losses_out : (n, n_models), unweighted; or no rows
    totals_out : (n_models,) weighted sums of the losses, added
    gradient_out, b_gradient_out : (n_models * n_classes, stride) and (n_models * n_classes,); no rows means losses only
    scratch : scratch_size bytes
    """
    cdef Py_ssize_t real_bytes = 4 if real == FASTCLS_SINGLES else 8, start = 0, n_rows, n_tiles, n_done, t
    cdef Job job = job_of(X, storage, real, n_models, W.shape[0], W.shape[1] // real_bytes, n_threads)
    cdef Job tiles[MOST_TILES]
    cdef double *gradient = &gradient_out[0, 0] if gradient_out.shape[0] > 0 else NULL
    job.W = &W[0, 0]
    job.b = &b[0]
    job.index = &index[0] if index.shape[0] > 0 else NULL
    job.first = first
    job.y = &y[0]
    job.weights = &weights[0] if weights.shape[0] > 0 else NULL
    job.loss = loss_function(loss)
    job.loss_code = loss
    job.options = &options[0] if options.shape[0] > 0 else NULL
    lay_out_tiles(&job, scratch, tiles, &n_tiles)
    with nogil:
        while start < n:
            n_done = tiles_to_losses(&job, tiles, n_tiles, start, n, gradient)
            for t in range(n_done):
                n_rows = min(job.tile_rows, n - start)
                add_losses(&job if n_done == 1 else &tiles[t], start, n_rows,
                           &losses_out[start, 0] if losses_out.shape[0] > 0 else NULL, &totals_out[0],
                           &b_gradient_out[0] if gradient != NULL else NULL)
                start += job.tile_rows


def tile_rows_of(Py_ssize_t n_features, int storage, int real, Py_ssize_t n_models, Py_ssize_t n_columns):
    """Rows of a tile: a function of the shapes only."""
    cdef Job job = shapes(n_features, storage, real, n_models, n_columns, 1)
    cdef Py_ssize_t size
    lay_out(&job, NULL, &size)
    return job.tile_rows


def column_sums(const uint8_t[:, ::1] X, int storage, const double[::1] weights, double[:, ::1] sums_out,
                uint8_t[::1] scratch, int n_threads):
    """Weighted sum of every feature over all rows, added to sums_out (1, stride); weights (n_rows,) or of length 0."""
    cdef Job job = job_of(X, storage, FASTCLS_DOUBLES, 1, 1, sums_out.shape[1], n_threads)
    cdef Py_ssize_t start = 0, n_rows, size, i
    lay_out(&job, aligned(scratch), &size)
    with nogil:
        while start < X.shape[0]:
            n_rows = min(job.tile_rows, X.shape[0] - start)
            find_rows(&job, start, 0, n_rows)
            for i in range(n_rows):
                (<double *> job.G)[i] = weights[start + i] if weights.shape[0] > 0 else 1.0
            add_gradient(&job, n_rows, &sums_out[0, 0])
            start += n_rows


def squared_distances(const uint8_t[:, ::1] X, int storage, const double[::1] center, double[::1] squares_out,
                      int n_threads):
    """Squared distance of every row to the center (stride,), padded with zeros."""
    cdef squares_fn squares = linear_kernels().squares[storage]
    cdef Py_ssize_t n_features = X.shape[1] // fastcls_type_bytes[storage], i
    for i in prange(X.shape[0], nogil=True, schedule="static", num_threads=n_threads):
        squares_out[i] = squares(&X[i, 0], n_features, &center[0])
