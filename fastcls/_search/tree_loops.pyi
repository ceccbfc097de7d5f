"""Types of the tree's compiled loops; tree_loops.pyx documents them."""

import numpy as np
from numpy.typing import NDArray

__test__: dict[str, str]
MOST_FEATURES: int
MOST_ROWS_OF_LEAF: int

def halve_level(
    X: NDArray[np.uint8],
    storage: int,
    order: NDArray[np.int32],
    keys: NDArray[np.float64],
    lowest_out: NDArray[np.int32],
    boxes_out: NDArray[np.float64],
    n_nodes: int,
    n_threads: int,
) -> None: ...
def make_subtrees(
    X: NDArray[np.uint8],
    storage: int,
    order: NDArray[np.int32],
    keys: NDArray[np.float64],
    lowest_out: NDArray[np.int32],
    boxes_out: NDArray[np.float64],
    n_nodes: int,
    first: int,
    end: int,
    n_threads: int,
) -> None: ...
def close_top(
    X: NDArray[np.uint8],
    storage: int,
    order: NDArray[np.int32],
    keys: NDArray[np.float64],
    lowest_out: NDArray[np.int32],
    boxes_out: NDArray[np.float64],
    n_nodes: int,
) -> None: ...
def search(
    Q: NDArray[np.uint8],
    Q_storage: int,
    X: NDArray[np.uint8],
    X_storage: int,
    sum: int,
    order: NDArray[np.int32],
    lowest: NDArray[np.int32],
    boxes: NDArray[np.float64],
    query_groups: NDArray[np.int64],
    row_groups: NDArray[np.int64],
    row_start: int,
    heap_S_out: NDArray[np.float64],
    heap_index_out: NDArray[np.int64],
    queries_per_job: int,
    counts_out: NDArray[np.int64],
    n_threads: int,
) -> None: ...
