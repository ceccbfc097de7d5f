"""Typed parallel loops: distance matrices, search, votes.

Inputs are not checked: callers pass C-contiguous arrays of matching widths, codes in range, and arrays large enough for the
results. There are no formulas here: the table of ``_simd/`` has the kernels that compute S, and ``topk.pxd`` the order of
neighbours.

Rows are passed as bytes, `uint8 [n_rows, n_features * item size]`, with the number of their storage type, so one loop
handles all types. Results do not depend on `n_threads`: a query's neighbours depend only on the set of (S, index) pairs, not
on the thread that offers them.
"""

from cython.parallel cimport prange, threadid

from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, int64_t, uint8_t

from fastcls._loops.pairwise cimport Pairs, Rows, distance_block, fetch, search_block, tile_of
from fastcls._loops.matrix cimport EIGHT_ROWS, Matrix, matrix_eight_block, matrix_panels_block
from fastcls._loops.low_dimensional cimport (
    LowDimensionalScratch,
    LowDimensionalSearch,
    lay_out_low_dimensional,
    search_low_dimensional_block,
    widen_fn,
)
from fastcls._loops.panels cimport Heaps, PanelScratch, PanelSearch, lay_out, search_panels_block
from fastcls._loops.shapes cimport check_search
from fastcls._simd.isas cimport Panel, pair_fn, search_kernels
from fastcls._loops.topk cimport offer, sort_heap
from fastcls._loops.votes cimport COUNTED_CLASSES, COUNTED_NEIGHBORS, are_classes, vote_counted, vote_weighted

cdef extern from "contract.h" nogil:
    enum:
        FASTCLS_U8, FASTCLS_I8, FASTCLS_F16, FASTCLS_BF16, FASTCLS_F32, FASTCLS_F64
        FASTCLS_L1, FASTCLS_SQL2, FASTCLS_DOT

cdef extern from "search/contract.h" nogil:
    enum:
        FASTCLS_L1_BYTES, FASTCLS_DOT_BYTES, FASTCLS_MAX_SINGLES, FASTCLS_DOT_SINGLES
        FASTCLS_BYTE

cdef extern from "search/scalar.h" nogil:
    widen_fn fastcls_widen[6]
    Py_ssize_t fastcls_type_bytes[6]

cdef extern from "threads.h" nogil:
    int omp_get_max_threads() noexcept
    int FASTCLS_HAS_OPENMP
    size_t fastcls_openmp_address() noexcept
    bint fastcls_openmp_was_used() noexcept
    Py_ssize_t fastcls_threads_that_start(Py_ssize_t wanted, size_t stack) noexcept
    void fastcls_start_team(int n_threads) noexcept

TYPES = {"uint8": FASTCLS_U8, "int8": FASTCLS_I8, "float16": FASTCLS_F16, "bfloat16": FASTCLS_BF16,
         "float32": FASTCLS_F32, "float64": FASTCLS_F64}
SUMS = {"l1": FASTCLS_L1, "sql2": FASTCLS_SQL2, "dot": FASTCLS_DOT}
PANELS = {"l1_bytes": FASTCLS_L1_BYTES, "dot_bytes": FASTCLS_DOT_BYTES, "max_singles": FASTCLS_MAX_SINGLES,
          "dot_singles": FASTCLS_DOT_SINGLES}
HAS_OPENMP = bool(FASTCLS_HAS_OPENMP)


def openmp_limit():
    """Threads that the OpenMP runtime of this module would use now; threadpoolctl can lower it. 1 without OpenMP."""
    return omp_get_max_threads()


def openmp_address():
    """An address inside the OpenMP runtime that this module uses; 0 if unknown."""
    return fastcls_openmp_address()


def openmp_was_used():
    """Whether this thread has run a parallel region of that runtime, in this process or before the fork."""
    return fastcls_openmp_was_used()


def threads_that_start(Py_ssize_t wanted, size_t stack):
    """How many of `wanted` threads, each with `stack` bytes (0: the default), can be alive at once; all end again."""
    cdef Py_ssize_t made
    with nogil:
        made = fastcls_threads_that_start(wanted, stack)
    return made


def start_team(int n_threads):
    """Run an empty parallel region, so that OpenMP starts the threads of the team."""
    with nogil:
        fastcls_start_team(n_threads)


