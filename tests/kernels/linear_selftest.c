/* Every linear kernel of every instruction set that runs here, against independent plain loops in this file.

     linear_selftest [--some] [--break scores|gradient|squares|descend|product|panels|softmax|best|read]

   Small whole numbers must come out exactly, whatever the order of the sum; ordinary values within the bound of any order.
   Prints a line for each instruction set, and exits with 1 at the first difference, naming it. --break plants a fault that
   must be found. Build with -ffp-contract=off, as the kernels are. */
#define _GNU_SOURCE
#include <signal.h>

#include "table.h"
#include "selftest_oracle.h"
#include "selftest_report.h"

static const char *const type_names[] = {"uint8", "int8", "float16", "bfloat16", "float32", "float64"};
static const char *const real_names[] = {"float32", "float64"};
static void within(double got, double wanted, double bound) {
    n_compared++;
    if (!(fabs(got - wanted) <= bound)) {
        printf("FAILED %s: got %.17g, wanted %.17g within %.3g\n", where, got, wanted, bound);
        exit(1);
    }
}
static int planted(const char *name) { return strcmp(fault, name) == 0; }

enum { X_BUFFER, W_BUFFER, CENTER_BUFFER, PANEL_BUFFER, N_BUFFERS, MOST_FEATURES = 3072, MOST_ROWS = 40, MOST_CLASSES = 120 };
static buffer_t buffers[N_BUFFERS];

/* Kind 0: ordinary values, 1: whole numbers so small that every sum here is exact in float32: 3072 x 255 x 3 < 2^24. */
static void fill_rows(void *rows, int type, ptrdiff_t n, int kind) {
    fill(rows, type, n, 0);
    for (ptrdiff_t i = 0; kind == 1 && type >= FASTCLS_F16 && i < n; i++) {
        const double v = (double)(next_random() % 256) - 100;
        if (type == FASTCLS_F16)
            ((uint16_t *)rows)[i] = half_of(v);
        else if (type == FASTCLS_BF16)
            ((uint16_t *)rows)[i] = bfloat_of(v);
        else if (type == FASTCLS_F32)
            ((float *)rows)[i] = (float)v;
        else
            ((double *)rows)[i] = v;
    }
}
static double any_weight(int kind) { return kind == 1 ? (double)(next_random() % 7) - 3 : uniform(); }
static void set_real(void *values, int real, ptrdiff_t i, double v) {
    if (real == FASTCLS_SINGLES)
        ((float *)values)[i] = (float)v;
    else
        ((double *)values)[i] = v;
}
static double get_real(const void *values, int real, ptrdiff_t i) {
    return real == FASTCLS_SINGLES ? ((const float *)values)[i] : ((const double *)values)[i];
}
/* Of a sum of n products in any order, fused or not, besides the error of the plain sum: gamma_(n + 1) times the sum of magnitudes. */
static double bound_of(int kind, int real, ptrdiff_t n, double size) {
    const double u = real == FASTCLS_SINGLES ? 0x1p-24 : 0x1p-52;
    return kind == 1 ? 0.0 : ((double)n + 2) * u / (1 - ((double)n + 2) * u) * size;
}

