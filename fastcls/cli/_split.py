"""Training and test rows of a run. Models store the split, so that ``fastcls predict`` finds the test rows again."""

from __future__ import annotations

import hashlib
import logging
import math
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._sampling.evenly import evenly_spaced
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls.datasets import Listing, Part, can_stratify, refused_link, relative_names

from .. import datasets
from ..datasets import Dataset

#: share of the rows held out for testing if the data has no test set, as in `datasets.train_test_split`; not published
TEST_SIZE = 0.2

#: rows in the fingerprint
FINGERPRINT_ROWS = 256

#: bytes of an image in the fingerprint of a folder
FINGERPRINT_BYTES = 1 << 16


@dataclass(frozen=True, eq=False)
class Division:
    """How training and test rows of a run were divided.

    Attributes
    ----------
    split : dict or None
        The rows that form the test set, in JSON types, for `held_out`; None if the data has its own test set.
    stratified : bool
        Whether both parts have the classes in the same proportions, and all classes of two rows or more.
    test_rows : ndarray of int64, shape (n_test,)
        Number of each test row, from 0, in the data or in its own test set.
    test_rows_of : dict or None
        The data's own test set if only some of its rows are used, so that `fastcls predict` knows it: ``n_used``, ``n_rows``
        and ``fingerprint`` or ``files``.
    trained_on : dict or None
        The data's own training rows, if it has a test set, so that `fastcls predict` knows them: ``n_rows`` and
        ``fingerprint``.
    repeats : dict
        Result of `fastcls._scoring.repeats.count_repeats`.
    checksums : dict
        Result of `fastcls.cli._checksum.checksums`.
    """

    split: dict[str, Any] | None
    stratified: bool
    test_rows: np.ndarray
    test_rows_of: dict[str, Any] | None = None
    trained_on: dict[str, Any] | None = None
    repeats: dict[str, int] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)


def divide(dataset: Dataset, *, seed: int, limit: int | None, keep_pair: bool = True) -> tuple[Dataset, Division]:
    """Return the data with a test set (its own, or a stratified fifth of its rows), each part limited to ``limit`` rows.

    With ``keep_pair``, the test set is small enough that one class keeps two training rows, if `spare_rows` is at least 2.
    """
    own = dataset.X_test is not None
    X_test = dataset.X_test if dataset.X_test is not None else dataset.X
    # split row numbers instead of features
    X_test_numbers = _numbers(X_test) if own else None
    numbers = replace(dataset, X=_numbers(dataset.X), X_test=X_test_numbers, image_shape=None, feature_names=None)
    whole = (
        numbers if own else datasets.train_test_split(numbers, test_size=test_size(dataset.y, keep_pair), random_state=seed)
    )
    parts = whole if limit is None else datasets.limit(whole, limit, random_state=seed)
    assert whole.X_test is not None
    assert parts.X_test is not None
    test = parts.X_test[:, 0].astype(np.int64)
    assert whole.y_test is not None
    stratified = (
        (own or kept_shares(dataset.y, len(whole.y_test)))
        and kept_shares(whole.y, len(whole.y) - len(parts.y))
        and kept_shares(whole.y_test, len(whole.y_test) - len(test))
    )
    parts_before = (whole.y, whole.y_test) if own else (dataset.y, dataset.y)
    assert parts.y_test is not None
    stratified = stratified and all(map(has_all_classes, (parts.y, parts.y_test), parts_before))
    trained_on = {"n_rows": len(dataset.X), "fingerprint": fingerprint(dataset.X)} if own else None
    if own and parts is whole:
        return dataset, Division(None, stratified, test, trained_on=trained_on)
    train = parts.X[:, 0].astype(np.int64)
    divided = replace(
        dataset,
        X=dataset.X[train],
        y=parts.y,
        X_test=X_test[test],
        y_test=parts.y_test,
        files=parts.files,
        files_test=parts.files_test,
    )
    if own:
        whole_test = {"n_used": len(test), "n_rows": len(X_test), "fingerprint": fingerprint(X_test)}
        tested = whole_test if len(test) < len(X_test) else None
        return divided, Division(None, stratified, test, tested, trained_on)
    split = {
        "seed": seed,
        "test_size": TEST_SIZE,
        "n_rows": len(dataset.X),
        "fingerprint": fingerprint(dataset.X),
        "test_rows": test.tolist(),
    }
    return divided, Division(split, stratified, test)


