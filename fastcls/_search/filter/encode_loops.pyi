"""Types of the loops that encode rows; encode_loops.pyx documents them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PANEL_ROWS: dict[str, int]
STEP_BYTES: dict[str, int]
__test__: dict[str, str]

def segment_sums(
    X: NDArray[np.uint8],
    storage: int,
    order: NDArray[np.int32],
    signs: NDArray[np.float64],
    Z_out: NDArray[np.float64],
    magnitudes_out: NDArray[np.float64],
    scratch: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def encode_l1(
    Z: NDArray[np.float64],
    offsets: NDArray[np.float64],
    step: float,
    z_errors: NDArray[np.float64],
    codes_out: NDArray[np.uint8],
    errors_out: NDArray[np.float32],
    n_threads: int,
) -> None: ...
def encode_byte_segments(
    X: NDArray[np.uint8],
    order: NDArray[np.int32],
    masks: NDArray[np.uint8],
    keeps: NDArray[np.uint8],
    coarse_out: NDArray[np.uint8],
    coarse_errors_out: NDArray[np.float32],
    fine_out: NDArray[np.uint8],
    fine_errors_out: NDArray[np.float32],
    scratch: NDArray[np.int32],
    n_threads: int,
) -> None: ...
def encode_l2(
    X: NDArray[np.uint8],
    storage: int,
    columns: NDArray[np.uint8],
    shifts: NDArray[np.float64],
    Z: NDArray[np.float64],
    squares: NDArray[np.float64],
    unit_rows: bool,
    z_error: float,
    off: float,
    queries: bool,
    levels: list[tuple[Any, ...]],
    outs: list[tuple[Any, ...]],
    scratch: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def to_panels(
    codes: NDArray[np.uint8], step_bytes: int, panel_rows: int, panels_out: NDArray[np.uint8], n_threads: int
) -> None: ...
def code_norms(codes: NDArray[np.uint8], norms_out: NDArray[np.int32], n_threads: int) -> None: ...
def from_panels(
    panels: NDArray[np.uint8], step_bytes: int, first: int, codes_out: NDArray[np.uint8], n_threads: int
) -> None: ...
