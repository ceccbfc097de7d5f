"""Codes of rows: bytes whose differences bound the rows' distance from below, with certainty.

A *level* maps rows to codes. Its map never lengthens a distance: signed sums of disjoint groups of features under L1, an
orthogonal projection (and what it leaves) under L2, the features themselves under either. Coordinates are then rounded to
bytes, and each row keeps the exact size of what its rounding took. docs/filter.md proves the bounds; what stands here is
only which maps to choose, and no choice can make a bound false.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.linalg

from . import _encode, _kernels, _threads

_SAMPLE = 640  # rows that maps are learned from: a basis of 64 from these keeps 0.99 of what one from all rows keeps
_NARROW = 800  # features up to which a basis is learned from their products, and from more rows
_STEP_ROWS = 160  # sampled rows that a step is chosen on
_BLOCK, _BLOCK_VALUES = 2048, 1 << 20  # rows encoded at a time; of wide ones so few that a thread's copy takes 8 MB
_EPS = 2.0**-52
_GROUP_COARSE, _GROUP_FINE = 16, 4
_FINE = 16  # steps of a fine code in one of a coarse
_PRODUCTS_A_STEP = 32  # multiply-adds in the time of a simple step
_TERMS = 24.0  # bytes of a row's errors and starts at three levels
_BYTE_WIDTHS = ((64, 32), (256, 128))  # of projections, coarse and fine: the first that the room for codes allows
_FLOAT_WIDTHS = (128, 64, 48, 32)  # of the one projection beside the features
_WIDEST_PROJECTED = 2**22  # features: beyond, the bound on rounding in singles says nothing
_WIDEST = 32_768  # bytes of a code, see _simd/cascade.h


@dataclass(frozen=True)
class Codes:
    """Codes of some rows under one level.

    Attributes
    ----------
    codes : ndarray of uint8
        (n_rows, width); of the first level's training rows (n_panels, width x rows of a panel).
    starts : ndarray of int32
        L2 only. Of training rows what their keys start from; of queries their squared norms.
    errors : ndarray of float32, shape (n_rows,)
        What rounding took from each row, rounded up, in code units. Infinite where nothing is certain.
    panel_errors : ndarray of float32, shape (n_panels,)
        The largest of each panel.
    """

    codes: np.ndarray
    starts: np.ndarray
    errors: np.ndarray
    panel_errors: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.starts.nbytes + self.errors.nbytes + self.panel_errors.nbytes


class Level(Protocol):
    """A map from rows to codes.

    Attributes
    ----------
    kind : {"l1", "l2"}
    width : int
        Bytes of a code.
    per_unit : float
        Code units of one unit of distance, not less than it is.
    bound : str
        What the codes stand for, in a few words.
    fine : bool
        Whether codes are 16-bit numbers.
    """

    @property
    def kind(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def per_unit(self) -> float: ...

    @property
    def bound(self) -> str: ...

    @property
    def fine(self) -> bool: ...


def _bytes(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows).view(np.uint8)


def _storage(rows: np.ndarray) -> int:
    return _kernels.TYPES[rows.dtype.name]


def _blocks(n: int, d: int) -> Iterator[slice]:
    step = min(_BLOCK, max(64, _BLOCK_VALUES // d))
    for first in range(0, n, step):
        yield slice(first, min(n, first + step))


def sample_of(rows: np.ndarray) -> np.ndarray:
    """Evenly spaced rows as float64: at least 640, and of narrow rows three for each feature: eight left as many pairs."""
    n = _SAMPLE if rows.shape[1] > _NARROW else max(_SAMPLE, 3 * rows.shape[1])
    return np.asarray(rows[:: max(1, len(rows) // n)][:n], dtype=np.float64)


def _padded(width: int, kind: str) -> int:
    step = _encode.STEP_BYTES[kind]
    return -(-width // step) * step


def in_panels(codes: Codes, kind: str, n_threads: int) -> Codes:
    """The same codes as the screen reads them."""
    panel_rows = _encode.PANEL_ROWS[kind]
    n, width = codes.codes.shape
    n_panels = -(-n // panel_rows)
    panels = np.empty((n_panels, panel_rows * width), dtype=np.uint8)
    _encode.to_panels(codes.codes, _encode.STEP_BYTES[kind], panel_rows, panels, n_threads)
    starts = np.zeros(n_panels * panel_rows, dtype=np.int32)
    starts[: len(codes.starts)] = codes.starts
    panel_errors = np.maximum.reduceat(codes.errors, np.arange(0, n, panel_rows))
    errors = np.full(n_panels * panel_rows, -np.inf, dtype=np.float32)  # of a row that is none: its bound is infinite
    errors[:n] = codes.errors
    return Codes(panels, starts, errors, panel_errors)


# ------------------------------------------------------------------------------------------------------------------ L1


@dataclass(frozen=True)
class GroupSums:
    """L1: signed sums of groups of features. |sum over a group of s (x - y)| never exceeds the group's sum of |x - y|."""

    order: np.ndarray  # (n_groups x size,) int32, the features of each group; -1 for none
    signs: np.ndarray
    size: int
    offsets: np.ndarray
    step: float
    kind: str = "l1"
    fine: bool = False

    @property
    def n_groups(self) -> int:
        return len(self.order) // self.size

    @property
    def width(self) -> int:
        return _padded(self.n_groups, "l1")

    @property
    def per_unit(self) -> float:
        return 1.0 / self.step

    @property
    def bound(self) -> str:
        return f"sums of {self.size} features" if self.size > 1 else "rounded features"

    def sums(self, rows: np.ndarray, n_threads: int) -> tuple[np.ndarray, np.ndarray]:
        """(sums, sum of |x|) of rows: float64 (n_rows, n_groups), (n_rows,)."""
        sums, magnitudes = np.empty((len(rows), self.n_groups)), np.empty(len(rows))
        scratch = np.empty((n_threads, rows.shape[1]))
        _encode.group_sums(_bytes(rows), _storage(rows), self.order, self.signs, sums, magnitudes, scratch, n_threads)
        return sums, magnitudes

    @functools.cached_property
    def of_bytes(self) -> tuple[GroupSums, GroupSums, np.ndarray, np.ndarray, np.ndarray]:
        """Coarse and fine groups, and the order, masks and keeps of encode_byte_groups; made once, not for every query."""
        masks, keeps = np.where(self.signs > 0, 0, 0xFF), np.where(self.order >= 0, 0xFF, 0)
        return (replace(self, size=_GROUP_COARSE), replace(self, size=_GROUP_FINE), np.maximum(self.order, 0),
                masks.astype(np.uint8), keeps.astype(np.uint8))  # fmt: skip

    def empty(self, n: int) -> Codes:
        """Room for the codes of n rows."""
        none = np.zeros(1, dtype=np.int32)
        return Codes(np.empty((n, self.width), dtype=np.uint8), none, np.empty(n, dtype=np.float32), none.astype(np.float32))

    def encode(self, rows: np.ndarray, n_threads: int) -> Codes:
        """Codes of rows of floats."""
        out = self.empty(len(rows))
        for block in _blocks(*rows.shape):
            sums, magnitudes = self.sums(rows[block], n_threads)
            # each of `size` additions rounds once, and so do offset and scale
            z_errors = (self.size + 4) * _EPS * (magnitudes + np.abs(self.offsets).sum())
            _encode.encode_l1(sums, self.offsets, self.step, z_errors, out.codes[block], out.errors[block], n_threads)
        out.errors[~np.isfinite(out.errors)] = np.inf
        return out


