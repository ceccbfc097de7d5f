"""A filter as plain arrays and numbers, for files and pickles, and back.

Files are untrusted. Everything is checked here before a compiled loop sees it. Levels need not be trusted. Any map that
passes these checks gives valid bounds, because the premises of the proof are computed or proved again: the norm of a
projection by a Cholesky factorisation, the features of L1 segments by counting them. Codes are different. They are bounds
only if they were made from these rows, so `check_codes` encodes a sample of rows again, and a file has a checksum of all
codes. Any bytes are *safe* as codes; numbers that could overflow in a loop are checked against their ranges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcls._search.rows import Rows
from fastcls._search.run import Stored
from fastcls._validation.types import is_floating, name_of, narrowed, widened
from fastcls.metrics import Metric

from . import encode_loops
from . import levels as _levels
from .codes import WIDEST, Codes, Level, padded_terms, promised_share
from .levels_l1 import SegmentSums, byte_levels, plain_level
from .levels_l2 import MOST_FINE, WIDEST_PROJECTED, Basis, PcaProjection, is_above_norm

_MOST_LEVELS = 4  # that the compiled loops take
_SAMPLED, _ENCODED_AT_ONCE = 256, 8_192  # rows that are encoded again
_MOST_PROJECTIONS = 512  # more than are ever learned
# largest entry of a float projection (its rows have length 1); larger entries would invalidate the underflow bound
_LARGEST_A = 2.0
_STEPS = (1e-290, 1e290)  # range of steps and norms
_LARGEST_SCALE = 470  # largest exponent (either sign) of data_scale


def stored_levels(learned: Sequence[Level], chosen: Sequence[Level]) -> Stored:
    """The plain form of all learned levels, and the numbers of the chosen ones."""
    values: dict[str, Any] = {"chosen": [next(i for i, one in enumerate(learned) if one is level) for level in chosen]}
    arrays: dict[str, Any] = {}
    store = _store_l1 if isinstance(learned[0], SegmentSums) else _store_l2
    store(learned, arrays, values)
    return arrays, values


def stored_codes(levels: Sequence[Level], chunks: Sequence[Sequence[Codes]]) -> Stored:
    """The plain form of the codes of all chunks."""
    if not chunks:
        return {}, {}
    sizes = [int((of_levels[0].errors > -np.inf).sum()) for of_levels in chunks]
    arrays: dict[str, Any] = {}
    for number, level in enumerate(levels):
        of_chunks = [chunk[number] for chunk in chunks]
        arrays[f"codes_{number}"] = [np.asarray(c.codes).view(np.int16 if level.fine else np.uint8) for c in of_chunks]
        arrays[f"errors_{number}"] = [c.errors[:size] for c, size in zip(of_chunks, sizes, strict=True)]
        if _has_starts(level):
            arrays[f"starts_{number}"] = [c.starts[:size] for c, size in zip(of_chunks, sizes, strict=True)]
    return arrays, {"panel_rows": encode_loops.PANEL_ROWS[levels[0].kind], "chunks": sizes}


def without_codes(of: Stored) -> Stored:
    """The same levels without codes, which are then made when they are needed."""
    arrays = {name: array for name, array in of[0].items() if name.partition("_")[0] not in ("codes", "errors", "starts")}
    return arrays, {name: value for name, value in of[1].items() if name not in ("chunks", "panel_rows")}


def keeps_its_share(of: Stored, rows: Rows) -> bool:
    """Whether the codes take no more than the documented share of the rows' bytes."""
    size = sum(part.nbytes for name, parts in of[0].items() if isinstance(parts, list) for part in parts)
    return size <= promised_share(rows.dtype) * rows.n_features * rows.dtype.itemsize * rows.n_rows


def chunk_sizes(values: Mapping[str, Any], n_rows: int) -> list[int]:
    """Number of rows of each chunk with stored codes; a single chunk if no codes were stored.

    Raises
    ------
    ValueError
        If the sizes are not positive integers that add up to `n_rows`.
    """
    sizes = values.get("chunks", [n_rows])
    if not isinstance(sizes, list) or not all(type(size) is int and size > 0 for size in sizes) or sum(sizes) != n_rows:
        raise ValueError(f"chunk sizes do not add up to {n_rows} rows")
    return sizes


