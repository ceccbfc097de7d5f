"""A folder of images by class: ``<class>/<file>``, or ``train/<class>/<file>`` and ``test/<class>/<file>``."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np

from fastcls._shown import as_text, counted, shown, shown_list
from fastcls._validation import InputError
from fastcls.datasets._cache import ImageCache
from fastcls.datasets._common import entries, existing_path, log, name_of
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import SUFFIXES, Facts, decode_image, fit_image, quiet_pillow, recipe_for, told

Progress = Callable[[int, int], object]

DEFAULT_SIZE = 32
_LARGEST_KEPT = 256
_LARGEST_SIZE = 4096
_PIECE = 32  # images a thread takes at a time
_WANTED = "a folder of images by class: <class>/<file>, or train/<class>/<file> and test/<class>/<file>"


class _Part(NamedTuple):
    """The image files of one folder of classes, in order, and the code of each one's class."""

    classes: tuple[str, ...]
    files: list[Path]
    codes: list[int]


def is_image_folder(path: Path) -> bool:
    """Tell whether `path` is a folder with at least one image in a folder of its own, or in train/ one deeper."""
    if not path.is_dir():
        return False
    roots = [path / "train", path] if (path / "train").is_dir() else [path]
    return any(_is_image(entry) for root in roots for folder in _folders(root) for entry in entries(Path(folder)))


