"""Small, unbalanced or repeated data, and failing steps: what a run refuses, keeps, and reports."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from _command import Image, cli, fail_with, fresh, here, listing, refused, write_embeddings, write_images

from fastcls import load
from fastcls.cli import _linear, _preset, _repeats, _run, _test_set
from fastcls.cli._checks import MODELS
from fastcls.cli.report import _errors, _page, _sections

__all__ = ["here"]  # the fixture that every test here is under

WRITE = _page.write_report  # the real one: the fixture replaces it


@pytest.fixture
def quick(monkeypatch):
    """Make a run take less than a second: no estimate, few tries, gradient checks of few entries."""
    monkeypatch.setattr(_run, "estimate_seconds", lambda *_: 1.0)
    monkeypatch.setattr(_linear, "MOST_TRIES", 5)
    monkeypatch.setattr(_linear, "CHECK_WORK", 0)
    monkeypatch.setattr(_linear, "ALPHAS", (1e-1, 1e-3))


@pytest.fixture
def drawn(monkeypatch):
    """Write the full report, with words instead of figures."""
    monkeypatch.setattr(_page, "write_report", WRITE)
    for module in ("_sections", "_errors", "_lecture"):
        monkeypatch.setattr(f"fastcls.cli.report.{module}.draw", lambda plot, description: description)
    monkeypatch.setattr(_sections, "_templates_figure", stub)
    for name in ("_folds", "_loss", "_curse", "_challenges"):
        monkeypatch.setattr(f"fastcls.cli.report._lecture.{name}", stub)
    monkeypatch.setattr("fastcls.cli.report._lecture._same_distance", lambda outcome: [])


def stub(*_):
    return {"name": "a figure", "svg": "a drawing", "caption": "a caption"}


def results_of(folder):
    return json.loads(Path(folder, "results.json").read_text())


def rows_of(folder):
    return list(csv.DictReader(Path(folder, "predictions.csv").read_text(encoding="utf-8").splitlines()))


# few rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick", "drawn")
def test_any_limit_gives_a_result_or_one_line_before_training(here):
    for limit in (1, 2, 3, 4, 5, 7, 11, 20):
        result = cli("run", "digits", "--limit", limit, "--ks", "1,3", "--out", f"out{limit}")
        if result.exit_code == 2:
            said = result.stderr.splitlines()[-1]
            assert limit == 1 or "has a class of its own" in said or "all of one class" in said, result.stderr
            assert "k-NN" not in result.stderr
            continue
        assert result.exit_code == 0, (limit, result.stderr, result.exception)
        results = results_of(f"out{limit}")
        assert list(results["models"]) == list(MODELS)
        assert results["failures"] == []
        page = Path(f"out{limit}/report.html").read_text()
        random = any("too few rows" in note for note in results["notes"] if "validation rows" not in note)
        assert results["stratified"] == (not random), limit
        assert ("held out, in proportion to the classes" in page) == results["stratified"], limit
        missing = [note for note in results["notes"] if "have no training rows" in note]
        y = {row["label"] for row in rows_of(f"out{limit}")}
        assert len(missing) <= 1
        assert y <= set(results["class_names"])


@pytest.mark.usefixtures("quick", "drawn")
@pytest.mark.parametrize("extra", [0, 2, 3])
def test_folders_with_many_single_photo_classes_are_evaluated_on_the_other_classes(extra, here):
    write_images(here / "photos", classes=[f"c{n:02}" for n in range(12)], each=1)
    for number in range(1, 1 + extra):
        for name in ("c01", "c05"):
            Image.fromarray(np.full((20, 20, 3), 40 * number, np.uint8)).save(here / "photos" / name / f"x{number}.png")
    result = cli("run", "photos", "--image-size", "8")
    if not extra:
        assert result.exit_code == 2
        assert "has a class of its own" in result.stderr.splitlines()[-1]
        return
    assert result.exit_code == 0, (result.stderr, result.exception)
    results = results_of("fastcls-photos")
    assert set(results["models"]) == set(MODELS)
    assert any(note.startswith("10 of 12 classes have no test rows") for note in results["notes"])
    assert any(
        note == "3 test rows instead of 4, so that one class keeps two training rows" for note in results["notes"]
    ) == (extra == 2)
    assert results["stratified"]
    assert "in proportion to the classes that have two rows or more" in Path("fastcls-photos/report.html").read_text()


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((1, 1), "each of the 2 rows of photos has a class of its own, so no setting can be chosen"),
        ((1, 1, 1), "each of the 3 rows of photos has a class of its own, so no setting can be chosen"),
        ((2, 1), "only two of the 3 rows of photos share a class: if one is held out for testing"),
        ((2, 1, 1, 1), "only two of the 5 rows of photos share a class"),
        ((5,), "the rows of photos are all of one class, 'c0'"),
        ((1,), "the rows of photos are all of one class, 'c0'"),
    ],
)
def test_folders_too_small_for_a_test_set_are_refused(counts, said, here):
    write_photos(here / "photos", counts)
    result = cli("run", "photos")
    assert result.exit_code == 2
    assert said in result.stderr.splitlines()[-1]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("counts", [(2, 2), (3, 1), (2, 2, 2, 1, 1, 1, 1, 1), (3, *(1,) * 20), (60, 1, 2)])
def test_holding_out_test_rows_leaves_a_class_of_two_and_stratified_is_true_only_if_it_is(counts, here):
    write_photos(here / "photos", counts)
    result = cli("run", "photos", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, (result.stderr, result.exception)
    results = results_of("fastcls-photos")
    tested = Counter(row["label"] for row in rows_of("fastcls-photos"))
    left = [n - tested[f"c{place}"] for place, n in enumerate(counts)]
    assert max(left) >= 2
    assert min(left) >= 1
    on_both = all(tested[f"c{place}"] for place, n in enumerate(counts) if n > 1)
    assert on_both or not results["stratified"]


def write_photos(folder, counts):
    """Write this many photos for each class, c0, c1, ..."""
    for place, n in enumerate(counts):
        (folder / f"c{place}").mkdir(parents=True)
        for number in range(n):
            pixels = np.full((4, 4, 3), 10 * place + number, np.uint8)
            Image.fromarray(pixels).save(folder / f"c{place}" / f"{number}.png")


@pytest.mark.usefixtures("quick", "drawn")
@pytest.mark.parametrize("models", ["random_search,softmax", "knn,random_search,svm,softmax"])
@pytest.mark.parametrize("n_test", [1, 2, 5])
def test_no_model_is_called_best_on_a_few_test_rows(n_test, models, here):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 4)), np.arange(40) % 2
    np.savez("data.npz", X=X, y=y, X_test=X[:n_test] + 0.01, y_test=y[:n_test])
    result = cli("run", "data.npz", "--ks", "1", "--models", models)
    assert result.exit_code == 0, result.stderr
    results, page = results_of("fastcls-data"), Path("fastcls-data/report.html").read_text()
    assert results["best"] is None
    assert set(results["not_significantly_worse"]) | {results["fewest_errors"]} == set(models.split(","))
    said = f"do not differ significantly on {n_test} test row{'s' * (n_test > 1)}"
    for text in (" ".join(re.sub(r"<[^>]*>", " ", page).split()), " ".join(result.stdout.split())):
        assert said in text
        assert "none of them can be called best" in text
    assert "Best model" not in page
    assert 'class="tag">best' not in page
    assert result.stdout.splitlines()[-2].startswith(("Best model: none (", "Best model: none. "))
    nothing_better = "always predicting the majority class"  # one row: that is a hit, and no model can be better
    assert (nothing_better if n_test == 1 else said) in result.stdout.splitlines()[-2]


@pytest.mark.usefixtures("quick")
def test_a_model_that_is_significantly_better_is_called_best(here):
    result = cli("run", "digits", "--limit", "300", "--ks", "1", "--models", "knn,random_search", "--out", "out")
    results = results_of("out")
    assert results["best"] == results["fewest_errors"] == "knn"
    assert results["not_significantly_worse"] == []
    assert re.fullmatch(r"Best model: k-NN \(L\d, k = 1\), test accuracy \d\d\.\d\d %", result.stdout.splitlines()[-2])
    assert "significant" not in result.stdout
    alone = cli("run", "digits", "--limit", "12", "--ks", "1", "--models", "knn", "--out", "alone")
    assert alone.stdout.splitlines()[-2].startswith("Model: k-NN")
    assert results_of("alone")["best"] is None


# repeats ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32", "float64"])
def test_repeats_equal_those_of_a_plain_loop(dtype):
    rng = np.random.default_rng(0)
    X, X_test = (rng.integers(-1, 2, (n, 3)).astype(dtype) for n in (30, 40))
    if np.dtype(dtype).kind == "f":
        X_test[X_test == 0] = -0.0
    y, y_test = rng.integers(0, 2, 30), rng.integers(0, 2, 40)
    equal = (X_test[:, None] == X).all(axis=2)
    other = (equal & (y_test[:, None] != y)).any(axis=1)
    assert 0 < other.sum() < equal.any(axis=1).sum() < 40
    assert _repeats.count_repeats(X, y, X_test, y_test) == {"test_rows": equal.any(axis=1).sum(), "other_class": other.sum()}
    assert _repeats.count_repeats(X, y, X_test + dtype_step(dtype), y_test)["test_rows"] < 40


def dtype_step(dtype):
    return np.ones(1, dtype)[0]


@pytest.mark.usefixtures("quick", "drawn")
@pytest.mark.parametrize("words", [["--models", "knn", "--ks", "1"], ["--preset", "mteb-v1-knn"], ["--preset", "lightly"]])
def test_repeats_are_on_the_screen_in_the_results_and_in_the_report(words, here):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((250, 4)).astype(np.float32), np.arange(250) % 2
    np.savez("data.npz", X=X, y=y, X_test=np.concatenate([X[:3], X[:4] + 9]), y_test=np.array([0, 1, 1, 0, 1, 0, 1]))
    result = cli("run", "data.npz", *words)
    assert result.exit_code == 0, result.stderr
    said = "3 of 7 test rows equal a training row, and 1 of these equals one of another class"
    assert said in result.stderr
    results = results_of("fastcls-data" if "knn" in words else f"fastcls-data-{words[1]}")
    assert results["repeats"] == {"test_rows": 3, "other_class": 1}
    assert any(said in note for note in results["notes"])
    if "knn" in words:
        assert said in Path("fastcls-data/report.html").read_text()


# rows that are wrong ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick", "drawn")
@pytest.mark.parametrize("own_test_set", [False, True])
def test_wrong_predictions_are_listed_by_file_and_equal_those_of_the_saved_models(own_test_set, here):
    kinds = ("=cat", "+dog", "ship")
    if own_test_set:
        write_images(here / "photos" / "train", classes=kinds, each=4)
        write_images(here / "photos" / "test", classes=kinds, each=3)
    else:
        write_images(here / "photos", classes=kinds, each=8)
    result = cli("run", "photos", "--image-size", "4", "--ks", "1,2")
    assert result.exit_code == 0, result.stderr
    results = results_of("fastcls-photos")
    rows = rows_of("fastcls-photos")
    assert len(rows) == results["n_test"]
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    for name in MODELS:
        wrong = [(row["path"], row["label"], row[name]) for row in rows if row[name] != row["label"]]
        assert len(wrong) == results["models"][name]["test_errors"]
        escape = {"=cat": "'=cat", "+dog": "'+dog"}
        named = [(row["path"], row["true"], row["predicted"]) for row in results["wrong"][name]]
        assert [tuple(re.sub("^(?=[=+])", "'", cell) for cell in row) for row in named] == wrong
        model = load(f"fastcls-photos/models/{name}.safetensors")
        from fastcls.datasets import prepare_image

        for row in rows:
            path = row["path"].removeprefix("'")
            assert Path("photos", path).is_file()
            assert Path(path).parts[-2] == row["label"].removeprefix("'")
            X = prepare_image(Path("photos", path), results_recipe(model))[None]
            said = model.metadata_["class_names"][int(model.predict(X)[0])]
            assert escape.get(said, said) == row[name]
    page = Path("fastcls-photos/report.html").read_text()
    shown = [row for name in MODELS for row in results["wrong"][name][:20]]
    assert shown
    assert all(row["path"].replace("+", "&#43;") in page or row["path"] in page for row in shown)


def results_recipe(model):
    return model.metadata_["preprocessing"]


@pytest.mark.usefixtures("quick", "drawn")
def test_the_report_lists_some_errors_and_says_where_the_others_are(here):
    assert cli("run", "digits", "--limit", "200", "--models", "random_search").exit_code == 0
    results, page = results_of("fastcls-digits"), Path("fastcls-digits/report.html").read_text()
    n = results["models"]["random_search"]["test_errors"]
    assert len(results["wrong"]["random_search"]) == n
    assert f'{n - _errors.SHOWN_WRONG}\u00a0more errors in <a href="errors.csv">errors.csv</a>.' in page
    data, division = _run.load_data(_run.RunOptions("digits", limit=200), lambda *_: None)
    rows = rows_of("fastcls-digits")
    assert [int(row["row"]) for row in rows] == division.test_rows.tolist()
    assert [row["label"] for row in rows] == [data.class_names[code] for code in data.y_test]


@pytest.mark.parametrize("limit", [None, 20])
def test_rows_of_the_datas_own_test_set_keep_their_numbers(limit):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 3))
    np.savez("data.npz", X=X[:60], y=np.arange(60) % 2, X_test=X[60:], y_test=np.arange(60) % 2)
    data, division = _run.load_data(_run.RunOptions("data.npz", limit=limit), lambda *_: None)
    assert np.array_equal(data.X_test, X[60:][division.test_rows])
    assert len(division.test_rows) == (limit or 60)


@pytest.mark.parametrize("model", list(MODELS))
def test_predictions_with_scores_equal_those_of_predict(model, monkeypatch):
    monkeypatch.setattr(_test_set, "VALUES_AT_ONCE", 1)
    data, _ = _run.load_data(_run.RunOptions("digits", limit=1200), lambda *_: None)
    one = {
        "knn": lambda: _run.KNeighborsClassifier(4).fit(data.X, data.y),
        "random_search": lambda: _linear.search_randomly(data.X, data.y, seed=0, report=lambda *_: None)[0],
        "svm": lambda: _linear.MulticlassSVM().fit(data.X, data.y),
        "softmax": lambda: _linear.SoftmaxClassifier().fit(data.X[data.y < 2], data.y[data.y < 2]),  # two classes
    }[model]()
    predicted, scores = _test_set.predict_with_scores(one, data.X)
    assert np.array_equal(predicted, one.predict(data.X))
    values = one.predict_proba(data.X) if hasattr(one, "predict_proba") else one.decision_function(data.X)
    assert np.array_equal(scores, values.max(axis=1))


# steps that fail ----------------------------------------------------------------------------------------------------

#: what fails -> (how the step is called, the files that are missing then)
FAILING = {
    "random search": ("_linear.search_randomly", "training random search", {"models/random_search.safetensors"}),
    "a wrong gradient": (
        "_linear.check_on_sample",
        "training SVM",
        {"models/svm.safetensors", "models/softmax.safetensors"},
    ),
    "gradient check": ("_linear.check_on_sample", "gradient check of SVM", set()),
    "its comparison": ("_linear.check_gradient", "gradient check of softmax", set()),
    "sweep": ("_linear.sweep", "training softmax", {"models/svm.safetensors", "models/softmax.safetensors"}),
    "k-NN": ("_run.cross_validate_k", "training k-NN", {"models/knn.safetensors"}),
    "one prediction": ("_linear.MulticlassSVM.predict", "evaluating SVM", set()),
    "all predictions": ("_test_set.predict_with_scores", "evaluating softmax", set()),
    "evaluation": ("_run.evaluate_all", "evaluating the models", set()),
    "comparison": ("_run.comparisons", "comparing the models", set()),
    "collecting": ("_run.collect", "collecting the results", set()),
    "preparing": ("_run.make_outcome", "preparing the report", set()),
    "neighbours": ("_run.shown_neighbors", "finding neighbours for the report", set()),
    "wrong rows": ("_run.wrong_rows", "listing the wrong predictions", set()),
    "predictions": ("_run.write_predictions", "writing predictions.csv", {"predictions.csv"}),
    "saving": ("_linear.MulticlassSVM.save", "saving SVM", {"models/svm.safetensors", "models/random_search.safetensors"}),
    "report": ("report._page.render_report", "writing the report", {"report.html"}),
    "errors.csv": ("_run.write_errors", "writing errors.csv", {"errors.csv"}),
    "every drawing": ("report._sections.draw", "drawing accuracy against k", set()),
    "one figure": ("report._sections._templates_figure", "drawing templates of SVM", set()),
    "confusions": ("report._errors._confusion_figure", "drawing confusions of random search", set()),
    "the lecture": ("report._lecture._curse", "drawing the curse of dimensionality", set()),
    "a sentence": ("report._sections._choice_of_alpha", "drawing how alpha of SVM was chosen", set()),
    "results.json": ("_results.as_json", "writing results.json", {"results.json"}),
}


@pytest.mark.usefixtures("quick", "drawn")
@pytest.mark.parametrize("what", FAILING)
def test_a_failing_step_leaves_the_results_of_all_others(what, here, monkeypatch):
    place, step, missing = FAILING[what]
    error = {
        "a wrong gradient": _linear.GradientMismatch("injected"),
        "saving": OSError("injected"),
        "sweep": MemoryError("injected"),
    }.get(what, IndexError("injected"))
    monkeypatch.setattr(f"fastcls.cli.{place}", fail_with(error))
    words = ["--lecture"] if what == "the lecture" else []
    result = cli("run", "digits", "--limit", "60", "--ks", "1,3", "--out", "out", *words)
    assert result.exit_code == 1, (result.stdout, result.stderr, result.exception)
    lines = [line for line in result.stderr.splitlines() if line.startswith(f"failed: {step}: ")]
    assert len(lines) == 1, result.stderr
    assert "injected" in lines[0]
    every = {
        "predictions.csv",
        "errors.csv",
        "report.html",
        "results.json",
        *(f"models/{name}.safetensors" for name in MODELS),
    }
    assert {name for name in listing("out") if name != "models"} == every - missing
    assert len(result.stdout.rstrip("\n").splitlines()) >= 3
    if "report.html" not in missing and "results.json" not in missing:
        assert step in Path("out/report.html").read_text() or "results" in what
    if "results.json" in missing:
        return
    failures = results_of("out")["failures"]
    assert any(one["step"] == step and "injected" in one["error"] for one in failures)
    if "models/knn.safetensors" not in missing and step not in (
        "evaluating the models",
        "collecting the results",
        "evaluating softmax",
    ):
        assert results_of("out")["models"]["knn"]["test_evaluations"] == 1
    words = result.stdout.splitlines()[-1].removeprefix("Next: fastcls ").split()
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert cli(*words).exit_code == 0
    if not missing and what != "one figure":  # the folder holds the same files as after this one
        return
    monkeypatch.setattr(_run, "estimate_seconds", lambda *_: 1.0)
    monkeypatch.setattr(_page, "write_report", lambda outcome, path: path.write_text(""))
    again = cli("run", "digits", "--limit", "60", "--ks", "1", "--models", "knn", "--out", "out", "--force")
    assert again.exit_code == 0, again.stderr  # a part of a result is known as ours


@pytest.mark.usefixtures("quick", "drawn")
@pytest.mark.parametrize("error", [IndexError("injected"), ArithmeticError("injected"), MemoryError("injected")])
def test_a_gradient_check_that_raises_does_not_stop_the_training(error, here, monkeypatch):
    monkeypatch.setattr(_linear, "check_on_sample", fail_with(error))
    result = cli("run", "digits", "--limit", "60", "--models", "svm", "--out", "out")
    assert result.exit_code == 1, (result.stdout, result.stderr)
    assert Path("out/models/svm.safetensors").is_file()
    (entry,) = results_of("out")["models"].values()
    assert entry["gradient_check_max_relative_error"] is None
    assert entry["test_accuracy"] > 0.5
    assert [one["step"] for one in results_of("out")["failures"]] == ["gradient check of SVM"]
    assert "SVM: unknown. The check failed" in Path("out/report.html").read_text()


@pytest.mark.usefixtures("quick")
def test_if_every_model_fails_no_folder_is_left(here, monkeypatch):
    for place in ("_linear.search_randomly", "_linear.sweep", "_run.cross_validate_k"):
        monkeypatch.setattr(f"fastcls.cli.{place}", fail_with(ArithmeticError("injected")))
    result = cli("run", "digits", "--limit", "150")
    assert result.exit_code == 1
    assert listing(here) == []
    assert result.stderr.splitlines()[-1] == "fastcls: injected"


def test_a_failing_estimate_does_not_stop_the_run(here, monkeypatch):
    monkeypatch.setattr(_run, "estimate_seconds", fail_with(IndexError("injected")))
    result = cli("run", "digits", "--limit", "150", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, result.stderr
    assert "the duration of the run could not be estimated: IndexError: injected" in result.stderr


# where the results go -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("inside", [".", "..", "../../photos", "absolute", "link"])
def test_run_from_inside_the_data_does_not_change_the_data(inside, here, monkeypatch):
    write_images(here / "photos", each=6)
    (here / "link").symlink_to(here / "photos")
    before = listing(here / "photos")
    monkeypatch.chdir(here / "photos" / ("cat" if ".." in inside else ""))
    data = {"absolute": str(here / "photos"), "link": "../link"}.get(inside, inside)
    for _ in range(2):
        result = cli("run", data, "--models", "knn", "--ks", "1", "--image-size", "4", "--force")
        assert result.exit_code == 0, (result.stderr, result.exception)
        assert listing(here / "photos") == before
    assert (here / "fastcls-photos" / "results.json").is_file()
    words = result.stdout.splitlines()[-1].removeprefix("Next: fastcls ").split()
    assert cli(*words).exit_code == 0


@pytest.mark.parametrize("out", ["photos", "photos/out", "photos/cat/out", "photos/cat", "link/out", "photos/../photos/out"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_results_folder_inside_the_data_is_refused_before_any_work(out, force, here, monkeypatch):
    write_images(here / "photos", each=2)
    (here / "link").symlink_to(here / "photos")
    before = listing(here)
    for module in (_run, _preset):
        monkeypatch.setattr(module, "load_data", fail_with(AssertionError("no work is wanted")))
    for words in ([], ["--preset", "dino"]):
        assert refused(cli("run", "photos", "--out", out, *force, *words), "is in the folder of the data", "--out")
    assert listing(here) == before


@pytest.mark.process
def test_python_m_fastcls_is_the_command(here):
    from _command import python

    said, done = fresh("--version").stdout, python("-m", "fastcls", "--version", cwd=here)
    assert said.startswith("fastcls ")
    assert (done.returncode, done.stdout) == (0, said)
    code = (
        "import sys, runpy\nclass No:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': raise ModuleNotFoundError(name)\n"
        "import importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'typer' else real(name, *more)\n"
        "sys.argv = ['fastcls', 'run', 'digits']\nrunpy.run_module('fastcls', run_name='__main__')"
    )
    without = python("-c", code, cwd=here)
    assert without.returncode == 2
    assert without.stderr.splitlines() == [
        'fastcls: the command line needs the package typer: install with: pip install "fastcls[run]"'
    ]


@pytest.mark.usefixtures("quick", "drawn")
def test_counts_of_one_are_in_the_singular(here):
    write_embeddings("one.npz", n=12, classes=2, width=1)
    with np.load("one.npz") as data:
        np.savez("one.npz", X=data["X"], y=data["y"], X_test=data["X"][:1], y_test=data["y"][:1])
    result = cli("run", "one.npz", "--ks", "1")
    assert result.exit_code == 0, result.stderr
    text = re.sub(r"<[^>]*>", " ", Path("fastcls-one/report.html").read_text()) + result.stdout + result.stderr
    assert not re.findall(r"(?<![\d,.])1 (?:[a-z]+ )?(?:rows|classes|features|errors|images|folds|channels)\b", text)
    assert "1 test row" in text
    assert "1 feature " in text


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("models", ["knn", "knn,random_search,svm,softmax"])
def test_a_model_that_is_no_better_than_the_majority_class_is_not_called_best(models, here):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 4)), np.arange(60) % 2
    np.savez("data.npz", X=X, y=y, X_test=X[:20], y_test=np.zeros(20, int))  # of the majority class
    result = cli("run", "data.npz", "--ks", "1", "--models", models)
    assert result.exit_code == 0, result.stderr
    best = result.stdout.splitlines()[-2]
    assert best.endswith(
        "No model is better than always predicting the majority class: are rows and labels in the same order?"
    )
    assert models == "knn" or best.startswith("Best model: none. ")
