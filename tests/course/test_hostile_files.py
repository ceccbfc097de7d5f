"""Whatever the process of one learner's file does, it becomes that file's line, and the other files are checked."""

import json
import os
import signal
from types import SimpleNamespace

import pytest
from _command import cli, here  # noqa: F401
from _learners import NO_LOOPS, SOFTMAX_ARRAYS, SVM_ARRAYS, SVM_LOOPS, edited

from fastcls.course import _processes, check_file, functions_in
from fastcls.course._news import LARGEST, News

IMPORTS = "import os, signal, sys\nimport numpy as np\n"
NAMES = {"svm_loss_naive": "", "svm_loss_vectorized": ""}
REPORT = {
    "function": "svm_loss_naive",
    "year": None,
    "mistakes": [{"name": "raises", "part": "loss", "seen": "s", "cause": "c", "look": "l"}],
    "notes": ["a note"],
    "value_error": 0.5,
    "gradient_error": None,
    "seconds": 0.1,
    "fastcls_seconds": 0.01,
    "timed_on": "rows",
    "passed": False,
}
BEGUN = [{"event": "started", "name": ""}, {"event": "started", "name": "svm_loss_naive"}]
CHECKED = {"event": "checked", "name": "svm_loss_naive", "report": REPORT}


def news_of(path, *lines, names=NAMES, year=None):
    path.write_bytes(b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines))
    news = News(path, names, year)
    news.look()
    return news


def test_news_of_a_process_that_keeps_to_the_rules(tmp_path):
    news = news_of(tmp_path / "news", *BEGUN, CHECKED, {"event": "started", "name": "svm_loss_vectorized"})
    assert (news.wrong, news.part, list(news.reports)) == (False, "svm_loss_vectorized", ["svm_loss_naive"])
    assert {**news.reports["svm_loss_naive"].to_dict(), "mistakes": REPORT["mistakes"], "notes": ["a note"]} == REPORT
    news = news_of(tmp_path / "news", *BEGUN, {"event": "failed", "name": "svm_loss_naive", "error": "KeyError: 3"})
    assert (news.wrong, news.part, news.failures) == (False, None, {"svm_loss_naive": "KeyError: 3"})


def test_a_line_that_is_not_ended_is_not_read_yet(tmp_path):
    (tmp_path / "news").write_bytes(b'{"event": "started", "name": ""}\n{"event": "sta')
    news = News(tmp_path / "news", NAMES, None)
    news.look()
    assert (news.wrong, news.part, news.n_events) == (False, "", 1)
    with open(tmp_path / "news", "ab") as file:
        file.write(b'rted", "name": "svm_loss_naive"}\n')
    news.look()
    assert (news.wrong, news.part, news.n_events) == (False, "svm_loss_naive", 2)


def changed(**parts):
    return {**CHECKED, "report": {**REPORT, **parts}}


