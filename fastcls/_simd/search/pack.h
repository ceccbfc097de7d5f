/* Pack rows for the tiles: [step][row of the tile][features of the step], features and rows padded with zeros.

   A flipped byte (XOR 0x80) is the value shifted by 128 into the other signedness: uint8 v becomes int8 v - 128, int8 v becomes
   uint8 v + 128. The terms of queries and rows subtract what the shifts add to a dot product.

   Included once per compile target, with ISA defined as its name: the same loops, in that target's registers. */
#ifndef ISA
#error "ISA is not defined"
#endif

/* Unpadded features of one row, as the tile's elements. */
static inline void FASTCLS_JOIN(pack_elements, ISA)(const uint8_t *row, int type, int element, int flip, const double *center, double scale,
                                 ptrdiff_t first, ptrdiff_t n, uint8_t *elements_out) {
    if (element == FASTCLS_BYTE) {
        for (ptrdiff_t i = 0; i < n; i++)
            elements_out[i] = row[first + i] ^ (uint8_t)flip;
    } else if (element == FASTCLS_I16) {
        int16_t *out = (int16_t *)elements_out;
        if (type == FASTCLS_U8)
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = row[first + i];
        else
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (int8_t)row[first + i];
    } else {
        float *out = (float *)elements_out;
        if (type == FASTCLS_F32)
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (float)(((double)((const float *)row)[first + i] - center[first + i]) * scale);
        else if (type == FASTCLS_F64)
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (float)((((const double *)row)[first + i] - center[first + i]) * scale);
        else if (type == FASTCLS_BF16)
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (float)((widen_bf16(((const uint16_t *)row)[first + i]) - center[first + i]) * scale);
        else
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (float)((widen_f16(((const uint16_t *)row)[first + i]) - center[first + i]) * scale);
    }
}

/* So many bytes of every row are packed before the next bytes of any row: 64 rows of them are 16 kB of the panel, which stay in
   the L1 cache while the rows are scattered over them. With the whole panel, every store would miss the cache. */
#define PACK_BYTES 256

#define SCATTER(UNIT)                                                                                                    \
    for (ptrdiff_t step = 0; step < n_steps; step++)                                                                     \
        memcpy(out + step * stride, block + step * UNIT, UNIT);

static inline void FASTCLS_JOIN(scatter, ISA)(const uint8_t *block, ptrdiff_t n_steps, ptrdiff_t unit, ptrdiff_t stride, uint8_t *out) {
    if (unit == 8) {
        SCATTER(8)
    } else if (unit == 4) {
        SCATTER(4)
    } else {
        SCATTER(2)
    }
}
#undef SCATTER

/* Features first .. first + n of up to tile_rows rows into a panel. */
static void FASTCLS_JOIN(pack, ISA)(const uint8_t *rows, ptrdiff_t row_bytes, ptrdiff_t n_rows, ptrdiff_t tile_rows, int type,
                         const fastcls_panel *panel, int flip, const double *center, double scale, ptrdiff_t first,
                         ptrdiff_t n, uint8_t *panel_out) {
    static const int element_bytes[] = {1, 2, 4};
    const ptrdiff_t element = element_bytes[panel->element], unit = panel->step_features * element;
    const ptrdiff_t at_a_time = PACK_BYTES / element; /* features, a whole number of steps */
    uint8_t block[4 * PACK_BYTES]; /* PACK_BYTES are used, but compilers cannot see that and warn */
    for (ptrdiff_t start = 0; start < n; start += at_a_time) {
        const ptrdiff_t here = n - start < at_a_time ? n - start : at_a_time;
        const ptrdiff_t n_steps = (here + panel->step_features - 1) / panel->step_features;
        for (ptrdiff_t row = 0; row < tile_rows; row++) {
            const ptrdiff_t filled = row < n_rows ? here * element : 0;
            if (filled)
                FASTCLS_JOIN(pack_elements, ISA)(rows + row * row_bytes, type, panel->element, flip, center, scale,
                                                 first + start, here, block);
            if (row <= n_rows) /* further padding rows are equal to this one */
                memset(block + filled, 0, (size_t)(n_steps * unit - filled));
            FASTCLS_JOIN(scatter, ISA)(block, n_steps, unit, tile_rows * unit, panel_out + row * unit);
        }
        panel_out += n_steps * unit * tile_rows;
    }
}

#undef PACK_BYTES
#undef ISA
