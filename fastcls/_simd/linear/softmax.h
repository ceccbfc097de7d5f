/* Softmax loss and slopes of FASTCLS_SOFTMAX_ROWS rows whose scores lie class after class. Defined before: REAL, REAL_NAME, ISA,
   EXP_TERMS (the Taylor polynomial's degree) and FUSED(a, b, c). Plain loops along the rows, which the compiler vectorises. Sums
   are in float64, class after class. `softmax` in _gradient/losses.pxd is the definition; here the exponentials are ours: for |r|
   at most half of ln 2 the polynomial leaves out 2e-10 (float32: eight terms) or 2e-16 of e^r (float64: twelve).

   NaN or infinity in a score give a NaN loss, as they must: every comparison below is false for NaN on the side that keeps it. */
#define SOFTMAX FASTCLS_JOIN(FASTCLS_JOIN(softmax, REAL_NAME), ISA)
#define ZERO_IF FASTCLS_JOIN(FASTCLS_JOIN(zero_if, REAL_NAME), ISA)
#define EXP FASTCLS_JOIN(FASTCLS_JOIN(exp_below_0, REAL_NAME), ISA)

/* 0 where the mask is -1, else the value. As a choice between values gcc would skip their computation, and so not vectorise it. */
static inline double ZERO_IF(int64_t mask, double value) {
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= ~mask;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

/* e^x for x of at most 0; 0 below -700. x = n ln 2 + r, and e^x = 2^n e^r. */
static inline double EXP(double x) {
    const double shifted = x * 1.4426950408889634 + 0x1.8p52, n = shifted - 0x1.8p52; /* the nearest whole number */
    const double r = FUSED(n, -0x1.a39ef35793c76p-33, FUSED(n, -0x1.62e42feep-1, x)); /* ln 2 in two parts: n times the first is exact */
    double e = 1.0 / 40320, power;
    int64_t bits;
#if EXP_TERMS == 12 /* no loop: compilers vectorise a loop only if no other is in it */
    e = FUSED(1.0 / 479001600, r, 1.0 / 39916800);
    e = FUSED(e, r, 1.0 / 3628800);
    e = FUSED(e, r, 1.0 / 362880);
    e = FUSED(e, r, 1.0 / 40320);
#endif
    e = FUSED(e, r, 1.0 / 5040);
    e = FUSED(e, r, 1.0 / 720);
    e = FUSED(e, r, 1.0 / 120);
    e = FUSED(e, r, 1.0 / 24);
    e = FUSED(e, r, 1.0 / 6);
    e = FUSED(e, r, 0.5);
    e = FUSED(e, r, 1.0);
    e = FUSED(e, r, 1.0);
    memcpy(&bits, &shifted, sizeof bits); /* n is in its low bits */
    bits = (int64_t)(((uint64_t)bits + 1023) << 52);
    memcpy(&power, &bits, sizeof power);
    e *= power; /* and NaN stays NaN, whatever `power` is */
    return ZERO_IF(-(int64_t)(x < -700.0), e);
}

static void SOFTMAX(void *scores, ptrdiff_t n_classes, ptrdiff_t n_rows, const int64_t *labels, const double *weights,
                    double *losses_out) {
    enum { ROWS = FASTCLS_SOFTMAX_ROWS, STRIDE = FASTCLS_INNER_STRIDE };
    REAL *restrict S = (REAL *)scores;
    REAL top[ROWS];
    double below[ROWS], gap[ROWS], factor[ROWS];
    int64_t ties[ROWS];
    memcpy(top, S, sizeof top);
    for (ptrdiff_t k = 1; k < n_classes; k++)
        for (int r = 0; r < ROWS; r++)
            top[r] = S[k * STRIDE + r] > top[r] ? S[k * STRIDE + r] : top[r];
    for (int r = 0; r < ROWS; r++) {
        below[r] = 0.0;
        ties[r] = 0;
        factor[r] = 0.0;
        if (r < n_rows && (uint64_t)labels[r] < (uint64_t)n_classes)
            gap[r] = (double)top[r] - (double)S[labels[r] * STRIDE + r];
    }
    /* The largest score counts as exactly 1, and the sum of the others keeps its digits where it is tiny. */
    for (ptrdiff_t k = 0; k < n_classes; k++)
        for (int r = 0; r < ROWS; r++) {
            const double x = (double)S[k * STRIDE + r] - (double)top[r], e = EXP(x);
            const int64_t is_top = -(int64_t)(x == 0.0);
            below[r] += ZERO_IF(is_top, e);
            ties[r] -= is_top;
            S[k * STRIDE + r] = (REAL)e;
        }
    for (int r = 0; r < n_rows; r++) {
        below[r] += (double)(ties[r] - 1);
        factor[r] = (weights ? weights[r] : 1.0) / (1.0 + below[r]);
    }
    for (ptrdiff_t k = 0; k < n_classes; k++)
        for (int r = 0; r < ROWS; r++) {
            const double e = (double)S[k * STRIDE + r] * factor[r];
            S[k * STRIDE + r] = (REAL)e;
        }
    for (int r = 0; r < n_rows; r++) {
        if ((uint64_t)labels[r] >= (uint64_t)n_classes) { /* every solver stops at a NaN */
            losses_out[r] = (double)NAN;
            continue;
        }
        /* p - 1 would lose its digits where p is nearly 1; the sum over the other classes is the same number and keeps them. */
        REAL *slope = S + labels[r] * STRIDE + r;
        const double others = gap[r] == 0.0 ? below[r] * factor[r] : (1.0 + below[r]) * factor[r] - (double)*slope;
        *slope = (REAL)-others;
        losses_out[r] = log1p(below[r]) + gap[r];
    }
}

#if EXP_TERMS == 8
static void FASTCLS_JOIN(best_f32, ISA)(const void *scores, ptrdiff_t n_classes, int32_t *best_out, float *gap_out) {
    enum { ROWS = FASTCLS_SOFTMAX_ROWS, STRIDE = FASTCLS_INNER_STRIDE };
    const float *restrict S = (const float *)scores;
    float top[ROWS], second[ROWS];
    int32_t best[ROWS];
    for (int r = 0; r < ROWS; r++) {
        top[r] = S[r];
        second[r] = -(float)INFINITY;
        best[r] = 0;
    }
    for (ptrdiff_t k = 1; k < n_classes; k++)
        for (int r = 0; r < ROWS; r++) {
            const float score = S[k * STRIDE + r], lower = score > top[r] ? top[r] : score;
            second[r] = lower > second[r] ? lower : second[r];
            best[r] = score > top[r] ? (int32_t)k : best[r];
            top[r] = score > top[r] ? score : top[r];
        }
    for (int r = 0; r < ROWS; r++)
        gap_out[r] = top[r] - second[r];
    memcpy(best_out, best, sizeof best);
}
#endif

#if EXP_TERMS == 12
static double FASTCLS_JOIN(exponentials_f64, ISA)(double *values, ptrdiff_t n, double top) {
    double sums[8] = {0}, rest = 0.0;
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) {
            values[i + j] = EXP(values[i + j] - top);
            sums[j] += values[i + j];
        }
    for (; i < n; i++) {
        values[i] = EXP(values[i] - top);
        rest += values[i];
    }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
}
#endif

#undef SOFTMAX
#undef EXP
#undef ZERO_IF
#undef EXP_TERMS
