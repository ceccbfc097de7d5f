"""How many mutants the tests kill: each is put into a copy of the project, and the tests of its area must fail there.

    python tests/helpers/_mutation.py [--minutes 25] [--count N] [--seed 0] [--kind python|compiled|all] [--again] [WORD ...]

`_mutants.py` makes the mutants, `_mutation_targets.py` lists files and tests; words choose areas or files by a part of their
names. Outcomes are added to bench/results/mutation.json, so that a long run can be made in parts, and the table
bench/results/mutation.md is written anew: killed and survived by area, and the lines of each survivor. An outcome of a file
that has changed since is forgotten.

For Python, a first run of each test file of the area records which tests execute which lines; a mutant then meets only
tests that execute its statement: those that killed a mutant of this file before, then the fastest of each test function, and
at last those that start processes. A kernel's header meets the C self-test first, which is the cheapest to build. For other
compiled code the modules made of the file are built again in the copy, without optimisation, and the test files of the area
run until one fails, those first that killed most. A mutant is killed if a test fails, if the process dies, or if the tests
take five times as long as before. The exit status is the number of unexplained survivors, at most 100.
"""

import argparse
import compileall
import contextlib
import datetime
import hashlib
import importlib.util
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from _mutants import lines_of_bodies, mutants_of, seeded, statements_of
from _mutation_targets import EXPLAINED, SAMPLE, SAMPLED, SPEED_ONLY, TARGETS
from _seeded_faults import COMPILED, ROOT, copied, modules_of, rebuilt

RESULTS = ROOT / "bench" / "results" / "mutation.json"
PYTHON_FILES = [file for files, _ in TARGETS.values() for file in files.split() if file.endswith(".py")]
HEAVY = "cluster or browser or emulated or build"
MARKS = f"not ({HEAVY} or process)"
MEMORY = 12 << 30  # of a process: a mutant may ask for any amount
AT_MOST = 240.0  # traced seconds of tests against one mutant; those that come later in the order are left out
SELF_TESTS = {"search": "kernels", "filter": "filter", "linear": "linear"}  # folder of headers -> program


# what the tests execute -----------------------------------------------------------------------------------------------


class Traced:
    """A plugin that records, for each test, its seconds and the lines of some files that it executes."""

    def __init__(self, folder, files):
        self.paths, self.of_tests = {str(folder / "fastcls" / file): file for file in files}, {}
        self.lines = defaultdict(set)  # of imports and collection, at first

    def _enter(self, frame, event, argument):
        file = self.paths.get(frame.f_code.co_filename)
        if file is None:
            return None
        lines = self.lines[file]

        def step(frame, event, argument):
            lines.add(frame.f_lineno)
            return step

        return step(frame, event, argument)

    def _trace(self):
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self):
        self._trace()
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.of_tests[""] = (0.0, {file: sorted(lines) for file, lines in self.lines.items()})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.lines, begun = defaultdict(set), time.process_time()  # also on a busy machine
        self._trace()
        try:
            return (yield)
        finally:
            sys.settrace(None)
            seconds = time.process_time() - begun
            self.of_tests[item.nodeid] = (seconds, {file: sorted(lines) for file, lines in self.lines.items()})


class Chosen:
    """A plugin that runs some tests alone, in a given order."""

    def __init__(self, names):
        self.places = {name: place for place, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = sorted((item for item in items if item.nodeid in self.places), key=lambda i: self.places[i.nodeid])


# processes ------------------------------------------------------------------------------------------------------------


def preload():
    """Import what the tests need but fastcls, so that each process that is forked begins with it."""
    os.environ |= {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1"}  # a thread that waits takes no time
    for name in ("numpy", "scipy.optimize", "sklearn.neighbors", "sklearn.linear_model", "sklearn.utils.estimator_checks"):
        importlib.import_module(name)
    assert "fastcls" not in sys.modules


def forked(copy, action, log, seconds):
    """The exit status of an action in a child; None if it took so many seconds of processor time, or 20 times as long.

    It finds the copy's fastcls.
    """
    child = os.fork()
    if child == 0:
        status = 3
        try:
            os.setsid()
            os.chdir(copy)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(out, 1)
            os.dup2(out, 2)
            with contextlib.suppress(ValueError):
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 5))
            sys.dont_write_bytecode = True
            sys.path[:] = [str(copy)] + [place for place in sys.path if not place.startswith(str(ROOT))]
            os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
            status = int(action())
            sys.stdout.flush()
        finally:
            os._exit(status)
    waited, last = 0.0, time.monotonic()
    while waited < 20 * seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(status)
            return None if status == -signal.SIGXCPU else status
        time.sleep(0.02)
        now = time.monotonic()
        waited, last = waited + min(now - last, 0.5), now  # less than the clock says if both processes were stopped
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def pytest_on(copy, tests, plugin, log, seconds, marks=MARKS):
    """The exit status of pytest on some test files of the copy."""
    arguments = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "-m", marks]
    arguments += [f"tests/{test}" for test in tests]
    return forked(copy, lambda: pytest.main(arguments, plugins=[plugin] if plugin else []), log, seconds)


