"""The rows that ``fastcls predict`` predicts: images, folders of images, arrays and data sets, with labels if there are any.

Of the data that a model was trained on, only the rows of its test set are predicted; on the others its accuracy would be
too high.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted
from fastcls.datasets import (
    UNLABELLED,
    Facts,
    FoundImage,
    ImageError,
    NoLabelsError,
    checked_recipe,
    existing_path,
    features_wanted,
    find_images,
    folder_of_data,
    in_order,
    layout_of,
    own_labels_only,
    path_and_name,
    plain_labels,
    polarity_note,
    prepare,
    read_labels,
    scale_note,
    summary_of,
    unreadable,
)

from ._data import load as load_data
from ._data import refuse_same_file, require_data, takes
from ._progress import Progress
from ._split import are_trained_on, held_out, held_out_files, n_tested, n_tested_files

#: what `fastcls predict` reads
_DATA = "an image, a folder of images, an .npy or .npz file, or other data that fastcls run reads"
#: layouts of folders whose rows are no images of the folder; an image among their files is none of the rows
_NO_IMAGES = ("mnist", "cifar10", "cifar100", "npy-folder", "saved-dataset", "zarr")


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to predict, from one path or from several in a row.

    Attributes
    ----------
    source : str
    names : sequence of str
        One for each row, and one for each image that cannot be read.
    X : ndarray of shape (n_readable, n_features)
    are_images : bool
    labels : sequence of str or None
        The true class of each name, or None.
    broken : dict
        Index among the names -> why the image cannot be read.
    """

    source: str
    names: Sequence[str]
    X: np.ndarray
    are_images: bool
    labels: Sequence[str | None]
    broken: dict[int, str] = field(default_factory=dict)


def read_rows(
    model: Any,
    data: Sequence[str],
    progress: Progress,
    *,
    labels: Path | None = None,
    drop: tuple[str, ...] = (),
    strict: bool = False,
) -> Iterator[Rows]:
    """Yield the rows of every path, in the order given, checked for the model, which says its recipe for images.

    All images are read together, so one message lists the bad ones; consecutive ones take one search.
    """
    metadata = dict(getattr(model, "metadata_", None) or {})
    parts = _read_parts(model, data, metadata, progress, labels=labels, drop=drop, strict=strict)
    for part in parts:
        _check_width(model, part)
        if not part.are_images and (text := scale_note(part.X, metadata, part.source)):
            progress.note(text)
    yield from _joined([part if part.are_images else _unseen_rows(part, metadata, progress) for part in parts])


def _read_parts(
    model: Any,
    data: Sequence[str],
    metadata: dict[str, Any],
    progress: Progress,
    *,
    labels: Path | None,
    drop: tuple[str, ...],
    strict: bool,
) -> list[Rows]:
    for path in data:
        require_data(path, _DATA)
    if labels is not None and len(data) > 1:
        raise InputError(f"--labels is given for {len(data)} paths: give one")
    images = [_images_at(path, model, metadata, progress) for path in data]
    if drop and images[0]:
        raise InputError(f"--drop is given for the images of {data[0]}; only tables take it: leave it out")
    if labels is not None and images[0]:
        raise InputError(f"--labels is given for the images of {data[0]}: their classes are the names of their folders")
    names = getattr(model, "feature_names_in_", None)
    wanted = None if names is None else tuple(names.tolist())
    arrays = [
        None if found else _read_rows(path, labels, drop, wanted, progress) for path, found in zip(data, images, strict=True)
    ]
    every = [image for found in images for image in found]
    pixels, broken = _read_images(every, metadata, progress, strict=strict)
    if broken and len(broken) == len(every) and all(found for found in images):
        raise unreadable([image.path for image in every], broken)
    parts, first, row = [], 0, 0
    for source, found, array in zip(data, images, arrays, strict=True):
        if array is None:
            own = {index - first: why for index, why in broken.items() if first <= index < first + len(found)}
            names, classes = [str(image.path) for image in found], [image.label for image in found]
            n_rows = len(found) - len(own)
            parts.append(Rows(source, names, pixels[row : row + n_rows], True, classes, own))
            first, row = first + len(found), row + n_rows
        else:  # with several paths, the name of a row begins with its path
            X, true = array
            prefix = f"{source}:" if len(data) > 1 else ""
            names = [f"{prefix}{number}" for number in range(len(X))]
            parts.append(Rows(source, names, X, False, true or [None] * len(X)))
    return parts


