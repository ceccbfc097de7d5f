"""``fastcls predict``: every row is predicted once, in the loader's order; of the model's own data, only the test rows."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from _command import Image, cli, here, listing, refused, write_embeddings, write_images

import fastcls
from fastcls import datasets
from fastcls.cli import _predict, _run, _split

__all__ = ["here"]  # the fixture that every test here is under


def test_embeddings_without_image_shape_run_and_predict():
    write_embeddings("emb.npz")
    result = cli("run", "emb.npz", "--ks", "1,3")
    assert result.exit_code == 0, result.stderr
    assert json.loads(Path("fastcls-emb/results.json").read_text())["image_shape"] is None
    rows = cli("predict", "fastcls-emb/models/softmax.safetensors", "emb.npz", "--json")
    assert rows.exit_code == 0, rows.stderr
    rows = json.loads(rows.stdout)
    assert len(rows) == 18  # the fifth on which the model was evaluated
    assert [row["label"] for row in rows] == [str(np.load("emb.npz")["y"][int(row["path"])]) for row in rows]
    assert all(0.33 < row["probability"] <= 1 for row in rows)


def test_array_alone_is_predicted_like_the_file_it_came_from():
    write_embeddings("emb.npz")
    np.save("rows.npy", np.load("emb.npz")["X"])
    assert cli("run", "emb.npz", "--ks", "1", "--models", "knn").exit_code == 0
    model = "fastcls-emb/models/knn.safetensors"
    from_npz, from_npy = cli("predict", model, "emb.npz"), cli("predict", model, "rows.npy")
    assert from_npz.exit_code == from_npy.exit_code == 0, from_npy.stderr
    assert from_npz.stdout == from_npy.stdout


def test_images_are_predicted_one_by_one_and_by_folder():
    write_images(Path("pets"))
    result = cli("run", "pets", "--ks", "1,3", "--models", "knn,svm")
    assert result.exit_code == 0, result.stderr
    model = "fastcls-pets/models/knn.safetensors"
    folder = cli("predict", model, "pets/ship")  # not the data as a whole: every image in it is named
    assert folder.exit_code == 0, folder.stderr
    lines = folder.stdout.splitlines()
    assert lines[0] == "path,label,probability"
    assert [line.split(",")[0] for line in lines[1:]] == [f"pets/ship/{number}.jpg" for number in range(12)]
    assert [line.split(",")[1] for line in lines[1:]].count("ship") >= 10
    one = cli("predict", model, "pets/ship/3.jpg")
    assert one.stdout.splitlines()[1] in lines
    scores = cli("predict", "fastcls-pets/models/svm.safetensors", "pets", "--out", "named.csv")
    assert (scores.exit_code, scores.stdout) == (0, "")
    lines = Path("named.csv").read_text().splitlines()
    assert lines[0] == "path,label,score"
    assert len(lines) == 1 + 8  # a fifth of 36


def test_of_a_folder_with_a_test_part_only_that_part_is_predicted():
    write_images(Path("set/train"), each=6)
    write_images(Path("set/test"), each=2)
    assert cli("run", "set", "--ks", "1", "--models", "knn").exit_code == 0
    assert json.loads(Path("fastcls-set/results.json").read_text())["n_test"] == 6
    lines = cli("predict", "fastcls-set/models/knn.safetensors", "set").stdout.splitlines()[1:]
    assert len(lines) == 6
    assert all(line.startswith("set/test/") for line in lines)


@pytest.mark.parametrize("name", ["val", "validation", "test"])
def test_a_class_may_have_the_name_of_a_part(name):
    write_images(Path("pair"), classes=(name, "other"), each=10)
    assert cli("run", "pair", "--ks", "1", "--models", "knn").exit_code == 0
    lines = cli("predict", "fastcls-pair/models/knn.safetensors", "pair").stdout.splitlines()[1:]
    assert len(lines) == json.loads(Path("fastcls-pair/results.json").read_text())["n_test"] == 4
    assert {Path(line.split(",")[0]).parent.name for line in lines} == {name, "other"}


def own_data(kind):
    """Data without a test set: the argument of run, and its loaded rows."""
    if kind == "digits":
        return "digits", datasets.load("digits")
    if kind == "images":
        write_images(Path("pets"), each=11)
        return "pets", datasets.load("pets")
    write_embeddings("emb.npz")
    arrays = np.load("emb.npz")
    if kind == "npz":
        return "emb.npz", datasets.load("emb.npz")
    if kind == "npy":
        np.save("rows.npy", arrays["X"])
        np.save("rows_labels.npy", arrays["y"])
        return "rows.npy", datasets.load("rows.npy")
    Path("folder").mkdir()
    np.save("folder/X.npy", arrays["X"].astype(np.float16))
    np.save("folder/y.npy", arrays["y"])
    return "folder", datasets.load("folder")


@pytest.mark.parametrize("limit", [[], ["--limit", "60"]])
@pytest.mark.parametrize("kind", ["digits", "images", "npz", "npy", "npy folder"])
def test_of_the_data_of_a_run_only_its_test_rows_are_predicted(kind, limit, monkeypatch):
    data, whole = own_data(kind)
    held = {}

    def keep(test, trained, *rest):
        held["X"], held["y"] = test._X, test._y
        held["train"] = trained["knn"].model._rows.chunks[0]
        return evaluate_all(test, trained, *rest)

    evaluate_all = _run.evaluate_all
    monkeypatch.setattr(_run, "evaluate_all", keep)
    result = cli("run", data, "--ks", "1", "--models", "knn", "--seed", "5", *limit)
    assert result.exit_code == 0, result.stderr
    following = shlex.split(result.stdout.splitlines()[-1].removeprefix("Next: "))
    predicted = cli(*following[1:], "--json")
    assert predicted.exit_code == 0, predicted.stderr
    assert f"of its {len(whole.X):,} rows, only the {len(held['y']):,} test rows" in predicted.stderr
    answers = json.loads(predicted.stdout)
    if kind == "images":
        places = [f"pets/{name}/{number}.jpg" for number in range(11) for name in whole.class_names]
        rows = [places.index(answer["path"]) for answer in answers]
    else:
        rows = [int(answer["path"]) for answer in answers]
    np.testing.assert_array_equal(whole.X[rows], held["X"])
    seen = {row.tobytes() for row in np.asarray(held["train"])}
    assert not seen & {row.tobytes() for row in whole.X[rows]}
    wrong = sum(answer["label"] != whole.class_names[code] for answer, code in zip(answers, held["y"], strict=True))
    results = json.loads((Path(following[2]).parents[1] / "results.json").read_text())
    assert wrong == results["models"]["knn"]["test_errors"]


def test_other_rows_are_all_predicted():
    write_embeddings("emb.npz")
    write_embeddings("other.npz", seed=1)  # as many rows, of the same type and shape
    assert cli("run", "emb.npz", "--ks", "1", "--models", "knn").exit_code == 0
    result = cli("predict", "fastcls-emb/models/knn.safetensors", "other.npz", "--json")
    assert len(json.loads(result.stdout)) == 90
    assert re.fullmatch(r"accuracy: \d+\.\d\d % \(\d+ of 90 labelled rows\)\n", result.stderr), result.stderr


@pytest.mark.parametrize(
    "split",
    [
        7,
        {},
        {"n_rows": 90},
        {"test_rows": []},
        {"test_rows": "all"},
        {"test_rows": [90]},
        {"test_rows": [-1]},
        {"test_rows": [True]},
        {"test_rows": None},
        {"n_rows": 91},
        {"fingerprint": "0"},
    ],
)
def test_an_invalid_split_in_a_file_is_ignored(split):
    X = np.arange(180.0).reshape(90, 2)
    good = {"n_rows": 90, "fingerprint": _split.fingerprint(X), "test_rows": [3, 5]}
    assert _split.held_out(good, X).tolist() == [3, 5]
    partly = {"n_rows": 90} if split in ({}, {"n_rows": 90}) else {**good, **split} if isinstance(split, dict) else split
    assert _split.held_out(partly, X) is None


def test_the_fingerprint_depends_on_type_shape_and_values():
    X = np.arange(6000, dtype=np.float32).reshape(3000, 2)
    changed = X.copy()
    changed[-1, 1] += 1
    same = [X, X.astype(">f4"), np.asfortranarray(X)]
    others = [X[:-1], X.reshape(1500, 4), X.astype(np.float64), changed]
    assert len({_split.fingerprint(rows) for rows in same}) == 1
    assert _split.fingerprint(X[:200]) != _split.fingerprint(X[:200].reshape(100, 4))  # the same bytes
    assert len({_split.fingerprint(rows) for rows in [X, *others]}) == 1 + len(others)


@pytest.mark.parametrize("options", [{}, {"tie_break": "nearest"}, {"weights": "distance"}, {"weights": "softmax"}])
def test_labels_equal_those_of_predict_on_data_full_of_ties(options, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 3, (60, 3)).astype(np.uint8), rng.integers(0, 3, 60)
    np.save("rows.npy", rng.integers(0, 3, (40, 3)).astype(np.uint8))
    model = fastcls.KNeighborsClassifier(4, **options).fit(X, y)
    model.save("m.safetensors")
    wanted = [str(label) for label in model.predict(np.load("rows.npy"))]
    ties = int(model.predict_ties(np.load("rows.npy")).sum())
    searched = []
    predict = fastcls.KNeighborsClassifier.predict
    monkeypatch.setattr(fastcls.KNeighborsClassifier, "predict", lambda self, X: searched.append(len(X)) or predict(self, X))
    rows = json.loads(cli("predict", "m.safetensors", "rows.npy", "--json").stdout)
    assert [row["label"] for row in rows] == wanted
    assert 0 < ties <= sum(searched) < 40  # only what is tied is searched a second time


@pytest.mark.parametrize("kind", [fastcls.MulticlassSVM, fastcls.SoftmaxClassifier])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_of_linear_models_equal_those_of_predict(kind, n_classes):
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, 60)
    X = rng.normal(size=(60, 3)) + y[:, None]
    model = kind(random_state=0).fit(X, y)
    model.save("m.safetensors")
    np.save("rows.npy", X)
    rows = json.loads(cli("predict", "m.safetensors", "rows.npy", "--json").stdout)
    assert [row["label"] for row in rows] == [str(label) for label in model.predict(X)]
    assert len({row["label"] for row in rows}) == n_classes


@pytest.mark.parametrize("out", ["no/such/folder.csv", "folder"])
def test_an_unwritable_output_file_is_refused_before_any_work(out, here, monkeypatch):
    Path("folder").mkdir()
    monkeypatch.setattr(_predict, "load_model", lambda path: pytest.fail("work began before the refusal"))
    assert refused(cli("predict", "m.safetensors", "digits", "--out", out), "cannot write the predictions")
    assert listing(here) == ["folder"]


def test_a_model_that_cannot_predict_classes_is_refused():
    fastcls.NearestNeighbors().fit(np.zeros((9, 64), dtype=np.uint8)).save("m.safetensors")
    assert refused(cli("predict", "m.safetensors", "digits"), "NearestNeighbors", "give a classifier")


def test_model_file_of_another_version_or_kind_is_refused(here):
    Path("text.safetensors").write_text("no model")
    assert refused(cli("predict", "text.safetensors", "digits"), "not a whole safetensors file")
    safetensors.numpy.save_file({"W": np.zeros(3)}, "v3.safetensors", metadata={"format": "fastcls", "version": "3"})
    assert refused(cli("predict", "v3.safetensors", "digits", "--out", "x.csv"), "version '3'", "reads version '2'")
    assert listing(here) == ["text.safetensors", "v3.safetensors"]


def test_wrong_width_is_refused_by_predict(here):
    write_embeddings("emb.npz")
    assert cli("run", "emb.npz", "--ks", "1", "--models", "knn").exit_code == 0
    np.save("wide.npy", np.ones((3, 9), dtype=np.float32))
    assert refused(cli("predict", "fastcls-emb/models/knn.safetensors", "wide.npy"), "9", "6")


def test_several_paths_give_one_output_in_their_order():
    write_images(Path("pets"))
    assert cli("run", "pets", "--ks", "1", "--models", "knn").exit_code == 0
    model = "fastcls-pets/models/knn.safetensors"
    np.save("rows.npy", datasets.load("pets").X[5:8])
    paths = ["pets/ship/3.jpg", "pets/cat/0.jpg", "pets/dog", "rows.npy", "pets", "pets/ship/3.jpg"]
    alone = [cli("predict", model, path).stdout.splitlines() for path in paths]
    together = cli("predict", model, *paths)
    assert together.exit_code == 0, together.stderr
    wanted = [line for lines in alone for line in lines[1:]]
    assert len(wanted) == 1 + 1 + 12 + 3 + 8 + 1  # of pets itself, those of the test set
    at = 14
    wanted[at : at + 3] = [f"rows.npy:{line}" for line in wanted[at : at + 3]]
    assert together.stdout.splitlines() == [alone[0][0], *wanted]
    assert "pets is the data of the model's own run: of its 36 rows, only the 8 test rows are predicted" in together.stderr


def test_refusals_of_several_paths_list_all_problems():
    write_images(Path("pets"), each=6)
    assert cli("run", "pets", "--ks", "1", "--models", "knn").exit_code == 0
    model = "fastcls-pets/models/knn.safetensors"
    for name in ("one.jpg", "pets/dog/two.jpg"):
        Path(name).write_bytes(b"not a picture")
    assert refused(
        cli("predict", model, "one.jpg", "pets/cat/0.jpg", "pets/dog", "--strict"),
        "2 of 9 images cannot be read: ",
        "one.jpg",
        "two.jpg",
    )
    assert refused(
        cli("predict", model, "one.jpg", "pets/cot"), "pets/cot"
    )  # a misspelt path is refused before anything is read
    np.save("wide.npy", np.ones((3, 9), dtype=np.uint8))
    assert refused(cli("predict", model, "pets/cat", "wide.npy", "pets/dog/two.jpg", "--strict"), "two.jpg")
    Path("pets/dog/two.jpg").unlink()
    result = cli("predict", model, "pets/cat", "wide.npy")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "wide.npy has 9 features per row" in result.stderr


def test_names_from_data_are_escaped_wherever_they_are_shown():
    write_images(Path("p\x1b[31m[bold]q"), each=6)
    result = cli("run", "p\x1b[31m[bold]q", "--ks", "1", "--models", "knn", "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert "\x1b[31m" not in result.stdout + result.stderr
    assert "[bold]" in result.stdout
    assert "\x1b" not in cli("predict", "out/models/knn.safetensors", "p\x1b[31m[bold]q").stdout


def photo(kind, path):
    """An image as cameras and editors write it: larger than the training images, and not plain RGB."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, size=(60, 90, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    if kind == "rotated":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(path, exif=exif)
    elif kind == "alpha":
        image.putalpha(Image.fromarray(pixels[:, :, 0]))
        image.save(path)
    else:
        image.convert({"grey": "L", "palette": "P", "cmyk": "CMYK", "plain": "RGB"}[kind]).save(path)


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("plain", "jpg"),
        ("rotated", "JPG"),
        ("alpha", "png"),
        ("grey", "jpeg"),
        ("palette", "gif"),
        ("cmyk", "jpg"),
    ],
)
def test_a_new_image_is_prepared_like_the_training_images(kind, ending, monkeypatch):
    write_images(Path("pets"))
    photo(kind, f"photo.{ending}")
    photo(kind, f"pets/cat/new.{ending}")  # the same file among those that are loaded as data
    seen = []
    predict_rows = _predict.predict_rows
    monkeypatch.setattr(_predict, "predict_rows", lambda model, X, *rest: seen.append(X) or predict_rows(model, X, *rest))
    assert cli("run", "pets", "--ks", "1", "--models", "knn").exit_code == 0
    result = cli("predict", "fastcls-pets/models/knn.safetensors", f"photo.{ending}")
    assert result.exit_code == 0, result.stderr
    (row,) = seen[0]
    rows = datasets.load("pets").X
    assert (rows == row).all(axis=1).sum() == 1  # one of the training rows is this one, to the last byte
    assert result.stdout.splitlines()[1].startswith(f"photo.{ending},")


