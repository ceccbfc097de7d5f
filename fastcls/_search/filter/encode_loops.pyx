"""Typed parallel loops that encode rows: from rows to projections or sums, to codes with their exact errors, to panels.

Inputs are not checked, as in _kernels.pyx. codes.py and docs/filter.md explain what a level is and why a difference of codes
bounds a distance; filter_loops.pyx reads the codes.
"""

from cython.parallel cimport prange, threadid

from libc.math cimport fabs, sqrt
from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

from fastcls._loops.rounding cimport up
from fastcls._simd.isas cimport filter_kernels

cdef extern from "contract.h" nogil:
    enum:
        FASTCLS_I8
    ctypedef void (*widen_fn "fastcls_widen_fn")(const void *source, Py_ssize_t n, double *widened_out)

cdef extern from "filter/contract.h" nogil:
    enum:
        FASTCLS_PANEL_L1
        FASTCLS_PANEL_L2
        FASTCLS_PROJECT_BLOCK

cdef extern from "search/scalar.h" nogil:
    widen_fn fastcls_widen[6]
    Py_ssize_t fastcls_type_bytes[6]

PANEL_ROWS = {"l1": FASTCLS_PANEL_L1, "l2": FASTCLS_PANEL_L2}
STEP_BYTES = {"l1": 8, "l2": 4}


# -------------------------------------------------------------------------------------------- projections and sums of rows

cdef void project_six(const uint8_t *X, Py_ssize_t n, Py_ssize_t d, Py_ssize_t first, int flip, const uint8_t *columns,
                      Py_ssize_t n_panels, Py_ssize_t panel_bytes, double *Z_out) noexcept nogil:
    """Exact dot products of six byte rows with all columns, into Z_out (6, n_panels x 64); for int8 rows, of x + 128."""
    cdef const uint8_t *x[6]
    cdef double sums[384]
    cdef Py_ssize_t panel, i, start, here
    for panel in range(n_panels):
        memset(sums, 0, sizeof(sums))
        start = 0
        while start < d:
            here = min(<Py_ssize_t> FASTCLS_PROJECT_BLOCK, d - start)
            for i in range(6):
                x[i] = X + min(first + i, n - 1) * d + start
            filter_kernels().project(x, flip, here, columns + panel * panel_bytes + start * 64, sums)
            start += here
        for i in range(6):
            memcpy(Z_out + (i * n_panels + panel) * 64, sums + i * 64, 64 * sizeof(double))


def segment_sums(const uint8_t[:, ::1] X, int storage, const int32_t[::1] order, const double[::1] signs,
                 double[:, ::1] Z_out, double[::1] magnitudes_out, double[:, ::1] scratch, int n_threads):
    """Signed sums over segments of features: segment g has the features order[g x size ...], -1 for none.

    magnitudes_out : (n_rows,), the sum of |x|; scratch : (n_threads, n_features)
    """
    cdef Py_ssize_t n = X.shape[0], i
    cdef Py_ssize_t d = X.shape[1] // fastcls_type_bytes[storage]
    for i in prange(n, nogil=True, schedule="static", num_threads=n_threads):
        sums_of_row(&X[i, 0], storage, d, &order[0], order.shape[0], &signs[0], &Z_out[i, 0], Z_out.shape[1],
                    &magnitudes_out[i], &scratch[threadid(), 0])


cdef void sums_of_row(const uint8_t *x, int storage, Py_ssize_t d, const int32_t *order, Py_ssize_t n_order,
                      const double *signs, double *z_out, Py_ssize_t n_segments, double *magnitude_out,
                      double *wide) noexcept nogil:
    cdef Py_ssize_t size = n_order // n_segments, g, j
    cdef double total, magnitude = 0.0
    fastcls_widen[storage](x, d, wide)
    for j in range(d):
        magnitude += fabs(wide[j])
    magnitude_out[0] = magnitude
    for g in range(n_segments):
        total = 0.0
        for j in range(g * size, (g + 1) * size):
            if order[j] >= 0:
                total += signs[j] * wide[order[j]]
        z_out[g] = total


