"""The parts of the report for practitioners: contents, data, classes, wrong rows with links, calibration, files."""

from __future__ import annotations

import csv
import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the report needs matplotlib (the extra 'run')")
pytest.importorskip("jinja2", reason="the report needs jinja2 (the extra 'run')")

from _command import cli, here, write_images
from _outcomes import digits, make_outcome, random_data
from _page import section, words
from sklearn.metrics import precision_recall_fscore_support

from fastcls import datasets
from fastcls._scoring.classes import numbers_of_classes
from fastcls._scoring.numbers import Answers, measure
from fastcls.cli import _linear
from fastcls.cli._checksum import checksums
from fastcls.cli._folder import own_files
from fastcls.cli.report import _data, _errors, _page, _protocol
from fastcls.cli.report._page import SECTIONS, render_report

__all__ = ["here"]  # the fixture that every test here is under
WRITE = _page.write_report  # the real one: the fixture replaces it


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are not drawn, which takes most of the time."""
    for module in ("_sections", "_errors", "_lecture"):
        monkeypatch.setattr(f"fastcls.cli.report.{module}.draw", lambda plot, description: description)


def with_scores(outcome: Any, name: str) -> Any:
    """The outcome, with a probability of each prediction that falls from row to row."""
    n = len(outcome.predictions[name])
    outcome.scores[name], outcome.measures[name] = np.linspace(1.0, 0.2, n), "probability"
    return outcome


def test_the_contents_link_to_every_part_and_no_other() -> None:
    text = render_report(with_scores(make_outcome(digits()), "softmax"))
    links = re.findall(r'<a href="#(\w+)">(.*?)</a>', text.split("<main>")[0])
    parts = re.findall(r'<section id="(\w+)">\s*<h2>(.*?)</h2>', text)
    assert links == parts
    assert [name for name, _ in parts] == [name for name in SECTIONS if name not in ("protocol", "files", "lecture")]
    alone = make_outcome(digits(), ("svm",))
    alone.lecture = True
    names = re.findall(r'<section id="(\w+)">', render_report(alone))
    assert "calibration" not in names  # the SVM has no probabilities
    assert names[-1] == "lecture"


def test_the_data_has_date_checksums_and_the_rows_of_each_class() -> None:
    outcome = make_outcome(random_data(40, n_features=3, n=400), ("knn",))
    outcome.results |= {"date": "2026-01-02T03:04:05+00:00", "checksums": {"training": "ab" * 32, "test": "cd" * 32}}
    text = section(render_report(outcome), "data")
    said = words(text)
    assert "date of the run 2026-01-02 03:04:05 UTC" in said
    assert f"SHA-256 of the training rows {'ab' * 32} SHA-256 of the test rows {'cd' * 32}" in said
    assert "40 classes. Training rows of a class: 5. Test rows of a class: 5." in said
    assert "<details><summary>Table" in text  # 40 classes are too many to be shown at once
    assert len(re.findall(r"<tr><th scope=\"row\">class \d+</th><td class=\"number\">5</td>", text)) == 40


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, None),
        ({"test_rows": 0, "other_class": 0}, "None of the 360 test rows equals a training row."),
        ({"test_rows": 1, "other_class": 1}, "1 of 360 test rows (0.28 %) equals a training row."),
        ({"test_rows": 36, "other_class": 2}, "2 of them equal a training row of another class"),
    ],
)
def test_duplicates_are_reported_if_they_were_counted(known: Any, said: str | None) -> None:
    outcome = make_outcome(digits(), ("knn",))
    if known is not None:
        outcome.results["duplicates"] = known
    text = words(section(render_report(outcome), "data"))
    assert ("Duplicates" in text) == (known is not None)
    assert said is None or said in text


def test_classes_are_sorted_by_f1_and_those_without_test_rows_are_last() -> None:
    truth = np.repeat([0, 1, 2, 4], [4, 4, 8, 8])  # none of class 3
    predicted = np.where(np.arange(24) % 4 == 0, 1, truth)
    predicted[-1] = 3
    numbers = numbers_of_classes(truth, predicted, 5)
    for found, wanted in zip(
        numbers, precision_recall_fscore_support(truth, predicted, labels=range(5), zero_division=0), strict=True
    ):
        np.testing.assert_array_equal(np.nan_to_num(found), wanted)
    assert np.isnan(numbers[1][3])  # a class without test rows has no recall
    order = _errors.worst_first(numbers).tolist()
    assert order[-1] == 3
    assert order[:4] == sorted((0, 1, 2, 4), key=lambda code: (numbers[2][code], -numbers[3][code]))


@pytest.mark.parametrize(("n_classes", "shown"), [(10, 10), (58, 20)])
def test_each_class_is_in_the_table_of_each_model_once(n_classes: int, shown: int) -> None:
    outcome = make_outcome(random_data(n_classes, n_features=3, n=20 * n_classes), ("knn", "softmax"))
    models = _errors.classes(outcome)
    assert [len(one["rows"]) for one in models] == [shown] * 2
    for one in models:
        names = [row["name"] for row in [*one["rows"], *one["others"]]]
        assert sorted(names) == sorted(outcome.dataset.class_names)
    text = section(render_report(outcome), "classes")
    assert ("The other 38 classes" in words(text)) == (n_classes == 58)


def test_many_classes_are_cut_off_with_a_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_data, _errors):
        monkeypatch.setattr(module, "MOST_CLASSES", 30)
    outcome = make_outcome(random_data(58, n_features=3, n=580), ("knn",))
    said = words(render_report(outcome))
    assert "28 more classes in results.json." in said
    assert "The other 28 classes are in results.json." in said


def test_the_wrong_rows_with_the_highest_probability_are_listed_first() -> None:
    outcome = with_scores(make_outcome(digits(), ("softmax",)), "softmax")
    outcome.scores["softmax"] = outcome.scores["softmax"][::-1]  # the last rows are the most certain
    wrong = np.flatnonzero(outcome.predictions["softmax"] != outcome.dataset.y_test)
    text = section(render_report(outcome), "errors")
    assert "Wrong test rows, highest probability first" in words(text)
    items = [words(item) for item in re.findall(r"<li>.*?</li>", text, re.S)]
    assert [int(item.split()[1]) for item in items] == wrong[::-1][: _errors.SHOWN_WRONG].tolist()
    assert items[0].endswith(f"probability {100 * outcome.scores['softmax'][wrong[-1]]:.1f} %")
    assert len(re.findall(r'<li><img src="data:image/png;base64,', text)) == len(items)
    outcome = make_outcome(random_data(3, n_features=2), ("svm",))
    assert "Rows are numbered from 0" in section(render_report(outcome), "errors")
    assert "<img" not in section(render_report(outcome), "errors")


def test_the_calibration_error_of_the_figure_is_that_of_the_numbers() -> None:
    outcome = with_scores(make_outcome(digits(), ("softmax", "svm")), "softmax")
    truth, predicted = outcome.dataset.y_test, outcome.predictions["softmax"]
    confidence = outcome.scores["softmax"]
    (numbers,) = measure(truth, [[Answers(predicted, {}, None, confidence, confidence)]], 10)
    (shown,) = _errors.calibrations(outcome)
    assert f"Expected calibration error {100 * numbers.values['calibration_error'][0]:.2f}\u00a0%" in shown["caption"]
    assert "SVM" not in section(render_report(outcome), "calibration").split("probabilities.")[1]


# whole runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the whole report, of a quick run."""
    monkeypatch.setattr(_page, "write_report", WRITE)
    monkeypatch.setattr(_linear, "ALPHAS", (1e-1, 1e-3))


