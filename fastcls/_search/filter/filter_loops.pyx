"""Typed parallel loops of filter and refine: the screen over all codes, and the refinement of what passes.

Inputs are not checked, as in _kernels.pyx. A *level* has a code for every row, and the difference of two codes is a certain
lower bound on the distance of the rows (docs/filter.md). The codes of the coarsest level are in panels and are all screened.
Codes of a finer level are read only for rows that passed all levels before it. S is computed, by the pair functions of
``_simd/``, only for rows that passed the last level.

All quantities of a query are in *code units*. The bound is the gap between query and row (the sum of absolute differences,
or the root of the sum of squares) minus the rounding errors of both. The *threshold* is the largest bound that the query's
k-th smallest S so far allows.
"""

from cython.parallel cimport prange, threadid

from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t, uint8_t
from libc.string cimport memcpy

from fastcls._loops.panels cimport Heaps
from fastcls._loops.shapes cimport check_level, check_search
from fastcls._search.filter.lists cimport (
    COMPUTED, Filter, Level, Scratch, best_first, bound_list, choose_lowest, drop_beyond, exact, keys_at, lay_out, offer_new,
    refine_new, threshold_of)
from fastcls._simd.isas cimport List, filter_kernels, screen_fn, search_kernels

cdef extern from "filter/contract.h" nogil:
    enum:
        FASTCLS_SCREEN_QUERIES
        FASTCLS_PANEL_L1
        FASTCLS_PANEL_L2

cdef extern from "search/scalar.h" nogil:
    Py_ssize_t fastcls_type_bytes[6]
    void prefetch "FASTCLS_PREFETCH"(const void *address)

cdef enum:
    BLOCK_BYTES = 1 << 19           # codes of a finer level that are read together: half of a second-level cache
    ENTRIES_PER_ROW = 2             # in the lists of a thread, from which on its codes are read in blocks of rows


def scratch_bytes(Py_ssize_t n_queries, Py_ssize_t width, Py_ssize_t n_refine, Py_ssize_t list_capacity):
    """Bytes of scratch that one job needs for so many queries."""
    cdef Scratch unused
    return lay_out(n_queries, width, n_refine, list_capacity, NULL, &unused)


cdef inline int32_t limit_of(const Filter *filter, double threshold, float panel_error, Py_ssize_t query) noexcept nogil:
    """The limit of a key at the first level, for one query and one panel; see _simd/filter/contract.h."""
    cdef double t = (threshold + panel_error) * (1.0 + 2.0 ** -20)
    if filter.l1:
        return <int32_t> t + 1 if t < 1e9 else INT32_MAX
    if not t < 40000.0:
        return INT32_MIN
    return <int32_t> ((filter.levels[0].query_norms[query] - t * t) * 0.5) - 2


cdef struct Jobs:
    # Blocks of queries, each for every set of heaps, and the scratch of each.
    Py_ssize_t n_queries            # of all jobs
    Py_ssize_t per_job
    Py_ssize_t n_heap_sets          # job number = block of queries x n_heap_sets + set of heaps
    uint8_t *scratch
    Py_ssize_t scratch_bytes        # of one job


cdef inline Py_ssize_t first_query(const Jobs *jobs, Py_ssize_t job) noexcept nogil:
    return job // jobs.n_heap_sets * jobs.per_job


cdef inline Py_ssize_t queries_of(const Jobs *jobs, Py_ssize_t job) noexcept nogil:
    return min(jobs.per_job, jobs.n_queries - first_query(jobs, job))


cdef inline Heaps heaps_of(const Heaps *heaps, const Jobs *jobs, Py_ssize_t job) noexcept nogil:
    cdef Heaps own = heaps[0]
    own.S = heaps.S + (job % jobs.n_heap_sets) * jobs.n_queries * heaps.k
    own.index = heaps.index + (job % jobs.n_heap_sets) * jobs.n_queries * heaps.k
    return own


cdef inline void open_job(const Filter *filter, const Jobs *jobs, Py_ssize_t job, Scratch *scratch_out) noexcept nogil:
    lay_out(queries_of(jobs, job), filter.levels[0].width, filter.n_refine, filter.list_capacity,
            jobs.scratch + job * jobs.scratch_bytes, scratch_out)


