"""Signals around the command: before it begins, after it returns, and in a thread that can set no handlers."""

import signal
import threading

import pytest
from _command import here

from fastcls import cli as command
from fastcls.cli import _app, _commands

__all__ = ["here"]  # the fixture that every test here is under

TERM = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows sends no such signals")


@pytest.fixture
def default():
    """SIGTERM as a process of its own has it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def ended(monkeypatch, *words):
    """The exit status of the command; None if it returns."""
    monkeypatch.setattr("sys.argv", ["fastcls", *words])
    try:
        command.main()
    except SystemExit as end:
        return end.code
    return None


@TERM
def test_a_handler_is_there_while_the_command_runs_and_no_longer(default, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(_app, "app", lambda **options: seen.append(signal.getsignal(signal.SIGTERM)))
    assert ended(monkeypatch) is None
    assert callable(seen[0])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    monkeypatch.undo()
    assert ended(monkeypatch, "--version") == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@TERM
@pytest.mark.parametrize("place", ["_require_extra", "parsing", "importing"])
def test_sigterm_before_the_command_has_begun_ends_as_later(place, default, monkeypatch, capsys):
    def arrives(*args, **options):
        signal.raise_signal(signal.SIGTERM)

    if place == "_require_extra":
        monkeypatch.setattr(command, "_require_extra", arrives)
    elif place == "parsing":  # outside of what reports errors of a command
        monkeypatch.setattr(_commands.PlainCommand, "make_context", arrives)
    else:
        monkeypatch.setattr(_commands.PlainCommand, "get_params", arrives)
    assert ended(monkeypatch, "info") == 143
    assert capsys.readouterr().err == "fastcls: interrupted\n"
    monkeypatch.undo()
    assert ended(monkeypatch, "--version") == 0  # the signal of another call does not count

    monkeypatch.setattr(command, "_require_extra", interrupt)
    assert ended(monkeypatch, "info") == 130


def interrupt():
    raise KeyboardInterrupt


def test_the_command_runs_in_another_thread(monkeypatch, capsys):
    found = []
    thread = threading.Thread(target=lambda: found.append(ended(monkeypatch, "--version")))
    thread.start()
    thread.join()
    assert found == [0]
    assert capsys.readouterr().out.startswith("fastcls ")
