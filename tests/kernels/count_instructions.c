/* One kernel of one instruction set, so many times: `count_instructions ISA KERNEL TIMES`. Prints the work of one time: bytes of
   codes or rows times queries, or entries of a list. tests/helpers/_instructions.py counts what an emulator executes. */
#include <stdio.h>

#include "table.h"

enum { WIDEST = 3072, N_ROWS = 64, N_ENTRIES = 256 };
static uint8_t queries[6 * WIDEST], rows[N_ROWS * WIDEST + 64];
static int32_t numbers[N_ENTRIES + 64], keys[N_ENTRIES + 64], listed[N_ENTRIES + 64];
static float bounds[N_ENTRIES + 64], errors[N_ENTRIES];
static double sums[6 * N_ROWS * 4];

static ptrdiff_t once(const char *name) {
    const fastcls_filter *filter = &fastcls_active.filter;
    const int32_t none_l1[6] = {-1, -1, -1, -1, -1, -1};
    const int32_t none_l2[6] = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX};
    fastcls_list lists[6] = {{keys, listed, 0}};
    const uint8_t *x[6];
    for (int i = 0; i < 6; i++)
        x[i] = queries + i * WIDEST;
    if (!strcmp(name, "screen_l1"))
        return filter->screen_l1(queries, rows, 192 / 8, NULL, none_l1, 0, lists), 6 * FASTCLS_PANEL_L1 * 192;
    if (!strcmp(name, "screen_l1_one"))
        return filter->screen_l1_one(queries, rows, 192 / 8, NULL, none_l1, 0, lists), FASTCLS_PANEL_L1 * 192;
    if (!strcmp(name, "screen_l2"))
        return filter->screen_l2(queries, rows, 256 / 4, numbers, none_l2, 0, lists), 6 * FASTCLS_PANEL_L2 * 256;
    if (!strcmp(name, "screen_l2_one"))
        return filter->screen_l2_one(queries, rows, 256 / 4, numbers, none_l2, 0, lists), FASTCLS_PANEL_L2 * 256;
    if (!strcmp(name, "at_l1"))
        return filter->at_l1(queries, rows, 768, NULL, numbers, N_ROWS, keys), N_ROWS * 768;
    if (!strcmp(name, "at_l2"))
        return filter->at_l2(queries, rows, 256, numbers, numbers, N_ROWS, keys), N_ROWS * 256;
    if (!strcmp(name, "at_fine"))
        return filter->at_fine(queries, rows, 512, numbers, N_ROWS, keys), N_ROWS * 512;
    if (!strcmp(name, "project"))
        return filter->project(x, 0, N_ROWS * WIDEST / 64, rows, sums), 6 * 64 * WIDEST;
    for (int i = 0; i < N_ENTRIES; i++) { /* every other entry is kept */
        keys[i] = i % 2 ? 100 : 10000;
        listed[i] = i % N_ROWS;
        bounds[i] = i % 2 ? 1.0f : 100.0f;
    }
    if (!strcmp(name, "bound"))
        return filter->bound(FASTCLS_GAP_SQUARE, keys, listed, bounds, 0, N_ENTRIES, 0, 0.0f, errors, 50.0f), N_ENTRIES;
    if (!strcmp(name, "drop"))
        return filter->drop(listed, bounds, 0, N_ENTRIES, 50.0f), N_ENTRIES;
    if (!strcmp(name, "lists")) /* only what bound and drop start from */
        return N_ENTRIES;
    const fastcls_search *search = &fastcls_active.search;
    const int l1 = !strcmp(name, "brute_l1");
    const fastcls_panel *panel = &search->panels[l1 ? 0 : 1];
    if (panel->tile) {
        const ptrdiff_t n_steps = WIDEST / panel->step_features;
        return panel->tile(queries, rows, n_steps, sums, N_ROWS, 0), WIDEST * panel->queries * panel->rows;
    }
    return (ptrdiff_t)search->pairs[l1 ? FASTCLS_L1 : FASTCLS_SQL2][FASTCLS_U8](queries, rows, WIDEST) * 0 + WIDEST;
}

int main(int n_arguments, char **arguments) {
    if (n_arguments != 4)
        return 2;
    for (int i = 0; i < FASTCLS_N_ISAS; i++)
        if (!strcmp(fastcls_isas[i].name, arguments[1]))
            fastcls_use(i);
    if (strcmp(fastcls_active.name ? fastcls_active.name : "", arguments[1]))
        return 3;
    for (int i = 0; i < N_ENTRIES; i++)
        numbers[i] = i % N_ROWS;
    ptrdiff_t work = 0;
    for (int i = atoi(arguments[3]); i > 0; i--)
        work = once(arguments[2]);
    printf("%td\n", work);
    return 0;
}
