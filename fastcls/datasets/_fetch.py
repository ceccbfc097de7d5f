"""The official files, from the network: the only code of fastcls that ever needs it, and only when called.

Every file is kept only if its checksum is the published one. A transfer that breaks off leaves ``<name>.part`` in the
cache folder, and the next call asks the server for the rest. Archives stay archives: ``load`` reads them in memory.

Checksums (MD5, the only ones their publishers give): CIFAR from the table on https://www.cs.toronto.edu/~kriz/cifar.html ;
Fashion-MNIST from the table in https://github.com/zalandoresearch/fashion-mnist ; MNIST from torchvision's
``torchvision/datasets/mnist.py``, whose list of mirrors is taken too, since the original page no longer answers.
MD5 finds damage; it is no proof against forgery, and needs to be none: the loaders trust nothing they read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind, meant, reason, shown, shown_list
from fastcls.datasets._cache import cache_folder
from fastcls.datasets._cifar import load_cifar10, load_cifar100
from fastcls.datasets._common import log
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._folder import Progress
from fastcls.datasets._idx import load_mnist

_TIMEOUT = 30  # seconds without a byte
_PIECE = 1 << 14  # bytes; of a transfer that breaks off, less than that is lost
_MOST = 512 << 20  # bytes; the largest of the files has 170 million


class _Origin(NamedTuple):
    """Where a data set is published: base addresses in the order in which they are tried, files and their MD5."""

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
    """Load a published data set, and download its official files first where they are not there yet.

    Parameters
    ----------
    name : {'mnist', 'fashion_mnist', 'cifar10', 'cifar100'}
    folder : path, optional
        Where the files are kept. None: a folder of that name in ``FASTCLS_CACHE``, else in ``fastcls`` in the user's
        cache folder (``~/.cache/fastcls/<name>``).
    mirror : str, optional
        Base address of another server with the same files.
    progress : callable, optional
        ``progress(done, total)`` in bytes, of each file in turn.

    Returns
    -------
    Dataset
        As ``load`` gives it for the files.

    Raises
    ------
    InputError
        If the name is unknown, pooch is not installed, no server gives a file, or a file is not the published one: that
        one is deleted.
    """
    if not isinstance(name, str) or name not in ORIGINS:
        told = shown(name) if isinstance(name, str) else kind(name)
        close = meant(name, ORIGINS)
        hint = f"did you mean {close!r}? It is" if close else "wanted"
        raise InputError(f"got {told} to fetch; {hint} one of {shown_list(ORIGINS)}")
    if mirror is not None and not (isinstance(mirror, str) and mirror.startswith(("http://", "https://"))):
        raise InputError("got a mirror that is no address; wanted one that starts with https:// or http://")
    origin = ORIGINS[name]
    place = cache_folder() / name if folder is None else Path(folder)
    addresses = origin.addresses if mirror is None else (mirror.rstrip("/") + "/",)
    for file, md5 in origin.files.items():
        _fetch_file(file, md5, addresses, place, progress)
    return origin.loader(place / next(iter(origin.files)) if origin.sole_file else place)


def fetch_mnist(**options: Any) -> Dataset:
    """``fetch('mnist', ...)``: 60,000 and 10,000 grey images of 28 x 28, eleven million bytes to download."""
    return fetch("mnist", **options)


def fetch_fashion_mnist(**options: Any) -> Dataset:
    """``fetch('fashion_mnist', ...)``: ten kinds of clothing in MNIST's format, 31 million bytes to download."""
    return fetch("fashion_mnist", **options)


def fetch_cifar10(**options: Any) -> Dataset:
    """``fetch('cifar10', ...)``: 50,000 and 10,000 colour images of 32 x 32, 170 million bytes to download."""
    return fetch("cifar10", **options)


def fetch_cifar100(**options: Any) -> Dataset:
    """``fetch('cifar100', ...)``: as CIFAR-10, in 100 classes, 169 million bytes to download."""
    return fetch("cifar100", **options)


def _fetch_file(file: str, md5: str, addresses: tuple[str, ...], folder: Path, progress: Progress | None) -> None:
    try:
        import pooch
    except ImportError:
        raise InputError("fetching needs pooch, which is not installed; pip install 'fastcls[fetch]'") from None
    pooch.get_logger().setLevel("WARNING")  # what is worth a word is logged here
    for there in (folder / file, folder / f"{file}.part"):
        if os.path.lexists(there) and not there.is_file():  # opened, a pipe would be waited for
            raise InputError(f"{shown(there)} is no regular file; remove it, or give another folder")
    failures = []
    for address in addresses:
        try:
            pooch.retrieve(
                address + file,
                known_hash=f"md5:{md5}",
                fname=file,
                path=folder,
                downloader=_Resuming(folder / f"{file}.part", progress),
            )
            return
        except PermissionError as error:
            raise InputError(f"cannot write {shown(folder)}: {reason(error)}; give another folder") from None
        except ValueError as error:  # pooch's word for a wrong checksum; nothing of the file is left
            told = str(error)
            failures.append(f"{address}: not the published file" if "hash" in told else f"{address}: {reason(error)}")
        except OSError as error:  # requests' errors are such
            failures.append(f"{address}: {reason(error)}")
        log.info("%s", failures[-1])
    raise InputError(
        f"{shown(file)} could not be fetched ({'; '.join(failures)}); try again later, or get it by hand into "
        f"{shown(folder)}"
    )


class _Resuming:
    """A downloader for pooch that goes on where the last one broke off.

    The bytes so far lie in `part`; the server is asked for the rest, and where it sends all, all is taken anew. `part`
    becomes pooch's file, whose checksum pooch takes, only when it is as long as the server said.
    """

    def __init__(self, part: Path, progress: Progress | None) -> None:
        self.part, self.progress = part, progress

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        import requests

        done = self.part.stat().st_size if self.part.is_file() else 0
        # Unpacked on the way, a .gz would be another file: 'identity' asks for the bytes as they lie on the server.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code == 416 and done:  # nothing after these bytes: they are all, or of another file
                self._finish(output_file)
                return
            answer.raise_for_status()
            resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            done = done if resumed else 0
            length = answer.headers.get("Content-Length", "")
            total = done + int(length) if length.isdigit() else None
            done = self._take(answer, done, total)
        if total is not None and done != total:
            raise OSError(f"the connection ended after {done:,} of {total:,} bytes, which are kept for the next try")
        self._finish(output_file)

    def _take(self, answer: Any, done: int, total: int | None) -> int:
        with self.part.open("r+b" if done else "wb") as file:
            file.seek(done)
            file.truncate()
            for piece in answer.iter_content(_PIECE):
                file.write(piece)
                done += len(piece)
                if done > min(_MOST, total or _MOST):
                    file.truncate(0)
                    raise OSError(f"the server sends more than {min(_MOST, total or _MOST):,} bytes")
                if self.progress is not None:
                    self.progress(done, total or done)
        return done

    def _finish(self, output_file: Any) -> None:
        os.replace(self.part, output_file)
