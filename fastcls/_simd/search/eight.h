/* Sums of eight queries, one per lane, with one row after another: the reference arithmetic for all pairs, when no bound can
   discard any. Included once per instruction set, before low_dimensional.h, with the same definitions.

   Feature i is added to accumulator i mod 8, which is a lane of the *reference*, and the accumulators are folded as everywhere.
   The eight accumulators are independent chains of additions, and nothing is reduced across the lanes of a register; the sum of
   a single pair (float_pairs.h) is one chain. With 32 registers (eight queries fill one), three rows share the loads of the
   queries, which come from the L2 cache. */
#if defined(__GNUC__)
#define ALWAYS static inline __attribute__((always_inline))
#else
#define ALWAYS static inline
#endif
#define EIGHT(NAME) FASTCLS_JOIN(NAME, ISA)
#define EACH_LANE(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)

ALWAYS VALUES EIGHT(eight_term)(VALUES query, VALUES value, int sum) {
    if (sum == FASTCLS_DOT)
        return MUL_V(query, value);
    const VALUES difference = SUB_V(query, value);
    return sum == FASTCLS_L1 ? ABS_V(difference) : MUL_V(difference, difference);
}

#define START(i) VALUES a_##i = SET_V(0.0), b_##i = SET_V(0.0), c_##i = SET_V(0.0);
#define ADD(i)                                                                                                           \
    if (all || i < rest) {                                                                                               \
        const VALUES query = LOAD_V(queries + 8 * (feature + i));                                                        \
        a_##i = ADD_V(a_##i, EIGHT(eight_term)(query, SET_V(row[feature + i]), sum));                                    \
        if (three) {                                                                                                     \
            b_##i = ADD_V(b_##i, EIGHT(eight_term)(query, SET_V(row[d + feature + i]), sum));                            \
            c_##i = ADD_V(c_##i, EIGHT(eight_term)(query, SET_V(row[2 * d + feature + i]), sum));                        \
        }                                                                                                                \
    }
#define FOLD(x)                                                                                                          \
    ADD_V(ADD_V(ADD_V(x##_0, x##_4), ADD_V(x##_2, x##_6)), ADD_V(ADD_V(x##_1, x##_5), ADD_V(x##_3, x##_7)))

/* One row, or three, with the queries of one register. */
ALWAYS void EIGHT(eight_rows)(const double *queries, const double *row, ptrdiff_t d, int sum, int three, double *sums_out) {
    EACH_LANE(START)
    ptrdiff_t feature = 0;
    {
        const int all = 1, rest = 8;
        for (; feature + 8 <= d; feature += 8) {
            EACH_LANE(ADD)
        }
    }
    {
        const int all = 0;
        const ptrdiff_t rest = d - feature;
        EACH_LANE(ADD)
    }
    STORE_V(sums_out, FOLD(a));
    if (three) {
        STORE_V(sums_out + 8, FOLD(b));
        STORE_V(sums_out + 16, FOLD(c));
    }
}

ALWAYS void EIGHT(eight_of)(const double *queries, const double *rows, ptrdiff_t n_rows, ptrdiff_t d, int sum,
                            double *sums_out) {
    for (int part = 0; part < 8; part += WIDTH) {
        ptrdiff_t row = 0;
        if (WIDTH == 8)
            for (; row + 3 <= n_rows; row += 3)
                EIGHT(eight_rows)(queries + part, rows + row * d, d, sum, 1, sums_out + 8 * row + part);
        for (; row < n_rows; row++)
            EIGHT(eight_rows)(queries + part, rows + row * d, d, sum, 0, sums_out + 8 * row + part);
    }
}

static void EIGHT(eight)(const double *queries, const double *rows, ptrdiff_t n_rows, ptrdiff_t d, int sum,
                         double *sums_out) {
    if (sum == FASTCLS_L1)
        EIGHT(eight_of)(queries, rows, n_rows, d, FASTCLS_L1, sums_out);
    else if (sum == FASTCLS_SQL2)
        EIGHT(eight_of)(queries, rows, n_rows, d, FASTCLS_SQL2, sums_out);
    else
        EIGHT(eight_of)(queries, rows, n_rows, d, FASTCLS_DOT, sums_out);
}

#undef ALWAYS
#undef EIGHT
#undef EACH_LANE
#undef START
#undef ADD
#undef FOLD
