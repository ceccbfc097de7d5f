"""A refusal of what a file holds names the file, in every format: with several files, a user must know which one to mend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted

Arrays = dict[str, np.ndarray]


def sound() -> Arrays:
    X = np.random.default_rng(0).normal(size=(12, 4))
    return {"X": X, "y": np.arange(12) % 3, "X_test": X[:6].copy(), "y_test": np.arange(6) % 3}


def write_npz(path: Path, arrays: Arrays) -> Path:
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def write_npy_folder(path: Path, arrays: Arrays) -> Path:
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path


def write_safetensors(path: Path, arrays: Arrays) -> Path:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def write_hdf5(path: Path, arrays: Arrays) -> Path:
    h5py = pytest.importorskip("h5py", reason="HDF5 files are written by h5py")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path.with_suffix(".h5")


def write_zarr(path: Path, arrays: Arrays) -> Path:
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    group = zarr.open_group(str(path), mode="w")
    for name, array in arrays.items():
        group.create_array(name, data=array)
    return path


def write_tables(path: Path, arrays: Arrays) -> Path:
    """A folder of train.parquet and test.parquet, with a column of lists."""
    pa = pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet files are written by pyarrow")
    path.mkdir()
    for part, ending in (("train", ""), ("test", "_test")):
        X, y = arrays[f"X{ending}"], arrays[f"y{ending}"]
        n = min(len(X), len(y))
        parquet.write_table(pa.table({"features": list(X[:n]), "label": y[:n]}), path / f"{part}.parquet")
    return path


def write_csv(path: Path, arrays: Arrays) -> Path:
    """A folder of train.csv and test.csv, without names of columns."""
    path.mkdir()
    for part, ending in (("train", ""), ("test", "_test")):
        rows = zip(arrays[f"X{ending}"].tolist(), arrays[f"y{ending}"].tolist(), strict=False)
        lines = ["a,b,c,d,e"[: 2 * arrays[f"X{ending}"].shape[1] - 1] + ",label"]
        (path / f"{part}.csv").write_text("\n".join([*lines, *(",".join(map(str, [*X, y])) for X, y in rows)]))
    return path


WRITERS: dict[str, Callable[[Path, Arrays], Path]] = {
    "npz": write_npz,
    "npy": write_npy_folder,
    "safetensors": write_safetensors,
    "hdf5": write_hdf5,
    "zarr": write_zarr,
    "parquet": write_tables,
    "csv": write_csv,
}


def put(name: str, at: int | tuple[int, int], value: float) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].astype(float)
        arrays[name][at] = value

    return change


def replace(name: str, made: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({name: made(arrays[name])})


FAULTS: dict[str, Callable[[Arrays], None]] = {
    "NaN": put("X", (3, 2), np.nan),
    "infinity in the test rows": put("X_test", (3, 2), np.inf),
    "a fractional label": put("y", 3, 0.5),
    "a fractional test label": put("y_test", 3, 0.5),
    "an unknown test label": put("y_test", 3, 7),
    "too few labels": replace("y", lambda y: y[:-1]),
    "test rows of another width": replace("X_test", lambda X: np.hstack([X, X[:, :1]])),
    "labels of another kind": replace("y_test", lambda y: y * 0.5 + 0.25),
    "rows in one dimension": replace("X", lambda X: X[:, 0]),
    "one-hot labels": replace("y", lambda y: np.eye(3)[y]),
    "complex numbers": replace("X", lambda X: X + 1j),
    "no image shape": lambda arrays: arrays.update({"image_shape": np.array([3, 5, 1])}),
    "one name of two classes": lambda arrays: arrays.update({"class_names": np.array(["a", "a", "b"])}),
}
#: faults that only some formats can have
ONLY_IN = {
    **dict.fromkeys(("no image shape", "one name of two classes"), ("npz",)),
    **dict.fromkeys(("too few labels", "rows in one dimension", "one-hot labels"), tuple(WRITERS)[:5]),
    "complex numbers": ("npz", "npy", "hdf5", "zarr"),
}


@pytest.mark.parametrize(
    ("name", "fault"), [(name, fault) for fault in FAULTS for name in ONLY_IN.get(fault, tuple(WRITERS))]
)
def test_every_refusal_names_the_file(name: str, fault: str, tmp_path: Path) -> None:
    arrays = sound()
    FAULTS[fault](arrays)
    path = WRITERS[name](tmp_path / "data", arrays)
    with pytest.raises(InputError) as refused:
        datasets.load(path)
    assert quoted(path)[:-1] in str(refused.value)
    if name == "npy":  # the very file
        assert any(f"{array}.npy'" in str(refused.value) for array in ("X", "y", "X_test", "y_test"))


@pytest.mark.parametrize("name", WRITERS)
def test_sound_files_are_loaded(name: str, tmp_path: Path) -> None:
    assert len(datasets.load(WRITERS[name](tmp_path / "data", sound())).X) == 12


def test_labels_of_another_file_are_named_with_it(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", sound()["X"])
    for name, labels, words in (
        ("few.npy", np.arange(5), "few.npy' has 5 labels for 12 rows of '"),
        ("half.npy", np.full(12, 0.5), "half.npy' has 0.5 at row 0"),
        ("table.npy", np.eye(12, dtype=int), "use labels.argmax(axis=1) if rows are one-hot"),
    ):
        np.save(tmp_path / name, labels)
        for rows in (tmp_path / "rows.npy", sound()["X"]):
            with pytest.raises(InputError) as refused:
                datasets.load(rows, labels=tmp_path / name)
            wanted = words if isinstance(rows, Path) else words.removesuffix(" of '")
            assert wanted in str(refused.value)
            assert f"{name}'" in str(refused.value)


def test_labels_given_for_training_rows_are_not_those_of_the_test_rows(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    (tmp_path / "test.csv").write_text("a,b,label\n1,2,2\n3,4,1\n5,6,1\n")
    found = datasets.load(tmp_path, labels=[0, 1, 2])
    assert found.y.tolist() == [0, 1, 2]
    assert found.y_test is not None
    assert found.y_test.tolist() == [2, 1, 1]
    (tmp_path / "test.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    found = datasets.load(tmp_path, labels=[0, 1, 2])
    assert found.X_test is None
    assert any("test.csv' has no labels and is left out" in note for note in found.notes)
