"""The gate against slowdowns: a problem must be slower by a factor and by some milliseconds, and twice."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: the fastcls under test is not the one next to bench
gate = pytest.importorskip("bench.gate", reason="the folder bench is not next to tests")


class Timed:
    """A version that takes as long as it is told."""

    def __init__(self, *seconds):
        self.left = list(seconds)

    def seconds(self, problem):
        return self.left.pop(0)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def test_runs_are_paired_and_one_disturbed_run_does_not_count():
    old, new = Timed(0.1, 0.1, 0.4, 0.1, 0.1), Timed(0.12, 0.12, 0.12, 0.5, 0.12)
    ratio, milliseconds = gate.compared(old, new, "brute", 5)
    assert (ratio, milliseconds) == (pytest.approx(1.2), pytest.approx(20))


@pytest.mark.parametrize(
    ("old", "new", "slower"), [(0.1, 0.13, True), (0.1, 0.11, False), (0.001, 0.002, False), (0.1, 0.05, False)]
)
def test_a_slowdown_is_relative_and_absolute(old, new, slower):
    found = gate.compared(Timed(*[old] * 3), Timed(*[new] * 3), "brute", 3)
    assert gate.is_slower(found, 1.15, 2.0) == slower


@pytest.mark.parametrize(("again", "allowed", "status"), [(0.2, {}, 1), (0.1, {}, 0), (0.2, {"brute": "it does more"}, 0)])
def test_what_is_slower_twice_is_the_exit_status(again, allowed, status, monkeypatch, tmp_path, capsys):
    rounds = iter([Timed(*[0.1] * 6), Timed(*[0.2] * 3, *[0.1] * 3), Timed(*[0.1] * 3), Timed(*[again] * 3)])
    monkeypatch.setattr(gate, "Tree", lambda folder: next(rounds))
    monkeypatch.setattr(gate, "ALLOWED", allowed)
    monkeypatch.setattr(sys, "argv", ["gate", "--against", str(tmp_path), "--pairs", "3", "brute", "lbfgs"])
    assert gate.main() == status
    printed = capsys.readouterr().out
    assert printed.count("lbfgs") == 1  # only what was slower is timed again
    assert ("it does more" in printed) == bool(allowed)


@pytest.mark.process
def test_the_problems_run_in_processes_of_their_own(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gate", "--against", str(gate._home()), "--pairs", "1", "--ratio", "100"])
    assert gate.main() == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(gate.PROBLEMS)
