"""The limits of this machine: compiles limits.c with the system's compiler and runs it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

from . import data

SOURCE = Path(__file__).with_name("limits.c")


def limits(n_threads: int, seconds: float = 3.0) -> dict[str, float | None]:
    """Rates in 10^9 per second, by the names in limits.c; empty on processors other than x86-64."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return {}
    program = data.cache_folder() / "limits"
    command = [os.environ.get("CC", "cc"), "-O3", "-std=gnu11", "-pthread", str(SOURCE), "-o", str(program)]
    subprocess.run(command, check=True)
    done = subprocess.run([program, str(n_threads), str(seconds)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
