"""A process killed in the middle of `save` leaves the old model or the new one (200 kills: tests/helpers/_kill_saves.py)."""

import os
import re
from pathlib import Path

import pytest
from _rows import python

pytestmark = [pytest.mark.process, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")]

RUN = """
import runpy, sys
script, count, spoil = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if spoil == "yes":  # a writer that writes into the file itself, as many do
    import contextlib, pathlib, tempfile
    from fastcls._storage import saving
    @contextlib.contextmanager
    def writing_into(path, what, **options):
        with tempfile.TemporaryDirectory() as room:
            temporary = pathlib.Path(room, "new")
            yield temporary
            content = temporary.read_bytes()
        with open(path, "wb", buffering=0) as file:
            for first in range(0, len(content), 1 << 16):
                file.write(content[first : first + (1 << 16)])
    saving.replacing = writing_into
runpy.run_path(script)["main"](count)
"""
SCRIPT = Path(__file__).resolve().parents[1] / "helpers" / "_kill_saves.py"


def test_killed_saves_leave_a_whole_model_and_no_partial_one():
    printed = python(RUN, SCRIPT, 20, "no")
    kills, in_the_middle = map(int, re.match(r"(\d+) kills, (\d+) in the middle", printed).groups())
    assert kills == 20
    assert in_the_middle >= 3, printed  # they do come while a file is written


def test_a_writer_that_is_not_atomic_is_detected():
    with pytest.raises(AssertionError, match=r"exit status 1[\s\S]*(InputError|in which)"):
        python(RUN, SCRIPT, 200, "yes")
