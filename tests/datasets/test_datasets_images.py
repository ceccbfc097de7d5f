"""Folders of images: a new picture is prepared as the training pictures were; the cache of decoded ones."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _layouts import Sample, check_same, write_images
from PIL import Image

from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls.datasets import _folder
from fastcls.datasets._cache import _fact
from fastcls.datasets._cifar import CLASS_NAMES
from fastcls.datasets._listing import natural_key


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
    for n_threads, chunk in ((1, 32), (4, 1), (3, 2)):
        monkeypatch.setattr("fastcls._runtime.threads.processors", lambda n=n_threads: n)
        monkeypatch.setattr("fastcls.datasets._folder._CHUNK", chunk)
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
    assert "left out 1 file not read as images (.txt; for instance 'a/notes.txt') and 2 hidden" in caplog.text
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
    monkeypatch.setattr("fastcls.datasets._folder.decode_all", None)  # no image is opened again
    calls: list[tuple[int, int]] = []
    again = datasets.load(tmp_path / "set", cache=cache, progress=lambda done, total: calls.append((done, total)))
    check_same(again, sample, CLASS_NAMES)
    assert isinstance(again.X, np.memmap)
    assert isinstance(again.X_test, np.memmap)
    assert calls == [(42, 42)]


def test_a_cached_folder_repeats_the_notes_on_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache, folder = tmp_path / "kept", tmp_path / "set"
    for size in (4, 40):
        save(folder / "a" / f"{size}.png", np.zeros((size, size), np.uint8))
    logged = []
    for _ in range(2):
        caplog.clear()
        datasets.load(folder, cache=cache)
        logged.append([record.getMessage() for record in caplog.records if record.levelname == "WARNING"])
        monkeypatch.setattr("fastcls.datasets._folder.decode_all", None)
    assert logged[0] == logged[1]
    assert "of 2 images, 2 were scaled and centre-cropped to 32x32 (height x width) from 4x4 to 40x40 pixels" in logged[0][0]


def test_the_cache_is_not_used_after_any_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


WAYS: dict[str, Callable[[Path, Path], object]] = {
    "written over": lambda old, new: old.write_bytes(new.read_bytes()),
    "moved in": lambda old, new: os.replace(new, old),
    "copied with its times": lambda old, new: shutil.copy2(new, old),
    "a link to another": lambda old, new: (old.unlink(), old.symlink_to(new)),
    "a hard link to another": lambda old, new: (old.unlink(), os.link(new, old)),
}


def let_the_clock_of_files_tick(probe: Path) -> None:
    """The clock of the file system ticks in milliseconds; that is what _RECENT is for."""
    probe.touch()
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.touch()


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_the_cache_is_not_used_for_other_content_of_the_same_size_and_time(
    tmp_path: Path, way: str, hashed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files are known by their bytes; large ones by what the system writes at each change and no program can set."""
    monkeypatch.setattr("fastcls.datasets._cache._RECENT", 0.0)
    if not hashed:
        monkeypatch.setattr("fastcls.datasets._cache._HASHED_BYTES", -1)
    folder, new = tmp_path / "set", tmp_path / "set" / ".new.bmp"
    old = save(folder / "a" / "1.bmp", np.full((4, 4), 7, np.uint8))
    save(folder / "b" / "1.bmp", np.full((4, 4), 7, np.uint8))
    save(new, np.full((4, 4), 8, np.uint8))
    for path in (old, new):
        os.utime(path, ns=(10**18, 10**18))
    before = (old.stat().st_size, old.stat().st_mtime_ns)
    assert datasets.load(folder, cache=tmp_path / "kept").X[:, 0].tolist() == [7, 7]
    let_the_clock_of_files_tick(tmp_path / "probe")
    WAYS[way](old, new)
    os.utime(old, ns=(10**18, 10**18))
    assert (old.stat().st_size, old.stat().st_mtime_ns) == before
    assert datasets.load(folder, cache=tmp_path / "kept").X[:, 0].tolist() == [8, 7]


def test_a_large_file_that_was_just_changed_is_identified_by_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastcls.datasets._cache._HASHED_BYTES", -1)
    path = save(tmp_path / "1.bmp", np.full((4, 4), 7, np.uint8))
    young = _fact(path)
    path.write_bytes(path.read_bytes())
    assert _fact(path) == young
    monkeypatch.setattr("fastcls.datasets._cache._RECENT", -1.0)
    assert _fact(path) != young


def test_images_that_change_while_they_are_read_are_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "set" / "a" / "1.bmp", np.full((4, 4), 7, np.uint8))
    save(tmp_path / "set" / "b" / "1.bmp", np.full((4, 4), 7, np.uint8))
    decode = _folder.decode_all

    def interfere(*args: object) -> object:
        found = decode(*args)
        save(path, np.full((4, 4), 8, np.uint8))
        return found

    monkeypatch.setattr(_folder, "decode_all", interfere)
    datasets.load(tmp_path / "set", cache=tmp_path / "kept")
    assert kept(tmp_path / "kept") == []


def test_a_damaged_cache_is_rebuilt_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, folder = tmp_path / "kept", tmp_path / "set"
    for name in "ab":
        save(folder / name / "1.png", np.full((4, 4), 7, np.uint8))
    datasets.load(folder, cache=cache)
    path = cache / kept(cache)[0]
    for content in (path.read_bytes()[:-1], b"", b"x" * 200):
        path.write_bytes(content)
        caplog.clear()
        assert datasets.load(folder, cache=cache).X[:, 0].tolist() == [7, 7]
        assert "decoded again" in caplog.text
    np.save(path, np.zeros((3, 4, 4, 1), np.uint8))
    assert datasets.load(folder, cache=cache).X[:, 0].tolist() == [7, 7]


def test_few_images_are_cached_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_cache_that_cannot_be_written_is_reported(
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
    assert "are not cached" in caplog.text
