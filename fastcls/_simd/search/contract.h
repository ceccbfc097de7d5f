/* The contract of the search kernels: pairs, tiles, rows of few features. README.md describes them. */
#ifndef FASTCLS_SEARCH_CONTRACT_H
#define FASTCLS_SEARCH_CONTRACT_H

#include "../contract.h"

/* The sum of one pair: exact integers for bytes, the reference arithmetic for floats; both rows of one storage type. */
typedef double (*fastcls_pair_fn)(const void *x, const void *y, ptrdiff_t n_features);

/* Converts n values to float64; every conversion is exact. */
typedef void (*fastcls_widen_fn)(const void *source, ptrdiff_t n, double *widened_out);

/* A tile of many pairs from packed rows; see tile.h. For bytes the sums are exact. For singles they are not in the reference
   arithmetic and only serve to discard pairs: the bound allows for any order of summation. */
typedef void (*fastcls_tile_fn)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, double *out,
                                ptrdiff_t stride, int add);

/* The kernels that read panels, and the types of their packed elements. MAX adds the larger of two values: the absolute
   difference is twice that minus both values, and each row's own sum needs only one pass (docs/bounds.md). */
enum { FASTCLS_L1_BYTES, FASTCLS_DOT_BYTES, FASTCLS_MAX_SINGLES, FASTCLS_DOT_SINGLES, FASTCLS_N_PANELS };
enum { FASTCLS_BYTE, FASTCLS_I16, FASTCLS_SINGLE };

typedef struct fastcls_panel fastcls_panel;

/* Features first .. first + n of up to tile_rows rows into a panel; see pack.h. */
typedef void (*fastcls_pack_fn)(const uint8_t *rows, ptrdiff_t row_bytes, ptrdiff_t n_rows, ptrdiff_t tile_rows, int type,
                                const fastcls_panel *panel, int flip, const double *center, double scale, ptrdiff_t first,
                                ptrdiff_t n, uint8_t *panel_out);

struct fastcls_panel {
    fastcls_tile_fn tile; /* NULL: this instruction set has none */
    fastcls_pack_fn pack;
    int element;          /* FASTCLS_BYTE, FASTCLS_I16 or FASTCLS_SINGLE */
    int step_features;    /* features per step */
    int queries, rows;    /* per tile */
    int query_flip;       /* for FASTCLS_BYTE and uint8 data: 0x80 if the tile reads signed bytes, else 0; */
    int row_flip;         /* for int8 data it is the other way round */
};

/* Selects, among n sums of one query, those whose key = (sum x scale + query_term + row_terms[j]) x row_factors[j] is not
   above the threshold (so NaN is selected). Writes key and j of each, and returns how many there are. */
typedef ptrdiff_t (*fastcls_select_fn)(const double *sums, ptrdiff_t n, double scale, double query_term,
                                       const double *row_terms, const double *row_factors, double threshold,
                                       double *keys_out, int32_t *chosen_out);

/* For rows of few features: offers n_rows rows of float64, [n_rows][n_features], to eight queries, [n_features][8], by L1 or
   squared L2 in the reference arithmetic. `S` and `index`, [k][8], are each query's best, nearest first; rows arrive in index
   order, from first_index. query_groups is NULL, or a query does not see the rows of its own group. */
typedef void (*fastcls_low_dimensional_fn)(const double *queries, const double *rows, ptrdiff_t n_rows, ptrdiff_t n_features,
                                           int sum, const int64_t *query_groups, const int64_t *row_groups,
                                           int64_t first_index, ptrdiff_t k, double *S, int64_t *index);

/* Sums of eight queries of float64, [n_features][8], with n_rows rows, [n_rows][n_features], in the reference arithmetic:
   sums_out [n_rows][8]. If no instruction set has this kernel, pairs are computed one after another. */
typedef void (*fastcls_eight_fn)(const double *queries, const double *rows, ptrdiff_t n_rows, ptrdiff_t n_features, int sum,
                                 double *sums_out);

/* The search kernels of one instruction set. A missing kernel (NULL) is taken from the next best set. */
typedef struct {
    fastcls_panel panels[FASTCLS_N_PANELS];
    fastcls_select_fn select;
    fastcls_low_dimensional_fn low_dimensional;
    fastcls_pair_fn pairs[FASTCLS_N_SUMS][FASTCLS_N_TYPES];
    fastcls_eight_fn eight;
} fastcls_search;

#define FASTCLS_PAIRS(SUM, ISA)                                                                                          \
    {SUM##_u8_pair_##ISA,   SUM##_i8_pair_##ISA,  SUM##_f16_pair_##ISA,                                                  \
     SUM##_bf16_pair_##ISA, SUM##_f32_pair_##ISA, SUM##_f64_pair_##ISA}
#define FASTCLS_ALL_PAIRS(ISA) {FASTCLS_PAIRS(l1, ISA), FASTCLS_PAIRS(sql2, ISA), FASTCLS_PAIRS(dot, ISA)}

#endif