# -------------------------------------------------------------------------------------- from projections and sums to codes

def encode_l1(const double[:, ::1] Z, const double[::1] offsets, double step, const double[::1] z_errors,
              uint8_t[:, ::1] codes_out, float[::1] errors_out, int n_threads):
    """Codes round((z - offset) / step) in 0..255, and the sum of the errors of rounding and clipping, in code units."""
    cdef Py_ssize_t i
    for i in prange(Z.shape[0], nogil=True, schedule="static", num_threads=n_threads):
        encode_l1_row(&Z[i, 0], Z.shape[1], &offsets[0], step, z_errors[i], &codes_out[i, 0], codes_out.shape[1],
                      &errors_out[i])


cdef void encode_l1_row(const double *z, Py_ssize_t m, const double *offsets, double step, double z_error,
                        uint8_t *codes_out, Py_ssize_t width, float *error_out) noexcept nogil:
    cdef Py_ssize_t j
    cdef double inverse = 1.0 / step, v, t, error = 0.0
    cdef int32_t c
    for j in range(m):
        v = (z[j] - offsets[j]) * inverse
        t = v + 0.5
        t = t if t > 0.0 else 0.0
        t = t if t < 255.5 else 255.0
        c = <int32_t> t
        codes_out[j] = <uint8_t> c
        error += fabs(v - c)
    for j in range(m, width):
        codes_out[j] = 0
    error_out[0] = up(error + z_error * inverse)


def encode_byte_segments(const uint8_t[:, ::1] X, const int32_t[::1] order, const uint8_t[::1] masks,
                         const uint8_t[::1] keeps, uint8_t[:, ::1] coarse_out, float[::1] coarse_errors_out,
                         uint8_t[:, ::1] fine_out, float[::1] fine_errors_out, int32_t[:, ::1] scratch, int n_threads):
    """encode_l1 of sums over segments of 16 and of 4 byte features, in whole numbers.

    A segment's sum is the sum of (x XOR mask) AND keep, and its code is the sum divided by the size, rounded. The mask turns
    x into x - least for a feature that is added, and into most - x for one that is subtracted; keep is 0 for missing
    features.

    scratch : (n_threads, twice the number of fine segments)
    """
    cdef Py_ssize_t i
    for i in prange(X.shape[0], nogil=True, schedule="static", num_threads=n_threads):
        byte_segments_of_row(&X[i, 0], &order[0], &masks[0], &keeps[0], order.shape[0] // 16, &coarse_out[i, 0],
                             coarse_out.shape[1], &coarse_errors_out[i], &fine_out[i, 0], fine_out.shape[1],
                             &fine_errors_out[i], &scratch[threadid(), 0])