# the run --------------------------------------------------------------------------------------------------------------


def rows_of(words=(), kind="all"):
    """(area, file, test files) of the targets that the words choose."""
    for area, (files, tests) in TARGETS.items():
        for file in files.split():
            chosen = not words or any(word == area or word in file for word in words)
            if chosen and (kind == "all" or (kind == "python") == file.endswith(".py")):
                yield area, file, tests.split()


def all_mutants(words=(), kind="all", seed=0):
    """Every mutant of the chosen files, in the seeded order, and file -> (area, tests)."""
    found, of_files = [], {}
    for area, file, tests in rows_of(words, kind):
        text = (ROOT / "fastcls" / file).read_text(encoding="utf-8")
        found += mutants_of(file, text, SPEED_ONLY.get(file, "").split())
        of_files[file] = area, tests
    return seeded(found, seed), of_files


class Runner:
    """Mutants and tests in one copy of the project."""

    def __init__(self, folder, cache):
        self.copy = copied(Path(folder, "project"))
        self.log = Path(folder, "log")
        self.cache = cache  # None: mutants meet all tests of their area
        compileall.compile_dir(self.copy / "fastcls", quiet=1)
        self.maps = {}

    def map_of(self, test):
        """Test -> (seconds, file -> lines that it executes) of one test file."""
        kept = self.cache / f"{test.replace('/', '-')}.json"
        if kept.exists():
            found = json.loads(kept.read_text())
            if all(found["digests"][path] == digest_of(self.copy / path) for path in found["digests"]):
                return found["tests"]
        plugin, out = Traced(self.copy, PYTHON_FILES), Path(self.log.parent, "map.json")

        def act():
            status = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", MARKS, f"tests/{test}"], [plugin])
            out.write_text(json.dumps(plugin.of_tests))
            return status

        status = None
        for _ in range(3):  # on a busy machine a test may fail that depends on time
            status = status if status in (0, 5) else forked(self.copy, act, self.log, 1800)
        if status not in (0, 5):
            raise SystemExit(f"tests/{test} fails as it stands ({status}):\n{self.log.read_text()[-2000:]}")
        found = json.loads(out.read_text())
        met = {f"fastcls/{file}" for _, lines in found.values() for file in lines} | {f"tests/{test}"}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"digests": {path: digest_of(self.copy / path) for path in met}, "tests": found}))
        return found

    def tests_of(self, mutant, files, killers):
        """(names of tests of some files that execute the mutant's statement, seconds); the likeliest to kill it first."""
        text = (self.copy / "fastcls" / mutant.file).read_text(encoding="utf-8")
        first, last = statements_of(text).get(mutant.line, (mutant.line, mutant.line))
        meeting, all_tests, at_import = [], [], mutant.line not in lines_of_bodies(text)
        for test in files:
            if test not in self.maps:
                self.maps[test] = self.map_of(test)
            for name, (seconds, lines) in self.maps[test].items():
                meets = any(first <= line <= last for line in lines.get(mutant.file, ()))
                if name:
                    all_tests.append((seconds, name))
                    if meets:
                        meeting.append((seconds, name))
        chosen, total = [], 0.0
        for seconds, name in _in_order(all_tests if at_import else meeting, killers):
            total += seconds
            if total > AT_MOST and chosen:
                break
            chosen.append(name)
        return chosen, total

    def fails_self_test(self, file):
        """Whether the C self-test of a header in the copy fails; False if it has none, or if it does not compile."""
        program = SELF_TESTS.get(Path(file).parent.name) if file.endswith(".h") else None
        if program is None:
            return False
        source, made = self.copy / "tests" / "kernels" / f"{program}_selftest.c", self.log.parent / "selftest"
        bounds = (self.copy / "fastcls" / "_search" / "bounds.py").read_text(encoding="utf-8")
        size = re.search(r"^BLOCK_BYTES = (\d+)", bounds, re.MULTILINE)[1]
        command = ["cc", "-std=gnu11", "-w", "-ffp-contract=off", f"-I{self.copy}/fastcls/_simd", f"-DBLOCK_BYTES={size}"]
        if subprocess.run([*command, source, "-o", made, "-lm"], capture_output=True).returncode:
            return False
        try:
            return subprocess.run([made, "--some"], capture_output=True, timeout=900).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    def tried(self, mutant, tests, killers=()):
        """(outcome, the test that killed it): killed, survived, not met, or invalid. Tests in `killers` come first."""
        path = self.copy / "fastcls" / mutant.file
        text, before, of_area = path.read_text(encoding="utf-8"), {}, tests
        pyc = Path(importlib.util.cache_from_source(str(path)))
        plugin, seconds, of_pyc = None, 900.0, None
        if path.suffix == ".py":
            of_pyc = pyc.read_bytes()
            pyc.unlink()
        if path.suffix == ".py" and self.cache:
            names, total = self.tests_of(mutant, tests, killers)
            plugin, seconds = Chosen(names), 30 + 5 * min(total, AT_MOST)
            tests = list(dict.fromkeys(name.split("::")[0].removeprefix("tests/") for name in names))
        try:
            path.write_text(mutant.applied(text), encoding="utf-8")
            if path.suffix in COMPILED:
                if self.fails_self_test(mutant.file):
                    return "killed", f"kernels/{SELF_TESTS[path.parent.name]}_selftest.c"
                counts = Counter(killer.split("::")[0] for killer in killers)
                tests = sorted(tests, key=lambda test: -counts[test])
                try:
                    before = rebuilt(self.copy, modules_of(self.copy / "fastcls", mutant.file))
                except SystemExit:
                    return "invalid", ""
            else:
                try:
                    compile(path.read_text(encoding="utf-8"), str(path), "exec")
                except SyntaxError:
                    return "invalid", ""
            status = pytest_on(self.copy, tests, plugin, self.log, seconds) if tests else 5
            if status in (0, 5) and self.cache:  # what tests see in processes that they start is on no map
                status = pytest_on(self.copy, of_area, None, self.log, seconds, f"process and not ({HEAVY})")
        finally:
            path.write_text(text, encoding="utf-8")
            if of_pyc:
                os.utime(path, (0, int.from_bytes(of_pyc[8:12], "little")))
                pyc.write_bytes(of_pyc)
            for built, content in before.items():
                built.unlink()
                built.write_bytes(content)
        if status is None:
            return "killed", "time"
        if status in (0, 5):
            return "survived" if tests else "not met", ""
        return "killed", self.killer() if status > 0 else f"signal {-status}"

    def killer(self):
        """The first test that failed."""
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith(("FAILED ", "ERROR ")):
                return line.split()[1].removeprefix("tests/")[:150]
        return "error"


