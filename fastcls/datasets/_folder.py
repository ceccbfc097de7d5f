"""Load a folder of images by class: ``<class>/<file>``, or ``train/<class>/<file>`` and ``test/<class>/<file>``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any, Literal

import numpy as np

from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import as_text, counted, quoted, quoted_list, shown
from fastcls.datasets._cache import NO_MEMORY, Decoded, ImageCache
from fastcls.datasets._common import existing_path, first_reasons, name_of, note, noting
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import Facts, ImageError, decode_image, fit_image, quiet_pillow, recipe_for, summary_of
from fastcls.datasets._listing import WANTED, Listing, Part, codes_of, list_images, refused_link, relative_names
from fastcls.datasets._row_ids import NamedRows, keep

OnError = Literal["raise", "skip"]

DEFAULT_SIZE = 32
_LARGEST_KEPT = 256
_LARGEST_SIZE = 4096
_MOST_THREADS = 16  # decode at once
_CHUNK = 32  # images that a thread takes at a time


@noting
def load_image_folder(
    path: str | os.PathLike[str],
    image_size: int | None = None,
    *,
    cache: bool | str | os.PathLike[str] | None = None,
    on_error: OnError = "raise",
    progress: Progress | None = None,
    follow_links: bool = False,
) -> Dataset:
    """Load a folder of images by class.

    Classes are sorted by name. Rows are sorted by the natural order of file names ('2.jpg' before '10.jpg'), then by class.
    So numbered images are in the order of their numbers, and the first rows are of all classes.

    Images are recognised by their endings. Hidden files, files of the system (``__MACOSX``, ``@eaDir``, ``Thumbs.db``) and
    other files are left out. If all images are grey, they stay grey (one channel); otherwise all become RGB. If all images
    have one size of at most 256 x 256, they keep it; otherwise they are scaled (shorter side, bilinear with antialias) and
    centre-cropped to `image_size`.

    One logged line counts the files that were left out. Another counts the images that were scaled (unless `image_size` was
    given), turned upright by EXIF, put on white where they were transparent, converted to RGB from grey, a palette or CMYK,
    reduced from 16 bits per channel to 8, or reduced to their first frame. These lines are in ``Dataset.notes``.

    Parameters
    ----------
    path : path
        ``<class>/<file>``, or ``train/<class>/<file>`` with ``test/<class>/<file>`` as the test set.
    image_size : int, optional
        Height and width of the images in pixels. None: the common size if it is at most 256 x 256, else 32.
    cache : bool or path, optional
        Where the decoded images are cached as .npy, which the next call maps into memory. None: in ``FASTCLS_CACHE``, else
        in the user's cache folder, if there are 1,000 images or more. True or a folder: there, also if there are fewer.
        False: nowhere. After any change to a file, to the rules or to Pillow, images are decoded again.
    on_error : {"raise", "skip"}
        What to do with an image that cannot be read: raise an error that names it, or leave it out and list it in
        ``Dataset.unreadable`` with the reason. A class without a readable image is then left out, too.
    progress : callable, optional
        Called as ``progress(done, total)`` between chunks of work, with numbers of images.
    follow_links : bool
        Whether to read links to files and folders outside the folder, as in splits made of links. In a folder of unknown
        origin they can point anywhere.

    Returns
    -------
    Dataset
        X is uint8; ``preprocessing`` is the recipe for ``prepare_image``, ``files`` has the file of each row.

    Raises
    ------
    InputError
        If a folder cannot be listed; folders are named after parts of a data set (``train``, ``test1``, ``masks``) instead
        of classes; a class is empty; a folder is a link to a place outside; images cannot be read (a link to a file outside
        counts as such) or have more than 64 million pixels; or the test set has a class that training does not have.
    """
    listing = list_images(existing_path(path, wanted=WANTED), follow_links=follow_links)
    return load_listed(listing, image_size, cache, on_error, progress)


@noting
def load_listed(
    listing: Listing,
    image_size: int | None,
    cache: bool | str | os.PathLike[str] | None,
    on_error: OnError,
    progress: Progress | None,
) -> Dataset:
    """Load the images of a listing, and no others."""
    size = _checked_size(image_size)
    one_of("on_error", on_error, ("raise", "skip"))
    root, train, test, follow_links = listing
    files = listing.files
    links = {} if follow_links else {i: why for i, file in enumerate(files) if (why := refused_link(file, root))}
    if len(links) == len(files):
        raise unreadable(files, links)
    read = [i for i in range(len(files)) if i not in links]  # a refused link is never opened, not for the cache either
    kept = ImageCache([files[i] for i in read], size, cache)
    found = kept.read(len(read))
    if found is None:
        found = decode_all([files[i] for i in read], size, "skip" if links else on_error, progress)
        if not links or on_error == "skip":
            kept.write(found)
    elif progress is not None:
        progress(len(read), len(read))
    pixels, notes, refused = found
    refused = dict(sorted((links | {read[i]: why for i, why in refused.items()}).items()))
    if refused and on_error == "raise":
        raise unreadable(files, refused)
    for text in notes:
        note(f"{name_of(root)}: {text}")
    codes = np.concatenate([codes_of(train), codes_of(test) if test else np.empty(0, np.int64)])
    is_train = np.arange(len(files)) < len(train.files)
    readable = np.array([i not in refused for i in range(len(files))])
    classes, code_of = _classes_with_images(train, codes[is_train & readable])
    usable = readable & (code_of[codes] >= 0)
    pixels = pixels[usable[readable]] if not usable[readable].all() else pixels
    _note_refused(root, files, refused, int((readable & ~usable).sum()))
    if test is not None and not (usable & ~is_train).any():
        raise InputError(f"no image of the test set of {quoted(root)} can be read: repair them, or remove the folder")
    y, n_train = code_of[codes[usable]], int((usable & is_train).sum())
    names = relative_names([file for file, used in zip(files, usable.tolist(), strict=True) if used], root)
    keep(NamedRows(quoted(root), {"file": lambda: np.array(names[:n_train], dtype=object)}))
    image_shape = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
    X = pixels.reshape(len(pixels), -1)
    return Dataset(
        X[:n_train],
        y[:n_train],
        X[n_train:] if test else None,
        y[n_train:] if test else None,
        class_names=classes,
        image_shape=image_shape,
        preprocessing=recipe_for(image_shape),
        name=name_of(root),
        unreadable=tuple((as_text(str(files[i])), why) for i, why in sorted(refused.items())),
        files=names[:n_train],
        files_test=names[n_train:] if test else None,
    )


def _classes_with_images(train: Part, codes: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the classes with a readable image, and the new code of each old class (-1: no readable image)."""
    readable, listed = (np.bincount(found, minlength=len(train.classes)) for found in (codes, codes_of(train)))
    there = (readable > 0) | (listed == 0)
    if not there.all():
        lost = [name for name, is_there in zip(train.classes, there, strict=True) if not is_there]
        note(f"{counted(len(lost), 'class')} without a readable training image left out: {quoted_list(lost)}")
    names = tuple(as_text(name) for name, is_there in zip(train.classes, there, strict=True) if is_there)
    return names, np.where(there, np.cumsum(there) - 1, -1)