static void check_scores(const fastcls_linear *isa, int type, int real, ptrdiff_t n, int n_columns, int kind) {
    const ptrdiff_t stride = (n + FASTCLS_STRIP - 1) / FASTCLS_STRIP * FASTCLS_STRIP, out_stride = n_columns + 1;
    const ptrdiff_t bytes = n * fastcls_type_bytes[type], real_bytes = real == FASTCLS_SINGLES ? 4 : 8;
    const fastcls_scores_fn scores = isa->scores[type][real];
    uint8_t *start = put(buffers[X_BUFFER], (size_t)(isa->score_rows * bytes), 1);
    uint8_t *W = put(buffers[W_BUFFER], (size_t)(n_columns * stride * real_bytes), 1);
    fill_rows(start, type, isa->score_rows * n, kind);
    for (ptrdiff_t i = 0; i < n_columns * stride; i++)
        set_real(W, real, i, i % stride < n ? any_weight(kind) : 0.0);
    const void *rows[FASTCLS_MOST_ROWS];
    for (int r = 0; r < isa->score_rows; r++)
        rows[r] = start + r * bytes;
    double out[FASTCLS_MOST_ROWS * (FASTCLS_MOST_COLUMNS + 1)];
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
        out[i] = 7.0; /* a kernel adds */
    at("scores of %s in %s, %td features, %d columns, kind %d", type_names[type], real_names[real], n, n_columns, kind);
    scores(rows, rows, n + (planted("read") && n == 65), W, stride, n_columns, out, out_stride);
    if (planted("scores") && n == 65 && n_columns == 3)
        out[1] += 0.01;
    for (int r = 0; r < isa->score_rows; r++) {
        for (int k = 0; k < n_columns; k++) {
            double total = 0.0, size = 0.0;
            for (ptrdiff_t f = 0; f < n; f++) {
                const double one = value(rows[r], type, f) * get_real(W, real, k * stride + f);
                total += one;
                size += fabs(one);
            }
            within(out[r * out_stride + k], 7.0 + total, bound_of(kind, real, n, size) + 7.0 * 0x1p-52 + size * 0x1p-52);
            /* The same bits alone, in the first row and column: other rows and columns do not matter. */
            double alone[FASTCLS_MOST_ROWS] = {7.0};
            const void *only[FASTCLS_MOST_ROWS] = {rows[r], rows[0], rows[0], rows[0]};
            scores(only, only, n, W + k * stride * real_bytes, stride, 1, alone, 1);
            within(alone[0], out[r * out_stride + k], 0.0);
        }
        within(out[r * out_stride + n_columns], 7.0, 0.0); /* untouched */
    }
}

static void check_gradient(const fastcls_linear *isa, int type, int real, ptrdiff_t n_rows, int n_columns, int kind) {
    enum { N = 2 * FASTCLS_STRIP };
    const ptrdiff_t g_stride = n_columns + 2, real_bytes = real == FASTCLS_SINGLES ? 4 : 8;
    const ptrdiff_t bytes = N * fastcls_type_bytes[type], feature = n_rows % 2 * FASTCLS_STRIP;
    uint8_t *start = put(buffers[X_BUFFER], (size_t)(n_rows * bytes), 1);
    uint8_t *G = put(buffers[W_BUFFER], (size_t)(((n_rows - 1) * g_stride + n_columns) * real_bytes), 1);
    fill_rows(start, type, n_rows * N, kind);
    for (ptrdiff_t i = 0; i < (n_rows - 1) * g_stride + n_columns; i++)
        set_real(G, real, i, any_weight(kind));
    const void *rows[MOST_ROWS];
    for (ptrdiff_t r = 0; r < n_rows; r++)
        rows[r] = start + r * bytes;
    double out[FASTCLS_MOST_COLUMNS * FASTCLS_STRIP]; /* space for either arithmetic */
    memset(out, 0xff, sizeof out);                    /* NaN: a kernel overwrites */
    at("gradient of %s in %s, %td rows, %d columns, kind %d", type_names[type], real_names[real], n_rows, n_columns, kind);
    isa->gradient[type][real](rows, n_rows, feature, G, g_stride, n_columns, out);
    if (planted("gradient") && n_rows == 5 && n_columns == 3)
        set_real(out, real, 70, get_real(out, real, 70) + 0.01);
    for (int k = 0; k < n_columns; k++)
        for (int f = 0; f < FASTCLS_STRIP; f++) {
            double total = 0.0, size = 0.0;
            for (ptrdiff_t r = 0; r < n_rows; r++) {
                const double one = value(rows[r], type, feature + f) * get_real(G, real, r * g_stride + k);
                total += one;
                size += fabs(one);
            }
            within(get_real(out, real, k * FASTCLS_STRIP + f), total, bound_of(kind, real, n_rows, size));
        }
}

static void check_squares(const fastcls_linear *isa, int type, ptrdiff_t n, int kind) {
    const ptrdiff_t stride = (n + FASTCLS_STRIP - 1) / FASTCLS_STRIP * FASTCLS_STRIP;
    uint8_t *row = put(buffers[X_BUFFER], (size_t)(n * fastcls_type_bytes[type]), 1);
    double *center = (double *)put(buffers[CENTER_BUFFER], (size_t)stride * sizeof(double), 1), total = 0.0;
    fill_rows(row, type, n, kind);
    for (ptrdiff_t f = 0; f < stride; f++)
        center[f] = f < n ? any_weight(kind) * 20 : 0.0;
    for (ptrdiff_t f = 0; f < n; f++)
        total += (value(row, type, f) - center[f]) * (value(row, type, f) - center[f]);
    at("squares of %s, %td features, kind %d", type_names[type], n, kind);
    const double got = isa->squares[type](row, n, center) + (planted("squares") && n == 65 ? 0.01 : 0.0);
    within(got, total, bound_of(kind, FASTCLS_DOUBLES, n + 2, total)); /* a difference's rounding counts twice */
}

