"""Types of the packed passes; packed.pyx has the docstrings."""

import numpy as np
from numpy.typing import NDArray

__test__: dict[str, str]
__pyx_capi__: dict[str, object]

LEAST_CLASSES: int
SCORE_BLOCK: int

def softmax_rows(scores: NDArray[np.float64], n_threads: int) -> None: ...
def softmax_along(
    scores: NDArray[np.float32],
    along: NDArray[np.float32],
    y: NDArray[np.int64],
    t: float,
    scratch: NDArray[np.float64],
    out: NDArray[np.float64],
    n_threads: int,
) -> None: ...
