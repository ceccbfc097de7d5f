"""Every layout gives the same arrays; splits keep shares; a new picture is prepared as the training pictures were."""

from __future__ import annotations

import gzip
import json
import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastcls import datasets
from fastcls._validation import InputError
from fastcls.datasets import Dataset
from fastcls.datasets._cifar import CLASS_NAMES
from fastcls.datasets._folder import natural_key
from fastcls.datasets._load import LAYOUTS, NAMES

# ---------------------------------------------------------------- writers: one per layout, the same images in each


class Sample:
    """Small random images, in the order of their classes, so that a folder of classes keeps the order."""

    def __init__(self, shape: tuple[int, int, int], seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.shape = shape
        self.y, self.y_test = np.sort(rng.integers(0, 10, 30)), np.sort(rng.integers(0, 10, 12))
        self.y[:10] = np.arange(10)  # every class occurs in training
        self.y.sort()
        self.X, self.X_test = (rng.integers(0, 256, (n, *shape), dtype=np.uint8) for n in (30, 12))


def write_cifar(root: Path, sample: Sample) -> None:
    root.mkdir(exist_ok=True)
    pieces = np.array_split(np.arange(30), 5)
    batches = [(f"data_batch_{i + 1}.bin", sample.X[rows], sample.y[rows]) for i, rows in enumerate(pieces)]
    for name, X, y in [*batches, ("test_batch.bin", sample.X_test, sample.y_test)]:
        planes = X.transpose(0, 3, 1, 2).reshape(len(X), -1)
        (root / name).write_bytes(np.column_stack([y.astype(np.uint8), planes]).tobytes())


def write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(root: Path, sample: Sample, mark: str = "-", ending: str = "") -> None:
    root.mkdir(exist_ok=True)
    for part, X, y in (("train", sample.X, sample.y), ("t10k", sample.X_test, sample.y_test)):
        write_idx(root / f"{part}-images{mark}idx3-ubyte{ending}", X[..., 0])
        write_idx(root / f"{part}-labels{mark}idx1-ubyte{ending}", y)


def write_images(root: Path, sample: Sample, names: tuple[str, ...]) -> None:
    for part, X, y in (("train", sample.X, sample.y), ("test", sample.X_test, sample.y_test)):
        for i, (pixels, code) in enumerate(zip(X, y, strict=True)):
            folder = root / part / names[code]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(folder / f"{i}.png")


def write_npz(root: Path, sample: Sample, names: tuple[str, ...], keys: tuple[str, ...]) -> None:
    values = (sample.X, sample.y, sample.X_test, sample.y_test)
    np.savez(root, class_names=np.array(names), **dict(zip(keys, values, strict=True)))


def write_npy_folder(root: Path, sample: Sample, names: tuple[str, ...]) -> None:
    root.mkdir()
    for key in ("X", "y", "X_test", "y_test"):
        np.save(root / f"{key}.npy", getattr(sample, key))
    (root / "classes.txt").write_text("\n".join(names))


COLOUR_WRITERS: dict[str, Callable[[Path, Sample], None]] = {
    "cifar10": write_cifar,
    "images": lambda path, sample: write_images(path, sample, CLASS_NAMES),
    "own.npz": lambda path, sample: write_npz(path, sample, CLASS_NAMES, ("X", "y", "X_test", "y_test")),
    "keras.npz": lambda path, sample: write_npz(path, sample, CLASS_NAMES, ("x_train", "y_train", "x_test", "y_test")),
    "npy-folder": lambda path, sample: write_npy_folder(path, sample, CLASS_NAMES),
}
DIGITS = tuple("0123456789")
GREY_WRITERS: dict[str, Callable[[Path, Sample], None]] = {
    "mnist": write_mnist,
    "mnist-dot": lambda path, sample: write_mnist(path, sample, mark="."),
    "mnist-gz": lambda path, sample: write_mnist(path, sample, ending=".gz"),
    "images": lambda path, sample: write_images(path, sample, DIGITS),
    "own.npz": lambda path, sample: write_npz(path, sample, DIGITS, ("X", "y", "X_test", "y_test")),
    "npy-folder": lambda path, sample: write_npy_folder(path, sample, DIGITS),
}


def check_same(dataset: Dataset, sample: Sample, names: tuple[str, ...]) -> None:
    assert dataset.X_test is not None
    assert dataset.y_test is not None
    assert dataset.X.dtype == np.uint8
    assert dataset.X.flags.c_contiguous
    np.testing.assert_array_equal(dataset.X, sample.X.reshape(30, -1))
    np.testing.assert_array_equal(dataset.X_test, sample.X_test.reshape(12, -1))
    np.testing.assert_array_equal(dataset.y, sample.y)
    np.testing.assert_array_equal(dataset.y_test, sample.y_test)
    assert dataset.y.dtype == dataset.y_test.dtype == np.int64
    assert dataset.class_names == names
    assert dataset.image_shape == sample.shape


@pytest.mark.parametrize("layout", COLOUR_WRITERS)
def test_every_layout_of_colour_images_gives_the_same_arrays(tmp_path: Path, layout: str) -> None:
    sample = Sample((32, 32, 3))
    COLOUR_WRITERS[layout](tmp_path / layout, sample)
    check_same(datasets.load(tmp_path / layout), sample, CLASS_NAMES)


@pytest.mark.parametrize("layout", GREY_WRITERS)
def test_every_layout_of_grey_images_gives_the_same_arrays(tmp_path: Path, layout: str) -> None:
    sample = Sample((7, 9, 1))
    GREY_WRITERS[layout](tmp_path / layout, sample)
    check_same(datasets.load(tmp_path / layout), sample, DIGITS)


def test_every_layout_of_the_table_is_exercised() -> None:
    written = {name.split(".")[-1] for name in (*COLOUR_WRITERS, *GREY_WRITERS)}
    assert set(LAYOUTS) - {"npy", "cifar100", "zarr"} <= written  # .npy has its tests below, the others files of their own
    assert set(NAMES) == {"digits"}


def test_one_file_of_a_layout_stands_for_its_folder(tmp_path: Path) -> None:
    sample = Sample((32, 32, 3))
    (tmp_path / "c").mkdir()
    write_cifar(tmp_path / "c" / "cifar-10-batches-bin", sample)
    check_same(datasets.load(tmp_path / "c"), sample, CLASS_NAMES)
    check_same(datasets.load(tmp_path / "c" / "cifar-10-batches-bin" / "data_batch_3.bin"), sample, CLASS_NAMES)
    grey = Sample((5, 4, 1))
    write_mnist(tmp_path / "m", grey)
    check_same(datasets.load(tmp_path / "m" / "t10k-labels-idx1-ubyte"), grey, DIGITS)


def test_memory_maps_stay_memory_maps(tmp_path: Path) -> None:
    sample = Sample((5, 4, 1))
    write_mnist(tmp_path / "m", sample)
    write_npy_folder(tmp_path / "n", sample, DIGITS)
    for name in ("m", "n"):
        dataset = datasets.load(tmp_path / name)
        assert isinstance(dataset.X, np.memmap)
        assert not dataset.X.flags.writeable
        assert "memory-mapped" in repr(dataset)


def test_cifar_class_names_come_from_the_meta_file(tmp_path: Path) -> None:
    write_cifar(tmp_path, Sample((32, 32, 3)))
    names = ("<script>", *CLASS_NAMES[1:])
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    assert datasets.load_cifar10(tmp_path).class_names == names


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize("beside", ["vec_f16_labels.npy", "vec_f16.labels.npy", "vec_labels.npy", "labels.npy", "y.npy"])
def test_labels_are_found_beside_an_npy_file(tmp_path: Path, beside: str) -> None:
    X = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float16)
    np.save(tmp_path / "vec_f16.npy", X)
    np.save(tmp_path / beside, np.array([0, 1, 2, 0, 1, 2], np.uint8))
    (tmp_path / "vec_classes.txt").write_text("a\nb\nc\n")
    dataset = datasets.load(tmp_path / "vec_f16.npy")
    np.testing.assert_array_equal(dataset.X, X)
    assert dataset.X.dtype == np.float16
    assert isinstance(dataset.X, np.memmap)
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert dataset.image_shape is None
    assert dataset.preprocessing == {}


