"""A search needs a few MB beyond its input and its answer, whatever the number of queries."""

from pathlib import Path

import pytest
from _rows import python

from fastcls._validation.types import STORED_TYPES

pytestmark = pytest.mark.process

LIMIT = 64e6

# The peak of resident memory is reset before each search; rows and queries are there before. 2,000 x 12,000 distances would
# be 192 MB, the rows in float64 74 MB.
PEAKS = """
import sys
from pathlib import Path
import numpy as np
from fastcls import NearestNeighbors, metrics
from fastcls._validation.types import narrowed, type_of

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

dtype, algorithm, waste = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)
Q, X = (narrowed(rng.integers(-100, 100, size=(n, 768), dtype=np.int8), type_of(dtype)) for n in (2_000, 12_000))
for metric in {of.sum: name for name, of in metrics.METRICS.items()}.values():
    NearestNeighbors(metric=metric, algorithm=algorithm).fit(X[:500]).kneighbors(Q[:100], 5)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    model = NearestNeighbors(metric=metric, algorithm=algorithm).fit(X)
    distances, indices = model.kneighbors(Q, 10)
    np.ones(waste)
    print(metric, resident("VmHWM") - before - distances.nbytes - indices.nbytes)
"""


def peaks(dtype, algorithm, waste=0):
    return {metric: int(peak) for metric, peak in map(str.split, python(PEAKS, dtype, algorithm, waste).splitlines())}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc/self/clear_refs")
@pytest.mark.parametrize("dtype", STORED_TYPES)
def test_peak_of_a_search_stays_small(dtype):
    found = peaks(dtype, "brute")
    assert len(found) >= 3
    assert max(found.values()) <= LIMIT, found


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc/self/clear_refs")
def test_peaks_are_seen():
    found = peaks("uint8", "brute", waste=10_000_000)  # 80 MB of float64
    assert min(found.values()) > LIMIT, found
