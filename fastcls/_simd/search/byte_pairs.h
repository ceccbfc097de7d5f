/* The exact sum of one pair of byte rows, streamed from memory, for every sum and type: for few queries, when packing would cost
   more than it saves. Included once per instruction set, after these are defined:

     ISA, VECTOR, WIDTH                   its name, its register of bytes, and how many bytes that is
     LOAD(p), ZERO()                      WIDTH bytes; an empty accumulator
     STEP_<SUM>_<TYPE>(a, x, y)           the accumulator after WIDTH more features
     REDUCE_L1, REDUCE_I32                the accumulator's sum as int64: of 64-bit lanes, of signed 32-bit lanes

   A step adds at most 8 products to a 32-bit lane: 8 x 65,025 x 2,048 steps < 2^31, so the lanes are emptied into 64 bits
   after 2,048 steps. The last features are padded with zeros in both rows, which add nothing. */
#define BYTE_PAIR(NAME, STEP, REDUCE)                                                                                    \
    static double NAME(const void *x, const void *y, ptrdiff_t n_features) {                                             \
        const uint8_t *a = (const uint8_t *)x, *b = (const uint8_t *)y;                                                  \
        int64_t total = 0;                                                                                               \
        ptrdiff_t i = 0;                                                                                                 \
        while (i + WIDTH <= n_features) {                                                                                \
            VECTOR part = ZERO();                                                                                        \
            const ptrdiff_t left = (n_features - i) / WIDTH, stop = i + (left < 2048 ? left : 2048) * WIDTH;             \
            for (; i < stop; i += WIDTH)                                                                                 \
                part = STEP(part, LOAD(a + i), LOAD(b + i));                                                             \
            total += REDUCE(part);                                                                                       \
        }                                                                                                                \
        if (i < n_features) {                                                                                            \
            uint8_t last_a[WIDTH] = {0}, last_b[WIDTH] = {0};                                                            \
            memcpy(last_a, a + i, (size_t)(n_features - i));                                                             \
            memcpy(last_b, b + i, (size_t)(n_features - i));                                                             \
            total += REDUCE(STEP(ZERO(), LOAD(last_a), LOAD(last_b)));                                                   \
        }                                                                                                                \
        return (double)total;                                                                                            \
    }
BYTE_PAIR(FASTCLS_JOIN(l1_u8_pair, ISA), STEP_L1_U8, REDUCE_L1)
BYTE_PAIR(FASTCLS_JOIN(l1_i8_pair, ISA), STEP_L1_I8, REDUCE_L1)
BYTE_PAIR(FASTCLS_JOIN(sql2_u8_pair, ISA), STEP_SQL2_U8, REDUCE_I32)
BYTE_PAIR(FASTCLS_JOIN(sql2_i8_pair, ISA), STEP_SQL2_I8, REDUCE_I32)
BYTE_PAIR(FASTCLS_JOIN(dot_u8_pair, ISA), STEP_DOT_U8, REDUCE_I32)
BYTE_PAIR(FASTCLS_JOIN(dot_i8_pair, ISA), STEP_DOT_I8, REDUCE_I32)
#undef BYTE_PAIR
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef ZERO
#undef STEP_L1_U8
#undef STEP_L1_I8
#undef STEP_SQL2_U8
#undef STEP_SQL2_I8
#undef STEP_DOT_U8
#undef STEP_DOT_I8
#undef REDUCE_L1
#undef REDUCE_I32
