"""From arrays of any file to a data set: which of them are rows and labels, and how they become a `Dataset`."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls._validation.rows import check_finite
from fastcls._validation.types import is_floating
from fastcls.datasets._common import existing_path, name_of, no_such_name, note, note_left_out, path_and_name, without_file
from fastcls.datasets._dataset import Dataset, checked_image_shape
from fastcls.datasets._doubtful_features import note_doubtful
from fastcls.datasets._image import recipe_for
from fastcls.datasets._labels import encode_labels, plain_labels, to_common_dtype
from fastcls.datasets._row_ids import NamedRows, are_kept, check_same_rows, keep, kept_row_ids, row_ids
from fastcls.datasets._row_names import tells_rows_apart

#: words that name rows and labels, the preferred one first
ROWS = ("x", "features", "feature", "feats", "embeddings", "embedding", "embs", "emb", "images", "image", "vectors", "data")
LABELS = ("y", "labels", "label", "targets", "target")
NAME = re.compile(
    rf"(?:(train|test)(?:ing)?[_./ -]?)?(?:({'|'.join(ROWS)})|({'|'.join(LABELS)}))(?:[_./ -]?(train|test)(?:ing)?)?"
)
_MOST_OTHERS = 8  # arrays that may name rows
_WANTED = "name them X, y or X_train, y_train, X_test, y_test (or features, labels, ...)"


#: in place of labels: rows to predict have none, and get the class 0
UNLABELLED = object()


class NoLabelsError(InputError):
    """The data has no labels, and none were given."""


class UnknownLabelsError(InputError):
    """The labels that are given are neither a file nor a name in the data."""


class ArrayNames(NamedTuple):
    """The names of the arrays of a data set in a file; None for those that it does not have."""

    X: str | None
    y: str | None
    X_test: str | None
    y_test: str | None


_CALLED = ("X", "y", "X_test", "y_test")


def array_names(there: Collection[str]) -> ArrayNames:
    """Find the arrays of a data set by their names: ``X``, ``x_train``, ``train_images``, ``test/labels`` and the like."""
    found: dict[tuple[bool, bool], list[tuple[bool, int, str]]] = {}
    for name in there:
        match = NAME.fullmatch(name.lower())
        if match is None or (match[1] and match[4]):
            continue
        part, word = match[1] or match[4], match[2] or match[3]
        rank = (part == "train", (ROWS if match[2] else LABELS).index(word), name)
        found.setdefault((part == "test", match[2] is not None), []).append(rank)
    best = {role: min(names)[2] for role, names in found.items()}
    return ArrayNames(*(best.get(role) for role in ((False, True), (False, False), (True, True), (True, False))))


def has_own_labels(labels: Any, there: Collection[str]) -> bool:
    """Tell whether the labels are those of the file: none are given, or the name of one of its arrays."""
    return labels is None or (isinstance(labels, str) and labels in there)


def names_among(
    there: Mapping[str, int] | Collection[str], file: Any, labels: Any, kind: str = "arrays", features: str | None = None
) -> ArrayNames:
    """The names of a file's arrays; `labels` and `features` may be two. Both test arrays may be missing, but not one.

    If `labels` is given, the only other array is X, whatever its name; of several, the only one with two dimensions or more
    (if `there` has their numbers).
    """
    names = array_names(there)
    if features is not None:
        if features not in there:
            raise no_such_name(quoted(file), features, there, kind.removesuffix("s"))
        names = _with_features(names, features, there)
    if labels is UNLABELLED:  # the rows alone, or those of the test set
        names = names._replace(X=names.X or names.X_test, y=None, X_test=names.X_test if names.X else None, y_test=None)
    if labels is not None and has_own_labels(labels, there):
        names = names._replace(y=labels, X=None if labels == names.X else names.X)
    if names.X is None and labels is not None:
        known = (names.y, names.X_test, names.y_test, "class_names", "image_shape")
        wide = [name for name in there if name not in known and (not isinstance(there, Mapping) or there[name] > 1)]
        names = names._replace(X=wide[0] if len(wide) == 1 else None)
        if not wide and names.y_test is None:  # the only rows are called X_test
            names = names._replace(X=names.X_test, X_test=None)
    if names.X is None:
        several = len(there) > 1 and labels is not UNLABELLED
        said = f"{quoted(file)} has the {kind} {quoted_list(there) or 'none'}: {_WANTED}"
        said += ", or choose the rows with features=" if several else ""
        raise NoLabelsError(f"{said}, or give labels=") if names.y is None and labels is None else InputError(said)
    if names.y is None and labels is None:
        listed = quoted_list(sorted(there, key=lambda key: key in names or tells_rows_apart(key, is_text=True)))
        raise NoLabelsError(
            f"{quoted(file)} has the {kind} {listed}, but no labels: add them with the name y, or give labels="
            f"{', or the name of one' if len(there) > 1 else ''}"
        )
    if labels is not UNLABELLED and (names.X_test is None) != (names.y_test is None):
        X_test, y_test = names.X_test or "X_test", names.y_test or "y_test"
        raise InputError(f"{quoted(file)} has only one of {X_test} and {y_test}: add the other, or remove it")
    return names


def _with_features(names: ArrayNames, features: str, there: Collection[str]) -> ArrayNames:
    """The names with other features, whose test rows are those of the same name with ``test`` in it; without them, none."""
    if features == names.X:
        return names
    y = None if features == names.y else names.y
    X_test = next((name for name in _called_test(features) if name in there), None)
    if X_test is None or names.y_test is None:
        return ArrayNames(features, y, None, None)
    return ArrayNames(features, y, X_test, names.y_test)


def _called_test(name: str) -> list[str]:
    """The names that the test rows of features may have: ``clip_test`` for ``clip``, ``test/clip`` for ``train/clip``."""
    renamed = re.sub(r"(?<![a-z])(train|training)(?![a-z])", "test", name, flags=re.IGNORECASE)
    if renamed != name:
        return [renamed]
    return [*(f"{name}{sign}test" for sign in "_.-/"), *(f"test{sign}{name}" for sign in "_.-/")]


def assemble_named(
    there: Mapping[str, int] | Collection[str],
    file: Path,
    read: Callable[[str], np.ndarray],
    *,
    labels: Any,
    features: str | None = None,
    class_names: Any = None,
    image_shape: Any = None,
    kind: str = "arrays",
    name: str | None = None,
) -> Dataset:
    """Make a data set of the arrays in a file: find them by their names (`there`: name -> number of dimensions), read them.

    `labels` is the name of one of them, the path of an .npy file, an array or None; `features` the name of one, or None.
    `image_shape` is that of the array which is X without `features`.
    """
    names = names_among(there, file, labels, kind, features)
    used = [key for key in names if key is not None]
    own_labels = has_own_labels(labels, there)
    named = named_by_arrays(file, there, used, read, labels)
    keep(named)
    if features is None:  # else the others are left out on purpose
        note_left_out(name or name_of(file), [key for key in there if key not in used], ", ".join(used))
    assert names.X is not None
    image_shape = image_shape if has_own_shape(features, there) else None
    return assemble(
        read(names.X),
        read(str(names.y)) if own_labels else given_labels(labels, there, rows=named),
        None if names.X_test is None else read(names.X_test),
        None if names.y_test is None else read(names.y_test),
        class_names=class_names,
        image_shape=image_shape,
        name=name or name_of(file),
        called=called_in(names, labels, there, lambda key: f"{quoted(file)}: {key}"),
    )


def named_by_arrays(
    file: Path,
    there: Mapping[str, int] | Collection[str],
    used: Collection[str],
    read: Callable[[str], np.ndarray],
    labels: Any = None,
) -> NamedRows:
    """The arrays of a file that say which row a row is, and those of one dimension that may, of the ones that are not used.

    The second are read at once, while the file is open, and only if another file will be compared and their dimensions are
    known.
    """
    left = [key for key in there if key not in used]
    names = [key for key in left if tells_rows_apart(key, is_text=True)]
    others: dict[str, np.ndarray] = {}
    if isinstance(there, Mapping) and (are_kept() or isinstance(labels, (str, os.PathLike))):
        flat = [key for key in left if key not in names and there[key] == 1]
        for key in flat[:_MOST_OTHERS]:
            with contextlib.suppress(InputError, ValueError):  # they are not used, so whatever they are, the rows can be
                others[key] = read(key)
    return NamedRows(
        quoted(file),
        {key: partial(read, key) for key in names},
        {key: partial(np.asarray, value) for key, value in others.items()},
    )


def has_own_shape(features: str | None, there: Collection[str]) -> bool:
    """Whether the ``image_shape`` of a file is that of the features: no others are named than those that it has anyway."""
    return features in (None, array_names(there).X)


def called_in(names: ArrayNames, labels: Any, there: Collection[str], called: Callable[[str], str]) -> ArrayNames:
    """How messages call the arrays of a file (``'data.npz': X``). Given labels are those of another file, or ``y``."""
    X, y, X_test, y_test = (None if name is None else called(name) for name in names)
    return ArrayNames(X, y if has_own_labels(labels, there) else called_labels(labels), X_test, y_test)


def called_labels(labels: Any) -> str:
    """How messages call labels that are given: the file's name, or ``y``."""
    return quoted(labels) if isinstance(labels, (str, os.PathLike)) else "y"


