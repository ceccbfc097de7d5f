"""The command that ``fastcls run`` prints last predicts the test rows of that run, whatever the layout of its data."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from _command import cli, here
from _layouts import COLOUR_WRITERS, GREY_WRITERS, Sample
from PIL import Image

from fastcls import InputError, datasets

__all__ = ["here"]  # the fixture that every test here is under

X, Y = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32), np.arange(40) % 4
QUICK = ("--models", "knn", "--ks", "1", "--out", "out")


def write_csv(path):
    lines = [",".join(map(str, [*row, f"class {label}"])) for row, label in zip(X.tolist(), Y.tolist(), strict=True)]
    Path(path).write_text("\n".join(["a,b,c,d,e,label", *lines]))


def write_tables(path):
    Path(path).mkdir()
    write_csv(Path(path, "train.csv"))
    write_csv(Path(path, "test.csv"))


def write_zarr(path):
    zarr = pytest.importorskip("zarr", reason="zarr groups need zarr")
    group = zarr.open_group(str(path), mode="w")
    for name, values in {"X": X, "y": Y}.items():
        group.create_array(name, shape=values.shape, dtype=values.dtype)[...] = values


def write_saved(path):
    pa = pytest.importorskip("pyarrow", reason="Arrow needs pyarrow")
    Path(path).mkdir()
    table = pa.table({"emb": list(X), "label": [f"class {label}" for label in Y]})
    with pa.OSFile(str(Path(path, "data.arrow")), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    Path(path, "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))


def of_images(writers, name, shape):
    return lambda path: writers[name](Path(path), Sample(shape))


FOLDERS = {
    **{name: of_images(GREY_WRITERS, name, (8, 8, 1)) for name in ("mnist", "mnist-gz", "npy-folder")},
    **{name: of_images(COLOUR_WRITERS, name, (32, 32, 3)) for name in ("cifar10", "images")},
    "tables": write_tables,
    "zarr": write_zarr,
    "saved": write_saved,
}


def rows_predicted_by_the_next_command(*words):
    """The number of rows, after a check that they have the accuracy of the run."""
    done = cli("run", *words, *QUICK)
    assert done.exit_code == 0, done.stderr
    results = json.loads(Path("out/results.json").read_text())
    command = shlex.split(done.stdout.splitlines()[-1].removeprefix("Next: fastcls "))
    predicted = cli(*command)
    assert predicted.exit_code == 0, predicted.stderr
    n_rows = len(predicted.stdout.splitlines()) - 1
    assert n_rows == results["n_test"]
    hits = n_rows - results["models"]["knn"]["test_errors"]
    assert f"({hits} of {n_rows} labelled rows)" in predicted.stderr
    return n_rows


@pytest.mark.parametrize("place", ["data", "outer/data", "outer/raw/data"])
@pytest.mark.parametrize("name", FOLDERS)
def test_the_next_command_finds_the_data_that_the_run_found(name, place, here):
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    FOLDERS[name](place)
    rows_predicted_by_the_next_command(place.partition("/")[0])


def test_an_image_next_to_other_data_is_not_predicted_in_its_place(here):
    (here / "outer").mkdir()
    FOLDERS["mnist"]("outer/data")
    for place in ("outer", "outer/data"):
        Image.new("L", (8, 8)).save(f"{place}/preview.png")
    assert rows_predicted_by_the_next_command("outer/data") == 12


def test_images_outside_the_data_set_inside_are_predicted_too(here):
    FOLDERS["images"]("outer/data")
    assert cli("run", "outer", *QUICK).exit_code == 0
    Image.new("RGB", (32, 32)).save("outer/one.png")
    assert len(cli("predict", "out/models/knn.safetensors", "outer").stdout.splitlines()) == 1 + 30 + 12 + 1


def test_several_data_sets_in_a_folder_are_named(here):
    FOLDERS["mnist"]("one")
    assert cli("run", "one", *QUICK).exit_code == 0
    for name in ("one", "two"):
        Path("outer").mkdir(exist_ok=True)
        FOLDERS["mnist"](f"outer/{name}")
    assert (
        "'outer' has several data sets, 'outer/one', 'outer/two'"
        in cli("predict", "out/models/knn.safetensors", "outer").stderr
    )


@pytest.mark.parametrize("name", ["rows.npy", "rows.npz"])
def test_labels_in_a_file_are_given_again(name, here):
    np.save(name, X) if name.endswith("y") else np.savez(name, X=X)
    np.save("given.npy", Y)
    assert rows_predicted_by_the_next_command(name, "--labels", "given.npy") == 8


def test_labels_of_the_training_rows_are_not_given_for_test_rows(here):
    np.savez("rows.npz", X=X, y=Y, X_test=X[:6], y_test=Y[:6])
    np.save("given.npy", Y)
    assert rows_predicted_by_the_next_command("rows.npz", "--labels", "given.npy") == 6


def test_the_only_file_of_data_in_a_folder_is_the_data(here):
    (here / "emb").mkdir()
    np.savez("emb/emb.npz", X=X, y=Y)
    Path("emb/README.md").write_text("from a model")
    assert rows_predicted_by_the_next_command("emb") == 8
    dataset = datasets.load("emb")
    assert (dataset.name, dataset.notes) == ("emb", ("the data is the file 'emb/emb.npz'",))
    write_csv("emb/more.csv")
    with pytest.raises(
        InputError, match=r"'emb' is a folder of unknown layout, with 'README.md', 'emb.npz', 'more.csv' and no"
    ):
        datasets.load("emb")


def test_columns_to_leave_out_are_given_again(here):
    write_csv("t.csv")
    text = Path("t.csv").read_text().splitlines()
    Path("t.csv").write_text("\n".join([f"caption,{text[0]}", *(f"a dog,{line}" for line in text[1:])]))
    said = "the column 'caption' has text, 'a dog' in line 2: leave it out with --drop 'caption', or write each category"
    assert said in cli("run", "t.csv").stderr
    assert rows_predicted_by_the_next_command("t.csv", "--drop", "caption") == 8
    assert "--drop caption" in json.loads(Path("out/results.json").read_text())["command"]
    words = ("compare", "t.csv", "again=t.csv", "--preset", "torchgeo-bench", "--json")
    np.savez("rows.npz", X=X)
    done = cli(*words, "rows.npz", "--drop", "caption")  # what has no such column is as it was
    assert done.exit_code == 0, done.stderr
    assert [one["n_features"] for one in json.loads(done.stdout)["representations"].values()] == [5, 5, 5]
    assert "--drop caption" in json.loads(done.stdout)["command"]
    refused = cli(*words, "--drop", "caption,other").stderr
    assert "--drop: none of 't.csv', 't.csv' has a column 'other'" in refused
    for command in (("gradcheck", "t.csv"), ("predict", "out/models/knn.safetensors", "t.csv")):
        assert cli(*command).exit_code == 2
        assert cli(*command, "--drop", "caption").exit_code == 0


def test_drop_is_refused_where_nothing_has_columns(here):
    np.save("X.npy", X)
    np.save("y.npy", Y)
    FOLDERS["images"]("pets")
    assert cli("run", "pets", *QUICK).exit_code == 0
    for command in (("run", "X.npy"), ("run", "pets"), ("predict", "out/models/knn.safetensors", "pets")):
        done = cli(*command, "--drop", "a", *(["--force"] if command[0] == "run" else []))
        assert done.exit_code == 2
        assert "only tables take it: leave it out" in done.stderr
    assert "--drop ',': wanted names of columns" in cli("run", "X.npy", "--drop", ",").stderr
