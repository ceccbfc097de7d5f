/* Every kernel of filter and refine, of every instruction set that runs here, against independent plain loops in this file.

     filter_selftest [--some] [--break screen|both|at|project|bound|read]

   As kernels_selftest.c: a line for each instruction set, 1 at the first difference; --break plants a fault that must be
   found. Buffers lie up against an unreadable page, behind them or before them. */
#define _GNU_SOURCE
#include <signal.h>

#include "table.h"
#include "selftest_oracle.h"
#include "selftest_report.h"

static void same(int64_t got, int64_t wanted) {
    n_compared++;
    if (got != wanted) {
        printf("FAILED %s: got %lld, wanted %lld\n", where, (long long)got, (long long)wanted);
        exit(1);
    }
}

enum { QUERY, CODES, STARTS, ROWS, KEYS, LIMITS, HALVES, ROW_LIMITS, SUMS, COLUMNS, LISTS, N_BUFFERS = LISTS + 12 };
static buffer_t buffers[N_BUFFERS];
enum { MOST_WIDTH = 32768, MOST_FEATURES = 65536, BEHIND = FASTCLS_PANEL_L2, MOST_LISTED = 3 * FASTCLS_PANEL_L2 };

/* Kind 0: any byte; 1: both ends of the range; 2: the queries' highest and the rows' lowest, or the other way round; 3: few
   values, for many equal keys. Rows of L2 are signed and within +-127. */
static uint8_t code_of(int kind, int is_signed, int high) {
    static const int8_t ends[2] = {-127, 127};
    const uint64_t r = next_random() >> 7;
    if (kind == 0)
        return (uint8_t)(is_signed ? (int)(r % 255) - 127 : (int)(r % 256));
    if (kind == 3)
        return (uint8_t)(r % 3);
    const int end = kind == 1 ? (int)(r & 1) : high;
    return (uint8_t)(is_signed ? ends[end] : 255 * end);
}
static void fill_codes(uint8_t *codes, ptrdiff_t n, int kind, int is_signed, int high) {
    for (ptrdiff_t i = 0; i < n; i++)
        codes[i] = code_of(kind, is_signed, high);
}
static int32_t plain_key(int l1, const uint8_t *query, const uint8_t *row, ptrdiff_t n, int32_t start) {
    int64_t key = l1 ? 0 : start;
    for (ptrdiff_t i = 0; i < n; i++)
        key += l1 ? (query[i] < row[i] ? row[i] - query[i] : query[i] - row[i]) : (int64_t)query[i] * (int8_t)row[i];
    if (key > INT32_MAX || key < INT32_MIN) {
        printf("FAILED %s: a key beyond int32\n", where); /* contract.h says that none is */
        exit(1);
    }
    return (int32_t)key;
}
static int32_t start_of(const uint8_t *row, ptrdiff_t n) {
    int32_t norm = 0, total = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        norm += (int8_t)row[i] * (int8_t)row[i];
        total += (int8_t)row[i];
    }
    return -(norm >> 1) - 128 * total;
}

/* A screen of one panel, on lists that hold something already: that must stay, and what passes must follow in order. Without
   `screen`, that of rows among themselves: of each row the limit is that of no key, of all, or a key of some query. */
