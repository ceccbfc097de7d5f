"""A memory map twice as large as the memory there is: searches find the right rows, trainings end in the same weights.

The limit is real (see _out_of_core.py): what copies the rows dies of it, and that is tried too. Where memory has no room for
a filter's codes, or for a tree, a search does without, says so, and answers the same.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import _out_of_core as work
import numpy as np
import pytest
from _filter_cases import stored
from _rows import command_and_environment

from fastcls import KNeighborsClassifier, NearestNeighbors
from fastcls._runtime import memory
from fastcls._search import plan
from fastcls._search.filter import costs
from fastcls._search.rows import Rows

LIMIT = 320 << 20  # 170 MB of it is Python with NumPy, SciPy and scikit-learn

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="needs Linux: elsewhere RLIMIT_DATA does not hold for memory that is mapped"
)


@pytest.fixture(scope="module", params=["uint8", "float16"])
def rows(request):
    """(path, dtype, number of rows) of a map twice as large as the limit, removed at the end: 0.7 GB."""
    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < 4 * LIMIT:
            pytest.skip("not enough disk space for a file of 0.7 GB")
        path = Path(folder) / "rows"
        n_rows, row_bytes = work.make(path, 2 * LIMIT, request.param)
        assert n_rows * row_bytes >= 2 * LIMIT
        yield path, request.param, n_rows


def run(path, dtype, limit, *works):
    """What a process with this limit says; or the last line of what it died of."""
    command, environment = command_and_environment(
        "import runpy, sys; runpy.run_path(sys.argv[1])['main'](sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])",
        work.__file__,
        path,
        dtype,
        limit,
        *works,
        **work.THREADS,
    )
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


#: Of each type one metric and one way through the rows; ``python tests/helpers/_out_of_core.py FOLDER`` does all of them.
WORKS = {"uint8": ("l1", "sgd"), "float16": ("l2", "lbfgs")}


@pytest.mark.process
@linux
def test_search_and_training_on_a_map_twice_the_memory(rows):
    path, dtype, n_rows = rows
    metric, solver = WORKS[dtype]
    assert "MemoryError" in run(path, dtype, LIMIT, "copy")  # the limit holds
    result = run(path, dtype, LIMIT, metric, solver)
    assert isinstance(result, dict), result
    assert work.right(result[metric], metric, n_rows, dtype)
    assert result[metric]["copied_bytes"] == 0
    assert result["memory"]["VmData"] <= LIMIT
    if result[metric]["path"] == "brute":
        assert any("filter" in note for note in result[metric]["notes"]), result[metric]["notes"]
    coef = np.load(f"{path}.{solver}.npy")
    assert np.abs(coef).max() > 0
    result = run(path, dtype, 0, solver)
    assert isinstance(result, dict), result
    assert coef.tobytes() == np.load(f"{path}.{solver}.npy").tobytes()


def test_answer_of_the_helper_is_that_of_the_definition(tmp_path):
    from fastcls import reference

    n_rows, _ = work.make(tmp_path / "rows", 2 * work.BLOCK_ROWS * work.FEATURES, "uint8")
    X = np.fromfile(tmp_path / "rows", np.uint8).reshape(n_rows, -1)
    for metric in ("l1", "sqeuclidean"):
        distances, indices = reference.kneighbors(work.queries("uint8")[::5], X, work.K, metric)
        S, wanted = work.answer(n_rows, "uint8", metric)
        assert indices.tolist() == wanted[::5].tolist()
        assert distances.tolist() == S[::5].tolist()


# what memory there is, and who asks for it -------------------------------------------------------------------------------


def lay_out(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


MACHINE = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n"}
SYSTEMS = {
    "nobody says": ({}, np.inf),
    "machine": (MACHINE, 8000 * 1024),
    "no limit": (MACHINE | {"proc/self/cgroup": "0::/a\n", "groups/a/memory.max": "max\n"}, 8000 * 1024),
    "version 2": (
        MACHINE
        | {
            "proc/self/cgroup": "0::/a/b\n",
            "groups/a/b/memory.max": "5000000\n",
            "groups/a/b/memory.current": "3000000\n",
            "groups/a/b/memory.stat": "anon 1\nactive_file 400000\ninactive_file 600000\nfile 9\n",
        },
        3_000_000,
    ),
    "version 2, a parent's": (
        MACHINE
        | {
            "proc/self/cgroup": "0::/a/b\n",
            "groups/a/b/memory.max": "max",
            "groups/a/memory.max": "70000\n",
            "groups/a/memory.current": "60000",
        },
        10_000,
    ),
    "version 2, in a container that sees the host's path": (
        MACHINE | {"proc/self/cgroup": "0::/docker/123\n", "groups/memory.max": "50", "groups/memory.current": "40"},
        10,
    ),
    "version 1": (
        MACHINE
        | {
            "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/x\n0::/\n",
            "groups/memory/x/memory.limit_in_bytes": "900",
            "groups/memory/x/memory.usage_in_bytes": "800",
            "groups/memory/x/memory.stat": "inactive_file 1\ntotal_inactive_file 50\ntotal_active_file 7\n",
        },
        157,
    ),
    "above the limit": (MACHINE | {"proc/self/cgroup": "0::/\n", "groups/memory.max": "5", "groups/memory.current": "9"}, 0),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_nearest_limit_counts(tmp_path, monkeypatch, name):
    files, wanted = SYSTEMS[name]
    lay_out(tmp_path, files)
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    assert memory.available() == wanted


@pytest.mark.process
@linux
def test_own_limits_count():
    from _rows import python

    code = """
