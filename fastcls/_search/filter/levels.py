"""The levels for a metric, and the codes of rows at all levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastcls.metrics import Metric

from . import encode_loops, levels_l1, levels_l2
from .codes import Codes, Level, in_panels, rows_in_whole_blocks


def learned(rows: np.ndarray, metric: Metric) -> list[Level]:
    """Levels for these rows, coarse to fine; `filter.py` chooses which of them a search uses."""
    if metric.bounds == "l1":
        return levels_l1.l1_levels(rows)
    return levels_l2.l2_levels(rows, metric.bounds == "cosine")


def encode(levels: Sequence[Level], rows: np.ndarray, n_threads: int, *, queries: bool = False) -> list[Codes]:
    """Codes of rows at every level; codes of `queries` may have another layout."""
    if isinstance(levels[0], levels_l1.SegmentSums):
        return levels_l1.encode(levels, rows, n_threads)
    return levels_l2.encode(levels, rows, n_threads, queries=queries)


def encode_rows(levels: Sequence[Level], rows: np.ndarray, n_threads: int) -> list[Codes]:
    """Codes of training rows at every level, those of the first level in panels.

    Many rows are encoded a part at a time. Their codes never exist in both layouts at once, and Ctrl-C takes effect between
    two parts.
    """
    n = len(rows)
    at_once, panel_rows = rows_in_whole_blocks(rows.shape[1]), encode_loops.PANEL_ROWS[levels[0].kind]
    heights = [-(-n // panel_rows), *[n] * (len(levels) - 1)]
    codes = [np.empty(0, dtype=np.uint8)] * len(levels)
    terms: list[list[tuple[np.ndarray, ...]]] = [[] for _ in levels]
    for first in range(0, max(1, n), at_once):
        part = encode(levels, rows[first : first + at_once], n_threads)
        part[0] = in_panels(part[0], levels[0].kind, n_threads)
        for number, (made, height) in enumerate(zip(part, heights, strict=True)):
            if n <= at_once:
                codes[number] = made.codes
            else:
                if first == 0:
                    codes[number] = np.empty((height, made.codes.shape[1]), dtype=np.uint8)
                begin = first // panel_rows if number == 0 else first
                codes[number][begin : begin + len(made.codes)] = made.codes
            terms[number].append((made.starts, made.errors, made.panel_errors))
    return [Codes(c, *map(_joined, zip(*of_level, strict=True))) for c, of_level in zip(codes, terms, strict=True)]


def _joined(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    """One array of all parts; the first of parts that only fill the place of an array."""
    return parts[0] if len(parts) == 1 or len(parts[0]) == 1 else np.concatenate(parts)
