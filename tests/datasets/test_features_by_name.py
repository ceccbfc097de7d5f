"""One of several representations in a file, by the name of its column or array; labels by the name of theirs."""

import numpy as np
import pytest
from _refused import check_refused
from safetensors.numpy import save_file

from fastcls import InputError, datasets
from fastcls.datasets import path_and_name

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="tables need pyarrow")
h5py = pytest.importorskip("h5py", reason="HDF5 needs h5py")
pandas = pytest.importorskip("pandas", reason="data frames need pandas")

N = 12
Y = np.arange(N) % 3
CLIP, DINO = (np.random.default_rng(0).standard_normal((N, d)).astype(np.float32) for d in (4, 2))
ARRAYS = {"clip": CLIP, "dino": DINO, "y": Y}
COLUMNS = {"id": np.arange(N), "clip": list(CLIP), "dino": list(DINO), "label": Y}


def of_hdf5(path):
    with h5py.File(path, "w") as file:
        for name, values in ARRAYS.items():
            file[name] = values


def of_folder(path):
    path.mkdir()
    for name, values in (ARRAYS | {"X": CLIP}).items():
        np.save(path / f"{name}.npy", values)


def of_zarr(path):
    zarr = pytest.importorskip("zarr", reason="zarr needs zarr")
    group = zarr.open_group(str(path), mode="w")
    for name, values in ARRAYS.items():
        group.create_array(name, data=values)


def of_tables(path):
    path.mkdir()
    for part in ("train", "test"):
        parquet.write_table(pa.table(COLUMNS), path / f"{part}.parquet")


MAKERS = {
    "t.npz": (lambda path: np.savez(path, **ARRAYS), "array"),
    "t.safetensors": (lambda path: save_file(ARRAYS, path), "tensor"),
    "t.h5": (of_hdf5, "dataset"),
    "t": (of_folder, "file"),
    "t.zarr": (of_zarr, "zarr array"),
    "t.parquet": (lambda path: parquet.write_table(pa.table(COLUMNS), path), "column"),
    "tables": (of_tables, "column"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_one_of_several_representations_is_chosen_by_its_name(name, tmp_path):
    make, what = MAKERS[name]
    make(tmp_path / name)
    for features, rows in (("clip", CLIP), ("dino", DINO)):
        data = datasets.load(tmp_path / name, features=features)
        np.testing.assert_array_equal(data.X, rows)
        np.testing.assert_array_equal(data.y, Y)
        assert data.notes == ()  # the others are left out on purpose
        assert (data.X_test is not None) == (name == "tables")
    said = f"has no {what} 'clep': did you mean 'clip'? It has "
    check_refused(lambda: datasets.load(tmp_path / name, features="clep"), said)


@pytest.mark.parametrize("frame", [pandas.DataFrame(COLUMNS), pa.table(COLUMNS)])
def test_frames_take_the_name_too(frame):
    np.testing.assert_array_equal(datasets.load(frame, features="dino").X, DINO)
    check_refused(lambda: datasets.load(frame, features="label", labels="label"), "has the labels: choose another")
    check_refused(lambda: datasets.load(frame, features=1), "features is an int; wanted the name of a column or an array")


def test_a_column_of_numbers_of_a_csv_file_is_one_feature(tmp_path):
    pandas.DataFrame({"a": Y * 2.5, "text": ["x"] * N, "label": Y}).to_csv(tmp_path / "t.csv", index=False)
    data = datasets.load(tmp_path / "t.csv", features="a")
    assert data.feature_names == ("a",)
    np.testing.assert_array_equal(data.X[:, 0], Y * 2.5)
    check_refused(
        lambda: datasets.load(tmp_path / "t.csv", features="b"), "it has 'a', 'text', 'label' (from its first line)"
    )


def test_test_rows_are_those_of_the_same_name(tmp_path):
    more = {"clip_test": CLIP[:5], "y_test": Y[:5], "train/sift": DINO, "test/sift": DINO[:5]}
    np.savez(tmp_path / "t.npz", **ARRAYS, **more, image_shape=[2, 2, 1])
    data = datasets.load(tmp_path / "t.npz", features="clip")
    np.testing.assert_array_equal(data.X_test, CLIP[:5])
    np.testing.assert_array_equal(data.y_test, Y[:5])
    assert data.image_shape is None  # that of X
    assert datasets.load(tmp_path / "t.npz", features="train/sift").X_test.shape == (5, 2)
    assert datasets.load(tmp_path / "t.npz", features="dino").X_test is None


def test_groups_of_an_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["clip/features"], file["clip/labels"] = CLIP, Y
        file["dino/features"], file["dino/labels"] = DINO, Y[::-1]
    for features in ("dino", "dino/features"):
        data = datasets.load(tmp_path / "t.h5", features=features)
        np.testing.assert_array_equal(data.X, DINO)
        np.testing.assert_array_equal(data.y, Y[::-1])
        given = datasets.load(tmp_path / "t.h5", features=features, labels="clip/labels")
        np.testing.assert_array_equal(given.y, Y)


def test_layouts_of_one_array_refuse_the_name(tmp_path):
    np.save(tmp_path / "X.npy", CLIP)
    said = "features='clip' is given for "
    check_refused(lambda: datasets.load(tmp_path / "X.npy", labels=Y, features="clip"), said)
    check_refused(lambda: datasets.load((CLIP, Y), features="clip"), said)


def test_labels_are_a_column_or_an_array_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pandas.DataFrame({"path": [f"{row}.png" for row in range(N)], "species": Y, "genus": Y % 2})
    table.to_csv("labels.csv", index=False)
    parquet.write_table(pa.table({"species": Y, "genus": Y % 2}), "labels.parquet")
    both = {"species": Y, "genus": Y % 2}
    np.savez("labels.npz", **both)
    save_file(both, "labels.safetensors")
    with h5py.File("labels.h5", "w") as file:
        file["species"], file["genus"] = Y, Y % 2
    np.save("X.npy", CLIP)
    for ending in ("csv", "parquet", "npz", "safetensors", "h5"):
        data = datasets.load("X.npy", labels=f"labels.{ending}:genus")
        np.testing.assert_array_equal(data.y, Y % 2)
        with pytest.raises(InputError, match="^'labels") as refused:
            datasets.load("X.npy", labels=f"labels.{ending}:specis")
        assert "'specis': did you mean 'species'? It has" in str(refused.value)
    np.save("y.npy", Y)
    said = "'y.npy' has no names of columns or arrays, so 'a' cannot be chosen: give 'y.npy' alone"
    check_refused(lambda: datasets.load("X.npy", labels="y.npy:a"), said)


def test_a_path_that_exists_is_one_whatever_colons_it_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "a:b", "a:b:c.npz"):
        (tmp_path / name).touch()
    assert path_and_name("a:b") == ("a:b", None)
    assert path_and_name("a:b:c.npz") == ("a:b:c.npz", None)
    assert path_and_name("a:b:c") == ("a:b", "c")
    assert path_and_name("a:c:d") == ("a", "c:d")
    assert path_and_name("b:c") == ("b:c", None)
    assert path_and_name(":c") == (":c", None)