cdef void search_job(const Filter *filter, const Heaps *heaps, Py_ssize_t first, Py_ssize_t n_queries,
                     Py_ssize_t first_panel, Py_ssize_t end_panel, bint begins, bint ends, uint8_t *base,
                     int64_t *counts) noexcept nogil:
    """Offer the rows of some panels to the queries of a job; unless it `begins`, the lists are as they were left."""
    cdef Scratch scratch
    cdef const Level *level = &filter.levels[0]
    cdef bint single = n_queries == 1
    cdef int per_group = 1 if single else FASTCLS_SCREEN_QUERIES, step_bytes = 8 if filter.l1 else 4
    cdef Py_ssize_t panel_rows = FASTCLS_PANEL_L1 if filter.l1 else FASTCLS_PANEL_L2
    cdef Py_ssize_t n_groups = (n_queries + per_group - 1) // per_group, n_steps = level.width // step_bytes
    cdef Py_ssize_t panel_bytes = level.width * panel_rows, panel, group, i, step, own, n_here
    cdef int32_t limits[6]
    cdef screen_fn screen
    lay_out(n_queries, level.width, filter.n_refine, filter.list_capacity, base, &scratch)
    scratch.counts = counts
    if filter.l1:
        screen = filter.kernels.screen_l1_one if single else filter.kernels.screen_l1
    else:
        screen = filter.kernels.screen_l2_one if single else filter.kernels.screen_l2
    for own in range(n_groups * per_group if begins else 0):
        group = own // per_group
        i = first + min(own, n_queries - 1)
        for step in range(n_steps):
            memcpy(scratch.queries + ((group * n_steps + step) * per_group + own % per_group) * step_bytes,
                   level.query_codes + i * level.width + step * step_bytes, step_bytes)
        scratch.lists[own].n = 0
        scratch.n_bounded[own] = 0
        scratch.refine_at[own] = filter.refine_every
        scratch.thresholds[own] = threshold_of(filter, level, (heaps.S + i * heaps.k)[0]) + level.query_errors[i]
    for panel in range(first_panel, end_panel):
        for group in range(n_groups):
            n_here = min(<Py_ssize_t> per_group, n_queries - group * per_group)
            for i in range(n_here):
                own = group * per_group + i
                if scratch.lists[own].n >= scratch.refine_at[own]:
                    refine_new(filter, heaps, first + own, own, &scratch)
                limits[i] = limit_of(filter, scratch.thresholds[own], level.panel_errors[panel], first + own)
            for i in range(n_here, per_group):
                limits[i] = INT32_MIN if filter.l1 else INT32_MAX
            screen(scratch.queries + group * per_group * level.width, level.codes + panel * panel_bytes, n_steps,
                   level.starts + panel * panel_rows, limits, <int32_t> (panel * panel_rows),
                   scratch.lists + group * per_group)
    for own in range(n_queries if ends else 0):
        refine_new(filter, heaps, first + own, own, &scratch)
        drop_beyond(filter, &scratch.lists[own], scratch.bounds + own * (filter.list_capacity + 128), 0,
                    threshold_of(filter, level, (heaps.S + (first + own) * heaps.k)[0]))


cdef inline Py_ssize_t end_of_block(const List *found, Py_ssize_t first, Py_ssize_t block_end) noexcept nogil:
    """The first entry from `first` on whose row is not before `block_end`; entries are in the order of their rows."""
    while first < found.n and found.rows[first] < block_end:
        first += 1
    return first


cdef inline Py_ssize_t count_entries(const Filter *filter, const Jobs *jobs, Py_ssize_t first,
                                     Py_ssize_t end) noexcept nogil:
    """Entries of the lists of some jobs; their cursors (`n_bounded`) are set to the beginning."""
    cdef Scratch scratch
    cdef Py_ssize_t job, own, entries = 0
    for job in range(first, end):
        open_job(filter, jobs, job, &scratch)
        for own in range(queries_of(jobs, job)):
            entries += scratch.lists[own].n
            scratch.n_bounded[own] = 0
    return entries