def restored_levels(of: Stored, rows: Rows, metric: Metric) -> tuple[list[Level], list[Level]]:
    """All learned levels, and the chosen ones, from their plain form.

    Raises
    ------
    KeyError, TypeError, ValueError, OverflowError
        For anything that `stored_levels` does not write.
    """
    arrays, values = of
    restore = _restored_l1 if metric.bounds == "l1" else _restored_l2
    if metric.bounds is None:
        raise ValueError("a filter for a metric without bounds")
    learned = restore(arrays, values, rows, metric)
    chosen = values["chosen"]
    if not isinstance(chosen, list) or not chosen or not all(type(i) is int and 0 <= i < len(learned) for i in chosen):
        raise ValueError("chosen level numbers out of range")
    if len(set(chosen)) < len(chosen) or learned[chosen[0]].fine:
        raise ValueError("chosen levels repeat, or start with a 16-bit level")
    return learned, [learned[i] for i in chosen]


# L1 -------------------------------------------------------------------------------------------------------------------


def _store_l1(levels: Sequence[Any], arrays: dict[str, Any], values: dict[str, Any]) -> None:
    first = levels[0]
    if first.size == 1:  # floats
        arrays["offsets"], values["step"] = first.offsets, first.step
    else:
        arrays["order"], arrays["signs"] = first.order, first.signs.astype(np.int8)


def _restored_l1(arrays: Mapping[str, Any], values: Mapping[str, Any], rows: Rows, metric: Metric) -> list[Level]:
    d = rows.n_features
    if is_floating(rows.dtype):
        level = plain_level(_array(arrays, "offsets", "float64", (d,)), finite_number(values["step"], *_STEPS))
        found: list[Level] = [level]
    else:
        order, signs = _array(arrays, "order", "int32", (None,)), _array(arrays, "signs", "int8", (None,))
        order = order.copy()  # compiled loops index by it: what was checked must not change with the file
        if len(order) % 16 or len(order) > 16 * (d + 15) or len(signs) != len(order) or not (np.abs(signs) == 1).all():
            raise ValueError("invalid segments: length or signs")
        used = order[order >= 0]
        if order.min() < -1 or order.max() >= d or len(np.unique(used)) < len(used):
            raise ValueError("invalid segments: a feature is repeated or out of range")
        found = byte_levels(order, signs.astype(np.float64), rows.dtype)
    if any(level.width > WIDEST for level in found):
        raise ValueError("codes too wide")
    return found


# L2 -------------------------------------------------------------------------------------------------------------------


def _store_l2(levels: Sequence[Any], arrays: dict[str, Any], values: dict[str, Any]) -> None:
    bases = list({id(level.basis): level.basis for level in levels}.values())
    for number, basis in enumerate(bases):
        arrays[f"center_{number}"] = basis.center
        if len(basis.A):
            arrays[f"A_{number}"] = basis.A if basis.A.dtype == np.float32 else basis.A.astype(np.int8)
    values["scales"] = [basis.data_scale for basis in bases]
    values["levels"] = [
        {
            "basis": next(i for i, basis in enumerate(bases) if basis is level.basis),
            "first": level.first,
            "n": len(level.offsets),
            "s": level.s,
            "step": level.step,
            "residual_offset": None if math.isnan(level.residual_offset) else level.residual_offset,
            "fine": level.fine,
        }
        for level in levels
    ]
    arrays["offsets"] = np.concatenate([level.offsets for level in levels])


def _restored_l2(arrays: Mapping[str, Any], values: Mapping[str, Any], rows: Rows, metric: Metric) -> list[Level]:
    scales, described = values["scales"], values["levels"]
    if not isinstance(scales, list) or not isinstance(described, list) or not 1 <= len(described) <= _MOST_LEVELS:
        raise ValueError(f"levels must be a list of 1 to {_MOST_LEVELS}")
    bases = [_basis(arrays, number, scale, rows, metric) for number, scale in enumerate(scales[:_MOST_LEVELS])]
    certified: set[tuple[int, int, int, float]] = set()
    offsets, at = _array(arrays, "offsets", "float64", (None,)), 0
    found: list[Level] = []
    for entry in described:
        number, n = whole_number(entry["basis"], 0, len(bases) - 1), whole_number(entry["n"], 1, WIDEST)
        level = _projection(entry, bases[number], offsets[at : at + n], n)
        part = (number, level.first, n, level.s)
        if len(level.basis.A) and part not in certified and not is_above_norm(level.basis.A[level.first :][:n], level.s):
            raise ValueError("a projection norm above the stored bound")
        certified.add(part)
        found.append(level)
        at += n
    return found