static void check_screen(fastcls_screen_fn screen, fastcls_screen_both_fn both, int l1, int n_queries, ptrdiff_t n_steps, int kind,
                         int right, int limit_kind) {
    const int step_bytes = l1 ? 8 : 4, n_rows = l1 ? FASTCLS_PANEL_L1 : FASTCLS_PANEL_L2;
    const ptrdiff_t width = n_steps * step_bytes;
    static uint8_t rows[FASTCLS_PANEL_L2 * MOST_WIDTH], query[MOST_WIDTH];
    uint8_t *queries = put(buffers[QUERY], (size_t)(width * n_queries), right);
    uint8_t *panel = put(buffers[CODES], (size_t)(width * n_rows), right);
    int32_t *starts = (int32_t *)put(buffers[STARTS], sizeof(int32_t) * (size_t)(l1 ? 0 : n_rows), right);
    int32_t *limits = (int32_t *)put(buffers[LIMITS], sizeof(int32_t) * (size_t)n_queries, right);
    int32_t *halves = (int32_t *)put(buffers[HALVES], sizeof(int32_t) * (size_t)(both && !l1 ? n_queries : 0), right);
    int32_t *row_limits = (int32_t *)put(buffers[ROW_LIMITS], sizeof(int32_t) * (size_t)(both ? n_rows : 0), right);
    at("screen of %s, %d queries, %td steps, kind %d, limits %d", l1 ? "l1" : "l2", n_queries, n_steps, kind, limit_kind);
    fill_codes(queries, width * n_queries, kind, 0, right);
    fill_codes(rows, width * n_rows, kind, !l1, !right);
    for (int row = 0; row < n_rows; row++) {
        for (ptrdiff_t step = 0; step < n_steps; step++)
            memcpy(panel + (step * n_rows + row) * step_bytes, rows + row * width + step * step_bytes, (size_t)step_bytes);
        if (!l1)
            starts[row] = start_of(rows + row * width, width);
    }
    int32_t wanted[FASTCLS_SCREEN_QUERIES][FASTCLS_PANEL_L2];
    fastcls_list lists[FASTCLS_SCREEN_QUERIES];
    ptrdiff_t before[FASTCLS_SCREEN_QUERIES];
    const int32_t first_row = (int32_t)(next_random() % 1000000);
    for (int i = 0; i < n_queries; i++) {
        for (ptrdiff_t step = 0; step < n_steps; step++)
            memcpy(query + step * step_bytes, queries + (step * n_queries + i) * step_bytes, (size_t)step_bytes);
        for (int row = 0; row < n_rows; row++)
            wanted[i][row] = plain_key(l1, query, rows + row * width, width, l1 ? 0 : starts[row]);
        limits[i] = limit_kind == 0 ? INT32_MIN : limit_kind == 1 ? INT32_MAX : wanted[i][next_random() % (unsigned)n_rows];
        before[i] = lists[i].n = (ptrdiff_t)(next_random() % (MOST_LISTED - BEHIND));
        const size_t n_bytes = sizeof(int32_t) * (size_t)(lists[i].n + BEHIND);
        lists[i].keys = (int32_t *)put(buffers[LISTS + 2 * i], n_bytes, 1);
        lists[i].rows = (int32_t *)put(buffers[LISTS + 2 * i + 1], n_bytes, 1);
        for (ptrdiff_t j = 0; j < lists[i].n; j++)
            lists[i].keys[j] = lists[i].rows[j] = (int32_t)(-7 - j);
    }
    for (int i = 0; both && !l1 && i < n_queries; i++)
        halves[i] = (int32_t)(next_random() % 264257537u); /* of the largest norm */
    for (int row = 0; both && row < n_rows; row++) {
        const int i = (int)(next_random() % (unsigned)n_queries), turn = (int)(next_random() % 4);
        const int32_t none = l1 ? -1 : FASTCLS_NEVER, all = l1 ? INT32_MAX : INT32_MIN;
        row_limits[row] = turn == 0 ? none : turn == 1 ? all : l1 ? wanted[i][row] : wanted[i][row] - halves[i];
    }
    if (both)
        both(queries, panel, n_steps, l1 ? NULL : starts, limits, l1 ? NULL : halves, row_limits, first_row, lists);
    else
        screen(queries, panel, n_steps + (right && !strcmp(fault, "read") && n_steps == 9), l1 ? NULL : starts, limits,
               first_row, lists);
    if (both && !strcmp(fault, "both") && n_steps == 9)
        row_limits[0] = row_limits[0] == (l1 ? -1 : FASTCLS_NEVER) ? (l1 ? INT32_MAX : INT32_MIN) : (l1 ? -1 : FASTCLS_NEVER);
    if (!strcmp(fault, "screen") && limit_kind == 2 && n_steps == 9 && lists[n_queries - 1].n > before[n_queries - 1])
        lists[n_queries - 1].n--; /* as if a row at the limit had not passed */
    for (int i = 0; i < n_queries; i++) {
        ptrdiff_t n = before[i];
        for (ptrdiff_t j = 0; j < n; j++)
            same(lists[i].keys[j] == -7 - j && lists[i].rows[j] == -7 - j, 1);
        for (int row = 0; row < n_rows; row++)
            if ((l1 ? wanted[i][row] <= limits[i] : wanted[i][row] >= limits[i]) ||
                (both && (l1 ? wanted[i][row] <= row_limits[row] : wanted[i][row] >= (int64_t)row_limits[row] + halves[i]))) {
                same(n < lists[i].n, 1);
                same(lists[i].keys[n], wanted[i][row]);
                same(lists[i].rows[n++], first_row + row);
            }
        same(lists[i].n, n);
    }
}
static void check_screens(const fastcls_filter *kernels) {
    const fastcls_screen_fn screens[2][3] = {{kernels->screen_l2, kernels->screen_l2_one, NULL},
                                             {kernels->screen_l1, kernels->screen_l1_one, NULL}};
    for (int l1 = 0; l1 < 2; l1++)
        for (int one = 0; one < 3; one++) { /* and 2: rows among themselves */
            const int n_queries = one == 1 ? 1 : FASTCLS_SCREEN_QUERIES;
            const fastcls_screen_both_fn both = one < 2 ? NULL : l1 ? kernels->both_l1 : kernels->both_l2;
            for (ptrdiff_t n_steps = 1; n_steps <= 33; n_steps++)
                for (int turn = 0; turn < 24; turn++)
                    if (is_drawn())
                        check_screen(screens[l1][one], both, l1, n_queries, n_steps, turn % 4, turn / 4 % 2, turn / 8);
            for (int turn = 0; turn < 8; turn++) /* the widest codes there may be */
                if (is_drawn())
                    check_screen(screens[l1][one], both, l1, n_queries, MOST_WIDTH / (l1 ? 8 : 4), turn % 4, turn / 4, 2);
        }
}

