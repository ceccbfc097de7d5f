"""List the image files of a folder by class. Only names are read; no image is opened."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import as_text, counted, quoted, quoted_list
from fastcls.datasets._common import entries, is_folder, looks_of, note, note_look_alikes
from fastcls.datasets._image import SUFFIXES

WANTED = "a folder of images by class: <class>/<file>, or train/<class>/<file> and test/<class>/<file>"

#: folders and files that systems and tools create, in lower case; names that begin with a dot are hidden files
_SYSTEM = frozenset(
    (
        *("__macosx", "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "lost+found"),
        *("$recycle.bin", "recycler", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        "__pycache__",
    )
)

#: the folders of a training set and of a test set, in lower case
TRAIN, TEST = ("train", "training"), ("test", "testing")

# Words in folder names that mean a part of a data set or a kind of file; and words without meaning.
_TO_TRAIN = frozenset(("train", "training", "trainval"))
_TO_TEST = frozenset(
    ("test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation", "holdout", "public", "private")
)
_IMAGES = frozenset(("image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"))
_TRUTH = frozenset(
    (
        *("mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations"),
        *("groundtruth", "gt", "bbox", "bboxes"),
    )
)
_ROLES = _TO_TRAIN | _TO_TEST | _IMAGES | _TRUTH
_FILLERS = frozenset(("set", "sets", "data", "dataset", "split", "class", "object", "jpeg", "jpg", "png", "of", "the"))


class Part(NamedTuple):
    """The image files in one folder of classes, in order, and the class code of each."""

    classes: tuple[str, ...]
    files: list[Path]
    codes: list[int]


class Listing(NamedTuple):
    """The training images of a folder, and the images of its test set, if it has one. The classes are the same.

    `follow_links`: links to files and folders outside `root` are read as well.
    """

    root: Path
    train: Part
    test: Part | None
    follow_links: bool = False

    @property
    def files(self) -> list[Path]:
        """The training images, then the test images."""
        return self.train.files + (self.test.files if self.test else [])


def is_system(name: str) -> bool:
    """Tell whether a file or folder is hidden, or was created by a system or a tool."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_image_name(name: str) -> bool:
    """Tell by the ending of a name whether the file is read as an image."""
    return not is_system(name) and os.path.splitext(name)[1].lower() in SUFFIXES


def is_image_folder(path: Path) -> bool:
    """Tell whether `path` is a folder with an image at <class>/<file> or train/<class>/<file>."""
    if not path.is_dir():
        return False
    train = _folder_called(path, TRAIN)
    roots = [path] if train is None else [train, path]
    return any(is_image_name(entry.name) for root in roots for folder in _folders(root) for entry in entries(Path(folder)))


def natural_key(name: str) -> tuple[list[str | int], str]:
    """The sorting key that puts 'img2' before 'img10'. The name itself decides between '01' and '1'."""
    # every second part is a number, so numbers are compared only with numbers
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def list_images(root: Path, *, follow_links: bool = False) -> Listing:
    """List the images of a folder by class, and note what is left out.

    Raises
    ------
    InputError
        If a folder cannot be listed, folders are named after parts of a data set instead of classes, a class is empty, a
        folder is a link to a place outside, or the test set has a class that training does not have.
    """
    train_root, test_root = parts_of(root)
    left_out = (
        []
        if train_root == root
        else [entry.name for entry in entries(root) if is_system(entry.name) or not is_folder(entry)]
    )
    bounds = None if follow_links else root
    train = _list_part(train_root, root, left_out, bounds)
    test = None if test_root is None else _with_codes_of(train, _list_part(test_root, root, left_out, bounds))
    _note_left_out(root, left_out)
    note_look_alikes(train.classes, quoted(root))
    return Listing(root, train, test, follow_links)


def images_below(folder: Path) -> list[Path]:
    """All images in a folder and its subfolders, in the order of a data set's rows; only those of test/ if there is one."""
    _, test = _split_folders(folder) or (None, None)
    if test is not None and (images := images_below(test)):
        return images
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_system(name))
        found += [Path(place, name) for name in files if is_image_name(name)]
    return sorted(found, key=lambda path: natural_key(path.name))  # stable: equal names keep the order of their folders


class FoundImage(NamedTuple):
    """One image file to predict."""

    path: Path
    label: str | None  # its class, if the folder is a data set of images by class
    refused: str | None  # why it is not opened: a link to a file outside the folder


