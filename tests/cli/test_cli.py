"""The command line: the files a run writes, and its options."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from _command import QUICK, Image, cli, fresh, here, listing, python, refused, write_embeddings, write_images

from fastcls import KNeighborsClassifier
from fastcls.cli import _linear, _run, _table
from fastcls.cli._checks import RunOptions, parse_folds
from fastcls.cli._outcome import Outcome
from fastcls.cli.report import _sections
from fastcls.datasets import LAYOUTS
from fastcls.losses import LOSSES
from fastcls.metrics import METRICS
from fastcls.model_selection._cross_validate import cross_validate_k

__all__ = ["here"]  # the fixture that every test here is under

KNN_FIELDS = {
    "metric",
    "k",
    "cv_accuracy_mean",
    "cv_accuracy_std",
    "test_accuracy",
    "test_errors",
    "test_accuracy_interval",
    "candidates",
    "fit_seconds",
    "predict_seconds",
}
LINEAR_FIELDS = {
    "alpha",
    "validation_accuracy",
    "test_accuracy",
    "test_errors",
    "test_accuracy_interval",
    "candidates",
    "fit_seconds",
    "predict_seconds",
    "gradient_check_max_relative_error",
    "validation_rows",
}
RANDOM_FIELDS = {"tries", "best_loss", "test_accuracy", "test_errors", "test_accuracy_interval"}
FIELDS = {"knn": KNN_FIELDS, "svm": LINEAR_FIELDS, "softmax": LINEAR_FIELDS, "random_search": RANDOM_FIELDS}
TOP_FIELDS = {
    "schema",
    "dataset",
    "n_train",
    "n_test",
    "n_features",
    "n_classes",
    "seed",
    "command",
    "versions",
    "environment",
    "test_evaluations",
    "models",
}

# a whole run ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run of every model on part of digits, in its own process: (process, working folder)."""
    place = tmp_path_factory.mktemp("whole")
    done = fresh("run", "digits", "--limit", "300", "--ks", "1,3,5", cwd=place)
    assert done.returncode == 0, done.stderr
    return done, place


@pytest.mark.process
def test_run_leaves_exactly_report_results_and_models(whole):
    _, place = whole
    assert listing(place) == [
        "fastcls-digits",
        "fastcls-digits/errors.csv",
        "fastcls-digits/models",
        *(f"fastcls-digits/models/{name}.safetensors" for name in sorted(FIELDS)),
        "fastcls-digits/predictions.csv",
        "fastcls-digits/report.html",
        "fastcls-digits/results.json",
    ]


@pytest.mark.process
def test_results_follow_schema_1(whole):
    _, place = whole
    results = json.loads((place / "fastcls-digits" / "results.json").read_text())
    assert set(results) >= TOP_FIELDS
    assert results["schema"] == 2
    assert (results["dataset"], results["n_features"], results["n_classes"]) == ("digits", 64, 10)
    assert results["n_train"] <= 300
    assert set(results["models"]) == set(FIELDS)
    for name, entry in results["models"].items():
        assert set(entry) >= FIELDS[name], name
        assert type(entry["test_errors"]) is int
        assert entry["test_accuracy"] == pytest.approx(1 - entry["test_errors"] / results["n_test"])
        low, high = entry["test_accuracy_interval"]
        assert 0 <= low <= entry["test_accuracy"] <= high <= 1
        of_shares = {"log_loss", "calibration_error"} if name in ("knn", "softmax") else set()
        wanted = {"top5", "balanced_accuracy", "macro_f1", "average_precision"}
        assert set(entry["test_numbers"]) == wanted | of_shares
        for number_name, number in entry["test_numbers"].items():
            low, high = number["interval"] or (np.nan, np.nan)  # the calibration error has none
            assert low <= number["value"] <= high or number_name == "calibration_error"
        assert len(entry["per_class"]) == 10
        recalls = [one["accuracy"] for one in entry["per_class"]]
        assert entry["test_numbers"]["balanced_accuracy"]["value"] == pytest.approx(np.mean(recalls))
    for name in ("svm", "softmax"):
        entry = results["models"][name]
        assert 0 <= entry["gradient_check_max_relative_error"] < 1e-5
        assert entry["alpha"] in [candidate["alpha"] for candidate in entry["candidates"]]
        assert entry["validation_accuracy"] == max(c["validation_accuracy"] for c in entry["candidates"])
    assert {(c["metric"], c["k"]) for c in results["models"]["knn"]["candidates"]} == {
        (metric, k) for metric in ("l1", "l2") for k in (1, 3, 5)
    }


