"""Solutions of the tasks of docs/lecture/row21_softmax_or_svm.py.

Things to try:

* Below -99, where the lead over -100 is less than 1. At -98 its loss is still 0.
* The quotient is the largest rival's lead, or 0 if the true class leads: a hinge without a margin, of the worst rival
  only.
"""

import numpy as np


def room(s, rival):
    """How much the score of rival may rise; the true class is 0, and the loss is 0 now."""
    return s[0] - 1 - s[rival]


def lead_for(p, n_classes):
    """Lead of the true score over equal rivals at which its probability is p."""
    return np.log((n_classes - 1) * p / (1 - p))
