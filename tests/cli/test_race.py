"""``fastcls race``: every lane does all of the work, answers are equal or it fails, and any terminal can show it."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _command import cli, here, refused, write_images

import fastcls
from fastcls import LinearProblem, reference
from fastcls.cli import _race, _race_lanes
from fastcls.cli._race_data import rows_of
from fastcls.cli._race_lanes import Lane, SameLosses, SameNeighbors, knn_lanes, linear_lanes

__all__ = ["here"]  # the fixture that every test here is under

SMALL = ("--rows", "60", "--queries", "7")


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    """No lane waits for the threads of another one: nothing is timed here."""
    monkeypatch.setattr(_race, "_REST", 0.0)


def bytes_of(n, seed, width=48):
    """Bytes with a small range, so that many distances are equal."""
    return np.random.default_rng(seed).integers(0, 3, (n, width)).astype(np.uint8)


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_every_lane_finds_the_nearest_row_of_every_query(metric):
    X, Q = bytes_of(300, 0), bytes_of(70, 1)
    expected = reference.kneighbors(Q, X, 1, metric)[1][:, 0]
    lanes = knn_lanes(X, Q, metric)
    assert [lane.name for lane in lanes] == [
        "two loops",
        "one loop",
        *(["no loops"] if metric == "l2" else []),
        "brute force",
        "filter",
    ]
    for lane in lanes:
        found = np.full(len(Q), -1)

        def note(name, answer, found=found, lane=lane):
            assert name == lane.name
            found[answer[0] : answer[0] + len(answer[1])] = answer[1]

        while not lane.is_done:
            lane.advance(0.001, note)
        assert lane.done == lane.total == len(Q)
        assert lane.seconds > 0
        np.testing.assert_array_equal(found, expected, err_msg=lane.name)


@pytest.mark.parametrize("loss", ["hinge", "softmax"])
def test_every_lane_takes_the_steps_of_gradient_descent(loss):
    rng = np.random.default_rng(0)
    y = np.arange(130) % 3
    X = np.clip(rng.normal(90 + 40 * y[:, None], 30, (130, 20)), 0, 255).astype(np.uint8)
    problem = LinearProblem((X - X.mean(axis=0)) / 255, y, loss, penalty=None, fit_intercept=True)
    W, expected = np.zeros(problem.shape), []
    for _ in range(4):
        expected.append(problem.value_and_gradient(W))
        W = W - _race_lanes.STEP_SIZE * expected[-1][1]
    for lane in linear_lanes(X, y, loss, 4):
        found = []
        while not lane.is_done:
            lane.advance(0.001, lambda name, answer, found=found: found.append(answer))
        assert lane.done == lane.total == 4 * len(X)
        assert [step for step, _, _ in found] == [0, 1, 2, 3]
        exact = 1e-9 if lane.is_numpy else 1e-5
        for (_, value, gradient), (wanted, slopes) in zip(found, expected, strict=True):
            assert value == pytest.approx(wanted, rel=exact)
            np.testing.assert_allclose(gradient, slopes, rtol=0, atol=exact * np.abs(slopes).max(), err_msg=lane.name)


def fake_lane(name, answers, is_numpy=True, seconds=0.02, clock=None):
    """A lane whose parts take some time of a clock that only they move."""

    def work():
        for answer in answers:
            clock[0] += seconds
            yield 1, answer

    return Lane(name, "", len(answers), work, is_numpy)


def test_lanes_take_turns_of_equal_length(monkeypatch):
    """The slow lane and the fast one have the same time of their own, until one is done; ours come first."""
    clock, turns = [0.0], []
    monkeypatch.setattr(_race_lanes.time, "perf_counter", lambda: clock[0])
    slow = fake_lane("slow", [(i, np.array([0])) for i in range(9)], seconds=0.03, clock=clock)
    ours = fake_lane("ours", [(i, np.array([0])) for i in range(9)], is_numpy=False, seconds=0.01, clock=clock)
    monkeypatch.setattr(_race, "_screen", lambda title, lanes: _Silent())
    answers = SameNeighbors(9)
    tell = answers.found

    def found(name, answer):
        turns.append(name)
        tell(name, answer)

    answers.found = found
    _race._run("", [slow, ours], answers)
    assert turns[:5] + turns[5:7] + turns[7:11] == ["ours"] * 5 + ["slow"] * 2 + ["ours"] * 4
    assert turns[11:] == ["slow"] * 7
    assert (slow.seconds, ours.seconds) == (pytest.approx(0.27), pytest.approx(0.09))
    assert answers.differing == {}


class _Silent:
    def __enter__(self):
        return lambda: None

    def __exit__(self, *_):
        return False


def test_another_answer_is_noticed_by_whichever_lane_is_later():
    answers = SameNeighbors(4)
    answers.found("one", (0, np.array([5, 6])))
    answers.found("two", (0, np.array([5, 7, 8])))
    answers.found("three", (2, np.array([8, 9])))
    answers.found("two", (3, np.array([9])))
    assert answers.differing == {"two": "query 1: row 7, and row 6 in another lane"}
    gradient = np.array([[3.0, 4.0]])
    losses = SameLosses()
    for name, value, slopes in (
        ("one", 2.0, gradient),
        ("near", 2.0001, gradient + 1e-4),
        ("loss", 2.001, gradient),
        ("slopes", 2.0, gradient * 1.001),
        ("nan", np.nan, gradient),
    ):
        losses.found(name, (0, value, slopes))
    assert set(losses.differing) == {"loss", "slopes", "nan"}
    for name in ("one", "two"):  # rows that are all alike have no slope
        losses.found(name, (1, np.log(2), np.zeros((2, 3))))
    assert "two" not in losses.differing


@pytest.mark.parametrize(("kind", "wrong"), [("knn", "filter"), ("svm", "fastcls")])
def test_a_lane_that_differs_makes_the_command_fail(monkeypatch, kind, wrong):
    name = "knn_lanes" if kind == "knn" else "linear_lanes"
    make = getattr(_race, name)

    def spoilt(*given):
        lanes = make(*given)
        lane = next(lane for lane in lanes if lane.name == wrong)
        prepare = lane.prepare

        def work():
            for rows, answer in prepare():
                yield rows, (*answer[:-1], answer[-1] + 1)

        lane.prepare = work
        return lanes

    monkeypatch.setattr(_race, name, spoilt)
    done = cli("race", kind, "digits", "--rows", "60")
    assert done.exit_code == 1
    assert "THE ANSWERS DIFFER" in done.stdout
    assert "found another answer" in done.stderr


@pytest.mark.parametrize("kind", ["knn", "svm", "softmax"])
def test_json_has_every_lane(kind):
    done = cli("race", kind, "digits", "--rows", "60", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["schema"], result["race"], result["data"], result["rows"], result["features"]) == (
        1,
        kind,
        "digits",
        60,
        64,
    )
    assert result["answers_equal"] is True
    names = (
        ["two loops", "one loop", "no loops", "brute force", "filter"] if kind == "knn" else ["loops", "NumPy", "fastcls"]
    )
    assert [lane["name"] for lane in result["lanes"]] == names
    for lane in result["lanes"]:
        assert lane["work"] == (50 if kind == "knn" else 600)
        assert lane["answers_equal"] is True
        assert lane["times_as_fast_as_the_first"] * lane["seconds"] == pytest.approx(result["lanes"][0]["seconds"])
    assert {"versions", "environment"} <= set(result)


@pytest.mark.parametrize("width", [30, 44, 60, 80, 200])
def test_the_result_fits_any_terminal(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    done = cli("race", "knn", "digits", *SMALL)
    assert done.exit_code == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= width
    for name in ("two loops", "one loop", "no loops", "brute force", "filter"):
        assert name in done.stdout
    assert done.stdout.count(" x") >= 5  # the ratios
    assert "\x1b" not in done.stdout + done.stderr
    assert ("answers" in done.stdout.splitlines()[-10]) or width < 80 or "equal" in done.stdout


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_bars_fill_on_any_terminal(width):
    from rich.console import Console

    lanes = knn_lanes(bytes_of(10, 0), bytes_of(8, 1), "l2")
    lanes[0].done, lanes[1].done = 2, 8
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None, legacy_windows=False).print(
        _race.bars(lanes, width)
    )
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= width
    for line, name, share in zip(lines, ("two loops", "one loop", "no loops"), (25, 100, 0), strict=False):
        assert name in line
        assert re.search(rf"\b{share} %", line)
    assert lines[1].count("━") >= lines[0].count("━") > 0


def test_a_terminal_shows_bars_and_ends_without_them(monkeypatch):
    """The bars are gone at the end, and the result is on stdout."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(_race, "Progress", lambda: _progress_on(stream))
    monkeypatch.setattr(_race, "_PICTURE", 0.0)
    done = cli("race", "softmax", "digits", "--rows", "60")
    assert done.exit_code == 0
    shown = stream.getvalue()
    assert "NumPy" in shown
    assert "━" in shown
    assert "\x1b[?25h" in shown  # the cursor is back
    assert "━" not in done.stdout
    assert "fastcls" in done.stdout


