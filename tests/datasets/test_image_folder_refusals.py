"""Folders of images, and single images, that cannot be used are refused in one clear line."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from _refused import Case, cases, check_refused, picture, touch, two_classes
from PIL import Image

from fastcls import datasets
from fastcls._validation.errors import InputError


def _with(write: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda d: (two_classes(d / "root"), write(d / "root"), datasets.load(d / "root"))


def _png_header(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [head, b"IDAT" + zlib.compress(bytes(100))]
    coded = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


FOLDER_CASES: dict[str, Case] = {
    "empty class": (_with(lambda r: (r / "empty").mkdir()), "has no image"),
    "class of other files": (_with(lambda r: touch(r / "c" / "x.txt")), "has no image"),
    "folder in a class": (_with(lambda r: picture(r / "a" / "deep" / "x.png")), "has a folder 'deep' in it"),
    "no picture": (_with(lambda r: touch(r / "a" / "y.jpg", b"hello")), "a/y.jpg': not a readable image"),
    "empty picture": (_with(lambda r: touch(r / "a" / "y.jpg")), "1 of 3 images cannot be read"),
    "picture cut": (
        _with(lambda r: touch(r / "a" / "y.png", picture(r / "a" / "z.png", (99, 99)).read_bytes()[:90])),
        "a/y.png': damaged or truncated (",
    ),
    "photo cut": (
        _with(lambda r: touch(r / "a" / "y.jpg", picture(r / "a" / "z.jpg", (99, 99)).read_bytes()[:-200])),
        "a/y.jpg': damaged or truncated (",
    ),
    "format that is not on the list": (
        _with(lambda r: Image.new("RGB", (4, 4)).save(r / "a" / "y.png", format="ICO")),
        "not a readable image of the formats JPEG",
    ),
    "control characters in a file name": (_with(lambda r: touch(r / "a" / "\x1b[2J.png")), r"\x1b[2J.png"),
    "over the pixel cap": (_with(lambda r: touch(r / "a" / "y.png", _png_header(8001, 8000))), "more than 64,000,000"),
    "over the cap, where Pillow warns": (
        _with(lambda r: touch(r / "a" / "y.png", _png_header(10000, 10000))),
        "more than 64,000,000",
    ),
    "decompression bomb": (_with(lambda r: touch(r / "a" / "y.png", _png_header(60000, 60000))), "64,000,000 pixels"),
    "float grey": (_with(lambda r: Image.new("F", (4, 4)).save(r / "a" / "y.tif")), "floating-point grey"),
    "wide grey": (_with(lambda r: Image.new("I", (4, 4), 70000).save(r / "a" / "y.tif")), "outside 0 to 65535"),
    "link to a file outside": (
        _with(lambda r: (r / "a" / "y.png").symlink_to(picture(r.parent / "secret.png"))),
        "a/y.png': a link to a file outside",
    ),
    "link to a class outside": (
        _with(lambda r: (r / "c").symlink_to(picture(r.parent / "out" / "secret.png").parent)),
        "is a link to a place outside",
    ),
    "broken link": (_with(lambda r: (r / "a" / "y.png").symlink_to("nowhere.png")), "a link to a file that does not exist"),
    "link to itself": (_with(lambda r: (r / "a" / "y.png").symlink_to("y.png")), "a link to a file that does not exist"),
    "class in test only": (
        lambda d: (
            two_classes(d / "train"),
            two_classes(d / "test"),
            picture(d / "test" / "c" / "x.png"),
            datasets.load(d),
        ),
        "classes that train/ does not have: 'c'",
    ),
    "train and val": (
        lambda d: (two_classes(d / "train"), two_classes(d / "val"), datasets.load(d)),
        "but no test/: rename",
    ),
    "test without classes": (
        lambda d: (two_classes(d / "train"), picture(d / "test" / "x.png"), datasets.load(d)),
        "has 1 image but no class folders",
    ),
    "link to training outside": (
        lambda d: (
            (d / "root").mkdir(),
            (d / "root" / "train").symlink_to(two_classes(d / "o")),
            datasets.load(d / "root"),
        ),
        "is a link to a place outside",
    ),
    "labels": (
        lambda d: datasets.load(two_classes(d), labels=[0, 1]),
        "a folder of images by class; only arrays, tables and CIFAR-100 take it",
    ),
    **{
        f"image size {size!r}": (lambda d, size=size: datasets.load(two_classes(d), image_size=size), "image_size")
        for size in (0, -1, 5000, 2.5, "32", True)
    },
}


@cases(FOLDER_CASES)
def test_a_folder_that_cannot_be_used_is_refused(
    act: Callable, words: str, tmp_path: Path, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setenv("FASTCLS_CACHE", str(kept))
    monkeypatch.setattr("fastcls.datasets._cache.CACHED_FROM", 1)
    (tmp_path / "set").mkdir()
    check_refused(lambda: act(tmp_path / "set"), words)
    assert not any(kept.iterdir())  # of images that were decoded before the refusal nothing is kept
    datasets.load(two_classes(tmp_path / "sound"))
    assert any(kept.iterdir())
    assert not recwarn.list  # Pillow's own warnings would be a second voice


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:  # it would block for ever
    os.mkfifo(two_classes(tmp_path) / "a" / "y.png")
    check_refused(lambda: datasets.load(tmp_path), "not a file")


def test_each_unreadable_file_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for i in range(5):
        touch(tmp_path / "a" / f"bad{i}.jpg", b"x")
    with pytest.raises(InputError, match=r"5 of 7 images cannot be read: .*bad0.*bad1.*bad2.* and 2 more") as refused:
        datasets.load(tmp_path)
    assert "bad3" not in str(refused.value)


RECIPE = datasets.load("digits").preprocessing


def test_class_names_with_markup_or_control_characters_are_escaped(tmp_path: Path) -> None:
    names = ("\x1b[2J", "<script>")
    for name in names:
        picture(tmp_path / "set" / name / "x.png")
    data = datasets.load(tmp_path / "set")
    assert data.class_names == names
    assert repr(data).isprintable()
    for name in names:
        (tmp_path / "set" / name / "x.png").unlink()
        check_refused(lambda: datasets.load_image_folder(tmp_path / "set"), "has no image")
        picture(tmp_path / "set" / name / "x.png")


RECIPE = datasets.load("digits").preprocessing
PREPARE_CASES: dict[str, Case] = {
    "no recipe": (lambda d: datasets.prepare_image(picture(d / "x.png"), {}), "there is no recipe"),
    "recipe is no dict": (lambda d: datasets.prepare_image(picture(d / "x.png"), None), "there is no recipe"),  # type: ignore[arg-type]
    "other rules": (lambda d: datasets.prepare_image(picture(d / "x.png"), {**RECIPE, "version": 2}), "'version'"),
    "no such file": (lambda d: datasets.prepare_image(d / "x.png", RECIPE), "there is no file or folder"),
    "a folder": (lambda d: datasets.prepare_image(d, RECIPE), "not a file"),
    "no picture": (lambda d: datasets.prepare_image(touch(d / "x.png", b"x"), RECIPE), "not a readable image"),
    **{
        f"damaged {key} {value!r}": (
            lambda d, key=key, value=value: datasets.prepare_image(picture(d / "x.png"), {**RECIPE, key: value}),
            "is damaged",
        )
        for key, value in (
            ("mode", "CMYK"),
            ("size", [8]),
            ("size", [8, -8]),
            ("size", 8),
            ("white", 0),
            ("white", "1"),
        )
    },
}


@cases(PREPARE_CASES)
def test_an_image_that_cannot_be_prepared_is_refused(act: Callable, words: str, tmp_path: Path) -> None:
    check_refused(lambda: act(tmp_path), words)
