/* Every kernel of every instruction set that runs here, against independent plain loops in this file.

     kernels_selftest [--some] [--break pair|panel|select|read] [--pretend ISA]

   Prints a line for each instruction set, and exits with 1 at the first difference, naming it. --break plants a fault that
   must be found; --some checks a quarter of the cases; --pretend checks an instruction set although the processor is said not to have it.
   Build with -ffp-contract=off, as the kernels are; BLOCK_BYTES is that of fastcls/_bounds.py. */
#define _GNU_SOURCE
#include <signal.h>

#include "table.h"
#include "selftest_oracle.h"
#include "selftest_report.h"

#ifndef BLOCK_BYTES
#define BLOCK_BYTES 4096
#endif

static const char *const sum_names[] = {"l1", "sql2", "dot"};
static const char *const type_names[] = {"uint8", "int8", "float16", "bfloat16", "float32", "float64"};
static const char *const panel_names[] = {"l1_bytes", "dot_bytes", "max_singles", "dot_singles"};
static const char *pretended = "";

static void fail(double got, double wanted) {
    printf("FAILED %s: got %.17g, wanted %.17g\n", where, got, wanted);
    exit(1);
}
static void same(double got, double wanted) {
    n_compared++;
    if (memcmp(&got, &wanted, sizeof got) != 0 && !(got != got && wanted != wanted))
        fail(got, wanted);
}

enum { X_BUFFER, Y_BUFFER, PACKED_Q, PACKED_R, SUMS, TERMS, FACTORS, KEYS, CHOSEN, CENTER, N_BUFFERS };
static buffer_t buffers[N_BUFFERS];
#define LARGEST_ROW 150528
#define MOST_ROWS 70

static const ptrdiff_t wide[] = {127, 128, 129, 255, 256, 257, 784, 3072};
static const ptrdiff_t very_wide[] = {33025, 33026, 65536, 65537, 66052, LARGEST_ROW};
enum { N_SMALL = 70, N_WIDE = sizeof wide / sizeof wide[0], N_VERY_WIDE = sizeof very_wide / sizeof very_wide[0] };
static ptrdiff_t width_of(int number) { return number < N_SMALL ? number + 1 : wide[number - N_SMALL]; }

static void check_pair(fastcls_pair_fn pair, int sum, int type, ptrdiff_t n, int x_kind, int y_kind) {
    const size_t bytes = (size_t)(n * fastcls_type_bytes[type]);
    for (int right = 0; right < 2; right++) {
        uint8_t *x = put(buffers[X_BUFFER], bytes, right), *y = put(buffers[Y_BUFFER], bytes, right);
        fill(x, type, n, x_kind);
        fill(y, type, n, y_kind);
        at("%s %s pair, %td features, values of kinds %d and %d", sum_names[sum], type_names[type], n, x_kind, y_kind);
        double got = pair(x, y, n + (right && !strcmp(fault, "read") && n == 65));
        if (!strcmp(fault, "pair") && n == 65 && sum == FASTCLS_DOT && type == FASTCLS_F64)
            got = nextafter(got, 1e300);
        same(got, plain_sum(sum, type, x, y, n));
        if (type < FASTCLS_F16 && n > 1) /* bytes may lie anywhere: one further, so that every address is odd once */
            same(pair(x + 1, y + !right, n - 1), plain_sum(sum, type, x + 1, y + !right, n - 1));
    }
}
static int check_pairs(const fastcls_search *isa) {
    int n_pairs = 0;
    for (int sum = 0; sum < FASTCLS_N_SUMS; sum++)
        for (int type = 0; type < FASTCLS_N_TYPES; type++) {
            const fastcls_pair_fn pair = isa->pairs[sum][type];
            if (!pair)
                continue;
            n_pairs++;
            for (int number = 0; number < N_SMALL + N_WIDE; number++)
                for (int kind = 0; kind < 4; kind++)
                    if (is_drawn())
                        check_pair(pair, sum, type, width_of(number), kind, kind == 3 ? 1 : kind);
            for (int number = 0; number < N_VERY_WIDE && type < FASTCLS_F16; number++) {
                check_pair(pair, sum, type, very_wide[number], 3, 3);
                if (is_drawn())
                    check_pair(pair, sum, type, very_wide[number], 3, 1);
                if (is_drawn())
                    check_pair(pair, sum, type, very_wide[number], 1, 1);
            }
        }
    return n_pairs;
}

