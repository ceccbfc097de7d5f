/* The filter's kernels as plain loops: the definition, which instruction sets without their own kernels also use. */
#ifndef FASTCLS_FILTER_SCALAR_H
#define FASTCLS_FILTER_SCALAR_H

#include "contract.h"

#define ISA scalar

static inline void FASTCLS_JOIN(append, ISA)(fastcls_list *list, int32_t key, int32_t row) {
    list->keys[list->n] = key;
    list->rows[list->n++] = row;
}

static inline void FASTCLS_JOIN(screen_l1_some, ISA)(const uint8_t *queries, int n_queries, const uint8_t *panel,
                                                     ptrdiff_t n_steps, const int32_t *limits, int32_t first_row,
                                                     fastcls_list *lists) {
    for (int i = 0; i < n_queries; i++) {
        int32_t keys[FASTCLS_PANEL_L1] = {0};
        for (ptrdiff_t step = 0; step < n_steps; step++) {
            const uint8_t *q = queries + (step * n_queries + i) * 8, *r = panel + step * FASTCLS_PANEL_L1 * 8;
            for (int row = 0; row < FASTCLS_PANEL_L1; row++)
                for (int b = 0; b < 8; b++)
                    keys[row] += abs((int32_t)q[b] - (int32_t)r[row * 8 + b]);
        }
        for (int row = 0; row < FASTCLS_PANEL_L1; row++)
            if (keys[row] <= limits[i])
                FASTCLS_JOIN(append, ISA)(&lists[i], keys[row], first_row + row);
    }
}

static inline void FASTCLS_JOIN(screen_l2_some, ISA)(const uint8_t *queries, int n_queries, const uint8_t *panel,
                                                     ptrdiff_t n_steps, const int32_t *starts, const int32_t *limits,
                                                     int32_t first_row, fastcls_list *lists) {
    for (int i = 0; i < n_queries; i++) {
        int32_t keys[FASTCLS_PANEL_L2];
        memcpy(keys, starts, sizeof keys);
        for (ptrdiff_t step = 0; step < n_steps; step++) {
            const uint8_t *q = queries + (step * n_queries + i) * 4;
            const int8_t *r = (const int8_t *)panel + step * FASTCLS_PANEL_L2 * 4;
            for (int row = 0; row < FASTCLS_PANEL_L2; row++)
                for (int b = 0; b < 4; b++)
                    keys[row] += (int32_t)q[b] * (int32_t)r[row * 4 + b];
        }
        for (int row = 0; row < FASTCLS_PANEL_L2; row++)
            if (keys[row] >= limits[i])
                FASTCLS_JOIN(append, ISA)(&lists[i], keys[row], first_row + row);
    }
}

static void FASTCLS_JOIN(screen_l1, ISA)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps,
                                         const int32_t *starts, const int32_t *limits, int32_t first_row,
                                         fastcls_list *lists) {
    (void)starts;
    FASTCLS_JOIN(screen_l1_some, ISA)(queries, FASTCLS_SCREEN_QUERIES, panel, n_steps, limits, first_row, lists);
}
static void FASTCLS_JOIN(screen_l1_one, ISA)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps,
                                             const int32_t *starts, const int32_t *limits, int32_t first_row,
                                             fastcls_list *lists) {
    (void)starts;
    FASTCLS_JOIN(screen_l1_some, ISA)(queries, 1, panel, n_steps, limits, first_row, lists);
}
static void FASTCLS_JOIN(screen_l2, ISA)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps,
                                         const int32_t *starts, const int32_t *limits, int32_t first_row,
                                         fastcls_list *lists) {
    FASTCLS_JOIN(screen_l2_some, ISA)(queries, FASTCLS_SCREEN_QUERIES, panel, n_steps, starts, limits, first_row, lists);
}
static void FASTCLS_JOIN(screen_l2_one, ISA)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps,
                                             const int32_t *starts, const int32_t *limits, int32_t first_row,
                                             fastcls_list *lists) {
    FASTCLS_JOIN(screen_l2_some, ISA)(queries, 1, panel, n_steps, starts, limits, first_row, lists);
}

