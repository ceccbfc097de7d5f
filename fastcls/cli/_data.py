"""The user's data, read for a command: refusals speak of the command line's options and of the user's own file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls._validation.rows import check_finite
from fastcls.datasets import (
    LISTED,
    NAMES,
    NPZ_KEYS,
    Dataset,
    OnError,
    existing_path,
    layout_of,
    list_images,
    load_listed,
    npz_keys,
    refuse_unfetched,
)
from fastcls.metrics import check_magnitude

from .. import datasets
from ._checks import RunOptions
from ._progress import Report
from ._split import Division, divide, divide_images, spare_rows

#: how the library's refusals name an argument, and how the command line does
_SAID = {
    LISTED: "fastcls run --help lists what is read",
    "give labels=, a path or an array": "give them with --labels FILE",
    "got labels ": "got --labels ",
    "got image_size ": "got --image-size ",
}


def load(data: str, metrics: Iterable[str] = (), **options: Any) -> Dataset:
    """What ``fastcls.datasets.load`` reads, every number of it finite.

    Raises
    ------
    InputError
        Before any rows are shuffled or left out: an array and a row are those of the user's file.
    """
    require_data(data)
    with _in_words_of_the_command():
        dataset = datasets.load(data, **options)
    for name, rows in zip(_names_of_arrays(data), (dataset.X, dataset.X_test), strict=True):
        if rows is not None:
            check_finite(rows, name)
            for metric in metrics:
                check_magnitude(rows, name, metric)
    return dataset


def load_divided(options: RunOptions, report: Report) -> tuple[Dataset, Division]:
    """The data of a run as training and test rows. Of a folder of images only those that are kept are decoded."""
    if options.labels is None and options.data not in NAMES and Path(options.data).is_dir():
        root = existing_path(options.data, wanted="a path to data")
        if layout_of(root) == "images":
            on_error: OnError = "raise" if options.strict else "skip"
            with _in_words_of_the_command():
                found = list_images(root)
                if found.test is None:
                    refuse_undividable(np.array(found.train.codes), found.train.classes, options)
                return divide_images(
                    found,
                    lambda listing: load_listed(listing, options.image_size, None, on_error, report),
                    seed=options.seed,
                    limit=options.limit,
                    keep_pair=options.preset is None,
                )
    whole = load(options.data, options.metrics, labels=options.labels, image_size=options.image_size, progress=report)
    if whole.X_test is None:
        refuse_undividable(whole.y, whole.class_names, options)
    return divide(whole, seed=options.seed, limit=options.limit, keep_pair=options.preset is None)


def refuse_undividable(y: np.ndarray, class_names: Sequence[str], options: RunOptions) -> None:
    """Refuse data without a test set of its own that leaves nothing to train on when test rows are set aside."""
    refuse_one_class(y, class_names, f"rows of {options.data}")
    if options.preset is not None or (spare := spare_rows(y)) > 1:
        return
    if spare == 0:
        raise InputError(
            f"the {len(y):,} rows of {options.data} are all of different classes, and no setting can be chosen "
            "on them: give at least two rows of each class"
        )
    raise InputError(
        f"of the {len(y):,} rows of {options.data}, two are of one class and the others of a class each: if "
        "one is set aside to test, no class has two to choose a setting on; give at least two rows of each "
        "class"
    )


def refuse_one_class(y: np.ndarray, class_names: Sequence[str], what: str) -> None:
    """Refuse rows that are all of one class."""
    if len(np.unique(y)) < 2:
        raise InputError(
            f"the {what} are all of one class, {quoted(class_names[y[0]])}: add rows of another (images: a "
            "second class folder)"
        )


@contextmanager
def _in_words_of_the_command() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        message = str(error)
        for said, option in _SAID.items():
            message = message.replace(said, option)
        raise InputError(message) from None


def require_data(data: str) -> None:
    """Refuse a path at which there is nothing, such as one with a slip in it, in a few words."""
    if data not in NAMES:
        refuse_unfetched(data)
        try:
            Path(data).stat()
        except ValueError as error:  # a zero byte
            raise InputError(f"cannot open {data!r}: {error}") from None


def _names_of_arrays(data: str) -> tuple[str, str]:
    """What the training and the test rows are called in the user's file."""
    path = Path(data)
    if path.suffix.lower() == ".npy":
        return path.name, "X_test"
    if path.suffix.lower() == ".npz" and path.is_file():
        there = npz_keys(path)
        return next(((X, X_test) for X, _, X_test, _ in NPZ_KEYS if X in there), ("X", "X_test"))
    return "X", "X_test"
