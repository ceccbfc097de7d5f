"""The rows that ``fastcls predict`` names: of images, folders of images, arrays and data sets, with their labels if known.

Of the very data a model was trained on, only the rows of its test set are given: on the others it would shine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import as_text, counted, quoted
from fastcls.datasets import (
    NPZ_KEYS,
    Facts,
    as_rows,
    checked_recipe,
    images_below,
    is_image_folder,
    is_image_name,
    load_npy,
    npz_keys,
    parts_of,
    plain_labels,
    prepare,
    read_npy,
    read_npz,
    refused_link,
    scale_note,
    settle_rows,
    told,
)

from ._data import load as load_data
from ._data import require_data
from ._progress import Progress
from ._split import held_out, held_out_files


@dataclass(frozen=True)
class Rows:
    """Rows to be named, of one path or of neighbouring ones.

    Attributes
    ----------
    source : str
    names : sequence of str
        One for each row, and one for each image that cannot be read.
    X : ndarray of shape (n_readable, n_features)
    are_images : bool
    labels : sequence of str or None
        The true class of each name; None where there is none.
    broken : dict
        Place among the names -> why the image cannot be read.
    """

    source: str
    names: Sequence[str]
    X: np.ndarray
    are_images: bool
    labels: Sequence[str | None]
    broken: dict[int, str] = field(default_factory=dict)


def read_parts(data: Sequence[str], metadata: dict[str, Any], progress: Progress, *, strict: bool) -> list[Rows]:
    """The rows of every path, in the order given. Images are read together: one message names all that cannot be read."""
    for path in data:
        require_data(path)
    images = [_images_at(path, metadata, progress) for path in data]
    arrays = [None if found else _read_rows(path, progress) for path, found in zip(data, images, strict=True)]
    every = [path for found in images for path, _ in found]
    links = [
        why
        for found, root in zip(images, data, strict=True)
        for path, _ in found
        for why in (refused_link(path, Path(root)) if path != Path(root) else None,)
    ]
    pixels, broken = read_images(every, links, metadata, progress, strict=strict)
    if broken and len(broken) == len(every) and all(found for found in images):
        raise InputError(_cannot_be_read(every, broken))
    parts, at, row = [], 0, 0
    for source, found, array in zip(data, images, arrays, strict=True):
        if array is None:
            of_part = {place - at: why for place, why in broken.items() if at <= place < at + len(found)}
            n_rows = len(found) - len(of_part)
            parts.append(
                Rows(
                    source,
                    [str(path) for path, _ in found],
                    pixels[row : row + n_rows],
                    True,
                    [label for _, label in found],
                    of_part,
                )
            )
            at, row = at + len(found), row + n_rows
        else:  # of several, each row says whose it is
            X, labels = array
            of = f"{source}:" if len(data) > 1 else ""
            parts.append(Rows(source, [f"{of}{number}" for number in range(len(X))], X, False, labels or [None] * len(X)))
    return parts


def joined(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Neighbouring images as one part: a thousand of them, each a path, are named by one search."""
    for are_images, group in groupby(parts, key=lambda part: part.are_images):
        run = list(group)
        if not are_images or len(run) == 1:
            yield from run
            continue
        broken: dict[int, str] = {}
        before = 0
        for part in run:
            broken |= {before + place: why for place, why in part.broken.items()}
            before += len(part.names)
        yield replace(
            run[0],
            names=[name for part in run for name in part.names],
            labels=[label for part in run for label in part.labels],
            broken=broken,
            X=np.concatenate([part.X for part in run]),
        )


def unseen_rows(part: Rows, metadata: dict[str, Any], progress: Progress) -> Rows:
    """All rows; of the data that the model's own run divided, those of the test set. Folders of images are known before."""
    test = None if part.broken else held_out(metadata.get("split"), part.X)
    if test is None:
        return part
    progress.line(_only_the_test_set(part.source, len(part.X), len(test)))
    return replace(part, names=[part.names[row] for row in test], X=part.X[test], labels=[part.labels[row] for row in test])


def _only_the_test_set(source: str, n_rows: int, n_test: int) -> str:
    return (
        f"{source} is what this model was trained and judged on: of its {n_rows:,} rows, the {n_test:,} of the test set "
        f"{'is' if n_test == 1 else 'are'} predicted"
    )


# images ---------------------------------------------------------------------------------------------------------------


def _images_at(data: str, metadata: dict[str, Any], progress: Progress) -> list[tuple[Path, str | None]]:
    """The image that a path is, or those of the folder that it is, with their classes if the folder says so; none if it is
    something else."""
    path = Path(data)
    if not path.is_dir():
        return [(path, None)] if path.is_file() and is_image_name(path.name) else []
    found = images_below(path)
    test = held_out_files(metadata.get("split"), found, path)
    if test is not None:
        progress.line(_only_the_test_set(data, len(found), len(test)))
        found = [found[row] for row in test]
    labelled: set[Path | None] = set()
    with suppress(InputError):  # a folder that is no data set has images all the same
        labelled = set(parts_of(path)) if is_image_folder(path) else set()
    return [(image, as_text(image.parent.name) if image.parent.parent in labelled else None) for image in found]


