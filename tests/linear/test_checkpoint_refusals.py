"""Checkpoints of another training, damaged ones and other files are refused in one line."""

import json
import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from _checkpointed import Broken, break_after, model, outcome_of, rows
from _rows import python

import fastcls
from fastcls import optim
from fastcls._storage.safetensors import read_header, write
from fastcls._validation.errors import InputError

HELPERS = Path(__file__).resolve().parents[1] / "helpers"

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_every_other_parameter_that_matters_is_refused(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    model("sgd", path).fit(X, y)
    before = path.read_bytes()
    others = {
        "alpha": 1e-2,
        "penalty": "l1",
        "batch_size": 33,
        "momentum": 0.8,
        "nesterov": True,
        "schedule": "constant",
        "learning_rate": 0.1,
        "max_iter": 7,
        "tol": 0.1,
        "init_scale": 1e-3,
        "center": False,
        "scale": False,
        "fit_intercept": False,
        "early_stopping": True,
        "random_state": 4,
        "class_weight": {"ape": 2.0},
        "max_norm": 3.0,
        "solver": "gd",
    }
    for name, value in others.items():
        with pytest.raises(InputError, match="belongs to a training with "):
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
    with pytest.raises(InputError, match="belongs to a training with another (X|center|scale)"):
        model(name, path, resume=True).fit(other, y)
    with pytest.raises(InputError, match="belongs to a training with another y"):
        model(name, path, resume=True).fit(X, np.roll(y, 1))
    with pytest.raises(InputError, match="belongs to a training with another X"):
        model(name, path, resume=True).fit(X.astype("float32"), y)


def rewrite(arrays, path, header):
    """The file with these arrays and this header, as if a training had written them."""
    write(path, arrays, {key: text for key, text in header.items() if key not in ("digests", "checksum")})


def test_a_changed_byte_is_noticed(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    model("sgd", path).fit(X, y)
    whole, rng = path.read_bytes(), random.Random(0)
    for place in rng.sample(range(len(whole)), 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        with pytest.raises(
            InputError, match=r"is damaged|is not a whole safetensors|is not a checkpoint|belongs to a training with"
        ):
            model("sgd", path, resume=True).fit(X, y)


def test_every_byte_of_the_rows_counts(tmp_path, monkeypatch):
    """In every part of them, and by itself: there is neither center nor scale that would follow it."""
    monkeypatch.setattr("fastcls._storage.digest._CHUNK_BYTES", 64)
    X, y = rows()
    plain = {"center": False, "scale": False, "learning_rate": 1e-6}
    model("sgd", tmp_path / "state", **plain).fit(X, y)
    for at in [*range(0, X.size, 601), X.size - 1]:
        other = X.copy()
        other.flat[at] ^= 1
        with pytest.raises(InputError, match="belongs to a training with another X"):
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
        with pytest.raises(InputError, match=f"with instruction set='{best}', not 'scalar'"):
            model(name, path, resume=True).fit(X, y)
    finally:
        fastcls.simd.use(best)
    model(name, path, resume=True).fit(X, y)


def optimisers(path):
    kept = {"random_state": 0, "checkpoint": optim.Checkpoint(path, 0, resume=True)}
    return [
        optim.SGD(3, 32, **kept),
        optim.GradientDescent(3, **kept),
        optim.RandomSearch(30, **kept),
        optim.LBFGS(3, checkpoint=kept["checkpoint"]),
    ]


def test_a_changed_problem_or_validation_set_is_refused(tmp_path):
    """For those who use the optimisers themselves: estimators make all of this of X, y and their parameters."""
    X, names = rows()
    y = np.unique(names, return_inverse=True)[1]

    def problem(rows=X, codes=y, **options):
        return fastcls.LinearProblem(rows, codes, **options)

    start = np.zeros(problem().shape)
    for number in range(4):
        path = tmp_path / f"{number}"
        optimisers(path)[number].minimize(problem(margin=2.0, loss="squared_hinge"), start)
        with pytest.raises(InputError, match="a training with margin='2.0', not 'None'"):
            optimisers(path)[number].minimize(problem(loss="squared_hinge"), start)
        path.unlink()
        optimisers(path)[number].minimize(problem(), start, problem(X[:90], y[:90]))
        for other in (problem(X[90:], y[90:]), problem(X[:90], y[90:180]), problem(X[:90], y[:90], alpha=1.0), None):
            with pytest.raises(InputError, match="belongs to a training with another validation"):
                optimisers(path)[number].minimize(problem(), start, other)
        optimisers(path)[number].minimize(problem(), start, problem(X[:90], y[:90]))


def test_other_generators_and_starts_are_refused(tmp_path):
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
            with pytest.raises(InputError, match="belongs to a training with another random_state"):
                made.minimize(problem, np.zeros(problem.shape))
    path = tmp_path / "search"
    optimisers(path)[2].minimize(problem)
    with pytest.raises(InputError, match="belongs to a training with another start"):
        optimisers(path)[2].minimize(problem, np.zeros(problem.shape))


@pytest.mark.skipif(sys.platform != "linux", reason="opens a pipe for reading and writing at once")
def test_pipes_and_devices_are_not_opened(tmp_path):
    X, y = rows()
    os.mkfifo(tmp_path / "pipe")
    kept_open = os.open(tmp_path / "pipe", os.O_RDWR)  # or who opens it waits for ever
    try:
        for path in (tmp_path / "pipe", tmp_path):
            for resume in (False, True):
                with pytest.raises(InputError, match="is a folder or a device; name a file"):
                    model("sgd", path, resume=resume).fit(X, y)
    finally:
        os.close(kept_open)


@pytest.mark.process
@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk_is_reported_in_one_line(tmp_path):
    """The training ends, and resumes from the last state that was written."""
    whole = outcome_of(model("lbfgs").fit(*rows()))
    code = """
import resource, sys
sys.path[:0] = [sys.argv[1]]
import _checkpointed as here
from fastcls._validation.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
try:
    here.model("lbfgs", sys.argv[2]).fit(*here.rows())
except InputError as error:
    print(error)
"""
    said = python(code, HELPERS, tmp_path / "state")
    assert said.startswith("cannot write the checkpoint to '")
    assert "free some space on the disk" in said
    assert said.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]
    assert outcome_of(model("lbfgs", tmp_path / "state", resume=True).fit(*rows())) == whole


def test_a_link_to_a_checkpoint_stays_a_link(tmp_path, monkeypatch):
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


def test_an_existing_file_is_left_alone(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists: resume from it with resume=True, or name another file"):
        model("sgd", path).fit(X, y)
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        model("sgd", path, resume=True).fit(X, y)
    assert path.read_bytes() == b"mine"
    saved = tmp_path / "model"
    model("sgd").fit(X, y).save(saved)
    with pytest.raises(InputError, match="is not a checkpoint of this version of fastcls"):
        model("sgd", saved, resume=True).fit(X, y)


def test_a_refused_fit_leaves_no_file_and_no_model(tmp_path):
    X, y = rows()
    for changes, why in [
        ({"random_state": None}, "checkpoint needs an integer random_state .got None."),
        ({"checkpoint": 7}, "checkpoint=7; wanted the path of a file"),
        ({"checkpoint": None, "resume": True}, "give checkpoint=PATH too"),
        ({"resume": "yes"}, "resume"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds"),
        ({"checkpoint": tmp_path / "none" / "state"}, "none"),
    ]:
        made = model("sgd", tmp_path / "state").set_params(**changes)
        with pytest.raises((InputError, OSError), match=why):
            made.fit(X, y)
        assert not hasattr(made, "coef_")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="partial_fit writes no checkpoint"):
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
            with pytest.raises(InputError, match=r"is damaged|belongs to a training"):
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


def test_spaces_that_differ_by_one_number_are_refused(tmp_path):
    X, y = rows()
    problems = [fastcls.LinearProblem(X, np.unique(y, return_inverse=True)[1], scale=s) for s in (2.0, 3.0)]
    assert problems[0].identity() != problems[1].identity()
    small = X // 3  # its arithmetic stays float32, whatever the scale
    model("sgd", tmp_path / "state").fit(small, y)
    with pytest.raises(InputError, match="belongs to a training with another scale"):
        model("sgd", tmp_path / "state", resume=True, scale=False).fit(small, y)


def test_states_with_wrong_contents_are_refused(tmp_path):
    X, y = rows()
    path = tmp_path / "state"
    model("sgd", path).fit(X, y)
    arrays, header = safetensors.numpy.load_file(path), read_header(path, "a checkpoint")
    generator = json.loads(header["values"])["random_state"]
    damage = [
        {"random_state": [generator[0], generator[1], 10**6, *generator[3:]]},  # NumPy would read beyond its keys
        {"random_state": [generator[0], generator[1][:1], *generator[2:]]},
        {"random_state": 3},
        {"epoch": -5},
        {"epoch": 99},
        {"epoch": "x"},
        {"monitor": {}},
        {"monitor": {"losses": 3}},
        {"monitor": json.loads(header["values"])["monitor"] | {"losses": ["a"]}},
        {"monitor": json.loads(header["values"])["monitor"] | {"stopped_by": 7}},
        {"descent": None},
    ]
    for changes in damage:
        values = json.dumps(json.loads(header["values"]) | changes)
        rewrite(arrays, path, {**header, "values": values})
        with pytest.raises(InputError, match="is damaged"):
            model("sgd", path, resume=True).fit(X, y)
    rewrite({**arrays, "done": np.zeros((500, 1))}, path, header)
    with pytest.raises(InputError, match="is damaged"):
        model("sgd", path, resume=True).fit(X, y)
