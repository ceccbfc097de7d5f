"""Types of the linear classifiers' compiled loops; what they do is in the docstrings of _linear.pyx."""

import numpy as np
from numpy.typing import NDArray

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

__test__: dict[str, str]

def use_isa(number: int) -> None: ...
def linear_tile(n_rows: int, n_features: int, n_classes: int) -> tuple[int, int]: ...
def linear_scores(
    X: _Bytes,
    storage: int,
    W: _Floats,
    b: _Floats,
    scores_out: _Floats,
    scratch: _Floats,
    rows_per_tile: int,
    n_threads: int,
) -> None: ...
def loss_gradient(
    X: _Bytes,
    storage: int,
    index: _Integers,
    first: int,
    y: _Integers,
    W: _Floats,
    b: _Floats,
    loss: int,
    options: _Floats,
    losses_out: _Floats,
    gradient_out: _Floats,
    b_gradient_out: _Floats,
    scratch: _Floats,
    rows_per_tile: int,
    n_threads: int,
) -> None: ...
