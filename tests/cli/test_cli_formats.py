"""Files of features on the command line: a run ends with a report, and a model predicts the rows of such a file."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from _command import cli, fresh, here, refused  # noqa: F401
from safetensors.numpy import save_file

import fastcls
from fastcls._storage import safetensors as files
from fastcls._validation.types import BFLOAT16, narrowed, widened

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (RNG.normal(size=(60, 8)) + 2 * np.eye(3, 8)[Y]).astype(np.float32)


def as_safetensors(path: str) -> None:
    save_file({"features": X, "labels": Y}, path)


def as_parquet(path: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    parquet.write_table(pyarrow.table({"embedding": list(X), "label": Y}), path)


def as_hdf5(path: str) -> None:
    h5py = pytest.importorskip("h5py", reason="reading HDF5 needs h5py")
    with h5py.File(path, "w") as file:
        file["X"], file["y"] = X, Y


def as_feather(path: str) -> None:
    feather = pytest.importorskip("pyarrow.feather", reason="Feather needs pyarrow")
    pyarrow = pytest.importorskip("pyarrow", reason="Feather needs pyarrow")
    rows = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(X.ravel()), 8)
    feather.write_feather(pyarrow.table({"features": rows, "label": Y}), path)


def as_csv(path: str) -> None:
    lines = [",".join(map(str, [*row, label])) for row, label in zip(X.tolist(), Y.tolist(), strict=True)]
    Path(path).write_text("\n".join([",".join([*(f"f{place}" for place in range(8)), "class"]), *lines]))


WRITERS = {
    "features.safetensors": as_safetensors,
    "features.parquet": as_parquet,
    "features.feather": as_feather,
    "features.h5": as_hdf5,
    "features.csv": as_csv,
}


@pytest.mark.process
@pytest.mark.parametrize("name", WRITERS)
def test_a_run_ends_with_a_report(name):
    WRITERS[name](name)
    result = fresh("run", name, "--ks", "1,3", "--models", "knn,softmax")
    assert result.returncode == 0, result.stderr
    assert "<svg" in Path("fastcls-features/report.html").read_text()
    found = json.loads(Path("fastcls-features/results.json").read_text())
    assert (found["n_train"], found["n_test"], found["n_features"], found["n_classes"]) == (48, 12, 8, 3)
    assert found["models"]["knn"]["test_accuracy"] > 0.5


@pytest.mark.parametrize("name", WRITERS)
def test_a_model_predicts_the_rows_of_such_a_file(name):
    WRITERS[name](name)
    assert cli("run", name, "--ks", "1", "--models", "knn").exit_code == 0
    result = cli("predict", "fastcls-features/models/knn.safetensors", name)
    assert result.exit_code == 0, result.output
    assert "only the 12 test rows are predicted" in result.stderr


def test_rows_of_bfloat16_are_as_good_as_those_of_float32():
    half = narrowed(X, BFLOAT16)
    half.view(np.uint16)[X > 1.5] = 0x8000  # -0.0, which equals 0
    files.write(Path("f.safetensors"), {"features": half, "labels": Y}, {})
    save_file({"features": widened(half), "labels": Y}, "g.safetensors")
    for name in "fg":
        result = cli("run", f"{name}.safetensors", "--ks", "1", "--models", "knn,softmax", "--seed", "0")
        assert result.exit_code == 0, result.output
        assert f"8 features (no image shape, {'bfloat16' if name == 'f' else 'float32'})" in result.stderr
    found, wanted = (json.loads(Path(f"fastcls-{name}/results.json").read_text()) for name in "fg")
    for name, model in found["models"].items():
        assert model["test_accuracy"] == wanted["models"][name]["test_accuracy"]
    assert Path("fastcls-f/predictions.csv").read_text() == Path("fastcls-g/predictions.csv").read_text()
    for rows in "fg":  # of either type
        result = cli("predict", "fastcls-f/models/knn.safetensors", f"{rows}.safetensors", "--all")
        assert result.exit_code == 0, result.output


def test_labels_of_an_hdf5_file():
    h5py = pytest.importorskip("h5py", reason="reading HDF5 needs h5py")
    for name, array in (("rows", X), ("labels", Y)):
        with h5py.File(f"{name}.h5", "w") as file:
            file[name] = array
    np.save("x.npy", X)
    for data in ("rows.h5", "x.npy"):
        result = cli("run", data, "--labels", "labels.h5", "--ks", "1", "--models", "knn", "--out", f"of-{data}")
        assert result.exit_code == 0, result.output
        predicted = cli("predict", f"of-{data}/models/knn.safetensors", data, "--labels", "labels.h5")
        assert "accuracy: " in predicted.stderr, predicted.output


BAD = np.where(np.eye(60, 8, -3) > 0, np.nan, X)


@pytest.mark.parametrize("name", ["f.safetensors", "f.npz", "f.npy", "f.csv"])
def test_bad_values_are_refused_by_row_and_column(name):
    if name == "f.safetensors":
        save_file({"features": BAD, "labels": Y}, name)
        refused(cli("run", name), "features contains NaN (first at row 3, column 0)")
    elif name == "f.npz":
        np.savez(name, embeddings=BAD, labels=Y)
        refused(cli("run", name), "embeddings contains NaN (first at row 3, column 0)")
    elif name == "f.npy":
        np.save(name, BAD)
        np.save("y.npy", Y)
        assert "'f.npy' contains NaN (first at row 3, column 0)" in cli("run", name).stderr.splitlines()[-1]
    else:
        Path(name).write_text("a,label\n1,0\nnan,1\n")
        refused(cli("run", name), "has 'nan' in line 3, column 'a'")


def test_labels_may_be_named(here):  # noqa: F811
    save_file({"features": X, "species": Y}, "f.safetensors")
    result = cli("run", "f.safetensors", "--labels", "species", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, result.output
    assert "--labels species" in json.loads(Path("fastcls-f/results.json").read_text())["command"]
    other = cli("run", "f.safetensors", "--labels", "specie", "--out", "other")
    assert other.exit_code == 2
    assert "there is no file or folder 'specie': give a file of labels" in other.stderr.splitlines()[-1]


def test_of_several_columns_of_labels_one_is_named():
    lines = [",".join(map(str, [*row, 1.5, label])) for row, label in zip(X.tolist(), Y.tolist(), strict=True)]
    Path("f.csv").write_text("\n".join([",".join([*(f"f{place}" for place in range(8)), "y,label"]), *lines]))
    refused(cli("run", "f.csv"), "several columns that may be the labels, 'y', 'label': name one with --labels")
    result = cli("run", "f.csv", "--labels", "label", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("fastcls-f/results.json").read_text())["n_features"] == 8
    result = cli("predict", "fastcls-f/models/knn.safetensors", "f.csv", "--labels", "label")
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.stderr
    refused(cli("predict", "fastcls-f/models/knn.safetensors", "f.csv", "--labels", "labelz"), "'labelz'", "'f0'")


def test_labels_that_are_a_column_are_named_in_the_next_command():
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    columns = {f"f{place}": X[:, place] for place in range(8)}
    parquet.write_table(pyarrow.table({**columns, "species_id": Y}), "f.parquet")
    refused(cli("run", "f.parquet"), "but no labels: call the column of labels 'label', or name it with --labels")
    result = cli("run", "f.parquet", "--labels", "species_id", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, result.output
    command = shlex.split(result.stdout.splitlines()[-1].removeprefix("Next: fastcls "))
    assert command[-2:] == ["--labels", "species_id"]
    result = cli(*command)
    assert result.exit_code == 0, result.output
    assert "accuracy: " in result.stderr


def test_test_rows_without_labels_are_predicted():
    as_safetensors("f.safetensors")
    assert cli("run", "f.safetensors", "--ks", "1", "--models", "knn").exit_code == 0
    save_file({"X_test": X[:7]}, "new.safetensors")
    result = cli("predict", "fastcls-f/models/knn.safetensors", "new.safetensors")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 8


def test_labels_may_get_names():
    save_file({"features": X, "labels": Y}, "f.safetensors")
    Path("names.txt").write_text("cat\ndog\nship\n")
    result = cli("run", "f.safetensors", "--class-names", "names.txt", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, result.output
    assert "--class-names names.txt" in json.loads(Path("fastcls-f/results.json").read_text())["command"]
    assert "ship" in Path("fastcls-f/predictions.csv").read_text()
    refused(cli("run", "f.safetensors", "--class-names", "no.txt", "--out", "other"), "no.txt")


@pytest.mark.parametrize("name", WRITERS)
def test_rows_without_labels_are_predicted(name):
    WRITERS[name](name)
    assert cli("run", name, "--ks", "1", "--models", "knn").exit_code == 0
    if name.endswith("csv"):
        lines = Path(name).read_text().splitlines()
        Path(name).write_text("\n".join(line.rpartition(",")[0] for line in lines))
    elif name.endswith("h5"):
        h5py = pytest.importorskip("h5py", reason="reading HDF5 needs h5py")
        with h5py.File(name, "a") as file:
            del file["y"]
    elif name.endswith("feather"):
        feather = pytest.importorskip("pyarrow.feather", reason="Feather needs pyarrow")
        feather.write_feather(feather.read_table(name).drop_columns(["label"]), name)
    elif name.endswith("parquet"):
        parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
        parquet.write_table(parquet.read_table(name).drop_columns(["label"]), name)
    else:
        save_file({"features": X}, name)
    result = cli("predict", "fastcls-features/models/knn.safetensors", name)
    assert result.exit_code == 0, result.output
    assert "only the 12 test rows are predicted" in result.stderr  # the run's own rows are known without their labels
    assert len(result.stdout.splitlines()) == 13
    assert "accuracy" not in result.stderr


def write_table(path, names, columns):
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    Path(path).write_text("\n".join([*([",".join(names)] if names else []), *lines]))


def test_columns_of_a_table_are_matched_by_name():
    features = dict(zip("abcdefgh", X.T.tolist(), strict=True))
    write_table("f.csv", [*features, "label"], [*features.values(), Y.tolist()])
    assert cli("run", "f.csv", "--ks", "1", "--models", "knn,random_search").exit_code == 0
    for model in ("fastcls-f/models/knn.safetensors", "fastcls-f/models/random_search.safetensors"):
        assert fastcls.load(model).feature_names_in_.tolist() == list("abcdefgh")
        expected = cli("predict", model, "f.csv")
        assert expected.exit_code == 0, expected.output
        assert "note: " not in expected.stderr
        names = list("hcabgedf")
        write_table("g.csv", ["label", *names], [Y.tolist(), *map(features.get, names)])
        found = cli("predict", model, "g.csv")
        assert found.stdout == expected.stdout
        assert "'g.csv': its columns are read in the order of the model" in found.stderr
        assert "only the 12 test rows are predicted" in found.stderr  # the run's own rows, in another order
        write_table("g.csv", ["label", *"abxdefgh", "y2"], [Y.tolist(), *features.values(), X[:, 0]])
        refused(
            cli("predict", model, "g.csv"),
            "'g.csv' and the model have different columns, the first lacks 'c' and also has 'x', 'y2': give both the same",
        )
        write_table("g.csv", [], [*features.values(), [f"class {label}" for label in Y]])
        np.savez("g.npz", X=X.astype(np.float64), y=Y)
        for unnamed in ("g.csv", "g.npz"):
            found = cli("predict", model, unnamed)
            assert [line.split(",")[1] for line in found.stdout.splitlines()] == [
                line.split(",")[1] for line in expected.stdout.splitlines()
            ]
            assert f"note: {unnamed} has no names of features and the model has" in found.stderr
            assert "valid feature names" not in found.stderr


def test_columns_are_taken_by_position_if_the_model_has_no_names():
    features = dict(zip("abcdefgh", X.T.tolist(), strict=True))
    write_table("f.csv", [*features, "label"], [*features.values(), Y.tolist()])
    fastcls.KNeighborsClassifier(1).fit(X, Y).save("m.safetensors")
    found = cli("predict", "m.safetensors", "f.csv")
    assert found.exit_code == 0, found.output
    assert "note: the model has no names of features and f.csv has: the features of f.csv are taken by" in found.stderr