@pytest.mark.parametrize("dtype", ["bool", "int16", "uint16", "int32", "int64", "uint64", ">i4"])
def test_integers_that_fit_a_byte_become_bytes_exactly(tmp_path: Path, dtype: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fastcls")
    X = np.array([[0, 1], [1, 0], [200, 255]]) % (2 if dtype == "bool" else 256)
    np.save(tmp_path / "X.npy", X.astype(dtype))
    dataset = datasets.load_npy(tmp_path / "X.npy", labels=[0, 1, 1])
    assert dataset.X.dtype == np.uint8
    np.testing.assert_array_equal(dataset.X, X)
    assert dtype == "bool" or "converted to uint8" in caplog.text


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32", "float64"])
def test_kept_dtypes_are_kept(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "X.npy", np.eye(3, dtype=dtype))
    dataset = datasets.load_npy(tmp_path / "X.npy", labels=[0, 1, 1])
    assert dataset.X.dtype == dtype
    assert isinstance(dataset.X, np.memmap)


def test_wider_integers_become_float64_and_both_sets_together(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.array([[1, 2]] * 2), y=[0, 1], X_test=np.array([[-1, 300]]), y_test=[1])
    dataset = datasets.load(tmp_path / "a.npz")
    assert dataset.X_test is not None
    assert dataset.X.dtype == dataset.X_test.dtype == np.float64
    assert dataset.X_test.tolist() == [[-1.0, 300.0]]


def test_other_memory_orders_give_the_same_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fastcls")
    X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    for name, stored in (("fortran", np.asfortranarray(X)), ("swapped", X.astype(">f4"))):
        np.save(tmp_path / f"{name}.npy", stored)
        dataset = datasets.load_npy(tmp_path / f"{name}.npy", labels=[0, 1, 1, 0])
        np.testing.assert_array_equal(dataset.X, X)
        assert dataset.X.flags.c_contiguous
        assert dataset.X.dtype.isnative
    assert caplog.text.count("copied once") == 2


def test_channels_first_is_turned_round(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", X=images.transpose(0, 3, 1, 2), y=[0, 1, 0, 1])
    dataset = datasets.load_npz(tmp_path / "a.npz")
    assert dataset.image_shape == (5, 6, 3)
    np.testing.assert_array_equal(dataset.X, images.reshape(4, -1))


def test_a_stated_image_shape_is_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 12)), y=[0, 1], image_shape=[3, 4])
    assert datasets.load_npz(tmp_path / "a.npz").image_shape == (3, 4, 1)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([7, 3, 3, 9], ("3", "7", "9")),
        ([7.0, 3.0, 3.0, 9.0], ("3", "7", "9")),
        ([[7], [3], [3], [9]], ("3", "7", "9")),
        (["b", "a", "a", "<script>"], ("<script>", "a", "b")),
        ([b"b", b"a", b"a", b"c"], ("a", "b", "c")),
        ([True, False, False, True], ("False", "True")),
    ],
)
def test_labels_of_any_kind_become_codes(labels: list, names: tuple[str, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.eye(4), labels=np.array(labels))
    dataset = datasets.load_npz(tmp_path / "a.npz")
    assert dataset.class_names == names
    got = [dataset.class_names[code] for code in dataset.y]
    wanted = [x.decode() if isinstance(x, bytes) else x for x in np.array(labels).ravel().tolist()]
    assert got == [str(int(x)) if isinstance(x, float) else str(x) for x in wanted]


def test_names_keep_their_given_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.eye(3), y=["dog", "ant", "cat"], class_names=["dog", "cat", "ant"])
    dataset = datasets.load_npz(tmp_path / "a.npz")
    assert dataset.class_names == ("dog", "cat", "ant")
    assert dataset.y.tolist() == [0, 2, 1]


