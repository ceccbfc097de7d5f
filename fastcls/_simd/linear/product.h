/* The packed product of one arithmetic; macros as in tile.h, and PRODUCT_ROWS (12 or 6). Two vectors of results for each row: 24
   accumulators, two vectors of the panel and one spread value are 27 of 32 registers (AVX2: 15 of 16). The lanes run along the
   results, so nothing is folded, and a panel of FASTCLS_INNER terms is read from the second-level cache at the pace of the
   multiply-adds. Every accumulator is a variable with a name of its own, as in tile.h. */

#define PRODUCT_NAME(n) FASTCLS_JOIN(FASTCLS_JOIN(FASTCLS_JOIN(product, n), REAL_NAME), ISA)

#define N_ROWS 1
#include "product_rows.h"
#define N_ROWS 2
#include "product_rows.h"
#define N_ROWS 3
#include "product_rows.h"
#define N_ROWS 4
#include "product_rows.h"
#define N_ROWS 5
#include "product_rows.h"
#define N_ROWS 6
#include "product_rows.h"
#if PRODUCT_ROWS == 12
#define N_ROWS 7
#include "product_rows.h"
#define N_ROWS 8
#include "product_rows.h"
#define N_ROWS 9
#include "product_rows.h"
#define N_ROWS 10
#include "product_rows.h"
#define N_ROWS 11
#include "product_rows.h"
#define N_ROWS 12
#include "product_rows.h"
#endif

static void FASTCLS_JOIN(FASTCLS_JOIN(product, REAL_NAME), ISA)(const void *A, int n_rows, const void *panel, ptrdiff_t n,
                                                                void *out, ptrdiff_t out_stride, int add) {
    switch (n_rows) {
    case 1: PRODUCT_NAME(1)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 2: PRODUCT_NAME(2)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 3: PRODUCT_NAME(3)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 4: PRODUCT_NAME(4)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 5: PRODUCT_NAME(5)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 6: PRODUCT_NAME(6)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
#if PRODUCT_ROWS == 12
    case 7: PRODUCT_NAME(7)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 8: PRODUCT_NAME(8)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 9: PRODUCT_NAME(9)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 10: PRODUCT_NAME(10)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 11: PRODUCT_NAME(11)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
    case 12: PRODUCT_NAME(12)((const REAL *)A, (const REAL *)panel, n, (REAL *)out, out_stride, add); break;
#endif
    }
}
#undef PRODUCT_NAME

#define TURN FASTCLS_JOIN(FASTCLS_JOIN(turn, REAL_NAME), ISA)
#define PANEL (2 * LANES)
#include "turn.h"
