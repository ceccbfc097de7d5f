/* One step of gradient descent for one strip of one column. Included once an arithmetic, after DESCEND (the function's name)
   and REAL are defined; plain loops that the compiler widens to the instruction set around it.

   W is kept in the space of the rows as they came, W_raw = W / scale: then one array serves scores and descent. With g the
   sum over rows of slope x row, already divided by the number of rows, and B that of the slopes, the gradient of the loss
   by W is (g - B center) / scale, and a step of W by -rate times it is one of W_raw by -rate (g - B center) / scale^2. The
   penalties act on W = scale W_raw: l2 adds 2 l2 W_raw, and the proximal step of l1 is by rate l1 / scale.

   `trail` is the last step (heavy ball), or the last point before it was pushed ahead (Nesterov: W is where the gradient
   is taken, `trail` where the descent stands). Both come out right with a proximal step: at rest the step is 0. */

static void DESCEND(void *W, void *trail, const double *slopes, double bias_slope, const fastcls_step *step,
                    double *parts_out) {
    REAL *w = (REAL *)W, *t = (REAL *)trail;
    const REAL rate = (REAL)step->rate, momentum = (REAL)step->momentum, shrink = (REAL)(2.0 * step->l2);
    const int is_sparse = step->l1 > 0.0;
    if (slopes) {
        REAL down[FASTCLS_STRIP], width[FASTCLS_STRIP];
        for (int f = 0; f < FASTCLS_STRIP; f++)
            down[f] = (REAL)((slopes[f] - bias_slope * step->center[f]) * step->inverse_squared_scale[f]);
        for (int f = 0; f < FASTCLS_STRIP; f++)
            down[f] = rate * (down[f] + shrink * w[f]);
        if (is_sparse)
            for (int f = 0; f < FASTCLS_STRIP; f++)
                width[f] = (REAL)(step->rate * step->l1 / step->scale[f]);
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
    double lanes[FASTCLS_N_PARTS][8] = {{0}};
    for (int f = 0; f < FASTCLS_STRIP; f += 8)
        for (int lane = 0; lane < 8; lane++) {
            const double raw = (double)w[f + lane], scaled = raw * step->scale[f + lane];
            lanes[FASTCLS_DOT_CENTER][lane] += raw * step->center[f + lane];
            lanes[FASTCLS_SQUARES][lane] += scaled * scaled;
            lanes[FASTCLS_MAGNITUDES][lane] += fabs(scaled);
        }
    for (int part = 0; part < FASTCLS_N_PARTS; part++) {
        const double *v = lanes[part];
        parts_out[part] = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
    }
}

#undef DESCEND
#undef REAL
