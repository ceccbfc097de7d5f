"""Codes of rows: bytes whose differences bound the rows' distance from below, with certainty.

A *level* maps rows to codes. Its map never lengthens a distance: signed sums of disjoint groups of features under L1, an
orthogonal projection (and what it leaves) under L2, the features themselves under either. Coordinates are then rounded to
bytes, and each row keeps the exact size of what its rounding took. docs/filter.md proves the bounds; what stands here is
only which maps to choose, and no choice can make a bound false.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg

from . import _filter, _kernels

_SAMPLE = 640  # rows that maps are learned from: a basis of 64 from these keeps 0.99 of what one from all rows keeps
_BLOCK = 2048  # rows encoded at a time
_EPS = 2.0**-52
_GROUP_COARSE, _GROUP_FINE = 16, 4
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
    """

    @property
    def kind(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def per_unit(self) -> float: ...

    @property
    def bound(self) -> str: ...

    def encode(self, rows: np.ndarray, n_threads: int, *, queries: bool = False) -> Codes: ...


def _bytes(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows).view(np.uint8)


def _storage(rows: np.ndarray) -> int:
    return _kernels.TYPES[rows.dtype.name]


def _blocks(n: int) -> Iterator[slice]:
    for first in range(0, n, _BLOCK):
        yield slice(first, min(n, first + _BLOCK))


def sample_of(rows: np.ndarray) -> np.ndarray:
    """Evenly spaced rows as float64."""
    return np.asarray(rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE], dtype=np.float64)


