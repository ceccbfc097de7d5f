"""``fastcls predict``: names the class of images, or rows of an array, with a saved model."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastcls._storage.atomic import replacing
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind, quoted, quoted_list
from fastcls.datasets import class_names

from ..persistence import load as load_model
from ._answers import Answer, accuracy_line, answers, as_csv, as_records, measure_of, name_rows
from ._inputs import Rows, check_scale, joined, read_parts, unseen_rows
from ._progress import Progress


def predict(
    model_path: Path,
    data: Sequence[str],
    *,
    out: Path | None,
    as_json: bool,
    top: int = 1,
    every: bool = False,
    strict: bool = False,
) -> int:
    """Print (or write to ``out``) path, label and probability or score of every image or row of ``data``, in its order.

    Returns
    -------
    int
        How many images could not be read: they have an error in place of a label.
    """
    if top < 1:
        raise InputError(f"--top {top}: wanted at least 1 class a row")
    with _destination(out, [str(model_path), *data]) as write:
        _refuse_folder(model_path)
        model = load_model(model_path)
        if not hasattr(model, "predict"):
            raise InputError(f"{quoted(model_path)} holds {kind(model)}, which names no class: give a classifier")
        metadata = dict(getattr(model, "metadata_", None) or {})
        progress = Progress()
        classes, measure = class_names(model, metadata), measure_of(model)
        n_top = min(top, len(classes))
        found: list[Answer] = []
        with progress.library_as_notes():
            warnings.filterwarnings("ignore", "the values of X reach")  # said of each path below
            parts = read_parts(data, metadata, progress, strict=strict)
            for part in parts:
                check_width(model, part)
                check_scale(metadata, part, progress)
            for part in joined([unseen_rows(part, metadata, progress) for part in parts]):
                named = name_rows(model, metadata, part.X, progress, n_top, every) if len(part.X) else None
                found += answers(part, named, classes)
        shape = (measure, n_top, classes if every else None)
        write(as_records(found, *shape) if as_json else as_csv(found, *shape))
    broken = [answer for answer in found if answer.error is not None]
    for answer in broken:
        progress.line(f"cannot be read: {quoted(answer.path)}: {answer.error}")
    if line := accuracy_line(found, classes):
        progress.line(line)
    return len(broken)


def _refuse_folder(path: Path) -> None:
    """Name the models in a folder, such as that of a run, where a model is wanted."""
    if path.is_dir():
        found = sorted(file for place in (path, path / "models") for file in place.glob("*.safetensors"))
        inside = f"name one of the models in it: {quoted_list(found)}" if found else "and holds no model (*.safetensors)"
        raise InputError(f"{quoted(path)} is a folder{'; ' if found else ', '}{inside}")


@contextmanager
def _destination(out: Path | None, inputs: Sequence[str]) -> Iterator[Callable[[str], Any]]:
    """The function that writes the answer: to stdout, or to a file that is refused here if it cannot be written."""
    if out is not None:
        _refuse_place_in_data(out, inputs)
        with replacing(out, "the predictions", inputs=inputs) as beside:
            yield lambda text: beside.write_text(text, encoding="utf-8")
    else:
        yield sys.stdout.write


def _refuse_place_in_data(out: Path, inputs: Sequence[str]) -> None:
    """Of the folders that are read, only a file that is text may be replaced, such as earlier predictions."""
    place = Path(os.path.realpath(out))
    if not place.is_file() or place.suffix.lower() in (".csv", ".json", ".txt"):
        return
    for folder in inputs:
        if os.path.isdir(folder) and place.is_relative_to(os.path.realpath(folder)):
            raise InputError(
                f"cannot write the predictions to {quoted(out)}: it is a file of the data "
                f"{quoted(folder)}; name another file"
            )


def check_width(model: Any, part: Rows) -> None:
    """Refuse rows of another width than the model's."""
    X = part.X
    if X.ndim != 2 or X.shape[1] != model.n_features_in_:
        wide = counted(X.shape[1], "feature") if X.ndim == 2 else f"shape {X.shape[1:]}"
        raise InputError(
            f"{part.source} has {wide} a row; the model was trained on {model.n_features_in_:,}: "
            "give rows prepared as its training rows were"
        )
