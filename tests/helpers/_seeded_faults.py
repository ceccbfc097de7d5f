"""Whether the tests catch faults: each of `_faults.py` is put into a temporary copy, and its tests must fail there.

    python tests/helpers/_seeded_faults.py [--check] [--part I/N] [WORD ...]

A fault whose tests are ``site PAGE`` must break the build of that page (with the extra 'docs'). With words, only faults
whose file or tests contain one of them; ``--part 2/5`` is every fifth of these, from the second.
``--check`` only looks for each old text. The compiled modules must be built in place; a fault in compiled code rebuilds the
modules that are made of its file, in the copy, without optimisation, which takes a third of the time. Two faults are tried
at a time, each in a copy of its own: 17 minutes for 90 on two busy cores. 87 were caught, and tests were mended for the
other three (bench/TESTS.md). The exit status is the number of faults that were not caught.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
COMPILED = (".pyx", ".pxd", ".h")
AT_A_TIME = 2
ALL_MODULES = 'sorted(Path("fastcls").rglob("*.pyx"))'  # in setup.py


def is_of_a_page(tests):
    """Whether a page of the lecture must catch the fault, not tests."""
    return tests.startswith("site ")


def problems():
    """What is wrong with the list: files that are gone, old texts that occur not once, new texts that change nothing."""
    for file, old, new, tests in FAULTS:
        path = ROOT / "fastcls" / file
        count = path.read_text(encoding="utf-8").count(old) if path.is_file() else 0
        if count != 1:
            yield f"{file} has {old!r} {count} times; the list needs a text that occurs once"
        if old == new:
            yield f"{file}: the fault {old!r} changes nothing"
        if is_of_a_page(tests):
            pages = [path.stem for path in (ROOT / "docs" / "lecture").glob("*.py")]
            yield from (
                f"{file}: no such page: {name}" for name in tests.split()[1:] if not any(p.startswith(name) for p in pages)
            )
        else:
            found = (test for test in tests.split() if not (ROOT / "tests" / test).is_file())
            yield from (f"{file}: no such test file: {test}" for test in found)


def modules_of(package, file):
    """The .pyx files that are made of a file: itself, or those that include it, directly or through others."""
    sources = {path: path.read_text(encoding="utf-8") for kind in COMPILED for path in package.rglob(f"*{kind}")}
    found, new = set(), {package / file}
    while new:
        found |= new
        names = {f".{path.stem} cimport" for path in new if path.suffix == ".pxd"}
        names |= {text for path in new if path.suffix == ".h" for text in (f'/{path.name}"', f'"{path.name}"')}
        new = {path for path, text in sources.items() if any(name in text for name in names)} - found
    return sorted(path for path in found if path.suffix == ".pyx")


def copied(folder):
    """The project in a folder, with the compiled modules of the fastcls under test: built in place, or installed."""
    ignored = shutil.ignore_patterns(".git", "build", "*.egg-info", "__pycache__", "results")
    shutil.copytree(ROOT, folder, ignore=ignored)
    package = Path(importlib.util.find_spec("fastcls").origin).parent  # not imported: `_mutation.py` forks
    for built in package.rglob("*.so"):
        shutil.copy2(built, folder / "fastcls" / built.relative_to(package))
    return folder


def rebuilt(copy, modules):
    """Build some modules of the copy again, and return the old ones."""
    before = {}
    for module in modules:
        (built,) = module.parent.glob(f"{module.stem}.*.so")
        before[built] = built.read_bytes()
        module.touch()
    setup = copy / "setup.py"
    text = setup.read_text(encoding="utf-8")
    assert text.count(ALL_MODULES) == 1, f"setup.py has no {ALL_MODULES}"
    paths = ", ".join(f"Path({str(module.relative_to(copy))!r})" for module in modules)
    setup.write_text(text.replace(ALL_MODULES, f"[{paths}]").replace("-O3", "-O0"), encoding="utf-8")
    command = [sys.executable, "setup.py", "build_ext", "--inplace", "--force"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    setup.write_text(text, encoding="utf-8")
    shutil.rmtree(copy / "build", ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"the fault does not compile:\n{done.stderr[-2000:]}")
    return before


def environment_of(copy):
    """In which Python finds the copy's fastcls."""
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def outcome_of_page(copy, page):
    """What the build of a page of the lecture says of the copy: the fault is caught by an assertion of that page only."""
    command = [sys.executable, "docs/build.py", "--quick", "--page", page]
    own = {**environment_of(copy), "FASTCLS_ISA": "scalar"}
    done = subprocess.run(command, cwd=copy, env=own, capture_output=True, text=True)
    if done.returncode == 0:
        return "NOT CAUGHT"
    failed = re.findall(rf'File ".*/({page}\w*\.py)", line (\d+)', done.stderr)
    if "AssertionError" not in done.stderr or not failed:
        return f"NOT RUN (docs/build.py says {done.returncode}): {done.stderr[-500:]}"
    return "caught by {}, line {}".format(*failed[0])