cdef void byte_segments_of_row(const uint8_t *x, const int32_t *order, const uint8_t *masks, const uint8_t *keeps,
                               Py_ssize_t n_segments, uint8_t *coarse_out, Py_ssize_t coarse_width, float *coarse_error_out,
                               uint8_t *fine_out, Py_ssize_t fine_width, float *fine_error_out,
                               int32_t *scratch) noexcept nogil:
    """Simple loops over all features or segments, which the compiler vectorises, except for the first loop."""
    cdef uint32_t *fours = <uint32_t *> scratch      # four features each, then the sum of a fine segment
    cdef uint8_t *ordered = <uint8_t *> scratch
    cdef int32_t *sums = scratch + 4 * n_segments
    cdef Py_ssize_t j, n_fine = 4 * n_segments
    cdef uint32_t pairs
    cdef int32_t c, coarse_error = 0, fine_error = 0  # at most 2 per fine segment, 8 per coarse one: far below 2^31
    for j in range(4 * n_fine):
        ordered[j] = x[order[j]]
    for j in range(4 * n_fine):
        ordered[j] = (ordered[j] ^ masks[j]) & keeps[j]
    for j in range(n_fine):
        pairs = (fours[j] & 0xFF00FF) + ((fours[j] >> 8) & 0xFF00FF)
        sums[j] = (pairs + (pairs >> 16)) & 0xFFFF
    for j in range(n_fine):
        c = (sums[j] + 2) >> 2
        fine_out[j] = <uint8_t> c
        fine_error += max(sums[j] - 4 * c, 4 * c - sums[j])
    for j in range(n_segments):
        sums[j] = sums[4 * j] + sums[4 * j + 1] + sums[4 * j + 2] + sums[4 * j + 3]
    for j in range(n_segments):
        c = (sums[j] + 8) >> 4
        coarse_out[j] = <uint8_t> c
        coarse_error += max(sums[j] - 16 * c, 16 * c - sums[j])
    memset(coarse_out + n_segments, 0, coarse_width - n_segments)
    memset(fine_out + n_fine, 0, fine_width - n_fine)
    coarse_error_out[0] = up(<double> coarse_error / 16.0)
    fine_error_out[0] = up(<double> fine_error / 4.0)


cdef inline int32_t signed_code(double v, double most) noexcept nogil:
    """v rounded, within +-most."""
    v = v if v > -most else -most
    v = v if v < most else most
    return <int32_t> (v + (most + 0.5)) - <int32_t> most


cdef struct L2Codes:
    # One level of codes: which projections it uses, how they are rounded, and where the results go.
    Py_ssize_t first                # projection
    Py_ssize_t n
    double s                        # not below the norm of their map
    double step
    double residual_offset          # NaN: no residual norm is kept
    double most                     # 127, or 2,032 for fine codes
    const double *offsets
    uint8_t *codes
    Py_ssize_t width
    int32_t *starts
    float *errors


cdef void encode_l2_row(const L2Codes *level, Py_ssize_t row, const double *z, double scale, double square, double off,
                        double z_error, bint queries) noexcept nogil:
    """The codes of one row, its residual norm as one more, and the norm of the rounding errors.

    z, scale : the projections are scale x z
    square, off : |x - center|^2, and the relative error of it and |z|^2
    """
    cdef uint8_t *out = level.codes + row * level.width
    cdef int8_t *codes = <int8_t *> out
    cdef int16_t *fine = <int16_t *> out
    cdef bint is_fine = level.most > 127.0
    cdef Py_ssize_t j, n = level.n
    cdef double inverse = 1.0 / level.step, v, used = 0.0, whole, wrong, low, high, error = 0.0
    cdef int32_t c, norm = 0, total = 0
    z += level.first
    for j in range(n):
        v = (z[j] * scale - level.offsets[j]) * inverse
        c = signed_code(v, level.most)
        if is_fine:
            fine[j] = <int16_t> c
        else:
            codes[j] = <int8_t> c
            norm += c * c
            total += c
        error += (v - c) * (v - c)
        used += z[j] * z[j]
    if level.residual_offset == level.residual_offset:
        used *= scale * scale
        whole = level.s * level.s * square * scale * scale
        wrong = 1e-30 + off * whole + 2.0 * sqrt(used) * z_error + z_error * z_error
        low = (sqrt(max(0.0, whole - used - wrong)) - level.residual_offset) * inverse
        high = (sqrt(max(0.0, whole - used + wrong)) - level.residual_offset) * inverse
        c = signed_code(0.5 * (low + high), level.most)
        if is_fine:
            fine[n] = <int16_t> c
        else:
            codes[n] = <int8_t> c
            norm += c * c
            total += c
        v = max(fabs(low - c), fabs(high - c))
        error += v * v
        n += 1
    memset(out + n * (2 if is_fine else 1), 0, level.width - n * (2 if is_fine else 1))
    level.errors[row] = up(sqrt(error) + z_error * inverse)
    if is_fine:
        return
    if queries:
        level.starts[row] = norm
        for j in range(level.width):
            out[j] ^= 0x80
    else:
        level.starts[row] = -(norm >> 1) - 128 * total


