/* Rows of few features: eight queries, one per lane, against one row after another, with the k best of each query kept sorted.
   There are no reductions across lanes, and no branches on a single pair. Included once per instruction set, after these are
   defined:

     ISA                                     its name
     VALUES, NUMBERS, MASK, WIDTH            registers of WIDTH float64 and WIDTH int64; the result of a comparison
     LOAD_V(p), STORE_V(p, v), SET_V(x)      float64
     LOAD_N(p), STORE_N(p, v), SET_N(x)      int64
     ADD_V, SUB_V, MUL_V, ABS_V              each operation rounded, never fused
     LESS(a, b), NOT_EQUAL(a, b)             of float64; of int64
     ANY(m), PICK_V(m, a, b), PICK_N         whether any lane is set; a in the lanes that are set, else b

   The lists are [k][8], nearest first, and rows arrive in index order. So a new row goes after all rows of equal S, and the order
   is (S, training index). S is in the reference arithmetic: feature i is added in lane i mod 8 of the *reference* (here: one
   register per lane), in the same order for every pair, and the lanes are folded as everywhere. Lanes without a feature are
   omitted: they would add +0, which does not change a sum of terms that are never -0. */
#define LOW_DIMENSIONAL(NAME) FASTCLS_JOIN(NAME, ISA)

#if defined(__GNUC__)
#define FOR_CONSTANTS static inline __attribute__((always_inline))
#else
#define FOR_CONSTANTS static inline
#endif

FOR_CONSTANTS VALUES LOW_DIMENSIONAL(low_dimensional_sum)(const double *queries, const double *row, ptrdiff_t d, int sum) {
    VALUES lane[8];
    for (int i = 0; i < 8; i++)
        lane[i] = SET_V(0.0);
    for (ptrdiff_t i = 0; i < d; i++) {
        const VALUES difference = SUB_V(LOAD_V(queries + 8 * i), SET_V(row[i]));
        const VALUES term = sum == FASTCLS_L1 ? ABS_V(difference) : MUL_V(difference, difference);
        lane[i % 8] = i < 8 ? term : ADD_V(lane[i % 8], term);
    }
    VALUES even = d > 4 ? ADD_V(lane[0], lane[4]) : lane[0];
    if (d > 2)
        even = ADD_V(even, d > 6 ? ADD_V(lane[2], lane[6]) : lane[2]);
    if (d == 1)
        return even;
    VALUES odd = d > 5 ? ADD_V(lane[1], lane[5]) : lane[1];
    if (d > 3)
        odd = ADD_V(odd, d > 7 ? ADD_V(lane[3], lane[7]) : lane[3]);
    return ADD_V(even, odd);
}

/* Insert s at its place in each list that it belongs to. */
FOR_CONSTANTS void LOW_DIMENSIONAL(low_dimensional_insert)(VALUES s, NUMBERS row, ptrdiff_t k, double *S, int64_t *index) {
    VALUES S_here = LOAD_V(S + 8 * (k - 1));
    NUMBERS index_here;
    MASK before_here = LESS(s, S_here);
    for (ptrdiff_t place = k - 1; place > 0; place--) {
        const VALUES S_above = LOAD_V(S + 8 * (place - 1));
        const NUMBERS index_above = LOAD_N(index + 8 * (place - 1));
        const MASK before_above = LESS(s, S_above);
        index_here = LOAD_N(index + 8 * place);
        STORE_V(S + 8 * place, PICK_V(before_here, PICK_V(before_above, S_above, s), S_here));
        STORE_N(index + 8 * place, PICK_N(before_here, PICK_N(before_above, index_above, row), index_here));
        S_here = S_above;
        before_here = before_above;
        if (place % 8 == 0 && !ANY(before_here)) /* rarely tested: a mispredicted branch costs more than a few places */
            return;
    }
    STORE_V(S, PICK_V(before_here, s, S_here));
    STORE_N(index, PICK_N(before_here, row, LOAD_N(index)));
}

/* The sum of one row and the queries of a register; infinite if the row belongs to the query's own group. */
FOR_CONSTANTS VALUES LOW_DIMENSIONAL(low_dimensional_seen)(const double *queries, const double *row, ptrdiff_t d, int sum,
                                         const int64_t *query_groups, const int64_t *row_group) {
    const VALUES s = LOW_DIMENSIONAL(low_dimensional_sum)(queries, row, d, sum);
    return query_groups ? PICK_V(NOT_EQUAL(LOAD_N(query_groups), SET_N(*row_group)), s, SET_V(INFINITY)) : s;
}

/* Lists of up to eight neighbours stay in registers while all rows are offered: each place in memory would cost four cycles of
   stores (AVX-512, Zen 4). The lists end at place 7; unused places at the front are -infinity, which no row comes before. */