def outcome(copy, tests):
    """What the tests, or the build of a page, say of the copy as it stands."""
    if is_of_a_page(tests):
        return outcome_of_page(copy, tests.split()[1])
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    command += [f"tests/{test}" for test in tests.split()]
    try:
        done = subprocess.run(command, cwd=copy, env=environment_of(copy), capture_output=True, text=True, timeout=1200)
    except subprocess.TimeoutExpired:
        return "caught: the tests hang"
    if done.returncode == 1 or done.returncode < 0:  # a signal: the process died of the fault
        failed = re.findall(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.MULTILINE)
        return f"caught by {failed[0]}" if failed else "caught"
    return "NOT CAUGHT" if done.returncode == 0 else f"NOT RUN (pytest says {done.returncode}): {done.stdout[-500:]}"


def tried(free, file, old, new, tests):
    """Whether a fault was caught, in one of the copies that are free."""
    copy = free.pop()
    path, begun, before = copy / "fastcls" / file, time.perf_counter(), {}
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")
    try:
        if path.suffix in COMPILED:
            before = rebuilt(copy, modules_of(copy / "fastcls", file))
        said = outcome(copy, tests)
    finally:
        path.write_text(text, encoding="utf-8")
        for built, content in before.items():
            built.unlink()
            built.write_bytes(content)
        free.append(copy)
    print(f"{file}: {old!r} -> {new!r}: {said} ({time.perf_counter() - begun:.0f} s)", flush=True)
    return said.startswith("caught")


def main(words, part=1, parts=1):
    """Print the outcome of each fault; the number of those that were not caught."""
    if wrong := list(problems()):
        print(*wrong, sep="\n")
        return len(wrong)
    chosen = [fault for fault in FAULTS if not words or any(word in fault[0] or word in fault[3] for word in words)]
    chosen = chosen[part - 1 :: parts]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_A_TIME) as pool:
        free = [copied(Path(folder, f"project{number}")) for number in range(AT_A_TIME)]
        caught = sum(pool.map(lambda fault: tried(free, *fault), chosen))
    print(f"{caught} of {len(chosen)} faults caught")
    return len(chosen) - caught


def part_of(text):
    """The numbers of ``2/5``: the second of five parts."""
    part, parts = map(int, text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError
    return part, parts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only faults whose file or tests contain one of these")
    parser.add_argument("--check", action="store_true", help="only look for each old text")
    parser.add_argument("--part", type=part_of, default=(1, 1), metavar="I/N", help="the I-th of N parts: 2/5")
    args = parser.parse_args()
    if args.check:
        found = list(problems())
        print(*found, f"{len(FAULTS)} faults, {len(found)} problems", sep="\n")
        sys.exit(bool(found))
    sys.exit(main(args.words, *args.part))
