"""Labels from files of every format, and what is refused."""

import numpy as np
import pytest
from _refused import check_refused

from fastcls import InputError, datasets
from fastcls.datasets import read_labels

Y = np.array([0, 2, 1, 0, 1])
X = np.arange(10, dtype=np.float32).reshape(5, 2)
NUMBERS = "\n".join(map(str, Y))


def npz(path):
    np.savez(path, labels=Y, X=X)


def safetensors(path):
    from safetensors.numpy import save_file

    save_file({"codes": Y, "features": X}, path)


def hdf5(**arrays):
    def write(path):
        h5py = pytest.importorskip("h5py", reason="HDF5 files are written by h5py")
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name.replace("_", "/")] = array

    return write


def text(content):
    return lambda path: path.write_text(content)


def parquet(**columns):
    def write(path):
        pa = pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
        pytest.importorskip("pyarrow.parquet", reason="Parquet files are written by pyarrow").write_table(
            pa.table(columns), path
        )

    return write


FILES = {
    "y.npy": lambda path: np.save(path, Y),
    "y.npz": npz,
    "y.safetensors": safetensors,
    "named.csv": text(f"label\n{NUMBERS}\n"),
    "headed.csv": text(f"species\n{NUMBERS}\n"),
    "plain.csv": text(NUMBERS),
    "wide.csv": text("a,label\n" + "\n".join(f"x,{label}" for label in Y)),
    "y.txt": text(NUMBERS + "\n"),
    "y.parquet": parquet(a=X[:, 0].tolist(), label=Y.tolist()),
    "alone.parquet": parquet(species=Y.tolist()),
    "y.h5": hdf5(y=Y),
    "rows.hdf5": hdf5(X=X, labels=Y),
    "alone.h5": hdf5(species=Y),
    "group.h5": hdf5(train_features=X, train_labels=Y),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_has_the_same_labels(name, tmp_path):
    FILES[name](tmp_path / name)
    assert read_labels(tmp_path / name).tolist() == Y.tolist()
    assert datasets.load(X, labels=tmp_path / name).y.tolist() == Y.tolist()


def test_a_zarr_array_has_labels_and_another_folder_has_not(tmp_path):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    zarr.open_group(str(tmp_path / "z.zarr"), mode="w").create_array("y", data=Y)
    assert read_labels(tmp_path / "z.zarr/y").tolist() == Y.tolist()
    for folder in (tmp_path, tmp_path / "z.zarr"):
        with pytest.raises(InputError, match="is a folder; wanted a file of labels: .npy"):
            read_labels(folder)


def test_texts_stay_texts(tmp_path):
    (tmp_path / "y.csv").write_text("cat\ndog\ncat\n")
    assert read_labels(tmp_path / "y.csv").tolist() == ["cat", "dog", "cat"]
    hdf5(y=["cat", "dog", "cat"])(tmp_path / "y.h5")
    assert read_labels(tmp_path / "y.h5").tolist() == ["cat", "dog", "cat"]


REFUSALS = {
    "columns.csv": (text("a,b\n1,2\n"), "has the columns 'a', 'b': call the column of labels 'label'"),
    "gap.txt": (text("1\n\n2\n"), "no label in line 2: fill it"),
    "NA.txt": (text("1\nNA\n"), "has the label 'NA' in line 2, but numbers in the others"),
    "gap.csv": (text("a,label\n1,2\n1,\n"), "no label in line 3: fill it"),
    "nan.csv": (text("label\n1\nnan\n"), "has the label 'nan' in line 3, but numbers in the others"),
    "nan.txt": (text("1\nnan\n"), "has the label 'nan' in line 2, but numbers in the others"),
    "empty.csv": (text(""), "empty"),
    "header.csv": (text("label\n"), "no labels below its first line"),
    "two.npz": (lambda path: np.savez(path, a=Y, X=X), "has the arrays 'X', 'a'; wanted an array of one dimension called y"),
    "two.h5": (hdf5(a=Y, b=Y), "has the arrays 'a', 'b'; wanted an array of one dimension called y"),
    "none.h5": (hdf5(), "has the arrays none; wanted"),
    "damaged.h5": (text("no HDF5"), "it is no HDF5 file, or damaged"),
    "y.pdf": (text("%PDF"), "is no file of labels that is known here; wanted .npy, .npz, .csv"),
    "two.parquet": (parquet(a=[1.5], b=[2.5]), "has the columns 'a', 'b', but no labels"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_name_the_file_and_what_to_do(name, tmp_path):
    write, message = REFUSALS[name]
    write(tmp_path / name)
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / name)


def test_the_label_column_of_a_table_is_no_feature_if_labels_are_given(tmp_path):
    (tmp_path / "rows.csv").write_text("a,label\n" + "\n".join(f"{row},{label}" for row, label in enumerate(Y)))
    loaded = datasets.load(tmp_path / "rows.csv", labels=Y[::-1])
    assert loaded.X.tolist() == [[0], [1], [2], [3], [4]]
    assert loaded.y.tolist() == Y[::-1].tolist()
    assert any("'label' left out, because labels are no features" in note for note in loaded.notes)


#: labels of three rows, their type in an array, and their class names or the refusal
RULE = {
    "whole": ([3, 1, 2], "int64", ("1", "2", "3")),
    "whole floats": ([3.0, 1.0, 2.0], "float64", ("1", "2", "3")),
    "text": (["b", "1", "c"], "U", ("1", "b", "c")),
    "fractions": ([0.5, 1.0, 2.0], "float64", "class labels"),
    "rounded": ([2.0**53, 1.0, 2.5], "float64", "class labels"),
    "beyond int64": ([2**63, 1, 2], "uint64", "give labels below 2^63"),
}


LATIN = "cat\nt\xeate\ncat\n".encode("latin-1")


def in_latin(path):
    """Labels of three rows in Latin-1, the second not ASCII, in a file of each format."""
    if path.suffix in (".csv", ".txt"):
        path.write_bytes(LATIN)
    elif path.suffix == ".npy":
        np.save(path, np.array(LATIN.split()))
    else:
        hdf5(y=LATIN.split())(path)


@pytest.mark.parametrize("ending", ["csv", "txt", "npy", "h5"])
def test_labels_in_latin_1_are_refused_by_row(ending, tmp_path):
    path = tmp_path / f"y.{ending}"
    in_latin(path)
    where = "(first in line 2)" if ending in ("csv", "txt") else "at row 1, which are not text in UTF-8"
    check_refused(lambda: datasets.load(X[:3], labels=path), where)


def test_names_of_classes_in_latin_1_are_refused(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes(LATIN)
    check_refused(lambda: datasets.load(X, labels=Y, class_names=path), "classes.txt' is not text in UTF-8")
    path.write_bytes("a\nb\nc".encode("utf-16"))
    check_refused(lambda: datasets.load(X, labels=Y, class_names=path), "is text in UTF-16: save it in")


def test_a_mark_of_utf_8_and_a_form_feed_are_no_part_of_labels(tmp_path):
    (tmp_path / "y.txt").write_text("0\r\n1\n", encoding="utf-8-sig", newline="")
    assert read_labels(tmp_path / "y.txt").tolist() == [0, 1]
    (tmp_path / "y.txt").write_text("a\x0cb\nc\u2028d\n")
    assert read_labels(tmp_path / "y.txt").tolist() == ["a\x0cb", "c\u2028d"]


def test_a_text_file_of_labels_may_be_long(tmp_path):
    (tmp_path / "y.txt").write_text("123456\n" * 200_000)  # 1.4 MB; one of class names has at most 1 MiB
    assert len(read_labels(tmp_path / "y.txt")) == 200_000


@pytest.mark.parametrize("name", RULE)
@pytest.mark.parametrize("ending", ["csv", "txt", "npy", "h5", "parquet", "frame"])
def test_every_format_takes_the_same_labels(ending, name, tmp_path):
    labels, dtype, wanted = RULE[name]
    rows, path = X[:3], tmp_path / f"y.{ending}"
    array = np.array(labels, dtype)
    if ending in ("csv", "txt"):
        path.write_text("".join(f"{label}\n" for label in labels))
    elif ending == "npy":
        np.save(path, array)
    elif ending == "h5":
        hdf5(y=labels if dtype == "U" else array)(path)
    elif ending == "parquet":
        parquet(y=array)(path)
    else:
        pd = pytest.importorskip("pandas", reason="pandas is not installed")
        path = pd.Series(labels)

    def load():
        return datasets.load(rows, labels=path)

    if isinstance(wanted, tuple):
        assert load().class_names == wanted
    else:
        check_refused(load, wanted)
