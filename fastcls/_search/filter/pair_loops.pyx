"""Typed parallel loops of a filtered search of rows among themselves: every unordered pair is screened once.

Inputs are not checked, as in _kernels.pyx. Two *blocks* of rows are searched with each other: a pair that the codes cannot
rule out for the one row or for the other gets its S, which is offered to the heaps of both. S of a pair does not depend on
which row is called the query (``search/scalar.h``), nor does the gap between their codes. The blocks that one call searches
have no row in common, so no two threads write to one heap.

The first level's codes are in an order of their own, that of *places*; ``order`` has the row of every place. Everything else
is in the order of the rows. The bounds are those of ``filter_loops.pyx`` (docs/filter.md). The *reach* of a row is the
largest distance that its k-th smallest S so far allows: its threshold at a level is the reach in code units.
"""

from cython.parallel cimport prange, threadid

from libc.math cimport INFINITY
from libc.stdint cimport INT32_MAX, INT32_MIN, int32_t, int64_t, uint8_t
from libc.string cimport memset

from fastcls._search.filter.lists cimport COMPUTED
from fastcls._search.filter.pair_lists cimport (
    BATCH, NO_ROW, WIDEST, Codes, Pairs, Scratch, bound_all, exact, heapify, keep_near, keys_at, lay_out, lowest_of, may_see,
    offer_to, pack_six, query_limits, reach_of, refine, row_limit, take_lowest, to_rows)
from fastcls._simd.isas cimport List, both_fn, filter_kernels, screen_fn, search_kernels

cdef extern from "filter/contract.h" nogil:
    enum:
        FASTCLS_PANEL_L1
        FASTCLS_PANEL_L2
        FASTCLS_NEVER

cdef extern from "search/scalar.h" nogil:
    Py_ssize_t fastcls_type_bytes[6]


def scratch_bytes(Py_ssize_t n_places, Py_ssize_t leaf_rows, Py_ssize_t width, Py_ssize_t k):
    """Bytes of scratch that one thread needs: blocks of up to `n_places` places, leaves of up to `leaf_rows`."""
    cdef Scratch unused
    return lay_out(n_places, leaf_rows, width, k, NULL, &unused)


