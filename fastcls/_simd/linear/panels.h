/* One row as `real` in panels of two vectors; macros as in tile.h. */
static void FASTCLS_JOIN(FASTCLS_JOIN(FASTCLS_JOIN(panels, TYPE), REAL_NAME), ISA)(const void *row, ptrdiff_t n_features,
                                                                                  void *out, ptrdiff_t panel_stride) {
    enum { PANEL = 2 * LANES };
    const STORED *x = (const STORED *)row;
    REAL *to = (REAL *)out;
    ptrdiff_t f = 0;
    for (; f + FASTCLS_STRIP <= n_features; f += FASTCLS_STRIP)
        for (int at = 0; at < FASTCLS_STRIP; at += PANEL, to += panel_stride) {
            STORE(to, WIDEN(x + f + at));
            STORE(to + LANES, WIDEN(x + f + at + LANES));
        }
    if (f < n_features) { /* the remaining features: nothing is read beyond a row */
        STORED tail[FASTCLS_STRIP];
        memset(tail, 0, sizeof tail);
        memcpy(tail, x + f, (size_t)(n_features - f) * sizeof(STORED));
        for (int at = 0; at < FASTCLS_STRIP; at += PANEL, to += panel_stride) {
            STORE(to, WIDEN(tail + at));
            STORE(to + LANES, WIDEN(tail + at + LANES));
        }
    }
}
