"""Data one or two folders deeper, in tables of training and test rows, and labels that get names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from _layouts import DIGITS, Sample, check_same, write_images, write_mnist
from _refused import check_refused, touch

from fastcls import datasets

SAMPLE = Sample((7, 9, 1))


def test_the_root_of_torchvision_is_data(tmp_path: Path) -> None:
    (tmp_path / "root/MNIST").mkdir(parents=True)
    write_mnist(tmp_path / "root/MNIST/raw", SAMPLE)
    touch(tmp_path / "root/notes.txt", b"mine")
    data = datasets.load(tmp_path / "root")
    check_same(data, SAMPLE, DIGITS)
    assert data.name == "root"
    assert any("MNIST/raw" in text for text in data.notes)
    (tmp_path / "root/FashionMNIST").mkdir()
    write_mnist(tmp_path / "root/FashionMNIST/raw", SAMPLE)
    check_refused(lambda: datasets.load(tmp_path / "root"), "has several data sets")


@pytest.mark.parametrize("names", [("Train", "Test"), ("TRAIN", "TEST"), ("Training", "Testing")])
@pytest.mark.parametrize("deeper", ["", "archive", "archive/pets"])
def test_images_may_be_deeper_and_their_parts_in_capitals(names: tuple[str, str], deeper: str, tmp_path: Path) -> None:
    folder = tmp_path / "data" / deeper
    write_images(folder, SAMPLE, DIGITS)
    (folder / "train").rename(folder / names[0])
    (folder / "test").rename(folder / names[1])
    touch(tmp_path / "data/.hidden/x")
    check_same(datasets.load(tmp_path / "data"), SAMPLE, DIGITS)


def test_links_and_the_third_level_are_not_followed(tmp_path: Path) -> None:
    write_mnist(tmp_path / "there", SAMPLE)
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/there").symlink_to(tmp_path / "there")
    write_mnist(tmp_path / "a/b/c/d", SAMPLE)
    check_refused(lambda: datasets.load(tmp_path / "a"), "unknown layout")


def test_kaggles_tables(tmp_path: Path) -> None:
    touch(tmp_path / "train.csv", b"label,pixel0,pixel1\n7,0,255\n1,12,3\n")
    touch(tmp_path / "sample_submission.csv", b"ImageId,Label\n1,0\n")
    touch(tmp_path / "test.csv", b"pixel0,pixel1\n0,255\n")
    data = datasets.load(tmp_path)
    assert data.X.tolist() == [[0, 255], [12, 3]]
    assert data.X_test is None
    assert any("test.csv' has no labels" in text for text in data.notes)
    (tmp_path / "train.csv").rename(tmp_path / "mnist_train.csv")
    (tmp_path / "test.csv").unlink()
    touch(tmp_path / "mnist_test.csv", b"label,pixel0,pixel1\n7,1,2\n")
    assert datasets.load(tmp_path).y_test.tolist() == [1]
    touch(tmp_path / "mnist_test.csv", b"label,pixel0\n7,1\n")
    check_refused(lambda: datasets.load(tmp_path), "have different columns, the first lacks 'pixel1': give both the same")
    touch(tmp_path / "test.parquet")
    check_refused(lambda: datasets.load(tmp_path), "tables with different endings")


def test_columns_of_tables_are_matched_by_name(tmp_path: Path) -> None:
    touch(tmp_path / "c/train-0.csv", b"a,b,label\n1.5,2,x\n3,4,y\n")
    touch(tmp_path / "c/train-1.csv", b"label,b,a\nx,6,5\n")
    touch(tmp_path / "c/test.csv", b"b,label,a\n8,y,7\n")
    data = datasets.load(tmp_path / "c")
    assert data.X.tolist() == [[1.5, 2], [3, 4], [5, 6]]
    assert data.X_test.tolist() == [[7, 8]]
    assert sum("its columns are read in the order of" in text for text in data.notes) == 2
    for content, words in (
        (b"b,label,c\n8,y,7\n", "test.csv' and "),
        (b"b,label,c\n8,y,7\n", "the first lacks 'a'"),
        (b"a,b,c,label\n1,2,3,y\n", "the first also has 'c'"),
    ):
        touch(tmp_path / "c/test.csv", content)
        check_refused(lambda: datasets.load(tmp_path / "c"), words)
    touch(tmp_path / "c/train-1.csv", b"label,b,c\nx,6,5\n")
    check_refused(lambda: datasets.load(tmp_path / "c"), "train-1.csv' and ")


def test_columns_of_parquet_are_matched_by_name(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    (tmp_path / "p").mkdir()
    parquet.write_table(pa.table({"a": [1.5, 3.0], "b": [2.0, 4.0], "label": [0, 1]}), tmp_path / "p/train.parquet")
    parquet.write_table(pa.table({"b": [8.0], "label": [1], "a": [7.0]}), tmp_path / "p/test.parquet")
    assert datasets.load(tmp_path / "p").X_test.tolist() == [[7, 8]]
    parquet.write_table(pa.table({"b": [8.0], "label": [1], "c": [7.0]}), tmp_path / "p/test.parquet")
    check_refused(lambda: datasets.load(tmp_path / "p"), "have different columns, the first lacks 'a'")


def test_labels_of_several_files_are_of_one_kind_and_name_the_same_classes(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    touch(tmp_path / "c/train-0.csv", b"a,label\n1.5,007\n3,7\n")
    touch(tmp_path / "c/train-1.csv", b"a,label\n1.5,007\n3,x\n")
    check_refused(lambda: datasets.load(tmp_path / "c"), "train-0.csv': write the same kind")
    pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    (tmp_path / "p").mkdir()

    def write(name: str, classes: list[str]) -> None:
        info = {"info": {"features": {"label": {"names": classes, "_type": "ClassLabel"}}}}
        table = pa.table({"a": [1.5, 3.0], "label": [0, 1]}).replace_schema_metadata({"huggingface": json.dumps(info)})
        parquet.write_table(table, tmp_path / "p" / name)

    for name in ("test.parquet", "train-1.parquet"):
        write("train-0.parquet", ["cat", "dog"])
        write(name, ["cat", "dog"])
        assert datasets.load(tmp_path / "p").class_names == ("cat", "dog")
        write(name, ["dog", "cat"])
        check_refused(lambda: datasets.load(tmp_path / "p"), "has the classes 'cat', 'dog' and ")
        (tmp_path / "p" / name).unlink()


def test_names_of_features_are_kept(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    touch(tmp_path / "f.csv", b"id,b,label,a\n0,1.5,x,2\n1,3,y,4\n2,3,x,5\n3,3,y,6\n")
    data = datasets.load(tmp_path / "f.csv")
    assert data.feature_names == ("b", "a")
    assert datasets.train_test_split(data, test_size=2, random_state=0).feature_names == ("b", "a")
    assert datasets.limit(data, 2, random_state=0).feature_names == ("b", "a")
    assert datasets.load(pd.read_csv(tmp_path / "f.csv")).feature_names == ("b", "a")
    touch(tmp_path / "f.csv", b"1.5,x,2\n3,y,4\n")  # numbered: the labels may be elsewhere in another such file
    assert datasets.load(tmp_path / "f.csv").feature_names is None
    frame = pd.DataFrame(np.eye(2))
    assert datasets.load(frame, labels=[0, 1]).feature_names is None
    assert datasets.load((frame, [0, 1])).feature_names is None
    assert datasets.load((np.eye(2), [0, 1])).feature_names is None
    named = frame.set_axis(["a", "b"], axis=1)
    assert datasets.load((named, [0, 1])).feature_names == ("a", "b")
    data = datasets.load((named, [0, 1], named[["b", "a"]], [0, 1]))
    assert data.X_test.tolist() == [[1, 0], [0, 1]]
    assert any("X_test: its columns are read in the order of X" in text for text in data.notes)
    other = named.set_axis(["a", "c"], axis=1)
    check_refused(
        lambda: datasets.load((named, [0, 1], other, [0, 1])),
        "X_test and X have different columns, the first lacks 'b' and also has 'c'",
    )


def test_names_of_features_fit_the_rows() -> None:
    X, y = np.eye(2), np.arange(2)
    for names, words in (
        (("a",), "feature_names has 1 name for 2 features"),
        (("a", "a"), "feature_names has names that occur more than once ('a')"),
        ("ab", "feature_names is 'ab'; wanted a sequence of strings"),
    ):
        check_refused(lambda names=names: datasets.Dataset(X, y, class_names=("0", "1"), feature_names=names), words)


def test_shards_of_a_hub_repository(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    X, y = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), np.arange(30) % 3
    (tmp_path / "repo/data").mkdir(parents=True)
    touch(tmp_path / "repo/README.md")
    for part, first in (("train-00000-of-00002", 0), ("train-00001-of-00002", 10), ("test-00000-of-00001", 20)):
        rows = slice(first, first + 10)
        parquet.write_table(pa.table({"embedding": list(X[rows]), "label": y[rows]}), tmp_path / f"repo/data/{part}.parquet")
    data = datasets.load(tmp_path / "repo")
    np.testing.assert_array_equal(data.X, X[:20])
    np.testing.assert_array_equal(data.X_test, X[20:])
    np.testing.assert_array_equal(data.y, y[:20])
    shard = pa.table({"embedding": list(X[:10, 1:]), "label": y[:10]})
    parquet.write_table(shard, tmp_path / "repo/data/train-00001-of-00002.parquet")
    check_refused(lambda: datasets.load(tmp_path / "repo"), "give one length")
    parquet.write_table(shard.rename_columns(["e", "label"]), tmp_path / "repo/data/train-00001-of-00002.parquet")
    check_refused(lambda: datasets.load(tmp_path / "repo"), "have different columns")


def test_names_for_labels(tmp_path: Path) -> None:
    X, y = np.eye(4), np.array([0, 2, 2, 0])
    assert datasets.load((X, y), class_names=["cat", "dog", "ship"]).class_names == ("cat", "ship")
    touch(tmp_path / "names.txt", b"cat\ndog\nship\n")
    assert datasets.load((X, y), class_names=tmp_path / "names.txt").class_names == ("cat", "ship")
    check_refused(lambda: datasets.load((X, y), class_names=["cat"]), "has 1 name, but the data has the label 2")
    check_refused(
        lambda: datasets.load((X, list("abba")), class_names=["cat"]), "the data has its own class names ('a', 'b')"
    )
    check_refused(lambda: datasets.load((X, y), class_names=["a", "b", "a"]), "more than once")
    np.savez(tmp_path / "own.npz", X=X, y=y, class_names=["x", "y", "z"])
    assert datasets.load(tmp_path / "own.npz").class_names == ("x", "y", "z")
    assert datasets.load(tmp_path / "own.npz", class_names=["cat", "dog", "ship"]).class_names == ("cat", "ship")
    np.save(tmp_path / "rows.npy", X)
    np.save(tmp_path / "rows_labels.npy", y)
    touch(tmp_path / "rows_classes.txt", b"x\ny\nz\n")
    for names in (tmp_path / "names.txt", tmp_path / "rows_classes.txt"):  # also those that are found next to the rows
        wanted = ("x", "z") if names.name == "rows_classes.txt" else ("cat", "ship")
        data = datasets.load(tmp_path / "rows.npy", class_names=names)
        assert data.class_names == wanted
        assert data.y.tolist() == [0, 1, 1, 0]
    check_refused(lambda: datasets.load((X, y), class_names=tmp_path / "none.txt"), "none.txt")


def test_splits_made_of_links_are_read_by_choice(tmp_path: Path) -> None:
    write_images(tmp_path / "all", SAMPLE, DIGITS)
    for part in ("train", "test"):
        for name in DIGITS:
            (tmp_path / "split" / part / name).mkdir(parents=True)
            for file in (tmp_path / "all" / part / name).glob("*.png"):
                (tmp_path / "split" / part / name / file.name).symlink_to(file)
    for part in ("train", "test"):  # a class without a test image
        for empty in (folder for folder in (tmp_path / "split" / part).iterdir() if not any(folder.iterdir())):
            empty.rmdir()
    check_refused(lambda: datasets.load(tmp_path / "split"), "a link to a file outside")
    check_same(datasets.load(tmp_path / "split", follow_links=True), SAMPLE, DIGITS)
    (tmp_path / "linked").mkdir()
    for name in DIGITS:
        (tmp_path / "linked" / name).symlink_to(tmp_path / "all/train" / name)
    check_refused(lambda: datasets.load(tmp_path / "linked"), "or follow links (follow_links=True)")
    np.testing.assert_array_equal(datasets.load(tmp_path / "linked", follow_links=True).X, SAMPLE.X.reshape(30, -1))
    check_refused(lambda: datasets.load((SAMPLE.X, SAMPLE.y), follow_links=True), "follow_links=True is given for arrays")
