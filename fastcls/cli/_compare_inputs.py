"""The rows and labels that ``fastcls compare`` compares: one file or folder for each representation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastcls._runtime.pacing import Progress as Report
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls.datasets import NAMES, UNLABELLED, Dataset, NoLabelsError, existing_path, in_order, plain_labels, read_labels

from .. import datasets
from ._compare_options import CompareOptions
from ._data import load, require_data


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
    read: dict[str, Dataset] = {}
    labelled: dict[str, np.ndarray] = {}
    for done, (name, path) in enumerate(paths.items(), 1):
        read[name], own = _read(path, is_labelled=given is None)
        if own:
            labelled[path] = labels_of(read[name], read[name].y)
        report(done, len(paths))
    labels = _agreed(labelled, "rows") if given is None else given
    if labels is None:
        raise InputError(f"none of {quoted_list(paths.values())} has labels: give --labels FILE")
    source = options.labels or next(iter(labelled))
    rows = {name: dataset.X for name, dataset in read.items()}
    _check_lengths({paths[name]: X for name, X in rows.items()}, len(labels), source)
    if options.labels is not None:
        for path in paths.values():
            _check_order(path, labels, options.labels)
    test, test_labels = _test(options, paths, read)
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


def _read(path: str, *, is_labelled: bool) -> tuple[Dataset, bool]:
    """The data at a path, and whether it has labels of its own that are wanted."""
    if is_labelled or path in NAMES:
        try:
            return load(path), is_labelled
        except NoLabelsError:
            pass
    try:
        return load(path, labels=UNLABELLED), False
    except InputError as error:
        try:
            return load(path), False  # layouts such as a folder of images always have labels
        except InputError:
            raise error from None


def _labels_in(path: str) -> np.ndarray:
    return plain_labels(read_labels(existing_path(path, wanted="a file of labels")), quoted(path))


def _check_order(path: str, labels: np.ndarray, source: str) -> None:
    """Refuse rows in another order than the labels given for them, as far as labels of their own show it.

    Other names of the same classes are no contradiction, nor are classes of other sizes. Classes of the same sizes are, if
    rows of one class have different ones there.
    """
    try:
        dataset = load(path)
    except InputError:  # no labels, or several columns of them
        return
    own = labels_of(dataset, dataset.y)
    if len(own) != len(labels):
        return
    (_, a, a_counts), (_, b, b_counts) = (np.unique(of, return_inverse=True, return_counts=True) for of in (own, labels))
    if not np.array_equal(np.sort(a_counts), np.sort(b_counts)):
        return
    other = np.zeros(len(a_counts), dtype=np.int64)
    other[a[::-1]] = b[::-1]  # the class of the first row
    if (other[a] != b).any():
        row = int(np.argmax(other[a] != b))
        raise InputError(
            f"the labels of {quoted(path)} and {quoted(source)} have classes of the same sizes, but differ, first at row "
            f"{row}: {quoted(own[row])} and {quoted(labels[row])}; give all files the same rows in the same order"
        )


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
        if labels.dtype.kind != found.dtype.kind or (found != labels).any():
            row = 0 if labels.dtype.kind != found.dtype.kind else int(np.argmax(found != labels))
            raise InputError(
                f"the labels of {quoted(first)} and {quoted(path)} differ, first at {what[:-1]} {row}: "
                f"{quoted(labels[row])} and {quoted(found[row])}; give the files the same rows, or give "
                "--labels FILE"
            )
    return labels


def _check_lengths(rows: dict[str, np.ndarray], n_labels: int, source: str, what: str = "row") -> None:
    for path, X in rows.items():
        if len(X) != n_labels:
            raise InputError(
                f"{quoted(path)} has {counted(len(X), what)}, but {quoted(source)} has {counted(n_labels, 'label')}: all "
                "representations must be of the same rows, in the same order"
            )


def _test(
    options: CompareOptions, paths: dict[str, str], read: dict[str, Dataset]
) -> tuple[dict[str, np.ndarray] | None, np.ndarray | None]:
    """The test rows of each representation and their labels: of --test, or of the files themselves."""
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
            dataset, own = _read(path, is_labelled=given is None)
            own_names, wanted = dataset.feature_names or (), read[name].feature_names or ()
            test[name] = in_order(dataset.X, own_names, wanted, quoted(path), quoted(paths[name]))
            if own:
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
            if options.labels is None:
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
        for path in options.test or ():
            _check_order(path, labels, options.test_labels)
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