/* Packing in blocks of features and adding the blocks' tiles, as the search does. Every buffer ends at the page behind. */
static int bias(int type, int flip) { return !flip ? 0 : type == FASTCLS_U8 ? -128 : 128; }
typedef struct {
    const fastcls_panel *panel;
    int type, query_flip, row_flip;
    const double *center;
    double scale;
} packing_t;
static const double *tile_sums(packing_t p, const uint8_t *queries, ptrdiff_t n_queries, const uint8_t *rows,
                               ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t block_features) {
    static const int element_bytes[] = {1, 2, 4};
    const ptrdiff_t unit = p.panel->step_features * element_bytes[p.panel->element];
    const ptrdiff_t row_bytes = n * fastcls_type_bytes[p.type];
    double *sums = (double *)put(buffers[SUMS], sizeof(double) * (size_t)(p.panel->queries * p.panel->rows), 1);
    for (int i = 0; i < p.panel->queries * p.panel->rows; i++)
        sums[i] = NAN; /* the first block must overwrite, not add */
    for (ptrdiff_t first = 0; first < n; first += block_features) {
        const ptrdiff_t m = n - first < block_features ? n - first : block_features;
        const ptrdiff_t n_steps = (m + p.panel->step_features - 1) / p.panel->step_features;
        uint8_t *packed_queries = put(buffers[PACKED_Q], (size_t)(n_steps * unit * p.panel->queries), 1);
        uint8_t *packed_rows = put(buffers[PACKED_R], (size_t)(n_steps * unit * p.panel->rows), 1);
        memset(packed_queries, 0xff, (size_t)(n_steps * unit * p.panel->queries));
        p.panel->pack(queries, row_bytes, n_queries, p.panel->queries, p.type, p.panel, p.query_flip, p.center, p.scale,
                     first, m, packed_queries);
        memset(packed_rows, 0xff, (size_t)(n_steps * unit * p.panel->rows)); /* packing pads, and not what lay there */
        p.panel->pack(rows, row_bytes, n_rows, p.panel->rows, p.type, p.panel, p.row_flip, p.center, p.scale, first, m,
                     packed_rows);
        if (!strcmp(fault, "panel") && n == 65)
            memset(packed_rows + (n_steps - 1) * unit * p.panel->rows, 0, (size_t)unit); /* as if a tail were lost */
        const unsigned flushing = p.type < FASTCLS_F16 ? flush_subnormals() : 0;
        p.panel->tile(packed_queries, packed_rows, n_steps, sums, p.panel->rows, first > 0);
        same(still_flushing(flushing), 1); /* byte tiles leave the processor in the mode they found it in */
    }
    return sums;
}

static void check_singles(const char *what, int sum, packing_t p, const uint8_t *q, const uint8_t *r, ptrdiff_t n,
                          ptrdiff_t block, int is_exact, double got) {
    double total = 0, size = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const float a = (float)((value(q, p.type, i) - p.center[i]) * p.scale);
        const float b = (float)((value(r, p.type, i) - p.center[i]) * p.scale);
        const double one = sum == FASTCLS_L1 ? (a > b ? a : b) : (double)a * (double)b;
        total += one;
        size += fabs(one);
    }
    const double u = 0x1p-24, roundings = (double)(n < block ? n : block) + 2;
    const double bound = roundings * u / (1 - roundings * u) * size + 4 * (double)n * 0x1p-126;
    n_compared++;
    if (!(fabs(got - total) <= (is_exact ? 0 : bound))) {
        printf("FAILED %s: got %.17g, wanted %.17g within %.3g\n", what, got, total, bound);
        exit(1);
    }
}

