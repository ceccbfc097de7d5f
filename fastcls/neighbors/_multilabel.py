"""Several labels per row: what `KNeighborsClassifier` keeps of them in place of class codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._storage.safetensors import Arrays, expect
from fastcls._validation.errors import InputError
from fastcls._validation.label_matrix import check_label_matrix, check_same_labels, has_columns
from fastcls._validation.row_weights import check_sample_weight, or_ones


def label_columns(y: Any, n_rows: int, sample_weight: Any, class_weight: Any) -> dict[str, Any]:
    """Fitted attributes of a first fit on labels of shape (n_rows, n_labels)."""
    _refuse_class_weight(class_weight)
    labels, dtype = check_label_matrix(y, n_rows)
    return _fitted(labels, dtype, check_sample_weight(sample_weight, n_rows))


def more_label_columns(
    model: Any, y: Any, n_rows: int, sample_weight: Any, classes: Any, class_weight: Any
) -> dict[str, Any]:
    """Fitted attributes of a partial_fit: `n_rows` rows of labels after those of the model, which may be unfitted."""
    _refuse_class_weight(class_weight)
    if classes is not None:
        raise InputError("classes is given with several labels per row, whose values are 0 and 1: leave classes out")
    known = getattr(model, "_codes", None)
    if known is not None and has_columns(y) != (known.ndim == 2):
        one, several = "one label per row", "several labels per row"
        before, now = (several, one) if known.ndim == 2 else (one, several)
        raise InputError(f"y has {now}, but earlier calls had {before}: give labels of the same kind, or call fit")
    labels, dtype = check_label_matrix(y, n_rows)
    given = check_sample_weight(sample_weight, n_rows, may_be_zero=True)
    if known is None:
        return _fitted(labels, dtype, given)
    check_same_labels(labels, known.shape[1])
    before = model._sample_weight
    if len(given) or len(before):
        given = np.concatenate([or_ones(before, len(known)), or_ones(given, n_rows)])
    return _fitted(np.concatenate([known, labels]), model.classes_.dtype, given)


def saved_label_columns(arrays: Arrays, n_rows: int, values: np.ndarray, weights: Any) -> dict[str, Any]:
    """Fitted attributes of a model in a file; `values` are 0 and 1 in the type of the fit.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    labels = np.array(expect(arrays, "codes", (n_rows, None), ("uint8",)))
    if not labels.shape[1] or labels.max() > 1 or values.dtype.kind not in "biuf" or values.tolist() != [0, 1]:
        raise ValueError("labels are not 0 and 1")
    return _fitted(labels, values.dtype, check_sample_weight(weights, n_rows, may_be_zero=True))


def _fitted(labels: np.ndarray, dtype: np.dtype, given: np.ndarray) -> dict[str, Any]:
    return {
        # an array, as cross_val_predict expects; of this shape, because scikit-learn's scorers read the kind of y off it
        "classes_": np.tile(np.array([0, 1], dtype=dtype), (labels.shape[1], 1)),
        "outputs_2d_": True,
        "_codes": labels,
        "_sample_weight": given,
        "_row_weights": given if len(given) else None,
    }


def _refuse_class_weight(class_weight: Any) -> None:
    if class_weight is not None:
        raise InputError(
            f"class_weight={class_weight!r} with several labels per row, which have no single class: leave class_weight "
            "out, or weight the rows by sample_weight"
        )
