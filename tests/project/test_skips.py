"""The end of every test run counts skips by reason; one that blames the lack of what is there fails the run."""

import shutil
from pathlib import Path

import pytest
from _inner_pytest import pytest_on

pytestmark = pytest.mark.process

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
TESTS = """
import pytest
def test_passes(): pass
@pytest.mark.parametrize("n", range({count}))
def test_skips(n): pytest.skip({reason!r})
"""


def run(tmp_path, reason, count):
    """A test run of its own under a copy of this folder's conftest.py: (exit status, lines)."""
    folder = tmp_path / "project" / "tests"
    folder.mkdir(parents=True)
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(TESTS.format(reason=reason, count=count), encoding="utf-8")
    status, printed = pytest_on(folder)
    return status, printed.splitlines()


def test_skips_are_counted_by_reason_above_the_closing_line(tmp_path):
    status, lines = run(tmp_path, "no camera here", 3)
    assert status == 0
    assert "    3  no camera here" in lines
    assert "    3  skipped in all" in lines
    assert "1 passed, 3 skipped" in lines[-1]


@pytest.mark.parametrize("present", [False, True])
def test_skip_for_the_lack_of_what_is_there_fails_the_run(tmp_path, present):
    if present:
        (tmp_path / "shared" / "data").mkdir(parents=True)
    status, lines = run(tmp_path, "shared data not found at ../shared/data", 1)
    assert status == int(present)
    assert any("WRONG" in line for line in lines) == present
