"""The generator of mutants: what it changes, what it leaves alone; and the tests kill the first few of its mutants."""

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import _mutants
import _mutation_targets
import pytest
from _mutants import mutants_of, seeded

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "fastcls"
FILES = [file for files, _ in _mutation_targets.TARGETS.values() for file in files.split()]

pytestmark = pytest.mark.skipif(not (PACKAGE / "_kernels.pyx").exists(), reason="the sources are not here")

PYTHON = '''
"""Docstring with 1 + 1."""
LIMIT: int = 3

def f(x: list[int], n=2) -> int:
    """At most 7 < 8."""
    if x[0] < n and not x:
        raise InputError(f"{n + 1} is more than 5")
    total = max(x[1:n])
    total += LIMIT
    x.sort()
    return total % 2
'''
OF_PYTHON = (
    "3 -> 4, 3 -> 2, 2 -> 3, 2 -> 1, 0 -> 1, 0 -> -1, < -> <=, and -> or, not ->, raise -> pass, max -> min, 1 -> 2, "
    "1 -> 0, -> + 1, -> - 1, += -> -=, total -> pass, x.sort() -> pass, % -> //, 2 -> 3, 2 -> 1"
)
C = """
#include "a_b.h"
/* 1 < 2 */
static int f(const int *x, int n) {
    int32_t keys[4] = {0};
    for (int i = 0; i < n; i++)
        keys[i] += x[i] * 3;
    n = fmin(n, 2.5);
    return keys[0] == n;
}
"""
OF_C = (
    "0 -> 1, < -> <=, keys -> ;, += -> -=, * -> +, 3 -> 4, 3 -> 2, -> + 1, -> + 1, n -> ;, fmin -> fmax, 2.5 -> 3.5, "
    "0 -> 1, == -> !="
)
CYTHON = """
cdef inline int f(double *x, int n) noexcept nogil:
    # 1 < 2
    cdef int i
    for i in range(n):
        x[i] = -2.0 if x[i] <= 0.0 and n else x[i - 1]
    return n
"""
OF_CYTHON = "x -> pass, 2.0 -> 3.0, <= -> <, 0.0 -> 1.0, and -> or, - -> +, 1 -> 2, 1 -> 0, -> + 1, -> + 1"


def changes(file, text):
    """What becomes of what, of each mutant; statements by their first word."""
    found = []
    for one in mutants_of(file, text):
        old = text[one.start : one.end]
        old = old.split("[")[0].split(" ")[0] if one.kind == "statement" else old
        found.append(f"{old.split()[0] if old.strip() else ''} -> {one.new.strip()}".strip())
    return Counter(found)


@pytest.mark.parametrize(
    ("file", "text", "wanted"), [("a.py", PYTHON, OF_PYTHON), ("a.h", C, OF_C), ("a.pxd", CYTHON, OF_CYTHON)]
)
def test_each_rule_makes_its_mutants_and_no_other(file, text, wanted):
    assert changes(file, text) == Counter(wanted.split(", "))


def test_mutants_change_one_line_and_python_still_parses():
    for file in FILES:
        text = (PACKAGE / file).read_text(encoding="utf-8")
        found = mutants_of(file, text)
        assert len(found) >= 10, file
        assert len({one.key for one in found}) == len(found)
        for one in seeded(found)[:5]:
            assert one.applied(text) != text
            if file.endswith(".py"):
                ast.parse(one.applied(text))


def test_the_order_depends_on_the_seed_and_not_on_other_lines():
    text = (PACKAGE / "_search" / "merge.py").read_text(encoding="utf-8")
    keys = [one.key for one in seeded(mutants_of("_search/merge.py", text))]
    moved = [one.key for one in seeded(mutants_of("_search/merge.py", f"# one more line\n{text}"))]
    other = [one.key for one in seeded(mutants_of("_search/merge.py", text), seed=1)]
    assert keys == moved != other
    assert sorted(keys) == sorted(other)


def test_targets_are_there_and_every_explained_mutant_is_made():
    for files, tests in _mutation_targets.TARGETS.values():
        assert [file for file in files.split() if not (PACKAGE / file).is_file()] == []
        assert [test for test in tests.split() if not (ROOT / "tests" / test).is_file()] == []
    made = {}
    for file in {key.split(":")[0] for key in _mutation_targets.EXPLAINED} | set(_mutation_targets.SPEED_ONLY):
        text = (PACKAGE / file).read_text(encoding="utf-8")
        made |= {one.key: text for one in mutants_of(file, text)}
        missing = set(_mutation_targets.SPEED_ONLY.get(file, "").split()) - set(re.findall(r"\w+", text))
        assert not missing, (file, missing)
    assert [key for key in _mutation_targets.EXPLAINED if key not in made] == []


def test_a_comment_and_a_docstring_have_no_mutants():
    assert _mutants.masked('x = 1  # 2\n"""3\n4"""\ny = "5"', is_c=False).split() == ["x", "=", "1", "y", "="]
    assert _mutants.masked("a /* 1\n2 */ b // 3\n#include <c>\n#define D 4", is_c=True).split() == ["a", "b", "4"]


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each mutant meets the tests in a forked process")
def test_the_tests_kill_the_first_mutants_of_a_seeded_order(tmp_path):
    """Of a few files whose tests are fast. All mutants, with a table of the survivors: tests/helpers/_mutation.py."""
    command = [sys.executable, ROOT / "tests" / "helpers" / "_mutation.py", "--sample", tmp_path / "found.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["mutants"]
    assert len(found) >= 6
    assert {row["outcome"] for row in found.values()} <= {"killed", "invalid"}
    assert sum(row["outcome"] == "killed" for row in found.values()) >= 5