static void check_tile(const fastcls_panel *panel, int number, int type, ptrdiff_t n, ptrdiff_t n_queries, ptrdiff_t n_rows,
                       ptrdiff_t block, int kind, int right) {
    const int sum = number == FASTCLS_L1_BYTES || number == FASTCLS_MAX_SINGLES ? FASTCLS_L1 : FASTCLS_DOT;
    const ptrdiff_t row_bytes = n * fastcls_type_bytes[type];
    uint8_t *queries = put(buffers[X_BUFFER], (size_t)(n_queries * row_bytes), right);
    uint8_t *rows = put(buffers[Y_BUFFER], (size_t)(n_rows * row_bytes), right);
    double *center = (double *)put(buffers[CENTER], (size_t)n * sizeof(double), 1);
    fill(queries, type, n_queries * n, kind);
    fill(rows, type, n_rows * n, kind);
    for (ptrdiff_t i = 0; i < n; i++)
        center[i] = type >= FASTCLS_F16 && kind == 0 ? uniform() : 0.0;
    const int is_u8 = type == FASTCLS_U8;
    packing_t p = {panel, type, is_u8 ? panel->query_flip : panel->query_flip ^ 0x80,
                   is_u8 ? panel->row_flip : panel->row_flip ^ 0x80, center, kind == 2 ? 0x1p-20 : 1.0};
    at("%s panel of %s, %td features in blocks of %td, %td queries, %td rows, kind %d", panel_names[number], type_names[type],
       n, block, n_queries, n_rows, kind);
    const double *sums = tile_sums(p, queries, n_queries, rows, n_rows, n, block);
    const int64_t of_flips = panel->element == FASTCLS_BYTE && sum == FASTCLS_DOT;
    const int64_t bq = of_flips * bias(type, p.query_flip), br = of_flips * bias(type, p.row_flip);
    for (ptrdiff_t i = 0; i < n_queries; i++)
        for (ptrdiff_t j = 0; j < n_rows; j++) {
            const uint8_t *q = queries + i * row_bytes, *r = rows + j * row_bytes;
            const double got = sums[i * panel->rows + j];
            if (type >= FASTCLS_F16) {
                /* at most 256 values of +-60,000: every sum of them is a single */
                check_singles(where, sum, p, q, r, n, block, sum == FASTCLS_L1 && kind == 1 && n <= 256, got);
                continue;
            }
            int64_t of_query = 0, of_row = 0;
            for (ptrdiff_t f = 0; f < n; f++) {
                of_query += (int64_t)value(q, type, f);
                of_row += (int64_t)value(r, type, f);
            }
            same(got - (double)(br * of_query + bq * of_row + bq * br * n), plain_sum(sum, type, q, r, n));
        }
}

static void check_panel(const fastcls_panel *panel, int number, int type) {
    const int turns = panel->queries * panel->rows;
    const ptrdiff_t block = type < FASTCLS_F16 ? BLOCK_BYTES : BLOCK_BYTES / 4;
    for (int number_of_width = 0; number_of_width < N_SMALL + N_WIDE; number_of_width++)
        for (int kind = 0; kind < 4; kind++) {
            const int turn = (number_of_width * 4 + kind) * 37;
            const ptrdiff_t n = width_of(number_of_width);
            if (!is_drawn())
                continue;
            check_tile(panel, number, type, n, 1 + turn % panel->queries, 1 + turn % panel->rows, block, kind, turn % 2);
            if (kind == number_of_width % 4)
                check_tile(panel, number, type, n, panel->queries, panel->rows, 24, kind, 1 - turn % 2);
        }
    for (int turn = 0; turn < turns; turn++) /* every number of queries with every number of rows */
        if (is_drawn())
            check_tile(panel, number, type, 13, 1 + turn % panel->queries, 1 + turn / panel->queries, block, turn % 3, turn % 2);
    for (int i = 0; i < N_VERY_WIDE && type < FASTCLS_F16; i++) {
        check_tile(panel, number, type, very_wide[i], 2, 3, block, 3, 1); /* all 255, all -128 */
        if (is_drawn())
            check_tile(panel, number, type, very_wide[i], 2, 3, block, 1, 1);
    }
}
static int check_panels(const fastcls_search *isa, char *names_out) {
    int n_panels = 0;
    for (int number = 0; number < FASTCLS_N_PANELS; number++) {
        const fastcls_panel *panel = &isa->panels[number];
        if (!panel->tile)
            continue;
        n_panels++;
        strcat(strcat(names_out, " "), panel_names[number]);
        const int singles = number == FASTCLS_MAX_SINGLES || number == FASTCLS_DOT_SINGLES;
        for (int type = singles ? FASTCLS_F16 : FASTCLS_U8; type <= (singles ? FASTCLS_F64 : FASTCLS_I8); type++)
            check_panel(panel, number, type);
    }
    return n_panels;
}

