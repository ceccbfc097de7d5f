"""Figures of neighbours, choices, templates and errors.

Each display follows scikit-learn's convention: ``__init__`` takes computed data, ``from_...`` computes it, ``plot`` only
draws, into the given axes or figure or into a new one. matplotlib (the ``run`` extra) is imported only when something is
drawn. pyplot is not used, so no window opens and no open figure changes. A notebook shows a plotted display as the value of
its cell; elsewhere use ``display.figure_.savefig(path)``.

One file for each display: ``_accuracy.py``, ``_calibration.py``, ``_challenges.py``, ``_confusion.py``,
``_cross_validation.py``, ``_curse.py``, ``_decision_region.py``, ``_folds.py``, ``_label_efficiency.py``,
``_loss_history.py``, ``_loss_slice.py``, ``_neighbors.py``, ``_regularization.py``, ``_same_distance.py``, ``_scores.py``,
``_templates.py``. ``_regions.py`` computes the classes of a plane, ``_style.py`` has colours and names shared by all,
``_context.py`` the sizes on paper and on slides, ``_validation.py`` checks their input.
"""

from fastcls.display._accuracy import AccuracyDisplay
from fastcls.display._calibration import CalibrationDisplay
from fastcls.display._challenges import ChallengesDisplay
from fastcls.display._confusion import plot_confusion
from fastcls.display._cross_validation import CrossValidationDisplay
from fastcls.display._curse import CurseDisplay
from fastcls.display._decision_region import DecisionRegionDisplay
from fastcls.display._folds import FoldsDisplay
from fastcls.display._label_efficiency import LabelEfficiencyDisplay
from fastcls.display._loss_history import LossHistoryDisplay
from fastcls.display._loss_slice import LossSliceDisplay
from fastcls.display._neighbors import NeighborsDisplay
from fastcls.display._regions import decision_regions
from fastcls.display._regularization import RegularizationDisplay
from fastcls.display._same_distance import SameDistanceDisplay
from fastcls.display._scores import ScoresDisplay
from fastcls.display._templates import TemplatesDisplay

# For other packages of fastcls:
from . import _style as style

__all__ = [
    "AccuracyDisplay",
    "CalibrationDisplay",
    "ChallengesDisplay",
    "CrossValidationDisplay",
    "CurseDisplay",
    "DecisionRegionDisplay",
    "FoldsDisplay",
    "LabelEfficiencyDisplay",
    "LossHistoryDisplay",
    "LossSliceDisplay",
    "NeighborsDisplay",
    "RegularizationDisplay",
    "SameDistanceDisplay",
    "ScoresDisplay",
    "TemplatesDisplay",
    "decision_regions",
    "plot_confusion",
]
