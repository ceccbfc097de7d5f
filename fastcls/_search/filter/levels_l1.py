"""Levels under L1: signed sums over disjoint segments of features that vary together."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastcls._runtime import threads
from fastcls._sampling.evenly import spaced
from fastcls._validation.rows import as_bytes, storage_of
from fastcls._validation.types import is_floating

from . import encode_loops
from .codes import EPS, SAMPLE, WIDEST, Codes, Level, blocks, leading_eigenvectors, padded, sample_of

SEGMENT_COARSE, SEGMENT_FINE = 16, 4  # features per sum


@dataclass(frozen=True, eq=False)
class SegmentSums:
    """L1: a signed sum over each segment of features.

    |sum over a segment of s (x - y)|, with signs s, never exceeds the segment's sum of |x - y|.
    """

    order: np.ndarray  # (n_segments x size,) int32, the features of each segment; -1 for none
    signs: np.ndarray
    size: int
    offsets: np.ndarray
    step: float
    kind: str = "l1"
    fine: bool = False

    @property
    def n_segments(self) -> int:
        return len(self.order) // self.size

    @property
    def width(self) -> int:
        return padded(self.n_segments, "l1")

    @property
    def per_unit(self) -> float:
        return 1.0 / self.step

    @property
    def bound(self) -> str:
        return f"segment sums of {self.size} features" if self.size > 1 else "rounded features"

    def sums(self, rows: np.ndarray, n_threads: int) -> tuple[np.ndarray, np.ndarray]:
        """(sums, sum of |x|) of rows: float64 (n_rows, n_segments), (n_rows,)."""
        sums, magnitudes = np.empty((len(rows), self.n_segments)), np.empty(len(rows))
        scratch = np.empty((n_threads, rows.shape[1]))
        maps = self.order, self.signs
        encode_loops.segment_sums(as_bytes(rows), storage_of(rows), *maps, sums, magnitudes, scratch, n_threads)
        return sums, magnitudes

    @functools.cached_property
    def of_bytes(self) -> tuple[SegmentSums, SegmentSums, np.ndarray, np.ndarray, np.ndarray]:
        """Coarse and fine sums, and the order, masks and keeps of `encode_byte_segments`; computed once, not per query."""
        masks, keeps = np.where(self.signs > 0, 0, 0xFF), np.where(self.order >= 0, 0xFF, 0)
        return (
            replace(self, size=SEGMENT_COARSE),
            replace(self, size=SEGMENT_FINE),
            np.maximum(self.order, 0),
            masks.astype(np.uint8),
            keeps.astype(np.uint8),
        )

    def empty(self, n: int) -> Codes:
        """Empty arrays for the codes of n rows."""
        none = np.zeros(1, dtype=np.int32)
        return Codes(np.empty((n, self.width), dtype=np.uint8), none, np.empty(n, dtype=np.float32), none.astype(np.float32))

    def encode(self, rows: np.ndarray, n_threads: int) -> Codes:
        """Codes of rows of floats."""
        out = self.empty(len(rows))
        for block in blocks(*rows.shape):
            sums, magnitudes = self.sums(rows[block], n_threads)
            # each of `size` additions rounds once, and so do the offset and the scale
            z_errors = (self.size + 4) * EPS * (magnitudes + np.abs(self.offsets).sum())
            encode_loops.encode_l1(sums, self.offsets, self.step, z_errors, out.codes[block], out.errors[block], n_threads)
        out.errors[~np.isfinite(out.errors)] = np.inf
        return out


def _encode_bytes(segments: SegmentSums, rows: np.ndarray, n_threads: int) -> dict[int, Codes]:
    """Codes of byte rows for both segment sizes; the coarse sums are sums of the fine ones."""
    coarse, fine, order, masks, keeps = segments.of_bytes
    out = [coarse.empty(len(rows)), fine.empty(len(rows))]
    if rows.dtype == np.int8:
        masks = masks ^ np.uint8(0x80)
    n_threads = threads.limit_by_work(n_threads, rows.size)
    scratch = np.empty((n_threads, 2 * fine.n_segments), dtype=np.int32)
    encode_loops.encode_byte_segments(
        as_bytes(rows), order, masks, keeps, out[0].codes, out[0].errors, out[1].codes, out[1].errors, scratch, n_threads
    )
    return {SEGMENT_COARSE: out[0], SEGMENT_FINE: out[1]}


def _smooth(n: int) -> int:
    """The smallest number >= n whose prime factors are all at most 7."""
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
    """An order of the features in which neighbours vary together: (order, signs), in whole segments of 16, each four of 4.

    Each feature is a point: its values on the sample, reduced to 48 dimensions. All features are split into equal sets along
    the direction in which they differ most, and these sets are split again, down to segments.
    """
    d = sample.shape[1]
    centered = (sample - sample.mean(axis=0)).astype(np.float32)
    U = leading_eigenvectors(centered @ centered.T, 48)
    points = centered.T @ U.astype(np.float32)
    flipped = points @ points.mean(axis=0) < 0  # features that vary in the opposite direction get a minus
    points[flipped] *= -1
    n_segments = _smooth(-(-d // SEGMENT_COARSE))
    n_places = n_segments * SEGMENT_COARSE  # if the features do not fill the segments, the rest stays empty
    points = np.vstack([points, np.zeros((n_places - d, points.shape[1]), dtype=np.float32)])
    at = np.arange(n_places)[None, :]
    for ways in (*_factors(n_segments), 2, 2):
        here = points[at]  # (parts, features, dims)
        here = here - here.mean(axis=1, keepdims=True)
        squared_norms = np.einsum("pfd,pfd->pf", here, here)
        axis = here[np.arange(len(here)), squared_norms.argmax(axis=1)]
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
    """Orders by blocks of 4 x 4 pixels, if the rows may be square images of one or three channels."""
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
    """Differences of some sampled rows and the row nearest to each (by L2, which is cheap to compute)."""
    single = sample.astype(np.float32)
    some = single[::10]
    squares = np.einsum("ij,ij->i", single, single)
    S = squares - 2.0 * (some @ single.T)
    S[np.arange(len(some)), np.arange(0, len(single), 10)] = np.inf
    return some - single[S.argmin(axis=1)]


def _kept(order: np.ndarray, signs: np.ndarray, differences: np.ndarray) -> float:
    """The share of the L1 distance of these pairs that the segment sums keep, coarse plus fine."""
    wide = np.where(order >= 0, differences[:, order] * signs, 0.0)
    coarse, fine = (np.abs(wide.reshape(len(wide), -1, n).sum(axis=2)).sum() for n in (SEGMENT_COARSE, SEGMENT_FINE))
    return float(coarse + fine) / max(float(np.abs(differences).sum()), 1e-300)


def l1_levels(rows: np.ndarray) -> list[Level]:
    """Levels for L1, coarse to fine."""
    sample, d = sample_of(rows), rows.shape[1]
    if is_floating(rows.dtype):
        quantiles = np.quantile(sample, [0.0005, 0.9995], axis=0)
        step = float((quantiles[1] - quantiles[0]).max()) / 255.0
        if not 1e-290 < step < 1e290 or padded(d, "l1") > WIDEST:
            return []
        return [plain_level(quantiles[0], step)]
    sample = spaced(sample, SAMPLE)[:SAMPLE]
    near = _near_differences(sample)
    found = [(order, np.ones(len(order))) for order in _pixel_orders(d)]
    found.append(_learned_order(sample))
    order, signs = max(found, key=lambda pair: _kept(pair[0], pair[1], near))
    made = byte_levels(order, signs, rows.dtype)
    return made if made[-1].width <= WIDEST else []


def plain_level(offsets: np.ndarray, step: float) -> Level:
    """The features of floats themselves, rounded."""
    d = len(offsets)
    return SegmentSums(np.arange(d, dtype=np.int32), np.ones(d), 1, offsets, step)


def byte_levels(order: np.ndarray, signs: np.ndarray, dtype: np.dtype) -> list[Level]:
    """The levels of byte rows with features in this order, each at most once, and these signs."""
    least = float(np.iinfo(dtype).min)
    lows = np.where(order >= 0, np.where(signs > 0, least, -(least + 255.0)), 0.0)
    fine = SegmentSums(order, signs, SEGMENT_FINE, lows.reshape(-1, SEGMENT_FINE).sum(axis=1), float(SEGMENT_FINE))
    coarse, _ = _both([fine])
    return [coarse, fine]


def _both(levels: Sequence[Level]) -> tuple[SegmentSums, SegmentSums]:
    """The coarse and fine levels of byte rows; the fine level determines the coarse one."""
    fine = levels[-1]
    assert isinstance(fine, SegmentSums)
    lows = fine.offsets.reshape(-1, SEGMENT_COARSE // SEGMENT_FINE).sum(axis=1)
    return replace(fine, size=SEGMENT_COARSE, offsets=lows, step=float(SEGMENT_COARSE)), fine


def encode(levels: Sequence[Level], rows: np.ndarray, n_threads: int) -> list[Codes]:
    """Codes of the rows at every level."""
    segments = [level for level in levels if isinstance(level, SegmentSums)]
    if not is_floating(rows.dtype):
        made = _encode_bytes(segments[0], rows, n_threads)
        return [made[level.size] for level in segments]
    return [level.encode(rows, n_threads) for level in segments]
