"""Trainings that were broken off end with the bits of those that were not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).parent))
from _rows import python

import fastcls
from fastcls import MulticlassSVM, SoftmaxClassifier, optim
from fastcls._storage import atomic
from fastcls._storage.safetensors import read_header, write
from fastcls._validation.errors import InputError
from fastcls.optim import _checkpoint, _descent, _random

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: Trainings killed by SIGKILL; ``FASTCLS_KILLS=100 pytest tests/test_checkpoint.py -k killed`` is the long form.
KILLS = int(os.environ.get("FASTCLS_KILLS", "10"))

SOLVERS = {
    "sgd": {"max_iter": 6, "batch_size": 32},
    "sgd, nesterov": {"max_iter": 6, "batch_size": 32, "nesterov": True, "schedule": "step"},
    "sgd, early stopping": {"max_iter": 12, "batch_size": 32, "early_stopping": True, "learning_rate": 0.5},
    "sgd, l1": {"max_iter": 6, "batch_size": 64, "penalty": "l1", "alpha": 1e-3},
    "sgd, tol": {"max_iter": 40, "batch_size": 64, "tol": 1e-2},
    "gd": {"solver": "gd", "max_iter": 8},
    "lbfgs": {"solver": "lbfgs", "max_iter": 15},
    "lbfgs, early stopping": {"solver": "lbfgs", "max_iter": 15, "early_stopping": True},
    "random_search": {"solver": "random_search", "max_iter": 45},
    "random_local_search": {"solver": "random_local_search", "max_iter": 45, "init_scale": 1e-3},
}


class Broken(BaseException):
    """A training that ends here, as by a signal."""


@pytest.fixture
def small_pieces(monkeypatch):
    """Several pieces an epoch, and several passes of a search, on data this small."""
    monkeypatch.setattr(_descent, "_WORK_PER_CALL", 60_000)
    monkeypatch.setattr(_random, "_VALUES_PER_PASS", 10 * 3 * 20)


def rows(dtype="uint8", n=300, d=20):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return (rng.integers(0, 160, (n, d)) + 20 * y[:, None]).astype(dtype), np.array(["ape", "bee", "cat"])[y]


def model(name, path=None, **changes):
    kept = {} if path is None else {"checkpoint": path, "checkpoint_seconds": 0}
    return SoftmaxClassifier(**{"random_state": 3, **kept, **SOLVERS[name], **changes})


def told(fitted):
    """Everything that a training leaves, as bytes."""
    names = ("coef_", "intercept_", "loss_history_", "val_history_", "gradient_norm_")
    return [np.asarray(getattr(fitted, name)).tobytes() for name in names] + [fitted.n_iter_, fitted.learning_rate_]


def break_after(monkeypatch, n):
    """The training ends when its n-th state has been written."""
    written = [0]
    offer = _checkpoint.Checkpoint.offer

    def offer_and_break(self, state, *, now=False):
        offer(self, state, now=now)
        written[0] += 1
        if written[0] == n:
            raise Broken

    monkeypatch.setattr(_checkpoint.Checkpoint, "offer", offer_and_break)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_training_goes_on_from_its_states(tmp_path, monkeypatch, small_pieces, name):
    X, y = rows()
    fitted = model(name).fit(X, y)
    if name in ("sgd, early stopping", "sgd, tol"):
        assert fitted.n_iter_ < fitted.max_iter  # by what was counted since the best
    whole = told(fitted)
    breaks = 0
    for n in [*range(1, 12), *range(12, 400, 9)]:
        path = tmp_path / f"{n}.state"
        with monkeypatch.context() as patch:
            break_after(patch, n)
            try:
                model(name, path).fit(X, y)
            except Broken:
                breaks += 1
            else:
                break
        assert told(model(name, path, resume=True).fit(X, y)) == whole, n
    assert breaks >= 5
    assert told(model(name, path, resume=True).fit(X, y)) == whole  # from the state of a training that was done


@pytest.mark.parametrize("name", ["sgd", "lbfgs", "gd"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32", "float64"])
def test_every_type_of_rows_and_other_threads(tmp_path, monkeypatch, small_pieces, name, dtype):
    X, y = rows("uint8")
    X = (X // 2).astype(dtype) if dtype == "int8" else X.astype(dtype)
    whole = told(model(name, n_jobs=1).fit(X, y))
    with monkeypatch.context() as patch:
        break_after(patch, 5)
        with pytest.raises(Broken):
            model(name, tmp_path / "state", n_jobs=1).fit(X, y)
    assert told(model(name, tmp_path / "state", n_jobs=2, resume=True).fit(X, y)) == whole


def test_broken_again_and_again(tmp_path, monkeypatch, small_pieces):
    X, y = rows()
    whole = told(model("sgd").fit(X, y))
    breaks, done = 0, None
    while done is None and breaks < 100:
        with monkeypatch.context() as patch:
            break_after(patch, 2)
            try:
                done = model("sgd", tmp_path / "state", resume=True).fit(X, y)
            except Broken:
                breaks += 1
    assert breaks > 10
    assert told(done) == whole


def test_some_states_lie_within_an_epoch(tmp_path, monkeypatch, small_pieces):
    X, y = rows()
    break_after(monkeypatch, 3)
    with pytest.raises(Broken):
        model("sgd", tmp_path / "state").fit(X, y)
    assert len(safetensors.numpy.load_file(tmp_path / "state")["done"]) > 0


def test_hinge_with_weights_of_rows_and_classes(tmp_path, monkeypatch, small_pieces):
    X, y = rows()
    weights = np.random.default_rng(1).random(len(X))

    def svm(**changes):
        return MulticlassSVM(max_iter=5, batch_size=32, class_weight="balanced", max_norm=0.1, random_state=3, **changes)

    whole = told(svm().fit(X, y, weights))
    with monkeypatch.context() as patch:
        break_after(patch, 7)
        with pytest.raises(Broken):
            svm(checkpoint=tmp_path / "state", checkpoint_seconds=0).fit(X, y, weights)
    again = svm(checkpoint=tmp_path / "state", resume=True)
    assert told(again.fit(X, y, weights)) == whole
    with pytest.raises(InputError, match="a training that had another sample_weight"):
        again.fit(X, y, weights[::-1])


def test_states_are_written_when_it_is_time(tmp_path):
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


def test_every_parameter_that_matters_is_told_apart(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    model("sgd", path).fit(X, y)
    before = path.read_bytes()
    others = {
        "alpha": 1e-2, "penalty": "l1", "batch_size": 33, "momentum": 0.8, "nesterov": True, "schedule": "constant",
        "learning_rate": 0.1, "max_iter": 7, "tol": 0.1, "init_scale": 1e-3, "center": False, "scale": False,
        "fit_intercept": False, "early_stopping": True, "random_state": 4, "class_weight": {"ape": 2.0}, "max_norm": 3.0,
        "solver": "gd",
    }  # fmt: skip
    for name, value in others.items():
        with pytest.raises(InputError, match="is of a training that had "):
            model("sgd", path, resume=True, **{name: value}).fit(X, y)
        assert path.read_bytes() == before, name
    model("sgd", path, resume=True, verbose=0, n_jobs=1, callbacks=[]).fit(X, y)


@pytest.mark.parametrize("name", ["sgd", "gd", "lbfgs", "random_search"])
def test_other_data_is_refused(tmp_path, name):
    X, y = rows()
    path = tmp_path / "state"
    model(name, path).fit(X, y)
    other = X.copy()
    other[200, 7] ^= 1
    with pytest.raises(InputError, match="of a training that had another (X|center|scale)"):
        model(name, path, resume=True).fit(other, y)
    with pytest.raises(InputError, match="of a training that had another y"):
        model(name, path, resume=True).fit(X, np.roll(y, 1))
    with pytest.raises(InputError, match="of a training that had another X"):
        model(name, path, resume=True).fit(X.astype("float32"), y)


def rewrite(arrays, path, header):
    """The file with these arrays and this header, as if a training had written them."""
    write(path, arrays, {key: text for key, text in header.items() if key not in ("digests", "checksum")})


def test_a_byte_that_changed_is_noticed(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    model("sgd", path).fit(X, y)
    whole, rng = path.read_bytes(), random.Random(0)
    for place in rng.sample(range(len(whole)), 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"is damaged|is not a whole safetensors|is no checkpoint|of a training that"):
            model("sgd", path, resume=True).fit(X, y)


def test_every_byte_of_the_rows_counts(tmp_path, monkeypatch):
    """In every piece of them, and by itself: there is neither center nor scale that would follow it."""
    monkeypatch.setattr(atomic, "_PIECE_BYTES", 64)
    X, y = rows()
    plain = {"center": False, "scale": False, "learning_rate": 1e-6}
    model("sgd", tmp_path / "state", **plain).fit(X, y)
    for at in [*range(0, X.size, 601), X.size - 1]:
        other = X.copy()
        other.flat[at] ^= 1
        with pytest.raises(InputError, match="of a training that had another X"):
            model("sgd", tmp_path / "state", resume=True, **plain).fit(other, y)


@pytest.mark.parametrize("name", ["sgd", "gd", "lbfgs", "random_search"])
def test_another_instruction_set_is_refused(tmp_path, name):
    """Its sums are rounded otherwise, so the training would go on to other bits."""
    X, y = rows()
    path = tmp_path / "state"
    best = fastcls.simd.active()
    if best == "scalar":
        pytest.skip("this machine runs the scalar kernels only")
    model(name, path).fit(X, y)
    fastcls.simd.use("scalar")
    try:
        with pytest.raises(InputError, match=f"had instruction set='{best}', not 'scalar'"):
            model(name, path, resume=True).fit(X, y)
    finally:
        fastcls.simd.use(best)
    model(name, path, resume=True).fit(X, y)


def optimisers(path):
    kept = {"random_state": 0, "checkpoint": optim.Checkpoint(path, 0, resume=True)}
    return [
        optim.SGD(3, 32, **kept), optim.GradientDescent(3, **kept), optim.RandomSearch(30, **kept),
        optim.LBFGS(3, checkpoint=kept["checkpoint"]),
    ]  # fmt: skip


def test_a_problem_and_rows_kept_apart_are_told_apart_by_all_they_are(tmp_path):
    """For those who use the optimisers themselves: estimators make all of this of X, y and their parameters."""
    X, names = rows()
    y = np.unique(names, return_inverse=True)[1]

    def problem(rows=X, codes=y, **options):
        return fastcls.LinearProblem(rows, codes, **options)

    start = np.zeros(problem().shape)
    for number in range(4):
        path = tmp_path / f"{number}"
        optimisers(path)[number].minimize(problem(margin=2.0, loss="squared_hinge"), start)
        with pytest.raises(InputError, match="a training that had margin='2.0', not 'None'"):
            optimisers(path)[number].minimize(problem(loss="squared_hinge"), start)
        path.unlink()
        optimisers(path)[number].minimize(problem(), start, problem(X[:90], y[:90]))
        for other in (problem(X[90:], y[90:]), problem(X[:90], y[90:180]), problem(X[:90], y[:90], alpha=1.0), None):
            with pytest.raises(InputError, match="a training that had another validation"):
                optimisers(path)[number].minimize(problem(), start, other)
        optimisers(path)[number].minimize(problem(), start, problem(X[:90], y[:90]))


def test_generators_and_starts_are_told_apart(tmp_path):
    X, names = rows()
    problem = fastcls.LinearProblem(X, np.unique(names, return_inverse=True)[1])
    state, later = np.random.RandomState(0), np.random.RandomState(0)
    state.rand(1)
    later.rand(5)  # of the same 624 numbers more are used up
    for number, kind in enumerate([optim.SGD, optim.RandomSearch]):
        for random_state, changes in ((state, {}), (later, {"resume": True})):
            made = kind(random_state=random_state, checkpoint=optim.Checkpoint(tmp_path / f"{number}", **changes))
            if not changes:
                made.minimize(problem, np.zeros(problem.shape))
                continue
            with pytest.raises(InputError, match="a training that had another random_state"):
                made.minimize(problem, np.zeros(problem.shape))
    path = tmp_path / "search"
    optimisers(path)[2].minimize(problem)
    with pytest.raises(InputError, match="a training that had another start"):
        optimisers(path)[2].minimize(problem, np.zeros(problem.shape))


@pytest.mark.skipif(sys.platform != "linux", reason="opens a pipe for reading and writing at once")
def test_what_is_no_file_is_not_opened(tmp_path):
    X, y = rows()
    os.mkfifo(tmp_path / "pipe")
    kept_open = os.open(tmp_path / "pipe", os.O_RDWR)  # or who opens it waits for ever
    try:
        for path in (tmp_path / "pipe", tmp_path):
            for resume in (False, True):
                with pytest.raises(InputError, match="is no file, but a folder or a device"):
                    model("sgd", path, resume=resume).fit(X, y)
    finally:
        os.close(kept_open)


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_state_that_finds_no_room_on_the_disk_is_told_in_one_line(tmp_path):
    """The training ends, and goes on from the last state that was written."""
    whole = told(model("lbfgs").fit(*rows()))
    code = """
