"""Has a change made something slower? ``python -m bench.gate`` times two versions in turn, in one run.

    python -m bench.gate [--against REVISION] [--pairs 9] [PROBLEM ...]
    python -P bench/gate.py ...    # the installed package in place of the tree

The sources of the revision (default: the commit before the last) are compiled in a temporary folder, unless `--against` is a
folder with a compiled tree. Two processes, one for each tree, solve the same small problems in turn: old, new, new, old, ...
Each problem takes some tens of milliseconds on one thread, and its processor time counts, so other work on the machine does
little harm, and hits both trees alike. A problem is slower if the median of the paired ratios is above `--ratio` *and* the
median difference is above `--milliseconds`, in two runs, the second with new processes. The exit status is the number of
slower problems.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RATIO, MILLISECONDS, PAIRS = 1.15, 2.0, 9

#: problem -> why it is slower than before, for changes that cost time on purpose
ALLOWED: dict[str, str] = {}


# the problems: each is made once, and solved again and again -----------------------------------------------------------


def _rows(n: int, d: int, rank: int, seed: int = 0) -> np.ndarray:
    """Rows that a filter can tell apart."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d))


def _bytes(n: int, d: int) -> np.ndarray:
    return np.clip(128 + 20 * _rows(n, d, 12), 0, 255).astype(np.uint8)


def brute() -> Callable[[], Any]:
    """Bytes under L2, every distance."""
    from fastcls import NearestNeighbors

    X = _bytes(6000, 768)
    model = NearestNeighbors(7, metric="l2", algorithm="brute", n_jobs=1).fit(X)
    return lambda: model.kneighbors(X[:600])


def filtered() -> Callable[[], Any]:
    """Bytes under L1, with the filter made anew."""
    from fastcls import NearestNeighbors

    X = _bytes(8000, 768)
    return lambda: NearestNeighbors(7, metric="l1", algorithm="filter", n_jobs=1).fit(X).kneighbors(X[:800])


def embeddings() -> Callable[[], Any]:
    """float32 under the cosine, and votes."""
    from fastcls import KNeighborsClassifier

    X = _rows(8000, 384, 24).astype(np.float32)
    model = KNeighborsClassifier(20, metric="cosine", weights="softmax", n_jobs=1).fit(X, np.arange(8000) % 50)
    return lambda: model.predict(X[:800])


def few_features() -> Callable[[], Any]:
    """Three features: the tree."""
    from fastcls import NearestNeighbors

    X = np.random.default_rng(0).standard_normal((60_000, 3))
    return lambda: NearestNeighbors(5, n_jobs=1).fit(X).kneighbors(X[:20_000])


def lbfgs() -> Callable[[], Any]:
    """Logistic regression of 100 classes: twelve iterations."""
    import warnings

    from fastcls import SoftmaxClassifier

    X, y = _rows(3000, 256, 64).astype(np.float32), np.arange(3000) % 100
    model = SoftmaxClassifier(C=1.0, solver="lbfgs", max_iter=12, tol=0.0, random_state=0, n_jobs=1)

    def solve() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)

    return solve


def epochs() -> Callable[[], Any]:
    """The SVM on bytes: four epochs of SGD."""
    from fastcls import MulticlassSVM

    X, y = _bytes(6000, 512), np.arange(6000) % 10
    model = MulticlassSVM(alpha=1e-3, learning_rate=0.01, max_iter=4, random_state=0, n_jobs=1)
    return lambda: model.fit(X, y)


PROBLEMS = {each.__name__: each for each in (brute, filtered, embeddings, few_features, lbfgs, epochs)}


def serve() -> None:
    """Answer each line of stdin, the name of a problem, with the processor seconds of solving it once."""
    made: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in made:
            made[name] = PROBLEMS[name]()
            made[name]()  # warmed up
        begun = time.process_time()
        made[name]()
        print(json.dumps(time.process_time() - begun), flush=True)


# two trees ------------------------------------------------------------------------------------------------------------


class Tree:
    """A process that solves problems with the package of one folder."""

    def __init__(self, folder: Path) -> None:
        # this file is run by both, so the problems are the same; -P leaves its own folder out of the path
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-P", str(Path(__file__).resolve()), "--serve"]
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, problem: str) -> float:
        """Processor seconds of solving a problem once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{problem}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {problem} ended with status {self.process.wait()}")
        return float(json.loads(line))

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()


def compared(old: Any, new: Any, problem: str, n_pairs: int) -> tuple[float, float]:
    """(median of the ratios new / old, median of the differences in milliseconds) of runs in turn."""
    ratios, differences = [], []
    for pair in range(n_pairs):
        first, second = (old, new) if pair % 2 == 0 else (new, old)
        taken = {id(first): first.seconds(problem), id(second): second.seconds(problem)}
        ratios.append(taken[id(new)] / taken[id(old)])
        differences.append(1000 * (taken[id(new)] - taken[id(old)]))
    return statistics.median(ratios), statistics.median(differences)


def is_slower(found: tuple[float, float], ratio: float, milliseconds: float) -> bool:
    """Whether a problem takes longer by both measures."""
    return found[0] > ratio and found[1] > milliseconds


def _home() -> Path:
    """The folder of the package that is imported here: the tree, or where it is installed."""
    import fastcls

    return Path(fastcls.__file__).resolve().parents[1]


def built(revision: str, folder: Path) -> Path:
    """The tree of a revision, compiled in a folder."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{revision} cannot be compiled:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return folder


def main() -> int:
    """Build, time, and print a line for each problem; the number of slower ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"of {', '.join(PROBLEMS)} (default: all)")
    parser.add_argument("--against", default="HEAD~1", metavar="REVISION", help="a revision of git, or a compiled tree")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="runs of each tree in turn")
    parser.add_argument("--ratio", type=float, default=RATIO, help="new / old, above which a problem may be slower")
    parser.add_argument("--milliseconds", type=float, default=MILLISECONDS, help="and the difference")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return 0
    if unknown := set(given.problems) - set(PROBLEMS):
        parser.error(f"unknown problem {sorted(unknown)[0]}: choose from {', '.join(PROBLEMS)}")
    with tempfile.TemporaryDirectory(prefix="fastcls-gate-") as temporary:
        folder = Path(given.against)
        old = folder.resolve() if folder.is_dir() else built(given.against, Path(temporary))
        slow = given.problems or list(PROBLEMS)
        for _ in range(2):  # a slow problem is timed again, in new processes
            with Tree(old) as before, Tree(_home()) as after:
                found = {problem: compared(before, after, problem, given.pairs) for problem in slow}
            for problem, (ratio, milliseconds) in found.items():
                print(f"{problem:<14} {ratio:5.2f} x {given.against}, {milliseconds:+6.1f} ms", flush=True)
            slow = [one for one in slow if is_slower(found[one], given.ratio, given.milliseconds)]
            if not slow:
                return 0
    for problem in slow:
        print(f"{problem}: slower than {given.against}{': ' + ALLOWED[problem] if problem in ALLOWED else ''}")
    return sum(problem not in ALLOWED for problem in slow)


if __name__ == "__main__":
    sys.exit(main())