def given_labels(labels: Any, there: Collection[str] = (), *, rows: NamedRows | None = None) -> np.ndarray | None:
    """Labels given as an array or as the path of a file; None for `UNLABELLED`. `there` are the names it could have been.

    `rows` is what is known of the rows: if the file of labels names its rows too, both must be of the same rows in the same
    order.
    """
    from fastcls.datasets._label_files import read_labels  # its readers import this module

    if labels is UNLABELLED:
        return None
    if isinstance(labels, (str, os.PathLike)):
        with kept_row_ids() as theirs:
            y = read_labels(*file_of_labels(labels, there))
        if theirs and rows is not None:
            check_same_rows(row_ids(rows), theirs[0])
        return y
    return plain_labels(labels, "y")


def file_of_labels(labels: str | os.PathLike[str], there: Collection[str] = ()) -> tuple[Path, str | None]:
    """The file of labels, and the name of the column or array after ``FILE:``, if there is one.

    Refuses a path that is none, and none of these names.
    """
    path, name = path_and_name(labels) if isinstance(labels, str) else (labels, None)
    wanted = f"a file of labels{f', or one of the names {quoted_list(there)}' if there else ''}"
    try:
        return existing_path(path, wanted=wanted), name
    except InputError as error:
        raise UnknownLabelsError(str(error)) from None