def load_image_folder(
    path: str | os.PathLike[str],
    image_size: int | None = None,
    *,
    cache: bool | str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Load a folder of images by class.

    Classes are sorted by name. Rows are in the natural order of the files' names ('2.jpg' before '10.jpg'), whatever
    their class, and those of one name in the order of their classes: so numbered images come in the order of their
    numbers, and the first rows are of all classes. Files are told by their endings;
    hidden files and others are skipped, with one logged line that counts them. If all images are grey they stay grey
    (one channel), else all become RGB. Images of one common size up to 256 x 256 are kept as they are; all others are
    scaled (shorter side, bilinear with antialias) and centre-cropped to `image_size`. One logged line counts the images that
    were scaled (unless `image_size` was given), turned upright by EXIF, laid on white where they are transparent, made RGB
    from grey, and reduced from 16 bits a channel to 8.

    Parameters
    ----------
    path : path
        ``<class>/<file>``, or ``train/<class>/<file>`` with ``test/<class>/<file>`` as the test set.
    image_size : int, optional
        Height and width of the rows' images. None: the common size if it is at most 256 x 256, else 32.
    cache : bool or path, optional
        Where the decoded images are kept as .npy, to be a memory map the next time: None: in ``FASTCLS_CACHE``, else in
        the user's cache folder, from 1,000 images on; False: nowhere; True or a folder: there, however few. Any change
        to a file, to the rules or to pillow makes them be decoded anew.
    progress : callable, optional
        ``progress(done, total)`` is called between pieces of work, with numbers of images.

    Returns
    -------
    Dataset
        X uint8; ``preprocessing`` is the complete recipe for ``prepare_image``.

    Raises
    ------
    InputError
        If a folder cannot be listed or a class is empty, a link leads out of the folder, images cannot be read (they
        are named) or have more than 64 million pixels, or test has a class that training has not.
    """
    root = existing_path(path, wanted=_WANTED)
    size = _checked_size(image_size)
    train_root = root / "train" if is_split(root) else root
    train = _list_part(train_root, root)
    test = _list_part(root / "test", root) if train_root != root and (root / "test").is_dir() else None
    if test is not None:
        test = _with_codes_of(train, test)
    files = train.files + (test.files if test else [])
    kept = ImageCache(files, size, cache)
    found = kept.read(len(files))
    if found is None:
        found = _decode_all(files, size, progress)
        kept.write(*found)
    elif progress is not None:
        progress(len(files), len(files))
    pixels, notes = found
    for note in notes:
        log.warning("%s: %s", name_of(root), note)
    image_shape = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
    X = pixels.reshape(len(pixels), -1)
    n_train = len(train.files)
    return Dataset(
        X[:n_train],
        np.array(train.codes, dtype=np.int64),
        X[n_train:] if test else None,
        np.array(test.codes, dtype=np.int64) if test else None,
        class_names=tuple(as_text(name) for name in train.classes),
        image_shape=image_shape,
        preprocessing=recipe_for(image_shape),
        name=name_of(root),
    )


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return the sorting key that puts 'img2' before 'img10'; the name itself decides between '01' and '1'."""
    # Split at a group: every second part is a number, so that numbers only ever meet numbers in a comparison.
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _checked_size(image_size: object) -> int | None:
    if image_size is None:
        return None
    if isinstance(image_size, bool) or not isinstance(image_size, (int, np.integer)):
        raise InputError(f"got image_size {shown(image_size)}; wanted a whole number of pixels, or None")
    if not 1 <= image_size <= _LARGEST_SIZE:
        raise InputError(f"got image_size {image_size}; wanted 1 to {_LARGEST_SIZE} pixels")
    return int(image_size)


def _is_image(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and os.path.splitext(entry.name)[1].lower() in SUFFIXES


def _folders(root: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in entries(root) if entry.is_dir() and not entry.name.startswith(".")]


def is_split(root: Path) -> bool:
    """Tell whether train/ is a training set, not a class that is called train: it holds folders, and no image."""
    train = root / "train"
    if not train.is_dir() or any(_is_image(entry) for entry in entries(train)) or not _folders(train):
        return False
    others = [entry.name for entry in _folders(root) if entry.name not in ("train", "test")]
    if others and not (root / "test").is_dir():
        raise InputError(
            f"{shown(root)} has train/ and {shown_list(others)} but no test/; rename the folder to be judged on "
            "to 'test', or give the path of train/ alone"
        )
    if others:
        log.warning("%s: only train/ and test/ are read; left out: %s", shown(root), shown_list(others))
    return True


def _list_part(folder: Path, root: Path) -> _Part:
    """List the classes and image files of one folder of classes."""
    _refuse_outside(folder, root)
    classes: list[str] = []
    files: list[Path] = []
    codes: list[int] = []
    skipped: list[str] = []
    for entry in entries(folder):
        if entry.name.startswith(".") or not entry.is_dir():
            skipped.append(entry.name)
            continue
        _refuse_outside(Path(entry.path), root)
        images = _class_files(Path(entry.path), root, skipped)
        files += images
        codes += [len(classes)] * len(images)
        classes.append(entry.name)
    if not classes:
        raise InputError(f"{shown(folder)} has no class folders; wanted {_WANTED}")
    if skipped:
        hidden = sum(name.startswith(".") for name in skipped)
        others = [name for name in skipped if not name.startswith(".")]
        example = f" (for instance {shown(others[0])})" if others else ""
        log.info("%s: skipped %d hidden and %d other files%s", shown(folder), hidden, len(others), example)
    order = sorted(range(len(files)), key=lambda i: (natural_key(files[i].name), codes[i]))
    return _Part(tuple(classes), [files[i] for i in order], [codes[i] for i in order])


def _class_files(folder: Path, root: Path, skipped: list[str]) -> list[Path]:
    images = []
    for entry in entries(folder):
        if not entry.name.startswith(".") and entry.is_dir():
            raise InputError(f"the class folder {shown(folder)} holds a folder {shown(entry.name)}; wanted {_WANTED}")
        if not _is_image(entry):
            skipped.append(entry.name)
            continue
        _refuse_outside(Path(entry.path), root)
        images.append(Path(entry.path))
    if not images:
        raise InputError(f"the class folder {shown(folder)} has no image; remove it, or add images ({_endings()})")
    return images


def _endings() -> str:
    return " ".join(SUFFIXES)


def _refuse_outside(path: Path, root: Path) -> None:
    if path != root and path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{shown(path)} is a link that leads out of {shown(root)}; copy the file into the folder")


def _with_codes_of(train: _Part, test: _Part) -> _Part:
    """Return the test part with the codes of the training classes."""
    unknown = [name for name in test.classes if name not in train.classes]
    if unknown:
        raise InputError(f"test/ has classes that train/ has not: {shown_list(unknown)}; add them there or remove them")
    absent = [name for name in train.classes if name not in test.classes]
    if absent:
        log.warning("test/ has no images of %d classes: %s", len(absent), shown_list(absent))
    code = {name: i for i, name in enumerate(train.classes)}
    return _Part(train.classes, test.files, [code[test.classes[c]] for c in test.codes])


def _decode_all(
    files: list[Path], image_size: int | None, progress: Progress | None
) -> tuple[np.ndarray, list[str]]:
    """Decode every file, in parallel, into (n, h, w, c) pixels in the order of `files`; and what was done to them."""
    pictures: list[np.ndarray | None] = []
    refused: list[str] = []
    seen: Counter[Facts] = Counter()
    reader = _Reader(image_size)
    with quiet_pillow(), ThreadPool(_n_threads()) as pool:
        pieces = [files[i : i + _PIECE] for i in range(0, len(files), _PIECE)]
        for decoded in pool.imap(reader.read, pieces):
            for picture in decoded:
                if isinstance(picture, str):
                    refused.append(picture)
                    pictures.append(None)
                else:
                    pictures.append(picture[0])
                    seen[picture[1]] += 1
            if progress is not None:
                progress(len(pictures), len(files))
    if refused:
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise InputError(
            f"{len(refused)} of {counted(len(files), 'image')} cannot be read: {'; '.join(refused[:3])}{more}; repair "
            "or remove them"
        )
    pixels = _to_rows(pictures, image_size)
    h, w, c = pixels.shape[1:]
    asked = image_size is not None
    note = told(seen, (h, w), grey=c == 1, fitted=not asked)
    if note and not asked and any(facts.size != (h, w) for facts in seen):
        note += "; image_size sets another size"
    return pixels, [note] if note else []


class _Reader:
    """Decodes pieces of files in threads.

    Whether all images have one size is known only at the end, so small ones are kept as they are until a second size is
    seen; from then on each is fitted at once. When a picture is fitted does not change what comes out.
    """

    def __init__(self, image_size: int | None) -> None:
        self.image_size = image_size
        self.mixed = Event()
        self.first: tuple[int, int] | None = None

    def read(self, files: list[Path]) -> list[tuple[np.ndarray, Facts] | str]:
        """Pixels of each file and what it was, or why it cannot be read."""
        return [self._read_one(file) for file in files]

    def _read_one(self, file: Path) -> tuple[np.ndarray, Facts] | str:
        try:
            pixels, facts = decode_image(file)
        except InputError as error:
            return str(error)
        except MemoryError:
            return f"{shown(file)}: not enough memory"
        size = self.image_size or DEFAULT_SIZE
        if self.image_size is None:
            if self.first is None:
                self.first = pixels.shape[:2]  # a race between threads only delays the notice: _to_rows decides
            if pixels.shape[:2] != self.first or max(pixels.shape[:2]) > _LARGEST_KEPT:
                self.mixed.set()
            if not self.mixed.is_set():
                return pixels, facts
        return fit_image(pixels, (size, size)), facts


def _to_rows(pictures: list[np.ndarray | None], image_size: int | None) -> np.ndarray:
    sizes = {picture.shape[:2] for picture in pictures if picture is not None}
    h, w = sizes.pop() if len(sizes) == 1 else (image_size or DEFAULT_SIZE,) * 2
    grey = all(picture is not None and picture.ndim == 2 for picture in pictures)
    shape = (h, w, 1 if grey else 3)
    try:
        X = np.empty((len(pictures), *shape), dtype=np.uint8)
    except MemoryError:
        raise InputError(f"{counted(len(pictures), 'image')} of {h}x{w} do not fit into memory; give a smaller "
                         "image_size") from None
    for i, picture in enumerate(pictures):
        if picture is not None:
            fitted = fit_image(picture, (h, w))
            X[i] = fitted if fitted.ndim == 3 else fitted[:, :, None]  # grey is repeated over the channels
            pictures[i] = None  # frees it: the list and X together never hold all pixels twice
    return X


def _n_threads() -> int:
    from joblib import cpu_count

    return min(16, cpu_count())
