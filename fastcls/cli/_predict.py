"""``fastcls predict``: names the class of images, or rows of an array, with a saved model.

Of the very data a model was trained on, only the rows of its test set are predicted: on the others it would shine.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from .._files import replacing
from .._shown import counted
from .._validation import InputError
from ..datasets._arrays import _NPZ_KEYS, _as_rows
from ..datasets._folder import is_split, natural_key
from ..datasets._image import SUFFIXES, Facts, checked_recipe, prepare, told
from ..datasets._labels import settle_rows
from ..datasets._npy import npz_keys, read_npy, read_npz
from ..persistence import load as load_model
from ._data import load as load_data
from ._data import require_data
from ._progress import Progress
from ._results import as_json as to_json
from ._split import held_out
from ._text import printable

#: rows predicted between two reports of progress
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Rows:
    """Rows to be named, of one path or of neighbouring ones."""

    source: str
    names: Sequence[str]
    X: np.ndarray
    are_images: bool


@dataclass(frozen=True)
class Named:
    """Predictions: a label a row, and how sure the model is, in its own measure."""

    labels: list[str]
    measure: str  # "probability" or "score"
    values: np.ndarray


def predict(model_path: Path, data: Sequence[str], *, out: Path | None, as_json: bool) -> None:
    """Print (or write to ``out``) path, label and probability or score of every image or row of ``data``, in its order."""
    with _destination(out) as write:
        model = load_model(model_path)
        if not hasattr(model, "predict"):
            raise InputError(f"{str(model_path)!r} holds a {type(model).__name__}, which names no class: give a classifier")
        metadata = dict(getattr(model, "metadata_", None) or {})
        progress = Progress()
        rows: list[tuple[str, str, float]] = []
        with progress.library_as_notes():
            parts = read_parts(data, metadata, progress)
            for part in parts:
                check_width(model, part)
            for part in joined([unseen_rows(part, metadata, progress) for part in parts]):
                named = name_rows(model, metadata, part.X, progress)
                rows += zip(part.names, named.labels, map(float, named.values), strict=True)
        write(as_records(rows, named.measure) if as_json else as_csv(rows, named.measure))


@contextmanager
def _destination(out: Path | None) -> Iterator[Callable[[str], Any]]:
    """The function that writes the answer: to stdout, or to a file that is refused here if it cannot be written."""
    if out is not None:
        with replacing(out, "the predictions") as beside:
            yield lambda text: beside.write_text(text, encoding="utf-8")
    else:
        if hasattr(sys.stdout, "reconfigure"):  # file names may hold what the terminal's encoding does not
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout.write


# where the rows come from ---------------------------------------------------------------------------------------------


def read_parts(data: Sequence[str], metadata: dict[str, Any], progress: Progress) -> list[Rows]:
    """The rows of every path, in the order given. Images are read together: one message names all that cannot be read."""
    for path in data:
        require_data(path)
    images = [images_at(Path(path)) for path in data]
    arrays = [None if found else read_rows(path, progress) for path, found in zip(data, images, strict=True)]
    every = [path for found in images for path in found]
    pixels = read_images(every, metadata, progress) if every else np.empty((0, 0))
    parts, at = [], 0
    for source, found, X in zip(data, images, arrays, strict=True):
        if X is None:
            parts.append(Rows(source, [str(path) for path in found], pixels[at : at + len(found)], are_images=True))
            at += len(found)
        else:  # of several, each row says whose it is
            of = f"{source}:" if len(data) > 1 else ""
            parts.append(Rows(source, [f"{of}{row}" for row in range(len(X))], X, are_images=False))
    return parts


def joined(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Neighbouring images as one part: a thousand of them, each a path, are named by one search."""
    for are_images, group in groupby(parts, key=lambda part: part.are_images):
        run = list(group)
        if not are_images or len(run) == 1:
            yield from run
        else:
            names = [name for part in run for name in part.names]
            yield replace(run[0], names=names, X=np.concatenate([part.X for part in run]))


def read_rows(data: str, progress: Progress) -> np.ndarray:
    """Rows of an array, or of a data set's test part."""
    path = Path(data)
    if path.is_file() and path.suffix.lower() in (".npy", ".npz"):
        return read_array(path)
    with progress.step("loading the data") as report:
        dataset = load_data(data, progress=report)
    return dataset.X if dataset.X_test is None else dataset.X_test


def images_at(path: Path) -> list[Path]:
    """The image that a path is, or those of the folder that it is; none if it is something else."""
    if path.is_dir():
        return images_below(path)
    return [path] if path.is_file() and path.suffix.lower() in SUFFIXES else []


def images_below(folder: Path) -> list[Path]:
    """The images of a folder, in the order of the loader: natural order of the files' names, those of one name by folder.
    Hidden ones are left out. Of a folder that the loader takes as train/ and test/, those of test/."""
    if is_split(folder) and (images := images_below(folder / "test")):
        return images
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in files
                  if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: natural_key(path.name))  # stable: of one name, the folders' order stays