def _numbers(X: np.ndarray) -> np.ndarray:
    return np.arange(len(X), dtype=np.float64)[:, None]


def spare_rows(y: np.ndarray) -> int:
    """Return how many rows can be held out so that each class keeps one."""
    return len(y) - len(np.unique(y))


def test_size(y: np.ndarray, keep_pair: bool) -> float | int:
    """Return the share of test rows, or their number if that share would leave only one row of each class."""
    wanted, most = math.ceil(TEST_SIZE * len(y)), spare_rows(y) - 1
    if not keep_pair or not 1 <= most < wanted:
        return TEST_SIZE
    logging.getLogger("fastcls").warning(
        "%s instead of %d, so that one class keeps two training rows", counted(most, "test row"), wanted
    )
    return most


def has_all_classes(part: np.ndarray, before: np.ndarray) -> bool:
    """Return whether ``part`` has every class that has two rows or more in ``before``."""
    classes, counts = np.unique(before, return_counts=True)
    return bool(np.isin(classes[counts > 1], part).all())


def kept_shares(before: np.ndarray, n_left: int) -> bool:
    """Return whether removing `n_left` rows kept the proportions of the classes; classes of one row stay in."""
    counts = np.unique(before, return_counts=True)[1]
    return n_left == 0 or can_stratify(counts[counts > 1], n_left)


def fingerprint(X: np.ndarray) -> str:
    """Return eight hexadecimal digits from type, shape, and 256 evenly spaced rows.

    They distinguish the data sets of one user; they are no protection against a forged data set.
    """
    rows = X[evenly_spaced(len(X), FINGERPRINT_ROWS)]
    rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    return f"{zlib.crc32(rows.tobytes(), zlib.crc32(f'{rows.dtype.str} {X.shape}'.encode())):08x}"


def held_out(split: Any, X: np.ndarray) -> np.ndarray | None:
    """Return the row numbers of the test set if ``X`` is the data of ``split`` (from a model file), else None."""
    if not isinstance(split, dict) or split.get("n_rows") != len(X) or split.get("fingerprint") != fingerprint(X):
        return None
    rows = _row_numbers(split, len(X))
    return None if rows is None else np.array(rows, dtype=np.int64)


def are_trained_on(known: Any, X: np.ndarray) -> bool:
    """Return whether ``X`` are the training rows of a model's own run, ``known`` from a model file."""
    is_known = isinstance(known, dict) and known.get("n_rows") == len(X)
    return is_known and known.get("fingerprint") == fingerprint(X)


def n_tested(known: Any, X: np.ndarray) -> int | None:
    """Return how many of the test rows ``X`` a model's own run used, if ``known`` (from a model file) is this test set."""
    if not _is_part(known, len(X)) or known.get("fingerprint") != fingerprint(X):
        return None
    return int(known["n_used"])


def n_tested_files(known: Any, files: list[Path], root: Path) -> int | None:
    """Like `n_tested`, for the images of a test set."""
    if not _is_part(known, len(files)) or known.get("files") != files_fingerprint(files, root):
        return None
    return int(known["n_used"])


def _is_part(known: Any, n_rows: int) -> bool:
    return isinstance(known, dict) and known.get("n_rows") == n_rows and type(known.get("n_used")) is int


def files_fingerprint(files: list[Path], root: Path) -> str:
    """Return a digest that is equal for copies of a folder: names and sizes of all files, contents of 256 of them."""
    found = hashlib.blake2b(digest_size=8)
    read = set(evenly_spaced(len(files), FINGERPRINT_ROWS).tolist())
    for number, (file, name) in enumerate(zip(files, relative_names(files, root), strict=True)):
        try:
            if refused_link(file, root):
                raise FileNotFoundError(name)
            known = file.stat()
            whole = stat.S_ISREG(known.st_mode)
            found.update(f"{name}\0{known.st_size if whole else -1}\0".encode())
            if number in read and whole:
                with file.open("rb") as content:
                    found.update(content.read(FINGERPRINT_BYTES))
        except OSError:  # the decoder reports what is wrong with it
            found.update(f"{name}\0unreadable\0".encode())
    return found.hexdigest()