static void check_selection(fastcls_select_fn select, ptrdiff_t n, double threshold, double query_term) {
    double *sums = (double *)put(buffers[SUMS], (size_t)n * sizeof(double), 1);
    double *terms = (double *)put(buffers[TERMS], (size_t)n * sizeof(double), 1);
    double *factors = (double *)put(buffers[FACTORS], (size_t)n * sizeof(double), 1);
    static const double strange[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0};
    for (ptrdiff_t j = 0; j < n; j++) {
        sums[j] = next_random() % 8 ? (double)(next_random() % 5) : strange[next_random() % 5];
        terms[j] = next_random() % 8 ? (double)(next_random() % 3) : strange[next_random() % 5];
        factors[j] = next_random() % 8 ? 1.0 : strange[next_random() % 5];
    }
    double wanted_keys[MOST_ROWS + 64];
    int32_t wanted[MOST_ROWS + 64];
    ptrdiff_t n_wanted = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const double key = (sums[j] * -2.0 + query_term + terms[j]) * factors[j];
        const int is_above = key > threshold; /* false of a NaN, which is kept */
        if (is_above)
            continue;
        wanted_keys[n_wanted] = key;
        wanted[n_wanted++] = (int32_t)j;
    }
    /* space for exactly those that are chosen */
    double *keys = (double *)put(buffers[KEYS], (size_t)n_wanted * sizeof(double), 1);
    int32_t *chosen = (int32_t *)put(buffers[CHOSEN], (size_t)n_wanted * sizeof(int32_t), 1);
    at("select of %td, threshold %g, query term %g", n, threshold, query_term);
    ptrdiff_t n_chosen = select(sums, n, -2.0, query_term, terms, factors, threshold, keys, chosen);
    if (!strcmp(fault, "select") && n_chosen && keys[n_chosen - 1] != keys[n_chosen - 1])
        n_chosen--; /* as if a NaN were not kept */
    same((double)n_chosen, (double)n_wanted);
    for (ptrdiff_t c = 0; c < n_chosen; c++) {
        same(keys[c], wanted_keys[c]);
        same(chosen[c], wanted[c]);
    }
}
static void check_select(fastcls_select_fn select) {
    static const double thresholds[] = {0, -0.0, 1, -3, 4, NAN, INFINITY, -INFINITY};
    for (ptrdiff_t n = 0; n <= MOST_ROWS; n++)
        for (int t = 0; t < 8; t++) {
            check_selection(select, n, thresholds[t], 0.0);
            check_selection(select, n, thresholds[t], t == 4 ? NAN : 3.0);
        }
}

/* Rows of few features, against a stable insertion of plain sums; every buffer ends at the page behind. */
static void check_low_dimensional_case(fastcls_low_dimensional_fn low_dimensional, int sum, ptrdiff_t d, ptrdiff_t n_rows, ptrdiff_t k, int grouped) {
    double *queries = (double *)put(buffers[X_BUFFER], sizeof(double) * (size_t)(8 * d), 1);
    double *rows = (double *)put(buffers[Y_BUFFER], sizeof(double) * (size_t)(n_rows * d), 1);
    double *S = (double *)put(buffers[SUMS], sizeof(double) * (size_t)(8 * k), 1);
    int64_t *index = (int64_t *)put(buffers[TERMS], sizeof(int64_t) * (size_t)(8 * k), 1);
    int64_t *row_groups = (int64_t *)put(buffers[FACTORS], sizeof(int64_t) * (size_t)n_rows, 1);
    int64_t *query_groups = (int64_t *)put(buffers[KEYS], sizeof(int64_t) * 8, 1);
    for (ptrdiff_t i = 0; i < 8 * d; i++)
        queries[i] = (double)(next_random() % 4) + (i % 3 ? 0 : 0.3 * uniform());
    for (ptrdiff_t i = 0; i < n_rows * d; i++)
        rows[i] = (double)(next_random() % 4) + (i % 5 ? 0 : 0.3 * uniform());
    for (ptrdiff_t i = 0; i < n_rows; i++)
        row_groups[i] = (int64_t)(next_random() % 3);
    for (int i = 0; i < 8; i++)
        query_groups[i] = (int64_t)(next_random() % 3);
    for (ptrdiff_t i = 0; i < 8 * k; i++) {
        S[i] = INFINITY;
        index[i] = INT64_MAX;
    }
    const ptrdiff_t half = n_rows / 2; /* in two calls: the second must go on where the first ended */
    low_dimensional(queries, rows, half, d, sum, grouped ? query_groups : NULL, row_groups, 5, k, S, index);
    low_dimensional(queries, rows + half * d, n_rows - half, d, sum, grouped ? query_groups : NULL, row_groups + half, 5 + half, k, S,
           index);
    at("low-dimensional %s, %td features, %td rows, k %td, groups %d", sum_names[sum], d, n_rows, k, grouped);
    for (int i = 0; i < 8; i++) {
        double best[MOST_ROWS], query[16];
        int64_t which[MOST_ROWS];
        ptrdiff_t n = 0;
        for (ptrdiff_t f = 0; f < d; f++)
            query[f] = queries[f * 8 + i];
        for (ptrdiff_t row = 0; row < n_rows; row++) {
            if (grouped && query_groups[i] == row_groups[row])
                continue;
            const double s = plain_sum(sum, FASTCLS_F64, query, rows + row * d, d);
            ptrdiff_t place = n++;
            for (; place > 0 && best[place - 1] > s; place--) {
                best[place] = best[place - 1];
                which[place] = which[place - 1];
            }
            best[place] = s;
            which[place] = 5 + row;
        }
        for (ptrdiff_t place = 0; place < k; place++) {
            same(S[place * 8 + i], place < n ? best[place] : INFINITY);
            same((double)index[place * 8 + i], place < n ? (double)which[place] : (double)INT64_MAX);
        }
    }
}
static void check_low_dimensional(fastcls_low_dimensional_fn low_dimensional) {
    for (int turn = 0; turn < 400; turn++)
        if (is_drawn())
            check_low_dimensional_case(low_dimensional, turn % 2 ? FASTCLS_L1 : FASTCLS_SQL2, 1 + turn / 2 % 15, 1 + (turn * 7) % MOST_ROWS,
                              1 + (turn * 11) % 20, turn % 3 == 0);
}