FORGED = {
    "no JSON": [*BEGUN, b"hello"],
    "no UTF-8": [*BEGUN, b'{"event": "\xff"}'],
    "a list": [*BEGUN, [1, 2]],
    "deep": [*BEGUN, b"[" * 100_000],
    "a number of 5,000 digits": [*BEGUN, b"9" * 5000],
    "no event": [*BEGUN, {}],
    "event of another type": [*BEGUN, {**CHECKED, "event": ["checked"]}],
    "unknown event": [*BEGUN, {"event": "well done"}],
    "one key too many": [*BEGUN, {**CHECKED, "more": 1}],
    "no name": [*BEGUN, {"event": "checked", "report": REPORT}],
    "name of another type": [*BEGUN, {**CHECKED, "name": {}}],
    "another function": [*BEGUN, {**CHECKED, "name": "svm_loss_vectorized"}],
    "unknown function": [BEGUN[0], {"event": "started", "name": "magic"}],
    "no import": [BEGUN[1]],
    "imported twice": [BEGUN[0], BEGUN[0]],
    "started twice": [*BEGUN, BEGUN[1]],
    "checked twice": [*BEGUN, CHECKED, CHECKED],
    "started again": [*BEGUN, CHECKED, BEGUN[1]],
    "the import checked": [BEGUN[0], {**changed(function=""), "name": ""}],
    "an error that is no text": [*BEGUN, {"event": "failed", "name": "svm_loss_naive", "error": 3}],
    "no report": [*BEGUN, {"event": "checked", "name": "svm_loss_naive"}],
    "a report that is a list": [*BEGUN, {**CHECKED, "report": []}],
    "a report without keys": [*BEGUN, {**CHECKED, "report": {}}],
    "a report with another key": [*BEGUN, changed(grade="A")],
    "the report of another function": [*BEGUN, changed(function="svm_loss_vectorized")],
    "another year": [*BEGUN, changed(year=2015)],
    "mistakes that are a number": [*BEGUN, changed(mistakes=3)],
    "a mistake that is text": [*BEGUN, changed(mistakes=["raises"])],
    "a mistake without its part": [*BEGUN, changed(mistakes=[{"name": "raises"}])],
    "a mistake of numbers": [*BEGUN, changed(mistakes=[dict.fromkeys(REPORT["mistakes"][0], 1)])],
    "notes that are text": [*BEGUN, changed(notes="note")],
    "notes of numbers": [*BEGUN, changed(notes=[1])],
    "an error that is true": [*BEGUN, changed(value_error=True)],
    "an error of text": [*BEGUN, changed(gradient_error="0")],
    "an infinite time": [*BEGUN, changed(seconds=float("inf"))],
    "a time that is NaN": [*BEGUN, changed(fastcls_seconds=float("nan"))],
    "a size that is a number": [*BEGUN, changed(timed_on=3)],
    "passed with mistakes": [*BEGUN, changed(passed=True)],
    "passed as a number": [*BEGUN, changed(mistakes=[], passed=1)],
}


@pytest.mark.parametrize("forged", FORGED)
def test_forged_news_is_recognised(tmp_path, forged):
    news = news_of(tmp_path / "news", *FORGED[forged], CHECKED)
    assert (news.wrong, news.n_events) == (True, len(FORGED[forged]) - 1)  # the last of these lines
    assert len(news.reports) == ("twice" in forged and "checked" in forged) + ("again" in forged)


def test_news_without_end_is_not_read(tmp_path):
    with open(tmp_path / "news", "wb") as file:
        file.truncate(LARGEST + 1)
    news = News(tmp_path / "news", NAMES, None)
    news.look()
    assert news.wrong


def writes(line):
    """Write a line to whatever file is open, the news among them."""
    return f"for fd in range(3, 64):\n    try: os.write(fd, {line!r})\n    except OSError: pass"


