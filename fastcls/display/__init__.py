"""Figures of neighbours, choices, templates and errors.

Each display follows scikit-learn's convention: ``__init__`` takes data already computed, ``from_...`` computes it,
``plot`` only draws, into the axes or figure it is given or into a new one. matplotlib (the ``run`` extra) is imported
when something is drawn and not before; pyplot is not used, so no window opens and no open figure is touched. A
notebook shows a plotted display as the value of its cell; elsewhere, ``display.figure_.savefig(path)``.

One file a display: ``_challenges.py``, ``_confusion.py``, ``_cross_validation.py``, ``_curse.py``, ``_decision_region.py``,
``_folds.py``, ``_loss_history.py``, ``_loss_slice.py``, ``_neighbors.py``, ``_regularization.py``, ``_same_distance.py``,
``_scores.py``, ``_templates.py``. ``_regions.py`` computes the classes of a plane, ``style.py`` has type, colours and names
that all share, ``_validation.py`` checks what they are given.
"""

from fastcls.display._challenges import ChallengesDisplay
from fastcls.display._confusion import MOST_NUMBERED, plot_confusion
from fastcls.display._cross_validation import CrossValidationDisplay
from fastcls.display._curse import CurseDisplay
from fastcls.display._decision_region import DecisionRegionDisplay
from fastcls.display._folds import FoldsDisplay
from fastcls.display._loss_history import LossHistoryDisplay
from fastcls.display._loss_slice import LossSliceDisplay
from fastcls.display._neighbors import NeighborsDisplay
from fastcls.display._regions import decision_regions
from fastcls.display._regularization import RegularizationDisplay
from fastcls.display._same_distance import SameDistanceDisplay
from fastcls.display._scores import ScoresDisplay
from fastcls.display._templates import TemplatesDisplay

__all__ = [
    "MOST_NUMBERED",
    "ChallengesDisplay",
    "CrossValidationDisplay",
    "CurseDisplay",
    "DecisionRegionDisplay",
    "FoldsDisplay",
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
