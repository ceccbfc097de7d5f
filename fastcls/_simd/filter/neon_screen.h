/* The loop of a screen on NEON, with and without dot products. Included once per kernel, after these are defined:

     KERNEL             the function's name, a fastcls_screen_fn
     BOTH               six queries: the name of its twin, a fastcls_screen_both_fn
     L1                 1, or 0 for L2
     TILE_QUERIES       6 or 1
     TILE_UNITS         2, 4 or 8; a unit is four rows: two registers of rows under L1, one under L2
     MOST_STEPS         steps before a sum may overflow
     SUMS, ZERO()       sums of one query with a unit
     STEP(a, i, r)      the sums a after one more step of query i and the rows r
     ADD(k, a, b)       the keys k with the sums a, and under L2 the sums b
     BASE(a, r)         L2: the sums b after one more step: what the keys of all queries need
     QUERIES(p)         L2: declares what STEP needs of one step of all queries
     QUERY(p, i)        declares what STEP needs of query i

   The sums of a tile are variables with names of their own: see ../search/tile.h. Most tiles have no row that passes, and then
   nothing is written. */
#if L1
#define STEP_BYTES 8
#define UNIT_BYTES 32
#define PANEL_BYTES (FASTCLS_PANEL_L1 * 8)
#define ROWS rows_l1_neon
#define LOAD load_l1_neon
#define START(p) vdupq_n_s32(0)
#define TEST vcleq_s32
#define LIMIT_OF_ROWS(i, u) vld1q_s32(row_limits + 4 * (u))
#else
#define STEP_BYTES 4
#define UNIT_BYTES 16
#define PANEL_BYTES (FASTCLS_PANEL_L2 * 4)
#define ROWS int8x16_t
#define LOAD load_i8x16_neon
#define START vld1q_s32
#define TEST vcgeq_s32
#define LIMIT_OF_ROWS(i, u) vaddq_s32(vld1q_s32(row_limits + 4 * (u)), vld1q_dup_s32(halves + (i)))
#endif
/* gcc 12 would load everything first, and have too few registers for the sums of six queries. */
#if TILE_QUERIES == 6
#define IN_ORDER __asm__ volatile("" ::: "memory");
#define EACH_QUERY(F) F(0) F(1) F(2) F(3) F(4) F(5)
#define EACH_QUERY_WITH(F, u) F(0, u) F(1, u) F(2, u) F(3, u) F(4, u) F(5, u)
#else
#define IN_ORDER
#define EACH_QUERY(F) F(0)
#define EACH_QUERY_WITH(F, u) F(0, u)
#endif
#if TILE_UNITS == 2
#define EACH_UNIT(F, i) F(i, 0) F(i, 1)
#define ANY_UNIT(F) ANY(vorrq_u32(F(0), F(1)))
#elif TILE_UNITS == 4
#define EACH_UNIT(F, i) F(i, 0) F(i, 1) F(i, 2) F(i, 3)
#define ANY_UNIT(F) ANY(vorrq_u32(vorrq_u32(F(0), F(1)), vorrq_u32(F(2), F(3))))
#else
#define EACH_UNIT(F, i) F(i, 0) F(i, 1) F(i, 2) F(i, 3) F(i, 4) F(i, 5) F(i, 6) F(i, 7)
#define ANY_UNIT(F)                                                                                                      \
    ANY(vorrq_u32(vorrq_u32(vorrq_u32(F(0), F(1)), vorrq_u32(F(2), F(3))),                                               \
                  vorrq_u32(vorrq_u32(F(4), F(5)), vorrq_u32(F(6), F(7)))))
#endif
#define ANY(passed) vmaxvq_u32(passed) != 0
#define START_UNIT(i, u) int32x4_t keys_##i##_##u = START(starts + 4 * (u));
#define START_QUERY(i) EACH_UNIT(START_UNIT, i)
#define ZERO_UNIT(i, u) SUMS sums_##i##_##u = ZERO();
#define ZERO_QUERY(i) EACH_UNIT(ZERO_UNIT, i)
#define LOAD_UNIT(i, u) const ROWS rows_##u = LOAD(row + (u)*UNIT_BYTES);
#define STEP_UNIT(i, u) sums_##i##_##u = STEP(sums_##i##_##u, i, rows_##u);
#if L1
#define STEP_QUERY(i)                                                                                                    \
    {                                                                                                                    \
        IN_ORDER QUERY(query, i)                                                                                         \
        EACH_UNIT(STEP_UNIT, i)                                                                                          \
    }
