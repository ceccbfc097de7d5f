"""``fastcls compare``: from files to one table, one report, and finished parts that a second run skips."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest
from _command import cli, here, listing, refused
from _page import words as words_of

from fastcls import InputError, datasets, protocols
from fastcls._scoring import intervals, numbers, pairs
from fastcls._storage import safetensors
from fastcls._validation.types import BFLOAT16, narrowed
from fastcls.cli import _compare, _compare_inputs, _results, _signals
from fastcls.cli._compare_options import parse_compare_options, parse_n_per_class
from fastcls.cli._estimate_compare import Remaining, Seconds, estimate_parts, in_words
from fastcls.cli.report import _comparison

__all__ = ["here"]  # the fixture that every test here is under

N = 90
Y = np.arange(N) % 3
FIGURES = _comparison.figures
QUICK = ("--preset", "torchgeo-bench")


@pytest.fixture(autouse=True)
def quick(here, monkeypatch):
    """No estimate and no figures, which tests of their own have, and few resamples."""
    for module in (numbers, pairs):
        monkeypatch.setattr(module, "resamples", lambda n_rows, n=0: intervals.resamples(n_rows, 40))
    monkeypatch.setattr(_compare, "estimate_parts", lambda plan, parts: dict.fromkeys(parts, Seconds(1.0, 1.0)))
    monkeypatch.setattr(_comparison, "figures", lambda results: [])


@pytest.fixture
def files(here):
    """Three representations of the same rows in three formats, and their labels."""
    rng = np.random.default_rng(0)
    good = (rng.standard_normal((N, 6)) + 2 * np.eye(3, 6)[Y]).astype(np.float32)
    np.save("good.npy", good)
    np.savez("fair.npz", X=good[:, :3] + rng.standard_normal((N, 3)).astype(np.float32))
    lines = [f"{a:.3f},{b:.3f},{label}" for (a, b), label in zip(rng.standard_normal((N, 2)), Y, strict=True)]
    Path("bad.csv").write_text("a,b,label\n" + "\n".join(lines))
    np.save("species.npy", Y)
    return "good.npy", "fair.npz", "bad.csv"


def results_in(folder):
    return json.loads(Path(folder, "results.json").read_text())


def test_three_formats_end_in_one_report_that_says_who_is_best(files):
    done = cli("compare", *files, "--labels", "species.npy", *QUICK, "--out", "out")
    assert done.exit_code == 0, (done.stderr, done.exception)
    results = results_in("out")
    assert [row["representation"] for row in results["table"]] == ["good", "fair", "bad"]
    assert results["representations"]["bad"]["n_features"] == 2  # its own column of labels is no feature
    assert len(results["pairs"]) == 3
    train, test = datasets.train_validation_split(Y, validation_size=0.2, random_state=0)
    X = np.load("good.npy")
    alone = protocols.knn_eval(X[train], Y[train], X[test], Y[test], preset="torchgeo-bench")
    assert results["table"][0]["top1"] == alone["top1"][0]
    assert set(results["wrong_alone"]["torchgeo-bench"]["bad"]["rows"]) <= set(test.tolist())
    assert "torchgeo-bench: good is" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["Report: out/report.html", "Results: out/results.json"]
    page = words_of(Path("out/report.html").read_text())
    for word in ("good", "fair.npz", "significant", "fastcls compare good.npy", "3 classes of 30 rows each"):
        assert word in page
    on_screen = [line for line in done.stderr.splitlines() if line.startswith("torchgeo-bench, ")]
    assert len(on_screen) == 3
    assert "this will take about 3 s" in done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_bfloat16_is_named_on_screen_in_the_results_and_in_the_report(files):
    half = narrowed(np.load("good.npy"), BFLOAT16)
    safetensors.write(Path("half.safetensors"), {"features": half, "labels": Y}, {})
    done = cli("compare", "half.safetensors", "good.npy", *QUICK, "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert "half: 6 features of type bfloat16, 12 bytes a row" in done.stderr
    assert [one["dtype"] for one in results_in("out")["representations"].values()] == ["bfloat16", "float32"]
    page = words_of(Path("out/report.html").read_text())
    assert "bfloat16" in page
    assert "|V2" not in page


def test_a_second_run_skips_what_is_there_and_adds_what_is_new(files, monkeypatch):
    assert cli("compare", *files[:2], "--labels", "species.npy", *QUICK, "--out", "out", "--csv", "all.csv").exit_code == 0
    first = results_in("out")
    done = cli("compare", *files, "--labels", "species.npy", *QUICK, "--out", "out", "--csv", "all.csv")
    assert done.exit_code == 0, done.stderr
    assert "torchgeo-bench: skipped good, fair, done in an earlier run" in done.stderr
    assert "all.csv: 1 row added, 2 were there" in done.stderr
    assert f"note: out had the results of another comparison, which are replaced: {first['command']}\n" in done.stderr
    results = results_in("out")
    assert results["skipped"] == [["good", "torchgeo-bench"], ["fair", "torchgeo-bench"]]
    assert results["table"][:2] == first["table"]
    with open("all.csv", newline="") as file:
        assert [row["representation"] for row in csv.DictReader(file)] == ["good", "fair", "bad"]
    monkeypatch.setattr(_compare.Plan, "evaluate", None)  # nothing is left to evaluate
    again = cli("compare", *files, "--labels", "species.npy", *QUICK, "--out", "out", "--csv", "all.csv")
    assert again.exit_code == 0
    assert "another comparison" not in again.stderr


def test_results_that_a_comparison_would_lose_are_replaced_only_with_force(files):
    words = ("--labels", "species.npy", "--out", "out", "--preset")
    assert cli("compare", *files, *words, "torchgeo-bench,dino").exit_code == 0
    first = Path("out/results.json").read_bytes()
    for data, preset, said in (
        (files[:2], "torchgeo-bench,dino", "the representation 'bad', which this one has not: add it to the command"),
        (files, "torchgeo-bench", "the protocol 'dino', which this one has not: add it to the command"),
        (["x=good.npy", "y=fair.npz"], "dino", "the representation 'good', 'fair', 'bad', which this one has not: add them"),
    ):
        refused(cli("compare", *data, *words, preset), said, "--out, or replace the results with --force")
        assert Path("out/results.json").read_bytes() == first
    done = cli("compare", *files[:2], *words, "dino", "--force")
    assert done.exit_code == 0, done.stderr
    assert "skipped good, fair, done in an earlier run" in done.stderr
    assert [row["representation"] for row in results_in("out")["table"] if row["setting"] == "k=10"] == ["good", "fair"]
    assert "--force" not in results_in("out")["command"]


def test_the_plan_of_a_command_finds_its_parts_again(files):
    """As ``bench/paired_tests.py`` plans a command again, with the function that the command itself plans with."""
    more = {"preset": "torchgeo-bench,uni-few-shot", "n_per_class": "2,4", "tries": 2, "folds": 3, "limit": 60, "seed": 4}
    words = [word for name, value in more.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert cli("compare", *files, "--labels", "species.npy", *words, "--out", "out").exit_code == 0
    absent = {"test": (), "test_labels": None, "out": None, "csv": None}
    options = parse_compare_options(list(files), labels="species.npy", **more, **absent)
    data = _compare_inputs.read_representations(options, lambda done, total: None)
    plan = _compare.plan_of(options, data, Path("out"))
    assert len(plan.parts) == 6
    assert all(map(plan.is_done, plan.parts))
    assert not any(map(_compare.plan_of(options, data, None).is_done, plan.parts))


def test_an_interrupt_leaves_what_is_finished_and_says_so(files, monkeypatch):
    inner = _compare.Plan.evaluate

    def interrupted(plan, part, *more):
        if part.representation == "fair":
            raise KeyboardInterrupt
        inner(plan, part, *more)

    monkeypatch.setattr(_compare.Plan, "evaluate", interrupted)
    words = ("compare", *files, "--labels", "species.npy", *QUICK)
    stopped = cli(*words, "--out", "out")
    assert stopped.exit_code == 130
    assert "interrupted; 1 of 3 parts is in out: repeat the command to continue" in stopped.stderr
    assert len(listing("out")) == 2
    assert "nothing was kept: with --out DIR" in cli(*words).stderr
    monkeypatch.setattr(_compare.Plan, "evaluate", inner)
    assert "skipped good, done" in cli(*words, "--out", "out").stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows sends no such signals")
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_other_signals_are_interrupts_with_an_exit_status_of_their_own(name, status, files, monkeypatch):
    number, inner = getattr(signal, name), _compare.Plan.evaluate
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)}

    def ended(plan, part, *more):
        inner(plan, part, *more)
        if plan.is_done(plan.parts[0]):
            signal.raise_signal(number)

    words = ("compare", *files, "--labels", "species.npy", *QUICK)
    try:
        monkeypatch.setattr(_compare.Plan, "evaluate", ended)
        with _signals.acting_as_interrupts():
            stopped = cli(*words, "--out", "out")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert stopped.exit_code == status
    assert stopped.stderr.splitlines()[-1].startswith("fastcls: interrupted; ")
    assert stopped.stderr.splitlines()[-1].endswith(" in out: repeat the command to continue")
    assert len([name for name in listing("out") if name.endswith(".safetensors")]) >= 1
    assert not any(name.endswith(".partial") for name in listing("out"))


def test_an_ignored_signal_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with _signals.acting_as_interrupts():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_options_that_no_protocol_uses_and_protocols_of_run_are_refused(files):
    for option, value in {"--n-per-class": "2", "--tries": "3"}.items():
        said = (
            f"{option} is for few-shot protocols, but --preset dino,clip-probe has none: leave it out, or add one, such as"
        )
        refused(cli("compare", *files, "--preset", "dino,clip-probe", option, value), said)
    refused(cli("compare", *files, "--preset", "course"), "fastcls run DATA --preset course")
    for words in (["--preset", "mteb-few-shot"], ["--probe", "mteb-few-shot"]):
        refused(cli("run", "good.npy", *words), "another command: fastcls compare A B --preset mteb-few-shot")
    refused(
        cli("run", "good.npy", "--preset", "clip-probe"), "unknown preset clip-probe: did you mean --probe clip? Or choose"
    )


def test_the_division_of_the_rows_is_in_the_words_of_the_command_line(files):
    words = ("compare", *files[:2], "--labels", "species.npy", *QUICK, "--seed", "3", "--json")
    assert json.loads(cli(*words).stdout)["rows"] == "a stratified hold-out of 20 %, --seed 3"
    assert json.loads(cli(*words, "--folds", "3").stdout)["rows"] == "3 stratified folds, --seed 3"


def test_json_alone_is_on_stdout_and_without_a_folder_no_file_is_written(files):
    before = listing(".")
    done = cli("compare", *files[:2], "--labels", "species.npy", *QUICK, "--json", "--limit", "60", "--seed", "3")
    assert done.exit_code == 0, done.stderr
    results = json.loads(done.stdout)
    assert (results["n_train"], results["n_test"], results["limit"], results["seed"]) == (48, 12, 60, 3)
    assert results["command"] == (
        "fastcls compare good.npy fair.npz --labels species.npy --limit 60 --preset torchgeo-bench --seed 3"
    )
    assert listing(".") == before


def test_labels_may_come_from_one_of_the_files_and_names_may_be_given(files):
    done = cli("compare", "first=good.npy", "./bad.csv", *QUICK, "--folds", "3", "--json")
    assert done.exit_code == 0, done.stderr
    results = json.loads(done.stdout)
    assert list(results["representations"]) == ["first", "bad"]
    assert results["n_test"] == N
    assert results["class_names"] == ["0", "1", "2"]


def test_every_file_is_read_once(files, monkeypatch):
    read = []
    inner = _compare_inputs.load
    monkeypatch.setattr(_compare_inputs, "load", lambda path, **more: (read.append(path), inner(path, **more))[1])
    np.savez("own.npz", X=np.load("good.npy"), y=Y)
    words = ("compare", "own.npz", "bad.csv", *QUICK, "--json")
    for more in ([], ["--labels", "species.npy"]):
        assert cli(*words, *more).exit_code == 0
        assert read == ["own.npz", "bad.csv"]
        read.clear()


@pytest.mark.parametrize(
    "names", [["cat", "dog", "owl"], ["False", "True", "Yes"], ["00", "01", "02"], ["dog", "cat", "ant"]]
)
def test_text_and_numbers_that_name_the_same_classes_are_the_same_labels(names, files):
    np.savez("words.npz", X=np.load("good.npy"), y=np.array(names)[Y])
    for paths, first in ((("bad.csv", "words.npz"), "0"), (("words.npz", "bad.csv"), names[0])):
        done = cli("compare", *paths, *QUICK, "--json")
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["class_names"] == sorted(names if first == names[0] else "012")
        kinds = (
            "text and those of 'bad.csv' are numbers" if first == names[0] else "numbers and those of 'words.npz' are text"
        )
        assert f"note: the labels of '{paths[0]}' are {kinds}, one for one (" in done.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda y: np.roll(y, 1) * (np.arange(N) > 3), "rows 2 and 5 are both '2' in 'bad.csv', but 'cat' and 'dog'"),
        (lambda y: np.minimum(y, 1), "rows 1 and 2 are both 'dog' in 'words.npz', but '1' and '2' in the other"),
    ],
)
def test_text_and_numbers_that_name_other_classes_are_refused_with_two_rows(changed, said, files):
    np.savez("words.npz", X=np.load("good.npy"), y=np.array(["cat", "dog", "owl"])[changed(Y)])
    wanted = "the labels of 'bad.csv' are numbers and those of 'words.npz' are text, and they do not name the same classes: "
    done = cli("compare", "bad.csv", "words.npz", *QUICK)
    assert done.exit_code == 2
    assert wanted in done.stderr
    assert said in done.stderr


def test_test_rows_of_their_own_files(files):
    X = np.load("good.npy")
    np.save("a.npy", X[:60])
    np.save("a-test.npy", X[60:])
    np.save("b.npy", X[:60, :2])
    np.save("b-test.npy", X[60:, :2])
    np.save("train.npy", Y[:60])
    Path("test.csv").write_text("\n".join(map(str, Y[60:])))
    words = ("compare", "a.npy", "b.npy", "--labels", "train.npy", *QUICK, "--json")
    done = cli(*words, "--test", "a-test.npy", "--test", "b-test.npy", "--test-labels", "test.csv")
    assert done.exit_code == 0, done.stderr
    results = json.loads(done.stdout)
    assert (results["n_train"], results["n_test"], results["rows"]) == (60, 30, "test rows as given")
    again = json.loads(cli(*words, "--test", "a-test.npy,b-test.npy", "--test-labels", "test.csv").stdout)
    assert [row["top1"] for row in again["table"]] == [row["top1"] for row in results["table"]]
    np.savez("own-a.npz", X=X[:60], y=Y[:60], X_test=X[60:], y_test=Y[60:])
    np.savez("own-b.npz", X=X[:60, :2], y=Y[:60], X_test=X[60:, :2], y_test=Y[60:])
    own = json.loads(cli("compare", "own-a.npz", "own-b.npz", *QUICK, "--json").stdout)
    assert [row["top1"] for row in own["table"]] == [row["top1"] for row in results["table"]]
    for name, columns, part in (("b", "pq", X[:60, :2]), ("b-test", "qp", X[60:, 1::-1]), ("c-test", "qr", X[60:, :2])):
        Path(f"{name}.csv").write_text("\n".join([",".join(columns), *(f"{a},{b}" for a, b in part.tolist())]))
    tables = ("compare", "a.npy", "b.csv", *words[3:], "--test-labels", "test.csv", "--test")
    done = cli(*tables, "a-test.npy,b-test.csv")
    assert "'b-test.csv': its columns are read in the order of 'b.csv'" in done.stderr
    assert [row["top1"] for row in json.loads(done.stdout)["table"]] == [row["top1"] for row in results["table"]]
    refused(cli(*tables, "a-test.npy,c-test.csv"), "have different columns, the first lacks 'p' and also has 'r'")
    refused(cli("compare", "own-a.npz", "b.npy", *QUICK), "has test rows of its own, but 'b.npy' has not")
    refused(cli(*words, "--test", "a-test.npy"), "--test names 1 file for 2 representations")
    refused(cli(*words, "--test", "a-test.npy,b-test.npy"), "the test rows have no labels: give --test-labels FILE")
    given = cli("compare", "own-a.npz", "own-b.npz", "--labels", "train.npy", *QUICK, "--json")  # test labels of their own
    assert [row["top1"] for row in json.loads(given.stdout)["table"]] == [row["top1"] for row in results["table"]]
    refused(cli("compare", "own-a.npz", "own-b.npz", *QUICK, "--folds", "3"), "--folds is given, but there are test rows")


REFUSALS = {
    "one": (("good.npy",), "at least two representations, but was given 'good.npy': for one, fastcls run DATA"),
    "twice": (("good.npy", "./good.npy"), "have the same name, 'good': give one as NAME=PATH"),
    "no labels": (("good.npy", "fair.npz"), "none of 'good.npy', 'fair.npz' has labels: give --labels FILE"),
    "missing": (("good.npy", "fare.npz"), "no file or folder 'fare.npz'"),
    "no name": (("=good.npy", "fair.npz"), "has no name before '='"),
    "preset": (("good.npy", "bad.csv", "--preset", "clip"), "did you mean clip-probe?"),
    "rows": (
        ("good.npy", "short.npy", "--labels", "species.npy"),
        "'short.npy' has 9 rows, but 'species.npy' has 90 labels",
    ),
    "labels differ": (("bad.csv", "other.csv"), "differ, first at row 4: '1' and '2'"),
    "test labels": (("good.npy", "fair.npz", "--labels", "words.npy", "--test-labels", "words.npy"), "without test rows"),
    "folds": (("good.npy", "bad.csv", "--folds", "1"), "--folds 1: wanted a whole number of at least 2"),
    "per class": (("good.npy", "bad.csv", "--n-per-class", "0"), "--n-per-class '0': wanted rows of each class"),
    "tries": (("good.npy", "bad.csv", "--tries", "0"), "--tries 0: wanted"),
    "seed": (("good.npy", "bad.csv", "--seed", "-1"), "--seed -1: wanted"),
    "foreign folder": (("good.npy", "bad.csv", "--out", "mine"), "the folder mine is not one of fastcls compare"),
    "no parent": (("good.npy", "bad.csv", "--out", "no/where"), "its parent folder does not exist"),
    "no folder of the table": (
        ("good.npy", "bad.csv", "--csv", "no/all.csv"),
        "write the table to 'no/all.csv': there is no",
    ),
    "foreign table": (("good.npy", "bad.csv", "--csv", "bad.csv"), "its first column is not 'fastcls'"),
}


@pytest.mark.parametrize(("words", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_are_one_line_and_leave_nothing(words, message, files):
    np.save("short.npy", np.zeros((9, 2), np.float32))
    np.save("words.npy", Y.astype(str))
    lines = Path("bad.csv").read_text().splitlines()
    Path("other.csv").write_text("\n".join([*lines[:5], lines[5][:-1] + "2", *lines[6:]]))
    Path("mine").mkdir()
    Path("mine", "thesis.txt").touch()
    before = listing(".")
    preset = () if "--preset" in words else QUICK
    assert refused(cli("compare", *words, *preset), message)
    assert listing(".") == before


def test_a_table_that_cannot_be_written_at_the_end_costs_no_other_result(files, monkeypatch):
    def full(table, path):
        raise InputError(f"cannot write {path}: no space")

    monkeypatch.setattr(_results, "add_to_csv", full)
    words = ("compare", *files[:2], "--labels", "species.npy", *QUICK, "--csv", "all.csv")
    done = cli(*words, "--out", "out")
    assert (done.exit_code, done.stderr.count("cannot write all.csv: no space")) == (2, 1)
    assert "torchgeo-bench: good is" in done.stdout
    assert done.stdout.splitlines()[-1] == "Results: out/results.json"
    assert json.loads(cli(*words, "--json").stdout)["n_test"] == 18


def test_a_folder_with_other_files_among_its_own_is_left_alone(files):
    words = ("compare", *files[:2], "--labels", "species.npy", *QUICK, "--out", "out")
    assert cli(*words).exit_code == 0
    Path("out/notes.txt").touch()
    refused(cli(*words), "the folder out contains notes.txt, which fastcls compare did not write")


def test_run_adds_its_models_to_the_same_kind_of_table(files):
    for _ in range(2):
        done = cli("run", "bad.csv", "--models", "knn,softmax", "--ks", "1,3", "--out", "r", "--force", "--csv", "all.csv")
        assert done.exit_code == 0, (done.stderr, done.exception)
    assert "all.csv: 0 rows added, 2 were there" in done.stderr
    assert cli("run", "bad.csv", "--preset", "torchgeo-bench", "--out", "p", "--csv", "all.csv").exit_code == 0
    with open("all.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["k"] or row["alpha"] != "", row["preset"]) for row in rows] == [
        ("knn", rows[0]["k"], ""),
        ("softmax", True, ""),
        ("", "5", "torchgeo-bench"),
    ]
    assert all(0 <= float(row["top1_low"]) <= float(row["top1"]) <= float(row["top1_high"]) <= 1 for row in rows)
    refused(cli("run", "bad.csv", "--out", "q", "--csv", "bad.csv"), "its first column is not 'fastcls'")


def test_rows_have_the_checksums_of_a_run_of_the_same_data(files, monkeypatch):
    monkeypatch.setattr("fastcls.cli._checksum._VALUES_AT_ONCE", 50)  # several chunks
    X = np.load("good.npy")
    np.savez("split.npz", X=X, y=Y)
    np.savez("given.npz", X_train=X[:60], y_train=Y[:60], X_test=X[60:], y_test=Y[60:])
    for name in ("split", "given"):
        data = f"{name}.npz"
        assert cli("run", data, "--preset", "torchgeo-bench", "--out", f"run-{name}").exit_code == 0
        done = cli("compare", data, f"again={data}", *QUICK, "--out", name)
        assert done.exit_code == 0, (done.stderr, done.exception)
        wanted = results_in(f"run-{name}")["checksums"]
        assert [one["checksums"] for one in results_in(name)["representations"].values()] == [wanted] * 2
        assert set(wanted) == {"training", "test"}
        assert wanted["training"][:12] in Path(name, "report.html").read_text()
    assert cli("compare", "split.npz", "again=split.npz", *QUICK, "--folds", "3", "--out", "folds").exit_code == 0
    assert list(results_in("folds")["representations"]["split"]["checksums"]) == ["training"]


def test_the_report_draws_its_figures_and_escapes_names(files, monkeypatch):
    monkeypatch.setattr(_comparison, "figures", FIGURES)
    name = "<b>&good</b>"
    words = ("compare", f"{name}=good.npy", "fair.npz", "--labels", "species.npy", "--tries", "2", "--n-per-class", "1,2")
    done = cli(*words, "--preset", "uni-few-shot", "--out", "out")
    assert done.exit_code == 0, (done.stderr, done.exception)
    text = Path("out/report.html").read_text()
    assert "<b>&good" not in text
    assert "&lt;b&gt;&amp;good" in text
    assert text.count("<svg") == 2  # accuracies, label efficiency


def test_the_estimate_has_a_time_for_every_kind_of_part(files):
    rows = {"good": np.load("good.npy"), "fair": np.load("fair.npz")["X"]}
    names = ["dino", "uni-probe", "mteb-probe", "uni-few-shot", "mteb-v1-knn", "clip-benchmark-probe"]
    plan = protocols.Plan(rows, Y, presets=names, n_per_class=[1], n_tries=2)
    found = estimate_parts(plan, plan.parts)
    assert set(found) == set(plan.parts)
    assert all(0 < seconds.expected <= seconds.most < 600 for seconds in found.values())
    assert list(found) == sorted(found, key=lambda part: found[part].expected)
    bounded = {part.protocol for part, seconds in found.items() if seconds.most > seconds.expected}
    assert bounded == {"uni-probe"}  # only its fits may need more iterations than expected


def parts_of(**seconds):
    """{Part: Seconds} of parts named protocol__representation."""
    return {
        protocols.Part(name, protocol.replace("_", "-"), ""): Seconds(*given)
        for (protocol, name), given in ((key.split("__"), given) for key, given in seconds.items())
    }


def test_what_takes_long_is_named_with_its_bound_and_with_what_is_left_without_it():
    found = parts_of(dino__a=(20, 20), dino__b=(22, 22), clip_probe__a=(200, 500), clip_probe__b=(400, 1000))
    assert in_words(found) == [
        "this will take about 11 min (at most 26 min): clip-probe about 10 min (at most 25 min), dino about 40 s",
        "clip-probe takes most of it; without it about 40 s: --preset dino",
    ]
    assert in_words(parts_of(dino__a=(20, 20), dino__b=(22, 22))) == ["this will take about 40 s"]
    assert in_words(parts_of(dino__a=(10, 10), clip_probe__a=(20, 50))) == [
        "this will take about 30 s (at most 60 s): clip-probe about 20 s (at most 50 s), dino about 10 s"
    ]
    assert in_words(parts_of(dino__a=(0.2, 0.2), clip_probe__a=(0.3, 2))) == ["this will take about 1 s"]


def test_what_is_left_is_corrected_by_parts_of_the_same_kind():
    found = parts_of(dino__a=(1, 1), dino__b=(2, 2), clip_probe__a=(10, 50), uni_probe__b=(30, 90))
    one, two, three, four = found
    remaining = Remaining(found)
    assert remaining.finished(one, 3.0) == 3 * 2 + 40  # a search that takes three times as long says nothing of a probe
    assert remaining.finished(two, 3.0) == 40
    assert remaining.finished(three, 5.0) == 15
    assert remaining.finished(four, 1.0) == 0


def test_numbers_per_class_are_numbers_or_shares():
    assert parse_n_per_class("1, 2,16") == (1, 2, 16)
    assert parse_n_per_class("1%,0.5,1.0") == (0.01, 0.5, 1.0)