/* One step of one strip, from the formulas in linear_descent.h's head. */
static void check_descend(const fastcls_linear *isa, int real, int turn) {
    double center[FASTCLS_STRIP], scale[FASTCLS_STRIP], inverse[FASTCLS_STRIP], slopes[FASTCLS_STRIP], parts[FASTCLS_N_PARTS];
    double W[FASTCLS_STRIP], velocity[FASTCLS_STRIP], sums[FASTCLS_STRIP], wanted[FASTCLS_N_PARTS] = {0};
    const double rate = 0.1, momentum = turn & 1 ? 0.9 : 0.0, l2 = turn & 2 ? 0.05 : 0.0, l1 = turn & 4 ? 0.5 : 0.0, B = uniform();
    const int nesterov = turn >> 3 & 1;
    for (int f = 0; f < FASTCLS_STRIP; f++) {
        center[f] = 100 * uniform();
        scale[f] = 1.5 + uniform();
        inverse[f] = 1 / (scale[f] * scale[f]);
        set_real(sums, real, f, uniform());
        slopes[f] = get_real(sums, real, f);
        set_real(W, real, f, uniform());
        set_real(velocity, real, f, uniform());
    }
    double new_w[FASTCLS_STRIP], new_t[FASTCLS_STRIP];
    for (int f = 0; f < FASTCLS_STRIP; f++) {
        const double w = get_real(W, real, f), t = get_real(velocity, real, f), width = rate * l1 / scale[f];
        double moved = w - rate * ((0.5 * slopes[f] - B * center[f]) / (scale[f] * scale[f]) + 2 * l2 * w);
        if (!nesterov)
            moved += momentum * t;
        moved = l1 == 0 ? moved : moved > width ? moved - width : moved < -width ? moved + width : 0;
        new_w[f] = nesterov ? moved + momentum * (moved - t) : moved;
        new_t[f] = nesterov ? moved : moved - w;
    }
    const fastcls_step step = {rate, momentum, l2, l1, nesterov, center, scale, inverse};
    at("descend in %s, turn %d", real_names[real], turn);
    if (turn & 16)
        isa->descend[real](W, velocity, NULL, slopes, 0.5, B, &step, parts);
    else
        isa->descend[real](W, velocity, sums, NULL, 0.5, B, &step, parts);
    /* Nine roundings or fewer of numbers below 300: a slope is at most 101 / 0.25, its step a tenth of that. */
    const double bound = 9 * 300 * (real == FASTCLS_SINGLES ? 0x1p-24 : 0x1p-53);
    if (planted("descend") && turn == 5)
        set_real(W, real, 9, get_real(W, real, 9) + 0.01);
    for (int f = 0; f < FASTCLS_STRIP; f++) {
        const double w = get_real(W, real, f);
        within(w, new_w[f], bound);
        within(get_real(velocity, real, f), new_t[f], bound);
        wanted[FASTCLS_DOT_CENTER] += w * center[f];
        wanted[FASTCLS_SQUARES] += w * scale[f] * w * scale[f];
        wanted[FASTCLS_MAGNITUDES] += l1 > 0 ? fabs(w * scale[f]) : 0;
    }
    for (int part = 0; part < FASTCLS_N_PARTS; part++)
        within(parts[part], wanted[part], 70 * 0x1p-53 * 64 * 160 * 160 * 6.25); /* 64 terms below (160 x 2.5)^2 */
}

