"""The rows and labels that ``fastcls compare`` compares: one file or folder for each representation."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._runtime.pacing import Progress as Report
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls._validation.types import name_of
from fastcls.datasets import (
    NAMES,
    UNLABELLED,
    Dataset,
    NoLabelsError,
    RowIds,
    UnknownColumnsError,
    UnknownLabelsError,
    check_same_rows,
    existing_path,
    features_wanted,
    find_labels,
    find_test_rows,
    in_order,
    kept_row_ids,
    note_copies,
    note_shared,
    own_labels_only,
    path_and_name,
    plain_labels,
    read_labels,
)

from .. import datasets
from ._compare_options import CompareOptions
from ._data import load, require_data, takes

log = logging.getLogger("fastcls")


@dataclass(frozen=True, eq=False)
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
    labels, test_labels : str or None
        What the labels were read from: the file that was given, or the path of a representation that has them.
    """

    rows: dict[str, np.ndarray]
    y: np.ndarray
    test: dict[str, np.ndarray] | None
    y_test: np.ndarray | None
    class_names: list[str]
    numbers: np.ndarray
    test_numbers: np.ndarray
    labels: str
    test_labels: str | None = None


def named_paths(data: Sequence[str]) -> dict[str, str]:
    """Map the name of each representation to its path: ``NAME=PATH``, or the name of the file without its ending.

    Of ``PATH:COLUMN`` (or the name of an array), it is the name of the column.
    """
    found: dict[str, str] = {}
    for word in data:
        name, sign, path = word.partition("=")
        file, column = path_and_name(word)
        if not sign or column is not None or os.path.exists(word):
            path = word
            whole = Path(file).resolve()
            name = column or (word if word in NAMES else whole.stem if whole.is_file() else whole.name)
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
    given, named, names_of_labels = _given(options.labels)
    # test rows in files next to .npy files, as fastcls run takes them
    test_rows = options.labels is None and not options.test and options.folds is None
    read: dict[str, Dataset] = {}
    labelled: dict[str, np.ndarray] = {}
    own_labels: dict[str, np.ndarray] = {}
    named_rows = [names_of_labels]
    unknown = set(options.drop)
    for done, (name, path) in enumerate(paths.items(), 1):
        read[name], own, names_of_rows = _read(
            path, given=given is not None, named=named, test_rows=test_rows, drop=options.drop, unknown=unknown
        )
        named_rows.append(names_of_rows)
        if own:
            own_labels[name] = labels_of(read[name].class_names, read[name].y)
            _add_labels(labelled, path, own_labels[name])
        report(done, len(paths))
    if unknown:
        raise InputError(f"--drop: none of {quoted_list(paths.values())} has a column {quoted_list(sorted(unknown))}")
    if test_rows:
        read = _without_test_rows_of_some(read, paths)
    elif not options.test:
        _note_test_rows(paths.values(), "labels are given" if options.labels is not None else "--folds is given")
    labels = _agreed(labelled, "rows") if given is None else given
    if labels is None:
        raise _without_labels(paths.values(), "--labels", named, options.drop)
    source = _source(labelled, named) if given is None else str(options.labels)
    if len(labels) > 1 and len(np.unique(labels)) == len(labels):
        raise InputError(
            f"each of the {len(labels):,} labels of {quoted(source)} is another one, as of ids: give labels that at least "
            "two rows have; FILE:COLUMN chooses a column"
        )
    rows = {name: dataset.X for name, dataset in read.items()}
    _check_lengths({paths[name]: X for name, X in rows.items()}, len(labels), source)
    if given is not None:
        _note_others(labelled, labels, source)
    _check_order(named_rows)
    for name, dataset in read.items():  # a loader knows the data's own labels only
        if dataset.image_shape is None and not np.array_equal(own_labels.get(name, ()), labels):
            features, can_drop = dataset.feature_names or (), takes(paths[name], "drop")
            note_copies(quoted(paths[name]), dataset.X, labels, features, can_drop=can_drop)
    test, test_labels, test_source = _test(options, paths, read, labelled, named_rows)
    classes, codes = _codes(labels, test_labels, source, test_source)
    y, y_test = codes[: len(labels)], None if test is None else codes[len(labels) :]
    numbers, test_numbers = np.arange(len(y)), np.arange(0 if y_test is None else len(y_test))
    if options.limit is not None:
        numbers = _limited(y, options.limit, options.seed)
        rows, y = {name: X[numbers] for name, X in rows.items()}, y[numbers]
        if test is not None and y_test is not None:
            test_numbers = _limited(y_test, options.limit, options.seed)
            test, y_test = {name: X[test_numbers] for name, X in test.items()}, y_test[test_numbers]
    return Representations(rows, y, test, y_test, classes, numbers, test_numbers, source, test_source)


def _given(labels: str | None) -> tuple[np.ndarray | None, str | None, list[RowIds]]:
    """The labels in the file that is given, or else the name of what has them; and the names of its rows."""
    if labels is None:
        return None, None, []
    path, column = path_and_name(labels)
    if column is None and not os.path.exists(path):
        return None, labels, []
    with kept_row_ids() as names:
        found = plain_labels(read_labels(existing_path(path, wanted="a file of labels"), column), quoted(labels))
    return found, None, names