/* One query with chosen rows: in any order, some twice, none. */
static void check_at(const fastcls_filter *kernels, int l1, ptrdiff_t width, ptrdiff_t n_rows, ptrdiff_t n, int kind, int right) {
    uint8_t *query = put(buffers[QUERY], (size_t)width, right), *codes = put(buffers[CODES], (size_t)(width * n_rows), right);
    int32_t *starts = (int32_t *)put(buffers[STARTS], sizeof(int32_t) * (size_t)n_rows, right);
    int32_t *rows = (int32_t *)put(buffers[ROWS], sizeof(int32_t) * (size_t)n, 1);
    int32_t *keys = (int32_t *)put(buffers[KEYS], sizeof(int32_t) * (size_t)n, 1);
    at("%s of %td rows, %td bytes of code, kind %d", l1 ? "at_l1" : "at_l2", n, width, kind);
    fill_codes(query, width, kind, 0, right);
    fill_codes(codes, width * n_rows, kind, !l1, !right);
    for (ptrdiff_t row = 0; row < n_rows; row++)
        starts[row] = l1 ? 0 : start_of(codes + row * width, width);
    for (ptrdiff_t j = 0; j < n; j++)
        rows[j] = j == 0 ? (int32_t)n_rows - 1 : j == 1 ? 0 : (int32_t)(next_random() % (uint64_t)n_rows);
    (l1 ? kernels->at_l1 : kernels->at_l2)(query, codes, width, l1 ? NULL : starts, rows, n, keys);
    if (!strcmp(fault, "at") && width == 65 && n)
        keys[n - 1] ^= 1;
    for (ptrdiff_t j = 0; j < n; j++)
        same(keys[j], plain_key(l1, query, codes + rows[j] * width, width, starts[rows[j]]));
}

/* Fine codes are within +-2,032: opposite ends of 131 coordinates and more are beyond int32, and the key says "at least". */
static void check_fine(fastcls_at_fine_fn at_fine, ptrdiff_t width, ptrdiff_t n, int kind, int right) {
    enum { N_ROWS = 7 };
    int16_t *query = (int16_t *)put(buffers[QUERY], (size_t)width, right);
    int16_t *codes = (int16_t *)put(buffers[CODES], (size_t)width * N_ROWS, right);
    int32_t *rows = (int32_t *)put(buffers[ROWS], sizeof(int32_t) * (size_t)n, 1);
    int32_t *keys = (int32_t *)put(buffers[KEYS], sizeof(int32_t) * (size_t)n, 1);
    at("at_fine of %td rows, %td bytes of code, kind %d", n, width, kind);
    for (ptrdiff_t i = 0; i < width / 2; i++)
        query[i] = (int16_t)(kind == 0 ? (int)(next_random() % 4065) - 2032 : kind == 1 && next_random() & 1 ? -2032 : 2032);
    for (ptrdiff_t i = 0; i < N_ROWS * width / 2; i++)
        codes[i] = (int16_t)(kind == 0 ? (int)(next_random() % 4065) - 2032 : kind == 1 && next_random() & 1 ? 2032 : -2032);
    for (ptrdiff_t j = 0; j < n; j++)
        rows[j] = j == 0 ? N_ROWS - 1 : (int32_t)(next_random() % N_ROWS);
    at_fine((const uint8_t *)query, (const uint8_t *)codes, width, rows, n, keys);
    for (ptrdiff_t j = 0; j < n; j++) {
        int64_t total = 0;
        for (ptrdiff_t i = 0; i < width / 2; i++) {
            const int64_t difference = query[i] - codes[rows[j] * (width / 2) + i];
            total += difference * difference;
        }
        same(keys[j], total < INT32_MAX ? total : INT32_MAX);
    }
}
static void check_ats(const fastcls_filter *kernels) {
    static const ptrdiff_t wide[] = {191, 192, 193, 255, 256, 257, 784, 3072, MOST_WIDTH};
    for (int l1 = 0; l1 < 2; l1++)
        for (int kind = 0; kind < 4; kind++)
            for (int right = 0; right < 2; right++) {
                for (ptrdiff_t width = 1; width <= 132; width++)
                    if (is_drawn())
                        check_at(kernels, l1, width, 1 + (width * 7 + kind) % 23, (width + 3 * kind) % 11, kind, right);
                for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
                    if (is_drawn())
                        check_at(kernels, l1, wide[i], 5, 7, kind, right);
            }
    for (ptrdiff_t width = 64; width <= 4096; width += width < 1024 ? 64 : 1024)
        for (int kind = 0; kind < 3; kind++)
            for (ptrdiff_t n = 0; n < 8; n++)
                if (is_drawn())
                    check_fine(kernels->at_fine, width, n, kind, (int)n % 2);
}

