"""fastcls: exact k-nearest-neighbour and linear image classifiers that work on the bytes you have.

There are two families of classifiers. *Neighbours* (``neighbors/``) give the answer of brute force to the last bit, in the
order (distance, training index), whichever way it was computed. *Linear classifiers* (``linear/``) minimise a loss of the
scores ``W x + b`` and a penalty of ``W`` by minibatch gradient descent. The compiled gradient is checked against the
numerical one.

Two packages do the work, ``_search/`` and ``_gradient/``. ``reference/`` defines their answers in plain NumPy;
``_kernels.pyx``, ``_loops/`` and ``_simd/`` are the compiled code that computes them. Everything else loads data
(``datasets/``), chooses settings (``model_selection/``, ``protocols/``), saves models (``persistence.py``), distributes the
work (``dask/``) or shows results (``display/``, ``cli/``).

::

    datasets.load ──> X, y ──> KNeighborsClassifier ──> _search.plan ──> _kernels.search_* ──> _simd tiles, _loops heaps
                         └───> SoftmaxClassifier ──> _gradient.problem ──> _gradient.loops ──> _gradient.losses
                               MulticlassSVM   └──> gradcheck compares it with the numerical gradient

ARCHITECTURE.md follows one search and one gradient through the packages; CONTRIBUTING.md shows how to add to them.
The other files here: ``onnx.py`` (export), ``simd.py`` (instruction sets), the registries ``metrics.py``,
``losses.py`` and ``penalties.py``, ``_config.py`` (`show_config`), ``_version.py``, ``__main__.py`` (``python -m fastcls``),
and the packages ``_runtime/`` (threads, memory), ``_storage/`` (files), ``_scoring/`` (votes, accuracy, tables),
``_sampling/`` (held-out rows), ``_validation/`` (checks of input), ``optim/`` (solvers), ``gradcheck/``,
``course/`` (a learner's code checked) and ``demo/``.
"""

import ast as _ast
import os as _os
import sys as _sys
from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from pathlib import Path as _Path

from ._version import __version__  # noqa: F401

if _find_spec("fastcls._kernels") is None:
    raise ImportError(
        "fastcls was imported from its source folder, where its core is not compiled: install it (pip install .) and "
        "run Python from another folder"
    )

_import_module("fastcls._runtime.openmp").load()
if _os.environ.get("FASTCLS_ISA"):
    try:
        _import_module("fastcls.simd")  # uses this instruction set, or refuses it
    except ValueError as error:
        # `fastcls` and `python -m fastcls` import this module before the command could catch the error
        if _Path(_sys.argv[0]).stem != "fastcls" and _sys.orig_argv[1:3] not in (["-m", "fastcls"], ["-m", "fastcls.cli"]):
            raise
        print(f"fastcls: {error}", file=_sys.stderr)
        raise SystemExit(2) from None


def _public_names() -> dict[str, str]:
    """Map each public name to its module, as listed in ``__init__.pyi``; a public module maps to itself."""
    stub = _Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    return {
        name.name: node.module or name.name
        for node in _ast.parse(stub).body
        if isinstance(node, _ast.ImportFrom)
        for name in node.names
    }


# Names are imported on first use: scikit-learn and SciPy take a second. `fastcls --help` is done sooner, and a command must
# handle Ctrl-C during that second too.
_MODULES = _public_names()
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        close = None if name.startswith("_") else _import_module("fastcls._validation.messages").meant(name, __all__)
        hint = "" if close is None else f"; did you mean {close!r}?"
        raise AttributeError(f"module 'fastcls' has no attribute {name!r}{hint}")
    module = _import_module(f"fastcls.{_MODULES[name]}")
    found = module if _MODULES[name] == name else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
