"""The linear classifiers, `MulticlassSVM` and `SoftmaxClassifier`.

``_estimators.py`` has the two classes, ``_base.py`` what they share, ``_strength.py`` how strong the penalty is for a given
C and by default, ``_choice.py`` how the default is chosen on small data, ``_docs.py`` the words of their docstrings.
"""

from ._base import LinearClassifier
from ._estimators import MulticlassSVM, SoftmaxClassifier

__all__ = [
    "LinearClassifier",
    "MulticlassSVM",
    "SoftmaxClassifier",
]
