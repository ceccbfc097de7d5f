"""Parts of the command line on their own: test set, progress, wording."""

import io
import queue
import threading
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from _command import here
from sklearn.datasets import load_digits

from fastcls import KNeighborsClassifier, evaluate_k
from fastcls._scoring import intervals
from fastcls._validation import rows
from fastcls.cli import _checks, _data, _estimate, _linear, _progress, _test_set, _text

__all__ = ["here"]  # the fixture that every test here is under


def test_the_test_set_counts_evaluations_and_warns_at_the_second():
    class Zero:
        classes_ = np.array([0, 1])

        def predict(self, X):
            return np.zeros(len(X), dtype=np.int64)

        def decision_function(self, X):
            return np.full(len(X), -0.25)

    test = _test_set.TestSet(np.zeros((4, 2)), np.array([0, 0, 0, 1]))
    first = test.evaluate("zero", Zero())
    assert (first.errors, first.accuracy, test.evaluations["zero"]) == (1, 0.75, 1)
    assert (first.measure, first.scores.tolist()) == ("score", [0.25] * 4)  # of the class that was predicted
    with pytest.warns(UserWarning, match="2 times"):
        test.evaluate("zero", Zero())
    assert test.evaluations.total() == 2


@pytest.mark.parametrize("k", [1, 3])
def test_top_5_of_neighbours_is_that_of_evaluate_k_no_class_without_a_vote_is_a_guess(k):
    X, y = load_digits(return_X_y=True)
    train, labels, test, truth = X[:300], y[:300], X[300:900], y[300:900]
    model = KNeighborsClassifier(k, metric="l2").fit(train, labels)
    found = _test_set.TestSet(test, truth).evaluate("knn", model).numbers.values
    wanted = evaluate_k(train, labels, test, truth, [k])
    for name in ("top1", "top5"):
        assert found[name] == tuple(wanted[f"{name}{end}"][0] for end in ("", "_low", "_high"))
    if k == 1:
        assert found["top5"] == found["top1"]  # one neighbour has one vote


@pytest.mark.parametrize(
    ("name", "dtype", "n_passes"),
    [
        ("f.npy", "uint8", 0),
        ("f.npy", "float32", 1),
        ("f.npy", "float64", 2),  # for NaN, and for squares that overflow
        ("f.csv", "float64", 2),
    ],
)
def test_rows_are_read_once_for_each_check(name, dtype, n_passes, monkeypatch):
    X, y = np.full((40, 3), 2.5).astype(dtype), np.arange(40) % 2
    if name == "f.npy":
        np.save(name, X)
        np.save("y.npy", y)
    else:
        np.savetxt(name, np.column_stack([X, y]), delimiter=",", header="a,b,c,label", comments="")
    seen = []
    largest = rows.largest_magnitude
    monkeypatch.setattr(rows, "largest_magnitude", lambda block: (seen.append(len(block)), largest(block))[1])
    assert len(_data.load(name, ("l1", "l2")).X) == 40
    assert sum(seen) == 40 * n_passes


def test_mcnemar_matches_hand_computed_values():
    # 9 against 3 of 12: 2 * (C(12,0) + C(12,1) + C(12,2) + C(12,3)) / 2^12 = 2 * 299 / 4096
    right, other = np.zeros(40, dtype=bool), np.zeros(40, dtype=bool)
    right[:9], other[9:12] = True, True
    right[20:] = other[20:] = True  # where both are right, nothing is said
    only, only_other, p = intervals.mcnemar(right, other)
    assert (only, only_other) == (9, 3)
    assert p == pytest.approx(598 / 4096)
    assert intervals.mcnemar(other, right) == (3, 9, p)
    assert intervals.mcnemar(right, right) == (0, 0, 1.0)
    assert intervals.mcnemar(right, ~right)[2] < 0.05