@pytest.mark.process
def test_every_model_is_evaluated_once(whole):
    _, place = whole
    results = json.loads((place / "fastcls-digits" / "results.json").read_text())
    assert results["test_evaluations"] == len(FIELDS)
    assert [entry["test_evaluations"] for entry in results["models"].values()] == [1] * len(FIELDS)


@pytest.mark.process
def test_trained_models_are_better_than_random_search(whole):
    _, place = whole
    models = json.loads((place / "fastcls-digits" / "results.json").read_text())["models"]
    for name in ("knn", "svm", "softmax"):
        assert models[name]["test_accuracy"] > 0.8, name
        assert models[name]["test_accuracy"] > models["random_search"]["test_accuracy"]


@pytest.mark.process
def test_run_ends_with_three_lines_and_the_last_command_works(whole):
    done, place = whole
    report, best, following = done.stdout.rstrip("\n").splitlines()[-3:]
    assert report == "Report: fastcls-digits/report.html"
    assert re.fullmatch(r"(Best model|Fewest errors): .+, test accuracy \d+\.\d\d %( \(.+ not significantly worse\))?", best)
    words = shlex.split(following.removeprefix("Next: "))
    assert words[:2] == ["fastcls", "predict"]
    predicted = fresh(*words[1:], cwd=place)
    assert predicted.returncode == 0, predicted.stderr
    lines = predicted.stdout.splitlines()
    assert re.fullmatch("path,label,(probability|score)", lines[0])
    assert len(lines) == 1 + 300  # the test rows, and none of those the model was trained on


@pytest.mark.process
def test_screen_fits_80_columns(whole):
    done, _ = whole
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.process
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
def test_each_model_can_be_run_alone(model):
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


def test_folds_loo_equals_leave_one_out_of_the_estimator():
    words = ("digits", "--limit", "150", "--ks", "1,3", "--metrics", "l1", "--models", "knn", "--folds", "loo")
    result = cli("run", *words)
    assert result.exit_code == 0, result.stderr
    results = json.loads(Path("fastcls-digits/results.json").read_text())
    assert "--folds loo" in results["command"]
    entry = results["models"]["knn"]
    assert entry["folds"] == "loo"
    data, _ = _run.load_data(RunOptions("digits", limit=150), lambda done, total: None)
    for row in entry["candidates"]:
        model = KNeighborsClassifier(row["k"], metric="l1").fit(data.X, data.y)
        assert row["cv_accuracy_mean"] == (model.predict(None) == data.y).mean()
    selection = cross_validate_k(data.X, data.y, ks=(1, 3), metrics=("l1",), cv="loo")
    outcome = Outcome({}, data, selection=selection)
    sentence = _sections._choice_of_k(outcome)["sentence"]
    assert f"over {len(data.y)}\u00a0rows, each left out once" in sentence
    assert "standard error" in sentence


@pytest.mark.parametrize(("typed", "folds"), [(None, None), ("4", 4), ("LOO", "loo")])
def test_folds_are_a_number_or_loo(typed, folds):
    assert parse_folds(typed) == folds


def test_same_seed_same_results(monkeypatch):
    monkeypatch.setattr(_linear, "MOST_TRIES", 20)
    monkeypatch.setattr(_linear, "ALPHAS", (1e-1, 1e-3))
    figures = []
    for out in ("one", "two"):
        assert cli("run", "digits", "--limit", "200", "--ks", "1,3", "--seed", "7", "--out", out).exit_code == 0
        models = json.loads(Path(out, "results.json").read_text())["models"]
        figures.append(
            {
                name: (entry["test_errors"], entry.get("validation_accuracy"), entry.get("best_loss"))
                for name, entry in models.items()
            }
        )
    assert figures[0] == figures[1]


