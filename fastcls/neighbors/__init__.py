"""The k-NN estimators.

``_estimators.py`` has `KNeighborsClassifier`, `NearestNeighbors`, `knn` and `pairwise_distances`; ``_base.py`` has what they
share; ``_loaded.py`` writes, reads and checks their rows in a model's file; ``_class_mean.py`` has `NearestClassMean`.
"""

from ._base import last_reports, without_self
from ._class_mean import NearestClassMean
from ._estimators import KNeighborsClassifier, NearestNeighbors, knn, pairwise_distances

__all__ = [
    "KNeighborsClassifier",
    "NearestClassMean",
    "NearestNeighbors",
    "knn",
    "last_reports",
    "pairwise_distances",
    "without_self",
]
