/* One step of gradient descent for one strip of one column. Included once per arithmetic, after DESCEND, ADD_STRIP (the
   functions' names) and REAL are defined; plain loops that the compiler vectorises for the instruction set.

   W is kept in the space of the raw rows, W_raw = W / scale, so one array serves scores and descent. Let g be the mean over rows
   of slope x row (`sums`, in REAL as the gradient kernel computes them, or `totals` of several tiles in float64, times `per_row`;
   if both are NULL, the weights are only measured), and B the mean of the slopes. Then the gradient of the loss by W is
   (g - B center) / scale, and a step of W by -rate times it is a step of W_raw by -rate (g - B center) / scale^2. The penalties
   act on W = scale W_raw: l2 adds 2 l2 W_raw, and the proximal step of l1 is by rate l1 / scale.

   `velocity` is the last step (heavy ball), or the last point before the look-ahead (Nesterov: W is where the gradient is
   computed, `velocity` is the current point of the descent). Both are correct with a proximal step: at the optimum the step is 0.

   `parts_out` measures the new weights for the next step's bias and penalty: center . W, the sum of W^2 in the scaled space,
   and, if there is an l1 penalty, the sum of |W|. */

static void DESCEND(void *W, void *velocity, const void *sums, const double *totals, double per_row, double bias_slope,
                    const fastcls_step *step, double *parts_out) {
    REAL *restrict w = (REAL *)W, *restrict t = (REAL *)velocity;
    const double *restrict center = step->center, *restrict scale = step->scale;
    const double *restrict inverse = step->inverse_squared_scale;
    const REAL rate = (REAL)step->rate, momentum = (REAL)step->momentum, shrink = (REAL)(2.0 * step->l2);
    const int is_sparse = step->l1 > 0.0;
    if (sums || totals) {
        REAL down[FASTCLS_STRIP], width[FASTCLS_STRIP];
        if (sums)
            for (int f = 0; f < FASTCLS_STRIP; f++)
                down[f] = (REAL)((per_row * (double)((const REAL *)sums)[f] - bias_slope * center[f]) * inverse[f]);
        else
            for (int f = 0; f < FASTCLS_STRIP; f++)
                down[f] = (REAL)((per_row * totals[f] - bias_slope * center[f]) * inverse[f]);
        for (int f = 0; f < FASTCLS_STRIP; f++)
            down[f] = rate * (down[f] + shrink * w[f]);
        if (is_sparse)
            for (int f = 0; f < FASTCLS_STRIP; f++)
                width[f] = (REAL)(step->rate * step->l1 / scale[f]);
        if (!step->nesterov && !is_sparse) {
            for (int f = 0; f < FASTCLS_STRIP; f++) {
                t[f] = momentum * t[f] - down[f];
                w[f] += t[f];
            }
        } else {
            for (int f = 0; f < FASTCLS_STRIP; f++) {
                REAL moved = w[f] - down[f] + (step->nesterov ? 0 : momentum * t[f]);
                if (is_sparse)
                    moved = moved > width[f] ? moved - width[f] : moved < -width[f] ? moved + width[f] : 0;
                if (step->nesterov) {
                    w[f] = moved + momentum * (moved - t[f]);
                    t[f] = moved;
                } else {
                    t[f] = moved - w[f];
                    w[f] = moved;
                }
            }
        }
    }
    double dot = 0.0, squares = 0.0, magnitudes = 0.0;
#ifdef VECTOR_F64 /* compilers do not vectorise running sums: 36 ns per strip with plain loops, 13 ns here */
    VECTOR_F64 lanes_dot = ZERO_F64(), lanes_squares = ZERO_F64();
    for (int f = 0; f < FASTCLS_STRIP; f += LANES_F64) {
        const VECTOR_F64 raw = WIDEN_REAL(w + f), scaled = FMA_F64(raw, LOAD_F64(scale + f), ZERO_F64());
        lanes_dot = FMA_F64(raw, LOAD_F64(center + f), lanes_dot);
        lanes_squares = FMA_F64(scaled, scaled, lanes_squares);
    }
    dot = FOLD_F64(lanes_dot);
    squares = FOLD_F64(lanes_squares);
#else
    for (int f = 0; f < FASTCLS_STRIP; f++) {
        const double raw = (double)w[f], scaled = raw * scale[f];
        dot += raw * center[f];
        squares += scaled * scaled;
    }
#endif
    if (is_sparse)
        for (int f = 0; f < FASTCLS_STRIP; f++)
            magnitudes += fabs((double)w[f] * scale[f]);
    parts_out[FASTCLS_DOT_CENTER] = dot;
    parts_out[FASTCLS_SQUARES] = squares;
    parts_out[FASTCLS_MAGNITUDES] = magnitudes;
}

/* total[f] += sums[f] for one strip; `restrict` lets any compiler do it in vectors. */
static void ADD_STRIP(double *restrict total, const void *sums) {
    for (int f = 0; f < FASTCLS_STRIP; f++)
        total[f] += (double)((const REAL *)sums)[f];
}

#undef WIDEN_REAL
#undef DESCEND
#undef ADD_STRIP
#undef REAL