def test_nan_is_left_to_the_estimators(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.array([[np.nan], [1.0]]), y=[0, 1])
    assert np.isnan(datasets.load_npz(tmp_path / "a.npz").X[0, 0])


# ---------------------------------------------------------------- folders of images


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def mixed_folder(root: Path, ending: str = "jpg") -> list[Path]:
    rng = np.random.default_rng(1)
    paths = []
    for name in ("a", "b"):
        for i in range(4):
            h, w = rng.integers(20, 90, 2)
            paths.append(save(root / name / f"{i}.{ending}", rng.integers(0, 256, (h, w, 3), dtype=np.uint8)))
    return paths


@pytest.mark.parametrize("image_size", [None, 16, 48])
def test_a_new_image_is_prepared_exactly_as_training_images_were(tmp_path: Path, image_size: int | None) -> None:
    paths = sorted(mixed_folder(tmp_path), key=lambda path: (natural_key(path.name), path.parent.name))
    dataset = datasets.load_image_folder(tmp_path, image_size)
    size = image_size or 32
    assert dataset.image_shape == (size, size, 3)
    recipe = json.loads(json.dumps(dataset.preprocessing))
    for path, row in zip(paths, dataset.X, strict=True):
        np.testing.assert_array_equal(datasets.prepare_image(path, recipe), row)


