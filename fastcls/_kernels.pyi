"""Types of the compiled loops; what they do is in the docstrings of _kernels.pyx."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TYPES: dict[str, int]
TILES: dict[str, int]
QUERIES_IN_A_TILE: int
HAS_OPENMP: bool

def openmp_limit() -> int: ...
def scratch_size(n_features: int, rows_per_tile: int) -> int: ...
def search_chunk(
    Q: Bytes,
    Q_storage: int,
    X: Bytes,
    X_storage: int,
    tile: int,
    arithmetic: int,
    query_norms: Floats,
    zero_queries: Bytes,
    row_norms: Floats,
    query_groups: Integers,
    row_groups: Integers,
    row_start: int,
    heap_S_out: Floats,
    heap_index_out: Integers,
    rows_per_tile: int,
    scratch: Floats,
    n_threads: int,
) -> None: ...
def start_heaps(heap_S_out: Floats, heap_index_out: Integers) -> None: ...
def sort_heaps(heap_S_out: Floats, heap_index_out: Integers, n_threads: int) -> None: ...
def distance_matrix(
    Q: Bytes,
    Q_storage: int,
    X: Bytes,
    X_storage: int,
    tile: int,
    arithmetic: int,
    query_norms: Floats,
    zero_queries: Bytes,
    row_norms: Floats,
    S_out: Floats,
    rows_per_tile: int,
    scratch: Floats,
    n_threads: int,
) -> None: ...
def squared_norms(
    X: Bytes, storage: int, arithmetic: int, norms_out: Floats, scratch: Floats, n_threads: int
) -> None: ...
def vote(
    labels: Integers,
    weights: Floats,
    ks: Integers,
    nearest: bool,
    winners_out: Integers,
    tied_out: Bytes,
    totals_out: Floats,
    scratch: Floats,
    n_threads: int,
) -> None: ...
def linear_tile(n_rows: int, n_features: int, n_classes: int) -> tuple[int, int]: ...
def linear_scores(
    X: Bytes,
    storage: int,
    W: Floats,
    b: Floats,
    scores_out: Floats,
    scratch: Floats,
    rows_per_tile: int,
    n_threads: int,
) -> None: ...
def loss_gradient(
    X: Bytes,
    storage: int,
    index: Integers,
    first: int,
    y: Integers,
    W: Floats,
    b: Floats,
    loss: int,
    options: Floats,
    losses_out: Floats,
    gradient_out: Floats,
    b_gradient_out: Floats,
    scratch: Floats,
    rows_per_tile: int,
    n_threads: int,
) -> None: ...
