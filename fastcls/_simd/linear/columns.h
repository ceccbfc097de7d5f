/* Both linear kernels for one number of columns; included by tile.h, which lists what must be defined. Every
   accumulator is a variable with a name of its own, as in tile.h and for the same reason. */

#if COLUMNS == 1
#define EACH_COLUMN(F) F(0)
#elif COLUMNS == 2
#define EACH_COLUMN(F) F(0) F(1)
#elif COLUMNS == 3
#define EACH_COLUMN(F) F(0) F(1) F(2)
#elif COLUMNS == 4
#define EACH_COLUMN(F) F(0) F(1) F(2) F(3)
#elif COLUMNS == 5
#define EACH_COLUMN(F) F(0) F(1) F(2) F(3) F(4)
#else
#define EACH_COLUMN(F) F(0) F(1) F(2) F(3) F(4) F(5)
#endif

#if TILE_ROWS == 4
#define START(k) VECTOR acc_##k##_0 = ZERO(), acc_##k##_1 = ZERO(), acc_##k##_2 = ZERO(), acc_##k##_3 = ZERO();
#define ADD(k, w)                                                                                                        \
    acc_##k##_0 = FMA(w, x_0, acc_##k##_0);                                                                              \
    acc_##k##_1 = FMA(w, x_1, acc_##k##_1);                                                                              \
    acc_##k##_2 = FMA(w, x_2, acc_##k##_2);                                                                              \
    acc_##k##_3 = FMA(w, x_3, acc_##k##_3);
#define FINISH_SCORES(k)                                                                                                 \
    out[k] += (double)FOLD(acc_##k##_0);                                                                                 \
    out[out_stride + k] += (double)FOLD(acc_##k##_1);                                                                    \
    out[2 * out_stride + k] += (double)FOLD(acc_##k##_2);                                                                \
    out[3 * out_stride + k] += (double)FOLD(acc_##k##_3);
#define FINISH_GRADIENT(k)                                                                                               \
    STORE(out + k * FASTCLS_STRIP, acc_##k##_0);                                                                         \
    STORE(out + k * FASTCLS_STRIP + LANES, acc_##k##_1);                                                                 \
    STORE(out + k * FASTCLS_STRIP + 2 * LANES, acc_##k##_2);                                                             \
    STORE(out + k * FASTCLS_STRIP + 3 * LANES, acc_##k##_3);
#else
#define START(k) VECTOR acc_##k##_0 = ZERO(), acc_##k##_1 = ZERO();
#define ADD(k, w)                                                                                                        \
    acc_##k##_0 = FMA(w, x_0, acc_##k##_0);                                                                              \
    acc_##k##_1 = FMA(w, x_1, acc_##k##_1);
#define FINISH_SCORES(k)                                                                                                 \
    out[k] += (double)FOLD(acc_##k##_0);                                                                                 \
    out[out_stride + k] += (double)FOLD(acc_##k##_1);
#define FINISH_GRADIENT(k)                                                                                               \
    STORE(out + k * FASTCLS_STRIP, acc_##k##_0);                                                                         \
    STORE(out + k * FASTCLS_STRIP + LANES, acc_##k##_1);
#endif

#define ADD_WEIGHTS(k)                                                                                                   \
    {                                                                                                                    \
        const VECTOR w = LOAD(W + k * w_stride + f);                                                                     \
        ADD(k, w)                                                                                                        \
    }
#define ADD_SLOPE(k)                                                                                                     \
    {                                                                                                                    \
        const VECTOR g = SPREAD(G + k);                                                                                  \
        ADD(k, g)                                                                                                        \
    }
#define FUNCTION_(kernel, n, type, real, isa) kernel##_##n##_##type##_##real##_##isa
#define FUNCTION(kernel, n, type, real, isa) FUNCTION_(kernel, n, type, real, isa)

static void FUNCTION(scores, COLUMNS, TYPE, REAL_NAME, ISA)(const void *const *rows, const void *const *ahead,
                                                            ptrdiff_t n_features, const REAL *W, ptrdiff_t w_stride,
                                                            double *out, ptrdiff_t out_stride) {
    const STORED *row_0 = (const STORED *)rows[0], *row_1 = (const STORED *)rows[1];
#if TILE_ROWS == 4
    const STORED *row_2 = (const STORED *)rows[2], *row_3 = (const STORED *)rows[3];
#endif
    const STORED *ahead_0 = (const STORED *)ahead[0], *ahead_1 = (const STORED *)ahead[1];
    EACH_COLUMN(START)
    ptrdiff_t f = 0;
    for (; f + LANES <= n_features; f += LANES) {
        FASTCLS_PREFETCH(ahead_0 + f); /* repeats a cache line of bytes, which costs less than counting */
        FASTCLS_PREFETCH(ahead_1 + f);
        const VECTOR x_0 = WIDEN(row_0 + f), x_1 = WIDEN(row_1 + f);
#if TILE_ROWS == 4
        const VECTOR x_2 = WIDEN(row_2 + f), x_3 = WIDEN(row_3 + f);
#endif
        EACH_COLUMN(ADD_WEIGHTS)
    }
    if (f < n_features) { /* the remaining features, padded with zeros: nothing is read beyond a row */
        STORED tail[TILE_ROWS][LANES];
        memset(tail, 0, sizeof tail);
        for (int r = 0; r < TILE_ROWS; r++)
            memcpy(tail[r], (const STORED *)rows[r] + f, (size_t)(n_features - f) * sizeof(STORED));
        const VECTOR x_0 = WIDEN(tail[0]), x_1 = WIDEN(tail[1]);
#if TILE_ROWS == 4
        const VECTOR x_2 = WIDEN(tail[2]), x_3 = WIDEN(tail[3]);
#endif
        EACH_COLUMN(ADD_WEIGHTS)
    }
    EACH_COLUMN(FINISH_SCORES)
}

static void FUNCTION(gradient, COLUMNS, TYPE, REAL_NAME, ISA)(const void *const *rows, ptrdiff_t n_rows, ptrdiff_t feature,
                                                              const REAL *G, ptrdiff_t g_stride, REAL *out) {
    EACH_COLUMN(START)
    for (ptrdiff_t r = 0; r < n_rows; r++, G += g_stride) {
        const STORED *row = (const STORED *)rows[r] + feature;
        const char *ahead = (const char *)((const STORED *)rows[r + PREFETCHED_ROWS < n_rows ? r + PREFETCHED_ROWS : r] + feature);
        for (int byte = 0; byte < (int)(TILE_ROWS * LANES * sizeof(STORED)); byte += 64)
            FASTCLS_PREFETCH(ahead + byte);
        const VECTOR x_0 = WIDEN(row), x_1 = WIDEN(row + LANES);
#if TILE_ROWS == 4
        const VECTOR x_2 = WIDEN(row + 2 * LANES), x_3 = WIDEN(row + 3 * LANES);
#endif
        EACH_COLUMN(ADD_SLOPE)
    }
    EACH_COLUMN(FINISH_GRADIENT)
}

#undef EACH_COLUMN
#undef START
#undef ADD
#undef FINISH_SCORES
#undef FINISH_GRADIENT
#undef ADD_WEIGHTS
#undef ADD_SLOPE
#undef FUNCTION_
#undef FUNCTION
#undef COLUMNS