static void check_project(fastcls_project_fn project, ptrdiff_t n_features, int flip, int kind, int right) {
    const ptrdiff_t n_steps = (n_features + 3) / 4;
    uint8_t *all = put(buffers[QUERY], (size_t)(6 * n_features), right);
    int8_t *columns = (int8_t *)put(buffers[COLUMNS], (size_t)(n_steps * 256), right);
    double *sums = (double *)put(buffers[SUMS], sizeof(double) * 6 * 64, 1), before[6 * 64];
    at("project of %td features, flip %d, kind %d", n_features, flip, kind);
    fill_codes(all, 6 * n_features, kind, 0, right);
    const uint8_t *x[6];
    for (int i = 0; i < 6; i++)
        x[i] = all + (5 - i) * n_features;
    for (ptrdiff_t f = 0; f < n_steps * 4; f++)
        for (int column = 0; column < 64; column++)
            columns[(f / 4 * 64 + column) * 4 + f % 4] = f < n_features ? (int8_t)code_of(kind, 1, column % 2) : 0;
    for (int i = 0; i < 6 * 64; i++)
        before[i] = sums[i] = (double)((int64_t)(next_random() >> 20) - (INT64_C(1) << 43)); /* added to, exactly */
    project(x, flip, n_features, (const uint8_t *)columns, sums);
    if (!strcmp(fault, "project") && n_features == 65)
        sums[383] += 1;
    for (int i = 0; i < 6; i++)
        for (int column = 0; column < 64; column++) {
            int64_t total = (int64_t)before[i * 64 + column];
            for (ptrdiff_t f = 0; f < n_features; f++)
                total += (int64_t)(x[i][f] ^ flip) * columns[(f / 4 * 64 + column) * 4 + f % 4];
            same((int64_t)sums[i * 64 + column], total);
        }
}
/* Bounds of a list, one rounding a step as the plain definition has it, and what stays: all but those above the threshold, and
   those at infinity. Entries before `first` must stay as they are. */