cdef L2Codes l2_codes_of(tuple level, tuple outs):
    """(first, n, s, step, residual_offset, most, offsets) and (codes, starts, errors)."""
    cdef L2Codes out
    cdef const double[::1] offsets
    cdef uint8_t[:, ::1] codes
    cdef int32_t[::1] starts
    cdef float[::1] errors
    out.first, out.n, out.s, out.step, out.residual_offset, out.most, offsets = level
    codes, starts, errors = outs
    out.offsets = &offsets[0]
    out.codes = &codes[0, 0]
    out.width = codes.shape[1]
    out.starts = &starts[0]
    out.errors = &errors[0]
    return out


cdef struct Encoding:
    L2Codes levels[4]
    int n_levels
    const double *squares           # |x - center|^2 of every row
    bint unit_rows                  # projections are divided by the rows' norms
    double z_error                  # of a row's projections, per unit of its norm
    double off                      # of |x - center|^2 and |z|^2, relative
    bint queries


cdef void encode_levels(const Encoding *encoding, Py_ssize_t row, const double *z) noexcept nogil:
    cdef double square = encoding.squares[row], length = sqrt(square), scale = 1.0, z_error
    cdef int number
    if encoding.unit_rows:
        scale = 1.0 / length
    z_error = encoding.z_error * length * scale + 1e-30 * max(scale, 1.0)
    for number in range(encoding.n_levels):
        encode_l2_row(&encoding.levels[number], row, z, scale, square, encoding.off, z_error, encoding.queries)