def _joined(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Join consecutive parts of images, so that a thousand images, each given as a path, take one search."""
    for are_images, group in groupby(parts, key=lambda part: part.are_images):
        run = list(group)
        if not are_images or len(run) == 1:
            yield from run
            continue
        broken: dict[int, str] = {}
        before = 0
        for part in run:
            broken |= {before + index: why for index, why in part.broken.items()}
            before += len(part.names)
        yield replace(
            run[0],
            names=[name for part in run for name in part.names],
            labels=[label for part in run for label in part.labels],
            broken=broken,
            X=np.concatenate([part.X for part in run]),
        )


def _unseen_rows(part: Rows, metadata: dict[str, Any], progress: Progress) -> Rows:
    """Return all rows; of the data that the model's own run divided, those of the test set.

    `_images_at` does the same for folders of images.
    """
    test = held_out(metadata.get("split"), part.X)
    if test is None:
        if (n_used := n_tested(metadata.get("test_rows_of"), part.X)) is not None:
            progress.line(_every_test_row(part.source, len(part.X), n_used))
        # k-NN says so itself, of each row that it has
        if metadata.get("model") != "knn" and are_trained_on(metadata.get("trained_on"), part.X):
            progress.note(
                f"{part.source} has the training rows of the model: the accuracy on them measures memorisation, not "
                "generalisation"
            )
        return part
    progress.line(_only_the_test_set(part.source, len(part.X), len(test)))
    return replace(part, names=[part.names[row] for row in test], X=part.X[test], labels=[part.labels[row] for row in test])


def _only_the_test_set(source: str, n_rows: int, n_test: int) -> str:
    are = "is" if n_test == 1 else "are"
    return (
        f"{source} is the data of the model's own run: of its {n_rows:,} rows, only the {n_test:,} test rows {are} predicted"
    )


def _every_test_row(source: str, n_rows: int, n_used: int) -> str:
    return (
        f"{source} is the data of the model's own run: all of its {n_rows:,} test rows are predicted; the run tested the "
        f"model on {n_used:,} of them (--limit)"
    )


def _check_width(model: Any, part: Rows) -> None:
    """Refuse rows with another number of features than the model's."""
    X = part.X
    if X.shape[1] != model.n_features_in_:
        raise InputError(
            f"{part.source} has {counted(X.shape[1], 'feature')} per row, but the model was trained on "
            f"{model.n_features_in_:,}: prepare the rows like the training rows"
        )


# images ---------------------------------------------------------------------------------------------------------------


def _images_at(data: str, model: Any, metadata: dict[str, Any], progress: Progress) -> list[FoundImage]:
    """Return the images at a path; of the folder that the model's own run divided, those of the test set."""
    path = Path(path_and_name(data)[0])
    root = _root_of(path) if path.is_dir() else path
    layout = layout_of(root) if path.is_dir() else None
    found = [] if layout in _NO_IMAGES else find_images(path)
    # if all images are in the data set that `fastcls run` finds inside, they are those of that data set
    own = found if root == path or layout != "images" else find_images(root)
    if own is not found and all(image.path.is_relative_to(root) for image in found):
        found = own
    if found and not metadata.get("preprocessing"):
        are = "is an image" if path.is_file() else "is a folder of images"
        raise InputError(
            f"{quoted(data)} {are}, but the model has no preprocessing of images and takes rows of "
            f"{counted(model.n_features_in_, 'feature')}: give an array, or a model that fastcls run trained on images"
        )
    split, tested = metadata.get("split"), metadata.get("test_rows_of")
    if not path.is_dir() or not any(isinstance(known, dict) and "files" in known for known in (split, tested)):
        return found
    files = [image.path for image in own]
    if (test := held_out_files(split, files, root)) is not None:
        progress.line(_only_the_test_set(data, len(own), len(test)))
        return [own[row] for row in test]
    if (n_used := n_tested_files(tested, files, root)) is not None:
        progress.line(_every_test_row(data, len(own), n_used))
        return own
    return found


def _root_of(folder: Path) -> Path:
    """Return the folder of the data set in `folder`, as `fastcls run` finds it."""
    try:
        found = folder_of_data(folder)
    except InputError:  # it has several
        return folder
    return found if found.is_dir() else folder


def _read_images(
    images: Sequence[FoundImage], metadata: dict[str, Any], progress: Progress, *, strict: bool
) -> tuple[np.ndarray, dict[int, str]]:
    """Prepare images like the model's training images, and note what was changed.

    Returns
    -------
    rows : ndarray of shape (n_readable, n_features)
    broken : dict
        Index among the images -> why it cannot be read.
    """
    if not images:
        return np.empty((0, 0), np.uint8), {}
    recipe = metadata.get("preprocessing") or {}
    mode, size, _ = checked_recipe(recipe)
    rows: list[np.ndarray] = []
    read: list[Path] = []
    broken: dict[int, str] = {}
    seen: Counter[Facts] = Counter()
    with progress.step(f"reading {counted(len(images), 'image')}") as report:
        for index, image in enumerate(images):
            try:
                if image.refused is not None:
                    raise InputError(image.refused)
                row, facts = prepare(image.path, recipe)
            except InputError as error:
                broken[index] = error.reason if isinstance(error, ImageError) else str(error)
            else:
                rows.append(row)
                read.append(image.path)
                seen[facts] += 1
            report(index + 1, len(images))
    if strict and broken:
        raise unreadable([image.path for image in images], broken)
    if note := summary_of(seen, size, grey=mode == "L"):
        progress.note(note)
    n_features = size[0] * size[1] * (1 if mode == "L" else 3)
    pixels = np.stack(rows) if rows else np.empty((0, n_features), np.uint8)
    if text := polarity_note(pixels, metadata, read):
        progress.note(text)
    return pixels, broken


# arrays ---------------------------------------------------------------------------------------------------------------


def _read_rows(
    data: str, labels: Path | None, drop: tuple[str, ...], wanted: tuple[str, ...] | None, progress: Progress
) -> tuple[np.ndarray, list[str | None] | None]:
    """Return the rows of an array, or the test rows of a data set, and the names of their classes, if there are labels.

    The columns of a table are matched by name with the `wanted` ones of the model; others are taken by position.
    Given labels, a file or the name of an array or column, are those of these rows, and must fit. The data's own are
    optional: they are left out, with a note, if they do not fit.
    """
    path = Path(path_and_name(data)[0])
    refuse_same_file(labels, data)
    file, column = (None, None) if labels is None else path_and_name(str(labels))
    if file is not None and path.suffix.lower() != ".npy" and os.path.exists(file):
        with own_labels_only():
            X, _ = _read_rows(data, None, drop, wanted, progress)
        y = plain_labels(read_labels(existing_path(file, wanted="a file of labels"), column), quoted(labels))
        if len(y) != len(X):
            raise InputError(
                f"{quoted(labels)} has {counted(len(y), 'label')} for {counted(len(X), 'row')} of {data}: give one label "
                "per row"
            )
        return X, [str(label) for label in y.tolist()]
    if path.is_dir() and layout_of(folder_of_data(path)) is None:
        raise InputError(f"there is nothing to predict in the folder {quoted(path)}: give {_DATA}")
    with progress.step("loading the data") as report, features_wanted(wanted):
        try:
            given = None if labels is None else str(labels)
            dataset, labelled = load_data(data, progress=report, labels=given, drop=drop, test_rows=False), True
        except InputError as error:
            if labels is not None:
                raise
            if not takes(data, "labels"):
                raise
            more: dict[str, Any] = {"drop": drop} if drop else {}
            dataset, labelled = load_data(data, progress=report, labels=UNLABELLED, **more), False  # refuses only rows
            if not isinstance(error, NoLabelsError):
                progress.note(f"the labels of {quoted(data)} are not used: {error}")
    X, y = (dataset.X, dataset.y) if dataset.X_test is None or dataset.y_test is None else (dataset.X_test, dataset.y_test)
    X = _in_order(X, dataset.feature_names, wanted, data, progress)
    return X, [dataset.class_names[code] for code in y] if labelled else None


def _in_order(
    X: np.ndarray, own: tuple[str, ...] | None, wanted: tuple[str, ...] | None, data: str, progress: Progress
) -> np.ndarray:
    """Return the rows with their features in the order of the model's, if both have names."""
    if own is None or wanted is None:
        if own is not wanted:
            unnamed, named = ("the model", data) if wanted is None else (data, "the model")
            progress.note(
                f"{unnamed} has no names of features and {named} has: the features of {data} are taken by position, in the "
                "order of the training rows"
            )
        return X
    return in_order(X, own, wanted, quoted(data), "the model")
