"""fastcls: exact k-nearest-neighbour and linear image classifiers that work on the bytes you have.

Two families live here. *Neighbours* (``neighbors.py``): the answer of brute force, to the last bit, in the order
(distance, training index), whatever made it fast. *Linear classifiers* (``linear.py``): scores ``W x + b``, a loss of the
scores, a penalty of ``W``, minimised by minibatch gradient descent whose compiled gradient is checked against the
numerical one.

What the answers *are* is written in plain NumPy in ``reference.py``; what computes them is compiled, in ``_kernels.pyx``,
``_linear.pyx`` and ``_simd/``. Between them ``_search.py`` plans a search and ``problem.py`` states the function being
minimised. Everything else brings data in (``datasets/``), keeps models (``persistence.py``), spreads the work (``dask/``) or
shows it (``display/``, ``cli/``).

::

    datasets.load ──> X, y ──> KNeighborsClassifier ──> _search ──> _kernels.search_* ──> _simd tiles, _topk heaps
                         └───> SoftmaxClassifier ──> LinearProblem ──> _linear.loss_gradient ──> _losses
                               MulticlassSVM   └──> gradcheck compares it with the numerical gradient

ARCHITECTURE.md tells the way of one search and one gradient, and where to add a metric, a loss or a layout.
"""

import os as _os
from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING

from . import _openmp

__version__ = "0.1.0"

if _find_spec("fastcls._kernels") is None:
    raise ImportError(
        "fastcls was imported from its source folder, where its core is not compiled: install it (pip install .) and "
        "run Python from another folder"
    )

_openmp.load()
if _os.environ.get("FASTCLS_ISA"):
    _import_module("fastcls.simd")  # takes it, or refuses a name that cannot be used

if TYPE_CHECKING:
    from . import (
        dask,
        datasets,
        demo,
        display,
        gradcheck,
        losses,
        metrics,
        model_selection,
        onnx,
        optim,
        penalties,
        protocols,
        reference,
        simd,
    )
    from ._config import show_config
    from .class_mean import NearestClassMean
    from .linear import MulticlassSVM, SoftmaxClassifier
    from .linear_cv import MulticlassSVMCV, SoftmaxClassifierCV
    from .model_selection import evaluate_k
    from .neighbors import KNeighborsClassifier, NearestNeighbors, knn, pairwise_distances
    from .neighbors_cv import KNeighborsClassifierCV
    from .persistence import load
    from .problem import LinearProblem

__all__ = [
    "KNeighborsClassifier",
    "KNeighborsClassifierCV",
    "LinearProblem",
    "MulticlassSVM",
    "MulticlassSVMCV",
    "NearestClassMean",
    "NearestNeighbors",
    "SoftmaxClassifier",
    "SoftmaxClassifierCV",
    "__version__",
    "dask",
    "datasets",
    "demo",
    "display",
    "evaluate_k",
    "gradcheck",
    "knn",
    "load",
    "losses",
    "metrics",
    "model_selection",
    "onnx",
    "optim",
    "pairwise_distances",
    "penalties",
    "protocols",
    "reference",
    "show_config",
    "simd",
]

# Loaded when first asked for: scikit-learn and SciPy take a second, in which `fastcls --help` is done, and in which a
# command must already answer Ctrl-C in one line.
_FROM = {
    "KNeighborsClassifier": "neighbors",
    "KNeighborsClassifierCV": "neighbors_cv",
    "LinearProblem": "problem",
    "MulticlassSVM": "linear",
    "MulticlassSVMCV": "linear_cv",
    "NearestClassMean": "class_mean",
    "NearestNeighbors": "neighbors",
    "SoftmaxClassifier": "linear",
    "SoftmaxClassifierCV": "linear_cv",
    "evaluate_k": "model_selection",
    "knn": "neighbors",
    "load": "persistence",
    "pairwise_distances": "neighbors",
    "show_config": "_config",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'fastcls' has no attribute {name!r}")
    module = _import_module(f"fastcls.{_FROM.get(name, name)}")
    found = getattr(module, name) if name in _FROM else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
