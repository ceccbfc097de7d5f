"""What a search tells of itself: a few short lines when printed, one line as repr, all of it as a dict."""

import numpy as np

from fastcls import KNeighborsClassifier
from fastcls._search.report import LevelReport, SearchReport

REPORT = SearchReport(
    path="filter",
    kernel="codes",
    metric="l2",
    arithmetic="integer",
    isa="avx2",
    threads=2,
    n_queries=1000,
    n_rows=50_000,
    n_features=3072,
    k=7,
    pairs=50_000_000,
    levels=(LevelReport("coordinates", 256, 50_000_000, 1_000_000),),
    computed=4_100,
    refined=0,
    tile=(4, 32),
    chunks=3,
    seconds=1.2345678,
    scratch_bytes=2048,
    filter_bytes=13_000_000,
    notes=("X: int32 converted to float64",),
)


def test_report_prints_as_short_lines():
    assert str(REPORT).splitlines() == [
        "filter (codes, avx2), l2, integer arithmetic",
        "1,000 queries, 50,000 rows of 3,072 features, k = 7: 1.235 s on 2 threads",
        "of 50,000,000 pairs 4,100 were computed (0.0082 %)",
        "  coordinates, 256 bytes: 1,000,000 of 50,000,000 pairs left (2 %)",
        "bytes: scratch 2,048, filter 13,000,000, copied 0",
        "note: X: int32 converted to float64",
    ]


def test_report_of_a_real_search_has_short_lines_and_one_line_as_repr():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 8)) @ rng.normal(size=(8, 256))  # rows that a filter can tell apart by few coordinates
    X = np.clip(128 + 20 * X, 0, 255).astype(np.uint8)
    model = KNeighborsClassifier(3, algorithm="filter", n_jobs=1).fit(X, np.arange(3000) % 3)
    model.predict(X[:50])
    report = model.search_report_
    assert report.computed >= 150  # k for each query
    for level in report.levels:
        assert level.pairs_in >= level.pairs_out >= report.computed
    lines = str(report).splitlines()
    assert 4 <= len(lines) <= 8
    assert max(map(len, lines)) <= 100
    assert f"of 150,000 pairs {report.computed:,} were computed" in lines[2]
    assert len(report.levels) == sum(line.startswith("  ") for line in lines) > 0
    assert repr(report).startswith("SearchReport(path=")
    assert "\n" not in repr(report)
