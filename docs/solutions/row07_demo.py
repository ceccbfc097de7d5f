"""Solutions of the tasks of docs/lecture/row07_demo.py.

Things to try:

* Two points, two votes: one for each class at every spot, wherever the points are.
* With K = 1 an island of its colour appears around it. With K = 5 the other four neighbours outvote it.
* That under L2. Distances under L1 change when points are turned, those under L2 do not.
"""

import numpy as np

from fastcls import knn


def is_tied(labels):
    """True if two or more labels are equally most frequent."""
    counts = np.bincount(labels)
    return bool((counts == counts.max()).sum() > 1)


def may_change(spots, before, after, k, moved):
    """Which spots (n, 2) have row `moved` among their k nearest (L2), before or after."""
    return np.any(
        [(knn(spots, rows, k)[1] == moved).any(axis=1) for rows in (before, after)],
        axis=0,
    )