/* The packed product, and that its bits depend on neither the number of rows nor the panel's other values. */
static void check_product(const fastcls_linear *isa, int real, int n_rows, ptrdiff_t n, int kind) {
    const int width = isa->panel[real];
    const ptrdiff_t size = real == FASTCLS_SINGLES ? 4 : 8, out_stride = width + 3;
    uint8_t *A = put(buffers[X_BUFFER], (size_t)((((n_rows - 1) * FASTCLS_INNER_STRIDE) + n) * size), 1);
    uint8_t *panel = put(buffers[W_BUFFER], (size_t)(n * width * size), 1);
    double space[2][FASTCLS_MOST_PRODUCT_ROWS * (FASTCLS_STRIP + 3)];
    for (ptrdiff_t i = 0; i < (n_rows - 1) * FASTCLS_INNER_STRIDE + n; i++)
        set_real(A, real, i, any_weight(kind));
    for (ptrdiff_t i = 0; i < n * width; i++)
        set_real(panel, real, i, any_weight(kind));
    at("product in %s, %d rows, %td terms, kind %d", real_names[real], n_rows, n, kind);
    for (int add = 0; add < 2; add++) {
        void *out = space[add];
        for (ptrdiff_t i = 0; i < n_rows * out_stride; i++)
            set_real(out, real, i, 7.0);
        isa->product[real](A, n_rows, panel, n, out, out_stride, add);
        if (planted("product") && n == 65)
            set_real(out, real, 1, get_real(out, real, 1) + 0.01);
        for (int a = 0; a < n_rows; a++) {
            double alone[FASTCLS_STRIP];
            for (int j = 0; j < width; j++)
                set_real(alone, real, j, 7.0);
            isa->product[real](A + a * FASTCLS_INNER_STRIDE * size, 1, panel, n, alone, width, add);
            for (int j = 0; j < width; j++) {
                double total = add ? 7.0 : 0.0, magnitude = total;
                for (ptrdiff_t i = 0; i < n; i++) {
                    const double one = get_real(A, real, a * FASTCLS_INNER_STRIDE + i) * get_real(panel, real, i * width + j);
                    total += one;
                    magnitude += fabs(one);
                }
                within(get_real(out, real, a * out_stride + j), total, bound_of(kind, real, n + 1, magnitude));
                within(get_real(alone, real, j), get_real(out, real, a * out_stride + j), 0.0);
            }
            within(get_real(out, real, a * out_stride + width), 7.0, 0.0); /* untouched */
        }
    }
}

/* A panel of rows in panels of features, and turned: the values themselves. */
static void check_panels(const fastcls_linear *isa, int type, int real, ptrdiff_t n) {
    const int width = isa->panel[real];
    const ptrdiff_t stride = (n + FASTCLS_STRIP - 1) / FASTCLS_STRIP * FASTCLS_STRIP, bytes = n * fastcls_type_bytes[type];
    const ptrdiff_t size = real == FASTCLS_SINGLES ? 4 : 8, apart = width * width;
    uint8_t *rows = put(buffers[X_BUFFER], (size_t)(width * bytes), 1);
    uint8_t *by_row = put(buffers[W_BUFFER], (size_t)(stride * width * size), 1);
    uint8_t *by_feature = put(buffers[PANEL_BUFFER], (size_t)(stride * width * size), 1);
    fill_rows(rows, type, width * n, 0);
    at("panels of %s in %s, %td features", type_names[type], real_names[real], n);
    for (int r = 0; r < width; r++)
        isa->panels[type][real](rows + r * bytes, n, by_row + r * width * size, apart);
    isa->turn[real](by_row, apart, stride, by_feature);
    if (planted("panels") && n == 65)
        set_real(by_feature, real, 65 * width, 1.0);
    for (int r = 0; r < width; r++)
        for (ptrdiff_t f = 0; f < stride; f++) {
            const double wanted = f < n ? value(rows + r * bytes, type, f) : 0.0;
            within(get_real(by_row, real, f / width * apart + r * width + f % width), wanted, 0.0);
            within(get_real(by_feature, real, f * width + r), wanted, 0.0);
        }
}