def _source(labelled: Mapping[str, np.ndarray], named: str | None) -> str:
    """What the labels are read from: the first data that has them, and the name of its column or array if that is given."""
    first = next(iter(labelled))
    return first if named is None else f"{path_and_name(first)[0]}:{named}"


def _check_order(named_rows: Sequence[Sequence[RowIds]]) -> None:
    """Refuse files that name their rows, and have them in another order. Each has training rows first, then test rows."""
    for one, other in itertools.combinations(named_rows, 2):
        for first, second in zip(one, other, strict=False):
            check_same_rows(first, second)


def _add_labels(labelled: dict[str, np.ndarray], path: str, labels: np.ndarray) -> None:
    """Add the labels that the data at a path has; those of several columns of one file, if they are the same, only once."""
    file = path_and_name(path)[0]
    known = labelled.get(file)
    same = known is None or (known.dtype.kind == labels.dtype.kind and np.array_equal(known, labels))
    labelled[file if same else path] = labels


def _read(
    path: str, *, given: bool, named: str | None, test_rows: bool, drop: tuple[str, ...], unknown: set[str]
) -> tuple[Dataset, bool, list[RowIds]]:
    """The data at a path, whether it has labels of its own, and the names of its rows.

    If labels are `given`, none are looked for next to the rows, and those inside may be wrong. If they are `named`, only an
    array or column of this name has them. Columns to `drop` that the data has are taken out of `unknown`.
    """
    has_names = takes(path, "labels")  # a folder of images always has labels
    options: dict[str, Any] = {"test_rows": test_rows, "drop": drop if takes(path, "drop") else (), "unknown": unknown}
    try:
        with own_labels_only() if given or named is not None else nullcontext(), kept_row_ids() as names:
            return _loaded(path, labels=named if has_names else None, **options), True, names
    except InputError as error:
        if not has_names or not (given or isinstance(error, (NoLabelsError, UnknownLabelsError))):
            raise
    with kept_row_ids() as names:
        return _loaded(path, labels=UNLABELLED, **options), False, names


def _loaded(path: str, *, drop: tuple[str, ...], unknown: set[str], **options: Any) -> Dataset:
    """The data without the columns to `drop`, as far as it has them; these are taken out of `unknown`."""
    try:
        dataset = load(path, drop=drop, **options)
    except UnknownColumnsError as error:
        drop = tuple(name for name in drop if name not in error.missing)
        dataset = load(path, drop=drop, **options)
    unknown.difference_update(drop)
    return dataset


def _without_labels(paths: Iterable[str], option: str, named: str | None, drop: Sequence[str] = ()) -> InputError:
    """The refusal of data of which no part has labels, or none that the columns to `drop` do not leave out."""
    if named is not None:
        return InputError(
            f"{option} {quoted(named)} is no file, and none of {quoted_list(paths)} has an array or column of this name: "
            "give a file of labels, or a name that one of them has"
        )
    if option == "--test-labels":
        return InputError("the test rows have no labels: give --test-labels FILE")
    left = f" without the columns that --drop leaves out ({quoted_list(drop)})" if drop else ""
    return InputError(f"none of {quoted_list(paths)} has labels{left}: give {option} FILE")


def _note_test_rows(paths: Iterable[str], why: str) -> None:
    """Note test rows in files next to .npy files, which are not used."""
    for path in paths:
        if path.lower().endswith(".npy") and (test := find_test_rows(Path(path))) and find_labels(test):
            log.info(
                "%s next to %s is not used, because %s: to test on it, give --test and --test-labels",
                quoted(test.name),
                quoted(Path(path).name),
                why,
            )


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


def _note_others(labelled: Mapping[str, np.ndarray], labels: np.ndarray, source: str) -> None:
    """Note labels inside the data, which are not used because others are given; and if they show another order of rows.

    Other names of the same classes are no contradiction, nor are classes of other sizes. Classes of the same sizes are, if
    rows of one class have different ones there.
    """
    for path, own in labelled.items():
        said = f"the labels in {quoted(path)} are not used, because those of {quoted(source)} are given"
        if len(own) == len(labels):
            sizes, wanted = (np.sort(np.unique(of, return_counts=True)[1]) for of in (own, labels))
            if np.array_equal(sizes, wanted) and (rows := _contradiction(own, labels)) is not None:
                a, b = rows
                said += (
                    f"; their classes have the same sizes, but rows {a} and {b} are both {quoted(own[a])} there, and "
                    f"{quoted(labels[a])} and {quoted(labels[b])} here: check that both have the rows in the same order"
                )
        log.info("%s", said)


