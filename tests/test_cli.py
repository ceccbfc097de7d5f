"""The command line: what a run leaves behind, what it refuses, and that nothing is ever left half-written."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("typer", reason="the command line needs the extra 'run'")
pytest.importorskip("rich", reason="the command line needs the extra 'run'")
pytest.importorskip("matplotlib", reason="the command line needs the extra 'run'")
Image = pytest.importorskip("PIL.Image", reason="the command line needs the extra 'run'")

from typer.testing import CliRunner  # noqa: E402

import fastcls  # noqa: E402
from fastcls.cli import _checks, _folder, _judge, _linear, _progress, _report, _results, _run, _table, _text  # noqa: E402
from fastcls.cli._app import app  # noqa: E402

QUICK = ["--limit", "200", "--ks", "1,3", "--models", "knn"]
KNN_FIELDS = {"metric", "k", "cv_accuracy_mean", "cv_accuracy_std", "test_accuracy", "test_errors",
              "test_accuracy_interval", "candidates", "fit_seconds", "predict_seconds"}
LINEAR_FIELDS = {"alpha", "validation_accuracy", "test_accuracy", "test_errors", "test_accuracy_interval", "candidates",
                 "fit_seconds", "predict_seconds", "gradient_check_max_relative_error"}
RANDOM_FIELDS = {"tries", "best_loss", "test_accuracy", "test_errors", "test_accuracy_interval"}
FIELDS = {"knn": KNN_FIELDS, "svm": LINEAR_FIELDS, "softmax": LINEAR_FIELDS, "random_search": RANDOM_FIELDS}
TOP_FIELDS = {"schema", "dataset", "n_train", "n_test", "n_features", "n_classes", "seed", "command", "versions",
              "environment", "test_evaluations", "models"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test works in its own empty folder, on a screen of 80 columns.

    Drawing takes most of a small run's time: only the runs in a process of their own draw the real report.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(_report, "write_report", lambda outcome, path: path.write_text(outcome.results["dataset"]))
    return tmp_path


def cli(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def python(*words, **options):
    """Python in a process of its own, with this fastcls."""
    root = str(Path(fastcls.__file__).parents[1])
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), root]))
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": path}, **options)


def fresh(*words, **options):
    """The command in a process of its own, as a user starts it."""
    return python("-m", "fastcls.cli", *words, **options)


def refused(result, *fragments):
    """Exit code 2, one line on stderr that says all of ``fragments``, nothing on stdout, no file."""
    assert result.exit_code == 2, (result.stdout, result.stderr, result.exception)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for fragment in fragments:
        assert fragment in result.stderr
    return True


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def write_embeddings(path, n=90, classes=3, width=6, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    np.savez(path, X=(rng.standard_normal((n, width)) + 3 * y[:, None]).astype(np.float32), y=y)
    return path


def write_images(folder, classes=("cat", "dog", "ship"), each=12):
    rng = np.random.default_rng(0)
    for code, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            size = (int(rng.integers(12, 40)), int(rng.integers(12, 40)))
            pixels = np.clip(rng.normal(60 + 60 * code, 20, (*size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg")
    return folder


# a whole run ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run of every model on a part of digits, in a process of its own: (process, folder it ran in)."""
    place = tmp_path_factory.mktemp("whole")
    done = fresh("run", "digits", "--limit", "300", "--ks", "1,3,5", cwd=place)
    assert done.returncode == 0, done.stderr
    return done, place


def test_run_leaves_exactly_report_results_and_models(whole):
    _, place = whole
    assert listing(place) == [
        "fastcls-digits", "fastcls-digits/models",
        *(f"fastcls-digits/models/{name}.safetensors" for name in sorted(FIELDS)),
        "fastcls-digits/report.html", "fastcls-digits/results.json",
    ]


