"""How many threads a call gets: never more than four a processor, never more than can be made, and always said."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
from _rows import python
from threadpoolctl import threadpool_info

import fastcls
from fastcls import _kernels, persistence
from fastcls._runtime import threads as _threads
from fastcls._storage import header

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
PARALLEL = pytest.mark.skipif(not _kernels.HAS_OPENMP, reason="built without OpenMP")

X = np.random.default_rng(0).integers(0, 256, size=(400, 20)).astype(np.uint8)
Y = np.arange(400) % 3

#: the answer of a search and of a training on one thread, and on as many as the first argument says
ANSWERS = """
import sys, resource, os
import numpy as np, fastcls
from fastcls import _kernels
from fastcls._runtime import threads as _threads
X = np.random.default_rng(0).integers(0, 256, size=(3000, 60)).astype(np.uint8)
y = np.arange(3000) % 3
def answers(n_jobs):
    model = fastcls.NearestNeighbors(3, n_jobs=n_jobs, algorithm="brute").fit(X)
    linear = fastcls.SoftmaxClassifier(max_iter=2, random_state=0, n_jobs=n_jobs).fit(X, y)
    found = [part.tobytes() for part in (*model.kneighbors(X), linear.coef_)]
    found.append(fastcls.pairwise_distances(X[:50], X[:500].astype(float), n_jobs=n_jobs).tobytes())
    return found, model.search_report_.threads, model.search_report_.notes
"""


@PARALLEL
@pytest.mark.parametrize("n_jobs", [2**31 - 1, 3_000_000_000, 2**63, 10**5000, np.int64(2**40)], ids=range(5))
def test_more_threads_than_four_a_processor_are_never_started(n_jobs):
    most = 4 * _threads.processors()
    model = fastcls.KNeighborsClassifier(1, n_jobs=n_jobs).fit(X, Y)
    assert np.array_equal(model.predict(X), Y)
    assert model.search_report_.threads <= most
    assert any("four times" in note for note in model.search_report_.notes)
    assert _threads.effective(n_jobs) == most == _threads.of_worker(n_jobs, 1)
    fastcls.SoftmaxClassifier(max_iter=1, n_jobs=n_jobs).fit(X, Y).predict(X)
    fastcls.knn(X, X, 1, n_jobs=n_jobs)
    fastcls.pairwise_distances(X[:9], X, n_jobs=n_jobs)
    fastcls.evaluate_k(X, Y, X, Y, [1], n_jobs=n_jobs)
    assert _threads.effective(1) == 1
    assert _threads.notes() == ()
    assert _threads.effective(-(10**5000)) == 1


@PARALLEL
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OMP_NUM_THREADS", "²", "ignored"),
        ("OMP_NUM_THREADS", "two", "ignored"),
        ("OMP_NUM_THREADS", "-3", "ignored"),
        ("OMP_NUM_THREADS", "0", "ignored"),
        ("OMP_NUM_THREADS", "99999999999", "four times"),
        ("OMP_NUM_THREADS", "9" * 5000, "four times"),
        ("OMP_NUM_THREADS", "2,4", ""),
        ("LOKY_MAX_CPU_COUNT", "x", "ignored"),
        ("LOKY_MAX_CPU_COUNT", "3_000_000_000", ""),
        ("LOKY_MAX_CPU_COUNT", "", "ignored"),
    ],
    ids=range(10),
)
def test_a_mistaken_environment_is_said_and_is_no_error(monkeypatch, variable, value, said):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv(variable, value)
    model = fastcls.KNeighborsClassifier(1).fit(X, Y)
    model.predict(X)
    notes = model.search_report_.notes
    assert all(said in note for note in notes)
    assert len(notes) == (1 if said else 0)
    assert os.environ[variable] == value
    from fastcls._config import config

    assert config()["thread_notes"] == list(notes)


def test_each_kind_of_change_is_warned_of_once(recwarn):
    _threads._warn_once.cache_clear()
    for _ in range(3):
        _threads.effective(10**9)
    said = [warning for warning in recwarn if "four times" in str(warning.message)]
    assert len(said) == (1 if _kernels.HAS_OPENMP else 0)


@pytest.mark.parametrize("n_jobs", [0, True, 2.0, "2", np.array(2), np.True_])
def test_what_is_no_number_of_threads_is_refused(n_jobs):
    with pytest.raises(ValueError, match="n_jobs"):
        fastcls.KNeighborsClassifier(1, n_jobs=n_jobs).fit(X, Y)


@pytest.mark.parametrize("name", sorted(persistence.classes()))
def test_no_model_file_holds_a_number_of_threads(name, tmp_path):
    made = persistence._class_of(name)
    if "n_jobs" not in made._get_param_names():
        return
    model = made(n_jobs=2**31 - 1).fit(X, Y)
    model.save(tmp_path / "m")
    assert b"n_jobs" not in (tmp_path / "m").read_bytes()
    assert fastcls.load(tmp_path / "m").n_jobs is None


def test_an_older_file_with_a_number_of_threads_loads_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(header, "OF_THE_MACHINE", ("checkpoint", "resume"))
    fastcls.KNeighborsClassifier(1, n_jobs=2**31 - 1).fit(X, Y).save(tmp_path / "m")
    assert b"n_jobs" in (tmp_path / "m").read_bytes()
    monkeypatch.undo()
    assert fastcls.load(tmp_path / "m").n_jobs is None


LIMITED = (
    ANSWERS
    + """
wanted, *_ = answers(1)
what, free = sys.argv[1], int(sys.argv[2])
if what == "threads":
    if os.getuid() == 0:  # root is above this limit
        os.setgid(54321)
        os.setuid(54321)
    resource.setrlimit(resource.RLIMIT_NPROC, (1 + free,) * 2)
