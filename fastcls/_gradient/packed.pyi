"""Types of the compiled softmax; packed.pyx has the docstring."""

import numpy as np
from numpy.typing import NDArray

__test__: dict[str, str]
__pyx_capi__: dict[str, object]

def softmax_rows(scores: NDArray[np.float64], n_threads: int) -> None: ...