def test_results_follow_schema_1(whole):
    _, place = whole
    results = json.loads((place / "fastcls-digits" / "results.json").read_text())
    assert set(results) >= TOP_FIELDS
    assert results["schema"] == 1
    assert (results["dataset"], results["n_features"], results["n_classes"]) == ("digits", 64, 10)
    assert results["n_train"] <= 300
    assert set(results["models"]) == set(FIELDS)
    for name, entry in results["models"].items():
        assert set(entry) >= FIELDS[name], name
        assert type(entry["test_errors"]) is int
        assert entry["test_accuracy"] == pytest.approx(1 - entry["test_errors"] / results["n_test"])
        low, high = entry["test_accuracy_interval"]
        assert 0 <= low <= entry["test_accuracy"] <= high <= 1
    for name in ("svm", "softmax"):
        entry = results["models"][name]
        assert 0 <= entry["gradient_check_max_relative_error"] < 1e-5
        assert entry["alpha"] in [candidate["alpha"] for candidate in entry["candidates"]]
        assert entry["validation_accuracy"] == max(c["validation_accuracy"] for c in entry["candidates"])
    assert {(c["metric"], c["k"]) for c in results["models"]["knn"]["candidates"]} == {
        (metric, k) for metric in ("l1", "l2") for k in (1, 3, 5)}


def test_every_model_is_judged_once(whole):
    _, place = whole
    results = json.loads((place / "fastcls-digits" / "results.json").read_text())
    assert results["test_evaluations"] == len(FIELDS)
    assert [entry["test_evaluations"] for entry in results["models"].values()] == [1] * len(FIELDS)


def test_trained_models_are_better_than_random_search(whole):
    _, place = whole
    models = json.loads((place / "fastcls-digits" / "results.json").read_text())["models"]
    for name in ("knn", "svm", "softmax"):
        assert models[name]["test_accuracy"] > 0.8, name
        assert models[name]["test_accuracy"] > models["random_search"]["test_accuracy"]


def test_run_ends_with_three_lines_and_the_last_one_works(whole):
    done, place = whole
    report, best, following = done.stdout.rstrip("\n").splitlines()[-3:]
    assert report == "Report: fastcls-digits/report.html"
    assert re.fullmatch(r"Best model: .+, test accuracy \d+\.\d\d %", best)
    words = shlex.split(following.removeprefix("Next: "))
    assert words[:2] == ["fastcls", "predict"]
    predicted = fresh(*words[1:], cwd=place)
    assert predicted.returncode == 0, predicted.stderr
    lines = predicted.stdout.splitlines()
    assert re.fullmatch("path,label,(probability|score)", lines[0])
    assert len(lines) == 1 + 1797


def test_screen_fits_80_columns(whole):
    done, _ = whole
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_progress_goes_to_stderr_and_says_how_long(whole):
    done, _ = whole
    assert re.search(r"^this will take about \d", done.stderr, re.MULTILINE)
    assert "about" not in done.stdout


