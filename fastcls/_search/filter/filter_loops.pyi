"""Types of the filter's compiled loops; filter_loops.pyx documents them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__test__: dict[str, str]

def scratch_bytes(n_queries: int, width: int, n_refine: int, list_capacity: int) -> int: ...
def search(
    Q: NDArray[np.uint8],
    X: NDArray[np.uint8],
    storage: int,
    sum: int,
    levels: list[tuple[Any, ...]],
    query_levels: list[tuple[Any, ...]],
    first_panel: int,
    end_panel: int,
    l1: bool,
    cosine: bool,
    slack: float,
    margin: float,
    query_norms: NDArray[np.float64],
    zero_queries: NDArray[np.uint8],
    row_norms: NDArray[np.float64],
    query_groups: NDArray[np.int64],
    row_groups: NDArray[np.int64],
    row_start: int,
    heap_S_out: NDArray[np.float64],
    heap_index_out: NDArray[np.int64],
    queries_per_job: int,
    n_refine: int,
    refine_every: int,
    list_capacity: int,
    scratch: NDArray[np.uint8],
    counts_out: NDArray[np.int64],
    n_threads: int,
) -> None: ...
