/* The register-tiled loop of every panel kernel of every instruction set. Included once per kernel, after these are defined:

     KERNEL            the function's name: <sum>_<element>_<isa>
     VECTOR            the register type of an accumulator
     ROWS              the type that LOAD and BROADCAST return, if it is another one
     LANES             rows of one accumulator
     STEP_BYTES        bytes of one query, or of one row, in one step
     TILE_QUERIES      6 or 3: a tile is TILE_QUERIES queries x 4 accumulators of LANES rows
     ZERO()            an empty accumulator
     LOAD(p)           one step of LANES rows
     BROADCAST(p)      one step of one query, in every lane
     STEP(a, q, r)     the accumulator a after one more step
     STORE(p, a, add)  LANES float64 values to p, or added to p if add
     ENTER, LEAVE      statements before the first and after the last of these, where there are any

   The function: (queries, panel, n_steps, out, stride, add) fills or adds to TILE_QUERIES rows of out, 4 x LANES wide.
     queries   [step][query of the tile][STEP_BYTES]        panel   [step][row of the panel][STEP_BYTES]

   Every accumulator is a variable with a name of its own: gcc 12 keeps an array of them in memory and writes each back
   after each step, at under half the speed (seen as stores to the stack inside the loop). 6 x 4 accumulators, one query
   and the rows in flight are 29 of 32 registers; 3 x 4 fit the 16 of AVX2. */

#ifndef ROWS
#define ROWS VECTOR
#endif
#ifndef ENTER
#define ENTER
#define LEAVE
#endif
#if TILE_QUERIES == 6
#define EACH_QUERY(F) F(0) F(1) F(2) F(3) F(4) F(5)
#else
#define EACH_QUERY(F) F(0) F(1) F(2)
#endif
#define START_QUERY(i) VECTOR acc_##i##_0 = ZERO(), acc_##i##_1 = ZERO(), acc_##i##_2 = ZERO(), acc_##i##_3 = ZERO();
#define STEP_QUERY(i)                                                                                                    \
    {                                                                                                                    \
        const ROWS query = BROADCAST(queries + (i) * STEP_BYTES);                                                      \
        acc_##i##_0 = STEP(acc_##i##_0, query, rows_0);                                                                  \
        acc_##i##_1 = STEP(acc_##i##_1, query, rows_1);                                                                  \
        acc_##i##_2 = STEP(acc_##i##_2, query, rows_2);                                                                  \
        acc_##i##_3 = STEP(acc_##i##_3, query, rows_3);                                                                  \
    }
#define STORE_QUERY(i)                                                                                                   \
    STORE(out + (i) * stride, acc_##i##_0, add);                                                                         \
    STORE(out + (i) * stride + LANES, acc_##i##_1, add);                                                                 \
    STORE(out + (i) * stride + 2 * LANES, acc_##i##_2, add);                                                             \
    STORE(out + (i) * stride + 3 * LANES, acc_##i##_3, add);

static void KERNEL(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, double *out, ptrdiff_t stride,
                   int add) {
    ENTER
    EACH_QUERY(START_QUERY)
    for (ptrdiff_t step = 0; step < n_steps; step++) {
        const ROWS rows_0 = LOAD(panel), rows_1 = LOAD(panel + LANES * STEP_BYTES),
                   rows_2 = LOAD(panel + 2 * LANES * STEP_BYTES), rows_3 = LOAD(panel + 3 * LANES * STEP_BYTES);
        EACH_QUERY(STEP_QUERY)
        queries += TILE_QUERIES * STEP_BYTES;
        panel += 4 * LANES * STEP_BYTES;
    }
    EACH_QUERY(STORE_QUERY)
    LEAVE
}

#undef EACH_QUERY
#undef START_QUERY
#undef STEP_QUERY
#undef STORE_QUERY
#undef KERNEL
#undef VECTOR
#undef ROWS
#undef LANES
#undef STEP_BYTES
#undef ZERO
#undef LOAD
#undef BROADCAST
#undef STEP
#undef STORE
#undef ENTER
#undef LEAVE