def _contradiction(labels: np.ndarray, others: np.ndarray) -> tuple[int, int] | None:
    """Two rows of one class in `labels` and of two classes in `others`; None if there are none."""
    (classes, a), (_, b) = (np.unique(of, return_inverse=True) for of in (labels, others))
    first = np.zeros(len(classes), dtype=np.int64)
    first[a[::-1]] = np.arange(len(a))[::-1]  # the first row of each class
    differ = b[first[a]] != b
    return (int(first[a[np.argmax(differ)]]), int(np.argmax(differ))) if differ.any() else None


def labels_of(class_names: Sequence[str], codes: np.ndarray) -> np.ndarray:
    """The labels of some codes: whole numbers if all class names are written as such (not as 01)."""
    names = np.array(class_names)
    whole = all(name.isdecimal() and name == str(int(name)) and len(name) < 19 for name in class_names)
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
    options: CompareOptions,
    paths: dict[str, str],
    read: dict[str, Dataset],
    own: Collection[str],
    named_train: Sequence[Sequence[RowIds]],
) -> tuple[dict[str, np.ndarray] | None, np.ndarray | None, str | None]:
    """The test rows of each representation, their labels and what has these: of --test, or of the files themselves.

    `own` are the paths whose data has labels of its own, `named_train` what is known of the training rows.
    """
    with_test = [name for name, dataset in read.items() if dataset.X_test is not None]
    given, named, names_of_labels = _given(options.test_labels)
    if named is None and given is None:  # a column of the training rows may be one of the test rows too
        named = _given(options.labels)[1]
    named_rows = [names_of_labels]
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
        where = dict(zip(paths, map(_with_name_of, options.test, paths.values()), strict=True))
        for name, path in where.items():
            require_data(path)
            wanted = read[name].feature_names or ()
            with features_wanted(wanted):
                dataset, has_labels, names_of_rows = _read(
                    path, given=given is not None, named=named, test_rows=False, drop=options.drop, unknown=set()
                )
            named_rows.append(names_of_rows)
            own_names = dataset.feature_names or ()
            test[name] = in_order(dataset.X, own_names, wanted, quoted(path), quoted(paths[name]))
            _check_alike(test[name], read[name].X, path, paths[name])
            if has_labels:
                _add_labels(labelled, path, labels_of(dataset.class_names, dataset.y))
        _check_order(named_rows)
        any(note_shared(a[0], b[0]) for a, b in zip(named_train, named_rows, strict=True) if a and b)
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
            if paths[name] in own or path_and_name(paths[name])[0] in own:
                _add_labels(labelled, paths[name], labels_of(dataset.class_names, dataset.y_test))
    elif options.test_labels is not None:
        raise InputError("--test-labels is given without test rows: give --test FILE for each representation")
    else:
        return None, None, None
    if options.folds is not None:
        raise InputError("--folds is given, but there are test rows: leave one of them out")
    labels = _agreed(labelled, "test rows") if given is None else given
    if labels is None:
        raise _without_labels(options.test or paths.values(), "--test-labels", options.test_labels)
    where = where if options.test else paths
    source = _source(labelled, named) if given is None else str(options.test_labels)
    _check_lengths({where[name]: X for name, X in test.items()}, len(labels), source, "test row")
    if given is not None:
        _note_others(labelled, labels, source)
    return test, labels, source


def _with_name_of(test: str, path: str) -> str:
    """The word of test rows with the name of the column or array that the training rows have, unless it has one."""
    (file, own), column = path_and_name(test), path_and_name(path)[1]
    is_file = own is None and column is not None and test not in NAMES and os.path.exists(file)
    return f"{test}:{column}" if is_file and takes(test, "features") else test


def _check_alike(test: np.ndarray, train: np.ndarray, path: str, train_path: str) -> None:
    """Refuse test rows of another width or type than the training rows."""
    if test.shape[1] != train.shape[1] or test.dtype != train.dtype:
        raise InputError(
            f"{quoted(path)} has {counted(test.shape[1], 'feature')} of type {name_of(test.dtype)}, but its training rows, "
            f"{quoted(train_path)}, have {train.shape[1]:,} of type {name_of(train.dtype)}: give --test in the order of the "
            "representations, and the same features of the same type"
        )


def _codes(
    labels: np.ndarray, test_labels: np.ndarray | None, source: str, test_source: str | None
) -> tuple[list[str], np.ndarray]:
    """Class names, and the codes of the labels and then of the test labels."""
    if test_labels is not None and (labels.dtype.kind == "U") != (test_labels.dtype.kind == "U"):
        kinds = ["text" if of.dtype.kind == "U" else "numbers" for of in (labels, test_labels)]
        raise InputError(
            f"the labels of the training rows in {quoted(source)} are {kinds[0]}, such as {quoted(labels[0])}, and those of "
            f"the test rows in {quoted(test_source)} are {kinds[1]}, such as {quoted(test_labels[0])}: write them alike"
        )
    if test_labels is not None and not np.isin(test_labels, labels).any():
        raise InputError(
            f"no label of the test rows in {quoted(test_source)}, such as {quoted(test_labels[0])}, is one of the training "
            f"rows in {quoted(source)}, such as {quoted(labels[0])}: use the same labels in both"
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