import resource, sys
sys.path[:0] = [sys.argv[1]]
import test_checkpoint as here
from fastcls._validation.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
try:
    here.model("lbfgs", sys.argv[2]).fit(*here.rows())
except InputError as error:
    print(error)
"""
    said = python(code, Path(__file__).parent, tmp_path / "state")
    assert said.startswith("cannot write the checkpoint to '")
    assert "make room on the disk" in said
    assert said.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]
    assert told(model("lbfgs", tmp_path / "state", resume=True).fit(*rows())) == whole


def test_a_link_to_a_state_stays_one(tmp_path, monkeypatch):
    X, y = rows()
    (tmp_path / "disk").mkdir()
    path, linked = tmp_path / "disk" / "state", tmp_path / "state"
    with monkeypatch.context() as patch:
        break_after(patch, 3)
        with pytest.raises(Broken):
            model("sgd", path).fit(X, y)
    linked.symlink_to(path)
    before = path.read_bytes()
    model("sgd", linked, resume=True).fit(X, y)
    assert linked.is_symlink()
    assert path.read_bytes() != before


def test_a_file_that_is_there_is_left_alone(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists: go on from it with resume=True, or name another file"):
        model("sgd", path).fit(X, y)
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        model("sgd", path, resume=True).fit(X, y)
    assert path.read_bytes() == b"mine"
    saved = tmp_path / "model"
    model("sgd").fit(X, y).save(saved)
    with pytest.raises(InputError, match="is no checkpoint of this fastcls"):
        model("sgd", saved, resume=True).fit(X, y)


def test_a_refused_fit_leaves_no_file_and_no_model(tmp_path):
    X, y = rows()
    for changes, why in [
        ({"random_state": None}, "give random_state a number"), ({"checkpoint": 7}, "checkpoint is an int"),
        ({"checkpoint": None, "resume": True}, "give checkpoint=PATH too"), ({"resume": "yes"}, "resume"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds"),
        ({"checkpoint": tmp_path / "none" / "state"}, "none"),
    ]:  # fmt: skip
        made = model("sgd", tmp_path / "state").set_params(**changes)
        with pytest.raises((InputError, OSError), match=why):
            made.fit(X, y)
        assert not hasattr(made, "coef_")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="partial_fit keeps no checkpoint"):
        model("sgd", tmp_path / "state").partial_fit(X, y)


def test_damaged_states_are_refused_in_one_line(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    for name in ("sgd", "lbfgs", "random_search"):
        path.unlink(missing_ok=True)
        model(name, path).fit(X, y)
        whole = path.read_bytes()
        header = read_header(path, "a checkpoint")
        arrays = safetensors.numpy.load_file(path)
        rng = random.Random(0)
        for _ in range(40):
            path.write_bytes(whole[: rng.randrange(len(whole))])
            with pytest.raises(InputError, match="not a whole safetensors file"):
                model(name, path, resume=True).fit(X, y)
        for lost in arrays:
            kept = {other: array for other, array in arrays.items() if other != lost}
            rewrite(kept or {"other": np.zeros(1)}, path, header)
            if lost in ("done", "best_W"):
                continue
            again = model(name, path, resume=True)
            if (name, lost) in [("lbfgs", "values"), ("random_search", "values")]:  # what is left is a state before any step
                again.fit(X, y)
            else:
                with pytest.raises(InputError, match="is damaged"):
                    again.fit(X, y)
        for lost, value in [("values", None), ("identity", None), ("values", "[]"), ("values", "{"), ("identity", "7")]:
            changed = {key: text for key, text in header.items() if key != lost} | ({lost: value} if value else {})
            rewrite(arrays, path, changed)
            if name == "lbfgs" and (lost, value) == ("values", "[]"):
                continue  # holds no values
            with pytest.raises(InputError, match=r"is damaged|of a training"):
                model(name, path, resume=True).fit(X, y)


def test_arithmetic_of_another_machine_is_noticed(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    model("lbfgs", path, max_iter=8).fit(X, y)
    arrays, header = safetensors.numpy.load_file(path), read_header(path, "a checkpoint")
    arrays["gradients"][2] *= 1 + 1e-9
    rewrite(arrays, path, header)
    with pytest.raises(InputError, match="on a machine whose arithmetic differs"):
        model("lbfgs", path, max_iter=8, resume=True).fit(X, y)


def test_a_model_that_was_checkpointed_is_saved_like_any_other(tmp_path):
    X, y = rows()
    fitted = model("sgd", tmp_path / "state").fit(X, y)
    fitted.save(tmp_path / "model")
    assert np.array_equal(fastcls.load(tmp_path / "model").coef_, fitted.coef_)


CHILD = """
import sys
sys.path[:0] = [{tests!r}]
import test_checkpoint as here
here._descent._WORK_PER_CALL, here._random._VALUES_PER_PASS = {pieces!r}
X, y = here.rows(n=1500)
made = here.model({name!r}, {path!r}, **{changes!r})
print("begin", flush=True)
made.fit(X, y)
print("end", flush=True)
"""

LONG = {
    "sgd": {"max_iter": 40}, "sgd, early stopping": {"max_iter": 60, "learning_rate": 1e-3},
    "gd": {"max_iter": 150}, "lbfgs": {"max_iter": 100, "tol": 1e-9}, "random_search": {"max_iter": 1500},
}  # fmt: skip


def start(name, path, changes):
    pieces = _descent._WORK_PER_CALL, _random._VALUES_PER_PASS
    code = CHILD.format(tests=str(Path(__file__).parent), name=name, path=str(path), changes=changes, pieces=pieces)
    return subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, text=True)


def test_trainings_that_are_killed_at_any_moment_end_with_the_same_bits(tmp_path, small_pieces):
    X, y = rows(n=1500)
    whole, seconds = {}, {}
    for name, changes in LONG.items():
        began = time.perf_counter()
        whole[name] = told(model(name, tmp_path / f"whole {name}", **changes).fit(X, y))
        seconds[name] = time.perf_counter() - began
    rng = random.Random(os.getpid())
    ended, went_on = 0, []
    for at in range(KILLS):
        name = list(LONG)[at % len(LONG)]
        path = tmp_path / f"{at}.state"
        child = start(name, path, LONG[name])
        assert child.stdout.readline() == "begin\n"
        time.sleep(rng.uniform(0, 1.2 * seconds[name]))
        child.send_signal(signal.SIGKILL)
        ended += "end\n" in child.stdout.read()
        child.wait()
        child.stdout.close()
        seen = []
        again = model(name, path, resume=True, callbacks=seen.append, **LONG[name])
        assert told(again.fit(X, y)) == whole[name], (at, name)
        went_on.append(not seen or seen[0].iteration > 1)
    print(f"{KILLS} trainings killed, {ended} of them had just ended; all went on to the same bits")
    assert ended < KILLS
    assert any(went_on)  # and did not begin anew


def test_spaces_that_differ_by_one_number_are_told_apart(tmp_path):
    X, y = rows()
    problems = [fastcls.LinearProblem(X, np.unique(y, return_inverse=True)[1], scale=s) for s in (2.0, 3.0)]
    assert problems[0].identity() != problems[1].identity()
    small = X // 3  # its arithmetic stays float32, whatever the scale
    model("sgd", tmp_path / "state").fit(small, y)
    with pytest.raises(InputError, match="of a training that had another scale"):
        model("sgd", tmp_path / "state", resume=True, scale=False).fit(small, y)


def test_states_that_are_wrong_within_are_refused(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    model("sgd", path).fit(X, y)
    arrays, header = safetensors.numpy.load_file(path), read_header(path, "a checkpoint")
    generator = json.loads(header["values"])["random_state"]
    damage = [
        {"random_state": [generator[0], generator[1], 10**6, *generator[3:]]},  # NumPy would read beyond its keys
        {"random_state": [generator[0], generator[1][:1], *generator[2:]]}, {"random_state": 3}, {"epoch": -5},
        {"epoch": 99}, {"epoch": "x"}, {"watch": {}}, {"watch": {"losses": 3}},
        {"watch": json.loads(header["values"])["watch"] | {"losses": ["a"]}},
        {"watch": json.loads(header["values"])["watch"] | {"stopped_by": 7}}, {"descent": None},
    ]  # fmt: skip
    for changes in damage:
        values = json.dumps(json.loads(header["values"]) | changes)
        rewrite(arrays, path, {**header, "values": values})
        with pytest.raises(InputError, match="is damaged"):
            model("sgd", path, resume=True).fit(X, y)
    rewrite({**arrays, "done": np.zeros((500, 1))}, path, header)
    with pytest.raises(InputError, match="is damaged"):
        model("sgd", path, resume=True).fit(X, y)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("name", ["sgd", "gd", "lbfgs", "random_search"])
def test_ctrl_c_loses_nothing(tmp_path, small_pieces, name):
    X, y = rows()
    whole = told(model(name).fit(X, y))
    path = tmp_path / "state"
    interrupted = []

    def press(progress):
        if progress.iteration == 2 and not interrupted:
            interrupted.append(path.read_bytes())
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="state is in .*: go on from it with resume=True"):
        model(name, path, callbacks=press, checkpoint_seconds=1e9).fit(X, y)
    assert interrupted
    assert path.read_bytes() != interrupted[0]  # what had come since the first state was written
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen = []
    resumed = model(name, path, resume=True, callbacks=lambda progress: seen.append(progress.iteration)).fit(X, y)
    assert told(resumed) == whole
    assert name == "lbfgs" or seen[0] == 3
