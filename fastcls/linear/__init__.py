"""The linear classifiers, `MulticlassSVM` and `SoftmaxClassifier`.

``_estimators.py`` has the two classes. They share their training (``_base.py``), parameters (``_parameters.py``), and
scores, labels and saved state (``_model.py``). ``_strength.py`` converts C and the default to a strength of the penalty,
``_choice.py`` chooses the default on small data, ``_temperature.py`` scales probabilities, ``_validation.py`` checks
parameters, ``_advice.py`` warns where training failed, and ``_sweep.py`` trains several settings on the same rows.
"""

from fastcls.linear._estimators import MulticlassSVM, SoftmaxClassifier

# For other packages of fastcls:
from ._base import LinearClassifier
from ._parameters import default_epochs
from ._sweep import check_settings, train_settings
from ._temperature import fit_temperature

__all__ = [
    "MulticlassSVM",
    "SoftmaxClassifier",
]
