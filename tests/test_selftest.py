"""The kernels' self-tests in C (kernels_selftest.c, cascade_selftest.c): here with sanitizers, and for aarch64."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastcls import simd

TESTS = Path(__file__).parent
KINDS = (r"\d+ pair functions, .*", "screens, bounds, chosen rows, projections")  # that each compares


def run(script):
    done = subprocess.run(["bash", str(TESTS / script)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the C self-test needs Linux: guarded pages, /proc/cpuinfo")
@pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler on this machine")
def test_every_kernel_that_runs_here_equals_plain_loops_also_under_sanitizers():
    said = run("run_selftest.sh")
    assert "nine planted faults found" in said
    plain, sanitized = said.split("== sanitizers")
    for name in simd.available():
        for part in (plain, sanitized):
            for kind in KINDS:
                assert re.search(rf"^{name}: {kind}: [1-9]\d+ values as wanted$", part, re.MULTILINE), part


@pytest.mark.skipif(platform.machine() == "aarch64", reason="this is an aarch64 machine: its own self-test covers it")
@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-gcc"), reason="no aarch64-linux-gnu-gcc on this machine")
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="no qemu-aarch64 on this machine")
def test_neon_kernels_equal_plain_loops_under_emulation():
    said = run("run_selftest_aarch64.sh")
    with_dot, without = said.split("== aarch64 without")
    for name in ("scalar", "neon", "neon_dotprod"):
        for kind in KINDS:
            assert re.search(rf"^{name}: {kind}: [1-9]\d+ values as wanted$", with_dot, re.MULTILINE), said
    for kind in KINDS:
        assert re.search(rf"^neon: {kind}: [1-9]\d+ values as wanted$", without, re.MULTILINE), said
    assert re.search(r"^neon_dotprod: .*cannot run here", without, re.MULTILINE), said
