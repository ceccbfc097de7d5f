"""Choosing k, metric and penalty.

``_cross_validate.py`` has `cross_validate_k` and `evaluate_k`, ``_neighbors_cv.py`` `KNeighborsClassifierCV`,
``_linear_cv.py`` `SoftmaxClassifierCV` and `MulticlassSVMCV`; ``_search_cv.py`` is what these classes share. ``_folds.py``
makes folds, ``_fold_votes.py`` counts the hits of every fold from one search, ``_grid_ends.py`` warns if the best value is
an end of its grid, ``_validation.py`` checks folds, splitters, groups and ks.
"""

from fastcls.model_selection._cross_validate import DEFAULT_KS, DEFAULT_METRICS, KSelection, cross_validate_k, evaluate_k
from fastcls.model_selection._linear_cv import MulticlassSVMCV, SoftmaxClassifierCV
from fastcls.model_selection._neighbors_cv import KNeighborsClassifierCV

# For other packages of fastcls:
from ._folds import make_folds
from ._grid_ends import GridEndWarning, advice_at_end
from ._validation import CheckedTest, check_folds, check_ks, check_test, without_large_ks

__all__ = [
    "DEFAULT_KS",
    "DEFAULT_METRICS",
    "KNeighborsClassifierCV",
    "KSelection",
    "MulticlassSVMCV",
    "SoftmaxClassifierCV",
    "cross_validate_k",
    "evaluate_k",
]