def test_command_in_results_repeats_the_run():
    write_embeddings("my data.npz")
    assert cli("run", "my data.npz", "--ks", "1,3", "--models", "softmax,knn", "--seed", "3").exit_code == 0
    first = json.loads(Path("fastcls-my-data/results.json").read_text())
    words = shlex.split(first["command"])
    assert cli(*words[1:], "--out", "again").exit_code == 0
    again = json.loads(Path("again/results.json").read_text())
    assert list(first["models"]) == ["knn", "softmax"] == list(again["models"])
    assert [m["test_errors"] for m in first["models"].values()] == [m["test_errors"] for m in again["models"].values()]


def test_random_search_loses_ties_for_the_best_model():
    models = {name: {"test_errors": 3} for name in ("random_search", "softmax")}
    assert _table.best_model({"models": models}) == "softmax"
    models["random_search"]["test_errors"] = 2
    assert _table.best_model({"models": models}) == "random_search"


def test_baseline_and_comparisons_are_those_of_the_predictions(monkeypatch):
    seen = {}

    def keep(outcome, *_):
        seen["outcome"] = outcome

    monkeypatch.setattr(_run, "write_all", keep)
    assert cli("run", "digits", "--limit", "150", "--ks", "1", "--seed", "2").exit_code == 0
    outcome = seen["outcome"]
    results, truth = outcome.results, outcome.dataset.y_test
    code = int(np.argmax(np.bincount(outcome.dataset.y)))
    assert results["baseline"]["class_name"] == str(code)
    assert results["baseline"]["test_errors"] == np.count_nonzero(truth != code)
    right = {name: said == truth for name, said in outcome.predictions.items()}
    best = _table.best_model(results)
    assert [pair["other"] for pair in results["comparisons"]] == [name for name in right if name != best]
    for pair in results["comparisons"]:
        assert pair["model"] == best
        other = right[pair["other"]]
        assert pair["only_model_right"] == (right[best] & ~other).sum()
        assert pair["only_other_right"] == (other & ~right[best]).sum()
        assert pair["only_model_right"] >= pair["only_other_right"]


def test_limit_takes_a_stratified_part():
    assert cli("run", "digits", "--limit", "100", "--ks", "1", "--models", "knn").exit_code == 0
    results = json.loads(Path("fastcls-digits/results.json").read_text())
    assert (results["n_train"], results["n_test"]) == (100, 100)


@pytest.mark.parametrize(("size", "width", "said"), [([], 32 * 32, True), (["--image-size", "20"], 20 * 20, False)])
def test_scaled_images_are_noted_unless_image_size_is_given(size, width, said):
    write_images(Path("pets"), each=6)
    result = cli("run", "pets", "--ks", "1", "--models", "knn", *size)
    assert result.exit_code == 0, result.stderr
    results = json.loads(Path("fastcls-pets/results.json").read_text())
    assert results["n_features"] == 3 * width
    scaled = [note for note in results["notes"] if "scaled" in note]
    assert len(scaled) == said
    if said:
        assert re.fullmatch(
            r"pets: of 18 images, 18 were scaled and centre-cropped to 32x32 \(height x width\) "
            r"from 1\dx1\d to 3\dx3\d pixels; --image-size sets another size",
            scaled[0],
        )
    one = cli("predict", "fastcls-pets/models/knn.safetensors", "pets/cat/0.jpg")  # the size travels with the model
    assert one.exit_code == 0, one.stderr


@pytest.mark.parametrize(("bits", "noted"), [(8, False), (16, True)])
def test_images_of_one_size_are_not_scaled_and_lost_bits_are_noted(bits, noted):
    for name, value in (("a", 9), ("b", 200)):
        Path("deep", name).mkdir(parents=True)
        for number in range(7):
            pixels = np.full((7, 5), value, dtype=f"uint{bits}")
            pixels[number] = 255
            Image.fromarray(pixels).save(f"deep/{name}/{number}.png")
    assert cli("run", "deep", "--ks", "1", "--models", "knn").exit_code == 0
    results = json.loads(Path("fastcls-deep/results.json").read_text())
    assert results["image_shape"] == [7, 5, 1]
    assert ("deep: of 14 images, 14 were reduced from 16 bits per channel to 8" in results["notes"]) is noted
    assert not any("scaled" in note for note in results["notes"])