def read_images(
    paths: list[Path], links: list[str | None], metadata: dict[str, Any], progress: Progress, *, strict: bool
) -> tuple[np.ndarray, dict[int, str]]:
    """Prepare each image as the model's training images were, and say what that changed; why some cannot be read.

    ``links`` says of each path why it is not followed, or None.
    """
    if not paths:
        return np.empty((0, 0), np.uint8), {}
    recipe = metadata.get("preprocessing") or {}
    mode, size, _ = checked_recipe(recipe)
    rows: list[np.ndarray] = []
    broken: dict[int, str] = {}
    seen: Counter[Facts] = Counter()
    with progress.step(f"reading {counted(len(paths), 'image')}") as report:
        for done, (path, link) in enumerate(zip(paths, links, strict=True)):
            try:
                if link is not None:
                    raise InputError(link)
                row, facts = prepare(path, recipe)
            except InputError as error:
                broken[done] = str(error).removeprefix(f"{quoted(path)}: ")
            else:
                rows.append(row)
                seen[facts] += 1
            report(done + 1, len(paths))
    if strict and broken:
        raise InputError(_cannot_be_read(paths, broken))
    if note := told(seen, size, grey=mode == "L"):
        progress.note(note)
    n_features = size[0] * size[1] * (1 if mode == "L" else 3)
    return np.stack(rows) if rows else np.empty((0, n_features), np.uint8), broken


def _cannot_be_read(paths: list[Path], broken: dict[int, str]) -> str:
    """In the words of the loader of folders."""
    named = [f"{quoted(paths[place])}: {why}" for place, why in broken.items()]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    count = f"{len(named)} of {len(paths)} images cannot be read: " if len(paths) > 1 else ""
    return f"{count}{'; '.join(named[:3])}{more}; repair or remove {'it' if len(named) == 1 else 'them'}"


# arrays ---------------------------------------------------------------------------------------------------------------


def _read_rows(data: str, progress: Progress) -> tuple[np.ndarray, list[str | None] | None]:
    """Rows of an array, or of a data set's test part; and the names of their classes, if it has labels."""
    path = Path(data)
    if path.is_file() and path.suffix.lower() == ".npy":
        try:
            dataset = load_npy(path)
        except InputError:  # no labels, or none that fit: none are needed
            return _as_plain_rows(read_npy(path)), None
        return dataset.X, [dataset.class_names[code] for code in dataset.y]
    if path.is_file() and path.suffix.lower() == ".npz":
        return _read_npz(path, progress)
    with progress.step("loading the data") as report:
        dataset = load_data(data, progress=report)
    X, y = (dataset.X, dataset.y) if dataset.X_test is None or dataset.y_test is None else (dataset.X_test, dataset.y_test)
    return X, [dataset.class_names[code] for code in y]


def _read_npz(path: Path, progress: Progress) -> tuple[np.ndarray, list[str | None] | None]:
    """The test rows of an .npz if it has any, else its rows; and their classes, if it has labels."""
    there = npz_keys(path)
    wanted = [pair for names in NPZ_KEYS for pair in ((names[2], names[3]), (names[0], names[1]))]
    found = [pair for pair in wanted if pair[0] in there] or ([(there[0], "")] if len(there) == 1 else [])
    if not found:
        raise InputError(f"{quoted(path)} has the arrays {', '.join(there) or 'none'}; wanted X_test or X")
    key, label_key = found[0]
    arrays = read_npz(path, [name for name in (key, label_key, "class_names") if name in there])
    rows = _as_plain_rows(arrays[key])
    if label_key not in arrays:
        return rows, None
    try:
        labels = plain_labels(arrays[label_key], label_key)
        names = plain_labels(arrays["class_names"], "class_names").astype(str) if "class_names" in arrays else None
        if len(labels) != len(rows):
            raise InputError(f"{label_key} has {counted(len(labels), 'label')} for {counted(len(rows), 'row')}")
    except InputError as error:  # none are needed
        progress.note(f"the labels are not used: {error}")
        return rows, None
    if names is not None and labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < len(names):
        labels = names[labels]
    return rows, [str(label) for label in labels.tolist()]


def _as_plain_rows(X: np.ndarray) -> np.ndarray:
    rows, _ = as_rows(X, "X")
    return settle_rows({"X": rows})["X"]


def check_scale(metadata: dict[str, Any], part: Rows, progress: Progress) -> None:
    """Say it where the values of an array are of quite another size than those that the model was trained on."""
    if not part.are_images and (text := scale_note(part.X, metadata, part.source)):
        progress.note(text)