cdef inline Py_ssize_t rows_at_once(const Filter *filter, Py_ssize_t row_bytes, Py_ssize_t entries) noexcept nogil:
    """Rows of a block through which all lists of some jobs advance together, before the first of them enters the next block.

    Where the lists have several entries for a row, it comes from memory once for all of them, and after that from the core's
    own cache. Where they have not, each list is gone through at once.
    """
    return max(<Py_ssize_t> 16, BLOCK_BYTES // row_bytes) if entries >= ENTRIES_PER_ROW * filter.n_rows else filter.n_rows


cdef void keys_of_jobs(const Filter *filter, int number, const Jobs *jobs, Py_ssize_t first, Py_ssize_t end,
                       Py_ssize_t n_rows_at_once) noexcept nogil:
    """Keys of all entries of some jobs at a finer level, a block of rows at a time; the next block is prefetched."""
    cdef Scratch scratch
    cdef List *found
    cdef const Level *level = &filter.levels[number]
    cdef Py_ssize_t job, own, at, block_end = 0, next_byte, end_byte, i
    cdef Py_ssize_t n_lists = min(jobs.n_queries, (end - first) * jobs.per_job)
    cdef Py_ssize_t share = (n_rows_at_once * level.width // n_lists + 63) // 64 * 64  # prefetched while one list advances
    while block_end < filter.n_rows:
        block_end = min(filter.n_rows, block_end + n_rows_at_once)
        next_byte = block_end * level.width
        end_byte = min(filter.n_rows, block_end + n_rows_at_once) * level.width
        for job in range(first, end):
            open_job(filter, jobs, job, &scratch)
            for own in range(queries_of(jobs, job)):
                found = &scratch.lists[own]
                at = scratch.n_bounded[own]
                scratch.n_bounded[own] = end_of_block(found, at, block_end)
                if scratch.n_bounded[own] > at:
                    keys_at(filter, number, first_query(jobs, job) + own, found, at, scratch.n_bounded[own])
                for i in range(next_byte, min(end_byte, next_byte + share), 64):
                    prefetch(level.codes + i)
                next_byte += share


cdef void sums_of_jobs(const Filter *filter, const Heaps *heap_sets, const Jobs *jobs, Py_ssize_t first, Py_ssize_t end,
                       int64_t *counts) noexcept nogil:
    """Compute S of the rows that passed the last level; the lists are empty afterwards.

    First those of lowest bound, for each query, which lower the threshold nearly to its end; then the others, a block of
    rows at a time. Best first for all would compute a few pairs fewer, but read each row from another place of memory.
    """
    cdef Scratch scratch
    cdef Heaps heaps
    cdef List *found
    cdef float *bounds
    cdef const Level *level = &filter.levels[filter.n_levels - 1]
    cdef Py_ssize_t job, own, query, at, end_at, block_end = 0, stride = filter.list_capacity + 128, next_byte, end_byte, i
    cdef Py_ssize_t n_lists = min(jobs.n_queries, (end - first) * jobs.per_job), n_rows_at_once, share, entries = 0
    cdef double threshold
    for job in range(first, end):
        heaps = heaps_of(heap_sets, jobs, job)
        open_job(filter, jobs, job, &scratch)
        scratch.counts = counts
        for own in range(queries_of(jobs, job)):
            query = first_query(jobs, job) + own
            found, bounds = &scratch.lists[own], scratch.bounds + own * stride
            choose_lowest(filter, found, bounds, 0, threshold_of(filter, level, (heaps.S + query * heaps.k)[0]), &scratch)
            best_first(filter, &heaps, query, &scratch.chosen, scratch.chosen_bounds, &scratch)
            drop_beyond(filter, found, bounds, 0, threshold_of(filter, level, (heaps.S + query * heaps.k)[0]))
            scratch.n_bounded[own] = 0
            entries += found.n
    n_rows_at_once = rows_at_once(filter, filter.row_bytes, entries)
    share = (n_rows_at_once * filter.row_bytes // n_lists + 63) // 64 * 64
    while block_end < filter.n_rows:
        block_end = min(filter.n_rows, block_end + n_rows_at_once)
        next_byte = block_end * filter.row_bytes
        end_byte = min(filter.n_rows, block_end + n_rows_at_once) * filter.row_bytes
        for job in range(first, end):
            heaps = heaps_of(heap_sets, jobs, job)
            open_job(filter, jobs, job, &scratch)
            for own in range(queries_of(jobs, job)):
                query = first_query(jobs, job) + own
                found, bounds = &scratch.lists[own], scratch.bounds + own * stride
                at = scratch.n_bounded[own]
                scratch.n_bounded[own] = end_at = end_of_block(found, at, block_end)
                if end_at > at:
                    threshold = threshold_of(filter, level, (heaps.S + query * heaps.k)[0])
                for i in range(at, end_at):
                    if not bounds[i] > threshold:
                        counts[COMPUTED] += 1
                        if offer_new(heaps.S + query * heaps.k, heaps.index + query * heaps.k, heaps.k,
                                     exact(filter, query, found.rows[i]), heaps.row_start + found.rows[i]):
                            threshold = threshold_of(filter, level, (heaps.S + query * heaps.k)[0])
                for i in range(next_byte, min(end_byte, next_byte + share), 64):
                    prefetch(filter.rows + i)
                next_byte += share
    for job in range(first, end):
        open_job(filter, jobs, job, &scratch)
        for own in range(queries_of(jobs, job)):
            scratch.lists[own].n = 0


cdef void finish_jobs(const Filter *filter, const Heaps *heap_sets, const Jobs *jobs, Py_ssize_t first, Py_ssize_t end,
                      int64_t *counts) noexcept nogil:
    """Take the lists of some jobs through the finer levels, and compute S; the lists are empty afterwards."""
    cdef Scratch scratch
    cdef Heaps heaps
    cdef const Level *level
    cdef Py_ssize_t job, own, query, entries, stride = filter.list_capacity + 128
    cdef int number
    for number in range(1, filter.n_levels):
        level = &filter.levels[number]
        entries = count_entries(filter, jobs, first, end)
        counts[number] += entries
        keys_of_jobs(filter, number, jobs, first, end, rows_at_once(filter, level.width, entries))
        for job in range(first, end):
            heaps = heaps_of(heap_sets, jobs, job)
            open_job(filter, jobs, job, &scratch)
            for own in range(queries_of(jobs, job)):
                query = first_query(jobs, job) + own
                bound_list(filter, number, &heaps, query, &scratch.lists[own], scratch.bounds + own * stride, 0,
                           threshold_of(filter, level, (heaps.S + query * heaps.k)[0]))
    sums_of_jobs(filter, heap_sets, jobs, first, end, counts)


def search(const uint8_t[:, ::1] Q, const uint8_t[:, ::1] X, int storage, int sum, list levels, list query_levels,
           Py_ssize_t first_panel, Py_ssize_t end_panel, bint l1, bint cosine, double slack, double margin,
           const double[::1] query_norms, const uint8_t[::1] zero_queries, const double[::1] row_norms,
           const int64_t[::1] query_groups, const int64_t[::1] row_groups, int64_t row_start,
           double[:, :, ::1] heap_S_out, int64_t[:, :, ::1] heap_index_out, Py_ssize_t queries_per_job,
           Py_ssize_t n_refine, Py_ssize_t refine_every, Py_ssize_t list_capacity, uint8_t[:, ::1] scratch,
           int64_t[:, ::1] counts_out, int n_threads):
    """Offer to the heap of every query the rows of some panels of one chunk that its codes cannot rule out.

    A chunk may be searched in several calls, for panels in order. Rows that passed the screen then stay in the lists from
    one call to the next; the call with the last panel empties them.

    Parameters as in _kernels.search_pairwise, and
    levels : tuples (codes, width, starts, errors, panel_errors, per_unit, fine), coarse to fine; the first in panels
    query_levels : tuples (codes, norms, errors) of the queries
    first_panel, end_panel : range of panels; not clipped
    slack, margin : see Filter
    scratch : rows of scratch_bytes(...), one per job and set of heaps, as the call with the panels before these left it
    counts_out : (n_threads, 5), added to: pairs that passed the screen of the first level, pairs that entered each finer
        level, and, last, pairs whose S was computed
    """
    check_search(Q, fastcls_type_bytes[storage], X, fastcls_type_bytes[storage], query_groups, row_groups,
                 heap_S_out.shape[1], heap_index_out.shape[1], heap_S_out.shape[2], heap_index_out.shape[2],
                 heap_S_out.shape[0], scratch.shape[0], n_threads)
    cdef Filter filter
    cdef Heaps heaps, own
    cdef const uint8_t[:, ::1] codes, query_codes
    cdef const int32_t[::1] starts, norms
    cdef const float[::1] errors, panel_errors, query_errors
    cdef Jobs jobs
    cdef Py_ssize_t n_queries = Q.shape[0], job, n_panels, n_jobs, n_heap_sets, n_groups
    cdef bint begins, ends
    cdef int number
    if not 1 <= len(levels) <= 4 or len(query_levels) != len(levels):
        raise ValueError(f"{len(levels)} levels of rows and {len(query_levels)} of queries; wanted 1 to 4 of both")
    filter.n_levels = len(levels)
    for number in range(len(levels)):
        codes, width, starts, errors, panel_errors, per_unit, filter.levels[number].fine = levels[number]
        query_codes, norms, query_errors = query_levels[number]
        check_level(number, codes, width, errors, starts, panel_errors, query_codes, norms, query_errors, X.shape[0],
                    Q.shape[0], FASTCLS_PANEL_L1 if l1 else FASTCLS_PANEL_L2, l1, filter.levels[number].fine)
        filter.levels[number].codes = &codes[0, 0]
        filter.levels[number].width = width
        filter.levels[number].starts = &starts[0]
        filter.levels[number].errors = &errors[0]
        filter.levels[number].panel_errors = &panel_errors[0]
        filter.levels[number].query_codes = &query_codes[0, 0]
        filter.levels[number].query_norms = &norms[0]
        filter.levels[number].query_errors = &query_errors[0]
        filter.levels[number].per_unit = per_unit
    n_panels = levels[0][0].shape[0]
    filter.l1 = l1
    filter.cosine = cosine
    filter.slack = slack
    filter.margin = margin
    filter.kernels = filter_kernels()[0]
    filter.queries = &Q[0, 0]
    filter.rows = &X[0, 0]
    filter.row_bytes = X.shape[1]
    filter.n_features = X.shape[1] // fastcls_type_bytes[storage]
    filter.n_rows = X.shape[0]
    filter.pair = search_kernels().pairs[sum][storage]
    filter.query_norms = &query_norms[0] if query_norms.shape[0] > 0 else NULL
    filter.row_norms = &row_norms[0] if row_norms.shape[0] > 0 else NULL
    filter.zero_queries = &zero_queries[0] if zero_queries.shape[0] > 0 else NULL
    filter.n_refine = n_refine
    filter.refine_every = refine_every
    filter.list_capacity = list_capacity
    heaps.S = &heap_S_out[0, 0, 0]
    heaps.index = &heap_index_out[0, 0, 0]
    heaps.k = heap_S_out.shape[2]
    heaps.query_groups = &query_groups[0] if query_groups.shape[0] > 0 else NULL
    heaps.row_groups = &row_groups[0] if row_groups.shape[0] > 0 else NULL
    heaps.row_start = row_start
    n_heap_sets = heap_S_out.shape[0]
    jobs = Jobs(n_queries, queries_per_job, n_heap_sets, &scratch[0, 0], scratch.shape[1])
    n_jobs = (n_queries + queries_per_job - 1) // queries_per_job * n_heap_sets
    if not 1 <= refine_every <= list_capacity // 2:  # a refined list may still be half full, and must not overflow
        raise ValueError(f"lists of {list_capacity} entries that are refined after {refine_every}")
    if not 0 <= first_panel < end_panel <= n_panels:
        raise ValueError(f"panels {first_panel} to {end_panel} of {n_panels}")
    begins = first_panel == 0
    ends = end_panel == n_panels
    if scratch.shape[0] < n_jobs:
        raise ValueError(f"{scratch.shape[0]} rows of scratch for {n_jobs} jobs")
    if scratch.shape[1] < scratch_bytes(min(queries_per_job, n_queries), filter.levels[0].width, n_refine, list_capacity):
        raise ValueError(f"{scratch.shape[1]} bytes of scratch are too few")
    n_panels = end_panel - first_panel
    for job in prange(n_jobs, nogil=True, schedule="dynamic", num_threads=n_threads, chunksize=1):
        own = heaps_of(&heaps, &jobs, job)
        search_job(&filter, &own, first_query(&jobs, job), queries_of(&jobs, job),
                   first_panel + n_panels * (job % n_heap_sets) // n_heap_sets,
                   first_panel + n_panels * (job % n_heap_sets + 1) // n_heap_sets, begins, ends,
                   &scratch[job, 0], &counts_out[threadid(), 0])
    n_groups = min(<Py_ssize_t> n_threads, n_jobs) if ends else 0
    for job in prange(n_groups, nogil=True, schedule="static", num_threads=n_threads, chunksize=1):
        finish_jobs(&filter, &heaps, &jobs, n_jobs * job // n_groups, n_jobs * (job + 1) // n_groups,
                    &counts_out[threadid(), 0])