cdef Rows rows_of(const uint8_t[:, ::1] data, int storage, int arithmetic, const double[::1] norms) noexcept nogil:
    cdef Rows rows
    rows.start = &data[0, 0]
    rows.n = data.shape[0]
    rows.row_bytes = data.shape[1]
    rows.widen = NULL if storage == arithmetic else fastcls_widen[storage]
    rows.norms = &norms[0] if norms.shape[0] > 0 else NULL
    rows.is_zero = NULL
    return rows


cdef Pairs pairs_of(const uint8_t[:, ::1] Q, int Q_storage, const uint8_t[:, ::1] X, int X_storage, int sum,
                    int arithmetic, const double[::1] query_norms, const uint8_t[::1] zero_queries,
                    const double[::1] row_norms) noexcept nogil:
    cdef Pairs pairs
    pairs.queries = rows_of(Q, Q_storage, arithmetic, query_norms)
    pairs.queries.is_zero = &zero_queries[0] if zero_queries.shape[0] > 0 else NULL
    pairs.rows = rows_of(X, X_storage, arithmetic, row_norms)
    pairs.n_features = X.shape[1] // fastcls_type_bytes[X_storage]
    pairs.item_bytes = fastcls_type_bytes[arithmetic]
    pairs.compute = search_kernels().pairs[sum][arithmetic]
    return pairs


def scratch_size(Py_ssize_t n_features, Py_ssize_t queries_per_tile, Py_ssize_t rows_per_tile):
    """Doubles of scratch that one thread needs: a tile of S, and its converted queries and rows."""
    return queries_per_tile * rows_per_tile + (queries_per_tile + rows_per_tile) * n_features


cdef Heaps heaps_of(double[:, :, ::1] heap_S_out, int64_t[:, :, ::1] heap_index_out, const int64_t[::1] query_groups,
                    const int64_t[::1] row_groups, int64_t row_start) noexcept nogil:
    cdef Heaps heaps
    heaps.S = &heap_S_out[0, 0, 0]
    heaps.index = &heap_index_out[0, 0, 0]
    heaps.k = heap_S_out.shape[2]
    heaps.query_groups = &query_groups[0] if query_groups.shape[0] > 0 else NULL
    heaps.row_groups = &row_groups[0] if row_groups.shape[0] > 0 else NULL
    heaps.row_start = row_start
    return heaps


cdef inline Heaps heap_set(Heaps heaps, Py_ssize_t number, Py_ssize_t n_queries) noexcept nogil:
    """One set of heaps. Threads that share queries each have their own set; `merge_heaps` joins them."""
    heaps.S += number * n_queries * heaps.k
    heaps.index += number * n_queries * heaps.k
    return heaps