def _padded(width: int, kind: str) -> int:
    step = _filter.STEP_BYTES[kind]
    return -(-width // step) * step


def in_panels(codes: Codes, kind: str, n_threads: int) -> Codes:
    """The same codes as the screen reads them."""
    panel_rows = _filter.PANEL_ROWS[kind]
    n, width = codes.codes.shape
    n_panels = -(-n // panel_rows)
    panels = np.empty((n_panels, panel_rows * width), dtype=np.uint8)
    _filter.to_panels(codes.codes, _filter.STEP_BYTES[kind], panel_rows, panels, n_threads)
    starts = np.zeros(n_panels * panel_rows, dtype=np.int32)
    starts[: len(codes.starts)] = codes.starts
    panel_errors = np.maximum.reduceat(codes.errors, np.arange(0, n, panel_rows))
    return Codes(panels, starts, codes.errors, panel_errors)


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
        _filter.group_sums(_bytes(rows), _storage(rows), self.order, self.signs, sums, magnitudes, scratch, n_threads)
        return sums, magnitudes

    def encode(self, rows: np.ndarray, n_threads: int, *, queries: bool = False) -> Codes:
        n = len(rows)
        codes, errors = np.empty((n, self.width), dtype=np.uint8), np.empty(n, dtype=np.float32)
        for block in _blocks(n):
            sums, magnitudes = self.sums(rows[block], n_threads)
            # sums of bytes are exact; of floats each of `size` additions rounds once, and so do offset and scale
            inexact = 0.0 if rows.dtype.kind != "f" else (self.size + 4) * _EPS
            z_errors = inexact * (magnitudes + np.abs(self.offsets).sum())
            _filter.encode_l1(sums, self.offsets, self.step, z_errors, codes[block], errors[block], n_threads)
        errors[~np.isfinite(errors)] = np.inf
        return Codes(codes, np.zeros(1, dtype=np.int32), errors, np.zeros(1, dtype=np.float32))


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
    order = np.full(n_groups * _GROUP_COARSE, -1, dtype=np.int64)
    order[:d] = np.arange(d)
    points = np.vstack([points, np.zeros((len(order) - d, dims), dtype=np.float32)])
    parts = order[None, :]
    at = np.arange(len(order))[None, :]
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
    del parts
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


def _kept(order: np.ndarray, signs: np.ndarray, differences: np.ndarray) -> float:
    """How much of the L1 distance of some pairs is left in the sums of groups of 16."""
    wide = np.where(order >= 0, differences[:, order] * signs, 0.0)
    sums = np.abs(wide.reshape(len(wide), -1, _GROUP_COARSE).sum(axis=2))
    return float(sums.sum() / max(np.abs(differences).sum(), 1e-300))


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
    near = sample[1:] - sample[:-1]
    found = [(order, np.ones(len(order))) for order in _pixel_orders(d)]
    found.append(_learned_order(sample))
    order, signs = max(found, key=lambda pair: _kept(pair[0], pair[1], near[:64]))
    levels: list[Level] = []
    least = float(np.iinfo(rows.dtype).min)
    for size in (_GROUP_COARSE, _GROUP_FINE):
        lows = np.where(order >= 0, np.where(signs > 0, least * signs, (least + 255.0) * signs), 0.0)
        levels.append(GroupSums(order, signs, size, lows.reshape(-1, size).sum(axis=1), float(size)))
    return [level for level in levels if level.width <= _WIDEST]


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


def _principal_axes(sample: np.ndarray, n_axes: int) -> np.ndarray:
    """Orthonormal rows, the directions of most variance first, mixed by a random rotation.

    Mixed, because every coordinate is rounded with the same step: unmixed, the first would make it coarse for all.
    """
    n = len(sample)
    single = sample.astype(np.float32)
    _, U = scipy.linalg.eigh(single @ single.T, subset_by_index=[n - n_axes, n - 1], check_finite=False)
    axes, _ = np.linalg.qr((U.T.astype(np.float32) @ single).T.astype(np.float64))
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((n_axes, n_axes)))
    return rotation @ axes.T


def _step(deviations: np.ndarray) -> float:
    """The step that costs least: a small one clips the far coordinates, a large one rounds the near ones."""
    best, best_cost = 0.0, np.inf
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
class Projection:
    """L2: coordinates z = A (x - center), and the norm of what they leave out as one more coordinate.

    With s not below the norm of A, |A (x - y)|^2 + (r_x - r_y)^2 <= s^2 |x - y|^2 for r_x^2 = s^2 |x - c|^2 - |A (x - c)|^2.
    Of bytes A is made of bytes too, and every z is exact.
    """

    A: np.ndarray  # (n_axes, n_features): integers of bytes, else singles
    columns: np.ndarray  # A packed for the integer kernel; empty for floats
    s: float
    center: np.ndarray
    data_scale: float  # a power of two that rows of floats are multiplied by
    unit_rows: bool  # rows are divided by their norms first: the chord of a cosine
    offsets: np.ndarray
    step: float
    residual_offset: float
    kind: str = "l2"

    @property
    def width(self) -> int:
        return _padded(len(self.A) + 1, "l2")

    @property
    def per_unit(self) -> float:
        one = 1.0 if self.unit_rows else self.data_scale  # a chord is that of rows of length 1, whatever they were
        return self.s * one / self.step * (1.0 + 4.0 * _EPS)

    @property
    def bound(self) -> str:
        return f"{len(self.A)} coordinates and the residual norm"

    def coordinates(self, rows: np.ndarray, n_threads: int) -> tuple[np.ndarray, ...]:
        """(Z, scales, z_errors, residuals): coordinates before the scales, and between what the residual norms lie."""
        n = len(rows)
        if rows.dtype.kind != "f":
            Z = np.zeros((n, self.columns.shape[0] * _filter.PROJECT_COLUMNS))
            _filter.project(_bytes(rows), _storage(rows), self.columns, Z, n_threads)
            if rows.dtype == np.int8:
                Z[:, : len(self.A)] -= 128.0 * self.A.sum(axis=1)
            errors = np.zeros(n)
        else:
            wide = (np.asarray(rows, dtype=np.float64) - self.center) * self.data_scale
            with np.errstate(over="ignore", invalid="ignore"):
                Z = (wide.astype(np.float32) @ self.A.T).astype(np.float64)
            # packing and the dot products round in singles: Higham's bound for any order of summation, and Cauchy-Schwarz
            d = rows.shape[1]
            gamma = (d + 4) * 2.0**-24 / (1.0 - (d + 4) * 2.0**-24)
            errors = gamma * float(np.linalg.norm(self.A)) * np.ones(n)
        return self._finish(rows, Z, errors, n_threads)

    def _finish(self, rows: np.ndarray, Z: np.ndarray, errors: np.ndarray, n_threads: int) -> tuple[np.ndarray, ...]:
        n, m = len(rows), len(self.A)
        point = self.center.astype(rows.dtype)
        squares = np.empty(n)
        _kernels.sums_to_point(_bytes(rows), _storage(rows), _kernels.SUMS["sql2"], _bytes(point), squares, n_threads)
        squares *= self.data_scale**2
        if rows.dtype.kind != "f":
            Z[:, :m] -= self.A @ self.center
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            lengths = np.sqrt(squares)
            scales = 1.0 / lengths if self.unit_rows else np.ones(n)
            errors = (errors * lengths + 2.0**-100 + 4.0 * m * _EPS * self.s * lengths) * scales
            # |z|^2 is off by at most 2 |z| error + error^2, every float64 step by a few eps of s^2 |x|^2
            used = np.einsum("ij,ij->i", Z[:, :m], Z[:, :m]) * scales**2
            whole = self.s**2 * squares * scales**2
            off = (rows.shape[1] / 4 + m + 16) * _EPS * whole + 2.0 * np.sqrt(used) * errors + errors**2
            left = whole - used
            residuals = np.sqrt(np.maximum(np.stack([left - off, left + off], axis=1), 0.0))
        return Z, scales, errors, residuals

    def encode(self, rows: np.ndarray, n_threads: int, *, queries: bool = False) -> Codes:
        n = len(rows)
        out = Codes(np.empty((n, self.width), dtype=np.uint8), np.empty(n, dtype=np.int32), np.empty(n, dtype=np.float32),
                    np.zeros(1, dtype=np.float32))  # fmt: skip
        for block in _blocks(n):
            Z, scales, errors, residuals = self.coordinates(rows[block], n_threads)
            _filter.encode_l2(Z, scales, self.offsets, self.step, errors, residuals, self.residual_offset, queries,
                              out.codes[block], out.starts[block], out.errors[block], n_threads)  # fmt: skip
        out.errors[~np.isfinite(out.errors)] = np.inf
        return out


@dataclass(frozen=True)
class Features:
    """L2: the features themselves, rounded; for floats, where no projection may be short enough."""

    offsets: np.ndarray
    step: float
    unit_rows: bool
    kind: str = "l2"

    @property
    def width(self) -> int:
        return _padded(len(self.offsets) + 1, "l2")

    @property
    def per_unit(self) -> float:
        return 1.0 / self.step * (1.0 + 4.0 * _EPS)

    @property
    def bound(self) -> str:
        return "rounded features"

    def encode(self, rows: np.ndarray, n_threads: int, *, queries: bool = False) -> Codes:
        n, d = rows.shape
        out = Codes(np.empty((n, self.width), dtype=np.uint8), np.empty(n, dtype=np.int32), np.empty(n, dtype=np.float32),
                    np.zeros(1, dtype=np.float32))  # fmt: skip
        scratch = np.empty((n_threads, d))
        lengths = np.empty(n)
        zero = np.zeros(d, dtype=rows.dtype)
        _kernels.sums_to_point(_bytes(rows), _storage(rows), _kernels.SUMS["sql2"], _bytes(zero), lengths, n_threads)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            np.sqrt(lengths, out=lengths)
            scales = 1.0 / lengths if self.unit_rows else np.ones(n)
            errors = 8.0 * d * _EPS * (lengths * scales + float(np.linalg.norm(self.offsets)))
        _filter.encode_l2_rows(_bytes(rows), _storage(rows), scales, self.offsets, self.step, errors, queries, out.codes,
                               out.starts, out.errors, scratch, n_threads)  # fmt: skip
        out.errors[~np.isfinite(out.errors)] = np.inf
        return out


def _packed(A: np.ndarray) -> np.ndarray:
    """Integer rows of A as the columns of cascade.h: (n_panels, steps x 64 x 4), zeros behind the last."""
    m, d = A.shape
    n_panels, n_steps = -(-m // 64), -(-d // 4)
    wide = np.zeros((n_panels * 64, n_steps * 4), dtype=np.int8)
    wide[:m, :d] = A
    panels = wide.reshape(n_panels, 64, n_steps, 4).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels).reshape(n_panels, -1).view(np.uint8)


def _projection(rows: np.ndarray, sample: np.ndarray, n_axes: int, unit_rows: bool, n_threads: int) -> Projection | None:
    """A projection learned from the sample."""
    is_float = rows.dtype.kind == "f"
    center = np.zeros(rows.shape[1]) if unit_rows else sample.mean(axis=0).astype(rows.dtype if is_float else np.float64)
    center = center.astype(np.float64) if is_float else np.rint(center)
    learned = sample - center
    largest = float(np.sqrt((learned**2).sum(axis=1).max()))
    if not 1e-140 < largest < 1e140:
        return None
    data_scale = 2.0 ** -round(math.log2(largest)) if is_float else 1.0
    if unit_rows:
        lengths = np.linalg.norm(learned, axis=1, keepdims=True)
        learned = learned / np.where(lengths > 0, lengths, 1.0)
    axes = _principal_axes(learned * data_scale, n_axes)
    if not np.isfinite(axes).all():
        return None
    if is_float:
        A = axes.astype(np.float32)
        columns = np.empty((0, 0), dtype=np.uint8)
    else:
        A = np.rint(axes * (127.0 / np.abs(axes).max()))
        columns = _packed(A)
    s = certified_norm(A.astype(np.float64))
    first = Projection(A, columns, s, center, data_scale, unit_rows, np.zeros(n_axes), 1.0, 0.0)
    Z, scales, _, residuals = first.coordinates(rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE].copy(), n_threads)
    Z = Z[:, :n_axes] * scales[:, None]
    good = np.isfinite(Z).all(axis=1)
    if not good.any():
        return None
    offsets, left = Z[good].mean(axis=0), residuals[good].mean(axis=1)
    step = _step(np.column_stack([Z[good] - offsets, left - left.mean()]))
    if step == 0.0:
        return None
    return Projection(A, columns, s, center, data_scale, unit_rows, offsets, step, float(left.mean()))


def _features(rows: np.ndarray, sample: np.ndarray, unit_rows: bool) -> Features | None:
    if unit_rows:
        lengths = np.linalg.norm(sample, axis=1, keepdims=True)
        sample = sample / np.where(lengths > 0, lengths, 1.0)
    offsets = sample.mean(axis=0)
    step = _step(sample - offsets)
    if not 1e-290 < step < 1e290 or _padded(rows.shape[1] + 1, "l2") > _WIDEST:
        return None
    return Features(offsets, step, unit_rows)


def l2_levels(rows: np.ndarray, unit_rows: bool, n_threads: int) -> list[Level]:
    """Levels for L2 (and, of rows divided by their norms, for cosine), coarse to fine."""
    sample, d = sample_of(rows), rows.shape[1]
    is_float = rows.dtype.kind == "f"
    found: list[Projection | Features | None] = []
    wanted = [128] if is_float else [64, 256]
    for width in wanted:
        n_axes = width - 1
        if n_axes <= d // 2 and n_axes < len(sample):
            found.append(_projection(rows, sample, n_axes, unit_rows, n_threads))
    if is_float:
        found.append(_features(rows, sample, unit_rows))
    return [level for level in found if level is not None]