def _encode_bytes(groups: GroupSums, rows: np.ndarray, n_threads: int) -> dict[int, Codes]:
    """Codes of byte rows at both sizes of these groups; the fine groups' sums make the coarse ones'."""
    coarse, fine, order, masks, keeps = groups.of_bytes
    out = [coarse.empty(len(rows)), fine.empty(len(rows))]
    if rows.dtype == np.int8:
        masks = masks ^ np.uint8(0x80)
    n_threads = _threads.worth(n_threads, rows.size)
    scratch = np.empty((n_threads, 2 * fine.n_groups), dtype=np.int32)
    _encode.encode_byte_groups(_bytes(rows), order, masks, keeps, out[0].codes, out[0].errors, out[1].codes,
                               out[1].errors, scratch, n_threads)  # fmt: skip
    return {_GROUP_COARSE: out[0], _GROUP_FINE: out[1]}


def _smooth(n: int) -> int:
    """The least number from n on whose prime factors are at most 7."""
    while True:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def _factors(n: int) -> list[int]:
    out: list[int] = []
    for prime in (2, 3, 5, 7):
        while n % prime == 0:
            n //= prime
            out.append(prime)
    return out[::-1]


def _learned_order(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features so that neighbours in the order vary together: (order, signs), whole groups of 16 of 4 of them.

    Every feature is a point: its values on the sample, reduced to 48 dimensions. All features are split into equal parts
    along the direction in which they differ most, and the parts again, down to groups.
    """
    d = sample.shape[1]
    centered = (sample - sample.mean(axis=0)).astype(np.float32)
    n = len(centered)
    dims = min(48, n)
    _, U = scipy.linalg.eigh(centered @ centered.T, subset_by_index=[n - dims, n - 1], check_finite=False)
    points = centered.T @ U.astype(np.float32)
    flipped = points @ points.mean(axis=0) < 0  # features that run against the others join them with a minus
    points[flipped] *= -1
    n_groups = _smooth(-(-d // _GROUP_COARSE))
    n_places = n_groups * _GROUP_COARSE  # more than there are features, if they do not divide: the rest stay empty
    points = np.vstack([points, np.zeros((n_places - d, dims), dtype=np.float32)])
    at = np.arange(n_places)[None, :]
    for ways in (*_factors(n_groups), 2, 2):
        here = points[at]  # (parts, features, dims)
        here = here - here.mean(axis=1, keepdims=True)
        spread = np.einsum("pfd,pfd->pf", here, here)
        axis = here[np.arange(len(here)), spread.argmax(axis=1)]
        for _ in range(5):
            axis = np.einsum("pfd,pf->pd", here, np.einsum("pfd,pd->pf", here, axis))
            axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-30)
        by = np.argsort(np.einsum("pfd,pd->pf", here, axis), axis=1, kind="stable")
        at = np.take_along_axis(at, by, axis=1).reshape(len(at) * ways, -1)
    at = at.ravel()
    order = np.where(at < d, at, -1)
    signs = np.where(np.append(flipped, [False])[np.minimum(at, d)], -1.0, 1.0)
    return order.astype(np.int32), signs


def _pixel_orders(d: int) -> Iterator[np.ndarray]:
    """Orders by 4 x 4 blocks of pixels, if the rows could be square images of one or three channels."""
    for channels, channel_last in ((1, True), (3, True), (3, False)):
        side = round((d / channels) ** 0.5)
        if side < 8 or side * side * channels != d:
            continue
        numbers = np.arange(d).reshape((side, side, channels) if channel_last else (channels, side, side))
        planes = np.moveaxis(numbers, -1, 0) if channel_last else numbers
        pad = -side % 4
        planes = np.pad(planes, ((0, 0), (0, pad), (0, pad)), constant_values=-1)
        blocks = planes.reshape(channels, (side + pad) // 4, 2, 2, (side + pad) // 4, 2, 2)
        yield blocks.transpose(0, 1, 4, 2, 5, 3, 6).ravel().astype(np.int32)  # block of 4, of 2, pixel


def _near_differences(sample: np.ndarray) -> np.ndarray:
    """Some sampled rows less the row nearest to each (by L2, which is at hand)."""
    single = sample.astype(np.float32)
    some = single[::10]
    squares = np.einsum("ij,ij->i", single, single)
    S = squares - 2.0 * (some @ single.T)
    S[np.arange(len(some)), np.arange(0, len(single), 10)] = np.inf
    return some - single[S.argmin(axis=1)]


def _kept(order: np.ndarray, signs: np.ndarray, differences: np.ndarray) -> float:
    """How much of the L1 distance of these pairs is left in sums of groups, coarse and fine added."""
    wide = np.where(order >= 0, differences[:, order] * signs, 0.0)
    coarse, fine = (np.abs(wide.reshape(len(wide), -1, n).sum(axis=2)).sum() for n in (_GROUP_COARSE, _GROUP_FINE))
    return float(coarse + fine) / max(float(np.abs(differences).sum()), 1e-300)


def l1_levels(rows: np.ndarray) -> list[Level]:
    """Levels for L1, coarse to fine."""
    sample, d = sample_of(rows), rows.shape[1]
    if rows.dtype.kind == "f":
        spread = np.quantile(sample, [0.0005, 0.9995], axis=0)
        step = float((spread[1] - spread[0]).max()) / 255.0
        if not 1e-290 < step < 1e290 or _padded(d, "l1") > _WIDEST:
            return []
        plain = GroupSums(np.arange(d, dtype=np.int32), np.ones(d), 1, spread[0], step)
        return [plain]
    sample = sample[:: max(1, len(sample) // _SAMPLE)][:_SAMPLE]
    near = _near_differences(sample)
    found = [(order, np.ones(len(order))) for order in _pixel_orders(d)]
    found.append(_learned_order(sample))
    order, signs = max(found, key=lambda pair: _kept(pair[0], pair[1], near))
    least = float(np.iinfo(rows.dtype).min)
    lows = np.where(order >= 0, np.where(signs > 0, least, -(least + 255.0)), 0.0)
    fine = GroupSums(order, signs, _GROUP_FINE, lows.reshape(-1, _GROUP_FINE).sum(axis=1), float(_GROUP_FINE))
    coarse, _ = _both([fine])
    return [coarse, fine] if fine.width <= _WIDEST else []


# ------------------------------------------------------------------------------------------------------------------ L2


def certified_norm(A: np.ndarray) -> float:
    """A number not below the spectral norm of A, and above it by little.

    s^2 I - A A^T is shown to be positive semidefinite: a Cholesky factorisation in floating point that runs to its end on
    a matrix proves that its least eigenvalue is above -c trace, c = (n + 1) u / (1 - 2 (n + 1) u) (Rump, Verification of
    positive definiteness, BIT 46, 2006). The roundings of A A^T itself are taken off too.
    """
    m, d = A.shape
    gram = A @ A.T
    trace = float(np.trace(gram))
    rounding = 2.0 * (d + m + 4) * _EPS * trace  # of every entry, by Cauchy-Schwarz, in the Frobenius norm
    square = float(np.linalg.eigvalsh(gram)[-1])
    grow = 1e-9
    while True:
        candidate = square * (1.0 + grow) + 2.0 * rounding
        B = candidate * np.eye(m) - gram
        shift = rounding + 4.0 * (m + 2) * _EPS * (float(np.trace(B)) + candidate)
        try:
            np.linalg.cholesky(B - shift * np.eye(m))
        except np.linalg.LinAlgError:
            grow *= 4.0
            continue
        return float(np.sqrt(candidate) * (1.0 + 4.0 * _EPS))


def _step(deviations: np.ndarray) -> float:
    """The step that costs least: a small one clips the far coordinates, a large one rounds the near ones."""
    best, best_cost = 0.0, np.inf
    deviations = deviations[:: max(1, len(deviations) // _STEP_ROWS)]
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


@dataclass(frozen=True)
class Basis:
    """What coordinates are made of: z = A (x - center), or the features themselves.

    Of bytes A is made of bytes too, and every z is exact. Of floats the products are taken in singles, whose rounding is
    bounded for any order of summation. `unit_rows` divides a row by its norm first: distances are then chords, and twice
    a cosine is the square of one.
    """

    A: np.ndarray  # (n_coordinates, n_features): integers of bytes, else singles; no rows for the features themselves
    columns: np.ndarray  # A packed for the integer kernel
    center: np.ndarray
    data_scale: float  # a power of two that rows of floats are multiplied by
    unit_rows: bool
    shifts: np.ndarray  # of bytes, what is taken off each column's product
    frobenius: float  # norm of A

    @classmethod
    def of(cls, A: np.ndarray, dtype: np.dtype, center: np.ndarray, data_scale: float, unit_rows: bool) -> Basis:
        """The basis with what follows from A."""
        if dtype.kind == "f" or not len(A):
            columns, shifts = np.empty((0, 0), dtype=np.uint8), np.empty(0)
        else:
            columns = _packed(A)
            shifts = np.zeros(64 * len(columns))
            shifts[: len(A)] = A @ (center + 128.0 if dtype == np.int8 else center)  # int8 rows are read as x + 128
        return cls(A, columns, center, data_scale, unit_rows, shifts, float(np.linalg.norm(A.astype(np.float64))))

    def encode(self, levels: list[Coordinates], rows: np.ndarray, n_threads: int, queries: bool) -> list[Codes]:
        """Codes of rows at levels that all have this basis."""
        n, d = rows.shape
        out = [level.empty(n) for level in levels]
        is_float = rows.dtype.kind == "f"
        n_threads = _threads.worth(n_threads, n * d * (1 + len(self.A)) // _PRODUCTS_A_STEP)
        center, shifts = self.center.astype(rows.dtype), self.shifts
        z_error, off = 16.0 * (d + self.frobenius) * _EPS, (d / 4.0 + len(self.A) + 32.0) * _EPS
        if is_float and len(self.A):
            gamma = (d + 4) * 2.0**-24 / (1.0 - (d + 4) * 2.0**-24)
            z_error = gamma * self.frobenius * (1.0 + 2.0**-20) + off
        wide_enough = max(d, 6 * len(shifts))

        def encode_block(block: slice, n_threads: int) -> None:
            some = rows[block]
            squares = np.empty(len(some))
            _kernels.sums_to_point(_bytes(some), _storage(some), _kernels.SUMS["sql2"], _bytes(center), squares, n_threads)
            with np.errstate(over="ignore"):  # infinite squares keep their rows
                squares *= self.data_scale**2
            if self.unit_rows:  # squares that have lost bits say nothing of a direction: like rows of zeros
                squares[squares < 2.0**-900 * max(1.0, self.data_scale**2)] = 0.0
            Z = np.empty((0, 1))
            if is_float and len(self.A):
                with np.errstate(over="ignore", invalid="ignore"):
                    wide = (np.asarray(some, dtype=np.float64) - self.center) * self.data_scale
                    Z = (wide.astype(np.float32) @ self.A.T).astype(np.float64)
            _encode.encode_l2(
                _bytes(some), _storage(some), self.columns, shifts, Z, squares, self.unit_rows, z_error, off, queries,
                [level.parameters for level in levels],
                [(codes.codes[block], codes.starts[block], codes.errors[block]) for codes in out],
                np.empty((n_threads, wide_enough)), n_threads,
            )  # fmt: skip

        if is_float and len(self.A):  # a block a thread: the BLAS and the conversions run on one thread each
            with _threads.one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(encode_block, _blocks(n, d), itertools.repeat(1)))
        else:
            for block in _blocks(n, d):
                encode_block(block, n_threads)
        for codes in out:
            codes.errors[~np.isfinite(codes.errors)] = np.inf
        return out


@dataclass(frozen=True)
class Coordinates:
    """L2: some coordinates of a basis, and the norm of what they leave of a row as one more.

    With s not below the norm of A, |A (x - y)|^2 + (r_x - r_y)^2 <= s^2 |x - y|^2 for r_x^2 = s^2 |x - c|^2 - |A (x - c)|^2.
    """

    basis: Basis
    first: int
    offsets: np.ndarray
    s: float
    step: float
    residual_offset: float  # NaN where the coordinates are all there is
    fine: bool = False
    kind: str = "l2"

    @property
    def n(self) -> int:
        """Coordinates, the residual norm included."""
        return len(self.offsets) + (not np.isnan(self.residual_offset))

    @property
    def width(self) -> int:
        return -(-2 * self.n // 64) * 64 if self.fine else _padded(self.n, "l2")

    @property
    def per_unit(self) -> float:
        one = 1.0 if self.basis.unit_rows else self.basis.data_scale
        return self.s * one / self.step * (1.0 + 4.0 * _EPS)

    @property
    def bound(self) -> str:
        if np.isnan(self.residual_offset):
            return "rounded features"
        return f"{self.n - 1} coordinates and the residual norm{', fine' if self.fine else ''}"

    @property
    def parameters(self) -> tuple[object, ...]:
        """As the compiled encoder takes them."""
        most = float(_FINE * 127) if self.fine else 127.0
        return (self.first, len(self.offsets), self.s, self.step, self.residual_offset, most, self.offsets)

    def empty(self, n: int) -> Codes:
        """Room for the codes of n rows."""
        return Codes(np.empty((n, self.width), dtype=np.uint8), np.empty(n, dtype=np.int32),
                     np.empty(n, dtype=np.float32), np.zeros(1, dtype=np.float32))  # fmt: skip

    def finer(self) -> Coordinates:
        """The same coordinates rounded to a sixteenth of the step."""
        return replace(self, step=self.step / _FINE, fine=True)


def _both(levels: Sequence[Level]) -> tuple[GroupSums, GroupSums]:
    """The coarse and the fine groups of byte rows; the fine alone make the coarse."""
    fine = levels[-1]
    assert isinstance(fine, GroupSums)
    lows = fine.offsets.reshape(-1, _GROUP_COARSE // _GROUP_FINE).sum(axis=1)
    return replace(fine, size=_GROUP_COARSE, offsets=lows, step=float(_GROUP_COARSE)), fine


def encode(levels: Sequence[Level], rows: np.ndarray, n_threads: int, *, queries: bool = False) -> list[Codes]:
    """The rows' codes at every level; levels of one basis share its projection."""
    if isinstance(levels[0], GroupSums):
        if rows.dtype.kind != "f":
            made = _encode_bytes(levels[0], rows, n_threads)
            return [made[level.size] for level in levels if isinstance(level, GroupSums)]
        return [level.encode(rows, n_threads) for level in levels if isinstance(level, GroupSums)]
    coordinates = [level for level in levels if isinstance(level, Coordinates)]
    done: dict[int, Codes] = {}
    for basis in {id(level.basis): level.basis for level in coordinates}.values():
        numbers = [i for i, level in enumerate(coordinates) if level.basis is basis]
        for i, codes in zip(
            numbers, basis.encode([coordinates[i] for i in numbers], rows, n_threads, queries), strict=True
        ):
            done[i] = codes
    return [done[i] for i in range(len(levels))]


def _packed(A: np.ndarray) -> np.ndarray:
    """Integer rows of A as the columns of cascade.h: (n_panels, steps x 64 x 4), zeros behind the last."""
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
    """For each count, that many directions of most variance, mixed by a random rotation; one after the other in A.

    Mixed, because every coordinate is rounded with the same step: unmixed, the first would make it coarse for all.
    """
    is_float = rows.dtype.kind == "f"
    center = np.zeros(rows.shape[1]) if unit_rows else sample.mean(axis=0).astype(rows.dtype if is_float else np.float64)
    center = center.astype(np.float64) if is_float else np.rint(center)
    learned = sample - center
    largest = float(np.sqrt((learned**2).sum(axis=1).max()))
    if not 1e-140 < largest < 1e140:
        return None
    data_scale = 2.0 ** -round(math.log2(largest)) if is_float else 1.0
    learned = (_unit(learned) if unit_rows else learned * data_scale).astype(np.float32)
    n, most = len(learned), max(counts)
    if rows.shape[1] <= n:  # the directions from the features' products
        d = rows.shape[1]
        _, V = scipy.linalg.eigh(learned.T @ learned, subset_by_index=[d - most, d - 1], check_finite=False)
        axes = np.ascontiguousarray(V.T[::-1], dtype=np.float32)
    else:  # from the rows'
        _, U = scipy.linalg.eigh(learned @ learned.T, subset_by_index=[n - most, n - 1], check_finite=False)
        axes = U.T[::-1].astype(np.float32) @ learned
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


def _projections(rows: np.ndarray, sample: np.ndarray, counts: list[int], unit_rows: bool) -> list[Coordinates]:
    """Levels of so many coordinates each, their steps chosen on the sample."""
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
            found.append(Coordinates(basis, first, offsets, s, step, float(left.mean())))
        first += count
    return found


def _features(rows: np.ndarray, sample: np.ndarray, unit_rows: bool) -> list[Coordinates]:
    """The features themselves, rounded: for floats, where a projection of few coordinates may leave too much."""
    if unit_rows:
        sample = _unit(sample)
    offsets = sample.mean(axis=0)
    step = _step(sample - offsets)
    if not 1e-290 < step < 1e290 or _padded(rows.shape[1], "l2") > _WIDEST:
        return []
    d = rows.shape[1]
    basis = Basis.of(np.empty((0, d)), rows.dtype, np.zeros(d), 1.0, unit_rows)
    # |x - center| bounds what rounding takes from x - offset: here the center is zero, and offsets count with it
    return [Coordinates(basis, 0, offsets, 1.0, step, math.nan)]


def l2_levels(rows: np.ndarray, unit_rows: bool) -> list[Level]:
    """Levels for L2 (and, of rows divided by their norms, for cosine), coarse to fine."""
    sample, d = sample_of(rows), rows.shape[1]
    is_float = rows.dtype.kind == "f"
    row_bytes = d * rows.dtype.itemsize
    room = (0.35 if rows.dtype in (np.uint8, np.float32, np.float64) else 0.6) * row_bytes - _TERMS
    if is_float:
        room -= _padded(d, "l2")
    counts: list[int] = []
    for widths in (_FLOAT_WIDTHS,) if is_float else _BYTE_WIDTHS:
        fitting = [width for width in widths if width <= min(room, d // 2, len(sample))]
        if fitting:
            counts.append(fitting[0] - 1)
            room -= fitting[0]
    found: list[Level] = []
    if counts and d <= _WIDEST_PROJECTED:
        projections = _projections(rows, sample, counts, unit_rows)
        found += projections
        if not is_float and projections and projections[-1].finer().width <= room:
            found.append(projections[-1].finer())
    if is_float:
        found += _features(rows, sample, unit_rows)
    return found