cdef void search_two(const Pairs *pairs, Py_ssize_t first_a, Py_ssize_t end_a, Py_ssize_t first_b, Py_ssize_t end_b,
                     Scratch *scratch) noexcept nogil:
    """Search two blocks of places with each other; both begin at a panel, and end with one or with the rows."""
    cdef const Codes *level = &pairs.levels[0]
    cdef Py_ssize_t panel_rows = FASTCLS_PANEL_L1 if pairs.l1 else FASTCLS_PANEL_L2
    cdef Py_ssize_t panel_bytes = level.width * panel_rows, n_steps = level.width // (8 if pairs.l1 else 4)
    cdef Py_ssize_t a, place, i, group, n_groups, batch
    cdef both_fn screen = pairs.kernels.both_l1 if pairs.l1 else pairs.kernels.both_l2
    cdef double thresholds[BATCH]  # of the queries, with their own errors
    cdef double norms[BATCH]
    cdef int32_t limits[BATCH]
    cdef int32_t halves[BATCH]
    cdef double error = -INFINITY
    cdef List *found
    for place in range(first_a // panel_rows, (end_a + panel_rows - 1) // panel_rows):
        error = max(error, pairs.panel_errors[place])
    for place in range(first_b, end_b):
        scratch.row_limits[place - first_b] = row_limit(pairs, pairs.order[place], level.errors[place] + error)
    for place in range(end_b - first_b, (end_b - first_b + panel_rows - 1) // panel_rows * panel_rows):  # padding
        scratch.row_limits[place] = -1 if pairs.l1 else FASTCLS_NEVER
    a = first_a
    while a < end_a:
        batch = min(<Py_ssize_t> BATCH, end_a - a)
        n_groups = (batch + 5) // 6
        for group in range(n_groups):
            pack_six(pairs, a + group * 6, min(<Py_ssize_t> 6, batch - group * 6), scratch.queries + group * 6 * level.width)
        for i in range(n_groups * 6):
            scratch.lists[i].n = 0
            thresholds[i], norms[i], halves[i] = NO_ROW if pairs.l1 else 0.0, -2.0 * NO_ROW, 0
        for i in range(batch):
            thresholds[i] = pairs.reach[pairs.order[a + i]] * level.per_unit + level.errors[a + i]
            if not pairs.l1:
                norms[i], halves[i] = level.norms[a + i], level.norms[a + i] >> 1
        place = first_b
        while place < end_b:
            query_limits(pairs, thresholds, norms, pairs.panel_errors[place // panel_rows], n_groups * 6, limits)
            for group in range(n_groups):
                screen(scratch.queries + group * 6 * level.width, level.codes + place // panel_rows * panel_bytes, n_steps,
                       level.starts + place, limits + group * 6, halves + group * 6, scratch.row_limits + place - first_b,
                       <int32_t> place, scratch.lists + group * 6)
            place += panel_rows
        for i in range(batch):
            found = &scratch.lists[i]
            if found.n == 0:
                continue
            bound_all(pairs, 0, a + i, found, scratch.bounds)
            to_rows(pairs, found, scratch.bounds)
            scratch.counts[0] += found.n
            keep_near(pairs, 0, pairs.order[a + i], found, scratch.bounds)
            refine(pairs, pairs.order[a + i], found, error, first_b, scratch)
        a += batch


cdef inline bint is_computed(const uint8_t *computed, Py_ssize_t row_bytes, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return computed[a * row_bytes + (b >> 3)] >> (b & 7) & 1


cdef void compute_own(const Pairs *pairs, Py_ssize_t a, Py_ssize_t b, Py_ssize_t first, Py_ssize_t row_bytes,
                      Scratch *scratch) noexcept nogil:
    """S of two rows of a leaf, unless it is computed, offered to both."""
    cdef Py_ssize_t at_a = pairs.places[a] - first, at_b = pairs.places[b] - first
    cdef double S, reach
    if is_computed(scratch.computed, row_bytes, at_a, at_b):
        return
    scratch.computed[at_a * row_bytes + (at_b >> 3)] |= <uint8_t> (1 << (at_b & 7))
    scratch.computed[at_b * row_bytes + (at_a >> 3)] |= <uint8_t> (1 << (at_a & 7))
    scratch.counts[COMPUTED] += 1
    S = exact(pairs, a, b)
    reach = reach_of(pairs, S)
    offer_to(pairs, a, S, reach, b)
    offer_to(pairs, b, S, reach, a)


cdef void search_own(const Pairs *pairs, Py_ssize_t first, Py_ssize_t end, Scratch *scratch) noexcept nogil:
    """Search the places of a leaf among themselves.

    Each row in its turn sees all others; S that was computed in the turn of the other row is not computed again. A row whose
    heap is not full begins with its k + 2 rows of lowest bound.
    """
    cdef const Codes *level = &pairs.levels[0]
    cdef Py_ssize_t panel_rows = FASTCLS_PANEL_L1 if pairs.l1 else FASTCLS_PANEL_L2
    cdef Py_ssize_t panel_bytes = level.width * panel_rows, n_steps = level.width // (8 if pairs.l1 else 4)
    cdef Py_ssize_t a, place, i, n, group, n_groups, batch, row_bytes = (end - first + 7) // 8, n_lowest
    cdef screen_fn screen = pairs.kernels.screen_l1 if pairs.l1 else pairs.kernels.screen_l2
    cdef int32_t limits[6]
    cdef int32_t b, row
    cdef int number
    cdef float *bounds = scratch.bounds
    cdef List *found
    cdef double per_unit = 0.0, S
    memset(scratch.computed, 0, (end - first) * row_bytes)
    for i in range(6):
        limits[i] = INT32_MAX if pairs.l1 else INT32_MIN
    a = first
    while a < end:
        batch = min(<Py_ssize_t> BATCH, end - a)
        n_groups = (batch + 5) // 6
        for group in range(n_groups):
            pack_six(pairs, a + group * 6, min(<Py_ssize_t> 6, batch - group * 6), scratch.queries + group * 6 * level.width)
        for i in range(n_groups * 6):
            scratch.lists[i].n = 0
        place = first
        while place < end:
            for group in range(n_groups):
                screen(scratch.queries + group * 6 * level.width, level.codes + place // panel_rows * panel_bytes, n_steps,
                       level.starts + place, limits, <int32_t> place, scratch.lists + group * 6)
            place += panel_rows
        for i in range(batch):
            found = &scratch.lists[i]
            row = pairs.order[a + i]
            bound_all(pairs, 0, a + i, found, bounds)
            to_rows(pairs, found, bounds)
            if pairs.with_self:
                scratch.counts[COMPUTED] += 1
                S = exact(pairs, row, row)
                offer_to(pairs, row, S, reach_of(pairs, S), row)
            if not pairs.reach[row] < INFINITY:
                n_lowest = lowest_of(pairs, row, found, bounds, scratch)
                for n in range(n_lowest):
                    compute_own(pairs, row, scratch.lowest_rows[n], first, row_bytes, scratch)
            for number in range(pairs.n_levels):
                if number > 0:
                    keys_at(pairs, number, row, found, scratch.query_code)
                    bound_all(pairs, number, row, found, bounds)
                    scratch.counts[number] += found.n
                per_unit = pairs.levels[number].per_unit
                n = 0
                for group in range(found.n):
                    b = found.rows[group]
                    found.rows[n] = b
                    bounds[n] = bounds[group]
                    n += (not bounds[group] > pairs.reach[row] * per_unit and may_see(pairs, row, b)
                          and not is_computed(scratch.computed, row_bytes, a + i - first, pairs.places[b] - first))
                found.n = n
                if n == 0:
                    break
            heapify(bounds, found)
            while found.n > 0 and not bounds[0] > pairs.reach[row] * per_unit:
                compute_own(pairs, row, take_lowest(bounds, found), first, row_bytes, scratch)
        a += batch


cdef void search_blocks(const Pairs *pairs, Py_ssize_t first_panel, Py_ssize_t end_panel, Py_ssize_t other_panel,
                        Py_ssize_t other_end, Py_ssize_t n_scratch, uint8_t *base, int64_t *counts) noexcept nogil:
    """Search two blocks of panels with each other, or one among itself: its leaves, then these with each other."""
    cdef Scratch scratch
    cdef Py_ssize_t panel_rows = FASTCLS_PANEL_L1 if pairs.l1 else FASTCLS_PANEL_L2
    cdef Py_ssize_t first = first_panel * panel_rows, end = min(end_panel * panel_rows, pairs.n_rows)
    cdef Py_ssize_t n_leaves = 1, apart, i, first_a, end_a, first_b, end_b
    lay_out(n_scratch, pairs.leaf_rows, pairs.levels[0].width, pairs.k, base, &scratch)
    scratch.counts = counts
    if first_panel != other_panel:
        search_two(pairs, first, end, other_panel * panel_rows, min(other_end * panel_rows, pairs.n_rows), &scratch)
        return
    while leaf(first_panel, end_panel, n_leaves, 1) * panel_rows - first > pairs.leaf_rows:
        n_leaves *= 2
    for apart in range(n_leaves):
        for i in range(n_leaves):
            first_a = leaf(first_panel, end_panel, n_leaves, i) * panel_rows
            end_a = min(end, leaf(first_panel, end_panel, n_leaves, i + 1) * panel_rows)
            first_b = leaf(first_panel, end_panel, n_leaves, i ^ apart) * panel_rows
            end_b = min(end, leaf(first_panel, end_panel, n_leaves, (i ^ apart) + 1) * panel_rows)
            if i > i ^ apart or first_a >= end_a or first_b >= end_b:  # there may be more leaves than panels
                continue
            if apart == 0:
                search_own(pairs, first_a, end_a, &scratch)
            else:
                search_two(pairs, first_a, end_a, first_b, end_b, &scratch)


cdef inline Py_ssize_t leaf(Py_ssize_t first_panel, Py_ssize_t end_panel, Py_ssize_t n_leaves, Py_ssize_t i) noexcept nogil:
    """The first panel of a leaf; panels are divided as evenly as possible, larger parts first."""
    return first_panel + ((end_panel - first_panel) * i + n_leaves - 1) // n_leaves


cdef int fill_level(Codes *level, int number, tuple given, Py_ssize_t n, bint l1) except -1:
    """A level (codes, width, starts, norms, errors, per_unit, fine) of n rows, checked."""
    cdef const uint8_t[:, ::1] codes
    cdef const int32_t[::1] starts, norms
    cdef const float[::1] errors
    cdef Py_ssize_t panel_rows = FASTCLS_PANEL_L1 if l1 else FASTCLS_PANEL_L2
    codes, level.width, starts, norms, errors, level.per_unit, level.fine = given
    cdef Py_ssize_t height = codes.shape[0] * panel_rows if number == 0 else codes.shape[0]
    cdef bint fits = 0 < level.width <= WIDEST and height >= n and errors.shape[0] >= (height if number == 0 else n)
    if number == 0:
        fits = fits and not level.fine and codes.shape[1] == level.width * panel_rows and level.width % (8 if l1 else 4) == 0
    else:
        fits = fits and codes.shape[1] == level.width and not (level.fine and level.width % 64)
    if not l1 and not level.fine:
        fits = fits and starts.shape[0] >= (height if number == 0 else n) and norms.shape[0] >= n
    if not fits:
        raise ValueError(f"level {number} has codes that are not of {n} rows")
    level.per_unit *= 1.0 + 2.0 ** -20
    level.codes = &codes[0, 0]
    level.starts = &starts[0] if starts.shape[0] else NULL
    level.norms = &norms[0] if norms.shape[0] else NULL
    level.errors = &errors[0]
    return 0


cdef int check_blocks(const int64_t[:, ::1] blocks, int64_t[::1] taken, const int32_t[::1] order,
                      const int32_t[::1] places, Py_ssize_t panel_rows) except -1:
    """Check that blocks are panels of these rows, that no panel is in two of them, and that places and rows agree."""
    cdef Py_ssize_t i, side, panel, place, n = order.shape[0], n_panels = (n + panel_rows - 1) // panel_rows
    if blocks.shape[1] != 4 or taken.shape[0] < n_panels:
        raise ValueError(f"blocks of {blocks.shape[1]} numbers, marks of {taken.shape[0]} panels for {n_panels}")
    taken[:n_panels] = 0
    for i in range(blocks.shape[0]):
        for side in range(2):
            if not 0 <= blocks[i, 2 * side] < blocks[i, 2 * side + 1] <= n_panels:
                raise ValueError(f"a block of panels {blocks[i, 2 * side]} to {blocks[i, 2 * side + 1]} of {n_panels}")
            if side == 1 and blocks[i, 0] == blocks[i, 2] and blocks[i, 1] == blocks[i, 3]:
                continue  # one block, searched among itself
            for panel in range(blocks[i, 2 * side], blocks[i, 2 * side + 1]):
                if taken[panel]:
                    raise ValueError(f"panel {panel} is in two blocks")
                taken[panel] = 1
                for place in range(panel * panel_rows, min(n, (panel + 1) * panel_rows)):
                    if not 0 <= order[place] < n or places[order[place]] != place:
                        raise ValueError(f"place {place} has row {order[place]}")
    return 0


def search(const uint8_t[:, ::1] X, int storage, int sum, list levels, const float[::1] panel_errors,
           const int32_t[::1] order, const int32_t[::1] places, const int64_t[:, ::1] blocks, Py_ssize_t leaf_rows, bint l1,
           bint cosine, double slack, double margin, const double[::1] norms, const uint8_t[::1] zeros,
           const int64_t[::1] groups, bint with_self, double[::1] reach_out, double[:, ::1] heap_S_out,
           int64_t[:, ::1] heap_index_out, int64_t[::1] taken, uint8_t[:, ::1] scratch, int64_t[:, ::1] counts_out,
           int n_threads):
    """Offer to each other the rows of some pairs of blocks.

    Parameters
    ----------
    X, storage, sum : rows, and positions of their type and of the sum in the tables of the kernels
    levels : as of `fill_level`, coarse to fine; the first in panels, in the order of places
    panel_errors : of the first level
    order, places : the row of every place, and the place of every row
    blocks : (n_pairs, 4), first and end panel of the one block and of the other; twice the same block: among itself
    leaf_rows : at least a panel
    slack, margin : see lists.pxd
    norms, zeros : of cosine; else of length 0
    groups : rows of one group never see each other; of length 0 without groups
    with_self : whether every row is offered to itself, when its block is searched among itself
    reach_out : (n_rows,), from one call to the next; at first infinity
    heap_S_out, heap_index_out : (n_rows, k)
    taken : (n_panels,), scratch
    scratch : (n_threads, scratch_bytes(...))
    counts_out : (n_threads, 5), added to, as of filter_loops.search
    """
    cdef Pairs pairs
    cdef Py_ssize_t n = X.shape[0], i, n_pairs = blocks.shape[0], widest = 0
    cdef Py_ssize_t panel_rows = FASTCLS_PANEL_L1 if l1 else FASTCLS_PANEL_L2
    cdef int number
    if not 1 <= len(levels) <= 4:
        raise ValueError(f"{len(levels)} levels; wanted 1 to 4")
    if X.shape[1] < 1 or X.shape[1] % fastcls_type_bytes[storage]:
        raise ValueError(f"rows of {X.shape[1]} bytes")
    if heap_S_out.shape[0] != n or heap_index_out.shape[0] != n or reach_out.shape[0] != n:
        raise ValueError(f"{heap_S_out.shape[0]} heaps for {n} rows")
    if heap_S_out.shape[1] != heap_index_out.shape[1] or heap_S_out.shape[1] < 1:
        raise ValueError(f"heaps of {heap_S_out.shape[1]} and {heap_index_out.shape[1]} neighbours")
    if cosine and (norms.shape[0] != n or zeros.shape[0] != n):
        raise ValueError(f"norms of {norms.shape[0]} and {zeros.shape[0]} rows for {n}")
    if groups.shape[0] and groups.shape[0] != n:
        raise ValueError(f"groups of {groups.shape[0]} rows for {n}")
    pairs.n_levels = len(levels)
    for number in range(len(levels)):
        fill_level(&pairs.levels[number], number, levels[number], n, l1)
    if panel_errors.shape[0] != levels[0][0].shape[0]:
        raise ValueError(f"errors of {panel_errors.shape[0]} panels for {levels[0][0].shape[0]}")
    if order.shape[0] != n or places.shape[0] != n:
        raise ValueError(f"an order of {order.shape[0]} and {places.shape[0]} rows for {n}")
    check_blocks(blocks, taken, order, places, panel_rows)
    for i in range(n_pairs):
        widest = max(widest, blocks[i, 1] - blocks[i, 0], blocks[i, 3] - blocks[i, 2])
    if leaf_rows < panel_rows:
        raise ValueError(f"leaves of {leaf_rows} rows, and panels of {panel_rows}")
    if n_threads < 1 or scratch.shape[0] < n_threads or counts_out.shape[0] < n_threads or counts_out.shape[1] < 5:
        raise ValueError(f"scratch of {scratch.shape[0]} threads for {n_threads}")
    if scratch.shape[1] < scratch_bytes(widest * panel_rows, leaf_rows, pairs.levels[0].width, heap_S_out.shape[1]):
        raise ValueError(f"{scratch.shape[1]} bytes of scratch are too few")
    pairs.panel_errors = &panel_errors[0]
    pairs.order = &order[0]
    pairs.places = &places[0]
    pairs.l1 = l1
    pairs.cosine = cosine
    pairs.slack = slack
    pairs.margin = margin
    pairs.kernels = filter_kernels()[0]
    pairs.pair = search_kernels().pairs[sum][storage]
    pairs.rows = &X[0, 0]
    pairs.row_bytes = X.shape[1]
    pairs.n_features = X.shape[1] // fastcls_type_bytes[storage]
    pairs.n_rows = n
    pairs.norms = &norms[0] if norms.shape[0] else NULL
    pairs.zeros = &zeros[0] if zeros.shape[0] else NULL
    pairs.groups = &groups[0] if groups.shape[0] else NULL
    pairs.with_self = with_self
    pairs.reach = &reach_out[0]
    pairs.S = &heap_S_out[0, 0]
    pairs.index = &heap_index_out[0, 0]
    pairs.k = heap_S_out.shape[1]
    pairs.leaf_rows = leaf_rows
    for i in prange(n_pairs, nogil=True, schedule="dynamic", num_threads=n_threads, chunksize=1):
        search_blocks(&pairs, blocks[i, 0], blocks[i, 1], blocks[i, 2], blocks[i, 3], widest * panel_rows,
                      &scratch[threadid(), 0], &counts_out[threadid(), 0])
