/* The linear kernels of every instruction set, worst first, and those in use. Which of them can run here is known to
   dispatch.h's table; names are the same. */
#ifndef FASTCLS_LINEAR_DISPATCH_H
#define FASTCLS_LINEAR_DISPATCH_H

#include "linear_scalar.h"
#if defined(__x86_64__) && defined(__GNUC__)
#include "linear_avx2.h"
#include "linear_avx512.h"
#elif defined(__aarch64__) && defined(__GNUC__)
#include "linear_neon.h"
#endif

static const fastcls_linear_isa fastcls_linear_isas[] = {
    FASTCLS_LINEAR_ISA(scalar, "scalar", 1, FASTCLS_MOST_COLUMNS),
#if defined(__x86_64__) && defined(__GNUC__)
    FASTCLS_LINEAR_ISA(avx2, "avx2", 2, 5),
    FASTCLS_LINEAR_ISA(avx512, "avx512vnni", 4, 6),
#elif defined(__aarch64__) && defined(__GNUC__)
    FASTCLS_LINEAR_ISA(neon, "neon", 4, 6),
#endif
};

enum { FASTCLS_N_LINEAR_ISAS = sizeof fastcls_linear_isas / sizeof fastcls_linear_isas[0] };

/* Written at import and by fastcls.simd.use, read at the start of every call. */
static const fastcls_linear_isa *fastcls_linear = &fastcls_linear_isas[0];

/* Whether there are kernels of this name; then they are in use. */
static int fastcls_linear_use(const char *name) {
    for (int i = 0; i < FASTCLS_N_LINEAR_ISAS; i++)
        if (strcmp(fastcls_linear_isas[i].name, name) == 0) {
            fastcls_linear = &fastcls_linear_isas[i];
            return 1;
        }
    return 0;
}

#endif