def held_out_files(split: Any, files: list[Path], root: Path) -> list[int] | None:
    """Return the numbers of the test images if these are the files of ``split`` (from a model file), else None."""
    if not isinstance(split, dict) or split.get("n_rows") != len(files) or not isinstance(split.get("files"), str):
        return None
    if split["files"] != files_fingerprint(files, root):
        return None
    return _row_numbers(split, len(files))


def _row_numbers(split: dict[str, Any], n_rows: int) -> list[int] | None:
    rows = split.get("test_rows")
    if not isinstance(rows, list) or not rows or not all(type(row) is int and 0 <= row < n_rows for row in rows):
        return None
    return rows


def divide_images(
    listing: Listing, load: Callable[[Listing], Dataset], *, seed: int, limit: int | None, keep_pair: bool = True
) -> tuple[Dataset, Division]:
    """Like `divide`, for a folder of images: rows are chosen by file, so that only those in use are decoded.

    ``load`` decodes the images of a listing. Without ``limit`` it gets all images in their own order, so that its cache
    is independent of the seed.
    """
    root, (classes, files, codes), test, follow_links = listing
    numbers = np.arange(len(listing.files), dtype=np.float64)[:, None]
    names = tuple(str(number) for number in range(len(classes)))
    n = len(files)
    every = Dataset(
        numbers[:n],
        np.array(codes),
        None if test is None else numbers[n:],
        None if test is None else np.array(test.codes),
        class_names=names,
    )
    parts, division = divide(every, seed=seed, limit=limit, keep_pair=keep_pair)
    division = replace(division, trained_on=None)  # of row numbers
    if division.split is not None:
        split = {key: value for key, value in division.split.items() if key != "fingerprint"}
        division = replace(division, split={**split, "files": files_fingerprint(files, root)})
    if division.test_rows_of is not None and test is not None:
        known = {"n_used": len(division.test_rows), "n_rows": len(test.files)}
        division = replace(division, test_rows_of={**known, "files": files_fingerprint(test.files, root)})
    assert parts.X_test is not None
    rows = [part[:, 0].astype(np.int64).tolist() for part in (parts.X, parts.X_test)]
    if limit is None and test is not None:
        dataset = load(listing)
    elif limit is None:
        dataset = _divided(load(listing), *(relative_names([files[row] for row in part], root) for part in rows))
    else:
        every_file, every_code = listing.files, [*codes, *(test.codes if test else [])]
        train, held = (Part(classes, [every_file[row] for row in part], [every_code[row] for row in part]) for part in rows)
        dataset = load(Listing(root, train, held, follow_links))
    if dataset.unreadable:
        readable = {*(dataset.files or ()), *(dataset.files_test or ())}
        chosen = relative_names([listing.files[row] for row in rows[1]], root)
        kept = [row for row, name in zip(division.test_rows, chosen, strict=True) if name in readable]
        assert dataset.y_test is not None
        every_y = np.concatenate([dataset.y, dataset.y_test])
        stratified = division.stratified and (
            test is not None or all(has_all_classes(part, every_y) for part in (dataset.y, dataset.y_test))
        )
        division = replace(division, stratified=stratified, test_rows=np.array(kept, dtype=np.int64))
    return dataset, division


def _divided(dataset: Dataset, train: tuple[str, ...], test: tuple[str, ...]) -> Dataset:
    """Return the rows of these files, if they could be read, as training and test rows."""
    assert dataset.files is not None
    row_of = {name: row for row, name in enumerate(dataset.files)}
    first, second = ([row_of[name] for name in names if name in row_of] for names in (train, test))
    if not first or not second:
        raise InputError("too few images can be read for a training and a test set: repair some, or add more")
    return replace(
        dataset,
        X=dataset.X[first],
        y=dataset.y[first],
        X_test=dataset.X[second],
        y_test=dataset.y[second],
        files=tuple(dataset.files[row] for row in first),
        files_test=tuple(dataset.files[row] for row in second),
    )