/* The table in use has no hole among pairs, and every entry is one of the best instruction set that has it. */
static void check_table(int last) {
    fastcls_use(last);
    at("table up to %s", fastcls_isas[last].name);
    for (int sum = 0; sum < FASTCLS_N_SUMS; sum++)
        for (int type = 0; type < FASTCLS_N_TYPES; type++) {
            fastcls_pair_fn best = search_scalar.pairs[sum][type];
            for (int i = 0; i <= last; i++)
                if (fastcls_isas[i].can_run() && fastcls_isas[i].search && fastcls_isas[i].search->pairs[sum][type])
                    best = fastcls_isas[i].search->pairs[sum][type];
            same(best && fastcls_active.search.pairs[sum][type] == best, 1);
        }
    same(fastcls_active.search.select != NULL, 1);
    same(fastcls_active.search.low_dimensional != NULL, 1);
    /* Of the other families the whole is that of the best set that has it, whatever is above it in the table. */
    const fastcls_filter *filter = &filter_scalar;
    const fastcls_linear *linear = &linear_scalar;
    for (int i = 0; i <= last; i++)
        if (fastcls_isas[i].can_run()) {
            filter = fastcls_isas[i].filter ? fastcls_isas[i].filter : filter;
            linear = fastcls_isas[i].linear ? fastcls_isas[i].linear : linear;
        }
    same(memcmp(&fastcls_active.filter, filter, sizeof *filter), 0);
    same(memcmp(&fastcls_active.linear, linear, sizeof *linear), 0);
}
static void check_widening(void) {
    isa_name = "widening";
    static const int types[] = {FASTCLS_F16, FASTCLS_BF16}, exponent_at[] = {10, 7}, last_exponent[] = {31, 255};
    static uint16_t stored[4]; /* as long as the widest type that `value` may read */
    for (int i = 0; i < 2; i++)
        for (int bits = 0; bits < 65536; bits++) {
            stored[0] = (uint16_t)bits;
            double wide_value = 0;
            if ((bits >> exponent_at[i] & last_exponent[i]) == last_exponent[i])
                continue; /* infinities and NaN are refused above */
            at("of %s 0x%04x", type_names[types[i]], (unsigned)bits);
            fastcls_widen[types[i]](stored, 1, &wide_value);
            same(wide_value, value(stored, types[i], 0));
        }
}

int main(int n_arguments, char **arguments) {
    read_arguments(n_arguments, arguments, &pretended);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, bad_read);
    signal(SIGBUS, bad_read);
    for (int i = 0; i < N_BUFFERS; i++)
        buffers[i] = new_buffer(i == X_BUFFER || i == Y_BUFFER ? (size_t)MOST_ROWS * 3072 * 8 : (size_t)LARGEST_ROW * 8);
    set_half_values();
    check_widening();
    for (int i = 0; i < FASTCLS_N_ISAS; i++) {
        const fastcls_search *isa = fastcls_isas[i].search;
        isa_name = fastcls_isas[i].name;
        check_table(i);
        if (!fastcls_isas[i].can_run() && strcmp(pretended, isa_name) != 0) {
            printf("%s: built, cannot run here, not checked\n", isa_name);
            continue;
        }
        if (!isa)
            continue;
        char names[128] = "";
        n_compared = 0;
        const int n_pairs = check_pairs(isa), n_panels = check_panels(isa, names);
        if (isa->select)
            check_select(isa->select);
        if (isa->low_dimensional)
            check_low_dimensional(isa->low_dimensional);
        printf("%s: %d pair functions, %d panels%s%s%s%s: %ld values as wanted\n", isa_name, n_pairs, n_panels,
               n_panels ? " of" : "", names, isa->select ? ", select" : "", isa->low_dimensional ? ", low-dimensional" : "", n_compared);
    }
    return 0;
}