# other commands ------------------------------------------------------------------------------------


@pytest.mark.process
def test_missing_extra_is_one_line(here):
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'typer' else find(name, *a)\n"
        "from fastcls.cli import main; main()"
    )
    done = python("-c", code, cwd=here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        'fastcls: the command line needs the package typer: install with: pip install "fastcls[run]"'
    ]


def test_gradcheck_prints_a_table_and_agrees():
    for loss in ("hinge", "softmax"):
        result = cli("gradcheck", "digits", "--loss", loss)
        assert result.exit_code == 0, result.stderr
        assert f"{loss}: the gradients agree" in result.stdout


@pytest.mark.parametrize(("command", "registry"), [("gradcheck", LOSSES), ("run", METRICS)], ids=["losses", "metrics"])
def test_help_lists_the_entries_of_the_registry(monkeypatch, command, registry):
    monkeypatch.setitem(registry, "a_new_one", next(iter(registry.values())))
    assert set(registry) <= set(re.findall(r"\w+", cli(command, "--help").stdout))


def test_info_shows_the_build():
    result = cli("info")
    assert result.exit_code == 0, result.stderr
    assert "OpenMP" in result.stdout


@pytest.mark.parametrize("command", ["run", "predict", "gradcheck"])
def test_help_names_arguments_and_values_without_python_types(command):
    shown = cli(command, "--help").stdout
    usage = shown.splitlines()[0]
    assert usage.endswith({"predict": "[OPTIONS] MODEL DATA..."}.get(command, "[OPTIONS] DATA"))
    for word in ("<str>", "<int>", "<path>", "<list", "<class 'str'>"):
        assert word not in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_help_names_every_command():
    result = cli("--help")
    assert result.exit_code == 0
    for command in ("run", "predict", "gradcheck", "info"):
        assert command in result.stdout


def test_a_path_of_thousands_of_letters_is_one_short_line(here):
    long = "x" * 5000
    for words in (
        ["run", long],
        ["run", "digits", "--out", long],
        ["run", "digits", "--labels", long],
        ["gradcheck", long],
        ["predict", long, "digits"],
        ["predict", "m.safetensors", "digits", "--out", long],
    ):
        result = cli(*words)
        assert refused(result, "xxx...'")
        assert len(result.stderr) < 400
    assert listing(here) == []


def test_numbers_of_many_digits_are_refused_in_one_line():
    assert refused(cli("run", "digits", "--ks", "1" + "0" * 30), "ks is 2^99 or beyond")
    assert refused(cli("run", "digits", "--folds", "1" + "0" * 30), "--folds is 2^99 or beyond")


def test_data_of_an_unknown_layout_is_refused_with_the_help_that_lists_layouts():
    Path("notes.doc").write_text("")
    assert refused(cli("run", "notes.doc"), "'notes.doc' is a file of unknown layout: fastcls run --help ")
    listed = " ".join(cli("run", "--help").stdout.split())
    # the help breaks lines after hyphens too
    assert all(layout.description.replace(" ", "") in listed.replace(" ", "") for layout in LAYOUTS.values())


def test_a_folder_of_one_class_is_refused_with_what_to_add():
    write_images(Path("pets"), classes=("cat",))
    result = cli("run", "pets")
    assert result.exit_code == 2
    assert "all of one class, 'cat': add rows of another (images: a second class folder)" in result.stderr.splitlines()[-1]


def test_conversion_of_wide_integers_is_noted_by_run_and_predict():
    write_embeddings("emb.npz")
    arrays = np.load("emb.npz")
    np.savez("whole.npz", X=(100 * arrays["X"]).astype(np.int64), y=arrays["y"])
    for words in (
        ["run", "whole.npz", "--ks", "1", "--models", "softmax"],
        ["predict", "fastcls-whole/models/softmax.safetensors", "whole.npz"],
    ):
        result = cli(*words)
        assert result.stderr.count("X: int64 converted to float64; no value changes\n") == 1, result.stderr
