/* A panel of rows from panels of features: transposes of 4 x 4. Defined before: TURN (the function's name), REAL and PANEL. */

static void TURN(const void *in, ptrdiff_t panel_stride, ptrdiff_t n_features, void *out) {
    for (ptrdiff_t f = 0; f < n_features; f += 4) {
        const REAL *from = (const REAL *)in + f / (PANEL) * panel_stride + f % (PANEL);
        REAL *to = (REAL *)out + f * (PANEL);
        for (int r = 0; r < (PANEL); r += 4) {
#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)
            typedef REAL four __attribute__((vector_size(4 * sizeof(REAL))));
            four a, b, c, d;
            memcpy(&a, from + r * (PANEL), sizeof a);
            memcpy(&b, from + (r + 1) * (PANEL), sizeof b);
            memcpy(&c, from + (r + 2) * (PANEL), sizeof c);
            memcpy(&d, from + (r + 3) * (PANEL), sizeof d);
            const four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
            b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
            c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
            d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
            memcpy(to + r, &a, sizeof a);
            memcpy(to + r + (PANEL), &b, sizeof b);
            memcpy(to + r + 2 * (PANEL), &c, sizeof c);
            memcpy(to + r + 3 * (PANEL), &d, sizeof d);
#else
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++)
                    to[r + i + j * (PANEL)] = from[(r + i) * (PANEL) + j];
#endif
        }
    }
}
#undef TURN
#undef PANEL
