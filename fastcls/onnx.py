"""Export of linear models as ONNX graphs, for programs without Python (needs the extra ``onnx``).

The graph takes the same rows as the model, for example raw pixels, and consists of six standard operators::

    X --Cast--> float64 --Gemm: W x + b--> scores --ArgMax--> --Gather: classes--> label
                                             └----Softmax--> probabilities

It computes in float64, as `predict` does: the terms of raw pixels cancel, and in float32 the error of a sum over 3,072 of
them exceeds 1e-6.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastcls._runtime.fitted_state import frozen
from fastcls._storage.atomic import replacing
from fastcls._storage.header import plain
from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind
from fastcls._version import __version__
from fastcls.linear import MulticlassSVM, SoftmaxClassifier

__all__ = ["export", "to_onnx"]

#: Types of rows that a graph may take.
DTYPES = ("uint8", "int8", "float16", "float32", "float64")

# ArgMax takes the first of equal scores in any opset, as `predict` does; Softmax works along one axis from opset 13 on.
# Old runtimes read only old versions, so this is the oldest that works.
_OPSET, _IR_VERSION = 13, 7


def export(
    model: Any, path: str | os.PathLike[str], *, dtype: str = "float32", metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a fitted linear model to an ONNX file: whole, or not at all.

    Parameters
    ----------
    model : MulticlassSVM or SoftmaxClassifier
    path : str or path
        An existing file is replaced only after the new one is complete on disk.
    dtype : {"uint8", "int8", "float16", "float32", "float64"}
        Type of the graph's input rows, which ONNX fixes. Values are not rescaled: a model trained on pixels of 0 to 255
        needs such pixels, in any type.
    metadata : dict, optional
        Written into the file as JSON, one property for each key. By default the ``metadata_`` of a loaded model: image
        preprocessing, class names, image shape.

    Raises
    ------
    InputError
        For a model that is not linear, classes without an ONNX type, metadata that is not JSON-serializable, a path that
        cannot be written, or if onnx is not installed.
    sklearn.exceptions.NotFittedError
        Before fit.

    Notes
    -----
    The input ``X`` has shape (n_samples, n_features). The outputs are ``label`` (n_samples,), as from `predict`; ``scores``,
    float64 (n_samples, n_classes), or (n_samples,) for two classes, as from `decision_function`; and for a softmax
    classifier ``probabilities``, float64 (n_samples, n_classes), as from `predict_proba`. The graph does not check rows: NaN
    gives NaN.

    Examples
    --------
    >>> fastcls.onnx.export(fastcls.load("softmax.safetensors"), "softmax.onnx", dtype="uint8")  # doctest: +SKIP
    """
    made = to_onnx(model, dtype=dtype, metadata=metadata)
    with replacing(path, "the ONNX model") as new_file:
        new_file.write_bytes(made.SerializeToString())