@pytest.mark.skipif(not hasattr(signal, "SIGXCPU"), reason="only POSIX limits processor time")
def test_the_time_that_is_said_is_the_time_of_the_limit(tmp_path, monkeypatch):
    news = news_of(tmp_path / "news", *BEGUN)
    of_work, of_sleep = (_processes._wrong(status, news, 3).seen for status in (-signal.SIGXCPU, None))
    assert (of_work, of_sleep) == ("still running after 3 s of processor time", "still running after 30 s")
    monkeypatch.setattr(_processes, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    assert next(_processes._limits(news, 3)) == 1030.0
    news = news_of(tmp_path / "news")
    assert _processes._wrong(None, news, 3).seen == "still running after 120 s"


#: what svm_loss_naive does -> its mistake
DEEDS = {
    writes(b'{"event": "checked"}\n'): "no valid result",
    writes(b"\xff\n"): "no valid result",
    "sys.exit('bye')": "raises",
    "raise KeyboardInterrupt": "raises",
    "os._exit(0)": "ended the process",
    "os.killpg(0, signal.SIGKILL)": "ended the process",
    "os.kill(os.getppid(), signal.SIGKILL)": "ended the process",
    "os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)": "ended the process",
    "os.kill(os.getpid(), signal.SIGRTMIN + 1)": "ended the process",  # a signal without a name
    "os.closerange(0, 64)": "ended the process",
    "os.fork()": None,
}
#: what the file does when it is imported -> the mistake of all its functions
DEEDS_OF_IMPORT = {
    writes(b'{"event": "started", "name": "svm_loss_vectorized"}\n'): "no valid result",
    "sys.exit('bye')": "cannot be imported",
    "os._exit(0)": "ended the process",
    "os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)": "ended the process",
}


def does(deed, source=SVM_LOOPS):
    body = "".join(f"    {line}\n" for line in deed.splitlines())
    return IMPORTS + edited(source, [("    loss = 0.0\n", f"{body}    loss = 0.0\n")])


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the deeds are those of POSIX")
def test_whatever_one_file_does_it_has_its_line_and_the_others_go_on(tmp_path):
    of_function = {f"function_{number}.py": deed for number, deed in enumerate(DEEDS)}
    of_import = {f"import_{number}.py": deed for number, deed in enumerate(DEEDS_OF_IMPORT)}
    for name, deed in of_function.items():
        (tmp_path / name).write_text(does(deed) + SVM_ARRAYS)
    for name, deed in of_import.items():
        (tmp_path / name).write_text(f"{IMPORTS}{deed}\n{SVM_ARRAYS}")
    odd = "two\nlines \udcff.py"
    (tmp_path / odd).write_text(does("raise ValueError('a\\nb \\x1b[31m')"))
    (tmp_path / "softmax.py").write_text(IMPORTS + SOFTMAX_ARRAYS)
    done = cli("check", *of_function, *of_import, odd, "softmax.py", "--json")
    assert done.exit_code == 1, done.stderr
    by_name = {one["file"]: one["functions"] for one in json.loads(done.stdout)["files"]}
    assert len(by_name) == len(of_function) + len(of_import) + 2
    for name, deed in of_function.items():
        wrong = [mistake["name"] for mistake in by_name[name]["svm_loss_naive"]["mistakes"]]
        assert wrong == [DEEDS[deed]] * (DEEDS[deed] is not None), deed
        assert by_name[name]["svm_loss_vectorized"]["passed"], deed
    for name, deed in of_import.items():
        (mistake,) = by_name[name]["svm_loss_vectorized"]["mistakes"]
        assert mistake["name"] == DEEDS_OF_IMPORT[deed], deed
    assert by_name["softmax.py"]["softmax_loss_vectorized"]["passed"]
    shown = cli("check", odd, "softmax.py")
    assert "\\x1b[31m" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert r"two\nlines \udcff.py" in shown.stdout


@pytest.mark.process
def test_output_without_end_takes_no_memory(tmp_path):
    deed = "sys.stdout.buffer.write(b'\\xff')\nfor _ in range(20):\n    print('x' * (1 << 24) + '\\udcff')"
    deed = "if 'once' in globals():\n    " + deed.replace("\n", "\n    ") + "\n    del globals()['once']"
    (tmp_path / "loud.py").write_text(f"once = True\n{does(deed)}")
    report = check_file(tmp_path / "loud.py", functions_in(tmp_path / "loud.py"), memory=1024)["svm_loss_naive"]
    assert report.passed, str(report)


@pytest.mark.process
def test_a_thread_that_goes_on_is_not_waited_for(tmp_path):
    deed = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"
    path = tmp_path / "threads.py"
    path.write_text(f"{IMPORTS}{deed}\n{SVM_ARRAYS}")
    job = {"path": str(path), "functions": functions_in(path), "year": None, "timeout": 2, "memory": 4096}
    status, news = _processes._run(job, tmp_path)
    assert status == 0  # None, if it was ended for its time
    assert news.reports["svm_loss_vectorized"].passed


@pytest.mark.process
def test_what_is_no_function_any_more_is_a_mistake_of_this_function_only(tmp_path):
    (tmp_path / "gone.py").write_text(f"{IMPORTS}{SVM_LOOPS}{SVM_ARRAYS}{NO_LOOPS}\nsvm_loss_naive = 3\n")
    reports = check_file(tmp_path / "gone.py", functions_in(tmp_path / "gone.py"))
    (mistake,) = reports["svm_loss_naive"].mistakes
    assert mistake.name == "cannot be checked"
    assert "function is an int; wanted a function svm_loss_naive(W, X, y, reg)" in mistake.seen
    assert reports["svm_loss_vectorized"].passed
