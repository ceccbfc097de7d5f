"""Files that belong to a file of rows, found next to it by their names: labels, names of classes, test rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from fastcls.datasets._assemble import LABELS, NAME, ROWS
from fastcls.datasets._common import entries

_ENDINGS_OF_X = ("_f16", "_f32", "_x")
_WORD = re.compile(rf"(?<![a-z0-9])({'|'.join(ROWS)})(?![a-z0-9])")
_PART = re.compile(r"(?<![a-z0-9])(train|test|validation|valid|val|dev)(ing)?(?![a-z0-9])")

_ignored: ContextVar[bool] = ContextVar("ignored", default=False)


@contextmanager
def own_labels_only() -> Iterator[None]:
    """Look for no labels next to rows, because others are given: data without labels inside has none."""
    token = _ignored.set(True)
    try:
        yield
    finally:
        _ignored.reset(token)


def find_labels(file: Path) -> Path | None:
    """The file with the labels of the rows in `file`: the first in the same folder whose name is that of labels.

    It has the same format, or is an .npy file. Names that say nothing about the rows (labels.npy next to rows.npz) count
    only for .npy files, which never have labels of their own.
    """
    if _ignored.get():
        return None
    is_npy = file.suffix.lower() == ".npy"
    there = _stems(file, (file.suffix,) if is_npy else (file.suffix, ".npy"))
    names = label_names(file.stem)
    if not is_npy:
        return _first([name for name in names if name not in _OF_NO_PART or NAME.fullmatch(file.stem.lower())], there, file)
    if _part_of(file.stem) not in (None, "train") and not any(map(_is_other_rows, there)):
        names += _OF_NO_PART  # such as labels.npy next to test.npy, and no other rows
    return _first(names, there, file)


def label_names(stem: str) -> list[str]:
    """Names that the labels of rows may have, without the ending, the most specific first."""
    low = stem.lower()
    part, known = _part_of(stem), NAME.fullmatch(low)
    names = [f"{stem}_labels", f"{stem}.labels"]
    names += [f"{stem[: -len(end)]}_labels" for end in _ENDINGS_OF_X if low.endswith(end)]
    words = [match.span() for match in _WORD.finditer(low)]
    if known is not None and known[2] is not None:
        words = [known.span(2)]
    names += [f"{stem[:start]}{word}{stem[end:]}" for start, end in words for word in LABELS]
    if part is not None:
        names += [f"{word}_{part}" for word in LABELS] + [f"{part}_{word}" for word in LABELS]
    if part in (None, "train"):
        names += _OF_NO_PART
    return list(dict.fromkeys(names))


def find_test_rows(file: Path) -> Path | None:
    """The file with the test rows to the training rows in `file`: ``X_test.npy`` next to ``X_train.npy`` or ``X.npy``.

    Rows of no part have none if training rows are next to them too: they may be both together.
    """
    stem = file.stem.lower()
    there, known = _stems(file, (file.suffix,)), NAME.fullmatch(stem)
    if known is not None and (known[1] or known[4]) == "train":
        group = 1 if known[1] else 4
        names = [f"{stem[: known.start(group)]}test{stem[known.end(group) :]}"]
    elif _part_of(stem) == "train":
        names = [_PART.sub("test", stem)]
    elif _part_of(stem) is None and not {_plain(f"{stem}train"), _plain(f"train{stem}")} & set(map(_plain, there)):
        names = [f"{stem}_test", f"test_{stem}"]
    else:
        return None
    return _first(names, there, file)


def find_classes(file: Path) -> Path | None:
    """The text file with the names of the classes."""
    stem = file.stem
    names = [f"{stem}_classes", f"{stem}.classes"]
    names += [f"{stem[: -len(end)]}_classes" for end in _ENDINGS_OF_X if stem.lower().endswith(end)]
    found = [file.parent / f"{name}.txt" for name in (*names, "classes")]
    return next((path for path in found if path.is_file()), None)


_OF_NO_PART = ["labels", "y", "label", "targets", "target"]


def _part_of(stem: str) -> str | None:
    """What a name says about the part of the data: train, test, val, ...; None if it says nothing."""
    known, word = NAME.fullmatch(stem.lower()), _PART.search(stem.lower())
    return (known and (known[1] or known[4])) or (word and word[1]) or None


def _is_other_rows(stem: str) -> bool:
    """Whether a file may have rows that labels of no part belong to."""
    known = NAME.fullmatch(stem.lower())
    is_labels = (known is not None and known[3] is not None) or stem.lower().endswith("labels")
    return not is_labels and _part_of(stem) in (None, "train")


def _plain(name: str) -> str:
    """A name without what separates its words: y_train, y-train and ytrain are one."""
    return re.sub(r"[_. -]", "", name.lower())


def _stems(file: Path, endings: Sequence[str]) -> dict[str, Path]:
    """The other files of the folder with these endings, by their names without them; of one name, the first ending."""
    found: dict[str, Path] = {}
    for ending in endings:
        for entry in entries(file.parent):
            if entry.name.lower().endswith(ending.lower()) and entry.name != file.name:
                found.setdefault(entry.name[: -len(ending)], Path(entry.path))
    return found


def _first(names: Iterable[str], there: dict[str, Path], file: Path) -> Path | None:
    plain: dict[str, Path] = {}
    for stem, path in there.items():
        if path.is_file():
            plain.setdefault(_plain(stem), path)
    return next((plain[key] for name in names if (key := _plain(name)) in plain), None)
