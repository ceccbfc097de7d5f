"""The same answer in every kind of process and thread that Python starts after a parallel call.

FASTCLS_FORKS=100 starts so many of each kind.
"""

import importlib.util
import multiprocessing
import os
import subprocess
import sys

import pytest
from _rows import command_and_environment

pytestmark = [pytest.mark.process, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")]

COUNT = int(os.environ.get("FASTCLS_FORKS", 2))

#: A module that every process imports: answers of searches, votes, trainings and folds, as one checksum.
WORK = """
import hashlib, os, sys
import numpy as np
import fastcls
from fastcls import model_selection

rng = np.random.default_rng(0)
X = rng.integers(0, 256, size=(900, 40)).astype(np.uint8)
Q, y = X[:300] ^ np.uint8(1), np.arange(len(X)) % 3

def answer(n_jobs=2):
    knn = fastcls.KNeighborsClassifier(3, algorithm="brute", n_jobs=n_jobs).fit(X, y)
    filtered = fastcls.NearestNeighbors(3, algorithm="filter", metric="l1", n_jobs=n_jobs).fit(X.astype(np.float32))
    few = fastcls.NearestNeighbors(2, n_jobs=n_jobs).fit(X[:, :3])
    sgd = fastcls.SoftmaxClassifier(max_iter=2, random_state=0, n_jobs=n_jobs, alpha=1e-3).fit(X, y)
    lbfgs = fastcls.SoftmaxClassifier(solver="lbfgs", max_iter=3, tol=9, random_state=0, n_jobs=n_jobs, alpha=1e-3).fit(X, y)
    svm = fastcls.MulticlassSVM(max_iter=2, random_state=0, n_jobs=n_jobs, alpha=1e-3).fit(X, y)
    folds = model_selection.cross_validate_k(X[:200], y[:200], ks=[1, 2, 5], cv=3, random_state=0, n_jobs=n_jobs)
    parts = [*knn.kneighbors(Q), knn.predict_proba(Q), *filtered.kneighbors(Q), *few.kneighbors(Q[:, :3])]
    parts += [fastcls.pairwise_distances(Q[:40], X, n_jobs=n_jobs), sgd.coef_, lbfgs.coef_, svm.decision_function(Q)]
    parts += [folds.fold_accuracy["l1"], folds.fold_accuracy["l2"]]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

def told(queue):
    queue.put(answer())
"""

#: Kind of process -> a program that prints how many of its answers are those of the parent, and how many there are.
KINDS = {
    "os.fork": """
found = []
for _ in range(count):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs is ended
        os.write(writer, work.answer().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        found.append(stream.read())
    assert os.waitpid(child, 0)[1] == 0, "the child hangs or died"
""",
    "a fork of a fork": """
found = []
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(240)
    assert work.answer() == wanted
    for _ in range(count):
        grandchild = os.fork()
        if grandchild == 0:
            signal.alarm(60)
            os.write(writer, work.answer().encode())
            os._exit(0)
        assert os.waitpid(grandchild, 0)[1] == 0
    os._exit(0)
os.close(writer)
with os.fdopen(reader) as stream:
    text = stream.read()
found = [text[at : at + 64] for at in range(0, len(text), 64)]
assert os.waitpid(child, 0)[1] == 0, "the child hangs or died"
""",
    "a server that loads a model, then forks its workers": """
import tempfile
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/model"
    work.fastcls.KNeighborsClassifier(3, algorithm="filter").fit(work.X, work.y).save(path)
    model = work.fastcls.load(path)
    wanted = model.predict_proba(work.Q).tobytes().hex()
    found = []
    for _ in range(count):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            with os.fdopen(writer, "w") as stream:
                stream.write(model.predict_proba(work.Q).tobytes().hex())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            found.append(stream.read())
        assert os.waitpid(child, 0)[1] == 0, "the child hangs or died"
""",
    **{
        f"multiprocessing, {method}": f"""
context = multiprocessing.get_context({method!r})
found = []
for _ in range(count):
    queue = context.SimpleQueue()
    child = context.Process(target=work.told, args=(queue,))
    child.start()
    child.join(120)
    assert child.exitcode == 0, "the child hangs or died"
    found.append(queue.get())
"""
        for method in multiprocessing.get_all_start_methods()
    },
    "a pool of multiprocessing": """
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(work.answer, [2] * count)
""",
    **{
        f"joblib, {backend}": f"""
import joblib
found = joblib.Parallel(2, backend={backend!r})(joblib.delayed(work.answer)(2) for _ in range(count))
"""
        for backend in ("loky", "threading", "multiprocessing")
    },
    "threads": """
import concurrent.futures
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    found = list(pool.map(work.answer, [2] * count))
""",
    "a fork out of a thread": """
import threading
found = []
def fork():
    for _ in range(count):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os.write(writer, work.answer().encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            found.append(stream.read())
        assert os.waitpid(child, 0)[1] == 0, "the child hangs or died"
thread = threading.Thread(target=fork)
thread.start()
thread.join()
""",
    "workers of torch's DataLoader": """
import torch.utils.data
class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return count
    def __getitem__(self, at):
        return work.answer()
found = [one for batch in torch.utils.data.DataLoader(Rows(), num_workers=2) for one in batch]
""",
}
PROGRAM = """
import multiprocessing, os, signal, sys
import work
if __name__ == "__main__":
    count = int(sys.argv[1])
    wanted = work.answer()
    assert wanted == work.answer(1)
{lines}
    print(sum(one == wanted for one in found), len(found))
    assert work.answer() == work.answer(1), "the parent goes on as before"
"""


def run(tmp_path, text, *arguments, **environment):
    """What a program prints that finds the module of this test."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "program.py").write_text(text)
    _, kept = command_and_environment("", **environment)
    kept["PYTHONPATH"] = os.pathsep.join([str(tmp_path), kept["PYTHONPATH"]])
    command = [sys.executable, "-W", "ignore::DeprecationWarning", tmp_path / "program.py", *map(str, arguments)]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=300 + 60 * COUNT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_process_and_thread_gives_the_same_answer(kind, tmp_path):
    if "torch" in kind and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    lines = "\n".join(f"    {line}" for line in KINDS[kind].splitlines())
    assert run(tmp_path, PROGRAM.format(lines=lines), COUNT).split() == [str(COUNT), str(COUNT)]


#: libraries with threads of their own -> a call that starts them
NEIGHBOURS = {
    "sklearn": "import sklearn.cluster; call = lambda: sklearn.cluster.KMeans(3, n_init=1, random_state=0).fit(work.X)",
    "torch": "import torch; call = lambda: torch.ones(500, 500) @ torch.ones(500, 500)",
    "lightgbm": "import lightgbm; call = lambda: lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(work.X, work.y)",
    "faiss": "import faiss; call = lambda: faiss.knn(work.Q.astype('float32'), work.X.astype('float32'), 3)",
    "sklearnex": "import sklearnex.cluster; call = lambda: sklearnex.cluster.KMeans(3, n_init=1).fit(work.X)",
}
BESIDE = """
import sys
if sys.argv[1] == "first":
    import {name}
import work
{start}
wanted = work.answer(1)
found = []
for _ in range(3):
    call()
    found.append(work.answer() == wanted)
print(all(found))
"""


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("name", NEIGHBOURS)
def test_calls_alternate_with_those_of_other_libraries(name, order, tmp_path):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    assert run(tmp_path, BESIDE.format(name=name, start=NEIGHBOURS[name]), order) == "True\n"


@pytest.mark.parametrize("value", ["0", "two", "999999999999"])
def test_the_answer_is_the_same_whatever_omp_num_threads_says(value, tmp_path):
    """libgomp reads it when it is loaded; it must neither end the process nor start a million threads."""
    text = "import work\nprint(work.answer(None) == work.answer(1) == work.answer(2))\n"
    assert run(tmp_path, text, OMP_NUM_THREADS=value, OMP_THREAD_LIMIT=value, GOMP_CPU_AFFINITY="") == "True\n"