def _note_refused(root: Path, files: list[Path], refused: dict[int, str], n_without_class: int) -> None:
    if refused:
        count = f"{len(refused):,} of {counted(len(files), 'image')}"
        note(f"{name_of(root)}: left out {count} because they cannot be read")
    if n_without_class:
        note(f"{name_of(root)}: left out {counted(n_without_class, 'test image')} of classes without a training image")


def unreadable(files: Sequence[Any], refused: dict[int, str]) -> InputError:
    """The refusal of images: how many there are, which of `files` cannot be read, and why."""
    first = first_reasons(refused, lambda i: f"image {i}" if isinstance(files[i], bytes) else files[i])
    count = f"{len(refused):,} of {counted(len(files), 'image')}"
    return InputError(f"{count} cannot be read: {first}: repair or remove {'it' if len(refused) == 1 else 'them'}")


def _checked_size(image_size: object) -> int | None:
    if image_size is None:
        return None
    if isinstance(image_size, bool) or not isinstance(image_size, (int, np.integer)):
        raise InputError(f"image_size={shown(image_size)}; wanted a whole number of pixels, or None")
    if not 1 <= image_size <= _LARGEST_SIZE:
        raise InputError(f"image_size={image_size}; wanted 1 to {_LARGEST_SIZE} pixels")
    return int(image_size)


def decode_all(files: Sequence[Any], image_size: int | None, on_error: OnError, progress: Progress | None) -> Decoded:
    """Decode files, or their bytes, in parallel into pixels (n, h, w, c), in their order; note what was done to them."""
    pictures: list[np.ndarray | None] = []
    refused: dict[int, str] = {}
    seen: Counter[Facts] = Counter()
    reader = _Reader(image_size)
    done = 0
    with quiet_pillow():
        chunks = [files[i : i + _CHUNK] for i in range(0, len(files), _CHUNK)]
        for decoded in threads.in_pool(reader.read, chunks, min(_MOST_THREADS, threads.processors())):
            for picture in decoded:
                if isinstance(picture, str):
                    refused[done] = picture
                else:
                    pictures.append(picture[0])
                    seen[picture[1]] += 1
                done += 1
            if progress is not None:
                progress(done, len(files))
    if refused and (on_error == "raise" or not pictures):
        raise unreadable(files, refused)
    pixels = _to_rows(pictures, image_size)
    h, w, c = pixels.shape[1:]
    automatic = image_size is None
    text = summary_of(seen, (h, w), grey=c == 1, fitted=automatic)
    if text and automatic and any(facts.size != (h, w) for facts in seen):
        text += "; image_size= sets another size"
    return Decoded(pixels, [text] if text else [], refused)


class _Reader:
    """Decodes chunks of files in threads.

    Whether all images have one size is known only at the end. So small images keep their size until a second size occurs;
    from then on each is fitted at once. The result does not depend on when an image is fitted.
    """

    def __init__(self, image_size: int | None) -> None:
        self.image_size = image_size
        self.mixed = Event()
        self.first: tuple[int, int] | None = None

    def read(self, files: Sequence[Any]) -> list[tuple[np.ndarray, Facts] | str]:
        """For each file, its pixels and facts, or the reason why it cannot be read."""
        return [self._read_one(file) for file in files]

    def _read_one(self, file: Any) -> tuple[np.ndarray, Facts] | str:
        try:
            pixels, facts = decode_image(file)
        except ImageError as error:
            return error.reason
        except InputError as error:  # Pillow is not installed
            return str(error)
        except MemoryError:
            return NO_MEMORY
        size = self.image_size or DEFAULT_SIZE
        if self.image_size is None:
            if self.first is None:
                self.first = pixels.shape[:2]  # a race between threads only delays `mixed`; _to_rows decides
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
        raise InputError(
            f"{counted(len(pictures), 'image')} of {h}x{w} do not fit into memory: give a smaller image_size="
        ) from None
    for i, picture in enumerate(pictures):
        if picture is not None:
            fitted = fit_image(picture, (h, w))
            X[i] = fitted if fitted.ndim == 3 else fitted[:, :, None]  # grey is repeated over the channels
            pictures[i] = None  # freed, so that the pixels are never held twice
    return X