def test_wilson_interval_matches_hand_computed_values():
    # 81 of 263 is the worked example of Newcombe, Statistics in Medicine 17 (1998), Table I, method 3
    assert intervals.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert intervals.wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert intervals.wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert intervals.wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert intervals.wilson_interval(20, 20)[1] == 1.0


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb", "a\\nb"),
        ("\u202egpj", "\\u202egpj"),
        ("caf\u00e9", "caf\u00e9"),
        ("\udcff", "\\udcff"),
    ],
)
def test_names_cannot_control_the_terminal(raw, shown):
    assert _text.printable(raw) == shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "about 1 s"), (38.2, "about 40 s"), (119, "about 2 min"), (9000, "about 2.5 h")]
)
def test_durations_are_rounded(seconds, said):
    assert _text.about(seconds) == said


class Screen(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


class Waits:
    """In place of the event that a step's watcher waits for: the test says when the time of a wait is over."""

    def __init__(self):
        self.asked, self.ended = queue.Queue(), queue.Queue()

    def wait(self, seconds):
        self.asked.put(seconds)
        return self.ended.get()

    def set(self):
        self.ended.put(True)

    def time_is_over(self):
        self.ended.put(False)


@pytest.fixture
def waits(monkeypatch):
    """The events of the steps of a test, in their order; and a clock that the test turns: `waits.now`."""
    made = SimpleNamespace(events=[], now=0.0)

    def event():
        made.events.append(Waits())
        return made.events[-1]

    monkeypatch.setattr(_progress, "threading", SimpleNamespace(Thread=threading.Thread, Event=event))
    monkeypatch.setattr(_progress, "time", SimpleNamespace(perf_counter=lambda: made.now))
    monkeypatch.setenv("TERM", "xterm")
    return made


@pytest.mark.parametrize("stream", [io.StringIO, Screen])
def test_a_long_step_prints_progress_and_a_short_one_does_not(stream, waits):
    shown = stream()
    progress = _progress.Progress(shown)
    with progress.step("short") as report:
        report(1, 2)
    assert shown.getvalue() == ""
    assert waits.events[0].asked.get() == _progress.QUIET_SECONDS
    with progress.step("long") as report:
        report(25, 50)
        event = waits.events[1]
        assert event.asked.get() == _progress.QUIET_SECONDS
        waits.now = 7.0
        event.time_is_over()
        if stream is io.StringIO:
            assert event.asked.get() == _progress.PLAIN_SECONDS  # its first line is printed
            waits.now = 80.0
            event.time_is_over()
            assert event.asked.get() == 8.0  # few lines in the log of a long step
    lines = shown.getvalue().splitlines()
    if stream is io.StringIO:
        assert lines == ["long: 50 % done, 7 s", "long: 50 % done, 80 s", "long: done in 80 s"]
    else:
        assert "short" not in shown.getvalue()
        assert "50%" in shown.getvalue()  # the bar
        assert "long: done in 7 s" in lines[-1]


def test_error_inside_a_step_ends_its_display(waits):
    def interrupted(stream):
        with _progress.Progress(stream).step("long"):
            waits.events[-1].time_is_over()
            raise KeyboardInterrupt

    before = set(threading.enumerate())
    for stream in (io.StringIO(), Screen()):
        with pytest.raises(KeyboardInterrupt):
            interrupted(stream)
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_warnings_become_notes_once():

    stream = io.StringIO()
    progress = _progress.Progress(stream)
    with progress.library_as_notes():
        for _ in range(2):
            warnings.warn("ks above\n 60 were dropped", UserWarning, stacklevel=1)
    assert progress.notes == ["ks above 60 were dropped"]
    assert stream.getvalue() == "note: ks above 60 were dropped\n"


def test_defaults_are_left_out_of_the_command():
    assert _checks.RunOptions("digits").command == "fastcls run digits"
    assert _checks.RunOptions("-d ata", ks=(1, 3)).command == "fastcls run './-d ata' --ks 1,3"
    assert _checks.RunOptions("pets", image_size=64).command == "fastcls run pets --image-size 64"


def test_ks_may_be_ranges():
    from fastcls._validation.errors import InputError
    from fastcls.cli._checks import parse_ks

    assert parse_ks("1-5, 9,20-21,3") == (1, 2, 3, 4, 5, 9, 20, 21)
    for wrong in ("5-3", "0-4", "1--3", "1-", "-3", "1-2-3", "1-9999999", "3,5-4"):
        with pytest.raises(InputError, match="such as 1,3,5 or 1-20"):
            parse_ks(wrong)


@pytest.mark.parametrize(("n", "largest"), [(1000, None), (30_000, 500), (3, None)])
def test_the_fixed_cost_of_a_call_is_not_scaled_up(n, largest, monkeypatch):
    """The clock advances only with the work: 0.3 s a call and 1 ms a unit."""
    now, asked = [0.0], []

    def work(n_units):
        asked.append(n_units)
        now[0] += 0.3 + 0.001 * n_units

    monkeypatch.setattr(_estimate.time, "perf_counter", lambda: now[0])
    assert _estimate.seconds_of(work, n, largest) == pytest.approx(0.3 + 0.001 * n)
    assert max(asked) <= min(n, largest or n)
    assert sum(asked) < 500


def test_a_small_gradient_has_fewer_entries_to_check(monkeypatch):
    monkeypatch.setattr(_linear, "CHECK_WORK", 4_000_000_000)
    X, y = np.random.default_rng(0).integers(0, 17, (50, 64)).astype(np.uint8), np.arange(50) % 10
    wanted = _linear.numbers_checked(len(X), 64, 10)
    assert wanted == 650 == _linear.check_on_sample(X, y, "softmax", seed=0).n_checked
    assert _linear.check_on_sample(X, y, "softmax", seed=0, n_checked=7).n_checked == 7
    assert _linear.numbers_checked(50_000, 3072, 10) == 2034


def test_a_report_of_fewer_figures_is_estimated_to_take_less(monkeypatch):
    now, drawn = [0.0], []

    def draw(plot, description):
        drawn.append(plot())
        now[0] += 0.1

    monkeypatch.setattr("fastcls.cli.report._figures.draw", draw)
    monkeypatch.setattr(_estimate.time, "perf_counter", lambda: now[0])
    every = _estimate.report_seconds(_checks.MODELS, with_images=True)
    assert every == pytest.approx(8.0)
    assert len(drawn) == 3
    assert _estimate.report_seconds(["knn"], with_images=True) == pytest.approx(2.7)
    assert _estimate.report_seconds(["knn"], with_images=False) == pytest.approx(0.8)
    assert _estimate.report_seconds(["knn", "lecture"], with_images=False) == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("shape", "n_classes"),
    [
        ((1437, 64), 10),
        ((60_000, 784), 10),
        ((50_000, 3072), 10),
        ((53_666, 384), 58),
        ((300, 200_000), 2),
        ((10, 2), 2),
        ((2_000_000, 128), 1000),
    ],
)
def test_random_search_is_a_tenth_of_the_run_by_count_of_multiply_adds(shape, n_classes):
    tries = _linear.random_tries(shape, n_classes)
    assert _linear.random_tries(shape, n_classes) == tries
    assert 10 <= tries <= 1000
    of_try = shape[0] * (shape[1] + 1) * n_classes
    epochs = min(200, max(20, -(-1000 // -(-shape[0] // 256))))
    # two losses; six alphas on four fifths of the rows, the best on all; scores and gradient
    trained = 2 * (6 * 0.8 + 1) * 2 * epochs * of_try
    assert tries * of_try <= max(0.1 * (tries * of_try + trained), 2e9)
    if shape[0] < 2000 and shape[1] < 100:
        assert tries == 1000  # the lecture's, where they cost nothing
