/* Shared by all kernel families: how a function is compiled for an instruction set, storage types, sums over features. Each
   family has its own contract.h; README.md describes the kernels. */
#ifndef FASTCLS_CONTRACT_H
#define FASTCLS_CONTRACT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FASTCLS_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define FASTCLS_TARGET_BEGIN(features)                                                                                   \
    FASTCLS_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define FASTCLS_TARGET_END FASTCLS_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define FASTCLS_TARGET_BEGIN(features) FASTCLS_PRAGMA(GCC push_options) FASTCLS_PRAGMA(GCC target(features))
#define FASTCLS_TARGET_END FASTCLS_PRAGMA(GCC pop_options)
#else
#define FASTCLS_TARGET_BEGIN(features)
#define FASTCLS_TARGET_END
#endif

#if defined(__GNUC__)
#define FASTCLS_PREFETCH(p) __builtin_prefetch(p)
#else
#define FASTCLS_PREFETCH(p) (void)(p)
#endif

#define FASTCLS_JOIN_(a, b) a##_##b
#define FASTCLS_JOIN(a, b) FASTCLS_JOIN_(a, b)

/* Storage types of rows, and the sums over features from which metrics are computed. _kernels.pyx names these numbers. */
enum { FASTCLS_U8, FASTCLS_I8, FASTCLS_F16, FASTCLS_BF16, FASTCLS_F32, FASTCLS_F64, FASTCLS_N_TYPES };
enum { FASTCLS_L1, FASTCLS_SQL2, FASTCLS_DOT, FASTCLS_N_SUMS };

#endif
