"""fastcls check: files of learners, each in a process of its own with limits."""

import io
import itertools
import json

import pytest
from _command import cli, here, refused  # noqa: F401
from _learners import (
    LABELS_COUNTER,
    NO_LOOPS,
    SOFTMAX_ARRAYS,
    SVM_ARRAYS,
    SVM_LOOPS,
    TWO_LOOPS,
    edited,
)

from fastcls.cli._student_files import _File, _print
from fastcls.course import SIGNATURES, CourseReport, check_file, functions_in
from fastcls.course._mistakes import MISTAKES, mistake

pytestmark = pytest.mark.process
IMPORTS = "from collections import Counter\nfrom past.builtins import xrange\nimport numpy as np\n"
FILES = {
    "right.py": SVM_LOOPS + SVM_ARRAYS + TWO_LOOPS + NO_LOOPS,
    "halved.py": edited(SVM_LOOPS, [("2 * reg", "reg")]) + LABELS_COUNTER,
    "softmax.py": SOFTMAX_ARRAYS,
}


@pytest.fixture
def files(tmp_path):
    for name, source in FILES.items():
        (tmp_path / name).write_text(IMPORTS + source)
    return tmp_path


def test_a_class_gets_a_table_and_the_mistakes_below_it(files):
    done = cli("check", "right.py", "halved.py", "softmax.py")
    assert done.exit_code == 1, done.stderr
    assert "running the code of 3 files, each in a process of its own" in done.stderr
    assert "(at most 30 s of processor time per function, 10 times as long in all, and 4,096 MB)" in done.stderr
    assert "not malicious code" in done.stderr
    lines = done.stdout.splitlines()
    rows = [line.split() for line in lines[3 : lines.index("right.py")] if line.strip()]
    assert [row[-2:] for row in rows[:4]] == [
        [name, "right"]
        for name in ("svm_loss_naive", "svm_loss_vectorized", "compute_distances_two_loops", "compute_distances_no_loops")
    ]
    assert rows[0][0] == "right.py"
    assert rows[4:] == [
        ["halved.py", "svm_loss_naive", "penalty", "halved"],
        ["predict_labels", "right"],
        ["softmax.py", "softmax_loss_vectorized", "right"],
    ]
    assert "  svm_loss_naive: 1 mistake" in lines
    assert "  compute_distances_no_loops: right" in lines  # with its note
    assert any(line.startswith("    penalty halved (gradient): the penalty's part with reg 1: dW[") for line in lines)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal_and_splits_no_word(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = "a_file_with_a_name_that_has_more_letters_than_a_column.py"
    names = iter(itertools.cycle(MISTAKES))
    found = {"all.py": _File(reports={name: CourseReport(name, None, ()) for name in SIGNATURES})}
    for file in (long, *(f"{number}.py" for number in range(10))):  # every mistake, up to three in a function
        wrong = {name: tuple(mistake(next(names), "loss", "") for _ in range(3)) for name in SIGNATURES}
        found[file] = _File(reports={name: CourseReport(name, None, mistakes) for name, mistakes in wrong.items()})
    stream = io.StringIO()
    _print(found, stream)
    lines = stream.getvalue().splitlines()
    table = lines[: lines.index(long)]
    assert max(map(len, table)) <= columns
    assert sum(line.rstrip().endswith(" right") for line in table) == len(SIGNATURES)
    words = {word.strip(",") for line in table[3:] for word in line.split()}
    whole = {word for text in [*SIGNATURES, *MISTAKES] for word in text.replace(",", "").split()}
    assert whole <= {word.replace(",", "") for word in words}
    assert all(
        word.replace(",", "") in whole or set(word) == {"─"} or word == "right" or word in str(list(found)) for word in words
    )


def test_each_of_several_bad_files_has_its_reason(files):
    (files / "syntax.py").write_text("def svm_loss_naive(:\n")
    (files / "nothing.py").write_text("x = 1\n")
    (files / "typo.py").write_text("x = 1\n\n\ndef svm_loss_navie(W, X, y, reg):\n    pass\n")
    done = cli("check", "syntax.py", "nothing.py", "typo.py", "missing.py")
    assert done.exit_code == 1
    assert done.stderr.startswith("fastcls: none of the 4 files can be checked: wanted one of svm_loss_naive, ")
    said = [part.split("\n  ") for part in done.stdout.strip().split("\n\n")]
    assert said == [
        ["syntax.py", "'syntax.py' is no Python source (SyntaxError, line 1): correct it"],
        ["nothing.py", "no function of the assignment"],
        ["typo.py", "no function of the assignment", "line 4: svm_loss_navie; did you mean svm_loss_naive?"],
        ["missing.py", "there is no file or folder 'missing.py': give the path of a Python source file"],
    ]
    assert refused(cli("check", "typo.py"), "(line 4: svm_loss_navie; did you mean svm_loss_naive?): wanted one of")
    (files / "typo.py").write_text(IMPORTS + SOFTMAX_ARRAYS + SVM_ARRAYS.replace("vectorized", "vectorised"))
    done = cli("check", "typo.py")
    assert "did you mean svm_loss_vectorized?" in done.stdout
    assert "did you mean" not in cli("check", "typo.py", "--year", 2025).stdout  # there is no SVM


def test_json_has_every_report(files):
    done = cli("check", "halved.py", "softmax.py", "--json", "--year", 2024)
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["schema"], found["year"]) == (1, 2024)
    halved, softmax = (one["functions"] for one in found["files"])
    assert [mistake["name"] for mistake in halved["svm_loss_naive"]["mistakes"]] == ["penalty halved"]
    assert halved["predict_labels"]["passed"]
    assert softmax["softmax_loss_vectorized"]["passed"]
    assert softmax["softmax_loss_vectorized"]["seconds"] > 0