def read_images(paths: list[Path], metadata: dict[str, Any], progress: Progress) -> np.ndarray:
    """Prepare each image as the model's training images were, and say what that changed."""
    recipe = metadata.get("preprocessing") or {}
    mode, size, _ = checked_recipe(recipe)
    rows, refused = [], []
    seen: Counter[Facts] = Counter()
    with progress.step(f"reading {counted(len(paths), 'image')}") as report:
        for done, path in enumerate(paths):
            try:
                row, facts = prepare(path, recipe)
            except InputError as error:
                refused.append(str(error))
            else:
                rows.append(row)
                seen[facts] += 1
            report(done + 1, len(paths))
    if refused:  # in the words of the loader of folders
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        count = f"{len(refused)} of {counted(len(paths), 'image')} cannot be read: " if len(paths) > 1 else ""
        raise InputError(f"{count}{'; '.join(refused[:3])}{more}; repair or remove them")
    if note := told(seen, size, grey=mode == "L"):
        progress.note(note)
    return np.stack(rows)


def read_array(path: Path) -> np.ndarray:
    """Rows of an .npy (memory-mapped), or of an .npz: its test rows if it has any, else its rows; no labels needed."""
    if path.suffix.lower() == ".npy":
        X = read_npy(path)
    else:
        there = npz_keys(path)
        wanted = [key for names in _NPZ_KEYS for key in (names[2], names[0])]
        found = [key for key in wanted if key in there] or (there if len(there) == 1 else [])
        if not found:
            raise InputError(f"{str(path)!r} has the arrays {', '.join(there) or 'none'}; wanted X_test or X")
        X = read_npz(path, found[:1])[found[0]]
    rows, _ = _as_rows(X, "X")
    return settle_rows({"X": rows})["X"]


def unseen_rows(part: Rows, metadata: dict[str, Any], progress: Progress) -> Rows:
    """All rows; of the data that the model's own run divided, those of the test set."""
    test = held_out(metadata.get("split"), part.X)
    if test is None:
        return part
    progress.line(f"{part.source} is what this model was trained and judged on: of its {counted(len(part.X), 'row')}, the "
                  f"{len(test):,} of the test set are predicted")
    return replace(part, names=[part.names[row] for row in test], X=part.X[test])


# what the model says --------------------------------------------------------------------------------------------------


def check_width(model: Any, part: Rows) -> None:
    """Refuse rows of another width than the model's."""
    X = part.X
    if X.ndim != 2 or X.shape[1] != model.n_features_in_:
        wide = counted(X.shape[1], "feature") if X.ndim == 2 else f"shape {X.shape[1:]}"
        raise InputError(f"{part.source} has {wide} a row; the model was trained on {model.n_features_in_:,}: "
                         "give rows prepared as its training rows were")


def name_rows(model: Any, metadata: dict[str, Any], X: np.ndarray, progress: Progress) -> Named:
    """Label and probability (models that have one) or score (the rest) of every row."""
    classes = class_names(model, metadata)
    measure = "probability" if hasattr(model, "predict_proba") else "score"
    labels: list[str] = []
    values = []
    with progress.step(f"predicting {counted(len(X), 'row')}") as report:
        for start in range(0, len(X), ROWS_AT_ONCE):
            piece = X[start : start + ROWS_AT_ONCE]
            all_values = model.predict_proba(piece) if measure == "probability" else class_scores(model, piece)
            columns = best_columns(model, piece, all_values)
            labels += [classes[column] for column in columns]
            values.append(all_values[np.arange(len(piece)), columns])
            report(start + len(piece), len(X))
    return Named(labels, measure, np.concatenate(values))


def best_columns(model: Any, X: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The column of the class that the model predicts for each row: int64 (n,).

    It is the column of the largest value; where two are equal up to rounding, the model's own rule for ties decides.
    So a search is made twice for these rows alone.
    """
    columns = values.argmax(axis=1)
    best = values.max(axis=1, keepdims=True)
    tied = np.flatnonzero((values >= best - 1e-12 * np.abs(best)).sum(axis=1) > 1)
    if len(tied):
        columns[tied] = np.searchsorted(model.classes_, model.predict(X[tied]))
    return columns


def class_scores(model: Any, X: np.ndarray) -> np.ndarray:
    """One score a class, (n, n_classes); for two classes scikit-learn's convention has only the second one's."""
    scores = np.asarray(model.decision_function(X))
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def class_names(model: Any, metadata: dict[str, Any]) -> list[str]:
    """The name of each of ``model.classes_``: the data set's, or the label itself where the model knows no names."""
    known = metadata.get("class_names")
    if not known:
        return [str(label) for label in model.classes_]
    codes = np.asarray(model.classes_)
    if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= len(known):
        return [str(label) for label in model.classes_]
    return [str(known[code]) for code in codes]


# how it is shown ------------------------------------------------------------------------------------------------------


def as_csv(rows: list[tuple[str, str, float]], measure: str) -> str:
    """CSV with a heading. Control characters are escaped: a file's name must not command the reader's terminal."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", measure])
    writer.writerows([printable(name), printable(label), f"{value:.6g}"] for name, label, value in rows)
    return text.getvalue()


def as_records(rows: list[tuple[str, str, float]], measure: str) -> str:
    """A JSON list of objects."""
    return to_json([{"path": name, "label": label, measure: value} for name, label, value in rows])
