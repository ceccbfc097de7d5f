"""``PATH:NAME`` on the command line: one column or array of a file that has several representations, or labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from _command import cli, here, refused

from fastcls._scoring import intervals, numbers, pairs
from fastcls.cli import _compare
from fastcls.cli._estimate_compare import Seconds
from fastcls.cli.report import _comparison

__all__ = ["here"]  # the fixture that every test here is under

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="tables need pyarrow")

N = 90
Y = np.arange(N) % 3
QUICK = ("--preset", "torchgeo-bench")
CLIP = (np.random.default_rng(0).standard_normal((N, 6)) + 2 * np.eye(3, 6)[Y]).astype(np.float32)
DINO = CLIP[:, :3].copy()


@pytest.fixture(autouse=True)
def files(here, monkeypatch):
    for module in (numbers, pairs):
        monkeypatch.setattr(module, "resamples", lambda n_rows, n=0: intervals.resamples(n_rows, 40))
    monkeypatch.setattr(_compare, "estimate_parts", lambda plan, parts: dict.fromkeys(parts, Seconds(1.0, 1.0)))
    monkeypatch.setattr(_comparison, "figures", lambda results: [])
    columns = {"clip": list(CLIP), "dino": list(DINO), "label": Y, "species": np.array(["x", "y", "z"])[(Y + 1) % 3]}
    parquet.write_table(pa.table(columns), "f.parquet")
    np.savez("f.npz", clip=CLIP, dino=DINO, y=Y)
    np.save("clip.npy", CLIP)
    np.save("dino.npy", DINO)
    np.save("y.npy", Y)
    Path("labels.csv").write_text("name,species\n" + "\n".join(f"{row},{label}" for row, label in enumerate(Y)))


def compared(*words):
    done = cli("compare", *words, *QUICK, "--json")
    assert done.exit_code == 0, (done.stderr, done.exception)
    return json.loads(done.stdout)


def test_representations_in_one_file_are_compared_like_those_in_files_of_their_own():
    alone = compared("clip.npy", "dino.npy", "--labels", "y.npy")
    for file in ("f.parquet", "f.npz"):
        found = compared(f"{file}:clip", f"{file}:dino")
        assert found["table"] == [
            row | {"seconds": other["seconds"]} for row, other in zip(alone["table"], found["table"], strict=True)
        ]
        assert found["labels"] == {"rows": file, "test_rows": file}  # found once
        assert found["notes"] == []
        assert found["command"].startswith(f"fastcls compare {file}:clip {file}:dino")
    named = compared("a=f.npz:clip", "b=f.parquet:dino", "dino.npy", "--labels", "labels.csv:species")
    assert list(named["representations"]) == ["a", "b", "dino"]
    assert named["labels"]["rows"] == "labels.csv:species"


def test_test_rows_are_those_of_the_same_column():
    test = ("--test", "f.npz,f.parquet:dino", "--test-labels", "labels.csv:species")
    assert compared("f.parquet:clip", "f.npz:dino", *test)["n_test"] == N
    assert compared("f.parquet:clip", "f.npz:dino", "--test", "f.npz", "--test", "dino.npy", *test[2:])["n_test"] == N


def test_labels_of_a_column_win_over_those_of_the_file():
    found = compared("f.parquet:clip", "f.parquet:dino", "--labels", "f.parquet:species")
    assert found["class_names"] == ["x", "y", "z"]
    assert found["notes"] == ["the labels in 'f.parquet' are not used, because those of 'f.parquet:species' are given"]
    assert compared("f.parquet:clip", "f.parquet:dino", "--labels", "species")["class_names"] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["f.npz:clep", "f.npz:dino"], "'f.npz' has no array 'clep': did you mean 'clip'? It has 'clip', 'dino', 'y'"),
        (["f.parquet:", "f.npz:dino"], "'f.parquet' has no column '': it has 'clip', 'dino', 'label', 'species'"),
        (["clip.npy:a", "f.npz:dino"], "'clip.npy' has no names of columns or arrays, so 'a' cannot be chosen: give"),
        (["f.npz:clip", "f.parquet:clip"], "have the same name, 'clip': give one as NAME=PATH, such as clip-2="),
        (["f.npz:clip", "f.npz:dino", "--labels", "labels.csv:kind"], "'labels.csv' has no column 'kind': it has 'name'"),
        (["no.npz:clip", "f.npz:dino"], "there is no file or folder 'no.npz:clip'"),
        (["f.parquet", "f.npz:dino"], "several columns of vectors ('clip', 'dino'): name one with PATH:NAME, leave out"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(words, said):
    refused(cli("compare", *words), said)


def test_a_file_with_a_colon_in_its_name_is_that_file():
    np.savez("f.npz:clip", X=DINO, y=Y)
    Path("f.npz:clip.npz").rename("f.npz:clip")
    np.savez("x=y.npz", clip=CLIP, y=Y)
    found = compared("f.npz:dino", "x=y.npz:clip")
    assert list(found["representations"]) == ["dino", "clip"]
    refused(cli("compare", "f.npz:clip", "f.npz:dino"), "'f.npz:clip'")  # a file without an ending that is known


def test_run_and_predict_take_a_column_too():
    done = cli("run", "f.npz:clip", "--models", "knn", "--ks", "1,3")
    assert done.exit_code == 0, (done.stderr, done.exception)
    model = "fastcls-f-clip/models/knn.safetensors"
    assert done.stdout.splitlines()[-1] == f"Next: fastcls predict {model} f.npz:clip"
    assert json.loads(Path("fastcls-f-clip/results.json").read_text())["n_features"] == 6
    again = cli("predict", model, "f.npz:clip")
    assert "only the 18 test rows are predicted" in again.stderr
    given = cli("predict", model, "f.parquet:clip", "--labels", "labels.csv:species")
    assert given.exit_code == 0, given.stderr
    assert "labelled rows" in given.stderr
    refused(cli("run", "f.npz:dano", "--out", "x"), "'f.npz' has no array 'dano': did you mean 'dino'?")
    refused(cli("predict", model, "f.npz:dino"), "f.npz:dino has 3 features per row")


def test_test_rows_in_another_order_are_refused_with_their_files():
    words = ("compare", "clip.npy", "dino.npy", "--labels", "y.npy", "--test", "dino.npy,clip.npy", "--test-labels")
    said = "'dino.npy' has 3 features of type float32, but its training rows, 'clip.npy', have 6 of type float32"
    refused(cli(*words, "y.npy"), said)
    np.save("other.npy", Y + 7)
    words = ("compare", "clip.npy", "dino.npy", "--labels", "y.npy", "--test", "clip.npy,dino.npy", "--test-labels")
    said = "no label of the test rows in 'other.npy', such as '7', is one of the training rows in 'y.npy', such as '0': use"
    refused(cli(*words, "other.npy"), said)


def test_labels_that_are_dropped_are_not_missing():
    said = "none of 'f.parquet:clip', 'f.parquet:dino' has labels without the columns that --drop leaves out ('label'): give"
    refused(cli("compare", "f.parquet:clip", "f.parquet:dino", "--drop", "label"), said)
    said = "the column 'species' has the labels, and --drop 'species' leaves it out: take it out of one"
    refused(cli("compare", "f.parquet:clip", "f.parquet:dino", "--labels", "species", "--drop", "species"), said)
    refused(cli("run", "f.parquet:clip", "--drop", "label"), "--drop 'label' leaves out the labels of 'f.parquet': keep")
