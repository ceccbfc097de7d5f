"""Instructions of the kernels on aarch64, counted by an emulator: ``python tests/helpers/_instructions.py`` prints them.

The emulator writes a line for each instruction that it executes. A kernel runs once and three times, and the difference is
what it takes, without the start of the program. It is not the time that a processor takes.
"""

import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CC, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"
ISAS = ("scalar", "neon", "neon_dotprod")
KERNELS = ("screen_l1", "screen_l1_one", "screen_l2", "screen_l2_one", "at_l1", "at_l2", "at_fine", "project")
BRUTE = ("brute_l1", "brute_l2")
OF_LISTS = ("bound", "drop")


def _executed(folder, isa, kernel, times):
    """(instructions, work of one time)."""
    log = Path(folder, "log")
    emulated = [QEMU, "-cpu", "max", "-singlestep", "-d", "exec,nochain", "-D", log, Path(folder, "count"), isa, kernel]
    done = subprocess.run([*emulated, str(times)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    with log.open("rb") as lines:
        return sum(1 for _ in lines), int(done.stdout)


def instructions(wanted):
    """Instructions per byte of a pair (of an entry for lists) of each (isa, kernel)."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        flags = ["-std=gnu11", "-O3", "-ffp-contract=off", "-static", f"-I{ROOT / 'fastcls' / '_simd'}"]
        source = ROOT / "tests" / "kernels" / "count_instructions.c"
        subprocess.run([CC, *flags, source, "-o", Path(folder, "count"), "-lm"], check=True)
        lists = None
        for isa, kernel in wanted:
            once, _ = _executed(folder, isa, kernel, 1)
            thrice, work = _executed(folder, isa, kernel, 3)
            found[isa, kernel] = (thrice - once) / 2 / work
            if kernel in OF_LISTS:  # less what fills the lists
                if lists is None:
                    lists = (_executed(folder, isa, "lists", 3)[0] - _executed(folder, isa, "lists", 1)[0]) / 2 / work
                found[isa, kernel] -= lists
    return found


if __name__ == "__main__":
    counted = instructions([(isa, kernel) for isa in ISAS for kernel in (*KERNELS, *OF_LISTS, *BRUTE)])
    for kernel in (*KERNELS, *OF_LISTS, *BRUTE):
        print(f"{kernel:14}", *(f"{counted[isa, kernel]:8.3f}" for isa in ISAS))