@pytest.mark.parametrize(
    ("kind", "ending", "said"),
    [
        ("plain", "jpg", ""),
        ("rotated", "jpg", ", turned upright by EXIF"),
        ("cmyk", "jpg", ", converted from CMYK to RGB"),
        ("alpha", "png", ", put on white where transparent"),
        ("grey", "png", ", converted from grey to RGB"),
    ],
)
def test_changes_to_an_image_are_noted(kind, ending, said):
    write_images(Path("pets"))
    assert cli("run", "pets", "--ks", "1", "--models", "knn").exit_code == 0
    photo(kind, f"photo.{ending}")
    result = cli("predict", "fastcls-pets/models/knn.safetensors", f"photo.{ending}")
    size = "90x60" if kind == "rotated" else "60x90"
    assert result.stderr == (
        f"note: the image was scaled and centre-cropped to 32x32 (height x width) from {size} pixels{said}\n"
    )


def test_changes_to_images_are_counted_over_all_paths_and_by_run():
    write_images(Path("pets"))
    for kind in ("rotated", "alpha", "grey", "plain"):
        photo(kind, f"pets/cat/{kind}.png")
    Image.fromarray(np.full((32, 32, 4), 255, np.uint8)).save("pets/cat/opaque.png")  # nothing is done to it
    result = cli("run", "pets", "--ks", "1", "--models", "knn")
    said = (
        r"of 41 images, 40 were scaled and centre-cropped to 32x32 \(height x width\) from 1\dx1\d to 90x90 pixels, "
        "1 turned upright by EXIF, 1 put on white where transparent, 1 converted from grey to RGB"
    )
    assert re.search(f"^note: pets: {said}; --image-size sets another size$", result.stderr, re.MULTILINE), result.stderr
    result = cli("predict", "fastcls-pets/models/knn.safetensors", "pets/cat", "pets/dog", "pets/ship")
    assert re.match(f"note: {said}\n", result.stderr), result.stderr
    quiet = cli("predict", "fastcls-pets/models/knn.safetensors", "pets/cat/opaque.png")
    assert "scaled" not in quiet.stderr


