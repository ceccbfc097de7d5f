"""Types of the compiled loops for rows among themselves; pair_loops.pyx documents them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__test__: dict[str, str]

def scratch_bytes(n_places: int, leaf_rows: int, width: int, k: int) -> int: ...
def search(
    X: NDArray[np.uint8],
    storage: int,
    sum: int,
    levels: list[tuple[Any, ...]],
    panel_errors: NDArray[np.float32],
    order: NDArray[np.int32],
    places: NDArray[np.int32],
    blocks: NDArray[np.int64],
    leaf_rows: int,
    l1: bool,
    cosine: bool,
    slack: float,
    margin: float,
    norms: NDArray[np.float64],
    zeros: NDArray[np.uint8],
    groups: NDArray[np.int64],
    with_self: bool,
    reach_out: NDArray[np.float64],
    heap_S_out: NDArray[np.float64],
    heap_index_out: NDArray[np.int64],
    taken: NDArray[np.int64],
    scratch: NDArray[np.uint8],
    counts_out: NDArray[np.int64],
    n_threads: int,
) -> None: ...
