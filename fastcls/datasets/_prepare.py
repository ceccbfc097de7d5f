"""Turn new images, one or many, into rows as the training images were: paths, bytes, opened images or pixels."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind, quoted
from fastcls.datasets._common import note
from fastcls.datasets._image import ImageLike, checked_recipe, prepare


def prepare_images(images: Any, preprocessing: dict[str, Any]) -> np.ndarray:
    """Prepare new images exactly as the training images were.

    Parameters
    ----------
    images : image, or sequence of images
        Each image is a path, the bytes of an image file, such a file opened in binary mode, a PIL image, or pixels as
        ``prepare_image`` takes them. An array (n, h, w) or (n, h, w, c) is n images; an array (h, w) or (h, w, c) with 1, 3
        or 4 channels is one image.
    preprocessing : dict
        ``Dataset.preprocessing`` of the training data, as stored in ``results.json`` and in saved models.

    Returns
    -------
    ndarray of shape (n_images, n_features), uint8

    Raises
    ------
    InputError
        If there is no recipe, images cannot be read (they are counted, and the first are named), or an array can be read in
        two ways.
    """
    mode, (h, w), _ = checked_recipe(preprocessing)
    found = images_in(images, preprocessing)
    if found is None and isinstance(images, np.ndarray) and images.ndim == 2 and images.dtype.kind in "biuf":
        found = [images]  # one grey image: rows are not expected here
    if found is None:
        empty = "an empty list" if isinstance(images, (list, tuple)) and not images else kind(images)
        raise InputError(f"images is {empty}: give paths, bytes, PIL images, or arrays of pixels (height, width, channels)")
    rows = np.empty((len(found), h * w * (1 if mode == "L" else 3)), dtype=np.uint8)
    refused = []
    for i, image in enumerate(found):
        try:
            rows[i] = _row(image, preprocessing)
        except InputError as error:
            refused.append(f"image {i}: {error}" if len(found) > 1 else str(error))
    if refused:
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        count = f"{len(refused):,} of {len(found):,} images cannot be read: " if len(found) > 1 else ""
        raise InputError(f"{count}{'; '.join(refused[:3])}{more}")
    if any(isinstance(image, np.ndarray) and image.dtype.kind == "f" and image.max() <= 1 for image in found):
        note("pixels given as floats from 0 to 1 were multiplied by 255", level=logging.INFO)
    return rows


def images_in(X: Any, preprocessing: dict[str, Any]) -> list[ImageLike] | None:
    """The images in `X`, or None if `X` is rows or of unknown kind.

    A two-dimensional array is rows, unless it has the height and width of the training images.

    Raises
    ------
    InputError
        If an array can be read in two ways, or a list mixes images with other objects.
    """
    if _is_image(X):
        return [X]
    if isinstance(X, np.ndarray) and X.dtype.kind in "biuf":
        return _images_of_array(X, preprocessing)
    if isinstance(X, np.ndarray) or hasattr(X, "to_numpy"):  # paths in an array or a pandas Series
        X = np.asarray(X, dtype=object)
        if X.ndim > 2 and (numbers := np.array(X.tolist())).dtype.kind in "biuf":  # images of one size, kept as objects
            return _images_of_array(numbers, preprocessing)
        X = X.tolist() if X.ndim == 1 else None
    if not isinstance(X, (list, tuple)) or not X:
        return None
    pictures = [_is_image(item) or (isinstance(item, np.ndarray) and item.ndim > 1) for item in X]
    if not any(pictures):
        return None
    if not all(pictures):
        at = pictures.index(False)
        raise InputError(
            f"a list of images has {kind(X[at])} at index {at}: give only paths, bytes, PIL images or arrays of pixels "
            "(height, width, channels)"
        )
    return list(X)


def _is_image(item: Any) -> bool:
    if isinstance(item, (str, os.PathLike, bytes, bytearray, memoryview)):
        return True
    if callable(getattr(item, "read", None)) and callable(getattr(item, "seekable", None)):
        return True
    return type(item).__module__.startswith("PIL.") and hasattr(item, "getexif")


def _images_of_array(X: np.ndarray, preprocessing: dict[str, Any]) -> list[ImageLike] | None:
    mode, size, _ = checked_recipe(preprocessing)
    if X.ndim == 2:
        return [X] if X.shape == size else None
    if X.ndim == 3 and X.shape[1:] == size and (mode == "L" or X.shape[2] not in (1, 3, 4)) and X.shape[0] not in (3, 4):
        return list(X)
    if X.ndim == 3 and X.shape[2] in (1, 3, 4):
        return [X]
    if X.ndim == 3 and X.shape[0] in (1, 3, 4) and not (mode == "L" and X.shape[1:] == size):
        raise InputError(
            f"an array of shape {X.shape} can be one image (channels, height, width) or {X.shape[0]} grey images: give "
            "(height, width, channels), or a list of images"
        )
    if X.ndim == 3:
        return list(X)
    if X.ndim == 4 and X.shape[3] not in (1, 3, 4) and X.shape[1] in (1, 3, 4):
        return list(X.transpose(0, 2, 3, 1))
    return list(X) if X.ndim == 4 else None


def _described(X: Any) -> str:
    if isinstance(X, (list, tuple)):
        return f"a list that begins with {_described(X[0])}"
    return f"the path {quoted(X)}" if isinstance(X, (str, os.PathLike)) else f"an image ({type(X).__name__})"


def _row(image: ImageLike, preprocessing: dict[str, Any]) -> np.ndarray:
    mode, size, white = checked_recipe(preprocessing)
    if white != 255 and isinstance(image, np.ndarray) and image.dtype.kind in "iuf":
        # integers up to `white`, in the shape of the training images, already have their scale
        shape = image.shape[:2] if image.ndim == 3 and image.shape[2] == 1 else image.shape
        whole = image.dtype.kind != "f" or (image.max() > 1 and bool((image == np.floor(image)).all()))
        if mode == "L" and shape == size and whole and image.min() >= 0 and image.max() <= white:
            return image.astype(np.uint8).reshape(-1)
    return prepare(image, preprocessing)[0]


def images_or_nothing(X: Any, preprocessing: Any, n_features: int) -> np.ndarray | None:
    """The rows of the images in `X`, for a model of `n_features` with a recipe; None if `X` is rows.

    Raises
    ------
    InputError
        Also for images if the model has no recipe.
    """
    if not isinstance(preprocessing, dict) or preprocessing.get("kind") != "image":
        first = X[0] if isinstance(X, (list, tuple)) and len(X) else X
        if _is_image(first):
            raise InputError(
                f"X is {_described(X)}, but this model has no preprocessing of images and takes rows of "
                f"{counted(n_features, 'feature')}: give an array, or a model that was trained with fastcls run"
            )
        return None
    if isinstance(X, (list, tuple)) and not X:
        raise InputError("X is an empty list: give at least one image or row")
    mode, (h, w), _ = checked_recipe(preprocessing)
    if h * w * (1 if mode == "L" else 3) != n_features:
        return None
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "biuf" and X.shape != (h, w):
        raise InputError(
            f"X has shape {X.shape}, rows of {X.shape[1]:,} features, but the model has {n_features:,}: if X is one grey "
            "image, give it in a list, [X]"
        )
    return None if images_in(X, preprocessing) is None else prepare_images(X, preprocessing)
