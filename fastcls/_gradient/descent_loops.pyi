"""Types of the compiled descent; descent_loops.pyx has the docstrings."""

import numpy as np
from numpy.typing import NDArray

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

__test__: dict[str, str]

def descend(
    X: _Bytes,
    storage: int,
    order: _Integers,
    bounds: _Integers,
    y: _Integers,
    weights: _Floats,
    W: _Bytes,
    velocity: _Bytes,
    real: int,
    biases: _Floats,
    features: _Floats,
    n_models: int,
    loss: int,
    options: _Floats,
    rates: _Floats,
    penalties: _Floats,
    momentum: float,
    nesterov: bool,
    fit_intercept: bool,
    penalize_intercept: bool,
    gradient: _Floats,
    parts: _Floats,
    values_out: _Floats,
    scratch: _Bytes,
    n_threads: int,
) -> int: ...
