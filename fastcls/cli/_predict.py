"""``fastcls predict``: predict the classes of images, or of rows of an array, with a saved model."""

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
from fastcls.datasets import ScaleWarning, class_names

from ..persistence import load as load_model
from ._answers import Answer, accuracy_line, answers, as_csv, as_records, predict_rows
from ._checks import as_word, parse_drop
from ._inputs import read_rows
from ._progress import Progress
from ._repeats import count_equal
from ._test_set import measure_of


def predict(
    model_path: Path,
    data: Sequence[str],
    *,
    out: Path | None,
    as_json: bool,
    top: int = 1,
    every: bool = False,
    labels: Path | None = None,
    drop: str | None = None,
    strict: bool = False,
) -> int:
    """Print, or write to ``out``, path, label and probability or score of every image or row of ``data``, in its order.

    Returns
    -------
    int
        Number of images that cannot be read; they have an error instead of a label.
    """
    if top < 1:
        raise InputError(f"--top {top}: wanted at least 1")
    columns = parse_drop(drop)
    with _destination(out, [str(model_path), *data]) as write:
        _refuse_swapped(model_path, data)
        _refuse_folder(model_path)
        model = load_model(model_path)
        if not hasattr(model, "predict"):
            raise InputError(f"{quoted(model_path)} contains {kind(model)}, which cannot predict classes: give a classifier")
        if getattr(model, "outputs_2d_", False):
            raise InputError(
                f"{quoted(model_path)} has several labels per row, which this command cannot show: in Python, use "
                "fastcls.load(path).predict"
            )
        progress = Progress()
        classes, measure = class_names(model), measure_of(model)
        n_top = min(top, len(classes))
        found: list[Answer] = []
        n_seen = 0
        with progress.library_as_notes():
            warnings.simplefilter("ignore", ScaleWarning)  # `read_rows` says so for each path, and matches the names
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            for part in read_rows(model, data, progress, labels=labels, drop=columns, strict=strict):
                predicted = predict_rows(model, part.X, progress, n_top, every) if len(part.X) else None
                found += answers(part, predicted, classes, measure)
                n_seen += count_equal(model, part.X)
        shown = (measure, n_top, classes if every else None)
        write(as_records(found, *shown) if as_json else as_csv(found, *shown))
    broken = [answer for answer in found if answer.error is not None]
    for answer in broken:
        progress.line(f"cannot be read: {quoted(answer.path)}: {answer.error}")
    if line := accuracy_line(found, classes):
        progress.line(line)
    if n_top > 1 and any(answer.labels for answer in found) and not any(answer.labels[1:] for answer in found):
        of_k = f" (n_neighbors={model.n_neighbors})" if hasattr(model, "n_neighbors") else ""
        progress.note(f"--top {top}: in every row, only one class has a probability above 0{of_k}")
    if n_seen:
        equal = "equals" if n_seen == 1 else "equal"
        measured = "accuracy measures" if any(answer.true is not None for answer in found) else "the model shows"
        progress.note(
            f"{n_seen:,} of {counted(len(found) - len(broken), 'row')} {equal} a training row of the model: on "
            f"{'this one' if n_seen == 1 else 'these'}, {measured} memorisation, not generalisation"
        )
    return len(broken)


def _refuse_swapped(model: Path, data: Sequence[str]) -> None:
    """Refuse data in the place of the model and a model in the place of the data."""
    swapped = next((path for path in data if path.lower().endswith(".safetensors") and os.path.isfile(path)), None)
    if swapped is not None and model.suffix.lower() != ".safetensors":
        raise InputError(
            f"the first argument is the model, then comes the data: fastcls predict {as_word(swapped)} {as_word(str(model))}"
        )


def _refuse_folder(path: Path) -> None:
    """Refuse a folder, such as that of a run, where a model is wanted; list the models in it."""
    if path.is_dir():
        found = sorted(file for place in (path, path / "models") for file in place.glob("*.safetensors"))
        inside = f"give one of the models in it: {quoted_list(found)}" if found else "give a model (*.safetensors)"
        raise InputError(f"{quoted(path)} is a folder: {inside}")


@contextmanager
def _destination(out: Path | None, inputs: Sequence[str]) -> Iterator[Callable[[str], Any]]:
    """Yield the function that writes the output: to stdout, or to a file, which is refused here if it is not writable."""
    if out is not None:
        _refuse_data_file(out, inputs)
        with replacing(out, "the predictions", inputs=inputs) as temporary:
            yield lambda text: temporary.write_text(text, encoding="utf-8")
    else:
        yield sys.stdout.write


def _refuse_data_file(out: Path, inputs: Sequence[str]) -> None:
    """Refuse to replace a file in a folder of input, unless it is a text file, such as earlier predictions."""
    place = Path(os.path.realpath(out))
    if not place.is_file() or place.suffix.lower() in (".csv", ".json", ".txt"):
        return
    for folder in inputs:
        if os.path.isdir(folder) and place.is_relative_to(os.path.realpath(folder)):
            raise InputError(
                f"cannot write the predictions to {quoted(out)}: it is a file of the data {quoted(folder)}; choose another"
            )