def _in_order(tests, killers):
    """(seconds, name) of tests: those in `killers`, then the fastest case of each test function, then the second ..."""
    ranks, ordered = Counter(), []
    for seconds, name in sorted(tests):
        function = name.split("[")[0]
        ordered.append((name.removeprefix("tests/")[:150] not in killers, ranks[function], seconds, name))
        ranks[function] += 1
    return [(seconds, name) for *_, seconds, name in sorted(ordered)]


def machine():
    """Processor, processors, Python: where it ran."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':')[1].strip()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"


def digest_of(path):
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def run(words, kind, seed, minutes, count, again):
    """Try mutants until the time or the number is reached; the results file holds all outcomes."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"mutants": {}}
    kept = results["mutants"]
    mutants, of_files = all_mutants(words, kind, seed)
    digests = {file: digest_of(ROOT / "fastcls" / file) for file in of_files}
    made = {one.key for one in mutants}
    for key, row in list(kept.items()):
        if row["file"] in digests and (row["of"] != digests[row["file"]] or key not in made):
            del kept[key]
    survived = {key for key, row in kept.items() if row["outcome"] in ("survived", "not met")}
    fresh = [one for one in mutants if (one.key in survived if again else one.key not in kept)]
    begun, done = time.monotonic(), 0
    preload()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(folder, ROOT / "build" / "mutation")
        for mutant in fresh:
            if done >= count or time.monotonic() - begun > 60 * minutes:
                break
            area, tests = of_files[mutant.file]
            text = (ROOT / "fastcls" / mutant.file).read_text(encoding="utf-8")
            if digest_of(ROOT / "fastcls" / mutant.file) != digests[mutant.file]:
                continue  # edited meanwhile
            at = time.monotonic()
            killers = [row["by"] for row in kept.values() if row["file"] == mutant.file and row.get("by")]
            outcome, by = runner.tried(mutant, tests, killers)
            row = {"area": area, "file": mutant.file, "of": digests[mutant.file], "kind": mutant.kind, "outcome": outcome}
            row |= {"by": by} if outcome == "killed" else {"line": mutant.line, "diff": mutant.diff(text)}
            kept[mutant.key] = row
            done += 1
            print(f"{outcome:9} {time.monotonic() - at:5.1f} s  {mutant.key}  {by}", flush=True)
            results |= {"date": datetime.date.today().isoformat(), "machine": machine(), "seed": seed}
            written(results)
    unexplained = [key for key, row in kept.items() if row["outcome"] in ("survived", "not met") and key not in EXPLAINED]
    print(f"{done} mutants; {len(unexplained)} of {len(kept)} in {RESULTS} survived without an explanation")
    return min(len(unexplained), 100)


