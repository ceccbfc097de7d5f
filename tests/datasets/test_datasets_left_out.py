"""What a loader leaves out, changes or cannot distinguish is noted once; folders of parts of the data are not classes."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _layouts import DIGITS, Sample, check_same, write_cifar, write_idx, write_images, write_mnist
from _refused import check_refused
from PIL import Image

from fastcls import datasets
from fastcls._validation.errors import InputError


def picture(path: Path, value: int = 9, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (value, value, 200)).save(path, **options)
    return path


def two_classes(root: Path) -> Path:
    for name in "ab":
        picture(root / name / "x.png")
    return root


def said(dataset: datasets.Dataset, *words: str) -> None:
    (line,) = [note for note in dataset.notes if words[0] in note]
    for word in words:
        assert word in line, line
    assert line.isprintable()


# ---------------------------------------------------------------- folders that are no classes

PARTS = [
    ("train", "test1"),
    ("train", "test"),
    ("train", "val"),
    ("train", "valid", "test"),
    ("images", "masks"),
    ("images", "annotations"),
    ("Train", "Test"),
    ("trainA", "trainB", "testA", "testB"),
    ("train2017", "val2017"),
    ("train_images", "test_images"),
    ("training_set", "test_set"),
    ("JPEGImages", "SegmentationClass"),
    ("images", "labels"),
    ("imgs",),
    ("train", "dev"),
    ("train", "test", "extra"),
    ("images", "masks", "previews"),
]


@pytest.mark.parametrize("names", PARTS, ids="+".join)
def test_folders_named_after_parts_of_a_data_set_are_not_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        picture(tmp_path / name / "1.jpg")
        picture(tmp_path / name / "2.jpg")
    check_refused(lambda: datasets.load(tmp_path), "are parts of a data set, not classes: put the images of each class")


def test_annotations_without_images_do_not_hide_that_images_is_no_class(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "1.jpg")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "1.xml").write_text("<a/>")
    (tmp_path / "__MACOSX").mkdir()
    check_refused(lambda: datasets.load(tmp_path), "are parts of a data set")
    shutil.move(tmp_path / "annotations", tmp_path / "train" / "labels")
    shutil.move(tmp_path / "images", tmp_path / "train" / "images")
    (tmp_path / "test").mkdir()
    check_refused(lambda: datasets.load(tmp_path), "are parts of a data set")


@pytest.mark.parametrize(
    "names",
    [
        ("train", "bus"),
        ("test", "other"),
        ("valid", "invalid"),
        ("with_mask", "without_mask"),
        ("image", "text"),
        ("1", "2"),
        ("a", "b"),
        ("label_0", "x"),
        ("<train>", "<test>"),
        ("train_station", "test_track"),
        ("photo", "mask_shop"),
    ],
    ids="+".join,
)
def test_a_class_may_have_the_name_of_a_part_if_there_are_others(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        picture(tmp_path / name / "1.png")
    assert set(datasets.load(tmp_path).class_names) == set(names)


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Train", "TEST"), ("training", "testing")])
def test_training_and_test_folders_are_found_by_their_usual_names(tmp_path: Path, train: str, test: str) -> None:
    sample = Sample((6, 5, 3))
    write_images(tmp_path / "set", sample, DIGITS)
    for old, new in (("train", train), ("test", test)):
        (tmp_path / "set" / old).rename(tmp_path / "set" / f"_{new}")
        (tmp_path / "set" / f"_{new}").rename(tmp_path / "set" / new)
    check_same(datasets.load(tmp_path / "set"), sample, DIGITS)


def test_unlabelled_test_images_are_refused_with_what_to_do(tmp_path: Path) -> None:
    two_classes(tmp_path / "train")
    picture(tmp_path / "test" / "1.jpg")
    check_refused(lambda: datasets.load(tmp_path), "has 1 image but no class folders")


# ---------------------------------------------------------------- what systems leave behind

SYSTEM = [
    "__MACOSX",
    "@eaDir",
    "lost+found",
    ".ipynb_checkpoints",
    "$RECYCLE.BIN",
    ".hidden",
    "System Volume Information",
    "#recycle",
    "__pycache__",
]


@pytest.mark.parametrize("name", SYSTEM)
def test_system_folders_are_never_classes_and_noted_once(tmp_path: Path, name: str) -> None:
    root = two_classes(tmp_path / "set")
    before = datasets.load(root)
    assert before.notes == ()
    for place in (root, root / "a"):
        picture(place / name / "x.png", 77)
    (root / "a" / "Thumbs.db").write_bytes(b"x")
    (root / "b" / "._x.jpg").write_bytes(b"x")
    (root / ".DS_Store").write_bytes(b"x")
    after = datasets.load(root)
    assert after.class_names == before.class_names
    np.testing.assert_array_equal(after.X, before.X)
    said(after, "left out 5 hidden or system files")
    assert len(after.notes) == 1


def test_images_outside_classes_and_other_files_are_noted(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "set")
    picture(root / "loose.jpg")
    for name in ("1.heic", "2.heic", "readme.txt"):
        (root / "a" / name).write_bytes(b"x")
    said(datasets.load(root), "1 image outside the class folders ('loose.jpg')", "3 files not read as images (.heic, .txt;")


def test_other_entries_next_to_train_and_test_are_noted(tmp_path: Path) -> None:
    for part in ("train", "test"):
        two_classes(tmp_path / part)
    assert datasets.load(tmp_path).notes == ()
    picture(tmp_path / "loose.jpg")
    picture(tmp_path / "val" / "a" / "x.png")
    (tmp_path / "labels.csv").write_text("a,b")
    (tmp_path / "__MACOSX").mkdir()
    dataset = datasets.load(tmp_path)
    said(dataset, "1 image outside the class folders ('loose.jpg')", "labels.csv", "1 hidden or system file ('__MACOSX')")
    said(dataset, "only train/ and test/ are read; left out: 'val'")


# ---------------------------------------------------------------- names that look alike

COMPOSED, PARTED = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((COMPOSED, PARTED), "look alike"),
        (("Cat", "cat"), "differ only in case"),
        (("a\u200bb", "ab"), "look alike"),
        (("ﬁsh", "fish"), "look alike"),
        (("STRASSE", "straße"), "differ only in case"),
    ],
)
def test_classes_that_look_alike_are_noted_in_folders_and_arrays(tmp_path: Path, names: tuple, words: str) -> None:
    for name in (*names, "dog"):
        picture(tmp_path / name / "1.png")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("the file system takes the names for one")
    for dataset in (datasets.load(tmp_path), datasets.load((np.eye(3), np.array([*names, "dog"])))):
        said(dataset, words, ascii(names[0]), ascii(names[1]))
        assert len(dataset.notes) == 1


def test_a_test_class_in_another_form_is_the_training_class(tmp_path: Path) -> None:
    for part, name in (("train", COMPOSED), ("test", PARTED)):
        picture(tmp_path / part / name / "1.png")
        picture(tmp_path / part / "dog" / "1.png")
    dataset = datasets.load(tmp_path)
    assert dataset.class_names == (COMPOSED, "dog")
    assert dataset.y_test.tolist() == dataset.y.tolist()
    said(dataset, "is read as", ascii(COMPOSED))
    (tmp_path / "test" / "dog").rename(tmp_path / "test" / "Dog")
    check_refused(lambda: datasets.load(tmp_path), "'Dog' (train/ has 'dog')")


def test_a_label_that_looks_like_a_class_is_shown_with_its_characters() -> None:
    check_refused(lambda: datasets.load((np.eye(2), [COMPOSED, "b"], np.eye(2), [PARTED, "b"])), ascii(PARTED))


# ---------------------------------------------------------------- IDX files

NAMES = {
    "published": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    "test": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "test-images-idx3-ubyte", "test-labels-idx1-ubyte"),
    "capitals": ("TRAIN-IMAGES-IDX3-UBYTE", "TRAIN-LABELS-IDX1-UBYTE", "T10K-IMAGES-IDX3-UBYTE", "T10K-LABELS-IDX1-UBYTE"),
    "underscore": ("train_images_idx3_ubyte", "train_labels_idx1_ubyte", "t10k_images_idx3_ubyte", "t10k_labels_idx1_ubyte"),
    "no ending": ("train-images", "train-labels", "test-images", "test-labels"),
    "no number": ("train-images-ubyte", "train-labels-ubyte", "t10k-images-ubyte", "t10k-labels-ubyte"),
    "dots": ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "test.images.idx3-ubyte", "test.labels.idx1-ubyte"),
}


@pytest.mark.parametrize("packed", ["", ".gz", "unpacked", "packed"])
@pytest.mark.parametrize("names", NAMES.values(), ids=list(NAMES))
def test_idx_files_are_found_by_name_and_read_by_content(tmp_path: Path, names: tuple, packed: str) -> None:
    sample = Sample((5, 4, 1))
    arrays = (sample.X[..., 0], sample.y, sample.X_test[..., 0], sample.y_test)
    for name, array in zip(names, arrays, strict=True):
        write_idx(tmp_path / name, array)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        ending = ".gz" if packed in (".gz", "unpacked") else ""  # a browser unpacks, and keeps the name
        (tmp_path / (name + ending)).write_bytes(gzip.compress(content) if packed in (".gz", "packed") else content)
    dataset = datasets.load(tmp_path)
    check_same(dataset, sample, DIGITS)
    assert dataset.notes == ()


def test_unused_idx_files_are_noted(tmp_path: Path) -> None:
    sample = Sample((5, 4, 1))
    write_mnist(tmp_path, sample)
    others = ["val-images-idx3-ubyte", "val-labels-idx1-ubyte.gz", "test-images-idx3-ubyte", "train-images-idx3-ubyte (1)"]
    for name in others:
        write_idx(tmp_path / name, sample.X[..., 0])
    (tmp_path / "readme.txt").write_text("about")
    dataset = datasets.load(tmp_path)
    check_same(dataset, sample, DIGITS)
    said(dataset, "left out", *others)
    assert len(dataset.notes) == 1


# ---------------------------------------------------------------- members of archives, arrays of folders

X, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1])


@pytest.mark.parametrize("extra", [("val_images", "val_labels"), ("X_val",), ("x_train", "y_train"), ("ids",)])
@pytest.mark.parametrize("layout", ["npz", "folder", "zarr"])
def test_unused_arrays_are_noted(tmp_path: Path, extra: tuple[str, ...], layout: str) -> None:
    arrays = {"X": X, "y": y, **dict.fromkeys(extra, X)}
    path = tmp_path / ("a.npz" if layout == "npz" else "a")
    if layout == "npz":
        np.savez(path, **arrays)
    elif layout == "folder":
        path.mkdir()
        for name, array in arrays.items():
            np.save(path / f"{name}.npy", array)
    else:
        group = pytest.importorskip("zarr").open_group(str(path), mode="w")
        for name, array in arrays.items():
            group.create_array(name, data=array)
    dataset = datasets.load(path)
    said(dataset, "left out", *extra, "X, y" if layout != "folder" else "X.npy, y.npy")
    assert len(dataset.notes) == 1


def test_other_files_next_to_cifar_batches_are_noted(tmp_path: Path) -> None:
    write_cifar(tmp_path, Sample((32, 32, 3)))
    (tmp_path / "readme.html").write_text("about")
    (tmp_path / ".DS_Store").write_text("x")
    assert datasets.load(tmp_path).notes == ()
    shutil.copy(tmp_path / "data_batch_1.bin", tmp_path / "data_batch_6.bin")
    said(datasets.load(tmp_path), "left out 'data_batch_6.bin'")


# ---------------------------------------------------------------- what was done to pictures


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _frames(path: Path) -> None:
    colours = [Image.new("RGB", (4, 4), name) for name in ("red", "blue")]
    colours[0].save(path, save_all=True, append_images=colours[1:])


def _tiff_of_16_bits(path: Path) -> None:
    """A TIFF of 2 x 2 pixels, RGB of 16 bits, written by hand: Pillow writes none."""
    entries = [
        (256, 3, 1, 2),
        (257, 3, 1, 2),
        (258, 3, 3, 122),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 128),
        (277, 3, 1, 3),
        (278, 3, 1, 2),
        (279, 4, 1, 24),
    ]
    head = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    for tag, kind, count, value in entries:
        head += b"".join(number.to_bytes(size, "little") for number, size in ((tag, 2), (kind, 2), (count, 4), (value, 4)))
    head = (head + bytes(4)).ljust(122, b"\0") + (16).to_bytes(2, "little") * 3
    path.write_bytes(head + bytes(range(24)))


CHANGED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    **{
        f"turned {ending}": (ending, lambda p: Image.new("RGB", (4, 4)).save(p, exif=_exif(6)), "turned upright by EXIF")
        for ending in ("jpg", "png", "webp", "tif")
    },
    **{
        f"frames {ending}": (ending, _frames, "reduced to the first of several frames")
        for ending in ("gif", "webp", "tif", "png")
    },
    "palette": ("png", lambda p: Image.new("P", (4, 4)).save(p), "converted from a palette to RGB"),
    "gif": ("gif", lambda p: Image.new("P", (4, 4)).save(p), "converted from a palette to RGB"),
    "cmyk": ("jpg", lambda p: Image.new("CMYK", (4, 4)).save(p), "converted from CMYK to RGB"),
    "lab": ("tif", lambda p: Image.new("LAB", (4, 4)).save(p), "converted from LAB to RGB"),
    "alpha": ("png", lambda p: Image.new("RGBA", (4, 4), (1, 2, 3, 4)).save(p), "put on white where transparent"),
    "grey": ("png", lambda p: Image.new("L", (4, 4)).save(p), "converted from grey to RGB"),
    "grey of 16 bits": ("png", lambda p: Image.fromarray(np.zeros((4, 4), np.uint16)).save(p), "reduced from 16 bits"),
    "tiff of 16 bits": ("tif", lambda p: Image.fromarray(np.zeros((4, 4), np.uint16)).save(p), "reduced from 16 bits"),
    "ppm of 16 bits": ("ppm", lambda p: p.write_bytes(b"P6 2 2 65535\n" + bytes(24)), "reduced from 16 bits"),
    "pgm of 16 bits": ("pgm", lambda p: p.write_bytes(b"P5 2 2 65535\n" + bytes(8)), "reduced from 16 bits"),
    "colour tiff of 16 bits": ("tif", _tiff_of_16_bits, "reduced from 16 bits"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", CHANGED)
def test_every_picture_that_was_rotated_or_reduced_is_counted(tmp_path: Path, kind: str) -> None:
    ending, write, words = CHANGED[kind]
    root = two_classes(tmp_path / "set")
    for i in range(2):
        write(root / "a" / f"new{i}.{ending}")
    dataset = datasets.load(root, image_size=4)
    (line,) = [note for note in dataset.notes if words in note]
    assert f"2 were {words}" in line or f"2 {words}" in line, line


def test_an_unchanged_picture_is_not_mentioned(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "set")
    picture(root / "a" / "y.jpg", exif=_exif(1))
    (root / "a" / "y.ppm").write_bytes(b"P6 4 4 255\n" + bytes(48))
    Image.new("RGBA", (4, 4), (1, 2, 3, 255)).save(root / "a" / "opaque.png")
    assert datasets.load(root).notes == ()


# ---------------------------------------------------------------- pictures that cannot be read


def broken(root: Path) -> list[str]:
    """One file of every kind that cannot be read; their paths below `root`."""
    a = root / "a"
    picture(root / "b" / "y.png")
    Image.effect_noise((64, 64), 50).save(a / "cut.png")
    (a / "cut.png").write_bytes((a / "cut.png").read_bytes()[:900])
    (a / "empty.jpg").write_bytes(b"")
    (a / "text.jpg").write_text("no picture")
    (a / "huge.ppm").write_bytes(b"P6 9000 9000 255\n" + bytes(100))
    (a / "link.png").symlink_to("nowhere.png")
    names = ["a/cut.png", "a/empty.jpg", "a/huge.ppm", "a/link.png", "a/text.jpg"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(a / "pipe.jpg")
        names.append("a/pipe.jpg")
    return sorted(names)


def test_pictures_that_cannot_be_read_are_left_out_and_all_listed_or_refused(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "set")
    names = broken(root)
    check_refused(lambda: datasets.load(root), f"{len(names)} of {len(names) + 3} images cannot be read")
    for load in (datasets.load, datasets.load_image_folder):
        dataset = load(root, on_error="skip")
        assert dataset.files == ("a/x.png", "b/x.png", "b/y.png")
        assert dataset.y.tolist() == [0, 1, 1]
        assert sorted(os.path.relpath(path, root) for path, _ in dataset.unreadable) == names
        assert all(why and why.isprintable() for _, why in dataset.unreadable)
        said(dataset, f"left out {len(names)} of {len(names) + 3} images because they cannot be read")
    check_refused(lambda: datasets.load(root, on_error="no"), "on_error='no' is unknown")


def test_the_cache_of_a_folder_remembers_unreadable_images(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "set")
    broken(root)
    first, again = (datasets.load(root, on_error="skip", cache=tmp_path / "kept") for _ in range(2))
    assert isinstance(again.X, np.memmap)
    assert (again.unreadable, again.files, again.notes) == (first.unreadable, first.files, first.notes)
    np.testing.assert_array_equal(first.X, again.X)
    check_refused(lambda: datasets.load(root, cache=tmp_path / "kept"), "images cannot be read")


def test_a_class_without_a_readable_picture_is_left_out_of_both_parts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in "abc":
            picture(tmp_path / part / name / "1.png")
    (tmp_path / "train" / "b" / "1.png").write_bytes(b"")
    dataset = datasets.load(tmp_path, on_error="skip")
    assert (dataset.class_names, dataset.y.tolist(), dataset.y_test.tolist()) == (("a", "c"), [0, 1], [0, 1])
    assert dataset.files_test == ("test/a/1.png", "test/c/1.png")
    said(dataset, "1 class without a readable training image left out: 'b'")
    said(dataset, "left out 1 test image")


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_folder_with_only_broken_images_is_refused(tmp_path: Path, on_error: str) -> None:
    root = two_classes(tmp_path / "train")
    two_classes(tmp_path / "test")
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"")
    check_refused(
        lambda: datasets.load(tmp_path, on_error=on_error),
        "2 of 4 images cannot be read" if on_error == "raise" else "no image of the test set",
    )
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    check_refused(lambda: datasets.load(tmp_path, on_error=on_error), "4 of 4 images cannot be read")


@pytest.mark.parametrize("names", [("data", "mask"), ("x", "x_mask"), ("public", "private"), ("cells", "cells-labels")])
def test_folders_of_images_and_their_masks_are_not_classes(tmp_path, names):
    for name in names:
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name / "0.png")
    with pytest.raises(InputError, match="parts of a data set, not classes"):
        datasets.load(tmp_path)


def test_a_packed_twin_of_another_size_is_noted(tmp_path):
    def idx(n):
        return struct.pack(">4I", 0x803, n, 2, 2) + bytes(4 * n)

    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(6))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 6) + bytes(6))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(6)))
    assert datasets.load(tmp_path).notes == ()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(5)))
    (note,) = datasets.load(tmp_path).notes
    assert "left out 'train-images-idx3-ubyte.gz'" in note
