"""docs/trust.md tells the truth: its tests exist, its numbers are those of the results, and no recorded run has a failure."""

import importlib.util
import re
import shlex
from pathlib import Path

import _long_runs
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "docs" / "make_trust.py").exists(), reason="the sources are not here")


@pytest.fixture(scope="module")
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


def test_every_promise_has_counted_cases(made):
    cases = made.results()["cases"]
    named = {test for promise in promises(made) for test in promise.tests}
    assert set(cases) == named, "run: python docs/make_trust.py --count"
    assert all(cases[test] > 0 for test in named)


def test_every_long_run_has_a_command_and_none_that_is_recorded_failed(made):
    known = {run for promise in promises(made) for run in promise.runs}
    assert known == {*_long_runs.RUNS, "mutants"}
    for command, count, pattern in _long_runs.RUNS.values():
        files = [word for word in shlex.split(command) if re.search(r"\.(py|sh)$", word)]
        assert files
        assert [file for file in files if not (ROOT / file).is_file()] == []
        assert pattern or count
    recorded = made.results()["runs"]
    assert {name: row for name, row in recorded.items() if name != "mutants" and (row["failures"] or not row["cases"])} == {}
    assert all(row["date"] and row["machine"] for row in recorded.values())


def test_a_long_run_is_recorded(made, tmp_path, monkeypatch):
    monkeypatch.setattr(_long_runs, "RESULTS", tmp_path / "trust.json")
    monkeypatch.setitem(_long_runs.RUNS, "two", ("python -c 'print(\"a: 5,000 executions, b: 7 executions\")'", 0, r": ([\d,]+) ex"))
    monkeypatch.setattr(_long_runs.subprocess, "run", lambda *arguments, **options: Done())
    assert _long_runs.run("two")
    monkeypatch.setattr(made, "RESULTS", tmp_path / "trust.json")
    assert made.results()["runs"]["two"]["cases"] == 5007


class Done:
    """A process that has ended."""

    stdout, returncode = "a: 5,000 executions\nb: 7 executions\n", 0
