/* Bytes times weights in whole numbers: what the kernels of linear_digits_<isa>.h agree on.

   A float32 weight is rounded to a multiple of its column's unit, a 24-bit number, and written as three signed digits to the
   base 256: w / unit ~ d_0 + 256 d_1 + 65536 d_2, every digit in -128..127. uint8 x int8 instructions then add pixels times
   digits *exactly*, without widening a pixel, and only the three sums are turned into floats. An instruction takes four
   products a lane where an FMA takes one, so three of them are 4/3 of its rate, and twice that of FMAs that wait for pixels to be widened.

   Rounding. With 2^e at or above the largest weight of a column, unit = 2^e / FASTCLS_DIGIT_TOP, so a weight moves by at most
   1.5 units, 2^e 2^-22.4 (half a unit, and the rounding of w times 1 / unit): for the largest weights about the rounding of
   float32 itself, for small ones more. (A power of two, so that most
   steps of a descent leave the unit as it is, and it is still a function of the weights alone.) Columns in which that would
   matter (the largest more than FASTCLS_SPREAD times the mean magnitude) are left to the float kernels, and so is anything
   infinite, NaN, or at the ends of float32's range. A sum of digits stays below 2^24 in a lane (4096 features / 16 lanes, or
   256 rows / 4, times 255 x 128), so it is exact as a float. */
#ifndef FASTCLS_LINEAR_DIGITS_H
#define FASTCLS_LINEAR_DIGITS_H

#include <math.h>

#include "linear_contract.h"

enum { FASTCLS_N_DIGITS = 3, FASTCLS_DIGIT_ROWS = 256, FASTCLS_SPREAD = 256 };
#define FASTCLS_DIGIT_TOP 8300000.0f /* below 127 x (65536 + 256 + 1) by more than rounding can add */
#define FASTCLS_DIGIT_LEAST 1e-30f
#define FASTCLS_DIGIT_MOST 1e30f

/* A column's unit, or 0 where all is 0; -1 where digits are not for it. `spread` is the most that top / mean may be. */
static inline float fastcls_digit_unit(float top, double magnitudes, ptrdiff_t n, double spread) {
    if (top == 0.0f && magnitudes == 0.0)
        return 0.0f;
    if (!(top > FASTCLS_DIGIT_LEAST && top < FASTCLS_DIGIT_MOST && (double)top * (double)n <= spread * magnitudes))
        return -1.0f;
    int exponent;
    return frexpf(top, &exponent) == 0.5f ? top / FASTCLS_DIGIT_TOP : ldexpf(1.0f, exponent) / FASTCLS_DIGIT_TOP;
}

#endif
