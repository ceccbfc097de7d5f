"""Published evaluations of embeddings: k-NN, linear probes, a few rows per class; representations compared by them.

The docstrings of `knn_eval`, `linear_probe` and `few_shot`, and `KNN_PRESETS`, `PROBE_PRESETS` and `MULTILABEL_PRESETS`,
name the source of each constant. Only facts were taken from these projects, no code.

``_presets.py`` has the constants; ``_knn.py``, ``_probe.py`` and ``_few_shot.py`` one evaluation each, ``_probe_draws.py``
the probe on a few rows of each class. Several labels per row: ``_multilabel.py`` has k-NN and MTEB's probe,
``_label_probe.py`` the probe on all rows. ``_evaluated.py`` has answers before they are measured. ``_draws.py`` draws rows
as the published scripts do; ``_logistic.py`` (scikit-learn's iterates), ``_norm_penalty.py`` (UNI) and ``_adamw.py`` train
as they do. ``_shards.py`` handles rows given in parts, ``_nearest.py`` finds their neighbours; ``_validation.py`` has the
checks.

``_compare.py`` evaluates several representations by the same protocols, whose names are in ``_names.py``;
``_representations.py`` checks them, ``_folds.py`` pools the answers of folds, ``_parts.py`` stores what is finished, and
``_comparison.py`` puts the parts together: tables, paired tests, agreement.
"""

from __future__ import annotations

from fastcls._scoring.table import ResultTable
from fastcls.protocols._compare import compare
from fastcls.protocols._comparison import Comparison
from fastcls.protocols._few_shot import few_shot
from fastcls.protocols._knn import knn_eval
from fastcls.protocols._presets import KNN_PRESETS, MULTILABEL_PRESETS, PROBE_PRESETS
from fastcls.protocols._probe import linear_probe

# For other packages of fastcls:
from ._compare import Part, Plan
from ._evaluated import Evaluated as Evaluated
from ._knn import evaluate_neighbors as evaluate_neighbors
from ._names import DEFAULT_PROTOCOLS, N_PER_CLASS, N_TRIES, PROTOCOLS, check_protocols
from ._parts import ENDING
from ._probe import evaluate_probe as evaluate_probe

__all__ = [
    "KNN_PRESETS",
    "MULTILABEL_PRESETS",
    "PROBE_PRESETS",
    "Comparison",
    "ResultTable",
    "compare",
    "few_shot",
    "knn_eval",
    "linear_probe",
]
