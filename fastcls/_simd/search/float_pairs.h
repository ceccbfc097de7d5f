/* The sum of one pair of float rows in the reference arithmetic, for every sum and storage type. Included once per
   instruction set, after these are defined:

     ISA                                 its name
     LANES8                              the type of the eight float64 lanes
     ZERO8, ADD8, FOLD8                  empty; lane by lane; ((0+4)+(2+6)) + ((1+5)+(3+7))
     TERM_L1, TERM_SQL2, TERM_DOT        eight terms of two LANES8, each operation rounded, never fused
     LOAD8_F16, LOAD8_BF16, LOAD8_F32,
     LOAD8_F64                           eight features, widened

   The last features are padded with zeros: a term of zeros is +0, and no lane is ever -0 (it starts at +0, and +0 + -0 is
   +0), so adding it changes no bit. */
#define FLOAT_PAIR(NAME, TYPE, LOAD8, TERM)                                                                              \
    static double NAME(const void *x, const void *y, ptrdiff_t n_features) {                                             \
        const TYPE *a = (const TYPE *)x, *b = (const TYPE *)y;                                                           \
        LANES8 lanes = ZERO8();                                                                                          \
        ptrdiff_t i = 0;                                                                                                 \
        for (; i + 8 <= n_features; i += 8)                                                                              \
            lanes = ADD8(lanes, TERM(LOAD8(a + i), LOAD8(b + i)));                                                       \
        if (i < n_features) {                                                                                            \
            TYPE last_a[8] = {0}, last_b[8] = {0};                                                                       \
            memcpy(last_a, a + i, (size_t)(n_features - i) * sizeof(TYPE));                                              \
            memcpy(last_b, b + i, (size_t)(n_features - i) * sizeof(TYPE));                                              \
            lanes = ADD8(lanes, TERM(LOAD8(last_a), LOAD8(last_b)));                                                     \
        }                                                                                                                \
        return FOLD8(lanes);                                                                                             \
    }
FLOAT_PAIR(FASTCLS_JOIN(l1_f16_pair, ISA), uint16_t, LOAD8_F16, TERM_L1)
FLOAT_PAIR(FASTCLS_JOIN(l1_bf16_pair, ISA), uint16_t, LOAD8_BF16, TERM_L1)
FLOAT_PAIR(FASTCLS_JOIN(l1_f32_pair, ISA), float, LOAD8_F32, TERM_L1)
FLOAT_PAIR(FASTCLS_JOIN(l1_f64_pair, ISA), double, LOAD8_F64, TERM_L1)
FLOAT_PAIR(FASTCLS_JOIN(sql2_f16_pair, ISA), uint16_t, LOAD8_F16, TERM_SQL2)
FLOAT_PAIR(FASTCLS_JOIN(sql2_bf16_pair, ISA), uint16_t, LOAD8_BF16, TERM_SQL2)
FLOAT_PAIR(FASTCLS_JOIN(sql2_f32_pair, ISA), float, LOAD8_F32, TERM_SQL2)
FLOAT_PAIR(FASTCLS_JOIN(sql2_f64_pair, ISA), double, LOAD8_F64, TERM_SQL2)
FLOAT_PAIR(FASTCLS_JOIN(dot_f16_pair, ISA), uint16_t, LOAD8_F16, TERM_DOT)
FLOAT_PAIR(FASTCLS_JOIN(dot_bf16_pair, ISA), uint16_t, LOAD8_BF16, TERM_DOT)
FLOAT_PAIR(FASTCLS_JOIN(dot_f32_pair, ISA), float, LOAD8_F32, TERM_DOT)
FLOAT_PAIR(FASTCLS_JOIN(dot_f64_pair, ISA), double, LOAD8_F64, TERM_DOT)
#undef FLOAT_PAIR
#undef LANES8
#undef ZERO8
#undef ADD8
#undef FOLD8
#undef TERM_L1
#undef TERM_SQL2
#undef TERM_DOT
#undef LOAD8_F16
#undef LOAD8_BF16
#undef LOAD8_F32
#undef LOAD8_F64