def assemble(
    X: np.ndarray,
    y: np.ndarray | None,
    X_test: np.ndarray | None = None,
    y_test: np.ndarray | None = None,
    *,
    class_names: Any = None,
    image_shape: Any = None,
    feature_names: tuple[str, ...] | None = None,
    name: str,
    called: Sequence[str | None] = _CALLED,
    is_checked: bool = False,
) -> Dataset:
    """Make a data set of arrays of a file, in any of the shapes that ``as_rows`` takes.

    `called` is how messages call the arrays. NaN and infinity are refused, and doubtful features are noted, unless
    `is_checked` says that this is done. This reads memory maps once, in blocks: later, an estimator may see only some of the
    rows, and its message would number those.
    """
    train, first, test, second = (name or usual for name, usual in zip(called, _CALLED, strict=True))
    arrays = {train: X} if X_test is None else {train: X, test: X_test}
    if X_test is not None and X.shape[1:] != X_test.shape[1:]:
        raise InputError(
            f"{train} has rows of shape {X.shape[1:]} and {without_file(test, train)} of {X_test.shape[1:]}: give the same "
            "shape in both"
        )
    shape = None
    for what, rows in arrays.items():
        arrays[what], shape = as_rows(rows, what)
    if shape is not None and image_shape is None and is_floating(X.dtype):  # bytes are pixels
        h, w, c = shape
        note(
            f"{train}: shape {X.shape} is read as {'grey' if c == 1 else 'colour'} images of {h} x {w}: for features that "
            "are no images, give rows (n, d), such as X.reshape(len(X), -1)",
            level=logging.INFO,
        )
    if image_shape is not None:
        shape = _stated_shape(image_shape, arrays[train].shape[1])
    is_unlabelled = y is None
    if y is None:
        y, y_test = (None if rows is None else np.zeros(len(rows), np.int64) for rows in (X, X_test))
    codes, test_codes, names = encode_labels(y, y_test, class_names, (first, second))
    for what, rows_called, given, found in ((first, train, X, codes), (second, test, X_test, test_codes)):
        of = "" if rows_called in _CALLED or "': " in what else f" of {re.sub('^the (test )?rows of ', '', rows_called)}"
        if given is not None and found is not None and len(given) != len(found):
            raise InputError(
                f"{what} has {counted(len(found), 'label')} for {counted(len(given), 'row')}{of}: give one label per row"
            )
    arrays = to_common_dtype(arrays)
    for what, rows in arrays.items():
        if not is_checked:
            check_finite(rows, what)
    if not is_checked and shape is None:
        note_doubtful(train, arrays[train], None if is_unlabelled else codes, feature_names or ())
    recipe = recipe_for(shape) if shape is not None and _is_photographic(arrays[train]) else {}
    return Dataset(
        arrays[train],
        codes,
        None if X_test is None else arrays[test],
        test_codes,
        class_names=names,
        image_shape=shape,
        preprocessing=recipe,
        feature_names=feature_names,
        name=name,
    )