def _basis(arrays: Mapping[str, Any], number: int, scale: Any, rows: Rows, metric: Metric) -> Basis:
    d, dtype, unit_rows = rows.n_features, rows.dtype, metric.bounds == "cosine"
    is_float, projects = is_floating(dtype), f"A_{number}" in arrays
    center = _array(arrays, f"center_{number}", "float64", (d,))
    scale = finite_number(scale, 2.0**-_LARGEST_SCALE, 2.0**_LARGEST_SCALE)
    if math.frexp(scale)[0] != 0.5 or (scale != 1.0 and not (is_float and projects)):
        raise ValueError("a scale is not a power of two, or must be 1")
    with np.errstate(all="ignore"):
        exact = (widened(narrowed(center, dtype), np.float64) == center).all()
    if not exact or ((unit_rows or not projects) and center.any()):
        raise ValueError(f"a center is not representable in {name_of(dtype)}, or must be zero")
    if not projects:
        return Basis.of(np.empty((0, d)), dtype, center, 1.0, unit_rows)
    A = _array(arrays, f"A_{number}", "float32" if is_float else "int8", (None, d))
    if len(A) > min(d, _MOST_PROJECTIONS) or d > WIDEST_PROJECTED:
        raise ValueError("more projections than are ever learned")
    if np.abs(A).max() > _LARGEST_A if is_float else A.min() < -127:
        raise ValueError("a projection has entries out of range")
    return Basis.of(A if is_float else A.astype(np.float64), dtype, center, scale, unit_rows)


def _projection(entry: Mapping[str, Any], basis: Basis, offsets: np.ndarray, n: int) -> PcaProjection:
    projects, d = len(basis.A) > 0, len(basis.center)
    first, s = whole_number(entry["first"], 0, WIDEST), finite_number(entry["s"], *_STEPS)
    residual, fine = entry["residual_offset"], entry["fine"]
    if type(fine) is not bool or len(offsets) != n or first + n > (len(basis.A) if projects else d):
        raise ValueError("projection numbers out of range")
    if not projects and (first, n, s, residual) != (0, d, 1.0, None):
        raise ValueError("a level of rounded features must cover all features")
    residual = math.nan if residual is None else finite_number(residual, -1e290, 1e290)
    level = PcaProjection(basis, first, offsets, s, finite_number(entry["step"], *_STEPS), residual, fine)
    if level.width > WIDEST or not 0.0 < level.per_unit < math.inf:
        raise ValueError("codes too wide, or with an invalid scale")
    return level


# codes ----------------------------------------------------------------------------------------------------------------


def _has_starts(level: Level) -> bool:
    return level.kind == "l2" and not level.fine


