/* AVX-VNNI: vpdpbusd on 256-bit registers, without AVX-512. Kernels that it lacks come from AVX2. */
#ifndef FASTCLS_AVXVNNI_H
#define FASTCLS_AVXVNNI_H
#include "avx2.h"

FASTCLS_TARGET_BEGIN("avx2,fma,f16c,avxvnni")

static inline __m256i load_i32x1_avxvnni(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}
static inline void store_i32x8_avxvnni(double *p, __m256i a, int add) {
    const __m256d low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(a)),
                  high = _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1));
    _mm256_storeu_pd(p, add ? _mm256_add_pd(_mm256_loadu_pd(p), low) : low);
    _mm256_storeu_pd(p + 4, add ? _mm256_add_pd(_mm256_loadu_pd(p + 4), high) : high);
}

/* In assembly, as in avx512vnni.h. */
static inline __m256i dot_step_avxvnni(__m256i a, __m256i q_u8x32, __m256i r_i8x32) {
#if defined(__GNUC__)
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(a) : "x"(q_u8x32), "x"(r_i8x32));
    return a;
#else
    return _mm256_dpbusd_avx_epi32(a, q_u8x32, r_i8x32);
#endif
}

#define TILE_QUERIES 3
#define KERNEL dot_u8_avxvnni /* queries unsigned, rows signed: 255 x 128 x 65,536 features < 2^31 */
#define VECTOR __m256i
#define LANES 8
#define STEP_BYTES 4
#define ZERO _mm256_setzero_si256
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define BROADCAST load_i32x1_avxvnni
#define STEP dot_step_avxvnni
#define STORE store_i32x8_avxvnni
#include "tile.h"
#undef TILE_QUERIES

static const fastcls_search search_avxvnni = {{{0}, {dot_u8_avxvnni, pack_avx2, FASTCLS_BYTE, 4, 3, 32, 0, 0x80}, {0}, {0}}, 0, 0, {{0}}, 0};

FASTCLS_TARGET_END
#endif