@pytest.mark.usefixtures("written")
def test_files_of_wrong_rows_are_linked_and_the_saved_models_too(here: Path) -> None:
    names = ("cat & dog", 'a "quoted" <b>', "50%20#?;x", "=1+1")
    write_images(here / "photos", classes=names, each=10)
    out = here / "results of it"
    result = cli("run", "photos", "--models", "svm,random_search", "--out", out)
    assert result.exit_code == 0, result.stderr
    text = (out / "report.html").read_text(encoding="utf-8")
    wrong = [row for model in json.loads((out / "results.json").read_text())["wrong"].values() for row in model]
    assert wrong
    linked = [unquote(html.unescape(link)) for link in re.findall(r'<a href="(\.\./[^"]*)"', text)]
    assert sorted(linked) == sorted(f"../photos/{row['path']}" for row in wrong)
    assert all((out / link).is_file() for link in linked)
    shown = section(text, "files")
    for link in re.findall(r'href="([^"]*)"', shown):
        assert (out / link).is_file()
    for name in ("svm", "random_search"):
        size = (out / "models" / f"{name}.safetensors").stat().st_size
        row = next(words(row) for row in re.findall(r"<tr>.*?</tr>", shown, re.S) if f"models/{name}." in row)
        assert f"{size / 1000:.{0 if size >= 100_000 else 1}f} kB" in row
    rows = list(csv.DictReader((out / "errors.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["model"], row["path"].removeprefix("'")) for row in rows if row["model"] == "svm"] != []
    assert len(rows) == len(wrong)
    for model in ("svm", "random_search"):
        scores = [float(row["score"]) for row in rows if row["model"] == model]
        assert scores == sorted(scores, reverse=True)
    assert own_files(out) >= {"errors.csv", "predictions.csv", "report.html"}
    (out / "errors.csv").write_text("mine")
    assert "errors.csv" not in own_files(out)


def test_a_file_that_is_gone_or_has_no_such_name_is_not_linked(here: Path) -> None:
    outcome = make_outcome(digits(), ("knn",))
    outcome.source, outcome.folder = here / "data", here / "out"
    (here / "data").mkdir()
    (here / "data" / "javascript:alert(1)").touch()
    assert _data.link_to(outcome, "missing.png") == ""
    assert _data.link_to(outcome, "\0") == ""
    assert _data.link_to(outcome, "javascript:alert(1)") == "../data/javascript%3Aalert%281%29"
    outcome.source = None
    assert _data.link_to(outcome, "javascript:alert(1)") == ""


@pytest.mark.usefixtures("written")
def test_the_lectures_figures_are_drawn_only_with_their_option(here: Path) -> None:
    words = ["run", "digits", "--limit", "100", "--ks", "1,3", "--models", "knn"]
    assert cli(*words).exit_code == 0
    assert "The curse of dimensionality" not in Path("fastcls-digits/report.html").read_text()
    assert cli(*words, "--lecture", "--force").exit_code == 0
    text = Path("fastcls-digits/report.html").read_text()
    assert "The curse of dimensionality" in section(text, "lecture")
    results = json.loads(Path("fastcls-digits/results.json").read_text())
    assert "--lecture" in results["command"]
    assert results["class_counts"]["training"] == [10] * 10
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", results["date"])
    for of_class in results["models"]["knn"]["per_class"]:
        assert set(of_class) == {"class", "accuracy", "interval", "precision", "f1", "test_rows"}


def test_checksums_depend_on_values_type_classes_and_order_alone() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2

    def found(X: np.ndarray, y: np.ndarray) -> str:
        data = datasets.Dataset(X[:15], y[:15], X[15:], y[15:], class_names=("a", "b"))
        return checksums({"training": (data.X, data.y, None)}, lambda done, total: None)["training"]

    assert found(X, y) == found(np.asfortranarray(X), y.astype(np.int8)) == found(X.astype(">f4"), y)
    assert len({found(X, y), found(X.astype(np.float64), y), found(X, 1 - y), found(X[::-1].copy(), y)}) == 4


@pytest.mark.usefixtures("written")
def test_a_protocol_has_a_report_with_its_table_and_the_errors_of_its_best_row(here: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(300) % 6
    np.savez("emb.npz", X=(rng.normal(size=(300, 8)) + y[:, None] / 2).astype(np.float32), y=y)
    assert cli("run", "emb.npz", "--preset", "dinov2").exit_code == 0
    out = Path("fastcls-emb-dinov2")
    text, results = (out / "report.html").read_text(), json.loads((out / "results.json").read_text())
    rows = results["protocol"]["rows"]
    best = max(rows, key=lambda row: row["top1"])
    assert f"k = {best['k']}: test accuracy {100 * best['top1']:.2f} %" in words(text)
    *table, always = [
        words(row) for row in re.findall(r"<tr.*?</tr>", section(text, "protocol").split("</table>")[0], re.S)[1:]
    ]
    assert len(table) == len(rows)
    for shown, row in zip(table, rows, strict=True):
        assert shown.startswith(f"{row['k']} {100 * row['top1']:.2f} %")
        assert f"{100 * row['top1_low']:.1f} to {100 * row['top1_high']:.1f}" in shown
    majority = results["baseline"]
    low, high = majority["test_accuracy_interval"]
    share = f"{100 * majority['test_accuracy']:.2f} % {100 * low:.1f} to {100 * high:.1f}"
    assert always.startswith(f"always {majority['class_name']} {share}")
    assert "majority" not in words(section(text, "protocol")).partition("Settings")[2]
    n_wrong = round((1 - best["top1"]) * results["n_test"])
    assert f"k-NN, k = {best['k']}: {n_wrong} errors on 60 test rows" in words(section(text, "errors"))
    assert f"accuracy of k-NN, k = {best['k']} against its probabilities" in section(text, "calibration")
    assert "The protocol evaluates 4 models on the test rows, as published." in words(section(text, "test_use"))
    assert 'href="models/knn.safetensors"' in section(text, "files")
    assert not section(text, "summary")


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        (("k",), [(10, 0.5), (20, 0.75)], "k = 20: test accuracy 75.00 % on 8 test rows."),
        (("C", "validation"), [(0.125, 0.5, None), (2.0, 0.75, 0.5)], "C = 2: test accuracy 50.00 % on 8 test rows."),
        (("weight_decay",), [(0.0, 0.5)], "weight decay = 0: test accuracy 50.00 % on 8 test rows."),
        (("experiment",), [(1, 0.9), ("mean", 0.5)], "mean of the experiments: test accuracy 50.00 % on 8 test rows."),
        (("metric", "k"), [("l2", 3, 0.5)], "metric l2, k = 3: test accuracy 50.00 % on 8 test rows."),
        (("model", "setting"), [("SVM", "rate 1, reg 2", 0.5)], "SVM, rate 1, reg 2: test accuracy 50.00 % on 8 test rows."),
        (("k",), [(10, None)], "No row of the protocol has a test accuracy."),
    ],
)
def test_the_verdict_of_a_protocol_names_its_setting(columns: Any, rows: Any, said: str) -> None:
    found = [dict(zip((*columns, "top1"), row, strict=True)) for row in rows]
    protocol = {"rows": found, "columns": [*columns, "top1"], "p_values": [], "settings": {"source": "a paper"}}
    verdict = _protocol.protocol_verdict({"protocol": protocol, "n_test": 8})
    assert words(verdict["verdict"]) == said
    assert verdict["verdict_note"] == "Protocol: a paper."
