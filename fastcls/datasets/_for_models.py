"""Let models that have a recipe take images in place of rows, and predict class names.

`fastcls.load` restores the metadata of a model as ``metadata_``; ``fastcls run`` saves there the recipe that turns an image
into a row, the class names and the largest training value. Rows with the model's number of features are never images.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from fastcls._sampling.evenly import evenly_spaced
from fastcls._validation.messages import counted, quoted_list
from fastcls._validation.types import is_numeric, largest_magnitude

F = TypeVar("F", bound=Callable[..., Any])

#: rows that the scale of an array is estimated from
_SCALE_ROWS = 256

#: images are dark or bright if their mean is at most this share of white, or of black
_DARK = 0.4

#: a scale differs if the largest value is at least this many times larger or smaller
_SCALE_RATIO = 8


class ScaleWarning(UserWarning):
    """Rows whose scale differs much from that of the training rows."""


def takes_images(method: F) -> F:
    """Decorate a method whose first argument is rows: it takes images as well."""
    return _with_images(method, named=False)


def names_images(method: F) -> F:
    """Decorate `predict`: it takes images as well, and returns class names for them. For rows it returns the labels."""
    return _with_images(method, named=True)


def _with_images(method: F, *, named: bool) -> F:
    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **options: Any) -> Any:
        metadata = getattr(self, "metadata_", None) or {}
        X = args[0] if args else options.get("X")
        n_features = getattr(self, "n_features_in_", None)
        if X is None or n_features is None:
            return method(self, *args, **options)
        is_rows = isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == n_features and is_numeric(X.dtype)
        rows = None
        if is_rows:
            if text := scale_note(X, metadata, "X"):
                warnings.warn(text, ScaleWarning, stacklevel=2)
        elif "preprocessing" in metadata or not getattr(self, "_reads_files_of_rows", False):
            from ._prepare import images_or_nothing  # late, because few programs give images

            rows = images_or_nothing(X, metadata.get("preprocessing"), n_features)
            if rows is not None and (text := polarity_note(rows, metadata)):
                warnings.warn(text, UserWarning, stacklevel=2)
        if rows is None:
            return method(self, *args, **options)
        found = method(self, rows, *args[1:], **{name: value for name, value in options.items() if name != "X"})
        if not named or np.ndim(self.classes_) == 2:  # several labels per row have no single name
            return found
        return np.array(class_names(self))[np.searchsorted(self.classes_, found)]

    return wrapped  # type: ignore[return-value]


def class_names(model: Any) -> list[str]:
    """The name of each of ``model.classes_``: that of the data set, or the label itself if the model has no names."""
    known = (getattr(model, "metadata_", None) or {}).get("class_names")
    if not known:
        return [str(label) for label in model.classes_]
    codes = np.asarray(model.classes_)
    if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= len(known):
        return [str(label) for label in model.classes_]
    return [str(known[code]) for code in codes]


def scale_note(X: np.ndarray, metadata: dict[str, Any], what: str) -> str | None:
    """One line if the scale of the rows differs much from that of the training rows; else None."""
    trained = _largest_trained(metadata)
    if not trained or not len(X):
        return None
    given = largest_magnitude(X[evenly_spaced(len(X), _SCALE_ROWS)])
    if not given or not np.isfinite(given) or 1 / _SCALE_RATIO < given / trained < _SCALE_RATIO:
        return None
    return (
        f"the largest value of {what} is {given:.4g}, that of the model's training rows {trained:.4g}: if their scales "
        "differ, scale the rows as the training rows were"
    )


def polarity_note(rows: np.ndarray, metadata: dict[str, Any], names: Sequence[object] | None = None) -> str | None:
    """One line if images, as rows, are bright and the training images dark, or the other way round; else None.

    All images are compared by their common mean. Some of them are also compared one by one, if the model knows the means of
    its training images: an image that is as bright as one of these is never counted. `names` are those of the images.
    """
    mean, white = _number(metadata, "mean_value"), _number(metadata.get("preprocessing"), "white")
    if mean is None or not white or not len(rows):
        return None
    means = rows.mean(axis=1, dtype=np.float64) / white
    trained, given = mean / white, float(means.mean())
    lowest, highest = _number(metadata, "lowest_mean"), _number(metadata, "highest_mean")
    if lowest is not None and highest is not None:
        found = np.flatnonzero(_opposite(trained, means) & ((means < lowest / white) | (means > highest / white)))
        if 0 < len(found) < len(rows):
            is_bright = trained < 0.5
            shown = quoted_list([f"image {at}" if names is None else names[at] for at in found.tolist()], 3)
            return (
                f"{len(found):,} of {counted(len(rows), 'image')} {'is' if len(found) == 1 else 'are'} "
                f"{'bright' if is_bright else 'dark'} and the model's training images {'dark' if is_bright else 'bright'} "
                f"({trained:.0%} of white): {shown}: if dark and bright are exchanged, invert "
                f"{'it' if len(found) == 1 else 'them'}"
            )
    if not _opposite(trained, given):
        return None
    return (
        f"the mean of the images is {given:.0%} of white, that of the model's training images {trained:.0%}: if dark and "
        "bright are exchanged, invert the images"
    )


def _opposite(trained: float, given: Any) -> Any:
    """Whether means, as shares of white, are bright and that of the training images is dark, or the other way round."""
    return ((trained <= _DARK) & (given >= 1 - _DARK)) | ((trained >= 1 - _DARK) & (given <= _DARK))


def _largest_trained(metadata: dict[str, Any]) -> float | None:
    """The largest absolute value among the training rows; None if it is unknown."""
    known = _number(metadata, "largest_value")
    return _number(metadata.get("preprocessing"), "white") if known is None else known


def _number(values: Any, key: str) -> float | None:
    """A finite number of a model's metadata, or None."""
    known = values.get(key) if isinstance(values, dict) else None
    if not isinstance(known, (int, float)) or isinstance(known, bool) or not np.isfinite(known):
        return None
    return float(known)