else:
    (size,) = [int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize:")]
    resource.setrlimit(resource.RLIMIT_AS, (size + (free << 20),) * 2)
_threads._MOST_PER_PROCESSOR = 40
found, threads, notes = answers(40)
print(found == wanted, threads, *notes)
"""
)


@pytest.mark.process
@LINUX
@PARALLEL
@pytest.mark.parametrize(("what", "free"), [("threads", 3), ("memory", 30)])
def test_threads_that_cannot_be_made_are_left_out_and_said(what, free):
    same, threads, note = python(LIMITED, what, free).split(maxsplit=2)
    assert same == "True"
    assert 1 <= int(threads) < 20
    assert "could not start more" in note


@pytest.mark.process
@LINUX
@PARALLEL
def test_images_are_decoded_where_no_thread_can_be_made(tmp_path):
    from PIL import Image

    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for number in range(40):
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / place / f"{number}.png")
    text = """
import resource, sys
import PIL.Image
import fastcls.datasets, fastcls.datasets._folder
PIL.Image.preinit()
resource.setrlimit(resource.RLIMIT_AS, (sum(int(line.split()[1]) << 10 for line in open("/proc/self/status")
                                            if line.startswith("VmSize:")) + (7 << 20),) * 2)
print(fastcls.datasets.load(sys.argv[1]).X.shape)
"""
    assert python(text, tmp_path).strip() == "(80, 192)"


USER_OF_OPENMP = """
#include <omp.h>
int region(int n) {
    int reached = 0;
#pragma omp parallel num_threads(n)
    {
#pragma omp atomic
        reached += 1;
    }
    return reached;
}
"""

# Another package's library is used, or only loaded, in the parent; the child imports fastcls first.
FORKED = (
    """
import ctypes, os, signal, sys
when, library = sys.argv[1:3]
other = ctypes.CDLL(library, mode=int(sys.argv[3]))
if when == "used":
    assert other.region(2) == 2
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os.dup2(writer, 1)
"""
    + "\n".join(f"    {line}" for line in ANSWERS.splitlines())
    + """
    several, threads, notes = answers(2)
    print(several == answers(1)[0], threads, *notes, flush=True)
    os._exit(0)
os.close(writer)
with os.fdopen(reader) as stream:
    print(stream.read())
assert os.waitpid(child, 0)[1] == 0, "the child hangs"
"""
)


@pytest.fixture(scope="module")
def user_of_openmp(tmp_path_factory):
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc")
    folder = tmp_path_factory.mktemp("openmp")
    (folder / "user.c").write_text(USER_OF_OPENMP)
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-fopenmp", "-o", folder / "user.so", folder / "user.c"], capture_output=True
    )
    if made.returncode:
        pytest.skip("no OpenMP here")
    return folder / "user.so"


@pytest.mark.process
@pytest.mark.build
@LINUX
@PARALLEL
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.parametrize("mode", [os.RTLD_LOCAL, os.RTLD_GLOBAL])
def test_a_child_whose_parent_has_used_openmp_finds_the_same(user_of_openmp, mode):
    same, threads, note = python(FORKED, "used", user_of_openmp, mode).split(maxsplit=2)
    assert (same, threads) == ("True", "1")
    assert "forked" in note


@pytest.mark.process
@pytest.mark.build
@LINUX
@PARALLEL
def test_a_child_whose_parent_has_only_loaded_openmp_keeps_its_threads(user_of_openmp):
    assert python(FORKED, "loaded", user_of_openmp, os.RTLD_LOCAL).split() == ["True", "2"]


def test_a_negative_number_of_threads_counts_back_from_all_processors(monkeypatch):
    monkeypatch.setattr(_threads, "_cores", lambda physical: 8)
    assert [_threads._of_number(n_jobs) for n_jobs in (-1, -2, -8, -20, 3)] == [8, 7, 1, 1, 3]


@pytest.mark.parametrize(("siblings", "cores"), [(["0", "1", "2"], 3), (["0,2", "1,3", "0,2", "1,3"], 2), ([], 0)])
def test_processors_of_one_core_count_once(monkeypatch, tmp_path, siblings, cores):
    for number, text in enumerate(siblings):
        (tmp_path / f"cpu{number}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{number}" / "topology" / "thread_siblings_list").write_text(text + "\n")
    (tmp_path / "cpufreq").mkdir()
    monkeypatch.setattr(_threads, "_CPU_FOLDER", str(tmp_path))
    assert _threads._physical_cores() == cores
    (tmp_path / "cpu9").mkdir()  # switched off
    assert _threads._physical_cores() == 0


@LINUX
def test_the_number_of_cores_is_that_of_joblib(monkeypatch):
    """With the system's own list, without it, and with fewer processors allowed than there are."""
    for folder, usable in ((_threads._CPU_FOLDER, None), ("/nowhere", None), (_threads._CPU_FOLDER, "1")):
        monkeypatch.setattr(_threads, "_CPU_FOLDER", folder)
        if usable:
            monkeypatch.setenv("LOKY_MAX_CPU_COUNT", usable)
        _threads._count_cores.cache_clear()
        for physical in (True, False):
            assert _threads._cores(physical) == joblib.cpu_count(only_physical_cores=physical)
    _threads._count_cores.cache_clear()


def test_the_blas_gets_its_threads_back_when_the_last_of_several_callers_leaves():
    def blas():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def inside():
        with _threads.one_blas_thread():
            entered.set()
            assert first_left.wait(60)
            seen.append(set(blas()))

    before, seen, entered, first_left = blas(), [], threading.Event(), threading.Event()
    second = threading.Thread(target=inside)
    with _threads.one_blas_thread():
        second.start()
        assert entered.wait(60)
    first_left.set()
    second.join()
    assert seen == [{1}]
    assert blas() == before