def test_json_is_alone_on_stdout():
    result = cli("run", "digits", *QUICK, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == json.loads(Path("fastcls-digits/results.json").read_text())
    assert "Report: " in result.stderr


@pytest.mark.parametrize("model", sorted(FIELDS))
def test_each_model_can_be_asked_for_alone(model):
    result = cli("run", "digits", "--limit", "150", "--ks", "1", "--metrics", "l2", "--models", model, "--out", "out")
    assert result.exit_code == 0, result.stderr
    results = json.loads(Path("out/results.json").read_text())
    assert list(results["models"]) == [model]
    assert results["test_evaluations"] == 1
    words = shlex.split(result.stdout.splitlines()[-1].removeprefix("Next: "))
    assert cli(*words[1:]).exit_code == 0


def test_single_candidate_is_still_cross_validated():
    assert cli("run", "digits", "--limit", "150", "--ks", "1", "--metrics", "l1", "--models", "knn").exit_code == 0
    entry = json.loads(Path("fastcls-digits/results.json").read_text())["models"]["knn"]
    assert 0.5 < entry["cv_accuracy_mean"] <= 1
    assert len(entry["candidates"]) == 1
    assert (entry["metric"], entry["k"]) == ("l1", 1)


def test_same_seed_same_figures():
    figures = []
    for out in ("one", "two"):
        assert cli("run", "digits", "--limit", "200", "--ks", "1,3", "--seed", "7", "--out", out).exit_code == 0
        models = json.loads(Path(out, "results.json").read_text())["models"]
        figures.append({name: (entry["test_errors"], entry.get("validation_accuracy"), entry.get("best_loss"))
                        for name, entry in models.items()})
    assert figures[0] == figures[1]


def test_command_in_results_gives_the_run_again():
    write_embeddings("my data.npz")
    assert cli("run", "my data.npz", "--ks", "1,3", "--models", "softmax,knn", "--seed", "3").exit_code == 0
    first = json.loads(Path("fastcls-my-data/results.json").read_text())
    words = shlex.split(first["command"])
    assert cli(*words[1:], "--out", "again").exit_code == 0
    again = json.loads(Path("again/results.json").read_text())
    assert list(first["models"]) == ["knn", "softmax"] == list(again["models"])
    assert [m["test_errors"] for m in first["models"].values()] == [m["test_errors"] for m in again["models"].values()]


def test_embeddings_without_image_shape_run_and_predict():
    write_embeddings("emb.npz")
    result = cli("run", "emb.npz", "--ks", "1,3")
    assert result.exit_code == 0, result.stderr
    assert json.loads(Path("fastcls-emb/results.json").read_text())["image_shape"] is None
    rows = cli("predict", "fastcls-emb/models/softmax.safetensors", "emb.npz", "--json")
    assert rows.exit_code == 0, rows.stderr
    rows = json.loads(rows.stdout)
    assert [row["label"] for row in rows] == [str(code) for code in np.load("emb.npz")["y"]]
    assert all(0.33 < row["probability"] <= 1 for row in rows)


def test_array_alone_is_predicted_like_the_file_it_came_from():
    write_embeddings("emb.npz")
    np.save("rows.npy", np.load("emb.npz")["X"])
    assert cli("run", "emb.npz", "--ks", "1", "--models", "knn").exit_code == 0
    model = "fastcls-emb/models/knn.safetensors"
    from_npz, from_npy = cli("predict", model, "emb.npz"), cli("predict", model, "rows.npy")
    assert from_npz.exit_code == from_npy.exit_code == 0, from_npy.stderr
    assert from_npz.stdout == from_npy.stdout


def test_images_are_named_one_by_one_and_by_folder():
    write_images(Path("pets"))
    result = cli("run", "pets", "--ks", "1,3", "--models", "knn,svm")
    assert result.exit_code == 0, result.stderr
    model = "fastcls-pets/models/knn.safetensors"
    folder = cli("predict", model, "pets/ship")
    assert folder.exit_code == 0, folder.stderr
    lines = folder.stdout.splitlines()
    assert lines[0] == "path,label,probability"
    assert [line.split(",")[0] for line in lines[1:]] == sorted(str(path) for path in Path("pets/ship").iterdir())
    assert [line.split(",")[1] for line in lines[1:]].count("ship") >= 10
    one = cli("predict", model, "pets/ship/3.jpg")
    assert one.stdout.splitlines()[1] in lines
    scores = cli("predict", "fastcls-pets/models/svm.safetensors", "pets", "--out", "named.csv")
    assert (scores.exit_code, scores.stdout) == (0, "")
    lines = Path("named.csv").read_text().splitlines()
    assert lines[0] == "path,label,score"
    assert len(lines) == 1 + 36


def test_folder_with_a_test_part_is_judged_on_that_part():
    write_images(Path("set/train"), each=6)
    write_images(Path("set/test"), each=2)
    assert cli("run", "set", "--ks", "1", "--models", "knn").exit_code == 0
    assert json.loads(Path("fastcls-set/results.json").read_text())["n_test"] == 6
    lines = cli("predict", "fastcls-set/models/knn.safetensors", "set").stdout.splitlines()[1:]
    assert len(lines) == 6
    assert all(line.startswith("set/test/") for line in lines)


def test_random_search_is_never_called_best_of_equals():
    models = {name: {"test_errors": 3} for name in ("random_search", "softmax")}
    assert _table.best_model({"models": models}) == "softmax"
    models["random_search"]["test_errors"] = 2
    assert _table.best_model({"models": models}) == "random_search"


def test_limit_takes_a_stratified_part():
    assert cli("run", "digits", "--limit", "100", "--ks", "1", "--models", "knn").exit_code == 0
    results = json.loads(Path("fastcls-digits/results.json").read_text())
    assert (results["n_train"], results["n_test"]) == (100, 100)


# refusals ------------------------------------------------------------------------------------------

REFUSALS = {
    "unknown model": (["run", "digits", "--models", "knn,tree"], ["tree", "knn, random_search, svm, softmax"]),
    "no model": (["run", "digits", "--models", ","], ["knn, random_search, svm, softmax"]),
    "unknown metric": (["run", "digits", "--metrics", "l3"], ["l3", "l1, l2, sqeuclidean, cosine"]),
    "k of 0": (["run", "digits", "--ks", "0,1"], ["--ks '0,1'", "from 1"]),
    "k not a number": (["run", "digits", "--ks", "1,many"], ["--ks '1,many'", "whole numbers"]),
    "one fold": (["run", "digits", "--folds", "1"], ["--folds 1", "at least 2"]),
    "folds not a number": (["run", "digits", "--folds", "x"], ["--folds"]),
    "limit of 0": (["run", "digits", "--limit", "0"], ["--limit 0"]),
    "negative seed": (["run", "digits", "--seed=-1"], ["--seed -1"]),
    "no such labels": (["run", "digits", "--labels", "no.npy"], ["no.npy"]),
    "no such data": (["run", "no-such-thing"], ["no-such-thing"]),
    "missing argument": (["run"], ["DATA"]),
    "unknown option": (["run", "digits", "--fast"], ["--fast"]),
    "unknown command": (["walk"], ["walk"]),
    "predict without a model": (["predict", "no.safetensors", "digits"], ["no.safetensors"]),
    "gradcheck of an unknown loss": (["gradcheck", "digits", "--loss", "huber"], ["huber", "hinge", "softmax"]),
}


@pytest.mark.parametrize("what", sorted(REFUSALS))
def test_refusal_is_one_line_and_leaves_nothing(what, here):
    words, fragments = REFUSALS[what]
    result = cli(*words)
    assert refused(result, *fragments)
    assert listing(here) == []


def test_refusal_in_a_real_process_has_no_traceback(here):
    done = fresh("run", "no-such-thing", cwd=here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_limit_too_small_to_fold_is_refused(here):
    result = cli("run", "digits", "--limit", "5")
    assert result.exit_code == 2
    assert "5 folds" in result.stderr.splitlines()[-1] or "folds=5" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert listing(here) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_unusable_rows_are_refused_before_any_training(bad, here, monkeypatch):
    X = np.ones((40, 3), dtype=np.float32)
    X[7, 2] = bad
    np.savez("bad.npz", X=X, y=np.arange(40) % 2)
    monkeypatch.setattr(_run, "TRAINERS", {})  # a KeyError if training begins
    result = cli("run", "bad.npz")
    assert result.exit_code == 2, result.exception
    assert "Traceback" not in result.stderr
    assert listing(here) == ["bad.npz"]


def test_unusable_test_rows_are_refused_before_any_training(here, monkeypatch):
    X = np.ones((40, 3), dtype=np.float32)
    X_test = X[:4].copy()
    X_test[1, 1] = np.nan
    np.savez("bad.npz", X=X, y=np.arange(40) % 2, X_test=X_test, y_test=np.arange(4) % 2)
    monkeypatch.setattr(_run, "TRAINERS", {})
    result = cli("run", "bad.npz")
    assert result.exit_code == 2, result.exception
    assert "NaN" in result.stderr
    assert listing(here) == ["bad.npz"]


def test_one_class_is_refused(here):
    np.savez("one.npz", X=np.ones((20, 3), dtype=np.float32), y=np.zeros(20, dtype=int))
    result = cli("run", "one.npz")
    assert result.exit_code == 2
    assert "class" in result.stderr.splitlines()[-1]
    assert listing(here) == ["one.npz"]


def test_wrong_width_is_refused_by_predict(here):
    write_embeddings("emb.npz")
    assert cli("run", "emb.npz", "--ks", "1", "--models", "knn").exit_code == 0
    np.save("wide.npy", np.ones((3, 9), dtype=np.float32))
    assert refused(cli("predict", "fastcls-emb/models/knn.safetensors", "wide.npy"), "9", "6")


def test_damaged_image_is_named_and_nothing_is_printed(here):
    write_images(Path("pets"), each=6)
    assert cli("run", "pets", "--ks", "1", "--models", "knn").exit_code == 0
    Path("pets/cat/bad.jpg").write_bytes(b"not a picture")
    assert refused(cli("predict", "fastcls-pets/models/knn.safetensors", "pets"), "bad.jpg")


# the output folder ---------------------------------------------------------------------------------


def no_work(*_, **__):
    raise AssertionError("work began before the refusal")


@pytest.mark.parametrize("inside", [[], ["notes.txt"], ["results.json"]])
def test_existing_folder_is_refused_before_any_work(inside, monkeypatch):
    Path("out").mkdir()
    for name in inside:
        Path("out", name).write_text('{"schema": 1}')
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out"), "out exists", "--force")
    assert listing("out") == inside


def test_force_replaces_an_earlier_result():
    assert cli("run", "digits", *QUICK, "--seed", "1").exit_code == 0
    Path("fastcls-digits/report.html").write_text("old")
    assert cli("run", "digits", *QUICK, "--seed", "2").exit_code == 2
    assert Path("fastcls-digits/report.html").read_text() == "old"
    result = cli("run", "digits", *QUICK, "--seed", "2", "--force")
    assert result.exit_code == 0, result.stderr
    assert json.loads(Path("fastcls-digits/results.json").read_text())["seed"] == 2
    assert listing(".")[0] == "fastcls-digits"
    assert len(list(Path(".").iterdir())) == 1


@pytest.mark.parametrize("content", [None, "{}", "[1]", "not json"])
def test_force_never_replaces_what_is_not_ours(content, monkeypatch):
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("years of work")
    if content is not None:
        Path("out/results.json").write_text(content)
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out", "--force"), "out", "thesis.txt")
    assert Path("out/thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["mynotes.txt", "models/notes.txt", "more/deep.txt"])
def test_force_never_deletes_a_file_of_somebody_else(name):
    out = Path("out")
    (out / "models").mkdir(parents=True)
    (out / "results.json").write_text('{"schema": 1}')
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    assert refused(cli("run", "digits", "--out", "out", "--force"), "out holds")
    assert (out / name).read_text() == "mine"


def test_force_never_replaces_the_folder_the_data_is_in(monkeypatch):
    Path("out").mkdir()
    Path("out/results.json").write_text('{"schema": 1}')
    write_embeddings("out/emb.npz")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "out/emb.npz", "--out", "out", "--force"), "data is inside")
    assert Path("out/emb.npz").exists()


def test_file_in_the_place_of_the_folder_is_refused(monkeypatch):
    Path("out").write_text("a file")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "out", "--force"), "not a folder")
    assert Path("out").read_text() == "a file"