def _progress_on(stream):
    from fastcls.cli._progress import Progress

    return Progress(stream)


def test_without_data_there_are_pieces_of_photographs():
    rows = rows_of(None, None, 40, 9, 0)
    assert (rows.X.shape, rows.queries.shape, rows.X.dtype) == ((40, 3072), (9, 3072), np.uint8)
    again = rows_of(None, None, 40, 9, 0)
    np.testing.assert_array_equal(rows.X, again.X)
    assert (rows_of(None, None, 40, 9, 1).X != rows.X).any()
    assert set(rows_of(None, None, 200, 0, 0).y) == set(range(10))
    done = cli("race", "knn", *SMALL)
    assert done.exit_code == 0, done.stderr
    assert "pieces of two photographs" in done.stdout


def test_rows_of_data_are_drawn_and_test_rows_are_others(here):
    write_images(here / "images")
    rows = rows_of(str(here / "images"), None, 1000, 10, 0)
    assert len(rows.queries) == 10
    assert len(rows.X) == 26
    pairs = {row.tobytes() for row in rows.X} & {row.tobytes() for row in rows.queries}
    assert not pairs
    assert set(rows.y) == {0, 1, 2}
    done = cli("race", "svm", here / "images", "--steps", "2")
    assert done.exit_code == 0, done.stderr


