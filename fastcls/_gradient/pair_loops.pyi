"""Types of the compiled loops of L-BFGS; pair_loops.pyx has the docstrings."""

import numpy as np
from numpy.typing import NDArray

__test__: dict[str, str]
PADDED_TO: int

def store(values: NDArray[np.float64], out: NDArray[np.float32], n_threads: int) -> float: ...
def n_chunks(n: int) -> int: ...
def dots(
    rows: NDArray[np.float32],
    of: NDArray[np.int64],
    others: NDArray[np.int64],
    partial_out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
def combine(rows: NDArray[np.float32], factors: NDArray[np.float64], out: NDArray[np.float64], n_threads: int) -> None: ...
