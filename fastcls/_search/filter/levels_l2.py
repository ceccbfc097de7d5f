"""Levels under L2 and cosine: PCA projections and the norm of the residual, or the features themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastcls import _kernels
from fastcls._runtime import threads
from fastcls._sampling.evenly import spaced
from fastcls._validation.rows import as_bytes, storage_of
from fastcls._validation.types import is_floating, narrowed, widened

from . import encode_loops
from .codes import (
    EPS,
    WIDEST,
    Codes,
    Level,
    blocks,
    leading_eigenvectors,
    padded,
    promised_share,
    sample_of,
)

_STEP_ROWS = 160  # sampled rows for choosing a step
_FINE = 16  # fine steps in one coarse step
MOST_FINE = _FINE * 127  # the largest fine code
_PRODUCTS_A_STEP = 32  # multiply-adds that take as long as one simple operation
_TERMS = 24.0  # bytes of a row's errors and starts for three levels
_BYTE_WIDTHS = ((64, 32), (256, 128))  # widths of projections, coarse and fine: the first that fits is used
_FLOAT_WIDTHS = (128, 64, 48, 32)  # widths of the one projection that comes in addition to the features
WIDEST_PROJECTED = 2**22  # features; with more, the bound on rounding in singles is useless


def certified_norm(A: np.ndarray) -> float:
    """An upper bound on the spectral norm of A that exceeds it only slightly.

    The function proves that s^2 I - A A^T is positive semidefinite: a floating-point Cholesky factorisation that succeeds
    proves that the least eigenvalue is above -c trace, c = (n + 1) u / (1 - 2 (n + 1) u) (Rump, Verification of positive
    definiteness, BIT 46, 2006). The roundings of A A^T itself are subtracted too.
    """
    gram, rounding = _gram(A)
    square = float(np.linalg.eigvalsh(gram)[-1])
    grow = 1e-9
    while True:
        candidate = square * (1.0 + grow) + 2.0 * rounding
        if _is_above(gram, rounding, candidate):
            return float(np.sqrt(candidate) * (1.0 + 4.0 * EPS))
        grow *= 4.0


def is_above_norm(A: np.ndarray, s: float) -> bool:
    """Whether `s` is proved to be no smaller than the spectral norm of A, as `certified_norm` proves it."""
    return _is_above(*_gram(A.astype(np.float64)), (s * (1.0 - 8.0 * EPS)) ** 2)


def _gram(A: np.ndarray) -> tuple[np.ndarray, float]:
    """A A^T, and a bound on the norm of its rounding errors: of every entry by Cauchy-Schwarz, in the Frobenius norm."""
    gram = A @ A.T
    return gram, 2.0 * (sum(A.shape) + 4) * EPS * float(np.trace(gram))


def _is_above(gram: np.ndarray, rounding: float, candidate: float) -> bool:
    """Whether the factorisation proves that `candidate` is no smaller than the largest eigenvalue of A A^T."""
    m = len(gram)
    B = candidate * np.eye(m) - gram
    shift = rounding + 4.0 * (m + 2) * EPS * (float(np.trace(B)) + candidate)
    try:
        np.linalg.cholesky(B - shift * np.eye(m))
    except np.linalg.LinAlgError:
        return False
    return True


def _step(deviations: np.ndarray) -> float:
    """The step with the smallest error: a small step clips large values, a large step rounds small ones coarsely."""
    best, best_cost = 0.0, np.inf
    deviations = spaced(deviations, _STEP_ROWS)
    sizes = np.abs(deviations)
    for share in (1.0, 0.9999, 0.999, 0.99):
        step = float(np.quantile(sizes, share)) / 127.0
        if step <= 0.0:
            continue
        codes = np.clip(np.rint(deviations / step), -127, 127)
        cost = float(np.sqrt(((deviations - codes * step) ** 2).sum(axis=1)).mean())
        if cost < best_cost:
            best, best_cost = step, cost
    return best


@dataclass(frozen=True, eq=False)
class Basis:
    """The basis of projections: z = A (x - center), or the features themselves.

    For byte rows, A consists of bytes too, and every z is exact. For floats, the products are computed in singles, with a
    bound on rounding for any order of summation. `unit_rows` first divides each row by its norm: distances are then chords,
    and twice the cosine distance is the square of a chord.
    """

    A: np.ndarray  # (n_projections, n_features): integers for bytes, else singles; no rows for the features themselves
    columns: np.ndarray  # A packed for the integer kernel
    center: np.ndarray
    data_scale: float  # a power of two by which rows of floats are multiplied
    unit_rows: bool
    shifts: np.ndarray  # for bytes: subtracted from each column's product
    frobenius: float  # norm of A

    @classmethod
    def of(cls, A: np.ndarray, dtype: np.dtype, center: np.ndarray, data_scale: float, unit_rows: bool) -> Basis:
        """The basis with everything that is computed from A."""
        if is_floating(dtype) or not len(A):
            columns, shifts = np.empty((0, 0), dtype=np.uint8), np.empty(0)
        else:
            columns = _packed(A)
            shifts = np.zeros(64 * len(columns))
            shifts[: len(A)] = A @ (center + 128.0 if dtype == np.int8 else center)  # int8 rows are read as x + 128
        return cls(A, columns, center, data_scale, unit_rows, shifts, float(np.linalg.norm(A.astype(np.float64))))

    @cached_property
    def roundings(self) -> tuple[float, float]:
        """Bounds on the rounding errors: of projections, per unit of a row's norm, and of squares, relative."""
        d = len(self.center)
        off = (d / 4.0 + len(self.A) + 32.0) * EPS
        if self.A.dtype == np.float32:  # floats: products in singles
            gamma = (d + 4) * 2.0**-24 / (1.0 - (d + 4) * 2.0**-24)
            return gamma * self.frobenius * (1.0 + 2.0**-20) + off, off
        return 16.0 * (d + self.frobenius) * EPS, off

    def encode(self, levels: list[PcaProjection], rows: np.ndarray, n_threads: int, queries: bool) -> list[Codes]:
        """Codes of rows at levels that share this basis."""
        n, d = rows.shape
        out = [level.empty(n) for level in levels]
        is_float = is_floating(rows.dtype)
        n_threads = threads.limit_by_work(n_threads, n * d * (1 + len(self.A)) // _PRODUCTS_A_STEP)
        shifts, (z_error, off) = self.shifts, self.roundings
        center = narrowed(self.center, rows.dtype)
        wide_enough = max(d, 6 * len(shifts))

        def encode_block(block: slice, n_threads: int) -> None:
            some = rows[block]
            squares = np.empty(len(some))
            _kernels.sums_to_point(
                as_bytes(some), storage_of(some), _kernels.SUMS["sql2"], as_bytes(center), squares, n_threads
            )
            with np.errstate(over="ignore", under="ignore"):  # rows with infinite squares always pass
                squares *= self.data_scale**2
            if self.unit_rows:  # squares that lost bits give no direction: treat such rows like rows of zeros
                squares[squares < 2.0**-900 * max(1.0, self.data_scale**2)] = 0.0
            Z = np.empty((0, 1))
            if is_float and len(self.A):
                with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                    wide = (widened(some, np.float64) - self.center) * self.data_scale
                    Z = (wide.astype(np.float32) @ self.A.T).astype(np.float64)
            encode_loops.encode_l2(
                as_bytes(some),
                storage_of(some),
                self.columns,
                shifts,
                Z,
                squares,
                self.unit_rows,
                z_error,
                off,
                queries,
                [level.parameters for level in levels],
                [(codes.codes[block], codes.starts[block], codes.errors[block]) for codes in out],
                np.empty((n_threads, wide_enough)),
                n_threads,
            )

        if is_float and len(self.A):  # one block per thread: BLAS and conversions use one thread each
            with threads.one_blas_thread():
                list(threads.in_pool(lambda block: encode_block(block, 1), blocks(n, d), n_threads))
        else:
            for block in blocks(n, d):
                encode_block(block, n_threads)
        for codes in out:
            codes.errors[~np.isfinite(codes.errors)] = np.inf
        return out


@dataclass(frozen=True, eq=False)
class PcaProjection:
    """L2: some projections of a basis, and the norm of the residual as one more value.

    With s not below the norm of A, |A (x - y)|^2 + (r_x - r_y)^2 <= s^2 |x - y|^2 for r_x^2 = s^2 |x - c|^2 - |A (x - c)|^2.
    """

    basis: Basis
    first: int
    offsets: np.ndarray
    s: float
    step: float
    residual_offset: float  # NaN if there is no residual
    fine: bool = False
    kind: str = "l2"

    @cached_property
    def n(self) -> int:
        """Number of projections, the residual norm included."""
        return len(self.offsets) + (not np.isnan(self.residual_offset))

    @cached_property
    def width(self) -> int:
        return -(-2 * self.n // 64) * 64 if self.fine else padded(self.n, "l2")

    @cached_property
    def per_unit(self) -> float:
        one = 1.0 if self.basis.unit_rows else self.basis.data_scale
        return self.s * one / self.step * (1.0 + 4.0 * EPS)

    @cached_property
    def bound(self) -> str:
        if np.isnan(self.residual_offset):
            return "rounded features"
        return f"{self.n - 1} PCA projections and the residual norm{', 16 bits' if self.fine else ''}"

    @cached_property
    def parameters(self) -> tuple[object, ...]:
        """The parameters of the compiled encoder."""
        most = float(MOST_FINE) if self.fine else 127.0
        return (self.first, len(self.offsets), self.s, self.step, self.residual_offset, most, self.offsets)

    def empty(self, n: int) -> Codes:
        """Empty arrays for the codes of n rows."""
        return Codes(
            np.empty((n, self.width), dtype=np.uint8),
            np.empty(n, dtype=np.int32),
            np.empty(n, dtype=np.float32),
            np.zeros(1, dtype=np.float32),
        )

    def finer(self) -> PcaProjection:
        """The same projections with a sixteenth of the step."""
        return replace(self, step=self.step / _FINE, fine=True)


def _packed(A: np.ndarray) -> np.ndarray:
    """Integer rows of A as the columns of _simd/filter/contract.h: (n_panels, steps x 64 x 4), zeros behind the last."""
    m, d = A.shape
    n_panels, n_steps = -(-m // 64), -(-d // 4)
    wide = np.zeros((n_panels * 64, n_steps * 4), dtype=np.int8)
    wide[:m, :d] = A
    panels = wide.reshape(n_panels, 64, n_steps, 4).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels).reshape(n_panels, -1).view(np.uint8)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _learned_basis(rows: np.ndarray, sample: np.ndarray, counts: list[int], unit_rows: bool) -> Basis | None:
    """For each count, that many principal axes, mixed by a random rotation; the blocks follow each other in A.

    They are mixed because all projections are rounded with the same step: unmixed, the first would make it too coarse for
    the others.
    """
    is_float = is_floating(rows.dtype)
    center = np.zeros(rows.shape[1]) if unit_rows else sample.mean(axis=0)
    center = widened(narrowed(center, rows.dtype), np.float64) if is_float else np.rint(center)
    learned = sample - center
    largest = float(np.sqrt((learned**2).sum(axis=1).max()))
    if not 1e-140 < largest < 1e140:
        return None
    data_scale = 2.0 ** -round(math.log2(largest)) if is_float else 1.0
    learned = (_unit(learned) if unit_rows else learned * data_scale).astype(np.float32)
    n, most = len(learned), max(counts)
    if rows.shape[1] <= n:  # axes from products of features
        axes = np.ascontiguousarray(leading_eigenvectors(learned.T @ learned, most).T[::-1], dtype=np.float32)
    else:  # axes from products of rows
        axes = leading_eigenvectors(learned @ learned.T, most).T[::-1].astype(np.float32) @ learned
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if not (lengths > 0).all() or not np.isfinite(axes).all():
        return None
    axes /= lengths
    parts = []
    for count in counts:
        rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((count, count)))
        mixed = rotation.astype(np.float32) @ axes[:count]
        parts.append(mixed if is_float else np.rint(mixed * (127.0 / np.abs(mixed).max())))
    A = np.concatenate(parts)
    return Basis.of(A if is_float else A.astype(np.float64), rows.dtype, center, data_scale, unit_rows)


def _projections(rows: np.ndarray, sample: np.ndarray, counts: list[int], unit_rows: bool) -> list[PcaProjection]:
    """One level per count of projections; the steps are chosen on the sample."""
    basis = _learned_basis(rows, sample, counts, unit_rows)
    if basis is None:
        return []
    learned = (_unit(sample) if unit_rows else sample - basis.center) * (1.0 if unit_rows else basis.data_scale)
    found, first = [], 0
    for count in counts:
        A = basis.A[first : first + count].astype(np.float64)
        s = certified_norm(A)
        Z = learned @ A.T
        left = np.sqrt(np.maximum(s * s * (learned**2).sum(axis=1) - (Z**2).sum(axis=1), 0.0))
        offsets = Z.mean(axis=0)
        step = _step(np.column_stack([Z - offsets, left - left.mean()]))
        if step > 0.0:
            found.append(PcaProjection(basis, first, offsets, s, step, float(left.mean())))
        first += count
    return found


def _features(rows: np.ndarray, sample: np.ndarray, unit_rows: bool) -> list[PcaProjection]:
    """The features themselves, rounded: for floats, if a few projections may rule out too little."""
    if unit_rows:
        sample = _unit(sample)
    offsets = sample.mean(axis=0)
    step = _step(sample - offsets)
    if not 1e-290 < step < 1e290 or padded(rows.shape[1], "l2") > WIDEST:
        return []
    d = rows.shape[1]
    basis = Basis.of(np.empty((0, d)), rows.dtype, np.zeros(d), 1.0, unit_rows)
    # |x - center| bounds the rounding of x - offset; here the center is zero, and the offsets are included
    return [PcaProjection(basis, 0, offsets, 1.0, step, math.nan)]


def l2_levels(rows: np.ndarray, unit_rows: bool) -> list[Level]:
    """Levels for L2, coarse to fine; with `unit_rows`, rows are divided by their norms, for cosine."""
    sample, d = sample_of(rows), rows.shape[1]
    is_float = is_floating(rows.dtype)
    row_bytes = d * rows.dtype.itemsize
    budget = promised_share(rows.dtype) * row_bytes - _TERMS
    if is_float:
        budget -= padded(d, "l2")
    counts: list[int] = []
    for widths in (_FLOAT_WIDTHS,) if is_float else _BYTE_WIDTHS:
        fitting = [width for width in widths if width <= min(budget, d // 2, len(sample))]
        if fitting:
            counts.append(fitting[0] - 1)
            budget -= fitting[0]
    found: list[Level] = []
    if counts and d <= WIDEST_PROJECTED:
        projections = _projections(rows, sample, counts, unit_rows)
        found += projections
        if not is_float and projections and projections[-1].finer().width <= budget:
            found.append(projections[-1].finer())
    if is_float:
        found += _features(rows, sample, unit_rows)
    return found


def encode(levels: Sequence[Level], rows: np.ndarray, n_threads: int, *, queries: bool) -> list[Codes]:
    """Codes of the rows at every level; levels with the same basis share the products."""
    projections = [level for level in levels if isinstance(level, PcaProjection)]
    done: dict[int, Codes] = {}
    for basis in {id(level.basis): level.basis for level in projections}.values():
        numbers = [i for i, level in enumerate(projections) if level.basis is basis]
        for i, codes in zip(numbers, basis.encode([projections[i] for i in numbers], rows, n_threads, queries), strict=True):
            done[i] = codes
    return [done[i] for i in range(len(levels))]
