/* The contract of the filter's kernels. The difference of two rows' codes bounds the rows' distance from below (docs/filter.md).
   A *screen* compares every code of a panel with some queries and records the rows that may be near; *at* compares one query
   with given rows only; *project* computes projections of byte rows.

   Keys. For L1 codes the key is the sum of absolute differences, and small means near. For L2 codes (queries unsigned, c + 128,
   rows signed) it is start + sum (c_q + 128) c_r with start = -floor(n_r / 2) - 128 sum(c_r) and n_r = sum c_r^2, so that
   |c_q - c_r|^2 = n_q - 2 key + (0 or 1), and large means near.

   For fine L2 codes, 16-bit numbers within +-2,032 on both sides, the key is |c_q - c_r|^2, at most INT32_MAX, and small means
   near.

   Overflow. A byte of code adds at most 255 x 127 + 128 x 127 + 127^2 / 2 < 56,706: a key of up to 32,768 bytes fits into int32.
   So does |c_q - c_r|^2 <= 254^2 x 32,768, even if 2 key does not: sums modulo 2^32 give it. For fine codes two squares are below
   3.4e7, and a 32-bit lane adds 64 of these for 2,048 numbers in 32 lanes or more; lanes are added in 64 bits. project adds
   255 x 127 per feature: blocks of 65,536 features fit into int32. */
#ifndef FASTCLS_FILTER_CONTRACT_H
#define FASTCLS_FILTER_CONTRACT_H

#include "../contract.h"

enum { FASTCLS_SCREEN_QUERIES = 6, FASTCLS_PANEL_L1 = 32, FASTCLS_PANEL_L2 = 64, FASTCLS_PROJECT_BLOCK = 65536 };

/* Rows of one query that passed a screen. The arrays have space for FASTCLS_PANEL_L2 rows after n, under L1 too: whole
   registers are stored, which may end up to 40 rows after n. */
typedef struct {
    int32_t *keys;
    int32_t *rows;
    ptrdiff_t n;
} fastcls_list;

/* Queries [step][query][bytes of a step] and a panel [step][row][bytes of a step], of 8 bytes a step for L1 and 4 for L2;
   a row passes if its key is not above (L1) or not below (L2) the query's limit. Appends keys and row numbers, counted from
   first_row, to the queries' lists. `starts` are those of the panel's rows (L2 only). */
typedef void (*fastcls_screen_fn)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                                  const int32_t *limits, int32_t first_row, fastcls_list *lists);

/* Rows among themselves: as a screen of six queries, but a row also passes if the query may be a neighbour of the row. For L1 its
   key is then not above row_limits[row], for L2 not below row_limits[row] + halves[query] (halves: of the queries' squared norms).

   Overflow. Limits of L2 rows are within +-FASTCLS_NEVER or INT32_MIN, and halves within 0..127^2 x 32,768 / 2 < 264,257,537.
   So INT32_MIN + half is below, and FASTCLS_NEVER + half is above, every key: |key| < 56,706 x 32,768 = 1,858,142,208. */
enum { FASTCLS_NEVER = 1870000000 };
typedef void (*fastcls_screen_both_fn)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                                       const int32_t *limits, const int32_t *halves, const int32_t *row_limits,
                                       int32_t first_row, fastcls_list *lists);

/* Keys of one query (`width` bytes) and the codes of rows[0..n), each `width` bytes, one row after another. */
typedef void (*fastcls_at_fn)(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                              const int32_t *rows, ptrdiff_t n, int32_t *keys_out);

/* The same for fine codes; `width` is in bytes and a multiple of 64. */
typedef void (*fastcls_at_fine_fn)(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *rows,
                                   ptrdiff_t n, int32_t *keys_out);

/* Computes bounds of the entries first..n of a list from their keys: (gap (1 - 2^-20) - own) - errors[row] in singles. The gap
   is the key (FASTCLS_GAP_SUM), its root (FASTCLS_GAP_SQUARE), or root(norm - 2 key) (FASTCLS_GAP_DOT). Keeps rows and bounds
   of the entries that are not above the threshold and not infinite; NaN is kept. Returns the new n. Keys are not moved. Whole
   registers are read and written: the arrays have space for 16 entries after n. */
enum { FASTCLS_GAP_SUM, FASTCLS_GAP_SQUARE, FASTCLS_GAP_DOT };
typedef ptrdiff_t (*fastcls_bound_fn)(int gap, const int32_t *keys, int32_t *rows, float *bounds, ptrdiff_t first, ptrdiff_t n,
                                      int32_t norm, float own, const float *errors, float threshold);
/* The same for entries whose bounds are known. */
typedef ptrdiff_t (*fastcls_drop_fn)(int32_t *rows, float *bounds, ptrdiff_t first, ptrdiff_t n, float threshold);

/* Dot products of six byte rows (n_features at x[i], XOR flip: 0x80 for int8 rows) with 64 signed columns, packed
   [features / 4][64][4] and padded with zeros; added to out[i * 64 + column]. */
typedef void (*fastcls_project_fn)(const uint8_t *const *x, int flip, ptrdiff_t n_features, const uint8_t *columns,
                                   double *out);

typedef struct {
    fastcls_screen_fn screen_l1, screen_l2;          /* six queries */
    fastcls_screen_fn screen_l1_one, screen_l2_one;  /* one query */
    fastcls_at_fn at_l1, at_l2;
    fastcls_at_fine_fn at_fine;
    fastcls_project_fn project;
    fastcls_bound_fn bound;
    fastcls_drop_fn drop;
    fastcls_screen_both_fn both_l1, both_l2;
} fastcls_filter;

#define FASTCLS_FILTER(ISA)                                                                                              \
    {screen_l1_##ISA, screen_l2_##ISA, screen_l1_one_##ISA, screen_l2_one_##ISA, at_l1_##ISA, at_l2_##ISA,               \
     at_fine_##ISA,   project_##ISA,   bound_##ISA,         drop_##ISA,          both_l1_##ISA, both_l2_##ISA}

/* A screen and its twin for rows among themselves are one loop, `LOOP`, compiled twice: the one without limits of rows. */
#define FASTCLS_LOOP static inline __attribute__((always_inline)) void
#define FASTCLS_SCREEN(NAME, LOOP)                                                                                       \
    static void NAME(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,             \
                     const int32_t *limits, int32_t first_row, fastcls_list *lists) {                                    \
        LOOP(queries, panel, n_steps, starts, limits, NULL, NULL, first_row, lists);                                     \
    }
#define FASTCLS_BOTH(NAME, LOOP)                                                                                         \
    static void NAME(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,             \
                     const int32_t *limits, const int32_t *halves, const int32_t *row_limits, int32_t first_row,         \
                     fastcls_list *lists) {                                                                              \
        LOOP(queries, panel, n_steps, starts, limits, halves, row_limits, first_row, lists);                             \
    }

#endif
