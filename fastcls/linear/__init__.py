"""The linear classifiers, `MulticlassSVM` and `SoftmaxClassifier`.

``_estimators.py`` has the two classes, ``_base.py`` what they share, ``_strength.py`` how strong the penalty is for a given
C, ``_docs.py`` the words of their docstrings.
"""

from ._base import LinearClassifier
from ._estimators import MulticlassSVM, SoftmaxClassifier

__all__ = [
    "LinearClassifier",
    "MulticlassSVM",
    "SoftmaxClassifier",
]