def test_the_status_is_0_if_all_is_right_and_the_year_chooses_the_functions(files):
    assert cli("check", "softmax.py", "--year", 2025).exit_code == 0
    assert refused(cli("check", "right.py", "--year", 1999), "wanted a whole number of at least 2015")


def test_functions_that_the_year_does_not_have_are_said_to_be_left_out(files):
    (files / "both.py").write_text(IMPORTS + SVM_ARRAYS + SVM_LOOPS + SOFTMAX_ARRAYS)
    done = cli("check", "both.py", "softmax.py", "--year", 2025)
    assert done.exit_code == 0
    lines = [line for line in done.stderr.splitlines() if "not checked" in line]
    assert lines == [
        "fastcls: not checked: svm_loss_naive, svm_loss_vectorized "
        "(not in the assignment of 2025; give a year up to 2024, or none)"
    ]
    assert "not checked" not in cli("check", "both.py", "--year", 2024).stderr
    (files / "only.py").write_text(IMPORTS + SVM_ARRAYS)
    done = cli("check", "only.py", "--year", 2025)
    assert done.exit_code == 2
    assert "not checked: svm_loss_vectorized" in done.stderr


def test_whatever_a_file_does_the_others_are_checked(files):
    (files / "endless.py").write_text(IMPORTS + edited(SVM_LOOPS, [("    loss = 0.0", "    while True: pass")]) + SVM_ARRAYS)
    (files / "exits.py").write_text(IMPORTS + "import os\n" + edited(SVM_LOOPS, [("    loss = 0.0", "    os._exit(0)")]))
    (files / "broken.py").write_text("import no_such_module\n" + SVM_LOOPS)
    (files / "syntax.py").write_text("def svm_loss_naive(:\n")
    (files / "empty.py").write_text("")
    names = ["endless.py", "exits.py", "broken.py", "syntax.py", "empty.py", "softmax.py"]
    done = cli("check", *names, "--json", "--timeout", 1)
    assert done.exit_code == 1
    by_name = {one["file"]: one for one in json.loads(done.stdout)["files"]}

    def wrong(file, function):
        return [mistake["name"] for mistake in by_name[file]["functions"][function]["mistakes"]]

    assert wrong("endless.py", "svm_loss_naive") == ["did not end"]
    assert wrong("endless.py", "svm_loss_vectorized") == []
    assert wrong("exits.py", "svm_loss_naive") == ["ended the process"]
    assert wrong("broken.py", "svm_loss_naive") == ["cannot be imported"]
    assert "is no Python source (SyntaxError, line 1)" in by_name["syntax.py"]["error"]
    assert by_name["empty.py"]["functions"] == {}
    assert wrong("softmax.py", "softmax_loss_vectorized") == []


def test_memory_is_limited(files):
    source = edited(SVM_LOOPS, [("    loss = 0.0", "    loss = 0.0\n    np.ones(1 << 30)")])
    (files / "large.py").write_text(IMPORTS + source)
    report = check_file(files / "large.py", functions_in(files / "large.py"), memory=4096)["svm_loss_naive"]
    assert [mistake.name for mistake in report.mistakes] == ["raises"]
    assert "MemoryError" in report.mistakes[0].seen


def test_the_learners_output_is_suppressed_and_its_files_are_not_left_behind(files):
    source = "print('hello')\nopen('left.txt', 'w').write('x')\n" + IMPORTS + SVM_LOOPS
    (files / "loud.py").write_text(source)
    before = sorted(path.name for path in files.iterdir())
    done = cli("check", "loud.py")
    assert done.exit_code == 0
    assert "hello" not in done.stdout + done.stderr
    assert sorted(path.name for path in files.iterdir()) == before


def test_neighbouring_files_can_be_imported(files):
    (files / "helper.py").write_text("import numpy as np\n")
    (files / "uses.py").write_text("from helper import np\n" + SVM_LOOPS)
    assert cli("check", "uses.py").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.py"], "there is no file or folder 'nowhere.py'"),
        (["."], "is a folder: give its files"),
        (["empty.py"], "defines no function of the assignment: wanted one of svm_loss_naive"),
        (["right.py", "--timeout", "0"], "--timeout=0; wanted a whole number of at least 1"),
        (["right.py", "--memory", "1"], "--memory=1; wanted a whole number of at least 1024"),
        (["notes.ipynb"], "is a notebook: export it first"),
    ],
)
def test_bad_input_gets_one_line(files, words, said):
    (files / "empty.py").write_text("x = 1\n")
    assert refused(cli("check", *words), said)