def find_images(path: Path) -> list[FoundImage]:
    """List the images to predict at `path`: the image itself, or every image in the folder and its subfolders.

    If a folder has train/ and test/, only the images of test/ are listed. They are in the order of a data set's rows.

    Parameters
    ----------
    path : Path
        An image file or a folder.

    Returns
    -------
    list of FoundImage
        Each has a label if the folder is a data set of images by class. Empty if there is no image.

    Raises
    ------
    InputError
        If a folder cannot be listed.
    """
    if not path.is_dir():
        return [FoundImage(path, None, None)] if path.is_file() and is_image_name(path.name) else []
    labelled: set[Path | None] = set()
    with contextlib.suppress(InputError):  # a folder that is not a data set can have images too
        labelled = set(parts_of(path)) if is_image_folder(path) else set()
    return [
        FoundImage(file, as_text(file.parent.name) if file.parent.parent in labelled else None, refused_link(file, path))
        for file in images_below(path)
    ]


def parts_of(root: Path) -> tuple[Path, Path | None]:
    """The folders of the training classes and of the test classes (or None); `root` itself if it is not divided."""
    divided = _split_folders(root)
    if divided is None:
        return root, None
    train, test = divided
    others = [entry.name for entry in _folders(root) if entry.name not in (train.name, test.name if test else "")]
    if others and test is None:
        raise InputError(
            f"{quoted(root)} has {train.name}/ and {quoted_list(others)} but no test/: rename the folder of test images to "
            f"'test', or give the path of {train.name}/ alone"
        )
    if others:
        both = f"{train.name}/ and {test.name if test else 'test'}/"
        note(f"{quoted(root)}: only {both} are read; left out: {quoted_list(others)}")
    return train, test


def _split_folders(root: Path) -> tuple[Path, Path | None] | None:
    """The folders of the training and the test set, or None. A train/ with images or without folders is a class."""
    train = _folder_called(root, TRAIN)
    if train is None or any(is_image_name(entry.name) for entry in entries(train)) or not _folders(train):
        return None
    return train, _folder_called(root, TEST)


def _folder_called(root: Path, names: tuple[str, ...]) -> Path | None:
    found = [entry.name for entry in _folders(root) if entry.name.lower() in names]
    if len(found) > 1:
        raise InputError(f"{quoted(root)} has {quoted_list(found)}, which mean the same part: keep one of them")
    return root / found[0] if found else None


def _folders(root: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in entries(root) if is_folder(entry) and not is_system(entry.name)]


def _roles_of(name: str) -> frozenset[str]:
    """The words in a folder's name that mean a part of a data set or a kind of file ('test1', 'val_images').

    Empty if the name has other words as well.
    """
    words = _words_of(name)
    rest = re.sub(r"[A-Za-z0-9_\-. ()]", "", name)
    known = all(word in _ROLES or word in _FILLERS or len(word) == 1 for word in words)
    return _ROLES & words if known and not rest else frozenset()


def _words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _have_truths(names: list[str]) -> bool:
    """Tell whether folders come in pairs of images and their masks or labels: 'x' and 'x_mask', 'data' and 'mask'."""
    of_truth: dict[bool, list[frozenset[str]]] = {False: [], True: []}
    for name in names:
        words = _words_of(name)
        of_truth[bool(words & _TRUTH)].append(frozenset(words - _TRUTH - _IMAGES - _FILLERS))
    return len(names) > 1 and sorted(map(sorted, of_truth[False])) == sorted(map(sorted, of_truth[True]))


def _parts_among(names: list[str]) -> list[str]:
    """The folders that are parts of a data set, not classes: all are named so, or two form a pair (train and test)."""
    if _have_truths(names):
        return names
    roles = {name: found for name in names if (found := _roles_of(name))}
    words = frozenset().union(*roles.values())
    paired = (words & _TO_TRAIN and words & _TO_TEST) or (words & _IMAGES and words & _TRUTH)
    return list(roles) if len(roles) == len(names) or (paired and len(roles) > 1) else []


def _list_part(folder: Path, root: Path, left_out: list[str], bounds: Path | None) -> Part:
    """List the classes and image files in one folder of classes; links out of the folder `bounds` are refused."""
    _refuse_outside(folder, bounds)
    classes: list[str] = []
    files: list[Path] = []
    codes: list[int] = []
    loose = 0
    found = entries(folder)
    named = [entry.name for entry in found if not is_system(entry.name) and is_folder(entry)]
    if parts := _parts_among(named):
        raise InputError(
            f"{quoted(folder)} has the folders {quoted_list(parts)}, which are parts of a data set, not classes: put the "
            "images of each class into their own folder, <class>/<file> or train/<class>/<file>"
        )
    for entry in found:
        if is_system(entry.name) or not is_folder(entry):
            loose += is_image_name(entry.name)
            left_out.append(os.path.relpath(entry.path, root))
            continue
        _refuse_outside(Path(entry.path), bounds)
        images = _class_files(Path(entry.path), root, left_out)
        files += images
        codes += [len(classes)] * len(images)
        classes.append(entry.name)
    if not classes:
        if loose:
            raise InputError(
                f"{quoted(folder)} has {counted(loose, 'image')} but no class folders: move them into one folder per class, "
                "or remove the folder if they have no labels"
            )
        raise InputError(f"{quoted(folder)} has no class folders: give {WANTED}")
    order = sorted(range(len(files)), key=lambda i: (natural_key(files[i].name), codes[i]))
    return Part(tuple(classes), [files[i] for i in order], [codes[i] for i in order])


