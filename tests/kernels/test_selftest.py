"""The kernels' self-tests in C (kernels_selftest.c, filter_selftest.c): here with sanitizers, and for aarch64.

A quarter of the cases; `run_sanitized.sh` and the scripts without an argument check all.
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

TESTS = Path(__file__).resolve().parent
INCLUDE = TESTS.parents[1] / "fastcls" / "_simd"
KINDS = (r"\d+ pair functions, .*", "screens, bounds, chosen rows, projections")  # that each compares


ONLY_FILTER = {"ssse3"}  # sets whose search loops are those of a lower set


def own(name, kind):
    return kind != KINDS[0] or name not in ONLY_FILTER


def run(script):
    done = subprocess.run(["bash", str(TESTS / script), "--some"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.build
@pytest.mark.skipif(sys.platform != "linux", reason="the C self-test needs Linux: guarded pages, /proc/cpuinfo")
@pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler on this machine")
def test_every_kernel_that_runs_here_equals_plain_loops_also_under_sanitizers():
    said = run("run_selftest.sh")
    assert "ten planted faults found" in said
    plain, sanitized = said.split("== sanitizers")
    for name in simd.available():
        for part in (plain, sanitized):
            for kind in KINDS:
                if own(name, kind):
                    assert re.search(rf"^{name}: {kind}: [1-9]\d+ values as wanted$", part, re.MULTILINE), part


@pytest.mark.build
@pytest.mark.skipif(sys.platform != "linux", reason="the C self-test needs Linux: guarded pages, /proc/cpuinfo")
@pytest.mark.skipif(not shutil.which("clang"), reason="no clang on this machine")
def test_clang_compiles_every_kernel_without_a_warning(tmp_path):
    (tmp_path / "threads_selftest.c").write_text('#define _GNU_SOURCE\n#include "threads.h"\nint main(void) { return 0; }\n')
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-ffp-contract=off", "-DBLOCK_BYTES=4096"]
    flags += ["-I", INCLUDE]
    for source in (TESTS / "filter_selftest.c", TESTS / "linear_selftest.c", tmp_path / "threads_selftest.c"):
        subprocess.run(["clang", *flags, "-c", source, "-o", tmp_path / "o"], check=True)
    test = tmp_path / "test"
    subprocess.run(["clang", *flags, "-O1", TESTS / "kernels_selftest.c", "-o", test, "-lm"], check=True)
    said = subprocess.run([test, "--some"], capture_output=True, text=True, check=True).stdout
    for name in set(simd.available()) - ONLY_FILTER:
        assert re.search(rf"^{name}: {KINDS[0]}: [1-9]\d+ values as wanted$", said, re.MULTILINE), said


@pytest.mark.emulated
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