def test_what_cannot_race_is_refused_in_one_line(here):
    np.savez(here / "floats.npz", X=np.random.default_rng(0).normal(size=(20, 5)), y=np.arange(20) % 2)
    np.savez(here / "one.npz", X=np.zeros((20, 5), np.uint8), y=np.zeros(20, int))
    refused(cli("race", "knn", here / "floats.npz"), "float64", "images of bytes")
    refused(cli("race", "knn", "digits", "--rows", "0"), "--rows", "at least 1")
    refused(cli("race", "svm", "digits", "--steps", "-3"), "--steps")
    refused(cli("race", "knn", "digits", "--metric", "cosine"), "l1, l2")
    refused(cli("race", "svm", here / "one.npz", "--rows", "2"), "one class")
    refused(cli("race", "knn", here / "nothing"), "nothing")
    refused(cli("race", "knn", "--labels", "y.npy"), "--labels belongs to DATA")
    refused(cli("race", "tortoise"), "tortoise")


def test_help_names_the_lanes_and_the_command_alone_shows_it():
    assert "Two loops, one loop and no loops" in " ".join(cli("race", "knn", "--help").stdout.split())
    assert "softmax" in cli("race").stdout


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_a_race(tmp_path):
    home = Path(fastcls.__file__).parents[1]
    command = [sys.executable, "-m", "fastcls.cli", "race", "knn", "--rows", "20000", "--queries", "10000"]
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(home)},
    )
    line = running.stderr.readline()  # the first line of progress: it is running
    assert "race" in line
    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert errors.splitlines()[-1] == "fastcls: interrupted"
    assert out == ""
    assert "Traceback" not in errors