def test_folder_that_cannot_be_written_is_refused_before_any_work(monkeypatch):
    Path("file").write_text("a file")
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "file/below/out"), "cannot write", "--out")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_refused_before_any_work(monkeypatch):
    Path("locked").mkdir(mode=0o500)
    monkeypatch.setattr(_run, "load_data", no_work)
    assert refused(cli("run", "digits", "--out", "locked/out"), "cannot write")


def test_missing_parents_are_made_and_taken_back_after_an_error(here, monkeypatch):
    assert cli("run", "digits", *QUICK, "--out", "a/b/out").exit_code == 0
    assert Path("a/b/out/results.json").exists()
    monkeypatch.setitem(_run.TRAINERS, "knn", fail_with(OSError("disk full")))
    assert cli("run", "digits", *QUICK, "--out", "c/d/out").exit_code == 2
    assert not Path("c").exists()


def fail_with(error):
    def failing(*_, **__):
        raise error

    return failing


STEPS = ["load_data", "announce", "judge_all", "collect", "make_outcome", "write_all"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("standing", [False, True])
def test_error_in_any_step_leaves_the_old_state(step, standing, here, monkeypatch):
    if standing:
        Path("out").mkdir()
        Path("out/results.json").write_text('{"schema": 1, "old": true}')
    before = listing(here)
    monkeypatch.setattr(_run, step, fail_with(RuntimeError("injected")))
    result = cli("run", "digits", *QUICK, "--out", "out", "--force")
    assert isinstance(result.exception, RuntimeError)  # a fault of ours keeps its traceback
    assert listing(here) == before


@pytest.mark.parametrize("step", [*STEPS, "report"])
def test_interrupt_in_any_step_leaves_the_old_state(step, here, monkeypatch):
    Path("out").mkdir()
    Path("out/results.json").write_text('{"schema": 1, "old": true}')
    before = listing(here)
    if step == "report":  # the models are already in the temporary folder
        monkeypatch.setattr("fastcls.cli._report.write_report", fail_with(KeyboardInterrupt()))
    else:
        monkeypatch.setattr(_run, step, fail_with(KeyboardInterrupt()))
    result = cli("run", "digits", *QUICK, "--out", "out", "--force")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "fastcls: interrupted; nothing was written"
    assert listing(here) == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_in_a_real_run_leaves_nothing(number, status, here):
    root = str(Path(fastcls.__file__).parents[1])
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), root]))
    running = subprocess.Popen([sys.executable, "-m", "fastcls.cli", "run", "digits"], cwd=here, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
    assert running.stderr is not None
    while not (line := running.stderr.readline()).startswith("this will take"):
        assert line, "the run ended before its estimate"
    assert any(name.endswith(".partial") for name in os.listdir(here))
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == status, err
    assert out == ""
    assert "Traceback" not in err
    assert listing(here) == []


def test_failing_rename_puts_the_old_folder_back(here, monkeypatch):
    Path("out").mkdir()
    Path("out/results.json").write_text('{"schema": 1, "old": true}')
    rename = os.rename

    def failing(source, target):
        if str(source).endswith(".partial"):
            raise OSError("injected")
        rename(source, target)

    monkeypatch.setattr(_folder.os, "rename", failing)
    folder = _folder.OutputFolder(Path("out"), force=True)

    def replace():
        with folder as room:
            (room / "results.json").write_text("new")
            folder.publish()

    with pytest.raises(OSError, match="injected"):
        replace()
    assert listing(here) == ["out", "out/results.json"]
    assert "old" in Path("out/results.json").read_text()


def test_failed_gradient_check_stops_the_run_with_one_line(here, monkeypatch):
    class Report:
        max_relative_error = 3e-3

    monkeypatch.setattr(_linear, "check_gradient", lambda *_, **__: Report())
    result = cli("run", "digits", "--limit", "150", "--models", "softmax")
    assert result.exit_code == 1
    assert "gradient check of softmax failed: relative error 3.0e-03" in result.stderr.splitlines()[-1]
    assert listing(here) == []


# parts ---------------------------------------------------------------------------------------------


def test_judge_counts_and_warns_at_the_second_look():
    class Zero:
        def predict(self, X):
            return np.zeros(len(X), dtype=np.int64)

    test = _judge.TestSet(np.zeros((4, 2)), np.array([0, 0, 0, 1]))
    first = test.judge("zero", Zero())
    assert (first.errors, first.accuracy, test.evaluations["zero"]) == (1, 0.75, 1)
    with pytest.warns(UserWarning, match="2 times"):
        test.judge("zero", Zero())
    assert test.evaluations.total() == 2


def test_wilson_interval_matches_hand_computed_values():
    # 81 of 263 is the worked example of Newcombe, Statistics in Medicine 17 (1998), Table I, method 3
    assert _results.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert _results.wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert _results.wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert _results.wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert _results.wilson_interval(20, 20)[1] == 1.0


def test_interrupted_write_leaves_the_old_file(here, monkeypatch):
    Path("file").write_text("old")
    monkeypatch.setattr(_results.os, "replace", fail_with(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        _results.write_atomically("new", Path("file"))
    assert listing(here) == ["file"]
    assert Path("file").read_text() == "old"


@pytest.mark.parametrize(("raw", "shown"), [
    ("a\x1b[31mb", "a\\x1b[31mb"), ("a\nb", "a\\nb"), ("\u202egpj", "\\u202egpj"), ("caf\u00e9", "caf\u00e9"),
    ("\udcff", "\\udcff"),
])
def test_names_cannot_command_the_terminal(raw, shown):
    assert _text.printable(raw) == shown


def test_names_from_data_are_escaped_wherever_they_are_shown():
    write_images(Path("p\x1b[31m[bold]q"), each=6)
    result = cli("run", "p\x1b[31m[bold]q", "--ks", "1", "--models", "knn", "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert "\x1b[31m" not in result.stdout + result.stderr
    assert "[bold]" in result.stdout
    assert "\x1b" not in cli("predict", "out/models/knn.safetensors", "p\x1b[31m[bold]q").stdout


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "about 1 s"), (38.2, "about 40 s"), (119, "about 2 min"),
                                               (9000, "about 2.5 h")])
def test_durations_are_said_as_one_says_them(seconds, said):
    assert _text.about(seconds) == said


def test_long_step_speaks_and_short_one_does_not(monkeypatch):
    import io
    import time

    monkeypatch.setattr(_progress, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(_progress, "PLAIN_SECONDS", 10.0)
    stream = io.StringIO()
    progress = _progress.Progress(stream)
    with progress.step("short") as report:
        report(1, 2)
    with progress.step("long") as report:
        for done in range(50):
            report(done, 50)
            time.sleep(0.01)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"long: \d+ %, 0 s", lines[0])
    assert lines[1] == "long: done in 1 s" or lines[1] == "long: done in 0 s"


def test_warnings_become_notes_once():
    import io
    import warnings

    stream = io.StringIO()
    progress = _progress.Progress(stream)
    with progress.library_as_notes():
        for _ in range(2):
            warnings.warn("ks above\n 60 were dropped", UserWarning, stacklevel=1)
    assert progress.notes == ["ks above 60 were dropped"]
    assert stream.getvalue() == "note: ks above 60 were dropped\n"


def test_defaults_are_left_out_of_the_command():
    assert _checks.RunOptions("digits").command == "fastcls run digits"
    assert _checks.RunOptions("-d ata", ks=(1, 3)).command == "fastcls run './-d ata' --ks 1,3"


def test_missing_extra_is_one_line(here):
    code = ("import sys, importlib.util as u; find = u.find_spec\n"
            "u.find_spec = lambda name, *a: None if name == 'typer' else find(name, *a)\n"
            "from fastcls.cli import main; main()")
    done = python("-c", code, cwd=here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        'fastcls: the command line needs the package typer: install with: pip install "fastcls[run]"']


def test_gradcheck_prints_a_table_and_agrees():
    for loss in ("hinge", "softmax"):
        result = cli("gradcheck", "digits", "--loss", loss)
        assert result.exit_code == 0, result.stderr
        assert f"{loss}: the gradients agree" in result.stdout


def test_info_says_how_it_was_built():
    result = cli("info")
    assert result.exit_code == 0, result.stderr
    assert "OpenMP" in result.stdout


def test_help_names_every_command():
    result = cli("--help")
    assert result.exit_code == 0
    for command in ("run", "predict", "gradcheck", "info"):
        assert command in result.stdout