def to_onnx(model: Any, *, dtype: str = "float32", metadata: Mapping[str, Any] | None = None) -> Any:
    """Make the graph in memory, without writing a file.

    Parameters
    ----------
    model : MulticlassSVM or SoftmaxClassifier
    dtype : {"uint8", "int8", "float16", "float32", "float64"}
        Type of the graph's input rows; see `export`.
    metadata : dict, optional
        As for `export`.

    Returns
    -------
    onnx.ModelProto
        Checked by ``onnx.checker``. The inputs and outputs are those that `export` describes.

    Raises
    ------
    InputError
        For a model that is not linear, an unknown dtype, classes without an ONNX type, metadata that is not
        JSON-serializable, or if onnx is not installed.
    sklearn.exceptions.NotFittedError
        Before fit.
    """
    _check_model(model)
    model = frozen(model)
    one_of("dtype", dtype, DTYPES)
    labels = _labels(model.classes_)
    properties = _properties(model, getattr(model, "metadata_", {}) if metadata is None else metadata)
    helper, numpy_helper, checker = _onnx()
    n_classes, n_features = model.coef_.shape
    type_of = helper.np_dtype_to_tensor_dtype
    double, label_type = type_of(np.dtype(np.float64)), type_of(labels.dtype)
    constants = {"W": model.coef_.astype(np.float64), "b": model.intercept_.astype(np.float64), "classes": labels}
    node = helper.make_node
    nodes = [
        node("Cast", ["X"], ["wide"], to=double),
        node("Gemm", ["wide", "W", "b"], ["all_scores"], transB=1),
        node("ArgMax", ["all_scores"], ["winner"], axis=1, keepdims=0),
        node("Gather", ["classes", "winner"], ["label"]),
    ]
    if n_classes == 2:
        constants |= {"first": np.array(0), "second": np.array(1)}
        nodes += [node("Gather", ["all_scores", name], [f"of_{name}"], axis=1) for name in ("first", "second")]
        nodes.append(node("Sub", ["of_second", "of_first"], ["scores"]))
    else:
        nodes.append(node("Identity", ["all_scores"], ["scores"]))
    value = helper.make_tensor_value_info
    outputs = [value("label", label_type, ["n_samples"])]
    outputs.append(value("scores", double, ["n_samples", n_classes][: 1 if n_classes == 2 else 2]))
    if isinstance(model, SoftmaxClassifier):
        nodes.append(node("Softmax", ["all_scores"], ["probabilities"], axis=1))
        outputs.append(value("probabilities", double, ["n_samples", n_classes]))
    graph = helper.make_graph(
        nodes,
        type(model).__name__,
        [value("X", type_of(np.dtype(dtype)), ["n_samples", n_features])],
        outputs,
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(
        graph,
        producer_name="fastcls",
        producer_version=__version__,
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    helper.set_model_props(made, properties)
    checker.check_model(made, full_check=True)
    return made


def _onnx() -> tuple[Any, Any, Any]:
    try:
        from onnx import checker, helper, numpy_helper
    except ImportError:
        raise InputError("ONNX export needs onnx, which is not installed; pip install 'fastcls[onnx]'") from None
    return helper, numpy_helper, checker


def _check_model(model: Any) -> None:
    if type(model) in (MulticlassSVM, SoftmaxClassifier):
        check_is_fitted(model, "coef_")
        return
    name = type(model).__name__
    if hasattr(model, "best_estimator_") and hasattr(model.best_estimator_, "coef_"):
        what_to_do = "export its best_estimator_"
    elif hasattr(model, "steps"):
        what_to_do = "export its last step, and apply the earlier steps separately"
    elif hasattr(model, "kneighbors"):
        what_to_do = "ONNX has no exact search: keep it with save(path), or train one of these on the same rows"
    else:
        what_to_do = "give one of these"
    raise InputError(f"{name} has no ONNX export; MulticlassSVM and SoftmaxClassifier have: {what_to_do}")


def _labels(classes: np.ndarray) -> np.ndarray:
    """Classes in an ONNX type: int64 for all integers, UTF-8 strings for all names."""
    kind, values = classes.dtype.kind, classes.tolist()
    if kind in "OU" and all(isinstance(label, str) and label.encode(errors="ignore").decode() == label for label in values):
        return np.array(values, dtype=object)
    if kind in "iu" and values[0] >= -(2**63) and values[-1] < 2**63:
        return classes.astype(np.int64)
    if kind in "bf" and classes.itemsize <= 8:
        return classes
    raise InputError(
        f"classes_ has dtype {classes.dtype} with labels that ONNX has no type for; wanted integers of 64 bits, "
        "floats of at most 64 bits, True and False, or Unicode strings: fit with other class labels"
    )


def _properties(model: Any, metadata: Any) -> dict[str, str]:
    """Properties of the file, in addition to the graph; every value is JSON."""
    if not isinstance(metadata, Mapping):
        raise InputError(f"metadata is {kind(metadata)}; wanted a dict of JSON-able values")
    names = getattr(model, "feature_names_in_", None)
    known = {
        "format": "fastcls",
        "class": type(model).__name__,
        "classes": model.classes_.tolist(),
        "features": None if names is None else [str(name) for name in names],
    }
    taken = sorted(set(metadata) & set(known), key=str)
    if taken:
        raise InputError(f"metadata has the key {taken[0]!r}, which the file format reserves; rename the key")
    values = known | plain(metadata, "metadata")
    return {key: json.dumps(value, allow_nan=False) for key, value in values.items()}
