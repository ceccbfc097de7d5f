"""Checks of user input for the displays."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcls._validation.base import check_number, refuse_masked, refuse_missing
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls._validation.rows import check_finite
from fastcls._validation.types import as_numbers, is_numeric


def as_table(values: Any, name: str, columns: str = "n_features") -> np.ndarray:
    """A two-dimensional array of numbers, not empty; a memory map is not read. bfloat16 becomes float32."""
    refuse_masked(values, name)
    try:
        table = np.asarray(values)
    except ValueError:
        raise InputError(f"{name} has rows of different lengths; wanted shape (n_rows, {columns})") from None
    if table.ndim != 2 or 0 in table.shape or not is_numeric(table.dtype):
        raise InputError(
            f"{name} has shape {table.shape} and type {table.dtype}; wanted numbers (n_rows, {columns}), at least one row"
        )
    return as_numbers(table)


def as_line(values: Any, name: str, n: int | None = None) -> np.ndarray:
    """A one-dimensional array of finite numbers, at least one; exactly n, if given."""
    refuse_masked(values, name)
    try:
        line = np.asarray(values)
    except ValueError:
        raise InputError(f"{name} is not a flat list of numbers; wanted one dimension") from None
    if line.ndim != 1 or not len(line) or line.dtype.kind not in "biuf" or (n is not None and len(line) != n):
        wanted = "at least one number" if n is None else counted(n, "number")
        raise InputError(f"{name} has shape {line.shape} and type {line.dtype}; wanted {wanted} in one dimension")
    check_finite(line[:, None], name)
    return line


def as_labels(labels: Any, n: int, name: str = "y", of: str = "rows of X") -> np.ndarray:
    """One label for each row."""
    refuse_masked(labels, name)
    found = np.asarray(labels)
    if found.shape != (n,):
        raise InputError(f"{name} has shape {found.shape} for {n} {of}; wanted one label each")
    refuse_missing(found, name)
    return found


def check_named_codes(codes: np.ndarray, class_names: Sequence[Any]) -> np.ndarray:
    """Codes as indices of `class_names`, int64."""
    n = len(class_names)
    if codes.dtype.kind not in "iub":
        raise InputError(
            f"labels are {codes.dtype}, but class_names needs codes: give whole numbers from 0 to {n - 1}, or omit "
            "class_names"
        )
    if codes.size and not 0 <= codes.min() <= codes.max() < n:
        raise InputError(
            f"labels are {codes.min()} to {codes.max()} and class_names has {counted(n, 'name')}; wanted codes from 0 to "
            f"{n - 1}, or a name for every code"
        )
    return codes.astype(np.int64)


def check_names(names: Any, n: int, name: str = "class_names") -> list[str]:
    """Exactly n names."""
    found = [names] if isinstance(names, (str, bytes)) or not hasattr(names, "__len__") else list(names)
    if len(found) != n or isinstance(names, (str, bytes)):
        raise InputError(f"{name} holds {counted(len(found), 'name')}; wanted a list of {n}")
    return [str(one) for one in found]


def codes_of(labels: Any, classes: Any, n: int) -> np.ndarray:
    """The code of each label among an estimator's classes, int64 (n,)."""
    found, known = as_labels(labels, n), np.asarray(classes)
    code = {label: at for at, label in enumerate(known.tolist())}
    unknown = [label for label in found.tolist() if label not in code]
    if unknown:
        raise InputError(
            f"y holds the label {unknown[0]!r}, which the estimator does not know; its classes are {known[:10].tolist()}"
        )
    return np.array([code[label] for label in found.tolist()], dtype=np.int64)


def check_places(indices: Any, distances: Any, n_queries: int, n_rows: int) -> np.ndarray:
    """Valid indices of training rows, in the shape of the distances."""
    refuse_masked(indices, "indices")
    refuse_masked(distances, "distances")
    found, shape = np.asarray(indices), np.shape(distances)
    fits = found.ndim == 2 and 0 not in found.shape and found.shape == shape and len(found) == n_queries
    if not fits or found.dtype.kind not in "iu":
        raise InputError(
            f"distances has shape {shape} and indices {found.shape} ({found.dtype}); wanted shape "
            f"({n_queries}, n_neighbors) for both and whole numbers as indices"
        )
    if found.min() < 0 or found.max() >= n_rows:
        raise InputError(
            f"indices holds {found.min()} to {found.max()}, but X_train has rows 0 to {n_rows - 1}: give the X_train that "
            "was searched"
        )
    return found


def check_can(estimator: Any, *wanted: str) -> None:
    """Refuse an estimator without one of these attributes."""
    for name in wanted:
        if not hasattr(estimator, name):
            raise InputError(f"{type(estimator).__name__} has no {name}; wanted a fitted estimator that has it")
    if "classes_" in wanted and np.ndim(estimator.classes_) == 2:
        raise InputError(f"{type(estimator).__name__} has several labels per row; wanted one: fit it on y[:, column]")


def check_alphas(alphas: Any) -> np.ndarray:
    """Penalty strengths of at least 0, as float64."""
    values = as_line(alphas, "alphas").astype(np.float64)
    if values.min() < 0:
        raise InputError(f"alphas holds {values.min():g}; wanted numbers of at least 0")
    return values


def check_mapping(given: Any, name: str, what: str) -> dict[str, Any]:
    """A mapping with at least one entry."""
    if not isinstance(given, Mapping) or not given:
        empty = " without entries" if isinstance(given, Mapping) else ""
        raise InputError(f"{name} is {type(given).__name__}{empty}; wanted a dict of {what}, at least one")
    return dict(given)


def check_shift(shift: Any, width: int) -> int:
    """A number of pixels from 1 to the image's width - 1."""
    by = int(check_number("shift", shift, minimum=1, whole=True))
    if by >= width:
        raise InputError(f"shift={by}, but the image is {width} pixels wide; wanted a smaller shift")
    return by


def check_extent(extent: Any) -> tuple[float, float, float, float]:
    """The edges of a rectangle with an area."""
    edges = tuple(float(edge) for edge in as_line(extent, "extent", 4))
    if not (edges[1] > edges[0] and edges[3] > edges[2]):
        raise InputError(f"extent is {edges}; wanted (left, right, bottom, top) with left < right and bottom < top")
    return edges  # type: ignore[return-value]


def check_image_shape(image_shape: Sequence[int] | None, n_features: int | None = None) -> tuple[int, int, int]:
    """The image shape (height, width, channels), if rows with this number of features can be drawn in it.

    Parameters
    ----------
    image_shape : sequence of three int, or None
        In pixels; one channel is grey, three are RGB.
    n_features : int, optional
        Width of the rows; None: not compared.

    Raises
    ------
    InputError
        If there is no image shape, if it has other than one or three channels, or if it does not match the rows.
    """
    if image_shape is None:
        raise InputError(
            "this figure shows images, but the data has no image shape: "
            "give image_shape=(height, width, channels) if its rows are images"
        )
    try:
        shape = tuple(operator.index(n) for n in image_shape)
    except TypeError:
        raise InputError(f"image_shape is {image_shape!r}; wanted three whole numbers (height, width, channels)") from None
    if len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1:
        raise InputError(f"image_shape is {shape}; wanted (height, width, 1) or (height, width, 3)")
    if n_features is not None and shape[0] * shape[1] * shape[2] != n_features:
        wanted = shape[0] * shape[1] * shape[2]
        raise InputError(f"image_shape={shape} needs rows of {counted(wanted, 'feature')}, but these have {n_features:,}")
    return shape