#define STEP_ALL EACH_UNIT(LOAD_UNIT, 0) EACH_QUERY(STEP_QUERY)
#define ZERO_BASE(i, u)
#define ADD_UNIT(i, u) keys_##i##_##u = ADD(keys_##i##_##u, sums_##i##_##u);
#else
#define STEP_QUERY(i, u)                                                                                                 \
    {                                                                                                                    \
        QUERY(query, i)                                                                                                  \
        STEP_UNIT(i, u)                                                                                                  \
    }
#define STEP_ROWS(i, u)                                                                                                  \
    {                                                                                                                    \
        IN_ORDER LOAD_UNIT(i, u)                                                                                         \
        base_##u = BASE(base_##u, rows_##u);                                                                             \
        EACH_QUERY_WITH(STEP_QUERY, u)                                                                                   \
    }
#define STEP_ALL QUERIES(query) EACH_UNIT(STEP_ROWS, 0)
#define ZERO_BASE(i, u) int32x4_t base_##u = vdupq_n_s32(0);
#define ADD_UNIT(i, u) keys_##i##_##u = ADD(keys_##i##_##u, sums_##i##_##u, base_##u);
#endif
#define ADD_QUERY(i) EACH_UNIT(ADD_UNIT, i)
#define TEST_UNIT(i, u)                                                                                                  \
    uint32x4_t passed_##u = TEST(keys_##i##_##u, vld1q_dup_s32(limits + (i)));                                           \
    if (row_limits)                                                                                                      \
        passed_##u = vorrq_u32(passed_##u, TEST(keys_##i##_##u, LIMIT_OF_ROWS(i, u)));
#define PASSED_UNIT(u) passed_##u
#define APPEND_UNIT(i, u) append_neon(&lists[i], keys_##i##_##u, passed_##u, first_row + 4 * (u));
#define TEST_QUERY(i)                                                                                                    \
    {                                                                                                                    \
        EACH_UNIT(TEST_UNIT, i)                                                                                          \
        if (ANY_UNIT(PASSED_UNIT)) {                                                                                     \
            EACH_UNIT(APPEND_UNIT, i)                                                                                    \
        }                                                                                                                \
    }

FASTCLS_LOOP FASTCLS_JOIN(loop, KERNEL)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                                        const int32_t *limits, const int32_t *halves, const int32_t *row_limits,
                                        int32_t first_row, fastcls_list *lists) {
    (void)starts, (void)halves; /* L1 has none */
    for (const uint8_t *end = panel + PANEL_BYTES; panel < end; panel += TILE_UNITS * UNIT_BYTES, first_row += 4 * TILE_UNITS) {
        const uint8_t *query = queries, *row = panel;
        EACH_QUERY(START_QUERY)
        for (ptrdiff_t left = n_steps; left > 0; left -= MOST_STEPS) {
            const uint8_t *stop = query + (left < MOST_STEPS ? left : MOST_STEPS) * TILE_QUERIES * STEP_BYTES;
            EACH_QUERY(ZERO_QUERY)
            EACH_UNIT(ZERO_BASE, 0)
            for (; query < stop; query += TILE_QUERIES * STEP_BYTES, row += PANEL_BYTES) {
                STEP_ALL
            }
            EACH_QUERY(ADD_QUERY)
        }
        EACH_QUERY(TEST_QUERY)
        if (!L1)
            starts += 4 * TILE_UNITS;
        if (row_limits)
            row_limits += 4 * TILE_UNITS;
    }
}
FASTCLS_SCREEN(KERNEL, FASTCLS_JOIN(loop, KERNEL))
#ifdef BOTH
FASTCLS_BOTH(BOTH, FASTCLS_JOIN(loop, KERNEL))
#endif

#undef STEP_BYTES
#undef UNIT_BYTES
#undef PANEL_BYTES
#undef ROWS
#undef LOAD
#undef START
#undef TEST
#undef LIMIT_OF_ROWS
#undef IN_ORDER
#undef EACH_QUERY
#undef EACH_QUERY_WITH
#undef EACH_UNIT
#undef ANY_UNIT
#undef ANY
#undef START_UNIT
#undef START_QUERY
#undef ZERO_UNIT
#undef ZERO_QUERY
#undef LOAD_UNIT
#undef STEP_UNIT
#undef STEP_QUERY
#undef ZERO_BASE
#undef STEP_ROWS
#undef STEP_ALL
#undef ADD_UNIT
#undef ADD_QUERY
#undef TEST_UNIT
#undef PASSED_UNIT
#undef APPEND_UNIT
#undef TEST_QUERY
#undef KERNEL
#undef BOTH
#undef L1
#undef TILE_QUERIES
#undef TILE_UNITS
#undef MOST_STEPS
#undef SUMS
#undef ZERO
#undef QUERIES
#undef QUERY
#undef STEP
#undef ADD
#undef BASE
