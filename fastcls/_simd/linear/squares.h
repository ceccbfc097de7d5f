/* The sum of squared differences of one row and the center, in float64; macros as in tile.h, and SUB(a, b). */
#define SQUARES_(type, isa) squares_##type##_f64_##isa
#define SQUARES(type, isa) SQUARES_(type, isa)

static double SQUARES(TYPE, ISA)(const void *row, ptrdiff_t n_features, const double *center) {
    const STORED *x = (const STORED *)row;
    VECTOR acc_0 = ZERO(), acc_1 = ZERO(), acc_2 = ZERO(), acc_3 = ZERO();
    ptrdiff_t f = 0;
    for (; f + 4 * LANES <= n_features; f += 4 * LANES) {
        const VECTOR d_0 = SUB_F64(WIDEN(x + f), LOAD(center + f));
        const VECTOR d_1 = SUB_F64(WIDEN(x + f + LANES), LOAD(center + f + LANES));
        const VECTOR d_2 = SUB_F64(WIDEN(x + f + 2 * LANES), LOAD(center + f + 2 * LANES));
        const VECTOR d_3 = SUB_F64(WIDEN(x + f + 3 * LANES), LOAD(center + f + 3 * LANES));
        acc_0 = FMA(d_0, d_0, acc_0);
        acc_1 = FMA(d_1, d_1, acc_1);
        acc_2 = FMA(d_2, d_2, acc_2);
        acc_3 = FMA(d_3, d_3, acc_3);
    }
    while (f < n_features) { /* the remaining features, padded with zeros: nothing is read beyond the row */
        STORED tail[LANES];
        const ptrdiff_t left = n_features - f, n = left < LANES ? left : LANES;
        memset(tail, 0, sizeof tail);
        memcpy(tail, x + f, (size_t)n * sizeof(STORED));
        const VECTOR d = SUB_F64(WIDEN(tail), LOAD(center + f));
        acc_0 = FMA(d, d, acc_0);
        f += n;
    }
    return (FOLD(acc_0) + FOLD(acc_2)) + (FOLD(acc_1) + FOLD(acc_3));
}

#undef SQUARES_
#undef SQUARES
