"""Types of the compiled loops of the linear classifiers; loops.pyx has the docstrings."""

import numpy as np
from numpy.typing import NDArray

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

__test__: dict[str, str]
__pyx_capi__: dict[str, object]
REALS: dict[str, int]
STRIP_FEATURES: int

def scratch_size(n_features: int, storage: int, real: int, n_models: int, n_columns: int, n_threads: int) -> int: ...
def tile_rows_of(n_features: int, storage: int, real: int, n_models: int, n_columns: int) -> int: ...
def loss_gradient(
    X: _Bytes,
    storage: int,
    index: _Integers,
    first: int,
    n: int,
    y: _Integers,
    weights: _Floats,
    W: _Bytes,
    real: int,
    b: _Floats,
    n_models: int,
    loss: int,
    options: _Floats,
    losses_out: _Floats,
    totals_out: _Floats,
    gradient_out: _Floats,
    b_gradient_out: _Floats,
    scratch: _Bytes,
    n_threads: int,
) -> None: ...
def column_sums(X: _Bytes, storage: int, weights: _Floats, sums_out: _Floats, scratch: _Bytes, n_threads: int) -> None: ...
def squared_distances(X: _Bytes, storage: int, center: _Floats, squares_out: _Floats, n_threads: int) -> None: ...
