/* What the self-tests of the compiled kernels test with: guarded memory, values of every kind, and the plain definitions of the sums. */
#ifndef SELFTEST_ORACLE_H
#define SELFTEST_ORACLE_H
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contract.h"

/* Memory with an unreadable page right behind it and one right before. `right` puts n bytes up against the page behind,
   `left` against the one before. */
typedef struct {
    uint8_t *start, *end;
} buffer_t;
static buffer_t new_buffer(size_t n_bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (n_bytes + page - 1) / page * page;
    uint8_t *all = mmap(NULL, inside + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || mprotect(all, page, PROT_NONE) || mprotect(all + page + inside, page, PROT_NONE)) {
        perror("selftest: mmap");
        exit(2);
    }
    const buffer_t buffer = {all + page, all + page + inside};
    return buffer;
}
static uint8_t *put(buffer_t buffer, size_t n_bytes, int right) {
    if (n_bytes > (size_t)(buffer.end - buffer.start)) {
        printf("selftest: a buffer of %zu bytes does not fit\n", n_bytes);
        exit(2);
    }
    return right ? buffer.end - n_bytes : buffer.start;
}
static uint64_t random_state = 88172645463325252u;
static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}
static double uniform(void) { return (double)(next_random() >> 11) * 0x1p-52 - 1.0; }

/* Values of rows. Kind 0: ordinary; 1: both ends of the range; 2: hostile (mixed magnitudes, subnormals,
   signed zeros); 3: one constant, so that every rounding goes the same way. */
static uint16_t half_of(double v) { /* any half near v; the value is what widening says it is */
    if (v == 0 || fabs(v) < 0x1p-24)
        return v < 0 || (1 / v) < 0 ? 0x8000 : 0;
    int exponent;
    const double mantissa = frexp(fabs(v), &exponent);
    const uint16_t sign = v < 0 ? 0x8000 : 0;
    if (exponent - 1 < -14)
        return sign | (uint16_t)(fabs(v) * 0x1p24);
    if (exponent - 1 > 15)
        return sign | 0x7bff;
    return sign | (uint16_t)((exponent - 1 + 15) << 10) | (uint16_t)((mantissa * 2 - 1) * 1024);
}
static uint16_t bfloat_of(double v) { /* the upper half of the single near v */
    const float single = (float)v;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return (uint16_t)(bits >> 16);
}
static double float_value(int kind) {
    if (kind == 0)
        return uniform();
    if (kind == 1)
        return next_random() & 1 ? 60000.0 : -60000.0;
    if (kind == 3)
        return 1.0 + 0.98 * 0x1p-15;
    switch (next_random() % 6) {
    case 0:
        return -0.0;
    case 1:
        return 0.0;
    case 2:
        return uniform() * 0x1p-24;
    case 3:
        return ldexp(uniform(), (int)(next_random() % 80) - 40);
    case 4:
        return uniform() * 0x1p-140;
    default:
        return 1e6 + uniform();
    }
}
static void fill(void *rows, int type, ptrdiff_t n, int kind) {
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t r = next_random();
        const double v = type >= FASTCLS_F16 ? float_value(kind) : 0;
        if (type == FASTCLS_U8)
            ((uint8_t *)rows)[i] = (uint8_t)(kind == 1 ? (r & 1 ? 255 : 0) : kind == 3 ? 255 : r >> 8);
        else if (type == FASTCLS_I8)
            ((int8_t *)rows)[i] = (int8_t)(kind == 1 ? (r & 1 ? 127 : -128) : kind == 3 ? -128 : (int)(r >> 8 & 255) - 128);
        else if (type == FASTCLS_F16)
            ((uint16_t *)rows)[i] = half_of(v);
        else if (type == FASTCLS_BF16)
            ((uint16_t *)rows)[i] = bfloat_of(v);
        else if (type == FASTCLS_F32)
            ((float *)rows)[i] = (float)v;
        else
            ((double *)rows)[i] = v;
    }
}

/* The plain definitions. */
static double half_values[65536], bfloat_values[65536];
static void set_half_values(void) {
    for (unsigned half = 0; half < 65536; half++) {
        const int exponent = half >> 10 & 31, mantissa = half & 1023;
        const double size = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
        half_values[half] = half & 0x8000 ? -size : size;
        const int wide_exponent = half >> 7 & 255, short_mantissa = half & 127;
        const double other = wide_exponent ? ldexp(128 + short_mantissa, wide_exponent - 134) : ldexp(short_mantissa, -133);
        bfloat_values[half] = half & 0x8000 ? -other : other;
    }
}
static double value(const void *row, int type, ptrdiff_t i) {
    switch (type) {
    case FASTCLS_U8:
        return ((const uint8_t *)row)[i];
    case FASTCLS_I8:
        return ((const int8_t *)row)[i];
    case FASTCLS_BF16:
        return bfloat_values[((const uint16_t *)row)[i]];
    case FASTCLS_F32:
        return ((const float *)row)[i];
    case FASTCLS_F64:
        return ((const double *)row)[i];
    }
    return half_values[((const uint16_t *)row)[i]];
}
static double term(int sum, double p, double q) {
    return sum == FASTCLS_L1 ? fabs(p - q) : sum == FASTCLS_SQL2 ? (p - q) * (p - q) : p * q;
}
static double plain_sum(int sum, int type, const void *x, const void *y, ptrdiff_t n) {
    if (type < FASTCLS_F16) {
        int64_t total = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            const int64_t p = (int64_t)value(x, type, i), q = (int64_t)value(y, type, i);
            total += sum == FASTCLS_L1 ? (p < q ? q - p : p - q) : sum == FASTCLS_SQL2 ? (p - q) * (p - q) : p * q;
        }
        return (double)total;
    }
    double lane[8] = {0};
    for (ptrdiff_t i = 0; i < n; i++)
        lane[i % 8] += term(sum, value(x, type, i), value(y, type, i));
    const double even = (lane[0] + lane[4]) + (lane[2] + lane[6]), odd = (lane[1] + lane[5]) + (lane[3] + lane[7]);
    return even + odd;
}

#endif