def sample(out):
    """The first mutants of a few files, against the fast tests of each; for the test suite."""
    found = {}
    preload()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(folder, None)
        for file, test in SAMPLE.items():
            text = (ROOT / "fastcls" / file).read_text(encoding="utf-8")
            mutants = [one for one in seeded(mutants_of(file, text)) if one.key not in EXPLAINED]
            for mutant in mutants[:SAMPLED]:
                outcome, by = runner.tried(mutant, [test])
                found[mutant.key] = {"outcome": outcome, "by": by, "diff": mutant.diff(text)}
    Path(out).write_text(json.dumps({"mutants": found}), encoding="utf-8")
    for row in found.values():
        print(row["outcome"], row["by"], row["diff"], sep="\n")


def written(results):
    """Write the outcomes, and the table of them."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    RESULTS.with_suffix(".md").write_text(table(results), encoding="utf-8")


def table(results):
    """The outcomes as Markdown."""
    counts, kept = defaultdict(Counter), results["mutants"]
    for key, row in kept.items():
        language = "Python" if row["file"].endswith(".py") else "compiled"
        outcome = "explained" if row["outcome"] in ("survived", "not met") and key in EXPLAINED else row["outcome"]
        counts[row["area"], language][outcome] += 1
    lines = [
        "# Mutants",
        "",
        f"`python tests/helpers/_mutation.py`, {results['date']}, {results['machine']}, seed {results['seed']}. "
        "*Explained*: no test can kill it, and `tests/helpers/_mutation_targets.py` "
        "says why. Mutants that do not compile are left out.",
        "",
        "| area | code | mutants | killed | explained | survived | score |",
        "|---|---|---|---|---|---|---|",
    ]
    total = Counter()
    for (area, language), of in sorted(counts.items()):
        total += of
        lines.append(f"| {area} | {language} | {_cells(of)} |")
    lines += [f"| all | | {_cells(total)} |", "", "## Survivors", ""]
    for key, row in sorted(kept.items()):
        if row["outcome"] in ("survived", "not met"):
            why = EXPLAINED.get(key) or ("no test executes it" if row["outcome"] == "not met" else "not explained")
            lines += [f"`{row['file']}`, line {row['line']}: {why}", "", "```diff", row["diff"], "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _cells(of):
    survived = of["survived"] + of["not met"]
    n = of["killed"] + of["explained"] + survived
    return f"{n} | {of['killed']} | {of['explained']} | {survived} | {100 * of['killed'] / max(n, 1):.0f} %"


def score(results):
    """(killed, all but those that do not compile) of a results file."""
    outcomes = Counter(row["outcome"] for row in results["mutants"].values())
    return outcomes["killed"], sum(outcomes.values()) - outcomes["invalid"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only areas of this name and files whose names contain it")
    parser.add_argument("--minutes", type=float, default=25.0, help="begin no mutant after so many minutes")
    parser.add_argument("--count", type=int, default=10**9, help="at most so many mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--kind", choices=("python", "compiled", "all"), default="all")
    parser.add_argument("--again", action="store_true", help="only those that survived before")
    parser.add_argument("--list", action="store_true", help="only count the mutants of each file")
    parser.add_argument("--sample", metavar="FILE", help="the sample of the test suite; its outcomes go to this file")
    args = parser.parse_args()
    if args.sample:
        sample(args.sample)
        sys.exit()
    if args.list:
        found, _ = all_mutants(args.words, args.kind, args.seed)
        for file, number in Counter(one.file for one in found).items():
            print(f"{number:5d}  {file}")
        print(f"{len(found):5d}")
        sys.exit()
    if subprocess.run(["git", "diff", "--quiet"], cwd=ROOT, capture_output=True).returncode:
        print("the tree has changes that are not committed; results belong to the files as they are", file=sys.stderr)
    sys.exit(run(args.words, args.kind, args.seed, args.minutes, args.count, args.again))
