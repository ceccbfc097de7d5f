"""An interrupted and resumed training ends with the same bits as an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from _checkpointed import SOLVERS, Broken, break_after, model, outcome_of, rows

import fastcls
from fastcls import MulticlassSVM, optim
from fastcls._validation.errors import InputError
from fastcls.optim import _checkpoint, _descent, _random

HELPERS = Path(__file__).resolve().parents[1] / "helpers"

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: Trainings killed by SIGKILL; ``FASTCLS_KILLS=100 pytest tests/linear/test_checkpoint.py -k killed`` is the long form.
KILLS = int(os.environ.get("FASTCLS_KILLS", "5"))


@pytest.fixture
def small_chunks(monkeypatch):
    """Several chunks an epoch, and several passes of a search, on data this small."""
    monkeypatch.setattr(_descent, "_WORK_PER_CALL", 60_000)
    monkeypatch.setattr(_random, "_VALUES_PER_PASS", 10 * 3 * 20)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_training_resumes_from_each_of_its_states(tmp_path, monkeypatch, small_chunks, name):
    X, y = rows()
    fitted = model(name).fit(X, y)
    if name in ("sgd, early stopping", "sgd, tol"):
        assert fitted.n_iter_ < fitted.max_iter  # by what was counted since the best
    whole = outcome_of(fitted)
    breaks, chooses = 0, SOLVERS[name].get("alpha") == "auto"  # which takes far longer than the training
    for n in (1, 4, 400) if chooses else (1, 2, 3, 4, 6, 14, 50, 400):
        path = tmp_path / f"{n}.state"
        with monkeypatch.context() as patch:
            break_after(patch, n)
            try:
                model(name, path).fit(X, y)
            except Broken:
                breaks += 1
            else:
                break
        assert outcome_of(model(name, path, resume=True).fit(X, y)) == whole, n
    assert breaks >= (2 if chooses else 5)
    assert outcome_of(model(name, path, resume=True).fit(X, y)) == whole  # from the state of a training that was done


@pytest.mark.parametrize("name", ["sgd", "lbfgs", "gd"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32", "float64"])
def test_every_type_of_rows_resumes_with_other_threads(tmp_path, monkeypatch, small_chunks, name, dtype):
    X, y = rows("uint8")
    X = (X // 2).astype(dtype) if dtype == "int8" else X.astype(dtype)
    whole = outcome_of(model(name, n_jobs=1).fit(X, y))
    with monkeypatch.context() as patch:
        break_after(patch, 5)
        with pytest.raises(Broken):
            model(name, tmp_path / "state", n_jobs=1).fit(X, y)
    assert outcome_of(model(name, tmp_path / "state", n_jobs=2, resume=True).fit(X, y)) == whole


def test_a_training_can_be_interrupted_repeatedly(tmp_path, monkeypatch, small_chunks):
    X, y = rows()
    whole = outcome_of(model("sgd").fit(X, y))
    breaks, done = 0, None
    while done is None and breaks < 100:
        with monkeypatch.context() as patch:
            break_after(patch, 2)
            try:
                done = model("sgd", tmp_path / "state", resume=True).fit(X, y)
            except Broken:
                breaks += 1
    assert breaks > 10
    assert outcome_of(done) == whole


def test_some_states_are_within_an_epoch(tmp_path, monkeypatch, small_chunks):
    X, y = rows()
    break_after(monkeypatch, 3)
    with pytest.raises(Broken):
        model("sgd", tmp_path / "state").fit(X, y)
    assert len(safetensors.numpy.load_file(tmp_path / "state")["done"]) > 0


def test_hinge_with_weights_of_rows_and_classes(tmp_path, monkeypatch, small_chunks):
    X, y = rows()
    weights = np.random.default_rng(1).random(len(X))

    def svm(**changes):
        return MulticlassSVM(
            alpha=1e-3, max_iter=5, batch_size=32, class_weight="balanced", max_norm=0.1, random_state=3, **changes
        )

    whole = outcome_of(svm().fit(X, y, weights))
    with monkeypatch.context() as patch:
        break_after(patch, 7)
        with pytest.raises(Broken):
            svm(checkpoint=tmp_path / "state", checkpoint_seconds=0).fit(X, y, weights)
    again = svm(checkpoint=tmp_path / "state", resume=True)
    assert outcome_of(again.fit(X, y, weights)) == whole
    with pytest.raises(InputError, match="belongs to a training with another sample_weight"):
        again.fit(X, y, weights[::-1])


def test_states_are_written_at_the_given_interval(tmp_path):
    clock = [0.0]
    kept = optim.Checkpoint(tmp_path / "state", 30)
    seen = []

    def state():
        seen.append(clock[0])
        return {"a": np.zeros(1)}, {}

    original = _checkpoint.time.monotonic
    _checkpoint.time.monotonic = lambda: clock[0]
    try:
        kept.begin({})
        for now in range(0, 100, 7):
            clock[0] = float(now)
            kept.offer(state)
        kept.offer(state, now=True)
    finally:
        _checkpoint.time.monotonic = original
    assert seen == [35.0, 70.0, 98.0]


def test_a_model_that_was_checkpointed_is_saved_like_any_other(tmp_path):
    X, y = rows()
    fitted = model("sgd", tmp_path / "state").fit(X, y)
    fitted.save(tmp_path / "model")
    assert np.array_equal(fastcls.load(tmp_path / "model").coef_, fitted.coef_)


# Says when each state is about to be written, and when it was.
CHILD = """
import sys
sys.path[:0] = [{tests!r}]
import _checkpointed as here
from fastcls.optim import _checkpoint, _descent, _random
_descent._WORK_PER_CALL, _random._VALUES_PER_PASS = {sizes!r}
offer = _checkpoint.Checkpoint.offer
def said(self, state, *, now=False):
    print("offered", flush=True)
    offer(self, state, now=now)
    print("written", flush=True)
