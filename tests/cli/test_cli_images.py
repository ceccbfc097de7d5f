"""Folders of images on the command line: unreadable images, and --limit, which decodes only the rows it keeps."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from _command import Image, cli, here, listing, refused, write_embeddings, write_images

import fastcls
from fastcls import datasets
from fastcls._storage.csv import cell
from fastcls.datasets import _folder, _image

__all__ = ["here"]  # the fixture that every test here is under

KNN = ["--ks", "1", "--models", "knn"]
MODEL = "fastcls-pets/models/knn.safetensors"


def pets(each=6, **options):
    return write_images(Path("pets"), each=each, **options)


def break_some(folder):
    """Write unreadable files of every kind into the class folders; return their paths."""
    whole = Path(folder, "cat/0.jpg").read_bytes()
    files = {
        "cat/cut.jpg": whole[: len(whole) // 2],
        "dog/empty.png": b"",
        "dog/text.jpg": b"no picture",
        "ship/huge.ppm": b"P6 9000 9000 255\n" + bytes(99),
    }
    for name, content in files.items():
        Path(folder, name).write_bytes(content)
    if hasattr(os, "mkfifo"):
        os.mkfifo(Path(folder, "ship/pipe.jpg"))
        files["ship/pipe.jpg"] = b""
    return [str(Path(folder, name)) for name in files]


def rows_of(result):
    return list(csv.DictReader(io.StringIO(result.stdout)))


# ---------------------------------------------------------------- broken images


def test_run_leaves_out_unreadable_images_and_lists_them():
    pets()
    broken = break_some("pets")
    result = cli("run", "pets", *KNN)
    assert result.exit_code == 3, (result.stderr, result.exception)
    results = json.loads(Path("fastcls-pets/results.json").read_text())
    assert sorted(image["path"] for image in results["unreadable"]) == sorted(broken)
    assert all(image["error"] for image in results["unreadable"])
    lines = result.stderr.splitlines()
    for path in broken:
        assert any(line.startswith(f"cannot be read: {path}: ") for line in lines), (path, lines)
    assert lines[-1] == f"fastcls: {len(broken)} images cannot be read and were left out: repair or remove them"
    assert results["n_train"] + results["n_test"] == 18
    assert any(f"left out {len(broken)} of {18 + len(broken)} images" in note for note in results["notes"])
    assert "Next: " in result.stdout


def link_some(folder):
    """Create links that are not followed, and one that is; return the paths of the former."""
    Path("secret.jpg").write_bytes(Path(folder, "cat/0.jpg").read_bytes())
    targets = {
        "cat/nowhere.jpg": "gone.jpg",
        "dog/outside.jpg": Path("secret.jpg").resolve(),
        "dog/upwards.jpg": "../../secret.jpg",
        "ship/itself.jpg": "itself.jpg",
    }
    for name, target in {**targets, "ship/twin.jpg": "0.jpg"}.items():
        Path(folder, name).symlink_to(target)
    return sorted(str(Path(folder, name)) for name in targets)


@pytest.mark.parametrize("kept", [False, True])
def test_links_out_of_the_folder_are_left_out_by_run_and_predict(kept, monkeypatch):
    if kept:
        monkeypatch.setattr("fastcls.datasets._cache.CACHED_FROM", 1)
    pets()
    links = link_some("pets")
    opened = []
    decode = _image.decode_image
    for place in (_folder, _image):
        monkeypatch.setattr(place, "decode_image", lambda source: (opened.append(str(source)), decode(source))[1])
    for again in ([], ["--force"]):
        result = cli("run", "pets", *KNN, *again)
        assert result.exit_code == 3, (result.stderr, result.exception)
        results = json.loads(Path("fastcls-pets/results.json").read_text())
        assert sorted(image["path"] for image in results["unreadable"]) == links
        assert results["n_train"] + results["n_test"] == 19
    monkeypatch.chdir("fastcls-pets")
    result = cli("predict", "models/knn.safetensors", "../pets/cat", "../pets/dog", "../pets/ship")
    assert result.exit_code == 3, result.stderr
    found = rows_of(result)
    assert sorted(row["path"].removeprefix("../") for row in found if row["error"]) == links
    reasons = {row["error"].split(" '")[0] for row in found if row["error"]}
    assert reasons == {"a link to a file that does not exist", "a link to a file outside"}
    assert not any(name.removeprefix("../") in links for name in opened)
    assert cli("predict", "models/knn.safetensors", "../pets/dog/outside.jpg").exit_code == 0  # named by the user


@pytest.mark.parametrize("options", [[], ["--limit", "4"], ["--preset", "dino"]])
def test_strict_refuses_broken_images_before_any_work(options, here):
    pets()
    break_some("pets")
    before = listing(here)
    models = [] if "--preset" in options else KNN
    result = cli("run", "pets", *models, *options, "--strict")
    if options != ["--limit", "4"]:  # of those rows all may be sound
        assert result.exit_code == 2
        assert "images cannot be read" in result.stderr
        assert listing(here) == before


def test_a_folder_without_a_readable_image_is_refused(here):
    pets()
    assert cli("run", "pets", *KNN).exit_code == 0
    for path in Path("pets").rglob("*.jpg"):
        path.write_bytes(b"x")
    assert refused(cli("predict", MODEL, "pets"), "18 of 18 images cannot be read")
    assert refused(cli("predict", MODEL, "pets/cat/0.jpg", "--out", "x.csv"), "not a readable image")
    assert refused(cli("run", "pets", *KNN, "--out", "x"), "18 of 18 images cannot be read")
    assert not Path("x").exists()
    assert not Path("x.csv").exists()


def test_the_test_set_does_not_depend_on_broken_images():
    pets(each=10)
    for name in ("dog/3.jpg", "ship/7.jpg"):
        Path("pets", name).write_bytes(b"x")
    assert cli("run", "pets", *KNN, "--out", "a").exit_code == 3
    assert cli("predict", "a/models/knn.safetensors", "pets").exit_code in (0, 3)
    test = {row["path"] for row in rows_of(cli("predict", "a/models/knn.safetensors", "pets"))}
    whole = datasets.load_image_folder("pets", on_error="skip")
    numbers = datasets.train_validation_split(np.arange(30) % 3, validation_size=6, random_state=0)[1]
    files = sorted(Path("pets").rglob("*.jpg"), key=lambda path: (int(path.stem), path.parent.name))
    assert test == {str(files[number]) for number in numbers}
    assert len(whole.X) == 28


@pytest.mark.parametrize("as_json", [False, True])
def test_predict_leaves_out_unreadable_images_and_lists_them(as_json):
    pets()
    assert cli("run", "pets", *KNN).exit_code == 0
    sound = {row["path"]: row["label"] for row in rows_of(cli("predict", MODEL, "pets/cat", "pets/dog", "pets/ship"))}
    broken = break_some("pets")
    result = cli("predict", MODEL, "pets/cat", "pets/dog", "pets/ship", *(["--json"] if as_json else []))
    assert result.exit_code == 3, result.stderr
    rows = json.loads(result.stdout) if as_json else rows_of(result)
    assert {row["path"]: row["label"] for row in rows if not row.get("error")} == sound
    assert sorted(row["path"] for row in rows if row.get("error")) == sorted(broken)
    assert all(row["label"] in (None, "") for row in rows if row.get("error"))
    assert [row["path"] for row in rows] == [
        str(path) for name in ("cat", "dog", "ship") for path in datasets._listing.images_below(Path("pets", name))
    ]
    for path in broken:
        assert f"cannot be read: '{path}': " in result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"fastcls: {len(broken)} images cannot be read")


# ---------------------------------------------------------------- --limit


@pytest.mark.parametrize("own_test", [False, True])
def test_limit_decodes_only_the_rows_it_keeps(own_test, monkeypatch):
    if own_test:
        write_images(Path("pets/train"), each=12)
        write_images(Path("pets/test"), each=8)
    else:
        pets(each=20)
    decoded = []
    decode = _image.decode_image
    monkeypatch.setattr(_folder, "decode_image", lambda path: decoded.append(path) or decode(path))
    assert cli("run", "pets", *KNN, "--limit", "9", "--seed", "3").exit_code == 0
    assert len(decoded) == len(set(decoded)) == 18
    results = json.loads(Path("fastcls-pets/results.json").read_text())
    assert (results["n_train"], results["n_test"]) == (9, 9)
    whole = datasets.load("pets")
    if not own_test:
        whole = datasets.train_test_split(whole, test_size=0.2, random_state=3)
    wanted = datasets.limit(whole, 9, random_state=3)
    assert {str(path.relative_to("pets")) for path in decoded[:18]} == {*wanted.files, *wanted.files_test}
    lines = Path("fastcls-pets/predictions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == list(wanted.files_test)


def test_a_class_that_limit_leaves_out_keeps_its_name():
    pets(each=4, classes=tuple("abcdefgh"))
    assert cli("run", "pets", *KNN, "--limit", "5").exit_code == 0
    assert len(json.loads(Path("fastcls-pets/results.json").read_text())["class_names"]) == 8


# ---------------------------------------------------------------- what predict says


def test_top_and_all_give_the_next_classes_and_every_probability():
    pets()
    assert cli("run", "pets", *KNN[:2], "--models", "knn,svm,softmax").exit_code == 0
    for name, measure in (("softmax", "probability"), ("svm", "score"), ("knn", "probability")):
        model = f"fastcls-pets/models/{name}.safetensors"
        plain = rows_of(cli("predict", model, "pets/cat"))
        assert list(plain[0]) == ["path", "label", measure]
        rows = rows_of(cli("predict", model, "pets/cat", "--top", "2", "--all"))
        assert list(rows[0]) == [
            "path",
            "label",
            measure,
            "label_2",
            f"{measure}_2",
            *(f"{measure} of {pet}" for pet in ("cat", "dog", "ship")),
        ]
        records = json.loads(cli("predict", model, "pets/cat", "--top", "9", "--all", "--json").stdout)
        for row, plainly, record in zip(rows, plain, records, strict=True):
            assert (row["label"], row[measure]) == (plainly["label"], plainly[measure])
            values = {pet: float(row[f"{measure} of {pet}"]) for pet in ("cat", "dog", "ship")}
            assert values[row["label"]] == float(row[measure]) == max(values.values())
            every = record["probabilities" if measure == "probability" else "scores"]
            if name == "knn":  # k = 1: no neighbour votes for a second class
                assert (row["label_2"], row["probability_2"], len(record["top"])) == ("", "", 1)
            else:
                assert float(row[f"{measure}_2"]) == sorted(values.values())[1] == values[row["label_2"]]
                assert [one["label"] for one in record["top"]][:2] == [row["label"], row["label_2"]]
                assert len(record["top"]) == 3
            assert {pet: float(f"{value:.6g}") for pet, value in every.items()} == values
        said = cli("predict", model, "pets/cat", "--top", "3").stderr
        only_one = "note: --top 3: in every row, only one class has a probability above 0 (n_neighbors=1)"
        assert (only_one in said) == (name == "knn")
    assert refused(cli("predict", MODEL, "pets", "--top", "0"), "--top 0")


def test_predict_prints_the_accuracy_if_there_are_labels():
    pets()
    assert cli("run", "pets", *KNN).exit_code == 0
    results = json.loads(Path("fastcls-pets/results.json").read_text())
    of_the_test_set = cli("predict", MODEL, "pets").stderr
    assert f"accuracy: {100 * results['models']['knn']['test_accuracy']:.2f} % (" in of_the_test_set
    write_images(Path("more/train"), each=2)
    write_images(Path("more/test"), classes=("cat", "wolf"), each=3)
    Path("more/test/wolf").rename("more/test/dog")
    *_, line, note = cli("predict", MODEL, "more").stderr.splitlines()
    assert note.startswith("note: 2 of 6 rows equal a training row")
    assert line.startswith("accuracy: ")
    assert line.endswith("of 6 labelled rows)")
    Path("more/test/dog").rename("more/test/wolf")
    Path("more/train/dog").rename("more/train/wolf")
    line = cli("predict", MODEL, "more").stderr.splitlines()[-2]
    assert "of 6 labelled rows); 3 belong to classes that the model does not know, and count as errors" in line
    for path in ("more/test/cat", "more/test/cat/0.jpg"):  # one class alone is a folder, not a label
        assert "accuracy" not in cli("predict", MODEL, path).stderr


@pytest.mark.parametrize("kind", ["npz", "npz with names", "test part", "npy", "npy folder", "no labels", "strange labels"])
def test_accuracy_of_arrays(kind):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = (rng.normal(size=(40, 3)) + 9 * y[:, None]).astype(np.float32)
    fastcls.NearestClassMean().fit(X, np.array(["no", "yes"])[y]).save("m.safetensors")
    wrong = y.copy()
    wrong[:4] = 1 - wrong[:4]
    names = np.array(["no", "yes"])[wrong]
    data = {"npy": "a.npy", "npy folder": "a"}.get(kind, "a.npz")
    if kind == "npz":
        np.savez(data, X=X, y=names)
    elif kind == "npz with names":
        np.savez(data, X=X, y=wrong, class_names=["no", "yes"])
    elif kind == "test part":
        np.savez(data, X=X[:2], y=names[:2], X_test=X, y_test=names)
    elif kind == "npy":
        np.save(data, X)
        np.save("a_labels.npy", names)
    elif kind == "npy folder":
        Path("a").mkdir()
        np.save("a/X.npy", X)
        np.save("a/y.npy", names)
    else:
        np.savez(data, X=X, **({} if kind == "no labels" else {"y": np.arange(40)}))
    result = cli("predict", "m.safetensors", data)
    assert result.exit_code == 0, result.stderr
    said = "accuracy: 90.00 % (36 of 40 labelled rows)" in result.stderr
    assert said == (kind not in ("no labels", "strange labels"))


@pytest.mark.parametrize(("factor", "warned"), [(1, False), (1 / 2, False), (1 / 255, True), (16 / 255, True), (255, True)])
def test_rows_of_another_scale_are_noted_once(factor, warned):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, 12)).astype(np.float64)
    np.savez("a.npz", X=X, y=np.arange(60) % 2)
    assert cli("run", "a.npz", *KNN).exit_code == 0
    np.save("rows.npy", X[:30] * factor)
    result = cli("predict", "fastcls-a/models/knn.safetensors", "rows.npy")
    notes = [line for line in result.stderr.splitlines() if "if their scales differ" in line]
    assert len(notes) == warned, result.stderr


FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|'/c calc'!A0"]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_of_the_csv_is_a_formula(name):
    assert cell(name) == f"'{name}"
    folder = Path("pets", name.replace("/", "_"))
    pets(classes=("dog", folder.name), each=3)
    os.rename(folder / "0.jpg", folder / f"{folder.name}.jpg")
    assert cli("run", "pets", *KNN).exit_code == 0
    os.chdir(folder)
    image = f"{folder.name}.jpg"
    result = cli("predict", f"../../{MODEL}", "--all", "--top", "2", "--", image)
    assert result.exit_code == 0, result.stderr
    (head, row) = list(csv.reader(io.StringIO(result.stdout)))
    for text in (*head, *row):
        assert not text.startswith(("=", "+", "@")), text
        assert not text.startswith("-"), text
    assert row[0] == f"'{image}"
    record = json.loads(cli("predict", f"../../{MODEL}", "--json", "--", image).stdout)[0]
    assert record["path"] == image  # JSON is no spreadsheet


@pytest.mark.parametrize(
    ("name", "is_number"),
    [
        ("-1", True),
        ("+1", True),
        ("-1.5e-3", True),
        ("-", False),
        ("-1-1", False),
        ("+1_0", False),
        ("-1e", False),
        ("-\u0661", False),
        ("-inf", False),
        ("\t-1", False),
    ],
)
def test_classes_that_are_numbers_stay_numbers(name, is_number):
    assert cell(name).startswith("'") != is_number
    assert "\t" not in cell(name)


def test_scores_below_zero_stay_numbers():
    write_embeddings("emb.npz")
    assert cli("run", "emb.npz", "--models", "svm").exit_code == 0
    rows = rows_of(cli("predict", "fastcls-emb/models/svm.safetensors", "emb.npz", "--all"))
    assert any(value.startswith("-") for row in rows for value in row.values())
    assert all(float(row[f"score of {name}"]) <= float(row["score"]) for row in rows for name in "012")


@pytest.mark.parametrize("out", ["rows.npy", "fastcls-emb/models/knn.safetensors", "pets/cat/0.jpg", "./rows.npy"])
def test_input_files_are_never_replaced(out):
    write_embeddings("emb.npz")
    pets(each=2)
    assert cli("run", "emb.npz", *KNN).exit_code == 0
    np.save("rows.npy", np.load("emb.npz")["X"])
    before = Path(out).read_bytes()
    model = "fastcls-emb/models/knn.safetensors"
    assert refused(
        cli("predict", model, "pets" if "pets" in out else "rows.npy", "--out", out),
        "choose another" if "pets" in out else "name another",
    )
    assert Path(out).read_bytes() == before


def test_hidden_and_system_files_are_not_predicted():
    pets()
    for name in ("__MACOSX", "@eaDir", ".thumbs"):
        Path("pets/cat", name).mkdir()
        Image.new("RGB", (4, 4)).save(Path("pets/cat", name, "x.jpg"))
    result = cli("run", "pets", *KNN)
    assert result.exit_code == 0, result.stderr
    assert len(rows_of(cli("predict", MODEL, "pets/cat"))) == 6