/* The softmax of some rows from its formula: relative errors of slopes and losses, and NaN where a score is none. */
static void check_softmax(const fastcls_linear *isa, int real, int n_classes, int n_rows, double spread) {
    enum { ROWS = FASTCLS_SOFTMAX_ROWS, STRIDE = FASTCLS_INNER_STRIDE };
    const ptrdiff_t size = real == FASTCLS_SINGLES ? 4 : 8;
    uint8_t *S = put(buffers[X_BUFFER], (size_t)(((n_classes - 1) * STRIDE + ROWS) * size), 1);
    static double scores[MOST_CLASSES][ROWS];
    double weights[ROWS], losses[ROWS];
    int64_t labels[ROWS];
    for (int r = 0; r < ROWS; r++) {
        labels[r] = (int64_t)(next_random() % (unsigned)n_classes);
        weights[r] = 1.5 + uniform();
        for (int k = 0; k < n_classes; k++) {
            set_real(S, real, k * STRIDE + r, r % 7 == 3 ? 2.0 : spread * uniform()); /* some rows are all ties */
            if (r == 5 && n_classes > 2 && k == n_classes / 2)
                set_real(S, real, k * STRIDE + r, (double)NAN);
            if (r == 6 && k == labels[r])
                set_real(S, real, k * STRIDE + r, 40 * spread); /* a label far above the others: its loss is tiny */
            scores[k][r] = get_real(S, real, k * STRIDE + r);
        }
    }
    labels[9] = n_classes; /* not a class */
    at("softmax in %s, %d classes, %d rows, spread %g", real_names[real], n_classes, n_rows, spread);
    isa->softmax[real](S, n_classes, n_rows, labels, weights, losses);
    if (planted("softmax") && n_classes == 33)
        set_real(S, real, STRIDE + 1, get_real(S, real, STRIDE + 1) + 0.01);
    const double u = real == FASTCLS_SINGLES ? 0x1p-24 : 0x1p-53;
    for (int r = 0; r < n_rows; r++) {
        const ptrdiff_t label = labels[r];
        double top = scores[0][r], others = 0.0;
        int best = 0, is_nan = r == 9 || scores[0][r] != scores[0][r];
        for (int k = 1; k < n_classes; k++) {
            is_nan = is_nan || scores[k][r] != scores[k][r];
            if (scores[k][r] > top) {
                top = scores[k][r];
                best = k;
            }
        }
        if (is_nan) {
            n_compared++;
            if (losses[r] == losses[r])
                within(losses[r], (double)NAN, 0.0);
            continue;
        }
        for (int k = 0; k < n_classes; k++)
            others += k == best ? 0.0 : exp(scores[k][r] - top);
        /* A sum of n terms, each to two units of float64; e^x is to 2e-10 in float32's polynomial. */
        const double relative = (real == FASTCLS_SINGLES ? 3e-10 : 0.0) + (n_classes + 8) * 0x1p-52;
        const double loss = log1p(others) + (top - scores[label][r]);
        within(losses[r], loss, 4 * relative * loss + 1e-290);
        for (int k = 0; k < n_classes; k++) {
            double wanted = exp(scores[k][r] - top) / (1 + others);
            if (k == label) {
                double rest = 0.0;
                for (int j = 0; j < n_classes; j++)
                    rest += j == label ? 0.0 : exp(scores[j][r] - top);
                wanted = -rest / (1 + others);
            }
            const double least = real == FASTCLS_SINGLES ? 1e-38 : 1e-290; /* below it values lose their digits */
            within(get_real(S, real, k * STRIDE + r), weights[r] * wanted,
                   fabs(wanted) * weights[r] * (4 * u + 8 * relative) + least);
        }
    }
}

/* The largest of some scores and its lead; ties go to the first. */
static void check_best(const fastcls_linear *isa, int n_classes) {
    enum { ROWS = FASTCLS_SOFTMAX_ROWS, STRIDE = FASTCLS_INNER_STRIDE };
    float *S = (float *)put(buffers[X_BUFFER], (size_t)((n_classes - 1) * STRIDE + ROWS) * sizeof(float), 1), gaps[ROWS];
    int32_t best[ROWS];
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < n_classes; k++)
            S[k * STRIDE + r] = r % 7 == 3 ? 2.0f : r % 5 == 2 ? (float)(next_random() % 4) - 2 : (float)uniform();
    at("best of %d classes", n_classes);
    isa->best(S, n_classes, best, gaps);
    if (planted("best") && n_classes == 33)
        best[3] = 1;
    for (int r = 0; r < ROWS; r++) {
        int wanted = 0;
        float second = -(float)INFINITY;
        for (int k = 1; k < n_classes; k++)
            wanted = S[k * STRIDE + r] > S[wanted * STRIDE + r] ? k : wanted;
        for (int k = 0; k < n_classes; k++)
            second = k != wanted && S[k * STRIDE + r] > second ? S[k * STRIDE + r] : second;
        within(best[r], wanted, 0.0);
        n_compared++;
        if (gaps[r] != S[wanted * STRIDE + r] - second)
            within(gaps[r], S[wanted * STRIDE + r] - second, 0.0);
    }
}

