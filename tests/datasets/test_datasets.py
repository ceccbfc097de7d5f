"""Every layout gives the same arrays; arrays in memory, hard cases, real data."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _layouts import COLOUR_WRITERS, DIGITS, GREY_WRITERS, Sample, check_same, write_cifar, write_mnist, write_npy_folder

from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls.datasets._cifar import CLASS_NAMES
from fastcls.datasets._load import LAYOUTS, NAMES


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
    own = {
        "npy",
        "cifar100",
        "zarr",
        "safetensors",
        "csv",
        "arrow",
        "saved-dataset",
        "hdf5",
        "table-folder",
    }  # .npy has its tests below, the others files of their own
    assert set(LAYOUTS) - own <= written
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


@pytest.mark.parametrize("name", ["vec_f16_labels.npy", "vec_f16.labels.npy", "vec_labels.npy", "labels.npy", "y.npy"])
def test_labels_are_found_next_to_an_npy_file(tmp_path: Path, name: str) -> None:
    X = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float16)
    np.save(tmp_path / "vec_f16.npy", X)
    np.save(tmp_path / name, np.array([0, 1, 2, 0, 1, 2], np.uint8))
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
    assert "converted to uint8" in caplog.text
    assert any("converted to uint8" in text for text in dataset.notes)


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


def test_channels_first_is_transposed(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", X=images.transpose(0, 3, 1, 2), y=[0, 1, 0, 1])
    dataset = datasets.load_npz(tmp_path / "a.npz")
    assert dataset.image_shape == (5, 6, 3)
    np.testing.assert_array_equal(dataset.X, images.reshape(4, -1))


def test_a_given_image_shape_is_used(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_by_row_and_column(bad: float, tmp_path: Path) -> None:
    X, y = np.array([[0.0, 1.0], [2.0, bad], [bad, 3.0]]), [0, 1, 1]
    where = f"contains {'NaN' if np.isnan(bad) else 'infinity'} (first at row 1, column 1)"
    np.savez(tmp_path / "a.npz", features=X, labels=y)
    np.save(tmp_path / "b.npy", X)
    (tmp_path / "c").mkdir()
    np.save(tmp_path / "c/X_train.npy", X)
    for name, source, labels in (
        ("features", tmp_path / "a.npz", None),
        ("b.npy'", tmp_path / "b.npy", y),
        ("X_train.npy'", tmp_path / "c", y),
        ("X", (X, y), None),
        ("X", X, y),
    ):
        with pytest.raises(InputError, match=re.escape(f"{name} {where}")):
            datasets.load(source, labels=labels)


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
    data = datasets.make_parity(500, n_pixels, random_state=3)
    assert set(np.unique(data.X)) == {0, 255}
    assert data.y.tolist() == [sum(value == 255 for value in row) % 2 for row in data.X.tolist()]
    assert data.image_shape == (1, n_pixels, 1)


def test_ring_and_modes_follow_their_definitions() -> None:
    ring, modes = datasets.make_ring(800, random_state=1), datasets.make_three_modes(800, random_state=1)
    assert ring.y.tolist() == [int(1 <= np.hypot(*point) <= 2) for point in ring.X]
    centres = ((-1.5, 1.5), (1.5, 1.0), (-0.5, -1.5))
    inside = [any(np.hypot(a - x, b - y) <= 0.8 for x, y in centres) for a, b in modes.X]
    assert modes.y.tolist() == [int(value) for value in inside]


def test_hard_cases_are_hard_for_lines_and_not_for_neighbours() -> None:
    from fastcls import KNeighborsClassifier, SoftmaxClassifier

    for make in (datasets.make_ring, datasets.make_three_modes, datasets.make_parity):
        data = datasets.train_test_split(make(2000, random_state=0), test_size=0.5, random_state=0)
        near = KNeighborsClassifier(1).fit(data.X, data.y).score(data.X_test, data.y_test)
        line = SoftmaxClassifier(random_state=0).fit(data.X.astype(np.float64), data.y)
        most = np.bincount(data.y_test).max() / len(data.y_test)
        assert near > 0.93
        assert line.score(data.X_test.astype(np.float64), data.y_test) < most + 0.05
    again, other = datasets.make_ring(9, random_state=5), datasets.make_ring(9, random_state=6)
    np.testing.assert_array_equal(again.X, datasets.make_ring(9, random_state=5).X)
    assert not np.array_equal(again.X, other.X)


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
def test_a_published_name_without_files_says_how_to_fetch_them(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"no file or folder '{name}': .*datasets.fetch\('{name}'\) downloads"):
        datasets.load(name)
