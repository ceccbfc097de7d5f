/* Which entries of a list are kept, as plain loops: the definition, which instruction sets without their own loops also use.
   Included once per compile target, with ISA defined as its name. */
#ifndef ISA
#error "ISA is not defined"
#endif

static ptrdiff_t FASTCLS_JOIN(drop, ISA)(int32_t *rows, float *bounds, ptrdiff_t first, ptrdiff_t n, float threshold) {
    ptrdiff_t kept = first;
    for (ptrdiff_t i = first; i < n; i++) {
        const float bound = bounds[i];
        rows[kept] = rows[i];
        bounds[kept] = bound;
        kept += !(bound > threshold) && bound != INFINITY;
    }
    return kept;
}
static ptrdiff_t FASTCLS_JOIN(bound, ISA)(int gap, const int32_t *keys, int32_t *rows, float *bounds, ptrdiff_t first,
                                          ptrdiff_t n, int32_t norm, float own, const float *errors, float threshold) {
    for (ptrdiff_t i = first; i < n; i++) {
        float v = (float)keys[i];
        if (gap == FASTCLS_GAP_SQUARE)
            v = sqrtf(v);
        if (gap == FASTCLS_GAP_DOT) {
            const int32_t square = (int32_t)((uint32_t)norm - 2u * (uint32_t)keys[i]);
            v = sqrtf((float)(square > 0 ? square : 0));
        }
        bounds[i] = v * (1.0f - 0x1p-20f) - own - errors[rows[i]];
    }
    return FASTCLS_JOIN(drop, ISA)(rows, bounds, first, n, threshold);
}
#undef ISA