import mmap, resource
from fastcls._runtime import memory
before = memory.available()
resource.setrlimit(resource.RLIMIT_{0}, (1 << {1}, 1 << {1}))
left = memory.available()
assert left < 1 << {1} and left < before, (left, before)
def takes(n_bytes):  # asks for memory, and writes into none
    mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
try:
    takes(int(left) + (16 << 20))
except OSError:
    print("right")
takes(int(left) - (16 << 20))
"""
    for name, bits in (("DATA", 30), ("AS", 33)):
        assert python(code.format(name, bits)) == "right\n"


def near(n=6000, d=512, seed=0):
    """Bytes that vary in six directions, as a filter likes them."""
    axes, rng = np.random.default_rng(9).normal(size=(6, d)), np.random.default_rng(seed)
    return stored(0.8 * rng.normal(size=(n, 6)) @ axes + 0.05 * rng.normal(size=(n, d)), "uint8")


@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_filter_without_memory_is_left_out_and_noted(monkeypatch, metric):
    X, Q = near(), near(1500, seed=1)[:50]
    with_filter = NearestNeighbors(metric=metric).fit(X)
    wanted = with_filter.kneighbors(Q)
    assert with_filter.search_report_.path.startswith("filter")
    assert with_filter.search_report_.notes == ()
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000.0)
    model = NearestNeighbors(metric=metric).fit(X)
    found = model.kneighbors(Q)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in wanted]
    report = model.search_report_
    assert (report.path, report.filter_bytes) == ("brute", 0)
    (note,) = report.notes
    assert note.startswith("brute force, because a filter's codes take at least ")
    brute = NearestNeighbors(metric=metric, algorithm="brute").fit(X)
    brute.kneighbors(Q)
    assert brute.search_report_.notes == ()  # requested by the user, so there is no note


def test_codes_that_fit_are_taken_where_the_cheapest_do_not(monkeypatch):
    X = near(8000)
    whole = NearestNeighbors(metric="l1").fit(X)
    wanted = whole.kneighbors(X[:50])[1]
    needed = costs.encoding_bytes(whole._rows.filters["l1"].levels) * len(X)
    for free, taken in ((needed, "the same"), (needed - 1, "less")):
        monkeypatch.setattr(memory, "free_bytes", lambda free=free: float(free))
        model = NearestNeighbors(metric="l1").fit(X)
        assert model.kneighbors(X[:50])[1].tobytes() == wanted.tobytes()
        report = model.search_report_
        assert report.path.startswith("filter")
        assert report.notes == ()
        assert (report.filter_bytes < whole.search_report_.filter_bytes) == (taken == "less")


def test_growth_without_memory_drops_the_filter_and_notes_it(monkeypatch):
    X, y, Q = near(12_000), np.arange(12_000) % 3, near(1500, seed=1)[:50]
    model = KNeighborsClassifier(metric="l2").fit(X[:8000], y[:8000])
    monkeypatch.setattr(memory, "fits", lambda n_bytes: False)
    model.partial_fit(X[8000:], y[8000:])
    assert model.kneighbors(Q)[1].tobytes() == KNeighborsClassifier(algorithm="brute").fit(X, y).kneighbors(Q)[1].tobytes()
    assert model.search_report_.path == "brute"
    assert "the codes of 4,000 more rows do not fit" in model.search_report_.notes[0]


def test_tree_without_memory_is_left_out_and_noted(monkeypatch):
    X = np.random.default_rng(0).normal(size=(20_000, 3))
    with_tree = NearestNeighbors().fit(X)
    wanted = with_tree.kneighbors(X[:99])
    assert with_tree.search_report_.path == "tree"
    monkeypatch.setattr(memory, "fits", lambda n_bytes: False)
    model = NearestNeighbors().fit(X)
    assert [part.tobytes() for part in model.kneighbors(X[:99])] == [part.tobytes() for part in wanted]
    assert model.search_report_.path == "brute"
    assert "a tree takes 26 bytes per row" in model.search_report_.notes[0]
    monkeypatch.undo()
    model.kneighbors(X[:9999])  # there is enough memory again
    assert (model.search_report_.path, model.search_report_.notes) == ("tree", ())


def test_filter_that_is_asked_for_by_name_is_made(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 0.0)
    rows = Rows([near()])
    assert plan.prepare(rows, "l2", 5, 1, "filter") is not None
    assert rows.left_out == {}
