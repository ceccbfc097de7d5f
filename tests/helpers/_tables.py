"""Files and frames of columns: a name, and the values of all rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastcls import datasets

formats = pytest.mark.parametrize("ending", ["csv", "parquet", "frame"])


def write_csv(path: Path, columns: dict[str, object]) -> Path:
    rows = zip(*columns.values(), strict=True)  # type: ignore[call-overload]
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))
    return path


def write_parquet(path: Path, columns: dict[str, object]) -> Path:
    pa = pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), path)
    return path


def write_npz(path: Path, columns: dict[str, object]) -> Path:
    np.savez(path, **{name: np.asarray(values) for name, values in columns.items()})  # type: ignore[arg-type]
    return path


def write_hdf5(path: Path, columns: dict[str, object]) -> Path:
    h5py = pytest.importorskip("h5py", reason="HDF5 files are written by h5py")
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            array = np.asarray(values)
            file[name] = array.astype("S") if array.dtype.kind == "U" else array
    return path


def load(ending: str, path: Path, columns: dict[str, object]) -> datasets.Dataset:
    """The data set of a table in one of the `formats`."""
    if ending == "frame":
        pd = pytest.importorskip("pandas", reason="pandas is not installed")
        return datasets.load(pd.DataFrame(columns))
    write = write_csv if ending == "csv" else write_parquet
    return datasets.load(write(path.with_suffix(f".{ending}"), columns))
