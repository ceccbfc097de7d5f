/* The packed product for one number of rows; included by product.h. */

#if N_ROWS == 1
#define EACH_ROW(F) F(0)
#elif N_ROWS == 2
#define EACH_ROW(F) F(0) F(1)
#elif N_ROWS == 3
#define EACH_ROW(F) F(0) F(1) F(2)
#elif N_ROWS == 4
#define EACH_ROW(F) F(0) F(1) F(2) F(3)
#elif N_ROWS == 5
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4)
#elif N_ROWS == 6
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5)
#elif N_ROWS == 7
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6)
#elif N_ROWS == 8
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#elif N_ROWS == 9
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
#elif N_ROWS == 10
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9)
#elif N_ROWS == 11
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10)
#else
#define EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#endif

#define START(r) VECTOR acc_##r##_0 = ZERO(), acc_##r##_1 = ZERO();
#define ADD(r)                                                                                                           \
    {                                                                                                                    \
        const VECTOR a = SPREAD(A + (r) * FASTCLS_INNER_STRIDE);                                                         \
        acc_##r##_0 = FMA(a, p_0, acc_##r##_0);                                                                          \
        acc_##r##_1 = FMA(a, p_1, acc_##r##_1);                                                                          \
    }
/* 1 times a number plus another is their sum, rounded once. */
#define FINISH_ADD(r)                                                                                                    \
    STORE(out + (r) * out_stride, FMA(one, LOAD(out + (r) * out_stride), acc_##r##_0));                                  \
    STORE(out + (r) * out_stride + LANES, FMA(one, LOAD(out + (r) * out_stride + LANES), acc_##r##_1));
#define FINISH(r)                                                                                                        \
    STORE(out + (r) * out_stride, acc_##r##_0);                                                                          \
    STORE(out + (r) * out_stride + LANES, acc_##r##_1);

static void PRODUCT_NAME(N_ROWS)(const REAL *A, const REAL *panel, ptrdiff_t n, REAL *out, ptrdiff_t out_stride, int add) {
    EACH_ROW(START)
    for (ptrdiff_t i = 0; i < n; i++, A++, panel += 2 * LANES) {
        const VECTOR p_0 = LOAD(panel), p_1 = LOAD(panel + LANES);
        EACH_ROW(ADD)
    }
    if (add) {
        const REAL unit = 1;
        const VECTOR one = SPREAD(&unit);
        EACH_ROW(FINISH_ADD)
    } else {
        EACH_ROW(FINISH)
    }
}

#undef EACH_ROW
#undef START
#undef ADD
#undef FINISH_ADD
#undef FINISH
#undef N_ROWS
