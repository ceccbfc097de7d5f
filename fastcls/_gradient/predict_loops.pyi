"""Types of the compiled predictions; predict_loops.pyx has the docstrings."""

import numpy as np
from numpy.typing import NDArray

__test__: dict[str, str]

def answers(
    X: NDArray[np.uint8],
    storage: int,
    W: NDArray[np.uint8],
    b: NDArray[np.float64],
    best_out: NDArray[np.int64],
    gap_out: NDArray[np.float32],
    probabilities_out: NDArray[np.float64],
    scratch: NDArray[np.uint8],
    n_threads: int,
) -> None: ...
def linear_scores(
    X: NDArray[np.uint8],
    storage: int,
    W: NDArray[np.uint8],
    real: int,
    b: NDArray[np.float64],
    scores_out: NDArray[np.float64],
    scratch: NDArray[np.uint8],
    n_threads: int,
) -> None: ...