def search_pairwise(const uint8_t[:, ::1] Q, int Q_storage, const uint8_t[:, ::1] X, int X_storage, int sum,
                    int arithmetic, const double[::1] query_norms, const uint8_t[::1] zero_queries,
                    const double[::1] row_norms, const int64_t[::1] query_groups, const int64_t[::1] row_groups,
                    int64_t row_start, double[:, :, ::1] heap_S_out, int64_t[:, :, ::1] heap_index_out,
                    Py_ssize_t queries_per_tile, Py_ssize_t rows_per_tile, double[:, ::1] scratch, int n_threads):
    """Offer every row of one chunk to the heap of every query, one pair at a time.

    Parameters
    ----------
    Q, X : rows as bytes, with the numbers of their storage types
    sum, arithmetic : the pair function: its sum over features, and the type that it reads
    query_norms, zero_queries, row_norms : squared norms, and whether a query is zero; of length 0 unless dot products
        become cosines
    query_groups, row_groups : of length 0, or a query skips the rows of its own group
    row_start : the training index of the chunk's first row
    heap_S_out, heap_index_out : (n_heap_sets, n_queries, k), heaps as in topk.pxd. One set: the threads share out the
        queries. n_threads sets: they share out the rows
    scratch : (n_threads, scratch_size(...))
    """
    check_search(Q, fastcls_type_bytes[Q_storage], X, fastcls_type_bytes[X_storage], query_groups, row_groups,
                 heap_S_out.shape[1], heap_index_out.shape[1], heap_S_out.shape[2], heap_index_out.shape[2],
                 heap_S_out.shape[0], scratch.shape[0], n_threads)
    cdef Pairs pairs = pairs_of(Q, Q_storage, X, X_storage, sum, arithmetic, query_norms, zero_queries, row_norms)
    cdef Heaps heaps = heaps_of(heap_S_out, heap_index_out, query_groups, row_groups, row_start)
    cdef Heaps own
    cdef Py_ssize_t n_queries = Q.shape[0], n_rows = X.shape[0], job
    cdef bint by_rows = heap_S_out.shape[0] > 1
    cdef Py_ssize_t per_job = queries_per_tile, n_query_jobs, n_row_jobs = n_threads if by_rows else 1
    if not by_rows:
        per_job = min(per_job, (n_queries + n_threads - 1) // n_threads)
    n_query_jobs = (n_queries + per_job - 1) // per_job
    # an idle thread would spin at the end of the region
    cdef int n_busy = <int> min(<Py_ssize_t> n_threads, n_query_jobs * n_row_jobs)
    for job in prange(n_query_jobs * n_row_jobs, nogil=True, schedule="dynamic", num_threads=n_busy):
        own = heap_set(heaps, threadid() if by_rows else 0, n_queries)
        search_block(&pairs, &own, job // n_row_jobs * per_job,
                     min(per_job, n_queries - job // n_row_jobs * per_job),
                     n_rows * (job % n_row_jobs) // n_row_jobs, n_rows * (job % n_row_jobs + 1) // n_row_jobs,
                     tile_of(queries_per_tile, rows_per_tile, pairs.n_features, &scratch[threadid(), 0]))


def panel_shape(int panel):
    """(queries, rows, features per step) of a tile, or None if the instruction set in use has no such kernel."""
    cdef Panel shape = search_kernels().panels[panel]
    if shape.tile == NULL:
        return None
    return shape.queries, shape.rows, shape.step_features


def panel_biases(int panel, int storage):
    """The numbers that packing adds to the features of queries and of rows: -128, 0 or 128."""
    cdef Panel shape = search_kernels().panels[panel]
    if shape.element != FASTCLS_BYTE:
        return 0, 0
    if storage == FASTCLS_U8:
        return -128 if shape.query_flip else 0, -128 if shape.row_flip else 0
    return 0 if shape.query_flip else 128, 0 if shape.row_flip else 128


def panel_scratch(int panel, Py_ssize_t n_features, Py_ssize_t block_features, Py_ssize_t n_queries):
    """Bytes of scratch that one thread needs for blocks of `n_queries` queries."""
    cdef PanelScratch unused
    return lay_out(&search_kernels().panels[panel], n_features, block_features, n_queries, NULL, &unused)


def search_panels(const uint8_t[:, ::1] Q, const uint8_t[:, ::1] X, int storage, int panel, int sum, bint refine,
                  Py_ssize_t block_features, const double[::1] center, double data_scale, double scale,
                  const double[::1] query_terms, const double[::1] alphas, const double[::1] betas,
                  const double[::1] row_terms, const double[::1] row_factors, const double[::1] query_norms,
                  const uint8_t[::1] zero_queries, const double[::1] row_norms, const int64_t[::1] query_groups,
                  const int64_t[::1] row_groups, int64_t row_start, double[:, :, ::1] heap_S_out,
                  int64_t[:, :, ::1] heap_index_out, Py_ssize_t queries_per_job, uint8_t[:, ::1] scratch,
                  int n_threads):
    """Offer every row of one chunk to the heap of every query, by packed panels; return the number of pairs that passed.

    Parameters as in search_pairwise, and
    panel, sum : the tile and the pair function
    refine : whether the key is only a bound, so that S of the pairs that pass is computed by the pair function
    block_features : features packed at a time
    center, data_scale : floats are packed as single((value - center) * data_scale)
    scale, query_terms, alphas, betas, row_terms, row_factors : from sums to keys and thresholds, see panels.pxd
    queries_per_job : queries of one block
    scratch : (n_threads, panel_scratch(...))
    """
    check_search(Q, fastcls_type_bytes[storage], X, fastcls_type_bytes[storage], query_groups, row_groups,
                 heap_S_out.shape[1], heap_index_out.shape[1], heap_S_out.shape[2], heap_index_out.shape[2],
                 heap_S_out.shape[0], scratch.shape[0], n_threads)
    cdef PanelSearch search
    cdef Heaps heaps = heaps_of(heap_S_out, heap_index_out, query_groups, row_groups, row_start)
    cdef Heaps own
    cdef Py_ssize_t n_queries = Q.shape[0], n_rows = X.shape[0], job, n_passed = 0
    cdef bint by_rows = heap_S_out.shape[0] > 1
    cdef Py_ssize_t n_row_jobs = n_threads if by_rows else 1
    cdef Py_ssize_t n_query_jobs = (n_queries + queries_per_job - 1) // queries_per_job
    cdef int n_busy = <int> min(<Py_ssize_t> n_threads, n_query_jobs * n_row_jobs)
    search.queries = &Q[0, 0]
    search.rows = &X[0, 0]
    search.row_bytes = X.shape[1]
    search.n_features = X.shape[1] // fastcls_type_bytes[storage]
    search.block_features = block_features
    search.type = storage
    search.panel = search_kernels().panels[panel]
    # the table has the flips for uint8 data; for int8 data they are the other way round
    search.query_flip = search.panel.query_flip if storage == FASTCLS_U8 else search.panel.query_flip ^ 0x80
    search.row_flip = search.panel.row_flip if storage == FASTCLS_U8 else search.panel.row_flip ^ 0x80
    search.select = search_kernels().select
    search.pair = search_kernels().pairs[sum][storage] if refine else NULL
    search.center = &center[0]
    search.data_scale = data_scale
    search.scale = scale
    search.query_terms = &query_terms[0]
    search.alphas = &alphas[0]
    search.betas = &betas[0]
    search.row_terms = &row_terms[0]
    search.row_factors = &row_factors[0]
    search.query_norms = &query_norms[0] if query_norms.shape[0] > 0 else NULL
    search.row_norms = &row_norms[0] if row_norms.shape[0] > 0 else NULL
    search.zero_queries = &zero_queries[0] if zero_queries.shape[0] > 0 else NULL
    for job in prange(n_query_jobs * n_row_jobs, nogil=True, schedule="dynamic", num_threads=n_busy):
        own = heap_set(heaps, threadid() if by_rows else 0, n_queries)
        n_passed += search_panels_block(
            &search, &own, job // n_row_jobs * queries_per_job,
            min(queries_per_job, n_queries - job // n_row_jobs * queries_per_job),
            n_rows * (job % n_row_jobs) // n_row_jobs,
            n_rows * (job % n_row_jobs + 1) // n_row_jobs - n_rows * (job % n_row_jobs) // n_row_jobs,
            &scratch[threadid(), 0])
    return n_passed


def low_dimensional_scratch(Py_ssize_t n_queries, Py_ssize_t n_features, Py_ssize_t k):
    """Doubles of scratch that one thread needs for blocks of `n_queries` queries."""
    cdef LowDimensionalScratch unused
    return lay_out_low_dimensional(n_queries, n_features, k, NULL, &unused)


def search_low_dimensional(const uint8_t[:, ::1] Q, int Q_storage, const uint8_t[:, ::1] X, int X_storage, int sum,
                           const int64_t[::1] query_groups, const int64_t[::1] row_groups, int64_t row_start,
                           double[:, :, ::1] heap_S_out, int64_t[:, :, ::1] heap_index_out, bint is_first, bint is_last,
                           Py_ssize_t queries_per_job, double[:, ::1] scratch, int n_threads):
    """Offer every row of one chunk with few features to the heap of every query, by L1 or squared L2.

    Parameters as in search_pairwise, and
    is_first : the heaps are not filled yet
    is_last : leave neighbours nearest first; otherwise farthest first, which is a heap, as the next call needs it
    queries_per_job : queries of one block
    scratch : (n_threads, low_dimensional_scratch(...))
    """
    check_search(Q, fastcls_type_bytes[Q_storage], X, fastcls_type_bytes[X_storage], query_groups, row_groups,
                 heap_S_out.shape[1], heap_index_out.shape[1], heap_S_out.shape[2], heap_index_out.shape[2],
                 heap_S_out.shape[0], scratch.shape[0], n_threads)
    cdef LowDimensionalSearch search
    cdef Heaps heaps = heaps_of(heap_S_out, heap_index_out, query_groups, row_groups, row_start)
    cdef Heaps own
    cdef Py_ssize_t n_queries = Q.shape[0], n_rows = X.shape[0], job
    cdef bint by_rows = heap_S_out.shape[0] > 1
    cdef Py_ssize_t n_row_jobs = n_threads if by_rows else 1
    cdef Py_ssize_t n_query_jobs = (n_queries + queries_per_job - 1) // queries_per_job
    cdef int n_busy = <int> min(<Py_ssize_t> n_threads, n_query_jobs * n_row_jobs)
    search.queries = &Q[0, 0]
    search.rows = &X[0, 0]
    search.query_bytes = Q.shape[1]
    search.row_bytes = X.shape[1]
    search.widen_queries = fastcls_widen[Q_storage]
    search.widen_rows = NULL if X_storage == FASTCLS_F64 else fastcls_widen[X_storage]
    search.n_features = X.shape[1] // fastcls_type_bytes[X_storage]
    search.sum = sum
    search.low_dimensional = search_kernels().low_dimensional
    search.is_first = is_first
    search.is_last = is_last
    for job in prange(n_query_jobs * n_row_jobs, nogil=True, schedule="dynamic", num_threads=n_busy):
        own = heap_set(heaps, threadid() if by_rows else 0, n_queries)
        search_low_dimensional_block(
            &search, &own, job // n_row_jobs * queries_per_job,
            min(queries_per_job, n_queries - job // n_row_jobs * queries_per_job),
            n_rows * (job % n_row_jobs) // n_row_jobs,
            n_rows * (job % n_row_jobs + 1) // n_row_jobs - n_rows * (job % n_row_jobs) // n_row_jobs,
            &scratch[threadid(), 0])


def start_heaps(double[:, :, ::1] heap_S_out, int64_t[:, :, ::1] heap_index_out, double below=INFINITY):
    """Fill the heaps with placeholders that come after every row whose S is below this number.

    Rows with larger S are never kept; rows with S equal to `below` may be.
    """
    heap_S_out[:, :, :] = below
    heap_index_out[:, :, :] = INT64_MAX


def merge_heaps(double[:, :, ::1] heap_S_out, int64_t[:, :, ::1] heap_index_out):
    """Offer the neighbours of every other set of heaps to the first set."""
    cdef Py_ssize_t number, i, j, k = heap_S_out.shape[2]
    for number in range(1, heap_S_out.shape[0]):
        for i in range(heap_S_out.shape[1]):
            for j in range(k):
                offer(&heap_S_out[0, i, 0], &heap_index_out[0, i, 0], k, heap_S_out[number, i, j],
                      heap_index_out[number, i, j])


def sort_heaps(double[:, ::1] heap_S_out, int64_t[:, ::1] heap_index_out, int n_threads):
    """Sort each query's neighbours in place, nearest first."""
    cdef Py_ssize_t i
    cdef int n_busy = <int> min(<Py_ssize_t> n_threads, 1 + heap_S_out.shape[0] // 32)
    for i in prange(heap_S_out.shape[0], nogil=True, schedule="static", num_threads=n_busy):
        sort_heap(&heap_S_out[i, 0], &heap_index_out[i, 0], heap_S_out.shape[1])


def distance_matrix(const uint8_t[:, ::1] Q, int Q_storage, const uint8_t[:, ::1] X, int X_storage, int sum,
                    int arithmetic, const double[::1] query_norms, const uint8_t[::1] zero_queries,
                    const double[::1] row_norms, double[:, :] S_out, Py_ssize_t queries_per_tile,
                    Py_ssize_t rows_per_tile, double[:, ::1] scratch, int n_threads):
    """S of every query and row, into S_out (n_queries, n_rows), rows contiguous; parameters as in search_pairwise."""
    cdef Pairs pairs = pairs_of(Q, Q_storage, X, X_storage, sum, arithmetic, query_norms, zero_queries, row_norms)
    cdef Py_ssize_t n_queries = Q.shape[0], block, first, row_stride = S_out.strides[0] // <Py_ssize_t> sizeof(double)
    cdef Py_ssize_t n_blocks = (n_queries + queries_per_tile - 1) // queries_per_tile
    for block in prange(n_blocks, nogil=True, schedule="dynamic", num_threads=n_threads):
        first = block * queries_per_tile
        distance_block(&pairs, first, min(queries_per_tile, n_queries - first),
                       tile_of(queries_per_tile, rows_per_tile, pairs.n_features, &scratch[threadid(), 0]),
                       &S_out[0, 0], row_stride)


cdef Matrix matrix_of(double[:, :] S_out) noexcept nogil:
    cdef Matrix matrix
    matrix.S = &S_out[0, 0]
    matrix.stride = S_out.strides[0] // <Py_ssize_t> sizeof(double)
    return matrix


def matrix_panels(const uint8_t[:, ::1] Q, const uint8_t[:, ::1] X, int storage, int panel, Py_ssize_t block_features,
                  double scale, const double[::1] query_terms, const double[::1] row_terms,
                  const double[::1] query_norms, const uint8_t[::1] zero_queries, const double[::1] row_norms,
                  double[:, :] S_out, Py_ssize_t queries_per_job, Py_ssize_t n_row_jobs, uint8_t[:, ::1] scratch,
                  int n_threads):
    """S of every query and row of bytes, by packed panels, into S_out (n_queries, n_rows); parameters as in search_panels.

    sum x scale + query_term + row_term is S, or the dot product from which a cosine is computed. The rows are divided into
    n_row_jobs jobs.
    """
    cdef PanelSearch search
    cdef Matrix matrix = matrix_of(S_out)
    cdef Py_ssize_t n_queries = Q.shape[0], n_rows = X.shape[0], job
    cdef Py_ssize_t n_query_jobs = (n_queries + queries_per_job - 1) // queries_per_job
    search.queries = &Q[0, 0]
    search.rows = &X[0, 0]
    search.row_bytes = search.n_features = X.shape[1]
    search.block_features = block_features
    search.type = storage
    search.panel = search_kernels().panels[panel]
    search.query_flip = search.panel.query_flip if storage == FASTCLS_U8 else search.panel.query_flip ^ 0x80
    search.row_flip = search.panel.row_flip if storage == FASTCLS_U8 else search.panel.row_flip ^ 0x80
    search.scale = scale
    search.query_terms = &query_terms[0]
    search.row_terms = &row_terms[0]
    search.query_norms = &query_norms[0] if query_norms.shape[0] > 0 else NULL
    search.row_norms = &row_norms[0] if row_norms.shape[0] > 0 else NULL
    search.zero_queries = &zero_queries[0] if zero_queries.shape[0] > 0 else NULL
    for job in prange(n_query_jobs * n_row_jobs, nogil=True, schedule="dynamic", num_threads=n_threads):
        matrix_panels_block(
            &search, &matrix, job // n_row_jobs * queries_per_job,
            min(queries_per_job, n_queries - job // n_row_jobs * queries_per_job),
            n_rows * (job % n_row_jobs) // n_row_jobs,
            n_rows * (job % n_row_jobs + 1) // n_row_jobs - n_rows * (job % n_row_jobs) // n_row_jobs,
            &scratch[threadid(), 0])


def has_eight():
    """Whether the instruction set in use has a kernel for eight queries at a time."""
    return search_kernels().eight != NULL


def eight_scratch(Py_ssize_t n_queries, Py_ssize_t n_features):
    """Doubles of scratch that one thread needs for jobs of `n_queries` queries."""
    return ((n_queries + 7) // 8 * 8 + EIGHT_ROWS) * n_features + 8 * EIGHT_ROWS


def matrix_eight(const uint8_t[:, ::1] Q, int Q_storage, const uint8_t[:, ::1] X, int X_storage, int sum,
                 const double[::1] query_norms, const uint8_t[::1] zero_queries, const double[::1] row_norms,
                 double[:, :] S_out, Py_ssize_t queries_per_job, Py_ssize_t n_row_jobs, double[:, ::1] scratch,
                 int n_threads):
    """S of every query and row in float64, eight queries at a time; parameters as in search_pairwise and matrix_panels."""
    cdef Pairs pairs = pairs_of(Q, Q_storage, X, X_storage, sum, FASTCLS_F64, query_norms, zero_queries, row_norms)
    cdef Matrix matrix = matrix_of(S_out)
    cdef Py_ssize_t n_queries = Q.shape[0], n_rows = X.shape[0], job
    cdef Py_ssize_t n_query_jobs = (n_queries + queries_per_job - 1) // queries_per_job
    for job in prange(n_query_jobs * n_row_jobs, nogil=True, schedule="dynamic", num_threads=n_threads):
        matrix_eight_block(
            &pairs, search_kernels().eight, sum, &matrix, job // n_row_jobs * queries_per_job,
            min(queries_per_job, n_queries - job // n_row_jobs * queries_per_job),
            n_rows * (job % n_row_jobs) // n_row_jobs, n_rows * (job % n_row_jobs + 1) // n_row_jobs,
            &scratch[threadid(), 0])


def squared_norms(const uint8_t[:, ::1] X, int storage, int arithmetic, double[::1] norms_out,
                  double[:, ::1] scratch, int n_threads):
    """x.x of every row, in the arithmetic of the search: exact integers, or eight float64 lanes."""
    cdef pair_fn dot = search_kernels().pairs[<int> FASTCLS_DOT][arithmetic]
    cdef Rows rows = rows_of(X, storage, arithmetic, norms_out)
    cdef Py_ssize_t n_features = X.shape[1] // fastcls_type_bytes[storage], i
    cdef const uint8_t *row
    for i in prange(X.shape[0], nogil=True, schedule="static", num_threads=n_threads):
        row = fetch(&rows, i, 1, n_features, &scratch[threadid(), 0])
        norms_out[i] = dot(row, row, n_features)


def sums_to_point(const uint8_t[:, ::1] X, int storage, int sum, const uint8_t[::1] point, double[::1] sums_out,
                  int n_threads):
    """The pair sum of every row and one point of the same storage type."""
    cdef pair_fn pair = search_kernels().pairs[sum][storage]
    cdef Py_ssize_t n_features = X.shape[1] // fastcls_type_bytes[storage], i
    for i in prange(X.shape[0], nogil=True, schedule="static", num_threads=n_threads):
        sums_out[i] = pair(&X[i, 0], &point[0], n_features)


def vote(const int64_t[:, ::1] labels, const int64_t[::1] codes, const double[:, ::1] weights,
         const int64_t[::1] ks, bint nearest, int64_t[:, ::1] winners_out, uint8_t[:, ::1] tied_out,
         double[:, ::1] totals_out, Py_ssize_t n_classes, double[:, ::1] scratch, int n_threads):
    """Weighted majority among the first k neighbours, for every k of `ks` in one pass.

    Parameters
    ----------
    labels : (n_queries, k_max), nearest first
    codes : of length 0, or the labels are indices into it
    weights : shaped like labels, or no rows: every weight is 1
    ks : (n_ks,) ascending, the last at most k_max
    nearest : among tied classes the one with the nearest member wins; otherwise the smallest
    winners_out, tied_out : (n_queries, n_ks)
    totals_out : (n_queries, n_classes) or no rows; the sum of each class's weights in neighbour order, for the last k
    scratch : (n_threads, n_classes or more)

    Returns the number of queries with a label that is not a class or not an index into `codes`; they get class 0, untied.
    """
    cdef Py_ssize_t i, n_ks = ks.shape[0], n_bad = 0, at, c
    cdef const int64_t *places = &codes[0] if codes.shape[0] > 0 else NULL
    cdef bint counted = (weights.shape[0] == 0 and totals_out.shape[0] == 0 and n_classes <= COUNTED_CLASSES
                         and ks[n_ks - 1] <= COUNTED_NEIGHBORS)
    cdef double *total
    for i in prange(labels.shape[0], nogil=True, schedule="static", num_threads=n_threads):
        if not are_classes(&labels[i, 0], places, codes.shape[0], ks[n_ks - 1], n_classes):
            n_bad += 1
            for at in range(n_ks):
                winners_out[i, at] = 0
                tied_out[i, at] = 0
            if totals_out.shape[0] > 0:
                for c in range(n_classes):
                    totals_out[i, c] = 0.0
        elif counted:
            vote_counted(&labels[i, 0], places, &ks[0], n_ks, nearest, n_classes, &winners_out[i, 0], &tied_out[i, 0])
        else:
            total = &totals_out[i, 0] if totals_out.shape[0] > 0 else &scratch[threadid(), 0]
            vote_weighted(&labels[i, 0], places, &weights[i, 0] if weights.shape[0] > 0 else NULL, &ks[0], n_ks, nearest,
                          total, n_classes, &winners_out[i, 0], &tied_out[i, 0])
    return n_bad
