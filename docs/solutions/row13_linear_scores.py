"""Solutions of the tasks of docs/lecture/row13_linear_scores.py.

Things to try:

* Those with the strong penalty. Their weights are also 20 times smaller. Both fit the training digits: 90 % and 99.8 %.
* The accuracy on these points falls from 99 % to 80 %: without a bias, a score is 0 at the origin for every class.
"""

import numpy as np


def scores_with_trick(W, b, x):
    """Scores (C,) of one image x (D,)."""
    return np.column_stack([W, b]) @ np.append(x.astype(float), 1.0)


def distance_to_line(w, bias, point):
    """Signed distance; positive where the score is positive."""
    return (w @ point + bias) / np.linalg.norm(w)
