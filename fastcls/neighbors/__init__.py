"""The k-NN estimators.

``_estimators.py`` has `KNeighborsClassifier` and `NearestNeighbors`; ``_base.py`` has what they share, ``_radius.py`` their
searches by radius, ``_multilabel.py`` the checks of several labels per row; ``_loaded.py`` writes, reads and checks their
rows in a model's file; ``_functions.py`` has `knn` and `pairwise_distances`; ``_votes.py`` has `predict_from_distances`;
``_duplicates.py`` has `duplicates`; ``_transformer.py`` has `KNeighborsTransformer`;
``_class_mean.py`` has `NearestClassMean`.
"""

from fastcls.neighbors._class_mean import NearestClassMean
from fastcls.neighbors._duplicates import Duplicates, duplicates
from fastcls.neighbors._estimators import KNeighborsClassifier, NearestNeighbors
from fastcls.neighbors._functions import knn, pairwise_distances
from fastcls.neighbors._transformer import KNeighborsTransformer
from fastcls.neighbors._votes import predict_from_distances

# For other packages of fastcls:
from ._base import last_reports, training_rows, without_self
from ._class_mean import mean_distances

__all__ = [
    "Duplicates",
    "KNeighborsClassifier",
    "KNeighborsTransformer",
    "NearestClassMean",
    "NearestNeighbors",
    "duplicates",
    "knn",
    "pairwise_distances",
    "predict_from_distances",
]
