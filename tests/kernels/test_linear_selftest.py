"""The linear kernels' self-test in C (linear_selftest.c): here with sanitizers, and for aarch64 under emulation.

A quarter of the cases, as in test_selftest.py.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastcls import simd

SCRIPT = Path(__file__).with_name("run_linear_selftest.sh")
# Instruction sets that have linear kernels of their own; others use those of the best of these below them.
LINEAR = {"scalar", "avx2", "avx512vnni", "neon"}


def run(*words):
    done = subprocess.run(["bash", str(SCRIPT), *words, "--some"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nine planted faults found" in done.stdout
    return done.stdout


def checked(said):
    return set(re.findall(r"^(\w+): linear, .*: [1-9]\d{3,} values as wanted$", said, re.MULTILINE))


@pytest.mark.build
@pytest.mark.skipif(sys.platform != "linux", reason="the C self-test needs Linux: guarded pages")
@pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler on this machine")
def test_every_linear_kernel_that_runs_here_equals_plain_loops_also_under_sanitizers():
    plain, sanitized = run().split("== sanitizers")
    assert checked(plain) == checked(sanitized) == LINEAR & set(simd.available())


@pytest.mark.emulated
@pytest.mark.skipif(platform.machine() == "aarch64", reason="this is an aarch64 machine: its own self-test covers it")
@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-gcc"), reason="no aarch64-linux-gnu-gcc on this machine")
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="no qemu-aarch64 on this machine")
def test_linear_neon_kernels_equal_plain_loops_under_emulation():
    assert checked(run("aarch64")) == {"scalar", "neon"}
