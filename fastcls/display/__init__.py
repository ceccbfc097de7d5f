"""Figures of neighbours, choices, templates and errors.

Each display follows scikit-learn's convention: ``__init__`` takes data already computed, ``from_...`` computes it,
``plot`` only draws, into the axes or figure it is given or into a new one. matplotlib (the ``run`` extra) is imported
when something is drawn and not before; pyplot is not used, so no window opens and no open figure is touched. A
notebook shows a plotted display as the value of its cell; elsewhere, ``display.figure_.savefig(path)``.
"""

from fastcls.display._confusion import MOST_NUMBERED, plot_confusion
from fastcls.display._cross_validation import CrossValidationDisplay
from fastcls.display._loss_history import LossHistoryDisplay
from fastcls.display._neighbors import NeighborsDisplay
from fastcls.display._templates import TemplatesDisplay

__all__ = [
    "MOST_NUMBERED",
    "CrossValidationDisplay",
    "LossHistoryDisplay",
    "NeighborsDisplay",
    "TemplatesDisplay",
    "plot_confusion",
]
