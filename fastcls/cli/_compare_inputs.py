"""The rows and labels that ``fastcls compare`` compares: one file or folder for each representation."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fastcls._runtime.pacing import Progress as Report
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls.datasets import (
    LAYOUTS,
    NAMES,
    UNLABELLED,
    Dataset,
    NoLabelsError,
    existing_path,
    features_wanted,
    folder_of_data,
    in_order,
    layout_of,
    plain_labels,
    read_labels,
)

from .. import datasets
from ._compare_options import CompareOptions
from ._data import load, require_data

log = logging.getLogger("fastcls")


@dataclass(frozen=True)
class Representations:
    """Representations of the same rows.

    Attributes
    ----------
    rows : dict of str to array (n_rows, n_features)
    y : int64 array (n_rows,)
        Codes.
    test, y_test : dict and int64 array, or None
        Test rows, if they are given.
    class_names : list of str
        Of all codes, those of the test rows included.
    numbers, test_numbers : int64 arrays
        The number of each row in the user's data; not 0, 1, 2, ... with --limit.
    """

    rows: dict[str, np.ndarray]
    y: np.ndarray
    test: dict[str, np.ndarray] | None
    y_test: np.ndarray | None
    class_names: list[str]
    numbers: np.ndarray
    test_numbers: np.ndarray


def named_paths(data: Sequence[str]) -> dict[str, str]:
    """Map the name of each representation to its path: ``NAME=PATH``, or the name of the file without its ending."""
    found: dict[str, str] = {}
    for word in data:
        name, sign, path = word.partition("=")
        if not sign or os.path.exists(word):
            path = word
            name = (
                word if word in NAMES else Path(word).resolve().stem if os.path.isfile(word) else Path(word).resolve().name
            )
        if not name:
            raise InputError(f"{quoted(word)} has no name before '=': wanted NAME=PATH")
        if name in found:
            raise InputError(
                f"{quoted(found[name])} and {quoted(path)} have the same name, {quoted(name)}: give one as NAME=PATH, such "
                f"as {name}-2={path}"
            )
        found[name] = path
    if len(found) < 2:
        only = quoted_list(found.values()) or "none"
        raise InputError(f"compare needs at least two representations, but was given {only}: for one, fastcls run DATA")
    return found


def read_representations(options: CompareOptions, report: Report) -> Representations:
    """Read and check everything.

    Raises
    ------
    InputError
        If a file cannot be read, the representations do not have the same rows, or labels are missing or contradict each
        other.
    """
    paths = named_paths(options.data)
    for path in paths.values():
        require_data(path)
    given = None if options.labels is None else _labels_in(options.labels)
    # test rows in files next to .npy files, as fastcls run takes them
    test_rows = given is None and not options.test and options.folds is None
    read: dict[str, Dataset] = {}
    labelled: dict[str, np.ndarray] = {}
    for done, (name, path) in enumerate(paths.items(), 1):
        read[name], own = _read(path, needs_labels=given is None, test_rows=test_rows)
        if own:
            labelled[path] = labels_of(read[name], read[name].y)
        report(done, len(paths))
    if test_rows:
        read = _without_test_rows_of_some(read, paths)
    labels = _agreed(labelled, "rows") if given is None else given
    if labels is None:
        raise InputError(f"none of {quoted_list(paths.values())} has labels: give --labels FILE")
    source = options.labels or next(iter(labelled))
    rows = {name: dataset.X for name, dataset in read.items()}
    _check_lengths({paths[name]: X for name, X in rows.items()}, len(labels), source)
    if options.labels is not None:
        for path, own_labels in labelled.items():
            _check_order(path, own_labels, labels, options.labels)
    test, test_labels = _test(options, paths, read, labelled)
    classes, codes = _codes(labels, test_labels)
    y, y_test = codes[: len(labels)], None if test is None else codes[len(labels) :]
    numbers, test_numbers = np.arange(len(y)), np.arange(0 if y_test is None else len(y_test))
    if options.limit is not None:
        numbers = _limited(y, options.limit, options.seed)
        rows, y = {name: X[numbers] for name, X in rows.items()}, y[numbers]
        if test is not None and y_test is not None:
            test_numbers = _limited(y_test, options.limit, options.seed)
            test, y_test = {name: X[test_numbers] for name, X in test.items()}, y_test[test_numbers]
    return Representations(rows, y, test, y_test, classes, numbers, test_numbers)


def _read(path: str, *, needs_labels: bool, test_rows: bool) -> tuple[Dataset, bool]:
    """The data at a path, and whether it has labels of its own; if they are not needed, they may be wrong."""
    try:
        return load(path, test_rows=test_rows), True
    except InputError as error:
        if needs_labels and not isinstance(error, NoLabelsError):
            raise
        layout = None if path in NAMES else layout_of(folder_of_data(Path(path)))
        if layout is None or "labels" not in LAYOUTS[layout].options:  # a folder of images always has labels
            raise
    return load(path, labels=UNLABELLED, test_rows=test_rows), False


def _without_test_rows_of_some(read: dict[str, Dataset], paths: dict[str, str]) -> dict[str, Dataset]:
    """Leave out test rows that were found next to .npy files, unless all representations have test rows."""
    if all(dataset.X_test is not None for dataset in read.values()):
        return read
    kept = dict(read)
    for name, dataset in read.items():
        if dataset.X_test is not None and paths[name].lower().endswith(".npy"):
            kept[name] = replace(dataset, X_test=None, y_test=None, files_test=None)
            log.info("the test rows of %s are not used, because not all representations have some", quoted(paths[name]))
    return kept


def _labels_in(path: str) -> np.ndarray:
    return plain_labels(read_labels(existing_path(path, wanted="a file of labels")), quoted(path))


def _check_order(path: str, own: np.ndarray, labels: np.ndarray, source: str) -> None:
    """Refuse rows in another order than the labels given for them, as far as labels of their own show it.

    Other names of the same classes are no contradiction, nor are classes of other sizes. Classes of the same sizes are, if
    rows of one class have different ones there.
    """
    if len(own) != len(labels):
        return
    sizes, wanted = (np.sort(np.unique(of, return_counts=True)[1]) for of in (own, labels))
    if np.array_equal(sizes, wanted) and (rows := _contradiction(own, labels)) is not None:
        row = rows[1]
        raise InputError(
            f"the labels of {quoted(path)} and {quoted(source)} have classes of the same sizes, but differ, first at row "
            f"{row}: {quoted(own[row])} and {quoted(labels[row])}; give all files the same rows in the same order"
        )


def _contradiction(labels: np.ndarray, others: np.ndarray) -> tuple[int, int] | None:
    """Two rows of one class in `labels` and of two classes in `others`; None if there are none."""
    (classes, a), (_, b) = (np.unique(of, return_inverse=True) for of in (labels, others))
    first = np.zeros(len(classes), dtype=np.int64)
    first[a[::-1]] = np.arange(len(a))[::-1]  # the first row of each class
    differ = b[first[a]] != b
    return (int(first[a[np.argmax(differ)]]), int(np.argmax(differ))) if differ.any() else None


def labels_of(dataset: Dataset, codes: np.ndarray) -> np.ndarray:
    """The labels of some codes: whole numbers if all class names are written as such (not as 01)."""
    names = np.array(dataset.class_names)
    whole = all(name.isdecimal() and name == str(int(name)) and len(name) < 19 for name in dataset.class_names)
    return (names.astype(np.int64) if whole else names)[codes]


def _agreed(labelled: dict[str, np.ndarray], what: str) -> np.ndarray | None:
    """The labels that all files with labels share; None if no file has any."""
    if not labelled:
        return None
    (first, labels), *others = labelled.items()
    for path, found in others:
        if len(found) != len(labels):
            raise InputError(
                f"{quoted(first)} has {counted(len(labels), 'row')} and {quoted(path)} has {len(found):,}: all "
                "representations must be of the same rows, in the same order"
            )
        if labels.dtype.kind != found.dtype.kind:
            _check_one_for_one({first: labels, path: found}, what)
        elif (found != labels).any():
            row = int(np.argmax(found != labels))
            raise InputError(
                f"the labels of {quoted(first)} and {quoted(path)} differ, first at {what[:-1]} {row}: "
                f"{quoted(labels[row])} and {quoted(found[row])}; give the files the same rows in the same order, or give "
                "--labels FILE"
            )
    return labels


def _check_one_for_one(labelled: dict[str, np.ndarray], what: str) -> None:
    """Of two files, one has text as labels and one numbers: refuse them, unless each text stands for one number."""
    (first, labels), (path, found) = labelled.items()
    kinds = ["text" if of.dtype.kind == "U" else "numbers" for of in (labels, found)]
    say = f"the labels of {quoted(first)} are {kinds[0]} and those of {quoted(path)} are {kinds[1]}"
    for one, one_path, other in ((labels, first, found), (found, path, labels)):
        if (rows := _contradiction(one, other)) is not None:
            a, b = rows
            raise InputError(
                f"{say}, and they do not name the same classes: {what} {a} and {b} are both {quoted(one[a])} in "
                f"{quoted(one_path)}, but {quoted(other[a])} and {quoted(other[b])} in the other; give the files the same "
                "rows in the same order, or give --labels FILE"
            )
    names = dict(zip(labels.tolist(), found.tolist(), strict=True))
    pairs = ", ".join(f"{quoted(name)} is {quoted(names[name])}" for name in sorted(names)[:3])
    log.info("%s, one for one (%s%s): those of the first are used", say, pairs, ", ..." if len(names) > 3 else "")


def _check_lengths(rows: dict[str, np.ndarray], n_labels: int, source: str, what: str = "row") -> None:
    for path, X in rows.items():
        if len(X) != n_labels:
            raise InputError(
                f"{quoted(path)} has {counted(len(X), what)}, but {quoted(source)} has {counted(n_labels, 'label')}: all "
                "representations must be of the same rows, in the same order"
            )


def _test(
    options: CompareOptions, paths: dict[str, str], read: dict[str, Dataset], own: Collection[str]
) -> tuple[dict[str, np.ndarray] | None, np.ndarray | None]:
    """The test rows of each representation and their labels: of --test, or of the files themselves.

    `own` are the paths whose data has labels of its own.
    """
    with_test = [name for name, dataset in read.items() if dataset.X_test is not None]
    given = None if options.test_labels is None else _labels_in(options.test_labels)
    labelled: dict[str, np.ndarray] = {}
    test: dict[str, np.ndarray] = {}
    if options.test:
        if with_test:
            raise InputError(f"{quoted(paths[with_test[0]])} has test rows of its own: leave --test out")
        if len(options.test) != len(paths):
            raise InputError(
                f"--test names {counted(len(options.test), 'file')} for {counted(len(paths), 'representation')}: give one "
                "for each, in the same order"
            )
        for name, path in zip(paths, options.test, strict=True):
            require_data(path)
            wanted = read[name].feature_names or ()
            with features_wanted(wanted):
                dataset, has_labels = _read(path, needs_labels=given is None, test_rows=False)
            own_names = dataset.feature_names or ()
            test[name] = in_order(dataset.X, own_names, wanted, quoted(path), quoted(paths[name]))
            if has_labels:
                labelled[path] = labels_of(dataset, dataset.y)
    elif with_test:
        if lacking := [name for name in paths if name not in with_test]:
            raise InputError(
                f"{quoted(paths[with_test[0]])} has test rows of its own, but {quoted(paths[lacking[0]])} has not: give all "
                "of them test rows, or none"
            )
        for name, dataset in read.items():
            assert dataset.X_test is not None
            assert dataset.y_test is not None
            test[name] = dataset.X_test
            if paths[name] in own:
                labelled[paths[name]] = labels_of(dataset, dataset.y_test)
    elif given is not None:
        raise InputError("--test-labels is given without test rows: give --test FILE for each representation")
    else:
        return None, None
    if options.folds is not None:
        raise InputError("--folds is given, but there are test rows: leave one of them out")
    labels = _agreed(labelled, "test rows") if given is None else given
    if labels is None:
        raise InputError("the test rows have no labels: give --test-labels FILE")
    where = dict(zip(paths, options.test, strict=True)) if options.test else paths
    source = options.test_labels or next(iter(labelled))
    _check_lengths({where[name]: X for name, X in test.items()}, len(labels), source, "test row")
    if options.test_labels is not None:
        for path, own_labels in labelled.items():
            _check_order(path, own_labels, labels, options.test_labels)
    return test, labels


def _codes(labels: np.ndarray, test_labels: np.ndarray | None) -> tuple[list[str], np.ndarray]:
    """Class names, and the codes of the labels and then of the test labels."""
    if test_labels is not None and labels.dtype.kind != test_labels.dtype.kind:
        raise InputError(
            f"the labels are {'text' if labels.dtype.kind == 'U' else 'numbers'}, such as {quoted(labels[0])}, and those of "
            f"the test rows are not, such as {quoted(test_labels[0])}: use the same labels in both"
        )
    every = labels if test_labels is None else np.concatenate([labels, test_labels])
    classes, codes = np.unique(every, return_inverse=True)
    return [str(name) for name in classes.tolist()], codes.reshape(-1).astype(np.int64)


def _limited(y: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Numbers of at most n rows, stratified."""
    dense = np.unique(y, return_inverse=True)[1]
    names = tuple(map(str, range(int(dense.max()) + 1)))
    numbers = Dataset(np.arange(len(y), dtype=np.float64)[:, None], dense, class_names=names)
    return datasets.limit(numbers, n, random_state=seed).X[:, 0].astype(np.int64)