static void check_bound(const fastcls_filter *kernels, int gap, ptrdiff_t first, ptrdiff_t n, float threshold, float own) {
    enum { N_ROWS = 50, PADDING = 16 };
    static const float strange[] = {INFINITY, -INFINITY, NAN, 0.0f, 1e30f};
    const size_t n_bytes = sizeof(int32_t) * (size_t)(n + PADDING);
    int32_t *keys = (int32_t *)put(buffers[KEYS], n_bytes, 1), *rows = (int32_t *)put(buffers[ROWS], n_bytes, 1);
    float *bounds = (float *)put(buffers[LISTS], n_bytes, 1), *errors = (float *)put(buffers[STARTS], sizeof(float) * N_ROWS, 1);
    int32_t wanted_rows[MOST_LISTED];
    float wanted[MOST_LISTED];
    const int32_t norm = 1000000000;
    at("bounds of gap %d, %td to %td, threshold %g, own error %g", gap, first, n, (double)threshold, (double)own);
    for (int i = 0; i < N_ROWS; i++)
        errors[i] = next_random() % 4 ? (float)(next_random() % 1000) / 7 : strange[next_random() % 5];
    for (ptrdiff_t i = 0; i < n + PADDING; i++) { /* entries behind n are not rows */
        const int32_t size = (int32_t)(next_random() % (gap == FASTCLS_GAP_SUM ? 2000 : 2114060288u));
        keys[i] = gap == FASTCLS_GAP_DOT ? (int32_t)(((int64_t)norm - size) / 2 + (next_random() % 16 == 0 && size < 2)) : size;
        rows[i] = i < n ? (int32_t)(next_random() % N_ROWS) : INT32_MIN;
        bounds[i] = NAN;
    }
    ptrdiff_t n_wanted = first;
    for (ptrdiff_t i = 0; i < n; i++) {
        const int64_t square = (int64_t)norm - 2 * (int64_t)keys[i];
        float v = gap == FASTCLS_GAP_SUM      ? (float)keys[i]
                  : gap == FASTCLS_GAP_SQUARE ? sqrtf((float)keys[i])
                                              : sqrtf((float)(square > 0 ? square : 0));
        v = v * (1.0f - 0x1p-20f);
        v = v - own;
        v = v - errors[rows[i]];
        const int stays = !(v > threshold) && v != INFINITY;
        if (i < first)
            wanted_rows[i] = rows[i];
        else if (stays) {
            wanted_rows[n_wanted] = rows[i];
            wanted[n_wanted++] = v;
        }
    }
    ptrdiff_t got = kernels->bound(gap, keys, rows, bounds, first, n, norm, own, errors, threshold);
    for (int again = 0; again < 2; again++) { /* what has stayed stays */
        if (!strcmp(fault, "bound") && got > first && bounds[got - 1] != bounds[got - 1])
            got--; /* as if a NaN were not kept */
        same(got, n_wanted);
        for (ptrdiff_t i = 0; i < n_wanted; i++) {
            same(rows[i], wanted_rows[i]);
            if (i >= first)
                same(memcmp(&bounds[i], &wanted[i], sizeof(float)) == 0 || (bounds[i] != bounds[i] && wanted[i] != wanted[i]), 1);
        }
        got = kernels->drop(rows, bounds, first, got, threshold);
    }
    for (ptrdiff_t i = n_wanted = first; i < got; i++)
        if (!(wanted[i] > 0.5f * threshold) && wanted[i] != INFINITY)
            wanted_rows[n_wanted++] = wanted_rows[i];
    got = kernels->drop(rows, bounds, first, got, 0.5f * threshold);
    same(got, n_wanted);
    for (ptrdiff_t i = 0; i < got; i++)
        same(rows[i], wanted_rows[i]);
}
static void check_bounds(const fastcls_filter *kernels) {
    static const float thresholds[] = {0, 100, 700, 20000, INFINITY}, owns[] = {0, 12.5f, INFINITY};
    for (int gap = FASTCLS_GAP_SUM; gap <= FASTCLS_GAP_DOT; gap++)
        for (ptrdiff_t n = 0; n <= 70; n++)
            for (int turn = 0; turn < 15; turn++)
                if (is_drawn())
                    check_bound(kernels, gap, n * (turn % 4) / 4, n, thresholds[turn % 5], owns[turn / 5]);
}

static void check_projections(fastcls_project_fn project) {
    for (int turn = 0; turn < 16; turn++) {
        const int flip = turn & 1 ? 0x80 : 0, kind = turn >> 1 & 3, right = turn >> 3;
        for (ptrdiff_t n = 1; n <= 70; n++)
            if (is_drawn())
                check_project(project, n, flip, kind, right);
        if (is_drawn())
            check_project(project, 784, flip, kind, right);
        if (kind == 2 && is_drawn())
            check_project(project, MOST_FEATURES, flip, kind, right);
    }
}

int main(int n_arguments, char **arguments) {
    read_arguments(n_arguments, arguments, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, bad_read);
    signal(SIGBUS, bad_read);
    for (int i = 0; i < N_BUFFERS; i++)
        buffers[i] = new_buffer(i == CODES     ? (size_t)FASTCLS_PANEL_L2 * MOST_WIDTH
                            : i == COLUMNS ? (size_t)MOST_FEATURES * 64
                            : i == QUERY   ? (size_t)MOST_FEATURES * 6
                                           : 4096);
    for (int i = 0; i < FASTCLS_N_ISAS; i++) {
        isa_name = fastcls_isas[i].name;
        if (!fastcls_isas[i].can_run()) {
            printf("%s: built, cannot run here, not checked\n", isa_name);
            continue;
        }
        fastcls_use(i);
        n_compared = 0;
        for (int flushing = 0; flushing < 2; flushing++) { /* whatever mode another library has left the processor in */
            const unsigned mode = flushing ? flush_subnormals() : 0;
            check_screens(&fastcls_active.filter);
            same(still_flushing(mode), 1);
        }
        check_bounds(&fastcls_active.filter);
        check_ats(&fastcls_active.filter);
        check_projections(fastcls_active.filter.project);
        printf("%s: screens, bounds, chosen rows, projections: %ld values as wanted\n", isa_name, n_compared);
    }
    return 0;
}