def as_rows(X: np.ndarray, what: str) -> tuple[np.ndarray, tuple[int, int, int] | None]:
    """Return (n, d) rows in (h, w, c) order, and the image shape if the array has one."""
    refuse_flat(X, what)
    if X.size == 0:
        raise InputError(f"{what} has shape {X.shape}: give at least one row, as rows (n, d) or images (n, h, w[, c])")
    if X.ndim == 2:
        return X, None
    if X.ndim == 4 and X.shape[3] not in (1, 3) and X.shape[1] in (1, 3):
        note(f"{what}: shape {X.shape} is read as (n, channels, height, width)", level=logging.INFO)
        X = X.transpose(0, 2, 3, 1)
    if X.ndim > 4 or (X.ndim == 4 and X.shape[3] not in (1, 3)):
        raise InputError(
            f"{what} has shape {X.shape}; wanted images (n, h, w) or (n, h, w, c) with 1 or 3 channels, or rows (n, d): "
            f"{'remove the alpha channel, or ' if X.shape[-1] in (2, 4) else ''}reshape to (n, d), X.reshape(len(X), -1)"
        )
    shape = (X.shape[1], X.shape[2], X.shape[3] if X.ndim == 4 else 1)
    if not X.flags.c_contiguous:
        note(f"{what} was copied once, into (h, w, c) order", level=logging.INFO)
        X = np.ascontiguousarray(X)
    return X.reshape(len(X), math.prod(shape)), shape


def refuse_flat(X: np.ndarray, what: str) -> None:
    """Refuse rows that are one-dimensional, or a single value."""
    if X.ndim == 0:
        raise InputError(f"{what} is a single value, not an array of rows; wanted rows (n, d): give a list of rows")
    if X.ndim == 1:
        raise InputError(
            f"{what} is one-dimensional, shape {X.shape}; wanted rows (n, d): did you swap rows and labels? One row is "
            "X.reshape(1, -1), rows of one feature are X.reshape(-1, 1)"
        )


def _stated_shape(image_shape: np.ndarray, n_features: int) -> tuple[int, int, int]:
    sizes = np.asarray(image_shape).ravel().tolist()
    return checked_image_shape([*sizes, 1] if len(sizes) == 2 else sizes, n_features)


def _is_photographic(X: np.ndarray) -> bool:
    """Tell whether white is surely 255, so that a new picture can become such a row: bytes, some of them above 127."""
    return X.dtype == np.uint8 and bool(X.max() > 127)
