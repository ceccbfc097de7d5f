/* The instruction sets, worst first, and the table of kernels in use. */
#ifndef FASTCLS_DISPATCH_H
#define FASTCLS_DISPATCH_H

#include "scalar.h"
#if defined(__x86_64__) && defined(__GNUC__)
#include "avx2.h"
#include "avx512vnni.h"
#include "avxvnni.h"
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__GNUC__)
#include "neon.h"
#include "neon_dotprod.h"
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

static int always_runs(void) { return 1; }

static const fastcls_isa isa_scalar = {"scalar", always_runs, {{0}}, select_scalar, narrow_scalar,
                                       FASTCLS_ALL_PAIRS(scalar), 0};

#if defined(__x86_64__) && defined(__GNUC__)
static int runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
static int runs_avxvnni(void) {
    unsigned a, b, c, d;
    return runs_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
static int runs_avx512vnni(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

static const fastcls_isa isa_avx2 = {
    "avx2",
    runs_avx2,
    {{l1_u8_avx2, FASTCLS_BYTE, 8, 3, 16, 0, 0},
     {dot_i16_avx2, FASTCLS_I16, 2, 3, 32, 0, 0},
     {max_f32_avx2, FASTCLS_SINGLE, 1, 3, 32, 0, 0},
     {dot_f32_avx2, FASTCLS_SINGLE, 1, 3, 32, 0, 0}},
    select_avx2,
    narrow_avx2,
    FASTCLS_ALL_PAIRS(avx2),
    eight_avx2};
static const fastcls_isa isa_avxvnni = {
    "avxvnni", runs_avxvnni, {{0}, {dot_u8_avxvnni, FASTCLS_BYTE, 4, 3, 32, 0, 0x80}, {0}, {0}}, 0, 0, {{0}}, 0};
static const fastcls_isa isa_avx512vnni = {
    "avx512vnni",
    runs_avx512vnni,
    {{l1_u8_avx512vnni, FASTCLS_BYTE, 8, 6, 32, 0, 0},
     {dot_u8_avx512vnni, FASTCLS_BYTE, 4, 6, 64, 0, 0x80},
     {max_f32_avx512vnni, FASTCLS_SINGLE, 1, 6, 64, 0, 0},
     {dot_f32_avx512vnni, FASTCLS_SINGLE, 1, 6, 64, 0, 0}},
    select_avx512vnni,
    narrow_avx512vnni,
    FASTCLS_ALL_PAIRS(avx512vnni),
    eight_avx512vnni};
static const fastcls_isa *const fastcls_isas[] = {&isa_scalar, &isa_avx2, &isa_avxvnni, &isa_avx512vnni};

#elif defined(__aarch64__) && defined(__GNUC__)
static int runs_neon_dotprod(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) >> 20 & 1) != 0; /* HWCAP_ASIMDDP */
#elif defined(__APPLE__)
    return 1; /* every Apple processor that runs a 64-bit desktop has it */
#else
    return 0;
#endif
}
static const fastcls_isa isa_neon = {
    "neon",
    always_runs,
    {{l1_u8_neon, FASTCLS_BYTE, 8, 6, 8, 0, 0},
     {dot_i16_neon, FASTCLS_I16, 1, 6, 16, 0, 0},
     {max_f32_neon, FASTCLS_SINGLE, 1, 6, 16, 0, 0},
     {dot_f32_neon, FASTCLS_SINGLE, 1, 6, 16, 0, 0}},
    0,
    0,
    FASTCLS_ALL_PAIRS(neon),
    0};
static const fastcls_isa isa_neon_dotprod = {"neon_dotprod",
                                             runs_neon_dotprod,
                                             {{l1_u8_neon_dotprod, FASTCLS_BYTE, 4, 6, 16, 0, 0},
                                              {dot_u8_neon_dotprod, FASTCLS_BYTE, 4, 6, 16, 0, 0},
                                              {0},
                                              {0}},
                                             0,
                                             0,
                                             {{0}},
                                             0};
static const fastcls_isa *const fastcls_isas[] = {&isa_scalar, &isa_neon, &isa_neon_dotprod};

#else
static const fastcls_isa *const fastcls_isas[] = {&isa_scalar};
#endif

enum { FASTCLS_N_ISAS = sizeof fastcls_isas / sizeof fastcls_isas[0] };

/* The kernels in use: written at import and by fastcls.simd.use, read at the start of every call. */
static fastcls_isa fastcls_active;

/* Take every kernel from the best of the first `last` + 1 instruction sets that has it and can run here. */
static void fastcls_use(int last) {
    fastcls_active = isa_scalar;
    for (int i = 1; i <= last; i++) {
        const fastcls_isa *isa = fastcls_isas[i];
        if (!isa->can_run())
            continue;
        fastcls_active.name = isa->name;
        for (int panel = 0; panel < FASTCLS_N_PANELS; panel++)
            if (isa->panels[panel].tile)
                fastcls_active.panels[panel] = isa->panels[panel];
        if (isa->select)
            fastcls_active.select = isa->select;
        if (isa->narrow)
            fastcls_active.narrow = isa->narrow;
        if (isa->eight)
            fastcls_active.eight = isa->eight;
        for (int sum = 0; sum < FASTCLS_N_SUMS; sum++)
            for (int type = 0; type < FASTCLS_N_TYPES; type++)
                if (isa->pairs[sum][type])
                    fastcls_active.pairs[sum][type] = isa->pairs[sum][type];
    }
}

#endif