_checkpoint.Checkpoint.offer = said
X, y = here.rows(n=1500)
made = here.model({name!r}, {path!r}, **{changes!r})
made.fit(X, y)
print("end", flush=True)
"""

#: solver -> what makes its training long, and how many lines the child says at least
LONG = {
    "sgd": {"max_iter": 10},
    "sgd, early stopping": {"max_iter": 20, "learning_rate": 1e-3},
    "gd": {"max_iter": 40},
    "lbfgs": {"max_iter": 30, "tol": 1e-9},
    "random_search": {"max_iter": 400},
}
LINES = 40


def start(name, path, changes):
    sizes = _descent._WORK_PER_CALL, _random._VALUES_PER_PASS
    code = CHILD.format(tests=str(HELPERS), name=name, path=str(path), changes=changes, sizes=sizes)
    return subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.process
def test_trainings_that_are_killed_at_any_moment_end_with_the_same_bits(tmp_path, small_chunks):
    X, y = rows(n=1500)
    whole = {name: outcome_of(model(name, **changes).fit(X, y)) for name, changes in LONG.items()}
    rng = random.Random(os.getpid())
    went_on = []
    for at in range(KILLS):
        name = list(LONG)[at % len(LONG)]
        path = tmp_path / f"{at}.state"
        child = start(name, path, LONG[name])
        for _ in range(rng.randrange(3, LINES)):
            assert child.stdout.readline() in ("offered\n", "written\n")
        child.send_signal(signal.SIGKILL)
        assert "end\n" not in child.stdout.readlines()[-1:]
        child.wait()
        child.stdout.close()
        seen = []
        again = model(name, path, resume=True, callbacks=seen.append, **LONG[name])
        assert outcome_of(again.fit(X, y)) == whole[name], (at, name)
        went_on.append(not seen or seen[0].iteration > 1)
    assert any(went_on)  # and did not start from the beginning


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("name", ["sgd", "gd", "lbfgs", "random_search"])
def test_ctrl_c_loses_nothing(tmp_path, small_chunks, name):
    X, y = rows()
    whole = outcome_of(model(name).fit(X, y))
    path = tmp_path / "state"
    interrupted = []

    def press(progress):
        if progress.iteration == 2 and not interrupted:
            interrupted.append(path.read_bytes())
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="the state of the training is in .*: resume with resume=True"):
        model(name, path, callbacks=press, checkpoint_seconds=1e9).fit(X, y)
    assert interrupted
    assert path.read_bytes() != interrupted[0]  # what had come since the first state was written
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen = []
    resumed = model(name, path, resume=True, callbacks=lambda progress: seen.append(progress.iteration)).fit(X, y)
    assert outcome_of(resumed) == whole
    assert name == "lbfgs" or seen[0] == 3


def test_another_handler_stays_and_another_thread_sets_none(tmp_path, small_chunks):
    """Python sets handlers in the main thread only."""
    X, y = rows()
    seen = []
    fit = model("gd", tmp_path / "state", callbacks=lambda progress: seen.append(signal.getsignal(signal.SIGINT))).fit
    thread = threading.Thread(target=fit, args=(X, y))
    thread.start()
    thread.join()
    assert set(seen) == {signal.default_int_handler}
    (tmp_path / "state").unlink()
    seen.clear()

    def own(number, frame):
        raise AssertionError("nobody presses Ctrl-C here")

    before = signal.signal(signal.SIGINT, own)
    try:
        fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert set(seen) == {own}
