"""Download the official files of published data sets. Only this module uses the network, and only when it is called.

pooch downloads, repeats a transfer that breaks off, and keeps a file only if its checksum is the published one. Archives
stay archives: ``load`` reads them in memory.

Checksums are MD5, the only kind that the publishers give. Sources: CIFAR, the table on
https://www.cs.toronto.edu/~kriz/cifar.html ; Fashion-MNIST, the table in https://github.com/zalandoresearch/fashion-mnist ;
MNIST, torchvision's ``torchvision/datasets/mnist.py``, which also lists the mirrors, because the original page no longer
answers. MD5 finds damage but not forgery. It does not have to: the loaders trust nothing they read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fastcls._runtime.pacing import Progress
from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind, meant, quoted, quoted_list, reason
from fastcls._validation.paths import check_path
from fastcls.datasets._cache import cache_folder
from fastcls.datasets._cifar import load_cifar10, load_cifar100
from fastcls.datasets._common import log
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._idx import load_mnist

_RETRIES = 2  # of one file from one address
_TIMEOUT = 30  # seconds without a byte
_CHUNK_BYTES = 1 << 16
_MAX_BYTES = 512 << 20  # the largest of the files has 170 million


class _Origin(NamedTuple):
    """Where a data set is published: base addresses in the order in which they are tried, and the MD5 of each file."""

    addresses: tuple[str, ...]
    files: dict[str, str]
    loader: Callable[[Path], Dataset]
    sole_file: bool = False  # the loader takes the file, not its folder


ORIGINS = {
    "mnist": _Origin(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        load_mnist,
    ),
    "fashion_mnist": _Origin(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        load_mnist,
    ),
    "cifar10": _Origin(
        ("https://www.cs.toronto.edu/~kriz/",),
        {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
        load_cifar10,
        sole_file=True,
    ),
    "cifar100": _Origin(
        ("https://www.cs.toronto.edu/~kriz/",),
        {"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8"},
        load_cifar100,
        sole_file=True,
    ),
}


def fetch(
    name: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    mirror: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Load a published data set; download its official files first, unless they are in `folder`.

    Parameters
    ----------
    name : {'mnist', 'fashion_mnist', 'cifar10', 'cifar100'}
    folder : path, optional
        Where the files are kept. None: a folder of that name in ``FASTCLS_CACHE``, else in ``fastcls`` in the user's
        cache folder (``~/.cache/fastcls/<name>``).
    mirror : str, optional
        Base address of another server with the same files.
    progress : callable, optional
        Called as ``progress(done, total)``, in bytes, for each file in turn. It starts again when a transfer is repeated.

    Returns
    -------
    Dataset
        The result of ``load`` for the files.

    Raises
    ------
    InputError
        If the name is unknown, pooch is not installed, no server gives a file, or a file is not the published one (it is
        deleted).
    """
    if not isinstance(name, str) or name not in ORIGINS:
        given = quoted(name) if isinstance(name, str) else kind(name)
        close = meant(name, ORIGINS)
        hint = f"did you mean {close!r}? Choose" if close else "choose"
        raise InputError(f"cannot fetch {given}: {hint} one of {quoted_list(ORIGINS)}")
    if mirror is not None and not (isinstance(mirror, str) and mirror.startswith(("http://", "https://"))):
        raise InputError("mirror is not an address: give one that starts with https:// or http://")
    origin = ORIGINS[name]
    place = cache_folder() / name if folder is None else Path(check_path(folder, "a folder", "folder"))
    addresses = origin.addresses if mirror is None else (mirror.rstrip("/") + "/",)
    for file, md5 in origin.files.items():
        _fetch_file(file, md5, addresses, place, progress)
    return origin.loader(place / next(iter(origin.files)) if origin.sole_file else place)


def fetch_mnist(**options: Any) -> Dataset:
    """``fetch('mnist', ...)``: 60,000 and 10,000 grey images of 28 x 28, eleven million bytes to download.

    Parameters
    ----------
    **options
        Options of `fetch`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        As for `fetch`.
    """
    return fetch("mnist", **options)


def fetch_fashion_mnist(**options: Any) -> Dataset:
    """``fetch('fashion_mnist', ...)``: ten kinds of clothing in MNIST's format, 31 million bytes to download.

    Parameters
    ----------
    **options
        Options of `fetch`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        As for `fetch`.
    """
    return fetch("fashion_mnist", **options)


def fetch_cifar10(**options: Any) -> Dataset:
    """``fetch('cifar10', ...)``: 50,000 and 10,000 colour images of 32 x 32, 170 million bytes to download.

    Parameters
    ----------
    **options
        Options of `fetch`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        As for `fetch`.
    """
    return fetch("cifar10", **options)


def fetch_cifar100(**options: Any) -> Dataset:
    """``fetch('cifar100', ...)``: as CIFAR-10, in 100 classes, 169 million bytes to download.

    Parameters
    ----------
    **options
        Options of `fetch`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        As for `fetch`.
    """
    return fetch("cifar100", **options)


def _fetch_file(file: str, md5: str, addresses: tuple[str, ...], folder: Path, progress: Progress | None) -> None:
    try:
        import pooch
    except ImportError:
        raise InputError("downloading needs pooch, which is not installed: pip install 'fastcls[fetch]'") from None
    pooch.get_logger().setLevel("WARNING")  # failures are logged here
    if os.path.lexists(folder / file) and not (folder / file).is_file():  # opening a pipe would block
        raise InputError(f"{quoted(folder / file)} is not a regular file: remove it, or give another folder")
    failures = []
    for address in addresses:
        place = pooch.create(folder, address, registry={file: f"md5:{md5}"}, retry_if_failed=_RETRIES)
        try:
            place.fetch(file, downloader=_Downloader(progress))
            return
        except PermissionError as error:
            raise InputError(f"cannot write to {quoted(folder)}: {reason(error)}; give another folder") from None
        except ValueError as error:  # pooch's error for a wrong checksum; it has removed the file
            wrong = "hash" in str(error)
            failures.append(f"{address}: {'not the published file' if wrong else reason(error)}")
        except OSError as error:  # includes the errors of requests
            failures.append(f"{address}: {reason(error)}")
        log.info("%s", failures[-1])
    raise InputError(
        f"cannot download {quoted(file)} ({'; '.join(failures)}): try again later, or put the file into "
        f"{quoted(folder)} yourself"
    )


class _Downloader:
    """A downloader for pooch that reports exact progress and stops a server that sends without end."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress

    def __call__(self, url: str, output_file: str | os.PathLike[str], pooch: Any) -> None:
        import requests

        done = 0
        # the checksum is that of the file as the server stores it, so a .gz must not be unpacked on the way
        headers = {"Accept-Encoding": "identity"}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer, open(output_file, "wb") as file:
            answer.raise_for_status()
            length = answer.headers.get("Content-Length", "")
            for chunk in answer.iter_content(_CHUNK_BYTES):
                done += len(chunk)
                if done > _MAX_BYTES:
                    raise OSError(f"the server sends more than {_MAX_BYTES:,} bytes")
                file.write(chunk)
                if self.progress is not None:
                    self.progress(done, int(length) if length.isdigit() else done)
