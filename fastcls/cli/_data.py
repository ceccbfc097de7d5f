"""The user's data, read and checked for a command. Errors name the user's file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._runtime.pacing import Progress as Report
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls.datasets import (
    LAYOUTS,
    NAMES,
    Dataset,
    OnError,
    existing_path,
    folder_of_data,
    layout_of,
    list_images,
    load_listed,
    name_of,
    path_and_name,
    refuse_unfetched,
)
from fastcls.metrics import METRICS, check_magnitude

from .. import datasets
from ._checks import RunOptions
from ._split import Division, divide, divide_images, spare_rows


def load(data: str, metrics: Sequence[str] = (), *, test_rows: bool = True, **options: Any) -> Dataset:
    """Load data with ``fastcls.datasets.load``, and check that sums of all metrics are finite.

    `data` is a path, or ``PATH:NAME`` for the rows in one column or array. Without `test_rows`, those in a file next to an
    .npy file are not looked for.

    Raises
    ------
    InputError
        Raised before rows are shuffled or left out, so the file and the row are those of the user.
    """
    require_data(data)
    word, (data, features) = data, path_and_name(data)
    if features is not None:
        _refuse_without_names(data, features)
        options["features"] = features
    refuse_same_file(options.get("labels"), data)
    if not test_rows and data not in NAMES and layout_of(Path(data)) == "npy":
        if options.get("drop"):
            raise InputError(f"--drop is given for {quoted(data)}, an .npy file; only tables take it: leave it out")
        dataset = datasets.load_npy(data, labels=options.get("labels"), test_rows=False)
    else:
        dataset = datasets.load(data, **options)
    for name, rows in ((quoted(word), dataset.X), (f"the test set of {quoted(word)}", dataset.X_test)):
        if rows is not None:
            for metric in _strictest(metrics, rows.shape[1]):
                check_magnitude(rows, name, metric)
    return dataset


def _refuse_without_names(path: str, name: str) -> None:
    """Refuse ``PATH:NAME`` for data without names of columns or arrays."""
    layout = layout_of(folder_of_data(Path(path)))
    if layout is not None and not takes(path, "features"):
        raise InputError(
            f"{quoted(path)} has no names of columns or arrays, so {quoted(name)} cannot be chosen: give "
            f"{quoted(path)} alone"
        )


def _strictest(metrics: Sequence[str], n_features: int) -> set[str]:
    """Return the metrics whose checks of magnitude imply those of all: that with the smallest limit, and those of norms."""
    first = min(metrics, key=lambda name: METRICS[name].max_abs(n_features), default=None)
    return {name for name in metrics if name == first or METRICS[name].needs_norms}


def load_divided(options: RunOptions, report: Report) -> tuple[Dataset, Division]:
    """Load the data of a run, divided into training and test rows. Of a folder, only the images in use are decoded."""
    if options.labels is None and not options.drop and options.data not in NAMES and Path(options.data).is_dir():
        root = folder_of_data(existing_path(options.data, wanted="a path to data"))
        if layout_of(root) == "images" and options.class_names is None:
            on_error: OnError = "raise" if options.strict else "skip"
            found = list_images(root, follow_links=options.follow_links)
            if found.test is None:
                refuse_undividable(np.array(found.train.codes), found.train.classes, options)
            dataset, division = divide_images(
                found,
                lambda listing: load_listed(listing, options.image_size, None, on_error, report),
                seed=options.seed,
                limit=options.limit,
                keep_pair=options.protocol is None,
            )
            return replace(dataset, name=name_of(Path(options.data))), division
    whole = load(
        options.data,
        options.metrics,
        labels=options.labels,
        drop=options.drop,
        image_size=options.image_size,
        progress=report,
        class_names=options.class_names,
        follow_links=options.follow_links,
    )
    if whole.X_test is None:
        refuse_undividable(whole.y, whole.class_names, options)
    return divide(whole, seed=options.seed, limit=options.limit, keep_pair=options.protocol is None)


def refuse_undividable(y: np.ndarray, class_names: Sequence[str], options: RunOptions) -> None:
    """Refuse data without a test set if too few training rows would be left after holding out test rows."""
    refuse_one_class(y, class_names, f"rows of {options.data}")
    if options.protocol is not None or (spare := spare_rows(y)) > 1:
        return
    if spare == 0 and options.labels is not None:
        raise InputError(
            f"each of the {len(y):,} labels of {quoted(options.labels)} is another one, as of ids, so no setting can be "
            "chosen: give labels that at least two rows have; FILE:COLUMN chooses a column"
        )
    if spare == 0:
        raise InputError(
            f"each of the {len(y):,} rows of {options.data} has a class of its own, so no setting can be chosen: give at "
            "least two rows of each class"
        )
    raise InputError(
        f"only two of the {len(y):,} rows of {options.data} share a class: if one is held out for testing, no setting can "
        "be chosen on the others; give at least two rows of each class"
    )


def refuse_one_class(y: np.ndarray, class_names: Sequence[str], what: str) -> None:
    """Refuse rows that are all of one class."""
    if len(np.unique(y)) < 2:
        raise InputError(
            f"the {what} are all of one class, {quoted(class_names[y[0]])}: add rows of another (images: a "
            "second class folder)"
        )


def require_data(data: str, wanted: str = "the name digits, or a path to data") -> None:
    """Refuse a path that does not exist; it is probably misspelt."""
    if data not in NAMES:
        refuse_unfetched(data)
        existing_path(path_and_name(data)[0], wanted=wanted)


def takes(data: str, option: str) -> bool:
    """Return whether the loader of some data takes an option: ``labels`` from elsewhere, columns to ``drop``."""
    layout = None if data in NAMES else layout_of(folder_of_data(Path(path_and_name(data)[0])))
    return layout is not None and option in LAYOUTS[layout].options


def refuse_same_file(labels: Any, data: str) -> None:
    """Refuse the rows themselves as their labels."""
    if (
        isinstance(labels, (str, Path))
        and os.path.exists(labels)
        and os.path.exists(data)
        and os.path.samefile(labels, data)
    ):
        raise InputError(f"--labels is the same file as the data, {quoted(data)}: give the file of its labels")