def encode_l2(const uint8_t[:, ::1] X, int storage, const uint8_t[:, ::1] columns, const double[::1] shifts,
              const double[:, ::1] Z, const double[::1] squares, bint unit_rows, double z_error, double off, bint queries,
              list levels, list outs, double[:, ::1] scratch, int n_threads):
    """Codes of rows at some levels whose projections follow each other in one basis.

    Parameters
    ----------
    X, storage, columns, shifts : byte rows, and the columns whose products minus `shifts` are the projections; with no
        columns and shifts, the features themselves are encoded; read only if `Z` has no rows
    Z : (n_rows, n_projections)
    squares : (n_rows,), |x - center|^2
    unit_rows, z_error, off, queries : see Encoding
    levels, outs : see l2_codes_of
    scratch : (n_threads, 6 x n_projections, or n_features)
    """
    cdef Encoding encoding
    cdef Py_ssize_t n = squares.shape[0], group, d = X.shape[1] // fastcls_type_bytes[storage]
    cdef int number, flip = 0x80 if storage == FASTCLS_I8 else 0
    encoding.n_levels = len(levels)
    for number in range(len(levels)):
        encoding.levels[number] = l2_codes_of(levels[number], outs[number])
    encoding.squares = &squares[0]
    encoding.unit_rows = unit_rows
    encoding.z_error = z_error
    encoding.off = off
    encoding.queries = queries
    if Z.shape[0] > 0:
        for group in prange(n, nogil=True, schedule="static", num_threads=n_threads):
            encode_levels(&encoding, group, &Z[group, 0])
    elif columns.shape[0] > 0:
        for group in prange((n + 5) // 6, nogil=True, schedule="dynamic", num_threads=n_threads, chunksize=4):
            encode_six(&encoding, &X[0, 0], n, d, group * 6, flip, &columns[0, 0], columns.shape[0], columns.shape[1],
                       &shifts[0], &scratch[threadid(), 0])
    else:
        for group in prange(n, nogil=True, schedule="static", num_threads=n_threads):
            fastcls_widen[storage](&X[group, 0], d, &scratch[threadid(), 0])
            encode_levels(&encoding, group, &scratch[threadid(), 0])


cdef void encode_six(const Encoding *encoding, const uint8_t *X, Py_ssize_t n, Py_ssize_t d, Py_ssize_t first, int flip,
                     const uint8_t *columns, Py_ssize_t n_panels, Py_ssize_t panel_bytes, const double *shifts,
                     double *Z) noexcept nogil:
    cdef Py_ssize_t i, j, m = n_panels * 64
    project_six(X, n, d, first, flip, columns, n_panels, panel_bytes, Z)
    for i in range(min(<Py_ssize_t> 6, n - first)):
        for j in range(m):
            Z[i * m + j] -= shifts[j]
        encode_levels(encoding, first + i, Z + i * m)


def to_panels(const uint8_t[:, ::1] codes, int step_bytes, Py_ssize_t panel_rows, uint8_t[:, ::1] panels_out,
              int n_threads):
    """Codes (n_rows, width) to panels (n_panels, steps x panel_rows x step_bytes), padded with rows of zeros."""
    cdef Py_ssize_t panel, n = codes.shape[0], width = codes.shape[1]
    for panel in prange(panels_out.shape[0], nogil=True, schedule="static", num_threads=n_threads):
        panel_of(&codes[0, 0], n, width, panel * panel_rows, step_bytes, panel_rows, &panels_out[panel, 0])


cdef void panel_of(const uint8_t *codes, Py_ssize_t n, Py_ssize_t width, Py_ssize_t first, int step_bytes,
                   Py_ssize_t panel_rows, uint8_t *out) noexcept nogil:
    cdef Py_ssize_t row, step, n_steps = width // step_bytes
    for row in range(panel_rows):
        for step in range(n_steps):
            if first + row < n:
                memcpy(out + (step * panel_rows + row) * step_bytes, codes + (first + row) * width + step * step_bytes,
                       step_bytes)
            else:
                memset(out + (step * panel_rows + row) * step_bytes, 0, step_bytes)


def code_norms(const uint8_t[:, ::1] codes, int32_t[::1] norms_out, int n_threads):
    """Squared norms of signed codes (n_rows, width)."""
    cdef Py_ssize_t row, n = norms_out.shape[0]
    if codes.shape[0] < n:
        raise ValueError(f"{codes.shape[0]} codes for {n} norms")
    for row in prange(n, nogil=True, schedule="static", num_threads=n_threads):
        norms_out[row] = norm_of(<const int8_t *> &codes[row, 0], codes.shape[1])


cdef int32_t norm_of(const int8_t *code, Py_ssize_t width) noexcept nogil:
    cdef int32_t total = 0
    cdef Py_ssize_t i
    for i in range(width):
        total += code[i] * code[i]
    return total


def from_panels(const uint8_t[:, ::1] panels, int step_bytes, Py_ssize_t first, uint8_t[:, ::1] codes_out, int n_threads):
    """Codes (n_rows, width) of the rows from `first` on: the inverse of to_panels."""
    cdef Py_ssize_t row, n = codes_out.shape[0], width = codes_out.shape[1], panel_rows
    if width < 1 or width % step_bytes or panels.shape[1] % width:
        raise ValueError(f"panels of {panels.shape[1]} bytes for codes of {width}")
    panel_rows = panels.shape[1] // width
    if not 0 <= first <= panels.shape[0] * panel_rows - n:
        raise ValueError(f"rows {first} to {first + n} of {panels.shape[0]} panels")
    for row in prange(n, nogil=True, schedule="static", num_threads=n_threads):
        from_panel(&panels[(first + row) // panel_rows, (first + row) % panel_rows * step_bytes], panel_rows * step_bytes,
                   width, step_bytes, &codes_out[row, 0])


cdef void from_panel(const uint8_t *panel, Py_ssize_t stride, Py_ssize_t width, Py_ssize_t step_bytes,
                     uint8_t *out) noexcept nogil:
    cdef Py_ssize_t step
    for step in range(width // step_bytes):
        memcpy(out + step * step_bytes, panel + step * stride, step_bytes)
