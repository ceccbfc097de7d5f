"""A loaded model's rows are pages of its file: read-only, and the same ones for every process that has it."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from _rows import command_and_environment

import fastcls

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's /proc/self/smaps"),
]

# Loads the model and looks at every row; says so, and on being asked tells what the system knows of the file's pages.
HOLDER = """
import json, sys
from pathlib import Path
import numpy as np, fastcls

path, copied = sys.argv[1], sys.argv[2] == "copied"
model = fastcls.load(path)
model.predict(np.zeros((9, 2048), np.uint8))
model._rows.chunks[0].sum()
if copied:
    rows = np.memmap(path, dtype=np.uint8, mode="c")
    rows[::512] += 1  # every page is this process's own from here on
print("ready", flush=True)
sys.stdin.readline()
found, here = {}, False
for line in Path("/proc/self/smaps").read_text().splitlines():
    name, *rest = line.split()
    if not name.endswith(":"):  # the head of a mapping
        here = path in line
        if here:
            found["writable"] = found.get("writable", 0) + ("w" in rest[0])
    elif here and rest[-1:] == ["kB"]:
        found[name[:-1]] = found.get(name[:-1], 0) + 1024 * int(rest[0])
print(json.dumps(found), flush=True)
sys.stdin.readline()
"""


def pages(path, kind="mapped", n=2):
    """What each of n processes that hold a model at the same time says of the pages of its file."""
    command, environment = command_and_environment(HOLDER, path, kind)
    held = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    try:
        for one in held:
            assert one.stdout.readline() == "ready\n"
        shown = []
        for one in held:  # all are there, and have looked at all rows
            one.stdin.write("\n")
            one.stdin.flush()
            shown.append(json.loads(one.stdout.readline()))
        return shown
    finally:
        for one in held:
            one.communicate("\n", timeout=60)


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (4096, 2048), dtype=np.uint8)
    path = tmp_path / "m.safetensors"
    fastcls.KNeighborsClassifier(1, algorithm="brute").fit(X, np.arange(4096) % 3).save(path)
    return path, X.nbytes


def test_two_processes_share_the_pages_of_a_loaded_model(saved):
    path, n_bytes = saved
    for shown in pages(path):
        assert shown["writable"] == 0, shown
        assert shown["Rss"] >= n_bytes, shown  # it was all looked at
        assert shown["Private_Dirty"] == shown["Anonymous"] == 0, shown
        assert shown["Pss"] <= 0.55 * shown["Rss"], shown  # of every page, each of the two has half
        assert shown["Shared_Clean"] >= n_bytes, shown


def test_the_measurement_detects_a_copy(saved):
    path, n_bytes = saved
    for shown in pages(path, "copied"):
        assert shown["Private_Dirty"] >= n_bytes, shown


LOADER = """
import sys
from pathlib import Path
import fastcls.neighbors

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

before = resident()
model = fastcls.load(sys.argv[1])
print(1024 * (resident() - before))
"""


def test_a_model_of_150_mb_is_loaded_without_reading_its_rows(tmp_path):
    """How long that takes: python -m bench.model_loading."""
    path = tmp_path / "m.safetensors"
    X = np.zeros((50_000, 3072), dtype=np.uint8)
    fastcls.KNeighborsClassifier(1, algorithm="brute").fit(X, np.arange(50_000) % 3).save(path)
    command, environment = command_and_environment(LOADER, path)
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert int(shown) < 10_000_000
