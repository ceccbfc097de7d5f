"""Types of the compiled loops; _kernels.pyx documents them."""

import numpy as np
from numpy.typing import NDArray

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

__test__: dict[str, str]
TYPES: dict[str, int]
SUMS: dict[str, int]
PANELS: dict[str, int]
HAS_OPENMP: bool

def openmp_limit() -> int: ...
def openmp_address() -> int: ...
def openmp_was_used() -> bool: ...
def threads_that_start(wanted: int, stack: int) -> int: ...
def start_team(n_threads: int) -> None: ...
def scratch_size(n_features: int, queries_per_tile: int, rows_per_tile: int) -> int: ...
def panel_shape(panel: int) -> tuple[int, int, int] | None: ...
def panel_biases(panel: int, storage: int) -> tuple[int, int]: ...
def panel_scratch(panel: int, n_features: int, block_features: int, n_queries: int) -> int: ...
def search_pairwise(
    Q: _Bytes,
    Q_storage: int,
    X: _Bytes,
    X_storage: int,
    sum: int,
    arithmetic: int,
    query_norms: _Floats,
    zero_queries: _Bytes,
    row_norms: _Floats,
    query_groups: _Integers,
    row_groups: _Integers,
    row_start: int,
    heap_S_out: _Floats,
    heap_index_out: _Integers,
    queries_per_tile: int,
    rows_per_tile: int,
    scratch: _Floats,
    n_threads: int,
) -> None: ...
def search_panels(
    Q: _Bytes,
    X: _Bytes,
    storage: int,
    panel: int,
    sum: int,
    refine: bool,
    block_features: int,
    center: _Floats,
    data_scale: float,
    scale: float,
    query_terms: _Floats,
    alphas: _Floats,
    betas: _Floats,
    row_terms: _Floats,
    row_factors: _Floats,
    query_norms: _Floats,
    zero_queries: _Bytes,
    row_norms: _Floats,
    query_groups: _Integers,
    row_groups: _Integers,
    row_start: int,
    heap_S_out: _Floats,
    heap_index_out: _Integers,
    queries_per_job: int,
    scratch: _Bytes,
    n_threads: int,
) -> int: ...
def low_dimensional_scratch(n_queries: int, n_features: int, k: int) -> int: ...
def search_low_dimensional(
    Q: _Bytes,
    Q_storage: int,
    X: _Bytes,
    X_storage: int,
    sum: int,
    query_groups: _Integers,
    row_groups: _Integers,
    row_start: int,
    heap_S_out: _Floats,
    heap_index_out: _Integers,
    is_first: bool,
    is_last: bool,
    queries_per_job: int,
    scratch: _Floats,
    n_threads: int,
) -> None: ...
def start_heaps(heap_S_out: _Floats, heap_index_out: _Integers, below: float = ...) -> None: ...
def merge_heaps(heap_S_out: _Floats, heap_index_out: _Integers) -> None: ...
def sort_heaps(heap_S_out: _Floats, heap_index_out: _Integers, n_threads: int) -> None: ...
def distance_matrix(
    Q: _Bytes,
    Q_storage: int,
    X: _Bytes,
    X_storage: int,
    sum: int,
    arithmetic: int,
    query_norms: _Floats,
    zero_queries: _Bytes,
    row_norms: _Floats,
    S_out: _Floats,
    queries_per_tile: int,
    rows_per_tile: int,
    scratch: _Floats,
    n_threads: int,
) -> None: ...
def matrix_panels(
    Q: _Bytes,
    X: _Bytes,
    storage: int,
    panel: int,
    block_features: int,
    scale: float,
    query_terms: _Floats,
    row_terms: _Floats,
    query_norms: _Floats,
    zero_queries: _Bytes,
    row_norms: _Floats,
    S_out: _Floats,
    queries_per_job: int,
    n_row_jobs: int,
    scratch: _Bytes,
    n_threads: int,
) -> None: ...
def has_eight() -> bool: ...
def eight_scratch(n_queries: int, n_features: int) -> int: ...
def matrix_eight(
    Q: _Bytes,
    Q_storage: int,
    X: _Bytes,
    X_storage: int,
    sum: int,
    query_norms: _Floats,
    zero_queries: _Bytes,
    row_norms: _Floats,
    S_out: _Floats,
    queries_per_job: int,
    n_row_jobs: int,
    scratch: _Floats,
    n_threads: int,
) -> None: ...
def sums_to_point(X: _Bytes, storage: int, sum: int, point: _Bytes, sums_out: _Floats, n_threads: int) -> None: ...
def squared_norms(
    X: _Bytes, storage: int, arithmetic: int, norms_out: _Floats, scratch: _Floats, n_threads: int
) -> None: ...
def vote(
    labels: _Integers,
    codes: _Integers,
    weights: _Floats,
    ks: _Integers,
    nearest: bool,
    winners_out: _Integers,
    tied_out: _Bytes,
    totals_out: _Floats,
    n_classes: int,
    scratch: _Floats,
    n_threads: int,
) -> int: ...
