/* The register-tiled loops of the linear kernels: included once per storage type and arithmetic, after these are defined:

     ISA, TYPE, REAL_NAME   of the kernels' names: scores_<type>_<real>_<isa>, gradient_<type>_<real>_<isa>
     STORED, REAL           C types of a stored value and of the arithmetic
     WIDEN(p)               LANES stored values at p as a VECTOR
   and once per arithmetic: VECTOR, LANES, ZERO(), LOAD(p), STORE(p, v), SPREAD(p) (one REAL in every lane), FMA(a, b, c) =
   a * b + c, FOLD(v) (a REAL: the sum of the lanes, in a fixed order), TILE_ROWS (4 or 2), TILE_COLUMNS (6 or 5).

   scores: TILE_ROWS rows x up to TILE_COLUMNS columns, lanes along features. With 4 x 6 accumulators, four widened rows and
   one vector of weights 29 of 32 registers are in use, and each value widened serves six multiply-adds, so the widening
   hides behind them. gradient: TILE_ROWS vectors of features x columns, lanes along features too, so nothing is folded. */

#define KERNEL_(kernel, type, real, isa) kernel##_##type##_##real##_##isa
#define KERNEL_NAME(kernel, type, real, isa) KERNEL_(kernel, type, real, isa)

#define COLUMNS 1
#include "columns.h"
#define COLUMNS 2
#include "columns.h"
#define COLUMNS 3
#include "columns.h"
#define COLUMNS 4
#include "columns.h"
#define COLUMNS 5
#include "columns.h"
#if TILE_COLUMNS == 6
#define COLUMNS 6
#include "columns.h"
#endif

#define OF_COLUMNS(kernel, n) KERNEL_NAME(kernel##_##n, TYPE, REAL_NAME, ISA)

static void KERNEL_NAME(scores, TYPE, REAL_NAME, ISA)(const void *const *rows, const void *const *ahead,
                                                      ptrdiff_t n_features, const void *W, ptrdiff_t w_stride,
                                                      int n_columns, double *out, ptrdiff_t out_stride) {
    switch (n_columns) {
    case 1: OF_COLUMNS(scores, 1)(rows, ahead, n_features, (const REAL *)W, w_stride, out, out_stride); break;
    case 2: OF_COLUMNS(scores, 2)(rows, ahead, n_features, (const REAL *)W, w_stride, out, out_stride); break;
    case 3: OF_COLUMNS(scores, 3)(rows, ahead, n_features, (const REAL *)W, w_stride, out, out_stride); break;
    case 4: OF_COLUMNS(scores, 4)(rows, ahead, n_features, (const REAL *)W, w_stride, out, out_stride); break;
    case 5: OF_COLUMNS(scores, 5)(rows, ahead, n_features, (const REAL *)W, w_stride, out, out_stride); break;
#if TILE_COLUMNS == 6
    case 6: OF_COLUMNS(scores, 6)(rows, ahead, n_features, (const REAL *)W, w_stride, out, out_stride); break;
#endif
    }
}

static void KERNEL_NAME(gradient, TYPE, REAL_NAME, ISA)(const void *const *rows, ptrdiff_t n_rows, ptrdiff_t feature,
                                                        const void *G, ptrdiff_t g_stride, int n_columns, void *out) {
    for (int part = 0; part < FASTCLS_STRIP; part += TILE_ROWS * LANES) {
        const ptrdiff_t f = feature + part;
        REAL *total = (REAL *)out + part;
        switch (n_columns) {
        case 1: OF_COLUMNS(gradient, 1)(rows, n_rows, f, (const REAL *)G, g_stride, total); break;
        case 2: OF_COLUMNS(gradient, 2)(rows, n_rows, f, (const REAL *)G, g_stride, total); break;
        case 3: OF_COLUMNS(gradient, 3)(rows, n_rows, f, (const REAL *)G, g_stride, total); break;
        case 4: OF_COLUMNS(gradient, 4)(rows, n_rows, f, (const REAL *)G, g_stride, total); break;
        case 5: OF_COLUMNS(gradient, 5)(rows, n_rows, f, (const REAL *)G, g_stride, total); break;
#if TILE_COLUMNS == 6
        case 6: OF_COLUMNS(gradient, 6)(rows, n_rows, f, (const REAL *)G, g_stride, total); break;
#endif
        }
    }
}

#undef OF_COLUMNS
#undef KERNEL_
#undef KERNEL_NAME
#undef TYPE
#undef STORED
#undef WIDEN
