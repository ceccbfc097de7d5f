"""The benchmark: its engines answer the same question, its rows are named once, and one command measures and merges."""

import json
import runpy
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastcls import reference

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: the fastcls under test is not the one next to bench
bench = pytest.importorskip("bench", reason="the folder bench is not next to tests")
from bench import chart, data, limits, measure, rivals, table, work  # noqa: E402

FORKING = ["numkong"]  # engines that start processes
NAMES = [pytest.param(name, marks=[pytest.mark.process] * (name in FORKING)) for name in rivals.NAMES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("alone", [False, True])
def test_engines_give_the_distances_of_the_definition(name, metric, dtype, alone):
    try:
        kind = rivals.engine(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")
    if not kind.supported(metric, dtype, 20, alone):
        pytest.skip(f"{name} has no {metric} of {dtype}")
    rng = np.random.default_rng(0)
    X, Q = (rng.integers(1, 99, size=(n, 20)).astype(dtype) for n in (300, 70))
    engine = kind(metric, 2, "brute")
    engine.prepare(X)
    distances, indices = engine.search(None if alone else Q, 5)
    own = np.arange(len(X)) if alone else None
    wanted, _ = reference.kneighbors(X if alone else Q, X, 5, metric, own, own)
    assert indices.shape == wanted.shape
    np.testing.assert_allclose(distances, wanted, rtol=1e-4, atol=1e-5)  # rivals compute in float32
    if alone:
        assert (indices != own[:, None]).all()


@pytest.mark.parametrize("name", rivals.NAMES[1:])
@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("alone", [False, True])
def test_equal_distances_are_ordered_by_index_where_an_engine_says_so(name, metric, alone):
    try:
        kind = rivals.engine(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")
    if not kind.same_order(metric, "uint8"):
        pytest.skip(f"{name} does not promise it")
    rng = np.random.default_rng(0)
    X, Q = (rng.integers(0, 3, size=(n, 6), dtype=np.uint8) for n in (400, 70))
    engine = kind(metric, 2, "brute")
    engine.prepare(X)
    distances, indices = engine.search(None if alone else Q, 9)
    own = np.arange(len(X)) if alone else None
    wanted = reference.kneighbors(X if alone else Q, X, 9, metric, own, own)
    np.testing.assert_allclose(distances, wanted[0])
    if not alone:  # a row's own index is dropped afterwards, so that of an equal row may be dropped for it
        np.testing.assert_array_equal(indices, wanted[1])


def test_a_rows_own_index_goes_wherever_it_stands():
    distances, indices = np.arange(9.0).reshape(3, 3), np.array([[5, 0, 6], [1, 7, 8], [3, 4, 5]])
    kept = rivals._base.without_self(distances, indices)  # the third row's own is not among its duplicates: the last goes
    assert [part.tolist() for part in kept] == [[[0, 2], [4, 5], [6, 7]], [[5, 6], [7, 8], [3, 4]]]


@pytest.mark.parametrize("name", work.TABLES)
def test_rows_have_names_of_their_own_and_data_that_is_known(name):
    _, rows = work.TABLES[name]
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert set(row.data.split()) <= set(data.DATA)
        assert hasattr(measure.Bench, f"_{row.kind}")


def tiny(monkeypatch, tmp_path, rows):
    monkeypatch.setitem(work.TABLES, "brute", ("brute", rows))
    return lambda only, keep=False: table.run("brute", only, 1, keep, tmp_path, seconds=0.5)


@pytest.mark.process
def test_one_command_measures_and_merges(monkeypatch, tmp_path):
    rows = [
        work.Work("first", "rivals", "grid_2d", "l2", 7, 1e-9),
        work.Work("second", "seconds", "grid_2d", "l2", 7, 1e-9),
        work.Work("third", "isa", "grid_2d", "l1", 7, None, "scalar"),
    ]
    whole = measure.measure
    monkeypatch.setattr(rivals, "installed", lambda: ["ours", "sklearn"])  # each is a process, at least once
    monkeypatch.setattr(measure, "measure", lambda spec: whole(replace(spec, seconds=0.3)))
    monkeypatch.setattr(measure, "DISTURBED", 1.0)  # nothing is measured twice
    run = tiny(monkeypatch, tmp_path, rows)
    lines = run(["second"]).splitlines()
    assert sum(line.startswith("| second |") for line in lines) == 1
    assert not any(line.startswith("| first |") for line in lines)
    text = run(["first", "third"])
    named = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert named == ["row", "first", "second", "third"]
    stored = json.loads((tmp_path / "brute.json").read_text())
    first = stored["first"]
    assert first["met"] is True
    assert first["value"] == first["others"][first["other"]]["seconds"] / first["ours"]["seconds"]
    assert "scikit-learn" in text
    assert (tmp_path / "brute.md").read_text() == text
    of_rivals = json.loads((tmp_path / "rivals.json").read_text())
    assert of_rivals.keys() == {f"{name} grid_2d l2 k=7 threads=1" for name in first["others"]}


def test_rivals_are_kept_on_their_processor_only_and_a_row_may_name_its_threads(monkeypatch, tmp_path, capsys):
    measured = []

    def measure_it(spec):
        measured.append((spec.engine, spec.threads))
        common = {"disturbed": 0.0, "queries": 9, "of": 9, "version": spec.engine, "report": {}, "kth_distances": [1.0]}
        return {"seconds": 1.0 + (spec.engine != "ours"), "nearest": "same", **common}

    monkeypatch.setattr(measure, "measure", measure_it)
    monkeypatch.setattr(rivals, "installed", lambda: ["ours", "sklearn"])
    row = work.Work("first", "rivals", "grid_2d", "l2", 7, 1, threads=3)
    run = tiny(monkeypatch, tmp_path, [row])
    text = run([])
    assert measured == [("sklearn", 3), ("ours", 3)]
    assert "grid_2d l2 k=7, 3 threads" in text
    assert "not installed, so not measured: " in capsys.readouterr().err
    run([], True)
    assert measured[2:] == [("ours", 3)]
    monkeypatch.setattr(table, "machine", lambda: {"processor": "another"})
    run([], True)
    assert measured[3:] == [("sklearn", 3), ("ours", 3)]


def test_an_engine_that_promises_our_order_must_have_it(monkeypatch, tmp_path):
    def measure_it(spec):
        common = {"disturbed": 0.0, "queries": 9, "of": 9, "version": "", "report": {}, "kth_distances": [1.0]}
        return {"seconds": 1.0, "nearest": spec.engine, **common}

    monkeypatch.setattr(measure, "measure", measure_it)
    monkeypatch.setattr(rivals, "installed", lambda: ["ours", "sklearn"])
    run = tiny(monkeypatch, tmp_path, [work.Work("first", "rivals", "grid_2d", "l2", 7)])
    run([])
    monkeypatch.setattr(rivals.engine("sklearn"), "same_order", classmethod(lambda cls, metric, dtype: True))
    with pytest.raises(AssertionError, match="the neighbours of sklearn and fastcls differ"):
        run([])


@pytest.mark.parametrize("shares", [[0.0], [0.2, 0.0], [0.0, 0.0], [0.2, 0.1]])
def test_what_others_disturbed_is_measured_once_more_and_gets_no_verdict(monkeypatch, tmp_path, shares):
    left = list(shares)

    def measured(spec):
        share = left.pop(0)
        return {"seconds": 1.0 + share, "disturbed": share, "queries": 9, "of": 9, "version": "", "report": {}}

    monkeypatch.setattr(measure, "measure", measured)
    rows = [work.Work("first", "seconds", "grid_2d", "l2", 7, 1e-9)]
    line = tiny(monkeypatch, tmp_path, rows)([]).splitlines()[-6]
    assert line.startswith("| first |")
    assert len(left) == (1 if shares == [0.0, 0.0] else 0)
    final = min(shares[:2]) if shares[0] else 0.0
    assert json.loads((tmp_path / "brute.json").read_text())["first"]["ours"]["disturbed"] == final
    assert ("(disturbed: 10%)" in line) == (final > 0)
    assert ("**no**" in line) == (final == 0)


def test_a_row_that_does_not_exist_is_answered_with_those_that_do(monkeypatch, tmp_path):
    run = tiny(monkeypatch, tmp_path, [work.Work("first", "seconds", "grid_2d", "l2", 7)])
    with pytest.raises(SystemExit, match="no row secnod in brute; its rows are: first"):
        run(["secnod"])


@pytest.mark.build
@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler on this machine")
def test_limits_of_the_machine_are_measured(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTCLS_BENCH_CACHE", str(tmp_path))
    found = limits.limits(1, 0.05)
    if not found:
        pytest.skip("limits are known for x86-64 only")
    assert found["read"] > 0.1
    for name in ("sad_panel", "dot_registers"):
        assert found[name] is None or found[name] > 1


PROGRAMS = [
    *(f"bench/{name}.py" for name in ("dask_plan", "demo_figures", "loading", "model_loading", "report_figures")),
    "docs/make_figures.py",
    "tests/helpers/_how_to_add.py",
    "tests/helpers/_seeded_faults.py",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_shown_and_an_unknown_option_is_refused_before_any_work(program, monkeypatch, capsys):
    root, path = Path(__file__).resolve().parents[2], Path(program)
    of_bench = path.parts[0] == "bench"  # whose modules import each other
    run, named = (runpy.run_module, f"bench.{path.stem}") if of_bench else (runpy.run_path, str(root / path))
    for word, status in (("--help", 0), ("--typo", 2)):
        monkeypatch.setattr(sys, "argv", [program, word])
        with pytest.raises(SystemExit) as ended:
            run(named, run_name="__main__")
        assert ended.value.code == status
        shown = capsys.readouterr()
        assert "usage: " in (shown.err if status else shown.out)


def test_figures_of_the_search_by_radius_are_stored_and_kept(monkeypatch, tmp_path, capsys):
    from bench import radius

    rng = np.random.default_rng(0)
    monkeypatch.setattr(data, "rows", lambda name: (rng.standard_normal((500, 20)), rng.standard_normal((30, 20))))
    monkeypatch.setattr(radius, "ROWS", [("one", "l2", 3), ("two", "cosine", 5)])
    file = tmp_path / "radius.json"

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["radius", "--rounds", "2", "--results", str(file), *words])
        radius.main()
        return json.loads(file.read_text())

    first = run()
    assert list(first["rows"]) == ["one l2 3", "two cosine 5"]
    assert first["rows"]["one l2 3"]["results per query"] == 3.0
    assert [len(taken) for taken in first["rows"]["one l2 3"]["seconds"].values()] == [2, 2]
    again = run("--only", "two")
    assert again["rows"]["one l2 3"] == first["rows"]["one l2 3"]
    assert again["rows"]["two cosine 5"] != first["rows"]["two cosine 5"]
    file.write_text(json.dumps(again | {"threads": -1}))  # another machine's figures are not kept
    assert list(run("--only", "two")["rows"]) == ["two cosine 5"]
    assert "two cosine 5" in capsys.readouterr().out


@pytest.mark.parametrize("theme", chart.THEMES)
def test_the_speed_chart_has_the_figures_of_the_table(theme):
    results = json.loads(chart.RESULTS.read_text(encoding="utf-8"))
    drawn = chart.svg(results, theme)
    assert (chart.FIGURES / f"speed-{theme}.svg").read_text(encoding="utf-8") == drawn
    assert set(chart.PROBLEMS) <= {row.name for row in work.FILTER}
    for row in chart.PROBLEMS:
        assert f">{results[row]['value']:.1f} x<" in drawn
        fastest = min(found["seconds"] for found in results[row]["others"].values())
        assert results[row]["others"][results[row]["other"]]["seconds"] == fastest
