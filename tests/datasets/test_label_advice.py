"""What is advised where it is not clear which column or array has the labels or the rows, and data that says it itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _refused import check_refused
from _tables import write_csv, write_hdf5, write_npz, write_parquet

from fastcls import datasets

N = 30
Y = np.arange(N) % 3
SPECIES = np.array(["cat", "dog", "owl"])[Y]
RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((2, N)).round(4)
X = np.column_stack([A, B])


@pytest.mark.parametrize("write", [write_csv, write_parquet], ids=["csv", "parquet"])
def test_columns_that_may_be_the_labels_are_named_first(write, tmp_path: Path) -> None:
    many = {f"f{at}": A + at for at in range(12)}
    path = write(tmp_path / f"rows.{write.__name__[6:]}", many | {"size": 7 * Y, "b": B})
    check_refused(lambda: datasets.load(path), "has the columns 'size', 'f0', 'f1', ")
    path = write(tmp_path / f"text.{write.__name__[6:]}", many | {"a": SPECIES, "b": SPECIES[::-1]})
    said = "name the one that has the labels with labels=, and leave out the others with drop="  # not: drop=['a', 'b']
    check_refused(lambda: datasets.load(path), said)


@pytest.mark.parametrize("write", [write_csv, write_parquet], ids=["csv", "parquet"])
def test_a_file_of_labels_is_refused_with_the_word_for_a_column(write, tmp_path: Path) -> None:
    path = write(
        tmp_path / f"labels.{write.__name__[6:]}", {"id": np.arange(N), "u": 10 * B, "kind": 1000 * (3 - Y), "v": A}
    )
    check_refused(
        lambda: datasets.load(X, labels=path), f"call the column of labels 'label', or name one as in '{path}:kind'"
    )


@pytest.mark.parametrize("write", [write_npz, write_hdf5], ids=["npz", "h5"])
def test_arrays_that_may_be_the_rows_are_refused_with_features(write, tmp_path: Path) -> None:
    path = write(tmp_path / ("f.npz" if write is write_npz else "f.h5"), {"clip": X, "dino": X, "y": Y})
    check_refused(lambda: datasets.load(path), "or choose the rows with features=")
    assert datasets.load(path, features="clip").X.shape == X.shape
    path = write(tmp_path / ("g.npz" if write is write_npz else "g.h5"), {"X": X, "kind": Y, "ids": np.arange(N)})
    check_refused(
        lambda: datasets.load(path),
        "'kind', 'X', 'ids', but no labels: add them with the name y, or give labels=, or the name",
    )
    path = write(tmp_path / ("h.npz" if write is write_npz else "h.h5"), {"kind": Y, "size": Y})
    check_refused(lambda: datasets.load(X, labels=path), f"or '{path}:kind' for one of them")


def test_a_column_of_categories_has_the_labels() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    for values in (SPECIES, 10 * Y):
        found = datasets.load(pd.DataFrame({"a": A, "b": B, "kind": pd.Categorical(values)}))
        assert found.feature_names == ("a", "b")
        assert found.class_names == tuple(sorted(set(map(str, values)), key=lambda name: (len(name), name)))
    found = datasets.load(pd.DataFrame({"e": list(X), "kind": pd.Categorical(SPECIES)}))
    assert found.class_names == ("cat", "dog", "owl")
    found = datasets.load(pd.DataFrame({"a": A, "size": pd.Categorical(Y), "species": SPECIES}))  # text, as before
    assert found.feature_names == ("a", "size")


def test_a_data_set_is_what_it_is() -> None:
    found = datasets.load((X, Y))
    assert datasets.load(found) is found
    assert datasets.load(found, class_names=["u", "v", "w"]).class_names == ("u", "v", "w")
    check_refused(lambda: datasets.load(found, labels=Y), "labels= is given for a Dataset; only ")


def test_files_that_pandas_wrote_as_hdf5_are_refused_with_the_way(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="HDF5 files are written by h5py")
    with h5py.File(tmp_path / "f.h5", "w") as file:  # as DataFrame.to_hdf(path, key="df") writes it
        group = file.create_group("df")
        group.attrs["pandas_type"], group.attrs["pandas_version"] = "frame", "0.15.2"
        group["axis0"], group["block0_values"] = np.array([b"a", b"b"]), X
    said = f"was written by pandas (to_hdf), whose layout is not read here: give the data frame, pandas.read_hdf('{tmp_path}"
    check_refused(lambda: datasets.load(tmp_path / "f.h5"), f"{said}/f.h5', 'df'), to fastcls.datasets.load")


def test_counts_that_do_not_fit_name_both_files(tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "rows.csv", {"a": A, "b": B})
    labels = write_csv(tmp_path / "labels.csv", {"kind": SPECIES[:20]})
    check_refused(
        lambda: datasets.load(rows, labels=f"{labels}:kind"), f"'{labels}:kind' has 20 labels for 30 rows of '{rows}': give"
    )