def restored_codes(of: Stored, levels: list[Level], rows: Rows) -> list[list[Codes]]:
    """The codes of every chunk from their plain form; none if they were not stored, or in another layout.

    Raises
    ------
    KeyError, TypeError, ValueError
        For anything that `stored_codes` does not write for these rows.
    """
    arrays, values = of
    panel_rows = encode_loops.PANEL_ROWS[levels[0].kind]
    if "chunks" not in values or values["panel_rows"] != panel_rows:
        return []
    sizes = chunk_sizes(values, rows.n_rows)
    if [len(chunk) for chunk in rows.chunks] != sizes:
        raise ValueError("chunk sizes of codes and rows differ")
    chunks: list[list[Codes]] = [[] for _ in sizes]
    panels = [-(-size // panel_rows) for size in sizes]
    for number, level in enumerate(levels):
        heights, width = (panels, level.width * panel_rows) if number == 0 else (sizes, level.width)
        dtype, width = ("int16", width // 2) if level.fine else ("uint8", width)
        codes = _parts(arrays, f"codes_{number}", dtype, heights, (width,))
        if level.fine and not all(part.min() >= -MOST_FINE and part.max() <= MOST_FINE for part in codes):
            raise ValueError("16-bit codes out of range")  # their differences could overflow
        errors = [part.copy() for part in _parts(arrays, f"errors_{number}", "float32", sizes, ())]
        if not all((part >= 0.0).all() for part in errors):  # NaN fails; infinity passes: such a row is never ruled out
            raise ValueError("rounding errors negative or NaN")
        starts = [np.zeros(1, dtype=np.int32)] * len(sizes)
        if _has_starts(level):
            starts = [part.copy() for part in _parts(arrays, f"starts_{number}", "int32", sizes, ())]
            most = 128 * 127 * level.width
            if not all(-most - 127 * 127 * level.width // 2 - 1 <= part.min() and part.max() <= most for part in starts):
                raise ValueError("stored code norms out of range")
        for chunk, c, s, e in zip(chunks, codes, starts, errors, strict=True):
            made = Codes(c.view(np.uint8), s, e, np.zeros(1, dtype=np.float32))
            chunk.append(padded_terms(made, len(e), level.kind) if number == 0 else made)
    return chunks


def _parts(arrays: Mapping[str, Any], name: str, dtype: str, heights: list[int], rest: tuple[int, ...]) -> list[np.ndarray]:
    """An array in parts with these numbers of rows, whether it was stored in parts or whole."""
    given = arrays[name]
    if not isinstance(given, list):
        ends = np.cumsum(heights)
        given = [_array(arrays, name, dtype, (int(ends[-1]), *rest))[e - h : e] for e, h in zip(ends, heights, strict=True)]
    if len(given) != len(heights):
        raise ValueError(f"array {name} has {len(given)} parts, expected {len(heights)}")
    return [_array({name: part}, name, dtype, (height, *rest)) for part, height in zip(given, heights, strict=True)]


def check_codes(levels: Sequence[Level], chunks: Sequence[list[Codes]], rows: Rows, n_threads: int, *, every: bool) -> None:
    """Compare stored codes with codes made now: of `every` row, or of a random sample that no file can predict.

    Raises
    ------
    ValueError
        For codes that were made from other rows.
    """
    drawn = None if every else np.random.default_rng().choice(rows.n_rows, min(rows.n_rows, _SAMPLED), replace=False)
    for (_, start, X), chunk in zip(rows.with_starts(), chunks, strict=False):
        at = np.arange(len(X)) if drawn is None else np.sort(drawn[(drawn >= start) & (drawn < start + len(X))]) - start
        for block in np.array_split(at, -(-len(at) // _ENCODED_AT_ONCE)) if len(at) else ():
            _check_some(levels, chunk, X, block, n_threads)


def _check_some(levels: Sequence[Level], chunk: list[Codes], X: np.ndarray, at: np.ndarray, n_threads: int) -> None:
    for number, (level, now) in enumerate(zip(levels, _levels.encode(levels, X[at], n_threads), strict=True)):
        then, typed = chunk[number], _type_of(level)
        codes = _from_panels(then.codes, level, at) if number == 0 else then.codes[at]
        gaps = np.abs(codes.view(typed).astype(np.int32) - now.codes.view(typed))
        # the BLAS of another machine may round a projection of floats to the next code
        fits = (gaps <= is_floating(X.dtype)).all() and np.allclose(then.errors[at], now.errors, rtol=1e-3)
        if fits and _has_starts(level):
            wide = codes.view(np.int8).astype(np.int32)
            fits = np.array_equal(then.starts[at], -((wide**2).sum(axis=1) >> 1) - 128 * wide.sum(axis=1))
        if not fits:
            raise ValueError("codes do not match the rows")


def _type_of(level: Level) -> type[np.generic]:
    return np.uint8 if level.kind == "l1" else np.int16 if level.fine else np.int8


def _from_panels(panels: np.ndarray, level: Level, at: np.ndarray) -> np.ndarray:
    """Codes (n_rows, width) of some rows."""
    panel_rows, step = encode_loops.PANEL_ROWS[level.kind], encode_loops.STEP_BYTES[level.kind]
    steps = panels.reshape(len(panels), -1, panel_rows, step)
    return np.ascontiguousarray(steps[at // panel_rows, :, at % panel_rows]).reshape(len(at), -1)


# checks ---------------------------------------------------------------------------------------------------------------


def _array(arrays: Mapping[str, Any], name: str, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """The array of this name, if its type and shape match (None: any length but 0) and all its numbers are finite."""
    array = arrays[name]
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype) or array.ndim != len(shape):
        raise ValueError(f"array {name} has the wrong type")
    if not all(size == wanted if wanted is not None else size > 0 for size, wanted in zip(array.shape, shape, strict=True)):
        raise ValueError(f"array {name} has shape {array.shape}, expected {shape}")
    if array.dtype.kind == "f" and not name.startswith("errors") and not np.isfinite(array).all():
        raise ValueError(f"array {name} contains NaN or infinity")
    return np.ascontiguousarray(array)


def finite_number(value: Any, low: float, high: float) -> float:
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError("not a number, or out of range")
    return float(value)


def whole_number(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError("not an integer, or out of range")
    return value