def test_the_fit_is_a_resize_of_the_shorter_side_and_a_centre_crop(tmp_path: Path) -> None:
    # 48 x 96 to 32: the longer side becomes exactly 64, so both ways round nothing and must agree on every pixel.
    pixels = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
    for name in "ab":
        save(tmp_path / name / "x.png", pixels)
    row = datasets.load_image_folder(tmp_path, 32).X[0]
    resized = Image.fromarray(pixels).resize((64, 32), Image.Resampling.BILINEAR).crop((16, 0, 48, 32))
    np.testing.assert_array_equal(row.reshape(32, 32, 3), np.asarray(resized))


def test_equal_sizes_are_kept_up_to_256(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size, wanted in (((40, 24), (40, 24)), ((256, 256), (256, 256)), ((257, 40), (32, 32))):
        root = tmp_path / f"{size}"
        for name in "ab":
            save(root / name / "x.png", rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        assert datasets.load(root).image_shape == (*wanted, 3)


def test_results_do_not_depend_on_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed_folder(tmp_path)
    save(tmp_path / "a" / "0.png", np.zeros((32, 32), np.uint8))
    results = []
    for n_threads, piece in ((1, 32), (4, 1), (3, 2)):
        monkeypatch.setattr("fastcls.datasets._folder._n_threads", lambda n=n_threads: n)
        monkeypatch.setattr("fastcls.datasets._folder._PIECE", piece)
        results.append(datasets.load_image_folder(tmp_path).X)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_grey_stays_grey_only_if_all_are(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for name in "ab":
        save(tmp_path / name / "x.png", grey)
    dataset = datasets.load(tmp_path)
    assert dataset.image_shape == (8, 8, 1)
    np.testing.assert_array_equal(dataset.X[0], grey.ravel())
    colour = save(tmp_path / "b" / "y.png", np.stack([grey, grey, 255 - grey], axis=2))
    row = datasets.prepare_image(colour, dataset.preprocessing)
    np.testing.assert_array_equal(row, np.asarray(Image.open(colour).convert("L")).ravel())
    dataset = datasets.load(tmp_path)
    assert dataset.image_shape == (8, 8, 3)
    np.testing.assert_array_equal(dataset.X[0].reshape(8, 8, 3), np.repeat(grey[:, :, None], 3, axis=2))


def _rgba(path: Path) -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2] = (255, 0, 0, 255)
    save(path, pixels)  # the lower half is transparent black


def _palette_with_hole(path: Path) -> None:
    image = Image.fromarray(np.repeat(np.array([[0], [0], [1], [1]], np.uint8), 4, axis=1), "P")
    image.putpalette([255, 0, 0, 0, 0, 0])
    image.save(path, transparency=1)


RED_ON_WHITE = np.array([[[255, 0, 0]] * 4] * 2 + [[[255, 255, 255]] * 4] * 2, np.uint8)
MODES: dict[str, tuple[str, Callable[[Path], object], np.ndarray]] = {
    "1-bit": ("png", lambda p: Image.fromarray(np.eye(4, dtype=bool)).save(p), np.eye(4, dtype=np.uint8) * 255),
    "16-bit": (
        "png",
        lambda p: Image.fromarray(np.array([[0, 257, 128, 129], [65535, 65407, 65406, 514]], np.uint16)).save(p),
        np.array([[0, 1, 0, 1], [255, 255, 254, 2]], np.uint8),
    ),
    "grey and alpha": (
        "png",
        lambda p: Image.fromarray(np.array([[[9, 255], [9, 0]]], np.uint8), "LA").save(p),
        np.array([[9, 255]], np.uint8),
    ),
    "alpha": ("png", _rgba, RED_ON_WHITE),
    "palette with a transparent colour": ("png", _palette_with_hole, RED_ON_WHITE),
    "cmyk": (
        "tif",
        lambda p: Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(p),
        np.full((2, 2, 3), (255, 0, 0), np.uint8),
    ),
    "gif, first frame": (
        "gif",
        lambda p: Image.new("L", (2, 2), 0).save(p, save_all=True, append_images=[Image.new("L", (2, 2), 255)]),
        np.zeros((2, 2, 3), np.uint8),  # a GIF has a palette: colour
    ),
    "bmp": ("bmp", lambda p: Image.fromarray(RED_ON_WHITE).save(p), RED_ON_WHITE),
    "webp": ("webp", lambda p: Image.fromarray(RED_ON_WHITE).save(p, lossless=True), RED_ON_WHITE),
    "ppm": ("ppm", lambda p: Image.fromarray(RED_ON_WHITE).save(p), RED_ON_WHITE),
    "capital ending": ("PNG", lambda p: Image.fromarray(RED_ON_WHITE).save(p), RED_ON_WHITE),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", MODES)
def test_pixel_modes_follow_the_stated_rules(tmp_path: Path, mode: str) -> None:
    ending, write, wanted = MODES[mode]
    for name in "ab":
        (tmp_path / name).mkdir()
        write(tmp_path / name / f"x.{ending}")
    dataset = datasets.load(tmp_path)
    h, w = wanted.shape[:2]
    assert dataset.image_shape == (h, w, 1 if wanted.ndim == 2 else 3)
    np.testing.assert_array_equal(dataset.X[0], wanted.ravel())


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, ending: str) -> None:
    from PIL import ImageOps

    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in "ab":
        path = save(tmp_path / name / f"x.{ending}", pixels, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    dataset = datasets.load(tmp_path)
    assert dataset.image_shape == upright.shape == ((24, 16, 3) if orientation > 4 else (16, 24, 3))
    np.testing.assert_array_equal(dataset.X[0].reshape(upright.shape), upright)


def test_order_is_natural_and_other_files_are_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fastcls")
    for i in (10, 2, 1, 33):
        save(tmp_path / "a" / f"img{i}.png", np.full((2, 2), i, np.uint8))
    save(tmp_path / "B" / "x.png", np.full((2, 2), 99, np.uint8))
    save(tmp_path / "a" / ".hidden.png", np.full((2, 2), 77, np.uint8))
    save(tmp_path / ".thumbs" / "x.png", np.full((2, 2), 77, np.uint8))
    (tmp_path / "a" / "notes.txt").write_text("no image")
    calls: list[tuple[int, int]] = []
    dataset = datasets.load_image_folder(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert dataset.class_names == ("B", "a")
    assert dataset.X[:, 0].tolist() == [1, 2, 10, 33, 99]
    assert "skipped 2 hidden and 1 other files (for instance 'notes.txt')" in caplog.text
    assert calls[-1] == (5, 5)


def test_natural_order_is_total() -> None:
    names = ["a", "10", "2", "a10b", "a2b", "a2", "01", "1", "", "2a"]
    ordered = sorted(names, key=natural_key)
    assert ordered == ["", "01", "1", "2", "2a", "10", "a", "a2", "a2b", "a10b"]
    names.reverse()
    assert sorted(names, key=natural_key) == ordered


def test_odd_class_names_are_data(tmp_path: Path) -> None:
    names = ("\x1b[31mred", "<script>", "a b", "train")
    for name in names:
        save(tmp_path / name / "x.png", np.zeros((2, 2), np.uint8))
    dataset = datasets.load(tmp_path)
    assert dataset.class_names == names
    assert "\x1b" not in repr(dataset)


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    save(tmp_path / "a" / "x.png", np.full((2, 2), 5, np.uint8))
    save(tmp_path / "b" / "y.png", np.full((2, 2), 6, np.uint8))
    (tmp_path / "b" / "z.png").symlink_to(tmp_path / "a" / "x.png")
    assert datasets.load(tmp_path).X[:, 0].tolist() == [5, 6, 5]


def test_digits_recipe_scales_white_to_16(tmp_path: Path) -> None:
    ramp = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
    row = datasets.prepare_image(save(tmp_path / "x.png", ramp), datasets.load("digits").preprocessing)
    np.testing.assert_array_equal(row, np.floor(ramp.ravel() * 16.0 / 255 + 0.5))


def test_rows_of_a_folder_come_in_the_order_of_file_numbers_then_classes(tmp_path: Path) -> None:
    for code, name in enumerate("ab"):
        for number in (10, 9, 1):
            save(tmp_path / name / f"{number}.png", np.full((2, 2), 10 * number + code, np.uint8))
    data = datasets.load(tmp_path)
    assert data.X[:, 0].tolist() == [10, 11, 90, 91, 100, 101]
    assert data.y.tolist() == [0, 1] * 3


# ---------------------------------------------------------------- the cache of decoded images


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.npy")) if folder.exists() else []


def test_a_cached_folder_is_a_memory_map_of_the_same_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample, cache = Sample((6, 5, 3)), tmp_path / "kept"
    write_images(tmp_path / "set", sample, CLASS_NAMES)
    check_same(datasets.load(tmp_path / "set", cache=cache), sample, CLASS_NAMES)
    assert len(kept(cache)) == 1
    monkeypatch.setattr("fastcls.datasets._folder._decode_all", None)  # no image is opened again
    calls: list[tuple[int, int]] = []
    again = datasets.load(tmp_path / "set", cache=cache, progress=lambda done, total: calls.append((done, total)))
    check_same(again, sample, CLASS_NAMES)
    assert isinstance(again.X, np.memmap)
    assert isinstance(again.X_test, np.memmap)
    assert calls == [(42, 42)]


def test_a_cached_folder_tells_again_what_was_done_to_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache, folder = tmp_path / "kept", tmp_path / "set"
    for size in (4, 40):
        save(folder / "a" / f"{size}.png", np.zeros((size, size), np.uint8))
    told = []
    for _ in range(2):
        caplog.clear()
        datasets.load(folder, cache=cache)
        told.append([record.getMessage() for record in caplog.records if record.levelname == "WARNING"])
        monkeypatch.setattr("fastcls.datasets._folder._decode_all", None)
    assert told[0] == told[1]
    assert "of 2 images, 2 were scaled and centre-cropped to 32x32 (height x width) from 4x4 to 40x40 pixels" in told[0][0]


def test_what_is_kept_is_not_used_after_any_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, folder = tmp_path / "kept", tmp_path / "set"
    for name in "ab":
        save(folder / name / "1.png", np.full((4, 4), 7, np.uint8))

    def load(**options: object) -> np.ndarray:
        return np.array(datasets.load(folder, cache=cache, **options).X)

    assert load()[:, 0].tolist() == [7, 7]
    save(folder / "a" / "1.png", np.full((4, 4), 8, np.uint8))
    assert load()[:, 0].tolist() == [8, 7]
    save(folder / "a" / "2.png", np.full((4, 4), 9, np.uint8))
    assert load()[:, 0].tolist() == [8, 7, 9]
    assert load(image_size=2).shape == (3, 4)
    monkeypatch.setattr("PIL.__version__", "0.0")
    load()
    assert len(kept(cache)) == 5


def test_a_damaged_cache_is_made_anew_and_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, folder = tmp_path / "kept", tmp_path / "set"
    for name in "ab":
        save(folder / name / "1.png", np.full((4, 4), 7, np.uint8))
    datasets.load(folder, cache=cache)
    path = cache / kept(cache)[0]
    for content in (path.read_bytes()[:-1], b"", b"x" * 200):
        path.write_bytes(content)
        caplog.clear()
        assert datasets.load(folder, cache=cache).X[:, 0].tolist() == [7, 7]
        assert "decoded anew" in caplog.text
    np.save(path, np.zeros((3, 4, 4, 1), np.uint8))
    assert datasets.load(folder, cache=cache).X[:, 0].tolist() == [7, 7]


def test_few_images_are_kept_only_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCLS_CACHE", str(tmp_path / "kept"))
    for name in "ab":
        save(tmp_path / "set" / name / "1.png", np.full((4, 4), 7, np.uint8))
    datasets.load(tmp_path / "set")
    datasets.load(tmp_path / "set", cache=False)
    assert kept(tmp_path / "kept") == []
    datasets.load(tmp_path / "set", cache=True)
    assert len(kept(tmp_path / "kept")) == 1
    monkeypatch.setattr("fastcls.datasets._cache.CACHED_FROM", 2)
    monkeypatch.setenv("FASTCLS_CACHE", str(tmp_path / "more"))
    datasets.load(tmp_path / "set")
    assert len(kept(tmp_path / "more")) == 1


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in "ab":
        save(tmp_path / "set" / name / "1.png", np.full((4, 4), 7, np.uint8))
    with pytest.raises(InputError, match="give cache=False, or another folder"):
        datasets.load(tmp_path / "set", cache=tmp_path / "file" / "x")
    monkeypatch.setattr("fastcls.datasets._cache.CACHED_FROM", 2)
    monkeypatch.setenv("FASTCLS_CACHE", str(tmp_path / "file" / "x"))
    assert len(datasets.load(tmp_path / "set").X) == 2
    assert "are not kept" in caplog.text


# ---------------------------------------------------------------- arrays in memory, hard cases


def test_arrays_in_memory_are_referenced(tmp_path: Path) -> None:
    sample = Sample((5, 4, 3))
    data = datasets.load((sample.X, sample.y, sample.X_test, sample.y_test))
    check_same(data, sample, DIGITS)
    assert np.shares_memory(data.X, sample.X)
    np.save(tmp_path / "y.npy", sample.y)
    for labels in (sample.y, sample.y.tolist(), tmp_path / "y.npy"):
        one = datasets.load(sample.X, labels=labels)
        np.testing.assert_array_equal(one.y, sample.y)
        assert one.X_test is None


@pytest.mark.parametrize("n_pixels", [1, 4, 9])
def test_parity_is_that_of_the_white_pixels(n_pixels: int) -> None:
    data = datasets.parity(500, n_pixels, seed=3)
    assert set(np.unique(data.X)) == {0, 255}
    assert data.y.tolist() == [sum(value == 255 for value in row) % 2 for row in data.X.tolist()]
    assert data.image_shape == (1, n_pixels, 1)


def test_ring_and_modes_are_what_they_say() -> None:
    ring, modes = datasets.ring(800, seed=1), datasets.three_modes(800, seed=1)
    assert ring.y.tolist() == [int(1 <= np.hypot(*point) <= 2) for point in ring.X]
    centres = ((-1.5, 1.5), (1.5, 1.0), (-0.5, -1.5))
    inside = [any(np.hypot(a - x, b - y) <= 0.8 for x, y in centres) for a, b in modes.X]
    assert modes.y.tolist() == [int(value) for value in inside]


def test_hard_cases_are_hard_for_lines_and_not_for_neighbours() -> None:
    from fastcls import KNeighborsClassifier, SoftmaxClassifier

    for make in (datasets.ring, datasets.three_modes, datasets.parity):
        data = datasets.train_test_split(make(2000, seed=0), test_size=0.5)
        near = KNeighborsClassifier(1).fit(data.X, data.y).score(data.X_test, data.y_test)
        line = SoftmaxClassifier(random_state=0).fit(data.X.astype(np.float64), data.y)
        most = np.bincount(data.y_test).max() / len(data.y_test)
        assert near > 0.93
        assert line.score(data.X_test.astype(np.float64), data.y_test) < most + 0.05
    again, other = datasets.ring(9, seed=5), datasets.ring(9, seed=6)
    np.testing.assert_array_equal(again.X, datasets.ring(9, seed=5).X)
    assert not np.array_equal(again.X, other.X)


# ---------------------------------------------------------------- splits


def test_three_parts_are_disjoint_complete_and_stratified() -> None:
    y = np.repeat(np.arange(4), 50)
    parts = datasets.train_validation_test_split(y, validation_size=20, test_size=0.25, seed=2)
    assert [len(part) for part in parts] == [130, 20, 50]
    assert sorted(np.concatenate(parts)) == list(range(200))
    for part in parts:
        counts = np.bincount(y[part], minlength=4)
        assert counts.max() - counts.min() <= 1
        assert (np.diff(part) > 0).all()
    again = datasets.train_validation_test_split(y, validation_size=20, test_size=0.25, seed=2)
    for part, same in zip(parts, again, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, groups = rng.integers(0, 3, 300), rng.integers(0, 40, 300)
    train, test = datasets.group_split(y, groups, n_parts=5, seed=seed)
    assert not set(groups[train]) & set(groups[test])
    assert sorted([*train, *test]) == list(range(300))
    assert 30 <= len(test) <= 90
    named = datasets.group_split(y, np.array([f"camera {g:02d}" for g in groups]), n_parts=5, seed=seed)
    np.testing.assert_array_equal(named[1], test)
    assert not np.array_equal(test, datasets.group_split(y, groups, n_parts=5, seed=seed + 100)[1])


def labelled(counts: list[int]) -> Dataset:
    y = np.repeat(np.arange(len(counts)), counts)
    X = np.arange(len(y), dtype=np.float32)[:, None]
    return Dataset(X, y, class_names=tuple(f"c{i}" for i in range(len(counts))))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_split_keeps_each_class_share(seed: int) -> None:
    data = labelled([50, 100, 10])
    split = datasets.train_test_split(data, test_size=0.2, seed=seed)
    assert split.X_test is not None
    assert split.y_test is not None
    assert np.bincount(split.y_test).tolist() == [10, 20, 2]
    together = np.concatenate([split.X, split.X_test]).ravel()
    assert sorted(together) == list(range(160))
    assert (np.diff(split.X.ravel()) > 0).all()
    np.testing.assert_array_equal(data.y[split.X_test.ravel().astype(int)], split.y_test)


def test_a_split_is_a_function_of_its_seed() -> None:
    y = labelled([20, 20]).y
    (a, b), (c, d), (e, _) = (datasets.train_validation_split(y, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    assert a.tolist() != e.tolist()


@pytest.mark.parametrize(
    ("counts", "size", "words", "all_classes_kept"),
    [
        ([20, 1, 20, 1], 0.2, "classes with a single row", True),
        ([5, 5, 5, 5], 1, "one random row of each class was kept", True),
        ([2] * 8, 7, "one random row of each class was kept", True),
        ([1, 1, 1], 1, "at random from all", False),
        ([1, 1], 0.5, "at random from all", False),
        ([2, 2, 2], 4, "at random from all", False),
        ([5, 1, 1, 1, 1, 1], 3, "classes with a single row", True),
        ([2, 2, 1], 2, "classes with a single row", True),
    ],
)
def test_classes_too_small_to_stratify_are_split_by_the_stated_rule_and_logged(
    counts: list[int], size: float, words: str, all_classes_kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    y = labelled(counts).y
    for seed in range(10):
        caplog.clear()
        train, validation = datasets.train_validation_split(y, validation_size=size, seed=seed)
        assert len(validation) == (size if isinstance(size, int) else int(np.ceil(size * len(y))))
        assert sorted([*train, *validation]) == list(range(len(y)))
        assert not all_classes_kept or set(y[train]) == set(range(len(counts)))
        assert words in caplog.text
        assert len(caplog.records) == 1


def test_an_ordinary_split_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fastcls")
    datasets.train_validation_split(np.repeat(["a", "b"], 10))
    assert caplog.records == []


def test_limit_keeps_shares_on_both_sides() -> None:
    data = datasets.train_test_split(labelled([100, 50]), test_size=30)
    small = datasets.limit(data, 15, seed=0)
    assert small.y_test is not None
    assert np.bincount(small.y).tolist() == np.bincount(small.y_test).tolist() == [10, 5]
    assert len(datasets.limit(data, 60).y_test) == 30
    assert datasets.limit(data, 1000) is data
    assert len(datasets.limit(data, 1).y) == 1


# ---------------------------------------------------------------- real data


def test_digits() -> None:
    data = datasets.load("digits")
    assert data.X.shape == (1797, 64)
    assert data.X.dtype == np.uint8
    assert data.X.max() == 16
    assert data.image_shape == (8, 8, 1)
    assert data.y[:4].tolist() == [0, 1, 2, 3]
    assert repr(data).startswith("Dataset('digits': 1,797 training rows; images of 8x8x1; uint8; 10 classes: '0'")


def test_mnist(shared_data: Callable[[str], Path]) -> None:
    data = datasets.load(shared_data("mnist"))
    assert data.X_test is not None
    assert data.y_test is not None
    assert data.X.shape == (60_000, 784)
    assert data.X_test.shape == (10_000, 784)
    assert data.y[:3].tolist() == [5, 0, 4]
    assert data.y_test[:3].tolist() == [7, 2, 1]
    assert int(data.X[0].sum()) == 27525


def test_embeddings(shared_data: Callable[[str], Path]) -> None:
    data = datasets.load(shared_data("debian_minilm_f16.npy"))
    assert data.X.shape == (63_666, 384)
    assert data.X.dtype == np.float16
    assert isinstance(data.X, np.memmap)
    assert len(data.class_names) == 58
    assert data.class_names[0] == "admin"


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_published_name_whose_files_are_not_here_is_told_how_they_come(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"no file or folder '{name}' here; .*datasets.fetch\('{name}'\) downloads"):
        datasets.load(name)
