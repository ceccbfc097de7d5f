"""The tests themselves: their markers are true, no file is long, the lists of faults and of additions fit the code."""

import importlib.util
import itertools
import shutil
from pathlib import Path

import _how_to_add
import _seeded_faults
import pytest
from _inner_pytest import pytest_on
from _pairwise import pairwise

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
SOURCES = {".py", ".pyi", ".pyx", ".pxd", ".h", ".c", ".sh", ".j2", ".css"}


@pytest.fixture(scope="module")
def conftest():
    spec = importlib.util.spec_from_file_location("conftest_of_all_tests", TESTS / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("program", "markers", "missing"),
    [
        ("/usr/bin/python3", set(), "process"),
        ("/usr/bin/python3", {"process"}, None),
        ("/usr/bin/python3", {"cluster"}, None),
        ("/usr/bin/bash", {"skipif"}, "process"),
        ("/usr/bin/x86_64-linux-gnu-gcc-12", {"process"}, "build"),
        ("cc", {"build", "process"}, None),
        ("/opt/playwright/node", {"process"}, "browser"),
        ("/usr/bin/chromium", {"browser"}, None),
        ("qemu-aarch64", {"build"}, "emulated"),
        ("lscpu", set(), None),
    ],
)
def test_a_program_has_its_marker(conftest, program, markers, missing):
    assert conftest.marker_missing(program, markers) == missing


@pytest.mark.process
def test_a_test_that_starts_a_process_without_its_marker_fails(tmp_path):
    shutil.copy(TESTS / "conftest.py", tmp_path)
    run = "    subprocess.run([sys.executable, '-c', ''])\n"
    text = f"import pytest, subprocess, sys\ndef test_no():\n{run}@pytest.mark.process\ndef test_yes():\n{run}"
    (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
    _, printed = pytest_on(tmp_path, "-q")
    assert "1 failed, 1 passed" in printed
    assert "mark it with pytest.mark.process" in printed


def test_groups_name_what_is_there(conftest):
    assert [start for start in (*conftest.TOGETHER, *conftest.LONG) if not (TESTS / start).exists()] == []


@pytest.mark.process
def test_one_process_runs_all_tests_of_a_file_and_of_a_group(tmp_path):
    (tmp_path / "tests" / "dask").mkdir(parents=True)
    shutil.copy(TESTS / "conftest.py", tmp_path / "tests")
    text = "import os, pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(n):\n"
    text += "    print(os.getpid(), file=open({!r}, 'a'))\n"
    for name, kind in (("dask/test_a", "grouped"), ("dask/test_b", "grouped"), ("test_c", "single")):
        (tmp_path / "tests" / f"{name}.py").write_text(text.format(str(tmp_path / kind)), encoding="utf-8")
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    _, printed = pytest_on(tmp_path, "-q", "-p", "xdist.plugin", "-n", "2")
    assert "12 passed" in printed
    for kind in ("grouped", "single"):
        assert len(set((tmp_path / kind).read_text(encoding="utf-8").split())) == 1


def test_no_source_no_test_and_no_page_has_over_500_lines():
    files = [path for folder in ("fastcls", "tests", "bench", ".ci", "docs") for path in (ROOT / folder).rglob("*")]
    files = [path for path in files if path.suffix in {*SOURCES, ".md"} and not path.with_suffix(".pyx").exists()] + [
        path for path in files if path.suffix == ".pyx"
    ]
    if not any(path.suffix == ".pyx" for path in files):
        pytest.skip("the sources are not here")
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > 500} == {}


@pytest.mark.parametrize("sizes", [(16, 5, 3), (2, 2, 3), (1, 4), (3, 5, 4, 2, 2), (4, 4, 4)])
def test_pairwise_cases_hold_every_pair_of_values_and_are_few(sizes):
    lists = [[f"{number}{value}" for value in range(size)] for number, size in enumerate(sizes)]
    cases = pairwise(*lists)
    for one, other in itertools.combinations(range(len(lists)), 2):
        assert {(case[one], case[other]) for case in cases} == set(itertools.product(lists[one], lists[other]))
    largest, second = sorted(sizes)[:-3:-1]
    assert len(cases) <= 1.5 * largest * second


def test_every_seeded_fault_is_in_the_code_and_there_are_enough():
    assert list(_seeded_faults.problems()) == []
    assert len(_seeded_faults.FAULTS) >= 60


@pytest.mark.process
@pytest.mark.build
def test_what_can_be_added_is_added_by_the_book():
    """In a copy, which is rebuilt; all at once. A new sum takes longer: python tests/helpers/_how_to_add.py new."""
    if not (ROOT / "setup.py").exists() or shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")
    pytest.importorskip("Cython", reason="Cython is not installed")
    found = _how_to_add.main([what for what in _how_to_add.ADDED if what != "metric over a new sum"])
    assert found == {what: _how_to_add.FILES[what] for what in found}


@pytest.mark.parametrize("what", _how_to_add.ADDED)
def test_the_book_names_the_files_that_are_touched(what):
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## How to add a ...")[1].split("\n## ")[0]
    files = {file: old is None for file, old, _ in reversed(_how_to_add.ADDED[what])}
    assert len(files) == _how_to_add.FILES[what]
    assert f"| {what} | {len(files)}" in section
    for file, is_new in files.items():
        known = (f"`{file}`", f"`fastcls/{file}`", f"the package's `{Path(file).name}`")
        assert is_new or any(name in section for name in known), file
