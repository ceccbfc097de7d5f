"""How many instructions the filter's loops take on aarch64: counted, because an emulator's time says nothing."""

import platform
import shutil

import pytest
from _instructions import instructions


@pytest.mark.build
@pytest.mark.emulated
@pytest.mark.skipif(platform.machine() == "aarch64", reason="this is an aarch64 machine: its loops are counted elsewhere")
@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-gcc"), reason="no aarch64-linux-gnu-gcc on this machine")
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="no qemu-aarch64 on this machine")
def test_a_screened_byte_takes_hardly_more_instructions_than_a_byte_by_brute_force():
    kernels = ("screen_l1", "screen_l2", "brute_l1", "brute_l2")
    counted = instructions([(isa, kernel) for isa in ("scalar", "neon", "neon_dotprod") for kernel in kernels])
    for isa in ("neon", "neon_dotprod"):
        for sum_ in ("l1", "l2"):
            screened, brute = counted[isa, f"screen_{sum_}"], counted[isa, f"brute_{sum_}"]
            assert screened < 1.1 * brute, (isa, sum_, counted)
            assert screened < 0.6 * counted["scalar", f"screen_{sum_}"], (isa, sum_, counted)
