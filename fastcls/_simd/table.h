/* The table of instruction sets, slowest first, with the kernels of each family.

   A new instruction set is a header in each family's folder and a row here. A set is *built* if the compiler knows it, and it
   *can run here* if the processor has it. Kernels that a set lacks come from the next best set, for all families by the same
   function, `fastcls_use`. */
#ifndef FASTCLS_TABLE_H
#define FASTCLS_TABLE_H

#include "filter/scalar.h"
#include "linear/scalar.h"
#include "search/scalar.h"
#if defined(__x86_64__) && defined(__GNUC__)
#include "filter/avx2.h"
#include "filter/avx512vnni.h"
#include "filter/ssse3.h"
#include "linear/avx2.h"
#include "linear/avx512vnni.h"
#include "search/avx2.h"
#include "search/avx512vnni.h"
#include "search/avxvnni.h"
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__GNUC__)
#include "filter/neon.h"
#include "filter/neon_dotprod.h"
#include "linear/neon.h"
#include "search/neon.h"
#include "search/neon_dotprod.h"
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

static int always_runs(void) { return 1; }

#if defined(__x86_64__) && defined(__GNUC__)
static int runs_ssse3(void) { return __builtin_cpu_supports("ssse3") != 0; }
static int runs_avx2(void) {
    unsigned a, b, c, d; /* clang has no name for f16c before 16; avx2 implies that the system saves the registers */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}
static int runs_avxvnni(void) {
    unsigned a, b, c, d;
    return runs_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
static int runs_avx512vnni(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
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
#endif

/* What a byte of a row costs, in units of one screened byte of the fastest sets (4.3 ps per core): by the filter's screen, and
   by brute force. They decide whether a filter is used and never a result. */
typedef struct {
    double screen_l1, screen_l2, brute_l1, brute_l2, brute_float;
} fastcls_costs;
#define FASTCLS_USUAL_COSTS {1.0, 1.0, 1.2, 1.1, 1.1} /* measured on Zen 4 with AVX-512 */

typedef struct {
    const char *name;
    int (*can_run)(void);
    const fastcls_search *search; /* NULL: this set has no kernels of the family */
    const fastcls_filter *filter;
    const fastcls_linear *linear;
    fastcls_costs costs;
} fastcls_isa;

static const fastcls_isa fastcls_isas[] = {
    {"scalar", always_runs, &search_scalar, &filter_scalar, &linear_scalar, FASTCLS_USUAL_COSTS},
#if defined(__x86_64__) && defined(__GNUC__)
    /* No tiles for brute force (measured); the screen is predicted from its instructions. */
    {"ssse3", runs_ssse3, NULL, &filter_ssse3, NULL, {2.0, 5.0, 6.5, 14.0, 23.0}},
    {"avx2", runs_avx2, &search_avx2, &filter_avx2, &linear_avx2, FASTCLS_USUAL_COSTS},
    {"avxvnni", runs_avxvnni, &search_avxvnni, NULL, NULL, FASTCLS_USUAL_COSTS},
    {"avx512vnni", runs_avx512vnni, &search_avx512vnni, &filter_avx512vnni, &linear_avx512vnni, FASTCLS_USUAL_COSTS},
#elif defined(__aarch64__) && defined(__GNUC__)
    {"neon", always_runs, &search_neon, &filter_neon, &linear_neon, FASTCLS_USUAL_COSTS},
    {"neon_dotprod", runs_neon_dotprod, &search_neon_dotprod, &filter_neon_dotprod, NULL, FASTCLS_USUAL_COSTS},
#endif
};

enum { FASTCLS_N_ISAS = sizeof fastcls_isas / sizeof fastcls_isas[0] };

/* The kernels in use: written at import and by fastcls.simd.use, read at the start of every call. `filter_isa` is the set that
   the filter's kernels come from: "scalar" means the compiler's loops, with which "auto" does not filter. */
typedef struct {
    const char *name, *filter_isa;
    fastcls_costs costs; /* of filter_isa */
    fastcls_search search;
    fastcls_filter filter;
    fastcls_linear linear;
} fastcls_kernels;
static fastcls_kernels fastcls_active;

static void take_search(fastcls_search *active, const fastcls_search *isa) {
    for (int panel = 0; panel < FASTCLS_N_PANELS; panel++)
        if (isa->panels[panel].tile)
            active->panels[panel] = isa->panels[panel];
    if (isa->select)
        active->select = isa->select;
    if (isa->low_dimensional)
        active->low_dimensional = isa->low_dimensional;
    if (isa->eight)
        active->eight = isa->eight;
    for (int sum = 0; sum < FASTCLS_N_SUMS; sum++)
        for (int type = 0; type < FASTCLS_N_TYPES; type++)
            if (isa->pairs[sum][type])
                active->pairs[sum][type] = isa->pairs[sum][type];
}

/* Take every kernel from the best of the first `last` + 1 instruction sets that has it and can run here. The kernels of the
   filter, and those of the linear classifiers, agree with one another on layouts, so a set has all of such a family or none. */
static void fastcls_use(int last) {
    fastcls_kernels taken = {0}; /* and not those in use: they may be of a better set, which is not wanted any more */
    for (int i = 0; i <= last; i++) {
        const fastcls_isa *isa = &fastcls_isas[i];
        if (!isa->can_run())
            continue;
        taken.name = isa->name;
        if (isa->search)
            take_search(&taken.search, isa->search);
        if (isa->filter) {
            taken.filter = *isa->filter;
            taken.filter_isa = isa->name;
            taken.costs = isa->costs;
        }
        if (isa->linear)
            taken.linear = *isa->linear;
    }
    fastcls_active = taken;
}

#endif
