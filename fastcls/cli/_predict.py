"""``fastcls predict``: names the class of images, or rows of an array, with a saved model."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._files import replacing
from .._images import class_names
from .._shown import shown
from .._validation import InputError
from ..persistence import load as load_model
from ._answers import Answer, accuracy_line, answers, as_csv, as_records, measure_of, name_rows
from ._inputs import Rows, check_scale, joined, read_parts, unseen_rows
from ._progress import Progress


def predict(model_path: Path, data: Sequence[str], *, out: Path | None, as_json: bool, top: int = 1, every: bool = False,
            strict: bool = False) -> int:
    """Print (or write to ``out``) path, label and probability or score of every image or row of ``data``, in its order.

    Returns
    -------
    int
        How many images could not be read: they have an error in place of a label.
    """
    if top < 1:
        raise InputError(f"--top {top}: wanted at least 1 class a row")
    _refuse_inputs_as_output(out, [str(model_path), *data])
    with _destination(out) as write:
        model = load_model(model_path)
        if not hasattr(model, "predict"):
            raise InputError(f"{str(model_path)!r} holds a {type(model).__name__}, which names no class: give a classifier")
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
        progress.line(f"cannot be read: {shown(answer.path)}: {answer.error}")
    if line := accuracy_line(found, classes):
        progress.line(line)
    return len(broken)


def _refuse_inputs_as_output(out: Path | None, inputs: list[str]) -> None:
    """Refuse to write over the model, the data, or a file of a data folder."""
    if out is None or not out.exists():
        return
    target = out.resolve()
    for name in inputs:
        path = Path(name)
        if not path.exists():
            continue
        inside = path.is_dir() and target.is_relative_to(path.resolve()) and out.suffix.lower() not in (".csv", ".json")
        if path.samefile(out) or inside:
            raise InputError(f"--out {shown(out)} is read, too, and would be lost: choose another name")


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


def check_width(model: Any, part: Rows) -> None:
    """Refuse rows of another width than the model's."""
    X = part.X
    if X.ndim != 2 or X.shape[1] != model.n_features_in_:
        wide = X.shape[1] if X.ndim == 2 else X.shape
        raise InputError(f"{part.source} has {wide} features a row; the model was trained on {model.n_features_in_:,}: "
                         "give rows prepared as its training rows were")