def test_colour_becomes_grey_for_a_model_of_grey_images():
    photo("plain", "photo.png")
    assert cli("run", "digits", "--limit", "50", "--ks", "1", "--models", "knn").exit_code == 0
    result = cli("predict", "fastcls-digits/models/knn.safetensors", "photo.png")
    assert result.stderr.endswith("from 60x90 pixels, converted from RGB to grey\n"), result.stderr


@pytest.mark.parametrize("kind", ["digits", "mnist"])
def test_image_of_a_training_row_is_that_row(kind, monkeypatch):
    """Data that does not come from image files has a recipe too, with the size and the colours of its rows."""
    rng = np.random.default_rng(0)
    if kind == "digits":
        data = "digits"
    else:
        data = "idx"
        Path(data).mkdir()
        for part, n in (("train", 40), ("t10k", 10)):
            images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10
            Path(data, f"{part}-images-idx3-ubyte").write_bytes(
                b"\0\0\x08\x03" + b"".join(int(size).to_bytes(4, "big") for size in images.shape) + images.tobytes()
            )
            Path(data, f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + n.to_bytes(4, "big") + labels.tobytes())
    loaded = datasets.load(data)
    h, w, c = loaded.image_shape
    white = loaded.preprocessing["white"]
    pixels = np.round(loaded.X[3].astype(float) * 255 / white).astype(np.uint8).reshape(h, w, c)
    Image.fromarray(pixels[:, :, 0] if c == 1 else pixels).save("row.png")
    seen = []
    predict_rows = _predict.predict_rows
    monkeypatch.setattr(_predict, "predict_rows", lambda model, X, *rest: seen.append(X) or predict_rows(model, X, *rest))
    assert cli("run", data, "--ks", "1", "--models", "knn", "--out", "out").exit_code == 0
    result = cli("predict", "out/models/knn.safetensors", "row.png")
    assert result.exit_code == 0, result.stderr
    np.testing.assert_array_equal(seen[0], loaded.X[3:4])
