"""docs/trust.md tells the truth: its tests exist, its numbers are those of the results, no recorded run has a failure."""

import importlib.util
import re
import shlex
from pathlib import Path

import _long_runs
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "docs" / "make_trust.py").exists(), reason="the sources are not here")


@pytest.fixture
def made():
    spec = importlib.util.spec_from_file_location("make_trust", ROOT / "docs" / "make_trust.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def promises(made):
    return [promise for part in made.PROMISES.values() for promise in part]


def test_every_named_test_exists(made):
    assert made.missing() == []
    assert not made._exists("search/test_search.py::test_that_is_not_there")
    assert not made._exists("search/test_nothing.py")
    assert not made._exists("helpers/_rows.py")
    assert all(promise.tests for promise in promises(made))


def test_the_page_is_what_its_script_makes(made):
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run: python docs/make_trust.py"


def test_no_recorded_test_of_a_promise_failed(made):
    recorded = made.results()["tests"]
    assert set(recorded) <= {test for promise in promises(made) for test in promise.tests}
    assert {test: row for test, row in recorded.items() if row["failures"] or not row["cases"]} == {}
    assert all(row["date"] and row["machine"] for row in recorded.values())


def test_outcomes_are_those_of_a_report(made, tmp_path):
    made.PROMISES.clear()
    made.PROMISES["a"] = (made.Promise("b", ("c/test_d.py", "c/test_e.py::test_f"), ("g",)),)
    case = '<testcase classname="tests.c.{}" name="{}">{}</testcase>'
    cases = [("test_d", "test_x", ""), ("test_d", "test_y[1]", "<failure/>"), ("test_d", "test_y[2]", "<skipped/>")]
    cases += [("test_e", "test_f[a::b]", ""), ("test_e", "test_f[2]", "<error/>"), ("test_e", "test_ff", "<failure/>")]
    cases += [("test_dd", "test_x", "<failure/>")]
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{''.join(case.format(*row) for row in cases)}</testsuite></testsuites>")
    found = made.outcomes(report)
    assert found == {"c/test_d.py": {"cases": 2, "failures": 1}, "c/test_e.py::test_f": {"cases": 2, "failures": 1}}
    row = made._row(made.PROMISES["a"][0], {"tests": found, "runs": {"g": {"cases": 7000, "failures": 0}}})
    assert row == "| b | `c/test_d.py`, `c/test_e.py` (`test_f`) | 4 | 2 | 7,000 | 0 |"
    assert made._row(made.PROMISES["a"][0], {"tests": {}, "runs": {}}).endswith("| not yet |  | not yet |  |")


def test_every_long_run_has_a_command_and_each_recorded_failure_its_reason(made):
    known = {run for promise in promises(made) for run in promise.runs}
    assert known == {*_long_runs.RUNS, "mutants"}
    for command, count, pattern in _long_runs.RUNS.values():
        files = [word for word in shlex.split(command) if re.search(r"\.(py|sh)$", word)]
        assert files
        assert [file for file in files if not (ROOT / file).is_file()] == []
        assert pattern or count
    recorded = made.results()["runs"]
    failed = {name for name, row in recorded.items() if row["failures"] and name != "mutants"}
    assert failed == set(made.KNOWN)  # each is explained, and none that is gone
    assert all(row["cases"] for row in recorded.values())
    assert all(row["date"] and row["machine"] for row in recorded.values())


def test_a_long_run_is_recorded(made, tmp_path, monkeypatch):
    monkeypatch.setattr(_long_runs, "RESULTS", tmp_path / "trust.json")
    monkeypatch.setitem(_long_runs.RUNS, "two", ("python -c ''", 0, r": ([\d,]+) ex"))
    monkeypatch.setattr(_long_runs.subprocess, "run", lambda *arguments, **options: Done())
    assert _long_runs.run("two")
    monkeypatch.setattr(made, "RESULTS", tmp_path / "trust.json")
    assert made.results()["runs"]["two"]["cases"] == 5007
    monkeypatch.setitem(_long_runs.NOTES, "two", r"^b: .*$")
    assert _long_runs.run("two")
    assert made.results()["runs"]["two"]["note"] == "b: 7 executions"


class Done:
    """A process that has ended."""

    stdout, returncode = "a: 5,000 executions\nb: 7 executions\n", 0