#define PLACES(F) F(7, 6) F(6, 5) F(5, 4) F(4, 3) F(3, 2) F(2, 1) F(1, 0)
#define FETCH(p, unused)                                                                                                 \
    VALUES S_##p = p < 8 - k ? SET_V(-INFINITY) : LOAD_V(S + 8 * (p + k - 8));                                           \
    NUMBERS index_##p = LOAD_N(index + 8 * (p < 8 - k ? 0 : p + k - 8));
#define COMPARE(p, unused) const MASK before_##p = LESS(s, S_##p);
#define MOVE(p, above)                                                                                                   \
    S_##p = PICK_V(before_##p, PICK_V(before_##above, S_##above, s), S_##p);                                             \
    index_##p = PICK_N(before_##p, PICK_N(before_##above, index_##above, here), index_##p);
#define KEEP(p, unused)                                                                                                  \
    if (p >= 8 - k) {                                                                                                    \
        STORE_V(S + 8 * (p + k - 8), S_##p);                                                                             \
        STORE_N(index + 8 * (p + k - 8), index_##p);                                                                     \
    }
FOR_CONSTANTS void LOW_DIMENSIONAL(low_dimensional_few)(const double *queries, const double *rows, ptrdiff_t n_rows,
                                                        ptrdiff_t d, int sum, const int64_t *query_groups,
                                                        const int64_t *row_groups, int64_t first_index, ptrdiff_t k,
                                                        double *S, int64_t *index) {
    PLACES(FETCH)
    FETCH(0, 0)
    for (ptrdiff_t row = 0; row < n_rows; row++) {
        const VALUES s =
            LOW_DIMENSIONAL(low_dimensional_seen)(queries, rows + row * d, d, sum, query_groups, row_groups + row);
        COMPARE(7, 6)
        if (ANY(before_7)) {
            const NUMBERS here = SET_N(first_index + row);
            COMPARE(6, 5) COMPARE(5, 4) COMPARE(4, 3) COMPARE(3, 2) COMPARE(2, 1) COMPARE(1, 0) COMPARE(0, 0)
            PLACES(MOVE)
            S_0 = PICK_V(before_0, s, S_0);
            index_0 = PICK_N(before_0, here, index_0);
        }
    }
    PLACES(KEEP)
    KEEP(0, 0)
}
#undef PLACES
#undef FETCH
#undef COMPARE
#undef MOVE
#undef KEEP

FOR_CONSTANTS void LOW_DIMENSIONAL(low_dimensional_rows)(const double *queries, const double *rows, ptrdiff_t n_rows,
                                                         ptrdiff_t d, int sum, const int64_t *query_groups,
                                                         const int64_t *row_groups, int64_t first_index, ptrdiff_t k,
                                                         double *S, int64_t *index) {
    for (int part = 0; part < 8; part += WIDTH) {
        const int64_t *groups = query_groups ? query_groups + part : NULL;
        if (k <= 8) {
            LOW_DIMENSIONAL(low_dimensional_few)(queries + part, rows, n_rows, d, sum, groups, row_groups, first_index, k,
                                                 S + part, index + part);
            continue;
        }
        for (ptrdiff_t row = 0; row < n_rows; row++) {
            const VALUES s =
                LOW_DIMENSIONAL(low_dimensional_seen)(queries + part, rows + row * d, d, sum, groups, row_groups + row);
            if (ANY(LESS(s, LOAD_V(S + 8 * (k - 1) + part))))
                LOW_DIMENSIONAL(low_dimensional_insert)(s, SET_N(first_index + row), k, S + part, index + part);
        }
    }
}

static void LOW_DIMENSIONAL(low_dimensional)(const double *queries, const double *rows, ptrdiff_t n_rows, ptrdiff_t d,
                                             int sum, const int64_t *query_groups, const int64_t *row_groups,
                                             int64_t first_index, ptrdiff_t k, double *S, int64_t *index) {
#define WITH(D, SUM)                                                                                                     \
    LOW_DIMENSIONAL(low_dimensional_rows)(queries, rows, n_rows, D, SUM, query_groups, row_groups, first_index, k, S, index)
    if (d == 2 && sum == FASTCLS_L1)
        WITH(2, FASTCLS_L1);
    else if (d == 2)
        WITH(2, FASTCLS_SQL2);
    else if (d == 3 && sum == FASTCLS_L1)
        WITH(3, FASTCLS_L1);
    else if (d == 3)
        WITH(3, FASTCLS_SQL2);
    else if (sum == FASTCLS_L1)
        WITH(d, FASTCLS_L1);
    else
        WITH(d, FASTCLS_SQL2);
#undef WITH
}

#undef LOW_DIMENSIONAL
#undef FOR_CONSTANTS
#undef VALUES
#undef NUMBERS
#undef MASK
#undef WIDTH
#undef LOAD_V
#undef STORE_V
#undef SET_V
#undef LOAD_N
#undef STORE_N
#undef SET_N
#undef ADD_V
#undef SUB_V
#undef MUL_V
#undef ABS_V
#undef LESS
#undef NOT_EQUAL
#undef ANY
#undef PICK_V
#undef PICK_N
