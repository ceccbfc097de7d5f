"""Where ``fastcls compare`` has its labels from: a file that is given, a name in the data, or the data; and what it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from _command import cli, here, refused
from safetensors.numpy import save_file

from fastcls._scoring import intervals, numbers, pairs
from fastcls.cli import _compare
from fastcls.cli._compare_table import shown_setting
from fastcls.cli._estimate_compare import Seconds
from fastcls.cli._words import broken
from fastcls.cli.report import _comparison

__all__ = ["here"]  # the fixture that every test here is under

N = 90
Y = np.arange(N) % 3
QUICK = ("--preset", "torchgeo-bench")


@pytest.fixture(autouse=True)
def rows(here, monkeypatch):
    """Two representations, and labels with a name that says nothing about them."""
    for module in (numbers, pairs):
        monkeypatch.setattr(module, "resamples", lambda n_rows, n=0: intervals.resamples(n_rows, 40))
    monkeypatch.setattr(_compare, "estimate_parts", lambda plan, parts: dict.fromkeys(parts, Seconds(1.0, 1.0)))
    monkeypatch.setattr(_comparison, "figures", lambda results: [])
    rng = np.random.default_rng(0)
    good = (rng.standard_normal((N, 6)) + 2 * np.eye(3, 6)[Y]).astype(np.float32)
    np.save("a.npy", good)
    np.save("b.npy", good[:, :3])
    np.save("given.npy", Y)


def compared(*words):
    done = cli("compare", *words, *QUICK, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("other", [(Y + 1) % 3, Y[::-1], Y[:5], np.arange(N)])
def test_labels_that_are_given_win_and_files_next_to_the_rows_are_not_looked_at(other):
    alone, _ = compared("a.npy", "b.npy", "--labels", "given.npy")
    np.save("labels.npy", other)
    save_file({"features": np.load("a.npy")}, "c.safetensors")
    results, said = compared("a.npy", "b.npy", "c.safetensors", "--labels", "given.npy")
    assert [row["top1"] for row in results["table"][:2]] == [row["top1"] for row in alone["table"]]
    assert "labels.npy" not in said
    assert results["notes"] == ["these representations have the same rows: 'a' and 'c'"]
    assert results["labels"] == {"rows": "given.npy", "test_rows": "given.npy"}
    assert "3 classes, labels of 'given.npy'" in said


def test_predict_does_not_look_next_to_the_rows_either():
    save_file({"features": np.load("a.npy"), "labels": Y}, "c.safetensors")
    assert cli("run", "c.safetensors", "--models", "knn", "--ks", "1", "--out", "out").exit_code == 0
    save_file({"features": np.load("a.npy")[:20]}, "new.safetensors")
    np.save("labels.npy", (Y[:20] + 1) % 3)
    np.save("other.npy", Y[:20])
    done = cli("predict", "out/models/knn.safetensors", "new.safetensors", "--labels", "other.npy")
    assert done.exit_code == 0, done.stderr
    assert "labels.npy" not in done.stderr
    assert "of 20 labelled rows" in done.stderr


@pytest.mark.parametrize("words", [["--labels", "given.npy"], ["--folds", "3"]])
def test_test_rows_next_to_the_rows_that_are_not_used_are_noted(words):
    np.save("labels.npy", Y)
    np.save("a_test.npy", np.load("a.npy")[:9])
    np.save("a_test_labels.npy", Y[:9])
    why = "labels are given" if words[0] == "--labels" else "--folds is given"
    said = f"'a_test.npy' next to 'a.npy' is not used, because {why}: to test on it, give --test and --test-labels"
    assert said in compared("a.npy", "b.npy", *words)[0]["notes"]
    np.save("b_test.npy", np.load("b.npy")[:9])
    more = ["--test", "a_test.npy,b_test.npy", "--test-labels", "a_test_labels.npy"]
    results, _ = compared("a.npy", "b.npy", "--labels", "given.npy", *more)
    (equal,) = results["notes"]
    assert results["n_test"] == 9
    assert equal.startswith("of 9 test rows, these equal a training row: 9 of 'a', 9 of 'b'")
    assert results["labels"]["test_rows"] == "a_test_labels.npy"


def test_labels_inside_the_data_are_noted_and_checked_for_the_order_of_the_rows():
    np.savez("c.npz", X=np.load("a.npy"), y=Y)
    words = ("a.npy", "c.npz", "--labels", "given.npy")
    said = "the labels in 'c.npz' are not used, because those of 'given.npy' are given"
    same = "these representations have the same rows: 'a' and 'c'"
    assert compared(*words)[0]["notes"] == [said, same]
    np.savez("c.npz", X=np.load("a.npy"), y=np.sort(Y))
    order = (
        f"{said}; their classes have the same sizes, but rows 0 and 1 are both '0' there, and '0' and '1' here: check that "
        "both have the rows in the same order"
    )
    assert compared(*words)[0]["notes"] == [order, same]
    test = ("--test", "a.npy,c.npz", "--test-labels", "given.npy")
    assert compared("a.npy", "again=a.npy", "--labels", "given.npy", *test)[0]["notes"][:1] == [order]


def test_labels_may_be_named_as_a_column_or_array():
    save_file({"features": np.load("a.npy"), "species": Y}, "c.safetensors")
    save_file({"features": np.load("b.npy"), "species": Y, "labels": (Y + 1) % 3}, "d.safetensors")
    results, _ = compared("c.safetensors", "d.safetensors", "a.npy", "--labels", "species")
    assert results["class_counts"] == {"0": 30, "1": 30, "2": 30}
    assert results["labels"]["rows"] == "c.safetensors:species"
    assert [one["n_features"] for one in results["representations"].values()] == [6, 3, 6]
    test = ("--test", "c.safetensors,d.safetensors")
    assert compared("c.safetensors", "d.safetensors", "--labels", "species", *test)[0]["n_test"] == N
    named = ("--labels", "given.npy", *test, "--test-labels", "species")
    assert compared("c.safetensors", "d.safetensors", *named)[0]["labels"]["test_rows"] == "c.safetensors:species"
    said = (
        "--labels 'kind' is no file, and none of 'c.safetensors', 'a.npy' has an array or column of this name: give a file"
    )
    done = cli("compare", "c.safetensors", "a.npy", "--labels", "kind")
    assert done.exit_code == 2
    assert said in done.stderr.splitlines()[-1]


def test_text_and_numbers_in_the_two_parts_are_named_with_their_files():
    np.save("text.npy", np.array(["x", "y", "z"])[Y])
    said = (
        "the labels of the training rows in 'given.npy' are numbers, such as '0', and those of the test rows in 'text.npy' "
        "are text, such as 'x': write them alike"
    )
    test = ("--test", "a.npy,b.npy", "--test-labels", "text.npy")
    refused(cli("compare", "a.npy", "b.npy", "--labels", "given.npy", *test, *QUICK), said)
    np.save("text.npy", Y.astype(np.uint8))  # numbers of another type
    assert compared("a.npy", "b.npy", "--labels", "given.npy", *test)[0]["n_test"] == N


@pytest.mark.parametrize("more", [[], ["--folds", "3"], ["--test", "a.npy,b.npy", "--test-labels", "given.npy"]])
def test_the_majority_class_of_the_training_rows_is_in_the_table(more):
    y = np.repeat([7, 8, 9], [20, 50, 20])
    np.save("given.npy", y)
    results, _ = compared("a.npy", "b.npy", "--labels", "given.npy", *more)
    majority = results["baseline"]
    assert majority["class_name"] == "8"
    n = results["n_test"]
    assert majority["test_accuracy"] == pytest.approx(50 / 90 if more else 10 / 18)
    assert majority["test_errors"] == n - round(majority["test_accuracy"] * n)
    low, high = majority["test_accuracy_interval"]
    assert low < majority["test_accuracy"] < high
    done = cli("compare", "a.npy", "b.npy", "--labels", "given.npy", *more, *QUICK, "--out", "out")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(" majority"))
    assert line.split()[:4] == ["majority", "always", "8", "55.56"]
    page = Path("out/report.html").read_text()
    assert "always predicting the majority class (8): 55.56" in page
    assert "labels of given.npy" in page


def test_results_of_other_labels_or_rows_are_replaced_with_a_note():
    words = ("compare", "a.npy", "b.npy", "--labels", "given.npy", *QUICK, "--out", "out")
    assert cli(*words).exit_code == 0
    assert "are replaced" not in cli(*words).stderr
    np.save("given.npy", (Y * Y) % 4)
    said = "note: out had the results of the same command on other rows or labels of {}, which are replaced\n"
    assert said.format("'a', 'b'") in cli(*words).stderr
    np.save("b.npy", 2 * np.load("b.npy"))
    assert said.format("'b'") in cli(*words).stderr


def test_classes_of_fewer_rows_than_wanted_are_noted():
    words = ("a.npy", "b.npy", "--labels", "given.npy", "--preset", "mteb-few-shot", "--tries", "1", "--json")
    notes = json.loads(cli("compare", *words, "--n-per-class", "2,1000").stdout)["notes"]
    assert notes == ["mteb-few-shot: 3 of 3 classes have fewer than 1,000 rows: every try takes all of them"]
    assert json.loads(cli("compare", *words, "--n-per-class", "2,20").stdout)["notes"] == []
    done = json.loads(cli("compare", *words, "--n-per-class", "1%,50%,100%").stdout)
    assert done["notes"] == ["mteb-few-shot: a share of 0.01 is less than one row of 3 of 3 classes: it takes one"]
    assert [row["setting"] for row in done["table"][:3]] == ["n_per_class=1%", "n_per_class=50%", "n_per_class=100%"]


@pytest.mark.parametrize("n", [6, 7])
def test_all_pairs_are_printed_or_the_line_says_where_they_are(n):
    names = [f"r{number}=a.npy" for number in range(n)]
    done = cli("compare", *names, "--labels", "given.npy", *QUICK)
    assert done.exit_code == 0, done.stderr
    known = {name.partition("=")[0] for name in names}
    shown = [line.split()[:2] for line in done.stdout.splitlines() if set(line.split()[:2]) <= known and "%" not in line]
    assert len([words for words in shown if len(words) == 2]) == (15 if n == 6 else 6)
    said = "6 of 21 pairs, those with r0; all are in report.html and results.json"
    assert (said in " ".join(done.stdout.split())) == (n == 7)
    assert " representation " in done.stdout  # in one piece
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_messages_name_classes_not_their_codes():
    names = np.array(["cat", "dog", "owl"])[Y]
    np.save("given.npy", np.where(np.arange(N) == 7, "yak", names))
    refused(
        cli("compare", "a.npy", "b.npy", "--labels", "given.npy", "--folds", "3"),
        "--folds=3, but the class 'yak' has only 1 row",
    )
    np.save("test.npy", np.load("a.npy")[:9])
    np.save("y_test.npy", np.where(np.arange(9) < 2, "emu", names[:9]))
    np.save("given.npy", names)
    words = ("a.npy", "c=a.npy", "--labels", "given.npy", "--test", "test.npy,test.npy", "--test-labels", "y_test.npy")
    results, _ = compared(*words)
    assert "2 test rows have labels that no training row has ('emu')" in results["notes"][0]
    assert [one["class"] for one in results["table"][0]["per_class"]] == ["cat", "dog", "owl", "emu"]
    assert results["baseline"]["class_name"] == "cat"


def test_labels_that_are_all_different_are_refused_by_file_and_column(here):
    np.savetxt("rows.csv", np.random.default_rng(0).random((30, 3)), header="u,v,w", delimiter=",", comments="")
    np.save("z.npy", np.random.default_rng(1).random((30, 3)))
    np.savetxt("u.csv", np.column_stack([np.arange(30), np.arange(30) % 3]), "%d", ",", header="code,kind", comments="")
    said = "each of the 30 labels of 'u.csv:code' is another one, as of ids"
    refused(cli("compare", "rows.csv", "z.npy", "--labels", "u.csv:code"), said)
    refused(cli("run", "rows.csv", "--labels", "u.csv:code"), said)
    refused(cli("run", "rows.csv", "--labels", "u.csv"), "or name one as in 'u.csv:kind'")


def test_labels_that_are_named_are_called_by_file_and_name(here):
    np.savez("a.npz", X=np.random.default_rng(0).random((30, 3)), kind=np.arange(30) % 3)
    np.save("z.npy", np.random.default_rng(1).random((29, 3)))
    refused(cli("compare", "a.npz", "z.npy", "--labels", "kind"), "'z.npy' has 29 rows, but 'a.npz:kind' has 30 labels")


def test_long_names_are_divided_after_separators():
    assert broken("pixels", 10) == ["pixels"]
    assert broken("clip_vit_large_patch14_336px", 12) == ["clip_vit_", "large_", "patch14_", "336px"]
    assert broken("a b-c.d/e", 4) == ["a b-", "c.d/", "e"]
    assert broken("nothingtodivide", 5) == ["nothingtodivide"]


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("k=20", "k=20"),
        ("C=0.0316", "C=0.0316"),
        ("C=0.00389,0.0229,0.00389", "C=0.00389 to 0.0229"),
        ("C=1e-06,1e-06", "C=1e-06"),
        ("C=100,9", "C=9 to 100"),
        ("n_per_class=16 n_tries=10", "n=16"),
        ("n_per_class=10% n_tries=10", "n=10%"),
    ],
)
def test_settings_take_few_columns(setting, shown):
    assert shown_setting(setting) == shown


def test_tables_fit_into_80_columns_with_long_names_and_a_setting_for_each_fold():
    for name in ("clip_vit_large_patch14_336px_openai", "dinov2_vitb14_reg4_pretrain"):
        np.save(f"{name}.npy", np.load("a.npy"))
    words = ("clip_vit_large_patch14_336px_openai.npy", "dinov2_vitb14_reg4_pretrain.npy", "b.npy", "--labels", "given.npy")
    done = cli("compare", *words, "--folds", "3", "--preset", "dinov2-probe", "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    cells = {word for line in done.stdout.splitlines() for word in line.split()}
    assert {"clip_vit_", "336px_", "openai", "dinov2_", "pretrain"} <= cells
    settings = [row["setting"] for row in json.loads(Path("out/results.json").read_text())["table"]]
    assert max(map(len, settings)) < 60  # three digits of each C


def test_messages_call_rows_by_their_name_and_options_by_theirs():
    np.save("big.npy", 1e200 * np.load("b.npy").astype(float))
    given = ("--labels", "given.npy")
    refused_at_last(cli("compare", "a.npy", "big.npy", *given), "'big' has ", "could overflow float64")
    test = ("--test", "a.npy,big.npy", "--test-labels", "given.npy")
    np.save("wide.npy", np.load("b.npy").astype(float))
    refused_at_last(cli("compare", "a.npy", "wide.npy", *given, *test), "the test rows of 'wide' has ")
    refused_at_last(cli("compare", "a.npy", "b.npy", *given, "--preset", ","), "--preset is empty: choose from dino, ")
    refused_at_last(cli("run", "a.npy", *given, "--preset", ""), "--preset is empty: choose from dino, ")
    refused_at_last(cli("run", "a.npy", *given, "--models", ","), "no model in ',': choose from knn, ")


def refused_at_last(result, *fragments):
    """The last line says it; lines about the data may come before."""
    assert result.exit_code == 2
    assert all(fragment in result.stderr.splitlines()[-1] for fragment in fragments), result.stderr
    assert "representations[" not in result.stderr