def _class_files(folder: Path, root: Path, left_out: list[str]) -> list[Path]:
    images = []
    for entry in entries(folder):
        if not is_system(entry.name) and is_folder(entry):
            raise InputError(f"the class folder {quoted(folder)} has a folder {quoted(entry.name)} in it: give {WANTED}")
        if not is_image_name(entry.name):
            left_out.append(os.path.relpath(entry.path, root))
            continue
        images.append(Path(entry.path))
    if not images:
        endings = " ".join(SUFFIXES)
        raise InputError(f"the class folder {quoted(folder)} has no image: remove it, or add images ({endings})")
    return images


def _note_left_out(root: Path, left_out: list[str]) -> None:
    """Note in one line what was left out. Hidden files and files of the system are counted separately."""
    system = [name for name in left_out if is_system(os.path.basename(name))]
    images = [name for name in left_out if is_image_name(os.path.basename(name))]
    others = [name for name in left_out if name not in {*system, *images}]
    if not left_out:
        return
    parts = []
    if images:
        parts.append(f"{counted(len(images), 'image')} outside the class folders ({quoted_list(images, 1)})")
    if others:
        endings = Counter(os.path.splitext(name)[1].lower() or "no ending" for name in others)
        kinds = ", ".join(quoted(ending, 20)[1:-1] for ending, _ in endings.most_common(4))
        parts.append(f"{counted(len(others), 'file')} not read as images ({kinds}; for instance {quoted(others[0])})")
    if system:
        names = sorted({os.path.basename(name) for name in system})
        parts.append(f"{counted(len(system), 'hidden or system file')} ({quoted_list(names, 3)})")
    level = logging.WARNING if images or others else logging.INFO
    note(f"{quoted(root)}: left out {' and '.join(parts)}", level=level)


def _refuse_outside(path: Path, root: Path | None) -> None:
    if root is not None and path != root and path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{quoted(path)} is a link to a place outside {quoted(root)}: copy the folder into it, or follow links "
            "(follow_links=True)"
        )


def refused_link(file: Path, root: Path) -> str | None:
    """Why an image file of the folder `root` is not read; None if it is read.

    A link to a file outside the folder is not followed: in a folder of unknown origin it could point anywhere.
    """
    if not os.path.islink(file):
        return None
    if not os.path.exists(file):
        return "a link to a file that does not exist"
    target, within = os.path.realpath(file), os.path.realpath(root)
    if target.startswith(os.path.join(within, "")):
        return None
    return f"a link to a file outside {quoted(root)} (copy the file into it)"


def _with_codes_of(train: Part, test: Part) -> Part:
    """Return the test part with the codes of the training classes. Names that look the same are one class."""
    code = {name: i for i, name in enumerate(train.classes)}
    by_looks: dict[str, list[str]] = {}
    for name in train.classes:
        by_looks.setdefault(looks_of(name), []).append(name)
    same: dict[str, str] = {}
    for name in test.classes:
        alike = by_looks.get(looks_of(name), [])
        if name in code:
            same[name] = name
        elif len(alike) == 1 and alike[0] not in test.classes:
            same[name] = alike[0]
            note(f"the class {name!a} of test/ is read as {alike[0]!a} of train/, which looks the same")
    if unknown := [name for name in test.classes if name not in same]:
        folded = {looks_of(name).casefold(): name for name in train.classes}
        near = [folded[key] for name in unknown if (key := looks_of(name).casefold()) in folded]
        hint = f" (train/ has {quoted_list(near)})" if near else ""
        raise InputError(
            f"test/ has classes that train/ does not have: {quoted_list(unknown)}{hint}: add them there, or remove them"
        )
    if absent := [name for name in train.classes if name not in same.values()]:
        note(f"test/ has no images of {counted(len(absent), 'class')}: {quoted_list(absent)}")
    return Part(train.classes, test.files, [code[same[test.classes[c]]] for c in test.codes])


def relative_names(files: list[Path], root: Path) -> tuple[str, ...]:
    """The paths of files relative to `root`, with '/' between folders, as text that any encoding can write."""
    return tuple(as_text(os.path.relpath(file, root)).replace(os.sep, "/") for file in files)


def codes_of(part: Part) -> np.ndarray:
    """The class codes of a part's files: int64 (n_files,)."""
    return np.array(part.codes, dtype=np.int64)
