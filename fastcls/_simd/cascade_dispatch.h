/* Which of the filter's kernels are in use: those of the best instruction set of dispatch.h's table that has its own. */
#ifndef FASTCLS_CASCADE_DISPATCH_H
#define FASTCLS_CASCADE_DISPATCH_H

#include "cascade.h"
#include "dispatch.h"

#define FASTCLS_CASCADE(ISA)                                                                                             \
    {screen_l1_##ISA, screen_l2_##ISA, screen_l1_one_##ISA, screen_l2_one_##ISA, at_l1_##ISA, at_l2_##ISA, at_fine_##ISA,      \
     project_##ISA, bound_##ISA, drop_##ISA}

#define ISA scalar
#include "cascade_plain.h"
static const fastcls_cascade cascade_scalar = FASTCLS_CASCADE(scalar);

#if defined(__x86_64__) && defined(__GNUC__)
#include "cascade_avx2.h"
#include "cascade_avx512vnni.h"
#endif

static fastcls_cascade fastcls_active_cascade;

/* Follow the choice of dispatch.h: call after fastcls_use. */
static void fastcls_use_cascade(void) {
    fastcls_active_cascade = cascade_scalar;
#if defined(__x86_64__) && defined(__GNUC__)
    if (strcmp(fastcls_active.name, "scalar") != 0)
        fastcls_active_cascade = cascade_avx2;
    if (strcmp(fastcls_active.name, "avx512vnni") == 0)
        fastcls_active_cascade = cascade_avx512vnni;
#endif
}

#endif
