"""The linear classifiers, `MulticlassSVM` and `SoftmaxClassifier`.

``_estimators.py`` has the two classes. They share their training (``_base.py``), parameters (``_parameters.py``), and
scores, labels and saved state (``_model.py``). ``_strength.py`` converts C and the default to a strength of the penalty,
``_choice.py`` chooses the default on small data, ``_temperature.py`` scales probabilities, ``_validation.py`` checks
parameters, and ``_advice.py`` warns where training failed.
"""

from fastcls.linear._estimators import MulticlassSVM, SoftmaxClassifier

# For other packages of fastcls:
from ._base import LinearClassifier
from ._temperature import fit_temperature

__all__ = [
    "MulticlassSVM",
    "SoftmaxClassifier",
]
