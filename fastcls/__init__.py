"""fastcls: exact k-nearest-neighbour and linear image classifiers that work on the bytes you have.

Two families live here. *Neighbours* (``neighbors.py``): the answer of brute force, to the last bit, in the order
(distance, training index), whatever made it fast. *Linear classifiers* (``linear.py``): scores ``W x + b``, a loss of the
scores, a penalty of ``W``, minimised by minibatch gradient descent whose compiled gradient is checked against the
numerical one.

What the answers *are* is written in plain NumPy in ``reference.py``; what computes them is compiled, in ``_kernels.pyx``,
``_linear.pyx`` and ``_simd/``. Between them ``_search.py`` plans a search and ``problem.py`` states the function being
minimised. Everything else brings data in (``datasets/``), keeps models (``persistence.py``) or shows them (``display/``,
``cli/``).

::

    datasets.load ──> X, y ──> KNeighborsClassifier ──> _search ──> _kernels.search_* ──> _simd tiles, _topk heaps
                         └───> SoftmaxClassifier ──> LinearProblem ──> _linear.loss_gradient ──> _losses
                               MulticlassSVM   └──> gradcheck compares it with the numerical gradient

ARCHITECTURE.md tells the way of one search and one gradient, and where to add a metric, a loss or a layout.
"""

from importlib.util import find_spec as _find_spec

__version__ = "0.1.0"

if _find_spec("fastcls._kernels") is None:
    raise ImportError(
        "fastcls was imported from its source folder, where its core is not compiled: install it (pip install .) and "
        "run Python from another folder"
    )

from . import datasets, display, gradcheck, losses, metrics, model_selection, optim, penalties, reference, simd
from ._config import show_config
from .linear import MulticlassSVM, SoftmaxClassifier
from .linear_cv import MulticlassSVMCV, SoftmaxClassifierCV
from .neighbors import KNeighborsClassifier, NearestNeighbors, knn, pairwise_distances
from .persistence import load
from .problem import LinearProblem

__all__ = [
    "KNeighborsClassifier",
    "LinearProblem",
    "MulticlassSVM",
    "MulticlassSVMCV",
    "NearestNeighbors",
    "SoftmaxClassifier",
    "SoftmaxClassifierCV",
    "__version__",
    "datasets",
    "display",
    "gradcheck",
    "knn",
    "load",
    "losses",
    "metrics",
    "model_selection",
    "optim",
    "pairwise_distances",
    "penalties",
    "reference",
    "show_config",
    "simd",
]