static void check_exponentials(const fastcls_linear *isa, ptrdiff_t n, double spread) {
    double *values = (double *)put(buffers[X_BUFFER], (size_t)n * sizeof(double), 1), before[MOST_CLASSES], total = 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        before[i] = values[i] = i == n / 2 ? spread : spread * (1 + uniform()) / 2;
    at("exponentials of %td values, spread %g", n, spread);
    const double sum = isa->exponentials(values, n, spread);
    for (ptrdiff_t i = 0; i < n; i++) {
        within(values[i], exp(before[i] - spread), exp(before[i] - spread) * 4 * 0x1p-53 + 1e-290);
        total += values[i];
    }
    within(sum, total, (double)n * 0x1p-53 * total);
}

static void check_packed(const fastcls_linear *isa) {
    for (int n = 1; n <= MOST_CLASSES; n += n < 4 ? 1 : 29)
        check_best(isa, n);
    for (ptrdiff_t n = 1; n <= MOST_CLASSES; n++)
        check_exponentials(isa, n, n % 3 == 0 ? 2000.0 : n % 3 == 1 ? 30.0 : 0.1);
    static const ptrdiff_t terms[] = {1, 2, 5, 64, 65, FASTCLS_INNER};
    for (int real = 0; real < FASTCLS_N_REALS; real++) {
        for (int n_rows = 1; n_rows <= isa->product_rows; n_rows++)
            for (int i = 0; i < 12; i++)
                if (is_drawn())
                    check_product(isa, real, n_rows, terms[i / 2], i % 2);
        for (int type = 0; type < FASTCLS_N_TYPES; type++)
            for (ptrdiff_t n = 1; n <= 130 && isa->panels[type][real]; n++)
                if (is_drawn())
                    check_panels(isa, type, real, n);
        for (int n_classes = 1; n_classes <= MOST_CLASSES; n_classes += n_classes < 4 ? 1 : 29)
            for (int n_rows = 1; n_rows <= FASTCLS_SOFTMAX_ROWS; n_rows += 31)
                for (int i = 0; i < 3; i++)
                    if (is_drawn())
                        check_softmax(isa, real, n_classes, n_rows, i == 0 ? 0.01 : i == 1 ? 10.0 : 900.0);
    }
}

static void check_isa(const fastcls_linear *isa) {
    check_packed(isa);
    static const ptrdiff_t wide[] = {127, 128, 129, 784, 3071, MOST_FEATURES};
    for (int type = 0; type < FASTCLS_N_TYPES; type++)
        for (int kind = 0; kind < 2; kind++) {
            for (int real = 0; real < FASTCLS_N_REALS; real++) {
                if (!isa->scores[type][real]) /* float64 data has no float32 arithmetic */
                    continue;
                for (ptrdiff_t n = 1; n <= 70; n++)
                    if (is_drawn())
                        check_scores(isa, type, real, n, 1 + (int)((n + kind) % isa->columns), kind);
                for (int columns = 1; columns <= isa->columns; columns++) {
                    check_scores(isa, type, real, 65, columns, kind);
                    if (is_drawn())
                        check_scores(isa, type, real, wide[(columns + kind) % 6], columns, kind);
                    for (ptrdiff_t n_rows = 1; n_rows <= MOST_ROWS; n_rows += n_rows < 6 ? 1 : 17)
                        if (is_drawn())
                            check_gradient(isa, type, real, n_rows, columns, kind);
                }
            }
            for (ptrdiff_t n = 1; n <= 70; n++)
                if (is_drawn())
                    check_squares(isa, type, n, kind);
            for (int i = 0; i < 6; i++)
                check_squares(isa, type, wide[i], kind);
        }
    for (int real = 0; real < FASTCLS_N_REALS; real++)
        for (int turn = 0; turn < 32; turn++)
            check_descend(isa, real, turn);
}

int main(int n_arguments, char **arguments) {
    read_arguments(n_arguments, arguments, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, bad_read);
    signal(SIGBUS, bad_read);
    for (int i = 0; i < N_BUFFERS; i++)
        buffers[i] = new_buffer((size_t)MOST_ROWS * MOST_FEATURES * sizeof(double));
    set_half_values();
    for (int i = 0; i < FASTCLS_N_ISAS; i++) {
        const fastcls_linear *isa = fastcls_isas[i].linear;
        isa_name = fastcls_isas[i].name;
        if (!isa)
            continue;
        if (!fastcls_isas[i].can_run()) {
            printf("%s: built, cannot run here, not checked\n", isa_name);
            continue;
        }
        n_compared = 0;
        check_isa(isa);
        printf("%s: linear, %d x %d: %ld values as wanted\n", isa_name, isa->score_rows, isa->columns, n_compared);
    }
    return 0;
}