/* Rows among themselves: keys by a screen that passes every row, then the looser limit of a pair. */
static void FASTCLS_JOIN(both_l1, ISA)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                                       const int32_t *limits, const int32_t *halves, const int32_t *row_limits,
                                       int32_t first_row, fastcls_list *lists) {
    static const int32_t all[FASTCLS_SCREEN_QUERIES] = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    ptrdiff_t before[FASTCLS_SCREEN_QUERIES];
    (void)halves;
    for (int i = 0; i < FASTCLS_SCREEN_QUERIES; i++)
        before[i] = lists[i].n;
    FASTCLS_JOIN(screen_l1, ISA)(queries, panel, n_steps, starts, all, first_row, lists);
    for (int i = 0; i < FASTCLS_SCREEN_QUERIES; i++) {
        ptrdiff_t n = lists[i].n = before[i];
        for (int row = 0; row < FASTCLS_PANEL_L1; row++) {
            const int32_t key = lists[i].keys[n + row];
            if (key <= limits[i] || key <= row_limits[row])
                FASTCLS_JOIN(append, ISA)(&lists[i], key, first_row + row);
        }
    }
}
static void FASTCLS_JOIN(both_l2, ISA)(const uint8_t *queries, const uint8_t *panel, ptrdiff_t n_steps, const int32_t *starts,
                                       const int32_t *limits, const int32_t *halves, const int32_t *row_limits,
                                       int32_t first_row, fastcls_list *lists) {
    static const int32_t all[FASTCLS_SCREEN_QUERIES] = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN};
    ptrdiff_t before[FASTCLS_SCREEN_QUERIES];
    for (int i = 0; i < FASTCLS_SCREEN_QUERIES; i++)
        before[i] = lists[i].n;
    FASTCLS_JOIN(screen_l2, ISA)(queries, panel, n_steps, starts, all, first_row, lists);
    for (int i = 0; i < FASTCLS_SCREEN_QUERIES; i++) {
        ptrdiff_t n = lists[i].n = before[i];
        for (int row = 0; row < FASTCLS_PANEL_L2; row++) {
            const int32_t key = lists[i].keys[n + row];
            if (key >= limits[i] || key >= row_limits[row] + halves[i])
                FASTCLS_JOIN(append, ISA)(&lists[i], key, first_row + row);
        }
    }
}

static void FASTCLS_JOIN(at_l1, ISA)(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                                     const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    (void)starts;
    for (ptrdiff_t j = 0; j < n; j++) {
        const uint8_t *r = codes + rows[j] * width;
        int32_t key = 0;
        for (ptrdiff_t i = 0; i < width; i++)
            key += abs((int32_t)query[i] - (int32_t)r[i]);
        keys_out[j] = key;
    }
}
static void FASTCLS_JOIN(at_l2, ISA)(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *starts,
                                     const int32_t *rows, ptrdiff_t n, int32_t *keys_out) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const int8_t *r = (const int8_t *)codes + rows[j] * width;
        int32_t key = starts[rows[j]];
        for (ptrdiff_t i = 0; i < width; i++)
            key += (int32_t)query[i] * (int32_t)r[i];
        keys_out[j] = key;
    }
}

static void FASTCLS_JOIN(at_fine, ISA)(const uint8_t *query, const uint8_t *codes, ptrdiff_t width, const int32_t *rows,
                                       ptrdiff_t n, int32_t *keys_out) {
    const int16_t *q = (const int16_t *)query;
    for (ptrdiff_t j = 0; j < n; j++) {
        const int16_t *r = (const int16_t *)(codes + rows[j] * width);
        int64_t total = 0;
        for (ptrdiff_t start = 0; start < width / 2; start += 64) { /* 64 x 4,064^2 < 2^31 */
            int32_t part = 0;
            for (ptrdiff_t i = start; i < start + 64 && i < width / 2; i++) {
                const int32_t difference = (int32_t)q[i] - (int32_t)r[i];
                part += difference * difference;
            }
            total += part;
        }
        keys_out[j] = total < INT32_MAX ? (int32_t)total : INT32_MAX;
    }
}

static void FASTCLS_JOIN(project, ISA)(const uint8_t *const *x, int flip, ptrdiff_t n_features, const uint8_t *columns,
                                       double *out) {
    for (int i = 0; i < FASTCLS_SCREEN_QUERIES; i++) {
        int32_t sums[64] = {0};
        for (ptrdiff_t f = 0; f < n_features; f++) {
            const int32_t v = x[i][f] ^ flip;
            const int8_t *c = (const int8_t *)columns + (f / 4 * 64 * 4 + f % 4);
            for (int column = 0; column < 64; column++)
                sums[column] += v * c[column * 4];
        }
        for (int column = 0; column < 64; column++)
            out[i * 64 + column] += sums[column];
    }
}
#include "keep.h"

static const fastcls_filter filter_scalar = FASTCLS_FILTER(scalar);

#endif
